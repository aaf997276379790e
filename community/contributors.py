"""Those who are cited on agendas: they hear of it wherever they are, and it is theirs to be named or not.

Members here are told at once. Somebody elsewhere gets a message by the clerk, at most one a day, with a link: whoever
has it can take their name off what they are cited with, and have no more messages, without an account here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from community import clerk, items, jobs, notifications, record, sources, text
from community.agenda_models import Agenda, Contributor, Item, Source
from community.db import Tx
from community.events import Cited, ContributorTold, emit, on
from community.models import Account, Actor, Post, Revision
from community.policy import NotThere, state_of_host

# So long after the first citation the message goes, so that it can tell of several …
GATHER = timedelta(minutes=10)
# … and so long after the last one at the earliest.
REST = timedelta(days=1)
LISTED_MAX = 5
TOKEN_BYTES = 24


# --- Telling ---------------------------------------------------------------------------------------------------------


async def find(tx: Tx, token: str) -> Contributor | None:
    """Whom a secret link belongs to, with their actor."""
    query = select(Contributor).options(joinedload(Contributor.actor)).where(Contributor.token == token)
    return (await tx.execute(query)).scalar_one_or_none()


async def known(tx: Tx, actor_id: int) -> Contributor | None:
    """What somebody has said about being cited; None for who never was and never said anything."""
    return await tx.get(Contributor, actor_id)


async def ensure(tx: Tx, actor_id: int) -> Contributor:
    """The same, kept from others until the transaction ends; of somebody new nothing is known."""
    if await tx.get(Contributor, actor_id) is None:
        tx.add(Contributor(actor_id=actor_id, token=secrets.token_urlsafe(TOKEN_BYTES), has_objected=False))
        await tx.flush()
    return await tx.lock(Contributor, actor_id)


async def _is_reached(tx: Tx, actor: Actor) -> bool:
    """Whether there is anybody to tell. The clerk, groups and servers are no people."""
    if actor.kind != "person" or actor.state != "active":
        return False
    if actor.is_local:
        account = await tx.get(Account, actor.id)
        return account is not None and account.state == "active"
    return await state_of_host(tx, actor.host) != "blocked"


@on(Cited)
async def hear(tx: Tx, event: Cited) -> None:
    """Nobody is told of one contribution twice, whatever it stands behind."""
    source = event.source
    others = list(
        (await tx.execute(select(Source).where(Source.post_id == source.post_id, Source.id != source.id))).scalars()
    )
    if any(each.state == "anonymous" for each in others):
        sources.make_anonymous(source)
        await sources.changed(tx, source)
    if source.author_id is None or source.author_id == event.by.id:
        return
    author = await tx.get_one(Actor, source.author_id)
    if not await _is_reached(tx, author):
        return
    contributor = await ensure(tx, author.id)
    if contributor.has_objected:  # while this was cited
        sources.make_anonymous(source)
    if source.state != "cited" or contributor.opted_out_at is not None:
        return
    if any(each.told_at is not None for each in others):
        source.told_at = tx.now
    elif author.is_local:
        path = items.path_of(event.agenda, event.item)
        notifications.tell(tx, author.id, "cited", event.by.id, post_id=source.post_id, path=path)
        source.told_at = tx.now
    else:
        told_at = contributor.told_at
        run_at = tx.now + GATHER if told_at is None else max(tx.now + GATHER, told_at + REST)
        await jobs.add(tx, "tell-contributor", {"actor": author.id}, key=f"contributor:{author.id}", run_at=run_at)
    await tx.flush()


@jobs.works("tell-contributor")
async def tell_contributor(site: Any, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """What is cited while a message is written goes into it or into a job of its own, never into neither."""
    for job in claimed:
        async with site.database.write() as tx:
            await tell(tx, job.argument["actor"])
            await jobs.finish(tx, [job])
    return []


async def tell(tx: Tx, actor_id: int) -> bool:
    """Have somebody elsewhere told of everything of theirs that they have not been told of. False when there is
    nothing left to say."""
    contributor = await ensure(tx, actor_id)
    person = await tx.get_one(Actor, actor_id)
    if contributor.opted_out_at is not None or not await _is_reached(tx, person):
        return False
    untold = [source for source in await sources.of_author(tx, actor_id) if _is_news(source, person)]
    if not untold:
        return False
    await sources.mark_told(tx, [source.id for source in untold])
    contributor.told_at = tx.now
    found = _by_post(reversed(untold))
    language = found[0].post.language.split("-")[0]
    language = language if language in clerk.LANGUAGES else found[0].shown[0].item.agenda.language
    link = f"{tx.settings.origin}/citations/{contributor.token}"
    said = _message(tx, found, language, link)
    await tx.flush()
    posts = tuple(each.post for each in found)
    await emit(tx, ContributorTold(contributor, person, said, language, link, posts))
    return True


def _is_news(source: Source, person: Actor) -> bool:
    source.post.author = person
    topic = source.post.topic
    is_there = record.may_be_told(source.post) and topic.deleted_at is None and not topic.hidden_reason
    return source.state == "cited" and source.told_at is None and source.by_id != person.id and is_there


def _message(tx: Tx, found: Sequence[Contribution], language: str, link: str) -> str:
    """The clerk's Markdown: where each is cited, and what can be done about it."""
    lines = []
    for each in found[:LISTED_MAX]:
        source = each.shown[0]
        agenda = source.item.agenda
        words = {
            "what": clerk.says(language, f"cited-{each.kind}"), "number": source.item.number,
            "date": clerk.day(source.said_at, agenda.zone, language), "event": text.literal(agenda.name),
            # The clerk writes to strangers: no member makes a link of theirs go along as a title.
            "title": text.literal(source.item.title).replace("://", "&#58;//"),
            "link": tx.settings.origin + items.path_of(agenda, source.item),
        }  # fmt: skip
        lines.append(clerk.says(language, "cited", **words))
    if len(found) > LISTED_MAX:
        lines.append(clerk.says(language, "cited-more", n=len(found) - LISTED_MAX))
    return "\n\n".join([*lines, clerk.says(language, "cited-how", link=link)])


