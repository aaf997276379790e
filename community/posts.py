"""Posts: replying, editing with history, deleting; openers are born in ``topics``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import joinedload, selectinload

from community import hosts, media, members, polls, text
from community.agenda_models import Agenda
from community.db import Tx
from community.debate_models import Debate
from community.events import PostCreated, PostDeleted, PostEdited, emit
from community.members import Invalid
from community.models import (
    Activity,
    Actor,
    LogEntry,
    Mention,
    Notification,
    Post,
    Reaction,
    Revision,
    Theme,
    Tombstone,
    Topic,
)
from community.policy import Refused, require, standing

PAGE = 50
NO_POSITION = "none"  # what Written.position says to take none, whatever is answered


@dataclass(frozen=True)
class Written:
    """What somebody wrote, ready to be stored: made by ``compose`` here, by ``federation.translate`` for others."""

    html: str
    source: str = ""
    title: str = ""
    abstract: str = ""  # plain words under the title: what has one is an Article
    warning: str = ""
    language: str = ""
    kind: str = "Note"
    uri: str = ""
    url: str = ""
    created_at: datetime | None = None
    edited_at: datetime | None = None
    mentioned: tuple[Actor, ...] = ()
    context_uri: str = ""  # of a topic from elsewhere: the thread's own address at its home
    quote_uri: str = ""
    poll: polls.Paper | None = None
    position: str = ""  # in a debate: for, against, question, none; '' takes that of the post that is answered
    part: str = ""  # what the clerk writes it for, see models.Post
    pictures: tuple[int, ...] = ()  # ids of the media that it shows


async def compose(
    tx: Tx,
    source: str,
    *,
    title: str = "",
    language: str = "",
    pictures_of: Actor | None = None,
    shown_by: Sequence[str] = (),
) -> Written:
    """Markdown as typed here, with its mentions resolved to the actors that we know. It may show the pictures that
    ``pictures_of`` uploaded and those that these holders show already; any other picture in it is a link."""
    source = source.replace("\r\n", "\n").strip()
    if not source:
        raise Invalid(text="text-missing")
    if len(source) > text.MAX_SOURCE:
        raise Invalid(text="text-too-long")
    mentioned: list[Actor] = []
    links: dict[str, tuple[str, str]] = {}
    for name, host in text.mentions_in(source):
        actor = await members.find(tx, name, host)
        if actor is not None and actor.kind != "application":
            mentioned.append(actor)
            links[f"{name}@{host}" if host else name] = (
                f"{name}@{host}" if actor.host else name,
                actor.url or actor.uri,
            )
    named = await media.named_in(tx, pictures_of, source, shown_by) if pictures_of is not None else {}
    html = text.render(source, links, {key: media.as_shown(row) for key, row in named.items()}, tx.settings.origin)
    shown = text.pictures_shown(html)
    if not text.plain(html) and not shown:
        raise Invalid(text="text-missing")
    return Written(
        html=html,
        source=source,
        title=title,
        language=language,
        mentioned=tuple(mentioned),
        pictures=tuple(named[key].id for key in shown),
    )


def addresses_of(mentioned: tuple[Actor, ...]) -> dict[str, str]:
    """The addresses by which a text may link to mentioned actors. Mastodon links a profile's page, others the id."""
    return {address: actor.handle for actor in mentioned for address in (actor.uri, actor.url) if address}


EVENT = "/event"  # what the id of a debate's Event ends with, after that of its group


