"""Likes and dislikes from elsewhere, and the taking back of them and of follows."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from community import posts, reactions
from community.db import Tx
from community.models import Post, Reaction
from community.policy import Refused
from federation.vocabulary import id_of, type_of
from inbox.debates import seat_of, take_answer
from inbox.members import undo_named_follow
from inbox.posts import held_post
from inbox.registry import Received, handles


@handles("Like")
@handles("EmojiReact")
async def like(tx: Tx, received: Received) -> str | None:
    """A Like with an emoji for its content (Misskey) and an EmojiReact (Pleroma) are likes, as PieFed takes them."""
    return await take_answer(tx, received) or await _vote(tx, received, 1)


@handles("Dislike")
async def dislike(tx: Tx, received: Received) -> str | None:
    return await _vote(tx, received, -1)


async def _vote(tx: Tx, received: Received, value: int) -> str:
    post = await held_post(tx, received)
    uri = id_of(received.document) or ""
    is_new = await reactions.like(tx, received.actor, post, uri=uri, value=value, activity=received.original)
    word = "liked" if value > 0 else "disliked"
    return word if is_new else f"already-{word}"


@handles("Undo", "Like", "Dislike", "EmojiReact")
async def undo_vote(tx: Tx, received: Received) -> str | None:
    """Mastodon's Like has an id that it cannot find again, so a vote is found by actor and object. One that was
    replaced by its opposite meanwhile is not the one that stands."""
    uri = id_of(received.object.get("object"))
    post = await posts.find_by_uri(tx, uri) if uri else None
    if post is None:
        return "seat-stands" if uri and await seat_of(tx, uri) is not None else "was-not-liked"
    await held_post(tx, replace(received, document=received.object))
    held = await tx.get(Reaction, (post.id, received.actor.id))
    value = -1 if type_of(received.object) == "Dislike" else 1
    if held is None or held.value != value:
        return "was-not-liked"
    await reactions.unlike(tx, received.actor, post, activity=received.original)
    return "unliked" if value > 0 else "undisliked"


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
        await held_post(tx, replace(received, document={"object": found.uri}))
        await reactions.unlike(tx, received.actor, found, activity=received.original)
        return "unliked"
    return "was-not-liked" if received.via is not None else await undo_named_follow(tx, received, undone)
