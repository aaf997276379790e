"""The blog as its readers meet it: front pages, an article above its comments, feeds for readers elsewhere."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from io import BytesIO
from tempfile import TemporaryFile
from xml.etree import ElementTree

import pytest
from PIL import Image

from community import articles, groups, media, members, posts
from community.articles import Draft
from community.models import Account, Actor, Post, Topic
from community.posts import Written
from tests import images
from web import blog, storage

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def publish(site):
    """Publish an article, each a day older than the one before: ``await publish(author, "Title", theme, …)``."""
    days = iter(range(1, 1000))

    async def make(
        author, title, *themes, language="en", of=None, picture="", text="It *works*.", abstract="In short."
    ):
        async with site.database.write() as tx:
            by = await tx.get_one(Actor, author.actor_id)
            made = await articles.begin(tx, by, language=language, translation_of=of)
            ids = tuple(theme.actor_id for theme in themes)
            alt = "A *yard* & a “tree”" if picture else ""
            await articles.save(tx, by, made, Draft(title, abstract, text, language, ids, picture, alt))
            made.state = "approved"
            await tx.flush()
            opener = await articles.publish(tx, by, made)
            made.published_at = of.published_at if of is not None else tx.now - timedelta(days=next(days))
            return made, opener

    return make


@pytest.fixture
async def ines(site, member):
    account = await member("ines", site_role="editor")
    async with site.database.write() as tx:
        held = await tx.get_one(Account, account.actor_id)
        await members.edit_profile(
            tx, held, name="Ines <b>Duarte</b>", biography="", profession="architect", organisation="Office & Co",
            city="Graz",
        )  # fmt: skip
    return account


async def _picture(site, account):
    with TemporaryFile() as file:
        file.write(images.picture(size=(2000, 1000)))
        return await media.keep(site.database, storage.of(site), account.actor, file, alt="x")


async def _page(client, path, status=200, **headers):
    response = await client.get(path, headers=headers)
    text = await response.text()
    assert response.status == status, f"{path}: {response.status}\n{text[:500]}"
    return text


def _meta(page):
    return {unescape(name): unescape(value) for name, value in re.findall(
        r'<meta (?:property|name)="([^"]+)" content="([^"]*)">', page)}  # fmt: skip


async def test_an_article_is_on_the_front_pages_and_above_its_comments(
    site, client, ines, member, theme, publish, sign_in
):
    mobility, water = await theme("mobility"), await theme("water")
    await theme("energy")
    picture = await _picture(site, ines)
    first, opener = await publish(ines, "Trams that <i>wait</i>", mobility, water, picture=picture.key)
    _, in_french = await publish(
        ines, "Des trams qui attendent", mobility, water, language="fr", of=first, abstract="En bref."
    )
    await publish(ines, "Older news of rain", water)
    async with site.database.write() as tx:
        lena = Actor(
            uri="https://ruhr.example/u/lena", kind="person", handle="lena", host="ruhr.example", name="Lena",
            inbox="https://ruhr.example/inbox", created_at=tx.now,
        )  # fmt: skip
        tx.add(lena)
        await tx.flush()
        topic = await tx.get_one(Topic, opener.topic_id)
        await posts.reply(tx, lena, topic, Written(html="<p>Ours too.</p>", uri="https://ruhr.example/1"))
        await posts.reply(tx, await tx.get_one(Actor, ines.actor_id), topic, await posts.compose(tx, "Thank you."))
    path = f"/t/{opener.topic_id}/trams-that-i-wait-i"
    french_path = f"/t/{in_french.topic_id}/des-trams-qui-attendent"

    # The front page: the newest large, the older below, each family once.
    page = await _page(client, "/blog")
    assert "Des trams" not in page
    lead, older = re.findall(r"<article class=\"story.*?</article>", page, re.DOTALL)
    for words in (
        f'href="{path}"', "Trams that &lt;i&gt;wait&lt;/i&gt;", "In short.", "Ines &lt;b&gt;Duarte&lt;/b&gt;",
        "Architect · Office &amp; Co", 'href="/g/mobility"', 'href="/g/water"', "2 comments from 2 servers",
        "also in Français", f'src="/media/{picture.key}-desk.webp"', f"/media/{picture.key}-phone.webp 640w",
        'width="1600" height="800"',
    ):  # fmt: skip
        assert words in lead, words
    assert "A *yard* &amp; a “tree”" in lead
    assert "is-lead" in lead
    assert "Older news of rain" in older
    assert "No comments yet" in older

    # In the reader's language where there is one, or in the one that is asked for; nonsense is harmless.
    for asked, headers in (("/blog?lang=fr", {}), ("/blog", {"Accept-Language": "fr"})):
        page = await _page(client, asked, **headers)
        assert "Des trams qui attendent" in page
        assert "Trams that" not in page
        assert "Older news of rain" in page
    for odd in ("/blog?lang=%00&page=-1", "/blog?lang=zz&page=x", "/blog?page=99999", "/g/energy/blog"):
        page = await _page(client, odd)
        assert "<article" in page or "ticle" in page

    # A theme's own, only for themes of ours.
    page = await _page(client, "/g/mobility/blog")
    assert "Older news" not in page
    assert "Trams that" in page
    for wrong in ("/g/nothing/blog", "/g/nothing/blog/feed.xml", "/g/nothing/blog/feed.json", "/g/a@ruhr.example/blog"):
        assert (await client.get(wrong)).status == 404
    async with site.database.write() as tx:
        await groups.ensure_place(tx, await tx.get_one(Actor, lena.id))
    assert (await client.get("/g/lena@ruhr.example/blog/feed.xml")).status == 404

    # The article: head, text, comments.
    page = await _page(client, path)
    head = re.search(r'<header class="article-head">.*?</header>', page, re.DOTALL)[0]
    for words in (
        "<h1", "In short.", "Architect · Office &amp; Co · Graz", f'href="{french_path}" hreflang="fr"',
        'fetchpriority="high"', "2 comments from 2 servers", "Answer from my server",
    ):  # fmt: skip
        assert words in head, words
    assert page.count("<h1") == 1
    order = [page.index(words) for words in ('class="article-head"', 'id="post-1"', 'id="comments"', 'id="post-2"')]
    assert order == sorted(order)
    told, origin = _meta(page), site.settings.origin
    assert told["og:type"] == "article"
    assert told["og:title"] == "Trams that <i>wait</i>"
    assert told["og:description"] == told["description"] == "In short."
    assert told["og:image"] == f"{origin}/media/{picture.key}-desk.webp"
    assert (told["og:image:width"], told["og:image:height"]) == ("1600", "800")
    assert told["og:image:alt"] == "A *yard* & a “tree”"
    assert told["og:locale"] == "en_US"
    assert told["og:locale:alternate"] == "fr_FR"
    assert told["article:section"] == "Mobility"
    assert told["article:author"] == f"{origin}/u/ines"
    assert told["twitter:card"] == "summary_large_image"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["article:published_time"])
    assert "article:modified_time" not in told
    assert f'<link rel="canonical" href="{origin}{path}">' in page
    assert f'<link rel="alternate" hreflang="fr" href="{origin}{french_path}">' in page
    assert f'<link rel="alternate" hreflang="en" href="{origin}{path}">' in page
    shown = await client.get(told["og:image"].removeprefix(origin))
    assert Image.open(BytesIO(await shown.read())).size == (1600, 800)

    # Other pages point to it; editors find their desk, others do not.
    assert "From the blog" in await _page(client, "/")
    assert 'href="/g/water/blog"' in await _page(client, "/g/water")
    assert "/blog" not in re.sub(r"<(header|footer).*?</\1>", "", await _page(client, "/g/energy"), flags=re.DOTALL)
    assert "/staff/articles" not in await _page(client, "/blog")
    await sign_in(client, ines)
    assert 'href="/staff/articles"' in await _page(client, "/blog")

    # Changed, it says when; hidden, nothing of it is told; deleted, it is in no list.
    async with site.database.write() as tx:
        by, made = await tx.get_one(Actor, ines.actor_id), await articles.find(tx, first.id)
        draft = Draft("Trams that wait", "Shorter.", "Now *better*.", "en", (), picture.key, "A yard")
        await articles.save(tx, by, made, draft)
    page = await _page(client, f"/t/{opener.topic_id}")
    assert "changed on" in page
    assert "article:modified_time" in _meta(page)
    assert _meta(page)["og:description"] == "Shorter."
    client.session.cookie_jar.clear()
    async with site.database.write() as tx:
        (await tx.get_one(Post, opener.id)).hidden_reason = "looked at"
    page = await _page(client, f"/t/{opener.topic_id}")
    assert "Shorter." not in page
    assert picture.key not in page
    assert "Trams that wait" not in await _page(client, "/blog?lang=en")
    async with site.database.write() as tx:
        opener = await tx.get_one(Post, opener.id)
        opener.hidden_reason = ""
        await posts.erase(tx, await tx.get_one(Actor, ines.actor_id), opener)
    for path in ("/", "/blog", "/blog/feed.xml", "/blog/feed.json"):
        assert "Shorter." not in await _page(client, path)
    assert "Shorter." not in await _page(client, f"/t/{opener.topic_id}")


async def test_readers_elsewhere_get_whole_articles_by_feed(site, client, ines, theme, publish):
    water = await theme("water", name="Water & <rain>")
    picture = await _picture(site, ines)
    inside = f"Look:\n\n![A pipe]({media.address_of(picture)})\n\nOdd: ]]> & done."
    first, opener = await publish(
        ines, 'Rain & "more" <b>', water, picture=picture.key, text=inside, abstract="5 < 6 & so\x07 on."
    )
    await publish(ines, "La pluie", water, language="fr", of=first)
    origin = site.settings.origin
    for base, name in (("/blog", site.settings.name), ("/g/water/blog", f"Water & <rain> · {site.settings.name}")):
        answer = await client.get(f"{base}/feed.xml", headers={"Accept-Language": "fr"})
        assert answer.status == 200
        assert answer.content_type == "application/atom+xml"
        assert "Accept" in answer.headers["Vary"]
        again = await client.get(f"{base}/feed.xml", headers={"If-None-Match": answer.headers["ETag"], "Cookie": "a=b"})
        assert again.status == 304
        feed = ElementTree.fromstring(await answer.read())
        assert feed.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
        assert feed.findtext(f"{ATOM}title") == name
        assert {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")} == {
            "self": f"{origin}{base}/feed.xml", "alternate": f"{origin}{base}",
        }  # fmt: skip
        (entry,) = feed.findall(f"{ATOM}entry")
        assert entry.findtext(f"{ATOM}title") == 'Rain & "more" <b>'
        assert entry.findtext(f"{ATOM}id") == opener.uri
        assert entry.findtext(f"{ATOM}summary") == "5 < 6 & so on."
        assert entry.findtext(f"{ATOM}author/{ATOM}name") == "Ines <b>Duarte</b>"
        assert entry.findtext(f"{ATOM}updated") == feed.findtext(f"{ATOM}updated")
        content = entry.find(f"{ATOM}content")
        assert content.get("type") == "html"
        assert f'src="{origin}/media/{picture.key}-desk.webp"' in content.text
        assert " ]]&gt; &amp; done." in content.text
        category = entry.find(f"{ATOM}category")
        assert (category.get("term"), category.get("label")) == ("water", "Water & <rain>")
        links = {link.get("rel"): link for link in entry.findall(f"{ATOM}link")}
        kept = await (await client.get(links["enclosure"].get("href").removeprefix(origin))).read()
        assert links["enclosure"].get("type") == "image/webp"
        assert int(links["enclosure"].get("length")) == len(kept)
        assert (await client.get(links["alternate"].get("href").removeprefix(origin))).status == 200

        answer = await client.get(f"{base}/feed.json")
        assert answer.content_type == "application/feed+json"
        told = json.loads(await answer.text())
        assert told["version"] == "https://jsonfeed.org/version/1.1"
        assert told["title"] == name
        assert told["language"] == "en"
        assert told["feed_url"] == f"{origin}{base}/feed.json"
        assert told["home_page_url"] == origin + base
        (item,) = told["items"]
        assert item["id"] == opener.uri
        assert item["url"] == links["alternate"].get("href")
        assert item["title"] == 'Rain & "more" <b>'
        assert item["summary"] == "5 < 6 & so on."
        assert item["content_html"] == content.text
        assert item["image"] == f"{origin}/media/{picture.key}-desk.webp"
        assert item["authors"] == [{"name": "Ines <b>Duarte</b>", "url": f"{origin}/u/ines"}]
        assert item["tags"] == ["Water & <rain>"]
        assert item["date_published"] == item["date_modified"] == entry.findtext(f"{ATOM}published")
        page = await _page(client, base)
        for kind, end in (("atom.xml", "xml"), ("feed.json", "json")):
            assert re.search(rf'<link rel="alternate" type="application/{kind}" [^>]*href="{base}/feed\.{end}">', page)
    feed = ElementTree.fromstring(await _page(client, "/blog/feed.xml?lang=fr"))
    assert feed.findtext(f"{ATOM}entry/{ATOM}title") == "La pluie"
    assert feed.findtext(f"{ATOM}id").endswith("/blog/feed.xml?lang=fr")
    home = await _page(client, "/")
    assert 'href="/blog/feed.xml"' in home
    assert 'href="/blog/feed.json"' in home


async def test_an_empty_blog_says_what_it_is_and_a_full_one_has_pages(site, client, ines, theme, publish, monkeypatch):
    mobility = await theme("mobility")
    for path in ("/blog", "/g/mobility/blog"):
        page = await _page(client, path)
        assert "No article has been published yet" in page
        for link in set(re.findall(r'href="(/[^"]*)"', page)):
            assert (await client.get(unescape(link))).status == 200, link
    for path in ("/", "/g/mobility"):
        assert "articles.css" not in await _page(client, path)
    assert ElementTree.fromstring(await _page(client, "/blog/feed.xml")).findtext(f"{ATOM}updated")
    monkeypatch.setattr(blog, "PAGE", 2)
    for number in range(4):
        _, opener = await publish(ines, f"Article no {number}", mobility)
    pages = [await _page(client, f"/g/mobility/blog?page={number}") for number in (1, 2, 3)]
    for number, page in enumerate(pages[:2]):
        found = dict.fromkeys(re.findall(r"Article no \d", page))
        assert list(found) == [f"Article no {2 * number}", f"Article no {2 * number + 1}"]
    assert ['rel="next"' in page for page in pages] == [True, False, False]
    assert "There are no older articles" in pages[2]
    assert "is-lead" not in pages[1]

    # A later page of the comments has a small head.
    async with site.database.write() as tx:
        topic, by = await tx.get_one(Topic, opener.topic_id), await tx.get_one(Actor, ines.actor_id)
        for _ in range(posts.PAGE):
            await posts.reply(tx, by, topic, Written(html="<p>More.</p>", source="More."))
    page = await _page(client, f"/t/{opener.topic_id}/article-no-3/{posts.PAGE + 1}")
    assert "article-head" not in page
    assert page.count("<h1") == 1
    assert _meta(page)["og:description"] == "In short."
    assert 'id="post-1"' in await _page(client, f"/t/{opener.topic_id}/posts/1")
