"""Rules 7 to 89 again, from groups elsewhere: what they announce, what is forwarded, proven, appointed and asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import base58
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from community import following, links, moderation, policy, polls, posts, topics
from community.models import Activity, Actor, Link, Membership, Notification, Post, Topic
from federation import proofs
from federation.client import Budget
from federation.dereference import bring_in, store_actor
from federation.site import Site
from federation.translate import from_actor
from federation.vocabulary import PUBLIC
from tests.conftest import MakeMember, MakeTheme, SignIn
from tests.hostile.place import Hostile, Place
from tests.peer import Peer
from tests.web.forms import origin_of, token_on

pytestmark = pytest.mark.usefixtures("calm")

_KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def database_kind() -> str:
    """Of the cases that have a house of their own; the place is on SQLite."""
    return "postgresql"


async def _meet(place: Place, peer: Hostile, name: str, **fields: Any) -> Actor:
    document = peer.actor(name, **fields)
    async with place.site.database.write() as tx:
        return await store_actor(tx, from_actor(document, tx.now))


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def boards(place: Place) -> dict[str, Actor]:
    """Anna follows the board on the peer and the circle on the other server."""
    made = {}
    for peer, name in ((place.peer, "board"), (place.other, "circle")):
        made[name] = await _meet(place, peer, name, type="Group")
        async with place.site.database.write() as tx:
            await following.follow(tx, await tx.get_one(Actor, place.anna.id), made[name])
    public = "z" + base58.b58encode(b"\xed\x01" + _KEY.public_key().public_bytes_raw()).decode()
    uri = place.other.uri("eve")
    await _meet(place, place.other, "eve", assertionMethod=[proofs.multikey(uri, f"{uri}#proof", public)])
    return made


async def announced(place: Place, about: Any, outcome: str) -> None:
    await place.accepted(place.peer.activity("Announce", about, by="board"), outcome, by="board")


def proven(place: Place, kind: str, about: Any, age: timedelta = timedelta(0)) -> dict[str, Any]:
    key_id = f"{place.other.uri('eve')}#proof"
    return proofs.sign(place.other.activity(kind, about, by="eve"), _KEY, key_id, datetime.now(UTC) - age)


async def test_rule_7_an_old_proof_proves_nothing(place: Place) -> None:
    """Rule 7: a proof inside has no date that HTTP would check: what is older than our memory is not done again."""
    for age, outcome in ((40, "forwarded-unproven"), (-40, "forwarded-unproven"), (20, "liked")):
        await place.accepted(proven(place, "Like", place.opener.uri, timedelta(days=age)), outcome)


async def test_rule_24_a_group_takes_back_no_follow_of_others(place: Place) -> None:
    """Rule 24: an announced Undo that only names the Follow which we hold."""
    follow = place.other.activity("Follow", place.group.uri, by="eve")
    await place.accepted(follow, "followed", at=place.other, by="eve")
    before = await place.picture()
    for about in (follow["id"], follow):
        await announced(place, place.other.activity("Undo", about, by="eve"), "told-by-another")
    assert (await place.picture())["membership"] == before["membership"]


async def test_rule_24_what_was_forwarded_says_nothing_of_what_is_undone(place: Place) -> None:
    """Rule 24: somebody uses the id of another's Like up for a Follow; the Undo of that id ends no follow."""
    forged = place.peer.activity("Follow", place.group.uri)
    await place.accepted(forged, "forwarded-unproven", at=place.other, by="eve")
    await place.in_vain(place.peer.activity("Undo", forged["id"]), "was-not-followed")


async def test_rule_28_a_group_fills_no_other_group(place: Place, boards: dict[str, Actor]) -> None:
    """Rule 28: a topic for one group that another one announces is neither put into the first nor taken from it."""
    circle = boards["circle"].uri
    note = place.peer.note("<p>Spam.</p>", by="mallory", to=[PUBLIC, circle], audience=circle, title="Spam")
    for about in (note["id"], place.peer.activity("Create", note, by="mallory")):
        await announced(place, about, "no-theme-addressed")
    assert await place.post(note["id"]) is None
    both = place.peer.note("<p>For both.</p>", by="mallory", to=[PUBLIC, circle, boards["board"].uri], title="Both")
    await announced(place, both["id"], "fetched")
    assert await place.count(Topic, Topic.group_id == boards["circle"].id) == 0
    assert await place.count(Topic, Topic.group_id == boards["board"].id) == 1


