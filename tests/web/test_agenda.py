"""The agenda as everybody reads it: what is on it and why, what is not, on paper and in calendars."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest

from community import agendas, board, debates, items, posts, reactions, sources, topics
from community.agenda_models import Agenda, Item
from community.agendas import Plan, Slot
from community.items import Hour
from community.models import Account, Actor, Post, Topic
from federation.site import Site
from tests.community.outcomes import begin, stranger
from tests.conftest import MakeMember, MakeTheme, SignIn, pair
from tests.web.forms import send

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
SINGAPORE = ZoneInfo("Asia/Singapore")
PATH = "/agenda/wscf_2027"


@dataclass
class Forum:
    """An agenda with a session, and people here and on other servers who said what is behind its items."""

    site: Site
    agenda: Agenda
    admin: Account
    anna: Account
    water: Actor
    opener: Post

    async def item(self, title: str, *about: Post, by: Account | None = None) -> Item:
        async with self.site.database.write() as tx:
            who = (by or self.anna).actor
            made = await items.propose(tx, who, await tx.get_one(Agenda, self.agenda.actor_id), title, "In short.")
            for post in about:
                await sources.cite(tx, who, made, post)
            return made

    async def reply(self, author: Actor, words: str) -> Post:
        async with self.site.database.write() as tx:
            topic = await tx.get_one(Topic, self.opener.topic_id)
            return await posts.reply(tx, author, topic, await posts.compose(tx, words))

    async def decide(self, act: Any, item: Item, *args: Any, **options: Any) -> Any:
        async with self.site.database.write() as tx:
            return await act(tx, self.admin.actor, await tx.get_one(Item, item.id), *args, **options)

    async def session(self) -> Hour:
        """A slot at a quarter past ten in a session of the forum."""
        opens_at = datetime(2027, 7, 13, 10, tzinfo=SINGAPORE)
        slot = Slot("Water & warmth", opens_at, opens_at + timedelta(hours=2), "Hall A")
        async with self.site.database.write() as tx:
            session = await agendas.add_session(tx, self.admin.actor, self.agenda, slot)
        at = opens_at + timedelta(minutes=15)
        return Hour(session, at, at + timedelta(minutes=45))


@pytest.fixture
async def forum(site: Site, member: MakeMember, theme: MakeTheme) -> Forum:
    admin, anna = await member("boss", site_role="admin"), await member("anna", display_name="Anna Lis")
    water = await theme("water")
    plan = Plan(
        "World Smart Cities Forum", date(2027, 7, 13), date(2027, 7, 13), "Asia/Singapore", place="Singapore",
        link="https://forum.example/", map_link="https://maps.example/sg", text="One *day*.",
    )  # fmt: skip
    async with site.database.write() as tx:
        agenda = await agendas.make(tx, admin.actor, await pair(6), plan)
        opener = await topics.open(tx, anna.actor, water.actor, await posts.compose(tx, "Why pipes?", title="Rain"))
    return Forum(site, agenda, admin, anna, water.actor, opener)


async def read(client: Any, path: str, status: int = 200) -> str:
    answer = await client.get(path, allow_redirects=False)
    text = await answer.text()
    assert answer.status == status, text[:2000]
    return text


def words(html: str) -> str:
    """The words of a page in one line, as a reader gets them."""
    main = html.partition("<main")[2].partition("</main>")[0]
    return re.sub(r" (?=[.,:])", "", " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split()))


async def test_items_are_listed_with_what_is_behind_them(forum: Forum, client: Any) -> None:
    lena = await stranger(forum.site, "lena", "ruhr.social", name="Lena Vogt")
    many = [await stranger(forum.site, f"p{n}", f"h{n % 3}.example") for n in range(5)]
    replies = [await forum.reply(each, f"Roofs, says number {n}.") for n, each in enumerate(many)]
    told, hidden, gone = [await forum.reply(lena, each) for each in ("Gutters pay.", "Buy this.", "Never mind.")]
    rain = await forum.item("Rain is a utility", forum.opener, *replies, told)
    await forum.item("Meters <talk>", told, hidden, gone)
    heat, sponsors, again = [await forum.item(title) for title in ("Heat", "A street for sponsors", "Rain once more")]
    hour = await forum.session()
    await forum.decide(items.schedule, rain, hour)
    await forum.decide(items.shortlist, heat)
    await forum.decide(items.decline, sponsors, "Names are no matter of ours.")
    await forum.decide(items.merge, again, rain, reason="The same.")
    async with forum.site.database.write() as tx:
        for actor in (*many, forum.anna.actor):
            await reactions.like(tx, actor, await tx.get_one(Post, rain.post_id))
        await posts.reply(tx, lena, await tx.get_one(Topic, rain.topic_id), await posts.compose(tx, "At last."))
        await posts.erase(tx, lena, gone)
        (await tx.get_one(Post, hidden.id)).hidden_reason = "an advertisement"

    assert (await client.get("/agenda", allow_redirects=False)).headers["Location"] == PATH
    page = await read(client, PATH)
    said = words(page)
    assert "Singapore, 13 July 2027." in said
    assert "Water & warmth Tuesday 13 July, 10:00–12:00 · Hall A" in said
    order = ["10:15–11:00, Hall A", "Heat", "shortlisted", "Meters <talk>"]
    assert sorted(order, key=said.index) == order
    line = re.search(r"Rain is a utility (.*?) 10:15", said)
    assert line is not None
    behind, _, support = line[1].partition(" ♥ Support: ")
    assert behind == "topic by Anna Lis 6 replies from 4 servers merged from item 5"
    assert support == "1 here · 5 from other servers 1 comment"
    line = re.search(r"Meters <talk> (.*?) proposed", said)
    assert line is not None
    assert line[1] == "reply by @lena@ruhr.social one contribution that was deleted"
    assert f'href="/p/{told.id}"' in page
    assert "sponsors" not in said
    assert 'rel="alternate" type="text/calendar"' in page
    assert '<meta property="og:title" content="Agenda: World Smart Cities Forum">' in page

    only = words(await read(client, f"{PATH}?state=shortlisted"))
    assert "Heat" in only
    assert "Meters" not in only
    why_not = words(await read(client, f"{PATH}/declined"))
    assert "A street for sponsors Names are no matter of ours." in why_not
    assert "decided by boss" in why_not
    assert "Merged into item 1, Rain is a utility. The same." in why_not
    whole = await read(client, f"{PATH}/whole")
    assert "Roofs, says number 4." in whole
    assert "Never mind." not in whole
    assert "Buy this." not in whole

    home = words(await read(client, "/"))
    assert "1 item proposed 1 shortlisted 1 scheduled" in home
    of_theme = words(await read(client, "/g/water"))
    assert "Rain is a utility scheduled Meters <talk> proposed 1 item proposed 1 scheduled" in of_theme
    topic = words(await read(client, f"/t/{forum.opener.topic_id}/rain"))
    assert "On the agenda: item 1" in topic
    of_item = await read(client, f"/t/{rain.topic_id}/rain-is-a-utility")
    assert "Agenda: World Smart Cities Forum · item 1" in words(of_item)
    for path in ("/agenda/nowhere", f"{PATH}/77", "/agenda/nowhere/agenda.ics", "/agenda/nowhere/agenda.json"):
        await read(client, path, 404)


async def test_an_item_shows_every_source_as_far_as_its_author_lets_it(forum: Forum, client: Any) -> None:
    lena = await stranger(forum.site, "lena", "ruhr.social", name="Lena Vogt")
    omar = await stranger(forum.site, "omar", "cairo.social", name="Omar Hassan")
    kept, shy, gone = [
        await forum.reply(author, text) for author, text in ((lena, "Kept."), (omar, "Shy."), (omar, "Gone."))
    ]
    item = await forum.item("Rain is a utility", forum.opener, kept, shy, gone)
    await forum.item("Roofs", forum.opener)
    async with forum.site.database.write() as tx:
        await posts.edit(tx, lena, await tx.get_one(Post, kept.id), await posts.compose(tx, "Kept, and changed."))
        await sources.forget(tx, omar.id)
        await posts.erase(tx, omar, await tx.get_one(Post, gone.id))
    cited = (await sources_of(forum, item))[:2]
    part = await forum.decide(items.split, item, "Pipes", "", [each.source.id for each in cited], reason="Two matters.")
    await forum.decide(items.schedule, item, await forum.session(), reason="Many want it.")

    page = await read(client, f"{PATH}/1")
    said = words(page)
    assert "4 contributions" in said
    assert "Reply Lena Vogt @lena@ruhr.social" in said
    assert f'href="{kept.uri}" rel="nofollow noopener ugc" title="The original on ruhr.social"' in page
    assert f'href="/p/{kept.id}/history"' in page
    assert "after it was cited" in said
    assert "Shy." in said
    assert "The author does not wish to be named" in said
    assert "This contribution was deleted." in said
    for trace in ("omar", "Omar", "cairo", "Gone.", f"/p/{shy.id}", f"/p/{gone.id}"):
        assert trace not in page
    assert "Made of a part of it: item 3, Pipes" in said
    assert "Scheduled by boss: Many want it." in said
    assert "Split by boss: Two matters." in said
    assert "Sign in to support this" in said
    assert f"{forum.site.settings.origin}/p/{item.post_id}" in page
    whole = await read(client, f"{PATH}/whole")
    for trace in ("omar", "Omar", "cairo", "Gone.", f"/p/{shy.id}"):
        assert trace not in whole
    assert "It was a part of item 1, Rain is a utility" in words(await read(client, f"{PATH}/{part.number}"))
    await forum.decide(items.merge, part, item)
    assert "it goes on as item 1, Rain is a utility" in words(await read(client, f"{PATH}/{part.number}"))


async def sources_of(forum: Forum, item: Item) -> list[sources.Citation]:
    async with forum.site.database.read() as tx:
        return (await sources.behind(tx, [item.id]))[item.id]


async def test_members_support_an_item_where_they_read_of_it(
    forum: Forum, client: Any, member: MakeMember, sign_in: SignIn
) -> None:
    item = await forum.item("Rain is a utility")
    await sign_in(client, await member("ben"))
    page, like = f"{PATH}/1", f"/p/{item.post_id}/like"
    from_there = {"Referer": f"{forum.site.settings.origin}{page}"}
    answer = await send(client, like, page=page, headers=from_there, liked="1")
    assert (answer.status, answer.headers["Location"]) == (303, page)
    shown = await read(client, page)
    assert "You support this 1 here" in words(shown)
    assert "Decide on it" not in shown
    await send(client, like, page=page, headers=from_there, liked="0")
    assert "Nobody supports it yet." in words(await read(client, page))
    await sign_in(client, forum.admin)
    assert f'href="{PATH}/1/curate"' in await read(client, page)
    async with forum.site.database.write() as tx:
        await posts.erase(tx, forum.admin.actor, await tx.get_one(Post, item.post_id), reason="an advertisement")
    for path in (page, f"{PATH}/declined", f"{PATH}/whole"):
        gone = await read(client, path)
        assert "Rain is a utility" not in gone
        assert "an advertisement" in gone


async def test_a_calendar_has_the_days_and_the_hours(forum: Forum, client: Any) -> None:
    item, _ = await forum.item("Rain; a utility"), await forum.item("No hour yet")
    hour = await forum.session()
    await forum.decide(items.schedule, item, hour)
    answer = await client.get(f"{PATH}/agenda.ics")
    body = await answer.read()
    days, due = icalendar.Calendar.from_ical(body).walk("VEVENT")
    assert (days["DTSTART"].dt, days["DTEND"].dt) == (date(2027, 7, 13), date(2027, 7, 14))
    assert (str(days["SUMMARY"]), str(days["LOCATION"])) == ("World Smart Cities Forum", "Singapore")
    assert due["DTSTART"].dt.utcoffset() == timedelta(hours=8)
    assert (due["DTSTART"].dt, due["DTEND"].dt) == (hour.starts_at, hour.ends_at)
    assert (str(due["SUMMARY"]), str(due["LOCATION"])) == ("Rain; a utility", "Hall A, Singapore")
    assert f"{forum.site.settings.origin}{PATH}/1" in str(due["DESCRIPTION"])
    assert str(due["STATUS"]) == "CONFIRMED"
    again = await client.get(f"{PATH}/agenda.ics?again=1", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304
    later = Hour(hour.session, hour.starts_at + timedelta(minutes=15), None, "Hall C") if hour.starts_at else hour
    await forum.decide(items.schedule, item, later)
    moved = icalendar.Calendar.from_ical(await (await client.get(f"{PATH}/agenda.ics")).read()).walk("VEVENT")[1]
    assert (moved["UID"], str(moved["LOCATION"])) == (due["UID"], "Hall C, Singapore")
    assert moved["SEQUENCE"] > due["SEQUENCE"]
    assert f"{PATH}/agenda.ics" in await read(client, "/debates/calendars")


async def test_a_debate_says_what_became_of_it(
    site: Site, member: MakeMember, theme: MakeTheme, client: Any, sign_in: SignIn
) -> None:
    play = await begin(site, member, theme)
    admin = play.floor.admin
    assert "No event is ahead at the moment." in words(await read(client, "/agenda"))
    await sign_in(client, admin)
    assert 'href="/staff/agendas/new"' in await read(client, "/agenda")
    plan = Plan("Forum", date(2027, 7, 13), date(2027, 7, 15), "Asia/Singapore")
    async with site.database.write() as tx:
        agenda = await agendas.make(tx, admin.actor, await pair(6), plan)
    await play.after(61)
    async with site.database.write() as tx:
        await debates.conclude(tx, play.floor.host.actor, await play.debate(), "We agreed.")
    assert "On the agenda: became item 1, Trams before *cars*" in words(await read(client, play.path))
    assert "On the agenda: became item 1" in words(await read(client, f"{play.path}/results"))
    path = items.path_of(agenda)
    day = f"{play.floor.began.astimezone(ZoneInfo('Europe/Paris')).day} "
    assert f"debate of {day}" in words(await read(client, path))
    assert (await client.get(play_path(agenda), allow_redirects=False)).headers["Location"] == path
    async with site.database.write() as tx:
        await agendas.turn(tx, admin.actor, agenda, "over")
        assert (await board.find(tx, agenda, 1)) is not None
    assert "Past events Forum 13–15 Jul 2027" in words(await read(client, "/agenda")).replace("\u2009", "")
    assert "This event is over." in words(await read(client, path))


def play_path(agenda: Agenda) -> str:
    return f"/g/{agenda.actor.handle}"
