"""Polls on pages: voting, results before one's own vote, and the fold of the composer in which one is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from community import polls
from community.db import Tx
from community.models import Actor, Post, Topic
from community.policy import NotThere, Refused
from federation.site import Site
from web import topic_view
from web.auth import Form, field, is_script, read_form, require_viewer, safe_next, to_number, viewer
from web.pages_read import ID, find_post
from web.render import fragment, page, topic_path
from web.site_key import SITE

routes = web.RouteTableDef()


@dataclass(frozen=True)
class Typed:
    """The fold of the composer as it was filled in."""

    options: str = ""
    is_multiple: bool = False
    days: str = "7"

    def paper(self, now: datetime) -> polls.Paper | None:
        """The poll that is wanted, None for an empty fold. Raises Invalid."""
        if not self.options.strip():
            return None
        return polls.draft(self.options, is_multiple=self.is_multiple, days=to_number(self.days), now=now)


def read(form: Form) -> Typed:
    return Typed(field(form, "poll_options")[:5000], field(form, "poll_multiple") == "1", field(form, "poll_days"))


async def _find(tx: Tx, request: web.Request) -> tuple[Post, Topic]:
    """The post of the address, where this viewer may see it."""
    post = await find_post(tx, request.match_info["id"])
    topic, _, _ = await topic_view.find(tx, post.topic_id, viewer(request))
    if post.hidden_reason and not viewer(request).is_staff:
        raise NotThere
    return post, topic


async def _page(request: web.Request, wrong: str = "") -> web.Response:
    site: Site = request.app[SITE]
    async with site.database.read() as tx:
        post, topic = await _find(tx, request)
        found = await polls.tally(tx, topic, [post], viewer(request).actor)
    if post.id not in found:
        raise NotThere
    return await page(
        request,
        "poll_page.html",
        status=422 if wrong else 200,
        post=post,
        topic=topic,
        tally=found[post.id],
        results_asked=not wrong,
        wrong=wrong,
        here="themes",
    )


@routes.get(f"/p/{ID}/poll")
async def results(request: web.Request) -> web.Response:
    """The counts, for those who want to see them before they vote."""
    return await _page(request)


@routes.post(f"/p/{ID}/vote")
async def vote(request: web.Request) -> web.Response:
    _, actor = require_viewer(request)
    form = await read_form(request)
    chosen = {value for name, value in form.items() if name.partition("-")[0] == "choice"}
    try:
        async with request.app[SITE].database.write() as tx:
            post, topic = await _find(tx, request)
            found = await polls.find(tx, post.id)
            options = found[1] if found is not None else []
            names = [option.name for option in options if str(option.id) in chosen]
            await polls.vote(tx, await tx.get_one(Actor, actor.id), post, names)
    except Refused as refused:
        if refused.reason in ("no-such-poll", "post-is-deleted"):
            raise
        return await _page(request, refused.reason)
    if is_script(request):
        async with request.app[SITE].database.read() as tx:
            voted = (await polls.tally(tx, topic, [post], actor))[post.id]
        return await fragment(request, "poll.html", post=post, tally=voted)
    where = safe_next(field(form, "next"))
    raise web.HTTPSeeOther(where if where != "/" else topic_path(topic, post.number))
