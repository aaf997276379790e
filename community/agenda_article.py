"""The Article of an agenda: how it stands, in the clerk's words. It is pinned in the agenda's group and written anew at
milestones, which makes it what tells the fediverse; the items' own posts are current at their addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from community import agendas, board, clerk, groups, items, jobs, posts, sources, text, topics
from community.agenda_models import Agenda
from community.board import Entry
from community.db import Tx
from community.events import AgendaChanged, ItemChanged, PostDeleted, on
from community.models import Post
from community.sources import Citation

PART = "agenda"
WAIT = timedelta(minutes=10)  # changes that come together are told together
FIRST_AT = 5  # so many proposals make an Article, or one item that staff chose
_MILESTONES = frozenset({"shortlisted", "scheduled", "declined", "merged", "reopened"})
# So many are listed of each state. The text travels three times in a body that has to stay below 64 KB.
_LENGTHS = {"scheduled": 40, "shortlisted": 20, "proposed": 10}
_BYTES_MAX = 12_000


# --- When it is told -------------------------------------------------------------------------------------------------


@on(ItemChanged)
async def note_item(tx: Tx, event: ItemChanged) -> None:
    is_listed = event.item.state in ("shortlisted", "scheduled")
    is_first = event.what == "proposed" and event.item.number == FIRST_AT
    if event.what in _MILESTONES or is_first or (event.what == "edited" and is_listed):
        await _tell_later(tx, event.agenda)


@on(AgendaChanged)
async def note_agenda(tx: Tx, event: AgendaChanged) -> None:
    if event.what not in ("made", "told") and event.agenda.article_id is not None:
        await _tell_later(tx, event.agenda)


async def _tell_later(tx: Tx, agenda: Agenda) -> None:
    argument = {"agenda": agenda.actor_id}
    await jobs.add(tx, "tell-agenda", argument, key=f"agenda:{agenda.actor_id}", run_at=tx.now + WAIT)


@jobs.works("tell-agenda", batch=True)
async def tell(site: Any, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Finished with what it tells: a decision that waits for the lock finds no job, and adds one."""
    async with site.database.write() as tx:
        for job in claimed:
            await write(tx, await tx.lock(Agenda, job.argument["agenda"]))
        await jobs.finish(tx, claimed)
    return []


@on(PostDeleted)
async def forget_article(tx: Tx, event: PostDeleted) -> None:
    """One that is removed is made anew at the next milestone."""
    if event.post.part == PART:
        query = select(Agenda).where(Agenda.article_id == event.post.id)
        agenda = (await tx.execute(query)).scalar_one_or_none()
        if agenda is not None:
            agenda.article_id = None
            await tx.flush()


# --- Writing ---------------------------------------------------------------------------------------------------------


async def write(tx: Tx, agenda: Agenda) -> Post | None:
    """Make the Article, or write it anew where it says something else by now; ``agenda`` has to be locked. None while
    there is too little to tell."""
    listed = await board.listed(tx, agenda)
    is_chosen = any(entry.item.state != "proposed" for entry in listed)
    if agenda.article_id is None and not is_chosen and len(listed) < FIRST_AT:
        return None
    house, written = await groups.clerk(tx), await _written(tx, agenda, listed)
    held = await tx.get(Post, agenda.article_id) if agenda.article_id is not None else None
    if held is None or held.deleted_at is not None:
        held = await topics.open(tx, house, agenda.actor, written)
        agenda.article_id, held.topic.pinned_at = held.id, tx.now
    elif not await posts.edit(tx, house, held, written):
        return held
    await agendas.changed(tx, agenda, house, "told")
    return held


