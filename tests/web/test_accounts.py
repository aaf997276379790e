"""Joining, signing in, settings, devices and the first admin, as a browser without script meets them."""

from __future__ import annotations

import html

from sqlalchemy import func, select

from community import members
from community.models import Account, Session
from tests.web.forms import PASSWORD, send, session_of, setting, token_on

NEW = {"name": "ines", "email": "ines@example.org", "password": "four words are good"}


async def _account(site, name):
    async with site.database.read() as tx:
        return await members.account_for_sign_in(tx, name)


async def _words(answer):
    return html.unescape(await answer.text())


# --- joining


async def test_join_and_be_where_one_was(site, client):
    answer = await send(
        client, "/sign-up", page="/sign-up?next=/g/mobility", next="/g/mobility", display_name="Ines D", **NEW
    )
    assert (answer.status, answer.headers["Location"]) == (303, "/g/mobility")
    account = await _account(site, "ines")
    assert (account.state, account.site_role, account.actor.name) == ("active", "member", "Ines D")
    assert NEW["password"] not in account.password_hash
    assert "@ines" in await (await client.get("/settings")).text()


async def test_what_cannot_be_used_is_said_beside_its_field_and_nothing_typed_is_lost(site, client):
    answer = await send(
        client, "/sign-up", name="No Spaces!", email="nowhere", password="short", display_name="Ines <D>", next="/"
    )
    page = await _words(answer)
    assert answer.status == 422
    for kept in ("no spaces!", "nowhere", "Ines <D>"):
        assert f'value="{kept}"' in page.replace("No Spaces!", "no spaces!")
    assert "short" not in page
    for name in ("name", "email", "password"):
        assert f'id="{name}-wrong"' in page
    assert page.count('autofocus="') == 1
    assert await _account(site, "nowhere") is None


async def test_names_and_addresses_are_taken_once(client, member):
    await member("ines")
    assert "taken" in await _words(await send(client, "/sign-up", **NEW))
    answer = await send(client, "/sign-up", **{**NEW, "name": "other"})
    assert (answer.status, "email-wrong" in await answer.text()) == (422, True)


async def test_a_theme_s_name_is_not_free(client, theme):
    await theme("mobility")
    assert (await send(client, "/sign-up", **{**NEW, "name": "Mobility"})).status == 422


async def test_joining_by_approval_says_what_happens_next(site, client, monkeypatch):
    setting(monkeypatch, site, registration="approval")
    answer = await send(client, "/sign-up", **NEW)
    assert (answer.status, "application-wrong" in await answer.text()) == (422, True)
    answer = await send(client, "/sign-up", application="I plan tram lines.", **NEW)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-up")
    assert "Your request is in" in await _words(await client.get("/sign-up"))
    account = await _account(site, "ines")
    assert (account.state, account.application) == ("pending", "I plan tram lines.")
    answer = await send(client, "/settings", name="Buy pills", biography="https://pills.example")
    assert answer.status == 403
    assert (await _account(site, "ines")).actor.summary_html == ""


async def test_closed_doors_say_how_to_take_part_from_elsewhere(site, client, monkeypatch):
    setting(monkeypatch, site, registration="closed")
    page = await _words(await client.get("/sign-up"))
    assert "another server" in page
    assert 'action="/sign-up"' not in page
    answer = await send(client, "/sign-up", page="/sign-in", **NEW)
    assert answer.status == 403
    assert await _account(site, "ines") is None


async def test_open_doors_with_nobody_at_home_ask_first(site, client, monkeypatch, member):
    setting(monkeypatch, site, origin="https://moot.example", registration="open")
    async with site.database.read() as tx:
        assert await members.registration_mode(tx) == "approval"
    await member("boss", site_role="admin")
    async with site.database.read() as tx:
        assert await members.registration_mode(tx) == "open"


# --- signing in


async def test_sign_in_by_name_and_by_address(client, member):
    await member("ines")
    for name in ("ines", " @INES ", "Ines@example.org"):
        answer = await send(client, "/sign-in", name=name, password=PASSWORD)
        assert (answer.status, answer.headers.get("Location")) == (303, "/"), name
        await send(client, "/sign-out", page="/settings")


async def test_a_wrong_password_keeps_the_name_and_not_the_password(client, member):
    await member("ines")
    answer = await send(client, "/sign-in", name="ines", password="not this one", next="/themes")
    page = await _words(answer)
    assert answer.status == 422
    assert 'value="ines"' in page
    assert 'value="/themes"' in page
    assert "not this one" not in page


async def test_suspended_people_learn_it_by_their_own_password_only(site, client, member):
    await member("ines", state="suspended")
    answer = await send(client, "/sign-in", name="ines", password="wrong")
    assert answer.status == 422
    answer = await send(client, "/sign-in", name="ines", password=PASSWORD)
    assert (answer.status, "suspended" in await answer.text()) == (403, True)
    assert "session" not in answer.cookies


# --- settings


