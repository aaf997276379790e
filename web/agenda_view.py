"""Agendas as pages show them: each item with what stands behind it in a line, and how far an agenda has come."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from community import agendas, board, sources
from community.agenda_models import Agenda, AgendaSession, Item, Source
from community.board import Entry
from community.db import Tx
from community.debate_models import Debate
from community.models import LogEntry, Poll, Post
from community.policy import NotThere
from community.recurrence import zone_of
from community.sources import Citation, Mark

# From so many of a kind on, a line tells how many there are; of fewer it names each.
MANY = 4
PARTS = 3
# The order in which a line names what stands behind an item.
KINDS = ("debate", "article", "topic", "poll", "argument", "question", "post")


# --- Items in a list -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A phrase about what stands behind an item: one contribution, or as many of a kind as to be counted with the
    servers that they are from. ``held_on`` is the day of a debate, ``votes`` the number of people in a poll."""

    kind: str
    count: int = 1
    hosts: int = 1
    citation: Citation | None = None
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
class _Kind:
    """The contributions of one kind behind an item: ids of sources and the servers that they are from."""

    ids: list[int]
    hosts: set[str]

    @property
    def is_many(self) -> bool:
        return len(self.ids) >= MANY


async def rows(tx: Tx, agenda: Agenda, entries: Sequence[Entry]) -> list[Row]:
    """What lists say of items: a few queries for all of them, and whole rows of only what is named in a line."""
    by_item: defaultdict[int, dict[str, _Kind]] = defaultdict(dict)
    states: defaultdict[int, Counter[str]] = defaultdict(Counter)
    query = (
        select(Source.id, Source.item_id, Source.kind, Source.state, Source.host)
        .join(Item, Item.id == Source.item_id)
        .where(Item.agenda_id == agenda.actor_id, Item.state.in_({entry.item.state for entry in entries}))
        .order_by(Source.id)
    )
    for id_, item_id, kind, state, host in await tx.execute(query):
        states[item_id][state] += 1
        if state == "cited":
            held = by_item[item_id].setdefault(kind, _Kind([], set()))
            held.ids.append(id_)
            held.hosts.add(host)
    chosen = {
        item_id: [
            (kind, each)
            for kind in KINDS
            if kind in kinds
            for each in ([kinds[kind]] if kinds[kind].is_many else [_Kind([id_], set()) for id_ in kinds[kind].ids])
        ][:PARTS]
        for item_id, kinds in by_item.items()
    }
    named = await sources.those(tx, [each.ids[0] for some in chosen.values() for _, each in some if not each.is_many])
    told = await details(tx, list(named.values()))
    return [_row(entry, states[entry.item.id], chosen.get(entry.item.id, []), told) for entry in entries]


def _row(entry: Entry, states: Counter[str], chosen: list[tuple[str, _Kind]], told: dict[int, Part]) -> Row:
    parts = [
        Part(kind, len(each.ids), len(each.hosts)) if each.is_many else told[each.ids[0]]
        for kind, each in chosen
        if each.is_many or each.ids[0] in told
    ]
    more = states["cited"] - sum(part.count for part in parts)
    return Row(entry, parts, more, states["anonymous"], states["redacted"])


async def details(tx: Tx, named: Sequence[Citation]) -> dict[int, Part]:
    """What is said of single contributions, by the ids of their sources; nothing of what may not be told."""
    shown = [each for each in named if each.post is not None]
    floors = {each.source.post_id: each.post.topic.group_id for each in shown if each.post and _is("debate", each)}
    query = select(Debate.actor_id, Debate.opens_at, Debate.zone).where(Debate.actor_id.in_(floors.values()))
    days = {id_: opens_at.astimezone(zone_of(zone)).date() for id_, opens_at, zone in await tx.execute(query)}
    polls = [each.source.post_id for each in shown if _is("poll", each)]
    voters = Poll.voters_here + Poll.voters_elsewhere
    votes = {row[0]: row[1] for row in await tx.execute(select(Poll.post_id, voters).where(Poll.post_id.in_(polls)))}
    return {
        each.source.id: Part(
            each.source.kind,
            citation=each,
            held_on=days.get(floors.get(each.source.post_id, 0)),
            votes=votes.get(each.source.post_id, 0),
        )
        for each in shown
    }


def _is(kind: str, citation: Citation) -> bool:
    return citation.source.kind == kind


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
    """An agenda by the handle in its address; NotThere."""
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


async def left_out(tx: Tx, agenda: Agenda) -> list[Left]:
    """Every item that was declined or merged, the latest decision first."""
    entries = await board.listed(tx, agenda, states=("declined", "merged"), with_sources=0)
    found = await rows(tx, agenda, entries)
    decided = await board.decisions(tx, agenda, ("decline-item", "merge-item"))
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
