"""Rules 1 to 17: who signed, and what exactly. Every refusal leaves nothing behind."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from community.models import Activity, Actor
from federation import signatures
from federation.vocabulary import ACTIVITY_JSON
from inbox import receive
from tests.hostile.place import Place
from tests.peer import key

pytestmark = pytest.mark.usefixtures("calm")


def like(place: Place, **fields: Any) -> dict[str, Any]:
    """An activity that would change something if it were believed."""
    return place.peer.activity("Like", place.opener.uri, **fields)


def signed(place: Place, raw: bytes, covered: str, *, now: datetime | None = None, **parameters: str) -> dict[str, str]:
    """Headers with a true signature over just these components."""
    date = (now or datetime.now(UTC)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    values = {
        "(request-target)": "post /inbox",
        "host": place.site.settings.host,
        "date": date,
        "digest": f"SHA-256={signatures.digest_of(raw)}",
        "(created)": parameters.get("created", ""),
        "content-type": ACTIVITY_JSON,
    }
    base = "\n".join(f"{name}: {values[name]}" for name in covered.split())
    made = signatures._signature(key(place.peer.keys["tess"]), base)
    more = "".join(f',{name}="{value}"' for name, value in parameters.items())
    return {
        "Date": date,
        "Digest": values["digest"],
        "Signature": f'keyId="{place.peer.uri()}#main-key",algorithm="hs2019",headers="{covered}",signature="{made}"'
        + more,
    }


async def test_rule_1_no_signature(place: Place) -> None:
    """Rule 1 (NodeBB c4b9d03b, Misskey CVE-2023-49079): a POST without a signature."""
    await place.refused(like(place), 401, "signature-missing", change={"Signature": None})


@pytest.mark.parametrize("garbage", ["", "x", "keyId=", 'keyId="a",keyId', "sig1=:AAAA:", '"' * 4000, "a" * 7000])
async def test_rule_1_garbage(place: Place, garbage: str) -> None:
    """Rule 1 (Misskey CVE-2026-28432): a signature header that says nothing."""
    before = await place.picture()
    status, said = await place.peer.send(place.inbox, like(place), change={"Signature": garbage})
    assert (status, said["error"].split("-")[0]) in {(401, "signature"), (401, "key")}
    assert await place.picture() == before


async def test_rule_1_unsigned_and_malformed_says_unsigned(place: Place) -> None:
    """Rule 1: nothing of the body is looked at before the signature."""
    await place.refused(b"{", 401, "signature-missing", change={"Signature": None})


async def test_rule_2_key_of_another_server(place: Place) -> None:
    """Rule 2 (Fedify CVE-2025-54888): Eve signs what Tess is said to do."""
    await place.in_vain(like(place), "forwarded-unproven", at=place.other, by="eve")


async def test_rule_2_key_of_another_on_the_same_server(place: Place) -> None:
    """Rule 2: Mallory signs, with Mallory's key, what Tess next door is said to do."""
    await place.in_vain(like(place), "forwarded-unproven", by="mallory")


async def test_rule_2_wrong_key(place: Place) -> None:
    """Rule 2: the name of Tess's key over a signature by another."""
    await place.refused(like(place), 401, "signature-wrong", key_number=5)


@pytest.mark.parametrize(
    ("covered", "reason"),
    [
        ("host date digest", "request-target-unsigned"),
        ("(request-target) date digest", "host-unsigned"),
        ("(request-target) host date", "digest-unsigned"),
        ("(request-target) host digest", "date-unsigned"),
        ("date", "request-target-unsigned"),
        ("", "request-target-unsigned"),
    ],
)
async def test_rule_3_too_little_is_covered(place: Place, covered: str, reason: str) -> None:
    """Rule 3: what is not covered could be exchanged by whoever captured the request."""
    raw = json.dumps(like(place)).encode()
    await place.refused(raw, 401, reason, change=signed(place, raw, covered))


