"""Deciding on items, and setting up the events that they are for: every decision with its reason, none on what no
longer stands."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import select

from community import agendas, items, keys, posts, sources, topics
from community.agenda_models import Agenda, AgendaSession, Item, Source
from community.debate_models import Debate
from community.keys import KeyPair
from community.models import Account, Actor, LogEntry
from federation.site import Site
from tests.community.outcomes import begin
from tests.conftest import MakeMember, MakeTheme, SignIn, pair
from tests.web.forms import send
from tests.web.test_propose import FORUM, PAGE, words

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
NINE = datetime(2027, 7, 13, 1, 0, tzinfo=UTC)  # nine o'clock in Singapore
EVENT = {
    "name": "World Smart Cities Forum", "handle": "", "opens_on": "2027-07-13", "closes_on": "2027-07-14",
    "zone": "Asia/Singapore", "place": "Singapore", "link": "https://wscf.example/", "map_link": "", "text": "Cities.",
    "language": "en",
}  # fmt: skip


async def item_of(site: Site, number: int) -> Item:
    async with site.database.read() as tx:
        return (await tx.execute(select(Item).where(Item.number == number))).scalar_one()


async def reasons(site: Site) -> list[tuple[str, str]]:
    async with site.database.read() as tx:
        rows = await tx.execute(select(LogEntry.action, LogEntry.reason).order_by(LogEntry.id))
        return [
            (action, reason) for action, reason in rows if "agenda" in action or action.endswith(("-item", "-source"))
        ]


async def decide(client: TestClient, number: int, do: str, **fields: str) -> Any:
    """Send the form of a decision with what the page says stood when it was opened."""
    page = f"{PAGE}/{number}/curate"
    seen = re.search(r'name="seen" value="([^"]*)"', await (await client.get(page)).text())
    assert seen is not None
    return await send(client, page, do=do, **{"seen": seen[1], **fields})


async def test_an_event_is_set_up_with_its_sessions_and_closed(
    site: Site, client: TestClient, member: MakeMember, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_before = await pair(7)

    async def make(_: bytes) -> KeyPair:
        return made_before

    monkeypatch.setattr(keys, "make", make)
    editor, anna = await member("eva", site_role="editor"), await member("anna")
    await sign_in(client, anna)
    assert (await client.get("/staff/agendas")).status == 403
    assert 'href="/staff/agendas"' not in await (await client.get("/settings")).text()
    await sign_in(client, editor)
    assert 'href="/staff/agendas"' in await (await client.get("/staff/agendas")).text()
    new = "/staff/agendas/new"
    for fields, says in (
        ({"name": "  "}, "3 to 100 characters"),
        ({"opens_on": "9999-12-31"}, "five years ahead"),
        ({"opens_on": "0001-01-01"}, "has passed"),
        ({"opens_on": "2027-02-30"}, "year-month-day"),
        ({"closes_on": "2027-07-12"}, "The last day is before the first."),
        ({"closes_on": "2027-08-31"}, "31 days"),
        ({"opens_on": "2026-01-01", "closes_on": "2026-01-02"}, "has passed"),
        ({"zone": "Moon/Base"}, "Choose one of the list."),
        ({"language": "tlh"}, "Choose one of the list."),
        ({"link": "javascript:alert(1)"}, "begins with https://"),
        ({"handle": "no way"}, "2 to 20 small letters"),
        ({"handle": "anna"}, "taken"),
        ({"place": "x" * 201}, "too long"),
    ):
        wrong = await send(client, new, **(EVENT | fields))
        said = await words(wrong)
        assert (wrong.status, says in said) == (422, True), (fields, said)
        assert "Cities." in said or "text" in fields
    made = await send(client, new, **EVENT)
    assert (made.status, made.headers["Location"]) == (303, f"{PAGE}/sessions?made=1")
    taken = await send(client, new, **EVENT)
    assert (taken.status, "taken" in await words(taken)) == (422, True)

    page = f"{PAGE}/sessions"
    slot = {"name": "Morning: water", "day": "2027-07-13", "from": "09:00", "until": "12:00", "room": "Hall A"}
    for fields in (
        {"until": "08:00"}, {"from": "25:00"}, {"from": ""}, {"day": "2027-07-15"}, {"day": "9999-12-31"}, {"day": ""},
        {"name": " "}, {"room": "x" * 101}, {"until": "noon\x00"},
    ):  # fmt: skip
        wrong = await send(client, page, **(slot | fields))
        assert wrong.status == 422, fields
        assert ("name" in fields) or "Morning: water" in await wrong.text()
    assert (await send(client, page, **slot)).status == 303
    async with site.database.read() as tx:
        session = (await tx.execute(select(AgendaSession))).scalar_one()
    assert (session.opens_at, session.closes_at.hour) == (NINE, 4)
    assert 'value="09:00"' in await (await client.get(f"{page}?edit={session.id}")).text()
    await send(client, page, session=str(session.id), **(slot | {"name": "Early morning", "from": "08:30"}))
    assert "Early morning" in await words(await client.get(page))
    for strange in ("999", "9" * 40):
        assert (await send(client, page, do="drop", session=strange)).status in (303, 404, 422)
    async with site.database.write() as tx:
        agenda = await agendas.find(tx, "wscf_2027")
        assert agenda is not None
        item = await items.propose(tx, editor.actor, agenda, "Rain is a utility")
        await items.schedule(tx, editor.actor, item, items.Hour(await tx.get_one(AgendaSession, session.id)))
    kept = await send(client, page, do="drop", session=str(session.id))
    assert (kept.status, "Items are scheduled in this session" in await words(kept)) == (422, True)

    edit = f"{PAGE}/edit"
    renamed = await send(client, edit, **(EVENT | {"name": "World Smart Cities Congress"}))
    assert renamed.headers["Location"] == f"{edit}?done=1"
    long = await send(client, edit, do="turn", state="closed", reason="x" * 501)
    assert (long.status, "under 500 characters" in await words(long)) == (422, True)
    assert (await send(client, edit, do="turn", state="exploded", reason="")).status == 422
    await send(client, edit, do="turn", state="closed", reason="The board meets.")
    assert ("closed-agenda", "The board meets.") in await reasons(site)
    listed = await words(await client.get("/staff/agendas"))
    assert "World Smart Cities Congress" in listed
    assert "Closed for proposals" in listed
    assert "1 scheduled" in listed
    log = await words(await client.get("/log"))
    assert "closed the agenda for proposals: World Smart Cities Congress" in log
    assert "scheduled an item" in log
    assert "changed the sessions on the agenda of" in log
    await sign_in(client, anna)
    for address in (edit, page, f"{PAGE}/1/curate", "/staff/agendas/new"):
        assert (await client.get(address)).status == 403
        assert (await send(client, address, page="/settings", do="shortlist", **EVENT)).status == 403


@pytest.fixture
async def table(site: Site, member: MakeMember, theme: MakeTheme) -> tuple[Account, Account, list[Source]]:
    """Three items, the first with two posts behind it; an editor and a member."""
    editor, anna = await member("eva", site_role="editor"), await member("anna")
    water = await theme("water")
    async with site.database.write() as tx:
        agenda = await agendas.make(tx, editor.actor, await pair(6), FORUM)
        opener = await topics.open(tx, anna.actor, water.actor, await posts.compose(tx, "Why pipes?", title="Rain"))
        reply = await posts.reply(tx, anna.actor, opener.topic, await posts.compose(tx, "Roofs are cheaper."))
        first = await items.propose(tx, anna.actor, agenda, "Rain is a utility", "In short.", about=opener)
        behind = [await sources.cite(tx, anna.actor, first, post) for post in (opener, reply)]
        for title in ("Rain on roofs", "Night trains"):
            await items.propose(tx, anna.actor, agenda, title)
        await agendas.add_session(
            tx, editor.actor, agenda, agendas.Slot("Morning", NINE, NINE.replace(hour=4), "Hall A")
        )
    return editor, anna, behind


async def test_an_item_goes_all_its_ways(
    site: Site, client: TestClient, table: tuple[Account, Account, list[Source]], sign_in: SignIn
) -> None:
    editor, anna, _ = table
    await sign_in(client, editor)
    page = f"{PAGE}/1/curate"
    shown = await words(await client.get(page))
    assert "The log is public" in shown
    assert "Open it again" not in shown
    assert "2 contributions" in shown
    assert (await decide(client, 1, "shortlist", shortlist_reason="Much asked for.")).status == 303
    assert "It is on the shortlist already." in await words(await client.get(page))

    for fields, says in (
        ({}, "Give the hour at which it begins"),
        ({"from": "99:99"}, "hours:minutes"),
        ({"from": "08:00", "session": "1"}, "not within the session"),
        ({"session": "77"}, "Choose one of the list."),
        ({"session": "9" * 30}, "Choose one of the list."),
        ({"until": "10:00"}, "Give the hour at which it begins"),
        ({"from": "10:00", "until": "09:00"}, "ends before it begins"),
        ({"from": "10:00", "day": "2027-07-20"}, "not on the days of the event"),
        ({"from": "10:00", "room": "x" * 101}, "too long"),
        ({"from": "10:00", "schedule_reason": "x" * 501}, "under 500 characters"),
    ):
        wrong = await decide(client, 1, "schedule", **fields)
        assert (wrong.status, says in await words(wrong)) == (422, True), fields
    assert (await decide(client, 1, "schedule", session="1")).status == 303
    held = await item_of(site, 1)
    assert (held.state, held.starts_at, held.room) == ("scheduled", NINE, "Hall A")
    await decide(client, 1, "schedule", session="1", **{"from": "10:15", "until": "11:00", "room": "Hall B"})
    held = await item_of(site, 1)
    assert held.starts_at is not None
    assert (held.starts_at.hour, held.room) == (2, "Hall B")
    assert 'value="10:15"' in await (await client.get(page)).text()
    await decide(client, 1, "shortlist", shortlist_reason="")
    assert (await item_of(site, 1)).starts_at is None

    for place in ("-1", "2.5", "99999", "٣"):
        assert (await decide(client, 1, "place", place=place)).status == 422
    await decide(client, 1, "place", place="1")
    edited = await decide(client, 1, "edit", edit_title="Ra", edit_summary="Kept.")
    assert (edited.status, 'value="Ra"' in await edited.text()) == (422, True)
    await decide(client, 1, "edit", edit_title="Rain & <b>", edit_summary="Shorter.", edit_reason="Clearer.")
    assert ((await item_of(site, 1)).title, (await item_of(site, 1)).place) == ("Rain & <b>", 1)
    assert "<b>" not in re.findall(r"<h1>(.*?)</h1>", await (await client.get(page)).text())[0]

    silent = await decide(client, 3, "decline", decline_reason=" ")
    assert (silent.status, "Say why" in await words(silent)) == (422, True)
    await decide(client, 3, "decline", decline_reason="For another forum.")
    declined = await words(await client.get(f"{PAGE}/3/curate"))
    assert "It was declined: For another forum." in declined
    assert "Schedule" not in declined
    assert (await decide(client, 3, "reopen", reopen_reason="Asked again.")).status == 303
    said = await reasons(site)
    assert ("decline-item", "For another forum.") in said
    assert ("reopen-item", "Asked again.") in said
    told = await words(await client.get("/log"))
    assert "put an item on the shortlist" in told
    assert "opened an item again" in told
    assert "gave an item its place among the others" in told
    await sign_in(client, anna)
    news = await words(await client.get("/notifications"))
    assert "declined an item that you have a part in: Night trains" in news
    assert "put an item that you have a part in on the shortlist" in news
    assert "gave its hour to an item" in news


async def test_items_are_merged_and_split_and_sources_taken_out(
    site: Site, client: TestClient, table: tuple[Account, Account, list[Source]], sign_in: SignIn
) -> None:
    editor, _, behind = table
    await sign_in(client, editor)
    page = f"{PAGE}/1/curate"
    found = await (await send(client, page, do="find", q="roofs", merge_reason="Kept reason")).text()
    assert re.findall(r'name="into" value="(\d+)"', found) == ["2"]
    assert "Kept reason" in found
    async with site.database.write() as tx:
        other = await agendas.make(tx, editor.actor, await pair(5), FORUM, handle="other_2027")
        await items.propose(tx, editor.actor, other, "Of another agenda")
    for into in ("", "1", "99", "9" * 25, "x"):
        wrong = await decide(client, 1, "merge", into=into, merge_reason="Kept reason")
        assert (wrong.status, "Kept reason" in await wrong.text()) == (422, True), into
    made = await decide(client, 1, "merge", into="2", merge_reason="The same.")
    assert made.headers["Location"] == f"{PAGE}/2/curate?done=1"
    assert "It is part of another item now: 2. Rain on roofs" in await words(await client.get(page))
    async with site.database.read() as tx:
        carried = (await tx.execute(select(Source).where(Source.via_id.is_not(None)))).scalars().all()
    assert [source.post_id for source in carried] == [source.post_id for source in behind]

    none = await decide(client, 2, "split", split_title="Half of it", split_summary="Kept.")
    assert (none.status, "at least one" in await words(none), "Kept." in await none.text()) == (422, True, True)
    foreign = await decide(client, 2, "split", split_title="Half of it", sources=str(behind[0].id))
    assert foreign.status == 422, "a source of another item is none of this one"
    untitled = await decide(client, 2, "split", split_title="", sources=str(carried[1].id))
    assert re.search(rf'value="{carried[1].id}" checked', await untitled.text())
    made = await decide(
        client, 2, "split", split_title="Half of it", sources=str(carried[1].id), split_reason="Two things."
    )
    assert made.headers["Location"] == f"{PAGE}/4/curate?done=1"
    assert ("split-item", "Two things.") in await reasons(site)

    out = f"{PAGE}/2/sources/{carried[0].id}/out"
    assert "Rain" in await words(await client.get(out))
    assert (await send(client, out, reason=" ")).status == 422
    assert "x" * 501 in await (await send(client, out, reason="x" * 501)).text()
    gone = await send(client, out, reason="About another river.")
    assert gone.headers["Location"] == f"{PAGE}/2?done=taken-out"
    assert ("take-out-source", "About another river.") in await reasons(site)
    assert "took a contribution from behind an item" in await words(await client.get("/log"))
    for address in (
        out, f"{PAGE}/1/sources/{carried[1].id}/out", f"{PAGE}/2/sources/999999999999999/out",
        f"/agenda/other_2027/2/sources/{carried[1].id}/out", f"{PAGE}/999999999/curate", "/agenda/water/1/curate",
    ):  # fmt: skip
        assert (await client.get(address)).status == 404
        assert (await send(client, address, page=page, do="shortlist", reason="x")).status == 404
    assert (await client.get(f"{PAGE}/{'9' * 30}/curate")).status == 404


async def test_a_decision_on_what_no_longer_stands_is_not_made(
    site: Site, client: TestClient, table: tuple[Account, Account, list[Source]], sign_in: SignIn
) -> None:
    editor, anna, _ = table
    await sign_in(client, editor)
    page = f"{PAGE}/1/curate"
    seen = re.search(r'name="seen" value="([^"]*)"', await (await client.get(page)).text())
    assert seen is not None
    async with site.database.write() as tx:
        item = (await tx.execute(select(Item).where(Item.number == 1))).scalar_one()
        await items.decline(tx, editor.actor, item, "For another forum.")
    late = await send(client, page, do="shortlist", seen=seen[1], shortlist_reason="Much asked for.")
    said = await words(late)
    assert late.status == 422
    assert (await item_of(site, 1)).state == "declined"
    assert "Somebody else has decided on this item in the meantime" in said
    assert "declined an item: For another forum." in said
    assert "You had typed: Much asked for." in said
    blind = await send(client, page, do="reopen", seen="")
    assert (blind.status, (await item_of(site, 1)).state) == (422, "declined")
    assert (await send(client, page, do="explode", seen="")).status == 400
    forged = await client.post(page, data={"do": "reopen", "seen": ""}, headers={"Origin": "https://evil.example"})
    assert forged.status == 403
    bare = await client.post(page, data={"do": "reopen", "seen": ""})
    assert bare.status == 403
    await sign_in(client, anna)
    mine = await send(client, page, page="/settings", do="reopen", seen="")
    assert (mine.status, (await item_of(site, 1)).state) == (403, "declined")


async def test_the_host_names_what_a_conclusion_proposes(
    site: Site, client: TestClient, member: MakeMember, theme: MakeTheme, sign_in: SignIn
) -> None:
    play = await begin(site, member, theme)
    editor = await member("eva", site_role="editor")
    page = f"{play.path}/conclusion"
    await sign_in(client, play.floor.host)
    await play.after(60)
    assert "For the agenda" not in await words(await client.get(page))
    async with site.database.write() as tx:
        agenda = await agendas.make(tx, editor.actor, await pair(6), FORUM)
    shown = await words(await client.get(page))
    assert "For the agenda: one line each" in shown
    assert "World Smart Cities Forum" in shown
    motion = (await play.debate()).motion
    assert shown.count(motion) >= 2, "the motion is what the field begins with"
    for lines, says in (("One\nTwo line\nThree\nFour\nFive\nSix it is", "Five lines are enough."), ("x" * 151, "150")):
        wrong = await send(client, page, text="Both, on one street.", proposals=lines, do="send")
        typed = unescape(await wrong.text())
        assert (wrong.status, says in typed, lines in typed.replace("\r\n", "\n"), "Both, on one" in typed) == (
            422, True, True, True,
        ), lines  # fmt: skip
    seen = await send(client, page, text="Both.", proposals="Kept line", do="preview")
    assert "Kept line" in await seen.text()
    two = " Quiet streets \n\nQuiet streets\nWho pays for noise"
    assert (await send(client, page, text="Both.", proposals=two, do="send")).status == 303
    async with site.database.read() as tx:
        titles = list((await tx.execute(select(Item.title).order_by(Item.number))).scalars())
        debate = await tx.get_one(Debate, play.floor.debate.actor_id)
    assert titles == debate.proposals == ["Quiet streets", "Who pays for noise"]
    assert "For the agenda" not in await words(await client.get(page))
    await send(client, page, text="Neither.", proposals="Something else", do="send")
    async with site.database.read() as tx:
        assert (await tx.get_one(Agenda, agenda.actor_id)).last_number == 2
        assert (await tx.get_one(Debate, debate.actor_id)).proposals == ["Quiet streets", "Who pays for noise"]
        assert await tx.get(Actor, agenda.actor_id) is not None
