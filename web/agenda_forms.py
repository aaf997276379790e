"""The forms with which agendas are set up and decided on: what is typed is read into what the community takes.

Everything that is wrong is said at once, by the field that it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import available_timezones

from aiohttp import web

from community import agendas, board
from community.agenda_models import Agenda, AgendaSession, Item
from community.agendas import Plan, Slot
from community.board import Entry
from community.db import Tx
from community.items import Hour
from community.members import Invalid
from community.models import Actor
from community.policy import NotThere, refusal, require, standing
from community.recurrence import moment, wall_clock
from web import agenda_view
from web.auth import Form, field, to_number
from web.debate_forms import FURTHEST

SHOWN = 30  # items in a list to choose from


# --- Finding


async def find(tx: Tx, request: web.Request) -> Agenda:
    """The agenda of the address. Raises NotThere."""
    return await agenda_view.find(tx, request.match_info["handle"])


async def find_curated(tx: Tx, request: web.Request, actor: Actor) -> Agenda:
    """The agenda of the address, which this person decides on. Raises Refused."""
    agenda = await find(tx, request)
    require("curate", await standing(tx, actor, agenda.actor_id), agenda)
    return agenda


async def find_item(tx: Tx, request: web.Request, agenda: Agenda) -> Item:
    """The item of the address. Raises NotThere."""
    item = await board.find(tx, agenda, int(request.match_info["number"]))
    if item is None:
        raise NotThere
    return item


async def numbered(tx: Tx, agenda: Agenda, typed: str) -> Item | None:
    """The item with a number as it was typed; None for one that no item can have."""
    number = to_number(typed)
    return await board.find(tx, agenda, number) if number < 10**9 else None


async def open_to(tx: Tx, actor: Actor | None) -> list[Agenda]:
    """The agendas ahead that somebody may put things on, that of the next event first."""
    found = []
    if actor is not None and actor.is_local:
        for agenda in await agendas.ahead(tx):
            if refusal("propose", await standing(tx, actor, agenda.actor_id), agenda) is None:
                found.append(agenda)
    return found


def fitting(entries: Iterable[Entry], typed: str) -> list[Entry]:
    """Those with every word that was typed in their title or summary, or with that number."""
    words = typed.casefold().split()
    number = to_number(typed.strip().removeprefix("#"))
    return [
        entry
        for entry in entries
        if entry.item.number == number
        or all(word in f"{entry.item.title} {entry.item.summary}".casefold() for word in words)
    ]


def alike(entries: Iterable[Entry], said: str) -> list[Entry]:
    """Those first that share the most words with what was said; words of up to three letters do not count."""
    words = set(re.findall(r"\w{4,}", said.casefold()))
    return sorted(entries, key=lambda entry: -len(words & set(re.findall(r"\w{4,}", entry.item.title.casefold()))))


# --- Days, hours and words


class _Reader:
    """Collects what is wrong with a form, field by field."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.wrong: dict[str, str] = {}

    def on(self, name: str, now: datetime) -> date:
        """A day near enough to be counted with; today where it is none."""
        try:
            found = date.fromisoformat(field(self.form, name).strip())
        except ValueError:
            self.wrong[name] = "date-form"
            return now.date()
        if found > now.date() + FURTHEST:
            self.wrong[name] = "date-is-far"
        elif found < now.date() - FURTHEST:
            self.wrong[name] = "date-is-past"
        else:
            return found
        return now.date()

    def at(self, day: date, name: str, zone: str) -> datetime | None:
        """The moment of a time of that day; None where nothing is typed."""
        typed = field(self.form, name).strip()
        if not typed:
            return None
        try:
            clock = time.fromisoformat(typed).replace(tzinfo=None)
        except ValueError:
            self.wrong[name] = "time-form"
            return None
        return moment(datetime.combine(day, clock), zone)

    def day(self, agenda: Agenda) -> date:
        """A day of the event, its first where only one is there to choose from."""
        typed = field(self.form, "day").strip()
        if not typed:
            if agenda.opens_on != agenda.closes_on:
                self.wrong["day"] = "choose-one"
            return agenda.opens_on
        try:
            found = date.fromisoformat(typed)
        except ValueError:
            self.wrong["day"] = "date-form"
            return agenda.opens_on
        if not agenda.opens_on <= found <= agenda.closes_on:
            self.wrong["day"] = "session-outside-event"
            return agenda.opens_on
        return found

    def done(self) -> None:
        if self.wrong:
            raise Invalid(**self.wrong)


