"""Keeping order: reports, bans, moderators, and what staff takes out of this instance's own view.

Each side moderates its own view. What is at home here is removed, for everybody; what is at home elsewhere is hidden
here. Every act has its row in the log, with a reason, and can be taken back, except an erased text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from community import groups, jobs, notifications, posts, text, throttles
from community.db import Tx
from community.events import Banned, MembershipChanged, ModeratorChanged, Reported, emit
from community.members import Invalid
from community.models import Account, Activity, Actor, LogEntry, Membership, Post, Report, Topic
from community.policy import Refused, Standing, require, standing

MAX_REASON = 300
MAX_REPORT = 5000
# How many reports one member, and one other server, may send within an hour.
REPORTS_HERE, REPORTS_ELSEWHERE = 30, 100
_ERASED_AT_ONCE = 50


def check_reason(reason: str) -> str:
    """A reason as it is shown and logged, on one line; Invalid without one."""
    reason = text.cut(" ".join(reason.split()), MAX_REASON)
    if not reason:
        raise Invalid(reason="reason-missing")
    return reason


def _log(tx: Tx, by: Actor, action: str, **about: Any) -> None:
    tx.add(LogEntry(at=tx.now, actor_id=by.id, action=action, **about))


# --- Reports ---------------------------------------------------------------------------------------------------------


async def report(
    tx: Tx,
    reporter: Actor,
    *,
    about: Actor | None = None,
    posts: Sequence[Post] = (),
    group: Actor | None = None,
    reason: str,
    uri: str | None = None,
    is_sent_on: bool = False,
    activity: Activity | None = None,
) -> list[Report]:
    """Ask staff to look at posts, or at a person (``about``) where no posts are named.

    One row for each post; somebody who reported a post before, and waits for the answer, makes no second one. Raises
    Refused when somebody, or another server as a whole, reports too often. ``is_sent_on`` has the home of what it is
    about told as well, without the reporter's name.
    """
    reporter = await tx.own(reporter)
    subjects: list[tuple[Post | None, Actor, int | None]] = []
    for post in posts:
        topic = await tx.get_one(Topic, post.topic_id)
        subjects.append((post, await tx.get_one(Actor, post.author_id), topic.group_id))
    if not subjects and about is not None:
        subjects.append((None, about, group.id if group is not None else None))
    made: list[Report] = []
    for post_, person, group_id in subjects:
        require("report", await standing(tx, reporter, group_id), post_)
        others = await _open_about(tx, post_.id if post_ else None, person.id, group_id)
        if any(other.reporter_id == reporter.id for other in others):
            continue
        await _count_report(tx, reporter)
        row = Report(
            uri=None if made else uri,
            reporter_id=reporter.id,
            about_id=person.id,
            post_id=post_.id if post_ else None,
            group_id=group_id,
            reason=text.cut(reason.strip(), MAX_REPORT),
            created_at=tx.now,
        )
        tx.add(row)
        await tx.flush()
        made.append(row)
        if not others:
            place = await tx.get_one(Actor, group_id) if group_id is not None else None
            await notifications.tell_staff(tx, "report", reporter, group=place, post_id=row.post_id)
        await emit(tx, Reported(row, is_sent_on, activity=activity))
    return made


async def _count_report(tx: Tx, reporter: Actor) -> None:
    limit = REPORTS_ELSEWHERE if reporter.host else REPORTS_HERE
    key = f"reports:{reporter.host or reporter.id}"
    if await throttles.is_over(tx, key, limit):
        raise Refused("too-many-reports")
    await throttles.count(tx, key, 60)


async def _open_about(tx: Tx, post_id: int | None, about_id: int | None, group_id: int | None) -> list[Report]:
    """The open reports about the same post, or the same person in the same place."""
    query = select(Report).where(Report.state == "open")
    if post_id is not None:
        query = query.where(Report.post_id == post_id)
    else:
        query = query.where(Report.post_id.is_(None), Report.about_id == about_id, Report.group_id == group_id)
    return list((await tx.execute(query)).scalars())


async def resolve(tx: Tx, by: Actor, report: Report, state: str) -> None:
    """Close a report, and all others about the same thing: ``resolved`` when something was done, else ``dismissed``."""
    by, report = await tx.own(by), await tx.own(report)
    require("review", await standing(tx, by, report.group_id), report)
    for each in await _open_about(tx, report.post_id, report.about_id, report.group_id):
        each.state, each.resolved_at, each.resolved_by_id = state, tx.now, by.id
    # The log is public: it says that a report was answered, and neither whose it was nor about whom.
    _log(tx, by, "resolve-report" if state == "resolved" else "dismiss-report", group_id=report.group_id)
    await tx.flush()
    tx.signal("anything")


@dataclass(frozen=True)
class Case:
    """What is reported, with every open report about it, the oldest first. ``post`` None is a person as such."""

    reports: list[Report]
    about: Actor | None
    group: Actor | None
    post: Post | None

    @property
    def first(self) -> Report:
        return self.reports[0]


async def moderated_by(tx: Tx, actor: Actor) -> list[int] | None:
    """The groups whose reports somebody reads; None stands for all of them and what is in no group."""
    if (await standing(tx, actor)).is_staff:
        return None
    query = (
        select(Membership.group_id)
        .join(Actor, Actor.id == Membership.group_id)
        .where(Membership.actor_id == actor.id, Membership.role.in_(("moderator", "owner")), Actor.host == "")
    )
    return list((await tx.execute(query)).scalars())


async def open_reports(tx: Tx, who: Actor, limit: int = 200) -> list[Case]:
    """What waits for this person, as cases, the longest waiting first. Raises Refused for who moderates nothing."""
    group_ids = await moderated_by(tx, who)
    if group_ids == []:
        raise Refused("moderators-only")
    query = (
        select(Report, Actor)
        .outerjoin(Actor, Actor.id == Report.group_id)
        .options(
            joinedload(Report.reporter),
            joinedload(Report.about),
            joinedload(Report.post).joinedload(Post.topic).joinedload(Topic.group),
            joinedload(Report.post).joinedload(Post.author),
        )
        .where(Report.state == "open")
        .order_by(Report.id)
        .limit(limit)
    )
    if group_ids is not None:
        query = query.where(Report.group_id.in_(group_ids))
    cases: dict[tuple[int | None, ...], Case] = {}
    for row, group in await tx.execute(query):
        key = (row.post_id, None, None) if row.post_id else (None, row.about_id, row.group_id)
        cases.setdefault(key, Case([], row.about, group, row.post)).reports.append(row)
    return list(cases.values())


async def find_report(tx: Tx, by: Actor, report_id: int) -> Report | None:
    """An open report that this person may answer."""
    row = await tx.get(Report, report_id)
    if row is None or row.state != "open":
        return None
    require("review", await standing(tx, by, row.group_id), row)
    return row


# --- Bans and moderators ---------------------------------------------------------------------------------------------


def _rank(who: Standing, group_id: int) -> int:
    """How high somebody stands in a group: nobody acts against those who stand as high as they do."""
    if who.actor is not None and who.actor.id == group_id:
        return 5
    if not who.group_host and who.is_staff:
        return 4 if who.site_role == "admin" else 3
    return {"owner": 3, "moderator": 2}.get(who.role, 1)


async def _require_above(tx: Tx, by: Actor, group: Actor, actor: Actor) -> None:
    """Refused unless ``by`` keeps order in the group and stands above ``actor``."""
    who = await standing(tx, by, group.id)
    require("moderate", who, None)
    if _rank(who, group.id) <= _rank(await standing(tx, actor, group.id), group.id):
        raise Refused("not-above-them")
    if actor.kind not in ("person", "service"):
        raise Refused("not-a-person")


async def _membership(tx: Tx, actor: Actor, group: Actor) -> Membership:
    """The row of somebody in a group; who never joined gets one that is ``left``, to which nothing new is sent."""
    held = await tx.get(Membership, (actor.id, group.id))
    if held is None:
        held = Membership(actor_id=actor.id, group_id=group.id, role="member", state="left", created_at=tx.now)
        tx.add(held)
        await tx.flush()
        tx.remember(held)
    tx.noted.clear()
    return held


async def ban(
    tx: Tx,
    by: Actor,
    group: Actor,
    actor: Actor,
    *,
    reason: str,
    until: datetime | None = None,
    removes_posts: bool = False,
    activity: Activity | None = None,
) -> bool:
    """Exclude somebody from a group, for good or until a time; their follow of it ends.

    In one of ours by its moderators; in a group elsewhere by that group, so that we take nothing for it from them
    either. ``removes_posts`` erases, in a job, what they wrote there. False when the same ban stood already.
    """
    by, group, actor = await tx.own(by), await tx.own(group), await tx.own(actor)
    await _require_above(tx, by, group, actor)
    if until is not None and until <= tx.now:
        raise Refused("ban-is-over")
    membership = await _membership(tx, actor, group)
    if membership.role == "banned" and membership.banned_until == until and not removes_posts:
        return False
    was_following = membership.state in ("accepted", "pending")
    membership.role, membership.banned_until, membership.state = "banned", until, "left"
    _log(tx, by, "ban", group_id=group.id, about_id=actor.id, reason=reason)
    await tx.flush()
    if was_following and group.is_local and actor.host and membership.follow_uri:
        follow = {"id": membership.follow_uri}
        await emit(tx, MembershipChanged(membership, actor, group, "reject", follow))
    if removes_posts:
        await _add_erasing(tx, by, actor, group.id, reason)
    tx.signal("anything")
    await emit(tx, Banned(group, actor, by, True, reason, until, removes_posts, activity=activity))
    return True


async def unban(
    tx: Tx, by: Actor, group: Actor, actor: Actor, *, reason: str = "", activity: Activity | None = None
) -> bool:
    """Let somebody in again; they join anew by themselves. False when they were not banned."""
    by, group, actor = await tx.own(by), await tx.own(group), await tx.own(actor)
    require("moderate", await standing(tx, by, group.id), None)
    membership = await tx.get(Membership, (actor.id, group.id))
    if membership is None or membership.role != "banned":
        return False
    membership.role, membership.banned_until = "member", None
    _log(tx, by, "unban", group_id=group.id, about_id=actor.id, reason=reason)
    await tx.flush()
    tx.signal("anything")
    await emit(tx, Banned(group, actor, by, False, reason, activity=activity))
    return True


async def banned(tx: Tx, group_id: int) -> list[tuple[Membership, Actor]]:
    """Who is excluded from a group now, by name."""
    rows = await tx.execute(
        select(Membership, Actor)
        .join(Actor, Actor.id == Membership.actor_id)
        .where(
            Membership.group_id == group_id,
            Membership.role == "banned",
            or_(Membership.banned_until.is_(None), Membership.banned_until > tx.now),
        )
        .order_by(Actor.handle, Actor.id)
    )
    return [(membership, actor) for membership, actor in rows]


async def set_moderator(
    tx: Tx, by: Actor, group: Actor, actor: Actor, *, is_on: bool, activity: Activity | None = None
) -> bool:
    """Make somebody, here or elsewhere, a moderator of a group, or none any more. False when nothing changed.

    Moderators appoint others; they are dismissed by those above them, or resign.
    """
    by, group, actor = await tx.own(by), await tx.own(group), await tx.own(actor)
    who = await standing(tx, by, group.id)
    require("moderate", who, None)
    # Whoever hosts a debate does so as long as they have their seat, and names nobody who would stay.
    if is_on and who.role == "host" and not (who.is_staff or group.host):
        raise Refused("moderators-only")
    if actor.kind not in ("person", "service"):
        raise Refused("not-a-person")
    held = await tx.get(Membership, (actor.id, group.id))
    role = held.role if held is not None else ""
    if is_on is (role in ("moderator", "owner")):
        return False
    if is_on and (actor.state != "active" or (await standing(tx, actor, group.id)).role == "banned"):
        raise Refused("they-are-banned")
    if not is_on and by.id != actor.id:
        await _require_above(tx, by, group, actor)
    membership = await _membership(tx, actor, group)
    membership.role, membership.banned_until = ("moderator" if is_on else "member"), None
    _log(tx, by, "appoint" if is_on else "dismiss", group_id=group.id, about_id=actor.id)
    await tx.flush()
    tx.signal("anything")
    await emit(tx, ModeratorChanged(group, actor, by, is_on, activity=activity))
    return True


# --- Out of view here ------------------------------------------------------------------------------------------------


async def _home_of(tx: Tx, thing: Post | Topic) -> Topic:
    return thing if isinstance(thing, Topic) else await tx.get_one(Topic, thing.topic_id)


async def hide(tx: Tx, by: Actor, thing: Post | Topic, reason: str) -> None:
    """Fold a post, or take a topic out of the lists, on this instance: what is at home elsewhere stays there."""
    by, thing = await tx.own(by), await tx.own(thing)
    topic = await _home_of(tx, thing)
    require("hide", await standing(tx, by, topic.group_id), thing)
    thing.hidden_reason = check_reason(reason)
    await _hid(tx, by, thing, topic, "hide", thing.hidden_reason)


async def unhide(tx: Tx, by: Actor, thing: Post | Topic) -> None:
    by, thing = await tx.own(by), await tx.own(thing)
    topic = await _home_of(tx, thing)
    require("hide", await standing(tx, by, topic.group_id), thing)
    if thing.hidden_reason:
        thing.hidden_reason = ""
        await _hid(tx, by, thing, topic, "unhide", "")


async def _hid(tx: Tx, by: Actor, thing: Post | Topic, topic: Topic, what: str, reason: str) -> None:
    is_post = isinstance(thing, Post)
    action = f"{what}-post" if is_post else f"{what}-topic"
    post_id = thing.id if is_post else None
    _log(tx, by, action, group_id=topic.group_id, topic_id=topic.id, post_id=post_id, reason=reason)
    await tx.flush()
    tx.signal(f"topic:{topic.id}", thing if is_post else 0)
    tx.signal(f"theme:{topic.group_id}", topic)


async def suspend(tx: Tx, by: Actor, actor: Actor, *, reason: str, removes_posts: bool = False) -> bool:
    """Have nothing more to do with somebody, wherever they are at home: nothing of theirs is taken in, nothing is sent
    to them, every follow between them and us ends. Members of staff are suspended by admins only. False when they were
    not active anyway."""
    by, actor = await tx.own(by), await tx.own(actor)
    who = await standing(tx, by)
    require("moderate", who, None)
    # With a group elsewhere one ends links and follows, or blocks its server; our own house's actors are no people.
    if actor.kind != "person" and (actor.is_local or actor.kind != "service"):
        raise Refused("not-a-person")
    if (await standing(tx, actor)).is_staff and (who.site_role != "admin" or by.id == actor.id):
        raise Refused("not-above-them")
    if actor.state != "active":
        return False
    rows = await tx.execute(
        select(Membership).where(
            or_(Membership.actor_id == actor.id, Membership.group_id == actor.id),
            Membership.state.in_(("accepted", "pending")),
        )
    )
    for membership in rows.scalars().all():
        await _sever(tx, membership)
    # The account's last messages are on their way: from here on nothing is sent to it.
    actor.state = "suspended"
    account = await tx.get(Account, actor.id)
    if account is not None:
        account.state = "suspended"
    _log(tx, by, "suspend", about_id=actor.id, reason=reason)
    if removes_posts:
        await _add_erasing(tx, by, actor, None, reason)
    await tx.flush()
    tx.signal("anything")
    return True


async def _sever(tx: Tx, membership: Membership) -> None:
    follower, followed = await tx.get_one(Actor, membership.actor_id), await tx.get_one(Actor, membership.group_id)
    membership.state = "left"
    tx.noted.clear()
    await tx.flush()
    if follower.host and followed.is_local and membership.follow_uri:
        follow = {"id": membership.follow_uri}
        await emit(tx, MembershipChanged(membership, follower, followed, "reject", follow))
    elif follower.is_local and followed.host:
        await emit(tx, MembershipChanged(membership, follower, followed, "withdraw"))


async def unsuspend(tx: Tx, by: Actor, actor: Actor, *, reason: str = "") -> bool:
    """Let somebody in again; what was severed stays so until they, or we, follow anew."""
    by, actor = await tx.own(by), await tx.own(actor)
    require("moderate", await standing(tx, by), None)
    if actor.state != "suspended":
        return False
    actor.state = "active"
    account = await tx.get(Account, actor.id)
    if account is not None:
        account.state = "active"
    _log(tx, by, "unsuspend", about_id=actor.id, reason=reason)
    await tx.flush()
    tx.signal("anything")
    return True


async def suspended(tx: Tx, limit: int = 200) -> list[Actor]:
    """Who is suspended from the whole house, the latest met first. People who were never let in are not among them."""
    was_here = select(LogEntry.about_id).where(LogEntry.action == "suspend")
    query = select(Actor).where(Actor.state == "suspended", Actor.id.in_(was_here))
    return list((await tx.execute(query.order_by(Actor.id.desc()).limit(limit))).scalars())


# --- Erasing much ----------------------------------------------------------------------------------------------------


async def _add_erasing(tx: Tx, by: Actor, actor: Actor, group_id: int | None, reason: str) -> None:
    """``group_id`` None is everything that somebody wrote, wherever it is filed."""
    argument = {"by": by.id, "actor": actor.id, "group": group_id, "reason": reason}
    await jobs.add(tx, "erase-written", argument, key=f"erase-written:{actor.id}:{group_id or 0}")


async def erase_all(tx: Tx, author: Actor) -> None:
    """Have everything erased that somebody wrote who closed their account elsewhere, in their own name."""
    await _add_erasing(tx, author, author, None, "")


async def _authority(tx: Tx, argument: dict[str, Any], group: Actor) -> Actor | None:
    """Whose word removes a post from a group in a job: the author's, if it was theirs; of a group of ours whoever
    asked, if they are of this house, else the clerk, who can sign for it; of a group elsewhere that group, if it was
    what asked. None where nobody's here does."""
    by = await tx.get_one(Actor, argument["by"])
    if by.id == argument["actor"]:
        return by
    if not group.is_local:
        return group if argument["group"] is not None else None
    is_able = by.is_local and (await standing(tx, by, group.id)).is_moderator
    return by if is_able else await groups.clerk(tx)


