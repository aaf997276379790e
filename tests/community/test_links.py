"""Links between themes here and groups elsewhere: what each side's word does to them."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from community import following, groups, links, posts, topics
from community.members import Invalid
from community.models import Activity, Actor, Host, Link, LogEntry, Membership, Notification
from community.policy import Refused

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _elsewhere(tx, name="mobility", host="bcn.example", kind="group"):
    tx.add(Host(name=host)) if await tx.get(Host, host) is None else None
    uri = f"https://{host}/g/{name}"
    actor = Actor(uri=uri, kind=kind, handle=name, host=host, name=name.title(), inbox=f"{uri}/inbox",
                  shared_inbox=f"https://{host}/inbox", created_at=tx.now, fetched_at=tx.now)  # fmt: skip
    tx.add(actor)
    await tx.flush()
    return actor


def _follow(other, group, number=1):
    return {"id": f"https://{other.host}/a/{number}", "type": "Follow", "actor": other.uri, "object": group.uri}


async def _state(site, link):
    async with site.database.read() as tx:
        held = await links.find(tx, link.group_id, link.other_id)
        return held.state, held.is_paused_there


async def _sent(tx):
    rows = await tx.execute(select(Activity.type).where(Activity.direction == "out").order_by(Activity.id))
    return list(rows.scalars())


async def test_proposed_and_accepted(site, member, theme):
    boss, mobility = await member("boss", site_role="admin"), await theme("mobility")
    async with site.database.write() as tx:
        other = await _elsewhere(tx)
        link = await links.propose(tx, boss.actor, mobility.actor, other, "Same river")
    assert await _state(site, link) == ("proposed", False)
    async with site.database.write() as tx:
        assert await links.shown_in(tx, mobility.actor_id) == [mobility.actor_id]
        with pytest.raises(Invalid, match="link-exists"):
            await links.propose(tx, boss.actor, mobility.actor, other)
        await following.accepted(tx, await tx.get_one(Membership, (mobility.actor_id, other.id)))
    assert await _state(site, link) == ("linked", False)
    async with site.database.write() as tx:
        assert await links.shown_in(tx, mobility.actor_id) == [mobility.actor_id, other.id]
        # They follow us in turn: nobody is asked again.
        assert await links.asked(tx, other, mobility.actor, _follow(other, mobility.actor)) == "followed"
        assert await _sent(tx) == ["Follow"]
    async with site.database.read() as tx:
        assert await _sent(tx) == ["Follow", "Accept"]
        actions = (await tx.execute(select(LogEntry.action, LogEntry.reason).order_by(LogEntry.id))).all()
        assert [tuple(row) for row in actions] == [("link-propose", "Same river"), ("link-accept", "")]


async def test_asked_and_answered(site, member, theme):
    boss, mobility = await member("boss", site_role="moderator"), await theme("mobility")
    async with site.database.write() as tx:
        other = await _elsewhere(tx)
        assert await links.asked(tx, other, mobility.actor, _follow(other, mobility.actor)) == "link-asked"
        assert await links.asked(tx, other, mobility.actor, _follow(other, mobility.actor, 2)) == "link-asked"
    async with site.database.read() as tx:
        told = (await tx.execute(select(Notification.kind, Notification.actor_id))).all()
        assert [tuple(row) for row in told] == [("link", other.id)]
        assert (await tx.get_one(Membership, (other.id, mobility.actor_id))).state == "pending"
        assert await _sent(tx) == []
        link = await links.find(tx, mobility.actor_id, other.id)
        assert link.state == "asked"
    async with site.database.write() as tx:
        await links.answer(tx, boss.actor, link, is_welcome=True)
    async with site.database.write() as tx:
        assert await _sent(tx) == ["Accept", "Follow"]
        accept = (await tx.execute(select(Activity.document).where(Activity.type == "Accept"))).scalar_one()
        assert '"https://bcn.example/a/2"' in accept
        await following.accepted(tx, await tx.get_one(Membership, (mobility.actor_id, other.id)))
    assert await _state(site, link) == ("linked", False)
    # They pause and come back; then they end it.
    async with site.database.write() as tx:
        await groups.leave(tx, other, mobility.actor)
    assert await _state(site, link) == ("linked", True)
    async with site.database.write() as tx:
        assert await links.asked(tx, other, mobility.actor, _follow(other, mobility.actor, 3)) == "followed"
    assert await _state(site, link) == ("linked", False)
    async with site.database.write() as tx:
        await following.rejected(tx, await tx.get_one(Membership, (mobility.actor_id, other.id)))
    assert (await _state(site, link))[0] == "ended"


async def test_declined_paused_resumed_ended(site, member, theme):
    boss, mobility = await member("boss", site_role="admin"), await theme("mobility")
    async with site.database.write() as tx:
        other = await _elsewhere(tx)
        await links.asked(tx, other, mobility.actor, _follow(other, mobility.actor))
        link = await links.find(tx, mobility.actor_id, other.id)
        await links.answer(tx, boss.actor, link, is_welcome=False, reason="Too early")
    assert await _state(site, link) == ("declined", False)
    async with site.database.write() as tx:
        with pytest.raises(Refused, match="link-changed-meanwhile"):
            await links.answer(tx, boss.actor, link, is_welcome=True)
        await links.propose(tx, boss.actor, mobility.actor, other)
        await following.accepted(tx, await tx.get_one(Membership, (mobility.actor_id, other.id)))
        await links.asked(tx, other, mobility.actor, _follow(other, mobility.actor, 2))
        await links.pause(tx, boss.actor, link, reason="Too loud")
        assert await links.shown_in(tx, mobility.actor_id) == [mobility.actor_id]
    assert await _state(site, link) == ("paused", False)
    async with site.database.write() as tx:
        # Their follow stays, so that they go on showing ours.
        assert (await tx.get_one(Membership, (other.id, mobility.actor_id))).state == "accepted"
        await links.resume(tx, boss.actor, link)
    assert await _state(site, link) == ("linked", False)
    async with site.database.write() as tx:
        await links.end(tx, boss.actor, link)
    assert await _state(site, link) == ("ended", False)
    async with site.database.read() as tx:
        assert await _sent(tx) == ["Reject", "Follow", "Accept", "Undo", "Follow", "Undo", "Reject"]
        assert (await tx.get_one(Membership, (other.id, mobility.actor_id))).state == "rejected"
        assert len((await tx.execute(select(Link))).all()) == 1


async def test_who_may_link_what(site, member, theme):
    anna, boss, mobility = await member("anna"), await member("boss", site_role="moderator"), await theme("mobility")
    water = await theme("water")
    async with site.database.write() as tx:
        other, person = await _elsewhere(tx), await _elsewhere(tx, "carla", kind="person")
        with pytest.raises(Refused, match="moderators-only"):
            await links.propose(tx, anna.actor, mobility.actor, other)
        with pytest.raises(Invalid, match="link-no-group"):
            await links.propose(tx, boss.actor, mobility.actor, person)
        with pytest.raises(Invalid, match="link-is-here"):
            await links.propose(tx, boss.actor, mobility.actor, water.actor)
        tx.add(Membership(actor_id=anna.actor_id, group_id=water.actor_id, role="moderator", created_at=tx.now))
        await tx.flush()
    async with site.database.write() as tx:
        await links.propose(tx, anna.actor, water.actor, other)  # moderators link their own theme
        with pytest.raises(Refused):
            await links.propose(tx, anna.actor, mobility.actor, other)


async def test_neighbours_and_the_merged_list(site, member, theme):
    boss, mobility = await member("boss", site_role="admin"), await theme("mobility")
    async with site.database.write() as tx:
        other = await _elsewhere(tx)
        carla = await _elsewhere(tx, "carla", kind="person")
        await links.propose(tx, boss.actor, mobility.actor, other)
        await following.accepted(tx, await tx.get_one(Membership, (mobility.actor_id, other.id)))
        await links.keep_city(tx, links.City("bcn.example", "Barcelona", "A city by the sea", "folkmoot"))
        written = posts.Written(html="<p>Trams</p>", title="Trams by night", uri="https://bcn.example/p/1")
        await topics.open(tx, carla, other, written)
        ours = await posts.compose(tx, "Ours", title="Our own")
        await topics.open(tx, boss.actor, mobility.actor, ours)
    async with site.database.read() as tx:
        listed = await topics.listed(tx, group_id=mobility.actor_id)
        assert {row.topic.title for row in listed} == {"Trams by night", "Our own"}
        (neighbour,) = await links.neighbours(tx)
        assert (neighbour.city.called, neighbour.recent_count) == ("Barcelona", 1)
        assert neighbour.last_post_at is not None
        assert neighbour.heard_at is not None
