"""Finding, following and answering what is elsewhere, on pages; and the way to visitors' own servers."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pytest
from sqlalchemy import update

from community import following, groups, posts, topics
from community.models import Actor, Membership, Post
from community.posts import Written
from federation.client import Budget
from federation.dereference import bring_in
from tests.conftest import PASSWORD
from tests.web.forms import send
from web import auth


@pytest.fixture
def database_kind():
    return "sqlite"


async def _page(client, path, status=200):
    answer = await client.get(path)
    assert answer.status == status, await answer.text()
    return unescape(await answer.text())


async def _lead(client, path):
    """Where an address leads, one step."""
    answer = await client.get(path, allow_redirects=False)
    assert answer.status in (302, 303), await answer.text()
    return answer.headers["Location"]


async def _actor(site, uri):
    async with site.database.read() as tx:
        return await tx.by_uri(Actor, uri)


async def test_a_group_is_found_followed_and_written_in(site, client, peer, member, sign_in):
    anna = await member("anna")
    peer.actor("trams", type="Group", summary="<p>All about trams</p>", url=f"{peer.origin}/c/trams")
    assert "/sign-in?next=/find" in await _lead(client, "/find?q=x")
    await sign_in(client, anna)
    where = await _lead(client, "/find?" + urlencode({"q": f"!trams@{peer.host}"}))
    assert where == f"/g/trams@{peer.host}"
    page = await _page(client, where)
    assert "All about trams" in page
    assert f"@trams@{peer.host}" in page
    assert f'href="{peer.origin}/c/trams"' in page
    assert f"goes to {peer.host} and appears there when Trams takes it" in page
    group = await _actor(site, peer.uri("trams"))

    answer = await send(client, "/follow", page=where, actor=str(group.id), action="follow")
    assert answer.headers["Location"] == where
    assert f"Asked, waiting for {peer.host} to answer" in await _page(client, where)
    async with site.database.write() as tx:
        await following.accepted(tx, await tx.get_one(Membership, (anna.actor_id, group.id)))
        theirs = await topics.open(tx, await _writer(tx, site, peer), group, Written(html="<p>x</p>", title="Rails"))
    page = await _page(client, "/following")
    assert "You follow" in page
    assert "Rails" in page

    answer = await send(client, f"{where}/new", title="Sleepers", text="Wood or concrete?", language="en")
    topic = answer.headers["Location"]
    assert "Waiting until Trams takes it" in await _page(client, topic)
    async with site.database.write() as tx:
        await tx.execute(update(Post).where(Post.acceptance == "waiting").values(acceptance="accepted"))
    assert "Taken by Trams" in await _page(client, topic)
    assert "Rails" in (page := await _page(client, where))
    assert "Sleepers" in page
    client.session.cookie_jar.clear()
    assert "Taken by" not in await _page(client, topic), "for the author alone"
    assert theirs.acceptance == ""
    await _page(client, f"/g/nothing@{peer.host}", 404)
    await _page(client, f"{where}/feed.xml")

    await sign_in(client, anna)
    await send(client, "/follow", page="/following", actor=str(group.id), action="leave", next="/following")
    assert "You follow nobody elsewhere yet" in await _page(client, "/following")
    assert (await send(client, f"{where}/membership", page=where, action="join")).status == 404


async def _membership(tx, account, group):
    from community.models import Membership

    return await tx.get_one(Membership, (account.actor_id, group.id))


async def _writer(tx, site, peer):
    actor = Actor(uri=peer.uri("wanda"), kind="person", handle="wanda", host=peer.host, created_at=tx.now)
    tx.add(actor)
    await tx.flush()
    return actor


async def test_a_person_and_a_group_of_one_handle_have_two_pages(site, client, peer, member, sign_in):
    await sign_in(client, await member("anna"))
    peer.actor("twin")
    peer.actor("twins", type="Group", preferredUsername="twin")["name"] = "The group"
    for name in ("twin", "twins"):
        await bring_in(site, peer.uri(name), Budget())
    async with site.database.write() as tx:
        person, group = [await tx.by_uri(Actor, peer.uri(name)) for name in ("twin", "twins")]
        await groups.ensure_place(tx, person)
        place = await groups.ensure_place(tx, group)
    assert await _lead(client, f"/g/twin@{peer.host}") == f"/g/{place.slug}"
    assert "The group" in await _page(client, f"/g/{place.slug}")
    assert "Follow" in await _page(client, f"/u/twin@{peer.host}")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("just words", "Write a handle such as"),
        ("javascript:alert(1)", "Write a handle such as"),
        ("https://10.0.0.1/x", "Write a handle such as"),
        ("@nobody@{peer}", "Nothing is there any more"),
        ("{origin}/words", "cannot be opened here"),
    ],
)
async def test_what_cannot_be_found_is_said_and_kept(client, peer, member, sign_in, typed, says):
    await sign_in(client, await member("anna"))
    peer.served["/words"] = {"id": f"{peer.origin}/words", "type": "Tractor"}
    typed = typed.format(peer=peer.host, origin=peer.origin)
    page = await _page(client, "/find?" + urlencode({"q": typed}), 422)
    assert says in page
    assert f'value="{typed}"' in page


async def test_nobody_has_other_servers_asked_without_end(client, peer, member, sign_in):
    await sign_in(client, await member("anna"))
    for _ in range(30):
        await client.get("/find?q=nothing")
    before = len(peer.asked)
    page = await _page(client, f"/find?q=@tess@{peer.host}", 422)
    assert "tried too often" in page
    assert len(peer.asked) == before


async def test_a_post_opens_once_its_author_is_followed(site, client, peer, member, sign_in):
    anna = await member("anna")
    await sign_in(client, anna)
    note = peer.note("<p>The night bus is full again.</p>")
    peer.served["/@tess/1"] = note  # the address of its page
    find = "/find?" + urlencode({"q": f"{peer.origin}/@tess/1"})
    page = await _page(client, find, 422)
    assert "nobody here follows its author" in page
    assert f'href="/u/tess@{peer.host}"' in page
    tess = await _actor(site, peer.uri())
    await send(client, "/follow", page=f"/u/tess@{peer.host}", actor=str(tess.id), action="follow")
    topic = await _lead(client, find)
    assert "The night bus is full again." in await _page(client, topic)
    page = await _page(client, f"/u/tess@{peer.host}")
    assert "The night bus is full again." in page
    assert "Asked, waiting" in page
    async with site.database.write() as tx:
        (await tx.get_one(Actor, tess.id)).moved_to = "javascript:alert(1)"
    assert 'href="javascript' not in await _page(client, f"/u/tess@{peer.host}")


async def test_other_servers_lead_members_here(site, client, peer, member, theme, sign_in):
    anna, mobility = await member("anna"), await theme("mobility")
    async with site.database.write() as tx:
        post = await topics.open(tx, anna.actor, mobility.actor, await posts.compose(tx, "Text.", title="A title"))
    webfinger = await (await client.get(f"/.well-known/webfinger?resource=acct:anna@{site.settings.host}")).json()
    doors = {link["rel"]: link["template"] for link in webfinger["links"] if "template" in link}
    values = {
        "uri": peer.uri(),
        "object": peer.uri(),
        "inReplyTo": post.uri,
        "content": "I think & so",
        "on-success": "",
    }
    paths = {
        rel: re.sub(r"\{([\w-]+)\}", lambda m: urlencode({"": values.get(m[1], "https://far.example/x")})[1:], template)
        for rel, template in doors.items()
    }
    paths = {rel.rpartition("/")[2]: path.removeprefix(site.settings.origin) for rel, path in paths.items()}
    assert set(paths) == {"subscribe", "Follow", "Object", "Create"}
    for path in paths.values():  # sign in first, and come back
        back = parse_qs(urlsplit(await _lead(client, path)).query)["next"][0]
        assert unquote(back) == unquote(path)
    await sign_in(client, anna)
    assert await _lead(client, await _lead(client, paths["subscribe"])) == f"/u/tess@{peer.host}"
    tess = await _actor(site, peer.uri())
    page = await _page(client, paths["Follow"])
    assert 'href="https://far.example/x"' in page
    assert "Back to far.example" in page
    assert not await _followed(site, anna), "nothing happens by a link alone"
    answer = await send(
        client, "/follow", page=paths["Follow"], actor=str(tess.id), action="follow", next=paths["Follow"]
    )
    assert unquote(answer.headers["Location"]) == unquote(paths["Follow"])
    assert [each.actor.uri for each in await _followed(site, anna)] == [peer.uri()]
    page = await _page(client, paths["Create"])
    link = re.search(r'class="button main" href="([^"]+)"', page)[1]
    assert ">\nI think & so</textarea>" in await _page(client, link.partition("#")[0])
    evil = {"object": peer.uri(), "on-cancel": "javascript:alert(1)"}
    evil = await _page(client, "/intents/follow?" + urlencode(evil))
    assert 'href="javascript' not in evil
    page = await _page(client, "/intents/create?content=Hello")
    assert "Hello</textarea>" in await _page(client, re.search(r'href="(/g/mobility/new[^"]+)"', page)[1])


async def _followed(site, account):
    async with site.database.read() as tx:
        return await following.followed(tx, account.actor_id)


async def test_a_visitors_server_is_remembered_until_it_is_no_more_theirs(site, client, theme):
    mobility = await theme("mobility")
    door = urlencode({"uri": mobility.actor.uri})
    answer = await client.get(f"/away?{door}&server=Mast.Example")
    assert answer.headers["Refresh"].startswith("0; url=https://mast.example/authorize_interaction?uri=")
    assert "Follow · mast.example" in await _page(client, "/g/mobility"), "one click from now on"
    answer = await client.get(f"/away?{door}")
    assert "url=https://mast.example/" in answer.headers["Refresh"]
    answer = await client.get(f"/away?{door}&change=1")
    assert "Refresh" not in answer.headers
    assert "Follow · mast.example" not in await _page(client, "/g/mobility")
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    answer = await client.get(f"/away?{door}&server=evil.example", headers=elsewhere)
    assert "Refresh" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert "https://evil.example/authorize_interaction" in await answer.text()
    client.session.cookie_jar.update_cookies({"home": "evil.example/..\\"}, response_url=client.make_url("/"))
    assert "Refresh" not in (await client.get(f"/away?{door}")).headers


async def test_the_visitors_server_says_where_to_follow_and_answer(site, client, peer, member, theme):
    anna, mobility = await member("anna"), await theme("mobility")
    async with site.database.write() as tx:
        post = await topics.open(tx, anna.actor, mobility.actor, await posts.compose(tx, "Text.", title="A title"))

    async def led(uri):
        answer = await client.get("/away?" + urlencode({"uri": uri, "server": f"@tess@{peer.host}"}))
        return answer.headers["Refresh"].removeprefix("0; url=").removeprefix(peer.origin)

    quoted = {uri: urlencode({"": uri})[1:] for uri in (post.uri, mobility.actor.uri)}
    assert await led(post.uri) == f"/authorize_interaction?uri={quoted[post.uri]}"
    peer.doors.append({"rel": "http://ostatus.org/schema/1.0/subscribe", "template": f"{peer.origin}/s?acct={{uri}}"})
    assert await led(post.uri) == f"/s?acct={quoted[post.uri]}"
    intents = "https://w3id.org/fep/3b86/"
    peer.doors += [
        {"rel": f"{intents}Follow", "template": f"{peer.origin}/f?o={{object}}&s={{on-success}}&x={{unknown}}"},
        {"rel": f"{intents}Create", "template": f"{peer.origin}/c?r={{inReplyTo}}&t={{content}}"},
        {"rel": f"{intents}Object", "template": "https://{object}.evil.example/"},
    ]
    group = quoted[mobility.actor.uri]
    assert await led(mobility.actor.uri) == f"/f?o={group}&s={group}&x="
    assert await led(post.uri) == f"/c?r={quoted[post.uri]}&t="
    assert await led("https://elsewhere.example/1") == "/s?acct=https%3A%2F%2Felsewhere.example%2F1"


async def test_moving_from_and_to_another_account(site, client, peer, member, sign_in):
    anna = await member("anna")
    await sign_in(client, anna)
    page = "/settings/moving"
    wrong = await send(client, page, action="add", alias="nobody")
    assert wrong.status == 422
    assert 'value="nobody"' in await wrong.text()
    assert (await send(client, page, action="add", alias=f"@tess@{peer.host}")).status == 303
    document = await (await client.get("/u/anna", headers={"Accept": "application/activity+json"})).json()
    assert document["alsoKnownAs"] == [peer.uri()]
    assert "movedTo" not in document
    await send(client, page, action="remove", alias=peer.uri())

    target = f"@tess@{peer.host}"
    answer = await send(client, page, action="move", target=target, password="not this one at all")
    assert "This is not your present password." in await answer.text()
    answer = await send(client, page, action="move", target=target, password=PASSWORD)
    assert "does not name this one" in await answer.text()
    assert target in await answer.text()
    peer.actor("tess", alsoKnownAs=[anna.actor.uri])
    assert (await send(client, page, action="move", target=target, password=PASSWORD)).status == 303
    assert "You have moved to" in await _page(client, page)
    assert "has moved to" in await _page(client, "/u/anna")
    document = await (await client.get("/u/anna", headers={"Accept": "application/activity+json"})).json()
    assert document["movedTo"] == peer.uri()
    assert "alsoKnownAs" not in document
    await send(client, page, action="stay")
    assert "has moved to" not in await _page(client, "/u/anna")


def test_what_is_kept_of_a_visitors_server_is_a_server() -> None:
    good = ["mast.example", "@me@mast.example", "127.0.0.1:8000", "[::1]:80"]
    bad = ["", "a b", "https://a.example", "a.example/path", '"><script>', "a.example?x", "me@a.example"]
    assert [each for each in [*good, *bad] if auth._SERVER.fullmatch(each)] == good
