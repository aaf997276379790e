"""The client against real servers on loopback that answer as badly as servers can."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from federation import signatures
from federation.client import (
    Budget,
    BudgetSpent,
    Client,
    FetchError,
    Forbidden,
    Gone,
    Refused,
    Signer,
    Unreachable,
    check_url,
    is_public_address,
)

AP = "application/activity+json"
KEY = signatures.new_private_key()
SIGNER = Signer("https://moot.example/#main-key", KEY)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Host:
    """A server whose pages are functions; it remembers the requests it got."""

    def __init__(self) -> None:
        self.pages: dict[str, Handler] = {}
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.peers: set[Any] = set()
        self.name = ""

    @property
    def root(self) -> str:
        return f"http://{self.name}"

    async def start(self) -> None:
        runner = web.ServerRunner(web.Server(self._answer, handler_cancellation=True))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.name = f"127.0.0.1:{runner.addresses[0][1]}"
        self.close = runner.cleanup

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)  # type: ignore[arg-type]
        self.bodies.append(await request.read())
        assert request.transport
        self.peers.add(request.transport.get_extra_info("peername"))
        page = self.pages.get(request.path)
        return await page(request) if page else web.Response(status=404)  # type: ignore[arg-type]

    def page(self, path: str, response: Callable[[], web.StreamResponse]) -> str:
        async def answer(_: web.Request) -> web.StreamResponse:
            return response()

        self.pages[path] = answer
        return self.root + path

    def document(self, path: str, document: Any = None, media_type: str = AP) -> str:
        content = {"id": self.root + path, "type": "Note"} if document is None else document
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.page(path, lambda: web.Response(body=body, headers={"Content-Type": media_type}))

    def redirect(self, path: str, location: str, status: int = 302) -> str:
        return self.page(path, lambda: web.Response(status=status, headers={"Location": location}))


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
    async with Client(
        user_agent="Folkmoot/test",
        insecure_peers=frozenset({host.name, other.name}),
        get_seconds=1.5,
        post_seconds=0.5,
    ) as opened:
        yield opened


async def reason_of(attempt: Awaitable[Any], kind: type[FetchError]) -> str:
    with pytest.raises(kind) as caught:
        await attempt
    assert type(caught.value) is kind
    return caught.value.reason


# --- What may be asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://peer.example/",
        "ftp://peer.example/",
        "file:///etc/passwd",
        "gopher://peer.example/",
        "javascript:alert(1)",
        "https://peer.example:8443/",
        "https://peer.example:80/",
        "https://anna@peer.example/",
        "https://anna:secret@peer.example/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://①②⑦.⓪.⓪.①/",
        "https://127。0。0。1/",
        "https://0/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[fe80::1%25eth0]/",
        "https://93.184.215.14/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://app.localhost/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        "https://intranet/",
        "https://1.0.0.127.in-addr.arpa/",
        "https://peer.example.:443/",
        "https://peer.example\\@evil.example/",
        "https://peer.example%2f@evil.example/",
        "https://peer example/",
        "https://peer.example/\r\nHost: evil.example",
        "https://",
        "//peer.example/",
        "",
        "http://127.0.0.1:4102/",
        "http://127.0.0.1/",
        "http://localhost:4101/",
        "http://[::ffff:127.0.0.1]:4101/",
    ],
)
def test_forbidden_url(url: str) -> None:
    with pytest.raises(Forbidden):
        check_url(url, frozenset({"127.0.0.1:4101"}))


def test_allowed_url() -> None:
    assert str(check_url("https://Peer.Example:443/u/a?b=c#key")) == "https://peer.example/u/a?b=c"
    assert str(check_url("https://bücher.example/ü")) == "https://xn--bcher-kva.example/%C3%BC"
    peers = frozenset({"127.0.0.1:4101", "peer.example:80"})
    assert str(check_url("http://127.0.0.1:4101/x", peers)) == "http://127.0.0.1:4101/x"
    assert str(check_url("http://peer.example/x", peers)) == "http://peer.example/x"


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "100::1",
        "2001:db8::1",
        "2001:0:808:808::f5ff:fffe",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "3fff::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "localhost",
        "",
    ],
)
def test_address_that_is_not_public(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "93.184.215.14",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_public_address(address: str) -> None:
    assert is_public_address(address)


def resolving(*addresses: str) -> Callable[..., list[Any]]:
    def lookup(name: str, port: int, family: int, kind: int) -> list[Any]:
        families = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [(families[6 if ":" in each else 4], socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    return lookup


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["::1"], ["10.0.0.1"], ["8.8.8.8", "169.254.169.254"], ["::ffff:127.0.0.1"]],
)
async def test_name_with_an_address_that_is_not_public(addresses: list[str]) -> None:
    async with Client(user_agent="x", lookup=resolving(*addresses)) as client:
        get = client.get("https://rebound.example/", accept=AP)
        assert await reason_of(get, Forbidden) == "address-refused"
        post = client.post("https://rebound.example/inbox", b"{}", {})
        assert await reason_of(post, Forbidden) == "address-refused"


async def test_name_that_flips_is_connected_to_at_the_checked_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: the first answer is public, every later one is not."""
    answers = iter(["8.8.8.8"])
    connected: list[str] = []

    def flipping(name: str, port: int, family: int, kind: int) -> list[Any]:
        return resolving(next(answers, "127.0.0.1"))(name, port, family, kind)

    def no_socket(_: Client, address_info: Any) -> socket.socket:
        connected.append(address_info[4][0])
        raise OSError("this test leaves the house alone")

    monkeypatch.setattr(Client, "_socket", no_socket)
    async with Client(user_agent="x", lookup=flipping) as client:
        assert await reason_of(client.get("https://flip.example/", accept=AP), Unreachable) == "no-connection"
    assert connected == ["8.8.8.8"]


