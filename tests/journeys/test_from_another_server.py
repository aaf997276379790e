"""Somebody at another server and somebody at a browser here talk with each other, and a third reads along."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from playwright.async_api import Locator, Page, expect

from tests.interop import browser as forms
from tests.interop.members import Member, Record
from tests.interop.server import Folkmoot

from .conftest import OpenPage
from .people import answer, post, shoot, write


@dataclass
class Talk:
    """A topic, as the browser that opened it and the server that follows know it."""

    path: str
    uri: str


@pytest.fixture
async def talk(folkmoot: Folkmoot, neighbour: forms.Browser, elsewhere: Member, word: str) -> Talk:
    """A topic longer than a screen, which alice's server has received."""
    lines = "\n\n".join(f"Paragraph {number} of a long opener." for number in range(1, 40))
    uri = await neighbour.open_topic("mobility", f"Night buses {word}", lines)
    await elsewhere.expect("the topic", lambda record: record["activity"].get("type") == "Announce", contains=uri)
    return Talk(await folkmoot.topic_page(uri), uri)


async def scroll_of(page: Page) -> int:
    return int(await page.evaluate("Math.round(scrollY)"))


async def half_written(page: Page, box: Locator) -> None:
    """Stand in the middle of the page with an unfinished word in a form."""
    await box.press_sequentially("half a wo")
    await page.evaluate("scrollTo({ top: 300, behavior: 'instant' })")
    await page.wait_for_function("Math.round(scrollY) === 300")


async def untouched(page: Page, box: Locator) -> None:
    await expect(box).to_have_value("half a wo")
    await expect(box).to_be_focused()
    assert await scroll_of(page) == 300


async def test_a_topic_opened_here_arrives_there(open_page: OpenPage, elsewhere: Member, word: str) -> None:
    page = await open_page("/g/mobility/new", as_="planner")
    await page.get_by_label("Title").fill(f"A bridge for {word}")
    await page.get_by_label("Text", exact=True).fill("For feet and wheels.")
    await expect(page.get_by_text("Public · goes to 1 server")).to_be_visible()
    await page.get_by_role("button", name="Open the topic").click()
    await expect(page.get_by_role("heading", name=word)).to_be_visible()

    def is_topic(record: Record) -> bool:
        wrapped = record["activity"].get("object")
        return isinstance(wrapped, dict) and word in str(wrapped.get("object"))

    record = await elsewhere.expect("the topic", is_topic, contains=word)
    assert f"A bridge for {word}" in record["activity"]["object"]["object"]["content"]


async def test_a_reply_from_elsewhere_arrives_on_an_open_page_and_moves_nothing(
    open_page: OpenPage, elsewhere: Member, talk: Talk
) -> None:
    reader, member = await open_page(talk.path), await open_page(talk.path, as_="planner")
    away, box = reader.get_by_label("Your server or handle"), member.get_by_label("Your reply")
    for page, form in ((reader, away), (member, box)):
        await half_written(page, form)
    await elsewhere.post("alice", "Ours runs until three.", inReplyTo=talk.uri)
    for page, form in ((reader, away), (member, box)):
        await expect(post(page, "Ours runs until three.")).to_be_attached()
        news = page.get_by_role("status").filter(has_text="1 new reply")
        await expect(news).to_have_attribute("aria-live", "polite")
        await untouched(page, form)
    await shoot(reader, "arrived")
    await reader.get_by_role("button", name="1 new reply").click()
    await expect(post(reader, "Ours runs until three.")).to_be_in_viewport()
    await expect(post(reader, "Ours runs until three.")).to_be_focused()
    await shoot(member, "half-written")


async def test_whoever_is_at_the_end_of_the_page_sees_the_reply_at_once(
    open_page: OpenPage, elsewhere: Member, topic: str, folkmoot: Folkmoot
) -> None:
    page = await open_page(topic)
    opener = await post(page, "And when?").get_by_title("The address of this post").get_attribute("href")
    await elsewhere.post("alice", "Ours is free on Sundays.", inReplyTo=f"{folkmoot.origin}{opener}")
    theirs = post(page, "Ours is free on Sundays.")
    await expect(theirs).to_be_in_viewport()
    await expect(page.get_by_role("status").filter(has_text="1 new reply")).to_be_attached()
    await expect(page.get_by_role("button", name="1 new reply")).to_be_hidden()


async def test_a_remote_author_is_shown_with_handle_and_server(
    open_page: OpenPage, elsewhere: Member, talk: Talk
) -> None:
    page = await open_page(talk.path)
    note = (await elsewhere.post("alice", "Look at our timetable.", inReplyTo=talk.uri))["object"]
    theirs = post(page, "Look at our timetable.")
    await expect(theirs).to_contain_text(elsewhere.handle("alice"))
    await expect(theirs.get_by_role("link", name=f"{elsewhere.host} ↗")).to_have_attribute("href", note)
    await theirs.get_by_role("link", name="alice").first.click()
    await expect(page.get_by_text(elsewhere.handle("alice")).first).to_be_visible()
    await expect(page.get_by_role("link", name=f"Profile on {elsewhere.host}")).to_have_attribute(
        "href", f"{elsewhere.origin}/@alice"
    )
    await expect(page.get_by_text("Look at our timetable.")).to_be_visible()


