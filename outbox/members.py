"""Answers to follows, and news of our own actors."""

from __future__ import annotations

from community.db import Tx
from community.events import ActorChanged, MembershipChanged, on
from federation import translate
from federation.vocabulary import PUBLIC, id_of
from outbox import documents
from outbox.delivery import To, new_uri, send


@on(MembershipChanged)
async def answer_follow(tx: Tx, event: MembershipChanged) -> None:
    """Accept, signed by the followed, with the original Follow inside: Mastodon matches it by that id."""
    if event.follow is None or event.actor.is_local or event.what not in ("accept", "reject"):
        return
    follow = {
        "id": id_of(event.follow),
        "type": "Follow",
        "actor": event.actor.uri,
        "object": event.group.uri,
    }
    kind = "Accept" if event.what == "accept" else "Reject"
    answer = translate.activity(kind, new_uri(tx), event.group, follow, tx.now, to=[event.actor.uri])
    await send(tx, answer, event.group, To(actors=(event.actor.id,), own_inbox=True))


@on(ActorChanged)
async def tell_followers(tx: Tx, event: ActorChanged) -> None:
    """A changed name, text or key, signed by the actor itself."""
    document = await documents.actor(tx, event.actor)
    context = document.pop("@context")
    change = translate.activity(
        "Update",
        new_uri(tx),
        event.actor,
        document,
        tx.now,
        **{"@context": context, "to": [PUBLIC], "cc": [event.actor.followers_uri]},
    )
    await send(tx, change, event.actor, To(followers_of=(event.actor.id,)))
