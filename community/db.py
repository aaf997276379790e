"""Transactions: how the community's rows are read and written, on SQLite and on PostgreSQL alike.

One request or job opens at most one write transaction. While a transaction is open the network is out of bounds:
``transaction_is_open`` tells the HTTP client so.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import insert, inspect, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from community import sqlite
from community.live import Hub
from community.models import Signal
from community.settings import Settings

T = TypeVar("T")
log = logging.getLogger("folkmoot.database")
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
    # The session itself lets go of a row that nobody else holds, and would ask for it again: these keep them.
    _by_key: defaultdict[type[Any], dict[Any, Any]]
    _by_uri: dict[tuple[type[Any], str], Any]
    _locked: dict[tuple[type[Any], Any], Any]
    _signals: list[tuple[str, Any]]
    _rows: defaultdict[type[Any], list[dict[str, Any]]]
    noted: dict[Any, Any]  # what subscribers looked up and may use again in this transaction

    def insert(self, model: type[Any], **row: Any) -> None:
        """Have a row written at the end of the transaction, together with all others of its table: for rows that
        nothing in this transaction asks for again. Every column without a default in the database has to be given."""
        self._rows[model].append(row)

    def signal(self, channel: str, thing: Any = None) -> None:
        """Tell the listeners of ``channel``, once this transaction has committed, that a row changed."""
        self._signals.append((channel, thing))

    async def find(self, model: type[T], key: Any) -> T | None:
        """A row by its primary key; asked for once in a transaction, also when it is not there."""
        known = self._by_key[model]
        if key not in known:
            known[key] = await self.get(model, key)
        found: T | None = known[key]
        return found

    async def preload_keys(self, model: type[T], keys: Iterable[Any]) -> None:
        """Load many rows by primary key at once, for ``find`` to find; a key of several columns is a tuple."""
        known = self._by_key[model]
        wanted = [key for key in dict.fromkeys(keys) if key not in known]
        if not wanted:
            return
        mapper = inspect(model)
        columns = mapper.primary_key
        condition = tuple_(*columns).in_(wanted) if len(columns) > 1 else columns[0].in_(wanted)
        known.update(dict.fromkeys(wanted))
        for row in (await self.execute(select(model).where(condition))).scalars():
            key = mapper.primary_key_from_instance(row)
            known[tuple(key) if len(key) > 1 else key[0]] = row

    async def own(self, row: T) -> T:
        """This transaction's copy of a row that another one may have loaded."""
        return row if row in self else await self.get_one(type(row), inspect(row).identity)

    async def by_uri(self, model: type[T], uri: str) -> T | None:
        """A row by its ``uri``; asked for once in a transaction, also when it is not there."""
        if (model, uri) not in self._by_uri:
            await self.preload(model, [uri])
        found: T | None = self._by_uri[model, uri]
        return found

    async def preload(self, model: type[T], uris: Iterable[str], *options: Any) -> list[T]:
        """Load many rows by ``uri`` at once, for ``by_uri`` to find; answers those that are there."""
        wanted = [uri for uri in dict.fromkeys(uris) if (model, uri) not in self._by_uri]
        if not wanted:
            return []
        column = model.uri  # type: ignore[attr-defined]
        rows = (await self.execute(select(model).options(*options).where(column.in_(wanted)))).scalars().all()
        for uri in wanted:
            self._by_uri[model, uri] = None
        for row in rows:
            self.remember(row)
        return list(rows)

    def remember(self, row: Any) -> None:
        """Let ``by_uri`` and ``find`` see a row that this transaction has just made."""
        if hasattr(row, "uri"):
            self._by_uri[type(row), row.uri] = row
        known = self._by_key[type(row)]
        for key in [key for key, held in known.items() if held is None]:
            del known[key]

    async def lock(self, model: type[T], key: Any) -> T:
        """A row read anew and kept from others until this transaction ends. SQLite has one writer anyway."""
        if (model, key) in self._locked:
            held: T = self._locked[model, key]
            return held
        if self.is_sqlite:
            row = await self.get_one(model, key)
        else:
            row = await self.get_one(model, key, with_for_update={"of": model}, populate_existing=True)
        self._locked[model, key] = row
        return row


class Database:
    """The two ways in: ``async with database.read() as tx`` and ``async with database.write() as tx``."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = utcnow) -> None:
        self.settings = settings
        self.clock = clock
        self.hub = Hub()
        self.jobs_added = asyncio.Event()
        self.is_sqlite = not settings.database_url
        if self.is_sqlite:
            settings.data_path.mkdir(parents=True, exist_ok=True)
            # SQLite has one writer at a time: a lock is the fair queue for those in this process.
            self._writer = sqlite.engine(settings.sqlite_path, "BEGIN IMMEDIATE", 1)
            self._reader = sqlite.engine(settings.sqlite_path, "BEGIN", 4)
            self._write_lock: asyncio.Lock | None = asyncio.Lock()
        else:
            self._writer = self._reader = create_async_engine(
                settings.postgresql_url, pool_size=8, max_overflow=8, pool_pre_ping=True
            )
            self._write_lock = None
        self.taken_in_at = float("-inf")  # when something from elsewhere was last stored, on the monotonic clock

    @property
    def engine(self) -> AsyncEngine:
        return self._writer

    def _begin(self, engine: AsyncEngine) -> Tx:
        tx = Tx(engine, expire_on_commit=False)
        tx.settings = self.settings
        tx.now = self.clock()
        tx.signals = []
        tx._signals = []
        tx._rows, tx.noted = defaultdict(list), {}
        tx._by_key, tx._by_uri, tx._locked = defaultdict(dict), {}, {}
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
                await tx.flush()
                for model, rows in tx._rows.items():
                    await tx.execute(insert(model.__table__), rows)
                # Rows that were made in this transaction have their ids only now.
                tx.signals = [
                    (channel, thing if isinstance(thing, int) else getattr(thing, "id", 0))
                    for channel, thing in tx._signals
                ]
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
        while True:
            try:
                await (self._poll_signals() if self.is_sqlite else self._listen_to_postgresql())
            except Exception:
                log.exception("listening to other processes broke off; trying again")
                await asyncio.sleep(2)

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
            for row in rows:
                last = row.id
                self._heard(row.body)

    async def _listen_to_postgresql(self) -> None:
        async with self._reader.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.add_listener("folkmoot", lambda _c, _pid, _channel, body: self._heard(body))
            # What was signalled before we listened is not heard: assume that everything may have changed.
            self._heard('["", true, [["anything", 0]]]')
            while True:
                await asyncio.sleep(5)
                await driver.execute("SELECT 1")

    async def close(self) -> None:
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()
