"""Proofs inside documents (FEP-8b32), made here and verified by Fedify, and the other way round."""

from __future__ import annotations

import copy
import json

from federation import proofs
from federation.vocabulary import read_json

from .browser import Browser
from .members import Member, announces, sends
from .server import Folkmoot


async def test_fedify_verifies_ours(
    folkmoot: Folkmoot, clara: Browser, mobility: str, alices: Member, bobs: Member, word: str
) -> None:
    """What an author says directly, and the same inside what the theme announces."""
    uri = await clara.open_topic("mobility", f"Proven {word}", 'That I said *so*: ünïcödé, 😀, \t and "quotes".')
    record = await alices.expect("the wrapped Create", announces(uri, wrapped="Create"))
    create = record["activity"]["object"]
    assert create["proof"]["verificationMethod"] == f"{folkmoot.person('clara')}#ed25519-key"
    assert (await bobs.command("prove", as_="bob", activity=create))["ok"]
    forged = copy.deepcopy(create)
    forged["object"]["content"] += " Not!"
    assert not (await bobs.command("prove", as_="bob", activity=forged))["ok"]
    assert (await folkmoot.document(create["id"])) == create, "kept and served as it was sent"
    # Directly: a reply by alice makes clara's next edit go to her server, signed by clara herself.
    await alices.post("alice", f"Really {word}?", inReplyTo=uri)
    path = await folkmoot.topic_page(uri)
    await clara.see(path, f"Really {word}?")
    reply = await folkmoot.reply("clara", uri, f"Really, {word}.")
    direct = await alices.expect("clara's own Create", sends("Create", reply))
    assert direct["verify"]["proof"] == {"present": True, "ok": True}
    # A profile, whose context is another one.
    actor = await folkmoot.document(folkmoot.person("clara"))
    assert proofs.key_listed(actor)[0] == f"{folkmoot.person('clara')}#ed25519-key"


async def test_a_new_key_is_told_and_used(
    folkmoot: Folkmoot, clara: Browser, mobility: str, alices: Member, word: str
) -> None:
    await folkmoot.add_member(word, "a long walk by the river")
    person = folkmoot.person(word)
    before = await folkmoot.document(person)
    await alices.follow("alice", person)
    await alices.expect_accepted("alice", person)
    await folkmoot.run("rotate-key", word)
    record = await alices.expect("the Update with the new key", sends("Update", person))
    assert record["verify"]["proof"] == {"present": True, "ok": True}
    after = await folkmoot.document(person)
    assert after["publicKey"]["id"] == f"{person}#main-key-2"
    assert after["publicKey"]["publicKeyPem"] != before["publicKey"]["publicKeyPem"]
    assert proofs.key_listed(after)[0] == f"{person}#ed25519-key-2"
    uri = await folkmoot.open_topic(word, "mobility", f"With a new key {word}", "And heard.")
    heard = await alices.expect("a Create with the new key", sends("Create", uri))
    assert heard["verified"]
    assert heard["verify"]["http"]["keyId"] == f"{person}#main-key-2"


async def test_we_verify_those_of_fedify(folkmoot: Folkmoot, topic: str, alices: Member, word: str) -> None:
    sent = await alices.post("alice", f"Proven by Fedify {word}", inReplyTo=topic, proof=True)
    activity = read_json(json.dumps(sent["activity"]).encode())
    _, key = proofs.key_listed((await alices.fetch("alice", alices.uri("alice")))["json"])
    assert key
    assert proofs.verify(activity, key)
    activity["object"]["content"] = "Forged"
    assert not proofs.verify(activity, key)
