"""One reading of every document, whatever its server makes of the format."""

import contextlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import vocabulary
from federation.vocabulary import PUBLIC, Malformed

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


# --- read_json ----------------------------------------------------------------------------------------


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return f'{{"a":{opening * (depth - 1)}{closing * (depth - 1)}}}'.encode()


MALFORMED = {
    "empty": (b"", "not-json"),
    "text": (b"hello", "not-json"),
    "cut": (b'{"a":1', "not-json"),
    "trailing": (b'{"a":1} x', "not-json"),
    "single-quotes": (b"{'a':1}", "not-json"),
    "control-character": (b'{"a":"\x00"}', "not-json"),
    "byte-order-mark": (b'\xef\xbb\xbf{"a":1}', "not-json"),
    "utf-16": ('{"a":1}'.encode("utf-16"), "not-utf-8"),
    "latin-1": ('{"a":"é"}'.encode("latin-1"), "not-utf-8"),
    "raw-surrogate": (b'{"a":"\xed\xa0\x80"}', "not-utf-8"),
    "array": (b'[{"id":"x"}]', "not-an-object"),
    "string": (b'"x"', "not-an-object"),
    "null": (b"null", "not-an-object"),
    "duplicate": (b'{"actor":"a","actor":"b"}', "duplicate-member"),
    "duplicate-inside": (b'{"object":[{"id":"a","id":"a"}]}', "duplicate-member"),
    "duplicate-escaped": (b'{"actor":"a","\\u0061ctor":"b"}', "duplicate-member"),
    "nan": (b'{"a":NaN}', "not-a-number"),
    "infinity": (b'{"a":[-Infinity]}', "not-a-number"),
    "huge-real": (b'{"a":1e999}', "number-too-large"),
    "huge-integer": (b'{"a":' + b"9" * 5000 + b"}", "number-too-large"),
    "integer-65-bit": (b'{"a":9223372036854775808}', "number-too-large"),
    "nul": (b'{"a":"x\\u0000y"}', "unstorable-character"),
    "nul-in-name": (b'{"a":{"x\\u0000":1}}', "unstorable-character"),
    "lone-high-surrogate": (b'{"a":["\\ud83d"]}', "unstorable-character"),
    "lone-low-surrogate": (b'{"a":"\\uDE00"}', "unstorable-character"),
    "deep-arrays": (nested(33), "nested-too-deep"),
    "deep-objects": (nested(33, '{"a":', "}").replace(b":}", b":1}"), "nested-too-deep"),
    "very-deep": (nested(200_000), "nested-too-deep"),
    "long-array": (json.dumps({"a": [0] * 1001}).encode(), "array-too-long"),
    "long-string": (json.dumps({"a": "x" * (256 * 1024 + 1)}).encode(), "string-too-long"),
    "long-name": (json.dumps({"x" * (256 * 1024 + 1): 1}).encode(), "string-too-long"),
    "graph": (b'{"@graph":[]}', "restructuring-member"),
    "included-inside": (b'{"object":{"@included":{}}}', "restructuring-member"),
    "reverse-escaped": (b'{"a":[{"\\u0040reverse":{}}]}', "restructuring-member"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(case: str) -> None:
    raw, reason = MALFORMED[case]
    with pytest.raises(Malformed) as caught:
        vocabulary.read_json(raw)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"a": [None, True, 1.5, -3, 9223372036854775807, "ü 😀 \n"], "b": {"c": {}}},
        {"a": [0] * 1000, "b": "x" * (256 * 1024), "c": ["," * 2000]},
        {"a": r"\u0000 written out is no NUL", "b": "[" * 100},
    ],
)
def test_well_formed(document: dict[str, Any]) -> None:
    assert vocabulary.read_json(json.dumps(document).encode()) == document
    assert vocabulary.read_json(json.dumps(document, ensure_ascii=False, indent=1).encode()) == document


