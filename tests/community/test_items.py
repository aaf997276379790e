"""The agenda's items: what members put on it, what stands behind each, what staff decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from community import agendas, board, debates, items, posts, proposals, reactions, sources, topics
from community.agenda_models import Agenda, Item, Source
from community.agendas import Plan, Slot
from community.debate_models import Debate
from community.items import Hour
from community.members import Invalid
from community.models import Account, Actor, LogEntry, Post, Topic
from community.policy import Refused
from community.sources import Citation
from federation.site import Site
from tests.community.floors import make_floor
from tests.conftest import MakeMember, MakeTheme, pair

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
FORUM = Plan("World Smart Cities Forum", date(2027, 7, 13), date(2027, 7, 13), "Asia/Singapore", place="Singapore")


@dataclass
class Table:
    """An agenda, who decides on it, a member, and a topic with a reply of somebody else's."""

    site: Site
    agenda: Agenda
    admin: Account
    anna: Account
    ben: Account
    opener: Post
    reply: Post

    async def item(self, title: str = "Rain is a utility", about: Post | None = None) -> Item:
        async with self.site.database.write() as tx:
            return await items.propose(tx, self.anna.actor, self.agenda, title, "In short.", about=about)

    async def now(self, item: Item) -> Item:
        async with self.site.database.read() as tx:
            return await tx.get_one(Item, item.id)

    async def text(self, item: Item) -> str:
        async with self.site.database.read() as tx:
            return (await tx.get_one(Post, item.post_id)).html

    async def behind(self, item: Item) -> list[Citation]:
        async with self.site.database.read() as tx:
            return (await sources.behind(tx, [item.id])).get(item.id, [])

    async def cite(self, item: Item, post: Post) -> Source:
        async with self.site.database.write() as tx:
            return await sources.cite(tx, self.anna.actor, item, post)


@pytest.fixture
async def table(site: Site, member: MakeMember, theme: MakeTheme) -> Table:
    admin, anna, ben = await member("boss", site_role="admin"), await member("anna"), await member("ben")
    water = await theme("water")
    async with site.database.write() as tx:
        agenda = await agendas.make(tx, admin.actor, await pair(6), FORUM)
        opener = await topics.open(tx, anna.actor, water.actor, await posts.compose(tx, "Why pipes?", title="Rain"))
        reply = await posts.reply(tx, ben.actor, opener.topic, await posts.compose(tx, "Roofs are cheaper."))
    return Table(site, agenda, admin, anna, ben, opener, reply)


async def test_a_member_puts_what_was_said_on_the_agenda(table: Table) -> None:
    item = await table.item(about=table.reply)
    assert (item.number, item.state, table.agenda.actor.handle) == (1, "proposed", "wscf_2027")
    [citation] = await table.behind(item)
    assert (citation.source.kind, citation.excerpt) == ("post", "Roofs are cheaper.")
    assert citation.author is not None
    assert citation.author.handle == "ben"
    assert len(citation.source.hash) == 64
    said = await table.text(item)
    assert "In short." in said
    assert "Favourite this post" in said
    assert "/agenda/wscf_2027/1" in said
    await table.cite(item, table.reply)
    await table.cite(item, table.opener)
    assert [each.source.kind for each in await table.behind(item)] == ["post", "topic"]
    async with table.site.database.read() as tx:
        [entry] = await board.listed(tx, await tx.get_one(Agenda, table.agenda.actor_id))
        assert (entry.source_count, entry.support.all, entry.reply_count) == (2, 0, 0)
        marks = await sources.marks(tx, [table.reply.id])
        assert [mark.item.number for mark in marks[table.reply.id]] == [1]
        own = await agendas.progress(tx, table.agenda, theme_id=table.opener.topic.group_id)
        assert own == {"proposed": 1}


