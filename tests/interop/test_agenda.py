"""An agenda as an independent server has it: followed, supported, told of, and read with what is behind it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio

from community import agendas, board, items, keys, members
from community.agenda_models import Agenda, Item
from community.agendas import Plan
from community.board import Support
from community.items import Hour
from community.models import Post
from community.settings import Settings
from federation import site as sites
from federation.site import Site

from .members import Member, announces, sends
from .server import Document, Folkmoot


@pytest_asyncio.fixture(scope="module")
async def site(folkmoot: Folkmoot, folder: Path) -> AsyncIterator[Site]:
    """The running instance's own database: what staff does is done there, beside the process."""
    made = sites.make(
        Settings(
            origin=folkmoot.origin,
            bind=folkmoot.host,
            data=str(folder / "data"),
            database_url=os.environ.get("FOLKMOOT_DATABASE_URL", ""),
        )
    )
    yield made
    await made.close()


async def until_support(site: Site, agenda: Agenda, item: Item, wanted: Support) -> None:
    found = None
    for _ in range(300):
        async with site.database.read() as tx:
            found = (await board.support(tx, agenda)).get(item.id, board.NO_SUPPORT)
        if found == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{item.title} has {found}, not {wanted}")


async def test_an_agenda_is_followed_supported_and_read_elsewhere(
    folkmoot: Folkmoot, site: Site, topic: str, microblog: Member, word: str
) -> None:
    pair = await keys.make(site.settings.secret())
    async with site.database.write() as tx:
        clara: Any = await members.find(tx, "clara")
        plan = Plan(f"Forum {word}", date(2027, 7, 13), date(2027, 7, 13), "Asia/Singapore", place="Singapore")
        agenda = await agendas.make(tx, clara, pair, plan, handle=f"f{word[:8]}")
    group = agenda.actor.uri
    event = (await folkmoot.document(group))["event"]
    assert (event["name"], event["location"]["name"]) == (f"Forum {word}", "Singapore")
    assert (await microblog.lookup("mia", group))["parsedAs"] == "Group"
    await microblog.follow("mia", group)
    await microblog.expect_accepted("mia", group)

    # What Mia answered in a theme is put on the agenda, and she hears of the item.
    reply = (await microblog.post("mia", f"The last tram leaves too early {word}", inReplyTo=topic))["object"]
    held = None
    for _ in range(300):
        async with site.database.read() as tx:
            held = await tx.by_uri(Post, reply)
        if held is not None:
            break
        await asyncio.sleep(0.05)
    assert held is not None, folkmoot.output()
    async with site.database.write() as tx:
        item = await items.propose(tx, clara, agenda, f"Trams at night {word}", "Until one.", about=held)
        other = await items.propose(tx, clara, agenda, f"Late trams {word}")
        uris = [(await tx.get_one(Post, each.post_id)).uri for each in (item, other)]
    for uri in uris:
        boost = await microblog.expect("the item", announces(uri, wrapped=None), contains=uri)
        assert boost["activity"]["actor"] == group
    looked = await microblog.lookup("mia", uris[0])
    assert (looked["parsedAs"], looked["json"]["derivedFrom"]) == ("Note", [reply])

    # Her favourites are support; one that is taken back is none; of what is merged she counts once.
    liked = await microblog.like("mia", uris[0])
    await until_support(site, agenda, item, Support(elsewhere=1))
    await microblog.undo("mia", liked["id"])
    await until_support(site, agenda, item, Support())
    for uri in uris:
        await microblog.like("mia", uri)
    await until_support(site, agenda, other, Support(elsewhere=1))
    async with site.database.write() as tx:
        await items.merge(tx, clara, other, item)
    await until_support(site, agenda, item, Support(elsewhere=1))

    # It is scheduled: the post is edited, and the Article comes.
    starts_at = datetime(2027, 7, 13, 1, tzinfo=UTC)
    async with site.database.write() as tx:
        hour = Hour(starts_at=starts_at, ends_at=starts_at + timedelta(hours=1), room="Hall 2")
        await items.schedule(tx, clara, item, hour)
    update = await microblog.expect("the hour", sends("Update", uris[0]), contains='"startTime":"2027-07-13T01')
    said: Document = update["activity"]["object"]
    assert (update["activity"]["actor"], said["agendaItem"]["state"]) == (folkmoot.person("clerk"), "scheduled")
    assert "Tuesday 13 July 2027, 09:00 (Asia/Singapore)" in said["content"]
    assert said["mergedFrom"] == [uris[1]]
    [entry] = await folkmoot.items(f"{group}/agenda")
    assert (entry["id"], entry["derivedFrom"], entry["support"]) == (uris[0], [reply], {"here": 0, "elsewhere": 1})
    assert (entry["startTime"], entry["location"]["name"]) == ("2027-07-13T01:00:00Z", "Hall 2, Singapore")

    await folkmoot.hasten("tell-agenda")
    uri = ""
    for _ in range(300):
        featured = (await folkmoot.document(f"{group}/featured"))["orderedItems"]
        if featured:
            uri = featured[0]["id"]
            break
        await asyncio.sleep(0.05)
    await microblog.expect("the Article", announces(uri, wrapped=None), contains=uri)
    article = await microblog.lookup("mia", uri)
    assert article["parsedAs"] == "Article"
    for words in ("09:00–10:00", "Hall 2", f"Trams at night {word}", "support: 1", "people: 1, servers: 1"):
        assert words in article["json"]["content"]

    # Who names the agenda in a post of their own opens nothing; what is answered to an item is read there.
    stray = await microblog.post("mia", f"My own item {word}", mention=group)
    said_of = ""
    for _ in range(60):
        said_of = await folkmoot.explain(stray["id"])
        if "agenda-takes-proposals" in said_of:
            break
        await asyncio.sleep(0.1)
    assert "agenda-takes-proposals" in said_of
    answer = (await microblog.post("mia", f"At last {word}", inReplyTo=uris[0]))["object"]
    await folkmoot.until("answered", lambda d: answer in d["replies"]["first"]["items"], uris[0])
