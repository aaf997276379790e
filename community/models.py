"""The tables. Integer keys inside, URIs outside; all times aware and UTC. Those of debates,
articles, agendas and pictures stand in ``debate_models``, ``article_models``, ``agenda_models`` and ``media_models``.

An *actor* is who somebody is; an *account* is that they can log in here. Local members, remote members, themes and
other servers' groups are rows of one table.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from community.columns import NEVER_REUSED, Base, own_id, to


class Actor(Base):
    """Whoever can act: people, themes, the clerk, the instance; here or on another server (``host`` is '' here)."""

    __tablename__ = "actor"
    __table_args__ = (
        # One space of names for people and groups here; elsewhere (Lemmy) a person and a group may share one.
        Index(
            "uq_actor_local_handle",
            "handle",
            unique=True,
            sqlite_where=text("host = ''"),
            postgresql_where=text("host = ''"),
        ),
        Index("ix_actor_handle_host", "handle", "host"),
        NEVER_REUSED,
    )

    id: Mapped[int] = own_id()
    uri: Mapped[str] = mapped_column(unique=True)
    url: Mapped[str] = mapped_column(default="")
    kind: Mapped[str]  # person, group, service, application
    handle: Mapped[str]
    host: Mapped[str] = mapped_column(default="", index=True)
    name: Mapped[str] = mapped_column(default="")
    summary_html: Mapped[str] = mapped_column(default="")
    summary_source: Mapped[str] = mapped_column(default="")
    avatar_url: Mapped[str] = mapped_column(default="")
    profession: Mapped[str] = mapped_column(default="")
    organisation: Mapped[str] = mapped_column(default="")
    city: Mapped[str] = mapped_column(default="")
    is_vip: Mapped[bool] = mapped_column(default=False)
    inbox: Mapped[str] = mapped_column(default="")
    shared_inbox: Mapped[str] = mapped_column(default="")
    outbox: Mapped[str] = mapped_column(default="")
    followers_uri: Mapped[str] = mapped_column(default="")
    moderators_uri: Mapped[str] = mapped_column(default="")  # of a group elsewhere
    featured_uri: Mapped[str] = mapped_column(default="")
    key_id: Mapped[str] = mapped_column(default="", index=True)
    public_key: Mapped[str] = mapped_column(default="")
    # The Ed25519 key for proofs inside documents (FEP-521a): id and Multikey; '' where an actor has none.
    proof_key_id: Mapped[str] = mapped_column(default="", index=True)
    proof_key: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="active")  # active, pending (not let in yet), suspended, gone
    moved_to: Mapped[str] = mapped_column(default="")
    moved_at: Mapped[datetime | None]
    also_known_as: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    created_at: Mapped[datetime]
    fetched_at: Mapped[datetime | None]

    @property
    def is_local(self) -> bool:
        return self.host == ""


class Account(Base):
    """That somebody can log in here."""

    __tablename__ = "account"

    actor_id: Mapped[int] = to("actor.id", primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    state: Mapped[str] = mapped_column(default="active")  # active, pending, suspended
    site_role: Mapped[str] = mapped_column(default="member")  # member, editor, moderator, admin
    language: Mapped[str] = mapped_column(default="")
    timezone: Mapped[str] = mapped_column(default="UTC")
    look: Mapped[str] = mapped_column(default="")  # '' follows the system, light, dark
    application: Mapped[str] = mapped_column(default="")  # what a person asking for approval wrote
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]

    actor: Mapped[Actor] = relationship(lazy="joined", innerjoin=True)


class Keypair(Base):
    """The private key of an actor of ours, encrypted with the instance's secret."""

    __tablename__ = "keypair"

    actor_id: Mapped[int] = to("actor.id", primary_key=True)
    private_key: Mapped[str]
    proof_private_key: Mapped[str] = mapped_column(default="")


