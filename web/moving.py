"""Moving: the settings page on which somebody brings followers here from another account, or leads theirs away."""

from __future__ import annotations

from aiohttp import web

from community import following, members
from community.models import Account, Actor
from community.policy import Refused
from federation.client import Budget, BudgetSpent, FetchError
from federation.dereference import fetch_actor, store_actor
from federation.lookup import NotFound, look_up_person
from federation.site import Site
from web import auth, render
from web.auth import Form, Limit, field
from web.site_key import SITE

routes = web.RouteTableDef()

ALIASES_MAX = 10
_ADDRESS = "/settings/moving"


async def _moving_page(
    request: web.Request, form: Form, wrong: dict[str, str] | None = None, *, wait: int = 0
) -> web.Response:
    account, _ = auth.require_viewer(request)
    wrong = wrong or {}
    async with request.app[SITE].database.read() as tx:
        actor = await tx.get_one(Actor, account.actor_id)
        known = {each.uri: each for each in await tx.preload(Actor, [*actor.also_known_as, actor.moved_to])}
    return await render.page(
        request,
        "accounts/moving.html",
        status=429 if wait else 422 if wrong else 200,
        headers={"Cache-Control": "no-store", **({"Retry-After": str(wait)} if wait else {})},
        which="moving",
        form={name: value for name, value in form.items() if name not in ("password", "csrf")},
        wrong=wrong,
        focus=auth.focus_on(wrong),
        minutes=-(-wait // 60),
        is_saved="saved" in request.query,
        aliases=[(uri, known.get(uri)) for uri in actor.also_known_as],
        moved_to=actor.moved_to,
        successor=known.get(actor.moved_to),
    )


@routes.get(_ADDRESS)
async def moving_page(request: web.Request) -> web.Response:
    return await _moving_page(request, {})


@routes.post(_ADDRESS)
async def moving(request: web.Request) -> web.Response:
    """``action`` is add or remove (an alias), move or stay."""
    account, _ = auth.require_viewer(request)
    form = await auth.read_form(request)
    action = field(form, "action")
    limit = Limit(f"moving:{account.actor_id}", 10, 60)
    async with request.app[SITE].database.write() as tx:
        wait = await auth.take_turn(tx, limit) if action in ("add", "move") else 0
    if wait:
        return await _moving_page(request, form, wait=wait)
    try:
        if action == "add":
            await _add_alias(request.app[SITE], account, field(form, "alias"))
        elif action == "remove":
            await _remove_alias(request.app[SITE], account, field(form, "alias"))
        elif action == "move":
            await _move(request.app[SITE], account, field(form, "target"), field(form, "password")[:1000])
        elif action == "stay":
            async with request.app[SITE].database.write() as tx:
                await following.stay(tx, await tx.get_one(Actor, account.actor_id))
    except members.Invalid as error:
        return await _moving_page(request, form, error.fields)
    raise web.HTTPSeeOther(f"{_ADDRESS}?saved=1")


async def _person(site: Site, typed: str, name: str) -> str:
    """The URI of somebody elsewhere, as named in the field ``name``. Raises Invalid."""
    try:
        actor = await look_up_person(site, typed)
    except NotFound as error:
        raise members.Invalid(**{name: error.reason}) from None
    if actor.is_local:
        raise members.Invalid(**{name: "not-a-person-elsewhere"})
    return actor.uri


async def _add_alias(site: Site, account: Account, typed: str) -> None:
    uri = await _person(site, typed, "alias")
    async with site.database.write() as tx:
        actor = await tx.get_one(Actor, account.actor_id)
        if len(actor.also_known_as) >= ALIASES_MAX:
            raise members.Invalid(alias="too-many-aliases")
        await following.set_aliases(tx, actor, list(dict.fromkeys([*actor.also_known_as, uri])))


async def _remove_alias(site: Site, account: Account, uri: str) -> None:
    async with site.database.write() as tx:
        actor = await tx.get_one(Actor, account.actor_id)
        await following.set_aliases(tx, actor, [each for each in actor.also_known_as if each != uri])


async def _move(site: Site, account: Account, typed: str, password: str) -> None:
    """The password is asked for, since this takes the followers along; the target is read anew, since it has to name
    this account by now."""
    if not await members.password_is_right(account.password_hash, password):
        reason = "old-password-wrong"
        raise members.Invalid(password=reason)
    uri = await _person(site, typed, "target")
    try:
        seen = await fetch_actor(site, uri, Budget(fetches=3, seconds=10))
    except (FetchError, BudgetSpent, Refused):
        raise members.Invalid(target="no-answer-from-there") from None
    try:
        async with site.database.write() as tx:
            target = await store_actor(tx, seen)
            await following.move(tx, await tx.get_one(Actor, account.actor_id), target)
    except Refused as refused:
        raise members.Invalid(target=refused.reason) from None
