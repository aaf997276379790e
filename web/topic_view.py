"""What a topic's page shows to one viewer: posts with what the viewer may do to each, and the frame around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm.attributes import set_committed_value

from community import (
    board,
    debates,
    drafts,
    groups,
    notifications,
    polls,
    posts,
    quotes,
    reactions,
    sources,
    text,
    topics,
)
from community.agenda_models import Item
from community.db import Tx
from community.models import Post, Theme, Topic
from community.policy import NotThere, Standing, refusal, standing
from federation.site import Site
from web import agenda_forms, article_view, debate_view, threads
from web.auth import Viewer
from web.render import topic_path

PAGE = posts.PAGE


@dataclass(frozen=True)
class Shown:
    """A post as one viewer sees it; reasons are keys of sentences, None where the thing is allowed."""

    post: Post
    topic: Topic
    is_liked: bool
    is_moderator: bool
    is_opener_author: bool
    like_refusal: str | None
    reply_refusal: str | None
    can_edit: bool
    can_delete: bool
    can_report: bool
    can_hide: bool
    is_own: bool
    tally: polls.Tally | None = None
    quoted: Post | None = None
    seal: str = ""  # in a debate: host or panel
    is_milestone: bool = False  # the clerk's own in a debate
    can_position: bool = False
    can_propose: bool = False  # put it on an agenda
    marks: Sequence[sources.Mark] = ()  # the items on agendas that it stands behind
    is_over: bool = False  # the debate, so that nobody elsewhere needs to try to answer

    @property
    def path(self) -> str:
        return topic_path(self.topic, self.post.number)

    @property
    def parent(self) -> Post | None:
        """The post that is answered, where that is not the opener, or in a debate the stub of a side, which everybody
        answers."""
        parent = self.post.reply_to
        is_telling = parent is not None and parent.number != 1 and parent.part != "stub"
        return parent if is_telling and parent is not None and parent.topic_id == self.post.topic_id else None


def first_of_page(number: int) -> int:
    """The number that the page with post ``number`` begins at."""
    return (max(number, 1) - 1) // PAGE * PAGE + 1


async def find(tx: Tx, topic_id: int, viewer: Viewer) -> tuple[Topic, Theme, Standing]:
    """A topic that the viewer may read, else NotThere."""
    found = await topics.one(tx, topic_id)
    if found is None:
        raise NotThere
    topic, theme = found
    who = await standing(tx, viewer.actor, topic.group_id)
    if refusal("read", who, topic) is not None:
        raise NotThere
    return topic, theme, who


async def show(tx: Tx, topic: Topic, who: Standing, page: Sequence[Post]) -> list[Shown]:
    moderators = {actor.id for actor in await groups.moderators(tx, topic.group_id)} if page else set()
    liked: set[int] = set()
    if who.actor is not None:
        liked = await reactions.liked_by(tx, who.actor.id, [post.id for post in page])
    reply_refusal = refusal("reply", who, topic)
    asked = await polls.tally(tx, topic, page, who.actor)
    quoted = await quotes.held(tx, page)
    is_debate = topic.closes_at is not None
    seals = await debates.roles(tx, topic.group_id) if is_debate and page else {}
    marks = await sources.marks(tx, [post.id for post in page])
    can_propose = bool(page) and bool(await agenda_forms.open_to(tx, who.actor))
    if is_debate or can_propose:
        for post in page:
            set_committed_value(post, "topic", topic)
    return [
        Shown(
            post=post,
            topic=topic,
            is_liked=post.id in liked,
            is_moderator=post.author_id in moderators,
            is_opener_author=post.author_id == topic.author_id and post.number > 1,
            like_refusal=refusal("like", who, post),
            reply_refusal=reply_refusal,
            can_edit=refusal("edit", who, post) is None,
            can_delete=refusal("delete", who, post) is None,
            can_report=not who.is_author(post) and refusal("report", who, post) is None,
            can_hide=refusal("hide", who, post) is None,
            is_own=who.is_author(post),
            tally=asked.get(post.id),
            quoted=quoted.get(post.quote_uri),
            seal=seals.get(post.author_id, ""),
            is_milestone=bool(post.part) and post.part not in ("motion", "card"),
            is_over=topic.closes_at is not None and topic.closes_at <= tx.now,
            can_position=is_debate and post.number > 1 and refusal("position", who, post) is None,
            can_propose=can_propose and sources.refusal_to_cite(post) is None,
            marks=marks.get(post.id, ()),
        )
        for post in page
    ]


async def posts_between(tx: Tx, topic_id: int, after: int, before: int) -> list[Post]:
    """Posts with numbers after ``after`` and before ``before``, at most a page of them."""
    limit = min(PAGE, before - after - 1)
    return await posts.page_of(tx, topic_id, after + 1, limit) if limit > 0 else []


@dataclass(frozen=True)
class Composer:
    """What the composer of a reply or a topic holds."""

    source: str = ""
    title: str = ""
    language: str = ""
    reply_to: Post | None = None
    wrong: dict[str, str] | None = None
    is_restored: bool = False
    position: str = ""  # the side that is chosen in a debate: for, against, question, none


async def composer_for_reply(tx: Tx, topic: Topic, viewer: Viewer, reply_to: int | None) -> Composer:
    """The reply form as it opens: with the draft that was kept, answering ``reply_to`` if that is of this topic."""
    if viewer.account is None:
        return Composer()
    draft = await drafts.find(tx, viewer.account.actor_id, f"topic:{topic.id}")
    parent = await answered(tx, topic, reply_to)
    return Composer(
        source=draft.source if draft is not None else "",
        language=viewer.account.language or "",
        reply_to=parent,
        is_restored=draft is not None,
        position=(parent.position if parent is not None else "") or "none",
    )


async def composer_with(tx: Tx, topic_id: int, viewer: Viewer, reply_to: int | None, content: str) -> Composer | None:
    """The reply form with words that somebody brought along from another server; None where there are none."""
    if not content or viewer.account is None:
        return None
    topic, _, _ = await find(tx, topic_id, viewer)
    return replace(await composer_for_reply(tx, topic, viewer, reply_to), source=content[: text.MAX_SOURCE])


async def answered(tx: Tx, topic: Topic, reply_to: int | None) -> Post | None:
    """The post of this topic that is going to be answered; None for anything else."""
    if not reply_to:
        return None
    post = await posts.one(tx, reply_to)
    if post is None or post.topic_id != topic.id or post.deleted_at is not None:
        return None
    return post


async def frame(
    tx: Tx, site: Site, viewer: Viewer, topic_id: int, number: int, composer: Composer | None, reply_to: int | None
) -> dict[str, Any]:
    """Everything that ``topic.html`` needs: the page of posts with ``number`` on it."""
    topic, theme, who = await find(tx, topic_id, viewer)
    first = first_of_page(min(number, max(topic.last_number, 1)))
    page = await posts.page_of(tx, topic.id, first)
    shown = await show(tx, topic, who, page)
    people, hosts = await topics.voices(tx, topic.id)
    seen = hosts_reached = 0
    themes: list[Theme] = []
    if viewer.account is not None:
        seen = await notifications.last_read(tx, viewer.account.actor_id, topic.id)
        hosts_reached = await groups.count_follower_hosts(tx, topic.group_id)
        composer = composer or await composer_for_reply(tx, topic, viewer, reply_to)
        if who.is_moderator:
            themes = await groups.themes(tx)
    last = page[-1].number if page else 0
    opener = page[0] if first == 1 and page else None
    head = opener if first == 1 else await posts.opener(tx, topic)
    item = await board.of_topic(tx, topic.id) if head is not None and head.part == "item" else None
    story = await article_view.story_of(tx, topic, head) if head is not None and not is_folded(head) else None
    return {
        "topic": topic,
        "theme": theme,
        "group": theme.actor,
        "posts": shown,
        "opener": opener,
        "opener_uri": head.uri if head is not None and head.deleted_at is None else "",
        "original": _original(head) if theme.actor.host and head is not None else "",
        "stops": _stops(topic.last_number),
        "first": first,
        "last": last,
        "last_number": topic.last_number,
        "previous": topic_path(topic, first - PAGE) if first > 1 else "",
        "next": topic_path(topic, last + 1) if last < topic.last_number else "",
        "unread_from": seen + 1 if viewer and 0 < seen < topic.last_number else 0,
        "seen": seen,
        "voices": (people, hosts),
        "thread": await threads.completeness(tx, topic, head),
        "reading_now": site.database.hub.listeners(f"topic:{topic.id}"),
        "reply_refusal": refusal("reply", who, topic),
        "is_moderator": who.is_moderator,
        "other_themes": [other for other in themes if other.actor_id != theme.actor_id],
        "hosts_reached": hosts_reached,
        "composer": composer or Composer(),
        "story": story,
        "item": item,
        "description": text.excerpt(page[0].html, 200) if page and not is_folded(page[0]) else "",
        "canonical": _canonical(site, topic, opener, first),
        "head": await debate_view.head_of_topic(tx, site, topic, theme, who),
        "here": _room_of(topic, item, story),
    }


def _room_of(topic: Topic, item: Item | None, story: article_view.Story | None) -> str:
    if topic.closes_at is not None:
        return "debates"
    return "agenda" if item is not None else "blog" if story is not None else "themes"


def _original(opener: Post) -> str:
    """The page of a topic of a group elsewhere on its author's own server."""
    return "" if opener.deleted_at is not None else text.safe_url(opener.url) or text.safe_url(opener.uri) or ""


def is_folded(post: Post) -> bool:
    """Whether only staff unfolds a post: it is hidden here, or its author is suspended."""
    return bool(post.hidden_reason) or post.author.state == "suspended"


def _stops(last_number: int) -> list[int]:
    """Where pages begin, for jumping through a long topic: at most six, spread evenly."""
    firsts = list(range(PAGE + 1, last_number + 1, PAGE))
    step = -(-len(firsts) // 6) or 1
    return firsts[::step]


def _canonical(site: Site, topic: Topic, opener: Post | None, first: int) -> str:
    """The address that search engines should keep: the original's for an opener from elsewhere."""
    if opener is not None and opener.author.host:
        original = text.safe_url(opener.url) or text.safe_url(opener.uri)
        if original:
            return original
    return site.settings.origin + topic_path(topic, None if first == 1 else first)
