"""Topics: opening, listing, and what moderators do with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import case, func, select
from sqlalchemy.orm import joinedload

from community import groups, hosts, links, posts, text
from community.agenda_models import Agenda
from community.db import Tx
from community.debate_models import Debate
from community.events import PostCreated, TopicChanged, emit
from community.members import Invalid
from community.models import Activity, Actor, LogEntry, Post, Reading, Theme, Topic
from community.policy import Refused, require, standing
from community.posts import Written

MAX_TITLE = 200
PAGE = 30


async def open(tx: Tx, author: Actor, group: Actor, written: Written, *, activity: Activity | None = None) -> Post:
    """Open a topic in a theme; answers its opener. Without a title one is made of the first sentence."""
    if written.uri:
        held = await posts.find_by_uri(tx, written.uri)
        if held is not None:
            return held
        if await posts.is_buried(tx, written.uri):
            raise Refused("was-deleted")
    author, group = await tx.own(author), await tx.own(group)
    require("open-topic", await standing(tx, author, group.id), group)
    debate = await tx.find(Debate, group.id)
    if debate is not None and debate.topic_id is not None and (group.is_local or author.is_local):
        raise Refused("debate-has-one-floor")
    is_clerk = author.kind == "service" and author.is_local
    if not is_clerk and await tx.find(Agenda, group.id) is not None:
        raise Refused("agenda-takes-proposals")
    place = await groups.ensure_place(tx, group)
    if not written.uri:
        written = replace(written, kind="Article" if written.abstract else place.object_type)
    title = text.cut(" ".join(written.title.split()), MAX_TITLE)
    is_generated = not title
    if is_generated:
        title = text.title_of(written.html, posts.addresses_of(written.mentioned))
    if not title:
        raise Invalid(title="title-missing")
    topic = Topic(
        group_id=group.id,
        author_id=author.id,
        title=title,
        title_is_generated=is_generated,
        last_number=0,
        reply_count=0,
        created_at=min(written.created_at or tx.now, tx.now),
        last_post_at=tx.now,
    )
    tx.add(topic)
    await tx.flush()
    # The thread of a theme of ours is our collection, whoever opened it and whatever context their server gave it.
    topic.context_uri = written.context_uri if group.host else ""
    topic.context_uri = topic.context_uri or f"{tx.settings.origin}/t/{topic.id}/context"
    await tx.flush()
    post = await posts.add_to_topic(tx, topic, author, written, None)
    (await tx.lock(Theme, group.id)).topic_count += 1
    await posts.notify_mentioned(tx, post, author, written.mentioned)
    topic.group, topic.author = group, author
    tx.signal(f"theme:{group.id}", topic)
    await emit(tx, PostCreated(post, topic, author, written.mentioned, activity=activity))
    return post


def check_title(title: str) -> str:
    """A title as typed by a person, or Invalid."""
    title = " ".join(title.split())
    if len(title) < 3:
        raise Invalid(title="title-missing")
    if len(title) > MAX_TITLE:
        raise Invalid(title="title-too-long")
    return title


@dataclass(frozen=True)
class Listed:
    """A topic as a row of a list; ``unread`` counts posts the reader has not seen (None: never opened)."""

    topic: Topic
    theme: Theme
    unread: int | None = None


async def listed(
    tx: Tx,
    *,
    group_id: int | None = None,
    group_ids: Sequence[int] | None = None,
    sort: str = "latest",
    reader_id: int | None = None,
    page: int = 1,
    limit: int = PAGE,
) -> list[Listed]:
    """Topics for a list: pinned ones of a theme first; ``sort`` is latest, new, top or unread.

    ``group_id`` is the theme whose page it is; ``group_ids`` are the places whose topics are listed: by default that
    theme and the groups it is linked with, or, without one, all themes here and all that are linked with them.
    """
    is_public = group_ids is None or group_id is not None  # else somebody's own list
    if group_ids is None:
        group_ids = await links.shown_in(tx, group_id)
    # Nearly all topics are in one of all these places: they are read in the order of the list, and not place by place
    # and then sorted, for which databases would decide if they could use the index of places.
    among = Topic.group_id + 0 if is_public and group_id is None else Topic.group_id
    reading = select(Reading.topic_id, Reading.last_number).where(Reading.account_id == (reader_id or 0)).subquery()
    query = (
        select(Topic, Theme, reading.c.last_number)
        .join(Theme, Theme.actor_id == Topic.group_id)
        .outerjoin(reading, reading.c.topic_id == Topic.id)
        .options(joinedload(Topic.author), joinedload(Topic.group))
        .where(Topic.deleted_at.is_(None), Topic.hidden_reason == "", among.in_(group_ids))
    )
    if is_public:
        unlisted = hosts.kept_out_of_lists()
        is_listed = Topic.author_id.not_in(unlisted) & Topic.group_id.not_in(unlisted)
        # A limited group has a page of its own all the same.
        query = query.where(is_listed | ((Topic.group_id == group_id) & Topic.group_id.in_(unlisted)))
    if group_id is not None:
        # Pins of linked groups are theirs: they do not stand first here.
        is_pinned = (Topic.group_id == group_id) & Topic.pinned_at.is_not(None)
        query = query.order_by(is_pinned.desc(), case((is_pinned, Topic.pinned_at)).desc().nulls_last())
    if sort == "new":
        query = query.order_by(Topic.created_at.desc(), Topic.id.desc())
    elif sort == "top":
        query = query.order_by(Topic.reply_count.desc(), Topic.id.desc())
    else:
        if sort == "unread":
            query = query.where(reading.c.last_number < Topic.last_number)
        query = query.order_by(Topic.last_post_at.desc(), Topic.id.desc())
    rows = await tx.execute(query.offset((page - 1) * limit).limit(limit))
    return [
        Listed(topic, theme, None if seen is None else max(0, topic.last_number - seen)) for topic, theme, seen in rows
    ]


async def one(tx: Tx, topic_id: int) -> tuple[Topic, Theme] | None:
    row = (
        await tx.execute(
            select(Topic, Theme)
            .join(Theme, Theme.actor_id == Topic.group_id)
            .options(joinedload(Topic.author), joinedload(Topic.group))
            .where(Topic.id == topic_id)
        )
    ).first()
    return None if row is None else (row[0], row[1])


async def voices(tx: Tx, topic_id: int) -> tuple[int, int]:
    """How many people from how many servers (this one included) wrote in a topic."""
    row = (
        await tx.execute(
            select(func.count(func.distinct(Actor.id)), func.count(func.distinct(Actor.host)))
            .select_from(Post)
            .join(Actor, Actor.id == Post.author_id)
            .where(Post.topic_id == topic_id, Post.deleted_at.is_(None))
        )
    ).one()
    return row[0], row[1]


async def context_uris(tx: Tx, topic_id: int) -> list[str]:
    """Ids of all posts of a topic, the opener first."""
    return list(
        (
            await tx.execute(
                select(Post.uri)
                .where(Post.topic_id == topic_id, Post.deleted_at.is_(None))
                .order_by(Post.number)
                .limit(1000)
            )
        ).scalars()
    )


async def openers(tx: Tx, group_id: int, *, only_pinned: bool = False, limit: int = 50) -> list[Post]:
    """The openers of a theme's topics, the newest first: what its outbox and its pins are made of."""
    query = (
        select(Post)
        .join(Topic, Topic.id == Post.topic_id)
        .options(joinedload(Post.author), joinedload(Post.topic).joinedload(Topic.group))
        .where(
            Topic.group_id == group_id,
            Topic.deleted_at.is_(None),
            Topic.hidden_reason == "",
            Post.number == 1,
            Post.deleted_at.is_(None),
            Post.hidden_reason == "",
        )
        .limit(limit)
    )
    if only_pinned:
        query = query.where(Topic.pinned_at.is_not(None)).order_by(Topic.pinned_at.desc())
    else:
        query = query.order_by(Topic.id.desc())
    return list((await tx.execute(query)).scalars())


