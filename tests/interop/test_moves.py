"""Accounts that move: whom our members follow is followed to the new place, and who follows ours is led there."""

from __future__ import annotations

import pytest

from .browser import Browser
from .conftest import PASSWORD
from .members import Member, id_of
from .server import Folkmoot


async def test_a_group_that_moves_is_followed_only_where_the_new_one_agrees(
    folkmoot: Folkmoot, clara: Browser, alices: Member, bobs: Member, word: str
) -> None:
    old, new = await alices.add_actor(word, "Group"), await bobs.add_actor(f"n{word}", "Group")
    await clara.send("/follow", page=f"/find?q={alices.handle(word)}", action="follow")
    await clara.see(f"/find?q={alices.handle(word)}", "You follow")
    author = folkmoot.person("clara")

    # Where the new account does not say that it is the same, nobody is led there.
    inbox = f"{folkmoot.origin}/inbox"
    await alices.command("move", as_=word, target=new, inbox=inbox)
    # What is about one object is done in order: when this is seen, the Move has been looked at.
    await alices.command("update", as_=word, profile={"name": f"Old {word}"}, inbox=inbox)
    await clara.see("/following", f"Old {word}")
    assert await bobs.received(kind="Follow", contains=new) == []

    await bobs.command("alias", as_=f"n{word}", target=old)
    await alices.command("move", as_=word, target=new, inbox=inbox)
    follow = await bobs.expect("the Follow", lambda r: r["type"] == "Follow", contains=new)
    assert (follow["activity"]["actor"], follow["verify"]["http"]["owner"]) == (author, author)
    undo = await alices.expect("the Undo", lambda r: r["type"] == "Undo", contains=old)
    assert id_of(undo["activity"]["object"]["object"]) == old
    await clara.see("/following", f"n{word}")
    await clara.see(f"/find?q={alices.handle(word)}", "has moved to")


async def test_a_member_of_ours_moves_and_followers_are_told(
    folkmoot: Folkmoot, alices: Member, bobs: Member, word: str
) -> None:
    ours = await folkmoot.add_member(word, PASSWORD)
    new = await bobs.add_actor(f"n{word}")
    await alices.follow("alice", ours)
    await alices.expect_accepted("alice", ours)
    browser = await folkmoot.browser(word, PASSWORD)
    try:
        settings = "/settings/moving"
        values = {"action": "move", "target": bobs.handle(f"n{word}"), "password": PASSWORD}
        with pytest.raises(AssertionError, match="answered 422"):
            await browser.send(settings, page=settings, **values)
        await bobs.command("alias", as_=f"n{word}", target=ours)
        await browser.send(settings, page=settings, **values)
    finally:
        await browser.close()
    record = await alices.expect("the Move", lambda r: r["type"] == "Move", contains=ours)
    move = record["activity"]
    assert (move["actor"], move["object"], move["target"]) == (ours, ours, new)
    assert record["verify"]["http"]["owner"] == ours
    assert (await folkmoot.document(ours))["movedTo"] == new
