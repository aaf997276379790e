"""Who is looking: the session cookie, the viewer, the proof that a form is ours, and limits on trying.

The cookie is a random token of which the database keeps a hash. A request without the cookie costs no query.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from urllib.parse import quote, urlsplit

from aiohttp import web
from sqlalchemy import text

from community import house, members, notifications, throttles
from community.addresses import address_of
from community.db import Tx
from community.models import Account, Actor, Throttle
from community.policy import Refused, require, standing
from community.settings import Settings
from web.sentences import N_
from web.site_key import SITE

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_TOUCH_EVERY = timedelta(minutes=10)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_INBOX = re.compile(r"(/[ug]/[^/]+)?/inbox/?")
_PICTURE = re.compile(r"/media/[0-9a-f]+-[a-z]+\.webp")
# Forms that people who are not signed in may send. Nothing else that they post has an effect.
_ANONYMOUS_FORMS = re.compile(r"/sign-in|/sign-up|/welcome/.*|/seats/.*|/citations/.*")
_FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")


@dataclass(frozen=True)
class Viewer:
    """Who asks for a page. False when nobody is signed in."""

    account: Account | None = None
    actor: Actor | None = None
    session_id: int | None = None
    unread: int = 0
    language: str = "en"
    look: str = ""  # '' follows the system, light, dark
    timezone: str = "UTC"

    def __bool__(self) -> bool:
        return self.account is not None

    @property
    def is_pending(self) -> bool:
        """Signed up, and not let in yet."""
        return self.account is not None and self.account.state == "pending"

    @property
    def is_staff(self) -> bool:
        return self._has_role("moderator", "admin")

    @property
    def is_editor(self) -> bool:
        return self._has_role("editor")

    @property
    def is_admin(self) -> bool:
        return self._has_role("admin")

    def _has_role(self, *roles: str) -> bool:
        return self.account is not None and self.account.state == "active" and self.account.site_role in roles


NOBODY = Viewer()
_VIEWER = web.RequestKey("viewer", Viewer)
_IS_TOUCHED = web.RequestKey("is_touched", bool)
_NEW_FORM_COOKIE = web.RequestKey("new_form_cookie", str)


def viewer(request: web.Request) -> Viewer:
    """The viewer that ``viewer_middleware`` found; nobody where it has not run."""
    found = request.get(_VIEWER)
    return replace(NOBODY, language=_language(request)) if found is None else found


def require_viewer(request: web.Request) -> tuple[Account, Actor]:
    """The account and actor that are signed in. Raises a redirect to the sign-in page, which leads back here."""
    found = viewer(request)
    if found.account is not None and found.actor is not None:
        return found.account, found.actor
    back = request.path_qs
    if request.method not in _SAFE_METHODS:
        # The address of a form's target is often no page; the page that held the form is.
        path, query = came_from(request)
        back = path + ("?" + query if query else "")
    raise web.HTTPSeeOther("/sign-in?next=" + quote(safe_next(back), safe="/"))


async def require_may(request: web.Request, action: str) -> Actor:
    """The actor that is signed in, who may do this on the whole site. Asked before a staff page is shown; what the page
    then does asks again."""
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        require(action, await standing(tx, actor))
    return actor


def is_script(request: web.Request) -> bool:
    """True for a request of our own script, which puts what it gets into the page that is open."""
    return request.headers.get("X-Requested-With") == "fetch"


def came_from(request: web.Request) -> tuple[str, str]:
    """Path and query of the page of ours that a form was sent from; two empty ones where that is not known."""
    try:
        parts = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return "", ""
    is_ours = parts.netloc == urlsplit(request.app[SITE].settings.origin).netloc and safe_next(parts.path) != "/"
    return (parts.path, parts.query) if is_ours else ("", "")


def safe_next(path: str | None) -> str:
    """``path`` if it is a page of this site, else the home page: redirects never leave the house."""
    if not path or len(path) > 2000 or not path.startswith("/") or path.startswith("//"):
        return "/"
    # Browsers read a backslash as a slash and drop control characters: "/\evil.example" is another site to them.
    if "\\" in path or any(ord(c) <= 32 or ord(c) == 127 for c in path):
        return "/"
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path in ("/sign-in", "/sign-up", "/sign-out"):
        return "/"
    return path


def _language(request: web.Request) -> str:
    """The best of our languages for the reader's browser."""
    known = house.last_known(request.app[SITE].database)
    offered: list[tuple[float, int, str]] = []
    for part in request.headers.get("Accept-Language", "")[:500].split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            offered.append((-float(weight or 1), len(offered), name.split("-")[0].lower()))
        except ValueError:
            continue
    for rank, _, name in sorted(offered):
        if rank < 0 and name in known.languages:
            return name
    return known.language


# --- cookies


