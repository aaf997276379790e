// A debate while its pages are open: time runs on, and what changed is told without touching what somebody does.

import { now, prepare } from "./moot.js";

const head = document.querySelector(".debate-head");
const lang = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
const SIZES = { day: 1440, hour: 60, minute: 1 };

// --- time

function words(unit, count) {
  const parts = new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: "long" }).formatToParts(count);
  return parts.filter((part) => part.type === "unit").map((part) => part.value).join("");
}

// The minutes that are left; the last one is a whole one.
function minutesTo(moment) {
  return Math.ceil((new Date(moment) - now()) / 60000);
}

function split(minutes) {
  let rest = Math.max(1, minutes);
  const parts = Object.entries(SIZES).map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest %= size;
    return [unit, count];
  });
  return parts.slice(parts.findIndex(([, count]) => count));
}

function countDown(timer) {
  const minutes = minutesTo(timer.dataset.until);
  const label = timer.querySelector(".visually-hidden");
  if (minutes <= 0) {
    timer.textContent = timer.dataset.now;
    // The page of the hour is told.
    if (head && !document.querySelector("[data-ticker]")) setTimeout(look, 4000 + Math.random() * 6000);
    return;
  }
  const spans = split(minutes).map(([unit, count]) => {
    const span = document.createElement("span");
    span.dataset.unit = unit;
    const number = document.createElement("b");
    number.textContent = count;
    span.append(number, ` ${words(unit, count)}`);
    return span;
  });
  timer.replaceChildren(label, ...spans);
}

function tick() {
  for (const timer of document.querySelectorAll("[data-until]")) countDown(timer);
  for (const time of document.querySelectorAll("time[data-left]")) {
    const parts = split(minutesTo(time.dateTime)).filter(([, count]) => count);
    time.textContent = parts.map(([unit, count]) => `${count} ${words(unit, count)}`).join(" ");
  }
  // Once in a minute, when the minute is full: nothing on the page hurries anybody.
  setTimeout(tick, 60000 - (now() % 60000) + 50);
}

// The time where the reader is, if that is another than where the debate is.
function localise(root) {
  const yours = root.querySelector("[data-yours]");
  const time = yours?.parentElement.querySelector("time[datetime]");
  if (!time || !yours.hidden) return;
  const there = new Date(time.dateTime).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  yours.hidden = time.textContent.includes(there);
  const here = new Date(time.dateTime).toLocaleString(lang, { weekday: "long", hour: "2-digit", minute: "2-digit" });
  yours.textContent = yours.textContent.replace("{time}", here);
}

tick();
if (head) localise(head);

// --- what changed

let isLooking = false;

function isInUse(element) {
  return element.contains(document.activeElement) || element.querySelector("details[open], form :focus");
}

function tell(text, where = location.pathname + location.search) {
  const news = document.querySelector("[data-news]");
  news.querySelector("a").href = where;
  news.hidden = false;
  news.querySelector("span").textContent = text;
}

// Asks for this page anew. The head, where nobody is at work in it, shows at once that the debate went on; for the rest
// there is a link.
async function look() {
  const old = document.querySelector(".debate-head");
  if (isLooking || !old) return;
  isLooking = true;
  try {
    const response = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(response.ok ? await response.text() : "", "text/html");
    const fresh = page.querySelector(".debate-head");
    if (!fresh) return;
    const was = old.dataset.state;
    const is = fresh.dataset.state;
    if (!isInUse(old)) {
      old.replaceWith(fresh);
      prepare(fresh);
      localise(fresh);
    }
    const words = fresh.querySelector("[data-news]").dataset;
    const count = (root) => root.querySelectorAll("#stream .post").length;
    if (was !== is) tell(words[is] ?? words.changed, (is === "live" && fresh.querySelector(".to-live")?.href) || undefined);
    else if (count(page) !== count(document)) tell(words.posts);
  } catch {
    // A network that is away for a moment is no news.
  } finally {
    isLooking = false;
  }
}

let timer = 0;
function soon() {
  // A little chance spreads the questions of many readers.
  timer ||= setTimeout(() => { timer = 0; look(); }, 800 + Math.random() * 2500);
}

if (head?.dataset.listen) {
  const events = new EventSource(head.dataset.listen);
  for (const kind of ["topic", "post"]) events.addEventListener(kind, soon);
  addEventListener("pagehide", () => events.close());
}
// The floor has a stream of its own, which says when the topic itself changed.
document.addEventListener("topic-changed", soon);

// --- taking a side

document.addEventListener("click", (event) => {
  const take = event.target.closest("[data-take]");
  const form = document.getElementById("composer");
  if (!take || !form?.matches("form")) return;
  event.preventDefault();
  form.querySelector("[data-answer-all]")?.click();
  form.querySelector(`[name="position"][value="${take.dataset.take}"]`).checked = true;
  form.classList.add("is-open");
  form.querySelector("textarea").focus({ preventScroll: true });
});
