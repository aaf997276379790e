// A topic while it is open: replies arrive by themselves, pages load on, parents unfold, what was seen is remembered.

import { prepare, replacePost, send, token } from "./moot.js";

const root = document.querySelector("[data-topic]");
const stream = document.getElementById("stream");
const news = document.getElementById("news");
const arrivals = document.querySelector("[data-arrivals]");
const topic = root.dataset.topic;
let first = Number(root.dataset.first);
let last = Number(root.dataset.last);
let firstNew = 0;
let countNew = 0;

async function get(path) {
  try {
    const response = await fetch(path, { headers: { "X-Requested-With": "fetch" } });
    return response.ok ? await response.text() : "";
  } catch {
    return "";
  }
}

function read(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return [...holder.content.querySelectorAll("article.post")].filter((post) => !document.getElementById(post.id));
}

// --- both ways through a long topic

async function loadLater(link) {
  const posts = read(await get(`/t/${topic}/posts?after=${last}`));
  if (!posts.length) return;
  stream.append(...posts);
  posts.forEach(prepare);
  posts.forEach((post) => seeing.observe(post));
  last = Number(posts.at(-1).dataset.number);
  if (last >= Number(root.dataset.lastNumber)) link.closest("nav").remove();
  else link.href = link.href.replace(/\/\d+(#.*)?$/, `/${last + 1}#post-${last + 1}`);
}

async function loadEarlier(link) {
  const from = Math.max(1, first - 50);
  const posts = read(await get(`/t/${topic}/posts?after=${from - 1}&before=${first}`));
  if (!posts.length) return;
  const height = document.documentElement.scrollHeight;
  stream.prepend(...posts);
  posts.forEach(prepare);
  if (!CSS.supports("overflow-anchor: auto")) scrollBy(0, document.documentElement.scrollHeight - height);
  first = from;
  if (first === 1) link.closest("nav").remove();
  else link.href = link.href.replace(/\/\d+(#.*)?$/, `/${Math.max(1, first - 50)}`);
}

const later = document.querySelector("[data-later]");
const earlier = document.querySelector("[data-earlier]");
let isLoading = false;

async function once(load, link) {
  if (isLoading || !link.isConnected) return;
  isLoading = true;
  await load(link);
  isLoading = false;
}

if (later) {
  const watch = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && once(loadLater, later), { rootMargin: "600px" });
  watch.observe(later);
}
// Earlier posts come when asked for: a page that grows upwards by itself moves the reader.
earlier?.addEventListener("click", (event) => {
  event.preventDefault();
  once(loadEarlier, earlier);
});

// --- what was seen

const isMember = token() !== "";
let seen = last;
let seenTimer = 0;
const seeing = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const number = Number(entry.target.dataset.number);
    if (!entry.isIntersecting) continue;
    seeing.unobserve(entry.target);
    if (firstNew && number >= firstNew && number >= last) forgetNews();
    if (!isMember || number <= seen) continue;
    seen = number;
    clearTimeout(seenTimer);
    seenTimer = setTimeout(() => send(`/t/${topic}/seen`, { number: seen }), 800);
  }
});

// --- arrivals

function forgetNews() {
  firstNew = countNew = 0;
  arrivals.hidden = true;
  news.textContent = "";
}

function tell(posts) {
  countNew += posts.length;
  firstNew ||= Number(posts[0].dataset.number);
  const words = countNew === 1 ? news.dataset.one : news.dataset.many.replace("{n}", countNew);
  news.textContent = words;
  arrivals.textContent = words;
  const bottom = posts[0].getBoundingClientRect().top;
  arrivals.hidden = bottom < innerHeight;
  if (arrivals.hidden) firstNew = countNew = 0;
}

arrivals.addEventListener("click", () => {
  const post = document.getElementById(`post-${firstNew}`);
  forgetNews();
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  post?.scrollIntoView({ block: "start", behavior: isCalm ? "auto" : "smooth" });
  post?.focus({ preventScroll: true });
});

async function bringNew() {
  if (later?.isConnected) return; // There are pages between here and the end.
  const posts = read(await get(`/t/${topic}/posts?after=${last}`));
  if (!posts.length) return;
  posts.forEach((post) => post.classList.add("is-new"));
  stream.append(...posts);
  posts.forEach(prepare);
  last = Number(posts.at(-1).dataset.number);
  root.dataset.lastNumber = last;
  tell(posts);
  posts.forEach((post) => seeing.observe(post));
}

function isInUse(article) {
  const selection = getSelection();
  return (
    // Between press and release a replaced link would swallow the click.
    article.querySelector("details.menu[open], details.parent[open], .poll :checked, :active") ||
    (!selection.isCollapsed && article.contains(selection.anchorNode))
  );
}

async function refresh(number) {
  const article = document.getElementById(`post-${number}`);
  if (!article || isInUse(article)) return;
  const html = await get(`/t/${topic}/posts/${number}`);
  if (html && article.isConnected && !isInUse(article)) replacePost(article, html);
}

const changed = new Set();
let timer = 0;

function take() {
  timer = 0;
  const numbers = [...changed];
  changed.clear();
  if (numbers.some((number) => number > last)) bringNew();
  numbers.filter((number) => number <= last).slice(0, 20).forEach(refresh);
}

const events = new EventSource(`/t/${topic}/live`);
events.addEventListener("last", (event) => {
  // What came before the stream was open, or during a break, is asked for.
  if (JSON.parse(event.data).number > last) bringNew();
});
events.addEventListener("post", (event) => {
  changed.add(JSON.parse(event.data).number);
  // A little chance spreads the questions of many readers.
  timer ||= setTimeout(take, 150 + Math.random() * 600);
});
events.addEventListener("topic", () => document.dispatchEvent(new Event("topic-changed")));
addEventListener("pagehide", () => events.close());

// --- the post that is answered, in place

stream.addEventListener(
  "toggle",
  async (event) => {
    const details = event.target;
    if (!details.matches("details.parent[open]") || details.dataset.filled) return;
    details.dataset.filled = "1";
    const holder = document.createElement("template");
    holder.innerHTML = await get(`/t/${topic}/posts/${details.dataset.parent}`);
    const words = holder.content.querySelector(".text, .gone p");
    if (words) details.querySelector(".unfolded").prepend(words);
  },
  true,
);

// A place that was asked for by number, where the address had no fragment to scroll to.
if (!location.hash) document.querySelector(".is-asked-for")?.scrollIntoView({ block: "start" });