async def test_rule_40_batches_in_batches(place: Place) -> None:
    """Rule 40: a collection of collections of collections is one message, and not a million."""
    inner: Any = [f"{place.dead}/{number}" for number in range(3)]
    for _ in range(3):
        inner = [{"type": "OrderedCollection", "orderedItems": inner}] * 3
    whole = {"type": "Collection", "items": [*inner, place.theirs.uri, place.opener.uri]}
    before = await place.count(Activity)
    await announced(place, whole, "split-into-2")
    await announced(place, inner, "reference-missing")
    assert await place.count(Activity) == before + 4


async def test_rule_48_a_vote_is_no_post_on_any_way(place: Place, boards: dict[str, Actor]) -> None:
    """Rule 48: a mute Note with a name is a vote, also in an Update or where it is announced in public."""
    vote = place.peer.note("", by="mallory", inReplyTo=place.opener.uri, name="Yes")
    await place.in_vain(place.peer.activity("Update", vote, by="mallory"), "vote-is-no-post", by="mallory")
    await announced(place, vote["id"], "vote-is-no-post")
    assert await place.post(vote["id"]) is None


async def test_rule_48_tallies_without_end(
    site: Site, client: Any, peer: Peer, member: MakeMember, theme: MakeTheme
) -> None:
    """Rule 48: what a poll elsewhere counts leaves room for the vote of a member here, also on PostgreSQL."""
    options = [{"type": "Note", "name": name, "replies": {"totalItems": 10**18}} for name in ("Yes", "No")]
    anna, mobility = await member("anna"), await theme("mobility")
    peer.actor("polly")
    question = {"type": "Question", "oneOf": options, "votersCount": 10**18, "audience": mobility.actor.uri}
    note = peer.note("<p>Benches?</p>", by="polly", **question)
    await bring_in(site, note["id"], Budget(fetches=5))
    async with site.database.write() as tx:
        post = await tx.by_uri(Post, note["id"])
        assert post is not None
        assert len(await polls.vote(tx, anna.actor, post, ["Yes"])) == 1


async def test_rule_71_who_is_appointed_elsewhere_reads_no_reports_here(place: Place, boards: dict[str, Actor]) -> None:
    """Rule 71: a group elsewhere makes a member of ours its moderator; what was reported to our staff stays there."""
    board = boards["board"]
    note = place.peer.note("<p>Rude.</p>", by="mallory", to=[PUBLIC, board.uri], title="Rude")
    await announced(place, note["id"], "fetched")
    post = await place.post(note["id"])
    assert post is not None
    async with place.site.database.write() as tx:
        anna = await tx.get_one(Actor, place.anna.id)
        await moderation.set_moderator(tx, await tx.get_one(Actor, board.id), board, anna, is_on=True)
        await moderation.report(tx, anna, posts=[await tx.get_one(Post, post.id)], reason="Rude")
        assert policy.refusal("moderate", await policy.standing(tx, anna, board.id)) is None
        assert policy.refusal("review", await policy.standing(tx, anna, board.id)) == "moderators-only"
        with pytest.raises(policy.Refused, match="moderators-only"):
            await moderation.open_reports(tx, anna)


