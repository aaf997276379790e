"""Likes from elsewhere, and the taking back of likes and follows."""

from __future__ import annotations

from sqlalchemy import select

from community import posts, reactions
from community.db import Tx
from community.models import Post, Reaction
from community.policy import Refused
from federation.vocabulary import id_of
from inbox.members import undo_named_follow
from inbox.posts import held_post
from inbox.registry import Received, handles


@handles("Like")
async def like(tx: Tx, received: Received) -> str | None:
    post = await held_post(tx, received)
    uri = id_of(received.document) or ""
    is_new = await reactions.like(tx, received.actor, post, uri=uri, activity=received.activity)
    return "liked" if is_new else "already-liked"


@handles("Undo", "Like")
async def undo_like(tx: Tx, received: Received) -> str | None:
    """Mastodon's Like has an id that it cannot find again, so a like is found by actor and object."""
    uri = id_of(received.object.get("object"))
    post = await posts.find_by_uri(tx, uri) if uri else None
    if post is None or not await reactions.unlike(tx, received.actor, post, activity=received.activity):
        return "was-not-liked"
    return "unliked"


@handles("Undo")
async def undo(tx: Tx, received: Received) -> str | None:
    """Take something back that is only named, by an id whose activity we do not hold any more."""
    undone = received.object
    if not isinstance(undone, str):
        raise Refused("undo-unsupported" if isinstance(undone, dict) else "reference-missing")
    found = (
        await tx.execute(
            select(Post)
            .join(Reaction, Reaction.post_id == Post.id)
            .where(Reaction.uri == undone, Reaction.actor_id == received.actor.id)
        )
    ).scalar_one_or_none()
    if found is not None:
        await reactions.unlike(tx, received.actor, found, activity=received.activity)
        return "unliked"
    return await undo_named_follow(tx, received, undone)
