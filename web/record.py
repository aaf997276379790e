"""A whole debate on one page that prints well, and as files: JSON, CSV and ActivityStreams.

All of them are sent while they are read, in parts, each in a transaction of its own: a debate of thousands of posts
needs no more memory than a small one, and a slow reader keeps no transaction open. What was deleted or hidden and what
suspended people wrote is in none of them, and no ballot is in them by name.

``export.json`` is one object. New keys may come; those below stay, and if one has to change its meaning so does
``format``. Times are ISO 8601 in UTC, null where there is none.

- ``format``: "folkmoot-debate-1"; ``exported_at``
- ``debate``: ``id`` ``url`` ``handle`` ``motion`` ``text`` (Markdown) ``theme`` {``name`` ``url``} ``state``
  (announced, call, live, closed, concluded, cancelled) ``reason`` (of a cancellation or move) ``call_at`` ``opens_at``
  ``closes_at`` ``zone`` ``languages`` ``conclusion`` (Markdown, '' for none yet) ``digest`` (the article's id, null)
- ``seats``: who hosts and who is on the panel: authors, as below, with ``role`` host or panel
- ``polls``: ``when`` (opening, closing) ``id`` ``closes_at`` ``closed_at`` ``options``: [{``side`` (for, undecided,
  against) ``name`` ``here`` ``elsewhere``}], the votes of members here and of voters on other servers
- ``moves``: null, or for those who voted both times {``voters``, ``from_to``: [{``from`` ``to`` ``voters``}]}
- ``questions``: ``number`` (of its card, 0 without) ``state`` (asked, accepted, answered, declined, merged) ``reason``
  ``post`` ``card`` ``answer`` ``merged_into`` (what another question asked): numbers of posts in ``posts``, or null;
  ``votes_here`` ``votes_elsewhere``
- ``posts``: ``number`` ``id`` ``url`` ``author`` {``id`` ``handle`` (name@server) ``name`` ``server`` ``role``}
  ``kind`` (the type of the ActivityStreams object) ``position`` (for, against, question or '') ``part`` (what the clerk
  wrote it for, else '') ``reply_to`` (a number, null) ``language`` ``warning`` ``html`` ``markdown`` ('' where only
  HTML is known) ``likes_here`` ``likes_elsewhere`` ``published`` ``edited``

``export.csv`` has a row for each post with the columns ``COLUMNS``. A cell that a spreadsheet would take for a formula
begins with an apostrophe.

``export.as.json`` is an OrderedCollection: posts that were written here are whole objects, those from elsewhere an id
with its type and ``attributedTo``, since nobody but their own server can say what is in them.
"""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import datetime
from io import StringIO
from typing import Any

from aiohttp import web

from community import cards, clerk, debates, record, swing, text
from community import questions as asked_questions
from community.db import Tx
from community.debate_models import Debate, Question
from community.models import Actor, Post, Theme
from community.policy import NotThere
from community.record import Entry
from federation.site import Site
from federation.translate import OBJECT_CONTEXT
from federation.vocabulary import ACTIVITY_JSON, Document, format_time
from outbox import documents
from web import debate_view, headers
from web.auth import viewer
from web.render import fragment, page
from web.site_key import SITE

routes = web.RouteTableDef()

FORMAT = "folkmoot-debate-1"
COLUMNS = (
    "number", "id", "url", "published", "edited", "author", "name", "server", "role", "position", "part", "reply_to",
    "likes_here", "likes_elsewhere", "language", "text",
)  # fmt: skip
WRITE_SECONDS = 60.0

Roles = dict[int, str]
Render = Callable[[Tx, list[Post]], Awaitable[str]]


async def _in_parts(site: Site, chosen: Iterable[Entry], render: Render) -> AsyncIterator[str]:
    """Posts, rendered some at a time; nothing is sent while a transaction is open."""
    ids = [entry.id for entry in chosen]
    for start in range(0, len(ids), record.PART):
        async with site.database.read() as tx:
            rendered = await render(tx, await record.load(tx, ids[start : start + record.PART]))
        yield rendered


