"""What leaves because of a debate: milestones by the theme, the Event, the debate's document, invitations."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import select

from community import debates, groups, panels, posts
from community.debate_models import Debate, Seat
from community.debates import Plan
from community.members import ensure_host
from community.models import Account, Activity, Actor, Job, Post, Theme, Topic
from federation.site import Site
from tests import strict
from tests.conftest import MakeMember, MakeTheme, pair

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
OPENS = datetime(2026, 12, 18, 13, tzinfo=UTC)
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


class House:
    """An instance with a theme, whose followers are on servers of many kinds, and a debate to come."""

    def __init__(self, site: Site, admin: Account, theme: Theme) -> None:
        self.site, self.admin, self.theme = site, admin.actor, theme.actor
        self.now = NOW
        site.database.clock = lambda: self.now
        self.seen = 0

    async def someone(self, software: str, *groups_followed: Actor) -> Actor:
        async with self.site.database.write() as tx:
            host = f"{software}.example"
            (await ensure_host(tx, host)).software = software
            uri = f"https://{host}/users/someone"
            actor = await tx.by_uri(Actor, uri)
            if actor is None:
                actor = Actor(
                    uri=uri, kind="person", handle="someone", host=host, inbox=f"{uri}/inbox", created_at=tx.now,
                    shared_inbox=f"https://{host}/inbox", url=uri,
                )  # fmt: skip
                tx.add(actor)
                await tx.flush()
                tx.remember(actor)
            for group in groups_followed:
                await groups.follow(tx, actor, group, follow={"id": f"{uri}#f{group.id}"})
            return actor

    async def make(self) -> Debate:
        plan = Plan(
            "Cars out of the old town", OPENS, 60, "Europe/Paris", "All of them.",
            call_at=OPENS - timedelta(days=14), digest_at=OPENS + timedelta(days=2),
        )  # fmt: skip
        async with self.site.database.write() as tx:
            return await debates.make(tx, self.admin, self.theme, await pair(5), plan)

    async def advance(self, debate: Debate, at: datetime) -> None:
        self.now = at
        async with self.site.database.write() as tx:
            await debates.advance(tx, await tx.get_one(Debate, debate.actor_id))

    async def sent(self) -> dict[str, list[dict[str, Any]]]:
        """What was sent since one asked last, by the kind of server that gets it; all of it as others demand it."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        async with self.site.database.read() as tx:
            query = select(Activity).where(Activity.direction == "out", Activity.id > self.seen).order_by(Activity.id)
            rows = {row.uri: row for row in (await tx.execute(query)).scalars()}
            sent = (await tx.execute(select(Job.argument, Job.lane).where(Job.kind == "deliver"))).all()
        for argument, lane in sent:
            if argument["activity"] in rows:
                document = json.loads(rows[argument["activity"]].document)
                strict.check(document)
                found[lane.removesuffix(".example")].append(document)
        self.seen = max([self.seen, *(row.id for row in rows.values())])
        return found


@pytest.fixture
async def house(site: Site, member: MakeMember, theme: MakeTheme) -> House:
    return House(site, await member("clara", site_role="admin"), await theme("mobility"))


def boosts_by(sent: list[dict[str, Any]], actor: Actor) -> list[str]:
    return [
        each["object"]
        for each in sent
        if each["type"] == "Announce" and each["actor"] == actor.uri and isinstance(each["object"], str)
    ]


