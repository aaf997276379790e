"""What other servers see of an agenda: its group, its items with what is behind them, the list, the Article."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import event, insert, select

from community import agenda_article, agendas, clerk, groups, items, jobs, posts, reactions, sources, topics
from community.agenda_models import Agenda, Item, Source
from community.agendas import Plan
from community.items import Hour
from community.models import Account, Actor, Job, Post, Topic
from community.policy import Refused
from federation.site import Site
from tests import strict
from tests.conftest import MakeMember, MakeTheme, pair
from tests.outbox.test_debates import NOW, House, boosts_by

AP = {"Accept": "application/activity+json"}
PLAN = Plan(
    "World Smart Cities Forum", date(2027, 7, 13), date(2027, 7, 14), "Asia/Singapore", place="Singapore",
    link="https://forum.example/2027",
)  # fmt: skip
NINE = datetime(2027, 7, 13, 1, tzinfo=UTC)
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


class Hall(House):
    """An instance with a theme and an agenda; ``now`` is its clock."""

    agenda: Agenda
    member: Actor

    async def read(self, client: TestClient[Any, Any], uri: str) -> dict[str, Any]:
        answer = await client.get(uri.removeprefix(self.site.settings.origin), headers=AP)
        assert answer.status == 200, uri
        document: dict[str, Any] = await answer.json(content_type=None)
        strict.check(document)
        assert document["id"] == uri
        return document

    async def say(self, author: Actor, text: str) -> Post:
        async with self.site.database.write() as tx:
            return await topics.open(tx, author, self.theme, await posts.compose(tx, text, title=text[:40]))

    async def propose(self, title: str, *cited: Post, summary: str = "") -> Item:
        async with self.site.database.write() as tx:
            item = await items.propose(tx, self.member, self.agenda, title, summary, about=cited[0] if cited else None)
            for post in cited[1:]:
                await sources.cite(tx, self.member, item, post)
            return item

    async def tell(self) -> list[Post]:
        """Have the Article written if its time has come; the Articles that stand."""
        async with self.site.database.read() as tx:
            rows = await tx.execute(select(Job).where(Job.kind == "tell-agenda", Job.run_at <= self.now))
            due = [jobs.Claimed(row.id, row.kind, "", None, row.argument, 1) for row in rows.scalars()]
        if due:
            await agenda_article.tell(self.site, due)
        async with self.site.database.read() as tx:
            query = select(Post).where(Post.part == "agenda", Post.deleted_at.is_(None))
            return list((await tx.execute(query)).scalars())


@pytest.fixture
async def hall(site: Site, member: MakeMember, theme: MakeTheme) -> Hall:
    admin: Account = await member("clara", site_role="admin")
    made = Hall(site, admin, await theme("mobility"))
    made.member = (await member("anna")).actor
    async with site.database.write() as tx:
        made.agenda = await agendas.make(tx, admin.actor, await pair(6), PLAN)
    return made


def of_type(sent: Sequence[dict[str, Any]], kind: str, uri: str) -> list[dict[str, Any]]:
    """The objects of Creates or Updates of something."""
    return [
        each["object"]
        for each in sent
        if each["type"] == kind and isinstance(each["object"], dict) and each["object"].get("id") == uri
    ]


async def test_an_agenda_is_a_group_that_tells_of_its_event_and_takes_no_topics(
    hall: Hall, client: TestClient[Any, Any]
) -> None:
    group, follower = hall.agenda.actor, await hall.someone("mastodon", hall.agenda.actor)
    document = await hall.read(client, group.uri)
    said = {
        "name": "World Smart Cities Forum", "startTime": "2027-07-13", "endTime": "2027-07-14",
        "timezone": "Asia/Singapore", "location": {"type": "Place", "name": "Singapore"},
        "url": "https://forum.example/2027", "state": "open", "sequence": 0,
    }  # fmt: skip
    assert (document["event"], document["agenda"]) == (said, f"{group.uri}/agenda")
    assert "upcomingEvents" not in document
    assert "event" not in await hall.read(client, hall.theme.uri)
    page = await client.get(f"/g/{group.handle}", headers={"Accept": "text/html"}, allow_redirects=False)
    assert (page.status, page.headers["Location"]) == (302, f"/agenda/{group.handle}")

    await hall.sent()
    async with hall.site.database.write() as tx:
        await agendas.turn(tx, hall.admin, hall.agenda, "closed")
    [told] = of_type((await hall.sent())["mastodon"], "Update", group.uri)
    assert told["event"] == said | {"state": "closed"}
    async with hall.site.database.write() as tx:
        with pytest.raises(Refused, match="agenda-takes-proposals"):
            await topics.open(tx, follower, group, await posts.compose(tx, "I want that.", title="Trams"))
    for path in ("/g/mobility/agenda", f"/g/{group.handle}/agenda?page=2", f"/g/{group.handle}/agenda?page=x"):
        assert (await client.get(path, headers=AP)).status == 404


async def test_items_say_where_they_come_from_and_what_became_of_them(hall: Hall, client: TestClient[Any, Any]) -> None:
    for software in ("mastodon", "nodebb"):
        await hall.someone(software, hall.agenda.actor)
    rosa = await hall.someone("gotosocial", hall.theme)
    first, second = await hall.say(hall.member, "Trams at night?"), await hall.say(rosa, "Buses would do.")
    trams = await hall.propose("Trams at night", first, second, summary="After one o'clock.")
    buses = await hall.propose("Night buses", second)
    boats = await hall.propose("Boats")
    uris = {}
    async with hall.site.database.read() as tx:
        for item in (trams, buses, boats):
            uris[item.number] = (await tx.get_one(Post, item.post_id)).uri
    sent = await hall.sent()
    assert boosts_by(sent["mastodon"], hall.agenda.actor) == list(uris.values())
    [wrapped] = [
        each["object"]["object"] for each in sent["nodebb"]
        if each["type"] == "Announce" and isinstance(each["object"], dict)
        and each["object"]["object"]["id"] == uris[trams.number]
    ]  # fmt: skip
    # Somebody is put behind an item once it is posted: nobody is sent that, it stands at the address.
    assert (wrapped["agendaItem"]["number"], wrapped["derivedFrom"]) == (1, [first.uri])
    # Moderators keep order there as in any theme, and the clerk writes on in what they closed.
    async with hall.site.database.write() as tx:
        topic = await tx.get_one(Topic, trams.topic_id)
        await topics.close(tx, hall.admin, topic, is_on=True, reason="Enough.")
        await topics.pin(tx, hall.admin, topic, is_on=True)
    kept = [each["object"] for each in (await hall.sent())["nodebb"]]
    assert [(each["type"], each["object"]) for each in kept] == [("Lock", uris[1]), ("Add", uris[1])]
    note = await hall.read(client, uris[1])
    assert note["agendaItem"] == {
        "agenda": f"{hall.agenda.actor.uri}/agenda", "number": 1, "state": "proposed", "summary": "After one o'clock.",
    }  # fmt: skip
    assert (note["derivedFrom"], note["title"]) == ([first.uri, second.uri], "Trams at night")
    assert strict.shown_by_microblog(note)["body_visible"]

    # Likes from here and from elsewhere; two people of whom one likes both of what is merged count once each.
    async with hall.site.database.write() as tx:
        for actor, number in ((rosa, 1), (hall.member, 1), (rosa, 2)):
            post = await tx.by_uri(Post, uris[number])
            assert post is not None
            await reactions.like(tx, actor, post, uri=f"{rosa.uri}/likes/{number}" if actor is rosa else "")
    hall.now += timedelta(hours=1)
    async with hall.site.database.write() as tx:
        await items.merge(tx, hall.admin, buses, trams)
        hour = Hour(starts_at=NINE, ends_at=NINE + timedelta(hours=1), room="Hall 2")
        await items.schedule(tx, hall.admin, trams, hour)
        await items.decline(tx, hall.admin, boats, "No water there.")
        held = list((await tx.execute(select(Source.id).where(Source.item_id == trams.id))).scalars())
        parted = await items.split(tx, hall.admin, trams, "Fares at night", "", held)
        uris[parted.number] = (await tx.get_one(Post, parted.post_id)).uri
    sent = await hall.sent()
    last = of_type(sent["mastodon"], "Update", uris[1])[-1]
    assert last["agendaItem"] | {"agenda": ""} == {
        "agenda": "", "number": 1, "state": "scheduled", "summary": "After one o'clock.", "timezone": "Asia/Singapore",
        "startTime": "2027-07-13T01:00:00Z", "endTime": "2027-07-13T02:00:00Z",
        "location": {"type": "Place", "name": "Hall 2, Singapore"},
    }  # fmt: skip
    assert last["mergedFrom"] == [uris[2]]
    [declined] = of_type(sent["mastodon"], "Update", uris[3])
    assert (declined["agendaItem"]["state"], declined["agendaItem"]["reason"]) == ("declined", "No water there.")
    [merged] = of_type(sent["mastodon"], "Update", uris[2])
    assert (merged["mergedInto"], merged["derivedFrom"]) == (uris[1], [second.uri])

    listing = await hall.read(client, f"{hall.agenda.actor.uri}/agenda")
    assert (listing["totalItems"], listing["attributedTo"]) == (2, hall.agenda.actor.uri)
    shown = {each["agendaItem"]["number"]: each for each in listing["first"]["orderedItems"]}
    assert list(shown) == [1, 4]
    assert shown[1]["support"] == {"here": 1, "elsewhere": 1}
    assert (shown[1]["startTime"], shown[1]["derivedFrom"]) == ("2027-07-13T01:00:00Z", [first.uri, second.uri])
    assert (shown[4]["splitFrom"], shown[4]["derivedFrom"]) == (uris[1], [first.uri, second.uri])
    for entry in shown.values():
        whole = await hall.read(client, entry["id"])
        for term in ("agendaItem", "derivedFrom", "context", "attributedTo", "title"):
            assert whole[term] == entry[term]

    # Who objects, or deletes, is in none of it any more, and nobody is sent anything for that.
    async with hall.site.database.write() as tx:
        await sources.forget(tx, rosa.id)
    for uri in (uris[1], uris[2], uris[4], f"{hall.agenda.actor.uri}/agenda"):
        answer = await client.get(uri.removeprefix(hall.site.settings.origin), headers=AP)
        assert second.uri not in await answer.text()
    async with hall.site.database.write() as tx:
        await posts.erase(tx, hall.member, first)
    assert (await hall.read(client, uris[1]))["derivedFrom"] == []
    assert not [each for uri in uris.values() for each in of_type((await hall.sent())["mastodon"], "Update", uri)]


async def test_the_article_tells_at_milestones_and_the_themes_boost_it_once(
    hall: Hall, client: TestClient[Any, Any]
) -> None:
    for software, group in (("mastodon", hall.agenda.actor), ("gotosocial", hall.theme), ("lemmy", hall.theme)):
        await hall.someone(software, group)
    said = await hall.say(hall.member, "Trams at night?")
    # Words that mean nothing in Markdown or to the clerk's sentences.
    trams, buses = await hall.propose("Trams *at night* {now} @clara [x](y)", said), await hall.propose("Buses")
    hall.now = NOW + timedelta(hours=1)
    assert await hall.tell() == []  # nobody chose anything yet
    await hall.sent()
    async with hall.site.database.write() as tx:
        await items.shortlist(tx, hall.admin, trams)
        await items.decline(tx, hall.admin, buses, "Enough of them.")
    hall.now += timedelta(minutes=9)
    assert await hall.tell() == []
    hall.now += timedelta(minutes=1)
    [article] = await hall.tell()
    sent = await hall.sent()
    assert boosts_by(sent["mastodon"], hall.agenda.actor) == [article.uri]
    assert boosts_by(sent["gotosocial"], hall.theme) == [article.uri]
    assert boosts_by(sent["lemmy"], hall.theme) == []
    document = await hall.read(client, article.uri)
    assert (document["type"], document["name"]) == ("Article", "The agenda of World Smart Cities Forum")
    when = clerk.days(PLAN.opens_on, PLAN.closes_on, "en")
    assert document["summary"] == f"{when}. Proposed: 2 · shortlisted: 1 · scheduled: 0"
    path = f"{hall.site.settings.origin}/agenda/{hall.agenda.actor.handle}"
    for words in ("On the shortlist", f'href="{path}/1"', "Trams *at night* {now} @clara [x](y)</a> · support: 0",
                  "contributions behind it: 1 (people: 1, servers: 1)", f'href="{path}"'):  # fmt: skip
        assert words in document["content"].replace("&#64;", "@")
    assert [tag["href"] for tag in document["tag"]] == [hall.agenda.actor.uri]
    [pinned] = (await hall.read(client, f"{hall.agenda.actor.uri}/featured"))["orderedItems"]
    assert pinned["id"] == article.uri

    # Several changes, one Update. What is only said or supported sends none.
    async with hall.site.database.write() as tx:
        held = await tx.get_one(Item, trams.id)
        await items.schedule(tx, hall.admin, held, Hour(starts_at=NINE, ends_at=NINE + timedelta(minutes=50)))
        await agendas.turn(tx, hall.admin, hall.agenda, "closed")
        await agendas.edit(tx, hall.admin, hall.agenda, replace(PLAN, place="Marina Bay"))
    hall.now += timedelta(minutes=10)
    await hall.tell()
    [told] = of_type((await hall.sent())["mastodon"], "Update", article.uri)
    for words in ("Marina Bay", "<strong>09:00–09:50</strong>", "13 July 2027</h3>", "No more is proposed"):
        assert words in told["content"]
    async with hall.site.database.write() as tx:
        await agendas.edit(tx, hall.admin, hall.agenda, replace(PLAN, place="Marina Bay", text="Come."))
    hall.now += timedelta(minutes=10)
    assert await hall.tell() != []
    assert of_type((await hall.sent())["mastodon"], "Update", article.uri) == []

    # Removed, it comes back at the next milestone, and the themes do not boost it again.
    async with hall.site.database.write() as tx:
        held_post = await tx.get_one(Post, article.id)
        await posts.erase(tx, hall.admin, held_post, reason="wrong")
    withdrawn = [each["object"]["object"] for each in (await hall.sent())["gotosocial"] if each["type"] == "Undo"]
    assert withdrawn == [article.uri]
    async with hall.site.database.write() as tx:
        await items.shortlist(tx, hall.admin, await tx.get_one(Item, trams.id))
    hall.now += timedelta(minutes=10)
    [again] = await hall.tell()
    assert again.uri != article.uri
    sent = await hall.sent()
    assert (boosts_by(sent["mastodon"], hall.agenda.actor), boosts_by(sent["gotosocial"], hall.theme)) == (
        [again.uri], []
    )  # fmt: skip


async def test_five_hundred_items_with_five_thousand_sources_are_paged_with_few_questions(
    hall: Hall, client: TestClient[Any, Any]
) -> None:
    """Also, however much there is, the Article stays below what Misskey takes."""
    now, count = hall.now, 500
    async with hall.site.database.write() as tx:
        house = await groups.clerk(tx)
        theme_topic = Topic(
            group_id=hall.theme.id, author_id=hall.member.id, title="Said", title_is_generated=False, last_number=0,
            reply_count=0, created_at=now, last_post_at=now, context_uri="https://moot.example/t/1/context",
        )  # fmt: skip
        tx.add(theme_topic)
        await tx.flush()

        def post(id_: int, topic_id: int, author: Actor, number: int, part: str = "") -> dict[str, Any]:
            return {
                "id": id_, "topic_id": topic_id, "author_id": author.id, "number": number, "part": part,
                "uri": f"{tx.settings.origin}/p/{id_}", "url": "", "kind": "Note", "warning": "", "source": "",
                "html": "<p>So.</p>", "abstract": "", "language": "en", "quote_uri": "", "position": "",
                "acceptance": "", "like_count_here": 0, "like_count_elsewhere": 0, "dislike_count": 0,
                "hidden_reason": "", "created_at": now, "deleted_reason": "",
            }  # fmt: skip

        await tx.execute(insert(Post), [post(10_000 + i, theme_topic.id, hall.member, i) for i in range(1, 5001)])
        await tx.execute(insert(Topic), [
            {"id": 1000 + i, "group_id": hall.agenda.actor_id, "author_id": house.id, "title": f"Item {i}",
             "title_is_generated": False, "last_number": 1, "reply_count": 0, "created_at": now, "last_post_at": now,
             "context_uri": f"{tx.settings.origin}/t/{1000 + i}/context"}
            for i in range(1, count + 1)
        ])  # fmt: skip
        await tx.execute(insert(Post), [post(1000 + i, 1000 + i, house, 1, "item") for i in range(1, count + 1)])
        await tx.execute(insert(Item), [
            {"id": i, "agenda_id": hall.agenda.actor_id, "number": i, "title": f"Räume {i} " + "ü" * 135, "summary": "",
             "state": "scheduled" if i <= 100 else "shortlisted" if i <= 200 else "proposed", "reason": "", "place": 0,
             "starts_at": NINE if i <= 100 else None, "room": "", "proposer_id": hall.member.id, "topic_id": 1000 + i,
             "post_id": 1000 + i, "created_at": now, "changed_at": now}
            for i in range(1, count + 1)
        ])  # fmt: skip
        await tx.execute(insert(Source), [
            {"item_id": 1 + (i - 1) % count, "post_id": 10_000 + i, "kind": "post", "author_id": hall.member.id,
             "host": "", "said_at": now, "hash": "", "excerpt": "So.", "state": "cited", "by_id": hall.member.id,
             "cited_at": now}
            for i in range(1, 5001)
        ])  # fmt: skip
        (await tx.lock(Agenda, hall.agenda.actor_id)).last_number = count
    asked = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    uri = f"{hall.agenda.actor.uri}/agenda"
    engine = hall.site.database._reader.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    listing = await hall.read(client, uri)
    event.remove(engine, "before_cursor_execute", note)
    assert 5 < len(asked) < 20
    assert (listing["totalItems"], len(listing["first"]["orderedItems"])) == (500, 50)
    numbers, page = [], listing["first"]
    while page:
        numbers += [each["agendaItem"]["number"] for each in page["orderedItems"]]
        assert {len(each["derivedFrom"]) for each in page["orderedItems"]} == {10}
        page = await hall.read(client, page["next"]) if "next" in page else None
    assert numbers == list(range(1, 501))

    async with hall.site.database.write() as tx:
        article = await agenda_article.write(tx, await tx.lock(Agenda, hall.agenda.actor_id))
    assert article is not None
    document = await hall.read(client, article.uri)
    assert "And 90 more" in document["content"]
