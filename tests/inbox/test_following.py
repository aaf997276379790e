"""Our members follow groups and people elsewhere: asking, answers, what arrives then, and moves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from community import following, posts, topics
from community.db import Tx
from community.models import Account, Activity, Actor, Host, Job, Membership, Notification, Post, Theme
from community.policy import Refused
from federation.client import Budget
from federation.dereference import bring_in
from federation.site import Site
from federation.vocabulary import PUBLIC
from tests.conftest import MakeMember, MakeTheme
from tests.inbox.test_flows import until
from tests.peer import Peer

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _actor(site: Site, uri: str) -> Actor:
    async with site.database.read() as tx:
        found = await tx.by_uri(Actor, uri)
        assert found is not None
        return found


async def _known(site: Site, peer: Peer, name: str = "tess", **fields: Any) -> Actor:
    """An actor of the peer's whom we have met."""
    if fields or name != "tess":
        peer.actor(name, **fields)
    await bring_in(site, peer.uri(name), Budget())
    return await _actor(site, peer.uri(name))


async def _state(site: Site, who: Account, target: Actor) -> str:
    async with site.database.read() as tx:
        membership = await tx.get(Membership, (who.actor_id, target.id))
        return membership.state if membership is not None else ""


async def _told(site: Site, who: Account) -> list[str]:
    async with site.database.read() as tx:
        query = select(Notification.kind).where(Notification.account_id == who.actor_id).order_by(Notification.id)
        return list((await tx.execute(query)).scalars())


async def _outcome(site: Site, peer: Peer, activity: dict[str, Any], by: str = "tess") -> str:
    """Deliver an activity to the shared inbox and wait for what became of it."""
    assert (await peer.send(f"{site.settings.origin}/inbox", activity, by=by))[0] == 202

    async def outcome() -> str:
        async with site.database.read() as tx:
            row = await tx.by_uri(Activity, activity["id"])
            return row.outcome if row is not None else ""

    return str(await until(outcome))


Follow = Callable[[Account, Actor], Awaitable[dict[str, Any]]]


@pytest.fixture
def follow(site: Site, peer: Peer) -> Follow:
    """Have a member follow somebody; answers the Follow as the peer got it."""

    async def make(who: Account, target: Actor) -> dict[str, Any]:
        before = len(peer.got("Follow"))
        async with site.database.write() as tx:
            await following.follow(tx, await tx.get_one(Actor, who.actor_id), target)
        asked: dict[str, Any] = (await until(lambda: peer.got("Follow")[before:]))[0]
        return asked

    return make


async def test_a_follow_is_asked_accepted_ended_and_asked_anew(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, follow: Follow
) -> None:
    anna = await member("anna")
    trams = await _known(site, peer, "trams", type="Group")
    asked = await follow(anna, trams)
    assert asked["to"] == [trams.uri]
    assert asked["object"] == trams.uri
    assert asked["actor"] == anna.actor.uri
    assert peer.received[-1].path == "/users/trams/inbox", "not the shared one"
    assert await _state(site, anna, trams) == "pending"

    # Nobody but the followed one answers, and only what was asked; none of it is answered in turn.
    strange = peer.activity("Accept", asked["id"])
    assert await _outcome(site, peer, strange) == "not-asked-for"
    other = peer.activity("Accept", {**asked, "id": f"{site.settings.origin}/a/0123"}, by="trams")
    assert await _outcome(site, peer, other, by="trams") == "not-asked-for"
    assert await _state(site, anna, trams) == "pending"

    accept = peer.activity("Accept", asked["id"], by="trams")
    assert await _outcome(site, peer, accept, by="trams") == "follow-accepted"
    assert await _state(site, anna, trams) == "accepted"
    again = peer.activity("Accept", asked, by="trams")
    assert await _outcome(site, peer, again, by="trams") == "already-accepted"

    async with site.database.write() as tx:
        assert await following.withdraw(tx, anna.actor, trams)
    undo = (await until(lambda: peer.got("Undo", "Follow")))[0]
    assert undo["object"]["id"] == asked["id"]
    assert undo["object"]["object"] == trams.uri

    second = await follow(anna, trams)
    assert second["id"] != asked["id"]
    reject = peer.activity("Reject", second, by="trams")
    assert await _outcome(site, peer, reject, by="trams") == "follow-refused"
    assert await _state(site, anna, trams) == "rejected"
    assert await _told(site, anna) == ["refused"]
    late = peer.activity("Accept", asked["id"], by="trams")
    assert await _outcome(site, peer, late, by="trams") == "not-asked-for"

    third = await follow(anna, trams)
    assert third["id"] not in (asked["id"], second["id"])
    nameless = {key: value for key, value in third.items() if key not in ("id", "@context")}
    assert await _outcome(site, peer, peer.activity("Accept", nameless, by="trams"), by="trams") == "follow-accepted"
    assert not peer.got("Reject")


