"""Questions to the panel: asked from here and elsewhere, picked, ranked by votes that count once, answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, update

from community import debates, posts, questions, reactions
from community.debate_models import Debate, Question
from community.members import Invalid
from community.models import Actor, Membership, Notification, Post, Revision
from community.policy import Refused
from federation.site import Site
from tests.community.floors import Floor, make_floor, seat
from tests.conftest import MakeMember, MakeTheme
from tests.inbox.test_flows import until
from tests.peer import Peer

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _do(floor: Floor, deed: Any, question: Question, *more: Any, by: Actor | None = None) -> Any:
    async with floor.site.database.write() as tx:
        return await deed(tx, by or floor.host.actor, question, *more)


async def _refused(floor: Floor, deed: Any, question: Question, *more: Any, by: Actor | None = None) -> str:
    with pytest.raises((Refused, Invalid)) as caught:
        await _do(floor, deed, question, *more, by=by)
    error = caught.value
    return next(iter(error.fields.values())) if isinstance(error, Invalid) else str(error)


async def _like(floor: Floor, actor: Actor, post: Post) -> None:
    async with floor.site.database.write() as tx:
        await reactions.like(tx, actor, post)


async def _told(floor: Floor, actor: Actor) -> list[str]:
    """What a member was told of their questions; the clerk's own posts are told in no other way."""
    async with floor.site.database.read() as tx:
        query = select(Notification).where(Notification.account_id == actor.id).order_by(Notification.id)
        held = (await tx.execute(query)).scalars().all()
        assert floor.stub.author_id not in [row.actor_id for row in held]
        rows = [row for row in held if row.kind.startswith("question-")]
        assert all(row.path.startswith(f"/g/{floor.debate.actor.handle}/questions#q-") for row in rows)
        return [row.kind for row in rows]


