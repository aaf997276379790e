"""Polls on pages, as a browser without script uses them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select

from community import polls, posts, topics
from community.models import Ballot, Poll, PollOption, Post
from tests.web.forms import send

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _words(answer):
    return unescape(await answer.text())


@pytest.fixture
def asked(site, member, theme):
    """Open a topic with a poll: ``await asked("a\\nb")`` answers (author, opener, option ids)."""

    async def make(lines="Every hour\nEvery <b>ten</b> minutes\nAs now", *, is_multiple=False):
        anna, place = await member("anna"), await theme("mobility")
        async with site.database.write() as tx:
            paper = polls.draft(lines, is_multiple=is_multiple, days=3, now=tx.now)
            written = replace(await posts.compose(tx, "How often?", title="The harbour bus"), poll=paper)
            opener = await topics.open(tx, anna.actor, place.actor, written)
            options = (await polls.find(tx, opener.id))[1]
        return anna, opener, [option.id for option in options]

    return make


async def test_a_member_votes_once_and_sees_the_counts(site, client, member, asked, sign_in):
    _, opener, options = await asked()
    bert = await member("bert")
    path = f"/t/{opener.topic_id}/the-harbour-bus"
    guest = await _words(await client.get(path))
    assert "Sign in, or vote from your own server." in guest
    assert 'type="radio"' not in guest
    await sign_in(client, bert)
    page = await (await client.get(path)).text()
    assert page.count('type="radio"') == 3
    assert "Every &lt;b&gt;ten&lt;/b&gt; minutes" in page
    assert "<table" not in page[page.index('class="poll"') : page.index("</section>", page.index('class="poll"'))]
    assert "<table" in await (await client.get(f"/p/{opener.id}/poll")).text(), "results are there for the asking"

    nothing = await send(client, f"/p/{opener.id}/vote", page=path)
    assert nothing.status == 422
    assert 'type="radio"' in await nothing.text()
    made = await send(client, f"/p/{opener.id}/vote", page=path, choice=str(options[1]))
    assert made.status == 303
    page = await _words(await client.get(made.headers["Location"]))
    assert re.search(r"Every <b>ten</b> minutes</span> <span class=\"mine\">your choice", page)
    assert "100 %" in page
    assert "1 person · open until" in page
    again = await send(client, f"/p/{opener.id}/vote", page=path, choice=str(options[0]))
    assert again.status == 422
    assert "You have voted already." in await _words(again)
    async with site.database.write() as tx:
        assert len((await tx.execute(select(Ballot))).scalars().all()) == 1
        poll = await tx.get_one(Poll, opener.id)
        poll.voters_elsewhere = 3
        (await tx.get_one(PollOption, options[0])).votes_elsewhere = 3
    assert "4 people (1 here · 3 from other servers)" in await _words(await client.get(path))


async def test_several_choices_at_once_and_none_when_it_is_over(site, client, member, asked, sign_in):
    anna, opener, options = await asked("a\nb\nc", is_multiple=True)
    path = f"/t/{opener.topic_id}/the-harbour-bus"
    await sign_in(client, anna)
    chosen = {f"choice-{option}": str(option) for option in options[:2]}
    assert (await send(client, f"/p/{opener.id}/vote", page=path, **chosen)).status == 303
    async with site.database.write() as tx:
        assert [o.votes_here for o in (await polls.find(tx, opener.id))[1]] == [1, 1, 0]
    clock = site.database.clock
    site.database.clock = lambda: clock() + timedelta(days=3)
    await sign_in(client, await member("bert"))
    page = await _words(await client.get(path))
    assert "closed" in page
    assert 'name="choice' not in page
    late = await send(client, f"/p/{opener.id}/vote", page=path, **chosen)
    assert (late.status, "This poll is closed." in await _words(late)) == (422, True)
    for address in ("/p/999/poll", "/p/999999999999999/poll"):
        assert (await client.get(address)).status == 404


async def test_a_poll_is_made_in_the_composer_and_nothing_typed_is_lost(site, client, member, theme, sign_in):
    await theme("mobility", object_type="Article")
    await sign_in(client, await member("anna"))
    typed = {"title": "The harbour bus", "text": "How often?", "poll_multiple": "1", "poll_days": "14"}
    for options, complaint in (
        ("one", "Give 2 to 10 choices"),
        ("\n".join(map(str, range(11))), "Give 2 to 10 choices"),
        ("a\nA", "Two of the choices say the same."),
        ("a\n" + "b" * 101, "Keep each choice under 100 characters."),
    ):
        answer = await send(client, "/g/mobility/new", **typed, poll_options=options)
        page = await _words(answer)
        assert answer.status == 422
        assert complaint in page
        assert all(line in page for line in options.splitlines())
        assert re.search(r'name="poll_multiple" value="1" checked', page)
        assert re.search(r'<option value="14" selected>', page)
    assert (
        await send(client, "/g/mobility/new", **{**typed, "poll_days": "400", "poll_options": "a\nb"})
    ).status == 422
    made = await send(client, "/g/mobility/new", **typed, poll_options="Every hour\n\n  As   now \n")
    assert made.status == 303
    async with site.database.read() as tx:
        post = (await tx.execute(select(Post))).scalars().one()
        poll, options = await polls.find(tx, post.id)
        assert (post.kind, [option.name for option in options]) == ("Question", ["Every hour", "As now"])
        assert poll.is_multiple
        assert timedelta(days=13) < poll.closes_at - tx.now <= timedelta(days=14)
    assert 'type="checkbox"' in await (await client.get(made.headers["Location"])).text()
