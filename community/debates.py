"""Debates: setting them up, and their course from the announcement to the last word.

A debate is a group with one topic, the floor, which the clerk opens. Its course is a list of steps with their times;
one job for each debate does what is due and then waits for the next, so that a restart loses nothing. What is allowed
is asked of the clock, and not of the job.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Select, delete, select

from community import clerk, groups, hosts, jobs, polls, posts, swing, text, topics
from community.db import Tx
from community.debate_models import Debate, Seat
from community.events import ActorChanged, DebateChanged, emit
from community.keys import KeyPair
from community.members import Invalid, check_handle, keep_key, new_local_actor
from community.models import Actor, Job, LogEntry, Membership, Post, Theme, Topic
from community.policy import Refused, Standing, require, standing

POSITIONS = ("for", "against", "question")
STATES = ("announced", "call", "live", "closed", "concluded", "cancelled")
OPEN = ("announced", "call", "live")
REMINDED_BEFORE = timedelta(days=1)
MOTION_MAX = 200
MINUTES = (10, 24 * 60)
# The opening poll takes the first part of the time, the closing poll the last.
POLL_PART = 3
PAGE = 30


@dataclass(frozen=True)
class Plan:
    """A debate as it is typed. Times are aware; ``call_at`` None is without a call, ``digest_at`` without a digest."""

    motion: str
    opens_at: datetime
    minutes: int
    zone: str
    text: str = ""
    call_at: datetime | None = None
    digest_at: datetime | None = None
    languages: tuple[str, ...] = ("en",)

    @property
    def closes_at(self) -> datetime:
        return self.opens_at + timedelta(minutes=self.minutes)


def _complaints(plan: Plan, now: datetime) -> dict[str, str]:
    wrong = {}
    motion = " ".join(plan.motion.split())
    if not 3 <= len(motion) <= MOTION_MAX:
        wrong["motion"] = "motion-length"
    if len(plan.text) > text.MAX_SOURCE:
        wrong["text"] = "text-too-long"
    if plan.opens_at <= now:
        wrong["opens_at"] = "date-is-past"
    if not MINUTES[0] <= plan.minutes <= MINUTES[1]:
        wrong["minutes"] = "minutes-unknown"
    if plan.zone not in available_timezones():
        wrong["zone"] = "timezone-unknown"
    if plan.call_at is not None and plan.call_at >= plan.opens_at:
        wrong["call_at"] = "call-after-opening"
    if plan.digest_at is not None and plan.digest_at <= plan.closes_at:
        wrong["digest_at"] = "digest-before-end"
    if not plan.languages:
        wrong["languages"] = "language-missing"
    return wrong


async def overlapping(
    tx: Tx, theme_id: int | None, opens_at: datetime, closes_at: datetime, *, but: int = 0
) -> Debate | None:
    """Another debate of the same theme at the same time."""
    query = select(Debate).where(
        Debate.theme_id == theme_id,
        Debate.actor_id != but,
        Debate.state.in_(OPEN),
        Debate.opens_at < closes_at,
        Debate.closes_at > opens_at,
    )
    return (await tx.execute(query.limit(1))).scalar_one_or_none()


async def of_group(tx: Tx, group_id: int) -> Debate | None:
    """The debate that a group is, here or elsewhere; None for a theme."""
    return await tx.find(Debate, group_id)


async def ahead(tx: Tx, *, theme_ids: Iterable[int] | None = None, limit: int = 50) -> list[Debate]:
    """Debates to come and those that are on, the soonest first, as lists show them."""
    query = _shown(theme_ids).where(Debate.state.in_(OPEN), Debate.closes_at > tx.now)
    return list((await tx.execute(query.order_by(Debate.opens_at).limit(limit))).scalars())


async def over(tx: Tx, *, theme_ids: Iterable[int] | None = None, page: int = 1, limit: int = PAGE) -> list[Debate]:
    """Debates that are over or were cancelled, the latest first, as lists show them."""
    query = _shown(theme_ids).where(Debate.state.not_in(OPEN) | (Debate.closes_at <= tx.now))
    query = query.order_by(Debate.opens_at.desc()).offset((page - 1) * limit).limit(limit)
    return list((await tx.execute(query)).scalars())


def _shown(theme_ids: Iterable[int] | None) -> Select[Any]:
    query = select(Debate).where(Debate.actor_id.not_in(hosts.kept_out_of_lists()))
    return query if theme_ids is None else query.where(Debate.theme_id.in_(list(theme_ids)))


def state_at(debate: Debate, now: datetime) -> str:
    """The state by the clock: a job that comes late does not keep the hour."""
    if debate.state in OPEN:
        if debate.closes_at <= now:
            return "closed"
        if debate.opens_at <= now:
            return "live"
    return debate.state


def refusal_when_over(debate: Debate, now: datetime) -> str | None:
    """Why nothing is added to a debate any more: it was cancelled, or it is over by the clock."""
    state = state_at(debate, now)
    return None if state in OPEN else "debate-is-cancelled" if state == "cancelled" else "debate-is-over"


def refusal_to_conclude(debate: Debate) -> str | None:
    """Why there is nothing to conclude yet: the clerk has not closed the debate, or it was cancelled."""
    if debate.state in ("closed", "concluded"):
        return None
    return "debate-is-cancelled" if debate.state == "cancelled" else "debate-is-not-over"


async def handle_for(tx: Tx, prefix: str, opens_at: datetime, zone: str) -> str:
    """A free handle from a prefix and the date: debate_2026_12_18; a second one of that day ends in _2."""
    base = f"{prefix}_{opens_at.astimezone(ZoneInfo(zone)):%Y_%m_%d}"
    for number in range(1, 10):
        handle = base if number == 1 else f"{base}_{number}"
        reason = await check_handle(tx, handle)
        if reason is None:
            return handle
        if reason != "name-taken":
            break
    raise Invalid(opens_at="too-many-that-day")


async def make(
    tx: Tx,
    by: Actor,
    theme: Actor,
    pair: KeyPair,
    plan: Plan,
    *,
    prefix: str = "debate",
    series_id: int | None = None,
    occurrence: str | None = None,
) -> Debate:
    """Announce a debate: its group, its floor with the clerk's announcement on it, its course. Raises Invalid."""
    by, theme = await tx.own(by), await tx.own(theme)
    require("arrange", await standing(tx, by, theme.id), theme)
    wrong = _complaints(plan, tx.now)
    if not wrong and await overlapping(tx, theme.id, plan.opens_at, plan.closes_at) is not None:
        wrong["opens_at"] = "debates-overlap"
    if wrong:
        raise Invalid(**wrong)
    motion = " ".join(plan.motion.split())
    handle = await handle_for(tx, prefix, plan.opens_at, plan.zone)
    actor = new_local_actor(tx, "group", handle, text.cut(motion, 100), pair, f"/g/{handle}")
    await keep_key(tx, actor, pair)
    place = Theme(actor_id=actor.id, slug=handle, colour=(await tx.get_one(Theme, theme.id)).colour, position=0)
    place.actor = actor
    debate = Debate(
        actor_id=actor.id,
        theme_id=theme.id,
        series_id=series_id,
        occurrence=occurrence,
        motion=motion,
        opens_at=plan.opens_at,
        closes_at=plan.closes_at,
        call_at=plan.call_at,
        digest_at=plan.digest_at,
        zone=plan.zone,
        languages=list(plan.languages),
        steps=[],
        state="announced",
        sequence=0,
        changed_at=tx.now,
    )
    debate.actor, debate.theme = actor, theme
    # Its theme follows it: that is why it passes the milestones on.
    follow = Membership(actor_id=theme.id, group_id=actor.id, role="member", state="accepted", created_at=tx.now)
    tx.add_all([place, debate, follow])
    await tx.flush()
    tx.remember(place)
    _put_text(debate, plan.text)
    opener = await topics.open(tx, await groups.clerk(tx), actor, await _motion(tx, debate))
    debate.topic_id, opener.topic.closes_at = opener.topic_id, debate.closes_at
    tx.add(LogEntry(at=tx.now, actor_id=by.id, action="add-debate", group_id=actor.id, topic_id=opener.topic_id))
    await _changed(tx, debate, "announced")
    await schedule(tx, debate)
    return debate


