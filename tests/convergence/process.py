"""One instance as a process of its own, with a second port at which a test says what people there do.

``python -m tests.convergence.process FOLDER PORT CONTROL PEERS CLOCK``: PEERS are ports separated by commas, CLOCK is a
file with the number of seconds by which the clocks of all instances are ahead.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from community.settings import Settings
from federation import site as sites
from tests.convergence import deeds
from web import running


def _clock(file: Path) -> Any:
    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=int(file.read_text() or 0))

    return now


async def _answer(request: web.Request) -> web.Response:
    site, asked = request.app["site"], await request.json()
    return web.json_response(await getattr(deeds, request.match_info["name"])(site, *asked))


async def main(folder: Path, port: int, control: int, peers: list[int], clock: Path) -> None:
    settings = Settings(
        origin=f"http://127.0.0.1:{port}",
        bind=f"127.0.0.1:{port}",
        data=str(folder),
        insecure_peers=tuple(f"127.0.0.1:{peer}" for peer in peers),
        retry_seconds=(1, 1, 2, 2, 4, 60, 3600, 86400, 86400, 172800),
    )
    site = sites.make(settings)
    site.database.clock = _clock(clock)
    app = web.Application()
    app["site"] = site
    app.router.add_post("/{name}", _answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", control).start()
    await running.run(site, empty=True, say=False)


if __name__ == "__main__":
    _, folder, port, control, peers, clock = sys.argv
    asyncio.run(main(Path(folder), int(port), int(control), [int(each) for each in peers.split(",")], Path(clock)))
