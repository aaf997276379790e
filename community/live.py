"""What open pages hear: after a commit, the ids of what changed, never its content.

A listener renders for its own viewer, so permission is asked again, and a missed event costs nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


class Hub:
    """Hands the signals of committed transactions to the listeners of this process."""

    def __init__(self) -> None:
        self.sender = secrets.token_hex(4)
        self.is_alone = False  # nobody outside this process listens (the one server on SQLite)
        self._queues: dict[str, dict[asyncio.Queue[int], Callable[[], bool]]] = defaultdict(dict)
        self._watchers: list[Callable[[], None]] = []
        self._hearers: defaultdict[str, list[Callable[[int], None]]] = defaultdict(list)
        self._counts: defaultdict[str, list[Callable[[], int]]] = defaultdict(list)

    def on_change(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` whenever anything that readers can see may have changed."""
        self._watchers.append(watcher)

    def on_signal(self, channel: str, hearer: Callable[[int], None]) -> None:
        """Call ``hearer`` with every reference that is signalled on ``channel``, by whatever process."""
        self._hearers[channel].append(hearer)

    @contextmanager
    def hear(self, channel: str, hearer: Callable[[int], None], count: Callable[[], int]) -> Iterator[None]:
        """Call ``hearer`` with every reference signalled on ``channel`` while the block runs. ``count`` tells for how
        many readers it listens."""
        self._hearers[channel].append(hearer)
        self._counts[channel].append(count)
        try:
            yield
        finally:
            self._hearers[channel].remove(hearer)
            self._counts[channel].remove(count)
            if not self._hearers[channel]:
                del self._hearers[channel]
            if not self._counts[channel]:
                del self._counts[channel]

    def publish(self, signals: Iterable[tuple[str, int]]) -> None:
        changed = False
        for channel, reference in signals:
            changed = True
            for hearer in self._hearers.get(channel, ()):
                hearer(reference)
            for queue in self._queues.get(channel, ()):
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(reference)
        if changed:
            for watcher in self._watchers:
                watcher()

    @contextmanager
    def listen(self, channel: str, is_open: Callable[[], bool] = lambda: True) -> Iterator[asyncio.Queue[int]]:
        """A queue of the references signalled on ``channel`` while the block runs; the oldest fall out when full.
        ``is_open`` tells whether somebody is still there to hear."""
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=100)
        self._queues[channel][queue] = is_open
        try:
            yield queue
        finally:
            del self._queues[channel][queue]
            if not self._queues[channel]:
                del self._queues[channel]

    def listeners(self, channel: str) -> int:
        """How many are listening, without those who have left."""
        queues = sum(is_open() for is_open in self._queues.get(channel, {}).values())
        return queues + sum(count() for count in self._counts.get(channel, ()))