# --- Reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contribution:
    """Something that somebody said, with everything that it stands behind."""

    post: Post
    sources: Sequence[Source]

    @property
    def kind(self) -> str:
        return self.sources[0].kind

    @property
    def excerpt(self) -> str:
        return self.sources[0].excerpt

    @property
    def is_named(self) -> bool:
        return any(source.state == "cited" for source in self.sources)

    @property
    def shown(self) -> list[Source]:
        """Without items that became part of another one, where it stands behind that as well."""
        shown = [source for source in self.sources if source.item.state != "merged"] or self.sources
        return sorted(shown, key=lambda source: source.id)


def _by_post(found: Iterable[Source]) -> list[Contribution]:
    gathered: dict[int, list[Source]] = {}
    for source in found:
        gathered.setdefault(source.post_id, []).append(source)
    return [Contribution(each[0].post, each) for each in gathered.values()]


async def contributions(tx: Tx, actor_id: int) -> list[Contribution]:
    """What somebody is cited with, by name or without; the latest first."""
    return _by_post(await sources.of_author(tx, actor_id))


# --- What they say about it ------------------------------------------------------------------------------------------


async def _deciding(tx: Tx, actor_id: int) -> Contributor:
    """What is known of somebody, to be changed together with what they are cited with: the agendas are kept from others
    first, as they are where somebody is cited."""
    query = select(Item.agenda_id).join(Source, Source.item_id == Item.id).join(Post, Post.id == Source.post_id)
    found = await tx.execute(query.where(Post.author_id == actor_id).distinct())
    for agenda_id in sorted(found.scalars()):
        await tx.lock(Agenda, agenda_id)
    return await ensure(tx, actor_id)


async def object_to_all(tx: Tx, actor_id: int) -> None:
    """Take somebody's name off all that they are cited with, now and later. No log says so."""
    contributor = await _deciding(tx, actor_id)
    contributor.has_objected = True
    await sources.forget(tx, actor_id)


async def withdraw_objection(tx: Tx, actor_id: int) -> None:
    """Name them again, wherever they are cited."""
    contributor = await _deciding(tx, actor_id)
    contributor.has_objected = False
    await _name(tx, [source for source in await sources.of_author(tx, actor_id) if source.state == "anonymous"])


async def set_named(tx: Tx, actor_id: int, post_id: int, is_named: bool) -> None:
    """Name somebody with one contribution of theirs or not, whatever it stands behind. Raises NotThere for what is not
    theirs."""
    await _deciding(tx, actor_id)
    held = [source for source in await sources.of_author(tx, actor_id) if source.post_id == post_id]
    if not held:
        raise NotThere
    if is_named:
        await _name(tx, [source for source in held if source.state == "anonymous"])
        return
    for source in held:
        sources.make_anonymous(source)
        await sources.changed(tx, source)


async def _name(tx: Tx, held: Sequence[Source]) -> None:
    """Give sources back what their author's objection took: the words as they were cited are in the history of the
    post, if they were changed meanwhile."""
    for source in held:
        author = await tx.get_one(Actor, source.post.author_id)
        cited = await _as_cited(tx, source)
        is_same = cited == sources.hash_of(source.post)
        source.state, source.author_id, source.host, source.hash = "cited", author.id, author.host, cited
        source.edited_at = None if is_same else source.post.edited_at
        await sources.changed(tx, source)


async def _as_cited(tx: Tx, source: Source) -> str:
    """The hash of what a post said when it was cited."""
    query = select(Revision).where(Revision.post_id == source.post_id, Revision.replaced_at > source.cited_at)
    before = (await tx.execute(query.order_by(Revision.id).limit(1))).scalar_one_or_none()
    return sources.hash_of(before if before is not None else source.post)


async def opt_out(tx: Tx, actor_id: int) -> None:
    """No more messages. It is remembered for good."""
    contributor = await ensure(tx, actor_id)
    contributor.opted_out_at = contributor.opted_out_at or tx.now


async def opt_in(tx: Tx, actor_id: int) -> None:
    """Messages again: of what is cited from now on, since the page where they say so lists everything until now."""
    contributor = await ensure(tx, actor_id)
    contributor.opted_out_at = None
    untold = (Source.author_id == actor_id, Source.told_at.is_(None))
    await tx.execute(update(Source).where(*untold).values(told_at=tx.now))
