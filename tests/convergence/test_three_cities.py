"""A hub and two cities, each a process of its own with its own database, linked with each other: what is said in one is
read in all, once, also after one of them was dead for two days."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import SECRET
from tests.ports import free_port

ROOT = Path(__file__).parents[2]


@dataclass
class City:
    """One instance, started and killed at will."""

    name: str
    folder: Path
    port: int
    control: int
    peers: list[int]
    clock: Path
    http: aiohttp.ClientSession
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def group(self) -> str:
        return f"http://{self.host}/g/mobility"

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.convergence.process", str(self.folder), str(self.port),
                    str(self.control), ",".join(map(str, self.peers)), str(self.clock),
                ],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )  # fmt: skip
        for _ in range(300):
            assert self.process.poll() is None, self.log.read_text()
            try:
                async with self.http.get(f"http://{self.host}/.well-known/nodeinfo") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
        raise AssertionError(f"{self.name} does not answer: {self.log.read_text()}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def ask(self, name: str, *given: Any) -> Any:
        async with self.http.post(f"http://127.0.0.1:{self.control}/{name}", json=given) as answer:
            assert answer.status == 200, f"{await answer.text()}\n{self.log.read_text()[-3000:]}"
            return await answer.json()

    async def do(self, who: str, name: str, **deed: Any) -> str:
        return str(await self.ask("do", {"do": name, "as": who, **deed}))

    async def thread(self, group: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.ask("thread", group)
        return found


Cities = dict[str, City]


@pytest.fixture
async def cities(tmp_path: Path) -> AsyncIterator[Cities]:
    clock = tmp_path / "clock"
    clock.write_text("0")
    names = ("hub", "bcn", "lyon")
    ports = [free_port() for _ in names]
    async with aiohttp.ClientSession() as http:
        made = {
            name: City(name, tmp_path / name, port, free_port(), ports, clock, http)
            for name, port in zip(names, ports, strict=True)
        }
        try:
            for city in made.values():
                city.folder.mkdir()
                (city.folder / "secret").write_text(SECRET.hex())
            await asyncio.gather(*(city.start() for city in made.values()))
            yield made
        finally:
            for city in made.values():
                if city.process is not None and city.process.poll() is None:
                    city.process.terminate()
                    city.process.wait(10)


async def until(what: str, condition: Callable[[], Awaitable[Any]], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = await condition()
        if found:
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}")


async def converge(cities: Cities, *expected: str) -> dict[str, Any]:
    """Wait until all three show the same of every theme, with these uris in it; answers hub's, bcn's and lyon's."""
    seen: dict[str, dict[str, Any]] = {}

    async def same() -> bool:
        for home in cities.values():
            for city in cities.values():
                seen[f"{home.name} at {city.name}"] = await city.thread(home.group)
        everything = {uri for thread in seen.values() for uri in thread}
        return everything.issuperset(expected) and all(
            seen[f"{home} at {city}"] == seen[f"{home} at {home}"] for home in cities for city in cities
        )

    try:
        await until("the three show the same", same)
    except AssertionError:
        for home in cities:
            for city in cities:
                ours, theirs = seen[f"{home} at {home}"], seen[f"{home} at {city}"]
                differing = {uri for uri in {*ours, *theirs} if ours.get(uri) != theirs.get(uri)}
                for uri in differing:
                    print(f"{home} at {city}: {uri}\n  {ours.get(uri)}\n  {theirs.get(uri)}")
        print("missing:", set(expected) - {uri for thread in seen.values() for uri in thread})
        raise
    return {name: seen[f"{name} at {name}"] for name in cities}


async def link_all(cities: Cities) -> None:
    pairs = [("bcn", "hub"), ("lyon", "hub"), ("lyon", "bcn")]
    for one, other in pairs:
        await cities[one].ask("propose", f"staff_{one}", "mobility", f"mobility@{cities[other].host}")
        handle = f"mobility@{cities[one].host}"
        await until(
            f"{other} was asked by {one}", lambda other=other, handle=handle: cities[other].ask("is_asked", handle)
        )
        await cities[other].ask("welcome", f"staff_{other}", "mobility", handle)
    for one, other in [*pairs, *((b, a) for a, b in pairs)]:
        await until(
            f"{one} is linked with {other}",
            lambda one=one, other=other: cities[one].ask("is_linked", f"mobility@{cities[other].host}"),
        )


