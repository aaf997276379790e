"""The only door to the network: every request that leaves the house, whatever it is for, goes through
`Client`.

It connects to public addresses only, follows redirects by hand, and bounds the time, the bytes and the
number of requests. A valid answer still proves no more than that its own origin gave it.
"""

import asyncio
import ipaddress
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from federation import signatures
from federation.restraint import Restraint
from federation.vocabulary import (
    AP_MEDIA_TYPES,
    Document,
    Malformed,
    Origin,
    host_of,
    is_activitystreams,
    origin_of,
    read_json,
    same_origin,
    type_of,
)

# Mastodon follows three redirects, Lemmy one.
REDIRECTS_MAX = 3
BODY_MAX = 1024 * 1024
ANSWER_MAX = 1024
# An answer a little longer than what we keep of it is read to its end: cheaper than a new connection.
ANSWER_DRAIN_MAX = 16 * 1024
CONNECTIONS_PER_HOST = 8
RESOLVER_THREADS = 16
RESOLVED_SECONDS = 60
RETRY_AFTER_MAX = 7 * 24 * 3600.0
# How long a failure is taken for an answer, in seconds: many activities may name one dead address.
GONE_SECONDS = 600.0
REFUSED_SECONDS = 300.0
UNREACHABLE_SECONDS = 30.0

_ACCEPT_DOCUMENT = ", ".join(AP_MEDIA_TYPES)
_ACCEPT_JSON = "application/jrd+json, application/json"
_JSON_MEDIA_TYPE = re.compile(r"application/(?:[a-z0-9.!#$&^_-]+\+)?json", re.IGNORECASE)


# --- Errors ---------------------------------------------------------------------------------------


class FetchError(Exception):
    """A request that brought nothing; `uri` is what was asked for and `reason` a stable word."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"{reason}: {uri}")
        self.uri = uri
        self.reason = reason


class Unreachable(FetchError):
    """Nobody answers just now: no connection, a timeout, 429 or 5xx. `retry_after`: seconds, if they said."""

    def __init__(self, uri: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(uri, reason)
        self.retry_after = retry_after


class Gone(FetchError):
    """The origin says it has no such thing; `tombstone` tells that it had one and deleted it."""

    def __init__(self, uri: str, tombstone: bool) -> None:
        super().__init__(uri, "gone" if tombstone else "not-found")
        self.tombstone = tombstone


class Refused(FetchError):
    """The answer is not acceptable, and will not be later: too large, of a wrong type, another document …"""


class Forbidden(Refused):
    """A URL that we do not ask: a wrong scheme or port, an address that is not public …"""


class BudgetSpent(Exception):
    """The requests or the seconds that one received activity may cost are used up."""


class _ForbiddenAddress(OSError):
    """Raised while connecting, where aiohttp lets only OSError through."""


# --- What may be asked ----------------------------------------------------------------------------

_LOCAL_DOMAINS = frozenset({"localhost", "local", "internal", "intranet", "lan", "arpa"})
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def check_url(url: str, insecure_peers: frozenset[str] = frozenset()) -> URL:
    """The URL, parsed, without its fragment, if it may be asked at all; Forbidden otherwise.

    https on port 443 with a full host name, no user name, no address in any spelling. `insecure_peers` are
    the exceptions, as `host:port`: these may be loopback, and plain http. Names are checked again when
    resolved.
    """
    return _checked(url, insecure_peers)


# Deliveries go to the same inboxes again and again.
@lru_cache(maxsize=4096)
def _checked(url: str, insecure_peers: frozenset[str]) -> URL:
    origin = origin_of(url)
    reason = "url-refused" if origin is None else _refusal(origin, insecure_peers)
    if reason is not None:
        raise Forbidden(url, reason)
    try:
        parsed = URL(url)
        same = (parsed.scheme, parsed.host_subcomponent, parsed.port) == origin
    except ValueError:
        raise Forbidden(url, "url-refused") from None
    # What was checked must be what is asked: two parsers that differ about a host undo every check.
    if not same:
        raise Forbidden(url, "url-refused")
    return parsed.with_fragment(None) if parsed.raw_fragment else parsed


def _refusal(origin: Origin, insecure_peers: frozenset[str]) -> str | None:
    scheme, host, port = origin
    if f"{host}:{port}" in insecure_peers:
        return None
    if scheme != "https":
        return "scheme-refused"
    if port != 443:
        return "port-refused"
    top = host.rpartition(".")[2]
    if host.startswith("[") or _NUMBER.fullmatch(top):
        return "address-refused"
    if "." not in host or top in _LOCAL_DOMAINS:
        return "local-name-refused"
    return None


IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Reserved blocks that `is_global` passes in some of the Python versions that we run on.
_RESERVED: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = (
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv4Network("240.0.0.0/4"),
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("3fff::/20"),
)


def is_public_address(address: str | IPAddress) -> bool:
    """Whether this is a global unicast address, IPv6 forms that carry an IPv4 address unwrapped."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public_address(ip.ipv4_mapped)
        if ip in _NAT64:
            return is_public_address(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
        if ip.sixtofour is not None:
            return is_public_address(ip.sixtofour)
        if ip.teredo is not None:
            return all(is_public_address(each) for each in ip.teredo)
        if ip not in _GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _RESERVED)