def _put_text(debate: Debate, source: str) -> None:
    debate.text_source = source.replace("\r\n", "\n").strip()
    debate.text_html = text.render(debate.text_source) if debate.text_source else ""
    debate.actor.summary_source, debate.actor.summary_html = debate.text_source, debate.text_html


def words_of(tx: Tx, debate: Debate) -> dict[str, str]:
    """What the clerk's sentences about a debate are filled with."""
    return {
        "motion": debate.motion,
        "when": clerk.when(debate.opens_at, debate.zone, debate.language),
        "until": clerk.hour(debate.closes_at, debate.zone, debate.language),
        "date": clerk.day(debate.opens_at, debate.zone, debate.language),
        "handle": f"@{debate.actor.handle}@{tx.settings.host}",
        "link": debate.actor.uri,
        "name": tx.settings.name,
        "origin": tx.settings.origin,
        "reason": debate.reason,
    }


async def _motion(tx: Tx, debate: Debate) -> posts.Written:
    """The announcement: the opener of the floor."""
    call = ""
    if debate.call_at is not None and debate.call_at > tx.now:
        call = clerk.says(
            debate.language, "call-follows", when=clerk.when(debate.call_at, debate.zone, debate.language)
        )
    source = clerk.says(debate.language, "motion", **words_of(tx, debate), text=debate.text_source, call=call).strip()
    written = await posts.compose(tx, source, title=debate.motion, language=debate.language)
    return replace(written, part="motion")


