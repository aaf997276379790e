"""Likes and dislikes: at most one of an actor on a post; what is published is how many there are, never who."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select, update

from community.db import Tx
from community.events import Reacted, emit
from community.models import Activity, Actor, Post, Reaction, Topic
from community.policy import require, standing


async def like(
    tx: Tx, actor: Actor, post: Post, *, uri: str = "", value: int = 1, activity: Activity | None = None
) -> bool:
    """Like a post, or dislike it (``value`` -1, which only other servers do). The last word counts: Lemmy sends a new
    vote without taking the old one back. False when this actor had said the same before."""
    actor, post = await tx.own(actor), await tx.own(post)
    topic = await tx.get_one(Topic, post.topic_id)
    require("like", await standing(tx, actor, topic.group_id), post)
    held = await tx.get(Reaction, (post.id, actor.id))
    if held is not None:
        if held.value == value:
            return False
        await _count(tx, post, actor, held.value, -1)
        held.value, held.uri = value, uri
        await _count(tx, post, actor, value, 1)
        await emit(tx, Reacted(post, actor, True, uri, value, activity=activity))
        return True
    uri = uri or f"{tx.settings.origin}/u/{actor.handle}/likes/{post.id}-{int(tx.now.timestamp() * 1_000_000)}"
    tx.add(Reaction(post_id=post.id, actor_id=actor.id, uri=uri, value=value, created_at=tx.now))
    await tx.flush()
    await _count(tx, post, actor, value, 1)
    await emit(tx, Reacted(post, actor, True, uri, value, activity=activity))
    return True


async def unlike(tx: Tx, actor: Actor, post: Post, *, activity: Activity | None = None) -> bool:
    """Take a like back. False when there was none."""
    actor, post = await tx.own(actor), await tx.own(post)
    reaction = await tx.get(Reaction, (post.id, actor.id))
    if reaction is None:
        return False
    uri, value = reaction.uri, reaction.value
    await tx.execute(delete(Reaction).where(Reaction.post_id == post.id, Reaction.actor_id == actor.id))
    tx.expunge(reaction)
    await _count(tx, post, actor, value, -1)
    await emit(tx, Reacted(post, actor, False, uri, value, activity=activity))
    return True


async def _count(tx: Tx, post: Post, actor: Actor, value: int, by: int) -> None:
    column = Post.like_count_here if actor.is_local else Post.like_count_elsewhere
    if value < 0:
        column = Post.dislike_count
    await tx.execute(
        update(Post)
        .where(Post.id == post.id)
        .values({column: column + by})
        .execution_options(synchronize_session=False)
    )
    await tx.refresh(post, ["like_count_here", "like_count_elsewhere", "dislike_count"])
    tx.signal(f"topic:{post.topic_id}", post)


async def liked_by(tx: Tx, actor_id: int, post_ids: Iterable[int]) -> set[int]:
    """Which of these posts an actor likes."""
    return set(
        (
            await tx.execute(
                select(Reaction.post_id).where(Reaction.actor_id == actor_id, Reaction.post_id.in_(post_ids))
            )
        ).scalars()
    )
