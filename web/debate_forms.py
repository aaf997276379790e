"""The forms with which debates and series are set up: what is typed is read into what the community takes.

Everything that is wrong is said at once, by the field that it stands in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import available_timezones

from aiohttp import web

from community import clerk, debates
from community.debates import Plan
from community.members import Invalid
from community.models import Actor
from community.recurrence import moment, wall_clock
from federation.lookup import NotFound, look_up_person
from web import auth, render
from web.auth import Form, Limit, field, take_turn
from web.site_key import SITE

CALL_DAYS, DIGEST_DAYS, MINUTES = 14, 2, 60
FURTHEST = timedelta(days=5 * 366)
HOSTS_AT_ONCE = 10
# Where ``debates`` complains of a moment, the form has these fields.
_FIELDS = {"opens_at": "date", "call_at": "call_days", "digest_at": "digest_days", "languages": "language"}


# --- Date, time and words


def _date(typed: str) -> date:
    try:
        return date.fromisoformat(typed.strip())
    except ValueError:
        raise Invalid(date="date-form") from None


def _time(typed: str) -> time:
    try:
        return time.fromisoformat(typed.strip()).replace(tzinfo=None)
    except ValueError:
        raise Invalid(time="time-form") from None


def read_days(typed: str, name: str, *, below: str) -> int:
    """A number of days; ``below`` is what is wrong with one before the beginning."""
    typed = typed.strip() or "0"
    if re.fullmatch(r"-\d{1,4}", typed):
        raise Invalid(**{name: below})
    if not re.fullmatch(r"\d{1,4}", typed) or int(typed) > 365:
        raise Invalid(**{name: "days-unknown"})
    return int(typed)


def read_wall(form: Form, now: datetime) -> datetime:
    """Date and time as typed, on no zone's clock yet, and near enough to be counted with. Raises Invalid."""
    wrong: dict[str, str] = {}
    found: list[Any] = []
    for name, read in (("date", _date), ("time", _time)):
        try:
            found.append(read(field(form, name)))
        except Invalid as error:
            wrong |= error.fields
    if not wrong:
        wall = datetime.combine(*found)
        if wall < now.replace(tzinfo=None) - timedelta(days=2):
            wrong["date"] = "date-is-past"
        elif wall > now.replace(tzinfo=None) + FURTHEST:
            wrong["date"] = "date-is-far"
    if wrong:
        raise Invalid(**wrong)
    return wall


def skipped(wall: datetime, zone: str) -> str:
    """The time of day as typed, where the clocks of the zone skip it that night; '' as a rule."""
    return f"{wall:%H:%M}" if wall_clock(moment(wall, zone), zone) != wall else ""


def read_languages(form: Form, ticked: list[str]) -> tuple[str, ...]:
    """The clerk's language first, then the others in which people write. Raises Invalid."""
    first = field(form, "language")
    if first not in clerk.LANGUAGES or any(code not in render.POST_LANGUAGES for code in ticked):
        raise Invalid(language="language-unknown")
    return tuple(dict.fromkeys((first, *ticked)))


@dataclass(frozen=True)
class Read:
    """A plan, and the time of day as it was typed if the clocks skip it."""

    plan: Plan
    skipped: str


def read_plan(form: Form, ticked: list[str], now: datetime) -> Read:
    """What the form for a new debate says; all that is wrong with it at once. Raises Invalid."""
    wrong: dict[str, str] = {}
    found: dict[str, Any] = {}

    def take(name: str, reading: Any) -> None:
        try:
            found[name] = reading()
        except Invalid as error:
            wrong.update(error.fields)

    zone = field(form, "zone").strip()
    minutes = field(form, "minutes").strip()
    take("wall", lambda: read_wall(form, now))
    take("call", lambda: read_days(field(form, "call_days"), "call_days", below="call-after-opening"))
    take("digest", lambda: read_days(field(form, "digest_days"), "digest_days", below="digest-before-end"))
    take("languages", lambda: read_languages(form, ticked))
    if zone not in available_timezones():
        wrong["zone"] = "timezone-unknown"
    if not re.fullmatch(r"\d{1,4}", minutes) or not debates.MINUTES[0] <= int(minutes) <= debates.MINUTES[1]:
        wrong["minutes"] = "minutes-unknown"
    if not 3 <= len(" ".join(field(form, "motion").split())) <= debates.MOTION_MAX:
        wrong["motion"] = "motion-length"
    if wrong:
        raise Invalid(**{name: wrong[name] for name in _in_order(wrong)})
    wall: datetime = found["wall"]
    opens_at = moment(wall, zone)
    end = wall_clock(opens_at + timedelta(minutes=int(minutes)), zone)
    plan = Plan(
        motion=field(form, "motion"),
        opens_at=opens_at,
        minutes=int(minutes),
        zone=zone,
        text=field(form, "text"),
        # Days are those of the calendar there: two weeks before 14:00 is 14:00, whatever the clocks did in between.
        call_at=moment(wall - timedelta(days=found["call"]), zone) if found["call"] else None,
        digest_at=moment(end + timedelta(days=found["digest"]), zone) if found["digest"] else None,
        languages=found["languages"],
    )
    return Read(plan, skipped(wall, zone))


_ORDER = ("motion", "text", "date", "time", "zone", "minutes", "call_days", "digest_days", "language", "hosts")


def _in_order(wrong: dict[str, str]) -> list[str]:
    """Field names as they stand on the page."""
    return sorted(wrong, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))


def by_field(error: Invalid) -> dict[str, str]:
    return {_FIELDS.get(name, name): reason for name, reason in error.fields.items()}


async def ticked_languages(request: web.Request) -> list[str]:
    return [str(code) for code in (await request.post()).getall("languages", [])]


# --- People


async def find_person(request: web.Request, by: Actor, typed: str, name: str) -> Actor:
    """Who is meant by a handle, here or elsewhere. Raises Invalid for the field ``name``."""
    site = request.app[SITE]
    async with site.database.write() as tx:
        if await take_turn(tx, Limit(f"look-up:{by.id}", 60, 10)):
            raise Invalid(**{name: "too-many-tries"})
    try:
        return await look_up_person(site, typed[:500])
    except NotFound as error:
        reason = "handle-unknown" if error.reason in ("address-form", "nothing-there") else error.reason
        raise Invalid(**{name: reason}) from None


@dataclass
class Hosts:
    """The hosts that a form names; ``stranger`` is the handle that something is wrong with, '' where nothing is."""

    people: list[Actor] = dataclass_field(default_factory=list)
    stranger: str = ""


async def find_hosts(request: web.Request, by: Actor, form: Form, found: Hosts) -> None:
    """Find out who is meant, each once, with no transaction open. Raises Invalid."""
    handles = field(form, "hosts").replace(",", " ").split()
    if len(handles) > HOSTS_AT_ONCE:
        raise Invalid(hosts="too-many-hosts")
    people: dict[int, Actor] = {}
    for handle in handles:
        found.stranger = handle
        person = await find_person(request, by, handle, "hosts")
        people.setdefault(person.id, person)
    found.people, found.stranger = list(people.values()), ""


# --- The page with the form


async def show_form(
    request: web.Request, template: str, form: dict[str, Any], wrong: dict[str, str] | None, **context: Any
) -> web.Response:
    wrong = wrong or {}
    return await render.page(
        request,
        template,
        status=422 if wrong else 200,
        form=form,
        wrong=wrong,
        focus=auth.focus_on(wrong),
        spoken=[(code, render.language_name(code)) for code in clerk.LANGUAGES],
        languages=render.language_choices(),
        **context,
    )
