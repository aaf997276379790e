"""Rules 7 to 89 again, about debates: who speaks for one, who is asked, and who may answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from community import cards, debates, following, links, members, moderation, panels, policy, posts, questions, topics
from community.debate_models import Debate, Question, Seat
from community.debates import Plan
from community.models import Activity, Actor, Link, Membership, Post, Topic
from community.policy import Refused
from federation.dereference import store_actor
from federation.translate import from_actor
from federation.vocabulary import PUBLIC, format_time
from tests.conftest import pair
from tests.hostile.place import Hostile, Place

pytestmark = pytest.mark.usefixtures("calm")
OPENS = datetime.now(UTC) + timedelta(days=7)


async def _meet(place: Place, peer: Hostile, name: str, kind: str = "Person") -> Actor:
    document = peer.actor(name, type=kind)
    async with place.site.database.write() as tx:
        return await store_actor(tx, from_actor(document, tx.now))


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def ours(place: Place) -> Debate:
    """The theme is linked with the board on the peer and follows the circle on the other server; it has a debate."""
    board, circle = await _meet(place, place.peer, "board", "Group"), await _meet(place, place.other, "circle", "Group")
    for peer in (place.peer, place.other):
        await _meet(place, peer, "clerk", "Service")
    async with place.site.database.write() as tx:
        clara = (
            await members.add_member(tx, "clara", "clara@example.org", "!", await pair(4), site_role="admin")
        ).actor
        link = await links.propose(tx, clara, place.group, await tx.get_one(Actor, board.id))
        link.state = "linked"
        await following.follow(tx, await tx.get_one(Actor, place.anna.id), await tx.get_one(Actor, circle.id))
        for group in (board, circle):
            query = select(Membership).where(Membership.group_id == group.id)
            (await tx.execute(query)).scalars().first().state = "accepted"  # type: ignore[union-attr]
        plan = Plan("Cars out of the old town", OPENS, 60, "UTC")
        debate = await debates.make(tx, clara, place.group, await pair(5), plan)
        tess = await tx.get_one(Actor, place.theirs.author_id)
        await panels.invite(tx, clara, debate, tess, "panel")
    return debate


def told(peer: Hostile, name: str, *, by: str = "clerk", **changed: Any) -> dict[str, Any]:
    """The opener of a debate on a peer, whose group's document says what is ``changed``."""
    group = peer.uri(name)
    floor = peer.note("<p>All night.</p>", by=by, part="motion", title="Trams", to=[PUBLIC, group], audience=group)
    said = {
        "motion": "Trams", "state": "announced", "startTime": format_time(OPENS),
        "endTime": format_time(OPENS + timedelta(hours=1)), "timezone": "UTC", "languages": [],
        "theme": peer.uri("board"), "hosts": [], "panel": [], "floor": floor["id"], "sequence": 0,
        "updated": format_time(datetime.now(UTC)), **changed,
    }  # fmt: skip
    peer.actor(name, type="Group", debate=said)
    return floor


async def count_debates(place: Place) -> int:
    async with place.site.database.read() as tx:
        return (await tx.execute(select(func.count()).select_from(Debate))).scalar_one()


async def test_nobody_announces_a_debate_in_the_name_of_another_city(place: Place) -> None:
    """Theme and floor are on the group's own server, and the document says all that a debate has."""
    before = await count_debates(place)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"theme": place.other.uri("circle")}, "debate-theme-elsewhere"),
        ({"theme": place.group.uri}, "debate-theme-elsewhere"),
        ({"theme": None}, "debate-theme-elsewhere"),
        ({"floor": place.opener.uri}, "debate-floor-elsewhere"),
        ({"state": "won"}, "debate-incomplete"),
        ({"state": ["live"]}, "debate-incomplete"),
        ({"motion": {"en": "Trams"}}, "debate-incomplete"),
        ({"endTime": "soon"}, "debate-incomplete"),
        ({"endTime": format_time(OPENS - timedelta(hours=1))}, "debate-incomplete"),
    ]
    for number, (changed, outcome) in enumerate(cases):
        floor = told(place.peer, f"debate_{number}", **changed)
        await place.in_vain(place.peer.activity("Announce", floor["id"], by="board"), outcome, by="board")
    assert await count_debates(place) == before


