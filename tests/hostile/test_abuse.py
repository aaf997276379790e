"""Rules 78 to 83: floods, crowds of mentions, and those who were shown the door."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from community import jobs, members
from community.models import Activity, Actor, Membership, Notification, Post
from outbox import delivery
from tests.hostile.place import Place

pytestmark = pytest.mark.usefixtures("calm")


async def test_rule_78_a_flood_is_told_to_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 78: more than a server may send in a minute gets 429 with Retry-After, before its key is asked for; other
    servers are heard."""
    monkeypatch.setattr(place.site, "settings", replace(place.site.settings, inbox_per_minute=5))
    asked = len(place.other.asked)
    statuses = []
    before = await place.picture()
    for _ in range(12):
        activity = place.other.activity("Zap", place.opener.uri, by="eve")
        statuses.append((await place.other.send(place.inbox, activity, by="eve"))[0])
    assert statuses == [202] * 5 + [429] * 7
    assert len(place.other.asked) - asked <= 1 + 2  # the key, and what the server runs
    raw = json.dumps(place.other.activity("Zap", place.opener.uri, by="eve")).encode()
    from datetime import UTC, datetime

    from federation import signatures
    from tests.peer import key

    headers = signatures.sign(
        "POST", place.inbox, raw, key(1), f"{place.other.uri('eve')}#main-key", now=datetime.now(UTC)
    )
    headers["Content-Type"] = "application/activity+json"
    async with place.other.session.post(place.inbox, data=raw, headers=headers) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
    assert await place.picture() == before
    monkeypatch.undo()
    like = place.peer.activity("Like", place.opener.uri)
    await place.accepted(like, "liked")
    await place.accepted(place.peer.activity("Undo", like), "unliked")


async def test_rule_79_mentions_are_counted(place: Place) -> None:
    """Rule 79 (the wave of February 2024): a post that mentions everybody tells few of them."""
    from tests.conftest import pair

    crowd = []
    made = await pair(3)
    async with place.site.database.write() as tx:
        for number in range(60):
            account = await members.add_member(tx, f"crowd{number}", f"crowd{number}@example.org", "!", made)
            crowd.append(account.actor.uri)
    told = await place.count(Notification)
    tags = [{"type": "Mention", "href": uri, "name": "@x"} for uri in crowd * 10]
    note = place.peer.note("<p>Buy.</p>", inReplyTo=place.theirs.uri, tag=tags)
    await place.accepted(place.peer.activity("Create", note), "replied")
    assert await place.count(Notification) - told <= 50


async def test_rule_80_blocked_servers(place: Place) -> None:
    """Rules 80 and 81 (Mastodon CVE-2026-23961): nothing is taken in from a blocked server, nothing of it
    is fetched, and nothing of it comes in by way of others."""
    await place.set_host(place.other.host, "blocked")
    for kind, about in (("Follow", place.group.uri), ("Like", place.opener.uri), ("Delete", place.theirs.uri)):
        activity = place.other.activity(kind, about, by="eve")
        await place.refused(activity, 403, "host-is-blocked", at=place.other, by="eve")
    asked = len(place.other.asked)
    parent = place.other.note("<p>x</p>", by="eve", inReplyTo=place.opener.uri)
    await place.fetched_in_vain(parent["id"], "host-is-blocked")
    inside = place.other.activity("Create", parent, by="eve")
    await place.in_vain(place.peer.activity("Announce", inside), "boost-ignored")
    await place.in_vain(place.peer.activity("Create", parent), "author-is-not-signer")
    assert len(place.other.asked) == asked
    await place.set_host(place.other.host, "open")


@pytest.mark.parametrize(
    ("blocked", "host", "expected"),
    [
        ("evil.example", "evil.example", True),
        ("evil.example", "www.evil.example", True),
        ("evil.example", "a.b.evil.example", True),
        ("evil.example", "evil.example:8443", True),
        ("evil.example", "a.evil.example:8443", True),
        ("evil.example", "notevil.example", False),
        ("evil.example", "evil.example.org", False),
        ("www.evil.example", "evil.example", False),
        ("evil.example:8443", "evil.example:8443", True),
        ("evil.example:8443", "evil.example", False),
    ],
)
async def test_rules_75_and_81_blocks_cover_subdomains_and_ports(
    place: Place, blocked: str, host: str, expected: bool
) -> None:
    """Rules 75 and 81 (Discourse CVE-2026-33393): names are compared by label, at the door, for what is fetched and
    for what is written."""
    from community import policy

    await place.set_host(blocked, "blocked")
    try:
        async with place.site.database.write() as tx:
            actor = Actor(
                uri=f"https://{host}/u/x",
                kind="person",
                handle="x",
                host=host,
                created_at=tx.now,
                inbox=f"https://{host}/inbox",
                key_id=f"https://{host}/u/x#k",
            )
            tx.add(actor)
            await tx.flush()
            tx.add(Membership(actor_id=actor.id, group_id=place.group.id, created_at=tx.now))
            await tx.flush()
            who = await policy.standing(tx, actor, place.group.id)
            assert (who.host_state == "blocked") is expected
            inboxes = await delivery.inboxes(tx, [delivery.To(followers_of=[place.group.id])])
            assert (actor.inbox not in inboxes) is expected
            await tx.rollback()
        activity = place.peer.activity("Like", place.opener.uri, actor=f"https://{host}/u/x", id=f"https://{host}/a/1")
        status, said = await place.peer.send(place.inbox, activity, key_id=f"{place.peer.uri()}#main-key")
        assert (status, said.get("error")) == ((403, "host-is-blocked") if expected else (202, None))
    finally:
        await place.set_host(blocked, "open")


