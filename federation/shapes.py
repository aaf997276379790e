"""The less usual parts of objects from elsewhere: polls, dates and places, films, quotes. Pure functions; readers raise
nothing: what cannot be read is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from community import text
from community.media import Shown, address_of
from community.models import Actor, Poll, PollOption
from community.polls import Paper
from community.settings import Settings
from federation.vocabulary import AS2, Document, first, format_time, id_of, origin_of, parse_time, type_of

QUOTE_CONTEXT: list[Any] = [
    AS2,
    {
        "QuoteAuthorization": "https://w3id.org/fep/044f#QuoteAuthorization",
        "QuoteRequest": "https://w3id.org/fep/044f#QuoteRequest",
        "gts": "https://gotosocial.org/ns#",
        "interactingObject": {"@id": "gts:interactingObject", "@type": "@id"},
        "interactionTarget": {"@id": "gts:interactionTarget", "@type": "@id"},
    },
]

_ALWAYS = datetime.max.replace(tzinfo=UTC)
_OPTIONS_MAX = 100
_OPTION_MAX = 500
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def words(value: Any, length: int) -> str:
    """A text field as plain words: markup and control characters have no place in names."""
    if not isinstance(value, str):
        return ""
    return text.cut(" ".join(text.plain(value[: length * 20]).split()), length)


def _each(value: Any, limit: int) -> list[Any]:
    return (value if isinstance(value, list) else [value])[:limit]


# --- Polls -----------------------------------------------------------------------------------------------------------


def poll_of(document: Document, now: datetime) -> Paper | None:
    """The poll of a Question with its tallies; None where its options cannot be told apart or are none."""
    is_multiple = not document.get("oneOf")
    options = document.get("anyOf") if is_multiple else document.get("oneOf")
    if not isinstance(options, list) or not 1 < len(options) <= _OPTIONS_MAX:
        return None
    names, votes = [], []
    for option in options:
        name = option.get("name") if isinstance(option, dict) else None
        # Kept exactly as it came: a vote has to say the same.
        if not isinstance(name, str) or not name.strip() or len(name) > _OPTION_MAX:
            return None
        names.append(name)
        replies = option.get("replies")
        votes.append(_count(replies.get("totalItems") if isinstance(replies, dict) else 0))
    if len(set(names)) < len(names):
        return None
    voters = document.get("votersCount")
    if not isinstance(voters, int) or isinstance(voters, bool):
        voters = max(votes) if is_multiple else sum(votes)
    closed = document.get("closed")
    return Paper(
        names=tuple(names),
        is_multiple=is_multiple,
        closes_at=parse_time(document.get("endTime"), _ALWAYS),
        closed_at=(parse_time(closed, now) or now) if closed else None,
        votes=tuple(votes),
        voters=_count(voters),
    )


def _count(value: Any) -> int:
    """As much as is believed, and far from what a column holds: a vote of ours is added to it."""
    return min(max(value, 0), 10**9) if isinstance(value, int) and not isinstance(value, bool) else 0


def question_fields(poll: Poll, options: Iterable[PollOption]) -> Document:
    """The poll of a Question. PieFed reads ``endTime`` unguarded; ``closed`` is there only when it is over."""
    listed = [
        {
            "type": "Note",
            "name": option.name,
            "replies": {"type": "Collection", "totalItems": option.votes_here + option.votes_elsewhere},
        }
        for option in options
    ]
    ends_at = poll.closes_at or poll.closed_at
    return {
        "anyOf" if poll.is_multiple else "oneOf": listed,
        "votersCount": poll.voters_here + poll.voters_elsewhere,
        **({"endTime": format_time(ends_at)} if ends_at is not None else {}),
        **({"closed": format_time(poll.closed_at)} if poll.closed_at is not None else {}),
    }


def to_vote(uri: str, voter: Actor, question: str, author: Actor, option: str) -> Document:
    """A choice in a poll elsewhere: no content, and no ``published``, by which PieFed would take it for a reply."""
    return {
        "@context": AS2,
        "id": uri,
        "type": "Note",
        "attributedTo": voter.uri,
        "inReplyTo": question,
        "name": option,
        "to": [author.uri],
        "cc": [],
    }


def vote_in(document: Document, html: str) -> str:
    """The option that a Note chooses in the poll that it answers, '' for a Note that says something.

    snac sends a line break as content, and its votes have ``published``, which PieFed takes as the mark of a reply.
    """
    name = document.get("name")
    is_mute = not text.plain(html) and not document.get("attachment") and not document.get("summary")
    is_vote = type_of(document) == "Note" and is_mute and isinstance(name, str) and bool(document.get("inReplyTo"))
    return name if is_vote and isinstance(name, str) else ""


# --- Events ----------------------------------------------------------------------------------------------------------


def event_html(document: Document) -> str:
    """When and where an Event is, in words: what reads as a topic needs no calendar."""
    lines = [line for line in (_when(document), *_where(document)) if line]
    status = " ".join(str(document.get(key) or "") for key in ("eventStatus", "status", "ical:status"))
    if "CANCEL" in status.upper():
        lines.insert(0, "Cancelled")
    return f"<p><strong>{'<br>'.join(text.escape(line) for line in lines)}</strong></p>" if lines else ""


def _when(document: Document) -> str:
    start, end = (parse_time(document.get(key), _ALWAYS) for key in ("startTime", "endTime"))
    if start is None:
        return ""
    name = document.get("timezone")
    try:
        zone = ZoneInfo(name) if isinstance(name, str) else ZoneInfo("UTC")
        start, end = start.astimezone(zone), end.astimezone(zone) if end else None
    except (LookupError, ValueError, OSError, OverflowError):
        name = None
    place = name if isinstance(name, str) else "UTC"
    said = f"{_day(start)}, {start:%H:%M}"
    if end is not None and end > start:
        said += f" – {end:%H:%M}" if end.date() == start.date() else f" – {_day(end)}, {end:%H:%M}"
    return f"{said} ({place})"


def _day(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def _where(document: Document) -> list[str]:
    """A line for each place: its name, and its address whether that is one text (Gancio) or several fields
    (Mobilizon)."""
    lines = []
    for place in _each(document.get("location"), 5):
        if not isinstance(place, dict):
            lines.append(words(place, 200))
            continue
        address = place.get("address")
        if isinstance(address, dict):
            fields = ("streetAddress", "addressLocality", "addressRegion", "addressCountry", "url")
            parts = [words(address.get(key), 100) for key in fields]
        else:
            parts = [words(address, 200)]
        said = [words(place.get("name"), 100), *parts]
        if type_of(place) == "VirtualLocation":
            said.append(words(place.get("url"), 300))
        lines.append(", ".join(dict.fromkeys(part for part in said if part)))
    online = document.get("onlineLink")
    return [*lines, words(online, 300) if isinstance(online, str) else ""]


# --- Films and sounds ------------------------------------------------------------------------------------------------


def page_among(value: Any) -> list[Any]:
    """The addresses of a ``url`` field, pages before files: PeerTube lists a film's page and all of its copies."""
    links = _each(value, 50)
    return sorted(links, key=lambda link: isinstance(link, dict) and link.get("mediaType") not in (None, "text/html"))


