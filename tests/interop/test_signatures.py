"""What is not rightly signed, or was here before, has no effect."""

from __future__ import annotations

import pytest
import pytest_asyncio

from .browser import Browser
from .members import ANY, Member, announces, id_of
from .server import Folkmoot

FAULTS = ("wrongkey", "stale", "future", "tamper", "nodigest")
WRONG = [f"{scheme}+{fault}" for scheme in ("cavage", "rfc9421") for fault in FAULTS]
MALFORMED = ["", "{", "[]", "null", '"text"', '{"type":"Create"}', '{"id":5,"type":["Create"],"actor":{}}']


@pytest_asyncio.fixture(scope="module")
async def shared_topic(clara: Browser, mobility: str) -> str:
    """One topic for all the refused replies of this file."""
    return await clara.open_topic("mobility", "Signatures", "Who goes there?")


@pytest.mark.parametrize("sign", ["none", *WRONG])
async def test_a_wrong_signature_is_refused_and_leaves_no_trace(
    folkmoot: Folkmoot, shared_topic: str, alices: Member, visitor: Browser, word: str, sign: str
) -> None:
    forged = await alices.post("alice", f"Forged {word}", inReplyTo=shared_topic, sign=sign, answers=401)
    assert forged["deliveries"]
    honest = await alices.post("alice", f"Honest {word}", inReplyTo=shared_topic)
    page = await visitor.see(await folkmoot.topic_page(shared_topic), f"Honest {word}")
    assert f"Forged {word}" not in page.html
    opener = await folkmoot.document(shared_topic)
    context = [id_of(item) for item in await folkmoot.items(opener["context"])]
    assert (honest["object"] in context, forged["object"] in context) == (True, False)


async def test_nobody_speaks_for_another(
    folkmoot: Folkmoot, shared_topic: str, alices: Member, bobs: Member, visitor: Browser, word: str
) -> None:
    honest = await alices.post("alice", f"Honest {word}", inReplyTo=shared_topic)
    path = await folkmoot.topic_page(shared_topic)
    await visitor.see(path, f"Honest {word}")
    note = honest["activity"]["object"] | {"id": f"{honest['object']}x", "content": f"<p>Forged {word}</p>"}
    forged = honest["activity"] | {"id": f"{honest['id']}x", "object": note}
    for member, name in ((alices, "anna"), (bobs, "bob")):
        await member.raw(name, activity=forged, inbox=f"{folkmoot.origin}/inbox", answers=ANY)
    await alices.post("alice", f"Later {word}", inReplyTo=shared_topic)
    assert f"Forged {word}" not in (await visitor.see(path, f"Later {word}")).html


async def test_a_repeated_activity_has_no_second_effect(
    folkmoot: Folkmoot, topic: str, alices: Member, bobs: Member, visitor: Browser, word: str
) -> None:
    sent = await alices.post("alice", f"Once {word}", inReplyTo=topic)
    await alices.resend(sent["id"])
    await alices.raw("alice", activity=sent["activity"] | {"id": f"{sent['id']}#2"}, inbox=f"{folkmoot.origin}/inbox")
    last = await alices.post("alice", f"Last {word}", inReplyTo=topic)
    page = await visitor.see(await folkmoot.topic_page(topic), f"Last {word}")
    assert page.text.count(f"Once {word}") == 1
    context = (await folkmoot.document(topic))["context"]
    assert [id_of(item) for item in await folkmoot.items(context)] == [topic, sent["object"], last["object"]]

    await bobs.expect("the last reply", announces(last["object"], wrapped="Create"), contains=last["object"])
    copies = [r for r in await bobs.received(contains=sent["object"]) if announces(sent["object"], wrapped="Create")(r)]
    assert len(copies) == 1


@pytest.mark.parametrize("body", MALFORMED)
async def test_a_malformed_body_is_refused_politely(
    folkmoot: Folkmoot, mobility: str, alices: Member, body: str
) -> None:
    report = await alices.raw("alice", bodyText=body, inbox=f"{folkmoot.origin}/inbox", answers=ANY)
    [delivery] = report["deliveries"]
    assert delivery["status"] in {202, 400, 401, 403, 422}, delivery