def test_the_deepest_that_is_allowed() -> None:
    assert vocabulary.read_json(nested(32))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_malformed(raw: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert isinstance(vocabulary.read_json(raw), dict)


# --- Members ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://a.example/1", "https://a.example/1"),
        ({"id": "https://a.example/1", "type": "Note"}, "https://a.example/1"),
        ({"type": "Note"}, None),
        ({"id": 1}, None),
        ({"id": ["https://a.example/1"]}, None),
        ({"id": {"id": "https://a.example/1"}}, None),
        (["https://a.example/1"], None),
        ("", None),
        (1, None),
        (None, None),
    ],
)
def test_id_of(value: Any, expected: str | None) -> None:
    assert vocabulary.id_of(value) == expected


def test_ids_of_first_and_type_of() -> None:
    assert vocabulary.ids_of("a") == ["a"]
    assert vocabulary.ids_of(["a", {"id": "b"}, {"type": "Note"}, 3, ["c"]]) == ["a", "b"]
    assert vocabulary.ids_of(None) == []
    assert vocabulary.first(["a", "b"]) == "a"
    assert vocabulary.first([]) is None
    assert vocabulary.first("a") == "a"
    assert vocabulary.type_of({"type": "Note"}) == "Note"
    assert vocabulary.type_of({"type": ["Person", "x:Member"]}) == "Person"
    assert vocabulary.type_of({"type": [{"id": "x"}]}) is None
    assert vocabulary.type_of("Note") is None


@pytest.mark.parametrize("spelling", ["https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"])
@pytest.mark.parametrize("wrap", [lambda uri: uri, lambda uri: ["https://a.example/followers", uri]])
def test_public_in_every_spelling(spelling: str, wrap: Any) -> None:
    assert vocabulary.is_public({"to": wrap(spelling)})
    assert vocabulary.is_public({"cc": wrap(spelling)})
    assert vocabulary.is_quiet({"to": ["https://a.example/followers"], "cc": wrap(spelling)})
    assert not vocabulary.is_quiet({"to": wrap(spelling), "cc": wrap(spelling)})
    assert vocabulary.recipients({"to": wrap(spelling)}).to[-1] == PUBLIC


def test_what_is_not_public() -> None:
    assert not vocabulary.is_public({"to": ["https://a.example/u/b"], "audience": PUBLIC, "bto": PUBLIC})
    assert not vocabulary.is_public({"to": "https://evil.example/#Public"})
    assert not vocabulary.is_quiet({})


def test_recipients() -> None:
    to, cc, audience = vocabulary.recipients({"to": "a", "cc": ["b", {"id": "c"}], "audience": "d"})
    assert (to, cc, audience) == (["a"], ["b", "c"], ["d"])


# --- little_boxes -------------------------------------------------------------------------------------


def test_public_is_the_constant_of_little_boxes() -> None:
    from little_boxes.activitypub import AS_PUBLIC, CTX_AS

    assert PUBLIC == AS_PUBLIC
    assert vocabulary.AS2 == CTX_AS


def test_the_vocabulary_is_cheap_to_import() -> None:
    program = "import sys, federation.vocabulary; sys.exit('little_boxes.activitypub' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


def test_private_recipients_never_leave() -> None:
    activity = {
        "type": "Announce",
        "bto": ["x"],
        "to": [PUBLIC],
        "object": {
            "type": "Create",
            "bcc": ["x"],
            "object": {"type": "Note", "bto": "x", "bcc": "x", "content": "bto"},
        },
    }
    before = json.dumps(activity)
    assert vocabulary.without_private_recipients(activity) == {
        "type": "Announce",
        "to": [PUBLIC],
        "object": {"type": "Create", "object": {"type": "Note", "content": "bto"}},
    }
    assert json.dumps(activity) == before


@pytest.mark.parametrize(
    "activity",
    [
        {"type": "Create", "object": "https://bto.example/bcc"},
        {"type": "Create"},
        {"id": "x", "object": None},
        {"object": {"type": "Note"}, "type": "Update", "id": "x"},
    ],
)
def test_other_activities_stay_as_they_are(activity: dict[str, Any]) -> None:
    cleaned = vocabulary.without_private_recipients(activity)
    assert json.dumps(cleaned) == json.dumps(activity)


