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
from collections.abc import Collection, Mapping
from dataclasses import dataclass
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
_WITH_PICTURES = _TAGS | {"img"}
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


# --- pictures of our own: the only ones that a page shows inside a text

PICTURES = "/media/"
_KEY = "[0-9a-f]{32}"
_SIZES_SHOWN = "(max-width: 46rem) 100vw, 42rem"
_PICTURE_FORMS = {
    "src": re.compile(rf"/media/{_KEY}-desk\.webp"),
    "srcset": re.compile(rf"/media/({_KEY})-phone\.webp [0-9]{{1,4}}w, /media/\1-desk\.webp [0-9]{{1,4}}w"),
    "sizes": re.compile(re.escape(_SIZES_SHOWN)),
    "width": re.compile(r"[0-9]{1,5}"),
    "height": re.compile(r"[0-9]{1,5}"),
    "loading": re.compile("lazy"),
    "alt": re.compile(".*", re.DOTALL),
}


@dataclass(frozen=True)
class Picture:
    """What a page has to know of a picture of ours before it is there; ``phone_width`` is 0 where it is small."""

    width: int
    height: int
    phone_width: int = 0


def pictures_in(source: str) -> list[str]:
    """The keys of pictures of ours whose addresses stand in a Markdown text; at most 100."""
    return list(dict.fromkeys(re.findall(rf"/media/({_KEY})-(?:desk|phone)\.webp", source)))[:100]


_IMG = re.compile(rf'<img src="/media/({_KEY})-desk\.webp" alt="([^"]*)"[^<>]*>')


def pictures_shown(html: str) -> dict[str, str]:
    """The pictures in a stored text in their order: keys with what the text says of them."""
    found: dict[str, str] = {}
    for match in _IMG.finditer(html):
        found.setdefault(match[1], html_entities.unescape(match[2]))
    return found


def without_pictures(html: str, keys: Collection[str], origin: str) -> str:
    """A stored text for others: pictures of these keys left out (they travel beside it), the rest by full address."""

    def replaced(match: re.Match[str]) -> str:
        return "" if match[1] in keys else match[0]

    html = _IMG.sub(replaced, html)
    if keys:
        html = re.sub(r"<p>(?:\s|<br\s*/?>)+", "<p>", html)
        html = re.sub(r"<p></p>\n?", "", re.sub(r"(?:\s|<br\s*/?>)+</p>", "</p>", html))
    return with_origin(html, origin)


def with_origin(html: str, origin: str) -> str:
    """A stored text for pages elsewhere: pictures with full addresses."""
    return _IMG.sub(
        lambda match: match[0].replace('"/media/', f'"{origin}/media/').replace(" /media/", f" {origin}/media/"), html
    )


def in_brackets(words: str) -> str:
    """Words as the alternative text of a picture in Markdown: no mark in them means anything."""
    return re.sub(r"([\\\[\]*_`<>&!~@])", r"\\\1", words)


def _picture_attribute(name: str, value: str) -> bool:
    form = _PICTURE_FORMS.get(name)
    return form is not None and form.fullmatch(value) is not None


def _nh3_attribute(tag: str, name: str, value: str) -> str | None:
    allowed = _picture_attribute(name, value) if tag == "img" else _bleach_attribute(tag, name, value)
    return value if allowed else None


def _bleach_attribute_or_picture(tag: str, name: str, value: str) -> bool:
    return _picture_attribute(name, value) if tag == "img" else _bleach_attribute(tag, name, value)


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
_nh3_with_pictures = nh3.Cleaner(
    tags=set(_WITH_PICTURES),
    clean_content_tags={"script", "style", "template", "noscript", "svg", "math"},
    attributes={"a": {"href"}, "ol": {"start"}, "img": set(_PICTURE_FORMS)},
    attribute_filter=_nh3_attribute,
    url_schemes=set(_SCHEMES),
    url_relative="pass_through",  # which the filter narrows down to our pictures
    link_rel=_REL,
    strip_comments=True,
)
_bleach_with_pictures = bleach.Cleaner(
    tags=_WITH_PICTURES,
    attributes=_bleach_attribute_or_picture,
    protocols=_SCHEMES,
    strip=True,
    strip_comments=True,
)


