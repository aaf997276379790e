"""Rules 7 and 86 to 90: the same twice, at once, late, or in the wrong order; on both databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

from community.models import Activity, Job, Membership, Notification, Post, Reaction, Tombstone, Topic
from federation.vocabulary import format_time
from tests.hostile.place import Place, opened
from tests.ports import free_port
from web import running
from web.app import build

pytestmark = pytest.mark.usefixtures("calm")


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["sqlite", "postgresql"])
async def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    if request.param == "sqlite":
        async with opened(folder) as made:
            yield made
        return
    import asyncpg  # type: ignore[import-untyped]

    uri = request.getfixturevalue("postgresql")
    admin = await asyncpg.connect(uri)
    name = f"hostile{free_port()}"
    await admin.execute(f"CREATE DATABASE {name}")
    base, _, query = uri.partition("?")
    try:
        async with opened(folder, f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")) as made:
            yield made
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


def reply(place: Place, content: str = "<p>x</p>", **fields: Any) -> dict[str, Any]:
    return place.peer.note(content, inReplyTo=place.opener.uri, **fields)


def later(seconds: int) -> str:
    return format_time(datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=seconds))


async def test_rule_7_the_same_request_again(place: Place) -> None:
    """Rule 7: the very bytes twice change nothing the second time, not for a server that was started anew either."""
    note = reply(place)
    create = place.peer.activity("Create", note)
    await place.accepted(create, "replied")
    await place.quiet()
    before, kept = await place.picture(), await place.count(Activity)
    for _ in range(3):
        assert (await place.peer.send(place.inbox, create))[0] == 202
    restarted = TestServer(build(place.site), host="127.0.0.1", port=free_port())
    async with restarted:
        address = f"http://127.0.0.1:{restarted.port}/inbox"
        from federation import signatures
        from tests.peer import key

        raw = json.dumps(create).encode()
        headers = signatures.sign(
            "POST", place.inbox, raw, key(0), f"{place.peer.uri()}#main-key", now=datetime.now(UTC)
        )
        headers["Content-Type"] = "application/activity+json"
        async with place.peer.session.post(address, data=raw, headers=headers) as answer:
            assert answer.status == 202
    await place.quiet()
    assert await place.count(Activity) == kept
    assert await place.picture() == before


async def test_rule_7_activities_are_remembered_longer_than_a_signature_holds(place: Place) -> None:
    """Rules 7 and 88: tidying keeps ids and tombstones for weeks, a signature is good for an hour."""
    create = place.peer.activity("Create", reply(place))
    await place.accepted(create, "replied")
    await place.accepted(place.peer.activity("Delete", f"{place.peer.origin}/notes/tidied"), "remembered")
    clock = place.site.database.clock
    try:
        place.site.database.clock = lambda: clock() + timedelta(days=31)
        async with place.site.database.write() as tx:
            await running.forget(tx)
    finally:
        place.site.database.clock = clock
    assert await place.count(Activity, Activity.uri == create["id"]) == 1
    assert await place.count(Tombstone, Tombstone.uri == f"{place.peer.origin}/notes/tidied") == 1


async def test_rule_86_taken_in_is_kept(place: Place) -> None:
    """Rule 86: before 202 is said, the activity and the job are on disk in one commit; a second worker may do it."""
    create = place.peer.activity("Create", reply(place))
    assert await place.peer.send(place.inbox, create) == (202, {"status": "accepted"})
    async with place.site.database.read() as tx:
        from sqlalchemy import select

        row = (await tx.execute(select(Activity).where(Activity.uri == create["id"]))).scalar_one()
    assert json.loads(row.document) == create
    assert await place.outcome(create["id"]) == "replied"


async def test_rule_86_half_done_is_not_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 86 and 95: a handler that breaks after it has written leaves nothing of it; after a few tries it is given
    up, and what came after it was done meanwhile."""
    from inbox import registry

    broken: list[int] = []

    async def breaking(tx: Any, received: registry.Received) -> str:
        broken.append(1)
        await registry_like(tx, received)
        raise RuntimeError("broken on purpose")

    registry_like = registry._handlers["Like", None]
    monkeypatch.setitem(registry._handlers, ("Like", None), breaking)
    like = place.peer.activity("Like", place.opener.uri)
    create = place.peer.activity("Create", reply(place))
    assert (await place.peer.send(place.inbox, like))[0] == 202
    await place.accepted(create, "replied")
    assert await place.outcome(like["id"]) == "error"
    assert 5 <= len(broken) <= 14
    assert not await place.count(Reaction)
    assert place.alarm.heard
    place.alarm.heard.clear()


