"""The page behind the link that contributors are sent: what they are cited with on agendas, and whether by name.

It needs no account: whoever was sent the link may use it, wherever they are at home. Opening it changes nothing, since
mail scanners and previews of links open everything.
"""

from __future__ import annotations

from aiohttp import web

from community import contributors, items
from community.db import Tx
from community.models import Actor
from community.policy import NotThere
from web import auth, render
from web.auth import Limit, field
from web.sentences import N_, sentence_of
from web.site_key import SITE

routes = web.RouteTableDef()

# The address is the key, see web/invitations.py: with the policy of all pages no other site hears of it.
_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
TOKEN = r"{token:[A-Za-z0-9_-]{20,100}}"  # noqa: S105
WRONG_TOKENS = 20  # by one address in ten minutes
CHANGES = 60  # by one person in ten minutes


def _too_often(wait: int) -> web.HTTPTooManyRequests:
    return web.HTTPTooManyRequests(text=sentence_of("too-many-tries"), headers={"Retry-After": str(wait)})


async def _whose(request: web.Request) -> Actor:
    """Whom the link belongs to; without one, who is signed in."""
    token = request.match_info.get("token")
    if token is None:
        return auth.require_viewer(request)[1]
    database = request.app[SITE].database
    async with database.read() as tx:
        found = await contributors.find(tx, token)
    if found is not None:
        return found.actor
    async with database.write() as tx:
        wait = await auth.take_turn(tx, Limit(f"citations:{auth.client_address(request)}", WRONG_TOKENS, 10))
    raise _too_often(wait) if wait else NotThere


async def _page(request: web.Request) -> web.Response:
    actor = await _whose(request)
    async with request.app[SITE].database.read() as tx:
        known = await contributors.known(tx, actor.id)
        found = await contributors.contributions(tx, actor.id)
    return await render.page(
        request,
        "agenda/citations.html",
        headers=_HEADERS,
        actor=actor,
        is_own="token" not in request.match_info,
        found=found,
        has_objected=known is not None and known.has_objected,
        is_silent=known is not None and known.opted_out_at is not None,
        item_path=items.path_of,
        address=request.path,
        here="agenda" if "token" in request.match_info else "",
        which="citations",
    )


@routes.get("/citations")
@routes.get(f"/citations/{TOKEN}")
async def citations(request: web.Request) -> web.Response:
    return await _page(request)


@routes.post("/citations")
@routes.post(f"/citations/{TOKEN}")
async def decide(request: web.Request) -> web.Response:
    """``action`` is anonymous or named, of one contribution (``post``) or of all; silent or told."""
    form = await auth.read_form(request)
    actor = await _whose(request)
    async with request.app[SITE].database.write() as tx:
        wait = await auth.take_turn(tx, Limit(f"citations-of:{actor.id}", CHANGES, 10))
    if wait:
        raise _too_often(wait)
    async with request.app[SITE].database.write() as tx:
        await _carry_out(tx, actor.id, field(form, "action"), field(form, "post"))
    raise web.HTTPSeeOther(request.path)


async def _carry_out(tx: Tx, actor_id: int, action: str, post: str) -> None:
    if action in ("anonymous", "named") and post:
        await contributors.set_named(tx, actor_id, auth.to_number(post), action == "named")
    elif action == "anonymous":
        await contributors.object_to_all(tx, actor_id)
    elif action == "named":
        await contributors.withdraw_objection(tx, actor_id)
    elif action == "silent":
        await contributors.opt_out(tx, actor_id)
    elif action == "told":
        await contributors.opt_in(tx, actor_id)
    else:
        raise web.HTTPBadRequest(text=N_("Choose one of the buttons on the page."))
