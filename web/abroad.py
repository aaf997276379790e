"""Our members abroad and visitors from there: finding and following what is elsewhere, its pages here, the way home.

Members paste an address and follow or answer what it names; visitors name their server and are led there.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web

from community import debates, following, groups, jobs, members, text, topics
from community.db import Tx
from community.models import Account, Actor, Post, Theme, Topic
from community.policy import NotThere, Refused, refusal, require, see, standing
from federation import webfinger
from federation.client import FetchError, Forbidden
from federation.lookup import FoundFeed, NotFound, look_up
from federation.site import Site
from federation.vocabulary import host_of, same_origin
from web import auth, sides
from web.auth import Limit, client_address, field, read_form, require_viewer, take_turn, to_number, viewer
from web.pages_read import SORTS, page_number
from web.render import actor_path, page, topic_path
from web.site_key import SITE

routes = web.RouteTableDef()

_CONTENT_MAX = 20_000


# --- finding


async def _found(request: web.Request, account: Account, typed: str) -> str:
    """The URI of what somebody pasted. Raises NotFound; each account may have other servers asked thirty times in ten
    minutes."""
    site, limit = request.app[SITE], Limit(f"find:{account.actor_id}", 30, 10)
    async with site.database.write() as tx:
        wait = await take_turn(tx, limit)
    if wait:
        raise NotFound("too-many-tries")
    return await look_up(site, typed)


async def _thing(tx: Tx, uri: str) -> Actor | Post:
    """What is held under a URI and has a page here. Raises NotFound."""
    post = await tx.by_uri(Post, uri)
    if post is not None and post.deleted_at is None:
        return post
    actor = await tx.by_uri(Actor, uri)
    if actor is None or actor.kind == "application" or actor.state != "active":
        raise NotFound("nothing-there")
    if actor.kind == "group" and not actor.is_local:
        await groups.ensure_place(tx, actor)
        tx.signal("anything")
    return actor


async def _page_of(site: Site, uri: str) -> str:
    """The path of the page here of something that is held. Raises NotFound."""
    async with site.database.write() as tx:
        try:
            thing = await _thing(tx, uri)
        except NotFound:
            if same_origin(uri, site.settings.origin):
                parts = urlsplit(uri)
                return auth.safe_next((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
            raise
        if isinstance(thing, Actor):
            return actor_path(thing)
        return topic_path(await tx.get_one(Topic, thing.topic_id), thing.number)


@routes.get("/find")
async def find(request: web.Request) -> web.Response:
    """Open here what an address from anywhere names; what was typed stays, with what is wrong about it."""
    account, _ = require_viewer(request)
    site = request.app[SITE]
    typed = request.query.get("q", "").strip()[:2000]
    wrong, author = "", None
    if typed:
        try:
            raise web.HTTPSeeOther(await _page_of(site, await _found(request, account, typed)))
        except FoundFeed as found:
            return await page(request, "abroad/feed.html", feed=found.feed, here="find")
        except NotFound as error:
            wrong = error.reason
            if error.author_uri:
                async with site.database.read() as tx:
                    author = await tx.by_uri(Actor, error.author_uri)
    status = 422 if wrong else 200
    return await page(request, "abroad/find.html", status=status, typed=typed, wrong=wrong, author=author, here="find")


# --- following


@routes.get("/following")
async def following_page(request: web.Request) -> web.Response:
    """Whom one follows elsewhere, and what is new there."""
    account, actor = require_viewer(request)
    number = page_number(request)
    async with request.app[SITE].database.read() as tx:
        followed = await following.followed(tx, actor.id)
        places = [each.actor.id for each in followed if each.state != "rejected"]
        rows = await topics.listed(tx, group_ids=places, reader_id=account.actor_id, page=number)
    return await page(
        request,
        "abroad/following.html",
        followed=followed,
        rows=rows,
        page_number=number,
        is_more=len(rows) == topics.PAGE,
        here="following",
    )


@routes.post("/follow")
async def follow(request: web.Request) -> web.Response:
    """Follow a group or person, or stop it; ``next`` is the page that leads on."""
    account, actor = require_viewer(request)
    form = await read_form(request)
    limit = Limit(f"follow:{account.actor_id}", 100, 60)
    async with request.app[SITE].database.write() as tx:
        if await take_turn(tx, limit):
            raise Refused("too-many-tries")
        by = await tx.get_one(Actor, actor.id)
        target = await tx.get(Actor, to_number(field(form, "actor")))
        if target is None or (target.is_local and target.kind != "group"):
            raise NotThere
        is_on = field(form, "action") == "follow"
        if target.is_local:
            await (groups.follow if is_on else groups.leave)(tx, by, target)
        else:
            await (following.follow if is_on else following.withdraw)(tx, by, target)
        where = actor_path(target)
    given = field(form, "next")
    raise web.HTTPSeeOther(auth.safe_next(given) if given else where)


@routes.post("/follow/feed")
async def follow_feed(request: web.Request) -> web.Response:
    """Follow every community of a feed, one after the other in the background."""
    account, actor = require_viewer(request)
    uri = field(await read_form(request), "uri")
    if host_of(uri) is None:
        raise NotThere
    limit = Limit(f"feed:{account.actor_id}", 10, 60)
    async with request.app[SITE].database.write() as tx:
        if await take_turn(tx, limit):
            raise Refused("too-many-tries")
        require("follow", await standing(tx, await tx.get_one(Actor, actor.id)), actor)
        await jobs.add(tx, "follow-feed", {"actor": actor.id, "uri": uri}, key=f"follow-feed:{actor.id}:{uri}")
    raise web.HTTPSeeOther("/following")


# --- the page of a group elsewhere


@routes.get("/g/{slug:[^/@]+@[^/]+}")
async def place(request: web.Request) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    sort = request.query.get("sort", "latest")
    if sort not in SORTS or (sort == "unread" and not who):
        sort = "latest"
    number = page_number(request)
    async with site.database.read() as tx:
        theme = await _place_at(tx, request.match_info["slug"])
        debate = await debates.of_group(tx, theme.actor_id)
    if debate is not None and theme.slug == request.match_info["slug"]:
        return await sides.sides_page(request, theme, debate)
    async with site.database.read() as tx:
        group = theme.actor
        here = await standing(tx, who.actor, group.id)
        rows = await topics.listed(
            tx,
            group_id=group.id,
            group_ids=[group.id],
            sort=sort,
            reader_id=who.account.actor_id if who.account else None,
            page=number,
        )
        state = await following.state_of(tx, who.actor, group)
        followers, _ = await groups.count_followers(tx, group.id)
        successor = await members.find_by_uri(tx, group.moved_to) if group.moved_to else None
    if theme.slug != request.match_info["slug"]:
        raise web.HTTPFound("/g/" + quote(theme.slug, safe="@:"))
    return await page(
        request,
        "abroad/place.html",
        here="themes",
        theme=theme,
        group=group,
        rows=rows,
        sort=sort,
        page_number=number,
        is_more=len(rows) == topics.PAGE and (sort == "unread" or number * topics.PAGE < theme.topic_count),
        followers_here=followers,
        state=state,
        successor=successor,
        open_refusal=refusal("open-topic", here, group),
        follow_refusal=refusal("follow", here, group),
        canonical=group.url or group.uri,
    )


async def _place_at(tx: Tx, slug: str) -> Theme:
    """The place of a group elsewhere. A person elsewhere may have the same handle, and then the shorter slug."""
    theme = await groups.find_theme(tx, slug)
    if theme is not None and theme.actor.kind == "group" and theme.actor.host:
        return theme
    handle, _, host = slug.lower().partition("@")
    group = await following.group_elsewhere(tx, handle, host)
    found = await tx.find(Theme, group.id) if group is not None else None
    if found is not None:
        return found
    if host == tx.settings.host:
        raise web.HTTPFound(f"/g/{quote(handle)}")
    if theme is not None:
        raise web.HTTPFound(actor_path(theme.actor))
    raise NotThere


# --- from other servers to here


def _address_back(request: web.Request) -> str:
    """Where a visitor came from, to be shown as a link and never followed by itself: '' unless it is a web address."""
    for name in ("on-success", "on-cancel"):
        address = request.query.get(name, "")
        if address.startswith("https://") and len(address) <= 2000 and text.safe_url(address):
            return address
    return ""


@routes.get("/authorize_interaction")
async def authorize_interaction(request: web.Request) -> web.Response:
    """Where other servers send members of ours with the address of what they want to follow or answer."""
    require_viewer(request)
    raise web.HTTPSeeOther("/find?" + urlencode({"q": request.query.get("uri", "")[:2000]}))


async def _intent(request: web.Request, typed: str, kind: type[Actor] | type[Post]) -> web.Response:
    account, actor = require_viewer(request)
    site, wrong = request.app[SITE], ""
    thing: Actor | Post | None = None
    state, topic = "", None
    try:
        uri = await _found(request, account, typed[:2000])
        async with site.database.write() as tx:
            thing = await _thing(tx, uri)
            if not isinstance(thing, kind):
                raise NotFound("not-understood-there")
            if isinstance(thing, Actor):
                state = await following.state_of(tx, actor, thing)
            else:
                topic = await see(tx, await standing(tx, actor), Topic, thing.topic_id)
    except FoundFeed:
        thing, wrong = None, "not-understood-there"
    except NotFound as error:
        thing, wrong = None, error.reason
    return await page(
        request,
        "abroad/intent.html",
        status=422 if wrong else 200,
        thing=thing,
        topic=topic,
        state=state,
        wrong=wrong,
        typed=typed[:2000],
        address_back=_address_back(request),
        content=request.query.get("content", "")[:_CONTENT_MAX],
        this_page=request.path_qs,
    )


@routes.get("/intents/follow")
async def follow_intent(request: web.Request) -> web.Response:
    """FEP-3b86: follow ``object``; nothing happens before the member says so on this page."""
    return await _intent(request, request.query.get("object", ""), Actor)


@routes.get("/intents/create")
async def create_intent(request: web.Request) -> web.Response:
    """FEP-3b86: write an answer to ``inReplyTo``, beginning with ``content``; or a topic, where it answers nothing."""
    parent = request.query.get("inReplyTo", "")
    if parent:
        return await _intent(request, parent, Post)
    require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        themes = await groups.themes(tx)
    return await page(
        request,
        "abroad/choose_theme.html",
        themes=themes,
        content=request.query.get("content", "")[:_CONTENT_MAX],
        address_back=_address_back(request),
    )


# --- from here to one's own server


def _template(templates: dict[str, str], kind: str) -> str:
    """The best of the addresses that a server offers for something of this kind: actor, post or unknown."""
    wanted = {"actor": (("Follow", "{object}"),), "post": (("Create", "{inReplyTo}"),)}.get(kind, ())
    for name, needed in (*wanted, ("Object", "{object}")):
        template = templates.get(webfinger.INTENTS + name, "")
        if needed in template:
            return template
    return templates.get(webfinger.SUBSCRIBE, "")


async def _door(site: Site, server: str, uri: str, kind: str) -> tuple[str, str, str]:
    """(address, server, '') at which a server lets its member follow or answer ``uri``, and the server or handle to
    remember; or ('', '', key of what is wrong)."""
    server = server.strip().lower().removeprefix("https://").rstrip("/")
    handle = webfinger.parse_handle(server) if "@" in server else None
    is_name = handle is None and server and not any(mark in server for mark in "/?#@ \t")
    host = handle[1] if handle else host_of(f"https://{server}") if is_name else None
    if host is None:
        return "", "", "server-form"
    if host == site.settings.host:
        return "", "", "server-is-here"
    template = ""
    try:
        site.client.check_url(site.client.root_of(host) + "/")
        if handle is not None:
            template = _template(await webfinger.templates(site.client, *handle), kind)
    except Forbidden:
        return "", "", "server-form"
    except FetchError:
        return "", "", "server-did-not-answer"
    back = uri if same_origin(uri, site.settings.origin) else site.settings.origin + "/"
    template = template or f"{site.client.root_of(host)}/authorize_interaction?uri={{uri}}"
    values = {"uri": uri, "object": uri, "inReplyTo": uri, "on-success": back, "on-cancel": back}
    return webfinger.fill(template, values), f"@{handle[0]}@{host}" if handle else host, ""


async def _kind_of(tx: Tx, uri: str) -> str:
    if await tx.by_uri(Post, uri) is not None:
        return "post"
    return "actor" if await tx.by_uri(Actor, uri) is not None else ""


@routes.get("/away")
async def away(request: web.Request) -> web.Response:
    """Send visitors to their own server with the address of what they want to follow or answer there. The server is
    remembered, until ``change`` says that it is theirs no more."""
    site = request.app[SITE]
    uri, given = request.query.get("uri", ""), request.query.get("server", "")[:300]
    is_change = "change" in request.query
    server = given or ("" if is_change else auth.home_server(request))
    wrong = address = kept = ""
    if not text.safe_url(uri) or len(uri) > 2000:
        wrong = "uri-form"
        return await page(request, "away.html", status=400, uri="", server=given, wrong=wrong, address="", is_led=False)
    if server:
        async with site.database.read() as tx:
            kind = await _kind_of(tx, uri)
        if "@" in server.strip().lstrip("@"):
            # A handle makes us ask another server: nobody may have us do that without end.
            limit = Limit(f"away:{client_address(request)}", 20, 10)
            async with site.database.write() as tx:
                wrong = "too-many-tries" if await take_turn(tx, limit) else ""
        if not wrong:
            address, kept, wrong = await _door(site, server, uri, kind)
    # Not a redirect: browsers count it as the form's target, and forms here may only lead to this site. Whoever comes
    # by a link of another site is neither led on nor remembered: the link may name a server that is not theirs.
    is_own_page = request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
    headers = {"Cache-Control": "no-store"} if address else {}
    if address and is_own_page:
        headers["Refresh"] = f"0; url={address}"
    status = 422 if wrong else 200
    response = await page(
        request,
        "away.html",
        status=status,
        headers=headers,
        uri=uri,
        server=server,
        wrong=wrong,
        address=address,
        is_led=is_own_page,
    )
    if is_own_page and (kept or is_change):
        auth.remember_home(response, site.settings, kept)
    return response
