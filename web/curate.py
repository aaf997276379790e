"""What editors and staff decide: the events that have an agenda, their sessions, and what becomes of each item.

Every decision stands in the public log, with its reason. One that was made on what no longer stands is not made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlalchemy.orm import joinedload

from community import agendas, board, groups, items, keys, sources
from community.agenda_models import Agenda, AgendaSession, Item, Source
from community.clerk import LANGUAGES
from community.db import Tx
from community.members import Invalid
from community.models import Actor
from community.policy import NotThere, Refused
from web import agenda_forms, auth
from web.accounts import timezones
from web.agenda_forms import by_field, find_curated, find_item
from web.agenda_view import HANDLE, NUMBER
from web.auth import Form, complaints, field, focus_on, read_form, require_may, require_viewer, to_number
from web.render import language_name, page
from web.sentences import N_
from web.site_key import SITE
from web.staff import ACTIONS

routes = web.RouteTableDef()


# --- Events


async def _event_page(
    request: web.Request, template: str, form: Form, wrong: dict[str, str] | None = None, **context: Any
) -> web.Response:
    wrong = wrong or {}
    return await page(
        request,
        template,
        status=422 if wrong else 200,
        form=form,
        wrong=wrong,
        focus=focus_on(wrong),
        spoken=[(code, language_name(code)) for code in LANGUAGES],
        timezones=timezones(),
        here="agenda",
        **context,
    )


@routes.get("/staff/agendas")
async def all_agendas(request: web.Request) -> web.Response:
    await require_may(request, "curate")
    async with request.app[SITE].database.read() as tx:
        lists = [
            [(each, await agendas.progress(tx, each), len(await agendas.sessions(tx, each))) for each in found]
            for found in (await agendas.ahead(tx), await agendas.over(tx))
        ]
    return await page(request, "agenda/staff.html", ahead=lists[0], over=lists[1], here="agenda")


@routes.get("/staff/agendas/new")
async def new_page(request: web.Request) -> web.Response:
    await require_may(request, "curate")
    who = auth.viewer(request)
    language = who.language if who.language in LANGUAGES else "en"
    return await _event_page(request, "agenda/new.html", {"zone": who.timezone, "language": language})


@routes.post("/staff/agendas/new")
async def new(request: web.Request) -> web.Response:
    actor = await require_may(request, "curate")
    form = await read_form(request)
    site = request.app[SITE]
    try:
        plan = agenda_forms.read_plan(form, site.database.clock(), is_new=True)
        pair = await keys.make(site.settings.secret())
        async with site.database.write() as tx:
            agenda = await agendas.make(tx, actor, pair, plan, handle=field(form, "handle"))
    except Invalid as error:
        return await _event_page(request, "agenda/new.html", form, by_field(error))
    raise web.HTTPSeeOther(f"{items.path_of(agenda)}/sessions?made=1")


async def _edit_page(request: web.Request, form: Form | None, wrong: dict[str, str] | None = None) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        agenda = await find_curated(tx, request, actor)
        reached = await groups.count_follower_hosts(tx, agenda.actor_id)
    shown = agenda_forms.form_of(agenda) | (form or {})
    is_done = "done" in request.query
    return await _event_page(
        request, "agenda/edit.html", shown, wrong, agenda=agenda, part="edit", is_done=is_done, hosts_reached=reached
    )


@routes.get(f"/agenda/{HANDLE}/edit")
async def edit_page(request: web.Request) -> web.Response:
    return await _edit_page(request, None)


@routes.post(f"/agenda/{HANDLE}/edit")
async def edit(request: web.Request) -> web.Response:
    """``do`` is turn to take proposals or no more, else what is said of the event changes."""
    _, actor = require_viewer(request)
    form = await read_form(request)
    site = request.app[SITE]
    try:
        async with site.database.write() as tx:
            agenda = await find_curated(tx, request, actor)
            if field(form, "do") == "turn":
                await agendas.turn(tx, actor, agenda, field(form, "state"), reason=field(form, "reason"))
            else:
                await agendas.edit(tx, actor, agenda, agenda_forms.read_plan(form, tx.now, is_new=False))
    except Invalid as error:
        return await _edit_page(request, form, by_field(error))
    raise web.HTTPSeeOther(f"{items.path_of(agenda)}/edit?done=1")


# --- Sessions


async def _sessions_page(
    request: web.Request, form: dict[str, Any] | None = None, wrong: dict[str, str] | None = None
) -> web.Response:
    _, actor = require_viewer(request)
    chosen = to_number(request.query.get("edit", "") if form is None else str(form.get("session", "")))
    async with request.app[SITE].database.read() as tx:
        agenda = await find_curated(tx, request, actor)
        held = await agendas.sessions(tx, agenda)
        entries = await board.listed(tx, agenda, states=("scheduled",))
    one = next((session for session in held if session.id == chosen), None)
    if form is None:
        form = agenda_forms.hour_form(agenda, one.opens_at, one.closes_at) if one is not None else {}
        form |= {"name": one.name, "room": one.room} if one is not None else {"day": agenda.opens_on.isoformat()}
    wrong = wrong or {}
    return await page(
        request,
        "agenda/sessions.html",
        status=422 if wrong else 200,
        agenda=agenda,
        part="sessions",
        sessions=[(each, [entry.item for entry in entries if entry.item.session_id == each.id]) for each in held],
        one=one,
        form=form,
        wrong=wrong,
        focus=focus_on(wrong),
        days=agenda_forms.days_of(agenda),
        is_made="made" in request.query,
        is_done="done" in request.query,
        here="agenda",
    )


@routes.get(f"/agenda/{HANDLE}/sessions")
async def sessions_page(request: web.Request) -> web.Response:
    return await _sessions_page(request)


# Where ``agendas`` complains of a moment, the form has these fields.
_FIELDS = {"opens_at": "from", "closes_at": "until", "starts_at": "from", "ends_at": "until"}


@routes.post(f"/agenda/{HANDLE}/sessions")
async def change_sessions(request: web.Request) -> web.Response:
    """Add a session, change the one with the number ``session``, or with ``do`` drop remove it."""
    _, actor = require_viewer(request)
    form = await read_form(request)
    number = to_number(field(form, "session"))
    try:
        async with request.app[SITE].database.write() as tx:
            agenda = await find_curated(tx, request, actor)
            session = await agendas.find_session(tx, agenda, number) if number else None
            if number and session is None:
                raise NotThere
            if session is None:
                await agendas.add_session(tx, actor, agenda, agenda_forms.read_slot(form, agenda))
            elif field(form, "do") == "drop":
                await agendas.drop_session(tx, actor, agenda, session)
            else:
                await agendas.edit_session(tx, actor, agenda, session, agenda_forms.read_slot(form, agenda))
    except Invalid as error:
        return await _sessions_page(request, dict(form), by_field(error, lambda name: _FIELDS.get(name, name)))
    except Refused as refused:
        if refused.reason not in ("session-has-items", "too-many-sessions"):
            raise
        return await _sessions_page(request, dict(form), {"name": refused.reason})
    raise web.HTTPSeeOther(f"{items.path_of(agenda)}/sessions?done=1")


# --- One item


def mark_of(item: Item) -> str:
    """What stood when a page was opened: a decision on something else is not made."""
    decided = item.decided_at.isoformat() if item.decided_at is not None else ""
    return f"{item.state} {decided}"


@dataclass(frozen=True)
class Shown:
    """What the page of decisions opens with, and what was typed into it."""

    part: str = ""  # the decision whose form is open
    form: dict[str, Any] | None = None
    ticked: frozenset[int] = frozenset()
    wrong: dict[str, str] | None = None


PARTS = ("shortlist", "schedule", "decline", "merge", "split", "place", "edit", "reopen")
_POSSIBLE = {
    "proposed": ("shortlist", "schedule", "decline", "merge", "split", "place", "edit"),
    "shortlisted": ("schedule", "decline", "merge", "split", "place", "edit"),
    "scheduled": ("schedule", "shortlist", "decline", "merge", "split", "edit"),
    "declined": ("reopen",),
    "merged": ("reopen",),
}


async def _curate_page(request: web.Request, shown: Shown) -> web.Response:
    _, actor = require_viewer(request)
    wrong = shown.wrong or {}
    async with request.app[SITE].database.read() as tx:
        agenda = await find_curated(tx, request, actor)
        item = await find_item(tx, request, agenda)
        behind = (await sources.behind(tx, [item.id])).get(item.id, [])
        supports = await board.support(tx, agenda)
        sessions = await agendas.sessions(tx, agenda)
        lineage = await board.lineage(tx, item)
        history = await board.history(tx, item)
        reached = await groups.count_follower_hosts(tx, agenda.actor_id)
        others = [entry for entry in await board.listed(tx, agenda) if entry.item.id != item.id]
    possible = _POSSIBLE[item.state]
    form = _filled(agenda, item) | (shown.form or {})
    typed = str(form.get("q", "")).strip()
    found = agenda_forms.fitting(others, typed) if typed else agenda_forms.alike(others, item.title)
    return await page(
        request,
        "agenda/curate.html",
        status=422 if wrong else 200,
        agenda=agenda,
        item=item,
        mark=mark_of(item),
        possible=possible,
        part=shown.part if shown.part in possible else "" if wrong else possible[0],
        form=form,
        wrong=wrong,
        behind=behind,
        ticked=shown.ticked,
        support=supports.get(item.id, board.NO_SUPPORT),
        sessions=sessions,
        days=agenda_forms.days_of(agenda),
        others=found[:20],
        other_count=len(found),
        lineage=lineage,
        history=history,
        actions=ACTIONS,
        hosts_reached=reached,
        is_done="done" in request.query,
        here="agenda",
    )


def _filled(agenda: Agenda, item: Item) -> dict[str, Any]:
    hours = agenda_forms.hour_form(agenda, item.starts_at, item.ends_at)
    place = str(item.place) if item.place else ""
    return {
        "edit_title": item.title, "edit_summary": item.summary, "place": place, "room": item.room,
        "session": str(item.session_id or ""), **hours,
    }  # fmt: skip


@routes.get(f"/agenda/{HANDLE}/{NUMBER}/curate")
async def curate_page(request: web.Request) -> web.Response:
    return await _curate_page(request, Shown(request.query.get("part", "")))


@routes.post(f"/agenda/{HANDLE}/{NUMBER}/curate")
async def curate(request: web.Request) -> web.Response:
    """``do`` is one of PARTS; each has its reason in a field of its own, such as ``merge_reason``."""
    _, actor = require_viewer(request)
    form = await read_form(request)
    part = field(form, "do")
    ticked = frozenset(to_number(str(value)) for value in (await request.post()).getall("sources", []))
    if part == "find":
        return await _curate_page(request, Shown("merge", dict(form)))
    if part not in PARTS:
        raise web.HTTPBadRequest(text=N_("Choose one of the decisions on the page."))
    try:
        async with request.app[SITE].database.write() as tx:
            agenda = await find_curated(tx, request, actor)
            agenda = await tx.lock(Agenda, agenda.actor_id)
            item = await find_item(tx, request, agenda)
            if field(form, "seen") != mark_of(item):
                raise Refused("item-is-decided")
            made = await _decide(tx, actor, agenda, item, part, form, ticked)
    except (Invalid, Refused) as error:
        if isinstance(error, Refused) and error.reason in ("editors-only", "you-are-suspended", "sign-in-first"):
            raise
        wrong = by_field(error, lambda name: _name(part, name)) if isinstance(error, Invalid) else {}
        return await _curate_page(request, Shown(part, dict(form), ticked, wrong or complaints(error, f"do-{part}")))
    raise web.HTTPSeeOther(f"{items.path_of(agenda, made)}/curate?done=1")


def _name(part: str, name: str) -> str:
    """The field of the page that the community complains of."""
    if name in ("title", "summary", "reason"):
        return f"{part}_{name}"
    return _FIELDS.get(name, name)


async def _decide(tx: Tx, by: Actor, agenda: Agenda, item: Item, part: str, form: Form, ticked: frozenset[int]) -> Item:
    """Make one decision; answers the item that it leads to. Raises Invalid, Refused."""
    title, summary, reason = (field(form, f"{part}_{name}") for name in ("title", "summary", "reason"))
    match part:
        case "edit":
            await items.edit(tx, by, item, title, summary, reason=reason)
        case "shortlist":
            await items.shortlist(tx, by, item, reason=reason)
        case "schedule":
            session = await _session(tx, agenda, field(form, "session"))
            await items.schedule(tx, by, item, agenda_forms.read_hour(form, agenda, session), reason=reason)
        case "decline":
            await items.decline(tx, by, item, reason)
        case "reopen":
            await items.reopen(tx, by, item, reason=reason)
        case "merge":
            into = await agenda_forms.numbered(tx, agenda, field(form, "into"))
            if into is None:
                raise Invalid(q="merge-with-which-item")
            await items.merge(tx, by, item, into, reason=reason)
            return into
        case "split":
            return await items.split(tx, by, item, title, summary, ticked, reason=reason)
        case _:
            typed = field(form, "place").strip() or "0"
            if not typed.isascii() or not typed.isdigit() or len(typed) > 4:
                raise Invalid(place="place-unknown")
            await items.put(tx, by, item, int(typed))
    return item


async def _session(tx: Tx, agenda: Agenda, typed: str) -> AgendaSession | None:
    if not typed:
        return None
    found = await agendas.find_session(tx, agenda, to_number(typed))
    if found is None:
        raise Invalid(session="choose-one")
    return found


# --- Taking a source out


async def _find_source(tx: Tx, request: web.Request, actor: Actor) -> tuple[Agenda, Item, Source]:
    agenda = await find_curated(tx, request, actor)
    item = await find_item(tx, request, agenda)
    source = await tx.get(Source, int(request.match_info["id"]), options=[joinedload(Source.post)])
    if source is None or source.item_id != item.id:
        raise NotThere
    return agenda, item, source


async def _out_page(request: web.Request, reason: str, wrong: dict[str, str]) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        agenda, item, source = await _find_source(tx, request, actor)
        found = (await sources.behind(tx, [item.id])).get(item.id, [])
    citation = next(each for each in found if each.source.id == source.id)
    return await page(
        request, "agenda/out.html", status=422 if wrong else 200, agenda=agenda, item=item, citation=citation,
        reason=reason, wrong=wrong, here="agenda",
    )  # fmt: skip


@routes.get(f"/agenda/{HANDLE}/{NUMBER}/sources/{{id:\\d{{1,15}}}}/out")
async def out_page(request: web.Request) -> web.Response:
    return await _out_page(request, "", {})


@routes.post(f"/agenda/{HANDLE}/{NUMBER}/sources/{{id:\\d{{1,15}}}}/out")
async def take_out(request: web.Request) -> web.Response:
    _, actor = require_viewer(request)
    reason = field(await read_form(request), "reason")
    try:
        async with request.app[SITE].database.write() as tx:
            agenda, item, source = await _find_source(tx, request, actor)
            await sources.take_out(tx, actor, source, reason)
    except Invalid as error:
        return await _out_page(request, reason, dict(error.fields))
    raise web.HTTPSeeOther(f"{items.path_of(agenda, item)}?done=taken-out")
