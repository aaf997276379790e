"""Agendas as pages show them: each item with what stands behind it in a line, and how far an agenda has come."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from community import agendas, board, record, sources
from community.agenda_models import Agenda, AgendaSession, Item, Source
from community.board import Entry
from community.db import Tx
from community.debate_models import Debate
from community.models import Actor, LogEntry, Poll, Post, Topic
from community.policy import NotThere
from community.recurrence import zone_of
from community.sources import Citation, Mark

# From so many of a kind on, a line tells how many there are; of fewer it names each.
MANY = 4
PARTS = 3
# In addresses.
HANDLE = r"{handle:[a-z0-9_]+}"
NUMBER = r"{number:\d{1,9}}"
# The order in which a line names what stands behind an item.
KINDS = ("debate", "article", "topic", "poll", "argument", "question", "post")


# --- Items in a list -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A phrase about what stands behind an item: one contribution (``post_id``, by ``name``), or as many of a kind as
    to be counted with the servers that they are from. ``held_on`` is the day of a debate, ``votes`` the number of
    people in a poll."""

    kind: str
    count: int = 1
    hosts: int = 1
    post_id: int = 0
    name: str = ""
    said_at: datetime | None = None
    held_on: date | None = None
    votes: int = 0


@dataclass(frozen=True)
class Row:
    """An item of a list. ``more`` is how many contributions its ``parts`` do not tell of."""

    entry: Entry
    parts: list[Part]
    more: int
    anonymous: int
    redacted: int

    @property
    def item(self) -> Item:
        return self.entry.item


@dataclass(frozen=True)
class _Cited:
    """What a line needs to know of a contribution."""

    kind: str
    host: str
    post_id: int
    said_at: datetime
    name: str
    group_id: int


async def rows(tx: Tx, agenda: Agenda, entries: Sequence[Entry]) -> list[Row]:
    """What lists say of items, asked for all of them at once and without a whole row of anything: an agenda of
    hundreds of items with thousands of contributions has to open at once."""
    states: defaultdict[int, Counter[str]] = defaultdict(Counter)
    cited: defaultdict[int, dict[str, list[_Cited]]] = defaultdict(dict)
    is_gone = Post.deleted_at.is_not(None)
    is_told = record.is_public() & Topic.deleted_at.is_(None) & (Topic.hidden_reason == "")
    query = (
        select(
            Source.item_id, Source.state, is_gone, is_told, Source.kind, Source.host, Source.post_id, Source.said_at,
            Actor.name, Actor.handle, Topic.group_id,
        )
        .join(Item, Item.id == Source.item_id)
        .join(Post, Post.id == Source.post_id)
        .join(Actor, Actor.id == Post.author_id)
        .join(Topic, Topic.id == Post.topic_id)
        .where(Item.agenda_id == agenda.actor_id, Item.state.in_({entry.item.state for entry in entries}))
        .order_by(Source.id)
    )  # fmt: skip
    for item_id, state, gone, told, kind, host, post_id, said_at, name, handle, group_id in await tx.execute(query):
        states[item_id]["redacted" if gone else state if told or state == "redacted" else "hidden"] += 1
        if state == "cited" and told:
            called = f"@{handle}@{host}" if host else name.strip() or handle
            cited[item_id].setdefault(kind, []).append(_Cited(kind, host, post_id, said_at, called, group_id))
    chosen = {item_id: _chosen(kinds) for item_id, kinds in cited.items()}
    singles = [some[0] for each in chosen.values() for some in each if len(some) < MANY]
    days = await _days(tx, [one.group_id for one in singles if one.kind == "debate"])
    votes = await _votes(tx, [one.post_id for one in singles if one.kind == "poll"])
    made = []
    for entry in entries:
        counted = states[entry.item.id]
        parts = [
            Part(some[0].kind, len(some), len({one.host for one in some}))
            if len(some) >= MANY
            else Part(
                some[0].kind,
                post_id=some[0].post_id,
                name=some[0].name,
                said_at=some[0].said_at,
                held_on=days.get(some[0].group_id) if some[0].kind == "debate" else None,
                votes=votes.get(some[0].post_id, 0),
            )
            for some in chosen.get(entry.item.id, [])
        ]
        more = counted["cited"] - sum(part.count for part in parts)
        made.append(Row(entry, parts, more, counted["anonymous"], counted["redacted"]))
    return made


def _chosen(kinds: dict[str, list[_Cited]]) -> list[list[_Cited]]:
    """What a line tells of: all of a kind where they are many, else each by itself."""
    found: list[list[_Cited]] = []
    for kind in KINDS:
        some = kinds.get(kind, [])
        found += [some] if len(some) >= MANY else [[one] for one in some]
    return found[:PARTS]


async def _days(tx: Tx, group_ids: Sequence[int]) -> dict[int, date]:
    """The days on which debates are held, by their groups."""
    query = select(Debate.actor_id, Debate.opens_at, Debate.zone).where(Debate.actor_id.in_(group_ids))
    return {id_: opens_at.astimezone(zone_of(zone)).date() for id_, opens_at, zone in await tx.execute(query)}


