"""Deliveries to a server that fails: tried again where that makes sense, in order, and not where it does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from . import members
from .browser import Browser
from .members import Member, Record, announces
from .server import Folkmoot


@pytest_asyncio.fixture(scope="module")
async def energy(folkmoot: Folkmoot, clara: Browser, carols: Member) -> str:
    """A theme that only carol follows."""
    carols.examine = folkmoot.examine
    theme = await clara.add_theme("energy", "Energy")
    await carols.follow("carol", theme)
    await carols.expect_accepted("carol", theme)
    return theme


@pytest_asyncio.fixture(scope="module", autouse=True)
async def unanswered(
    folder: Path, folkmoot: Folkmoot, clara: Browser, ports: dict[str, int]
) -> AsyncIterator[tuple[Member, str]]:
    """A server that lets a delivery wait for longer than we do, and the topic that is on its way there. It begins
    before the other tests of this file, and is looked at after them."""
    await asyncio.to_thread(members.install)
    async with Member("mutes", "mute", folder, port=ports["mutes"]) as mutes:
        mutes.examine = folkmoot.examine
        theme = await clara.add_theme("patience", "Patience")
        await mutes.follow("mute", theme)
        await mutes.expect_accepted("mute", theme)
        await mutes.fault(delayMs=60_000, drop=True, count=1)
        yield mutes, await clara.open_topic("patience", "Waiting here", "Is anybody there?")


async def expect_topic(member: Member, uri: str) -> list[Record]:
    """The topic in both of its forms, as the shared inbox took it."""
    arrived = []
    for form in (None, "Create"):
        is_it = announces(uri, wrapped=form)
        found = await member.expect("the topic", lambda r, m=is_it: r["shared"] and m(r), contains=uri, wait=25)  # type: ignore[misc]
        arrived.append(found)
    return arrived


def at(record: Record) -> datetime:
    return datetime.fromisoformat(record["at"])


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        ({"status": 503}, 1),
        ({"status": 500}, 1),
        ({"status": 429, "retryAfter": "3"}, 3),
        # A connection that had been kept may have been closed by then: that is tried again at once.
        ({"drop": True}, 0),
    ],
)
async def test_a_failed_delivery_is_tried_again_in_order(
    clara: Browser, energy: str, carols: Member, fault: dict[str, Any], waits: int
) -> None:
    since = await carols.seq()
    await carols.fault(**fault, count=1)
    first = await clara.open_topic("energy", "Heat pumps", "Are they loud?")
    second = await clara.open_topic("energy", "Heat pumps again", "How loud?")
    arrived = [record for uri in (first, second) for record in await expect_topic(carols, uri)]
    assert [record["seq"] for record in arrived] == sorted(record["seq"] for record in arrived)
    [failed] = await carols.received(since=since, fault=True)
    counts = Counter(record["activity"]["id"] for record in await carols.received(since=since, contains="energy"))
    assert counts[failed["activity"]["id"]] == 1
    assert set(counts.values()) == {1}
    # Never earlier than that, where the attempt failed on the answer's side.
    assert at(arrived[0]) - at(failed) > timedelta(seconds=waits - 0.1)


@pytest.mark.parametrize("status", [404, 410])
async def test_an_inbox_that_is_not_there_is_tried_again_only_when_staff_says_so(
    clara: Browser, energy: str, carols: Member, status: int
) -> None:
    since = await carols.seq()
    await carols.fault(status=status)
    topic = await clara.open_topic("energy", "All gone", "Nobody is home.")
    letters = f"/staff/jobs?host={carols.host}"
    await clara.see(letters, f"{status} injected fault")
    await carols.fault()
    await expect_topic(carols, await clara.open_topic("energy", "Back again", "Somebody is."))
    tried = Counter(r["activity"]["id"] for r in await carols.received(since=since, contains=topic, fault=True))
    assert set(tried.values()) == {1}
    assert await carols.received(since=since, contains=topic) == []
    await clara.send("/staff/jobs", page=letters, host=carols.host, job="", action="retry")
    await expect_topic(carols, topic)
    await clara.miss(letters, "injected fault")


async def test_a_follower_whose_inbox_is_gone_is_looked_at_again(
    folkmoot: Folkmoot, clara: Browser, carols: Member, word: str
) -> None:
    theme = await clara.add_theme(word, f"Theme {word}")
    for name in ("carol", word):
        if name != "carol":
            await carols.add_actor(name, own_inbox_only=True)
        await carols.follow(name, theme)
        await carols.expect_accepted(name, theme)
    # The account is closed, and its server tells nobody.
    await carols.command("delete", as_=word, actor=True, inbox=[])
    topic = await clara.open_topic(word, "Who is left?", "Hello?")
    assert await carols.fetches(f"/users/{word}", since=1, wait=10)
    followers = (await folkmoot.document(theme))["followers"]
    await folkmoot.until("down to one follower", lambda d: d["totalItems"] == 1, followers)
    await expect_topic(carols, topic)


async def test_who_believes_no_signature_is_given_up_after_both_forms(
    folkmoot: Folkmoot, clara: Browser, energy: str, carols: Member
) -> None:
    since = await carols.seq()
    await carols.fault(status=401)
    topic = await clara.open_topic("energy", "Locked out", "Let us in.")
    [first, *_] = await carols.received(since=since, contains=topic, fault=True, wait=15)
    await clara.see(f"/staff/jobs?host={carols.host}", "401 injected fault")
    assert "given up: 401" in await folkmoot.explain(first["activity"]["id"])
    # What waited behind it is on its way now: it arrives, in order, and the one that was given up does not.
    await carols.fault()
    await expect_topic(carols, await clara.open_topic("energy", "Opened up", "You are in."))
    tried = await carols.received(since=since, contains=first["activity"]["id"], fault=True)
    assert [record["scheme"] for record in tried][:2] == ["cavage", "rfc9421"]
    assert len(tried) <= 4
    assert await carols.received(since=since, contains=first["activity"]["id"]) == []


async def test_the_other_form_of_signatures_is_tried_at_once_and_remembered(
    clara: Browser, energy: str, carols: Member
) -> None:
    since = await carols.seq()
    for refused, taken in (("cavage", "rfc9421"), ("rfc9421", "cavage")):
        await carols.fault(status=401, scheme=refused)
        first = await expect_topic(carols, await clara.open_topic("energy", f"Not {refused}", "In which form?"))
        [knock] = await carols.received(since=since, fault=True)
        assert (knock["scheme"], knock["activity"]["id"]) == (refused, first[0]["activity"]["id"])
        since = await carols.seq()
        second = await expect_topic(carols, await clara.open_topic("energy", f"Still not {refused}", "And now?"))
        assert {record["verify"]["http"]["scheme"] for record in first + second} == {taken}
        assert await carols.received(since=since, fault=True) == []
    await carols.fault()


async def test_who_does_not_answer_is_asked_again(clara: Browser, unanswered: tuple[Member, str]) -> None:
    mutes, topic = unanswered
    later = await clara.open_topic("patience", "Still waiting", "Anybody?")
    arrived = [record for uri in (topic, later) for record in await expect_topic(mutes, uri)]
    assert [record["seq"] for record in arrived] == sorted(record["seq"] for record in arrived)
    [stalled] = await mutes.received(fault=True)
    assert stalled["activity"]["id"] in {record["activity"]["id"] for record in arrived}


async def test_a_server_that_reads_only_the_other_form_or_is_down_for_a_moment_can_be_asked(
    folkmoot: Folkmoot, unanswered: tuple[Member, str], word: str
) -> None:
    mutes, _ = unanswered
    theme = folkmoot.theme("patience")
    await mutes.command("policy", authorizedFetch=True)
    for name, fault in (
        (word, {"match": "GET", "status": 401, "scheme": "cavage"}),
        # The key of somebody new cannot be read just now: the Follow is kept, and proven later.
        (f"x{word}", {"match": "GET", "status": 503, "count": 2}),
    ):
        await mutes.add_actor(name)
        await mutes.fault(**fault)
        since = await mutes.seq()
        await mutes.follow(name, theme)
        await mutes.expect_accepted(name, theme)
        await mutes.fault()
        asked = await mutes.fetches(f"/users/{name}", since=since)
        assert [fetch["scheme"] for fetch in asked] == ["rfc9421"]
