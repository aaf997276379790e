"""Rules 18 to 33: whose things an actor may touch. The sender is always proven here; what is sent is the trick."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from community.models import Activity, Actor, Membership, Notification, Post, Topic
from federation.vocabulary import PUBLIC, format_time
from tests.hostile.place import Place

pytestmark = pytest.mark.usefixtures("calm")


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def met(place: Place) -> None:
    """Mallory is known here, by a like that was taken back."""
    like = place.peer.activity("Like", place.opener.uri, by="mallory")
    await place.accepted(like, "liked", by="mallory")
    await place.accepted(place.peer.activity("Undo", like, by="mallory"), "unliked", by="mallory")
    like = place.other.activity("Like", place.opener.uri, by="eve")
    await place.accepted(like, "liked", at=place.other, by="eve")
    await place.accepted(place.other.activity("Undo", like, by="eve"), "unliked", at=place.other, by="eve")


def reply(place: Place, **fields: Any) -> dict[str, Any]:
    return place.peer.note("<p>x</p>", by="mallory", inReplyTo=place.opener.uri, **fields)


def theirs(place: Place, **fields: Any) -> dict[str, Any]:
    """Tess's note as her server serves it, changed."""
    path = place.theirs.uri.removeprefix(place.peer.origin)
    return {**place.peer.served[path], "content": "<p>Forged.</p>", "updated": format_time(datetime.now(UTC)), **fields}


async def mallory_in_vain(place: Place, kind: str, about: Any, outcome: str, **fields: Any) -> None:
    await place.in_vain(place.peer.activity(kind, about, by="mallory", **fields), outcome, by="mallory")


# --- 18 to 21: ids and authors


@pytest.mark.parametrize("port", ["", "1", "80", "443"])
async def test_rule_18_same_name_other_port(place: Place, port: str) -> None:
    """Rule 18 (Mastodon CVE-2023-42451): an origin is scheme, host and port, all of it."""
    other = f"http://127.0.0.1{':' + port if port else ''}"
    await mallory_in_vain(place, "Create", reply(place, id=f"{other}/notes/1"), "author-on-another-server")


@pytest.mark.parametrize("suffix", [".evil.example", "@evil.example", "0", "\\@evil.example"])
async def test_rule_18_prefix_of_a_name(place: Place, suffix: str) -> None:
    """Rule 18: origins are compared parsed, never by how they begin."""
    activity = place.peer.activity("Like", place.opener.uri, by="mallory", id=f"{place.peer.origin}{suffix}/a/1")
    await place.refused(activity, 400, "id-on-another-server", by="mallory")


async def test_rule_19_activity_id_elsewhere(place: Place) -> None:
    """Rule 19 (PeerTube CVE-2026-73090): the id of an activity is on its actor's server."""
    for uri in (f"{place.other.origin}/a/1", f"{place.site.settings.origin}/a/1", "urn:uuid:1", "x", "javascript:1"):
        activity = place.peer.activity("Like", place.opener.uri, id=uri)
        await place.refused(activity, 400, "id-on-another-server")


async def test_rule_19_object_id_elsewhere(place: Place) -> None:
    """Rule 19 (Misskey CVE-2024-52591): a note of Mallory's under an id on Eve's server."""
    note = reply(place, id=f"{place.other.origin}/notes/1")
    await mallory_in_vain(place, "Create", note, "author-on-another-server")


async def test_rule_19_object_of_another_author(place: Place) -> None:
    """Rule 19: Mallory sends a note by Tess, or by Eve, or by Anna."""
    await mallory_in_vain(place, "Create", reply(place, attributedTo=place.peer.uri()), "author-is-not-signer")
    note = reply(place, attributedTo=place.other.uri("eve"), id=f"{place.other.origin}/notes/2")
    await mallory_in_vain(place, "Create", note, "author-is-not-signer")
    note = reply(place, attributedTo=place.anna.uri, id=f"{place.site.settings.origin}/p/99999")
    await mallory_in_vain(place, "Create", note, "author-is-not-signer")


