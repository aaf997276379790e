"""Asking people to host a debate and to its panel; what they answer, and who they are there then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from community import debates, events, groups, hosts, members, moderation, panels, policy
from community.db import Tx
from community.debate_models import Debate, Seat
from community.debates import Plan
from community.events import DebateChanged, SeatChanged
from community.members import Invalid
from community.models import Account, Actor, Host, LogEntry, Membership, Notification
from community.panels import Trouble
from community.policy import Refused
from federation.site import Site
from tests.conftest import MakeMember, MakeTheme, pair

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
OPENS = datetime(2026, 12, 18, 13, tzinfo=UTC)
HOST = "far.example"


@pytest.fixture
async def place(site: Site, member: MakeMember, theme: MakeTheme) -> tuple[Debate, Account]:
    """A debate in seventeen days, and who arranges it."""
    site.database.clock = lambda: NOW
    ada, mobility = await member("ada", site_role="editor"), await theme("mobility")
    async with site.database.write() as tx:
        tx.add(Host(name=HOST))
        plan = Plan("Buses should be free", OPENS, 60, "Europe/Paris")
        return await debates.make(tx, ada.actor, mobility.actor, await pair(5), plan), ada


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was emitted about seats, as words."""
    found: list[str] = []

    async def hear(_tx: Tx, event: SeatChanged | DebateChanged) -> None:
        found.append(event.what)

    for kind in (SeatChanged, DebateChanged):
        monkeypatch.setitem(events._subscribers, kind, [*events._subscribers[kind], hear])
    return found


async def abroad(site: Site, name: str = "jo", kind: str = "person", **more: Any) -> Actor:
    async with site.database.write() as tx:
        uri = f"https://{HOST}/users/{name}"
        actor = Actor(
            uri=uri, kind=kind, handle=name, host=HOST, name=name.title(), inbox=f"{uri}/inbox", created_at=tx.now,
            fetched_at=tx.now, **more,
        )  # fmt: skip
        tx.add(actor)
    return actor


async def do(site: Site, deed: Callable[[Tx], Awaitable[Any]]) -> Any:
    async with site.database.write() as tx:
        return await deed(tx)


async def refused(site: Site, deed: Callable[[Tx], Awaitable[Any]]) -> str:
    with pytest.raises((Refused, Invalid)) as caught:
        await do(site, deed)
    error = caught.value
    return error.reason if isinstance(error, Refused) else next(iter(error.fields.values()))


async def rank(site: Site, debate: Debate, actor: Actor) -> tuple[str, str]:
    """Role and state in the debate's group."""
    async with site.database.read() as tx:
        held = await tx.get(Membership, (actor.id, debate.actor_id))
        return (held.role, held.state) if held is not None else ("", "")


async def notes(site: Site, account: Account) -> list[tuple[str, str]]:
    async with site.database.read() as tx:
        query = select(Notification).where(Notification.account_id == account.actor_id).order_by(Notification.id)
        return [(each.kind, each.path) for each in (await tx.execute(query)).scalars()]


async def test_a_member_is_asked_says_yes_and_thinks_better_of_it(
    site: Site, member: MakeMember, place: tuple[Debate, Account], heard: list[str]
) -> None:
    debate, ada = place
    hugo = await member("hugo")
    seat: Seat = await do(site, lambda tx: panels.invite(tx, ada.actor, debate, hugo.actor, "host"))
    assert (seat.state, seat.uri, len(seat.token) > 30) == ("invited", "", True)
    assert await notes(site, hugo) == [("seat", f"/seats/{seat.token}")]
    assert await rank(site, debate, hugo.actor) == ("", ""), "asked is not yet in"
    async with site.database.read() as tx:
        assert (await panels.by_token(tx, seat.token)).actor_id == hugo.actor_id
        assert await panels.by_token(tx, "") is None
        assert await panels.by_uri(tx, "") is None

    assert await do(site, lambda tx: panels.answer(tx, hugo.actor, seat, True)) is True
    assert await do(site, lambda tx: panels.answer(tx, hugo.actor, seat, True)) is False
    assert await rank(site, debate, hugo.actor) == ("host", "accepted")
    assert await notes(site, ada) == [("seat-answered", f"/g/{debate.actor.handle}/seats")]
    async with site.database.read() as tx:
        assert await debates.roles(tx, debate.actor_id) == {hugo.actor_id: "host"}
        assert policy.refusal("host", await policy.standing(tx, hugo.actor, debate.actor_id), debate) is None
    assert await do(site, lambda tx: panels.answer(tx, None, seat, False)) is True
    assert await rank(site, debate, hugo.actor) == ("member", "accepted")
    assert await do(site, lambda tx: panels.answer(tx, None, seat, True)) is True
    assert await rank(site, debate, hugo.actor) == ("host", "accepted")
    assert heard == ["invited", *("accepted", "panel", "declined", "panel", "accepted", "panel")]


