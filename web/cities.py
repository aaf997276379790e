"""Linked cities: the page that lists them, where staff links themes, and what this house calls itself."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from aiohttp.web_request import FileField

from community import groups, house, links, members, policy
from community.db import Tx
from community.models import Actor, Link, Theme
from community.policy import NotThere, Refused
from community.settings import COLOUR, LANGUAGES
from federation.lookup import FoundFeed, NotFound, look_up
from federation.webfinger import parse_handle
from web import auth, colours, render
from web.auth import Form, Limit, field, take_turn, to_number
from web.sentences import N_
from web.site_key import SITE

routes = web.RouteTableDef()

_FOR_A_YEAR = "public, max-age=31536000, immutable"


@routes.get("/cities")
async def cities_page(request: web.Request) -> web.Response:
    site = request.app[SITE]
    async with site.database.read() as tx:
        neighbours = await links.neighbours(tx)
        themes = await groups.themes(tx)
    return await render.page(
        request,
        "cities.html",
        here="cities",
        neighbours=neighbours,
        themes=themes,
        root_of=site.client.root_of,
        canonical=site.settings.origin + "/cities",
    )


# --- links of themes


async def _kept_themes(tx: Tx, actor: Actor) -> list[Theme]:
    """The themes whose links somebody may decide about. Raises Refused where there are none."""
    kept = []
    reason: str | None = "moderators-only"
    for theme in await groups.themes(tx):
        refusal = policy.refusal("link", await policy.standing(tx, actor, theme.actor_id), theme.actor)
        if refusal is None:
            kept.append(theme)
        else:
            reason = refusal
    if not kept and policy.refusal("link", await policy.standing(tx, actor)) is not None:
        raise Refused(reason or "moderators-only")
    return kept


async def _links_page(request: web.Request, form: Form, wrong: dict[str, str] | None = None) -> web.Response:
    _, actor = auth.require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        kept = await _kept_themes(tx, actor)
        ids = {theme.actor_id for theme in kept}
        shown = [seen for seen in await links.listed(tx, states=(*links.ACTIVE, "declined", "ended"))
                 if seen.link.group_id in ids]  # fmt: skip
        said = await links.cities(tx)
    return await render.page(
        request,
        "staff/links.html",
        status=422 if wrong else 200,
        themes=kept,
        choices=[(theme.slug, theme.actor.name) for theme in kept],
        current=[seen for seen in shown if seen.link.state in links.ACTIVE],
        past=[seen for seen in shown if seen.link.state not in links.ACTIVE],
        cities=said,
        form=form,
        wrong=wrong or {},
    )


@routes.get("/staff/links")
async def links_page(request: web.Request) -> web.Response:
    return await _links_page(request, {"theme": request.query.get("theme", "")})


@routes.post("/staff/links")
async def change_link(request: web.Request) -> web.Response:
    """``action`` is propose (with theme and address), accept, decline, pause, resume or end (with group and other)."""
    _, actor = auth.require_viewer(request)
    form = await auth.read_form(request)
    action = field(form, "action")
    try:
        if action == "propose":
            await _propose(request, actor, form)
        else:
            async with request.app[SITE].database.write() as tx:
                await _decide(tx, actor, form, action)
    except members.Invalid as error:
        return await _links_page(request, form, error.fields)
    raise web.HTTPSeeOther("/staff/links")


async def _propose(request: web.Request, actor: Actor, form: Form) -> None:
    """Find out who is meant, with no transaction open, and ask them."""
    site = request.app[SITE]
    slug, typed = field(form, "theme"), field(form, "address").strip()
    limit = Limit(f"link:{actor.id}", 30, 10)
    async with site.database.write() as tx:
        if await groups.group_by_handle(tx, slug) not in [theme.actor for theme in await _kept_themes(tx, actor)]:
            raise members.Invalid(theme="theme-unknown")
        if await take_turn(tx, limit):
            raise members.Invalid(address="too-many-tries")
    handle = parse_handle(typed)
    try:
        # Where a person and a group share a handle (Lemmy) it is the group that is meant.
        uri = await look_up(site, f"!{handle[0]}@{handle[1]}" if handle is not None else typed)
    except FoundFeed:
        raise members.Invalid(address="link-no-group") from None
    except NotFound as error:
        raise members.Invalid(address=error.reason) from None
    async with site.database.write() as tx:
        group = await groups.group_by_handle(tx, slug)
        other = await tx.by_uri(Actor, uri)
        if group is None or other is None:
            raise members.Invalid(address="link-no-group")
        try:
            await links.propose(tx, actor, group, other, field(form, "reason"))
        except Refused as refused:
            raise members.Invalid(address=refused.reason) from None


async def _decide(tx: Tx, actor: Actor, form: Form, action: str) -> None:
    link = await _link(tx, form)
    reason = field(form, "reason")
    if action in ("accept", "decline"):
        await links.answer(tx, actor, link, is_welcome=action == "accept", reason=reason)
    elif action == "pause":
        await links.pause(tx, actor, link, reason=reason)
    elif action == "resume":
        await links.resume(tx, actor, link)
    elif action == "end":
        await links.end(tx, actor, link, reason=reason)
    else:
        raise web.HTTPBadRequest(text=N_("A link can be proposed, accepted, declined, paused, resumed or ended."))


async def _link(tx: Tx, form: Form) -> Link:
    link = await links.find(tx, to_number(field(form, "group")), to_number(field(form, "other")))
    if link is None:
        raise NotThere
    return link


# --- the house


async def _house_page(request: web.Request, form: dict[str, Any], wrong: dict[str, str] | None = None) -> web.Response:
    colour = form["colour"] if COLOUR.fullmatch(form["colour"]) else ""
    light, dark = colours.pair(colour) if colour else ("", "")
    return await render.page(
        request,
        "staff/house.html",
        status=422 if wrong else 200,
        form=form,
        wrong=wrong or {},
        pair=(light, dark),
        contrasts=_contrasts(light, dark) if colour else (0.0, 0.0),
        languages=[(code, render.language_name(code)) for code in LANGUAGES],
    )


def _contrasts(light: str, dark: str) -> tuple[float, float]:
    return (
        min(colours.contrast(light, paper) for paper in colours.LIGHT_PAPERS),
        min(colours.contrast(dark, paper) for paper in colours.DARK_PAPERS),
    )


@routes.get("/staff/house")
async def house_page(request: web.Request) -> web.Response:
    await auth.require_may(request, "administer")
    now = await house.of(request.app[SITE].database)
    return await _house_page(
        request,
        {"name": now.name, "about": now.about, "colour": now.colour, "language": now.language,
         "languages": now.languages},
    )  # fmt: skip


@routes.post("/staff/house")
async def change_house(request: web.Request) -> web.Response:
    """``remove_logo`` takes the logo away; ``preview`` only shows the colours; anything else saves all of it."""
    actor = await auth.require_may(request, "administer")
    database = request.app[SITE].database
    form = await auth.read_form(request)
    posted = await request.post()
    languages = tuple(str(code) for code in posted.getall("languages", []))
    typed = {name: field(form, name) for name in ("name", "about", "colour", "language")} | {"languages": languages}
    typed["colour"] = str(typed["colour"]).strip().lower()
    try:
        if "remove_logo" in form:
            async with database.write() as tx:
                await house.set_logo(tx, actor, None)
            raise web.HTTPSeeOther("/staff/house")
        if "preview" in form:
            wrong = {} if COLOUR.fullmatch(str(typed["colour"])) else {"colour": "colour-form"}
            return await _house_page(request, typed, wrong)
        uploaded = posted.get("logo")
        picture = None
        if isinstance(uploaded, FileField) and uploaded.filename:
            picture = await house.draw_logo(uploaded.file.read())
        async with database.write() as tx:
            await house.change(
                tx,
                actor,
                name=field(form, "name"),
                about=field(form, "about"),
                colour=field(form, "colour"),
                language=field(form, "language"),
                languages=languages,
            )
            if picture is not None:
                await house.set_logo(tx, actor, picture)
    except members.Invalid as error:
        return await _house_page(request, typed, error.fields)
    raise web.HTTPSeeOther("/staff/house")


@routes.get("/house/logo.png")
async def logo(request: web.Request) -> web.Response:
    """The city's logo; other servers show it as the picture of the instance."""
    database = request.app[SITE].database
    now = await house.of(database)
    async with database.read() as tx:
        content = await house.logo(tx)
    if content is None:
        raise web.HTTPNotFound
    etag = f'"{now.logo}"'
    is_versioned = request.query.get("v") == now.logo
    headers = {
        "ETag": etag,
        "Cache-Control": _FOR_A_YEAR if is_versioned else "public, max-age=300",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=content, content_type="image/png", headers=headers)
