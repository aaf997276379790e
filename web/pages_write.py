"""What people write and decide: topics, replies, edits, likes, memberships, drafts, and what moderators do.

Each handler is one write transaction around one function of the community. What was typed always comes back.
"""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from community import drafts, groups, moderation, notifications, positions, posts, reactions, text, topics
from community.members import Invalid
from community.models import Account, Actor, Post, Topic
from community.policy import NotThere, Refused, refusal, require, see, standing
from federation.lookup import look_up_mentions
from federation.site import Site
from web import polls, sides, topic_view
from web.auth import Form, came_from, complaints, field, is_script, read_form, require_viewer, to_number, viewer
from web.pages_read import ID, find_post, find_theme
from web.render import POST_LANGUAGES, actor_path, fragment, page, topic_path
from web.sentences import N_
from web.site_key import SITE
from web.topic_view import Composer

routes = web.RouteTableDef()

ACTIONS = ("pin", "unpin", "close", "open", "move", "title")


async def _asked(request: web.Request) -> tuple[Site, Account, Actor, Form]:
    account, actor = require_viewer(request)
    return request.app[SITE], account, actor, await read_form(request)


def _language(form: Form, account: Account) -> str:
    """The language a post is marked with: what was chosen, if it is one."""
    chosen = field(form, "language")
    return chosen if chosen in POST_LANGUAGES else account.language


# --- new topics and replies


async def _new_topic_page(
    request: web.Request,
    composer: Composer,
    poll: polls.Typed | None = None,
    *,
    status: int = 200,
    wrong: dict[str, str] | None = None,
) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    async with site.database.read() as tx:
        theme = await find_theme(tx, request.match_info["slug"])
        place = await standing(tx, who.actor, theme.actor_id)
        reached = await groups.count_follower_hosts(tx, theme.actor_id)
    return await page(
        request,
        "new_topic.html",
        status=status,
        theme=theme,
        group=theme.actor,
        composer=composer,
        poll=poll or polls.Typed(),
        wrong=wrong or {},
        open_refusal=refusal("open-topic", place, theme.actor),
        hosts_reached=reached,
        here="themes",
    )


@routes.get("/g/{slug}/new")
async def new_topic(request: web.Request) -> web.Response:
    account, _ = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        theme = await find_theme(tx, request.match_info["slug"])
        draft = await drafts.find(tx, account.actor_id, f"theme:{theme.slug}")
    composer = Composer(language=account.language, source=request.query.get("content", "")[: text.MAX_SOURCE])
    if draft is not None:
        composer = replace(composer, source=draft.source, title=draft.title, is_restored=True)
    return await _new_topic_page(request, composer)


@routes.post("/g/{slug}/new")
async def open_topic(request: web.Request) -> web.Response:
    site, account, actor, form = await _asked(request)
    title, source, language = field(form, "title"), field(form, "text"), _language(form, account)
    poll = polls.read(form)
    try:
        title = topics.check_title(title)
        await look_up_mentions(site, source)
        async with site.database.write() as tx:
            theme = await find_theme(tx, request.match_info["slug"])
            written = await posts.compose(tx, source, title=title, language=language, pictures_of=actor)
            written = replace(written, poll=poll.paper(tx.now))
            author = await tx.get_one(Actor, actor.id)
            post = await topics.open(tx, author, theme.actor, written)
            await drafts.drop(tx, account.actor_id, f"theme:{theme.slug}")
            await notifications.remember_reading(tx, account.actor_id, post.topic_id, post.number)
    except (Invalid, Refused) as error:
        wrong = complaints(error, "text")
        if "title" in wrong and not source.strip():
            wrong["text"] = "text-missing"
        composer = Composer(source=source, title=title, language=language)
        return await _new_topic_page(request, composer, poll, status=422, wrong=wrong)
    raise web.HTTPSeeOther(topic_path(post.topic))