@pytest.mark.parametrize(
    "author",
    [
        [],
        ["{mallory}"],
        ["{mallory}", "{tess}"],
        ["{tess}", "{mallory}"],
        1,
        True,
        {"id": 1},
        {"id": ["{mallory}"]},
        "",
        {"name": "x"},
        [{"id": "{tess}"}],
        None,
    ],
)
async def test_rule_20_author_is_one_string(place: Place, author: Any) -> None:
    """Rule 20 (NodeBB 813c37a6, VulnCheck's numeric `attributedTo: 1`): two readers could see two authors."""
    names = {"{mallory}": place.peer.uri("mallory"), "{tess}": place.peer.uri()}
    author = json.loads(json.dumps(author).replace("{mallory}", names["{mallory}"]).replace("{tess}", names["{tess}"]))
    await mallory_in_vain(place, "Create", reply(place, attributedTo=author), "author-unclear")


@pytest.mark.parametrize("actor", [[], ["{tess}"], ["{mallory}", "{tess}"], 1, {"id": 1}, {"id": ["{tess}"]}, "", None])
async def test_rule_20_actor_is_one_string(place: Place, actor: Any) -> None:
    """Rule 20: the same for `actor`."""
    actor = json.loads(
        json.dumps(actor).replace("{mallory}", place.peer.uri("mallory")).replace("{tess}", place.peer.uri())
    )
    await place.refused(place.peer.activity("Like", place.opener.uri, actor=actor), 400, "activity-incomplete")


async def test_rule_21_our_ids_from_outside(place: Place) -> None:
    """Rule 21 (activitypub-federation-rust #130): nobody outside is Anna, or has an id of ours."""
    await place.refused(
        place.peer.activity("Like", place.opener.uri, actor=place.anna.uri), 400, "id-on-another-server"
    )
    for key_id in (None, place.anna.key_id):
        activity = place.peer.activity(
            "Like", place.opener.uri, actor=place.anna.uri, id=f"{place.site.settings.origin}/a/1"
        )
        await place.refused(activity, 401, "actor-is-ours", key_id=key_id)
    note = reply(place, id=f"{place.site.settings.origin}/p/99999")
    await mallory_in_vain(place, "Create", note, "author-on-another-server")


async def test_rule_21_our_group_is_not_overwritten(place: Place) -> None:
    """Rule 21: an Update of our theme by a stranger, as its own document."""
    document = {"id": place.group.uri, "type": "Group", "preferredUsername": "mobility", "inbox": f"{place.dead}/inbox"}
    await mallory_in_vain(place, "Update", document, "not-the-owner")


# --- 22, 23: Create, Update, Delete


async def test_rule_22_create_over_a_post_of_another(place: Place) -> None:
    """Rule 22 (CVE-2024-52592): Create with the id of a post that we hold, by its author and by others."""
    await mallory_in_vain(place, "Create", theirs(place), "author-is-not-signer")
    await mallory_in_vain(place, "Create", theirs(place, attributedTo=place.peer.uri("mallory")), "already-held")
    await place.in_vain(place.peer.activity("Create", theirs(place)), "already-held")


async def test_rule_22_update_by_another(place: Place) -> None:
    """Rule 22: Update of Tess's post by Mallory of the same server, honest and dishonest about its author."""
    await mallory_in_vain(place, "Update", theirs(place), "author-is-not-signer")
    await mallory_in_vain(place, "Update", theirs(place, attributedTo=place.peer.uri("mallory")), "only-the-author")


async def test_rule_22_update_by_another_server(place: Place) -> None:
    """Rule 22: the same by Eve of another server, and of Anna's post."""
    note = theirs(place, attributedTo=place.other.uri("eve"))
    await place.in_vain(
        place.other.activity("Update", note, by="eve"), "author-on-another-server", at=place.other, by="eve"
    )
    note = theirs(place, id=place.opener.uri, attributedTo=place.anna.uri)
    await place.in_vain(
        place.other.activity("Update", note, by="eve"), "author-is-not-signer", at=place.other, by="eve"
    )