async def _written(tx: Tx, agenda: Agenda, listed: list[Entry]) -> posts.Written:
    language, origin = agenda.language, tx.settings.origin
    counted = await agendas.progress(tx, agenda)
    when = clerk.days(agenda.opens_on, agenda.closes_on, language)
    abstract = clerk.says(
        language, "agenda-abstract", when=when, proposed=sum(counted.values()) - counted["merged"],
        shortlisted=counted["shortlisted"], scheduled=counted["scheduled"],
    )  # fmt: skip
    of_state = {state: [entry for entry in listed if entry.item.state == state] for state in _LENGTHS}
    of_state["proposed"].sort(key=lambda entry: (-entry.support.all, entry.item.number))
    shown = [entry.item.id for state, length in _LENGTHS.items() for entry in of_state[state][:length]]
    behind = await sources.behind(tx, shown)
    words = {
        "zone": agenda.zone.replace("_", " "),
        "link": origin + items.path_of(agenda),
        "handle": f"@{agenda.actor.handle}@{tx.settings.host}",
    }
    for part in (1, 2, 4):  # of these lengths, where the titles are long
        source = _body(agenda, of_state, words, part, lambda entry: _line(agenda, entry, behind, origin))
        if len(source.encode()) <= _BYTES_MAX:
            break
    title = text.cut(clerk.says(language, "agenda-title", event=agenda.name), topics.MAX_TITLE)
    written = await posts.compose(tx, source, title=title, language=language)
    return replace(written, abstract=abstract, part=PART)


def _body(
    agenda: Agenda,
    of_state: Mapping[str, list[Entry]],
    words: Mapping[str, str],
    part: int,
    line: Callable[[Entry], str],
) -> str:
    """The whole text: a section for each state that items are in."""

    def says(key: str, **more: object) -> str:
        return clerk.says(agenda.language, key, **words, **more)

    event = [f"**{text.literal(agenda.name)}**", *([text.literal(agenda.place)] if agenda.place else [])]
    when = clerk.days(agenda.opens_on, agenda.closes_on, agenda.language)
    blocks = [" · ".join([*event, when]), says(f"agenda-is-{agenda.state}")]
    for state, length in _LENGTHS.items():
        some = of_state[state][: length // part]
        if not some:
            continue
        blocks.append(says(f"agenda-{state}"))
        if state == "scheduled":
            blocks.append(says("agenda-zone"))
            blocks += _by_day(agenda, some, line)
        else:
            blocks.append("\n".join(map(line, some)))
        if len(some) < len(of_state[state]):
            blocks.append(says("agenda-more", count=len(of_state[state]) - len(some)))
    return "\n\n".join([*blocks, says("agenda-how"), says("agenda-how-text")])


def _by_day(agenda: Agenda, entries: Iterable[Entry], line: Callable[[Entry], str]) -> Iterator[str]:
    """Lines by the day at the place; an event of one day has no headings."""

    def day(entry: Entry) -> date:
        assert entry.item.starts_at is not None
        return entry.item.starts_at.astimezone(ZoneInfo(agenda.zone)).date()

    for each, some in groupby(entries, day):
        if agenda.opens_on != agenda.closes_on:
            yield f"### {clerk.days(each, each, agenda.language)}"
        yield "\n".join(map(line, some))


def _line(agenda: Agenda, entry: Entry, behind: Mapping[int, Sequence[Citation]], origin: str) -> str:
    """An item in a list: when and where, its support, and from how many it comes."""
    item, said = entry.item, [each for each in behind.get(entry.item.id, ()) if each.state in ("cited", "anonymous")]
    people = {each.author.id: each.author.host for each in said if each.author is not None}
    parts = []
    if item.starts_at is not None:
        times = [at.astimezone(ZoneInfo(agenda.zone)).strftime("%H:%M") for at in (item.starts_at, item.ends_at) if at]
        parts.append(f"**{'–'.join(times)}**")
        parts += [text.literal(item.room)] if item.room else []
    parts.append(f"[{text.literal(item.title)}]({origin}{items.path_of(agenda, item)})")
    parts.append(clerk.says(agenda.language, "agenda-support", support=entry.support.all))
    if said:
        counted = {"posts": len(said), "people": len(people), "servers": len(set(people.values()))}
        parts.append(clerk.says(agenda.language, "agenda-behind" if people else "agenda-behind-unnamed", **counted))
    return "- " + " · ".join(parts)
