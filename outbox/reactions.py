"""Votes by our members, told to the author's server; and to forums by the group, which is how they count them.

What somebody does on a microblog is told to nobody: there a favourite is a word between two people. We publish such
likes as a number.
"""

from __future__ import annotations

import json

from community.db import Tx
from community.events import Reacted, on
from community.models import Actor, Topic
from federation import translate
from federation.vocabulary import Document
from outbox.delivery import To, is_on_forum, new_uri, send
from outbox.posts import wrap


@on(Reacted)
async def tell(tx: Tx, event: Reacted) -> None:
    author = await tx.get_one(Actor, event.post.author_id)
    group = await tx.get_one(Actor, (await tx.get_one(Topic, event.post.topic_id)).group_id)
    if event.by.is_local:
        vote = _vote(tx, event, author, group)
        abroad = tuple(actor.id for actor in (author, group) if not actor.is_local and actor.kind != "application")
        if abroad:
            await send(tx, vote, event.by, To(actors=abroad))
    elif event.activity is not None and await is_on_forum(tx, event.by):
        vote = json.loads(event.activity.document)
    else:
        return
    if group.is_local:
        await wrap(tx, group, vote)


def _vote(tx: Tx, event: Reacted, author: Actor, group: Actor) -> Document:
    kind = "Like" if event.value > 0 else "Dislike"
    to = list(dict.fromkeys([author.uri, group.uri]))
    audience = {"audience": group.uri} if group.kind == "group" else {}
    vote = translate.activity(kind, event.uri, event.by, event.post.uri, tx.now, to=to, **audience)
    if event.is_on:
        return vote
    vote.pop("@context")
    return translate.activity("Undo", new_uri(tx), event.by, vote, tx.now, to=to, **audience)