@pytest.mark.timeout(180)
async def test_what_is_said_in_one_city_is_read_in_all_once(cities: Cities) -> None:
    for number, (name, city) in enumerate(cities.items()):
        await city.ask("add_member", f"staff_{name}", 2 + number, "admin")
        await city.ask("add_member", f"anna_{name}", 5 + number)
        await city.ask("add_theme", "mobility", number)
    await link_all(cities)
    hub, bcn, lyon = cities["hub"], cities["bcn"], cities["lyon"]

    # A topic born in each; answered from the two others, and answered back.
    born = {
        name: await city.do(f"anna_{name}", "open", group=city.group, title=f"From {name}", text=f"Trams in {name}?")
        for name, city in cities.items()
    }
    await converge(cities, *born.values())
    answers = {}
    for name, city in cities.items():
        for home, uri in born.items():
            if home != name:
                answers[home, name] = await city.do(f"anna_{name}", "reply", post=uri, text=f"{name} to {home}.")
    shown = await converge(cities, *answers.values())
    assert {name: len(thread) for name, thread in shown.items()} == {"hub": 3, "bcn": 3, "lyon": 3}
    back = await bcn.do("anna_bcn", "reply", post=answers["bcn", "lyon"], text="Thank you, Lyon.")

    # Edits, deletes, likes and a closed topic, from both sides.
    await lyon.do("anna_lyon", "edit", post=answers["bcn", "lyon"], text="Lyon thought again.")
    await hub.do("anna_hub", "delete", post=answers["lyon", "hub"])
    await bcn.do("anna_bcn", "edit", post=born["bcn"], text="Trams and buses?")
    await hub.do("anna_hub", "like", post=born["bcn"])
    await bcn.do("anna_bcn", "like", post=answers["bcn", "lyon"])
    await lyon.do("anna_lyon", "like", post=born["hub"])
    await hub.do("staff_hub", "close", post=born["hub"], on=True)
    shown = await converge(cities, back)
    assert "Lyon thought again." in shown["bcn"][answers["bcn", "lyon"]]["html"]
    assert shown["bcn"][born["bcn"]]["likes"] == 1
    assert shown["bcn"][answers["bcn", "lyon"]]["likes"] == 1
    assert shown["hub"][born["hub"]]["likes"] == 1
    assert shown["hub"][born["hub"]]["closed"]
    assert shown["lyon"][answers["lyon", "hub"]]["gone"]
    late = await bcn.do("anna_bcn", "reply", post=born["hub"], text="Too late?")
    assert late == "refused:topic-is-closed"

    # A ban in the hub's theme holds wherever its topics are shown, and only there.
    await hub.do("staff_hub", "ban", post=answers["hub", "lyon"])

    async def is_banned() -> bool:
        uri = await lyon.do("anna_lyon", "reply", post=born["hub"], text="Am I banned?")
        return uri == "refused:you-are-banned-here"

    await until("the ban is known in Lyon", is_banned)
    still = await lyon.do("anna_lyon", "reply", post=born["bcn"], text="Not here.")
    await converge(cities, still)

    # Lyon dies; for two days the others go on; it comes back and catches up.
    lyon.kill()
    missed = await bcn.do("anna_bcn", "open", group=bcn.group, title="While Lyon slept", text="Hello?")
    await until("the hub has it", lambda: _holds(hub, bcn.group, missed))
    more = await hub.do("anna_hub", "reply", post=missed, text="Lyon does not answer.")
    await until("Barcelona has it", lambda: _holds(bcn, bcn.group, more))
    await bcn.do("anna_bcn", "edit", post=missed, text="Hello, Lyon?")
    await bcn.do("anna_bcn", "delete", post=back)
    await asyncio.sleep(3)
    lyon.clock.write_text(str(2 * 86400))
    await lyon.start()
    # Whoever knocked in vain a moment before waits half an hour now.
    lyon.clock.write_text(str(2 * 86400 + 2400))
    shown = await converge(cities, missed, more)
    assert "Hello, Lyon?" in shown["bcn"][missed]["html"]
    assert shown["bcn"][back]["gone"]


async def _holds(city: City, group: str, uri: str) -> bool:
    return uri in await city.thread(group)
