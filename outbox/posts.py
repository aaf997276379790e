"""What other servers hear of posts: from their authors directly, and from the group in both of its forms."""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import select

from community import debates, links, posts
from community.db import Tx
from community.events import DebateChanged, PostCreated, PostDeleted, PostEdited, TopicChanged, on
from community.models import Activity, Actor, Post, Topic
from community.policy import state_of_host
from federation import translate
from federation.vocabulary import PUBLIC, Document, id_of, same_origin, type_of
from outbox import documents
from outbox.delivery import To, forward, new_uri, send, signed

SHARED_FOR = timedelta(hours=6)  # older ones come with a backfill, many at once


async def _direct(tx: Tx, topic: Topic, post: Post, author: Actor, mentioned: tuple[Actor, ...]) -> To:
    """Those who get the author's own activity: followers of the author, the people mentioned and answered, and the
    servers of everyone who takes part in the topic, so that threads are whole wherever somebody reads them."""
    people = {actor.id for actor in mentioned}
    if post.reply_to_id is not None:
        people.add((await tx.get_one(Post, post.reply_to_id)).author_id)
    if post.part and post.part != "notice":
        # Questions and news reach host and panel wherever they are, also if they follow nobody here.
        people.update(await debates.roles(tx, topic.group_id))
    return To(followers_of=(author.id,), actors=tuple(sorted(people)), topic=topic.id)


def _original(activity: Activity | None, *kinds: str) -> Document | None:
    """What its author sent, to be passed on as it came. What another server forwarded is no such thing."""
    if activity is None or activity.envelope is not None:
        return None
    document: Document = json.loads(activity.document)
    return document if type_of(document) in kinds and isinstance(document.get("object"), dict) else None


@on(PostCreated)
async def announce(tx: Tx, event: PostCreated) -> None:
    post, topic, author = event.post, event.topic, event.author
    group = await tx.get_one(Actor, topic.group_id)
    is_opener = post.number == 1
    if not group.is_local:
        if author.is_local:
            await _send_abroad(tx, "Create", post, topic, group, author, event.mentioned)
        elif is_opener:
            await _share(tx, group, post, author)
        return
    if author.is_local:
        note = await documents.note(tx, post)
        inner: Document | None = translate.about_object("Create", new_uri(tx), author, note, tx.now)
        direct = await _direct(tx, topic, post, author, event.mentioned)
        # Lemmy drops a wrapped top-level Note: it gets the author's own Create.
        lemmy = [To(followers_of=(group.id,), form="lemmy")] if is_opener else []
        assert inner is not None
        await send(tx, inner, author, direct, *lemmy)
    else:
        inner = _original(event.activity, "Create", "Update")
    if is_opener or await _is_for_home_feeds(tx, post, group, author):
        boost = translate.announce(new_uri(tx), group, post.uri, author.uri, tx.now)
        await send(tx, boost, group, To(followers_of=(group.id,), form="plain"))
    if inner is not None:
        await wrap(tx, group, inner)


async def _is_for_home_feeds(tx: Tx, post: Post, group: Actor, author: Actor) -> bool:
    """What of a debate microblogs see in their home feeds: what the clerk says, and, while it is live, what host and
    panel say. The audience's replies stay in the thread, so that the feed is a ticker and no flood."""
    if post.part:
        return post.part != "notice"
    debate = await debates.of_group(tx, group.id)
    if debate is None or debates.state_at(debate, post.created_at) != "live":
        return False
    return author.id in await debates.roles(tx, group.id)


@on(DebateChanged)
async def boost_digest(tx: Tx, event: DebateChanged) -> None:
    """The digest of a debate is a topic of its theme; who follows the debate alone hears of it too."""
    if event.what == "digest-sent":
        debate = event.debate
        post = await tx.get_one(Post, debate.digest_post_id)
        author = await tx.get_one(Actor, post.author_id)
        boost = translate.announce(new_uri(tx), debate.actor, post.uri, author.uri, tx.now)
        await send(tx, boost, debate.actor, To(followers_of=(debate.actor_id,), form="plain"))


async def _send_abroad(
    tx: Tx, kind: str, post: Post, topic: Topic, group: Actor, author: Actor, mentioned: tuple[Actor, ...]
) -> None:
    """What our member writes in a group elsewhere goes to that group, which announces it or not; and to those who get
    it from the author anyway. None of our own groups says anything about it."""
    note = await documents.note(tx, post)
    activity = translate.about_object(kind, new_uri(tx), author, note, tx.now)
    await send(tx, activity, author, await _direct(tx, topic, post, author, mentioned), To(actors=(group.id,)))


async def _share(tx: Tx, group: Actor, post: Post, author: Actor) -> None:
    """A fresh topic of a linked group, or the floor of a debate there, is boosted by our theme to its followers on
    microblogs, once. It is never announced whole, which is what makes loops impossible: forums take nothing but the
    home's own word."""
    if post.created_at < tx.now - SHARED_FOR:
        return
    if any([await state_of_host(tx, actor.host) != "open" for actor in (group, author)]):
        return
    debate = await debates.of_group(tx, group.id)
    home_id = group.id if debate is None else debate.theme_id or group.id
    for theme in await links.themes_linked_with(tx, home_id):
        boost = translate.announce(new_uri(tx), theme, post.uri, author.uri, tx.now)
        await send(tx, boost, theme, To(followers_of=(theme.id,), form="microblog"))