async def test_the_answer_of_a_browser_arrives_at_the_member(
    open_page: OpenPage, elsewhere: Member, talk: Talk, word: str
) -> None:
    note = (await elsewhere.post("alice", "Why not all night?", inReplyTo=talk.uri))["object"]
    page = await open_page(talk.path, as_="planner")
    await expect(post(page, "Why not all night?")).to_be_attached()
    await post(page, "Why not all night?").get_by_role("link", name="Reply").click()
    await expect(page.get_by_text("In reply to alice")).to_be_visible()
    await write(page, f"For want of drivers, {word}.")

    def is_answer(record: Record) -> bool:
        sent = record["activity"].get("object")
        return isinstance(sent, dict) and sent.get("inReplyTo") == note

    record = await elsewhere.expect("the answer", is_answer, contains=word)
    assert record["activity"]["type"] == "Create"
    assert f"For want of drivers, {word}." in record["activity"]["object"]["content"]


async def test_an_edit_and_a_removal_elsewhere_show_on_an_open_page(
    open_page: OpenPage, elsewhere: Member, talk: Talk
) -> None:
    page = await open_page(talk.path)
    note = (await elsewhere.post("alice", "At two.", inReplyTo=talk.uri))["object"]
    await expect(post(page, "At two.")).to_be_attached()
    await elsewhere.update("alice", note, "At three.")
    await expect(post(page, "At three.").get_by_role("link", name="edited", exact=True)).to_be_attached()
    await elsewhere.delete("alice", note)
    await expect(page.locator("article.gone")).to_contain_text("Deleted by its author.")


async def test_several_replies_are_told_in_one_sentence(
    open_page: OpenPage, neighbour: forms.Browser, talk: Talk
) -> None:
    page = await open_page(talk.path)
    for text in ("One stop more.", "One stop less."):
        await answer(neighbour, talk.path, text)
    await expect(page.get_by_role("status").filter(has_text="2 new replies")).to_be_attached()
    assert await scroll_of(page) == 0


async def test_the_follow_box_leads_to_the_visitors_own_server(open_page: OpenPage, folkmoot: Folkmoot) -> None:
    page = await open_page("/g/mobility")
    await expect(page.get_by_text(f"@mobility@{folkmoot.host}").first).to_be_visible()
    box = page.get_by_label("Your server or handle")
    await box.fill("mastodon.example")
    asked = page.locator("form.away").evaluate("form => `${form.action}?${new URLSearchParams(new FormData(form))}`")
    # The request is sent without the page, which would go on to that server.
    response = await page.request.get(await asked, max_redirects=0)
    follow = folkmoot.theme("mobility").replace(":", "%3A").replace("/", "%2F")
    door = f"https://mastodon.example/authorize_interaction?uri={follow}"
    assert (response.status, response.headers["refresh"]) == (200, f"0; url={door}")
    assert door in (await response.text()).replace("&amp;", "&")

    await box.fill("no server at all")
    await box.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("Write a server such as mastodon.example")
    await expect(page.get_by_label("Your server or handle")).to_have_value("no server at all")
    await page.get_by_label("Your server or handle").fill(folkmoot.host)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("alert")).to_contain_text("That is this server: sign in to take part here.")


async def test_the_way_to_answer_from_elsewhere_names_the_post(open_page: OpenPage, talk: Talk) -> None:
    page = await open_page(talk.path)
    await expect(page.get_by_role("link", name="Sign in to reply")).to_have_attribute(
        "href", re.compile(r"^/sign-in\?next=/t/")
    )
    await post(page, "Paragraph 1 of").get_by_role("link", name="Answer from your own server").click()
    await expect(page.get_by_text(talk.uri, exact=True)).to_be_visible()
    await shoot(page, "away")


async def test_what_tells_of_a_reply_moves_nothing_when_it_comes_and_goes(
    open_page: OpenPage, elsewhere: Member, talk: Talk
) -> None:
    page = await open_page(talk.path)
    heights = "[document.documentElement.scrollHeight, document.querySelector('#post-2').offsetHeight]"
    before = await page.evaluate("document.documentElement.scrollHeight")
    await elsewhere.post("alice", "It comes and goes.", inReplyTo=talk.uri)
    await expect(page.get_by_role("button", name="1 new reply")).to_be_visible()
    told, of_reply = await page.evaluate(heights)
    await post(page, "It comes and goes.").scroll_into_view_if_needed()
    await expect(page.get_by_role("button", name="1 new reply")).to_be_hidden()
    assert [told, of_reply] == await page.evaluate(heights)
    assert told - before <= of_reply + 40