def test_private_recipients_in_an_array_of_objects() -> None:
    cleaned = vocabulary.without_private_recipients({"type": "Announce", "object": ["x", {"bcc": "y"}]})
    assert cleaned == {"type": "Announce", "object": ["x", {}]}


# --- Origins ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://a.example", ("https", "a.example", 443)),
        ("HTTPS://A.Example:443/u/B#x", ("https", "a.example", 443)),
        ("https://a.example./x", ("https", "a.example", 443)),
        ("https://a.example:8443?x", ("https", "a.example", 8443)),
        ("http://a.example:/x", ("http", "a.example", 80)),
        ("https://bücher.example/x", ("https", "xn--bcher-kva.example", 443)),
        ("https://XN--BCHER-KVA.example/x", ("https", "xn--bcher-kva.example", 443)),
        ("https://a。example/x", ("https", "a.example", 443)),
        ("https://①②⑦.0.0.1/", ("https", "127.0.0.1", 443)),
        ("http://[::1]:8080/", ("http", "[::1]", 8080)),
        ("http://[0:0::1]/", ("http", "[::1]", 80)),
        ("https://a.example/ü", ("https", "a.example", 443)),
    ],
)
def test_origin(uri: str, origin: tuple[str, str, int]) -> None:
    assert vocabulary.origin_of(uri) == origin


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "a.example/x",
        "//a.example/x",
        "ftp://a.example/x",
        "javascript:alert(1)",
        "data:application/activity+json,{}",
        "acct:anna@a.example",
        "https:/a.example",
        "https://",
        "https:///x",
        "https://anna@a.example/x",
        "https://anna:secret@a.example/x",
        "https://a.example@evil.example/x",
        "https://a.example\\@evil.example/x",
        "https://a.example\\.evil.example/x",
        "https://a.example%2f.evil.example/x",
        "https://a..example/x",
        "https://.a.example/x",
        "https://-a.example/x",
        "https://a.example:0/x",
        "https://a.example:65536/x",
        "https://a.example:4 3/x",
        "https://a.example:-1/x",
        "https://a example/x",
        "https://a.example/x y",
        "https://a.example/x\ny",
        " https://a.example/x",
        "https://a.example/x\t",
        "https://a\u200b.example\u2028/x",
        "https://[::1/x",
        "https://[::1].evil.example/x",
        "https://[v1.x]/x",
        "https://" + "a" * 64 + ".example/x",
        "https://" + "a." * 130 + "example/x",
        "https://a.example/" + "x" * 2048,
        "https://\ud800.example/x",
    ],
)
def test_no_origin(uri: str) -> None:
    assert vocabulary.origin_of(uri) is None
    assert vocabulary.host_of(uri) is None
    assert not vocabulary.same_origin(uri, uri)


def test_same_origin_compares_all_of_it() -> None:
    assert vocabulary.same_origin("https://a.example/1", "https://A.example:443/2", "https://a.example./3")
    assert not vocabulary.same_origin("https://a.example/1", "https://a.example/2", "https://b.example/")
    assert not vocabulary.same_origin("https://a.example/", "http://a.example/")
    assert not vocabulary.same_origin("https://a.example/", "https://a.example:8443/")
    assert not vocabulary.same_origin("https://a.example/", "https://a.example.evil.example/")
    assert not vocabulary.same_origin("https://a.example/", "https://sub.a.example/")


def test_host_of() -> None:
    assert vocabulary.host_of("https://A.Example:443/x") == "a.example"
    assert vocabulary.host_of("http://127.0.0.1:4101/x") == "127.0.0.1:4101"
    assert vocabulary.host_of("http://a.example:443/") == "a.example:443"