async def say(
    tx: Tx,
    debate: Debate,
    part: str,
    source: str,
    *,
    position: str = "",
    reply_to: Post | None = None,
    paper: polls.Paper | None = None,
) -> Post:
    """Have the clerk write on the floor of a debate. ``part`` says what for, see ``models.Post``."""
    assert debate.topic_id is not None
    topic = await tx.get_one(Topic, debate.topic_id)
    written = await posts.compose(tx, source, language=debate.language)
    written = replace(written, part=part, position=position, poll=paper)
    return await posts.reply(tx, await groups.clerk(tx), topic, written, reply_to=reply_to)


async def part_of(tx: Tx, debate: Debate, part: str, position: str = "") -> Post | None:
    """The clerk's latest post of a kind on the floor, such as the stub of a side."""
    query = select(Post).where(Post.topic_id == debate.topic_id, Post.part == part, Post.deleted_at.is_(None))
    if position:
        query = query.where(Post.position == position)
    return (await tx.execute(query.order_by(Post.number.desc()).limit(1))).scalar_one_or_none()


def signal(tx: Tx, debate: Debate, post: Post | None = None) -> None:
    """Tell the open pages of a debate that something has changed; on its floor ``post`` alone, where that is said."""
    tx.signal(f"debate:{debate.actor_id}", 0)
    if debate.topic_id is not None:
        tx.signal(f"topic:{debate.topic_id}", post or 0)


async def _changed(tx: Tx, debate: Debate, what: str) -> None:
    debate.changed_at = tx.now
    await tx.flush()
    signal(tx, debate)
    tx.signal("anything")
    await emit(tx, DebateChanged(debate, what))


# --- Changes before it begins ----------------------------------------------------------------------------------------


def refusal_to_change(debate: Debate, now: datetime) -> str | None:
    """Why the date of a debate stands: it is on, it is over, or it was cancelled."""
    reason = refusal_when_over(debate, now)
    return "debate-is-live" if reason is None and state_at(debate, now) == "live" else reason


async def in_theme(tx: Tx, actor: Actor | None, debate: Debate) -> Standing:
    """What somebody is in the theme of a debate, by which it is decided whether they arrange it; of a debate elsewhere
    without a theme here it is what they are in the debate itself."""
    return await standing(tx, actor, debate.theme_id or debate.actor_id)


