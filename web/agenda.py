"""The agenda of an event as everybody reads it: its items, what is behind each, what was left out and why, on paper and
for calendars. What members and staff do on it is in ``propose`` and ``curate``; as JSON it is in ``agenda_export``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from icalendar import Event
from markupsafe import Markup
from sqlalchemy import select

from community import agendas, board, groups, house, items, posts, sources
from community.agenda_models import Agenda, AgendaSession, Item
from community.db import Tx
from community.models import Actor, Membership
from community.policy import refusal, standing
from community.reactions import liked_by
from community.record import may_be_told
from web import agenda_view, calendars, ical
from web.agenda_forms import find, find_item
from web.agenda_view import HANDLE, NUMBER, Section
from web.auth import Viewer, viewer
from web.render import fragment, page
from web.site_key import SITE

routes = web.RouteTableDef()

COMMENTS = 3
DONE = ("proposed", "cited", "already", "taken-out")  # what a form can have led here from
PART = 50  # items that are read and printed in one go, where an agenda is shown whole


# --- Which agendas there are -----------------------------------------------------------------------------------------


@routes.get("/agenda")
async def agenda_list(request: web.Request) -> web.Response:
    """On to the agenda of the next event where there is only one ahead, else a list."""
    site, who = request.app[SITE], viewer(request)
    async with site.database.read() as tx:
        ahead, over = await agendas.ahead(tx), await agendas.over(tx)
        told = [(agenda, await agendas.progress(tx, agenda)) for agenda in ahead]
        make_refusal = refusal("curate", await standing(tx, who.actor), None)
    if len(ahead) == 1 and "all" not in request.query:
        raise web.HTTPFound(items.path_of(ahead[0]))
    return await page(
        request,
        "agenda/list.html",
        here="agenda",
        ahead=told,
        over=over,
        make_refusal=make_refusal,
        canonical=site.settings.origin + "/agenda",
    )


# --- One of them -----------------------------------------------------------------------------------------------------


@routes.get(f"/agenda/{HANDLE}")
async def agenda_page(request: web.Request) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    wanted = request.query.get("state", "")
    async with site.database.read() as tx:
        agenda = await find(tx, request)
        is_narrowed = wanted in sources.OPEN
        found = await board.listed(tx, agenda, states=[wanted] if is_narrowed else sources.OPEN)
        rows = await agenda_view.rows(tx, agenda, found)
        sessions = await agendas.sessions(tx, agenda) if not is_narrowed else []
        place = await standing(tx, who.actor, agenda.actor_id)
        membership = await tx.get(Membership, (who.actor.id, agenda.actor_id)) if who.actor else None
        context: dict[str, Any] = {
            "counts": await agendas.progress(tx, agenda),
            "followers": await groups.count_followers(tx, agenda.actor_id),
            "others": [each for each in await agendas.ahead(tx) if each.actor_id != agenda.actor_id],
            "over": [each for each in await agendas.over(tx) if each.actor_id != agenda.actor_id],
            "propose_refusal": await items.refusal_to_propose(tx, who.actor, agenda),
            "curate_refusal": refusal("curate", place, agenda),
            "join_refusal": refusal("follow", place, agenda.actor),
            "is_member": membership is not None and membership.state == "accepted",
            "is_over": agenda.is_over(tx.now),
        }
    return await page(
        request,
        "agenda/page.html",
        here="agenda",
        agenda=agenda,
        path=items.path_of(agenda),
        sections=agenda_view.sections(rows, sessions),
        state=wanted if is_narrowed else "",
        canonical=site.settings.origin + items.path_of(agenda),
        alternate=agenda.actor.uri,
        **context,
    )


@routes.get(f"/agenda/{HANDLE}/{NUMBER}")
async def item_page(request: web.Request) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    async with site.database.read() as tx:
        agenda = await find(tx, request)
        item = await find_item(tx, request, agenda)
        cited = (await sources.behind(tx, [item.id])).get(item.id, [])
        context: dict[str, Any] = {
            "support": (await board.support(tx, agenda, item=item)).get(item.id, board.NO_SUPPORT),
            "cited": cited,
            "told": await agenda_view.details(tx, cited),
            "cited_by": await _named(tx, [each.source.by_id for each in cited]),
            "via": await _items_by_id(tx, {each.source.via_id for each in cited} - {None}),
            "lineage": await board.lineage(tx, item),
            "history": await board.history(tx, item),
            "session": await tx.get(AgendaSession, item.session_id) if item.session_id is not None else None,
            "curate_refusal": refusal("curate", await standing(tx, who.actor, agenda.actor_id), agenda),
            **await _discussion(tx, agenda, item, who),
        }
    return await page(
        request,
        "agenda/item.html",
        here="agenda",
        agenda=agenda,
        item=item,
        path=items.path_of(agenda),
        is_removed=agenda_view.is_removed(item),
        done=request.query["done"] if request.query.get("done") in DONE else "",
        canonical=site.settings.origin + items.path_of(agenda, item),
        **context,
    )


async def _discussion(tx: Tx, agenda: Agenda, item: Item, who: Viewer) -> dict[str, Any]:
    """What was said of an item lately, and whether the viewer supports it; for ``like_refusal`` see the policy."""
    said = []
    if item.topic is not None and item.topic.last_number > 1:
        last = item.topic.last_number
        # Some of the latest may have been deleted since.
        latest = await posts.page_of(tx, item.topic.id, max(2, last - 4 * COMMENTS + 1), 4 * COMMENTS)
        said = [post for post in latest if may_be_told(post)][-COMMENTS:]
    is_liked, like_refusal = False, "not-there"
    if item.post is not None:
        place = await standing(tx, who.actor, agenda.actor_id)
        like_refusal = refusal("like", place, item.post) or ""
        is_liked = who.actor is not None and item.post.id in await liked_by(tx, who.actor.id, [item.post.id])
    return {"comments": said, "is_liked": is_liked, "like_refusal": like_refusal}


async def _named(tx: Tx, ids: Iterable[int]) -> dict[int, Actor]:
    query = select(Actor).where(Actor.id.in_(set(ids)))
    return {actor.id: actor for actor in (await tx.execute(query)).scalars()}


async def _items_by_id(tx: Tx, ids: Iterable[int | None]) -> dict[int, Item]:
    query = select(Item).where(Item.id.in_(set(ids)))
    return {item.id: item for item in (await tx.execute(query)).scalars()}


@routes.get(f"/agenda/{HANDLE}/declined")
async def declined(request: web.Request) -> web.Response:
    """Why not: every item that is not on the agenda any more."""
    site = request.app[SITE]
    async with site.database.read() as tx:
        agenda = await find(tx, request)
        left = await agenda_view.left_out(tx, agenda)
    path = items.path_of(agenda)
    return await page(
        request,
        "agenda/declined.html",
        here="agenda",
        agenda=agenda,
        path=path,
        left=left,
        canonical=f"{site.settings.origin}{path}/declined",
    )


@dataclass(frozen=True)
class _Printed:
    """A part of an agenda with its items as they are printed."""

    section: Section
    pieces: list[Markup]


@routes.get(f"/agenda/{HANDLE}/whole")
async def whole(request: web.Request) -> web.Response:
    """All items with all that is behind them on one page, for paper; made in pieces, so that nobody else waits for a
    long one."""
    site = request.app[SITE]
    async with site.database.read() as tx:
        agenda = await find(tx, request)
        rows = await agenda_view.rows(tx, agenda, await board.listed(tx, agenda))
        sessions = await agendas.sessions(tx, agenda)
        left = await agenda_view.left_out(tx, agenda)
        now = tx.now
    path = items.path_of(agenda)
    printed = []
    for section in agenda_view.sections(rows, sessions):
        pieces = []
        for start in range(0, len(section.rows), PART):
            some = section.rows[start : start + PART]
            async with site.database.read() as tx:
                behind = await sources.behind(tx, [row.item.id for row in some])
                told = await agenda_view.details(tx, [each for cited in behind.values() for each in cited])
            given = {"agenda": agenda, "path": path, "section": section, "rows": some, "behind": behind, "told": told}
            # What the templates made is clean already.
            pieces.append(Markup((await fragment(request, "agenda/whole_items.html", **given)).text))  # noqa: S704
        printed.append(_Printed(section, pieces))
    return await page(
        request,
        "agenda/whole.html",
        here="agenda",
        agenda=agenda,
        path=path,
        sections=printed,
        left=left,
        printed_at=now,
        canonical=f"{site.settings.origin}{path}/whole",
    )


# --- For calendars ---------------------------------------------------------------------------------------------------


@routes.get(f"/agenda/{HANDLE}/agenda.ics")
async def calendar(request: web.Request) -> web.Response:
    """The event as days, and an entry for each of its items that has an hour."""
    database = request.app[SITE].database
    _, settings = await house.shown(database)
    async with database.read() as tx:
        agenda = await find(tx, request)
        found = await board.listed(tx, agenda, states=["scheduled"])
        now = tx.now
    due: list[Event] = [ical.event_of_agenda(settings, agenda)]
    due += [ical.event_of_item(settings, agenda, entry.item) for entry in found]
    name, path = f"{agenda.name} · {settings.name}", f"{items.path_of(agenda)}/agenda.ics"
    return calendars.answer(request, ical.write(settings, name, path, due, now), "text/calendar", "agenda.ics")
