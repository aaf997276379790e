"""Debates, series and agendas as iCalendar (RFC 5545): what a calendar that somebody subscribes to is made of.

A series is one event with its rule, and each of its debates an override of one date of it, so that a calendar shows
every date once, those to come as well as those that are made, moved or left out. Names (UID) never change.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard, vRecur

from community import clerk, items, recurrence, series, text
from community.agenda_models import Agenda, Item
from community.debate_models import Debate, Series
from community.recurrence import Occurrence, zone_of
from community.settings import Settings

_DESCRIPTION_MAX = 1500
# Beyond that a calendar goes by its own table of zones.
_YEARS_AHEAD = 10


def write(settings: Settings, name: str, path: str, events: Iterable[Event], now: datetime) -> bytes:
    """A calendar to subscribe to. It is the same, byte for byte, until something in it changes."""
    calendar = Calendar()
    calendar.add("prodid", f"-//Folkmoot//{text.printable(settings.host)}//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    for key in ("name", "x-wr-calname"):
        calendar.add(key, " ".join(text.printable(name).split()))
    calendar.add("source", settings.origin + path, parameters={"value": "URI"})
    calendar.add("refresh-interval", timedelta(hours=1), parameters={"value": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    held = list(events)
    used = {event["DTSTART"].params.get("TZID") for event in held} | {
        event["RECURRENCE-ID"].params.get("TZID") for event in held if "RECURRENCE-ID" in event
    }
    first = min((event.start.year for event in held), default=now.year)
    # A calendar has to hold something: of an empty one it is a zone.
    for zone in sorted(zone for zone in used if zone) or ([] if held else ["Etc/UTC"]):
        calendar.add_component(timezone_of(zone, first - 1, now.year + _YEARS_AHEAD))
    for event in held:
        calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written


# --- Events ----------------------------------------------------------------------------------------------------------


def _handle(settings: Settings, debate: Debate) -> str:
    return f"{debate.actor.handle}@{debate.actor.host or settings.host}"


def _put(event: Event, key: str, words: str, language: str) -> None:
    words = text.printable(words)
    if words:
        event.add(key, words, parameters={"language": language} if language else {})


def event_of(settings: Settings, debate: Debate, *, uid: str = "", instance: datetime | None = None) -> Event:
    """A debate; as the ``instance`` (on the wall clock of its rule) of the series ``uid`` where it belongs to one."""
    event, language = Event(), debate.language
    is_cancelled, handle = debate.state == "cancelled", _handle(settings, debate)
    event.add("uid", uid or handle)
    if instance is not None:
        event.add("recurrence-id", instance)
    event.add("dtstart", debate.opens_at.astimezone(zone_of(debate.zone)))
    event.add("dtend", debate.closes_at.astimezone(zone_of(debate.zone)))
    _put(event, "summary", debate.motion, language)
    when = clerk.when(debate.opens_at, zone_of(debate.zone).key, language)
    parts = [
        clerk.says(language, "cancelled", reason=debate.reason).replace("**", "")
        if debate.state == "cancelled"
        else "",
        text.cut(text.plain(debate.text_html), _DESCRIPTION_MAX),
        clerk.says(language, "event", name=settings.name, when=when, link=debate.actor.url or debate.actor.uri),
    ]
    _put(event, "description", "\n\n".join(part.strip() for part in parts if part.strip()), language)
    origin = settings.origin if debate.actor.is_local else f"https://{debate.actor.host}"
    _put(
        event,
        "location",
        clerk.says(language, "place", handle=f"@{_handle(settings, debate)}", origin=origin),
        language,
    )
    event.add("url", debate.actor.url or debate.actor.uri)
    event.add("status", "CANCELLED" if is_cancelled else "CONFIRMED")
    _stamp(event, debate.sequence, debate.changed_at)
    return event


def _stamp(event: Event, sequence: int, changed_at: datetime) -> None:
    event.add("sequence", sequence)
    for key in ("dtstamp", "last-modified"):
        event.add(key, changed_at)


def _series_event(settings: Settings, one: Series, start: datetime) -> Event:
    """What is said of a date of a series that has no debate yet."""
    event, language = Event(), one.languages[0] if one.languages else "en"
    event.add("uid", uid_of(settings, one))
    event.add("dtstart", start)
    event.add("duration", timedelta(minutes=one.minutes))
    _put(event, "summary", one.name, language)
    link = f"{settings.origin}/series/{one.id}"
    _put(event, "description", f"{clerk.says(language, 'series-text')}\n\n{link}", language)
    event.add("url", link)
    event.add("status", "CONFIRMED")
    _stamp(event, one.sequence, one.changed_at)
    return event


def uid_of(settings: Settings, one: Series) -> str:
    return f"series-{one.id}@{settings.host}"


def events_of_series(settings: Settings, one: Series, held: Iterable[Debate], now: datetime) -> list[Event]:
    """A series with its debates ``held``: its rule without the dates that it leaves out, and an override of each that
    is made or moved. A debate that no date of the present rule stands for is an event of its own."""
    zone, debates = zone_of(one.zone), {debate.occurrence: debate for debate in held}
    first = series.first_of(one)
    known = [datetime.fromisoformat(date) for date in {*one.exceptions, *debates} if date]
    until = max([recurrence.wall_clock(now, one.zone), *known]) + timedelta(days=1)
    dates = [recurrence.occurrence(wall, one.zone, one.exceptions) for wall in recurrence.walls(one.rule, first, until)]
    left_out = [when for when in dates if when.date not in debates and _is_left_out(one, when, now)]
    kept = [when for when in dates if when not in left_out]
    overrides = []
    for when in kept:
        instance = when.planned.replace(tzinfo=zone)
        if when.date in debates:
            overrides.append(event_of(settings, debates[when.date], uid=uid_of(settings, one), instance=instance))
        elif when.state == "moved":
            event = _series_event(settings, one, when.at.astimezone(zone))
            event.add("recurrence-id", instance)
            overrides.append(event)
    alone = [event_of(settings, debates[date]) for date in debates if date not in {when.date for when in kept}]
    if one.ended_at is not None and not kept:
        return alone
    master = _series_event(settings, one, first.replace(tzinfo=zone))
    rule = vRecur.from_ical(one.rule)
    if one.ended_at is not None:
        rule["UNTIL"] = [recurrence.moment(kept[-1].planned, one.zone)]
    master.add("rrule", rule)
    end = kept[-1].planned if one.ended_at is not None else until
    excepted = [when.planned.replace(tzinfo=zone) for when in left_out if when.planned <= end]
    if excepted:
        master.add("exdate", excepted)
    return [master, *overrides, *alone]


def _is_left_out(one: Series, when: Occurrence, now: datetime) -> bool:
    """Whether a date that has no debate will have none."""
    return when.state == "dropped" or when.at <= now or (one.ended_at is not None and when.at >= one.ended_at)


# --- Agendas ---------------------------------------------------------------------------------------------------------


def event_of_agenda(settings: Settings, agenda: Agenda) -> Event:
    """The event that an agenda is for: whole days at its place."""
    event, link = Event(), settings.origin + items.path_of(agenda)
    event.add("uid", f"{agenda.actor.handle}@{settings.host}")
    event.add("dtstart", agenda.opens_on)
    event.add("dtend", agenda.closes_on + timedelta(days=1))  # RFC 5545, 3.6.1: the end is not part of it
    _put(event, "summary", agenda.name, agenda.language)
    said = text.cut(text.plain(agenda.text_html), _DESCRIPTION_MAX)
    _put(event, "description", "\n\n".join(part for part in (said, link) if part), agenda.language)
    _put(event, "location", agenda.place, agenda.language)
    event.add("url", link)
    event.add("transp", "TRANSPARENT")
    event.add("status", "CONFIRMED")
    _stamp(event, agenda.sequence, agenda.changed_at)
    return event


def event_of_item(settings: Settings, agenda: Agenda, item: Item) -> Event:
    """An item that is scheduled, in the room and at the hour that it has at the place."""
    assert item.starts_at is not None
    event, link = Event(), settings.origin + items.path_of(agenda, item)
    event.add("uid", f"item-{item.number}-{agenda.actor.handle}@{settings.host}")
    event.add("dtstart", item.starts_at.astimezone(zone_of(agenda.zone)))
    if item.ends_at is not None:
        event.add("dtend", item.ends_at.astimezone(zone_of(agenda.zone)))
    _put(event, "summary", item.title, agenda.language)
    parts = [item.summary, f"{agenda.name}\n{link}"]
    _put(event, "description", "\n\n".join(part for part in parts if part), agenda.language)
    _put(event, "location", ", ".join(part for part in (item.room, agenda.place) if part), agenda.language)
    event.add("url", link)
    event.add("status", "CONFIRMED")
    _stamp(event, agenda.sequence, item.changed_at)
    return event


# --- Zones -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def timezone_of(name: str, first_year: int, last_year: int) -> Timezone:
    """A zone with each change of its clocks in these years.

    Our own, since those that icalendar 7 makes begin summer time an hour late.
    """
    zone, made = ZoneInfo(name), Timezone()
    made.add("tzid", name)
    start = datetime(first_year, 1, 1, tzinfo=UTC)
    changes: dict[tuple[timedelta, timedelta, str, bool], list[datetime]] = {}
    offset, is_summer, called = _clock(start, zone)
    changes[offset, offset, called, is_summer] = [(start + offset).replace(tzinfo=None)]
    at, end = start, datetime(last_year + 1, 1, 1, tzinfo=UTC)
    while at < end:
        after = at + timedelta(days=1)
        if _clock(at, zone) != _clock(after, zone):
            change = _change_between(at, after, zone)
            before, (offset, is_summer, called) = _clock(at, zone)[0], _clock(after, zone)
            changes.setdefault((before, offset, called, is_summer), []).append((change + before).replace(tzinfo=None))
        at = after
    for (before, offset, called, is_summer), onsets in changes.items():
        part = TimezoneDaylight() if is_summer else TimezoneStandard()
        part.add("tzname", called)
        part.add("tzoffsetfrom", before)
        part.add("tzoffsetto", offset)
        part.add("dtstart", onsets[0])
        if len(onsets) > 1:
            part.add("rdate", onsets[1:])
        made.add_component(part)
    return made


def _clock(at: datetime, zone: ZoneInfo) -> tuple[timedelta, bool, str]:
    """How the clocks of a zone stand at a moment: their offset, whether it is summer time, what that is called."""
    there = at.astimezone(zone)
    return there.utcoffset() or timedelta(0), bool(there.dst()), there.tzname() or ""


def _change_between(at: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the clocks change."""
    before = _clock(at, zone)
    while after - at > timedelta(seconds=1):
        middle = (at + (after - at) / 2).replace(microsecond=0)
        at, after = (middle, after) if _clock(middle, zone) == before else (at, middle)
    return after
