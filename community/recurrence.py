"""Dates that come again: rules as RFC 5545 writes them, and the moments that they stand for in a time zone.

A rule is one that ``write`` has made from a choice, and no other is accepted: so each has words for people, and each
has a next date. Dates are counted on the wall clock of a zone: 14:00 stays 14:00 when summer time comes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
EVERY_MAX = 12
LAST = -1
# Where a rule asks for the 29th, 30th or 31st, months that lack it have their last day: BYMONTHDAY alone would leave
# such a month out, so all days from the 28th on are offered and the last that there is is taken.
_SURE_DAY = 28


@dataclass(frozen=True)
class Choice:
    """What a rule says. ``kind`` is week (on ``weekday``, 0 for Monday), day (of the month: ``day``) or weekday (of the
    month: the ``nth``, LAST for the last, ``weekday``); ``every`` counts weeks or months."""

    kind: str
    every: int = 1
    day: int = 0
    nth: int = 0
    weekday: int = 0


KINDS = ("day", "weekday", "last-weekday", "week")


def choose(kind: str, every: int, first: datetime) -> Choice:
    """The rule of a kind that begins with this date: 'every month on the 18th' for one on an 18th. A fifth Friday is
    taken for the last. Raises ValueError."""
    if kind not in KINDS or not 1 <= every <= EVERY_MAX:
        raise ValueError(f"no such rule: {kind}, {every}")
    if kind == "day":
        return Choice("day", every, day=first.day)
    if kind == "week":
        return Choice("week", every, weekday=first.weekday())
    nth = (first.day - 1) // 7 + 1
    return Choice("weekday", every, nth=LAST if kind == "last-weekday" or nth > 4 else nth, weekday=first.weekday())


def write(choice: Choice) -> str:
    """A choice as an RRULE."""
    interval = f";INTERVAL={choice.every}" if choice.every > 1 else ""
    if choice.kind == "week":
        return f"FREQ=WEEKLY{interval};BYDAY={WEEKDAYS[choice.weekday]}"
    if choice.kind == "weekday":
        return f"FREQ=MONTHLY{interval};BYDAY={choice.nth}{WEEKDAYS[choice.weekday]}"
    if choice.day <= _SURE_DAY:
        return f"FREQ=MONTHLY{interval};BYMONTHDAY={choice.day}"
    days = ",".join(str(day) for day in range(_SURE_DAY, choice.day + 1))
    return f"FREQ=MONTHLY{interval};BYMONTHDAY={days};BYSETPOS=-1"


_RULE = re.compile(
    r"FREQ=(WEEKLY|MONTHLY)(?:;INTERVAL=(\d{1,2}))?;"
    r"(?:BYMONTHDAY=(?:28,)?(?:29,)?(?:30,)?(\d{1,2})(?:;BYSETPOS=-1)?|BYDAY=(-?\d)?(MO|TU|WE|TH|FR|SA|SU))"
)


def read(rule: str) -> Choice:
    """The choice behind a rule. Raises ValueError for what ``write`` would not have made, however good a rule it is."""
    found = _RULE.fullmatch(rule)
    if found is None:
        raise ValueError(f"no rule of ours: {rule[:100]}")
    frequency, every, day, nth, weekday = found.groups()
    kind = "day" if day else "weekday" if frequency == "MONTHLY" else "week"
    choice = Choice(
        kind, int(every or 1), int(day or 0), int(nth or 0), WEEKDAYS.index(weekday) if weekday is not None else 0
    )
    is_sound = (
        1 <= choice.every <= EVERY_MAX
        and (kind != "day" or 1 <= choice.day <= 31)
        and (kind != "weekday" or choice.nth in (1, 2, 3, 4, LAST))
    )
    if not is_sound or write(choice) != rule:
        raise ValueError(f"no rule of ours: {rule[:100]}")
    return choice


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name; UTC for one that another server made up."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def moment(wall: datetime, zone: str) -> datetime:
    """The moment at which the clocks of a zone show a time. One that they skip is as much later as they skip; of one
    that they show twice it is the first. Both as RFC 5545 (3.3.5) has it."""
    return wall.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def wall_clock(at: datetime, zone: str) -> datetime:
    """What the clocks of a zone show at a moment, without offset."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def walls(rule: str, first: datetime, until: datetime) -> list[datetime]:
    """The dates of a rule from ``first`` on, which need not be one of them, through ``until``; on the wall clock."""
    read(rule)
    found: list[datetime] = rrulestr(rule, dtstart=first).between(first, until, inc=True)
    return found


def first_of(rule: str, first: datetime) -> datetime:
    """The first date of a rule that is not before ``first``."""
    read(rule)
    found: datetime = next(iter(rrulestr(rule, dtstart=first)))
    return found


@dataclass(frozen=True)
class Occurrence:
    """One date of a rule. ``date`` (YYYY-MM-DD) is the day that the rule gives it and stays its name; ``planned`` is
    that time on the wall clock, ``at`` the moment when it takes place, ``state`` '', moved or dropped."""

    date: str
    planned: datetime
    at: datetime
    state: str = ""


def occurrence(wall: datetime, zone: str, exceptions: Mapping[str, str]) -> Occurrence:
    """A date of a rule with what became of it; ``exceptions`` as in ``debate_models.Series``."""
    date = f"{wall:%Y-%m-%d}"
    said = exceptions.get(date)
    if said:
        return Occurrence(date, wall, datetime.fromisoformat(said).astimezone(UTC), "moved")
    return Occurrence(date, wall, moment(wall, zone), "" if said is None else "dropped")


def occurrences(
    rule: str, first: datetime, zone: str, exceptions: Mapping[str, str], start: datetime, end: datetime
) -> list[Occurrence]:
    """What takes place, or was to, from ``start`` to before ``end`` (moments), in the order in which it does.

    Whatever was moved counts where it is now.
    """
    # A date beyond the end may have been moved to before it; clocks differ from UTC by a day at most.
    latest = max([wall_clock(end, zone), *(datetime.fromisoformat(date) for date in exceptions)])
    every = [occurrence(wall, zone, exceptions) for wall in walls(rule, first, latest + timedelta(days=1))]
    return sorted((each for each in every if start <= each.at < end), key=lambda each: each.at)
