"""Bringing remote things in, exactly when they are needed.

A handler that meets a URI we do not hold raises ``Unknown``; its transaction rolls back, the thing is fetched with no
transaction open (``bring_in``), and the handler runs again, all within one budget for each received activity.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from community import jobs, links, members, polls, posts, topics
from community.db import Tx
from community.debate_models import Debate
from community.models import Activity, Actor, Host, Membership, Post, Theme, Topic
from community.policy import Refused as PolicyRefused
from community.posts import Written
from federation import debates, nodeinfo, proofs
from federation.client import Budget, BudgetSpent, FetchError, Gone, Refused, Unreachable
from federation.site import Site
from federation.translate import (
    ACTOR_KINDS,
    OBJECT_TYPES,
    NotUnderstood,
    SeenActor,
    SeenNote,
    author_of,
    from_actor,
    from_note,
)
from federation.vocabulary import Document, host_of, id_of, same_origin, type_of

log = logging.getLogger("folkmoot.federation")

T = TypeVar("T", Actor, Post)
DEPTH_MAX = 20
FIRST_LOOK = timedelta(minutes=5)
# Half as long as received activities are remembered.
PROOF_AGE_MAX = timedelta(days=30)
ACTIVITY_TYPES = frozenset({"Create", "Update", "Delete", "Announce", "Undo", "Like", "Dislike", "EmojiReact"})


class Unknown(Exception):
    """A handler needs a thing that we do not hold yet. ``via`` is the group elsewhere that told of it: a topic that
    names no other group is then one of its own."""

    def __init__(self, uri: str, via: str | None = None) -> None:
        super().__init__(uri)
        self.uri = uri
        self.via = via


class Stale(Unknown):
    """Something happened to a post that we hold, says somebody who cannot prove it: its origin has to be asked, and
    what it says is done. ``what`` is edited, deleted, or restored by the group ``via``."""

    EDITED, DELETED, RESTORED = "edited", "deleted", "restored"

    def __init__(self, uri: str, what: str = EDITED, via: str | None = None) -> None:
        super().__init__(uri, via)
        self.what = what


async def need(tx: Tx, model: type[T], uri: str | None, *, via: str | None = None) -> T:
    """A row by its URI, or Unknown; what should be ours and is not is a refusal, since nobody else has it."""
    if not uri:
        raise PolicyRefused("reference-missing")
    # Of posts also what stands for one, see ``posts.find_by_uri``.
    found = await posts.find_by_uri(tx, uri) if model is Post else await tx.by_uri(model, uri)
    if isinstance(found, model):
        return found
    if same_origin(uri, tx.settings.origin):
        raise PolicyRefused("not-found-here")
    raise Unknown(uri, via)


# --- Actors ----------------------------------------------------------------------------------------------------------


async def store_actor(tx: Tx, seen: SeenActor) -> Actor:
    """Write down what an actor's own document says; creates the row or brings it up to date."""
    if same_origin(seen.uri, tx.settings.origin):
        raise PolicyRefused("actor-is-ours")
    actor = await tx.by_uri(Actor, seen.uri)
    if actor is None:
        await remember_host(tx, seen.host)
        actor = Actor(uri=seen.uri, host=seen.host, kind=seen.kind, created_at=seen.created_at or tx.now)
        tx.add(actor)
    elif actor.kind != seen.kind and "group" in (actor.kind, seen.kind):
        raise PolicyRefused("actor-changed-kind")
    for field in (
        "url", "handle", "name", "summary_html", "avatar_url", "inbox", "shared_inbox", "outbox", "followers_uri",
        "key_id", "public_key", "proof_key_id", "proof_key", "moved_to", "also_known_as", "moderators_uri",
        "featured_uri",
    ):  # fmt: skip
        setattr(actor, field, getattr(seen, field))
    actor.fetched_at = tx.now
    if actor.state == "gone":
        actor.state = "active"
    await tx.flush()
    tx.remember(actor)
    return actor


async def remember_host(tx: Tx, name: str) -> Host:
    """The row of another server; at first contact a job asks it what software it runs."""
    host = await tx.find(Host, name)
    if host is None:
        # Its first messages come at once: on PostgreSQL several transactions make the row at the same moment.
        insert = insert_sqlite if tx.is_sqlite else insert_postgresql
        await tx.execute(insert(Host).values(name=name).on_conflict_do_nothing())
        host = await tx.get_one(Host, name)
        tx.remember(host)
        await jobs.add(tx, "look-at-host", {"host": name}, key=f"look-at-host:{name}")
    return host


async def fetch_actor(site: Site, uri: str, budget: Budget) -> SeenActor:
    """What an actor's own address says of it at this moment."""
    return _read_actor(await fetch_document(site, uri, budget, fresh=True), site)


