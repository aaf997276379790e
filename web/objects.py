"""The same addresses as ActivityPub, and how others discover us: WebFinger, NodeInfo, host-meta."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from xml.sax.saxutils import quoteattr

from aiohttp import web
from sqlalchemy import func, select

from community import agendas, debates, groups, house, members, policy, posts, quotes, topics
from community.db import Tx
from community.models import Account, Activity, Actor, Post, Topic
from federation import nodeinfo, translate, webfinger
from federation.site import USER_AGENT
from federation.vocabulary import ACTIVITY_JSON, AS2, Document, is_public, same_origin
from outbox import collections, documents
from outbox.quotes import authorization
from web.site_key import SITE

Finder = Callable[[Tx, re.Match[str], web.Request], Awaitable[Document | web.Response | None]]
# Addresses that are pages too answer as ActivityPub only when asked for it; the rest is never a page.
_also_pages: list[tuple[re.Pattern[str], Finder]] = []
_only_documents: list[tuple[re.Pattern[str], Finder]] = []


def _at(pattern: str, *, is_page: bool = False) -> Callable[[Finder], Finder]:
    def register(finder: Finder) -> Finder:
        (_also_pages if is_page else _only_documents).append((re.compile(pattern), finder))
        return finder

    return register


def _answer(document: Document, status: int = 200) -> web.Response:
    return web.Response(
        body=json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(),
        status=status,
        headers={"Content-Type": ACTIVITY_JSON, "Vary": "Accept", "Access-Control-Allow-Origin": "*"},
    )


async def find(request: web.Request) -> web.Response | None:
    """The answer to somebody who asks for ActivityPub at the address of a page; None when it is a page only."""
    return await _found(request, _also_pages)


async def _found(request: web.Request, known: list[tuple[re.Pattern[str], Finder]]) -> web.Response | None:
    for pattern, finder in known:
        match = pattern.fullmatch(request.path)
        if match is None:
            continue
        async with request.app[SITE].database.read() as tx:
            found = await finder(tx, match, request)
        if found is not None:
            return found if isinstance(found, web.Response) else _answer(found)
        return web.json_response({"error": "not-found"}, status=404, headers={"Vary": "Accept"})
    return None


async def _actor_at(tx: Tx, path: str) -> Actor | None:
    actor = await tx.by_uri(Actor, tx.settings.origin + path)
    return actor if actor is not None and actor.is_local and actor.state == "active" else None


@_at(r"/|/u/[a-z0-9_]+|/g/[a-z0-9_]+", is_page=True)
async def _actor(tx: Tx, match: re.Match[str], _request: web.Request) -> Document | None:
    actor = await _actor_at(tx, match[0])
    return None if actor is None else await documents.actor(tx, actor)


@_at(r"(/g/[a-z0-9_]+)/event", is_page=True)
async def _event(tx: Tx, match: re.Match[str], _request: web.Request) -> Document | None:
    """A debate as an entry in calendars."""
    group = await _actor_at(tx, match[1])
    debate = await debates.of_group(tx, group.id) if group is not None else None
    return await documents.event(tx, debate) if debate is not None else None


@_at(r"(/u/[a-z0-9_]+|/g/[a-z0-9_]+|)/(outbox|followers|featured|moderators|upcoming)")
async def _collection(tx: Tx, match: re.Match[str], _request: web.Request) -> Document | None:
    actor = await _actor_at(tx, match[1] or "/")
    if actor is None:
        return None
    if match[2] == "outbox":
        return await collections.outbox(tx, actor)
    if match[2] == "followers":
        return await collections.followers(tx, actor)
    if actor.kind != "group":
        return None
    lists = {
        "featured": collections.featured, "moderators": collections.moderators, "upcoming": collections.upcoming,
    }  # fmt: skip
    return await lists[match[2]](tx, actor)


@_at(r"(/g/[a-z0-9_]+)/agenda")
async def _agenda(tx: Tx, match: re.Match[str], request: web.Request) -> Document | None:
    """What is on the agenda that a group is, or a page of it."""
    group, page = await _actor_at(tx, match[1]), request.query.get("page")
    agenda = await agendas.of_group(tx, group.id) if group is not None else None
    if agenda is None or (page is not None and re.fullmatch(r"[1-9][0-9]{0,3}", page, re.ASCII) is None):
        return None
    return await collections.agenda(tx, agenda, int(page) if page is not None else None)


async def _local_post(tx: Tx, match: re.Match[str]) -> Post | None:
    return await documents.local_post(tx, int(match[1])) if len(match[1]) < 18 else None


@_at(r"/p/([0-9]+)", is_page=True)
async def _post(tx: Tx, match: re.Match[str], _request: web.Request) -> Document | web.Response | None:
    post = await _local_post(tx, match)
    if post is None:
        return None
    if post.deleted_at is not None:
        return _answer(translate.tombstone(post.uri, post.deleted_at), 410)
    return await documents.note(tx, post)


@_at(r"/p/([0-9]+)/(replies|likes)")
async def _about_post(tx: Tx, match: re.Match[str], request: web.Request) -> Document | None:
    post = await _local_post(tx, match)
    if post is None or post.deleted_at is not None:
        return None
    if match[2] == "likes":
        return collections.likes(post)
    return await (collections.replies_page if "page" in request.query else collections.replies)(tx, post)


async def _topic(tx: Tx, number: str) -> Topic | None:
    found = await topics.one(tx, int(number)) if len(number) < 18 else None
    if found is None or policy.refusal("read", policy.FEDIVERSE, found[0]) is not None:
        return None
    return found[0]


@_at(r"/t/([0-9]+)/context")
async def _context(tx: Tx, match: re.Match[str], _request: web.Request) -> Document | None:
    topic = await _topic(tx, match[1])
    # The thread of a group elsewhere has its address there: what has another id than its address is believed by nobody.
    is_ours = topic is not None and same_origin(topic.context_uri, tx.settings.origin)
    return await collections.context(tx, topic) if topic is not None and is_ours else None


@_at(r"/t/([0-9]+)(?:/(?!(?:context|live|posts)(?:/|$))[a-z0-9-]+(?:/([0-9]+))?)?", is_page=True)
async def _page_of_topic(tx: Tx, match: re.Match[str], _request: web.Request) -> web.Response | None:
    """Somebody pasted the address of a page into a search field: lead to the post itself."""
    topic = await _topic(tx, match[1])
    if topic is None:
        return None
    number = int(match[2]) if match[2] and len(match[2]) < 10 else 1
    found = await posts.page_of(tx, topic.id, number, 1)
    if not found:
        return None
    return web.Response(status=302, headers={"Location": found[0].uri, "Vary": "Accept"})


@_at(r"/q/([0-9]{1,15})")
async def _quote(tx: Tx, match: re.Match[str], _request: web.Request) -> Document | web.Response | None:
    """The permission to quote a post, until it is taken back."""
    quote = await quotes.one(tx, int(match[1]))
    if quote is None:
        return None
    if quote.revoked_at is not None:
        return _answer(translate.tombstone(tx.settings.origin + match[0], quote.revoked_at), 410)
    return authorization(tx, quote, quote.post, quote.post.author.uri)


@_at(r"/a/[0-9a-f]+|/u/[a-z0-9_]+/likes/[0-9-]+")
async def _activity(tx: Tx, match: re.Match[str], _request: web.Request) -> Document | None:
    row = await tx.by_uri(Activity, tx.settings.origin + match[0])
    if row is None or row.direction != "out":
        return None
    document: Document = json.loads(row.document)
    if not is_public(document) or (_tells_words(document) and await _is_deleted(tx, row.object_uri)):
        return None
    return _without_sources(document)


def _tells_words(document: Document) -> bool:
    """Whether an activity carries what somebody wrote, and not only its id or a tombstone."""
    inner = document.get("object")
    return isinstance(inner, dict) and ("content" in inner or _tells_words(inner))


async def _is_deleted(tx: Tx, uri: str) -> bool:
    post = await tx.by_uri(Post, uri)
    return post is not None and post.deleted_at is not None


def _without_sources(document: Document) -> Document:
    """An activity as it was sent, but what stood behind an item of an agenda is told at the item's own id alone: some
    of those who were named then may not want to be any more."""
    inner = document.get("object")
    if not isinstance(inner, dict):
        return document
    told = _without_sources({key: value for key, value in inner.items() if key != "derivedFrom"})
    # What has changed is not what was signed.
    return document if told == inner else {**{k: v for k, v in document.items() if k != "proof"}, "object": told}


# --- Discovery -------------------------------------------------------------------------------------------------------

routes = web.RouteTableDef()


@routes.get("/g/{name:[a-z0-9_]+}/event")
async def _page_of_event(request: web.Request) -> web.Response:
    """Some servers link the id of an Event: who follows that comes to the page of the debate."""
    raise web.HTTPFound(f"/g/{request.match_info['name']}", headers={"Vary": "Accept"})


@routes.get("/{list:outbox|followers}")
@routes.get("/{kind:u|g}/{name}/{list:outbox|followers|featured|moderators|upcoming}")
@routes.get("/g/{name}/agenda")
@routes.get("/p/{number}/{list:replies|likes}")
@routes.get("/t/{number}/context")
@routes.get("/a/{name}")
@routes.get("/q/{id}")
@routes.get("/u/{name}/likes/{like}")
async def _document_only(request: web.Request) -> web.Response:
    found = await _found(request, _only_documents)
    if found is None:
        raise web.HTTPNotFound
    return found


@routes.get("/.well-known/webfinger")
async def _webfinger(request: web.Request) -> web.Response:
    site = request.app[SITE]
    resource = request.query.get("resource", "")
    if not resource or len(resource) > 500:
        return web.json_response({"error": "resource-missing"}, status=400)
    async with site.database.read() as tx:
        actor = await _webfinger_actor(tx, resource)
    if actor is None:
        return web.json_response({"error": "not-found"}, status=404, headers={"Access-Control-Allow-Origin": "*"})
    answer = webfinger.to_jrd(
        f"acct:{actor.handle}@{site.settings.host}",
        actor.uri,
        actor.url,
        list(dict.fromkeys([actor.uri, actor.url])),
        properties={f"{AS2}#type": translate.to_actor(actor, site.settings)["type"]},
        **(_doors(site.settings.origin) if actor.kind == "person" else {}),
    )
    return web.Response(
        body=json.dumps(answer).encode(),
        headers={"Content-Type": webfinger.JRD_MEDIA_TYPE, "Access-Control-Allow-Origin": "*"},
    )


def _doors(origin: str) -> dict[str, Any]:
    """Where members of ours follow, open and answer what they find on other servers."""
    back = "on-success={on-success}&on-cancel={on-cancel}"
    return {
        "template": f"{origin}/authorize_interaction?uri={{uri}}",
        "intents": {
            "Follow": f"{origin}/intents/follow?object={{object}}&{back}",
            "Object": f"{origin}/authorize_interaction?uri={{object}}",
            "Create": f"{origin}/intents/create?inReplyTo={{inReplyTo}}&content={{content}}&{back}",
        },
    }


async def _webfinger_actor(tx: Tx, resource: str) -> Actor | None:
    settings = tx.settings
    if resource.startswith(("http://", "https://")):
        if resource.rstrip("/") == settings.origin:
            return await _actor_at(tx, "/")
        return (
            await _actor_at(tx, resource.removeprefix(settings.origin))
            if resource.startswith(settings.origin)
            else None
        )
    if resource == f"acct:{settings.host}@{settings.host}":  # as Mastodon asks for the signer of our fetches
        return await _actor_at(tx, "/")
    handle = webfinger.parse_handle(resource)
    if handle is None or handle[1].lower() != settings.host:
        return None
    actor = await members.find_local(tx, handle[0])
    return actor if actor is not None and actor.state == "active" else None


@routes.get("/.well-known/host-meta")
async def _host_meta(request: web.Request) -> web.Response:
    template = quoteattr(f"{request.app[SITE].settings.origin}/.well-known/webfinger?resource={{uri}}")
    return web.Response(
        text=f'<?xml version="1.0" encoding="UTF-8"?>\n<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">'
        f'<Link rel="lrdd" type="application/jrd+json" template={template}/></XRD>\n',
        content_type="application/xrd+xml",
    )


@routes.get("/.well-known/nodeinfo")
async def _nodeinfo_links(request: web.Request) -> web.Response:
    origin = request.app[SITE].settings.origin
    links = [
        {"rel": f"{nodeinfo.SCHEMA}/2.1", "href": f"{origin}/nodeinfo/2.1"},
        {"rel": f"{nodeinfo.SCHEMA}/2.0", "href": f"{origin}/nodeinfo/2.0"},
        {"rel": f"{AS2}#Application", "href": f"{origin}/"},
    ]
    return web.json_response({"links": links}, headers={"Access-Control-Allow-Origin": "*"})


@routes.get(r"/nodeinfo/{version:2\.[01]}")
async def _nodeinfo(request: web.Request) -> web.Response:
    site, version = request.app[SITE], request.match_info["version"]
    async with site.database.read() as tx:
        month, half_year = [
            (
                await tx.execute(
                    select(func.count()).select_from(Account).where(Account.seen_at > tx.now - timedelta(days=days))
                )
            ).scalar_one()
            for days in (30, 180)
        ]
        total = await members.count_members(tx)
        topic_count, post_count = 0, 0
        themes = []
        for theme in await groups.themes(tx):
            themes.append({"slug": theme.slug, "name": theme.actor.name})
            topic_count += theme.topic_count
            post_count += theme.post_count
    said = await house.of(site.database)
    name, _, number = USER_AGENT.lower().partition("/")
    software: dict[str, Any] = {"name": name, "version": number}
    if version == "2.1":
        software["homepage"] = site.settings.origin
    answer = {
        "version": version,
        "software": software,
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": ["atom1.0"]},
        "openRegistrations": site.settings.registration_mode == "open",
        "usage": {
            "users": {"total": total, "activeMonth": month, "activeHalfyear": half_year},
            "localPosts": topic_count,
            "localComments": max(0, post_count - topic_count),
        },
        "metadata": {"nodeName": said.name, "nodeDescription": said.about, "themes": themes},
    }
    profile = f'application/json; profile="{nodeinfo.SCHEMA}/{version}#"'
    return web.Response(
        body=json.dumps(answer).encode(), headers={"Content-Type": profile, "Access-Control-Allow-Origin": "*"}
    )