async def test_edits_show_and_deletions_leave_a_stub(table: Table) -> None:
    item = await table.item(about=table.reply)
    async with table.site.database.write() as tx:
        reply = await tx.get_one(Post, table.reply.id)
        await posts.edit(tx, table.ben.actor, reply, await posts.compose(tx, "Roofs are dearer."))
    [citation] = await table.behind(item)
    assert citation.source.edited_at is not None
    assert citation.excerpt == "Roofs are cheaper."
    async with table.site.database.write() as tx:
        await posts.erase(tx, table.ben.actor, await tx.get_one(Post, table.reply.id))
    [citation] = await table.behind(item)
    assert (citation.state, citation.excerpt, citation.author, citation.post) == ("redacted", "", None, None)
    held = citation.source
    assert (held.author_id, held.host, held.hash, held.excerpt) == (None, "", "", "")


async def test_who_objects_is_anonymous_and_so_is_what_is_cited_later(table: Table) -> None:
    item = await table.item(about=table.reply)
    async with table.site.database.write() as tx:
        assert await sources.forget(tx, table.ben.actor_id) == 1
    [citation] = await table.behind(item)
    assert (citation.state, citation.excerpt, citation.author, citation.post) == (
        "anonymous", "Roofs are cheaper.", None, None,
    )  # fmt: skip
    async with table.site.database.read() as tx:
        assert not await sources.marks(tx, [table.reply.id])


async def test_merging_and_splitting_keep_the_lineage(table: Table) -> None:
    first, second = await table.item("Rain", table.opener), await table.item("Roofs", table.reply)
    async with table.site.database.write() as tx:
        for item in (first, second):
            await reactions.like(tx, table.ben.actor, await tx.get_one(Post, item.post_id))
        await items.merge(tx, table.admin.actor, second, first, reason="The same.")
    assert (await table.now(second)).state == "merged"
    assert "item 1 of the agenda" in await table.text(second)
    assert [each.source.post_id for each in await table.behind(first)] == [table.opener.id, table.reply.id]
    async with table.site.database.read() as tx:
        assert (await board.support(tx, table.agenda))[first.id].here == 1
        [entry] = await board.listed(tx, table.agenda)
        assert entry.merged == [2]
        chosen = next(each for each in (await sources.behind(tx, [first.id]))[first.id] if each.source.via_id)
    async with table.site.database.write() as tx:
        with pytest.raises(Invalid):
            await items.split(tx, table.admin.actor, first, "Half of it", "", [])
        made = await items.split(tx, table.admin.actor, first, "Half of it", "", [chosen.source.id, 9999])
    assert (made.number, [each.source.post_id for each in await table.behind(made)]) == (3, [table.reply.id])
    async with table.site.database.read() as tx:
        lineage = await board.lineage(tx, first)
        assert [item.number for item in lineage.merged] == [2]
        assert [item.number for item in lineage.split] == [3]
        assert [entry.action for entry in await board.history(tx, first)] == ["split-item", "merge-item"]
    async with table.site.database.write() as tx:
        await items.reopen(tx, table.admin.actor, second, reason="Not the same after all.")
    assert (await table.now(second)).state == "proposed"
    assert [each.source.post_id for each in await table.behind(first)] == [table.opener.id]


async def test_a_chain_of_mergers_comes_apart_again(table: Table) -> None:
    first, second = await table.item("Rain", table.opener), await table.item("Roofs", table.reply)
    third = await table.item("Water")
    for item, into in ((first, second), (second, third)):
        async with table.site.database.write() as tx:
            await items.merge(tx, table.admin.actor, item, into)
    assert {each.source.via_id for each in await table.behind(third)} == {first.id, second.id}
    assert (await table.now(first)).merged_into_id == third.id
    for item, left in ((second, [table.opener.id]), (first, [])):
        async with table.site.database.write() as tx:
            await items.reopen(tx, table.admin.actor, item)
        assert [each.source.post_id for each in await table.behind(third)] == left


