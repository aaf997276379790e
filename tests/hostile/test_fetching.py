"""Rules 34 to 44: what a message makes us ask for, and what we accept as an answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from community.models import Post
from federation import dereference, nodeinfo
from federation.vocabulary import ACTIVITY_JSON
from tests.hostile.place import Place

pytestmark = pytest.mark.usefixtures("calm")
ROOT = Path(__file__).parents[2]

INWARD = [
    "http://127.0.0.1/",
    "http://127.0.0.1:22/",
    "http://localhost:8000/",
    "https://localhost/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1/",
    "https://192.168.0.1/",
    "https://0.0.0.0/",
    "https://100.64.0.1/",
    "https://224.0.0.1/",
    "https://printer.local/",
    "https://db.internal/",
    "https://intranet/",
    "https://moot.example:8443/",
    "http://moot.example/",
]


@pytest.mark.parametrize("uri", INWARD)
async def test_rules_35_and_38_parent_in_our_own_network(place: Place, uri: str) -> None:
    """Rules 35 and 38 (Mastodon CVE-2026-22245): a reply to something inside our network asks nothing there."""
    before = await place.picture()
    activity = place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=uri))
    assert (await place.peer.send(place.inbox, activity))[0] == 202
    assert (await place.outcome(activity["id"])).endswith("-refused")
    assert await place.picture() == before


@pytest.mark.parametrize("uri", ["https://10.0.0.1/users/x", "https://localhost/users/x", "http://127.0.0.1:22/x"])
async def test_rule_34_key_in_our_own_network(place: Place, uri: str) -> None:
    """Rule 34 (CVE-2026-27477 and its kin): the fetch of a key is guarded like every other."""
    origin = uri.rpartition("/users")[0] or uri.rpartition("/x")[0]
    activity = place.peer.activity("Like", place.opener.uri, actor=uri, id=f"{origin}/a/1")
    await place.refused(activity, 401, "key-not-found", key_id=f"{uri}#main-key")


async def test_rule_34_inbox_in_our_own_network(place: Place) -> None:
    """Rule 34: an inbox is on its actor's own server, so a delivery goes nowhere else."""
    for number, inbox in enumerate(
        [place.dead, "http://127.0.0.1:22", f"{place.site.settings.origin}", "file:///x", 5]
    ):
        name = f"inward{number}"
        address = f"{inbox}/inbox" if isinstance(inbox, str) else inbox
        place.peer.actor(name, inbox=address, endpoints={"sharedInbox": address})
        activity = place.peer.activity("Follow", place.group.uri, by=name)
        await place.refused(activity, 401, "key-not-found", by=name)


async def test_rule_34_shared_inbox_elsewhere_is_not_used(place: Place) -> None:
    """Rule 34: only the shared inbox is somewhere else: the actor's own is used."""
    place.peer.actor("shared", endpoints={"sharedInbox": f"{place.other.origin}/inbox"})
    activity = place.peer.activity("Follow", place.group.uri, by="shared")
    await place.accepted(activity, "followed", by="shared")
    actor = await place.actor(place.peer.uri("shared"))
    assert actor is not None
    assert (actor.inbox, actor.shared_inbox) == (f"{place.peer.uri('shared')}/inbox", "")
    await place.accepted(place.peer.activity("Undo", activity, by="shared"), "left", by="shared")


def test_rule_34_there_is_one_client() -> None:
    """Rule 34: nothing but federation/client.py opens connections. The demo's visitors are browsers of its own three
    instances, and the storage asks the one address that the operator has set."""
    found = []
    for room in ("community", "federation", "inbox", "outbox", "web"):
        for path in (ROOT / room).rglob("*.py"):
            source = path.read_text()
            if re.search(
                r"ClientSession|urllib\.request|import (?:requests|httpx)|http\.client|open_connection", source
            ):
                found.append(path.name)
    assert sorted(found) == ["client.py", "storage.py", "visitors.py"]


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:22/", "https://10.0.0.1/", "file:///etc/passwd", "https://[::1]/"]
)
async def test_rule_37_redirect_inwards(place: Place, target: str) -> None:
    """Rule 37 (CVE-2025-23221): every hop of a redirect is checked as the first was."""
    uri = place.peer.redirect(f"/r{abs(hash(target))}", target)
    before = await place.picture()
    activity = place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=uri))
    assert (await place.peer.send(place.inbox, activity))[0] == 202
    assert await place.outcome(activity["id"]) in ("scheme-refused", "redirect-scheme", "redirect-without-location")
    assert await place.picture() == before


