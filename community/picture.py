"""Pictures drawn anew: whatever somebody sends becomes WebP of our own making, or is refused.

Run as a program it reads a file from standard input and writes what it drew to standard output. ``media.draw`` runs it
as a process of its own, with limits of its own: a picture that breaks a decoder breaks nothing else. It imports nothing
of ours, so that it starts quickly.
"""

from __future__ import annotations

import contextlib
import json
import struct
import sys
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import blurhash  # type: ignore[import-untyped]
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
PIXELS_MAX = 50_000_000
SIDE_MAX = 30_000
# Width and height within which each size stays: screens scroll down, so height matters less.
SIZES = {"desk": (1600, 3200), "phone": (640, 1280)}
QUALITY = 82
MEMORY_MAX = 1536 * 1024 * 1024
SECONDS_MAX = 30
_KINDS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}


class Unusable(Exception):
    """The file is no picture that can be used; ``reason`` is the key of a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Drawn:
    """``kind`` is the media type of what was sent; ``sizes`` has width, height and WebP by name, always ``desk``, and
    ``phone`` where that is smaller."""

    kind: str
    blurhash: str
    sizes: dict[str, tuple[int, int, bytes]]


def draw(file: BinaryIO) -> Drawn:
    """A file as the pictures that are kept. Raises Unusable.

    The header says how many pixels and pictures there are before any is decoded. Nothing of the file survives but
    colours: no EXIF with the place, no profile, no text, nothing behind the end.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _draw(file)
    except Unusable:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError, MemoryError):
        raise Unusable("picture-has-too-many-pixels") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError,
            TypeError, AttributeError, NotImplementedError, struct.error):  # fmt: skip
        # What Pillow raises of broken files is not told apart anywhere.
        raise Unusable("not-a-picture") from None


def _draw(file: BinaryIO) -> Drawn:
    picture = Image.open(file, formats=FORMATS)
    if picture.width * picture.height > PIXELS_MAX or max(picture.size) > SIDE_MAX:
        raise Unusable("picture-has-too-many-pixels")
    # Phones keep a second picture behind a JPEG (MPO): the first is the one that was taken.
    if picture.format != "MPO" and getattr(picture, "is_animated", False):
        raise Unusable("picture-moves")
    kind = _KINDS[str(picture.format)]
    # A JPEG can be decoded at half its size or less, which saves most of the memory.
    picture.draft("RGB", (SIZES["desk"][0] * 2, SIZES["desk"][1] * 2))
    picture.load()
    turned: Image.Image = picture
    with contextlib.suppress(OSError, ValueError, SyntaxError, LookupError, TypeError, struct.error):
        turned = ImageOps.exif_transpose(picture)  # a broken EXIF block is as good as none
    turned.thumbnail(SIZES["desk"], Image.Resampling.LANCZOS)
    plain = _in_srgb(turned)
    sizes = {}
    for name, box in SIZES.items():
        smaller = plain.copy()
        smaller.thumbnail(box, Image.Resampling.LANCZOS)
        if name == "desk" or smaller.size != plain.size:
            sizes[name] = (*smaller.size, _webp(smaller))
    return Drawn(kind, _hash(plain), sizes)


def _in_srgb(picture: Image.Image) -> Image.Image:
    """Red, green, blue and, where there is any, transparency, in the colours of screens."""
    has_alpha = picture.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in picture.info
    mode = "RGBA" if has_alpha else "RGB"
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I"):  # sixteen bits: Pillow would cut them off at the top
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    if profile and picture.mode in ("RGB", "RGBA", "CMYK"):
        # A broken profile, or one for other channels, is as good as none.
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            held = ImageCms.ImageCmsProfile(BytesIO(profile))
            shown = ImageCms.profileToProfile(picture, held, ImageCms.createProfile("sRGB"), outputMode=mode)
            picture = shown or picture
    return picture.convert(mode)


def _webp(picture: Image.Image) -> bytes:
    written = BytesIO()
    # Given as nothing: else Pillow would copy what came with the picture.
    picture.save(written, "WEBP", quality=QUALITY, method=4, exif=b"", icc_profile=b"", xmp=b"")
    return written.getvalue()


def _hash(picture: Image.Image) -> str:
    """A few characters from which others paint a blur until the picture is there."""
    paper = Image.new("RGB", picture.size, "white")
    paper.paste(picture, mask=picture if picture.mode == "RGBA" else None)
    small = paper.resize((32, 32))
    rows = [[small.getpixel((x, y)) for x in range(32)] for y in range(32)]
    across, down = (4, 3) if picture.width >= picture.height else (3, 4)
    return str(blurhash.encode(rows, across, down))


# --- as a program


def _limit() -> None:
    """Memory, time and files that decoding may take, where the system knows such limits."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_MAX, SECONDS_MAX))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def write(drawn: Drawn, out: BinaryIO) -> None:
    """One line of JSON, then the bytes of each size in its order."""
    sizes = {name: [width, height, len(content)] for name, (width, height, content) in drawn.sizes.items()}
    line: dict[str, Any] = {"kind": drawn.kind, "blurhash": drawn.blurhash, "sizes": sizes}
    out.write(json.dumps(line).encode() + b"\n")
    for _, _, content in drawn.sizes.values():
        out.write(content)


def read(output: bytes) -> Drawn:
    """What ``write`` wrote. Raises Unusable for a refusal, ValueError for anything else."""
    head, _, rest = output.partition(b"\n")
    line = json.loads(head)
    if "refused" in line:
        raise Unusable(line["refused"])
    sizes, at = {}, 0
    for name, (width, height, length) in line["sizes"].items():
        sizes[name] = (width, height, rest[at : at + length])
        at += length
    return Drawn(line["kind"], line["blurhash"], sizes)


def main() -> None:
    _limit()
    out = sys.stdout.buffer
    try:
        write(draw(sys.stdin.buffer), out)
    except Unusable as refused:
        out.write(json.dumps({"refused": refused.reason}).encode() + b"\n")


if __name__ == "__main__":
    main()
