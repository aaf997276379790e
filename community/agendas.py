"""Agendas as places: the event that an agenda is for, its sessions, how far it has come.

An agenda is a group that people follow. Only the clerk opens topics in it, one for each item (``items``).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Select, func, select

from community import clerk, text
from community.agenda_models import Agenda, AgendaSession, Item, Source
from community.db import Tx
from community.debate_models import Debate
from community.events import ActorChanged, AgendaChanged, emit
from community.keys import KeyPair
from community.members import Invalid, check_handle, keep_key, new_local_actor
from community.models import Actor, LogEntry, Post, Theme, Topic
from community.policy import Refused, require, standing

COLOUR = "#8a5a00"
NAME_MAX, PLACE_MAX, LINK_MAX = 100, 200, 500
DAYS_MAX = 31
SESSIONS_MAX = 100
STATES = ("open", "closed", "over")
ITEM_STATES = ("proposed", "shortlisted", "scheduled", "declined", "merged")
REASON_MAX = 500
_HANDLE_ODD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Plan:
    """An event as it is typed; its days are those at the place."""

    name: str
    opens_on: date
    closes_on: date
    zone: str
    place: str = ""
    link: str = ""
    map_link: str = ""
    text: str = ""
    language: str = "en"


def _complaints(plan: Plan) -> dict[str, str]:
    wrong = {}
    if not 3 <= len(" ".join(plan.name.split())) <= NAME_MAX:
        wrong["name"] = "event-name-length"
    if len(plan.place) > PLACE_MAX:
        wrong["place"] = "text-too-long"
    for name, link in (("link", plan.link), ("map_link", plan.map_link)):
        if link and (len(link) > LINK_MAX or not text.safe_url(link)):
            wrong[name] = "address-form"
    if len(plan.text) > text.MAX_SOURCE:
        wrong["text"] = "text-too-long"
    if plan.zone not in available_timezones():
        wrong["zone"] = "timezone-unknown"
    if plan.closes_on < plan.opens_on:
        wrong["closes_on"] = "event-ends-before-it-begins"
    elif (plan.closes_on - plan.opens_on).days >= DAYS_MAX:
        wrong["closes_on"] = "event-too-long"
    if plan.language not in clerk.LANGUAGES:
        wrong["language"] = "language-missing"
    return wrong


def handle_from(name: str, opens_on: date) -> str:
    """A handle for an event: the initials of its name and the year, such as wscf_2027; of one word that word."""
    words = [word for word in _HANDLE_ODD.split(text.slug_of(name).removesuffix("-topic")) if word]
    base = "".join(word[0] for word in words) if len(words) > 2 else "_".join(words)
    return f"{base[:12].strip('_') or 'event'}_{opens_on.year}"


async def make(tx: Tx, by: Actor, pair: KeyPair, plan: Plan, *, handle: str = "") -> Agenda:
    """Set up the agenda of an event: its group and its place. Raises Invalid, Refused."""
    by = await tx.own(by)
    require("curate", await standing(tx, by))
    wrong = _complaints(plan)
    handle = handle.strip().lower() or handle_from(plan.name, plan.opens_on)
    reason = await check_handle(tx, handle)
    if reason is not None:
        wrong["handle"] = reason
    if wrong:
        raise Invalid(**wrong)
    actor = new_local_actor(tx, "group", handle, " ".join(plan.name.split()), pair, f"/g/{handle}")
    await keep_key(tx, actor, pair)
    place = Theme(actor_id=actor.id, slug=handle, colour=COLOUR, position=0)
    place.actor = actor
    agenda = Agenda(actor_id=actor.id, state="open", last_number=0, sequence=0)
    agenda.actor = actor
    _put(tx, agenda, plan)
    tx.add_all([place, agenda])
    await tx.flush()
    tx.remember(place)
    tx.remember(agenda)
    await changed(tx, agenda, by, "made", log="add-agenda")
    return agenda


def _put(tx: Tx, agenda: Agenda, plan: Plan) -> None:
    agenda.name, agenda.actor.name = (" ".join(plan.name.split()),) * 2
    agenda.place, agenda.link, agenda.map_link = " ".join(plan.place.split()), plan.link, plan.map_link
    agenda.opens_on, agenda.closes_on, agenda.zone = plan.opens_on, plan.closes_on, plan.zone
    agenda.language, agenda.changed_at = plan.language, tx.now
    agenda.text_source = plan.text.replace("\r\n", "\n").strip()
    agenda.text_html = text.render(agenda.text_source) if agenda.text_source else ""
    agenda.actor.summary_source = agenda.text_source
    when = clerk.days(agenda.opens_on, agenda.closes_on, agenda.language)
    said = clerk.says(agenda.language, "agenda-about", place=text.literal(agenda.place), when=when)
    agenda.actor.summary_html = text.render(f"{said}\n\n{agenda.text_source}".strip())


async def edit(tx: Tx, by: Actor, agenda: Agenda, plan: Plan) -> None:
    """Change what is said of the event. Raises Invalid, Refused."""
    by, agenda = await curated(tx, by, agenda)
    wrong = _complaints(plan)
    if wrong:
        raise Invalid(**wrong)
    was = (agenda.opens_on, agenda.closes_on, agenda.zone, agenda.place)
    _put(tx, agenda, plan)
    agenda.sequence += was != (agenda.opens_on, agenda.closes_on, agenda.zone, agenda.place)
    await changed(tx, agenda, by, "edited", log="edit-agenda")
    await emit(tx, ActorChanged(agenda.actor))


async def turn(tx: Tx, by: Actor, agenda: Agenda, state: str, *, reason: str = "") -> None:
    """Take proposals from members (open), from staff alone (closed), or from nobody any more (over). Raises Invalid,
    Refused."""
    by, agenda = await curated(tx, by, agenda)
    reason = check_reason(reason)
    if state not in STATES:
        raise Invalid(state="state-unknown")
    if state != agenda.state:
        agenda.state = state
        done = {"open": "opened", "closed": "closed", "over": "over"}[state]
        await changed(tx, agenda, by, done, log=f"{done}-agenda", reason=reason)


def check_reason(typed: str, *, is_needed: bool = False) -> str:
    """Why something is decided, as it is logged: on one line. Raises Invalid."""
    reason = " ".join(typed.split())
    if len(reason) > REASON_MAX:
        raise Invalid(reason="reason-too-long")
    if is_needed and not reason:
        raise Invalid(reason="reason-missing")
    return reason


async def curated(tx: Tx, by: Actor, agenda: Agenda) -> tuple[Actor, Agenda]:
    """``by`` and the agenda of this transaction, locked, if the one may decide on the other. Raises Refused."""
    by = await tx.own(by)
    agenda = await tx.lock(Agenda, agenda.actor_id)
    require("curate", await standing(tx, by, agenda.actor_id), agenda)
    return by, agenda


async def changed(tx: Tx, agenda: Agenda, by: Actor, what: str, *, log: str = "", reason: str = "") -> None:
    agenda.changed_at = tx.now
    if log:
        tx.add(LogEntry(at=tx.now, actor_id=by.id, action=log, group_id=agenda.actor_id, reason=reason))
    await tx.flush()
    signal(tx, agenda.actor_id)
    await emit(tx, AgendaChanged(agenda, by, what))


def signal(tx: Tx, agenda_id: int) -> None:
    """Tell open pages that an agenda is not what it was."""
    tx.signal(f"agenda:{agenda_id}", 0)
    tx.signal("anything")


# --- Finding ---------------------------------------------------------------------------------------------------------


async def of_group(tx: Tx, group_id: int) -> Agenda | None:
    """The agenda that a group is; None for any other group."""
    return await tx.find(Agenda, group_id)


async def find(tx: Tx, handle: str) -> Agenda | None:
    query = select(Agenda).join(Actor, Actor.id == Agenda.actor_id)
    return (await tx.execute(query.where(Actor.handle == handle.lower(), Actor.host == ""))).scalar_one_or_none()


async def ahead(tx: Tx) -> list[Agenda]:
    """The agendas of events to come and of those that are on, the soonest first."""
    found = (await tx.execute(select(Agenda).order_by(Agenda.opens_on))).scalars()
    return [agenda for agenda in found if not agenda.is_over(tx.now)]


async def over(tx: Tx) -> list[Agenda]:
    """Those of events that are over, the latest first."""
    found = (await tx.execute(select(Agenda).order_by(Agenda.opens_on.desc()))).scalars()
    return [agenda for agenda in found if agenda.is_over(tx.now)]


async def current(tx: Tx) -> Agenda | None:
    """The agenda that things are put on where nobody says which: of the next event."""
    return next((agenda for agenda in await ahead(tx) if agenda.state == "open"), None)


async def progress(tx: Tx, agenda: Agenda, *, theme_id: int | None = None) -> Counter[str]:
    """How many items are in each state; with ``theme_id`` of those that go back to that theme or to its debates."""
    query = select(Item.state, func.count(func.distinct(Item.id))).where(Item.agenda_id == agenda.actor_id)
    if theme_id is not None:
        query = query.where(Item.id.in_(select(Source.item_id).where(Source.post_id.in_(_said_in(theme_id)))))
    return Counter({row[0]: row[1] for row in await tx.execute(query.group_by(Item.state))})


async def of_theme(tx: Tx, agenda: Agenda, theme_id: int, *, limit: int = 5) -> list[Item]:
    """Items that go back to a theme or to its debates, those that have come furthest first."""
    order = ("scheduled", "shortlisted", "proposed")
    query = select(Item).where(
        Item.agenda_id == agenda.actor_id,
        Item.state.in_(order),
        Item.id.in_(select(Source.item_id).where(Source.post_id.in_(_said_in(theme_id)))),
    )
    found = list((await tx.execute(query.order_by(Item.number.desc()).limit(200))).scalars())
    return sorted(found, key=lambda item: order.index(item.state))[:limit]


def _said_in(theme_id: int) -> Select[Any]:
    places = select(Debate.actor_id).where(Debate.theme_id == theme_id)
    return (
        select(Post.id)
        .join(Topic, Topic.id == Post.topic_id)
        .where((Topic.group_id == theme_id) | Topic.group_id.in_(places))
    )


# --- Sessions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slot:
    """A session as it is typed."""

    name: str
    opens_at: datetime
    closes_at: datetime
    room: str = ""


def _check_slot(agenda: Agenda, slot: Slot) -> None:
    wrong = {}
    if not 1 <= len(" ".join(slot.name.split())) <= NAME_MAX:
        wrong["name"] = "session-name-length"
    if len(slot.room) > NAME_MAX:
        wrong["room"] = "text-too-long"
    zone = ZoneInfo(agenda.zone)
    if slot.closes_at <= slot.opens_at:
        wrong["closes_at"] = "session-ends-before-it-begins"
    days = [at.astimezone(zone).date() for at in (slot.opens_at, slot.closes_at)]
    if not agenda.opens_on <= days[0] <= days[1] <= agenda.closes_on:
        wrong.setdefault("opens_at", "session-outside-event")
    if wrong:
        raise Invalid(**wrong)


async def sessions(tx: Tx, agenda: Agenda) -> list[AgendaSession]:
    """In their order in time."""
    query = select(AgendaSession).where(AgendaSession.agenda_id == agenda.actor_id)
    return list((await tx.execute(query.order_by(AgendaSession.opens_at, AgendaSession.id))).scalars())


async def find_session(tx: Tx, agenda: Agenda, session_id: int) -> AgendaSession | None:
    found = await tx.get(AgendaSession, session_id)
    return found if found is not None and found.agenda_id == agenda.actor_id else None


async def add_session(tx: Tx, by: Actor, agenda: Agenda, slot: Slot) -> AgendaSession:
    """Raises Invalid, Refused."""
    by, agenda = await curated(tx, by, agenda)
    _check_slot(agenda, slot)
    if len(await sessions(tx, agenda)) >= SESSIONS_MAX:
        raise Refused("too-many-sessions")
    made = AgendaSession(agenda_id=agenda.actor_id)
    _put_slot(made, slot)
    tx.add(made)
    await changed(tx, agenda, by, "edited", log="edit-sessions")
    return made


async def edit_session(tx: Tx, by: Actor, agenda: Agenda, session: AgendaSession, slot: Slot) -> None:
    """Its items keep the hours that they were given. Raises Invalid, Refused."""
    by, agenda = await curated(tx, by, agenda)
    _check_slot(agenda, slot)
    _put_slot(await tx.get_one(AgendaSession, session.id), slot)
    agenda.sequence += 1
    await changed(tx, agenda, by, "edited", log="edit-sessions")


def _put_slot(session: AgendaSession, slot: Slot) -> None:
    session.name, session.room = " ".join(slot.name.split()), " ".join(slot.room.split())
    session.opens_at, session.closes_at = slot.opens_at, slot.closes_at


async def drop_session(tx: Tx, by: Actor, agenda: Agenda, session: AgendaSession) -> None:
    """Raises Refused while items are in it."""
    by, agenda = await curated(tx, by, agenda)
    held = select(func.count()).select_from(Item).where(Item.session_id == session.id)
    if await tx.scalar(held):
        raise Refused("session-has-items")
    await tx.delete(await tx.get_one(AgendaSession, session.id))
    await changed(tx, agenda, by, "edited", log="edit-sessions")
