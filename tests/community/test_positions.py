"""Positions in a debate: taken by what is answered, chosen, corrected; and the arguments of both sides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from community import debates, positions, posts, questions
from community.debate_models import Debate
from community.members import Invalid
from community.models import Actor, Post, Topic
from community.policy import Refused
from community.positions import NONE, Side
from federation.site import Site
from tests.community.floors import Floor, make_floor
from tests.conftest import MakeMember, MakeTheme
from tests.inbox.test_flows import until
from tests.peer import Peer

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
async def floor(site: Site, member: MakeMember, theme: MakeTheme) -> Floor:
    return await make_floor(site, member, theme)


async def stub_of(floor: Floor, position: str) -> Post:
    async with floor.site.database.read() as tx:
        return (await positions.stubs(tx, floor.debate))[position]


async def write(
    floor: Floor, actor: Actor, text: str, *, to: Post | None = None, position: str = "", likes: int = 0
) -> Post:
    """Write as the composer does."""
    async with floor.site.database.write() as tx:
        topic = await tx.get_one(Topic, floor.debate.topic_id)
        written = await posts.compose(tx, text)
        parent, written = await positions.place(tx, topic, written, to, position)
        post = await posts.reply(tx, actor, topic, written, reply_to=parent)
        post.like_count_elsewhere = likes
        return post


async def correct(floor: Floor, by: Actor, post: Post, position: str) -> None:
    async with floor.site.database.write() as tx:
        found = await posts.one(tx, post.id)
        assert found is not None
        await positions.correct(tx, by, found, position)


async def position_of(floor: Floor, *of: Post) -> list[str]:
    async with floor.site.database.read() as tx:
        return [(await tx.get_one(Post, post.id)).position for post in of]


async def columns(floor: Floor, **how: Any) -> dict[str, Side]:
    async with floor.site.database.read() as tx:
        return await positions.sides(tx, floor.debate, **how)


def words(side: Side) -> list[str]:
    return [each.post.source for each in side.arguments]


async def test_an_answer_takes_the_position_of_what_it_answers_at_any_depth(floor: Floor, member: MakeMember) -> None:
    anna, bert = (await member("anna")).actor, (await member("bert")).actor
    first = await write(floor, anna, "For it.", to=await stub_of(floor, "for"))
    second = await write(floor, bert, "And also for it.", to=first)
    third = await write(floor, anna, "Indeed.", to=second)
    aside = await write(floor, bert, "To nobody.")
    rebuttal = await write(floor, bert, "But no.", to=third, position="against")
    under_it = await write(floor, anna, "But yes, I fear.", to=rebuttal)
    neutral = await write(floor, bert, "What time is it?", to=first, position=NONE)
    nonsense = await write(floor, bert, "Nonsense.", to=first, position="sideways")
    every = [first, second, third, aside, rebuttal, under_it, neutral, nonsense]
    assert await position_of(floor, *every) == ["for", "for", "for", "", "against", "against", "", "for"]


async def test_who_chooses_a_side_and_answers_nobody_answers_its_stub(floor: Floor, member: MakeMember) -> None:
    anna = (await member("anna")).actor
    post = await write(floor, anna, "Against it.", position="against")
    asked = await write(floor, anna, "How much?", position="question")
    assert post.reply_to_id == (await stub_of(floor, "against")).id
    assert asked.reply_to_id == floor.stub.id
    async with floor.site.database.read() as tx:
        assert await questions.of_post(tx, asked.id) is not None, "so it is in the queue"


async def test_elsewhere_than_on_a_floor_nothing_can_be_chosen(
    floor: Floor, member: MakeMember, theme: MakeTheme
) -> None:
    anna, water = (await member("anna")).actor, await theme("water")
    from community import topics

    async with floor.site.database.write() as tx:
        opener = await topics.open(tx, anna, water.actor, await posts.compose(tx, "Text.", title="A title"))
        parent, written = await positions.place(tx, opener.topic, await posts.compose(tx, "Yes."), None, "for")
    assert (parent, written.position) == (None, "")
    with pytest.raises(Refused, match="not-in-a-debate"):
        await correct(floor, floor.admin.actor, opener, "for")


async def test_the_author_corrects_their_own_post_and_the_host_takes_the_answers_along(
    floor: Floor, member: MakeMember
) -> None:
    anna, bert = (await member("anna")).actor, (await member("bert")).actor
    first = await write(floor, anna, "A wrong turn.", to=await stub_of(floor, "for"))
    second = await write(floor, bert, "Agreed.", to=first)
    third = await write(floor, bert, "Agreed too.", to=second)
    other = await write(floor, bert, "Not at all.", to=second, position="against")
    with pytest.raises(Refused, match="only-the-author"):
        await correct(floor, bert, first, "against")
    with pytest.raises(Refused, match="only-the-author"):
        await correct(floor, floor.panel.actor, first, "against")
    with pytest.raises(Invalid):
        await correct(floor, anna, first, "sideways")
    with pytest.raises(Refused, match="not-in-a-debate"):
        await correct(floor, floor.host.actor, floor.stub, "for")
    await correct(floor, anna, first, "against")
    assert await position_of(floor, first, second, third, other) == ["against", "for", "for", "against"]
    await correct(floor, floor.host.actor, second, "against")
    assert await position_of(floor, first, second, third, other) == ["against"] * 4
    await correct(floor, floor.host.actor, first, "")
    assert await position_of(floor, first, second, third, other) == [""] * 4
    await correct(floor, floor.admin.actor, first, "for")
    assert await position_of(floor, first, second) == ["for", ""], "what has no side took none from it"


async def test_what_turns_into_a_question_joins_the_queue_and_leaves_it_again(floor: Floor, member: MakeMember) -> None:
    anna = (await member("anna")).actor
    post = await write(floor, anna, "Who pays for the rails?", to=await stub_of(floor, "for"))
    await correct(floor, floor.host.actor, post, "question")
    assert [each.post.id for each in await floor.queue()] == [post.id]
    await correct(floor, anna, post, "for")
    assert await floor.queue() == []


async def test_after_the_end_only_the_host_corrects(floor: Floor, member: MakeMember) -> None:
    anna = (await member("anna")).actor
    post = await write(floor, anna, "For it.", to=await stub_of(floor, "for"))
    await floor.at("closed")
    with pytest.raises(Refused, match="debate-is-over"):
        await correct(floor, anna, post, "against")
    with pytest.raises(Refused, match="debate-is-over"):
        await write(floor, anna, "One more.", position="for")
    await correct(floor, floor.host.actor, post, "against")
    assert await position_of(floor, post) == ["against"]


async def test_the_columns_have_arguments_with_their_answers_in_order(floor: Floor, member: MakeMember) -> None:
    anna, bert = (await member("anna")).actor, (await member("bert")).actor
    pro, contra = await stub_of(floor, "for"), await stub_of(floor, "against")
    one = await write(floor, anna, "One", to=pro, likes=2)
    await write(floor, anna, "Two", to=pro, likes=5)
    three = await write(floor, bert, "Three", to=pro)
    await write(floor, bert, "Under one", to=one)
    deep = await write(floor, anna, "Deeper under one", to=await write(floor, bert, "Also under one", to=one))
    await write(floor, bert, "Rebuttal", to=deep, position="against")
    await write(floor, floor.panel.actor, "Contra", to=contra, likes=1)
    found = await columns(floor)
    assert words(found["for"]) == ["Two", "One", "Three"]
    assert words(found["against"]) == ["Contra", "Rebuttal"]
    under = {each.post.source: each for each in found["for"].arguments}["One"]
    assert [reply.source for reply in under.replies] == ["Under one", "Also under one", "Deeper under one"]
    assert under.reply_count == 3
    assert (found["for"].count, found["for"].people, found["for"].hosts) == (3, 2, 1)
    assert words((await columns(floor, order="new"))["for"]) == ["Three", "Two", "One"]
    # What stood under something that is gone stands for itself.
    async with floor.site.database.write() as tx:
        await posts.erase(tx, bert, three)
        await posts.erase(tx, anna, one)
    assert words((await columns(floor))["for"]) == ["Two", "Under one", "Also under one"]


async def test_a_long_column_has_pages(floor: Floor, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "PAGE", 2)
    monkeypatch.setattr(positions, "REPLIES", 1)
    anna, pro = (await member("anna")).actor, await stub_of(floor, "for")
    first = await write(floor, anna, "1", to=pro)
    for number in ("2", "3"):
        await write(floor, anna, number, to=pro)
        await write(floor, anna, "Answer", to=first)
    page = (await columns(floor))["for"]
    assert words(page) == ["1", "2"]
    assert page.has_more_after(1)
    assert (len(page.arguments[0].replies), page.arguments[0].reply_count) == (1, 2)
    last = (await columns(floor, page=2))["for"]
    assert (words(last), last.has_more_after(2)) == (["3"], False)


async def test_replies_from_other_servers_take_sides_without_any_syntax(
    floor: Floor, client: Any, at_work: None, peer: Peer
) -> None:
    await floor.at("live")
    peer.actor("tom")
    pro = await stub_of(floor, "for")
    first = peer.note("<p>For it, from afar.</p>", inReplyTo=pro.uri)
    second = peer.note("<p>And I.</p>", by="tom", inReplyTo=first["id"])
    chosen = peer.note("<p>Not I.</p>", by="tom", inReplyTo=first["id"], position="against")

    def held(note: dict[str, Any]) -> Callable[[], Awaitable[Post | None]]:
        async def find() -> Post | None:
            async with floor.site.database.read() as tx:
                return await posts.find_by_uri(tx, note["id"])

        return find

    for note, expected in ((first, "for"), (second, "for"), (chosen, "against")):
        by = "tess" if note is first else "tom"
        assert (await peer.send(pro_inbox(floor), peer.activity("Create", note, by=by), by=by))[0] == 202
        post = await until(held(note))
        assert post.position == expected
    found = await columns(floor)
    assert (found["for"].people, found["for"].hosts, found["against"].people) == (2, 1, 1)
    found_first = await held(first)()
    assert found_first is not None
    await correct(floor, floor.host.actor, found_first, "against")
    assert (await columns(floor))["for"].people == 0


def pro_inbox(floor: Floor) -> str:
    return f"{floor.site.settings.origin}/inbox"


async def test_a_debate_without_a_floor_has_empty_columns(site: Site) -> None:
    async with site.database.read() as tx:
        found = await positions.sides(tx, Debate(actor_id=1, topic_id=None))
    assert [(side.count, side.arguments) for side in found.values()] == [(0, []), (0, [])]
    assert tuple(found) == ("for", "against")
    assert set(found) < set(debates.POSITIONS)