async def test_rule_37_redirects_without_end(place: Place) -> None:
    """Rule 37 (CVE-2026-34148): circles and long chains."""
    place.peer.redirect("/circle", f"{place.peer.origin}/circle")
    await place.fetched_in_vain(f"{place.peer.origin}/circle", "redirect-loop")
    for number in range(10):
        place.peer.redirect(f"/chain/{number}", f"{place.peer.origin}/chain/{number + 1}")
    asked = len(place.peer.asked)
    await place.fetched_in_vain(f"{place.peer.origin}/chain/0", "too-many-redirects")
    assert len(place.peer.asked) - asked == 4


async def test_rule_37_redirected_key(place: Place) -> None:
    """Rule 37: the key of an actor is redirected to a document of Eve's."""
    uri = place.peer.redirect("/users/moved", place.other.uri("eve"))
    activity = place.peer.activity("Like", place.opener.uri, actor=uri)
    eves = place.other.keys["eve"]
    await place.refused(activity, 401, "key-not-found", key_id=f"{uri}#main-key", key_number=eves)
    key_id = f"{place.other.uri('eve')}#main-key"
    await place.in_vain(activity, "forwarded-unproven", key_id=key_id, key_number=eves)


async def test_rule_39_huge_document(place: Place) -> None:
    """Rule 39 (CVE-2023-36461): more than a megabyte, announced or not."""
    note = place.peer.note("<p>x</p>", inReplyTo=place.opener.uri)
    uri = place.peer.serve("/huge", {**note, "id": f"{place.peer.origin}/huge", "x": "y" * 1_100_000})
    await place.fetched_in_vain(uri, "too-large")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": ACTIVITY_JSON})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            for _ in range(100):
                await response.write(b" " * 65536)
        except (ConnectionError, asyncio.CancelledError):
            pass
        return response

    place.peer.answers["/endless"] = endless
    await place.fetched_in_vain(f"{place.peer.origin}/endless", "too-large")


async def test_rule_39_compressed_document(place: Place) -> None:
    """Rule 39: a bomb is not opened."""
    note = place.peer.note("<p>x</p>", inReplyTo=place.opener.uri)
    bomb = gzip.compress(json.dumps({**note, "x": "y" * 20_000_000}).encode())
    place.peer.serve("/bomb", bomb, **{"Content-Encoding": "gzip"})
    await place.fetched_in_vain(f"{place.peer.origin}/bomb", "content-encoding-refused")