async def _arrange(tx: Tx, by: Actor, debate: Debate) -> tuple[Actor, Debate]:
    """``by`` and ``debate`` of this transaction, if the one may arrange the other."""
    by = await tx.own(by)
    debate = await tx.lock(Debate, debate.actor_id)
    require("arrange", await in_theme(tx, by, debate), debate)
    return by, debate


async def edit(tx: Tx, by: Actor, debate: Debate, *, motion: str, source: str, languages: Iterable[str]) -> None:
    """Change what a debate is about, until it begins. Raises Invalid, Refused."""
    by, debate = await _arrange(tx, by, debate)
    reason = refusal_to_change(debate, tx.now)
    if reason is not None:
        raise Refused(reason)
    plan = Plan(
        motion, debate.opens_at, minutes_of(debate), debate.zone, source, debate.call_at, debate.digest_at,
        tuple(languages),
    )  # fmt: skip
    wrong = _complaints(plan, tx.now)
    if wrong:
        raise Invalid(**wrong)
    debate.motion, debate.languages = " ".join(motion.split()), list(plan.languages)
    debate.actor.name = text.cut(debate.motion, 100)
    _put_text(debate, source)
    tx.add(LogEntry(at=tx.now, actor_id=by.id, action="edit-debate", group_id=debate.actor_id))
    await _rewrite_motion(tx, debate)
    await _changed(tx, debate, "edited")
    await emit(tx, ActorChanged(debate.actor))


def minutes_of(debate: Debate) -> int:
    return round((debate.closes_at - debate.opens_at).total_seconds() / 60)


async def _rewrite_motion(tx: Tx, debate: Debate) -> None:
    opener = await posts.opener(tx, await tx.get_one(Topic, debate.topic_id))
    if opener is not None and opener.deleted_at is None:
        await posts.edit(tx, await groups.clerk(tx), opener, await _motion(tx, debate))


async def move(tx: Tx, by: Actor, debate: Debate, opens_at: datetime, *, reason: str = "") -> None:
    """Give a debate another date; its length and what goes before and after it move along. Raises Invalid, Refused."""
    by, debate = await _arrange(tx, by, debate)
    refused = refusal_to_change(debate, tx.now)
    if refused is not None:
        raise Refused(refused)
    shift = opens_at - debate.opens_at
    if opens_at <= tx.now:
        raise Invalid(opens_at="date-is-past")
    closes_at = debate.closes_at + shift
    if await overlapping(tx, debate.theme_id, opens_at, closes_at, but=debate.actor_id) is not None:
        raise Invalid(opens_at="debates-overlap")
    if not shift:
        return
    debate.opens_at, debate.closes_at, debate.reason = opens_at, closes_at, reason
    if debate.call_at is not None and "call" not in debate.steps:
        debate.call_at += shift
    if debate.digest_at is not None:
        debate.digest_at += shift
    # Who was reminded of the old date is reminded of the new one.
    debate.steps = [step for step in debate.steps if step != "reminder"]
    debate.sequence += 1
    (await tx.get_one(Topic, debate.topic_id)).closes_at = closes_at
    tx.add(LogEntry(at=tx.now, actor_id=by.id, action="move-debate", group_id=debate.actor_id, reason=reason))
    await _rewrite_motion(tx, debate)
    await say(tx, debate, "moved", clerk.says(debate.language, "moved", **words_of(tx, debate)).strip())
    await _changed(tx, debate, "moved")
    await schedule(tx, debate)


