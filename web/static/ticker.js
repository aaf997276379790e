// The page of the hour: what is said arrives by itself. Nothing touches what the reader is using, nothing moves what is
// being read: it waits until it is left, and only the newest of it is kept.

import { now, prepare, send, token } from "./moot.js";

const root = document.querySelector("[data-ticker]");
const words = root.dataset;
const told = root.querySelector("[data-told]");
const isMember = token() !== "";
const ITEMS_MAX = 60;
const HEADER = 64;

// --- what must not be touched

function isTyped(field) {
  if (field.type === "hidden") return false;
  if (/^(radio|checkbox)$/.test(field.type)) return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
}

function isInUse(part) {
  const selection = getSelection();
  return (
    part.contains(document.activeElement) ||
    part.matches(":active") ||
    Boolean(part.querySelector("details[open], :active")) ||
    (!selection.isCollapsed && (part.contains(selection.anchorNode) || part.contains(selection.focusNode))) ||
    [...part.querySelectorAll("input, textarea")].some(isTyped)
  );
}

// What could not be done yet, by what it is about: only the last word about a thing counts.
const waiting = new Map();

function attempt(about, deed) {
  if (document.hidden || !deed()) waiting.set(about, deed);
  else waiting.delete(about);
}

function again() {
  if (document.hidden) return;
  for (const [about, deed] of [...waiting]) if (deed()) waiting.delete(about);
  feeds.forEach(settle);
}

let timer = 0;
function soon() {
  timer ||= setTimeout(() => {
    timer = 0;
    again();
  }, 150);
}
for (const kind of ["focusout", "pointerup", "change", "toggle", "selectionchange", "visibilitychange"]) {
  document.addEventListener(kind, soon, true);
}
addEventListener("scroll", soon, { passive: true });
setInterval(again, 3000);

// --- pieces as they come, made this reader's own

function read(html, old) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const piece = holder.content;
  for (const other of piece.querySelectorAll(`[data-for="${isMember ? "guest" : "member"}"]`)) other.remove();
  for (const item of piece.querySelectorAll(`[data-author="${words.me}"]`)) item.querySelector(".applaud")?.remove();
  for (const form of piece.querySelectorAll('form[method="post"]')) {
    if (form.elements.csrf) continue;
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: "csrf", value: token() });
    form.prepend(field);
  }
  for (const pressed of old?.querySelectorAll('form [aria-pressed="true"]') ?? []) {
    const action = pressed.form.getAttribute("action");
    const form = [...piece.querySelectorAll("form")].find((each) => each.getAttribute("action") === action);
    if (form) press(form, true);
  }
  prepare(piece);
  return piece;
}

// A button that says yes or no to one thing: a like, a vote for a question.
function press(form, isOn) {
  const button = form.querySelector("[aria-pressed]");
  button.setAttribute("aria-pressed", String(isOn));
  form.querySelector('[name="liked"], [name="is_on"]').value = isOn ? "0" : "1";
  if (form.matches(".applaud")) button.firstElementChild.textContent = isOn ? "♥" : "♡";
}

function put(id, html) {
  attempt(id, () => {
    const part = document.getElementById(id);
    if (isInUse(part)) return false;
    part.replaceChildren(read(html, part));
    return true;
  });
}

// --- feeds

const feeds = [...root.querySelectorAll("[data-feed-of]")].map((box) => ({
  name: box.dataset.feedOf,
  box,
  items: box.querySelector(".items"),
  button: box.querySelector("[data-show]"),
  arrived: [],
}));
let last = Number.parseInt(words.mark, 10);
let movedAt = 0;
let scrolledAt = 0;
addEventListener("scroll", () => (scrolledAt = Date.now()), { passive: true });
root.addEventListener("pointermove", (event) => event.pointerType === "mouse" && (movedAt = Date.now()));

function isBeingRead({ box, items }) {
  const { top } = box.getBoundingClientRect();
  if (top > innerHeight) return false; // It begins below what is seen.
  const isPointedAt = items.matches(":hover") && Date.now() - movedAt < 4000;
  return top < HEADER || isPointedAt || Date.now() - scrolledAt < 1200 || isInUse(items);
}

