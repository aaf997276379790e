"""Who gets what in which form, and what happens when they do not answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from community import groups, posts, topics
from community.models import Activity, Actor, Host, Job, Topic
from federation.site import Site
from outbox import delivery
from tests.conftest import MakeMember, MakeTheme
from tests.inbox.test_flows import until
from tests.peer import Peer


async def _follow(site: Site, peer: Peer, group: Actor, software: str) -> None:
    """A follower on a server of known software."""
    peer.software = software
    await peer.send(group.inbox, peer.activity("Follow", group.uri))
    await until(lambda: peer.got("Accept"))

    async def is_known() -> bool:
        async with site.database.read() as tx:
            host = await tx.get(Host, peer.host)
            return host is not None and host.software == software

    await until(is_known)


async def _open(site: Site, author: Any, group: Actor) -> Any:
    async with site.database.write() as tx:
        return await topics.open(tx, author.actor, group, await posts.compose(tx, "Text.", title="A title"))


async def _idle(site: Site) -> None:
    """Until nothing waits in the queue."""

    async def is_empty() -> bool:
        async with site.database.read() as tx:
            return (await tx.execute(select(Job.id).where(Job.failed_at.is_(None)))).first() is None

    await until(is_empty)


@pytest.mark.parametrize(
    ("software", "opener", "reply"),
    [
        ("mastodon", [("Announce", "str")], []),
        ("nodebb", [("Announce", "Create")], [("Announce", "Create")]),
        ("lemmy", [("Announce", "Create"), ("Create", "Note")], [("Announce", "Create")]),
        ("peerware", [("Announce", "Create"), ("Announce", "str")], [("Announce", "Create")]),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_each_software_gets_its_form(
    site: Site,
    client: Any,
    at_work: None,
    peer: Peer,
    member: MakeMember,
    theme: MakeTheme,
    software: str,
    opener: list[tuple[str, str]],
    reply: list[tuple[str, str]],
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    await _follow(site, peer, mobility.actor, software)

    def new() -> list[tuple[str, str]]:
        came = sorted(
            (each.activity["type"], o["type"] if isinstance(o := each.activity["object"], dict) else "str")
            for each in peer.received
        )
        assert all(each.is_verified for each in peer.received)
        peer.received.clear()
        return came

    peer.received.clear()
    post = await _open(site, anna, mobility.actor)
    await _idle(site)
    assert new() == opener
    async with site.database.write() as tx:
        topic = await tx.get_one(Topic, post.topic_id)
        answer = await posts.reply(tx, anna.actor, topic, await posts.compose(tx, "A reply."), reply_to=post)
    await _idle(site)
    assert new() == reply
    async with site.database.write() as tx:
        await posts.edit(tx, anna.actor, answer, await posts.compose(tx, "Another."))
    await _idle(site)
    wrapped = [("Announce", "Update")] if software != "mastodon" else []
    assert new() == [*wrapped, ("Update", "Note")]
    async with site.database.write() as tx:
        await posts.erase(tx, anna.actor, answer)
    await _idle(site)
    wrapped = [("Announce", "Delete")] if software != "mastodon" else []
    assert new() == [*wrapped, ("Delete", "Tombstone")]


async def test_who_takes_part_gets_replies_directly(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    """Tess follows nothing; she answered once, so her server gets what is written after her."""
    anna, mobility = await member("anna"), await theme("mobility")
    post = await _open(site, anna, mobility.actor)
    note = peer.note("<p>From elsewhere</p>", inReplyTo=post.uri)
    await peer.send(site.settings.origin + "/inbox", peer.activity("Create", note))

    async def held() -> Any:
        async with site.database.read() as tx:
            return await posts.find_by_uri(tx, note["id"])

    theirs = await until(held)
    async with site.database.write() as tx:
        topic = await tx.get_one(Topic, post.topic_id)
        await posts.reply(tx, anna.actor, topic, await posts.compose(tx, "Thank you."), reply_to=theirs)
    create = (await until(lambda: peer.got("Create", "Note")))[0]
    assert create["object"]["inReplyTo"] == note["id"]
    assert peer.uri() in create["cc"]
    assert {"type": "Mention", "href": peer.uri(), "name": f"@tess@{peer.host}"} in create["object"]["tag"]


async def test_a_delivery_is_tried_again_in_order_and_signed_afresh(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    await _follow(site, peer, mobility.actor, "mastodon")
    peer.received.clear()
    peer.answer = 503
    post = await _open(site, anna, mobility.actor)
    await until(lambda: peer.received)
    async with site.database.write() as tx:
        await posts.edit(tx, anna.actor, post, await posts.compose(tx, "Changed.", title="A title"))
    await asyncio.sleep(0.2)
    peer.answer = 202
    await until(lambda: peer.got("Update"))
    kinds = [each.activity["type"] for each in peer.received]
    assert kinds[-1] == "Update"
    assert set(kinds[:-1]) == {"Announce"}
    dates = {each.headers["Signature"] for each in peer.received if each.activity["type"] == "Announce"}
    assert len(dates) == len(kinds) - 1 >= 2
    await _idle(site)
    async with site.database.read() as tx:
        assert (await tx.get_one(Host, peer.host)).failures == 0


@pytest.mark.parametrize("status", [400, 404, 410])
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_some_answers_end_it(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme, status: int
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    await _follow(site, peer, mobility.actor, "mastodon")
    peer.received.clear()
    peer.answer = status
    await _open(site, anna, mobility.actor)
    await _idle(site)
    assert len(peer.received) == (2 if status == 400 else 1), "400: in both forms of signatures"
    async with site.database.read() as tx:
        row = (
            await tx.execute(select(Activity).where(Activity.type == "Announce", Activity.failed_count > 0))
        ).scalar()
        assert row is not None
        failed = (await tx.execute(select(Job).where(Job.failed_at.is_not(None)))).scalar_one()
        assert failed.error.startswith(str(status))


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_blocked_host_gets_nothing(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    await _follow(site, peer, mobility.actor, "mastodon")
    async with site.database.write() as tx:
        (await tx.get_one(Host, peer.host)).state = "blocked"
    peer.received.clear()
    await _open(site, anna, mobility.actor)
    await _idle(site)
    assert peer.received == []


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_whose_inbox_is_gone_follows_no_more(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    peer.actor("tess", endpoints={})
    await _follow(site, peer, mobility.actor, "mastodon")
    peer.answer = 410
    peer.served["/users/tess"] = {"id": peer.uri(), "type": "Tombstone"}
    await _open(site, anna, mobility.actor)

    async def is_gone() -> bool:
        async with site.database.read() as tx:
            actor = await tx.by_uri(Actor, peer.uri())
            return actor is not None and actor.state == "gone"

    await until(is_gone)
    async with site.database.read() as tx:
        assert await groups.count_followers(tx, mobility.actor_id) == (0, 0)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_many_inboxes_are_fanned_out_by_a_job(
    site: Site,
    client: Any,
    at_work: None,
    peer: Peer,
    member: MakeMember,
    theme: MakeTheme,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    await _follow(site, peer, mobility.actor, "nodebb")
    monkeypatch.setattr(delivery, "AT_ONCE_MAX", 0)
    peer.received.clear()
    post = await _open(site, anna, mobility.actor)
    async with site.database.write() as tx:
        await posts.edit(tx, anna.actor, post, await posts.compose(tx, "Changed.", title="A title"))
    await _idle(site)
    kinds = [each.activity["object"]["type"] for each in peer.received if each.activity["type"] == "Announce"]
    assert kinds == ["Create", "Update"]
    assert all(each.is_verified for each in peer.received)
