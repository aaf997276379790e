"""Follows and answers to follows, news of our own actors, and where they move to."""

from __future__ import annotations

from community.db import Tx
from community.events import ActorChanged, MembershipChanged, Moved, on
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


@on(MembershipChanged)
async def ask_to_follow(tx: Tx, event: MembershipChanged) -> None:
    """The Follow of one of ours, or its Undo, to the followed actor's own inbox. Lemmy requires ``to`` to be the object
    alone; the Undo has the Follow inside, since not everybody finds it by its id."""
    if not event.actor.is_local or event.what not in ("ask", "withdraw"):
        return
    to = {"to": [event.group.uri]}
    follow = translate.activity("Follow", event.membership.follow_uri, event.actor, event.group.uri, tx.now, **to)
    if event.what == "withdraw":
        del follow["@context"]
        follow = translate.activity("Undo", new_uri(tx), event.actor, follow, tx.now, **to)
    await send(tx, follow, event.actor, To(actors=(event.group.id,), own_inbox=True))


@on(Moved)
async def lead_followers(tx: Tx, event: Moved) -> None:
    """Servers that find this account among ``alsoKnownAs`` of the target let their members follow the target."""
    followers = event.actor.followers_uri
    document = translate.activity(
        "Move", new_uri(tx), event.actor, event.actor.uri, tx.now, target=event.target.uri, to=[followers]
    )
    await send(tx, document, event.actor, To(followers_of=(event.actor.id,)))


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
