"""A debate from its announcement to its conclusion: on a microblog, in calendars, and with a panellist elsewhere.

Time is moved for everybody at once by a file. What staff does is done in the database, beside the running process.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio
from sqlalchemy import func, select

from community import debates, members, panels
from community.db import Tx
from community.debate_models import Debate
from community.debates import Plan
from community.models import Actor, Host, Post
from community.settings import Settings
from federation import site as sites
from federation.client import Budget
from federation.dereference import fetch_actor, store_actor
from federation.site import Site
from tests.conftest import SECRET, pair
from tests.ports import free_port

from .members import Member, Record, announces, install, sends
from .server import Document, Folkmoot
from .test_polls import tally

HOUR = 3600


@dataclass
class Stage:
    """``microblog`` (mia and max) runs Mastodon, as it says, ``calendar`` (carl) Mobilizon and ``forum`` (fred) PieFed;
    mia, carl and fred follow the theme."""

    folkmoot: Folkmoot
    microblog: Member
    calendar: Member
    forum: Member
    site: Site
    theme: str
    clock: Path

    def go_to(self, seconds: float) -> None:
        self.clock.write_text(str(seconds))

    # --- What staff does

    async def _both(self, tx: Tx, debate: str) -> tuple[Actor, Debate]:
        clara, group = await members.find(tx, "clara"), await tx.by_uri(Actor, debate)
        assert clara is not None
        assert group is not None
        return clara, await tx.get_one(Debate, group.id)

    async def make(self, motion: str, hours: float, number: int) -> str:
        """A debate that begins in ``hours``, with a call a day before."""
        async with self.site.database.write() as tx:
            clara, theme = await members.find(tx, "clara"), await tx.by_uri(Actor, self.theme)
            assert clara is not None
            assert theme is not None
            opens_at = tx.now + timedelta(hours=hours)
            plan = Plan(motion, opens_at, 60, "Europe/Paris", call_at=opens_at - timedelta(days=1))
            return (await debates.make(tx, clara, theme, await pair(number), plan)).actor.uri

    async def invite(self, debate: str, person: str) -> str:
        """Ask somebody to the panel; answers the id of the Note."""
        seen = await fetch_actor(self.site, person, Budget(fetches=5, seconds=10))
        async with self.site.database.write() as tx:
            clara, held = await self._both(tx, debate)
            return (await panels.invite(tx, clara, held, await store_actor(tx, seen), "panel")).uri

    async def card(self, debate: str, source: str) -> str:
        async with self.site.database.write() as tx:
            _, held = await self._both(tx, debate)
            return (await debates.say(tx, held, "card", source)).uri

    async def conclude(self, debate: str, source: str) -> None:
        async with self.site.database.write() as tx:
            await debates.conclude(tx, *await self._both(tx, debate), source)

    async def move(self, debate: str, hours: float) -> None:
        async with self.site.database.write() as tx:
            clara, held = await self._both(tx, debate)
            await debates.move(tx, clara, held, held.opens_at + timedelta(hours=hours), reason="A strike.")

    async def cancel(self, debate: str) -> None:
        async with self.site.database.write() as tx:
            await debates.cancel(tx, *await self._both(tx, debate), reason="No hall.")

    # --- What came of it

    async def floor(self, debate: str) -> list[tuple[str, str, str]]:
        """Id, part and position of all posts, the opener first."""
        async with self.site.database.read() as tx:
            _, held = await self._both(tx, debate)
            query = select(Post.uri, Post.part, Post.position).where(Post.topic_id == held.topic_id)
            return [(uri, part, position) for uri, part, position in await tx.execute(query.order_by(Post.number))]

    async def part(self, debate: str, part: str, position: str = "") -> str:
        """The id of what the clerk wrote, as soon as it is there."""
        for _ in range(300):
            for uri, its_part, its_position in await self.floor(debate):
                if its_part == part and position in ("", its_position):
                    return uri
            await asyncio.sleep(0.05)
        raise AssertionError(f"the clerk never wrote {part} {position}\n{self.folkmoot.output()}")

    async def boosted(self, uri: str, *by: str) -> None:
        """Wait until the microblog has the boosts of ``uri`` by exactly these, each once, and can read what it is: a
        Note or Question by the clerk."""
        for actor in by:
            await self.microblog.expect(f"the boost by {actor}", boost(uri, actor), contains=uri)
        looked = await self.microblog.lookup("mia", uri)
        assert looked["parsedAs"] in ("Note", "Question"), looked
        assert looked["json"]["attributedTo"] == self.folkmoot.person("clerk")
        assert await self.boosts_of(uri) == sorted(by)

    async def boosts_of(self, uri: str) -> list[str]:
        records = await self.microblog.received(kind="Announce", contains=uri)
        return sorted(each["activity"]["actor"] for each in records if each["activity"]["object"] == uri)


def boost(uri: str, actor: str) -> Callable[[Record], bool]:
    return lambda record: announces(uri, wrapped=None)(record) and record["activity"]["actor"] == actor


def is_event(record: Record) -> bool:
    inner = record["activity"]["object"]
    return isinstance(inner, dict) and isinstance(inner.get("object"), dict) and inner["object"]["type"] == "Event"


@pytest_asyncio.fixture(scope="module")
async def stage(tmp_path_factory: Any) -> AsyncIterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("debates")
    clock = folder / "clock"
    clock.write_text("0")
    (folder / "data").mkdir()
    (folder / "data" / "secret").write_text(SECRET.hex())
    await asyncio.to_thread(install)
    cast = {"microblog": ("mia,max", "mastodon"), "calendar": ("carl", "mobilizon"), "forum": ("fred", "piefed")}
    others = {
        name: Member(name, actors, folder, port=free_port(), software=software, clock=clock)
        for name, (actors, software) in cast.items()
    }
    peers = [member.host for member in others.values()]
    folkmoot = Folkmoot(folder, peers, clock=clock)
    settings = Settings(
        origin=folkmoot.origin, bind=folkmoot.host, data=str(folder / "data"), insecure_peers=(*peers, folkmoot.host),
        database_url=os.environ.get("FOLKMOOT_DATABASE_URL", ""),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(each) for each in [*others.values(), folkmoot]))
        await folkmoot.add_member("clara", "a long walk by the river", admin=True)
        theme = await folkmoot.add_theme("harbour", "Harbour")
        for member, name in ((others["microblog"], "mia"), (others["calendar"], "carl"), (others["forum"], "fred")):
            member.examine = folkmoot.examine
            await member.follow(name, theme)
            await member.expect_accepted(name, theme)
        site = sites.make(settings)
        site.database.clock = lambda: datetime.now(UTC) + timedelta(seconds=float(clock.read_text() or 0))
        stack.push_async_callback(site.close)
        known = select(func.count()).select_from(Host).where(Host.software.is_not(None))
        for _ in range(200):
            async with site.database.read() as tx:
                if await tx.scalar(known) == len(cast):
                    break
            await asyncio.sleep(0.05)
        yield Stage(folkmoot, **others, site=site, theme=theme, clock=clock)


async def test_a_debate_from_the_announcement_to_the_conclusion(stage: Stage) -> None:
    folkmoot, microblog, theme = stage.folkmoot, stage.microblog, stage.theme
    debate = await stage.make("Cars out of the harbour", 48, 2)
    event = f"{debate}/event"
    motion = await stage.part(debate, "motion")
    await stage.boosted(motion, theme)  # nobody follows the debate itself yet

    # The Event, for those who keep calendars.
    await stage.calendar.expect("the Event", announces(event, wrapped=None), contains=event)
    looked = await stage.calendar.lookup("carl", event)
    assert looked["parsedAs"] == "Event"
    assert "Cars out of the harbour" in json.dumps(looked["json"])
    wrapped = await stage.forum.expect("the Event, wrapped", is_event, contains=event)
    read: Document = wrapped["activity"]["object"]["object"]
    assert (read["name"], read["joinMode"], read["id"]) == ("Cars out of the harbour", "external", event)
    assert await stage.boosts_of(event) == []

    # Mia is asked to the panel by a private Note, and says yes by a favourite. Max follows the debate.
    note = await stage.invite(debate, microblog.uri("mia"))
    asked = await microblog.expect("the invitation", sends("Create", note), contains=note)
    private = asked["activity"]["object"]
    assert (asked["recipient"], private["to"], private["cc"]) == ("mia", [microblog.uri("mia")], [])
    assert f"{folkmoot.origin}/seats/" in private["content"]
    assert (await folkmoot.get(note))[0] == 404
    await microblog.like("mia", note, inbox=folkmoot.person("clerk") + "/inbox")
    await folkmoot.until("a panel", lambda d: d["debate"]["panel"] == [microblog.uri("mia")], debate)
    await microblog.follow("max", debate)
    await microblog.expect_accepted("max", debate)

    # The call: whoever answers a stub, from anywhere and at any depth, has a position.
    stage.go_to(24 * HOUR + 60)
    call = await stage.part(debate, "stub", "question")
    await stage.boosted(call, theme, debate)
    stubs = {side: await stage.part(debate, "stub", side) for side in ("for", "against")}
    for stub in stubs.values():
        await stage.boosted(stub, debate)
    question = (await microblog.post("max", "What do the fishers say?", inReplyTo=call))["object"]
    pro = (await microblog.post("max", "The air is better.", inReplyTo=stubs["for"]))["object"]
    deeper = (await microblog.post("mia", "And the noise.", inReplyTo=pro, mention=folkmoot.person("clerk")))["object"]
    contra = (await microblog.post("mia", "Who carries the fish?", inReplyTo=stubs["against"]))["object"]
    wanted = {question: "question", pro: "for", deeper: "for", contra: "against"}
    for _ in range(300):
        positions = {uri: position for uri, _, position in await stage.floor(debate)}
        if wanted.keys() <= positions.keys():
            break
        await asyncio.sleep(0.05)
    assert {uri: positions.get(uri) for uri in wanted} == wanted

    # Live: a clean ticker. Host, panel and cards are boosted, the audience is not.
    stage.go_to(48 * HOUR + 60)
    await stage.boosted(await stage.part(debate, "live"), theme, debate)
    opening = await stage.part(debate, "opening-poll")
    await stage.boosted(opening, debate)
    await microblog.command("vote", as_="max", target=opening, choices=["In favour"])
    card = await stage.card(debate, "**Q1**: What do the fishers say?")
    await stage.boosted(card, debate)
    audience = (await microblog.post("max", "Well asked.", inReplyTo=card))["object"]
    answer = (await microblog.post("mia", "They would take carts.", inReplyTo=card))["object"]
    await microblog.expect("the panel's answer", boost(answer, debate), contains=answer)
    assert await stage.boosts_of(audience) == []

    stage.go_to(48 * HOUR + 45 * 60)
    closing = await stage.part(debate, "closing-poll")
    await stage.boosted(closing, debate)
    await microblog.command("vote", as_="max", target=closing, choices=["Against"])
    await microblog.command("vote", as_="mia", target=closing, choices=["Undecided"])
    await folkmoot.until("counted", lambda d: tally(d)[1] == 2, closing)

    stage.go_to(49 * HOUR + 60)
    closed = await stage.part(debate, "closed")
    await stage.boosted(closed, theme, debate)
    said = await folkmoot.document(closed)
    assert "100" in said["content"]
    for poll, votes in ((opening, (1, 0, 0)), (closing, (0, 1, 1))):
        last = await folkmoot.document(poll)
        assert tuple(tally(last)[0].values()) == votes
        assert "closed" in last
    await stage.conclude(debate, "Carts it is.")
    conclusion = await stage.part(debate, "conclusion")
    await stage.boosted(conclusion, theme, debate)
    document = await folkmoot.until("concluded", lambda d: d["debate"]["state"] == "concluded", debate)
    assert (document["debate"]["state"], document["debate"]["conclusion"]) == ("concluded", "<p>Carts it is.</p>\n")
    # Whoever follows the debate hears of each of its states.
    await microblog.expect("its last state", sends("Update", debate), contains='"state":"concluded"')
    told = await microblog.received(kind="Update", actor=debate)
    assert [each["activity"]["object"]["debate"]["state"] for each in told] == ["call", "live", "closed", "concluded"]
    assert all(each["verified"] for each in await microblog.received())


async def test_another_date_and_the_end_of_it_are_told(stage: Stage) -> None:
    theme = stage.theme
    debate = await stage.make("A bridge for the harbour", 100, 3)
    event = f"{debate}/event"
    await stage.calendar.expect("the Event", announces(event, wrapped=None), contains=event)
    before = await stage.folkmoot.document(event)
    await stage.move(debate, 24)
    await stage.boosted(await stage.part(debate, "moved"), theme)
    await stage.cancel(debate)
    await stage.boosted(await stage.part(debate, "cancelled"), theme)
    updates: list[tuple[Member, Callable[[Document], Document]]] = [
        (stage.calendar, lambda activity: activity),
        (stage.forum, lambda activity: activity["object"]),
    ]
    for member, update_in in updates:

        def is_cancelled(record: Record, update_in: Callable[[Document], Any] = update_in) -> bool:
            update = update_in(record["activity"])
            inner = update.get("object") if isinstance(update, dict) else None
            return isinstance(inner, dict) and inner.get("id") == event and inner.get("status") == "CANCELLED"

        told = await member.expect("the end", is_cancelled, contains=event)
        update = update_in(told["activity"])
        assert (update["type"], update["actor"]) == ("Update", stage.folkmoot.person("clerk"))
        assert update["object"]["startTime"] > before["startTime"]
