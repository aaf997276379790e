"""Follows of our people and themes, answers to follows of ours, and actors elsewhere that change or move."""

from __future__ import annotations

from sqlalchemy import delete, select

from community import following, groups, jobs, links, moderation, posts
from community.db import Tx
from community.models import Activity, Actor, Job, Membership
from community.policy import Refused
from federation.debates import keep
from federation.dereference import Unknown, retire
from federation.translate import NotUnderstood, from_actor
from federation.vocabulary import Document, id_of, type_of
from inbox.registry import Received, handles


async def _ours(tx: Tx, received: Received) -> Actor:
    target = await tx.by_uri(Actor, id_of(received.object) or "")
    if target is None or not target.is_local:
        raise Refused("not-found-here")
    return target


@handles("Follow")
async def follow(tx: Tx, received: Received) -> str | None:
    """Accepted at once. A repeated Follow is answered again: the first Accept may have been lost."""
    target = await _ours(tx, received)
    if received.actor.kind == "group" and await groups.is_theme(tx, target.id):
        return await links.asked(tx, received.actor, target, follow=received.document, activity=received.activity)
    await groups.follow(tx, received.actor, target, follow=received.document, activity=received.activity)
    return "followed"


@handles("Undo", "Follow")
async def undo_follow(tx: Tx, received: Received) -> str | None:
    target = await tx.by_uri(Actor, id_of(received.object.get("object")) or "")
    if target is None or not await groups.leave(tx, received.actor, target, activity=received.activity):
        return "was-not-followed"
    return "left"


# --- answers to follows of ours


async def _asked(tx: Tx, received: Received) -> Membership | None:
    """The follow of ours that is answered: by its id, whether embedded or alone, and only by whom it was asked of.
    Some answer with a Follow that has lost its id: then by who follows whom."""
    about = received.object
    uri = id_of(about)
    if uri is not None:
        return await following.asked_of(tx, received.actor, uri)
    if not isinstance(about, dict) or type_of(about) != "Follow" or id_of(about.get("object")) != received.actor.uri:
        return None
    follower = await tx.by_uri(Actor, id_of(about.get("actor")) or "")
    if follower is None or not follower.is_local:
        return None
    return await tx.get(Membership, (follower.id, received.actor.id))


@handles("Accept")
async def accept(tx: Tx, received: Received) -> str | None:
    """Never answered with a Reject: NodeBB sends one for everything that it did not expect, and two that both did
    would never end."""
    membership = await _asked(tx, received)
    if membership is None or membership.state not in ("pending", "accepted"):
        return "not-asked-for"
    if membership.state == "accepted":
        return "already-accepted"
    await following.accepted(tx, membership, received.activity)
    return "follow-accepted"


@handles("Reject")
async def reject(tx: Tx, received: Received) -> str | None:
    """Of a follow, at once or later; else of something that we sent."""
    membership = await _asked(tx, received)
    if membership is None:
        return await _reject_delivery(tx, received)
    if membership.state not in ("pending", "accepted"):
        return "not-asked-for"
    await following.rejected(tx, membership, received.activity)
    return "follow-refused"


async def _reject_delivery(tx: Tx, received: Received) -> str:
    """NodeBB does not answer a request that its handler stumbles over, and sends a Reject instead: what is refused is
    not tried again there, and a post that waited for a group there is refused. Only a group or the server itself can
    say that; a person speaks for nobody else."""
    about = received.object
    sent = await _sent_by_us(tx, about)
    if sent is None or received.actor.kind == "person":
        return "not-asked-for"
    await tx.execute(
        delete(Job)
        .where(
            Job.kind == "deliver",
            Job.lane == received.actor.host,
            Job.argument["activity"].as_string() == sent.uri,
        )
        .execution_options(synchronize_session=False)
    )
    post = await posts.find_by_uri(tx, sent.object_uri) if sent.type == "Create" else None
    if post is not None and await following.refused_post(tx, post, received.actor):
        return "post-refused"
    return "delivery-refused"


async def _sent_by_us(tx: Tx, about: Document | str | None) -> Activity | None:
    """The activity of ours that is named: by its id, in the place of an object, or (NodeBB) by its type and object."""
    inner = about.get("object") if isinstance(about, dict) else None
    for uri in (id_of(about), id_of(inner)):
        found = await tx.by_uri(Activity, uri) if uri else None
        if found is not None and found.direction == "out":
            return found
    if not isinstance(about, dict) or id_of(inner) is None:
        return None
    query = select(Activity).where(
        Activity.direction == "out", Activity.type == (type_of(about) or ""), Activity.object_uri == id_of(inner)
    )
    return (await tx.execute(query.order_by(Activity.id.desc()).limit(1))).scalar_one_or_none()


# --- changes of actors elsewhere


@handles("Move")
async def move(tx: Tx, received: Received) -> str | None:
    """An account moved, says the old one; and so says the new one, in its own document, read after the Move came."""
    uri = id_of(received.document.get("target"))
    if id_of(received.object) != received.actor.uri or uri is None:
        raise Refused("not-the-owner")
    target = await tx.by_uri(Actor, uri)
    if target is None or not (
        target.is_local or (target.fetched_at is not None and target.fetched_at > received.activity.at)
    ):
        raise Unknown(uri)
    return f"moved-with-{await following.follow_move(tx, received.actor, target)}"


async def undo_named_follow(tx: Tx, received: Received, follow: str) -> str:
    membership = (
        await tx.execute(
            select(Membership).where(Membership.actor_id == received.actor.id, Membership.follow_uri == follow)
        )
    ).scalar_one_or_none()
    if membership is None:
        return "was-not-followed"
    group = await tx.get_one(Actor, membership.group_id)
    await groups.leave(tx, received.actor, group, follow_uri=follow, activity=received.activity)
    return "left"


@handles("Update", "Person", "Group", "Service", "Application", "Organization")
async def update_actor(tx: Tx, received: Received) -> str | None:
    """An actor changes its own document, and nobody else's. The key is never taken from here, only from a fetch."""
    if id_of(received.object) != received.actor.uri:
        raise Refused("not-the-owner")
    assert isinstance(received.object, dict)
    if received.via is not None:  # it may be an old one, which nothing in it shows
        await jobs.add(tx, "fetch-actor", {"uri": received.actor.uri}, key=f"fetch-actor:{received.actor.uri}")
        return "looked-at-again"
    try:
        seen = from_actor(received.object, tx.now)
    except NotUnderstood as error:
        raise Refused(error.reason) from None
    if seen.public_key != received.actor.public_key or seen.key_id != received.actor.key_id:
        await jobs.add(tx, "fetch-actor", {"uri": received.actor.uri}, key=f"fetch-actor:{received.actor.uri}")
    actor = received.actor
    actor.name, actor.summary_html, actor.avatar_url = seen.name, seen.summary_html, seen.avatar_url
    actor.url, actor.moved_to = seen.url, seen.moved_to
    if await keep(tx, actor, seen):
        return "debate-updated"
    tx.signal("anything")
    return "actor-updated"


async def delete_actor(tx: Tx, received: Received) -> str:
    """An account elsewhere was closed: it follows nothing any more, and what it wrote goes in the background."""
    actor = received.actor
    await retire(tx, actor)
    await moderation.erase_all(tx, actor)
    return "actor-gone"
