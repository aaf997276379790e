"""Calendars and feeds as other programs read them: parsed back and expanded by code that is not ours."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import icalendar
import pytest
from dateutil import tz
from dateutil.rrule import rruleset, rrulestr

from community import debates, series
from community.debate_models import Debate, Series
from community.models import Theme
from community.series import Terms
from tests.conftest import pair
from web import ical


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


PARIS = ZoneInfo("Europe/Paris")
TERMS = Terms(
    name="The 18th; every month, \\ here",
    motion="The debate of {month}",
    rule="FREQ=MONTHLY;BYMONTHDAY=18",
    first_at=datetime(2026, 12, 18, 14),
    zone="Europe/Paris",
    minutes=60,
)


def expand(body: bytes, until: datetime) -> dict[str, list[tuple[datetime, str, str]]]:
    """What a calendar shows, by UID: (begin in UTC, summary, status), as RFC 5545 has it and with the zones that the
    calendar itself defines."""
    parsed = icalendar.Calendar.from_ical(body)
    zones = tz.tzical(io.StringIO(body.decode()))
    found: dict[str, list[tuple[datetime, str, str]]] = {}

    def utc(value: Any) -> datetime:
        zone = value.params.get("TZID")
        wall = value.dt.replace(tzinfo=None)
        if zone is None:
            return wall.replace(tzinfo=UTC)
        return wall.replace(tzinfo=zones.get(zone)).astimezone(UTC)

    overridden: dict[str, set[datetime]] = {}
    for event in parsed.walk("VEVENT"):
        if "RECURRENCE-ID" in event:
            overridden.setdefault(str(event["UID"]), set()).add(utc(event["RECURRENCE-ID"]))
    for event in parsed.walk("VEVENT"):
        uid, said = str(event["UID"]), (str(event["SUMMARY"]), str(event["STATUS"]))
        rows = found.setdefault(uid, [])
        if "RRULE" not in event:
            rows.append((utc(event["DTSTART"]), *said))
            continue
        rule = event["RRULE"].to_ical().decode()
        zone = event["DTSTART"].params["TZID"]
        dates = rruleset()
        start = event["DTSTART"].dt.replace(tzinfo=zones.get(zone))
        dates.rrule(rrulestr(rule, dtstart=start))
        given = event.get("EXDATE", [])
        out = {
            each.dt.replace(tzinfo=None) for some in (given if isinstance(given, list) else [given])
            for each in some.dts
        } if given else set()  # fmt: skip
        for each in dates.between(start, until, inc=True):
            at = each.astimezone(UTC)
            if each.replace(tzinfo=None) not in out and at not in overridden.get(uid, set()):
                rows.append((at, *said))
    for rows in found.values():
        rows.sort()
    return found


@pytest.fixture
async def world(site: Any, member: Any, theme: Any) -> Any:
    class World:
        now = datetime(2026, 11, 1, 9, tzinfo=UTC)

        async def begin(self, terms: Terms = TERMS) -> Series:
            async with site.database.write() as tx:
                return await series.make(tx, self.staff, self.theme.actor, terms)

        async def act(self, act: Any, *arguments: Any, **options: Any) -> Any:
            async with site.database.write() as tx:
                return await act(tx, self.staff, *arguments, **options)

        async def next(self, one: Series) -> Debate | None:
            async with site.database.write() as tx:
                return await series.make_next(tx, await tx.lock(Series, one.id), await pair(6))

        async def debate(self, motion: str, opens_at: datetime, zone: str = "Europe/Paris") -> Debate:
            plan = debates.Plan(motion, opens_at, 60, zone)
            return await self.act(debates.make, self.theme.actor, await pair(7), plan)

    made = World()
    site.database.clock = lambda: made.now
    made.staff = (await member("boss", site_role="admin")).actor
    made.theme = await theme()
    return made


async def test_a_series_is_one_event_with_its_exceptions(world: Any, client: Any, site: Any) -> None:
    one = await world.begin()
    world.now = datetime(2026, 12, 1, tzinfo=UTC)
    made = await world.next(one)
    assert made is not None
    await world.act(series.drop, one, "2027-01-18")
    await world.act(series.move, one, "2027-02-18", datetime(2027, 2, 25, 17, tzinfo=UTC))
    await world.act(
        debates.edit, made, motion="Free buses, “for all”; yes\x0b", source="**Why**\n\nnot", languages=["fr"]
    )
    answer = await client.get(f"/series/{one.id}.ics")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    body = await answer.read()
    assert b"\r\n" in body
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert all(len(line) <= 75 for line in body.split(b"\r\n"))
    uid = f"series-{one.id}@{site.settings.host}"
    shown = expand(body, datetime(2027, 12, 1, tzinfo=UTC))
    assert set(shown) == {uid}
    assert [f"{at:%y-%m-%d %H}" for at, *_ in shown[uid]] == [
        "26-12-18 13", "27-02-25 17", "27-03-18 13",
        *(f"27-{month:02}-18 12" for month in range(4, 11)), "27-11-18 13",
    ]  # fmt: skip
    assert [said for _, said, _ in shown[uid]][:3] == ["Free buses, “for all”; yes", TERMS.name, TERMS.name]
    override = next(each for each in icalendar.Calendar.from_ical(body).walk("VEVENT") if "Free" in each["SUMMARY"])
    assert str(override["URL"]) == made.actor.uri
    assert "Why" in str(override["DESCRIPTION"])
    assert "décembre" in str(override["DESCRIPTION"])
    assert override["SUMMARY"].params["LANGUAGE"] == "fr"
    assert f"@debate_2026_12_18@{site.settings.host}" in str(override["LOCATION"])
    # Cancelled, it says so; programs that hold the answer are told when nothing is new.
    world.now += timedelta(minutes=1)
    await world.act(debates.cancel, made, reason="Snow")
    answer = await client.get(f"/series/{one.id}.ics")
    changed = expand(await answer.read(), datetime(2027, 3, 1, tzinfo=UTC))[uid]
    assert [status for *_, status in changed] == ["CANCELLED", "CONFIRMED"]
    again = await client.get(f"/series/{one.id}.ics", headers={"If-None-Match": answer.headers["ETag"], "Range": "x"})
    assert (again.status, await again.read()) == (304, b"")
    assert (await client.get("/series/99.ics")).status == 404


async def test_changed_and_ended_series_keep_what_took_place(world: Any, client: Any, site: Any) -> None:
    one = await world.begin()
    world.now = datetime(2026, 12, 1, tzinfo=UTC)
    made = await world.next(one)
    # The 18th of January passes without a debate: nobody was there to make it.
    world.now = datetime(2027, 2, 1, tzinfo=UTC)
    assert await world.next(one) is not None
    uid = f"series-{one.id}@{site.settings.host}"
    days = [f"{at:%m-%d}" for at, *_ in expand(await (await client.get(f"/series/{one.id}.ics")).read(),
                                               datetime(2027, 4, 1, tzinfo=UTC))[uid]]  # fmt: skip
    assert days == ["12-18", "02-18", "03-18"]
    await world.act(series.end, one)
    shown = expand(await (await client.get("/debates.ics")).read(), datetime(2028, 1, 1, tzinfo=UTC))
    assert {key: [f"{at:%m-%d}" for at, *_ in rows] for key, rows in shown.items()} == {uid: ["12-18", "02-18"]}
    fridays = replace(TERMS, name="Fridays", rule="FREQ=WEEKLY;BYDAY=FR", prefix="friday",
                      first_at=datetime(2027, 2, 5, 18))  # fmt: skip
    other = await world.begin(fridays)
    assert await world.next(other) is not None
    changed = replace(fridays, rule="FREQ=WEEKLY;BYDAY=SA", first_at=datetime(2027, 3, 6, 18))
    await world.act(series.edit, other, changed)
    shown = expand(await (await client.get(f"/series/{other.id}.ics")).read(), datetime(2027, 3, 20, tzinfo=UTC))
    assert {key: [f"{at:%m-%d}" for at, *_ in rows] for key, rows in shown.items()} == {
        f"friday_2027_02_05@{site.settings.host}": ["02-05"],
        f"series-{other.id}@{site.settings.host}": ["03-06", "03-13"],
    }
    assert made is not None


async def test_every_debate_is_in_its_calendars_once(world: Any, client: Any, site: Any, theme: Any) -> None:
    empty = await (await client.get("/debates.ics")).read()
    assert expand(empty, datetime(2030, 1, 1, tzinfo=UTC)) == {}
    one = await world.begin()
    world.now = datetime(2026, 12, 1, tzinfo=UTC)
    await world.next(one)
    alone = await world.debate("Trams in UTC", datetime(2027, 1, 7, 9, tzinfo=UTC), "UTC")
    mobility: Theme = world.theme
    world.theme = await theme("water")
    await world.debate("Rivers", datetime(2027, 1, 8, 9, tzinfo=UTC))
    host = site.settings.host
    ours = {f"series-{one.id}@{host}", f"{alone.actor.handle}@{host}"}
    until = datetime(2027, 2, 1, tzinfo=UTC)
    every = expand(await (await client.get("/debates.ics")).read(), until)
    assert set(every) == ours | {f"debate_2027_01_08@{host}"}
    assert sum(len(rows) for rows in every.values()) == 4
    assert set(expand(await (await client.get(f"/g/{mobility.slug}/debates.ics")).read(), until)) == ours
    single = await (await client.get(f"/g/{alone.actor.handle}/debate.ics")).read()
    assert expand(single, until) == {f"{alone.actor.handle}@{host}": [(alone.opens_at, "Trams in UTC", "CONFIRMED")]}
    for path in ("/g/nothing/debates.ics", "/g/mobility/debate.ics", "/g/nothing/debate.ics"):
        assert (await client.get(path)).status == 404
    page = await (await client.get("/debates/calendars")).text()
    for path in (
        "/debates.ics",
        "/debates.rss",
        f"/series/{one.id}.ics",
        "/g/mobility/debates.ics",
        "/g/water/debates.ics",
    ):
        assert f"{site.settings.origin}{path}" in page
        assert path.endswith("rss") or f"webcal://{host}{path}" in page


@pytest.mark.parametrize(
    "name",
    ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata", "Europe/Dublin"],
)
def test_zones_are_written_down_as_they_are(name: str) -> None:
    calendar = icalendar.Calendar()
    calendar.add_component(ical.timezone_of(name, 2026, 2031))
    zone = tz.tzical(io.StringIO(calendar.to_ical().decode())).get(name)
    place, at = ZoneInfo(name), datetime(2026, 1, 1, tzinfo=UTC)
    while at < datetime(2032, 1, 1, tzinfo=UTC):
        there = at.astimezone(place)
        # What clocks show twice is left to the library that reads it; the hours around it are looked at.
        if there.replace(fold=1).utcoffset() == there.replace(fold=0).utcoffset():
            assert there.replace(tzinfo=zone).utcoffset() == there.utcoffset(), at
        at += timedelta(minutes=90)


async def test_milestones_as_rss(world: Any, client: Any, site: Any) -> None:
    debate = await world.debate("Trams & <buses> \x0b]]>", datetime(2026, 12, 18, 13, tzinfo=UTC))
    async with site.database.write() as tx:
        held = await tx.lock(Debate, debate.actor_id)
        world.now = tx.now = debate.opens_at
        await debates.advance(tx, held)
        world.now = tx.now = debate.closes_at
        await debates.advance(tx, held)
        await debates.conclude(tx, world.staff, held, "Both, says <b>the host</b>.")
    answer = await client.get("/debates.rss")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/rss+xml; charset=utf-8")
    channel = ElementTree.fromstring(await answer.read()).find("channel")
    assert channel is not None
    items = channel.findall("item")
    assert [item.findtext("title") for item in items] == [
        f"{what}: Trams & <buses> ]]>" for what in ("Concluded", "The result", "Live", "Announced")
    ]
    assert items[-1].findtext("link") == debate.actor.uri
    assert all((item.findtext("link") or "").startswith(site.settings.origin) for item in items)
    assert len({item.findtext("guid") for item in items}) == 4
    assert "Both, says &lt;b&gt;the host" in (items[0].findtext("description") or "")
    assert (items[0].findtext("pubDate") or "").endswith("GMT")
