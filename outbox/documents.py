"""What we say about our own things: rows gathered into documents."""

from __future__ import annotations

from sqlalchemy import select

from community import polls, posts
from community.db import Tx
from community.models import Actor, Post, Theme, Topic
from federation import translate
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
    )


async def actor(tx: Tx, row: Actor) -> Document:
    theme = await tx.get(Theme, row.id) if row.kind == "group" else None
    return translate.to_actor(row, tx.settings, theme)


async def local_post(tx: Tx, post_id: int) -> Post | None:
    """A post that was written here, deleted or not; posts from elsewhere have their documents elsewhere."""
    return (
        await tx.execute(
            select(Post).join(Actor, Actor.id == Post.author_id).where(Post.id == post_id, Actor.host == "")
        )
    ).scalar_one_or_none()
