"""Ports for the servers of this test run."""

from __future__ import annotations

import itertools
import os
import socket

# Below the range from which Linux takes ports for outgoing connections, each test process (pytest-xdist) with a part of
# its own: a port that is free when it is asked for is still free when its server starts.
_FIRST = 12_000 + 2_000 * int("0" + os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_next = itertools.cycle(range(_FIRST + os.getpid() % 1_000, _FIRST + 2_000))


def free_port() -> int:
    """A port on loopback that nobody listens on and that this run has not given to anybody for a while."""
    for port in _next:
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is no end to ports")
