"""From an activity to its handler: what was taken back before it came, and what nobody proved.

What an actor sent itself, or signed inside (FEP-8b32), is done as it says. Of what others bring, in an Announce or as a
forwarded activity, only ids are taken: the thing is fetched from its own origin, or its deletion confirmed there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta

from community import jobs, posts
from community.db import Tx
from community.models import Activity, Actor, Post, Tombstone
from community.policy import Refused
from federation.dereference import Stale, Unknown, need
from federation.translate import ACTOR_KINDS
from federation.vocabulary import Document, id_of, same_origin, type_of
from inbox import registry
from inbox.registry import Received

# What an actor tells about itself: whom it follows, what it answers, asks or reports, where it moves to. Nobody else
# can, and what is announced is not announced again.
_ONLY_DIRECT = frozenset(
    {"Follow", "Accept", "Reject", "Move", "Announce", "QuoteRequest", "Flag", "Invite", "Join", "Leave"}
)
# What an Undo may take back before it arrives. Everything else has an end of its own.
_UNDONE = frozenset({"Follow", "Like", "Dislike", "EmojiReact", "Block", "Lock"})
# Not for ever: Misskey gives each follow of the same two the same id.
UNDONE_FOR = timedelta(hours=24)


async def carry_out(
    tx: Tx,
    activity: Activity,
    document: Document,
    *,
    via: Actor | None = None,
    is_proven: bool = True,
    found: Mapping[str, Document] | None = None,
) -> str:
    """Do what an activity says and answer the outcome. ``activity`` is the row that it came in; ``found`` are the
    activities that were fetched for it. Raises Unknown for what has to be fetched first, Refused for what is not to
    be."""
    kind = type_of(document) or ""
    if kind == "Undo":
        document = await _with_undone(tx, document)
    about = document.get("object")
    if via is not None and (type_of(about) if kind == "Undo" else kind) in _ONLY_DIRECT:
        raise Refused("told-by-another")
    handler = registry.find(document)
    actor_uri = id_of(document.get("actor")) or ""
    if kind in _UNDONE and await _was_undone(tx, document, actor_uri, via):
        raise Refused("was-undone")
    names_only = via is not None and isinstance(document.get("object"), str)
    if kind in ("Create", "Update", "Delete") and (not is_proven or (names_only and kind != "Delete")):
        outcome = await _by_id(tx, kind, document, actor_uri, via, is_known=handler is not None)
        if outcome is not None:
            return outcome
    elif not is_proven and via is None:
        raise Refused("forwarded-unproven")
    if handler is None:
        return "type-unsupported"
    if via is not None and kind == "Delete" and not is_proven:
        # Which of its moderators it was is of no weight, and not worth a fetch.
        actor = await tx.by_uri(Actor, actor_uri) or via
    else:
        actor = await need(tx, Actor, actor_uri)
    if actor.state == "suspended" and kind != "Delete":
        raise Refused("actor-is-suspended")
    received = Received(activity, document, actor, via, is_proven, found or {})
    outcome = await handler(tx, received) or "done"
    undone = id_of(document.get("object"))
    if kind == "Undo" and undone and outcome.startswith("was-not-"):
        await posts.bury(tx, _stone((via or actor).uri, undone))
    return outcome


async def _with_undone(tx: Tx, document: Document) -> Document:
    """An Undo with what it undoes inside, also where it only names it. Whatever an embedded copy claims, only the
    signer's own doing can be undone."""
    undone = document.get("object")
    if isinstance(undone, str):
        held = await tx.by_uri(Activity, undone)
        # What was forwarded under that id may be anything.
        undone = json.loads(held.document) if held is not None and held.envelope is None else undone
    if isinstance(undone, dict) and id_of(undone.get("actor")) not in (None, id_of(document.get("actor"))):
        raise Refused("undone-by-another")
    return {**document, "object": undone}


# --- What was taken back before it came ------------------------------------------------------------------------------


def _stone(by: str, undone: str) -> str:
    """The mark of an id that ``by`` took back: it says nothing about anybody else's things, and no thing has it."""
    return "undone:" + hashlib.sha256(f"{by} {undone}".encode()).hexdigest()


def stones_of(document: Document) -> list[str]:
    """The marks that an activity which its actor sent would be refused for."""
    uri, actor = id_of(document), id_of(document.get("actor"))
    return [_stone(actor, uri)] if uri and actor and type_of(document) in _UNDONE else []


async def _was_undone(tx: Tx, document: Document, actor_uri: str, via: Actor | None) -> bool:
    uri = id_of(document)
    whose = [actor_uri, via.uri] if via is not None else [actor_uri]
    for by in whose if uri else []:
        stone = await tx.by_uri(Tombstone, _stone(by, uri or ""))
        if stone is not None and stone.at > tx.now - UNDONE_FOR:
            return True
    return False


# --- What nobody proved ----------------------------------------------------------------------------------------------


async def _by_id(
    tx: Tx, kind: str, document: Document, actor_uri: str, via: Actor | None, *, is_known: bool
) -> str | None:
    """Take the id of what an unproven Create, Update or Delete is about, and nothing else. None leaves it to the
    handler: a moderator's removal, which needs no more than the word of the group."""
    about = document.get("object")
    uri = id_of(about)
    if uri is None:
        raise Refused("reference-missing")
    if type_of(about) in ACTOR_KINDS or uri == actor_uri:
        held = await tx.by_uri(Actor, uri)
        if held is None or held.is_local:
            return "actor-not-held"
        await jobs.add(tx, "fetch-actor", {"uri": uri}, key=f"fetch-actor:{uri}")
        return "looked-at-again"
    if kind != "Delete" and not is_known and not isinstance(about, str):
        return "type-unsupported"
    post = await tx.by_uri(Post, uri)
    if kind == "Delete":
        return await _delete_by_id(tx, uri, post, actor_uri, via)
    if not same_origin(uri, actor_uri):
        raise Refused("object-on-another-server")
    if post is None:
        if await posts.is_buried(tx, uri):
            raise Refused("was-deleted")
        raise Unknown(uri, via.uri if via is not None else None)
    if kind == "Create":
        return "already-held"
    if post.deleted_at is not None:
        return "already-deleted"
    raise Stale(uri)


async def _delete_by_id(tx: Tx, uri: str, post: Post | None, actor_uri: str, via: Actor | None) -> str | None:
    if post is None:
        # Nothing is remembered for it: were it to arrive, it would be fetched, and its origin says that it is gone.
        return "post-not-held"
    if post.deleted_at is not None:
        return "already-deleted"
    author = await tx.get_one(Actor, post.author_id)
    if author.uri == actor_uri:
        raise Stale(uri, Stale.DELETED)
    if via is None:
        raise Refused("only-the-author")
    return None
