"""The page of the hour: what is told to all who watch, once, in order, and to those who come back."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from community import debates, posts, reactions
from community.debate_models import Debate, Seat
from community.models import Account, Actor, Membership, Post, Topic
from federation.site import Site
from tests.conftest import pair
from web import ticker

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

BEGINS = datetime(2030, 5, 18, 12, 0, tzinfo=UTC)
Say = Callable[..., Awaitable[Post]]


@dataclass
class Hour:
    """A debate whose hour is on, with Panel on its panel and Floor in the hall."""

    site: Site
    debate: Debate
    panel: Account
    floor: Account
    now: list[datetime]

    @property
    def path(self) -> str:
        return f"/g/{self.debate.actor.handle}/live"

    async def say(self, who: Account, text: str, position: str = "") -> Post:
        async with self.site.database.write() as tx:
            topic = await tx.get_one(Topic, self.debate.topic_id)
            written = await posts.compose(tx, text)
            stub = await debates.part_of(tx, self.debate, "stub", position) if position else None
            return await posts.reply(tx, await tx.get_one(Actor, who.actor_id), topic, written, reply_to=stub)

    async def advance_to(self, minutes: float) -> None:
        self.now[0] = BEGINS + timedelta(minutes=minutes)
        async with self.site.database.write() as tx:
            await debates.advance(tx, await tx.get_one(Debate, self.debate.actor_id))


@pytest.fixture
async def hour(site: Site, member: Any, theme: Any) -> Hour:
    now = [BEGINS - timedelta(days=1)]
    site.database.clock = lambda: now[0]
    admin, panel, floor = await member("warden", site_role="admin"), await member("panel"), await member("floor")
    water = await theme("water")
    async with site.database.write() as tx:
        call_at = BEGINS - timedelta(hours=2)
        plan = debates.Plan("Every roof collects its rain", BEGINS, 60, "Europe/Paris", call_at=call_at)
        debate = await debates.make(tx, admin.actor, water.actor, await pair(5), plan)
        seat = {"role": "panel", "state": "accepted"}
        tx.add(Seat(debate_id=debate.actor_id, actor_id=panel.actor_id, invited_at=tx.now, **seat))
        tx.add(Membership(actor_id=panel.actor_id, group_id=debate.actor_id, created_at=tx.now, **seat))
    made = Hour(site, debate, panel, floor, now)
    await made.advance_to(-100)
    await made.advance_to(1)
    return made


@dataclass
class Watcher:
    """One open page: what it was told, in order."""

    told: list[tuple[str, Any]] = field(default_factory=list)
    mark: str = ""

    def numbers(self, *kinds: str) -> list[int]:
        return [data["number"] for kind, data in self.told if kind in (kinds or ("post",))]

    async def follow(self, response: aiohttp.ClientResponse) -> None:
        kind = ""
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("id: "):
                self.mark = line[4:]
            elif line.startswith("data: "):
                self.told.append((kind, json.loads(line[6:])))

    async def until(self, is_there: Callable[[Watcher], bool]) -> None:
        async with asyncio.timeout(20):
            while not is_there(self):
                await asyncio.sleep(0.02)

    def last(self, kind: str) -> Any:
        return next((data for each, data in reversed(self.told) if each == kind), None)


@asynccontextmanager
async def watching(
    session: aiohttp.ClientSession, url: str, watcher: Watcher, after: str = ""
) -> AsyncIterator[Watcher]:
    """A page that watches while the block runs, from the mark ``after`` on, or from its own."""
    headers = {"Last-Event-ID": watcher.mark} if watcher.mark else {}
    async with session.get(url, params={"after": after} if after else {}, headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        task = asyncio.create_task(watcher.follow(response))
        try:
            yield watcher
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None), read_bufsize=2**20
    ) as made:
        yield made


async def mark_of(client: Any, hour: Hour) -> str:
    page = await (await client.get(hour.path)).text()
    found = re.search(r'data-mark="([^"]+)"', page)
    assert found is not None
    return found[1]


async def test_fifty_watch_and_nobody_waits_for_the_slow(hour, client, session, monkeypatch) -> None:
    monkeypatch.setattr(ticker, "BUFFER_MAX", 20_000)
    rendered = []
    piece = ticker.piece

    async def count(site: Site, language: str, template: str, **context: Any) -> str:
        rendered.append(template)
        return await piece(site, language, template, **context)

    monkeypatch.setattr(ticker, "piece", count)
    url, mark = str(client.make_url(f"{hour.path}/events")), await mark_of(client, hour)
    watchers = [Watcher() for _ in range(50)]
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        for watcher in watchers:
            await stack.enter_async_context(watching(session, url, watcher, mark))
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        stack.callback(slow.close)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (client.host, client.port))
        await loop.sock_sendall(slow, f"GET {hour.path}/events HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode())
        channel = f"debate:{hour.debate.actor_id}"
        while hour.site.database.hub.listeners(channel) < 51:
            await asyncio.sleep(0.02)
        rendered.clear()
        first = (await hour.say(hour.panel, "x" * 50_000)).number
        for number in range(4):
            await hour.say(hour.floor, f"Argument {number}", "for")
        for number in range(60):  # until what the slow one leaves unread is more than anything will hold
            if hour.site.database.hub.listeners(channel) == 50:
                break
            await hour.say(hour.panel, f"{number} " + "y" * 50_000)
            await asyncio.sleep(0.02)
        last = (await hour.say(hour.floor, "The last word")).number
        for watcher in watchers:
            await watcher.until(lambda each: last in each.numbers())
        assert hour.site.database.hub.listeners(channel) == 50
    wanted = list(range(first, last + 1))
    assert all(watcher.numbers() == wanted for watcher in watchers)
    # Each was rendered once, for all.
    assert rendered.count("debates/live_item.html") == len(wanted)
    assert watchers[0].told[0][1]["feed"] == "panel"
    assert watchers[0].last("post")["feed"] == "floor"


async def test_nothing_is_lost_over_a_break(hour, client, session) -> None:
    url, mark = str(client.make_url(f"{hour.path}/events")), await mark_of(client, hour)
    one = Watcher()
    async with watching(session, url, one, mark):
        kept, gone = await hour.say(hour.panel, "First."), await hour.say(hour.floor, "Second.", "against")
        await one.until(lambda each: gone.number in each.numbers())
    assert one.mark.startswith(f"{gone.number}.")
    before = len(one.told)
    missed = [await hour.say(hour.floor, f"Missed {number}", "for") for number in range(3)]
    async with hour.site.database.write() as tx:
        await posts.erase(tx, await tx.get_one(Actor, hour.floor.actor_id), await tx.get_one(Post, gone.id))
        text = await posts.compose(tx, "First, put better.")
        await posts.edit(tx, await tx.get_one(Actor, hour.panel.actor_id), await tx.get_one(Post, kept.id), text)
    async with watching(session, url, one):
        await one.until(lambda each: missed[-1].number in each.numbers())
        await one.until(lambda each: {kept.number, gone.number} <= set(each.numbers("change")))
        told = one.told[before:]
        assert [data["number"] for kind, data in told if kind == "post"] == [post.number for post in missed]
        changes = {data["number"]: data["html"] for kind, data in told if kind == "change"}
        assert changes[gone.number] == ""
        assert "put better" in changes[kept.number]
        # From now on as before.
        async with hour.site.database.write() as tx:
            await reactions.like(tx, await tx.get_one(Actor, hour.floor.actor_id), await tx.get_one(Post, kept.id))
        await one.until(lambda each: str(kept.number) in (each.last("likes") or {}))
        assert one.last("likes")[str(kept.number)].strip() == "1"
    # Who was away for longer than anything is kept is told so; a mark that is none is no mark.
    late = Watcher()
    async with watching(session, url, late, "1.1"):
        await late.until(lambda each: missed[-1].number in each.numbers())
    nothing = Watcher()
    async with watching(session, url, nothing, "9" * 99):
        post = await hour.say(hour.panel, "Now.")
        await nothing.until(lambda each: bool(each.numbers()))
        assert nothing.numbers() == [post.number]


async def test_hidden_words_are_told_to_nobody_and_states_to_all(hour, client, session) -> None:
    url, mark = str(client.make_url(f"{hour.path}/events")), await mark_of(client, hour)
    one, french = Watcher(), Watcher()
    async with (
        watching(session, url, one, mark),
        session.get(url, headers={"Accept-Language": "fr"}) as response,
    ):
        following = asyncio.create_task(french.follow(response))
        post = await hour.say(hour.floor, "A rude word.", "for")
        await one.until(lambda each: post.number in each.numbers())
        async with hour.site.database.write() as tx:
            author = await tx.get_one(Actor, hour.floor.actor_id)
            author.state = "suspended"
            tx.signal(f"topic:{hour.debate.topic_id}", post)
        await one.until(lambda each: post.number in each.numbers("change"))
        assert one.last("change")["html"] == ""
        await hour.advance_to(45)
        await one.until(lambda each: "At the end" in json.dumps(each.last("poll")))
        poll = one.last("poll")
        assert "<form" in poll["member"]
        assert "<form" not in poll["html"]
        assert 'name="csrf" value' not in json.dumps(one.told)
        await hour.advance_to(61)
        await one.until(lambda each: (each.last("state") or {}).get("state") == "closed")
        assert "/results" in one.last("state")["html"]
        await french.until(lambda each: (each.last("state") or {}).get("state") == "closed")
        following.cancel()
        # What nobody may read any more is told to nobody.
        async with hour.site.database.write() as tx:
            (await tx.get_one(Topic, hour.debate.topic_id)).hidden_reason = "not for this house"
            tx.signal(f"topic:{hour.debate.topic_id}", 0)
        channel = f"debate:{hour.debate.actor_id}"
        async with asyncio.timeout(20):
            while hour.site.database.hub.listeners(channel):
                await asyncio.sleep(0.02)
        assert (await client.get(f"{hour.path}/events")).status == 404
    assert (await client.get("/g/water/live/events")).status == 404
    assert (await client.get("/g/nowhere/live")).status == 404


async def test_streams_end_with_the_server(hour, client, session) -> None:
    url = str(client.make_url(f"{hour.path}/events"))
    async with session.get(url) as response:
        async with asyncio.timeout(20):
            await client.server.close()
        assert hour.site.database.hub.listeners(f"debate:{hour.debate.actor_id}") == 0
        response.close()
