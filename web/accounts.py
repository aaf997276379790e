"""Joining, signing in and out, one's own settings and devices, and the link that makes the first admin."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from aiohttp import web

from community import keys, members
from community.models import Account, Session
from community.policy import Refused
from web import auth, render
from web.auth import Form, Limit, field
from web.site_key import SITE

routes = web.RouteTableDef()

_SECRET_FIELDS = ("password", "old_password", "csrf")
_NO_STORE = {"Cache-Control": "no-store"}


async def _form_page(
    request: web.Request,
    template: str,
    form: Form,
    wrong: dict[str, str] | None = None,
    *,
    wait: int = 0,
    **context: Any,
) -> web.Response:
    """A form with what was typed, but for passwords: 422 beside what is wrong, 429 with the seconds to wait."""
    wrong = wrong or {}
    return await render.page(
        request,
        template,
        status=429 if wait else 422 if wrong else 200,
        headers={**_NO_STORE, **({"Retry-After": str(wait)} if wait else {})},
        form={name: value for name, value in form.items() if name not in _SECRET_FIELDS},
        wrong=wrong,
        focus=auth.focus_on(wrong),
        minutes=-(-wait // 60),
        **context,
    )


def _signed_in(request: web.Request, token: str, where: str) -> web.Response:
    """Go on to ``where`` as whoever ``token`` stands for."""
    response = web.Response(status=303, headers={"Location": where, **_NO_STORE})
    auth.remember(response, request.app[SITE].settings, token)
    return response


# --- joining


@routes.get("/sign-up")
async def sign_up_page(request: web.Request) -> web.Response:
    viewer = auth.viewer(request)
    if viewer and not viewer.is_pending:
        raise web.HTTPSeeOther("/")
    if viewer.is_pending:
        return await render.page(request, "accounts/waiting.html", headers=_NO_STORE)
    return await _sign_up_form(request, {"next": auth.safe_next(request.query.get("next"))})


async def _sign_up_form(
    request: web.Request, form: Form, wrong: dict[str, str] | None = None, *, wait: int = 0
) -> web.Response:
    async with request.app[SITE].database.read() as tx:
        mode = await members.registration_mode(tx)
    return await _form_page(request, "accounts/sign_up.html", form, wrong, wait=wait, mode=mode)


def _wrong_at_once(form: Form) -> dict[str, str]:
    """What can be said about a new account without asking the database."""
    found = {
        "email": members.check_email(field(form, "email").strip()),
        "password": members.check_password(field(form, "password")),
    }
    return {name: reason for name, reason in found.items() if reason}


@routes.post("/sign-up")
async def sign_up(request: web.Request) -> web.Response:
    site = request.app[SITE]
    form = await auth.read_form(request)
    if auth.viewer(request):
        raise web.HTTPSeeOther("/sign-up")
    limit = Limit(f"sign-up:{auth.client_address(request)}", 5, 60)
    handle = field(form, "name").strip().lower().removeprefix("@")
    wrong: dict[str, str] = {}
    async with site.database.read() as tx:
        mode = await members.registration_mode(tx)
        if mode == "closed":
            raise Refused("registration-closed")
        wait = await auth.seconds_to_wait(tx, limit)
        reason = await members.check_handle(tx, handle)
    if reason:
        wrong["name"] = reason
    wrong |= _wrong_at_once(form)
    application = field(form, "application").strip()
    if mode == "approval" and not application:
        wrong["application"] = "application-missing"
    elif len(application) > 1000:
        wrong["application"] = "text-too-long"
    if wait or wrong:
        return await _sign_up_form(request, form, wrong, wait=wait)
    password_hash = await members.hash_password(field(form, "password"))
    key_pair = await keys.make(site.settings.secret())
    token = ""
    async with site.database.write() as tx:
        wait = await auth.take_turn(tx, limit)
        if not wait:
            try:
                account = await members.sign_up(
                    tx,
                    handle,
                    field(form, "email"),
                    password_hash,
                    key_pair,
                    name=field(form, "display_name"),
                    application=application,
                )
                token = await auth.start_session(tx, request, account)
            except members.Invalid as error:  # raised before anything was written: the try stays counted
                wrong = error.fields
    if not token:
        return await _sign_up_form(request, form, wrong, wait=wait)
    is_pending = account.state == "pending"
    return _signed_in(request, token, "/sign-up" if is_pending else auth.safe_next(field(form, "next")))


@routes.get("/sign-in")
async def sign_in_page(request: web.Request) -> web.Response:
    where = auth.safe_next(request.query.get("next"))
    if auth.viewer(request):
        raise web.HTTPSeeOther(where)
    return await _form_page(request, "accounts/sign_in.html", {"next": where})


@routes.post("/sign-in")
async def sign_in(request: web.Request) -> web.Response:
    """One sentence and one amount of work for a wrong password and for a name that does not exist."""
    database = request.app[SITE].database
    form = await auth.read_form(request)
    name, password = field(form, "name")[:300], field(form, "password")[:1000]
    limits = (
        auth.limit_by_name("sign-in", name, 10, 15),
        Limit(f"sign-in:{auth.client_address(request)}", 30, 15),
    )
    async with database.read() as tx:
        wait = await auth.seconds_to_wait(tx, *limits)
        known = await members.account_for_sign_in(tx, name)
    if wait:
        return await _form_page(request, "accounts/sign_in.html", form, wait=wait)
    is_right = await members.password_is_right(known.password_hash if known else None, password)
    token, is_suspended = "", False
    async with database.write() as tx:
        # Asked again, since a thousand guesses may have been sent at once: beyond the limit not even the right one
        # opens the door.
        wait = await auth.seconds_to_wait(tx, *limits)
        if not wait and known is not None and is_right:
            account = await tx.get_one(Account, known.actor_id)
            is_suspended = account.state == "suspended" or account.actor.state not in ("active", "pending")
            if account.password_hash == known.password_hash and not is_suspended:
                token = await auth.start_session(tx, request, account)
        elif not wait:
            await auth.count_try(tx, *limits)
    if is_suspended:
        raise Refused("you-are-suspended")
    if not token:
        wrong = {} if wait else {"name": "name-or-password-wrong"}
        return await _form_page(request, "accounts/sign_in.html", form, wrong, wait=wait)
    return _signed_in(request, token, auth.safe_next(field(form, "next")))


@routes.post("/sign-out")
async def sign_out(request: web.Request) -> web.Response:
    site, viewer = request.app[SITE], auth.viewer(request)
    if viewer.account is not None and viewer.session_id is not None:
        async with site.database.write() as tx:
            await members.end_session(tx, viewer.account, viewer.session_id)
    response = web.Response(status=303, headers={"Location": "/", **_NO_STORE})
    auth.forget(response, site.settings)
    return response


# --- settings


def _done(where: str) -> web.HTTPSeeOther:
    """Back to a settings page, which says that it was saved."""
    return web.HTTPSeeOther(f"{where}?saved=1")


@routes.get("/settings")
async def profile_page(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    form = {
        "name": actor.name,
        "biography": actor.summary_source,
        "profession": actor.profession,
        "organisation": actor.organisation,
        "city": actor.city,
    }
    return await _settings_form(request, "profile", form)


async def _settings_form(
    request: web.Request, which: str, form: Form, wrong: dict[str, str] | None = None, *, wait: int = 0
) -> web.Response:
    return await _form_page(
        request,
        f"accounts/{which}.html",
        form,
        wrong,
        wait=wait,
        which=which,
        is_saved="saved" in request.query,
        professions=members.PROFESSIONS,
        timezones=timezones(),
    )


@routes.post("/settings")
async def profile(request: web.Request) -> web.Response:
    viewer_account, _ = auth.require_viewer(request)
    form = await auth.read_form(request)
    try:
        async with request.app[SITE].database.write() as tx:
            account = await tx.get_one(Account, viewer_account.actor_id)
            await members.edit_profile(
                tx,
                account,
                name=field(form, "name"),
                biography=field(form, "biography"),
                profession=field(form, "profession"),
                organisation=field(form, "organisation"),
                city=field(form, "city"),
            )
    except members.Invalid as error:
        return await _settings_form(request, "profile", form, error.fields)
    raise _done("/settings")


@routes.get("/settings/password")
async def password_page(request: web.Request) -> web.Response:
    auth.require_viewer(request)
    return await _settings_form(request, "password", {})


@routes.post("/settings/password")
async def change_password(request: web.Request) -> web.Response:
    """The old password is asked for, so that a device left open is not an account lost. All other devices go."""
    viewer_account, _ = auth.require_viewer(request)
    database = request.app[SITE].database
    form = await auth.read_form(request)
    limit = Limit(f"password:{viewer_account.actor_id}", 10, 60)
    reason = members.check_password(field(form, "password"))
    async with database.read() as tx:
        wait = await auth.seconds_to_wait(tx, limit)
    if wait or reason:
        return await _settings_form(request, "password", form, {"password": reason} if reason else {}, wait=wait)
    is_right = await members.password_is_right(viewer_account.password_hash, field(form, "old_password")[:1000])
    new_hash = await members.hash_password(field(form, "password")) if is_right else ""
    token = ""
    async with database.write() as tx:
        wait = await auth.seconds_to_wait(tx, limit)
        account = await tx.get_one(Account, viewer_account.actor_id)
        # Changed meanwhile on another device: the session that asks has ended, and what it knew is old.
        is_right = is_right and account.password_hash == viewer_account.password_hash
        if not wait:
            await auth.count_try(tx, limit)
            if is_right:
                await members.change_password(tx, account, new_hash, keep_session=None)
                token = await auth.start_session(tx, request, account)
    if not token:
        wrong = {} if wait else {"old_password": "old-password-wrong"}
        return await _settings_form(request, "password", form, wrong, wait=wait)
    return _signed_in(request, token, "/settings/password?saved=1")


@routes.get("/settings/devices")
async def devices_page(request: web.Request) -> web.Response:
    account, _ = auth.require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        sessions = await members.sessions_of(tx, account)
    return await render.page(
        request,
        "accounts/devices.html",
        headers=_NO_STORE,
        which="devices",
        sessions=sessions,
        this_session=auth.viewer(request).session_id,
        is_saved="saved" in request.query,
    )


@routes.post("/settings/devices")
async def sign_out_devices(request: web.Request) -> web.Response:
    """``device`` is the number of one of one's own sessions, or ``others``."""
    account, _ = auth.require_viewer(request)
    site, here = request.app[SITE], auth.viewer(request).session_id
    device = field(await auth.read_form(request), "device")
    async with site.database.write() as tx:
        if device == "others":
            await members.end_sessions(tx, account, but=here)
        else:
            session = await tx.get(Session, auth.to_number(device))
            if session is not None:
                await members.end_session(tx, account, session.id)
    if device == str(here):
        response = web.Response(status=303, headers={"Location": "/"})
        auth.forget(response, site.settings)
        return response
    raise _done("/settings/devices")