async def erase_some(tx: Tx, argument: dict[str, Any]) -> bool:
    """Erase up to fifty posts; False when none is left. What is at home elsewhere is hidden instead, except where its
    author or that group itself said that it goes."""
    query = (
        select(Post, Topic.group_id)
        .join(Topic, Topic.id == Post.topic_id)
        .where(Post.author_id == argument["actor"], Post.deleted_at.is_(None))
        .order_by(Post.id)
        .limit(_ERASED_AT_ONCE)
    )
    if argument["group"] is not None:
        query = query.where(Topic.group_id == argument["group"])
    elif argument["by"] != argument["actor"]:
        query = query.where(Post.hidden_reason == "")
    found: Iterable[tuple[Post, int]] = [(post, group_id) for post, group_id in await tx.execute(query)]
    for post, group_id in found:
        by = await _authority(tx, argument, await tx.get_one(Actor, group_id))
        if by is not None:
            await posts.erase(tx, by, post, reason=argument["reason"])
        else:
            post.hidden_reason = argument["reason"] or "suspended"
            tx.signal(f"topic:{post.topic_id}", post)
    await tx.flush()
    return bool(found)


@jobs.works("erase-written")
async def erase_written(site: Any, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Erase what somebody wrote in a group, or altogether, fifty posts in a transaction."""
    for job in claimed:
        is_more = True
        while is_more:
            async with site.database.write() as tx:
                is_more = await erase_some(tx, job.argument)
    return [jobs.Done(job) for job in claimed]
