"""The pages that are read, as a browser without script meets them."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from html import unescape
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from community import groups, members, posts, reactions, topics
from community.models import Account, Actor, Notification, Post, Reading, Topic
from community.posts import Written
from tests.web.forms import send
from web import assets, colours
from web.pages_read import differences

ATOM = "{http://www.w3.org/2005/Atom}"


async def _remote(tx, name="lena", host="ruhr.example"):
    actor = Actor(
        uri=f"https://{host}/users/{name}",
        url=f"https://{host}/@{name}",
        kind="person",
        handle=name,
        host=host,
        name=name.title(),
        inbox=f"https://{host}/inbox",
        created_at=tx.now,
    )
    tx.add(actor)
    await tx.flush()
    return actor


async def _call(site, account, name):
    """Give somebody a name to be shown by."""
    async with site.database.write() as tx:
        (await tx.get_one(Actor, account.actor_id)).name = name
    return account


# Pages ask in the same words on both databases; those tests that ask most ask both.
BOTH = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(params=["sqlite"])
def database_kind(request):
    return request.param


@pytest.fixture
def topic(site):
    """Open a topic: ``await topic(account, theme, "Title")`` answers its opener."""

    async def make(account, theme, title="Free buses?", text="What if?"):
        async with site.database.write() as tx:
            author = await tx.get_one(Actor, account.actor_id)
            return await topics.open(tx, author, theme.actor, await posts.compose(tx, text, title=title))

    return make


@pytest.fixture
def answer(site):
    """Answer in a topic: ``await answer(account, opener, "text")``."""

    async def make(account, opener, text="Yes.", reply_to=None):
        async with site.database.write() as tx:
            author = await tx.get_one(Actor, account.actor_id)
            place = await tx.get_one(Topic, opener.topic_id)
            parent = await tx.get_one(Post, reply_to.id) if reply_to else None
            return await posts.reply(tx, author, place, await posts.compose(tx, text), reply_to=parent)

    return make


async def _page(client, path, status=200):
    response = await client.get(path)
    text = await response.text()
    assert response.status == status, f"{path}: {response.status}\n{text[:500]}"
    return text


def _article(page, number):
    found = re.search(rf'<article [^>]*id="post-{number}".*?</article>', page, re.DOTALL)
    assert found is not None, f"no post {number}"
    return found[0]


# --- home, themes, a theme


async def test_home_tells_a_stranger_what_it_is_and_how_to_take_part(site, client, member, theme, topic):
    mobility = await theme("mobility", about="Moving people.")
    await topic(await member("anna"), mobility)
    page = unescape(await _page(client, "/"))
    assert site.settings.about in page
    for link in ('href="/g/mobility"', 'href="/themes"', 'href="/sign-up"'):
        assert link in page
    assert f"@mobility@{site.settings.host}" in page
    assert "Free buses?" in page


async def test_an_empty_instance_has_no_dead_ends(client):
    for path in ("/", "/themes"):
        page = await _page(client, path)
        for link in set(re.findall(r'href="(/[^"]*)"', page)):
            assert (await client.get(unescape(link))).status == 200, f"{link} on {path}"


@BOTH
async def test_no_link_of_a_full_house_leads_nowhere(client, member, theme, topic, answer, sign_in):
    anna, bert = await member("anna"), await member("bert", site_role="admin")
    opener = await topic(anna, await theme("mobility", rules="Be kind."))
    second = await answer(bert, opener)
    await answer(anna, opener, "To **you**.", second)
    for who in (None, bert):
        if who:
            await sign_in(client, who)
        for path in ("/", "/themes", "/g/mobility", f"/t/{opener.topic_id}", "/u/anna"):
            page = await _page(client, path)
            for link in set(re.findall(r'(?:href|src)="(/[^"]*)"', page)):
                assert (await client.get(unescape(link))).status == 200, f"{link} on {path}"


async def test_pages_for_nobody_in_particular_carry_no_token_and_set_no_cookie(client, member, theme, topic):
    opener = await topic(await member("anna"), await theme("mobility"))
    for path in ("/", "/themes", "/g/mobility", f"/t/{opener.topic_id}", "/u/anna"):
        response = await client.get(path)
        page = await response.text()
        assert 'name="csrf"' not in page
        assert 'method="post"' not in page
        assert "Set-Cookie" not in response.headers
        assert "Accept" in response.headers["Vary"]


async def test_pages_have_neither_inline_style_nor_inline_script(client, member, theme, topic, sign_in):
    anna = await member("anna", site_role="admin")
    opener = await topic(anna, await theme("mobility"))
    await sign_in(client, anna)
    for path in ("/", "/g/mobility", "/g/mobility/new", f"/t/{opener.topic_id}", f"/p/{opener.id}/edit", "/u/anna"):
        page = await _page(client, path)
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", page), path
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page)), path


@BOTH
async def test_pinned_topics_stand_first_and_pages_follow_each_other(site, client, member, theme):
    anna, mobility = await member("anna", site_role="admin"), await theme("mobility")
    async with site.database.write() as tx:
        author = await tx.get_one(Actor, anna.actor_id)
        made = [
            await topics.open(
                tx, author, mobility.actor, Written(html="<p>x</p>", source="x", title=f"Topic no {n:02}")
            )
            for n in range(topics.PAGE + 2)
        ]
        await topics.pin(tx, author, made[0].topic, is_on=True)
    first = await _page(client, "/g/mobility")
    assert re.findall(r"Topic no \d\d", first)[0] == "Topic no 00"
    assert "page=2" in first
    second = await _page(client, "/g/mobility?page=2")
    shown = set(re.findall(r"Topic no \d\d", first)) | set(re.findall(r"Topic no \d\d", second))
    assert len(shown) == topics.PAGE + 2
    assert "page=3" not in second


@pytest.mark.parametrize(
    "query", ["sort=top", "sort=nonsense", "page=0", "page=-1", "page=999999999999999999", "page=x"]
)
async def test_odd_orders_and_page_numbers_are_harmless(client, theme, query):
    await theme("mobility")
    await _page(client, f"/g/mobility?{query}")


@pytest.mark.parametrize(
    "path",
    [
        "/g/nothing",
        "/g/nothing/feed.xml",
        "/u/nobody",
        "/u/a@b@c",
        "/t/1",
        "/t/999999999999999",
        "/t/1/x/2",
        "/t/99999999999999999999999/x",
        "/t/1/posts?after=1",
        "/t/1/posts/1",
        "/t/1/live",
        "/p/1",
        "/p/1/history",
        "/static/nothing.css",
        "/static/x/..%2f..%2fpyproject.toml",
    ],
)
async def test_what_is_not_there_is_a_kind_page(client, path):
    page = await _page(client, path, 404)
    assert 'href="/themes"' in page


# --- a topic


async def test_a_topic_shows_who_speaks_and_from_where(site, client, member, theme, topic):
    anna = await _call(site, await member("anna"), "Anna Berg")
    opener = await topic(anna, await theme("mobility"))
    async with site.database.write() as tx:
        account = await tx.get_one(Account, anna.actor_id)
        await members.edit_profile(
            tx, account, name="Anna Berg", biography="", profession="architect", organisation="Office", city="Graz"
        )
        lena = await _remote(tx)
        place = await tx.get_one(Topic, opener.topic_id)
        said = Written(html="<p>From home.</p>", uri="https://ruhr.example/1", url="https://ruhr.example/@lena/1")
        await posts.reply(tx, lena, place, said)
        await reactions.like(tx, lena, await tx.get_one(Post, opener.id))
    page = unescape(await _page(client, f"/t/{opener.topic_id}"))
    local, remote = _article(page, 1), _article(page, 2)
    assert "Architect · Office · Graz" in local
    assert "@lena@ruhr.example" in remote
    assert 'href="https://ruhr.example/@lena/1"' in remote
    assert "2 people" in page
    assert "from 2 servers" in page


async def test_an_opener_from_elsewhere_has_its_original_as_canonical_address(site, client, theme):
    mobility = await theme("mobility")
    async with site.database.write() as tx:
        lena = await _remote(tx)
        said = Written(html="<p>Hello there.</p>", uri="https://ruhr.example/1", url="https://ruhr.example/@lena/1")
        opener = await topics.open(tx, lena, mobility.actor, said)
    page = await _page(client, f"/t/{opener.topic_id}")
    assert '<link rel="canonical" href="https://ruhr.example/@lena/1">' in page
    response = await client.get(f"/t/{opener.topic_id}")
    assert "Link" not in response.headers


async def test_a_dangerous_address_never_becomes_a_link(site, client, theme):
    mobility = await theme("mobility")
    async with site.database.write() as tx:
        lena = await _remote(tx)
        said = Written(html="<p>Hello there.</p>", uri="https://ruhr.example/1", url="javascript:alert(1)")
        opener = await topics.open(tx, lena, mobility.actor, said)
    assert "javascript:" not in await _page(client, f"/t/{opener.topic_id}")


async def test_typed_markup_stays_words(site, client, member, theme, topic):
    anna = await _call(site, await member("anna"), "<b>Anna</b>")
    opener = await topic(anna, await theme("mobility", name="A<i>b</i>"), title="<script>alert(1)</script> & more")
    for path in ("/", "/g/mobility", f"/t/{opener.topic_id}", "/u/anna", "/g/mobility/feed.xml"):
        page = await _page(client, path)
        assert "<script>alert" not in page
        assert "<b>Anna</b>" not in page
        assert "<i>b</i>" not in page


async def test_deleted_posts_stand_as_one_line_with_the_reason(site, client, member, theme, topic, answer):
    anna, bert = await member("anna", site_role="moderator"), await member("bert")
    opener = await topic(anna, await theme("mobility"))
    own, removed = await answer(bert, opener, "Hasty words"), await answer(bert, opener, "Buy this")
    async with site.database.write() as tx:
        for by, post, reason in ((bert, own, ""), (anna, removed, "advertising")):
            await posts.erase(tx, await tx.get_one(Actor, by.actor_id), await tx.get_one(Post, post.id), reason=reason)
    page = await _page(client, f"/t/{opener.topic_id}")
    assert "Hasty words" not in page
    assert "Buy this" not in page
    assert "Deleted by its author" in _article(page, 2)
    assert "advertising" in _article(page, 3)
    gone = await _page(client, f"/p/{removed.id}", 410)
    assert "advertising" in gone


async def test_a_warning_folds_the_text(site, client, member, theme):
    anna, mobility = await member("anna"), await theme("mobility")
    async with site.database.write() as tx:
        author = await tx.get_one(Actor, anna.actor_id)
        said = Written(html="<p>The details.</p>", source="x", title="News", warning="Accident")
        opener = await topics.open(tx, author, mobility.actor, said)
    article = _article(await _page(client, f"/t/{opener.topic_id}"), 1)
    assert re.search(r"<details[^>]*><summary>.*Accident.*</summary>.*The details", article, re.DOTALL)


async def test_a_reply_to_a_reply_says_whom_it_answers(site, client, member, theme, topic, answer):
    anna, bert = await member("anna"), await _call(site, await member("bert"), "Bert Moll")
    opener = await topic(anna, await theme("mobility"))
    second = await answer(bert, opener, "First answer")
    await answer(anna, opener, "Then I ask", second)
    page = await _page(client, f"/t/{opener.topic_id}")
    assert "in reply to Bert Moll" in unescape(_article(page, 3))
    assert "in reply to" not in _article(page, 2)
    assert "First answer" not in _article(page, 3), "a text stands once on a page"


@pytest.fixture
async def long_topic(site, member, theme):
    """An opener with 119 replies."""
    anna, mobility = await member("anna"), await theme("mobility")
    async with site.database.write() as tx:
        author = await tx.get_one(Actor, anna.actor_id)
        opener = await topics.open(
            tx, author, mobility.actor, Written(html="<p>Post no 1.</p>", source="x", title="Long")
        )
        for number in range(2, 121):
            await posts.reply(tx, author, opener.topic, Written(html=f"<p>Post no {number}.</p>", source="x"))
    return opener


def _numbers(page):
    return [int(number) for number in re.findall(r'<article [^>]*id="post-(\d+)"', page)]


async def test_every_number_has_a_place_on_one_page(client, long_topic):
    base = f"/t/{long_topic.topic_id}/long"
    for number, first, last in ((1, 1, 50), (50, 1, 50), (51, 51, 100), (120, 101, 120), (999, 101, 120)):
        page = await _page(client, f"{base}/{number}")
        assert _numbers(page) == list(range(first, last + 1))
        assert (f'rel="prev" data-earlier href="{base}/{first - 50}#' in page) == (first > 1)
        assert (f'rel="next" data-later href="{base}/{last + 1}#' in page) == (last < 120)


@BOTH
async def test_pieces_for_scripts_hold_exactly_what_was_asked_for(client, long_topic):
    base = f"/t/{long_topic.topic_id}/posts"
    for query, expected in (
        ("?after=118", [119, 120]),
        ("?after=120", []),
        ("?after=0&before=3", [1, 2]),
        ("?after=5&before=5", []),
        ("?after=10", list(range(11, 61))),
        ("/7", [7]),
    ):
        response = await client.get(base + query)
        page = await response.text()
        assert _numbers(page) == expected, query
        assert "<html" not in page
        assert response.headers["Cache-Control"] == "no-store"
    await _page(client, base + "/121", 404)


async def test_addresses_of_a_topic_lead_to_the_one_with_its_title(client, long_topic, answer):
    base = f"/t/{long_topic.topic_id}"
    for path in (base, f"{base}/old-title"):
        response = await client.get(path, allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (302, f"{base}/long")
    response = await client.get(f"{base}/old-title/70", allow_redirects=False)
    assert response.headers["Location"].startswith(f"{base}/long/70")
    response = await client.get(f"/p/{long_topic.id}", allow_redirects=False)
    assert response.headers["Location"] == f"{base}/long/1#post-1"


@pytest.mark.parametrize("title", ["Live", "Posts", "Context", "???"])
async def test_no_title_hides_a_page(client, member, theme, topic, title):
    opener = await topic(await member("anna"), await theme("mobility"), title=title)
    assert "What if?" in await _page(client, f"/t/{opener.topic_id}")


async def test_an_anonymous_topic_page_asks_the_database_seven_times_at_most(site, client, long_topic):
    await _page(client, f"/t/{long_topic.topic_id}/long")  # what is kept in memory is read once
    asked = []
    engine = site.database._reader.sync_engine

    def listen(_connection, _cursor, statement, *_):
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", listen)
    try:
        await _page(client, f"/t/{long_topic.topic_id}/long/3")
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    assert 1 <= len(asked) <= 7, "\n\n".join(asked)


# --- reading is remembered for members, and for nobody else


async def test_opening_a_topic_marks_it_read_and_clears_its_news(site, client, member, theme, topic, answer, sign_in):
    anna, bert = await member("anna"), await member("bert")
    opener = await topic(anna, await theme("mobility"))
    await answer(bert, opener)
    await _page(client, f"/t/{opener.topic_id}")
    async with site.database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(Reading)) == 0
        assert await tx.scalar(select(func.count()).where(Notification.read_at.is_(None))) == 1
    await sign_in(client, anna)
    assert "Bert" in (await _page(client, "/notifications")).title()
    await _page(client, f"/t/{opener.topic_id}")
    async with site.database.read() as tx:
        assert await tx.scalar(select(Reading.last_number)) == 2
        assert await tx.scalar(select(func.count()).where(Notification.read_at.is_(None))) == 0
    await answer(bert, opener, "One more")
    listed = await _page(client, "/g/mobility?sort=unread")
    assert re.search(rf'class="new" href="/t/{opener.topic_id}/free-buses/3#post-3">1<', listed)
    page = await _page(client, f"/t/{opener.topic_id}")
    assert page.index('id="post-2"') < page.index('id="unread"') < page.index('id="post-3"')


@BOTH
async def test_notifications_of_a_topic_stand_together_and_lead_to_the_first(
    client, member, theme, topic, answer, sign_in
):
    anna, bert, cleo = await member("anna"), await member("bert"), await member("cleo")
    opener = await topic(anna, await theme("mobility"))
    for who in (bert, cleo, bert):
        await answer(who, opener)
    response = await client.get("/notifications", allow_redirects=False)
    assert response.status == 303
    await sign_in(client, anna)
    page = await _page(client, "/notifications")
    assert page.count('href="/t/') == 1
    assert f"/t/{opener.topic_id}/free-buses/2#post-2" in page
    assert await send(client, "/notifications") is not None
    assert 'class="unread"' not in await _page(client, "/notifications")


# --- history, feed, people


async def test_a_history_shows_what_was_taken_out_and_put_in(site, client, member, theme, topic):
    anna = await member("anna")
    opener = await topic(anna, await theme("mobility"), text="Buses are slow & dear.")
    async with site.database.write() as tx:
        post = await tx.get_one(Post, opener.id)
        written = await posts.compose(tx, "Buses are fast & dear.", title="Free buses now?")
        await posts.edit(tx, await tx.get_one(Actor, anna.actor_id), post, written)
    page = await _page(client, f"/p/{opener.id}/history")
    assert "<del>slow</del><ins>fast</ins> &amp; dear." in page
    assert "Free buses<ins> now</ins>?" in page


words = st.text(alphabet="ab c.\n", max_size=60)


@given(words, words)
def test_differences_lose_and_invent_nothing(old, new):
    parts = differences(old, new)
    assert "".join(text for kind, text in parts if kind != "removed") == new
    assert "".join(text for kind, text in parts if kind != "added") == old


async def test_the_feed_of_a_theme_is_atom(site, client, member, theme):
    anna, mobility = await member("anna"), await theme("mobility", name="Mobility & more")
    async with site.database.write() as tx:
        author = await tx.get_one(Actor, anna.actor_id)
        for title in ("One", "Two \x0b <b>"):
            said = Written(html="<p>a &lt; b</p>", source="x", title=title)
            opener = await topics.open(tx, author, mobility.actor, said)
            await posts.reply(tx, author, opener.topic, Written(html="<p>an answer</p>", source="x"))
    response = await client.get("/g/mobility/feed.xml")
    assert response.content_type == "application/atom+xml"
    feed = ElementTree.fromstring(await response.text())
    assert feed.tag == f"{ATOM}feed"
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 2
    for node in (feed, *entries):
        for name in ("id", "title", "updated", "author"):
            assert node.find(f"{ATOM}{name}") is not None, name
        moment = node.findtext(f"{ATOM}updated")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
    assert entries[0].findtext(f"{ATOM}content") == "<p>a &lt; b</p>"
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == 2


async def test_a_profile_says_who_and_where(site, client, member, theme, topic):
    anna = await _call(site, await member("anna"), "Anna Berg")
    opener = await topic(anna, await theme("mobility"))
    async with site.database.write() as tx:
        await _remote(tx)
    page = await _page(client, "/u/anna")
    assert f"@anna@{site.settings.host}" in page
    assert f"/t/{opener.topic_id}/free-buses/1#post-1" in page
    assert (await _page(client, f"/u/anna@{site.settings.host}")).count("Anna Berg") == page.count("Anna Berg")
    remote = await _page(client, "/u/lena@ruhr.example")
    assert 'href="https://ruhr.example/@lena"' in remote


# --- the way home


@pytest.mark.parametrize(
    "uri", ["", "javascript:alert(1)", "https://", "/g/mobility", "https://a.example/" + "x" * 3000]
)
async def test_only_web_addresses_are_taken_home(client, uri):
    await _page(client, f"/away?server=a.example&uri={uri}", 400)


@pytest.mark.parametrize("server", ["no spaces", "../etc", "a.example/path", "10.0.0.1", "localhost", "@me@", "x:y@z"])
async def test_what_is_no_server_is_said_kindly(client, server):
    page = await _page(client, f"/away?uri=https://a.example/1&server={server.replace(' ', '%20')}", 422)
    assert 'role="alert"' in page


async def test_visitors_are_led_to_their_own_server(site, client, peer):
    response = await client.get("/away", params={"uri": "https://moot.example/g/x?a=1&b=2", "server": "Mast.example"})
    wanted = "https://mast.example/authorize_interaction?uri=https%3A%2F%2Fmoot.example%2Fg%2Fx%3Fa%3D1%26b%3D2"
    assert response.headers["Refresh"] == f"0; url={wanted}"
    assert wanted in unescape(await response.text())
    own = await client.get("/away", params={"uri": "https://moot.example/g/x", "server": site.settings.host})
    assert own.status == 422


# --- colours and files


@given(st.integers(0, 0xFFFFFF))
def test_any_colour_becomes_a_pair_that_can_be_read(number):
    light, dark = colours.pair(f"#{number:06x}")
    assert min(colours.contrast(light, paper) for paper in colours.LIGHT_PAPERS) >= 4.5
    assert min(colours.contrast(dark, paper) for paper in colours.DARK_PAPERS) >= 4.5
    assert colours.contrast(light, "#ffffff") >= 4.5, "words on a button"
    assert colours.contrast(dark, "#0c1413") >= 4.5, "words on a button in the dark"


def test_contrast_is_that_of_the_standard():
    assert colours.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colours.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_stylesheet_keeps_to_the_papers_that_colours_are_measured_on():
    css = assets._held()["moot.css"].decode()
    css = css[: css.index("@media")]  # what more contrast changes comes after
    tokens = dict(re.findall(r"--(\w[\w-]*): light-dark\(([^)]*)\)", css))
    pairs = {name: [part.strip() for part in both.split(",")] for name, both in tokens.items()}
    assert {pairs[name][0] for name in ("paper", "sheet", "sunken")} == set(colours.LIGHT_PAPERS)
    assert {pairs[name][1] for name in ("paper", "sheet", "sunken")} == set(colours.DARK_PAPERS)
    for name, least in (("ink", 4.5), ("soft", 4.5), ("good", 4.5), ("bad", 4.5), ("house", 4.5), ("edge", 3)):
        for paper in ("paper", "sheet", "sunken"):
            for scheme in (0, 1):
                assert colours.contrast(pairs[name][scheme], pairs[paper][scheme]) >= least, (name, paper, scheme)
    assert all(colours.contrast(tone, "#ffffff") >= 4.5 for tone in colours.TONES)


async def test_the_themes_stylesheet_follows_the_themes(site, client, theme):
    page = await _page(client, "/")
    before = re.search(r'href="(/themes\.css\?v=\w+)"', page)[1]
    made = await theme("mobility", colour="#ffee00")
    after = re.search(r'href="(/themes\.css\?v=\w+)"', await _page(client, "/"))[1]
    assert before != after
    response = await client.get(after)
    light, dark = colours.pair("#ffee00")
    assert f".theme-hue-{made.actor_id}{{--hue:light-dark({light},{dark})}}" in await response.text()
    assert "immutable" in response.headers["Cache-Control"]


async def test_static_files_are_kept_until_they_change(client):
    response = await client.get(assets.address("moot.css"))
    assert (response.status, response.content_type) == (200, "text/css")
    assert "immutable" in response.headers["Cache-Control"]
    assert "immutable" not in (await client.get("/static/moot.css")).headers["Cache-Control"]


def test_scripts_and_styles_stay_small():
    held = assets._held()
    for suffix in (".js", ".css"):
        size = len(gzip.compress(b"".join(content for name, content in held.items() if name.endswith(suffix))))
        assert size < 25_000, suffix


# --- live


async def _event(response, kind):
    name = data = ""
    async with asyncio.timeout(10):
        async for raw in response.content:
            line = raw.decode().strip()
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data = line[5:].strip()
            elif not line and name == kind:
                return json.loads(data)
    raise AssertionError("the stream ended")


async def test_open_pages_hear_of_new_and_changed_posts(site, client, member, theme, topic, answer):
    anna, bert = await member("anna"), await member("bert")
    opener = await topic(anna, await theme("mobility"))
    other = await topic(anna, await theme("water"))
    async with client.get(f"/t/{opener.topic_id}/live") as response:
        assert response.content_type == "text/event-stream"
        assert site.database.hub.listeners(f"topic:{opener.topic_id}") == 1
        await answer(bert, other, "Not here")
        made = await answer(bert, opener)
        assert await _event(response, "post") == {"topic": opener.topic_id, "post": made.id, "number": 2}
        async with site.database.write() as tx:
            await reactions.like(tx, await tx.get_one(Actor, bert.actor_id), await tx.get_one(Post, opener.id))
        assert (await _event(response, "post"))["number"] == 1


async def test_streams_end_when_the_server_stops(site, client, member, theme, topic):
    opener = await topic(await member("anna"), await theme("mobility"))
    response = await client.get(f"/t/{opener.topic_id}/live")
    async with asyncio.timeout(20):
        await client.server.close()
    assert site.database.hub.listeners(f"topic:{opener.topic_id}") == 0
    response.close()


async def test_a_reader_who_leaves_is_forgotten(site, client, member, theme, topic, answer):
    anna = await member("anna")
    opener = await topic(anna, await theme("mobility"))
    response = await client.get(f"/t/{opener.topic_id}/live")
    response.close()
    for _ in range(50):  # each write to a closed connection is a chance to notice
        await answer(anna, opener)
        await asyncio.sleep(0.02)
        if not site.database.hub.listeners(f"topic:{opener.topic_id}"):
            break
    assert site.database.hub.listeners(f"topic:{opener.topic_id}") == 0


async def test_a_deleted_topic_is_not_there(site, client, member, theme, topic):
    anna = await member("anna")
    opener = await topic(anna, await theme("mobility"))
    async with site.database.write() as tx:
        await posts.erase(tx, await tx.get_one(Actor, anna.actor_id), await tx.get_one(Post, opener.id))
    await _page(client, f"/t/{opener.topic_id}", 404)
    await _page(client, f"/p/{opener.id}", 410)
    assert "Free buses?" not in await _page(client, "/g/mobility")
    async with site.database.read() as tx:
        assert [each.topic_count for each in await groups.themes(tx)] == [0]
