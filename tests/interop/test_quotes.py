"""Members ask to quote a post of ours, and can show that they may."""

from __future__ import annotations

from .browser import Browser
from .members import Member, id_of
from .server import Folkmoot

AS2 = "https://www.w3.org/ns/activitystreams"


async def test_a_quote_is_granted_and_the_permission_can_be_read(
    folkmoot: Folkmoot, topic: str, clara: Browser, alices: Member, word: str
) -> None:
    alice = alices.uri("alice")
    quoting = (await alices.post("alice", f"Look at {word}", inbox=[]))["object"]
    request = {
        "@context": [AS2, {"QuoteRequest": "https://w3id.org/fep/044f#QuoteRequest"}],
        "id": f"{alice}/quote-requests/{word}", "type": "QuoteRequest", "actor": alice, "object": topic,
        "instrument": quoting,
    }  # fmt: skip
    await alices.raw("alice", activity=request, inbox=f"{folkmoot.origin}/inbox")
    # This Fedify knows no QuoteRequest and stops at the sight of one; its check of the signature counts.
    [record] = await alices.received(kind="Accept", contains=request["id"], wait=15)
    accept = record["activity"]
    folkmoot.examine(accept)
    assert (record["recipient"], record["verified"]) == ("alice", True)
    assert accept["actor"] == record["verify"]["http"]["owner"] == folkmoot.person("clara")
    assert (id_of(accept["object"]), accept["object"]["type"]) == (request["id"], "QuoteRequest")
    permission = await alices.fetch("alice", accept["result"])
    assert permission["status"] == 200
    stamp = permission["json"]
    assert (stamp["id"], stamp["type"]) == (accept["result"], "QuoteAuthorization")
    assert (stamp["attributedTo"], stamp["interactingObject"], stamp["interactionTarget"]) == (
        folkmoot.person("clara"), quoting, topic,
    )  # fmt: skip

    await clara.send(f"/p/{topic.rsplit('/', 1)[-1]}/delete", page=await folkmoot.topic_page(topic))
    await alices.expect(
        "the withdrawal",
        lambda r: r["type"] == "Delete" and id_of(r["activity"]["object"]) == accept["result"],
        contains=accept["result"],
    )
    assert (await alices.fetch("alice", accept["result"]))["status"] in (404, 410)