async def test_a_followed_persons_posts_are_topics_in_their_own_place_and_are_answered(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, follow: Follow
) -> None:
    anna, ben = await member("anna"), await member("ben")
    tess = await _known(site, peer)
    early = peer.note("<p>Before anybody followed.</p>")
    assert await _outcome(site, peer, peer.activity("Create", early)) == "no-theme-addressed"
    asked = await follow(anna, tess)
    await _outcome(site, peer, peer.activity("Accept", asked))
    note = peer.note("<p>The night bus is full again. We need one more.</p>")
    assert await _outcome(site, peer, peer.activity("Create", note)) == "topic-opened"
    reply = peer.note("<p>Two more.</p>", inReplyTo=note["id"])
    assert await _outcome(site, peer, peer.activity("Create", reply)) == "replied"
    async with site.database.write() as tx:
        opener = await tx.by_uri(Post, note["id"])
        assert opener is not None
        listed = await topics.listed(tx, group_ids=[tess.id])
        assert [row.topic.title for row in listed] == ["The night bus is full again."]
        assert not await topics.listed(tx), "not among the themes' topics"
        topic = listed[0].topic
        with pytest.raises(Refused, match="place-of-a-person"):
            await topics.open(tx, ben.actor, tess, await posts.compose(tx, "My own.", title="Mine"))
        await posts.reply(tx, ben.actor, topic, await posts.compose(tx, "I agree."), reply_to=opener)
    create = (await until(lambda: peer.got("Create", "Note")))[0]
    answer = create["object"]
    assert "audience" not in answer
    assert answer["inReplyTo"] == note["id"]
    assert peer.uri() in answer["to"] + answer["cc"]
    assert PUBLIC in answer["to"]
    mentions = [tag["href"] for tag in answer["tag"] if tag["type"] == "Mention"]
    assert mentions == [peer.uri()]
    async with site.database.read() as tx:
        ours = await tx.by_uri(Post, answer["id"])
        assert getattr(ours, "acceptance", None) == "", "a person does not take or refuse answers"


async def test_nodebb_refuses_what_was_sent_with_a_reject(
    site: Site, client: Any, peer: Peer, member: MakeMember
) -> None:
    from web import running

    anna = await member("anna")
    group = await _known(site, peer, "category", type="Group")
    await _known(site, peer, "uid0", type="Application")
    peer.answer = 503
    async with site.database.write() as tx:
        await following.follow(tx, anna.actor, group)
        post = await topics.open(tx, anna.actor, group, await posts.compose(tx, "Text.", title="A title"))
        assert post.acceptance == "waiting"

    async def waiting() -> int:
        async with site.database.read() as tx:
            query = select(func.count()).select_from(Job).where(Job.kind == "deliver", Job.lane == peer.host)
            return int((await tx.execute(query)).scalar_one())

    async with running.working(site):
        await until(lambda: peer.received)
        async with site.database.read() as tx:
            sent = (await tx.execute(select(Activity).where(Activity.type == "Create"))).scalar_one()
        before = await waiting()
        note = json.loads(sent.document)["object"]
        by_person = peer.activity("Reject", sent.uri)
        assert await _outcome(site, peer, by_person) == "not-asked-for"
        refusal = peer.activity("Reject", {"type": "Create", "object": note}, by="uid0")
        assert await _outcome(site, peer, refusal, by="uid0") == "post-refused"
        assert await waiting() < before
    async with site.database.read() as tx:
        assert (await tx.get_one(Post, post.id)).acceptance == "refused"
    assert await _told(site, anna) == ["refused"]


