"""Votes from elsewhere in polls of ours. Whatever is wrong with one, it is never a contribution."""

from __future__ import annotations

from community import polls, posts
from community.db import Tx
from community.models import Actor, Topic
from community.policy import Refused
from federation.translate import SeenNote
from federation.vocabulary import id_of
from inbox.registry import Received, handles


async def take_note(tx: Tx, received: Received, seen: SeenNote) -> str:
    """A Note whose name is an option and that says nothing, in reply to a poll: the vote of microblogs."""
    return await _take(tx, received, seen.in_reply_to, seen.vote_for, seen.uri)


@handles("PollVote")
async def take_poll_vote(tx: Tx, received: Received) -> str | None:
    """PieFed's own kind of vote."""
    option = received.document.get("choice_text")
    if not isinstance(option, str):
        raise Refused("option-unknown")
    return await _take(tx, received, id_of(received.object), option, id_of(received.document) or "")


async def _take(tx: Tx, received: Received, question: str | None, option: str, uri: str) -> str:
    post = await posts.find_by_uri(tx, question) if question else None
    if post is None:
        raise Refused("vote-without-poll")
    if not (await tx.get_one(Actor, post.author_id)).is_local:
        raise Refused("vote-elsewhere")
    # A vote cannot be fetched from anywhere: the word of the group counts.
    received.require_place((await tx.get_one(Topic, post.topic_id)).group_id)
    await polls.vote(tx, received.actor, post, [option], uri=uri, activity=received.activity)
    return "voted"