async def test_rule_87_the_same_activity_at_once(place: Place) -> None:
    """Rule 87 (Lemmy #3510, Fedify #441): twenty times at the same moment, and once in effect."""
    note = reply(place)
    create = place.peer.activity("Create", note)
    answers = await asyncio.gather(*[place.peer.send(place.inbox, create) for _ in range(20)])
    assert {status for status, _ in answers} == {202}
    assert await place.outcome(create["id"]) == "replied"
    await place.quiet()
    assert await place.count(Activity, Activity.uri == create["id"]) == 1
    assert await place.count(Post, Post.uri == note["id"]) == 1


async def test_rule_87_the_same_object_in_many_activities(place: Place) -> None:
    """Rule 87 (go-fed #59): ten Creates of one note at once, likes of one actor at once; each counts once."""
    note = reply(place)
    creates = [place.peer.activity("Create", note) for _ in range(10)]
    likes = [place.peer.activity("Like", place.opener.uri) for _ in range(10)]
    answers = await asyncio.gather(*[place.peer.send(place.inbox, activity) for activity in creates + likes])
    assert {status for status, _ in answers} == {202}
    outcomes = [await place.outcome(activity["id"]) for activity in creates]
    assert sorted(outcomes) == ["already-held"] * 9 + ["replied"]
    assert sorted([await place.outcome(activity["id"]) for activity in likes]) == ["already-liked"] * 9 + ["liked"]
    opener = await place.post(place.opener.uri)
    assert opener is not None
    assert (opener.like_count_elsewhere, await place.count(Reaction)) == (1, 1)
    assert await place.count(Post, Post.uri == note["id"]) == 1
    held = await place.post(note["id"])
    assert held is not None
    assert await place.count(Notification, Notification.post_id == held.id) == 1
    await place.accepted(place.peer.activity("Undo", likes[0]), "unliked")


async def test_rule_87_many_replies_at_once_have_their_own_numbers(place: Place) -> None:
    """Rule 87: thirty replies of two servers at once; the topic's counts are right afterwards."""
    creates = [(place.peer, place.peer.activity("Create", reply(place))) for _ in range(15)]
    for _ in range(15):
        note = place.other.note("<p>x</p>", by="eve", inReplyTo=place.opener.uri)
        creates.append((place.other, place.other.activity("Create", note, by="eve")))
    await asyncio.gather(
        *[peer.send(place.inbox, create, by="tess" if peer is place.peer else "eve") for peer, create in creates]
    )
    for _, create in creates:
        assert await place.outcome(create["id"]) == "replied"
    async with place.site.database.read() as tx:
        topic = await tx.get_one(Topic, place.opener.topic_id)
    stands = await place.count(Post, Post.topic_id == topic.id, Post.number > 1, Post.deleted_at.is_(None))
    assert topic.reply_count == stands
    assert topic.last_number == await place.count(Post, Post.topic_id == topic.id)


async def test_rule_88_delete_before_create(place: Place) -> None:
    """Rule 88 (Fedify #536): a deletion that overtakes its Create; the post does not rise from the dead."""
    note = reply(place)
    await place.accepted(place.peer.activity("Delete", note["id"]), "remembered")
    await place.in_vain(place.peer.activity("Create", note), "was-deleted")
    await place.in_vain(place.peer.activity("Update", note), "was-deleted")
    await place.fetched_in_vain(note["id"], "was-deleted")
    assert await place.post(note["id"]) is None


async def test_rule_88_create_after_delete(place: Place) -> None:
    """Rule 88: what was deleted stays deleted, under a new activity, by an edit, and by fetching it again."""
    note = reply(place)
    await place.accepted(place.peer.activity("Create", note), "replied")
    await place.accepted(place.peer.activity("Delete", {"id": note["id"], "type": "Tombstone"}), "deleted")
    await place.in_vain(place.peer.activity("Create", note), "already-held")
    await place.in_vain(
        place.peer.activity("Update", {**note, "content": "<p>y</p>", "updated": later(1)}), "post-is-deleted"
    )
    await place.in_vain(place.peer.activity("Delete", note["id"]), "already-deleted")
    held = await place.post(note["id"])
    assert held is not None
    assert (held.html, held.deleted_at is not None) == ("", True)
    like = place.other.activity("Like", note["id"], by="eve")
    await place.in_vain(like, "post-is-deleted", at=place.other, by="eve")


