"""A browser without script: it keeps cookies, reads forms out of pages, sends them, and listens to event streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp


class Unexpected(AssertionError):
    """A page, form or answer that the test needs is not there; the message says what was there instead."""


@dataclass
class Form:
    """A form as a browser would send it: fields with the values they stand at, and its buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Entry:
    """One ``<article>``: its visible text, and the paths that its links and forms lead to."""

    text: str = ""
    paths: list[str] = field(default_factory=list)

    @property
    def post(self) -> str:
        """The number in the first ``/p/…`` path: the post's id, as forms name it."""
        for path in self.paths:
            if found := re.match(r"/p/([^/#?]+)", path):
                return found[1]
        raise Unexpected(f"no /p/… path in the article {self.text!r}: {self.paths}")


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.url = url
        self.forms: list[Form] = []
        self.entries: list[Entry] = []
        self.links: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._open_entries: list[Entry] = []
        self._form: Form | None = None
        self._area: str | None = None
        self._select: str | None = None
        self._silent = 0
        self._link: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        name = values.get("name", "")
        if tag in ("script", "style", "template"):
            self._silent += 1
        elif tag == "article":
            self.entries.append(Entry())
            self._open_entries.append(self.entries[-1])
        elif tag == "a" and "href" in values:
            self._link = (urljoin(self.url, values["href"]), [])
            self._lead_to(self._link[0])
        elif tag == "form":
            action = urljoin(self.url, values.get("action") or self.url)
            self._form = Form(action, values.get("method", "get").lower())
            self.forms.append(self._form)
            self._lead_to(action)
        elif tag in ("input", "button") and values.get("formaction"):
            self._lead_to(urljoin(self.url, values["formaction"]))
        if self._form is None:
            return
        if tag == "input" and name:
            kind = values.get("type", "text")
            if kind == "submit":
                self._form.buttons.append((name, values.get("value", "")))
            elif kind not in ("checkbox", "radio") or "checked" in values:
                self._form.fields[name] = values.get("value", "on" if kind == "checkbox" else "")
        elif tag == "button" and name:
            self._form.buttons.append((name, values.get("value", "")))
        elif tag == "textarea" and name:
            self._area = name
            self._form.fields[name] = ""
        elif tag == "select" and name:
            self._select = name
        elif tag == "option" and self._select and (self._select not in self._form.fields or "selected" in values):
            self._form.fields[self._select] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "template"):
            self._silent -= 1
        elif tag == "article" and self._open_entries:
            self._open_entries.pop()
        elif tag == "form":
            self._form = None
        elif tag == "textarea":
            self._area = None
        elif tag == "select":
            self._select = None
        elif tag == "a" and self._link:
            self.links.append((self._link[0], " ".join("".join(self._link[1]).split())))
            self._link = None

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._area and self._form:
            self._form.fields[self._area] += data
            return
        self.text.append(data)
        if self._link:
            self._link[1].append(data)
        for entry in self._open_entries:
            entry.text += data

    def _lead_to(self, url: str) -> None:
        for entry in self._open_entries:
            entry.paths.append(urlsplit(url).path)


class Page:
    """An answer with its HTML read: ``text`` without what is typed into fields, ``forms``, ``links``, ``entries``."""

    def __init__(self, url: str, status: int, html: str) -> None:
        reader = _Reader(url)
        reader.feed(html)
        self.url = url
        self.path = urlsplit(url).path
        self.status = status
        self.html = html
        self.forms = reader.forms
        self.links = reader.links
        self.entries = reader.entries
        self.text = " ".join("".join(reader.text).split())

    def form(self, path: str) -> Form | None:
        """The form that posts to ``path``, or None."""
        return next((f for f in self.forms if f.method == "post" and urlsplit(f.action).path == path), None)

    def entry(self, text: str) -> Entry:
        """The one post on the page that contains ``text``; raises Unexpected when it is not exactly one."""
        found = [entry for entry in self.entries if text in entry.text]
        if len(found) != 1:
            raise Unexpected(f"{len(found)} articles on {self.url} contain {text!r}; the page says: {self.text[:1500]}")
        return found[0]


