"""Who takes a name off an agenda: whose it is, and nobody in their place. And who says here that one is cited there."""

from __future__ import annotations

import asyncio
import re
from datetime import date, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from sqlalchemy import func, select, update

from community import agendas, contributors, items, members, posts, sources
from community.agenda_models import Agenda, Contributor, Item, Source
from community.agendas import Plan
from community.models import Activity, Actor, Job, Notification, Post, Throttle
from federation.dereference import store_actor
from federation.translate import from_actor
from federation.vocabulary import PUBLIC
from tests.conftest import pair
from tests.hostile.place import Place
from web import citations

pytestmark = pytest.mark.usefixtures("calm")


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def item(place: Place) -> Item:
    """Tess and Eve, each elsewhere, and Anna stand behind an item of an agenda."""
    note = place.other.note("<p>Benches for all.</p>", by="eve", inReplyTo=place.opener.uri)
    await place.accepted(place.other.activity("Create", note, by="eve"), "replied", at=place.other, by="eve")
    async with place.site.database.write() as tx:
        clara = await members.add_member(tx, "clara", "c@example.org", "!", await pair(4), site_role="admin")
        plan = Plan("World Smart Cities Forum", date(2027, 7, 13), date(2027, 7, 13), "Asia/Singapore")
        agenda = await agendas.make(tx, clara.actor, await pair(5), plan)
        made = await items.propose(tx, clara.actor, agenda, "Benches")
        for uri in (place.theirs.uri, note["id"], place.opener.uri):
            said = await posts.find_by_uri(tx, uri)
            assert said is not None
            await sources.cite(tx, clara.actor, made, said)
    return made


async def picture(place: Place) -> list[tuple[Any, ...]]:
    """Every row about agendas and those cited on them."""
    found: list[tuple[Any, ...]] = []
    async with place.site.database.read() as tx:
        for model in (Source, Contributor, Item, Agenda):
            found += sorted(map(tuple, await tx.execute(select(*model.__table__.columns))), key=repr)
    return found


async def token_of(place: Place, actor_id: int) -> str:
    async with place.site.database.read() as tx:
        return (await tx.get_one(Contributor, actor_id)).token


async def by_name(place: Place) -> list[str]:
    async with place.site.database.read() as tx:
        query = select(Actor.handle).join(Source, Source.author_id == Actor.id).where(Source.state == "cited")
        return sorted((await tx.execute(query)).scalars())


async def post_form(
    place: Place, path: str, *, csrf: bool = True, session: aiohttp.ClientSession, **fields: str
) -> int:
    address = place.site.settings.origin + path
    if csrf:
        async with session.get(address) as answer:
            found = re.search(r'name="csrf" value="([0-9a-f]+)"', await answer.text())
        fields["csrf"] = found[1] if found else ""
    async with session.post(address, data=fields, allow_redirects=False) as answer:
        return answer.status


@pytest_asyncio.fixture
async def browser(place: Place) -> Any:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def test_what_others_send_about_a_cited_post_takes_no_name_off(place: Place) -> None:
    before = await picture(place)
    peer, other, uri = place.peer, place.other, place.theirs.uri
    forged = {**place.peer.served[uri.removeprefix(peer.origin)], "content": "<p>No benches.</p>"}
    cases = [
        (peer, "mallory", peer.activity("Delete", uri, by="mallory"), "only-the-author"),
        (other, "eve", other.activity("Delete", uri, by="eve"), "only-the-author"),
        (other, "eve", other.activity("Update", forged, by="eve"), "author-is-not-signer"),
        (peer, "mallory", peer.activity("Update", forged, by="mallory"), "author-is-not-signer"),
        (other, "eve", other.activity("Flag", [place.peer.uri(), uri], by="eve"), "reported"),
    ]
    for sender, by, activity, outcome in cases:
        await place.accepted(activity, outcome, at=sender, by=by)
        assert await picture(place) == before, activity["type"]
    # A private Note that asks for it, in whoever's name, is read by nobody.
    clerk = f"{place.site.settings.origin}/u/clerk"
    create = (await _told(place))[0]
    before = await picture(place)
    asks = other.note("<p>Take my name off!</p>", by="eve", to=[clerk], cc=[])
    status, _said = await other.send(place.inbox, other.activity("Create", asks, by="eve"), by="eve")
    assert status == 202
    for activity in (
        other.activity("Undo", {"id": create, "type": "Create", "actor": clerk}, by="eve"),
        other.activity("Reject", create, by="eve"),
        other.activity("Delete", create, by="eve"),
    ):
        assert (await other.send(place.inbox, activity, by="eve"))[0] == 202
        await place.outcome(activity["id"])
    assert await picture(place) == before


