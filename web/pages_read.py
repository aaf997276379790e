"""The pages that are read: home, themes, topics, people, notifications, histories, feeds, and the way home."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from aiohttp import web

from community import agendas, debates, following, groups, links, members, notifications, posts, text, topics
from community.db import Tx
from community.models import Account, Actor, Membership, Notification, Post, Theme, Topic
from community.policy import NotThere, refusal, standing
from web import agenda_view, article_view, debate_view, sides, threads, topic_view
from web.auth import require_viewer, viewer
from web.render import actor_path, fragment, language_of, page, topic_path
from web.site_key import SITE

routes = web.RouteTableDef()

ID = r"{id:\d{1,15}}"
NUMBER = r"{number:\d{1,9}}"
# Words at this place that are no topic's readable name are other addresses.
SLUG = r"{slug:(?!(?:live|posts|context)(?:/|$))[^/]+}"
SORTS = ("latest", "new", "unread", "top")
LIVELY = 5


def number_in(request: web.Request, name: str, default: int) -> int:
    """A whole number from the query; the default for anything that is none."""
    raw = request.query.get(name, "")
    return int(raw) if re.fullmatch(r"\d{1,9}", raw) else default


def page_number(request: web.Request) -> int:
    """Which page of a list is asked for, from 1."""
    return max(1, min(number_in(request, "page", 1), 100_000))


@routes.get("/")
async def home(request: web.Request) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    language = await language_of(request)
    async with site.database.read() as tx:
        themes = await groups.themes(tx)
        neighbours = await links.neighbours(tx)
        reader_id = who.account.actor_id if who.account else None
        latest = await topics.listed(tx, reader_id=reader_id)
        upcoming = await debate_view.listed(tx, await debates.ahead(tx, limit=1))
        stories = await article_view.newest(tx, language)
        progress = await agenda_view.progress(tx)
        now = tx.now
    busy = sorted((row for row in latest if row.topic.reply_count > 1), key=lambda row: -row.topic.reply_count)
    lively = busy[:LIVELY] if len(latest) > LIVELY else []
    chosen = {row.topic.id for row in lively}
    return await page(
        request,
        "home.html",
        here="home",
        themes=themes,
        debate=upcoming[0] if upcoming else None,
        now=now,
        neighbours=neighbours,
        stories=stories,
        progress=progress,
        cities={each.city.host: each.city for each in neighbours},
        lively=lively,
        latest=[row for row in latest if row.topic.id not in chosen][:12],
        canonical=site.settings.origin + "/",
        alternate=site.settings.origin + "/",
    )


@routes.get("/themes")
async def all_themes(request: web.Request) -> web.Response:
    async with request.app[SITE].database.read() as tx:
        themes = await groups.themes(tx)
    return await page(request, "themes.html", here="themes", themes=themes)


async def find_theme(tx: Tx, slug: str) -> Theme:
    theme = await groups.find_theme(tx, slug)
    if theme is None:
        raise NotThere
    return theme


@routes.get("/g/{slug}")
async def theme_page(request: web.Request) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    sort = request.query.get("sort", "latest")
    if sort not in SORTS or (sort == "unread" and not who):
        sort = "latest"
    number = page_number(request)
    wanted_home = request.query.get("from", "")
    async with site.database.read() as tx:
        theme = await find_theme(tx, request.match_info["slug"])
        debate, agenda = await debates.of_group(tx, theme.actor_id), await agendas.of_group(tx, theme.actor_id)
    if agenda is not None:
        raise web.HTTPFound(f"/agenda/{theme.slug}", headers={"Vary": "Accept"})
    if debate is not None:
        return await sides.sides_page(request, theme, debate)
    language = await language_of(request)
    async with site.database.read() as tx:
        place = await standing(tx, who.actor, theme.actor_id)
        linked = await links.listed(tx, group_id=theme.actor_id, states=("linked", "paused"))
        cities = await links.cities(tx) if linked else {}
        merged = [theme, *(seen.theirs for seen in linked if seen.theirs and seen.link.state == "linked")]
        chosen = next((each for each in merged if each.slug == wanted_home), None)
        shown = [chosen] if chosen is not None else merged
        rows = await topics.listed(
            tx,
            group_id=theme.actor_id,
            group_ids=[each.actor_id for each in shown],
            sort=sort,
            reader_id=who.account.actor_id if who.account else None,
            page=number,
        )
        here, elsewhere = await groups.count_followers(tx, theme.actor_id)
        moderators = await groups.moderators(tx, theme.actor_id)
        planned = await debate_view.listed(tx, await debates.ahead(tx, theme_ids=[theme.actor_id], limit=5))
        held = await debate_view.listed(tx, await debates.over(tx, theme_ids=[theme.actor_id], limit=3))
        stories = await article_view.newest(tx, language, theme_id=theme.actor_id)
        progress = await agenda_view.progress(tx, theme_id=theme.actor_id)
        now = tx.now
        membership = await tx.get(Membership, (who.actor.id, theme.actor_id)) if who.actor else None
    if theme.slug != request.match_info["slug"]:
        raise web.HTTPFound(f"/g/{theme.slug}")
    topic_count = sum(each.topic_count for each in shown)
    is_more = len(rows) == topics.PAGE and (sort == "unread" or number * topics.PAGE < topic_count)
    return await page(
        request,
        "theme.html",
        here="themes",
        theme=theme,
        group=theme.actor,
        rows=rows,
        sort=sort,
        linked=linked,
        merged=merged,
        cities=cities,
        shown_home=chosen.slug if chosen is not None and len(merged) > 1 else "",
        link_refusal=refusal("link", place, theme.actor),
        page_number=number,
        is_more=is_more,
        members_here=here,
        followers_elsewhere=elsewhere,
        moderators=moderators,
        planned=planned,
        held=held,
        stories=stories,
        progress=progress,
        now=now,
        arrange_refusal=refusal("arrange", place, theme.actor),
        is_member=membership is not None and membership.state == "accepted",
        open_refusal=refusal("open-topic", place, theme.actor),
        join_refusal=refusal("follow", place, theme.actor),
        canonical=theme.actor.uri,
        alternate=theme.actor.uri,
    )


@routes.get("/g/{slug}/feed.xml")
async def feed(request: web.Request) -> web.Response:
    site = request.app[SITE]
    async with site.database.read() as tx:
        theme = await find_theme(tx, request.match_info["slug"])
        openers = await topics.openers(tx, theme.actor_id, limit=30)
    response = await page(request, "feed.xml", theme=theme, group=theme.actor, openers=openers)
    clean = text.printable(response.text or "")
    return web.Response(text=clean, content_type="application/atom+xml", headers={"Vary": "Accept"})


# --- topics


async def _topic(request: web.Request, number: int, slug: str | None) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    reply_to = number_in(request, "reply_to", 0)
    async with site.database.read() as tx:
        topic_id = int(request.match_info["id"])
        composer = await topic_view.composer_with(tx, topic_id, who, reply_to, request.query.get("content", ""))
        context = await topic_view.frame(tx, site, who, topic_id, number, composer, reply_to)
    topic: Topic = context["topic"]
    wanted = topic_path(topic)
    if slug is None or wanted.rpartition("/")[2] != slug:
        rest = f"?{request.query_string}" if request.query_string else ""
        raise web.HTTPFound(wanted + (f"/{number}" if number > 1 else "") + rest)
    await threads.look_again(site, topic, context["thread"])
    if who.account is not None and (context["last"] > context["seen"] or who.unread):
        async with site.database.write() as tx:
            await notifications.remember_reading(tx, who.account.actor_id, topic.id, context["last"])
            await notifications.mark_read(tx, who.account.actor_id, topic_id=topic.id)
    opener: Post | None = context["opener"]
    return await page(
        request,
        "topic.html",
        asked_for=number if "number" in request.match_info else 0,
        alternate=opener.uri if opener is not None and not opener.author.host else "",
        **context,
    )


@routes.get(f"/t/{ID}")
async def topic_by_id(request: web.Request) -> web.Response:
    return await _topic(request, 1, None)


@routes.get(f"/t/{ID}/posts")
async def posts_of_topic(request: web.Request) -> web.Response:
    """The posts after one number, or between two, as a script adds them to an open page."""
    site, who = request.app[SITE], viewer(request)
    after, before = number_in(request, "after", 0), number_in(request, "before", 10**9)
    async with site.database.read() as tx:
        topic, theme, place = await topic_view.find(tx, int(request.match_info["id"]), who)
        found = await topic_view.posts_between(tx, topic.id, after, before)
        shown = await topic_view.show(tx, topic, place, found)
    return await fragment(request, "posts.html", topic=topic, theme=theme, posts=shown)


@routes.get(f"/t/{ID}/posts/{NUMBER}")
async def post_of_topic(request: web.Request) -> web.Response:
    """One post as it is now."""
    site, who = request.app[SITE], viewer(request)
    number = int(request.match_info["number"])
    async with site.database.read() as tx:
        topic, theme, place = await topic_view.find(tx, int(request.match_info["id"]), who)
        found = await topic_view.posts_between(tx, topic.id, number - 1, number + 1)
        if not found:
            raise NotThere
        shown = await topic_view.show(tx, topic, place, found)
    return await fragment(request, "posts.html", topic=topic, theme=theme, posts=shown)


@routes.get(f"/t/{ID}/{SLUG}")
async def topic_page(request: web.Request) -> web.Response:
    return await _topic(request, 1, request.match_info["slug"])


@routes.get(f"/t/{ID}/{SLUG}/{NUMBER}")
async def topic_at(request: web.Request) -> web.Response:
    return await _topic(request, int(request.match_info["number"]), request.match_info["slug"])


async def find_post(tx: Tx, id_: str) -> Post:
    post = await posts.one(tx, int(id_))
    if post is None:
        raise NotThere
    return post


@routes.get(f"/p/{ID}")
async def post_place(request: web.Request) -> web.Response:
    """A post's own address leads to its place in the topic; a deleted one says so."""
    async with request.app[SITE].database.read() as tx:
        post = await find_post(tx, request.match_info["id"])
    if post.deleted_at is not None:
        return await page(request, "gone.html", status=410, post=post, topic=post.topic, here="themes")
    raise web.HTTPFound(topic_path(post.topic, post.number))


