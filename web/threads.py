"""How complete a thread from elsewhere is here, and the button that has the rest fetched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web
from sqlalchemy import func, select

from community.db import Tx
from community.models import Post, Topic
from community.policy import Refused, see, standing
from federation import backfill
from federation.site import Site
from web.auth import Limit, read_form, require_viewer, take_turn
from web.render import topic_path
from web.site_key import SITE

routes = web.RouteTableDef()


@dataclass(frozen=True)
class Completeness:
    """How many posts of a thread are ``here``, of how many that its home counts (None: it did not say), and when it
    was last asked (``is_fresh``: within a minute, ``is_recent``: a week). ``is_being_fetched``: it is about to be."""

    here: int
    there: int | None
    checked_at: datetime | None
    is_being_fetched: bool
    is_fresh: bool
    is_recent: bool


async def completeness(tx: Tx, topic: Topic, opener: Post | None) -> Completeness | None:
    """None for a thread that began here: all there is of it is here."""
    if opener is None or opener.uri.startswith(tx.settings.origin + "/"):
        return None
    here = (
        await tx.execute(select(func.count()).where(Post.topic_id == topic.id, Post.deleted_at.is_(None)))
    ).scalar_one()
    is_waiting = topic.checked_at is None or topic.checked_at < tx.now - backfill.ASKED_AGAIN
    is_due = await backfill.is_due(tx, topic, backfill.ASKED_AGAIN)
    there = max(here, topic.count_elsewhere) if topic.count_elsewhere is not None else None
    is_recent = topic.checked_at is not None and topic.checked_at > tx.now - timedelta(days=7)
    return Completeness(here, there, topic.checked_at, is_waiting and not is_due, not is_waiting, is_recent)


async def look_again(site: Site, topic: Topic, seen: Completeness | None) -> None:
    """Somebody reads a thread from elsewhere that was last looked for a while ago: have it looked for again."""
    if seen is None or seen.is_being_fetched:
        return
    async with site.database.read() as tx:
        is_due = await backfill.is_due(tx, topic, backfill.VIEWED_AGAIN)
    if is_due:
        async with site.database.write() as tx:
            await backfill.ask(tx, topic.id)


@routes.post(r"/t/{id:\d{1,15}}/fetch")
async def fetch(request: web.Request) -> web.Response:
    """Have the rest of a thread fetched, in the background: it appears on the open page."""
    account, actor = require_viewer(request)
    await read_form(request)
    limit = Limit(f"fetch-thread:{account.actor_id}", 20, 10)
    async with request.app[SITE].database.write() as tx:
        topic: Topic = await see(tx, await standing(tx, actor), Topic, int(request.match_info["id"]))
        if await take_turn(tx, limit):
            raise Refused("too-many-tries")
        if await backfill.is_due(tx, topic, backfill.ASKED_AGAIN):
            await backfill.ask(tx, topic.id)
    raise web.HTTPSeeOther(topic_path(topic))
