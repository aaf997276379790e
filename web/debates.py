"""The list of all debates; and the form in the menu of a post that corrects which side it is on."""

from __future__ import annotations

from aiohttp import web

from community import debates, links, positions
from community.members import Invalid
from community.models import Actor
from community.policy import Refused
from web import debate_view, sides
from web.auth import field, read_form, require_viewer
from web.pages_read import ID, find_post, page_number
from web.render import page
from web.site_key import SITE

routes = web.RouteTableDef()


@routes.get("/debates")
async def all_debates(request: web.Request) -> web.Response:
    """What is to come, the soonest first, and what is over, the latest first; of here and of linked cities."""
    number = page_number(request)
    async with request.app[SITE].database.read() as tx:
        ahead = await debate_view.listed(tx, await debates.ahead(tx)) if number == 1 else []
        over = await debate_view.listed(tx, await debates.over(tx, page=number))
        cities = await links.cities(tx)
        now = tx.now
    return await page(
        request,
        "debates/list.html",
        here="debates",
        ahead=ahead,
        over=over,
        cities=cities,
        now=now,
        page_number=number,
        is_more=len(over) == debates.PAGE,
    )


@routes.post(f"/p/{ID}/position")
async def correct_position(request: web.Request) -> web.Response:
    """Say which side a post is on, from the menu of the post; leads back to the page with that menu."""
    _, actor = require_viewer(request)
    form = await read_form(request)
    async with request.app[SITE].database.write() as tx:
        post = await find_post(tx, request.match_info["id"])
        try:
            await positions.correct(tx, await tx.get_one(Actor, actor.id), post, field(form, "position"))
        except Invalid as error:
            raise Refused(error.fields["position"]) from error
    raise web.HTTPSeeOther(sides.place_of(request, post.topic, post.number))
