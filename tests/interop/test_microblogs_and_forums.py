"""What a theme sends to microblogs and what to forums, told apart by what a follower's server says it runs."""

from __future__ import annotations

import json
from collections import Counter

import pytest_asyncio

from .browser import Browser
from .members import Member, Record, announces, id_of, sends
from .server import Folkmoot


@pytest_asyncio.fixture(scope="module")
async def harbour(folkmoot: Folkmoot, clara: Browser, microblog: Member, forum: Member) -> str:
    """A theme that mia on a microblog and fred on a forum follow, and nobody else."""
    theme = await clara.add_theme("harbour", "Harbour")
    for member, name in ((microblog, "mia"), (forum, "fred")):
        await member.follow(name, theme)
        await member.expect_accepted(name, theme)
        await clara.see(f"/staff/hosts?q={member.host}", member.software)
    return theme


def shapes(records: list[Record]) -> Counter[str]:
    """What kinds of activities came, as in Announce(Create)."""
    found: Counter[str] = Counter()
    for record in records:
        inner = record["activity"]["object"]
        kind = record["activity"]["type"]
        found[f"{kind}({inner['type']})" if isinstance(inner, dict) else kind] += 1
    return found


async def test_a_local_authors_topic_lives_and_dies_on_both(
    folkmoot: Folkmoot, harbour: str, clara: Browser, microblog: Member, forum: Member, word: str
) -> None:
    author = folkmoot.person("clara")
    topic = await clara.open_topic("harbour", f"A pier for {word}", "Of *wood*?")
    boost = await microblog.expect("the boost", announces(topic, wrapped=None), contains=topic)
    await forum.expect("the topic, wrapped", announces(topic, wrapped="Create"), contains=topic)
    create = await forum.expect("the author's own Create, for Lemmy", sends("Create", topic), contains=topic)
    assert create["verify"]["http"]["owner"] == author
    path = await folkmoot.topic_page(topic)
    shown = await clara.send(f"/t/{path.split('/')[2]}/reply", page=path, text=f"Of stone, {word}")
    reply = f"{folkmoot.origin}/p/{shown.entry(f'Of stone, {word}').post}"
    await forum.expect("the reply, wrapped", announces(reply, wrapped="Create"), contains=reply)

    await clara.send(f"/p/{topic.rsplit('/', 1)[-1]}/edit", page=path, title=f"A quay for {word}", text="Of *stone*?")
    edit = await microblog.expect("the author's own edit", sends("Update", topic), contains=topic)
    assert edit["verify"]["http"]["owner"] == edit["activity"]["actor"] == author
    assert f"A quay for {word}" in edit["activity"]["object"]["content"]
    await forum.expect("the edit, wrapped", announces(topic, wrapped="Update"), contains=topic)

    await clara.send(f"/p/{topic.rsplit('/', 1)[-1]}/delete", page=path)
    deletion = await microblog.expect("the author's own deletion", sends("Delete", topic), contains=topic)
    assert deletion["verify"]["http"]["owner"] == author
    assert "summary" not in deletion["activity"]
    undo = await microblog.expect("the boost withdrawn", sends("Undo", boost["activity"]["id"]), contains=topic)
    withdrawn = undo["activity"]["object"]
    assert (withdrawn["type"], withdrawn["actor"], withdrawn["object"]) == ("Announce", harbour, topic)
    await forum.expect("the deletion, wrapped", announces(topic, wrapped="Delete"), contains=topic)

    # Nothing wrapped to microblogs, no boost to forums; the reply never went to a home feed.
    assert shapes(await microblog.received(contains=topic)) == {
        "Announce": 1, "Update(Note)": 1, "Delete(Tombstone)": 1, "Undo(Announce)": 1,
    }  # fmt: skip
    told = shapes(await forum.received(contains=topic))
    assert not {"Announce", "Undo(Announce)"} & told.keys()


async def test_what_a_remote_author_changes_is_passed_on_as_it_came(
    folkmoot: Folkmoot, harbour: str, clara: Browser, microblog: Member, forum: Member, alices: Member, word: str,
) -> None:  # fmt: skip
    sent = await alices.post("alice", f"Where do the ferries of {word} go?", mention=harbour, proof=True)
    topic, alice = sent["object"], alices.uri("alice")
    await microblog.expect("the boost", announces(topic, wrapped=None), contains=topic)
    wrapped = await forum.expect("the topic, wrapped", announces(topic, wrapped="Create"), contains=topic)
    assert wrapped["activity"]["object"] == sent["activity"]

    # An edit without a proof can be announced, which the forum looks up, but not forwarded.
    plain = await alices.update("alice", topic, f"Where will the ferries of {word} go?")
    await forum.expect("the edit, wrapped", lambda r: id_of(r["activity"]["object"]) == plain["id"], contains=topic)
    proven = await alices.update("alice", topic, f"Where must the ferries of {word} go?", proof=True)
    forwarded = await microblog.expect("the proven edit", lambda r: r["activity"]["id"] == proven["id"], contains=topic)
    assert forwarded["raw"] == json.dumps(proven["activity"], separators=(",", ":"), ensure_ascii=False)
    http = forwarded["verify"]["http"]
    assert (http["ok"], http["owner"], forwarded["activity"]["actor"]) == (True, harbour, alice)
    assert forwarded["verify"]["proof"]["ok"]
    again = await forum.expect(
        "the proven edit, wrapped", lambda r: id_of(r["activity"]["object"]) == proven["id"], contains=topic
    )
    assert again["activity"]["object"] == proven["activity"]

    gone = await alices.delete("alice", topic, proof=True)
    deletion = await microblog.expect("the deletion", lambda r: r["activity"]["id"] == gone["id"], contains=topic)
    assert deletion["verify"]["proof"]["ok"]
    await microblog.expect("the boost withdrawn", lambda r: r["type"] == "Undo", contains=topic)
    await forum.expect("the deletion, wrapped", announces(topic, wrapped="Delete"), contains=topic)
    assert plain["id"] not in [r["activity"]["id"] for r in await microblog.received(contains=topic)]


async def test_a_moderators_removal_withdraws_the_boost_of_a_remote_authors_topic(
    folkmoot: Folkmoot, harbour: str, clara: Browser, microblog: Member, forum: Member, alices: Member, word: str
) -> None:
    topic = (await alices.post("alice", f"Cheap watches, {word}!", mention=harbour))["object"]
    boost = await microblog.expect("the boost", announces(topic, wrapped=None), contains=topic)
    await forum.expect("the topic, wrapped", announces(topic, wrapped="Create"), contains=topic)
    page = await clara.get(f"/find?q={topic}")
    number = page.entry(f"Cheap watches, {word}").post
    await clara.send(f"/p/{number}/delete", page=page.path, reason="Advertising")
    undo = await microblog.expect("the boost withdrawn", sends("Undo", boost["activity"]["id"]), contains=topic)
    assert undo["activity"]["object"]["object"] == topic
    removal = await forum.expect("the removal, wrapped", announces(topic, wrapped="Delete"), contains=topic)
    inner = removal["activity"]["object"]
    assert (inner["actor"], inner["summary"]) == (folkmoot.person("clara"), "Advertising")
    told = await alices.expect("the removal", sends("Delete", topic), contains=topic)
    assert told["activity"]["actor"] == folkmoot.person("clara")
