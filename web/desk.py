"""The host's desk: one screen to run the hour of a debate from. Everything on it works as a plain form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from community import debates, questions
from community.db import Tx
from community.debate_models import Debate, Question
from community.members import Invalid
from community.models import Actor, Post
from community.policy import Refused, require
from web import debate_view
from web.auth import Form, complaints, field, is_script, read_form, require_viewer, to_number, viewer
from web.pages_read import ID
from web.render import fragment, page
from web.sentences import N_
from web.site_key import SITE

routes = web.RouteTableDef()

# Reasons to leave a question out that a host would otherwise type again and again; they are stored as they were shown.
PRESETS = (
    N_("It was asked already."),
    N_("It is about something else than the motion."),
    N_("It is a statement and not a question."),
    N_("It is addressed to somebody who is not on the panel."),
    N_("There is no time left for it."),
    N_("It attacks people instead of asking."),
)
ANSWERS_OFFERED = 40
# Each question offers every other one to be merged with: without a limit the page grows with the square of the queue.
TARGETS_OFFERED, LISTED = 40, 100


async def _answers(tx: Tx, debate: Debate) -> list[Post]:
    """What host and panel have written, the latest first: what a host may link as an answer."""
    people = list(await debates.roles(tx, debate.actor_id))
    query = (
        select(Post)
        .options(joinedload(Post.author))
        .where(Post.topic_id == debate.topic_id, Post.author_id.in_(people), Post.part == "", Post.deleted_at.is_(None))
        .order_by(Post.number.desc())
        .limit(ANSWERS_OFFERED)
    )
    return list((await tx.execute(query)).scalars())


async def _context(tx: Tx, request: web.Request) -> dict[str, Any]:
    debate, theme, who = await debate_view.find_ours(tx, request.match_info["slug"], viewer(request))
    require("host", who, debate)
    asked = await questions.queue(tx, debate, who.actor)
    return {
        "head": await debate_view.head(tx, request.app[SITE], debate, theme, who, "desk"),
        "asked": asked,
        "targets": [each for each in asked if each.state in ("asked", "accepted", "answered")][:TARGETS_OFFERED],
        "listed": LISTED,
        "answers": await _answers(tx, debate),
        "presets": PRESETS,
        "is_shut": debate.state in ("concluded", "cancelled"),
        "here": "debates",
    }


async def _page(
    request: web.Request, *, wrong: dict[str, str] | None = None, about: int = 0, typed: Form | None = None
) -> web.Response:
    async with request.app[SITE].database.read() as tx:
        context = await _context(tx, request)
    context |= {"wrong": wrong or {}, "about": about, "typed": typed or {}}
    if "list" in request.query:
        return await fragment(request, "debates/desk_lists.html", **context)
    return await page(
        request,
        "debates/desk.html",
        status=422 if wrong else 200,
        headers={"Cache-Control": "no-store"},
        **context,
    )


@routes.get("/g/{slug}/desk")
async def desk(request: web.Request) -> web.Response:
    require_viewer(request)
    return await _page(request)


# --- What the buttons do ----------------------------------------------------------------------------------------------


async def _accept(tx: Tx, by: Actor, debate: Debate, question: Question, form: Form) -> None:
    await questions.accept(tx, by, question)


async def _merge(tx: Tx, by: Actor, debate: Debate, question: Question, form: Form) -> None:
    into = await questions.find(tx, debate, to_number(field(form, "into")))
    if into is None:
        raise Refused("merge-with-what")
    await questions.merge(tx, by, question, into)


async def _decline(tx: Tx, by: Actor, debate: Debate, question: Question, form: Form) -> None:
    await questions.decline(tx, by, question, field(form, "reason").strip() or field(form, "preset"))


async def _reopen(tx: Tx, by: Actor, debate: Debate, question: Question, form: Form) -> None:
    await questions.reopen(tx, by, question)


async def _order(tx: Tx, by: Actor, debate: Debate, question: Question, form: Form) -> None:
    place = field(form, "place")
    if not place.isascii() or not place.isdigit() or len(place) > 4:
        raise Invalid(place="place-unknown")
    await questions.put(tx, by, question, int(place))


async def _answer(tx: Tx, by: Actor, debate: Debate, question: Question, form: Form) -> None:
    wanted = to_number(field(form, "answer"))
    post = await tx.get(Post, wanted) if wanted else None
    if wanted and post is None:
        raise Refused("answer-is-elsewhere")
    await questions.link_answer(tx, by, question, post)


_DEEDS: dict[str, Callable[[Tx, Actor, Debate, Question, Form], Awaitable[None]]] = {
    "accept": _accept,
    "merge": _merge,
    "decline": _decline,
    "reopen": _reopen,
    "order": _order,
    "answer": _answer,
}


@routes.post(f"/g/{{slug}}/desk/{ID}/{{deed:{'|'.join(_DEEDS)}}}")
async def deal_with(request: web.Request) -> web.Response:
    """Deal with one question; what cannot be done is said at it, with what was typed."""
    _, actor = require_viewer(request)
    form = await read_form(request)
    wanted = int(request.match_info["id"])
    try:
        async with request.app[SITE].database.write() as tx:
            debate, theme, who = await debate_view.find_ours(tx, request.match_info["slug"], viewer(request))
            require("host", who, debate)
            question = await questions.find(tx, debate, wanted)
            if question is None:
                raise Invalid(question="question-is-gone")
            by = await tx.get_one(Actor, actor.id)
            await _DEEDS[request.match_info["deed"]](tx, by, debate, question, form)
    except (Invalid, Refused) as error:
        if isinstance(error, Refused) and error.reason in ("hosts-only", "you-are-suspended", "sign-in-first"):
            raise
        return await _page(request, wrong=complaints(error, "question"), about=wanted, typed=form)
    if is_script(request):
        return web.Response(status=204)
    raise web.HTTPSeeOther(f"/g/{theme.slug}/desk#q-{wanted}")
