"""What happened. Actions emit events; subscribers only write rows, in the same transaction.

Only workers touch the network, so that nothing leaves unless the transaction that caused it has committed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from community.agenda_models import Agenda, Contributor, Item, Source
from community.article_models import Article
from community.db import Tx
from community.debate_models import Debate, Seat
from community.models import Activity, Actor, Ballot, Link, Membership, Poll, PollOption, Post, Quote, Report, Topic


@dataclass(frozen=True)
class Event:
    """``activity`` is the received activity behind the event, None when it happened here."""

    activity: Activity | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class PostCreated(Event):
    post: Post
    topic: Topic
    author: Actor
    mentioned: tuple[Actor, ...] = ()


@dataclass(frozen=True)
class PostEdited(Event):
    post: Post
    topic: Topic
    author: Actor
    mentioned: tuple[Actor, ...] = ()


@dataclass(frozen=True)
class PostDeleted(Event):
    """``by`` is the author or a moderator; ``reason`` is '' for the author's own wish."""

    post: Post
    topic: Topic
    author: Actor
    by: Actor
    reason: str = ""


@dataclass(frozen=True)
class TopicChanged(Event):
    """Pinned, closed, moved or retitled: ``what`` is pin, unpin, close, open, move or title."""

    topic: Topic
    by: Actor
    what: str
    old_group_id: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Reacted(Event):
    """A like (``value`` 1) or dislike (-1) came (``is_on``) or went; ``uri`` is that of the Like activity."""

    post: Post
    by: Actor
    is_on: bool
    uri: str
    value: int = 1


@dataclass(frozen=True)
class MembershipChanged(Event):
    """A follow of one of ours was accepted, refused or ended (``what`` is accept, reject or leave), or one of ours asks
    to follow somebody elsewhere (ask) or stops it (withdraw)."""

    membership: Membership
    actor: Actor
    group: Actor
    what: str
    follow: dict[str, Any] | None = None


@dataclass(frozen=True)
class ActorChanged(Event):
    """Name, biography or key of an actor of ours changed."""

    actor: Actor


@dataclass(frozen=True)
class Banned(Event):
    """Somebody was banned from a group (``is_on``) or let in again; ``until`` None is for good, ``removes_posts`` says
    that what they wrote there goes too."""

    group: Actor
    actor: Actor
    by: Actor
    is_on: bool
    reason: str = ""
    until: datetime | None = None
    removes_posts: bool = False


@dataclass(frozen=True)
class ModeratorChanged(Event):
    """Somebody became a moderator of a group or is none any more."""

    group: Actor
    actor: Actor
    by: Actor
    is_on: bool


@dataclass(frozen=True)
class Reported(Event):
    """A report came in. ``is_sent_on`` says that the home of what it is about is to hear of it too."""

    report: Report
    is_sent_on: bool = False


@dataclass(frozen=True)
class PollChanged(Event):
    """Votes came in for a poll of ours, or it closed."""

    poll: Poll
    post: Post


@dataclass(frozen=True)
class Voted(Event):
    """One of ours voted in a poll elsewhere; ``ballots`` are the new ones, one for each option."""

    poll: Poll
    post: Post
    by: Actor
    ballots: tuple[tuple[Ballot, PollOption], ...]


@dataclass(frozen=True)
class QuoteAnswered(Event):
    """Somebody elsewhere asked to quote a post of ours: ``quote`` is the permission, None where there is none."""

    post: Post
    author: Actor
    by: Actor
    request: dict[str, Any]
    quote: Quote | None


@dataclass(frozen=True)
class QuoteRevoked(Event):
    """A permission to quote a post of ours was taken back."""

    quote: Quote
    author: Actor
    by: Actor


@dataclass(frozen=True)
class Moved(Event):
    """A member of ours moves to another account elsewhere."""

    actor: Actor
    target: Actor


@dataclass(frozen=True)
class LinkChanged(Event):
    """A link between a theme of ours and a group elsewhere changed its state."""

    link: Link
    group: Actor
    other: Actor
    what: str


@dataclass(frozen=True)
class DebateChanged(Event):
    """A debate of ours came a step on or was changed: ``what`` is a step of its course (call, reminder, live,
    opening-poll, closing-poll, closed), announced, concluded, cancelled, moved, edited, panel, digest (its time has
    come) or digest-sent."""

    debate: Debate
    what: str


@dataclass(frozen=True)
class SeatChanged(Event):
    """Somebody was asked to the panel of a debate (``what`` is invited), answered (accepted, declined), or was asked no
    more (withdrawn)."""

    debate: Debate
    seat: Seat
    actor: Actor
    what: str
    by: Actor | None = None


@dataclass(frozen=True)
class JoinAsked(Event):
    """Somebody elsewhere wants to be listed among those who come to a debate: ``request`` is their activity."""

    debate: Debate
    by: Actor
    request: dict[str, Any]


@dataclass(frozen=True)
class ArticleChanged(Event):
    """An article came a step on: ``what`` is review, approved, returned, scheduled, published, edited (once it is
    published) or withdrawn."""

    article: Article
    by: Actor
    what: str


@dataclass(frozen=True)
class AgendaChanged(Event):
    """The event of an agenda was made or changed: ``what`` is made, edited, closed, opened, over or told (its Article
    was written anew)."""

    agenda: Agenda
    by: Actor
    what: str


@dataclass(frozen=True)
class ItemChanged(Event):
    """An item of an agenda was proposed, edited, shortlisted, scheduled, declined, merged, split (another was made of
    it), reopened or withdrawn; ``by`` is who did it."""

    item: Item
    agenda: Agenda
    by: Actor
    what: str


@dataclass(frozen=True)
class Cited(Event):
    """What somebody said was put behind an item."""

    source: Source
    item: Item
    agenda: Agenda
    by: Actor


@dataclass(frozen=True)
class ContributorTold(Event):
    """Somebody elsewhere is to hear that they are cited: ``text`` is the clerk's Markdown, ``link`` where they can
    object, known to them alone; ``posts`` are what they are cited with."""

    contributor: Contributor
    actor: Actor
    text: str
    language: str
    link: str
    posts: tuple[Post, ...] = ()


@dataclass(frozen=True)
class AccountAsked(Event):
    """Somebody signed up and waits for approval."""

    actor: Actor


E = TypeVar("E", bound=Event)
Subscriber = Callable[[Tx, Any], Awaitable[None]]
_subscribers: dict[type[Event], list[Subscriber]] = defaultdict(list)


def on(kind: type[E]) -> Callable[[Callable[[Tx, E], Awaitable[None]]], Callable[[Tx, E], Awaitable[None]]]:
    """Subscribe a function of (tx, event) to a kind of event; it may write rows and nothing else."""

    def register(subscriber: Callable[[Tx, E], Awaitable[None]]) -> Callable[[Tx, E], Awaitable[None]]:
        if subscriber not in _subscribers[kind]:
            _subscribers[kind].append(subscriber)
        return subscriber

    return register


async def emit(tx: Tx, event: Event) -> None:
    for subscriber in _subscribers[type(event)]:
        await subscriber(tx, event)
