"""What we make of a document from elsewhere, as a few words that a table can hold: the same readers that the inbox and
the fetches use, without network and without database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from federation import backfill
from federation.client import Budget, FetchError, Unreachable
from federation.translate import ACTOR_KINDS, OBJECT_TYPES, PRIVATE_TYPES, NotUnderstood, from_actor, from_note
from federation.vocabulary import Document, id_of, ids_of, type_of
from inbox import groups, registry

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
COLLECTIONS = frozenset({"Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage"})


async def _no_network(_site: Any, uri: str, *_: Any, **__: Any) -> Document:
    raise Unreachable(uri, "no-network")


def _collection(document: Document) -> dict[str, Any]:
    """What a collection holds, as far as it is inside the document."""
    held, backfill.fetch_document = backfill.fetch_document, _no_network
    owner = id_of(document) or ""
    listing = backfill.Listing()
    try:
        backfill.read_collection(None, document, (owner,), Budget()).send(None)  # type: ignore[arg-type]
    except StopIteration as done:  # it never has to wait
        listing = done.value
    except FetchError:
        pass  # all of it is elsewhere
    finally:
        backfill.fetch_document = held
    return {
        "is": "collection",
        "items": [uri for item in listing.items if (uri := backfill.object_in(item))],
        "total": listing.total,
        "is_whole": listing.is_whole,
    }


def _note(document: Document) -> dict[str, Any]:
    seen = from_note(document, NOW)
    if seen.vote_for:
        return {"is": "vote", "for": seen.vote_for, "in": seen.in_reply_to, "by": seen.author_uri}
    poll = seen.poll
    return {
        "is": "topic" if seen.in_reply_to is None else "reply",
        "uri": seen.uri,
        "url": seen.url,
        "by": seen.author_uri,
        "to": seen.in_reply_to,
        "title": seen.title,
        "html": seen.html,
        "warning": seen.warning,
        "language": seen.language,
        "groups": list(seen.groups),
        "is_public": seen.is_public,
        "is_quiet": seen.is_quiet,
        "quotes": seen.quote_uri,
        "context": seen.context_uri,
        "edited": seen.edited_at is not None,
        "options": dict(zip(poll.names, poll.votes, strict=True)) if poll else {},
        "several": poll is not None and poll.is_multiple,
        "voters": poll.voters if poll else 0,
        "closed": poll is not None and poll.closed_at is not None,
    }


def _actor(document: Document) -> dict[str, Any]:
    seen = from_actor(document, NOW)
    return {
        "is": seen.kind,
        "uri": seen.uri,
        "url": seen.url,
        "handle": f"{seen.handle}@{seen.host}",
        "name": seen.name,
        "about": seen.summary_html,
        "inbox": seen.shared_inbox or seen.inbox,
        "key": seen.key_id,
        "moved_to": seen.moved_to,
    }


def _activity(document: Document) -> dict[str, Any]:
    handler = registry.find(document)
    about = document.get("object")
    made: dict[str, Any] = {
        "is": "activity",
        "handled_by": f"{handler.__module__.removeprefix('inbox.')}.{handler.__name__}" if handler else "",
        "by": id_of(document.get("actor")),
        "about": ids_of(about),
    }
    if type_of(document) == "Announce":
        items = groups._items(about)
        made["about"] = ids_of(items)
        inner = items[0] if len(items) == 1 else None
        if isinstance(inner, dict) and inner.get("actor") and type_of(inner) not in OBJECT_TYPES:
            made["inside"] = read(inner)
    elif isinstance(about, dict) and (type_of(about) in OBJECT_TYPES | PRIVATE_TYPES or type_of(about) in ACTOR_KINDS):
        made["inside"] = read(about)
    return made


def read(document: Document) -> dict[str, Any]:
    """The reading of a document; ``is`` says what it is taken for, "refused" comes with a reason."""
    kind = type_of(document) or ""
    try:
        if kind in ACTOR_KINDS:
            return _actor(document)
        if kind in OBJECT_TYPES | PRIVATE_TYPES:
            return _note(document)
    except NotUnderstood as error:
        return {"is": "refused", "reason": error.reason}
    if kind in COLLECTIONS:
        return _collection(document)
    if kind == "Tombstone":
        return {"is": "gone", "uri": id_of(document)}
    if "actor" in document and kind:
        return _activity(document)
    return {"is": "other"}


def inside(value: Any, depth: int = 0) -> Iterator[Document]:
    """A document and every document in it."""
    if isinstance(value, dict):
        yield value
    if depth < 8:
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from inside(each, depth + 1)
