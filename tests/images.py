"""Pictures for tests, good and bad, made by code."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

# As a camera writes it: orientation 6 (turned by 90 degrees), a maker, and the place in degrees.
CAMERA = "Camera of a Witness"
PLACE = (48.0, 51.0, 29.5)


def picture(kind: str = "PNG", size: tuple[int, int] = (800, 400), mode: str = "RGB", **options: Any) -> bytes:
    """A picture whose left half is red and whose right half is blue."""
    made = Image.new("RGBA" if "A" in mode else "RGB", size, "red")
    made.paste("blue", (size[0] // 2, 0, *size))
    made = made.convert(mode)
    written = BytesIO()
    made.save(written, kind, **options)
    return written.getvalue()


def photograph() -> bytes:
    """A JPEG of 400 × 800 once it is turned, with everything in it that nobody else is to know."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = CAMERA
    exif.get_ifd(0x8825)[2] = PLACE
    return picture(
        "JPEG", exif=exif, comment=b"comment of a witness", xmp=b"<x:xmpmeta>packet of a witness</x:xmpmeta>"
    )


def moving(kind: str, frames: int = 3) -> bytes:
    """A picture that moves."""
    first, *others = (Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in range(0, frames * 5, 5))
    written = BytesIO()
    first.save(written, kind, save_all=True, append_images=others, duration=50)
    return written.getvalue()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes whose header claims, and whose content has, that many black pixels (one bit each)."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer, packed = zlib.compressobj(9), b""
    for _ in range(min(height, 40_000)):
        packed += packer.compress(bytes(1 + (min(width, 40_000) + 7) // 8))
    packed += packer.flush()
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
