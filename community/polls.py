"""Polls: a question of a post, with its ballots. What is published is how many chose what, never who."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, delete, func, select, update

from community import jobs
from community.db import Tx
from community.events import PollChanged, Voted, emit
from community.members import Invalid
from community.models import Activity, Actor, Ballot, Poll, PollOption, Post, Topic
from community.policy import Refused, refusal, require, standing

OPTIONS_MAX = 10
NAME_MAX = 100
DAYS = (1, 3, 7, 14)


@dataclass(frozen=True)
class Paper:
    """A ballot paper: what can be chosen and until when; of a poll elsewhere also how often each was (``votes``), and
    by how many people (``voters``)."""

    names: tuple[str, ...]
    is_multiple: bool = False
    closes_at: datetime | None = None
    closed_at: datetime | None = None
    votes: tuple[int, ...] = ()
    voters: int = 0


def draft(lines: str, *, is_multiple: bool, days: int, now: datetime) -> Paper:
    """A ballot paper as typed here, one option in each line. Raises Invalid."""
    names = [name for line in lines.splitlines() if (name := " ".join(line.split()))]
    if not 2 <= len(names) <= OPTIONS_MAX:
        raise Invalid(poll_options="poll-options-count")
    if any(len(name) > NAME_MAX for name in names):
        raise Invalid(poll_options="poll-option-too-long")
    # Votes from elsewhere are told apart by the words alone.
    if len({name.casefold() for name in names}) < len(names):
        raise Invalid(poll_options="poll-options-alike")
    if days not in DAYS:
        raise Invalid(poll_days="poll-days-unknown")
    return Paper(tuple(names), is_multiple, now + timedelta(days=days))


async def attach(tx: Tx, post: Post, paper: Paper) -> Poll:
    """Give a post its poll. One of ours is closed by a job when its time has come."""
    poll = Poll(is_multiple=paper.is_multiple, closes_at=paper.closes_at, closed_at=paper.closed_at, voters_here=0)
    poll.post, poll.post_id, poll.voters_elsewhere = post, post.id, paper.voters
    tx.add(poll)
    await tx.flush()
    await _put_options(tx, post.id, paper)
    author = await tx.get_one(Actor, post.author_id)
    if author.is_local and paper.closes_at is not None:
        await jobs.add(tx, "close-poll", {"post": post.id}, key=f"close-poll:{post.id}", run_at=paper.closes_at)
    return poll


async def _put_options(tx: Tx, post_id: int, paper: Paper) -> None:
    votes = paper.votes or (0,) * len(paper.names)
    for position, (name, count) in enumerate(zip(paper.names, votes, strict=True)):
        tx.add(PollOption(post_id=post_id, position=position, name=name, votes_here=0, votes_elsewhere=count))
    await tx.flush()


async def find(tx: Tx, post_id: int) -> tuple[Poll, list[PollOption]] | None:
    """The poll of a post with its options in order."""
    poll = await tx.get(Poll, post_id)
    if poll is None:
        return None
    query = select(PollOption).where(PollOption.post_id == post_id).order_by(PollOption.position)
    return poll, list((await tx.execute(query)).scalars())


def is_over(poll: Poll, now: datetime) -> bool:
    return poll.closed_at is not None or (poll.closes_at is not None and poll.closes_at <= now)


async def vote(
    tx: Tx,
    actor: Actor,
    post: Post,
    chosen: Sequence[str],
    *,
    uri: str = "",
    activity: Activity | None = None,
) -> list[Ballot]:
    """Choose options by name. One of a poll with one choice, once; of a poll with several, each once.

    Raises Refused: no-such-poll, poll-is-closed, choose-one, option-unknown, voted-already, or what the policy says.
    Votes in polls elsewhere are told to their home, whose next tally overrides what is counted here.
    """
    actor, post = await tx.own(actor), await tx.own(post)
    found = await find(tx, post.id)
    if found is None:
        raise Refused("post-is-deleted" if post.deleted_at is not None else "no-such-poll")
    topic, author = await tx.get_one(Topic, post.topic_id), await tx.get_one(Actor, post.author_id)
    poll = await tx.lock(Poll, post.id)
    who = await standing(tx, actor, topic.group_id)
    require("vote", who, poll)
    if is_over(poll, tx.now):
        raise Refused("poll-is-closed")
    if topic.deleted_at is not None:
        raise Refused("topic-is-deleted")
    options = [option for option in found[1] if option.name in chosen]
    if len(options) < len(set(chosen)):
        raise Refused("option-unknown")
    if not options or (len(options) > 1 and not poll.is_multiple):
        raise Refused("choose-one")
    held = await _chosen_by(tx, actor.id, [post.id])
    if held and (not poll.is_multiple or held & {option.id for option in options}):
        raise Refused("voted-already")
    ballots = []
    for option in options:
        made = uri or f"{tx.settings.origin}/u/{actor.handle}/votes/{post.id}-{option.id}"
        ballots.append(Ballot(post_id=post.id, actor_id=actor.id, option_id=option.id, uri=made, created_at=tx.now))
    tx.add_all(ballots)
    await tx.flush()
    await _count(tx, poll, options, is_here=actor.is_local and author.is_local, is_voter_new=not held)
    tx.signal(f"topic:{topic.id}", post)
    if author.is_local:
        await emit(tx, PollChanged(poll, post, activity=activity))
    elif actor.is_local:
        await emit(tx, Voted(poll, post, actor, tuple(zip(ballots, options, strict=True)), activity=activity))
    return ballots


async def _count(tx: Tx, poll: Poll, options: Iterable[PollOption], *, is_here: bool, is_voter_new: bool) -> None:
    votes, voters = (
        (PollOption.votes_here, Poll.voters_here) if is_here else (PollOption.votes_elsewhere, Poll.voters_elsewhere)
    )
    changes = [(option, update(PollOption).where(PollOption.id == option.id), votes) for option in options]
    voter = [(poll, update(Poll).where(Poll.post_id == poll.post_id), voters)] if is_voter_new else []
    for row, change, column in [*changes, *voter]:
        await tx.execute(change.values({column: column + 1}).execution_options(synchronize_session=False))
        await tx.refresh(row, [column.key])


async def retell(tx: Tx, post: Post, paper: Paper, *, activity: Activity | None = None) -> bool:
    """What the home of a poll elsewhere says of it now. Other options make it another poll: the ballots that we held
    go. False when nothing is new. With the ``activity`` that told it, it is told on."""
    found = await find(tx, post.id)
    if found is None:
        await attach(tx, post, paper)
        return True
    poll, options = found
    votes = paper.votes or (0,) * len(paper.names)
    known = [(option.name, option.votes_elsewhere) for option in options]
    told = list(zip(paper.names, votes, strict=True))
    had = (poll.is_multiple, poll.closes_at, poll.closed_at is None, poll.voters_elsewhere)
    if known == told and had == (paper.is_multiple, paper.closes_at, paper.closed_at is None, paper.voters):
        return False
    if [name for name, _ in known] != list(paper.names):
        for table in (Ballot, PollOption):
            await tx.execute(delete(table).where(table.post_id == post.id))
        await _put_options(tx, post.id, paper)
    else:
        for option, (_, count) in zip(options, told, strict=True):
            option.votes_elsewhere = count
    poll.is_multiple, poll.closes_at, poll.voters_elsewhere = paper.is_multiple, paper.closes_at, paper.voters
    poll.closed_at = (poll.closed_at or paper.closed_at) if paper.closed_at is not None else None
    await tx.flush()
    tx.signal(f"topic:{post.topic_id}", post)
    if activity is not None:
        await emit(tx, PollChanged(poll, post, activity=activity))
    return True


async def remove(tx: Tx, post_id: int) -> None:
    """A deleted post asks nothing any more: its ballots and options go."""
    for table in (Ballot, PollOption, Poll):
        await tx.execute(delete(table).where(table.post_id == post_id))


async def close(tx: Tx, post: Post) -> bool:
    """End a poll of ours, for which there is one last tally. False when it was over or is gone."""
    if await tx.get(Poll, post.id) is None:
        return False
    poll = await tx.lock(Poll, post.id)
    if poll.closed_at is not None:
        return False
    poll.closed_at = tx.now
    await tx.flush()
    tx.signal(f"topic:{post.topic_id}", post)
    await emit(tx, PollChanged(poll, post))
    return True


@jobs.works("close-poll", batch=True)
async def close_polls(site: Any, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Polls whose time has come."""
    async with site.database.write() as tx:
        for job in claimed:
            post = await tx.get(Post, job.argument["post"])
            if post is not None and post.deleted_at is None:
                await close(tx, post)
        await jobs.finish(tx, claimed)
    return []


