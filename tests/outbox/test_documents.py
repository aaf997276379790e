"""Everything that we serve and send passes the strict reading of it by the other servers."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from community import groups, posts, reactions, topics
from community.models import Activity, Topic
from federation.site import Site
from federation.translate import from_actor, from_note
from tests.conftest import MakeMember, MakeTheme
from tests.peer import Peer
from tests.strict import check, complaints, shown_by_microblog, title_in_forum

AP = {"Accept": "application/activity+json"}


async def _everything_happens(site: Site, member: MakeMember, theme: MakeTheme) -> tuple[str, str]:
    """A topic, a reply, an edit, a like, a deletion, a move: answers the theme's and the opener's address."""
    anna, bruno = await member("anna", display_name="Anna Berg"), await member("bruno")
    staff = await member("moira", site_role="admin")
    mobility, water = await theme("mobility", about="Moving *people*.", rules="Be kind."), await theme("water")
    async with site.database.write() as tx:
        written = await posts.compose(tx, "Some **text** for @bruno.", title="A bus for the harbour", language="en")
        opener = await topics.open(tx, anna.actor, mobility.actor, written)
    async with site.database.write() as tx:
        topic = await tx.get_one(Topic, opener.topic_id)
        await topics.pin(tx, staff.actor, topic, is_on=True)
        reply = await posts.reply(tx, bruno.actor, topic, await posts.compose(tx, "Yes."), reply_to=opener)
        await posts.reply(tx, anna.actor, topic, await posts.compose(tx, "Thank you."), reply_to=reply)
        gone = await posts.reply(tx, bruno.actor, topic, await posts.compose(tx, "Advertising."), reply_to=opener)
    async with site.database.write() as tx:
        await posts.edit(tx, anna.actor, opener, await posts.compose(tx, "Other text.", title="A tram for the harbour"))
        await posts.erase(tx, staff.actor, gone, reason="advertising")
        await reactions.like(tx, bruno.actor, opener)
        await groups.edit_theme(
            tx, staff.actor, mobility, name="Mobility", about="x", colour="#123456", rules="", object_type="Note"
        )
    async with site.database.write() as tx:
        topic = await tx.get_one(Topic, opener.topic_id)
        await topics.move(tx, staff.actor, topic, water)
        await topics.move(tx, staff.actor, topic, mobility)
        await topics.pin(tx, staff.actor, topic, is_on=True)
    return mobility.actor.uri, opener.uri


async def test_served_documents_are_strict(site: Site, client: Any, member: MakeMember, theme: MakeTheme) -> None:
    group, opener = await _everything_happens(site, member, theme)
    origin = site.settings.origin
    paths = [group, opener, f"{origin}/", f"{origin}/u/anna", f"{origin}/u/anna/outbox"]
    paths += [f"{group}/{each}" for each in ("outbox", "followers", "featured", "moderators")]
    paths += [f"{opener}/replies", f"{opener}/replies?page=1", f"{origin}/t/1/context", f"{origin}/p/2"]
    paths += [f"{origin}/.well-known/nodeinfo", f"{origin}/nodeinfo/2.0", f"{origin}/nodeinfo/2.1"]
    host = site.settings.host
    paths += [f"{origin}/.well-known/webfinger?resource=acct:{name}@{host}" for name in ("anna", "mobility", host)]
    for path in paths:
        answer = await client.session.get(path, headers=AP)
        assert answer.status == 200, path
        document = await answer.json(content_type=None)
        assert complaints(document) == [], path
        if "id" in document:
            assert document["id"] == path
    gone = await client.session.get(f"{origin}/p/4", headers=AP)
    assert gone.status == 410
    check(await gone.json(content_type=None))


async def test_sent_activities_are_strict(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    await _everything_happens(site, member, theme)
    async with site.database.read() as tx:
        rows = (await tx.execute(select(Activity).where(Activity.direction == "out"))).scalars().all()
    kinds = set()
    for row in rows:
        document = json.loads(row.document)
        assert complaints(document, origin=site.settings.origin) == [], document
        inner = document["object"]
        kinds.add((document["type"], inner["type"] if isinstance(inner, dict) else "str"))
    assert {
        ("Create", "Note"),
        ("Announce", "Create"),
        ("Announce", "str"),
        ("Update", "Note"),
        ("Announce", "Update"),
        ("Delete", "Tombstone"),
        ("Announce", "Delete"),
        ("Update", "Group"),
    } <= kinds


async def test_a_topic_shows_whole_on_microblogs_and_titled_in_forums(
    site: Site, client: Any, member: MakeMember, theme: MakeTheme
) -> None:
    _, opener = await _everything_happens(site, member, theme)
    note = await (await client.session.get(opener, headers=AP)).json(content_type=None)
    shown = shown_by_microblog(note)
    assert shown["title_visible"]
    assert shown["body_visible"]
    assert not shown["folded"]
    assert not shown["hidden"]
    assert title_in_forum(note) == "A tram for the harbour"


async def test_we_read_what_we_write(site: Site, client: Any, member: MakeMember, theme: MakeTheme) -> None:
    group, opener = await _everything_happens(site, member, theme)
    now = site.database.clock()
    seen = from_actor(await (await client.session.get(group, headers=AP)).json(content_type=None), now)
    assert (seen.kind, seen.handle, seen.host) == ("group", "mobility", site.settings.host)
    note = from_note(await (await client.session.get(opener, headers=AP)).json(content_type=None), now)
    assert (note.title, note.language, note.groups[0], note.is_public) == ("A tram for the harbour", "en", group, True)


async def test_an_article_theme_sends_articles(site: Site, client: Any, member: MakeMember, theme: MakeTheme) -> None:
    anna, water = await member("anna"), await theme("water", object_type="Article")
    async with site.database.write() as tx:
        opener = await topics.open(tx, anna.actor, water.actor, await posts.compose(tx, "Long text.", title="Title"))
    document = await (await client.session.get(opener.uri, headers=AP)).json(content_type=None)
    assert (document["type"], document["name"], document["summary"]) == ("Article", "Title", "Long text.")
    check(document)


async def test_accept_and_like_are_strict(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    from tests.inbox.test_flows import until

    anna, mobility = await member("anna"), await theme("mobility")
    await peer.send(mobility.actor.inbox, peer.activity("Follow", mobility.actor.uri))
    accept = (await until(lambda: peer.got("Accept")))[0]
    note = peer.note(
        f'<p><a href="{mobility.actor.uri}">@mobility</a> A topic from elsewhere. More.</p>',
        cc=[mobility.actor.uri],
        tag=[{"type": "Mention", "href": mobility.actor.uri, "name": "@mobility"}],
    )
    await peer.send(mobility.actor.inbox, peer.activity("Create", note))

    async def held() -> Any:
        async with site.database.read() as tx:
            return await posts.find_by_uri(tx, note["id"])

    opener = await until(held)
    async with site.database.write() as tx:
        assert (await tx.get_one(Topic, opener.topic_id)).title == "A topic from elsewhere."
        await reactions.like(tx, anna.actor, opener)
    like = (await until(lambda: peer.got("Like")))[0]
    async with site.database.write() as tx:
        await reactions.unlike(tx, anna.actor, opener)
    undo = (await until(lambda: peer.got("Undo", "Like")))[0]
    for document in (accept, like, undo):
        check(document, origin=site.settings.origin)
