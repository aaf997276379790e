"""What agendas must not give away, keep, or be used for: names that were taken off, words that were removed, the
clerk's letters; and what happens where two decide at one moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import select

from community import agendas, contributors, items, members, posts, sources, topics
from community.agenda_models import Agenda, Item, Source
from community.agendas import Plan
from community.db import Tx
from community.models import Account, Activity, Actor, Membership, Post, Topic
from community.policy import Refused
from federation.site import Site
from federation.vocabulary import PUBLIC
from tests.community.outcomes import stranger
from tests.conftest import MakeMember, MakeTheme, SignIn, pair
from tests.hostile.place import Place
from tests.web.forms import send

FORUM = Plan("World Smart Cities Forum", date(2027, 7, 13), date(2027, 7, 13), "Asia/Singapore")
PAGE = "/agenda/wscf_2027"
sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _sent(place: Place, words: str) -> list[str]:
    """What the addresses of all activities that told these words answer now."""
    query = select(Activity.uri).where(Activity.direction == "out", Activity.document.contains(words))
    async with place.site.database.read() as tx:
        uris = list((await tx.execute(query.where(Activity.type.in_(("Create", "Update", "Announce"))))).scalars())
    assert uris
    headers, answers = {"Accept": "application/activity+json"}, []
    async with aiohttp.ClientSession(headers=headers) as session:
        for uri in uris:
            async with session.get(uri) as answer:
                answers.append(await answer.text() if answer.status == 200 else "")
    return answers


@pytest.mark.usefixtures("calm")
async def test_what_was_sent_once_leads_to_nobody_who_objected_and_tells_nothing_that_was_deleted(place: Place) -> None:
    async with place.site.database.write() as tx:
        clara = (await members.add_member(tx, "clara", "c@example.org", "!", await pair(4), site_role="admin")).actor
        agenda = await agendas.make(tx, clara, await pair(5), FORUM)
    await place.accepted(place.peer.activity("Follow", agenda.actor.uri), "followed")
    async with place.site.database.write() as tx:
        item = await items.propose(tx, clara, agenda, "Benches", "Birch, not steel.", about=place.theirs)
        await items.shortlist(tx, clara, item)
    derived = f'"derivedFrom":["{place.theirs.uri}"]'
    before = await _sent(place, derived)
    assert len(before) >= 3
    assert not any(derived in said or '"proof"' in said for said in before)
    assert all('"agendaItem"' in said for said in before)
    async with place.site.database.write() as tx:
        await posts.erase(tx, clara, await tx.get_one(Post, item.post_id), reason="twice")
    assert not any(await _sent(place, "Birch, not steel."))


@pytest.mark.usefixtures("calm")
async def test_nobody_elsewhere_decides_on_an_agenda_or_what_stands_on_it(place: Place) -> None:
    """Whoever they say they are: a person, a clerk or a group."""
    async with place.site.database.write() as tx:
        boss = (await members.add_member(tx, "boss", "b@example.org", "!", await pair(4), site_role="admin")).actor
        agenda = await agendas.make(tx, boss, await pair(5), FORUM, handle="forum")
        item = await items.propose(tx, boss, agenda, "Shade", "Trees.", about=place.opener)
    peer, forum, uri = place.peer, agenda.actor.uri, f"{place.site.settings.origin}/p/{item.post_id}"
    clerk = f"{place.site.settings.origin}/"
    peer.actor("robot", type="Service")
    peer.actor("ring", type="Group")

    async def picture() -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        async with place.site.database.read() as tx:
            for model in (Source, Item, Agenda):
                found += sorted(map(tuple, await tx.execute(select(*model.__table__.columns))), key=repr)
            for model in (Post, Topic):
                query = select(*model.__table__.columns).where(model.author_id == item.post.author_id)
                found += sorted(map(tuple, await tx.execute(query)), key=repr)
        return found

    before = await picture()
    for by in ("mallory", "robot", "ring"):
        forged = {"id": uri, "type": "Note", "attributedTo": peer.uri(by), "content": "<p>Concrete.</p>"}
        told = peer.note("<p>A topic.</p>", by=by, to=[PUBLIC, forum], audience=forum, name="A topic")
        for activity in (
            peer.activity("Create", told, by=by),
            peer.activity("Update", forged, by=by),
            peer.activity("Update", {**forged, "attributedTo": clerk}, by=by),
            peer.activity("Update", {"id": forum, "type": "Group", "event": {"name": "Ours"}}, by=by),
            peer.activity("Delete", uri, by=by),
            peer.activity("Delete", {"id": uri, "type": "Tombstone"}, by=by, audience=forum),
            peer.activity("Remove", uri, by=by, target=f"{forum}/featured"),
            peer.activity("Add", uri, by=by, target=f"{forum}/featured"),
            peer.activity("Add", uri, by=by, target=f"{forum}/agenda"),
            peer.activity("Add", peer.uri(by), by=by, target=f"{forum}/moderators"),
            peer.activity("Lock", uri, by=by, audience=forum),
            peer.activity("Move", uri, by=by, target=peer.uri("ring")),
            peer.activity("Block", place.anna.uri, by=by, target=forum),
            peer.activity("Undo", {"id": f"{uri}#create", "type": "Create", "actor": clerk, "object": uri}, by=by),
            peer.activity("Announce", peer.activity("Delete", uri, by=by), by=by),
        ):
            status, _ = await peer.send(place.inbox, activity, by=by)
            if status == 202:
                assert await place.outcome(activity["id"])
            assert await picture() == before, (by, activity)
    async with place.site.database.read() as tx:
        assert await tx.get(Membership, (place.anna.id, agenda.actor_id)) is None


# --- On a site of its own --------------------------------------------------------------------------------------------


class Room:
    """An agenda with an item of the board's behind which a reply of Omar stands, who is elsewhere."""

    site: Site
    boss: Account
    anna: Account
    omar: Actor
    agenda: Agenda
    opener: Post
    reply: Post
    item: Item

    async def do(self, verb: Callable[..., Awaitable[Any]], *given: Any, **more: Any) -> Any:
        async with self.site.database.write() as tx:
            return await verb(tx, *given, **more)

    async def behind(self, item: Item) -> set[int]:
        query = select(Source.post_id).where(Source.item_id == item.id)
        async with self.site.database.read() as tx:
            return set((await tx.execute(query)).scalars())


