"""Activities that a third server brings: believed for the proof of their author, else fetched from their origin."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from .browser import Browser
from .members import Member
from .server import Folkmoot
from .test_reactions import expect_likes


def with_content(activity: dict[str, Any], content: str) -> dict[str, Any]:
    """A copy that somebody on the way changed."""
    return activity | {"object": activity["object"] | {"content": content}}


@pytest.mark.parametrize("proof", ["whole", "broken", "missing"])
async def test_a_forwarded_reply_is_believed_for_its_proof_alone(
    folkmoot: Folkmoot, topic: str, alices: Member, bobs: Member, visitor: Browser, word: str, proof: str
) -> None:
    # Nothing of it comes from alice's own server, which is known.
    sent = await alices.post("alice", f"Honest {word}", inReplyTo=topic, proof=proof != "missing", inbox=[])
    assert (sent["deliveries"], "proof" in sent["activity"]) == ([], proof != "missing")
    activity = sent["activity"]
    if proof != "whole":
        activity = with_content(activity, f"<p>Forged {word}</p>")
    since = await alices.seq()
    await bobs.raw("bob", activity=activity, inbox=f"{folkmoot.origin}/inbox")
    page = await visitor.see(await folkmoot.topic_page(topic), f"Honest {word}")
    assert f"Forged {word}" not in page.html
    asked = await alices.fetches(urlsplit(sent["object"]).path, since=since)
    assert bool(asked) is (proof != "whole")


@pytest.mark.parametrize("proof", [True, False])
async def test_a_forwarded_deletion_is_believed_for_its_proof_or_at_its_origin(
    folkmoot: Folkmoot, topic: str, alices: Member, bobs: Member, visitor: Browser, word: str, proof: bool
) -> None:
    kept = (await alices.post("alice", f"Kept {word}", inReplyTo=topic))["object"]
    gone = (await alices.post("alice", f"Regretted {word}", inReplyTo=topic))["object"]
    path = await folkmoot.topic_page(topic)
    await visitor.see(path, f"Kept {word}")
    await visitor.see(path, f"Regretted {word}")
    deletion = (await alices.delete("alice", gone, proof=proof, inbox=[]))["activity"]
    # One that alice never sent: what she did not delete is still there at its origin.
    forged = deletion | {"id": f"{kept}#forged", "object": deletion["object"] | {"id": kept}}
    for activity in (forged, deletion):
        await bobs.raw("bob", activity=activity, inbox=f"{folkmoot.origin}/inbox")
    page = await visitor.miss(path, f"Regretted {word}")
    assert f"Kept {word}" in page.text


async def test_a_forwarded_like_counts_for_its_proof_alone(
    folkmoot: Folkmoot, topic: str, alices: Member, bobs: Member, visitor: Browser, word: str
) -> None:
    inbox = f"{folkmoot.origin}/inbox"
    like = await alices.like("alice", topic, inbox=[])
    await bobs.raw("bob", activity=like["activity"], inbox=inbox)
    await alices.post("alice", f"Later {word}", inReplyTo=topic)
    await visitor.see(await folkmoot.topic_page(topic), f"Later {word}")
    assert await folkmoot.likes(topic) == 0
    proven = await alices.like("alice", topic, proof=True, inbox=[])
    await bobs.raw("bob", activity=proven["activity"], inbox=inbox)
    await expect_likes(folkmoot, topic, 1)
