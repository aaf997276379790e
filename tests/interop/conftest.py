"""The cast: three members, and Folkmoot with one theme that two of them follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from . import members
from .members import Member


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of this run write."""
    return tmp_path_factory.mktemp("interop")


@pytest_asyncio.fixture(scope="session")
async def cast(folder: Path) -> AsyncIterator[tuple[Member, Member]]:
    """Two members on two origins, started together."""
    await asyncio.to_thread(members.install)
    alices, bobs = Member("alices", "alice,anna", folder), Member("bobs", "bob,ben", folder)
    try:
        await asyncio.gather(alices.__aenter__(), bobs.__aenter__())
        yield alices, bobs
    finally:
        await asyncio.gather(alices.__aexit__(), bobs.__aexit__())


@pytest.fixture(scope="session")
def alices(cast: tuple[Member, Member]) -> Member:
    """The server of alice and anna."""
    return cast[0]


@pytest.fixture(scope="session")
def bobs(cast: tuple[Member, Member]) -> Member:
    """The server of bob and ben."""
    return cast[1]
