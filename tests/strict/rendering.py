"""How other servers show our documents: microblogs (what is seen, folded, lost) and forums (which title).

Microblogs as seen on running GoToSocial, snac and Takahē, and as Mastodon's source says. Forums as the source
of NodeBB 4.15, PieFed 1.6 and Lemmy 1.0 says, agreeing with what was seen on the first two. Without ``name``
NodeBB and PieFed take the title from the Markdown ``source`` when there is one, and only else from ``content``.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from .values import Document, is_vote, plain

MICROBLOGS = ("GoToSocial", "snac", "Takahe", "Mastodon")
FORUMS = ("NodeBB", "PieFed", "Lemmy")
_TITLED = ("Article", "Page", "Event")
_NOTHING = {"title_visible": False, "body_visible": False, "folded": False, "hidden": True}


def shown_by_microblog(note: Document, microblog: str | None = None) -> dict[str, bool]:
    """What a reader of one microblog server sees of an announced object; with none given, the worst of all four.

    ``title_visible``: the title is readable without a click. ``body_visible``: the whole text is there,
    perhaps folded. ``folded``: it stands behind a content warning. ``hidden``: nothing is listed at all.
    """
    if microblog:
        return _shown(note, microblog)
    seen = [_shown(note, each) for each in MICROBLOGS]
    return {
        key: (any if key in ("folded", "hidden") else all)(one[key] for one in seen)
        for key in ("title_visible", "body_visible", "folded", "hidden")
    }


def _shown(note: Document, microblog: str) -> dict[str, bool]:
    kind, name, summary = note.get("type"), plain(note.get("name")), plain(note.get("summary"))
    title, body = plain(note.get("title") or note.get("name")), plain(note.get("content"))
    if is_vote(note) or (microblog == "snac" and (kind == "Article" or (kind == "Note" and name))):
        return dict(_NOTHING)
    if microblog == "Takahe" and kind == "Article":
        return dict(_NOTHING)
    if microblog == "Mastodon" and kind in _TITLED:
        # Mastodon shows heading, abstract and a link; the abstract is no content warning there.
        return {"title_visible": bool(name), "body_visible": False, "folded": False, "hidden": False}
    warning = summary
    if not warning and (microblog == "GoToSocial" or (microblog == "Takahe" and kind != "Question")):
        warning = name
    if microblog == "snac" and kind in _TITLED and name:
        body = f"{name} {body}"
    visible = warning or body
    return {
        "title_visible": bool(title) and title in visible,
        "body_visible": bool(body),
        "folded": bool(warning),
        "hidden": False,
    }


def title_in_forum(document: Document, forum: str | None = None) -> str:
    """The topic title that a forum shows. With no forum given: the one title if all three agree, apart from
    PieFed's "[Microblog] " before short ones; else the three side by side, which equals no title.
    """
    titles = forum_titles(document)
    if forum:
        return titles[forum]
    bare = {title.removeprefix("[Microblog] ").rstrip(".") for title in titles.values()}
    if len(bare) == 1:
        return titles["NodeBB"]
    return " | ".join(f"{each}: {title}" for each, title in titles.items())


def forum_titles(document: Document) -> dict[str, str]:
    """The topic title in each of ``FORUMS``; '' where there is neither name nor text."""
    name = document.get("name")
    if isinstance(name, str) and name.strip():
        return dict.fromkeys(FORUMS, name.strip())
    content = document.get("content")
    blocks = _html_blocks(content if isinstance(content, str) else "")
    source = document.get("source")
    markdown = source.get("content") if isinstance(source, dict) else None
    if not isinstance(source, dict) or source.get("mediaType") != "text/markdown" or not isinstance(markdown, str):
        markdown = ""
    return {
        "NodeBB": _nodebb(_Block("p", "", markdown).lines() if markdown else _unquoted_lines(blocks)),
        "PieFed": _piefed(_markdown_blocks(markdown) if markdown else blocks),
        "Lemmy": _lemmy(blocks, document.get("audience")),
    }


def _nodebb(lines: list[str]) -> str:
    """First sentence, lines ending sentences; Markdown is not rendered; 255 characters by default."""
    line = next(iter(lines), "")
    for end in re.finditer(r"[.?!]\s+", line):
        following = line[end.end() : end.end() + 1]
        if following.isupper() or following.isdigit():
            line = line[: end.start() + 1]
            break
    return line if len(line) <= 255 else line[:252] + "..."


def _piefed(blocks: list["_Block"]) -> str:
    """First h1 if any, else first paragraph of five characters or more, up to the first stop."""
    headings = [block.text() for block in blocks if block.tag == "h1"]
    paragraphs = [block.text() for block in blocks if block.tag == "p"]
    title = " ".join(block.text() for block in blocks)
    if headings or paragraphs:
        candidates = headings or paragraphs
        title = next((text for text in candidates if len(text) >= 5), "" if headings else paragraphs[-1])
    stop = re.search(r"[.?!]", title)
    if stop:
        title = title[: stop.start() + (stop.group() != ".")]
        if len(title) > 150:
            title = title[:150].rpartition(" ")[0] + " ..."
    elif len(title) < 10:
        title = "(content in post body)"
    else:
        title = title if len(title) <= 197 else title[:194] + "..."
    title = title.strip()
    return title if len(title) >= 20 else f"[Microblog] {title}"


def _lemmy(blocks: list["_Block"], audience: object) -> str:
    """First line of the content as text, the group's mention taken out, 200 characters; source is not asked."""
    line = next((line for block in blocks for line in block.lines()), "")
    handle = audience.rstrip("/").rpartition("/")[2] if isinstance(audience, str) else ""
    if handle:
        line = line.replace(f"@{handle}", "").strip()
    return line[:200]


@dataclass
class _Block:
    """One paragraph, heading or list item."""

    tag: str
    classes: str
    raw: str

    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in self.raw.split("\n") if line.strip()]

    def text(self) -> str:
        return " ".join(self.raw.split())


def _unquoted_lines(blocks: list[_Block]) -> list[str]:
    return [line for block in blocks if "quote-inline" not in block.classes for line in block.lines()]


class _Reader(HTMLParser):
    BREAKS = frozenset({
        "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "hr", "table", "tr",
    })  # fmt: skip

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[_Block] = []
        self.open = _Block("", "", "")

    def turn(self, tag: str, classes: str = "") -> None:
        if self.open.text():
            self.blocks.append(self.open)
        self.open = _Block(tag, classes, "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.BREAKS:
            self.turn(tag, dict(attrs).get("class") or "")
        elif tag == "br":
            self.open.raw += "\n"

    def handle_endtag(self, tag: str) -> None:
        if tag in self.BREAKS:
            self.turn("")

    def handle_data(self, data: str) -> None:
        self.open.raw += data.replace("\n", " ")


def _html_blocks(markup: str) -> list[_Block]:
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    reader.turn("")
    return reader.blocks


def _markdown_blocks(markdown: str) -> list[_Block]:
    blocks = []
    for part in re.split(r"\n\s*\n", markdown.strip()):
        heading = re.match(r"(#{1,6})\s+", part)
        text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", part[heading.end() :] if heading else part)
        text = re.sub(r"(?m)^\s*(>|[-*+]\s|\d+[.)]\s)\s*", "", re.sub(r"\*\*|__|~~|`", "", text))
        is_item = re.match(r"\s*([-*+]|\d+[.)])\s", part)
        tag = f"h{len(heading.group(1))}" if heading else "li" if is_item else "p"
        blocks.append(_Block(tag, "", re.sub(r"(?<!\w)[*_](.+?)[*_](?!\w)", r"\1", text)))
    return blocks
