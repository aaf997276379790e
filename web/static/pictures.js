// Pictures for a text that is being written: picked, pasted or dropped; sent with progress; described, then put in.

import { upload } from "./upload.js";

const AT_ONCE = 3;
const KINDS = ["image/jpeg", "image/png", "image/webp", "image/gif"];

for (const box of document.querySelectorAll("[data-pictures]")) prepare(box);

function prepare(box) {
  const form = box.closest("form");
  const area = form.elements.text ?? form.querySelector("textarea");
  const pick = box.querySelector("[data-pick]");
  const files = box.querySelector("[data-files]");
  const list = box.querySelector("[data-uploads]");
  const said = box.querySelector("[data-said]");
  const words = box.dataset;
  box.hidden = false;
  const waiting = [];
  let running = 0;
  let number = 0;

  const say = (text) => (said.textContent = text);
  const about = (text, name) => text.replace("{name}", name);

  pick.addEventListener("click", () => files.click());
  files.addEventListener("change", () => {
    add(files.files);
    files.value = "";
  });
  area.addEventListener("paste", (event) => {
    // Text that was copied together with a picture of itself, as from a spreadsheet, is text.
    if (!event.clipboardData?.files.length || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    add(event.clipboardData.files);
  });
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  for (const name of ["dragenter", "dragover"]) {
    form.addEventListener(name, (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      form.classList.add("is-dragged-over");
    });
  }
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(event.relatedTarget)) form.classList.remove("is-dragged-over");
  });
  form.addEventListener("drop", (event) => {
    form.classList.remove("is-dragged-over");
    if (!hasFiles(event)) return;
    event.preventDefault();
    add(event.dataTransfer.files);
  });
  // What was uploaded and is in no text would be lost without a word.
  form.addEventListener(
    "submit",
    (event) => {
      const left = list.querySelector("li:not(.is-refused)");
      if (!left) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      show(left, words.wordsLeft);
      (left.querySelector(".upload-there:not([hidden]) input") ?? left.querySelector("[data-cancel]")).focus();
    },
    { capture: true },
  );

  function add(chosen) {
    form.classList.add("is-open");
    for (const file of chosen) start(file);
  }

  function show(item, text) {
    const wrong = item.querySelector(".wrong");
    wrong.hidden = !text;
    wrong.textContent = text;
    if (text) say(text);
  }

  // An item whose file was refused only says why, until it is taken away.
  function refuse(item, text) {
    item.classList.add("is-refused");
    item.querySelector("progress").hidden = true;
    item.querySelector("[data-cancel]").textContent = item.querySelector("[data-drop]").textContent;
    show(item, text);
  }

  function start(file) {
    const item = box.querySelector("template").content.firstElementChild.cloneNode(true);
    const name = file.name || `${++number}`;
    item.querySelector(".upload-name").textContent = name;
    list.append(item);
    const job = { file, name, item, request: null };
    item.querySelector("[data-cancel]").addEventListener("click", () => {
      const at = waiting.indexOf(job);
      if (at >= 0) waiting.splice(at, 1);
      job.request?.abort();
      item.remove();
      pick.focus();
    });
    if (file.type && !KINDS.includes(file.type)) return refuse(item, about(words.wordsKind, name));
    if (file.size > words.maxMb * 1e6) return refuse(item, about(words.wordsSize, name));
    say(about(words.wordsSending, name));
    waiting.push(job);
    next();
  }

  function next() {
    while (running < AT_ONCE && waiting.length) send(waiting.shift());
  }

  function send(job) {
    running++;
    const bar = job.item.querySelector("progress");
    bar.setAttribute("aria-label", about(words.wordsSending, job.name));
    const { request, done } = upload(job.file, job.name, (percent) => {
      if (percent === null) bar.removeAttribute("value");
      else bar.value = percent;
    });
    job.request = request;
    request.addEventListener("loadend", () => {
      running--;
      next();
    });
    done.then(({ status, answer }) => {
      if (status === 201 && answer) there(job, answer);
      else refuse(job.item, answer?.error ? `${job.name}: ${answer.error}` : about(words.wordsFailed, job.name));
    });
  }

  function there({ item, name }, picture) {
    item.querySelector(".upload-way").remove();
    const part = item.querySelector(".upload-there");
    part.hidden = false;
    part.querySelector("img").src = picture.small;
    const input = part.querySelector("input");
    const hint = part.querySelector(".hint");
    input.id = `alt-${picture.url.split("/").pop()}`;
    hint.id = `${input.id}-hint`;
    input.setAttribute("aria-describedby", hint.id);
    part.querySelector("label").htmlFor = input.id;
    input.value = picture.alt;
    const insert = part.querySelector("[data-insert]");
    const put = () => {
      const alt = input.value.replace(/\s+/g, " ").trim();
      if (!alt && hint.hidden) {
        hint.hidden = false;
        hint.textContent = words.wordsEmpty;
        say(words.wordsEmpty);
        input.focus();
        return;
      }
      item.remove();
      write(`![${alt.replace(/[\\[\]*_`<>&!~@]/g, "\\$&")}](${picture.url})`);
      say(about(words.wordsInserted, name));
    };
    insert.addEventListener("click", put);
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      event.stopPropagation();
      put();
    });
    part.querySelector("[data-drop]").addEventListener("click", () => {
      item.remove();
      pick.focus();
    });
    // Nobody who is typing is interrupted.
    if (document.activeElement !== area && !list.contains(document.activeElement)) input.focus();
    say(about(words.wordsArrived, name));
  }

  // A picture stands in a paragraph of its own.
  function write(markdown) {
    const { selectionStart: from, selectionEnd: to, value } = area;
    const gap = (text, pattern) => (!text || pattern.test(text) ? "" : "\n\n");
    const before = gap(value.slice(0, from), /\n\n$/);
    const after = gap(value.slice(to), /^\n\n/) || (value.slice(to) ? "" : "\n\n");
    area.hidden = false;
    area.focus();
    area.setSelectionRange(from, to);
    const text = before + markdown + after;
    if (!document.execCommand("insertText", false, text)) area.setRangeText(text, from, to, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