async def test_somebody_elsewhere_is_asked_again_and_withdrawn(
    site: Site, member: MakeMember, place: tuple[Debate, Account], heard: list[str]
) -> None:
    debate, ada = place
    jo = await abroad(site)
    first: Seat = await do(site, lambda tx: panels.invite(tx, ada.actor, debate, jo, "panel"))
    assert first.uri == f"{debate.actor.uri}/seats/{jo.id}"
    token = first.token
    await do(site, lambda tx: panels.answer(tx, None, first, False))
    assert heard == ["invited", "declined"], "a panel that did not change was announced"
    again: Seat = await do(site, lambda tx: panels.invite(tx, ada.actor, debate, jo, "panel"))
    # Another Note with an id that is known already would be taken for the same.
    assert (again.uri, again.state, again.token != token) == (f"{first.uri}-2", "invited", True)
    async with site.database.read() as tx:
        assert await panels.by_token(tx, token) is None
        assert (await panels.by_uri(tx, again.uri)).actor_id == jo.id
    await do(site, lambda tx: panels.answer(tx, jo, again, True))
    # They follow by themselves, if they like to; and write as one of the panel in any case.
    assert await rank(site, debate, jo) == ("panel", "left")
    async with site.database.read() as tx:
        assert (await policy.standing(tx, jo, debate.actor_id)).role == "panel"
    assert await do(site, lambda tx: panels.withdraw(tx, ada.actor, debate, again)) is True
    assert await do(site, lambda tx: panels.withdraw(tx, ada.actor, debate, again)) is False
    assert await rank(site, debate, jo) == ("member", "left")
    assert await refused(site, lambda tx: panels.answer(tx, None, again, True)) == "seat-is-withdrawn"
    third: Seat = await do(site, lambda tx: panels.invite(tx, ada.actor, debate, jo, "host"))
    assert (third.uri, third.role) == (f"{first.uri}-3", "host")
    # What nobody has read yet of an invitation that does not stand leads nowhere.
    pia = await member("pia")
    asked: Seat = await do(site, lambda tx: panels.invite(tx, ada.actor, debate, pia.actor, "panel"))
    await do(site, lambda tx: panels.withdraw(tx, ada.actor, debate, asked))
    assert await notes(site, pia) == []


async def test_who_cannot_be_asked(site: Site, member: MakeMember, place: tuple[Debate, Account]) -> None:
    debate, ada = place
    anna, gone = await member("anna"), await abroad(site, "gone", state="gone")
    away = await abroad(site, "away", moved_to="https://new.example/users/away")
    shut, crowd = await abroad(site, "shut", state="suspended"), await abroad(site, "crowd", kind="group")
    wait, bad = await member("wait", state="pending"), await member("bad")

    async def why(actor: Actor, role: str = "panel", by: Actor = ada.actor) -> str:
        return await refused(site, lambda tx: panels.invite(tx, by, debate, actor, role))

    async with site.database.write() as tx:
        clerk = await groups.clerk(tx)
        boss = await tx.own(clerk)
        await moderation.ban(tx, boss, await tx.get_one(Actor, debate.theme_id), bad.actor, reason="Rude")
        await panels.invite(tx, ada.actor, debate, anna.actor, "panel")
    assert {
        "clerk": await why(clerk), "crowd": await why(crowd), "gone": await why(gone), "shut": await why(shut),
        "away": await why(away), "wait": await why(wait.actor), "bad": await why(bad.actor),
        "anna": await why(anna.actor, "host"), "as": await why(ada.actor, "king"),
        "stranger": await why(ada.actor, "panel", anna.actor), "no-host": await why(ada.actor, "host", anna.actor),
    } == {
        "clerk": "not-a-person", "crowd": "not-a-person", "gone": "person-is-gone", "shut": "person-is-suspended",
        "away": "person-has-moved", "wait": "person-is-not-in-yet", "bad": "they-are-banned",
        "anna": "is-invited", "as": "role-unknown", "stranger": "hosts-only", "no-host": "editors-only",
    }  # fmt: skip
    async with site.database.write() as tx:
        seat = await tx.get_one(Seat, (debate.actor_id, anna.actor_id))
        await panels.answer(tx, anna.actor, seat, True)
    assert await why(anna.actor) == "has-a-seat"
    jo = await abroad(site)
    async with site.database.write() as tx:
        (await tx.get_one(Host, HOST)).state = "blocked"
    assert await why(jo) == "host-is-blocked"
    async with site.database.write() as tx:
        (await tx.get_one(Host, HOST)).state = "open"
        for number in range(panels.INVITED_AT_MOST - 1):
            seat = await panels.invite(tx, ada.actor, debate, jo, "panel")
            if number < panels.INVITED_AT_MOST - 2:
                await panels.withdraw(tx, ada.actor, debate, seat)
    assert await why(ada.actor) == "too-many-invitations"
    site.database.clock = lambda: OPENS + timedelta(hours=1)
    assert await why(ada.actor) == "debate-is-over", "by the clock, whatever the jobs did"
    assert await refused(site, lambda tx: panels.withdraw(tx, ada.actor, debate, seat)) == "debate-is-over"
    assert await refused(site, lambda tx: panels.answer(tx, None, seat, True)) == "debate-is-over"


