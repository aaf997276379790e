"""Who said something elsewhere hears that it is on the agenda, and takes their name off without an account here.

Time is moved for everybody at once by a file. What members cite is cited in the database, beside the running process.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest_asyncio
from sqlalchemy import select

from community import agendas, items, members, posts, sources
from community.agenda_models import Agenda, Item, Source
from community.agendas import Plan
from community.settings import Settings
from federation import site as sites
from federation.site import Site
from tests.conftest import SECRET, pair
from tests.ports import free_port

from .browser import Browser
from .members import Member, Record, install
from .server import Folkmoot

HOUR = 3600


@dataclass
class Stage:
    """mia, who runs Mastodon as her server says, answers in Clara's topic."""

    folkmoot: Folkmoot
    microblog: Member
    site: Site
    opener: str
    agenda: Agenda
    clock: Path

    def go_to(self, seconds: float) -> None:
        self.clock.write_text(str(seconds))

    async def say(self, words: str) -> str:
        """A reply by mia, as soon as it is here."""
        uri = (await self.microblog.post("mia", words, inReplyTo=self.opener))["object"]
        for _ in range(300):
            async with self.site.database.read() as tx:
                if await posts.find_by_uri(tx, uri) is not None:
                    return str(uri)
            await asyncio.sleep(0.05)
        raise AssertionError(f"{uri} never came\n{self.folkmoot.output()}")

    async def cite(self, uri: str, title: str) -> None:
        async with self.site.database.write() as tx:
            clara, post = await members.find(tx, "clara"), await posts.find_by_uri(tx, uri)
            assert clara is not None
            held = (await tx.execute(select(Item).where(Item.title == title))).scalar_one_or_none()
            if held is None:
                await items.propose(tx, clara, await tx.get_one(Agenda, self.agenda.actor_id), title, about=post)
            else:
                assert post is not None
                await sources.cite(tx, clara, held, post)

    async def told(self, count: int) -> list[Record]:
        """The private messages of the clerk that mia has, once they are so many."""
        for _ in range(200):
            records = [
                each
                for each in await self.microblog.received(kind="Create", actor=self.folkmoot.person("clerk"))
                if each["recipient"] == "mia"
            ]
            if len(records) >= count:
                break
            await asyncio.sleep(0.05)
        assert len(records) == count, self.folkmoot.output()
        assert all(each["verified"] for each in records)
        return records

    async def states(self) -> list[str]:
        """What the agenda's own data says of everything behind it."""
        page = await asyncio.to_thread(
            _get_json, f"{self.folkmoot.origin}/agenda/{self.agenda.actor.handle}/agenda.json"
        )
        return [source["state"] for item in page["items"] for source in item["sources"]]


def _get_json(address: str) -> Any:
    with urlopen(address, timeout=20) as answer:
        return json.load(answer)


@pytest_asyncio.fixture(scope="module")
async def stage(tmp_path_factory: Any) -> AsyncIterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("citations")
    clock = folder / "clock"
    clock.write_text("0")
    (folder / "data").mkdir()
    (folder / "data" / "secret").write_text(SECRET.hex())
    await asyncio.to_thread(install)
    microblog = Member("microblog", "mia", folder, port=free_port(), software="mastodon", clock=clock)
    folkmoot = Folkmoot(folder, [microblog.host], clock=clock)
    settings = Settings(
        origin=folkmoot.origin, bind=folkmoot.host, data=str(folder / "data"),
        insecure_peers=(microblog.host, folkmoot.host), database_url=os.environ.get("FOLKMOOT_DATABASE_URL", ""),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(each) for each in (microblog, folkmoot)))
        microblog.examine = folkmoot.examine
        await folkmoot.add_member("clara", "a long walk by the river", admin=True)
        theme = await folkmoot.add_theme("harbour", "Harbour")
        await microblog.follow("mia", theme)
        await microblog.expect_accepted("mia", theme)
        opener = await folkmoot.open_topic("clara", "harbour", "Rain", "Where does it go?")
        site = sites.make(settings)
        site.database.clock = lambda: datetime.now(UTC) + timedelta(seconds=float(clock.read_text() or 0))
        stack.push_async_callback(site.close)
        async with site.database.write() as tx:
            clara = await members.find(tx, "clara")
            assert clara is not None
            plan = Plan("Forum of Cities", date(2027, 7, 13), date(2027, 7, 13), "Asia/Singapore", place="Singapore")
            agenda = await agendas.make(tx, clara, await pair(6), plan)
        yield Stage(folkmoot, microblog, site, opener, agenda, clock)


async def test_a_reply_from_elsewhere_is_cited_and_its_author_decides(stage: Stage) -> None:
    folkmoot, mia = stage.folkmoot, stage.microblog.uri("mia")
    reply, another = await stage.say("Under the paving."), await stage.say("And into the trees.")
    await stage.cite(reply, "Rain as a utility")
    await stage.told(0)
    stage.go_to(700)
    [record] = await stage.told(1)
    note = record["activity"]["object"]
    assert (note["type"], note["to"], note["cc"]) == ("Note", [mia], [])
    assert [each["href"] for each in note["tag"]] == [mia]
    assert "Rain as a utility" in note["content"]
    assert f"{folkmoot.origin}/agenda/foc_2027/1" in note["content"]
    found = re.search(rf"{re.escape(folkmoot.origin)}(/citations/[\w-]+)", note["content"])
    assert found is not None
    for uri in (note["id"], record["activity"]["id"]):
        assert (await folkmoot.get(uri))[0] == 404, "nobody else can read it"

    # The link opens without an account; what it shows is what she decides about.
    browser = Browser(folkmoot.origin)
    try:
        assert "Under the paving." in (await browser.get(found[1])).text
        assert await stage.states() == ["cited"]
        page = await browser.send(found[1], page=found[1], action="anonymous")
        assert "Your name is on none of these." in page.text
        assert await stage.states() == ["anonymous"]
        async with stage.site.database.read() as tx:
            [held] = (await tx.execute(select(Source))).scalars()
            assert (held.author_id, held.host, held.hash, held.excerpt) == (None, "", "", "Under the paving.")
        await browser.send(found[1], page=found[1], action="named")
        assert await stage.states() == ["cited"]

        # The same day's is told a day later.
        await stage.cite(another, "Rain as a utility")
        stage.go_to(20 * HOUR)
        await asyncio.sleep(1.2)  # the queue looks twice a second
        await stage.told(1)
        stage.go_to(25 * HOUR)
        second = (await stage.told(2))[1]["activity"]["object"]
        assert second["cites"] == [another]
        assert second["url"] == note["url"]

        await browser.send(found[1], page=found[1], action="silent")
        await stage.cite(await stage.say("Or down the hill."), "Rain as a utility")
        stage.go_to(60 * HOUR)
        await asyncio.sleep(1.2)
        await stage.told(2)
    finally:
        await browser.close()
    await stage.microblog.delete("mia", another)
    for _ in range(200):
        if "redacted" in await stage.states():
            break
        await asyncio.sleep(0.05)
    assert await stage.states() == ["cited", "redacted", "cited"]
