"""What an attacker tries in a browser or against it; the numbers are those of the rules of security for the web."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, DummyCookieJar
from sqlalchemy import func, select

from community import members
from community.models import Account, Fact, Session, Theme
from tests.web.forms import PASSWORD, origin_of, send, session_of, setting, token_on
from web import auth
from web.sentences import SENTENCES

# What is asked here does not depend on the database, but for what happens at the same time.
BOTH = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
NEW = {"name": "mallory", "email": "mallory@example.org", "password": "four words are good"}


@pytest.fixture
def database_kind():
    return "sqlite"


async def _count(site, model):
    async with site.database.read() as tx:
        return (await tx.execute(select(func.count()).select_from(model))).scalar_one()


async def _is_in(client, token):
    """Whether a session opens a page for members."""
    async with ClientSession(cookie_jar=DummyCookieJar(), headers={"Cookie": f"session={token}"}) as other:
        return (await other.get(client.make_url("/settings"), allow_redirects=False)).status == 200


def _directives(answer):
    policy = answer.headers["Content-Security-Policy"]
    return {part.split()[0]: part.split()[1:] for part in policy.split(";") if part.strip()}


# --- 63 headers


async def test_63_every_answer_forbids_what_a_page_does_not_need(client):
    for path in ("/sign-in", "/about", "/settings", "/nothing/here", "/welcome/wrong", "/static/moot.css"):
        answer = await client.get(path, allow_redirects=False)
        policy = _directives(answer)
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"], path
        assert policy["script-src"] == policy["form-action"] == policy["style-src"] == ["'self'"], path
        assert "unsafe" not in answer.headers["Content-Security-Policy"], path
        assert answer.headers["X-Frame-Options"] == "DENY", path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Referrer-Policy"] == "same-origin", path
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", path
        assert "camera=()" in answer.headers["Permissions-Policy"], path
        assert not re.search(r"\d", answer.headers["Server"]), "a version for the attacker's list"


async def test_63_https_stays_https(client, site, monkeypatch):
    assert "Strict-Transport-Security" not in (await client.get("/about")).headers
    setting(monkeypatch, site, origin="https://moot.example")
    answer = await client.get("/sign-in")
    assert int(answer.headers["Strict-Transport-Security"].removeprefix("max-age=")) >= 180 * 86400


async def test_63_no_page_needs_inline_script_or_style(client, site, member, sign_in, theme):
    async with site.database.write() as tx:
        link = await members.make_admin_link(tx)
    await theme("mobility", rules="*Be* kind.")
    pages = {path: await (await client.get(path)).text() for path in
             ("/sign-in", "/sign-up", "/about", "/about/privacy", "/log", f"/welcome/{link}")}  # fmt: skip
    await sign_in(client, await member("boss", site_role="admin"))
    for path in ("/settings", "/settings/password", "/settings/devices", "/settings/look", "/staff", "/staff/themes",
                 "/staff/themes/new", "/staff/themes/mobility", "/staff/sign-ups"):  # fmt: skip
        pages[path] = await (await client.get(path)).text()
    for path, page in pages.items():
        assert not re.search(r"<script(?![^>]*\bsrc=)", page), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page), path
        for source in re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]*)"', page):
            assert source.startswith(("/", origin_of(client))), (path, source)


# --- 64, 65 sessions


async def test_64_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client, member):
    await member("ines")
    answer = await send(client, "/sign-in", name="ines", password=PASSWORD)
    cookie = answer.cookies["session"]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "")
    assert len(cookie.value) >= 43  # 256 bits


async def test_64_the_database_holds_no_session_that_could_be_used(client, site, member):
    await member("ines")
    token = session_of(await send(client, "/sign-in", name="ines", password=PASSWORD))
    async with site.database.read() as tx:
        kept = (await tx.execute(select(Session.token_hash))).scalar_one()
    assert token not in kept
    assert not await _is_in(client, kept)
    assert await _is_in(client, token)


async def test_65_a_session_that_was_planted_is_not_used(client, member):
    await member("ines")
    planted = "planted" * 6
    client.session.cookie_jar.update_cookies({"session": planted}, client.make_url("/"))
    token = session_of(await send(client, "/sign-in", name="ines", password=PASSWORD))
    assert token != planted
    assert not await _is_in(client, planted)


async def test_65_signing_in_again_ends_the_session_of_before(client, site, member, sign_in):
    await sign_in(client, await member("mallory"))
    before = client.session.cookie_jar.filter_cookies(client.make_url("/"))["session"].value
    await member("ines")
    # A form for signing in is for those who are out; its sender may be in by another tab.
    answer = await send(client, "/sign-in", page="/settings", name="ines", password=PASSWORD)
    assert answer.status == 303
    assert await _count(site, Session) == 1
    assert not await _is_in(client, before)


async def test_65_a_new_password_ends_every_other_session_and_renews_this_one(client, site, member):
    account = await member("ines")
    async with site.database.write() as tx:
        thief = await members.open_session(tx, account, "elsewhere")
    here = session_of(await send(client, "/sign-in", name="ines", password=PASSWORD))
    assert await _is_in(client, thief)
    answer = await send(client, "/settings/password", old_password=PASSWORD, password="another four words")
    renewed = session_of(answer)
    assert [await _is_in(client, token) for token in (thief, here, renewed)] == [False, False, True]


async def test_65_who_is_declined_is_signed_out(client, site, member, sign_in):
    account = await member("mallory", state="pending")
    async with site.database.write() as tx:
        token = await members.open_session(tx, account, "")
    await sign_in(client, await member("mod", site_role="moderator"))
    await send(client, "/staff/sign-ups", name="mallory", decision="decline")
    assert not await _is_in(client, token)
    async with site.database.read() as tx:
        assert await members.sessions_of(tx, account) == []


# --- 66 forged forms

FOREIGN = {
    "foreign origin": {"Origin": "https://evil.example"},
    "no origin at all": {"Origin": "null"},
    "origin that begins like ours": {"Origin": "{origin}.evil.example"},
    "other port": {"Origin": "http://127.0.0.1:1"},
    "other scheme": {"Origin": "https://{host}"},
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "own origin, other site": {"Origin": "{origin}", "Sec-Fetch-Site": "cross-site"},
}


@pytest.mark.parametrize("path", ["/settings", "/sign-in"])
async def test_66_a_form_on_another_page_does_nothing_even_with_the_token(client, site, member, sign_in, path):
    account = await member("ines")
    if path == "/settings":
        await sign_in(client, account)
    token = await token_on(client, path)
    origin = origin_of(client)
    fields = {"csrf": token, "name": "ines", "password": PASSWORD, "city": "Evil"}
    for case, given in FOREIGN.items():
        headers = {k: v.format(origin=origin, host=urlsplit(origin).netloc) for k, v in given.items()}
        answer = await client.post(path, data=fields, headers=headers, allow_redirects=False)
        assert answer.status == 403, case
        assert "session" not in answer.cookies, case
    async with site.database.read() as tx:
        assert (await tx.get_one(Account, account.actor_id)).actor.city == ""
    answer = await client.post(path, data=fields, headers={"Origin": origin}, allow_redirects=False)
    assert answer.status == 303, "the probe is refused for another reason"


async def test_66_a_form_without_the_right_token_does_nothing(client, site, member, sign_in):
    account = await member("ines")
    await sign_in(client, account)
    for given in (None, "", "0" * 64, "é", "a" * 100_000):
        fields = {"city": "Evil"} if given is None else {"city": "Evil", "csrf": given}
        for headers in ({}, {"Origin": origin_of(client), "Sec-Fetch-Site": "same-origin"}):
            answer = await client.post("/settings", data=fields, headers=headers, allow_redirects=False)
            assert answer.status == 403, (given or "")[:10]
            assert SENTENCES["form-is-stale"] in await answer.text()
    async with site.database.read() as tx:
        assert (await tx.get_one(Account, account.actor_id)).actor.city == ""


async def test_66_the_right_token_serves_browsers_that_send_no_origin(client, member, sign_in):
    await sign_in(client, await member("ines"))
    fields = {"csrf": await token_on(client, "/settings"), "city": "Lisbon"}
    assert (await client.post("/settings", data=fields, allow_redirects=False)).status == 303


async def test_66_a_script_of_ours_may_send_the_token_as_a_header(client, member, sign_in):
    await sign_in(client, await member("ines"))
    headers = {"Origin": origin_of(client), "X-Csrf-Token": await token_on(client, "/settings")}
    answer = await client.post("/settings", data={"city": "Lisbon"}, headers=headers, allow_redirects=False)
    assert answer.status == 303


async def test_66_a_token_is_worth_nothing_in_another_session(client, site, member, sign_in):
    await sign_in(client, await member("mallory"))
    token = await token_on(client, "/settings")
    client.session.cookie_jar.clear()
    await sign_in(client, await member("ines"))
    headers = {"Origin": origin_of(client)}
    answer = await client.post("/settings", data={"csrf": token, "city": "Evil"}, headers=headers)
    assert answer.status == 403


async def test_66_nobody_is_signed_in_as_somebody_else_from_outside(client, site, member):
    """Login forgery: the attacker knows a token of their own, yet not the victim's cookie."""
    await member("mallory")
    token = await token_on(client, "/sign-in")
    client.session.cookie_jar.clear()
    fields = {"csrf": token, "name": "mallory", "password": PASSWORD}
    for headers in ({}, {"Origin": origin_of(client)}):
        answer = await client.post("/sign-in", data=fields, headers=headers, allow_redirects=False)
        assert (answer.status, "session" in answer.cookies) == (403, False)
    cookie = {"Cookie": "form=" + "A" * 43}
    answer = await client.post("/sign-in", data=fields, headers=cookie, allow_redirects=False)
    assert answer.status == 403
    assert await _count(site, Session) == 0