async def test_rule_80_blocked_servers_get_nothing(place: Place) -> None:
    """Rule 80: no deliveries to a blocked server, not those either that were waiting when it was blocked."""
    follow = place.other.activity("Follow", place.group.uri, by="eve")
    await place.accepted(follow, "followed", at=place.other, by="eve")
    await place.quiet()
    place.other.received.clear()
    await place.set_host(place.other.host, "blocked")
    async with place.site.database.write() as tx:
        activity_id = (await tx.execute(select(Activity.id).where(Activity.direction == "out").limit(1))).scalar_one()
        await jobs.add(
            tx,
            "deliver",
            {"activity": activity_id, "inbox": f"{place.other.origin}/inbox", "signer": place.group.id},
            lane=place.other.host,
            line=f"{place.other.origin}/inbox",
        )
    like = place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=place.opener.uri))
    await place.accepted(like, "replied")
    await place.quiet()
    assert place.other.received == []
    await place.set_host(place.other.host, "open")


async def test_rule_80_banned_from_one_theme(place: Place) -> None:
    """Rule 80: who is banned in a theme writes, likes and follows nothing there."""
    place.peer.actor("banned")
    follow = place.peer.activity("Follow", place.group.uri, by="banned")
    await place.accepted(follow, "followed", by="banned")
    actor = await place.actor(place.peer.uri("banned"))
    assert actor is not None
    async with place.site.database.write() as tx:
        await tx.execute(update(Membership).where(Membership.actor_id == actor.id).values(role="banned", state="left"))
    note = place.peer.note("<p>x</p>", by="banned", inReplyTo=place.opener.uri)
    topic = place.peer.note("<p>Words.</p>", by="banned", to=["as:Public", place.group.uri])
    for kind, about in (
        ("Create", note),
        ("Create", topic),
        ("Update", note),
        ("Like", place.opener.uri),
        ("Follow", place.group.uri),
    ):
        await place.in_vain(place.peer.activity(kind, about, by="banned"), "you-are-banned-here", by="banned")
    await place.fetched_in_vain(note["id"], "you-are-banned-here")


async def test_rule_83_a_suspended_author_edits_nothing(place: Place) -> None:
    """Rule 83 (Lemmy GHSA-46g9-847m-qf8r): what was sent before is not edited after a suspension, by no activity and
    by no fetch of the actor."""
    place.peer.actor("suspended")
    note = place.peer.note("<p>Before.</p>", by="suspended", inReplyTo=place.opener.uri)
    await place.accepted(place.peer.activity("Create", note, by="suspended"), "replied", by="suspended")
    async with place.site.database.write() as tx:
        await tx.execute(update(Actor).where(Actor.uri == place.peer.uri("suspended")).values(state="suspended"))
    changed = {**note, "content": "<p>After.</p>"}
    for kind, about in (
        ("Update", changed),
        ("Like", place.opener.uri),
        ("Follow", place.group.uri),
        ("Update", place.peer.served["/users/suspended"]),
    ):
        await place.in_vain(place.peer.activity(kind, about, by="suspended"), "actor-is-suspended", by="suspended")
    async with place.site.database.write() as tx:
        await jobs.add(tx, "fetch-actor", {"uri": place.peer.uri("suspended")})
    await place.quiet()
    actor = await place.actor(place.peer.uri("suspended"))
    assert actor is not None
    assert actor.state == "suspended"
    other = place.peer.note("<p>x</p>", by="suspended", inReplyTo=place.opener.uri)
    await place.fetched_in_vain(other["id"], "you-are-suspended")


async def test_a_closed_account_is_emptied_and_follows_nothing(place: Place) -> None:
    """Rules 23 and 88: Delete by the account itself: its posts are emptied, its follow ends, and an old Create of it
    does not come back."""
    place.peer.actor("leaving")
    notes = [place.peer.note("<p>x</p>", by="leaving", inReplyTo=place.opener.uri) for _ in range(3)]
    await place.accepted(place.peer.activity("Follow", place.group.uri, by="leaving"), "followed", by="leaving")
    for note in notes:
        await place.accepted(place.peer.activity("Create", note, by="leaving"), "replied", by="leaving")
    uri = place.peer.uri("leaving")
    await place.accepted(place.peer.activity("Delete", uri, by="leaving"), "actor-gone", by="leaving")
    await place.quiet()
    actor = await place.actor(uri)
    assert actor is not None
    assert (actor.state, actor.name) == ("gone", "")
    assert await place.count(Membership, Membership.actor_id == actor.id, Membership.state == "accepted") == 0
    assert await place.count(Post, Post.author_id == actor.id, Post.deleted_at.is_(None)) == 0
    assert await place.count(Post, Post.author_id == actor.id, Post.html != "") == 0
    again: dict[str, Any] = place.peer.activity("Create", notes[0], by="leaving")
    await place.in_vain(again, "already-held", by="leaving")
