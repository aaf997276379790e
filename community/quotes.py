"""Quotes: who elsewhere may quote a post of ours (FEP-044f), and which of the posts that ours quote we hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from community.db import Tx
from community.events import PostDeleted, QuoteAnswered, QuoteRevoked, emit, on
from community.models import Activity, Actor, Post, Quote, Topic
from community.policy import FEDIVERSE, Refused, refusal, standing


async def ask(
    tx: Tx, actor: Actor, post: Post, quoting_uri: str, *, request: dict[str, Any], activity: Activity | None = None
) -> bool:
    """Somebody elsewhere asks to quote a post of ours: granted, unless it is gone or hidden or they may not write here.

    Answers whether it was granted. The same question again gets the same answer. Raises Refused quoted-by-another
    where somebody else holds the permission for that address.
    """
    author = await tx.get_one(Actor, post.author_id)
    topic = await tx.get_one(Topic, post.topic_id)
    who = await standing(tx, actor, topic.group_id)
    quote = None
    if refusal("quote", who, post) is None and refusal("read", FEDIVERSE, topic) is None:
        query = select(Quote).where(Quote.quoting_uri == quoting_uri)
        quote = (await tx.execute(query)).scalar_one_or_none()
        if quote is None:
            quote = Quote(post_id=post.id, quoting_uri=quoting_uri, actor_id=actor.id, created_at=tx.now)
            tx.add(quote)
            await tx.flush()
        elif (quote.actor_id, quote.post_id) != (actor.id, post.id):
            raise Refused("quoted-by-another")
        elif quote.revoked_at is not None:
            quote = None
    await emit(tx, QuoteAnswered(post, author, actor, request, quote, activity=activity))
    return quote is not None


@on(PostDeleted)
async def revoke_all(tx: Tx, event: PostDeleted) -> None:
    """What is deleted may be quoted no longer."""
    query = select(Quote).where(Quote.post_id == event.post.id, Quote.revoked_at.is_(None))
    for quote in (await tx.execute(query)).scalars().all():
        quote.revoked_at = tx.now
        await emit(tx, QuoteRevoked(quote, event.author, await tx.get_one(Actor, quote.actor_id)))
    await tx.flush()


async def one(tx: Tx, quote_id: int) -> Quote | None:
    """A permission with the post that it is about."""
    query = select(Quote).options(joinedload(Quote.post).joinedload(Post.author)).where(Quote.id == quote_id)
    return (await tx.execute(query)).scalar_one_or_none()


async def held(tx: Tx, page: Iterable[Post]) -> dict[str, Post]:
    """Of the posts that these ones quote those that we hold and anybody may read, with author and topic, by their
    uris."""
    wanted = {post.quote_uri for post in page if post.quote_uri and post.deleted_at is None}
    if not wanted:
        return {}
    query = (
        select(Post)
        .join(Topic, Topic.id == Post.topic_id)
        .options(joinedload(Post.author), joinedload(Post.topic))
        .where(
            Post.uri.in_(wanted) | Post.url.in_(wanted),
            Post.deleted_at.is_(None),
            Post.hidden_reason == "",
            Post.author.has(Actor.state != "suspended"),
            Topic.deleted_at.is_(None),
            Topic.hidden_reason == "",
        )
    )
    found: dict[str, Post] = {}
    for post in (await tx.execute(query)).scalars():
        found |= {uri: post for uri in (post.url, post.uri) if uri in wanted}
    return found
