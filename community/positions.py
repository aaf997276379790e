"""Positions: which side of a debate a post is on, how that is corrected, and the arguments of each side.

A post takes the position of the post that it answers, or the one that its author chose (``posts.add_to_topic``). The
arguments of a side are the posts that brought it up there; whoever answers an argument on its side stands under it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import aliased

from community import debates, posts, questions
from community.db import Tx
from community.debate_models import Debate
from community.members import Invalid
from community.models import Actor, Post, Topic
from community.policy import require, standing

SIDES = ("for", "against")
NONE = posts.NO_POSITION
PAGE = 20
# So many answers are shown under an argument; the floor has all of them.
REPLIES = 10


async def correct(tx: Tx, by: Actor, post: Post, position: str) -> None:
    """Say which side a post is on: for, against, question, or '' for none. Raises Invalid, Refused.

    Its author speaks for that post alone. With a host's correction the answers go along that took their position from
    it. Nothing is told to other servers: to them a position is what the author chose or answered.
    """
    by, post = await tx.own(by), await tx.own(post)
    if position not in (*debates.POSITIONS, ""):
        raise Invalid(position="position-unknown")
    who = await standing(tx, by, post.topic.group_id)
    require("position", who, post)
    old = post.position
    if position == old:
        return
    changed = [post, *(await _taken_along(tx, post, old) if who.is_moderator else [])]
    for each in changed:
        each.position = position
    await tx.flush()
    for each in changed:
        await questions.position_changed(tx, each, old)
    debate = await debates.of_group(tx, post.topic.group_id)
    if debate is not None:
        debates.signal(tx, debate, post)


async def _taken_along(tx: Tx, post: Post, position: str) -> list[Post]:
    """The answers, at any depth, that have a position from the post that they answer."""
    found: list[Post] = []
    parents = [post.id] if position else []
    while parents:
        query = select(Post).where(Post.reply_to_id.in_(parents), Post.position == position, Post.part == "")
        answers = list((await tx.execute(query)).scalars())
        parents = [answer.id for answer in answers]
        found += answers
    return found


@dataclass(frozen=True)
class Argument:
    """A post that speaks for a side, with the first answers on the same side and how many there are."""

    post: Post
    replies: list[Post] = field(default_factory=list)
    reply_count: int = 0


@dataclass(frozen=True)
class Side:
    """One column of a debate. ``people`` and ``hosts`` count whoever wrote on this side, this server included."""

    position: str
    arguments: list[Argument]
    count: int
    people: int
    hosts: int

    def has_more_after(self, page: int) -> bool:
        return page * PAGE < self.count


async def sides(tx: Tx, debate: Debate, *, order: str = "top", page: int = 1) -> dict[str, Side]:
    """A page of the arguments of both sides: by likes and then by time, or (``order`` new) the newest first."""
    if debate.topic_id is None:
        return {position: Side(position, [], 0, 0, 0) for position in SIDES}
    voices = await _voices(tx, debate.topic_id)
    return {
        position: await _side(tx, debate.topic_id, position, order, page, *voices.get(position, (0, 0)))
        for position in SIDES
    }


async def _voices(tx: Tx, topic_id: int) -> dict[str, tuple[int, int]]:
    """How many people from how many servers wrote on each side."""
    rows = await tx.execute(
        select(Post.position, func.count(func.distinct(Actor.id)), func.count(func.distinct(Actor.host)))
        .join(Actor, Actor.id == Post.author_id)
        .where(*_said(topic_id, SIDES))
        .group_by(Post.position)
    )
    return {position: (people, hosts) for position, people, hosts in rows}


def _said(topic_id: int, among: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    """The posts of people on some sides, as they can be read."""
    return (
        Post.topic_id == topic_id,
        Post.position.in_(among),
        Post.part == "",
        Post.deleted_at.is_(None),
        Post.hidden_reason == "",
    )


async def _side(tx: Tx, topic_id: int, position: str, order: str, page: int, people: int, hosts: int) -> Side:
    parent = aliased(Post)
    # What is answered is no argument of this side: a stub, another side, nothing, or something that is gone.
    begins = or_(
        Post.reply_to_id.is_(None), parent.part != "", parent.position != position, parent.deleted_at.is_not(None)
    )
    query = select(Post).outerjoin(parent, parent.id == Post.reply_to_id).where(*_said(topic_id, (position,)), begins)
    count = await tx.scalar(select(func.count()).select_from(query.subquery())) or 0
    newest = Post.number.desc()
    ranked = (newest,) if order == "new" else ((Post.like_count_here + Post.like_count_elsewhere).desc(), Post.number)
    query = query.options(*posts.SHOWN).order_by(*ranked).offset((page - 1) * PAGE).limit(PAGE)
    found = list((await tx.execute(query)).scalars())
    under = await _answers(tx, topic_id, position, [post.id for post in found])
    held = await _load(tx, (id_ for ids in under.values() for id_ in ids[:REPLIES]))
    arguments = [
        Argument(post, [held[id_] for id_ in under[post.id][:REPLIES] if id_ in held], len(under[post.id]))
        for post in found
    ]
    return Side(position, arguments, count, people, hosts)


async def _answers(tx: Tx, topic_id: int, position: str, argument_ids: list[int]) -> dict[int, list[int]]:
    """The ids of all answers under each argument, at any depth, in the order in which they were written."""
    root_of = {id_: id_ for id_ in argument_ids}
    under: dict[int, list[int]] = {id_: [] for id_ in argument_ids}
    if argument_ids:
        query = select(Post.id, Post.reply_to_id).where(*_said(topic_id, (position,))).order_by(Post.number)
        for id_, reply_to_id in await tx.execute(query):
            # What answers comes after what is answered.
            if id_ not in root_of and reply_to_id in root_of:
                root_of[id_] = root_of[reply_to_id]
                under[root_of[id_]].append(id_)
    return under


async def _load(tx: Tx, ids: Iterable[int]) -> dict[int, Post]:
    query = select(Post).options(*posts.SHOWN).where(Post.id.in_(list(ids)))
    return {post.id: post for post in (await tx.execute(query)).scalars()}


async def place(
    tx: Tx, topic: Topic, written: posts.Written, parent: Post | None, position: str
) -> tuple[Post | None, posts.Written]:
    """What a member chose in the composer of a debate: the post that is answered, and the text with its position.

    Who chooses a side and answers nobody answers that side's stub; who chooses none (``NONE``) takes none. Anything
    else, and any choice elsewhere than on the floor of a debate, leaves the position of what is answered.
    """
    if topic.closes_at is None:
        return parent, written
    if position == NONE:
        return parent, replace(written, position=NONE)
    if position not in debates.POSITIONS:
        return parent, written
    if parent is None:
        debate = await debates.of_group(tx, topic.group_id)
        parent = (await stubs(tx, debate)).get(position) if debate is not None else None
    if parent is None or parent.position != position:
        written = replace(written, position=position)
    return parent, written


async def stubs(tx: Tx, debate: Debate) -> dict[str, Post]:
    """The posts of the clerk that take answers for each position; none before the floor is open."""
    query = select(Post).where(Post.topic_id == debate.topic_id, Post.part == "stub", Post.deleted_at.is_(None))
    return {post.position: post for post in (await tx.execute(query.order_by(Post.number))).scalars()}