class Session(Base):
    """A device that is signed in; only the hash of its token is kept."""

    __tablename__ = "session"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = own_id()
    token_hash: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = to("account.actor_id", index=True)
    device: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class Host(Base):
    """Another server: what it runs, how it is, what we think of it.

    ``state`` is open, limited (its topics and people are in no public list) or blocked. Deliveries fail since
    ``failing_since``; while ``retry_after`` is ahead nothing is tried; ``given_up_at`` ends all tries until the server
    sends us something signed.
    """

    __tablename__ = "host"

    name: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="open")
    reason: Mapped[str] = mapped_column(default="")  # why staff gave it that state
    software: Mapped[str] = mapped_column(default="")  # '' unknown, else the NodeInfo name
    failures: Mapped[int] = mapped_column(default=0)
    retry_after: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    reached_at: Mapped[datetime | None]  # the last delivery that it took
    heard_at: Mapped[datetime | None]  # the last signed activity from it
    last_error: Mapped[str] = mapped_column(default="")
    signature_style: Mapped[str] = mapped_column(default="cavage")
    checked_at: Mapped[datetime | None]


class Theme(Base):
    """A place that holds topics: a group seen as a forum. Groups elsewhere that are followed or linked from here have
    a row as well (``slug`` is then handle@host), and so have followed people, whose posts are the topics of it."""

    __tablename__ = "theme"

    actor_id: Mapped[int] = to("actor.id", primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    colour: Mapped[str] = mapped_column(default="#0b5a52")
    position: Mapped[int] = mapped_column(default=0)
    rules_source: Mapped[str] = mapped_column(default="")
    rules_html: Mapped[str] = mapped_column(default="")
    object_type: Mapped[str] = mapped_column(default="Note")  # Note or Article: what its topics are on the wire
    topic_count: Mapped[int] = mapped_column(default=0)
    post_count: Mapped[int] = mapped_column(default=0)
    last_post_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]  # when the outbox of a place elsewhere was last read

    actor: Mapped[Actor] = relationship(lazy="joined", innerjoin=True)


class Membership(Base):
    """An actor in a group: a local member, a remote follower, and one of ours who follows a group or person elsewhere
    alike (``pending`` until the other side answers). A row outlives an unfollow (``left``), so that edits and removals
    still reach those who received the original."""

    __tablename__ = "membership"
    __table_args__ = (Index("ix_membership_group_state", "group_id", "state"),)

    actor_id: Mapped[int] = to("actor.id", primary_key=True)
    group_id: Mapped[int] = to("actor.id", primary_key=True)
    role: Mapped[str] = mapped_column(default="member")  # member, panel, host, moderator, owner, banned
    state: Mapped[str] = mapped_column(default="accepted")  # pending, accepted, rejected, left
    follow_uri: Mapped[str] = mapped_column(default="")
    banned_until: Mapped[datetime | None]  # None with the role banned: for good
    created_at: Mapped[datetime]


class Topic(Base):
    __tablename__ = "topic"
    __table_args__ = (
        Index("ix_topic_group_id_last_post_at", "group_id", "last_post_at"),
        Index("ix_topic_last_post_at", "last_post_at"),
        NEVER_REUSED,
    )

    id: Mapped[int] = own_id()
    group_id: Mapped[int] = to("actor.id")
    author_id: Mapped[int] = to("actor.id", index=True)
    title: Mapped[str]
    title_is_generated: Mapped[bool] = mapped_column(default=False)
    context_uri: Mapped[str] = mapped_column(default="")
    closed_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]  # of a debate's floor: from then on only its panel and hosts write
    pinned_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    hidden_reason: Mapped[str] = mapped_column(default="")  # why staff here took a topic from elsewhere out of view
    checked_at: Mapped[datetime | None]  # when the whole thread was last looked for at its home
    count_elsewhere: Mapped[int | None]  # how many posts its home said that there are
    last_number: Mapped[int] = mapped_column(default=0)
    reply_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    last_post_at: Mapped[datetime]

    group: Mapped[Actor] = relationship(foreign_keys=[group_id], lazy="raise")
    author: Mapped[Actor] = relationship(foreign_keys=[author_id], lazy="raise")


