"""Themes as places: making and ordering them, joining and leaving them, from here or from another server."""

from __future__ import annotations

import zlib
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload

from community import text
from community.agenda_models import Agenda
from community.db import Tx
from community.debate_models import Debate
from community.events import ActorChanged, MembershipChanged, emit
from community.keys import KeyPair
from community.members import Invalid, check_handle, find_local, keep_key, new_local_actor
from community.models import Activity, Actor, LogEntry, Membership, Theme
from community.policy import KEEPERS, require, standing
from community.settings import COLOUR

COLOURS = ("#1f5fa8", "#0e6b80", "#a85708", "#6a3fa0", "#a8325a", "#1b6b3a", "#7a5c12", "#3f4fa3")


async def institution(tx: Tx, kind: str) -> Actor:
    """The instance itself (application) or its clerk (service); both are made by ``found``."""
    return (await tx.execute(select(Actor).where(Actor.kind == kind, Actor.host == ""))).scalar_one()


async def clerk(tx: Tx) -> Actor:
    """Who writes what the house itself has to say."""
    return await institution(tx, "service")


async def is_founded(tx: Tx) -> bool:
    return (await tx.execute(select(Actor.id).where(Actor.uri == tx.settings.origin + "/"))).first() is not None


async def found(tx: Tx, instance_keys: KeyPair, clerk_keys: KeyPair) -> None:
    """Make the instance actor, which signs all fetches, and the clerk, who authors institutional posts.

    A Service writes them because Lemmy, Mbin and PieFed refuse a Group as an author.
    """
    instance = new_local_actor(tx, "application", tx.settings.host, tx.settings.name, instance_keys, "/")
    await keep_key(tx, instance, instance_keys)
    clerk = new_local_actor(tx, "service", "clerk", "The clerk", clerk_keys, "/u/clerk")
    clerk.summary_source = f"Writes what {tx.settings.name} itself has to say: welcomes, announcements, results."
    clerk.summary_html = text.render(clerk.summary_source)
    await keep_key(tx, clerk, clerk_keys)


async def themes(tx: Tx) -> list[Theme]:
    """The themes of this instance in their order, without the places elsewhere, debates and agendas."""
    query = select(Theme).where(Theme.actor_id.in_(ours())).order_by(Theme.position, Theme.slug)
    return list((await tx.execute(query)).scalars())


def ours() -> Select[Any]:
    """The ids of the themes of this instance."""
    return (
        select(Theme.actor_id)
        .join(Actor, Actor.id == Theme.actor_id)
        .where(
            Actor.host == "",
            Actor.kind == "group",
            Theme.actor_id.not_in(select(Debate.actor_id)),
            Theme.actor_id.not_in(select(Agenda.actor_id)),
        )
    )


async def is_theme(tx: Tx, group_id: int) -> bool:
    """Whether an actor is a theme of this instance."""
    return (await tx.execute(ours().where(Theme.actor_id == group_id))).first() is not None


async def ensure_place(tx: Tx, actor: Actor) -> Theme:
    """The row that lets a group elsewhere, or a followed person, hold topics here. Of handles that a person and a group
    elsewhere share, the second gets its row's number into the slug."""
    theme = await tx.find(Theme, actor.id)
    if theme is None:
        slug = f"{actor.handle}@{actor.host or tx.settings.host}"
        if await find_theme(tx, slug) is not None:
            slug = f"{slug}-{actor.id}"
        colour = COLOURS[zlib.crc32(actor.uri.encode()) % len(COLOURS)]
        theme = Theme(actor_id=actor.id, slug=slug, colour=colour, position=1_000_000)
        theme.actor = actor
        tx.add(theme)
        await tx.flush()
        tx.remember(theme)
    return theme


async def find_theme(tx: Tx, slug: str) -> Theme | None:
    return (await tx.execute(select(Theme).where(Theme.slug == slug.lower()))).scalar_one_or_none()


def _apply(theme: Theme, *, name: str, about: str, colour: str, rules: str, object_type: str) -> None:
    name, colour = " ".join(name.split()), colour.strip().lower()
    wrong = {}
    if not 1 <= len(name) <= 80:
        wrong["name"] = "theme-name-length"
    if not COLOUR.fullmatch(colour):
        wrong["colour"] = "colour-form"
    if len(about) > 2000:
        wrong["about"] = "text-too-long"
    if len(rules) > 10000:
        wrong["rules"] = "text-too-long"
    if object_type not in ("Note", "Article"):
        wrong["object_type"] = "object-type-unknown"
    if wrong:
        raise Invalid(**wrong)
    theme.actor.name = name
    theme.actor.summary_source, theme.actor.summary_html = about, text.render(about)
    theme.colour, theme.object_type = colour, object_type
    theme.rules_source, theme.rules_html = rules, text.render(rules)