async def test_66_other_methods_are_no_way_around(client, member, sign_in):
    await sign_in(client, await member("ines"))
    for method in ("PUT", "DELETE", "PATCH"):
        answer = await client.request(method, "/settings", data={"city": "Evil"})
        assert answer.status in (403, 405), method


async def test_66_looking_changes_nothing(client, site, member, sign_in, theme):
    for slug in ("mobility", "water"):
        await theme(slug)
    waiting = await member("waiting", state="pending")
    account = await member("boss", site_role="admin")
    await sign_in(client, account)
    async with site.database.write() as tx:
        await members.open_session(tx, account, "elsewhere")
        link = await members.make_admin_link(tx)
    sessions = await _count(site, Session)
    for path in (
        "/sign-out", "/settings?city=Evil&name=x", "/settings/password?old_password=x&password=another+four+words",
        "/settings/devices?device=others", "/settings/look?look=dark", f"/welcome/{link}",
        "/staff/themes/new?slug=evil&name=x", "/staff/themes/water?move=up",
        "/staff/sign-ups?name=waiting&decision=approve", "/sign-in?name=boss", "/sign-up",
    ):  # fmt: skip
        for method in ("GET", "HEAD"):
            assert (await client.request(method, path, allow_redirects=False)).status < 500
    assert await _count(site, Session) == sessions
    async with site.database.read() as tx:
        assert (await tx.get_one(Account, waiting.actor_id)).state == "pending"
        kept = await tx.get_one(Account, account.actor_id)
        assert (kept.actor.city, kept.look) == ("", "")
        slugs = (await tx.execute(select(Theme.slug).order_by(Theme.position))).scalars().all()
        assert list(slugs) == ["mobility", "water"]


