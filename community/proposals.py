"""What the conclusion of a debate puts on the agenda by itself."""

from __future__ import annotations

from sqlalchemy import select

from community import agendas, clerk, debates, digest, groups, items, posts, questions, record, sources, text
from community.agenda_models import Agenda, Item, Source
from community.db import Tx
from community.debate_models import Debate
from community.events import DebateChanged, on
from community.members import Invalid
from community.models import Actor, Post, Topic
from community.policy import require, standing

STRONGEST, QUESTIONS = 3, 5  # arguments of each side and questions behind what a conclusion proposes
LINES, LINE_MAX = 5, items.TITLE_MAX


async def name(tx: Tx, by: Actor, debate: Debate, lines: str) -> None:
    """Say what a debate that is not concluded yet will put on the agenda: one title on each line, or its motion where
    there is none. Raises Invalid, Refused."""
    by, debate = await tx.own(by), await tx.lock(Debate, debate.actor_id)
    require("host", await standing(tx, by, debate.actor_id), debate)
    if debate.state == "concluded":
        return
    titles = list(dict.fromkeys(title for line in lines.splitlines() if (title := " ".join(line.split()))))
    if len(titles) > LINES:
        raise Invalid(proposals="too-many-proposals")
    if any(not 3 <= len(title) <= LINE_MAX for title in titles):
        raise Invalid(proposals="item-title-length")
    debate.proposals = titles


@on(DebateChanged)
async def propose_conclusion(tx: Tx, event: DebateChanged) -> None:
    """The conclusion of a debate of ours proposes what its host named for the agenda, or else its motion, once. Behind
    it stand the debate, the strongest arguments of both sides and, of the questions that were answered, those
    with the most votes."""
    debate = event.debate
    if event.what != "concluded" or not debate.actor.is_local or debate.topic_id is None:
        return
    agenda = await agendas.current(tx)
    floor = await posts.opener(tx, await tx.get_one(Topic, debate.topic_id))
    if agenda is None or floor is None or await _is_proposed(tx, agenda, floor):
        return
    house = await groups.clerk(tx)
    agenda = await tx.lock(Agenda, agenda.actor_id)
    behind = await _strongest_of(tx, debate)
    said = {"date": clerk.day(debate.opens_at, debate.zone, agenda.language), "motion": text.cut(debate.motion, 200)}
    summary = text.cut(clerk.says(agenda.language, "item-of-debate", **said), items.SUMMARY_MAX)
    for title in debate.proposals or [debate.motion]:
        item = await items.add(tx, house, agenda, text.cut(" ".join(title.split()), items.TITLE_MAX), summary)
        for post in (floor, *behind):
            if sources.refusal_to_cite(await sources.cited_for(tx, post)) is None:
                await sources.cite(tx, house, item, post)
        await items.post(tx, agenda, item)
        await items.changed(tx, agenda, item, house, "proposed")


async def _is_proposed(tx: Tx, agenda: Agenda, floor: Post) -> bool:
    clerk_id = (await groups.clerk(tx)).id
    query = select(Source.id).join(Item, Item.id == Source.item_id)
    held = query.where(Item.agenda_id == agenda.actor_id, Source.post_id == floor.id, Source.by_id == clerk_id)
    return (await tx.execute(held.limit(1))).first() is not None


async def _strongest_of(tx: Tx, debate: Debate) -> list[Post]:
    best = await digest.strongest(tx, debate, limit=STRONGEST)
    found = [argument.post for side in debates.POSITIONS[:2] for argument in best[side]]
    votes = await questions.votes(tx, debate.actor_id)
    answered = [each for each in await record.questions(tx, debate) if each.state == "answered"]
    answered.sort(key=lambda each: -sum(votes.get(each.id, ())))
    return found + [each.post for each in answered[:QUESTIONS]]
