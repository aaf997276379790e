"""Debates in each part of their course, as they are there when the stories begin: at no time do they move on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from community import debates, groups, polls, positions, posts, questions
from community.debate_models import Debate, Question, Seat
from community.keys import KeyPair
from community.models import Actor, Membership, Topic
from federation.site import Site

CALLED, DAY = timedelta(days=7), timedelta(days=1)
# Name, when it begins seen from now; a debate may last a whole day.
COURSE = {
    "announced": timedelta(days=20),
    "call": timedelta(days=5),
    "live": timedelta(hours=-2),
    "closed": timedelta(days=-2),
}
ARGUMENTS = (
    ("for", "A tank costs less than the car space beside it.", "And the car space does not even drink."),
    ("against", "A thousand small tanks are a thousand small ponds.", "Unless somebody looks after them."),
    ("for", "Every litre on the roof is one that does not flood the underpass, " * 3, ""),
    ("question", "Who cleans the tank when the landlord will not?", ""),
)


@dataclass
class Cast:
    """Who takes part."""

    host: Actor
    panel: Actor
    member: Actor


async def settle_debates(site: Site, theme: Actor, cast: Cast, pairs: list[KeyPair]) -> dict[str, str]:
    """Play them by a clock that is moved; answers the path of each by its name."""
    now = site.database.clock()
    real, paths = site.database.clock, {}
    try:
        for name, begins_in in COURSE.items():
            paths[name] = await _play(site, theme, cast, pairs.pop(), name, now, now + begins_in)
    finally:
        site.database.clock = real
    return paths


async def _play(
    site: Site, theme: Actor, cast: Cast, pair: KeyPair, name: str, now: datetime, opens_at: datetime
) -> str:
    _move(site, min(now, opens_at - CALLED - DAY))
    async with site.database.write() as tx:
        clerk = await groups.clerk(tx)
        plan = debates.Plan(
            f"Every new roof should collect its own rain ({name})", opens_at, 24 * 60, "Europe/Paris",
            text="Roofs catch rain that now runs into the *sewer*.\n\nShould it be kept?", call_at=opens_at - CALLED,
        )  # fmt: skip
        debate = await debates.make(tx, clerk, theme, pair, plan)
        for role, actor in (("host", cast.host), ("panel", cast.panel)):
            tx.add(
                Seat(
                    debate_id=debate.actor_id, actor_id=actor.id, role=role, state="accepted", token="", uri="",
                    invited_at=tx.now, answered_at=tx.now,
                )
            )  # fmt: skip
            tx.add(Membership(actor_id=actor.id, group_id=debate.actor_id, role=role, state="accepted",
                              created_at=tx.now))  # fmt: skip
    path = f"/g/{debate.actor.handle}"
    if name == "announced":
        return path
    await _advance(site, debate, min(now, opens_at - CALLED))
    await _argue(site, debate, cast)
    await _deal_with_questions(site, debate, cast)
    if name == "call":
        return path
    await _advance(site, debate, opens_at)
    await _vote(site, debate, cast)
    await _advance(site, debate, min(now, opens_at + 2 * DAY))
    return path


def _move(site: Site, moment: datetime) -> None:
    site.database.clock = lambda: moment


async def _advance(site: Site, debate: Debate, moment: datetime) -> None:
    _move(site, moment)
    async with site.database.write() as tx:
        await debates.advance(tx, await tx.lock(Debate, debate.actor_id))


async def _vote(site: Site, debate: Debate, cast: Cast) -> None:
    async with site.database.write() as tx:
        poll = await debates.part_of(tx, debate, "opening-poll")
        assert poll is not None
        for actor, side in ((cast.host, "In favour"), (cast.panel, "In favour"), (cast.member, "Against")):
            await polls.vote(tx, actor, poll, [side])


async def _argue(site: Site, debate: Debate, cast: Cast) -> None:
    async with site.database.write() as tx:
        topic = await tx.get_one(Topic, debate.topic_id)
        stubs = await positions.stubs(tx, debate)
        for side, words, answer in ARGUMENTS:
            said = await posts.reply(
                tx, cast.panel if side == "for" else cast.member, topic, await posts.compose(tx, words),
                reply_to=stubs[side],
            )  # fmt: skip
            if answer:
                await posts.reply(tx, cast.member, topic, await posts.compose(tx, answer), reply_to=said)


async def _deal_with_questions(site: Site, debate: Debate, cast: Cast) -> None:
    """One of each: taken to the panel and answered, joined to another, left out, and one that waits."""
    async with site.database.write() as tx:
        topic = await tx.get_one(Topic, debate.topic_id)
        stub = (await positions.stubs(tx, debate))["question"]
        for words in (
            "Who pays for it?",
            "Who is going to clean it?",
            "Nonsense.",
            "What of old roofs?",
            "Is it safe?",
        ):
            asked = await posts.compose(tx, words)
            await posts.reply(tx, cast.member if words.startswith("Who") else cast.panel, topic, asked, reply_to=stub)
        query = select(Question).where(Question.debate_id == debate.actor_id).order_by(Question.id)
        held = list((await tx.execute(query)).scalars())
        await questions.accept(tx, cast.host, held[0])
        card = await questions.accept(tx, cast.host, held[1])
        await questions.merge(tx, cast.host, held[2], held[0])
        await questions.decline(tx, cast.host, held[3], "It is no question.")
        answer = await posts.compose(tx, "The owner does, and the city gives a third of it back.")
        answered = await posts.reply(tx, cast.panel, topic, answer, reply_to=card)
        await questions.link_answer(tx, cast.host, held[1], answered)
