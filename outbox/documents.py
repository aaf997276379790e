"""What we say about our own things: rows gathered into documents."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from community import debates, media, polls, posts
from community.db import Tx
from community.debate_models import Debate
from community.models import Actor, Post, Theme, Topic
from federation import translate
from federation.debates import to_debate, to_event
from federation.vocabulary import Document


async def note(tx: Tx, post: Post) -> Document:
    """The document of a post that was written here."""
    topic = await tx.get_one(Topic, post.topic_id)
    group = await tx.get_one(Actor, topic.group_id)
    author = await tx.get_one(Actor, post.author_id)
    mentioned = {actor.id: actor for actor in (await posts.mentioned_in(tx, [post.id])).get(post.id, [])}
    parent_uri = None
    if post.reply_to_id is not None:
        parent = await tx.get_one(Post, post.reply_to_id)
        parent_uri = parent.uri
        # Whoever is answered is told, as in every conversation: microblogs notify only those who are mentioned.
        parent_author = await tx.get_one(Actor, parent.author_id)
        if parent_author.id != author.id and parent.deleted_at is None:
            mentioned.setdefault(parent_author.id, parent_author)
    return translate.to_note(
        post,
        topic,
        group,
        author,
        tx.settings,
        parent_uri=parent_uri,
        mentioned=mentioned.values(),
        replies=await posts.reply_uris(tx, post.id, 50),
        poll=await polls.find(tx, post.id) if post.kind == "Question" else None,
        pictures=await media.shown_in(tx, post.html),
    )


async def notes(tx: Tx, page: Sequence[Post]) -> list[Document]:
    """The documents of many posts of one topic that were written here, with one question for all of each kind. Their
    authors and the posts that they answer have to be loaded."""
    if not page:
        return []
    ids = [post.id for post in page]
    topic = await tx.get_one(Topic, page[0].topic_id)
    group = await tx.get_one(Actor, topic.group_id)
    mentioned = await posts.mentioned_in(tx, ids)
    replies = await posts.uris_of_replies(tx, ids)
    found = []
    for post in page:
        parent = post.reply_to
        people = {actor.id: actor for actor in mentioned.get(post.id, [])}
        if parent is not None and parent.author_id != post.author_id and parent.deleted_at is None:
            people.setdefault(parent.author_id, parent.author)
        found.append(
            translate.to_note(
                post,
                topic,
                group,
                post.author,
                tx.settings,
                parent_uri=parent.uri if parent is not None else None,
                mentioned=people.values(),
                replies=replies.get(post.id, [])[:50],
                poll=await polls.find(tx, post.id) if post.kind == "Question" else None,
            )
        )
    return found


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
        replies=await posts.reply_uris(tx, opener.id, 50),
        is_over=debate.state not in debates.OPEN or debate.closes_at <= tx.now,
    )


async def local_post(tx: Tx, post_id: int) -> Post | None:
    """A post that was written here, deleted or not; posts from elsewhere have their documents elsewhere."""
    return (
        await tx.execute(
            select(Post).join(Actor, Actor.id == Post.author_id).where(Post.id == post_id, Actor.host == "")
        )
    ).scalar_one_or_none()
