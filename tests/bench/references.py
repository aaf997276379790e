"""What each figure is compared with, in a process of its own: a bare aiohttp handler, a bare aiohttp client.

python -m tests.bench.references handler PORT ANSWERS     answers from a JSON file, 202 to every POST
python -m tests.bench.references client REQUESTS [KEY]    sends what a JSON file lists, prints the CPU seconds;
                                                          with the file of a private key it signs each itself
python -m tests.bench.references broadcast PORT SIZE      sends an event of that size to all streams for every POST
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from federation import signatures

_BY_AIOHTTP = frozenset({"content-length", "date", "connection"})


def _handler(port: int, file: str) -> None:
    answers: dict[str, tuple[dict[str, str], bytes]] = {
        path: ({k: v for k, v in headers.items() if k.lower() not in _BY_AIOHTTP}, base64.b64decode(body))
        for path, (headers, body) in json.loads(Path(file).read_text()).items()
    }

    async def answer(request: web.Request) -> web.Response:
        held = answers.get(request.raw_path)
        return web.Response(status=404) if held is None else web.Response(body=held[1], headers=held[0])

    async def accept(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"status": "accepted"}, status=202)

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        app.router.add_post("/{path:.*}", accept)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    asyncio.run(serve())


def _broadcast(port: int, size: int) -> None:
    queues: set[asyncio.Queue[bytes]] = set()

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues.add(queue)
        try:
            await response.write(b": here\n\n")
            while True:
                await response.write(await queue.get())
        except ConnectionError:
            return response
        finally:
            queues.discard(queue)

    async def send(request: web.Request) -> web.Response:
        number = await request.text()
        now = time.time()
        event = f'event: post\ndata: {{"number": {number}, "html": "'
        words = (event + "x" * (size - len(event) - 4) + '"}\n\n').encode()
        for queue in queues:
            queue.put_nowait(words)
        return web.Response(text=repr(now))

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/events", events)
        app.router.add_post("/", send)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        await asyncio.Event().wait()

    asyncio.run(serve())


async def _client(file: str, key_file: str = "") -> None:
    requests: list[dict[str, Any]] = json.loads(Path(file).read_text())
    key = signatures.load_private_key(Path(key_file).read_bytes()) if key_file else None
    connector = aiohttp.TCPConnector(limit=100, limit_per_host=8)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def send(request: dict[str, Any]) -> None:
            url, body, headers = request["url"], request["body"].encode(), request["headers"]
            if key is not None:
                headers = headers | signatures.sign(
                    "POST", url, body, key, "https://a.example/#k", now=datetime.now(UTC)
                )
            async with session.post(url, data=body, headers=headers) as got:
                await got.read()
                assert got.status == 202

        for line in sys.stdin:  # one round for each line that the bench writes
            if not line.strip():
                break
            spent = time.process_time()
            await asyncio.gather(*map(send, requests))
            print(time.process_time() - spent, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "handler":
        _handler(int(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "broadcast":
        _broadcast(int(sys.argv[2]), int(sys.argv[3]))
    else:
        asyncio.run(_client(*sys.argv[2:]))
