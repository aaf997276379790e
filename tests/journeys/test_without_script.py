"""Every page and every form without script."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from .conftest import OpenPage
from .people import menu, post, shoot, sign_in, write
from .place import PASSWORD, Place


@pytest.fixture
def open_plain(open_page: OpenPage) -> OpenPage:
    """Like ``open_page``, in a browser that runs no script."""

    async def open_(path: str = "/", **options: object) -> Page:
        return await open_page(path, java_script_enabled=False, **options)

    return open_


async def test_a_stranger_reads(open_plain: OpenPage, place: Place) -> None:
    page = await open_plain("/")
    await page.get_by_role("link", name="See the themes").click()
    await page.get_by_role("main").get_by_role("link", name="Mobility").click()
    await page.get_by_role("link", name="Most answered").click()
    await page.get_by_role("link", name="A long talk about benches").click()
    await expect(post(page, "Bench number 2.")).to_be_visible()
    await expect(page.get_by_role("button", name="Copy")).to_have_count(0)


async def test_a_stranger_joins_and_opens_a_topic(open_plain: OpenPage, word: str) -> None:
    page = await open_plain("/g/water")
    await page.get_by_role("link", name="Sign in to open a topic").click()
    await page.get_by_role("main").get_by_role("link", name="Join").click()
    await page.get_by_label("Name", exact=True).fill(word)
    await page.get_by_label("E-mail address").fill(f"{word}@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Join").click()
    await expect(page).to_have_url(re.compile("/g/water/new$"))
    await page.get_by_label("Title").fill(f"Who cleans the canal, {word}?")
    await page.get_by_label("Text", exact=True).fill("It *smells*.")
    await page.get_by_role("button", name="Open the topic").click()
    await expect(page.get_by_role("heading", name=word)).to_be_visible()
    await expect(post(page, "It smells.").locator("em")).to_have_text("smells")


async def test_a_member_signs_in_replies_likes_edits_and_deletes(open_plain: OpenPage, topic: str) -> None:
    page = await open_plain(topic)
    await page.get_by_role("link", name="Sign in to reply").click()
    await sign_in(page, "resident", PASSWORD)
    await expect(page).to_have_url(re.compile(re.escape(topic)))

    await write(page, "Written by hand.")
    await expect(page).to_have_url(re.compile(r"/2#post-2$"))
    await shoot(page, "plain")

    await post(page, "And when?").get_by_role("button", name="Like").click()
    await expect(post(page, "And when?").get_by_role("button", name="Like")).to_have_attribute("aria-pressed", "true")

    await menu(page, "Written by hand.", "Edit")
    await page.get_by_label("Text").fill("Written by foot.")
    await page.get_by_role("button", name="Save").click()
    await expect(post(page, "Written by foot.").get_by_role("link", name="edited", exact=True)).to_be_visible()

    await menu(page, "Written by foot.", "Delete")
    await page.get_by_role("button", name="Delete").click()
    await expect(page.locator("article.gone")).to_contain_text("Deleted by its author.")


async def test_answering_one_post_is_said_and_kept(open_plain: OpenPage, topic: str) -> None:
    page = await open_plain(topic, as_="resident")
    await write(page, "The first answer.")
    await post(page, "The first answer.").get_by_role("link", name="Reply").click()
    await expect(page.get_by_text("In reply to Resident")).to_be_visible()
    await write(page, "An answer to the answer.")
    await expect(post(page, "An answer to the answer.")).to_contain_text("in reply to Resident #2")


async def test_pages_of_a_long_topic_are_links(open_plain: OpenPage, place: Place) -> None:
    page = await open_plain(place.long_topic)
    await expect(page.locator("article.post")).to_have_count(50)
    await page.get_by_role("link", name="Later posts").click()
    await expect(page.locator("article.post")).to_have_count(10)
    await expect(post(page, "Bench number 51.")).to_be_in_viewport()
    await page.get_by_role("link", name="Earlier posts").click()
    await expect(post(page, "Sixty posts, so that it has pages.")).to_be_visible()


async def test_the_address_of_a_post_leads_to_it(open_plain: OpenPage, place: Place) -> None:
    page = await open_plain(place.long_topic)
    await page.goto(page.url + "/55")
    await expect(post(page, "Bench number 55.")).to_have_class(re.compile("is-asked-for"))
    await post(page, "Bench number 55.").get_by_role("link", name="Post #55").click()
    await expect(page).to_have_url(re.compile(r"/55#post-55$"))
    await expect(post(page, "Bench number 55.")).to_be_in_viewport()