async def test_rule_22_update_does_not_change_the_author(place: Place) -> None:
    """Rule 22: Tess cannot give her post to Mallory either."""
    await place.in_vain(
        place.peer.activity("Update", theirs(place, attributedTo=place.peer.uri("mallory"))), "author-is-not-signer"
    )


async def test_rule_22_update_does_not_move_a_post(place: Place) -> None:
    """Rule 22: an edit changes words, not the place in the thread."""
    note = place.peer.note("<p>First.</p>", inReplyTo=place.opener.uri)
    await place.accepted(place.peer.activity("Create", note), "replied")
    changed = {
        **note,
        "inReplyTo": place.theirs.uri,
        "content": "<p>Second.</p>",
        "updated": format_time(datetime.now(UTC) + timedelta(seconds=1)),
    }
    await place.accepted(place.peer.activity("Update", changed), "edited")
    held = await place.post(note["id"])
    assert held is not None
    assert (held.html, held.reply_to_id, held.topic_id) == ("<p>Second.</p>", place.opener.id, place.opener.topic_id)


async def test_rule_23_delete_by_another(place: Place) -> None:
    """Rule 23 (NodeBB 18b4d6c5): Delete of Tess's and of Anna's post by Mallory and by Eve, in every form."""
    for uri in (place.theirs.uri, place.opener.uri):
        for about in (
            uri,
            {"id": uri, "type": "Tombstone"},
            {"id": uri, "type": "Note"},
            {"id": uri, "type": "Tombstone", "attributedTo": place.peer.uri("mallory")},
        ):
            await mallory_in_vain(place, "Delete", about, "only-the-author")
            activity = place.other.activity("Delete", about, by="eve")
            await place.in_vain(activity, "only-the-author", at=place.other, by="eve")


async def test_rule_23_delete_of_actors(place: Place) -> None:
    """Rule 23: nobody deletes another account, a theme, or this instance."""
    for uri in (place.anna.uri, place.group.uri, place.site.settings.origin + "/", place.other.uri("eve")):
        await mallory_in_vain(place, "Delete", uri, "not-the-owner")
    before = await place.picture()
    activity = place.peer.activity("Delete", place.peer.uri(), by="mallory")
    status, _ = await place.peer.send(place.inbox, activity, by="mallory")
    assert status == 202
    assert await place.outcome(activity["id"]) in ("not-the-owner", "remembered")
    after = await place.picture()
    assert {**after, "tombstone": []} == {**before, "tombstone": []}
    await place.in_vain(place.peer.activity("Follow", f"{place.site.settings.origin}/u/nobody"), "not-found-here")


async def test_rule_23_delete_of_what_is_not_held(place: Place) -> None:
    """Rule 23: nobody buries what belongs to another server."""
    await mallory_in_vain(place, "Delete", f"{place.other.origin}/notes/unseen", "not-the-owner")
    await mallory_in_vain(place, "Delete", f"{place.site.settings.origin}/p/99999", "not-the-owner")
    for about in ({}, [], [place.theirs.uri], 5, {"id": 5}, {"id": [place.theirs.uri]}, True):
        await mallory_in_vain(place, "Delete", about, "reference-missing")


# --- 24: Undo, Accept, Reject


