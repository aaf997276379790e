"""What others send because of debates: answers to invitations, what they say of an Event, and debates of linked
cities."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from community import debates, groups, links, panels, posts
from community.debate_models import Debate, Seat
from community.debates import Plan
from community.members import ensure_host
from community.models import Activity, Actor, Link, Membership, Notification, Post, Topic
from community.policy import Refused
from federation.site import Site
from federation.vocabulary import PUBLIC, format_time
from tests import strict
from tests.conftest import MakeMember, MakeTheme, pair
from tests.inbox.abroad import Abroad, meet
from tests.peer import Peer

pytestmark = [
    pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True),
    pytest.mark.usefixtures("client", "at_work"),
]


async def until(what: Callable[[], Awaitable[Any]]) -> Any:
    for _ in range(1500):
        found = await what()
        if found:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


async def sent_to(peer: Peer, kind: str) -> dict[str, Any]:
    async def find() -> Any:
        return next((each.activity for each in peer.received if each.activity["type"] == kind), None)

    found: dict[str, Any] = await until(find)
    strict.check(found)
    return found


async def make(site: Site, member: MakeMember, theme: MakeTheme) -> tuple[Actor, Debate, Post]:
    """Clara, who arranges debates, one that begins in a week, and its opener."""
    clara, mobility = await member("clara", site_role="admin"), await theme("mobility")
    opens_at = datetime.now(UTC) + timedelta(days=7)
    async with site.database.write() as tx:
        plan = Plan("Cars out of the old town", opens_at, 60, "UTC")
        debate = await debates.make(tx, clara.actor, mobility.actor, await pair(5), plan)
        opener = await posts.opener(tx, await tx.get_one(Topic, debate.topic_id))
    assert opener is not None
    return clara.actor, debate, opener


async def test_a_favourite_of_exactly_that_person_takes_the_seat(
    site: Site, member: MakeMember, theme: MakeTheme, peer: Peer
) -> None:
    clara, debate, _ = await make(site, member, theme)
    abroad = Abroad(site, peer, await meet(site, peer, "tess"))
    peer.actor("mallory")
    async with site.database.write() as tx:
        tess = await tx.get_one(Actor, abroad.board.id)
        seat = await panels.invite(tx, clara, await tx.get_one(Debate, debate.actor_id), tess, "panel")
    note = (await sent_to(peer, "Create"))["object"]
    invite = await sent_to(peer, "Invite")  # of a server of which we do not know yet what it is
    assert (note["id"], invite["url"]) == (seat.uri, f"{site.settings.origin}/seats/{seat.token}")

    assert await abroad.sent(peer.activity("Like", note["id"], by="mallory"), by="mallory") == "not-your-invitation"
    like = peer.activity("Like", note["id"])
    assert await abroad.sent(like) == "seat-accepted"
    assert await abroad.sent(peer.activity("Like", note["id"])) == "already-accepted"
    assert await abroad.sent(peer.activity("Undo", like)) == "seat-stands"
    assert await abroad.sent(peer.activity("Like", f"{debate.actor.uri}/seats/999")) == "post-not-held"
    async with site.database.read() as tx:
        assert await debates.roles(tx, debate.actor_id) == {tess.id: "panel"}
    # An answer to it in public is none, and no topic either.
    reply = peer.note("<p>Gladly!</p>", inReplyTo=note["id"])
    assert await abroad.sent(peer.activity("Create", reply)) == "not-found-here"

    async with site.database.write() as tx:
        held = await tx.get_one(Debate, debate.actor_id)
        await panels.withdraw(tx, clara, held, await tx.get_one(Seat, (held.actor_id, tess.id)))
    assert (await sent_to(peer, "Delete"))["object"]["id"] == note["id"]
    assert await abroad.sent(peer.activity("Like", note["id"])) == "seat-is-withdrawn"


async def test_what_is_said_of_the_event_is_said_of_the_opener(
    site: Site, member: MakeMember, theme: MakeTheme, peer: Peer
) -> None:
    _, debate, opener = await make(site, member, theme)
    abroad = Abroad(site, peer, await meet(site, peer, "tess"))
    event = f"{debate.actor.uri}/event"
    reply = peer.note("<p>See you there.</p>", inReplyTo=event)
    assert await abroad.sent(peer.activity("Create", reply)) == "replied"
    held = await abroad.post(reply["id"])
    assert held is not None
    assert held.reply_to_id == opener.id
    like = peer.activity("Like", event)
    assert await abroad.sent(like) == "liked"
    assert (await abroad.post(opener.uri) or opener).like_count_elsewhere == 1
    assert await abroad.sent(peer.activity("Undo", like)) == "unliked"

    join = peer.activity("Join", event)
    assert await abroad.sent(join) == "join-refused"
    refusal = await sent_to(peer, "Reject")
    assert (refusal["object"]["id"], refusal["object"]["type"]) == (join["id"], "Join")
    assert await abroad.sent(peer.activity("Leave", event)) == "nobody-is-listed"
    for about in (f"{site.settings.origin}/g/nothing/event", debate.actor.uri, "https://x.example/event"):
        assert await abroad.sent(peer.activity("Join", about)) == "not-found-here"


async def test_groups_follow_debates_like_anybody(site: Site, member: MakeMember, theme: MakeTheme, peer: Peer) -> None:
    _, debate, _ = await make(site, member, theme)
    peer.actor("board", type="Group")
    abroad = Abroad(site, peer, await meet(site, peer, "board"))
    follow = peer.activity("Follow", debate.actor.uri, by="board")
    assert await abroad.sent(follow, by="board") == "followed"
    assert (await sent_to(peer, "Accept"))["object"]["id"] == follow["id"]
    async with site.database.read() as tx:
        assert (await tx.execute(select(Link))).first() is None


async def test_an_invitation_elsewhere_is_a_notification_that_leads_there(
    site: Site, member: MakeMember, peer: Peer, second_peer: Peer
) -> None:
    anna = await member("anna")
    peer.actor("clerk", type="Service")
    abroad = Abroad(site, peer, await meet(site, peer, "clerk"))
    link = f"{peer.origin}/seats/abc"
    fields = {"target": anna.actor.uri, "url": link, "to": [anna.actor.uri]}
    event = f"{peer.origin}/g/debate/event"

    async def invited(**changed: Any) -> str:
        about = changed.pop("object", event)
        by = changed.pop("by", "clerk")
        return await abroad.sent(peer.activity("Invite", about, by=by, **{**fields, **changed}), by=by)

    assert await invited() == "invited"
    assert await invited() == "already-invited"
    assert await invited(url=f"{second_peer.origin}/seats/abc") == "link-elsewhere"
    assert await invited(url="javascript:alert(1)") == "link-elsewhere"
    assert await invited(url=f"{link}/{'x' * 600}") == "link-elsewhere"
    assert await invited(url=[link]) == "link-elsewhere"
    assert await invited(url=f"{link}2", object=f"{second_peer.origin}/e") == "object-on-another-server"
    assert await invited(by="tess") == "not-a-clerk"
    assert await invited(target=peer.uri("tess")) == "not-found-here"
    async with site.database.read() as tx:
        [told] = (await tx.execute(select(Notification))).scalars()
    assert (told.account_id, told.kind, told.actor_id, told.path) == (anna.actor_id, "seat", abroad.board.id, link)


# --- Debates of linked cities ----------------------------------------------------------------------------------------


class Hub(Abroad):
    """A linked city on the peer: its theme, its clerk, and a debate that its theme tells of."""

    opens_at = datetime(2027, 1, 18, 13, tzinfo=UTC)

    def serve(self) -> None:
        peer = self.peer
        peer.actor("clerk", type="Service")
        self.group_uri = peer.uri("debate_1")
        self.floor = peer.note(
            "<p><strong>Trams at night</strong></p><p>All night.</p>", by="clerk", part="motion",
            title="Trams at night", to=[PUBLIC, self.group_uri], audience=self.group_uri,
        )  # fmt: skip
        self.tell()

    def tell(self, **changed: Any) -> dict[str, Any]:
        """The debate's document as it says from now on; ``changed`` is what is other in the term."""
        said = {
            "motion": "Trams at night", "state": "announced", "startTime": format_time(self.opens_at),
            "endTime": format_time(self.opens_at + timedelta(hours=1)), "timezone": "Europe/Madrid",
            "languages": ["es", "xx"], "theme": self.board.uri, "hosts": [self.peer.uri("host")],
            "panel": [self.peer.uri("tess")], "floor": self.floor["id"], "sequence": 0,
            "updated": "2026-11-01T00:00:00Z", **changed,
        }  # fmt: skip
        return self.peer.actor("debate_1", type="Group", summary="<p>Every night?</p>", debate=said)

    async def debate(self) -> Debate | None:
        async with self.site.database.read() as tx:
            group = await tx.by_uri(Actor, self.group_uri)
            return await tx.get(Debate, group.id) if group is not None else None

    async def update(self, **changed: Any) -> str:
        return await self.sent(self.peer.activity("Update", self.tell(**changed), by="debate_1"), by="debate_1")