class Post(Base):
    """An opener (number 1) or a reply. Deleting empties the row and keeps it: its number and uri never return."""

    __tablename__ = "post"
    __table_args__ = (
        UniqueConstraint("topic_id", "number"),
        Index("ix_post_topic_id_position", "topic_id", "position"),
        NEVER_REUSED,
    )

    id: Mapped[int] = own_id()
    topic_id: Mapped[int] = to("topic.id")
    number: Mapped[int]
    uri: Mapped[str] = mapped_column(unique=True)
    url: Mapped[str] = mapped_column(default="", index=True)
    kind: Mapped[str] = mapped_column(default="Note")  # the object's type on the wire
    author_id: Mapped[int] = to("actor.id", index=True)
    reply_to_id: Mapped[int | None] = to("post.id", index=True)
    warning: Mapped[str] = mapped_column(default="")  # folds the text: the summary of a Note
    source: Mapped[str] = mapped_column(default="")  # Markdown; posts from elsewhere keep html only
    html: Mapped[str] = mapped_column(default="")
    abstract: Mapped[str] = mapped_column(default="", server_default="")  # of an Article: plain words
    language: Mapped[str] = mapped_column(default="")
    like_count_here: Mapped[int] = mapped_column(default=0)
    like_count_elsewhere: Mapped[int] = mapped_column(default=0)
    dislike_count: Mapped[int] = mapped_column(default=0)
    # For a post from here in a group elsewhere: waiting until that group announces it, accepted, refused; '' at home.
    acceptance: Mapped[str] = mapped_column(default="")
    hidden_reason: Mapped[str] = mapped_column(default="")  # why staff here took a post from elsewhere out of view
    quote_uri: Mapped[str] = mapped_column(default="")  # the post that this one quotes
    # In a debate: for, against or question, by itself or as the post that it answers; and what an institutional post is
    # there for: motion, stub, reminder, live, opening-poll, closing-poll, card, notice, closed, conclusion, cancelled,
    # moved; of an agenda: item, agenda.
    position: Mapped[str] = mapped_column(default="", server_default="")
    part: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    deleted_reason: Mapped[str] = mapped_column(default="")  # '' the author's own wish, else why it was removed

    topic: Mapped[Topic] = relationship(lazy="raise")
    author: Mapped[Actor] = relationship(lazy="raise")
    reply_to: Mapped[Post | None] = relationship(remote_side=[id], lazy="raise")


class Revision(Base):
    """A post as it was before an edit."""

    __tablename__ = "revision"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = own_id()
    post_id: Mapped[int] = to("post.id", index=True)
    title: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="")
    html: Mapped[str] = mapped_column(default="")
    written_at: Mapped[datetime]
    replaced_at: Mapped[datetime]


class Mention(Base):
    __tablename__ = "mention"

    post_id: Mapped[int] = to("post.id", primary_key=True)
    actor_id: Mapped[int] = to("actor.id", primary_key=True, index=True)

    post: Mapped[Post] = relationship(lazy="raise")


class Reaction(Base):
    """A like (``value`` 1) or dislike (-1): at most one of an actor on a post."""

    __tablename__ = "reaction"

    post_id: Mapped[int] = to("post.id", primary_key=True)
    actor_id: Mapped[int] = to("actor.id", primary_key=True, index=True)
    uri: Mapped[str] = mapped_column(default="", index=True)
    value: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]


class Poll(Base):
    """The question of a post, here or elsewhere. Of a poll elsewhere the tallies are those that its home tells."""

    __tablename__ = "poll"

    post_id: Mapped[int] = to("post.id", primary_key=True)
    is_multiple: Mapped[bool] = mapped_column(default=False)
    closes_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    voters_here: Mapped[int] = mapped_column(default=0)
    voters_elsewhere: Mapped[int] = mapped_column(default=0)

    post: Mapped[Post] = relationship(lazy="raise")


