"""Polls in both directions: votes from every kind of server, tallies, polls elsewhere, and what is no vote."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from community import polls, posts, topics
from community.models import Activity, Actor, Ballot, Job, Membership, Post, Topic
from community.policy import Refused
from federation.site import Site
from federation.vocabulary import AS2, PUBLIC
from tests.conftest import MakeMember, MakeTheme
from tests.inbox.test_flows import until
from tests.peer import Peer
from tests.strict import check

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _ask(site: Site, author: Actor, group: Actor, lines: str, *, is_multiple: bool = False) -> Post:
    async with site.database.write() as tx:
        paper = polls.draft(lines, is_multiple=is_multiple, days=3, now=tx.now)
        written = await posts.compose(tx, "Say how often.", title="How often should the bus run?")
        return await topics.open(tx, author, group, replace(written, poll=paper))


def _vote(peer: Peer, post: Post, option: str, *, by: str = "tess", **fields: Any) -> dict[str, Any]:
    """A vote as Mastodon sends it."""
    uri = f"{peer.uri(by)}#votes/{secrets.token_hex(4)}"
    note = {
        "id": uri,
        "type": "Note",
        "attributedTo": peer.uri(by),
        "to": post.author.uri,
        "inReplyTo": post.uri,
        "name": option,
        **fields,
    }
    return {"@context": AS2, "id": f"{uri}/activity", "type": "Create", "actor": peer.uri(by), "to": note["to"],
            "object": note}  # fmt: skip


async def outcome(site: Site, peer: Peer, activity: dict[str, Any], by: str = "tess") -> str:
    await peer.send(f"{site.settings.origin}/inbox", activity, by=by)

    async def known() -> str:
        async with site.database.read() as tx:
            query = select(Activity.outcome).where(Activity.uri == activity["id"])
            return str(await tx.scalar(query) or "")

    return str(await until(known))


async def _counts(site: Site, post_id: int) -> tuple[list[tuple[int, int]], int, int]:
    async with site.database.read() as tx:
        found = await polls.find(tx, post_id)
        assert found is not None
        poll, options = found
        return [(o.votes_here, o.votes_elsewhere) for o in options], poll.voters_here, poll.voters_elsewhere


async def _due(site: Site, kind: str) -> None:
    """Let the jobs of a kind be due now, whatever the clock says."""
    async with site.database.write() as tx:
        await tx.execute(update(Job).where(Job.kind == kind).values(run_at=tx.now))
        tx.has_jobs = True


async def test_votes_of_every_kind_are_counted_once_and_told_as_a_tally(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    anna, bruno, mobility = await member("anna"), await member("bruno"), await theme("mobility")
    for name in ("snac", "mia", "pia"):
        peer.actor(name)
    await peer.send(mobility.actor.inbox, peer.activity("Follow", mobility.actor.uri))
    await until(lambda: peer.got("Accept"))
    post = await _ask(site, anna.actor, mobility.actor, "Every hour\nEvery <b>ten</b> minutes\n")
    create = (await until(lambda: peer.got("Announce", "Create")))[0]["object"]
    question = create["object"]
    check(create, origin=site.settings.origin)
    assert (question["type"], question["votersCount"], "closed" in question) == ("Question", 0, False)
    assert [option["name"] for option in question["oneOf"]] == ["Every hour", "Every <b>ten</b> minutes"]
    assert question["content"].startswith("<p><strong>How often should the bus run?</strong></p>")

    assert await outcome(site, peer, _vote(peer, post, "Every <b>ten</b> minutes")) == "voted"
    snac = _vote(peer, post, "Every hour", by="snac", content="<br>", summary="", published="2026-11-20T10:00:00Z")
    assert await outcome(site, peer, snac, by="snac") == "voted"
    piefed = peer.activity("PollVote", post.uri, by="pia", choice_text="Every hour", audience=mobility.actor.uri)
    assert await outcome(site, peer, piefed, by="pia") == "voted"
    async with site.database.write() as tx:
        await polls.vote(tx, bruno.actor, await tx.get_one(Post, post.id), ["Every hour"])
    assert await _counts(site, post.id) == ([(1, 2), (0, 1)], 1, 3)

    # What is no vote that counts has a name, and is never a post.
    assert await outcome(site, peer, _vote(peer, post, "Every hour")) == "voted-already"
    again = peer.activity("PollVote", post.uri, by="pia", choice_text="Every hour")
    assert await outcome(site, peer, again, by="pia") == "voted-already"
    assert await outcome(site, peer, _vote(peer, post, "Never", by="mia"), by="mia") == "option-unknown"
    assert await outcome(site, peer, peer.activity("PollVote", post.uri, by="mia"), by="mia") == "option-unknown"
    other = peer.note("<p>No poll at all.</p>", inReplyTo=post.uri)
    assert await outcome(site, peer, peer.activity("Create", other)) == "replied"
    async with site.database.read() as tx:
        reply = await posts.find_by_uri(tx, other["id"])
        assert reply is not None
    elsewhere = {**_vote(peer, post, "Every hour", by="mia")}
    elsewhere["object"] = {**elsewhere["object"], "inReplyTo": other["id"]}
    assert await outcome(site, peer, elsewhere, by="mia") == "vote-elsewhere"
    nowhere = _vote(peer, post, "Every hour", by="mia", inReplyTo=f"{peer.origin}/nothing")
    assert await outcome(site, peer, nowhere, by="mia") == "vote-without-poll"
    async with site.database.write() as tx:
        mia = await tx.by_uri(Actor, peer.uri("mia"))
        assert mia is not None
        tx.add(Membership(actor_id=mia.id, group_id=mobility.actor_id, role="banned", created_at=tx.now))
    assert await outcome(site, peer, _vote(peer, post, "Every hour", by="mia"), by="mia") == "you-are-banned-here"
    assert await _counts(site, post.id) == ([(1, 2), (0, 1)], 1, 3)

    # One tally for all of them, then a last one at the end; no names in either.
    assert not peer.got("Update", "Question")
    async with site.database.read() as tx:
        waiting = (await tx.execute(select(Job.run_at).where(Job.kind == "tell-tally"))).scalars().all()
    assert len(waiting) == 1
    await _due(site, "tell-tally")
    told = (await until(lambda: peer.got("Update", "Question")))[0]
    check(told, origin=site.settings.origin)
    assert [option["replies"]["totalItems"] for option in told["object"]["oneOf"]] == [3, 1]
    assert (told["object"]["votersCount"], told["actor"]) == (4, anna.actor.uri)
    await _due(site, "close-poll")
    last = (await until(lambda: [a for a in peer.got("Update", "Question") if "closed" in a["object"]]))[0]
    check(last, origin=site.settings.origin)
    assert await until(lambda: [a for a in peer.got("Announce", "Update") if "closed" in a["object"]["object"]])
    peer.actor("lin")
    late = _vote(peer, post, "Every hour", by="lin")
    assert await outcome(site, peer, late, by="lin") == "poll-is-closed"
    served = await (await client.session.get(post.uri, headers={"Accept": "application/activity+json"})).json(
        content_type=None
    )
    check(served)
    assert served["closed"] == last["object"]["closed"]
    assert "/users/" not in str([told, last, served]), "nobody is named"
    async with site.database.write() as tx:
        assert await tx.scalar(select(func.count()).select_from(Post).where(Post.topic_id == post.topic_id)) == 2
        await posts.erase(tx, anna.actor, post)
        assert await tx.scalar(select(func.count()).select_from(Ballot)) == 0
    assert await outcome(site, peer, {**late, "id": f"{late['id']}2"}, by="lin") == "post-is-deleted"


async def test_several_choices_and_the_clock(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, bruno, mobility = await member("anna"), await member("bruno"), await theme("mobility")
    post = await _ask(site, anna.actor, mobility.actor, "a\nb\nc", is_multiple=True)
    async with site.database.write() as tx:
        assert len(await polls.vote(tx, bruno.actor, post, ["a", "c"])) == 2
        with pytest.raises(Refused, match="voted-already"):
            await polls.vote(tx, bruno.actor, post, ["c"])
        await polls.vote(tx, bruno.actor, post, ["b"])
        await polls.vote(tx, anna.actor, post, ["b"])
        with pytest.raises(Refused, match="choose-one"):
            await polls.vote(tx, anna.actor, post, [])
    assert await _counts(site, post.id) == ([(1, 0), (2, 0), (1, 0)], 2, 0)
    clock = site.database.clock
    site.database.clock = lambda: clock() + timedelta(days=4)
    async with site.database.write() as tx:
        # The job that closes it has not run yet: the clock itself is asked.
        with pytest.raises(Refused, match="poll-is-closed"):
            await polls.vote(tx, anna.actor, post, ["a"])
        single = await topics.open(
            tx,
            anna.actor,
            mobility.actor,
            replace(await posts.compose(tx, "x", title="One only"), poll=polls.Paper(("y", "n"))),
        )
        with pytest.raises(Refused, match="choose-one"):
            await polls.vote(tx, bruno.actor, single, ["y", "n"])
        await polls.vote(tx, bruno.actor, single, ["y"])
        with pytest.raises(Refused, match="voted-already"):
            await polls.vote(tx, bruno.actor, single, ["n"])


async def test_a_poll_elsewhere_is_kept_voted_in_and_brought_up_to_date(
    site: Site, client: Any, at_work: None, peer: Peer, second_peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    anna, mobility = await member("anna"), await theme("mobility")
    await second_peer.send(mobility.actor.inbox, second_peer.activity("Follow", mobility.actor.uri))
    await until(lambda: second_peer.got("Accept"))

    def options(*counts: int) -> list[dict[str, Any]]:
        names = ("Tram", "Ferry ⛴")
        return [
            {"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": count}}
            for name, count in zip(names, counts, strict=True)
        ]

    question = peer.note(
        "<p>Tram or ferry?</p>",
        type="Question",
        cc=[mobility.actor.uri],
        oneOf=options(3, 1),
        votersCount=4,
        endTime="2036-01-01T00:00:00Z",
    )
    assert await outcome(site, peer, peer.activity("Create", question)) == "topic-opened"
    async with site.database.write() as tx:
        post = await posts.find_by_uri(tx, question["id"])
        assert post is not None
        assert (post.kind, (await polls.find(tx, post.id) or [None])[0].closes_at.year) == ("Question", 2036)  # type: ignore[union-attr]
        await polls.vote(tx, anna.actor, post, ["Ferry ⛴"])
    vote = (await until(lambda: peer.got("Create", "Note")))[0]
    check(vote, origin=site.settings.origin)
    assert (vote["actor"], vote["to"], vote["object"]["name"]) == (anna.actor.uri, [peer.uri()], "Ferry ⛴")
    assert {"published", "content"}.isdisjoint(vote["object"])
    assert PUBLIC not in str(vote)
    assert [r.path for r in peer.received if r.activity["id"] == vote["id"]] == ["/users/tess/inbox"]
    assert (await client.session.get(vote["id"])).status == 404
    assert await _counts(site, post.id) == ([(0, 3), (0, 2)], 0, 5)

    # Its tallies come without ``updated``, and never make a revision.
    told = {**question, "oneOf": options(7, 9), "votersCount": 16}
    assert await outcome(site, peer, peer.activity("Update", told)) == "tallied"
    assert await _counts(site, post.id) == ([(0, 7), (0, 9)], 0, 16)
    assert await outcome(site, peer, peer.activity("Update", told)) == "nothing-new"
    passed_on = (await until(lambda: second_peer.got("Announce", "Update")))[0]["object"]
    assert passed_on["object"] == told, "forums hear of it as it came"
    closed = {**told, "closed": "2026-11-20T10:00:00Z"}
    assert await outcome(site, peer, peer.activity("Update", closed)) == "tallied"
    async with site.database.read() as tx:
        held = await tx.get_one(Post, post.id)
        assert held.edited_at is None
        shown = (await polls.tally(tx, await tx.get_one(Topic, held.topic_id), [held], anna.actor))[post.id]
    assert (shown.is_over, shown.is_shown, len(shown.chosen), [shown.share(o) for o in shown.options]) == (
        True, True, 1, [44, 56],
    )  # fmt: skip