class _GuardedResolver(AbstractResolver):
    """Resolves names in threads of its own and hands out checked addresses only: all of a name's, or none."""

    def __init__(self, lookup: "Lookup", insecure_peers: frozenset[str]) -> None:
        self._lookup = lookup
        self._insecure_peers = insecure_peers
        # A slow name server must not hold up what else runs in the default threads.
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._lookup, host, port, family, socket.SOCK_STREAM)
        addresses = [(answer[0], answer[2], str(answer[4][0])) for answer in found]
        if f"{host}:{port}" not in self._insecure_peers:
            for _, _, address in addresses:
                if not is_public_address(address):
                    raise _ForbiddenAddress(f"{host} resolves to an address that is not public")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST)
            for kind, proto, address in addresses
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


# --- The client -----------------------------------------------------------------------------------

# The signature of socket.getaddrinfo, which is what is used outside of tests.
Lookup = Callable[[str, int, int, int], list[Any]]


class Budget:
    """What one received activity may cost: requests, seconds from now, and no document twice."""

    def __init__(self, fetches: int = 20, seconds: float = 30.0) -> None:
        self._left = fetches
        self._ends_at = time.monotonic() + seconds
        self._seen: set[str] = set()

    def spend(self) -> None:
        """Count one request, a redirect being one too; BudgetSpent if there is none left."""
        if self._left <= 0:
            raise BudgetSpent("no fetches left")
        if self.seconds_left() <= 0:
            raise BudgetSpent("no time left")
        self._left -= 1

    def seconds_left(self) -> float:
        """The time that is left; never negative."""
        return max(0.0, self._ends_at - time.monotonic())

    def first_time(self, uri: str) -> bool:
        """Whether this URI comes up for the first time; the next time it does not."""
        if uri in self._seen:
            return False
        self._seen.add(uri)
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """In whose name a request is signed."""

    key_id: str
    private_key: signatures.PrivateKey


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer to a GET: the URL that gave it at last, and the whole Content-Type ("" if there is not just
    one).
    """

    url: str
    status: int
    media_type: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer to a POST: the seconds they asked us to wait, if any, and the first kilobyte of the body."""

    status: int
    retry_after: float | None
    body: bytes


def _never() -> bool:
    return False


