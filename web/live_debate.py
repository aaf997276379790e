"""The page of the hour: what is shown of a debate while people watch it.

Every piece is made here once, for the page as one reader gets it and for ``ticker``, which sends it to all who watch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from aiohttp import web
from sqlalchemy import ColumnElement, and_, or_, select

from community import debates, groups, polls, posts, questions, reactions, record, swing, text
from community.db import Tx
from community.debate_models import Debate
from community.models import Actor, Post, Topic
from community.policy import ANYONE, NotThere, Standing, refusal
from federation.site import Site
from web import debate_view, topic_view
from web.auth import viewer
from web.render import page
from web.site_key import SITE

routes = web.RouteTableDef()

FEEDS = PANEL, FLOOR = "panel", "floor"
# What the clerk writes for everybody who follows the hour.
MILESTONES = ("live", "opening-poll", "card", "closing-poll", "closed", "conclusion", "cancelled", "moved")
ITEMS = 20
# Whoever of the panel wrote last has the word for so long.
SPEAKS = timedelta(minutes=5)


@dataclass(frozen=True)
class Item:
    """A post in one of the two feeds: ``feed`` is panel or floor, ``role`` the author's in the debate (host, panel or
    ''). ``is_member`` and ``is_guest`` say for whom it is made: what goes to all who watch is for both."""

    EXCERPT: ClassVar[int] = 300

    post: Post
    topic: Topic
    feed: str
    role: str
    is_over: bool
    is_member: bool = True
    is_guest: bool = True
    is_liked: bool = False
    is_own: bool = False

    @property
    def content(self) -> tuple[object, ...]:
        """What the item says, without how it is liked."""
        post, author = self.post, self.post.author
        return (post.html, post.warning, post.position, post.edited_at, author.name, self.feed, self.role, self.is_over)

    @property
    def is_short(self) -> bool:
        """Whether all of it is shown; only the panel may speak at length here."""
        return self.feed == PANEL or len(text.plain(self.post.html)) <= self.EXCERPT * 1.3

    @property
    def speaks_until(self) -> datetime:
        return self.post.created_at + SPEAKS

    @property
    def likes(self) -> tuple[int, int]:
        return self.post.like_count_here, self.post.like_count_elsewhere


def feed_of(post: Post, roles: dict[int, str]) -> str:
    """The feed that a post stands in as anybody may read it; '' for none."""
    if post.deleted_at is not None or topic_view.is_folded(post):
        return ""
    if post.part in MILESTONES or (post.author_id in roles and not post.part):
        return PANEL
    return "" if post.part else FLOOR


def items_of(found: Sequence[Post], topic: Topic, roles: dict[int, str], now: datetime) -> list[Item]:
    """The items for everybody; posts that stand in no feed are left out."""
    over = is_over(topic, now)
    items = [Item(post, topic, feed_of(post, roles), roles.get(post.author_id, ""), over) for post in found]
    return [item for item in items if item.feed]


def is_over(topic: Topic, now: datetime) -> bool:
    return topic.closed_at is not None or (topic.closes_at is not None and topic.closes_at <= now)


def speaker(items: Sequence[Item], now: datetime) -> Item | None:
    """The latest word of host or panel, if it is of the last minutes."""
    said = [item for item in items if item.role and item.post.created_at > now - SPEAKS]
    return max(said, key=lambda item: item.post.number, default=None)


async def newest(tx: Tx, topic: Topic, roles: dict[int, str], feed: str, limit: int = ITEMS) -> list[Item]:
    """The newest items of a feed, the newest first."""
    of_panel: ColumnElement[bool] = and_(Post.part == "", Post.author_id.in_(list(roles)))
    chosen = or_(Post.part.in_(MILESTONES), of_panel) if feed == PANEL else and_(Post.part == "", ~of_panel)
    query = (
        select(Post)
        .join(Actor, Actor.id == Post.author_id)
        .options(*posts.SHOWN)
        .where(
            Post.topic_id == topic.id,
            record.is_public(),
            chosen,
        )
        .order_by(Post.number.desc())
        .limit(limit)
    )
    return items_of((await tx.execute(query)).scalars().all(), topic, roles, tx.now)


@dataclass(frozen=True)
class Ballot:
    """A poll of the debate as one reader sees it."""

    post: Post
    tally: polls.Tally

    def as_refused(self, reason: str | None) -> Ballot:
        """As every member gets it whose vote would be refused for this reason, or taken."""
        return replace(self, tally=replace(self.tally, vote_refusal=reason))


async def ballots(tx: Tx, topic: Topic, actor: Actor | None) -> list[Ballot]:
    """The polls of a debate, the latest first."""
    query = (
        select(Post)
        .options(*posts.SHOWN)
        .where(Post.topic_id == topic.id, Post.part.in_((swing.OPENING, swing.CLOSING)), Post.deleted_at.is_(None))
        .order_by(Post.number.desc())
    )
    found = (await tx.execute(query)).scalars().all()
    tallies = await polls.tally(tx, topic, found, actor)
    return [Ballot(post, tallies[post.id]) for post in found if post.id in tallies]


def watching(site: Site, debate_id: int, topic_id: int) -> int:
    """How many have a page of the debate open that moves by itself, through this process."""
    hub = site.database.hub
    return hub.listeners(f"debate:{debate_id}") + hub.listeners(f"topic:{topic_id}")


def read_mark(given: str) -> tuple[int, int] | None:
    """What a page has seen, as ``NUMBER.MILLISECONDS``: the last number of the floor, and when. None for no mark."""
    number, _, at = given.partition(".")
    is_one = number.isascii() and number.isdigit() and at.isascii() and at.isdigit() and len(given) < 40
    return (int(number), int(at)) if is_one else None


async def floor_of(tx: Tx, debate: Debate) -> Topic:
    """The floor of a debate, which anybody may read; NotThere."""
    topic = await tx.get(Topic, debate.topic_id) if debate.topic_id is not None else None
    if topic is None or refusal("read", ANYONE, topic) is not None:
        raise NotThere
    return topic


async def frame(tx: Tx, site: Site, request: web.Request, composer: topic_view.Composer | None) -> dict[str, Any]:
    """Everything that ``debates/live.html`` needs."""
    seen_at = int(time.time() * 1000)  # before it is read: what changes meanwhile is told again
    who = viewer(request)
    debate, theme, place = await debate_view.find(tx, request.match_info["slug"], who)
    topic = await floor_of(tx, debate)
    roles = await debates.roles(tx, debate.actor_id)
    feeds = {name: await _for_reader(tx, await newest(tx, topic, roles, name), place) for name in FEEDS}
    return {
        "head": await debate_view.head(tx, site, debate, theme, place, "live"),
        "debate": debate,
        "theme": theme,
        "topic": topic,
        "panel": feeds[PANEL],
        "floor": feeds[FLOOR],
        "now_speaking": None if is_over(topic, tx.now) else speaker(feeds[PANEL], tx.now),
        "ballots": await ballots(tx, topic, who.actor),
        "queue": await questions.queue(tx, debate, who.actor),
        "composer": composer or await topic_view.composer_for_reply(tx, topic, who, None),
        "reply_refusal": refusal("reply", place, topic),
        "may_write_on": refusal("reply", replace(place, at=topic.closes_at), topic) is None,
        "hosts_reached": await groups.count_follower_hosts(tx, debate.actor_id) if who else 0,
        "mark": f"{topic.last_number}.{seen_at}",
        "canonical": f"{site.settings.origin}/g/{theme.slug}/live",
        "here": "debates",
    }


async def _for_reader(tx: Tx, items: list[Item], who: Standing) -> list[Item]:
    """The items as one reader has them."""
    if who.actor is None:
        return [replace(item, is_member=False) for item in items]
    liked = await reactions.liked_by(tx, who.actor.id, [item.post.id for item in items])
    return [
        replace(item, is_guest=False, is_liked=item.post.id in liked, is_own=who.is_author(item.post)) for item in items
    ]


@routes.get("/g/{slug}/live")
async def live_page(request: web.Request) -> web.Response:
    site = request.app[SITE]
    async with site.database.read() as tx:
        context = await frame(tx, site, request, None)
    return await page(request, "debates/live.html", **context)
