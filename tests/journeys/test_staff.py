"""Staff: the one-time link, themes, topics put in order, and the log that says so in public."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.interop import browser as forms

from .conftest import OpenPage
from .people import answer, menu, post, shoot


async def moderate(page: Page, button: str, **typed: str) -> None:
    """Use a button of the moderators' menu of a topic."""
    await page.get_by_text("Moderate", exact=True).click()
    tools = page.locator(".tools-menu form").filter(has=page.get_by_role("button", name=button, exact=True))
    for label, value in typed.items():
        field = tools.get_by_label(label)
        if await field.evaluate("field => field.matches('select')"):
            await field.select_option(value)
        else:
            await field.fill(value)
    await tools.get_by_role("button", name=button, exact=True).click()


async def test_the_link_made_one_admin_and_works_no_more(open_page: OpenPage, admin: str, admin_link: str) -> None:
    page = await open_page("/", as_=admin)
    await page.get_by_label("Your menu").click()
    await expect(page.get_by_role("link", name="Arrange themes")).to_be_visible()
    stranger = await open_page(admin_link)
    await expect(stranger.get_by_role("heading", name="This link does not work")).to_be_visible()


async def test_a_theme_is_opened_edited_and_put_in_order(open_page: OpenPage, admin: str, word: str) -> None:
    page = await open_page("/staff/themes", as_=admin)
    await page.get_by_role("link", name="New theme").click()
    await page.get_by_label("Name", exact=True).fill(f"Energy {word}")
    await page.get_by_label("Short name").fill("Mobility")
    await page.get_by_label("What it is about").fill("Heat, *light* and power.")
    await page.get_by_role("button", name="Open the theme").click()
    await expect(page.get_by_role("alert")).to_contain_text("This name is taken.")
    await expect(page.get_by_label("What it is about")).to_have_value("Heat, *light* and power.")
    await page.get_by_label("Short name").fill(word)
    await page.get_by_role("button", name="Open the theme").click()

    await page.goto("/staff/themes")
    row = page.get_by_role("listitem").filter(has_text=word)
    await row.get_by_role("link", name="Edit").click()
    await page.get_by_label("Name", exact=True).fill(f"Power {word}")
    await page.get_by_label("Colour").fill("#aa3300")
    await page.get_by_role("button", name="Save").click()
    await page.goto("/staff/themes")
    names = page.get_by_role("main").locator("a.theme")
    last = await names.count() - 1
    await expect(names.nth(last)).to_have_text(f"Power {word}")
    await row.get_by_role("button", name=f"Power {word}: one up").click()
    await expect(names.nth(last - 1)).to_have_text(f"Power {word}")
    await shoot(page, "staff-themes")

    stranger = await open_page(f"/g/{word}")
    await expect(stranger.get_by_role("heading", name=f"Power {word}")).to_be_visible()
    await expect(stranger.get_by_text("Heat, light and power.")).to_be_visible()


async def test_a_pinned_topic_stands_first(
    open_page: OpenPage, admin: str, neighbour: forms.Browser, topic: str, word: str
) -> None:
    await neighbour.open_topic("mobility", f"A newer one {word}", "Newer.")
    page = await open_page(topic, as_=admin)
    await moderate(page, "Pin")
    await expect(page.locator(".topic-head").get_by_text("Pinned")).to_be_visible()
    await page.goto("/g/mobility")
    await expect(page.locator(".topics > li").first).to_contain_text(f"A tram for {word}")
    await page.goto(topic)
    await moderate(page, "Unpin")
    await expect(page.locator(".topic-head").get_by_text("Pinned")).to_have_count(0)


async def test_a_closed_topic_says_why_nobody_can_reply(open_page: OpenPage, admin: str, topic: str, word: str) -> None:
    late = await open_page(topic, as_="resident")
    await late.get_by_label("Your reply").fill(f"Too late {word}")
    page = await open_page(topic, as_=admin)
    await moderate(page, "Close to replies", Reason=f"Decided {word}")
    await expect(page.locator(".topic-head").get_by_text("Closed", exact=True)).to_be_visible()
    for name in ("planner", ""):
        reader = await open_page(topic, as_=name)
        box = reader.get_by_role("region", name="Reply")
        await expect(box).to_contain_text("This topic is closed: it can be read, but not answered.")
        await expect(reader.get_by_label("Your reply")).to_have_count(0)
        await shoot(reader, f"closed-{name}")

    await late.get_by_role("main").get_by_role("button", name="Reply", exact=True).click()
    await expect(late.get_by_role("alert")).to_contain_text("Your text is kept here")
    await expect(late.get_by_label("Your text")).to_have_value(f"Too late {word}")
    await shoot(late, "closed-late")

    log = await open_page("/log")
    await expect(log.get_by_role("listitem").filter(has_text=word).first).to_contain_text(f"Decided {word}")
    await moderate(page, "Open again")
    await late.goto(topic)
    await expect(late.get_by_label("Your reply")).to_be_visible()


async def test_a_topic_is_moved_and_gets_a_better_title(open_page: OpenPage, admin: str, topic: str, word: str) -> None:
    page = await open_page(topic, as_=admin)
    await moderate(page, "Change the title", Title=f"A boat for {word}")
    await expect(page.get_by_role("heading", name=f"A boat for {word}")).to_be_visible()
    await moderate(page, "Move", **{"Move to": "water", "Reason": "It floats."})
    await expect(page.get_by_role("main").get_by_role("link", name="Water")).to_be_visible()
    stranger = await open_page(topic)  # the old address leads to the new one
    await expect(stranger).to_have_url(re.compile(f"a-boat-for-{word}"))
    await stranger.goto("/g/water")
    await expect(stranger.get_by_role("link", name=f"A boat for {word}")).to_be_visible()
    await stranger.goto("/log")
    entries = stranger.get_by_role("listitem").filter(has_text=word)
    await expect(entries.filter(has_text="It floats.")).to_have_count(1)
    await expect(entries).to_have_count(2)


async def test_a_post_is_removed_with_a_reason_in_public(
    open_page: OpenPage, admin: str, neighbour: forms.Browser, topic: str, word: str
) -> None:
    await answer(neighbour, topic, "Buy cheap watches.")
    page = await open_page(topic, as_=admin)
    await menu(page, "Buy cheap watches.", "Remove")
    await page.get_by_label("Reason").fill(f"Advertising {word}")
    await page.get_by_role("button", name="Remove").click()
    stranger = await open_page(topic)
    await expect(stranger.locator("article.gone")).to_contain_text(f"Removed by a moderator: Advertising {word}")
    await expect(post(stranger, "watches")).to_have_count(0)
    await stranger.goto("/log")
    await expect(stranger.get_by_role("listitem").filter(has_text=f"Advertising {word}")).to_contain_text("warden")
    await shoot(stranger, "log")
