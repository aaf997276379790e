"""How opinion moved: both polls of a debate by every rule, their tallies, and what is said of who changed sides."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from community import debates, polls, posts, swing
from community.debate_models import Debate
from community.models import Activity, Actor, Ballot, Job, Poll, Post
from community.policy import Refused
from community.swing import Count
from federation.site import Site
from tests.community.outcomes import begin, stranger
from tests.conftest import MakeMember, MakeTheme
from tests.inbox.abroad import joined, meet
from tests.inbox.test_flows import until
from tests.peer import Peer

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=3))
def test_shares_add_up_and_are_never_off_by_more_than_one(database_kind: str, votes: list[int]) -> None:
    count = Count(tuple(votes))
    assert sum(count.shares) == (100 if count.voters else 0)
    for share, given_ in zip(count.shares, votes, strict=True):
        assert not count.voters or abs(share - 100 * given_ / count.voters) < 1


async def test_both_polls_by_every_rule_and_the_sums_of_who_moved(
    site: Site, member: MakeMember, theme: MakeTheme
) -> None:
    play = await begin(site, member, theme)
    here = [(await member(f"m{n}")).actor for n in range(6)]
    there = [await stranger(site, f"s{n}") for n in range(5)]

    async def measured() -> swing.Swing:
        async with site.database.read() as tx:
            return await swing.measure(tx, await play.debate())

    async def refused(part: str, actor: Actor, *sides: str) -> str:
        post = await play.part(part)
        with pytest.raises(Refused) as caught:
            async with site.database.write() as tx:
                await polls.vote(tx, actor, post, list(sides))
        return caught.value.reason

    assert (await measured()).closing is None
    assert await refused("opening-poll", here[0], "Perhaps") == "option-unknown"
    assert await refused("opening-poll", here[0], "In favour", "Against") == "choose-one"
    for actor in here[:5]:
        await play.vote("opening-poll", actor, "for")
    for actor in there[:4]:
        await play.vote("opening-poll", actor, "against")
    assert await refused("opening-poll", here[0], "Against") == "voted-already"
    assert await refused("opening-poll", there[0], "Undecided") == "voted-already"
    now = await measured()
    assert now.opening is not None
    assert (now.opening.here.votes, now.opening.elsewhere.votes) == ((5, 0, 0), (0, 0, 4))
    assert (now.opening.all.shares, now.opening.is_over) == ((56, 0, 44), False)

    # The clock closes a poll, whether or not a job has been there.
    await play.after(21)
    assert await refused("opening-poll", here[5], "In favour") == "poll-is-closed"
    await play.after(45)
    for actor in here[:5]:
        await play.vote("closing-poll", actor, "undecided")
    for actor in there[:4]:
        await play.vote("closing-poll", actor, "against")
    await play.vote("closing-poll", there[4], "for")
    assert (await measured()).both is None, "nine people voted both times"
    async with site.database.write() as tx:
        # A tenth, as if they had voted in time.
        opening = await play.part("opening-poll")
        found = await polls.find(tx, opening.id)
        assert found is not None
        tx.add(Ballot(post_id=opening.id, actor_id=there[4].id, option_id=found[1][2].id, created_at=tx.now))
    both = (await measured()).both
    assert both is not None
    assert (both.voters, both.stayed) == (10, 4)
    assert both.moves == ((0, 5, 0), (0, 0, 0), (1, 0, 4))

    await play.after(60)
    assert await refused("closing-poll", here[5], "In favour") == "poll-is-closed"
    after = await measured()
    assert after.opening is not None
    assert after.closing is not None
    assert (after.opening.is_over, after.closing.is_over) == (True, True)
    closed = (await play.part("closed")).source
    assert "Members here: In favour 100 → 0 %, Undecided 0 → 100 %, Against 0 → 0 % (5 and 5 votes)." in closed
    assert "Other servers: In favour 0 → 20 %" in closed
    async with site.database.read() as tx:
        said = (await tx.execute(select(Activity.document).where(Activity.direction == "out"))).scalars().all()
    assert not any("votes/" in document for document in said), "no ballot leaves"


async def test_tallies_are_told_at_most_every_three_minutes_and_once_more_at_the_end(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    play = await begin(site, member, theme)
    group = play.floor.debate.actor
    await play.after(10)  # which is now, for the peer as well
    await peer.send(group.inbox, peer.activity("Follow", group.uri))
    await until(lambda: peer.got("Accept"))
    post = await play.part("opening-poll")
    served = await client.session.get(post.uri, headers={"Accept": "application/activity+json"})
    question = await served.json(content_type=None)
    assert (question["part"], len(question["oneOf"])) == ("opening-poll", 3)
    vote = peer.note("", inReplyTo=post.uri, name="In favour", to=[question["attributedTo"]], cc=[])
    await peer.send(f"{site.settings.origin}/inbox", peer.activity("Create", vote))

    async def counted() -> int:
        async with site.database.read() as tx:
            return (await tx.get_one(Poll, post.id)).voters_elsewhere

    await until(counted)
    for number in range(4):
        await play.vote("opening-poll", (await member(f"m{number}")).actor, "against")
    async with site.database.read() as tx:
        waiting = select(Job).where(Job.kind == "tell-tally")
        (job,) = (await tx.execute(waiting)).scalars().all()
        assert (job.run_at - tx.now).total_seconds() == 180

    # The end of the debate closes it, also where the poll's own job has not come yet.
    async def tallies() -> list[dict[str, Any]]:
        ended = select(Activity.document).where(Activity.type == "Update", Activity.object_uri == post.uri)
        async with site.database.read() as tx:
            return [json.loads(document)["object"] for document in (await tx.execute(ended)).scalars()]

    assert not await tallies()
    async with site.database.write() as tx:
        await tx.execute(update(Job).where(Job.kind == "close-poll").values(failed_at=tx.now))
    await play.after(60)
    (told,) = await tallies()
    assert [option["replies"]["totalItems"] for option in told["oneOf"]] == [1, 0, 4]
    assert told["closed"]
    async with site.database.write() as tx:
        # Whichever comes second finds it closed, and tells nothing again.
        assert not await polls.close(tx, await tx.get_one(Post, post.id))
        await debates.advance(tx, await tx.lock(Debate, group.id))
    assert len(await tallies()) == 1


async def test_a_poll_in_a_debate_elsewhere_is_voted_in_there(
    site: Site, client: Any, at_work: None, peer: Peer, member: MakeMember
) -> None:
    anna = await member("anna")
    peer.actor("clerk", type="Service")
    async with joined(site, peer, anna.actor) as abroad:
        await meet(site, peer, "clerk")
        question = abroad.note(
            "<p>Where do you stand?</p>",
            by="clerk",
            type="Question",
            part="closing-poll",
            oneOf=[
                {"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": 2}}
                for name in ("Pour", "Sans avis", "Contre")
            ],
            endTime="2036-01-01T00:00:00Z",
        )
        create = peer.activity("Create", question, by="clerk")
        peer.served[f"/{create['id'].removeprefix(peer.origin).lstrip('/')}"] = create
        await abroad.announce(create)
        async with site.database.write() as tx:
            post = await posts.find_by_uri(tx, question["id"])
            assert post is not None
            assert post.part == "closing-poll"
            await polls.vote(tx, anna.actor, post, ["Contre"])
        (vote,) = await until(lambda: [a for a in peer.got("Create") if a["actor"] == anna.actor.uri])
        assert (vote["object"]["name"], vote["to"]) == ("Contre", [peer.uri("clerk")])
