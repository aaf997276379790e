"""A debate played to its end, with people here and on other servers who argue, like and vote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from community import debates, polls, reactions
from community.debate_models import Debate
from community.models import Actor, Post
from federation.site import Site
from tests.community.floors import Floor, make_floor
from tests.conftest import MakeMember, MakeTheme

SIDES = {"for": "In favour", "undecided": "Undecided", "against": "Against"}


async def stranger(site: Site, handle: str, host: str = "elsewhere.example", **fields: str) -> Actor:
    """Somebody on another server, as if their document had been fetched."""
    uri = f"https://{host}/users/{handle}"
    async with site.database.write() as tx:
        row = Actor(
            uri=uri, url=f"https://{host}/@{handle}", kind="person", handle=handle, host=host, inbox=f"{uri}/inbox",
            followers_uri=f"{uri}/followers", created_at=tx.now, **fields,
        )  # fmt: skip
        tx.add(row)
    return row


@dataclass
class Play:
    site: Site
    floor: Floor

    @property
    def path(self) -> str:
        return f"/g/{self.floor.debate.actor.handle}"

    async def debate(self) -> Debate:
        async with self.site.database.read() as tx:
            return await tx.get_one(Debate, self.floor.debate.actor_id)

    async def after(self, minutes: int) -> None:
        """So many minutes after the beginning; what is due then is done."""
        now = self.floor.began + timedelta(minutes=minutes)
        self.site.database.clock = lambda: now
        async with self.site.database.write() as tx:
            await debates.advance(tx, await tx.lock(Debate, self.floor.debate.actor_id))

    async def part(self, part: str, position: str = "") -> Post:
        async with self.site.database.read() as tx:
            found = await debates.part_of(tx, await tx.get_one(Debate, self.floor.debate.actor_id), part, position)
        assert found is not None
        return found

    async def vote(self, part: str, actor: Actor, side: str) -> None:
        post = await self.part(part)
        async with self.site.database.write() as tx:
            await polls.vote(tx, actor, post, [SIDES.get(side, side)])

    async def argue(self, actor: Actor, side: str, words: str) -> Post:
        return await self.floor.say(actor, words, to=await self.part("stub", side))

    async def like(self, post: Post, *actors: Actor) -> None:
        async with self.site.database.write() as tx:
            for actor in actors:
                await reactions.like(tx, actor, post)


async def begin(site: Site, member: MakeMember, theme: MakeTheme) -> Play:
    """A debate that has just begun, with the opening poll."""
    play = Play(site, await make_floor(site, member, theme))
    await play.after(1)
    return play