async def cancel(tx: Tx, by: Actor, debate: Debate, *, reason: str) -> None:
    """A debate does not take place, or ends at once: the floor is closed, what was said stays. Raises Refused."""
    by, debate = await _arrange(tx, by, debate)
    refused = refusal_when_over(debate, tx.now)
    if refused is not None:
        raise Refused(refused)
    if not reason.strip():
        raise Invalid(reason="reason-missing")
    debate.state, debate.reason = "cancelled", reason.strip()
    debate.sequence += 1
    await _close_polls(tx, debate)
    await say(tx, debate, "cancelled", clerk.says(debate.language, "cancelled", **words_of(tx, debate)))
    topic = await tx.get_one(Topic, debate.topic_id)
    topic.closed_at = tx.now
    tx.add(LogEntry(at=tx.now, actor_id=by.id, action="cancel-debate", group_id=debate.actor_id, reason=reason))
    await _changed(tx, debate, "cancelled")
    await schedule(tx, debate)


async def conclude(tx: Tx, by: Actor, debate: Debate, source: str) -> None:
    """The host's last word on a debate whose hour is over; it may be corrected later. Raises Invalid, Refused."""
    by, debate = await tx.own(by), await tx.lock(Debate, debate.actor_id)
    require("host", await standing(tx, by, debate.actor_id), debate)
    refused = refusal_to_conclude(debate)
    if refused is not None:
        raise Refused(refused)
    source = source.replace("\r\n", "\n").strip()
    if not source:
        raise Invalid(text="text-missing")
    if len(source) > text.MAX_SOURCE:
        raise Invalid(text="text-too-long")
    debate.conclusion_source, debate.conclusion_html = source, text.render(source)
    words = clerk.says(debate.language, "concluded", text=source)
    held = await part_of(tx, debate, "conclusion")
    if held is None:
        await say(tx, debate, "conclusion", words)
    else:
        await posts.edit(tx, await groups.clerk(tx), held, await posts.compose(tx, words, language=debate.language))
    debate.state = "concluded"
    await _changed(tx, debate, "concluded")


# --- The course ------------------------------------------------------------------------------------------------------


def course(debate: Debate) -> list[tuple[str, datetime]]:
    """The steps of a debate with their times, in order."""
    part = (debate.closes_at - debate.opens_at) / POLL_PART
    steps = [
        ("call", debate.call_at),
        ("reminder", debate.opens_at - REMINDED_BEFORE),
        ("live", debate.opens_at),
        ("opening-poll", debate.opens_at),
        ("closing-poll", debate.closes_at - part),
        ("closed", debate.closes_at),
        ("digest", debate.digest_at),
    ]
    return sorted(((name, at) for name, at in steps if at is not None), key=lambda step: step[1])


# A step that was missed until another one is due is left out: nobody is reminded of what is on already.
_TOO_LATE = {
    "reminder": "live",
    "call": "live",
    "live": "closed",
    "opening-poll": "closing-poll",
    "closing-poll": "closed",
}


def due(debate: Debate, now: datetime) -> list[tuple[str, bool]]:
    """The steps to be done now, in order; with False those that only count as done, since it is too late for them."""
    if debate.state == "cancelled":
        return []
    times = dict(course(debate))
    return [
        (name, not (_TOO_LATE.get(name) in times and times[_TOO_LATE[name]] <= now))
        for name, at in course(debate)
        if at <= now and name not in debate.steps
    ]


def next_at(debate: Debate) -> datetime | None:
    """When there is something to do again."""
    if debate.state == "cancelled":
        return None
    return min((at for name, at in course(debate) if name not in debate.steps), default=None)


async def schedule(tx: Tx, debate: Debate) -> None:
    """Have the next step done in its time; an appointment that stood before goes."""
    key = f"debate:{debate.actor_id}"
    await tx.execute(delete(Job).where(Job.key == key).execution_options(synchronize_session=False))
    at = next_at(debate)
    if at is not None:
        await jobs.add(tx, "advance-debate", {"debate": debate.actor_id}, key=key, run_at=at)


