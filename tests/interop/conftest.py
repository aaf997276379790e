"""The cast: three members on origins of their own, and Folkmoot with one theme that alice and bob follow."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.ports import free_port

from . import members
from .browser import Browser
from .members import Member
from .server import Folkmoot

PASSWORD = "a long walk by the river"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the processes wrote to the report of a failure."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for name, value in item.funcargs.items():
            if isinstance(value, Member | Folkmoot):
                report.sections.append((f"output of {name}", value.output()))
    return report


@pytest.fixture
def word() -> str:
    """A word that no other test uses, to recognise a text by."""
    return "w" + uuid.uuid4().hex[:10]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of this run write."""
    return tmp_path_factory.mktemp("interop")


# ---------------------------------------------------------------- the members
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


@pytest.fixture(scope="session")
def ports() -> dict[str, int]:
    """Folkmoot must be told of every peer when it starts; these start only where they are needed."""
    return {name: free_port() for name in ("carols", "mutes", "microblog", "forum")}


@pytest_asyncio.fixture(scope="session")
async def carols(folder: Path, ports: dict[str, int]) -> AsyncIterator[Member]:
    """A server whose inbox misbehaves in the tests of delivery, so that nobody else's deliveries wait for it."""
    await asyncio.to_thread(members.install)
    async with Member("carols", "carol", folder, port=ports["carols"]) as member:
        yield member


@pytest_asyncio.fixture(scope="session")
async def microblog(folder: Path, ports: dict[str, int], folkmoot: Folkmoot) -> AsyncIterator[Member]:
    """The server of mia, which says that it runs Mastodon: it is sent what microblogs read."""
    async with Member("microblog", "mia", folder, port=ports["microblog"], software="mastodon") as member:
        member.examine = folkmoot.examine
        yield member


@pytest_asyncio.fixture(scope="session")
async def forum(folder: Path, ports: dict[str, int], folkmoot: Folkmoot) -> AsyncIterator[Member]:
    """The server of fred, which says that it runs Lemmy: it is sent what forums read, and what Lemmy needs besides."""
    async with Member("forum", "fred", folder, port=ports["forum"], software="lemmy") as member:
        member.examine = folkmoot.examine
        yield member


# ---------------------------------------------------------------- Folkmoot
@pytest_asyncio.fixture(scope="session")
async def folkmoot(folder: Path, alices: Member, bobs: Member, ports: dict[str, int]) -> AsyncIterator[Folkmoot]:
    """A running instance with its administrator, clara."""
    peers = [alices.host, bobs.host, *(f"127.0.0.1:{port}" for port in ports.values())]
    async with Folkmoot(folder, peers) as server:
        alices.examine = bobs.examine = server.examine
        await server.add_member("clara", PASSWORD, admin=True)
        yield server


@pytest_asyncio.fixture(scope="session")
async def mobility(folkmoot: Folkmoot, alices: Member, bobs: Member) -> str:
    """The URI of a theme that alice and bob follow."""
    theme = await folkmoot.add_theme("mobility", "Mobility")
    for member, name in ((alices, "alice"), (bobs, "bob")):
        await member.follow(name, theme)
        await member.expect_accepted(name, theme)
    return theme


@pytest_asyncio.fixture(scope="session")
async def clara(folkmoot: Folkmoot) -> AsyncIterator[Browser]:
    """The browser of clara, signed in."""
    browser = await folkmoot.browser("clara", PASSWORD)
    yield browser
    await browser.close()


@pytest_asyncio.fixture
async def topic(clara: Browser, mobility: str, word: str) -> str:
    """The URI of the opener of a new topic by clara, whose title ends with ``word``."""
    return await clara.open_topic("mobility", f"A tram for {word}", "Who would *use* it?")


@pytest_asyncio.fixture(scope="session")
async def visitor(folkmoot: Folkmoot) -> AsyncIterator[Browser]:
    """The browser of somebody who is not signed in."""
    browser = await folkmoot.browser()
    yield browser
    await browser.close()
