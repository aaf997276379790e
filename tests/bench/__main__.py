"""`make bench`: what the server does in a second, each figure beside a bare reference measured in the same run.

The machine's speed swings, so the ratio and the CPU per request say more than the rate.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import importlib.metadata
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from federation import signatures
from federation.vocabulary import ACTIVITY_JSON
from tests.bench import load, processes, world
from tests.bench.agenda import agenda
from tests.bench.live import live
from tests.bench.processes import Running
from tests.bench.world import World, Writers

CONNECTIONS = 16
HOSTS = 100
WRITERS = 32


@dataclass
class Row:
    database: str
    name: str
    figure: float
    unit: str
    method: str
    reference: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    ratio_at_least: float | None = None
    cpu_ms: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.figure / self.reference if self.reference else None

    @property
    def is_met(self) -> bool:
        return not (
            (self.at_least is not None and self.figure < self.at_least)
            or (self.at_most is not None and self.figure > self.at_most)
            or (self.ratio_at_least is not None and (self.ratio or 0) < self.ratio_at_least)
        )

    @property
    def target(self) -> str:
        parts = []
        if self.at_least is not None:
            parts.append(f">= {self.at_least:g}")
        if self.at_most is not None:
            parts.append(f"< {self.at_most:g}")
        if self.ratio_at_least is not None:
            parts.append(f"ratio >= {self.ratio_at_least:g}")
        return ", ".join(parts)


@dataclass
class Bench:
    """One instance on one database, while it is measured."""

    database: str
    is_quick: bool
    world: World
    server: Running
    writers: Writers
    inboxes: load.Inboxes
    folder: Path
    rows: list[Row] = field(default_factory=list)

    def add(self, name: str, figure: float, unit: str, method: str, **more: object) -> None:
        self.rows.append(Row(self.database, name, figure, unit, method, **more))  # type: ignore[arg-type]

    @asynccontextmanager
    async def reference(self, answers: dict[str, tuple[dict[str, str], bytes]]) -> AsyncIterator[Running]:
        """The bare handler, giving these answers."""
        port, file = processes.free_port(), self.folder / "answers.json"
        file.write_text(
            json.dumps({path: (headers, base64.b64encode(body).decode()) for path, (headers, body) in answers.items()})
        )
        bare = await processes.start(["tests.bench.references", "handler", str(port), str(file)], port)
        try:
            yield bare
        finally:
            bare.stop()


# --- What is measured -------------------------------------------------------------------------------------------------


async def accept(bench: Bench) -> None:
    """Rows 1: signed Creates, from the request to the reply in the topic."""
    count = 400 if bench.is_quick else 4000
    here, site, writers = bench.world, bench.world.site, bench.writers

    def requests(first: int, number: int) -> list[bytes]:
        bodies = [writers.create(n, here.mobility, here.busy.uri) for n in range(first, first + number)]
        return [writers.signed(n, site, body) for n, body in enumerate(bodies, first)]

    async def processed(wanted: int) -> None:
        for _ in range(1200):
            if await here.post_count(here.busy.topic_id) >= wanted:
                return
            await asyncio.sleep(0.05)
        raise RuntimeError(f"{wanted} posts were not there within a minute")

    first = requests(0, WRITERS)
    contact = (await load.run("127.0.0.1", bench.server.port, first, CONNECTIONS)).demand(202)
    already = 1 + WRITERS
    await processed(already)
    bench.add("first contact", contact.per_second, "/s", f"{WRITERS} unknown signers whose keys are fetched")

    asked = requests(WRITERS, count)
    size = statistics.mean(len(request.partition(b"\r\n\r\n")[2]) for request in asked)
    spent, started = bench.server.cpu_seconds(), time.perf_counter()
    taken = (await load.run("127.0.0.1", bench.server.port, asked, CONNECTIONS)).demand(202)
    await processed(already + count)
    seconds = time.perf_counter() - started
    cpu = (bench.server.cpu_seconds() - spent) / count * 1000
    async with bench.reference({}) as bare:
        same = (await load.run("127.0.0.1", bare.port, asked, CONNECTIONS)).demand(202)
    bench.add(
        "accept", taken.per_second, "/s",
        f"{count} signed Creates of {size:.0f} bytes by {WRITERS} actors until the last 202; reads body and answers",
        reference=same.per_second, at_least=1000,
        note=f"p50 {taken.percentile(0.5):.1f} ms, p99 {taken.percentile(0.99):.1f} ms",
    )  # fmt: skip
    bench.add(
        "process", count / seconds, "/s", "the same, from the first request until the last reply stands in the topic",
        reference=same.per_second, at_least=400, cpu_ms=cpu,
    )  # fmt: skip


async def deliver(bench: Bench) -> None:
    """Row 2: one topic to 500 followers with an inbox each, on a hundred hosts."""
    here, writers, inboxes = bench.world, bench.writers, bench.inboxes
    wanted, rounds = len(here.followers), 2 if bench.is_quick else 5
    spans, totals, cpu = [], [], []
    body = b""
    for number in range(rounds + 1):
        request = writers.signed(number, here.site, writers.create(number, here.water, None))
        inboxes.expect(wanted)
        spent, started = bench.server.cpu_seconds(), time.perf_counter()
        await load.run("127.0.0.1", bench.server.port, [request], 1)
        span = await inboxes.wait()
        total = inboxes.last_at - started
        body = inboxes.body
        await asyncio.sleep(0.3)  # the deliveries are still written down as done
        if number:  # the first round opens the connections
            spans.append(wanted / span)
            totals.append(wanted / total)
            cpu.append((bench.server.cpu_seconds() - spent) / wanted * 1000)
    bare, bare_cpu = await _bare_client(bench, body, rounds)
    signing, signing_cpu = await _bare_client(bench, body, rounds, signs=True)
    method = f"{wanted} inboxes on {HOSTS} ports, {len(body)} bytes, median of {rounds}"
    bench.add(
        "deliver", statistics.median(spans), "/s", f"{method}; first to last POST; bare client, signed beforehand",
        reference=bare, at_least=1500, ratio_at_least=0.5, cpu_ms=statistics.median(cpu),
        note=f"CPU of the bare client {bare_cpu:.2f} ms",
    )  # fmt: skip
    bench.add(
        "deliver, both signing", statistics.median(totals), "/s",
        "from the request that opens the topic to the last POST; a bare client that signs too, from its start",
        reference=signing, note=f"CPU of the bare client {signing_cpu:.2f} ms",
    )  # fmt: skip
    bench.add(
        "deliver from posting", statistics.median(totals), "/s", "the same, from the request that opens the topic",
        reference=bare,
    )  # fmt: skip


async def _bare_client(bench: Bench, body: bytes, rounds: int, *, signs: bool = False) -> tuple[float, float]:
    """Deliveries a second, and milliseconds of CPU of each, by a client that does nothing else."""
    key = bench.writers.keys[0]
    requests = []
    for inbox in bench.world.followers:
        headers = signatures.sign("POST", inbox, body, key, f"{bench.writers.uri(0)}#main-key", now=datetime.now(UTC))
        headers["Content-Type"] = ACTIVITY_JSON
        requests.append({"url": inbox, "headers": headers, "body": body.decode()})
    file, key_file = bench.folder / "requests.json", bench.folder / "key.pem"
    file.write_text(json.dumps(requests))
    key_file.write_bytes(signatures.private_pem(key))
    process = await asyncio.create_subprocess_exec(
        processes.PYTHON, "-m", "tests.bench.references", "client", str(file), *([str(key_file)] if signs else []),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    rates, cpu = [], []
    try:
        for number in range(rounds + 1):
            bench.inboxes.expect(len(requests))
            started = time.perf_counter()
            process.stdin.write(b"again\n")
            span = await bench.inboxes.wait()
            if signs:  # it signs everything before it sends anything
                span = bench.inboxes.last_at - started
            spent = float(await asyncio.wait_for(process.stdout.readline(), 30))
            if number:
                rates.append(len(requests) / span)
                cpu.append(spent / len(requests) * 1000)
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
    return statistics.median(rates), statistics.median(cpu)


async def read(bench: Bench) -> None:
    """Rows 3 and 4: pages and documents, from the cache as anonymous readers get them, and without it."""
    here, port = bench.world, bench.server.port
    html = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "en"}
    document = {"Accept": ACTIVITY_JSON}
    topic = f"/t/{here.read.topic_id}"
    status, headers, _ = await load.fetch("127.0.0.1", port, load.request("GET", bench.server.authority, topic, html))
    if status in (301, 302, 308):
        topic = headers["Location"].removeprefix(here.site.settings.origin)
    group, context = here.mobility.uri.removeprefix(here.site.settings.origin), f"/t/{here.read.topic_id}/context"
    opener = here.read.uri.removeprefix(here.site.settings.origin)
    things = [
        ("topic page", topic, html, f"{world.POSTS_IN_TOPIC} posts, HTML"),
        ("home page", "/", html, "HTML"),
        ("opener document", opener, document, "ActivityPub"),
        ("topic document", context, document, f"the ids of {world.POSTS_IN_TOPIC} posts"),
        ("group document", group, document, "ActivityPub"),
    ]
    count, uncached_count = (800, 25) if bench.is_quick else (6000, 200)
    for name, path, asked, what in things:
        plain = load.request("GET", bench.server.authority, path, asked)
        status, headers, body = await load.fetch("127.0.0.1", port, plain)
        if status != 200:
            raise RuntimeError(f"{path} answers {status}")
        spent = bench.server.cpu_seconds()
        got = (await load.run("127.0.0.1", port, [plain] * count, CONNECTIONS)).demand(200)
        cpu = (bench.server.cpu_seconds() - spent) / count * 1000
        async with bench.reference({path: (headers, body)}) as bare:
            spent = bare.cpu_seconds()
            same = (await load.run("127.0.0.1", bare.port, [plain] * count, CONNECTIONS)).demand(200)
            bare_cpu = (bare.cpu_seconds() - spent) / count * 1000
        bench.add(
            name, got.per_second, "/s", f"{what}, {len(body)} bytes, {CONNECTIONS} connections; the same bytes, bare",
            reference=same.per_second, ratio_at_least=0.5, cpu_ms=cpu,
            note=f"p50 {got.percentile(0.5):.1f} ms, p99 {got.percentile(0.99):.1f} ms, bare CPU {bare_cpu:.3f} ms",
        )  # fmt: skip
        uncached = load.request("GET", bench.server.authority, path, {**asked, "Cookie": "x=1"})
        spent = bench.server.cpu_seconds()
        slow = (await load.run("127.0.0.1", port, [uncached] * uncached_count, 1)).demand(200)
        bench.add(
            f"{name}, uncached", slow.percentile(0.5), "ms", "p50 with a cookie, one connection",
            cpu_ms=(bench.server.cpu_seconds() - spent) / uncached_count * 1000,
        )  # fmt: skip


ROWS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "accept": accept, "deliver": deliver, "read": read, "live": live, "agenda": agenda,
}  # fmt: skip


# --- The run ----------------------------------------------------------------------------------------------------------


async def measure(database: str, only: list[str], is_quick: bool) -> list[Row]:
    async with AsyncExitStack() as stack:
        # The socket of PostgreSQL lies inside, and the path of a socket has to be short.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moot", dir="/tmp")))
        url = await stack.enter_async_context(world.postgresql(folder / "pg")) if database == "postgresql" else ""
        writers, inboxes = Writers(WRITERS), load.Inboxes()
        await stack.enter_async_context(writers.serving())
        await inboxes.open(HOSTS)
        stack.callback(inboxes.close)
        port = processes.free_port()
        variables = world.environment(port, folder / "data", url, [writers.port, *inboxes.ports])
        server = await processes.start(["web.cli", "run", "--empty"], port, variables)
        fresh = server.start_seconds, server.cpu_seconds()
        server.stop()
        filled = await world.fill(variables, inboxes.ports)
        stack.push_async_callback(filled.site.close)
        server = await processes.start(["web.cli", "run", "--empty"], port, variables)
        stack.callback(server.stop)
        bench = Bench(database, is_quick, filled, server, writers, inboxes, folder)
        bench.add(
            "start, fresh", fresh[0], "s", "command to first answer, empty database", note=f"CPU {fresh[1]:.1f} s"
        )
        bench.add(
            "start, again", server.start_seconds, "s", "command to first answer, tables there",
            note=f"CPU {server.cpu_seconds():.1f} s",
        )  # fmt: skip
        await asyncio.sleep(1)
        bench.add("memory, idle", server.resident_mb(), "MB", "resident, a second after the start", at_most=130)
        for name, row in ROWS.items():
            if not only or name in only:
                await row(bench)
        bench.add("memory, after", server.resident_mb(), "MB", "resident, after everything above")
        return bench.rows


def speed() -> float:
    """Millions of turns a second of an empty loop: how fast the machine is just now."""
    started = time.perf_counter()
    for _ in range(2_000_000):
        pass
    return 2 / (time.perf_counter() - started)


def machine() -> str:
    names = ("aiohttp", "sqlalchemy", "asyncpg", "cryptography")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return (
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {versions}, "
        f"empty loop {speed():.0f} M/s"
    )


def table(rows: list[Row]) -> str:
    lines = [
        f"{'':<28}{'figure':>11}  {'reference':>10} {'ratio':>6} {'CPU ms':>8}  target",
    ]
    for row in rows:
        figure = f"{row.figure:,.{0 if row.figure >= 100 else 2}f} {row.unit}"
        reference = f"{row.reference:,.0f}" if row.reference else ""
        ratio = f"{row.ratio:.2f}" if row.ratio else ""
        cpu = f"{row.cpu_ms:.3f}" if row.cpu_ms is not None else ""
        target = f"{row.target}  {'met' if row.is_met else 'MISSED'}" if row.target else ""
        lines.append(f"{row.name:<28}{figure:>11}  {reference:>10} {ratio:>6} {cpu:>8}  {target}")
        lines.append(f"    {row.method}" + (f" ({row.note})" if row.note else ""))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests: under a minute")
    parser.add_argument("--only", action="append", choices=list(ROWS), default=[], help="these rows only")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="this database only")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    before = machine()
    print(before, flush=True)
    rows: list[Row] = []
    for database in [options.database] if options.database else ["sqlite", "postgresql"]:
        measured = asyncio.run(measure(database, options.only, options.quick))
        rows += measured
        print(f"\n{database}\n{table(measured)}", flush=True)
    print(f"\nempty loop at the end {speed():.0f} M/s")
    if options.json:
        listed = [asdict(row) | {"ratio": row.ratio, "is_met": row.is_met} for row in rows]
        options.json.write_text(json.dumps({"machine": before, "rows": listed}, indent=2) + "\n")


if __name__ == "__main__":
    main()