async def _send(
    request: web.Request, given: dict[str, str], pieces: AsyncIterator[str], *, is_page: bool = False
) -> web.StreamResponse:
    """Stream an answer. Whoever stops reading is let go."""
    given = given if is_page else {"Access-Control-Allow-Origin": "*", **given}
    response = web.StreamResponse(headers=given)
    headers.add(request, response)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        async for piece in pieces:
            if piece:
                async with asyncio.timeout(WRITE_SECONDS):
                    await response.write(piece.encode())
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    return response


async def _find(tx: Tx, request: web.Request) -> tuple[Debate, Theme, list[Entry]]:
    debate, theme, _ = await debate_view.find(tx, request.match_info["slug"], viewer(request))
    return debate, theme, await record.entries(tx, debate) if debate.topic_id is not None else []


# --- On paper


def _shelf(entry: Entry, questions: set[int]) -> str:
    """Under which heading a post is printed; '' for the clerk's own and for what stands with the questions."""
    if entry.part or entry.id in questions:
        return ""
    return entry.position if entry.position in ("for", "against") else "others"


@routes.get("/g/{slug}/whole")
async def whole(request: web.Request) -> web.StreamResponse:
    site = request.app[SITE]
    async with site.database.read() as tx:
        debate, theme, entries = await _find(tx, request)
        place = (await debate_view.find(tx, request.match_info["slug"], viewer(request)))[2]
        head = await debate_view.head(tx, site, debate, theme, place, "")
        roles = await debates.roles(tx, debate.actor_id)
        questions = await record.questions(tx, debate)
        votes = await asked_questions.votes(tx, debate.actor_id)
        voices = await record.voices(tx, debate)
        taken = await swing.measure(tx, debate)
        now = tx.now
    shown = {id_ for each in questions for id_ in (each.post_id, each.answer_id) if id_ is not None}
    shelves: dict[str, list[Entry]] = {"for": [], "against": [], "others": [], "": []}
    for entry in entries:
        shelves[_shelf(entry, shown)].append(entry)
    frame = await page(
        request,
        "debates/whole.html",
        head=head,
        theme=theme,
        swing=taken,
        voices=voices,
        counts={name: len(entries) for name, entries in shelves.items()},
        questions=questions,
        votes={id_: sum(counted) for id_, counted in votes.items()},
        html_of=cards.html_of,
        may_be_told=record.may_be_told,
        printed_at=now,
        here="debates",
        canonical=site.settings.origin + head.path + "/whole",
    )

    async def render(_tx: Tx, some: list[Post]) -> str:
        return (await fragment(request, "debates/whole_posts.html", posts=some, roles=roles)).text or ""

    async def pieces() -> AsyncIterator[str]:
        # The frame says where posts come in by a comment, which no text of anybody can have in it.
        for index, piece in enumerate(re.split(r"<!--posts:(\w+)-->", frame.text or "")):
            if index % 2 == 0:
                yield piece
            else:
                async for rendered in _in_parts(site, shelves[piece], render):
                    yield rendered

    kept = {name: value for name, value in frame.headers.items() if name != "Content-Length"}
    return await _send(request, kept, pieces(), is_page=True)


# --- As files


def _time(at: datetime | None) -> str | None:
    return format_time(at) if at is not None else None


def _author(actor: Actor, here: str, role: str = "") -> Document:
    host = actor.host or here
    name = actor.name.strip() or actor.handle
    return {"id": actor.uri, "handle": f"{actor.handle}@{host}", "name": name, "server": host, "role": role}


def _url(post: Post, origin: str) -> str:
    """Where people read a post: its own page elsewhere, or its place here."""
    if post.author.host:
        return text.safe_url(post.url) or text.safe_url(post.uri) or f"{origin}/p/{post.id}"
    return f"{origin}/p/{post.id}"