@pytest.mark.parametrize("path", ["/inbox", "/inbox/", "/u/ines/inbox", "/g/mobility/inbox"])
def test_66_inboxes_are_for_servers_which_send_no_token(path):
    assert auth._INBOX.fullmatch(path)


@pytest.mark.parametrize(
    "path", ["/staff/themes/inbox", "/settings/inbox", "/t/1/inbox", "/inbox/x", "/xinbox", "/u/a/b/inbox"]
)
def test_66_nothing_else_passes_for_an_inbox(path):
    assert not auth._INBOX.fullmatch(path)


# --- 67, 68 passwords


async def test_67_an_unknown_name_and_a_wrong_password_look_the_same_and_cost_the_same(client, member, monkeypatch):
    await member("ines")
    checked = []

    class Counting:
        def verify(self, password_hash, password):
            checked.append(password_hash)
            return real.verify(password_hash, password)

    real = members._hasher
    monkeypatch.setattr(members, "_hasher", Counting())
    pages = []
    for name in ("ines", "nobody", "ines@example.org", "nobody@example.org"):
        answer = await send(client, "/sign-in", name=name, password="wrong password")
        pages.append((answer.status, (await answer.text()).replace(name, "NAME")))
    odd = r'name="csrf" value="[^"]*"|data-time="[^"]*"'
    pages = [(status, re.sub(odd, "", page)) for status, page in pages]
    assert pages[0][0] == 422
    assert pages.count(pages[0]) == len(pages)
    assert len(checked) == len(pages)
    assert {tuple(each.split("$")[1:4]) for each in checked} == {("argon2id", "v=19", "m=19456,t=2,p=1")}


