"""Calendars and feeds of debates, for those who want to hear of them outside of these pages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from email.utils import format_datetime

from aiohttp import web
from icalendar import Event
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import joinedload

from community import agendas, debates, groups, hosts, house, items, series
from community.db import Tx
from community.debate_models import Debate, Series
from community.models import Actor, Post, Topic
from community.policy import NotThere
from community.settings import Settings
from community.text import printable
from web import ical, render
from web.pages_read import find_theme
from web.sentences import N_
from web.site_key import SITE

routes = web.RouteTableDef()

# What a calendar goes back to; what is older is left out of its series as well.
DEBATES_MAX = 300
MILESTONES_MAX = 50
# The parts of the clerk's posts that are news, and what feeds call them.
MILESTONES = {
    "motion": N_("Announced: %(motion)s"),
    "moved": N_("New date: %(motion)s"),
    "live": N_("Live: %(motion)s"),
    "closed": N_("The result: %(motion)s"),
    "conclusion": N_("Concluded: %(motion)s"),
    "cancelled": N_("Cancelled: %(motion)s"),
    "digest": N_("Digest: %(motion)s"),
}


def answer(request: web.Request, body: bytes, kind: str, name: str) -> web.Response:
    """A document that programs ask for again and again: unchanged, it is not sent twice."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "public, max-age=300",
        "Content-Disposition": f'inline; filename="{name}"',
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
    }
    given = [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]
    if etag in given or "*" in given:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


# --- iCalendar


async def _events(tx: Tx, settings: Settings, found: list[Series], theme_ids: list[int] | None) -> list[Event]:
    """The events of some series, and of the debates of some themes (all where None) that belong to none of them."""
    query = select(Debate).where(Debate.actor_id.not_in(hosts.kept_out_of_lists()))
    if theme_ids is not None:
        query = query.where(Debate.theme_id.in_(theme_ids))
    held = list((await tx.execute(query.order_by(Debate.opens_at.desc()).limit(DEBATES_MAX))).scalars())
    ids = {one.id for one in found}
    events = []
    for one in found:
        events += ical.events_of_series(settings, one, [each for each in held if each.series_id == one.id], tx.now)
    return events + [ical.event_of(settings, each) for each in held if each.series_id not in ids]


@routes.get("/debates.ics")
async def all_debates(request: web.Request) -> web.Response:
    """Every debate here and of linked cities."""
    database = request.app[SITE].database
    _, settings = await house.shown(database)
    async with database.read() as tx:
        events = await _events(tx, settings, await series.listed(tx), None)
        body = ical.write(settings, settings.name, "/debates.ics", events, tx.now)
    return answer(request, body, "text/calendar", "debates.ics")


@routes.get("/g/{slug}/debates.ics")
async def debates_of_theme(request: web.Request) -> web.Response:
    database = request.app[SITE].database
    _, settings = await house.shown(database)
    async with database.read() as tx:
        theme = await find_theme(tx, request.match_info["slug"])
        ids = [theme.actor_id]
        events = await _events(tx, settings, await series.listed(tx, theme_ids=ids), ids)
        name = f"{render.called(theme.actor)} · {settings.name}"
        body = ical.write(settings, name, f"/g/{theme.slug}/debates.ics", events, tx.now)
    return answer(request, body, "text/calendar", "debates.ics")


@routes.get(r"/series/{id:\d{1,15}}.ics")
async def series_calendar(request: web.Request) -> web.Response:
    database = request.app[SITE].database
    _, settings = await house.shown(database)
    async with database.read() as tx:
        one = await series.find(tx, int(request.match_info["id"]))
        if one is None:
            raise NotThere
        made = (await series.made(tx, one.id)).values()
        latest = sorted(made, key=lambda each: each.opens_at)[-DEBATES_MAX:]
        events = ical.events_of_series(settings, one, latest, tx.now)
        body = ical.write(settings, f"{one.name} · {settings.name}", f"/series/{one.id}.ics", events, tx.now)
    return answer(request, body, "text/calendar", f"series-{one.id}.ics")


@routes.get("/g/{slug}/debate.ics")
async def one_debate(request: web.Request) -> web.Response:
    """One debate, to be put into a calendar once."""
    database = request.app[SITE].database
    _, settings = await house.shown(database)
    async with database.read() as tx:
        theme = await find_theme(tx, request.match_info["slug"])
        debate = await debates.of_group(tx, theme.actor_id)
        if debate is None:
            raise NotThere
        events = [ical.event_of(settings, debate)]
        body = ical.write(settings, debate.motion, f"/g/{theme.slug}/debate.ics", events, tx.now)
    return answer(request, body, "text/calendar", "debate.ics")


# --- RSS


@dataclass(frozen=True)
class Milestone:
    """One item of the feed. ``sentence`` is to be translated and filled with the motion."""

    sentence: str
    debate: Debate
    post: Post
    date: str


async def milestones(tx: Tx) -> list[Milestone]:
    """What the clerk announced of the debates here, the newest first."""
    is_news = or_(
        and_(Post.topic_id == Debate.topic_id, Post.part.in_([part for part in MILESTONES if part != "digest"])),
        Post.id == Debate.digest_post_id,
    )
    query = (
        select(Debate, Post)
        .join(Post, is_news)
        .join(Actor, Actor.id == Debate.actor_id)
        .where(Actor.host == "", Post.deleted_at.is_(None), Post.hidden_reason == "")
        .options(joinedload(Post.topic).joinedload(Topic.group))
        .order_by(Post.id.desc())
        .limit(MILESTONES_MAX)
    )
    return [
        Milestone(
            MILESTONES["digest" if post.id == debate.digest_post_id else post.part],
            debate,
            post,
            format_datetime(post.created_at, usegmt=True),
        )
        for debate, post in (await tx.execute(query)).unique()
    ]


@routes.get("/debates.rss")
async def feed(request: web.Request) -> web.Response:
    async with request.app[SITE].database.read() as tx:
        news = await milestones(tx)
    written = await render.page(request, "series/feed.xml", news=news)
    response = answer(request, printable(written.text or "").encode(), "application/rss+xml", "debates.rss")
    response.headers["Vary"] = "Accept, Accept-Language, Cookie"
    return response


# --- the page that lists them


@dataclass(frozen=True)
class Feed:
    """A calendar to subscribe to; ``name`` is the series' or theme's own."""

    name: str
    path: str


@routes.get("/debates/calendars")
async def calendars_page(request: web.Request) -> web.Response:
    site = request.app[SITE]
    async with site.database.read() as tx:
        found = [one for one in await series.listed(tx) if one.ended_at is None]
        with_debates = set((await tx.execute(select(Debate.theme_id).distinct())).scalars())
        wanted = with_debates | {one.theme_id for one in found}
        themes = [theme for theme in await groups.themes(tx) if theme.actor_id in wanted]
        events = await agendas.ahead(tx)
    origin = site.settings.origin
    return await render.page(
        request,
        "series/calendars.html",
        here="debates",
        is_private=False,
        series_feeds=[Feed(one.name, f"/series/{one.id}.ics") for one in found],
        theme_feeds=[Feed(render.called(theme.actor), f"/g/{theme.slug}/debates.ics") for theme in themes],
        agendas=[Feed(agenda.name, f"{items.path_of(agenda)}/agenda.ics") for agenda in events],
        origin=origin,
        webcal="webcal:" + origin.partition(":")[2],
        canonical=origin + "/debates/calendars",
    )