async def test_rule_24_undo_of_anothers_follow_and_like(place: Place) -> None:
    """Rule 24: strangers unfollowed and unliked for others."""
    like = place.peer.activity("Like", place.opener.uri)
    await place.accepted(like, "liked")
    async with place.site.database.read() as tx:
        from sqlalchemy import select

        query = select(Membership.follow_uri).where(Membership.actor_id == place.theirs.author_id)
        follow = str((await tx.execute(query)).scalar_one())
    follow_activity = {"id": follow, "type": "Follow", "actor": place.peer.uri(), "object": place.group.uri}
    await mallory_in_vain(place, "Undo", follow_activity, "undone-by-another")
    await mallory_in_vain(place, "Undo", like, "undone-by-another")
    await mallory_in_vain(place, "Undo", {**follow_activity, "actor": place.peer.uri("mallory")}, "was-not-followed")
    await mallory_in_vain(place, "Undo", {**like, "actor": place.peer.uri("mallory")}, "was-not-liked")
    await mallory_in_vain(place, "Undo", follow, "undone-by-another")
    await mallory_in_vain(place, "Undo", like["id"], "undone-by-another")
    await mallory_in_vain(place, "Undo", f"{place.peer.uri('mallory')}/nothing", "was-not-followed")
    nameless = {name: value for name, value in like.items() if name != "actor"}
    await mallory_in_vain(place, "Undo", nameless, "was-not-liked")
    await place.accepted(place.peer.activity("Undo", like), "unliked")


async def test_rule_24_undo_of_what_cannot_be_undone(place: Place) -> None:
    """Rule 24: Undo of a Delete, of a Create, of a Block, of nothing."""
    outcomes = {"Delete": "was-not-deleted", "Block": "block-between-people"}
    for kind in ("Delete", "Create", "Block", "Announce", "Undo", "Flag"):
        about = place.peer.activity(kind, place.theirs.uri, by="mallory")
        await mallory_in_vain(place, "Undo", about, outcomes.get(kind, "undo-unsupported"))
    for nothing in ([], [place.theirs.uri], 7, True):
        await mallory_in_vain(place, "Undo", nothing, "reference-missing")


@pytest.mark.parametrize("kind", ["Accept", "Reject", "TentativeAccept"])
async def test_rule_24_answers_to_what_was_not_asked(place: Place, kind: str) -> None:
    """Rule 24 (Pixelfed CVE-2025-30741): a forged acceptance lets nobody in."""
    follow = {"type": "Follow", "actor": place.peer.uri("mallory"), "object": place.group.uri, "id": f"{place.dead}/f"}
    outcome = "type-unsupported" if kind == "TentativeAccept" else "not-asked-for"
    await mallory_in_vain(place, kind, follow, outcome)
    for nothing in ([], [follow], 7, True, place.theirs.uri, {"type": "Create", "object": [{"object": 7}]}):
        await mallory_in_vain(place, kind, nothing, outcome)


@pytest.mark.parametrize("target", ["anna", "mallory", "nobody", "", 7])
async def test_rule_24_moves_of_others(place: Place, target: str | int) -> None:
    """Rule 24: nobody moves somebody else, nor to an account that has not said so itself."""
    where: Any = {"anna": f"{place.site.settings.origin}/u/anna", "": None}.get(
        str(target), target if target == 7 else place.peer.uri(str(target))
    )
    outcomes = {"anna": "move-not-confirmed", "mallory": "move-not-confirmed", "nobody": "reference-gone"}
    activity = place.peer.activity("Move", place.peer.uri("mallory"), by="mallory", target=where)
    await place.in_vain(activity, outcomes.get(str(target), "not-the-owner"), by="mallory")
    await mallory_in_vain(place, "Move", place.peer.uri(), "not-the-owner", target=place.peer.uri("mallory"))


async def test_rule_24_follow_for_another(place: Place) -> None:
    """Rule 24: what is embedded in a Follow does not change who follows."""
    before = await place.count(Membership, Membership.actor_id == place.theirs.author_id)
    follow = place.peer.activity(
        "Follow", {"id": place.group.uri, "actor": place.peer.uri(), "type": "Group"}, by="mallory"
    )
    await place.accepted(follow, "followed", by="mallory")
    assert await place.count(Membership, Membership.actor_id == place.theirs.author_id) == before
    await place.accepted(place.peer.activity("Undo", follow, by="mallory"), "left", by="mallory")