@pytest.fixture
async def room(site: Site, member: MakeMember, theme: MakeTheme) -> Room:
    room = Room()
    room.site, room.boss, room.anna = site, await member("boss", site_role="admin"), await member("anna")
    room.omar, water = await stranger(site, "omar", "cairo.example", name="Omar"), await theme("water")
    async with site.database.write() as tx:
        room.agenda = await agendas.make(tx, room.boss.actor, await pair(6), FORUM)
        room.opener = await topics.open(
            tx, room.anna.actor, water.actor, await posts.compose(tx, "Why pipes?", title="Rain")
        )
        room.reply = await posts.reply(tx, room.omar, room.opener.topic, await posts.compose(tx, "Roofs."))
        room.item = await items.propose(tx, room.boss.actor, room.agenda, "Roofs", about=room.reply)
    return room


@sqlite
async def test_the_page_of_a_post_tells_nobody_what_it_stands_behind_without_a_name(
    room: Room, client: TestClient, sign_in: SignIn
) -> None:
    page = f"/p/{room.reply.id}/agenda"
    await sign_in(client, room.anna)
    assert "stands behind it already" in await (await client.get(page)).text()
    await room.do(contributors.object_to_all, room.omar.id)
    assert "stands behind it already" not in await (await client.get(page)).text()
    again = await send(client, page, agenda="wscf_2027", item="1")
    assert again.headers["Location"] == f"{PAGE}/1?done=cited"
    assert await room.behind(room.item) == {room.reply.id}


@sqlite
async def test_no_other_page_is_told_the_secret_of_a_contributor(room: Room, client: TestClient) -> None:
    async with room.site.database.write() as tx:
        token = (await contributors.ensure(tx, room.omar.id)).token
    for path in (f"/citations/{token}", f"/citations/{token}/more"):
        answer = await client.get(path)
        assert f"next=/citations/{token}" not in await answer.text()
        assert answer.headers["Referrer-Policy"] == "same-origin"


@sqlite
async def test_what_moderators_remove_from_an_agenda_is_read_nowhere_and_does_not_return(
    room: Room, client: TestClient
) -> None:
    made = await room.do(items.propose, room.anna.actor, room.agenda, "Bees", "Omar is a thief.")
    async with room.site.database.write() as tx:
        topic, post = await tx.get_one(Topic, made.topic_id), await tx.get_one(Post, made.post_id)
        await posts.reply(tx, room.omar, topic, await posts.compose(tx, "Am I?"))
        await posts.erase(tx, room.boss.actor, post, reason="insult")
    for path in (f"{PAGE}/2", f"{PAGE}/declined", f"{PAGE}/whole", f"{PAGE}/agenda.json", "/g/wscf_2027/agenda"):
        answer = await client.get(path)
        assert answer.status == 200
        assert "thief" not in await answer.text(), path
    with pytest.raises(Refused, match="post-is-deleted"):
        await room.do(items.reopen, room.boss.actor, made)


