"""Requests from elsewhere to quote a post of ours."""

from __future__ import annotations

from community import posts, quotes
from community.db import Tx
from community.models import Actor
from community.policy import Refused
from federation.vocabulary import id_of, same_origin
from inbox.registry import Received, handles


@handles("QuoteRequest")
async def answer(tx: Tx, received: Received) -> str | None:
    """Granted for what stands here in public; the answer names where the permission can be read."""
    uri, quoting_uri = id_of(received.object), id_of(received.document.get("instrument"))
    if uri is None or quoting_uri is None:
        raise Refused("reference-missing")
    if not same_origin(quoting_uri, received.actor.uri):
        raise Refused("quoting-on-another-server")
    post = await posts.find_by_uri(tx, uri)
    if post is None or not (await tx.get_one(Actor, post.author_id)).is_local:
        raise Refused("post-not-held")
    request = {
        "id": id_of(received.document),
        "type": "QuoteRequest",
        "actor": received.actor.uri,
        "object": uri,
        "instrument": quoting_uri,
    }
    is_granted = await quotes.ask(tx, received.actor, post, quoting_uri, request=request, activity=received.activity)
    return "quote-granted" if is_granted else "quote-refused"
