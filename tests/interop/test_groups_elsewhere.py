"""A group on another server that a member of ours follows: what it announces, in every form, and our answers to it."""

from __future__ import annotations

from typing import Any

import pytest_asyncio

from .browser import Browser
from .members import Member, Record, id_of
from .server import Folkmoot

AS2 = "https://www.w3.org/ns/activitystreams"
PUBLIC = f"{AS2}#Public"


class Lounge:
    """A group on bob's server; alice and anna, of another server, write in it."""

    def __init__(self, home: Member, folkmoot: Folkmoot) -> None:
        self.home, self.uri = home, home.uri("lounge")
        self.inbox = f"{folkmoot.origin}/inbox"
        self.path = f"/g/lounge@{home.host}"
        self.count = 0

    async def announce(self, about: Any) -> str:
        """Tell the followers; the id of the Announce."""
        self.count += 1
        activity = {
            "@context": AS2, "id": f"{self.uri}/announces/{self.count}", "type": "Announce", "actor": self.uri,
            "object": about, "to": [PUBLIC], "cc": [f"{self.uri}/followers"],
        }  # fmt: skip
        await self.home.raw("lounge", activity=activity, inbox=self.inbox)
        return str(activity["id"])


@pytest_asyncio.fixture(scope="module")
async def lounge(folkmoot: Folkmoot, clara: Browser, bobs: Member) -> Lounge:
    """The group, which clara found by its handle and follows."""
    await bobs.add_actor("lounge", "Group")
    found = Lounge(bobs, folkmoot)
    await clara.send("/follow", page=f"/find?q={bobs.handle('lounge')}", action="follow")
    follow = await bobs.expect("the Follow", lambda r: r["type"] == "Follow", contains=found.uri)
    assert follow["activity"]["actor"] == follow["verify"]["http"]["owner"] == folkmoot.person("clara")
    await clara.see(found.path, "You follow")
    assert (await bobs.state())["actors"]["lounge"]["followers"] == [folkmoot.person("clara")]
    return found


async def write(alices: Member, lounge: Lounge, text: str, by: str = "alice", **more: Any) -> dict[str, Any]:
    """A contribution that its author sent to the group, and to nobody else; the Create."""
    sent = await alices.post(by, text, mention=lounge.uri, inbox=f"{lounge.uri}/inbox", **more)
    activity: dict[str, Any] = sent["activity"]
    return activity


async def test_every_form_of_an_announce_is_understood(
    clara: Browser, lounge: Lounge, alices: Member, word: str
) -> None:
    # The id of an object, and the ids of activities.
    topic = await write(alices, lounge, f"Which rooms has {word}?")
    await lounge.announce(topic["object"]["id"])
    await clara.see(lounge.path, f"Which rooms has {word}?")
    path = (await clara.get(f"/find?q={topic['object']['id']}")).path
    first = await write(alices, lounge, f"Three {word}", "anna", inReplyTo=topic["object"]["id"])
    await lounge.announce(first["id"])
    await clara.see(path, f"Three {word}")

    # An activity inside, one that somebody changed on the way, and several at once.
    second = await write(alices, lounge, f"Four {word}", inReplyTo=first["object"]["id"])
    await lounge.announce(second)
    await clara.see(path, f"Four {word}")
    honest = await write(alices, lounge, f"Honest {word}", inReplyTo=first["object"]["id"])
    await lounge.announce(honest | {"object": honest["object"] | {"content": f"<p>Forged {word}</p>"}})
    assert f"Forged {word}" not in (await clara.see(path, f"Honest {word}")).html
    fifth = await write(alices, lounge, f"Five {word}", inReplyTo=topic["object"]["id"])
    sixth = await write(alices, lounge, f"Six {word}", inReplyTo=topic["object"]["id"])
    await lounge.announce([fifth["object"]["id"], sixth])
    await clara.see(path, f"Five {word}")
    await clara.see(path, f"Six {word}")
    batch = [await write(alices, lounge, f"Batch {each} of {word}", inReplyTo=first["object"]["id"]) for each in "AB"]
    await lounge.announce({"type": "OrderedCollection", "totalItems": 2, "orderedItems": batch})
    for each in "AB":
        await clara.see(path, f"Batch {each} of {word}")

    # An object inside is not taken at its word either.
    seventh = (await write(alices, lounge, f"Seven {word}", inReplyTo=topic["object"]["id"]))["object"]
    await lounge.announce(seventh | {"content": f"<p>Eight {word}</p>"})
    assert f"Eight {word}" not in (await clara.see(path, f"Seven {word}")).html


