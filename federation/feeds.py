"""PieFed's feeds: lists of communities. A feed says nothing itself; who wants what is in it follows each community."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from community import following, jobs
from community.models import Actor
from community.policy import Refused
from federation.backfill import read_collection
from federation.client import Budget, BudgetSpent, FetchError, Gone, Unreachable
from federation.dereference import fetch_actor, fetch_document, store_actor
from federation.site import Site
from federation.vocabulary import Document, id_of, ids_of, type_of

log = logging.getLogger("folkmoot.federation")

GROUPS_MAX = 50
_NAME_MAX = 100


@dataclass(frozen=True)
class Feed:
    """A feed as its own document describes it; ``groups`` are the ids of the communities in it."""

    uri: str
    name: str
    groups: tuple[str, ...]


def is_feed(document: Document) -> bool:
    return type_of(document) == "Feed"


async def read(site: Site, document: Document, budget: Budget) -> Feed:
    """Read what is in a feed from its ``following``, at most fifty communities. Raises FetchError, BudgetSpent."""
    uri = str(id_of(document))
    listing = await read_collection(site, document.get("following"), (uri,), budget)
    name = document.get("name")
    found = dict.fromkeys(ids_of(listing.items))
    return Feed(uri, " ".join(str(name or uri).split())[:_NAME_MAX], tuple(found)[:GROUPS_MAX])


@jobs.works("follow-feed")
async def follow_feed(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Have one of our members follow every community of a feed; one that does not answer does not cost the others."""
    results: list[jobs.Result] = []
    for job in claimed:
        budget = Budget(fetches=GROUPS_MAX * 2 + 10, seconds=120)
        try:
            feed = await read(site, await fetch_document(site, job.argument["uri"], budget), budget)
        except (FetchError, BudgetSpent, Refused) as error:
            results.append(jobs.Failed(job, str(error), is_final=not isinstance(error, Unreachable)))
            continue
        for uri in feed.groups:
            try:
                await _follow(site, job.argument["actor"], uri, budget)
            except (FetchError, Gone, BudgetSpent, Refused) as error:
                log.info("%s of the feed %s is not followed: %s", uri, feed.uri, error)
        results.append(jobs.Done(job))
    return results


async def _follow(site: Site, actor_id: int, uri: str, budget: Budget) -> None:
    async with site.database.read() as tx:
        held = await tx.by_uri(Actor, uri)
    seen = await fetch_actor(site, uri, budget) if held is None else None
    async with site.database.write() as tx:
        target = await store_actor(tx, seen) if seen is not None else await tx.by_uri(Actor, uri)
        if target is not None and target.kind == "group" and not target.is_local:
            await following.follow(tx, await tx.get_one(Actor, actor_id), target)
