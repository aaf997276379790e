"""Contributions from elsewhere: new ones, edits, deletions."""

from __future__ import annotations

from community import moderation, polls, posts
from community.db import Tx
from community.models import Actor, Post, Topic
from community.policy import Refused, require, standing
from federation.dereference import Stale, store_note, written
from federation.translate import OBJECT_TYPES, PRIVATE_TYPES, NotUnderstood, SeenNote, from_note
from federation.vocabulary import id_of, same_origin
from inbox.citations import take_message
from inbox.members import delete_actor
from inbox.polls import take_note
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


@handles("Create", *OBJECT_TYPES, *PRIVATE_TYPES)
async def create(tx: Tx, received: Received) -> str | None:
    """A reply goes under its parent, anything else opens a topic in the theme that it addresses."""
    told = await take_message(tx, received)
    if told is not None:
        return told
    seen = _note(tx, received)
    if await posts.find_by_uri(tx, seen.uri) is not None:
        return "already-held"
    if seen.vote_for:
        return await take_note(tx, received, seen)
    post = await store_note(tx, seen, received.original, via=_place(received))
    return "topic-opened" if post.number == 1 else "replied"


def _place(received: Received) -> str | None:
    return received.via.uri if received.via is not None else None


@handles("Update", *OBJECT_TYPES)
async def update(tx: Tx, received: Received) -> str | None:
    """An edit by the author; of a thing that never reached us it is as good as the original."""
    seen = _note(tx, received)
    post = await posts.find_by_uri(tx, seen.uri)
    if post is None:
        await store_note(tx, seen, received.original, via=_place(received))
        return "created-by-update"
    if post.author_id != received.actor.id:
        raise Refused("only-the-author")
    if not seen.is_public:
        raise Refused("not-public")
    if received.via is not None and seen.edited_at is None:  # it may be an old one, announced again
        raise Stale(seen.uri)
    changed = await posts.edit(tx, received.actor, post, await written(tx, seen), activity=received.original)
    if seen.poll is not None and post.kind == "Question":
        # An edit is passed on as such, with the tallies in it.
        is_news = await polls.retell(tx, post, seen.poll, activity=None if changed else received.original)
        return "edited" if changed else "tallied" if is_news else "nothing-new"
    return "edited" if changed else "nothing-new"


@handles("Delete")
async def delete(tx: Tx, received: Received) -> str | None:
    """A deletion by the author, of a post or of the whole account; or by who keeps order in the group, with a reason.
    What we never held is remembered as deleted."""
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
    if post.author_id == received.actor.id:
        await posts.erase(tx, received.actor, post, activity=received.original)
        return "deleted"
    reason = received.reason(moderation.MAX_REASON)
    await posts.erase(tx, received.by, post, reason=reason, activity=received.original)
    return "removed"


@handles("Undo", "Delete")
async def undo_delete(tx: Tx, received: Received) -> str | None:
    """A group takes the removal of a post back. Its text is gone here: it is fetched where it was written."""
    uri = id_of(received.object.get("object"))
    post = await posts.find_by_uri(tx, uri) if uri else None
    if post is None or post.deleted_at is None:
        return "was-not-deleted"
    if not post.deleted_reason:
        raise Refused("deleted-by-its-author")
    topic = await tx.get_one(Topic, post.topic_id)
    require("moderate", await standing(tx, received.by, topic.group_id), topic)
    author = await tx.get_one(Actor, post.author_id)
    if author.is_local:
        raise Refused("text-is-gone")
    raise Stale(post.uri, Stale.RESTORED, received.by.uri)


async def held_post(tx: Tx, received: Received) -> Post:
    """The post that a reaction is about; one that we do not hold is not worth fetching for it. A group elsewhere speaks
    for the posts in its own topics only."""
    uri = id_of(received.object)
    post = await posts.find_by_uri(tx, uri) if uri else None
    if post is None:
        raise Refused("post-not-held")
    received.require_place((await tx.get_one(Topic, post.topic_id)).group_id)
    return post
