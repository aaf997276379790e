"""Reporting, the queue of reports, hiding, and the people of a theme, as a browser without script does it."""

from __future__ import annotations

from datetime import UTC, datetime
from html import unescape

import pytest
from sqlalchemy import select

from community import groups, moderation, posts, topics
from community.models import Actor, LogEntry, Membership, Post, Report, Topic
from tests.web.forms import send
from web import render

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


def elsewhere(kind="person", name="tess"):
    uri = f"https://far.example/{name}"
    return Actor(
        uri=uri, url=uri, kind=kind, handle=name, host="far.example", inbox=f"{uri}/inbox", public_key="", key_id="",
        created_at=datetime.now(UTC),
    )  # fmt: skip


@pytest.fixture
async def place(site, member, theme):
    """Anna's topic in mobility with a reply by Tess of another server; a topic of a group there with another."""
    anna, mobility = await member("anna"), await theme("mobility")
    async with site.database.write() as tx:
        tess, board = elsewhere(), elsewhere("group", "board")
        tx.add_all([tess, board])
        await tx.flush()
        written = await posts.compose(tx, "What if?", title="Free buses?")
        opener = await topics.open(tx, await tx.own(anna.actor), mobility.actor, written)
        rude = posts.Written(html="<p>You <b>fool</b>.</p>", uri="https://far.example/n/1")
        reply = await posts.reply(tx, tess, opener.topic, rude)
        await groups.ensure_place(tx, board)
        far = posts.Written(html="<p>Buy pills.</p>", title="Pills", uri="https://far.example/n/2")
        theirs = await topics.open(tx, tess, board, far)
    return {"anna": anna, "mobility": mobility, "tess": tess, "reply": reply, "opener": opener, "theirs": theirs}


async def words(answer):
    return unescape(await answer.text())


async def rows(site, query):
    async with site.database.read() as tx:
        return list((await tx.execute(query)).scalars())


async def test_a_member_reports_and_staff_removes_and_excludes(site, client, member, sign_in, place):
    reply, anna = place["reply"], place["anna"]
    path = f"/p/{reply.id}/report"
    assert (await client.get(path, allow_redirects=False)).status == 303
    await sign_in(client, anna)
    page = await words(await client.get(render.topic_path(reply.topic)))
    assert f'href="{path}"' in page
    assert f'href="/p/{place["opener"].id}/report"' not in page, "one's own post"
    assert "far.example" in await words(await client.get(path))
    answer = await send(client, path, reason="  ", sent_on="1")
    page = await words(answer)
    assert (answer.status, "Say in a few words" in page, 'value="1" checked' in page) == (422, True, True)
    assert "Thank you." in await words(await send(client, path, reason="He calls me names.", sent_on="1"))
    assert "before" in await words(await send(client, path, reason="Again."))
    assert (await client.get("/staff/reports")).status == 403

    client.session.cookie_jar.clear()
    await sign_in(client, await member("moira", site_role="moderator"))
    assert "/staff/reports" in await words(await client.get("/notifications"))
    page = await words(await client.get("/staff/reports"))
    for said in ("He calls me names.", "Free buses?", "@tess@far.example", "Microblogs keep what its author"):
        assert said in page
    report = (await rows(site, select(Report)))[0]
    ticked = {"report": str(report.id), "decision": "act", "remove": "1", "ban": "1", "days": "30"}
    answer = await send(client, "/staff/reports", **{**ticked, "reason": " "})
    page = await words(answer)
    assert answer.status == 422
    assert 'name="ban" value="1" checked' in page, "what was ticked is kept"
    assert 'value="30" selected' in page
    nothing = {"report": str(report.id), "decision": "act", "reason": "A long thought"}
    answer = await send(client, "/staff/reports", **nothing)
    assert (answer.status, "A long thought" in await words(answer)) == (422, True)
    for wrong, status in (
        ({"days": "3000"}, 422),
        ({"ban": "", "erase": "1"}, 422),
        ({"decision": "burn"}, 400),
        ({"report": "99"}, 404),
    ):
        assert (await send(client, "/staff/reports", **{**ticked, "reason": "Rude", **wrong})).status == status
    assert (await rows(site, select(Post.deleted_at).where(Post.id == reply.id))) == [None], "all or nothing"
    assert (await send(client, "/staff/reports", **ticked, reason="Rude")).status == 303
    async with site.database.read() as tx:
        gone = await tx.get_one(Post, reply.id)
        banned = await tx.get_one(Membership, (place["tess"].id, place["mobility"].actor_id))
        assert (gone.deleted_reason, banned.role, (banned.banned_until - tx.now).days) == ("Rude", "banned", 29)
        assert (await tx.get_one(Report, report.id)).state == "resolved"
    assert "Nothing waits for you." in await words(await client.get("/staff/reports"))
    log = await words(await client.get("/log"))
    assert "excluded" in log
    assert "anna" not in log, "the reporter is named in public"