def _post(post: Post, site: Site, roles: Roles) -> Document:
    settings = site.settings
    return {
        "number": post.number,
        "id": post.uri,
        "url": _url(post, settings.origin),
        "author": _author(post.author, settings.host, roles.get(post.author_id, "")),
        "kind": post.kind,
        "position": post.position,
        "part": post.part,
        "reply_to": _parent(post),
        "language": post.language,
        "warning": post.warning,
        "html": text.with_origin(post.html, settings.origin),
        "markdown": post.source,
        "likes_here": post.like_count_here,
        "likes_elsewhere": post.like_count_elsewhere,
        "published": _time(post.created_at),
        "edited": _time(post.edited_at),
    }


def _parent(post: Post) -> int | None:
    parent = post.reply_to
    return parent.number if parent is not None and parent.topic_id == post.topic_id else None


def _poll(when: str, measured: swing.Measure | None) -> list[Document]:
    if measured is None:
        return []
    options = zip(clerk.SIDES, measured.options, measured.here.votes, measured.elsewhere.votes, strict=True)
    return [
        {
            "when": when,
            "id": measured.post.uri,
            "closes_at": _time(measured.poll.closes_at),
            "closed_at": _time(measured.poll.closed_at),
            "options": [
                {"side": side, "name": option.name, "here": here, "elsewhere": elsewhere}
                for side, option, here, elsewhere in options
            ],
        }
    ]


def _moves(both: swing.Both | None) -> Document | None:
    if both is None:
        return None
    moves = [
        {"from": before, "to": after, "voters": both.moves[i][j]}
        for i, before in enumerate(clerk.SIDES)
        for j, after in enumerate(clerk.SIDES)
    ]
    return {"voters": both.voters, "from_to": moves}


def _question(question: Question, asked: dict[int, int], votes: tuple[int, int]) -> Document:
    answer = question.answer if record.may_be_told(question.answer) else None
    return {
        "number": question.number,
        "state": question.state,
        "reason": question.reason,
        "post": question.post.number,
        "card": question.card.number if question.card is not None and question.card.deleted_at is None else None,
        "answer": answer.number if answer is not None else None,
        "merged_into": asked.get(question.merged_into_id or 0),
        "votes_here": votes[0],
        "votes_elsewhere": votes[1],
    }


async def _described(tx: Tx, site: Site, debate: Debate) -> Document:
    """Everything of the export but its posts."""
    here, theme = site.settings.host, debate.theme
    taken = await swing.measure(tx, debate)
    questions = await record.questions(tx, debate)
    asked = {each.id: each.post.number for each in questions}
    votes = await asked_questions.votes(tx, debate.actor_id)
    article = await tx.get(Post, debate.digest_post_id) if debate.digest_post_id is not None else None
    return {
        "format": FORMAT,
        "exported_at": _time(tx.now),
        "debate": {
            "id": debate.actor.uri,
            "url": debate.actor.url or debate.actor.uri,
            "handle": f"{debate.actor.handle}@{debate.actor.host or here}",
            "motion": debate.motion,
            "text": debate.text_source,
            "theme": {"name": theme.name or theme.handle, "url": theme.url or theme.uri} if theme is not None else None,
            "state": debate.state,
            "reason": debate.reason,
            "call_at": _time(debate.call_at),
            "opens_at": _time(debate.opens_at),
            "closes_at": _time(debate.closes_at),
            "zone": debate.zone,
            "languages": debate.languages,
            "conclusion": debate.conclusion_source,
            "digest": article.uri if article is not None and article.deleted_at is None else None,
        },
        "seats": [_author(seat.actor, here, seat.role) for seat in await debates.seats(tx, debate.actor_id)],
        "polls": [*_poll("opening", taken.opening), *_poll("closing", taken.closing)],
        "moves": _moves(taken.both),
        "questions": [_question(each, asked, votes.get(each.id, (0, 0))) for each in questions],
    }


