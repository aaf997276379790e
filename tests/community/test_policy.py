"""The table of who may do what, written out: a change of a rule shows here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from community import policy
from community.agenda_models import Agenda
from community.article_models import Article
from community.models import Actor, Poll, Post, Topic
from community.policy import ANYONE, Standing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AUTHOR = Actor(id=1, host="", kind="person", state="active")
OTHER = Actor(id=2, host="", kind="person", state="active")
MOVED = Actor(id=4, host="", kind="person", state="active", moved_to="https://new.example/users/1")
PLACE = Actor(id=3, host="other.example", kind="person", state="active")
ABROAD = Actor(id=3, host="other.example", kind="person", state="active")
GROUP = Actor(id=9, host="", kind="group", state="active")
AGENDA, CLOSED_AGENDA, PAST_AGENDA = (Agenda(actor_id=9, state=state) for state in ("open", "closed", "over"))
OPEN = Topic(id=1, group_id=9, author_id=1)
CLOSED = Topic(id=2, group_id=9, author_id=1, closed_at=NOW)
HIDDEN = Topic(id=3, group_id=9, author_id=1, hidden_reason="spam")
POST = Post(id=1, topic_id=1, number=1, author_id=1)
GONE = Post(id=2, topic_id=1, number=2, author_id=1, deleted_at=NOW)
FLOOR = Topic(id=4, group_id=9, author_id=1, closes_at=NOW)
ARGUMENT = Post(id=3, topic_id=4, number=2, author_id=1, part="", topic=FLOOR)
ARTICLE = Article(id=1, author_id=1, editor_id=1)
STUB = Post(id=4, topic_id=4, number=2, author_id=1, part="stub", topic=FLOOR)

WHO = {
    "stranger": ANYONE,
    "author": Standing(AUTHOR, site_role="member", account_state="active"),
    "member": Standing(OTHER, site_role="member", account_state="active"),
    "abroad": Standing(ABROAD),
    "blocked": Standing(ABROAD, host_state="blocked"),
    "banned": Standing(OTHER, role="banned", site_role="member", account_state="active"),
    "pending": Standing(OTHER, site_role="member", account_state="pending"),
    "suspended": Standing(OTHER, site_role="member", account_state="suspended"),
    "moved": Standing(MOVED, site_role="member", account_state="active"),
    "moderator": Standing(OTHER, role="moderator", site_role="member", account_state="active"),
    "admin": Standing(OTHER, site_role="admin", account_state="active"),
    # In a group that is at home on another server:
    "guest": Standing(OTHER, site_role="member", account_state="active", group_host="far.example"),
    "staff-away": Standing(OTHER, site_role="moderator", account_state="active", group_host="far.example"),
    "native": Standing(ABROAD, group_host="far.example"),
}
STOPPED = {
    "stranger": "sign-in-first",
    "blocked": "host-is-blocked",
    "banned": "you-are-banned-here",
    "pending": "wait-for-approval",
    "suspended": "you-are-suspended",
    "moved": "you-have-moved",
}
ALL = dict.fromkeys(WHO)
TABLE = [
    ("open-topic", GROUP, ALL | STOPPED),
    ("open-topic", PLACE, dict.fromkeys(WHO, "place-of-a-person") | dict.fromkeys(["abroad", "native"]) | STOPPED),
    ("follow", GROUP, ALL | STOPPED),
    ("reply", OPEN, ALL | STOPPED),
    (
        "reply",
        CLOSED,
        ALL | dict.fromkeys(["author", "member", "abroad", "guest", "staff-away"], "topic-is-closed") | STOPPED,
    ),
    ("like", POST, ALL | STOPPED | {"author": "own-post"}),
    ("like", GONE, dict.fromkeys(WHO, "post-is-deleted") | STOPPED),
    ("edit", POST, dict.fromkeys(WHO, "only-the-author") | STOPPED | {"author": None}),
    (
        "delete",
        POST,
        dict.fromkeys(WHO, "only-the-author")
        | {"stranger": "sign-in-first", "author": None, "moderator": None, "admin": None},
    ),
    ("moderate", OPEN, dict.fromkeys(WHO, "moderators-only") | STOPPED | {"moderator": None, "admin": None}),
    ("administer", None, dict.fromkeys(WHO, "admins-only") | STOPPED | {"admin": None}),
    ("read", OPEN, ALL),
    ("read", HIDDEN, dict.fromkeys(WHO, "not-there") | dict.fromkeys(["admin", "staff-away"])),
    ("vote", Poll(post_id=1), ALL | STOPPED),
    ("vote", Poll(post_id=1, closed_at=NOW), dict.fromkeys(WHO, "poll-is-closed") | STOPPED),
    ("quote", POST, ALL | STOPPED),
    ("quote", GONE, dict.fromkeys(WHO, "post-is-deleted") | STOPPED),
    ("report", POST, ALL | STOPPED | {"banned": None}),
    ("upload", None, ALL | STOPPED | dict.fromkeys(["native", "abroad"], "sign-in-first")),
    (
        "review",
        None,
        dict.fromkeys(WHO, "moderators-only") | STOPPED | dict.fromkeys(["moderator", "admin", "staff-away"]),
    ),
    (
        "hide",
        POST,
        dict.fromkeys(WHO, "moderators-only") | STOPPED | {"admin": "remove-it-instead", "staff-away": None},
    ),
    (
        "position",
        ARGUMENT,
        dict.fromkeys(WHO, "only-the-author") | STOPPED | {"author": None, "moderator": None, "admin": None},
    ),
    ("position", STUB, dict.fromkeys(WHO, "not-in-a-debate") | STOPPED),
    ("link", GROUP, dict.fromkeys(WHO, "moderators-only") | STOPPED | {"moderator": None, "admin": None}),
    ("arrange", GROUP, dict.fromkeys(WHO, "editors-only") | STOPPED | {"moderator": None, "admin": None}),
    *(
        (rule, ARTICLE, dict.fromkeys(WHO, "editors-only") | STOPPED | {"admin": None, "staff-away": None})
        for rule in ("write-article", "approve-article")
    ),
    ("host", None, dict.fromkeys(WHO, "hosts-only") | STOPPED | {"moderator": None, "admin": None}),
    ("propose", AGENDA, ALL | STOPPED | dict.fromkeys(["abroad", "native"], "sign-in-first")),
    (
        "propose",
        CLOSED_AGENDA,
        dict.fromkeys(WHO, "agenda-is-closed")
        | STOPPED
        | dict.fromkeys(["abroad", "native"], "sign-in-first")
        | dict.fromkeys(["moderator", "admin"]),
    ),
    (
        "propose",
        PAST_AGENDA,
        dict.fromkeys(WHO, "agenda-is-over") | STOPPED | dict.fromkeys(["abroad", "native"], "sign-in-first"),
    ),
    ("curate", AGENDA, dict.fromkeys(WHO, "editors-only") | STOPPED | {"moderator": None, "admin": None}),
    ("seal", OTHER, dict.fromkeys(WHO, "moderators-only") | STOPPED | {"admin": None, "staff-away": None}),
]


@pytest.mark.parametrize(("rule", "thing", "expected"), TABLE)
def test_who_may(rule: str, thing: object, expected: dict[str, str | None]) -> None:
    assert {name: policy.refusal(rule, who, thing) for name, who in WHO.items()} == expected


def test_editors_arrange_debates_of_ours_only() -> None:
    editor = Standing(OTHER, site_role="editor", account_state="active")
    assert policy.refusal("arrange", editor, GROUP) is None
    assert policy.refusal("arrange", replace(editor, group_host="far.example"), GROUP) == "editors-only"
    assert policy.refusal("seal", editor, OTHER) == "moderators-only"


def test_editors_write_and_a_second_one_approves() -> None:
    author, other = (Standing(who, site_role="editor", account_state="active") for who in (AUTHOR, OTHER))
    changed = Article(id=2, author_id=1, editor_id=2)
    assert policy.refusal("write-article", author, ARTICLE) is policy.refusal("approve-article", other, ARTICLE) is None
    assert policy.refusal("approve-article", author, ARTICLE) == "own-article"
    assert policy.refusal("approve-article", author, changed) is None  # another has written in it: the author looks
    assert policy.refusal("approve-article", other, changed) == "own-article"


def test_a_host_keeps_the_desk_and_the_panel_does_not() -> None:
    host = Standing(OTHER, role="host", site_role="member", account_state="active")
    assert policy.refusal("host", host) is None
    assert policy.refusal("host", replace(host, role="panel")) == "hosts-only"
    assert policy.refusal("host", replace(host, group_host="far.example")) == "hosts-only"
    assert policy.refusal("host", replace(host, account_state="suspended")) == "you-are-suspended"


def test_a_debate_ends_by_the_clock() -> None:
    """Whatever its job did or did not do: host and panel have the last word, nobody else has."""
    whole = {**WHO, "panel": Standing(OTHER, role="panel"), "host": Standing(ABROAD, role="host")}
    keepers = ("moderator", "admin", "panel", "host", "native")
    over = dict.fromkeys(whole, "debate-is-over") | dict.fromkeys(keepers) | STOPPED
    before = dict.fromkeys(whole) | STOPPED
    for at, expected in ((NOW - timedelta(seconds=1), before), (NOW, over), (None, before)):
        floor = Topic(id=5, group_id=9, author_id=1, closes_at=NOW)
        found = {name: policy.refusal("reply", replace(who, at=at), floor) for name, who in whole.items()}
        assert found == expected, at


def test_every_rule_has_a_row() -> None:
    assert {rule for rule, _, _ in TABLE} == set(policy.rules())


def test_a_server_is_blocked_with_its_port_and_under_its_domain() -> None:
    assert policy.names_of_host("a.b.example:8443")[:3] == ["a.b.example:8443", "a.b.example", "b.example"]
    assert "notb.example" not in policy.names_of_host("a.b.example")
