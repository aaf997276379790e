"""Arranging debates on pages: what is typed, what comes back, who is asked, and the page behind an invitation."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from community import debates, groups, members, panels
from community.debate_models import Debate, Seat, Series
from community.models import Account, Actor, Host, Membership, Notification
from tests.conftest import pair
from tests.web.forms import send
from web.debate_forms import read_plan

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
TYPED = {
    "motion": "Buses should be free", "text": "Tried in *Dunkirk*.", "date": "2026-12-18", "time": "14:00",
    "zone": "Europe/Paris", "minutes": "60", "call_days": "14", "digest_days": "2", "language": "en", "hosts": "",
}  # fmt: skip
NEW = "/g/mobility/debates/new"


@pytest.fixture
async def ada(site, member, theme, client, sign_in):
    """An editor, signed in, in a house with one theme, seventeen days before the debate."""
    site.database.clock = lambda: NOW
    await theme("mobility")
    editor = await member("ada", site_role="editor")
    await sign_in(client, editor)
    return editor


async def words(answer):
    return html.unescape(await answer.text())


async def the_debate(site):
    async with site.database.read() as tx:
        return (await tx.execute(select(Debate).order_by(Debate.actor_id.desc()).limit(1))).scalar_one()


async def seats(site, debate):
    async with site.database.read() as tx:
        return {seat.actor.handle: seat for seat in await debates.seats(tx, debate.actor_id, only_taken=False)}


async def abroad(site, name, host="far.example"):
    async with site.database.write() as tx:
        if await tx.get(Host, host) is None:
            tx.add(Host(name=host))
        uri = f"https://{host}/users/{name}"
        tx.add(Actor(uri=uri, kind="person", handle=name, host=host, name=name.title(), inbox=f"{uri}/inbox",
                     created_at=tx.now, fetched_at=tx.now))  # fmt: skip


async def test_announce_a_debate_and_ask_its_people(site, client, member, ada, peer):
    hugo = await member("hugo")
    await abroad(site, "jo")
    assert 'value="14:00"' in await (await client.get(NEW)).text()
    answer = await send(client, NEW, **{**TYPED, "hosts": f"@hugo, @tess@{peer.host}", "languages": "pt"})
    assert (answer.status, answer.headers["Location"]) == (303, "/g/debate_2026_12_18/seats?made=1")
    debate = await the_debate(site)
    assert debate.opens_at == datetime(2026, 12, 18, 13, tzinfo=UTC)
    assert (debate.closes_at - debate.opens_at, debate.opens_at - debate.call_at) == (
        timedelta(hours=1), timedelta(days=14),
    )  # fmt: skip
    assert (debate.digest_at - debate.closes_at, debate.languages) == (timedelta(days=2), ["en", "pt"])
    assert {name: (seat.role, seat.state) for name, seat in (await seats(site, debate)).items()} == {
        "hugo": ("host", "invited"), "tess": ("host", "invited"),
    }  # fmt: skip

    people = "/g/debate_2026_12_18/seats"
    page = await words(await client.get(f"{people}?made=1"))
    assert "The debate is announced." in page
    assert page.count("has not answered yet") == 2
    answer = await send(client, people, action="invite", handle="@jo@far.example", role="panel")
    assert (answer.status, answer.headers["Location"]) == (303, people)
    for handle, role, says in (
        ("@jo@far.example", "panel", "asked already"),
        ("@nobody", "panel", "Nobody was found under this handle"),
        ("@mobility", "panel", "not a person"),
        ("@clerk", "panel", "not a person"),
        ("", "panel", "Nobody was found"),
        ("@hugo", "king", "Choose one of the list"),
    ):
        answer = await send(client, people, action="invite", handle=handle, role=role)
        page = await words(answer)
        assert (answer.status, says in page, f'value="{handle}"' in page) == (422, True, True), handle
    async with site.database.write() as tx:
        host = await tx.get_one(Host, "far.example")
        host.failing_since, host.given_up_at = NOW - timedelta(days=8), NOW
    page = await words(await client.get(people))
    assert "Their server has not answered for so long" in page
    assert "23 November 2026" in page
    listed = await words(await client.get("/staff/debates"))
    assert "Somebody who was asked cannot be reached" in listed
    assert "The host has not answered yet" in listed
    jo = (await seats(site, debate))["jo"]
    assert (await send(client, people, action="withdraw", person=str(jo.actor_id))).status == 303
    assert "Ask again" in await words(await client.get(people))
    assert (await send(client, people, action="withdraw", person="999")).status == 404
    assert (await send(client, people, action="burn")).status == 400

    # Asked here, told here; the host then asks the panel, and nothing else.
    client.session.cookie_jar.clear()
    return_to = f"/seats/{(await seats(site, debate))['hugo'].token}"
    await _sign_in_as(client, hugo)
    page = await words(await client.get("/notifications"))
    assert "would like you to take part in a debate" in page
    leads = page.split('href="/notifications/')[1].split('"')[0]
    answer = await client.get(f"/notifications/{leads}", allow_redirects=False)
    assert answer.headers["Location"] == return_to
    assert (await client.get(people)).status == 403
    assert (await send(client, return_to, answer="yes")).status == 303
    page = await words(await client.get(people))
    assert "Invite somebody" in page
    assert "As host" not in page
    assert (await send(client, people, action="invite", handle="@ada", role="host")).status == 403
    assert (await send(client, people, action="invite", handle="@jo@far.example", role="panel")).status == 303
    for path in ("edit", "move", "cancel"):
        assert (await client.get(f"/g/debate_2026_12_18/{path}")).status == 403
    async with site.database.read() as tx:
        told = (await tx.execute(select(Notification.kind).where(Notification.account_id == ada.actor_id))).scalars()
        assert list(told) == ["seat-answered"]


async def _sign_in_as(client, account):
    fields = {"name": account.actor.handle, "password": "correct horse battery"}
    assert (await send(client, "/sign-in", **fields)).status == 303


async def test_what_cannot_be_announced_comes_back_as_typed(site, client, member, ada, theme):
    await member("hugo")
    wrong = {
        "date": ("2026-11-30", "This date has passed"),
        "time": ("25:00", "hours:minutes"),
        "zone": ("Europe/Atlantis", "Choose one of the list"),
        "minutes": ("-60", "from 10 minutes to 24 hours"),
        "motion": ("x" * 201, "3 to 200 characters"),
        "call_days": ("-1", "before the debate begins"),
        "digest_days": ("-1", "after the debate has ended"),
        "language": ("xx", "Choose one of the list"),
        "hosts": ("@hugo @nobody", "It is about @nobody"),
    }
    for name, (value, says) in wrong.items():
        answer = await send(client, NEW, **{**TYPED, name: value})
        page = await words(answer)
        assert (answer.status, says in page) == (422, True), name
        assert "Tried in *Dunkirk*." in page
        assert value in page or name in ("zone", "language")
    for name, value in (("date", "0001-01-01"), ("date", "9999-12-31"), ("date", ""), ("date", "18.12.2026"),
                        ("time", "14"), ("minutes", "ten"), ("call_days", "9" * 30), ("languages", "xx"),
                        ("hosts", "@a " * 11), ("text", "x" * 60_000), ("zone", "../etc/passwd")):  # fmt: skip
        answer = await send(client, NEW, **{**TYPED, name: value})
        assert answer.status == (303 if (name, value) == ("time", "14") else 422), (name, value)
    # At the hour that is taken now, no other debate of the theme begins, and several mistakes are said at once.
    answer = await send(client, NEW, **{**TYPED, "time": "14:30"})
    assert (answer.status, "Another debate of this theme" in await words(answer)) == (422, True)
    page = await words(await send(client, NEW, **{**TYPED, "motion": "", "date": "", "minutes": "0"}))
    assert "3 things need another look." in page
    async with site.database.read() as tx:
        assert len(await debates.ahead(tx)) == 1, "a debate without its host was kept"


async def test_an_hour_that_the_clocks_skip_is_taken_forward_and_said(site, client, ada):
    answer = await send(client, NEW, **{**TYPED, "date": "2027-03-28", "time": "02:30"})
    assert answer.headers["Location"] == "/g/debate_2027_03_28/seats?made=1&skipped=02:30"
    debate = await the_debate(site)
    assert debate.opens_at == datetime(2027, 3, 28, 1, 30, tzinfo=UTC), "03:30 on the clocks of Paris"
    page = await words(await client.get(answer.headers["Location"]))
    assert "there is no 02:30" in page
    assert "03:30–04:30 (Europe/Paris)" in page
    answer = await send(client, "/g/debate_2027_03_28/move", date="2027-03-28", time="02:15", reason="")
    assert answer.headers["Location"].endswith("skipped=02:15")
    assert "<b>" not in (await words(await client.get("/g/debate_2027_03_28/move?skipped=<b>"))).split("<h1>")[1][:2000]


def test_days_are_counted_on_the_calendar_of_the_place(database_kind):
    """Two weeks before an hour in summer time is that hour in winter time."""
    read = read_plan({**TYPED, "date": "2027-04-02", "time": "14:00"}, [], NOW)
    assert read.plan.opens_at == datetime(2027, 4, 2, 12, tzinfo=UTC)
    assert read.plan.call_at == datetime(2027, 3, 19, 13, tzinfo=UTC)
    assert read_plan({**TYPED, "call_days": "0", "digest_days": ""}, [], NOW).plan.digest_at is None


async def test_edit_move_and_cancel(site, client, ada):
    await send(client, NEW, **TYPED)
    path = "/g/debate_2026_12_18"
    assert "Buses should be free" in await words(await client.get(f"{path}/edit"))
    fields = {"motion": "Trains should be free", "text": "Why?", "language": "fr", "languages": "en"}
    assert (await send(client, f"{path}/edit", **fields)).status == 303
    assert (await the_debate(site)).languages == ["fr", "en"]
    answer = await send(client, f"{path}/edit", **{**fields, "motion": "", "text": "Still here"})
    assert (answer.status, "Still here" in await words(answer)) == (422, True)
    answer = await send(client, f"{path}/move", date="2026-11-01", time="14:00", reason="Rain")
    assert (answer.status, "Rain" in await words(answer)) == (422, True)
    assert (await send(client, f"{path}/move", date="2026-12-19", time="15:00", reason="x" * 301)).status == 422
    answer = await send(client, f"{path}/move", date="2026-12-19", time="15:00", reason="Rain")
    assert "The new date stands." in await words(await client.get(answer.headers["Location"]))
    assert (await the_debate(site)).opens_at == datetime(2026, 12, 19, 14, tzinfo=UTC)
    # On at this moment: the date stands, and the page says so instead of offering a form.
    site.database.clock = lambda: datetime(2026, 12, 19, 14, 5, tzinfo=UTC)
    for part in ("edit", "move"):
        page = await words(await client.get(f"{path}/{part}"))
        assert "on at this moment" in page
        assert f'action="{path}/{part}"' not in page
        answer = await send(client, f"{path}/{part}", page=f"{path}/cancel", date="2026-12-20", time="15:00", **fields)
        assert (answer.status, "on at this moment" in await words(answer)) == (422, True)
    assert (await send(client, f"{path}/cancel", reason=" ")).status == 422
    assert (await send(client, f"{path}/cancel", reason="A storm")).status == 303
    page = await words(await client.get(f"{path}/cancel"))
    assert "was cancelled" in page
    assert "A storm" in page
    assert "was cancelled" in await words(await client.get(f"{path}/seats"))
    log = await words(await client.get("/log"))
    for said in ("announced the debate", "changed the debate", "moved the debate", "cancelled the debate", "Rain"):
        assert said in log


async def test_who_arranges(site, client, member, theme, ada, sign_in):
    await send(client, NEW, **TYPED)
    pages = ["/staff/debates", NEW, *(f"/g/debate_2026_12_18/{part}" for part in ("seats", "edit", "move", "cancel"))]
    for path in pages:
        assert (await client.get(path)).status == 200, path
    assert (await client.get("/g/mobility/edit")).status == 404, "a theme is no debate"
    assert (await client.get("/g/debate_2026_12_18/debates/new")).status == 404, "a debate has no debates"
    assert (await client.get("/g/nowhere/debates/new")).status == 404
    client.session.cookie_jar.clear()
    for path in pages:
        assert (await client.get(path, allow_redirects=False)).status == 303, path
    await sign_in(client, await member("anna"))
    for path in pages:
        assert (await client.get(path)).status == 403, path
        assert (await send(client, path, page="/settings", action="invite", handle="@anna")).status in (403, 405), path
    # Whoever keeps order in one theme arranges its debates, and those of no other.
    client.session.cookie_jar.clear()
    water, moira = await theme("water"), await member("moira")
    async with site.database.write() as tx:
        tx.add(Membership(actor_id=moira.actor_id, group_id=water.actor_id, role="moderator", created_at=tx.now))
    await sign_in(client, moira)
    assert (await client.get("/g/water/debates/new")).status == 200
    assert (await client.get(NEW)).status == 403
    page = await words(await client.get("/staff/debates"))
    assert "Buses should be free" not in page


async def test_an_invitation_is_answered_without_an_account(site, client, member, ada):
    await send(client, NEW, **TYPED)
    debate = await the_debate(site)
    await abroad(site, "jo")
    hugo = await member("hugo")
    async with site.database.write() as tx:
        jo = await members.find(tx, "jo", "far.example")
        token = (await panels.invite(tx, ada.actor, debate, jo, "panel")).token
        mine = (await panels.invite(tx, ada.actor, debate, hugo.actor, "host")).token
    path = f"/seats/{token}"
    client.session.cookie_jar.clear()
    answer = await client.get(path)
    page = await words(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin", "another site learned of the link"
    assert 'content="noindex"' in page
    for said in (
        "Buses should be free",
        "ada would like to have you on the panel",
        "@jo@far.example",
        "question cards",
    ):
        assert said in page
    assert (await send(client, path, answer="perhaps")).status == 400
    forged = {"csrf": "0" * 64, "answer": "yes"}
    assert (await client.post(path, data=forged)).status == 403
    assert (await send(client, path, answer="yes")).status == 303
    assert "You said yes." in await words(await client.get(path))
    assert (await send(client, path, answer="no")).status == 303
    assert (await send(client, path, answer="yes")).status == 303
    assert (await seats(site, debate))["jo"].state == "accepted"
    for unknown in (f"/seats/{'x' * 43}", "/seats/x", f"/seats/{token}/"):
        assert (await client.get(unknown)).status == 404
    # A member's invitation is theirs: whoever else is signed in here does not answer it by mistake.
    await _sign_in_as(client, ada)
    assert "for somebody else" in await words(await client.get(f"/seats/{mine}"))
    assert (await send(client, f"/seats/{mine}", page="/settings", answer="yes")).status == 422
    assert (await seats(site, debate))["hugo"].state == "invited"
    async with site.database.write() as tx:
        await panels.withdraw(tx, ada.actor, debate, await tx.get_one(Seat, (debate.actor_id, jo.id)))
    page = await words(await client.get(path))
    assert "was withdrawn" in page
    assert "Yes, I" not in page
    assert (await send(client, path, page="/settings", answer="yes")).status == 422
    async with site.database.write() as tx:
        again = (await panels.invite(tx, ada.actor, debate, jo, "panel")).token
        await debates.cancel(tx, ada.actor, debate, reason="A storm")
    assert "was cancelled" in await words(await client.get(f"/seats/{again}"))


async def test_staff_gives_and_takes_the_seal(site, client, member, sign_in):
    await member("anna")
    await abroad(site, "jo")
    await sign_in(client, await member("mia", site_role="moderator"))
    for path in ("/u/anna", "/u/jo@far.example"):
        assert "Give the VIP seal" in await words(await client.get(path))
        assert (await send(client, f"{path}/seal", page=path, is_on="1")).headers["Location"] == path
        page = await words(await client.get(path))
        assert ">VIP</span>" in page
        assert "Take the VIP seal" in page
    assert (await send(client, "/u/anna/seal", page="/u/anna", is_on="0")).status == 303
    assert ">VIP</span>" not in await words(await client.get("/u/anna"))
    assert (await send(client, "/u/nobody/seal", page="/settings", is_on="1")).status == 404
    assert (await send(client, "/u/clerk/seal", page="/settings", is_on="1")).status == 403
    log = await words(await client.get("/log"))
    assert "gave the VIP seal to" in log
    assert "took the VIP seal from" in log
    client.session.cookie_jar.clear()
    await sign_in(client, await member("bob"))
    assert "VIP seal" not in await words(await client.get("/u/anna"))
    assert (await send(client, "/u/bob/seal", page="/settings", is_on="1")).status == 403


async def test_members_read_what_happens_in_a_debate(site, client, member, ada):
    await send(client, NEW, **TYPED)
    debate = await the_debate(site)
    async with site.database.write() as tx:
        await groups.follow(tx, ada.actor, debate.actor)
    moments = {
        debate.opens_at - timedelta(days=1): "The debate is tomorrow:",
        debate.opens_at: "The debate is live:",
    }
    for moment, says in moments.items():
        site.database.clock = lambda moment=moment: moment
        async with site.database.write() as tx:
            await debates.advance(tx, await tx.get_one(Debate, debate.actor_id))
        assert says in await words(await client.get("/notifications"))
    page = await words(await client.get("/notifications"))
    assert "Questions to the panel can be asked:" in page
    assert page.count('class="unread"') == 3
    leads = page.split("The debate is live:")[1].split('href="')[1].split('"')[0]
    answer = await client.get(leads, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/g/debate_2026_12_18/live")
    assert (await words(await client.get("/notifications"))).count('class="unread"') == 2
    client.session.cookie_jar.clear()
    await _sign_in_as(client, await member("bob"))
    assert (await client.get(leads)).status == 404, "somebody else's notification"


async def test_what_a_debate_of_a_series_still_wants(site, client, ada):
    """A motion that nobody has looked at since the series made it, a conclusion, a digest."""
    async with site.database.write() as tx:
        mobility = await groups.find_theme(tx, "mobility")
        plan = read_plan(TYPED, [], NOW).plan
        debate = await debates.make(tx, ada.actor, mobility.actor, await pair(5), plan)
        series = Series(
            theme_id=mobility.actor_id, name="The 18th", prefix="debate", motion="Buses should be free", rule="",
            first_at="", zone="UTC", minutes=60, announce_days=30, call_days=14, digest_days=2, languages=["en"],
            created_at=tx.now, changed_at=tx.now,
        )  # fmt: skip
        tx.add(series)
        await tx.flush()
        debate.series_id = series.id
    page = await words(await client.get("/staff/debates"))
    for said in ("still that of the template", "Nobody hosts it yet", "Nobody is asked to the panel yet"):
        assert said in page
    fields = {"motion": "Trams should be free", "text": "", "language": "en"}
    assert (await send(client, "/g/debate_2026_12_18/edit", **fields)).status == 303
    assert "template" not in await words(await client.get("/staff/debates"))
    async with site.database.write() as tx:
        held = await tx.get_one(Debate, debate.actor_id)
        held.state, held.digest_state = "closed", "draft"
    page = await words(await client.get("/staff/debates"))
    assert "The conclusion waits for its host" in page
    assert "The digest waits to be read and sent" in page


async def test_admins_make_editors_on_their_pages(site, client, member, sign_in):
    boss, anna = await member("boss", site_role="admin"), await member("anna")
    await sign_in(client, anna)
    assert "Give this role" not in await words(await client.get("/u/boss"))
    assert (await send(client, "/u/boss/role", page="/settings", role="member")).status == 403
    await sign_in(client, boss)
    assert (await send(client, "/u/anna/role", page="/u/anna", role="editor")).headers["Location"] == "/u/anna"
    async with site.database.read() as tx:
        assert (await tx.get_one(Account, anna.actor_id)).site_role == "editor"
    assert "made an editor of" in await words(await client.get("/log"))
    for handle, role, status in (("anna", "king", 403), ("boss", "member", 403), ("nobody", "editor", 404)):
        assert (await send(client, f"/u/{handle}/role", page="/u/anna", role=role)).status == status
    async with site.database.read() as tx:
        assert (await tx.get_one(Account, boss.actor_id)).site_role == "admin"