async def test_followers_of_the_theme_see_the_milestones_and_nothing_else(house: House) -> None:
    for software in ("mastodon", "lemmy", "mbin", "folkmoot", "nodebb"):
        await house.someone(software, house.theme)
    debate = await house.make()
    await house.someone("gotosocial", debate.actor)
    told = []
    steps = [
        OPENS - timedelta(days=14), OPENS - timedelta(days=1), OPENS, OPENS + timedelta(minutes=40),
        OPENS + timedelta(minutes=60),
    ]  # fmt: skip
    for at in steps:
        await house.advance(debate, at)
    async with house.site.database.write() as tx:
        await debates.conclude(tx, house.admin, await tx.get_one(Debate, debate.actor_id), "We go on.")
    sent = await house.sent()
    async with house.site.database.read() as tx:
        query = select(Post.uri, Post.part, Post.position).where(Post.topic_id == debate.topic_id).order_by(Post.id)
        floor = (await tx.execute(query)).all()
        theme, group = house.theme, debate.actor
    told = [uri for uri, part, position in floor if part not in ("reminder", "opening-poll", "closing-poll")]
    told = [uri for uri in told if uri not in {uri for uri, _, position in floor if position in ("for", "against")}]
    assert len(floor) == 10
    assert len(told) == 5  # motion, call, live, closed, conclusion
    for software in ("mastodon", "folkmoot", "nodebb"):
        assert boosts_by(sent[software], theme) == told
    for software in ("lemmy", "mbin"):
        assert boosts_by(sent[software], theme) == []
    # Who follows the debate itself gets all of it, and once.
    assert boosts_by(sent["gotosocial"], group) == [uri for uri, _, _ in floor[1:]]
    assert boosts_by(sent["gotosocial"], theme) == []

    # A milestone that is deleted is withdrawn by both who boosted it.
    async with house.site.database.write() as tx:
        clerk = await groups.clerk(tx)
        live = await tx.by_uri(Post, told[2])
        assert live is not None
        await posts.erase(tx, clerk, live)
    sent = await house.sent()
    withdrawn = {
        software: [(each["actor"], each["object"]["object"]) for each in sent[software] if each["type"] == "Undo"]
        for software in ("mastodon", "gotosocial", "lemmy")
    }
    assert withdrawn == {"mastodon": [(theme.uri, told[2])], "gotosocial": [(group.uri, told[2])], "lemmy": []}


async def test_the_event_goes_to_calendars_and_follows_what_becomes_of_the_debate(
    house: House, client: TestClient[Any, Any]
) -> None:
    for software in ("mobilizon", "piefed", "mastodon"):
        await house.someone(software, house.theme)
    debate = await house.make()
    uri = f"{debate.actor.uri}/event"
    sent = await house.sent()
    assert uri in boosts_by(sent["mobilizon"], house.theme)
    assert uri not in boosts_by(sent["piefed"], house.theme) + boosts_by(sent["mastodon"], house.theme)
    [wrapped] = [each for each in sent["piefed"] if each["type"] == "Announce" and isinstance(each["object"], dict)
                 and each["object"]["object"]["type"] == "Event"]  # fmt: skip
    event = wrapped["object"]["object"]
    answer = await client.get(f"/g/{debate.actor.handle}/event", headers={"Accept": "application/activity+json"})
    served = await answer.json()
    strict.check(served)
    assert served | {"@context": 0} == event | {"@context": 0}
    page = await client.get(f"/g/{debate.actor.handle}/event", headers={"Accept": "text/html"}, allow_redirects=False)
    assert (page.status, page.headers["Location"]) == (302, f"/g/{debate.actor.handle}")
    assert event["name"] == "Cars out of the old town"
    assert (event["startTime"], event["endTime"]) == ("2026-12-18T13:00:00Z", "2026-12-18T14:00:00Z")
    assert event["timezone"] == "Europe/Paris"
    assert event["location"]["url"] == event["externalParticipationUrl"] == debate.actor.url
    assert (event["eventStatus"], event["status"]) == ("https://schema.org/EventScheduled", "CONFIRMED")
    assert event["organizers"] == [house.theme.uri]
    for said in (event["summary"], event["content"]):
        assert "Friday 18 December 2026, 14:00 (Europe/Paris)" in said
    async with house.site.database.read() as tx:
        opener = await posts.opener(tx, await tx.get_one(Topic, debate.topic_id))
        assert opener is not None
        # What is said of the Event is said of the opener.
        assert (await posts.find_by_uri(tx, uri)) is opener
    assert event["replies"]["id"] == f"{opener.uri}/replies"

    later = OPENS + timedelta(days=7)
    house.now += timedelta(hours=1)
    async with house.site.database.write() as tx:
        await debates.move(tx, house.admin, await tx.get_one(Debate, debate.actor_id), later, reason="A strike.")
    moved = await house.sent()
    house.now += timedelta(hours=1)
    async with house.site.database.write() as tx:
        await debates.cancel(tx, house.admin, await tx.get_one(Debate, debate.actor_id), reason="No hall.")
    cancelled = await house.sent()
    for sent, start, status in (
        (moved, "2026-12-25T13:00:00Z", "CONFIRMED"),
        (cancelled, "2026-12-25T13:00:00Z", "CANCELLED"),
    ):
        updates = [each for each in sent["mobilizon"] if each["type"] == "Update" and each["object"]["id"] == uri]
        [told] = [each["object"] for each in updates]
        assert (told["startTime"], told["status"]) == (start, status)
        [inner] = [
            each["object"] for each in sent["piefed"]
            if each["type"] == "Announce" and isinstance(each["object"], dict) and each["object"]["object"]["id"] == uri
        ]  # fmt: skip
        assert inner == updates[0]
        assert not [each for each in sent["mastodon"] if uri in json.dumps(each)]
    assert told["eventStatus"].endswith("EventCancelled")
    assert "This debate was cancelled. No hall." in told["summary"]
    assert told["joinMode"] == "none"


