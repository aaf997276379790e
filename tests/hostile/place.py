"""A running instance with something in it, peers that misbehave, and a picture of everything that must not change."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import func, select

from community import groups, members, posts, tables, topics
from community.models import (
    Activity,
    Actor,
    Job,
    Membership,
    Mention,
    Notification,
    Post,
    Reaction,
    Revision,
    Theme,
    Tombstone,
    Topic,
)
from community.settings import Settings
from federation import site as sites
from federation.site import Site
from federation.vocabulary import ACTIVITY_JSON
from tests.conftest import SECRET, pair
from tests.peer import Peer
from tests.ports import free_port
from web import running
from web.app import build

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Hostile(Peer):
    """A peer that may give any answer at any path; ``statuses`` are what its inboxes answer first."""

    answers: dict[str, Answer] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)

    async def _serve(self, request: web.Request) -> web.StreamResponse:  # type: ignore[override]
        if request.path in self.answers:
            self.asked.append(request.path)
            return await self.answers[request.path](request)
        answer = await super()._serve(request)
        if request.method == "POST" and self.statuses:
            answer.set_status(self.statuses.pop(0))
        return answer

    def redirect(self, path: str, location: str, status: int = 302) -> str:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": location})

        self.answers[path] = answer
        return self.origin + path

    def serve(self, path: str, body: Any, content_type: str = ACTIVITY_JSON, status: int = 200, **headers: str) -> str:
        """Give exactly this at a path."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(body=raw, status=status, headers={"Content-Type": content_type, **headers})

        self.answers[path] = answer
        return self.origin + path


class Alarm(logging.Handler):
    """What was logged as an error: an exception that nobody expected."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))


@dataclass
class Place:
    """Anna's topic in the theme of mobility, answered by Tess from the peer, whose Mallory is up to no good. Eve is
    on another server; nobody answers at ``dead``."""

    site: Site
    server: TestServer
    peer: Hostile
    other: Hostile
    dead: str
    alarm: Alarm
    anna: Actor
    group: Actor
    opener: Post
    theirs: Post

    @property
    def inbox(self) -> str:
        return f"{self.site.settings.origin}/inbox"

    # --- What is in it ------------------------------------------------------------------------------------------------

    async def picture(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the community, without actors met in the meantime and times of fetching."""
        found = {}
        async with self.site.database.read() as tx:
            for model in (Post, Topic, Membership, Reaction, Mention, Revision, Theme, Notification, Tombstone):
                rows = await tx.execute(select(*model.__table__.columns))
                found[model.__tablename__] = sorted(map(tuple, rows), key=repr)
            # That somebody took something of their own back is remembered, and concerns nobody else.
            found["tombstone"] = [row for row in found["tombstone"] if not row[0].startswith("undone:")]
            columns = [column for column in Actor.__table__.columns if column.name != "fetched_at"]
            rows = await tx.execute(select(*columns).where(Actor.id <= self.theirs.author_id))
            found["actor"] = sorted(map(tuple, rows), key=repr)
        return found

    async def post(self, uri: str) -> Post | None:
        async with self.site.database.read() as tx:
            return await posts.find_by_uri(tx, uri)

    async def actor(self, uri: str) -> Actor | None:
        async with self.site.database.read() as tx:
            return await tx.by_uri(Actor, uri)

    async def count(self, model: Any, *conditions: Any) -> int:
        async with self.site.database.read() as tx:
            return (await tx.execute(select(func.count()).select_from(model).where(*conditions))).scalar_one()

    async def outcome(self, uri: str, seconds: float = 8) -> str:
        """What became of an activity, once it is known."""
        for _ in range(int(seconds * 200)):
            async with self.site.database.read() as tx:
                found = (await tx.execute(select(Activity.outcome).where(Activity.uri == uri))).scalar_one_or_none()
            if found:
                return found
            await asyncio.sleep(0.005)
        raise AssertionError(f"nothing became of {uri}")

    async def set_host(self, name: str, state: str) -> None:
        async with self.site.database.write() as tx:
            (await members.ensure_host(tx, name)).state = state
        self.site._hosts_at = float("-inf")

    async def quiet(self, seconds: float = 8) -> None:
        """Wait until no job is due any more."""
        for _ in range(int(seconds * 100)):
            # Looks at threads from elsewhere are planned for days to come.
            if not await self.count(Job, Job.failed_at.is_(None), Job.kind != "backfill-thread"):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("jobs are still waiting")

    # --- What is tried ------------------------------------------------------------------------------------------------

    async def accepted(self, activity: dict[str, Any], outcome: str, *, at: Hostile | None = None, **how: Any) -> None:
        """Taken in and carried out, with this outcome."""
        status, said = await (at or self.peer).send(self.inbox, activity, **how)
        assert status == 202, said
        assert await self.outcome(activity["id"]) == outcome

    async def in_vain(self, activity: dict[str, Any], outcome: str, *, at: Hostile | None = None, **how: Any) -> None:
        """Taken in, with this outcome, and nothing has changed."""
        before = await self.picture()
        await self.accepted(activity, outcome, at=at, **how)
        assert await self.picture() == before

    async def refused(
        self,
        activity: dict[str, Any] | bytes,
        status: int,
        reason: str,
        *,
        at: Hostile | None = None,
        to: str = "",
        **how: Any,
    ) -> None:
        """Not taken in: this status and reason, nothing is kept and nothing has changed."""
        before, kept = await self.picture(), await self.count(Activity, Activity.direction == "in")
        answered, said = await (at or self.peer).send(to or self.inbox, activity, **how)
        assert (answered, said.get("error")) == (status, reason)
        assert await self.count(Activity, Activity.direction == "in") == kept
        assert await self.picture() == before

    async def fetched_in_vain(self, uri: str, outcome: str, *, at: Hostile | None = None) -> None:
        """A reply to what is found at this address is taken in and not filed."""
        peer = at or self.peer
        await self.in_vain(peer.activity("Create", peer.note("<p>Yes.</p>", inReplyTo=uri)), outcome, at=at)