async def test_rule_3_no_list_of_what_is_covered(place: Place) -> None:
    """Rule 3: the draft's default list is the date alone."""
    raw = json.dumps(like(place)).encode()
    headers = signed(place, raw, "date")
    headers["Signature"] = headers["Signature"].replace('headers="date",', "")
    await place.refused(raw, 401, "request-target-unsigned", change=headers)


async def test_rule_3_covered_header_that_is_not_there(place: Place) -> None:
    """Rule 3: a header is said to be covered and is missing."""
    raw = json.dumps(like(place)).encode()
    headers = signed(place, raw, "(request-target) host date digest")
    headers["Signature"] = headers["Signature"].replace("date digest", "date digest x-nothing")
    await place.refused(raw, 401, "covered-header-missing", change=headers)


async def test_rule_4_another_body(place: Place) -> None:
    """Rule 4: the body is exchanged under a true signature."""
    swapped = json.dumps(like(place)).encode()
    await place.refused(like(place), 401, "digest-mismatch", body=swapped)


async def test_rule_4_digest_is_over_the_bytes(place: Place) -> None:
    """Rule 4 (NodeBB 6067a49f): the same JSON in other bytes is another body."""
    activity = like(place)
    await place.refused(activity, 401, "digest-mismatch", body=json.dumps(activity, indent=1).encode())


@pytest.mark.parametrize("algorithm", ["MD5", "SHA", "UNIXsum", "sha-512"])
async def test_rule_4_other_digest(place: Place, algorithm: str) -> None:
    """Rules 4 and 11: a digest that can be forged, or that we do not compute."""
    raw = json.dumps(like(place)).encode()
    value = base64.b64encode(hashlib.md5(raw).digest()).decode()
    await place.refused(raw, 401, "digest-algorithm-refused", change={"Digest": f"{algorithm}={value}"})


@pytest.mark.parametrize("named", ["other.example", "127.0.0.1", "localhost"])
async def test_rule_5_signed_for_another_host(place: Place, named: str) -> None:
    """Rule 5: a request that was meant for another server is replayed here, its Host header with it."""
    raw = json.dumps(like(place)).encode()
    headers = signatures.sign(
        "POST",
        f"http://{named}/inbox",
        raw,
        key(place.peer.keys["tess"]),
        f"{place.peer.uri()}#main-key",
        now=datetime.now(UTC),
    )
    await place.refused(raw, 401, "host-other", change=dict(headers))


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (timedelta(hours=1, minutes=1), "date-too-old"),
        (timedelta(days=400), "date-too-old"),
        (-timedelta(minutes=6), "date-in-future"),
    ],
)
async def test_rule_6_time_of_signing(place: Place, age: timedelta, reason: str) -> None:
    """Rule 6: a captured request is good for an hour."""
    await place.refused(like(place), 401, reason, age=age)


@pytest.mark.parametrize("scheme", ["cavage", "rfc9421"])
async def test_rule_6_no_time(place: Place, scheme: str) -> None:
    """Rule 6: no time at all."""
    change: dict[str, str | None] = {"Date": None}
    reason = "date-missing"
    if scheme == "rfc9421":
        change = {"Signature-Input": f'sig1=("@method" "@target-uri" "content-digest");keyid="{place.peer.uri()}"'}
        reason = "created-missing"
    raw = json.dumps(like(place)).encode()
    headers = signatures.sign(
        "POST",
        place.inbox,
        raw,
        key(0),
        f"{place.peer.uri()}#main-key",
        scheme=scheme,
        now=datetime.now(UTC),  # type: ignore[arg-type]
    )
    headers |= {name: value for name, value in change.items() if value}
    headers = {name: value for name, value in headers.items() if not (name in change and change[name] is None)}
    headers["Content-Type"] = ACTIVITY_JSON
    # aiohttp adds no Date of its own to requests.
    async with place.peer.session.post(place.inbox, data=raw, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]) == (401, reason)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"created": "NaN"}, "time-garbled"),
        ({"created": "9" * 400}, "time-garbled"),
        ({"created": "99999999999"}, "created-in-future"),
        ({"created": "1"}, "created-too-old"),
        ({"expires": "1"}, "expired"),
    ],
)
async def test_rule_6_created_and_expires(place: Place, times: dict[str, str], reason: str) -> None:
    """Rule 6: expired, not yet created, and times that are none."""
    raw = json.dumps(like(place)).encode()
    covered = "(request-target) host digest date" + (" (created)" if "created" in times else "")
    await place.refused(raw, 401, reason, change=signed(place, raw, covered, **times))