async def test_rule_24_follow_of_what_is_not_ours_fetches_nothing(place: Place) -> None:
    """Rules 24 and 40: a Follow of somebody on a third server is none of our business, and none of theirs."""
    asked = len(place.other.asked)
    place.other.actor("unmet")
    for about in (place.other.uri("unmet"), {"type": "Follow", "object": place.other.uri("unmet")}):
        kind = "Follow" if isinstance(about, str) else "Undo"
        activity = place.peer.activity(kind, about, by="mallory")
        await place.in_vain(activity, "not-found-here" if kind == "Follow" else "was-not-followed", by="mallory")
    assert len(place.other.asked) == asked


# --- 25: Announce


@pytest.mark.parametrize("inner", ["Create", "Update", "Delete", "Like", "Undo", "id", "Note", "array"])
async def test_rule_25_what_is_inside_an_announce_is_not_believed(place: Place, inner: str) -> None:
    """Rules 25 and 96 (NodeBB f18eebed): a group boosts forged activities of Tess and of Anna; nothing is taken from
    the copies and nothing is passed on."""
    place.other.actor("board", type="Group")
    note = theirs(place)
    about: Any = {
        "id": place.theirs.uri,
        "Note": note,
        "array": [place.peer.activity("Update", note), place.peer.activity("Delete", place.theirs.uri)],
        "Delete": place.peer.activity("Delete", place.theirs.uri),
        "Like": place.peer.activity("Like", place.opener.uri),
        "Undo": place.peer.activity("Undo", {"type": "Follow", "actor": place.peer.uri(), "object": place.group.uri}),
    }.get(inner, place.peer.activity(inner, note))
    sent = await place.count(Activity, Activity.direction == "out")
    activity = place.other.activity("Announce", about, by="board")
    await place.in_vain(activity, "group-not-followed", at=place.other, by="board")
    assert await place.count(Activity, Activity.direction == "out") == sent


async def test_rule_25_inner_ids_are_not_used_up(place: Place) -> None:
    """Rule 25: the id of an activity inside a forged Announce is still free for the true one."""
    note = place.peer.note("<p>True.</p>", inReplyTo=place.opener.uri)
    create = place.peer.activity("Create", note)
    forged = {**create, "object": {**note, "content": "<p>Forged.</p>"}}
    activity = place.other.activity("Announce", forged, by="eve")
    await place.in_vain(activity, "boost-ignored", at=place.other, by="eve")
    await place.accepted(create, "replied")
    held = await place.post(note["id"])
    assert held is not None
    assert held.html == "<p>True.</p>"


# --- 26: what is fetched is believed only at its own id


async def test_rule_26_uploads_of_another_type(place: Place) -> None:
    """Rule 26 (Mastodon CVE-2024-25623): an uploaded file that looks like an ActivityPub document."""
    for number, kind in enumerate(
        [
            "text/html",
            "application/json",
            "image/png",
            "text/plain",
            "application/octet-stream",
            "",
            'application/ld+json; profile="https://evil.example/ns"',
        ]
    ):
        note = place.peer.note("<p>x</p>", inReplyTo=place.opener.uri)
        uri = f"{place.peer.origin}/media/{number}"
        place.peer.serve(f"/media/{number}", {**note, "id": uri}, kind)
        await place.fetched_in_vain(uri, "media-type-refused")


async def test_rule_26_document_with_another_id(place: Place) -> None:
    """Rule 26 (Akkoma's upload spoof): a file on Mallory's server that claims to be Tess's note elsewhere."""
    forged = theirs(place, inReplyTo=place.opener.uri, id=f"{place.peer.origin}/notes/not-yet-held")
    place.other.serve("/media/forged", forged)
    await place.fetched_in_vain(f"{place.other.origin}/media/forged", "id-mismatch", at=place.other)
    for number, identity in enumerate([None, 5, [], {}, "", "x", ["http://x.example/"]]):
        place.other.serve(f"/media/{number}", {**forged, "id": identity})
        await place.fetched_in_vain(
            f"{place.other.origin}/media/{number}",
            "id-mismatch" if isinstance(identity, str) else "id-missing",
            at=place.other,
        )


