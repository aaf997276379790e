"""On PostgreSQL, pages and jobs run in processes of their own, and the command line is a third."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from community.settings import Settings
from tests.inbox.test_flows import until
from tests.peer import Peer


@asynccontextmanager
async def _process(environment: dict[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "web.cli", *arguments, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 15)


async def _command(environment: dict[str, str], *arguments: str, text: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "web.cli",
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate(text.encode())
    assert process.returncode == 0
    return said.decode().strip()


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_web_and_worker_are_two_processes(settings: Settings, peer: Peer, peer_ports: list[int]) -> None:
    environment = os.environ | {
        "FOLKMOOT_ORIGIN": settings.origin,
        "FOLKMOOT_BIND": settings.bind,
        "FOLKMOOT_DATA": settings.data,
        "FOLKMOOT_DATABASE_URL": settings.database_url,
        "FOLKMOOT_INSECURE_PEERS": peer.host,
    }
    group = f"{settings.origin}/g/mobility"
    await _command(environment, "migrate")
    async with (
        _process(environment, "web"),
        _process(environment, "worker"),
        aiohttp.ClientSession() as session,
    ):

        async def answers() -> bool:
            try:
                async with session.get(f"{settings.origin}/.well-known/nodeinfo") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(answers, 30)
        assert (await peer.send(f"{group}/inbox", peer.activity("Follow", group)))[0] == 202
        await until(lambda: peer.got("Accept"), 20)
        opener = await _command(
            environment, "post", "--as", "clerk", "--theme", "mobility", "--title", "From elsewhere", text="Text."
        )
        await until(lambda: [a for a in peer.got("Announce", "str") if a["object"] == opener], 20)
        async with session.get(opener) as page:
            stream = f"{settings.origin}{'/'.join(page.url.path.split('/')[:3])}/live"
        async with session.get(stream) as events:
            note = peer.note("<p>Heard</p>", inReplyTo=opener)
            await peer.send(f"{settings.origin}/inbox", peer.activity("Create", note))
            async with asyncio.timeout(20):
                async for line in events.content:
                    if line.startswith(b"event: post"):
                        break
