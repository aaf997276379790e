"""What we say about our own things: rows gathered into documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from community import articles, debates, media, polls, posts
from community.db import Tx
from community.debate_models import Debate
from community.models import Actor, Post, Theme, Topic
from federation import translate
from federation.debates import to_debate, to_event
from federation.vocabulary import Document

_REPLIES = 50  # so many are named in a document


async def note(tx: Tx, post: Post) -> Document:
    """The document of a post that was written here."""
    mentioned = (await posts.mentioned_in(tx, [post.id])).get(post.id, [])
    replies = await posts.reply_uris(tx, post.id, _REPLIES)
    cover = (await articles.covers(tx, [post.id])).get(post.id) if post.kind == "Article" else None
    return await _note(tx, post, mentioned, replies, await media.shown_in(tx, post.html), cover)


async def notes(tx: Tx, page: Sequence[Post]) -> list[Document]:
    """The documents of many posts that were written here, with one question for all of each kind. Their authors and
    the posts that they answer, with theirs, should be loaded: else each is asked for."""
    ids = [post.id for post in page]
    mentioned = await posts.mentioned_in(tx, ids)
    replies = await posts.uris_of_replies(tx, ids)
    pictures = await media.shown_in_each(tx, [post.html for post in page])
    titled = [post.id for post in page if post.kind == "Article"]
    covers = await articles.covers(tx, titled) if titled else {}
    return [
        await _note(
            tx, post, mentioned.get(post.id, []), replies.get(post.id, [])[:_REPLIES], shown, covers.get(post.id)
        )
        for post, shown in zip(page, pictures, strict=True)
    ]


async def _note(
    tx: Tx,
    post: Post,
    mentioned: Iterable[Actor],
    replies: list[str],
    pictures: Sequence[media.Shown],
    cover: media.Shown | None,
) -> Document:
    topic = await tx.get_one(Topic, post.topic_id)
    parent = await tx.get_one(Post, post.reply_to_id) if post.reply_to_id is not None else None
    people = {actor.id: actor for actor in mentioned}
    # Whoever is answered is told, as in every conversation: microblogs notify only those who are mentioned.
    if parent is not None and parent.author_id != post.author_id and parent.deleted_at is None:
        people.setdefault(parent.author_id, await tx.get_one(Actor, parent.author_id))
    return translate.to_note(
        post,
        topic,
        await tx.get_one(Actor, topic.group_id),
        await tx.get_one(Actor, post.author_id),
        tx.settings,
        parent=parent,
        mentioned=people.values(),
        replies=replies,
        poll=await polls.find(tx, post.id) if post.kind == "Question" else None,
        pictures=pictures,
        cover=cover,
    )


async def actor(tx: Tx, row: Actor) -> Document:
    if row.kind != "group":
        return translate.to_actor(row, tx.settings)
    document = translate.to_actor(row, tx.settings, await tx.get(Theme, row.id))
    debate = await debates.of_group(tx, row.id)
    if debate is None:
        document["upcomingEvents"] = f"{row.uri}/upcoming"
    else:
        opener = await _floor(tx, debate)
        digest = await tx.get(Post, debate.digest_post_id) if debate.digest_post_id is not None else None
        document["debate"] = to_debate(
            debate,
            theme=debate.theme,
            seats=await debates.seats(tx, row.id),
            floor=opener.uri if opener is not None else "",
            digest=digest.uri if digest is not None else "",
        )
    return document


async def _floor(tx: Tx, debate: Debate) -> Post | None:
    topic = await tx.get(Topic, debate.topic_id) if debate.topic_id is not None else None
    return await posts.opener(tx, topic) if topic is not None else None


async def event(tx: Tx, debate: Debate) -> Document | None:
    """A debate of ours as an entry in calendars; None before it has a floor."""
    opener = await _floor(tx, debate)
    if opener is None or debate.theme is None:
        return None
    return to_event(
        debate,
        await tx.get_one(Actor, opener.author_id),
        debate.theme,
        tx.settings,
        debates.words_of(tx, debate),
        hosts=[seat.actor for seat in await debates.seats(tx, debate.actor_id) if seat.role == "host"],
        context=(await tx.get_one(Topic, opener.topic_id)).context_uri,
        floor=opener.uri,
        replies=await posts.reply_uris(tx, opener.id, _REPLIES),
        is_over=debate.state not in debates.OPEN or debate.closes_at <= tx.now,
    )


async def local_post(tx: Tx, post_id: int) -> Post | None:
    """A post that was written here, deleted or not; posts from elsewhere have their documents elsewhere."""
    return (
        await tx.execute(
            select(Post).join(Actor, Actor.id == Post.author_id).where(Post.id == post_id, Actor.host == "")
        )
    ).scalar_one_or_none()
