"""Files that are no pictures, or more than one; rules 27 and 61."""

from __future__ import annotations

import asyncio
import struct
import zipfile
from io import BytesIO

import pytest
from PIL import Image

from community import media, picture
from tests import images
from tests.web.forms import origin_of, setting, token_on
from tests.web.test_media import form, upload
from web import media as pages
from web.media import _FORM_BYTES


@pytest.fixture
def database_kind():
    return "sqlite"


def outcome(content: bytes) -> str:
    """Why a file is refused; '' where it is drawn. Anything else that is raised fails the test."""
    try:
        picture.draw(BytesIO(content))
    except picture.Unusable as unusable:
        return unusable.reason
    return ""


_SMALL = images.picture("GIF", size=(20, 20))
GIF = _SMALL[:6] + struct.pack("<HH", 60_000, 60_000) + _SMALL[10:]
EVIL = b"<html><script>alert('from a picture')</script></html>"


@pytest.mark.parametrize(
    "content",
    [images.bomb(30_000, 30_000), images.bomb(100_000, 1), images.bomb(1, 2**31 - 1), GIF],
    ids=["900 megapixels", "too wide", "too high", "GIF of a header"],
)
def test_bombs_are_refused_by_their_header(content: bytes) -> None:
    assert len(content) < 500_000
    assert outcome(content) == "picture-has-too-many-pixels"


def test_films_are_refused_however_many_frames_they_have() -> None:
    for kind in ("GIF", "PNG", "WEBP"):
        assert outcome(images.moving(kind)) == "picture-moves"


def _svg() -> bytes:
    head = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">'
    return head + b"<script>alert(1)</script></svg>"