async def test_rule_89_edits_in_the_wrong_order(place: Place) -> None:
    """Rule 89: the newest edit wins, whenever it arrives."""
    note = reply(place, "<p>1</p>")
    await place.accepted(place.peer.activity("Create", note), "replied")
    third = {**note, "content": "<p>3</p>", "updated": later(3)}
    second = {**note, "content": "<p>2</p>", "updated": later(2)}
    await place.accepted(place.peer.activity("Update", third), "edited")
    await place.in_vain(place.peer.activity("Update", second), "nothing-new")
    await place.in_vain(place.peer.activity("Update", third), "nothing-new")
    held = await place.post(note["id"])
    assert held is not None
    assert held.html == "<p>3</p>"


async def test_rule_89_update_before_create(place: Place) -> None:
    """Rule 89: an edit that overtakes its Create is as good as it, and the Create changes nothing afterwards."""
    note = reply(place, "<p>1</p>")
    edited = {**note, "content": "<p>2</p>", "updated": later(2)}
    await place.accepted(place.peer.activity("Update", edited), "created-by-update")
    await place.in_vain(place.peer.activity("Create", note), "already-held")
    held = await place.post(note["id"])
    assert held is not None
    assert held.html == "<p>2</p>"


async def test_rule_89_an_edit_from_the_future_does_not_win_for_ever(place: Place) -> None:
    """Rules 49 and 89: a date far ahead is taken for now, so a later true edit is heard."""
    note = reply(place, "<p>1</p>")
    await place.accepted(place.peer.activity("Create", note), "replied")
    future = {**note, "content": "<p>2</p>", "updated": "2999-01-01T00:00:00Z"}
    await place.accepted(place.peer.activity("Update", future), "edited")
    await asyncio.sleep(1.1)
    last = {**note, "content": "<p>3</p>", "updated": format_time(datetime.now(UTC))}
    await place.accepted(place.peer.activity("Update", last), "edited")


async def test_rule_90_undo_before_follow_and_like(place: Place) -> None:
    """Rule 90 (w3c/activitypub #385): an Undo of what never came is no error."""
    follow = place.other.activity("Follow", place.group.uri, by="eve")
    like = place.other.activity("Like", place.opener.uri, by="eve")
    await place.in_vain(place.other.activity("Undo", follow, by="eve"), "was-not-followed", at=place.other, by="eve")
    await place.in_vain(place.other.activity("Undo", like, by="eve"), "was-not-liked", at=place.other, by="eve")
    await place.in_vain(
        place.other.activity("Undo", like["id"], by="eve"), "was-not-followed", at=place.other, by="eve"
    )


async def test_rule_90_reply_before_its_parents(place: Place) -> None:
    """Rule 90: the parents of a reply are fetched; their Creates, arriving late, change nothing."""
    one = reply(place, "<p>1</p>")
    two = place.peer.note("<p>2</p>", inReplyTo=one["id"])
    three = place.peer.note("<p>3</p>", inReplyTo=two["id"])
    await place.accepted(place.peer.activity("Create", three), "replied")
    rows = [await place.post(note["id"]) for note in (one, two, three)]
    assert all(rows)
    assert [row.reply_to_id for row in rows if row] == [place.opener.id, *[row.id for row in rows[:2] if row]]
    await place.in_vain(place.peer.activity("Create", two), "already-held")
    await place.in_vain(place.peer.activity("Create", one), "already-held")


async def test_rule_90_siblings_at_once_fetch_one_parent(place: Place) -> None:
    """Rules 87 and 90: ten replies at once to a parent that nobody holds; it stands there once."""
    parent = reply(place, "<p>parent</p>")
    creates = [place.peer.activity("Create", place.peer.note("<p>c</p>", inReplyTo=parent["id"])) for _ in range(10)]
    await asyncio.gather(*[place.peer.send(place.inbox, create) for create in creates])
    assert {await place.outcome(create["id"]) for create in creates} == {"replied"}
    assert await place.count(Post, Post.uri == parent["id"]) == 1