@lru_cache(maxsize=1)
def timezones() -> list[str]:
    """The names that people know their time by: Europe/Lisbon, not EST5EDT."""
    regions = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    return ["UTC", *sorted(name for name in available_timezones() if name.split("/")[0] in regions and "/" in name)]


@routes.get("/settings/look")
async def look_page(request: web.Request) -> web.Response:
    account, _ = auth.require_viewer(request)
    form = {"look": account.look, "language": account.language, "timezone": account.timezone}
    return await _settings_form(request, "look", form)


@routes.post("/settings/look")
async def look(request: web.Request) -> web.Response:
    viewer_account, _ = auth.require_viewer(request)
    form = await auth.read_form(request)
    try:
        async with request.app[SITE].database.write() as tx:
            account = await tx.get_one(Account, viewer_account.actor_id)
            await members.choose_look(
                tx,
                account,
                look=field(form, "look"),
                language=field(form, "language"),
                timezone=field(form, "timezone"),
            )
    except members.Invalid as error:
        return await _settings_form(request, "look", form, error.fields)
    raise _done("/settings/look")


# --- the first admin


@routes.get("/welcome/{token}")
async def welcome_page(request: web.Request) -> web.Response:
    return await _welcome_form(request, {})


async def _welcome_form(request: web.Request, form: Form, wrong: dict[str, str] | None = None) -> web.Response:
    async with request.app[SITE].database.read() as tx:
        is_good = await members.admin_link_is_good(tx, request.match_info["token"])
    if not is_good:
        return await render.page(request, "accounts/link_is_used.html", status=404, headers=_NO_STORE)
    return await _form_page(request, "accounts/welcome.html", form, wrong, request_path=request.path)


@routes.post("/welcome/{token}")
async def welcome(request: web.Request) -> web.Response:
    """Use the link up: whoever is signed in takes the role, anybody else makes the admin's account with it."""
    site, viewer = request.app[SITE], auth.viewer(request)
    link = request.match_info["token"]
    form = await auth.read_form(request)
    async with site.database.read() as tx:
        is_good = await members.admin_link_is_good(tx, link)
    wrong = {} if viewer else _wrong_at_once(form)
    if wrong or not is_good:
        return await _welcome_form(request, form, wrong)
    if not viewer:
        password_hash = await members.hash_password(field(form, "password"))
        key_pair = await keys.make(site.settings.secret())
    try:
        async with site.database.write() as tx:
            if viewer.account is not None:
                account = await tx.get_one(Account, viewer.account.actor_id)
            else:
                account = await members.add_member(
                    tx,
                    field(form, "name").removeprefix("@"),
                    field(form, "email"),
                    password_hash,
                    key_pair,
                    name=field(form, "display_name"),
                )
            await members.become_admin(tx, account, link)
            token = await auth.start_session(tx, request, account)
    except members.Invalid as error:
        return await _welcome_form(request, form, error.fields)
    return _signed_in(request, token, "/staff")
