"""PieFed's feeds are followed by following the communities in them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from federation.site import Site
from federation.vocabulary import AS2
from tests.conftest import MakeMember, SignIn
from tests.inbox.test_flows import until
from tests.peer import Peer
from tests.web.forms import send


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_all_communities_of_a_feed_are_followed(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, sign_in: SignIn
) -> None:
    for name in ("trams", "buses"):
        peer.actor(name, type="Group")
    uri = f"{peer.origin}/f/transit"
    peer.served["/f/transit"] = {
        "@context": AS2,
        "id": uri,
        "type": "Feed",
        "name": "Transit",
        "following": f"{uri}/following",
        "inbox": f"{uri}/inbox",
    }
    peer.served["/f/transit/following"] = {
        "@context": AS2,
        "id": f"{uri}/following",
        "type": "Collection",
        "items": [peer.uri("trams"), peer.uri("nobody"), peer.uri("buses")],
    }
    await sign_in(client, await member("anna"))
    found = "/find?" + urlencode({"q": uri})
    page = await (await client.get(found)).text()
    assert "Follow all 3 communities" in page
    assert (await send(client, "/follow/feed", page=found, uri=uri)).status == 303
    await until(lambda: len(peer.got("Follow")) == 2)
    assert {follow["object"] for follow in peer.got("Follow")} == {peer.uri("trams"), peer.uri("buses")}
    assert "Trams" in await (await client.get("/following")).text()
