"""Rules 45 to 54: whatever the bytes are, the answer is a plain one and nothing breaks; with a fuzz case at the end."""

from __future__ import annotations

import copy
import gzip
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from community import text
from community.models import Activity, Actor, Post, Theme, Topic
from inbox.receive import BODY_MAX
from tests.hostile.place import Place

pytestmark = pytest.mark.usefixtures("calm")


def reply(place: Place, **fields: Any) -> dict[str, Any]:
    note = {**place.peer.note("<p>x</p>", inReplyTo=place.opener.uri), **fields}
    place.peer.served[note["id"].removeprefix(place.peer.origin)] = note
    return place.peer.activity("Create", note)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "x"])
async def test_rule_45_no_content_encoding(place: Place, encoding: str) -> None:
    """Rule 45 (aiohttp CVE-2025-69223): a compressed body is not opened."""
    raw = json.dumps(reply(place)).encode()
    packed = gzip.compress(raw) if encoding == "gzip" else raw
    before = await place.picture()
    status, _ = await place.peer.send(place.inbox, packed, change={"Content-Encoding": encoding})
    assert status in (400, 415)
    assert await place.picture() == before


async def test_rule_45_smuggling(place: Place) -> None:
    """Rule 45 (aiohttp CVE-2025-69224): two lengths, a length and chunks, broken chunks."""
    import asyncio

    host, port = place.site.settings.listen
    for head in (
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: -1",
        "Content-Length: +5",
        "Transfer-Encoding: chunked, identity",
        "Content-Length: 5\r\nX: a\0b",
    ):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            f"POST /inbox HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/activity+json\r\n"
            f"{head}\r\nConnection: close\r\n\r\n0\r\n\r\n".encode()
        )
        writer.write_eof()
        line = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        assert b" 4" in line or not line, (head, line)


@pytest.mark.parametrize("size", [BODY_MAX + 1, 3 * BODY_MAX])
async def test_rule_46_big_body(place: Place, size: int) -> None:
    """Rule 46: more than a megabyte."""
    raw = json.dumps(reply(place)).encode()
    await place.refused(raw + b" " * (size - len(raw)), 413, "body-too-large")


async def test_rule_46_big_body_of_unknown_length(place: Place) -> None:
    """Rule 46: the same in chunks, so that nothing says how long it is; it is counted while it comes."""

    async def chunks() -> Any:
        for _ in range(40):
            yield b" " * 65536

    before = await place.picture()
    async with place.peer.session.post(
        place.inbox, data=chunks(), headers={"Content-Type": "application/activity+json"}
    ) as answer:
        assert answer.status == 413
    assert await place.picture() == before


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "nested-too-deep"),
        (b"[" * 100_000 + b"]" * 100_000, "nested-too-deep"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "nested-too-deep"),
        (b'{"id": ' + b"9" * 5000 + b"}", "number-too-large"),
        (b'{"id": 9223372036854775808}', "number-too-large"),
        (b'{"id": 1e999}', "number-too-large"),
        (b'{"id": NaN}', "not-a-number"),
        (b'{"id": -Infinity}', "not-a-number"),
        (b'{"id": "\\u0000"}', "unstorable-character"),
        (b'{"\\u0000": 1}', "unstorable-character"),
        (b'{"id": "\\ud800"}', "unstorable-character"),
        (b'{"id": "\\udc00\\ud800"}', "unstorable-character"),
        (b'{"id": "\x00"}', "not-json"),
        (b'{"id": "\xed\xa0\x80"}', "not-utf-8"),
        (b'{"id": "\xff"}', "not-utf-8"),
        (b"\xef\xbb\xbf{}", "not-json"),
        (b'{"id": 1, "id": 2}', "duplicate-member"),
        (b'{"x": {"a": 1, "a": 1}}', "duplicate-member"),
        (b"[]", "not-an-object"),
        (b"null", "not-an-object"),
        (b'"x"', "not-an-object"),
        (b"", "not-json"),
        (b"{}{}", "not-json"),
        (b"{'id': 1}", "not-json"),
        (b"{", "not-json"),
        (b'{"id": ["' + b'","'.join([b"x"] * 1001) + b'"]}', "array-too-long"),
        (b'{"id": "' + b"x" * 270_000 + b'"}', "string-too-long"),
        (b"{}", "activity-incomplete"),
    ],
)
async def test_rule_47_bytes_that_are_no_document(place: Place, raw: bytes, reason: str) -> None:
    """Rules 33 and 47: each of these is a 500 or a poisoned row somewhere."""
    await place.refused(raw, 400, reason)


