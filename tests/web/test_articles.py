"""The editors' pages: what is typed stays, what is refused is said, and the second editor's word counts."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from community import articles, media
from community.article_models import Article
from federation.site import Site
from tests import images
from tests.community.test_media import keep
from tests.conftest import MakeMember, MakeTheme, SignIn
from tests.web.forms import origin_of, send, token_on

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _words(answer: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await answer.text())))


async def test_an_article_by_two_editors(
    site: Site, client: TestClient, member: MakeMember, theme: MakeTheme, sign_in: SignIn
) -> None:
    ada, ed = await member("ada", site_role="editor"), await member("ed", site_role="editor")
    mobility, water = await theme("mobility"), await theme("water")
    cover = await keep(site, ada.actor, images.picture(), alt="The harbour")
    foreign = await keep(site, (await member("eve")).actor, images.picture("JPEG"))
    assert (await client.get("/staff/articles", allow_redirects=False)).status in (302, 303)
    await sign_in(client, await member("reader"))
    for path in ("/staff/articles", "/staff/articles/new", "/staff/articles/1"):
        assert (await client.get(path)).status == 403
    assert "/staff/articles" not in await (await client.get("/")).text()

    await sign_in(client, ada)
    assert 'href="/staff/articles"' in await (await client.get("/")).text()
    assert "Nothing has been written" in await _words(await client.get("/staff/articles"))
    wrong = await send(client, "/staff/articles/new", language="xx-\0")
    assert wrong.status == 422
    begun = await send(client, "/staff/articles/new", language="en")
    path = begun.headers["Location"]

    fields = {
        "title": "A bus <for> the harbour", "abstract": "Why it takes so long.", "text": "The **text**.",
        "language": "en", "themes": str(mobility.actor_id), "main": str(water.actor_id), "picture": cover.key,
        "picture_alt": "A quay",
    }  # fmt: skip
    for changed, said in (
        ({"title": "t" * 201}, "Keep the title under"),
        ({"abstract": "a" * 501}, "Give an abstract"),
        ({"text": "x" * 60_001}, "This is too long."),
        ({"language": "klingon"}, "Choose one of the list."),
        ({"themes": "999999999999999999999"}, ""),
        ({"main": "77"}, "There is no such theme."),
        ({"main": "x\0"}, ""),
        ({"picture": foreign.key}, "somebody else's"),
        ({"picture": "../../\0etc"}, "somebody else's"),
        ({"picture_alt": " "}, "Describe the picture"),
        ({"do": "publish"}, "Another editor has to approve it first"),
        ({"do": "approve"}, "You changed it last"),
        ({"do": "schedule", "date": "9999-12-31", "time": "24:61"}, "hours:minutes"),
        ({"do": "schedule", "date": "9999-12-31", "time": "23:59"}, "five years ahead"),
        ({"do": "\0", "note": "\0", "seen": "0"}, "Somebody has changed this"),
    ):
        answer = await send(client, path, page=path, **{"do": "save", **fields, **changed})
        if said:
            assert answer.status == 422, changed
            assert said in await _words(answer)
            kept = unescape(await answer.text())
            assert (changed.get("text") or fields["text"]) in kept
            assert (changed.get("abstract") or fields["abstract"]) in kept
        else:
            assert answer.status == 303, changed
    seen = re.search(r'name="seen" value="(\w+)"', await (await client.get(path)).text())
    assert seen is not None
    shown = await send(client, path, page=path, do="preview", **fields)
    assert shown.status == 200
    assert "<strong>text</strong>" in await shown.text()
    assert "A bus &lt;for&gt; the harbour</h2>" in await shown.text()
    token = await token_on(client, path)
    both = [("themes", str(mobility.actor_id)), ("themes", str(water.actor_id)), ("main", str(water.actor_id))]
    rest = [(name, value) for name, value in fields.items() if name not in ("themes", "main")]
    posted = [("csrf", token), ("do", "review"), ("seen", seen[1]), *rest, *both]
    asked = await client.post(path, data=posted, headers={"Origin": origin_of(client)}, allow_redirects=False)
    assert asked.status == 303, await _words(asked)
    async with site.database.read() as tx:
        article = await tx.get_one(Article, int(path.rpartition("/")[2]))
        themes = (await articles.themes_of(tx, [article.id]))[article.id]
        assert (article.state, article.picture_alt, article.picture_id) == ("review", "A quay", cover.id)
        assert [each.slug for each in themes] == ["water", "mobility"]
    stale = await send(client, path, page=path, do="save", **{**fields, "text": "Lost?", "seen": seen[1]})
    assert stale.status == 422
    assert "What is kept now" in await _words(stale)
    assert "Lost?" in await stale.text()

    await sign_in(client, ed)
    assert "would like you to look at an article" in await _words(await client.get("/notifications"))
    assert "Waits for you" in await _words(await client.get("/staff/articles"))
    fields |= {"themes": str(mobility.actor_id), "main": str(water.actor_id)}
    bare = await send(client, path, page=path, do="return", note="", **fields)
    assert "Say what is to be changed" in await _words(bare)
    assert (await send(client, path, page=path, do="return", note="A map, <please>.", **fields)).status == 303
    assert "A map, &lt;please&gt;." in await (await client.get(path)).text()

    await sign_in(client, ada)
    assert "sent your article back" in await _words(await client.get("/notifications"))
    fields["text"] = "The text, with a map."
    assert (await send(client, path, page=path, do="review", **fields)).status == 303
    await sign_in(client, ed)
    assert (await send(client, path, page=path, do="approve", **fields)).status == 303
    assert "Approved: it can be published." in await _words(await client.get(path))
    at = site.database.clock() + timedelta(days=2)
    when = {"date": f"{at:%Y-%m-%d}", "time": "10:30"}
    assert (await send(client, path, page=path, do="schedule", **fields, **when)).status == 303
    page = await (await client.get(path)).text()
    assert "It goes out by itself on" in page
    assert 'value="10:30"' in page
    changed = await send(client, path, page=path, do="publish", **{**fields, "title": "Something else"})
    assert "Another editor has to approve it first" in await _words(changed)
    assert "Something else" in await changed.text()
    assert (await send(client, path, page=path, do="unschedule", **fields)).status == 303
    assert (await send(client, path, page=path, do="publish", **fields)).status == 303

    out = await (await client.get(path)).text()
    [topic] = set(re.findall(r'href="(/t/\d+/[\w-]+)"', out))
    assert 'name="themes"' not in out
    corrected = {**fields, "text": "The text, **corrected**.", "title": "The harbour bus"}
    del corrected["themes"], corrected["main"]
    assert (await send(client, path, page=path, do="save", **corrected)).status == 303
    assert "<strong>corrected</strong>" in await (await client.get(topic)).text()
    log = await _words(await client.get("/log"))
    assert "ed published an article: #1 The harbour bus" in log
    assert "ed approved an article by ada" in log
    desk = await _words(await client.get("/staff/articles"))
    assert "Published The harbour bus by ada Water Mobility English approved by ed" in desk

    # A translation is begun once for each language; a draft can be thrown away.
    french = await send(client, f"{path}/translate", page=path, language="fr")
    again = await send(client, f"{path}/translate", page=path, language="fr")
    assert french.headers["Location"] == again.headers["Location"] != path
    other = french.headers["Location"]
    assert f'value="{cover.key}" checked' in await (await client.get(other)).text()
    nothing = await send(client, f"{path}/translate", page=path, language="../")
    assert nothing.status == 422
    assert (await send(client, other, page=other, do="discard")).headers["Location"] == "/staff/articles"
    assert (await client.get(other)).status == 404
    refused = await send(client, path, page=path, do="discard")
    assert "This is no draft any more" in await _words(refused)
    for hostile in ("/staff/articles/0", "/staff/articles/999999999999999", "/staff/articles/1e3"):
        assert (await client.get(hostile)).status == 404
    assert media.address_of(cover) in out.replace("-phone", "-desk")
