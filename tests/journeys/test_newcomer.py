"""A new member: finds out what to do, joins, answers, is told of an answer, and loses nothing that was typed."""

from __future__ import annotations

import re

from playwright.async_api import Dialog, expect

from tests.interop import browser as forms
from tests.interop.server import Folkmoot

from .conftest import OpenPage
from .people import answer, menu, post, shoot, sign_in, tab_to, write
from .place import PASSWORD


# ---------------------------------------------------------------- joining
async def test_a_stranger_sees_the_three_ways_to_take_part(open_page: OpenPage, folkmoot: Folkmoot) -> None:
    page = await open_page("/")
    main = page.get_by_role("main")
    for way in ("Read", "Follow", "Join"):
        await expect(main.get_by_role("heading", name=way, exact=True)).to_be_in_viewport()
    await expect(main.get_by_role("link", name="Join", exact=True)).to_be_in_viewport()
    await expect(main.get_by_text(f"@mobility@{folkmoot.host}")).to_be_in_viewport()
    await shoot(page, "home")
    await main.get_by_role("link", name="See the themes").click()
    await main.get_by_role("link", name="Mobility").click()
    await expect(main.get_by_role("link", name="A long talk about benches")).to_be_visible()


async def test_a_stranger_joins_by_keyboard_and_answers(open_page: OpenPage, topic: str, word: str) -> None:
    page = await open_page(topic)
    await tab_to(page, page.get_by_role("banner").get_by_role("link", name="Join"))
    await page.keyboard.press("Enter")
    for label, value in (
        ("Name", word),
        ("E-mail address", f"{word}@example.org"),
        ("Password", PASSWORD),
        ("Full name (optional)", "Newcomer"),
    ):
        await tab_to(page, page.get_by_label(label, exact=True))
        await page.keyboard.type(value)
    await shoot(page, "sign-up")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name=word)).to_be_visible()  # back on the topic
    await page.keyboard.press("r")
    await page.keyboard.type("I would take it every morning.")
    await tab_to(page, page.get_by_role("main").get_by_role("button", name="Reply", exact=True))
    await page.keyboard.press("Enter")
    await expect(post(page, "I would take it every morning.")).to_be_in_viewport()
    await expect(post(page, "I would take it every morning.")).to_contain_text("Newcomer")
    await page.reload()
    await expect(post(page, "I would take it every morning.")).to_be_in_viewport()
    await shoot(page, "answered")


async def test_a_form_with_a_mistake_keeps_what_was_typed(open_page: OpenPage, word: str) -> None:
    page = await open_page("/sign-up")
    await page.get_by_label("Name", exact=True).fill("Planner")
    await page.get_by_label("E-mail address").fill(f"{word}@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Full name").fill("Somebody new")
    await page.get_by_role("main").get_by_role("button", name="Join").click()
    name = page.get_by_label("Name", exact=True)
    await expect(page.get_by_role("alert")).to_contain_text("This name is taken.")
    await expect(name).to_have_value("Planner")
    await expect(name).to_be_focused()
    await expect(page.get_by_text("People write to you as")).to_be_hidden()
    await expect(name).to_have_accessible_description(re.compile("This name is taken"))
    await expect(page.get_by_label("E-mail address")).to_have_value(f"{word}@example.org")
    await expect(page.get_by_label("Full name")).to_have_value("Somebody new")
    await expect(page.get_by_label("Password", exact=True)).to_have_value("")
    await shoot(page, "sign-up-wrong")


async def test_signing_out_and_in_leads_back_to_the_topic(open_page: OpenPage, topic: str) -> None:
    page = await open_page(topic)
    await page.get_by_role("link", name="Sign in to reply").click()
    await sign_in(page, "visitor@example.org", PASSWORD)
    await expect(page).to_have_url(re.compile(re.escape(topic)))
    await page.get_by_label("Your menu").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("banner").get_by_role("link", name="Sign in")).to_be_visible()
    await page.goto(topic)
    await expect(page.get_by_label("Your reply")).to_have_count(0)
    await page.get_by_role("banner").get_by_role("link", name="Sign in").click()
    await sign_in(page, "@Visitor", PASSWORD)
    await expect(page).to_have_url(re.compile(re.escape(topic)))
    await expect(page.get_by_label("Your reply")).to_be_visible()


