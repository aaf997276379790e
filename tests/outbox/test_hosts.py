"""How other servers are: rests after failures, one probe at a time, given up after a week, back at their first word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import select, update

from community import hosts, jobs, posts, topics
from community.models import Activity, Actor, Host, Job, Link, LogEntry, Membership, Notification
from community.policy import Refused
from community.settings import Settings
from federation.client import Budget
from federation.dereference import bring_in
from federation.site import Site
from inbox import receive
from outbox.delivery import To, inboxes
from tests.community.test_jobs import claim, later, settle
from tests.conftest import MakeMember, MakeTheme
from tests.peer import Peer

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
DOWN = "down.example"
HALF_HOUR = 1800


@pytest.fixture
def site(site: Site) -> Site:
    """An instance that waits as long as a real one does."""
    site.database.settings = replace(site.settings, retry_seconds=Settings().retry_seconds)
    return site


async def put(site: Site, *lines: str) -> None:
    async with site.database.write() as tx:
        if await tx.find(Host, DOWN) is None:
            tx.add(Host(name=DOWN))
        for line in lines:
            argument = {"activity": f"{tx.settings.origin}/a/{line}", "inbox": line, "signer": 1}
            await jobs.add(tx, "deliver", argument, lane=DOWN, line=line)


async def fail(site: Site) -> int:
    """Try what is due, which fails; answers how many deliveries were tried."""
    claimed = await claim(site.database)
    await settle(site.database, *(jobs.Failed(job, "timeout", lane_is_down=True) for job in claimed))
    return len(claimed)


async def held(site: Site) -> Host:
    async with site.database.read() as tx:
        return await tx.get_one(Host, DOWN)


async def test_after_five_failures_one_probe_every_half_hour(site: Site) -> None:
    await put(site, *(f"https://{DOWN}/inbox/{number}" for number in range(6)))
    assert await fail(site) == 6
    since = (await held(site)).failing_since
    assert since is not None
    while (await held(site)).failures < hosts.CIRCUIT_FAILURES:
        later(site, 3 * 3600)
        await fail(site)
    attempts = await _attempts(site)
    for _ in range(20):
        later(site, HALF_HOUR - 60)
        assert await fail(site) == 0
        later(site, 61)
        assert await fail(site) == 1, "the first of them alone"
    host = await held(site)
    assert (host.failing_since, host.given_up_at, host.last_error) == (since, None, "timeout")
    assert await _attempts(site) == attempts, "probes cost what waits no attempt"
    later(site, HALF_HOUR + 1)
    (probe,) = await claim(site.database)
    await settle(site.database, jobs.Done(probe))
    host = await held(site)
    assert (host.failures, host.failing_since, host.retry_after) == (0, None, None)
    assert host.reached_at is not None
    assert len(await claim(site.database)) == 5, "the rest goes at once"


async def _attempts(site: Site) -> list[int]:
    async with site.database.read() as tx:
        return list((await tx.execute(select(Job.attempts).order_by(Job.id))).scalars())


async def test_after_a_week_it_is_given_up_until_it_speaks(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    account, place = await member(site_role="admin"), await theme()
    uri = f"https://{DOWN}/users/far"
    async with site.database.write() as tx:
        tx.add(Host(name=DOWN))
        far = Actor(uri=uri, kind="person", handle="far", host=DOWN, inbox=f"{uri}/inbox", created_at=tx.now)
        tx.add(far)
        await tx.flush()
        tx.add(Membership(actor_id=far.id, group_id=place.actor_id, created_at=tx.now))
    to = (To(followers_of=(place.actor_id,)),)

    async def write(title: str) -> None:
        async with site.database.write() as tx:
            group = await tx.get_one(Actor, place.actor_id)
            await topics.open(tx, account.actor, group, await posts.compose(tx, "Far.", title=title))

    await write("Heard by nobody far")
    await fail(site)
    await write("While it does not answer")
    assert await fail(site) == 0, "what is new waits with the rest"
    for _ in range(10):
        later(site, 86400)
        await fail(site)
        if (await held(site)).given_up_at is not None:
            break
    host = await held(site)
    assert host.given_up_at is not None
    async with site.database.read() as tx:
        dead = await hosts.dead_letters(tx, lane=DOWN)
        assert dead
        assert {job.error for job in dead} == {hosts.GIVEN_UP}
        assert await hosts.dead_by_kind(tx) == {"deliver": len(dead)}
        uris = {job.argument["activity"] for job in dead}
        failed = (await tx.execute(select(Activity.failed_count).where(Activity.uri.in_(uris)))).scalars()
        assert set(failed) == {1}
        assert await inboxes(tx, to) == {}, "nothing new is made for it"
        (seen,) = await hosts.listed(tx)
        assert (seen.health, seen.dead, seen.followers) == ("given-up", len(dead), 1)
        assert await hosts.counts(tx) == {"failing": 0, "given_up": 1}
    async with site.database.write() as tx:
        await hosts.heard(tx, {DOWN})
    assert (await held(site)).given_up_at is None
    async with site.database.read() as tx:
        assert await inboxes(tx, to) == {f"{uri}/inbox": DOWN}
    # Staff has it all tried anew.
    async with site.database.write() as tx:
        with pytest.raises(Refused):
            await hosts.try_again(tx, far, DOWN)
    async with site.database.write() as tx:
        await hosts.try_again(tx, account.actor, DOWN)
    assert len(await claim(site.database)) == len(dead)


async def test_who_still_speaks_is_not_given_up(site: Site) -> None:
    await put(site, "a")
    await fail(site)
    later(site, 8 * 86400)
    async with site.database.write() as tx:
        await hosts.heard(tx, {DOWN})
    await fail(site)
    assert (await held(site)).given_up_at is None
    later(site, 8 * 86400)
    await fail(site)
    assert (await held(site)).given_up_at is not None


async def test_what_a_server_does_is_noted_once_a_minute(
    site: Site, client: TestClient[Any, Any], peer: Peer, theme: MakeTheme, at_work: None
) -> None:
    place = await theme()
    for _ in range(3):
        assert (await peer.send(place.actor.inbox, peer.activity("Follow", place.actor.uri)))[0] == 202
    async with site.database.read() as tx:
        host = await tx.get_one(Host, peer.host)
    assert host.heard_at is not None
    later(site, 30)
    await peer.send(place.actor.inbox, peer.activity("Follow", place.actor.uri))
    async with site.database.read() as tx:
        assert (await tx.get_one(Host, peer.host)).heard_at == host.heard_at


async def test_a_block_severs_and_a_limit_hides(
    site: Site, client: TestClient[Any, Any], peer: Peer, second_peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    staff, anna, place = await member("clara", site_role="moderator"), await member(), await theme()
    await bring_in(site, peer.uri(), Budget())
    await bring_in(site, second_peer.uri(), Budget())

    async def listed() -> list[str]:
        async with site.database.read() as tx:
            return [row.topic.title for row in await topics.listed(tx)]

    async def open_topic(by: Peer, title: str) -> None:
        async with site.database.write() as tx:
            author, group = await tx.by_uri(Actor, by.uri()), await tx.get_one(Actor, place.actor_id)
            assert author is not None
            mentioning = posts.Written(html="<p>@anna</p>", title=title, uri=f"{by.origin}/{title}",
                                       mentioned=(await tx.get_one(Actor, anna.actor_id),))  # fmt: skip
            await topics.open(tx, author, group, mentioning)

    async def told() -> int:
        async with site.database.read() as tx:
            return len((await tx.execute(select(Notification).where(Notification.kind == "mention"))).all())

    await open_topic(peer, "one")
    assert (await listed(), await told()) == (["one"], 1)
    async with site.database.write() as tx:
        with pytest.raises(Refused):
            await hosts.judge(tx, anna.actor, peer.host, "limited", "spam")
    async with site.database.write() as tx:
        with pytest.raises(Refused):
            await hosts.judge(tx, staff.actor, site.settings.host, "blocked", "us")
    async with site.database.write() as tx:
        await hosts.judge(tx, staff.actor, peer.host, "limited", "mostly advertising")
    await open_topic(peer, "two")
    assert (await listed(), await told()) == ([], 1), "strangers there notify nobody"
    async with site.database.write() as tx:
        author = await tx.by_uri(Actor, peer.uri())
        assert author is not None
        tx.add(Membership(actor_id=anna.actor_id, group_id=author.id, created_at=tx.now))
        tx.add(Membership(actor_id=author.id, group_id=place.actor_id, created_at=tx.now))
        tx.add(Link(group_id=place.actor_id, other_id=author.id, state="linked", created_at=tx.now, changed_at=tx.now))
    await open_topic(peer, "three")
    await open_topic(second_peer, "elsewhere")
    assert (await listed(), await told()) == (["elsewhere"], 3), "those whom somebody follows do"
    async with site.database.write() as tx:
        await jobs.add(tx, "deliver", {"activity": "x", "inbox": "y", "signer": 1}, lane=peer.host)
    async with site.database.write() as tx:
        await hosts.judge(tx, staff.actor, peer.host, "blocked", "only advertising")
    async with site.database.read() as tx:
        assert set((await tx.execute(select(Membership.state))).scalars()) == {"left"}
        assert (await tx.execute(select(Link.state))).scalars().all() == ["ended"]
        assert (await tx.execute(select(Job.id).where(Job.lane == peer.host))).all() == []
        logged = (await tx.execute(select(LogEntry.action, LogEntry.reason).order_by(LogEntry.id))).all()
    assert [tuple(row) for row in logged if row.action.endswith("-host")] == [
        ("limit-host", f"{peer.host} (mostly advertising)"),
        ("block-host", f"{peer.host} (only advertising)"),
    ]
    site._hosts_at = float("-inf")
    assert (await peer.send(place.actor.inbox, peer.activity("Follow", place.actor.uri)))[0] == 403


async def test_failures_are_counted_by_address(
    site: Site, client: TestClient[Any, Any], peer: Peer, theme: MakeTheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many servers somebody claims to be: from one address there are few tries. Known signers are not held up
    by those who share their address."""
    monkeypatch.setattr(receive, "ADDRESS_FAILURES_MAX", 3)
    place = await theme()
    site.settings = replace(site.settings, trusted_proxies=("127.0.0.1",))
    assert (await peer.send(place.actor.inbox, peer.activity("Follow", place.actor.uri)))[0] == 202

    async def forged(address: str, number: int) -> int:
        activity = peer.activity("Follow", place.actor.uri)
        key_id = f"{peer.uri()}#key-{number}"
        return (await peer.send(place.actor.inbox, activity, key_id=key_id, change={"X-Forwarded-For": address}))[0]

    assert [await forged("198.18.0.1", number) for number in range(5)] == [401] * 5, "a proxy that nobody named"
    assert [await forged("8.8.8.8", number) for number in range(5, 10)] == [401] * 3 + [429] * 2
    assert await forged("9.9.9.9", 10) == 401
    known = peer.activity("Follow", place.actor.uri)
    assert (await peer.send(place.actor.inbox, known, change={"X-Forwarded-For": "8.8.8.8"}))[0] == 202


async def test_what_is_not_proven_yet_is_kept_in_bounded_number(
    site: Site,
    client: TestClient[Any, Any],
    peer: Peer,
    peer_ports: list[int],
    theme: MakeTheme,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receive, "KEPT_MAX", 2)
    place = await theme()
    nobody = f"http://127.0.0.1:{peer_ports[1]}"  # nothing answers there

    async def send(number: int) -> tuple[int, dict[str, Any]]:
        follow = {"id": f"{nobody}/{number}", "type": "Follow", "actor": f"{nobody}/x", "object": place.actor.uri}
        return await peer.send(place.actor.inbox, follow, key_id=f"{nobody}/x#{number}")

    assert [(await send(number))[0] for number in range(4)] == [202, 202, 429, 429]
    async with site.database.write() as tx:
        await tx.execute(update(Activity).where(Activity.direction == "in").values(outcome="unreachable"))
    assert (await send(5))[0] == 202, "what has ended leaves room"
