"""A whole debate, played by people on four servers while time is moved: from the rule of a series to the digest.

The hub with its host and two members at browsers, a linked city with a citizen, and two members of other software, who
verify by themselves what reaches them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, expect

from tests.interop import members
from tests.interop.browser import Browser
from tests.interop.members import Member, Record
from tests.interop.server import Folkmoot
from tests.ports import free_port

from .place import PASSWORD
from .stage import Clock, boosted, device, found, is_note_to, look, until

MOTION = "Every new roof should collect its own rain"
ZONE = "Europe/Paris"


@dataclass
class Stage:
    """The servers and the people of the play."""

    clock: Clock
    hub: Folkmoot
    city: Folkmoot
    alices: Member
    bobs: Member
    people: dict[str, Browser] = field(default_factory=dict)

    async def at(self, name: str) -> Browser:
        """Somebody at a browser without a window: ``warden``, or ``citizen@city``."""
        if name not in self.people:
            person, _, where = name.partition("@")
            self.people[name] = await (self.city if where else self.hub).browser(person, PASSWORD)
        return self.people[name]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    await asyncio.to_thread(members.install)
    clock = Clock(tmp_path / "clock")
    clock.file.write_text("0")
    folders = [tmp_path / name for name in ("hub", "city")]
    for folder in folders:
        folder.mkdir()
    ports = [free_port(), free_port()]
    hosts = [f"127.0.0.1:{port}" for port in ports]
    hub = Folkmoot(folders[0], hosts, clock=clock.file)
    city = Folkmoot(folders[1], [hub.host, *hosts], clock=clock.file)
    hub.allow(city.host)
    await found(hub, folders[0], "warden", "harriet", "planner", "neighbour")
    await found(city, folders[1], "mayor", "citizen")
    alices = Member("alices", "alice", tmp_path, port=ports[0], software="mastodon", clock=clock.file)
    bobs = Member("bobs", "bob,ben", tmp_path, port=ports[1], software="gotosocial", clock=clock.file)
    async with hub, city, alices, bobs:
        alices.examine = bobs.examine = hub.examine
        made = Stage(clock, hub, city, alices, bobs)
        try:
            yield made
        finally:
            for person in made.people.values():
                await person.close()


async def link(stage: Stage) -> None:
    """The city asks for a link of its theme with the hub's, and the hub agrees."""
    there, here = await stage.at("mayor@city"), await stage.at("warden")
    handle = f"@water@{stage.hub.host}"
    await there.send("/staff/links", page="/staff/links", action="propose", theme="water", address=handle)

    async def asked() -> Any:
        page = await here.get("/staff/links")
        return [form for form in page.forms if ("action", "accept") in form.buttons]

    [form] = await until("the city asks", asked)
    await here.send("/staff/links", page="/staff/links", **{**form.fields, "action": "accept"})
    await there.see("/staff/links", "Linked.")


def opening(now: datetime) -> datetime:
    """14:00 in Paris on the first 18th that is more than three weeks away."""
    day = now + timedelta(days=23)
    while day.day != 18:
        day += timedelta(days=1)
    return datetime(day.year, day.month, 18, 14, tzinfo=ZoneInfo(ZONE))


async def part(stage: Stage, floor: str, name: str, position: str = "") -> str:
    """The id of the clerk's post of a kind on the floor."""

    async def find() -> str:
        status, _, context = await stage.hub.get(f"{stage.hub.origin}/t/{floor}/context")
        for uri in context["orderedItems"] if status == 200 else []:
            if not uri.startswith(stage.hub.origin):
                continue
            document = await stage.hub.document(uri)
            if (document.get("part"), document.get("position", "")) == (name, position):
                return str(uri)
        return ""

    return str(await until(f"the clerk's {name} {position}", find))


async def ballot(page: Page, choice: str) -> None:
    """Vote in the poll that a page shows."""
    await page.get_by_role("radio", name=choice).first.check()
    await page.get_by_role("button", name="Vote", exact=True).first.click()


