"""What happened elsewhere before we heard of it, and what nobody sent us: threads and places are read at their homes.

An item in somebody's collection proves nothing about itself: each is fetched from its own origin. Everything is bounded
(items, requests, pages), one server is asked by one job at a time, and what could not be read now is read later.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError

from community import groups, jobs, links
from community.db import Tx
from community.debate_models import Debate
from community.models import Actor, Job, Membership, Post, Theme, Topic
from community.policy import Refused as PolicyRefused
from community.posts import EVENT
from federation.client import Budget, BudgetSpent, FetchError, Gone, Unreachable
from federation.debates import keep_seats
from federation.dereference import ACTIVITY_TYPES, Stale, bring_in, fetch_document, refresh, store_actor
from federation.site import Site
from federation.translate import ACTOR_KINDS, NotUnderstood, from_actor
from federation.vocabulary import COLLECTION_TYPES, Document, first, id_of, origin_of, same_origin, type_of

log = logging.getLogger("folkmoot.backfill")

ITEMS_MAX = 200
FETCHES_MAX = 60
PAGES_MAX = 5
TOPICS_MAX = 50
REQUESTS_MAX = 100
SEATS_MAX = 20
DEBATES_MAX = 20
SECONDS_MAX = 90.0
COUNT_MAX = 1_000_000
# How long after the last news a thread is looked at again.
STEPS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 60, 6 * 60, 24 * 60))
BUSY_AGAIN = timedelta(seconds=30)
VIEWED_AGAIN = timedelta(minutes=15)
ASKED_AGAIN = timedelta(minutes=1)

_FAILURES = (FetchError, PolicyRefused, IntegrityError)
_busy: set[str] = set()


@contextmanager
def _alone_with(host: str) -> Iterator[bool]:
    """Whether nobody else in this process reads from a server now; until the end of the block nobody will."""
    is_free = host not in _busy
    _busy.add(host)
    try:
        yield is_free
    finally:
        if is_free:
            _busy.discard(host)


# --- Collections -----------------------------------------------------------------------------------------------------


@dataclass
class Listing:
    """A collection as it was read: what is in it, how much its owner says is in it, whether that was all."""

    items: list[Any] = field(default_factory=list)
    total: int | None = None
    is_whole: bool = False


def _items_of(page: Document) -> list[Any]:
    items = page.get("orderedItems") or page.get("items") or []
    return items if isinstance(items, list) else [items]


async def read_collection(site: Site, about: Any, owners: tuple[str, ...], budget: Budget) -> Listing:
    """The items of a collection, given by its id or embedded, with up to five of its pages. Collection and pages have
    to be on the server of one of its ``owners``; what is embedded is believed as far as the document around it.

    Raises FetchError when it cannot be read at all, BudgetSpent.
    """
    listing = Listing()
    root = await _page(site, about, owners, budget)
    if root is None:
        return listing
    total = root.get("totalItems")
    if isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= COUNT_MAX:
        listing.total = total
    listing.items += _items_of(root)[:ITEMS_MAX]
    following = root.get("next") if type_of(root) in ("CollectionPage", "OrderedCollectionPage") else root.get("first")
    seen: set[str] = set()
    for _ in range(PAGES_MAX):
        if following is None or len(listing.items) >= ITEMS_MAX:
            break
        uri = id_of(following)
        if uri in seen:
            break
        seen |= {uri} if uri else set()
        try:
            page = await _page(site, following, owners, budget)
        except FetchError:
            return listing
        if page is None:
            return listing
        listing.items += _items_of(page)[: ITEMS_MAX - len(listing.items)]
        following = page.get("next")
    listing.is_whole = following is None
    return listing


async def _page(site: Site, about: Any, owners: tuple[str, ...], budget: Budget) -> Document | None:
    """A collection or a page of one. A stub of an embedded one, without anything in it, is fetched."""
    if isinstance(about, dict):
        if type_of(about) not in COLLECTION_TYPES:
            return None
        if any(name in about for name in ("items", "orderedItems", "first", "next")):
            return about
    uri = id_of(about)
    if uri is None or not any(same_origin(uri, owner) for owner in owners):
        return None
    document = await fetch_document(site, uri, budget)
    return document if type_of(document) in COLLECTION_TYPES else None


def object_in(item: Any) -> str | None:
    """The id of the thing that an item of a collection is about: the item's own, or that of what is wrapped in it."""
    for _ in range(3):
        if type_of(item) not in ACTIVITY_TYPES:
            break
        item = item.get("object")
    uri = id_of(item)
    return uri if uri is not None and origin_of(uri) is not None else None


