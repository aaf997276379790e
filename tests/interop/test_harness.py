"""The harness by itself, member to member: when this fails, no other result here means anything."""

from __future__ import annotations

import uuid

import pytest

from .members import Member, NotReceived, Refused, sends


@pytest.mark.parametrize("sign", ["cavage", "rfc9421"])
async def test_members_follow_post_and_answer(alices: Member, bobs: Member, sign: str) -> None:
    alice = alices.uri("alice")
    await bobs.follow("bob", alices.handle("alice"), sign=sign)
    await bobs.expect_accepted("bob", alice)

    text = f"A tram for the hill {uuid.uuid4().hex}"
    topic = await alices.post("alice", text, sign=sign)
    heard = await bobs.expect("the post", sends("Create", topic["object"]), contains=text)
    assert heard["verify"]["http"] == {
        "present": True, "ok": True, "scheme": sign, "keyId": f"{alice}#main-key", "owner": alice, "ownerMatchesActor": True,
    }

    answer = await bobs.post("bob", "Or a cable car", inReplyTo=topic["object"], sign=sign)
    await alices.expect("the answer", sends("Create", answer["object"]))
    assert (await alices.state())["objects"][topic["object"]]["replies"] == [answer["object"]]

    seen = await bobs.lookup("bob", topic["object"])
    assert (seen["parsedAs"], text in seen["json"]["content"]) == ("Note", True)


@pytest.mark.parametrize("fault", ["none", "cavage+wrongkey", "cavage+tamper", "rfc9421+nodigest", "cavage+stale"])
async def test_a_member_tells_a_wrong_signature(alices: Member, bobs: Member, fault: str) -> None:
    with pytest.raises(Refused):
        await alices.post("alice", "unsigned", mention=bobs.handle("bob"), sign=fault)
    report = await alices.post("alice", "unsigned", mention=bobs.handle("bob"), sign=fault, answers=401)
    [record] = await bobs.received(contains=report["id"])
    assert not record["verified"]


async def test_waiting_ends_and_says_what_came(alices: Member) -> None:
    with pytest.raises(NotReceived, match="for a letter"):
        await alices.expect("a letter", lambda _: False, wait=0.1)


async def test_a_fault_is_served_and_recorded(alices: Member, bobs: Member) -> None:
    text = f"Once more {uuid.uuid4().hex}"
    await bobs.fault(status=503, count=1, contains=text)
    report = await alices.post("alice", text, mention=bobs.handle("bob"), answers=503)
    await alices.resend(report["id"])
    assert [r["fault"] for r in await bobs.received(contains=text, fault=True)] == [503]
    await bobs.expect("the second attempt", sends("Create", report["object"]), contains=text)