def days_of(agenda: Agenda) -> list[date]:
    return [agenda.opens_on + timedelta(days=n) for n in range((agenda.closes_on - agenda.opens_on).days + 1)]


def read_plan(form: Form, now: datetime, *, is_new: bool) -> Plan:
    """What the form for an event says. Raises Invalid."""
    reader = _Reader(form)
    opens_on = reader.on("opens_on", now)
    closes_on = reader.on("closes_on", now) if field(form, "closes_on").strip() else opens_on
    if is_new and "closes_on" not in reader.wrong and "opens_on" not in reader.wrong and closes_on < now.date():
        reader.wrong["closes_on"] = "date-is-past"
    zone = field(form, "zone").strip()
    if zone not in available_timezones():
        reader.wrong["zone"] = "timezone-unknown"
    reader.done()
    return Plan(
        name=field(form, "name"),
        opens_on=opens_on,
        closes_on=closes_on,
        zone=zone,
        place=field(form, "place"),
        link=field(form, "link").strip(),
        map_link=field(form, "map_link").strip(),
        text=field(form, "text"),
        language=field(form, "language"),
    )


def form_of(agenda: Agenda) -> Form:
    """An event as its form is filled in."""
    return {
        "name": agenda.name, "place": agenda.place, "link": agenda.link, "map_link": agenda.map_link,
        "opens_on": agenda.opens_on.isoformat(), "closes_on": agenda.closes_on.isoformat(), "zone": agenda.zone,
        "language": agenda.language, "text": agenda.text_source,
    }  # fmt: skip


# Where the community complains in words that mean something else in other forms.
_ELSE = {"address-form": "link-form", "language-missing": "language-unknown"}


def by_field(error: Invalid, names: Callable[[str], str] = str) -> dict[str, str]:
    """What is wrong by the name that ``names`` gives to a field."""
    return {names(name): _ELSE.get(reason, reason) for name, reason in error.fields.items()}


def read_slot(form: Form, agenda: Agenda) -> Slot:
    """What the form for a session says. Raises Invalid."""
    reader = _Reader(form)
    day = reader.day(agenda)
    opens_at, closes_at = (reader.at(day, name, agenda.zone) for name in ("from", "until"))
    for name, at in (("from", opens_at), ("until", closes_at)):
        if at is None:
            reader.wrong.setdefault(name, "time-form")
    reader.done()
    if opens_at is None or closes_at is None:
        raise Invalid(**{"from": "time-form"})
    return Slot(field(form, "name"), opens_at, closes_at, field(form, "room"))


def read_hour(form: Form, agenda: Agenda, session: AgendaSession | None) -> Hour:
    """What the form for the hour of an item says; a session alone is an hour as well. Raises Invalid."""
    reader = _Reader(form)
    in_session = session is not None and not field(form, "day").strip()
    day = wall_clock(session.opens_at, agenda.zone).date() if session is not None and in_session else reader.day(agenda)
    starts_at, ends_at = (reader.at(day, name, agenda.zone) for name in ("from", "until"))
    if starts_at is None and ends_at is not None:
        reader.wrong.setdefault("from", "hour-missing")
    reader.done()
    return Hour(session, starts_at, ends_at, field(form, "room"))


def hour_form(agenda: Agenda, opens_at: datetime | None, closes_at: datetime | None) -> dict[str, Any]:
    """Day and hours as they stand in a form, on the clocks of the place."""
    found = {"day": "", "from": "", "until": ""}
    if opens_at is not None:
        wall = wall_clock(opens_at, agenda.zone)
        found |= {"day": wall.date().isoformat(), "from": f"{wall:%H:%M}"}
    if closes_at is not None:
        found["until"] = f"{wall_clock(closes_at, agenda.zone):%H:%M}"
    return found