@pytest.mark.parametrize("field", ["id", "type", "actor", "object"])
@pytest.mark.parametrize("value", [None, [], {}, 0, False, ""])
async def test_rule_48_incomplete_activities(place: Place, field: str, value: Any) -> None:
    """Rule 48: what an activity needs is there and of the right kind; an object may be anything."""
    if field == "object" and value is not None:
        activity = {**place.peer.activity("Like", place.opener.uri), "object": value}
        await place.in_vain(activity, "post-not-held")
    else:
        activity = {**place.peer.activity("Like", place.opener.uri), field: value}
        await place.refused(activity, 400, "activity-incomplete")


@pytest.mark.parametrize(
    "kind",
    [
        "Zap",
        "http://www.w3.org/ns/activitystreams#Like",
        "like",
        "as:Create",
        "View",
        "Read",
        "__class__",
        "toString",
    ],
)
async def test_rule_48_unknown_activities(place: Place, kind: str) -> None:
    """Rule 48: what we do not understand is taken in, and nothing follows."""
    await place.in_vain(place.peer.activity(kind, place.opener.uri), "type-unsupported")


@pytest.mark.parametrize("kind", ["Story", "Tombstone", "Image", "Follow", "Zap", "Person", "Group"])
async def test_rule_48_unknown_objects(place: Place, kind: str) -> None:
    """Rule 48: a Create of something that is no contribution."""
    await place.in_vain(reply(place, type=kind), "type-unsupported")


@pytest.mark.parametrize("kinds", [["Note", "Person"], ["Create", "Delete"], [], [5], [None, "Note"], {"type": "Note"}])
async def test_rule_48_several_types(place: Place, kinds: Any) -> None:
    """Rule 48 (auth.actor-type-confusion): an array of types has one reading, the first of them."""
    activity = reply(place, type=kinds)
    before = await place.picture()
    outcome = "replied" if isinstance(kinds, list) and kinds[:1] == ["Note"] else "type-unsupported"
    await place.accepted(activity, outcome)
    if outcome != "replied":
        assert await place.picture() == before


async def test_rule_48_long_texts(place: Place) -> None:
    """Rule 48 (CVE-2026-23962): every text has an end."""
    long = "word " * 40_000
    note = reply(
        place, summary=long, name=long, content=f"<p>{long}</p>", language={"identifier": long}, contentMap={long: 1}
    )
    await place.accepted(note, "replied")
    post = await place.post(note["object"]["id"])
    assert post is not None
    assert len(post.warning) <= 200
    assert len(post.html) <= text.MAX_HTML + 20
    assert len(post.language) <= 3
    place.peer.actor("wordy", summary=long, preferredUsername="w" * 5000)["name"] = long
    await place.accepted(place.peer.activity("Follow", place.group.uri, by="wordy"), "followed", by="wordy")
    actor = await place.actor(place.peer.uri("wordy"))
    assert actor is not None
    assert len(actor.name) <= 100
    assert len(actor.handle) <= 100
    assert len(actor.summary_html) <= 20_000


