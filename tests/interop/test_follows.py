"""Following a theme from another server, and ceasing to."""

from __future__ import annotations

import pytest

from .browser import Browser
from .members import Member, Record, announces
from .server import Folkmoot


def accepts(follow: Record, theme: str) -> bool:
    activity = follow["activity"]
    return bool(activity["type"] == "Accept" and activity["actor"] == theme)


@pytest.mark.parametrize("sign", ["cavage", "rfc9421"])
async def test_a_follow_is_accepted(folkmoot: Folkmoot, mobility: str, alices: Member, word: str, sign: str) -> None:
    follower = await alices.add_actor(word)
    follow = await alices.follow(word, folkmoot.handle("mobility"), sign=sign)
    accept = await alices.expect("the Accept", lambda r: accepts(r, mobility), contains=follow["id"])
    assert accept["recipient"] == word
    assert accept["verify"]["http"]["owner"] == mobility
    embedded = accept["activity"]["object"]
    assert {key: embedded[key] for key in ("id", "type", "actor", "object")} == {
        "id": follow["id"],
        "type": "Follow",
        "actor": follower,
        "object": mobility,
    }
    await alices.expect_accepted(word, mobility)


async def test_a_second_follow_is_accepted_again_and_counts_once(folkmoot: Folkmoot, alices: Member, word: str) -> None:
    theme = await folkmoot.add_theme(word, f"Theme {word}")
    for _ in range(2):
        follow = await alices.follow("alice", theme)
        await alices.expect("the Accept", lambda r: accepts(r, theme), contains=follow["id"])
    followers = await folkmoot.document((await folkmoot.document(theme))["followers"])
    assert followers["totalItems"] == 1


async def test_who_no_longer_follows_gets_nothing(
    folkmoot: Folkmoot, clara: Browser, alices: Member, bobs: Member, word: str
) -> None:
    theme = await folkmoot.add_theme(word, f"Theme {word}")
    follow = await alices.follow("alice", theme)
    await bobs.follow("bob", theme)
    await alices.expect_accepted("alice", theme)
    await bobs.expect_accepted("bob", theme)
    first = await clara.open_topic(word, "The first", "Both hear of this.")
    await alices.expect("the first topic", announces(first, wrapped=None), contains=first)

    await alices.undo("alice", follow["id"])
    followers = (await folkmoot.document(theme))["followers"]
    await folkmoot.until("down to one follower", lambda d: d["totalItems"] == 1, followers)
    second = await clara.open_topic(word, "The second", "Only bob hears of this.")
    await bobs.expect("the second topic", announces(second, wrapped=None), contains=second)
    await bobs.expect("the second topic, wrapped", announces(second, wrapped="Create"), contains=second)
    assert await alices.received(contains=second) == []
