"""Keeping order across servers, in and out, with real keys over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from community import groups, moderation, posts, topics
from community.models import Activity, Actor, LogEntry, Membership, Notification, Post, Report, Theme, Topic
from community.policy import Refused
from federation.site import Site
from federation.vocabulary import PUBLIC, format_time
from inbox import registry
from inbox.registry import Received
from tests.conftest import MakeMember, MakeTheme
from tests.inbox.test_flows import until
from tests.peer import Peer
from tests.strict import check

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def outcome(site: Site, activity: dict[str, Any]) -> str:
    async def found() -> str | None:
        async with site.database.read() as tx:
            return await tx.scalar(select(Activity.outcome).where(Activity.uri == activity["id"]))

    return str(await until(found))


async def told(site: Site, peer: Peer, kind: str, about: Any, *, by: str = "tess", **fields: Any) -> str:
    """Send an activity to the shared inbox; what became of it."""
    activity = peer.activity(kind, about, by=by, **fields)
    assert (await peer.send(f"{site.settings.origin}/inbox", activity, by=by))[0] == 202
    return await outcome(site, activity)


async def held(site: Site, uri: str) -> Post:
    async with site.database.read() as tx:
        found = await posts.find_by_uri(tx, uri)
        assert found is not None
        return found


async def opened(site: Site, theme: Theme, author: Actor) -> Post:
    async with site.database.write() as tx:
        return await topics.open(tx, author, theme.actor, await posts.compose(tx, "Text.", title="A title"))


async def actor(site: Site, uri: str) -> Actor:
    async with site.database.read() as tx:
        found = await tx.by_uri(Actor, uri)
        assert found is not None
        return found


def addressed(group: Actor, **fields: Any) -> dict[str, Any]:
    return {"to": [group.uri, PUBLIC], "cc": [group.uri], "audience": group.uri, **fields}


async def test_a_moderator_elsewhere_keeps_order_in_a_theme_of_ours(
    site: Site, client: Any, at_work: None, peer: Peer, second_peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    """What strangers cannot, an appointed moderator can; forums hear of it in the moderator's own words."""
    second_peer.software = "lemmy"
    boss, anna, mobility = await member("boss", site_role="moderator"), await member("anna"), await theme("mobility")
    assert await told(site, second_peer, "Follow", mobility.actor.uri, by="tess") == "followed"
    peer.actor("troll")
    assert await told(site, peer, "Follow", mobility.actor.uri, by="troll") == "followed"
    opener = await opened(site, mobility, anna.actor)
    notes = [peer.note("<p>Spam.</p>", by="troll", inReplyTo=opener.uri) for _ in range(2)]
    for note in notes:
        assert await told(site, peer, "Create", note, by="troll") == "replied"

    async def act(kind: str, about: Any, **fields: Any) -> str:
        return await told(site, peer, kind, about, **addressed(mobility.actor, **fields))

    featured, moderators = f"{mobility.actor.uri}/featured", f"{mobility.actor.uri}/moderators"
    troll, ends = peer.uri("troll"), format_time(site.database.clock() + timedelta(days=3))
    lock = {"id": f"{peer.uri()}/lock", "type": "Lock", "actor": peer.uri(), "object": opener.uri}
    attempts: list[tuple[str, Any, dict[str, Any]]] = [
        ("Lock", opener.uri, {}),
        ("Undo", lock, {}),
        ("Add", opener.uri, {"target": featured}),
        ("Remove", opener.uri, {"target": featured}),
        ("Add", peer.uri(), {"target": moderators}),
        ("Block", troll, {"target": mobility.actor.uri, "endTime": ends, "removeData": True}),
    ]
    for kind, about, fields in attempts:
        assert await act(kind, about, **fields) == "moderators-only"
    assert await act("Delete", notes[0]["id"], summary="Spam") == "only-the-author"

    tess = await actor(site, peer.uri())
    async with site.database.write() as tx:
        assert await moderation.set_moderator(tx, boss.actor, mobility.actor, tess, is_on=True)
    collection = await (await client.get("/g/mobility/moderators")).json()
    assert collection["orderedItems"] == [peer.uri()]
    appointed = (await until(lambda: second_peer.got("Announce", "Add")))[0]
    assert (appointed["object"]["object"], appointed["object"]["target"]) == (peer.uri(), moderators)
    check(appointed)

    assert await act("Delete", notes[0]["id"], summary="Spam") == "removed"
    assert (await held(site, notes[0]["id"])).deleted_reason == "Spam"
    removed = (await until(lambda: second_peer.got("Announce", "Delete")))[0]["object"]
    assert (removed["actor"], removed["object"], removed["summary"]) == (peer.uri(), notes[0]["id"], "Spam")

    assert await act("Lock", opener.uri, summary="Settled") == "closed"
    locked = (await until(lambda: second_peer.got("Announce", "Lock")))[0]["object"]
    assert (locked["actor"], locked["summary"]) == (peer.uri(), "Settled")
    assert await act("Lock", notes[1]["id"]) == "only-topics-are-locked"
    assert await act("Undo", {**lock, "id": f"{peer.uri()}/2"}) == "opened-again"
    assert await act("Add", opener.uri, target=featured) == "pinned"
    assert await act("Add", opener.uri, target=featured) == "nothing-new"
    assert await act("Add", opener.uri, target=f"{mobility.actor.uri}/nonsense") == "target-unknown"
    assert await act("Remove", opener.uri, target=featured) == "unpinned"

    block = {"target": mobility.actor.uri, "removeData": True, "summary": "Spam"}
    assert await act("Block", boss.actor.uri, **block) == "not-above-them"
    assert await act("Block", peer.uri(), **block) == "not-above-them"
    assert await act("Block", troll, **block, endTime="soon") == "time-unclear"
    assert await act("Block", troll, **block, endTime=ends) == "banned"
    assert await act("Block", troll, target=None) == "block-between-people"
    assert await act("Block", troll, target=f"{peer.origin}/") == "ban-of-another-server"
    await until(lambda: peer.got("Reject"))  # the follow of who is banned ends where it is kept
    await until(lambda: second_peer.got("Announce", "Block"))

    async def is_gone() -> bool:
        return (await held(site, notes[1]["id"])).deleted_at is not None

    await until(is_gone)
    again = peer.note("<p>Me again.</p>", by="troll", inReplyTo=opener.uri)
    assert await told(site, peer, "Create", again, by="troll") == "you-are-banned-here"
    undo = {"id": f"{peer.uri()}/3", "type": "Block", "actor": peer.uri(), "object": troll, **block}
    assert await act("Undo", undo) == "let-in-again"
    assert await told(site, peer, "Create", again, by="troll") == "replied"
    assert await act("Remove", peer.uri(), target=moderators) == "dismissed"
    assert await act("Lock", opener.uri) == "moderators-only"
    async with site.database.read() as tx:
        actions = list((await tx.execute(select(LogEntry.action).where(LogEntry.actor_id == tess.id))).scalars())
    expected = ["remove-post", "close-topic", "open-topic", "pin-topic", "unpin-topic", "ban", "unban", "dismiss"]
    assert actions == expected


