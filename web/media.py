"""Pictures: uploading them, describing them, and serving what was drawn of them.

``POST /media`` takes a form with ``picture`` and ``alt``. A script (``X-Requested-With: fetch``) gets JSON with url,
width, height, blurhash, alt and markdown, or error. A form without script leads to the page of the picture, or, where
it names the ``place`` of a draft, back to that draft with the picture in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from io import BufferedReader, BytesIO
from typing import Any, cast
from urllib.parse import quote

from aiohttp import web
from aiohttp.web_request import FileField

from community import drafts, jobs, media, topics
from community.db import Tx
from community.media_models import Media
from community.members import Invalid
from community.models import Account, Actor
from community.policy import NotThere, Refused, require, standing
from community.storage import Disk, StorageFailed, name_of
from web import auth, render, storage
from web.auth import Handler, Limit, field, require_viewer, take_turn, to_number
from web.sentences import N_
from web.site_key import SITE

log = logging.getLogger("folkmoot.media")
routes = web.RouteTableDef()

KEY = "{key:[0-9a-f]{32}}"
SECONDS_MAX = 300.0  # for one upload to arrive
AT_ONCE = 6  # uploads of one member
PER_HOUR = 120
_FORM_BYTES = 65_536  # what may come with the picture in its form
_FOR_A_YEAR = "public, max-age=31536000, immutable"
_HEADERS = {
    "Content-Type": "image/webp",
    "Cache-Control": _FOR_A_YEAR,
    "Content-Disposition": "inline",
    # Whatever it were, a browser that opens it alone may do nothing with it.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",  # people elsewhere see it on their own server's pages
    "Access-Control-Allow-Origin": "*",
}
_arriving: Counter[int] = Counter()


# --- uploading


def _largest(request: web.Request) -> int:
    return request.app[SITE].settings.upload_max_mb * 1_000_000


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Make room for the one form that may be large, before anything of it is read: for members only, not too many at
    once, not larger than the settings say, and not for longer than a few minutes."""
    if request.method != "POST" or request.path != "/media":
        return await handler(request)
    try:
        actor = await _admit(request)
        _arriving[actor.id] += 1
        try:
            async with asyncio.timeout(SECONDS_MAX):
                return await handler(request.clone(client_max_size=_largest(request) + _FORM_BYTES))
        finally:
            _arriving[actor.id] -= 1
            if not _arriving[actor.id]:
                del _arriving[actor.id]
    except TimeoutError:
        return await _failed(request, 408, {"picture": "upload-too-slow"})
    except web.HTTPRequestEntityTooLarge:
        return await _failed(request, 413, {"picture": "upload-too-large"})
    except Refused as refused:
        return await _failed(request, 403, {"picture": refused.reason})


async def _admit(request: web.Request) -> Actor:
    """Who uploads. Raises Refused, the redirect to signing in, and 413 for what says itself that it is too large."""
    if auth.is_script(request) and not auth.viewer(request):
        raise Refused("sign-in-first")
    _, actor = require_viewer(request)
    if (request.content_length or 0) > _largest(request) + _FORM_BYTES:
        raise web.HTTPRequestEntityTooLarge(_largest(request), request.content_length or 0)
    if _arriving[actor.id] >= AT_ONCE:
        raise Refused("uploads-at-once")
    async with request.app[SITE].database.write() as tx:
        require("upload", await standing(tx, await tx.own(actor)))
        if await take_turn(tx, Limit(f"upload:{actor.id}", PER_HOUR, 60)):
            raise Refused("too-many-uploads")
    return actor


async def _failed(request: web.Request, status: int, wrong: dict[str, str], alt: str = "") -> web.Response:
    """What is wrong, as JSON for a script and as the page of the form for everybody else."""
    if not auth.is_script(request):
        return await _form_page(request, wrong=wrong, alt=alt, status=status)
    site = request.app[SITE]
    words = await render.piece(
        site, await render.language_of(request), "media/wrong.html", key=next(iter(wrong.values()))
    )
    return web.json_response({"error": words.strip()}, status=status, headers={"Cache-Control": "no-store"})