function show(feed) {
  const fresh = feed.arrived.splice(0);
  for (const item of fresh) {
    item.classList.add("is-new");
    feed.items.prepend(item);
  }
  feed.button.hidden = true;
  const all = [...feed.items.children];
  while (all.length > ITEMS_MAX && !isInUse(all.at(-1)) && all.at(-1).getBoundingClientRect().top > innerHeight) {
    all.pop().remove();
  }
  return fresh.at(-1);
}

function settle(feed) {
  const count = feed.arrived.length;
  if (!count || document.hidden) return;
  if (!isBeingRead(feed)) show(feed);
  else {
    feed.button.textContent = count === 1 ? words.one : words.many.replace("{n}", count);
    feed.button.hidden = false;
  }
}

for (const feed of feeds) {
  feed.button.addEventListener("click", () => {
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const first = show(feed);
    feed.box.scrollIntoView({ block: "start", behavior: isCalm ? "auto" : "smooth" });
    first?.focus({ preventScroll: true });
  });
}

function take(item) {
  const { number, feed: name, html, now } = item;
  const id = `post-${number}`;
  const feed = feeds.find((each) => each.name === name);
  const held = document.getElementById(id);
  const unseen = feeds.find((each) => each.arrived.some((one) => one.id === id));
  if (unseen) {
    const at = unseen.arrived.findIndex((one) => one.id === id);
    unseen.arrived.splice(at, 1, ...(html ? [read(html).firstElementChild] : []));
    unseen.button.hidden = !unseen.arrived.length;
    settle(unseen);
  } else if (held) {
    attempt(id, () => {
      if (isInUse(held)) return false;
      held.replaceWith(...(html ? [read(html, held).firstElementChild] : []));
      return true;
    });
  } else if (html && number > last && feed) {
    feed.arrived.push(read(html).firstElementChild);
    // What nobody looks at for long is not kept for ever.
    if (feed.arrived.length > ITEMS_MAX) feed.arrived.shift();
    settle(feed);
    say(1);
  }
  last = Math.max(last, number);
  if (now) put("live-now", now);
  else if (!html && document.querySelector(`#live-now [data-number="${number}"]`)) put("live-now", "");
}

// --- what is said aloud, at a calm rate

let countNew = 0;
let saidAt = 0;

function say(count, sentence) {
  countNew += count;
  if (sentence) told.textContent = sentence;
  else if (countNew && Date.now() - saidAt > 10_000) {
    told.textContent = countNew === 1 ? words.saidOne : words.saidMany.replace("{n}", countNew);
    countNew = 0;
  } else return;
  saidAt = Date.now();
}
setInterval(() => say(0), 5000);

// Whoever had the word a while ago is not speaking any more.
setInterval(() => {
  const speaker = document.querySelector("#live-now [data-speaks-until]");
  if (speaker && now() > Date.parse(speaker.dataset.speaksUntil)) put("live-now", "");
}, 15_000);

// --- the other parts of the page

function putHead(html) {
  attempt("head", () => {
    const head = document.querySelector(".debate-head");
    if (isInUse(head)) return false;
    const fresh = read(html).querySelector(".debate-head");
    // What is this reader's own stays.
    for (const own of isMember ? [".debate-acts", "[data-yours]"] : ["[data-yours]"]) {
      const [mine, theirs] = [head, fresh].map((each) => each.querySelector(own));
      if (mine && theirs) theirs.replaceWith(mine);
    }
    head.replaceWith(fresh);
    return true;
  });
}

function close() {
  const form = document.querySelector("form#composer");
  if (!form || form.dataset.stays) return;
  attempt("composer", () => {
    // What the server has just answered says more.
    if (isInUse(form)) form.querySelector("[data-outcome]").textContent ||= words.isOver;
    else form.hidden = true;
    return form.hidden;
  });
}

function poll(data) {
  if (!isMember) return put("live-poll", data.html);
  attempt("live-poll", () => {
    const part = document.getElementById("live-poll");
    if (isInUse(part)) return false;
    const [forms, tables] = [read(data.member), read(data.voted)];
    for (const paper of forms.querySelectorAll("[data-poll]")) {
      const old = part.querySelector(`[data-poll="${paper.dataset.poll}"]`);
      if (!old || old.querySelector("form")) continue;
      const table = tables.querySelector(`[data-poll="${paper.dataset.poll}"]`);
      old.querySelectorAll("tbody tr").forEach((row, index) => {
        const mine = row.querySelector(".mine");
        if (mine) table.querySelectorAll("tbody th > span")[index].after(" ", mine);
      });
      paper.replaceWith(table);
    }
    part.replaceChildren(forms);
    return true;
  });
}