async def fetch_document(site: Site, uri: str, budget: Budget, *, fresh: bool = False) -> Document:
    if await site.blocks(host_of(uri) or ""):
        raise PolicyRefused("host-is-blocked")
    return await site.client.get_document(uri, signer=await site.instance_signer(), budget=budget, fresh=fresh)


def _read_actor(document: Document, site: Site) -> SeenActor:
    try:
        return from_actor(document, site.database.clock())
    except NotUnderstood as error:
        raise Refused(str(id_of(document)), error.reason) from None


async def fetch_key_owner(site: Site, key_id: str, budget: Budget) -> SeenActor:
    """The actor whose key this is, as its own document says.

    The key id leads to the actor (a fragment), to a key with an ``owner``, or to a stub of the actor (GoToSocial);
    in every case the actor's own document must list that key id.
    """
    document = await site.client.get_document(
        key_id.partition("#")[0], signer=await site.instance_signer(), budget=budget, fresh=True
    )
    owner = id_of(document.get("owner"))
    if type_of(document) not in ACTOR_KINDS and owner is not None:
        if not same_origin(owner, key_id):
            raise Refused(key_id, "key-of-another")
        document = await site.client.get_document(owner, signer=await site.instance_signer(), budget=budget, fresh=True)
    seen = _read_actor(document, site)
    if seen.key_id != key_id:
        raise Refused(key_id, "key-not-listed")
    return seen


async def retire(tx: Tx, actor: Actor) -> None:
    """An account elsewhere is closed: it follows nothing any more."""
    actor.state, actor.name, actor.summary_html, actor.avatar_url = "gone", "", "", ""
    await tx.execute(
        update(Membership)
        .where(Membership.actor_id == actor.id)
        .values(state="left")
        .execution_options(synchronize_session=False)
    )