async def test_a_stranger_tells_of_no_debate(place: Place) -> None:
    """An opener that another group than its theme boosts, or that somebody else wrote, is no debate's."""
    before = await count_debates(place)
    floor = told(place.peer, "debate_a")
    await place.in_vain(
        place.other.activity("Announce", floor["id"], by="circle"), "debate-of-another", at=place.other, by="circle"
    )
    floor = told(place.other, "debate_b", theme=place.peer.uri("board"))
    await place.in_vain(place.peer.activity("Announce", floor["id"], by="board"), "debate-of-another", by="board")
    floor = told(place.peer, "debate_c", by="mallory")
    await place.in_vain(place.peer.activity("Announce", floor["id"], by="board"), "part-of-another", by="board")
    assert await count_debates(place) == before


async def test_only_the_clerk_speaks_for_a_debate(place: Place, ours: Debate) -> None:
    """A card, a stub or a result in a debate of ours by anybody else, the clerk of another city included."""
    async with place.site.database.read() as tx:
        opener = (await tx.execute(select(Post).where(Post.topic_id == ours.topic_id, Post.number == 1))).scalar_one()
    for peer, by in ((place.peer, "mallory"), (place.peer, "clerk"), (place.other, "clerk")):
        for part in ("card", "stub", "closed"):
            note = peer.note("<p>The motion is carried.</p>", by=by, inReplyTo=opener.uri, part=part)
            await place.in_vain(peer.activity("Create", note, by=by), "part-of-another", at=peer, by=by)


async def test_a_debate_is_changed_by_its_own_document_alone(place: Place) -> None:
    """What stands in an Update of the group counts from the group itself, also of what it says of its theme."""
    floor = told(place.peer, "debate_d")
    await place.accepted(place.peer.activity("Announce", floor["id"], by="board"), "fetched", by="board")
    async with place.site.database.read() as tx:
        group = await tx.by_uri(Actor, place.peer.uri("debate_d"))
        assert group is not None
        held = await tx.get_one(Debate, group.id)
        assert (held.motion, held.state) == ("Trams", "announced")
    document = place.peer.served["/users/debate_d"]
    changed = {**document, "debate": {**document["debate"], "state": "cancelled", "updated": "2199-01-01T00:00:00Z"}}
    stolen = {**document, "debate": {**document["debate"], "theme": place.other.uri("circle")}}
    for peer, about, by, outcome in (
        (place.other, changed, "eve", "not-the-owner"),
        (place.peer, changed, "mallory", "not-the-owner"),
        (place.peer, stolen, "debate_d", "debate-theme-elsewhere"),
    ):
        await place.accepted(peer.activity("Update", about, by=by), outcome, at=peer, by=by)
    async with place.site.database.read() as tx:
        assert (await tx.get_one(Debate, group.id)).state == "announced"
        assert (await tx.execute(select(func.count()).select_from(Link))).scalar_one() == 1
    # What is dated long after now is of now: later news counts all the same.
    again = {**document, "debate": {**document["debate"], "updated": format_time(datetime.now(UTC) + timedelta(1))}}
    for news in (changed, again):
        update = place.peer.activity("Update", news, by="debate_d")
        await place.accepted(update, "debate-updated", by="debate_d")


async def test_nobody_takes_the_seat_of_another(place: Place, ours: Debate) -> None:
    """Rule 24: neither by a favourite of their own, nor by one that a group brings, nor by a forwarded one."""
    async with place.site.database.read() as tx:
        seat = (await tx.execute(select(Seat).where(Seat.debate_id == ours.actor_id))).scalar_one()
    await _meet(place, place.peer, "mallory_too")
    mine = place.peer.activity("Like", seat.uri, by="mallory_too")
    await place.in_vain(mine, "not-your-invitation", by="mallory_too")
    theirs = place.peer.activity("Like", seat.uri)
    await place.in_vain(place.peer.activity("Announce", theirs, by="board"), "told-by-another", by="board")
    await place.in_vain(theirs, "forwarded-unproven", at=place.other, by="eve")
    async with place.site.database.read() as tx:
        assert (await tx.get_one(Seat, (seat.debate_id, seat.actor_id))).state == "invited"


