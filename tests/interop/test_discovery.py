"""Fedify finds people and themes by its own lookups, and reads what it finds."""

from __future__ import annotations

import pytest

from .members import Member, Refused
from .server import ACTIVITY_JSON, Folkmoot


@pytest.mark.parametrize(
    ("path", "handle", "kind"), [("g/mobility", "mobility", "Group"), ("u/clara", "clara", "Person")]
)
async def test_webfinger_leads_to_the_actor(
    folkmoot: Folkmoot, mobility: str, alices: Member, path: str, handle: str, kind: str
) -> None:
    uri = f"{folkmoot.origin}/{path}"
    descriptor = await alices.webfinger(uri)
    assert descriptor["subject"] == f"acct:{handle}@{folkmoot.host}"
    links = [link for link in descriptor["links"] if link["rel"] == "self"]
    assert [(link["type"], link["href"]) for link in links] == [(ACTIVITY_JSON, uri)]

    found = await alices.lookup("alice", folkmoot.handle(handle))
    assert (found["url"], found["parsedAs"]) == (uri, kind)
    assert found["json"]["preferredUsername"] == handle


async def test_an_unknown_handle_is_not_found(folkmoot: Folkmoot, alices: Member) -> None:
    with pytest.raises(Refused, match="WebFinger found no actor"):
        await alices.lookup("alice", folkmoot.handle("nobody"))


@pytest.mark.parametrize(("path", "kind"), [("g/mobility", "Group"), ("u/clara", "Person"), ("", "Application")])
async def test_actors_are_served_whole(folkmoot: Folkmoot, mobility: str, path: str, kind: str) -> None:
    status, media_type, actor = await folkmoot.get(f"{folkmoot.origin}/{path}")
    assert (status, media_type, actor["type"]) == (200, ACTIVITY_JSON, kind)
    await folkmoot.document(actor["id"])
    assert actor["publicKey"]["owner"] == actor["id"]
    assert actor["endpoints"]["sharedInbox"] == f"{folkmoot.origin}/inbox"
    assert {"inbox", "outbox", "name", "preferredUsername", "published"} <= actor.keys()


async def test_nodeinfo_names_the_software(folkmoot: Folkmoot) -> None:
    status, _, index = await folkmoot.get(f"{folkmoot.origin}/.well-known/nodeinfo")
    assert status == 200
    [href] = {link["href"] for link in index["links"] if link["rel"].endswith("ns/schema/2.1")}
    status, _, nodeinfo = await folkmoot.get(href)
    assert (status, nodeinfo["software"]["name"], nodeinfo["protocols"]) == (200, "folkmoot", ["activitypub"])
