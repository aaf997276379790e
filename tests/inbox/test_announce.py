"""Groups elsewhere announce in every form that is in use, and are believed no further than they have to be."""

from __future__ import annotations

from typing import Any

import base58
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from community import posts, topics
from community.members import ensure_host
from community.models import Actor, Membership, Post, Reaction, Topic
from federation import proofs
from federation.site import Site
from federation.vocabulary import AS2
from tests.conftest import MakeMember, MakeTheme
from tests.inbox.abroad import Abroad, joined, meet
from tests.inbox.test_flows import until
from tests.peer import Peer


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def abroad(site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember) -> Any:
    anna = await member("anna")
    async with joined(site, peer, anna.actor) as made:
        yield made


async def test_every_form_opens_one_topic_of_the_group(abroad: Abroad, second_peer: Peer) -> None:
    """Object id, activity id, embedded object, embedded activity, an array, a collection; and both of a pair once. Of
    everything embedded only the id counts, also of an author on a third server."""
    peer = abroad.peer
    forged = {"content": "<p>Forged.</p>"}

    def new(where: Peer = peer) -> dict[str, Any]:
        return abroad.note("<p>True.</p>", peer=where, title="A bench")

    plain, of_activity, embedded, wrapped, third, *several = (new() for _ in range(9))
    third = new(second_peer)
    create = peer.activity("Create", of_activity)
    peer.served[create["id"].removeprefix(peer.origin)] = create
    assert await abroad.announce(plain["id"]) == "fetched"
    assert await abroad.announce(create["id"]) == "topic-opened"
    assert await abroad.announce({**embedded, **forged}) == "fetched"
    whole = peer.activity("Create", {**wrapped, **forged})
    assert await abroad.announce(whole) == "fetched"
    assert await abroad.announce(wrapped["id"]) == "already-held"
    assert await abroad.announce(second_peer.activity("Create", {**third, **forged})) == "fetched"
    batch = [several[0]["id"], peer.activity("Create", several[1]), "nonsense", 7]
    sent = peer.activity("Announce", batch, by="board")
    assert await abroad.sent(sent, by="board") == "split-into-3"
    assert [await abroad.outcome(f"{sent['id']}#item-{number}") for number in (1, 2, 3)] == [
        "fetched",
        "fetched",
        "reference-missing",
    ]
    pages = {"type": "OrderedCollection", "orderedItems": [peer.activity("Create", each) for each in several[2:]]}
    sent = peer.activity("Announce", pages, by="board")
    assert await abroad.sent(sent, by="board") == "split-into-2"
    for number in (1, 2):
        assert await abroad.outcome(f"{sent['id']}#item-{number}") == "fetched"
    for note in (plain, of_activity, embedded, wrapped, third, *several):
        post = await abroad.post(note["id"])
        assert post is not None
        assert post.html == "<p>True.</p>"
        topic = await abroad.topic_of(note["id"])
        assert (topic.group_id, topic.title) == (abroad.board.id, "A bench")
    async with abroad.site.database.read() as tx:
        membership = (await tx.scalars(_memberships(abroad.board))).one()
        assert membership.state == "accepted"  # by the first Announce: PieFed sends no second Accept


def _memberships(group: Actor) -> Any:
    return select(Membership).where(Membership.group_id == group.id)