async def voters_elsewhere(tx: Tx, post_id: int) -> list[Actor]:
    """Of those elsewhere who voted one for each inbox that they share: whoever voted is told the result."""
    inbox = case((Actor.shared_inbox != "", Actor.shared_inbox), else_=Actor.inbox)
    ids = (
        select(func.min(Actor.id))
        .join(Ballot, Ballot.actor_id == Actor.id)
        .where(Ballot.post_id == post_id, Actor.host != "")
        .group_by(inbox)
    )
    return list((await tx.execute(select(Actor).where(Actor.id.in_(ids)))).scalars())


# --- What one reader sees --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tally:
    """A poll as one reader sees it: ``chosen`` are the ids of the options that this reader chose, ``vote_refusal`` why
    they may not vote (a key of a sentence), None where they may."""

    poll: Poll
    options: list[PollOption]
    is_over: bool = False
    chosen: frozenset[int] = field(default_factory=frozenset)
    vote_refusal: str | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the counts are shown at once: to those who voted, and to everybody when it is over."""
        return self.is_over or bool(self.chosen)

    @property
    def voters(self) -> int:
        return self.poll.voters_here + self.poll.voters_elsewhere

    def votes(self, option: PollOption) -> int:
        return option.votes_here + option.votes_elsewhere

    def share(self, option: PollOption) -> int:
        """How many of a hundred voters chose it."""
        counts = sum(self.votes(each) for each in self.options)
        whole = max(self.voters, max(map(self.votes, self.options), default=0)) if self.poll.is_multiple else counts
        return round(100 * self.votes(option) / whole) if whole else 0

    @property
    def most(self) -> int:
        return max(map(self.votes, self.options), default=0)


async def tally(tx: Tx, topic: Topic, page: Iterable[Post], actor: Actor | None) -> dict[int, Tally]:
    """The polls of some posts of a topic as one reader sees them, by the posts' ids."""
    asked = [post.id for post in page if post.kind == "Question" and post.deleted_at is None]
    if not asked:
        return {}
    polls = (await tx.execute(select(Poll).where(Poll.post_id.in_(asked)))).scalars().all()
    options: dict[int, list[PollOption]] = {}
    query = select(PollOption).where(PollOption.post_id.in_(asked)).order_by(PollOption.position)
    for option in (await tx.execute(query)).scalars():
        options.setdefault(option.post_id, []).append(option)
    chosen = await _chosen_by(tx, actor.id, asked) if actor is not None else set()
    who = await standing(tx, actor, topic.group_id)
    found = {}
    for poll in polls:
        mine = frozenset(option.id for option in options.get(poll.post_id, []) if option.id in chosen)
        over = is_over(poll, tx.now)
        reason = "poll-is-closed" if over else "voted-already" if mine else refusal("vote", who, poll)
        found[poll.post_id] = Tally(poll, options.get(poll.post_id, []), over, mine, reason)
    return found


async def _chosen_by(tx: Tx, actor_id: int, post_ids: Iterable[int]) -> set[int]:
    query = select(Ballot.option_id).where(Ballot.actor_id == actor_id, Ballot.post_id.in_(post_ids))
    return set((await tx.execute(query)).scalars())