class Browser:
    """Someone at a browser. Every wait and every request has a limit."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=20),
            headers={
                "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
                "User-Agent": "Mozilla/5.0 (interop)",
            },
        )

    async def close(self) -> None:
        await self._http.close()

    async def get(self, path: str, *, status: int = 200) -> Page:
        """The page at ``path`` or URL, redirects followed. Raises Unexpected when the status is another."""
        async with self._http.get(urljoin(self.origin, path)) as response:
            page = Page(str(response.url), response.status, await response.text())
        if page.status != status:
            raise Unexpected(f"GET {path} answered {page.status}, not {status}: {page.text[:500]}")
        return page

    async def send(self, path: str, *, page: str, **values: str) -> Page:
        """Fill in the form that posts to ``path``, found on ``page`` or, failing that, at ``path`` itself, and send it.

        Hidden fields keep their values. Raises Unexpected where there is no such form or the answer is not a page.
        """
        shown = await self.get(page)
        form = shown.form(path)
        if form is None and page != path:
            with contextlib.suppress(Unexpected):
                form = (await self.get(path)).form(path)
        if form is None:
            raise Unexpected(f"no form posts to {path} on {page}; there are {[f.action for f in shown.forms]}")
        headers = {"Origin": self.origin, "Referer": shown.url}
        async with self._http.post(form.action, data=form.fields | values, headers=headers) as response:
            result = Page(str(response.url), response.status, await response.text())
        if result.status != 200:
            raise Unexpected(f"POST {path} answered {result.status}: {result.text[:500]}")
        return result

    async def sign_in(self, name: str, password: str) -> None:
        await self.send("/sign-in", page="/sign-in", name=name, password=password)
        async with self._http.get(urljoin(self.origin, "/sign-in"), allow_redirects=False) as response:
            shown = Page(str(response.url), response.status, await response.text())
        if response.status == 200 and any("password" in form.fields for form in shown.forms):
            raise Unexpected(f"{name} is not signed in after sending the form: {shown.text[:500]}")

    async def open_topic(self, theme: str, title: str, text: str) -> str:
        """Open a topic in the theme with the slug ``theme``; returns the opener's URI."""
        path = f"/g/{theme}/new"
        shown = await self.send(path, page=path, title=title, text=text)
        if not shown.entries:
            raise Unexpected(f"no topic page after sending {path}, but {shown.url}: {shown.text[:500]}")
        return f"{self.origin}/p/{shown.entries[0].post}"

    async def add_theme(self, slug: str, name: str) -> str:
        """Create a theme, as an administrator does; returns the group's URI."""
        await self.send("/staff/themes/new", page="/staff/themes/new", slug=slug, name=name)
        return f"{self.origin}/g/{slug}"

    async def see(self, path: str, text: str, *, wait: float = 15.0) -> Page:
        """Load ``path`` again and again until ``text`` is on it; raises Unexpected after ``wait`` seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            page = await self.get(path)
            if text in page.text:
                return page
            if loop.time() > end:
                raise Unexpected(f"{path} does not show {text!r} within {wait} s; it says: {page.text[:1500]}")
            await asyncio.sleep(0.1)

    async def miss(self, path: str, text: str, *, wait: float = 15.0) -> Page:
        """Load ``path`` until ``text`` is gone from it; raises Unexpected after ``wait`` seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            page = await self.get(path)
            if text not in page.text:
                return page
            if loop.time() > end:
                raise Unexpected(f"{path} still shows {text!r} after {wait} s")
            await asyncio.sleep(0.1)

    @contextlib.asynccontextmanager
    async def listening(self, path: str) -> AsyncIterator[EventStream]:
        """An open event stream: it stands once the server has answered its head."""
        async with self._http.get(
            urljoin(self.origin, path),
            headers={"Accept": "text/event-stream"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        ) as response:
            if response.status != 200 or response.content_type != "text/event-stream":
                raise Unexpected(f"{path} answered {response.status} {response.content_type}, not an event stream")
            yield EventStream(response.content)


class EventStream:
    """The events of one open ``text/event-stream``."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    async def next(self, kind: str, *, wait: float = 15.0) -> Any:
        """The data, read as JSON, of the next event of ``kind``. Raises TimeoutError after ``wait`` seconds."""
        async with asyncio.timeout(wait):
            event, data = "message", list[str]()
            while raw := await self._content.readline():
                line = raw.decode().rstrip("\r\n")
                if not line:
                    if event == kind and data:
                        return json.loads("\n".join(data))
                    event, data = "message", []
                    continue
                name, _, value = line.partition(":")
                if name == "event":
                    event = value.removeprefix(" ")
                elif name == "data":
                    data.append(value.removeprefix(" "))
        raise Unexpected("the server closed the event stream")