async def test_rule_78_asking_for_links_over_and_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 78: a group that asks, takes it back and asks anew does not fill the notifications of our staff."""
    monkeypatch.setattr(links, "ASKED_PER_DAY", 2)
    async with place.site.database.write() as tx:
        tx.add(Membership(actor_id=place.anna.id, group_id=place.group.id, role="moderator", state="left",
                          created_at=tx.now))  # fmt: skip
    outcomes = ("link-asked", "link-asked", "too-many-tries", "too-many-tries")
    for outcome in outcomes:
        follow = place.peer.activity("Follow", place.group.uri, by="board")
        await place.accepted(follow, outcome, by="board")
        ended = "left" if outcome == "link-asked" else "was-not-followed"
        await place.accepted(place.peer.activity("Undo", follow, by="board"), ended, by="board")
    assert await place.count(Notification, Notification.kind == "link") == 2


async def test_rule_78_what_is_forged_costs_a_server_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 78: requests in the name of a server that it did not sign do not use up what it may send."""
    settings = replace(place.site.settings, inbox_per_minute=10**6)
    monkeypatch.setattr(place.site, "settings", settings)
    like = place.other.activity("Like", place.theirs.uri, by="eve")
    monkeypatch.setattr(place.site, "settings", replace(settings, inbox_per_minute=30))
    for _ in range(40):
        status, _ = await place.other.send(place.inbox, {**like, "id": f"{like['id']}x"}, by="eve", key_number=5)
        assert status == 401
    assert (await place.other.send(place.inbox, like, by="eve"))[0] == 202


async def test_rule_81_no_boosts_for_limited_servers(place: Place, boards: dict[str, Actor]) -> None:
    """Rule 81: the topic of a linked group is not carried to our followers when its author's server is limited."""
    async with place.site.database.write() as tx:
        tx.add(Link(group_id=place.group.id, other_id=boards["circle"].id, state="linked", is_paused_there=False,
                    created_at=tx.now, changed_at=tx.now))  # fmt: skip
    for state, boosts in (("limited", 0), ("open", 1)):
        await place.set_host(place.peer.host, state)
        circle = boards["circle"].uri
        note = place.peer.note("<p>New.</p>", by="mallory", to=[PUBLIC, circle], audience=circle, title="News")
        activity = place.other.activity("Announce", note["id"], by="circle")
        await place.accepted(activity, "fetched", at=place.other, by="circle")
        boosted = (Activity.direction == "out", Activity.type == "Announce", Activity.object_uri == note["id"])
        assert await place.count(Activity, *boosted) == boosts


async def test_rule_87_the_same_at_one_moment(
    site: Site, client: Any, member: MakeMember, theme: MakeTheme, sign_in: SignIn
) -> None:
    """Rule 87: on PostgreSQL a double click is one click, and no error."""
    anna, berta, mobility = await member("anna"), await member("berta"), await theme("mobility")
    async with site.database.write() as tx:
        written = await posts.compose(tx, "Text.", title="A title")
        post = await topics.open(tx, berta.actor, mobility.actor, written)
    await sign_in(client, anna)
    token, headers = await token_on(client, "/g/mobility"), {"Origin": origin_of(client)}

    async def click(what: str, **fields: str) -> int:
        data = {"csrf": token, **fields}
        answer = await client.post(f"/p/{post.id}/{what}", data=data, headers=headers, allow_redirects=False)
        return int(answer.status)

    assert set(await asyncio.gather(*(click("like") for _ in range(6)))) == {303}
    assert set(await asyncio.gather(*(click("report", reason="Rude") for _ in range(6)))) == {200}


async def test_rule_89_an_old_edit_announced_again(place: Place) -> None:
    """Rule 89: a proven Update that does not say when it was made may be an old one: the origin is asked."""
    note = place.other.note("<p>First.</p>", by="eve", inReplyTo=place.opener.uri)
    await place.accepted(place.other.activity("Create", note, by="eve"), "replied", at=place.other, by="eve")
    edit = proven(place, "Update", {**note, "content": "<p>Second.</p>"})
    await place.accepted(edit, "edited", at=place.other, by="eve")
    note["content"] = "<p>Third.</p>"
    third = place.other.activity("Update", dict(note), by="eve")
    await place.accepted(third, "edited", at=place.other, by="eve")
    await announced(place, edit, "nothing-new")
    held = await place.post(note["id"])
    assert held is not None
    assert held.html == "<p>Third.</p>"
