"""Uploading pictures, describing them, getting them; the composer without script; S3-compatible storage."""

from __future__ import annotations

import hashlib
import html
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from io import BytesIO

import aiohttp
import pytest
from aiohttp import FormData
from PIL import Image

from community import drafts, media
from community.storage import StorageFailed, name_of
from tests import images
from tests.ports import free_port
from tests.web.forms import origin_of, send, setting, token_on
from web import storage


@pytest.fixture
def database_kind():
    return "sqlite"


def form(content: bytes, name: str = "cat.png", kind: str = "image/png", **fields: str) -> FormData:
    made = FormData()
    for key, value in fields.items():
        made.add_field(key, value)
    made.add_field("picture", content, filename=name, content_type=kind)
    return made


async def upload(client, content: bytes, *, script: bool = True, token: str = "", **more):
    token = token or await token_on(client, "/media/new")
    headers = {"Origin": origin_of(client)}
    if script:
        headers |= {"X-Csrf-Token": token, "X-Requested-With": "fetch"}
    else:
        more["csrf"] = token
    return await client.post("/media", data=form(content, **more), headers=headers, allow_redirects=False)


async def test_a_script_uploads_and_everybody_gets_the_picture(client, site, member, sign_in):
    await sign_in(client, await member("anna"))
    answer = await upload(client, images.photograph(), name="../../etc/passwd.html", kind="text/html", alt="A *yard*")
    assert answer.status == 201
    told = await answer.json()
    assert re.fullmatch(r"/media/[0-9a-f]{32}-desk\.webp", told["url"])
    assert (told["width"], told["height"]) == (400, 800)
    assert told["markdown"] == f"![A \\*yard\\*]({told['url']})"
    client.session.cookie_jar.clear()
    for path, size in ((told["url"], (400, 800)), (told["small"], (400, 800))):
        got = await client.get(path, headers={"Accept": "application/activity+json"})
        assert got.status == 200
        assert got.headers["Content-Type"] == "image/webp"
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in got.headers["Content-Security-Policy"]
        assert got.headers["Content-Disposition"] == "inline"
        assert "immutable" in got.headers["Cache-Control"]
        assert "Set-Cookie" not in got.headers
        assert Image.open(BytesIO(await got.read())).size == size
    again = await client.get(told["url"], headers={"If-None-Match": got.headers["ETag"]})
    assert again.status == 304
    key = told["url"][7:39]
    for path in ("/media", "/media/", f"/media/{key}-huge.webp", f"/media/{key}-desk.html",
                 f"/media/{'0' * 32}-desk.webp",
                 f"/media/{key[:2]}", "/media/..%2f..%2fsecret", f"/media/{key.upper()}-desk.webp"):  # fmt: skip
        assert (await client.get(path, allow_redirects=False)).status in (404, 405), path


async def test_a_post_shows_the_picture_and_the_feed_names_it_in_full(client, site, member, sign_in, theme):
    await theme("mobility")
    await sign_in(client, await member("anna"))
    told = await (await upload(client, images.picture(), alt="Two halves")).json()
    source = f"Look at it:\n\n{told['markdown']}"
    seen = await (await send(client, "/preview", page="/g/mobility/new", text=source)).text()
    assert f'<img src="{told["url"]}" alt="Two halves"' in seen
    answer = await send(client, "/g/mobility/new", title="A picture", text=source)
    assert answer.status == 303
    page = await (await client.get(answer.headers["Location"])).text()
    assert f'<img src="{told["url"]}" alt="Two halves" width="800" height="400" loading="lazy"' in page
    feed = html.unescape(await (await client.get("/g/mobility/feed.xml")).text())
    assert f'<img src="{site.settings.origin}{told["url"]}"' in html.unescape(feed)


async def test_without_script_the_text_is_kept_and_gets_the_picture(client, site, member, sign_in, theme):
    await theme("mobility")
    account = await member("anna")
    await sign_in(client, account)
    page = await (await client.get("/g/mobility/new")).text()
    assert 'formaction="/media/new"' in page
    typed = {"title": "About it", "text": "What I have so far.", "place": "theme:mobility"}
    answer = await send(client, "/media/new", page="/g/mobility/new", **typed)
    assert answer.status == 303
    there = answer.headers["Location"]
    page = await (await client.get(there)).text()
    assert 'href="/g/mobility/new"' in page
    refused = await upload(client, b"<svg/>", script=False, name="a.svg", place="theme:mobility", alt="My words")
    assert refused.status == 422
    page = await refused.text()
    assert "no picture that can be shown" in page
    assert 'value="My words"' in page
    answer = await upload(client, images.picture(), script=False, alt="Halves", place="theme:mobility")
    assert (answer.status, answer.headers["Location"]) == (303, "/g/mobility/new")
    async with site.database.read() as tx:
        draft = await drafts.find(tx, account.actor_id, "theme:mobility")
    assert re.fullmatch(r"What I have so far\.\n\n!\[Halves\]\(/media/[0-9a-f]{32}-desk\.webp\)\n", draft.source)
    assert draft.title == "About it"