def clean(html: str, *, with_pictures: bool = False) -> str:
    """HTML with nothing in it but the few elements that text needs; safe to show as it is.

    ``with_pictures`` is for what was written here: there a path means this server.
    """
    global alarms
    html = html[:MAX_HTML].replace("\0", "")
    if _is_too_intricate(html):
        return clean(f"<p>{escape(html_entities.unescape(_TAG.sub(' ', html)))}</p>")
    has_pictures = with_pictures and PICTURES in html
    first = (_nh3_with_pictures if has_pictures else _nh3).clean(html)
    if "<" not in first:
        return first
    second = (_bleach_with_pictures if has_pictures else _bleach).clean(first)
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
    markdown.add_render_rule("image", _image)
    return markdown


def _image(renderer: Any, tokens: list[Token], index: int, options: Any, env: Any) -> str:
    """A picture of our own is shown. Any other would make every reader's browser call a stranger's server: it becomes
    a link."""
    token = tokens[index]
    source = str(token.attrs.get("src", ""))
    pictures: Mapping[str, Picture] = env.get("pictures", {})
    match = re.fullmatch(rf"/media/({_KEY})-(?:desk|phone)\.webp", source.removeprefix(env.get("origin", "")))
    if match is None or match[1] not in pictures:
        address = html_entities.escape(env.get("origin", "") + source if source.startswith(PICTURES) else source)
        return f'<a href="{address}">{html_entities.escape(token.content or address)}</a>'
    words = renderer.renderInlineAsText(token.children or [], options, env)
    picture, path = pictures[match[1]], f"{PICTURES}{match[1]}"
    smaller = f"{path}-phone.webp {picture.phone_width}w, {path}-desk.webp {picture.width}w"
    return (
        f'<img src="{path}-desk.webp" alt="{html_entities.escape(" ".join(words.split()))}" width="{picture.width}" '
        f'height="{picture.height}" loading="lazy"'
        + (f' srcset="{smaller}" sizes="{_SIZES_SHOWN}">' if picture.phone_width else ">")
    )


def mentions_in(source: str) -> list[tuple[str, str]]:
    """The (name, host) pairs that a Markdown text may mention, lower case, '' for this host; at most 20."""
    found: dict[tuple[str, str], None] = {}
    for match in _MENTION.finditer(source):
        before = source[match.start() - 1] if match.start() else " "
        if not (before.isalnum() or before in "@/._-"):
            found[match[1].lower(), (match[2] or "").lower()] = None
    return list(found)[:20]


def render(
    source: str,
    mentions: Mapping[str, tuple[str, str]] | None = None,
    pictures: Mapping[str, Picture] | None = None,
    origin: str = "",
) -> str:
    """Markdown to clean HTML. ``mentions`` maps 'name' or 'name@host' to (shown handle, address of the profile),
    ``pictures`` the keys of those pictures of ours that it may show, also by their full address at ``origin``."""
    env = {"mentions": mentions or {}, "pictures": pictures or {}, "origin": origin}
    return clean(_markdown().render(source[:MAX_SOURCE], env), with_pictures=bool(pictures))


def escape(words: str) -> str:
    """Plain words as HTML."""
    return html_entities.escape(words)


# What means something inside a line, wherever it stands; an underscore within a word, as in addresses, does not.
_MARKS = re.compile(r"[\\`*\[\]<>|]|~~|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")
_LINE_MARKS = re.compile(r"^(\d*)([#+=.)-])")


def literal(words: str) -> str:
    """Plain words as one line of Markdown that says just these: nobody is mentioned in it, nothing is marked."""
    line = _MARKS.sub(lambda found: "".join(f"\\{mark}" for mark in found[0]), " ".join(words.split()))
    return _LINE_MARKS.sub(r"\1\\\2", line).replace("@", "&#64;")


_UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(words: str) -> str:
    """Without control characters and rare ends of lines, which XML and iCalendar cannot hold, not even escaped."""
    return _UNPRINTABLE.sub("", words)


_BLOCK_END = re.compile(r"</(?:p|div|h[1-6]|li|blockquote|pre|tr)>|<br\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


def plain(html: str) -> str:
    """The words of an HTML text, a line for each block; of a picture of ours what is said of it."""
    if PICTURES in html:
        html = _IMG.sub(r" \2 ", html)
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
