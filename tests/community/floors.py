"""A debate to try things on: a floor with host and panel, and a clock that is moved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from community import debates, posts, questions
from community.debate_models import Debate, Question, Seat
from community.debates import Plan
from community.models import Account, Actor, Membership, Post, Topic
from community.questions import Asked
from federation.site import Site
from tests.conftest import MakeMember, MakeTheme, pair


@dataclass
class Floor:
    """The debate began ten minutes ago by the real clock, once ``at`` was called with 'live'."""

    site: Site
    debate: Debate
    began: datetime
    admin: Account
    host: Account
    panel: Account
    stub: Post

    async def at(self, step: str) -> None:
        """Move the clock, and do what is due then."""
        moments = {
            "call": self.began - timedelta(days=1, hours=12),
            "live": self.began + timedelta(minutes=10),
            "closed": self.began + timedelta(hours=2),
        }
        self.site.database.clock = lambda: moments[step]
        async with self.site.database.write() as tx:
            await debates.advance(tx, await tx.get_one(Debate, self.debate.actor_id))
            self.debate = await tx.get_one(Debate, self.debate.actor_id)

    async def say(self, actor: Actor, words: str, to: Post | None = None, position: str = "") -> Post:
        """Answer ``to``, or the stub for questions."""
        async with self.site.database.write() as tx:
            topic = await tx.get_one(Topic, self.debate.topic_id)
            written = replace(await posts.compose(tx, words), position=position)
            return await posts.reply(tx, actor, topic, written, reply_to=to or self.stub)

    async def ask(self, actor: Actor, words: str) -> Question:
        post = await self.say(actor, words)
        async with self.site.database.read() as tx:
            return (await tx.execute(select(Question).where(Question.post_id == post.id))).scalar_one()

    async def queue(self, viewer: Actor | None = None) -> list[Asked]:
        async with self.site.database.read() as tx:
            debate = await tx.get_one(Debate, self.debate.actor_id)
            return await questions.queue(tx, debate, viewer)


async def seat(site: Site, debate: Debate, actor: Actor, role: str, state: str = "accepted") -> None:
    async with site.database.write() as tx:
        asked = Seat(
            debate_id=debate.actor_id, actor_id=actor.id, role=role, state=state, token="", uri="", invited_at=tx.now
        )
        tx.add(asked)
        if state == "accepted":
            tx.add(
                Membership(actor_id=actor.id, group_id=debate.actor_id, role=role, state="accepted", created_at=tx.now)
            )


async def make_floor(site: Site, member: MakeMember, theme: MakeTheme, step: str = "call") -> Floor:
    """A debate in the theme mobility with a host and one panellist, played up to ``step``."""
    real = site.database.clock()
    admin, host, panel = await member("ada", site_role="admin"), await member("hugo"), await member("pia")
    mobility = await theme("mobility")
    began = real - timedelta(minutes=10)
    site.database.clock = lambda: began - timedelta(days=3)
    async with site.database.write() as tx:
        plan = Plan(
            "Trams before *cars*", began, 60, "Europe/Paris", call_at=began - timedelta(days=2),
            digest_at=began + timedelta(days=2),
        )  # fmt: skip
        debate = await debates.make(tx, admin.actor, mobility.actor, await pair(5), plan)
    await seat(site, debate, host.actor, "host")
    await seat(site, debate, panel.actor, "panel")
    floor = Floor(site, debate, began, admin, host, panel, Post())
    await floor.at("call")
    async with site.database.read() as tx:
        found = await debates.part_of(tx, debate, "stub", "question")
    assert found is not None
    floor.stub = found
    if step != "call":
        await floor.at(step)
    return floor