async def test_our_members_go_along_when_somebody_moves(
    site: Site,
    client: Any,
    at_work: None,
    peer: Peer,
    second_peer: Peer,
    member: MakeMember,
    theme: MakeTheme,
    follow: Follow,
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    tess = await _known(site, peer)
    asked = await follow(anna, tess)
    await _outcome(site, peer, peer.activity("Accept", asked))
    async with site.database.write() as tx:
        tx.add(Membership(actor_id=tess.id, group_id=mobility.actor_id, role="banned", state="left", created_at=tx.now))
    second_peer.actor("nova")
    new = await _known(site, second_peer, "nova")
    move = peer.activity("Move", peer.uri(), target=new.uri)
    assert await _outcome(site, peer, move) == "move-not-confirmed"
    # Confirmed only now, after we had met the new account: so it is read anew.
    second_peer.actor("nova", alsoKnownAs=[peer.uri()])
    stolen = peer.activity("Move", second_peer.uri(), target=new.uri)
    assert await _outcome(site, peer, stolen) == "not-the-owner"
    assert await _outcome(site, peer, peer.activity("Move", peer.uri(), target=new.uri)) == "moved-with-1"
    followed = (await until(lambda: second_peer.got("Follow")))[0]
    assert followed["id"] != asked["id"]
    assert followed["object"] == new.uri
    await until(lambda: peer.got("Undo", "Follow"))
    assert await _told(site, anna) == ["moved"]
    async with site.database.read() as tx:
        ban = await tx.get(Membership, (new.id, mobility.actor_id))
        assert ban is not None
        assert ban.role == "banned"
        assert (await tx.get_one(Actor, tess.id)).moved_to == new.uri
        assert await tx.get(Theme, new.id) is not None
    assert await _outcome(site, peer, peer.activity("Move", peer.uri(), target=new.uri)) == "moved-a-moment-ago"


async def test_a_member_moves_away_and_may_come_back(
    site: Site, client: Any, at_work: None, peer: Peer, second_peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    await second_peer.send(anna.actor.inbox, second_peer.activity("Follow", anna.actor.uri))
    await until(lambda: second_peer.got("Accept"))
    new = await _known(site, peer)

    @asynccontextmanager
    async def writing() -> AsyncIterator[tuple[Tx, Actor]]:
        async with site.database.write() as tx:
            yield tx, await tx.get_one(Actor, anna.actor_id)

    async with writing() as (tx, actor):
        with pytest.raises(Refused, match="move-not-confirmed"):
            await following.move(tx, actor, new)
    new = await _known(site, peer, "tess", alsoKnownAs=anna.actor.uri)
    async with writing() as (tx, actor):
        await following.move(tx, actor, new)
    move = (await until(lambda: second_peer.got("Move")))[0]
    assert (move["object"], move["target"]) == (anna.actor.uri, new.uri)
    update = (await until(lambda: second_peer.got("Update")))[0]
    assert update["object"]["movedTo"] == new.uri
    async with writing() as (tx, actor):
        with pytest.raises(Refused, match="you-have-moved"):
            await topics.open(tx, actor, mobility.actor, await posts.compose(tx, "Text.", title="A title"))
        await following.stay(tx, actor)
        await topics.open(tx, actor, mobility.actor, await posts.compose(tx, "Text.", title="A title"))
        actor.moved_at = tx.now - timedelta(days=6)
        with pytest.raises(Refused, match="moved-a-moment-ago"):
            await following.move(tx, actor, new)


async def test_a_group_that_announces_has_accepted(site: Site, peer: Peer, member: MakeMember) -> None:
    anna = await member("anna")
    group = await _known(site, peer, "trams", type="Group")
    async with site.database.write() as tx:
        await following.follow(tx, anna.actor, group)
        await following.heard(tx, group)
    assert await _state(site, anna, group) == "accepted"
    async with site.database.write() as tx:
        (await tx.get_one(Host, peer.host)).state = "blocked"
        await following.withdraw(tx, anna.actor, group)
        with pytest.raises(Refused, match="host-is-blocked"):
            await following.follow(tx, anna.actor, group)
