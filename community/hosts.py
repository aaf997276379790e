"""Other servers: how they are, and what we think of them.

What deliveries find out is written here. A server that does not answer five times in a row is asked at most every half
hour, with one delivery at a time; after a week it is given up: what waits for it fails, nothing new is made for it. It
is back as soon as it sends us something signed, or when staff says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, literal, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from community import members
from community.columns import Utc
from community.db import Tx
from community.models import Activity, Actor, Host, Job, Link, LogEntry, Membership
from community.policy import Refused, names_of_host, require, standing, state_of_host

STATES = ("open", "limited", "blocked")
PAGE = 50
CIRCUIT_FAILURES = 5
PROBE = timedelta(minutes=30)
# Longer than a delivery takes: what else waits is tried only when the probe did not clear the way.
BEHIND_PROBE = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(days=7)
NOTED_EVERY = timedelta(minutes=1)
GIVEN_UP = "the server did not answer for a week"
_QUIETLY = {"synchronize_session": False}


# --- What the network finds out --------------------------------------------------------------------------------------


async def blocked(tx: Tx) -> list[str]:
    return list((await tx.execute(select(Host.name).where(Host.state == "blocked"))).scalars())


async def with_style(tx: Tx, style: str) -> list[str]:
    return list((await tx.execute(select(Host.name).where(Host.signature_style == style))).scalars())


async def remember_style(tx: Tx, name: str, style: str) -> None:
    """``style`` is cavage or rfc9421: the form of signatures that this server took."""
    await tx.execute(update(Host).where(Host.name == name).values(signature_style=style), execution_options=_QUIETLY)


async def answered(tx: Tx, names: Collection[str]) -> None:
    """Deliveries got through: what waited for these servers goes now."""
    statement = (
        update(Host)
        .where(Host.name.in_(names), Host.failures > 0)
        .values(failures=0, retry_after=None, failing_since=None, given_up_at=None, reached_at=tx.now)
        .returning(Host.name)
    )
    back = list((await tx.execute(statement, execution_options=_QUIETLY)).scalars())
    await tx.execute(
        update(Host)
        .where(Host.name.in_(names), or_(Host.reached_at.is_(None), Host.reached_at < tx.now - NOTED_EVERY))
        .values(reached_at=tx.now),
        execution_options=_QUIETLY,
    )
    if back:
        await _hurry(tx, back)


async def _hurry(tx: Tx, names: Collection[str]) -> None:
    tx.has_jobs = True
    await tx.execute(
        update(Job).where(Job.lane.in_(names), Job.failed_at.is_(None), Job.run_at > tx.now).values(run_at=tx.now),
        execution_options=_QUIETLY,
    )


async def failed(tx: Tx, name: str, wait: int, asked: int, error: str) -> bool:
    """A server did not answer, or is in trouble: everything for it waits, ``wait`` seconds at first, and not less than
    it ``asked`` for. Answers whether it is by now only probed, which costs what waits for it no attempt."""
    statement = (
        update(Host)
        .where(Host.name == name)
        .values(
            failures=Host.failures + 1,
            failing_since=func.coalesce(Host.failing_since, literal(tx.now, Utc())),
            last_error=error[:500],
        )
        .returning(Host.failures, Host.failing_since, Host.heard_at)
    )
    row = (await tx.execute(statement, execution_options=_QUIETLY)).first()
    # Where all tries are over sooner than that, there is nothing to be spaced.
    is_probed = (
        row is not None and row.failures >= CIRCUIT_FAILURES and max(tx.settings.retry_seconds) >= PROBE.total_seconds()
    )
    until = tx.now + max(PROBE if is_probed else timedelta(seconds=wait), timedelta(seconds=asked))
    is_lost = row is not None and max(row.failing_since, row.heard_at or row.failing_since) < tx.now - GIVE_UP_AFTER
    await tx.execute(
        update(Host).where(Host.name == name).values(retry_after=until, **({"given_up_at": tx.now} if is_lost else {})),
        execution_options=_QUIETLY,
    )
    if is_lost:
        await _end_deliveries(tx, name)
        return True
    waiting = (Job.lane == name, Job.failed_at.is_(None), Job.locked_until.is_(None))
    await tx.execute(update(Job).where(*waiting, Job.run_at < until).values(run_at=until), execution_options=_QUIETLY)
    if is_probed:
        first = await tx.scalar(select(func.min(Job.id)).where(*waiting))
        for those, at in ((Job.id == first, until), (Job.id != first, until + BEHIND_PROBE)):
            await tx.execute(update(Job).where(*waiting, those).values(run_at=at), execution_options=_QUIETLY)
    return is_probed


async def _end_deliveries(tx: Tx, name: str) -> None:
    """What waits for a server that is given up fails, and stays readable as such."""
    waiting = (Job.lane == name, Job.failed_at.is_(None), Job.locked_until.is_(None))
    about = Job.argument["activity"].as_string()
    counted = await tx.execute(select(about, func.count()).where(*waiting, Job.kind == "deliver").group_by(about))
    for uri, count in counted.all():
        await tx.execute(
            update(Activity).where(Activity.uri == uri).values(failed_count=Activity.failed_count + count),
            execution_options=_QUIETLY,
        )
    await tx.execute(update(Job).where(*waiting).values(failed_at=tx.now, error=GIVEN_UP), execution_options=_QUIETLY)


async def heard(tx: Tx, names: Collection[str]) -> None:
    """Signed activities came from these servers, which are alive then: deliveries to them are made again."""
    if not names:
        return
    await tx.execute(update(Host).where(Host.name.in_(names)).values(heard_at=tx.now), execution_options=_QUIETLY)
    await tx.execute(
        update(Host).where(Host.name.in_(names), Host.given_up_at.is_not(None)).values(_as_new()),
        execution_options=_QUIETLY,
    )


def _as_new() -> dict[str, object]:
    return {"failures": 0, "failing_since": None, "retry_after": None, "given_up_at": None}


async def not_now(tx: Tx) -> dict[str, datetime | None]:
    """Servers that get no delivery at once: until when those that do not answer rest, None for those given up. Looked
    up once in a transaction."""
    if not_now not in tx.noted:
        rows = await tx.execute(
            select(Host.name, Host.retry_after, Host.given_up_at).where(
                or_(Host.given_up_at.is_not(None), Host.retry_after > tx.now)
            )
        )
        tx.noted[not_now] = {row.name: None if row.given_up_at is not None else row.retry_after for row in rows}
    found: dict[str, datetime | None] = tx.noted[not_now]
    return found


# --- What staff sees -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A server with what waits for it, what could not be delivered, and who is known there."""

    host: Host
    waiting: int
    dead: int
    followers: int
    people: int
    groups: int

    @property
    def health(self) -> str:
        """given-up, failing, answers or untried."""
        if self.host.given_up_at is not None:
            return "given-up"
        if self.host.failures:
            return "failing"
        return "answers" if self.host.reached_at or self.host.heard_at else "untried"


def _seen() -> Select[Any]:
    follower = aliased(Actor)
    jobs_of = select(func.count()).select_from(Job).where(Job.lane == Host.name)
    actors_of = select(func.count()).select_from(Actor).where(Actor.host == Host.name, Actor.state != "gone")
    followers = (
        select(func.count(follower.id.distinct()))
        .join(Membership, Membership.actor_id == follower.id)
        .where(follower.host == Host.name, Membership.state == "accepted")
    )
    return select(
        Host,
        jobs_of.where(Job.failed_at.is_(None)).correlate(Host).scalar_subquery(),
        jobs_of.where(Job.failed_at.is_not(None)).correlate(Host).scalar_subquery(),
        followers.correlate(Host).scalar_subquery(),
        actors_of.where(Actor.kind != "group").correlate(Host).scalar_subquery(),
        actors_of.where(Actor.kind == "group").correlate(Host).scalar_subquery(),
    )


async def listed(tx: Tx, *, search: str = "", page: int = 1, limit: int = PAGE) -> list[Seen]:
    """Servers, those in trouble first, and one more than the page has where it is not the last; ``search`` is a part
    of the name."""
    query = _seen().order_by(
        Host.given_up_at.is_not(None).desc(),
        (Host.failures > 0).desc(),
        (Host.state != "open").desc(),
        Host.name,
    )
    if search:
        query = query.where(Host.name.contains(search.strip().lower(), autoescape=True))
    rows = await tx.execute(query.offset((page - 1) * limit).limit(limit + 1))
    return [Seen(*row) for row in rows]


async def one(tx: Tx, name: str) -> Seen | None:
    row = (await tx.execute(_seen().where(Host.name == name))).first()
    return Seen(*row) if row is not None else None


async def counts(tx: Tx) -> dict[str, int]:
    """How many servers are failing, and how many are given up."""
    row = (
        await tx.execute(
            select(
                func.count().filter(Host.failures > 0, Host.given_up_at.is_(None)),
                func.count().filter(Host.given_up_at.is_not(None)),
            ).select_from(Host)
        )
    ).one()
    return {"failing": row[0], "given_up": row[1]}


def kept_out_of_lists() -> Select[Any]:
    """The actors whose server is limited or blocked: they and what they write are in no public list."""
    return select(Actor.id).join(Host, Host.name == Actor.host).where(Host.state != "open")


async def may_notify(tx: Tx, author: Actor) -> bool:
    """Whether people here are told of what somebody writes: of strangers on a limited server they are not."""
    if author.is_local or await state_of_host(tx, author.host) == "open":
        return True
    follower = aliased(Actor)
    followers = (
        select(Membership.actor_id)
        .join(follower, follower.id == Membership.actor_id)
        .where(Membership.group_id == author.id, Membership.state == "accepted", follower.host == "")
    )
    return await tx.scalar(followers.limit(1)) is not None