async def test_a_wrong_password_keeps_the_name_and_says_what_to_do(open_page: OpenPage) -> None:
    page = await open_page("/sign-in")
    await sign_in(page, "visitor", "something else altogether")
    await expect(page.get_by_role("alert")).to_contain_text("Name and password do not fit together.")
    await expect(page.get_by_role("main").get_by_label("Name or e-mail")).to_have_value("visitor")
    await expect(page.get_by_role("main").get_by_label("Password", exact=True)).to_have_value("")
    await shoot(page, "sign-in-wrong")
    await sign_in(page, "visitor", PASSWORD)
    await expect(page.get_by_label("Your menu")).to_be_visible()


# ---------------------------------------------------------------- being answered
async def test_an_answer_is_counted_in_the_header_one_click_away(
    open_page: OpenPage, neighbour: forms.Browser, word: str
) -> None:
    page = await open_page("/g/mobility/new", as_="visitor")
    await page.get_by_label("Title").fill(f"Bicycles on the ferry {word}")
    await page.get_by_label("Text", exact=True).fill("Is there room for them?")
    await page.get_by_role("button", name="Open the topic").click()
    await expect(page.get_by_role("heading", name=word)).to_be_visible()
    await answer(neighbour, "/" + "/".join(page.url.split("/")[3:]), f"Room for twelve, {word}.")

    await page.goto("/")
    news = page.get_by_role("navigation", name="Main").get_by_role("link", name="Notifications")
    await expect(news).to_have_accessible_name("Notifications 1 unread")
    await news.click()
    await shoot(page, "notifications")
    await expect(page.get_by_role("listitem").filter(has_text=word)).to_contain_text("Neighbour answered you in")
    await page.get_by_role("link", name=word).click()
    await expect(post(page, f"Room for twelve, {word}.")).to_be_in_viewport()
    await page.goto("/")
    await expect(news).to_have_accessible_name("Notifications")


async def test_a_mention_is_a_link_and_a_notification(open_page: OpenPage, topic: str, word: str) -> None:
    page = await open_page(topic, as_="planner")
    await write(page, f"@resident would know, {word}.")
    await expect(post(page, word).get_by_role("link", name="@resident")).to_have_attribute(
        "href", re.compile("/u/resident$")
    )
    told = await open_page("/notifications", as_="resident")
    await expect(told.get_by_role("listitem").filter(has_text=word)).to_contain_text("Planner mentioned you in")


# ---------------------------------------------------------------- writing
async def test_a_draft_survives_a_reload(open_page: OpenPage, topic: str) -> None:
    page = await open_page(topic, as_="planner")
    box = page.get_by_label("Your reply")
    await box.press_sequentially("Half a thought about")
    await expect(page.get_by_text("· saved")).to_be_visible()
    await page.reload()
    await expect(box).to_have_value("Half a thought about")
    await box.focus()
    await expect(page.get_by_text("your draft is back")).to_be_visible()
    await box.press_sequentially(" rails")
    await box.press("Control+Enter")
    await expect(post(page, "Half a thought about rails")).to_be_visible()
    await expect(box).to_have_value("")


async def test_leaving_with_unsaved_words_asks_first(open_page: OpenPage, topic: str) -> None:
    page = await open_page(topic, as_="planner")
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    await page.route("**/drafts", lambda route: route.abort())  # the network is gone
    await page.get_by_label("Your reply").press_sequentially("Do not lose this")
    await page.get_by_role("link", name="Home").first.click(no_wait_after=True)
    await expect(page.get_by_label("Your reply")).to_have_value("Do not lose this")
    while not asked:
        await page.wait_for_event("dialog")
    assert asked == ["beforeunload"]
    assert topic in page.url


async def test_the_preview_is_what_will_be_shown(open_page: OpenPage, topic: str) -> None:
    page = await open_page(topic, as_="planner")
    source = "**Bold**, a list\n\n- one\n- two\n\n<b>no</b> [link](https://city.example/a) `code` @neighbour"
    await page.get_by_label("Your reply").fill(source)
    await page.get_by_role("button", name="Preview").click()
    preview = page.get_by_role("region", name="Preview")
    await expect(preview.get_by_role("listitem")).to_have_text(["one", "two"])
    promised = await preview.evaluate("element => element.innerHTML.trim()")
    await shoot(page, "preview")
    await page.get_by_role("main").get_by_role("button", name="Reply", exact=True).click()
    written = post(page, "Bold, a list").locator(".text")
    await expect(written).to_be_visible()
    assert await written.evaluate("element => element.innerHTML.trim()") == promised


