"""The session, the viewer, the address of a client and where redirects may lead."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from sqlalchemy import event, select, update
from yarl import URL

from community.models import Session
from community.settings import Settings
from tests.web.forms import PASSWORD, send, session_of, setting
from web import auth
from web.site_key import SITE


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.mark.parametrize("path", ["/", "/t/1/buses?page=2", "/u/ines", "/g/mobility", "/t/1/%2F%2Fevil.example"])
def test_next_leads_to_pages_of_ours(path):
    assert auth.safe_next(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", None, "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        " /x", "/x\r\nSet-Cookie: a=b", "javascript:alert(1)", "evil.example", "/" + "a" * 3000, "///evil.example",
        "/sign-in?next=/sign-in", "/sign-out",
    ],
)  # fmt: skip
def test_next_never_leads_elsewhere(path):
    assert auth.safe_next(path) == "/"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox · Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge · Windows"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome · Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari · iPhone"),
        ("curl/8", ""),
    ],
)
def test_a_device_has_a_name(user_agent, name):
    assert auth.device_name(user_agent) == name


class _Peer:
    def __init__(self, address):
        self.address = address

    def get_extra_info(self, name, default=None):
        return (self.address, 4711) if name == "peername" else default

    def is_closing(self):
        return False


def _request(site, peer, forwarded, **changed):
    app = web.Application()
    app[SITE] = replace(site, settings=replace(site.settings, **changed))
    return make_mocked_request(
        "GET", "/", headers=[("X-Forwarded-For", line) for line in forwarded], app=app, transport=_Peer(peer)
    )


_ADDRESSES = (
    ("192.0.2.9", (), [], "192.0.2.9"),
    ("192.0.2.9", (), ["203.0.113.5"], "192.0.2.9"),  # nobody is believed unasked
    ("192.0.2.9", ("192.0.2.9",), ["203.0.113.5"], "203.0.113.5"),
    ("192.0.2.9", ("192.0.2.9",), ["6.6.6.6, 203.0.113.5"], "203.0.113.5"),  # the first was written by the client
    ("192.0.2.9", ("192.0.2.9",), ["6.6.6.6", "203.0.113.5"], "203.0.113.5"),
    ("192.0.2.9", ("192.0.2.0/24",), ["203.0.113.5, 192.0.2.8"], "203.0.113.5"),
    ("192.0.2.9", ("192.0.2.9",), ["nonsense"], "unknown"),
    ("192.0.2.9", ("192.0.2.9",), [], "192.0.2.9"),
    ("2001:db8:1:2:aaaa::1", (), [], "2001:db8:1:2::/64"),
    ("::ffff:192.0.2.9", (), [], "192.0.2.9"),
)


async def test_the_address_of_a_client(site):
    for peer, proxies, forwarded, address in _ADDRESSES:
        request = _request(site, peer, forwarded, trusted_proxies=proxies)
        assert auth.client_address(request) == address, (peer, proxies, forwarded)


async def test_somebody_unknown_costs_no_query(site, client):
    await client.get("/sign-in")  # whatever is read once is read
    statements = []

    def note(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    engines = {site.database._reader.sync_engine, site.database._writer.sync_engine}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    await client.get("/sign-in")
    assert statements == []
    client.session.cookie_jar.update_cookies({"session": "x" * 43}, client.make_url("/"))
    await client.get("/sign-in")
    assert statements != [], "the probe sees nothing"


async def test_a_dead_session_is_taken_from_the_browser(client):
    answer = await client.get("/sign-in", headers={"Cookie": "session=" + "x" * 43})
    assert answer.cookies["session"].value == ""
    assert answer.cookies["session"]["max-age"] == "0"


async def test_a_page_for_members_leads_through_sign_in_and_back(client, member):
    await member("ines")
    answer = await client.get("/settings/look", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in?next=/settings/look")
    answer = await send(
        client, "/sign-in", page=answer.headers["Location"], name="ines", password=PASSWORD, next="/settings/look"
    )
    assert (answer.status, answer.headers["Location"]) == (303, "/settings/look")
    assert (await client.get("/settings/look", allow_redirects=False)).status == 200


async def test_who_wrote_while_the_session_ended_is_led_back_to_their_page(client):
    origin = str(client.make_url("/")).rstrip("/")
    headers = {"Origin": origin, "Referer": f"{origin}/settings?saved=1&page=2"}
    answer = await client.post("/settings", data={"name": "Ines"}, headers=headers, allow_redirects=False)
    where = URL(answer.headers["Location"])
    assert (answer.status, where.path, dict(where.query)) == (303, "/sign-in", {"next": "/settings?saved=1&page=2"})


async def test_a_session_lives_by_visits(site, client, member, sign_in):
    account = await member("ines")
    await sign_in(client, account)

    async def seen_at():
        async with site.database.read() as tx:
            return (await tx.execute(select(Session.seen_at))).scalar_one()

    async def age(span):
        async with site.database.write() as tx:
            await tx.execute(update(Session).values(seen_at=tx.now - span))

    await age(timedelta(minutes=9))
    before = await seen_at()
    await client.get("/settings")
    assert await seen_at() == before, "written more often than every ten minutes"
    await age(timedelta(minutes=11))
    before = await seen_at()
    answer = await client.get("/settings")
    assert await seen_at() > before
    assert answer.cookies["session"].value, "the cookie ends before the session"
    await age(timedelta(days=61))
    assert (await client.get("/settings", allow_redirects=False)).status == 303


async def test_pages_speak_the_reader_s_language(client):
    for asked, spoken in (
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr"), ("de, es;q=0.5", "es"), ("de", "en"), ("en;q=0.1, fr;q=x, es;q=0.2", "es"),
        ("", "en"), ("fr;q=0", "en"),
    ):  # fmt: skip
        answer = await client.get("/sign-in", headers={"Accept-Language": asked})
        assert f'<html lang="{spoken}"' in await answer.text(), asked


async def test_a_choice_of_language_wins_over_the_browser(client, member, sign_in):
    await sign_in(client, await member("ines", language="es"))
    answer = await client.get("/settings", headers={"Accept-Language": "fr"})
    assert '<html lang="es"' in await answer.text()


def test_cookies_on_https_are_bound_to_the_host():
    response = web.Response()
    auth.remember(response, Settings(origin="https://moot.example"), "token")
    cookie = response.cookies["__Host-session"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "")


async def test_signing_out_ends_the_session_itself(client, member):
    await member("ines")
    token = session_of(await send(client, "/sign-in", name="ines", password=PASSWORD))
    answer = await send(client, "/sign-out", page="/settings")
    assert session_of(answer) == ""
    answer = await client.get("/settings", headers={"Cookie": f"session={token}"}, allow_redirects=False)
    assert answer.status == 303


async def test_suspended_people_are_out_at_once(site, client, member, sign_in):
    account = await member("ines")
    await sign_in(client, account)
    assert (await client.get("/settings", allow_redirects=False)).status == 200
    async with site.database.write() as tx:
        (await tx.get_one(type(account), account.actor_id)).state = "suspended"
    assert (await client.get("/settings", allow_redirects=False)).status == 303


async def test_a_forged_forwarded_address_does_not_escape_the_limit(client, member, site, monkeypatch):
    setting(monkeypatch, site, trusted_proxies=())
    for number in range(30):
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        await send(client, "/sign-in", name=f"nobody{number}", password="wrong", headers=headers)
    answer = await send(client, "/sign-in", name="x", password="y", headers={"X-Forwarded-For": "203.0.113.200"})
    assert answer.status == 429
