"""The demo: three real processes, linked and filled, that all end at Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]


def _three_ports() -> int:
    """The first of three free ports in a row."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError):
            for each in (port + 1, port + 2):
                _check_free(each)
            return port


def _check_free(port: int) -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in found.split()]


@pytest.mark.timeout(180)
async def test_three_cities_live_and_end(tmp_path: Path) -> None:
    port = _three_ports()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FOLKMOOT_")}
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "web.cli", "demo", "--port", str(port), "--folder", str(tmp_path), cwd=ROOT,
        env=environment | {"PYTHONUNBUFFERED": "1"}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = ""
    children: list[int] = []
    try:
        assert demo.stdout is not None
        while "Ctrl-C ends all three" not in said:
            line = await demo.stdout.readline()
            assert line, f"the demo ended by itself:\n{said}"
            said += line.decode()
        children = await _children(demo.pid)
        assert len(children) == 3
        assert "The password of everybody is" in said
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/g/mobility") as answer:
                page = await answer.text()
            # Born in Barcelona, read at the hub, with the answers of all three.
            path = re.search(r'href="(/t/\d+/what-happened-to-the-corner[^"]*)"', page)
            assert path is not None, page
            assert f"mobility@127.0.0.1:{port + 1}" in page
            async with session.get(f"http://127.0.0.1:{port}{path[1]}") as answer:
                topic = await answer.text()
            for words in ("parcel room", "what it cost", "the benches were the cheap part"):
                assert words in topic
            # What was said in Barcelona and in Lyon is behind an item at the hub, and Barcelona supports that.
            async with session.get(f"http://127.0.0.1:{port}/agenda") as answer:
                agenda = await answer.text()
            behind = agenda.split("What streets cost once the cars have left")[1].split("</li>")[0]
            assert f"@sample_planner@127.0.0.1:{port + 1}" in behind
            assert f"@sample_driver@127.0.0.1:{port + 2}" in behind
            assert "1 from other servers" in behind
            roof = agenda.split("Should every new roof collect its own rain?")[1].split("</li>")[0]
            assert "10:00" in roof
            assert "Sample hall" in roof
            async with session.get(f"{answer.url}/declined") as answer:
                assert "one laundry is no tour yet" in await answer.text()
            async with session.get(f"http://127.0.0.1:{port}/blog") as answer:
                blog = await answer.text()
            assert "Where the first ten minutes of rain can wait" in blog
            assert "slanting rain above a green roof" in blog
            async with session.get(f"http://127.0.0.1:{port + 2}/cities") as answer:
                cities = await answer.text()
            assert "Barcelona (demo)" in cities
            assert "World Smart City (demo)" in cities
        demo.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(demo.communicate(), 30)
        assert demo.returncode == 0, rest
        assert [pid for pid in children if _is_alive(pid)] == []
    finally:
        if demo.returncode is None:
            demo.terminate()
            await demo.communicate()
