"""The course of a debate: what is due when, what may be changed when, and that every step is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from community import debates, groups, jobs, policy, polls, posts
from community.debate_models import Debate
from community.debates import Plan
from community.members import Invalid
from community.models import Account, Actor, Job, LogEntry, Membership, Notification, Poll, Post, Topic
from community.policy import Refused
from federation import site as sites
from federation.site import Site
from tests.conftest import MakeMember, MakeTheme, pair
from web import running

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"])
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
OPENS = datetime(2026, 12, 18, 13, tzinfo=UTC)
PLAN = Plan(
    "Buses should be free", OPENS, 60, "Europe/Paris", "Tried in *Dunkirk*.", OPENS - 7 * DAY, OPENS + 2 * DAY, ("en",)
)
Said = Callable[[], Awaitable[list[str]]]


def at(site: Site, moment: datetime) -> None:
    site.database.clock = lambda: moment


async def announce(site: Site, member: MakeMember, theme: MakeTheme, plan: Plan = PLAN) -> tuple[Debate, Account]:
    at(site, NOW)
    admin, mobility = await member("ada", site_role="admin"), await theme("mobility")
    async with site.database.write() as tx:
        return await debates.make(tx, admin.actor, mobility.actor, await pair(5), plan), admin


async def advance(site: Site, debate: Debate, moment: datetime) -> Debate:
    at(site, moment)
    async with site.database.write() as tx:
        held = await tx.get_one(Debate, debate.actor_id)
        await debates.advance(tx, held)
    return held


async def said(site: Site, debate: Debate) -> list[str]:
    """What the clerk has written on the floor, as parts in their order."""
    async with site.database.read() as tx:
        query = select(Post.part).where(Post.topic_id == debate.topic_id).order_by(Post.number)
        return list((await tx.execute(query)).scalars())


async def refused(site: Site, deed: Callable[[Any], Awaitable[Any]]) -> dict[str, str] | str:
    with pytest.raises((Refused, Invalid)) as caught:
        async with site.database.write() as tx:
            await deed(tx)
    return caught.value.reason if isinstance(caught.value, Refused) else caught.value.fields


def _debate(steps: tuple[str, ...] = (), state: str = "announced") -> Debate:
    return Debate(
        opens_at=OPENS, closes_at=OPENS + HOUR, call_at=OPENS - 7 * DAY, digest_at=OPENS + 2 * DAY, steps=list(steps),
        state=state,
    )  # fmt: skip


STUBS = ["stub", "stub", "stub"]
STEPS = ("call", "reminder", "live", "opening-poll", "closing-poll", "closed", "digest")


@pytest.mark.parametrize(
    ("moment", "steps", "expected"),
    [
        (OPENS - 8 * DAY, (), []),
        (OPENS - 7 * DAY, (), [("call", True)]),
        (OPENS - DAY, (), [("call", True), ("reminder", True)]),
        (OPENS - DAY, ("call",), [("reminder", True)]),
        # After a night without power nobody is reminded of what is on already.
        (OPENS, (), [("call", False), ("reminder", False), ("live", True), ("opening-poll", True)]),
        (OPENS + HOUR, STEPS[:4], [("closing-poll", False), ("closed", True)]),
        (
            OPENS + HOUR,
            (),
            [
                (step, step == "closed")
                for step in ("call", "reminder", "live", "opening-poll", "closing-poll", "closed")
            ],
        ),
        (OPENS + 3 * DAY, STEPS[:6], [("digest", True)]),
        (OPENS + 3 * DAY, STEPS, []),
    ],
)
def test_what_is_due(moment: datetime, steps: tuple[str, ...], expected: list[tuple[str, bool]]) -> None:
    assert debates.due(_debate(steps), moment) == expected
    assert debates.due(_debate(steps, "cancelled"), moment) == []


def test_the_next_appointment() -> None:
    assert debates.next_at(_debate()) == OPENS - 7 * DAY
    assert debates.next_at(_debate(("call", "reminder"))) == OPENS
    assert debates.next_at(_debate(STEPS)) is None
    assert debates.next_at(_debate(state="cancelled")) is None


@SQLITE
async def test_a_debate_from_announcement_to_conclusion(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    debate, admin = await announce(site, member, theme)
    anna, ben = await member("anna"), await member("ben")
    async with site.database.write() as tx:
        assert debate.actor.handle == "debate_2026_12_18"
        assert debate.actor_id not in [each.actor_id for each in await groups.themes(tx)]
        follow = await tx.get_one(Membership, (debate.theme_id, debate.actor_id))
        assert follow.state == "accepted", "its theme does not follow it"
        topic = await tx.get_one(Topic, debate.topic_id)
        opener = await posts.opener(tx, topic)
        assert (topic.title, topic.closes_at) == (PLAN.motion, PLAN.closes_at)
        assert "14:00 (Europe/Paris) · 13:00 UTC" in opener.source
        await groups.follow(tx, anna.actor, debate.actor)
        await groups.follow(tx, ben.actor, await tx.get_one(Actor, debate.theme_id))
        await groups.follow(tx, anna.actor, await tx.get_one(Actor, debate.theme_id))
    assert await said(site, debate) == ["motion"]

    assert (await advance(site, debate, OPENS - 8 * DAY)).state == "announced"
    assert (await advance(site, debate, OPENS - 7 * DAY)).state == "call"
    assert await said(site, debate) == ["motion", *STUBS]
    await advance(site, debate, OPENS - DAY)
    live = await advance(site, debate, OPENS)
    assert live.state == "live"
    assert await said(site, debate) == ["motion", *STUBS, "reminder", "live", "opening-poll"]
    await advance(site, debate, OPENS + 40 * timedelta(minutes=1))
    closed = await advance(site, debate, OPENS + HOUR)
    assert closed.state == "closed"
    assert (await said(site, debate))[-2:] == ["closing-poll", "closed"]
    async with site.database.write() as tx:
        assert (await tx.execute(select(func.count()).select_from(Poll).where(Poll.closed_at.is_(None)))).scalar() == 0
        await debates.conclude(tx, admin.actor, closed, "Free on *Sundays*.")
    assert await refused(site, lambda tx: debates.conclude(tx, admin.actor, closed, " ")) == {"text": "text-missing"}
    async with site.database.write() as tx:
        await debates.conclude(tx, admin.actor, closed, "Free on Saturdays.")  # corrected, not said twice
        held = await tx.get_one(Debate, debate.actor_id)
        assert (held.state, held.conclusion_source) == ("concluded", "Free on Saturdays.")
    assert (await said(site, debate)).count("conclusion") == 1
    over = await advance(site, debate, OPENS + 2 * DAY)
    assert (over.steps, over.state) == (list(STEPS), "concluded")

    async with site.database.read() as tx:
        rows = await tx.execute(
            select(Notification.account_id, Notification.path, Post.part)
            .join(Post, Post.id == Notification.post_id)
            .where(Notification.kind == "debate")
            .order_by(Notification.id)
        )
        told = [(row[0], row[1].removeprefix(f"/g/{debate.actor.handle}"), row[2]) for row in rows]
        # The theme's members hear of the call, who follows the debate of all of it, and nobody of anything twice.
        assert sorted(told[:2]) == [(anna.actor_id, "/questions", "stub"), (ben.actor_id, "/questions", "stub")]
        assert told[2:] == [(anna.actor_id, "", "reminder"), (anna.actor_id, "/live", "live")]


@SQLITE
async def test_after_downtime_only_what_still_has_sense_is_done(
    site: Site, member: MakeMember, theme: MakeTheme
) -> None:
    debate, _ = await announce(site, member, theme)
    live = await advance(site, debate, OPENS + timedelta(minutes=5))
    assert (live.state, await said(site, debate)) == ("live", ["motion", *STUBS, "live", "opening-poll"])
    async with site.database.read() as tx:
        poll = (await tx.execute(select(Poll))).scalar_one()
        assert poll.closes_at == OPENS + timedelta(minutes=20)
    closed = await advance(site, debate, OPENS + 5 * HOUR)
    assert (closed.state, (await said(site, debate))[6:]) == ("closed", ["closed"])
    assert closed.steps == list(STEPS[:6])
    await advance(site, debate, OPENS + 5 * HOUR)
    assert (await said(site, debate)).count("closed") == 1


@SQLITE
async def test_what_cannot_be_announced(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    debate, admin = await announce(site, member, theme)
    anna = await member("anna")
    mobility = debate.theme
    assert mobility is not None

    async def make(plan: Plan, by: Actor = admin.actor) -> dict[str, str] | str:
        keys = await pair(4)
        return await refused(site, lambda tx: debates.make(tx, by, mobility, keys, plan))

    elsewhere = replace(PLAN, opens_at=OPENS + DAY, call_at=None, digest_at=None)
    wrong = {
        "motion-length": ("motion", replace(elsewhere, motion=" x ")),
        "text-too-long": ("text", replace(elsewhere, text="x" * 100_001)),
        "date-is-past": ("opens_at", replace(elsewhere, opens_at=NOW)),
        "minutes-unknown": ("minutes", replace(elsewhere, minutes=5)),
        "timezone-unknown": ("zone", replace(elsewhere, zone="Europe/Atlantis")),
        "call-after-opening": ("call_at", replace(elsewhere, call_at=elsewhere.opens_at)),
        "digest-before-end": ("digest_at", replace(elsewhere, digest_at=elsewhere.opens_at)),
        "language-missing": ("languages", replace(elsewhere, languages=())),
    }
    for reason, (field, plan) in wrong.items():
        assert await make(plan) == {field: reason}
    for start in (-59, 0, 59):
        overlap = replace(elsewhere, opens_at=OPENS + start * timedelta(minutes=1))
        assert await make(overlap) == {"opens_at": "debates-overlap"}
    assert await make(elsewhere, anna.actor) == "editors-only"
    async with site.database.write() as tx:
        # One after the other is no overlap, and the second of a day has a handle of its own.
        keys = await pair(3)
        after = replace(elsewhere, opens_at=OPENS + HOUR)
        assert (await debates.make(tx, admin.actor, mobility, keys, after)).actor.handle == "debate_2026_12_18_2"
        for number in range(2, 9):
            await debates.make(tx, admin.actor, mobility, keys, replace(elsewhere, opens_at=OPENS + number * HOUR))
    tenth = replace(elsewhere, opens_at=OPENS + 9 * HOUR)
    assert await make(tenth) == {"opens_at": "too-many-that-day"}


@SQLITE
async def test_changing_moving_and_cancelling(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    debate, admin = await announce(site, member, theme)
    anna, by = await member("anna"), admin.actor
    async with site.database.write() as tx:
        await groups.follow(tx, anna.actor, debate.actor)
        await debates.edit(tx, by, debate, motion=" Trains  should be free ", source="Why?", languages=["fr", "en"])
        held = await tx.get_one(Debate, debate.actor_id)
        opener = await posts.opener(tx, await tx.get_one(Topic, debate.topic_id))
        assert (held.motion, held.actor.name, held.language) == ("Trains should be free",) * 2 + ("fr",)
        assert "**Quand :** vendredi 18 décembre 2026" in opener.source
    assert await refused(
        site, lambda tx: debates.edit(tx, by, debate, motion="", source="", languages=["en"])
    ) == {"motion": "motion-length"}  # fmt: skip
    await advance(site, debate, OPENS - DAY)

    assert await refused(site, lambda tx: debates.move(tx, by, debate, NOW)) == {"opens_at": "date-is-past"}
    assert await refused(site, lambda tx: debates.move(tx, anna.actor, debate, OPENS + DAY)) == "editors-only"
    async with site.database.write() as tx:
        mobility = await tx.get_one(Actor, debate.theme_id)
        other = replace(PLAN, opens_at=OPENS + 3 * DAY, call_at=None, digest_at=None)
        await debates.make(tx, by, mobility, await pair(3), other)
    clash = await refused(site, lambda tx: debates.move(tx, by, debate, OPENS + 3 * DAY + HOUR / 2))
    assert clash == {"opens_at": "debates-overlap"}
    async with site.database.write() as tx:
        await debates.move(tx, by, debate, OPENS + DAY, reason="The hall is taken.")
    held = await advance(site, debate, OPENS)
    assert (held.state, held.closes_at, held.digest_at) == ("call", OPENS + DAY + HOUR, OPENS + 3 * DAY)
    assert (held.sequence, held.steps) == (1, ["call", "reminder"])
    # Who was reminded of the old date is reminded of the new one.
    assert await said(site, debate) == ["motion", *STUBS, "reminder", "moved", "reminder"]
    async with site.database.read() as tx:
        assert (await tx.get_one(Topic, debate.topic_id)).closes_at == held.closes_at
        job = (await tx.execute(select(Job).where(Job.key == f"debate:{debate.actor_id}"))).scalar_one()
        assert job.run_at == OPENS + DAY

    await advance(site, debate, OPENS + DAY)
    for deed in (
        lambda tx: debates.move(tx, by, debate, OPENS + 9 * DAY),
        lambda tx: debates.edit(tx, by, debate, motion="Else", source="", languages=["en"]),
    ):
        assert await refused(site, deed) == "debate-is-live"
    assert await refused(site, lambda tx: debates.conclude(tx, by, debate, "So.")) == "debate-is-not-over"
    assert await refused(site, lambda tx: debates.cancel(tx, by, debate, reason=" ")) == {"reason": "reason-missing"}
    async with site.database.write() as tx:
        await debates.cancel(tx, by, debate, reason="A storm.")
    assert (await said(site, debate))[-1] == "cancelled"
    for deed, reason in (
        (lambda tx: debates.cancel(tx, by, debate, reason="x"), "debate-is-cancelled"),
        (lambda tx: debates.move(tx, by, debate, OPENS + 9 * DAY), "debate-is-cancelled"),
        (lambda tx: debates.conclude(tx, by, debate, "So."), "debate-is-cancelled"),
    ):
        assert await refused(site, deed) == reason
    count = len(await said(site, debate))
    await advance(site, debate, OPENS + 9 * DAY)
    assert len(await said(site, debate)) == count, "a cancelled debate went on"
    async with site.database.read() as tx:
        assert await tx.scalar(select(Job.id).where(Job.key == f"debate:{debate.actor_id}")) is None
        assert await tx.scalar(select(func.count()).select_from(Poll).where(Poll.closed_at.is_(None))) == 0
        log = (await tx.execute(select(LogEntry.action, LogEntry.reason).order_by(LogEntry.id))).all()
        assert [tuple(row) for row in log if row[1]] == [
            ("move-debate", "The hall is taken."), ("cancel-debate", "A storm."),
        ]  # fmt: skip
        kinds = (await tx.execute(select(Post.part).join(Notification, Notification.post_id == Post.id))).scalars()
        assert list(kinds) == ["stub", "reminder", "moved", "reminder", "live", "cancelled"]


@SQLITE
async def test_the_clock_closes_a_debate_though_no_job_ran(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    debate, _ = await announce(site, member, theme)
    anna, host, panellist = await member("anna"), await member("hugo"), await member("pia")
    async with site.database.write() as tx:
        for account, role in ((host, "host"), (panellist, "panel")):
            row = Membership(actor_id=account.actor_id, group_id=debate.actor_id, role=role, created_at=tx.now)
            tx.add(row)
    await advance(site, debate, OPENS + timedelta(minutes=41))  # the closing poll is open, nothing runs from here on
    at(site, OPENS + HOUR - timedelta(seconds=1))
    may = {anna.actor_id: "debate-is-over", host.actor_id: None, panellist.actor_id: None}
    for moment, reasons in ((OPENS + HOUR - timedelta(seconds=1), dict.fromkeys(may)), (OPENS + HOUR, may)):
        at(site, moment)
        async with site.database.read() as tx:
            topic = await tx.get_one(Topic, debate.topic_id)
            for account in (anna, host, panellist):
                who = await policy.standing(tx, account.actor, debate.actor_id)
                assert policy.refusal("reply", who, topic) == reasons[account.actor_id]
    poll = await _open_poll(site, debate)
    late = await refused(site, lambda tx: polls.vote(tx, anna.actor, poll, ["Against"]))
    assert late == "poll-is-closed"
    at(site, OPENS + HOUR - timedelta(seconds=1))
    async with site.database.write() as tx:
        await polls.vote(tx, anna.actor, await tx.own(poll), ["Against"])


async def _open_poll(site: Site, debate: Debate) -> Post:
    async with site.database.read() as tx:
        found = await debates.part_of(tx, debate, "closing-poll")
    assert found is not None
    return found


@SQLITE
async def test_the_course_goes_on_after_a_restart(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    debate, _ = await announce(site, member, theme)
    await advance(site, debate, OPENS - 7 * DAY)
    again = sites.make(site.settings)
    try:
        at(again, OPENS)
        async with running.working(again):
            for _ in range(200):
                await asyncio.sleep(0.05)
                if "opening-poll" in await said(again, debate):
                    break
        assert await said(again, debate) == ["motion", *STUBS, "live", "opening-poll"]
        async with again.database.read() as tx:
            job = (await tx.execute(select(Job).where(Job.key == f"debate:{debate.actor_id}"))).scalar_one()
            assert job.run_at == OPENS + timedelta(minutes=40)
    finally:
        await again.close()


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_two_workers_do_every_step_once(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    """Also when the lease of the first ended while it was at work, so that both have the same job."""
    debate, _ = await announce(site, member, theme)
    other = sites.make(site.settings)
    try:
        for moment in (OPENS - 7 * DAY, OPENS, OPENS + timedelta(minutes=40), OPENS + HOUR):
            at(site, moment)
            at(other, moment)
            async with site.database.write() as tx:
                held = await jobs.claim(tx, 50)
            claimed = [job for job in held if job.kind == "advance-debate"]
            assert len(claimed) == 1
            await asyncio.gather(*(debates.advance_debates(each, claimed) for each in (site, other)))
        assert await said(site, debate) == ["motion", *STUBS, "live", "opening-poll", "closing-poll", "closed"]
        async with site.database.read() as tx:
            waiting = (await tx.execute(select(Job.run_at).where(Job.kind == "advance-debate"))).scalars().all()
            assert waiting == [PLAN.digest_at]
    finally:
        await other.close()
