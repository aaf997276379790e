"""Arranging debates: setting them up, changing, moving and cancelling them, and asking people to host and to speak.

What is typed is read by ``debate_forms``; the community decides. The pages of series stand in ``series``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlalchemy import select

from community import clerk, debates, groups, keys, moderation, panels, policy
from community.db import Tx
from community.debate_models import Debate, Seat
from community.members import Invalid, set_vip
from community.members import find as find_actor
from community.models import Actor, LogEntry, Theme
from community.policy import NotThere, Refused, require, standing
from community.recurrence import moment, wall_clock
from web import auth, debate_forms, debate_view, render
from web.accounts import timezones
from web.auth import Form, complaints, field, to_number
from web.pages_read import find_theme
from web.sentences import N_
from web.site_key import SITE

routes = web.RouteTableDef()

_CLOCK = re.compile(r"\d\d:\d\d")


# --- all debates


@dataclass(frozen=True)
class Row:
    """A debate in the list of staff; ``wants`` names what somebody should see to."""

    debate: Debate
    seats: list[Seat]
    wants: list[str]


async def arranged(tx: Tx, actor: Actor) -> list[Theme]:
    """The themes whose debates somebody arranges. Raises Refused where there are none."""
    found, reason = [], policy.refusal("arrange", await standing(tx, actor))
    for theme in await groups.themes(tx):
        if policy.refusal("arrange", await standing(tx, actor, theme.actor_id), theme.actor) is None:
            found.append(theme)
    if not found and reason is not None:
        raise Refused(reason)
    return found


async def _rows(tx: Tx, found: list[Debate]) -> list[Row]:
    ids = [debate.actor_id for debate in found]
    held: dict[int, list[Seat]] = {id_: [] for id_ in ids}
    for seat in (await tx.execute(select(Seat).where(Seat.debate_id.in_(ids)))).scalars():
        held[seat.debate_id].append(seat)
    edited = select(LogEntry.group_id).where(LogEntry.action == "edit-debate", LogEntry.group_id.in_(ids))
    touched = set((await tx.execute(edited)).scalars())
    rows = []
    for debate in found:
        troubled = [seat for seat in held[debate.actor_id] if seat.state in ("invited", "accepted")
                    and debate.state in debates.OPEN and await panels.trouble(tx, seat) is not None]  # fmt: skip
        wants = _wants(debate, held[debate.actor_id], is_touched=debate.actor_id in touched)
        rows.append(Row(debate, held[debate.actor_id], [*wants, *(["trouble"] if troubled else [])]))
    return rows


def _wants(debate: Debate, held: list[Seat], *, is_touched: bool) -> list[str]:
    hosts = {seat.state for seat in held if seat.role == "host"}
    wants = []
    if debate.state in debates.OPEN:
        if debate.series_id is not None and not is_touched:
            wants.append("motion")
        if "accepted" not in hosts:
            wants.append("host-answer" if "invited" in hosts else "host")
        if not any(seat.role == "panel" and seat.state in ("invited", "accepted") for seat in held):
            wants.append("panel")
    if debate.state == "closed":
        wants.append("conclusion")
    if debate.state in ("closed", "concluded") and debate.digest_at is not None and debate.digest_state == "draft":
        wants.append("digest")
    return wants


@routes.get("/staff/debates")
async def all_debates(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        themes = await arranged(tx, actor)
        ids = [theme.actor_id for theme in themes]
        ahead, over = await debates.ahead(tx, theme_ids=ids), await debates.over(tx, theme_ids=ids)
        rows = [await _rows(tx, [debate for debate in found if debate.actor.is_local]) for found in (ahead, over)]
    return await render.page(request, "debates/staff.html", themes=themes, ahead=rows[0], over=rows[1])


# --- a new one


async def _find_theme(tx: Tx, slug: str, actor: Actor) -> Theme:
    """A theme of ours in which this person may set up debates."""
    theme = await find_theme(tx, slug)
    if theme.actor.host or theme.actor.kind != "group" or await debates.of_group(tx, theme.actor_id) is not None:
        raise NotThere
    require("arrange", await standing(tx, actor, theme.actor_id), theme.actor)
    return theme


async def _usual_zone(tx: Tx, theme: Theme, otherwise: str) -> str:
    """Where the last debate of a theme took place; else where whoever asks is."""
    query = select(Debate.zone).where(Debate.theme_id == theme.actor_id).order_by(Debate.opens_at.desc()).limit(1)
    return (await tx.execute(query)).scalar_one_or_none() or otherwise


async def _new_page(
    request: web.Request,
    theme: Theme,
    form: dict[str, Any],
    wrong: dict[str, str] | None = None,
    *,
    stranger: str = "",
) -> web.Response:
    """``stranger`` is the handle among the hosts that something is wrong with."""
    return await debate_forms.show_form(
        request, "debates/new.html", form, wrong, theme=theme, timezones=timezones(), stranger=stranger
    )


@routes.get("/g/{slug}/debates/new")
async def new_page(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    who = auth.viewer(request)
    async with request.app[SITE].database.read() as tx:
        theme = await _find_theme(tx, request.match_info["slug"], actor)
        zone = await _usual_zone(tx, theme, who.timezone)
    language = who.language if who.language in clerk.LANGUAGES else "en"
    form = {
        "time": "14:00", "zone": zone, "minutes": str(debate_forms.MINUTES), "call_days": str(debate_forms.CALL_DAYS),
        "digest_days": str(debate_forms.DIGEST_DAYS), "language": language, "languages": [],
    }  # fmt: skip
    return await _new_page(request, theme, form)


@routes.post("/g/{slug}/debates/new")
async def new(request: web.Request) -> web.Response:
    """Hosts elsewhere are looked up first, with no transaction open; then all of it happens, or nothing."""
    _, actor = auth.require_viewer(request)
    site = request.app[SITE]
    form = await auth.read_form(request)
    ticked = await debate_forms.ticked_languages(request)
    typed = form | {"languages": ticked}
    async with site.database.read() as tx:
        theme = await _find_theme(tx, request.match_info["slug"], actor)
        now = tx.now
    hosts = debate_forms.Hosts()
    try:
        read = debate_forms.read_plan(form, ticked, now)
        await debate_forms.find_hosts(request, actor, form, hosts)
        pair = await keys.make(site.settings.secret())
        async with site.database.write() as tx:
            theme = await _find_theme(tx, request.match_info["slug"], actor)
            debate = await debates.make(tx, actor, theme.actor, pair, read.plan)
            for host in hosts.people:
                hosts.stranger = render.handle(host, site.settings.host)
                try:
                    await panels.invite(tx, actor, debate, host, "host")
                except Refused as refused:
                    raise Invalid(hosts=refused.reason) from None
    except Invalid as error:
        wrong = debate_forms.by_field(error)
        return await _new_page(request, theme, typed, wrong, stranger=hosts.stranger if "hosts" in wrong else "")
    raise web.HTTPSeeOther(f"/g/{debate.actor.handle}/seats?made=1" + _and_skipped(read.skipped))


def _and_skipped(typed: str) -> str:
    return f"&skipped={typed}" if typed else ""


def _skipped(request: web.Request) -> str:
    """The time of day that the clocks skip, as the page before said it."""
    found = request.query.get("skipped", "")
    return found if _CLOCK.fullmatch(found) else ""


# --- changing one


async def _find(tx: Tx, request: web.Request, actor: Actor) -> Debate:
    """The debate of the address, which this person arranges."""
    debate, _, _ = await debate_view.find_ours(tx, request.match_info["slug"], auth.viewer(request))
    require("arrange", await debates.in_theme(tx, actor, debate), debate)
    return debate


async def _change_page(
    request: web.Request, part: str, form: dict[str, Any] | None, wrong: dict[str, str] | None = None
) -> web.Response:
    """The page for one kind of change: ``part`` is edit, move or cancel; ``form`` None is what stands now."""
    _, actor = auth.require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        debate = await _find(tx, request, actor)
        reason = debates.refusal_to_change(debate, tx.now)
    if part == "cancel" and reason == "debate-is-live":
        reason = None
    if form is None:
        wall = wall_clock(debate.opens_at, debate.zone)
        form = {
            "motion": debate.motion, "text": debate.text_source, "language": debate.language,
            "languages": debate.languages, "date": f"{wall:%Y-%m-%d}", "time": f"{wall:%H:%M}",
        }  # fmt: skip
    return await debate_forms.show_form(
        request,
        f"debates/{part}.html",
        form,
        wrong,
        debate=debate,
        part=part,
        reason=reason,
        is_done="done" in request.query,
        skipped=_skipped(request),
    )


@routes.get("/g/{slug}/edit")
async def edit_page(request: web.Request) -> web.Response:
    return await _change_page(request, "edit", None)


@routes.post("/g/{slug}/edit")
async def edit(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    form = await auth.read_form(request)
    ticked = await debate_forms.ticked_languages(request)
    try:
        languages = debate_forms.read_languages(form, ticked)
        async with request.app[SITE].database.write() as tx:
            debate = await _find(tx, request, actor)
            source = field(form, "text")
            await debates.edit(tx, actor, debate, motion=field(form, "motion"), source=source, languages=languages)
    except (Invalid, Refused) as error:
        return await _change_page(request, "edit", form | {"languages": ticked}, _complaints(error, "motion"))
    raise web.HTTPSeeOther(f"/g/{debate.actor.handle}/edit?done=1")


def _complaints(error: Invalid | Refused, name: str) -> dict[str, str]:
    if isinstance(error, Refused) and not error.reason.startswith("debate-"):
        raise error
    return debate_forms.by_field(error) if isinstance(error, Invalid) else complaints(error, name)


@routes.get("/g/{slug}/move")
async def move_page(request: web.Request) -> web.Response:
    return await _change_page(request, "move", None)


@routes.post("/g/{slug}/move")
async def move(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    form = await auth.read_form(request)
    reason = " ".join(field(form, "reason").split())
    try:
        async with request.app[SITE].database.write() as tx:
            debate = await _find(tx, request, actor)
            wall = debate_forms.read_wall(form, tx.now)
            if len(reason) > moderation.MAX_REASON:
                raise Invalid(reason="text-too-long")
            await debates.move(tx, actor, debate, moment(wall, debate.zone), reason=reason)
    except (Invalid, Refused) as error:
        return await _change_page(request, "move", dict(form), _complaints(error, "date"))
    typed = _and_skipped(debate_forms.skipped(wall, debate.zone))
    raise web.HTTPSeeOther(f"/g/{debate.actor.handle}/move?done=1{typed}")


@routes.get("/g/{slug}/cancel")
async def cancel_page(request: web.Request) -> web.Response:
    return await _change_page(request, "cancel", None)


@routes.post("/g/{slug}/cancel")
async def cancel(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    form = await auth.read_form(request)
    reason = " ".join(field(form, "reason").split())
    try:
        if len(reason) > moderation.MAX_REASON:
            raise Invalid(reason="text-too-long")
        async with request.app[SITE].database.write() as tx:
            debate = await _find(tx, request, actor)
            await debates.cancel(tx, actor, debate, reason=reason)
    except (Invalid, Refused) as error:
        return await _change_page(request, "cancel", dict(form), _complaints(error, "reason"))
    raise web.HTTPSeeOther(f"/g/{debate.actor.handle}")


# --- hosts and panel


async def _staffed(tx: Tx, request: web.Request, actor: Actor) -> tuple[Debate, list[str]]:
    """The debate of the address, and the roles that this person may ask people to. Raises Refused."""
    debate, _, who = await debate_view.find_ours(tx, request.match_info["slug"], auth.viewer(request))
    in_theme = await debates.in_theme(tx, actor, debate)
    refused = {role: panels.refusal_to_seat(role, in_theme, who, debate) for role in panels.ROLES}
    allowed = [role for role, reason in refused.items() if reason is None]
    if not allowed:
        raise Refused(refused["panel"] or "hosts-only")
    return debate, allowed


async def _seats_page(request: web.Request, form: Form, wrong: dict[str, str] | None = None) -> web.Response:
    _, actor = auth.require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        debate, allowed = await _staffed(tx, request, actor)
        found = await debates.seats(tx, debate.actor_id, only_taken=False)
        troubles = {seat.actor_id: await panels.trouble(tx, seat) for seat in found}
        reason = debates.refusal_when_over(debate, tx.now)
    return await debate_forms.show_form(
        request,
        "debates/seats.html",
        form,
        wrong,
        debate=debate,
        part="seats",
        seats=[(role, [seat for seat in found if seat.role == role]) for role in panels.ROLES],
        troubles=troubles,
        allowed=allowed,
        reason=reason,
        is_made="made" in request.query,
        skipped=_skipped(request),
    )


@routes.get("/g/{slug}/seats")
async def seats_page(request: web.Request) -> web.Response:
    return await _seats_page(request, {"role": "panel"})


@routes.post("/g/{slug}/seats")
async def change_seats(request: web.Request) -> web.Response:
    """``action`` is invite (with handle and role) or withdraw (with the number of whose seat it is)."""
    _, actor = auth.require_viewer(request)
    form = await auth.read_form(request)
    action = field(form, "action")
    database = request.app[SITE].database
    async with database.read() as tx:
        debate, _ = await _staffed(tx, request, actor)
    try:
        if action == "invite":
            if not field(form, "handle").strip():
                raise Invalid(handle="handle-unknown")
            asked = await debate_forms.find_person(request, actor, field(form, "handle"), "handle")
            async with database.write() as tx:
                await panels.invite(tx, actor, debate, asked, field(form, "role"))
        elif action == "withdraw":
            async with database.write() as tx:
                seat = await tx.get(Seat, (debate.actor_id, to_number(field(form, "person"))))
                if seat is None:
                    raise NotThere
                await panels.withdraw(tx, actor, debate, seat)
        else:
            raise web.HTTPBadRequest(text=N_("Somebody can be invited, or an invitation be withdrawn."))
    except (Invalid, Refused) as error:
        if isinstance(error, Refused) and error.reason in ("editors-only", "hosts-only"):
            raise
        return await _seats_page(request, form, complaints(error, "handle"))
    raise web.HTTPSeeOther(f"/g/{debate.actor.handle}/seats")


# --- the seal


@routes.post("/u/{handle}/seal")
async def seal(request: web.Request) -> web.Response:
    """``is_on`` is 1 to give somebody the seal, 0 to take it."""
    _, actor = auth.require_viewer(request)
    form = await auth.read_form(request)
    name, _, host = request.match_info["handle"].removeprefix("@").partition("@")
    async with request.app[SITE].database.write() as tx:
        person = await find_actor(tx, name, host)
        if person is None:
            raise NotThere
        await set_vip(tx, actor, person, field(form, "is_on") == "1")
    raise web.HTTPSeeOther(render.actor_path(person))
