"""A group on another server whom a member here follows, with an author, a voter and a moderator there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from community import following
from community.models import Activity, Actor, Post, Topic
from federation.dereference import store_actor
from federation.site import Site
from federation.translate import from_actor
from federation.vocabulary import PUBLIC
from tests.peer import Peer


@dataclass
class Abroad:
    """``board`` is the group; what it says is told with ``announce``."""

    site: Site
    peer: Peer
    board: Actor

    @property
    def inbox(self) -> str:
        return f"{self.site.settings.origin}/inbox"

    def note(self, content: str, *, peer: Peer | None = None, **fields: Any) -> dict[str, Any]:
        """A Note in that group, served by its author's server."""
        made = {"to": [PUBLIC, self.board.uri], "audience": self.board.uri, **fields}
        return (peer or self.peer).note(content, **made)

    async def announce(self, about: Any, **how: Any) -> str:
        """Send it and answer what became of it."""
        return await self.sent(self.peer.activity("Announce", about, by="board"), by="board", **how)

    async def sent(self, activity: dict[str, Any], *, at: Peer | None = None, by: str = "tess") -> str:
        status, said = await (at or self.peer).send(self.inbox, activity, by=by)
        assert status == 202, said
        return await self.outcome(activity["id"])

    async def outcome(self, uri: str) -> str:
        for _ in range(4000):
            async with self.site.database.read() as tx:
                found = (await tx.execute(select(Activity.outcome).where(Activity.uri == uri))).scalar_one_or_none()
            if found:
                return found
            await asyncio.sleep(0.005)
        raise AssertionError(f"nothing became of {uri}")

    async def post(self, uri: str) -> Post | None:
        async with self.site.database.read() as tx:
            return await tx.by_uri(Post, uri)

    async def topic_of(self, uri: str) -> Topic:
        post = await self.post(uri)
        assert post is not None
        async with self.site.database.read() as tx:
            return await tx.get_one(Topic, post.topic_id)


async def meet(site: Site, peer: Peer, name: str) -> Actor:
    """Store an actor of the peer as if it had been fetched."""
    async with site.database.write() as tx:
        return await store_actor(tx, from_actor(peer.served[f"/users/{name}"], tx.now))


@asynccontextmanager
async def joined(site: Site, peer: Peer, follower: Actor) -> AsyncIterator[Abroad]:
    peer.actor("board", type="Group")
    for name in ("mod", "voter"):
        peer.actor(name)
    board = await meet(site, peer, "board")
    async with site.database.write() as tx:
        await following.follow(tx, follower, board)
    yield Abroad(site, peer, board)
