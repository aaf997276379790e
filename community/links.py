"""Links between a theme of ours and groups elsewhere, which show each other's topics.

Underneath are two Follows, from group to group. A topic stays at its home: it is filed there, moderated there, and has
one id; a link only says whose topics are shown together. Staff of each side decides for its own side:

- ``propose``: we follow them and wait (proposed). They may say yes, which makes us linked, or no (declined).
- ``asked``: they follow us and wait (asked). ``answer`` accepts their Follow and sends ours, or rejects it.
- ``pause`` withdraws our Follow for a while (paused): theirs stays, so that they go on showing ours; ``resume``.
- ``end`` withdraws our Follow and rejects theirs (ended). A link that was declined or ended can be proposed anew.

A link is ``linked`` as soon as they agreed, by accepting our Follow or by following us after we asked: forums that
follow nobody (Lemmy, PieFed) can be linked one way like this. While they withdraw theirs, ``is_paused_there``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, union
from sqlalchemy.orm import joinedload

from community import following, groups, notifications, throttles
from community.db import Tx
from community.events import LinkChanged, MembershipChanged, emit, on
from community.members import Invalid
from community.models import Activity, Actor, Fact, Host, Link, LogEntry, Membership, Theme, Topic
from community.policy import Refused, require, standing

ACTIVE = ("proposed", "asked", "linked", "paused")
MAX_REASON = 500
ASKED_PER_DAY = 20  # by one server


# --- reading


async def shown_in(tx: Tx, group_id: int | None) -> list[int]:
    """The places whose topics are shown together: a theme and the groups that it is linked with, or, for None, every
    theme here with all that are linked with any."""
    linked = select(Link.other_id).where(Link.state == "linked")
    if group_id is not None:
        return [group_id, *(await tx.execute(linked.where(Link.group_id == group_id))).scalars()]
    return list((await tx.execute(union(groups.ours(), linked))).scalars())


async def themes_linked_with(tx: Tx, other_id: int) -> list[Actor]:
    """The themes of ours that show the topics of a group elsewhere."""
    query = select(Actor).join(Link, Link.group_id == Actor.id).where(Link.other_id == other_id, Link.state == "linked")
    return list((await tx.execute(query)).scalars())


@dataclass(frozen=True)
class Seen:
    """A link as it is listed: with both places; ``theirs`` has what we hold of the other one, None before we do."""

    link: Link
    ours: Theme
    theirs: Theme | None

    @property
    def other(self) -> Actor:
        return self.link.other


async def listed(tx: Tx, *, group_id: int | None = None, states: Iterable[str] = ACTIVE) -> list[Seen]:
    """Links of one theme or of all, in the order of the themes; what waits for our answer first."""
    query = (
        select(Link, Theme)
        .join(Theme, Theme.actor_id == Link.group_id)
        .options(joinedload(Link.other), joinedload(Link.by))
        .where(Link.state.in_(tuple(states)))
        .order_by((Link.state == "asked").desc(), Theme.position, Theme.slug, Link.created_at, Link.other_id)
    )
    if group_id is not None:
        query = query.where(Link.group_id == group_id)
    rows = (await tx.execute(query)).all()
    await tx.preload_keys(Theme, [link.other_id for link, _ in rows])
    return [Seen(link, ours, await tx.find(Theme, link.other_id)) for link, ours in rows]


async def find(tx: Tx, group_id: int, other_id: int) -> Link | None:
    with_both = [joinedload(Link.group), joinedload(Link.other)]
    return await tx.get(Link, (group_id, other_id), options=with_both, populate_existing=True)


@dataclass(frozen=True)
class City:
    """What another instance says of itself (NodeInfo): its name, one sentence, its themes (slug, name)."""

    host: str
    name: str = ""
    about: str = ""
    software: str = ""
    themes: tuple[tuple[str, str], ...] = ()

    @property
    def called(self) -> str:
        return self.name or self.host


async def keep_city(tx: Tx, city: City) -> None:
    value = json.dumps({"name": city.name, "about": city.about, "software": city.software, "themes": city.themes})
    fact = await tx.get(Fact, f"city:{city.host}")
    if fact is None:
        tx.add(Fact(name=f"city:{city.host}", value=value))
    else:
        fact.value = value
    await tx.flush()
    tx.signal("anything")


async def cities(tx: Tx) -> dict[str, City]:
    """What linked instances say of themselves, by host; what has not been asked yet is missing."""
    found = {}
    for fact in (await tx.execute(select(Fact).where(Fact.name.startswith("city:", autoescape=True)))).scalars():
        said = json.loads(fact.value)
        host = fact.name.removeprefix("city:")
        themes = tuple((slug, name) for slug, name in said["themes"])
        found[host] = City(host, said["name"], said["about"], said["software"], themes)
    return found


@dataclass(frozen=True)
class Neighbour:
    """A linked instance: what it says of itself, the links with it, and its life as far as it is known here.
    ``heard_at`` is when anything was last heard of it, None for never."""

    city: City
    links: list[Seen]
    recent_count: int  # topics of the last thirty days
    last_post_at: datetime | None
    heard_at: datetime | None


async def neighbours(tx: Tx) -> list[Neighbour]:
    """The instances that themes here are linked with, the liveliest first. A link that we paused is shown as well."""
    by_host: dict[str, list[Seen]] = {}
    for seen in await listed(tx, states=("linked", "paused")):
        by_host.setdefault(seen.other.host, []).append(seen)
    if not by_host:
        return []
    said = await cities(tx)
    ids = {seen.link.other_id for each in by_host.values() for seen in each}
    recent = await tx.execute(
        select(Topic.group_id, func.count())
        .where(
            Topic.group_id.in_(ids),
            Topic.created_at > tx.now - timedelta(days=30),
            Topic.last_post_at > tx.now - timedelta(days=30),  # follows from it, and has an index
            Topic.deleted_at.is_(None),
            Topic.hidden_reason == "",
        )
        .group_by(Topic.group_id)
    )
    counts: dict[int, int] = {row[0]: row[1] for row in recent}
    await tx.preload_keys(Host, by_host)
    found = []
    for host, pairs in by_host.items():
        row = await tx.find(Host, host)
        lives = [seen.theirs.last_post_at for seen in pairs if seen.theirs and seen.theirs.last_post_at]
        heard = [row.heard_at if row else None, *(seen.other.fetched_at for seen in pairs), *lives]
        others = {seen.link.other_id for seen in pairs}
        found.append(
            Neighbour(
                said.get(host, City(host)),
                pairs,
                sum(counts.get(other_id, 0) for other_id in others),
                max(lives, default=None),
                max((at for at in heard if at is not None), default=None),
            )
        )
    long_ago = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda each: each.last_post_at or long_ago, reverse=True)


# --- acting


async def _link(tx: Tx, group: Actor, other: Actor, state: str, by: Actor | None, reason: str) -> Link:
    """The row of two groups in its new state; made when it is not there."""
    link = await find(tx, group.id, other.id)
    if link is None:
        link = Link(group_id=group.id, other_id=other.id, created_at=tx.now)
        link.is_paused_there = False
        tx.add(link)
    link.group, link.other = group, other
    link.state, link.reason, link.changed_at = state, reason, tx.now
    link.by_id = by.id if by is not None else None
    place = await groups.ensure_place(tx, other)
    place.colour = (await tx.get_one(Theme, group.id)).colour  # one subject, one colour
    return link


async def _changed(tx: Tx, link: Link, by: Actor, what: str, reason: str = "") -> None:
    """Log and tell what ``by``, one of our staff or the group elsewhere itself, did about a link."""
    link.changed_at = tx.now
    about_id = link.group_id if by.id == link.other_id else link.other_id
    tx.add(
        LogEntry(
            at=tx.now, actor_id=by.id, action=f"link-{what}", group_id=link.group_id, about_id=about_id, reason=reason
        )
    )
    await tx.flush()
    tx.signal("anything")
    await emit(tx, LinkChanged(link, link.group, link.other, what))


async def _own(tx: Tx, by: Actor, link: Link) -> tuple[Actor, Link]:
    found = await find(tx, link.group_id, link.other_id)
    if found is None:
        raise Refused("link-changed-meanwhile")
    by = await tx.own(by)
    require("link", await standing(tx, by, found.group_id), found.group)
    return by, found


def _check_reason(reason: str) -> str:
    reason = " ".join(reason.split())
    if len(reason) > MAX_REASON:
        raise Invalid(reason="text-too-long")
    return reason


async def propose(tx: Tx, by: Actor, group: Actor, other: Actor, reason: str = "") -> Link:
    """Ask a group elsewhere for a link with a theme of ours; where they asked before, this is the answer yes."""
    by, group, other = await tx.own(by), await tx.own(group), await tx.own(other)
    require("link", await standing(tx, by, group.id), group)
    reason = _check_reason(reason)
    if other.is_local or other.kind != "group":
        raise Invalid(address="link-is-here" if other.is_local else "link-no-group")
    held = await find(tx, group.id, other.id)
    if held is not None and held.state == "asked":
        return await answer(tx, by, held, is_welcome=True)
    if held is not None and held.state in ACTIVE:
        raise Invalid(address="link-exists")
    link = await _link(tx, group, other, "proposed", by, reason)
    await following.follow(tx, group, other)
    await _changed(tx, link, by, "propose", reason)
    return link


async def asked(tx: Tx, other: Actor, group: Actor, follow: dict[str, Any], activity: Activity | None = None) -> str:
    """A group elsewhere wants to follow a theme of ours, which is how it asks for a link. Answers what came of it:
    followed (we had agreed already) or link-asked (staff decides; until then the follow is pending)."""
    other, group = await tx.own(other), await tx.own(group)
    require("follow", await standing(tx, other, group.id), group)
    link = await find(tx, group.id, other.id)
    if link is not None and link.state in ("proposed", "linked", "paused"):
        await groups.follow(tx, other, group, follow=follow, activity=activity)
        was_paused, link.is_paused_there = link.is_paused_there, False
        if link.state == "proposed":
            link.state = "linked"
            await _changed(tx, link, other, "accept")
        elif was_paused:
            await _changed(tx, link, other, "resume")
        return "followed"
    membership = await tx.get(Membership, (other.id, group.id))
    if membership is None:
        membership = Membership(actor_id=other.id, group_id=group.id, role="member", created_at=tx.now)
        tx.add(membership)
    membership.state, membership.follow_uri = "pending", str(follow.get("id", ""))
    if link is None or link.state != "asked":
        await _count_asking(tx, other)
        link = await _link(tx, group, other, "asked", None, "")
        await notifications.tell_staff(tx, "link", other, group=group)
        await _changed(tx, link, other, "ask")
    await tx.flush()
    return "link-asked"


async def _count_asking(tx: Tx, other: Actor) -> None:
    """Asking, taking it back and asking anew must not fill everybody's notifications."""
    key = f"links:{other.host}"
    if await throttles.is_over(tx, key, ASKED_PER_DAY):
        raise Refused("too-many-tries")
    await throttles.count(tx, key, 24 * 60)


