"""What happened elsewhere before we heard of it is read at its home: threads, places, and no more than is bounded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import select, update

from community import jobs, posts, topics
from community.models import Actor, Job, Membership, Post, Theme, Topic
from federation import backfill
from federation.client import Budget
from federation.dereference import bring_in
from federation.site import Site
from tests.conftest import MakeMember, SignIn
from tests.inbox.abroad import Abroad, joined
from tests.inbox.test_flows import until
from tests.peer import Peer
from tests.web.forms import send


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def abroad(site: Site, peer: Peer, member: MakeMember) -> Any:
    anna = await member("anna")
    async with joined(site, peer, anna.actor) as made:
        yield made


def serve(peer: Peer, path: str, kind: str = "OrderedCollection", **fields: Any) -> str:
    peer.served[path] = {"id": peer.origin + path, "type": kind, **fields}
    return peer.origin + path


async def opened(abroad: Abroad, note: dict[str, Any]) -> int:
    """Bring a topic in; answers its id."""
    await bring_in(abroad.site, note["id"], Budget(), via=abroad.board.uri)
    return (await abroad.topic_of(note["id"])).id


async def read(abroad: Abroad, topic_id: int) -> Topic:
    await backfill.whole_thread(abroad.site, topic_id, Budget(60, 60))
    async with abroad.site.database.read() as tx:
        return await tx.get_one(Topic, topic_id)


async def test_a_thread_is_read_by_its_context(abroad: Abroad, second_peer: Peer) -> None:
    """Pages, items in every form, each from its own origin; what answers nothing, what is embedded and what is listed
    by a page elsewhere is not taken."""
    peer = abroad.peer
    opener = abroad.note("<p>Opener.</p>", title="A bench")
    replies = [
        (second_peer if number == 2 else peer).note(f"<p>{number}.</p>", inReplyTo=opener["id"]) for number in range(6)
    ]
    deep = second_peer.note("<p>Deep.</p>", inReplyTo=replies[2]["id"])
    foreign = abroad.note("<p>Another topic.</p>", title="A table")
    hidden = second_peer.note("<p>Hidden.</p>", inReplyTo=opener["id"])
    stray = serve(second_peer, "/stray", "OrderedCollectionPage", orderedItems=[hidden["id"]])
    serve(
        peer,
        "/context/2",
        "OrderedCollectionPage",
        orderedItems=[
            peer.activity("Create", replies[4]),
            foreign["id"],
            f"{peer.origin}/nothing",
            f"{abroad.site.settings.origin}/p/99",
            deep["id"],
            7,
        ],
        next=stray,
    )
    forged = {**replies[3], "content": "<p>Forged.</p>"}
    first = {
        "type": "OrderedCollectionPage",
        "orderedItems": [opener["id"], replies[0]["id"], replies[1]["id"], replies[2]["id"], forged],
        "next": f"{peer.origin}/context/2",
    }
    opener["context"] = serve(peer, "/context", totalItems=12, first=first)
    topic_id = await opened(abroad, opener)
    topic = await read(abroad, topic_id)
    assert topic.count_elsewhere == 12
    assert topic.checked_at is not None
    async with abroad.site.database.read() as tx:
        found = {post.uri: post.html for post in (await tx.scalars(select(Post).where(Post.topic_id == topic_id)))}
        assert (await tx.scalars(select(Topic.id))).all() == [topic_id]
    assert set(found) == {opener["id"], deep["id"], *(reply["id"] for reply in replies[:5])}
    assert found[replies[3]["id"]] == "<p>3.</p>"
    assert topic.last_post_at <= abroad.site.database.clock()
    asked = len(second_peer.asked)
    await read(abroad, topic_id)
    assert len(second_peer.asked) == asked, "what is here is not asked for again"


async def test_a_thread_is_read_by_its_replies(abroad: Abroad) -> None:
    """Without a context: from post to post, embedded pages and stubs, and within its limits."""
    peer = abroad.peer
    opener = abroad.note("<p>Opener.</p>", title="A bench", context="https://elsewhere.example/context")
    one = peer.note("<p>One.</p>", inReplyTo=opener["id"])
    two = peer.note("<p>Two.</p>", inReplyTo=one["id"])
    three = peer.note("<p>Three.</p>", inReplyTo=two["id"])
    opener["replies"] = {
        "id": f"{opener['id']}/replies",
        "type": "Collection",
        "first": {"type": "CollectionPage", "items": [one["id"]]},
    }
    one["replies"] = serve(peer, "/one/replies", "Collection", items=[two["id"]])
    two["replies"] = {"type": "Collection", "items": three["id"]}
    topic_id = await opened(abroad, opener)
    topic = await read(abroad, topic_id)
    assert (topic.count_elsewhere, topic.reply_count) == (4, 3)
    # One more under a reply that is held: found as well, since those are looked at when there is nothing newer.
    four = peer.note("<p>Four.</p>", inReplyTo=three["id"])
    three["replies"] = {"type": "Collection", "items": [four["id"]]}
    topic = await read(abroad, topic_id)
    assert (topic.count_elsewhere, topic.reply_count) == (5, 4)
    # A collection that never ends, and more replies than may be fetched at once.
    more = [peer.note("<p>More.</p>", inReplyTo=opener["id"])["id"] for _ in range(12)]
    serve(peer, "/endless", "CollectionPage", items=more, next=f"{peer.origin}/endless")
    opener["replies"] = f"{peer.origin}/endless"
    asked = len(peer.asked)
    await backfill.whole_thread(abroad.site, topic_id, Budget(8, 60))
    assert len(peer.asked) - asked <= 8
    # Its opener is gone, and so it is here; without one the thread is asked for no more.
    peer.served[opener["id"].removeprefix(peer.origin)] = {"id": opener["id"], "type": "Tombstone"}
    await read(abroad, topic_id)
    post = await abroad.post(opener["id"])
    assert post is not None
    assert post.deleted_at is not None


async def _planned(site: Site, topic_id: int) -> tuple[int, float] | None:
    """The step of the planned look, and in how many seconds it is."""
    async with site.database.read() as tx:
        row = (await tx.execute(select(Job).where(Job.key == backfill.key_of(topic_id)))).scalar_one_or_none()
        return None if row is None else (row.argument["step"], (row.run_at - tx.now).total_seconds())


async def _run(site: Site, topic_id: int) -> None:
    async with site.database.write() as tx:
        await tx.execute(update(Job).values(run_at=tx.now + timedelta(9)))
        await tx.execute(update(Job).where(Job.key == backfill.key_of(topic_id)).values(run_at=tx.now))
        claimed = await jobs.claim(tx, 1)
    assert not await backfill.backfill_thread(site, claimed)


async def test_looks_become_rarer_without_news(abroad: Abroad) -> None:
    opener = abroad.note("<p>Opener.</p>", title="A bench", replies={"type": "Collection", "items": []})
    topic_id = await opened(abroad, opener)
    planned = await _planned(abroad.site, topic_id)
    assert planned is not None
    assert planned[1] <= 0, "a topic of a group elsewhere may have a history"
    waits = []
    for _ in range(4):
        await _run(abroad.site, topic_id)
        planned = await _planned(abroad.site, topic_id)
        assert planned is not None
        waits.append(round(planned[1] / 60))
    assert waits == [15, 60, 360, 1440]
    reply = abroad.peer.note("<p>News.</p>", inReplyTo=opener["id"])
    opener["replies"]["items"] = [reply["id"]]
    await _run(abroad.site, topic_id)
    planned = await _planned(abroad.site, topic_id)
    assert planned is not None
    assert (planned[0], round(planned[1] / 60)) == (0, 5)
    for _ in range(5):
        await _run(abroad.site, topic_id)
    assert await _planned(abroad.site, topic_id) is None
    async with abroad.site.database.write() as tx:
        await backfill.ask(tx, topic_id)
    assert await _planned(abroad.site, topic_id) is not None


async def test_a_new_place_brings_topics_pins_and_moderators(abroad: Abroad, second_peer: Peer) -> None:
    peer, site, board = abroad.peer, abroad.site, abroad.board
    notes = [abroad.note(f"<p>{n}.</p>", title=f"Topic number {n}") for n in range(3)]
    foreign = abroad.note("<p>Elsewhere.</p>", peer=second_peer, title="Topic from elsewhere")
    reply = abroad.note("<p>Reply.</p>", inReplyTo=notes[0]["id"])
    create = peer.activity("Create", notes[1])
    peer.served[create["id"].removeprefix(peer.origin)] = create
    items = [
        peer.activity("Announce", peer.activity("Create", {**notes[0], "content": "<p>Forged.</p>"}), by="board"),
        peer.activity("Announce", notes[2]["id"], by="board"),
        create["id"],
        peer.activity("Announce", peer.activity("Create", reply), by="board"),
        peer.activity("Announce", second_peer.activity("Create", foreign), by="board"),
        f"{peer.origin}/nothing",
    ]
    outbox = serve(peer, "/board/outbox", totalItems=6, first=f"{peer.origin}/board/outbox/1")
    serve(peer, "/board/outbox/1", "OrderedCollectionPage", orderedItems=items)
    featured = serve(peer, "/board/featured", orderedItems=[notes[2], foreign["id"]])
    moderators = serve(peer, "/board/moderators", orderedItems=[peer.uri("mod"), f"{peer.origin}/users/nobody"])
    peer.actor("board", type="Group", outbox=outbox, featured=featured, attributedTo=moderators)
    await backfill.new_place(site, board.id)
    async with site.database.read() as tx:
        found = {topic.title: topic for topic in (await tx.scalars(select(Topic).where(Topic.group_id == board.id)))}
        assert set(found) == {*(f"Topic number {n}" for n in range(3)), "Topic from elsewhere"}
        assert {title for title, topic in found.items() if topic.pinned_at} == {
            "Topic number 2",
            "Topic from elsewhere",
        }
        html = {post.html for post in (await tx.scalars(select(Post)))}
        assert "<p>0.</p>" in html
        assert "<p>Reply.</p>" not in html
        appointed = await tx.scalars(
            select(Actor.uri)
            .join(Membership, Membership.actor_id == Actor.id)
            .where(Membership.group_id == board.id, Membership.role == "moderator")
        )
        assert appointed.all() == [peer.uri("mod")]
        assert (await tx.get_one(Theme, board.id)).checked_at is not None
    # Later they pin another one and appoint another moderator.
    peer.served["/board/featured"]["orderedItems"] = [notes[0]["id"]]
    peer.served["/board/moderators"]["orderedItems"] = [peer.uri("voter")]
    await backfill.new_place(site, board.id)
    async with site.database.read() as tx:
        pinned = await tx.scalars(select(Topic.title).where(Topic.pinned_at.is_not(None)))
        assert pinned.all() == ["Topic number 0"]
        voter = await tx.by_uri(Actor, peer.uri("voter"))
        assert voter is not None
        roles = await tx.scalars(
            select(Membership.actor_id).where(Membership.group_id == board.id, Membership.role == "moderator")
        )
        assert roles.all() == [voter.id]


async def test_the_page_says_how_complete_a_thread_is(
    abroad: Abroad, client: TestClient[Any, Any], sign_in: SignIn, member: MakeMember
) -> None:
    site, berta = abroad.site, await member("berta")
    opener = abroad.note("<p>Opener.</p>", title="A bench")
    opener["context"] = serve(abroad.peer, "/context", totalItems=3, items=[opener["id"]])
    topic_id = await opened(abroad, opener)
    await read(abroad, topic_id)
    async with site.database.write() as tx:
        await tx.execute(update(Topic).values(checked_at=tx.now - timedelta(minutes=20)))
        await tx.execute(update(Job).where(Job.kind == "backfill-thread").values(run_at=tx.now + timedelta(hours=1)))
    page = await (await client.get(f"/t/{topic_id}")).text()
    assert "1 of 3 posts of this thread are here." in page
    assert "Fetch the full thread" not in page, "only members may ask for it"
    planned = await _planned(site, topic_id)
    assert planned is not None
    assert planned[1] <= 0, "who reads it has it looked for"
    async with site.database.write() as tx:
        await tx.execute(update(Job).where(Job.kind == "backfill-thread").values(run_at=tx.now + timedelta(hours=1)))
        await tx.execute(update(Topic).values(checked_at=tx.now - timedelta(minutes=5)))
    await sign_in(client, berta)
    page = await (await client.get(f"/t/{topic_id}")).text()
    assert "Fetch the full thread" in page
    planned = await _planned(site, topic_id)
    assert planned is not None
    assert planned[1] > 0, "five minutes ago is fresh enough for a reader"
    answer = await send(client, f"/t/{topic_id}/fetch", page=f"/t/{topic_id}")
    assert answer.status == 303, await answer.text()
    planned = await _planned(site, topic_id)
    assert planned is not None
    assert planned[1] <= 0
    assert "More is being fetched." in await (await client.get(f"/t/{topic_id}")).text()
    answer = await send(client, "/t/99999/fetch", page=f"/t/{topic_id}")
    assert answer.status == 404
    # A thread that began here is all here.
    async with site.database.write() as tx:
        anna = await tx.get_one(Actor, berta.actor_id)
        ours = await topics.open(tx, anna, abroad.board, await posts.compose(tx, "Text.", title="A title of ours"))
    assert "of this thread" not in await (await client.get(f"/t/{ours.topic_id}")).text()


async def test_a_followed_place_is_read_by_the_job(abroad: Abroad, at_work: None) -> None:
    note = abroad.note("<p>Old.</p>", title="An old topic")
    outbox = serve(abroad.peer, "/board/outbox", totalItems=1, orderedItems=[note["id"]])
    abroad.peer.actor("board", type="Group", outbox=outbox)
    async with abroad.site.database.write() as tx:
        argument = {"actor": abroad.board.id}
        await jobs.add(tx, "backfill-place", argument, key=f"backfill-place:{abroad.board.id}")
    assert await until(lambda: abroad.post(note["id"]))