async def test_rule_8_two_key_ids(place: Place) -> None:
    """Rule 8 (NodeBB d30f4c2f): the last keyId was verified and the first authorised."""
    raw = json.dumps(like(place, actor=place.peer.uri("tess"))).encode()
    headers = signed(place, raw, "(request-target) host date digest")
    headers["Signature"] = f'keyId="{place.peer.uri("mallory")}#main-key",' + headers["Signature"]
    await place.refused(raw, 401, "parameter-repeated", change=headers)


@pytest.mark.parametrize("name", ["Signature", "Digest", "Date"])
async def test_rule_8_two_headers(place: Place, name: str) -> None:
    """Rules 4 and 8 (Mastodon 4.5.5): two headers of which one is verified and the other believed."""
    raw = json.dumps(like(place)).encode()
    headers = signatures.sign(
        "POST", place.inbox, raw, key(place.peer.keys["tess"]), f"{place.peer.uri()}#main-key", now=datetime.now(UTC)
    )
    before = await place.picture()
    doubled = [*headers.items(), (name, headers[name]), ("Content-Type", ACTIVITY_JSON)]
    async with place.peer.session.post(place.inbox, data=raw, headers=doubled) as answer:
        assert (answer.status, (await answer.json())["error"]) == (401, f"{name.lower()}-repeated")
    assert await place.picture() == before


@pytest.mark.parametrize(
    "key_id", ["acct:tess@{host}", "http://tess@{host}/users/tess#main-key", "data:,x", "//x", "x"]
)
async def test_rule_9_key_id_that_is_no_address(place: Place, key_id: str) -> None:
    """Rule 9: only http(s), and no user name in it."""
    key_id = key_id.format(host=place.peer.host)
    await place.refused(like(place), 401, "key-id-refused", key_id=key_id)


async def test_rule_9_actor_document_that_names_another(place: Place) -> None:
    """Rule 9 (Mastodon CVE-2024-23832): Eve's server serves an actor document with Tess's id and Eve's key."""
    spoof = place.other.actor("spoof", id=place.peer.uri("tess"))
    spoof["publicKey"] |= {"id": f"{place.other.uri('spoof')}#main-key", "owner": place.peer.uri("tess")}
    activity = like(place, id=f"{place.other.origin}/activities/spoof", actor=place.other.uri("spoof"))
    await place.refused(activity, 401, "key-not-found", at=place.other, by="spoof")


async def test_rule_9_key_with_another_owner(place: Place) -> None:
    """Rule 9 (CVE-2024-52590): a key document on Mallory's own page that says Tess owns it."""
    path = "/keys/forged"
    place.peer.served[path] = {
        "@context": "https://w3id.org/security/v1",
        "id": place.peer.origin + path,
        "type": "Key",
        "owner": place.peer.uri("tess"),
        "publicKeyPem": signatures.public_pem(key(5)),
    }
    await place.refused(like(place), 401, "key-not-found", key_id=place.peer.origin + path, key_number=5)


async def test_rule_9_key_document_with_an_owner_elsewhere(place: Place) -> None:
    """Rule 9 (NodeBB c0d6d0e2): a key document of Eve's server that names an owner on the peer."""
    path = "/keys/foreign-owner"
    place.other.served[path] = {
        "id": place.other.origin + path,
        "type": "Key",
        "owner": place.peer.uri("tess"),
        "publicKeyPem": signatures.public_pem(key(5)),
    }
    await place.refused(like(place), 401, "key-not-found", key_id=place.other.origin + path, key_number=5)
    mine = place.other.activity("Like", place.opener.uri, by="eve")
    await place.refused(mine, 401, "key-not-found", at=place.other, key_id=place.other.origin + path, key_number=5)