@routes.post(f"/t/{ID}/reply")
async def reply(request: web.Request) -> web.Response:
    site, account, actor, form = await _asked(request)
    topic_id, source, language = int(request.match_info["id"]), field(form, "text"), _language(form, account)
    reply_to, position = to_number(field(form, "reply_to")), field(form, "position")
    try:
        await look_up_mentions(site, source)
        async with site.database.write() as tx:
            topic, _, _ = await topic_view.find(tx, topic_id, viewer(request))
            author = await tx.get_one(Actor, actor.id)
            parent = await topic_view.answered(tx, topic, reply_to)
            written = await posts.compose(tx, source, language=language, pictures_of=actor)
            parent, written = await positions.place(tx, topic, written, parent, position)
            post = await posts.reply(tx, author, topic, written, reply_to=parent)
            await drafts.drop(tx, account.actor_id, f"topic:{topic.id}")
            await notifications.remember_reading(tx, account.actor_id, topic.id, post.number)
    except (Invalid, Refused) as error:
        async with site.database.read() as tx:
            topic, _, _ = await topic_view.find(tx, topic_id, viewer(request))
            parent = await topic_view.answered(tx, topic, reply_to)
            composer = Composer(
                source=source,
                language=language,
                reply_to=parent,
                wrong=complaints(error, "text"),
                position=position,
            )
            context = await topic_view.frame(tx, site, viewer(request), topic_id, topic.last_number, composer, reply_to)
        return await page(request, "topic.html", status=422, asked_for=0, **context)
    if is_script(request):
        return web.Response(status=201, headers={"Location": topic_path(topic, post.number)})
    if post.position in positions.SIDES and parent is not None and parent.part == "stub":
        raise web.HTTPSeeOther(sides.place_of(request, topic, post.number, is_new_argument=True))
    raise web.HTTPSeeOther(topic_path(topic, post.number))


# --- one post


async def _edit_page(
    request: web.Request, post: Post, *, title: str, source: str, wrong: dict[str, str], status: int
) -> web.Response:
    return await page(
        request,
        "edit.html",
        status=status,
        post=post,
        topic=post.topic,
        title=title,
        source=source,
        wrong=wrong,
        here="themes",
    )


@routes.get(f"/p/{ID}/edit")
async def edit_form(request: web.Request) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        post = await find_post(tx, request.match_info["id"])
        require("edit", await standing(tx, actor, post.topic.group_id), post)
    return await _edit_page(request, post, title=post.topic.title, source=post.source, wrong={}, status=200)


@routes.post(f"/p/{ID}/edit")
async def edit(request: web.Request) -> web.Response:
    site, _account, actor, form = await _asked(request)
    source, title = field(form, "text"), field(form, "title")
    async with site.database.read() as tx:
        shown = await find_post(tx, request.match_info["id"])
        require("edit", await standing(tx, actor, shown.topic.group_id), shown)
    is_opener = shown.number == 1
    try:
        if is_opener:
            title = topics.check_title(title or shown.topic.title)
        await look_up_mentions(site, source)
        async with site.database.write() as tx:
            post = await find_post(tx, request.match_info["id"])
            author = await tx.get_one(Actor, actor.id)
            written = await posts.compose(
                tx, source, title=title if is_opener else "", language=post.language, pictures_of=actor,
                shown_by=[f"post:{post.id}"],
            )  # fmt: skip
            await posts.edit(tx, author, post, replace(written, warning=post.warning))
    except (Invalid, Refused) as error:
        wrong = complaints(error, "text")
        return await _edit_page(request, shown, title=title, source=source, wrong=wrong, status=422)
    raise web.HTTPSeeOther(topic_path(post.topic, post.number))


async def _delete_page(request: web.Request, post: Post, actor: Actor, wrong: dict[str, str]) -> web.Response:
    is_own = post.author_id == actor.id
    status = 422 if wrong else 200
    return await page(
        request, "delete.html", status=status, post=post, topic=post.topic, is_own=is_own, wrong=wrong, here="themes"
    )


@routes.get(f"/p/{ID}/delete")
async def delete_form(request: web.Request) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        post = await find_post(tx, request.match_info["id"])
        require("delete", await standing(tx, actor, post.topic.group_id), post)
    return await _delete_page(request, post, actor, {})


@routes.post(f"/p/{ID}/delete")
async def delete(request: web.Request) -> web.Response:
    site, _account, actor, form = await _asked(request)
    reason = text.cut(" ".join(field(form, "reason").split()), moderation.MAX_REASON)
    async with site.database.write() as tx:
        post = await find_post(tx, request.match_info["id"])
        topic, where = post.topic, actor_path(post.topic.group)
        by = await tx.get_one(Actor, actor.id)
        require("delete", await standing(tx, by, topic.group_id), post)
        is_own = post.author_id == actor.id
        if is_own or reason:
            await posts.erase(tx, by, post, reason="" if is_own else reason)
    if not is_own and not reason:
        return await _delete_page(request, post, actor, {"reason": "reason-missing"})
    if topic.deleted_at is not None:
        raise web.HTTPSeeOther(where)
    raise web.HTTPSeeOther(topic_path(topic, post.number))


