"""Transactions: how the community's rows are read and written, on SQLite and on PostgreSQL alike.

One request or job opens at most one write transaction. While a transaction is open the network is out of bounds:
``transaction_is_open`` tells the HTTP client so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event, insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from community.live import Hub
from community.models import Signal
from community.settings import Settings

_open: ContextVar[bool] = ContextVar("folkmoot_transaction_is_open", default=False)


def transaction_is_open() -> bool:
    """True inside ``Database.read`` and ``Database.write``, where nothing may wait for another server."""
    return _open.get()


def utcnow() -> datetime:
    return datetime.now(UTC)


class Tx(AsyncSession):
    """One transaction. ``now`` is the same for everything in it; signals are told to open pages after the commit."""

    settings: Settings
    now: datetime
    signals: list[tuple[str, int]]
    has_jobs: bool
    is_sqlite: bool

    def signal(self, channel: str, reference: int = 0) -> None:
        """Tell the listeners of ``channel``, once this transaction has committed, that row ``reference`` changed."""
        self.signals.append((channel, reference))


class Database:
    """The two ways in: ``async with database.read() as tx`` and ``async with database.write() as tx``."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = utcnow) -> None:
        self.settings = settings
        self.clock = clock
        self.hub = Hub()
        self.jobs_added = asyncio.Event()
        url = make_url(settings.database)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            settings.data_path.mkdir(parents=True, exist_ok=True)
            # SQLite has one writer: a lock in the process is a fairer queue than its busy timeout, which then only
            # has to serve the command line beside a running server.
            self._writer = _sqlite_engine(str(url), "BEGIN IMMEDIATE", 1)
            self._reader = _sqlite_engine(str(url), "BEGIN", 4)
            self._write_lock: asyncio.Lock | None = asyncio.Lock()
        else:
            # The clear-text form is needed here: str() of a URL masks the password.
            self._writer = self._reader = create_async_engine(
                url.render_as_string(hide_password=False), pool_size=8, max_overflow=8, pool_pre_ping=True
            )
            self._write_lock = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def engine(self) -> AsyncEngine:
        return self._writer

    def _begin(self, engine: AsyncEngine) -> Tx:
        tx = Tx(engine, expire_on_commit=False, autoflush=False)
        tx.settings = self.settings
        tx.now = self.clock()
        tx.signals = []
        tx.has_jobs = False
        tx.is_sqlite = self.is_sqlite
        return tx

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """A consistent view; nothing that is changed in it is kept."""
        async with self._begin(self._reader) as tx:
            token = _open.set(True)
            try:
                yield tx
            finally:
                _open.reset(token)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        """A transaction that commits when the block ends and rolls back when it raises."""
        if self._write_lock is None:
            async with self._writing() as tx:
                yield tx
        else:
            async with self._write_lock, self._writing() as tx:
                yield tx
        if tx.has_jobs:
            self.jobs_added.set()
        self.hub.publish(tx.signals)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Tx]:
        async with self._begin(self._writer) as tx:
            token = _open.set(True)
            try:
                yield tx
                if tx.signals or tx.has_jobs:
                    await self._tell_other_processes(tx)
                await tx.commit()
            finally:
                _open.reset(token)

    async def _tell_other_processes(self, tx: Tx) -> None:
        body = json.dumps([self.hub.sender, tx.has_jobs, tx.signals])
        if not self.is_sqlite:
            await tx.execute(text("SELECT pg_notify('folkmoot', :body)"), {"body": body[:7900]})
        elif not self.hub.is_alone:
            await tx.execute(insert(Signal).values(body=body, at=tx.now))

    async def listen(self) -> None:
        """Hear what other processes commit, until the task is cancelled."""
        self.hub.is_alone = self.is_sqlite
        if self.is_sqlite:
            await self._poll_signals()
        else:
            await self._listen_to_postgresql()

    def _heard(self, body: str) -> None:
        try:
            sender, has_jobs, signals = json.loads(body)
        except ValueError:  # cut at the size limit of a notification: assume that everything may have changed
            sender, has_jobs, signals = "", True, []
        if sender != self.hub.sender:
            if has_jobs:
                self.jobs_added.set()
            self.hub.publish([(channel, reference) for channel, reference in signals])

    async def _poll_signals(self) -> None:
        async with self.read() as tx:
            last = (await tx.execute(text("SELECT coalesce(max(id), 0) FROM signal"))).scalar_one()
        while True:
            await asyncio.sleep(0.5)
            async with self.read() as tx:
                rows = (
                    await tx.execute(text("SELECT id, body FROM signal WHERE id > :last ORDER BY id"), {"last": last})
                ).all()
            for last, body in rows:
                self._heard(body)

    async def _listen_to_postgresql(self) -> None:
        while True:
            try:
                async with self._reader.connect() as connection:
                    raw = await connection.get_raw_connection()
                    driver: Any = raw.driver_connection
                    await driver.add_listener("folkmoot", lambda _c, _pid, _channel, body: self._heard(body))
                    while not driver.is_closed():
                        await asyncio.sleep(5)
                        await driver.execute("SELECT 1")
            except OSError:
                await asyncio.sleep(2)

    async def close(self) -> None:
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()


def _sqlite_engine(url: str, begin: str, size: int) -> AsyncEngine:
    engine = create_async_engine(url, poolclass=AsyncAdaptedQueuePool, pool_size=size, max_overflow=0, pool_timeout=60)

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=10000",
            "cache_size=-16000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