async def test_last_check_is_at_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.client._GuardedResolver.resolve", _unguarded)
    async with Client(user_agent="x") as client:
        assert await reason_of(client.get("https://peer.example/", accept=AP), Forbidden) == "address-refused"


async def _unguarded(_: Any, host: str, port: int = 0, family: int = 0) -> list[Any]:
    return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 6, "flags": 0}]


async def test_unknown_name() -> None:
    def nobody(*_: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    async with Client(user_agent="x", lookup=nobody) as client:
        get = client.get("https://nobody.example/", accept=AP)
        assert await reason_of(get, Unreachable) == "no-connection"


async def test_no_network_while_a_transaction_is_open(host: Host) -> None:
    open_transaction = True
    peers = frozenset({host.name})
    async with Client(user_agent="x", insecure_peers=peers, forbidden=lambda: open_transaction) as client:
        url = host.document("/note")
        for attempt in (client.get(url, accept=AP), client.get_document(url), client.post(url, b"", {})):
            with pytest.raises(RuntimeError, match="transaction"):
                await attempt
        assert not host.requests
        open_transaction = False
        assert await client.get_document(url)


# --- GET ----------------------------------------------------------------------------------------------


async def test_get(host: Host, client: Client) -> None:
    url = host.document("/note")
    fetched = await client.get(url + "#part", accept=AP, headers={"X-Thing": "1"})
    assert (fetched.url, fetched.status, fetched.media_type) == (url, 200, AP)
    [request] = host.requests
    assert request.headers["User-Agent"] == "Folkmoot/test"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["Accept"] == AP
    assert request.headers["X-Thing"] == "1"


async def test_signed_get_verifies(host: Host, client: Client) -> None:
    await client.get(host.document("/note") + "?a=b", accept=AP, signer=SIGNER)
    [request] = host.requests
    claim = signatures.read(
        "GET",
        request.raw_path,
        request.headers,
        b"",
        authority=host.name,
        scheme_of_origin="http",
        now=datetime.now(UTC),
    )
    assert claim.key_id == SIGNER.key_id
    assert signatures.verify(claim, KEY.public_key())


async def test_no_cookies_are_kept(host: Host) -> None:
    name = f"peer.example:{host.name.partition(':')[2]}"
    host.page("/cookie", lambda: web.Response(headers={"Set-Cookie": "a=b"}))
    peers = frozenset({name})
    async with Client(user_agent="x", insecure_peers=peers, lookup=resolving("127.0.0.1")) as client:
        await client.get(f"http://{name}/cookie", accept=AP)
        await client.get(f"http://{name}/cookie", accept=AP)
    assert "Cookie" not in host.requests[1].headers


async def test_three_redirects_and_no_fourth(host: Host, client: Client) -> None:
    end = host.document("/0")
    for hop in range(1, 5):
        host.redirect(f"/{hop}", f"/{hop - 1}")
    assert (await client.get(host.root + "/3", accept=AP)).url == end
    assert await reason_of(client.get(host.root + "/4", accept=AP), Refused) == "too-many-redirects"
    assert len(host.requests) == 4 + 4


@pytest.mark.parametrize(
    ("location", "kind", "reason"),
    [
        ("/start", Refused, "redirect-loop"),
        ("#part", Refused, "redirect-loop"),
        ("https://peer.example/", Forbidden, "redirect-scheme"),
        ("file:///etc/passwd", Forbidden, "redirect-scheme"),
        ("http://127.0.0.1:1/", Forbidden, "scheme-refused"),
        ("http://169.254.169.254/latest/meta-data", Forbidden, "scheme-refused"),
        ("//localhost/", Forbidden, "scheme-refused"),
        ("http://anna@peer.example/", Forbidden, "url-refused"),
        ("http://[", Refused, "redirect-without-location"),
    ],
)
async def test_redirect_that_is_not_followed(
    host: Host, client: Client, location: str, kind: type[FetchError], reason: str
) -> None:
    url = host.redirect("/start", location)
    assert await reason_of(client.get(url, accept=AP), kind) == reason
    assert len(host.requests) == 1


async def test_redirect_without_location(host: Host, client: Client) -> None:
    url = host.page("/start", lambda: web.Response(status=301))
    assert await reason_of(client.get(url, accept=AP), Refused) == "redirect-without-location"


async def test_redirect_to_another_host_is_signed_anew(host: Host, other: Host, client: Client) -> None:
    url = host.redirect("/start", other.document("/end"))
    await client.get(url, accept=AP, signer=SIGNER, headers={"Authorization": "secret"})
    [first], [second] = host.requests, other.requests
    assert first.headers["Signature"] != second.headers["Signature"]
    assert second.headers["Host"] == other.name
    assert first.headers["Authorization"] == "secret"
    assert "Authorization" not in second.headers


async def test_huge_body_by_its_length(host: Host, client: Client) -> None:
    url = host.page("/huge", lambda: web.Response(body=bytes(1024 * 1024 + 1)))
    assert await reason_of(client.get(url, accept=AP), Refused) == "too-large"
    exact = host.page("/exact", lambda: web.Response(body=bytes(1024 * 1024)))
    assert len((await client.get(exact, accept=AP)).body) == 1024 * 1024


async def test_huge_body_without_a_length(host: Host, client: Client) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 64 * 1024 * 1024:
            await response.write(bytes(256 * 1024))
            sent += 256 * 1024
        return response

    host.pages["/endless"] = endless
    assert await reason_of(client.get(host.root + "/endless", accept=AP), Refused) == "too-large"
    assert sent < 32 * 1024 * 1024


async def test_gzip_bomb_is_not_opened(host: Host, client: Client) -> None:
    bomb = gzip.compress(bytes(10 * 1024 * 1024))
    headers = {"Content-Encoding": "gzip", "Content-Type": AP}
    url = host.page("/bomb", lambda: web.Response(body=bomb, headers=headers))
    assert await reason_of(client.get(url, accept=AP), Refused) == "content-encoding-refused"


async def test_slow_body(host: Host) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    host.pages["/slow"] = slow
    peers = frozenset({host.name})
    async with Client(user_agent="x", insecure_peers=peers, get_seconds=0.2) as client:
        attempt = client.get(host.root + "/slow", accept=AP)
        assert await reason_of(attempt, Unreachable) == "timeout"


async def test_time_is_counted_over_all_redirects(host: Host) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.15)
        return web.Response(status=302, headers={"Location": request.path + "x"})

    for length in range(5):
        host.pages["/" + "x" * length] = slow
    peers = frozenset({host.name})
    async with Client(user_agent="x", insecure_peers=peers, get_seconds=0.25) as client:
        assert await reason_of(client.get(host.root + "/", accept=AP), Unreachable) == "timeout"