async def test_rule_26_two_ids_that_point_at_each_other(place: Place) -> None:
    """Rule 26: one refetch by id, and it has to agree then."""
    note = place.peer.note("<p>x</p>", inReplyTo=place.opener.uri)
    place.peer.serve("/a", {**note, "id": f"{place.peer.origin}/b"})
    place.peer.serve("/b", {**note, "id": f"{place.peer.origin}/a"})
    await place.fetched_in_vain(f"{place.peer.origin}/a", "id-mismatch")


async def test_rule_26_open_redirect(place: Place) -> None:
    """Rule 26: an open redirect of the peer leads to a document of Eve's that claims the peer's id."""
    uri = place.peer.redirect("/go", f"{place.other.origin}/forged")
    place.other.serve("/forged", theirs(place, id=uri))
    await place.fetched_in_vain(uri, "id-mismatch")


@pytest.mark.parametrize(
    "uri", ["data:application/activity+json,{}", "file:///etc/passwd", "ftp://x.example/", "x", ""]
)
async def test_rule_26_addresses_that_are_none(place: Place, uri: str) -> None:
    """Rule 26: a parent under an address that is no http(s) one."""
    before = await place.picture()
    activity = place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=uri))
    await place.accepted(activity, "no-theme-addressed" if not uri else "url-refused")
    assert await place.picture() == before


async def test_rule_26_fetched_note_with_an_author_elsewhere(place: Place) -> None:
    """Rules 19 and 26: the parent is fetched from Eve's server and says that Tess, or Anna, wrote it."""
    for number, author in enumerate([place.peer.uri(), place.anna.uri, [place.other.uri("eve")]]):
        path = f"/notes/said-{number}"
        place.other.serve(path, theirs(place, id=place.other.origin + path, attributedTo=author))
        reason = "author-unclear" if isinstance(author, list) else "author-on-another-server"
        await place.fetched_in_vain(place.other.origin + path, reason, at=place.other)


async def test_rule_26_parent_of_ours_that_is_not_there(place: Place) -> None:
    """Rule 21: what should be ours and is not is not asked for anywhere."""
    await place.fetched_in_vain(f"{place.site.settings.origin}/p/99999", "not-found-here")


async def test_rule_26_a_parent_that_is_an_actor(place: Place) -> None:
    """Rule 26: a reply to an account, given directly and by way of a note that has to be fetched."""
    place.peer.actor("parent")
    await place.fetched_in_vain(place.peer.uri("parent"), "reference-circle")
    note = place.peer.note("<p>x</p>", inReplyTo=place.peer.uri("parent"))
    await place.fetched_in_vain(note["id"], "reference-circle")
    assert await place.post(note["id"]) is None


async def test_rule_26_an_author_that_is_a_note(place: Place) -> None:
    """Rule 26: an author whose document is a note, even its own."""
    note = place.other.note("<p>x</p>", by="eve", inReplyTo=place.opener.uri)
    path = "/notes/selfmade"
    place.other.served[path] = {**note, "id": place.other.origin + path, "attributedTo": place.other.origin + path}
    await place.fetched_in_vain(place.other.origin + path, "reference-circle", at=place.other)


# --- 28: what only moderators may do


