"""The instances of the demo, and its people at their browsers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
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

    async def send(self, path: str, page: str, **fields: str) -> int:
        """Send a form that is on ``page``; answers the status."""
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', await self.read(page))
        form = {**fields, "csrf": token[1] if token else ""}
        async with self._http.post(
            self.origin + path, data=form, headers={"Origin": self.origin}, allow_redirects=False
        ) as answer:
            if answer.status >= 400 and answer.status != 422:
                raise Failed(f"{self.origin}{path} answered {answer.status}")
            return answer.status

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
