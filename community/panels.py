"""Who hosts a debate and who sits on its panel: people here or elsewhere, who are asked and answer for themselves."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from community import debates, notifications, throttles
from community.db import Tx
from community.debate_models import Debate, Seat
from community.events import DebateChanged, SeatChanged, emit
from community.members import Invalid
from community.models import Account, Activity, Actor, Host, Membership, Notification
from community.policy import Refused, Standing, refusal, standing, state_of_host

ROLES = ("host", "panel")
# Every invitation is a message to somebody, who need not know us at all.
INVITED_AT_MOST, INVITED_WITHIN = 50, timedelta(days=1)


async def by_token(tx: Tx, token: str) -> Seat | None:
    """The seat that an invitation's link is about."""
    return (await tx.execute(select(Seat).where(Seat.token == token))).scalar_one_or_none() if token else None


async def by_uri(tx: Tx, uri: str) -> Seat | None:
    """The seat that the Note with this id asks about."""
    return (await tx.execute(select(Seat).where(Seat.uri == uri))).scalar_one_or_none() if uri else None


# --- Asking ----------------------------------------------------------------------------------------------------------


def refusal_to_seat(role: str, in_theme: Standing, in_debate: Standing, debate: Debate) -> str | None:
    """Why somebody may not give or take such a seat: whoever arranges debates does all of them, a host the panel's."""
    reason = refusal("arrange", in_theme, debate)
    if reason is None or role == "host":
        return reason
    return refusal("host", in_debate, debate)


async def _require(tx: Tx, by: Actor, debate: Debate, role: str) -> None:
    if role not in ROLES:
        raise Invalid(role="role-unknown")
    if not debate.actor.is_local:
        raise Refused("debate-is-elsewhere")
    in_theme = await debates.in_theme(tx, by, debate)
    reason = refusal_to_seat(role, in_theme, await standing(tx, by, debate.actor_id), debate)
    if reason is not None:
        raise Refused(reason)


async def _refusal_of(tx: Tx, debate: Debate, actor: Actor) -> str | None:
    """Why somebody cannot be asked."""
    if actor.kind != "person":
        return "not-a-person"
    if actor.state != "active":
        return {"suspended": "person-is-suspended", "gone": "person-is-gone"}.get(actor.state, "person-is-not-in-yet")
    if actor.moved_to:
        return "person-has-moved"
    if actor.host and await state_of_host(tx, actor.host) == "blocked":
        return "host-is-blocked"
    for group_id in (debate.actor_id, debate.theme_id):
        if group_id is not None and (await standing(tx, actor, group_id)).role == "banned":
            return "they-are-banned"
    return None


async def invite(tx: Tx, by: Actor, debate: Debate, actor: Actor, role: str) -> Seat:
    """Ask somebody to host a debate (``role`` host) or to its panel (panel).

    Whoever declined, or was asked no more, can be asked anew, with a new link. Raises Invalid, Refused.
    """
    by, actor = await tx.own(by), await tx.own(actor)
    debate = await tx.lock(Debate, debate.actor_id)
    await _require(tx, by, debate, role)
    reason = debates.refusal_when_over(debate, tx.now) or await _refusal_of(tx, debate, actor)
    seat = await tx.get(Seat, (debate.actor_id, actor.id))
    if reason is None and seat is not None and seat.state in ("invited", "accepted"):
        reason = "has-a-seat" if seat.state == "accepted" else "is-invited"
    key = f"seats:{debate.actor_id}"
    if reason is None and await throttles.is_over(tx, key, INVITED_AT_MOST):
        reason = "too-many-invitations"
    if reason is not None:
        raise Refused(reason)
    await throttles.count(tx, key, round(INVITED_WITHIN.total_seconds() / 60))
    if seat is None:
        seat = Seat(debate_id=debate.actor_id, actor_id=actor.id, uri="")
        seat.actor = actor
        tx.add(seat)
    seat.role, seat.state, seat.token = role, "invited", secrets.token_urlsafe(32)
    seat.uri = _note_uri(debate, actor, seat.uri) if actor.host else ""
    seat.by_id, seat.invited_at, seat.answered_at = by.id, tx.now, None
    if actor.is_local and actor.id != by.id:
        notifications.tell(tx, actor.id, "seat", by.id, path=f"/seats/{seat.token}")
    await tx.flush()
    await emit(tx, SeatChanged(debate, seat, actor, "invited", by))
    return seat


def _note_uri(debate: Debate, actor: Actor, before: str) -> str:
    """The id of the Note that asks: a new one each time, since a server takes no second Note with an id it knows."""
    first = f"{debate.actor.uri}/seats/{actor.id}"
    if not before:
        return first
    number = before.removeprefix(first).removeprefix("-")
    return f"{first}-{int(number or 1) + 1}"


# --- Answering -------------------------------------------------------------------------------------------------------


async def refusal_to_answer(tx: Tx, debate: Debate, seat: Seat) -> str | None:
    """Why an invitation can be answered no more."""
    if seat.state == "withdrawn":
        return "seat-is-withdrawn"
    reason = debates.refusal_when_over(debate, tx.now)
    if reason is not None:
        return reason
    who = await standing(tx, seat.actor, debate.actor_id)
    return refusal("follow", who, debate.actor)


