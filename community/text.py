"""Text: Markdown to HTML, and every HTML made safe before it is stored.

Two unrelated parsers clean with one allow-list, nh3 first, bleach second; where the second still changes something,
the first missed it, which is counted as an alarm. Nothing changes HTML after this.
"""

from __future__ import annotations

import html as html_entities
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import bleach
import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

log = logging.getLogger("folkmoot.text")

_TAGS = frozenset(
    [
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h2",
        "h3",
        "h4",
        "hr",
        "i",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
    ]
)
_SCHEMES = frozenset({"http", "https", "mailto"})
_REL = "nofollow noopener noreferrer ugc"
MAX_HTML = 200_000
MAX_SOURCE = 60_000

DEPTH_MAX = 100
TAGS_MAX = 6000

alarms = 0


def _bleach_attribute(tag: str, name: str, value: str) -> bool:
    if name == "rel":
        return tag == "a" and value == _REL
    if name == "href":
        return tag == "a" and urlsplit(value).scheme in _SCHEMES
    return tag == "ol" and name == "start" and value.isdigit()


_nh3 = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags={"script", "style", "template", "noscript", "svg", "math"},
    attributes={"a": {"href"}, "ol": {"start"}},
    url_schemes=set(_SCHEMES),
    url_relative="deny",
    link_rel=_REL,
    strip_comments=True,
)
_bleach = bleach.Cleaner(tags=_TAGS, attributes=_bleach_attribute, protocols=_SCHEMES, strip=True, strip_comments=True)


def clean(html: str) -> str:
    """HTML with nothing in it but the few elements that text needs; safe to show as it is."""
    global alarms
    html = html[:MAX_HTML].replace("\0", "")
    if _is_too_intricate(html):
        return clean(f"<p>{escape(html_entities.unescape(_TAG.sub(' ', html)))}</p>")
    first = _nh3.clean(html)
    if "<" not in first:
        return first
    second = _bleach.clean(first)
    if _normal(second) != _normal(first):
        alarms += 1
        log.warning("the second sanitiser changed what the first had let through")
        return second
    return first


_ANY_TAG = re.compile(r"<(/?)([a-z][^\s/>]*)", re.IGNORECASE)
# Elements without an end, and those that the next of their kind ends.
_FLAT = frozenset(
    "area base br col embed hr img input link meta source track wbr p li dt dd td th tr thead tbody".split()
)


def _is_too_intricate(html: str) -> bool:
    """Whether there are more tags, or more of them one inside the other, than anybody means: parsers take from seconds
    to minutes for such texts, and only the words of them are shown."""
    opened: Counter[str] = Counter()
    depth = 0
    tags = _ANY_TAG.findall(html.lower())
    if len(tags) > TAGS_MAX:
        return True
    for end, name in tags:
        if name in _FLAT:
            continue
        if not end:
            opened[name] += 1
            depth += 1
            if depth > DEPTH_MAX:
                return True
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
    return False


def _normal(html: str) -> str:
    """The same HTML in one spelling: the two serialise entities, rel order and void elements differently."""
    return re.sub(r'(<a) (href="[^"]*") (rel="[^"]*")', r"\1 \3 \2", html_entities.unescape(html))