@pytest.mark.parametrize("kind", ["Add", "Remove", "Block", "Lock", "Undo Block", "Undo Lock"])
async def test_rule_28_no_moderation_by_strangers(place: Place, kind: str) -> None:
    """Rule 28 (Lemmy CVE-2026-54740): strangers pin, lock, block and appoint moderators."""
    for target in (f"{place.group.uri}/featured", f"{place.group.uri}/moderators", place.group.uri):
        about: Any = place.opener.uri if target.endswith("featured") else place.peer.uri("mallory")
        outcome = "moderators-only"
        if "Lock" in kind and about != place.opener.uri:
            outcome = "post-not-held"
        elif "Block" in kind and target != place.group.uri:
            outcome = "ban-of-another-server"
        elif kind in ("Add", "Remove") and target == place.group.uri:
            outcome = "target-unknown"
        if kind.startswith("Undo"):
            about = place.peer.activity(kind.split()[1], about, by="mallory", target=target)
        await mallory_in_vain(place, kind.split()[0], about, outcome, target=target)


@pytest.mark.parametrize("kind", ["Ignore", "TentativeAccept"])
async def test_rule_28_what_is_not_understood(place: Place, kind: str) -> None:
    """Rule 28: whatever else other software moderates with changes nothing."""
    await mallory_in_vain(place, kind, place.peer.uri("mallory"), "type-unsupported", target=place.group.uri)


async def test_rule_28_a_moderator_of_another_group(place: Place) -> None:
    """Rule 28: group and target are checked: who moderates a group elsewhere, even all of it, moderates none of ours,
    and nobody names the collections of our theme as those of theirs."""
    place.peer.actor("board", type="Group", featured=f"{place.group.uri}/featured", attributedTo=place.group.uri)
    for name in ("board", "mallory"):
        for kind, target in (("Add", "featured"), ("Remove", "moderators"), ("Add", "moderators")):
            about = place.opener.uri if target == "featured" else place.peer.uri("mallory")
            activity = place.peer.activity(kind, about, by=name, target=f"{place.group.uri}/{target}")
            await place.in_vain(activity, "moderators-only", by=name)
        block = place.peer.activity("Block", place.anna.uri, by=name, target=place.group.uri)
        await place.in_vain(block, "moderators-only", by=name)
    board = await place.actor(place.peer.uri("board"))
    assert board is not None
    assert (board.featured_uri, board.moderators_uri) == ("", "")


async def test_rule_28_reports_change_nothing_and_show_nothing(place: Place) -> None:
    """Rule 28: a report is for staff: the post stays, nobody else learns of it, and nobody's server is told."""
    about = [place.anna.uri, place.opener.uri]
    before, sent = await place.picture(), await place.count(Activity, Activity.direction == "out")
    activity = place.peer.activity("Flag", about, by="mallory", content="<script>x</script>Rude")
    await place.accepted(activity, "reported", by="mallory")
    after = await place.picture()
    assert {**after, "notification": []} == {**before, "notification": []}
    assert await place.count(Activity, Activity.direction == "out") == sent
    await mallory_in_vain(place, "Flag", about, "already-reported")
    for nothing in ({}, [], 5, [{}], [5]):
        await mallory_in_vain(place, "Flag", nothing, "reference-missing")


async def test_rule_28_delete_with_a_summary(place: Place) -> None:
    """Rule 28: a summary makes no moderator of Mallory."""
    await mallory_in_vain(place, "Delete", place.theirs.uri, "only-the-author", summary="spam")


# --- 30 to 33


async def test_rule_30_audience_is_never_widened(place: Place) -> None:
    """Rule 30 (CVE-2024-37903): what is not public is not shown, whether new or by an edit."""
    private: dict[str, Any] = {"to": [f"{place.peer.uri()}/followers"], "cc": []}
    note = place.peer.note("<p>Private.</p>", inReplyTo=place.opener.uri, **private)
    await place.in_vain(place.peer.activity("Create", note), "not-public")
    # The activity's own addressing says nothing about the object.
    note = place.peer.note("<p>Private.</p>", inReplyTo=place.opener.uri, **private)
    await place.in_vain(place.peer.activity("Create", note, to=[PUBLIC]), "not-public")
    await place.in_vain(place.peer.activity("Update", note, to=[PUBLIC]), "not-public")
    await place.in_vain(place.peer.activity("Update", theirs(place, **private)), "not-public")
    await place.fetched_in_vain(note["id"], "not-public")


