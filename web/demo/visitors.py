"""The instances of the demo, and its people at their browsers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html import unescape
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from web.demo.samples import City

PASSWORD = "sample-password"  # noqa: S105 – it is printed for everybody to use


class Failed(Exception):
    """The demo cannot go on; the message says why."""


@dataclass
class Instance:
    city: City
    folder: Path
    origin: str
    process: asyncio.subprocess.Process | None = None
    people: dict[str, Visitor] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return urlsplit(self.origin).netloc

    def log(self, lines: int = 15) -> str:
        path = self.folder / "run.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


class Visitor:
    """Somebody at a browser: opens pages and sends the forms that are on them."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=20)
        )

    async def close(self) -> None:
        await self._http.close()

    async def read(self, path: str) -> str:
        async with self._http.get(self.origin + path, headers={"Accept": "text/html"}) as answer:
            return await answer.text() if answer.status == 200 else ""

    async def leads_to(self, path: str) -> str:
        """Where a page sends whoever opens it; '' where it does not."""
        async with self._http.get(self.origin + path, allow_redirects=False) as answer:
            return answer.headers.get("Location", "")

    async def send(self, path: str, page: str, **fields: str | BytesIO) -> str:
        """Send a form that is on ``page``; answers where it leads, '' where it is shown again with what is wrong."""
        hidden = dict(re.findall(r'name="(csrf|seen)" value="([^"]*)"', await self.read(page)))
        async with self._http.post(
            self.origin + path,
            data={name: unescape(value) for name, value in hidden.items()} | fields,
            headers={"Origin": self.origin},
            allow_redirects=False,
        ) as answer:
            if answer.status >= 400 and answer.status != 422:
                raise Failed(f"{self.origin}{path} answered {answer.status}")
            return answer.headers.get("Location", "")

    async def topic(self, place: str, title: str) -> str:
        """The path of a topic on the page of a theme or of another place; '' while it is not there."""
        page = await self.read(f"/g/{place}?sort=new")
        for path, words in re.findall(r'<a href="(/t/\d+/[^"#]*)">([^<]*)</a>', page):
            if unescape(words).strip() == title:
                return str(path)
        return ""

    async def sign_in(self, name: str) -> None:
        await self.send("/sign-in", "/sign-in", name=name, password=PASSWORD)


async def until(what: str, look: Callable[[], Awaitable[str]], seconds: float = 60) -> str:
    """What ``look`` finds, as soon as it finds anything."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not (found := await look()):
        if loop.time() > end:
            raise Failed(f"waited {seconds:.0f} s in vain for {what}")
        await asyncio.sleep(0.4)
    return found


async def person(place: Instance, name: str) -> Visitor:
    """Somebody of a city, signed in."""
    if name not in place.people:
        visitor = place.people[name] = Visitor(place.origin)
        await visitor.sign_in(name)
    return place.people[name]
