"""The tables of the agenda: an event, the items that members propose for it, and what people said that is behind each.

An agenda is a group that people follow: each of its items is a topic in it, opened by the clerk.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Date, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from community.columns import NEVER_REUSED, Base, own_id, to
from community.models import Actor, Post, Topic


class Agenda(Base):
    """A group seen as the agenda of an event. ``opens_on`` and ``closes_on`` are days at the place (``zone``).

    ``state``: open (members propose), closed (only staff changes it) or over.
    """

    __tablename__ = "agenda"

    actor_id: Mapped[int] = to("actor.id", primary_key=True)
    name: Mapped[str]
    place: Mapped[str] = mapped_column(default="")
    link: Mapped[str] = mapped_column(default="")  # the event's own site
    map_link: Mapped[str] = mapped_column(default="")
    text_source: Mapped[str] = mapped_column(default="")
    text_html: Mapped[str] = mapped_column(default="")
    opens_on: Mapped[date] = mapped_column(Date, index=True)
    closes_on: Mapped[date] = mapped_column(Date)
    zone: Mapped[str] = mapped_column(default="UTC")
    language: Mapped[str] = mapped_column(default="en")  # that the clerk writes in
    state: Mapped[str] = mapped_column(default="open")
    last_number: Mapped[int] = mapped_column(default=0)
    article_id: Mapped[int | None] = to("post.id")  # the Article that tells how it stands
    sequence: Mapped[int] = mapped_column(default=0)  # how often its time or place was changed, for calendars
    changed_at: Mapped[datetime]

    actor: Mapped[Actor] = relationship(lazy="joined", innerjoin=True)

    def is_over(self, now: datetime) -> bool:
        """Whether staff said so, or the last day is past at the place."""
        return self.state == "over" or self.closes_on < now.astimezone(ZoneInfo(self.zone)).date()


class AgendaSession(Base):
    """A part of the event that holds items: in one room, from one hour to another."""

    __tablename__ = "agenda_session"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = own_id()
    agenda_id: Mapped[int] = to("agenda.actor_id", index=True)
    name: Mapped[str]
    room: Mapped[str] = mapped_column(default="")
    opens_at: Mapped[datetime]
    closes_at: Mapped[datetime]


class Item(Base):
    """Something to speak of at the event. ``number`` is its name for good: numbers never return.

    ``state``: proposed, shortlisted, scheduled, declined or merged. ``topic`` is where it is discussed, ``post`` its
    opener by the clerk, whose favourites are the support it has.
    """

    __tablename__ = "agenda_item"
    __table_args__ = (UniqueConstraint("agenda_id", "number"), NEVER_REUSED)

    id: Mapped[int] = own_id()
    agenda_id: Mapped[int] = to("agenda.actor_id")
    number: Mapped[int]
    title: Mapped[str]
    summary: Mapped[str] = mapped_column(default="")  # plain words
    state: Mapped[str] = mapped_column(default="proposed")
    reason: Mapped[str] = mapped_column(default="")  # why it was declined
    place: Mapped[int] = mapped_column(default=0)  # where staff put it among the others; 0 leaves it to its support
    session_id: Mapped[int | None] = to("agenda_session.id", index=True)
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    room: Mapped[str] = mapped_column(default="")
    proposer_id: Mapped[int] = to("actor.id")
    topic_id: Mapped[int | None] = to("topic.id", unique=True)
    post_id: Mapped[int | None] = to("post.id", unique=True)
    merged_into_id: Mapped[int | None] = to("agenda_item.id", index=True)
    split_from_id: Mapped[int | None] = to("agenda_item.id", index=True)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]

    agenda: Mapped[Agenda] = relationship(lazy="raise")
    proposer: Mapped[Actor] = relationship(lazy="raise")
    topic: Mapped[Topic | None] = relationship(lazy="raise")
    post: Mapped[Post | None] = relationship(lazy="raise")


class Source(Base):
    """A contribution that stands behind an item, as it was when it was cited.

    ``kind``: topic, post, argument, question, poll, debate or article. ``state``: cited; anonymous, once its author
    objected; redacted, once it is deleted. Of an anonymous one only the words are shown, of a redacted one nothing but
    that it was there; ``author_id``, ``host``, ``hash`` and ``excerpt`` are then emptied as far.
    ``via_id`` is the item that it came from by a merger or a split.
    """

    __tablename__ = "agenda_source"
    __table_args__ = (UniqueConstraint("item_id", "post_id"), NEVER_REUSED)

    id: Mapped[int] = own_id()
    item_id: Mapped[int] = to("agenda_item.id")
    post_id: Mapped[int] = to("post.id", index=True)
    kind: Mapped[str]
    author_id: Mapped[int | None] = to("actor.id", index=True)
    host: Mapped[str] = mapped_column(default="")  # '' is here
    said_at: Mapped[datetime]
    hash: Mapped[str] = mapped_column(default="")  # SHA-256 of the words
    excerpt: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="cited")
    by_id: Mapped[int] = to("actor.id")  # who cited it
    via_id: Mapped[int | None] = to("agenda_item.id")
    cited_at: Mapped[datetime]
    edited_at: Mapped[datetime | None]  # when its author changed it after that
    told_at: Mapped[datetime | None]  # when its author was told

    item: Mapped[Item] = relationship(foreign_keys=[item_id], lazy="raise")
    post: Mapped[Post] = relationship(lazy="raise")
    author: Mapped[Actor | None] = relationship(foreign_keys=[author_id], lazy="raise")


class Contributor(Base):
    """Somebody who is cited: how they are reached, and what they said about it. ``token`` is what the link ends with by
    which they object; ``has_objected`` keeps them anonymous in whatever is cited later."""

    __tablename__ = "contributor"

    actor_id: Mapped[int] = to("actor.id", primary_key=True)
    token: Mapped[str] = mapped_column(unique=True)
    told_at: Mapped[datetime | None]
    opted_out_at: Mapped[datetime | None]  # wants no more messages
    has_objected: Mapped[bool] = mapped_column(default=False)

    actor: Mapped[Actor] = relationship(lazy="raise")
