"""The queue: order, lanes, retries, leases; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from community import jobs
from community.db import Database
from community.models import Host, Job
from federation.site import Site


def job(
    kind: str = "test", *, lane: str = "", line: str | None = None, key: str | None = None, n: int = 0
) -> dict[str, Any]:
    return {"kind": kind, "argument": {"n": n}, "key": key, "lane": lane, "line": line}


async def put(database: Database, *rows: dict[str, Any]) -> None:
    async with database.write() as tx:
        await jobs.add_many(tx, [{**row, "run_at": tx.now} for row in rows])


async def claim(database: Database, limit: int = 10, busy: tuple[str, ...] = ()) -> list[jobs.Claimed]:
    async with database.write() as tx:
        return await jobs.claim(tx, limit, busy)


async def settle(database: Database, *results: jobs.Result) -> None:
    async with database.write() as tx:
        await jobs.settle(tx, results)


def later(site: Site, seconds: float) -> None:
    """Let time pass for this instance."""
    before = site.database.clock
    site.database.clock = lambda: before() + timedelta(seconds=seconds)


async def test_a_claimed_job_is_not_claimed_again_until_its_lease_ends(site: Site) -> None:
    await put(site.database, job())
    assert len(await claim(site.database)) == 1
    assert await claim(site.database) == []
    later(site, jobs.LEASE.total_seconds() + 1)
    assert [each.attempts for each in await claim(site.database)] == [2]


async def test_done_jobs_are_gone(site: Site) -> None:
    await put(site.database, job(), job())
    first, second = await claim(site.database)
    await settle(site.database, jobs.Done(first), jobs.Done(second))
    async with site.database.read() as tx:
        assert (await jobs.counts(tx))["waiting"] == 0


async def test_a_line_keeps_its_order_and_waits_for_a_failure(site: Site) -> None:
    await put(site.database, *(job(line="a", n=n) for n in range(3)), job(line="b", n=9))
    first, second, third, other = await claim(site.database)
    assert [each.argument["n"] for each in (first, second, third, other)] == [0, 1, 2, 9]
    await settle(
        site.database, jobs.Failed(first, "503"), jobs.Postponed(second), jobs.Postponed(third), jobs.Done(other)
    )
    assert await claim(site.database) == []
    later(site, 2)
    again = await claim(site.database)
    assert [(each.argument["n"], each.attempts) for each in again] == [(0, 2), (1, 1), (2, 1)]


async def test_a_down_host_makes_its_lane_wait_and_one_success_clears_it(site: Site) -> None:
    async with site.database.write() as tx:
        tx.add(Host(name="down.example"))
    await put(site.database, *(job(lane="down.example", n=n) for n in range(3)), job(lane="up.example", n=9))
    failing, *rest = await claim(site.database, limit=1)
    assert rest == []
    await settle(site.database, jobs.Failed(failing, "timeout", lane_is_down=True))
    assert [each.argument["n"] for each in await claim(site.database)] == [9]
    later(site, 2)
    tried = await claim(site.database, limit=1)
    await put(site.database, job(lane="down.example", n=4))
    await settle(site.database, jobs.Done(tried[0]))
    async with site.database.read() as tx:
        assert (await tx.get_one(Host, "down.example")).failures == 0
    assert len(await claim(site.database)) == 3


async def test_a_job_is_given_up_after_the_last_attempt(site: Site) -> None:
    site.database.settings = replace(site.settings, retry_seconds=(1, 1))
    await put(site.database, job())
    for _ in range(3):
        (claimed,) = await claim(site.database)
        await settle(site.database, jobs.Failed(claimed, "500"))
        later(site, 2)
    assert await claim(site.database) == []
    async with site.database.read() as tx:
        held = (await tx.execute(select(Job))).scalar_one()
        assert (held.attempts, held.error, held.failed_at is not None) == (3, "500", True)


async def test_one_key_one_job(site: Site) -> None:
    await put(site.database, job(key="only"))
    await put(site.database, job(key="only"), job(key="other"))
    async with site.database.read() as tx:
        assert (await jobs.counts(tx))["waiting"] == 2


async def test_busy_lanes_are_left_alone(site: Site) -> None:
    await put(site.database, job(lane="slow.example", n=1), job(n=2))
    assert [each.argument["n"] for each in await claim(site.database, busy=("slow.example",))] == [2]
