"""One process of the server, one browser; every test has fresh contexts, as people have devices."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, StorageState, async_playwright, expect

from tests.browser import ARGUMENTS, CHROMIUM
from tests.interop import browser as forms
from tests.interop import members
from tests.interop.members import Member
from tests.interop.server import Folkmoot
from tests.ports import free_port

from .people import sign_in
from .place import PASSWORD, Place, settle

expect.set_options(timeout=15_000)

OpenPage = Callable[..., Awaitable[Page]]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the server wrote to the report of a failure."""
    report = yield
    server = getattr(item, "funcargs", {}).get("folkmoot")
    if report.failed and isinstance(server, Folkmoot):
        report.sections.append(("output of folkmoot", server.output()))
    return report


# ---------------------------------------------------------------- the processes
@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("CI is set and Chromium is missing: install the operating system's package `chromium`", False)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        await running.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of this run write."""
    return tmp_path_factory.mktemp("journeys")


@pytest.fixture(scope="session")
def elsewhere_port() -> int:
    """The server must be told of its peer when it starts; the peer starts only where it is needed."""
    return free_port()


@pytest_asyncio.fixture(scope="session")
async def beginning(folder: Path, elsewhere_port: int) -> AsyncIterator[tuple[Folkmoot, Place]]:
    server = Folkmoot(folder, [f"127.0.0.1:{elsewhere_port}"])
    place = await settle(server, folder)
    async with server:
        yield server, place


@pytest.fixture(scope="session")
def folkmoot(beginning: tuple[Folkmoot, Place]) -> Folkmoot:
    """A running instance without an admin, with two themes and a few members."""
    return beginning[0]


@pytest.fixture(scope="session")
def place(beginning: tuple[Folkmoot, Place]) -> Place:
    return beginning[1]


@pytest_asyncio.fixture(scope="session")
async def elsewhere(folkmoot: Folkmoot, folder: Path, elsewhere_port: int) -> AsyncIterator[Member]:
    """Another server, with alice, who follows the theme, and ben, who does not."""
    members.install()
    async with Member("elsewhere", "alice,ben", folder, port=elsewhere_port) as member:
        member.examine = folkmoot.examine
        await member.follow("alice", folkmoot.theme("mobility"))
        await member.expect_accepted("alice", folkmoot.theme("mobility"))
        yield member


# ---------------------------------------------------------------- people at browsers
class Watch:
    """What a page may never do: throw, break its own content policy, ask another origin, miss a file."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.problems: list[str] = []

    def follow(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.problems.append(f"{page.url} threw {error}"))
        page.on("console", self._read)
        page.on("request", self._check)
        page.on("requestfailed", self._failed)

    def _read(self, message: ConsoleMessage) -> None:
        # The answer to a form or a page that says what is wrong is a 4xx, which the console repeats.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.problems.append(f"{message.location.get('url')} says {message.text}")

    def _check(self, request: Request) -> None:
        if urlsplit(request.url).scheme in ("http", "https") and not request.url.startswith(self.origin + "/"):
            self.problems.append(f"{request.frame.url} asks {request.url}")

    def _failed(self, request: Request) -> None:
        # Leaving a page ends what it still waits for.
        if request.failure != "net::ERR_ABORTED":
            self.problems.append(f"{request.url}: {request.failure}")


@pytest.fixture(scope="session")
def states() -> dict[str, StorageState]:
    """Cookies of members who have signed in once; they sign in again only where a test is about that."""
    return {}


@pytest_asyncio.fixture
async def open_page(browser: Browser, folkmoot: Folkmoot, states: dict[str, StorageState]) -> AsyncIterator[OpenPage]:
    """Open a page on a device of its own: ``await open_page("/themes", as_="planner")``; options are the context's."""
    contexts = []
    watch = Watch(folkmoot.origin)

    async def open_(path: str = "/", as_: str = "", **options: Any) -> Page:
        if as_ and as_ not in states:
            states[as_] = await _signed_in(browser, folkmoot, as_)
        context = await browser.new_context(
            base_url=folkmoot.origin,
            viewport=options.pop("viewport", {"width": 1280, "height": 900}),
            storage_state=states.get(as_),
            locale="en-GB",
            **options,
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = await context.new_page()
        watch.follow(page)
        await page.goto(path)
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert watch.problems == []


async def _signed_in(browser: Browser, folkmoot: Folkmoot, name: str) -> StorageState:
    context = await browser.new_context(base_url=folkmoot.origin)
    page = await context.new_page()
    await page.goto("/sign-in")
    await sign_in(page, name, PASSWORD)
    await expect(page.get_by_label("Your menu")).to_be_visible()
    state = await context.storage_state()
    await context.close()
    return state


@pytest_asyncio.fixture(scope="session")
async def admin_link(folkmoot: Folkmoot) -> str:
    """The one-time link as its operator gets it; it is used up once ``admin`` is there."""
    return await folkmoot.run("admin-link")


@pytest_asyncio.fixture(scope="session")
async def admin(browser: Browser, folkmoot: Folkmoot, admin_link: str, states: dict[str, StorageState]) -> str:
    """The name of the administrator, who became it by the link."""
    context = await browser.new_context(base_url=folkmoot.origin)
    page = await context.new_page()
    await page.goto(admin_link)
    await page.get_by_label("Name", exact=True).fill("warden")
    await page.get_by_label("E-mail address").fill("warden@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Make the account").click()
    await expect(page.get_by_label("Your menu")).to_be_visible()
    states["warden"] = await context.storage_state()
    await context.close()
    return "warden"


@pytest_asyncio.fixture(scope="session")
async def neighbour(folkmoot: Folkmoot) -> AsyncIterator[forms.Browser]:
    """Somebody else who is here, at a browser without a window: opens topics and answers quickly."""
    someone = await folkmoot.browser("neighbour", PASSWORD)
    yield someone
    await someone.close()


@pytest.fixture
def word() -> str:
    """A word that no other test uses, to recognise a text by."""
    return "w" + uuid.uuid4().hex[:8]


@pytest_asyncio.fixture
async def topic(folkmoot: Folkmoot, neighbour: forms.Browser, word: str) -> str:
    """The path of a new topic that the neighbour opened."""
    uri = await neighbour.open_topic("mobility", f"A tram for {word}", "Who would *use* it?\n\nAnd when?")
    return await folkmoot.topic_page(uri)
