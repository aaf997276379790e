"""Themes, sign-ups, the public log and what this place says about itself."""

from __future__ import annotations

import html

import pytest
from sqlalchemy import select

from community import groups, members
from community.models import Notification
from tests.web.forms import send, setting, token_on

THEME = {
    "name": "Mobility", "slug": "Mobility", "about": "How people *move*.", "colour": "#1F5FA8", "rules": "Be kind.",
    "object_type": "Note",
}  # fmt: skip


async def _admin(client, member, sign_in):
    account = await member("boss", site_role="admin")
    await sign_in(client, account)
    return account


async def _theme(site, slug):
    async with site.database.read() as tx:
        return await groups.find_theme(tx, slug)


async def test_open_a_theme(site, client, member, sign_in):
    await _admin(client, member, sign_in)
    answer = await send(client, "/staff/themes/new", **THEME)
    assert (answer.status, answer.headers["Location"]) == (303, "/g/mobility")
    theme = await _theme(site, "mobility")
    assert (theme.actor.name, theme.colour, theme.rules_source) == ("Mobility", "#1f5fa8", "Be kind.")
    log = html.unescape(await (await client.get("/log")).text())
    assert "opened the theme" in log
    assert "Mobility" in log


async def test_a_theme_that_cannot_be_opened_comes_back(site, client, member, sign_in):
    await _admin(client, member, sign_in)
    for wrong in ({"slug": "no spaces"}, {"slug": "boss"}, {"slug": "new"}, {"name": ""}, {"colour": "red"},
                  {"object_type": "Page"}):  # fmt: skip
        answer = await send(client, "/staff/themes/new", **{**THEME, **wrong})
        page = await answer.text()
        assert answer.status == 422, wrong
        assert "How people *move*." in page
    assert await _theme(site, "mobility") is None


async def test_edit_a_theme(site, client, member, sign_in, theme):
    await theme("mobility")
    await _admin(client, member, sign_in)
    fields = {**THEME, "name": "Getting about", "object_type": "Article"}
    assert (await send(client, "/staff/themes/mobility", **fields)).status == 303
    changed = await _theme(site, "mobility")
    assert (changed.actor.name, changed.object_type) == ("Getting about", "Article")
    answer = await send(client, "/staff/themes/mobility", **{**fields, "name": " "})
    assert (answer.status, "How people *move*." in await answer.text()) == (422, True)
    assert (await client.get("/staff/themes/nothing")).status == 404


async def test_put_themes_in_order(site, client, member, sign_in, theme):
    for slug in ("mobility", "water", "energy"):
        await theme(slug)
    await _admin(client, member, sign_in)
    await send(client, "/staff/themes/energy", page="/staff/themes", move="up")
    await send(client, "/staff/themes/mobility", page="/staff/themes", move="down")
    await send(client, "/staff/themes/energy", page="/staff/themes", move="up")  # already first
    async with site.database.read() as tx:
        assert [theme.slug for theme in await groups.themes(tx)] == ["energy", "mobility", "water"]


async def test_staff_decides_about_sign_ups(site, client, member, sign_in):
    await sign_in(client, await member("mod", site_role="moderator"))
    ines = await member("ines", state="pending", application="I plan <b>trams</b>.")
    spam = await member("spam", state="pending", application="pills")
    page = await (await client.get("/staff/sign-ups")).text()
    assert "I plan &lt;b&gt;trams&lt;/b&gt;." in page
    for name, decision in (("ines", "approve"), ("spam", "decline")):
        answer = await send(client, "/staff/sign-ups", name=name, decision=decision)
        assert answer.status == 303
    async with site.database.read() as tx:
        assert (await tx.get_one(type(ines), ines.actor_id)).state == "active"
        assert (await tx.get_one(type(spam), spam.actor_id)).state == "suspended"
        assert await members.pending(tx) == []
        told = (await tx.execute(select(Notification).where(Notification.kind == "approved"))).scalars()
        assert [each.account_id for each in told] == [ines.actor_id]
    log = await (await client.get("/log")).text()
    assert "ines" in log
    assert "spam" not in log, "somebody who was declined is named in public"


async def test_a_decision_must_be_one(client, member, sign_in):
    await _admin(client, member, sign_in)
    await member("ines", state="pending")
    assert (await send(client, "/staff/sign-ups", name="ines", decision="maybe")).status == 400
    assert (await send(client, "/staff/sign-ups", name="nobody", decision="approve")).status == 404


STAFF_PAGES = {
    "/staff": "moderator",
    "/staff/sign-ups": "moderator",
    "/staff/themes": "admin",
    "/staff/themes/new": "admin",
    "/staff/themes/mobility": "admin",
}


@pytest.mark.parametrize("role", ["nobody", "member", "pending", "moderator", "admin"])
async def test_staff_pages_are_for_staff(client, member, sign_in, theme, role):
    await theme("mobility")
    if role != "nobody":
        is_staff = role in ("moderator", "admin")
        account = await member(
            "ines", site_role=role if is_staff else "member", state="pending" if role == "pending" else "active"
        )
        await sign_in(client, account)
    for path, needed in STAFF_PAGES.items():
        is_allowed = role == "admin" or role == needed
        expected = 200 if is_allowed else 303 if role == "nobody" else 403
        assert (await client.get(path, allow_redirects=False)).status == expected, path
        if path not in ("/staff", "/staff/themes") and role != "nobody":
            answer = await send(client, path, page="/settings", name="x")
            assert (answer.status == 403) == (not is_allowed), path


async def test_the_public_log_pages_back(site, client, member, theme):
    actor = (await member("boss", site_role="admin")).actor
    one = await theme("mobility")
    async with site.database.write() as tx:
        for number in range(60):
            await groups.edit_theme(
                tx, actor, one, name=f"N{number}", about="", colour="#1f5fa8", rules="", object_type="Note"
            )
    page = await (await client.get("/log")).text()
    assert page.count("changed the theme") == 50
    older = page.split("/log?before=")[1].split('"')[0]
    assert (await (await client.get(f"/log?before={older}")).text()).count("changed the theme") == 10
    for odd in ("x", "-1", "9" * 40, "١"):
        assert (await client.get("/log", params={"before": odd})).status == 200


async def test_about_says_who_runs_it_and_how_to_follow(site, client, member, theme, monkeypatch):
    await member("boss", site_role="admin")
    await theme("mobility", rules="No *ads*.")
    page = await (await client.get("/about")).text()
    assert f"@boss@{site.settings.host}" in page
    assert f"@mobility@{site.settings.host}" in page
    assert "No <em>ads</em>." in page
    for mode, words in (("approval", "ask to join"), ("closed", "no new accounts")):
        setting(monkeypatch, site, registration=mode)
        # The address differs so that no answer of a moment ago is served again.
        assert words in await (await client.get(f"/about?{mode}")).text()


async def test_privacy_names_what_is_kept(client):
    page = await (await client.get("/about/privacy")).text()
    assert "60 days" in page


async def test_anonymous_pages_carry_no_token_and_no_cookie(client):
    for path in ("/about", "/about/privacy", "/log"):
        answer = await client.get(path)
        assert (answer.status, "Set-Cookie" in answer.headers) == (200, False), path
        with pytest.raises(AssertionError):
            await token_on(client, path)
