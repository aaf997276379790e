"""Bringing an instance to life: preparing its database, serving its pages, doing its jobs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web
from sqlalchemy import delete

import inbox as _inbox
import outbox as _outbox
from community import groups, house, jobs, keys, media, members, starter, tables, throttles
from community.db import Tx
from community.jobs import Worker
from community.models import Activity, Job, Signal, Tombstone
from federation.site import Site
from web.app import build

log = logging.getLogger("folkmoot")
_ = (_inbox, _outbox)


async def prepare_quietly(site: Site) -> None:
    """For one command: tables up to date and the instance founded, with the starter content if it is new."""
    await tables.migrate(site.database)
    await _found(site, empty=False)


async def prepare_empty(site: Site) -> None:
    """For ``folkmoot init``, which brings its own content."""
    await tables.migrate(site.database)
    await _found(site, empty=True)


async def prepare(site: Site, *, empty: bool = False) -> str | None:
    """Bring the tables up to date and, at the very first start, found the instance and write its first content.

    Answers the one-time token of the first admin's link while there is no admin.
    """
    await tables.migrate(site.database)
    await _found(site, empty=empty)
    async with site.database.write() as tx:
        await house.settle(tx)
        return await members.make_admin_link(tx)


async def _found(site: Site, *, empty: bool) -> None:
    secret = site.settings.secret()
    async with site.database.read() as tx:
        is_founded = await groups.is_founded(tx)
    if not is_founded:
        made = [await keys.make(secret) for _ in range(3 + len(starter.THEMES))]
        async with site.database.write() as tx:
            await groups.found(tx, made[0], made[1])
            if not empty:
                await starter.write(tx, made[2:])
    async with site.database.read() as tx:
        is_old = await keys.lack_proof_keys(tx)
    if is_old:
        async with site.database.write() as tx:
            await keys.complete(tx)


@asynccontextmanager
async def working(site: Site) -> AsyncIterator[None]:
    """Jobs are worked on while the block runs."""
    if site.database.is_sqlite:
        async with site.database.write() as tx:
            await jobs.release_all(tx)
    worker = Worker(site.database, site)
    tasks = [asyncio.create_task(worker.run()), asyncio.create_task(_tidy(site))]
    try:
        yield
    finally:
        worker.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(tasks[0]), 5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _tidy(site: Site) -> None:
    """Once an hour, forget what nobody will ask for again."""
    while True:
        try:
            async with site.database.write() as tx:
                await forget(tx)
        except Exception:
            log.exception("tidying failed")
        await asyncio.sleep(3600)


async def forget(tx: Tx) -> None:
    """Activities and tombstones are kept for two months, longer than any signature that we would accept on a replay."""
    before = tx.now - timedelta(days=60)
    await tx.execute(delete(Activity).where(Activity.direction == "in", Activity.outcome != "", Activity.at < before))
    await tx.execute(delete(Tombstone).where(Tombstone.at < before))
    await tx.execute(delete(Job).where(Job.failed_at < before))
    await tx.execute(delete(Signal).where(Signal.at < tx.now - timedelta(hours=1)))
    await throttles.prune(tx)
    await media.tidy(tx)


@asynccontextmanager
async def serving(site: Site) -> AsyncIterator[None]:
    """Pages and inboxes answer while the block runs."""
    runner = web.AppRunner(build(site), access_log=None, keepalive_timeout=75, auto_decompress=False)
    await runner.setup()
    host, port = site.settings.listen
    listener = asyncio.create_task(site.database.listen())
    try:
        # A hall that comes at the full hour fits into the queue before the door.
        await web.TCPSite(runner, host, port, shutdown_timeout=3, reuse_address=True, backlog=1024).start()
        yield
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        await runner.cleanup()


def allow_files() -> None:
    """Have as many files and connections open as the system lets us: the usual 1,024 are few for a debate."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # where the system's limit is another one than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def run(
    site: Site, *, with_pages: bool = True, with_jobs: bool = True, empty: bool = False, say: bool = True
) -> None:
    """Until SIGINT or SIGTERM."""
    allow_files()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        token = await prepare(site, empty=empty)
        async with contextlib.AsyncExitStack() as stack:
            if with_jobs:
                await stack.enter_async_context(working(site))
            if with_pages:
                await stack.enter_async_context(serving(site))
            else:
                listener = asyncio.create_task(site.database.listen())
                stack.callback(listener.cancel)
            if say:
                _greet(site, token, with_pages)
            await stop.wait()
    finally:
        await site.close()


def _greet(site: Site, token: str | None, with_pages: bool) -> None:
    origin = site.settings.origin
    if not with_pages:
        print(f"Working for {site.settings.name} ({origin}). Ctrl-C ends it.", flush=True)
        return
    print(f"{site.settings.name} is at {origin}  (Ctrl-C ends it)", flush=True)
    if token is not None:
        print(f"Nobody is admin yet. Whoever opens this link once becomes it: {origin}/welcome/{token}", flush=True)