async def test_invitations_come_from_who_invites(place: Place) -> None:
    """A link to another server, or one that somebody else brings, makes no notification; nor do too many."""
    fields = {"target": place.anna.uri, "to": [place.anna.uri], "cc": []}
    event = place.peer.uri("debate_a") + "/event"

    def invite(number: int, peer: Hostile = place.peer) -> dict[str, Any]:
        url = f"{place.peer.origin}/seats/{number}"
        return peer.activity("Invite", event, by="clerk", url=url, **fields)

    await place.in_vain(invite(1, place.other), "link-elsewhere", at=place.other, by="clerk")
    await place.in_vain(place.peer.activity("Announce", invite(2), by="board"), "told-by-another", by="board")
    for number in range(30):
        await place.accepted(invite(number), "invited", by="clerk")
    await place.in_vain(invite(31), "too-many-tries", by="clerk")


async def test_what_is_addressed_to_a_debate_is_no_topic_of_its_own(place: Place, ours: Debate) -> None:
    """The group would boost the opener to all who follow the debate: whoever likes would speak in its name."""
    await place.accepted(place.peer.activity("Follow", ours.actor.uri, by="mallory"), "followed", by="mallory")
    note = place.other.note("<p>Buy pills.</p>", by="eve", to=[PUBLIC, ours.actor.uri])
    await place.accepted(place.other.activity("Create", note, by="eve"), "replied", at=place.other, by="eve")
    async with place.site.database.read() as tx:
        held = (await tx.execute(select(Post).where(Post.uri == note["id"]))).scalar_one()
        assert held.topic_id == ours.topic_id
        sent = await tx.execute(
            select(Activity.document).where(Activity.direction == "out", Activity.type == "Announce")
        )
        assert note["id"] not in [json.loads(raw)["object"] for (raw,) in sent]
    async with place.site.database.write() as tx:
        anna, group = await tx.get_one(Actor, place.anna.id), await tx.get_one(Actor, ours.actor_id)
        with pytest.raises(Refused, match="debate-has-one-floor"):
            await topics.open(tx, anna, group, await posts.compose(tx, "Pills", title="Pills"))


async def test_a_role_that_another_server_gives_counts_there_only(place: Place) -> None:
    """A member of ours who hosts a debate elsewhere arranges, links and reviews nothing, here or in their name."""
    floor = told(place.peer, "debate_h", hosts=[place.anna.uri])
    await place.accepted(place.peer.activity("Announce", floor["id"], by="board"), "fetched", by="board")
    async with place.site.database.read() as tx:
        group = await tx.by_uri(Actor, place.peer.uri("debate_h"))
        assert group is not None
        who = await policy.standing(tx, place.anna, group.id)
        assert who.role == "host"
        assert all(policy.refusal(rule, who, group) for rule in ("arrange", "host", "link", "review", "hide", "seal"))
        at_home = await policy.standing(tx, place.anna, place.group.id)
        assert policy.refusal("moderate", at_home, None) == "moderators-only"