def _follow_of(membership: Membership, other: Actor, group: Actor) -> dict[str, Any]:
    """The Follow that a membership came from, as Accept and Reject name it."""
    return {"id": membership.follow_uri, "type": "Follow", "actor": other.uri, "object": group.uri}


async def _reject(tx: Tx, other: Actor, group: Actor) -> None:
    """Say no to the follow of a group elsewhere, or end one that was accepted."""
    membership = await tx.get(Membership, (other.id, group.id))
    if membership is None or membership.state not in ("pending", "accepted"):
        return
    membership.state = "rejected"
    tx.noted.clear()
    await tx.flush()
    follow = _follow_of(membership, other, group)
    await emit(tx, MembershipChanged(membership, other, group, "reject", follow))


async def answer(tx: Tx, by: Actor, link: Link, *, is_welcome: bool, reason: str = "") -> Link:
    """Say yes or no to a group elsewhere that asked."""
    by, link = await _own(tx, by, link)
    reason = _check_reason(reason)
    if link.state != "asked":
        raise Refused("link-changed-meanwhile")
    link.by_id, link.reason = by.id, reason
    if not is_welcome:
        link.state = "declined"
        await _reject(tx, link.other, link.group)
        await _changed(tx, link, by, "decline", reason)
        return link
    # Linked when they accept our Follow in turn, which Folkmoot and Lemmy do at once.
    link.state, link.is_paused_there = "proposed", False
    membership = await tx.get_one(Membership, (link.other_id, link.group_id))
    await groups.follow(tx, link.other, link.group, follow=_follow_of(membership, link.other, link.group))
    await following.follow(tx, link.group, link.other)
    await _changed(tx, link, by, "accept", reason)
    return link