async def test_rule_9_key_cached_under_its_own_name(place: Place) -> None:
    """Rule 9 (Fedify #963): Mallory's document lists Tess's key id with Mallory's key."""
    document = place.peer.actor("thief")
    document["publicKey"]["id"] = f"{place.peer.uri('tess')}#main-key"
    activity = place.peer.activity("Like", place.opener.uri, by="thief")
    await place.refused(activity, 401, "key-not-found", by="thief", key_id=f"{place.peer.uri('thief')}#main-key")
    await place.refused(like(place), 401, "signature-wrong", key_number=place.peer.keys["thief"])


async def test_rule_10_embedded_actor_brings_no_key(place: Place) -> None:
    """Rule 10 (PeerTube GHSA-37jf-59fg-9hpr): an inline actor with a key of the forger's."""
    forged = json.loads(json.dumps(place.peer.served["/users/tess"]))
    forged["publicKey"]["publicKeyPem"] = signatures.public_pem(key(5))
    await place.refused(like(place, actor=forged), 401, "signature-wrong", key_number=5)


async def test_rule_10_update_brings_no_key(place: Place) -> None:
    """Rule 10: the key in an Update of oneself is not taken over; it is read at the actor's own address."""
    document = place.peer.actor("rekeyed")
    await place.accepted(place.peer.activity("Follow", place.group.uri, by="rekeyed"), "followed", by="rekeyed")
    forged = json.loads(json.dumps(document))
    forged["publicKey"]["publicKeyPem"] = signatures.public_pem(key(5))
    await place.accepted(place.peer.activity("Update", forged, by="rekeyed"), "actor-updated", by="rekeyed")
    await place.quiet()
    held = await place.actor(place.peer.uri("rekeyed"))
    assert held is not None
    assert held.public_key == document["publicKey"]["publicKeyPem"]


async def test_rule_10_update_of_another(place: Place) -> None:
    """Rule 10: Mallory sends an Update of Tess with a key of Mallory's."""
    forged = json.loads(json.dumps(place.peer.served["/users/tess"]))
    forged["publicKey"]["publicKeyPem"] = signatures.public_pem(key(5))
    await place.in_vain(place.peer.activity("Update", forged, by="mallory"), "not-the-owner", by="mallory")


@pytest.mark.parametrize("algorithm", ["none", "hmac-sha256", "rsa-sha1", "rsa-sha512", "ed25519ph"])
async def test_rule_11_algorithm_is_not_chosen_by_the_request(place: Place, algorithm: str) -> None:
    """Rule 11: alg none, and algorithms that would take the public key for a secret."""
    raw = json.dumps(like(place)).encode()
    headers = signed(place, raw, "(request-target) host date digest")
    headers["Signature"] = headers["Signature"].replace("hs2019", algorithm)
    await place.refused(raw, 401, "algorithm-refused", change=headers)


async def test_rule_11_hmac_with_the_public_key(place: Place) -> None:
    """Rule 11: the public key used as a shared secret, under the name of a true algorithm."""
    raw = json.dumps(like(place)).encode()
    headers = signed(place, raw, "(request-target) host date digest")
    pem = signatures.public_pem(key(place.peer.keys["tess"])).encode()
    base = f"(request-target): post /inbox\nhost: {place.site.settings.host}\ndate: {headers['Date']}"
    base += f"\ndigest: {headers['Digest']}"
    made = base64.b64encode(hmac.new(pem, base.encode(), "sha256").digest()).decode()
    start, _, _ = headers["Signature"].partition('signature="')
    headers["Signature"] = f'{start}signature="{made}"'
    await place.refused(raw, 401, "signature-wrong", change=headers)


async def test_rule_11_named_algorithm_must_fit_the_key(place: Place) -> None:
    """Rule 11: an RSA key under the name of Ed25519."""
    raw = json.dumps(like(place)).encode()
    headers = signed(place, raw, "(request-target) host date digest")
    headers["Signature"] = headers["Signature"].replace("hs2019", "ed25519")
    await place.refused(raw, 401, "signature-wrong", change=headers)


