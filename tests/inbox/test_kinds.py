"""Events, films and private messages from elsewhere, from the wire to the page."""

from __future__ import annotations

from typing import Any

import pytest

from community import posts
from community.models import Topic
from federation.site import Site
from tests.conftest import MakeTheme
from tests.inbox.test_polls import outcome
from tests.peer import Peer

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def test_events_and_films_are_topics_and_private_messages_are_none(
    site: Site, client: Any, at_work: None, peer: Peer, theme: MakeTheme
) -> None:
    mobility = await theme("mobility")
    walkers = f"{peer.origin}/@walkers"
    event = peer.note(
        "<p>Bring shoes.</p>",
        type="Event",
        name="A walk through the port",
        actor=peer.uri(),
        attributedTo=walkers,
        startTime="2026-12-18T09:00:00Z",
        timezone="Asia/Singapore",
        location={"type": "Place", "name": "Port gate"},
        cc=[mobility.actor.uri],
    )
    assert await outcome(site, peer, peer.activity("Create", event)) == "topic-opened"
    async with site.database.read() as tx:
        post = await posts.find_by_uri(tx, event["id"])
        assert post is not None
        assert (await tx.get_one(Topic, post.topic_id)).title == "A walk through the port"
    page = await (await client.get(f"/t/{post.topic_id}/x")).text()
    assert "<strong>18 December 2026, 17:00 (Asia/Singapore)<br>Port gate</strong>" in page
    later = {**event, "startTime": "2026-12-19T09:00:00Z", "updated": "2099-01-01T00:00:00Z"}
    assert await outcome(site, peer, peer.activity("Update", later)) == "edited"
    assert "19 December 2026" in await (await client.get(f"/t/{post.topic_id}/x")).text()

    channel = f"{peer.origin}/video-channels/trams"
    film = peer.note(
        "",
        type="Video",
        name="A ride on line 5",
        attributedTo=[{"type": "Person", "id": peer.uri()}, {"type": "Group", "id": channel}],
        url=[{"type": "Link", "mediaType": "text/html", "href": f"{peer.origin}/watch/5"}],
        cc=[mobility.actor.uri],
    )
    assert await outcome(site, peer, peer.activity("Create", film)) == "topic-opened"
    async with site.database.read() as tx:
        post = await posts.find_by_uri(tx, film["id"])
        assert post is not None
    assert f'href="{peer.origin}/watch/5"' in await (await client.get(f"/t/{post.topic_id}/x")).text()

    message = peer.note("<p>psst</p>", type="ChatMessage", to=[mobility.actor.uri], cc=[])
    assert await outcome(site, peer, peer.activity("Create", message)) == "not-public"
    join = peer.activity("Join", event["id"])
    assert await outcome(site, peer, join) == "not-found-here"
