"""How opinion moved: the same question asked when a debate opens and when it closes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from community import clerk, polls
from community.db import Tx
from community.debate_models import Debate
from community.models import Poll, PollOption, Post

OPENING, CLOSING = "opening-poll", "closing-poll"


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
class Swing:
    opening: Measure | None = None
    closing: Measure | None = None


async def measure(tx: Tx, debate: Debate) -> Swing:
    """Both polls of a debate as far as they were taken."""
    if debate.topic_id is None:
        return Swing()
    query = select(Post).where(
        Post.topic_id == debate.topic_id, Post.part.in_((OPENING, CLOSING)), Post.deleted_at.is_(None)
    )
    found = {}
    for post in (await tx.execute(query.order_by(Post.id))).scalars():
        measured = await _measure(tx, post, tx.now)
        if measured is not None:
            found[post.part] = measured
    return Swing(found.get(OPENING), found.get(CLOSING))


async def _measure(tx: Tx, post: Post, now: datetime) -> Measure | None:
    found = await polls.find(tx, post.id)
    return None if found is None else Measure(post, found[0], found[1], polls.is_over(found[0], now))


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
