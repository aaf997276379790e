"""Series of debates: each date gets its debate once, in its time, whatever happened meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from community import debates, jobs, series
from community.debate_models import Debate, Seat, Series
from community.members import Invalid
from community.models import Account, Job, LogEntry, Notification, Post, Theme
from community.policy import Refused
from community.series import Terms
from federation.site import Site
from tests.conftest import MakeMember, MakeTheme, pair

RULE = "FREQ=MONTHLY;BYMONTHDAY=18"
TERMS = Terms(
    name="The 18th",
    motion="The debate of {month}",
    text="On {date} we {argue}.",
    rule=RULE,
    first_at=datetime(2026, 12, 18, 14),
    zone="Europe/Paris",
    minutes=60,
)
sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


class World:
    """An instance whose clock stands still until it is moved, with staff, a theme and a series."""

    def __init__(self, site: Site, staff: Account, theme: Theme) -> None:
        self.site, self.staff, self.theme = site, staff, theme
        self.now = datetime(2026, 11, 1, 9, tzinfo=UTC)
        site.database.clock = lambda: self.now

    async def begin(self, terms: Terms = TERMS) -> Series:
        async with self.site.database.write() as tx:
            return await series.make(tx, self.staff.actor, self.theme.actor, terms)

    async def change(self, act: Any, *arguments: Any, **options: Any) -> Any:
        async with self.site.database.write() as tx:
            return await act(tx, self.staff.actor, *arguments, **options)

    async def at(self, *when: int) -> None:
        """Let it be this moment (UTC) and do what is due of the series, as a worker does."""
        self.now = datetime(*when, tzinfo=UTC)
        for _ in range(40):
            async with self.site.database.write() as tx:
                due = [job for job in await jobs.claim(tx, 50) if job.kind == "make-debate"]
            if not due:
                return
            await series.make_debates(self.site, due)
        raise AssertionError("the job of the series never rests")

    async def debates(self) -> list[Debate]:
        async with self.site.database.read() as tx:
            return list((await tx.execute(select(Debate).order_by(Debate.opens_at))).scalars())

    async def handles(self) -> list[str]:
        return [debate.actor.handle for debate in await self.debates()]

    async def rows(self, what: Any) -> list[Any]:
        async with self.site.database.read() as tx:
            return list((await tx.execute(select(what))).scalars())

    async def held(self) -> Series:
        return (await self.rows(Series))[0]


@pytest.fixture
async def world(site: Site, member: MakeMember, theme: MakeTheme) -> World:
    return World(site, await member("boss", site_role="admin"), await theme())


@sqlite
async def test_the_next_debate_makes_itself(world: World, member: MakeMember) -> None:
    host = await member("hana")
    begun = await world.begin(replace(TERMS, host_ids=(host.actor_id, 999_999)))
    assert (begun.first_at, begun.rule) == ("2026-12-18T14:00", RULE)
    await world.at(2026, 11, 27, 12, 59)
    assert await world.debates() == []
    await world.at(2026, 11, 27, 13)  # three weeks before, at the same time of the day
    (debate,) = await world.debates()
    assert (debate.actor.handle, debate.motion) == ("debate_2026_12_18", "The debate of December 2026")
    assert debate.text_source == "On 18 December 2026 we {argue}."
    assert debate.opens_at == datetime(2026, 12, 18, 13, tzinfo=UTC)
    assert debate.closes_at - debate.opens_at == timedelta(hours=1)
    assert debate.call_at == datetime(2026, 12, 4, 13, tzinfo=UTC)
    assert debate.digest_at == datetime(2026, 12, 20, 14, tzinfo=UTC)
    assert (debate.series_id, debate.occurrence, debate.state) == (begun.id, "2026-12-18", "announced")
    assert [(seat.actor_id, seat.role, seat.state) for seat in await world.rows(Seat)] == [
        (host.actor_id, "host", "invited")
    ]
    told = [note for note in await world.rows(Notification) if note.kind == "debate-made"]
    assert [(note.account_id, note.path) for note in told] == [(world.staff.actor_id, "/g/debate_2026_12_18/edit")]
    # The next three, of which one lies beyond the beginning of summer time.
    await world.at(2027, 4, 1)
    assert [f"{each.opens_at:%m-%d %H}" for each in await world.debates()] == ["12-18 13", "04-18 12"]
    await world.at(2027, 5, 1)
    call = (await world.debates())[2].call_at
    assert call == datetime(2027, 5, 4, 12, tzinfo=UTC)


@sqlite
async def test_days_of_downtime_make_no_debate_of_the_past(world: World) -> None:
    await world.begin(replace(TERMS, rule="FREQ=WEEKLY;BYDAY=FR", announce_days=10, call_days=7))
    await world.at(2027, 1, 13, 13, 30)
    # What is due comes at once, however many; what has passed does not, and the call that was due goes out late.
    assert await world.handles() == ["debate_2027_01_15", "debate_2027_01_22"]
    first = (await world.debates())[0]
    assert first.call_at is not None
    assert first.call_at < world.now
    async with world.site.database.write() as tx:
        debate = await tx.lock(Debate, first.actor_id)
        await debates.advance(tx, debate)
        assert debate.state == "call"
    await world.at(2027, 1, 15, 13, 0)  # its hour has begun: nothing more is made for it
    assert await world.handles() == ["debate_2027_01_15", "debate_2027_01_22"]
    assert len([job for job in await world.rows(Job) if job.kind == "make-debate"]) == 1


async def test_two_workers_at_once_make_one_debate(world: World) -> None:
    """Also when the lease of the first has ended while it is still at work."""
    begun = await world.begin()
    world.now = datetime(2026, 12, 1, tzinfo=UTC)
    again = [jobs.Claimed(number, "make-debate", "", None, {"series": begun.id}, 1) for number in (10**6, 10**6 + 1)]
    await asyncio.gather(*(series.make_debates(world.site, [job]) for job in again))
    assert await world.handles() == ["debate_2026_12_18"]
    (job,) = [job for job in await world.rows(Job) if job.kind == "make-debate"]
    assert job.run_at == datetime(2026, 12, 28, 13, tzinfo=UTC)


@sqlite
async def test_dates_are_dropped_moved_and_had_again(world: World) -> None:
    begun = await world.begin()
    later = datetime(2027, 2, 25, 17, tzinfo=UTC)
    await world.change(series.drop, begun, "2027-01-18", reason="Holidays")
    await world.change(series.move, begun, "2027-02-18", later, reason="Snow")
    held = await world.held()
    assert held.exceptions == {"2027-01-18": "", "2027-02-18": later.isoformat()}
    assert held.sequence == 2
    assert {(entry.action, entry.reason) for entry in await world.rows(LogEntry)} >= {
        ("drop-date", "Holidays"),
        ("move-date", "Snow"),
    }
    await world.at(2027, 2, 2)
    assert await world.handles() == []  # the first has passed, the moved one is not due before the 4th
    await world.at(2027, 2, 4, 18)
    (debate,) = await world.debates()
    assert (debate.opens_at, debate.occurrence) == (later, "2027-02-18")
    # It is made: whoever moves it on its own page moves the date of the series.
    again = later + timedelta(hours=1)
    async with world.site.database.write() as tx:
        await debates.move(tx, world.staff.actor, debate, again)
    assert (await world.held()).exceptions["2027-02-18"] == again.isoformat()
    await world.change(series.restore, begun, "2027-02-18")
    assert "2027-02-18" not in (await world.held()).exceptions
    assert (await world.debates())[0].opens_at == datetime(2027, 2, 18, 13, tzinfo=UTC)
    await world.change(series.move, begun, "2027-02-18", later)
    with pytest.raises(Invalid, match="reason-missing"):
        await world.change(series.drop, begun, "2027-02-18")
    await world.change(series.drop, begun, "2027-02-18", reason="Nobody can come")
    (debate,) = await world.debates()
    assert (debate.state, debate.reason) == ("cancelled", "Nobody can come")
    assert (await world.held()).exceptions["2027-02-18"] == ""
    with pytest.raises(Refused, match="debate-is-cancelled"):
        await world.change(series.restore, begun, "2027-02-18")
    await world.change(series.drop, begun, "2027-03-18")
    await world.change(series.restore, begun, "2027-03-18")
    await world.at(2027, 3, 1)
    assert await world.handles() == ["debate_2027_02_25", "debate_2027_03_18"]


@sqlite
async def test_what_cannot_be_done_with_a_date(world: World) -> None:
    begun = await world.begin()
    for date in ("2026-12-19", "2026-11-18", "18 December", "", "2026-12-18T14:00", "9999-12-18"):
        with pytest.raises(Invalid, match="no-such-date"):
            await world.change(series.drop, begun, date)
    await world.at(2026, 12, 1)
    (debate,) = await world.debates()
    soon = debate.opens_at + timedelta(days=1)
    for when, reason in ((world.now, "date-is-past"), (world.now + timedelta(days=9999), "date-is-far"),
                         (debate.opens_at + timedelta(minutes=30), "debates-overlap")):  # fmt: skip
        with pytest.raises(Invalid, match=reason):
            await world.change(series.move, begun, "2027-01-18", when)
    world.now = debate.opens_at + timedelta(minutes=5)
    for act, arguments in ((series.move, (soon,)), (series.drop, ()), (series.restore, ())):
        with pytest.raises(Refused, match="debate-is-live"):  # by the clock: no job has said so yet
            await world.change(act, begun, "2026-12-18", *arguments)
    world.now = debate.closes_at
    with pytest.raises(Refused, match="debate-is-over"):
        await world.change(series.move, begun, "2026-12-18", soon)
    world.now = datetime(2027, 1, 18, 13, tzinfo=UTC)
    with pytest.raises(Refused, match="date-is-over"):
        await world.change(series.drop, begun, "2027-01-18")
    await world.change(series.end, begun, reason="Enough")
    for act in (series.drop, series.restore, series.end):
        with pytest.raises(Refused, match="series-is-over"):
            await world.change(act, begun, *(() if act is series.end else ("2027-02-18",)))


@sqlite
async def test_another_debate_in_the_way_costs_one_date_only(world: World) -> None:
    await world.begin()
    plan = debates.Plan("Another one", datetime(2026, 12, 18, 13, 30, tzinfo=UTC), 60, "Europe/Paris")
    async with world.site.database.write() as tx:
        await debates.make(tx, world.staff.actor, world.theme.actor, await pair(5), plan)
    await world.at(2026, 12, 1)
    assert await world.handles() == ["debate_2026_12_18"]
    assert (await world.held()).exceptions == {"2026-12-18": ""}
    told = [note for note in await world.rows(Notification) if note.kind == "debate-not-made"]
    assert [note.path for note in told] == ["/staff/series/1"]
    await world.at(2027, 1, 1)
    assert await world.handles() == ["debate_2026_12_18", "debate_2027_01_18"]


@sqlite
async def test_a_series_is_changed_and_ended(world: World) -> None:
    begun = await world.begin()
    await world.at(2026, 12, 1)
    await world.change(series.drop, begun, "2027-01-18")
    await world.change(series.edit, begun, replace(TERMS, motion="Something else", minutes=90))
    held = await world.held()
    assert (held.first_at, held.exceptions) == ("2026-12-18T14:00", {"2027-01-18": ""})
    # From one of its own dates on nothing changes; another rule begins anew, what is made stays.
    await world.change(series.edit, begun, replace(TERMS, first_at=datetime(2027, 2, 18, 14)))
    assert (await world.held()).first_at == "2026-12-18T14:00"
    friday = replace(TERMS, rule="FREQ=MONTHLY;BYDAY=3FR", first_at=datetime(2027, 1, 1, 18))
    await world.change(series.edit, begun, friday)
    held = await world.held()
    assert (held.first_at, held.exceptions) == ("2027-01-15T18:00", {})
    await world.at(2027, 1, 2)
    assert await world.handles() == ["debate_2026_12_18", "debate_2027_01_15"]
    await world.change(series.end, begun)
    await world.at(2027, 6, 1)
    assert len(await world.handles()) == 2
    assert [job for job in await world.rows(Job) if job.kind == "make-debate"] == []


@sqlite
async def test_what_makes_no_series(world: World, member: MakeMember) -> None:
    wrong: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({"name": " "}, {"name": "series-name-length"}),
        ({"motion": "No", "minutes": 5}, {"motion": "motion-length", "minutes": "minutes-unknown"}),
        ({"rule": "FREQ=SECONDLY"}, {"repeats": "rule-unknown"}),
        ({"zone": "Europe/Nowhere"}, {"zone": "timezone-unknown"}),
        ({"prefix": "de-bate"}, {"prefix": "prefix-form"}),
        ({"prefix": "debatesss"}, {"prefix": "prefix-form"}),
        ({"first_at": datetime(2025, 12, 18, 14)}, {"date": "date-is-past"}),
        ({"first_at": datetime(9998, 12, 18, 14)}, {"date": "date-is-far"}),
        ({"first_at": datetime(1, 1, 18, 14)}, {"date": "date-is-far"}),
        ({"announce_days": 7}, {"call_days": "call-before-announcement"}),
        ({"announce_days": 0}, {"announce_days": "announce-days"}),
        ({"digest_days": 31}, {"digest_days": "digest-days"}),
        ({"languages": ()}, {"language": "language-missing"}),
    ]
    for changed, reasons in wrong:
        with pytest.raises(Invalid) as refused:
            await world.begin(replace(TERMS, **changed))
        assert refused.value.fields == reasons, changed
    world.staff = await member("anna")
    with pytest.raises(Refused, match="editors-only"):
        await world.begin()
    assert await world.rows(Series) == []


def test_words_are_filled_in_and_nothing_else() -> None:
    at = datetime(2026, 12, 18, 13, tzinfo=UTC)
    assert series.fill("{month}: {0} {date.__class__} {date}", at, "Europe/Paris", "fr") == (
        "décembre 2026: {0} {date.__class__} 18 décembre 2026"
    )


@sqlite
async def test_a_long_template_still_makes_a_debate(world: World) -> None:
    await world.begin(replace(TERMS, motion="x" * 190 + " {date}", text=""))
    await world.at(2026, 12, 1)
    (debate,) = await world.debates()
    assert len(debate.motion) <= debates.MOTION_MAX
    assert debate.text_source.startswith("The motion and the panel")
    assert len([post for post in await world.rows(Post) if post.part == "motion"]) == 1
