// The picture of an article: picked, pasted or dropped, sent with progress, shown among those to choose from, and
// chosen. Without script there is /media/new.

import { upload } from "./upload.js";

const box = document.querySelector("[data-cover]");
if (box) prepare();

function prepare() {
  const pick = box.querySelector("[data-pick]");
  const file = box.querySelector("[data-file]");
  const list = box.querySelector("[data-covers]");
  const alt = box.querySelector("#picture_alt");
  const said = box.querySelector("[data-said]");
  const bar = box.querySelector("progress");
  const words = box.dataset;
  const say = (text, name) => (said.textContent = text.replace("{name}", name));
  pick.hidden = false;
  pick.addEventListener("click", () => file.click());
  // What was said of a picture when it was uploaded is where its description begins.
  let given = alt.value;
  list.addEventListener("change", (event) => describe(event.target));
  file.addEventListener("change", () => {
    const [chosen] = file.files;
    file.value = "";
    if (chosen) send(chosen);
  });
  box.addEventListener("paste", (event) => {
    const [pasted] = event.clipboardData?.files ?? [];
    if (!pasted || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    send(pasted);
  });
  // What is dropped here is no picture for the text, which takes what is dropped on the rest of the form.
  box.addEventListener("dragover", (event) => event.preventDefault());
  box.addEventListener("drop", (event) => {
    const [dropped] = event.dataTransfer?.files ?? [];
    if (!dropped) return;
    event.preventDefault();
    event.stopPropagation();
    box.closest("form").classList.remove("is-dragged-over");
    send(dropped);
  });

  function describe(input) {
    if (alt.value && alt.value !== given) return;
    alt.value = given = input.dataset.alt ?? "";
  }

  async function send(chosen) {
    const name = chosen.name || "1";
    if (chosen.size > words.maxMb * 1e6) return say(words.wordsSize, name);
    say(words.wordsSending, name);
    pick.disabled = true;
    bar.hidden = false;
    const { done } = upload(chosen, name, (percent) => {
      if (percent === null) bar.removeAttribute("value");
      else bar.value = percent;
    });
    const { status, answer } = await done;
    pick.disabled = false;
    bar.hidden = true;
    if (status !== 201 || !answer) return (said.textContent = answer?.error ?? words.wordsFailed.replace("{name}", name));
    show(answer, name);
    say(words.wordsArrived, name);
    alt.focus();
  }

  function show(picture, name) {
    const key = picture.url.match(/[0-9a-f]{32}/)[0];
    let input = list.querySelector(`input[value="${key}"]`);
    if (!input) {
      const label = list.querySelector("template").content.firstElementChild.cloneNode(true);
      input = label.querySelector("input");
      input.value = key;
      label.querySelector("img").src = picture.small;
      label.querySelector("img").alt = picture.alt || name;
      list.querySelector("label").after(label);
    }
    input.dataset.alt = picture.alt;
    input.checked = true;
    describe(input);
  }
}
