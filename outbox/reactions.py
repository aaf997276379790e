"""Likes by our members, told to the author's server and to nobody else: who likes what is not published."""

from __future__ import annotations

from community.db import Tx
from community.events import Reacted, on
from community.models import Actor
from federation import translate
from outbox.delivery import To, new_uri, send


@on(Reacted)
async def tell_author(tx: Tx, event: Reacted) -> None:
    author = await tx.get_one(Actor, event.post.author_id)
    if not event.by.is_local or author.is_local:
        return
    like = translate.activity("Like", event.uri, event.by, event.post.uri, tx.now, to=[author.uri])
    if event.is_on:
        await send(tx, like, event.by, To(actors=(author.id,)))
        return
    like.pop("@context")
    undo = translate.activity("Undo", new_uri(tx), event.by, like, tx.now, to=[author.uri])
    await send(tx, undo, event.by, To(actors=(author.id,)))