async def test_connection_refused_and_cut(host: Host, client: Client) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.abort()
        return web.Response()

    async def cut_short(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"x")
        assert request.transport
        request.transport.close()
        return response

    host.pages |= {"/cut": cut, "/cut-short": cut_short}
    assert await reason_of(client.get(host.root + "/cut", accept=AP), Unreachable) == "connection-lost"
    assert await reason_of(client.get(host.root + "/cut-short", accept=AP), Unreachable) == "connection-lost"
    await host.close()
    assert await reason_of(client.get(host.root + "/x", accept=AP), Unreachable) == "no-connection"


# --- Documents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "media_type",
    [AP, f"{AP}; charset=utf-8", 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'],
)
async def test_document(host: Host, client: Client, media_type: str) -> None:
    uri = host.document("/note", media_type=media_type)
    assert (await client.get_document(uri))["id"] == uri
    assert AP in host.requests[0].headers["Accept"]


@pytest.mark.parametrize(
    "media_type", ["text/html", "application/json", "text/plain", "image/png", "application/jrd+json"]
)
async def test_wrong_media_type(host: Host, client: Client, media_type: str) -> None:
    uri = host.document("/upload.png", media_type=media_type)
    assert await reason_of(client.get_document(uri), Refused) == "media-type-refused"