async def test_order_of_one_object_is_kept(place: Place) -> None:
    """Rule 92, inwards: Create, edits and Delete of one note, sent one after the other without waiting, while its
    parent still has to be fetched: it ends deleted."""
    for _ in range(3):
        parent = reply(place, "<p>parent</p>")
        note = place.peer.note("<p>0</p>", inReplyTo=parent["id"])
        activities = [place.peer.activity("Create", note)]
        for number in range(1, 4):
            edited = {**note, "content": f"<p>{number}</p>", "updated": later(number)}
            activities.append(place.peer.activity("Update", edited))
        activities.append(place.peer.activity("Delete", note["id"]))
        for activity in activities:
            assert (await place.peer.send(place.inbox, activity))[0] == 202
        outcomes = [await place.outcome(activity["id"]) for activity in activities]
        assert outcomes == ["replied", "edited", "edited", "edited", "deleted"]
        held = await place.post(note["id"])
        assert held is not None
        assert held.html == ""


async def test_order_follow_and_undo_of_a_stranger(place: Place) -> None:
    """Rule 90: Follow, Undo, Follow, Undo at once by somebody new; in the end they do not follow."""
    place.peer.actor("fickle")
    follows = [place.peer.activity("Follow", place.group.uri, by="fickle") for _ in range(2)]
    for follow in follows:
        assert (await place.peer.send(place.inbox, follow, by="fickle"))[0] == 202
        undo = place.peer.activity("Undo", follow, by="fickle")
        assert (await place.peer.send(place.inbox, undo, by="fickle"))[0] == 202
    await place.quiet()
    actor = await place.actor(place.peer.uri("fickle"))
    assert actor is not None
    assert await place.count(Membership, Membership.actor_id == actor.id, Membership.state == "left") == 1


async def test_rule_48_ids_that_no_index_would_take(place: Place) -> None:
    """Rule 48: PostgreSQL refuses to index more than 2700 bytes; a long id or type is no 5xx, and takes nobody who
    arrives with it down."""
    long = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(1900))
    good = [place.peer.activity("Create", reply(place)) for _ in range(5)]
    evil = [
        place.peer.activity("Like", place.opener.uri, id=f"{place.peer.origin}/{long}"),
        place.peer.activity("Like", long),
        place.peer.activity("Like", {"id": long * 20}),
        place.peer.activity("Delete", f"{place.peer.origin}/{long}"),
        place.peer.activity("Undo", f"{place.peer.origin}/{long}"),
        place.peer.activity("".join(f"{number:x}" for number in range(3000)), place.opener.uri),
        place.peer.activity(
            "Create", place.peer.note("<p>x</p>", id=f"{place.peer.origin}/{long}", inReplyTo=place.opener.uri)
        ),
        place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=f"{place.peer.origin}/{long}")),
        place.peer.activity("Follow", place.group.uri, id=f"{place.peer.origin}/{long[:600]}"),
    ]
    answers = await asyncio.gather(*[place.peer.send(place.inbox, each) for each in [*evil, *good]])
    assert {status for status, _ in answers} <= {202, 400}, answers
    for create in good:
        assert await place.outcome(create["id"]) == "replied"
    for each, (status, _) in zip(evil, answers, strict=False):
        if status == 202:
            assert await place.outcome(each["id"]) not in ("error", "unreachable")


async def test_kept_requests_with_odd_headers(place: Place) -> None:
    """Rules 13 and 47: the headers of a request whose key is not to be had now are kept, whatever bytes they are."""
    uri = f"{place.dead}/users/odd"
    activity = place.peer.activity("Like", place.opener.uri, id=f"{place.dead}/activities/odd", actor=uri)
    odd: dict[str, str | None] = {"X-Odd": b"\xff\xfe".decode("utf-8", "surrogateescape")}
    status, said = await place.peer.send(place.inbox, activity, key_id=f"{uri}#main-key", change=odd)
    assert status == 202, said
    assert await place.outcome(activity["id"]) == "unreachable"
    assert not await place.count(Job, Job.kind == "receive", Job.failed_at.is_(None))
