"""Putting what was said on an agenda: the page that says what happens, both ways, and every way in which it fails."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from html import unescape
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import func, select, update

from community import agendas, items, posts, questions, topics
from community.agenda_models import Agenda, Contributor, Item, Source
from community.agendas import Plan
from community.debate_models import Question
from community.models import Account, Post
from federation.site import Site
from tests.community.outcomes import begin, stranger
from tests.conftest import MakeMember, MakeTheme, SignIn, pair
from tests.peer import Peer
from tests.web.forms import send

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
FORUM = Plan("World Smart Cities Forum", date(2027, 7, 13), date(2027, 7, 13), "Asia/Singapore", place="Singapore")
PAGE = "/agenda/wscf_2027"


@dataclass
class Room:
    site: Site
    agenda: Agenda
    admin: Account
    anna: Account
    ben: Account
    opener: Post
    reply: Post

    async def item(self, title: str = "Rain is a utility", about: Post | None = None) -> Item:
        async with self.site.database.write() as tx:
            return await items.propose(tx, self.admin.actor, self.agenda, title, "In short.", about=about)

    async def behind(self, number: int) -> list[int]:
        """The ids of the posts behind an item."""
        query = select(Source.post_id).join(Item, Item.id == Source.item_id).where(Item.number == number)
        async with self.site.database.read() as tx:
            return list((await tx.execute(query.order_by(Source.id))).scalars())


@pytest.fixture
async def room(site: Site, member: MakeMember, theme: MakeTheme) -> Room:
    admin, anna, ben = await member("boss", site_role="admin"), await member("anna"), await member("ben")
    water, omar = await theme("water"), await stranger(site, "omar", "cairo.example", name="Omar")
    async with site.database.write() as tx:
        agenda = await agendas.make(tx, admin.actor, await pair(6), FORUM)
        opener = await topics.open(
            tx, ben.actor, water.actor, await posts.compose(tx, "Why pipes?", title="Rain & <b>")
        )
        said = await posts.compose(tx, "Roofs are cheaper. Ask the tenants.")
        reply = await posts.reply(tx, omar, opener.topic, said)
    return Room(site, agenda, admin, anna, ben, opener, reply)


async def words(answer: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await answer.text())))


async def test_from_the_menu_of_a_post_to_a_new_item_and_behind_one_that_is_there(
    room: Room, client: TestClient, sign_in: SignIn
) -> None:
    topic = f"/t/{room.opener.topic_id}/rain-b"
    page, of_opener = f"/p/{room.reply.id}/agenda", f"/p/{room.opener.id}/agenda"
    assert page not in await (await client.get(topic)).text()
    away = await client.get(page, allow_redirects=False)
    assert (away.status, away.headers["Location"]) == (303, f"/sign-in?next={page}")
    await sign_in(client, room.anna)
    menu = await (await client.get(topic)).text()
    assert page in menu
    assert of_opener in menu
    shown = await client.get(page)
    said = await words(shown)
    assert "Reply by Omar @omar@cairo.example" in said
    assert "Roofs are cheaper. Ask the tenants." in said
    assert "@omar@cairo.example gets one message from the clerk, at most one a day, and can take their name off" in said
    assert 'value="Roofs are cheaper."' in await shown.text()
    assert "Behind an item" not in said
    assert 'value="Rain &amp; &lt;b&gt;"' in await (await client.get(of_opener)).text()
    assert "Ben is told here" in (await words(await client.get(of_opener))).replace("ben", "Ben")

    for title in ("Ro", "x" * 151, "NUL\x00\x00"):
        wrong = await send(client, page, agenda="wscf_2027", title=title, summary="Kept, even so.")
        assert wrong.status == (303 if "NUL" in title else 422)
        if wrong.status == 422:
            assert "Kept, even so." in await wrong.text()
            assert "3 to 150 characters" in await wrong.text()
    made = await send(client, page, agenda="wscf_2027", title="Roofs first", summary="They are cheaper.")
    assert (made.status, made.headers["Location"]) == (303, f"{PAGE}/2?done=proposed")
    assert await room.behind(2) == [room.reply.id]

    cited = await send(client, of_opener, agenda="wscf_2027", item="2")
    assert (cited.status, cited.headers["Location"]) == (303, f"{PAGE}/2?done=cited")
    again = await send(client, of_opener, agenda="wscf_2027", item="2")
    assert again.headers["Location"] == f"{PAGE}/2?done=already"
    assert "stands behind it already" in await words(await client.get(of_opener))
    assert await room.behind(2) == [room.reply.id, room.opener.id]


async def test_items_are_found_by_words_and_number_and_agendas_are_chosen(
    room: Room, client: TestClient, sign_in: SignIn
) -> None:
    for title in ("Night trains", "Heat without oil", "Roofs that hold the rain"):
        await room.item(title)
    async with room.site.database.write() as tx:
        plan = Plan("Water days", date(2027, 1, 5), date(2027, 1, 6), "Europe/Lisbon")
        await agendas.make(tx, room.admin.actor, await pair(5), plan)
    await sign_in(client, room.anna)
    page = f"/p/{room.reply.id}/agenda"

    async def found(query: str) -> list[str]:
        shown = await (await client.get(f"{page}?agenda=wscf_2027&q={query}")).text()
        return re.findall(r'name="item" value="(\d+)"', shown)

    assert await found("") == ["3", "1", "2"], "what has the same words comes first"
    assert (await found("heat+OIL"), await found("2"), await found("%232"), await found("ships")) == (
        ["2"], ["2"], ["2"], [],
    )  # fmt: skip
    first = await words(await client.get(page))
    assert "Water days" in first
    assert "World Smart Cities Forum" in first
    assert 'name="agenda" value="water_days_2027"' in await (await client.get(page)).text(), (
        "the next event comes first"
    )
    crossed = await send(client, page, agenda="water_days_2027", item="3", q="rain")
    assert (crossed.status, "There is no item with this number." in await words(crossed)) == (422, True)
    for number in ("0", "-1", "9" * 30, "1e3", "9" * 18, "٣"):
        assert (await send(client, page, agenda="wscf_2027", item=number)).status == 422
    for handle in ("nowhere", "water", "'; DROP", "x" * 5000):
        assert (await send(client, page, agenda=handle, item="1")).status == 404
    assert (await client.get("/p/999999999999999/agenda")).status == 404
    async with room.site.database.write() as tx:
        item = (await tx.execute(select(Item).where(Item.title == "Night trains"))).scalar_one()
        await items.decline(tx, room.admin.actor, item, "No.")
    refused = await send(client, page, agenda="wscf_2027", item="1")
    assert (refused.status, "nothing more is put behind it" in await words(refused)) == (422, True)


async def test_who_is_told_and_who_may_not(room: Room, client: TestClient, sign_in: SignIn, member: MakeMember) -> None:
    page = f"/p/{room.reply.id}/agenda"
    item = await room.item()
    async with room.site.database.write() as tx:
        tx.add(Contributor(actor_id=room.reply.author_id, token="t" * 40, opted_out_at=tx.now))
    await sign_in(client, room.anna)
    assert "Omar wants no messages about this, and gets none." in await words(await client.get(page))
    async with room.site.database.write() as tx:
        await tx.execute(update(Contributor).values(has_objected=True))
    assert "Omar does not want to be named" in await words(await client.get(page))
    own = f"/p/{room.opener.id}/agenda"
    async with room.site.database.write() as tx:
        card = await tx.get_one(Post, item.post_id)
    nothing = await client.get(f"/p/{card.id}/agenda")
    assert "There is nothing in this that could be cited" in await words(nothing)
    assert f"/p/{card.id}/agenda" not in await (await client.get(f"/t/{card.topic_id}/x")).text()
    refused = await send(client, f"/p/{card.id}/agenda", page=own, agenda="wscf_2027", item="1")
    assert (refused.status, "nothing in this" in await words(refused)) == (403, True)

    async with room.site.database.write() as tx:
        await tx.execute(update(Post).where(Post.id == room.reply.id).values(hidden_reason="spam"))
    hidden = await words(await client.get(page))
    assert "This post was deleted." in hidden
    assert "Roofs are cheaper" not in hidden
    assert page not in await (await client.get(f"/t/{room.opener.topic_id}/x")).text()
    async with room.site.database.write() as tx:
        await tx.execute(update(Post).where(Post.id == room.reply.id).values(hidden_reason=""))
    for _ in range(17):  # twenty tries a minute
        await send(client, page, agenda="wscf_2027", item="1")
    last = [(await send(client, page, agenda="wscf_2027", title="Kept title", summary="")) for _ in range(4)]
    assert "That was tried too often" in await words(last[-1])
    assert "Kept title" in await last[-1].text()

    await sign_in(client, room.ben)
    assert "These are your own words" in await words(await client.get(own))
    async with room.site.database.write() as tx:
        await posts.erase(tx, room.ben.actor, await tx.get_one(Post, room.opener.id))
    async with room.site.database.write() as tx:
        await agendas.turn(tx, room.admin.actor, room.agenda, "closed")
    assert page not in await (await client.get(f"/t/{room.opener.topic_id}/x")).text()
    for address in (page, f"{PAGE}/propose"):
        closed = await client.get(address)
        assert "This agenda is closed" in await words(closed)
    late = await send(client, page, page="/settings", agenda="wscf_2027", title="Too late")
    assert (late.status, "This agenda is closed" in await words(late)) == (403, True)
    await sign_in(client, room.admin)
    assert (await client.get(page)).status == 200
    for account in (await member("pat", state="pending"),):
        await sign_in(client, account)
        assert (await client.get(page)).status == 403


async def test_from_the_agenda_itself_with_an_address_from_here_or_elsewhere(
    room: Room, client: TestClient, sign_in: SignIn, peer: Peer
) -> None:
    page, origin = f"{PAGE}/propose", room.site.settings.origin
    assert (await client.get(page, allow_redirects=False)).status == 303
    await sign_in(client, room.anna)
    plain = await send(client, page, title="Without anything", summary="", address="")
    assert plain.headers["Location"] == f"{PAGE}/1?done=proposed"
    assert await room.behind(1) == []
    topic = f"{origin}/t/{room.opener.topic_id}/rain-b"
    for number, (address, post) in enumerate(
        [(f"{origin}/p/{room.reply.id}", room.reply), (topic, room.opener), (f"{topic}/2#post-2", room.reply)], start=2
    ):
        made = await send(client, page, title="With something", summary="", address=address)
        assert made.headers["Location"] == f"{PAGE}/{number}?done=proposed", await words(made)
        assert await room.behind(number) == [post.id]
    for address in (
        "nonsense", f"{origin}/p/99999999", f"{origin}/themes", f"{origin}/t/1/x/999999999", room.ben.actor.uri,
        "https://[broken", "http://169.254.169.254/x", "@ben", f"{peer.origin}/nothing/here", "x" * 3000,
    ):  # fmt: skip
        wrong = await send(client, page, title="Kept title", summary="Kept summary", address=address)
        assert (wrong.status, "Kept summary" in await wrong.text()) == (422, True), address
    note = peer.note("<p>Cisterns, says Tess.</p>", inReplyTo=room.opener.uri)
    made = await send(client, page, title="Cisterns", summary="", address=note["id"])
    assert made.headers["Location"] == f"{PAGE}/5?done=proposed"
    async with room.site.database.read() as tx:
        held = await tx.by_uri(Post, note["id"])
    assert held is not None
    assert await room.behind(5) == [held.id]
    found = await send(client, page, do="find", behind=f"{origin}/p/{room.reply.id}")
    assert found.headers["Location"] == f"/p/{room.reply.id}/agenda?agenda=wscf_2027"
    nowhere = await send(client, page, do="find", behind="")
    assert (nowhere.status, "begins with https://" in await words(nowhere)) == (422, True)
    async with room.site.database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(Item)) == 5
    assert (await client.get("/agenda/nowhere/propose")).status == 404


async def test_for_the_card_of_a_question_what_was_asked_is_cited(
    site: Site, client: TestClient, member: MakeMember, theme: MakeTheme, sign_in: SignIn
) -> None:
    play = await begin(site, member, theme)
    admin = await member("chief", site_role="admin")
    async with site.database.write() as tx:
        await agendas.make(tx, admin.actor, await pair(6), FORUM)
    asked = await play.argue(await stranger(site, "omar"), "question", "Who pays for the night bus?")
    async with site.database.write() as tx:
        question = (await tx.execute(select(Question).where(Question.post_id == asked.id))).scalar_one()
        card = await questions.accept(tx, play.floor.host.actor, question)
    await sign_in(client, await member("anna"))
    assert f'href="/p/{card.id}/agenda"' in await (await client.get(f"{play.path}/questions")).text()
    shown = await words(await client.get(f"/p/{card.id}/agenda"))
    assert "Question by omar" in shown
    assert "The question itself is cited" in shown
    await send(client, f"/p/{card.id}/agenda", agenda="wscf_2027", title="The night bus")
    async with site.database.read() as tx:
        [source] = (await tx.execute(select(Source))).scalars().all()
        ballot = (await tx.execute(select(Post).where(Post.part == "opening-poll"))).scalar_one()
        motion = (await tx.execute(select(Post).where(Post.part == "motion"))).scalar_one()
    assert (source.post_id, source.kind) == (asked.id, "question")
    assert f'href="/p/{motion.id}/agenda"' in await (await client.get(play.path)).text()
    for post, kind in ((ballot, "poll"), (motion, "debate")):
        await send(client, f"/p/{post.id}/agenda", agenda="wscf_2027", item="1")
        async with site.database.read() as tx:
            query = select(Source.kind).where(Source.post_id == post.id)
            assert (await tx.execute(query)).scalar_one() == kind
