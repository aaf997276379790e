"""From data to pages: templates, the languages they speak, and the small filters that they use."""

from __future__ import annotations

import gettext
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web
from babel import Locale
from babel.dates import format_date, format_datetime, format_interval, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.units import format_unit
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from community import house, moderation, text
from community.db import utcnow
from community.models import Actor, Topic
from community.recurrence import zone_of
from federation.site import Site
from web import assets, auth
from web.colours import TONES
from web.sentences import N_, sentence_of
from web.site_key import SITE

_FOLDER = Path(__file__).parent
Day = date  # which among the filters is the name of one

# Languages that a post can be marked with, by their own names.
POST_LANGUAGES = (
    "ar", "bg", "ca", "cs", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "gl", "he", "hi", "hr", "hu",
    "id", "it", "ja", "ko", "lt", "lv", "ms", "nl", "nb", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "sw", "ta",
    "th", "tr", "uk", "vi", "zh",
)  # fmt: skip

PROFESSIONS = {
    "urban planner": N_("urban planner"),
    "architect": N_("architect"),
    "consultant": N_("consultant"),
    "utility": N_("utility"),
    "transport planner": N_("transport planner"),
    "data specialist": N_("data specialist"),
    "researcher": N_("researcher"),
    "investor": N_("investor"),
    "start-up founder": N_("start-up founder"),
    "city official": N_("city official"),
    "citizen": N_("citizen"),
}


@lru_cache(maxsize=1)
def language_choices() -> list[tuple[str, str]]:
    """(code, own name) of every language that a post can be in."""
    return sorted(
        ((code, str(Locale.parse(code).get_display_name(code)).capitalize()) for code in POST_LANGUAGES),
        key=lambda choice: choice[1].casefold(),
    )


def language_name(code: str) -> str:
    """The own name of a language, or its code where nobody knows it."""
    return dict(language_choices()).get(code.split("-")[0], code)


def called(actor: Actor) -> str:
    """The name by which somebody is shown."""
    return actor.name.strip() or actor.handle


def initials(actor: Actor) -> str:
    words = [word for word in called(actor).split() if word[0].isalnum()]
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [called(actor)[0]]
    return "".join(letters).upper()


def tone(actor: Actor) -> str:
    """The class of somebody's own colour: the same everywhere and always."""
    return f"tone-{hashlib.sha256(actor.uri.encode()).digest()[0] % len(TONES)}"


# Words that mean something else at the place of a topic's readable name.


def topic_path(topic: Topic, number: int | None = None) -> str:
    """The page of a topic, or the place of one of its posts."""
    path = f"/t/{topic.id}/{text.slug_of(topic.title)}"
    return path if number is None else f"{path}/{number}#post-{number}"


def handle(actor: Actor, here: str) -> str:
    """The whole handle: '@name@host'."""
    return f"@{actor.handle}@{actor.host or here}"


def actor_path(actor: Actor) -> str:
    """The page here of a person or a theme, wherever they live."""
    if actor.kind == "group":
        return "/g/" + quote(f"{actor.handle}@{actor.host}" if actor.host else actor.handle, safe="@:")
    return "/u/" + quote(f"{actor.handle}@{actor.host}" if actor.host else actor.handle, safe="@:")


def as_text(html: str) -> Markup:
    """Stored, clean HTML as it is shown: what may be wider than the page can be reached and moved by keyboard."""
    return Markup(html.replace("<pre>", '<pre tabindex="0">').replace("<table>", '<table tabindex="0">'))  # noqa: S704