def _cookie(settings: Settings, name: str) -> str:
    """``__Host-`` binds a cookie to https, this host and the whole site; browsers refuse it on plain http."""
    return f"__Host-{name}" if settings.is_secure else name


def _set_cookie(response: web.StreamResponse, settings: Settings, name: str, value: str, max_age: int | None) -> None:
    response.set_cookie(
        _cookie(settings, name),
        value,
        path="/",
        max_age=max_age,
        httponly=True,
        secure=settings.is_secure,
        samesite="Lax",
    )


def remember(response: web.StreamResponse, settings: Settings, token: str) -> None:
    """Give the browser its session."""
    _set_cookie(response, settings, "session", token, members.SESSION_DAYS * 86400)


def forget(response: web.StreamResponse, settings: Settings) -> None:
    """Take the browser's session away."""
    _set_cookie(response, settings, "session", "", 0)


_SERVER = re.compile(r"(@[A-Za-z0-9_.~-]{1,255}@)?[a-z0-9.:\[\]-]{1,253}")


def home_server(request: web.Request) -> str:
    """The server (or @name@server) where a visitor said that they are at home; '' where they did not."""
    server = request.cookies.get(_cookie(request.app[SITE].settings, "home"), "")
    return server if _SERVER.fullmatch(server) else ""


def remember_home(response: web.StreamResponse, settings: Settings, server: str) -> None:
    """Keep a visitor's server for a year, or forget it with ''."""
    _set_cookie(response, settings, "home", server, 365 * 86400 if server else 0)


def session_token(request: web.Request) -> str:
    """The token in the session cookie; '' where there is none or it cannot be one of ours."""
    token = request.cookies.get(_cookie(request.app[SITE].settings, "session"), "")
    return token if _TOKEN.fullmatch(token) else ""


@web.middleware
async def viewer_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks, before anything else does."""
    token = session_token(request)
    if request.path.startswith("/static/") or _PICTURE.fullmatch(request.path) or _INBOX.fullmatch(request.path):
        return await handler(request)
    settings = request.app[SITE].settings
    request[_VIEWER] = found = await _find_viewer(request, token) if token else viewer(request)
    response = await handler(request)
    if not response.prepared:
        cookies = response.cookies
        if token and not found and _cookie(settings, "session") not in cookies:
            forget(response, settings)
        if request.get(_IS_TOUCHED) and _cookie(settings, "session") not in cookies:
            remember(response, settings, token)
        if _NEW_FORM_COOKIE in request:
            _set_cookie(response, settings, "form", request[_NEW_FORM_COOKIE], None)
    return response


async def _find_viewer(request: web.Request, token: str) -> Viewer:
    database = request.app[SITE].database
    async with database.read() as tx:
        found = await members.find_session(tx, token)
        if found is None:
            return viewer(request)
        session, account = found
        unread = await notifications.unread_count(tx, account.actor_id)
        is_due = tx.now - session.seen_at > _TOUCH_EVERY
    if is_due and request.method in _SAFE_METHODS:
        async with database.write() as tx:
            await members.touch_session(tx, session.id)
        request[_IS_TOUCHED] = True
    return Viewer(
        account,
        account.actor,
        session.id,
        unread,
        account.language or _language(request),
        account.look,
        account.timezone,
    )


async def start_session(tx: Tx, request: web.Request, account: Account) -> str:
    """Sign this browser in, under a new token; what it was signed in as before ends. Answers the token."""
    before = viewer(request)
    if before.account is not None and before.session_id is not None:
        await members.end_session(tx, before.account, before.session_id)
    return await members.open_session(tx, account, device_name(request.headers.get("User-Agent", "")))


_BROWSERS = {"Edg": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "FxiOS/": "Firefox", "Chrom": "Chrome",
             "CriOS/": "Chrome", "Safari/": "Safari"}  # fmt: skip
_SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "CrOS": "ChromeOS",
            "Mac OS X": "macOS", "Linux": "Linux"}  # fmt: skip


def device_name(user_agent: str) -> str:
    """What a person would call their device, as in ``Firefox · Linux``; '' where the browser does not say."""
    browser = next((name for mark, name in _BROWSERS.items() if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS.items() if mark in user_agent), "")
    return " · ".join(part for part in (browser, system) if part)


# --- forms


@lru_cache(maxsize=8)
def _form_key(settings: Settings) -> bytes:
    return hmac.digest(settings.secret(), b"folkmoot forms", "sha256")


def _proof(request: web.Request, what: str, value: str) -> str:
    return hmac.new(_form_key(request.app[SITE].settings), f"{what}:{value}".encode(), hashlib.sha256).hexdigest()


def csrf_token(request: web.Request) -> str:
    """What a form of ours carries in its field ``csrf`` to prove that our page sent it.

    Signed in, it is bound to the session. Otherwise it is bound to a cookie that this call makes if there is none,
    so a page that calls it for nobody cannot be cached.
    """
    if viewer(request):
        return _proof(request, "session", session_token(request))
    value = request.get(_NEW_FORM_COOKIE) or _form_cookie(request)
    if not value:
        value = request[_NEW_FORM_COOKIE] = secrets.token_urlsafe(32)
    return _proof(request, "form", value)


def _form_cookie(request: web.Request) -> str:
    value = request.cookies.get(_cookie(request.app[SITE].settings, "form"), "")
    return value if _TOKEN.fullmatch(value) else ""


@web.middleware
async def csrf_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request that changes something through only when it comes from a page of ours."""
    if request.method not in _SAFE_METHODS and not _INBOX.fullmatch(request.path):
        await _check_origin_and_token(request)
    return await handler(request)


