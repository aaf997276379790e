"""What we make of documents in the shapes of each real server. They are written by us; ``shapes/`` has a file for each
software, and each case says what it is, the document, and what has to be in our reading of it (``reading.read``)."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.translate import ACTOR_KINDS, OBJECT_TYPES, PRIVATE_TYPES, NotUnderstood, from_actor, from_note
from federation.vocabulary import AS2, PUBLIC, read_json
from tests.documents.reading import NOW, read

FOLDER = Path(__file__).parent / "shapes"
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['what']}")
    for path in sorted(FOLDER.glob("*.json"))
    for case in json.loads(path.read_text())["cases"]
]


def _differences(expected: dict[str, Any], reading: dict[str, Any]) -> dict[str, Any]:
    """What was expected, and what came instead; a reading may say more than was expected."""
    found: dict[str, Any] = {}
    for key, value in expected.items():
        if isinstance(value, dict) and isinstance(reading.get(key), dict) and "is" in reading[key]:
            inner = _differences(value, reading[key])
            if inner:
                found[key] = inner
        elif key not in reading or reading[key] != value:
            found[key] = {"expected": value, "found": reading.get(key)}
    return found


@pytest.mark.parametrize("case", CASES)
def test_shape(case: dict[str, Any]) -> None:
    document = read_json(json.dumps(case["document"], ensure_ascii=False).encode())
    assert case["reading"], "a case says what it expects"
    assert _differences(case["reading"], read(document)) == {}


def test_the_corpus_covers_what_there_is() -> None:
    software = {path.stem for path in FOLDER.glob("*.json")}
    assert len(software) >= 18
    assert len(CASES) >= 120
    handlers = {case.values[0]["reading"].get("handled_by") for case in CASES}
    assert len(handlers) >= 20, handlers


# --- Anything at all -------------------------------------------------------------------------------------------------

_NAMES = st.sampled_from(
    "id type attributedTo actor to cc audience content contentMap name summary url href inReplyTo published updated "
    "tag attachment oneOf anyOf closed endTime startTime timezone location address eventStatus votersCount replies "
    "quote quoteUrl mediaType language identifier preferredUsername inbox endpoints sharedInbox publicKey owner "
    "publicKeyPem icon movedTo alsoKnownAs context title onlineLink totalItems".split()
)
_URIS = st.sampled_from(["https://a.example/1", "https://a.example/u/x", "https://b.example/2", "http://[", "", PUBLIC])
_TYPES = st.sampled_from(sorted({*OBJECT_TYPES, *PRIVATE_TYPES, *ACTOR_KINDS, "Mention", "Link", "Place", "Image"}))
_TIMES = st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "soon"])
_HTML = st.sampled_from(
    ["<p>x</p>", '<span class="quote-inline">', "<br>", "\u202e<a href='x'>", "&#0;<p", "Mars/Here"]
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
_VALUES = st.recursive(
    _LEAVES | _URIS | _TYPES | _TIMES | _HTML,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=4), each, max_size=5),
    max_leaves=12,
)
_DOCUMENTS = st.builds(
    lambda some, sure: {**some, **sure},
    st.dictionaries(_NAMES, _VALUES, max_size=14),
    # Half of them begin as what could be one, so that the reading gets further than to the first complaint.
    st.just({})
    | st.builds(
        lambda kind: {
            "@context": AS2,
            "id": "https://a.example/1",
            "type": kind,
            "attributedTo": "https://a.example/u/x",
            "inbox": "https://a.example/in",
            "preferredUsername": "x",
        },
        _TYPES,
    ),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_DOCUMENTS)
def test_whatever_comes_is_read_or_refused_by_name(document: dict[str, Any]) -> None:
    for reader in (from_note, from_actor):
        with contextlib.suppress(NotUnderstood):
            reader(document, NOW)
