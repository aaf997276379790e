"""An instance whose queue is worked on by hand, so that a test decides what happens to every message on the way."""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp.test_utils import TestServer

from community import groups, jobs
from community.jobs import Claimed
from community.settings import Settings
from federation import site as sites
from federation.site import Site
from outbox import delivery
from tests.conftest import SECRET, pair
from web.app import build


@dataclass
class Town:
    """One instance behind a real address. ``under_way`` are messages that it sent and nobody has taken yet."""

    site: Site
    server: TestServer
    under_way: list[Claimed] = field(default_factory=list)

    @classmethod
    async def found(cls, folder: Path, template: Path, port: int, peers: list[int]) -> Town:
        folder.mkdir()
        (folder / "secret").write_text(SECRET.hex())
        shutil.copy(template, folder / "folkmoot.db")
        settings = Settings(
            origin=f"http://127.0.0.1:{port}",
            bind=f"127.0.0.1:{port}",
            data=str(folder),
            insecure_peers=tuple(f"127.0.0.1:{peer}" for peer in peers),
        )
        site = sites.make(settings)
        async with site.database.write() as tx:
            await groups.found(tx, await pair(0), await pair(1))
        server = TestServer(build(site), host="127.0.0.1", port=port)
        await server.start_server()
        return cls(site, server)

    async def close(self) -> None:
        await self.server.close()
        await self.site.close()

    async def work(self) -> None:
        """Do everything that is due now, except that deliveries are put under way instead of being made."""
        while True:
            async with self.site.database.write() as tx:
                claimed = await jobs.claim(tx, 500)
                await jobs.finish(tx, [job for job in claimed if job.kind == "deliver"])
            if not claimed:
                return
            self.under_way += [job for job in claimed if job.kind == "deliver"]
            lines: dict[tuple[str, str], list[Claimed]] = defaultdict(list)
            for job in claimed:
                if job.kind != "deliver":
                    kind = jobs._kinds[job.kind]
                    lines[job.kind, "" if kind.is_batch else job.line or str(job.id)].append(job)
            for (kind_name, _), together in lines.items():
                results = await jobs._kinds[kind_name].work(self.site, together)
                async with self.site.database.write() as tx:
                    await jobs.settle(tx, results)

    async def pass_on(self, number: int, *, again: bool = False) -> None:
        """One of the messages under way arrives; ``again`` keeps it under way, so that it arrives once more."""
        job = self.under_way[number]
        result = await delivery._deliver(self.site, job)
        assert isinstance(result, jobs.Done), result
        if not again:
            self.under_way.remove(job)


async def settle(*towns: Town) -> None:
    """Until nothing is under way and nothing is due."""
    for _ in range(50):
        for town in towns:
            await town.work()
        if not any(town.under_way for town in towns):
            return
        for town in towns:
            while town.under_way:
                await town.pass_on(0)
    raise AssertionError("the instances never stop talking")
