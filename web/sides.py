"""The page of a debate: what it is about, and the arguments of both sides. ``pages_read`` shows it for a group that is
a debate."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aiohttp import web

from community import debates, groups, positions, questions, swing
from community.db import Tx
from community.debate_models import Debate
from community.models import Theme, Topic
from community.policy import refusal, standing
from web import debate_view, topic_view
from web.auth import Viewer, came_from, safe_next, to_number, viewer
from web.render import page, topic_path
from web.site_key import SITE
from web.topic_view import Composer, Shown

ORDERS = ("top", "new")


@dataclass(frozen=True)
class Argument:
    """An argument as one viewer sees it, with the first of the answers under it."""

    shown: Shown
    replies: list[Shown]
    reply_count: int


@dataclass(frozen=True)
class Column:
    """One side of the page. ``stub_uri`` is what visitors answer from their own server, '' before the floor is open."""

    side: positions.Side
    arguments: list[Argument]
    stub_uri: str


async def sides_page(request: web.Request, theme: Theme, debate: Debate) -> web.Response:
    """A debate at /g/HANDLE, here or of a debate elsewhere."""
    site, who = request.app[SITE], viewer(request)
    order = request.query.get("order", "top")
    number = max(1, min(to_number(request.query.get("page", "")), 10_000))
    async with site.database.read() as tx:
        place = await standing(tx, who.actor, theme.actor_id)
        head = await debate_view.head(tx, site, debate, theme, place, "sides")
        order = order if order in ORDERS else "top"
        columns: list[Column] = []
        composer, reply_refusal = Composer(), None
        if head.topic is not None:
            columns = await _columns(tx, debate, head.topic, who, order, number)
            reply_refusal = refusal("reply", place, head.topic)
            composer = await _composer(tx, head.topic, who, request.query.get("side", ""))
        measured = await swing.measure(tx, debate)
        queue = await questions.queue(tx, debate, who.actor) if head.is_floor_open else []
        reached = await groups.count_follower_hosts(tx, theme.actor_id) if who else 0
    return await page(
        request,
        "debates/page.html",
        here="debates",
        head=head,
        debate=debate,
        theme=theme,
        group=theme.actor,
        topic=head.topic,
        columns=columns,
        order=order,
        page_number=number,
        is_more=any(column.side.has_more_after(number) for column in columns),
        swing=measured,
        questions=queue,
        composer=composer,
        reply_refusal=reply_refusal,
        can_write=bool(who) and reply_refusal is None and head.is_floor_open and head.state != "cancelled",
        hosts_reached=reached,
        canonical=debate.actor.url or debate.actor.uri,
        alternate="" if debate.actor.host else debate.actor.uri,
    )


async def _composer(tx: Tx, topic: Topic, who: Viewer, side: str) -> Composer:
    composer = await topic_view.composer_for_reply(tx, topic, who, None)
    return replace(composer, position=side if side in debates.POSITIONS else "")


async def _columns(tx: Tx, debate: Debate, topic: Topic, who: Viewer, order: str, number: int) -> list[Column]:
    place = await standing(tx, who.actor, topic.group_id)
    stubs = await positions.stubs(tx, debate)
    found = await positions.sides(tx, debate, order=order, page=number)
    every = [post for side in found.values() for each in side.arguments for post in (each.post, *each.replies)]
    shown = {each.post.id: each for each in await topic_view.show(tx, topic, place, every)}
    return [
        Column(
            side,
            [
                Argument(shown[each.post.id], [shown[reply.id] for reply in each.replies], each.reply_count)
                for each in side.arguments
            ],
            stubs[position].uri if position in stubs else "",
        )
        for position, side in found.items()
    ]


def place_of(request: web.Request, topic: Topic, number: int, *, is_new_argument: bool = False) -> str:
    """Where somebody finds a post again after a form was sent: on the page of the debate or agenda that the form stood
    on, if it is shown there, else in its topic. An argument that was just written stands on top of the newest."""
    path, query = came_from(request)
    if path.startswith("/agenda/"):
        return safe_next(path + (f"?{query}" if query else ""))
    if topic.closes_at is None or not path.startswith("/g/") or path.count("/") > 2:
        return topic_path(topic, number)
    query = "order=new" if is_new_argument else query
    return safe_next(path + (f"?{query}" if query else "")) + f"#post-{number}"