# --- Threads ---------------------------------------------------------------------------------------------------------


def key_of(topic_id: int) -> str:
    return f"backfill-thread:{topic_id}"


async def ask(tx: Tx, topic_id: int) -> None:
    """Have a thread looked for now: the look that was planned comes at once, else there is one."""
    await tx.execute(
        update(Job)
        .where(Job.key == key_of(topic_id), or_(Job.run_at > tx.now, Job.failed_at.is_not(None)))
        .values(run_at=tx.now, failed_at=None, attempts=0)
        .execution_options(synchronize_session=False)
    )
    tx.has_jobs = True
    argument = {"topic": topic_id, "step": len(STEPS)}
    await jobs.add(tx, "backfill-thread", argument, key=key_of(topic_id))


async def is_due(tx: Tx, topic: Topic, after: timedelta) -> bool:
    """Whether a thread was last looked for longer ago than that, and nobody is about to."""
    if topic.checked_at is not None and topic.checked_at > tx.now - after:
        return False
    waiting = select(Job.id).where(Job.key == key_of(topic.id), Job.run_at <= tx.now, Job.failed_at.is_(None))
    return (await tx.execute(waiting)).first() is None


@jobs.works("backfill-thread")
async def backfill_thread(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Look for the rest of threads, and plan the next look: soon after news, later and later without any."""
    results: list[jobs.Result] = []
    for job in claimed:
        topic_id, step = job.argument["topic"], job.argument["step"]
        async with site.database.read() as tx:
            host = await _home_of(tx, topic_id)
        if host is None:
            results.append(jobs.Done(job))
            continue
        with _alone_with(host) as is_free:
            news = await whole_thread(site, topic_id, Budget(FETCHES_MAX, SECONDS_MAX)) if is_free else 0
        step = 0 if news else step + 1 if is_free else step
        async with site.database.write() as tx:
            await jobs.finish(tx, [job])
            if not is_free:
                await _look_again(tx, topic_id, step, BUSY_AGAIN)
            elif step < len(STEPS):
                await _look_again(tx, topic_id, step, STEPS[step])
    return results


async def _look_again(tx: Tx, topic_id: int, step: int, after: timedelta) -> None:
    argument = {"topic": topic_id, "step": step}
    await jobs.add(tx, "backfill-thread", argument, key=key_of(topic_id), run_at=tx.now + after)


async def _home_of(tx: Tx, topic_id: int) -> str | None:
    """The server to be asked about a thread: that of its opener's author, else that of its group; None if both are
    ours, or if there is nothing to ask about any more."""
    topic = await tx.get(Topic, topic_id)
    if topic is None or topic.deleted_at is not None:
        return None
    author, group = await tx.get_one(Actor, topic.author_id), await tx.get_one(Actor, topic.group_id)
    return author.host or group.host or None


@dataclass
class _Thread:
    topic_id: int
    opener: str
    group: Actor
    seen: set[str] = field(default_factory=set)
    waiting: list[str] = field(default_factory=list)
    brought: int = 0


async def whole_thread(site: Site, topic_id: int, budget: Budget) -> int:
    """Read everything that the home of a topic lists and that is not here; answers how many posts came in.

    ``context`` first (FEP-7888: NodeBB, Lemmy, PieFed, Mastodon from 4.5, Folkmoot), else ``replies``, from post to
    post. Writes down when that was and how many posts there should be.
    """
    async with site.database.read() as tx:
        topic = await tx.get_one(Topic, topic_id)
        head = (await tx.execute(select(Post.uri).where(Post.topic_id == topic_id, Post.number == 1))).scalar_one()
        group = await tx.get_one(Actor, topic.group_id)
        is_ours = same_origin(head, site.settings.origin)
    thread = _Thread(topic_id, head, group, seen={head})
    count: int | None = None
    try:
        if not is_ours:
            count = await _read_thread(site, thread, budget)
    except Gone:
        await _try(refresh(site, Stale(head, Stale.DELETED), budget))
    except BudgetSpent:
        log.info("thread %s: as much as may be read at once", topic_id)
    except _FAILURES as error:
        log.info("thread %s not read: %s", topic_id, error)
    async with site.database.write() as tx:
        topic = await tx.get_one(Topic, topic_id)
        topic.checked_at = tx.now
        topic.count_elsewhere = count if count is not None else topic.count_elsewhere
        if thread.brought:
            await _date(tx, topic)
        tx.signal(f"topic:{topic_id}", 0)
    return thread.brought


async def _read_thread(site: Site, thread: _Thread, budget: Budget) -> int | None:
    opener = await fetch_document(site, thread.opener, budget)
    owners = (thread.opener, thread.group.uri)
    context = opener.get("context")
    if id_of(context) is not None and any(same_origin(str(id_of(context)), owner) for owner in owners):
        try:
            listing = await read_collection(site, id_of(context), owners, budget)
        except _FAILURES:
            listing = Listing()
        uris = [uri for item in listing.items if (uri := object_in(item))]
        if thread.opener in uris or len(uris) > 1:
            await _bring(site, thread, uris, budget)
            return max(listing.total or 0, len(set(uris)))
    return await _follow_replies(site, thread, opener, budget)


async def _follow_replies(site: Site, thread: _Thread, opener: Document, budget: Budget) -> int | None:
    """From the opener's ``replies`` to those of each reply, the new ones first: of those the document is at hand."""
    if not opener.get("replies"):
        return None
    pending: list[Document | str] = [opener]
    held: list[str] = []
    is_spent = False
    while (pending or held) and not is_spent and len(thread.seen) < ITEMS_MAX:
        current = pending.pop(0) if pending else held.pop(0)
        try:
            document = current if isinstance(current, dict) else await fetch_document(site, current, budget)
            uri = id_of(document) or ""
            if document.get("replies"):
                listing = await read_collection(site, document["replies"], (uri,), budget)
                uris = [found for item in listing.items if (found := object_in(item))]
                is_unseen = [found for found in uris if found not in thread.seen]
                pending += await _bring(site, thread, uris, budget)
                held += [found for found in is_unseen if not same_origin(found, site.settings.origin)]
                fresh = {id_of(each) for each in pending if isinstance(each, dict)}
                held = [found for found in held if found not in fresh]
        except BudgetSpent:
            is_spent = True
        except _FAILURES as error:
            log.info("replies in thread %s not read: %s", thread.topic_id, error)
    return len(thread.seen)


async def _bring(site: Site, thread: _Thread, uris: list[str], budget: Budget) -> list[Document]:
    """Fetch those of these posts that are missing and are replies; answers their documents."""
    wanted = [uri for uri in dict.fromkeys(uris) if uri not in thread.seen][: ITEMS_MAX - len(thread.seen)]
    thread.seen |= set(wanted)
    async with site.database.read() as tx:
        known = {post.uri for post in await tx.preload(Post, wanted)}
    documents = []
    for uri in wanted:
        if uri in known or same_origin(uri, site.settings.origin):
            continue
        try:
            document = await fetch_document(site, uri, budget)
            identity = id_of(document)
            # What answers nothing is no part of this thread, whoever lists it.
            if identity is None or id_of(first(document.get("inReplyTo"))) is None:
                continue
            via = thread.group.uri if not thread.group.is_local and thread.group.kind == "group" else None
            await bring_in(site, identity, budget, via=via, fetched=document)
        except _FAILURES as error:
            log.info("%s not brought in: %s", uri, error)
            continue
        thread.brought += 1
        documents.append(document)
    return documents


async def _date(tx: Tx, topic: Topic) -> None:
    """What was said long ago is no news: the topic stands where its last post puts it."""
    last = (await tx.execute(select(func.max(Post.created_at)).where(Post.topic_id == topic.id))).scalar_one()
    topic.last_post_at = last or topic.last_post_at


# --- Places ----------------------------------------------------------------------------------------------------------


@jobs.works("backfill-place")
async def backfill_place(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Read what a group elsewhere, or a person, wrote before somebody here followed them."""
    results: list[jobs.Result] = []
    for job in claimed:
        async with site.database.read() as tx:
            actor = await tx.get(Actor, job.argument["actor"])
        if actor is None or actor.is_local or await site.blocks(actor.host):
            results.append(jobs.Done(job))
            continue
        with _alone_with(actor.host) as is_free:
            if is_free:
                try:
                    await new_place(site, actor.id)
                except Unreachable as error:
                    results.append(jobs.Failed(job, str(error), is_final=job.attempts >= 4))
                    continue
                except (*_FAILURES, BudgetSpent) as error:
                    log.info("%s not read: %s", actor.uri, error)
                results.append(jobs.Done(job))
                continue
        async with site.database.write() as tx:
            await jobs.finish(tx, [job])
            again = tx.now + BUSY_AGAIN
            await jobs.add(tx, job.kind, job.argument, key=f"backfill-place:{actor.id}", run_at=again)
    return results


async def new_place(site: Site, actor_id: int) -> None:
    """Bring in the newest topics of a place elsewhere, its pins, and who keeps order there: at most fifty topics and a
    hundred requests. Raises FetchError when the actor itself cannot be read."""
    budget = Budget(REQUESTS_MAX, SECONDS_MAX)
    async with site.database.read() as tx:
        actor = await tx.get_one(Actor, actor_id)
    document = await fetch_document(site, actor.uri, budget)
    if type_of(document) not in ACTOR_KINDS or id_of(document) != actor.uri:
        return
    try:
        seen = from_actor(document, site.database.clock())
    except NotUnderstood:
        return
    async with site.database.write() as tx:
        actor = await store_actor(tx, seen)
        await groups.ensure_place(tx, actor)
    try:
        if actor.kind == "group":
            await _try(_read_moderators(site, actor, document.get("attributedTo"), budget))
        await _try(_read_topics(site, actor, document.get("outbox"), budget))
        await _try(_read_pins(site, actor, document.get("featured"), budget))
        await _try(_read_debates(site, actor, document.get("upcomingEvents"), budget))
    except BudgetSpent:
        log.info("%s: as much as may be read at once", actor.uri)
    async with site.database.write() as tx:
        (await tx.get_one(Theme, actor.id)).checked_at = tx.now
        tx.signal("anything")


async def _try(work: Coroutine[Any, Any, Any]) -> None:
    """One list that cannot be read does not cost the others."""
    try:
        await work
    except _FAILURES as error:
        log.info("not read: %s", error)


async def _read_topics(site: Site, actor: Actor, outbox: Any, budget: Budget) -> None:
    listing = await read_collection(site, outbox, (actor.uri,), budget)
    uris: list[str] = []
    for item in listing.items:
        uri, inner = object_in(item), item
        while type_of(inner) in ACTIVITY_TYPES:
            inner = inner.get("object")
        is_boost = actor.kind != "group" and type_of(item) == "Announce"
        is_reply = isinstance(inner, dict) and inner.get("inReplyTo") is not None
        if uri is not None and not is_reply and not is_boost and uri not in uris:
            uris.append(uri)
    # The newest first is what they list; the oldest first is how they came about.
    for uri in reversed(uris[:TOPICS_MAX]):
        await _try(_bring_topic(site, actor, uri, budget))


async def _bring_topic(site: Site, actor: Actor, uri: str, budget: Budget) -> Post | None:
    """The post with this address, if it is an opener; fetched unless it is here."""
    identity: str | None = uri
    async with site.database.read() as tx:
        held = await tx.by_uri(Post, uri)
    if held is None and not same_origin(uri, site.settings.origin):
        document = await fetch_document(site, uri, budget)
        if type_of(document) in ACTIVITY_TYPES:
            about = object_in(document)
            if about is None or same_origin(about, site.settings.origin):
                return None
            document = await fetch_document(site, about, budget)
        identity = id_of(document)
        if identity is None or document.get("inReplyTo") is not None:
            return None
        via = actor.uri if actor.kind == "group" else None
        await bring_in(site, identity, budget, via=via, fetched=document)
        async with site.database.write() as tx:
            post = await tx.by_uri(Post, identity)
            if post is not None:
                await _date(tx, await tx.get_one(Topic, post.topic_id))
    async with site.database.read() as tx:
        return await tx.by_uri(Post, identity or "")


async def _read_pins(site: Site, group: Actor, featured: Any, budget: Budget) -> None:
    """What a group shows first, in its order. What it does not show any more is shown first no longer."""
    if group.kind != "group" or featured is None:
        return
    listing = await read_collection(site, featured, (group.uri,), budget)
    pinned = []
    for item in listing.items[:TOPICS_MAX]:
        uri = object_in(item)
        if uri is None:
            continue
        try:
            post = await _bring_topic(site, group, uri, budget)
        except _FAILURES as error:
            log.info("pin %s not read: %s", uri, error)
            continue
        if post is not None and post.number == 1:
            pinned.append(post.topic_id)
    async with site.database.write() as tx:
        held = select(Topic).where(Topic.group_id == group.id, Topic.pinned_at.is_not(None))
        for topic in (await tx.execute(held)).scalars():
            if listing.is_whole and topic.id not in pinned:
                topic.pinned_at = None
        for place, topic_id in enumerate(pinned):
            topic = await tx.get_one(Topic, topic_id)
            if topic.group_id == group.id and topic.pinned_at is None:
                topic.pinned_at = tx.now - timedelta(seconds=place)
        tx.signal("anything")


async def _read_debates(site: Site, group: Actor, upcoming: Any, budget: Budget) -> None:
    """The debates of a linked theme that were announced before it was linked: their groups are read, which keeps what
    they say and has our theme follow them."""
    async with site.database.read() as tx:
        is_linked = bool(await links.themes_linked_with(tx, group.id))
    if not is_linked or upcoming is None:
        return
    listing = await read_collection(site, upcoming, (group.uri,), budget)
    for item in listing.items[:DEBATES_MAX]:
        event = id_of(item) or ""
        if event.endswith(EVENT) and same_origin(event, group.uri):
            await _try(bring_in(site, event.removesuffix(EVENT), budget))


@jobs.works("fetch-seats")
async def fetch_seats(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Get to know the people who host a debate elsewhere or sit on its panel. Whoever cannot be read is left out."""
    for job in claimed:
        budget = Budget(SEATS_MAX, SECONDS_MAX)
        wanted: dict[str, str] = job.argument["seats"]
        for uri in wanted:
            async with site.database.read() as tx:
                is_known = await tx.by_uri(Actor, uri) is not None
            if not is_known and not same_origin(uri, site.settings.origin):
                with suppress(BudgetSpent):
                    await _try(bring_in(site, uri, budget))
        async with site.database.write() as tx:
            await keep_seats(tx, await tx.get_one(Debate, job.argument["debate"]), wanted, is_last=True)
    return [jobs.Done(job) for job in claimed]


async def _read_moderators(site: Site, group: Actor, about: Any, budget: Budget) -> None:
    """Who keeps order in a group elsewhere. Lemmy, PieFed, NodeBB and Folkmoot name the collection of them in
    ``attributedTo``; some list them there at once."""
    is_one = isinstance(about, dict) and type_of(about) not in COLLECTION_TYPES
    listing = Listing([about] if is_one else [], is_whole=True)
    if isinstance(about, list):
        listing.items = about
    elif not listing.items:
        listing = await read_collection(site, about, (group.uri,), budget)
    uris = [uri for item in listing.items[:50] if (uri := id_of(item))]
    for uri in uris:
        async with site.database.read() as tx:
            is_known = await tx.by_uri(Actor, uri) is not None
        if not is_known and not same_origin(uri, site.settings.origin):
            await _try(bring_in(site, uri, budget))
    async with site.database.write() as tx:
        named = [await tx.by_uri(Actor, uri) for uri in uris]
        appointed = {actor.id for actor in named if actor is not None and actor.kind in ("person", "service")}
        query = select(Membership).where(Membership.group_id == group.id, Membership.role == "moderator")
        for membership in (await tx.execute(query)).scalars():
            if membership.actor_id not in appointed and listing.is_whole and uris:
                membership.role = "member"
        for actor_id in appointed:
            held = await tx.get(Membership, (actor_id, group.id))
            if held is None:
                tx.add(
                    Membership(actor_id=actor_id, group_id=group.id, role="moderator", state="left", created_at=tx.now)
                )
            elif held.role == "member":
                held.role = "moderator"
