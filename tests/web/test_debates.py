"""The public pages of debates, as a browser without script uses them."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select

from community import debates, groups, positions, reactions
from community.debate_models import Debate
from community.models import Actor, Post, Topic
from federation.site import Site
from tests.community.floors import Floor, make_floor
from tests.conftest import MakeMember, MakeTheme, SignIn
from tests.web.forms import send

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
async def floor(site: Site, member: MakeMember, theme: MakeTheme) -> Floor:
    return await make_floor(site, member, theme, "live")


async def read(client: Any, path: str, status: int = 200) -> str:
    answer = await client.get(path)
    assert answer.status == status, await answer.text()
    return unescape(await answer.text())


def path_of(floor: Floor) -> str:
    return f"/g/{floor.debate.actor.handle}"


def column(page: str, side: str) -> str:
    return page[page.index(f'id="{side}"') : page.index("</section>", page.index(f'id="{side}"'))]


async def topic_path_of(floor: Floor, client: Any) -> str:
    answer = await client.get(f"/t/{floor.debate.topic_id}", allow_redirects=False)
    return str(answer.headers["Location"])


async def argue(floor: Floor, actor: Actor, words: str, side: str) -> Post:
    async with floor.site.database.read() as tx:
        stub = (await positions.stubs(tx, floor.debate))[side]
    return await floor.say(actor, words, stub)


async def test_the_page_while_it_is_on(floor: Floor, client: Any, member: MakeMember) -> None:
    anna = (await member("anna", display_name="Anna")).actor
    first = await argue(floor, floor.panel.actor, "They pay.", "for")
    await floor.say(anna, "They do indeed.", first)
    await argue(floor, anna, "They are loud.", "against")
    page = await read(client, path_of(floor))
    assert "Trams before *cars*" in page
    assert re.search(r"Live, <time[^>]*>\d+ minutes</time> left", page)
    assert re.findall(r'<li class="is-(\w+)"', page) == ["done", "done", "now", "ahead", "ahead"]
    assert ">Host</span>" in page[: page.index('<nav class="tabs"')], "the panel stands in the head"
    assert "They pay." in column(page, "for")
    assert "1 reply" in column(page, "for")
    assert "They do indeed." in column(page, "for")
    assert "2 people" in column(page, "for")
    assert "They are loud." in column(page, "against")
    assert 'class="seal is-panel"' in column(page, "for"), "the panel's posts have their seal"
    assert "answer this post with what speaks" not in page, "the stubs themselves are no arguments"
    for where in ("/live", "/questions", "/results", "/debate.ics"):
        assert f'href="{path_of(floor)}{where}"' in page
    assert "/away?uri=" in column(page, "against"), "who is not signed in argues from their own server"
    assert f'href="{path_of(floor)}/desk"' not in page
    everything = await read(client, await topic_path_of(floor, client))
    assert '<h1 class="motion"' in everything
    assert "answer this post with what speaks" in everything
    assert 'class="side-chip on-against">Against<' in everything
    for query in ("?order=new", "?order=%00", "?page=7", "?page=-1&order=top", "?page=99999999999"):
        assert (await client.get(path_of(floor) + query)).status == 200
    assert (await client.get("/g/debate_1999_01_01")).status == 404


async def test_a_member_argues_without_script(floor: Floor, client: Any, member: MakeMember, sign_in: SignIn) -> None:
    anna = await member("anna")
    await sign_in(client, anna)
    path, reply = path_of(floor), f"/t/{floor.debate.topic_id}/reply"
    home = {"Referer": str(client.make_url(path))}
    page = await read(client, path + "?side=against")
    assert re.search(r'name="position" value="against" checked', page)
    answer = await send(client, reply, page=path, headers=home, text="They are loud.", position="against")
    assert answer.status == 303
    assert answer.headers["Location"].startswith(f"{path}?order=new#post-")
    assert "They are loud." in column(await read(client, path), "against")
    async with floor.site.database.read() as tx:
        post = (await tx.execute(select(Post).where(Post.author_id == anna.actor_id))).scalar_one()
    # Answered on the floor, it takes the side of what it answers, unless another one is chosen.
    there = await topic_path_of(floor, client)
    form = await read(client, f"{there}?reply_to={post.id}")
    assert re.search(r'name="position" value="against" checked', form)
    answer = await send(client, reply, page=there, text="Not any more.", reply_to=str(post.id), position="for")
    assert answer.headers["Location"].startswith(there), "an answer is found on the floor"
    assert "Not any more." in column(await read(client, path), "for")
    # What was typed stays, with the side that was chosen.
    answer = await send(client, reply, page=there, text=" ", position="question", reply_to=str(post.id))
    assert answer.status == 422
    assert re.search(r'name="position" value="question" checked', await answer.text())
    liked = await send(client, f"/p/{(await argue(floor, floor.host.actor, 'They last.', 'for')).id}/like",
                       page=path, headers=home, liked="1")  # fmt: skip
    assert liked.headers["Location"].startswith(f"{path}#post-")
    await floor.at("closed")
    page = await read(client, path)
    assert "This debate is over." in page
    assert "Argue in favour" not in page
    answer = await send(client, reply, page=there, text="One more thing.", position="for")
    assert answer.status == 422
    words = unescape(await answer.text())
    assert "One more thing." in words
    assert "This debate is over." in words


async def test_positions_are_corrected_in_the_menu_of_the_post(
    floor: Floor, client: Any, member: MakeMember, sign_in: SignIn
) -> None:
    anna, bert = await member("anna"), await member("bert")
    post = await argue(floor, anna.actor, "They pay.", "for")
    target, path = f"/p/{post.id}/position", path_of(floor)
    await sign_in(client, bert)
    assert target not in await read(client, path)
    assert (await send(client, target, page=path, position="against")).status == 403
    await sign_in(client, anna)
    assert target in await read(client, path)
    home = {"Referer": str(client.make_url(path))}
    answer = await send(client, target, page=path, headers=home, position="against")
    assert (answer.status, answer.headers["Location"]) == (303, f"{path}#post-{post.number}")
    assert "They pay." in column(await read(client, path), "against")
    answer = await send(client, target, page=path, position="sideways")
    assert answer.status == 403
    assert "Choose in favour, against, a question or neither." in unescape(await answer.text())
    assert (await send(client, "/p/999999/position", page=path, position="for")).status == 404
    await sign_in(client, floor.host)
    assert "Host’s desk" in await read(client, path)
    assert (await send(client, target, page=path, position="")).status == 303
    page = await read(client, path)
    assert "They pay." not in column(page, "for") + column(page, "against")


async def test_before_and_after_and_what_does_not_take_place(
    site: Site, client: Any, member: MakeMember, theme: MakeTheme, sign_in: SignIn
) -> None:
    floor = await make_floor(site, member, theme)
    page = await read(client, path_of(floor))
    assert 'role="timer"' in page
    assert "<b>1</b> day" in page
    assert "Follow from your own server" in page
    mobility = floor.debate.theme
    assert mobility is not None
    for listing in ("/", "/debates", "/g/mobility"):
        listed = await read(client, listing)
        assert "Trams before *cars*" in listed
        assert 'role="timer"' in listed
    assert '<a href="/debates" aria-current="page">' in await read(client, "/debates")
    await sign_in(client, floor.admin)
    assert 'href="/g/mobility/debates/new"' in await read(client, "/g/mobility")
    async with site.database.write() as tx:
        debate = await tx.get_one(Debate, floor.debate.actor_id)
        later = debate.opens_at + timedelta(days=1)
        await debates.move(tx, floor.admin.actor, debate, later, reason="The hall is taken.")
    page = await read(client, path_of(floor))
    assert "This debate has a new date. The hall is taken." in re.sub(r"</?b>", "", page)
    async with site.database.write() as tx:
        debate = await tx.get_one(Debate, floor.debate.actor_id)
        await debates.cancel(tx, floor.admin.actor, debate, reason="Nobody can come.")
    page = await read(client, path_of(floor))
    assert "This debate was cancelled. Nobody can come." in re.sub(r"</?b>", "", page)
    assert "debate.ics" not in page
    assert 'role="timer"' not in page
    listed = await read(client, "/debates")
    assert "Cancelled" in listed
    assert "No debate is planned" in listed


async def test_after_the_end_result_and_conclusion_stand_on_top(floor: Floor, client: Any, member: MakeMember) -> None:
    await argue(floor, floor.panel.actor, "They pay.", "for")
    async with floor.site.database.write() as tx:
        for part, counts in (("opening-poll", (1, 1, 2)), ("closing-poll", (3, 0, 1))):
            await _take_poll(tx, floor, part, counts)
    await floor.at("closed")
    page = await read(client, path_of(floor))
    assert "The conclusion of the host follows" in page
    async with floor.site.database.write() as tx:
        debate = await tx.get_one(Debate, floor.debate.actor_id)
        await debates.conclude(tx, floor.host.actor, debate, "Both are *right*.")
    page = await read(client, path_of(floor))
    assert page.index("Both are <em>right</em>.") < page.index('class="sides"')
    assert f'href="{path_of(floor)}/whole"' in page
    listed = re.sub(r"<[^>]+>", "", await read(client, "/debates"))
    assert "1 argument" in listed
    assert re.search(r"In favour 25 →before, after 75\s*%", listed)


async def _take_poll(tx: Any, floor: Floor, part: str, counts: tuple[int, ...]) -> None:
    """The poll of a part with these counts, made now where its time has not come yet."""
    from community import polls

    debate = await tx.get_one(Debate, floor.debate.actor_id)
    if part not in debate.steps:
        debate.steps = [*debate.steps, part]
        await debates._STEPS[part](tx, debate)
    post = await debates.part_of(tx, debate, part)
    assert post is not None
    found = await polls.find(tx, post.id)
    assert found is not None
    for option, count in zip(found[1], counts, strict=True):
        option.votes_elsewhere = count


async def test_a_debate_elsewhere_has_its_page_and_its_city(
    site: Site, client: Any, member: MakeMember, sign_in: SignIn
) -> None:
    async with site.database.write() as tx:
        away = Actor(
            uri="https://graz.example/g/debate_x", url="https://graz.example/g/debate_x", kind="group",
            handle="debate_x", host="graz.example", name="Trams there", state="active", created_at=tx.now,
        )  # fmt: skip
        tx.add(away)
        await tx.flush()
        place = await groups.ensure_place(tx, away)
        tx.add(
            Debate(
                actor_id=away.id, motion="Trams there", text_html="<p>There.</p>", state="announced", zone="No/Where",
                opens_at=tx.now + timedelta(hours=5), closes_at=tx.now + timedelta(hours=6), changed_at=tx.now,
                languages=["de"], steps=[],
            )
        )  # fmt: skip
        assert place.slug == "debate_x@graz.example"
    path = "/g/debate_x@graz.example"
    page = await read(client, path)
    assert "graz.example ↗" in page
    assert "There." in page
    assert ">Everything<" not in page, "nothing of its floor is here"
    await sign_in(client, await member("anna"))
    assert 'action="/follow"' in await read(client, path)
    listed = await read(client, "/debates")
    assert re.search(r"graz\.example</span>", listed)


async def test_a_vip_has_a_seal_and_a_like_moves_an_argument_up(floor: Floor, client: Any, member: MakeMember) -> None:
    anna, bert = (await member("anna")).actor, (await member("bert")).actor
    await argue(floor, anna, "First said.", "for")
    better = await argue(floor, bert, "Better said.", "for")
    async with floor.site.database.write() as tx:
        (await tx.get_one(Actor, bert.id)).is_vip = True
        await reactions.like(tx, await tx.get_one(Actor, anna.id), await tx.get_one(Post, better.id))
        topic = await tx.get_one(Topic, floor.debate.topic_id)
        tx.signal(f"topic:{topic.id}", 0)
    page = column(await read(client, path_of(floor)), "for")
    assert page.index("Better said.") < page.index("First said.")
    assert page.count('class="seal vip"') == 1
    newest = column(await read(client, path_of(floor) + "?order=new"), "for")
    assert newest.index("Better said.") < newest.index("First said.")
