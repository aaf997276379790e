"""Who is cited hears of it: here at once, elsewhere in one message a day; and it is theirs to be named or not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import select

from community import agendas, contributors, items, posts, sources, topics
from community.agenda_models import Contributor, Item, Source
from community.agendas import Plan
from community.jobs import Claimed
from community.members import ensure_host
from community.models import Account, Activity, Actor, Job, Notification, Post
from community.policy import NotThere
from federation.site import Site
from tests import strict
from tests.conftest import MakeMember, MakeTheme, pair

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
NOW = datetime(2027, 3, 18, 9, tzinfo=UTC)
FORUM = Plan("World Smart Cities Forum", date(2027, 7, 13), date(2027, 7, 13), "Asia/Singapore", place="Singapore")


class Table:
    """An agenda, and a topic in which people from elsewhere answer; time stands still until it is moved."""

    def __init__(self, site: Site, anna: Account, ben: Account) -> None:
        self.site, self.anna, self.ben, self.now = site, anna.actor, ben.actor, NOW
        site.database.clock = lambda: self.now

    async def someone(self, name: str = "jo", software: str = "mastodon", kind: str = "person") -> Actor:
        async with self.site.database.write() as tx:
            host = f"{software}.example"
            (await ensure_host(tx, host)).software = software
            uri = f"https://{host}/users/{name}"
            actor = Actor(
                uri=uri, kind=kind, handle=name, host=host, inbox=f"{uri}/inbox", url=uri, created_at=tx.now,
                shared_inbox=f"https://{host}/inbox", fetched_at=tx.now,
            )  # fmt: skip
            tx.add(actor)
        return actor

    async def said(self, by: Actor, words: str, language: str = "") -> Post:
        async with self.site.database.write() as tx:
            by = await tx.get_one(Actor, by.id)
            written = await posts.compose(tx, words, language=language)
            if by.host:
                written = replace(written, uri=f"https://{by.host}/notes/{len(words)}-{words[:3]}")
            return await posts.reply(tx, by, await tx.own(self.opener.topic), written)

    async def cite(self, post: Post, by: Actor | None = None, item: Item | None = None) -> Source:
        async with self.site.database.write() as tx:
            return await sources.cite(tx, by or self.anna, item or self.item, post)

    async def change(self, deed, *arguments) -> None:
        async with self.site.database.write() as tx:
            await deed(tx, *arguments)

    async def appointments(self) -> list[datetime]:
        async with self.site.database.read() as tx:
            return list((await tx.execute(select(Job.run_at).where(Job.kind == "tell-contributor"))).scalars())

    async def work(self) -> None:
        """Do what is due now."""
        async with self.site.database.read() as tx:
            due = select(Job).where(Job.kind == "tell-contributor", Job.run_at <= tx.now)
            held = [Claimed(job.id, job.kind, "", None, job.argument, 1) for job in (await tx.execute(due)).scalars()]
        assert await contributors.tell_contributor(self.site, held) == []

    async def messages(self) -> list[dict]:
        """Everything private that was sent, as others demand it."""
        async with self.site.database.read() as tx:
            held = select(Activity).where(Activity.type == "Create", Activity.direction == "out").order_by(Activity.id)
            found = [json.loads(row.document) for row in (await tx.execute(held)).scalars()]
        return [each for each in found if each["object"]["id"].startswith(f"{self.site.settings.origin}/u/clerk/")]

    async def notes(self, actor: Actor) -> list[tuple[str, str]]:
        async with self.site.database.read() as tx:
            held = select(Notification).where(Notification.account_id == actor.id, Notification.kind == "cited")
            return [(each.path, each.kind) for each in (await tx.execute(held)).scalars()]

    async def states(self, actor: Actor) -> list[tuple[str, bool]]:
        """State, and whether something tells of the author, of all that somebody is cited with."""
        async with self.site.database.read() as tx:
            found = await sources.of_author(tx, actor.id)
            return [(each.state, bool(each.author_id or each.host or each.hash)) for each in reversed(found)]


@pytest.fixture
async def table(site: Site, member: MakeMember, theme: MakeTheme) -> Table:
    admin, water = await member("boss", site_role="admin"), await theme("water")
    table = Table(site, await member("anna"), await member("ben"))
    async with site.database.write() as tx:
        table.agenda = await agendas.make(tx, admin.actor, await pair(6), FORUM)
        table.opener = await topics.open(tx, table.anna, water.actor, await posts.compose(tx, "Why?", title="Rain"))
        table.item = await items.propose(tx, table.anna, table.agenda, "Rain is a *utility*")
        table.other = await items.propose(tx, table.anna, table.agenda, "Roofs of gold")
    return table


async def test_members_hear_at_once_and_of_each_contribution_once(table: Table) -> None:
    post = await table.said(table.ben, "Roofs are cheaper.")
    await table.cite(post)
    await table.cite(post, item=table.other)
    await table.cite(table.opener)  # Anna's own
    assert await table.notes(table.ben) == [("/agenda/wscf_2027/1", "cited")]
    assert await table.notes(table.anna) == []
    await table.change(contributors.opt_out, table.ben.id)
    await table.cite(await table.said(table.ben, "And faster."))
    assert len(await table.notes(table.ben)) == 1
    assert (await table.appointments(), await table.messages()) == ([], [])


async def test_people_elsewhere_get_one_message_a_day(table: Table, client: TestClient) -> None:
    jo = await table.someone()
    first, second = await table.said(jo, "Nous avons mesuré.", "fr"), await table.said(jo, "Twice, in fact.", "en")
    await table.cite(first)
    table.now += timedelta(minutes=5)
    await table.cite(second)
    await table.cite(second, item=table.other)
    await table.work()
    assert (await table.appointments(), await table.messages()) == ([NOW + timedelta(minutes=10)], [])
    table.now = NOW + timedelta(minutes=10)
    await table.work()
    [create] = await table.messages()
    strict.check(create)
    note, origin = create["object"], table.site.settings.origin
    assert (create["to"], create["cc"], note["to"], note["cc"]) == ([jo.uri], [], [jo.uri], [])
    assert note["tag"] == [{"type": "Mention", "href": jo.uri, "name": "@jo@mastodon.example"}]
    assert (list(note["contentMap"]), note["cites"]) == (["fr"], [first.uri, second.uri])
    assert "on cite votre réponse du 18 mars 2027" in note["content"], "in the language of what was said first"
    assert "Rain is a *utility*" in note["content"]
    assert note["content"].count(f"{origin}/agenda/wscf_2027/1<") == 2, "each contribution once"
    assert note["url"].startswith(f"{origin}/citations/")
    assert note["content"].count(note["url"]) == 2  # once as the address, once as the words of the link
    async with table.site.database.read() as tx:
        sent = (await tx.execute(select(Job.argument["inbox"]).where(Job.kind == "deliver"))).scalars().all()
        assert sent == [jo.inbox], "not to the inbox of all"
        assert (await tx.get_one(Contributor, jo.id)).token == note["url"].rpartition("/")[2]
    for uri in (create["id"], note["id"]):
        answer = await client.get(uri.removeprefix(origin), headers={"Accept": "application/activity+json"})
        assert answer.status == 404
        assert note["url"] not in await answer.text()

    # The next day's, of six more: five are named.
    for number in range(6):
        await table.cite(await table.said(jo, f"{'x' * number} More of it."))
    assert await table.appointments() == [NOW + timedelta(days=1, minutes=10)]
    table.now = NOW + timedelta(days=1, minutes=9)
    await table.work()
    assert len(await table.messages()) == 1
    table.now += timedelta(minutes=1)
    await table.work()
    said = (await table.messages())[1]["object"]["content"]
    assert said.count("/agenda/wscf_2027/1<") == contributors.LISTED_MAX
    assert "1 contributions besides" in said


async def test_nothing_is_said_to_those_who_do_not_want_it_or_are_not_there(table: Table) -> None:
    jo, kim, lee = [await table.someone(name) for name in ("jo", "kim", "lee")]
    robot, far = await table.someone("robot", kind="service"), await table.someone("mo", "gone")
    chat = await table.someone("max", "lemmy")
    for person in (jo, kim, lee, robot, chat):
        await table.cite(await table.said(person, f"{person.handle} was there."))
    post = await table.said(far, "So was I.")
    async with table.site.database.write() as tx:
        (await ensure_host(tx, "gone.example")).state = "blocked"
    await table.cite(post)
    assert len(await table.appointments()) == 4, "neither the robot's nor that of a blocked server"
    async with table.site.database.write() as tx:
        await contributors.opt_out(tx, jo.id)
        (await tx.get_one(Actor, kim.id)).state = "gone"
        found = (await tx.execute(select(Post).where(Post.author_id == lee.id))).scalar_one()
        await posts.erase(tx, await tx.get_one(Actor, lee.id), found)
    table.now += timedelta(minutes=11)
    await table.work()
    [create] = await table.messages()
    assert (create["to"], create["object"]["type"]) == ([chat.uri], "ChatMessage")
    # Once more, after a while: what was cited meanwhile is on the page.
    await table.change(contributors.opt_in, jo.id)
    await table.cite(await table.said(jo, "One more."))
    table.now += timedelta(minutes=11)
    await table.work()
    assert [len(each["object"]["cites"]) for each in await table.messages()] == [1, 1]


async def test_a_name_goes_comes_back_and_stays_away(table: Table) -> None:
    jo = await table.someone()
    one, two = await table.said(jo, "We measured."), await table.said(jo, "It was wet.")
    for post in (one, two):
        await table.cite(post)
    await table.cite(one, item=table.other)
    await table.change(contributors.set_named, jo.id, one.id, False)
    assert await table.states(jo) == [("anonymous", False), ("cited", True), ("anonymous", False)]
    async with table.site.database.write() as tx:
        third = await items.propose(tx, table.anna, table.agenda, "Measuring", about=one)
    assert (await table.states(jo))[3] == ("anonymous", False), "of what they do not want to be named with"
    with pytest.raises(NotThere):
        await table.change(contributors.set_named, table.ben.id, one.id, True)
    async with table.site.database.write() as tx:
        before = {each.id: each.hash for each in await sources.of_author(tx, jo.id)}
    table.now += timedelta(minutes=1)
    async with table.site.database.write() as tx:
        written = await posts.compose(tx, "We guessed.")
        await posts.edit(tx, await tx.get_one(Actor, jo.id), await tx.get_one(Post, one.id), written)

    await table.change(contributors.object_to_all, jo.id)
    await table.cite(await table.said(jo, "Later, too."))
    assert await table.states(jo) == [("anonymous", False)] * 5
    table.now += timedelta(minutes=11)
    await table.work()
    assert await table.messages() == [], "nobody is asked to look at what bears no name"
    await table.change(contributors.withdraw_objection, jo.id)
    assert await table.states(jo) == [("cited", True)] * 5
    async with table.site.database.read() as tx:
        held = {each.id: each for each in await sources.of_author(tx, jo.id)}
        edited = [each for each in held.values() if each.post_id == one.id]
        assert all(each.edited_at is not None and each.hash != sources.hash_of(each.post) for each in edited)
        assert len({each.hash for each in edited}) == 1, "of the words as they were cited"
        [same] = [each for each in held.values() if each.post_id == two.id]
        assert (same.hash, same.edited_at) == (before[same.id], None)
        assert {each.item.number for each in edited} == {1, 2, third.number}