def _as(kind: str, mode: str = "RGB") -> bytes:
    written = BytesIO()
    Image.new(mode, (8, 8)).save(written, kind)
    return written.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG",
        _svg(),
        b"\xff\xd8\xff\xe0" + EVIL,
        b"GIF89a" + EVIL,
        b"RIFF\x00\x00\x00\x00WEBP" + EVIL,
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(200),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(evil) run\n",
        b"%PDF-1.7\n",
        b"PK\x03\x04" + bytes(60),
        b"\x7fELF" + bytes(60),
        EVIL,
        _as("TIFF"),
        _as("BMP"),
        _as("ICO"),
        _as("PPM"),
        _as("TGA"),
    ],
)
def test_whatever_else_it_is_it_is_refused(content: bytes) -> None:
    assert outcome(content) == "not-a-picture"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_truncated_and_broken_files_are_refused_or_drawn_and_never_worse(kind: str) -> None:
    whole = images.picture(kind)
    for part in (8, 20, 60, len(whole) // 2, len(whole) - 30):
        assert outcome(whole[:part]) == "not-a-picture" or part > len(whole) // 3, "hardly anything of it was there"
    for at in range(12, len(whole), max(1, len(whole) // 40)):
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        assert outcome(bytes(broken)) in ("", "not-a-picture", "picture-has-too-many-pixels", "picture-moves")


def _archive() -> bytes:
    held = BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("Evil.class", EVIL)
    return held.getvalue()


def _in_profile() -> bytes:
    return images.picture("JPEG", icc_profile=EVIL * 20)


@pytest.mark.parametrize(
    "content",
    [
        images.picture("PNG") + EVIL,
        images.picture("GIF") + _archive(),
        images.picture("JPEG") + _archive(),
        images.picture("JPEG", comment=EVIL),
        images.picture("WEBP", exif=b"Exif\0\0" + EVIL),
        images.picture("WEBP", xmp=EVIL),
        _in_profile(),
    ],
    ids=["PNG and HTML", "GIFAR", "JPEG and ZIP", "comment", "EXIF", "XMP", "profile"],
)
def test_nothing_of_a_polyglot_survives(content: bytes) -> None:
    for _, _, written in picture.draw(BytesIO(content)).sizes.values():
        assert b"script" not in written
        assert b"PK\x03\x04" not in written
        assert written[:4] == b"RIFF"
        assert struct.unpack("<I", written[4:8])[0] == len(written) - 8, "something stands behind the picture"
        assert not zipfile.is_zipfile(BytesIO(written))


async def test_what_is_refused_is_said_and_nothing_is_kept(client, site, member, sign_in):
    await sign_in(client, await member("mallory"))
    token = await token_on(client, "/media/new")
    for content, words in (
        (_svg(), "no picture that can be shown"),
        (images.bomb(30_000, 30_000), "too many pixels"),
        (images.moving("GIF"), "Moving pictures"),
        (images.picture("JPEG")[:300], "no picture that can be shown"),
    ):
        answer = await upload(client, content, token=token, name="a.png", kind="image/png")
        assert answer.status == 422
        assert words in (await answer.json())["error"]
    assert not (site.settings.data_path / "media").exists()


async def test_a_picture_that_breaks_its_decoder_breaks_nothing_else(client, member, sign_in, monkeypatch, tmp_path):
    await sign_in(client, await member("mallory"))
    program = tmp_path / "broken.py"
    for words in ("import os; os.abort()", "print('{}')", "print('nonsense')", "import sys; sys.exit(1)"):
        program.write_text(words)
        monkeypatch.setattr(media, "_PROGRAM", program)
        answer = await upload(client, images.picture())
        assert answer.status == 422, words
    program.write_text("import time; time.sleep(600)")
    monkeypatch.setattr(picture, "SECONDS_MAX", 0.2)
    assert (await upload(client, images.picture())).status == 422


async def test_fifty_megabytes_are_refused_before_they_are_read(client, site, member, sign_in):
    await sign_in(client, await member("mallory"))
    token = await token_on(client, "/media/new")
    host, port = site.settings.listen
    cookie = "; ".join(f"{each.key}={each.value}" for each in client.session.cookie_jar)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        (
            f"POST /media HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\nOrigin: {origin_of(client)}\r\n"
            f"X-Csrf-Token: {token}\r\nX-Requested-With: fetch\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: {50_000_000}\r\n\r\n"
        ).encode()
    )
    status = await asyncio.wait_for(reader.readline(), 20)  # nothing of the body was sent
    assert b" 413 " in status
    writer.close()

    async def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
        for _ in range(50):
            yield bytes(1_000_000)

    # Without a length it is stopped where the limit is.
    for headers in ({"X-Csrf-Token": token, "X-Requested-With": "fetch"}, {}):
        answer = await client.post(
            "/media",
            data=endless(),
            headers={"Origin": origin_of(client), "Content-Type": "multipart/form-data; boundary=b", **headers},
        )
        assert answer.status == 413
        assert "at most 10 MB" in await answer.text()


async def test_other_forms_stay_as_small_as_they_were(client, member, sign_in, theme):
    await theme("mobility")
    await sign_in(client, await member("mallory"))
    token = await token_on(client, "/g/mobility/new")
    for path in ("/media/new", "/g/mobility/new", "/media/" + "0" * 32):
        answer = await client.post(
            path, data={"csrf": token, "text": "x" * 1_200_000}, headers={"Origin": origin_of(client)}
        )
        assert answer.status == 413, path


async def test_slow_and_endless_uploads_end(client, site, member, sign_in, monkeypatch):
    await sign_in(client, await member("mallory"))
    token = await token_on(client, "/media/new")
    monkeypatch.setattr(pages, "SECONDS_MAX", 0.5)
    may_end = asyncio.Event()

    async def slow():
        yield b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
        await may_end.wait()
        yield b"\r\n--b--\r\n"

    headers = {"Origin": origin_of(client), "X-Csrf-Token": token, "X-Requested-With": "fetch",
               "Content-Type": "multipart/form-data; boundary=b"}  # fmt: skip
    answer = await client.post("/media", data=slow(), headers=headers)
    assert answer.status == 408
    assert "in time" in (await answer.json())["error"]
    may_end.set()
    assert not pages._arriving


async def test_bodies_that_are_no_forms_are_answered(client, member, sign_in):
    await sign_in(client, await member("mallory"))
    token = await token_on(client, "/media/new")
    headers = {"Origin": origin_of(client), "X-Csrf-Token": token, "X-Requested-With": "fetch"}
    for kind, body in (
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=picture"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=b", b""),
        ("application/json", b"{}"),
        ("image/png", images.picture()),
    ):
        answer = await client.post("/media", data=body, headers={**headers, "Content-Type": kind})
        assert 400 <= answer.status < 500, (kind, answer.status)


async def test_a_member_sends_so_many_and_no_more(client, site, member, sign_in, monkeypatch):
    await sign_in(client, await member("mallory"))
    token = await token_on(client, "/media/new")
    monkeypatch.setattr(pages, "PER_HOUR", 2)
    content = images.picture(size=(20, 20))
    assert [(await upload(client, content, token=token)).status for _ in range(3)] == [201, 201, 403]
    monkeypatch.setattr(pages, "AT_ONCE", 0)
    answer = await upload(client, content, token=token)
    assert "at once" in (await answer.json())["error"]
    setting(monkeypatch, site, upload_max_mb=1)
    assert _FORM_BYTES < 1_000_000
    answer = await client.post(
        "/media", data=form(content), headers={"Origin": "https://evil.example", "X-Csrf-Token": token}
    )
    assert answer.status == 403
