"""Agendas in the language of other servers: the event of an agenda's group, and items with what is behind them.

All of it stands in terms of our own: servers that know nothing of agendas see posts of the clerk like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from community import items
from community.agenda_models import Agenda, Item
from community.board import Entry
from community.models import Actor
from community.settings import Settings
from federation import translate
from federation.vocabulary import Document, format_time

ITEM_CONTEXT: list[Any] = [
    *translate.OBJECT_CONTEXT,
    {
        "agendaItem": {"@id": "urn:folkmoot:agendaItem", "@type": "@json"},
        "derivedFrom": {"@id": "urn:folkmoot:derivedFrom", "@type": "@id"},
        "mergedInto": {"@id": "urn:folkmoot:mergedInto", "@type": "@id"},
        "mergedFrom": {"@id": "urn:folkmoot:mergedFrom", "@type": "@id"},
        "splitFrom": {"@id": "urn:folkmoot:splitFrom", "@type": "@id"},
        "support": {"@id": "urn:folkmoot:support", "@type": "@json"},
    },
]
PAGE = 50
SOURCES_CHARACTERS = 16_000  # of ids in the document of a post: Misskey takes no body of 64 KB, the list has them all


def collection_uri(agenda: Agenda) -> str:
    return f"{agenda.actor.uri}/agenda"


def to_occasion(agenda: Agenda) -> Document:
    """What the actor document of an agenda's group says in ``event``. Its days are those at the place."""
    return {
        "name": agenda.name,
        "startTime": agenda.opens_on.isoformat(),
        "endTime": agenda.closes_on.isoformat(),
        "timezone": agenda.zone,
        **({"location": {"type": "Place", "name": agenda.place}} if agenda.place else {}),
        **({"url": agenda.link} if agenda.link else {}),
        "state": agenda.state,
        "sequence": agenda.sequence,
    }


# --- Items -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Posted:
    """Ids of posts: of an item's own, of those of the items that it was merged into and split from ('' of none) and of
    those that were merged into it."""

    uri: str = ""
    merged_into: str = ""
    merged_from: Sequence[str] = ()
    split_from: str = ""


def due(agenda: Agenda, item: Item) -> Document:
    """When and where an item is, in the words of ActivityStreams; nothing before it has an hour."""
    if item.starts_at is None:
        return {}
    where = ", ".join(part for part in (item.room, agenda.place) if part)
    return {
        "startTime": format_time(item.starts_at),
        **({"endTime": format_time(item.ends_at)} if item.ends_at is not None else {}),
        **({"location": {"type": "Place", "name": where}} if where else {}),
    }


def to_item(agenda: Agenda, item: Item, behind: Sequence[str], posted: Posted) -> Document:
    """What an item's post says of the item. ``behind`` are the ids of the posts that it may be said to come from."""
    when = due(agenda, item)
    return {
        "agendaItem": {
            "agenda": collection_uri(agenda),
            "number": item.number,
            "state": item.state,
            **({"summary": item.summary} if item.summary else {}),
            **({"reason": item.reason} if item.reason else {}),
            **({**when, "timezone": agenda.zone} if when else {}),
        },
        "derivedFrom": list(behind),
        **({"mergedInto": posted.merged_into} if posted.merged_into else {}),
        **({"mergedFrom": list(posted.merged_from)} if posted.merged_from else {}),
        **({"splitFrom": posted.split_from} if posted.split_from else {}),
    }


def first_of(uris: Iterable[str], characters: int = SOURCES_CHARACTERS) -> list[str]:
    """As many ids as a post's own document has room for, the earliest cited first."""
    kept = []
    for uri in uris:
        characters -= len(uri)
        if characters < 0:
            break
        kept.append(uri)
    return kept


# --- The whole -------------------------------------------------------------------------------------------------------


def to_entry(
    agenda: Agenda, entry: Entry, behind: Sequence[str], posted: Posted, speaker: Actor, settings: Settings
) -> Document:
    """An item as the collection has it: enough of its post to read it, the whole of it is at its id."""
    item, topic = entry.item, entry.item.topic
    return {
        "id": posted.uri,
        "type": "Note",
        "attributedTo": speaker.uri,
        **({"context": topic.context_uri} if topic is not None else {}),
        "url": settings.origin + items.path_of(agenda, item),
        "published": format_time(item.created_at),
        "title": item.title,
        **({"summary": item.summary} if item.summary else {}),
        **due(agenda, item),
        "support": {"here": entry.support.here, "elsewhere": entry.support.elsewhere},
        **to_item(agenda, item, behind, posted),
    }


def to_collection(agenda: Agenda, page: Document, total: int) -> Document:
    """The agenda with its first page inside: GoToSocial follows nothing that is only a URL."""
    return {
        "@context": ITEM_CONTEXT,
        "id": collection_uri(agenda),
        "type": "OrderedCollection",
        "attributedTo": agenda.actor.uri,
        "name": agenda.name,
        "totalItems": total,
        "first": {key: value for key, value in page.items() if key != "@context"},
    }


def to_page(agenda: Agenda, entries: list[Document], number: int, total: int) -> Document:
    """One page of an agenda, from 1."""
    uri = collection_uri(agenda)
    document: Document = {
        "@context": ITEM_CONTEXT,
        "id": f"{uri}?page={number}",
        "type": "OrderedCollectionPage",
        "partOf": uri,
        "totalItems": total,
        "orderedItems": entries,
    }
    if number > 1:
        document["prev"] = f"{uri}?page={number - 1}"
    if number * PAGE < total:
        document["next"] = f"{uri}?page={number + 1}"
    return document
