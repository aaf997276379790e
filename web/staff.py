"""What staff decides, the public log of it, and the pages that say what this place is."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy import select

from community import groups, hosts, keys, links, members, moderation
from community.db import Tx
from community.models import Account, Actor, LogEntry, Theme
from community.policy import NotThere, Refused
from web import auth, render
from web.auth import Form, field, require_may
from web.pages_read import find_theme
from web.sentences import N_
from web.site_key import SITE

routes = web.RouteTableDef()

_LOG_PAGE = 50
# What the public log says; the names of who and what are put around it by its template.
ACTIONS = {
    "add-theme": N_("opened the theme"),
    "edit-theme": N_("changed the theme"),
    "approve-article": N_("approved an article by"),
    "publish-article": N_("published an article:"),
    "correct-article": N_("corrected an article of another editor:"),
    "pin-topic": N_("pinned a topic"),
    "unpin-topic": N_("unpinned a topic"),
    "close-topic": N_("closed a topic"),
    "open-topic": N_("opened a topic again"),
    "move-topic": N_("moved a topic"),
    "title-topic": N_("gave a topic a new title"),
    "remove-post": N_("removed a post"),
    "restore-post": N_("restored a post"),
    "hide-post": N_("hid a post from elsewhere"),
    "unhide-post": N_("showed a hidden post again"),
    "hide-topic": N_("hid a topic from elsewhere"),
    "unhide-topic": N_("showed a hidden topic again"),
    "ban": N_("excluded"),
    "unban": N_("let in again"),
    "appoint": N_("appointed as moderator"),
    "dismiss": N_("dismissed as moderator"),
    "suspend": N_("suspended"),
    "unsuspend": N_("ended the suspension of"),
    "resolve-report": N_("answered a report"),
    "dismiss-report": N_("found nothing wrong with what was reported"),
    "approve-sign-up": N_("welcomed a new member"),
    "decline-sign-up": N_("declined a sign-up"),
    "link-propose": N_("proposed a link to"),
    "link-ask": N_("asked for a link with"),
    "link-accept": N_("agreed to a link with"),
    "link-decline": N_("declined a link with"),
    "link-pause": N_("paused the link with"),
    "link-resume": N_("resumed the link with"),
    "link-end": N_("ended the link with"),
    "open-host": N_("opened the door to a server"),
    "limit-host": N_("took a server out of the public lists"),
    "block-host": N_("blocked a server"),
    "add-debate": N_("announced the debate"),
    "edit-debate": N_("changed the debate"),
    "move-debate": N_("moved the debate"),
    "cancel-debate": N_("cancelled the debate"),
    "add-series": N_("began a series of debates"),
    "edit-series": N_("changed a series of debates"),
    "end-series": N_("ended a series of debates"),
    "drop-date": N_("dropped a date of a series"),
    "move-date": N_("moved a date of a series"),
    "restore-date": N_("took back a change of a date of a series"),
    "add-agenda": N_("set up the agenda of"),
    "edit-agenda": N_("changed what is said of the event"),
    "edit-sessions": N_("changed the sessions on the agenda of"),
    "opened-agenda": N_("opened the agenda for proposals:"),
    "closed-agenda": N_("closed the agenda for proposals:"),
    "over-agenda": N_("declared the event over:"),
    "take-out-source": N_("took a contribution from behind an item of the agenda"),
    "edit-item": N_("changed the words of an item"),
    "shortlist-item": N_("put an item on the shortlist"),
    "schedule-item": N_("scheduled an item"),
    "decline-item": N_("declined an item"),
    "merge-item": N_("merged an item with another"),
    "split-item": N_("made another item of a part of one"),
    "reopen-item": N_("opened an item again"),
    "place-item": N_("gave an item its place among the others"),
    "role-member": N_("made a member without a role of"),
    "role-editor": N_("made an editor of"),
    "role-moderator": N_("made a moderator of the whole house of"),
    "role-admin": N_("made an admin of"),
    "give-seal": N_("gave the VIP seal to"),
    "take-seal": N_("took the VIP seal from"),
    "change-house": N_("changed name, colours, logo or languages of this place"),
}


@routes.get("/staff")
async def staff_page(request: web.Request) -> web.Response:
    actor = await require_may(request, "moderate")
    async with request.app[SITE].database.read() as tx:
        waiting = len(await members.pending(tx))
        reports = len(await moderation.open_reports(tx, actor))
        asked_count = len(await links.listed(tx, states=("asked",)))
        health = await hosts.counts(tx)
        dead_count = sum((await hosts.dead_by_kind(tx)).values())
    return await render.page(
        request, "staff/index.html", waiting=waiting, reports=reports, asked_count=asked_count,
        failing_count=health["failing"] + health["given_up"], dead_count=dead_count,
    )  # fmt: skip


# --- themes


@routes.get("/staff/themes")
async def themes_page(request: web.Request) -> web.Response:
    await require_may(request, "administer")
    async with request.app[SITE].database.read() as tx:
        themes = await groups.themes(tx)
    return await render.page(request, "staff/themes.html", themes=themes)


async def _theme_form(
    request: web.Request, form: Form, wrong: dict[str, str] | None = None, theme: Theme | None = None
) -> web.Response:
    wrong = wrong or {}
    return await render.page(
        request,
        "staff/theme.html",
        status=422 if wrong else 200,
        form=form,
        wrong=wrong,
        focus=auth.focus_on(wrong),
        theme=theme,
    )


@routes.get("/staff/themes/new")
async def new_theme_page(request: web.Request) -> web.Response:
    await require_may(request, "administer")
    async with request.app[SITE].database.read() as tx:
        count = len(await groups.themes(tx))
    return await _theme_form(request, {"colour": groups.COLOURS[count % len(groups.COLOURS)], "object_type": "Note"})


@routes.post("/staff/themes/new")
async def new_theme(request: web.Request) -> web.Response:
    actor = await require_may(request, "administer")
    site = request.app[SITE]
    form = await auth.read_form(request)
    key_pair = await keys.make(site.settings.secret())
    try:
        async with site.database.write() as tx:
            theme = await groups.add_theme(
                tx,
                actor,
                field(form, "slug").removeprefix("@"),
                key_pair,
                name=field(form, "name"),
                about=field(form, "about"),
                colour=field(form, "colour"),
                rules=field(form, "rules"),
                object_type=field(form, "object_type"),
            )
    except members.Invalid as error:
        return await _theme_form(request, form, error.fields)
    raise web.HTTPSeeOther(f"/g/{theme.slug}")


@routes.get("/staff/themes/{slug}")
async def theme_page(request: web.Request) -> web.Response:
    await require_may(request, "administer")
    async with request.app[SITE].database.read() as tx:
        theme = await find_theme(tx, request.match_info["slug"])
    form = {
        "name": theme.actor.name,
        "about": theme.actor.summary_source,
        "colour": theme.colour,
        "rules": theme.rules_source,
        "object_type": theme.object_type,
    }
    return await _theme_form(request, form, theme=theme)


@routes.post("/staff/themes/{slug}")
async def change_theme(request: web.Request) -> web.Response:
    """``move`` (up or down) changes the place in the order; anything else is the form."""
    actor = await require_may(request, "administer")
    form = await auth.read_form(request)
    step = {"up": -1, "down": 1}.get(field(form, "move"))
    try:
        async with request.app[SITE].database.write() as tx:
            theme = await find_theme(tx, request.match_info["slug"])
            if step is not None:
                await groups.move_theme(tx, actor, theme, step)
            else:
                await groups.edit_theme(
                    tx,
                    actor,
                    theme,
                    name=field(form, "name"),
                    about=field(form, "about"),
                    colour=field(form, "colour"),
                    rules=field(form, "rules"),
                    object_type=field(form, "object_type"),
                )
    except members.Invalid as error:
        async with request.app[SITE].database.read() as tx:
            theme = await find_theme(tx, request.match_info["slug"])
        return await _theme_form(request, form, error.fields, theme)
    raise web.HTTPSeeOther("/staff/themes" if step is not None else f"/g/{theme.slug}")


# --- people who want to join


@routes.get("/staff/sign-ups")
async def sign_ups_page(request: web.Request) -> web.Response:
    await require_may(request, "moderate")
    async with request.app[SITE].database.read() as tx:
        waiting = await members.pending(tx)
    return await render.page(request, "staff/sign_ups.html", waiting=waiting)


@routes.post("/staff/sign-ups")
async def decide_sign_up(request: web.Request) -> web.Response:
    actor = await require_may(request, "moderate")
    form = await auth.read_form(request)
    name, decision = field(form, "name"), field(form, "decision")
    if decision not in ("approve", "decline"):
        raise web.HTTPBadRequest(text=N_("The decision is approve or decline."))
    async with request.app[SITE].database.write() as tx:
        account = (await tx.execute(select(Account).join(Actor).where(Actor.handle == name, Actor.host == ""))).scalar()
        if account is None:
            raise NotThere
        await members.decide_sign_up(tx, actor, account, is_welcome=decision == "approve")
    raise web.HTTPSeeOther("/staff/sign-ups")


# --- for everybody


@routes.get("/log")
async def log_page(request: web.Request) -> web.Response:
    before = auth.to_number(request.query.get("before", ""))
    async with request.app[SITE].database.read() as tx:
        entries = await groups.log_entries(tx, before=before or None, limit=_LOG_PAGE + 1)
        named = await _named(tx, entries[:_LOG_PAGE])
    older = entries[_LOG_PAGE - 1].id if len(entries) > _LOG_PAGE else None
    return await render.page(
        request, "staff/log.html", entries=entries[:_LOG_PAGE], named=named, older=older, actions=ACTIONS
    )


async def _named(tx: Tx, entries: list[LogEntry]) -> dict[int, Actor]:
    """The themes and people that log entries are about, by id."""
    wanted = {id_ for entry in entries for id_ in (entry.group_id, entry.about_id) if id_ is not None}
    return {actor.id: actor for actor in (await tx.execute(select(Actor).where(Actor.id.in_(wanted)))).scalars()}


@routes.get("/about")
async def about_page(request: web.Request) -> web.Response:
    async with request.app[SITE].database.read() as tx:
        admins = await members.admins(tx)
        themes = await groups.themes(tx)
        count = await members.count_members(tx)
        mode = await members.registration_mode(tx)
    return await render.page(request, "staff/about.html", admins=admins, themes=themes, count=count, mode=mode)


@routes.get("/about/privacy")
async def privacy_page(request: web.Request) -> web.Response:
    async with request.app[SITE].database.read() as tx:
        admins = await members.admins(tx)
    return await render.page(request, "staff/privacy.html", admins=admins, session_days=members.SESSION_DAYS)


# --- roles in the house


@routes.post("/u/{handle}/role")
async def role(request: web.Request) -> web.Response:
    """An admin makes somebody here an editor, a moderator, an admin, or a member without a role."""
    _, actor = auth.require_viewer(request)
    form = await auth.read_form(request)
    async with request.app[SITE].database.write() as tx:
        person = await members.find_local(tx, request.match_info["handle"])
        account = await tx.get(Account, person.id) if person is not None else None
        if person is None or account is None:
            raise NotThere
        try:
            await members.give_role(tx, actor, account, field(form, "role"))
        except members.Invalid as error:
            raise Refused(error.fields["role"]) from None
    raise web.HTTPSeeOther(render.actor_path(person))