class Client:
    """An aiohttp session with the rules of the house. Opens on first use; close it at the end.

    `insecure_peers` are `host:port` pairs that may be loopback and plain http, for development and tests.
    `forbidden` is asked before every request and is true while a transaction is open. Times are in seconds.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        insecure_peers: frozenset[str] = frozenset(),
        forbidden: Callable[[], bool] = _never,
        connections: int = 100,
        get_seconds: float = 10.0,
        post_seconds: float = 15.0,
        body_max: int = BODY_MAX,
        lookup: Lookup = socket.getaddrinfo,
        gets_per_host: int = 4,
        unreachable_seconds: float = UNREACHABLE_SECONDS,
    ) -> None:
        self._user_agent = user_agent
        self._insecure_peers = frozenset(peer.lower() for peer in insecure_peers)
        self._insecure_ports = frozenset(int(peer.rpartition(":")[2]) for peer in insecure_peers)
        self._forbidden = forbidden
        self._connections = connections
        self._get_seconds = get_seconds
        self._post_seconds = post_seconds
        self._body_max = body_max
        self._lookup = lookup
        self._restraint = Restraint(gets_per_host)
        self._failure_seconds: dict[type[FetchError], float] = {
            Gone: GONE_SECONDS,
            Refused: REFUSED_SECONDS,
            Unreachable: unreachable_seconds,
        }
        self._opened: aiohttp.ClientSession | None = None
        self.schemes: dict[str, signatures.Scheme] = {}
        """Hosts that take the other form of signatures than the one that we try first."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; a later request opens the client anew."""
        if self._opened is not None:
            session, self._opened = self._opened, None
            await session.close()

    def check_url(self, url: str) -> URL:
        """`check_url` with the insecure peers of this client."""
        return check_url(url, self._insecure_peers)

    def root_of(self, host: str) -> str:
        """The address of a host without a path: https, or http for an insecure peer."""
        return f"{'http' if host in self._insecure_peers else 'https'}://{host}"

    async def get(
        self,
        url: str,
        *,
        accept: str,
        headers: Mapping[str, str] | None = None,
        signer: Signer | None = None,
        scheme: signatures.Scheme = "cavage",
        budget: Budget | None = None,
        body_max: int | None = None,
    ) -> Fetched:
        """The answer to a GET, whatever its status, after at most three redirects.

        Every hop is checked as the first was and signed for its own host; `headers` go to the first origin
        only. Raises Forbidden, Refused (redirects, size, encoding), Unreachable (network), BudgetSpent.
        """
        async with self._errors_of(url, self._get_seconds, budget):
            asked = self.check_url(url)
            visited = {asked}
            while True:
                if budget is not None:
                    budget.spend()
                first_origin = same_origin(url, str(asked))
                sent = {"Accept": accept, **((headers or {}) if first_origin else {})}
                if signer is not None:
                    sent |= signatures.sign(
                        "GET", asked, None, signer.private_key, signer.key_id, scheme=scheme, now=datetime.now(UTC)
                    )
                async with (
                    self._restraint.turn(asked.raw_authority),
                    self._session().get(asked, headers=sent, allow_redirects=False) as response,
                ):
                    if response.status not in (301, 302, 303, 307, 308):
                        return await _fetched(url, response, body_max or self._body_max)
                    asked = self._redirected(url, asked, response.headers.getall("Location", []))
                if asked in visited:
                    raise Refused(url, "redirect-loop")
                if len(visited) > REDIRECTS_MAX:
                    raise Refused(url, "too-many-redirects")
                visited.add(asked)

    async def get_document(
        self, uri: str, *, signer: Signer | None = None, budget: Budget | None = None, fresh: bool = False
    ) -> Document:
        """The ActivityPub document that its own origin gives for this URI.

        A document that names another id of the same origin is fetched once more at that id, and must then
        agree. Raises Gone (404, 410 or a Tombstone), Unreachable (network, 408, 425, 429, 5xx), Refused,
        BudgetSpent. A failure stands for a while without another request, unless `fresh` asks for one.
        """
        failure = None if fresh else self._restraint.failure(uri)
        if failure is not None:
            raise failure.with_traceback(None)
        try:
            document = await self._get_document(uri, signer, budget)
        except FetchError as error:
            self._restraint.remember(uri, error, self._failure_seconds.get(type(error), 0.0))
            raise
        self._restraint.forget(uri)
        return document

    async def _get_signed(self, url: str, signer: Signer | None, budget: Budget | None) -> Fetched:
        """A GET that is tried once more with the other form of signatures where the first one is refused."""
        host = host_of(url) or ""
        scheme = self.schemes.get(host, "cavage")
        fetched = await self.get(url, accept=_ACCEPT_DOCUMENT, signer=signer, scheme=scheme, budget=budget)
        if signer is None or fetched.status not in (401, 403):
            return fetched
        other = signatures.other_scheme(scheme)
        again = await self.get(url, accept=_ACCEPT_DOCUMENT, signer=signer, scheme=other, budget=budget)
        if again.status in (401, 403):
            return fetched
        self.schemes[host] = other
        return again

    async def _get_document(self, uri: str, signer: Signer | None, budget: Budget | None) -> Document:
        asked = uri
        for _ in range(2):
            fetched = await self._get_signed(asked, signer, budget)
            _check_status(asked, fetched)
            if not is_activitystreams(fetched.media_type):
                raise Refused(asked, "media-type-refused")
            document = _document(asked, fetched)
            identity = document.get("id")
            if not isinstance(identity, str):
                raise Refused(asked, "id-missing")
            if _is_same_url(identity, fetched.url):
                if type_of(document) == "Tombstone":
                    raise Gone(asked, tombstone=True)
                return document
            if not same_origin(identity, fetched.url):
                break
            asked = identity
        raise Refused(uri, "id-mismatch")

    async def get_json(self, url: str, *, budget: Budget | None = None) -> Document:
        """The JSON object at a WebFinger or NodeInfo URL; raises what get_document raises."""
        fetched = await self.get(url, accept=_ACCEPT_JSON, budget=budget)
        _check_status(url, fetched)
        if not _JSON_MEDIA_TYPE.fullmatch(fetched.media_type.partition(";")[0].strip()):
            raise Refused(url, "media-type-refused")
        return _document(url, fetched)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Sent:
        """The answer to a POST, whatever its status; a redirect is not followed.

        Raises Forbidden, or Unreachable for network errors and timeouts. Since a kept connection may be
        closed by the other side at the very moment it is used again, a lost connection is tried once more
        at once: receivers know an activity by its id.
        """
        async with self._errors_of(url, self._post_seconds, None):
            target = self.check_url(url)
            try:
                return await self._post(target, body, headers)
            except (aiohttp.ServerDisconnectedError, ConnectionResetError):
                return await self._post(target, body, headers)

    async def _post(self, url: URL, body: bytes, headers: Mapping[str, str]) -> Sent:
        async with self._session().post(url, data=body, headers=headers, allow_redirects=False) as response:
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > ANSWER_DRAIN_MAX:
                    response.close()
                    break
            return Sent(response.status, _retry_after(response.headers), bytes(answer[:ANSWER_MAX]))

    def _session(self) -> aiohttp.ClientSession:
        if self._forbidden():
            raise RuntimeError("network while a transaction is open")
        if self._opened is None:
            connector = aiohttp.TCPConnector(
                resolver=_GuardedResolver(self._lookup, self._insecure_peers),
                limit=self._connections,
                limit_per_host=CONNECTIONS_PER_HOST,
                ttl_dns_cache=RESOLVED_SECONDS,
                socket_factory=self._socket,
            )
            self._opened = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
            )
        return self._opened

    def _socket(self, address_info: tuple[Any, ...]) -> socket.socket:
        """A socket for an address about to be connected to: the last check, and the one that counts."""
        family, kind, protocol, _, address = address_info
        if address[1] not in self._insecure_ports and not is_public_address(address[0]):
            raise _ForbiddenAddress("the address is not public")
        return socket.socket(family, kind, protocol)

    def _redirected(self, url: str, asked: URL, locations: list[str]) -> URL:
        if len(locations) != 1:
            raise Refused(url, "redirect-without-location")
        try:
            target = asked.join(URL(locations[0]))
        except ValueError:
            raise Refused(url, "redirect-without-location") from None
        if target.scheme != asked.scheme:
            raise Forbidden(url, "redirect-scheme")
        return self.check_url(str(target))

    @asynccontextmanager
    async def _errors_of(self, url: str, seconds: float, budget: Budget | None) -> AsyncIterator[None]:
        """Bounds the time of what is done inside and tells its network errors in our words."""
        if budget is not None:
            seconds = min(seconds, budget.seconds_left())
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            if budget is not None and budget.seconds_left() <= 0:
                raise BudgetSpent("no time left") from None
            raise Unreachable(url, "timeout") from None
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, _ForbiddenAddress):
                raise Forbidden(url, "address-refused") from None
            raise Unreachable(url, "no-connection") from error
        except aiohttp.InvalidURL:
            raise Forbidden(url, "url-refused") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(url, "connection-lost") from error


