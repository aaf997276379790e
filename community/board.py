"""What an agenda holds, as lists and pages show it: the order of its items, their support, where they come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import joinedload

from community import sources
from community.agenda_models import Agenda, Item
from community.db import Tx
from community.items import ITEMS_MAX
from community.models import Actor, LogEntry, Reaction, Topic
from community.sources import OPEN


async def find(tx: Tx, agenda: Agenda, number: int) -> Item | None:
    """An item by its number, with its proposer and topic."""
    query = (
        select(Item)
        .options(joinedload(Item.proposer), joinedload(Item.topic).joinedload(Topic.group), joinedload(Item.post))
        .where(Item.agenda_id == agenda.actor_id, Item.number == number)
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def of_topic(tx: Tx, topic_id: int) -> Item | None:
    """The item that is discussed in a topic, with its agenda."""
    query = select(Item).options(joinedload(Item.agenda)).where(Item.topic_id == topic_id)
    return (await tx.execute(query)).scalar_one_or_none()


@dataclass(frozen=True)
class Support:
    """How many people favour an item or one that was merged into it, each counted once."""

    here: int = 0
    elsewhere: int = 0

    @property
    def all(self) -> int:
        return self.here + self.elsewhere


NO_SUPPORT = Support()


async def support(tx: Tx, agenda: Agenda, *, item: Item | None = None) -> dict[int, Support]:
    """The support of every item of an agenda by its id, or of one ``item``; what is missing has none."""
    standing_for = func.coalesce(Item.merged_into_id, Item.id)
    people = func.count(func.distinct(Actor.id))
    query = (
        select(standing_for, people.filter(Actor.host == ""), people.filter(Actor.host != ""))
        .select_from(Item)
        .join(Reaction, Reaction.post_id == Item.post_id)
        .join(Actor, Actor.id == Reaction.actor_id)
        .where(Item.agenda_id == agenda.actor_id, Reaction.value == 1)
        .group_by(standing_for)
    )
    if item is not None:
        query = query.where((Item.id == item.id) | (Item.merged_into_id == item.id))
    return {id_: Support(here, elsewhere) for id_, here, elsewhere in await tx.execute(query)}


@dataclass(frozen=True)
class Entry:
    """An item as lists show it; what stands behind it is only counted, see ``sources.behind``."""

    item: Item
    support: Support
    source_count: int
    merged: list[int]  # numbers of the items that were merged into it
    reply_count: int


_ORDER = {"scheduled": 0, "shortlisted": 1, "proposed": 2, "declined": 3, "merged": 4}


async def listed(tx: Tx, agenda: Agenda, *, states: Iterable[str] = OPEN) -> list[Entry]:
    """The items of an agenda: the scheduled ones by their hour, then the shortlist, then proposals, each as staff put
    them, else by support."""
    query = (
        select(Item)
        .options(joinedload(Item.proposer), joinedload(Item.topic))
        .where(Item.agenda_id == agenda.actor_id, Item.state.in_(list(states)))
    )
    held = list((await tx.execute(query)).scalars())
    ids = [item.id for item in held]
    supports = await support(tx, agenda)
    counted = await sources.counts(tx, ids)
    merged: defaultdict[int | None, list[int]] = defaultdict(list)
    rows = select(Item.merged_into_id, Item.number).where(Item.merged_into_id.in_(ids)).order_by(Item.number)
    for into_id, number in await tx.execute(rows):
        merged[into_id].append(number)

    def order(item: Item) -> tuple[int, float, int, int, int]:
        at = item.starts_at.timestamp() if item.starts_at is not None else 0.0
        votes = supports.get(item.id, NO_SUPPORT).all
        return (_ORDER[item.state], at, item.place or ITEMS_MAX + 1, -votes, item.number)

    return [
        Entry(
            item, supports.get(item.id, NO_SUPPORT), counted[item.id], merged[item.id],
            item.topic.reply_count if item.topic is not None else 0,
        )
        for item in sorted(held, key=order)
    ]  # fmt: skip


@dataclass(frozen=True)
class Lineage:
    """Where an item comes from and what became of it; each with its number and title."""

    merged_into: Item | None
    merged: Sequence[Item]
    split_from: Item | None
    split: Sequence[Item]


async def lineage(tx: Tx, item: Item) -> Lineage:
    async def those(has_it: ColumnElement[bool]) -> list[Item]:
        query = select(Item).where(has_it).order_by(Item.number)
        return list((await tx.execute(query)).scalars())

    return Lineage(
        await tx.get(Item, item.merged_into_id) if item.merged_into_id is not None else None,
        await those(Item.merged_into_id == item.id),
        await tx.get(Item, item.split_from_id) if item.split_from_id is not None else None,
        await those(Item.split_from_id == item.id),
    )


async def history(tx: Tx, item: Item) -> list[LogEntry]:
    """What staff decided on an item, the latest first; among it that others were merged into it, which the log has
    under their topics."""
    merged = select(Item.topic_id).where(Item.merged_into_id == item.id)
    query = (
        select(LogEntry)
        .options(joinedload(LogEntry.actor), joinedload(LogEntry.topic))
        .where(
            ((LogEntry.topic_id == item.topic_id) & LogEntry.action.like("%-item"))
            | (LogEntry.topic_id.in_(merged) & (LogEntry.action == "merge-item"))
        )
        .order_by(LogEntry.id.desc())
    )
    return list((await tx.execute(query)).scalars())
