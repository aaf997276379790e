"""Follows of our people and themes, and changes of actors elsewhere."""

from __future__ import annotations

from sqlalchemy import select

from community import groups, jobs, posts
from community.db import Tx
from community.models import Actor, Membership, Post
from community.policy import Refused
from federation.dereference import retire
from federation.site import Site
from federation.translate import NotUnderstood, from_actor
from federation.vocabulary import id_of
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
    await groups.follow(tx, received.actor, target, follow=received.document, activity=received.activity)
    return "followed"


@handles("Undo", "Follow")
async def undo_follow(tx: Tx, received: Received) -> str | None:
    target = await tx.by_uri(Actor, id_of(received.object.get("object")) or "")
    if target is None or not await groups.leave(tx, received.actor, target, activity=received.activity):
        return "was-not-followed"
    return "left"


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
    try:
        seen = from_actor(received.object, tx.now)
    except NotUnderstood as error:
        raise Refused(error.reason) from None
    if seen.public_key != received.actor.public_key or seen.key_id != received.actor.key_id:
        await jobs.add(tx, "fetch-actor", {"uri": received.actor.uri}, key=f"fetch-actor:{received.actor.uri}")
    actor = received.actor
    actor.name, actor.summary_html, actor.avatar_url = seen.name, seen.summary_html, seen.avatar_url
    actor.url, actor.moved_to = seen.url, seen.moved_to
    tx.signal("anything")
    return "actor-updated"


async def delete_actor(tx: Tx, received: Received) -> str:
    """An account elsewhere was closed: it follows nothing any more, and what it wrote goes in the background."""
    actor = received.actor
    await retire(tx, actor)
    await jobs.add(tx, "erase-posts", {"actor": actor.id}, key=f"erase-posts:{actor.id}")
    return "actor-gone"


@jobs.works("erase-posts")
async def erase_posts(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Erase everything that a closed account wrote, fifty posts in a transaction."""
    for job in claimed:
        while True:
            async with site.database.write() as tx:
                actor = await tx.get_one(Actor, job.argument["actor"])
                left = select(Post).where(Post.author_id == actor.id, Post.deleted_at.is_(None)).limit(50)
                rest = (await tx.execute(left)).scalars().all()
                for post in rest:
                    await posts.erase(tx, actor, post)
            if not rest:
                break
    return [jobs.Done(job) for job in claimed]