@asynccontextmanager
async def opened(folder: Path, database_url: str = "", **changed: Any) -> AsyncIterator[Place]:
    """A place that works and answers until the end of the block."""
    # Bound and not listened at: nobody else answers there either.
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    ports = [*(free_port() for _ in range(3)), int(silent.getsockname()[1])]
    (folder / "secret").write_text(SECRET.hex())
    settings = Settings(
        origin=f"http://127.0.0.1:{ports[0]}",
        bind=f"127.0.0.1:{ports[0]}",
        data=str(folder),
        database_url=database_url,
        retry_seconds=(0,) * 10,
        insecure_peers=tuple(f"127.0.0.1:{port}" for port in ports[1:]),
    )
    site = sites.make(replace(settings, **changed))
    alarm = Alarm()
    logging.getLogger("folkmoot").addHandler(alarm)
    await tables.migrate(site.database)
    async with site.database.write() as tx:
        await groups.found(tx, await pair(0), await pair(1))
        theme = await groups.add_theme(tx, None, "mobility", await pair(2), name="Mobility")
        anna = (await members.add_member(tx, "anna", "anna@example.org", "!", await pair(3))).actor
        opener = await topics.open(
            tx, anna, theme.actor, await posts.compose(tx, "We need benches.", title="More benches in the parks")
        )
    app = build(site)
    server = TestServer(app, host="127.0.0.1", port=ports[0])
    async with Hostile(ports[1]) as peer, Hostile(ports[2]) as other:
        peer.actor("mallory")
        other.actor("eve")
        async with server, running.working(site):
            place = Place(
                site, server, peer, other, f"http://127.0.0.1:{ports[3]}", alarm, anna, theme.actor, opener, opener
            )
            note = peer.note("<p>Benches with a back.</p>", inReplyTo=opener.uri)
            await place.accepted(peer.activity("Create", note), "replied")
            theirs = await place.post(note["id"])
            assert theirs is not None
            place.theirs = theirs
            await place.accepted(peer.activity("Follow", theme.actor.uri), "followed")
            yield place
    logging.getLogger("folkmoot").removeHandler(alarm)
    await site.close()
    silent.close()