async def _votes(tx: Tx, post_ids: Sequence[int]) -> dict[int, int]:
    """How many people voted in polls."""
    query = select(Poll.post_id, Poll.voters_here + Poll.voters_elsewhere).where(Poll.post_id.in_(post_ids))
    return {row[0]: row[1] for row in await tx.execute(query)}


@dataclass(frozen=True)
class Details:
    """What else is said of contributions: the days of debates by their groups, and people in polls by their posts."""

    days: dict[int, date]
    votes: dict[int, int]


async def details(tx: Tx, cited: Sequence[Citation]) -> Details:
    shown = [each.post for each in cited if each.post is not None]
    days = await _days(tx, [post.topic.group_id for post in shown if post.number == 1 and post.topic.closes_at])
    return Details(days, await _votes(tx, [post.id for post in shown if post.kind == "Question"]))


@dataclass(frozen=True)
class Section:
    """Some of an agenda under one heading: a session, or ``kind`` scheduled (without one), shortlisted, proposed,
    declined or merged."""

    kind: str
    rows: list[Row]
    session: AgendaSession | None = None


def sections(found: Sequence[Row], sessions: Sequence[AgendaSession]) -> list[Section]:
    """Items under their headings: sessions by the clock, also empty ones, then what has no hour yet."""
    known = {session.id for session in sessions}
    made = [
        Section("session", [row for row in found if row.item.session_id == session.id], session)
        for session in sessions
    ]  # fmt: skip
    rest = [row for row in found if row.item.session_id not in known]
    for kind in agendas.ITEM_STATES[2::-1]:
        of_kind = [row for row in rest if row.item.state == kind]
        if of_kind:
            made.append(Section(kind, of_kind))
    return made


# --- One item --------------------------------------------------------------------------------------------------------


async def find(tx: Tx, handle: str) -> Agenda:
    """An agenda by the handle in its address. Raises NotThere."""
    agenda = await agendas.find(tx, handle)
    if agenda is None or agenda.actor.state != "active":
        raise NotThere
    return agenda


def is_removed(item: Item) -> bool:
    """Whether the moderators took away what an item says: then only its number and their reason are told."""
    return item.topic is not None and item.topic.deleted_at is not None


@dataclass(frozen=True)
class Left:
    """An item that is not on the agenda: who decided so, and where it went if it was merged."""

    row: Row
    decision: LogEntry | None
    into: Item | None


async def _decisions(tx: Tx, agenda: Agenda) -> dict[int, LogEntry]:
    """Who last declined or merged each item, by the id of its topic."""
    query = (
        select(LogEntry)
        .options(joinedload(LogEntry.actor))
        .where(LogEntry.group_id == agenda.actor_id, LogEntry.action.in_(("decline-item", "merge-item")))
        .order_by(LogEntry.id)
    )
    return {entry.topic_id: entry for entry in (await tx.execute(query)).scalars() if entry.topic_id is not None}


async def left_out(tx: Tx, agenda: Agenda) -> list[Left]:
    """Every item that was declined or merged, the latest decision first."""
    entries = await board.listed(tx, agenda, states=("declined", "merged"))
    found = await rows(tx, agenda, entries)
    decided = await _decisions(tx, agenda)
    into_ids = {row.item.merged_into_id for row in found} - {None}
    into = {item.id: item for item in (await tx.execute(select(Item).where(Item.id.in_(into_ids)))).scalars()}
    found.sort(key=lambda row: row.item.decided_at or row.item.changed_at, reverse=True)
    return [
        Left(row, decided.get(row.item.topic_id or 0), into.get(row.item.merged_into_id or 0))
        for row in found
    ]  # fmt: skip


# --- On other pages --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """How far the agenda of the next event has come; ``items`` are some of those that go back to a theme."""

    agenda: Agenda
    counts: Counter[str]
    items: list[Item]

    @property
    def is_any(self) -> bool:
        return any(self.counts[state] for state in sources.OPEN)


async def progress(tx: Tx, *, theme_id: int | None = None) -> Progress | None:
    """Of the next event's agenda, or of what on it goes back to a theme; None while no event is ahead, or nothing on
    its agenda goes back there."""
    agenda = next(iter(await agendas.ahead(tx)), None)
    if agenda is None:
        return None
    counts = await agendas.progress(tx, agenda, theme_id=theme_id)
    found = await agendas.of_theme(tx, agenda, theme_id) if theme_id is not None else []
    made = Progress(agenda, counts, found)
    return made if made.is_any or theme_id is None else None


async def became(tx: Tx, topic_id: int | None) -> list[Mark]:
    """The items that go back to a whole debate: behind which its floor's opener stands."""
    if topic_id is None:
        return []
    opener = await tx.scalar(select(Post.id).where(Post.topic_id == topic_id, Post.number == 1))
    return (await sources.marks(tx, [opener])).get(opener, []) if opener is not None else []
