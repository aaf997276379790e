"""Articles as pages show them: the stories of a front page, and the head of one above its comments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from babel.core import get_global
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from community import articles, media
from community.article_models import Article
from community.articles import Listed
from community.db import Tx
from community.media_models import Media
from community.models import Actor, Post, Theme, Topic
from community.text import with_origin
from web.render import topic_path

NEWEST = 3  # articles on the home page and beside the topics of a theme


@dataclass(frozen=True)
class Picture:
    """The picture of an article: addresses are paths on this server, width and height pixels of the larger size."""

    media: Media
    alt: str

    @property
    def source(self) -> str:
        return media.address_of(self.media)

    @property
    def sources(self) -> str:
        """All sizes with their widths, for a browser to choose from."""
        sizes = sorted(self.media.variants.items(), key=lambda size: size[1][0])
        return ", ".join(f"{media.address_of(self.media, name)} {size[0]}w" for name, size in sizes)

    @property
    def bytes(self) -> int:
        """The size of the file at ``source``."""
        return int(self.media.variants["desk"][2])


@dataclass(frozen=True)
class Translation:
    """The same article in another language."""

    language: str
    path: str

    @property
    def locale(self) -> str:
        return locale_of(self.language)


def locale_of(language: str) -> str:
    """A language as OpenGraph has it, with the country that it is most spoken in where it names none: fr_FR."""
    language, _, country = language.partition("-")
    if len(country) != 2:
        country = str(get_global("likely_subtags").get(language, "")).rpartition("_")[2]
    return f"{language}_{country.upper()}" if country else language


@dataclass(frozen=True)
class Story:
    """A published article with what is said of it in a list. ``hosts`` is the number of servers, this one included,
    that its comments came from; ``languages`` are the others that it is in."""

    article: Article
    post: Post
    topic: Topic
    themes: list[Theme]
    languages: Sequence[str]
    hosts: int = 0
    translations: list[Translation] = field(default_factory=list)

    @property
    def picture(self) -> Picture | None:
        shown = self.article.picture
        return Picture(shown, self.article.picture_alt) if shown is not None else None

    @property
    def path(self) -> str:
        return topic_path(self.topic)

    @property
    def author(self) -> Actor:
        return self.article.author

    @property
    def language(self) -> str:
        return self.post.language or self.article.language

    @property
    def locale(self) -> str:
        return locale_of(self.language)

    def html(self, origin: str) -> str:
        """The text for pages elsewhere."""
        return with_origin(self.post.html, origin)


async def _hosts(tx: Tx, topic_ids: Sequence[int]) -> dict[int, int]:
    """How many servers the replies in topics came from; those without any are left out."""
    query = (
        select(Post.topic_id, func.count(func.distinct(Actor.host)))
        .join(Actor, Actor.id == Post.author_id)
        .where(Post.topic_id.in_(topic_ids), Post.number > 1, Post.deleted_at.is_(None))
        .group_by(Post.topic_id)
    )
    return {row[0]: row[1] for row in await tx.execute(query)}


async def stories(tx: Tx, listed: Sequence[Listed]) -> list[Story]:
    """Listed articles with their posts and with how far their comments come."""
    if not listed:
        return []
    query = select(Post).options(joinedload(Post.author)).where(Post.id.in_([row.article.post_id for row in listed]))
    held = {post.id: post for post in (await tx.execute(query)).scalars()}
    hosts = await _hosts(tx, [row.topic.id for row in listed])
    return [
        Story(row.article, held[row.article.post_id], row.topic, row.themes, row.languages, hosts.get(row.topic.id, 0))
        for row in listed
        if row.article.post_id in held and row.article.author.state != "suspended"
    ]


async def newest(tx: Tx, language: str, *, theme_id: int | None = None) -> list[Story]:
    """The few articles that other pages point to."""
    return await stories(tx, await articles.published(tx, theme_id=theme_id, language=language, limit=NEWEST))


async def story_of(tx: Tx, topic: Topic, opener: Post) -> Story | None:
    """The article that a topic is about, where its opener is one. What is folded away is not to be asked for."""
    if opener.kind != "Article" or opener.author.host or opener.deleted_at is not None:
        return None
    article = await articles.of_topic(tx, topic.id)
    if article is None:
        return None
    themes = await articles.themes_of_one(tx, article.id)
    translations = [
        Translation(other.language, topic_path(other.post.topic))
        for other in await articles.translations(tx, article)
        if other.post is not None
    ]
    hosts = (await _hosts(tx, [topic.id])).get(topic.id, 0)
    return Story(article, opener, topic, themes, [each.language for each in translations], hosts, translations)


async def languages(tx: Tx) -> list[str]:
    """The languages that published articles are in."""
    query = select(Article.language).where(Article.state == "published", Article.language != "").distinct()
    return sorted((await tx.execute(query)).scalars())
