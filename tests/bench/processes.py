"""Processes under measurement: started, watched through /proc, ended by their ids."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench import load

_TICKS = os.sysconf("SC_CLK_TCK")
PYTHON = sys.executable
_HERE = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@dataclass
class Running:
    """A process that answers HTTP on a port of loopback."""

    process: subprocess.Popen[bytes]
    port: int
    start_seconds: float = 0.0

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mb(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(8)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


async def start(arguments: list[str], port: int, environment: dict[str, str] | None = None) -> Running:
    """Start ``python -m …`` and wait for its first answer."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [PYTHON, "-m", *arguments],
        cwd=_HERE,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    running = Running(process, port)
    asked = load.request("GET", running.authority, "/robots.txt", {})
    for _ in range(3000):
        if process.poll() is not None:
            raise RuntimeError(f"{arguments} ended with {process.returncode} before it answered")
        try:
            await load.fetch("127.0.0.1", port, asked)
            break
        except OSError:
            await asyncio.sleep(0.02)
    else:
        running.stop()
        raise RuntimeError(f"{arguments} did not answer within a minute")
    running.start_seconds = time.perf_counter() - started
    return running