async def find_by_uri(tx: Tx, uri: str) -> Post | None:
    """The post with this id. The Event of a debate of ours stands for the opener of its floor: who answers or likes it
    means that."""
    if not uri.endswith(EVENT) or not uri.startswith(f"{tx.settings.origin}/g/"):
        return await tx.by_uri(Post, uri)
    query = (
        select(Post)
        .join(Debate, Debate.topic_id == Post.topic_id)
        .join(Actor, Actor.id == Debate.actor_id)
        .where(Actor.uri == uri.removesuffix(EVENT), Post.number == 1)
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def is_buried(tx: Tx, uri: str) -> bool:
    """True when a thing was deleted before it ever reached us."""
    return await tx.by_uri(Tombstone, uri) is not None


async def add_to_topic(tx: Tx, topic: Topic, author: Actor, written: Written, reply_to: Post | None) -> Post:
    """Give a post its number and its row. The topic's row is locked from here to the end of the transaction, which is
    what keeps numbers and counts right when several processes write at once."""
    topic = await tx.lock(Topic, topic.id)
    theme = await tx.lock(Theme, topic.group_id)
    if topic.last_number:
        topic.reply_count += 1
    topic.last_number += 1
    topic.last_post_at = theme.last_post_at = tx.now
    theme.post_count += 1
    post = Post(
        number=topic.last_number,
        uri=written.uri or f"new:{topic.id}:{topic.last_number}",
        url=written.url,
        kind="Question" if written.poll is not None else written.kind,
        warning=written.warning,
        source=written.source,
        html=written.html,
        abstract=written.abstract,
        language=written.language,
        quote_uri=written.quote_uri,
        position=_position_of(written, reply_to),
        part=written.part,
        # A group elsewhere has to take a post of ours first: until it announces it, nobody there sees it.
        acceptance="waiting" if author.is_local and theme.actor.host and theme.actor.kind == "group" else "",
        like_count_here=0,
        like_count_elsewhere=0,
        # A time from elsewhere may be early (a reply that was fetched late) but is never in the future.
        created_at=min(written.created_at or tx.now, tx.now),
        edited_at=written.edited_at,
        deleted_at=None,
        deleted_reason="",
    )
    post.topic, post.author, post.reply_to = topic, author, reply_to
    post.topic_id, post.author_id, post.reply_to_id = topic.id, author.id, reply_to.id if reply_to else None
    tx.add(post)
    if not written.uri:
        await tx.flush()
        post.uri = f"{tx.settings.origin}/p/{post.id}"
        await media.hold(tx, f"post:{post.id}", written.pictures)
    _keep_mentions(tx, post, written.mentioned)
    tx.remember(post)
    if written.poll is not None:
        await tx.flush()
        await polls.attach(tx, post, written.poll)
    return post


def _position_of(written: Written, reply_to: Post | None) -> str:
    if written.position == NO_POSITION:
        return ""
    return written.position or (reply_to.position if reply_to is not None else "")


def _keep_mentions(tx: Tx, post: Post, mentioned: Iterable[Actor]) -> None:
    for actor_id in {actor.id for actor in mentioned}:
        mention = Mention(actor_id=actor_id)
        mention.post = post
        tx.add(mention)


async def reply(
    tx: Tx,
    author: Actor,
    topic: Topic,
    written: Written,
    *,
    reply_to: Post | None = None,
    activity: Activity | None = None,
) -> Post:
    """Answer in a topic; ``reply_to`` is the post that is answered (the opener when None).

    Raises Refused. A post that we already hold under the same uri is answered as it is: nothing happens twice.
    """
    if written.uri:
        held = await find_by_uri(tx, written.uri)
        if held is not None:
            return held
        if await is_buried(tx, written.uri):
            raise Refused("was-deleted")
    author, topic = await tx.own(author), await tx.own(topic)
    reply_to = await tx.own(reply_to) if reply_to is not None else None
    require("reply", await standing(tx, author, topic.group_id), topic)
    parent = reply_to or await opener(tx, topic)
    post = await add_to_topic(tx, topic, author, written, parent)
    await _notify(tx, post, author, parent, written.mentioned)
    tx.signal(f"topic:{topic.id}", post)
    await emit(tx, PostCreated(post, topic, author, written.mentioned, activity=activity))
    return post


async def _notify(tx: Tx, post: Post, author: Actor, parent: Post | None, mentioned: Iterable[Actor]) -> None:
    """Tell local people who were answered or mentioned, each once."""
    if not await hosts.may_notify(tx, author):
        return
    told: dict[int, str] = {}
    for actor in mentioned:
        if actor.is_local and actor.kind == "person":
            told[actor.id] = "mention"
    if parent is not None and parent.deleted_at is None:
        parent_author = await tx.find(Actor, parent.author_id)
        if parent_author is not None and parent_author.is_local and parent_author.kind == "person":
            told[parent.author_id] = "reply"
    told.pop(author.id, None)
    for actor_id, kind in told.items():
        note = Notification(account_id=actor_id, kind=kind, actor_id=author.id, created_at=tx.now)
        note.post = post
        tx.add(note)
        tx.signal(f"account:{actor_id}")


async def notify_mentioned(tx: Tx, post: Post, author: Actor, mentioned: Iterable[Actor]) -> None:
    await _notify(tx, post, author, None, mentioned)


async def opener(tx: Tx, topic: Topic) -> Post | None:
    query = select(Post).options(joinedload(Post.author)).where(Post.topic_id == topic.id, Post.number == 1)
    return (await tx.execute(query)).scalar_one_or_none()


async def edit(tx: Tx, author: Actor, post: Post, written: Written, *, activity: Activity | None = None) -> bool:
    """Replace a post's text; the old one stays readable in its history.

    False when nothing was changed: the same text again, or an edit from elsewhere that is older than what we hold.
    """
    author, post = await tx.own(author), await tx.own(post)
    topic = await tx.lock(Topic, post.topic_id)
    require("edit", await standing(tx, author, topic.group_id), post)
    edited_at = min(written.edited_at or tx.now, tx.now)
    if post.edited_at is not None and edited_at <= post.edited_at and written.uri:
        return False
    new_title = topic.title
    if post.number == 1:
        made = text.title_of(written.html, addresses_of(written.mentioned)) if topic.title_is_generated else ""
        new_title = text.cut(written.title, 200) or made or topic.title
    abstract = written.abstract or post.abstract
    if (written.html, written.warning, new_title, abstract) == (post.html, post.warning, topic.title, post.abstract):
        return False
    tx.add(
        Revision(
            post_id=post.id,
            title=topic.title if post.number == 1 else "",
            source=post.source,
            html=post.html,
            written_at=post.edited_at or post.created_at,
            replaced_at=tx.now,
        )
    )
    post.html, post.source, post.warning = written.html, written.source, written.warning
    post.abstract = abstract
    post.language = written.language or post.language
    if written.uri:
        post.edited_at = edited_at
    else:
        mark_edited(tx, post)
    topic.title = new_title
    known = set((await tx.execute(select(Mention.actor_id).where(Mention.post_id == post.id))).scalars())
    await tx.execute(delete(Mention).where(Mention.post_id == post.id))
    _keep_mentions(tx, post, written.mentioned)
    await media.hold(tx, f"post:{post.id}", written.pictures)
    await tx.flush()
    await notify_mentioned(tx, post, author, [actor for actor in written.mentioned if actor.id not in known])
    post.topic, post.author = topic, author
    tx.signal(f"topic:{topic.id}", post)
    await emit(tx, PostEdited(post, topic, author, written.mentioned, activity=activity))
    return True


def mark_edited(tx: Tx, post: Post) -> None:
    """Date a change of a post of ours. Others show it only when it is later than what they have, and documents name
    milliseconds."""
    now = tx.now.replace(microsecond=tx.now.microsecond // 1000 * 1000)
    post.edited_at = max(now, (post.edited_at or post.created_at) + timedelta(milliseconds=1))


async def erase(tx: Tx, by: Actor, post: Post, *, reason: str = "", activity: Activity | None = None) -> None:
    """Delete a post: its text, history, likes and mentions go, its number and uri stay taken.

    The author needs no reason; a moderator gives one, which is logged and travels. Deleting an opener without replies
    deletes the topic; with replies the topic stays around an empty opener, as in every forum. So does the floor of a
    debate, where what its course brings is written.
    """
    by, post = await tx.own(by), await tx.own(post)
    if post.part == "item":  # who decides on an item keeps its agenda from others, then its topic
        await tx.lock(Agenda, (await tx.get_one(Topic, post.topic_id)).group_id)
    topic = await tx.lock(Topic, post.topic_id)
    require("delete", await standing(tx, by, topic.group_id), post)
    author = await tx.get_one(Actor, post.author_id)
    if by.id != post.author_id:
        reason = reason or "against the rules of this theme"
        tx.add(
            LogEntry(
                at=tx.now, actor_id=by.id, action="remove-post", group_id=topic.group_id, topic_id=topic.id,
                post_id=post.id, about_id=post.author_id, reason=reason,
            )
        )  # fmt: skip
    else:
        reason = ""
    post.source = post.html = post.warning = post.abstract = ""
    post.deleted_at, post.deleted_reason = tx.now, reason
    post.like_count_here = post.like_count_elsewhere = post.dislike_count = 0
    for table in (Revision, Reaction, Mention, Notification):
        await tx.execute(delete(table).where(table.post_id == post.id))
    await polls.remove(tx, post.id)
    await media.release(tx, f"post:{post.id}")
    theme = await tx.lock(Theme, topic.group_id)
    theme.post_count -= 1
    if post.number > 1:
        topic.reply_count -= 1
    elif topic.reply_count == 0 and topic.closes_at is None:
        topic.deleted_at = tx.now
        theme.topic_count -= 1
    await tx.flush()
    post.topic, post.author = topic, author
    tx.signal(f"topic:{topic.id}", post)
    await emit(tx, PostDeleted(post, topic, author, by, reason, activity=activity))


async def restore(tx: Tx, by: Actor, post: Post, written: Written) -> None:
    """Take the removal of a post from elsewhere back, with its text as its origin has it. What its author deleted stays
    deleted. Raises Refused."""
    by, post = await tx.own(by), await tx.own(post)
    topic = await tx.lock(Topic, post.topic_id)
    require("moderate", await standing(tx, by, topic.group_id), topic)
    if post.deleted_at is None or not post.deleted_reason:
        raise Refused("deleted-by-its-author" if post.deleted_at is not None else "post-is-there")
    post.html, post.warning, post.language = written.html, written.warning, written.language
    post.edited_at, post.deleted_at, post.deleted_reason = written.edited_at, None, ""
    _keep_mentions(tx, post, written.mentioned)
    theme = await tx.lock(Theme, topic.group_id)
    theme.post_count += 1
    if post.number > 1:
        topic.reply_count += 1
    elif topic.deleted_at is not None:
        topic.deleted_at = None
        theme.topic_count += 1
    tx.add(
        LogEntry(
            at=tx.now, actor_id=by.id, action="restore-post", group_id=topic.group_id, topic_id=topic.id,
            post_id=post.id, about_id=post.author_id,
        )
    )  # fmt: skip
    await tx.flush()
    tx.signal(f"topic:{topic.id}", post)


async def bury(tx: Tx, uri: str) -> None:
    """Remember the deletion of a thing that we do not hold, in case it arrives late."""
    if await tx.by_uri(Tombstone, uri) is None:
        stone = Tombstone(uri=uri, at=tx.now)
        tx.add(stone)
        tx.remember(stone)


async def history(tx: Tx, post: Post) -> list[Revision]:
    """Earlier texts, the newest first."""
    return list(
        (await tx.execute(select(Revision).where(Revision.post_id == post.id).order_by(Revision.id.desc()))).scalars()
    )


SHOWN = (joinedload(Post.author, innerjoin=True), selectinload(Post.reply_to).joinedload(Post.author))


async def page_of(tx: Tx, topic_id: int, first_number: int, limit: int = PAGE) -> list[Post]:
    """Posts of a topic from ``first_number`` on, with their authors and the posts that they answer."""
    return list(
        (
            await tx.execute(
                select(Post)
                .options(*SHOWN)
                .where(Post.topic_id == topic_id, Post.number >= first_number)
                .order_by(Post.number)
                .limit(limit)
            )
        ).scalars()
    )


async def one(tx: Tx, post_id: int) -> Post | None:
    """A post with everything that a page or a document says of it."""
    return (
        await tx.execute(
            select(Post).options(*SHOWN, joinedload(Post.topic).joinedload(Topic.group)).where(Post.id == post_id)
        )
    ).scalar_one_or_none()


async def mentioned_in(tx: Tx, post_ids: Iterable[int]) -> dict[int, list[Actor]]:
    found: dict[int, list[Actor]] = {}
    rows = await tx.execute(
        select(Mention.post_id, Actor).join(Actor, Actor.id == Mention.actor_id).where(Mention.post_id.in_(post_ids))
    )
    for post_id, actor in rows:
        found.setdefault(post_id, []).append(actor)
    return found


async def reply_uris(tx: Tx, post_id: int, limit: int = 500) -> list[str]:
    """Ids of the direct replies, from here and elsewhere, oldest first."""
    return list(
        (
            await tx.execute(
                select(Post.uri)
                .where(Post.reply_to_id == post_id, Post.deleted_at.is_(None))
                .order_by(Post.number)
                .limit(limit)
            )
        ).scalars()
    )


async def uris_of_replies(tx: Tx, post_ids: Iterable[int]) -> dict[int, list[str]]:
    """Ids of the direct replies to many posts."""
    found: dict[int, list[str]] = {}
    rows = await tx.execute(
        select(Post.reply_to_id, Post.uri)
        .where(Post.reply_to_id.in_(post_ids), Post.deleted_at.is_(None))
        .order_by(Post.number)
    )
    for post_id, uri in rows:
        if post_id is not None:
            found.setdefault(post_id, []).append(uri)
    return found


async def by_author(tx: Tx, actor_id: int, limit: int = 20) -> list[Post]:
    """The newest posts of somebody, with their topics and themes."""
    return list(
        (
            await tx.execute(
                select(Post)
                .options(joinedload(Post.author), joinedload(Post.topic).joinedload(Topic.group))
                .join(Topic, Topic.id == Post.topic_id)
                .where(
                    Post.author_id == actor_id,
                    Post.deleted_at.is_(None),
                    Post.hidden_reason == "",
                    Topic.deleted_at.is_(None),
                    Topic.hidden_reason == "",
                )
                .order_by(Post.id.desc())
                .limit(limit)
            )
        ).scalars()
    )


async def count_by_author(tx: Tx, actor_id: int) -> int:
    return (
        await tx.execute(
            select(func.count()).select_from(Post).where(Post.author_id == actor_id, Post.deleted_at.is_(None))
        )
    ).scalar_one()
