"""What plays on a stage of their own need: servers whose beginning is written before they start, and one clock that is
moved for all of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, expect

from community import groups, keys, tables
from community import members as accounts
from community.settings import Settings
from federation import site as sites
from tests.interop.members import Member, Record, announces
from tests.interop.server import Folkmoot

from .people import sign_in
from .place import PASSWORD


@dataclass
class Clock:
    """One clock for all servers; the browsers ask the pages what time it is."""

    file: Path

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self.file.read_text()))

    def set(self, at: datetime) -> None:
        """Move all clocks to a time, and let them go on from there."""
        ahead = (at - datetime.now(UTC)).total_seconds()
        assert ahead >= float(self.file.read_text()), "time goes forward"
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(ahead))
        fresh.replace(self.file)


async def found(server: Folkmoot, folder: Path, *people: str, editors: Collection[str] = ()) -> None:
    """Write the beginning of an instance that has not been started yet: one theme, and people, the first its admin."""
    site = sites.make(Settings(origin=server.origin, data=str(folder / "data")))
    try:
        secret = site.settings.secret()
        pairs = [await keys.make(secret) for _ in range(3 + len(people))]
        hashed = await accounts.hash_password(PASSWORD)
        await tables.migrate(site.database)
        async with site.database.write() as tx:
            await groups.found(tx, pairs.pop(), pairs.pop())
            await groups.add_theme(tx, None, "water", pairs.pop(), name="Water")
            for name in people:
                role = "admin" if name == people[0] else "editor" if name in editors else "member"
                await accounts.add_member(tx, name, f"{name}@example.org", hashed, pairs.pop(), site_role=role)
    finally:
        await site.close()


async def until(what: str, look: Callable[[], Awaitable[Any]], wait: float = 25.0) -> Any:
    """What ``look`` finds, as soon as it finds anything."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while not (found := await look()):
        assert loop.time() < end, f"{what}: not within {wait} s"
        await asyncio.sleep(0.2)
    return found


def is_note_to(member: Member, name: str) -> Callable[[Record], bool]:
    def matches(record: Record) -> bool:
        activity = record["activity"]
        return bool(activity.get("type") == "Create" and activity["object"].get("to") == [member.uri(name)])

    return matches


async def boosted(member: Member, group: str, uri: str, what: str) -> Record:
    """A group's plain announcement of one thing reached a member, who verified it."""

    def matches(record: Record) -> bool:
        return announces(uri, wrapped=None)(record) and record["activity"]["actor"] == group

    return await member.expect(f"{what} by {group}", matches, contains=uri, wait=25)


async def look(page: Page, name: str) -> None:
    """Pictures for whoever wants to look: wide, as on a phone, dark."""
    folder = os.environ.get("FOLKMOOT_SHOTS")
    if not folder:
        return
    for kind, width, scheme in (("wide", 1280, "light"), ("phone", 390, "light"), ("dark", 1280, "dark")):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.screenshot(path=Path(folder, f"{name}-{kind}.png"), full_page=True)
    await page.set_viewport_size({"width": 1280, "height": 900})
    await page.emulate_media(color_scheme="light")


async def device(browser: Chromium, hub: Folkmoot, name: str) -> Page:
    """A browser with a window in which somebody has signed in."""
    context = await browser.new_context(base_url=hub.origin, locale="en-GB")
    page = await context.new_page()
    await page.goto("/sign-in")
    await sign_in(page, name, PASSWORD)
    await expect(page.get_by_label("Your menu")).to_be_visible()
    return page
