"""Limits on how often something may be tried: per account and per address."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from community.db import Tx
from community.models import Throttle


async def is_over(tx: Tx, key: str, limit: int) -> bool:
    """True when ``key`` has been counted ``limit`` times within its window."""
    row = await tx.get(Throttle, key)
    return row is not None and row.until > tx.now and row.count >= limit


async def count(tx: Tx, key: str, minutes: int) -> int:
    """Count one try of ``key``; the window begins with the first try. Answers how many there were."""
    row = await tx.get(Throttle, key)
    if row is None:
        row = Throttle(key=key, count=0, until=tx.now + timedelta(minutes=minutes))
        tx.add(row)
    elif row.until <= tx.now:
        row.count, row.until = 0, tx.now + timedelta(minutes=minutes)
    row.count += 1
    await tx.flush()
    return row.count


async def prune(tx: Tx) -> None:
    await tx.execute(delete(Throttle).where(Throttle.until < tx.now))