@pytest.mark.parametrize(
    "value", ["\u6f22" * 650, "".join(chr(0x4E00 + i * 7919 % 20000) for i in range(1900)), "x" * 2100, "x" * 9000]
)
async def test_rule_48_long_ids(place: Place, value: str) -> None:
    """Rule 48 (CVE-2026-23963): ids that no index would take, in every place that has one."""
    uri = f"{place.peer.origin}/{value}"
    for activity in (
        place.peer.activity("Like", place.opener.uri, id=uri),
        place.peer.activity("Like", uri),
        place.peer.activity("Like", value),
        place.peer.activity("Delete", uri),
        place.peer.activity("Follow", uri),
        place.peer.activity("Undo", uri),
        place.peer.activity("Undo", {"type": "Like", "object": uri}),
        place.peer.activity("Create", place.peer.note("<p>x</p>", id=uri, inReplyTo=place.opener.uri)),
        place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=uri)),
        place.peer.activity("Create", place.peer.note("<p>x</p>", inReplyTo=place.opener.uri, url=uri)),
        place.peer.activity(value, place.opener.uri),
        place.peer.activity("Like", place.opener.uri, actor=uri),
    ):
        status, said = await place.peer.send(place.inbox, activity)
        assert status in (202, 400, 401, 429), said
        if status == 202:
            assert await place.outcome(activity["id"]) not in ("error", "unreachable")


@pytest.mark.parametrize(
    "published",
    [
        "9999-12-31T23:59:59Z",
        "2999-01-01T00:00:00+00:00",
        "0001-01-01T00:00:00+14:00",
        "yesterday",
        "2026-13-01T00:00:00Z",
        "2026-01-01",
        5,
        [],
        {},
        None,
        "1" * 5000,
    ],
)
async def test_rule_49_dates(place: Place, published: Any) -> None:
    """Rule 49 (Mastodon 3.5.16): what lies in the future or is no date is now."""
    activity = reply(place, published=published, updated=published)
    await place.accepted(activity, "replied")
    post = await place.post(activity["object"]["id"])
    assert post is not None
    now = place.site.database.clock()
    assert post.created_at <= now
    assert post.edited_at is None or post.edited_at <= now


async def test_rule_50_one_bad_text_stops_nothing(place: Place) -> None:
    """Rule 50 (CVE-2026-50129): one bad `<math>` stopped a server; so would addresses that parsers dislike."""
    for broken in (
        "<math><mi//xlink:href='data:x,<script>'>",
        "<math><annotation-xml encoding='text/html'>x",
        "<svg><a>",
        "<a href='http://[::1'>x</a>",
        "<a href='http://xn--a.example/'>x</a>",
        "<a href='https://\u2100.x/'>x</a>",
        "<a href='http://[v1.x]/'>x</a>",
        "<a href='//[x'>x</a>",
        "<![CDATA[x]]>",
        "<?php ?>",
        "<!DOCTYPE x [",
        "<ol start='\u00b2'><li>x</li></ol>",
        "<table><a><table>",
        "</p></table></b>",
        "&#xFFFFFFFF;&#0;",
    ):
        activity = reply(
            place, content=f"<p>Word.</p>{broken}", url=f"http://[{broken}", attachment={"url": "http://[x"}
        )
        await place.accepted(activity, "replied")


async def test_rule_51_texts_are_no_sql(place: Place) -> None:
    """Rule 51 (PeerTube CVE-2026-73211): addresses with quotes in them are only addresses."""
    themes = await place.count(Theme)
    for evil in ("x' OR '1'='1", "x'; DROP TABLE post; --", 'x" OR 1=1 --', "%", "_", "x\\", "x$1", ":x"):
        uri = f"{place.peer.origin}/{evil}"
        await place.in_vain(place.peer.activity("Like", uri), "post-not-held")
        await place.in_vain(place.peer.activity("Undo", uri), "was-not-followed")
        await place.in_vain(place.peer.activity("Follow", uri), "not-found-here")
    assert await place.count(Theme) == themes
    assert await place.count(Topic) >= 1


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/html",
        "",
        "application/xml",
        "garbage",
        "application/activity+jsonx",
    ],
)
async def test_rule_52_what_a_browser_could_send(place: Place, kind: str) -> None:
    """Rule 52: forms and plain text are what a foreign page makes a browser send."""
    await place.refused(reply(place), 415, "content-type-unsupported", change={"Content-Type": kind})


