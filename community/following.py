"""Whom our members and groups follow elsewhere, and how followers go along when somebody moves.

A follow is pending until the other side answers. Whom somebody here follows has a place here, which holds topics.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from community import groups, jobs
from community.db import Tx
from community.events import ActorChanged, MembershipChanged, Moved, emit
from community.models import Activity, Actor, Membership, Notification, Post, Theme, Topic
from community.policy import Refused, require, standing, state_of_host

# As long as Mastodon: who moves every day would move the followers of others along.
MOVE_AGAIN_AFTER = timedelta(days=7)
CAN_BE_FOLLOWED = ("person", "group", "service")


async def follow(tx: Tx, actor: Actor, target: Actor) -> Membership:
    """A member or group of ours asks to follow somebody elsewhere. What was asked already is not asked again; after a
    refusal or a parting it is asked under a new id, since others remember the old one. Raises Refused."""
    actor, target = await tx.own(actor), await tx.own(target)
    require("follow", await standing(tx, actor, target.id), target)
    if target.is_local or target.kind not in CAN_BE_FOLLOWED:
        raise Refused("cannot-be-followed")
    if await state_of_host(tx, target.host) == "blocked":
        raise Refused("host-is-blocked")
    membership = await tx.get(Membership, (actor.id, target.id))
    if membership is not None and membership.state in ("pending", "accepted") and membership.follow_uri:
        return membership
    await groups.ensure_place(tx, target)
    if membership is None:
        membership = Membership(actor_id=actor.id, group_id=target.id, role="member", created_at=tx.now)
        tx.add(membership)
    membership.state = "pending"
    membership.follow_uri = f"{tx.settings.origin}/a/{secrets.token_hex(9)}"
    await _changed(tx, membership, actor, target, "ask")
    return membership


async def withdraw(tx: Tx, actor: Actor, target: Actor) -> bool:
    """Stop following somebody elsewhere; False when there was nothing to stop."""
    actor, target = await tx.own(actor), await tx.own(target)
    membership = await tx.get(Membership, (actor.id, target.id))
    if membership is None or membership.state not in ("pending", "accepted"):
        return False
    membership.state = "left"
    await _changed(tx, membership, actor, target, "withdraw")
    return True


async def accepted(tx: Tx, membership: Membership, activity: Activity | None = None) -> None:
    """The other side said yes: what it holds already is fetched."""
    membership.state = "accepted"
    actor, target = await _both(tx, membership)
    await jobs.add(tx, "backfill-place", {"actor": target.id}, key=f"backfill-place:{target.id}")
    await _changed(tx, membership, actor, target, "accept", activity)


async def rejected(tx: Tx, membership: Membership, activity: Activity | None = None) -> None:
    """The other side said no, at once or later, which ends a follow that it had accepted before."""
    membership.state = "rejected"
    actor, target = await _both(tx, membership)
    _tell(tx, actor, "refused", target)
    await _changed(tx, membership, actor, target, "reject", activity)


async def heard(tx: Tx, group: Actor) -> None:
    """A group that announces to us has one of ours among its followers, also where no Accept came: PieFed sends none
    to whom it has known before. So what waits for it is accepted, if nobody's follow of it is yet."""
    waiting = await _of_ours(tx, group, "pending", "accepted")
    if all(membership.state == "pending" for membership, _ in waiting):
        for membership, _ in waiting:
            await accepted(tx, membership)


async def _both(tx: Tx, membership: Membership) -> tuple[Actor, Actor]:
    return await tx.get_one(Actor, membership.actor_id), await tx.get_one(Actor, membership.group_id)


async def _changed(
    tx: Tx, membership: Membership, actor: Actor, target: Actor, what: str, activity: Activity | None = None
) -> None:
    tx.noted.clear()
    await tx.flush()
    tx.signal("anything")
    await emit(tx, MembershipChanged(membership, actor, target, what, activity=activity))


def _tell(tx: Tx, actor: Actor, kind: str, about: Actor, post: Post | None = None) -> None:
    if actor.is_local and actor.kind == "person":
        note = Notification(account_id=actor.id, kind=kind, actor_id=about.id, created_at=tx.now)
        note.post = post
        tx.add(note)
        tx.signal(f"account:{actor.id}")


async def asked_of(tx: Tx, target: Actor, follow_uri: str) -> Membership | None:
    """The follow of ours with this id, if it is one of ``target``."""
    query = select(Membership).where(Membership.group_id == target.id, Membership.follow_uri == follow_uri)
    return (await tx.execute(query)).scalar_one_or_none()


async def _of_ours(tx: Tx, target: Actor, *states: str) -> list[tuple[Membership, Actor]]:
    """The follows of ``target`` by members and groups of ours that are in one of these states."""
    rows = await tx.execute(
        select(Membership, Actor)
        .join(Actor, Actor.id == Membership.actor_id)
        .where(Membership.group_id == target.id, Membership.state.in_(states), Actor.host == "")
        .order_by(Actor.id)
    )
    return [(membership, actor) for membership, actor in rows]


