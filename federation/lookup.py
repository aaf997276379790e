"""From what somebody types (a handle, an address) to the thing itself, held here."""

from __future__ import annotations

import logging
from datetime import timedelta

from community import members, text
from community.models import Actor, Post
from community.policy import Refused as PolicyRefused
from federation import feeds, webfinger
from federation.client import Budget, BudgetSpent, FetchError, Forbidden, Gone, Unreachable
from federation.dereference import bring_in, fetch_actor, store_actor
from federation.feeds import Feed
from federation.site import Site
from federation.translate import ACTOR_KINDS, NotUnderstood, author_of
from federation.vocabulary import Document, host_of, id_of, same_origin, type_of

log = logging.getLogger("folkmoot.federation")

FRESH = timedelta(days=1)
# Refusals that mean something to whoever pasted an address; the others are about how a document is written.
_SAID = frozenset({"host-is-blocked", "not-public", "was-deleted", "topic-is-deleted", "topic-is-closed"})


class FoundFeed(Exception):
    """The address is that of a list of communities."""

    def __init__(self, feed: Feed) -> None:
        super().__init__(feed.uri)
        self.feed = feed


class NotFound(Exception):
    """Nothing that could be shown; ``reason`` is the key of a sentence. ``author_uri`` is the author of a post that has
    no place here, whom following would give one."""

    def __init__(self, reason: str, author_uri: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.author_uri = author_uri


async def look_up(site: Site, typed: str, *, seconds: float = 12) -> str:
    """The URI of what is named by a handle (`@name@host`, `!name@host`) or an address, which is held from then on.

    An address of this site is given back as it is. Asks other servers: no transaction may be open. Raises NotFound,
    and FoundFeed for what is no single thing.
    """
    budget = Budget(fetches=12, seconds=seconds)
    try:
        handle = webfinger.parse_handle(typed)
        if handle is not None:
            return await _by_handle(site, *handle, budget, is_group=typed.lstrip().startswith("!"))
        if typed.startswith(("https://", "http://")) and host_of(typed) is not None:
            return await _by_address(site, typed, budget)
    except PolicyRefused as refused:
        raise NotFound(refused.reason if refused.reason in _SAID else "not-understood-there") from None
    except Gone:
        raise NotFound("nothing-there") from None
    except Forbidden:
        raise NotFound("address-form") from None
    except (Unreachable, BudgetSpent):
        raise NotFound("no-answer-from-there") from None
    except FetchError:
        raise NotFound("not-understood-there") from None
    raise NotFound("address-form")


async def look_up_person(site: Site, typed: str) -> Actor:
    """The person with this handle or address, here or elsewhere; `@name` alone is somebody here.

    Other servers are asked only for whom we do not know. Raises NotFound.
    """
    typed = typed.strip()
    name, host = webfinger.parse_handle(typed) or (typed.removeprefix("@"), "")
    async with site.database.read() as tx:
        actor = await members.find(tx, name, host)
    if actor is None:
        try:
            uri = await look_up(site, typed)
        except FoundFeed:
            raise NotFound("not-a-person") from None
        async with site.database.read() as tx:
            actor = await tx.by_uri(Actor, uri)
    if actor is None or actor.kind not in ("person", "service"):
        raise NotFound("not-a-person")
    return actor


async def look_up_mentions(site: Site, source: str) -> None:
    """Get to know the remote people whom a text of ours mentions, as far as their servers answer quickly."""
    async with site.database.read() as tx:
        wanted = [
            (name, host)
            for name, host in text.mentions_in(source)
            if host and host != site.settings.host and await members.find(tx, name, host) is None
        ]
    budget = Budget(fetches=12, seconds=6)
    for name, host in wanted[:5]:
        try:
            await _by_handle(site, name, host, budget, is_group=False)
        except (FetchError, BudgetSpent, PolicyRefused, NotFound) as error:
            log.info("mention of %s@%s not found: %s", name, host, error)


async def _by_handle(site: Site, name: str, host: str, budget: Budget, *, is_group: bool) -> str:
    async with site.database.read() as tx:
        held = await members.find(tx, name, host)
        is_fresh = held is not None and (
            held.is_local or (held.fetched_at is not None and held.fetched_at > tx.now - FRESH)
        )
    if held is not None and is_fresh and (not is_group or held.kind == "group"):
        return held.uri
    if host == site.settings.host:
        raise NotFound("nothing-there")
    if await site.blocks(host):
        raise PolicyRefused("host-is-blocked")
    uri = await webfinger.find(site.client, name, host, budget, kind="Group" if is_group else "")
    if same_origin(uri, site.settings.origin):
        return uri
    seen = await fetch_actor(site, uri, budget)
    async with site.database.write() as tx:
        return (await store_actor(tx, seen)).uri


async def _by_address(site: Site, address: str, budget: Budget) -> str:
    if same_origin(address, site.settings.origin):
        return address
    async with site.database.read() as tx:
        if await tx.by_uri(Post, address) is not None or await tx.by_uri(Actor, address) is not None:
            return address
    if await site.blocks(host_of(address) or ""):
        raise PolicyRefused("host-is-blocked")
    document = await site.client.get_document(address, signer=await site.instance_signer(), budget=budget, fresh=True)
    if feeds.is_feed(document):
        raise FoundFeed(await feeds.read(site, document, budget))
    uri = str(id_of(document))
    try:
        await bring_in(site, uri, budget)
    except PolicyRefused as refused:
        if refused.reason == "no-theme-addressed" and type_of(document) not in ACTOR_KINDS:
            raise NotFound("no-place-for-this", _author(document)) from None
        raise
    return uri


def _author(document: Document) -> str:
    try:
        return author_of(document)
    except NotUnderstood:
        return ""
