"""The hour of a debate at two browsers: it begins, moves and ends by itself, and touches nothing that is in use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, StorageState, expect

from community import debates, groups, keys, members, tables
from community.debate_models import Seat
from community.models import Membership
from community.settings import Settings
from federation import site as sites
from tests.interop.server import Folkmoot

from .conftest import OpenPage
from .people import post, shoot
from .place import PASSWORD

MOTION = "Every new roof should collect its own rain"


@dataclass
class Debate:
    live: str
    floor: str


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the seconds by which the server's clock is ahead."""
    file = tmp_path_factory.mktemp("clock") / "ahead"
    file.write_text("0")
    return file


@pytest.fixture(scope="module")
def states() -> dict[str, StorageState]:
    """Members of this server of its own."""
    return {}


async def _settle(server: Folkmoot, folder: Path) -> Debate:
    site = sites.make(Settings(origin=server.origin, data=str(folder / "data")))
    pairs = [await keys.make(site.settings.secret()) for _ in range(7)]
    hashed = await members.hash_password(PASSWORD)
    await tables.migrate(site.database)
    async with site.database.write() as tx:
        await groups.found(tx, pairs.pop(), pairs.pop())
        water = await groups.add_theme(tx, None, "water", pairs.pop(), name="Water")
        people = {
            name: await members.add_member(
                tx, name, f"{name}@example.org", hashed, pairs.pop(), name=name.title(), site_role=role
            )
            for name, role in (("warden", "admin"), ("panellist", "member"), ("resident", "member"))
        }
        opens_at = datetime.now(UTC) + timedelta(hours=1)
        plan = debates.Plan(MOTION, opens_at, 60, "Europe/Paris", call_at=opens_at - timedelta(minutes=59))
        debate = await debates.make(tx, people["warden"].actor, water.actor, pairs.pop(), plan)
        seat = {"actor_id": people["panellist"].actor.id, "role": "panel", "state": "accepted"}
        tx.add(Seat(debate_id=debate.actor_id, invited_at=tx.now, **seat))
        tx.add(Membership(group_id=debate.actor_id, created_at=tx.now, **seat))
        made = Debate(f"/g/{debate.actor.handle}/live", f"/t/{debate.topic_id}")
    await site.close()
    return made


@pytest_asyncio.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, clock: Path) -> AsyncIterator[tuple[Folkmoot, Debate]]:
    folder = tmp_path_factory.mktemp("live")
    server = Folkmoot(folder, [], clock=clock)
    debate = await _settle(server, folder)
    async with server:
        yield server, debate


@pytest.fixture(scope="module")
def folkmoot(stage: tuple[Folkmoot, Debate]) -> Folkmoot:
    return stage[0]


@pytest.fixture(scope="module")
def debate(stage: tuple[Folkmoot, Debate]) -> Debate:
    return stage[1]


def move_to(clock: Path, minutes: float) -> None:
    """So many minutes after the debate opened."""
    clock.write_text(str(3600 + minutes * 60))


async def marked(*things: Locator) -> None:
    for thing in things:
        await thing.evaluate("element => { element.wasHere = true }")


async def is_same(thing: Locator) -> bool:
    return bool(await thing.evaluate("element => element.wasHere === true"))


async def top_of(page: Page, text: str) -> float:
    box = await post(page, text).bounding_box()
    assert box is not None
    return box["y"]


