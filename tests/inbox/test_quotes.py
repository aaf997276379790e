"""Quotes: permission for those who ask, its end, and what is shown of a quoted post."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from community import posts, topics
from community.models import Activity, Host
from federation.site import Site
from tests.conftest import MakeMember, MakeTheme
from tests.inbox.test_flows import until
from tests.inbox.test_polls import outcome
from tests.peer import Peer
from tests.strict import check

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

AP = {"Accept": "application/activity+json"}


async def test_a_quote_is_granted_served_and_taken_back(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    peer.actor("eve")
    async with site.database.write() as tx:
        post = await topics.open(tx, anna.actor, mobility.actor, await posts.compose(tx, "Trams.", title="A line"))
    quoting = peer.note(
        f'<p>Well said.</p><p class="quote-inline">RE: <a href="{post.uri}">it</a></p>',
        quote=post.uri,
        inReplyTo=post.uri,
    )
    request = peer.activity("QuoteRequest", post.uri, instrument=quoting)
    assert await outcome(site, peer, request) == "quote-granted"
    accept = (await until(lambda: peer.got("Accept", "QuoteRequest")))[0]
    check(accept, origin=site.settings.origin)
    assert (accept["actor"], accept["to"], accept["object"]["id"]) == (anna.actor.uri, [peer.uri()], request["id"])
    answer = await client.session.get(accept["result"], headers=AP)
    stamp = await answer.json(content_type=None)
    check(stamp, origin=site.settings.origin)
    assert {key: stamp[key] for key in stamp if key != "@context"} == {
        "id": accept["result"],
        "type": "QuoteAuthorization",
        "attributedTo": anna.actor.uri,
        "interactingObject": quoting["id"],
        "interactionTarget": post.uri,
    }
    # Asked again, the same permission; for somebody else's post or by another person, none.
    again = peer.activity("QuoteRequest", {"id": post.uri, "type": "Note"}, instrument=quoting["id"])
    assert await outcome(site, peer, again) == "quote-granted"
    second = (await until(lambda: peer.got("Accept", "QuoteRequest")[1:]))[0]
    assert second["result"] == accept["result"]
    stolen = peer.activity("QuoteRequest", post.uri, by="eve", instrument=quoting["id"])
    assert await outcome(site, peer, stolen, by="eve") == "quoted-by-another"
    foreign = peer.activity("QuoteRequest", post.uri, instrument="https://elsewhere.example/1")
    assert await outcome(site, peer, foreign) == "quoting-on-another-server"
    nothing = peer.activity("QuoteRequest", peer.origin, instrument=quoting["id"])
    assert await outcome(site, peer, nothing) == "post-not-held"

    # The quoting post is shown with a card in the place of its "RE:" line.
    assert await outcome(site, peer, peer.activity("Create", quoting)) == "replied"
    page = await (await client.get(f"/t/{post.topic_id}/a-line")).text()
    assert "Well said." in page
    assert "RE:" not in page
    assert 'class="quoted"' in page

    async with site.database.write() as tx:
        await posts.erase(tx, anna.actor, post)
    gone = await until(lambda: [a for a in peer.got("Delete") if a["object"] == accept["result"]])
    assert gone[0]["actor"] == anna.actor.uri
    assert (await client.session.get(accept["result"], headers=AP)).status == 410
    assert (await client.session.get(f"{site.settings.origin}/q/999", headers=AP)).status == 404
    late = peer.activity("QuoteRequest", post.uri, instrument=f"{peer.origin}/notes/other")
    assert await outcome(site, peer, late) == "quote-refused"
    reject = (await until(lambda: peer.got("Reject", "QuoteRequest")))[0]
    check(reject, origin=site.settings.origin)
    assert "result" not in reject


async def test_a_quoted_post_is_shown_only_where_anybody_may_read_it(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    async with site.database.write() as tx:
        quoted = await topics.open(tx, anna.actor, mobility.actor, await posts.compose(tx, "Secret?", title="Quoted"))
    note = peer.note("<p>Look here.</p>", cc=[mobility.actor.uri], _misskey_quote=quoted.uri, name="Quoting")
    assert await outcome(site, peer, peer.activity("Create", note)) == "topic-opened"
    async with site.database.write() as tx:
        made = await posts.find_by_uri(tx, note["id"])
        assert made is not None
    path = f"/t/{made.topic_id}/quoting"
    assert "Secret?" in await (await client.get(path)).text()
    async with site.database.write() as tx:
        await posts.erase(tx, anna.actor, quoted)
    page = await (await client.get(path)).text()
    assert "Secret?" not in page
    assert quoted.uri in page


async def test_who_is_blocked_gets_no_permission(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    async with site.database.write() as tx:
        post = await topics.open(tx, anna.actor, mobility.actor, await posts.compose(tx, "Trams.", title="A line"))
        tx.add(Host(name=peer.host, state="blocked"))
    request = peer.activity("QuoteRequest", post.uri, instrument=f"{peer.origin}/notes/1")
    status, _ = await peer.send(f"{site.settings.origin}/inbox", request)
    assert status == 403
    async with site.database.read() as tx:
        assert await tx.scalar(select(Activity.id).where(Activity.uri == request["id"])) is None