@pytest.mark.timeout(240)
async def test_a_whole_debate(stage: Stage, browser: Chromium) -> None:
    hub, city, alices, bobs, clock = stage.hub, stage.city, stage.alices, stage.bobs, stage.clock
    water = hub.theme("water")
    await link(stage)
    for member, who in ((alices, "alice"), (bobs, "ben")):
        await member.follow(who, water)
        await member.expect_accepted(who, water)

    # A series makes its first debate by itself, three weeks before the 18th.
    warden = await stage.at("warden")
    opens_at = opening(clock.now())
    page = await warden.send(
        "/staff/series/new", page="/staff/series/new", theme="water", name="The debate of the 18th",
        motion="The motion of {month}", text="", date=f"{opens_at:%Y-%m-%d}", time="14:00", repeats="day", every="1",
        zone=ZONE, minutes="60", announce_days="21", call_days="14", digest_days="2", language="en",
        hosts="@harriet", prefix="debate",
    )  # fmt: skip
    assert page.status == 200
    handle = f"debate_{opens_at:%Y_%m_%d}"
    group, path = hub.theme(handle), f"/g/{handle}"
    clock.set(opens_at - timedelta(days=21) + timedelta(minutes=1))

    async def made() -> bool:
        return (await hub.get(group))[0] == 200

    await until("the series makes the debate", made)
    await warden.send(f"{path}/edit", page=f"{path}/edit", motion=MOTION, text="A tank beside every house.")
    document = await hub.document(group)
    floor_opener = document["debate"]["floor"]
    floor = (await hub.topic_page(floor_opener)).split("/")[2]
    await boosted(alices, water, floor_opener, "the motion")
    for member, who in ((alices, "alice"), (bobs, "ben")):
        await member.follow(who, group)
        await member.expect_accepted(who, group)

    # The host says yes on the page, a panellist elsewhere by a favourite.
    harriet = await stage.at("harriet")
    told = await harriet.get("/notifications")
    note = next((url for url, words in told.links if words == "Read the invitation"), "")
    seat = (await harriet.get(note)).path
    await harriet.send(seat, page=seat, answer="yes")
    await warden.send(f"{path}/seats", page=f"{path}/seats", action="invite", handle=bobs.handle("bob"), role="panel")
    asked = await bobs.expect("the invitation", is_note_to(bobs, "bob"), wait=25)
    assert MOTION in asked["activity"]["object"]["content"]
    clerk = f"{hub.person('clerk')}/inbox"
    liked = await bobs.like("bob", asked["activity"]["object"]["id"], inbox=clerk)

    async def outcome() -> str:
        return "seat-accepted" if "seat-accepted" in await hub.explain(liked["id"]) else ""

    await until("the favourite is taken for a yes", outcome)
    await warden.see(path, "Panel")

    # The linked city shows the debate, with what is said there to come.
    mirror = f"/g/{handle}@{hub.host}"
    citizen = await stage.at("citizen@city")
    await citizen.see(mirror, MOTION)

    # The call: questions from two members elsewhere, two browsers, and the city.
    clock.set(opens_at - timedelta(days=14) + timedelta(minutes=1))
    call = await part(stage, floor, "stub", "question")
    for member in (alices, bobs):
        await boosted(member, water, call, "the call for questions")
    await alices.post("alice", "Who cleans the tank when the landlord will not?", inReplyTo=call)
    await bobs.post("ben", "Who repairs it?", inReplyTo=call)
    planner, neighbour = [await device(browser, hub, name) for name in ("planner", "neighbour")]
    for page_, words in ((planner, "Does it pay where it rains little?"), (neighbour, "Is my roof large enough?")):
        await page_.goto(f"{path}/questions")
        await page_.locator("textarea[name=text]").fill(words)
        await page_.get_by_role("button", name="Ask").click()
        await expect(page_.get_by_text(words).first).to_be_visible()
    await citizen.see(f"{mirror}/questions", "Who repairs it?")
    await citizen.send(f"{mirror}/questions", page=f"{mirror}/questions", text="What does a tank cost in a city?")
    await harriet.see(f"{path}/desk", "What does a tank cost in a city?")

    async def number(words: str) -> str:
        """The number of the question that says ``words``, as every other question offers it for merging."""
        desk = await harriet.see(f"{path}/desk", words)
        found = re.search(rf'<option value="(\d+)">[^<]*{re.escape(words)}', desk.html)
        assert found, f"no question says {words}"
        return found[1]

    async def deal(words: str, deed: str, **more: str) -> None:
        """What the host does with a question."""
        await harriet.send(f"{path}/desk/{await number(words)}/{deed}", page=f"{path}/desk", **more)

    await deal("Who cleans the tank", "accept")
    await deal("Does it pay", "accept")
    await deal("Who repairs it", "merge", into=await number("Who cleans the tank"))
    await deal("Is my roof large enough", "decline", reason="Your own roof is for the helpdesk.")

    def names_alice(record: Record) -> bool:
        about = record["activity"].get("object")
        return isinstance(about, dict) and about.get("part") == "card" and alices.uri("alice") in str(about.get("tag"))

    card = (await alices.expect("the card of her question", names_alice, wait=25))["activity"]["object"]["id"]
    await bobs.like("ben", card)
    await warden.see(f"{path}/questions", "1 from other servers")
    await planner.goto(f"{path}/questions")
    await look(planner, "debate-questions")

    # The hour begins by itself: the page that was open becomes live, and the floor has three posts to answer.
    clock.set(opens_at - timedelta(minutes=1))
    await planner.goto(f"{path}/live")
    await look(planner, "debate-before")
    clock.set(opens_at + timedelta(seconds=5))
    live = await part(stage, floor, "live")
    await boosted(alices, water, live, "that it is live")
    await expect(planner.get_by_text("Live", exact=False).first).to_be_visible(timeout=25_000)
    opening_poll = await part(stage, floor, "opening-poll")
    await boosted(alices, group, opening_poll, "the opening poll")
    await alices.command("vote", as_="alice", target=opening_poll, choices=["In favour"])
    await bobs.command("vote", as_="ben", target=opening_poll, choices=["Undecided"])
    await neighbour.goto(f"{path}/results")
    await ballot(neighbour, "Against")

    side_for, side_against = await part(stage, floor, "stub", "for"), await part(stage, floor, "stub", "against")
    await alices.post("alice", "A tank costs less than the car space beside it.", inReplyTo=side_for)
    await bobs.post("ben", "A thousand tanks are a thousand mosquito ponds.", inReplyTo=side_against)
    await citizen.see(f"{mirror}", "mosquito ponds")
    city_page = await citizen.get(mirror)
    reply = next(form.action for form in city_page.forms if form.action.endswith("/reply"))
    await citizen.send(reply.removeprefix(city.origin), page=mirror, text="Our city paid half of ours.", position="for")
    await neighbour.goto(path)
    await neighbour.get_by_role("link", name="Argue against").click()
    await neighbour.locator("#composer textarea").fill("One basin for each block is cheaper.")
    await neighbour.locator("#composer").get_by_role("button", name="Send").click()
    for words in ("car space", "mosquito ponds", "Our city paid half", "One basin"):
        page = await warden.see(path, words)

    # The panellist answers from home: the group tells its followers, and nobody hears of the audience in their feed.
    answer = (await bobs.post("bob", "The city does, and bills the landlord.", inReplyTo=card))["object"]
    await boosted(alices, group, answer, "the panel's answer")
    await harriet.see(f"{path}/desk", "bills the landlord")
    plain = [
        record for record in await alices.received(kind="Announce") if isinstance(record["activity"]["object"], str)
    ]
    told_of = {record["activity"]["object"] for record in plain}
    assert not any(uri.startswith(bobs.origin) and uri != answer for uri in told_of)
    await expect(planner.get_by_text("bills the landlord").first).to_be_visible()
    await look(planner, "debate-live")
    await neighbour.goto(path)
    await look(neighbour, "debate-sides")

    # The same question once more, and the end.
    clock.set(opens_at + timedelta(minutes=45))
    closing_poll = await part(stage, floor, "closing-poll")
    await boosted(alices, group, closing_poll, "the closing poll")
    await alices.command("vote", as_="alice", target=closing_poll, choices=["In favour"])
    await bobs.command("vote", as_="ben", target=closing_poll, choices=["In favour"])
    await neighbour.goto(f"{path}/results")
    await ballot(neighbour, "Undecided")
    clock.set(opens_at + timedelta(minutes=60, seconds=10))
    closed = await part(stage, floor, "closed")
    await boosted(alices, water, closed, "the end with its result")
    words = (await hub.document(closed))["content"]
    assert re.search(r"In favour 50 → 100 %.*\(2 and 2 votes\)", words), words
    assert (await hub.document(closing_poll)).get("closed")
    late = await alices.post("alice", "One more thing about tanks.", inReplyTo=side_for)
    assert "One more thing" not in (await harriet.get(path)).text
    assert "debate-is-over" in await hub.explain(late["id"])

    await harriet.send(f"{path}/conclusion", page=f"{path}/conclusion", text="Tanks, where somebody looks after them.")
    conclusion = await part(stage, floor, "conclusion")
    await boosted(alices, water, conclusion, "the conclusion")
    await warden.send(f"{path}/digest", page=f"{path}/digest", do="ready")
    clock.set(opens_at + timedelta(days=2, hours=1, minutes=1))

    def is_digest(record: Record) -> bool:
        return record["activity"].get("actor") == water and isinstance(record["activity"]["object"], str)

    seen = {record["activity"]["object"] for record in await alices.received(kind="Announce") if is_digest(record)}

    async def digest() -> str:
        for record in await alices.received(kind="Announce"):
            about = record["activity"]["object"]
            if is_digest(record) and about not in seen and (await hub.get(about))[2].get("type") == "Article":
                return str(about)
        return ""

    article = await hub.document(await until("the digest", digest))
    assert MOTION in article["name"]
    assert 0 < len(article["summary"]) <= 500
    assert "car space" in article["content"]

    # What the pages say in the end, here and in the linked city.
    for person, where in ((warden, path), (citizen, mirror)):
        page = await person.see(where, "Tanks, where somebody looks after them.")
        for words in (MOTION, "car space", "mosquito ponds", "Our city paid half", "One basin"):
            assert words in page.text, f"{where} does not say {words}"
    for name in ("", "/results", "/questions", "/whole"):
        await planner.goto(path + name)
        await look(planner, f"debate-after{name.replace('/', '-')}")
    exported = await hub.browser()
    try:
        assert "BEGIN:VEVENT" in (await exported.get("/debates.ics")).html
        assert MOTION in (await exported.get(f"{path}/export.json")).html
    finally:
        await exported.close()
    for page_ in (planner, neighbour):
        await page_.context.close()