async def test_rule_12_a_new_key_is_read_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 12: after a change of keys the next message is believed, with one fetch; the old key is not any more."""
    document = place.peer.actor("rotating")
    await place.accepted(place.peer.activity("Follow", place.group.uri, by="rotating"), "followed", by="rotating")
    monkeypatch.setattr(receive, "KEY_REFETCH_SECONDS", 0.0)
    document["publicKey"]["publicKeyPem"] = signatures.public_pem(key(5))
    asked = place.peer.asked.count("/users/rotating")
    activity = place.peer.activity("Like", place.opener.uri, by="rotating")
    await place.accepted(activity, "liked", by="rotating", key_number=5)
    assert place.peer.asked.count("/users/rotating") == asked + 1
    old = place.peer.activity("Undo", activity, by="rotating")
    await place.refused(old, 401, "signature-wrong", by="rotating")


async def test_rule_12_bad_signatures_do_not_make_fetches(place: Place) -> None:
    """Rule 12 (Fedify CVE-2026-34148): a storm of bad signatures with one key asks its server once at most."""
    asked = place.peer.asked.count("/users/tess")
    for _ in range(12):
        await place.refused(like(place), 401, "signature-wrong", key_number=5)
    assert place.peer.asked.count("/users/tess") <= asked + 1


async def test_rule_12_unknown_keys_do_not_make_fetches(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 12 (CVE-2026-34148): each forgery names another key of the same server; fetching soon stops, while
    those whose keys we hold are still heard."""
    monkeypatch.setattr(receive, "KEY_FAILURES_MAX", 5)
    asked = len(place.peer.asked)
    statuses = []
    for number in range(30):
        forged = place.peer.activity("Like", place.opener.uri, actor=place.peer.uri(f"nobody{number}"))
        statuses.append(
            (await place.peer.send(place.inbox, forged, key_id=f"{place.peer.uri(f'nobody{number}')}#k"))[0]
        )
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 5
    assert len(place.peer.asked) - asked <= 5
    activity = like(place)
    await place.accepted(activity, "liked")
    await place.accepted(place.peer.activity("Undo", activity), "unliked")


async def test_rule_12_refused_key_is_not_asked_for_again(place: Place) -> None:
    """Rule 12: what was not found is remembered as well."""
    place.peer.answers.clear()
    forged = place.peer.activity("Like", place.opener.uri, actor=place.peer.uri("never"))
    for _ in range(3):
        await place.refused(forged, 401, "key-not-found", key_id=f"{place.peer.uri('never')}#main-key")
    assert place.peer.asked.count("/users/never") == 1


async def test_rule_13_dead_key_server_is_answered_quickly_and_believed_later(place: Place) -> None:
    """Rule 13 (Mastodon 4.5.4): a key that cannot be had just now is no 5xx; nothing is done before it is proven."""
    uri = f"{place.dead}/users/late"
    activity = place.peer.activity("Like", place.opener.uri, id=f"{place.dead}/activities/1", actor=uri)
    before = await place.picture()
    assert (await place.peer.send(place.inbox, activity, key_id=f"{uri}#main-key"))[0] == 202
    assert await place.outcome(activity["id"]) == "unreachable"
    assert await place.picture() == before


async def test_rule_13_slow_key_server_stays_a_slow_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 13: a server that is too slow for the inbox is asked again by a job, for its second message too."""
    monkeypatch.setattr(receive, "KEY_FETCH_SECONDS", 0.2)
    document = place.other.actor("slowly")
    raw = json.dumps(document).encode()

    async def slow(_: Any) -> Any:
        from aiohttp import web

        await asyncio.sleep(0.5)
        return web.Response(body=raw, headers={"Content-Type": ACTIVITY_JSON})

    place.other.answers["/users/slowly"] = slow
    follow = place.other.activity("Follow", place.group.uri, by="slowly")
    second = place.other.activity("Like", place.opener.uri, by="slowly")
    assert (await place.other.send(place.inbox, follow, by="slowly"))[0] == 202
    assert (await place.other.send(place.inbox, second, by="slowly"))[0] == 202
    assert await place.outcome(follow["id"]) == "followed"
    assert await place.outcome(second["id"]) == "liked"


async def test_rule_13_kept_request_is_not_believed_unproven(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 13: a forgery that was kept because the server did not answer is refused when it does."""
    monkeypatch.setattr(receive, "KEY_FETCH_SECONDS", 0.2)
    document = place.other.actor("victim")
    delays = [0.5]

    async def slow(_: Any) -> Any:
        from aiohttp import web

        await asyncio.sleep(delays.pop() if delays else 0)
        return web.Response(body=json.dumps(document).encode(), headers={"Content-Type": ACTIVITY_JSON})

    place.other.answers["/users/victim"] = slow
    forged = place.other.activity("Like", place.opener.uri, by="victim")
    await place.in_vain(forged, "signature-wrong", at=place.other, by="victim", key_number=5)


