"""Who speaks in whose name on the blog, and who sees what is not out yet."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import select

from community import articles
from community.articles import Draft
from community.models import LogEntry, Post
from federation.site import Site
from tests.conftest import MakeMember, MakeTheme, SignIn
from tests.web.forms import origin_of, token_on

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def test_what_another_editor_says_in_somebodys_name_stands_in_the_log(
    site: Site, member: MakeMember, theme: MakeTheme, client: TestClient
) -> None:
    ada, ed = (await member("ada", site_role="editor")).actor, (await member("ed", site_role="editor")).actor
    draft = Draft("The harbour bus", "Every ten minutes.", "It floats.", "en", ((await theme("water")).actor_id,))
    async with site.database.write() as tx:
        article = await articles.begin(tx, ada, language="en")
        await articles.save(tx, ada, article, draft)
        await articles.ask_for_review(tx, ada, article)
        await articles.approve(tx, ed, article)
        post = await articles.publish(tx, ed, article)
        await articles.save(tx, ada, article, replace(draft, source="It floats well."))
        await articles.save(tx, ed, article, replace(draft, source="It sinks."))
    async with site.database.read() as tx:
        query = select(LogEntry).where(LogEntry.action == "correct-article")
        [entry] = (await tx.execute(query)).scalars()
        assert (entry.actor_id, entry.about_id, entry.post_id) == (ed.id, ada.id, post.id)
        assert "sinks" in (await tx.get_one(Post, post.id)).html
    assert "The harbour bus" in await (await client.get("/log")).text()


async def test_members_neither_see_nor_touch_what_editors_work_on(
    site: Site, member: MakeMember, theme: MakeTheme, client: TestClient, sign_in: SignIn
) -> None:
    ada, anna = await member("ada", site_role="editor"), await member("anna")
    draft = Draft("Unheard of", "In short.", "Secret.", "en", ((await theme("water")).actor_id,))
    async with site.database.write() as tx:
        article = await articles.begin(tx, ada.actor, language="en")
        await articles.save(tx, ada.actor, article, draft)
    page = articles.path_of(article)
    for path in ("/blog", "/blog/feed.xml", "/blog/feed.json", "/g/water/blog", "/g/water", "/", "/u/ada", "/log"):
        assert "Unheard of" not in await (await client.get(path)).text(), path
    await sign_in(client, anna)
    csrf = {"csrf": await token_on(client, "/settings"), "language": "fr", "text": "Mine."}
    for path, fields in (
        (page, {}), (page, {"do": "publish"}), (page, {"do": "preview"}), (page, {"do": "discard"}),
        (f"{page}/translate", {}), ("/staff/articles/new", {}), ("/staff/articles/99", {"do": "discard"}),
    ):  # fmt: skip
        headers = {"Origin": origin_of(client)}
        answer = await client.post(path, data=csrf | fields, headers=headers, allow_redirects=False)
        assert answer.status == 403, path
        assert "Unheard of" not in await answer.text()
    for path in ("/staff/articles", page, "/staff/articles/99"):
        assert (await client.get(path)).status == 403
    async with site.database.read() as tx:
        held = await articles.find(tx, article.id)
        assert held is not None
        assert (held.state, held.source) == ("draft", "Secret.")