async def _change(
    tx: Tx,
    by: Actor,
    topic: Topic,
    what: str,
    reason: str,
    old_group_id: int | None = None,
    activity: Activity | None = None,
) -> None:
    tx.add(
        LogEntry(
            at=tx.now,
            actor_id=by.id,
            action=f"{what}-topic",
            group_id=topic.group_id,
            topic_id=topic.id,
            reason=reason,
        )
    )
    await tx.flush()
    tx.signal(f"topic:{topic.id}", 0)
    await emit(tx, TopicChanged(topic, by, what, old_group_id, reason, activity=activity))


async def pin(
    tx: Tx, by: Actor, topic: Topic, *, is_on: bool, reason: str = "", activity: Activity | None = None
) -> None:
    """Keep a topic at the head of its theme, or let it go from there."""
    by, topic = await tx.own(by), await tx.own(topic)
    require("moderate", await standing(tx, by, topic.group_id), topic)
    if is_on != (topic.pinned_at is not None):
        topic.pinned_at = tx.now if is_on else None
        await _change(tx, by, topic, "pin" if is_on else "unpin", reason, activity=activity)


async def close(
    tx: Tx, by: Actor, topic: Topic, *, is_on: bool, reason: str = "", activity: Activity | None = None
) -> None:
    """Close a topic to further replies, or open it again."""
    by, topic = await tx.own(by), await tx.own(topic)
    require("moderate", await standing(tx, by, topic.group_id), topic)
    if is_on != (topic.closed_at is not None):
        topic.closed_at = tx.now if is_on else None
        await _change(tx, by, topic, "close" if is_on else "open", reason, activity=activity)


async def retitle(tx: Tx, by: Actor, topic: Topic, title: str) -> None:
    by, topic = await tx.own(by), await tx.own(topic)
    require("moderate", await standing(tx, by, topic.group_id), topic)
    title = check_title(title)
    if title != topic.title:
        topic.title, topic.title_is_generated = title, False
        await _change(tx, by, topic, "title", "")


async def move(tx: Tx, by: Actor, topic: Topic, theme: Theme, *, reason: str = "") -> None:
    """Move a topic with all its posts to another theme; its address and ids stay."""
    by, topic = await tx.own(by), await tx.own(topic)
    require("moderate", await standing(tx, by, topic.group_id), topic)
    theme = await tx.own(theme)
    require("moderate", await standing(tx, by, theme.actor_id), topic)
    for group_id in (topic.group_id, theme.actor_id):
        if await tx.find(Debate, group_id) is not None:
            raise Refused("debate-has-one-floor")
        if await tx.find(Agenda, group_id) is not None:
            raise Refused("agenda-takes-proposals")
    if theme.actor_id == topic.group_id:
        return
    old_group_id = topic.group_id
    count = (
        await tx.execute(
            select(func.count()).select_from(Post).where(Post.topic_id == topic.id, Post.deleted_at.is_(None))
        )
    ).scalar_one()
    for group_id, sign in ((old_group_id, -1), (theme.actor_id, 1)):
        changed = await tx.lock(Theme, group_id)
        changed.topic_count += sign
        changed.post_count += sign * count
    topic.group_id = theme.actor_id
    topic.group = theme.actor
    topic.pinned_at = None
    await _change(tx, by, topic, "move", reason, old_group_id)