@sqlite
async def test_members_cannot_have_the_clerk_write_to_everybody_nor_send_their_links(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CITED_A_DAY", 2)
    await room.do(items.propose, room.anna.actor, room.agenda, "See https://evil.example/x", about=room.reply)
    await room.do(sources.cite, room.anna.actor, room.item, room.opener)
    await room.do(sources.cite, room.anna.actor, room.item, room.reply)  # which stands there already
    other = await room.do(items.propose, room.anna.actor, room.agenda, "Roofs again")
    with pytest.raises(Refused, match="citations-enough"):
        await room.do(sources.cite, room.anna.actor, other, room.reply)
    assert await room.behind(other) == set()
    await room.do(sources.cite, room.boss.actor, other, room.reply)
    async with room.site.database.write() as tx:
        for source in await sources.of_author(tx, room.omar.id):
            if source.item_id == room.item.id:
                await tx.delete(source)  # so that the message names the item of the member
    await room.do(contributors.tell, room.omar.id)
    query = select(Activity.document).where(Activity.type == "Create", Activity.document.contains("/citations/"))
    async with room.site.database.read() as tx:
        [message] = (await tx.execute(query)).scalars()
    assert "evil.example" in message
    assert 'href=\\"https://evil.example' not in message


@sqlite
async def test_opening_a_merged_item_again_takes_nothing_from_the_others(room: Room) -> None:
    boss, roofs = room.boss.actor, room.item
    async with room.site.database.read() as tx:
        [held] = (await tx.execute(select(Source.id).where(Source.item_id == roofs.id))).scalars()
    part = await room.do(items.split, boss, roofs, "A part", "", [held])
    await room.do(items.merge, boss, roofs, part)
    await room.do(items.reopen, boss, roofs)
    assert await room.behind(part) == await room.behind(roofs) == {room.reply.id}
    first, second, third = [await room.do(items.propose, boss, room.agenda, name) for name in ("One", "Two", "Three")]
    await room.do(sources.cite, boss, first, room.opener)
    await room.do(items.merge, boss, first, second)
    await room.do(items.merge, boss, second, third)
    await room.do(items.reopen, boss, second)
    assert await room.behind(third) == {room.opener.id}, "the first is merged into it still"


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_what_is_deleted_decided_and_answered_at_one_moment_waits_for_each_other(room: Room) -> None:
    """Locks are taken in one order: of the agenda, the topic, its place."""
    boss, anna, omar = room.boss.actor, room.anna.actor, room.omar

    async def carried_out(verb: Callable[[Tx], Awaitable[Any]]) -> None:
        try:
            async with room.site.database.write() as tx:
                await verb(tx)
        except Refused:
            return

    for turn in range(3):
        async with room.site.database.write() as tx:
            one = await items.propose(tx, boss, room.agenda, f"One {turn}")
            two = await items.propose(tx, boss, room.agenda, f"Two {turn}")
            topic = await tx.get_one(Topic, one.topic_id)
            said = await posts.reply(tx, omar, topic, await posts.compose(tx, "I said this."))
            more = await posts.reply(tx, omar, topic, await posts.compose(tx, "And this."))
            await sources.cite(tx, boss, one, said)

        async def decide(tx: Tx, one: Item = one, two: Item = two) -> None:
            await items.merge(tx, boss, one, two)

        async def remove(tx: Tx, one: Item = one) -> None:
            await posts.erase(tx, boss, await tx.get_one(Post, one.post_id), reason="no")

        async def answer(tx: Tx, topic: Topic = topic) -> None:
            await posts.reply(tx, anna, topic, await posts.compose(tx, "Indeed."))

        async def cite(tx: Tx, two: Item = two, more: Post = more) -> None:
            await sources.cite(tx, anna, two, more)

        async def take_back(tx: Tx, said: Post = said, more: Post = more) -> None:
            for post in (said, more):
                await posts.erase(tx, omar, await tx.get_one(Post, post.id))

        verbs = [decide, remove, answer, cite, take_back]
        await asyncio.gather(*(carried_out(verb) for verb in verbs[turn:] + verbs[:turn]))
        async with room.site.database.read() as tx:
            held = await tx.execute(select(Source).where(Source.post_id.in_([said.id, more.id])))
            assert {(source.state, source.excerpt) for source in held.scalars()} <= {("redacted", "")}