@jobs.works("advance-debate", batch=True)
async def advance_debates(site: Any, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Debates whose next step is due. The end of the job commits with what it did."""
    for job in claimed:
        async with site.database.write() as tx:
            await jobs.finish(tx, [job])
            debate = await tx.get(Debate, job.argument["debate"])
            if debate is not None and debate.actor.is_local:
                await advance(tx, await tx.lock(Debate, debate.actor_id))
    return []


async def advance(tx: Tx, debate: Debate) -> None:
    """Do what is due, each step once."""
    for name, in_time in due(debate, tx.now):
        debate.steps = [*debate.steps, name]
        if in_time:
            await _STEPS[name](tx, debate)
            await _changed(tx, debate, name)
    await schedule(tx, debate)


async def _stub(tx: Tx, debate: Debate, position: str, key: str) -> None:
    if await part_of(tx, debate, "stub", position) is None:
        source = clerk.says(debate.language, key, **words_of(tx, debate))
        await say(tx, debate, "stub", source, position=position)


async def _open_floor(tx: Tx, debate: Debate, question: str) -> None:
    """Three posts to answer: whoever does takes a side, from anywhere and without any syntax."""
    await _stub(tx, debate, "question", question)
    await _stub(tx, debate, "for", "stub-for")
    await _stub(tx, debate, "against", "stub-against")


async def _call(tx: Tx, debate: Debate) -> None:
    debate.state = "call"
    await _open_floor(tx, debate, "call")


async def _remind(tx: Tx, debate: Debate) -> None:
    await say(tx, debate, "reminder", clerk.says(debate.language, "reminder", **words_of(tx, debate)))


async def _go_live(tx: Tx, debate: Debate) -> None:
    debate.state = "live"
    await _open_floor(tx, debate, "stub-question")
    await say(tx, debate, "live", clerk.says(debate.language, "live", **words_of(tx, debate)))


def _paper(debate: Debate, closes_at: datetime) -> polls.Paper:
    names = tuple(clerk.says(debate.language, side) for side in clerk.SIDES)
    return polls.Paper(names, closes_at=closes_at)


async def _ask(tx: Tx, debate: Debate, part: str, closes_at: datetime) -> None:
    source = clerk.says(debate.language, part, motion=debate.motion)
    await say(tx, debate, part, source, paper=_paper(debate, closes_at))


async def _ask_first(tx: Tx, debate: Debate) -> None:
    part = (debate.closes_at - debate.opens_at) / POLL_PART
    await _ask(tx, debate, swing.OPENING, max(debate.opens_at + part, tx.now + timedelta(minutes=3)))


async def _ask_again(tx: Tx, debate: Debate) -> None:
    await _ask(tx, debate, swing.CLOSING, debate.closes_at)


async def _close_polls(tx: Tx, debate: Debate) -> None:
    taken = await swing.measure(tx, debate)
    for each in (taken.opening, taken.closing):
        if each is not None:
            await polls.close(tx, each.post)


async def _close(tx: Tx, debate: Debate) -> None:
    """The last tallies stand in the post that says so. The floor stays open to host and panel."""
    debate.state = "closed"
    await _close_polls(tx, debate)
    result = swing.in_words(await swing.measure(tx, debate), debate.language)
    await say(tx, debate, "closed", clerk.says(debate.language, "closed", result=result))


async def _digest(_tx: Tx, _debate: Debate) -> None:
    """The time of the digest has come: whoever listens sends it or tells staff that it waits for them."""


_STEPS = {
    "call": _call,
    "reminder": _remind,
    "live": _go_live,
    "opening-poll": _ask_first,
    "closing-poll": _ask_again,
    "closed": _close,
    "digest": _digest,
}


# --- Who is who ------------------------------------------------------------------------------------------------------


async def seats(tx: Tx, debate_id: int, *, only_taken: bool = True) -> list[Seat]:
    """The hosts and the panel of a debate, hosts first, in the order in which they were asked."""
    query = select(Seat).where(Seat.debate_id == debate_id).order_by(Seat.role, Seat.invited_at, Seat.actor_id)
    if only_taken:
        query = query.where(Seat.state == "accepted")
    return list((await tx.execute(query)).scalars())


async def roles(tx: Tx, debate_id: int) -> dict[int, str]:
    """The role of everybody who has one in a debate, by the actor's id: the seal on their posts."""
    return {seat.actor_id: seat.role for seat in await seats(tx, debate_id)}
