"""Pictures that members upload: proven and drawn anew, counted against a quota, held by what shows them.

``keep`` is the one door. A picture that nothing holds goes after a day; whatever shows one says so with ``hold`` and
lets it go with ``release``. What a text shows is said by the addresses in it, which ``text`` knows.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from io import BufferedReader
from pathlib import Path
from weakref import WeakKeyDictionary

from sqlalchemy import delete, exists, func, select

from community import jobs, picture, text
from community.db import Database, Tx
from community.media_models import Media, MediaUse
from community.members import Invalid
from community.models import Actor, Draft
from community.picture import Drawn, Unusable
from community.policy import require, standing
from community.storage import Storage, StorageFailed, name_of

AT_ONCE = 2  # pictures that one process has drawn at the same time
IDLE_FOR = timedelta(days=1)
ALT_MAX = 1500  # as Mastodon has it
REMOVED_AT_ONCE = 500
_PROGRAM = Path(picture.__file__)
_MB = 1_000_000
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


# --- drawing


async def draw(file: BufferedReader) -> Drawn:
    """A file, which has a descriptor, as the pictures that are kept. Raises Invalid with what is wrong with ``file``.

    It is drawn by a process of its own that may take so much memory and time and no more.
    """
    turns = _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    file.flush()
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    async with turns:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(_PROGRAM), stdin=file, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(picture.SECONDS_MAX * 2):
                output, _ = await process.communicate()
        except TimeoutError:
            raise Invalid(file="not-a-picture") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    try:
        return picture.read(output)
    except Unusable as refused:
        raise Invalid(file=refused.reason) from None
    except (ValueError, LookupError, TypeError):
        # The process ended before its time, by its limits or by the picture.
        raise Invalid(file="not-a-picture") from None


def _digest(file: BufferedReader) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


# --- keeping


async def keep(
    database: Database, storage: Storage, owner: Actor, file: BufferedReader, *, alt: str = "", language: str = ""
) -> Media:
    """Have a picture of a member drawn and kept; the same file once more is the picture that is there.

    Raises Refused, Invalid (what is wrong with ``file`` or ``alt``) and StorageFailed. No transaction may be open.
    """
    alt = check_alt(alt)
    digest = await asyncio.to_thread(_digest, file)
    async with database.write() as tx:
        require("upload", await standing(tx, await tx.own(owner)))
        held = await _same(tx, owner.id, digest)
        if held is not None:
            held.alt, held.language = alt or held.alt, language or held.language
            held.idle_since = tx.now if held.idle_since is not None else None
            return held
        await _require_room(tx, owner.id, 0)
    drawn = await draw(file)
    key = secrets.token_hex(16)
    names = [name_of(key, size) for size in drawn.sizes]
    try:
        for size, (_, _, content) in drawn.sizes.items():
            await storage.put(name_of(key, size), content)
        async with database.write() as tx:
            media = await _same(tx, owner.id, digest) or await _add(tx, owner, key, digest, drawn, alt, language)
    except BaseException:
        await _drop(storage, names)
        raise
    if media.key != key:  # it came twice at the same time
        await _drop(storage, names)
    return media


async def _drop(storage: Storage, names: Iterable[str]) -> None:
    for name in names:
        try:
            await storage.remove(name)
        except StorageFailed:
            return


async def _add(tx: Tx, owner: Actor, key: str, digest: str, drawn: Drawn, alt: str, language: str) -> Media:
    size = sum(len(content) for _, _, content in drawn.sizes.values())
    await _require_room(tx, owner.id, size)
    width, height, _ = drawn.sizes["desk"]
    media = Media(
        key=key,
        owner_id=owner.id,
        digest=digest,
        kind=drawn.kind,
        width=width,
        height=height,
        blurhash=drawn.blurhash,
        alt=alt,
        language=language,
        bytes=size,
        variants={name: [w, h, len(content)] for name, (w, h, content) in drawn.sizes.items()},
        created_at=tx.now,
        idle_since=tx.now,
    )
    tx.add(media)
    await tx.flush()
    return media


async def _same(tx: Tx, owner_id: int, digest: str) -> Media | None:
    query = select(Media).where(Media.owner_id == owner_id, Media.digest == digest)
    return (await tx.execute(query)).scalar_one_or_none()


async def _require_room(tx: Tx, owner_id: int, more: int) -> None:
    if await taken(tx, owner_id) + more > tx.settings.upload_quota_mb * _MB - (0 if more else 1):
        raise Invalid(file="upload-quota-reached")


async def taken(tx: Tx, owner_id: int) -> int:
    """How many bytes the pictures of a member take."""
    query = select(func.coalesce(func.sum(Media.bytes), 0)).where(Media.owner_id == owner_id)
    return int((await tx.execute(query)).scalar_one())


def check_alt(typed: str) -> str:
    """An alternative text in one line. Raises Invalid."""
    words = " ".join(typed.split())
    if len(words) > ALT_MAX:
        raise Invalid(alt="alt-too-long")
    return words


async def find(tx: Tx, owner: Actor, key: str) -> Media | None:
    """A picture of this member's own."""
    query = select(Media).where(Media.key == key, Media.owner_id == owner.id)
    return (await tx.execute(query)).scalar_one_or_none()


