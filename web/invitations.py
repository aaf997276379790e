"""The page behind an invitation's link: for whoever is asked to a debate, with an account here or without."""

from __future__ import annotations

from aiohttp import web

from community import groups, notifications, panels
from community.db import Tx
from community.debate_models import Debate, Seat
from community.models import Actor
from community.policy import NotThere, Refused
from web import auth, render
from web.auth import field
from web.sentences import N_
from web.site_key import SITE

routes = web.RouteTableDef()

# The address is the key. The policy for all pages, same-origin, keeps it from other sites already; none at all would
# have browsers send the form without saying where it comes from, and it would be refused.
_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
TOKEN = r"{token:[A-Za-z0-9_-]{20,100}}"  # noqa: S105


async def _find(tx: Tx, request: web.Request) -> tuple[Seat, Debate]:
    seat = await panels.by_token(tx, request.match_info["token"])
    if seat is None:
        raise NotThere
    return seat, await tx.get_one(Debate, seat.debate_id)


def _is_somebody_else(seat: Seat, who: auth.Viewer) -> bool:
    """Whether another member here is signed in than the one who is asked. People elsewhere may have an account here
    too: they answer by the link."""
    return who.actor is not None and seat.actor.is_local and who.actor.id != seat.actor_id


async def _page(request: web.Request, wrong: str = "") -> web.Response:
    who = auth.viewer(request)
    async with request.app[SITE].database.read() as tx:
        seat, debate = await _find(tx, request)
        reason = await panels.refusal_to_answer(tx, debate, seat)
        if reason is None and _is_somebody_else(seat, who):
            reason = "not-your-invitation"
        asker = await tx.get(Actor, seat.by_id) if seat.by_id is not None else None
        clerk = await groups.clerk(tx)
    if who.account is not None and who.account.actor_id == seat.actor_id and who.unread:
        async with request.app[SITE].database.write() as tx:
            await notifications.mark_read(tx, who.account.actor_id, path=request.path)
    return await render.page(
        request,
        "debates/invitation.html",
        status=422 if wrong else 200,
        headers=_HEADERS,
        seat=seat,
        debate=debate,
        asker=asker if asker is not None and asker.id != clerk.id else None,
        reason=reason,
        wrong=wrong if wrong != reason else "",
        here="debates",
    )


@routes.get(f"/seats/{TOKEN}")
async def invitation(request: web.Request) -> web.Response:
    return await _page(request)


@routes.post(f"/seats/{TOKEN}")
async def answer(request: web.Request) -> web.Response:
    """``answer`` is yes or no."""
    said = field(await auth.read_form(request), "answer")
    if said not in ("yes", "no"):
        raise web.HTTPBadRequest(text=N_("The answer is yes or no."))
    who = auth.viewer(request)
    try:
        async with request.app[SITE].database.write() as tx:
            seat, _ = await _find(tx, request)
            actor = await tx.get(Actor, who.actor.id) if who.actor is not None and seat.actor.is_local else None
            await panels.answer(tx, actor, seat, said == "yes")
    except Refused as refused:
        return await _page(request, refused.reason)
    raise web.HTTPSeeOther(request.path)
