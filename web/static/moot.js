// What every page gets from script: the reader's own time zone, copying, menus that fold, likes in place, keys.

const page = document.documentElement;
// Plain English writes dates as the pages do: day, month, year.
const locale = page.lang === "en" ? "en-GB" : page.lang;

// What time it is at the server: devices are often wrong, and what begins and ends by the clock does so there.
const ahead = Date.parse(document.body.dataset.time) - Date.now() || 0;
export const now = () => Date.now() + ahead;

export function token() {
  return document.querySelector('meta[name="csrf"]')?.content ?? "";
}

// Sends a form's fields as our own script; answers the response, or null where the network failed.
export async function send(path, fields) {
  try {
    return await fetch(path, {
      method: "POST",
      body: new URLSearchParams(fields),
      headers: { "X-Csrf-Token": token(), "X-Requested-With": "fetch" },
    });
  } catch {
    return null;
  }
}

const forms = {
  day: { day: "numeric", month: "short" },
  date: { day: "numeric", month: "long", year: "numeric" },
  moment: { day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" },
  clock: { hour: "2-digit", minute: "2-digit" },
};

// Times stand in UTC; here they become the reader's own.
function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    time.title = moment.toLocaleString(locale, { dateStyle: "long", timeStyle: "short" });
    const form = forms[time.dataset.form];
    if (!form) continue;
    const isOtherYear = time.dataset.form === "day" && moment.getFullYear() !== new Date().getFullYear();
    time.textContent = moment.toLocaleString(locale, isOtherYear ? { ...form, year: "numeric" } : form);
  }
}

// Call for whatever is added to the page later.
export function prepare(root) {
  localise(root);
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
  if (document.getElementById("composer")?.matches("form")) {
    for (const button of root.querySelectorAll("[data-quote]")) button.hidden = false;
  }
}

// Puts fresh HTML of a post in the place of the old, and keeps the focus where it was.
export function replacePost(article, html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const fresh = holder.content.querySelector("article");
  if (!fresh) return;
  const focused = article.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  for (const details of article.querySelectorAll("details.warned[open]")) {
    fresh.querySelector("details.warned")?.setAttribute("open", "");
  }
  article.replaceWith(fresh);
  prepare(fresh);
  if (focused) fresh.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
}

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    const words = copy.textContent;
    copy.textContent = document.body.dataset.copied;
    setTimeout(() => (copy.textContent = words), 1600);
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form.like")) return;
  event.preventDefault();
  const response = await send(form.action, new FormData(form));
  if (response?.ok && !response.redirected) replacePost(form.closest("article"), await response.text());
  else form.submit();
});

// --- keys: one at a time, never while something is typed, and off for whoever does not want them

const KEYS_OFF = "folkmoot-keys-off";
const dialog = document.getElementById("keys");
const wanted = document.getElementById("keys-on");

function remembered() {
  try {
    return localStorage.getItem(KEYS_OFF) !== "1";
  } catch {
    return true;
  }
}

wanted.checked = remembered();
wanted.addEventListener("change", () => {
  try {
    localStorage.setItem(KEYS_OFF, wanted.checked ? "" : "1");
  } catch {
    // A browser that keeps nothing keeps the keys as they are.
  }
});

function move(step) {
  const items = [...document.querySelectorAll("#stream > .post, .items > .post, .topics > li, .told > li, .said > li")];
  const at = items.findIndex((item) => item.contains(document.activeElement));
  const fold = innerHeight * 0.25;
  const start = at >= 0 ? at + step : items.findIndex((item) => item.getBoundingClientRect().bottom > fold);
  const item = items[Math.max(0, Math.min(start, items.length - 1))];
  if (!item) return;
  const target = item.matches("article") ? item : item.querySelector("h2 a, h3 a, a");
  target?.focus({ preventScroll: true });
  item.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const article = document.activeElement?.closest?.("article");
  const target = article?.querySelector(`[data-key="${key}"]`) ?? document.querySelector(`[data-key="${key}"]`);
  if (!article && key === "l") return false;
  if (!article && key === "r" && document.querySelector("#composer textarea")) {
    document.querySelector("#composer textarea").focus();
    return true;
  }
  target?.click();
  return Boolean(target);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.activeElement?.closest?.("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open || event.isComposing) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
  if (event.key === "?") dialog.showModal();
  else if (!wanted.checked) return;
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "o" && document.activeElement.matches("a")) document.activeElement.click();
  else if (!["r", "l", "n"].includes(event.key) || !press(event.key)) return;
  event.preventDefault();
});

prepare(document);
