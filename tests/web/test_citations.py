"""The page of those who are cited: by a secret link, or signed in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

import pytest
from sqlalchemy import select

from community import agendas, contributors, items, posts, sources, topics
from community.agenda_models import Contributor, Source
from community.agendas import Plan
from community.models import Actor, Notification
from tests.conftest import pair
from tests.web.forms import origin_of, send
from web import citations


@pytest.fixture
def database_kind():
    return "sqlite"


@dataclass
class Cited:
    """Ben of this server and Jo of another are cited by Anna."""

    ben: object
    jo: Actor
    page: str
    posts: list


@pytest.fixture
async def cited(site, member, theme):
    admin, anna, ben = await member("boss", site_role="admin"), await member("anna"), await member("ben")
    water = await theme("water")
    async with site.database.write() as tx:
        uri = "https://far.example/users/jo"
        jo = Actor(uri=uri, kind="person", handle="jo", host="far.example", inbox=f"{uri}/inbox", created_at=tx.now)
        tx.add(jo)
        await tx.flush()
        plan = Plan("Forum of Cities", date(2027, 7, 13), date(2027, 7, 13), "UTC", place="Ghent")
        agenda = await agendas.make(tx, admin.actor, await pair(6), plan)
        opener = await topics.open(tx, ben.actor, water.actor, await posts.compose(tx, "Why <b>?", title="Rain <i>"))
        said = [await posts.reply(tx, jo, opener.topic, await posts.compose(tx, words)) for words in ("Roofs.", "Mud.")]
        item = await items.propose(tx, anna.actor, agenda, "Rain as a utility")
        for post in (opener, *said):
            await sources.cite(tx, anna.actor, item, post)
        token = (await tx.get_one(Contributor, jo.id)).token
    return Cited(ben, jo, f"/citations/{token}", [opener, *said])


async def states(site, actor):
    async with site.database.read() as tx:
        held = await contributors.contributions(tx, actor.id)
        return [each.is_named for each in reversed(held)]


async def test_whoever_has_the_link_decides_without_an_account(client, site, cited):
    for method in ("get", "head"):
        for headers in ({}, {"Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"User-Agent": "Scanner"}):
            answer = await getattr(client, method)(f"{cited.page}?action=anonymous", headers=headers)
            assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Referrer-Policy"] == "same-origin", "no other site hears of the address"
    page = await (await client.get(cited.page)).text()
    assert "jo@far.example" in page.replace("&#64;", "@")
    assert '<meta name="robots" content="noindex">' in page
    assert re.search(r'/agenda/\w+/1">1 · Rain as a utility', page)
    assert await states(site, cited.jo) == [True, True]

    roofs = str(cited.posts[1].id)
    assert (await send(client, cited.page, action="anonymous", post=roofs)).status == 303
    assert await states(site, cited.jo) == [False, True]
    page = await (await client.get(cited.page)).text()
    assert (page.count("without your name</b>"), page.count("Name me again<")) == (1, 1)
    assert (await send(client, cited.page, action="anonymous")).status == 303
    assert await states(site, cited.jo) == [False, False]
    page = await (await client.get(cited.page)).text()
    assert "Your name is on none of these." in page
    assert "Take my name off" not in page
    assert (await send(client, cited.page, action="named", post=roofs)).status == 303
    assert await states(site, cited.jo) == [True, False]
    assert "Your name is only where you left it." in await (await client.get(cited.page)).text()
    assert (await send(client, cited.page, action="named")).status == 303
    assert await states(site, cited.jo) == [True, True]

    assert (await send(client, cited.page, action="silent")).status == 303
    assert "You are not told any more" in await (await client.get(cited.page)).text()
    assert (await send(client, cited.page, action="told")).status == 303
    assert "at most one a day" in await (await client.get(cited.page)).text()
    async with site.database.read() as tx:
        known = await tx.get_one(Contributor, cited.jo.id)
        assert (known.opted_out_at, known.has_objected) == (None, False)
        told = (await tx.execute(select(Source.told_at).where(Source.author_id == cited.jo.id))).scalars().all()
        assert all(told), "what the page showed is no news later"
    assert (await send(client, cited.page, action="burn")).status == 400
    assert await states(site, cited.ben.actor) == [True], "nobody else is concerned"


async def test_a_member_has_the_page_among_their_settings(client, site, cited, sign_in):
    assert (await client.get("/citations", allow_redirects=False)).status == 303
    await sign_in(client, cited.ben)
    told = await (await client.get("/notifications")).text()
    assert "cites on an agenda what you wrote on" in told
    assert '<a href="/citations">Where you are cited' in told
    assert '<a href="/citations">Take my name off' in await (await client.get("/agenda/foc_2027/1")).text()
    async with site.database.read() as tx:
        [note] = (await tx.execute(select(Notification).where(Notification.kind == "cited"))).scalars()
    answer = await client.get(f"/notifications/{note.id}", allow_redirects=False)
    assert answer.headers["Location"].endswith("/agenda/foc_2027/1")
    page = await (await client.get("/citations")).text()
    assert 'href="/citations" aria-current="page"' in page
    assert "Rain &lt;i&gt;" in page
    assert "You get a notification" in page
    assert (await send(client, "/citations", action="anonymous", post=str(cited.posts[0].id))).status == 303
    assert await states(site, cited.ben.actor) == [False]
    answer = await send(client, "/citations", action="anonymous", post=str(cited.posts[1].id))
    assert answer.status == 404
    assert await states(site, cited.jo) == [True, True]
    # The link of somebody else works for whoever holds it, also with an account here.
    assert (await send(client, cited.page, action="anonymous")).status == 303
    assert await states(site, cited.jo) == [False, False]
    assert 'href="/citations"' in await (await client.get("/u/ben")).text()


async def test_links_are_not_to_be_guessed(client, monkeypatch, cited):
    monkeypatch.setattr(citations, "WRONG_TOKENS", 3)
    monkeypatch.setattr(citations, "CHANGES", 1)
    for number in range(3):
        assert (await client.get(f"/citations/{'x' * 32}{number}")).status == 404
    answer = await client.get(f"/citations/{'x' * 32}")
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "tried too often" in await answer.text()
    assert (await client.get("/citations/short")).status == 404
    assert (await send(client, cited.page, action="silent")).status == 303, "a right one opens all the same"
    assert (await send(client, cited.page, action="told")).status == 429
    origin = {"Origin": origin_of(client)}
    assert (await client.post(cited.page, data={"action": "anonymous"}, headers=origin)).status == 403