async def test_what_is_at_home_elsewhere_is_hidden_here(site, client, member, sign_in, place):
    theirs, anna = place["theirs"], place["anna"]
    path, topic = f"/p/{theirs.id}/hide", render.topic_path(theirs.topic)
    await sign_in(client, anna)
    assert (await client.get(path)).status == 403
    client.session.cookie_jar.clear()
    await sign_in(client, await member("moira", site_role="moderator"))
    assert (await client.get(f"/p/{place['reply'].id}/hide")).status == 403, "that is removed instead"
    assert "far.example" in await words(await client.get(path))
    answer = await send(client, path, reason="", topic="1")
    assert (answer.status, "checked" in await words(answer)) == (422, True)
    assert (await send(client, path, reason="Advertising")).status == 303
    assert "Buy pills" in await words(await client.get(topic)), "staff unfolds it"
    stranger = client.session.cookie_jar
    stranger.clear()
    page = await words(await client.get(topic))
    assert "Hidden here by the moderators: Advertising" in page
    assert "pills." not in page
    assert (await client.get(f"/p/{theirs.id}/history")).status == 404
    assert "Buy pills" not in await words(await client.get("/u/tess@far.example"))
    await sign_in(client, await member("nina", site_role="moderator"))
    assert (await send(client, path, reason="Advertising", topic="1")).status == 303
    stranger.clear()
    assert (await client.get(topic)).status == 404
    await sign_in(client, await member("olga", site_role="moderator"))
    assert (await send(client, path, reason="", shown="1")).status == 303
    stranger.clear()
    assert "Buy pills" in await words(await client.get(topic))
    done = await rows(site, select(LogEntry.action).where(LogEntry.action.contains("hid")))
    assert done == ["hide-post", "hide-post", "hide-topic", "unhide-post", "unhide-topic"]


async def test_the_moderators_of_one_theme(site, client, member, theme, sign_in, place, peer):
    """Appointed from here or elsewhere, they see the reports of their theme and of no other."""
    bert, water = await member("bert"), await theme("water")
    async with site.database.write() as tx:
        there = await topics.open(
            tx, await tx.own(place["anna"].actor), water.actor, await posts.compose(tx, "W", title="Wet")
        )
        by = await tx.own(bert.actor)
        await moderation.report(tx, await tx.own(place["anna"].actor), posts=[place["reply"]], reason="In mobility")
        await moderation.report(tx, by, posts=[there], reason="In water")
    await sign_in(client, await member("moira", site_role="moderator"))
    assert "/g/mobility/people" in await words(await client.get("/g/mobility"))
    people = "/g/mobility/people"
    answer = await send(client, people, action="appoint", handle="@nobody@nowhere.invalid")
    assert (answer.status, "@nobody@nowhere.invalid" in await words(answer)) == (422, True)
    assert (await send(client, people, action="appoint", handle="board@far.example")).status == 422
    for handle in ("@bert", f"@tess@{peer.host}", "tess@far.example"):
        assert (await send(client, people, action="appoint", handle=handle)).status == 303
    page = await words(await client.get(people))
    assert f"@tess@{peer.host}" in page, "somebody never met before"
    answer = await send(client, people, action="ban", banned="tess@far.example", days="7", reason="")
    assert (answer.status, 'value="tess@far.example"' in await words(answer)) == (422, True)
    assert (await send(client, people, action="dismiss", handle="tess@far.example")).status == 303
    fields = {"action": "ban", "banned": "tess@far.example", "days": "7", "reason": "Rude"}
    assert (await send(client, people, **fields)).status == 303
    assert (await send(client, people, action="appoint", handle="tess@far.example")).status == 422
    assert "until" in await words(await client.get(people))
    assert (await send(client, people, action="unban", handle="tess@far.example")).status == 303
    assert "until" not in await words(await client.get(people))
    assert (await send(client, people, action="burn", handle="bert")).status == 400

    client.session.cookie_jar.clear()
    await sign_in(client, bert)
    page = await words(await client.get("/staff/reports"))
    assert "In mobility" in page
    assert "In water" not in page
    assert "Suspend" not in page
    in_water = (await rows(site, select(Report.id).where(Report.reason == "In water")))[0]
    assert (await send(client, "/staff/reports", report=str(in_water), decision="dismiss")).status in (403, 422)
    assert (await client.get("/g/water/people")).status == 403
    assert (await client.get("/staff/suspended")).status == 403
    assert (await client.get("/g/board@far.example/people")).status in (403, 404)
    mine = (await rows(site, select(Report.id).where(Report.reason == "In mobility")))[0]
    assert (await send(client, "/staff/reports", report=str(mine), decision="dismiss")).status == 303
    assert await rows(site, select(Report.state).order_by(Report.id)) == ["dismissed", "open"]


async def test_suspending_somebody_and_letting_them_in_again(site, client, member, sign_in, place):
    await sign_in(client, await member("moira", site_role="moderator"))
    answer = await send(client, "/staff/suspended", action="suspend", handle="anna", reason="", erase="1")
    assert (answer.status, 'value="anna"' in await words(answer)) == (422, True)
    answer = await send(client, "/staff/suspended", action="suspend", handle="moira", reason="x")
    assert answer.status == 422
    assert (await send(client, "/staff/suspended", action="suspend", handle="@anna", reason="Spam")).status == 303
    assert "anna" in await words(await client.get("/staff/suspended"))
    client.session.cookie_jar.clear()
    topic = render.topic_path(place["opener"].topic)
    assert "its author is suspended" in await words(await client.get(topic))
    await sign_in(client, await member("nina", site_role="moderator"))
    assert (await send(client, "/staff/suspended", action="lift", handle="@anna")).status == 303
    client.session.cookie_jar.clear()
    await sign_in(client, place["anna"])
    async with site.database.read() as tx:
        assert (await tx.get_one(Topic, place["opener"].topic_id)).deleted_at is None