async def _fetched(url: str, response: aiohttp.ClientResponse, body_max: int) -> Fetched:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Refused(url, "content-encoding-refused")
    if (response.content_length or 0) > body_max:
        raise Refused(url, "too-large")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > body_max:
            raise Refused(url, "too-large")
    types = response.headers.getall("Content-Type", [])
    return Fetched(
        url=str(response.url),
        status=response.status,
        media_type=types[0] if len(types) == 1 else "",
        headers=response.headers,
        body=bytes(body),
    )


def _check_status(uri: str, fetched: Fetched) -> None:
    status = fetched.status
    if 200 <= status < 300:
        return
    if status in (404, 410):
        try:
            buried = type_of(read_json(fetched.body)) == "Tombstone"
        except Malformed:
            buried = False
        raise Gone(uri, tombstone=buried or status == 410)
    if status >= 500 or status in (408, 425, 429):
        raise Unreachable(uri, f"status-{status}", _retry_after(fetched.headers))
    raise Refused(uri, f"status-{status}")


def _document(uri: str, fetched: Fetched) -> Document:
    try:
        return read_json(fetched.body)
    except Malformed as error:
        raise Refused(uri, error.reason) from None


def _is_same_url(identity: str, final: str) -> bool:
    if identity == final:
        return True
    # The same request in another spelling, as with percent signs: what is on the wire decides.
    try:
        return origin_of(identity) is not None and str(URL(identity)) == final
    except ValueError:
        return False


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now, from either form of Retry-After."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return min(float(value), RETRY_AFTER_MAX)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - datetime.now(UTC)).total_seconds()), RETRY_AFTER_MAX)