async def test_who_is_listened_to(abroad: Abroad, second_peer: Peer) -> None:
    note = abroad.note("<p>Words.</p>")
    second_peer.actor("club", type="Group")
    for by, outcome in (("club", "group-not-followed"), ("tess", "boost-ignored")):
        activity = second_peer.activity("Announce", note["id"], by=by)
        assert await abroad.sent(activity, at=second_peer, by=by) == outcome
    assert await abroad.post(note["id"]) is None
    peer = abroad.peer
    follow = peer.activity("Follow", abroad.site.settings.origin + "/u/anna")
    standing = peer.activity("Follow", abroad.site.settings.origin + "/u/anna")
    assert await abroad.sent(standing) == "followed"
    elsewhere = {**peer.activity("Create", note), "id": f"{second_peer.origin}/a/1"}
    for inner, outcome in (
        (follow, "told-by-another"),
        (peer.activity("Undo", follow), "told-by-another"),
        (peer.activity("Undo", standing["id"]), "told-by-another"),
        (peer.activity("Announce", note["id"]), "announced-in-an-announce"),
        (elsewhere, "id-on-another-server"),
        (peer.activity("Create", {**note, "id": f"{second_peer.origin}/n/1"}), "object-on-another-server"),
        (peer.activity("Travel", note), "type-unsupported"),
        ({"type": "Create", "actor": peer.uri()}, "reference-missing"),
    ):
        assert await abroad.announce(inner) == outcome
    async with abroad.site.database.write() as tx:
        (await ensure_host(tx, second_peer.host)).state = "blocked"
    asked = len(second_peer.asked)
    inner = second_peer.activity("Create", abroad.note("<p>x</p>", peer=second_peer))
    assert await abroad.announce(inner) == "host-is-blocked"
    assert len(second_peer.asked) == asked


async def test_edits_deletions_and_removals(abroad: Abroad) -> None:
    peer = abroad.peer
    opener = abroad.note("<p>First.</p>", title="A bench")
    reply = abroad.note("<p>Yes.</p>", inReplyTo=opener["id"])
    for note in (opener, reply):
        assert await abroad.announce(peer.activity("Create", note)) == "fetched"
    update = {**opener, "content": "<p>Forged.</p>", "updated": "2030-01-01T00:00:00Z"}
    assert await abroad.announce(peer.activity("Update", update)) == "nothing-new"
    opener |= {"content": "<p>Second.</p>", "updated": "2026-11-22T12:00:00Z"}
    assert await abroad.announce(peer.activity("Update", update)) == "edited"
    post = await abroad.post(opener["id"])
    assert post is not None
    assert post.html == "<p>Second.</p>"

    # An author's deletion is confirmed at the origin, a moderator's is the group's own word, and can be taken back.
    gone = peer.activity("Delete", reply["id"])
    assert await abroad.announce(gone) == "still-there"
    removal = peer.activity("Delete", reply["id"], by="mod", summary="Off topic")
    assert await abroad.announce(removal) == "removed"
    post = await abroad.post(reply["id"])
    assert post is not None
    assert (post.html, post.deleted_reason) == ("", "Off topic")
    assert await abroad.announce(peer.activity("Undo", removal, by="mod")) == "restored"
    post = await abroad.post(reply["id"])
    assert post is not None
    assert (post.html, post.deleted_at, (await abroad.topic_of(reply["id"])).reply_count) == ("<p>Yes.</p>", None, 1)
    peer.served[reply["id"].removeprefix(peer.origin)] = {"id": reply["id"], "type": "Tombstone"}
    assert await abroad.announce({**gone, "id": gone["id"] + "2"}) == "deleted"
    assert await abroad.announce(peer.activity("Undo", gone, by="mod")) == "undone-by-another"
    assert await abroad.announce(peer.activity("Undo", {**gone, "actor": peer.uri("mod")}, by="mod")) == (
        "deleted-by-its-author"
    )


