"""The items of agendas: proposed by members, supported by everybody, decided by staff, with reasons that all can read.

The clerk posts each item into the agenda's group: a favourite of that post, from wherever it comes, is support, and
what is answered there is its discussion.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from community import agendas, cards, clerk, groups, notifications, posts, sources, text, topics
from community.agenda_models import Agenda, AgendaSession, Item, Source
from community.agendas import check_reason
from community.db import Tx
from community.events import ItemChanged, PostDeleted, emit, on
from community.members import Invalid
from community.models import Account, Actor, LogEntry, Post, Topic
from community.policy import Refused, refusal, standing
from community.sources import OPEN

TITLE_MAX, SUMMARY_MAX, ROOM_MAX = 150, 500, 100
PROPOSALS_A_DAY = 10
ITEMS_MAX = 2000


# --- Proposing -------------------------------------------------------------------------------------------------------


def _check(title: str, summary: str) -> tuple[str, str]:
    title, summary = " ".join(title.split()), " ".join(summary.split())
    wrong = {}
    if not 3 <= len(title) <= TITLE_MAX:
        wrong["title"] = "item-title-length"
    if len(summary) > SUMMARY_MAX:
        wrong["summary"] = "item-summary-length"
    if wrong:
        raise Invalid(**wrong)
    return title, summary


async def refusal_to_propose(tx: Tx, actor: Actor | None, agenda: Agenda) -> str | None:
    """Why somebody may put nothing new on an agenda, as the key of a sentence."""
    who = await standing(tx, actor, agenda.actor_id)
    reason = refusal("propose", who, agenda)
    if reason is not None or actor is None:
        return reason
    if agenda.last_number >= ITEMS_MAX:
        return "agenda-is-full"
    if refusal("curate", who, agenda) is None:
        return None
    recent = select(func.count()).select_from(Item).where(Item.proposer_id == actor.id)
    made = await tx.scalar(recent.where(Item.created_at > tx.now - timedelta(days=1))) or 0
    return "proposals-enough" if made >= PROPOSALS_A_DAY else None


async def propose(
    tx: Tx, by: Actor, agenda: Agenda, title: str, summary: str = "", *, about: Post | None = None
) -> Item:
    """Put something on an agenda; ``about`` is the contribution that it begins with. Raises Invalid, Refused."""
    by, agenda = await tx.own(by), await tx.lock(Agenda, agenda.actor_id)
    reason = await refusal_to_propose(tx, by, agenda)
    if reason is not None:
        raise Refused(reason)
    item = await add(tx, by, agenda, *_check(title, summary))
    if about is not None:
        await sources.cite(tx, by, item, about)
    await post(tx, agenda, item)
    await changed(tx, agenda, item, by, "proposed")
    return item


async def add(tx: Tx, by: Actor, agenda: Agenda, title: str, summary: str) -> Item:
    """A new item without its post; ``agenda`` has to be locked."""
    agenda.last_number += 1
    item = Item(
        agenda_id=agenda.actor_id, number=agenda.last_number, title=title, summary=summary, state="proposed",
        proposer_id=by.id, created_at=tx.now, changed_at=tx.now,
    )  # fmt: skip
    item.agenda, item.proposer = agenda, by
    tx.add(item)
    await tx.flush()
    return item


def path_of(agenda: Agenda, item: Item | None = None) -> str:
    """The page of an agenda, or of an item on it."""
    path = f"/agenda/{agenda.actor.handle}"
    return path if item is None else f"{path}/{item.number}"


async def _written(tx: Tx, agenda: Agenda, item: Item) -> posts.Written:
    """What the clerk's post says of an item."""
    language = agenda.language
    words = {"event": text.literal(agenda.name), "reason": text.literal(item.reason)}
    if item.state == "proposed":
        proposer = await tx.get_one(Actor, item.proposer_id)
        words["by"] = cards.name_of(proposer)
    elif item.state == "scheduled" and item.starts_at is not None:
        room = clerk.says(language, "item-room", room=text.literal(item.room)) if item.room else ""
        words |= {"when": clerk.when(item.starts_at, agenda.zone, language), "room": room}
    elif item.state == "merged":
        into = await tx.get_one(Item, item.merged_into_id)
        words |= {
            "other": text.literal(into.title), "number": str(into.number),
            "link": tx.settings.origin + path_of(agenda, into),
        }  # fmt: skip
    state = clerk.says(language, f"item-{item.state}", **words)
    link = tx.settings.origin + path_of(agenda, item)
    source = clerk.says(language, "item", summary=text.literal(item.summary), state=state, link=link).strip()
    written = await posts.compose(tx, source, title=item.title, language=language)
    return replace(written, part="item")


async def post(tx: Tx, agenda: Agenda, item: Item) -> None:
    """Have the clerk post a new item."""
    opener = await topics.open(tx, await groups.clerk(tx), agenda.actor, await _written(tx, agenda, item))
    item.post_id, item.topic_id = opener.id, opener.topic_id
    item.post, item.topic = opener, opener.topic
    await tx.flush()


