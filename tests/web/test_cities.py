"""Linked cities on pages: two instances that link a theme through the staff's forms; and a city's own house."""

from __future__ import annotations

import asyncio
import html
import re
import shutil
from dataclasses import replace
from io import BytesIO

import pytest
from aiohttp import CookieJar, FormData
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image
from sqlalchemy import select

from community import groups, house, members, posts, topics
from community.models import Activity, Notification
from community.settings import Settings
from federation import site as sites
from tests.conftest import PASSWORD, SECRET, pair
from tests.ports import free_port
from tests.web.forms import origin_of, send, token_on
from web import running
from web.app import build

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


class City:
    """An instance with one theme and an admin at a browser; its jobs are worked on."""

    def __init__(self, name, port, folder, peers):
        self.name, self.folder = name, folder
        self.settings = Settings(
            origin=f"http://127.0.0.1:{port}", bind=f"127.0.0.1:{port}", data=str(folder), name=name,
            insecure_peers=peers, retry_seconds=(1, 1, 2, 2),
        )  # fmt: skip

    async def __aenter__(self):
        self.site = sites.make(self.settings)
        async with self.site.database.write() as tx:
            await groups.found(tx, await pair(0), await pair(1))
            self.theme = await groups.add_theme(tx, None, "mobility", await pair(2), name="Mobility")
            hashed = await members.hash_password(PASSWORD)
            self.admin = await members.add_member(
                tx, "boss", "boss@city.example", hashed, await pair(3), site_role="admin"
            )
        host, port = self.settings.listen
        self.client = TestClient(TestServer(build(self.site), host=host, port=port), cookie_jar=CookieJar(unsafe=True))
        await self.client.start_server()
        self._work = running.working(self.site)
        await self._work.__aenter__()
        return self

    async def __aexit__(self, *_):
        await self._work.__aexit__(None, None, None)
        await self.client.close()
        await self.site.close()

    async def open_topic(self, title):
        async with self.site.database.write() as tx:
            written = await posts.compose(tx, f"About {title}", title=title)
            await topics.open(tx, self.admin.actor, self.theme.actor, written)

    async def read(self, path):
        return html.unescape(await (await self.client.get(path)).text())

    async def until(self, path, *words, without=()):
        for _ in range(150):
            page = await self.read(path)
            if all(word in page for word in words) and not any(word in page for word in without):
                return page
            await asyncio.sleep(0.1)
        raise AssertionError(f"{self.name}{path} never had {words} without {without}:\n{page}")

    async def decide(self, action, **fields):
        page = await self.read("/staff/links")
        group, other = re.search(
            r'name="group" value="(\d+)"><input type="hidden" name="other" value="(\d+)"', page
        ).groups()
        answer = await send(self.client, "/staff/links", action=action, group=group, other=other, **fields)
        assert answer.status == 303, await answer.text()


@pytest.fixture
async def cities(database_kind, tmp_path, sqlite_template, sign_in):
    ports = [free_port(), free_port()]
    made = []
    for name, port in zip(("Hub", "Port City"), ports, strict=True):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(sqlite_template, folder / "folkmoot.db")
        (folder / "secret").write_text(SECRET.hex())
        made.append(City(name, port, folder, tuple(f"127.0.0.1:{each}" for each in ports)))
    async with made[0] as hub, made[1] as city:
        for each in (hub, city):
            await sign_in(each.client, each.admin)
        yield hub, city