async def test_two_media_types(host: Host, client: Client) -> None:
    def twice() -> web.Response:
        response = web.Response(body=b"{}", headers={"Content-Type": AP})
        response.headers.add("Content-Type", "text/html")
        return response

    assert await reason_of(client.get_document(host.page("/x", twice)), Refused) == "media-type-refused"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<html>", "not-json"),
        (b"[]", "not-an-object"),
        (b'{"id":"a","id":"b"}', "duplicate-member"),
        (b"{}", "id-missing"),
        (b'{"id":1}', "id-missing"),
        (b'{"id":["x"]}', "id-missing"),
        (b'{"id":"https://evil.example/note"}', "id-mismatch"),
        (b'{"id":"data:x"}', "id-mismatch"),
        (b'{"id":"/note"}', "id-mismatch"),
    ],
)
async def test_document_that_is_none(host: Host, client: Client, document: bytes, reason: str) -> None:
    assert await reason_of(client.get_document(host.document("/note", document)), Refused) == reason
    assert len(host.requests) == 1


async def test_document_of_another_id_is_fetched_at_that_id(host: Host, client: Client) -> None:
    uri = host.document("/note")
    page = host.document("/@anna/1", {"id": uri, "type": "Note", "content": "not believed"})
    assert await client.get_document(page) == {"id": uri, "type": "Note"}
    assert [request.path for request in host.requests] == ["/@anna/1", "/note"]


async def test_document_that_names_a_third_id(host: Host, client: Client) -> None:
    host.document("/b", {"id": host.root + "/c"})
    host.document("/c")
    page = host.document("/a", {"id": host.root + "/b"})
    assert await reason_of(client.get_document(page), Refused) == "id-mismatch"
    assert len(host.requests) == 2


async def test_document_of_another_origin_is_not_fetched(host: Host, other: Host, client: Client) -> None:
    page = host.document("/note", {"id": other.document("/note")})
    assert await reason_of(client.get_document(page), Refused) == "id-mismatch"
    assert not other.requests


async def test_redirected_document_belongs_to_where_it_was_found(host: Host, other: Host, client: Client) -> None:
    """An open redirect on a good host does not make the document at its end that host's."""
    forged = other.document("/forged", {"id": host.root + "/u/anna", "type": "Person"})
    uri = host.redirect("/u/anna", forged)
    assert await reason_of(client.get_document(uri), Refused) == "id-mismatch"
    moved = host.redirect("/old", other.document("/new"))
    assert (await client.get_document(moved))["id"] == other.root + "/new"


