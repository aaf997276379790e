"""The table of rules, and the rules that hold for every document."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .values import (
    ACTIVITIES,
    ACTORS,
    AS2,
    COLLECTIONS,
    OBJECTS,
    PUBLIC,
    Document,
    addressed,
    host_of,
    is_image,
    is_time,
    is_url,
    type_of,
)


@dataclass(frozen=True)
class View:
    """How a document is looked at: which host is ours, and whether it stands inside another document."""

    host: str
    nested: bool = False

    def owns(self, document: object) -> bool:
        """Whether a document was made by us."""
        return bool(self.host) and host_of(document) == self.host


Rule = Callable[[Document, View], Iterator[str]]
RULES: list[tuple[frozenset[str], Rule]] = []

KNOWN = OBJECTS | ACTORS | ACTIVITIES | COLLECTIONS | {"Tombstone", "QuoteAuthorization"}


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Put a function on the table for these kinds of document. It yields "peer: what" for each breach."""

    def register(function: Rule) -> Rule:
        RULES.append((frozenset(kinds), function))
        return function

    return register


def kind_of(document: Document) -> str:
    """The AS2 type; 'webfinger', 'nodeinfo links' or 'nodeinfo' for those that have none; '' if unclear."""
    if "type" in document or "@context" in document:
        return type_of(document)
    if "links" in document:
        return "webfinger" if "subject" in document else "nodeinfo links"
    return "nodeinfo" if "software" in document else ""


def examine(document: Document, view: View) -> list[str]:
    """All complaints about one document, seen from its kind."""
    kind = kind_of(document)
    return [said for kinds, function in RULES if kind in kinds for said in function(document, view)]


def inside(where: str, document: Document, view: View) -> Iterator[str]:
    """Complaints about an embedded document, each saying where it stands."""
    for said in examine(document, View(view.host, nested=True)):
        peer, _, what = said.partition(": ")
        yield f"{peer}: in {where}, {what}"


AS2_KINDS = (*sorted(KNOWN), "")


@rule(*AS2_KINDS)
def context_is_literal(document: Document, view: View) -> Iterator[str]:
    context = document.get("@context")
    if not view.nested and AS2 not in (context if isinstance(context, list) else [context]):
        yield f"Mastodon: @context must contain the literal {AS2}, else the document is dropped"


@rule(*(KNOWN - COLLECTIONS))
def body_is_small(document: Document, view: View) -> Iterator[str]:
    size = 0 if view.nested else len(json.dumps(document, ensure_ascii=False).encode())
    if size >= 64 * 1024:
        yield "Misskey: the body must be under 65536 bytes"


@rule(*AS2_KINDS)
def id_is_an_address(document: Document, view: View) -> Iterator[str]:
    address = document.get("id")
    if not is_url(address):
        yield "NodeBB: id must be an https address"
    elif address != str(address).lower():
        yield "PieFed: id must be lower case, ids are looked up so"


@rule(*ACTIVITIES)
def activity_id_is_short(document: Document, view: View) -> Iterator[str]:
    if len(str(document.get("id"))) >= 100:
        yield "PieFed: activity id must be under 100 characters, it is cut there"


@rule(*AS2_KINDS)
def type_is_one_name(document: Document, view: View) -> Iterator[str]:
    if not isinstance(document.get("type"), str):
        yield "Lemmy: type must be one string"


TIMES = ("published", "updated", "startTime", "endTime", "closed", "deleted")


@rule(*AS2_KINDS)
def times_are_utc(document: Document, view: View) -> Iterator[str]:
    for key in TIMES:
        if document.get(key) is not None and not is_time(document[key]):
            yield f"Lemmy: {key} must be RFC 3339 with Z"


ADDRESSES = {
    "audience": "Lemmy", "context": "Lemmy", "inReplyTo": "Lemmy", "target": "Lemmy", "inbox": "Lemmy",
    "outbox": "Lemmy", "followers": "Lemmy", "featured": "Lemmy", "attributedTo": "NodeBB",
}  # fmt: skip
TEXTS = ("content", "name", "summary", "mediaType", "preferredUsername", "formerType")
SWITCHES = (
    "sensitive", "distinguished", "stickied", "commentsEnabled", "removeData", "restoreData", "withReplies",
    "manuallyApprovesFollowers", "postingRestrictedToMods", "discoverable", "indexable",
)  # fmt: skip
LISTS = ("to", "cc", "tag", "attachment")


