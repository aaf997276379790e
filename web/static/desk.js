// The questions of a debate while their page is open: buttons work in place, and the lists stay fresh. What somebody is
// using or has typed into is never touched.

import { prepare, send } from "./moot.js";

const root = document.getElementById("lists");
const said = document.getElementById("said");

function isChanged(field) {
  if (field.type === "hidden") return false;
  if (field.tagName === "SELECT") return [...field.options].some((each) => each.selected !== each.defaultSelected) && field.selectedIndex > 0;
  return field.value !== field.defaultValue;
}

function isInUse(item) {
  if (item.dataset.done) return false;
  return (
    Boolean(item.querySelector("details[open], :active, :is(input, select, textarea):focus")) ||
    [...item.querySelectorAll("input, select, textarea")].some(isChanged)
  );
}

// Where the focus is, in words that are true of the fresh lists as well.
function whereabouts() {
  const item = document.activeElement?.closest("[data-list] > li");
  if (!item || !root.contains(item)) return null;
  const list = item.parentElement;
  return { id: item.id, key: document.activeElement.dataset.key, list: list.dataset.list, at: [...list.children].indexOf(item) };
}

function goBack(was) {
  if (!was || document.activeElement !== document.body) return;
  const list = root.querySelector(`[data-list="${was.list}"]`);
  const item = list?.querySelector(`:scope > [id="${was.id}"]`) ?? list?.children[Math.min(was.at, list.children.length - 1)];
  const target = item?.querySelector(`[data-key="${was.key}"]`) ?? item?.querySelector("button, summary, a");
  (target ?? list?.closest("section")?.querySelector("h2"))?.focus({ preventScroll: true });
}

// Puts fresh items around those in use, which stay where they are.
function merge(old, fresh, kept) {
  const staying = [...old.children].filter((item) => kept.has(item.id));
  for (const item of [...old.children]) if (!kept.has(item.id)) item.remove();
  for (const item of [...fresh.children]) {
    if (!kept.has(item.id)) old.insertBefore(item, staying[0] ?? null);
    else if (staying[0]?.id === item.id) staying.shift();
  }
}

function put(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const fresh = holder.content;
  prepare(fresh);
  const used = [...root.querySelectorAll("[data-list] > li")].filter(isInUse);
  const was = whereabouts();
  if (used.length) {
    const kept = new Set(used.map((item) => item.id));
    for (const list of fresh.querySelectorAll("[data-list]")) {
      const old = root.querySelector(`[data-list="${list.dataset.list}"]`);
      if (old) merge(old, list, kept);
    }
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const old = root.querySelector(`[data-part="${part.dataset.part}"]`);
      if (old && !old.contains(document.activeElement)) old.replaceWith(part);
    }
  } else {
    const open = [...root.querySelectorAll("details.rest")].map((details) => details.open);
    root.replaceChildren(fresh);
    root.querySelectorAll("details.rest").forEach((details, index) => (details.open = open[index] ?? details.open));
  }
  goBack(was);
}

let isAsking = false;
let isStale = false;

async function refresh() {
  if (isAsking) {
    isStale = true;
    return;
  }
  isAsking = true;
  do {
    isStale = false;
    try {
      const response = await fetch(root.dataset.fresh, { headers: { "X-Requested-With": "fetch" } });
      if (response.ok && !response.redirected) put(await response.text());
    } catch {
      // The next event asks again.
    }
  } while (isStale);
  isAsking = false;
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("#lists form[data-quiet]")) return;
  event.preventDefault();
  const item = form.closest("li");
  const fields = new FormData(form, event.submitter);
  event.submitter?.setAttribute("aria-disabled", "true");
  const response = await send(form.action, fields);
  if (response?.status !== 204) {
    // The page that comes says what is wrong, and has what was typed.
    form.submit();
    return;
  }
  item.dataset.done = "1";
  if (said && form.dataset.said) said.textContent = form.dataset.said;
  await refresh();
});

let timer = 0;

function soon() {
  // A little chance spreads the questions of many readers.
  timer ||= setTimeout(() => {
    timer = 0;
    if (document.hidden) document.addEventListener("visibilitychange", soon, { once: true });
    else refresh();
  }, 400 + Math.random() * 800);
}

if (root?.dataset.live) {
  const events = new EventSource(root.dataset.live);
  let isFirst = true;
  events.addEventListener("last", () => {
    if (!isFirst) soon();
    isFirst = false;
  });
  for (const kind of ["post", "topic"]) events.addEventListener(kind, soon);
  // The head of the page looks for itself.
  events.addEventListener("topic", () => document.dispatchEvent(new Event("topic-changed")));
  addEventListener("pagehide", () => events.close());
}
