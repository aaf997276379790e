"""Every document that was collected from real servers gets a sensible reading or a named refusal, never an exception.

The collection belongs to others and is no part of this project: it is read from beside the checkout, where there is
one, and the tests are skipped where there is none. ``test_shapes`` has documents of our own in the same shapes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from federation import proofs, signatures
from federation.vocabulary import read_json
from tests.documents.reading import inside, read

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
pytestmark = pytest.mark.skipif(not (SHARED / "fixtures").is_dir(), reason="no collection of documents beside us")


def _bodies() -> Iterator[tuple[str, Any]]:
    """Every document of the collection, with the name of its file."""
    for path in sorted((SHARED / "fixtures").rglob("*.json")):
        yield path.name, json.loads(path.read_bytes())
    for path in sorted((SHARED / "captures").rglob("*.json")):
        held = json.loads(path.read_bytes())
        yield path.name, held.get("activity") or held["request"].get("body")
        yield path.name, held.get("response", {}).get("body")


def test_every_document_has_a_reading() -> None:
    taken: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    handled: Counter[str] = Counter()
    for name, body in _bodies():
        if not isinstance(body, dict):
            continue
        whole = read_json(json.dumps(body, ensure_ascii=False).encode())
        for document in inside(whole):
            proofs.read(document)
            reading = read(document)
            taken[reading["is"]] += 1
            assert reading != {"is": "refused", "reason": ""}, name
            reasons[reading.get("reason", "")] += 1
            if reading["is"] == "activity":
                handled[reading["handled_by"]] += 1
    expected = {"person": 20, "group": 14, "topic": 80, "reply": 90, "vote": 15, "activity": 300, "collection": 60}
    short = {kind: taken[kind] for kind, least in expected.items() if taken[kind] < least}
    assert not short, f"too few were understood: {short} of {taken}"
    # What is refused lacks what it needs to be believed, or is none of our business.
    assert set(reasons) - {""} <= {
        "actor-incomplete", "actor-without-inbox", "author-unclear", "no-text", "not-an-actor", "not-public",
        "object-without-id",
    }, reasons  # fmt: skip
    for handler, least in {"posts.create": 60, "groups.announce": 40, "reactions.like": 15, "polls.take_poll_vote": 2,
                           "posts.delete": 8, "members.follow": 6, "moderation.flag": 2}.items():  # fmt: skip
        assert handled[handler] >= least, handled


def _requests() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((SHARED / "captures").rglob("*.json")):
        held = json.loads(path.read_bytes())
        if "request" in held:
            yield path.name, held["request"]


def test_captured_signatures_are_read_and_right() -> None:
    """The signatures of NodeBB, PieFed and Takahē, checked with the keys in the actors that were captured with them."""
    keys = {}
    for _, body in _bodies():
        for document in inside(body):
            key = document.get("publicKey")
            if isinstance(key, dict) and str(key.get("id", "")).partition("/")[2].count(".test"):
                keys[key["id"]] = signatures.load_public_key(key["publicKeyPem"])
    outcomes: Counter[str] = Counter()
    for _name, request in _requests():
        headers = CIMultiDictProxy(CIMultiDict(request["headers"]))
        if "Signature" not in headers:
            continue
        url = urlsplit(request["url"])
        target = url.path + (f"?{url.query}" if url.query else "")
        try:
            claim = signatures.read(
                request["method"],
                target,
                headers,
                (request.get("body_text") or "").encode(),
                authority=url.netloc,
                scheme_of_origin="https",
                now=parsedate_to_datetime(headers["Date"]),
            )
        except signatures.BadSignature as error:
            outcomes[f"{request['method']} {error.reason}"] += 1
            continue
        key = keys.get(claim.key_id)
        outcomes["no key" if key is None else "right" if signatures.verify(claim, key) else "wrong"] += 1
    assert outcomes["right"] >= 40, outcomes
    assert outcomes["wrong"] == 0, outcomes
    # A signed GET of Takahē and PieFed covers no digest, which is asked of requests with a body only.
    assert not [outcome for outcome in outcomes if outcome.startswith("POST")], outcomes