@rule(*AS2_KINDS)
def single_values_are_single(document: Document, view: View) -> Iterator[str]:
    """Lemmy types these keys; a wrong type makes all of it unparsable. NodeBB drops a list of authors."""
    for key, peer in ADDRESSES.items():
        if document.get(key) is not None and not is_url(document[key]):
            yield f"{peer}: {key} must be one address, as a string"
    for key in TEXTS:
        if document.get(key) is not None and not isinstance(document[key], str):
            yield f"Lemmy: {key} must be one string"
    for key in SWITCHES:
        if document.get(key) is not None and not isinstance(document[key], bool):
            yield f"Lemmy: {key} must be true or false"
    for key in LISTS:
        if key in document and not isinstance(document[key], list):
            yield f"Lemmy: {key} must be an array"


@rule(*AS2_KINDS)
def addressing_is_spelled_out(document: Document, view: View) -> Iterator[str]:
    for key in ("to", "cc"):
        members = document.get(key)
        if not isinstance(members, list):
            continue
        if "as:Public" in members or "Public" in members:
            yield f"Lemmy: {key} must spell Public in full, {PUBLIC}"
        elif not all(is_url(member) for member in members):
            yield f"Lemmy: {key} must hold addresses only"
    if "bto" in document or "bcc" in document:
        yield "ActivityPub: bto and bcc must be removed before delivery"


@rule(*AS2_KINDS)
def names_are_compact(document: Document, view: View) -> Iterator[str]:
    if not view.nested:
        for key in sorted({"@graph", "@included", "@reverse", "@id", "@type"} & _keys(document)):
            yield f"Mastodon: {key} must not occur, only compact names"


@rule(*AS2_KINDS)
def images_have_one_shape(document: Document, view: View) -> Iterator[str]:
    for key in ("icon", "image"):
        image = document.get(key)
        if image is not None and not is_image(image):
            yield f'Lemmy: {key} must be {{"type": "Image", "url": address}}'


@rule(*OBJECTS, *(ACTIVITIES - {"Follow", "Accept", "Reject", "Like", "Dislike", "Flag", "Undo"}))
def addressing_is_complete(document: Document, view: View) -> Iterator[str]:
    yield from _to_and_cc(document)


@rule("Undo")
def undo_is_addressed_like_what_it_undoes(document: Document, view: View) -> Iterator[str]:
    undone = document.get("object")
    if type_of(undone) not in ("", "Follow", "Like", "Dislike"):
        yield from _to_and_cc(document)


def _to_and_cc(document: Document) -> Iterator[str]:
    for key in ("to", "cc"):
        if key not in document and not (key == "cc" and _is_private(document)):
            yield f"Lemmy: {key} is missing, it has no default"
    if not isinstance(document.get("to"), list) or not isinstance(document.get("cc", []), list):
        return
    if not {PUBLIC, "as:Public", "Public"} & set(addressed(document)) and not _is_private(document):
        yield "Lemmy: Public must be in to or cc"
    audience = document.get("audience")
    if isinstance(audience, str) and audience not in addressed(document):
        yield "NodeBB: the audience group must be in to or cc"


def _is_private(document: Document) -> bool:
    """Messages, votes and what happens to them; everything else that we send is public."""
    kind, object_ = document.get("type"), document.get("object")
    if "audience" in document or PUBLIC in addressed(document):
        return False
    if kind in ("Note", "Move", "QuoteRequest", "Join", "Leave", "Ignore", "Invite", "PollVote"):
        return True
    if isinstance(object_, dict):
        private = type_of(object_) in ("Note", "Delete", "Tombstone") and PUBLIC not in addressed(object_)
        return private and "audience" not in object_ and kind in ("Create", "Update", "Delete", "Undo")
    return kind == "Delete" and object_ != document.get("actor")


def _keys(value: Any) -> set[str]:
    """Every key used anywhere outside of @context."""
    if isinstance(value, list):
        return {key for item in value for key in _keys(item)}
    if not isinstance(value, dict):
        return set()
    return set(value) | {key for name, item in value.items() if name != "@context" for key in _keys(item)}
