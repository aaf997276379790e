"""Handles: how they are read, where they lead, and that they lead back."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from federation import webfinger
from federation.client import Budget, BudgetSpent, Client, Gone, Refused, Unreachable

AP = "application/activity+json"
LD = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
PAGE = "http://webfinger.net/rel/profile-page"


class Host:
    """A server that answers WebFinger from a dictionary of resource to answer."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.name = ""

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/.well-known/webfinger", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.name = f"127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.query["resource"])
        answer = self.answers.get(request.query["resource"])
        if isinstance(answer, int) or answer is None:
            return web.Response(status=answer or 404)
        return web.Response(text=json.dumps(answer), content_type="application/jrd+json")

    def account(self, name: str, *links: dict[str, Any], subject: str | None = "") -> None:
        resource = f"acct:{name}@{self.name}"
        answer: dict[str, Any] = {"links": list(links)}
        if subject is not None:
            answer["subject"] = subject or resource
        self.answers[resource] = answer


def self_link(href: Any, kind: Any = AP) -> dict[str, Any]:
    return {"rel": "self", "type": kind, "href": href}


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    started = Host()
    await started.start()
    yield started
    await started.close()


@pytest.fixture
async def other() -> AsyncIterator[Host]:
    started = Host()
    await started.start()
    yield started
    await started.close()


@pytest.fixture
async def client(host: Host, other: Host) -> AsyncIterator[Client]:
    async with Client(user_agent="x", insecure_peers=frozenset({host.name, other.name})) as opened:
        yield opened


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        ("@anna@peer.example", ("anna", "peer.example")),
        ("anna@peer.example", ("anna", "peer.example")),
        ("acct:anna@peer.example", ("anna", "peer.example")),
        ("ACCT:Anna@Peer.Example", ("Anna", "peer.example")),
        ("!mobility@peer.example", ("mobility", "peer.example")),
        (" @an.na-b_c@peer.example ", ("an.na-b_c", "peer.example")),
        ("@anna@bücher.example", ("anna", "xn--bcher-kva.example")),
        ("@anna@peer.example:443", ("anna", "peer.example")),
        ("@anna@127.0.0.1:4101", ("anna", "127.0.0.1:4101")),
        ("peer.example@peer.example", ("peer.example", "peer.example")),
    ],
)
def test_parse_handle(handle: str, expected: tuple[str, str]) -> None:
    assert webfinger.parse_handle(handle) == expected


@pytest.mark.parametrize(
    "handle",
    [
        "",
        "anna",
        "@anna",
        "@@peer.example",
        "anna@",
        "@anna@peer.example@evil.example",
        "acct:@anna@peer.example",
        "https://peer.example/@anna",
        "an na@peer.example",
        "anna@peer.example/path",
        "anna@peer.example?x",
        "anna@peer example",
        "anna@-peer.example",
        "анна@peer.example",
        "a" * 600 + "@peer.example",
        "anna@\ud800.example",
    ],
)
def test_no_handle(handle: str) -> None:
    assert webfinger.parse_handle(handle) is None


async def test_find(host: Host, client: Client) -> None:
    host.account("anna", {"rel": PAGE, "href": "x"}, self_link("https://peer.example/u/anna"))
    assert await webfinger.find(client, "anna", host.name) == "https://peer.example/u/anna"
    assert host.asked == [f"acct:anna@{host.name}"]


@pytest.mark.parametrize("subject", [None, "https://peer.example/u/anna", "ACCT:ANNA@{host}", "acct:anna@{host}"])
async def test_find_with_other_forms_of_subject(host: Host, client: Client, subject: str | None) -> None:
    written = subject.format(host=host.name) if subject else None
    host.account("anna", self_link("https://peer.example/u/anna", LD), subject=written)
    assert await webfinger.find(client, "anna", host.name) == "https://peer.example/u/anna"


async def test_first_self_link_of_the_right_type_counts(host: Host, client: Client) -> None:
    host.account(
        "anna",
        self_link("https://peer.example/page", "text/html"),
        self_link("https://peer.example/json", "application/json"),
        self_link("javascript:alert(1)"),
        self_link(1),
        self_link("https://peer.example/untyped", None),
        self_link("https://peer.example/u/anna"),
        self_link("https://peer.example/u/bert"),
    )
    assert await webfinger.find(client, "anna", host.name) == "https://peer.example/u/anna"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"links": []},
        {"links": {"rel": "self", "type": AP, "href": "https://peer.example/u/anna"}},
        {"links": ["https://peer.example/u/anna", None, 1]},
        {"links": [{"rel": ["self"], "type": AP, "href": "https://peer.example/u/anna"}]},
    ],
)
async def test_answer_without_an_actor(host: Host, client: Client, answer: Any) -> None:
    host.answers[f"acct:anna@{host.name}"] = answer
    with pytest.raises(Refused) as caught:
        await webfinger.find(client, "anna", host.name)
    assert caught.value.reason == "no-actor"


