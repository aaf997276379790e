"""What a link makes us ask of the other instance: what it says of itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from community import jobs, links
from community.db import Tx
from community.events import LinkChanged, on
from community.models import Actor, Link
from federation import nodeinfo
from federation.client import Budget, BudgetSpent, FetchError
from federation.shapes import words
from federation.site import Site

LOOK_AGAIN = timedelta(hours=12)
TRIES = 4
THEMES_MAX = 20


@on(LinkChanged)
async def get_to_know(tx: Tx, event: LinkChanged) -> None:
    """Who they are, when a link is spoken of. The topics that they hold are fetched as soon as they accept our follow,
    as for every other follow."""
    if event.what in ("propose", "ask", "accept"):
        await _look(tx, event.other.host)


async def _look(tx: Tx, host: str, after: timedelta = timedelta(0)) -> None:
    await jobs.add(tx, "look-at-city", {"host": host}, key=f"look-at-city:{host}", run_at=tx.now + after)


@jobs.works("look-at-city")
async def look_at_city(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Ask linked instances by NodeInfo for their name, what they are and their themes; twice a day, while linked."""
    results: list[jobs.Result] = []
    for job in claimed:
        host, city = job.argument["host"], None
        try:
            if not await site.blocks(host):
                info = await nodeinfo.read(site.client, host, Budget(fetches=3, seconds=15))
                city = _city_of(host, info) if info else None
        except (FetchError, BudgetSpent) as error:
            if job.attempts < TRIES:
                results.append(jobs.Failed(job, str(error)))
                continue
            # What was heard before is kept.
        async with site.database.write() as tx:
            if city is not None:
                await links.keep_city(tx, city)
            # Ends itself here: the next look has the same key.
            await jobs.finish(tx, [job])
            rows = await tx.execute(
                select(Link.state)
                .join(Actor, Actor.id == Link.other_id)
                .where(Actor.host == host, Link.state.in_(links.ACTIVE))
            )
            if rows.first() is not None:
                await _look(tx, host, LOOK_AGAIN)
    return results


def _city_of(host: str, info: dict[str, Any]) -> links.City:
    """What NodeInfo's free ``metadata`` says, as far as it is of the usual shape: nodeName and nodeDescription are
    what Misskey, Pleroma, Lemmy and NodeBB write there; ``themes`` (slug and name) is ours."""
    metadata = info.get("metadata")
    said: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
    themes = said.get("themes")
    return links.City(
        host,
        words(said.get("nodeName"), 80),
        words(said.get("nodeDescription"), 500),
        nodeinfo.software_of(info),
        tuple(
            (words(each.get("slug"), 50), words(each.get("name"), 80))
            for each in (themes if isinstance(themes, list) else [])[:THEMES_MAX]
            if isinstance(each, dict)
        ),
    )