async def test_68_an_account_bears_ten_guesses_known_or_not(client, member):
    await member("ines")
    for name in ("ines", "nobody"):
        for _ in range(10):
            assert (await send(client, "/sign-in", name=name, password="wrong")).status == 422
        answer = await send(client, "/sign-in", name=name.upper(), password=PASSWORD, next="/themes")
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60
        page = await answer.text()
        assert 'value="/themes"' in page
        assert PASSWORD not in page


@BOTH
async def test_68_guesses_sent_at_once_are_still_counted(client, site, member):
    await member("ines")
    fields = {"csrf": await token_on(client, "/sign-in"), "name": "ines"}

    async def guess(password):
        answer = await client.post("/sign-in", data={**fields, "password": password}, allow_redirects=False)
        return answer.status

    wrong = await asyncio.gather(*(guess(f"guess {number}") for number in range(14)))
    assert (wrong.count(422), wrong.count(429)) == (10, 4)
    assert await guess(PASSWORD) == 429


async def test_68_the_wait_ends(client, site, member, monkeypatch):
    await member("ines")
    for _ in range(10):
        await send(client, "/sign-in", name="ines", password="wrong")
    assert (await send(client, "/sign-in", name="ines", password=PASSWORD)).status == 429
    clock = site.database.clock
    monkeypatch.setattr(site.database, "clock", lambda: clock() + timedelta(minutes=15, seconds=2))
    assert (await send(client, "/sign-in", name="ines", password=PASSWORD)).status == 303


async def test_68_an_address_bears_thirty_guesses_over_all_names(client, member):
    await member("ines")
    for number in range(30):
        assert (await send(client, "/sign-in", name=f"name{number}", password="wrong")).status == 422
    assert (await send(client, "/sign-in", name="ines", password=PASSWORD)).status == 429


async def test_68_an_address_makes_five_accounts_an_hour(client, site):
    for number in range(5):
        fields = {**NEW, "name": f"mallory{number}", "email": f"mallory{number}@example.org"}
        assert (await send(client, "/sign-up", **fields)).status == 303
        await send(client, "/sign-out", page="/settings")
    answer = await send(client, "/sign-up", **NEW)
    assert (answer.status, "Retry-After" in answer.headers) == (429, True)
    assert 'value="mallory@example.org"' in await answer.text()
    assert await _count(site, Account) == 5


async def test_68_addresses_of_members_are_not_tried_out_by_signing_up(client, member):
    await member("ines")
    for number in range(5):
        fields = {**NEW, "name": f"mallory{number}", "email": "ines@example.org"}
        assert (await send(client, "/sign-up", **fields)).status == 422
    assert (await send(client, "/sign-up", **NEW)).status == 429


