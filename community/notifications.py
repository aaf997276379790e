"""What members are told, and how far they have read."""

from __future__ import annotations

from sqlalchemy import func, insert, literal, or_, select, update
from sqlalchemy.orm import joinedload

from community.columns import Utc
from community.db import Tx
from community.events import AccountAsked, DebateChanged, on
from community.models import Account, Actor, Membership, Notification, Post, Reading, Topic
from community.policy import KEEPERS


async def unread_count(tx: Tx, account_id: int) -> int:
    return (
        await tx.execute(
            select(func.count())
            .select_from(Notification)
            .where(Notification.account_id == account_id, Notification.read_at.is_(None))
        )
    ).scalar_one()


async def latest(tx: Tx, account_id: int, limit: int = 50) -> list[Notification]:
    return list(
        (
            await tx.execute(
                select(Notification)
                .options(
                    joinedload(Notification.actor),
                    joinedload(Notification.post).joinedload(Post.topic).joinedload(Topic.group),
                )
                .where(Notification.account_id == account_id)
                .order_by(Notification.read_at.is_not(None), Notification.id.desc())
                .limit(limit)
            )
        ).scalars()
    )


async def mark_read(tx: Tx, account_id: int, *, topic_id: int | None = None, path: str | None = None) -> None:
    """All of them, or those about one topic that was just opened, or those that lead to one page."""
    query = update(Notification).where(Notification.account_id == account_id, Notification.read_at.is_(None))
    if topic_id is not None:
        query = query.where(Notification.post_id.in_(select(Post.id).where(Post.topic_id == topic_id)))
    if path is not None:
        query = query.where(Notification.path == path)
    await tx.execute(query.values(read_at=tx.now).execution_options(synchronize_session=False))


async def last_read(tx: Tx, account_id: int, topic_id: int) -> int:
    """The number of the last post that somebody has seen in a topic; 0 when they never opened it."""
    return (
        await tx.scalar(
            select(Reading.last_number).where(Reading.account_id == account_id, Reading.topic_id == topic_id)
        )
    ) or 0


async def remember_reading(tx: Tx, account_id: int, topic_id: int, number: int) -> None:
    reading = await tx.get(Reading, (account_id, topic_id))
    if reading is None:
        tx.add(Reading(account_id=account_id, topic_id=topic_id, last_number=number, seen_at=tx.now))
    else:
        reading.last_number, reading.seen_at = max(reading.last_number, number), tx.now
    await tx.flush()


def tell(tx: Tx, account_id: int, kind: str, about_id: int, *, post_id: int | None = None, path: str = "") -> None:
    """Tell one member something. ``about_id`` is the actor whose deed it is, ``path`` the page that it leads to where
    that is not the post's."""
    about = {"actor_id": about_id, "post_id": post_id, "path": path}
    tx.add(Notification(account_id=account_id, kind=kind, **about, created_at=tx.now))
    tx.signal(f"account:{account_id}")


async def tell_staff(
    tx: Tx,
    kind: str,
    about: Actor,
    *,
    group: Actor | None = None,
    post_id: int | None = None,
    path: str = "",
    with_editors: bool = False,
) -> None:
    """Tell staff that something waits for them, and those with an account here who keep order in the theme ``group``;
    of a group elsewhere only staff. ``about`` is who asks, and not told of it; ``path`` is where it leads."""
    query = select(Account.actor_id).where(Account.state == "active", Account.actor_id != about.id)
    is_staff = Account.site_role.in_(("admin", "moderator", *(["editor"] if with_editors else [])))
    if group is not None and group.is_local:
        keepers = select(Membership.actor_id).where(Membership.group_id == group.id, Membership.role.in_(KEEPERS))
        query = query.where(or_(is_staff, Account.actor_id.in_(keepers)))
    else:
        query = query.where(is_staff)
    for account_id in (await tx.execute(query)).scalars().all():
        tell(tx, account_id, kind, about.id, post_id=post_id, path=path)
    await tx.flush()


@on(AccountAsked)
async def tell_of_sign_up(tx: Tx, event: AccountAsked) -> None:
    await tell_staff(tx, "sign-up", event.actor)


# What members hear of a debate's course: the part of the clerk's post that says it, and the page that it leads to.
_TOLD = {
    "call": ("stub", "/questions"),
    "reminder": ("reminder", ""),
    "live": ("live", "/live"),
    "moved": ("moved", ""),
    "cancelled": ("cancelled", ""),
}


@on(DebateChanged)
async def tell_of_debate(tx: Tx, event: DebateChanged) -> None:
    """Tell every member here who follows the debate; the call for questions is told to the members of its theme as
    well. One statement, however many they are."""
    debate = event.debate
    if event.what not in _TOLD or not debate.actor.is_local:
        return
    part, page = _TOLD[event.what]
    said = select(func.max(Post.id)).where(Post.topic_id == debate.topic_id, Post.part == part)
    if part == "stub":
        said = said.where(Post.position == "question")
    group_ids = [debate.actor_id]
    if event.what == "call" and debate.theme_id is not None:
        group_ids.append(debate.theme_id)
    followers = select(Membership.actor_id).where(Membership.group_id.in_(group_ids), Membership.state == "accepted")
    rows = select(
        Account.actor_id,
        literal("debate"),
        literal(debate.actor_id),
        said.scalar_subquery(),
        literal(f"/g/{debate.actor.handle}{page}"),
        literal(tx.now, Utc()),
    ).where(Account.state == "active", Account.actor_id.in_(followers))
    columns = ["account_id", "kind", "actor_id", "post_id", "path", "created_at"]
    await tx.execute(insert(Notification).from_select(columns, rows))
