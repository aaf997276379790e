"""Where files are kept that people upload: a folder here, or somewhere else that can do the same four things.

Names are made by us alone (``name_of``); nothing that anybody typed is ever part of a path.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_NAME = re.compile(r"([0-9a-f]{32})-(desk|phone)\.webp")


def name_of(key: str, size: str) -> str:
    """The name of one size of a picture."""
    name = f"{key}-{size}.webp"
    if not _NAME.fullmatch(name):
        raise ValueError(f"no name of a picture: {name!r}")
    return name


class StorageFailed(Exception):
    """The storage did not do what it was asked; trying again later may help."""


class Storage(Protocol):
    """Raises StorageFailed where a file cannot be kept, read or removed just now."""

    async def put(self, name: str, content: bytes) -> None:
        """Keep a file, whole or not at all."""

    async def get(self, name: str) -> bytes | None:
        """A file; None where there is none."""

    async def remove(self, name: str) -> None:
        """Take a file away; it may be gone already."""

    def address(self, name: str) -> str:
        """Where browsers get a file without us; '' where we serve it."""


class Disk:
    """A folder of this machine, with as many folders in it as the first two digits of names make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Where a file is or would be. Raises ValueError for a name that we did not make."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"no name of a picture: {name!r}")
        return self.folder / name[:2] / name

    async def put(self, name: str, content: bytes) -> None:
        path = self.path(name)
        await self._try(lambda: self._write(path, content))

    async def get(self, name: str) -> bytes | None:
        try:
            return await asyncio.to_thread(self.path(name).read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed(str(error)) from error

    async def remove(self, name: str) -> None:
        path = self.path(name)
        await self._try(lambda: path.unlink(missing_ok=True))

    def address(self, name: str) -> str:
        return ""

    @staticmethod
    async def _try(what: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(what)
        except OSError as error:
            raise StorageFailed(str(error)) from error

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            # Nobody may execute it; a web server under another name may read it.
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except BaseException:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise
