"""The one queue: received activities, deliveries and appointments are rows of ``job``.

Jobs are claimed in batches, worked on concurrently and finished in one statement. A *lane* is a remote host: one
failure postpones the lane, one success clears it. A *line* is an order: its jobs run one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.orm import aliased

from community import hosts
from community.db import Database, Tx
from community.models import Job

log = logging.getLogger("folkmoot.jobs")

# A worker renews the leases of what it works on: short ones, so that what a killed process had claimed goes on soon.
LEASE = timedelta(seconds=20)
RENEW_SECONDS = 5.0
BATCH_MAX = 64
REST_SECONDS_MAX = 1.0
# So long after the last arrival there is still a rush.
RUSH_SECONDS = 0.05
# What becomes due within this time is claimed together.
GATHER_SECONDS = 0.02
PER_LANE = 8

_JOBS: Any = Job.__table__


@dataclass(frozen=True)
class Claimed:
    """A job that this process works on until its lease ends."""

    id: int
    kind: str
    lane: str
    line: str | None
    argument: dict[str, Any]
    attempts: int


@dataclass(frozen=True)
class Done:
    job: Claimed


@dataclass(frozen=True)
class Failed:
    """The attempt failed. ``is_final``: give up now. ``lane_is_down``: the host itself is in trouble, so everything
    else for it waits too. ``after`` is the waiting time that the host asked for, in seconds."""

    job: Claimed
    error: str
    is_final: bool = False
    lane_is_down: bool = False
    after: int | None = None


@dataclass(frozen=True)
class Postponed:
    """Not attempted, because something earlier in its line failed; it costs no attempt."""

    job: Claimed


Result = Done | Failed | Postponed
# A kind's work: it gets jobs of its kind, in order where they share a line, and yields a result for each; a job whose
# end has to commit together with its effects is finished by the work itself (``finish``) and gets no result.
Work = Callable[[Any, list[Claimed]], Awaitable[list[Result]]]


@dataclass(frozen=True)
class Kind:
    work: Work
    is_batch: bool  # all claimed jobs in one call, else one call for each line
    settled: Callable[[Tx, Sequence[Result]], Awaitable[None]] | None  # writes more in the transaction of the results


_kinds: dict[str, Kind] = {}


def works(
    kind: str, *, batch: bool = False, settled: Callable[[Tx, Sequence[Result]], Awaitable[None]] | None = None
) -> Callable[[Work], Work]:
    """Register what is done for jobs of ``kind``."""

    def register(work: Work) -> Work:
        _kinds[kind] = Kind(work, batch, settled)
        return work

    return register


async def add(
    tx: Tx,
    kind: str,
    argument: dict[str, Any],
    *,
    key: str | None = None,
    lane: str = "",
    line: str | None = None,
    run_at: datetime | None = None,
) -> None:
    """Put one job into the queue; a second job with the same ``key`` is not added while the first stands."""
    row = {"kind": kind, "argument": argument, "key": key, "lane": lane, "line": line, "run_at": run_at or tx.now}
    if key is None:
        tx.insert(Job, **row, attempts=0, error="")
        tx.has_jobs = True
    else:
        await add_many(tx, [row])


async def add_many(tx: Tx, rows: Iterable[dict[str, Any]]) -> None:
    """Put jobs into the queue: dictionaries with kind, argument, key, lane, line and run_at."""
    values = [{"attempts": 0, "error": "", **row} for row in rows]
    if not values:
        return
    tx.has_jobs = True
    if all(row["key"] is None for row in values):
        await tx.execute(insert(_JOBS), values)
        return
    dialect_insert = insert_sqlite if tx.is_sqlite else insert_postgresql
    await tx.execute(dialect_insert(Job).values(values).on_conflict_do_nothing(index_elements=["key"]))


async def finish(tx: Tx, jobs: Iterable[Claimed]) -> None:
    await tx.execute(delete(_JOBS).where(_JOBS.c.id.in_([job.id for job in jobs])))


async def renew(tx: Tx, ids: Iterable[int]) -> None:
    """Keep jobs that are still being worked on."""
    await tx.execute(
        update(Job)
        .where(Job.id.in_(list(ids)), Job.locked_until.is_not(None))
        .values(locked_until=tx.now + LEASE)
        .execution_options(synchronize_session=False)
    )


async def release_all(tx: Tx) -> None:
    """Forget every lease: only right where no other process can be at work (the one server on SQLite)."""
    await tx.execute(update(Job).where(Job.locked_until.is_not(None)).values(locked_until=None))


async def claim(tx: Tx, limit: int, busy_lanes: Iterable[str] = ()) -> list[Claimed]:
    """Take up to ``limit`` due jobs, oldest first, whose line has nothing earlier that waits or is at work."""
    if not tx.is_sqlite:
        # Claims are made one at a time: otherwise two workers could take neighbours of one line at the same moment.
        await tx.execute(text("SELECT pg_advisory_xact_lock(7065697)"))
    earlier = aliased(Job)
    is_blocked = and_(
        Job.line.is_not(None),
        exists().where(
            earlier.line == Job.line,
            earlier.id < Job.id,
            earlier.failed_at.is_(None),
            or_(earlier.run_at > tx.now, earlier.locked_until >= tx.now),
        ),
    )
    due = (
        select(Job.id)
        .where(
            Job.failed_at.is_(None),
            Job.run_at <= tx.now,
            or_(Job.locked_until.is_(None), Job.locked_until < tx.now),
            ~is_blocked,
        )
        .order_by(Job.run_at, Job.id)
        .limit(limit)
    )
    lanes = list(busy_lanes)
    if lanes:
        due = due.where(Job.lane.not_in(lanes))
    rows = await tx.execute(
        update(Job)
        .where(Job.id.in_(due.scalar_subquery()))
        .values(locked_until=tx.now + LEASE, attempts=Job.attempts + 1)
        .returning(Job.id, Job.kind, Job.lane, Job.line, Job.argument, Job.attempts)
        .execution_options(synchronize_session=False)
    )
    return sorted((_claimed(row) for row in rows), key=lambda job: job.id)


def _claimed(row: Row[Any]) -> Claimed:
    return Claimed(row.id, row.kind, row.lane, row.line, row.argument, row.attempts)


def is_over(tx: Tx, failed: Failed) -> bool:
    """Whether this was the last attempt."""
    return failed.is_final or failed.job.attempts > len(tx.settings.retry_seconds)


async def settle(tx: Tx, results: Iterable[Result]) -> None:
    """Write down how a batch of attempts ended."""
    results = list(results)
    for kind in {r.job.kind for r in results}:
        settled = _kinds[kind].settled if kind in _kinds else None
        if settled is not None:
            await settled(tx, [r for r in results if r.job.kind == kind])
    done = [r.job for r in results if isinstance(r, Done)]
    failed = [r for r in results if isinstance(r, Failed)]
    postponed = [r.job.id for r in results if isinstance(r, Postponed)]
    if postponed:
        await tx.execute(
            update(Job)
            .where(Job.id.in_(postponed))
            .values(locked_until=None, attempts=Job.attempts - 1)
            .execution_options(synchronize_session=False)
        )
    if done:
        await finish(tx, done)
        lanes = {job.lane for job in done if job.lane}
        if lanes:
            await hosts.answered(tx, lanes)
    schedule = tx.settings.retry_seconds
    down: dict[str, tuple[int, int, str]] = {}
    waiting: dict[str, list[int]] = defaultdict(list)
    for result in failed:
        job = result.job
        wait = schedule[min(job.attempts, len(schedule)) - 1]
        if result.after is not None:
            wait = max(wait, min(result.after, 86400))
        given_up = is_over(tx, result)
        await tx.execute(
            update(Job)
            .where(Job.id == job.id)
            .values(
                locked_until=None,
                error=result.error[:500],
                run_at=tx.now + timedelta(seconds=wait),
                failed_at=tx.now if given_up else None,
            )
            .execution_options(synchronize_session=False)
        )
        log.info(
            "%s %s failed (%s): %s",
            job.kind,
            job.id,
            "given up" if given_up else f"again in {wait} s",
            result.error,
        )
        if result.lane_is_down and job.lane:
            known = down.get(job.lane, (0, 0, ""))
            asked = min(result.after or 0, 86400)
            down[job.lane] = max(known[0], wait), max(known[1], asked), result.error
            waiting[job.lane].append(job.id)
    for lane, (wait, asked, error) in down.items():
        if await hosts.failed(tx, lane, wait, asked, error):
            await tx.execute(
                update(Job)
                .where(Job.id.in_(waiting[lane]), Job.failed_at.is_(None))
                .values(attempts=Job.attempts - 1)
                .execution_options(synchronize_session=False)
            )


async def counts(tx: Tx) -> dict[str, int]:
    """How many jobs wait, are failed for good, and the age in seconds of the oldest that is due."""
    row = (
        await tx.execute(
            select(
                func.count().filter(Job.failed_at.is_(None)),
                func.count().filter(Job.failed_at.is_not(None)),
                func.min(Job.run_at).filter(Job.failed_at.is_(None)),
            )
        )
    ).one()
    oldest = row[2]
    age = max(0, int((tx.now - oldest).total_seconds())) if oldest is not None else 0
    return {"waiting": row[0], "failed": row[1], "oldest_seconds": age}


class Worker:
    """Claims jobs and works on them until ``stop``; ``site`` is handed to every kind's work."""

    def __init__(self, database: Database, site: Any) -> None:
        self.database = database
        self.site = site
        self.limit = database.settings.worker_tasks
        self._busy: Counter[str] = Counter()
        self._in_flight: set[int] = set()
        self._batches: defaultdict[str, list[Claimed]] = defaultdict(list)
        self._batching: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._result_came = asyncio.Event()
        self._stopping = False

    async def run(self) -> None:
        helpers = [asyncio.create_task(self._settle_results()), asyncio.create_task(self._renew_leases())]
        try:
            while not self._stopping:
                try:
                    found = await self._claim_and_start()
                except Exception:
                    log.exception("claiming jobs failed; trying again")
                    await asyncio.sleep(1)
                    continue
                if found:
                    await asyncio.sleep(GATHER_SECONDS)
                else:
                    self.database.jobs_added.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.database.jobs_added.wait(), 0.5)
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    def stop(self) -> None:
        self._stopping = True
        self.database.jobs_added.set()

    async def _claim_and_start(self) -> bool:
        free = self.limit * 2 - len(self._in_flight)
        if free <= 0:
            await asyncio.sleep(0.005)
            return True
        full = [lane for lane, n in self._busy.items() if n >= PER_LANE * 4]
        async with self.database.write() as tx:
            claimed = await claim(tx, max(free, 1), full)
        if not claimed:
            return False
        batches: dict[str, list[Claimed]] = defaultdict(list)
        lines: dict[tuple[str, str], list[Claimed]] = defaultdict(list)
        for job in claimed:
            kind = _kinds.get(job.kind)
            if kind is not None and kind.is_batch:
                batches[job.kind].append(job)
            else:
                lines[job.kind, job.line or f"#{job.id}"].append(job)
        for (kind_name, _), jobs in lines.items():
            self._start(kind_name, jobs)
        for kind_name, jobs in batches.items():
            self._hold(jobs)
            self._batches[kind_name] += jobs
            if kind_name not in self._batching:
                self._batching.add(kind_name)
                self._spawn(self._work_in_batches(kind_name))
        return True

    def _start(self, kind: str, jobs: list[Claimed]) -> None:
        self._hold(jobs)
        self._spawn(self._work(kind, jobs))

    def _hold(self, jobs: list[Claimed]) -> None:
        self._in_flight.update(job.id for job in jobs)
        for job in jobs:
            if job.lane:
                self._busy[job.lane] += 1

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work_in_batches(self, kind: str) -> None:
        """One batch of a kind at a time; what is claimed meanwhile is the next one."""
        try:
            while waiting := self._batches.pop(kind, None):
                jobs, self._batches[kind] = waiting[:BATCH_MAX], waiting[BATCH_MAX:]
                started = time.monotonic()
                await self._work(kind, jobs)
                await self._make_way(time.monotonic() - started)
        finally:
            self._batching.discard(kind)

    async def _make_way(self, spent: float) -> None:
        """While much comes in, it is taken in before it is worked on, for at most three times as long as a batch took:
        senders wait for an answer, readers wait a moment longer."""
        end = time.monotonic() + min(3 * spent, REST_SECONDS_MAX)
        await asyncio.sleep(GATHER_SECONDS)  # what waited for the batch to end is stored first
        while time.monotonic() < min(end, self.database.taken_in_at + RUSH_SECONDS):  # noqa: ASYNC110
            await asyncio.sleep(GATHER_SECONDS)

    async def _work(self, kind: str, jobs: list[Claimed]) -> None:
        try:
            if kind not in _kinds:
                results: list[Result] = [Failed(job, f"no work is known for {kind}", is_final=True) for job in jobs]
            else:
                results = await _kinds[kind].work(self.site, jobs)
        except Exception as error:
            log.exception("%s failed", kind)
            results = [Failed(job, f"{type(error).__name__}: {error}", is_final=job.attempts >= 5) for job in jobs]
        finally:
            self._in_flight.difference_update(job.id for job in jobs)
            for job in jobs:
                if job.lane:
                    self._busy[job.lane] -= 1
                    if self._busy[job.lane] <= 0:
                        del self._busy[job.lane]
        if results:
            self._results += results
            self._result_came.set()

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if self._in_flight:
                try:
                    async with self.database.write() as tx:
                        await renew(tx, self._in_flight)
                except Exception:
                    log.exception("leases could not be renewed; trying again")

    async def _settle_results(self) -> None:
        """Write results down in batches: what came while the last batch was written is the next one."""
        while True:
            await self._result_came.wait()
            self._result_came.clear()
            results, self._results = self._results, []
            try:
                async with self.database.write() as tx:
                    await settle(tx, results)
            except Exception:
                log.exception("results could not be written; their leases will end")
                await asyncio.sleep(0.5)
