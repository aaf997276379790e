"""Series of debates: the page of each for everybody, and those on which they are set up and their dates changed."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from aiohttp import web

from community import clerk, debates, moderation, recurrence, series
from community.db import Tx
from community.debate_models import Debate, Series
from community.members import Invalid
from community.models import Actor, Theme
from community.policy import NotThere, Refused, refusal, require, standing
from community.recurrence import LAST, Occurrence
from community.series import Terms
from web import arrange, auth, debate_forms, debate_view, render
from web.accounts import timezones
from web.auth import Form, complaints, field
from web.debate_forms import Hosts
from web.pages_read import page_number
from web.sentences import N_
from web.site_key import SITE

routes = web.RouteTableDef()

_ID = r"{id:\d{1,15}}"
# How many dates to come the pages show, and how far ahead they look for them.
AHEAD, DATES = 6, 12
_WEEKDAYS = (
    N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"), N_("Saturday"), N_("Sunday"),
)  # fmt: skip
_NTH = {1: N_("first"), 2: N_("second"), 3: N_("third"), 4: N_("fourth"), LAST: N_("last")}


# --- what is shown


@dataclass(frozen=True)
class Words:
    """What a series' rule is said with: ``kind``, ``every`` and ``day`` as in ``recurrence.Choice``; ``nth`` and
    ``weekday`` are to be translated."""

    kind: str
    every: int
    day: int
    nth: str
    weekday: str
    time: str
    zone: str
    opens_at: datetime
    closes_at: datetime

    @property
    def is_shortened(self) -> bool:
        """Whether there are months without such a day."""
        return self.day > 28

    def day_in(self, language: str) -> str:
        """The day of the month as it is said: 18th, 1er, 18."""
        if language == "fr" and self.day == 1:
            return "1er"
        if language != "en":
            return str(self.day)
        ending = "th" if 10 < self.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(self.day % 10, "th")
        return f"{self.day}{ending}"


def words_of(one: Series) -> Words:
    choice, first = recurrence.read(one.rule), series.first_of(one)
    opens_at = recurrence.moment(first, one.zone)
    return Words(
        choice.kind,
        choice.every,
        choice.day,
        _NTH.get(choice.nth, ""),
        _WEEKDAYS[choice.weekday],
        f"{first:%H:%M}",
        one.zone.replace("_", " "),
        opens_at,
        opens_at + timedelta(minutes=one.minutes),
    )


@dataclass(frozen=True)
class Date:
    """A date to come; ``planned_at`` is where the rule has it. ``debate`` stands once it is made."""

    when: Occurrence
    planned_at: datetime
    debate: Debate | None

    @property
    def at(self) -> datetime:
        return self.debate.opens_at if self.debate is not None else self.when.at

    @property
    def state(self) -> str:
        """'', moved, dropped or cancelled."""
        if self.debate is not None and self.debate.state == "cancelled":
            return "cancelled"
        return self.when.state


async def dates_ahead(tx: Tx, one: Series, limit: int) -> list[Date]:
    """The next dates of a series in the order in which they come, with those that are left out."""
    held = await series.made(tx, one.id)
    ahead = series.dates(one, tx.now - timedelta(days=1), tx.now + series.HORIZON)
    found = [Date(when, recurrence.moment(when.planned, one.zone), held.get(when.date)) for when in ahead[: 4 * limit]]
    known = {each.when.date for each in found}
    # What is made under another rule, or was moved beyond all of these, takes place as well.
    found += [
        Date(_as_made(debate), debate.opens_at, debate)
        for date, debate in held.items()
        if date not in known and debate.state in debates.OPEN
    ]
    coming = [each for each in found if (each.debate.closes_at if each.debate else each.at) > tx.now]
    return sorted(coming, key=lambda each: each.at)[:limit]


def _as_made(debate: Debate) -> Occurrence:
    wall = recurrence.wall_clock(debate.opens_at, debate.zone)
    return Occurrence(debate.occurrence or f"{wall:%Y-%m-%d}", wall, debate.opens_at)


@dataclass(frozen=True)
class Row:
    """A series in a list."""

    series: Series
    theme: Theme
    words: Words
    next: Date | None


# --- for everybody


@routes.get(f"/series/{_ID}")
async def series_page(request: web.Request) -> web.Response:
    site, who = request.app[SITE], auth.viewer(request)
    async with site.database.read() as tx:
        one, theme = await _find(tx, request)
        held = await series.made(tx, one.id)
        past = [debate for debate in held.values() if debates.state_at(debate, tx.now) in ("closed", "concluded")]
        past.sort(key=lambda debate: debate.opens_at, reverse=True)
        number = page_number(request)
        shown = past[(number - 1) * debates.PAGE : number * debates.PAGE]
        origin = site.settings.origin
        context: dict[str, Any] = {
            "one": one,
            "theme": theme,
            "words": words_of(one),
            "ahead": await dates_ahead(tx, one, AHEAD),
            "over": await debate_view.listed(tx, shown),
            "now": tx.now,
            "can_arrange": refusal("arrange", await standing(tx, who.actor, one.theme_id), theme.actor) is None,
        }
    return await render.page(
        request,
        "series/page.html",
        here="debates",
        is_private=False,
        page_number=number,
        is_more=len(past) > number * debates.PAGE,
        origin=origin,
        webcal="webcal:" + origin.partition(":")[2],
        canonical=f"{origin}/series/{one.id}",
        **context,
    )


async def _find(tx: Tx, request: web.Request) -> tuple[Series, Theme]:
    one = await series.find(tx, int(request.match_info["id"]))
    theme = await tx.get(Theme, one.theme_id) if one is not None else None
    if one is None or theme is None:
        raise NotThere
    return one, theme


# --- for those who arrange


@routes.get("/staff/series")
async def all_series(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        themes = {theme.actor_id: theme for theme in await arrange.arranged(tx, actor)}
        rows = []
        for one in await series.listed(tx, theme_ids=themes):
            ahead = await dates_ahead(tx, one, DATES)
            coming = next((each for each in ahead if each.state not in ("dropped", "cancelled")), None)
            rows.append(Row(one, themes[one.theme_id], words_of(one), coming))
    return await render.page(request, "series/list.html", rows=rows, themes=themes)


def _choose(form: Form, first: datetime, one: Series | None) -> recurrence.Choice:
    """The rule that a form asks for. A series on the 31st that is saved with a 30 November stays on the 31st."""
    choice = recurrence.choose(field(form, "repeats"), _number(field(form, "every")), first)
    before = recurrence.read(one.rule) if one is not None else choice
    is_shortened = first.day == min(before.day, calendar.monthrange(first.year, first.month)[1])
    return replace(choice, day=before.day) if choice.kind == before.kind == "day" and is_shortened else choice


def _read_terms(form: Form, ticked: list[str], now: datetime, one: Series | None = None) -> Terms:
    """What the form says, all that is wrong with it at once. Raises Invalid."""
    wrong: dict[str, str] = {}
    first, rule = now.replace(tzinfo=None), ""
    languages: tuple[str, ...] = ("en",)
    try:
        first = debate_forms.read_wall(form, now)
    except Invalid as error:
        wrong |= error.fields
    else:
        try:
            rule = recurrence.write(_choose(form, first, one))
        except ValueError:
            wrong["repeats"] = "rule-unknown"
    try:
        languages = debate_forms.read_languages(form, ticked)
    except Invalid as error:
        wrong |= error.fields
    terms = Terms(
        name=field(form, "name"),
        motion=field(form, "motion"),
        text=field(form, "text"),
        prefix=field(form, "prefix").strip().lower().removeprefix("@"),
        rule=rule or "FREQ=WEEKLY;BYDAY=MO",
        first_at=first,
        zone=field(form, "zone").strip(),
        minutes=_number(field(form, "minutes")),
        announce_days=_number(field(form, "announce_days")),
        call_days=_number(field(form, "call_days") or "0"),
        digest_days=_number(field(form, "digest_days") or "0"),
        languages=languages,
    )
    wrong = series.complaints(terms) | wrong
    if wrong:
        raise Invalid(**{name: wrong[name] for name in (*_ORDER, *wrong) if name in wrong})
    return terms


_ORDER = (
    "theme", "name", "motion", "text", "date", "time", "repeats", "every", "zone", "minutes", "announce_days",
    "call_days", "digest_days", "language", "hosts", "prefix",
)  # fmt: skip


def _number(typed: str) -> int:
    """A small whole number; -1, which nothing here may be, for anything else."""
    typed = typed.strip()
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 5 else -1


def _form_of(one: Series, handles: str, first: datetime) -> dict[str, Any]:
    """The form as it shows a series; ``first`` is where another rule would begin."""
    choice = recurrence.read(one.rule)
    repeats = "last-weekday" if choice.nth == LAST else choice.kind
    return {
        "name": one.name, "motion": one.motion, "text": one.text, "prefix": one.prefix, "zone": one.zone,
        "date": f"{first:%Y-%m-%d}", "time": f"{first:%H:%M}", "repeats": repeats, "every": str(choice.every),
        "minutes": str(one.minutes), "announce_days": str(one.announce_days), "call_days": str(one.call_days),
        "digest_days": str(one.digest_days), "language": one.languages[0] if one.languages else "en",
        "languages": one.languages, "hosts": handles,
    }  # fmt: skip


async def _edit_page(
    request: web.Request,
    form: dict[str, Any],
    wrong: dict[str, str] | None,
    *,
    one: Series | None = None,
    themes: list[Theme] | None = None,
    stranger: str = "",
) -> web.Response:
    """``stranger`` is the handle among the hosts that something is wrong with."""
    return await debate_forms.show_form(
        request,
        "series/edit.html",
        form,
        wrong,
        one=one,
        words=words_of(one) if one is not None else None,
        choices=[(theme.slug, render.called(theme.actor)) for theme in themes or []],
        timezones=timezones(),
        stranger=stranger,
        is_done="done" in request.query,
    )


def _with_hosts(terms: Terms, hosts: Hosts) -> Terms:
    return replace(terms, host_ids=tuple(person.id for person in hosts.people))


@routes.get("/staff/series/new")
async def new_page(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    who = auth.viewer(request)
    async with request.app[SITE].database.read() as tx:
        themes = await arrange.arranged(tx, actor)
    form = {
        "theme": request.query.get("theme", ""), "time": "14:00", "prefix": "debate", "repeats": "day", "every": "1",
        "zone": who.timezone if who.timezone in available_timezones() else "UTC",
        "minutes": str(debate_forms.MINUTES), "announce_days": "21", "call_days": str(debate_forms.CALL_DAYS),
        "digest_days": str(debate_forms.DIGEST_DAYS),
        "language": who.language if who.language in clerk.LANGUAGES else "en", "languages": [],
    }  # fmt: skip
    return await _edit_page(request, form, None, themes=themes)


@routes.post("/staff/series/new")
async def new(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    database = request.app[SITE].database
    form = await auth.read_form(request)
    ticked = await debate_forms.ticked_languages(request)
    async with database.read() as tx:
        themes = await arrange.arranged(tx, actor)
        now = tx.now
    hosts = Hosts()
    try:
        theme = next((each for each in themes if each.slug == field(form, "theme")), None)
        if theme is None:
            raise Invalid(theme="theme-unknown")
        terms = _read_terms(form, ticked, now)
        await debate_forms.find_hosts(request, actor, form, hosts)
        async with database.write() as tx:
            one = await series.make(tx, actor, theme.actor, _with_hosts(terms, hosts))
    except Invalid as error:
        typed = form | {"languages": ticked}
        return await _edit_page(request, typed, error.fields, themes=themes, stranger=hosts.stranger)
    raise web.HTTPSeeOther(f"/series/{one.id}")


async def _find_own(tx: Tx, request: web.Request, actor: Actor) -> tuple[Series, Theme]:
    """The series of the address, which this person arranges."""
    one, theme = await _find(tx, request)
    require("arrange", await standing(tx, actor, one.theme_id), theme.actor)
    return one, theme


async def _first_of_next(tx: Tx, one: Series) -> datetime:
    """The date that a change begins with: the next one that no debate is made for."""
    when = await series.next_to_make(tx, one)
    return when.planned if when is not None else series.first_of(one)


@routes.get(f"/staff/series/{_ID}")
async def edit_page(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        one, _theme = await _find_own(tx, request, actor)
        named = [await tx.find(Actor, host_id) for host_id in one.host_ids]
        handles = " ".join(render.handle(each, tx.settings.host) for each in named if each is not None)
        form = _form_of(one, handles, await _first_of_next(tx, one))
    return await _edit_page(request, form, None, one=one)


@routes.post(f"/staff/series/{_ID}")
async def edit(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    database = request.app[SITE].database
    form = await auth.read_form(request)
    ticked = await debate_forms.ticked_languages(request)
    async with database.read() as tx:
        one, _theme = await _find_own(tx, request, actor)
        now = tx.now
    hosts = Hosts()
    try:
        terms = _read_terms(form, ticked, now, one)
        await debate_forms.find_hosts(request, actor, form, hosts)
        async with database.write() as tx:
            await series.edit(tx, actor, one, _with_hosts(terms, hosts))
    except Invalid as error:
        typed = form | {"languages": ticked}
        return await _edit_page(request, typed, error.fields, one=one, stranger=hosts.stranger)
    raise web.HTTPSeeOther(f"/staff/series/{one.id}?done=1")


@routes.post(f"/staff/series/{_ID}/end")
async def end(request: web.Request) -> web.Response:
    _, actor = auth.require_viewer(request)
    form = await auth.read_form(request)
    async with request.app[SITE].database.write() as tx:
        one, _theme = await _find_own(tx, request, actor)
        await series.end(tx, actor, one, reason=field(form, "reason")[:500])
    raise web.HTTPSeeOther(f"/series/{one.id}")


# --- single dates


async def _dates_page(request: web.Request, form: Form, wrong: dict[str, str] | None = None) -> web.Response:
    """``form`` is what was typed for the date ``occurrence`` in it."""
    _, actor = auth.require_viewer(request)
    async with request.app[SITE].database.read() as tx:
        one, theme = await _find_own(tx, request, actor)
        ahead = await dates_ahead(tx, one, DATES) if one.ended_at is None else []
        now = tx.now
    walls = {each.when.date: recurrence.wall_clock(each.at, one.zone) for each in ahead}
    return await render.page(
        request,
        "series/dates.html",
        status=422 if wrong else 200,
        one=one,
        theme=theme,
        words=words_of(one),
        ahead=ahead,
        walls=walls,
        now=now,
        form=form,
        wrong=wrong or {},
        is_done="done" in request.query,
    )


@routes.get(f"/staff/series/{_ID}/dates")
async def dates_page(request: web.Request) -> web.Response:
    return await _dates_page(request, {})


@routes.post(f"/staff/series/{_ID}/dates")
async def change_date(request: web.Request) -> web.Response:
    """``action`` is drop, move (to date and time) or restore, for the date ``occurrence``."""
    _, actor = auth.require_viewer(request)
    database = request.app[SITE].database
    form = await auth.read_form(request)
    action, name = field(form, "action"), field(form, "occurrence")
    reason = field(form, "reason").strip()[: moderation.MAX_REASON]
    if action not in ("drop", "move", "restore"):
        raise web.HTTPBadRequest(text=N_("A date can be dropped, moved or taken back."))
    async with database.read() as tx:
        one, _theme = await _find_own(tx, request, actor)
        now = tx.now
    try:
        opens_at = recurrence.moment(debate_forms.read_wall(form, now), one.zone) if action == "move" else now
        async with database.write() as tx:
            if action == "drop":
                await series.drop(tx, actor, one, name, reason=reason)
            elif action == "move":
                await series.move(tx, actor, one, name, opens_at, reason=reason)
            else:
                await series.restore(tx, actor, one, name)
    except (Invalid, Refused) as error:
        if isinstance(error, Refused) and error.reason in ("editors-only", "sign-in-first"):
            raise
        wrong = complaints(error, "occurrence")
        return await _dates_page(
            request, form, {"date" if key == "opens_at" else key: said for key, said in wrong.items()}
        )
    raise web.HTTPSeeOther(f"/staff/series/{one.id}/dates?done=1")