async def test_a_description_can_be_changed_by_its_owner(client, member, sign_in):
    await sign_in(client, await member("anna"))
    answer = await upload(client, images.picture(), script=False)
    where = answer.headers["Location"]
    assert "![](/media/" in html.unescape(await (await client.get(where)).text())
    assert (await send(client, where, alt="Two halves")).status == 303
    assert "![Two halves](/media/" in html.unescape(await (await client.get(where)).text())
    wrong = await send(client, where, alt="x" * 1501)
    assert wrong.status == 422
    assert "1,500" in await wrong.text()
    await sign_in(client, await member("bob"))
    assert (await client.get(where)).status == 404


async def test_only_members_with_our_form_upload(client, member, sign_in):
    headers = {"Origin": origin_of(client), "X-Requested-With": "fetch"}
    answer = await client.post("/media", data=form(images.picture()), headers=headers)
    assert answer.status == 403
    assert "Sign in" in (await answer.json())["error"]
    assert (await client.get("/media/new", allow_redirects=False)).status == 303
    await sign_in(client, await member("anna"))
    answer = await client.post("/media", data=form(images.picture(), csrf="0" * 64), headers=headers)
    assert answer.status == 403
    answer = await upload(client, b"", name="", script=True)
    assert answer.status == 422
    assert (await answer.json())["error"] == "Choose a picture first."


async def test_errors_are_said_in_the_language_of_the_reader(client, site, member, sign_in, monkeypatch):
    await sign_in(client, await member("anna"))
    token = await token_on(client, "/media/new")
    setting(monkeypatch, site, upload_max_mb=1)
    answer = await upload(client, bytes(1_200_000), token=token)
    assert answer.status == 413
    assert (await answer.json())["error"] == "This file is too large: a picture may have at most 1 MB."
    monkeypatch.setattr(media, "_MB", 0)
    answer = await upload(client, images.picture(), token=token)
    assert answer.status == 422
    assert "all the room" in (await answer.json())["error"]


# --- S3


@pytest.fixture(scope="module")
def s3():
    """A server that speaks S3 and checks signatures' form; its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def test_a_bucket_keeps_pictures(client, site, member, sign_in, monkeypatch, s3):
    setting(
        monkeypatch,
        site,
        s3_endpoint=s3,
        s3_bucket="city pictures",
        s3_key_id="AKIAEXAMPLE",
        s3_secret="example/secret",
    )
    bucket = storage.of(site)
    async with aiohttp.ClientSession() as session:
        assert (await session.put(f"{s3}/city%20pictures")).status == 200
    name = name_of("ab" * 16, "desk")
    assert await bucket.get(name) is None
    await bucket.put(name, b"bytes of it")
    assert await bucket.get(name) == b"bytes of it"
    await bucket.remove(name)
    await bucket.remove(name)
    assert await bucket.get(name) is None

    await sign_in(client, await member("anna"))
    told = await (await upload(client, images.picture())).json()
    got = await client.get(told["url"])
    assert (got.status, got.headers["Content-Type"]) == (200, "image/webp")
    assert Image.open(BytesIO(await got.read())).size == (800, 400)
    assert not (site.settings.data_path / "media").exists()
    setting(monkeypatch, site, s3_public_url="https://pictures.example/")
    got = await client.get(told["url"], allow_redirects=False)
    assert (got.status, got.headers["Location"]) == (302, "https://pictures.example" + told["url"])
    setting(monkeypatch, site, s3_endpoint=f"http://127.0.0.1:{free_port()}", s3_public_url="")
    with pytest.raises(StorageFailed):
        await storage.of(site).put(name, b"")
    answer = await upload(client, images.picture("JPEG"))
    assert answer.status == 503
    assert "in a minute" in (await answer.json())["error"]
    assert (await client.get(told["url"])).status == 503


async def test_requests_are_signed_as_the_libraries_of_amazon_sign_them(site, monkeypatch):
    """The oracle is botocore, which comes with moto."""
    auth = pytest.importorskip("botocore.auth", reason="botocore is not installed")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from yarl import URL

    settings = replace(site.settings, s3_key_id="AKIAEXAMPLE", s3_secret="example/secret", s3_region="eu-west-3")
    for method, url, content in (
        ("PUT", "http://127.0.0.1:9000/city%20pictures/media/a-desk.webp", b"bytes"),
        ("GET", "https://s3.example/b/media/a-desk.webp", b""),
        ("DELETE", "https://s3.example/b/media/a-desk.webp", b""),
    ):
        given = {"Content-Type": "image/webp"} if content else {}
        request = AWSRequest(method, url, headers=dict(given), data=content)
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(content).hexdigest()
        auth.S3SigV4Auth(Credentials("AKIAEXAMPLE", "example/secret"), "s3", "eu-west-3").add_auth(request)
        at = auth.datetime.datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ")
        signed = storage.signed_headers(settings, method, URL(url, encoded=True), content, at, given)
        assert signed["authorization"] == request.headers["Authorization"]