@pytest.mark.parametrize("path", ["/note/%e3%81%82", "/note/ü", "/@anna"])
async def test_id_in_another_spelling_of_the_same_request(host: Host, client: Client, path: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"id": host.root + path}, content_type=AP)

    host.pages |= {"/note/あ": answer, "/note/ü": answer, "/@anna": answer}
    assert (await client.get_document(host.root + path))["id"] == host.root + path


@pytest.mark.parametrize(
    ("status", "body", "tombstone"),
    [(404, b"", False), (410, b"", True), (404, b'{"type":"Tombstone"}', True), (410, b"<html>", True)],
)
async def test_gone(host: Host, client: Client, status: int, body: bytes, tombstone: bool) -> None:
    uri = host.page("/note", lambda: web.Response(status=status, body=body))
    with pytest.raises(Gone) as caught:
        await client.get_document(uri)
    assert caught.value.uri == uri
    assert caught.value.tombstone is tombstone


async def test_tombstone_with_200_is_gone(host: Host, client: Client) -> None:
    uri = host.document("/note", {"id": host.root + "/note", "type": "Tombstone"})
    with pytest.raises(Gone):
        await client.get_document(uri)
    foreign = host.document("/forged", {"id": "https://victim.example/1", "type": "Tombstone"})
    assert await reason_of(client.get_document(foreign), Refused) == "id-mismatch"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
async def test_not_now(host: Host, client: Client, status: int) -> None:
    uri = host.page("/note", lambda: web.Response(status=status, headers={"Retry-After": "7"}))
    with pytest.raises(Unreachable) as caught:
        await client.get_document(uri)
    assert caught.value.reason == f"status-{status}"
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("status", [304, 400, 401, 403, 406, 418, 451])
async def test_never(host: Host, client: Client, status: int) -> None:
    uri = host.page("/note", lambda: web.Response(status=status))
    assert await reason_of(client.get_document(uri), Refused) == f"status-{status}"


async def test_get_json(host: Host, client: Client) -> None:
    for media_type in ("application/json", "application/jrd+json; charset=utf-8", AP):
        assert await client.get_json(host.document("/x", {"a": 1}, media_type)) == {"a": 1}
    page = host.document("/x", {"a": 1}, "text/html")
    assert await reason_of(client.get_json(page), Refused) == "media-type-refused"


# --- Budget -------------------------------------------------------------------------------------------


async def test_budget_counts_every_request(host: Host, client: Client) -> None:
    host.redirect("/a", "/b")
    uri = host.document("/b")
    budget = Budget(fetches=3)
    await client.get(host.root + "/a", accept=AP, budget=budget)
    await client.get_document(uri, budget=budget)
    with pytest.raises(BudgetSpent):
        await client.get_document(uri, budget=budget)
    assert len(host.requests) == 3


async def test_budget_is_also_time(host: Host, client: Client) -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.Response()

    host.pages["/slow"] = slow
    budget = Budget(seconds=0.1)
    for _ in range(2):
        with pytest.raises(BudgetSpent):
            await client.get(host.root + "/slow", accept=AP, budget=budget)
    assert len(host.requests) == 1


def test_budget_knows_what_it_has_seen() -> None:
    budget = Budget()
    assert budget.first_time("https://a.example/1")
    assert not budget.first_time("https://a.example/1")
    assert budget.first_time("https://a.example/2")


# --- POST ---------------------------------------------------------------------------------------------


async def test_post(host: Host, client: Client) -> None:
    url = host.page("/inbox", lambda: web.Response(status=202, text="thanks"))
    body = b'{"type":"Follow"}'
    headers = signatures.sign("POST", url, body, KEY, SIGNER.key_id, now=datetime.now(UTC), content_type=AP)
    sent = await client.post(url, body, headers)
    assert (sent.status, sent.retry_after, sent.body) == (202, None, b"thanks")
    [request] = host.requests
    assert host.bodies == [body]
    assert request.headers.getall("Content-Type") == [AP]
    claim = signatures.read(
        "POST",
        request.raw_path,
        request.headers,
        host.bodies[0],
        authority=host.name,
        scheme_of_origin="http",
        now=datetime.now(UTC),
    )
    assert signatures.verify(claim, KEY.public_key())


