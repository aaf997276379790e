"""Killed at any moment, the server loses nothing that it acknowledged and does nothing twice.

A real process is killed with SIGKILL again and again while people post by its forms and another server posts to its
inbox. Senders behave as in life: what was not acknowledged by an inbox is sent again, a form is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import func, select

from community import members
from community.models import Activity, Actor, Job, Post, Theme, Topic
from community.settings import Settings
from federation.site import Site
from tests.conftest import PASSWORD, MakeMember, MakeTheme
from tests.peer import Peer

KILLS = {"sqlite": 14, "postgresql": 5}
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')
_DOWN = (aiohttp.ClientError, ConnectionError, TimeoutError)


@dataclass
class Server:
    """A server process that can be killed and started again on the same data."""

    forking: asyncio.subprocess.Process
    origin: str
    pid: int = 0

    async def start(self) -> None:
        assert self.forking.stdin is not None
        assert self.forking.stdout is not None
        self.forking.stdin.write(b"start\n")
        self.pid = int(await asyncio.wait_for(self.forking.stdout.readline(), 60))
        port = int(self.origin.rpartition(":")[2])
        for _ in range(3000):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            assert self.is_alive(), "the server ended by itself"
            await asyncio.sleep(0.01)
        raise AssertionError("the server did not start")

    def is_alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    async def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        while self.is_alive():
            await asyncio.sleep(0.002)


@pytest.fixture
async def server(settings: Settings, peer_ports: list[int]) -> AsyncIterator[Server]:
    variables = {
        "FOLKMOOT_ORIGIN": settings.origin,
        "FOLKMOOT_BIND": settings.bind,
        "FOLKMOOT_DATA": settings.data,
        "FOLKMOOT_DATABASE_URL": settings.database_url,
        "FOLKMOOT_INSECURE_PEERS": ",".join(f"127.0.0.1:{port}" for port in peer_ports),
        "FOLKMOOT_RETRY_SECONDS": ",".join(["1"] * 50),
        "FOLKMOOT_INBOX_PER_MINUTE": "1000000",
    }
    forking = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.outbox.forking",
        cwd=Path(__file__).parents[2], env={**os.environ, **variables},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    made = Server(forking, settings.origin)
    try:
        yield made
    finally:
        if made.pid and made.is_alive():
            await made.kill()
        forking.kill()
        await forking.wait()


class PatientPeer(Peer):
    """Asks for a delivery again when it could not read the signer's key, as from a server that was just killed."""

    async def _serve(self, request: web.Request) -> web.Response:
        try:
            return await super()._serve(request)
        except aiohttp.ClientError:
            return web.Response(status=503)


@pytest.fixture
async def follower(peer_ports: list[int]) -> AsyncIterator[Peer]:
    async with PatientPeer(peer_ports[0]) as made:
        yield made


@pytest.fixture
async def writer(peer_ports: list[int]) -> AsyncIterator[Peer]:
    async with PatientPeer(peer_ports[1]) as made:
        yield made


