"""Likes, both ways."""

from __future__ import annotations

import asyncio

import pytest

from .browser import Browser
from .members import Member, sends
from .server import Folkmoot


async def expect_likes(folkmoot: Folkmoot, uri: str, count: int, *, wait: float = 15.0) -> None:
    """Wait until the post counts exactly ``count`` likes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while (found := await folkmoot.likes(uri)) != count:
        assert loop.time() < end, f"{uri} counts {found} likes, not {count}\n{folkmoot.output()}"
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("sign", ["cavage", "rfc9421"])
async def test_a_members_like_counts_until_it_is_undone(
    folkmoot: Folkmoot, topic: str, alices: Member, sign: str
) -> None:
    like = await alices.like("alice", topic, sign=sign)
    await expect_likes(folkmoot, topic, 1)
    await alices.undo("alice", like["id"], sign=sign)
    await expect_likes(folkmoot, topic, 0)


async def test_each_member_counts_once(folkmoot: Folkmoot, topic: str, alices: Member, bobs: Member) -> None:
    like = await alices.like("alice", topic)
    await alices.resend(like["id"])
    await alices.like("alice", topic)
    await bobs.like("bob", topic)
    await alices.like("anna", topic)
    await expect_likes(folkmoot, topic, 3)


async def test_a_like_in_the_browser_is_sent_to_the_author(
    folkmoot: Folkmoot, topic: str, alices: Member, clara: Browser, word: str
) -> None:
    reply = (await alices.post("alice", f"Good idea {word}", inReplyTo=topic))["object"]
    path = await folkmoot.topic_page(topic)
    entry = (await clara.see(path, f"Good idea {word}")).entry(f"Good idea {word}")
    await clara.send(f"/p/{entry.post}/like", page=path, liked="1")
    like = await alices.expect("the Like", sends("Like", reply), contains=reply)
    assert like["activity"]["actor"] == folkmoot.person("clara")
    await clara.send(f"/p/{entry.post}/like", page=path, liked="0")
    await alices.expect("the Undo", sends("Undo", like["activity"]["id"]), contains=like["activity"]["id"])


async def test_other_reactions_are_likes_or_dislikes(
    folkmoot: Folkmoot, topic: str, alices: Member, bobs: Member, visitor: Browser
) -> None:
    inbox = f"{folkmoot.origin}/inbox"
    await alices.command("react", as_="alice", target=topic, emoji="🚋", inbox=inbox)
    await bobs.like("bob", topic)
    await expect_likes(folkmoot, topic, 2)
    # Whoever changes their mind counts once.
    dislike = await bobs.command("dislike", as_="bob", target=topic, inbox=inbox)
    await expect_likes(folkmoot, topic, 1)
    await bobs.undo("bob", dislike["id"], inbox=inbox)
    await bobs.like("bob", topic)
    await expect_likes(folkmoot, topic, 2)