async def test_a_host_leaves_with_the_seat_and_takes_no_floor_along(place: Place) -> None:
    """A host names no moderators, who would stay; and a debate goes its course on a floor whose opener is removed."""
    async with place.site.database.write() as tx:
        clara = await members.find(tx, "clara")
        assert clara is not None
        plan = Plan("Trees in every street", OPENS + timedelta(days=3), 60, "UTC", call_at=OPENS)
        debate = await debates.make(tx, clara, place.group, await pair(6), plan)
        anna = await tx.get_one(Actor, place.anna.id)
        seat = await panels.invite(tx, clara, debate, anna, "host")
        await panels.answer(tx, anna, seat, True)
        for person in (anna, await tx.get_one(Actor, place.theirs.author_id)):
            with pytest.raises(Refused, match="moderators-only"):
                await moderation.set_moderator(tx, anna, debate.actor, person, is_on=True)
        topic = await tx.get_one(Topic, debate.topic_id)
        opener = await posts.opener(tx, topic)
        assert opener is not None
        await posts.erase(tx, clara, opener, reason="gone")
        assert topic.deleted_at is None
        await panels.withdraw(tx, clara, debate, seat)
        assert (await policy.standing(tx, anna, debate.actor_id)).role == "member"
        await debates.move(tx, clara, debate, OPENS + timedelta(days=4))
        await debates.cancel(tx, clara, debate, reason="No trees")
        assert debate.state == "cancelled"


async def test_a_debate_takes_so_many_questions_of_a_server(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page of a debate reads its queue, and a server has as many askers as it likes."""
    monkeypatch.setattr(questions, "WAITING_OF_HOST", 3)
    async with place.site.database.write() as tx:
        clara = await members.find(tx, "clara")
        assert clara is not None
        plan = Plan("Benches at every stop", OPENS + timedelta(days=9), 60, "UTC")
        debate = await debates.make(tx, clara, place.group, await pair(7), plan)
        debate.state = "call"
        stub = await debates.say(tx, debate, "stub", "Questions?", position="question")
    for number in range(5):
        place.peer.actor(f"asker_{number}")
        note = place.peer.note(f"<p>Why {number}?</p>", by=f"asker_{number}", inReplyTo=stub.uri)
        await place.accepted(place.peer.activity("Create", note, by=f"asker_{number}"), "replied", by=f"asker_{number}")
    async with place.site.database.read() as tx:
        query = select(func.count()).select_from(Question).where(Question.debate_id == debate.actor_id)
        assert await tx.scalar(query) == 3
        assert not await questions.refusal_to_ask(tx, debate, place.anna, await tx.get_one(Topic, debate.topic_id))


async def test_a_refused_join_sends_nothing_of_theirs_back(place: Place, ours: Debate) -> None:
    """Else a small answer of ours is as large as they like."""
    join = place.peer.activity("Join", ours.actor.uri + "/event", participationMessage="x" * 100_000)
    await place.accepted(join, "join-refused")
    async with place.site.database.read() as tx:
        sent = select(Activity.document).where(Activity.direction == "out", Activity.type == "Reject")
        raw = (await tx.execute(sent.order_by(Activity.id.desc()).limit(1))).scalar_one()
    assert json.loads(raw)["object"] == {key: join[key] for key in ("id", "type", "actor", "object")}
    assert len(raw) < 2000


async def test_handles_are_no_markup_in_the_mouth_of_the_clerk(place: Place) -> None:
    """Another server may call its people what it likes; a card goes to everybody who follows the debate."""
    document = place.peer.actor("odd") | {"preferredUsername": "[free](https://evil.example/) @anna"}
    async with place.site.database.write() as tx:
        odd = await store_actor(tx, from_actor(document, tx.now))
        debate = (await tx.execute(select(Debate).where(Debate.state == "call"))).scalars().first()
        assert debate is not None
        written = cards.card(debate, 1, odd, "<p>Why?</p>", "")
    assert "evil.example/" not in written.html
    assert written.mentioned == (odd,)


async def test_a_host_takes_nothing_of_the_house_away_and_sets_up_nothing() -> None:
    """A host keeps order in their debate; the clerk's posts and further debates are not theirs."""
    host = policy.Standing(actor=Actor(id=5, kind="person", host="", state="active", moved_to=""), role="host")
    said = Post(author_id=1, part="closing-poll")
    assert policy.refusal("delete", host, said) == "moderators-only"
    assert policy.refusal("delete", host, Post(author_id=1, part="")) is None
    assert policy.refusal("arrange", host, None) == "editors-only"