async def test_who_answers_the_call_asks_and_whoever_talks_below_does_not(
    site: Site, member: MakeMember, theme: MakeTheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = await make_floor(site, member, theme)
    anna, bert = [(await member(name)).actor for name in ("anna", "bert")]
    first = await floor.ask(anna, "@hugo Who cleans the *tracks*?")
    # The composer names a position, whatever is answered; what answers a question is talk about it.
    side = await floor.say(anna, "Trams last.", position="for")
    chosen = await floor.say(anna, "How long do they last?", to=side, position="question")
    async with site.database.read() as tx:
        asked = await tx.get_one(Post, first.post_id)
    talk = await floor.say(anna, "I ask since nobody does.", to=asked)
    assert talk.position == "question"
    assert [(each.post.id, each.state) for each in await floor.queue()] == [
        (asked.id, "asked"),
        (chosen.id, "asked"),
    ]
    # A question that is none after all, and one that became one.
    async with site.database.write() as tx:
        for post, position in ((chosen, "for"), (side, "question")):
            held = await tx.get_one(Post, post.id)
            old, held.position = held.position, position
            await questions.position_changed(tx, held, old)
    assert [each.post.id for each in await floor.queue()] == [asked.id, side.id]
    # Five wait; the sixth stays an ordinary post.
    for number in range(4):
        await floor.say(anna, f"And question {number}?")
    async with site.database.read() as tx:
        topic = (await posts.one(tx, asked.id)).topic  # type: ignore[union-attr]
        reason = await questions.refusal_to_ask(tx, floor.debate, anna, topic)
        assert (await questions.waiting_of(tx, floor.debate.actor_id, anna.id), reason) == (5, "questions-enough")
        assert await questions.refusal_to_ask(tx, floor.debate, None, topic) == "sign-in-first"
        monkeypatch.setattr(questions, "QUESTIONS_MAX", 5)
        assert await questions.refusal_to_ask(tx, floor.debate, bert, topic) == "questions-are-full"
    # Closed: the audience cannot write, and what the panel writes opens nothing.
    await floor.at("closed")
    with pytest.raises(Refused, match="debate-is-over"):
        await floor.say(anna, "One more?")
    await floor.say(floor.panel.actor, "And what do you think?")
    assert len(await floor.queue()) == 5


async def test_the_desk_accepts_orders_merges_declines_and_tells(
    site: Site, member: MakeMember, theme: MakeTheme
) -> None:
    floor = await make_floor(site, member, theme)
    anna, bert, cora = [(await member(name)).actor for name in ("anna", "bert", "cora")]
    track = await floor.ask(anna, "Who cleans the tracks?")
    price = await floor.ask(bert, "What does it cost? Ask @cora or [them](https://x.example) <b>now</b>")
    money = await floor.ask(cora, "Who pays?")
    rude = await floor.ask(cora, "You are all wrong.")
    for deed, more in ((questions.accept, ()), (questions.decline, ("No.",)), (questions.put, (1,))):
        assert await _refused(floor, deed, track, *more, by=anna) == "hosts-only"
        assert await _refused(floor, deed, track, *more, by=floor.panel.actor) == "hosts-only"

    card = await _do(floor, questions.accept, track)
    assert (card.part, card.position, card.reply_to_id) == ("card", "question", track.post_id)
    assert "<blockquote>\n<p>Who cleans the tracks?</p>" in card.html.replace("<blockquote><p>", "<blockquote>\n<p>")
    assert "Q1" in card.html
    assert f'href="{anna.uri}"' in card.html
    assert await _refused(floor, questions.accept, track) == "question-is-dealt-with"
    assert await _told(floor, anna) == ["question-accepted"]
    second = await _do(floor, questions.accept, price)
    assert await _told(floor, cora) == []
    async with site.database.read() as tx:
        assert [a.handle for a in (await posts.mentioned_in(tx, [second.id]))[second.id]] == ["bert"]

    # Votes: anna and bert on the question and its card, cora on the card and on what is merged: each once.
    async with site.database.read() as tx:
        asked_post, money_post = await tx.get_one(Post, track.post_id), await tx.get_one(Post, money.post_id)
    await _like(floor, bert, asked_post)
    await _like(floor, bert, card)
    await _like(floor, cora, card)
    assert [(each.number, each.here, each.is_next) for each in await floor.queue(bert)][:2] == [
        (1, 2, True),
        (2, 0, False),
    ]
    await _like(floor, anna, money_post)
    await _like(floor, bert, money_post)
    await _do(floor, questions.merge, money, price)
    rows = {each.id: each for each in await floor.queue(anna)}
    assert (rows[price.id].here, rows[price.id].is_voted, rows[track.id].is_voted) == (2, True, False)
    assert rows[money.id].into is not None
    assert await _told(floor, cora) == ["question-merged"]
    assert await _refused(floor, questions.merge, price, price) == "merge-with-what"
    assert await _refused(floor, questions.merge, track, money) == "merge-with-what"

    # The host's order goes before votes; what is not placed stays ordered by votes.
    third = await floor.ask(anna, "When do they run at night?")
    await _do(floor, questions.accept, third)

    async def order() -> list[tuple[int, int]]:
        held = [each for each in await floor.queue() if each.state == "accepted"]
        return [(each.number, each.question.place) for each in held if each.question is not None]

    assert await order() == [(1, 0), (2, 0), (3, 0)]
    await _do(floor, questions.put, third, 1)
    assert await order() == [(3, 1), (1, 0), (2, 0)]
    await _do(floor, questions.put, price, 2)
    assert await order() == [(3, 1), (2, 2), (1, 0)]
    await _do(floor, questions.put, third, 0)
    assert await order() == [(2, 1), (1, 0), (3, 0)]
    await _do(floor, questions.put, price, 99)
    assert await order() == [(1, 1), (3, 2), (2, 3)]

    # Declined for everybody to read why, and taken back.
    assert await _refused(floor, questions.decline, rude, "  ") == "reason-missing"
    await _do(floor, questions.decline, rude, " It is no\n question. ")
    assert await _refused(floor, questions.accept, rude) == "question-is-dealt-with"
    assert [(each.state, each.question.reason) for each in await floor.queue() if each.id == rude.id] == [  # type: ignore[union-attr]
        ("declined", "It is no question.")
    ]
    await _do(floor, questions.reopen, rude)
    await _do(floor, questions.reopen, money)
    assert {each.id: each.state for each in await floor.queue()}[money.id] == "asked"
    # Declining what has a card takes the card back.
    await _do(floor, questions.decline, third, "No time.")
    async with site.database.read() as tx:
        gone = await tx.scalar(
            select(func.count()).select_from(Post).where(Post.part == "card", Post.deleted_at.is_not(None))
        )
        assert gone == 1
    assert await _told(floor, cora) == ["question-merged", "question-declined"]

    # Nobody who may not write is taken to the panel, and nothing that is hidden.
    async with site.database.write() as tx:
        tx.add(
            Membership(
                actor_id=cora.id, group_id=floor.debate.actor_id, role="banned", state="accepted", created_at=tx.now
            )
        )
    assert await _refused(floor, questions.accept, rude) == "asker-is-excluded"
    async with site.database.write() as tx:
        await tx.execute(update(Post).where(Post.id == rude.post_id).values(hidden_reason="spam"))
    assert await _refused(floor, questions.accept, rude) == "question-is-hidden"
    assert rude.id not in [each.id for each in await floor.queue()]

    # Once it is concluded, the desk is shut.
    await floor.at("live")
    await floor.at("closed")
    async with site.database.write() as tx:
        await debates.conclude(tx, floor.host.actor, await tx.get_one(Debate, floor.debate.actor_id), "So be it.")
    assert await _refused(floor, questions.accept, money) == "debate-is-concluded"


async def test_the_panel_answers_and_what_is_deleted_goes(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    floor = await make_floor(site, member, theme)
    anna, bert, guest = [(await member(name)).actor for name in ("anna", "bert", "guest")]
    await seat(site, floor.debate, guest, "panel", state="declined")
    one, two = await floor.ask(anna, "One?"), await floor.ask(anna, "Two?")
    three, four = await floor.ask(bert, "Three?"), await floor.ask(bert, "Four?")
    card = await _do(floor, questions.accept, one)
    await _do(floor, questions.merge, three, one)
    # Before the hour a word of the panel is no answer; a declined panellist never gives one.
    await floor.say(floor.panel.actor, "I look forward to this.", to=card)
    await floor.at("live")
    declined = await floor.say(guest, "I know it.", to=card)
    assert {each.state for each in await floor.queue()} == {"accepted", "asked", "merged"}
    assert await _refused(floor, questions.link_answer, one, declined) == "answer-by-whom"
    answer = await floor.say(floor.panel.actor, "We do.", to=card)
    more = await floor.say(floor.panel.actor, "Every night.", to=card)
    rows = {each.id: each for each in await floor.queue()}
    linked = rows[one.id].answer
    assert linked is not None
    assert (rows[one.id].state, linked.id) == ("answered", answer.id)
    assert await _told(floor, bert) == ["question-merged", "question-answered"]
    assert await _told(floor, anna) == ["question-accepted", "question-answered"]
    # The host chooses another one, or none.
    await _do(floor, questions.link_answer, one, more)
    assert {each.id: each.answer and each.answer.id for each in await floor.queue()}[one.id] == more.id
    assert (await _told(floor, bert)).count("question-answered") == 1
    await _do(floor, questions.link_answer, one, None)
    assert {each.id: each.state for each in await floor.queue()}[one.id] == "accepted"
    await _do(floor, questions.link_answer, one, answer)
    # An answer straight to the asker's post counts without a card.
    async with site.database.read() as tx:
        asked = {each.id: await tx.get_one(Post, each.post_id) for each in (one, two, four)}
    direct = await floor.say(floor.host.actor, "Four it is.", to=asked[four.id])
    assert {each.id: each.state for each in await floor.queue()}[four.id] == "answered"

    async def erase(by: Actor, post: Post, reason: str = "") -> None:
        async with site.database.write() as tx:
            await posts.erase(tx, by, await tx.get_one(Post, post.id), reason=reason)

    # The answer goes: the question waits again. The asker goes: what only waited goes, what was answered stays unnamed.
    await erase(floor.host.actor, direct)
    assert {each.id: each.state for each in await floor.queue()}[four.id] == "asked"
    await erase(anna, asked[two.id])
    await erase(anna, asked[one.id])
    rows = {each.id: each for each in await floor.queue()}
    assert two.id not in rows
    kept = rows[one.id]
    assert (kept.state, kept.asker, "One?" in kept.html) == ("answered", None, True)
    async with site.database.read() as tx:
        held = await tx.get_one(Post, card.id)
        assert "anna" not in held.html + held.source
        assert not (await tx.execute(select(Revision).where(Revision.post_id == card.id))).scalars().all()
        assert await posts.mentioned_in(tx, [card.id]) == {}
    # Accepted and then taken back by its asker: its card goes as well. Removed cards leave the question waiting.
    fourth_card = await _do(floor, questions.accept, four)
    await erase(floor.admin.actor, fourth_card, "twice")
    assert {each.id: each.state for each in await floor.queue()}[four.id] == "asked"
    fourth_card = await _do(floor, questions.accept, four)
    await erase(bert, asked[four.id])
    async with site.database.read() as tx:
        assert (await tx.get_one(Post, fourth_card.id)).deleted_at is not None
        assert await questions.find(tx, floor.debate, four.id) is None


async def test_somebody_elsewhere_asks_is_told_and_votes(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    floor = await make_floor(site, member, theme, "live")
    inbox = f"{site.settings.origin}/inbox"
    peer.actor("mia")
    group = floor.debate.actor.uri
    await peer.send(f"{group}/inbox", peer.activity("Follow", group, by="mia"), by="mia")
    calling = f'<p><a href="{group}" class="u-url mention">@<span>debate</span></a> Who <b>cleans</b> it?</p>'

    def asks(content: str) -> dict[str, Any]:
        note = peer.note(content, inReplyTo=floor.stub.uri)
        return peer.activity("Create", note)

    async def waiting(count: int) -> list[questions.Asked]:
        async def there() -> Any:
            held = [each for each in await floor.queue() if each.state == "asked"]
            return held if len(held) == count else None

        return list(await until(there))

    for content in (calling, "<p>Who pays?</p>", "<p>Trams are bad.</p>"):
        assert (await peer.send(inbox, asks(content)))[0] == 202
    first, second, third = await waiting(3)
    assert first.html == "<p>Who <b>cleans</b> it?</p>"
    assert first.question is not None
    assert second.question is not None
    assert third.question is not None
    card = await _do(floor, questions.accept, first.question)
    await _do(floor, questions.merge, second.question, first.question)
    await _do(floor, questions.decline, third.question, "It is a statement.")

    def created(words: str) -> list[dict[str, Any]]:
        return [a for a in peer.got("Create", "Note") if words in a["object"]["content"]]

    async def all_told() -> bool:
        return all(created(words) for words in ("asked by", "merged with Q1", "It is a statement."))

    await until(all_told)
    made = created("asked by")[0]
    assert made["object"]["id"] == card.uri
    assert made["object"]["inReplyTo"] == first.post.uri
    assert peer.uri() in [tag["href"] for tag in made["object"]["tag"] if tag["type"] == "Mention"]
    assert peer.uri() in [*made["to"], *made["cc"]]

    async def announced() -> bool:
        return any(a["actor"] == group and a["object"] == card.uri for a in peer.got("Announce"))

    await until(announced)
    notices = [a["object"]["id"] for a in created("merged with Q1")]
    assert notices
    assert not [a for a in peer.got("Announce") if a["object"] in notices], "a notice is for the asker alone"

    # A favourite of the card, and of the question itself, from one account is one vote; of another another.
    for by, about in (("mia", card.uri), ("mia", second.post.uri), ("tess", card.uri)):
        await peer.send(inbox, peer.activity("Like", about, by=by), by=by)
    await _like(floor, floor.admin.actor, card)

    async def counted() -> Any:
        held = next(each for each in await floor.queue() if each.number == 1)
        return (held.here, held.elsewhere) == (1, 2)

    await until(counted)
    answer = await floor.say(floor.panel.actor, "We do, at night.", to=card)

    async def answered() -> Any:
        return created("was answered by pia")

    told = (await until(answered))[0]["object"]
    assert answer.uri in told["content"]
    # Taken back at home: the card keeps the words that were answered, and no name.
    stone = {"id": first.post.uri, "type": "Tombstone"}
    peer.served[first.post.uri.removeprefix(peer.origin)] = stone
    await peer.send(inbox, peer.activity("Delete", stone, to=["https://www.w3.org/ns/activitystreams#Public"]))

    async def renamed() -> Any:
        return [a for a in peer.got("Update", "Note") if a["object"]["id"] == card.uri]

    update_ = (await until(renamed))[-1]["object"]
    assert "tess" not in update_["content"]
    assert "cleans" in update_["content"]


async def test_a_debate_elsewhere_shows_its_cards_and_what_waits(
    site: Site, member: MakeMember, theme: MakeTheme
) -> None:
    floor = await make_floor(site, member, theme, "live")
    anna = (await member("anna")).actor
    one = await floor.ask(anna, "One?")
    await floor.ask(anna, "Two?")
    card = await _do(floor, questions.accept, one)
    await _like(floor, floor.host.actor, card)
    # Seen as if it came from elsewhere, where there are no rows of questions: the posts say enough.
    async with site.database.write() as tx:
        for question in (await tx.execute(select(Question))).scalars().all():
            await tx.delete(question)
        group = await tx.get_one(Actor, floor.debate.actor_id)
        group.host = "far.example"
    rows = await floor.queue(anna)
    assert [(each.state, each.number, each.votes, each.is_next) for each in rows] == [
        ("accepted", 1, 1, True),
        ("asked", 0, 0, False),
    ]
    assert rows[0].asker is not None
    assert rows[0].html.strip() == "<p>One?</p>"
    async with site.database.write() as tx:
        await questions.vote(tx, anna, rows[0], True)
    assert [(each.votes, each.is_voted) for each in await floor.queue(anna)] == [(2, True), (0, False)]
    async with site.database.write() as tx:
        await questions.vote(tx, anna, replace(rows[0]), False)
    answer = await floor.say(floor.panel.actor, "We do.", to=card)
    assert [(each.state, each.answer and each.answer.id) for each in await floor.queue()] == [
        ("asked", None),
        ("answered", answer.id),
    ]
