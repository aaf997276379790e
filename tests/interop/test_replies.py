"""Conversations across servers: who answers, who sees it, who is told."""

from __future__ import annotations

import pytest

from .browser import Browser
from .members import Member, announces, id_of, sends
from .server import Folkmoot


@pytest.mark.parametrize("sign", ["cavage", "rfc9421"])
async def test_a_members_reply_is_on_the_page_and_in_the_collections(
    folkmoot: Folkmoot, topic: str, alices: Member, visitor: Browser, word: str, sign: str
) -> None:
    sent = await alices.post("alice", f"I would {word}", inReplyTo=topic, sign=sign)
    page = await visitor.see(await folkmoot.topic_page(topic), f"I would {word}")
    assert alices.host in page.entry(f"I would {word}").text
    opener = await folkmoot.document(topic)
    assert sent["object"] in [id_of(item) for item in await folkmoot.items(opener["replies"])]
    assert [id_of(item) for item in await folkmoot.items(opener["context"])] == [topic, sent["object"]]


async def test_followers_get_a_reply_wrapped_and_never_boosted(
    clara: Browser, mobility: str, topic: str, alices: Member, bobs: Member, word: str
) -> None:
    sent = await alices.post("alice", f"I would {word}", inReplyTo=topic)
    record = await bobs.expect(
        "the reply, wrapped", announces(sent["object"], wrapped="Create"), contains=sent["object"]
    )
    assert record["activity"]["actor"] == mobility
    assert record["activity"]["object"]["actor"] == alices.uri("alice")
    # What comes after it in the same lane has arrived, so a boost of the reply would have, too.
    later = await clara.open_topic("mobility", f"Later {word}", "A later topic.")
    await bobs.expect("a later topic", announces(later, wrapped=None), contains=later)
    boosts = [r for r in await bobs.received(contains=sent["object"]) if announces(sent["object"], wrapped=None)(r)]
    assert boosts == []


async def test_a_reply_arrives_at_an_open_page(
    folkmoot: Folkmoot, topic: str, alices: Member, visitor: Browser, word: str
) -> None:
    path = "/".join((await folkmoot.topic_page(topic)).split("/")[:3])
    async with visitor.listening(f"{path}/live") as stream:
        await alices.post("alice", f"Live {word}", inReplyTo=topic)
        event = await stream.next("post")
    assert f"/t/{event['topic']}" == path
    assert {"post", "number"} <= event.keys()
    assert word not in str(event)
    fragment = await visitor.get(f"{path}/posts?after={event['number'] - 1}")
    assert f"Live {word}" in fragment.text


async def test_an_answer_to_a_remote_reply_goes_straight_to_its_author(
    folkmoot: Folkmoot, topic: str, alices: Member, clara: Browser, word: str
) -> None:
    reply = (await alices.post("alice", f"Question {word}", inReplyTo=topic))["object"]
    path = await folkmoot.topic_page(topic)
    entry = (await clara.see(path, f"Question {word}")).entry(f"Question {word}")
    number = path.split("/")[2]
    shown = await clara.send(f"/t/{number}/reply", page=path, text=f"Answer *{word}*", reply_to=entry.post)
    assert f"Answer {word}" in shown.text

    record = await alices.expect(
        "the answer", lambda r: r["type"] == "Create" and r["activity"]["object"]["inReplyTo"] == reply, contains=reply
    )
    note = record["activity"]["object"]
    author, alice = folkmoot.person("clara"), alices.uri("alice")
    assert (record["activity"]["actor"], record["verify"]["http"]["owner"], note["attributedTo"]) == (author,) * 3
    assert alice in [tag["href"] for tag in note["tag"] if tag["type"] == "Mention"]
    assert alice in [*note["to"], *note["cc"]]
    assert (note["type"], "name" in note) == ("Note", False)
    assert note["source"] == {"content": f"Answer *{word}*", "mediaType": "text/markdown"}
    assert note["context"] == (await folkmoot.document(topic))["context"]
    assert (await folkmoot.document(note["id"]))["inReplyTo"] == reply


async def test_a_reply_from_the_command_line_reaches_who_takes_part(
    folkmoot: Folkmoot, topic: str, alices: Member, visitor: Browser, word: str
) -> None:
    reply = (await alices.post("alice", f"Question {word}", inReplyTo=topic))["object"]
    await visitor.see(await folkmoot.topic_page(topic), f"Question {word}")
    answer = await folkmoot.reply("clara", reply, f"Answer {word}")
    await alices.expect("the answer", sends("Create", answer), contains=answer)


async def test_members_of_two_servers_talk_to_each_other_in_our_topic(
    folkmoot: Folkmoot, mobility: str, topic: str, alices: Member, bobs: Member, visitor: Browser, word: str
) -> None:
    question = (await alices.post("alice", f"Question {word}", inReplyTo=topic))["object"]
    path = await folkmoot.topic_page(topic)
    await visitor.see(path, f"Question {word}")
    answer = (await bobs.post("bob", f"Answer {word}", inReplyTo=question, mention=mobility))["object"]
    await visitor.see(path, f"Answer {word}")
    context = (await folkmoot.document(topic))["context"]
    assert [id_of(item) for item in await folkmoot.items(context)] == [topic, question, answer]


async def test_a_direct_reply_is_not_shown_to_the_world(
    folkmoot: Folkmoot, topic: str, alices: Member, visitor: Browser, word: str
) -> None:
    await alices.post("alice", f"Secret {word}", inReplyTo=topic, visibility="direct")
    await alices.post("alice", f"Public {word}", inReplyTo=topic)
    page = await visitor.see(await folkmoot.topic_page(topic), f"Public {word}")
    assert f"Secret {word}" not in page.html


async def test_markup_from_elsewhere_is_made_harmless(
    folkmoot: Folkmoot, topic: str, alices: Member, visitor: Browser, word: str
) -> None:
    html = f'<p>Fine {word}</p><script>bad{word}()</script><img src="x:" onerror="bad{word}()">'
    html += f'<a href="javascript:bad{word}">click</a>'
    await alices.post("alice", "", html=html, inReplyTo=topic)
    page = await visitor.see(await folkmoot.topic_page(topic), f"Fine {word}")
    assert f"bad{word}" not in page.html


async def test_the_operator_can_ask_what_became_of_an_activity(
    folkmoot: Folkmoot, topic: str, alices: Member, visitor: Browser, word: str
) -> None:
    sent = await alices.post("alice", f"Known {word}", inReplyTo=topic)
    await visitor.see(await folkmoot.topic_page(topic), f"Known {word}")
    told = await folkmoot.explain(sent["id"])
    assert "Create" in told
    assert alices.uri("alice") in told
