"""The blog for its readers: the front page, the page of each theme, and both as feeds.

An article itself is read on the page of its topic. The desk of the editors is ``articles``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from community import articles, groups, house
from community.db import Tx
from community.models import Theme
from community.policy import NotThere, refusal, standing
from community.settings import Settings
from community.text import printable
from federation.site import Site
from web import article_view, render
from web.article_view import Story
from web.auth import viewer
from web.calendars import answer
from web.pages_read import find_theme, page_number
from web.site_key import SITE

routes = web.RouteTableDef()

PAGE = 13  # one large, and rows of three
IN_FEED = 30


async def _place(tx: Tx, slug: str) -> Theme | None:
    """The theme of ours that a page is about; None where it is about all of them. Raises NotThere."""
    if not slug:
        return None
    theme = await find_theme(tx, slug)
    if theme.actor_id not in {each.actor_id for each in await groups.themes(tx)}:
        raise NotThere
    return theme


def _asked_language(request: web.Request) -> str:
    """The language that the address asks for; '' where it asks for none."""
    asked = request.query.get("lang", "")
    return asked if asked in render.POST_LANGUAGES else ""


def _path(theme: Theme | None) -> str:
    return f"/g/{theme.slug}/blog" if theme is not None else "/blog"


# --- pages


@routes.get("/blog")
@routes.get("/g/{slug}/blog")
async def front_page(request: web.Request) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    slug = request.match_info.get("slug", "")
    number, asked = page_number(request), _asked_language(request)
    language = asked or await render.language_of(request)
    async with site.database.read() as tx:
        theme = await _place(tx, slug)
        theme_id = theme.actor_id if theme is not None else None
        listed = await articles.published(tx, theme_id=theme_id, language=language, page=number, limit=PAGE)
        is_more = len(listed) == PAGE and bool(
            await articles.published(tx, theme_id=theme_id, language=language, page=number + 1, limit=PAGE)
        )
        stories = await article_view.stories(tx, listed)
        languages = await article_view.languages(tx)
        may_write = bool(who) and refusal("write-article", await standing(tx, who.actor)) is None
        themes = await groups.themes(tx) if theme is None else []
    if theme is not None and theme.slug != slug:
        raise web.HTTPFound(_path(theme))
    path = _path(theme)
    rest = f"?lang={asked}" if asked else ""
    return await render.page(
        request,
        "articles/blog.html",
        here="blog",
        theme=theme,
        group=theme.actor if theme is not None else None,
        themes=themes,
        stories=stories,
        lead=stories[0] if number == 1 and stories else None,
        page_number=number,
        is_more=is_more,
        languages=languages,
        shown_language=language,
        asked_language=asked,
        may_write=may_write,
        path=path,
        feed_path=f"{path}/feed.xml{rest}",
        json_path=f"{path}/feed.json{rest}",
        canonical=site.settings.origin + path + rest + (f"{'&' if rest else '?'}page={number}" if number > 1 else ""),
    )


# --- feeds


@dataclass(frozen=True)
class Feed:
    """What both kinds of feeds are made of. ``language`` is that in which articles are told where they are in it;
    ``query`` is how the address asked for it."""

    settings: Settings
    theme: Theme | None
    stories: list[Story]
    language: str
    words_language: str
    query: str
    updated: datetime

    @property
    def path(self) -> str:
        return _path(self.theme)

    @property
    def title(self) -> str:
        name = self.settings.name
        return name if self.theme is None else f"{render.called(self.theme.actor)} · {name}"


async def _feed(request: web.Request) -> Feed:
    """Feeds are the same for everybody: in the house's language, where the address asks for no other."""
    site: Site = request.app[SITE]
    asked = _asked_language(request)
    house_, settings = await house.shown(site.database)
    language = asked or house_.language
    async with site.database.read() as tx:
        theme = await _place(tx, request.match_info.get("slug", ""))
        listed = await articles.published(
            tx, theme_id=theme.actor_id if theme is not None else None, language=language, limit=IN_FEED
        )
        stories = await article_view.stories(tx, listed)
        since = theme.actor.created_at if theme is not None else (await groups.clerk(tx)).created_at
    return Feed(
        settings=settings,
        theme=theme,
        stories=stories,
        language=language,
        words_language=language if language in house_.languages else house_.language,
        query=f"?lang={asked}" if asked else "",
        updated=max((changed_at(story) for story in stories), default=since),
    )


def published_at(story: Story) -> datetime:
    return story.article.published_at or story.post.created_at


def changed_at(story: Story) -> datetime:
    return max(story.post.edited_at or published_at(story), published_at(story))


def stamp(moment: datetime) -> str:
    """A time as both kinds of feeds have it (RFC 3339)."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@routes.get("/blog/feed.xml")
@routes.get("/g/{slug}/blog/feed.xml")
async def atom(request: web.Request) -> web.Response:
    feed = await _feed(request)
    entries = [(story, stamp(published_at(story)), stamp(changed_at(story))) for story in feed.stories]
    written = await render.piece(
        request.app[SITE], feed.words_language, "articles/feed.xml", feed=feed, entries=entries,
        updated=stamp(feed.updated),
    )  # fmt: skip
    return _answer(request, written, "application/atom+xml", "blog.xml")


@routes.get("/blog/feed.json")
@routes.get("/g/{slug}/blog/feed.json")
async def json_feed(request: web.Request) -> web.Response:
    feed = await _feed(request)
    origin = feed.settings.origin
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": origin + feed.path + feed.query,
        "feed_url": f"{origin}{feed.path}/feed.json{feed.query}",
        "language": feed.language,
        "items": [_item(story, feed.settings) for story in feed.stories],
    }
    return _answer(request, json.dumps(document, ensure_ascii=False), "application/feed+json", "blog.json")


def _item(story: Story, settings: Settings) -> dict[str, Any]:
    author: dict[str, str] = {"name": render.called(story.author), "url": story.author.uri}
    item: dict[str, Any] = {
        "id": story.post.uri,
        "url": settings.origin + story.path,
        "title": printable(story.topic.title),
        "summary": printable(story.post.abstract),
        "content_html": printable(story.html(settings.origin)),
        "date_published": stamp(published_at(story)),
        "date_modified": stamp(changed_at(story)),
        "authors": [author],
        "tags": [render.called(theme.actor) for theme in story.themes],
        "language": story.language,
    }
    if story.picture is not None:
        item["image"] = settings.origin + story.picture.source
    return item


def _answer(request: web.Request, words: str, kind: str, name: str) -> web.Response:
    response = answer(request, printable(words).encode(), kind, name)
    response.headers["Vary"] = "Accept"
    return response
