"""Answers to invitations of ours, invitations to people here, and what calendars ask of a debate's Event."""

from __future__ import annotations

from sqlalchemy import select

from community import hosts, notifications, panels, posts, throttles
from community.db import Tx
from community.debate_models import Debate, Seat
from community.events import JoinAsked, emit
from community.models import Account, Actor, Notification
from community.policy import Refused
from federation.vocabulary import id_of, same_origin
from inbox.registry import Received, handles

INVITED_PER_DAY = 30  # by one server
PATH_MAX = 500


async def seat_of(tx: Tx, uri: str) -> Seat | None:
    """The seat that a Note of ours asks about."""
    is_ours = "/seats/" in uri and same_origin(uri, tx.settings.origin)
    return await panels.by_uri(tx, uri) if is_ours else None


async def take_answer(tx: Tx, received: Received) -> str | None:
    """A favourite of the Note that asks somebody to the panel is a yes, from exactly that person; None for what is no
    such Note. There is no taking it back by a click: for that is the page."""
    uri = id_of(received.object)
    seat = await seat_of(tx, uri) if uri else None
    if seat is None:
        return None
    if received.via is not None:
        raise Refused("told-by-another")
    is_new = await panels.answer(tx, received.actor, seat, True, activity=received.activity)
    return "seat-accepted" if is_new else "already-accepted"


@handles("Invite")
async def invite(tx: Tx, received: Received) -> str | None:
    """The clerk of another Folkmoot asks a member of ours to a panel there: what is kept of it is the link to the page
    where they answer, on the server that asks."""
    person = await tx.by_uri(Actor, id_of(received.document.get("target")) or "")
    account = await tx.get(Account, person.id) if person is not None and person.is_local else None
    if account is None or account.state != "active":
        raise Refused("not-found-here")
    link, clerk = received.document.get("url"), received.actor
    if clerk.kind != "service":
        raise Refused("not-a-clerk")
    if not isinstance(link, str) or len(link) > PATH_MAX or not same_origin(link, clerk.uri):
        raise Refused("link-elsewhere")
    if not same_origin(id_of(received.object) or "", clerk.uri):
        raise Refused("object-on-another-server")
    if not await hosts.may_notify(tx, clerk):
        raise Refused("host-is-limited")
    held = select(Notification.id).where(Notification.account_id == account.actor_id, Notification.path == link)
    if (await tx.execute(held.limit(1))).first() is not None:
        return "already-invited"
    key = f"invites:{clerk.host}"
    if await throttles.is_over(tx, key, INVITED_PER_DAY):
        raise Refused("too-many-tries")
    await throttles.count(tx, key, 24 * 60)
    notifications.tell(tx, account.actor_id, "seat", clerk.id, path=link)
    return "invited"


async def _debate_at(tx: Tx, received: Received) -> Debate:
    uri = id_of(received.object) or ""
    group = await tx.by_uri(Actor, uri.removesuffix(posts.EVENT)) if uri.endswith(posts.EVENT) else None
    debate = await tx.find(Debate, group.id) if group is not None and group.is_local else None
    if debate is None:
        raise Refused("not-found-here")
    return debate


@handles("Join")
async def join(tx: Tx, received: Received) -> str | None:
    """Debates keep no list of who comes."""
    debate = await _debate_at(tx, received)
    # What they sent besides is not sent back: it is theirs to choose how much that is.
    asked = {"id": id_of(received.document), "type": "Join", "actor": received.actor.uri}
    request = {**asked, "object": id_of(received.object)}
    await emit(tx, JoinAsked(debate, received.actor, request, activity=received.activity))
    return "join-refused"


@handles("Leave")
async def leave(tx: Tx, received: Received) -> str | None:
    await _debate_at(tx, received)
    return "nobody-is-listed"
