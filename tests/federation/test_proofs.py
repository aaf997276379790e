"""Proofs inside documents (FEP-8b32): the proposal's own example, and everything that a forger could try."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import base58
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from community import keys, members
from community.models import Actor, Keypair
from federation import dereference, proofs, signatures, translate
from federation.site import Site
from federation.vocabulary import AS2, PUBLIC, Document, read_json
from tests.conftest import SECRET, MakeMember, MakeTheme, pair
from tests.peer import Peer

ALICE = "https://server.example/users/alice"
KEY_ID = f"{ALICE}#ed25519-key"
NOW = datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC)
# The example of FEP-8b32 (CC0): secret key, document and the value that its proof must have.
SECRET_KEY = "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
MULTIKEY = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
PROOF_VALUE = "z42ffGu6AUKPCFcFPiabmUvnGLPJzC7e4DGWC52NUasSSH37UMa9c58tdgVszUcZfytxa4fQ5TYHaJENCxUDe9SdL"
KEY = Ed25519PrivateKey.from_private_bytes(base58.b58decode(SECRET_KEY[1:])[2:])


def multikey_of(key: Ed25519PrivateKey) -> str:
    return "z" + base58.b58encode(b"\xed\x01" + key.public_key().public_bytes_raw()).decode()


def example() -> Document:
    return {
        "@context": [AS2, "https://w3id.org/security/data-integrity/v2"],
        "id": "https://server.example/activities/1",
        "type": "Create",
        "actor": ALICE,
        "object": {
            "id": "https://server.example/objects/1",
            "type": "Note",
            "attributedTo": ALICE,
            "content": "Hello world",
            "location": {"type": "Place", "longitude": -71.184902, "latitude": 25.273962},
        },
    }


def test_the_example_of_the_proposal() -> None:
    document = proofs.sign(example(), KEY, KEY_ID, NOW)
    assert document["proof"] == {
        "@context": [AS2, "https://w3id.org/security/data-integrity/v2"],
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": KEY_ID,
        "proofPurpose": "assertionMethod",
        "created": "2023-02-24T23:36:38Z",
        "proofValue": PROOF_VALUE,
    }
    assert {name: value for name, value in document.items() if name != "proof"} == example()
    assert proofs.verify(document, MULTIKEY)
    assert proofs.verify(read_json(json.dumps(document, indent=2).encode()), MULTIKEY), "however it is written"


def test_a_context_of_ours_gets_that_of_proofs_before_its_own_terms() -> None:
    for context, expected in (
        (AS2, [AS2, proofs.CONTEXT]),
        ([AS2, "https://w3id.org/security/v1", {"a": "b"}],
         [AS2, "https://w3id.org/security/v1", proofs.CONTEXT, {"a": "b"}]),
    ):  # fmt: skip
        signed = proofs.sign({**example(), "@context": context}, KEY, KEY_ID, NOW)
        assert signed["@context"] == signed["proof"]["@context"] == expected
        assert proofs.verify(signed, MULTIKEY)


def test_what_peers_do_differently() -> None:
    signed = proofs.sign(example(), KEY, KEY_ID, NOW)
    assert proofs.verify({**signed, "proof": [signed["proof"]]}, MULTIKEY)
    assert proofs.verify({**signed, "signature": {"type": "RsaSignature2017"}}, MULTIKEY), "added after the proof"
    # Fedify hashes the document's context with the proof and does not send it again; others hash what they send.
    bare = {name: value for name, value in signed["proof"].items() if name != "@context"}
    assert proofs.verify({**signed, "proof": bare}, MULTIKEY)
    del bare["proofValue"]
    made = KEY.sign(proofs._base(bare, example()))
    bare["proofValue"] = "z" + base58.b58encode(made).decode()
    assert proofs.verify({**example(), "proof": bare}, MULTIKEY)
    # A server on the way may add contexts behind those that were signed, and nothing in front of them.
    more = {**signed, "@context": [*signed["@context"], {"x": "y"}]}
    assert proofs.verify(more, MULTIKEY)
    assert not proofs.verify({**signed, "@context": [{"x": "y"}, *signed["@context"]]}, MULTIKEY)


def _set(path: str, value: Any) -> Callable[[Document], Document]:
    """A change of one member, by a path with dots; None takes it away."""

    def change(document: Document) -> Document:
        place, names = document, path.split(".")
        for name in names[:-1]:
            place = place[name]
        if value is None:
            del place[names[-1]]
        else:
            place[names[-1]] = value
        return document

    return change


FORGED: dict[str, Callable[[Document], Document]] = {
    "another text": _set("object.content", "Goodbye world"),
    "another id": _set("id", "https://server.example/activities/2"),
    "another actor": _set("actor", "https://server.example/users/mallory"),
    "another type": _set("type", "Delete"),
    "a member more": _set("bto", ["https://server.example/users/x"]),
    "a member less": _set("object.location", None),
    "a number more exact": _set("object.location.latitude", 25.273963),
    "another key": _set("proof.verificationMethod", f"{ALICE}#ed25519-key-2"),
    "another time": _set("proof.created", "2024-02-24T23:36:38Z"),
    "another purpose": _set("proof.proofPurpose", "authentication"),
    "another suite": _set("proof.cryptosuite", "eddsa-rdfc-2022"),
    "another type of proof": _set("proof.type", "Ed25519Signature2020"),
    "an end added": _set("proof.expires", "2999-01-01T00:00:00Z"),
    "another context in the proof": _set("proof.@context", [AS2]),
    "no value": _set("proof.proofValue", None),
    "an empty value": _set("proof.proofValue", "z"),
    "a value in another base": _set("proof.proofValue", "u" + PROOF_VALUE[1:]),
    "a value that is too short": _set("proof.proofValue", PROOF_VALUE[:-2]),
    "a value that is no base58": _set("proof.proofValue", "z0OIl" + PROOF_VALUE[5:]),
    "an endless value": _set("proof.proofValue", "z" + "2" * 200_000),
    "a value that is a list": _set("proof.proofValue", [PROOF_VALUE]),
    "a key that is a thing": _set("proof.verificationMethod", {"id": KEY_ID}),
    "a key that is no address": _set("proof.verificationMethod", "did:key:z6MkrJ"),
    "a time that is none": _set("proof.created", "yesterday"),
    "a proof that is a string": _set("proof", "https://server.example/proofs/1"),
    "no proof": _set("proof", None),
    "an empty list of proofs": _set("proof", []),
    "two proofs": lambda document: {**document, "proof": [document["proof"], document["proof"]]},
    "a number that nobody can hold": _set("object.location.latitude", 2**62),
    "a huge real number": _set("object.location.latitude", 1e308),
}


@pytest.mark.parametrize("how", FORGED)
def test_forged(how: str) -> None:
    document = FORGED[how](copy.deepcopy(proofs.sign(example(), KEY, KEY_ID, NOW)))
    assert not proofs.verify(document, MULTIKEY)


def test_the_key_decides() -> None:
    document = proofs.sign(example(), KEY, KEY_ID, NOW)
    other = Ed25519PrivateKey.generate()
    for wrong in (multikey_of(other), "", "z", "z6Mk", MULTIKEY[:-1], "u" + MULTIKEY[1:], "z" + "6" * 60, "z" * 90_000):
        assert not proofs.verify(document, wrong)


def test_a_proof_inside_proves_nothing_outside() -> None:
    inner = proofs.sign(example(), KEY, KEY_ID, NOW)
    outer = {"@context": AS2, "id": f"{ALICE}/announces/1", "type": "Announce", "actor": ALICE, "object": inner}
    assert proofs.read(outer) is None
    lifted = {**outer, "@context": inner["@context"], "proof": inner["proof"]}
    assert proofs.read(lifted) is not None
    assert not proofs.verify(lifted, MULTIKEY), "and it cannot be lifted out"


def test_numbers_that_javascript_reads_otherwise_are_not_proven() -> None:
    """2^53 + 1 and its neighbour are one number to most verifiers: no proof of either is believed."""
    text = json.dumps(proofs.sign(example(), KEY, KEY_ID, NOW)).replace("25.273962", "9007199254740993")
    assert proofs.read(read_json(text.encode())) is None


# --- The keys of actors ----------------------------------------------------------------------------------------------


def _listed(**change: Any) -> dict[str, Any]:
    return {"id": KEY_ID, "type": "Multikey", "controller": ALICE, "publicKeyMultibase": MULTIKEY, **change}


def test_which_key_of_an_actor_counts() -> None:
    good = (KEY_ID, MULTIKEY)
    rsa = _listed(publicKeyMultibase="z4MXj1wBzi9jUstyPMS4jQqB6KdJaiatPkAtVtGc6bQEQEEsKTic4G7Rou3iBf9vPmT5dbkm9qsZ")
    for value, expected in (
        ([_listed()], good),
        (_listed(), good),
        ([rsa, _listed()], good),
        ([_listed(), _listed(id=f"{ALICE}#second")], good),
        (["https://server.example/keys/1", None, 7, _listed()], good),
        ([_listed(controller="https://server.example/users/mallory")], ("", "")),
        ([_listed(controller=None)], ("", "")),
        ([_listed(id="https://evil.example/keys#1")], ("", "")),
        ([_listed(type="Key")], ("", "")),
        ([_listed(publicKeyMultibase=["z6Mk"])], ("", "")),
        ([_listed(id=None)], ("", "")),
        (None, ("", "")),
        ([7] * 21 + [_listed()], ("", "")),
    ):
        assert proofs.key_listed({"id": ALICE, "type": "Person", "assertionMethod": value}) == expected, value


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_ours_are_listed_and_theirs_are_stored(site: Site, peer: Peer, member: MakeMember) -> None:
    anna = (await member()).actor
    document = translate.to_actor(anna, site.settings)
    assert document["@context"][0] == AS2
    assert proofs.MULTIKEY_CONTEXT in document["@context"]
    assert proofs.key_listed(document) == (f"{anna.uri}#ed25519-key", anna.proof_key)
    uri, key = peer.uri(), Ed25519PrivateKey.generate()
    peer.actor("tess", assertionMethod=[proofs.multikey(uri, f"{uri}#ed25519-key", multikey_of(key))])
    await dereference.bring_in(site, uri, dereference.Budget())

    async def is_proven(document: Document) -> bool:
        async with site.database.read() as tx:
            return await dereference.is_proven(tx, document)

    note = {
        "id": f"{peer.origin}/notes/1",
        "type": "Note",
        "attributedTo": uri,
        "to": [PUBLIC],
        "cc": [],
        "content": "Ours",
    }
    create = peer.activity("Create", note)
    now = datetime.now(UTC)
    signed = proofs.sign(create, key, f"{uri}#ed25519-key", now)
    assert await is_proven(signed)
    assert await is_proven(proofs.sign({"@context": AS2, **note}, key, f"{uri}#ed25519-key", now)), "of an object too"
    assert not await is_proven(create)
    # A key of tess under the name of a key that we do not hold of her.
    assert not await is_proven(proofs.sign(create, key, f"{uri}#ed25519-key-2", now))
    # Tess signs what another of her server would have done, and what she says another wrote.
    peer.actor("tom")
    await dereference.bring_in(site, peer.uri("tom"), dereference.Budget())
    theirs = peer.activity("Create", {**note, "attributedTo": peer.uri("tom")}, by="tom")
    assert not await is_proven(proofs.sign(theirs, key, f"{uri}#ed25519-key", now))
    lent = {"@context": AS2, **note, "attributedTo": peer.uri("tom"), "actor": uri}
    assert not await is_proven(proofs.sign(lent, key, f"{uri}#ed25519-key", now))
    assert not await is_proven(proofs.sign({**create, "id": "https://evil.example/1"}, key, f"{uri}#ed25519-key", now))
    assert not await is_proven(proofs.sign({**create, "actor": [uri]}, key, f"{uri}#ed25519-key", now))
    ended = {**signed, "proof": {**signed["proof"], "expires": "2020-01-01T00:00:00Z"}}
    del ended["proof"]["proofValue"]
    base = proofs._base(ended["proof"], {name: value for name, value in ended.items() if name != "proof"})
    ended["proof"]["proofValue"] = "z" + base58.b58encode(key.sign(base)).decode()
    assert proofs.verify(ended, multikey_of(key))
    assert not await is_proven(ended)
    # A new key of hers is picked up with her document; what the old one proves is proven no more.
    renewed = Ed25519PrivateKey.generate()
    peer.actor("tess", assertionMethod=[proofs.multikey(uri, f"{uri}#new", multikey_of(renewed))])
    seen = await dereference.fetch_actor(site, uri, dereference.Budget())
    async with site.database.write() as tx:
        await dereference.store_actor(tx, seen)
    assert not await is_proven(signed)
    assert await is_proven(proofs.sign(create, renewed, f"{uri}#new", now))


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_everybody_of_ours_has_a_key_of_their_own(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    account, place = await member(), await theme()
    async with site.database.write() as tx:
        held = await tx.get_one(Keypair, account.actor_id)
        held.proof_private_key = ""
        actor = await tx.get_one(Actor, account.actor_id)
        actor.proof_key = actor.proof_key_id = ""
    async with site.database.read() as tx:
        assert await keys.lack_proof_keys(tx)
    async with site.database.write() as tx:
        await keys.complete(tx)
    async with site.database.read() as tx:
        assert not await keys.lack_proof_keys(tx)
        for id_ in (account.actor_id, place.actor_id):
            actor, held = await tx.get_one(Actor, id_), await tx.get_one(Keypair, id_)
            assert actor.proof_key_id == f"{actor.uri}#ed25519-key"
            private = keys.unseal(SECRET, held.proof_private_key)
            loaded = proofs.load_multikey(actor.proof_key)
            made = signatures.load_private_key(private)
            assert isinstance(made, Ed25519PrivateKey)
            assert loaded is not None
            assert made.public_key().public_bytes_raw() == loaded.public_bytes_raw()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_new_keys_have_new_ids_and_are_used_at_once(site: Site, member: MakeMember) -> None:
    account = await member()
    async with site.database.read() as tx:
        before = await site.signer(tx, account.actor_id)
    old = account.actor.proof_key
    for number in (2, 3):
        async with site.database.write() as tx:
            actor = await members.find_local(tx, "anna")
            assert actor is not None
            await keys.rotate(tx, actor, await pair(8 + number))
        assert (actor.key_id, actor.proof_key_id) == (
            f"{actor.uri}#main-key-{number}",
            f"{actor.uri}#ed25519-key-{number}",
        )
        assert actor.proof_key != old
        async with site.database.read() as tx:
            signer = await site.signer(tx, account.actor_id)
        assert signer.key_id == actor.key_id
        assert signer.private_key != before.private_key
