"""What groups elsewhere announce: in every form that is sent, and believed no further than it has to be.

A group may announce the id of an object (as microblogs show it) or of an activity, either of them embedded, an array of
these, or a collection of activities (PieFed's batches). Of embedded objects only the id is taken.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import exists, select

from community import following, jobs, posts
from community.db import Tx
from community.models import Activity, Actor, Membership, Post, Topic
from community.policy import Refused, state_of_host
from federation.dereference import Unknown, is_proven
from federation.translate import ACTOR_KINDS, OBJECT_TYPES
from federation.vocabulary import COLLECTION_TYPES, Document, host_of, id_of, origin_of, same_origin, type_of
from inbox.dispatch import carry_out
from inbox.registry import Received, handles

ITEMS_MAX = 100
ITEM = "#item-"


@handles("Announce")
async def announce(tx: Tx, received: Received) -> str | None:
    """A group passes on what happened in it. Only groups that somebody here follows are listened to."""
    group = received.actor
    if group.kind != "group":
        return "boost-ignored"
    if not await _is_followed(tx, group):
        return "group-not-followed"
    await following.heard(tx, group)
    items = _items(received.object)
    if not items:
        raise Refused("reference-missing")
    if len(items) > 1:
        return await _split(tx, received, items[:ITEMS_MAX])
    return await _item(tx, received, group, items[0])


async def _is_followed(tx: Tx, group: Actor) -> bool:
    """Whether a member or a theme of ours follows this group, or waits for its answer."""
    follow = (
        select(Membership.actor_id)
        .join(Actor, Actor.id == Membership.actor_id)
        .where(
            Membership.group_id == group.id,
            Membership.state.in_(("pending", "accepted")),
            Actor.host == "",
        )
    )
    return bool((await tx.execute(select(exists(follow)))).scalar_one())


def _items(about: Any) -> list[Any]:
    """The things that are announced, one by one. A collection in a collection is none: it would have no end."""
    if isinstance(about, dict) and type_of(about) in COLLECTION_TYPES:
        about = about.get("orderedItems") or about.get("items")
    items = about if isinstance(about, list) else [about]
    return [each for each in items if isinstance(each, str | dict) and each and type_of(each) not in COLLECTION_TYPES]


async def _split(tx: Tx, received: Received, items: list[Any]) -> str:
    """Make an activity of each item, with a job, fetches and an outcome of its own: so one of them that is bad costs
    the others nothing. Their ids are that of the whole with a number."""
    whole = received.activity
    for number, item in enumerate(items, 1):
        uri = f"{whole.uri}{ITEM}{number}"
        if len(uri) > 2000 or await tx.by_uri(Activity, uri) is not None:
            continue
        document = {**received.document, "id": uri, "object": item}
        tx.insert(
            Activity,
            uri=uri,
            direction="in",
            type="Announce",
            actor_uri=whole.actor_uri,
            object_uri=about_of(document),
            document=json.dumps(document, ensure_ascii=False),
            envelope=None,
            at=tx.now,
            outcome="",
        )
        await jobs.add(tx, "receive", {"uri": uri}, line=line_of(document))
    return f"split-into-{len(items)}"


async def _item(tx: Tx, received: Received, group: Actor, item: Any) -> str:
    uri = id_of(item)
    if uri is None or origin_of(uri) is None:
        raise Refused("reference-missing")
    if isinstance(item, str) and uri in received.found:
        return await _activity(tx, received, group, received.found[uri], is_its_own_word=True)
    kind = type_of(item)
    if kind in COLLECTION_TYPES or kind == "Announce":
        raise Refused("announced-in-an-announce")
    if isinstance(item, dict) and kind not in OBJECT_TYPES and kind not in ACTOR_KINDS and item.get("actor"):
        return await _activity(tx, received, group, item)
    return await _object(tx, group, uri)


async def _object(tx: Tx, group: Actor, uri: str) -> str:
    """An object, or an activity, of which no more than the id is taken."""
    if same_origin(uri, tx.settings.origin):
        return await _echo(tx, group, uri)
    if await tx.by_uri(Post, uri) is not None:
        return "already-held"
    known = await tx.by_uri(Activity, uri)
    if known is not None and known.envelope is None and known.outcome:
        return "already-received"
    if await posts.is_buried(tx, uri):
        raise Refused("was-deleted")
    raise Unknown(uri, group.uri)


async def _activity(tx: Tx, received: Received, group: Actor, inner: Document, *, is_its_own_word: bool = False) -> str:
    """An activity of somebody, as the group passes it on, or as it was fetched from where it happened."""
    uri, actor_uri, kind = id_of(inner), id_of(inner.get("actor")), type_of(inner) or ""
    if uri is None or actor_uri is None or inner.get("object") is None:
        raise Refused("activity-incomplete")
    if not same_origin(uri, actor_uri):
        raise Refused("id-on-another-server")
    if same_origin(actor_uri, tx.settings.origin):
        is_news = kind in ("Create", "Update")
        return await _echo(tx, group, id_of(inner["object"]) or "") if is_news else "own-echo"
    if await state_of_host(tx, host_of(actor_uri) or "") == "blocked":
        raise Refused("host-is-blocked")
    known = await tx.by_uri(Activity, uri)
    if known is not None and known.envelope is None and known.outcome and kind not in ("Create", "Update"):
        return "already-received"
    # A group that speaks itself is its own witness.
    proven = is_its_own_word or actor_uri == group.uri or await is_proven(tx, inner)
    return await carry_out(tx, received.activity, inner, via=group, is_proven=proven, found=received.found)


async def _echo(tx: Tx, group: Actor, uri: str) -> str:
    """A post of ours comes back: the group has taken it."""
    post = await tx.by_uri(Post, uri)
    if post is None:
        return "own-echo"
    topic = await tx.get_one(Topic, post.topic_id)
    if post.acceptance != "waiting" or topic.group_id != group.id:
        return "own-echo"
    post.acceptance = "accepted"
    tx.signal(f"topic:{topic.id}", post)
    return "post-accepted"


# --- What an activity is about ---------------------------------------------------------------------------------------


def about_of(document: Document) -> str:
    """The id of what an activity is about; '' where it names none."""
    uri = id_of(document.get("object")) or ""
    return uri if origin_of(uri) is not None else ""


def line_of(document: Document) -> str | None:
    """What has to be handled in order: everything about one object, also where it is wrapped."""
    about: Any = document
    for _ in range(4):
        if not isinstance(about, dict) or not about.get("object"):
            break
        about = about["object"]
    found = id_of(about)
    return f"in {found}" if found and origin_of(found) is not None else None
