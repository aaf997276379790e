"""Folkmoot as its operator runs it: a process with settings in the environment, and its command line."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from tests import strict
from tests.ports import free_port

from .browser import Browser
from .processes import Process

ROOT = Path(__file__).parents[2]
ACTIVITY_JSON = "application/activity+json"
Document = dict[str, Any]


_HASTEN = """
import asyncio, sys
from sqlalchemy import update
from community import settings
from community.models import Job
from federation import site

async def main():
    made = site.make(settings.load())
    async with made.database.write() as tx:
        await tx.execute(update(Job).where(Job.kind == sys.argv[1]).values(run_at=tx.now))
    await made.close()

asyncio.run(main())
"""


class CommandFailed(AssertionError):
    """A command of the command line ended with an error; the message holds what it printed."""


class Folkmoot:
    """A running instance on a loopback origin that may talk to ``peers`` (host:port) over plain http.

    FOLKMOOT_DATABASE_URL in the tests' own environment is passed on: the database it names must be empty. ``clock`` is
    a file with the seconds by which its clock is ahead.
    """

    def __init__(
        self, folder: Path, peers: Sequence[str], *, retry_seconds: str = "1,2,4", clock: Path | None = None
    ) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.origin = f"http://{self.host}"
        self.folder = folder
        self._command = ["web.cli"] if clock is None else ["tests.interop.clocked", str(clock)]
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("FOLKMOOT_")} | {
            "FOLKMOOT_ORIGIN": self.origin,
            "FOLKMOOT_BIND": self.host,
            "FOLKMOOT_DATA": str(folder / "data"),
            "FOLKMOOT_DATABASE_URL": os.environ.get("FOLKMOOT_DATABASE_URL", ""),
            "FOLKMOOT_INSECURE_PEERS": ",".join([*peers, self.host]),
            "FOLKMOOT_RETRY_SECONDS": retry_seconds,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        self._process = Process("folkmoot", folder / "folkmoot.log")
        self._http: aiohttp.ClientSession | None = None

    def allow(self, peer: str) -> None:
        """Let one more host:port be talked to over plain http; before it starts."""
        self._environment["FOLKMOOT_INSECURE_PEERS"] += f",{peer}"

    async def __aenter__(self) -> Folkmoot:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        command = [sys.executable, "-m", *self._command, "run", "--empty"]
        try:
            await self._process.start(command, self._answers, cwd=self.folder, environment=self._environment)
        except BaseException:
            await self._http.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._process.stop()
        if self._http:
            await self._http.close()

    async def _answers(self) -> bool:
        assert self._http is not None
        try:
            async with self._http.get(f"{self.origin}/.well-known/nodeinfo") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    def output(self) -> str:
        """What the process wrote last."""
        return self._process.output()

    # ------------------------------------------------------------------ the command line
    async def run(self, *arguments: str, stdin: str = "") -> str:
        """Run ``folkmoot ARGUMENTS`` and return what it prints. Raises CommandFailed."""
        return await self._python("-m", *self._command, *arguments, stdin=stdin)

    async def hasten(self, kind: str) -> None:
        """Have the jobs of a kind done now, as though their time had come."""
        await self._python("-c", _HASTEN, kind)

    async def _python(self, *arguments: str, stdin: str = "") -> str:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=self.folder,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(child.communicate(stdin.encode()), 30)
        except TimeoutError:
            child.kill()
            await child.wait()
            raise CommandFailed(f"{' '.join(arguments)} did not end within 30 s") from None
        if child.returncode:
            raise CommandFailed(f"{' '.join(arguments)}: {child.returncode}\n{out.decode()}{err.decode()}")
        return out.decode().strip()

    async def add_member(self, name: str, password: str, *, admin: bool = False) -> str:
        """Create a local member; returns the actor's URI."""
        options = ["--admin"] if admin else []
        await self.run(
            "member", "add", name, "--email", f"{name}@example.org", "--password-stdin", *options, stdin=password
        )
        return self.person(name)

    async def add_theme(self, slug: str, name: str) -> str:
        """Create a theme; returns the group's URI."""
        await self.run("theme", "add", slug, "--name", name)
        return self.theme(slug)

    async def open_topic(self, author: str, theme: str, title: str, text: str) -> str:
        """Open a topic from the command line; returns the opener's URI."""
        return _last_uri(await self.run("post", "--as", author, "--theme", theme, "--title", title, stdin=text))

    async def reply(self, author: str, uri: str, text: str) -> str:
        """Answer the post ``uri`` from the command line; returns the new post's URI."""
        return _last_uri(await self.run("post", "--as", author, "--reply-to", uri, stdin=text))

    async def explain(self, uri: str) -> str:
        """What the operator is told about ``uri``."""
        return await self.run("explain", uri)

    # ------------------------------------------------------------------ addresses and documents
    def examine(self, activity: Document) -> None:
        """Hold an activity that a member received against the rules of other servers, if it came from here."""
        if str(activity.get("actor", "")).startswith(self.origin):
            strict.check(activity)

    def theme(self, slug: str) -> str:
        return f"{self.origin}/g/{slug}"

    def person(self, name: str) -> str:
        return f"{self.origin}/u/{name}"

    def handle(self, name: str) -> str:
        return f"@{name}@{self.host}"

    async def get(self, uri: str) -> tuple[int, str, Any]:
        """Status, media type and JSON (None where it is not JSON) of ``uri``, asked for as ActivityPub."""
        assert self._http is not None
        async with self._http.get(uri, headers={"Accept": ACTIVITY_JSON}) as response:
            is_json = "json" in response.content_type
            return response.status, response.content_type, await response.json(content_type=None) if is_json else None

    async def document(self, uri: str) -> Document:
        """The ActivityPub document at ``uri``, strictly checked, under exactly that id."""
        status, media_type, document = await self.get(uri)
        assert isinstance(document, dict), f"{uri} answered {status} {media_type}\n{self.output()}"
        assert (status, media_type) == (200, ACTIVITY_JSON), f"{uri} answered {status} {media_type}\n{self.output()}"
        assert document["id"] == uri
        strict.check(document)
        return document

    async def items(self, collection: Any) -> list[Any]:
        """All items of a collection, given by URI or embedded, through all its pages."""
        page: Any = await self.document(collection) if isinstance(collection, str) else collection
        items: list[Any] = []
        seen: set[str] = set()
        while page:
            for key in ("items", "orderedItems"):
                found = page.get(key, [])
                items += found if isinstance(found, list) else [found]
            following = page.get("next" if page["type"].endswith("Page") else "first")
            if isinstance(following, str):
                if following in seen:
                    break
                seen.add(following)
                following = await self.document(following)
            page = following
        return items

    async def until(self, what: str, read: Callable[[Document], bool], uri: str, *, wait: float = 15.0) -> Document:
        """The document at ``uri`` as soon as ``read`` finds it right; fails after ``wait`` seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while not read(document := await self.document(uri)):
            assert loop.time() < end, f"{uri} is not {what} within {wait} s: {document}\n{self.output()}"
            await asyncio.sleep(0.1)
        return document

    async def likes(self, uri: str) -> int:
        """How many likes the post's ``likes`` collection counts."""
        likes = (await self.document(uri))["likes"]
        collection = await self.document(likes) if isinstance(likes, str) else likes
        return int(collection["totalItems"])

    async def topic_page(self, uri: str) -> str:
        """The path of the topic page on which the post ``uri`` of ours stands."""
        url = (await self.document(uri))["url"]
        url = url[0] if isinstance(url, list) else url
        href = url["href"] if isinstance(url, dict) else url
        found = re.match(rf"{re.escape(self.origin)}(/t/\d+(?:/[^/#?]+)?)", href)
        assert found, f"url of {uri} is no topic page: {href}"
        return found[1]

    async def browser(self, name: str = "", password: str = "") -> Browser:
        """A browser, signed in where a name is given. The caller closes it."""
        browser = Browser(self.origin)
        if name:
            try:
                await browser.sign_in(name, password)
            except BaseException:
                await browser.close()
                raise
        return browser


def _last_uri(printed: str) -> str:
    found = re.findall(r"https?://\S+", printed)
    if not found:
        raise CommandFailed(f"no URI in what post printed: {printed!r}")
    return str(found[-1])
