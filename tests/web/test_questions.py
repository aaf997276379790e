"""The questions of a debate on their page: asking, voting and reading, as a browser without script does it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import select

from community import posts, questions, reactions
from community.debate_models import Question
from community.models import Actor, Post
from tests.community.floors import make_floor
from tests.web.forms import send

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _words(answer):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", await answer.text())))


async def test_a_member_asks_and_nothing_typed_is_lost(site, client, member, theme, sign_in):
    floor = await make_floor(site, member, theme)
    path = f"/g/{floor.debate.actor.handle}/questions"
    guest = await _words(await client.get(path))
    assert "No questions yet. Ask the first one." in guest
    assert "Sign in to ask" in guest
    assert floor.stub.uri in guest
    anna = await member("anna")
    await sign_in(client, anna)
    empty = await send(client, path, text="  ", language="fr")
    assert (empty.status, "Write something first." in await _words(empty)) == (422, True)
    made = await send(client, path, text="Qui *nettoie* ?", language="fr")
    async with site.database.read() as tx:
        question = (await tx.execute(select(Question))).scalar_one()
        post = await tx.get_one(Post, question.post_id)
    assert (made.status, made.headers["Location"]) == (303, f"{path}#q-{question.id}")
    assert (post.position, post.language, post.reply_to_id) == ("question", "fr", floor.stub.id)
    page = await (await client.get(path)).text()
    assert f'id="q-{question.id}"' in page
    assert '<p class="question" dir="auto" lang="fr">Qui nettoie ?</p>' in page
    assert 'class="vote-form"' not in page, "nobody votes for their own question"
    for number in range(4):
        assert (await send(client, path, text=f"Number {number}?")).status == 303
    # The form of a page that was opened before the fifth.
    page = await client.get(path)
    assert "Five of your questions wait" in await _words(page)
    token = re.search(r'name="csrf" content="([0-9a-f]+)"', await page.text())[1]
    origin = {"Origin": site.settings.origin}
    kept = await client.post(path, data={"csrf": token, "text": "The sixth <b>"}, headers=origin)
    assert kept.status == 422
    assert "The sixth &lt;b&gt;</textarea>" in await kept.text()
    await floor.at("closed")
    page = await client.get(path)
    assert "This debate" in await _words(page)
    assert "<textarea" not in await page.text()
    late = await client.post(path, data={"csrf": token, "text": "Too late?"}, headers=origin)
    assert (late.status, "Too late?" in await late.text()) == (422, True)
    for address in ("/g/nowhere/questions", "/g/mobility/questions"):
        assert (await client.get(address)).status == 404


async def test_votes_are_shown_by_camp_and_reasons_in_the_open(site, client, member, theme, sign_in):
    floor = await make_floor(site, member, theme, "live")
    anna, bert = await member("anna"), await member("bert")
    path = f"/g/{floor.debate.actor.handle}/questions"
    one, two = await floor.ask(anna.actor, "One?"), await floor.ask(anna.actor, "Two?")
    three = await floor.ask(anna.actor, "<script>alert(1)</script> Three?")
    async with site.database.write() as tx:
        host = floor.host.actor
        card = await questions.accept(tx, host, one)
        await questions.merge(tx, host, three, one)
        await questions.decline(tx, host, two, "Said <i>before</i>.")
        for number in range(3):
            uri = f"https://far.example/{number}"
            far = Actor(
                handle=f"far{number}", host="far.example", kind="person", uri=uri, url=uri, inbox=f"{uri}/inbox",
                state="active", created_at=tx.now,
            )  # fmt: skip
            tx.add(far)
            await tx.flush()
            await reactions.like(tx, far, card)
    page = await (await client.get(path)).text()
    assert re.search(rf'class="vote" href="/away\?uri=[^"]+/p/{card.id}"', page), "strangers vote at home"
    assert "Said &lt;i&gt;before&lt;/i&gt;." in page
    assert "<script>alert" not in page
    await sign_in(client, bert)
    vote = f"{path}/{one.id}/vote"
    assert (await send(client, vote, page=path, is_on="1")).headers["Location"] == f"{path}#q-{one.id}"
    assert "1 here · 3 from other servers" in await _words(await client.get(path))
    fresh = await client.get(f"{path}?list=1")
    text = await fresh.text()
    assert 'aria-pressed="true"' in text
    assert "<html" not in text
    script = await send(client, vote, page=path, is_on="0", headers={"X-Requested-With": "fetch"})
    assert script.status == 204
    assert "3 from other servers" in await _words(await client.get(path))
    assert "1 here" not in await _words(await client.get(path))
    assert (await send(client, f"{path}/99999/vote", page=path, is_on="1")).status == 404
    answer = await floor.say(floor.panel.actor, "We do, at night.", to=card)
    words = await _words(await client.get(path))
    assert re.search(r"pia We do, at night. Read the answer", words)
    assert f"/p/{answer.id}" in await (await client.get(path)).text()
    assert (await send(client, vote, page=path, is_on="1")).status == 303
    # The asker takes the question back: the answer stays, the name goes.
    async with site.database.write() as tx:
        await posts.erase(tx, anna.actor, await tx.get_one(Post, one.post_id))
    words = await _words(await client.get(path))
    assert "Q1 One?" in words
    assert "the asker has taken back their name" in words
