"""What an instance calls itself: name, sentence, colour, logo, languages.

The settings give the defaults; what an admin changes on the staff page is kept as facts in the database and wins.
``of`` is the one way to ask, for pages and documents alike.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from weakref import WeakKeyDictionary

from PIL import Image, ImageOps, UnidentifiedImageError

from community import groups, text
from community.db import Database, Tx
from community.events import ActorChanged, emit
from community.live import Hub
from community.members import Invalid
from community.models import Actor, Fact, LogEntry
from community.policy import require, standing
from community.settings import COLOUR, LANGUAGES, Settings

MAX_NAME = 60
MAX_ABOUT = 500
LOGO_SIDE = 256
LOGO_BYTES_MAX = 900_000  # below what a form may send
_PIXELS_MAX = 20_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True)
class House:
    """``languages`` are those of the pages that are offered, ``language`` the one for readers who want another;
    ``logo`` is a fingerprint of the picture, '' without one."""

    name: str
    about: str
    colour: str
    language: str
    languages: tuple[str, ...]
    logo: str = ""

    def over(self, settings: Settings) -> Settings:
        """The settings with what this house calls itself."""
        return replace(
            settings,
            name=self.name,
            about=self.about,
            colour=self.colour,
            language=self.language,
            languages=self.languages,
        )


def default(settings: Settings) -> House:
    """What the settings say."""
    languages = tuple(code for code in settings.languages if code in LANGUAGES) or LANGUAGES
    language = settings.language if settings.language in languages else languages[0]
    return House(settings.name, settings.about, settings.colour, language, languages)


async def load(tx: Tx) -> House:
    fact = await tx.get(Fact, "house")
    house = default(tx.settings)
    if fact is None:
        return house
    changed = json.loads(fact.value)
    if "languages" in changed:
        changed["languages"] = tuple(changed["languages"])
    return replace(house, **changed)


class _Kept:
    """The house as last read; any change of the community makes it read the one row again."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.house = default(settings)
        self.shown = settings
        self.is_stale = True

    def doubt(self) -> None:
        self.is_stale = True


_kept: WeakKeyDictionary[Hub, _Kept] = WeakKeyDictionary()


def _keep(database: Database) -> _Kept:
    kept = _kept.get(database.hub)
    if kept is None or kept.settings is not database.settings:
        kept = _kept[database.hub] = _Kept(database.settings)
        database.hub.on_change(kept.doubt)
    return kept


async def of(database: Database) -> House:
    """The house as it is now: costs a query only after something has changed."""
    kept = _keep(database)
    if kept.is_stale:
        # Before reading, so that a change meanwhile is not overlooked.
        kept.is_stale = False
        async with database.read() as tx:
            kept.house = await load(tx)
        kept.shown = kept.house.over(kept.settings)
    return kept.house


async def shown(database: Database) -> tuple[House, Settings]:
    """The house, and the settings as pages show them: with what this house calls itself."""
    return await of(database), _keep(database).shown


def last_known(database: Database) -> House:
    """The house as ``of`` last found it, without asking."""
    return _keep(database).house


async def _save(tx: Tx, house: House) -> None:
    """Keep what differs from the settings, so that a later change of those still shows."""
    before = asdict(default(tx.settings))
    changed = {key: value for key, value in asdict(house).items() if value != before[key]}
    fact = await tx.get(Fact, "house")
    if fact is None:
        tx.add(Fact(name="house", value=json.dumps(changed)))
    else:
        fact.value = json.dumps(changed)
    await tx.flush()
    tx.signal("anything")


async def settle(tx: Tx) -> None:
    """Have the instance's own actor carry the house's name, as other servers read it."""
    house = await load(tx)
    actor = await groups.institution(tx, "application")
    avatar = f"{tx.settings.origin}/house/logo.png?v={house.logo}" if house.logo else ""
    said = (house.name, house.about, avatar)
    if (actor.name, actor.summary_source, actor.avatar_url) != said:
        actor.name, actor.summary_source, actor.avatar_url = said
        actor.summary_html = text.render(house.about)
        await tx.flush()
        await emit(tx, ActorChanged(actor))


async def change(
    tx: Tx, by: Actor, *, name: str, about: str, colour: str, language: str, languages: Sequence[str]
) -> House:
    """Give the house another name, sentence, colour and languages."""
    require("administer", await standing(tx, by))
    name, about, colour = " ".join(name.split()), " ".join(about.split()), colour.strip().lower()
    offered = tuple(code for code in LANGUAGES if code in languages)
    wrong = {}
    if not 1 <= len(name) <= MAX_NAME:
        wrong["name"] = "house-name-length"
    if len(about) > MAX_ABOUT:
        wrong["about"] = "text-too-long"
    if not COLOUR.fullmatch(colour):
        wrong["colour"] = "colour-form"
    if not offered:
        wrong["languages"] = "language-missing"
    elif language not in offered:
        wrong["language"] = "language-not-offered"
    if wrong:
        raise Invalid(**wrong)
    held = await load(tx)
    house = replace(held, name=name, about=about, colour=colour, language=language, languages=offered)
    if house != held:
        await _save(tx, house)
        await _log(tx, by)
    return house


async def _log(tx: Tx, by: Actor) -> None:
    tx.add(LogEntry(at=tx.now, actor_id=by.id, action="change-house"))
    await settle(tx)
    await tx.flush()


def _drawn(content: bytes) -> bytes:
    """A picture as a PNG of at most 256 pixels a side: drawing it anew drops whatever else was in the file."""
    if len(content) > LOGO_BYTES_MAX:
        raise Invalid(logo="picture-too-large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(BytesIO(content), formats=_FORMATS)
            if picture.width * picture.height > _PIXELS_MAX:
                raise Invalid(logo="picture-too-large")
            picture.load()
            turned = ImageOps.exif_transpose(picture).convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombWarning, Image.DecompressionBombError, OSError, ValueError,
            SyntaxError, EOFError) as error:  # fmt: skip
        if isinstance(error, Invalid):
            raise
        raise Invalid(logo="picture-form") from None
    turned.thumbnail((LOGO_SIDE, LOGO_SIDE))
    drawn = BytesIO()
    turned.save(drawn, "PNG", optimize=True)
    return drawn.getvalue()


async def draw_logo(content: bytes) -> bytes:
    """PNG, JPEG or WebP as the PNG that is kept; Invalid for anything else, SVG included, which can hold scripts."""
    return await asyncio.to_thread(_drawn, content)


async def set_logo(tx: Tx, by: Actor | None, picture: bytes | None) -> House:
    """Keep a picture that ``draw_logo`` made; None takes it away. ``by`` is None only on the command line."""
    if by is not None:
        require("administer", await standing(tx, by))
    held = await load(tx)
    fact = await tx.get(Fact, "house-logo")
    if picture is None:
        if fact is not None:
            await tx.delete(fact)
    else:
        value = base64.b64encode(picture).decode()
        if fact is None:
            tx.add(Fact(name="house-logo", value=value))
        else:
            fact.value = value
    house = replace(held, logo=hashlib.sha256(picture).hexdigest()[:12] if picture else "")
    if house != held:
        await _save(tx, house)
        if by is not None:
            await _log(tx, by)
        else:
            await settle(tx)
    return house


async def logo(tx: Tx) -> bytes | None:
    """The PNG, or None."""
    fact = await tx.get(Fact, "house-logo")
    return None if fact is None else base64.b64decode(fact.value)