@routes.post(f"/p/{ID}/like")
async def like(request: web.Request) -> web.Response:
    site, _account, actor, form = await _asked(request)
    async with site.database.write() as tx:
        post = await find_post(tx, request.match_info["id"])
        by = await tx.get_one(Actor, actor.id)
        if field(form, "liked") == "0":
            await reactions.unlike(tx, by, post)
        else:
            await reactions.like(tx, by, post)
        if is_script(request):
            topic, theme, place = await topic_view.find(tx, post.topic_id, viewer(request))
            shown = await topic_view.show(tx, topic, place, [await find_post(tx, request.match_info["id"])])
    if is_script(request):
        return await fragment(request, "posts.html", topic=topic, theme=theme, posts=shown)
    raise web.HTTPSeeOther(sides.place_of(request, post.topic, post.number))


# --- while writing


@routes.post("/preview")
async def preview(request: web.Request) -> web.Response:
    """What a text will look like, from the same code that stores it."""
    site, _account, actor, form = await _asked(request)
    try:
        async with site.database.read() as tx:
            html = (await posts.compose(tx, field(form, "text"), pictures_of=actor)).html
        return await fragment(request, "preview.html", html=html, wrong="")
    except Invalid as error:
        return await fragment(request, "preview.html", html="", wrong=error.fields["text"])


@routes.post("/drafts")
async def save_draft(request: web.Request) -> web.Response:
    site, account, _actor, form = await _asked(request)
    place = field(form, "place")
    if not place.startswith(("theme:", "topic:")):
        raise web.HTTPBadRequest(text=N_("A draft is of theme:SLUG or topic:ID."))
    async with site.database.write() as tx:
        await drafts.save(tx, account.actor_id, place, title=field(form, "title"), source=field(form, "text"))
    return web.Response(status=204)


@routes.post(f"/t/{ID}/seen")
async def seen(request: web.Request) -> web.Response:
    """A script says how far its reader has read since the page was opened."""
    site, account, _actor, form = await _asked(request)
    async with site.database.write() as tx:
        topic, _, _ = await topic_view.find(tx, int(request.match_info["id"]), viewer(request))
        number = min(to_number(field(form, "number")), topic.last_number)
        await notifications.remember_reading(tx, account.actor_id, topic.id, number)
        await notifications.mark_read(tx, account.actor_id, topic_id=topic.id)
    return web.Response(status=204)


@routes.post("/notifications")
async def mark_all_read(request: web.Request) -> web.Response:
    site, account, _actor, _form = await _asked(request)
    async with site.database.write() as tx:
        await notifications.mark_read(tx, account.actor_id)
    raise web.HTTPSeeOther("/notifications")


# --- places


@routes.post("/g/{slug}/membership")
async def membership(request: web.Request) -> web.Response:
    site, _account, actor, form = await _asked(request)
    async with site.database.write() as tx:
        theme = await find_theme(tx, request.match_info["slug"])
        by = await tx.get_one(Actor, actor.id)
        if theme.actor.host:
            raise NotThere
        if field(form, "action") == "leave":
            await groups.leave(tx, by, theme.actor)
        else:
            await groups.follow(tx, by, theme.actor)
    raise web.HTTPSeeOther(f"/g/{theme.slug}")


@routes.post(f"/t/{ID}/{{action:{'|'.join(ACTIONS)}}}")
async def moderate(request: web.Request) -> web.Response:
    """Pin, close, move or retitle a topic."""
    site, _account, actor, form = await _asked(request)
    action = request.match_info["action"]
    reason = text.cut(" ".join(field(form, "reason").split()), moderation.MAX_REASON)
    wrong: dict[str, str] = {}
    async with site.database.write() as tx:
        by = await tx.get_one(Actor, actor.id)
        topic: Topic = await see(tx, await standing(tx, by, None), Topic, int(request.match_info["id"]))
        try:
            if action in ("pin", "unpin"):
                await topics.pin(tx, by, topic, is_on=action == "pin", reason=reason)
            elif action in ("close", "open"):
                await topics.close(tx, by, topic, is_on=action == "close", reason=reason)
            elif action == "title":
                await topics.retitle(tx, by, topic, field(form, "title"))
            else:
                theme = await groups.find_theme(tx, field(form, "theme"))
                if theme is None:
                    raise Invalid(theme="theme-unknown")
                await topics.move(tx, by, topic, theme, reason=reason)
        except Invalid as error:
            wrong = dict(error.fields)
    if wrong:
        async with site.database.read() as tx:
            context = await topic_view.frame(tx, site, viewer(request), topic.id, 1, None, None)
        return await page(request, "topic.html", status=422, asked_for=0, tools_wrong=wrong, typed=form, **context)
    if _is_page_of(request, topic):
        raise web.HTTPSeeOther(came_from(request)[0])
    raise web.HTTPSeeOther(topic_path(topic))


def _is_page_of(request: web.Request, topic: Topic) -> bool:
    return came_from(request)[0].startswith(topic_path(topic) + "/")
