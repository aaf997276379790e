"""What one server sends of another's: nothing of it is believed, and what it names is looked at where it is at home."""

from __future__ import annotations

import json
from typing import Any

import base58
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from community import posts, topics
from community.members import ensure_host
from community.models import Activity, Actor, Membership, Post, Theme
from federation import proofs, signatures
from federation.site import Site
from inbox import receive
from tests.conftest import MakeMember, MakeTheme
from tests.inbox.abroad import Abroad, meet
from tests.inbox.test_flows import until
from tests.peer import Peer


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def opener(site: Site, client: Any, at_work: None, member: MakeMember, theme: MakeTheme) -> Post:
    anna, mobility = await member("anna"), await theme("mobility")
    async with site.database.write() as tx:
        return await topics.open(tx, anna.actor, mobility.actor, await posts.compose(tx, "Text.", title="A title"))


async def test_only_ids_are_taken_from_what_is_forwarded(
    site: Site, peer: Peer, second_peer: Peer, opener: Post
) -> None:
    """Tess writes; the second peer forwards it, forges it, uses its ids up; then Tess's own request comes."""
    at = Abroad(site, second_peer, opener.topic.group)
    note = peer.note("<p>True.</p>", inReplyTo=opener.uri)
    create = peer.activity("Create", note)
    forged = {**create, "object": {**note, "content": "<p>Forged.</p>"}}
    assert await at.sent(forged, at=second_peer) == "fetched"
    held = await at.post(note["id"])
    assert held is not None
    assert held.html == "<p>True.</p>"
    async with site.database.read() as tx:
        row = await tx.by_uri(Activity, create["id"])
        assert row is not None
        assert row.envelope == {"forwarded_by": second_peer.uri()}

    # The same id, by its own actor: it replaces what was forwarded, whatever had become of that.
    assert (await peer.send(at.inbox, create))[0] == 202

    async def replaced() -> bool:
        async with site.database.read() as tx:
            row = await tx.by_uri(Activity, create["id"])
            return row is not None and row.envelope is None and row.outcome == "already-held"

    await until(replaced)

    update = peer.activity("Update", {**note, "content": "<p>Forged.</p>", "updated": "2030-01-01T00:00:00Z"})
    assert await at.sent(update, at=second_peer) == "nothing-new"
    note |= {"content": "<p>Changed.</p>", "updated": "2026-11-22T12:00:00Z"}
    update = peer.activity("Update", note)
    assert await at.sent({**update, "object": note["id"]}, at=second_peer) == "edited"
    assert await at.sent(peer.activity("Delete", note["id"]), at=second_peer) == "still-there"
    like = peer.activity("Like", opener.uri)
    assert await at.sent(like, at=second_peer) == "forwarded-unproven"
    assert await at.sent(peer.activity("Delete", opener.uri), at=second_peer) == "only-the-author"
    assert await at.sent(peer.activity("Delete", peer.uri()), at=second_peer) == "looked-at-again"
    assert await at.sent(peer.activity("Create", {**note, "id": f"{second_peer.origin}/n"}), at=second_peer) == (
        "object-on-another-server"
    )
    held = await at.post(note["id"])
    assert held is not None
    assert held.html == "<p>Changed.</p>"
    peer.served[note["id"].removeprefix(peer.origin)] = {"id": note["id"], "type": "Tombstone"}
    assert await at.sent(peer.activity("Delete", note["id"]), at=second_peer) == "deleted"
    late = {**create, "id": f"{peer.origin}/activities/late"}
    assert await at.sent(late, at=second_peer) == "already-held"