async def latest(tx: Tx, owner: Actor, limit: int = 8) -> list[Media]:
    """The pictures that a member uploaded last."""
    query = select(Media).where(Media.owner_id == owner.id).order_by(Media.created_at.desc(), Media.id.desc())
    return list((await tx.execute(query.limit(limit))).scalars())


async def describe(tx: Tx, media: Media, alt: str, language: str = "") -> None:
    """Give a picture another alternative text, for the next text that it is put into. Raises Invalid."""
    media.alt, media.language = check_alt(alt), language or media.language
    await tx.flush()


def address_of(media: Media, size: str = "desk") -> str:
    """The path of a picture on this server."""
    return text.PICTURES + name_of(media.key, size if size in media.variants else "desk")


def markdown_of(media: Media) -> str:
    """What to write into a text to show a picture."""
    return f"![{text.in_brackets(media.alt)}]({address_of(media)})"


# --- what texts show


async def named_in(tx: Tx, owner: Actor, source: str, holders: Sequence[str] = ()) -> dict[str, Media]:
    """The pictures of this member whose addresses stand in a Markdown text, by key, and those that ``holders`` hold.
    Any other stays a link: it would go when its owner takes it away."""
    keys = text.pictures_in(source)
    if not keys:
        return {}
    may_be = Media.owner_id == owner.id
    if holders:
        may_be |= Media.id.in_(select(MediaUse.media_id).where(MediaUse.holder.in_(holders)))
    rows = (await tx.execute(select(Media).where(may_be, Media.key.in_(keys)))).scalars()
    return {media.key: media for media in rows}


def as_shown(media: Media) -> text.Picture:
    """A picture as ``text.render`` puts it into HTML."""
    phone = media.variants.get("phone")
    return text.Picture(media.width, media.height, phone[0] if phone else 0)


@dataclass(frozen=True)
class Shown:
    """A picture as a text shows it: ``alt`` is what that text says of it."""

    media: Media
    alt: str


async def shown_in_each(tx: Tx, texts: Iterable[str]) -> list[list[Shown]]:
    """The pictures in stored texts: for each text its own, each once, in their order."""
    found = [text.pictures_shown(html) for html in texts]
    keys = {key for pictures in found for key in pictures}
    rows = (await tx.execute(select(Media).where(Media.key.in_(keys)))).scalars() if keys else ()
    held = {media.key: media for media in rows}
    return [[Shown(held[key], alt) for key, alt in pictures.items() if key in held] for pictures in found]


async def shown_in(tx: Tx, html: str) -> list[Shown]:
    """The pictures in a stored text, each once, in their order."""
    return (await shown_in_each(tx, [html]))[0]


async def hold(tx: Tx, holder: str, media_ids: Sequence[int]) -> None:
    """Say that ``holder`` (such as ``post:12``) shows these pictures, besides those that it holds already: its earlier
    texts stay readable."""
    if not media_ids:
        return
    known = set((await tx.execute(select(MediaUse.media_id).where(MediaUse.holder == holder))).scalars())
    for media_id in dict.fromkeys(media_ids):
        media = await tx.get_one(Media, media_id)
        media.idle_since = None
        if media_id not in known:
            tx.add(MediaUse(media_id=media_id, holder=holder))
    await tx.flush()


async def release(tx: Tx, holder: str) -> None:
    """``holder`` is gone. Pictures that nothing else holds go a day later."""
    ids = list((await tx.execute(select(MediaUse.media_id).where(MediaUse.holder == holder))).scalars())
    if not ids:
        return
    await tx.execute(delete(MediaUse).where(MediaUse.holder == holder))
    still = set((await tx.execute(select(MediaUse.media_id).where(MediaUse.media_id.in_(ids)))).scalars())
    for media_id in ids:
        if media_id not in still:
            (await tx.get_one(Media, media_id)).idle_since = tx.now
    await tx.flush()


async def tidy(tx: Tx) -> int:
    """Remove pictures that nothing has held for a day, and have a job take their files away; answers how many. What a
    draft of their owner still names stays as long as the draft."""
    in_draft = exists().where(Draft.account_id == Media.owner_id, Draft.source.contains(Media.key))
    query = select(Media).where(Media.idle_since < tx.now - IDLE_FOR, ~in_draft).limit(REMOVED_AT_ONCE)
    found = list((await tx.execute(query)).scalars())
    for media in found:
        await tx.delete(media)
    if found:
        names = [name_of(media.key, size) for media in found for size in media.variants]
        await jobs.add(tx, "remove-media", {"names": names})
        await tx.flush()
    return len(found)