async def test_two_cities_link_pause_resume_and_end(cities):
    hub, city = cities
    await hub.open_topic("Older than the link")
    address = f"@mobility@{hub.settings.host}"
    answer = await send(
        city.client, "/staff/links", action="propose", theme="mobility", address=address, reason="Trams"
    )
    assert answer.status == 303, await answer.text()
    assert "they have not answered yet" in await city.read("/staff/links")
    await hub.until("/staff/links", "They ask for a link.")
    async with hub.site.database.read() as tx:
        assert [*(await tx.execute(select(Notification.kind))).scalars()] == ["link"]
    assert "asks to be linked" in await hub.read("/notifications")

    await hub.decide("accept")
    for each in (hub, city):
        await each.until("/staff/links", "Linked.")
    await city.until("/g/mobility", "Older than the link")  # what was there before is fetched
    await city.open_topic("Born in the city")
    await hub.open_topic("Born at the hub")
    theme = await hub.until("/g/mobility", "Born in the city", "From Port City", f"mobility@{city.settings.host}")
    assert theme.count("Born in the city") == 1
    await city.until("/g/mobility", "Born at the hub")
    here = await hub.read("/g/mobility?from=mobility")
    assert ("Born at the hub" in here, "Born in the city" in here) == (True, False)
    there = await hub.read(f"/g/mobility?from=mobility@{city.settings.host}")
    assert ("Born at the hub" in there, "Born in the city" in there) == (False, True)
    path = re.search(r'href="(/t/\d+/born-in-the-city)"', theme)[1]
    topic = await hub.read(path)
    assert f"At home in <b>Mobility</b> on {city.settings.host}" in topic

    listed = await hub.until("/cities", "Port City", "1 topic in 30 days")
    assert f"@mobility@{city.settings.host}" in listed
    assert "Port City" in await hub.read("/")
    # A member of the hub answers on the hub's page; the answer is at home in the city.
    await send(
        hub.client, f"/t/{path.split('/')[2]}/reply", page=path, text="Read from afar", reply_to="", language="en"
    )
    home = re.search(r'href="(/t/\d+/born-in-the-city)"', await city.read("/g/mobility"))[1]
    await city.until(home, "Read from afar")

    await city.decide("pause", reason="Quiet week")
    assert "Born at the hub" not in await city.read("/g/mobility")
    await hub.until("/staff/links", "They have paused")
    await hub.open_topic("Written meanwhile")
    await city.decide("resume")
    await city.until("/g/mobility", "Born at the hub", "Written meanwhile")
    await hub.until("/staff/links", "Linked.", without=("They have paused",))
    await hub.decide("end", reason="Done")
    await city.until("/staff/links", "Ended")
    assert "Born at the hub" not in await city.read("/g/mobility")
    log = await city.read("/log")
    for words in ("proposed a link to", "agreed to a link with", "Quiet week", "ended the link with"):
        assert words in log
    async with hub.site.database.read() as tx:
        outcomes = (await tx.execute(select(Activity.type, Activity.outcome).where(Activity.direction == "in"))).all()
        assert not [row for row in outcomes if row.outcome in ("", "type-unsupported")]


async def test_what_cannot_be_linked_is_said_and_kept(client, member, theme, sign_in, peer, site):
    await theme("mobility")
    assert (await client.get("/staff/links", allow_redirects=False)).status == 303
    await sign_in(client, await member("anna"))
    assert (await client.get("/staff/links")).status == 403
    client.session.cookie_jar.clear()
    await sign_in(client, await member("boss", site_role="admin"))
    for address, words in (
        (f"tess@{peer.host}", "no theme or group"),
        (f"@mobility@{site.settings.host}", "here already"),
        ("nonsense", ""),
        ("@x@127.0.0.1:1", ""),
    ):
        answer = await send(
            client, "/staff/links", action="propose", theme="mobility", address=address, reason="Why not"
        )
        page = html.unescape(await answer.text())
        assert answer.status == 422, (address, page)
        assert words in page
        assert address in page
        assert "Why not" in page
    wrong = await send(client, "/staff/links", action="propose", theme="nothing", address="@a@b.example")
    assert wrong.status == 422
    for fields in (
        {"action": "dance"},
        {"action": "pause", "group": "1", "other": "x"},
        {"action": "end", "group": "9", "other": "9"},
    ):
        assert (await send(client, "/staff/links", **fields)).status == 404


async def test_no_city_yet(client, theme):
    await theme("mobility")
    page = await (await client.get("/cities")).text()
    assert "No theme here is linked with another city yet." in page
    assert "@mobility@" in page
    assert (await client.get("/house/logo.png")).status == 404