async def test_the_hour(open_page: OpenPage, folkmoot: Folkmoot, debate: Debate, clock: Path) -> None:
    panellist, resident = [await folkmoot.browser(name, PASSWORD) for name in ("panellist", "resident")]
    try:
        move_to(clock, -2)
        guest, member = await open_page(debate.live), await open_page(debate.live, as_="resident")
        for page in (guest, member):
            await expect(page.get_by_text("begins by itself on this page")).to_be_visible()
            await page.evaluate("window.wasHere = true")
        await shoot(guest, "live-before")

        # It begins by itself, for both, and the question is put.
        move_to(clock, 1)
        for page in (guest, member):
            await expect(page.locator(".debate-head .live")).to_contain_text("Live", timeout=30_000)
            await expect(page.get_by_text("Stay here")).to_be_hidden()
            await expect(page.locator("#feed-panel article")).to_have_count(2)
        paper, form = member.locator("#live-poll form"), member.locator("form#composer")
        await expect(guest.get_by_role("link", name="Vote from your own server")).to_be_visible()
        await expect(guest.locator("#live-poll form")).to_have_count(0)
        await expect(paper.get_by_role("button", name="Vote")).to_be_visible()

        # Ten posts and a vote come while a member writes and has chosen.
        await paper.get_by_label("Against").check()
        text = member.get_by_label("Your argument or question")
        await text.focus()
        await form.get_by_label("Against").check()
        await text.fill("Not so fast, ")
        await marked(paper, text, form)
        for number in range(10):
            who, side = (panellist, "none") if number % 2 else (resident, "for")
            await who.send(f"{debate.floor}/reply", page=debate.floor, text=f"Word number {number}.", position=side)
        action = await paper.get_attribute("action") or ""
        await panellist.send(action, page=debate.floor, choice="2")
        for page in (guest, member):
            for number in range(10):
                await expect(post(page, f"Word number {number}.")).to_have_count(1)
            await expect(page.locator("#live-now")).to_contain_text("Word number 9.")
        await expect(guest.locator("#live-poll")).to_contain_text("1 person")
        await member.wait_for_timeout(500)
        assert [await is_same(thing) for thing in (paper, text, form)] == [True] * 3
        await expect(text).to_have_value("Not so fast, ")
        await expect(text).to_be_focused()
        await expect(paper.get_by_label("Against")).to_be_checked()
        await text.press_sequentially("please.")
        await shoot(member, "live-writing")

        # Voting and sending leave the page where it is.
        await paper.get_by_role("button", name="Vote").click()
        await expect(member.locator("#live-poll")).to_contain_text("your choice")
        await expect(member.locator("#live-poll")).to_contain_text("2 people")
        await expect(guest.locator("#live-poll")).to_contain_text("2 people")
        await text.focus()
        await form.get_by_role("button", name="Send").click()
        await expect(post(guest, "Not so fast, please.")).to_contain_text("Against")
        await expect(post(member, "Not so fast, please.")).to_have_count(1)
        await expect(text).to_have_value("")

        # What arrives moves nothing that is being read.
        await member.set_viewport_size({"width": 390, "height": 600})
        await post(member, "Word number 3.").evaluate("element => element.scrollIntoView({ block: 'center' })")
        await member.wait_for_timeout(1500)
        before = await top_of(member, "Word number 3.")
        await panellist.send(f"{debate.floor}/reply", page=debate.floor, text="Much later.", position="none")
        arrived = member.locator("[data-feed-of=panel]").get_by_role("button", name="1 new")
        await expect(arrived).to_be_visible()
        assert await top_of(member, "Word number 3.") == before
        await arrived.click()
        await expect(post(member, "Much later.")).to_be_focused()
        await member.set_viewport_size({"width": 1280, "height": 900})

        # Another process writes, a post is deleted, one is edited.
        await folkmoot.reply("panellist", f"{folkmoot.origin}/p/1", "From the command line.")
        await expect(post(guest, "From the command line.")).to_be_visible()
        page = await panellist.get(debate.floor)
        gone, other = (f"/p/{page.entry(text).post}" for text in ("Word number 9.", "Word number 7."))
        await panellist.send(f"{gone}/delete", page=f"{gone}/delete")
        await panellist.send(f"{other}/edit", page=f"{other}/edit", text="Word number seven, put better.")
        for page_ in (guest, member):
            await expect(post(page_, "Word number 9.")).to_have_count(0)
            await expect(post(page_, "put better")).to_have_count(1)

        # It ends by itself as well; what is being written is kept.
        await text.fill("One more thing")
        move_to(clock, 61)
        for page in (guest, member):
            await expect(page.locator("#live-status")).to_contain_text("The debate is over.", timeout=30_000)
            await expect(page.get_by_role("link", name="See the result")).to_be_visible()
        await expect(text).to_have_value("One more thing")
        await text.focus()
        await form.get_by_role("button", name="Send").click()
        await expect(form.locator("[data-outcome]")).to_contain_text("This debate is over.")
        await expect(text).to_have_value("One more thing")
        await shoot(guest, "live-after")
        for page in (guest, member):
            assert await page.evaluate("window.wasHere === true"), "the page was never loaded anew"
        await text.fill("")
    finally:
        await panellist.close()
        await resident.close()


async def test_without_script_it_can_be_read(open_page: OpenPage, debate: Debate) -> None:
    page = await open_page(debate.live, java_script_enabled=False)
    await expect(page.get_by_role("heading", level=1)).to_contain_text(MOTION)
    await expect(post(page, "Much later.")).to_be_visible()
    await page.get_by_role("link", name="Refresh").click()
    await expect(post(page, "Much later.")).to_be_visible()