def film_html(title: str, page: str) -> str:
    """A link to where a Video or Audio can be watched or heard: nothing is loaded from a stranger's server."""
    return f'<p><a href="{text.escape(page)}">{text.escape(title or page)}</a></p>' if text.safe_url(page) else ""


def content_html(document: Document) -> str:
    """The content as HTML. PeerTube writes descriptions in Markdown."""
    content = document.get("content")
    if not isinstance(content, str):
        return ""
    return text.render(content) if document.get("mediaType") == "text/markdown" else content


# --- Quotes ----------------------------------------------------------------------------------------------------------


def quoted(document: Document) -> str:
    """The post that is quoted, in any of the spellings in use (FEP-044f, Misskey, Fedibird, FEP-e232)."""
    for key in ("quote", "_misskey_quote", "quoteUrl", "quoteUri"):
        uri = id_of(document.get(key))
        if uri is not None and origin_of(uri) is not None:
            return uri
    for tag in _each(document.get("tag"), 100):
        if (
            isinstance(tag, dict)
            and type_of(tag) == "Link"
            and "activity" in str(tag.get("mediaType", "")) + str(tag.get("rel", ""))
        ):
            uri = id_of(first(tag.get("href")))
            if uri is not None and origin_of(uri) is not None:
                return uri
    return ""


_FALLBACK = re.compile(r'<(p|span|div)\b[^<>]*\bclass="[^"<>]*\bquote-inline\b[^"<>]*"[^<>]*>', re.IGNORECASE)


def without_quote_fallback(html: str) -> str:
    """A text without the line "RE: address", which is there for those who read no quotes."""
    html = html[: text.MAX_HTML]
    for _ in range(5):
        opening = _FALLBACK.search(html)
        if opening is None:
            break
        depth, end = 1, len(html)
        for tag in re.finditer(rf"<(/?){opening[1]}\b[^<>]*>", html[opening.end() :], re.IGNORECASE):
            depth += -1 if tag[1] else 1
            if depth == 0:
                end = opening.end() + tag.end()
                break
        html = html[: opening.start()] + html[end:]
    return html


def to_quote_authorization(uri: str, author_uri: str, quoting_uri: str, quoted_uri: str) -> Document:
    """What attests that somebody elsewhere may quote a post of ours (FEP-044f)."""
    return {
        "@context": QUOTE_CONTEXT,
        "id": uri,
        "type": "QuoteAuthorization",
        "attributedTo": author_uri,
        "interactingObject": quoting_uri,
        "interactionTarget": quoted_uri,
    }


# --- pictures

PICTURES_MAX = 4


def to_picture(shown: Shown, settings: Settings) -> Document:
    """A picture beside a post, in the form in which Mastodon itself sends one. Lemmy refuses a whole post for any other
    type than Document, Image or Link, and a Document without ``mediaType``."""
    media = shown.media
    return {
        "type": "Document",
        "mediaType": "image/webp",
        "url": settings.origin + address_of(media),
        "name": shown.alt,
        "width": media.width,
        "height": media.height,
        "blurhash": media.blurhash,
    }
