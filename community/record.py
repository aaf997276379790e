"""What was said in a debate, as it is printed and handed on: without what was deleted, hidden or written by somebody
who is suspended. Read in parts, so that a debate of thousands of posts needs no more room than a small one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import joinedload, selectinload

from community.db import Tx
from community.debate_models import Debate, Question
from community.models import Actor, Post

PART = 200
QUESTIONS_MAX = 500


def is_public() -> ColumnElement[bool]:
    """Of posts joined with their authors: those that may be handed on."""
    return Post.deleted_at.is_(None) & (Post.hidden_reason == "") & (Actor.state != "suspended")


def may_be_told(post: Post | None) -> bool:
    """The same of one post, whose author has to be loaded."""
    return (
        post is not None
        and post.deleted_at is None
        and not post.hidden_reason
        and post.author.state != "suspended"
    )  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A post among all: enough to choose by, before it is loaded."""

    id: int
    number: int
    position: str
    part: str


async def entries(tx: Tx, debate: Debate) -> list[Entry]:
    """All posts of a debate that may be handed on, in order."""
    rows = await tx.execute(
        select(Post.id, Post.number, Post.position, Post.part)
        .join(Actor, Actor.id == Post.author_id)
        .where(Post.topic_id == debate.topic_id, is_public())
        .order_by(Post.number)
    )
    return [Entry(*row) for row in rows]


async def load(tx: Tx, ids: list[int]) -> list[Post]:
    """Posts in the order of ``ids``, with authors and the posts that they answer; without those gone meanwhile."""
    query = (
        select(Post)
        .join(Actor, Actor.id == Post.author_id)
        .options(joinedload(Post.author, innerjoin=True), selectinload(Post.reply_to).joinedload(Post.author))
        .where(Post.id.in_(ids), is_public())
    )
    found = {post.id: post for post in (await tx.execute(query)).scalars()}
    return [found[id_] for id_ in ids if id_ in found]


async def questions(tx: Tx, debate: Debate, *, limit: int = QUESTIONS_MAX) -> list[Question]:
    """The questions to the panel with what was asked, their cards and answers: those with a card in its order, the
    others as they came. An answer that may not be told any more is left out by whoever shows it."""
    query = (
        select(Question)
        .join(Post, Post.id == Question.post_id)
        .join(Actor, Actor.id == Post.author_id)
        .options(
            joinedload(Question.post, innerjoin=True).joinedload(Post.author, innerjoin=True),
            joinedload(Question.card),
            joinedload(Question.answer).joinedload(Post.author),
        )
        .where(Question.debate_id == debate.actor_id, is_public())
        .order_by(Question.number == 0, Question.number, Question.id)
        .limit(limit)
    )
    return list((await tx.execute(query)).scalars())


@dataclass(frozen=True)
class Voices:
    """How much was said, the clerk's own posts left out."""

    posts: int
    people: int
    servers: int
    sides: Counter[str]


async def voices(tx: Tx, debate: Debate) -> Voices:
    said = (Post.topic_id == debate.topic_id) & (Post.part == "") & is_public()
    joined = select(func.count(), func.count(func.distinct(Actor.id)), func.count(func.distinct(Actor.host)))
    row = (await tx.execute(joined.select_from(Post).join(Actor, Actor.id == Post.author_id).where(said))).one()
    counted = await tx.execute(
        select(Post.position, func.count().label("count"))
        .join(Actor, Actor.id == Post.author_id)
        .where(said)
        .group_by(Post.position)
    )
    return Voices(row[0], row[1], row[2], Counter({row[0]: row[1] for row in counted}))