async def add_theme(
    tx: Tx,
    by: Actor | None,
    slug: str,
    keys: KeyPair,
    *,
    name: str,
    about: str = "",
    colour: str = "",
    rules: str = "",
    object_type: str = "Note",
) -> Theme:
    """A new theme, which is a Group that the fediverse can follow. ``by`` is None only on the command line."""
    if by is not None:
        require("administer", await standing(tx, by))
    slug = slug.strip().lower()
    reason = await check_handle(tx, slug)
    if reason:
        raise Invalid(slug=reason)
    count = len(await themes(tx))
    actor = new_local_actor(tx, "group", slug, name, keys, f"/g/{slug}")
    theme = Theme(slug=slug, position=count, colour="")
    theme.actor = actor
    _apply(
        theme,
        name=name,
        about=about,
        colour=colour or COLOURS[count % len(COLOURS)],
        rules=rules,
        object_type=object_type,
    )
    await keep_key(tx, actor, keys)
    theme.actor_id = actor.id
    tx.add(theme)
    if by is not None:
        tx.add(LogEntry(at=tx.now, actor_id=by.id, action="add-theme", group_id=actor.id))
    await tx.flush()
    tx.signal("anything")
    return theme


async def edit_theme(
    tx: Tx, by: Actor, theme: Theme, *, name: str, about: str, colour: str, rules: str, object_type: str
) -> None:
    theme = await tx.own(theme)
    require("administer", await standing(tx, by))
    _apply(theme, name=name, about=about, colour=colour, rules=rules, object_type=object_type)
    tx.add(LogEntry(at=tx.now, actor_id=by.id, action="edit-theme", group_id=theme.actor_id))
    await tx.flush()
    tx.signal("anything")
    await emit(tx, ActorChanged(theme.actor))


async def move_theme(tx: Tx, by: Actor, theme: Theme, step: int) -> None:
    """Put a theme one place up (-1) or down (+1) in the order."""
    require("administer", await standing(tx, by))
    ordered = await themes(tx)
    here = next(i for i, other in enumerate(ordered) if other.actor_id == theme.actor_id)
    there = here + step
    if 0 <= there < len(ordered):
        ordered[here], ordered[there] = ordered[there], ordered[here]
    for position, each in enumerate(ordered):
        each.position = position
    await tx.flush()
    tx.signal("anything")


async def follow(
    tx: Tx,
    actor: Actor,
    group: Actor,
    *,
    follow: dict[str, Any] | None = None,
    activity: Activity | None = None,
) -> Membership:
    """Join a group of ours. ``follow`` is the document of a remote Follow; a repeat with a new id is answered again,
    since the other server may have lost our first Accept."""
    actor, group = await tx.own(actor), await tx.own(group)
    require("follow", await standing(tx, actor, group.id), group)
    membership = await tx.get(Membership, (actor.id, group.id))
    if membership is None:
        membership = Membership(actor_id=actor.id, group_id=group.id, role="member", created_at=tx.now)
        tx.add(membership)
    membership.state = "accepted"
    tx.noted.clear()
    membership.follow_uri = str((follow or {}).get("id", ""))
    await tx.flush()
    tx.signal("anything")
    await emit(tx, MembershipChanged(membership, actor, group, "accept", follow, activity=activity))
    return membership


async def leave(
    tx: Tx, actor: Actor, group: Actor, *, follow_uri: str | None = None, activity: Activity | None = None
) -> bool:
    """Leave a group. The row stays as ``left``: edits and removals still go where the original went.

    False when there was nothing to leave, or when ``follow_uri`` names another Follow than the present one.
    """
    actor, group = await tx.own(actor), await tx.own(group)
    membership = await tx.get(Membership, (actor.id, group.id))
    if membership is None or membership.state == "left":
        return False
    if follow_uri and membership.follow_uri and membership.follow_uri != follow_uri:
        return False
    membership.state = "left"
    tx.noted.clear()
    await tx.flush()
    tx.signal("anything")
    await emit(tx, MembershipChanged(membership, actor, group, "leave", activity=activity))
    return True


async def count_followers(tx: Tx, group_id: int) -> tuple[int, int]:
    """Members of a group (here, elsewhere)."""
    row = (
        await tx.execute(
            select(func.count().filter(Actor.host == "", Actor.kind == "person"), func.count().filter(Actor.host != ""))
            .select_from(Membership)
            .join(Actor, Actor.id == Membership.actor_id)
            .where(Membership.group_id == group_id, Membership.state == "accepted")
        )
    ).one()
    return row[0], row[1]


async def count_follower_hosts(tx: Tx, group_id: int) -> int:
    """How many other servers a public post in this group goes to."""
    return (
        await tx.execute(
            select(func.count(func.distinct(Actor.host)))
            .select_from(Membership)
            .join(Actor, Actor.id == Membership.actor_id)
            .where(Membership.group_id == group_id, Membership.state == "accepted", Actor.host != "")
        )
    ).scalar_one()


async def moderators(tx: Tx, group_id: int) -> list[Actor]:
    return list(
        (
            await tx.execute(
                select(Actor)
                .join(Membership, Membership.actor_id == Actor.id)
                .where(Membership.group_id == group_id, Membership.role.in_(KEEPERS))
                .order_by(Actor.id)
            )
        ).scalars()
    )


async def group_by_handle(tx: Tx, handle: str) -> Actor | None:
    actor = await find_local(tx, handle)
    return actor if actor is not None and actor.kind == "group" else None


async def log_entries(tx: Tx, *, before: int | None = None, limit: int = 50) -> list[LogEntry]:
    """What staff did, the newest first; ``before`` is the id of the last entry already seen."""
    query = (
        select(LogEntry)
        .options(joinedload(LogEntry.actor), joinedload(LogEntry.topic), joinedload(LogEntry.post))
        .order_by(LogEntry.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(LogEntry.id < before)
    return list((await tx.execute(query)).scalars())
