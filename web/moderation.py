"""Pages for keeping order: reporting, answering reports, hiding, the people of a theme, suspended people.

Whatever is typed comes back with a mistake. Every act asks the policy in ``community.moderation``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from aiohttp import web

from community import groups, moderation, posts
from community.db import Tx
from community.members import Invalid
from community.models import Actor, Post, Report, Theme, Topic
from community.policy import NotThere, Refused, require, standing
from federation.lookup import NotFound, look_up_person
from federation.site import Site
from web.auth import Form, complaints, field, read_form, require_viewer, to_number
from web.pages_read import ID, find_post, find_theme
from web.render import page, topic_path
from web.sentences import N_
from web.site_key import SITE

routes = web.RouteTableDef()

# Days that a ban may last; '' is for good.
DURATIONS = {
    "1": N_("for a day"),
    "7": N_("for a week"),
    "30": N_("for a month"),
    "365": N_("for a year"),
    "": N_("for good"),
}


def _until(tx: Tx, form: Form) -> datetime | None:
    chosen = field(form, "days")
    if chosen not in DURATIONS:
        raise Invalid(days="duration-unknown")
    return tx.now + timedelta(days=int(chosen)) if chosen else None


# --- reporting a post


async def _homes(tx: Tx, post: Post) -> list[str]:
    """The servers whose staff would hear of a report: the home of the group, and that of the author."""
    author = await tx.get_one(Actor, post.author_id)
    group = await tx.get_one(Actor, post.topic.group_id)
    found = [actor.host for actor in (group if group.kind == "group" else author, author) if actor.host]
    return list(dict.fromkeys(found))


async def _report_page(request: web.Request, form: Form, wrong: dict[str, str]) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        post = await find_post(tx, request.match_info["id"])
        if post.deleted_at is not None:
            raise NotThere
        require("report", await standing(tx, actor, post.topic.group_id), post)
        homes = await _homes(tx, post)
    return await page(
        request,
        "report.html",
        status=422 if wrong else 200,
        post=post,
        topic=post.topic,
        homes=homes,
        form=form,
        wrong=wrong,
        here="themes",
    )


@routes.get(f"/p/{ID}/report")
async def report_form(request: web.Request) -> web.Response:
    return await _report_page(request, {}, {})


@routes.post(f"/p/{ID}/report")
async def report(request: web.Request) -> web.Response:
    _, actor = require_viewer(request)
    form = await read_form(request)
    reason = field(form, "reason").strip()
    wrong = {} if reason else {"reason": "report-reason-missing"}
    if len(reason) > moderation.MAX_REPORT:
        wrong = {"reason": "text-too-long"}
    if not wrong:
        try:
            async with request.app[SITE].database.write() as tx:
                post = await find_post(tx, request.match_info["id"])
                if post.deleted_at is not None:
                    raise NotThere
                by = await tx.get_one(Actor, actor.id)
                is_sent_on = bool(field(form, "sent_on"))
                made = await moderation.report(tx, by, posts=[post], reason=reason, is_sent_on=is_sent_on)
        except Refused as error:
            wrong = {"reason": error.reason}
    if wrong:
        return await _report_page(request, form, wrong)
    return await page(request, "reported.html", post=post, topic=post.topic, is_new=bool(made), here="themes")


# --- hiding what is at home elsewhere


async def _hide_page(request: web.Request, form: Form, wrong: dict[str, str]) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        post = await find_post(tx, request.match_info["id"])
        require("hide", await standing(tx, actor, post.topic.group_id), post)
    status = 422 if wrong else 200
    return await page(
        request, "staff/hide.html", status=status, post=post, topic=post.topic, form=form, wrong=wrong, here="themes"
    )


@routes.get(f"/p/{ID}/hide")
async def hide_form(request: web.Request) -> web.Response:
    return await _hide_page(request, {}, {})


@routes.post(f"/p/{ID}/hide")
async def hide(request: web.Request) -> web.Response:
    """Hide a post, with ``topic`` the whole topic of it; ``shown`` takes both back."""
    _, actor = require_viewer(request)
    form = await read_form(request)
    try:
        async with request.app[SITE].database.write() as tx:
            post = await find_post(tx, request.match_info["id"])
            by = await tx.get_one(Actor, actor.id)
            things: list[Post | Topic] = [post]
            if post.number == 1 and (field(form, "topic") or field(form, "shown")):
                things.append(post.topic)
            for thing in things:
                if field(form, "shown"):
                    await moderation.unhide(tx, by, thing)
                else:
                    await moderation.hide(tx, by, thing, field(form, "reason"))
    except Invalid as error:
        return await _hide_page(request, form, dict(error.fields))
    raise web.HTTPSeeOther(topic_path(post.topic, post.number))


# --- the queue of reports


async def _reports_page(
    request: web.Request, *, typed: Form | None = None, wrong: dict[str, str] | None = None
) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        cases = await moderation.open_reports(tx, actor)
        is_staff = (await standing(tx, actor)).is_staff
    return await page(
        request,
        "staff/reports.html",
        status=422 if wrong else 200,
        cases=cases,
        is_staff=is_staff,
        durations=DURATIONS,
        typed=typed or {},
        wrong=wrong or {},
    )


@routes.get("/staff/reports")
async def reports_page(request: web.Request) -> web.Response:
    return await _reports_page(request)


@routes.post("/staff/reports")
async def answer_report(request: web.Request) -> web.Response:
    """``decision`` is act (do what is ticked and close), resolve or dismiss."""
    _, actor = require_viewer(request)
    form = await read_form(request)
    decision = field(form, "decision")
    if decision not in ("act", "resolve", "dismiss"):
        raise web.HTTPBadRequest(text=N_("The decision is act, resolve or dismiss."))
    try:
        async with request.app[SITE].database.write() as tx:
            by = await tx.get_one(Actor, actor.id)
            found = await moderation.find_report(tx, by, to_number(field(form, "report")))
            if found is None:
                raise NotThere
            if decision == "act":
                await _act(tx, by, found, form)
            await moderation.resolve(tx, by, found, "dismissed" if decision == "dismiss" else "resolved")
    except (Invalid, Refused) as error:
        return await _reports_page(request, typed=form, wrong=complaints(error, "reason"))
    raise web.HTTPSeeOther("/staff/reports")


async def _act(tx: Tx, by: Actor, found: Report, form: Form) -> None:
    """Remove or hide the post, exclude its author, from the theme or altogether: whatever is ticked."""
    ticked = [name for name in ("remove", "hide", "ban", "suspend") if field(form, name)]
    if not ticked:
        raise Invalid(remove="nothing-ticked")
    if field(form, "erase") and "ban" not in ticked and "suspend" not in ticked:
        raise Invalid(erase="erase-with-what")
    reason = moderation.check_reason(field(form, "reason"))
    removes_posts = bool(field(form, "erase"))
    post = await posts.one(tx, found.post_id) if found.post_id is not None else None
    if post is not None and post.deleted_at is None:
        if "remove" in ticked:
            await posts.erase(tx, by, post, reason=reason)
        elif "hide" in ticked:
            await moderation.hide(tx, by, post, reason)
    person = await tx.get(Actor, found.about_id) if found.about_id is not None else None
    if person is not None and "ban" in ticked and found.group_id is not None:
        group = await tx.get_one(Actor, found.group_id)
        until = _until(tx, form)
        await moderation.ban(tx, by, group, person, reason=reason, until=until, removes_posts=removes_posts)
    if person is not None and "suspend" in ticked:
        await moderation.suspend(tx, by, person, reason=reason, removes_posts=removes_posts)


# --- the people of a theme


async def _person(site: Site, handle: str) -> Actor:
    """The person with a handle, who is met now where that has not happened before. Raises Invalid."""
    try:
        return await look_up_person(site, handle)
    except NotFound:
        raise Invalid(handle="handle-unknown") from None


async def _moderated_theme(tx: Tx, request: web.Request, actor: Actor) -> Theme:
    theme = await find_theme(tx, request.match_info["slug"])
    if not theme.actor.is_local:
        raise NotThere
    require("moderate", await standing(tx, actor, theme.actor_id), None)
    return theme


async def _people_page(
    request: web.Request, *, typed: Form | None = None, wrong: dict[str, str] | None = None
) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        theme = await _moderated_theme(tx, request, actor)
        moderators = await groups.moderators(tx, theme.actor_id)
        banned = await moderation.banned(tx, theme.actor_id)
    return await page(
        request,
        "people.html",
        status=422 if wrong else 200,
        theme=theme,
        group=theme.actor,
        moderators=moderators,
        banned=banned,
        durations=DURATIONS,
        typed=typed or {},
        wrong=wrong or {},
        here="themes",
    )


@routes.get("/g/{slug}/people")
async def people_page(request: web.Request) -> web.Response:
    return await _people_page(request)


@routes.post("/g/{slug}/people")
async def change_people(request: web.Request) -> web.Response:
    """``action``: appoint, dismiss, ban or unban the person with a ``handle``."""
    _, actor = require_viewer(request)
    site, form = request.app[SITE], await read_form(request)
    action = field(form, "action")
    if action not in ("appoint", "dismiss", "ban", "unban"):
        raise web.HTTPBadRequest(text=N_("The action is appoint, dismiss, ban or unban."))
    async with site.database.read() as tx:
        await _moderated_theme(tx, request, actor)
    name = "banned" if action == "ban" else "handle"
    try:
        reason = moderation.check_reason(field(form, "reason")) if action == "ban" else field(form, "reason").strip()
        person = await _person(site, field(form, name))
        async with site.database.write() as tx:
            theme = await _moderated_theme(tx, request, actor)
            by, group = await tx.get_one(Actor, actor.id), theme.actor
            if action in ("appoint", "dismiss"):
                await moderation.set_moderator(tx, by, group, person, is_on=action == "appoint")
            elif action == "ban":
                until, erases = _until(tx, form), bool(field(form, "erase"))
                await moderation.ban(tx, by, group, person, reason=reason, until=until, removes_posts=erases)
            else:
                await moderation.unban(tx, by, group, person, reason=reason)
    except (Invalid, Refused) as error:
        wrong = complaints(error, name)
        return await _people_page(
            request, typed=form, wrong={name if key == "handle" else key: value for key, value in wrong.items()}
        )
    raise web.HTTPSeeOther(f"/g/{theme.slug}/people")


# --- suspended from the whole house


async def _suspended_page(
    request: web.Request, *, typed: Form | None = None, wrong: dict[str, str] | None = None
) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        require("moderate", await standing(tx, actor), None)
        people = await moderation.suspended(tx)
    status = 422 if wrong else 200
    return await page(
        request, "staff/suspended.html", status=status, people=people, typed=typed or {}, wrong=wrong or {}
    )


@routes.get("/staff/suspended")
async def suspended_page(request: web.Request) -> web.Response:
    return await _suspended_page(request)


@routes.post("/staff/suspended")
async def change_suspended(request: web.Request) -> web.Response:
    """``action``: suspend the person with a ``handle``, or lift it."""
    _, actor = require_viewer(request)
    site, form = request.app[SITE], await read_form(request)
    async with site.database.read() as tx:
        require("moderate", await standing(tx, actor), None)
    is_on = field(form, "action") != "lift"
    try:
        reason = moderation.check_reason(field(form, "reason")) if is_on else ""
        person = await _person(site, field(form, "handle"))
        async with site.database.write() as tx:
            by = await tx.get_one(Actor, actor.id)
            if is_on:
                erases = bool(field(form, "erase"))
                await moderation.suspend(tx, by, person, reason=reason, removes_posts=erases)
            else:
                await moderation.unsuspend(tx, by, person)
    except (Invalid, Refused) as error:
        return await _suspended_page(request, typed=form, wrong=complaints(error, "handle"))
    raise web.HTTPSeeOther("/staff/suspended")