async def test_a_host_asks_the_panel_and_no_other_host(
    site: Site, member: MakeMember, place: tuple[Debate, Account]
) -> None:
    debate, ada = place
    hugo, pia = await member("hugo"), await member("pia")
    async with site.database.write() as tx:
        seat = await panels.invite(tx, ada.actor, debate, hugo.actor, "host")
        with pytest.raises(Refused, match="not-your-invitation"):
            await panels.answer(tx, pia.actor, seat, True)
        await panels.answer(tx, hugo.actor, seat, True)
        asked = await panels.invite(tx, hugo.actor, debate, pia.actor, "panel")
        await panels.answer(tx, pia.actor, asked, True)
        await panels.withdraw(tx, hugo.actor, debate, asked)
    assert ("seat-answered", f"/g/{debate.actor.handle}/seats") in await notes(site, hugo)
    assert await refused(site, lambda tx: panels.invite(tx, hugo.actor, debate, ada.actor, "host")) == "editors-only"
    assert await refused(site, lambda tx: panels.withdraw(tx, hugo.actor, debate, seat)) == "editors-only"
    # Of what the clerk asked, staff hear.
    boss = await member("boss", site_role="moderator")
    async with site.database.write() as tx:
        clerk = await groups.clerk(tx)
        await panels.answer(tx, None, await panels.invite(tx, clerk, debate, pia.actor, "panel"), False)
    assert [kind for kind, _ in await notes(site, boss)] == ["seat-answered"]
    # Whoever was excluded meanwhile cannot take the seat any more, and is no host on the side.
    async with site.database.write() as tx:
        await moderation.ban(tx, clerk, debate.actor, pia.actor, reason="Rude")
        seat = await tx.get_one(Seat, (debate.actor_id, pia.actor_id))
        assert await panels.refusal_to_answer(tx, debate, seat) == "you-are-banned-here"
        assert await panels.trouble(tx, seat) == Trouble("they-are-banned")
        await debates.cancel(tx, ada.actor, debate, reason="Nobody comes.")
    cancelled = await refused(site, lambda tx: panels.invite(tx, ada.actor, debate, boss.actor, "panel"))
    assert cancelled == "debate-is-cancelled"


async def test_trouble_with_somebody_elsewhere_is_said(site: Site, place: tuple[Debate, Account]) -> None:
    debate, ada = place
    jo = await abroad(site)
    await do(site, lambda tx: panels.invite(tx, ada.actor, debate, jo, "panel"))

    async def trouble(**changed: object) -> Trouble | None:
        async with site.database.write() as tx:
            actor, host = await tx.get_one(Actor, jo.id), await tx.get_one(Host, HOST)
            for name, value in changed.items():
                setattr(actor if hasattr(actor, name) and name != "state" else host, name, value)
            return await panels.trouble(tx, await tx.get_one(Seat, (debate.actor_id, jo.id)))

    assert await trouble() is None
    async with site.database.write() as tx:
        await hosts.failed(tx, HOST, 60, 0, "no route")
    assert await trouble() == Trouble("their-server-fails", NOW)
    assert await trouble(given_up_at=NOW + timedelta(days=7)) == Trouble("their-server-is-gone", NOW)
    async with site.database.write() as tx:
        await hosts.answered(tx, [HOST])
    assert await trouble() is None
    assert await trouble(state="blocked") == Trouble("their-server-is-blocked")
    assert await trouble(moved_to="https://new.example/jo", moved_at=NOW) == Trouble("person-has-moved", NOW)


async def test_the_seal(site: Site, member: MakeMember) -> None:
    boss, anna = await member("boss", site_role="moderator"), await member("anna")
    jo, crowd = await abroad(site), await abroad(site, "crowd", kind="group")
    for actor in (anna.actor, jo):
        assert await do(site, lambda tx, actor=actor: members.set_vip(tx, boss.actor, actor, True)) is True
        assert await do(site, lambda tx, actor=actor: members.set_vip(tx, boss.actor, actor, True)) is False
    assert await do(site, lambda tx: members.set_vip(tx, boss.actor, jo, False)) is True
    assert await refused(site, lambda tx: members.set_vip(tx, anna.actor, jo, True)) == "moderators-only"
    assert await refused(site, lambda tx: members.set_vip(tx, boss.actor, crowd, True)) == "not-a-person"
    async with site.database.read() as tx:
        assert [(await tx.get_one(Actor, each.id)).is_vip for each in (anna.actor, jo)] == [True, False]
        log = (await tx.execute(select(LogEntry.action, LogEntry.about_id).order_by(LogEntry.id))).all()
        assert [tuple(row) for row in log] == [
            ("give-seal", anna.actor_id), ("give-seal", jo.id), ("take-seal", jo.id),
        ]  # fmt: skip