@given(st.text(max_size=100))
def test_any_text_has_an_origin_or_none(text: str) -> None:
    for uri in (text, f"https://{text}/", f"https://a.example{text}"):
        origin = vocabulary.origin_of(uri)
        assert origin is None or (origin[1].isascii() and origin[1] == origin[1].lower())


# --- Times --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-21T10:00:00Z", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-11-21t10:00:00.5z", datetime(2026, 11, 21, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-21T10:00:00.123456789Z", datetime(2026, 11, 21, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-11-21T10:00:00+02:00", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("2026-06-30T23:59:60Z", datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)),
        ("2999-01-01T00:00:00Z", NOW),
        ("2026-11-22T10:30:00+01:00", datetime(2026, 11, 22, 9, 30, tzinfo=UTC)),
    ],
)
def test_parse_time(value: str, expected: datetime) -> None:
    parsed = vocabulary.parse_time(value, NOW)
    assert parsed == expected
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        None,
        1763805600,
        "",
        "now",
        "2026-11-21",
        "2026-11-21T10:00:00",
        "2026-11-21 10:00:00Z",
        "2026-11-21T10:00Z",
        "20261121T100000Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:00:00+25:00",
        "2026-11-21T10:00:00.Z",
        "0001-01-01T00:00:00+01:00",
        "٢٠٢٦-11-21T10:00:00Z",
        "2026-11-21T10:00:00Z\n",
        ["2026-11-21T10:00:00Z"],
    ],
)
def test_no_time(value: Any) -> None:
    assert vocabulary.parse_time(value, NOW) is None


def test_format_time() -> None:
    at = datetime(2026, 11, 22, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert vocabulary.format_time(at) == "2026-11-22T10:00:00Z"
    assert vocabulary.parse_time(vocabulary.format_time(at), NOW) == NOW
    with pytest.raises(ValueError, match="without a zone"):
        vocabulary.format_time(datetime(2026, 11, 22))


# --- Media types --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/activity+json", True),
        ("Application/Activity+JSON; charset=utf-8", True),
        ('application/ld+json; profile="https://www.w3.org/ns/activitystreams"', True),
        ('application/ld+json;profile="https://www.w3.org/ns/activitystreams";charset=utf-8', True),
        ("application/ld+json", True),
        ('application/ld+json; profile="https://x.example/ https://www.w3.org/ns/activitystreams"', True),
        ('application/ld+json; profile="https://x.example/"', False),
        ("application/json", False),
        ("application/jrd+json", False),
        ("text/html", False),
        ("text/html, application/activity+json", False),
        ("image/png; application/activity+json", False),
        ("", False),
    ],
)
def test_is_activitystreams(media_type: str, expected: bool) -> None:
    assert vocabulary.is_activitystreams(media_type) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("application/activity+json, application/ld+json", True, id="mastodon"),
        pytest.param("application/activity+json", True, id="lemmy"),
        pytest.param("application/ld+json", True, id="piefed"),
        pytest.param('application/ld+json; profile="https://www.w3.org/ns/activitystreams"', True, id="nodebb"),
        pytest.param("application/activity+json,application/ld+json;q=0.9,*/*;q=0.1", True, id="any-last"),
        pytest.param("application/activity+json, text/html;q=0.1", True, id="page-second"),
        pytest.param("text/html;q=0.1, application/activity+json", True, id="page-of-less-quality"),
        pytest.param("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False, id="browser"),
        pytest.param("text/html, application/activity+json", False, id="page-first"),
        pytest.param("application/activity+json;q=0.5, text/html", False, id="page-of-more-quality"),
        pytest.param("application/activity+json;q=0", False, id="not-at-all"),
        pytest.param("*/*", False, id="any"),
        pytest.param("application/json", False, id="json"),
        pytest.param("", False, id="none"),
        pytest.param("application/activity+json-seq", False, id="longer-name"),
    ],
)
def test_wants_activitystreams(accept: str, expected: bool) -> None:
    assert vocabulary.wants_activitystreams(accept) is expected
