"""The host's desk as a browser without script uses it."""

from __future__ import annotations

import re
from html import unescape

import pytest

from community.debate_models import Debate, Question
from community.models import Post
from tests.community.floors import make_floor
from tests.web.forms import send

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _words(answer):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", await answer.text())))


async def test_a_host_runs_the_hour_and_nobody_else(site, client, member, theme, sign_in):
    floor = await make_floor(site, member, theme, "live")
    desk = f"/g/{floor.debate.actor.handle}/desk"
    anna, bert = await member("anna"), await member("bert")
    one, two = await floor.ask(anna.actor, "Who cleans it?"), await floor.ask(bert.actor, "Who sweeps it?")
    three, four = await floor.ask(bert.actor, "All wrong."), await floor.ask(anna.actor, "What does it cost?")
    gone = await client.get(desk, allow_redirects=False)
    assert gone.headers["Location"].startswith("/sign-in")
    for stranger in (anna, floor.panel):
        await sign_in(client, stranger)
        assert (await client.get(desk)).status == 403
        assert (await send(client, f"{desk}/{one.id}/accept", page="/settings/look")).status == 403
    await sign_in(client, floor.host)

    async def do(question, what, **fields):
        return await send(client, f"{desk}/{question.id}/{what}", page=desk, **fields)

    async def held(question):
        async with site.database.read() as tx:
            return await tx.get_one(Question, question.id)

    page = await _words(await client.get(desk))
    assert "Incoming 4" in page
    assert "Nothing waits for you." in page, "the script shows it when the list runs empty"
    assert (await do(one, "accept")).headers["Location"] == f"{desk}#q-{one.id}"
    again = await do(one, "accept")
    assert (again.status, "dealt with in the meantime" in await _words(again)) == (422, True)
    assert (await do(two, "merge", into=str(one.id))).status == 303
    wrong = await do(four, "merge", into="99999")
    assert (wrong.status, "Choose another question" in await _words(wrong)) == (422, True)
    # A reason is needed; what was chosen comes back, and what is typed goes before what is chosen.
    silent = await do(three, "decline", deed="decline", reason=" ")
    text = await silent.text()
    assert silent.status == 422
    assert "Say why" in text
    assert re.search(rf'<details class="deed" name="deeds-{three.id}" open', text)
    assert (await do(three, "decline", preset="It was asked already.", reason="No question.")).status == 303
    assert (await held(three)).reason == "No question."
    assert (await do(four, "accept")).status == 303
    assert (await do(four, "order", place="1")).status == 303
    assert [each.number for each in await floor.queue() if each.state == "accepted"] == [2, 1]
    for place in ("", "-1", "first", "²", "99999"):
        assert (await do(four, "order", place=place)).status == 422
    async with site.database.read() as tx:
        card = await tx.get_one(Post, (await held(one)).card_id)
    first = await floor.say(floor.panel.actor, "We do.", to=card)
    second = await floor.say(floor.panel.actor, "At night.")
    page = await (await client.get(desk)).text()
    assert f'<option value="{second.id}"' in page
    assert re.search(rf'<option value="{first.id}" selected', page)
    assert (await do(one, "answer", answer=str(second.id))).status == 303
    assert (await held(one)).answer_id == second.id
    foreign = await do(one, "answer", answer=str(four.post_id))
    assert (foreign.status, "Only what the host or the panel wrote" in await _words(foreign)) == (422, True)
    assert (await do(one, "answer", answer="999999")).status == 422
    assert (await do(one, "answer", answer="0")).status == 303
    assert (await held(one)).state == "accepted"
    assert (await do(three, "reopen")).status == 303
    assert (await held(three)).state == "asked"
    assert (await send(client, f"{desk}/99999/accept", page=desk)).status == 422
    lists = await client.get(f"{desk}?list=1")
    assert 'data-list="incoming"' in await lists.text()
    script = await send(client, f"{desk}/{three.id}/accept", page=desk, headers={"X-Requested-With": "fetch"})
    assert script.status == 204
    # Over, and then concluded: the desk can be read.
    await floor.at("closed")
    page = await (await client.get(desk)).text()
    assert f"/g/{floor.debate.actor.handle}/conclusion" in page
    async with site.database.write() as tx:
        (await tx.get_one(Debate, floor.debate.actor_id)).state = "concluded"
    page = await (await client.get(desk)).text()
    assert "its questions stay as they are" in page
    assert "/accept" not in page
    late = await do(one, "decline", reason="Late.")
    assert (late.status, "This debate is concluded" in await _words(late)) == (422, True)
    assert (await client.get("/g/mobility/desk")).status == 404
