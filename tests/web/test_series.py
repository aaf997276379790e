"""The pages of series: what everybody reads, and the forms of those who arrange."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

import pytest

from community import debates, recurrence, series
from community.debate_models import Debate, Series
from tests.conftest import pair
from tests.web.forms import send

FORM = {
    "theme": "mobility", "name": "The 18th", "motion": "The debate of {month}", "text": "On {date}.", "language": "en",
    "date": "2026-12-18", "time": "14:00", "minutes": "60", "repeats": "day", "every": "1", "zone": "Europe/Paris",
    "announce_days": "21", "call_days": "14", "digest_days": "2", "prefix": "debate", "hosts": "",
}  # fmt: skip


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
def clock(site: Any) -> list[datetime]:
    """The one moment at which everything happens; tests put another into its place."""
    now = [datetime(2026, 11, 1, 9, tzinfo=UTC)]
    site.database.clock = lambda: now[0]
    return now


async def read(client: Any, path: str) -> str:
    answer = await client.get(path)
    assert answer.status == 200, (path, answer.status)
    return html.unescape(await answer.text())


async def test_a_series_from_its_form_to_its_debates(
    site: Any, client: Any, member: Any, theme: Any, sign_in: Any, clock: list[datetime]
) -> None:
    await theme("mobility")
    hana = await member("hana")
    await sign_in(client, await member("edda", site_role="editor"))
    assert "There is no series yet" in await read(client, "/staff/series")
    answer = await send(client, "/staff/series/new", **{**FORM, "hosts": "@hana"})
    assert (answer.status, answer.headers["Location"]) == (303, "/series/1"), await answer.text()
    page = await read(client, "/series/1")
    assert "Takes place every month on the 18th, 14:00 (Europe/Paris), 1 hour." in " ".join(page.split())
    assert "Friday 18 December 2026, 14:00 (Europe/Paris)" in page
    assert "In shorter months" not in page
    assert "/staff/series/1/dates" in page
    assert "The 18th" in await read(client, "/staff/series")
    page = await read(client, "/staff/series/1")
    assert 'value="2026-12-18"' in page
    assert f"@hana@{site.settings.host}" in page
    # What cannot be used comes back as it was typed, with every complaint at its field.
    wrong = {**FORM, "motion": "No", "date": "2026-02-30", "zone": "Nowhere", "minutes": "soon", "text": "Kept <b>"}
    for path in ("/staff/series/new", "/staff/series/1"):
        answer = await send(client, path, **wrong)
        text = html.unescape(await answer.text())
        assert answer.status == 422
        assert "Kept <b>" in text
        for field in ("motion", "date", "zone", "minutes"):
            assert f'id="{field}-wrong"' in text, field
    refused = [
        ({"hosts": "@nobody"}, "hosts"), ({"theme": "water"}, "theme"), ({"repeats": "x"}, "repeats"),
        ({"every": "99"}, "repeats"), ({"date": "2025-12-18"}, "date"), ({"prefix": "Ä"}, "prefix"),
        ({"announce_days": "3"}, "call_days"), ({"language": "xx"}, "language"),
    ]  # fmt: skip
    for changed, field in refused:
        answer = await send(client, "/staff/series/new", **{**FORM, **changed})
        assert (answer.status, f'id="{field}-wrong"' in await answer.text()) == (422, True), changed
    # Words of other rules, and a change of this one.
    changed = {**FORM, "repeats": "weekday", "every": "2", "hosts": "@hana"}
    assert (await send(client, "/staff/series/1", **changed)).status == 303
    page = " ".join((await read(client, "/series/1")).split())
    assert "every 2 months on the third Friday" in page
    assert (await send(client, "/staff/series/1", **{**FORM, "date": "2026-12-31", "hosts": "@hana"})).status == 303
    assert "In shorter months it is on their last day." in await read(client, "/series/1")
    assert (await send(client, "/staff/series/1", **{**FORM, "date": "2027-02-28", "name": "The last"})).status == 303
    held = await held_series(site)
    assert (held.name, held.first_at, recurrence.read(held.rule).day) == ("The last", "2026-12-31T14:00", 31)
    assert (await send(client, "/staff/series/1", **{**FORM, "hosts": "hana"})).status == 303
    # It makes its debate; the page leads to it, and to it once it is over.
    clock[0] = datetime(2026, 12, 1, tzinfo=UTC)
    async with site.database.write() as tx:
        made = await series.make_next(tx, await tx.lock(Series, 1), await pair(5))
    assert made is not None
    assert (await debates_held(site))[0].motion == "The debate of December 2026"
    assert '<a href="/g/debate_2026_12_18">The debate of December 2026</a>' in await read(client, "/series/1")
    assert hana.actor_id in (await held_series(site)).host_ids
    clock[0] = datetime(2026, 12, 19, tzinfo=UTC)
    async with site.database.write() as tx:
        await debates.advance(tx, await tx.lock(Debate, made.actor_id))
    assert "Past debates" in await read(client, "/series/1")
    assert (await send(client, "/staff/series/1/end", page="/staff/series/1", reason="Done")).status == 303
    assert "This series has ended." in await read(client, "/series/1")
    assert "Begin the series" not in await read(client, "/staff/series/1")
    log = await read(client, "/log")
    assert "began a series of debates" in log
    assert "ended a series of debates" in log


async def debates_held(site: Any) -> list[Debate]:
    async with site.database.read() as tx:
        return [*await debates.ahead(tx), *await debates.over(tx)]


async def held_series(site: Any) -> Series:
    async with site.database.read() as tx:
        found = await series.find(tx, 1)
        assert found is not None
        return found


async def test_single_dates_are_changed(
    site: Any, client: Any, member: Any, theme: Any, sign_in: Any, clock: list[datetime]
) -> None:
    await theme("mobility")
    await sign_in(client, await member("boss", site_role="admin"))
    assert (await send(client, "/staff/series/new", **FORM)).status == 303
    clock[0] = datetime(2026, 12, 1, tzinfo=UTC)
    async with site.database.write() as tx:
        made = await series.make_next(tx, await tx.lock(Series, 1), await pair(5))
    assert made is not None
    path = "/staff/series/1/dates"

    async def change(action: str, occurrence: str, **fields: str) -> tuple[int, str]:
        answer = await send(client, path, action=action, occurrence=occurrence, **fields)
        return answer.status, html.unescape(await answer.text())

    assert (await change("drop", "2027-01-18"))[0] == 303
    assert (await change("move", "2027-02-18", date="2027-02-25", time="18:00", reason="Snow"))[0] == 303
    assert (await held_series(site)).exceptions == {"2027-01-18": "", "2027-02-18": "2027-02-25T17:00:00+00:00"}
    page = await read(client, "/series/1")
    assert "Left out" in page
    assert "Thursday 25 February 2027, 18:00 (Europe/Paris)" in page
    assert (await change("restore", "2027-01-18"))[0] == 303
    assert "Left out" not in await read(client, "/series/1")
    # Of one that is made: its own page and the series' say the same.
    assert (await change("move", "2026-12-18", date="2026-12-20", time="15:00"))[0] == 303
    assert (await debates_held(site))[0].opens_at == datetime(2026, 12, 20, 14, tzinfo=UTC)
    assert (await change("restore", "2026-12-18"))[0] == 303
    assert (await debates_held(site))[0].opens_at == datetime(2026, 12, 18, 13, tzinfo=UTC)
    for action, occurrence, fields, reason in (
        ("move", "2027-03-18", {"date": "2026-12-18", "time": "14:30"}, "Another debate of this theme"),
        ("move", "2027-03-18", {"date": "2026-10-18", "time": "14:30"}, "This date has passed."),
        ("move", "2027-03-18", {"date": "tomorrow", "time": "14:30"}, "Give the date as"),
        ("drop", "2027-03-19", {}, "has no such date"),
        ("drop", "2026-12-18", {"reason": " "}, "Say why"),
    ):
        status, text = await change(action, occurrence, **fields)
        assert (status, reason in text) == (422, True), (action, fields, reason)
        if fields.get("time"):
            assert f'value="{fields["time"]}"' in text, "what was typed is lost"
    clock[0] = datetime(2026, 12, 18, 13, 30, tzinfo=UTC)
    status, text = await change("move", "2026-12-18", date="2026-12-19", time="14:00")
    assert (status, "This debate is on at this moment" in text) == (422, True)
    assert (await change("burn", "2027-03-18"))[0] == 400


@pytest.mark.parametrize("role", ["nobody", "member", "editor"])
async def test_who_may_see_what(
    client: Any, member: Any, theme: Any, sign_in: Any, site: Any, clock: list[datetime], role: str
) -> None:
    mobility = await theme("mobility")
    boss = await member("boss", site_role="admin")
    terms = series.Terms(
        "The 18th", "Motion", "FREQ=MONTHLY;BYMONTHDAY=18", datetime(2026, 12, 18, 14), "UTC", 60, languages=("fr",)
    )
    async with site.database.write() as tx:
        await series.make(tx, boss.actor, mobility.actor, terms)
    if role != "nobody":
        await sign_in(client, await member("ines", site_role="editor" if role == "editor" else "member"))
    page = await read(client, "/series/1")
    assert ("/staff/series/1" in page) == (role == "editor")
    expected = {"nobody": 303, "member": 403, "editor": 200}[role]
    for path in ("/staff/series", "/staff/series/new", "/staff/series/1", "/staff/series/1/dates"):
        assert (await client.get(path, allow_redirects=False)).status == expected, path
        if role == "member" and path != "/staff/series":
            answer = await send(client, path, page="/settings", action="drop", occurrence="2026-12-18")
            assert answer.status == 403, path
    for path in ("/series/2", "/series/x", "/series/" + "9" * 15):
        assert (await client.get(path)).status == 404
