"""What happened. Actions emit events; subscribers only write rows, in the same transaction.

Only workers touch the network, so that nothing leaves unless the transaction that caused it has committed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from community.db import Tx
from community.models import Activity, Actor, Membership, Post, Topic


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


@dataclass(frozen=True)
class Reacted(Event):
    """A like came (``is_on``) or went; ``uri`` is that of the Like activity."""

    post: Post
    by: Actor
    is_on: bool
    uri: str


@dataclass(frozen=True)
class MembershipChanged(Event):
    """A follow of a group was accepted, refused or ended: ``what`` is accept, reject or leave."""

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