async def test_what_our_moderators_do_is_announced_to_forums(
    site: Site, client: Any, at_work: None, peer: Peer, second_peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    """Every form that goes out passes the strict reader; microblogs hear nothing, not even a Block that they would take
    for one between two people."""
    peer.software, second_peer.software = "lemmy", "mastodon"
    boss, mobility = await member("boss", site_role="moderator"), await theme("mobility")
    assert await told(site, peer, "Follow", mobility.actor.uri) == "followed"
    assert await told(site, second_peer, "Follow", mobility.actor.uri) == "followed"
    opener = await opened(site, mobility, boss.actor)
    stranger = await actor(site, second_peer.uri())
    until_ = site.database.clock() + timedelta(days=7)
    for step in range(8):
        async with site.database.write() as tx:
            topic = await tx.get_one(Topic, opener.topic_id)
            on = step % 2 == 0
            if step < 2:
                await topics.pin(tx, boss.actor, topic, is_on=on)
            elif step < 4:
                await topics.close(tx, boss.actor, topic, is_on=on, reason="Settled")
            elif step < 6:
                await moderation.set_moderator(tx, boss.actor, mobility.actor, stranger, is_on=on)
            elif on:
                await moderation.ban(tx, boss.actor, mobility.actor, stranger, reason="Spam", until=until_)
            else:
                await moderation.unban(tx, boss.actor, mobility.actor, stranger, reason="Sorry")
    await until(lambda: len(peer.got("Announce", "Undo")) == 2)
    for each in [
        activity for kind in ("Add", "Remove", "Lock", "Block", "Undo") for activity in peer.got("Announce", kind)
    ]:
        check(each)
        inner = each["object"]
        assert (inner["to"], inner["audience"]) == ([mobility.actor.uri, PUBLIC], mobility.actor.uri)
    targets = [each["object"]["target"].rpartition("/")[2] for each in peer.got("Announce", "Add")]
    assert sorted(targets) == ["featured", "moderators"]
    lock = peer.got("Announce", "Lock")[0]["object"]
    assert (lock["object"], lock["summary"], lock["actor"]) == (opener.uri, "Settled", boss.actor.uri)
    block = peer.got("Announce", "Block")[0]["object"]
    assert (block["object"], block["target"]) == (second_peer.uri(), mobility.actor.uri)
    assert (block["endTime"], block["removeData"]) == (format_time(until_), False)
    await until(lambda: second_peer.got("Reject"))
    heard = {
        each.activity["object"]["type"] for each in second_peer.received if isinstance(each.activity["object"], dict)
    }
    assert heard.isdisjoint({"Block", "Lock", "Add", "Remove"})
    assert not second_peer.got("Block")


async def test_reports_from_every_kind_of_server_reach_staff_and_nobody_else(
    site: Site, client: Any, at_work: None, peer: Peer, second_peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    boss, anna, mobility = await member("boss", site_role="moderator"), await member("anna"), await theme("mobility")
    assert await told(site, second_peer, "Follow", mobility.actor.uri) == "followed"
    first, second = [await opened(site, mobility, anna.actor) for _ in range(2)]
    peer.actor("actor", type="Application")  # Mastodon reports as its instance
    mastodon = [anna.actor.uri, first.uri, second.uri, f"{site.settings.origin}/p/99999"]
    assert await told(site, peer, "Flag", mastodon, by="actor", content="<p>Rude &amp; wrong</p>") == "reported"
    assert await told(site, peer, "Flag", mastodon, by="actor", content="Rude") == "already-reported"
    assert await told(site, peer, "Flag", first.uri, summary="Spam " * 2000, to=[mobility.actor.uri]) == "reported"
    assert await told(site, peer, "Flag", [anna.actor.uri], to=[mobility.actor.uri]) == "reported"
    assert await told(site, peer, "Flag", f"{peer.origin}/notes/unheld") == "post-not-held"
    async with site.database.read() as tx:
        rows = list((await tx.execute(select(Report).order_by(Report.id))).scalars())
        assert [row.post_id for row in rows] == [first.id, second.id, first.id, None]
        assert rows[0].reason == "Rude & wrong"
        assert len(rows[2].reason) <= 5000
        assert rows[3].group_id == mobility.actor_id
        cases = await moderation.open_reports(tx, boss.actor)
        assert [len(case.reports) for case in cases] == [2, 1, 1]
        notified = (await tx.execute(select(Notification.account_id).where(Notification.kind == "report"))).scalars()
        assert set(notified) == {boss.actor_id}
        with pytest.raises(Refused):
            await moderation.open_reports(tx, anna.actor)
    async with site.database.write() as tx:
        await moderation.resolve(tx, boss.actor, cases[0].first, "resolved")
    async with site.database.read() as tx:
        assert len(await moderation.open_reports(tx, boss.actor)) == 2
    public = await (await client.get("/log")).text()
    assert "answered a report" in public
    assert "tess" not in public
    assert not [each for each in second_peer.received if "Flag" in str(each.activity)]


async def test_a_report_is_sent_on_by_the_instance_and_without_the_reporter(
    site: Site, client: Any, at_work: None, peer: Peer, second_peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    """To the home of the group and to that of the author, with exactly one ``to`` each."""
    anna, mobility = await member("anna"), await theme("mobility")
    opener = await opened(site, mobility, anna.actor)
    note = peer.note("<p>Rude.</p>", inReplyTo=opener.uri)
    assert await told(site, peer, "Create", note) == "replied"
    second_peer.actor("board", type="Group")
    assert await told(site, second_peer, "Follow", mobility.actor.uri, by="board") != ""
    post = await held(site, note["id"])
    async with site.database.write() as tx:  # the same post, in a topic of a group on a third server
        board = await tx.by_uri(Actor, second_peer.uri("board"))
        assert board is not None
        await groups.ensure_place(tx, board)
        (await tx.get_one(Topic, post.topic_id)).group_id = board.id
    async with site.database.write() as tx:
        assert await moderation.report(tx, anna.actor, posts=[post], reason="Rude words", is_sent_on=True)
    for one, addressee in ((peer, peer.uri()), (second_peer, second_peer.uri("board"))):
        flag = (await until(lambda one=one: one.got("Flag")))[0]
        assert flag["actor"] == f"{site.settings.origin}/"
        assert flag["object"] == [peer.uri(), note["id"]]
        assert (flag["to"], flag["summary"], flag["content"]) == ([addressee], "Rude words", "Rude words")
        assert "anna" not in str(flag)
        check(flag)


async def test_a_group_elsewhere_keeps_order_in_its_own_topics_only(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    """Its word counts here for what is its own; our staff hides there instead of removing."""
    boss, anna, mobility = await member("boss", site_role="moderator"), await member("anna"), await theme("mobility")
    board_uri = peer.uri("board")
    peer.actor("board", type="Group", attributedTo=f"{board_uri}/mods", featured=f"{board_uri}/pins")
    for name in ("board", "tess"):
        like = peer.activity("Like", (await opened(site, mobility, anna.actor)).uri, by=name)
        await peer.send(f"{site.settings.origin}/inbox", like, by=name)
        await outcome(site, like)
    board, tess = await actor(site, board_uri), await actor(site, peer.uri())
    assert (board.moderators_uri, board.featured_uri) == (f"{board_uri}/mods", f"{board_uri}/pins")
    ours = await opened(site, mobility, anna.actor)
    async with site.database.write() as tx:
        theirs = await topics.open(tx, anna.actor, board, await posts.compose(tx, "Text.", title="There"))
    row = Activity(uri=f"{peer.origin}/a/1", direction="in", type="Announce", actor_uri=board_uri, document="{}")

    async def announced(kind: str, about: Any, **fields: Any) -> str | None:
        document = {"id": f"{peer.origin}/a/1", "type": kind, "actor": peer.uri(), "object": about, **fields}
        handler = registry.find(document)
        assert handler is not None
        async with site.database.write() as tx:
            return await handler(tx, Received(row, document, await tx.own(tess), via=await tx.own(board)))

    mods, pins = f"{board_uri}/mods", f"{board_uri}/pins"
    lock = {"type": "Lock", "object": theirs.uri, "id": f"{peer.origin}/a/2"}
    assert await announced("Add", theirs.uri, target=pins) == "pinned"
    assert await announced("Lock", theirs.uri) == "closed"
    assert await announced("Undo", lock) == "opened-again"
    assert await announced("Add", peer.uri(), target=mods) == "appointed"
    for kind, about, fields in (
        ("Lock", ours.uri, {}),
        ("Add", ours.uri, {"target": f"{mobility.actor.uri}/featured"}),
        ("Add", ours.uri, {"target": pins}),
        ("Add", peer.uri(), {"target": f"{mobility.actor.uri}/moderators"}),
        ("Block", anna.actor.uri, {"target": mobility.actor.uri}),
    ):
        with pytest.raises(Refused, match="not-of-that-group"):
            await announced(kind, about, **fields)
    # Over the wire it is the same, once somebody here follows the group.
    async with site.database.write() as tx:
        tx.add(Membership(actor_id=anna.actor_id, group_id=board.id, state="accepted", created_at=tx.now))
    for about, expected in ((theirs.uri, "closed"), (ours.uri, "not-of-that-group")):
        inner = peer.activity("Lock", about, audience=board_uri)
        assert await told(site, peer, "Announce", inner, by="board") == expected
    assert await announced("Undo", lock) == "opened-again"
    # Tess is a known moderator there now, so her own word counts as well.
    assert await told(site, peer, "Lock", theirs.uri) == "closed"
    assert await told(site, peer, "Lock", ours.uri) == "moderators-only"
    assert await announced("Block", anna.actor.uri, target=board_uri, summary="Off topic") == "banned"
    async with site.database.write() as tx:
        with pytest.raises(Refused, match="you-are-banned-here"):
            await topics.open(tx, anna.actor, board, await posts.compose(tx, "Text.", title="Again"))
    async with site.database.write() as tx:
        topic = await tx.get_one(Topic, theirs.topic_id)
        with pytest.raises(Refused, match="moderators-only"):
            await topics.pin(tx, boss.actor, topic, is_on=False)
        with pytest.raises(Refused, match="remove-it-instead"):
            await moderation.hide(tx, boss.actor, await tx.own(ours), "Spam")
        await moderation.hide(tx, boss.actor, topic, "Off topic")
        assert topic.id not in [each.topic.id for each in await topics.listed(tx, group_ids=[board.id])]
        await moderation.unhide(tx, boss.actor, topic)
        assert topic.id in [each.topic.id for each in await topics.listed(tx, group_ids=[board.id])]
    assert not [each for each in peer.received if each.activity["type"] in ("Lock", "Add", "Block", "Remove")]


async def test_who_is_suspended_is_cut_off(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    boss, anna, mobility = await member("boss", site_role="moderator"), await member("anna"), await theme("mobility")
    assert await told(site, peer, "Follow", mobility.actor.uri) == "followed"
    opener = await opened(site, mobility, anna.actor)
    note = peer.note("<p>Spam.</p>", inReplyTo=opener.uri)
    assert await told(site, peer, "Create", note) == "replied"
    tess = await actor(site, peer.uri())
    async with site.database.write() as tx:
        with pytest.raises(Refused, match="moderators-only"):
            await moderation.suspend(tx, anna.actor, tess, reason="Spam")
        with pytest.raises(Refused, match="not-above-them"):
            await moderation.suspend(tx, boss.actor, boss.actor, reason="Spam")
        assert await moderation.suspend(tx, boss.actor, tess, reason="Spam", removes_posts=True)
        assert (await tx.get_one(Membership, (tess.id, mobility.actor_id))).state == "left"
    await until(lambda: peer.got("Reject"))

    async def is_gone() -> bool:
        return (await held(site, note["id"])).deleted_reason == "Spam"

    await until(is_gone)
    again = peer.note("<p>Again.</p>", inReplyTo=opener.uri)
    assert await told(site, peer, "Create", again) == "actor-is-suspended"
    async with site.database.write() as tx:
        assert [each.id for each in await moderation.suspended(tx)] == [tess.id]
        assert await moderation.unsuspend(tx, boss.actor, tess)
    assert await told(site, peer, "Create", again) == "replied"


async def test_a_server_reports_only_so_often(
    site: Site, peer: Peer, member: MakeMember, theme: MakeTheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moderation, "REPORTS_HERE", 2)
    anna, bert, mobility = await member("anna"), await member("bert"), await theme("mobility")
    made = [await opened(site, mobility, anna.actor) for _ in range(3)]
    async with site.database.write() as tx:
        assert len(await moderation.report(tx, bert.actor, posts=made[:2], reason="x")) == 2
        assert await moderation.report(tx, bert.actor, posts=made[:1], reason="x") == []
        with pytest.raises(Refused, match="too-many-reports"):
            await moderation.report(tx, bert.actor, posts=made[2:], reason="x")