async def pause(tx: Tx, by: Actor, link: Link, *, reason: str = "") -> None:
    """Show none of their topics for a while, and have them send none; they go on showing ours."""
    by, link = await _own(tx, by, link)
    reason = _check_reason(reason)
    if link.state != "linked":
        raise Refused("link-changed-meanwhile")
    link.state, link.by_id, link.reason = "paused", by.id, reason
    await following.withdraw(tx, link.group, link.other)
    await _changed(tx, link, by, "pause", reason)


async def resume(tx: Tx, by: Actor, link: Link) -> None:
    by, link = await _own(tx, by, link)
    if link.state != "paused":
        raise Refused("link-changed-meanwhile")
    link.state, link.by_id, link.reason = "linked", by.id, ""
    await following.follow(tx, link.group, link.other)
    await _changed(tx, link, by, "resume")


async def end(tx: Tx, by: Actor, link: Link, *, reason: str = "") -> None:
    """Withdraw our Follow and reject theirs. What is held of their topics stays readable at its address."""
    by, link = await _own(tx, by, link)
    reason = _check_reason(reason)
    if link.state not in ("proposed", "linked", "paused"):
        raise Refused("link-changed-meanwhile")
    if link.state != "paused":
        await following.withdraw(tx, link.group, link.other)
    link.state, link.by_id, link.reason = "ended", by.id, reason
    await _reject(tx, link.other, link.group)
    await _changed(tx, link, by, "end", reason)


@on(MembershipChanged)
async def follow_what_they_do(tx: Tx, event: MembershipChanged) -> None:
    """The other side's answers to our follow, and the end of its own, move the link."""
    if event.actor.kind != "group" or event.group.kind != "group" or event.actor.is_local == event.group.is_local:
        return
    ours, other = (event.actor, event.group) if event.actor.is_local else (event.group, event.actor)
    link = await find(tx, ours.id, other.id)
    if link is None:
        return
    if event.actor.is_local and event.what == "accept" and link.state == "proposed":
        link.state = "linked"
        await _changed(tx, link, other, "accept")
    elif event.actor.is_local and event.what == "reject" and link.state in ("proposed", "linked"):
        was_linked = link.state == "linked"
        link.state = "ended" if was_linked else "declined"
        await _changed(tx, link, other, "end" if was_linked else "decline")
    elif not event.actor.is_local and event.what == "leave":
        if link.state == "asked":
            link.state = "ended"
            await _changed(tx, link, other, "end")
        elif link.state in ("linked", "paused") and not link.is_paused_there:
            link.is_paused_there = True
            await _changed(tx, link, other, "pause")