async def wrap(tx: Tx, group: Actor, inner: Document, *, has_left: bool = False) -> None:
    """Have a group of ours announce a whole activity, as forums read it; what one of ours said with its proof."""
    author_uri = id_of(inner["actor"]) or ""
    if same_origin(author_uri, tx.settings.origin):
        author = await tx.by_uri(Actor, author_uri)
        inner = inner if author is None else await signed(tx, inner, author)
    wrapped = translate.announce(new_uri(tx), group, inner, author_uri, tx.now)
    await send(tx, wrapped, group, To(followers_of=(group.id,), form="wrapped", has_left=has_left))


@on(PostEdited)
async def announce_edit(tx: Tx, event: PostEdited) -> None:
    """Edits go, signed by the author, to every inbox that got the original: microblogs ignore an announced Update."""
    await send_update(tx, event.post, event.topic, event.author, event.mentioned, event.activity)


async def send_update(
    tx: Tx, post: Post, topic: Topic, author: Actor, mentioned: tuple[Actor, ...], activity: Activity | None
) -> None:
    """An Update to everybody who got the original, and to those ``mentioned``."""
    group = await tx.get_one(Actor, topic.group_id)
    if not group.is_local:
        if author.is_local:
            await _send_abroad(tx, "Update", post, topic, group, author, mentioned)
        return
    if author.is_local:
        note = await documents.note(tx, post)
        inner: Document | None = translate.about_object("Update", new_uri(tx), author, note, tx.now)
        assert inner is not None
        direct = await _direct(tx, topic, post, author, mentioned)
        await send(tx, inner, author, direct, To(followers_of=(group.id,), has_left=True))
    else:
        inner = _original(activity, "Update")
        await _forward(tx, group, activity)
    if inner is not None:
        await wrap(tx, group, inner, has_left=True)


async def _forward(tx: Tx, group: Actor, activity: Activity | None) -> None:
    """What an author elsewhere signed inside reaches microblogs as it came: they ignore what a group announces of edits
    and deletions."""
    if activity is not None:
        await forward(tx, activity, group, To(followers_of=(group.id,), form="microblog", has_left=True))


@on(PostDeleted)
async def announce_deletion(tx: Tx, event: PostDeleted) -> None:
    """An author's deletion carries no summary and a moderator's does: by that alone Lemmy tells them apart.

    We hold the keys of local authors, so what a moderator removes of theirs is also deleted in their name, which is
    the only removal that microblogs obey. Of a foreign author's post we can only withdraw the boost.
    """
    post, topic, author = event.post, event.topic, event.author
    group = await tx.get_one(Actor, topic.group_id)
    everyone = To(followers_of=(group.id,), has_left=True)
    stone = translate.tombstone(post.uri, tx.now)
    del stone["@context"]
    addressed = {"to": [PUBLIC, group.uri], "cc": [group.followers_uri], "audience": group.uri}
    inner: Document | None = None
    if not group.is_local:
        if author.is_local and event.by.id == author.id:
            own = translate.activity(
                "Delete", new_uri(tx), author, stone | {"attributedTo": author.uri}, tx.now, **addressed
            )
            await send(tx, own, author, await _direct(tx, topic, post, author, ()), To(actors=(group.id,)))
        elif event.by.is_local:  # a member of ours who moderates that group
            removal = translate.activity(
                "Delete", new_uri(tx), event.by, post.uri, tx.now, summary=event.reason, **addressed
            )
            await send(tx, removal, event.by, To(actors=(group.id,)))
        return
    if author.is_local:
        about = stone | {"attributedTo": author.uri}
        own = translate.activity("Delete", new_uri(tx), author, about, tx.now, **addressed)
        await send(tx, own, author, await _direct(tx, topic, post, author, ()), everyone)
        inner = own
    else:
        is_direct = event.activity is not None and event.activity.envelope is None
        inner = json.loads(event.activity.document) if event.activity is not None and is_direct else None
        if event.by.id == author.id:
            await _forward(tx, group, event.activity)
    if event.by.id != author.id and not event.by.is_local:  # a moderator elsewhere: what they sent is passed on
        inner = json.loads(event.activity.document) if event.activity else inner
    elif event.by.id != author.id:
        inner = translate.activity("Delete", new_uri(tx), event.by, post.uri, tx.now, summary=event.reason, **addressed)
        if not author.is_local:
            await send(tx, inner, event.by, To(actors=(author.id,)))
    if inner is not None:
        await wrap(tx, group, inner, has_left=True)
    await withdraw_boost(tx, group, post)


async def withdraw_boost(tx: Tx, group: Actor, post: Post, *, form: str = "plain") -> None:
    """Undo with the Announce embedded: with its id alone GoToSocial, snac and Takahē all kept the boost."""
    rows = await tx.execute(
        select(Activity).where(
            Activity.direction == "out",
            Activity.type == "Announce",
            Activity.actor_uri == group.uri,
            Activity.object_uri == post.uri,
        )
    )
    for row in rows.scalars():
        boost = json.loads(row.document)
        if boost.get("object") == post.uri:
            boost.pop("@context", None)
            undo = translate.activity("Undo", new_uri(tx), group, boost, tx.now, to=[PUBLIC], cc=[group.followers_uri])
            await send(tx, undo, group, To(followers_of=(group.id,), form=form, has_left=True))


@on(TopicChanged)
async def announce_change(tx: Tx, event: TopicChanged) -> None:
    """A new title or theme of a local author's topic is an edit of its opener; pins show in ``featured``."""
    if event.what not in ("title", "move"):
        return
    post = await posts.opener(tx, event.topic)
    if post is None or post.deleted_at is not None:
        return
    author = await tx.get_one(Actor, post.author_id)
    if author.is_local and (await tx.get_one(Actor, event.topic.group_id)).is_local:
        posts.mark_edited(tx, post)
        await tx.flush()
        await send_update(tx, post, event.topic, author, (), None)