class PollOption(Base):
    __tablename__ = "poll_option"
    __table_args__ = (UniqueConstraint("post_id", "position"), NEVER_REUSED)

    id: Mapped[int] = own_id()
    post_id: Mapped[int] = to("poll.post_id")
    position: Mapped[int]
    name: Mapped[str]
    votes_here: Mapped[int] = mapped_column(default=0)
    votes_elsewhere: Mapped[int] = mapped_column(default=0)


class Ballot(Base):
    """One choice of one actor; published only as sums."""

    __tablename__ = "ballot"

    post_id: Mapped[int] = to("poll.post_id", primary_key=True)
    actor_id: Mapped[int] = to("actor.id", primary_key=True, index=True)
    option_id: Mapped[int] = to("poll_option.id", primary_key=True)
    uri: Mapped[str] = mapped_column(default="", index=True)
    created_at: Mapped[datetime]


class Quote(Base):
    """That somebody elsewhere may quote a post of ours (FEP-044f): what ``/q/{id}`` attests until it is revoked."""

    __tablename__ = "quote"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = own_id()
    post_id: Mapped[int] = to("post.id", index=True)
    quoting_uri: Mapped[str] = mapped_column(unique=True)
    actor_id: Mapped[int] = to("actor.id")
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    post: Mapped[Post] = relationship(lazy="raise")


class Report(Base):
    """Somebody, here or elsewhere, asks staff to look at a person or at posts."""

    __tablename__ = "report"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = own_id()
    uri: Mapped[str | None] = mapped_column(unique=True)  # of the Flag
    reporter_id: Mapped[int] = to("actor.id")
    about_id: Mapped[int | None] = to("actor.id")
    post_id: Mapped[int | None] = to("post.id", index=True)  # the first of the posts that it names
    group_id: Mapped[int | None] = to("actor.id", index=True)
    reason: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="open", index=True)  # open, resolved, dismissed
    created_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolved_by_id: Mapped[int | None] = to("actor.id")

    reporter: Mapped[Actor] = relationship(foreign_keys=[reporter_id], lazy="raise")
    about: Mapped[Actor | None] = relationship(foreign_keys=[about_id], lazy="raise")
    post: Mapped[Post | None] = relationship(lazy="raise")


class Link(Base):
    """A theme of ours and a group elsewhere that show each other's topics.

    ``state``: proposed (we asked), asked (they asked), linked, paused (by us), declined (by either), ended.
    ``is_paused_there`` says that the other side withdrew its follow for now.
    """

    __tablename__ = "link"

    group_id: Mapped[int] = to("actor.id", primary_key=True)
    other_id: Mapped[int] = to("actor.id", primary_key=True, index=True)
    state: Mapped[str]
    is_paused_there: Mapped[bool] = mapped_column(default=False)
    by_id: Mapped[int | None] = to("actor.id")
    reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    group: Mapped[Actor] = relationship(foreign_keys=[group_id], lazy="raise")
    other: Mapped[Actor] = relationship(foreign_keys=[other_id], lazy="raise")
    by: Mapped[Actor | None] = relationship(foreign_keys=[by_id], lazy="raise")


class Tombstone(Base):
    """The uri of a deleted thing that we never held: if it arrives late, it is refused."""

    __tablename__ = "tombstone"

    uri: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class Notification(Base):
    __tablename__ = "notification"
    __table_args__ = (Index("ix_notification_account_id_read_at", "account_id", "read_at"), NEVER_REUSED)

    id: Mapped[int] = own_id()
    account_id: Mapped[int] = to("account.actor_id")
    # reply, mention, like, approved, sign-up, report, link, follow, moved, refused; of debates: seat, seat-answered,
    # debate, debate-made, question-accepted (-merged, -declined, -answered), digest; of articles: article-review,
    # article-approved, article-returned, article-published, article-held; of agendas: cited, item-shortlisted
    # (-scheduled, -declined, -merged)
    kind: Mapped[str]
    actor_id: Mapped[int | None] = to("actor.id")
    post_id: Mapped[int | None] = to("post.id", index=True)
    path: Mapped[str] = mapped_column(default="", server_default="")  # where it leads, if not to the post or actor
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]

    actor: Mapped[Actor | None] = relationship(lazy="raise")
    post: Mapped[Post | None] = relationship(lazy="raise")