def _picture(form, size=(600, 300)):
    drawn = BytesIO()
    Image.new("RGB", size, "#a8325a").save(drawn, form)
    return drawn.getvalue()


async def _save_house(client, logo=None, **changed):
    fields = {"name": "Port City", "about": "By the sea", "colour": "#A8325A", "language": "fr"} | changed
    form = FormData({"csrf": await token_on(client, "/staff/house"), **fields})
    for code in ("fr", "es"):
        form.add_field("languages", code)
    form.add_field("logo", logo or b"", filename="logo.png" if logo else "", content_type="image/png")
    return await client.post("/staff/house", data=form, headers={"Origin": origin_of(client)}, allow_redirects=False)


async def test_a_house_of_its_own(client, member, sign_in, site):
    await sign_in(client, await member("boss", site_role="admin"))
    before = (await (await client.get("/")).text()).count("World Smart City")
    assert before
    answer = await _save_house(client, _picture("WEBP"))
    assert answer.status == 303, await answer.text()
    page = await (await client.get("/", headers={"Accept-Language": "en"})).text()
    assert ("Port City" in page, "World Smart City" in page) == (True, False)
    logo = re.search(r'src="(/house/logo\.png\?v=\w+)"', page)[1]
    shown = await client.get(logo)
    assert (shown.status, shown.content_type) == (200, "image/png")
    assert "immutable" in shown.headers["Cache-Control"]
    assert Image.open(BytesIO(await shown.read())).size == (256, 128)
    again = await client.get(logo, headers={"If-None-Match": shown.headers["ETag"]})
    assert again.status == 304
    actor = await (await client.get("/", headers={"Accept": "application/activity+json"})).json(content_type=None)
    assert (actor["name"], actor["icon"]["url"]) == ("Port City", site.settings.origin + logo)
    info = await (await client.get("/nodeinfo/2.1")).json(content_type=None)
    assert info["metadata"]["nodeName"] == "Port City"
    assert info["metadata"]["nodeDescription"] == "By the sea"
    # English is offered no more: who wants it gets the house's own language.
    client.session.cookie_jar.clear()
    page = await client.get("/", headers={"Accept-Language": "en"})
    assert page.headers["Content-Language"] == "fr"
    async with site.database.write() as tx:
        kept = await house.load(tx)
        assert kept.languages == ("fr", "es")
        assert kept.colour == "#a8325a"


async def test_a_house_that_cannot_be(client, member, sign_in, site):
    await sign_in(client, await member("boss", site_role="admin"))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    bomb = _picture("PNG", (6000, 6000))
    for logo, changed in (
        (None, {"name": " "}), (None, {"colour": "red"}), (None, {"language": "en"}), (None, {"about": "x" * 501}),
        (svg, {}), (b"\x89PNG\r\n\x1a\n broken", {}), (_picture("GIF"), {}), (bomb, {}), (_picture("PNG")[:60], {}),
    ):  # fmt: skip
        answer = await _save_house(client, logo, **changed)
        assert answer.status == 422, (logo and logo[:20], changed)
    async with site.database.read() as tx:
        assert await house.load(tx) == house.default(site.settings)
        assert await house.logo(tx) is None
    answer = await send(client, "/staff/house", name="N", about="", colour="#ffee00", language="en", preview="1")
    page = await answer.text()
    assert "#ffee00" in page
    assert re.search(r"contrast (4\.[6-9]|[5-9])", page)
    client.session.cookie_jar.clear()
    await sign_in(client, await member("mod", site_role="moderator"))
    assert (await client.get("/staff/house")).status == 403


async def test_the_settings_give_what_nobody_changed(site, member):
    boss = await member("boss", site_role="admin")
    async with site.database.write() as tx:
        said = house.default(site.settings)
        await house.change(tx, boss.actor, name="Port City", about=said.about, colour=said.colour,
                           language="en", languages=("en", "fr", "es"))  # fmt: skip
    site.database.settings = replace(site.settings, about="Newly configured", name="Not this")
    async with site.database.read() as tx:
        now = await house.load(tx)
    assert (now.name, now.about) == ("Port City", "Newly configured")
