"""The lists that other servers read, in the exact shapes that they parse."""

from __future__ import annotations

import json

from sqlalchemy import select

from community import board, debates, groups, posts, topics
from community.agenda_models import Agenda
from community.db import Tx
from community.models import Activity, Actor, Post, Topic
from federation import agendas as agenda_documents
from federation import translate
from federation.debates import event_uri
from federation.vocabulary import AS2, Document, type_of
from outbox import documents


def _ordered(uri: str, items: list[str] | list[Document], **fields: object) -> Document:
    return {
        "@context": AS2,
        "id": uri,
        "type": "OrderedCollection",
        "totalItems": len(items),
        **fields,
        "orderedItems": items,
    }


async def outbox(tx: Tx, actor: Actor) -> Document:
    """A theme's newest fifty openers as Announce{Create}, all in the root: Lemmy cannot read a paged outbox, and
    PieFed takes every item for a topic. People's outboxes hold their Creates."""
    items: list[Document] = []
    if actor.kind == "group":
        openers = await topics.openers(tx, actor.id)
        announced = await _announced(tx, actor, [opener.uri for opener in openers])
        for opener in openers:
            create = await _create_of(tx, opener)
            if create is not None and opener.uri in announced:
                uri = announced[opener.uri]
                items.append(translate.announce(uri, actor, create, opener.author.uri, opener.created_at))
                items[-1].pop("@context")
    else:
        for post in await posts.by_author(tx, actor.id):
            create = await _create_of(tx, post)
            if create is not None:
                items.append(create)
    return _ordered(actor.outbox, items)


async def _announced(tx: Tx, group: Actor, openers: list[str]) -> dict[str, str]:
    """The ids under which a group announced the Creates of these openers."""
    rows = await tx.execute(
        select(Activity.object_uri, Activity.uri, Activity.document).where(
            Activity.direction == "out",
            Activity.type == "Announce",
            Activity.actor_uri == group.uri,
            Activity.object_uri.in_(openers),
        )
    )
    return {about: uri for about, uri, raw in rows if type_of(json.loads(raw)["object"]) == "Create"}


async def _create_of(tx: Tx, post: Post) -> Document | None:
    """The Create of a post: ours made from what it says now, another's exactly as it came."""
    row = (
        await tx.execute(
            select(Activity)
            .where(Activity.object_uri == post.uri, Activity.type == "Create")
            .order_by(Activity.id)
            .limit(1)
        )
    ).scalar_one_or_none()
    if not post.author.is_local:
        if row is None:
            return None
        received: Document = json.loads(row.document)
        return received
    note = await documents.note(tx, post)
    uri = row.uri if row is not None else f"{post.uri}/created"
    return translate.about_object("Create", uri, post.author, note, post.created_at)


async def followers(tx: Tx, actor: Actor) -> Document:
    """How many, not who. Lemmy's type for it is a Collection with an empty list."""
    here, elsewhere = await groups.count_followers(tx, actor.id)
    return {
        "@context": AS2,
        "id": actor.followers_uri,
        "type": "Collection",
        "totalItems": here + elsewhere,
        "items": [],
    }


async def upcoming(tx: Tx, theme: Actor) -> Document:
    """The debates of a theme that are to come or on, as Events, the soonest first (FEP-8a8e)."""
    found = await debates.ahead(tx, theme_ids=[theme.id])
    items = [event_uri(debate) for debate in found if debate.actor.is_local]
    return _ordered(f"{theme.uri}/upcoming", items, attributedTo=theme.uri)


async def agenda(tx: Tx, agenda: Agenda, number: int | None = None) -> Document | None:
    """What is on an agenda, in its order, or one page of it (from 1; None behind the last)."""
    wanted, size = number or 1, agenda_documents.PAGE
    listed = [entry for entry in await board.listed(tx, agenda) if entry.item.post_id is not None]
    shown = listed[(wanted - 1) * size : wanted * size]
    if not shown and wanted > 1:
        return None
    some = [entry.item for entry in shown]
    behind, posted = await documents.cited(tx, [item.id for item in some]), await documents.posted_as(tx, some)
    clerk = await groups.clerk(tx)
    entries = [
        agenda_documents.to_entry(agenda, each, behind[each.item.id], posted[each.item.id], clerk, tx.settings)
        for each in shown
    ]
    page = agenda_documents.to_page(agenda, entries, wanted, len(listed))
    return page if number is not None else agenda_documents.to_collection(agenda, page, len(listed))


async def moderators(tx: Tx, group: Actor) -> Document:
    return _ordered(f"{group.uri}/moderators", [actor.uri for actor in await groups.moderators(tx, group.id)])


async def featured(tx: Tx, group: Actor) -> Document:
    """Pinned topics as complete objects: Lemmy cannot read plain ids here. Posts of others are left to their own
    servers and stand as ids."""
    items: list[Document] = []
    for opener in await topics.openers(tx, group.id, only_pinned=True):
        if opener.author.is_local:
            items.append(await documents.note(tx, opener))
    return _ordered(f"{group.uri}/featured", items)


async def replies(tx: Tx, post: Post) -> Document:
    """All direct replies, from here and elsewhere, as ids."""
    items = await posts.reply_uris(tx, post.id)
    return {"@context": AS2, **translate.replies_collection(post.uri, items)}


async def replies_page(tx: Tx, post: Post) -> Document:
    page: Document = (await replies(tx, post))["first"]
    return {"@context": AS2, **page}


async def context(tx: Tx, topic: Topic) -> Document:
    """The whole thread as ids, the opener first (FEP-7888, FEP-f228): what NodeBB reads before anything else."""
    group = await tx.get_one(Actor, topic.group_id)
    items = await topics.context_uris(tx, topic.id)
    return _ordered(topic.context_uri, items, attributedTo=group.uri, name=topic.title)


def likes(post: Post) -> Document:
    """How many, never who."""
    total = post.like_count_here + post.like_count_elsewhere
    return {"@context": AS2, "id": f"{post.uri}/likes", "type": "Collection", "totalItems": total, "items": []}
