"""What we say about our own things: rows gathered into documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import select

from community import agendas, articles, debates, media, polls, posts, sources
from community.agenda_models import Item
from community.db import Tx
from community.debate_models import Debate
from community.models import Actor, Post, Theme, Topic
from federation import translate
from federation.agendas import ITEM_CONTEXT, Posted, collection_uri, first_of, to_item, to_occasion
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
    document = translate.to_note(
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
    return document | await _terms(tx, post, topic) if post.part == "item" else document


# --- Items of agendas ------------------------------------------------------------------------------------------------


async def _terms(tx: Tx, post: Post, topic: Topic) -> Document:
    """What the post of an item says of the item."""
    agenda, item = await agendas.of_group(tx, topic.group_id), await _item(tx, post, topic)
    if agenda is None or item is None:
        return {}
    behind = first_of((await cited(tx, [item.id]))[item.id])
    posted = (await posted_as(tx, [item]))[item.id]
    return {"@context": ITEM_CONTEXT, **to_item(agenda, item, behind, posted)}


async def _item(tx: Tx, post: Post, topic: Topic) -> Item | None:
    item = (await tx.execute(select(Item).where(Item.post_id == post.id))).scalar_one_or_none()
    if item is None:
        # A post is told of before the item that it was made for knows it: that is the one without a post.
        query = select(Item).where(Item.agenda_id == topic.group_id, Item.post_id.is_(None))
        item = (await tx.execute(query.order_by(Item.number.desc()).limit(1))).scalar_one_or_none()
    return item


async def cited(tx: Tx, item_ids: Sequence[int]) -> defaultdict[int, list[str]]:
    """The ids of what stands behind items by name, the earliest cited first: nothing that was taken back, and nothing
    that leads to somebody who objected."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for item_id, citations in (await sources.behind(tx, item_ids)).items():
        found[item_id] = [each.post.uri for each in citations if each.post is not None]
    return found


async def posted_as(tx: Tx, items: Sequence[Item]) -> dict[int, Posted]:
    """The ids of the posts of items, and of the items that they are merged and split with, by the item's."""
    ids = {item.id for item in items}
    related = ids | {item.merged_into_id for item in items} | {item.split_from_id for item in items}
    query = select(Item.id, Item.merged_into_id, Post.uri).join(Post, Post.id == Item.post_id)
    query = query.where(Post.deleted_at.is_(None)).order_by(Item.number)
    uris: dict[int | None, str] = {}
    merged: defaultdict[int | None, list[str]] = defaultdict(list)
    for id_, _, uri in await tx.execute(query.where(Item.id.in_(related - {None}))):
        uris[id_] = uri
    for _, into_id, uri in await tx.execute(query.where(Item.merged_into_id.in_(ids))):
        merged[into_id].append(uri)
    return {
        item.id: Posted(
            uris.get(item.id, ""), uris.get(item.merged_into_id, ""), merged[item.id], uris.get(item.split_from_id, "")
        )
        for item in items
    }


# --- Actors and events -----------------------------------------------------------------------------------------------


async def actor(tx: Tx, row: Actor) -> Document:
    if row.kind != "group":
        return translate.to_actor(row, tx.settings)
    document = translate.to_actor(row, tx.settings, await tx.get(Theme, row.id))
    debate, agenda = await debates.of_group(tx, row.id), await agendas.of_group(tx, row.id)
    if agenda is not None:
        document |= {"agenda": collection_uri(agenda), "event": to_occasion(agenda)}
    elif debate is None:
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
