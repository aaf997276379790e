"""Child processes of a test run: started on free ports, watched, ended by their id, their output kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path


class DidNotStart(Exception):
    """A process ended, or stayed silent too long, before it answered; the message holds its last output."""


class Process:
    """One child process whose output goes to ``log``."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._child: asyncio.subprocess.Process | None = None

    async def start(
        self,
        command: Sequence[str | Path],
        answers: Callable[[], Awaitable[bool]],
        *,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        limit: float = 30.0,
    ) -> None:
        """Start ``command`` and return when ``answers`` is true. Raises DidNotStart after ``limit`` seconds."""
        with self.log.open("ab") as output:
            self._child = await asyncio.create_subprocess_exec(
                *map(str, command), cwd=cwd, env=environment, stdout=output, stderr=asyncio.subprocess.STDOUT
            )
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        while not await answers():
            if self._child.returncode is not None:
                raise DidNotStart(f"{self.name} ended with {self._child.returncode}:\n{self.output()}")
            if loop.time() > end:
                await self.stop()
                raise DidNotStart(f"{self.name} did not answer within {limit} s:\n{self.output()}")
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End the process: politely, and after five seconds by force."""
        child = self._child
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            await asyncio.wait_for(child.wait(), 5)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    def output(self, lines: int = 40) -> str:
        """The last ``lines`` lines the process wrote."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