async def test_rule_13_a_kept_forgery_does_not_take_the_place_of_the_true_one(place: Place) -> None:
    """Rules 13 and 87: a forger uses up the id of an activity with a key that cannot be had just now; the activity
    itself is still taken in when it comes."""
    path = "/busy"
    place.peer.serve(path, b"", status=503)
    true = place.peer.activity("Like", place.opener.uri)
    forged = {**true, "object": place.theirs.uri}
    assert (await place.other.send(place.inbox, forged, by="eve", key_id=f"{place.peer.origin}{path}#k"))[0] == 202
    status, _ = await place.peer.send(place.inbox, true)
    assert status == 202
    for _ in range(400):
        if await place.outcome(true["id"]) == "liked":
            break
        await asyncio.sleep(0.01)
    assert await place.outcome(true["id"]) == "liked"
    await place.accepted(place.peer.activity("Undo", true), "unliked")


async def test_rule_13_delete_of_an_unknown_account(place: Place) -> None:
    """Rule 13: Delete by an actor that nobody here knows is acknowledged without asking for its key."""
    uri = place.peer.uri("departed")
    activity = place.peer.activity("Delete", uri, actor=uri)
    before, asked = await place.picture(), len(place.peer.asked)
    assert await place.peer.send(place.inbox, activity, key_id=f"{uri}#main-key") == (202, {"status": "nothing-to-do"})
    assert len(place.peer.asked) == asked
    assert await place.count(Activity, Activity.uri == activity["id"]) == 0
    assert await place.picture() == before


async def test_rule_13_forged_delete_of_a_known_account(place: Place) -> None:
    """Rule 13: that shortcut is for unknown accounts only."""
    await place.refused(place.peer.activity("Delete", place.peer.uri()), 401, "signature-wrong", key_number=5)
    await place.in_vain(place.peer.activity("Delete", place.peer.uri()), "looked-at-again", by="mallory")


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ('"@target-uri" "content-digest"', "method-unsigned"),
        ('"@method" "content-digest"', "host-unsigned"),
        ('"@method" "@target-uri"', "digest-unsigned"),
        ('"@method" "@authority" "content-digest"', "request-target-unsigned"),
        ("", "method-unsigned"),
    ],
)
async def test_rule_14_too_little_is_covered(place: Place, listed: str, reason: str) -> None:
    """Rule 14: a thin list of components signs nothing."""
    created = int(datetime.now(UTC).timestamp())
    change: dict[str, str | None] = {
        "Signature-Input": f'sig1=({listed});created={created};keyid="{place.peer.uri()}#main-key"'
    }
    await place.refused(like(place), 401, reason, scheme="rfc9421", change=change)


async def test_rule_14_label_and_mixture(place: Place) -> None:
    """Rule 14: another label, or one half of each form."""
    raw = json.dumps(like(place)).encode()
    made = signatures.sign(
        "POST", place.inbox, raw, key(0), f"{place.peer.uri()}#main-key", scheme="rfc9421", now=datetime.now(UTC)
    )
    other_label = {"Signature-Input": made["Signature-Input"].replace("sig1", "sig2")}
    await place.refused(raw, 401, "label-mismatch", scheme="rfc9421", change=dict(other_label))
    await place.refused(raw, 401, "schemes-mixed", change={"Signature-Input": made["Signature-Input"]})