async def test_68_a_device_left_open_does_not_guess_the_password(client, member, sign_in):
    await sign_in(client, await member("ines"))
    fields = {"password": "another four words"}
    for _ in range(10):
        assert (await send(client, "/settings/password", old_password="wrong", **fields)).status == 422
    answer = await send(client, "/settings/password", old_password=PASSWORD, **fields)
    assert (answer.status, "Retry-After" in answer.headers) == (429, True)


# --- 69 to 72 tokens, roles, scope


async def test_69_the_admin_link_works_once_and_is_not_in_the_database(client, site):
    async with site.database.write() as tx:
        link = await members.make_admin_link(tx)
    async with site.database.read() as tx:
        assert link not in (await tx.execute(select(Fact.value))).scalars().all()
    assert (await send(client, f"/welcome/{link}", **NEW)).status == 303
    client.session.cookie_jar.clear()
    fields = {**NEW, "name": "second", "email": "second@example.org"}
    assert (await send(client, f"/welcome/{link}", page="/sign-in", **fields)).status == 404
    assert await _count(site, Account) == 1


@BOTH
async def test_69_one_link_used_by_two_at_once_makes_one_admin(client, site):
    async with site.database.write() as tx:
        link = await members.make_admin_link(tx)
    token = await token_on(client, f"/welcome/{link}")

    async def use(name):
        fields = {**NEW, "csrf": token, "name": name, "email": f"{name}@example.org"}
        return (await client.post(f"/welcome/{link}", data=fields, allow_redirects=False)).status

    assert sorted(await asyncio.gather(use("one"), use("two"))) == [303, 403]
    assert await _count(site, Account) == 1


async def test_70_nobody_gives_themselves_a_role(client, site, monkeypatch):
    setting(monkeypatch, site, registration="approval")
    rights = {"site_role": "admin", "state": "active", "is_vip": "1", "mode": "open"}
    await send(client, "/sign-up", application="Let me in.", **rights, **NEW)
    await send(client, "/settings/look", look="dark", language="", timezone="UTC", **rights)
    async with site.database.read() as tx:
        account = await members.account_for_sign_in(tx, "mallory")
    assert (account.site_role, account.state, account.actor.is_vip) == ("member", "pending", False)


async def test_71_devices_of_others_are_not_mine_to_sign_out(client, site, member, sign_in):
    ines = await member("ines")
    async with site.database.write() as tx:
        token = await members.open_session(tx, ines, "Firefox · Linux")
        other = (await members.sessions_of(tx, ines))[0].id
    await sign_in(client, await member("mallory"))
    assert "Firefox · Linux" not in await (await client.get("/settings/devices")).text()
    for device in (str(other), "others", "-1", "1e3", "9" * 30, "x", ""):
        assert (await send(client, "/settings/devices", device=device)).status == 303
    assert await _is_in(client, token)


