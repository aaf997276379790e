"""What there is of the blog: an article by its topic, its themes and translations, the lists of readers and editors.

``articles`` hands all of this on: whoever reads or writes articles asks there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import joinedload

from community import media
from community.article_models import Article, ArticleTheme
from community.db import Tx
from community.media_models import Media
from community.models import Actor, Membership, Post, Theme, Topic

PAGE = 12


@dataclass(frozen=True)
class Listed:
    """A published article as a row of a list; ``languages`` are the others that it can be read in. Its topic has its
    group loaded."""

    article: Article
    topic: Topic
    themes: list[Theme]
    languages: list[str]


async def find(tx: Tx, article_id: int) -> Article | None:
    return await tx.get(Article, article_id)


def _is_read() -> Any:
    """Published, and nobody took the opener or its topic away. The query has to join both."""
    return (
        (Article.state == "published")
        & Post.deleted_at.is_(None)
        & (Post.hidden_reason == "")
        & Topic.deleted_at.is_(None)
        & (Topic.hidden_reason == "")
    )


async def of_topic(tx: Tx, topic_id: int) -> Article | None:
    """The published article that this topic is about."""
    query = select(Article).join(Post, Post.id == Article.post_id).where(Post.topic_id == topic_id, Post.number == 1)
    return (await tx.execute(query)).scalar_one_or_none()


async def themes_of(tx: Tx, article_ids: Iterable[int]) -> dict[int, list[Theme]]:
    """The themes of articles, the one with the topic first."""
    found: dict[int, list[Theme]] = {}
    rows = await tx.execute(
        select(ArticleTheme.article_id, Theme)
        .join(Theme, Theme.actor_id == ArticleTheme.theme_id)
        .where(ArticleTheme.article_id.in_(list(article_ids)))
        .order_by(ArticleTheme.article_id, ArticleTheme.place)
    )
    for article_id, theme in rows:
        found.setdefault(article_id, []).append(theme)
    return found


async def themes_of_one(tx: Tx, article_id: int) -> list[Theme]:
    """The same of one article."""
    return (await themes_of(tx, [article_id])).get(article_id, [])


async def translations(tx: Tx, article: Article) -> list[Article]:
    """The others of its family that are published, with their posts and topics."""
    query = (
        select(Article)
        .join(Post, Post.id == Article.post_id)
        .join(Topic, Topic.id == Post.topic_id)
        .options(joinedload(Article.post).joinedload(Post.topic))
        .where(Article.family == article.family, Article.id != article.id, _is_read())
        .order_by(Article.language, Article.id)
    )
    return list((await tx.execute(query)).scalars())


async def family_of(tx: Tx, article: Article) -> list[Article]:
    """All of its family in every state, itself too, the original first."""
    query = select(Article).where(Article.family == article.family).order_by(Article.id)
    return list((await tx.execute(query)).scalars())


async def published(
    tx: Tx, *, theme_id: int | None = None, language: str = "", page: int = 1, limit: int = PAGE
) -> list[Listed]:
    """Articles for a list, the newest first: one of each family, in ``language`` where there is one, else the original
    or the oldest that is out."""
    rank = func.row_number().over(
        partition_by=Article.family, order_by=(case((Article.language == language, 0), else_=1), Article.id)
    )
    inner = (
        select(Article.id, rank.label("rank"))
        .join(Post, Post.id == Article.post_id)
        .join(Topic, Topic.id == Post.topic_id)
        .where(_is_read())
    )
    if theme_id is not None:
        inner = inner.where(Article.id.in_(select(ArticleTheme.article_id).where(ArticleTheme.theme_id == theme_id)))
    best = inner.subquery()
    rows = await tx.execute(
        select(Article, Topic)
        .join(best, best.c.id == Article.id)
        .join(Post, Post.id == Article.post_id)
        .join(Topic, Topic.id == Post.topic_id)
        .options(joinedload(Topic.group), joinedload(Topic.author))
        .where(best.c.rank == 1)
        .order_by(Article.published_at.desc(), Article.id.desc())
        .offset((page - 1) * limit)
        .limit(limit)
    )
    found = [(article, topic) for article, topic in rows]
    themes = await themes_of(tx, [article.id for article, _ in found])
    spoken: dict[int, list[str]] = {}
    others = await tx.execute(
        select(Article.family, Article.language)
        .join(Post, Post.id == Article.post_id)
        .join(Topic, Topic.id == Post.topic_id)
        .where(Article.family.in_([article.family for article, _ in found]), _is_read())
        .order_by(Article.language)
    )
    for family, code in others:
        spoken.setdefault(family, []).append(code)
    return [
        Listed(
            article, topic, themes.get(article.id, []),
            [code for code in spoken.get(article.family, []) if code != article.language],
        )
        for article, topic in found
    ]  # fmt: skip


async def desk(tx: Tx, *, limit: int = 200) -> list[Article]:
    """What editors work on, and the latest that is out; what was changed last is first."""
    query = select(Article).order_by(Article.state == "published", Article.changed_at.desc(), Article.id.desc())
    return list((await tx.execute(query.limit(limit))).scalars())


async def reach(tx: Tx, article: Article) -> int:
    """How many other servers it goes to: those that follow one of its themes or its author."""
    followed = [article.author_id, *(theme.actor_id for theme in await themes_of_one(tx, article.id))]
    query = (
        select(func.count(func.distinct(Actor.host)))
        .select_from(Membership)
        .join(Actor, Actor.id == Membership.actor_id)
        .where(Membership.group_id.in_(followed), Membership.state == "accepted", Actor.host != "")
    )
    return (await tx.execute(query)).scalar_one()


async def covers(tx: Tx, post_ids: Iterable[int]) -> dict[int, media.Shown]:
    """The pictures of articles, by the id of the opener; ``alt`` is what the article says of it."""
    rows = await tx.execute(
        select(Article.post_id, Media, Article.picture_alt)
        .join(Media, Media.id == Article.picture_id)
        .where(Article.post_id.in_(list(post_ids)))
    )
    return {post_id: media.Shown(picture, alt) for post_id, picture, alt in rows if post_id is not None}
