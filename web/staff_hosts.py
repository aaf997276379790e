"""What staff sees of other servers and of what could not be delivered, and what they decide about them."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from community import hosts, policy
from community.policy import NotThere
from federation.vocabulary import host_of
from web import auth, render
from web.auth import Form, field, require_may
from web.pages_read import page_number
from web.sentences import N_
from web.site_key import SITE

routes = web.RouteTableDef()

# What happened to a job that failed for good, in words.
KINDS = {
    "deliver": N_("Deliveries"),
    "receive": N_("Received activities"),
    "fan-out": N_("Fan-outs"),
    "fetch-actor": N_("Profiles to look at again"),
    "look-at-host": N_("Servers to get to know"),
    "look-at-city": N_("Linked cities to get to know"),
    "backfill-place": N_("Places to read"),
    "backfill-thread": N_("Threads to complete"),
    "erase-written": N_("Posts to erase"),
    "make-debate": N_("Debates of a series to set up"),
    "advance-debate": N_("Debates to carry on"),
}


def _query(request: web.Request, name: str) -> str:
    return request.query.get(name, "").replace("\x00", "")[:250]  # PostgreSQL compares no NUL


def _host(request: web.Request) -> str:
    """The server that the address names."""
    name = request.match_info["name"]
    if not name.isprintable():
        raise NotThere
    return name


# --- servers


@routes.get("/staff/hosts")
async def hosts_page(request: web.Request) -> web.Response:
    await require_may(request, "moderate")
    search, page = _query(request, "q"), page_number(request)
    async with request.app[SITE].database.read() as tx:
        rows = await hosts.listed(tx, search=search, page=page)
        counts = await hosts.counts(tx)
    return await render.page(
        request,
        "staff/hosts.html",
        rows=rows[: hosts.PAGE],
        is_more=len(rows) > hosts.PAGE,
        page_number=page,
        search=search,
        counts=counts,
        named=_name(search),
    )


def _name(typed: str) -> str:
    """The server that somebody means who types its name, an address on it or a handle; '' for none."""
    typed = typed.strip().lower().removeprefix("@").rpartition("@")[2]
    address = typed if "://" in typed else f"https://{typed}/"
    name = host_of(address) or ""
    return name if "." in name else ""


@routes.get("/staff/hosts/{name}")
async def host_page(request: web.Request) -> web.Response:
    await require_may(request, "moderate")
    return await _host_page(request)


async def _host_page(
    request: web.Request, form: Form | None = None, wrong: dict[str, str] | None = None
) -> web.Response:
    name = _host(request)
    async with request.app[SITE].database.read() as tx:
        seen = await hosts.one(tx, name)
        dead = (await hosts.dead_letters(tx, lane=name, limit=5))[:5]
        if seen is None and _name(name) != name:
            raise NotThere
        state = seen.host.state if seen is not None else await policy.state_of_host(tx, name)
        abouts = await hosts.abouts(tx, dead)
    return await render.page(
        request,
        "staff/host.html",
        status=422 if wrong else 200,
        name=name,
        seen=seen,
        state=state,
        dead=dead,
        abouts=abouts,
        form=form or {"state": state, "reason": seen.host.reason if seen is not None else ""},
        wrong=wrong or {},
        kinds=KINDS,
    )


@routes.post("/staff/hosts/{name}")
async def change_host(request: web.Request) -> web.Response:
    """``action`` is judge (with ``state`` and ``reason``) or try-again."""
    _, actor = auth.require_viewer(request)
    name = _host(request)
    form = await auth.read_form(request)
    async with request.app[SITE].database.write() as tx:
        policy.require("moderate", await policy.standing(tx, actor))
        if await hosts.one(tx, name) is None and _name(name) != name:
            raise NotThere
        is_judged = field(form, "action") != "try-again"
        wrong = _wrong(form) if is_judged else {}
        if not is_judged:
            await hosts.try_again(tx, actor, name)
        elif not wrong:
            await hosts.judge(tx, actor, name, field(form, "state"), field(form, "reason").strip())
    if wrong:
        return await _host_page(request, form, wrong)
    raise web.HTTPSeeOther(f"/staff/hosts/{quote(name)}")


def _wrong(form: Form) -> dict[str, str]:
    if field(form, "state") not in hosts.STATES:
        return {"state": "choose-one"}
    if field(form, "state") != "open" and not field(form, "reason").strip():
        return {"reason": "reason-missing"}
    return {}


# --- dead letters


@routes.get("/staff/jobs")
async def jobs_page(request: web.Request) -> web.Response:
    await require_may(request, "moderate")
    kind, lane, page = _query(request, "kind"), _query(request, "host"), page_number(request)
    async with request.app[SITE].database.read() as tx:
        rows = await hosts.dead_letters(tx, kind=kind, lane=lane, page=page)
        by_kind = await hosts.dead_by_kind(tx)
        abouts = await hosts.abouts(tx, rows)
    return await render.page(
        request,
        "staff/jobs.html",
        rows=rows[: hosts.PAGE],
        is_more=len(rows) > hosts.PAGE,
        page_number=page,
        kind=kind,
        lane=lane,
        by_kind=by_kind,
        abouts=abouts,
        kinds=KINDS,
    )


@routes.post("/staff/jobs")
async def change_jobs(request: web.Request) -> web.Response:
    """``action`` is retry or drop, of one ``job`` or of all of a ``host``."""
    _, actor = auth.require_viewer(request)
    form = await auth.read_form(request)
    job, lane, action = field(form, "job"), field(form, "host"), field(form, "action")
    ids = [auth.to_number(job)] if job else None
    if action not in ("retry", "drop") or (ids is None and not lane):
        raise web.HTTPBadRequest(text=N_("Say what is to be tried again or dropped."))
    do = hosts.revive if action == "retry" else hosts.drop
    async with request.app[SITE].database.write() as tx:
        await do(tx, actor, ids=ids, lane="" if ids else lane)
    raise web.HTTPSeeOther("/staff/jobs")
