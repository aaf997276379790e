"""Deliveries to a server that fails: tried again where that makes sense, and not where it does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
import pytest_asyncio

from .browser import Browser
from .members import Member, announces
from .server import Folkmoot


@pytest_asyncio.fixture(scope="module")
async def energy(folkmoot: Folkmoot, carols: Member) -> str:
    """A theme that only carol follows."""
    carols.examine = folkmoot.examine
    theme = await folkmoot.add_theme("energy", "Energy")
    await carols.follow("carol", theme)
    await carols.expect_accepted("carol", theme)
    return theme


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 500}, {"status": 429, "retryAfter": "1"}, {"drop": True}]
)
async def test_a_failed_delivery_is_tried_again(
    clara: Browser, energy: str, carols: Member, fault: dict[str, Any]
) -> None:
    since = await carols.seq()
    await carols.fault(**fault, count=1)
    topic = await clara.open_topic("energy", "Heat pumps", "Are they loud?")
    for wrapped in (None, "Create"):
        await carols.expect("the topic after a fault", announces(topic, wrapped=wrapped), contains=topic, wait=20)
    [failed] = await carols.received(since=since, fault=True)
    arrived = Counter(r["activity"]["id"] for r in await carols.received(since=since, contains=topic))
    assert arrived[failed["activity"]["id"]] == 1
    assert set(arrived.values()) == {1}


async def test_a_gone_inbox_is_not_tried_again(clara: Browser, energy: str, carols: Member) -> None:
    since = await carols.seq()
    await carols.fault(status=410)
    topic = await clara.open_topic("energy", "Gone", "Nobody is home.")
    assert await carols.received(since=since, contains=topic, fault=True, wait=15)
    # Two retries would have come in this time.
    await asyncio.sleep(4)
    await carols.fault()
    tried = Counter(r["activity"]["id"] for r in await carols.received(since=since, contains=topic, fault=True))
    assert set(tried.values()) == {1}
    assert await carols.received(since=since, contains=topic) == []
