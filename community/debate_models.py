"""The tables of debates. A debate is a group that people follow for that debate alone; its one topic is the floor."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from community.columns import NEVER_REUSED, Base, own_id, to
from community.models import Actor, Post, Topic


class Series(Base):
    """A rule that makes one debate after the other.

    ``rule`` is an RRULE of RFC 5545 whose first date is ``first_at``, a wall-clock time in ``zone`` (ISO 8601 without
    offset): so daylight saving moves nothing. ``exceptions`` has a date of the rule (YYYY-MM-DD) for each occurrence
    that is dropped ('') or moved (to an ISO 8601 time with offset). ``motion`` and ``text`` are the template; {date}
    and {month} in them stand for those of the occurrence.
    """

    __tablename__ = "series"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = own_id()
    theme_id: Mapped[int] = to("actor.id", index=True)
    name: Mapped[str]
    prefix: Mapped[str]  # what the handles of its debates begin with
    motion: Mapped[str]
    text: Mapped[str] = mapped_column(default="")
    rule: Mapped[str]
    first_at: Mapped[str]
    zone: Mapped[str]
    minutes: Mapped[int]
    announce_days: Mapped[int]  # how long before its date a debate is made
    call_days: Mapped[int]  # how long before it questions are called for; 0 for no call
    digest_days: Mapped[int]  # how long after it the digest goes; 0 for none
    languages: Mapped[list[str]] = mapped_column(default=list)
    host_ids: Mapped[list[int]] = mapped_column(JSON, default=list)  # who is invited as host each time
    exceptions: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    sequence: Mapped[int] = mapped_column(default=0)  # how often it was changed, for calendars
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    theme: Mapped[Actor] = relationship(lazy="raise")


class Debate(Base):
    """A group seen as a debate. Of a debate elsewhere it is what its home says of it.

    ``state``: announced, call, live, closed, concluded, cancelled. ``steps`` names what of its course is done.
    """

    __tablename__ = "debate"
    __table_args__ = (UniqueConstraint("series_id", "occurrence"),)

    actor_id: Mapped[int] = to("actor.id", primary_key=True)
    theme_id: Mapped[int | None] = to("actor.id", index=True)
    series_id: Mapped[int | None] = to("series.id", index=True)
    occurrence: Mapped[str | None]  # the date that the series' rule gives it
    topic_id: Mapped[int | None] = to("topic.id", index=True)  # the floor
    motion: Mapped[str]
    text_source: Mapped[str] = mapped_column(default="")
    text_html: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="announced", index=True)
    call_at: Mapped[datetime | None]
    opens_at: Mapped[datetime] = mapped_column(index=True)
    closes_at: Mapped[datetime]
    digest_at: Mapped[datetime | None]
    zone: Mapped[str] = mapped_column(default="UTC")
    languages: Mapped[list[str]] = mapped_column(default=list)
    steps: Mapped[list[str]] = mapped_column(default=list)
    reason: Mapped[str] = mapped_column(default="")  # why it was cancelled or moved
    conclusion_source: Mapped[str] = mapped_column(default="")
    conclusion_html: Mapped[str] = mapped_column(default="")
    proposals: Mapped[list[str]] = mapped_column(default=list, server_default="[]")  # for the agenda, one title each
    digest_title: Mapped[str] = mapped_column(default="")
    digest_summary: Mapped[str] = mapped_column(default="")
    digest_source: Mapped[str] = mapped_column(default="")
    digest_state: Mapped[str] = mapped_column(default="")  # '' none yet, draft, ready (goes at digest_at), sent
    digest_post_id: Mapped[int | None] = to("post.id")
    digest_editor_id: Mapped[int | None] = to("actor.id")  # who changed the draft last; None: it is as it was made
    sequence: Mapped[int] = mapped_column(default=0)  # how often its time or place was changed, for calendars
    changed_at: Mapped[datetime]

    actor: Mapped[Actor] = relationship(foreign_keys=[actor_id], lazy="joined", innerjoin=True)
    theme: Mapped[Actor | None] = relationship(foreign_keys=[theme_id], lazy="joined")
    topic: Mapped[Topic | None] = relationship(lazy="raise")

    @property
    def language(self) -> str:
        """The language that the clerk writes in."""
        return self.languages[0] if self.languages else "en"


class Seat(Base):
    """Somebody, here or elsewhere, is asked to be on the panel of a debate or to host it. ``token`` is what their
    invitation's link ends with."""

    __tablename__ = "seat"

    debate_id: Mapped[int] = to("debate.actor_id", primary_key=True)
    actor_id: Mapped[int] = to("actor.id", primary_key=True, index=True)
    role: Mapped[str]  # host, panel
    state: Mapped[str] = mapped_column(default="invited")  # invited, accepted, declined, withdrawn
    token: Mapped[str] = mapped_column(default="", index=True)
    uri: Mapped[str] = mapped_column(default="", index=True)  # of the Note that asks somebody elsewhere
    by_id: Mapped[int | None] = to("actor.id")  # who asked them, and is told of their answer
    invited_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]

    actor: Mapped[Actor] = relationship(foreign_keys=[actor_id], lazy="joined", innerjoin=True)


class Question(Base):
    """A question in the queue of a debate: what was asked (``post``), the clerk's card for it, its answer."""

    __tablename__ = "question"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = own_id()
    debate_id: Mapped[int] = to("debate.actor_id", index=True)
    post_id: Mapped[int] = to("post.id", unique=True)
    asker_id: Mapped[int] = to("actor.id", index=True)
    state: Mapped[str] = mapped_column(default="asked")  # asked, accepted, answered, declined, merged
    number: Mapped[int] = mapped_column(default=0)  # of its card: Q1, Q2 …; 0 before it has one
    place: Mapped[int] = mapped_column(default=0)  # where the host put it in the order; 0 leaves it to the votes
    reason: Mapped[str] = mapped_column(default="")
    merged_into_id: Mapped[int | None] = to("question.id")
    card_id: Mapped[int | None] = to("post.id", unique=True)
    answer_id: Mapped[int | None] = to("post.id")
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]

    post: Mapped[Post] = relationship(foreign_keys=[post_id], lazy="raise")
    asker: Mapped[Actor] = relationship(lazy="raise")
    card: Mapped[Post | None] = relationship(foreign_keys=[card_id], lazy="raise")
    answer: Mapped[Post | None] = relationship(foreign_keys=[answer_id], lazy="raise")
