"""What every page of a debate needs: the debate as this viewer may see it, and the head with its tabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from community import clerk, debates, following, groups, positions, sources, swing
from community.db import Tx
from community.debate_models import Debate, Question, Seat, Series
from community.models import Membership, PollOption, Post, Theme, Topic
from community.policy import NotThere, Standing, refusal, standing
from federation.site import Site
from web import agenda_forms, agenda_view
from web.auth import Viewer

NEAR = timedelta(hours=3)


@dataclass(frozen=True)
class Stage:
    """A part of a debate's course: ``state`` is done, now or ahead; ``at`` is when it begins or began."""

    name: str
    state: str
    at: datetime | None = None


@dataclass(frozen=True)
class Head:
    """The head of a debate's pages. ``counts`` is the number of arguments on each side, without the clerk's own posts;
    ``questions`` how many are in the queue; ``tab`` which page it is: sides, questions, everything, results, live.

    ``parts`` are the clerk's posts so far: ('stub', 'for'), ('opening-poll', '') …"""

    debate: Debate
    theme: Theme
    seats: list[Seat]
    counts: dict[str, int]
    questions: int
    tab: str
    watching: int
    now: datetime
    is_host: bool
    can_arrange: bool
    topic: Topic | None = None
    series: Series | None = None
    parts: frozenset[tuple[str, str]] = frozenset()
    is_member: bool = False
    follow_state: str = ""  # of a member here to a debate elsewhere
    join_refusal: str | None = None
    to_propose: int = 0  # its opener, for whoever may put it on an agenda
    became: Sequence[sources.Mark] = ()  # items on agendas that go back to it

    @property
    def path(self) -> str:
        return f"/g/{self.theme.slug}"

    @property
    def is_elsewhere(self) -> bool:
        return bool(self.debate.actor.host)

    @property
    def state(self) -> str:
        """The state by the clock."""
        return debates.state_at(self.debate, self.now)

    @property
    def is_ahead(self) -> bool:
        return self.state in ("announced", "call")

    @property
    def is_near(self) -> bool:
        """Whether people may want to wait for the hour where it takes place."""
        return self.is_ahead and self.debate.opens_at - self.now < NEAR

    @property
    def is_over(self) -> bool:
        return self.state in ("closed", "concluded", "cancelled")

    @property
    def is_floor_open(self) -> bool:
        """Whether sides can be taken: the clerk has opened the floor, or somebody has taken one without."""
        return any(part == "stub" for part, _ in self.parts) or bool(self.counts)

    @property
    def has_sides(self) -> bool:
        """Whether there is anything to see, or to be missed, on the page of both sides."""
        return self.is_floor_open or self.state in ("closed", "concluded")

    @property
    def has_results(self) -> bool:
        return any(part in ("opening-poll", "closing-poll") for part, _ in self.parts)

    @property
    def is_moved(self) -> bool:
        return self.is_ahead and self.debate.sequence > 0

    @property
    def stages(self) -> list[Stage]:
        return stages_of(self.debate, self.now)


def stages_of(debate: Debate, now: datetime) -> list[Stage]:
    """The course of a debate in the words of its head; one without a call has no stage for it."""
    names = [("announced", None), ("call", debate.call_at), ("live", debate.opens_at)]
    names += [("closed", debate.closes_at), ("concluded", None)]
    if debate.call_at is None:
        del names[1]
    here = [name for name, _ in names].index(debates.state_at(debate, now)) if debate.state != "cancelled" else -1
    return [
        Stage(name, "done" if index < here else "now" if index == here else "ahead", at)
        for index, (name, at) in enumerate(names)
    ]


@dataclass(frozen=True)
class Listed:
    """A debate as a row of a list. ``result`` has the sides in favour and against, each with its share of the votes in
    per cent at the opening (None where nobody was asked then) and at the end; it is empty before the end."""

    debate: Debate
    state: str
    series: Series | None = None
    panel: int = 0
    arguments: int = 0
    result: tuple[tuple[str, int | None, int], ...] = ()

    @property
    def is_ahead(self) -> bool:
        return self.state in ("announced", "call")


async def listed(tx: Tx, found: Sequence[Debate]) -> list[Listed]:
    """What lists tell of debates, asked for all of them at once."""
    ids = [debate.actor_id for debate in found]
    topic_ids = [debate.topic_id for debate in found if debate.topic_id is not None]
    await tx.preload_keys(Series, [debate.series_id for debate in found if debate.series_id is not None])
    panels = await tx.execute(
        select(Seat.debate_id, func.count())
        .where(Seat.debate_id.in_(ids), Seat.role == "panel", Seat.state == "accepted")
        .group_by(Seat.debate_id)
    )
    on_panel = {row[0]: row[1] for row in panels}
    said = await tx.execute(
        select(Post.topic_id, func.count())
        .where(
            Post.topic_id.in_(topic_ids), Post.position.in_(positions.SIDES), Post.part == "", Post.deleted_at.is_(None)
        )
        .group_by(Post.topic_id)
    )
    arguments = {row[0]: row[1] for row in said}
    votes = await _votes(tx, topic_ids)
    rows = []
    for debate in found:
        state = debates.state_at(debate, tx.now)
        rows.append(
            Listed(
                debate,
                state,
                await tx.find(Series, debate.series_id) if debate.series_id is not None else None,
                on_panel.get(debate.actor_id, 0),
                arguments.get(debate.topic_id or 0, 0),
                _result(votes.get(debate.topic_id or 0, {})) if state in ("closed", "concluded") else (),
            )
        )
    return rows