async def _rewrite(tx: Tx, agenda: Agenda, item: Item) -> None:
    post = await tx.get(Post, item.post_id) if item.post_id is not None else None
    if post is not None and post.deleted_at is None:
        await posts.edit(tx, await groups.clerk(tx), post, await _written(tx, agenda, item))


async def changed(tx: Tx, agenda: Agenda, item: Item, by: Actor, what: str) -> None:
    """Tell whoever listens; ``what`` as in ``events.ItemChanged``."""
    item.changed_at = agenda.changed_at = tx.now
    await tx.flush()
    agendas.signal(tx, agenda.actor_id)
    await emit(tx, ItemChanged(item, agenda, by, what))


# --- Deciding --------------------------------------------------------------------------------------------------------


async def _at_board(tx: Tx, by: Actor, item: Item, *states: str) -> tuple[Actor, Agenda, Item]:
    """All of this transaction, if ``by`` may decide on the item and it is in one of ``states``."""
    by, agenda = await agendas.curated(tx, by, await tx.get_one(Agenda, item.agenda_id))
    item = await tx.get_one(Item, item.id, populate_existing=True)
    if item.state not in states:
        raise Refused("item-is-decided")
    if item.topic_id is not None:
        # Before its item and its place, as where somebody answers in it or deletes what is cited.
        await tx.lock(Topic, item.topic_id)
    return by, agenda, item


async def _decided(tx: Tx, by: Actor, agenda: Agenda, item: Item, action: str, what: str, reason: str) -> None:
    """A decision goes into the public log, into the clerk's post and to those whom it concerns."""
    item.decided_at = tx.now
    tx.add(
        LogEntry(
            at=tx.now, actor_id=by.id, action=f"{action}-item", group_id=agenda.actor_id, topic_id=item.topic_id,
            post_id=item.post_id, reason=reason,
        )
    )  # fmt: skip
    await tx.flush()
    await _rewrite(tx, agenda, item)
    await changed(tx, agenda, item, by, what)


async def edit(tx: Tx, by: Actor, item: Item, title: str, summary: str, *, reason: str = "") -> None:
    """Raises Invalid, Refused."""
    by, agenda, item = await _at_board(tx, by, item, *OPEN)
    title, summary = _check(title, summary)
    if (title, summary) != (item.title, item.summary):
        item.title, item.summary = title, summary
        await _decided(tx, by, agenda, item, "edit", "edited", check_reason(reason))


async def shortlist(tx: Tx, by: Actor, item: Item, *, reason: str = "") -> None:
    """Take an item to the shortlist; also one that was scheduled, which then has no hour any more."""
    by, agenda, item = await _at_board(tx, by, item, "proposed", "scheduled")
    item.state, item.starts_at, item.ends_at, item.room, item.session_id = "shortlisted", None, None, "", None
    await _decided(tx, by, agenda, item, "shortlist", "shortlisted", check_reason(reason))


@dataclass(frozen=True)
class Hour:
    """When and where an item is due; without times it takes those of its session."""

    session: AgendaSession | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    room: str = ""


async def schedule(tx: Tx, by: Actor, item: Item, hour: Hour, *, reason: str = "") -> None:
    """Put an item on the timetable, or to another hour. Raises Invalid, Refused."""
    by, agenda, item = await _at_board(tx, by, item, *OPEN)
    session = hour.session
    starts_at = hour.starts_at or (session.opens_at if session is not None else None)
    ends_at = hour.ends_at or (session.closes_at if session is not None and hour.starts_at is None else None)
    room = " ".join(hour.room.split()) or (session.room if session is not None else "")
    _check_hour(agenda, session, starts_at, ends_at, room)
    reason = check_reason(reason)
    item.state, item.session_id = "scheduled", session.id if session is not None else None
    item.starts_at, item.ends_at, item.room = starts_at, ends_at, room
    agenda.sequence += 1
    await _decided(tx, by, agenda, item, "schedule", "scheduled", reason)


def _check_hour(
    agenda: Agenda, session: AgendaSession | None, starts_at: datetime | None, ends_at: datetime | None, room: str
) -> None:
    wrong = {}
    if starts_at is None:
        wrong["starts_at"] = "hour-missing"
    elif session is not None and not session.opens_at <= starts_at < session.closes_at:
        wrong["starts_at"] = "hour-outside-session"
    elif not agenda.opens_on <= starts_at.astimezone(ZoneInfo(agenda.zone)).date() <= agenda.closes_on:
        wrong["starts_at"] = "session-outside-event"
    if starts_at is not None and ends_at is not None and not starts_at < ends_at <= starts_at + timedelta(days=1):
        wrong["ends_at"] = "session-ends-before-it-begins"
    if len(room) > ROOM_MAX:
        wrong["room"] = "text-too-long"
    if wrong:
        raise Invalid(**wrong)