class _Words:
    """What depends on the language: sentences, dates and numbers as filters."""

    def __init__(self, language: str, translations: gettext.NullTranslations) -> None:
        # Plain English writes dates as most of Europe does: day, month, year. The scripts do the same.
        self.locale = Locale.parse("en_GB" if language == "en" else language)
        self.gettext = translations.gettext
        self.ngettext = translations.ngettext

    def sentence(self, key: str) -> str:
        return self.gettext(sentence_of(key))

    def profession(self, key: str) -> str:
        return self.gettext(PROFESSIONS.get(key, key))

    def number(self, value: int) -> str:
        return format_decimal(value, locale=self.locale)

    def _time(self, moment: datetime, words: str, form: str) -> Markup:
        moment = moment.astimezone(UTC)
        return Markup('<time datetime="{}" title="{}" data-form="{}">{}</time>').format(
            moment.strftime("%Y-%m-%dT%H:%M:%SZ"), self._in_full(moment), form, words
        )

    def _in_full(self, moment: datetime) -> str:
        moment = moment.astimezone(UTC)
        return f"{format_date(moment, 'long', locale=self.locale)}, {moment:%H:%M} UTC"

    def ago(self, moment: datetime | None) -> Markup:
        """How long ago, short: '12 min'. A date once it is more than a week."""
        if moment is None:
            return Markup("")
        seconds = (utcnow() - moment).total_seconds()
        if seconds < 60:
            words = self.gettext("now")
        elif seconds < 3600:
            words = self.gettext("%d min") % (seconds // 60)
        elif seconds < 86400:
            words = self.gettext("%d h") % (seconds // 3600)
        elif seconds < 7 * 86400:
            words = self.gettext("%d d") % (seconds // 86400)
        else:
            return self.day(moment)
        return self._time(moment, words, "ago")

    def day(self, moment: datetime) -> Markup:
        """A short date: '3 Dec', with the year where it is another."""
        skeleton = "MMMd" if moment.year == utcnow().year else "yMMMd"
        return self._time(moment, format_skeleton(skeleton, moment, locale=self.locale), "day")

    def date(self, moment: datetime) -> Markup:
        """A date in words: '3 December 2026'."""
        return self._time(moment, format_date(moment, "long", locale=self.locale), "date")

    def moment(self, moment: datetime) -> Markup:
        """Date and time: '3 December 2026, 14:05 UTC'; script turns it into the reader's own zone."""
        return self._time(moment, self._in_full(moment), "moment")

    def clock(self, moment: datetime) -> Markup:
        """The time of the day: '14:05'; script turns it into the reader's own zone."""
        return self._time(moment, f"{moment.astimezone(UTC):%H:%M} UTC", "clock")

    def at_place(self, moment: datetime, zone: str, until: datetime | None = None) -> Markup:
        """A date as it is kept at a place: 'Friday 18 December 2026, 14:00–15:00 (Europe/Paris)'."""
        there = moment.astimezone(zone_of(zone))
        words = format_datetime(there, "EEEE d MMMM y, HH:mm", locale=self.locale)
        if until is not None:
            end = until.astimezone(zone_of(zone))
            form = "HH:mm" if end.date() == there.date() else "EEEE d MMMM, HH:mm"
            words += "–" + format_datetime(end, form, locale=self.locale)
        return self._time(moment, f"{words} ({zone.replace('_', ' ')})", "place")

    def hours(self, moment: datetime, zone: str, until: datetime | None = None, *, with_day: bool = True) -> Markup:
        """The same without its year and zone, where both are said already: 'Tuesday 13 July, 10:00–11:30'."""
        there = moment.astimezone(zone_of(zone))
        words = format_datetime(there, "EEEE d MMMM, HH:mm" if with_day else "HH:mm", locale=self.locale)
        if until is not None:
            words += "–" + format_datetime(until.astimezone(zone_of(zone)), "HH:mm", locale=self.locale)
        return self._time(moment, words, "place")

    def day_at(self, moment: datetime | Day, zone: str = "UTC") -> str:
        """A day at a place as part of a sentence: '18 December', with the year where it is another."""
        there = moment.astimezone(zone_of(zone)) if isinstance(moment, datetime) else moment
        return str(format_skeleton("MMMMd" if there.year == utcnow().year else "yMMMMd", there, locale=self.locale))

    def days(self, first: Day, last: Day) -> str:
        """The days of an event: '13 July 2027', '13–15 Jul 2027'."""
        if first == last:
            return str(format_date(first, "long", locale=self.locale))
        return str(format_interval(first, last, "yMMMMd", locale=self.locale))

    def leaf(self, moment: datetime, zone: str) -> tuple[str, str]:
        """Day and month of a date at its place, as on a calendar's leaf: ('18', 'Dec')."""
        there = moment.astimezone(zone_of(zone))
        return format_datetime(there, "d", locale=self.locale), format_datetime(there, "LLL", locale=self.locale)

    def left(self, until: datetime, now: datetime) -> list[tuple[str, str, str]]:
        """What is left of a time as (unit, number, word), from the largest unit that counts: [('hour', '7', 'hours'),
        ('minute', '21', 'minutes')]. The last minute is a whole one. A script counts on in the same units."""
        minutes = max(1, -(-int((until - now).total_seconds()) // 60))
        days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
        parts = [("day", days), ("hour", hours), ("minute", minutes)]
        while len(parts) > 1 and parts[0][1] == 0:
            parts.pop(0)
        return [(unit, str(count), self._unit(unit, count)) for unit, count in parts]

    def _unit(self, unit: str, count: int) -> str:
        said = format_unit(count, f"duration-{unit}", locale=self.locale)
        return said.replace(format_decimal(count, locale=self.locale), "").strip()

    def duration(self, until: datetime, now: datetime) -> str:
        """What is left of a time in words: '1 hour 5 minutes'."""
        return " ".join(f"{number} {word}" for _, number, word in self.left(until, now) if number != "0")


def _translations(language: str) -> gettext.NullTranslations:
    """The sentences of one language, from the .po file that translators edit: nothing has to be compiled beforehand.

    English is the source and has no file.
    """
    path = _FOLDER / "locale" / language / "LC_MESSAGES" / "messages.po"
    if not path.is_file():
        return gettext.NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@lru_cache(maxsize=8)
def environment(language: str) -> Environment:
    """The templates in one language. Undefined names are errors, so that a typing mistake fails in a test."""
    translations = _translations(language)
    words = _Words(language, translations)
    env = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    env.filters |= {
        "sentence": words.sentence,
        "profession": words.profession,
        "number": words.number,
        "ago": words.ago,
        "day": words.day,
        "date": words.date,
        "moment": words.moment,
        "clock": words.clock,
        "at_place": words.at_place,
        "hours": words.hours,
        "day_at": words.day_at,
        "days": words.days,
        "leaf": words.leaf,
        "left": words.left,
        "duration": words.duration,
        "called": called,
        "initials": initials,
        "tone": tone,
        "handle": handle,
        "path": topic_path,
        "actor_path": actor_path,
        "as_text": as_text,
        "excerpt": text.excerpt,
        "with_origin": text.with_origin,
        "safe_url": text.safe_url,
        "language_name": language_name,
    }
    env.globals |= {"asset": assets.address, "language_choices": language_choices, "reason_max": moderation.MAX_REASON}
    return env


async def _context(request: web.Request, given: Mapping[str, Any]) -> dict[str, Any]:
    site = request.app[SITE]
    viewer = auth.viewer(request)
    house_, settings = await house.shown(site.database)
    language = _spoken(viewer.language, house_)

    def csrf() -> Markup:
        return Markup('<input type="hidden" name="csrf" value="{}">').format(auth.csrf_token(request))

    return {
        "viewer": viewer,
        "settings": settings,
        "house": house_,
        "language": language,
        "direction": Locale.parse(language).text_direction.replace("-", ""),
        "csrf": csrf,
        "csrf_token": lambda: auth.csrf_token(request),
        "themes_css": await assets.themes_address(site),
        "back": _back(request),
        "home_server": auth.home_server(request),
        "here": "",
        "asked_at": site.database.clock(),
        **given,
    }


def _spoken(language: str, house_: house.House) -> str:
    return language if language in house_.languages else house_.language


async def language_of(request: web.Request) -> str:
    """The language in which this viewer gets pages."""
    return _spoken(auth.viewer(request).language, await house.of(request.app[SITE].database))


async def piece(site: Site, language: str, template: str, **context: Any) -> str:
    """A piece of a page without a request, as anybody sees it who is not signed in."""
    house_, settings = await house.shown(site.database)
    given = {
        "viewer": replace(auth.NOBODY, language=language),
        "settings": settings,
        "house": house_,
        "language": language,
        "csrf": str,
        "home_server": "",
        **context,
    }
    return environment(language).get_template(template).render(given)


def _back(request: web.Request) -> str:
    """The query with which a link to signing in or joining leads back to this page."""
    is_door = request.path in ("/sign-in", "/sign-up")
    if request.path.startswith("/citations/"):  # the address is a secret, and signing in is nothing to it
        return ""
    where = auth.safe_next(request.query.get("next") if is_door else request.path_qs)
    return "" if where == "/" else "?next=" + quote(where, safe="/")


async def page(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    alternate: str = "",
    **context: Any,
) -> web.Response:
    """A whole page. ``alternate`` is the address of the same thing as ActivityPub."""
    given = await _context(request, context)
    html = environment(given["language"]).get_template(template).render(given)
    response = web.Response(text=html, content_type="text/html", status=status)
    response.headers["Vary"] = "Accept"
    response.headers["Content-Language"] = given["language"]
    if alternate:
        response.headers["Link"] = f'<{escape(alternate)}>; rel="alternate"; type="application/activity+json"'
    response.headers.update(headers or {})
    return response


async def fragment(request: web.Request, template: str, **context: Any) -> web.Response:
    """A piece of a page for a script, rendered for this viewer and kept by nobody."""
    response = await page(request, template, **context)
    response.headers["Cache-Control"] = "no-store"
    return response


def set_up(app: web.Application) -> None:
    """Serve what every page needs. Templates are read when they are first shown: the server starts at once."""
    app.add_routes(assets.routes)