@dataclass
class Acknowledged:
    """What the server said it has: Creates by the id of their note, posts from forms by a mark in their text."""

    notes: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    came: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class People:
    """A member at the forms and another server at the inbox, posting as fast as they are answered."""

    origin: str
    peer: Peer
    theme: Actor
    topic_path: str
    opener_uri: str
    said: Acknowledged
    random: random.Random
    session: aiohttp.ClientSession
    unanswered: list[dict[str, Any]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    token: str = ""

    async def sign_in(self) -> None:
        token = await self._token("/sign-in")
        answer = await self._post("/sign-in", csrf=token, name="anna", password=PASSWORD)
        assert answer == 303
        self.token = await self._token(f"/g/{self.theme.handle}/new")

    async def _token(self, path: str) -> str:
        async with self.session.get(self.origin + path) as answer:
            found = _TOKEN.search(await answer.text())
        assert found is not None, f"no form on {path}"
        return found[1]

    async def _post(self, path: str, **fields: str) -> int:
        async with self.session.post(
            self.origin + path, data=fields, headers={"Origin": self.origin}, allow_redirects=False
        ) as answer:
            return answer.status

    async def write_forms(self) -> None:
        while True:
            mark = f"mark-{next(self.numbers)}-end"
            fields = {"csrf": self.token, "text": f"Written by hand, {mark}."}
            if self.random.random() < 0.25:
                status = await self._post(f"/g/{self.theme.handle}/new", title=f"A topic {mark}", **fields)
            else:
                status = await self._post(f"{self.topic_path}/reply", **fields)
            assert status == 303
            self.said.marks.add(mark)
            self.said.came.set()

    async def send_creates(self) -> None:
        while True:
            if self.unanswered:
                activity = self.unanswered[0]
            else:
                number = next(self.numbers)
                fields: dict[str, Any] = {"cc": [self.theme.uri]}
                if self.random.random() >= 0.25:
                    fields["inReplyTo"] = self.opener_uri
                note = self.peer.note(f"<p>From elsewhere, number {number}.</p>", by="uma", **fields)
                activity = self.peer.activity("Create", note, by="uma")
                self.unanswered.append(activity)
            status, answer = await self.peer.send(f"{self.origin}/inbox", activity, by="uma")
            assert status == 202, answer
            self.unanswered.remove(activity)
            self.said.notes.add(activity["object"]["id"])
            self.said.came.set()


async def _until_killed(work: Any) -> None:
    with contextlib.suppress(*_DOWN):
        await work


@pytest.mark.timeout(280)
async def test_nothing_is_lost_and_nothing_happens_twice(
    site: Site, settings: Settings, database_kind: str, server: Server, follower: Peer, writer: Peer,
    member: MakeMember, theme: MakeTheme,
) -> None:  # fmt: skip
    seed = int(os.environ.get("FOLKMOOT_KILL_SEED", 0)) or random.SystemRandom().randrange(1, 10**6)
    print(f"FOLKMOOT_KILL_SEED={seed}")
    chance = random.Random(seed)
    await member("anna")
    mobility = (await theme("mobility")).actor
    writer.actor("uma")
    site.database.hub.is_alone = False

    await server.start()
    assert (await follower.send(mobility.inbox, follower.activity("Follow", mobility.uri)))[0] == 202
    await _until(lambda: bool(follower.got("Accept")))
    opener = await _open_topic(site, mobility)
    said = Acknowledged()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        people = People(settings.origin, writer, mobility, f"/t/{opener.topic_id}", opener.uri, said, chance, session)
        await people.sign_in()
        for _ in range(KILLS[database_kind]):
            works = [people.write_forms(), people.send_creates()]
            writers = [asyncio.create_task(_until_killed(work)) for work in works]
            if chance.random() < 0.6:  # soon after something was acknowledged, else at any moment after the start
                said.came.clear()
                await asyncio.wait_for(said.came.wait(), 20)
            await asyncio.sleep(chance.uniform(0, 0.25))
            await server.kill()
            await asyncio.wait_for(asyncio.gather(*writers), 20)
            await server.start()
        while people.unanswered:
            await _until_all_sent(people)

    assert len(said.marks) + len(said.notes) > KILLS[database_kind] / 3, "hardly anything was written"
    await _until(lambda: _is_idle(site), 60)
    async with site.database.read() as tx:
        await _check_rows(tx, said)
        await _check_deliveries(tx, follower, mobility)
    if database_kind == "sqlite":
        with contextlib.closing(sqlite3.connect(settings.sqlite_path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def _until_all_sent(people: People) -> None:
    activity = people.unanswered[0]
    status, _ = await people.peer.send(f"{people.origin}/inbox", activity, by="uma")
    assert status == 202
    people.unanswered.remove(activity)
    people.said.notes.add(activity["object"]["id"])


async def _until(condition: Any, seconds: float = 10) -> None:
    for _ in range(int(seconds * 20)):
        found = condition()
        if await found if asyncio.iscoroutine(found) else found:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen in time")


async def _open_topic(site: Site, group: Actor) -> Post:
    from community import posts, topics

    async with site.database.write() as tx:
        anna = await members.find_local(tx, "anna")
        assert anna is not None
        return await topics.open(tx, anna, group, await posts.compose(tx, "Text.", title="The first topic"))


async def _is_idle(site: Site) -> bool:
    """Nothing is left to do but what is planned for later: to look again at threads of people elsewhere."""
    at_work = (Job.failed_at.is_(None), Job.kind != "backfill-thread")
    async with site.database.read() as tx:
        return (await tx.execute(select(func.count()).select_from(Job).where(*at_work))).scalar_one() == 0


async def _check_rows(tx: Any, said: Acknowledged) -> None:
    failed = (await tx.execute(select(Job.kind, Job.error).where(Job.failed_at.is_not(None)))).all()
    assert failed == []
    rows = (await tx.execute(select(Post))).scalars().all()
    uris = Counter(row.uri for row in rows)
    assert not said.notes - set(uris), "acknowledged Creates are missing"
    marks = Counter(mark for row in rows for mark in re.findall(r"mark-\d+-end", row.source))
    assert not said.marks - set(marks), "acknowledged forms are missing"
    assert {uri: n for uri, n in (uris | marks).items() if n != 1} == {}
    by_topic: dict[int, list[int]] = {}
    for row in sorted(rows, key=lambda row: row.number):
        by_topic.setdefault(row.topic_id, []).append(row.number)
    topics = (await tx.execute(select(Topic))).scalars().all()
    assert {topic.id for topic in topics} == set(by_topic)
    for topic in topics:
        assert by_topic[topic.id] == list(range(1, topic.last_number + 1))
        assert topic.reply_count == topic.last_number - 1
    theme = (await tx.execute(select(Theme))).scalar_one()
    assert (theme.topic_count, theme.post_count) == (len(topics), len(rows))
    outcomes = select(Activity.uri, Activity.outcome).where(Activity.direction == "in")
    expected = {"followed", "replied", "topic-opened"}
    assert [row for row in (await tx.execute(outcomes)).all() if row.outcome not in expected] == []


async def _check_deliveries(tx: Any, peer: Peer, group: Actor) -> None:
    """The follower has every post, announced by one activity in each form, however often that one arrived."""
    assert all(each.is_verified for each in peer.received)
    wrapped: dict[str, set[str]] = {}
    plain: dict[str, set[str]] = {}
    for announce in peer.got("Announce"):
        assert announce["actor"] == group.uri
        about = announce["object"]
        if isinstance(about, str):
            plain.setdefault(about, set()).add(announce["id"])
        else:
            assert about["type"] == "Create"
            wrapped.setdefault(about["object"]["id"], set()).add(announce["id"])
    posts = (await tx.execute(select(Post.uri, Post.number))).all()
    assert set(wrapped) == {post.uri for post in posts}
    assert set(plain) == {post.uri for post in posts if post.number == 1}
    assert [ids for ids in (*wrapped.values(), *plain.values()) if len(ids) != 1] == []
    sent = select(Activity.uri, Activity.sent_count).where(
        Activity.direction == "out", Activity.type == "Announce", Activity.actor_uri == group.uri
    )
    counted = {row.uri: row.sent_count for row in await tx.execute(sent)}
    assert set(counted) == set().union(*wrapped.values(), *plain.values())
    assert set(counted.values()) == {1}, "a delivery was counted twice or not at all"
