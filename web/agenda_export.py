"""An agenda as JSON, and the JSON Schema (2020-12) that says what is in it.

New keys may come with a new ``format``; those of one format stay as they are. What stands behind an item is told as far
as its author lets it: of an anonymous source only the words and the day, of one that was deleted or is hidden nothing
but that it is there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from community import agendas, board, items, sources, text
from community.agenda_models import Agenda, AgendaSession
from community.board import Entry
from community.models import Actor
from community.sources import Citation
from federation.site import Site
from federation.vocabulary import Document, format_time
from web import agenda_view
from web.calendars import answer
from web.site_key import SITE

routes = web.RouteTableDef()

FORMAT = "folkmoot-agenda-1"
PART = 50  # items whose sources are read in one go


# --- The schema ------------------------------------------------------------------------------------------------------


def _object(properties: Document, *, about: str = "") -> Document:
    """An object with just these keys."""
    made = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"description": about, **made} if about else made


_NUMBER = {"type": "integer", "minimum": 1}
_MAYBE_NUMBER = {"type": ["integer", "null"], "minimum": 1}
_COUNT = {"type": "integer", "minimum": 0}
_ADDRESS = {"type": "string", "format": "uri", "pattern": "^https?://"}
_MOMENT = {"type": "string", "format": "date-time", "description": "In UTC."}
_MAYBE_MOMENT = {"type": ["string", "null"], "format": "date-time", "description": "In UTC."}
_DAY = {"type": "string", "format": "date", "description": "At the place of the event."}
_KIND = {"enum": [*agenda_view.KINDS]}

_PERSON = _object({"name": {"type": "string"}, "handle": {"type": "string"}, "host": {"type": "string"}})
_SOURCES = {
    "cited": _object(
        {
            "state": {"const": "cited"},
            "kind": _KIND,
            "uri": {"type": "string", "description": "Its id in ActivityPub."},
            "url": {**_ADDRESS, "description": "Where people read it, on the server of its author."},
            "here": {**_ADDRESS, "description": "Where people read it on this server."},
            "author": {**_PERSON, "description": "The handle is name@host."},
            "said_at": _MOMENT,
            "cited_at": _MOMENT,
            "edited_at": {**_MAYBE_MOMENT, "description": "When its author changed it after it was cited."},
            "sha256": {
                "type": "string",
                "pattern": "^[0-9a-f]{64}$",
                "description": "Of its words as they were cited: plain text in UTF-8, without markup.",
            },
            "excerpt": {"type": "string"},
            "via": {**_MAYBE_NUMBER, "description": "The item that it came from by a merger or a split."},
        },
        about="What somebody said, by name.",
    ),
    "anonymous": _object(
        {
            "state": {"const": "anonymous"},
            "kind": _KIND,
            "said_at": _DAY,
            "cited_at": _MOMENT,
            "excerpt": {"type": "string"},
            "via": _MAYBE_NUMBER,
        },
        about="What somebody said who does not want to be named with it.",
    ),
    "closed": _object(
        {"state": {"enum": ["hidden", "redacted"]}, "kind": _KIND, "cited_at": _MOMENT, "via": _MAYBE_NUMBER},
        about="Hidden: kept out of view by the moderators. Redacted: it was deleted.",
    ),
}
_ITEM = _object(
    {
        "number": {**_NUMBER, "description": "Its name on this agenda, for good."},
        "url": _ADDRESS,
        "post": {"type": ["string", "null"], "description": "The id of its post: favourites of that are support."},
        "title": {"type": "string", "description": "Empty once the moderators removed it."},
        "summary": {"type": "string"},
        "state": {"enum": [*agendas.ITEM_STATES]},
        "reason": {"type": "string", "description": "Why it was declined."},
        "session": {**_MAYBE_NUMBER, "description": "The number of its session among sessions."},
        "starts_at": _MAYBE_MOMENT,
        "ends_at": _MAYBE_MOMENT,
        "room": {"type": "string"},
        "support": _object({"here": _COUNT, "elsewhere": _COUNT}, about="People, also those of items merged into it."),
        "replies": _COUNT,
        "merged_into": _MAYBE_NUMBER,
        "merged_from": {"type": "array", "items": _NUMBER, "uniqueItems": True},
        "split_from": _MAYBE_NUMBER,
        "proposed_at": _MOMENT,
        "decided_at": _MAYBE_MOMENT,
        "sources": {"type": "array", "items": {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in _SOURCES]}},
    }
)
_EVENT = _object(
    {
        "id": {"type": "string", "description": "The group that people follow, in ActivityPub."},
        "handle": {"type": "string", "description": "Its name@host."},
        "url": _ADDRESS,
        "name": {"type": "string"},
        "place": {"type": "string"},
        "link": {"type": "string", "description": "The event's own site, or empty."},
        "map": {"type": "string"},
        "opens_on": _DAY,
        "closes_on": _DAY,
        "zone": {"type": "string", "description": "Of the tz database."},
        "language": {"type": "string"},
        "state": {"enum": [*agendas.STATES], "description": "Whether members propose, only staff, or nobody any more."},
        "text": {"type": "string", "description": "Markdown."},
    }
)
_SESSION = _object(
    {
        "number": _NUMBER,
        "name": {"type": "string"},
        "room": {"type": "string"},
        "opens_at": _MOMENT,
        "closes_at": _MOMENT,
    }
)


def schema(origin: str) -> Document:
    """The schema of ``agenda.json`` of an instance at ``origin``."""
    top = _object(
        {
            "$schema": {"type": "string", "format": "uri"},
            "format": {"const": FORMAT},
            "event": _EVENT,
            "sessions": {"type": "array", "items": _SESSION, "description": "In their order in time."},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "description": "In the agenda's order."},
        },
        about="The agenda of an event, with what people said that is behind each of its items.",
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{origin}/agenda/schema.json",
        "title": "Agenda",
        **top,
        "$defs": {"item": _ITEM, **_SOURCES},
    }


# --- The agenda ------------------------------------------------------------------------------------------------------


def _time(at: datetime | None) -> str | None:
    return format_time(at) if at is not None else None


def _handle(actor: Actor, here: str) -> str:
    return f"{actor.handle}@{actor.host or here}"


def _event(agenda: Agenda, site: Site) -> Document:
    return {
        "id": agenda.actor.uri,
        "handle": _handle(agenda.actor, site.settings.host),
        "url": site.settings.origin + items.path_of(agenda),
        "name": agenda.name,
        "place": agenda.place,
        "link": agenda.link,
        "map": agenda.map_link,
        "opens_on": agenda.opens_on.isoformat(),
        "closes_on": agenda.closes_on.isoformat(),
        "zone": agenda.zone,
        "language": agenda.language,
        "state": agenda.state,
        "text": agenda.text_source,
    }


def _session(number: int, session: AgendaSession) -> Document:
    return {
        "number": number,
        "name": session.name,
        "room": session.room,
        "opens_at": _time(session.opens_at),
        "closes_at": _time(session.closes_at),
    }


def _source(cited: Citation, site: Site, zone: ZoneInfo, numbers: Mapping[int, int]) -> Document:
    source, author, post = cited.source, cited.author, cited.post
    via = numbers.get(source.via_id or 0)
    made: Document = {"state": cited.state, "kind": source.kind}
    if author is not None and post is not None:
        here = f"{site.settings.origin}/p/{post.id}"
        made |= {
            "uri": post.uri,
            "url": (text.safe_url(post.url) or text.safe_url(post.uri) or here) if author.host else here,
            "here": here,
            "author": {
                "name": author.name.strip() or author.handle,
                "handle": _handle(author, site.settings.host),
                "host": author.host or site.settings.host,
            },
            "said_at": _time(source.said_at),
            "edited_at": _time(source.edited_at),
            "sha256": source.hash,
        }
    elif cited.state == "anonymous":
        made["said_at"] = source.said_at.astimezone(zone).date().isoformat()
    if cited.state in ("cited", "anonymous"):
        made["excerpt"] = cited.excerpt
    return {**made, "cited_at": _time(source.cited_at), "via": via}


def _item(
    entry: Entry,
    agenda: Agenda,
    site: Site,
    numbers: Mapping[int, int],
    sessions: Mapping[int, int],
    said: list[Document],
) -> Document:
    item, is_removed = entry.item, agenda_view.is_removed(entry.item)
    return {
        "number": item.number,
        "url": site.settings.origin + items.path_of(agenda, item),
        "post": f"{site.settings.origin}/p/{item.post_id}" if item.post_id is not None else None,
        "title": "" if is_removed else item.title,
        "summary": "" if is_removed else item.summary,
        "state": item.state,
        "reason": item.reason,
        "session": sessions.get(item.session_id or 0),
        "starts_at": _time(item.starts_at),
        "ends_at": _time(item.ends_at),
        "room": item.room,
        "support": {"here": entry.support.here, "elsewhere": entry.support.elsewhere},
        "replies": entry.reply_count,
        "merged_into": numbers.get(item.merged_into_id or 0),
        "merged_from": entry.merged,
        "split_from": numbers.get(item.split_from_id or 0),
        "proposed_at": _time(item.created_at),
        "decided_at": _time(item.decided_at),
        "sources": said,
    }


async def written(site: Site, handle: str) -> Document:
    """An agenda as the schema has it. Sources are read in parts, so that nobody else waits for a long one. Raises
    NotThere."""
    async with site.database.read() as tx:
        agenda = await agenda_view.find(tx, handle)
        entries = await board.listed(tx, agenda, states=agendas.ITEM_STATES)
        sessions = await agendas.sessions(tx, agenda)
    numbers = {entry.item.id: entry.item.number for entry in entries}
    places = {session.id: number for number, session in enumerate(sessions, 1)}
    zone = ZoneInfo(agenda.zone)
    made: list[Document] = []
    for start in range(0, len(entries), PART):
        some = entries[start : start + PART]
        async with site.database.read() as tx:
            behind = await sources.behind(tx, [entry.item.id for entry in some])
        for entry in some:
            said = [_source(each, site, zone, numbers) for each in behind.get(entry.item.id, [])]
            made.append(_item(entry, agenda, site, numbers, places, said))
        await asyncio.sleep(0)
    return {
        "$schema": f"{site.settings.origin}/agenda/schema.json",
        "format": FORMAT,
        "event": _event(agenda, site),
        "sessions": [_session(number, session) for number, session in enumerate(sessions, 1)],
        "items": made,
    }


def _bytes(document: Document) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@routes.get("/agenda/schema.json")
async def schema_document(request: web.Request) -> web.Response:
    body = json.dumps(schema(request.app[SITE].settings.origin), ensure_ascii=False, indent=1).encode()
    return answer(request, body, "application/json", "schema.json")


@routes.get(f"/agenda/{agenda_view.HANDLE}/agenda.json")
async def agenda_document(request: web.Request) -> web.Response:
    body = _bytes(await written(request.app[SITE], request.match_info["handle"]))
    return answer(request, body, "application/json", "agenda.json")
