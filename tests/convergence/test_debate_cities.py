"""A debate at a hub, seen and taken part in at a linked city: after every step both show the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from community import debates, members, panels, polls, posts, reactions, swing
from community.debate_models import Debate
from community.debates import Plan
from community.models import Actor, Membership, Notification, Post, Topic
from community.policy import Refused
from tests.conftest import pair
from tests.convergence import deeds
from tests.convergence.town import Town, settle
from tests.ports import free_port


class Cities:
    """``hub`` (clara, who arranges debates, and anna) and ``city`` (ben and cleo), whose themes are linked, with one
    clock."""

    early = ""  # the debate that was there first

    def __init__(self, hub: Town, city: Town) -> None:
        self.hub, self.city = hub, city
        self.now = datetime.now(UTC).replace(microsecond=0)
        for town in (hub, city):
            town.site.database.clock = lambda: self.now

    async def settle(self, passed: timedelta = timedelta(0)) -> None:
        self.now += passed
        await settle(self.hub, self.city)

    async def make(self, motion: str, ahead: timedelta, number: int) -> Debate:
        """A debate at the hub, with a call a day before."""
        async with self.hub.site.database.write() as tx:
            clara, theme = await members.find(tx, "clara"), await members.find(tx, "mobility")
            assert clara is not None
            assert theme is not None
            opens_at = self.now + ahead
            plan = Plan(motion, opens_at, 60, "Europe/Madrid", "All night?", call_at=opens_at - timedelta(days=1))
            return await debates.make(tx, clara, theme, await pair(number), plan)

    async def clara(self) -> Actor:
        async with self.hub.site.database.read() as tx:
            found = await members.find(tx, "clara")
        assert found is not None
        return found

    async def debate(self, town: Town, uri: str) -> Debate | None:
        async with town.site.database.read() as tx:
            group = await tx.by_uri(Actor, uri)
            return await tx.get(Debate, group.id) if group is not None else None

    async def shown(self, town: Town, uri: str) -> dict[str, Any]:
        """All that the pages of a debate are made of, by ids and names that mean the same everywhere."""
        debate = await self.debate(town, uri)
        assert debate is not None
        async with town.site.database.read() as tx:
            query = select(Post, Actor.uri).join(Actor, Actor.id == Post.author_id)
            rows = (await tx.execute(query.where(Post.topic_id == debate.topic_id))).all()
            uris = {post.id: post.uri for post, _ in rows}
            seats = await debates.seats(tx, debate.actor_id)
            taken = await swing.measure(tx, debate)
            return {
                "motion": debate.motion,
                "text": debate.text_html,
                "state": debate.state,
                "times": (debate.opens_at, debate.closes_at, debate.call_at, debate.zone),
                "theme": debate.theme.uri if debate.theme else "",
                "conclusion": debate.conclusion_html,
                "seats": sorted((seat.actor.uri, seat.role) for seat in seats),
                "votes": [
                    None if each is None else (each.all.votes, each.is_over) for each in (taken.opening, taken.closing)
                ],
                "closes_at": (await tx.get_one(Topic, debate.topic_id)).closes_at,
                "posts": {
                    post.uri: (
                        author, post.part, post.position, uris.get(post.reply_to_id), post.html,
                        post.like_count_here + post.like_count_elsewhere, post.deleted_at is not None,
                    )
                    for post, author in rows
                },
            }  # fmt: skip

    async def same(self, uri: str) -> dict[str, Any]:
        await self.settle()
        at_hub, at_city = await self.shown(self.hub, uri), await self.shown(self.city, uri)
        assert at_city == at_hub
        return at_hub

    async def reply(self, town: Town, who: str, parent: str, text: str) -> str:
        return await deeds.do(town.site, {"do": "reply", "as": who, "post": parent, "text": text})

    async def take_no_side(self, town: Town, who: str, parent: str) -> str:
        async with town.site.database.write() as tx:
            actor, post = await members.find(tx, who), await tx.by_uri(Post, parent)
            assert actor is not None
            assert post is not None
            written = replace(await posts.compose(tx, "I only ask."), position=posts.NO_POSITION)
            topic = await tx.get_one(Topic, post.topic_id)
            return (await posts.reply(tx, actor, topic, written, reply_to=post)).uri

    async def vote(self, town: Town, who: str, question: str, choice: str) -> None:
        async with town.site.database.write() as tx:
            actor, post = await members.find(tx, who), await tx.by_uri(Post, question)
            assert actor is not None
            assert post is not None
            await polls.vote(tx, actor, post, [choice])


@pytest.fixture
async def cities(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Cities]:
    ports = [free_port(), free_port()]
    hub = await Town.found(tmp_path / "hub", sqlite_template, ports[0], ports)
    city = await Town.found(tmp_path / "city", sqlite_template, ports[1], ports)
    made = Cities(hub, city)
    try:
        for number, (town, people) in enumerate(((hub, ("clara", "anna")), (city, ("carl", "ben", "cleo")))):
            for count, name in enumerate(people):
                role = "member" if count else "admin"
                await deeds.add_member(town.site, name, 2 + (3 * number + count) % 6, site_role=role)
            await deeds.add_theme(town.site, "mobility", 4 + number)
        await deeds.propose(city.site, "carl", "mobility", f"mobility@{hub.site.settings.host}")
        await made.settle()
        # Announced before they were linked.
        made.early = (await made.make("Trams in the morning", timedelta(days=9), 6)).actor.uri
        await deeds.welcome(hub.site, "clara", "mobility", f"mobility@{city.site.settings.host}")
        await made.settle()
        yield made
    finally:
        await hub.close()
        await city.close()


def part_of(shown: dict[str, Any], part: str, position: str = "") -> str:
    [uri] = [uri for uri, post in shown["posts"].items() if post[1] == part and position in ("", post[2])]
    return str(uri)


@pytest.mark.timeout(120)
async def test_a_hub_and_a_linked_city_show_the_same_debate(cities: Cities) -> None:
    hub, city = cities.hub, cities.city
    assert (await cities.same(cities.early))["motion"] == "Trams in the morning"
    clara, debate = await cities.clara(), await cities.make("Trams at night", timedelta(days=2), 7)
    uri = debate.actor.uri
    shown = await cities.same(uri)
    assert (shown["motion"], shown["state"], len(shown["posts"])) == ("Trams at night", "announced", 1)
    async with city.site.database.read() as tx:
        ours, group = await members.find(tx, "mobility"), await tx.by_uri(Actor, uri)
        assert ours is not None
        assert group is not None
        assert (await tx.get_one(Membership, (ours.id, group.id))).state == "accepted"

    # Ben of the city is asked to the panel: his notification leads to the hub's page, where he says yes.
    await deeds.find_abroad(hub.site, f"ben@{city.site.settings.host}")
    async with hub.site.database.write() as tx:
        ben = await members.find(tx, "ben", city.site.settings.host)
        assert ben is not None
        seat = await panels.invite(tx, clara, await tx.get_one(Debate, debate.actor_id), ben, "panel")
    await cities.settle()
    async with city.site.database.read() as tx:
        [told] = (await tx.execute(select(Notification).where(Notification.kind == "seat"))).scalars()
    assert told.path == f"{hub.site.settings.origin}/seats/{seat.token}"
    async with hub.site.database.write() as tx:
        await panels.answer(tx, None, seat, True)
    shown = await cities.same(uri)
    assert shown["seats"] == [(ben.uri, "panel")]

    # Both cities argue, at any depth and in each other's threads.
    await cities.settle(timedelta(days=1, minutes=1))
    shown = await cities.same(uri)
    assert shown["state"] == "call"
    stubs = {side: part_of(shown, "stub", side) for side in ("for", "against", "question")}
    pro = await cities.reply(hub, "anna", stubs["for"], "People work at night.")
    contra = await cities.reply(city, "cleo", stubs["against"], "People sleep at night.")
    await cities.settle()
    deeper = await cities.reply(city, "cleo", pro, "Few do.")
    back = await cities.reply(hub, "anna", contra, "Trams are quiet.")
    asked = await cities.reply(city, "cleo", stubs["question"], "What does it cost?")
    async with city.site.database.write() as tx:
        reader, liked = await members.find(tx, "ben"), await tx.by_uri(Post, pro)
        assert reader is not None
        assert liked is not None
        await reactions.like(tx, reader, liked)
    neither = [await cities.take_no_side(town, who, pro) for town, who in ((hub, "anna"), (city, "cleo"))]
    shown = await cities.same(uri)
    assert {each: shown["posts"][each][2] for each in (pro, contra, deeper, back, asked, *neither)} == {
        pro: "for", contra: "against", deeper: "for", back: "against", asked: "question", **dict.fromkeys(neither, ""),
    }  # fmt: skip
    assert shown["posts"][pro][5] == 1

    # The hour: votes of both, the panellist from the city, the end, the conclusion.
    await cities.settle(timedelta(days=1))
    shown = await cities.same(uri)
    assert shown["state"] == "live"
    answer = await cities.reply(city, "ben", asked, "Less than cars.")
    opening = part_of(shown, "opening-poll")
    await cities.vote(hub, "anna", opening, "In favour")
    await cities.vote(city, "cleo", opening, "Against")
    await cities.settle()
    await cities.settle(timedelta(minutes=4))  # tallies are told every three minutes
    shown = await cities.same(uri)
    assert (shown["votes"], answer in shown["posts"]) == ([((1, 0, 1), False), None], True)
    await cities.settle(timedelta(minutes=40))
    closing = part_of(await cities.same(uri), "closing-poll")
    for town, who, choice in ((hub, "anna", "In favour"), (city, "cleo", "In favour"), (city, "ben", "Undecided")):
        await cities.vote(town, who, closing, choice)
    await cities.settle()
    await cities.settle(timedelta(minutes=20))
    shown = await cities.same(uri)
    assert (shown["state"], shown["votes"]) == ("closed", [((1, 0, 1), True), ((2, 1, 0), True)])
    async with hub.site.database.write() as tx:
        await debates.conclude(tx, clara, await tx.get_one(Debate, debate.actor_id), "Until one o'clock.")
    shown = await cities.same(uri)
    assert (shown["state"], shown["conclusion"]) == ("concluded", "<p>Until one o'clock.</p>\n")
    assert len({post[0] for post in shown["posts"].values()}) == 4  # the clerk, anna, ben and cleo

    # It is over for whoever has no seat, wherever they are.
    assert await cities.reply(city, "cleo", pro, "One more thing!") == "refused:debate-is-over"
    assert (await cities.reply(city, "ben", asked, "Thank you.")).startswith("http")
    await cities.same(uri)

    # Its page at the city says it as well.
    slug = uri.rsplit("/", 1)[1]
    pages = ((hub, f"/g/{slug}"), (city, f"/g/{slug}@{hub.site.settings.host}"))
    async with aiohttp.ClientSession(headers={"Accept": "text/html"}) as http:
        for town, path in pages:
            async with http.get(town.site.settings.origin + path) as page:
                said = await page.text()
            assert page.status == 200
            for words in ("Trams at night", "People work at night.", "People sleep at night."):
                assert words in said, path


async def test_another_date_and_the_end_of_a_debate_are_known_in_the_city(cities: Cities) -> None:
    hub, city = cities.hub, cities.city
    clara, debate = await cities.clara(), await cities.make("Trams at night", timedelta(days=2), 7)
    uri, opens_at = debate.actor.uri, debate.opens_at
    await cities.same(uri)
    cities.now += timedelta(hours=1)
    async with hub.site.database.write() as tx:
        held = await tx.get_one(Debate, debate.actor_id)
        await debates.move(tx, clara, held, held.opens_at + timedelta(days=5), reason="A strike.")
    shown = await cities.same(uri)
    assert shown["times"][0] == shown["closes_at"] - timedelta(hours=1) == opens_at + timedelta(days=5)
    cities.now += timedelta(hours=1)
    async with hub.site.database.write() as tx:
        await debates.cancel(tx, clara, await tx.get_one(Debate, debate.actor_id), reason="No hall.")
    shown = await cities.same(uri)
    assert shown["state"] == "cancelled"
    async with city.site.database.write() as tx:
        cleo, opener = await members.find(tx, "cleo"), await tx.by_uri(Post, part_of(shown, "motion"))
        assert cleo is not None
        assert opener is not None
        with pytest.raises(Refused, match="topic-is-closed"):
            await posts.reply(tx, cleo, await tx.get_one(Topic, opener.topic_id), await posts.compose(tx, "So?"))
