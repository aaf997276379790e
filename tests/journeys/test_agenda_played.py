"""From an article to the agenda: an editor publishes, somebody on another server comments, a member here puts that
comment on the agenda, its author hears of it and takes their name off, staff merge, split and schedule.

At browsers with a window, and with a member of other software who verifies what arrives.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, expect

from tests.interop import members
from tests.interop.members import Member, Record, sends
from tests.interop.server import Folkmoot
from tests.ports import free_port

from .people import menu, post, write
from .stage import Clock, boosted, device, found, is_note_to, look, until

EVENT, AGENDA = "World Smart Cities Forum", "/agenda/wscf_2027"
COMMENT = "Our roofs hold half of what the sewer cannot."
SECOND = "Who pays for the tank in the tenth year?"


@dataclass
class Stage:
    clock: Clock
    hub: Folkmoot
    alices: Member


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    await asyncio.to_thread(members.install)
    clock = Clock(tmp_path / "clock")
    clock.file.write_text("0")
    (tmp_path / "hub").mkdir()
    port = free_port()
    hub = Folkmoot(tmp_path / "hub", [f"127.0.0.1:{port}"], clock=clock.file)
    await found(hub, tmp_path / "hub", "warden", "gazette", "planner", editors=("gazette",))
    alices = Member("alices", "alice", tmp_path, port=port, software="mastodon", clock=clock.file)
    async with hub, alices:
        alices.examine = hub.examine
        yield Stage(clock, hub, alices)


async def publish(stage: Stage, gazette: Page, warden: Page) -> str:
    """The editor writes, a second one approves, the editor publishes; answers the article's id."""
    await gazette.goto("/staff/articles/new")
    await gazette.get_by_role("button", name="Begin the draft").click()
    await gazette.get_by_label("Title", exact=True).fill("What the roofs of a city can hold")
    await gazette.get_by_label("Abstract").fill("Rain is the water that a city pays for twice.")
    await gazette.get_by_label("Text", exact=True).fill("It falls for nothing.\n\nThen we pay to be rid of it.")
    await gazette.get_by_role("checkbox", name="Water").check()
    await gazette.get_by_role("button", name="Preview").click()
    await expect(gazette.get_by_text("Then we pay to be rid of it.").first).to_be_visible()
    await gazette.get_by_role("button", name="Ask for a review").click()
    await expect(gazette.get_by_text("It waits for another editor.")).to_be_visible()
    await look(gazette, "agenda-draft")
    await warden.goto("/notifications")
    await warden.get_by_role("link", name="Open it").click()
    await warden.get_by_role("button", name="Approve").click()
    await gazette.reload()
    await gazette.get_by_role("button", name="Publish now").click()
    await expect(gazette.get_by_text("This is out.")).to_be_visible()
    await gazette.get_by_role("link", name="Read it with its comments").click()
    uri = await gazette.locator("article.post").first.get_by_title("The address of this post").get_attribute("href")
    return f"{stage.hub.origin}{uri}"


async def propose(page: Page, words: str, title: str) -> None:
    """Put the post that says ``words`` on the agenda as a new item."""
    await menu(page, words, "Put on the agenda")
    await expect(page.get_by_text("gets one message from the clerk")).to_be_visible()
    await look(page, "agenda-put")
    await page.get_by_label("Title", exact=True).fill(title)
    await page.get_by_role("button", name="Propose this item").click()
    await expect(page.get_by_role("heading", name=title)).to_be_visible()


async def decide(page: Page, number: int, deed: str) -> None:
    """Open the form for one decision on an item."""
    await page.goto(f"{AGENDA}/{number}/curate")
    await page.locator(f"#do-{deed} summary").click()


async def exported(stage: Stage) -> list[dict[str, Any]]:
    _, _, page = await stage.hub.get(f"{stage.hub.origin}{AGENDA}/agenda.json")
    assert isinstance(page, dict)
    return list(page["items"])


