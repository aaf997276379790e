"""The questions of a debate: the queue that everybody reads and votes in, and the form to ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from community import debates, posts, questions
from community.db import Tx
from community.members import Invalid
from community.models import Actor, Post, Topic
from community.policy import NotThere, Refused
from federation.lookup import look_up_mentions
from web import debate_view
from web.auth import came_from, complaints, field, is_script, read_form, require_viewer, viewer
from web.pages_read import ID
from web.render import POST_LANGUAGES, fragment, page
from web.site_key import SITE

routes = web.RouteTableDef()


@dataclass(frozen=True)
class Typed:
    """The form to ask as it was filled in."""

    text: str = ""
    language: str = ""


async def _context(tx: Tx, request: web.Request) -> dict[str, Any]:
    debate, theme, who = await debate_view.find(tx, request.match_info["slug"], viewer(request))
    topic = await tx.get(Topic, debate.topic_id) if debate.topic_id is not None else None
    return {
        "head": await debate_view.head(tx, request.app[SITE], debate, theme, who, "questions"),
        "asked": await questions.queue(tx, debate, who.actor),
        "ask_refusal": (
            await questions.refusal_to_ask(tx, debate, who.actor, topic) if topic is not None else "not-in-a-debate"
        ),
        "stub": await debates.part_of(tx, debate, "stub", "question") if topic is not None else None,
        "here": "debates",
    }


@routes.get("/g/{slug}/questions")
async def queue(request: web.Request) -> web.Response:
    async with request.app[SITE].database.read() as tx:
        context = await _context(tx, request)
    if "list" in request.query:  # an address of its own, since answers are kept by address
        return await fragment(request, "debates/question_lists.html", **context)
    account = viewer(request).account
    language = account.language if account is not None else ""
    return await page(request, "debates/questions.html", typed=Typed(language=language), wrong={}, **context)


@routes.post("/g/{slug}/questions")
async def ask(request: web.Request) -> web.Response:
    """Ask, as an answer to the clerk's call wherever the debate is at home. What was typed comes back."""
    site = request.app[SITE]
    account, actor = require_viewer(request)
    form = await read_form(request)
    language = field(form, "language")
    typed = Typed(field(form, "text"), language if language in POST_LANGUAGES else account.language)
    try:
        await look_up_mentions(site, typed.text)
        async with site.database.write() as tx:
            post = await _ask(tx, request, actor, typed)
            held = await questions.of_post(tx, post.id)
    except (Invalid, Refused) as error:
        async with site.database.read() as tx:
            context = await _context(tx, request)
        return await page(
            request, "debates/questions.html", status=422, typed=typed, wrong=complaints(error, "text"), **context
        )
    raise web.HTTPSeeOther(f"{request.path}#q-{held.id if held is not None else post.id}")


async def _ask(tx: Tx, request: web.Request, actor: Actor, typed: Typed) -> Post:
    debate, _, _ = await debate_view.find(tx, request.match_info["slug"], viewer(request))
    if debate.topic_id is None:
        raise Refused("not-in-a-debate")
    topic = await tx.get_one(Topic, debate.topic_id)
    reason = await questions.refusal_to_ask(tx, debate, actor, topic)
    if reason is not None:
        raise Refused(reason)
    written = await posts.compose(tx, typed.text, language=typed.language)
    stub = await debates.part_of(tx, debate, "stub", "question")
    author = await tx.get_one(Actor, actor.id)
    return await posts.reply(tx, author, topic, replace(written, position="question"), reply_to=stub)


@routes.post(f"/g/{{slug}}/questions/{ID}/vote")
async def vote(request: web.Request) -> web.Response:
    site = request.app[SITE]
    _, actor = require_viewer(request)
    form = await read_form(request)
    # The whole queue is read for one of it: nobody has to wait with writing meanwhile.
    async with site.database.read() as tx:
        debate, theme, _ = await debate_view.find(tx, request.match_info["slug"], viewer(request))
        wanted = int(request.match_info["id"])
        asked = next((each for each in await questions.queue(tx, debate, actor) if each.id == wanted), None)
    if asked is None:
        raise NotThere
    async with site.database.write() as tx:
        await questions.vote(tx, await tx.get_one(Actor, actor.id), asked, field(form, "is_on") != "0")
    if is_script(request):
        return web.Response(status=204)
    raise web.HTTPSeeOther(f"{back_to(request, f'/g/{theme.slug}/questions')}#q-{wanted}")


def back_to(request: web.Request, otherwise: str) -> str:
    """The page that a form was sent from, if it is one of ours."""
    path, _ = came_from(request)
    return path if path and path != request.path else otherwise
