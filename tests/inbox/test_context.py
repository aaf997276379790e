"""A thread has one address: ours in a theme of ours, whoever opened it, and its home's in a group elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from community import groups, posts
from community.models import Topic
from federation.dereference import store_actor, store_note
from federation.site import Site
from federation.translate import from_actor, from_note
from federation.vocabulary import ACTIVITY_JSON, PUBLIC
from outbox import documents
from tests.conftest import MakeMember, MakeTheme
from tests.peer import Peer


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_thread_has_the_address_of_its_home(
    site: Site, client: Any, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    own = {"context": f"{peer.origin}/contexts/1"}
    here = peer.note("<p>Where to, and why?</p>", cc=[mobility.actor.uri], **own)
    there = peer.note("<p>Where from, and why?</p>", to=[PUBLIC, peer.uri("board")], **own)
    found = {}
    async with site.database.write() as tx:
        for actor in (peer.actor("tess"), peer.actor("board", type="Group")):
            await store_actor(tx, from_actor(actor, tx.now))
        board = await groups.ensure_place(tx, await store_actor(tx, from_actor(peer.served["/users/board"], tx.now)))
        for note in (here, there):
            opener = await store_note(tx, from_note(note, tx.now), via=board.actor.uri)
            topic = await tx.get_one(Topic, opener.topic_id)
            reply = await posts.reply(tx, anna.actor, topic, await posts.compose(tx, "Because."))
            found[note["id"]] = (topic, (await documents.note(tx, reply))["context"])
    topic, said = found[here["id"]]
    path = f"/t/{topic.id}/context"
    assert said == site.settings.origin + path
    answer = await client.get(path, headers={"Accept": ACTIVITY_JSON})
    collection = await answer.json(content_type=None)
    assert (collection["id"], len(collection["orderedItems"])) == (said, 2)
    topic, said = found[there["id"]]
    assert said == own["context"]
    assert (await client.get(f"/t/{topic.id}/context", headers={"Accept": ACTIVITY_JSON})).status == 404