async def test_rule_31_link_to_a_page_elsewhere(place: Place) -> None:
    """Rule 31 (CVE-2024-52593): the address of a post's page is on its own server, or is its id."""
    for number, url in enumerate(
        [
            f"{place.other.origin}/login",
            "javascript:alert(1)",
            f"{place.site.settings.origin}/sign-in",
            [{"href": f"{place.other.origin}/x"}],
            {"href": "data:text/html,x"},
            5,
        ]
    ):
        note = place.peer.note(f"<p>{number}</p>", inReplyTo=place.opener.uri, url=url)
        await place.accepted(place.peer.activity("Create", note), "replied")
        held = await place.post(note["id"])
        assert held is not None
        assert held.url == note["id"]


async def test_rule_32_handle_is_of_the_ids_own_host(place: Place) -> None:
    """Rule 32 (Fedify getActorHandle): whatever an actor calls itself, its host is that of its id."""
    place.peer.actor("impostor", preferredUsername="anna@127.0.0.1", webfinger="anna@moot.example")
    like = place.peer.activity("Like", place.opener.uri, by="impostor")
    await place.accepted(like, "liked", by="impostor")
    actor = await place.actor(place.peer.uri("impostor"))
    assert actor is not None
    assert (actor.host, actor.is_local) == (place.peer.host, False)
    await place.accepted(place.peer.activity("Undo", like, by="impostor"), "unliked", by="impostor")


async def test_rule_33_one_reading(place: Place) -> None:
    """Rule 33: with a member twice, verifier and handler could read two actors."""
    raw = json.dumps(place.peer.activity("Like", place.opener.uri)).replace(
        '"actor": ', f'"actor": "{place.peer.uri("mallory")}", "actor": '
    )
    await place.refused(raw.encode(), 400, "duplicate-member")
    raw = json.dumps({"id": f"{place.peer.origin}/dup", "type": "Note"}).replace("}", ', "id": "x"}')
    place.peer.serve("/dup", raw.encode())
    await place.fetched_in_vain(f"{place.peer.origin}/dup", "duplicate-member")


async def test_groups_and_servers_write_nothing(place: Place) -> None:
    """Rule 22, trap T2: a Group or an Application is no author."""
    for kind in ("Group", "Application"):
        place.other.actor(kind.lower(), type=kind)
        note = place.other.note("<p>x</p>", by=kind.lower(), inReplyTo=place.opener.uri)
        activity = place.other.activity("Create", note, by=kind.lower())
        await place.in_vain(activity, "author-is-no-person", at=place.other, by=kind.lower())


async def test_an_actor_does_not_become_a_group(place: Place) -> None:
    """Rule 10: a person whose document turns into a Group keeps its kind here."""
    place.other.actor("changing")
    like = place.other.activity("Like", place.opener.uri, by="changing")
    await place.accepted(like, "liked", at=place.other, by="changing")
    document = place.other.actor("changing", type="Group", summary="x")
    update = place.other.activity("Update", document, by="changing")
    await place.accepted(update, "actor-updated", at=place.other, by="changing")
    await place.accepted(place.other.activity("Undo", like, by="changing"), "unliked", at=place.other, by="changing")
    actor = await place.actor(place.other.uri("changing"))
    assert actor is not None
    assert actor.kind == "person"


async def test_nobody_is_told_of_what_was_refused(place: Place) -> None:
    """After all of the above: Anna was told only of what stands in her topic."""
    told = await place.count(Notification, Notification.kind == "reply")
    stands = await place.count(Post, Post.number > 1, Post.reply_to_id == place.opener.id)
    assert told == stands
    assert await place.count(Topic) == 1
    assert await place.count(Actor, Actor.host == "") == 4