async def test_selecting_words_quotes_them(open_page: OpenPage, neighbour: forms.Browser, topic: str) -> None:
    await answer(neighbour, topic, "The first half is dull. The second half matters.")
    page = await open_page(topic, as_="planner")
    theirs = post(page, "The second half matters.")
    await theirs.locator(".text p").evaluate(
        """paragraph => {
          const range = document.createRange();
          range.setStart(paragraph.firstChild, 24);
          range.setEnd(paragraph.firstChild, paragraph.firstChild.length);
          getSelection().removeAllRanges();
          getSelection().addRange(range);
        }"""
    )
    await theirs.get_by_role("button", name="Quote").click()
    box = page.get_by_label("Your reply")
    await expect(box).to_have_value("> The second half matters.\n\n")
    await expect(page.get_by_text("In reply to Neighbour")).to_be_visible()
    await shoot(page, "quoting")
    await page.keyboard.type("It does.")
    await page.keyboard.press("Control+Enter")
    mine = post(page, "It does.")
    await expect(mine.locator("blockquote")).to_have_text("The second half matters.")
    await mine.get_by_text("in reply to Neighbour").click()
    await expect(mine.locator(".parent")).to_contain_text("The first half is dull.")


async def test_a_like_counts_and_is_taken_back(open_page: OpenPage, topic: str, word: str) -> None:
    page = await open_page(topic, as_="planner")
    heart = post(page, "And when?").get_by_role("button", name="Like")
    await heart.click()
    await expect(heart).to_have_attribute("aria-pressed", "true")
    await expect(heart).to_contain_text("1")
    await page.reload()
    await expect(heart).to_have_attribute("aria-pressed", "true")
    stranger = await open_page(topic)
    await expect(post(stranger, "And when?").locator(".acts")).to_contain_text(re.compile(r"1 like\b"))
    await heart.press("Enter")
    await expect(heart).to_have_attribute("aria-pressed", "false")
    await expect(heart).not_to_contain_text("1")
    await expect(heart).to_be_focused()


async def test_an_edit_is_marked_and_its_history_readable(open_page: OpenPage, topic: str) -> None:
    page = await open_page(topic, as_="planner")
    await write(page, "The stop is at the harbour.")
    await menu(page, "The stop is at the harbour.", "Edit")
    await expect(page.get_by_label("Text")).to_have_value("The stop is at the harbour.")
    await page.get_by_label("Text").fill("The stop is at the market.")
    await page.get_by_role("button", name="Save").click()
    mine = post(page, "The stop is at the market.")
    await expect(mine).to_be_in_viewport()
    await mine.get_by_role("link", name="edited", exact=True).click()
    await expect(page.locator("del")).to_have_text("harbour")
    await expect(page.locator("ins")).to_have_text("market")
    await expect(page.get_by_text("The stop is at the harbour.")).to_be_visible()
    await shoot(page, "history")


async def test_a_deleted_post_leaves_its_empty_place(open_page: OpenPage, topic: str) -> None:
    page = await open_page(topic, as_="planner")
    await write(page, "I take this back.")
    address = await post(page, "I take this back.").get_by_title("The address of this post").get_attribute("href")
    assert address
    await menu(page, "I take this back.", "Delete")
    await expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    await page.get_by_role("button", name="Delete").click()
    await expect(page.locator("article.gone")).to_contain_text("#2 Deleted by its author.")
    await expect(page.get_by_text("I take this back.")).to_have_count(0)
    response = await page.goto(address)
    assert response is not None
    assert response.status == 410
    await expect(page.get_by_role("heading", name="This post was deleted.")).to_be_visible()


async def test_a_topic_without_a_title_keeps_its_text(open_page: OpenPage, word: str) -> None:
    page = await open_page("/g/water/new", as_="planner")
    await page.get_by_label("Title").fill("     ")  # long enough for the browser, not for the server
    await page.get_by_label("Text", exact=True).fill(f"A long explanation {word}.")
    await page.get_by_role("button", name="Open the topic").click()
    await expect(page.get_by_role("alert")).to_contain_text("Give it a title")
    await expect(page.get_by_label("Text", exact=True)).to_have_value(f"A long explanation {word}.")
