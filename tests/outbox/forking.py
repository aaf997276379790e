"""Starts servers fast: imports everything once, then forks a server for each line on standard input.

A fork is a process like one started by ``python -m web.cli run``; only the seconds of importing are saved. Prints the
process id of each.
"""

from __future__ import annotations

import os
import signal
import sys

from web import cli


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever is killed is buried at once
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            cli.main(["run", "--empty"])
        print(child, flush=True)


if __name__ == "__main__":
    main()