# --- What staff decides ----------------------------------------------------------------------------------------------

_ACTIONS = {"open": "open-host", "limited": "limit-host", "blocked": "block-host"}


async def judge(tx: Tx, staff: Actor, name: str, state: str, reason: str) -> Host:
    """Open, limit or block a server. The public log says so, with the reason.

    A block severs: nobody there follows anything here any more, nor the other way round, and nothing is sent, fetched
    or accepted. It covers every port and subdomain.
    """
    require("moderate", await standing(tx, staff))
    if state not in STATES:
        raise Refused("not-there")
    if name in names_of_host(tx.settings.host):
        raise Refused("host-is-ours")
    host = await members.ensure_host(tx, name)
    if host.state == state and host.reason == reason:
        return host
    host.state, host.reason = state, reason[:500]
    if state == "blocked":
        await _sever(tx, name)
    tx.add(
        LogEntry(
            at=tx.now,
            actor_id=staff.id,
            action=_ACTIONS[state],
            reason=f"{name} ({reason[:500]})" if reason else name,
        )
    )
    await tx.flush()
    tx.signal("anything")
    return host


def _covers(column: InstrumentedAttribute[str], name: str) -> ColumnElement[bool]:
    """The names that a block of ``name`` covers: see ``policy.names_of_host``."""
    return or_(
        column == name,
        column.startswith(f"{name}:", autoescape=True),
        column.endswith(f".{name}", autoescape=True),
        column.contains(f".{name}:", autoescape=True),
    )


async def _sever(tx: Tx, name: str) -> None:
    there = select(Actor.id).where(Actor.host != "", _covers(Actor.host, name))
    for column in (Membership.actor_id, Membership.group_id):
        await tx.execute(update(Membership).where(column.in_(there)).values(state="left"), execution_options=_QUIETLY)
    await tx.execute(update(Link).where(Link.other_id.in_(there)).values(state="ended"), execution_options=_QUIETLY)
    await tx.execute(delete(Job).where(Job.lane != "", _covers(Job.lane, name), Job.locked_until.is_(None)))


async def try_again(tx: Tx, staff: Actor, name: str) -> None:
    """Forget that a server did not answer, and try everything for it now, what was given up included."""
    require("moderate", await standing(tx, staff))
    await tx.execute(update(Host).where(Host.name == name).values(_as_new()), execution_options=_QUIETLY)
    await _hurry(tx, [name])
    await revive(tx, staff, lane=name)


# --- Dead letters ----------------------------------------------------------------------------------------------------


async def dead_letters(tx: Tx, *, kind: str = "", lane: str = "", page: int = 1, limit: int = PAGE) -> list[Job]:
    """Jobs that failed for good, the newest first, and one more than the page has where it is not the last."""
    query = select(Job).where(Job.failed_at.is_not(None)).order_by(Job.failed_at.desc(), Job.id.desc())
    if kind:
        query = query.where(Job.kind == kind)
    if lane:
        query = query.where(Job.lane == lane)
    return list((await tx.execute(query.offset((page - 1) * limit).limit(limit + 1))).scalars())


async def dead_by_kind(tx: Tx) -> dict[str, int]:
    rows = await tx.execute(
        select(Job.kind, func.count()).where(Job.failed_at.is_not(None)).group_by(Job.kind).order_by(Job.kind)
    )
    return {row[0]: row[1] for row in rows}


def _dead(ids: Sequence[int] | None, lane: str) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Job.failed_at.is_not(None)]
    if ids is not None:
        conditions.append(Job.id.in_(ids))
    if lane:
        conditions.append(Job.lane == lane)
    return conditions


async def revive(tx: Tx, staff: Actor, *, ids: Sequence[int] | None = None, lane: str = "") -> None:
    """Have dead letters tried again from the beginning: some, or all of a server."""
    require("moderate", await standing(tx, staff))
    tx.has_jobs = True
    await tx.execute(
        update(Job).where(*_dead(ids, lane)).values(failed_at=None, attempts=0, error="", run_at=tx.now),
        execution_options=_QUIETLY,
    )


async def drop(tx: Tx, staff: Actor, *, ids: Sequence[int] | None = None, lane: str = "") -> None:
    """Throw dead letters away."""
    require("moderate", await standing(tx, staff))
    await tx.execute(delete(Job).where(*_dead(ids, lane)))


async def abouts(tx: Tx, jobs: Iterable[Job]) -> dict[str, Activity]:
    """The activities that jobs are about, by uri."""
    uris = {uri for job in jobs for field in ("activity", "uri") if (uri := job.argument.get(field))}
    rows = await tx.execute(select(Activity).where(Activity.uri.in_(uris)))
    return {row.uri: row for row in rows.scalars()}