async def test_a_proof_inside_is_as_good_as_the_signature_of_its_maker(
    site: Site, peer: Peer, second_peer: Peer, opener: Post
) -> None:
    at = Abroad(site, second_peer, opener.topic.group)
    key = Ed25519PrivateKey.generate()
    public = "z" + base58.b58encode(b"\xed\x01" + key.public_key().public_bytes_raw()).decode()
    key_id = f"{peer.uri()}#ed25519"
    peer.served["/users/tess"]["assertionMethod"] = [proofs.multikey(peer.uri(), key_id, public)]
    await meet(site, peer, "tess")
    now = site.database.clock()
    note = peer.note("<p>Proven.</p>", inReplyTo=opener.uri)
    create = proofs.sign(peer.activity("Create", note), key, key_id, now)
    assert await at.sent(create, at=second_peer) == "replied"
    assert note["id"].removeprefix(peer.origin) not in peer.asked
    like = proofs.sign(peer.activity("Like", opener.uri), key, key_id, now)
    assert await at.sent({**like, "id": f"{like['id']}0"}, at=second_peer) == "forwarded-unproven"
    assert await at.sent(like, at=second_peer) == "liked"
    # Of another's key a proof proves nothing, nor does the forwarder's own.
    second_peer.served["/users/tess"]["assertionMethod"] = [
        proofs.multikey(second_peer.uri(), f"{second_peer.uri()}#e", public)
    ]
    await meet(site, second_peer, "tess")
    foreign = proofs.sign(peer.activity("Like", opener.uri), key, f"{second_peer.uri()}#e", now)
    assert await at.sent(foreign, at=second_peer) == "forwarded-unproven"


async def test_a_forwarder_cannot_make_us_fetch_without_end(
    site: Site, peer: Peer, second_peer: Peer, opener: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "FORWARDED_PER_MINUTE", 2)
    answers = [
        (await second_peer.send(f"{site.settings.origin}/inbox", peer.activity("Like", opener.uri)))[0]
        for _ in range(4)
    ]
    assert answers == [202, 202, 429, 429]
    assert (await peer.send(f"{site.settings.origin}/inbox", peer.activity("Like", opener.uri)))[0] == 202


async def test_signed_edits_and_deletions_of_authors_elsewhere_reach_microblogs_as_they_came(
    site: Site, peer: Peer, second_peer: Peer, opener: Post
) -> None:
    """With a signature of the author inside, in the bytes that came; without one not at all."""
    at = Abroad(site, peer, opener.topic.group)
    second_peer.software = "mastodon"
    inbox = f"{site.settings.origin}/inbox"
    assert (await second_peer.send(inbox, second_peer.activity("Follow", at.board.uri)))[0] == 202
    await until(lambda: second_peer.got("Accept"))
    async with site.database.write() as tx:
        (await ensure_host(tx, second_peer.host)).software = "mastodon"
    note = peer.note("<p>One.</p>", inReplyTo=opener.uri)
    assert await at.sent(peer.activity("Create", note)) == "replied"
    signature = {"type": "RsaSignature2017", "signatureValue": "AAAA"}
    unsigned = peer.activity("Update", {**note, "content": "<p>Two.</p>", "updated": "2026-11-22T12:00:00Z"})
    assert await at.sent(unsigned) == "edited"
    update = peer.activity("Update", {**note, "content": "<p>Three.</p>", "updated": "2026-11-22T12:10:00Z"})
    raw = json.dumps({**update, "signature": signature}, indent=3).encode()
    assert (await peer.send(inbox, raw))[0] == 202
    assert await at.outcome(update["id"]) == "edited"
    deletion = peer.activity("Delete", note["id"], signature=signature)
    assert await at.sent(deletion) == "deleted"
    await until(lambda: second_peer.got("Delete"))
    assert [each["id"] for each in second_peer.got("Update")] == [update["id"]]
    digests = [each.headers["Digest"] for each in second_peer.received if each.activity["id"] == update["id"]]
    assert digests == [f"SHA-256={signatures.digest_of(raw)}"]
    assert [each["id"] for each in second_peer.got("Delete")] == [deletion["id"]]


async def test_nothing_else_is_left_behind(site: Site, peer: Peer, second_peer: Peer, opener: Post) -> None:
    at = Abroad(site, second_peer, opener.topic.group)
    follow = peer.activity("Follow", at.board.uri)
    assert await at.sent(follow, at=second_peer) == "forwarded-unproven"
    assert await at.sent(peer.activity("Undo", follow), at=second_peer) == "forwarded-unproven"
    assert await at.sent(follow | {"id": f"{follow['id']}2"}, at=peer) == "followed"
    async with site.database.read() as tx:
        tess = await tx.by_uri(Actor, peer.uri())
        assert tess is not None
        held = (await tx.scalars(select(Membership.state).where(Membership.actor_id == tess.id))).all()
        assert list(held) == ["accepted"]
        assert (await tx.get_one(Theme, at.board.id)).post_count == 1
