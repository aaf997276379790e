"""How opinion moved: the same question asked when a debate opens and when it closes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import aliased, joinedload

from community import clerk, polls
from community.db import Tx
from community.debate_models import Debate
from community.models import Ballot, Poll, PollOption, Post

OPENING, CLOSING = "opening-poll", "closing-poll"
# Of fewer people than these sums would say too much about each.
BOTH_MIN = 10


@dataclass(frozen=True)
class Count:
    """The votes of one camp (members here, or voters elsewhere) for the sides in the order of ``clerk.SIDES``."""

    votes: tuple[int, ...]

    @property
    def voters(self) -> int:
        return sum(self.votes)

    @property
    def shares(self) -> tuple[int, ...]:
        """Whole per cent, which always add up to a hundred; zeros where nobody voted."""
        if not self.voters:
            return (0,) * len(self.votes)
        exact = [100 * count / self.voters for count in self.votes]
        shares = [int(share) for share in exact]
        # What rounding down left over goes where most was cut off.
        for index in sorted(range(len(exact)), key=lambda i: shares[i] - exact[i])[: 100 - sum(shares)]:
            shares[index] += 1
        return tuple(shares)


@dataclass(frozen=True)
class Measure:
    """One of the two polls: what it says now, of members here and of voters elsewhere."""

    post: Post
    poll: Poll
    options: list[PollOption]
    is_over: bool

    @property
    def here(self) -> Count:
        return Count(tuple(option.votes_here for option in self.options))

    @property
    def elsewhere(self) -> Count:
        return Count(tuple(option.votes_elsewhere for option in self.options))

    @property
    def all(self) -> Count:
        return Count(tuple(option.votes_here + option.votes_elsewhere for option in self.options))


@dataclass(frozen=True)
class Both:
    """Those who voted both times: ``moves[a][b]`` went from side a to side b, in the order of ``clerk.SIDES``."""

    moves: tuple[tuple[int, ...], ...]

    @property
    def voters(self) -> int:
        return sum(map(sum, self.moves))

    @property
    def stayed(self) -> int:
        return sum(row[side] for side, row in enumerate(self.moves))


@dataclass(frozen=True)
class Swing:
    """``both`` is None where fewer than ``BOTH_MIN`` people voted both times, and for polls elsewhere, whose ballots
    are there."""

    opening: Measure | None = None
    closing: Measure | None = None
    both: Both | None = None

    @property
    def votes(self) -> int:
        return sum(each.all.voters for each in (self.opening, self.closing) if each is not None)


async def measure(tx: Tx, debate: Debate) -> Swing:
    """Both polls of a debate as far as they were taken."""
    if debate.topic_id is None:
        return Swing()
    query = (
        select(Post)
        .options(joinedload(Post.author, innerjoin=True))
        .where(Post.topic_id == debate.topic_id, Post.part.in_((OPENING, CLOSING)), Post.deleted_at.is_(None))
    )
    found = {}
    for post in (await tx.execute(query.order_by(Post.id))).scalars():
        measured = await _measure(tx, post, tx.now)
        if measured is not None:
            found[post.part] = measured
    opening, closing = found.get(OPENING), found.get(CLOSING)
    both = None
    if opening is not None and closing is not None and debate.actor.is_local:
        both = await _both(tx, opening.post.id, closing.post.id)
    return Swing(opening, closing, both)


async def _both(tx: Tx, opening_id: int, closing_id: int) -> Both | None:
    first, second, before, after = aliased(Ballot), aliased(Ballot), aliased(PollOption), aliased(PollOption)
    rows = await tx.execute(
        select(before.position, after.position, func.count())
        .select_from(first)
        .join(second, second.actor_id == first.actor_id)
        .join(before, before.id == first.option_id)
        .join(after, after.id == second.option_id)
        .where(first.post_id == opening_id, second.post_id == closing_id)
        .group_by(before.position, after.position)
    )
    moves = [[0] * len(clerk.SIDES) for _ in clerk.SIDES]
    for here, there, count in rows:
        moves[here][there] = count
    found = Both(tuple(map(tuple, moves)))
    return found if found.voters >= BOTH_MIN else None


async def _measure(tx: Tx, post: Post, now: datetime) -> Measure | None:
    found = await polls.find(tx, post.id)
    # Of a debate elsewhere it is what its home says: only the three sides can be compared.
    if found is None or len(found[1]) != len(clerk.SIDES):
        return None
    return Measure(post, found[0], found[1], polls.is_over(found[0], now))


def in_words(swing: Swing, language: str) -> str:
    """The swing in a sentence for each camp: what members here said, and what came from other servers."""
    lines = []
    for camp in ("here", "elsewhere"):
        before: Count | None = getattr(swing.opening, camp, None)
        after: Count | None = getattr(swing.closing, camp, None) or before
        if after is None or not (after.voters or (before and before.voters)):
            continue
        has_both = swing.closing is not None and before is not None and before.voters > 0
        form = "" if has_both else "-once"
        sides = [
            clerk.says(
                language,
                f"result-side{form}",
                side=clerk.says(language, side),
                before=before.shares[index] if before else 0,
                after=after.shares[index],
            )
            for index, side in enumerate(clerk.SIDES)
        ]
        votes = clerk.says(language, f"result-votes{form}", before=before.voters if before else 0, after=after.voters)
        lines.append(clerk.says(language, f"result-{camp}", opening=", ".join(sides), closing=votes))
    return "\n".join(lines) or clerk.says(language, "result-none")