@lru_cache(maxsize=512)
def safe_url(url: str) -> str:
    """The address if it is plain http(s) with a host, else ''. For every remote address that a page links to."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.hostname and not parts.username else ""


_MENTION = re.compile(r"@([a-z0-9_][a-z0-9_.-]*[a-z0-9_]|[a-z0-9_])(?:@([a-z0-9.-]+[a-z0-9](?::\d+)?))?", re.IGNORECASE)


def _mention_rule(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "@" or (
        state.pos and (state.src[state.pos - 1].isalnum() or state.src[state.pos - 1] in "@/._-")
    ):
        return False
    match = _MENTION.match(state.src, state.pos)
    if match is None:
        return False
    handle = match[0][1:].lower()
    targets: Mapping[str, tuple[str, str]] = state.env.get("mentions", {})
    if handle not in targets:
        return False
    if not silent:
        shown, url = targets[handle]
        opening = state.push("link_open", "a", 1)
        opening.attrs = {"href": url}
        state.push("text", "", 0).content = "@" + shown
        state.push("link_close", "a", -1)
    state.pos = match.end()
    return True


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": True, "breaks": True, "typographer": False})
    markdown.enable(["linkify", "strikethrough", "table"])
    markdown.inline.ruler.before("link", "mention", _mention_rule)
    # A picture in the text would make every reader's browser call a stranger's server: it becomes a link.
    markdown.add_render_rule("image", _image_as_link)
    return markdown


def _image_as_link(_renderer: Any, tokens: list[Token], index: int, _options: Any, _env: Any) -> str:
    token = tokens[index]
    address = html_entities.escape(str(token.attrs.get("src", "")))
    return f'<a href="{address}">{html_entities.escape(token.content or address)}</a>'


def mentions_in(source: str) -> list[tuple[str, str]]:
    """The (name, host) pairs that a Markdown text may mention, lower case, '' for this host; at most 20."""
    found: dict[tuple[str, str], None] = {}
    for match in _MENTION.finditer(source):
        before = source[match.start() - 1] if match.start() else " "
        if not (before.isalnum() or before in "@/._-"):
            found[match[1].lower(), (match[2] or "").lower()] = None
    return list(found)[:20]


def render(source: str, mentions: Mapping[str, tuple[str, str]] | None = None) -> str:
    """Markdown to clean HTML. ``mentions`` maps 'name' or 'name@host' to (shown handle, address of the profile)."""
    return clean(_markdown().render(source[:MAX_SOURCE], {"mentions": mentions or {}}))


def escape(words: str) -> str:
    """Plain words as HTML."""
    return html_entities.escape(words)


_BLOCK_END = re.compile(r"</(?:p|div|h[1-6]|li|blockquote|pre|tr)>|<br\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


def plain(html: str) -> str:
    """The words of an HTML text, a line for each block."""
    lines = html_entities.unescape(_TAG.sub("", _BLOCK_END.sub("\n", html))).splitlines()
    return "\n".join(line for line in (" ".join(raw.split()) for raw in lines) if line)


def excerpt(html: str, length: int = 200) -> str:
    """The beginning of a text in one line, cut at a word."""
    return cut(plain(html).replace("\n", " "), length)


def cut(words: str, length: int) -> str:
    if len(words) <= length:
        return words
    head = words[: length - 1]
    if " " in head[length // 2 :]:
        head = head.rpartition(" ")[0]
    return head.rstrip(" ,;:–-") + "…"


_SENTENCE_END = re.compile(r"(?<=[.!?…])\s")


def title_of(html: str, mentioned: Mapping[str, str] | None = None) -> str:
    """A title for a topic whose author typed none: the first sentence, without the mentions at its beginning.

    ``mentioned`` maps the addresses of mentioned actors (ids and profile pages) to their handles. Mastodon writes a
    mention as a link whose text is only @name, so it is recognised by address first, by handle second.
    """
    for address in mentioned or {}:
        html = re.sub(rf'<a [^>]*href="{re.escape(html_entities.escape(address))}"[^>]*>.*?</a>', " ", html, flags=re.S)
    html = re.sub(r'<p class="quote-inline">.*?</p>', "", html, flags=re.S)
    # What follows costs the square of its length.
    for line in plain(html)[:2000].splitlines():
        words = re.sub(r"^(?:\s*@[\w.-]+(?:@[\w.:-]+)?[,:]?)+\s*", "", line).strip()
        words = re.sub(r"(?:\s+@[\w.-]+(?:@[\w.:-]+)?)+$", "", words).strip()
        words = re.sub(r"\s+([,.!?;:])", r"\1", words)
        if re.search(r"\w", words):
            return cut(_SENTENCE_END.split(words, maxsplit=1)[0], 90)
    return ""


def slug_of(title: str) -> str:
    """The readable end of a topic's address: never a word that stands for something else under /t/."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:60].strip("-")
    return f"{slug}-topic".strip("-") if slug in ("", "live", "posts", "context") else slug
