"""What keeps us from asking too much of others: few requests at a time, and failures remembered for a while."""

import asyncio
import time
from collections import OrderedDict

FAILURES_MAX = 10_000
HOSTS_MAX = 10_000


class Restraint:
    """Remembers what is being asked of each host, and which addresses failed; bounded in size."""

    def __init__(self, gets_per_host: int) -> None:
        self._gets_per_host = gets_per_host
        self._asking: OrderedDict[str, asyncio.Semaphore] = OrderedDict()
        self._failures: OrderedDict[str, tuple[float, Exception]] = OrderedDict()

    def turn(self, host: str) -> asyncio.Semaphore:
        """What lets a few GETs at a time go to one host."""
        if host not in self._asking:
            if len(self._asking) >= HOSTS_MAX:
                self._asking.popitem(last=False)
            self._asking[host] = asyncio.Semaphore(self._gets_per_host)
        return self._asking[host]

    def failure(self, uri: str) -> Exception | None:
        """What asking for this address led to a moment ago, if that still stands."""
        until, error = self._failures.get(uri, (0.0, None))
        return error if until > time.monotonic() else None

    def remember(self, uri: str, error: Exception, seconds: float) -> None:
        """Let a failure stand for so long."""
        self._failures[uri] = time.monotonic() + seconds, error
        self._failures.move_to_end(uri)
        if len(self._failures) > FAILURES_MAX:
            self._failures.popitem(last=False)

    def forget(self, uri: str) -> None:
        """It was found after all."""
        self._failures.pop(uri, None)