const handlers = {
  post: take,
  change: take,
  likes(counts) {
    for (const [number, count] of Object.entries(counts)) {
      const item = document.getElementById(`post-${number}`);
      const place = item?.querySelector("[data-likes]");
      if (place && !item.querySelector(":active")) place.textContent = count.trim();
    }
  },
  questions: (data) => put("live-questions", isMember ? data.member : data.html),
  poll,
  state(data) {
    const isOther = data.state !== words.state;
    root.classList.replace(`is-${words.state}`, `is-${data.state}`);
    words.state = data.state;
    putHead(data.head);
    put("live-status", data.html);
    const isOver = /closed|concluded|cancelled/.test(data.state);
    if (isOver) {
      put("live-now", "");
      close();
    }
    if (isOther && (isOver || data.state === "live")) say(0, isOver ? words.isOver : words.isLive);
  },
  watching({ words: count }) {
    for (const place of document.querySelectorAll("[data-watching]")) {
      place.textContent = count.trim();
      place.hidden = false;
    }
  },
  gap() {
    root.querySelector("[data-gap]").hidden = false;
  },
};

let events;
let mark = words.mark;
let isLost = 0;

// Short breaks are nobody's business.
function lose() {
  isLost ||= setTimeout(() => (root.querySelector("[data-lost]").hidden = false), 12_000);
}

function find() {
  clearTimeout(isLost);
  isLost = 0;
  root.querySelector("[data-lost]").hidden = true;
}

function connect() {
  events = new EventSource(`${words.ticker}?after=${mark}`);
  for (const [name, handle] of Object.entries(handlers)) {
    events.addEventListener(name, (event) => {
      mark = event.lastEventId || mark;
      handle(JSON.parse(event.data));
    });
  }
  // A browser tries again by itself, after the time that the server named; not so when the answer was an error.
  events.onopen = find;
  events.onerror = () => {
    lose();
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 5000 + Math.random() * 10_000);
  };
}

connect();
addEventListener("pagehide", () => events.close());
addEventListener("pageshow", (event) => event.persisted && connect());

// --- what the reader does, without leaving the page

async function write(form) {
  const outcome = form.querySelector("[data-outcome]");
  const response = await send(form.action, new FormData(form));
  if (response?.status === 201) {
    const area = form.elements.text;
    area.value = "";
    area.dispatchEvent(new Event("input", { bubbles: true }));
    form.querySelector("[data-answer-all]").click();
    area.blur();
    form.classList.remove("is-open");
    outcome.textContent = words.sent;
    setTimeout(() => (outcome.textContent = ""), 6000);
  } else {
    const page = new DOMParser().parseFromString((await response?.text()) ?? "", "text/html");
    outcome.textContent = page.querySelector("#text-wrong, main [role=alert]")?.textContent.trim() || words.notSent;
  }
  // The comforts of writing take the page up again, as after a way back.
  dispatchEvent(new Event("pageshow"));
}

async function vote(form) {
  const response = await send(form.action, new FormData(form));
  if (!response?.ok || response.redirected) return form.submit();
  const section = form.closest(".poll");
  const fresh = read(await response.text()).firstElementChild;
  fresh.tabIndex = -1;
  section.replaceWith(fresh);
  fresh.focus({ preventScroll: true });
}

async function toggle(form) {
  const isOn = form.querySelector("[aria-pressed]").getAttribute("aria-pressed") === "false";
  const fields = new FormData(form);
  press(form, isOn);
  const response = await send(form.action, fields);
  if (!response?.ok || response.redirected) press(form, !isOn);
}

root.addEventListener("submit", (event) => {
  const form = event.target;
  const deed = form.id === "composer" ? write : form.matches(".poll form") ? vote : form.querySelector("[aria-pressed]") && toggle;
  if (!deed) return;
  event.preventDefault();
  deed(form);
});
