"""The tables of the blog. An article is written by editors and becomes the opener of a topic when it is published."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column, relationship

from community.columns import NEVER_REUSED, Base, own_id, to
from community.media_models import Media
from community.models import Actor, Post


class Article(Base):
    """What editors write, from the first draft on. Once it is published its post is what everybody reads, and this row
    holds what a post has no room for.

    ``state``: draft, review (waits for a second editor), approved, scheduled (goes by itself at ``publish_at``),
    published. Translations of each other have the same ``family``, the id of the one that was there first.
    """

    __tablename__ = "article"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = own_id()
    author_id: Mapped[int] = to("actor.id", index=True)
    editor_id: Mapped[int] = to("actor.id")  # who changed it last
    reviewer_id: Mapped[int | None] = to("actor.id")  # who approved it, or sent it back
    state: Mapped[str] = mapped_column(default="draft", index=True)
    title: Mapped[str] = mapped_column(default="")
    abstract: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="")
    family: Mapped[int] = mapped_column(default=0, index=True)
    picture_id: Mapped[int | None] = to("media.id")
    picture_alt: Mapped[str] = mapped_column(default="")  # in the language of the article
    note: Mapped[str] = mapped_column(default="")  # what the second editor said when it was sent back
    post_id: Mapped[int | None] = to("post.id", unique=True)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    publish_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None] = mapped_column(index=True)

    author: Mapped[Actor] = relationship(foreign_keys=[author_id], lazy="joined", innerjoin=True)
    picture: Mapped[Media | None] = relationship(lazy="joined")
    post: Mapped[Post | None] = relationship(lazy="raise")


class ArticleTheme(Base):
    """A theme that an article belongs to. The one at place 0 holds its topic, the others pass it on and list it."""

    __tablename__ = "article_theme"

    article_id: Mapped[int] = to("article.id", primary_key=True)
    theme_id: Mapped[int] = to("actor.id", primary_key=True, index=True)
    place: Mapped[int]