async def answer(tx: Tx, actor: Actor | None, seat: Seat, is_yes: bool, *, activity: Activity | None = None) -> bool:
    """Take a seat or decline it; either can be changed until the debate is over. False when nothing changes by it.

    ``actor`` is who answers, None where it came by the secret link. Raises Refused.
    """
    seat = await tx.own(seat)
    debate = await tx.lock(Debate, seat.debate_id)
    seat = await tx.lock(Seat, (seat.debate_id, seat.actor_id))
    if actor is not None and actor.id != seat.actor_id:
        raise Refused("not-your-invitation")
    reason = await refusal_to_answer(tx, debate, seat)
    if reason is not None:
        raise Refused(reason)
    state = "accepted" if is_yes else "declined"
    if seat.state == state:
        return False
    had_it = seat.state == "accepted"
    seat.state, seat.answered_at = state, tx.now
    await _set_role(tx, debate, seat, is_on=is_yes)
    await _tell_inviter(tx, debate, seat)
    await _changed(tx, debate, seat, state, seat.actor, is_seen=is_yes or had_it, activity=activity)
    return True


async def _set_role(tx: Tx, debate: Debate, seat: Seat, *, is_on: bool) -> None:
    """What the seat makes of somebody in the debate's group. Who keeps order there as its moderator stays that."""
    held = await tx.get(Membership, (seat.actor_id, debate.actor_id))
    if held is None:
        # Somebody elsewhere follows by themselves, if they like to; the panel's members here are told of all of it.
        state = "accepted" if seat.actor.is_local else "left"
        held = Membership(actor_id=seat.actor_id, group_id=debate.actor_id, state=state, created_at=tx.now)
        tx.add(held)
    elif is_on and seat.actor.is_local:
        held.state = "accepted"
    if is_on and held.role not in ("moderator", "owner"):
        held.role, held.banned_until = seat.role, None
    elif not is_on and held.role in ROLES:
        held.role = "member"
    tx.noted.clear()
    await tx.flush()
    tx.remember(held)


async def _tell_inviter(tx: Tx, debate: Debate, seat: Seat) -> None:
    """Who asked hears the answer; of what the clerk asked, all who may ask somebody else."""
    path = f"/g/{debate.actor.handle}/seats"
    if seat.by_id == seat.actor_id:
        return
    if seat.by_id is not None and await tx.get(Account, seat.by_id) is not None:
        notifications.tell(tx, seat.by_id, "seat-answered", seat.actor_id, path=path)
        return
    theme = debate.theme if debate.theme is not None else debate.actor
    await notifications.tell_staff(tx, "seat-answered", seat.actor, group=theme, path=path)


async def withdraw(tx: Tx, by: Actor, debate: Debate, seat: Seat) -> bool:
    """Ask somebody no more, or take their seat back. False when they have none anyway. Raises Refused."""
    by, seat = await tx.own(by), await tx.own(seat)
    debate = await tx.lock(Debate, debate.actor_id)
    await _require(tx, by, debate, seat.role)
    seat = await tx.lock(Seat, (seat.debate_id, seat.actor_id))
    reason = debates.refusal_when_over(debate, tx.now)
    # Who keeps order with a seat can lose it also after the end.
    if reason is not None and seat.state != "accepted":
        raise Refused(reason)
    if seat.state not in ("invited", "accepted"):
        return False
    had_it = seat.state == "accepted"
    seat.state, seat.answered_at = "withdrawn", None
    if had_it:
        await _set_role(tx, debate, seat, is_on=False)
    # What nobody has read yet leads nowhere now.
    unread = (Notification.path == f"/seats/{seat.token}", Notification.read_at.is_(None))
    await tx.execute(delete(Notification).where(*unread).execution_options(synchronize_session=False))
    await _changed(tx, debate, seat, "withdrawn", by, is_seen=had_it)
    return True


async def _changed(
    tx: Tx, debate: Debate, seat: Seat, what: str, by: Actor, *, is_seen: bool, activity: Activity | None = None
) -> None:
    """``is_seen`` says that hosts and panel are others now than before."""
    await tx.flush()
    await emit(tx, SeatChanged(debate, seat, seat.actor, what, by, activity=activity))
    if is_seen:
        debate.changed_at = tx.now
        debates.signal(tx, debate)
        tx.signal("anything")
        await emit(tx, DebateChanged(debate, "panel", activity=activity))


# --- Whom one cannot count on ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """Why somebody who was asked may not come: the key of a sentence, and since when it is so where that is known."""

    reason: str
    since: datetime | None = None


async def trouble(tx: Tx, seat: Seat) -> Trouble | None:
    """What is wrong with whoever has a seat, or with their server; None where nothing is known to be."""
    actor = seat.actor
    if actor.state in ("gone", "suspended"):
        return Trouble(f"person-is-{actor.state}")
    if actor.moved_to:
        return Trouble("person-has-moved", actor.moved_at)
    if (await standing(tx, actor, seat.debate_id)).role == "banned":
        return Trouble("they-are-banned")
    if not actor.host:
        return None
    if await state_of_host(tx, actor.host) == "blocked":
        return Trouble("their-server-is-blocked")
    host = await tx.find(Host, actor.host)
    if host is None:
        return None
    if host.given_up_at is not None:
        return Trouble("their-server-is-gone", host.failing_since or host.given_up_at)
    return Trouble("their-server-fails", host.failing_since) if host.failing_since is not None else None