@pytest.fixture
async def hub(site: Site, peer: Peer, member: MakeMember, theme: MakeTheme) -> Hub:
    clara, mobility = await member("clara", site_role="admin"), await theme("mobility")
    peer.actor("board", type="Group")
    peer.actor("host")
    board = await meet(site, peer, "board")
    made = Hub(site, peer, board)
    async with site.database.write() as tx:
        await links.propose(tx, clara.actor, mobility.actor, await tx.get_one(Actor, board.id))
    follow = await sent_to(peer, "Follow")
    assert await made.sent(peer.activity("Accept", follow, by="board"), by="board") == "follow-accepted"
    made.serve()
    return made


async def test_the_debate_of_a_linked_city_is_shown_and_followed_here(hub: Hub, member: MakeMember) -> None:
    site, peer = hub.site, hub.peer
    async with site.database.write() as tx:
        mobility = await groups.group_by_handle(tx, "mobility")
        assert mobility is not None
        mia = Actor(
            uri="https://m.example/mia", kind="person", handle="mia", host="m.example", created_at=tx.now,
            inbox="https://m.example/inbox",
        )  # fmt: skip
        tx.add(mia)
        (await ensure_host(tx, "m.example")).software = "mastodon"
        await tx.flush()
        await groups.follow(tx, mia, mobility, follow={"id": "https://m.example/1"})
    peer.received.clear()
    assert await hub.announce(hub.floor["id"]) == "fetched"
    debate = await hub.debate()
    assert debate is not None
    assert (debate.motion, debate.state, debate.zone, debate.languages) == (
        "Trams at night", "announced", "Europe/Madrid", ["es"],
    )  # fmt: skip
    assert (debate.theme_id, debate.opens_at, debate.text_html) == (hub.board.id, hub.opens_at, "<p>Every night?</p>")
    topic = await hub.topic_of(hub.floor["id"])
    assert (topic.id, topic.group_id, topic.closes_at) == (debate.topic_id, debate.actor_id, debate.closes_at)
    # Our theme follows it, and tells its own followers of it, once.
    follow = await sent_to(peer, "Follow")
    assert (follow["actor"], follow["object"]) == (mobility.uri, hub.group_uri)
    async with site.database.read() as tx:
        boosts = select(Activity.uri).where(Activity.type == "Announce", Activity.direction == "out")
        assert len((await tx.execute(boosts.where(Activity.object_uri == hub.floor["id"]))).all()) == 1

        async def panel() -> dict[int, str]:
            async with site.database.read() as tx:
                return await debates.roles(tx, debate.actor_id)

        # Those whom nobody here had met are fetched.
        async def both() -> bool:
            return sorted((await panel()).values()) == ["host", "panel"]

        await until(both)

    # What comes of the floor comes in; a stub has its side, and so has what answers it, also from here.
    stub = peer.note(
        "<p>Against</p>", by="clerk", part="stub", position="against", inReplyTo=hub.floor["id"],
        to=[PUBLIC, hub.group_uri], audience=hub.group_uri,
    )  # fmt: skip
    told = peer.activity("Announce", peer.activity("Create", stub, by="clerk"), by="debate_1")
    await hub.sent(told, by="debate_1")
    held = await hub.post(stub["id"])
    assert held is not None
    assert (held.part, held.position, held.topic_id) == ("stub", "against", topic.id)
    ben = await member("ben")
    async with site.database.write() as tx:
        written = await posts.compose(tx, "Who sleeps then?")
        answer = await posts.reply(tx, ben.actor, await tx.get_one(Topic, topic.id), written, reply_to=held)
    assert (answer.position, answer.acceptance) == ("against", "waiting")

    # Its home says what becomes of it, and nobody else does.
    assert await hub.update(state="live", updated="2026-11-02T00:00:00Z", panel=[]) == "debate-updated"
    later = hub.opens_at + timedelta(days=1)
    moved = {"startTime": format_time(later), "endTime": format_time(later + timedelta(hours=2))}
    assert await hub.update(state="live", updated="2026-11-01T12:00:00Z", **moved) == "actor-updated"  # an old one
    debate = await hub.debate()
    assert debate is not None
    assert (debate.state, debate.opens_at) == ("live", hub.opens_at)
    assert sorted((await panel()).values()) == ["host"]
    said = {"state": "concluded", "updated": "2026-11-03T00:00:00Z", "conclusion": "<p>Yes.<script>1</script></p>"}
    assert await hub.update(**said, **moved) == "debate-updated"
    debate, topic = await hub.debate() or debate, await hub.topic_of(hub.floor["id"])
    assert (debate.opens_at, debate.conclusion_html) == (later, "<p>Yes.</p>")
    assert topic.closes_at == later + timedelta(hours=2)
    # When its hour is over, it is over for our members too, and not for its panel.
    site.database.clock = lambda: later + timedelta(hours=3)
    async with site.database.write() as tx:
        with pytest.raises(Refused, match="debate-is-over"):
            await posts.reply(tx, ben.actor, topic, written, reply_to=held)

    # Without the link our theme follows it no longer.
    site.database.clock = lambda: datetime.now(UTC)
    async with site.database.write() as tx:
        link = (await tx.execute(select(Link))).scalar_one()
        clara = (await tx.execute(select(Actor).where(Actor.handle == "clara"))).scalar_one()
        await links.end(tx, clara, link)
        follows = await tx.get_one(Membership, (mobility.id, debate.actor_id))
        assert follows.state == "left"


async def test_a_debate_of_a_city_that_is_not_linked_is_a_topic_of_its_theme(hub: Hub, site: Site) -> None:
    async with site.database.write() as tx:
        (await tx.execute(select(Link))).scalar_one().state = "paused"
    await hub.announce(hub.floor["id"])
    topic = await hub.topic_of(hub.floor["id"])
    assert topic.group_id == hub.board.id
    assert await hub.debate() is None