async def test_post_follows_no_redirect(host: Host, client: Client) -> None:
    for status in (301, 302, 307, 308):
        url = host.redirect("/inbox", "/other", status)
        assert (await client.post(url, b"{}", {})).status == status
    assert {request.path for request in host.requests} == {"/inbox"}


@pytest.mark.parametrize("value", ["120", "date"])
async def test_post_says_when_to_come_again(host: Host, client: Client, value: str) -> None:
    if value == "date":
        value = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    url = host.page("/inbox", lambda: web.Response(status=429, headers={"Retry-After": value}))
    sent = await client.post(url, b"{}", {})
    assert sent.retry_after is not None
    assert 100 < sent.retry_after <= 120


@pytest.mark.parametrize("value", ["soon", "-1", "9" * 400, "٣"])
async def test_retry_after_that_is_none(host: Host, client: Client, value: str) -> None:
    url = host.page("/inbox", lambda: web.Response(status=503, headers={"Retry-After": value}))
    assert (await client.post(url, b"{}", {})).retry_after is None


async def test_connections_are_used_again(host: Host, client: Client) -> None:
    async def in_two_parts(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=202, headers={"Content-Length": "4000"})
        await response.prepare(request)
        await response.write(bytes(2000))
        await asyncio.sleep(0.02)
        await response.write(bytes(2000))
        return response

    host.pages["/inbox"] = in_two_parts
    for _ in range(3):
        sent = await client.post(host.root + "/inbox", b"{}", {})
        assert len(sent.body) == 1024
    assert len(host.peers) == 1


async def test_answer_to_a_post_is_not_unpacked(host: Host, client: Client) -> None:
    packed = gzip.compress(bytes(1024 * 1024))[:2000]
    url = host.page("/inbox", lambda: web.Response(body=packed, headers={"Content-Encoding": "gzip"}))
    assert (await client.post(url, b"{}", {})).body == packed[:1024]


async def test_long_answer_is_not_read(host: Host, client: Client) -> None:
    url = host.page("/inbox", lambda: web.Response(status=202, body=bytes(10 * 1024 * 1024)))
    assert len((await client.post(url, b"{}", {})).body) == 1024


async def test_post_to_a_host_that_does_not_answer(host: Host, client: Client) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    host.pages["/inbox"] = silent
    assert await reason_of(client.post(host.root + "/inbox", b"{}", {}), Unreachable) == "timeout"


@pytest.mark.parametrize("losses", [1, 2])
async def test_lost_connection_is_tried_once_more(host: Host, client: Client, losses: int) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        if len(host.requests) <= losses:
            assert request.transport
            request.transport.abort()
        return web.Response(status=202)

    host.pages["/inbox"] = cut
    post = client.post(host.root + "/inbox", b"{}", {})
    if losses == 1:
        assert (await post).status == 202
    else:
        assert await reason_of(post, Unreachable) == "connection-lost"
    assert len(host.requests) == 2


async def test_post_to_a_forbidden_place(client: Client) -> None:
    for url in ("http://127.0.0.1:1/inbox", "https://localhost/inbox", "https://10.0.0.1/inbox"):
        with pytest.raises(Forbidden):
            await client.post(url, b"{}", {})


async def test_client_opens_anew_after_close(host: Host, client: Client) -> None:
    uri = host.document("/note")
    await client.get_document(uri)
    await client.close()
    assert await client.get_document(uri)


def test_root_of() -> None:
    client = Client(user_agent="x", insecure_peers=frozenset({"127.0.0.1:4101"}))
    assert client.root_of("peer.example") == "https://peer.example"
    assert client.root_of("127.0.0.1:4101") == "http://127.0.0.1:4101"