def _named(theme: Theme, ending: str) -> str:
    return f'attachment; filename="{re.sub(r"[^A-Za-z0-9_.-]", "_", theme.slug)}.{ending}"'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@routes.get("/g/{slug}/export.json")
async def export_json(request: web.Request) -> web.StreamResponse:
    site = request.app[SITE]
    async with site.database.read() as tx:
        debate, theme, entries = await _find(tx, request)
        described = await _described(tx, site, debate)
        roles = await debates.roles(tx, debate.actor_id)

    async def render(_tx: Tx, some: list[Post]) -> str:
        return ",".join(_json(_post(post, site, roles)) for post in some)

    given = {"Content-Type": "application/json", "Content-Disposition": _named(theme, "json")}
    start = _json(described).removesuffix("}") + ',"posts":['
    return await _send(request, given, _listed(start, _in_parts(site, entries, render), "]}"))


async def _listed(start: str, parts: AsyncIterator[str], end: str) -> AsyncIterator[str]:
    """A JSON array whose members come in parts, any of which may be empty."""
    yield start
    is_first = True
    async for part in parts:
        if part:
            yield part if is_first else f",{part}"
            is_first = False
    yield end + "\n"


def cell(value: object) -> object:
    """A value as a cell of a table: spreadsheets calculate what begins with one of these signs."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


@routes.get("/g/{slug}/export.csv")
async def export_csv(request: web.Request) -> web.StreamResponse:
    site = request.app[SITE]
    async with site.database.read() as tx:
        debate, theme, entries = await _find(tx, request)
        roles = await debates.roles(tx, debate.actor_id)

    def rows(some: Iterable[Iterable[object]]) -> str:
        written = StringIO()
        csv.writer(written).writerows([cell(value) for value in row] for row in some)
        return written.getvalue()

    async def render(_tx: Tx, some: list[Post]) -> str:
        found = []
        for post in some:
            known = _post(post, site, roles)
            author = known["author"]
            said = text.plain(post.html)
            known |= {key: author[key] for key in ("name", "server", "role")}
            known |= {"author": author["handle"], "text": f"{post.warning}\n{said}" if post.warning else said}
            found.append(["" if known[column] is None else known[column] for column in COLUMNS])
        return rows(found)

    async def pieces() -> AsyncIterator[str]:
        yield rows([COLUMNS])
        async for part in _in_parts(site, entries, render):
            yield part

    given = {"Content-Type": "text/csv; charset=utf-8; header=present", "Content-Disposition": _named(theme, "csv")}
    return await _send(request, given, pieces())


@routes.get("/g/{slug}/export.as.json")
async def export_activitystreams(request: web.Request) -> web.StreamResponse:
    """Of a debate that is at home here; others have theirs at their own home."""
    site = request.app[SITE]
    async with site.database.read() as tx:
        debate, theme, entries = await _find(tx, request)
    if not debate.actor.is_local:
        raise NotThere

    async def render(tx: Tx, some: list[Post]) -> str:
        ours = {note["id"]: note for note in await documents.notes(tx, [p for p in some if p.author.is_local])}
        found = []
        for post in some:
            note = ours.get(post.uri) or {"id": post.uri, "type": post.kind, "attributedTo": post.author.uri}
            found.append(_json({key: value for key, value in note.items() if key != "@context"}))
        return ",".join(found)

    collection = {
        "@context": OBJECT_CONTEXT,
        "id": f"{site.settings.origin}/g/{theme.slug}/export.as.json",
        "type": "OrderedCollection",
        "name": debate.motion,
        "attributedTo": debate.actor.uri,
        "totalItems": len(entries),
    }
    start = _json(collection).removesuffix("}") + ',"orderedItems":['
    given = {"Content-Type": ACTIVITY_JSON}
    return await _send(request, given, _listed(start, _in_parts(site, entries, render), "]}"))
