"""``folkmoot`` with a clock that is ahead by the seconds in a file: ``-m tests.interop.clocked FILE COMMAND …``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from community import db


def move_by(file: Path) -> None:
    """Let everything in this process that asks what time it is read it from here. Call before the rest is imported."""

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(file.read_text() or 0))

    db.utcnow = now
    defaults = db.Database.__init__.__kwdefaults__
    assert defaults is not None
    defaults["clock"] = now


if __name__ == "__main__":
    move_by(Path(sys.argv.pop(1)))
    from web.cli import main

    main()
