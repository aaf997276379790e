"""Topics that members open from their own servers."""

from __future__ import annotations

import pytest

from .browser import Browser
from .members import Member, announces
from .server import Folkmoot


async def title_of(visitor: Browser, word: str) -> str:
    """The text of the link on the theme's page that leads to the topic with ``word`` in its title."""
    page = await visitor.see("/g/mobility", word)
    [title] = {text for url, text in page.links if "/t/" in url and word in text}
    return title


@pytest.mark.parametrize("sign", ["cavage", "rfc9421"])
async def test_a_mention_of_the_theme_opens_a_topic(
    mobility: str, alices: Member, bobs: Member, visitor: Browser, word: str, sign: str
) -> None:
    text = f"Where should the {word} stop? I would say at the market."
    note = (await alices.post("alice", text, mention=mobility, sign=sign))["object"]
    title = await title_of(visitor, word)
    assert title.startswith(f"Where should the {word} stop")
    assert "mobility" not in title.lower()
    for wrapped in (None, "Create"):
        record = await bobs.expect("the topic", announces(note, wrapped=wrapped), contains=note)
        assert record["activity"]["actor"] == mobility


async def test_the_first_bold_line_of_a_note_is_its_title(
    mobility: str, alices: Member, visitor: Browser, word: str
) -> None:
    html = f"<p><strong>Night buses {word}</strong></p><p>Every hour until four.</p>"
    await alices.post("alice", "", html=html, mention=mobility)
    assert await title_of(visitor, word) == f"Night buses {word}"


@pytest.mark.parametrize("kind", ["Article", "Page"])
async def test_a_titled_object_keeps_its_title(
    folkmoot: Folkmoot, mobility: str, alices: Member, bobs: Member, visitor: Browser, word: str, kind: str
) -> None:
    article = (await alices.post("alice", f"Long text {word}.", kind=kind, title=f"Title {word}", mention=mobility))[
        "object"
    ]
    assert await title_of(visitor, word) == f"Title {word}"
    page = await visitor.get("/g/mobility")
    [url] = {url for url, text in page.links if "/t/" in url and word in text}
    assert f"Long text {word}." in (await visitor.get(url)).text
    await bobs.expect("the article", announces(article, wrapped=None), contains=article)


async def test_a_member_gets_answers_to_the_topic_it_opened(
    folkmoot: Folkmoot, mobility: str, alices: Member, bobs: Member, visitor: Browser, clara: Browser, word: str
) -> None:
    note = (await alices.post("alice", f"Who knows {word}?", mention=mobility))["object"]
    page = await visitor.see("/g/mobility", word)
    url = next(url for url, text in page.links if "/t/" in url and word in text)
    page = await clara.get(url)
    number = page.path.split("/")[2]
    await clara.send(f"/t/{number}/reply", page=page.path, text=f"I know {word}")
    record = await alices.expect(
        "the answer",
        lambda r: r["type"] == "Create" and r["activity"]["object"].get("inReplyTo") == note,
        contains=note,
    )
    assert f"I know {word}" in record["activity"]["object"]["content"]
    await bobs.expect(
        "the answer, wrapped",
        announces(record["activity"]["object"]["id"], wrapped="Create"),
        contains=record["activity"]["object"]["id"],
    )
