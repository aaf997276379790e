"""Keeping order across servers: reports; and bans, locks, pins and appointments by who moderates a group.

Of a group of ours its moderators act directly, wherever they are at home; of a group elsewhere that group announces
what its moderators did, and we follow it within its own topics. The policy asks for the authority, in every case.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import or_, select

from community import moderation, posts, topics
from community.db import Tx
from community.models import Actor, Post, Topic
from community.policy import Refused, require, standing
from federation.dereference import need
from federation.vocabulary import host_of, id_of, ids_of, parse_time, same_origin
from inbox.posts import held_post
from inbox.registry import Received, handles

_NAMED_MAX = 20


# --- Reports ---------------------------------------------------------------------------------------------------------


@handles("Flag")
async def flag(tx: Tx, received: Received) -> str | None:
    """A report for our staff; never published and never passed on. Lemmy names one post, Mastodon and NodeBB the person
    first and then posts, Mastodon signing it all as its instance actor. What we do not hold is left out."""
    held: list[Post] = []
    about: Actor | None = None
    group: Actor | None = None
    for uri in ids_of(received.object)[:_NAMED_MAX]:
        post = await posts.find_by_uri(tx, uri)
        if post is not None and post.deleted_at is None and post not in held:
            held.append(post)
        elif post is None and about is None:
            person = await tx.by_uri(Actor, uri)
            about = person if person is not None and person.kind in ("person", "service") else None
    if not held and about is None:
        raise Refused("reference-missing" if not ids_of(received.object) else "post-not-held")
    for uri in ids_of(received.document.get("to"))[:_NAMED_MAX]:
        addressed = await tx.by_uri(Actor, uri)
        group = addressed if addressed is not None and addressed.kind == "group" and addressed.is_local else group
    made = await moderation.report(
        tx,
        received.actor,
        about=about,
        posts=held,
        group=group,
        reason=received.reason(moderation.MAX_REPORT),
        uri=id_of(received.document),
    )
    return "reported" if made else "already-reported"


# --- Bans ------------------------------------------------------------------------------------------------------------


async def _banned_from(tx: Tx, received: Received, block: Any) -> Actor | str:
    """The group that a Block is about, or the outcome of one that is about no group: Mastodon's and its kin's is a
    matter between two people and has no target; Lemmy bans from a whole server with its instance actor as target."""
    target = id_of(block.get("target"))
    if target is None:
        return "block-between-people"
    group = await tx.by_uri(Actor, target)
    if group is None or group.kind != "group":
        return "ban-of-another-server"
    received.require_place(group.id)
    require("moderate", await standing(tx, received.by, group.id), None)
    return group


async def _person(tx: Tx, uri: str | None, group: Actor) -> Actor:
    """Whom it is about. For a group of ours somebody we never met is fetched, so that a ban holds when they come."""
    if group.is_local:
        return await need(tx, Actor, uri)
    person = await tx.by_uri(Actor, uri) if uri else None
    if person is None:
        raise Refused("person-not-held" if uri else "reference-missing")
    return person


@handles("Block")
async def block(tx: Tx, received: Received) -> str | None:
    group = await _banned_from(tx, received, received.document)
    if isinstance(group, str):
        return group
    person = await _person(tx, id_of(received.object), group)
    ends = received.document.get("endTime") or received.document.get("expires")
    until = parse_time(ends, datetime.max.replace(tzinfo=UTC))
    if ends and until is None:
        raise Refused("time-unclear")
    is_new = await moderation.ban(
        tx,
        received.by,
        group,
        person,
        reason=received.reason(moderation.MAX_REASON),
        until=until,
        removes_posts=received.document.get("removeData") is True,
        activity=received.original,
    )
    return "banned" if is_new else "already-banned"


@handles("Undo", "Block")
async def undo_block(tx: Tx, received: Received) -> str | None:
    undone = received.object
    group = await _banned_from(tx, received, undone)
    if isinstance(group, str):
        return group
    person = await _person(tx, id_of(undone.get("object")), group)
    reason = received.reason(moderation.MAX_REASON)
    is_new = await moderation.unban(tx, received.by, group, person, reason=reason, activity=received.original)
    return "let-in-again" if is_new else "was-not-banned"


# --- Topics: locked, pinned ------------------------------------------------------------------------------------------


async def _topic_of(tx: Tx, received: Received, post: Post, refusal: str) -> Topic:
    if post.number != 1:
        raise Refused(refusal)
    received.require_place((await tx.get_one(Topic, post.topic_id)).group_id)
    return await tx.lock(Topic, post.topic_id)


async def _close(tx: Tx, received: Received, post: Post, *, is_on: bool) -> str:
    topic = await _topic_of(tx, received, post, "only-topics-are-locked")
    was_on = topic.closed_at is not None
    reason = received.reason(moderation.MAX_REASON)
    await topics.close(tx, received.by, topic, is_on=is_on, reason=reason, activity=received.original)
    if was_on is is_on:
        return "nothing-new"
    return "closed" if is_on else "opened-again"


@handles("Lock")
async def lock(tx: Tx, received: Received) -> str | None:
    """Lemmy, PieFed and Mbin lock topics, and Lemmy replies as well, which we do not."""
    return await _close(tx, received, await held_post(tx, received), is_on=True)


@handles("Undo", "Lock")
async def undo_lock(tx: Tx, received: Received) -> str | None:
    uri = id_of(received.object.get("object"))
    post = await posts.find_by_uri(tx, uri) if uri else None
    if post is None:
        raise Refused("post-not-held")
    return await _close(tx, received, post, is_on=False)


async def _collection(tx: Tx, received: Received) -> tuple[Actor, bool]:
    """The group whose collection is changed, and whether that is the one of its moderators (else of its pins)."""
    target = id_of(received.document.get("target"))
    if target is None:
        raise Refused("reference-missing")
    if same_origin(target, tx.settings.origin):
        uri, _, name = target.rpartition("/")
        group = await tx.by_uri(Actor, uri)
        if group is None or group.kind != "group" or name not in ("featured", "moderators"):
            raise Refused("target-unknown")
        return group, name == "moderators"
    query = select(Actor).where(
        Actor.kind == "group",
        Actor.host == (host_of(target) or ""),
        or_(Actor.featured_uri == target, Actor.moderators_uri == target),
    )
    group = (await tx.execute(query.order_by(Actor.id).limit(1))).scalar_one_or_none()
    if group is None:
        raise Refused("target-unknown")
    return group, group.moderators_uri == target


async def _change(tx: Tx, received: Received, *, is_on: bool) -> str:
    group, is_of_moderators = await _collection(tx, received)
    received.require_place(group.id)
    require("moderate", await standing(tx, received.by, group.id), None)
    if is_of_moderators:
        person = await _person(tx, id_of(received.object), group)
        is_new = await moderation.set_moderator(tx, received.by, group, person, is_on=is_on, activity=received.original)
        if not is_new:
            return "nothing-new"
        return "appointed" if is_on else "dismissed"
    topic = await _topic_of(tx, received, await held_post(tx, received), "only-topics-are-pinned")
    if topic.group_id != group.id:
        raise Refused("not-of-that-group")
    was_on = topic.pinned_at is not None
    reason = received.reason(moderation.MAX_REASON)
    await topics.pin(tx, received.by, topic, is_on=is_on, reason=reason, activity=received.original)
    if was_on is is_on:
        return "nothing-new"
    return "pinned" if is_on else "unpinned"


@handles("Add")
async def add(tx: Tx, received: Received) -> str | None:
    """To the pinned topics or to the moderators of a group, by the address of that collection."""
    return await _change(tx, received, is_on=True)


@handles("Remove")
async def remove(tx: Tx, received: Received) -> str | None:
    return await _change(tx, received, is_on=False)
