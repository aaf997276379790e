"""A member of ours follows a group and a person elsewhere, reads and answers there, and goes along with a move."""

from __future__ import annotations

from urllib.parse import urlencode

from .browser import Browser
from .members import Member
from .server import Folkmoot


async def _follow(clara: Browser, member: Member, name: str, mark: str = "@") -> str:
    """Find somebody by handle and follow them; returns the path of their page here."""
    page = await clara.get("/find?" + urlencode({"q": f"{mark}{name}@{member.host}"}))
    await clara.send("/follow", page=page.path, action="follow")
    await clara.see(page.path, "You follow")
    return page.path


async def test_a_group_elsewhere_is_followed_read_and_written_in(
    folkmoot: Folkmoot, clara: Browser, alices: Member, word: str
) -> None:
    group = await alices.add_actor(word, "Group")
    path = await _follow(clara, alices, word, "!")
    assert path == f"/g/{word}@{alices.host}"
    assert f"{folkmoot.origin}/u/clara" in (await alices.state())["actors"][word]["followers"]

    theirs = await alices.post("alice", f"Rails of {word}. Wide or narrow?", mention=group)
    await alices.announce(word, theirs["object"])
    await clara.see(path, f"Rails of {word}.")

    await clara.open_topic(path.removeprefix("/g/"), f"Sleepers of {word}", "Wood or concrete?")
    create = await alices.expect(
        "the topic", lambda r: r["activity"]["type"] == "Create" and word in str(r["activity"]), contains="Sleepers"
    )
    note = create["activity"]["object"]
    assert note["audience"] == group
    assert group in note["to"]
    assert any(tag["href"] == group for tag in note["tag"])
    topic = await folkmoot.topic_page(note["id"])
    await clara.see(topic, "Waiting until")
    await alices.announce(word, note["id"])
    await clara.see(topic, "Taken by")


async def test_a_person_is_followed_answered_and_followed_where_they_move(
    folkmoot: Folkmoot, clara: Browser, alices: Member, bobs: Member, word: str
) -> None:
    old = await alices.add_actor(word)
    path = await _follow(clara, alices, word)
    posted = await alices.post(word, f"The night bus of {word} is full. We need one more.")
    page = await clara.see(path, f"The night bus of {word} is full.")
    topic = next(link for link, words in page.links if f"{word} is full" in words).partition("#")[0]
    topic = topic.removeprefix(folkmoot.origin).removesuffix("/1")
    number = topic.split("/")[2]
    await clara.send(f"/t/{number}/reply", page=topic, text="I would take it too.")
    reply = await alices.expect(
        "the reply", lambda r: r["activity"]["type"] == "Create", contains="I would take it too."
    )
    note = reply["activity"]["object"]
    assert note["inReplyTo"] == posted["object"]
    assert "audience" not in note
    assert [tag["href"] for tag in note["tag"] if tag["type"] == "Mention"] == [old]

    new = await bobs.add_actor(word)
    await bobs.command("alias", as_=word, target=old)
    await alices.command("move", as_=word, target=new)
    await bobs.expect("the follow of the new account", lambda r: r["activity"]["type"] == "Follow", contains=word)
    await alices.expect("the end of the old follow", lambda r: r["activity"]["type"] == "Undo", contains=old)
    await clara.see(f"/u/{word}@{bobs.host}", "You follow")
    await clara.see(path, "has moved to")
    await clara.see("/notifications", "An account that you followed has moved")