async def test_rule_14_wrong_key_and_true_one(place: Place) -> None:
    """Rule 14: the newer form proves as much as the older."""
    await place.refused(like(place), 401, "signature-wrong", scheme="rfc9421", key_number=5)
    activity = like(place)
    await place.accepted(activity, "liked", scheme="rfc9421")
    await place.accepted(place.peer.activity("Undo", activity), "unliked", scheme="rfc9421")


@pytest.mark.parametrize(
    "path",
    [
        "/inbox",
        "/inbox/",
        "/u/anna/inbox",
        "/g/mobility/inbox",
        "/u/nobody/inbox",
        "/u/anna/inbox/",
        "//inbox",
        "/INBOX",
        "/uid/1/inbox",
        "/inbox?x=1",
        "/inbox;x",
        "/./inbox",
        "/u/%61nna/inbox",
        "/u/../inbox",
    ],
)
async def test_rule_16_every_spelling_of_the_path_is_guarded(place: Place, path: str) -> None:
    """Rule 16 (NodeBB 6fcc3448): /uid/1/inbox skipped the verification."""
    from yarl import URL

    before, kept = await place.picture(), await place.count(Activity)
    for activity in (
        like(place),
        place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=place.opener.uri)),
    ):
        async with place.peer.session.post(
            URL(place.site.settings.origin + path, encoded=True),
            data=json.dumps(activity),
            headers={"Content-Type": ACTIVITY_JSON},
        ) as answer:
            assert answer.status in (401, 403, 404, 405)
    assert await place.count(Activity) == kept
    assert await place.picture() == before


async def test_rule_17_a_signature_inside_proves_nothing(place: Place) -> None:
    """Rule 17 (CVE-2022-24307, CVE-2024-32983, CVE-2026-42462, CVE-2026-46349): a Linked Data signature by Tess in
    a request by Mallory or by nobody."""
    block = {
        "type": "RsaSignature2017",
        "creator": f"{place.peer.uri()}#main-key",
        "created": "2026-01-01T00:00:00Z",
        "signatureValue": "AAAA",
    }
    await place.in_vain(like(place, signature=block), "forwarded-unproven", by="mallory")
    await place.refused(like(place, signature=block), 401, "signature-missing", change={"Signature": None})


@pytest.mark.parametrize("member", ["@graph", "@included", "@reverse"])
async def test_rule_17_restructured_documents(place: Place, member: str) -> None:
    """Rule 17: members with which a JSON-LD reader sees another document than a JSON reader."""
    await place.refused(like(place, **{member: [{"id": "x"}]}), 400, "restructuring-member")
    await place.refused(like(place, tag={"a": [{member: {}}]}), 400, "restructuring-member")


async def test_rule_17_aliases_in_the_context_mean_nothing(place: Place) -> None:
    """Rule 17: a context that renames `actor`, `id` and `object`; only the compact names count."""
    context = ["https://www.w3.org/ns/activitystreams", {"who": "as:actor", "@vocab": "https://evil.example/"}]
    activity = place.peer.activity("Undo", {"type": "Follow", "object": place.group.uri}, by="mallory")
    await place.in_vain(
        {**activity, "@context": context, "who": place.peer.uri("tess")}, "was-not-followed", by="mallory"
    )
    nameless = {**like(place), "who": place.peer.uri(), "@context": context}
    del nameless["actor"]
    await place.refused(nameless, 400, "activity-incomplete")


async def test_a_suspended_actor_is_not_heard(place: Place) -> None:
    """Rule 80: a true signature of somebody who was suspended here."""
    place.peer.actor("banished")
    await place.accepted(place.peer.activity("Follow", place.group.uri, by="banished"), "followed", by="banished")
    async with place.site.database.write() as tx:
        await tx.execute(update(Actor).where(Actor.uri == place.peer.uri("banished")).values(state="suspended"))
    activity = place.peer.activity("Like", place.opener.uri, by="banished")
    await place.in_vain(activity, "actor-is-suspended", by="banished")
