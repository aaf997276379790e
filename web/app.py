"""The web application: read this first. It names every room and every step that a request goes through.

A request passes, from the outside in: the cache of anonymous answers · security headers · errors turned into pages ·
ActivityPub for those who ask for it · who is looking · room for pictures · forged forms refused · the page itself.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from multidict import CIMultiDict
from sqlalchemy.exc import IntegrityError

import inbox as _inbox  # registers every handler
import outbox as _outbox  # registers every subscriber
from community import house
from community.policy import NotThere, Refused
from federation.site import Site
from federation.vocabulary import wants_activitystreams
from inbox.receive import BODY_MAX, Inbox
from web import (
    abroad,
    accounts,
    agenda,
    agenda_export,
    arrange,
    articles,
    auth,
    blog,
    calendars,
    citations,
    cities,
    curate,
    debates,
    desk,
    headers,
    invitations,
    live,
    live_debate,
    media,
    moderation,
    moving,
    objects,
    outcome,
    pages_read,
    pages_write,
    polls,
    propose,
    questions,
    record,
    render,
    series,
    staff,
    staff_hosts,
    threads,
    ticker,
)
from web.sentences import N_
from web.sentences import sentence_of as sentence
from web.site_key import SITE

log = logging.getLogger("folkmoot.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Groups elsewhere have pages of their own at addresses that would be themes of ours as well.
ROOMS = (
    objects, abroad, moving, pages_read, pages_write, polls, live, accounts, moderation, staff, staff_hosts, cities,
    threads, debates, arrange, invitations, questions, desk, outcome, record, live_debate,
    ticker, series, calendars, media, blog, articles,
    agenda_export, agenda, propose, curate, citations,
)  # fmt: skip

__all__ = ["build"]
_ = (_inbox, _outbox)


def build(site: Site) -> web.Application:
    """The application for one instance; nothing is opened before the first request."""
    app = web.Application(
        middlewares=[
            AnonymousCache(site).middleware,
            headers.middleware,
            errors,
            documents,
            auth.viewer_middleware,
            media.middleware,
            auth.csrf_middleware,
            again,
        ],
        client_max_size=BODY_MAX,
    )
    app[SITE] = site
    received = Inbox(site)
    # PieFed posts to both spellings of the shared inbox and follows no redirect.
    for path in ("/inbox", "/inbox/", "/u/{name}/inbox", "/g/{name}/inbox"):
        app.router.add_post(path, received.post)
    for room in ROOMS:
        app.router.add_routes(room.routes)
    render.set_up(app)
    live.set_up(app)
    ticker.set_up(app)
    app.cleanup_ctx.append(_closing)
    return app


async def _closing(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[SITE].client.close()


class AnonymousCache:
    """Answers to readers who are not signed in, kept for a second and dropped when anything visible changes.

    A post that Mastodon shows to thousands makes many servers ask for the same few addresses within a moment.
    """

    SECONDS = 1.0
    ENTRIES = 500

    def __init__(self, site: Site) -> None:
        self._site = site
        self._held: dict[tuple[str, bool, str], tuple[float, int, CIMultiDict[str], bytes]] = {}
        self._generation = 0
        site.database.hub.on_change(self._drop)
        self.middleware = self._make()

    def _drop(self) -> None:
        self._generation += 1
        self._held.clear()

    def _make(self) -> Middleware:
        @web.middleware
        async def cache(request: web.Request, handler: Handler) -> web.StreamResponse:
            given = request.headers
            if request.method not in ("GET", "HEAD") or "Cookie" in given or "Range" in given:
                return await handler(request)
            await house.of(self._site.database)  # which languages are offered
            key = (
                request.raw_path,
                wants_activitystreams(given.get("Accept", "")),
                auth.viewer(request).language,
            )
            held = self._held.get(key)
            now = time.monotonic()
            if held is not None and held[0] > now:
                return web.Response(status=held[1], headers=held[2], body=held[3])
            generation = self._generation
            response = await handler(request)
            if (
                isinstance(response, web.Response)
                and response.status in (200, 410)
                and isinstance(response.body, bytes)
                and "Set-Cookie" not in response.headers
                and not response.cookies
                and "no-store" not in response.headers.get("Cache-Control", "")
                and generation == self._generation
            ):
                if len(self._held) >= self.ENTRIES:
                    self._held.clear()
                kept = CIMultiDict(response.headers)
                kept.popall("Content-Length", None)
                self._held[key] = (time.monotonic() + self.SECONDS, response.status, kept, response.body)
            return response

        return cache


_TITLES = {
    400: N_("That was not understood"),
    404: N_("Nothing is here"),
    405: N_("Not that way"),
    413: N_("Too large"),
}


@web.middleware
async def again(request: web.Request, handler: Handler) -> web.StreamResponse:
    """On PostgreSQL the same may be written twice at one moment, as by a double click: who comes second is served anew,
    and finds it there."""
    for _ in range(3):
        with contextlib.suppress(IntegrityError):
            return await handler(request)
    return await handler(request)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong becomes a page that says what happened, what was kept and what to do."""
    try:
        if "\0" in request.path:  # PostgreSQL refuses to look for one
            raise NotThere
        return await handler(request)
    except Refused as refused:
        return await _error_page(request, 403, N_("That is not possible"), sentence(refused.reason))
    except NotThere:
        return await _error_page(request, 404, _TITLES[404], sentence("not-there"))
    except web.HTTPException as error:
        if error.status < 400 or error.content_type == "application/json":
            raise
        title = _TITLES.get(error.status, N_("That did not work"))
        key = {404: "not-there", 405: "wrong-method", 413: "too-large"}.get(error.status, "")
        page = await _error_page(request, error.status, title, sentence(key) if key else (error.text or error.reason))
        for name in ("Allow", "Retry-After", "Location"):
            if name in error.headers:
                page.headers[name] = error.headers[name]
        return page
    except (ConnectionResetError, TimeoutError):
        raise
    except Exception:
        number = secrets.token_hex(4)
        log.exception("error %s at %s %s", number, request.method, request.path)
        with contextlib.suppress(Exception):
            return await _error_page(request, 500, N_("Something broke here"), sentence("our-fault"), number=number)
        return web.Response(status=500, text=f"Something broke here. Number of the report: {number}\n")


async def _error_page(
    request: web.Request, status: int, title: str, says: str, *, number: str = ""
) -> web.StreamResponse:
    return await render.page(
        request,
        "error.html",
        status=status,
        headers={"Cache-Control": "no-store"} if status != 404 else None,
        title=title,
        says=says,
        number=number,
    )


@web.middleware
async def documents(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One address answers as a page or as ActivityPub."""
    if request.method in ("GET", "HEAD") and wants_activitystreams(request.headers.get("Accept", "")):
        found = await objects.find(request)
        if found is not None:
            return found
    return await handler(request)
