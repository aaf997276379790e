"""Topics opened here reach the followers elsewhere, and read right there."""

from __future__ import annotations

from collections import Counter

from .browser import Browser
from .members import Member, announces, id_of
from .server import ACTIVITY_JSON, Folkmoot

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


async def test_a_topic_is_announced_plainly_and_wrapped(mobility: str, topic: str, alices: Member) -> None:
    # The member's software is unknown to us: it gets the form of microblogs and the form of forums.
    for wrapped in (None, "Create"):
        record = await alices.expect("the topic", announces(topic, wrapped=wrapped), contains=topic)
        assert record["activity"]["actor"] == mobility
        assert record["headers"]["content-type"] == ACTIVITY_JSON
        assert len(record["activity"]["id"]) < 100
    counts = Counter(r["activity"]["id"] for r in await alices.received(contains=topic))
    assert set(counts.values()) == {1}


async def test_the_opener_has_every_field_that_others_need(
    folkmoot: Folkmoot, mobility: str, topic: str, word: str
) -> None:
    note = await folkmoot.document(topic)
    clara = folkmoot.person("clara")
    assert (note["type"], note["attributedTo"], note["audience"]) == ("Note", clara, mobility)
    assert not {"name", "summary", "inReplyTo"} & {key for key, value in note.items() if value is not None}
    assert note["content"].startswith(f"<p><strong>A tram for {word}</strong></p>")
    assert "<em>use</em>" in note["content"]
    # NodeBB and PieFed prefer the source to the content, and would take the title out of its first sentence.
    assert "source" not in note
    assert isinstance(note["to"], list)
    assert isinstance(note["cc"], list)
    assert {PUBLIC, mobility} <= {*note["to"], *note["cc"]}
    assert mobility in [tag["href"] for tag in note["tag"] if tag["type"] == "Mention"]
    assert note["url"] != topic
    assert topic in [id_of(item) for item in await folkmoot.items(note["context"])]
    assert note["replies"]["first"]["type"].endswith("Page")
    assert await folkmoot.items(note["replies"]) == []


async def test_fedify_dereferences_the_announced_topic(topic: str, alices: Member, word: str) -> None:
    record = await alices.expect("the topic", announces(topic, wrapped=None), contains=topic)
    found = await alices.lookup("alice", record["activity"]["object"])
    assert (found["parsedAs"], found["json"]["id"]) == ("Note", topic)
    assert word in found["json"]["content"]
    assert {"context", "replies", "audience", "published"} <= found["json"].keys()

    wrapped = await alices.expect("the topic, wrapped", announces(topic, wrapped="Create"), contains=topic)
    create = await alices.lookup("alice", wrapped["activity"]["object"]["id"])
    assert create["parsedAs"] == "Create"


async def test_a_topic_from_the_command_line_is_announced(
    folkmoot: Folkmoot, mobility: str, alices: Member, visitor: Browser, word: str
) -> None:
    topic = await folkmoot.open_topic("clara", "mobility", f"Bridges {word}", "How many *more*?")
    await alices.expect("the topic", announces(topic, wrapped=None), contains=topic)
    wrapped = await alices.expect("the topic, wrapped", announces(topic, wrapped="Create"), contains=topic)
    note = wrapped["activity"]["object"]["object"]
    assert (note["id"], note["attributedTo"]) == (topic, folkmoot.person("clara"))
    await visitor.see(await folkmoot.topic_page(topic), f"Bridges {word}")


async def test_the_topic_page_and_the_object_share_their_address(
    folkmoot: Folkmoot, topic: str, visitor: Browser, word: str
) -> None:
    page = await visitor.get(topic)
    assert f"A tram for {word}" in page.text
    assert f"A tram for {word}" in (await visitor.get(await folkmoot.topic_page(topic))).text
