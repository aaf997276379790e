"""Contributions from elsewhere: new ones, edits, deletions."""

from __future__ import annotations

from community import posts
from community.db import Tx
from community.models import Actor, Post
from community.policy import Refused
from federation.dereference import store_note, written
from federation.translate import OBJECT_TYPES, NotUnderstood, SeenNote, from_note
from federation.vocabulary import id_of, same_origin
from inbox.members import delete_actor
from inbox.registry import Received, handles


def _note(tx: Tx, received: Received) -> SeenNote:
    """The embedded object, believed because its own author signed the activity."""
    assert isinstance(received.object, dict)
    try:
        seen = from_note(received.object, tx.now)
    except NotUnderstood as error:
        raise Refused(error.reason) from None
    if seen.author_uri != received.actor.uri:
        raise Refused("author-is-not-signer")
    return seen


@handles("Create", *OBJECT_TYPES)
async def create(tx: Tx, received: Received) -> str | None:
    """A reply goes under its parent, anything else opens a topic in the theme that it addresses."""
    seen = _note(tx, received)
    if await posts.find_by_uri(tx, seen.uri) is not None:
        return "already-held"
    if seen.in_reply_to is not None and seen.title and not received.object.get("content"):
        return "vote-without-poll"
    post = await store_note(tx, seen, received.activity)
    return "topic-opened" if post.number == 1 else "replied"


@handles("Update", *OBJECT_TYPES)
async def update(tx: Tx, received: Received) -> str | None:
    """An edit by the author; of a thing that never reached us it is as good as the original."""
    seen = _note(tx, received)
    post = await posts.find_by_uri(tx, seen.uri)
    if post is None:
        await store_note(tx, seen, received.activity)
        return "created-by-update"
    if post.author_id != received.actor.id:
        raise Refused("only-the-author")
    if not seen.is_public:
        raise Refused("not-public")
    changed = await posts.edit(tx, received.actor, post, await written(tx, seen), activity=received.activity)
    return "edited" if changed else "nothing-new"


@handles("Delete")
async def delete(tx: Tx, received: Received) -> str | None:
    """A deletion by the author, of a post or of the whole account. What we never held is remembered as deleted."""
    uri = id_of(received.object)
    if uri is None:
        raise Refused("reference-missing")
    if uri == received.actor.uri:
        return await delete_actor(tx, received)
    post = await posts.find_by_uri(tx, uri)
    if post is None:
        if not same_origin(uri, received.actor.uri):
            raise Refused("not-the-owner")
        await posts.bury(tx, uri)
        return "remembered"
    if post.deleted_at is not None:
        return "already-deleted"
    author = await tx.get_one(Actor, post.author_id)
    if author.id != received.actor.id:
        raise Refused("only-the-author")
    await posts.erase(tx, received.actor, post, activity=received.activity)
    return "deleted"


async def held_post(tx: Tx, received: Received) -> Post:
    """The post that a reaction is about; one that we do not hold is not worth fetching for it."""
    uri = id_of(received.object)
    post = await posts.find_by_uri(tx, uri) if uri else None
    if post is None:
        raise Refused("post-not-held")
    return post
