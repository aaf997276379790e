"""Tallies of our polls, to everybody who got the poll; votes of our members in polls elsewhere, to their authors."""

from __future__ import annotations

from datetime import timedelta

from community import jobs, polls
from community.db import Tx
from community.events import PollChanged, Voted, on
from community.models import Actor, Poll, Post, Topic
from federation import shapes, translate
from federation.site import Site
from outbox.delivery import To, new_uri, send
from outbox.posts import send_update

# Mastodon's own rhythm.
TALLY_EVERY = timedelta(minutes=3)


@on(PollChanged)
async def tell_later(tx: Tx, event: PollChanged) -> None:
    """However many vote, there is one tally every few minutes; the last one is told at once. What the author of a poll
    elsewhere told is passed on in our themes as it came."""
    author = await tx.get_one(Actor, event.post.author_id)
    if not author.is_local:
        await send_update(tx, event.post, await tx.get_one(Topic, event.post.topic_id), author, (), event.activity)
    elif event.poll.closed_at is not None:
        await _tell(tx, event.post)
    else:
        argument = {"post": event.post.id}
        await jobs.add(tx, "tell-tally", argument, key=f"tell-tally:{event.post.id}", run_at=tx.now + TALLY_EVERY)


@jobs.works("tell-tally", batch=True)
async def tell_tallies(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Finished with what it tells: a vote that comes in later is told by a job of its own."""
    async with site.database.write() as tx:
        for job in claimed:
            post = await tx.get(Post, job.argument["post"])
            if post is None or await tx.get(Poll, post.id) is None:
                continue
            # Whoever votes now waits for this to end, and then finds no job that would tell it.
            poll = await tx.lock(Poll, post.id)
            if poll.closed_at is None:
                await _tell(tx, post)
        await jobs.finish(tx, claimed)
    return []


async def _tell(tx: Tx, post: Post) -> None:
    """An Update of the Question, signed by its author, to all who have it and all who voted."""
    topic, author = await tx.get_one(Topic, post.topic_id), await tx.get_one(Actor, post.author_id)
    await send_update(tx, post, topic, author, tuple(await polls.voters_elsewhere(tx, post.id)), None)


@on(Voted)
async def vote(tx: Tx, event: Voted) -> None:
    """A Note for each choice, to the author of the poll and to nobody else."""
    author = await tx.get_one(Actor, event.post.author_id)
    for ballot, option in event.ballots:
        note = shapes.to_vote(ballot.uri, event.by, event.post.uri, author, option.name)
        create = translate.about_object("Create", new_uri(tx), event.by, note, tx.now)
        await send(tx, create, event.by, To(actors=(author.id,), own_inbox=True))