async def _check_origin_and_token(request: web.Request) -> None:
    fetch_site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if fetch_site not in (None, "same-origin", "none") or (
        origin is not None and origin != request.app[SITE].settings.origin
    ):
        raise Refused("form-from-elsewhere")
    given = request.headers.get("X-Csrf-Token", "")
    if not given and request.content_type in _FORM_TYPES:
        given = field(await read_form(request), "csrf")
    if viewer(request):
        expected = _proof(request, "session", session_token(request))
    else:
        # Whose session has ended while they wrote is led to the sign-in page by the handler, not turned away here.
        if origin is not None and not _ANONYMOUS_FORMS.fullmatch(request.path):
            return
        cookie = _form_cookie(request)
        expected = _proof(request, "form", cookie) if cookie else ""
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Refused("form-is-stale")


Form = dict[str, str]


async def read_form(request: web.Request) -> Form:
    """The text fields of a posted form, the first of each name. 400 for a body that is no form."""
    try:
        posted = await request.post()
    except (ValueError, LookupError, AssertionError) as error:  # a boundary or charset that cannot be used
        raise web.HTTPBadRequest(text=N_("This is not a form.")) from error
    found: Form = {}
    for name, value in posted.items():
        # PostgreSQL keeps no NUL in text, and no person types one.
        if isinstance(value, str):
            found.setdefault(name, value.replace("\x00", ""))
    return found


def field(form: Form, name: str) -> str:
    return form.get(name, "")


def complaints(error: members.Invalid | Refused, name: str) -> dict[str, str]:
    """What is wrong by field; a refusal stands beside the field ``name``."""
    return dict(error.fields) if isinstance(error, members.Invalid) else {name: error.reason}


def focus_on(wrong: Mapping[str, str]) -> Callable[[str], dict[str, str]]:
    """For templates: the attributes of a field that put the cursor into the first one that is wrong."""
    first = next(iter(wrong), "")
    return lambda name: {"autofocus": "autofocus"} if name == first else {}


def to_number(typed: str) -> int:
    """A whole number as it came in a form or query; 0, which no row has, for anything else."""
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else 0


# --- limits


def client_address(request: web.Request) -> str:
    """Who connects, as far as trusted proxies say it: see ``addresses.address_of``."""
    forwarded = request.headers.getall("X-Forwarded-For", [])
    return address_of(request.remote, forwarded, request.app[SITE].settings.trusted_proxies)


@dataclass(frozen=True)
class Limit:
    """At most ``count`` tries of ``key`` in ``minutes``."""

    key: str
    count: int
    minutes: int


def limit_by_name(what: str, name: str, count: int, minutes: int) -> Limit:
    """A limit for what somebody typed: the same for names that exist and those that do not."""
    digest = hashlib.sha256(name.strip().lower().removeprefix("@").encode()).hexdigest()
    return Limit(f"{what}:{digest[:32]}", count, minutes)


async def _line_up(tx: Tx, limits: tuple[Limit, ...]) -> None:
    """Let whoever asks about the same limits at the same time do so one after the other. On SQLite they do anyway."""
    if not tx.is_sqlite:
        for key in sorted(limit.key for limit in limits):
            await tx.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": key})


async def seconds_to_wait(tx: Tx, *limits: Limit) -> int:
    """How long until another try is allowed; 0 when it is allowed now."""
    await _line_up(tx, limits)
    waits = [0]
    for limit in limits:
        if await throttles.is_over(tx, limit.key, limit.count):
            row = await tx.get_one(Throttle, limit.key)
            waits.append(int((row.until - tx.now).total_seconds()) + 1)
    return max(waits)


async def count_try(tx: Tx, *limits: Limit) -> None:
    await _line_up(tx, limits)
    for limit in limits:
        await throttles.count(tx, limit.key, limit.minutes)


async def take_turn(tx: Tx, *limits: Limit) -> int:
    """Count a try where one is allowed now, and answer 0; else how many seconds to wait."""
    wait = await seconds_to_wait(tx, *limits)
    if not wait:
        await count_try(tx, *limits)
    return wait