class Reading(Base):
    """How far an account has read a topic."""

    __tablename__ = "reading"

    account_id: Mapped[int] = to("account.actor_id", primary_key=True)
    topic_id: Mapped[int] = to("topic.id", primary_key=True)
    last_number: Mapped[int] = mapped_column(default=0)
    seen_at: Mapped[datetime]


class Draft(Base):
    """What somebody is writing: ``place`` is theme:SLUG or topic:ID."""

    __tablename__ = "draft"

    account_id: Mapped[int] = to("account.actor_id", primary_key=True)
    place: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="")
    saved_at: Mapped[datetime]


class LogEntry(Base):
    """What staff did, why; append only."""

    __tablename__ = "log_entry"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = own_id()
    at: Mapped[datetime]
    actor_id: Mapped[int] = to("actor.id")
    action: Mapped[str]
    group_id: Mapped[int | None] = to("actor.id")
    topic_id: Mapped[int | None] = to("topic.id")
    post_id: Mapped[int | None] = to("post.id")
    about_id: Mapped[int | None] = to("actor.id")
    reason: Mapped[str] = mapped_column(default="")

    actor: Mapped[Actor] = relationship(foreign_keys=[actor_id], lazy="raise")
    topic: Mapped[Topic | None] = relationship(lazy="raise")
    post: Mapped[Post | None] = relationship(lazy="raise")


class Activity(Base):
    """An activity exactly as it crossed the wire, and what became of it: the audit trail and the groups' outbox."""

    __tablename__ = "activity"
    __table_args__ = (
        Index("ix_activity_actor_uri_type", "actor_uri", "type"),
        Index(
            "ix_activity_unproven",
            "id",
            sqlite_where=text("envelope IS NOT NULL AND outcome = ''"),
            postgresql_where=text("envelope IS NOT NULL AND outcome = ''"),
        ),
        NEVER_REUSED,
    )

    id: Mapped[int] = own_id()
    uri: Mapped[str] = mapped_column(unique=True)
    direction: Mapped[str]  # in, out
    type: Mapped[str]
    actor_uri: Mapped[str]
    object_uri: Mapped[str] = mapped_column(default="", index=True)
    document: Mapped[str]
    # Method, path and headers of a request not verified yet; or forwarded_by, where another server signed it.
    envelope: Mapped[dict[str, Any] | None]
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(default="")  # '' not processed yet
    sent_count: Mapped[int] = mapped_column(default=0)
    failed_count: Mapped[int] = mapped_column(default=0)


class Job(Base):
    """Something to do later, once. Jobs of one ``lane`` (a host) wait together after a failure; jobs of one ``line``
    are done one after the other in the order of their ids."""

    __tablename__ = "job"
    __table_args__ = (
        Index(
            "ix_job_due",
            "run_at",
            postgresql_where=text("failed_at IS NULL"),
            sqlite_where=text("failed_at IS NULL"),
        ),
        Index("ix_job_line", "line", "id"),
        Index("ix_job_lane", "lane"),
        NEVER_REUSED,
    )

    id: Mapped[int] = own_id()
    kind: Mapped[str]
    key: Mapped[str | None] = mapped_column(unique=True)
    lane: Mapped[str] = mapped_column(default="")
    line: Mapped[str | None]
    argument: Mapped[dict[str, Any]]
    run_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(default="")
    failed_at: Mapped[datetime | None]


class Signal(Base):
    """How processes on one SQLite file tell each other what changed (PostgreSQL has NOTIFY for it)."""

    __tablename__ = "signal"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = own_id()
    body: Mapped[str]
    at: Mapped[datetime]


class Throttle(Base):
    """How often something was tried within a window of time."""

    __tablename__ = "throttle"

    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    until: Mapped[datetime]


class Fact(Base):
    """A single thing to remember about this instance, such as the hash of the first admin's link."""

    __tablename__ = "fact"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