async def refused_post(tx: Tx, post: Post, by: Actor) -> bool:
    """A group elsewhere does not take what a member of ours wrote for it; False when it was not waiting for that."""
    topic = await tx.get_one(Topic, post.topic_id)
    group = await tx.get_one(Actor, topic.group_id)
    if post.acceptance != "waiting" or group.host != by.host:
        return False
    post.acceptance = "refused"
    _tell(tx, await tx.get_one(Actor, post.author_id), "refused", group, post)
    await tx.flush()
    tx.signal(f"topic:{topic.id}", post)
    return True


# --- for pages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Followed:
    """Somebody elsewhere whom one of ours follows; ``state`` is pending, accepted or rejected."""

    actor: Actor
    theme: Theme
    state: str


async def followed(tx: Tx, actor_id: int) -> list[Followed]:
    """Whom somebody follows elsewhere, groups first, by name. Refusals are in it, so that they are seen."""
    rows = await tx.execute(
        select(Membership.state, Theme)
        .join(Theme, Theme.actor_id == Membership.group_id)
        .join(Actor, Actor.id == Theme.actor_id)
        .where(
            Membership.actor_id == actor_id,
            Membership.state.in_(("pending", "accepted", "rejected")),
            Membership.follow_uri != "",
            Actor.host != "",
        )
        .order_by(Actor.kind != "group", Actor.name, Actor.id)
    )
    return [Followed(theme.actor, theme, state) for state, theme in rows]


async def state_of(tx: Tx, actor: Actor | None, target: Actor) -> str:
    """How one of ours stands to somebody: '' where there is nothing, else the state of the follow."""
    membership = await tx.get(Membership, (actor.id, target.id)) if actor is not None else None
    if membership is None or membership.state == "left" or (target.host and not membership.follow_uri):
        return ""  # who moderates a group elsewhere need not follow it
    return membership.state


async def group_elsewhere(tx: Tx, handle: str, host: str) -> Actor | None:
    """A group on another server by its handle, also where a person there has the same."""
    query = select(Actor).where(Actor.handle == handle, Actor.host == host, Actor.host != "", Actor.kind == "group")
    return (await tx.execute(query.order_by(Actor.id).limit(1))).scalar_one_or_none()


# --- moving ----------------------------------------------------------------------------------------------------------


def _check_move(tx: Tx, old: Actor, target: Actor) -> None:
    is_of_another_kind = target.kind != old.kind and "group" in (target.kind, old.kind)
    if target.id == old.id or is_of_another_kind or old.uri not in target.also_known_as:
        raise Refused("move-not-confirmed")
    if old.moved_at is not None and old.moved_at > tx.now - MOVE_AGAIN_AFTER:
        raise Refused("moved-a-moment-ago")


async def follow_move(tx: Tx, old: Actor, target: Actor) -> int:
    """Somebody elsewhere moved: those of ours who follow the old account follow the new one instead, and exclusions go
    along. ``target`` must have been read just now. Answers how many of ours went along. Raises Refused."""
    old, target = await tx.own(old), await tx.own(target)
    _check_move(tx, old, target)
    old.moved_to, old.moved_at = target.uri, tx.now
    await _exclude(tx, old, target)
    count = 0
    for _, follower in await _of_ours(tx, old, "pending", "accepted"):
        await withdraw(tx, follower, old)
        try:
            if target.is_local:
                await groups.follow(tx, follower, target)
            else:
                await follow(tx, follower, target)
        except Refused:
            continue
        _tell(tx, follower, "moved", target)
        count += 1
    await tx.flush()
    return count


async def _exclude(tx: Tx, old: Actor, target: Actor) -> None:
    bans = select(Membership).where(Membership.actor_id == old.id, Membership.role == "banned")
    for ban in (await tx.execute(bans)).scalars().all():
        membership = await tx.get(Membership, (target.id, ban.group_id))
        if membership is None:
            membership = Membership(actor_id=target.id, group_id=ban.group_id, state="left", created_at=tx.now)
            tx.add(membership)
        elif membership.role in ("moderator", "owner"):
            continue
        membership.role, membership.banned_until = "banned", ban.banned_until
    await tx.flush()


async def move(tx: Tx, actor: Actor, target: Actor) -> None:
    """A member of ours moves away: their followers elsewhere are asked to follow ``target``, which must name this
    account as one of its own; nothing more can be written from here. Raises Refused."""
    actor, target = await tx.own(actor), await tx.own(target)
    _check_move(tx, actor, target)
    actor.moved_to, actor.moved_at = target.uri, tx.now
    await tx.flush()
    tx.signal("anything")
    await emit(tx, ActorChanged(actor))
    await emit(tx, Moved(actor, target))


async def stay(tx: Tx, actor: Actor) -> None:
    """A member who moved away writes from here again. Followers who went along are not called back."""
    actor = await tx.own(actor)
    actor.moved_to = ""
    await tx.flush()
    tx.signal("anything")
    await emit(tx, ActorChanged(actor))


async def set_aliases(tx: Tx, actor: Actor, aliases: list[str]) -> None:
    """The accounts elsewhere that a member says are theirs: from these, followers may be led here."""
    actor = await tx.own(actor)
    if list(actor.also_known_as) != aliases:
        actor.also_known_as = list(aliases)
        await tx.flush()
        tx.signal("anything")
        await emit(tx, ActorChanged(actor))
