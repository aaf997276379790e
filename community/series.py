"""Series of debates: a rule that makes the next one by itself, and the dates that are dropped or moved.

A debate is made ``announce_days`` before its date by a job that waits for nothing else. Whatever happened meanwhile,
it looks at what is there: a date has one debate, a date that has passed gets none any more.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import delete, select

from community import clerk, debates, groups, jobs, keys, notifications, panels, recurrence, text
from community.db import Tx
from community.debate_models import Debate, Series
from community.events import DebateChanged, on
from community.keys import KeyPair
from community.members import Invalid
from community.models import Actor, Job, LogEntry
from community.policy import Refused, require, standing
from community.recurrence import Occurrence

log = logging.getLogger("folkmoot.series")

NAME_MAX = 80
# With a date behind it, and a number where there are two on a day, it still is a handle.
PREFIX = re.compile(r"[a-z][a-z0-9_]{1,6}")
ANNOUNCE_DAYS = (1, 180)
DIGEST_DAYS_MAX = 30
# Dates are looked for so far ahead, which is further than any rule has a gap.
HORIZON = timedelta(days=5 * 365)
LOOK_AGAIN = timedelta(days=365)
_LONGEST = timedelta(days=60 * 365)


@dataclass(frozen=True)
class Terms:
    """A series as it is typed. ``first_at`` is on the wall clock of ``zone``: the first date of ``rule`` not before it
    is where the series begins. Days of 0 are without a call or a digest."""

    name: str
    motion: str
    rule: str
    first_at: datetime
    zone: str
    minutes: int
    prefix: str = "debate"
    text: str = ""
    announce_days: int = 21
    call_days: int = 14
    digest_days: int = 2
    languages: tuple[str, ...] = ("en",)
    host_ids: tuple[int, ...] = ()


def complaints(terms: Terms) -> dict[str, str]:
    """What is wrong with terms as such, whatever the day is; by field."""
    wrong = {}
    if not 1 <= len(" ".join(terms.name.split())) <= NAME_MAX:
        wrong["name"] = "series-name-length"
    if not 3 <= len(" ".join(terms.motion.split())) <= debates.MOTION_MAX:
        wrong["motion"] = "motion-length"
    if len(terms.text) > text.MAX_SOURCE:
        wrong["text"] = "text-too-long"
    if not PREFIX.fullmatch(terms.prefix):
        wrong["prefix"] = "prefix-form"
    try:
        recurrence.read(terms.rule)
    except ValueError:
        wrong["repeats"] = "rule-unknown"
    if terms.zone not in available_timezones():
        wrong["zone"] = "timezone-unknown"
    if not debates.MINUTES[0] <= terms.minutes <= debates.MINUTES[1]:
        wrong["minutes"] = "minutes-unknown"
    if not ANNOUNCE_DAYS[0] <= terms.announce_days <= ANNOUNCE_DAYS[1]:
        wrong["announce_days"] = "announce-days"
    elif not 0 <= terms.call_days <= terms.announce_days:
        wrong["call_days"] = "call-before-announcement"
    if not 0 <= terms.digest_days <= DIGEST_DAYS_MAX:
        wrong["digest_days"] = "digest-days"
    if not terms.languages:
        wrong["language"] = "language-missing"
    return wrong


def _complaint_about_date(terms: Terms, now: datetime) -> dict[str, str]:
    # The calendar ends somewhere, and a year that is mistyped must not be searched for.
    if not now.year - 1 <= terms.first_at.year <= now.year + 4:
        return {"date": "date-is-far"}
    at = recurrence.moment(recurrence.first_of(terms.rule, terms.first_at), terms.zone)
    return {"date": "date-is-past"} if at <= now else {}


async def find(tx: Tx, id_: int) -> Series | None:
    return await tx.get(Series, id_)


async def listed(tx: Tx, *, theme_ids: Iterable[int] | None = None) -> list[Series]:
    """The series, those that go on first."""
    query = select(Series).order_by(Series.ended_at.is_not(None), Series.id)
    if theme_ids is not None:
        query = query.where(Series.theme_id.in_(list(theme_ids)))
    return list((await tx.execute(query)).scalars())


def first_of(series: Series) -> datetime:
    """Its first date on the wall clock."""
    return datetime.fromisoformat(series.first_at)


def dates(series: Series, start: datetime, end: datetime) -> list[Occurrence]:
    """The dates of a series between two moments, also those that it drops; after its end there are none."""
    if series.ended_at is not None:
        end = min(end, series.ended_at)
    return recurrence.occurrences(series.rule, first_of(series), series.zone, series.exceptions, start, max(start, end))


async def made(tx: Tx, series_id: int) -> dict[str, Debate]:
    """The debates of a series by their date in the rule."""
    query = select(Debate).where(Debate.series_id == series_id, Debate.occurrence.is_not(None))
    return {debate.occurrence or "": debate for debate in (await tx.execute(query)).scalars()}


# --- Setting up ------------------------------------------------------------------------------------------------------


def _apply(series: Series, terms: Terms) -> None:
    series.name, series.motion = " ".join(terms.name.split()), " ".join(terms.motion.split())
    series.text, series.prefix = terms.text.replace("\r\n", "\n").strip(), terms.prefix
    series.minutes, series.announce_days = terms.minutes, terms.announce_days
    series.call_days, series.digest_days = terms.call_days, terms.digest_days
    series.languages, series.host_ids = list(terms.languages), list(terms.host_ids)


def _put_dates(series: Series, terms: Terms) -> None:
    series.rule, series.zone = terms.rule, terms.zone
    series.first_at = recurrence.first_of(terms.rule, terms.first_at).isoformat(timespec="minutes")


async def make(tx: Tx, by: Actor, theme: Actor, terms: Terms) -> Series:
    """Begin a series of debates in a theme of ours. Raises Invalid, Refused."""
    by, theme = await tx.own(by), await tx.own(theme)
    require("arrange", await standing(tx, by, theme.id), theme)
    wrong = complaints(terms) or _complaint_about_date(terms, tx.now)
    if wrong:
        raise Invalid(**wrong)
    series = Series(theme_id=theme.id, exceptions={}, sequence=0, created_at=tx.now, changed_at=tx.now)
    _apply(series, terms)
    _put_dates(series, terms)
    tx.add(series)
    await tx.flush()
    await _log(tx, by, series, "add-series")
    await schedule(tx, series)
    return series


async def _own(tx: Tx, by: Actor, series: Series) -> tuple[Actor, Series]:
    """``by`` and ``series`` of this transaction, if the one may change the other now. Raises Refused."""
    by, series = await tx.own(by), await tx.lock(Series, series.id)
    require("arrange", await standing(tx, by, series.theme_id), series)
    if series.ended_at is not None:
        raise Refused("series-is-over")
    return by, series


def _has_same_dates(series: Series, terms: Terms) -> bool:
    """Whether terms ask for nothing but what the series has: its rule, counted from one of its dates."""
    first = first_of(series)
    if (series.rule, series.zone) != (terms.rule, terms.zone) or not first <= terms.first_at <= first + _LONGEST:
        return False
    return terms.first_at in recurrence.walls(series.rule, first, terms.first_at)


async def edit(tx: Tx, by: Actor, series: Series, terms: Terms) -> None:
    """Change what the next debates will be. Those that are made already stay as they are, with their dates.

    Another rule begins at ``first_at``; what was dropped or moved of dates that it does not have is forgotten.
    """
    by, series = await _own(tx, by, series)
    wrong = complaints(terms)
    has_same_dates = not wrong and _has_same_dates(series, terms)
    if not wrong and not has_same_dates:
        wrong = _complaint_about_date(terms, tx.now)
    if wrong:
        raise Invalid(**wrong)
    _apply(series, terms)
    if not has_same_dates:
        _put_dates(series, terms)
        series.exceptions = {date: said for date, said in series.exceptions.items() if _wall_on(series, date)}
    _touch(tx, series)
    await _log(tx, by, series, "edit-series")
    await schedule(tx, series)


async def end(tx: Tx, by: Actor, series: Series, *, reason: str = "") -> None:
    """No more debates are made. Those that are made take place, unless somebody cancels them."""
    by, series = await _own(tx, by, series)
    series.ended_at = tx.now
    _touch(tx, series)
    await _log(tx, by, series, "end-series", reason)
    await schedule(tx, series)


def _touch(tx: Tx, series: Series) -> None:
    series.sequence += 1
    series.changed_at = tx.now
    tx.signal("anything")


async def _log(tx: Tx, by: Actor, series: Series, action: str, reason: str = "") -> None:
    tx.add(LogEntry(at=tx.now, actor_id=by.id, action=action, group_id=series.theme_id, reason=reason.strip()))
    await tx.flush()


# --- Single dates ----------------------------------------------------------------------------------------------------


def _wall_on(series: Series, date: str) -> datetime | None:
    """The date of the rule with this name."""
    first = first_of(series)
    try:
        day = datetime.strptime(date, "%Y-%m-%d").date()
    except ValueError:
        return None
    wall = datetime.combine(day, first.time())
    if not first <= wall <= first + _LONGEST:
        return None
    return wall if wall in recurrence.walls(series.rule, first, wall) else None


def occurrence_of(series: Series, date: str) -> Occurrence:
    """The date with this name (YYYY-MM-DD). Raises Invalid where the rule has none."""
    wall = _wall_on(series, date)
    if wall is None:
        raise Invalid(occurrence="no-such-date")
    return recurrence.occurrence(wall, series.zone, series.exceptions)


async def _debate_on(tx: Tx, series: Series, date: str) -> Debate | None:
    query = select(Debate).where(Debate.series_id == series.id, Debate.occurrence == date)
    return (await tx.execute(query)).scalar_one_or_none()


async def drop(tx: Tx, by: Actor, series: Series, date: str, *, reason: str = "") -> None:
    """Leave a date out. A debate that is made for it already is cancelled, which takes a reason; one that is on is
    not dropped. Raises Invalid, Refused."""
    by, series, when, debate = await _date_to_change(tx, by, series, date)
    if debate is not None:
        await debates.cancel(tx, by, debate, reason=reason)
    elif when.state != "dropped":
        _except(tx, series, date, "")
        await _log(tx, by, series, "drop-date", reason)
    await schedule(tx, series)


async def move(tx: Tx, by: Actor, series: Series, date: str, opens_at: datetime, *, reason: str = "") -> None:
    """Have a date at another time this once, whether its debate is made already or not. Raises Invalid, Refused."""
    by, series, _, debate = await _date_to_change(tx, by, series, date)
    if debate is not None:
        await debates.move(tx, by, debate, opens_at, reason=reason)
    else:
        closes_at = opens_at + timedelta(minutes=series.minutes)
        if opens_at <= tx.now:
            raise Invalid(opens_at="date-is-past")
        if opens_at > tx.now + HORIZON:
            raise Invalid(opens_at="date-is-far")
        if await debates.overlapping(tx, series.theme_id, opens_at, closes_at) is not None:
            raise Invalid(opens_at="debates-overlap")
        _move(tx, series, date, opens_at)
        await _log(tx, by, series, "move-date", reason)
    await schedule(tx, series)


async def restore(tx: Tx, by: Actor, series: Series, date: str) -> None:
    """Have a date again that was dropped or moved, as the rule gives it. Raises Invalid, Refused."""
    by, series, when, debate = await _date_to_change(tx, by, series, date)
    planned_at = recurrence.moment(when.planned, series.zone)
    if debate is not None:
        await debates.move(tx, by, debate, planned_at)
    elif when.state:
        if planned_at <= tx.now:
            raise Invalid(opens_at="date-is-past")
        _except(tx, series, date, None)
        await _log(tx, by, series, "restore-date")
    await schedule(tx, series)


async def _date_to_change(
    tx: Tx, by: Actor, series: Series, date: str
) -> tuple[Actor, Series, Occurrence, Debate | None]:
    debate = await _debate_on(tx, series, date)
    if debate is not None:
        # First the debate, then the series: so does whoever moves the debate itself.
        debate = await tx.lock(Debate, debate.actor_id)
    by, series = await _own(tx, by, series)
    when = occurrence_of(series, date)
    debate = debate or await _debate_on(tx, series, date)
    reason = debates.refusal_to_change(debate, tx.now) if debate is not None else None
    if debate is None and when.at <= tx.now:
        reason = "date-is-over"
    if reason is not None:
        raise Refused(reason)
    return by, series, when, debate


def _except(tx: Tx, series: Series, date: str, said: str | None) -> None:
    """Write down what became of a date, None for what the rule says."""
    exceptions = {key: value for key, value in series.exceptions.items() if key != date}
    series.exceptions = exceptions if said is None else {**exceptions, date: said}
    _touch(tx, series)


def _move(tx: Tx, series: Series, date: str, opens_at: datetime) -> None:
    wall = _wall_on(series, date)
    is_as_planned = wall is not None and recurrence.moment(wall, series.zone) == opens_at
    _except(tx, series, date, None if is_as_planned else opens_at.isoformat())


@on(DebateChanged)
async def follow_debate(tx: Tx, event: DebateChanged) -> None:
    """A series knows what became of its debates, wherever they were moved or cancelled."""
    debate = event.debate
    if event.what not in ("moved", "cancelled") or debate.series_id is None or debate.occurrence is None:
        return
    series = await tx.lock(Series, debate.series_id)
    if event.what == "moved":
        _move(tx, series, debate.occurrence, debate.opens_at)
    else:
        _except(tx, series, debate.occurrence, "")
    await tx.flush()


# --- Making the next one ---------------------------------------------------------------------------------------------


async def next_to_make(tx: Tx, series: Series) -> Occurrence | None:
    """The next date that has no debate yet."""
    held = set((await tx.execute(select(Debate.occurrence).where(Debate.series_id == series.id))).scalars())
    ahead = dates(series, tx.now, tx.now + HORIZON)
    wanted = (each for each in ahead if each.at > tx.now and each.state != "dropped" and each.date not in held)
    return next(wanted, None)


def announced_at(series: Series, when: Occurrence) -> datetime:
    """When the debate of a date is made."""
    return _days_from(when.at, -series.announce_days, series.zone)


def _days_from(at: datetime, days: int, zone: str) -> datetime:
    """The same time of the day, some days later or earlier."""
    return recurrence.moment(recurrence.wall_clock(at, zone) + timedelta(days=days), zone)


async def schedule(tx: Tx, series: Series) -> None:
    """Have the next debate made in its time; an appointment that stood before goes."""
    await tx.flush()
    key = f"series:{series.id}"
    await tx.execute(delete(Job).where(Job.key == key).execution_options(synchronize_session=False))
    if series.ended_at is not None:
        return
    when = await next_to_make(tx, series)
    run_at = max(tx.now, announced_at(series, when)) if when is not None else tx.now + LOOK_AGAIN
    await jobs.add(tx, "make-debate", {"series": series.id}, key=key, run_at=run_at)


@jobs.works("make-debate")
async def make_debates(site: Any, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """The next debate of a series. The end of the job commits with what it made."""
    for job in claimed:
        pair = await keys.make(site.settings.secret())
        async with site.database.write() as tx:
            await jobs.finish(tx, [job])
            if await find(tx, job.argument["series"]) is not None:
                await make_next(tx, await tx.lock(Series, job.argument["series"]), pair)
    return []


async def make_next(tx: Tx, series: Series, pair: KeyPair) -> Debate | None:
    """Make the next debate if its time has come, ask its hosts, and tell staff what it needs.

    A date that cannot be had, since another debate of the theme is in its way, is dropped: staff is told, and the
    series goes on with the next one.
    """
    when = await next_to_make(tx, series) if series.ended_at is None else None
    debate = None
    if when is not None and announced_at(series, when) <= tx.now:
        by = await groups.clerk(tx)
        theme = await tx.get_one(Actor, series.theme_id)
        try:
            debate = await debates.make(
                tx, by, theme, pair, plan_of(series, when), prefix=series.prefix, series_id=series.id,
                occurrence=when.date,
            )  # fmt: skip
        except Invalid as error:
            log.info("series %s: no debate on %s: %s", series.id, when.date, error)
            _except(tx, series, when.date, "")
            await notifications.tell_staff(tx, "debate-not-made", by, group=theme, path=f"/staff/series/{series.id}")
        else:
            await _invite_hosts(tx, by, series, debate)
            path = f"/g/{debate.actor.handle}/edit"
            await notifications.tell_staff(tx, "debate-made", debate.actor, group=theme, path=path)
    await schedule(tx, series)
    return debate


async def _invite_hosts(tx: Tx, by: Actor, series: Series, debate: Debate) -> None:
    for host_id in series.host_ids:
        host = await tx.find(Actor, host_id)
        try:
            if host is not None:
                await panels.invite(tx, by, debate, host, "host")
        except (Refused, Invalid) as error:
            # Somebody who has left since is no reason to have no debate: staff looks at the hosts anyway.
            log.info("series %s: %s was not asked to host: %s", series.id, host_id, error)


def plan_of(series: Series, when: Occurrence) -> debates.Plan:
    """The debate of a date, from the template of its series."""
    language = series.languages[0] if series.languages else "en"
    closes_at = when.at + timedelta(minutes=series.minutes)
    motion = fill(series.motion, when.at, series.zone, language)
    return debates.Plan(
        motion=text.cut(motion, debates.MOTION_MAX),
        opens_at=when.at,
        minutes=series.minutes,
        zone=series.zone,
        text=fill(series.text, when.at, series.zone, language) or clerk.says(language, "series-text"),
        call_at=_days_from(when.at, -series.call_days, series.zone) if series.call_days else None,
        digest_at=_days_from(closes_at, series.digest_days, series.zone) if series.digest_days else None,
        languages=tuple(series.languages),
    )


def fill(template: str, at: datetime, zone: str, language: str) -> str:
    """A template with its {date} and {month} filled in; any other brackets are the writer's own."""
    words = {"{date}": clerk.day(at, zone, language), "{month}": clerk.month(at, zone, language)}
    return re.sub(r"\{(?:date|month)\}", lambda found: words[found[0]], template)