@pytest.mark.timeout(40)
async def test_rule_54_no_text_costs_more_than_its_length(place: Place) -> None:
    """Rule 54: texts made to be slow to read, for titles, names and bodies. Each of them took from many seconds to
    minutes, in which nothing else was done: the limit of the test would end it."""
    mentions = "x" + " @a" * 60_000 + " x"
    text.title_of(f"<p>{mentions}</p>")
    text.title_of(f"<p>{'@a' * 60_000}</p>")
    text.title_of(f"<p>{' .' * 60_000}</p>")
    for evil in (
        "<b>",
        "<ul><li>",
        "<b><p>",
        "<em></p>",
        "<div>",
        "<a href=https://x.example>",
        "<ul></b>",
        "<b-x><b></b-x>",
        "<blockquote>",
        "<table><tr><td>",
        "<p><b>x</b></p>",
        "<p>",
        "</p>",
        "<",
        "<!--",
        "&",
        "<ol><li></ul>",
        "<font><b></font>",
    ):
        text.clean((evil * 70_000)[: text.MAX_HTML])
    text.plain("<" * 4000)


async def test_rule_54_a_text_that_is_too_deep_is_still_read(place: Place) -> None:
    """Rule 54: its words remain, and nothing else of it."""
    cleaned = text.clean("<b>" * 5000 + "Word &lt;script&gt; <script>alert(1)</script> end" + "</b>" * 5000)
    assert "Word" in cleaned
    assert "<b" not in cleaned
    assert "<script" not in cleaned


async def test_rule_95_a_topic_without_words(place: Place) -> None:
    """Rules 48 and 95: a topic of which no title can be made is refused once, not tried for days."""
    for content in ("<p>!!!</p>", "<p>\U0001f6b2</p>", '<p><a href="{uri}">@mobility</a></p>'):
        note = place.peer.note(content.format(uri=place.group.uri), to=["as:Public", place.group.uri])
        await place.in_vain(place.peer.activity("Create", note), "title-missing")


@pytest.mark.parametrize("name", [{"x": 1}, ["x"], 5, True, "<b></b>", " \t\n"])
async def test_rule_48_a_reply_without_text(place: Place, name: Any) -> None:
    """Rule 48: a name that is none does not stand in for the text."""
    before = await place.picture()
    activity = reply(place, content="", name=name)
    await place.accepted(activity, "no-text")
    assert await place.picture() == before


# --- 109: fuzz

_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            0,
            -1,
            2**63 - 1,
            1.5,
            "",
            "x",
            [],
            {},
            [[]],
            [{}],
            [None],
            "as:Public",
            "javascript:alert(1)",
            "https://10.0.0.1/x",
            "https://\u2100.example/",
            "http://[",
            "PEER/users/tess",
            "PEER/users/mallory",
            "OTHER/users/eve",
            "OPENER",
            "THEIRS",
            "GROUP",
            "ANNA",
            "PEER",
            "LOCAL/p/1",
            "Note",
            "Create",
            "Tombstone",
            "Person",
            "Like",
            "Follow",
            {"id": "THEIRS"},
            {"id": "OPENER", "type": "Note"},
            ["THEIRS", "PEER/users/mallory"],
            {"id": {"id": "x"}},
            {"type": "Like", "object": "THEIRS", "actor": "PEER/users/tess"},
            "2026-01-01T00:00:00Z",
            "\ud83d\ude00",
            "<b>" * 200,
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)
_SHAPES = (
    "follow",
    "topic",
    "reply",
    "update-own",
    "update",
    "delete",
    "like",
    "undo-like",
    "undo-follow",
    "undo-id",
    "update-actor",
    "announce",
    "delete-actor-of-another",
)


