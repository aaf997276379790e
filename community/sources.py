"""What stands behind the items of agendas: contributions, whoever made them and wherever, as they were when cited.

A citation keeps author, server, time, a hash of the words and a short excerpt. What its author does later shows: an
edit is told, an objection takes the name off, a deletion leaves a stub.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.attributes import set_committed_value

from community import agendas, cards, questions, record, text, throttles
from community.agenda_models import Agenda, Contributor, Item, Source
from community.db import Tx
from community.events import Cited, PostDeleted, PostEdited, emit, on
from community.models import Actor, Post, Revision, Topic
from community.policy import Refused, refusal, require, standing

OPEN = ("proposed", "shortlisted", "scheduled")  # states of items that more may be put behind
EXCERPT = 200
SOURCES_MAX = 500  # behind one item
CITED_A_DAY = 100  # by one member
# What the clerk writes to keep things going says nothing that an item could go back to.
_PARTS = frozenset({"", "motion", "card", "opening-poll", "closing-poll", "conclusion"})


# --- Citing ----------------------------------------------------------------------------------------------------------


async def cited_for(tx: Tx, post: Post) -> Post:
    """The post that is cited where somebody points at ``post``: for the card of a question what was asked, and for
    anything else itself. With author and topic."""
    question = await questions.of_post(tx, post.id) if post.part == "card" else None
    wanted = question.post_id if question is not None else post.id
    query = select(Post).options(joinedload(Post.author), joinedload(Post.topic)).where(Post.id == wanted)
    found: Post = (await tx.execute(query)).scalar_one()
    return found if found.deleted_at is None or found.id == post.id else await _itself(tx, post)


async def _itself(tx: Tx, post: Post) -> Post:
    query = select(Post).options(joinedload(Post.author), joinedload(Post.topic)).where(Post.id == post.id)
    found: Post = (await tx.execute(query.execution_options(populate_existing=True))).scalar_one()
    return found


def refusal_to_cite(post: Post) -> str | None:
    """Why a post is nothing to cite; its author and topic have to be loaded."""
    topic = post.topic
    if not record.may_be_told(post) or topic.deleted_at is not None or topic.hidden_reason:
        return "post-is-deleted"
    if post.part not in _PARTS:
        return "nothing-to-cite"
    return "nothing-to-cite" if not text.plain(post.html) and post.number > 1 else None


def kind_of(post: Post, topic: Topic) -> str:
    """What a post is among the sources of an item, see ``agenda_models.Source``."""
    if post.kind == "Question":
        return "poll"
    if post.number == 1:
        return "debate" if topic.closes_at is not None else "article" if post.kind == "Article" else "topic"
    if post.position == "question":
        return "question"
    return "argument" if post.position in ("for", "against") and not post.part else "post"


def hash_of(post: Post | Revision) -> str:
    """SHA-256 of the words of a post as it is or was, without what makes them look the way they do."""
    return hashlib.sha256(text.plain(post.html).encode()).hexdigest()


def excerpt_of(post: Post, kind: str) -> str:
    """What is shown of it: the title of what has one, else how it begins; of a folded text only what stands outside."""
    if kind in ("topic", "debate", "article"):
        return text.cut(post.topic.title, EXCERPT)
    return text.cut(post.warning, EXCERPT) or text.excerpt(cards.html_of(post), EXCERPT)


async def cite(tx: Tx, by: Actor, item: Item, post: Post) -> Source:
    """Put what somebody said behind an item; what is there already stays as it is. Raises Refused."""
    by = await tx.own(by)
    agenda = await tx.lock(Agenda, item.agenda_id)
    require("propose", await standing(tx, by, agenda.actor_id), agenda)
    item = await tx.get_one(Item, item.id, populate_existing=True)
    if item.state not in OPEN:
        raise Refused("item-is-closed")
    post = await cited_for(tx, post)
    # Who deletes it meanwhile waits until it is cited, and then finds the citation.
    await tx.lock(Topic, post.topic_id)
    post = await _itself(tx, post)
    reason = refusal_to_cite(post)
    if reason is not None:
        raise Refused(reason)
    held = await _held(tx, item, post)
    if held is not None:
        return held
    if (await counts(tx, [item.id]))[item.id] >= SOURCES_MAX:
        raise Refused("item-has-enough-sources")
    await _count(tx, by, agenda)
    kind = kind_of(post, post.topic)
    source = Source(
        item_id=item.id, post_id=post.id, kind=kind, author_id=post.author_id, host=post.author.host,
        said_at=post.created_at, hash=hash_of(post), excerpt=excerpt_of(post, kind), state="cited", by_id=by.id,
        cited_at=tx.now,
    )  # fmt: skip
    known = await tx.get(Contributor, post.author_id)
    if known is not None and known.has_objected:
        make_anonymous(source)
    tx.add(source)
    item.changed_at = tx.now
    await tx.flush()
    agendas.signal(tx, agenda.actor_id)
    tx.signal(f"topic:{post.topic_id}", 0)
    await emit(tx, Cited(source, item, agenda, by))
    return source


async def _count(tx: Tx, by: Actor, agenda: Agenda) -> None:
    """So many contributions a day by one member: the clerk writes to strangers about each. Raises Refused."""
    if refusal("curate", await standing(tx, by, agenda.actor_id), agenda) is None:
        return
    key = f"cited-by:{by.id}"
    if await throttles.is_over(tx, key, CITED_A_DAY):
        raise Refused("citations-enough")
    await throttles.count(tx, key, 24 * 60)


async def _held(tx: Tx, item: Item, post: Post) -> Source | None:
    query = select(Source).where(Source.item_id == item.id, Source.post_id == post.id)
    return (await tx.execute(query)).scalar_one_or_none()


async def take_out(tx: Tx, by: Actor, source: Source, reason: str) -> None:
    """Staff takes a contribution from behind an item where it does not belong; the log says so. Raises Invalid,
    Refused."""
    reason = agendas.check_reason(reason, is_needed=True)
    item = await tx.get_one(Item, source.item_id)
    by, agenda = await agendas.curated(tx, by, await tx.get_one(Agenda, item.agenda_id))
    held = await tx.get(Source, source.id)
    if held is not None:
        await tx.delete(held)
        item.changed_at = tx.now
        await agendas.changed(tx, agenda, by, "edited", log="take-out-source", reason=reason)


# --- What its author does later --------------------------------------------------------------------------------------


def make_anonymous(source: Source) -> None:
    """The words stay. Name, server and hash go, and with them the way to the author."""
    if source.state == "cited":
        source.state, source.author_id, source.host, source.hash = "anonymous", None, "", ""


def redact(source: Source) -> None:
    """Nothing stays but that something was there."""
    source.state, source.author_id = "redacted", None
    source.host = source.hash = source.excerpt = ""


async def of_author(tx: Tx, actor_id: int) -> list[Source]:
    """Where somebody is cited by name or was until they objected, with the items and their agendas; the latest
    first."""
    query = (
        select(Source)
        .join(Post, Post.id == Source.post_id)
        .options(joinedload(Source.item).joinedload(Item.agenda), joinedload(Source.post).joinedload(Post.topic))
        .where(Post.author_id == actor_id, Source.state.in_(("cited", "anonymous")))
        .order_by(Source.id.desc())
    )
    return list((await tx.execute(query)).scalars())


async def _of_post(tx: Tx, post_id: int) -> list[Source]:
    query = select(Source).where(Source.post_id == post_id).order_by(Source.item_id)
    return list((await tx.execute(query)).scalars())


@on(PostEdited)
async def note_edit(tx: Tx, event: PostEdited) -> None:
    for source in await _of_post(tx, event.post.id):
        if source.state == "cited":
            is_same = source.hash == hash_of(event.post)
            source.edited_at = None if is_same else (event.post.edited_at or tx.now)
            await changed(tx, source)


@on(PostDeleted)
async def note_deletion(tx: Tx, event: PostDeleted) -> None:
    for source in await _of_post(tx, event.post.id):
        redact(source)
        await changed(tx, source)


async def changed(tx: Tx, source: Source) -> None:
    """Something about a source is other than it was: of the state, the name, or what was said."""
    item = await tx.get_one(Item, source.item_id)
    item.changed_at = tx.now
    await tx.flush()
    agendas.signal(tx, item.agenda_id)


# --- Carrying over ---------------------------------------------------------------------------------------------------


async def carry_over(
    tx: Tx, item: Item, into: Item, ids: Iterable[int] | None = None, *, keeping: Collection[int] = ()
) -> None:
    """Put what is behind ``item`` behind ``into`` as well (``ids`` None for all of it), as it was cited there. What
    came to it from the items ``keeping`` goes on as theirs."""
    there = set((await tx.execute(select(Source.post_id).where(Source.item_id == into.id))).scalars())
    query = select(Source).where(Source.item_id == item.id).order_by(Source.id)
    for source in (await tx.execute(query)).scalars().all():
        if source.post_id in there or (ids is not None and source.id not in ids):
            continue
        kept = {
            column.key: getattr(source, column.key)
            for column in Source.__table__.columns
            if column.key not in ("id", "item_id", "via_id")
        }
        tx.add(Source(**kept, item_id=into.id, via_id=source.via_id if source.via_id in keeping else item.id))
    await tx.flush()


async def give_back(tx: Tx, item: Item, was_into: Item) -> None:
    """Take from ``was_into`` what came from ``item``, which stands for itself again: not what others that are merged
    with it go back to as well, nor, where it was once made of a part of ``item``, what that gave it."""
    if was_into.split_from_id == item.id:
        return
    others = select(Source.post_id).join(Item, Item.id == Source.item_id)
    others = others.where(Item.merged_into_id == was_into.id, Item.id != item.id)
    query = select(Source).where(Source.item_id == was_into.id, Source.via_id == item.id)
    query = query.where(Source.post_id.not_in(others))
    for source in (await tx.execute(query)).scalars().all():
        await tx.delete(source)
    await tx.flush()


# --- Reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Citation:
    """A source as anybody may see it. ``state``: cited; hidden, while its text or its author may not be told;
    anonymous; redacted. ``author`` and ``post`` (with its topic) are there only for what is cited."""

    source: Source
    state: str
    author: Actor | None
    post: Post | None

    @property
    def excerpt(self) -> str:
        return self.source.excerpt if self.state in ("cited", "anonymous") else ""


def _shown(source: Source, post: Post, author: Actor, topic: Topic) -> Citation:
    # As read, not as changed: else every citation would be written back.
    set_committed_value(post, "author", author)
    set_committed_value(post, "topic", topic)
    is_gone = post.deleted_at is not None
    is_told = record.may_be_told(post) and topic.deleted_at is None and not topic.hidden_reason
    state = "redacted" if is_gone else source.state if is_told or source.state == "redacted" else "hidden"
    is_open = state == "cited"
    return Citation(source, state, author if is_open else None, post if is_open else None)


async def behind(tx: Tx, item_ids: Sequence[int]) -> dict[int, list[Citation]]:
    """What stands behind items, the earliest cited first."""
    query = (
        select(Source, Post, Actor, Topic)
        .join(Post, Post.id == Source.post_id)
        .join(Actor, Actor.id == Post.author_id)
        .join(Topic, Topic.id == Post.topic_id)
        .where(Source.item_id.in_(item_ids))
        .order_by(Source.id)
    )
    found: defaultdict[int, list[Citation]] = defaultdict(list)
    for row in await tx.execute(query):
        found[row[0].item_id].append(_shown(*row))
    return found


async def counts(tx: Tx, item_ids: Sequence[int]) -> Counter[int]:
    """How many contributions stand behind each item, those withdrawn among them."""
    query = select(Source.item_id, func.count()).where(Source.item_id.in_(item_ids)).group_by(Source.item_id)
    return Counter({row[0]: row[1] for row in await tx.execute(query)})


@dataclass(frozen=True)
class Mark:
    """That a post stands behind an item: what a page says beside it."""

    item: Item
    agenda: Agenda


async def marks(tx: Tx, post_ids: Sequence[int]) -> dict[int, list[Mark]]:
    """The items on agendas that posts stand behind by name; of merged ones the one that they are part of."""
    if not post_ids:
        return {}
    rows = await tx.execute(
        select(Source.post_id, Item, Agenda)
        .join(Item, Item.id == Source.item_id)
        .join(Agenda, Agenda.actor_id == Item.agenda_id)
        .where(Source.post_id.in_(post_ids), Source.state == "cited", Item.state.in_(OPEN))
        .order_by(Item.number)
    )
    found: defaultdict[int, list[Mark]] = defaultdict(list)
    for post_id, item, agenda in rows:
        found[post_id].append(Mark(item, agenda))
    return found


async def forget(tx: Tx, actor_id: int) -> int:
    """Take somebody's name off everything that they are cited with; answers how many citations that were."""
    ids = select(Post.id).where(Post.author_id == actor_id)
    held = list((await tx.execute(select(Source).where(Source.post_id.in_(ids), Source.state == "cited"))).scalars())
    for source in held:
        make_anonymous(source)
        await changed(tx, source)
    return len(held)


async def mark_told(tx: Tx, ids: Iterable[int]) -> None:
    await tx.execute(update(Source).where(Source.id.in_(list(ids))).values(told_at=tx.now))
