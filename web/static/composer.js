// Comforts of writing: marks, preview, drafts that are kept, answering and quoting without leaving the page.

import { send } from "./moot.js";

const form = document.getElementById("composer");
const area = form.querySelector("textarea");
const title = form.querySelector('[name="title"]');
const saved = form.querySelector("[data-saved]");
const words = form.dataset;

form.querySelector("[data-tools]").hidden = false;
// A draft that came back is written on at its end.
area.setSelectionRange(area.value.length, area.value.length);

// --- drafts

let kept = state();
let timer = 0;
let isSending = false;

function state() {
  return JSON.stringify([title?.value ?? "", area.value]);
}

async function keep() {
  timer = 0;
  const now = state();
  if (isSending || now === kept) return; // What was sent is no draft any more.
  const response = await send("/drafts", { place: words.place, title: title?.value ?? "", text: area.value });
  if (!response?.ok || response.redirected) return;
  kept = now;
  saved.textContent = area.value.trim() ? ` · ${words.wordsSaved}` : "";
}

form.addEventListener("input", () => {
  saved.textContent = "";
  clearTimeout(timer);
  timer = setTimeout(keep, 1200);
});
document.addEventListener("visibilitychange", () => document.hidden && keep());

addEventListener("beforeunload", (event) => {
  if (!isSending && state() !== kept && area.value.trim()) event.preventDefault();
});
form.addEventListener("submit", () => {
  isSending = true;
  clearTimeout(timer);
  // After the browser has collected the form: a second click sends nothing twice.
  setTimeout(() => form.querySelectorAll(".bar .button").forEach((button) => (button.disabled = true)));
});
addEventListener("pageshow", () => {
  isSending = false;
  form.querySelectorAll(".bar .button").forEach((button) => (button.disabled = false));
});

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  } else if (event.key === "Escape" && form.matches(".docked")) {
    form.classList.remove("is-open");
    document.activeElement.blur();
  }
});

// --- marks

const around = { bold: ["**", "**"], italic: ["*", "*"], link: ["[", "](https://)"], code: ["`", "`"] };
const before = { quote: "> ", list: "- " };

function write(text, from, to) {
  area.focus();
  area.setSelectionRange(from, to);
  // The old command is the only one that leaves the browser's own undo intact.
  if (!document.execCommand("insertText", false, text)) area.setRangeText(text, from, to, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

function mark(kind) {
  const { selectionStart: from, selectionEnd: to, value } = area;
  const chosen = value.slice(from, to);
  if (kind === "code" && chosen.includes("\n")) {
    write(`\`\`\`\n${chosen}\n\`\`\``, from, to);
  } else if (around[kind]) {
    const [open, close] = around[kind];
    write(open + chosen + close, from, to);
    area.setSelectionRange(from + open.length, from + open.length + chosen.length);
  } else {
    const start = value.lastIndexOf("\n", from - 1) + 1;
    write(value.slice(start, to).replace(/^/gm, before[kind]), start, to);
  }
}

form.querySelectorAll("[data-mark]").forEach((button) => {
  button.addEventListener("click", () => mark(button.dataset.mark));
});

// --- preview: from the same code that stores the text

const previewButton = form.querySelector("[data-preview]");
const previewed = form.querySelector("[data-previewed]");

previewButton.addEventListener("click", async () => {
  const isOn = previewed.hidden;
  if (isOn) {
    const response = await send("/preview", { text: area.value });
    if (!response?.ok || response.redirected) return;
    previewed.innerHTML = await response.text();
  }
  previewed.hidden = !isOn;
  area.hidden = isOn;
  previewButton.setAttribute("aria-pressed", String(isOn));
  previewButton.textContent = isOn ? words.wordsEdit : words.wordsPreview;
  (isOn ? previewed : area).focus({ preventScroll: true });
});

// --- answering and quoting

const answering = form.querySelector("[data-answering]");

function answer(id, name, side = "none") {
  if (!answering) return;
  // In a debate an answer is on the side of what it answers, until something else is chosen.
  const choice = form.querySelector(`[name="position"][value="${side}"]`);
  if (choice) choice.checked = true;
  form.elements.reply_to.value = id;
  answering.hidden = !id;
  answering.querySelector("[data-answering-name]").textContent = name;
  form.classList.add("is-open");
  if (!previewed.hidden) previewButton.click();
  area.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const reply = event.target.closest("[data-reply]");
  if (reply) {
    event.preventDefault();
    answer(reply.dataset.reply, reply.dataset.name, reply.dataset.side);
  }
  if (event.target.closest("[data-answer-all]")) {
    event.preventDefault();
    answer("", "");
  }
  const quote = event.target.closest("[data-quote]");
  if (quote) {
    const article = quote.closest("article");
    const text = chosenIn(article) || article.querySelector(".text").innerText.trim();
    const link = article.querySelector("[data-reply]");
    answer(link.dataset.reply, link.dataset.name, link.dataset.side);
    const gap = area.value && !area.value.endsWith("\n\n") ? "\n\n" : "";
    const lines = text.slice(0, 1500).replace(/\n{3,}/g, "\n\n").replace(/^/gm, "> ");
    write(`${gap}${lines}\n\n`, area.value.length, area.value.length);
  }
});

// The selection is gone by the time a button is clicked on some browsers: it is remembered as it is made.
let chosen = { article: null, text: "" };

function chosenIn(article) {
  return chosen.article === article ? chosen.text : "";
}

document.addEventListener("selectionchange", () => {
  const selection = getSelection();
  const node = selection.anchorNode;
  const article = (node?.nodeType === 1 ? node : node?.parentElement)?.closest("article.post .text")?.closest("article");
  const text = selection.toString().trim();
  if (article && text) chosen = { article, text };
  else if (!document.activeElement?.matches("[data-quote]")) chosen = { article: null, text: "" };
});

// An open composer covers posts on a small screen: a tap beside it folds it, with what was written.
document.addEventListener("pointerdown", (event) => {
  if (!form.contains(event.target) && previewed.hidden) form.classList.remove("is-open");
});

if (location.hash === "#composer") area.focus();