async def test_a_profile_is_kept(site, client, member, sign_in):
    await sign_in(client, await member("ines"))
    answer = await send(
        client, "/settings", name="Ines  Duarte", biography="I plan *trams*.", profession="transport planner",
        organisation="Metropolitan Transport", city="Lisbon",
    )  # fmt: skip
    assert (answer.status, answer.headers["Location"]) == (303, "/settings?saved=1")
    actor = (await _account(site, "ines")).actor
    assert (actor.name, actor.profession, actor.city) == ("Ines Duarte", "transport planner", "Lisbon")
    assert "<em>trams</em>" in actor.summary_html
    page = await _words(await client.get("/settings"))
    assert "I plan *trams*." in page
    assert 'value="transport planner" selected' in page


async def test_a_profile_that_cannot_be_kept_comes_back(site, client, member, sign_in):
    await sign_in(client, await member("ines"))
    answer = await send(client, "/settings", name="I", biography="b" * 5001, profession="wizard", city="Lisbon")
    assert (answer.status, 'value="Lisbon"' in await answer.text()) == (422, True)
    assert (await _account(site, "ines")).actor.city == ""


async def test_a_new_password_needs_the_old_one(site, client, member, sign_in):
    await sign_in(client, await member("ines"))
    answer = await send(client, "/settings/password", old_password="wrong", password="another four words")
    assert (answer.status, "old_password-wrong" in await answer.text()) == (422, True)
    answer = await send(client, "/settings/password", old_password=PASSWORD, password="short")
    assert (answer.status, "password-wrong" in await answer.text()) == (422, True)
    answer = await send(client, "/settings/password", old_password=PASSWORD, password="another four words")
    assert answer.status == 303
    await send(client, "/sign-out", page="/settings")
    assert (await send(client, "/sign-in", name="ines", password=PASSWORD)).status == 422
    assert (await send(client, "/sign-in", name="ines", password="another four words")).status == 303


async def test_devices_are_listed_and_signed_out(site, client, member, sign_in):
    account = await member("ines")
    await sign_in(client, account)
    async with site.database.write() as tx:
        for name in ("Firefox · Linux", "Safari · iPhone", "Edge · Windows"):
            await members.open_session(tx, account, name)
    page = await _words(await client.get("/settings/devices"))
    assert "Firefox · Linux" in page
    assert page.count("This device") == 1

    async def devices():
        async with site.database.read() as tx:
            return {session.device: session.id for session in await members.sessions_of(tx, account)}

    await send(client, "/settings/devices", device=str((await devices())["Firefox · Linux"]))
    assert len(await devices()) == 3
    await send(client, "/settings/devices", device="others")
    (left,) = (await devices()).values()
    answer = await send(client, "/settings/devices", device=str(left))
    assert session_of(answer) == ""
    assert await devices() == {}


async def test_look_language_and_zone(site, client, member, sign_in):
    await sign_in(client, await member("ines"))
    answer = await send(client, "/settings/look", look="dark", language="fr", timezone="Europe/Lisbon")
    assert answer.status == 303
    page = await (await client.get("/settings/look")).text()
    assert 'data-look="dark"' in page
    assert '<html lang="fr"' in page
    answer = await send(client, "/settings/look", look="pink", language="xx", timezone="Mars/Base")
    assert answer.status == 422
    account = await _account(site, "ines")
    assert (account.look, account.language, account.timezone) == ("dark", "fr", "Europe/Lisbon")


# --- the first admin


async def _link(site):
    async with site.database.write() as tx:
        return await members.make_admin_link(tx)


async def test_the_first_link_makes_the_admin(site, client):
    path = f"/welcome/{await _link(site)}"
    assert (await client.head(path)).status == 200  # a preview of the link does not use it up
    answer = await send(client, path, **{**NEW, "password": "short"})
    assert (answer.status, "password-wrong" in await answer.text()) == (422, True)
    answer = await send(client, path, **NEW)
    assert (answer.status, answer.headers["Location"]) == (303, "/staff")
    assert (await _account(site, "ines")).site_role == "admin"
    assert (await client.get("/staff/themes")).status == 200
    answer = await client.get(path)
    assert (answer.status, "folkmoot admin-link" in await answer.text()) == (404, True)


async def test_a_member_takes_the_role_with_one_button_and_a_new_session(site, client, member, sign_in):
    await sign_in(client, await member("ines"))
    path = f"/welcome/{await _link(site)}"
    before = await token_on(client, path)
    answer = await send(client, path)
    assert answer.headers["Location"] == "/staff"
    assert (await _account(site, "ines")).site_role == "admin"
    assert await token_on(client, "/settings") != before
    async with site.database.read() as tx:
        assert (await tx.execute(select(func.count()).select_from(Session))).scalar_one() == 1


async def test_a_used_or_wrong_link_makes_nobody_admin(site, client, member, sign_in):
    await _link(site)
    await sign_in(client, await member("ines"))
    answer = await send(client, "/welcome/wrong", page="/settings")
    assert (answer.status, "folkmoot admin-link" in await answer.text()) == (404, True)
    assert (await _account(site, "ines")).site_role == "member"


async def test_a_link_with_a_taken_name_stays_good(site, client, member):
    await member("ines")
    link = await _link(site)
    answer = await send(client, f"/welcome/{link}", **{**NEW, "email": "new@example.org"})
    assert (answer.status, "name-wrong" in await answer.text()) == (422, True)
    async with site.database.read() as tx:
        assert await members.admin_link_is_good(tx, link)
        assert (await tx.execute(select(func.count()).select_from(Account))).scalar_one() == 1