async def test_72_what_is_hidden_and_what_is_missing_look_the_same(client, member, sign_in, theme):
    await theme("mobility")
    await sign_in(client, await member("mallory"))
    answers = []
    for slug in ("mobility", "nothing"):
        answer = await client.get(f"/staff/themes/{slug}")
        answers.append((answer.status, (await answer.text()).replace(slug, "SLUG")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 403


# --- 73, 74 addresses and caches


async def test_73_the_host_header_names_nothing(client):
    for header in ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"}):
        for path in ("/about", "/sign-in", "/settings"):
            answer = await client.get(path, headers=header, allow_redirects=False)
            assert "evil.example" not in await answer.text(), (header, path)
            assert "evil.example" not in str(answer.headers), (header, path)


async def test_73_nobody_is_sent_elsewhere_after_signing_in(client, member):
    await member("ines")
    for where in (
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t//evil.example",
        "javascript:evil()",
    ):
        page = await (await client.get("/sign-in", params={"next": where})).text()
        assert "evil" not in page, where
        answer = await send(client, "/sign-in", name="ines", password=PASSWORD, next=where)
        assert answer.headers["Location"] == "/", where
        answer = await client.get("/sign-in", params={"next": where}, allow_redirects=False)
        assert answer.headers["Location"] == "/", where
        await send(client, "/sign-out", page="/settings")


async def test_74_caches_keep_people_and_formats_apart(client, member, sign_in):
    answer = await client.get("/about")
    assert {"accept", "cookie", "accept-language"} <= {
        name.strip().lower() for name in answer.headers["Vary"].split(",")
    }
    for path in ("/sign-in", "/sign-up", "/welcome/x"):
        assert (await client.get(path)).headers["Cache-Control"] == "no-store"
    await sign_in(client, await member("ines"))
    for path in ("/about", "/log"):
        assert "private" in (await client.get(path)).headers["Cache-Control"]
    assert (await client.get("/settings/devices")).headers["Cache-Control"] == "no-store"


# --- 76 errors, and what else is thrown at forms


async def test_76_an_error_tells_a_number_and_nothing_else(client, member, sign_in, monkeypatch):
    async def broken(*_):
        raise RuntimeError("the-inner-secret")

    await sign_in(client, await member("ines"))
    monkeypatch.setattr(members, "sessions_of", broken)
    answer = await client.get("/settings/devices")
    page = await answer.text()
    assert answer.status == 500
    for inner in ("the-inner-secret", "RuntimeError", "Traceback", "sessions_of", ".py"):
        assert inner not in page


_A_FILE = b'--x\r\nContent-Disposition: form-data; name="csrf"; filename="a"\r\n\r\nx\r\n--x--\r\n'
_ODD = ("\x00", "ines\x00", "\U0001f600", "\u202e", "a" * 50_000, "%s%n", "' OR 1=1 --")


_BROKEN = (
    ("application/x-www-form-urlencoded", b"name=%ff%fe&password=%00"),
    ("application/x-www-form-urlencoded; charset=nonsense", b"name=x"),
    ("application/x-www-form-urlencoded; charset=utf-8", b"name=\xff\xfe"),
    ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(5000))),
    ("multipart/form-data", b"no boundary"),
    ("multipart/form-data; boundary=x", b"--y\r\n\r\n"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nno end'),
    ("multipart/form-data; boundary=" + "x" * 200, b"--" + b"x" * 200),
    ("multipart/form-data; boundary=x", _A_FILE),
    ("application/json", b'{"name": "ines"}'),
    ("text/plain", b"name=ines"),
    ("", b"name=ines"),
)  # fmt: skip


@pytest.mark.parametrize("is_in", [True, False])
async def test_76_broken_forms_get_an_answer(client, member, sign_in, is_in):
    if is_in:
        await sign_in(client, await member("ines"))
    token = await token_on(client, "/settings" if is_in else "/sign-in")
    for path in ("/settings", "/settings/password", "/sign-in", "/sign-up", "/staff/themes/new"):
        for kind, body in _BROKEN:
            # With and without the token: what turns a form away must not hide that nothing can read it.
            for proof in ({}, {"X-Csrf-Token": token}):
                headers = {"Content-Type": kind, "Origin": origin_of(client), **proof}
                answer = await client.post(path, data=body, headers=headers, allow_redirects=False)
                assert answer.status in (303, 400, 403, 413, 415, 422, 429), (path, kind, body[:40])


async def test_76_odd_characters_get_an_answer(client, member):
    await member("ines")
    for odd in _ODD:
        answer = await send(client, "/sign-in", name=odd, password=odd)
        assert answer.status == 422, odd[:10]
        answer = await send(client, "/sign-up", name=odd, email=odd, password=odd, display_name=odd, next=odd)
        assert answer.status == 422, odd[:10]


async def test_60_markup_in_a_field_stays_text(client, member, sign_in):
    evil = '"><script>alert(1)</script>'
    answer = await send(client, "/sign-in", name=evil, password="x")
    assert "<script>alert" not in await answer.text()
    await sign_in(client, await member("ines"))
    await send(client, "/settings", name=evil, biography=evil + "</textarea>", city=evil, organisation=evil)
    page = await (await client.get("/settings")).text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