async def decline(tx: Tx, by: Actor, item: Item, reason: str) -> None:
    """Leave an item out, for a reason that everybody can read. Raises Invalid, Refused."""
    by, agenda, item = await _at_board(tx, by, item, *OPEN)
    item.reason = check_reason(reason, is_needed=True)
    item.state, item.starts_at, item.ends_at, item.room, item.session_id = "declined", None, None, "", None
    await _decided(tx, by, agenda, item, "decline", "declined", item.reason)


async def reopen(tx: Tx, by: Actor, item: Item, *, reason: str = "") -> None:
    """Take back that an item was declined or merged: it is proposed again, with what was behind it. Raises Refused."""
    by, agenda, item = await _at_board(tx, by, item, "declined", "merged")
    post = await tx.get(Post, item.post_id) if item.post_id is not None else None
    if post is not None and post.deleted_at is not None:
        raise Refused("post-is-deleted")
    if item.merged_into_id is not None:
        await sources.give_back(tx, item, await tx.get_one(Item, item.merged_into_id))
    item.state, item.reason, item.merged_into_id = "proposed", "", None
    await _decided(tx, by, agenda, item, "reopen", "reopened", check_reason(reason))


async def merge(tx: Tx, by: Actor, item: Item, into: Item, *, reason: str = "") -> None:
    """Join an item to another that means the same: what is behind it and who supports it count for that one. Its own
    record stays as it was. Raises Refused."""
    by, agenda, item = await _at_board(tx, by, item, *OPEN)
    into = await tx.get_one(Item, into.id, populate_existing=True)
    if into.id == item.id or into.agenda_id != item.agenda_id or into.state not in OPEN:
        raise Refused("merge-with-which-item")
    joined = (await tx.execute(select(Item).where(Item.merged_into_id == item.id))).scalars().all()
    await sources.carry_over(tx, item, into, keeping=[other.id for other in joined])
    for other in joined:
        other.merged_into_id = into.id
        other.changed_at = tx.now
    item.state, item.merged_into_id = "merged", into.id
    item.starts_at, item.ends_at, item.room, item.session_id = None, None, "", None
    into.changed_at = tx.now
    await _decided(tx, by, agenda, item, "merge", "merged", check_reason(reason))


async def split(
    tx: Tx, by: Actor, item: Item, title: str, summary: str, source_ids: Collection[int], *, reason: str = ""
) -> Item:
    """Make another item of a part of one. What is chosen of its sources stands behind both: lineage is not cut.
    Raises Invalid, Refused."""
    by, agenda, item = await _at_board(tx, by, item, *OPEN)
    title, summary = _check(title, summary)
    held = set((await tx.execute(select(Source.id).where(Source.item_id == item.id))).scalars())
    chosen = held & set(source_ids)
    if held and not chosen:
        raise Invalid(sources="choose-sources")
    if agenda.last_number >= ITEMS_MAX:
        raise Refused("agenda-is-full")
    reason = check_reason(reason)
    made = await add(tx, by, agenda, title, summary)
    made.split_from_id = item.id
    await sources.carry_over(tx, item, made, chosen)
    await post(tx, agenda, made)
    await changed(tx, agenda, made, by, "proposed")
    await _decided(tx, by, agenda, item, "split", "split", reason)
    return made


async def put(tx: Tx, by: Actor, item: Item, place: int) -> None:
    """Give an item its place among those of its state, from 1; 0 leaves it to its support again. Raises Refused."""
    by, agenda, item = await _at_board(tx, by, item, *OPEN)
    item.place = max(0, min(place, ITEMS_MAX))
    await _decided(tx, by, agenda, item, "place", "edited", "")


# --- What follows ----------------------------------------------------------------------------------------------------


@on(ItemChanged)
async def tell(tx: Tx, event: ItemChanged) -> None:
    """Members here hear what became of what they proposed, or what they said that is behind it."""
    if event.what not in ("shortlisted", "scheduled", "declined", "merged"):
        return
    item, agenda = event.item, event.agenda
    cited = select(Source.author_id).where(Source.item_id == item.id, Source.state == "cited")
    people = {item.proposer_id, *(await tx.execute(cited)).scalars()} - {event.by.id, None}
    here = select(Account.actor_id).where(Account.actor_id.in_(people), Account.state == "active")
    for actor_id in (await tx.execute(here)).scalars().all():
        notifications.tell(
            tx, actor_id, f"item-{event.what}", event.by.id, post_id=item.post_id, path=path_of(agenda, item)
        )


@on(PostDeleted)
async def follow_removal(tx: Tx, event: PostDeleted) -> None:
    """An item whose post was removed is on the agenda no more."""
    if event.post.part != "item":
        return
    item = (await tx.execute(select(Item).where(Item.post_id == event.post.id))).scalar_one_or_none()
    if item is None:
        return
    item.summary = ""  # it was the text of the post; the title stays where the topic does
    if item.state in OPEN:
        item.state, item.reason = "declined", event.reason
        item.starts_at, item.ends_at, item.room, item.session_id = None, None, "", None
        await changed(tx, await tx.get_one(Agenda, item.agenda_id), item, event.by, "declined")
