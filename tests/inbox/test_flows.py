"""The main flows from another server, on both databases, with real keys over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from community.db import Tx
from federation.site import Site
from tests.conftest import MakeMember, MakeTheme
from tests.peer import Peer


async def until(condition: Callable[[], Awaitable[Any] | Any], seconds: float = 8) -> Any:
    """Wait for something to become true; answers it."""
    for _ in range(int(seconds * 50)):
        found = condition()
        found = await found if asyncio.iscoroutine(found) else found
        if found:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


async def test_a_follower_gets_accept_and_then_both_announces(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    from community import posts, topics

    anna, mobility = await member("anna"), await theme("mobility")
    follow = peer.activity("Follow", mobility.actor.uri)
    assert await peer.send(mobility.actor.inbox, follow) == (202, {"status": "accepted"})
    accept = (await until(lambda: peer.got("Accept")))[0]
    assert accept["object"] == {"id": follow["id"], "type": "Follow", "actor": peer.uri(), "object": mobility.actor.uri}
    async with site.database.write() as tx:
        post = await topics.open(tx, anna.actor, mobility.actor, await posts.compose(tx, "Text.", title="A title"))
    plain = (await until(lambda: peer.got("Announce", "str")))[0]
    wrapped = (await until(lambda: peer.got("Announce", "Create")))[0]
    assert plain["object"] == post.uri
    assert wrapped["object"]["object"]["content"].startswith("<p><strong>A title</strong></p>")


async def test_a_reply_from_elsewhere_stands_in_the_topic_and_is_passed_on(
    site: Site, client: Any, at_work: None, peer: Peer, second_peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    from community import posts, topics

    anna, mobility = await member("anna"), await theme("mobility")
    await second_peer.send(mobility.actor.inbox, second_peer.activity("Follow", mobility.actor.uri))
    await until(lambda: second_peer.got("Accept"))
    async with site.database.write() as tx:
        post = await topics.open(tx, anna.actor, mobility.actor, await posts.compose(tx, "Text.", title="A title"))
    note = peer.note("<p>I think so.</p>", inReplyTo=post.uri)
    assert (await peer.send(anna.actor.shared_inbox, peer.activity("Create", note)))[0] == 202

    async def stored(tx: Tx) -> Any:
        return await posts.find_by_uri(tx, note["id"])

    async def held() -> Any:
        async with site.database.read() as tx:
            return await stored(tx)

    reply = await until(held)
    assert (reply.number, reply.html) == (2, "<p>I think so.</p>")
    await until(lambda: [a for a in second_peer.got("Announce", "Create") if a["object"]["object"]["id"] == note["id"]])
    assert not [a for a in second_peer.got("Announce", "str") if a["object"] == note["id"]]