@jobs.works("fetch-actor")
async def fetch_actor_again(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Read an actor's document anew from its own address: its key may have changed, or its inbox says it is gone."""
    results: list[jobs.Result] = []
    for job in claimed:
        uri = job.argument["uri"]
        try:
            seen = await fetch_actor(site, uri, Budget(fetches=3, seconds=15))
            async with site.database.write() as tx:
                await debates.keep(tx, await store_actor(tx, seen), seen)
        except Gone:
            async with site.database.write() as tx:
                actor = await tx.by_uri(Actor, uri)
                if actor is not None and not actor.is_local:
                    await retire(tx, actor)
        except (FetchError, BudgetSpent, PolicyRefused) as error:
            results.append(jobs.Failed(job, str(error), is_final=not isinstance(error, Unreachable)))
            continue
        results.append(jobs.Done(job))
    return results


# --- Posts -----------------------------------------------------------------------------------------------------------


async def written(tx: Tx, seen: SeenNote) -> Written:
    """What somebody elsewhere wrote, as the community takes it. Mentions of actors we never met stay plain links."""
    wanted = seen.mentions[:50]
    await tx.preload(Actor, wanted)
    mentioned = [actor for uri in wanted if (actor := await tx.by_uri(Actor, uri)) is not None]
    return Written(
        html=seen.html,
        title=seen.title,
        warning=seen.warning,
        language=seen.language,
        kind=seen.kind,
        uri=seen.uri,
        url=seen.url,
        created_at=seen.created_at,
        edited_at=seen.edited_at,
        mentioned=tuple(mentioned),
        context_uri=seen.context_uri,
        quote_uri=seen.quote_uri,
        poll=seen.poll,
        position=seen.position,
        part=seen.part,
    )


def _as_said_by(author: Actor, group: Actor, said: Written) -> Written:
    """What the clerk of a debate's home writes has a part in it; nobody else's post has."""
    if said.part and (author.kind != "service" or author.host != group.host):
        raise PolicyRefused("part-of-another")
    return said


async def store_note(tx: Tx, seen: SeenNote, activity: Activity | None = None, *, via: str | None = None) -> Post:
    """File a contribution: under its parent, whatever its addressing or context says; else as a topic of the first
    group of ours that it is addressed to, of the group elsewhere that told of it (``via``), or of its author's own
    place, where somebody here follows the author. Raises Unknown for an author or parent that has to be fetched."""
    held = await posts.find_by_uri(tx, seen.uri)
    if held is not None:
        return held
    if not seen.is_public:
        raise PolicyRefused("not-public")
    if seen.vote_for:
        raise PolicyRefused("vote-is-no-post")
    author = await need(tx, Actor, seen.author_uri)
    if author.kind in ("group", "application"):
        raise PolicyRefused("author-is-no-person")
    if seen.in_reply_to is not None:
        parent = await need(tx, Post, seen.in_reply_to, via=via)
        topic = await tx.get_one(Topic, parent.topic_id)
        said = _as_said_by(author, await tx.get_one(Actor, topic.group_id), await written(tx, seen))
        post = await posts.reply(tx, author, topic, said, reply_to=parent, activity=activity)
        await _keep_looking(tx, topic, is_new=False)
        return post
    await _need_debate(tx, seen, author, via)
    group = await addressed_group(tx, seen, author, via)
    if group is None:
        raise PolicyRefused("no-theme-addressed")
    said = _as_said_by(author, group, await written(tx, seen))
    debate = await tx.find(Debate, group.id) if group.is_local else None
    if debate is not None and debate.topic_id is not None:
        # Whoever names the debate and answers nothing speaks on its floor. A topic of their own would be boosted.
        floor = await tx.get_one(Topic, debate.topic_id)
        return await posts.reply(tx, author, floor, said, activity=activity)
    try:
        post = await topics.open(tx, author, group, said, activity=activity)
    except members.Invalid as error:
        raise PolicyRefused(next(iter(error.fields.values()))) from None
    await _keep_looking(tx, post.topic, is_new=not group.is_local)
    return post


async def _need_debate(tx: Tx, seen: SeenNote, author: Actor, via: str | None) -> None:
    """The announcement of a debate, told by a theme that we are linked with, belongs to the debate's own group, which
    has to be known first. Nobody tells of the debates of others."""
    group_uri = seen.groups[0] if seen.groups else ""
    if seen.part != "motion" or author.kind != "service" or via in (None, group_uri):
        return
    if not same_origin(seen.uri, via or "", group_uri):
        raise PolicyRefused("debate-of-another")
    theme = await tx.by_uri(Actor, via or "")
    if theme is not None and await links.themes_linked_with(tx, theme.id):
        await need(tx, Actor, group_uri, via=via)


async def _keep_looking(tx: Tx, topic: Topic, *, is_new: bool) -> None:
    """Look for the rest of a thread whose opener is from elsewhere: answers to it reach its author's server, and ours
    only if the answerer names our group. One of a group elsewhere may have a history already: at once."""
    author = await tx.get_one(Actor, topic.author_id)
    if not author.is_local:
        run_at = tx.now if is_new else tx.now + FIRST_LOOK
        argument = {"topic": topic.id, "step": 0}
        await jobs.add(tx, "backfill-thread", argument, key=f"backfill-thread:{topic.id}", run_at=run_at)


async def addressed_group(tx: Tx, seen: SeenNote, author: Actor, via: str | None) -> Actor | None:
    """The place that a new topic is meant for: audience first, then to, then cc, then mentions.

    A topic of a group elsewhere counts only when that group told of it, or when its author is at home there: what
    anybody else sends us for it, other groups included, has not been taken by that group yet.
    """
    for uri in seen.groups:
        if same_origin(uri, tx.settings.origin):
            actor = await tx.by_uri(Actor, uri)
            if actor is not None and actor.kind == "group" and actor.is_local:
                return actor
    places: dict[str, Actor] = {}
    for uri in [*seen.groups, *([via] if via else [])]:
        actor = await tx.by_uri(Actor, uri)
        if (
            actor is not None
            and actor.kind == "group"
            and not actor.is_local
            and await tx.find(Theme, actor.id) is not None
        ):
            places[uri] = actor
    for uri, place in places.items():
        is_named = uri in seen.groups
        if (uri == via and len(places) == 1) or (is_named and (uri == via or same_origin(uri, seen.uri))):
            return place
    return author if author.kind != "group" and await tx.find(Theme, author.id) is not None else None


async def bring_in(
    site: Site, uri: str, budget: Budget, *, via: str | None = None, fetched: Document | None = None
) -> Document | None:
    """Fetch a thing and everything that it needs first: its author, the posts that it answers. ``via`` as of Unknown;
    ``fetched`` is the thing's own document, where somebody has it already.

    An activity is answered as it is, since only the inbox knows what to do with it. Raises FetchError, BudgetSpent, or
    the policy's Refused when the thing has no place here.
    """
    waiting = [uri]
    held: dict[str, Document] = {} if fetched is None else {uri: fetched}
    while waiting:
        if len(waiting) > DEPTH_MAX:
            raise PolicyRefused("thread-too-deep")
        current = waiting[-1]
        if current not in held:
            if not budget.first_time(current):
                raise PolicyRefused("reference-circle")
            held[current] = await fetch_document(site, current, budget)
        document = held[current]
        if current == uri and type_of(document) in ACTIVITY_TYPES:
            return document
        try:
            if type_of(document) in ACTOR_KINDS:
                seen = _read_actor(document, site)
                async with site.database.write() as tx:
                    await debates.keep(tx, await store_actor(tx, seen), seen)
            else:
                note = _read_note(document, site)
                async with site.database.write() as tx:
                    await store_note(tx, note, via=via)
        except Unknown as missing:
            # Already fetched, and still not there: it needs this very thing, or is known by another id, or is no such
            # thing. Asking again would never end.
            if missing.uri in held:
                raise PolicyRefused("reference-circle") from None
            waiting.append(missing.uri)
            continue
        waiting.pop()
    return None


async def refresh(site: Site, stale: Stale, budget: Budget, *, activity_uri: str | None = None) -> str:
    """Ask a post's origin what became of it, and do that; answers the outcome. ``activity_uri`` is the received
    activity to be passed on. Raises as ``bring_in``."""
    try:
        document = await fetch_document(site, stale.uri, budget, fresh=True)
    except Gone:
        return await _take_away(site, stale.uri, activity_uri)
    note = _read_note(document, site)
    async with site.database.write() as tx:
        post = await tx.by_uri(Post, note.uri)
        if post is None:
            raise PolicyRefused("post-not-held")
        author = await tx.get_one(Actor, post.author_id)
        if note.author_uri != author.uri:
            raise PolicyRefused("only-the-author")
        if not note.is_public:
            raise PolicyRefused("not-public")
        if post.deleted_at is not None:
            if stale.what != Stale.RESTORED:
                return "already-deleted"
            group = await need(tx, Actor, stale.via)
            await posts.restore(tx, group, post, await written(tx, note))
            if note.poll is not None and post.kind == "Question":
                await polls.retell(tx, post, note.poll)
            return "restored"
        activity = await tx.by_uri(Activity, activity_uri) if activity_uri else None
        changed = await posts.edit(tx, author, post, await written(tx, note), activity=activity)
        if note.poll is not None and post.kind == "Question":
            await polls.retell(tx, post, note.poll)
    if changed:
        return "edited"
    return "still-there" if stale.what == Stale.DELETED else "nothing-new"


async def _take_away(site: Site, uri: str, activity_uri: str | None) -> str:
    """The origin of a post says that it is gone: so it is here."""
    async with site.database.write() as tx:
        post = await tx.by_uri(Post, uri)
        if post is None:
            await posts.bury(tx, uri)
            return "remembered"
        if post.deleted_at is not None:
            return "already-deleted"
        author = await tx.get_one(Actor, post.author_id)
        activity = await tx.by_uri(Activity, activity_uri) if activity_uri else None
        await posts.erase(tx, author, post, activity=activity)
        return "deleted"


async def is_proven(tx: Tx, document: Document) -> bool:
    """Whether a document carries a valid proof (FEP-8b32) of its own actor or author, with a key that we hold.

    Of an activity the ``actor`` counts, of an object its author: whoever handed it on could have signed it as well.
    """
    claim = proofs.read(document)
    if claim is None or (claim.expires_at is not None and claim.expires_at <= tx.now):
        return False
    # What is older may have been forgotten here, and would be done a second time.
    if claim.created_at is None or abs(tx.now - claim.created_at) > PROOF_AGE_MAX:
        return False
    try:
        owner = author_of(document) if type_of(document) in OBJECT_TYPES else id_of(document.get("actor"))
    except NotUnderstood:
        return False
    if owner is None or not same_origin(owner, claim.key_id, id_of(document) or ""):
        return False
    actor = await tx.by_uri(Actor, owner)
    return actor is not None and actor.proof_key_id == claim.key_id and proofs.is_made_by(claim, actor.proof_key)


def _read_note(document: Document, site: Site) -> SeenNote:
    try:
        return from_note(document, site.database.clock())
    except NotUnderstood as error:
        raise PolicyRefused(error.reason) from None


# --- Hosts -----------------------------------------------------------------------------------------------------------


@jobs.works("look-at-host")
async def look_at_host(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Ask servers by NodeInfo what they run: it decides in which form a group's announcements reach them."""
    results: list[jobs.Result] = []
    for job in claimed:
        name = job.argument["host"]
        budget = Budget(fetches=3, seconds=15)
        try:
            software = nodeinfo.software_of(await nodeinfo.read(site.client, name, budget))
        except (FetchError, BudgetSpent) as error:
            is_over = isinstance(error, Gone | Refused) or job.attempts >= 3
            results.append(jobs.Done(job) if is_over else jobs.Failed(job, str(error)))
            continue
        async with site.database.write() as tx:
            host = await members.ensure_host(tx, name)
            host.software, host.checked_at = software, tx.now
        results.append(jobs.Done(job))
    return results