async def test_staff_decides_with_reasons(table: Table) -> None:
    item = await table.item()
    nine = datetime(2027, 7, 13, 1, 0, tzinfo=UTC)  # nine o'clock in Singapore
    async with table.site.database.write() as tx:
        with pytest.raises(Refused, match="editors-only"):
            await items.shortlist(tx, table.anna.actor, item)
    async with table.site.database.write() as tx:
        await items.shortlist(tx, table.admin.actor, item, reason="Much asked for.")
        session = await agendas.add_session(
            tx, table.admin.actor, table.agenda, Slot("Morning", nine, nine + timedelta(hours=3), "Hall A")
        )
        with pytest.raises(Invalid):
            await items.schedule(tx, table.admin.actor, item, Hour(session, nine + timedelta(hours=4)))
        await items.schedule(tx, table.admin.actor, item, Hour(session, nine + timedelta(minutes=75)))
    held = await table.now(item)
    assert (held.state, held.room, held.session_id) == ("scheduled", "Hall A", session.id)
    assert "10:15" in await table.text(item)
    assert "Hall A" in await table.text(item)
    async with table.site.database.write() as tx:
        with pytest.raises(Refused, match="session-has-items"):
            await agendas.drop_session(tx, table.admin.actor, table.agenda, session)
        with pytest.raises(Invalid):
            await items.decline(tx, table.admin.actor, item, " ")
        await items.decline(tx, table.admin.actor, item, "Belongs to [another](https://x.example) forum.")
    assert "Belongs to [another]" in await table.text(item)
    with pytest.raises(Refused, match="item-is-closed"):
        await table.cite(item, table.reply)
    async with table.site.database.read() as tx:
        said = [(entry.action, entry.reason[:4]) for entry in await board.history(tx, item)]
    assert said == [("decline-item", "Belo"), ("schedule-item", ""), ("shortlist-item", "Much")]


async def test_what_is_refused(table: Table, member: MakeMember) -> None:
    item = await table.item()
    held = await member("held", state="suspended")
    async with table.site.database.write() as tx:
        for who in (held.actor,):
            with pytest.raises(Refused):
                await items.propose(tx, who, table.agenda, "No", "")
        with pytest.raises(Invalid):
            await items.propose(tx, table.anna.actor, table.agenda, "No", "x" * 501)
        with pytest.raises(Refused, match="agenda-takes-proposals"):
            await topics.open(tx, table.anna.actor, table.agenda.actor, await posts.compose(tx, "Hello", title="Hello"))
        with pytest.raises(Refused, match="nothing-to-cite"):
            await sources.cite(tx, table.anna.actor, item, await tx.get_one(Post, item.post_id))
        await agendas.turn(tx, table.admin.actor, table.agenda, "closed")
    async with table.site.database.write() as tx:
        with pytest.raises(Refused, match="agenda-is-closed"):
            await items.propose(tx, table.anna.actor, table.agenda, "Too late", "")
        await items.propose(tx, table.admin.actor, table.agenda, "Never too late", "")
    for number in range(items.PROPOSALS_A_DAY - 1):
        async with table.site.database.write() as tx:
            await agendas.turn(tx, table.admin.actor, table.agenda, "open")
            await items.propose(tx, table.anna.actor, table.agenda, f"Item {number}", "")
    with pytest.raises(Refused, match="proposals-enough"):
        await table.item("One more")


async def test_a_conclusion_proposes_its_items(table: Table, member: MakeMember, theme: MakeTheme) -> None:
    assert proposals  # listens once it is imported
    floor = await make_floor(table.site, member, theme, "live")
    async with floor.site.database.read() as tx:
        stub = await debates.part_of(tx, floor.debate, "stub", "for")
    argument = await floor.say(table.anna.actor, "It pays for itself.", stub)
    await floor.at("closed")
    async with floor.site.database.write() as tx:
        debate = await tx.get_one(Debate, floor.debate.actor_id)
        await debates.conclude(tx, floor.host.actor, debate, "Both were right.")
    async with floor.site.database.read() as tx:
        [entry] = await board.listed(tx, table.agenda)
        cited = (await sources.behind(tx, [entry.item.id]))[entry.item.id]
        opener = await posts.opener(tx, await tx.get_one(Topic, floor.debate.topic_id))
    assert opener is not None
    assert entry.item.title == floor.debate.motion
    found = {(each.source.kind, each.source.post_id) for each in cited}
    assert found == {("debate", opener.id), ("argument", argument.id)}
    async with floor.site.database.write() as tx:
        debate = await tx.get_one(Debate, floor.debate.actor_id)
        await debates.conclude(tx, floor.host.actor, debate, "Both were wrong.")
    async with floor.site.database.read() as tx:
        assert len(await board.listed(tx, table.agenda)) == 1
        assert (await tx.get_one(Actor, entry.item.proposer_id)).kind == "service"


