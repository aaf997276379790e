"""The hour of a debate: a thousand watch one process while a post is written every second."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from sqlalchemy import select

from community.models import Post
from tests.bench import processes, world
from tests.bench.processes import Running
from web import running

if TYPE_CHECKING:
    from tests.bench.__main__ import Bench

TEXT = (
    "A tank costs less than the car space beside it, and we require the car space. *Here* is what three cities paid "
    "for each cubic metre in the last five years, and who paid it in the end."
)
Write = Callable[[int], Awaitable[None]]


@dataclass
class Seen:
    """When each post came to each viewer, and what that cost the server: milliseconds of CPU for each post, MB."""

    by_number: dict[int, list[float]]
    cpu_ms: float
    memory: float

    def waits(self, written: dict[int, float]) -> list[float]:
        """Milliseconds from the writing of each post to its coming, for all viewers, in order."""
        return sorted(1000 * (at - written[number]) for number, came in self.by_number.items() for at in came)


def part(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


async def watched(server: Running, path: str, viewers: int, count: int, write: Write) -> Seen:
    """``count`` posts, one a second, while so many watch. Raises RuntimeError if any misses one or gets one twice."""
    process = await asyncio.create_subprocess_exec(
        processes.PYTHON, "-m", "tests.bench.viewers", str(server.port), path, str(viewers),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**26,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        opened = json.loads(await asyncio.wait_for(process.stdout.readline(), 90) or "{}")
        if opened.get("open") != viewers:
            raise RuntimeError(f"{viewers} viewers could not connect")
        await asyncio.sleep(3)  # what those who have just come are told is no part of this
        spent = server.cpu_seconds()
        for number in range(count):
            began = time.perf_counter()
            await write(number)
            await asyncio.sleep(max(0.0, 1 - (time.perf_counter() - began)))
        await asyncio.sleep(1)
        cpu_ms = (server.cpu_seconds() - spent) / count * 1000
        memory = server.resident_mb()
        process.stdin.write(b"enough\n")
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    by_number: dict[int, list[float]] = {}
    for stream in told:
        for number, at in stream:
            by_number.setdefault(number, []).append(at)
        if len(stream) != count or len({number for number, _ in stream}) != count:
            raise RuntimeError(f"a viewer got {len(stream)} posts instead of {count}")
    return Seen(by_number, cpu_ms, memory)


@asynccontextmanager
async def signed_in(server: Running) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A browser of the panel, and the token of its forms."""
    origin = f"http://{server.authority}"
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(origin, cookie_jar=jar, headers={"Origin": origin}) as session:

        async def token(path: str, pattern: str) -> str:
            async with session.get(path) as answer:
                found = re.search(pattern, await answer.text())
                assert found is not None
                return found[1]

        csrf = await token("/sign-in", r'name="csrf" value="([^"]+)"')
        fields = {"csrf": csrf, "name": world.PANELLIST, "password": world.PASSWORD}
        async with session.post("/sign-in", data=fields) as answer:
            assert answer.status == 200
        yield session, await token("/", r'name="csrf" content="([^"]+)"')


async def live(bench: Bench) -> None:
    """Row 5: from the writing of a post to its coming at every browser that watches."""
    running.allow_files()  # those who watch are a process that inherits this
    viewers, count = (200, 5) if bench.is_quick else (1000, 60)
    topic, path = bench.world.floor_id, f"/g/{bench.world.debate}/live/events"
    idle = bench.server.resident_mb()
    async with signed_in(bench.server) as (session, csrf):
        headers = {"X-Csrf-Token": csrf, "X-Requested-With": "fetch"}

        async def write(number: int) -> None:
            fields = {"text": f"{TEXT} ({number})", "position": "for"}
            async with session.post(f"/t/{topic}/reply", data=fields, headers=headers) as answer:
                assert answer.status == 201, await answer.text()

        seen = await watched(bench.server, path, viewers, count, write)
    async with bench.world.site.database.read() as tx:
        query = select(Post.number, Post.created_at).where(Post.topic_id == topic, Post.number.in_(seen.by_number))
        written = {number: at.timestamp() for number, at in await tx.execute(query)}
    waits = seen.waits(written)
    size = await size_of_event(bench, path)
    bare, bare_waits = await broadcast(size, viewers, count)
    method = f"{viewers} event streams on one process, a reply by form every second, {count} of them, {size} bytes each"
    bench.add(
        "live, p50", part(waits, 0.5), "ms",
        f"{method}; from the begin of the transaction that writes it to its coming; a bare aiohttp broadcast",
        reference=part(bare_waits, 0.5), cpu_ms=seen.cpu_ms, note=f"bare CPU {bare.cpu_ms:.0f} ms",
    )  # fmt: skip
    bench.add(
        "live, p99", part(waits, 0.99), "ms", "the same, of all comings at all viewers",
        reference=part(bare_waits, 0.99), note=f"last {waits[-1]:.0f} ms, bare {bare_waits[-1]:.0f} ms",
    )  # fmt: skip
    bench.add(
        "live, memory", seen.memory, "MB", f"resident with {viewers} streams open",
        reference=bare.memory, note=f"{idle:.0f} MB before",
    )  # fmt: skip


async def size_of_event(bench: Bench, path: str) -> int:
    """The bytes of the last event with a post, as somebody gets it who has missed it."""
    async with (
        aiohttp.ClientSession(read_bufsize=2**20) as session,
        session.get(f"http://{bench.server.authority}{path}?after=1.1") as answer,
    ):
        size = 0
        async with asyncio.timeout(20):
            async for line in answer.content:
                if line == b"event: post\n":
                    size = len(await answer.content.readline()) + len(line) + 26
                if line == b"event: gap\n" or (size and line.startswith(b"event: state")):
                    break
        return size


async def broadcast(size: int, viewers: int, count: int) -> tuple[Seen, list[float]]:
    """The same with a bare server that sends events of that size and does nothing else."""
    port = processes.free_port()
    bare = await processes.start(["tests.bench.references", "broadcast", str(port), str(size)], port)
    try:
        written: dict[int, float] = {}
        async with aiohttp.ClientSession(f"http://{bare.authority}") as session:

            async def write(number: int) -> None:
                async with session.post("/", data=str(number)) as answer:
                    written[number] = float(await answer.text())

            seen = await watched(bare, "/events", viewers, count, write)
        return seen, seen.waits(written)
    finally:
        bare.stop()
