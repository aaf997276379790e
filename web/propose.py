"""What members put on an agenda: anything that was said, behind an item that is there or as a new one.

What will be cited, and who will be told, stands on the page before it happens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from sqlalchemy import select

from community import agendas, board, cards, groups, items, sources, text
from community.agenda_models import Agenda, Contributor, Item, Source
from community.board import Entry
from community.db import Tx
from community.members import Invalid
from community.models import Account, Actor, Post
from community.policy import NotThere, Refused
from federation.lookup import FoundFeed, NotFound, look_up
from federation.vocabulary import same_origin
from web import agenda_forms, topic_view
from web.agenda_view import HANDLE
from web.auth import (
    Form,
    Limit,
    complaints,
    field,
    focus_on,
    read_form,
    require_viewer,
    take_turn,
    viewer,
)
from web.pages_read import ID, find_post
from web.render import page
from web.site_key import SITE

routes = web.RouteTableDef()

_OWN_POST = re.compile(r"/p/(\d{1,15})")
_OWN_PLACE = re.compile(r"/t/(\d{1,15})(?:/[^/]+(?:/(\d{1,9}))?)?")


# --- What is cited, and who is told of it


@dataclass(frozen=True)
class Cited:
    """What would stand behind an item. ``told`` says how its author hears of it, as a word for the template."""

    post: Post
    kind: str
    told: str
    refusal: str | None

    @property
    def excerpt(self) -> str:
        if self.refusal is not None:
            return ""
        return text.cut(self.post.warning, 400) or text.excerpt(cards.html_of(self.post), 400)


async def _cited(tx: Tx, post: Post, by: Actor) -> Cited:
    cited = await sources.cited_for(tx, post)
    told = await _told(tx, cited.author, by)
    return Cited(cited, sources.kind_of(cited, cited.topic), told, sources.refusal_to_cite(cited))


async def _told(tx: Tx, author: Actor, by: Actor) -> str:
    known = await tx.get(Contributor, author.id)
    if author.kind != "person":
        return "nobody"
    if author.id == by.id:
        return "own"
    if known is not None and known.has_objected:
        return "anonymous"
    if known is not None and known.opted_out_at is not None:
        return "silent"
    if not author.is_local:
        return "elsewhere"
    return "here" if await tx.get(Account, author.id) is not None else "nobody"


def _title_for(cited: Cited) -> str:
    """A title to begin with: that of the topic, or the first sentence."""
    if cited.post.number == 1 and cited.post.topic.title:
        return text.cut(cited.post.topic.title, items.TITLE_MAX)
    return text.title_of(cited.post.html)


# --- Putting a post on an agenda


async def _choices(tx: Tx, actor: Actor, wanted: str) -> tuple[list[Agenda], Agenda]:
    """The agendas that this person may put things on, and the one that is meant. Raises Refused."""
    found = await agenda_forms.open_to(tx, actor)
    if not found:
        ahead = await agendas.ahead(tx)
        raise Refused((await items.refusal_to_propose(tx, actor, ahead[0]) if ahead else None) or "no-agenda-open")
    return found, next((each for each in found if each.actor.handle == wanted), found[0])


async def _readable(tx: Tx, request: web.Request) -> Post:
    """The post of the address, if its topic may be read."""
    post = await find_post(tx, request.match_info["id"])
    await topic_view.find(tx, post.topic_id, viewer(request))
    return post


async def _put_page(
    request: web.Request, form: Form | None = None, wrong: dict[str, str] | None = None
) -> web.Response:
    _, actor = require_viewer(request)
    typed = request.query.get("q", "") if form is None else field(form, "q")
    typed = typed.replace("\x00", "")[:200]
    wanted = request.query.get("agenda", "") if form is None else field(form, "agenda")
    async with request.app[SITE].database.read() as tx:
        post = await _readable(tx, request)
        choices, agenda = await _choices(tx, actor, wanted)
        cited = await _cited(tx, post, actor)
        entries = await board.listed(tx, agenda)
        held = set(
            (
                await tx.execute(
                    select(Source.item_id)
                    .join(Item, Item.id == Source.item_id)
                    # Nobody finds out here whose words stand there without a name.
                    .where(Item.agenda_id == agenda.actor_id, Source.post_id == cited.post.id)
                    .where(Source.state != "anonymous")
                )
            ).scalars()
        )
        reason = await items.refusal_to_propose(tx, actor, agenda)
        reached = await groups.count_follower_hosts(tx, agenda.actor_id)
    found = agenda_forms.fitting(entries, typed) if typed.strip() else _suggested(entries, cited, held)
    return await page(
        request,
        "agenda/put.html",
        status=422 if wrong else 200,
        post=post,
        cited=cited,
        agenda=agenda,
        choices=choices,
        entries=found[: agenda_forms.SHOWN],
        found_count=len(found),
        all_count=len(entries),
        held=held,
        typed=typed,
        form=form or {"title": _title_for(cited)},
        wrong=wrong or {},
        propose_refusal=reason,
        hosts_reached=reached,
        here="agenda",
    )


def _suggested(entries: list[Entry], cited: Cited, held: set[int]) -> list[Entry]:
    """Items in the order in which they are likely meant: where it stands already, then those with the same words."""
    said = f"{cited.post.topic.title} {cited.excerpt}"
    return sorted(agenda_forms.alike(entries, said), key=lambda entry: entry.item.id not in held)


@routes.get(f"/p/{ID}/agenda")
async def put_page(request: web.Request) -> web.Response:
    return await _put_page(request)


@routes.post(f"/p/{ID}/agenda")
async def put(request: web.Request) -> web.Response:
    """Put a post behind the item with the number ``item``; without one, behind a new one."""
    _, actor = require_viewer(request)
    form = await read_form(request)
    number = field(form, "item")
    try:
        await _wait_for_turn(request, actor, "q" if number else "title")
        async with request.app[SITE].database.write() as tx:
            post = await _readable(tx, request)
            agenda = await agendas.find(tx, field(form, "agenda"))
            if agenda is None:
                raise NotThere
            by = await tx.own(actor)
            if number:
                item = await agenda_forms.numbered(tx, agenda, number)
                if item is None:
                    raise Invalid(q="item-unknown")
                before = (await sources.counts(tx, [item.id]))[item.id]
                source = await sources.cite(tx, by, item, post)
                is_new = (await sources.counts(tx, [item.id]))[item.id] > before
                done = "cited" if is_new or source.state == "anonymous" else "already"
            else:
                item = await items.propose(tx, by, agenda, field(form, "title"), field(form, "summary"), about=post)
                done = "proposed"
    except (Invalid, Refused) as error:
        if isinstance(error, Refused) and error.reason not in _MENDED:
            raise
        return await _put_page(request, form, complaints(error, "q" if number else "title"))
    raise web.HTTPSeeOther(f"{items.path_of(agenda, item)}?done={done}")


# Refusals after which somebody may do something else on the same page.
_MENDED = frozenset(
    {"proposals-enough", "agenda-is-full", "citations-enough", "item-is-closed", "item-has-enough-sources"}
)


async def _wait_for_turn(request: web.Request, actor: Actor, name: str) -> None:
    """At most twenty a minute, however many agendas there are. Raises Invalid."""
    async with request.app[SITE].database.write() as tx:
        if await take_turn(tx, Limit(f"cite:{actor.id}", 20, 1)):
            raise Invalid(**{name: "too-many-tries"})


# --- Proposing from the agenda itself


async def _propose_page(request: web.Request, form: Form, wrong: dict[str, str] | None = None) -> web.Response:
    _, actor = require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        agenda = await agenda_forms.find(tx, request)
        reason = await items.refusal_to_propose(tx, actor, agenda)
        reached = await groups.count_follower_hosts(tx, agenda.actor_id)
    wrong = wrong or {}
    return await page(
        request,
        "agenda/propose.html",
        status=422 if wrong else 200,
        agenda=agenda,
        form=form,
        wrong=wrong,
        focus=focus_on(wrong),
        propose_refusal=reason,
        hosts_reached=reached,
        here="agenda",
    )


@routes.get(f"/agenda/{HANDLE}/propose")
async def propose_page(request: web.Request) -> web.Response:
    return await _propose_page(request, {})


@routes.post(f"/agenda/{HANDLE}/propose")
async def propose(request: web.Request) -> web.Response:
    """A new item, with what stands at ``address`` behind it; ``do`` is find to choose an item for that instead."""
    account, actor = require_viewer(request)
    form = await read_form(request)
    site, is_search = request.app[SITE], field(form, "do") == "find"
    name = "behind" if is_search else "address"
    address = field(form, name).strip()
    try:
        await _wait_for_turn(request, actor, "behind" if is_search else "title")
        about = await _look_up(request, account, address, name) if address or is_search else None
        if is_search and about is not None:
            query = urlencode({"agenda": request.match_info["handle"]})
            raise web.HTTPSeeOther(f"/p/{about}/agenda?{query}")
        async with site.database.write() as tx:
            agenda = await agenda_forms.find(tx, request)
            post = await find_post(tx, str(about)) if about is not None else None
            by = await tx.own(actor)
            item = await items.propose(tx, by, agenda, field(form, "title"), field(form, "summary"), about=post)
    except (Invalid, Refused) as error:
        if isinstance(error, Refused) and error.reason in ("nothing-to-cite", "post-is-deleted"):
            return await _propose_page(request, form, {name: error.reason})
        if isinstance(error, Refused) and error.reason not in _MENDED:
            raise
        return await _propose_page(request, form, complaints(error, "title"))
    raise web.HTTPSeeOther(f"{items.path_of(agenda, item)}?done=proposed")


async def _look_up(request: web.Request, account: Account, address: str, name: str) -> int:
    """The id of the post that an address names, here or elsewhere. Raises Invalid for the field ``name``."""
    site, limit = request.app[SITE], Limit(f"find:{account.actor_id}", 30, 10)
    async with site.database.write() as tx:
        if await take_turn(tx, limit):
            raise Invalid(**{name: "too-many-tries"})
    try:
        uri = await look_up(site, address[:2000])
    except FoundFeed:
        raise Invalid(**{name: "not-a-post"}) from None
    except NotFound as error:
        raise Invalid(**{name: "link-form" if error.reason == "address-form" else error.reason}) from None
    async with site.database.read() as tx:
        found = await _post_at(tx, uri, site.settings.origin)
        if found is None:
            raise Invalid(**{name: "not-a-post"})
        try:
            await topic_view.find(tx, found.topic_id, viewer(request))
        except NotThere:
            raise Invalid(**{name: "nothing-there"}) from None
    return found.id


async def _post_at(tx: Tx, uri: str, origin: str) -> Post | None:
    """The post with this id, or at this address of ours: of a topic the first one."""
    post = await tx.by_uri(Post, uri)
    if post is not None or not same_origin(uri, origin):
        return post
    path = urlsplit(uri).path
    if own := _OWN_POST.fullmatch(path):
        return await tx.get(Post, int(own[1]))
    place = _OWN_PLACE.fullmatch(path)
    if place is None:
        return None
    query = select(Post).where(Post.topic_id == int(place[1]), Post.number == int(place[2] or 1))
    return (await tx.execute(query)).scalar_one_or_none()