async def test_a_group_speaks_for_its_own_topics_only(abroad: Abroad, theme: MakeTheme, member: MakeMember) -> None:
    peer, berta, mobility = abroad.peer, await member("berta"), await theme("mobility")
    async with abroad.site.database.write() as tx:
        ours = await topics.open(
            tx, berta.actor, mobility.actor, await posts.compose(tx, "Text.", title="A title of ours")
        )
    mine = abroad.note("<p>Theirs.</p>", title="A bench")
    assert await abroad.announce(mine["id"]) == "fetched"
    for kind in ("Like", "Dislike", "EmojiReact", "Delete"):
        expected = "only-the-author" if kind == "Delete" else "not-of-that-group"
        assert await abroad.announce(peer.activity(kind, ours.uri, by="voter")) == expected
    like = peer.activity("Like", mine["id"], by="voter")
    assert await abroad.announce(like) == "liked"
    assert await abroad.announce(peer.activity("EmojiReact", mine["id"], by="voter", content="🔥")) == "already-liked"
    down = peer.activity("Dislike", mine["id"], by="voter")
    assert await abroad.announce(down) == "disliked"
    post = await abroad.post(mine["id"])
    assert post is not None
    assert (post.like_count_elsewhere, post.dislike_count) == (0, 1)
    assert await abroad.announce(peer.activity("Undo", like, by="voter")) == "was-not-liked"
    assert await abroad.announce(peer.activity("Undo", down, by="voter")) == "undisliked"
    # An Undo that overtakes its vote.
    early = peer.activity("Like", mine["id"], by="voter")
    assert await abroad.announce(peer.activity("Undo", early, by="voter")) == "was-not-liked"
    assert await abroad.announce(early) == "was-undone"
    # Directly: the actor's own word.
    assert await abroad.sent(peer.activity("Dislike", ours.uri, by="voter"), by="voter") == "disliked"
    assert await abroad.sent(peer.activity("EmojiReact", ours.uri, by="voter"), by="voter") == "liked"
    follow = peer.activity("Follow", mobility.actor.uri)
    assert await abroad.sent(peer.activity("Undo", follow)) == "was-not-followed"
    assert await abroad.sent(follow) == "was-undone"
    async with abroad.site.database.read() as tx:
        assert [r.value for r in await tx.scalars(select(Reaction))] == [1]


async def test_what_we_wrote_there_comes_back(abroad: Abroad) -> None:
    """The echo of our own post says that the group took it, and nothing else."""
    peer = abroad.peer
    async with abroad.site.database.write() as tx:
        anna = (await tx.scalars(_local("anna"))).one()
        board = await tx.get_one(Actor, abroad.board.id)
        post = await topics.open(tx, anna, board, await posts.compose(tx, "Text.", title="A title of ours"))
    assert post.acceptance == "waiting"
    create = next(iter([a for a in await until(lambda: peer.got("Create")) if a["object"]["id"] == post.uri]))
    changed = {**create, "object": {**create["object"], "content": "<p>Forged.</p>"}}
    assert await abroad.announce(changed) == "post-accepted"
    held = await abroad.post(post.uri)
    assert held is not None
    assert (held.acceptance, held.html) == ("accepted", post.html)
    assert await abroad.announce(post.uri) == "own-echo"
    assert await abroad.announce({**create, "type": "Delete"}) == "own-echo"
    async with abroad.site.database.read() as tx:
        assert (await tx.execute(select(func.count()).select_from(Post))).scalar_one() == 1
        assert (await tx.execute(select(func.count()).select_from(Topic))).scalar_one() == 1


def _local(handle: str) -> Any:
    return select(Actor).where(Actor.handle == handle, Actor.host == "")


async def test_a_proof_of_the_author_needs_no_fetch(abroad: Abroad, second_peer: Peer) -> None:
    key = Ed25519PrivateKey.generate()
    uri = second_peer.uri()
    public = "z" + _multikey(key)
    second_peer.served["/users/tess"]["assertionMethod"] = [proofs.multikey(uri, f"{uri}#ed25519", public)]
    await meet(abroad.site, second_peer, "tess")
    note = abroad.note("<p>Proven.</p>", peer=second_peer, title="A bench")
    now = abroad.site.database.clock()
    create = proofs.sign({**second_peer.activity("Create", note), "@context": AS2}, key, f"{uri}#ed25519", now)
    assert await abroad.announce({**create, "object": {**note, "content": "<p>Forged.</p>"}}) == "fetched"
    other = abroad.note("<p>Proven too.</p>", peer=second_peer, title="A table")
    asked = len([path for path in second_peer.asked if path.startswith("/notes")])
    create = proofs.sign({**second_peer.activity("Create", other), "@context": AS2}, key, f"{uri}#ed25519", now)
    assert await abroad.announce(create) == "topic-opened"
    read = [path for path in second_peer.asked if path.startswith("/notes")]
    assert len(read) - asked <= 1  # the look at the thread that comes after


def _multikey(key: Any) -> str:
    return base58.b58encode(b"\xed\x01" + key.public_key().public_bytes_raw()).decode()