async def test_rule_39_slow_document(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 39: a document that never ends holds nobody up; the message after it is done at once."""
    monkeypatch.setattr(place.site.client, "_get_seconds", 0.3)
    waiting = asyncio.Event()

    async def slow(_: Any) -> web.Response:
        await waiting.wait()
        return web.Response()

    place.peer.answers["/slow"] = slow
    activity = place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=f"{place.peer.origin}/slow"))
    before = await place.picture()
    assert (await place.peer.send(place.inbox, activity))[0] == 202
    like = place.peer.activity("Like", place.opener.uri)
    await place.accepted(like, "liked")
    assert not await place.count(Post, Post.uri == activity["object"]["id"])
    await place.accepted(place.peer.activity("Undo", like), "unliked")
    assert await place.outcome(activity["id"]) == "unreachable"
    waiting.set()
    assert await place.picture() == before


async def test_rule_40_thread_without_end(place: Place) -> None:
    """Rule 40: every parent has a parent; fetching ends."""

    async def answer(request: web.Request) -> web.Response:
        number = int(request.path.rpartition("/")[2])
        note = place.peer.note("<p>x</p>")
        note |= {"id": place.peer.origin + request.path, "inReplyTo": f"{place.peer.origin}/deep/{number + 1}"}
        return web.Response(body=json.dumps(note).encode(), headers={"Content-Type": ACTIVITY_JSON})

    for number in range(60):
        place.peer.answers[f"/deep/{number}"] = answer
    asked = len(place.peer.asked)
    before = await place.picture()
    activity = place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=f"{place.peer.origin}/deep/0"))
    await place.accepted(activity, "thread-too-deep")
    assert len(place.peer.asked) - asked <= dereference.DEPTH_MAX
    assert await place.picture() == before


async def test_rule_40_thread_with_ever_new_authors(place: Place) -> None:
    """Rule 40: each parent has another author, so that each costs two fetches; the budget ends it."""

    async def answer(request: web.Request) -> web.Response:
        number = int(request.path.rpartition("/")[2])
        place.peer.actor(f"writer{number}")
        note = place.peer.note("<p>x</p>", by=f"writer{number}")
        note |= {"id": place.peer.origin + request.path, "inReplyTo": f"{place.peer.origin}/wide/{number + 1}"}
        return web.Response(body=json.dumps(note).encode(), headers={"Content-Type": ACTIVITY_JSON})

    for number in range(60):
        place.peer.answers[f"/wide/{number}"] = answer
    asked, before = len(place.peer.asked), await place.picture()
    activity = place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=f"{place.peer.origin}/wide/0"))
    await place.accepted(activity, "budget-spent")
    assert len(place.peer.asked) - asked <= 20
    assert await place.picture() == before


async def test_rule_40_circles(place: Place) -> None:
    """Rule 40: a note that answers itself, and two that answer each other."""
    one = place.peer.note("<p>x</p>")
    one["inReplyTo"] = one["id"]
    await place.in_vain(place.peer.activity("Create", one), "reference-circle")
    two, three = place.peer.note("<p>x</p>"), place.peer.note("<p>x</p>")
    two["inReplyTo"], three["inReplyTo"] = three["id"], two["id"]
    await place.in_vain(place.peer.activity("Create", two), "reference-circle")


async def test_rule_40_parent_under_two_addresses(place: Place) -> None:
    """Rule 40: a parent is found, by a redirect, under another id than it was asked for: directly, and as the parent
    of a parent, where asking again would never end."""
    grandparent = place.peer.note("<p>g</p>", inReplyTo=place.opener.uri)
    alias = place.peer.redirect("/alias", grandparent["id"])
    parent = place.peer.note("<p>p</p>", inReplyTo=alias)
    activity = place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=parent["id"]))
    await place.accepted(activity, "reference-circle")
    assert await place.post(parent["id"]) is None


async def test_rule_40_author_under_two_addresses(place: Place) -> None:
    """Rule 40: the same for an author."""
    place.peer.actor("canonical")
    alias = place.peer.redirect("/users/alias", place.peer.uri("canonical"))
    note = place.peer.note("<p>p</p>", inReplyTo=place.opener.uri, attributedTo=alias)
    activity = place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=note["id"]))
    await place.accepted(activity, "reference-circle")
    assert await place.post(note["id"]) is None


async def test_rule_40_mentions_and_collections_are_not_asked_for(place: Place) -> None:
    """Rule 40: hundreds of mentions, tags, attachments and a collection of replies cost no request."""
    asked, elsewhere = len(place.peer.asked), len(place.other.asked)
    note = place.peer.note(
        "<p>x</p>",
        inReplyTo=place.opener.uri,
        tag=[{"type": "Mention", "href": f"{place.other.origin}/users/m{n}", "name": "@m"} for n in range(900)],
        attachment=[{"type": "Image", "url": f"{place.other.origin}/media/{n}.png"} for n in range(900)],
        replies=f"{place.other.origin}/replies",
        likes=f"{place.other.origin}/likes",
        context=f"{place.other.origin}/context",
        icon={"type": "Image", "url": f"{place.other.origin}/icon.png"},
        generator=f"{place.other.origin}/app",
    )
    await place.accepted(place.peer.activity("Create", note), "replied")
    await place.quiet()
    assert (len(place.peer.asked), len(place.other.asked)) == (asked, elsewhere)


async def test_rule_41_contexts_are_never_loaded(place: Place) -> None:
    """Rule 41: a context is an address like any other, and nobody asks for it."""
    for context in (f"{place.other.origin}/context.jsonld", [{"@import": f"{place.other.origin}/c"}], 5, None):
        asked = len(place.other.asked)
        like = place.peer.activity("Like", place.opener.uri)
        await place.accepted({**like, "@context": context}, "liked")
        await place.accepted(place.peer.activity("Undo", like), "unliked")
        assert len(place.other.asked) == asked


async def test_rule_42_links_in_texts_are_not_followed(place: Place) -> None:
    """Rule 42 (the stampede of 2022): no previews, so no request for what a text links to."""
    asked = len(place.other.asked)
    note = place.peer.note(f'<p><a href="{place.other.origin}/page">x</a></p>', inReplyTo=place.opener.uri)
    await place.accepted(place.peer.activity("Create", note), "replied")
    await place.quiet()
    assert len(place.other.asked) == asked


async def test_rule_44_certificates_are_checked(place: Place) -> None:
    """Rule 44 (Mastodon CVE-2026-59825): no setting turns the check of certificates off."""
    source = (ROOT / "federation" / "client.py").read_text()
    assert "ssl=" not in source
    assert "verify_ssl" not in source
    names = set(place.site.settings.__dataclass_fields__)
    assert not [name for name in names if "tls" in name or "ssl" in name or "verify" in name]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"<html>",
        b"\xff\xfe",
        b'{"id": 1}',
        b'{"id": "' + b"x" * 300_000 + b'"}',
        b"[" * 5000,
        b'{"a":' * 5000,
        b'{"id": NaN}',
        b'{"id": "\\ud800"}',
    ],
)
async def test_rule_47_fetched_documents_that_are_none(place: Place, body: bytes) -> None:
    """Rule 47: what is fetched passes the same gate as what is sent."""
    path = f"/odd/{abs(hash(body))}"
    place.peer.serve(path, body)
    before = await place.picture()
    activity = place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=place.peer.origin + path))
    assert (await place.peer.send(place.inbox, activity))[0] == 202
    assert await place.outcome(activity["id"]) not in ("error", "unreachable", "replied")
    assert await place.picture() == before


@pytest.mark.parametrize(("status", "outcome"), [(404, "reference-gone"), (410, "reference-gone"), (403, "status-403")])
async def test_parent_that_is_not_to_be_had(place: Place, status: int, outcome: str) -> None:
    """Rule 90: the reply to a thing that is gone, or kept from us, has no place here."""
    uri = place.peer.serve(f"/kept/{status}", b"", status=status)
    await place.fetched_in_vain(uri, outcome)


async def test_nodeinfo_leads_nowhere_else(place: Place) -> None:
    """Rule 34 (Fedify CVE-2026-62857): NodeInfo links to another host, or to our own network."""
    from federation.client import Budget

    asked = len(place.other.asked)
    for address in (f"{place.other.origin}/nodeinfo", "http://127.0.0.1:22/", "file:///etc/passwd", 5, None, ["x"]):
        rel = "http://nodeinfo.diaspora.software/ns/schema/2.0"
        place.peer.serve("/.well-known/nodeinfo", {"links": [{"rel": rel, "href": address}]}, "application/json")
        assert await nodeinfo.read(place.site.client, place.peer.host, Budget()) == {}
    del place.peer.answers["/.well-known/nodeinfo"]
    assert len(place.other.asked) == asked