def _shape(place: Place, name: str) -> dict[str, Any]:
    peer, by = place.peer, "mallory"

    def made(kind: str, about: Any) -> dict[str, Any]:
        return copy.deepcopy(peer.activity(kind, about, by=by))

    path = place.theirs.uri.removeprefix(peer.origin)
    theirs = {**peer.served[path], "content": "<p>Forged.</p>"}
    topic = peer.note("<p>A topic.</p>", by=by, to=["as:Public", place.group.uri])
    return {
        "follow": lambda: made("Follow", place.group.uri),
        "topic": lambda: made("Create", topic),
        "reply": lambda: made("Create", peer.note("<p>x</p>", by=by, inReplyTo=place.theirs.uri)),
        "update-own": lambda: made("Update", {**topic, "attributedTo": peer.uri(by)}),
        "update": lambda: made("Update", theirs),
        "delete": lambda: made("Delete", {"id": place.theirs.uri, "type": "Tombstone"}),
        "like": lambda: made("Like", place.theirs.uri),
        "undo-like": lambda: made("Undo", made("Like", place.theirs.uri)),
        "undo-follow": lambda: made("Undo", made("Follow", place.group.uri)),
        "undo-id": lambda: made("Undo", f"{peer.origin}/activities/none"),
        "update-actor": lambda: made("Update", peer.served["/users/mallory"]),
        "announce": lambda: made("Announce", made("Update", theirs)),
        "delete-actor-of-another": lambda: made("Delete", peer.uri()),
    }[name]()


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in inner:
        found += _places(member, (*path, name))
    return found


def _put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for name in path[:-1]:
        document = document[name]
    document[path[-1]] = value


async def _belongings(place: Place) -> list[tuple[Any, ...]]:
    """The posts of everybody but Mallory, and who follows what, without what others may rightly add."""
    async with place.site.database.read() as tx:
        mallory = select(Actor.id).where(Actor.uri == place.peer.uri("mallory"))
        columns = [column for column in Post.__table__.columns if not column.name.startswith("like_count")]
        rows = [tuple(row) for row in await tx.execute(select(*columns).where(Post.author_id.not_in(mallory)))]
        columns = [column for column in Actor.__table__.columns if column.name != "fetched_at"]
        query = select(*columns).where(Actor.uri != place.peer.uri("mallory"), Actor.id <= place.theirs.author_id)
        return rows + [tuple(row) for row in await tx.execute(query)]


@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.sampled_from(_SHAPES), st.lists(st.tuples(st.integers(0, 200), _VALUES), min_size=0, max_size=4))
async def test_rule_109_no_activity_breaks_anything(place: Place, shape: str, changes: list[tuple[int, Any]]) -> None:
    """Rule 109: real activities by Mallory with any of their members replaced by anything: never a 5xx or 410, never
    an exception that nobody expected, and nothing of anybody else changes."""
    activity = _shape(place, shape)
    for where, value in changes:
        names = {
            "PEER": place.peer.origin,
            "OTHER": place.other.origin,
            "OPENER": place.opener.uri,
            "GROUP": place.group.uri,
            "THEIRS": place.theirs.uri,
            "ANNA": place.anna.uri,
            "LOCAL": place.site.settings.origin,
        }
        raw = json.dumps(value)
        for name, uri in names.items():
            raw = raw.replace(name, uri)
        paths = _places(activity)
        _put(activity, paths[where % len(paths)], json.loads(raw))
    before = await _belongings(place)
    status, said = await place.peer.send(place.inbox, activity, by="mallory")
    assert status in (202, 400, 401, 429), (status, said, activity)
    uri = activity.get("id")
    if status == 202 and said.get("status") == "accepted" and await place.count(Activity, Activity.uri == uri):
        assert await place.outcome(str(uri)) not in ("error", ""), activity
    assert await _belongings(place) == before, activity
    assert not place.alarm.heard, activity
