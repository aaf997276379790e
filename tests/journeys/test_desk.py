"""The host's desk and the queue at two browsers: buttons work in place, lists stay fresh, nothing in use is touched."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from community import posts
from community.models import Account, Post
from federation.site import Site
from tests.community.floors import make_floor
from tests.conftest import PASSWORD, MakeMember, MakeTheme

from .people import shoot, sign_in

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _at(browser: Browser, site: Site, account: Account, path: str, problems: list[str]) -> Page:
    context = await browser.new_context(base_url=site.settings.origin, viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    await page.goto(f"/sign-in?next={path}")
    await sign_in(page, account.actor.handle, PASSWORD)
    await page.wait_for_url(f"**{path}")
    return page


async def test_the_desk_while_questions_come_in(
    site: Site, client: Any, browser: Browser, member: MakeMember, theme: MakeTheme
) -> None:
    floor = await make_floor(site, member, theme, "live")
    anna, bert = await member("anna"), await member("bert")
    path = f"/g/{floor.debate.actor.handle}"
    one = await floor.ask(anna.actor, "Who cleans it?")
    await floor.ask(anna.actor, "Who pays for it?")
    problems: list[str] = []
    desk = await _at(browser, site, floor.host, f"{path}/desk", problems)
    queue = await _at(browser, site, bert, f"{path}/questions", problems)
    incoming, accepted = desk.locator("[data-list=incoming] > li"), desk.locator("[data-list=accepted] > li")

    def asking(items: Locator, words: str) -> Locator:
        return items.filter(has=items.page.locator(".question", has_text=words))

    first, second = asking(incoming, "Who cleans it?"), asking(incoming, "Who pays for it?")

    # A reason that is being typed stays, with its cursor, while another question comes in above or below it.
    await second.get_by_text("Decline …").click()
    reason = second.get_by_label("or in your own words")
    await reason.press_sequentially("Asked al")
    await reason.evaluate("element => { element.wasHere = true }")
    await floor.ask(bert.actor, "Is it loud?")
    await expect(incoming).to_have_count(3)
    await expect(desk.get_by_role("heading", name="Incoming 3")).to_be_visible()
    await expect(reason).to_be_focused()
    await desk.keyboard.type("ready.")
    assert await reason.evaluate("element => [element.value, element.wasHere]") == ["Asked already.", True]
    await shoot(desk, "desk-in-use")

    # Accepting works in place, also while that form is open; everybody's queue follows, and so does a vote.
    await first.get_by_role("button", name="Accept").click()
    await expect(accepted).to_have_count(1)
    await expect(accepted).to_contain_text("Q1")
    await expect(desk.get_by_role("status")).to_have_text("Accepted.")
    assert await reason.input_value() == "Asked already."
    card = asking(queue.locator("[data-list=accepted] > li"), "Who cleans it?")
    await expect(card).to_be_visible()
    await card.get_by_role("button", name="Vote for this question").click()
    await expect(card.get_by_role("button", name="Vote for this question")).to_have_attribute("aria-pressed", "true")
    await expect(card.get_by_role("button", name="Vote for this question")).to_be_focused()
    await expect(accepted.get_by_text("1 here")).to_be_visible()

    # What is sent leaves the list, and the focus goes on to what comes next.
    await second.get_by_role("button", name="Decline").click()
    await expect(incoming).to_have_count(1)
    await expect(queue.get_by_text("1 declined, and why")).to_be_visible()
    assert await desk.evaluate("document.activeElement !== document.body")

    # An answer of the panel arrives by itself; an error shows the page that says it, with what was typed.
    async with site.database.read() as tx:
        held = next(each for each in await floor.queue() if each.id == one.id).card
        assert held is not None
        answered = await posts.one(tx, held.id)
    assert isinstance(answered, Post)
    await floor.say(floor.panel.actor, "We do.", to=answered)
    await expect(desk.locator("[data-list=answered] > li")).to_contain_text("by pia")
    await expect(queue.get_by_role("link", name="Read the answer")).to_be_visible()
    await incoming.get_by_text("Decline …").click()
    await incoming.get_by_role("button", name="Decline").click()
    await expect(desk.get_by_role("alert")).to_contain_text("Say why")
    assert problems == [] or all("422" in each for each in problems), problems
    for page in (desk, queue):
        await page.context.close()
