"""Shapes of single values: addresses, times, texts."""

import html
import ipaddress
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

Document = dict[str, Any]

AS2 = "https://www.w3.org/ns/activitystreams"
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"

OBJECTS = frozenset({"Note", "Article", "Page", "Question", "Event"})
ACTORS = frozenset({"Person", "Group", "Service", "Application", "Organization"})
COLLECTIONS = frozenset({"Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage"})
# What may travel inside a group's Announce: everything that happens to a topic.
WRAPPED = frozenset({
    "Create", "Update", "Delete", "Like", "Dislike", "Undo", "Add", "Remove", "Block", "Lock", "Flag",
    "PollVote",
})  # fmt: skip
ACTIVITIES = WRAPPED | {
    "Follow",
    "Accept",
    "Reject",
    "Announce",
    "Move",
    "QuoteRequest",
    "Join",
    "Leave",
    "Ignore",
    "Invite",
}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def is_text(value: object) -> bool:
    """A string that is more than blanks."""
    return isinstance(value, str) and bool(value.strip())


def is_count(value: object) -> bool:
    """A whole number from 0 up; JSON true is not a number."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_loopback(host: str) -> bool:
    """A host, with or without port, that is this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(value: object) -> str:
    """Host with port of an address (or of the document at it), lower case; '' when there is none."""
    value = id_of(value)
    if not isinstance(value, str):
        return ""
    try:
        return urlsplit(value).netloc.lower()
    except ValueError:
        return ""


def path_of(value: object) -> str:
    """Path of an address, without query and fragment; '' when there is none."""
    if not isinstance(value, str):
        return ""
    try:
        return urlsplit(value).path
    except ValueError:
        return ""


def is_url(value: object) -> bool:
    """An https address; http only on this machine, for tests."""
    if not isinstance(value, str) or any(character.isspace() for character in value):
        return False
    host = host_of(value)
    return bool(host) and (value.startswith("https://") or (value.startswith("http://") and is_loopback(host)))


def is_time(value: object) -> bool:
    """RFC 3339 in UTC, written with Z."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def type_of(value: object) -> str:
    """The AS2 type of an embedded thing; '' for an address, or when the type is not one name."""
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


def id_of(value: object) -> Any:
    """The address of a thing that is given by address or embedded."""
    return value.get("id") if isinstance(value, dict) else value


def strings(value: object) -> list[str]:
    """The strings in a value that is one or many."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def dicts(value: object) -> list[Document]:
    """The documents in a value that is one or many."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def addressed(document: Document) -> list[str]:
    """Everyone in ``to`` and ``cc``."""
    return strings(document.get("to")) + strings(document.get("cc"))


def plain(markup: object) -> str:
    """Text of a piece of HTML, blanks collapsed."""
    text = re.sub(r"<[^>]*>", " ", markup) if isinstance(markup, str) else ""
    return " ".join(html.unescape(text).split())


def has_markup(text: str) -> bool:
    """Whether tags or entities stand in what should be plain text."""
    return bool(re.search(r"</?[a-zA-Z][^>]*>|&(#\d+|[a-zA-Z]+);", text))


def is_group(address: object) -> bool:
    """Whether an address of ours is a group's or the instance's by its path alone."""
    return isinstance(address, str) and (path_of(address).startswith("/g/") or path_of(address) in ("", "/"))


def is_vote(document: object) -> bool:
    """A ballot in a poll elsewhere: a Note in reply that names an option and says nothing."""
    return (
        isinstance(document, dict)
        and document.get("type") == "Note"
        and "name" in document
        and "inReplyTo" in document
        and not document.get("content")
    )


def is_direct(document: object) -> bool:
    """A private message or a vote: neither public nor in a group."""
    return (
        isinstance(document, dict)
        and document.get("type") == "Note"
        and "audience" not in document
        and PUBLIC not in addressed(document)
    )


def is_image(value: object) -> bool:
    """The one shape of a picture that Lemmy parses."""
    return isinstance(value, dict) and value.get("type") == "Image" and is_url(value.get("url"))


def is_language(value: object) -> bool:
    """Lemmy's language tag."""
    return isinstance(value, dict) and is_text(value.get("identifier")) and is_text(value.get("name"))
