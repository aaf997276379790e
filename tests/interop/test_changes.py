"""Editing and deleting, from both sides."""

from __future__ import annotations

import re

from .browser import Browser
from .members import ANY, Member, announces, id_of, sends
from .server import Folkmoot


async def test_a_members_edit_shows_with_its_history(
    folkmoot: Folkmoot, topic: str, alices: Member, bobs: Member, visitor: Browser, clara: Browser, word: str
) -> None:
    reply = (await alices.post("alice", f"Before {word}", inReplyTo=topic))["object"]
    path = await folkmoot.topic_page(topic)
    await visitor.see(path, f"Before {word}")
    await alices.update("alice", reply, f"After {word}")
    page = await visitor.see(path, f"After {word}")
    assert f"Before {word}" not in page.text
    await bobs.expect("the edit, wrapped", announces(reply, wrapped="Update"), contains=reply)

    entry = (await clara.get(path)).entry(f"After {word}")
    [history] = {p for p in entry.paths if re.fullmatch(r"/p/\d+/history", p)}
    assert f"Before {word}" in (await clara.get(history)).text


async def test_only_the_author_can_edit_or_delete(
    folkmoot: Folkmoot, topic: str, alices: Member, bobs: Member, visitor: Browser, word: str
) -> None:
    reply = (await alices.post("alice", f"Mine {word}", inReplyTo=topic))["object"]
    path = await folkmoot.topic_page(topic)
    await visitor.see(path, f"Mine {word}")
    bob, inbox = bobs.uri("bob"), f"{folkmoot.origin}/inbox"
    head = {"@context": "https://www.w3.org/ns/activitystreams", "actor": bob, "to": [alices.uri("alice")]}
    for target in (reply, topic):
        stolen = {"id": target, "type": "Note", "attributedTo": bob, "content": f"<p>Stolen {word}</p>"}
        update = head | {"id": f"{bob}#update/{word}{len(target)}", "type": "Update", "object": stolen}
        delete = head | {"id": f"{bob}#delete/{word}{len(target)}", "type": "Delete", "object": target}
        await bobs.raw("bob", activity=update, inbox=inbox, answers=ANY)
        await bobs.raw("bob", activity=delete, inbox=inbox, answers=ANY)
    await bobs.post("bob", f"Honest {word}", inReplyTo=topic)
    page = await visitor.see(path, f"Honest {word}")
    assert f"Mine {word}" in page.text
    assert f"A tram for {word}" in page.text
    assert f"Stolen {word}" not in page.html


async def test_an_edit_in_the_browser_reaches_the_members_signed_by_the_author(
    folkmoot: Folkmoot, topic: str, alices: Member, clara: Browser, word: str
) -> None:
    await alices.expect("the topic", announces(topic, wrapped=None), contains=topic)
    path, number = await folkmoot.topic_page(topic), topic.rsplit("/", 1)[-1]
    await clara.send(f"/p/{number}/edit", page=path, title=f"A cable car for {word}", text="Who would *ride* it?")
    record = await alices.expect("the Update", sends("Update", topic), contains=topic)
    assert record["verify"]["http"]["owner"] == record["activity"]["actor"] == folkmoot.person("clara")
    note = record["activity"]["object"]
    assert note["content"].startswith(f"<p><strong>A cable car for {word}</strong></p>")
    assert "updated" in note
    assert "<em>ride</em>" in (await folkmoot.document(topic))["content"]


async def test_a_members_deletion_takes_the_reply_away(
    folkmoot: Folkmoot, topic: str, alices: Member, bobs: Member, visitor: Browser, word: str
) -> None:
    reply = (await alices.post("alice", f"Regret {word}", inReplyTo=topic))["object"]
    path = await folkmoot.topic_page(topic)
    await visitor.see(path, f"Regret {word}")
    await alices.delete("alice", reply)
    await visitor.miss(path, f"Regret {word}")
    await bobs.expect("the deletion, wrapped", announces(reply, wrapped="Delete"), contains=reply)
    opener = await folkmoot.document(topic)
    for collection in ("replies", "context"):
        assert reply not in [id_of(item) for item in await folkmoot.items(opener[collection])]


async def test_a_deleted_reply_does_not_come_back(
    folkmoot: Folkmoot, topic: str, alices: Member, visitor: Browser, word: str
) -> None:
    sent = await alices.post("alice", f"Regret {word}", inReplyTo=topic)
    path = await folkmoot.topic_page(topic)
    await visitor.see(path, f"Regret {word}")
    await alices.delete("alice", sent["object"])
    await visitor.miss(path, f"Regret {word}")
    again = sent["activity"] | {"id": f"{sent['id']}#again"}
    await alices.raw("alice", activity=again, inbox=f"{folkmoot.origin}/inbox", answers=ANY)
    await alices.post("alice", f"Next {word}", inReplyTo=topic)
    assert f"Regret {word}" not in (await visitor.see(path, f"Next {word}")).html


async def test_a_deletion_in_the_browser_reaches_the_members_and_leaves_a_tombstone(
    folkmoot: Folkmoot, topic: str, alices: Member, clara: Browser, visitor: Browser, word: str
) -> None:
    await alices.post("alice", f"Question {word}", inReplyTo=topic)
    path = await folkmoot.topic_page(topic)
    await visitor.see(path, f"Question {word}")
    answer = await folkmoot.reply("clara", topic, f"Hasty answer {word}")
    await alices.expect("the answer", sends("Create", answer), contains=answer)
    await clara.send(f"/p/{answer.rsplit('/', 1)[-1]}/delete", page=path)

    record = await alices.expect("the Delete", sends("Delete", answer), contains=answer)
    assert record["verify"]["http"]["owner"] == folkmoot.person("clara")
    status, _, tombstone = await folkmoot.get(answer)
    assert (status, tombstone["type"], tombstone["id"]) == (410, "Tombstone", answer)
    await visitor.miss(path, f"Hasty answer {word}")


async def test_what_was_taken_back_before_it_came_has_no_effect(
    folkmoot: Folkmoot, topic: str, alices: Member, visitor: Browser, word: str
) -> None:
    inbox = f"{folkmoot.origin}/inbox"
    reply = await alices.post("alice", f"Regret {word}", inReplyTo=topic, inbox=[])
    like = await alices.like("alice", topic, inbox=[])
    await alices.delete("alice", reply["object"], inbox=inbox)
    await alices.undo("alice", like["id"], inbox=inbox)
    path = await folkmoot.topic_page(topic)
    await alices.post("alice", f"Meanwhile {word}", inReplyTo=topic)
    await visitor.see(path, f"Meanwhile {word}")
    for late in (reply, like):
        await alices.resend(late["id"], inbox=inbox, answers=ANY)
    await alices.post("alice", f"Next {word}", inReplyTo=topic)
    assert f"Regret {word}" not in (await visitor.see(path, f"Next {word}")).html
    assert await folkmoot.likes(topic) == 0