async def test_unknown_and_unreachable(host: Host, client: Client) -> None:
    with pytest.raises(Gone):
        await webfinger.find(client, "nobody", host.name)
    host.answers[f"acct:anna@{host.name}"] = 503
    with pytest.raises(Unreachable):
        await webfinger.find(client, "anna", host.name)


async def test_account_that_lives_under_another_domain(host: Host, other: Host, client: Client) -> None:
    link = self_link("https://social.example/u/anna")
    host.account("anna", link, subject=f"acct:anna@{other.name}")
    other.account("anna", link)
    assert await webfinger.find(client, "anna", host.name) == "https://social.example/u/anna"


@pytest.mark.parametrize("trick", ["other-actor", "renames-again", "unknown-there"])
async def test_host_that_speaks_for_another(host: Host, other: Host, client: Client, trick: str) -> None:
    host.account("anna", self_link("https://evil.example/u/anna"), subject=f"acct:bert@{other.name}")
    if trick == "other-actor":
        other.account("bert", self_link("https://peer.example/u/bert"))
    if trick == "renames-again":
        other.account("bert", self_link("https://evil.example/u/anna"), subject=f"acct:anna@{host.name}")
    with pytest.raises(Gone if trick == "unknown-there" else Refused):
        await webfinger.find(client, "anna", host.name)


async def test_budget_is_spent(host: Host, client: Client) -> None:
    host.account("anna", self_link("https://peer.example/u/anna"))
    budget = Budget(fetches=1)
    await webfinger.find(client, "anna", host.name, budget)
    with pytest.raises(BudgetSpent):
        await webfinger.find(client, "anna", host.name, budget)


async def test_subscribe_template(host: Host, client: Client) -> None:
    template = "https://peer.example/authorize_interaction?uri={uri}"
    host.account("anna", {"rel": webfinger.SUBSCRIBE, "template": template})
    assert await webfinger.templates(client, "anna", host.name) == {webfinger.SUBSCRIBE: template}


@pytest.mark.parametrize(
    "template",
    [
        None,
        1,
        "https://peer.example/follow",
        "javascript:alert('{uri}')",
        "http://peer.example/?uri={uri}",
        "{uri}",
        "https://{uri}/",
        "https://peer.example{uri}",
        "https://anna@peer.example/{uri}",
        "https://127.0.0.1/{uri}",
    ],
)
async def test_template_that_is_none(host: Host, client: Client, template: Any) -> None:
    host.account("anna", {"rel": webfinger.SUBSCRIBE, "template": template})
    assert await webfinger.templates(client, "anna", host.name) == {}


async def test_our_answer_is_understood(host: Host, client: Client) -> None:
    uri = "https://moot.example/g/mobility"
    template = "https://moot.example/follow?uri={uri}"
    jrd = webfinger.to_jrd(
        f"acct:mobility@{host.name}",
        uri,
        uri,
        [uri],
        template=template,
        properties={"https://www.w3.org/ns/activitystreams#type": "Group"},
    )
    host.answers[f"acct:mobility@{host.name}"] = jrd
    assert await webfinger.find(client, "mobility", host.name) == uri
    assert await webfinger.templates(client, "mobility", host.name) == {webfinger.SUBSCRIBE: template}
    assert jrd == {
        "subject": f"acct:mobility@{host.name}",
        "aliases": [uri],
        "links": [
            {
                "rel": "self",
                "type": AP,
                "href": uri,
                "properties": {"https://www.w3.org/ns/activitystreams#type": "Group"},
            },
            {"rel": PAGE, "type": "text/html", "href": uri},
            {"rel": webfinger.SUBSCRIBE, "template": template},
        ],
    }


def test_our_answer_about_the_house() -> None:
    jrd = webfinger.to_jrd("https://moot.example/", "https://moot.example/", None)
    assert [link["rel"] for link in jrd["links"]] == ["self", "https://www.w3.org/ns/activitystreams#Service"]
