"""Members of other servers change their names and close their accounts."""

from __future__ import annotations

from .browser import Browser
from .members import Member
from .server import Folkmoot


async def test_a_new_name_shows_on_the_page(
    folkmoot: Folkmoot, topic: str, alices: Member, visitor: Browser, word: str
) -> None:
    await alices.add_actor(word)
    await alices.post(word, f"Said by {word}", inReplyTo=topic)
    path = await folkmoot.topic_page(topic)
    await visitor.see(path, f"Said by {word}")
    profile = {"name": f"Dr. {word}"}
    await alices.command("update", as_=word, profile=profile, inbox=f"{folkmoot.origin}/inbox")
    await visitor.see(path, f"Dr. {word}")


async def test_a_closed_account_takes_its_words_along(
    folkmoot: Folkmoot, topic: str, alices: Member, visitor: Browser, word: str
) -> None:
    await alices.add_actor(word)
    await alices.post(word, f"Said once, {word}", inReplyTo=topic)
    path = await folkmoot.topic_page(topic)
    await visitor.see(path, f"Said once, {word}")
    await alices.command("delete", as_=word, actor=True, inbox=f"{folkmoot.origin}/inbox")
    await visitor.miss(path, f"Said once, {word}")