async def test_what_happens_to_posts_of_the_group_is_followed(
    clara: Browser, lounge: Lounge, alices: Member, word: str
) -> None:
    topic = await write(alices, lounge, f"Who has the key of {word}?")
    await lounge.announce(topic)
    await clara.see(lounge.path, word)
    path = (await clara.get(f"/find?q={topic['object']['id']}")).path
    reply = await write(alices, lounge, f"Not me, {word}", "anna", inReplyTo=topic["object"]["id"])
    await lounge.announce(reply)
    await clara.see(path, f"Not me, {word}")

    edit = await alices.update("anna", reply["object"]["id"], f"Found it, {word}", inbox=f"{lounge.uri}/inbox")
    await lounge.announce(edit["activity"])
    assert f"Not me, {word}" not in (await clara.see(path, f"Found it, {word}")).text

    likes = await alices.like("alice", reply["object"]["id"], inbox=f"{lounge.uri}/inbox")
    await lounge.announce(likes["activity"])
    await clara.see(path, "Like 1")
    undo = await alices.undo("alice", likes["id"], inbox=f"{lounge.uri}/inbox")
    await lounge.announce(undo["activity"])
    await clara.miss(path, "Like 1")

    # A deletion is believed when the origin says so, too: of what is still there nothing is taken away.
    about = topic["object"]["id"]
    gone = (await alices.delete("anna", reply["object"]["id"], inbox=f"{lounge.uri}/inbox"))["activity"]
    alice = alices.uri("alice")
    await lounge.announce(
        gone | {"id": f"{about}#forged", "actor": alice, "object": {"type": "Tombstone", "id": about}}
    )
    await lounge.announce(gone)
    await clara.miss(path, f"Found it, {word}")
    assert f"Who has the key of {word}?" in (await clara.get(path)).text


async def test_the_moderators_of_the_group_are_obeyed_in_its_topics(
    folkmoot: Folkmoot, topic: str, clara: Browser, lounge: Lounge, alices: Member, bobs: Member, word: str
) -> None:
    opener = await write(alices, lounge, f"Whose turn is it, {word}?")
    await lounge.announce(opener)
    await clara.see(lounge.path, word)
    path = (await clara.get(f"/find?q={opener['object']['id']}")).path
    reply = await write(alices, lounge, f"Yours, {word}", "anna", inReplyTo=opener["object"]["id"])
    await lounge.announce(reply)
    await clara.see(path, f"Yours, {word}")
    answer = f"/t/{path.split('/')[2]}/reply"
    assert (await clara.get(path)).form(answer)

    def of_bob(kind: str, about: Any, **fields: Any) -> dict[str, Any]:
        return {
            "id": f"{bobs.uri('bob')}/{kind}/{word}{len(str(about))}", "type": kind, "actor": bobs.uri("bob"),
            "object": about, "to": [PUBLIC], "cc": [lounge.uri], "audience": lounge.uri, **fields,
        }  # fmt: skip

    # Of a topic of ours, and of ours it has no say.
    await lounge.announce(of_bob("Lock", topic))
    await lounge.announce(of_bob("Delete", topic, summary="Out of order"))
    lock = of_bob("Lock", opener["object"]["id"])
    await lounge.announce(lock)
    await clara.see(path, "closed")
    assert (await clara.get(path)).form(answer) is None
    await lounge.announce(of_bob("Undo", lock))
    await clara.miss(path, "closed")
    await lounge.announce(of_bob("Delete", reply["object"]["id"], summary="Out of order"))
    page = await clara.miss(path, f"Yours, {word}")
    assert "Out of order" in page.text
    ours = await clara.get(await folkmoot.topic_page(topic))
    assert (f"A tram for {word}" in ours.text, "closed" in ours.text) == (True, False)


async def test_our_answer_counts_as_taken_when_the_group_announces_it(
    folkmoot: Folkmoot, clara: Browser, lounge: Lounge, alices: Member, bobs: Member, word: str
) -> None:
    topic = await write(alices, lounge, f"Tea or {word}?")
    await lounge.announce(topic)
    await clara.see(lounge.path, word)
    path = (await clara.get(f"/find?q={topic['object']['id']}")).path
    shown = await clara.send(f"/t/{path.split('/')[2]}/reply", page=path, text=f"Both, and {word}")
    assert "Waiting until lounge takes it" in shown.text

    def is_answer(record: Record) -> bool:
        about = record["activity"].get("object")
        return bool(record["type"] == "Create" and about.get("inReplyTo") == topic["object"]["id"])

    at_home = await bobs.expect("our answer", is_answer, contains=topic["object"]["id"])
    create = at_home["activity"]
    note = create["object"]
    assert create["actor"] == at_home["verify"]["http"]["owner"] == folkmoot.person("clara")
    assert lounge.uri in [tag["href"] for tag in note["tag"] if tag["type"] == "Mention"]
    assert lounge.uri in [*note["to"], *note["cc"]]
    assert note["audience"] == lounge.uri
    await alices.expect("our answer", is_answer, contains=topic["object"]["id"])

    await lounge.announce(create)
    await clara.see(path, "Taken by lounge")
    assert (await clara.get(path)).text.count(f"Both, and {word}") == 1
    # None of our own groups says anything about it.
    ours = [r for r in await alices.received(contains=id_of(note)) if r["type"] == "Announce"]
    assert ours == []


async def test_who_is_not_followed_and_who_is_no_group_announces_in_vain(
    folkmoot: Folkmoot, mobility: str, clara: Browser, lounge: Lounge, alices: Member, bobs: Member, word: str
) -> None:
    await bobs.add_actor(f"g{word}", "Group")
    strange = await write(alices, lounge, f"Strange {word}")
    for by in (f"g{word}", "ben"):
        boost = {
            "@context": AS2, "id": f"{bobs.uri(by)}/announces/{word}", "type": "Announce", "actor": bobs.uri(by),
            "object": strange["object"]["id"], "to": [PUBLIC],
        }  # fmt: skip
        await bobs.raw(by, activity=boost, inbox=lounge.inbox)
    later = await write(alices, lounge, f"Later {word}")
    await lounge.announce(later)
    await clara.see(lounge.path, f"Later {word}")
    assert f"Strange {word}" not in (await clara.get(lounge.path)).text
