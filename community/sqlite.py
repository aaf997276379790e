"""SQLite for the event loop: statements run where they are asked for, only the commit waits in a thread.

A statement on a local file takes some microseconds; handing each one to a thread and back, as aiosqlite does, was
measured at 250 µs a hop, three hops a statement. What can take long is the commit, which waits for the disk: that
alone is handed over, so that the loop goes on serving others meanwhile.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util.concurrency import await_

BUSY_SECONDS = 15.0


class BufferedCursor(sqlite3.Cursor):
    """Reads its rows to the end when SQLAlchemy hands a result over to the caller: a statement that is only half read
    would keep its view of the database open for as long as somebody holds the result."""

    _kept: deque[Any] | None = None

    async def _async_soft_close(self) -> None:
        self._kept = deque(super().fetchall())

    def fetchone(self) -> Any:
        if self._kept is None:
            return super().fetchone()
        return self._kept.popleft() if self._kept else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        if self._kept is None:
            return super().fetchmany(self.arraysize if size is None else size)
        return [self._kept.popleft() for _ in range(min(size or self.arraysize, len(self._kept)))]

    def fetchall(self) -> list[Any]:
        if self._kept is None:
            return super().fetchall()
        rows, self._kept = list(self._kept), deque()
        return rows


class BufferedConnection(sqlite3.Connection):
    def cursor(self, factory: Any = BufferedCursor) -> Any:
        return super().cursor(factory)


class InlineSQLite(SQLiteDialect_pysqlite):
    """SQLAlchemy's own SQLite dialect, declared fit for its asyncio layer."""

    driver = "inline"
    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: Any) -> Any:
        return AsyncAdaptedQueuePool

    def do_commit(self, dbapi_connection: Any) -> None:
        await_(asyncio.to_thread(dbapi_connection.commit))


registry.register("sqlite.inline", __name__, "InlineSQLite")


def engine(path: Path, begin: str, size: int) -> AsyncEngine:
    """An engine with ``size`` connections whose transactions start with ``begin``."""
    made = create_async_engine(
        f"sqlite+inline:///{path}",
        pool_size=size,
        max_overflow=0,
        pool_timeout=60,
        connect_args={"check_same_thread": False, "cached_statements": 512, "factory": BufferedConnection},
    )

    @event.listens_for(made.sync_engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            "busy_timeout=10000",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-16000",
            # From here on a lock held by another process is waited for by the loop below, not by blocking it.
            "busy_timeout=0",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(made.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        waited = 0.0
        while True:
            try:
                connection.exec_driver_sql(begin)
                return
            except Exception as error:
                if "locked" not in str(error) or waited >= BUSY_SECONDS:
                    raise
                await_(asyncio.sleep(0.02))
                waited += 0.02

    return made