async def _told(place: Place) -> list[str]:
    """Send the messages that wait, and answer their ids."""
    async with place.site.database.read() as tx:
        pending = select(Job).where(Job.kind == "tell-contributor")
        people = [job.argument["actor"] for job in (await tx.execute(pending)).scalars()]
    known = place.site.database.clock
    place.site.database.clock = lambda: known() + timedelta(minutes=11)
    try:
        async with place.site.database.write() as tx:
            for actor_id in people:
                await contributors.tell(tx, actor_id)
    finally:
        place.site.database.clock = known
    async with place.site.database.read() as tx:
        held = select(Activity.uri).where(Activity.direction == "out", Activity.document.contains("/citations/"))
        return list((await tx.execute(held.order_by(Activity.id))).scalars())


async def test_the_link_is_known_to_one_alone(place: Place, browser: aiohttp.ClientSession) -> None:
    """Neither the activity, nor the message, nor a list, nor the agenda's pages show it."""
    origin, handle = place.site.settings.origin, "wscf_2027"
    tokens = [await token_of(place, each) for each in (place.theirs.author_id, place.anna.id)]
    async with place.site.database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(Contributor)) == 3
    told = await _told(place)
    sent = [each for each in place.peer.received if each.activity["id"] in told]
    messages = [each.activity["object"]["id"] for each in sent]
    for address in (
        *told, *messages, f"{origin}/u/clerk/outbox", f"{origin}/agenda/{handle}/1", f"{origin}/agenda/{handle}",
        f"{origin}/agenda/{handle}/agenda.json", f"{origin}/g/{handle}", f"{origin}/g/{handle}/outbox", f"{origin}/log",
        f"{origin}/u/clerk",
    ):  # fmt: skip
        for accept in ("application/activity+json", "text/html"):
            async with browser.get(address, headers={"Accept": accept}) as answer:
                said = await answer.text()
            assert not any(token in said for token in tokens), address
    for uri in (*told, *messages):
        async with browser.get(uri, headers={"Accept": "application/activity+json"}) as answer:
            assert answer.status == 404


async def test_nobody_objects_for_somebody_else(
    place: Place, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = f"/citations/{await token_of(place, place.theirs.author_id)}"
    before = await picture(place)
    origin = place.site.settings.origin
    # Another's contribution, or none at all.
    for post in (str(place.opener.id), "0", "9" * 18, "-1", "x"):
        assert await post_form(place, mine, session=browser, action="anonymous", post=post) == 404
    # A form that our page did not send.
    assert await post_form(place, mine, csrf=False, session=browser, action="anonymous") == 403
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        async with aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.CookieJar(unsafe=True)) as forger:
            assert await post_form(place, mine, session=forger, action="anonymous") == 403
    # Robots, scanners and previews open everything, and send no forms.
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
        async with browser.request(
            method, f"{origin}{mine}?action=anonymous", headers={"Purpose": "prefetch"}
        ) as answer:
            assert answer.status < 500
    # Wrong links, until they are too many; the right one opens still.
    monkeypatch.setattr(citations, "WRONG_TOKENS", 4)
    good = mine.rpartition("/")[2]
    wrong = [good[:-1], good + "x", good.swapcase(), good[::-1], "%00" * 20, "x" * 5000]
    statuses = []
    for each in wrong:
        async with browser.get(f"{origin}/citations/{each}") as answer:
            statuses.append(answer.status)
    assert set(statuses) <= {404, 429}
    assert await post_form(place, f"/citations/{good[:-2]}xx", csrf=False, session=browser, action="anonymous") == 403
    async with browser.get(f"{origin}/citations/{good[:-2]}xx") as answer:
        assert answer.status == 429
    async with browser.get(origin + mine) as answer:
        assert answer.status == 200
    assert await picture(place) == before


