"""A lean load generator and a lean receiver: raw asyncio protocols, since client and server share the cores.

HTTP/1.1 with keep-alive and Content-Length only, nothing is pipelined. What it cannot read ends the run with an error.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

LENGTH = b"\r\ncontent-length:"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Load:
    """What came of a number of requests: seconds from the first to the last, answers by status, seconds of each."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, part: float) -> float:
        """Milliseconds within which this part of the requests was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1000

    def demand(self, status: int) -> Load:
        """Itself, if every answer had this status; a rate of refusals says nothing."""
        if set(self.statuses) != {status}:
            raise RuntimeError(f"expected {status} only, got {dict(self.statuses)}")
        return self


def request(method: str, authority: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() != "host"]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def message_end(data: bytes | bytearray) -> tuple[int, int] | None:
    """Where the head and the whole of the first message in ``data`` end; None while it is not complete."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return None
    lowered = bytes(data[:head]).lower()
    at = lowered.find(LENGTH)
    length = int(lowered[at + len(LENGTH) :].partition(b"\r\n")[0]) if at >= 0 else 0
    end = head + 4 + length
    return (head, end) if len(data) >= end else None


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], load: Load, ended: asyncio.Future[None]) -> None:
        self._requests, self._load, self._ended = requests, load, ended
        self._data = bytearray()
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        following = next(self._requests, None)
        if following is None:
            if not self._ended.done():
                self._ended.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        self._data += data
        ends = message_end(self._data)
        if ends is None:
            return
        self._load.latencies.append(time.perf_counter() - self._sent_at)
        self._load.statuses[int(self._data[9:12])] += 1
        del self._data[: ends[1]]
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(error or ConnectionResetError("the server closed a connection"))


async def run(host: str, port: int, requests: Sequence[bytes], connections: int = 16, limit: float = 60) -> Load:
    """Send all requests over a few connections, each waiting for its answer; at most ``limit`` seconds."""
    load, left = Load(), iter(requests)
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(connections)]
    started = time.perf_counter()
    transports = []
    try:
        async with asyncio.timeout(limit):
            for end in ends:
                transport, _ = await loop.create_connection(partial(_Connection, left, load, end), host, port)
                transports.append(transport)
            await asyncio.gather(*ends)
    finally:
        for transport in transports:
            transport.abort()
    load.seconds = time.perf_counter() - started
    return load


async def fetch(host: str, port: int, asked: bytes) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own: status, headers, body."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(asked)
        data = bytearray()
        while (ends := message_end(data)) is None:
            more = await reader.read(65536)
            if not more:
                raise ConnectionResetError("the server closed a connection")
            data += more
    finally:
        writer.close()
    lines = bytes(data[: ends[0]]).decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, bytes(data[ends[0] + 4 : ends[1]])


class Receiver(asyncio.Protocol):
    """A server's side: hands each complete request to ``take`` and writes the answer that this gives."""

    def __init__(self, take: Callable[[bytes, bytes], bytes]) -> None:
        self._take = take
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (ends := message_end(self._data)) is not None:
            head, body = bytes(self._data[: ends[0]]), bytes(self._data[ends[0] + 4 : ends[1]])
            del self._data[: ends[1]]
            self._transport.write(self._take(head, body))


class Inboxes:
    """Many hosts in one process: ports on loopback that count POSTs, answer 202 and know when the last one came."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self.ports: list[int] = []
        self._wanted = 0
        self._done = asyncio.Event()
        self.count = 0
        self.first_at = self.last_at = 0.0
        self.body = b""

    async def open(self, hosts: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(hosts):
            server = await loop.create_server(lambda: Receiver(self._take), "127.0.0.1", 0)
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    def _take(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"POST"):
            self.body = body
            self.last_at = time.perf_counter()
            self.first_at = self.first_at or self.last_at
            self.count += 1
            if self.count >= self._wanted:
                self._done.set()
        return ACCEPTED

    def expect(self, count: int) -> None:
        """Begin to count anew."""
        self._wanted, self.count, self.first_at = count, 0, 0.0
        self._done.clear()

    async def wait(self, limit: float = 60) -> float:
        """Seconds from the first POST to the last expected one."""
        try:
            async with asyncio.timeout(limit):
                await self._done.wait()
        except TimeoutError:
            raise RuntimeError(f"{self.count} of {self._wanted} deliveries came within {limit} s") from None
        return self.last_at - self.first_at

    def close(self) -> None:
        for server in self._servers:
            server.close()