@pytest.mark.timeout(240)
async def test_from_an_article_to_the_agenda(stage: Stage, browser: Chromium) -> None:
    hub, alices, clock = stage.hub, stage.alices, stage.clock
    water = hub.theme("water")
    await alices.follow("alice", water)
    await alices.expect_accepted("alice", water)
    warden, gazette, planner = [await device(browser, hub, name) for name in ("warden", "gazette", "planner")]

    # The event is set up, and the member elsewhere follows its agenda.
    await warden.goto("/staff/agendas/new")
    await warden.get_by_label("Name of the event").fill(EVENT)
    await warden.get_by_label("First day").fill("2027-07-13")
    await warden.get_by_label("Time zone").select_option("Asia/Singapore")
    await warden.get_by_label("Place").fill("Singapore")
    await warden.get_by_role("button", name="Open the agenda").click()
    agenda = hub.theme("wscf_2027")
    await until("the agenda", lambda: _is_there(hub, agenda))
    await alices.follow("alice", agenda)
    await alices.expect_accepted("alice", agenda)

    # The article reaches its reader, whose comment both see; and so does the answer.
    article = await publish(stage, gazette, warden)
    await boosted(alices, water, article, "the article")
    document = await hub.document(article)
    assert (document["type"], document["summary"]) == ("Article", "Rain is the water that a city pays for twice.")
    comment = (await alices.post("alice", COMMENT, inReplyTo=article))["object"]
    await expect(post(gazette, COMMENT)).to_be_visible()
    await write(gazette, "Half! Where did you measure it?")

    def is_answer(record: Record) -> bool:
        about = record["activity"].get("object")
        return isinstance(about, dict) and about.get("inReplyTo") == article and "Half!" in about.get("content", "")

    await alices.expect("the editor's answer", is_answer, contains="Half!")
    await look(gazette, "agenda-article")
    await planner.goto("/blog")
    await expect(planner.get_by_text("Rain is the water")).to_be_visible()
    await look(planner, "agenda-blog")

    # A member puts the comment on the agenda; its author hears of it, once, and so do all who follow the agenda.
    path = (await hub.topic_page(article)).removeprefix(hub.origin)
    await planner.goto(path)
    await propose(planner, COMMENT, "Rain is a utility")
    await expect(planner.get_by_text(alices.handle("alice")).first).to_be_visible()
    item = (await exported(stage))[0]["post"]
    await boosted(alices, agenda, item, "the item")
    await alices.like("alice", item)
    await alices.post("alice", SECOND, inReplyTo=article)
    await planner.goto(path)
    await expect(post(planner, SECOND)).to_be_visible()
    await propose(planner, SECOND, "The tenth year")
    clock.set(clock.now() + timedelta(minutes=11))
    told = await alices.expect("word of being cited", is_note_to(alices, "alice"), wait=25)
    said = told["activity"]["object"]["content"]
    assert "Rain is a utility" in said
    assert "The tenth year" in said
    link = re.search(rf'href="{re.escape(hub.origin)}(/citations/[^"]+)"', said)
    assert link is not None, said
    assert len([r for r in await alices.received(kind="Create") if is_note_to(alices, "alice")(r)]) == 1

    # She has no account here, and takes her name off.
    context = await browser.new_context(base_url=hub.origin, locale="en-GB")
    stranger = await context.new_page()
    await stranger.goto(link[1])
    await look(stranger, "agenda-citations")
    await stranger.get_by_role("button", name="Take my name off all of these").click()
    await expect(stranger.get_by_text("Your name is on none of these.")).to_be_visible()
    for number in (1, 2):
        await planner.goto(f"{AGENDA}/{number}")
        await expect(planner.get_by_text("does not wish to be named").first).to_be_visible()
        assert alices.handle("alice") not in await planner.get_by_role("main").inner_text()
    data = json.dumps(await exported(stage))
    for traitor in (comment, alices.host, "alice"):
        assert traitor not in data
    assert comment not in json.dumps(await hub.document(item))
    await planner.goto(path)
    await expect(post(planner, COMMENT)).not_to_contain_text("On the agenda")

    # Merged, split and scheduled, with everything behind it and everything that was said of it.
    await decide(warden, 2, "merge")
    await warden.get_by_role("radio", name=re.compile("Rain is a utility")).check()
    await warden.locator("#do-merge").get_by_label("Why").fill("One is how, the other who pays.")
    await look(warden, "agenda-curate")
    await warden.locator("#do-merge").get_by_role("button", name="Merge", exact=True).click()
    await decide(warden, 1, "split")
    await warden.get_by_label("Title of the new item").fill("Who keeps it up")
    await warden.locator("#do-split").get_by_role("checkbox").last.check()
    await warden.get_by_role("button", name="Make the new item").click()
    await decide(warden, 1, "schedule")
    await warden.locator("#do-schedule").get_by_label("From").fill("10:15")
    await warden.locator("#do-schedule").get_by_label("Room").fill("Hall A")
    await warden.get_by_role("button", name="Schedule it").click()
    update = await alices.expect("the hour", sends("Update", item), contains=item, wait=25)
    while "Hall A" not in update["activity"]["object"]["content"]:
        update = await alices.expect("the hour", _says(item, "Hall A"), contains="Hall A", wait=25)
    held = {each["number"]: each for each in await exported(stage)}
    assert {number: each["state"] for number, each in held.items()} == {1: "scheduled", 2: "merged", 3: "proposed"}
    assert [len(held[number]["sources"]) for number in (1, 2, 3)] == [2, 1, 1]
    await planner.goto(f"{AGENDA}/1")
    for words in ("The tenth year", "Who keeps it up", "One is how, the other who pays.", "Hall A", "10:15"):
        await expect(planner.get_by_role("main").get_by_text(words, exact=False).first).to_be_visible()
    await expect(planner.locator("#support")).to_contain_text("1 from other servers")
    await look(planner, "agenda-item")
    await planner.goto(AGENDA)
    await expect(planner.get_by_text("one whose author does not wish to be named").first).to_be_visible()
    await look(planner, "agenda-page")
    for where, name in (("/", "home"), ("/g/water", "theme"), (f"{AGENDA}/whole", "whole")):
        answer = await planner.goto(where)
        assert answer is not None
        assert answer.ok
        await look(planner, f"agenda-{name}")
    collection = await hub.document((await hub.document(agenda))["agenda"])
    assert item in json.dumps(collection)
    assert alices.host not in json.dumps(collection)

    # At the milestone, the agenda as an article.
    clock.set(clock.now() + timedelta(minutes=11))

    def is_article(record: Record) -> bool:
        activity = record["activity"]
        return activity.get("actor") == agenda and activity.get("type") == "Announce" and activity["object"] not in seen

    seen = {item} | {str(each["post"]) for each in held.values()}
    told_of = (await alices.expect("the agenda as an article", is_article, wait=25))["activity"]["object"]
    document = await hub.document(told_of)
    assert document["type"] == "Article"
    assert "Rain is a utility" in document["content"]
    for page in (warden, gazette, planner, stranger):
        await page.context.close()


def _says(uri: str, words: str) -> Any:
    def matches(record: Record) -> bool:
        return sends("Update", uri)(record) and words in record["activity"]["object"]["content"]

    return matches


async def _is_there(hub: Folkmoot, uri: str) -> bool:
    return bool((await hub.get(uri))[0] == 200)
