"""People who watch, in a process of its own: python -m tests.bench.viewers PORT PATH COUNT

Opens COUNT event streams, prints ``{"open": COUNT}``, and after a line on its input prints when (seconds since 1970)
each ``post`` event arrived at each stream: a JSON list with, for each stream, pairs of its number and the time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from tests.bench import load

AT_ONCE = 50


class Viewer(asyncio.Protocol):
    """One stream. Chunks are read as they come: what stands between two blank lines is an event."""

    def __init__(self, asked: bytes, opened: asyncio.Future[None]) -> None:
        self._asked, self._opened = asked, opened
        self._data = b""
        self.told: list[tuple[int, float]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if not self._opened.done():
            if not data.startswith(b"HTTP/1.1 200"):
                self._opened.set_exception(RuntimeError(data[:200].decode()))
                return
            self._opened.set_result(None)
        *events, self._data = (self._data + data).split(b"\n\n")
        for event in events:
            if b"event: post\n" in event:
                number = event.partition(b'"number": ')[2].partition(b",")[0]
                self.told.append((int(number), now))

    def connection_lost(self, error: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(error or ConnectionResetError("the server closed a stream"))


async def watch(port: int, path: str, count: int) -> None:
    loop = asyncio.get_running_loop()
    asked = load.request("GET", f"127.0.0.1:{port}", path, {"Accept": "text/event-stream", "Accept-Language": "en"})
    viewers: list[Viewer] = []
    for first in range(0, count, AT_ONCE):
        opened = [loop.create_future() for _ in range(min(AT_ONCE, count - first))]
        made = await asyncio.gather(
            *(
                loop.create_connection(lambda done=done: Viewer(asked, done), "127.0.0.1", port)  # type: ignore[misc]
                for done in opened
            )
        )
        await asyncio.wait_for(asyncio.gather(*opened), 30)
        viewers += [viewer for _, viewer in made]
    print(json.dumps({"open": len(viewers)}), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    print(json.dumps([viewer.told for viewer in viewers]), flush=True)
    for viewer in viewers:
        viewer.transport.abort()


if __name__ == "__main__":
    asyncio.run(watch(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