async def test_the_clerk_of_another_city_says_only_what_is_so(place: Place) -> None:
    """That somebody here is cited there: from a clerk, about their own posts, with a link to where it was sent from."""
    peer, anna, post = place.peer, place.anna.uri, place.opener.uri
    document = peer.actor("clerk", type="Service")
    async with place.site.database.write() as tx:
        await store_actor(tx, from_actor(document, tx.now))
    before = await place.count(Notification)

    def message(by: str = "clerk", **changed: Any) -> dict[str, Any]:
        told = {"to": [anna], "cc": [], "url": f"{peer.origin}/citations/x", "cites": [post], **changed}
        note = peer.note("<p>You are cited.</p>", by=by, **told)
        del peer.served[note["id"].removeprefix(peer.origin)]
        return peer.activity("Create", note, by=by)

    cases: list[tuple[dict[str, Any], str, str]] = [
        (message("mallory"), "mallory", "not-a-clerk"),
        (message(url="https://evil.example/citations/x"), "clerk", "link-elsewhere"),
        (message(url=f"{peer.origin}/{'x' * 600}"), "clerk", "link-elsewhere"),
        (message(url="javascript:alert(1)"), "clerk", "link-elsewhere"),
        (message(cites=[place.theirs.uri]), "clerk", "only-the-author"),
        (message(cites=["https://nowhere.example/1"]), "clerk", "only-the-author"),
        (message(to=[peer.uri("tess")]), "clerk", "not-found-here"),
        (message(to=[anna, peer.uri("tess")]), "clerk", "not-found-here"),
        (message(cites=[]), "clerk", "not-public"),
    ]
    for activity, by, outcome in cases:
        await place.accepted(activity, outcome, by=by)
    assert await place.count(Notification) == before
    await place.accepted(message(), "told", by="clerk")
    await place.accepted(message(cites=["x", post]), "too-many-tries", by="clerk")
    async with place.site.database.read() as tx:
        found = (await tx.execute(select(Notification).order_by(Notification.id.desc()))).scalars().first()
        assert found is not None
        assert (found.kind, found.path, found.account_id) == ("cited", f"{peer.origin}/citations/x", place.anna.id)
    assert await place.count(Notification) == before + 1
    public = message(to=[PUBLIC, anna])
    assert (await place.peer.send(place.inbox, public, by="clerk"))[0] == 202
    assert await place.outcome(public["id"]) != "told"


async def test_of_a_blocked_server_one_can_still_object_and_of_a_closed_account_nothing_is_kept(
    place: Place, browser: aiohttp.ClientSession
) -> None:
    """The last of all: what it does cannot be undone."""
    async with place.site.database.write() as tx:
        await tx.execute(update(Throttle).values(count=0))
    assert await by_name(place) == ["anna", "eve", "tess"]
    page = f"/citations/{await token_of(place, place.theirs.author_id)}"
    await place.set_host(place.peer.host, "blocked")
    assert await post_form(place, page, session=browser, action="anonymous") == 303
    assert await by_name(place) == ["anna", "eve"]
    async with browser.get(f"{place.site.settings.origin}/log") as answer:
        assert "tess" not in (await answer.text()).lower()
    await place.accepted(
        place.other.activity("Delete", place.other.uri("eve"), by="eve"), "actor-gone", at=place.other, by="eve"
    )
    for _ in range(400):
        if await by_name(place) == ["anna"]:
            break
        await asyncio.sleep(0.01)
    async with place.site.database.read() as tx:
        held = select(Source).join(Post, Post.id == Source.post_id).join(Actor, Actor.id == Post.author_id)
        [gone] = (await tx.execute(held.where(Actor.handle == "eve"))).scalars()
        assert (gone.state, gone.author_id, gone.host, gone.excerpt, gone.hash) == ("redacted", None, "", "", "")
