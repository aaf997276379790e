"""Pictures: drawn anew, counted, held by posts, forgotten when nothing holds them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from PIL import Image
from sqlalchemy import select

from community import drafts, media, picture, posts, text, topics
from community.db import Tx
from community.media_models import Media, MediaUse
from community.members import Invalid
from community.models import Job
from community.policy import Refused
from community.storage import Disk, StorageFailed, name_of
from federation import translate
from outbox import documents
from tests import images
from tests.web.forms import setting
from web import running, storage


@pytest.fixture
def database_kind():
    return "sqlite"


def drawn(content: bytes) -> picture.Drawn:
    return picture.draw(BytesIO(content))


async def keep(site, owner, content, **more):
    with TemporaryFile() as file:
        file.write(content)
        return await media.keep(site.database, storage.of(site), owner, file, **more)


# --- drawing


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (images.picture("PNG"), "image/png"),
        (images.picture("JPEG"), "image/jpeg"),
        (images.picture("WEBP"), "image/webp"),
        (images.picture("GIF"), "image/gif"),
    ],
)
def test_what_can_be_drawn_becomes_webp(content: bytes, kind: str) -> None:
    made = drawn(content)
    assert made.kind == kind
    assert {name: each[:2] for name, each in made.sizes.items()} == {"desk": (800, 400), "phone": (640, 320)}
    shown = Image.open(BytesIO(made.sizes["phone"][2]))
    assert (shown.format, shown.size) == ("WEBP", (640, 320))
    left, right = (shown.convert("RGB").getpixel((x, 160)) for x in (20, 620))
    assert left[0] > 200 > 60 > left[2]
    assert right[2] > 200 > 60 > right[0]
    assert len(made.blurhash) == 4 + 2 * 4 * 3


def test_a_photograph_is_turned_and_says_nothing_of_its_maker() -> None:
    content = images.photograph()
    assert b"witness" in content
    assert images.CAMERA.encode() in content
    made = drawn(content)
    for width, height, written in made.sizes.values():
        assert height == 2 * width
        assert b"itness" not in written
        assert b"EXIF" not in written
        assert b"ICCP" not in written
        assert b"XMP " not in written
        shown = Image.open(BytesIO(written))
        assert not shown.getexif()
        assert set(shown.info) <= {"loop", "background", "timestamp", "duration"}
    # Orientation 6: what was left is on top.
    assert shown.convert("RGB").getpixel((width // 2, 10))[0] > 200


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (images.picture("PNG", mode="RGBA"), "RGBA"),
        (images.picture("PNG", mode="P"), "RGB"),
        (images.picture("PNG", mode="L"), "RGB"),
        (images.picture("PNG", mode="LA"), "RGBA"),
        (images.picture("JPEG", mode="CMYK"), "RGB"),
        (images.picture("GIF", mode="P", transparency=0), "RGBA"),
    ],
)
def test_every_kind_of_colour_is_drawn(content: bytes, mode: str) -> None:
    shown = Image.open(BytesIO(drawn(content).sizes["desk"][2]))
    # An alpha channel without anything transparent in it is left out.
    assert shown.mode in {mode, "RGB"}


def test_sixteen_bits_are_not_cut_off() -> None:
    written = BytesIO()
    Image.new("I;16", (30, 30), 256 * 100).save(written, "PNG")
    shown = Image.open(BytesIO(drawn(written.getvalue()).sizes["desk"][2])).convert("L")
    assert abs(shown.getpixel((15, 15)) - 100) < 4


def test_small_pictures_keep_their_size_and_large_ones_fit_their_screens() -> None:
    small = drawn(images.picture(size=(30, 20)))
    assert {name: each[:2] for name, each in small.sizes.items()} == {"desk": (30, 20)}
    large = drawn(images.picture("JPEG", size=(4000, 3000)))
    assert {name: each[:2] for name, each in large.sizes.items()} == {"desk": (1600, 1200), "phone": (640, 480)}
    tall = drawn(images.picture(size=(900, 9000)))
    assert tall.sizes["desk"][1] == 3200


# --- keeping, holding, forgetting


async def test_a_picture_is_kept_once_for_each_member(site, member) -> None:
    anna, bob = (await member("anna")).actor, (await member("bob")).actor
    first = await keep(site, anna, images.picture(), alt="Two  halves")
    again = await keep(site, anna, images.picture())
    other = await keep(site, bob, images.picture())
    assert again.id == first.id
    assert again.alt == "Two halves"
    assert other.key != first.key
    folder = site.settings.data_path / "media"
    files = {path.name: path for path in folder.rglob("*.*")}
    assert set(files) == {name_of(each.key, size) for each in (first, other) for size in ("desk", "phone")}
    assert all(path.stat().st_mode & 0o111 == 0 for path in files.values())
    assert first.bytes == sum(files[name_of(first.key, size)].stat().st_size for size in ("desk", "phone"))
    async with site.database.read() as tx:
        assert await media.taken(tx, anna.id) == first.bytes
        assert await media.find(tx, bob, first.key) is None


async def test_the_quota_is_each_members_own(site, member, monkeypatch) -> None:
    anna, bob = (await member("anna")).actor, (await member("bob")).actor
    monkeypatch.setattr(media, "_MB", 900)
    setting(monkeypatch, site, upload_quota_mb=1)
    await keep(site, anna, images.picture(size=(30, 20)))
    with pytest.raises(Invalid) as wrong:
        await keep(site, anna, images.picture("JPEG"))
    assert wrong.value.fields == {"file": "upload-quota-reached"}
    assert len(list((site.settings.data_path / "media").rglob("*.webp"))) == 1
    await keep(site, bob, images.picture(size=(30, 20)))


async def test_who_may_not_write_keeps_no_picture(site, member) -> None:
    waiting = (await member("waiting", state="pending")).actor
    with pytest.raises(Refused) as refused:
        await keep(site, waiting, images.picture())
    assert refused.value.reason == "wait-for-approval"


async def _write(tx: Tx, theme, author, source: str):
    written = await posts.compose(tx, source, title="A picture of it", pictures_of=author)
    return await topics.open(tx, author, theme.actor, written)


async def test_a_post_shows_the_pictures_of_its_author_and_holds_them(site, member, theme) -> None:
    anna, bob, place = (await member("anna")).actor, (await member("bob")).actor, await theme()
    own = await keep(site, anna, images.picture(), alt="Ours [two] *halves*")
    foreign = await keep(site, bob, images.picture())
    source = f"Look:\n\n{media.markdown_of(own)}\n\n{media.markdown_of(foreign)}\n\n![x](https://evil.example/x.png)"
    async with site.database.write() as tx:
        post = await _write(tx, place, anna, source)
        assert post.html.count("<img") == 1
        assert f'<img src="{media.address_of(own)}" alt="Ours [two] *halves*" width="800" height="400"' in post.html
        assert f"{media.address_of(own, 'phone')} 640w" in post.html
        assert f'href="{site.settings.origin}{media.address_of(foreign)}"' in post.html
        assert 'href="https://evil.example/x.png"' in post.html
        assert "Ours [two] *halves*" in text.plain(post.html)
        held = (await tx.execute(select(MediaUse.holder).where(MediaUse.media_id == own.id))).scalars().all()
        assert held == [f"post:{post.id}"]
    assert text.alarms == 0

    now = site.database.clock()
    site.database.clock = lambda: now + timedelta(hours=25)
    async with site.database.write() as tx:
        await running.forget(tx)
        left = (await tx.execute(select(Media.id))).scalars().all()
    assert left == [own.id]  # nothing showed that of bob


async def test_pictures_leave_with_the_last_post_that_showed_them(site, member, theme, at_work) -> None:
    anna, place = (await member("anna")).actor, await theme()
    first, second = await keep(site, anna, images.picture()), await keep(site, anna, images.picture("JPEG"))
    async with site.database.write() as tx:
        post = await _write(tx, place, anna, media.markdown_of(first))
        written = await posts.compose(tx, media.markdown_of(second), pictures_of=anna)
        await posts.edit(tx, anna, post, written)
        other = await _write(tx, place, anna, f"Again\n\n{media.markdown_of(second)}")
        await drafts.save(tx, anna.id, "theme:mobility", title="", source="later")
    later = site.database.clock() + timedelta(days=2)
    async with site.database.write() as tx:
        tx.now = later
        assert await media.tidy(tx) == 0  # the earlier text can be read in the history
        await posts.erase(tx, anna, await tx.get_one(type(post), post.id))
        assert (await tx.get_one(Media, first.id)).idle_since is not None
        assert (await tx.get_one(Media, second.id)).idle_since is None
    async with site.database.write() as tx:
        tx.now = later + timedelta(hours=23)
        assert await media.tidy(tx) == 0  # it may have been a mistake
        tx.now = later + timedelta(hours=25)
        assert await media.tidy(tx) == 1
        assert (await tx.get(Media, first.id)) is None
        await posts.erase(tx, anna, await tx.get_one(type(other), other.id))
        await drafts.save(tx, anna.id, "theme:mobility", title="", source=f"soon {media.markdown_of(second)}")
        tx.now = later + timedelta(days=9)
        assert await media.tidy(tx) == 0  # a draft still names it
        await drafts.drop(tx, anna.id, "theme:mobility")
        assert await media.tidy(tx) == 1
    site.database.clock = lambda: later + timedelta(days=10)
    for _ in range(200):
        async with site.database.read() as tx:
            if not (await tx.execute(select(Job.id).where(Job.kind == "remove-media"))).first():
                break
        await asyncio.sleep(0.05)
    assert list((site.settings.data_path / "media").rglob("*.webp")) == []


async def test_others_get_pictures_beside_the_text(site, member, theme) -> None:
    anna, place = (await member("anna")).actor, await theme()
    kept = [await keep(site, anna, images.picture(size=(700 + each, 300)), alt=f"No {each}") for each in range(5)]
    source = "Five:\n\n" + "\n\n".join(media.markdown_of(each) for each in kept)
    async with site.database.write() as tx:
        post = await _write(tx, place, anna, source)
        note = await documents.note(tx, post)
        reply = await posts.reply(
            tx, anna, post.topic, await posts.compose(tx, media.markdown_of(kept[0]), pictures_of=anna)
        )
        answer = await documents.note(tx, reply)
        post.kind = "Article"
        article = await documents.note(tx, post)
    origin = site.settings.origin
    assert note["attachment"][0] == {
        "type": "Document",
        "mediaType": "image/webp",
        "url": origin + media.address_of(kept[0]),
        "name": "No 0",
        "width": 700,
        "height": 300,
        "blurhash": kept[0].blurhash,
    }
    assert [each["name"] for each in note["attachment"]] == ["No 0", "No 1", "No 2", "No 3"]
    assert note["content"].count("<img") == 1
    assert f'src="{origin}/media/{kept[4].key}-desk.webp"' in note["content"]
    assert '"/media/' not in note["content"]
    assert " /media/" not in note["content"]
    assert answer["content"] == ""
    assert answer["source"]["content"] == f"![No 0]({origin}{media.address_of(kept[0])})"
    assert article["content"].count(f'<img src="{origin}/media/') == 5
    # What comes from elsewhere brings its pictures as links.
    seen = translate.from_note(
        {**note, "id": "https://o.example/1", "attributedTo": "https://o.example/u/a"}, post.created_at
    )
    assert "<img" not in seen.html
    assert f'href="{origin}{media.address_of(kept[3])}"' in seen.html


async def test_a_text_elsewhere_cannot_show_a_picture_of_ours(site, member) -> None:
    own = await keep(site, (await member("anna")).actor, images.picture())
    forged = f'<p><img src="{media.address_of(own)}" alt="x" width="1" height="1" loading="lazy"></p>'
    assert "<img" not in text.clean(forged)
    assert "<img" in text.clean(forged, with_pictures=True)


# --- the folder


async def test_a_folder_takes_names_of_ours_only(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "media")
    name = name_of("ab" * 16, "desk")
    await disk.put(name, b"one")
    await disk.put(name, b"two")
    assert await disk.get(name) == b"two"
    assert [path.name for path in (tmp_path / "media" / "ab").iterdir()] == [name]
    await disk.remove(name)
    await disk.remove(name)
    assert await disk.get(name) is None
    for bad in ("../secret", "ab/../../secret", f"{name}/..", name.upper(), f"{name}\n", "", name + ".html"):
        with pytest.raises(ValueError, match="no name"):
            disk.path(bad)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed):
        await Disk(tmp_path / "file").put(name, b"one")
