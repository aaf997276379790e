// The picture of an article: uploaded, shown among those to choose from, and chosen. Without script there is /media/new.

import { token } from "./moot.js";

const box = document.querySelector("[data-cover]");
if (box) prepare();

function prepare() {
  const pick = box.querySelector("[data-pick]");
  const file = box.querySelector("[data-file]");
  const list = box.querySelector("[data-covers]");
  const alt = box.querySelector("#picture_alt");
  const said = box.querySelector("[data-said]");
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

  function describe(input) {
    if (alt.value && alt.value !== given) return;
    alt.value = given = input.dataset.alt ?? "";
  }

  async function send(chosen) {
    const { name } = chosen;
    if (chosen.size > words.maxMb * 1e6) return say(words.wordsSize, name);
    say(words.wordsSending, name);
    const body = new FormData();
    body.append("picture", chosen, name);
    pick.disabled = true;
    try {
      const headers = { "X-Csrf-Token": token(), "X-Requested-With": "fetch" };
      const answer = await fetch("/media", { method: "POST", body, headers });
      const picture = await answer.json();
      if (answer.status !== 201) return (said.textContent = picture.error ?? words.wordsFailed.replace("{name}", name));
      show(picture, name);
      say(words.wordsArrived, name);
      alt.focus();
    } catch {
      say(words.wordsFailed, name);
    } finally {
      pick.disabled = false;
    }
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
