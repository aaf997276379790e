"""Rules 15 and 85 to 96: what leaves, to inboxes that are broken, slow, gone or hostile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select, update

from community import posts, reactions, topics
from community.models import Activity, Actor, Host, Job, Post, Topic
from tests.hostile.place import Hostile, Place

pytestmark = pytest.mark.usefixtures("calm")


async def write(place: Place, source: str, title: str = "") -> Post:
    """Anna writes: a topic, or an answer in hers."""
    async with place.site.database.write() as tx:
        composed = await posts.compose(tx, source, title=title)
        if title:
            return await topics.open(tx, place.anna, place.group, composed)
        topic = await tx.get_one(Topic, place.opener.topic_id)
        return await posts.reply(tx, place.anna, topic, composed)


def creates(peer: Hostile) -> list[str]:
    return [activity["object"]["content"].strip() for activity in peer.got("Create")]


async def jobs_of(place: Place, kind: str = "deliver") -> list[Job]:
    async with place.site.database.read() as tx:
        return list((await tx.execute(select(Job).where(Job.kind == kind).order_by(Job.id))).scalars())


@pytest.fixture(autouse=True)
async def fresh(place: Place) -> None:
    await place.quiet()
    place.peer.received.clear()
    place.peer.statuses.clear()
    place.peer.answer, place.peer.answer_headers = 202, {}
    async with place.site.database.write() as tx:
        for job in (await tx.execute(select(Job))).scalars():
            await tx.delete(job)
        await tx.execute(update(Host).values(failures=0, failing_since=None, retry_after=None))


async def test_rule_85_post_and_delivery_are_one_commit(place: Place) -> None:
    """Rule 85 (Lemmy #2142, #3561): what is not committed leaves nothing to send, and what is has its job with it."""
    before = await place.picture()
    sent = await place.count(Activity, Activity.direction == "out")

    async def interrupted() -> None:
        async with place.site.database.write() as tx:
            await topics.open(tx, place.anna, place.group, await posts.compose(tx, "Never.", title="Never said"))
            await tx.flush()
            raise RuntimeError("interrupted on purpose")

    with pytest.raises(RuntimeError):
        await interrupted()
    await place.quiet()
    assert await place.picture() == before
    assert await place.count(Activity, Activity.direction == "out") == sent
    assert place.peer.received == []
    async with place.site.database.write() as tx:
        await topics.open(tx, place.anna, place.group, await posts.compose(tx, "Said.", title="Once said"))
        await tx.flush()
        assert (await tx.execute(select(Job.kind))).scalars().all() == []
    await place.quiet()
    assert (len(place.peer.got("Announce", "str")), len(place.peer.got("Announce", "Create"))) == (1, 1)


async def test_rule_15_every_attempt_is_signed_anew(place: Place) -> None:
    """Rules 15 and 91 (NodeBB 4f58b3e4): a retry has all its headers, a Date of its own time, and the same id."""
    clock = place.site.database.clock
    from datetime import timedelta

    shift = [timedelta(0)]
    place.peer.statuses = [503, 503]
    try:
        place.site.database.clock = lambda: clock() + shift[0]
        await write(place, "Again and again.")
        for _ in range(300):
            if len(place.peer.received) >= 1:
                shift[0] = timedelta(minutes=3)
            if len(place.peer.received) >= 3:
                break
            await asyncio.sleep(0.01)
        await place.quiet()
    finally:
        place.site.database.clock = clock
    first = [each for each in place.peer.received if each.activity["id"] == place.peer.received[0].activity["id"]]
    assert len(first) == 3
    assert all(each.is_verified for each in first)
    assert all({"Digest", "Signature", "Date", "Host", "Content-Type"} <= set(each.headers) for each in first)
    assert len({each.headers["Date"] for each in first}) >= 2
    assert len({str(each.activity) for each in first}) == 1


async def test_rule_91_every_activity_has_a_fresh_id(place: Place) -> None:
    """Rule 91 (Pixelfed #5958, Lemmy #6341): liking, unliking and liking again are three activities."""
    for _ in range(3):
        async with place.site.database.write() as tx:
            assert await reactions.like(tx, place.anna, place.theirs)
        await place.quiet()
        async with place.site.database.write() as tx:
            assert await reactions.unlike(tx, place.anna, place.theirs)
        await place.quiet()
    # What the theme announces of it to forums has ids of its own.
    ids = [each.activity["id"] for each in place.peer.received if each.activity["type"] != "Announce"]
    assert len(ids) == 6
    assert len(set(ids)) == 6


async def test_rule_92_order_is_kept_over_failures(place: Place) -> None:
    """Rule 92 (Lemmy #3605): an inbox that fails a few times gets everything, in the order in which it was said."""
    place.peer.statuses = [500, 500, 429, 202, 502]
    for number in range(6):
        await write(place, f"Number {number}.")
    await place.quiet()
    seen = list(dict.fromkeys(creates(place.peer)))
    assert seen == [f"<p>Number {number}.</p>" for number in range(6)]


async def test_rule_92_a_dead_server_holds_nobody_up(place: Place) -> None:
    """Rule 92: a follower at a server that does not answer; others hear everything, and in the end it is given up."""
    async with place.site.database.write() as tx:
        from community.models import Membership

        gone = Actor(
            uri=f"{place.dead}/users/x",
            kind="person",
            handle="x",
            host=place.dead.removeprefix("http://"),
            inbox=f"{place.dead}/inbox",
            created_at=tx.now,
        )
        tx.add(gone)
        await tx.flush()
        tx.add(Membership(actor_id=gone.id, group_id=place.group.id, created_at=tx.now))
    await write(place, "Heard.", title="Heard by those who live")
    await place.quiet()
    assert place.peer.got("Announce", "str")
    failed = [job for job in await jobs_of(place) if job.argument["inbox"] == f"{place.dead}/inbox"]
    assert failed
    assert all(job.failed_at is not None and job.attempts == 11 for job in failed)
    async with place.site.database.write() as tx:
        await tx.delete(await tx.get_one(Membership, (gone.id, place.group.id)))


@pytest.mark.parametrize("status", [400, 404, 405, 406, 410, 413, 415, 422, 501])
async def test_rule_93_no_means_no(place: Place, status: int) -> None:
    """Rule 93: what is refused for good is not sent again."""
    place.peer.answer = status
    await write(place, f"Refused with {status}.")
    await place.quiet()
    ids = [each.activity["id"] for each in place.peer.received]
    assert ids
    # A 400 may mean that the form of signatures was not understood: the other form is tried at once.
    assert {ids.count(uri) for uri in ids} == {2 if status == 400 else 1}
    assert all(job.failed_at is not None for job in await jobs_of(place))


@pytest.mark.parametrize("status", [401, 403])
async def test_rule_93_not_believed_is_tried_once_more(place: Place, status: int) -> None:
    """Rules 15 and 93: the other side may have been unable to fetch our key."""
    place.peer.answer = status
    await write(place, f"Not believed {status}.")
    await place.quiet()
    ids = [each.activity["id"] for each in place.peer.received]
    assert ids
    assert all(ids.count(uri) == (4 if status == 401 else 2) for uri in ids), "401: in both forms of signatures"


@pytest.mark.parametrize("status", [429, 503])
async def test_rule_93_retry_after(place: Place, status: int) -> None:
    """Rule 93: who asks for time gets it; nothing else is sent there meanwhile."""
    place.peer.answer, place.peer.answer_headers = status, {"Retry-After": "3000"}
    await write(place, "Later.")
    for _ in range(200):
        waiting = [job for job in await jobs_of(place) if job.locked_until is None and job.attempts]
        if waiting:
            break
        await asyncio.sleep(0.01)
    sent = len(place.peer.received)
    now = place.site.database.clock()
    assert waiting
    assert all((job.run_at - now).total_seconds() > 2900 for job in waiting)
    await asyncio.sleep(0.7)
    assert len(place.peer.received) == sent <= 2
    async with place.site.database.write() as tx:
        for job in (await tx.execute(select(Job))).scalars():
            await tx.delete(job)


@pytest.mark.parametrize("value", ["-1", "1e9", "soon", "99999999999999", "Thu, 01 Jan 1970 00:00:00 GMT", "\u0663"])
async def test_rule_93_retry_after_that_is_none(place: Place, value: str) -> None:
    """Rule 93: whatever Retry-After says, the delivery comes back within a day, and nothing breaks."""
    place.peer.answer_headers, place.peer.statuses = {"Retry-After": value}, [503]
    await write(place, "Soon.")
    for _ in range(200):
        if place.peer.received:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    now = place.site.database.clock()
    assert place.peer.received
    assert all((job.run_at - now).total_seconds() <= 86400 for job in await jobs_of(place))
    async with place.site.database.write() as tx:
        for job in (await tx.execute(select(Job))).scalars():
            await tx.delete(job)


async def test_rule_37_an_inbox_does_not_redirect(place: Place) -> None:
    """Rule 37 (CVE-2026-77632): a POST follows no redirect."""
    place.peer.answer, place.peer.answer_headers = 307, {"Location": f"{place.other.origin}/inbox"}
    received = len(place.other.received)
    await write(place, "Not elsewhere.")
    await place.quiet()
    assert place.peer.received
    assert len(place.other.received) == received


async def test_rule_94_once_for_each_shared_inbox(place: Place) -> None:
    """Rule 94: several followers on one server are one POST."""
    for name in ("one", "two", "three"):
        place.peer.actor(name)
        await place.accepted(place.peer.activity("Follow", place.group.uri, by=name), "followed", by=name)
    await place.quiet()
    place.peer.received.clear()
    await write(place, "Once.", title="Once for all of them")
    await place.quiet()
    ids = [each.activity["id"] for each in place.peer.received]
    assert len(ids) == len(set(ids)) == 2  # the theme's announces, plain and with the Create inside
    assert {each.path for each in place.peer.received} == {"/inbox"}


async def test_rule_94_long_answers_are_not_read(place: Place) -> None:
    """Rule 94: an inbox that answers with megabytes has its kilobyte read."""
    sent: list[int] = []

    async def endless(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(status=400)
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            for _ in range(400):
                await response.write(b"x" * 65536)
                sent.append(65536)
        except (ConnectionError, asyncio.CancelledError):
            pass
        return response

    place.peer.answers["/endless"] = endless
    answer = await place.site.client.post(f"{place.peer.origin}/endless", b"{}", {})
    assert (answer.status, len(answer.body)) == (400, 1024)
    assert sum(sent) < 400 * 65536


async def test_rule_96_nothing_goes_round(place: Place) -> None:
    """Rule 96 (NodeBB f18eebed): what comes as an Announce is not announced again; a reply is announced once, however
    often it comes."""
    note = place.other.note("<p>Round.</p>", by="eve", inReplyTo=place.opener.uri)
    create = place.other.activity("Create", note, by="eve")
    await place.accepted(create, "replied", at=place.other, by="eve")
    await place.accepted(place.other.activity("Create", note, by="eve"), "already-held", at=place.other, by="eve")
    await place.quiet()
    announced = [each for each in place.peer.got("Announce", "Create") if each["object"]["object"]["id"] == note["id"]]
    assert len(announced) == 1
    sent = await place.count(Activity, Activity.direction == "out")
    await place.accepted(place.peer.activity("Announce", announced[0]), "boost-ignored")
    await place.accepted(place.peer.activity("Announce", note["id"]), "boost-ignored")
    await place.quiet()
    assert await place.count(Activity, Activity.direction == "out") == sent


async def test_private_recipients_of_others_do_not_leave(place: Place) -> None:
    """Rule 30: `bto` and `bcc` in a Create of somebody else are not passed on to the followers of the theme."""
    hidden: dict[str, Any] = {"bto": [place.other.uri("eve")], "bcc": [place.other.uri("eve")]}
    note = place.other.note("<p>Hidden.</p>", by="eve", inReplyTo=place.opener.uri, **hidden)
    create = place.other.activity("Create", note, by="eve", **hidden)
    await place.accepted(create, "replied", at=place.other, by="eve")
    await place.quiet()
    passed = [each for each in place.peer.got("Announce", "Create") if each["object"]["id"] == create["id"]]
    assert passed
    assert not [each for each in passed if "bto" in str(each) or "bcc" in str(each)]
