"""Static files under addresses that change with their content, and the stylesheet of the themes' colours."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from weakref import WeakKeyDictionary

from aiohttp import web
from sqlalchemy import select

from community import house
from community.live import Hub
from community.models import Theme
from federation.site import Site
from web.colours import TONES, pair
from web.site_key import SITE

routes = web.RouteTableDef()

_FOLDER = Path(__file__).with_name("static")
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_A_YEAR = "public, max-age=31536000, immutable"


@lru_cache(maxsize=1)
def _held() -> dict[str, bytes]:
    """Every static file by name."""
    return {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


@lru_cache(maxsize=1)
def _version() -> str:
    """One for all files, as a folder: modules that import each other by relative names then stay together."""
    return hashlib.sha256(b"".join(name.encode() + content for name, content in _held().items())).hexdigest()[:10]


def address(name: str) -> str:
    """Where a page finds a static file: browsers keep it until something changes."""
    if name not in _held():
        raise LookupError(f"there is no static file {name!r}")
    return f"/static/{_version()}/{name}"


def _answer(content: bytes, kind: str, is_versioned: bool) -> web.Response:
    response = web.Response(body=content, content_type=kind, charset="utf-8")
    response.headers["Cache-Control"] = _FOR_A_YEAR if is_versioned else "public, max-age=300"
    response.enable_compression()
    return response


@routes.get("/static/{name}")
@routes.get("/static/{version}/{name}")
async def static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    content = _held().get(name)
    if content is None:
        raise web.HTTPNotFound
    return _answer(content, _TYPES[Path(name).suffix], request.match_info.get("version") == _version())


class _Colours:
    """The themes' stylesheet as last read; any change of the community makes it read the few rows again."""

    def __init__(self) -> None:
        self.css = ""
        self.version = ""
        self.is_stale = True

    def doubt(self) -> None:
        self.is_stale = True


_kept: WeakKeyDictionary[Hub, _Colours] = WeakKeyDictionary()


def stylesheet(house: str, themes: list[tuple[int, str]]) -> str:
    """``--house`` and, for each (id, colour), a class that sets ``--hue``: pairs that can be read on both papers."""

    def both(colour: str) -> str:
        light, dark = pair(colour)
        return f"light-dark({light},{dark})"

    lines = [f":root{{--house:{both(house)}}}"]
    lines += [f".theme-hue-{id_}{{--hue:{both(colour)}}}" for id_, colour in themes]
    lines += [f".tone-{number}{{--tone:{tone}}}" for number, tone in enumerate(TONES)]
    return "\n".join(lines) + "\n"


async def _colours(site: Site) -> _Colours:
    hub = site.database.hub
    colours = _kept.get(hub)
    if colours is None:
        colours = _kept[hub] = _Colours()
        hub.on_change(colours.doubt)
    if colours.is_stale:
        # Before reading, so that a change meanwhile is not overlooked.
        colours.is_stale = False
        async with site.database.read() as tx:
            rows = (await tx.execute(select(Theme.actor_id, Theme.colour).order_by(Theme.actor_id))).all()
        colours.css = stylesheet((await house.of(site.database)).colour, list(rows))
        colours.version = hashlib.sha256(colours.css.encode()).hexdigest()[:10]
    return colours


async def themes_address(site: Site) -> str:
    """Where a page finds the themes' colours as they are now."""
    return f"/themes.css?v={(await _colours(site)).version}"


@routes.get("/themes.css")
async def themes_css(request: web.Request) -> web.Response:
    colours = await _colours(request.app[SITE])
    return _answer(colours.css.encode(), "text/css", request.query.get("v") == colours.version)