@dataclass(frozen=True)
class Version:
    """A text as it was, and what its writer changed: (kind, words) with kind same, added or removed."""

    title: list[tuple[str, str]]
    lines: list[list[tuple[str, str]]]
    at: object
    is_first: bool


def differences(old: str, new: str) -> list[tuple[str, str]]:
    """What changed between two texts, word by word; punctuation and line breaks count as words."""
    before, after = (re.findall(r"\n|\w+|[^\w\s]|[^\S\n]+", t)[:8000] for t in (old, new))
    result: list[tuple[str, str]] = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after).get_opcodes():
        if kind == "equal":
            result.append(("same", "".join(after[j1:j2])))
            continue
        if i2 > i1:
            result.append(("removed", "".join(before[i1:i2])))
        if j2 > j1:
            result.append(("added", "".join(after[j1:j2])))
    return result


def _in_lines(parts: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    lines: list[list[tuple[str, str]]] = [[]]
    for kind, words in parts:
        for number, piece in enumerate(words.split("\n")):
            if number:
                lines.append([])
            if piece:
                lines[-1].append((kind, piece))
    return [line for line in lines if any(piece.strip() for _, piece in line)]


@routes.get(f"/p/{ID}/history")
async def history(request: web.Request) -> web.Response:
    async with request.app[SITE].database.read() as tx:
        post = await find_post(tx, request.match_info["id"])
        if post.deleted_at is not None or (topic_view.is_folded(post) and not viewer(request).is_staff):
            raise NotThere
        revisions = (await posts.history(tx, post))[:20]
    title = post.topic.title if post.number == 1 else ""
    texts = [(title, text.plain(post.html), post.edited_at or post.created_at)]
    texts += [(each.title, text.plain(each.html), each.written_at) for each in revisions]
    versions = []
    for index, (title, words, at) in enumerate(texts):
        is_first = index + 1 == len(texts)
        old_title, old_words = (title, words) if is_first else texts[index + 1][:2]
        lines = _in_lines(differences(old_words, words))
        versions.append(Version(differences(old_title, title), lines, at, is_first))
    return await page(request, "history.html", post=post, topic=post.topic, versions=versions, here="themes")


# --- people


def _parts_of(handle: str) -> tuple[str, str]:
    name, _, host = handle.removeprefix("@").partition("@")
    return name, host


@routes.get("/u/{handle}")
async def profile(request: web.Request) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    name, host = _parts_of(request.match_info["handle"])
    async with site.database.read() as tx:
        actor = await members.find(tx, name, host)
        if actor is None or actor.kind == "application" or actor.state in ("gone", "pending"):
            raise NotThere
        is_shown = actor.state == "active"
        written = await posts.by_author(tx, actor.id) if is_shown else []
        count = await posts.count_by_author(tx, actor.id) if is_shown else 0
        state = await following.state_of(tx, who.actor, actor)
        place = await standing(tx, who.actor, actor.id)
        follow_refusal = refusal("follow", place, actor)
        successor = await members.find_by_uri(tx, actor.moved_to) if actor.moved_to else None
        account = await tx.get(Account, actor.id) if refusal("administer", place) is None else None
        is_place = await tx.find(Theme, actor.id) is not None
    if actor.kind == "group" and (is_place or not actor.host):
        raise web.HTTPFound(actor_path(actor))
    return await page(
        request,
        "profile.html",
        person=actor,
        written=written,
        count=count,
        is_shown=is_shown,
        is_you=who.actor is not None and who.actor.id == actor.id,
        state=state,
        follow_refusal=follow_refusal,
        may_seal=actor.kind == "person" and is_shown and refusal("seal", place, actor) is None,
        role=account.site_role if account is not None else "",
        successor=successor,
        here="you" if who.actor is not None and who.actor.id == actor.id else "",
        alternate="" if actor.host else actor.uri,
        canonical=(actor.url or actor.uri),
    )


@dataclass
class Group:
    """Notifications about one topic together, or one that stands alone."""

    topic: Topic | None
    kind: str
    actors: list[Actor]
    first: Notification
    count: int = 1
    is_unread: bool = False


def grouped(found: list[Notification]) -> list[Group]:
    """Notifications by topic and kind in the order given; each leads to its first unread post, or to its path."""
    groups_: dict[tuple[str, str, int, bool], Group] = {}
    for each in found:
        topic = each.post.topic if each.post is not None else None
        key = (each.kind, each.path, topic.id if topic else 0 if each.path else -each.id, each.read_at is None)
        group = groups_.get(key)
        if group is None:
            actors = [each.actor] if each.actor else []
            groups_[key] = Group(topic, each.kind, actors, each, is_unread=each.read_at is None)
            continue
        group.count += 1
        if each.actor and all(each.actor.id != actor.id for actor in group.actors):
            group.actors.append(each.actor)
        if each.post and group.first.post and not each.path and each.post.number < group.first.post.number:
            group.first = each
    return list(groups_.values())


@routes.get("/notifications")
async def notifications_page(request: web.Request) -> web.Response:
    account, _ = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        found = await notifications.latest(tx, account.actor_id)
    return await page(request, "notifications.html", groups=grouped(found), here="notifications")


@routes.get(f"/notifications/{ID}")
async def notification(request: web.Request) -> web.Response:
    """On to what a notification leads to, which is read with that."""
    account, _ = require_viewer(request)
    async with request.app[SITE].database.write() as tx:
        found = await tx.get(Notification, int(request.match_info["id"]))
        if found is None or found.account_id != account.actor_id or not found.path:
            raise NotThere
        await notifications.mark_read(tx, account.actor_id, path=found.path)
    raise web.HTTPSeeOther(found.path)