async def _votes(tx: Tx, topic_ids: list[int]) -> dict[int, dict[str, swing.Count]]:
    """The counts of the opening and the closing poll of each floor, from here and elsewhere together."""
    rows = await tx.execute(
        select(Post.topic_id, Post.part, PollOption.votes_here + PollOption.votes_elsewhere)
        .join(PollOption, PollOption.post_id == Post.id)
        .where(Post.topic_id.in_(topic_ids), Post.part.in_((swing.OPENING, swing.CLOSING)), Post.deleted_at.is_(None))
        .order_by(Post.id, PollOption.position)
    )
    found: dict[int, dict[str, list[int]]] = {}
    for topic_id, part, count in rows:
        found.setdefault(topic_id, {}).setdefault(part, []).append(count)
    return {
        topic_id: {part: swing.Count(tuple(counts)) for part, counts in polls.items()}
        for topic_id, polls in found.items()
    }


def _result(votes: dict[str, swing.Count]) -> tuple[tuple[str, int | None, int], ...]:
    first, last = votes.get(swing.OPENING), votes.get(swing.CLOSING)
    if last is None or not last.voters:
        first, last = None, first
    if last is None or not last.voters or len(last.votes) != len(clerk.SIDES):
        return ()
    before = first.shares if first is not None and first.voters else None
    return tuple(
        (side, before[index] if before is not None else None, last.shares[index])
        for index, side in enumerate(clerk.SIDES)
        if side in positions.SIDES
    )


async def find(tx: Tx, slug: str, viewer: Viewer) -> tuple[Debate, Theme, Standing]:
    """The debate at /g/SLUG, here or elsewhere (handle@host), with what the viewer is in it; NotThere."""
    theme = await groups.find_theme(tx, slug)
    debate = await debates.of_group(tx, theme.actor_id) if theme is not None else None
    if theme is None or debate is None:
        raise NotThere
    return debate, theme, await standing(tx, viewer.actor, debate.actor_id)


async def find_ours(tx: Tx, slug: str, viewer: Viewer) -> tuple[Debate, Theme, Standing]:
    """The same of a debate that is at home here: what is at home elsewhere is arranged, led and concluded there."""
    found = await find(tx, slug, viewer)
    if not found[0].actor.is_local:
        raise NotThere
    return found


async def head(tx: Tx, site: Site, debate: Debate, theme: Theme, who: Standing, tab: str) -> Head:
    is_ours = debate.actor.is_local
    topic = await tx.get(Topic, debate.topic_id) if debate.topic_id is not None else None
    rows = await tx.execute(
        select(Post.part, Post.position, func.count())
        .where(Post.topic_id == debate.topic_id, Post.deleted_at.is_(None))
        .group_by(Post.part, Post.position)
    )
    counted = [(part, position, count) for part, position, count in rows]
    counts = {position: count for part, position, count in counted if not part and position}
    waiting = (
        select(func.count())
        .select_from(Question)
        .where(Question.debate_id == debate.actor_id, Question.state.in_(("asked", "accepted", "answered")))
    )
    in_theme = await debates.in_theme(tx, who.actor, debate)
    membership = await tx.get(Membership, (who.actor.id, debate.actor_id)) if who.actor is not None else None
    opener_id = select(Post.id).where(Post.topic_id == debate.topic_id, Post.number == 1, Post.deleted_at.is_(None))
    may_propose = bool(await agenda_forms.open_to(tx, who.actor))
    hub = site.database.hub
    return Head(
        debate=debate,
        theme=theme,
        seats=await debates.seats(tx, debate.actor_id),
        counts=counts,
        # A queue is at home where the debate is; elsewhere there are the posts that ask.
        questions=await tx.scalar(waiting) or 0 if is_ours else counts.get("question", 0),
        tab=tab,
        watching=hub.listeners(f"topic:{debate.topic_id}") + hub.listeners(f"debate:{debate.actor_id}"),
        now=tx.now,
        is_host=is_ours and refusal("host", who, debate) is None,
        can_arrange=is_ours and refusal("arrange", in_theme, debate) is None,
        topic=topic,
        series=await tx.get(Series, debate.series_id) if debate.series_id is not None else None,
        parts=frozenset((part, position) for part, position, _ in counted if part),
        is_member=membership is not None and membership.state == "accepted",
        follow_state="" if is_ours else await following.state_of(tx, who.actor, debate.actor),
        join_refusal=refusal("follow", who, debate.actor),
        to_propose=await tx.scalar(opener_id) or 0 if may_propose else 0,
        became=await agenda_view.became(tx, debate.topic_id),
    )


async def head_of_topic(tx: Tx, site: Site, topic: Topic, theme: Theme, who: Standing) -> Head | None:
    """The head above a topic that is the floor of a debate; None for any other."""
    debate = await debates.of_group(tx, topic.group_id)
    if debate is None or debate.topic_id != topic.id:
        return None
    return await head(tx, site, debate, theme, who, "everything")