async def test_what_an_agenda_has_room_for(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    item = await table.item(about=table.opener)
    monkeypatch.setattr(sources, "SOURCES_MAX", 1)
    assert (await table.cite(item, table.opener)).post_id == table.opener.id  # what is there already needs no room
    with pytest.raises(Refused, match="item-has-enough-sources"):
        await table.cite(item, table.reply)
    monkeypatch.setattr(items, "ITEMS_MAX", 1)
    with pytest.raises(Refused, match="agenda-is-full"):
        await table.item("One more")
    async with table.site.database.write() as tx:
        [citation] = (await sources.behind(tx, [item.id]))[item.id]
        with pytest.raises(Refused, match="agenda-is-full"):
            await items.split(tx, table.admin.actor, item, "Half of it", "", [citation.source.id])
    nine = datetime(2027, 7, 13, 1, 0, tzinfo=UTC)
    hour = timedelta(hours=1)
    async with table.site.database.write() as tx:
        for slot, wrong in (
            (Slot("", nine, nine + hour), {"name"}),
            (Slot("Morning", nine, nine), {"closes_at"}),
            (Slot("Morning", nine - 10 * hour, nine), {"opens_at"}),  # the evening before, in Singapore
            (Slot("Morning", nine, nine + 24 * hour), {"opens_at"}),
            (Slot("Morning", nine, nine + hour, "x" * 101), {"room"}),
        ):
            with pytest.raises(Invalid) as refused:
                await agendas.add_session(tx, table.admin.actor, table.agenda, slot)
            assert set(refused.value.fields) == wrong
        for plan, wrong in (
            (replace(FORUM, name=" W "), {"name"}),
            (replace(FORUM, closes_on=date(2027, 7, 12)), {"closes_on"}),
            (replace(FORUM, closes_on=date(2027, 8, 13)), {"closes_on"}),
            (replace(FORUM, link="javascript:alert(1)", map_link="ftp://x"), {"link", "map_link"}),
            (replace(FORUM, zone="Moon", language="tlh", place="x" * 201), {"zone", "language", "place"}),
        ):
            with pytest.raises(Invalid) as refused:
                await agendas.make(tx, table.admin.actor, await pair(5), plan, handle="other")
            assert set(refused.value.fields) == wrong
        monkeypatch.setattr(agendas, "SESSIONS_MAX", 1)
        await agendas.add_session(tx, table.admin.actor, table.agenda, Slot("Morning", nine, nine + hour))
        with pytest.raises(Refused, match="too-many-sessions"):
            await agendas.add_session(tx, table.admin.actor, table.agenda, Slot("Noon", nine + hour, nine + 2 * hour))


async def test_an_order_that_staff_gave_and_sources_that_it_took_out(table: Table) -> None:
    first, second, third = [await table.item(title, table.opener) for title in ("First", "Second", "Third")]
    async with table.site.database.write() as tx:
        await reactions.like(tx, table.ben.actor, await tx.get_one(Post, second.post_id))
        await items.put(tx, table.admin.actor, third, 1)

    async def order() -> list[int]:
        async with table.site.database.read() as tx:
            return [entry.item.number for entry in await board.listed(tx, table.agenda)]

    assert await order() == [3, 2, 1]
    async with table.site.database.write() as tx:
        await items.put(tx, table.admin.actor, third, 0)
    assert await order() == [2, 1, 3]
    [citation] = await table.behind(first)
    async with table.site.database.write() as tx:
        with pytest.raises(Refused, match="editors-only"):
            await sources.take_out(tx, table.anna.actor, citation.source, "Mine.")
        await sources.take_out(tx, table.admin.actor, citation.source, "Of another river.")
        await sources.take_out(tx, table.admin.actor, citation.source, "Twice.")  # is gone, and said once
    assert not await table.behind(first)
    assert len(await table.behind(second)) == 1
    async with table.site.database.read() as tx:
        logged = select(LogEntry.reason).where(LogEntry.action == "take-out-source")
        assert list((await tx.execute(logged)).scalars()) == ["Of another river."]


async def test_what_cannot_be_merged_and_what_follows_into_a_third(table: Table) -> None:
    first, second, third = [await table.item(title) for title in ("First", "Second", "Third")]
    await table.cite(first, table.reply)
    async with table.site.database.write() as tx:
        other = await agendas.make(tx, table.admin.actor, await pair(5), FORUM, handle="other")
        foreign = await items.propose(tx, table.admin.actor, other, "Of another agenda")
        for into in (first, foreign):
            with pytest.raises(Refused, match="merge-with-which-item"):
                await items.merge(tx, table.admin.actor, first, into)
        await items.merge(tx, table.admin.actor, first, second)
        with pytest.raises(Refused, match="merge-with-which-item"):
            await items.merge(tx, table.admin.actor, third, first)
        with pytest.raises(Refused, match="item-is-decided"):
            await items.decline(tx, table.admin.actor, first, "Too late.")
        await items.merge(tx, table.admin.actor, second, third)
        with pytest.raises(Refused, match="item-is-decided"):
            await items.reopen(tx, table.admin.actor, third)
    async with table.site.database.read() as tx:
        assert [item.number for item in (await board.lineage(tx, third)).merged] == [1, 2]
    assert [each.source.post_id for each in await table.behind(third)] == [table.reply.id]


async def test_a_conclusion_proposes_the_lines_of_its_host(table: Table, member: MakeMember, theme: MakeTheme) -> None:
    floor = await make_floor(table.site, member, theme, "closed")
    async with floor.site.database.write() as tx:
        debate = await tx.get_one(Debate, floor.debate.actor_id)
        with pytest.raises(Refused, match="hosts-only"):
            await proposals.name(tx, table.anna.actor, debate, "Mine")
        for lines, key in (("ok\n", "item-title-length"), ("x" * 151, "item-title-length"),
                           ("\n".join(f"Line {n}" for n in range(6)), "too-many-proposals")):  # fmt: skip
            with pytest.raises(Invalid) as refused:
                await proposals.name(tx, floor.host.actor, debate, lines)
            assert refused.value.fields == {"proposals": key}
        await proposals.name(tx, floor.host.actor, debate, " Quiet   streets\r\n\nWho pays\nWho pays")
        await debates.conclude(tx, floor.host.actor, debate, "Both were right.")
        await proposals.name(tx, floor.host.actor, debate, "Too late")
        assert debate.proposals == ["Quiet streets", "Who pays"]
    async with floor.site.database.read() as tx:
        entries = await board.listed(tx, table.agenda)
    assert [entry.item.title for entry in entries] == ["Quiet streets", "Who pays"]


async def test_an_event_is_over_when_its_day_is_past_at_its_place(table: Table) -> None:
    """13 July ends in Singapore eight hours before it does by UTC."""
    for hour, is_ahead in ((15, True), (17, False)):
        table.site.database.clock = lambda hour=hour: datetime(2027, 7, 13, hour, tzinfo=UTC)
        async with table.site.database.read() as tx:
            assert [len(await agendas.ahead(tx)), len(await agendas.over(tx))] == [is_ahead, not is_ahead]
            refused = await items.refusal_to_propose(tx, table.admin.actor, table.agenda)
            assert refused == (None if is_ahead else "agenda-is-over")
