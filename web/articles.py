"""Where editors write for the blog: the desk, and one page for each article with its preview and what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aiohttp import web
from sqlalchemy import select

from community import articles, groups, media, notifications, topics
from community.article_models import Article
from community.articles import Draft
from community.db import Tx
from community.media_models import Media
from community.members import Invalid
from community.models import Account, Actor, Post, Theme, Topic
from community.policy import NotThere, Refused, Standing, refusal, require, standing
from community.recurrence import moment, wall_clock
from federation.lookup import look_up_mentions
from web.auth import Form, complaints, field, read_form, require_viewer, to_number
from web.debate_forms import read_wall
from web.render import POST_LANGUAGES, language_choices, page
from web.site_key import SITE

routes = web.RouteTableDef()

ID = r"{id:\d{1,15}}"


async def _place(tx: Tx, actor: Actor) -> Standing:
    """Who looks, who has to be one of those that write here."""
    who = await standing(tx, actor)
    require("write-article", who)
    return who


async def _find(tx: Tx, request: web.Request) -> Article:
    found = await articles.find(tx, to_number(request.match_info["id"]))
    if found is None:
        raise NotThere
    return found


# --- The desk --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """An article on the desk; ``topic`` is where it is read once it is out."""

    article: Article
    themes: Sequence[Theme]
    reviewer: Actor | None
    topic: Topic | None


async def _rows(tx: Tx, found: list[Article]) -> list[Row]:
    themes = await articles.themes_of(tx, [article.id for article in found])
    people_ids = {article.reviewer_id for article in found if article.reviewer_id is not None}
    people = {each.id: each for each in (await tx.execute(select(Actor).where(Actor.id.in_(people_ids)))).scalars()}
    posts = [article.post_id for article in found if article.post_id is not None]
    pairs = await tx.execute(select(Post.id, Topic).join(Topic, Topic.id == Post.topic_id).where(Post.id.in_(posts)))
    read_in = {pair[0]: pair[1] for pair in pairs}
    return [
        Row(each, themes.get(each.id, []), people.get(each.reviewer_id or 0), read_in.get(each.post_id or 0))
        for each in found
    ]


@routes.get("/staff/articles")
async def desk(request: web.Request) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        who = await _place(tx, actor)
        rows = await _rows(tx, await articles.desk(tx))
    waiting = [
        row
        for row in rows
        if (row.article.state == "review" and refusal("approve-article", who, row.article) is None)
        or (row.article.author_id == actor.id and (row.article.state == "approved" or row.article.note))
    ]
    rest = [row for row in rows if row not in waiting]
    return await page(
        request,
        "articles/desk.html",
        waiting=waiting,
        drafts=[row for row in rest if row.article.state in ("draft", "review", "approved")],
        scheduled=[row for row in rest if row.article.state == "scheduled"],
        published=[row for row in rest if row.article.state == "published"],
        here="blog",
    )


# --- Beginning -------------------------------------------------------------------------------------------------------


def _language(form: Form) -> str:
    code = field(form, "language")
    if code not in POST_LANGUAGES:
        raise Invalid(language="language-unknown")
    return code


async def _begin_page(request: web.Request, language: str, wrong: dict[str, str]) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        await _place(tx, actor)
    return await page(
        request, "articles/new.html", status=422 if wrong else 200, language_chosen=language, wrong=wrong,
        choices=language_choices(), here="blog",
    )  # fmt: skip


@routes.get("/staff/articles/new")
async def new(request: web.Request) -> web.Response:
    account, _ = require_viewer(request)
    return await _begin_page(request, account.language or request.app[SITE].settings.language, {})


@routes.post("/staff/articles/new")
async def begin(request: web.Request) -> web.Response:
    (_, actor), form = require_viewer(request), await read_form(request)
    try:
        language = _language(form)
        async with request.app[SITE].database.write() as tx:
            article = await articles.begin(tx, await tx.get_one(Actor, actor.id), language=language)
    except Invalid as error:
        return await _begin_page(request, field(form, "language"), dict(error.fields))
    raise web.HTTPSeeOther(articles.path_of(article))


@routes.post(f"/staff/articles/{ID}/translate")
async def translate(request: web.Request) -> web.Response:
    """Begin it in another language; where there is one already, that is opened."""
    (_, actor), form = require_viewer(request), await read_form(request)
    try:
        language = _language(form)
        async with request.app[SITE].database.write() as tx:
            by = await tx.get_one(Actor, actor.id)
            await _place(tx, by)
            original = await _find(tx, request)
            held = [each for each in await articles.family_of(tx, original) if each.language == language]
            made = held[0] if held else await articles.begin(tx, by, language=language, translation_of=original)
    except Invalid as error:
        return await _edit_page(request, None, wrong=dict(error.fields))
    raise web.HTTPSeeOther(articles.path_of(made))


# --- One article -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Typed:
    """The form as it was filled in. ``seen`` marks what it began with."""

    draft: Draft
    seen: str
    note: str = ""
    date: str = ""
    time: str = ""


async def _read(request: web.Request, form: Form) -> Typed:
    """The main theme goes first, ticked or not."""
    ticked = [to_number(str(value)) for value in (await request.post()).getall("themes", [])]
    main = to_number(field(form, "main"))
    chosen = dict.fromkeys(([main] if main else []) + ticked)
    draft = Draft(
        title=field(form, "title"),
        abstract=field(form, "abstract"),
        source=field(form, "text"),
        language=field(form, "language"),
        theme_ids=tuple(id_ for id_ in chosen if id_),
        picture_key=field(form, "picture"),
        picture_alt=field(form, "picture_alt"),
    )
    return Typed(draft, field(form, "seen"), field(form, "note"), field(form, "date"), field(form, "time"))


async def _kept(tx: Tx, article: Article, zone: str) -> Typed:
    at = wall_clock(article.publish_at, zone) if article.publish_at is not None else None
    return Typed(
        await articles.kept(tx, article),
        articles.mark(article),
        date=f"{at:%Y-%m-%d}" if at else "",
        time=f"{at:%H:%M}" if at else "",
    )


async def _pictures(tx: Tx, actor: Actor, article: Article, chosen: str) -> list[Media]:
    """To choose from: the one that is there, the one that was chosen, and what was uploaded last."""
    found = [article.picture] if article.picture is not None else []
    picked = await media.find(tx, actor, chosen) if chosen else None
    found += [each for each in (picked, *await media.latest(tx, actor)) if each is not None]
    return list({each.key: each for each in found}.values())


async def _edit_page(
    request: web.Request, typed: Typed | None, *, wrong: dict[str, str] | None = None, is_preview: bool = False
) -> web.Response:
    site, (account, actor) = request.app[SITE], require_viewer(request)
    wrong, previewed = dict(wrong or {}), ""
    async with site.database.read() as tx:
        who = await _place(tx, actor)
        article = await _find(tx, request)
        kept = await _kept(tx, article, account.timezone)
        if is_preview and typed is not None:
            try:
                previewed = await articles.preview(tx, actor, article, typed.draft.source)
            except Invalid as error:
                wrong |= error.fields
        shown = typed or kept
        if wrong.get("text") == "article-changed-meanwhile":
            # What is sent the next time takes the place of what it has become.
            shown = replace(shown, seen=kept.seen)
        [row] = await _rows(tx, [article])
        family = await articles.family_of(tx, article)
        editor = await tx.get_one(Actor, article.editor_id)
        themes = await groups.themes(tx)
        known = {theme.actor_id for theme in themes}
        themes += [theme for theme in row.themes if theme.actor_id not in known]
        pictures = await _pictures(tx, actor, article, shown.draft.picture_key)
        is_alone = await articles.is_alone(tx, actor, article)
        reached = await articles.reach(tx, article)
        obstacle = await articles.obstacle(tx, article) if row.themes else None
        can_discard = article.state == "draft" and (who.is_staff or actor.id == article.author_id)
    await _read_it(request, account)
    return await page(
        request,
        "articles/edit.html",
        status=422 if wrong else 200,
        article=article,
        row=row,
        typed=shown,
        draft=shown.draft,
        kept=kept.draft,
        previewed=previewed,
        wrong=_in_order(wrong),
        family=family,
        editor=editor,
        themes=themes,
        main_id=shown.draft.theme_ids[0] if shown.draft.theme_ids else 0,
        pictures=pictures,
        picture=next((each for each in pictures if each.key == shown.draft.picture_key), None),
        address_of=media.address_of,
        why_not=refusal("approve-article", who, article),
        is_alone=is_alone,
        is_own=actor.id == article.author_id,
        hosts_reached=reached,
        obstacle=obstacle,
        can_discard=can_discard,
        zone=account.timezone,
        choices=language_choices(),
        title_max=topics.MAX_TITLE,
        abstract_max=articles.ABSTRACT_MAX,
        alt_max=media.ALT_MAX,
        here="blog",
    )


_ORDER = ("title", "abstract", "text", "picture", "picture_alt", "themes", "language", "note", "date", "time")


def _in_order(wrong: dict[str, str]) -> dict[str, str]:
    """As the fields stand on the page."""
    named = {"publish_at": "date", "alt": "picture_alt"}
    found = {named.get(name, name): reason for name, reason in wrong.items()}
    return {name: found[name] for name in (*_ORDER, *found) if name in found}


async def _read_it(request: web.Request, account: Account) -> None:
    async with request.app[SITE].database.write() as tx:
        await notifications.mark_read(tx, account.actor_id, path=request.path)


@routes.get(f"/staff/articles/{ID}")
async def edit_form(request: web.Request) -> web.Response:
    return await _edit_page(request, None)


@routes.post(f"/staff/articles/{ID}")
async def edit(request: web.Request) -> web.Response:
    site, (account, actor), form = request.app[SITE], require_viewer(request), await read_form(request)
    async with site.database.read() as tx:
        await _place(tx, actor)
        await _find(tx, request)
    do = field(form, "do")
    typed = None if do == "discard" else await _read(request, form)
    if typed is not None and do == "preview":
        return await _edit_page(request, typed, is_preview=True)
    try:
        if typed is not None:
            _language(form)
            await look_up_mentions(site, typed.draft.source)
        async with site.database.write() as tx:
            by = await tx.get_one(Actor, actor.id)
            article = await _find(tx, request)
            if typed is None:
                await articles.discard(tx, by, article)
            else:
                await articles.save(tx, by, article, typed.draft, seen=typed.seen)
                await _do(tx, by, article, typed, do, account.timezone)
    except (Invalid, Refused) as error:
        return await _edit_page(request, typed, wrong=complaints(error, "text"))
    raise web.HTTPSeeOther("/staff/articles" if typed is None else request.path)


async def _do(tx: Tx, by: Actor, article: Article, typed: Typed, do: str, zone: str) -> None:
    """What the button says, with what was saved just now."""
    if do == "review":
        await articles.ask_for_review(tx, by, article)
    elif do == "approve":
        await articles.approve(tx, by, article)
    elif do == "return":
        # A change alone has made it a draft again where nobody reviews.
        if article.state != "draft":
            await articles.send_back(tx, by, article, typed.note)
    elif do == "schedule":
        await articles.schedule(tx, by, article, _at(typed, zone, tx.now))
    elif do == "unschedule":
        if article.state == "scheduled":
            await articles.unschedule(tx, by, article)
    elif do == "publish":
        await articles.publish(tx, by, article)


def _at(typed: Typed, zone: str, now: datetime) -> datetime:
    """Date and time as typed, on the clock of whoever types. Raises Invalid."""
    return moment(read_wall({"date": typed.date, "time": typed.time}, now), zone)