async def _form_page(
    request: web.Request, *, wrong: dict[str, str] | None = None, alt: str = "", place: str = "", status: int = 200
) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        taken = await media.taken(tx, actor.id)
    return await render.page(
        request,
        "media/new.html",
        status=status,
        wrong=wrong or {},
        alt=alt,
        place=place,
        return_path=await _path_of(request, place),
        taken_mb=-(-taken // 1_000_000),
    )


@routes.get("/media/new")
async def new(request: web.Request) -> web.Response:
    return await _form_page(request, place=request.query.get("place", ""))


@routes.post("/media/new")
async def new_from_composer(request: web.Request) -> web.Response:
    """The button of a composer without script: what was typed is kept as the draft of ``place``."""
    account, _ = require_viewer(request)
    form = await auth.read_form(request)
    place = field(form, "place")
    if not place.startswith(("theme:", "topic:")):
        raise web.HTTPBadRequest(text=N_("A draft is of theme:SLUG or topic:ID."))
    async with request.app[SITE].database.write() as tx:
        await drafts.save(tx, account.actor_id, place, title=field(form, "title"), source=field(form, "text"))
    raise web.HTTPSeeOther("/media/new?place=" + quote(place, safe=":@"))


@routes.post("/media")
async def upload(request: web.Request) -> web.Response:
    account, actor = require_viewer(request)
    site = request.app[SITE]
    form = await auth.read_form(request)
    sent = (await request.post()).get("picture")
    alt, place = field(form, "alt"), field(form, "place")
    try:
        if not isinstance(sent, FileField) or not sent.filename:
            raise Invalid(picture="picture-missing")
        made = await media.keep(
            site.database, storage.of(site), actor, cast(BufferedReader, sent.file), alt=alt, language=account.language
        )
    except Invalid as error:
        wrong = {"picture" if name == "file" else name: key for name, key in error.fields.items()}
        if auth.is_script(request):
            return await _failed(request, 422, wrong)
        return await _form_page(request, wrong=wrong, alt=alt, place=place, status=422)
    except StorageFailed:
        log.exception("a picture could not be kept")
        return await _failed(request, 503, {"picture": "storage-failed"}, alt)
    if auth.is_script(request):
        return web.json_response(_described(made), status=201, headers={"Cache-Control": "no-store"})
    path = await _path_of(request, place)
    if not path:
        raise web.HTTPSeeOther(f"/media/{made.key}")
    async with site.database.write() as tx:
        await _put_into_draft(tx, account, place, made)
    raise web.HTTPSeeOther(path)


def _described(made: Media) -> dict[str, Any]:
    return {
        "url": media.address_of(made),
        "small": media.address_of(made, "phone"),
        "width": made.width,
        "height": made.height,
        "blurhash": made.blurhash,
        "alt": made.alt,
        "markdown": media.markdown_of(made),
    }


async def _put_into_draft(tx: Tx, account: Account, place: str, made: Media) -> None:
    draft = await drafts.find(tx, account.actor_id, place)
    title, source = (draft.title, draft.source) if draft is not None else ("", "")
    gap = "\n\n" if source.strip() else ""
    source = f"{source.rstrip()}{gap}{media.markdown_of(made)}\n"
    await drafts.save(tx, account.actor_id, place, title=title, source=source)


async def _path_of(request: web.Request, place: str) -> str:
    """The page with the composer that a draft belongs to; '' for none."""
    kind, _, name = place.partition(":")
    if kind == "theme" and name:
        return f"/g/{quote(name, safe='@')}/new"
    if kind == "topic":
        async with request.app[SITE].database.read() as tx:
            found = await topics.one(tx, to_number(name))
        if found is not None:
            return render.topic_path(found[0]) + "#composer"
    return ""


# --- a picture of one's own


async def _own(tx: Tx, request: web.Request, actor: Actor) -> Media:
    found = await media.find(tx, actor, request.match_info["key"])
    if found is None:
        raise NotThere
    return found


@routes.get(f"/media/{KEY}")
async def own_page(request: web.Request) -> web.Response:
    return await _own_page(request, {})


async def _own_page(request: web.Request, wrong: dict[str, str], alt: str | None = None) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        made = await _own(tx, request, actor)
    return await render.page(
        request,
        "media/picture.html",
        status=422 if wrong else 200,
        picture=made,
        address=media.address_of(made),
        markdown=media.markdown_of(made),
        alt=made.alt if alt is None else alt,
        wrong=wrong,
    )


@routes.post(f"/media/{KEY}")
async def describe(request: web.Request) -> web.Response:
    """Another alternative text; texts that show the picture already keep theirs."""
    account, actor = require_viewer(request)
    form = await auth.read_form(request)
    try:
        async with request.app[SITE].database.write() as tx:
            made = await _own(tx, request, actor)
            await media.describe(tx, made, field(form, "alt"), account.language)
    except Invalid as error:
        return await _own_page(request, dict(error.fields), field(form, "alt"))
    if auth.is_script(request):
        return web.json_response(_described(made), headers={"Cache-Control": "no-store"})
    raise web.HTTPSeeOther(f"/media/{made.key}")


# --- serving


@routes.get(f"/media/{KEY}-{{size:desk|phone}}.webp")
async def picture(request: web.Request) -> web.StreamResponse:
    """One size of a picture. Its name never means another, so that it can be kept for good; nobody is asked who they
    are, as with all that is public."""
    kept = storage.of(request.app[SITE])
    name = name_of(request.match_info["key"], request.match_info["size"])
    if isinstance(kept, Disk):
        path = kept.path(name)
        if not await asyncio.to_thread(path.is_file):
            raise web.HTTPNotFound
        return web.FileResponse(path, headers=_HEADERS)
    elsewhere = kept.address(name)
    if elsewhere:
        return web.Response(status=302, headers={"Location": elsewhere, "Cache-Control": "public, max-age=86400"})
    try:
        content = await kept.get(name)
    except StorageFailed:
        log.exception("a picture could not be read")
        raise web.HTTPServiceUnavailable(text=N_("The picture cannot be read just now.")) from None
    if content is None:
        raise web.HTTPNotFound
    # As a stream, so that the cache of anonymous answers does not fill up with pictures.
    return web.Response(body=BytesIO(content), headers=_HEADERS)


@jobs.works("remove-media")
async def remove(site: Any, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Take the files of removed pictures away."""
    results: list[jobs.Result] = []
    for job in claimed:
        try:
            for name in cast(Sequence[str], job.argument["names"]):
                await storage.of(site).remove(name)
        except StorageFailed as error:
            results.append(jobs.Failed(job, str(error)))
        else:
            results.append(jobs.Done(job))
    return results