async def test_the_debates_document_says_what_a_linked_city_shows(house: House, client: TestClient[Any, Any]) -> None:
    debate = await house.make()
    follower = await house.someone("folkmoot", debate.actor)
    await house.sent()
    answer = await client.get(f"/g/{debate.actor.handle}", headers={"Accept": "application/activity+json"})
    document = await answer.json()
    strict.check(document)
    async with house.site.database.read() as tx:
        opener = await posts.opener(tx, await tx.get_one(Topic, debate.topic_id))
    assert opener is not None
    said = document["debate"]
    assert said == {
        "motion": "Cars out of the old town", "state": "announced", "startTime": "2026-12-18T13:00:00Z",
        "endTime": "2026-12-18T14:00:00Z", "callTime": "2026-12-04T13:00:00Z", "timezone": "Europe/Paris",
        "languages": ["en"], "theme": house.theme.uri, "hosts": [], "panel": [], "floor": opener.uri, "sequence": 0,
        "updated": said["updated"],
    }  # fmt: skip
    # Every change of it is told to who follows the debate, signed by the debate.
    await house.advance(debate, OPENS - timedelta(days=14))
    async with house.site.database.write() as tx:
        seat = await panels.invite(
            tx, house.admin, await tx.get_one(Debate, debate.actor_id), await tx.get_one(Actor, follower.id), "panel"
        )
        await panels.answer(tx, None, seat, True)
    told = [
        each["object"]["debate"]
        for each in (await house.sent())["folkmoot"]
        if each["type"] == "Update" and each["actor"] == debate.actor.uri
    ]
    assert [(each["state"], each["panel"]) for each in told] == [("call", []), ("call", [follower.uri])]


async def test_somebody_elsewhere_is_asked_by_a_private_note(house: House, client: TestClient[Any, Any]) -> None:
    debate = await house.make()
    mia, fiona = await house.someone("mastodon"), await house.someone("folkmoot")
    async with house.site.database.write() as tx:
        held = await tx.get_one(Debate, debate.actor_id)
        for person, role in ((mia, "panel"), (fiona, "host")):
            await panels.invite(tx, house.admin, held, await tx.get_one(Actor, person.id), role)
    sent = await house.sent()
    async with house.site.database.read() as tx:
        seats = {seat.actor_id: seat for seat in (await tx.execute(select(Seat))).scalars()}
    [create] = sent["mastodon"]
    note, link = create["object"], f"{house.site.settings.origin}/seats/{seats[mia.id].token}"
    assert (note["id"], note["to"], note["cc"], create["to"]) == (seats[mia.id].uri, [mia.uri], [], [mia.uri])
    assert [tag["href"] for tag in note["tag"]] == [mia.uri]
    for words in ("panel", "Cars out of the old town", link, "favourite this post"):
        assert words in note["content"]
    assert "proof" not in create
    # It is between two: nobody reads it over HTTP.
    for uri in (note["id"], create["id"]):
        answer = await client.get(
            uri.removeprefix(house.site.settings.origin), headers={"Accept": "application/activity+json"}
        )
        assert answer.status == 404
    # A Folkmoot takes no private Notes: it gets the link alone as well.
    assert [each["type"] for each in sent["folkmoot"]] == ["Create", "Invite"]
    invite = sent["folkmoot"][1]
    assert (invite["target"], invite["to"]) == (fiona.uri, [fiona.uri])
    assert invite["object"] == f"{debate.actor.uri}/event"
    assert invite["url"] == f"{house.site.settings.origin}/seats/{seats[fiona.id].token}"

    async with house.site.database.write() as tx:
        held = await tx.get_one(Debate, debate.actor_id)
        await panels.withdraw(tx, house.admin, held, await tx.get_one(Seat, (debate.actor_id, mia.id)))
    [deletion] = (await house.sent())["mastodon"]
    assert (deletion["type"], deletion["object"]["id"], deletion["to"]) == ("Delete", note["id"], [mia.uri])
