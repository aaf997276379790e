"""The job behind the inbox: what was received is carried out, and what it lacks is fetched with no transaction open."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

from multidict import CIMultiDict, CIMultiDictProxy
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import joinedload

from community import jobs
from community.db import Tx
from community.models import Activity, Actor, Host, Membership, Post, Tombstone
from community.policy import Refused as PolicyRefused
from federation import signatures
from federation.client import Budget, BudgetSpent, Gone, Refused, Unreachable
from federation.dereference import Stale, Unknown, bring_in, fetch_key_owner, is_proven, refresh, store_actor
from federation.signatures import BadKey, BadSignature
from federation.site import Site
from federation.vocabulary import Document, id_of, type_of
from inbox.dispatch import carry_out, stones_of
from inbox.groups import ITEM

log = logging.getLogger("folkmoot.inbox")

ATTEMPTS_MAX = 6
# For what somebody forwards, and for each of many things in one announcement.
FEW_FETCHES = 6


@jobs.works("receive", batch=True)
async def receive(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Do what received activities say. First all in one transaction, which is how most of them go; if any of them
    needs more (a fetch, a refusal), that transaction is rolled back and each is done by itself."""
    results: list[jobs.Result] = []
    try:
        alone = await _together(site, claimed)
    except Exception as error:
        if not isinstance(error, Unknown | PolicyRefused | IntegrityError | OperationalError):
            log.exception("a batch of received activities failed; each is done by itself")
        alone = claimed
    waiting: set[str | None] = set()
    for job in alone:
        if job.line in waiting:
            results.append(jobs.Postponed(job))
            continue
        failed = await _alone(site, job)
        if failed is not None:
            results.append(failed)
            waiting |= {job.line} - {None}
    return results


async def _together(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Claimed]:
    """Handle those whose actor and parent we hold; answers the jobs that have to be done one by one."""
    alone: list[jobs.Claimed] = []
    async with site.database.write() as tx:
        rows = await tx.preload(Activity, [job.argument["uri"] for job in claimed])
        documents = {row.uri: json.loads(row.document) for row in rows if not row.outcome}
        await _preload(tx, list(documents.values()))
        done = []
        for job in claimed:
            uri = job.argument["uri"]
            row = await tx.by_uri(Activity, uri)
            if row is None or row.outcome:
                done.append(job)
            elif (
                row.envelope is not None
                or (job.line is not None and any(job.line == other.line for other in alone))
                or await _lacks(tx, documents[uri])
            ):
                alone.append(job)
            else:
                await _apply(tx, row, documents[uri])
                done.append(job)
        if done:
            await jobs.finish(tx, done)
    return alone


async def _preload(tx: Tx, documents: Sequence[Document]) -> None:
    """Everything that most activities ask for, a query for each table instead of one for each activity: each query in
    between would also write down first what has been changed so far."""
    posts_wanted: list[str] = []
    stones: list[str] = []
    actors: list[str] = []
    for document in documents:
        actors.append(id_of(document.get("actor")) or "")
        stones += stones_of(document)
        about = document.get("object")
        uri = id_of(about)
        if uri:
            posts_wanted.append(uri)
            stones.append(uri)
        if isinstance(about, dict):
            for field in ("inReplyTo", "object"):
                if other := id_of(about.get(field)):
                    posts_wanted.append(other)
    known = await tx.preload(Actor, actors)
    held = await tx.preload(Post, posts_wanted, joinedload(Post.author), joinedload(Post.topic))
    await tx.preload(Tombstone, stones)
    await tx.preload_keys(Host, {actor.host for actor in known if actor.host})
    await tx.preload_keys(
        Membership, {(actor.id, group_id) for group_id in {post.topic.group_id for post in held} for actor in known}
    )


async def _lacks(tx: Tx, document: Document) -> bool:
    if type_of(document) == "Announce":
        return True
    if await tx.by_uri(Actor, id_of(document.get("actor")) or "") is None:
        return True
    about = document.get("object")
    parent = id_of(about.get("inReplyTo")) if isinstance(about, dict) else None
    return parent is not None and await tx.by_uri(Post, parent) is None


async def _apply(
    tx: Tx,
    activity: Activity,
    document: Document,
    found: Mapping[str, Document] | None = None,
    *,
    fetched: bool = False,
) -> None:
    """Do what an activity says and keep the outcome. One that another server forwarded, with a valid proof of its
    actor inside, is as good as one that came directly."""
    is_direct = activity.envelope is None
    if not is_direct and await is_proven(tx, document):
        is_direct, activity.envelope = True, None
    outcome = await carry_out(tx, activity, document, is_proven=is_direct, found=found)
    activity.outcome = "fetched" if fetched and outcome == "already-held" else outcome


async def _alone(site: Site, job: jobs.Claimed) -> jobs.Failed | None:
    uri = job.argument["uri"]
    is_forwarded, outcome = False, ""
    found: dict[str, Document] = {}
    was_fetched = False
    budget = Budget(fetches=20, seconds=30)
    try:
        is_forwarded = await _verify_kept(site, uri)
        if is_forwarded or ITEM in uri:
            budget = Budget(fetches=FEW_FETCHES, seconds=15)
        for _ in range(25):
            try:
                async with site.database.write() as tx:
                    row = await tx.by_uri(Activity, uri)
                    if row is not None and not row.outcome:
                        await _apply(tx, row, json.loads(row.document), found, fetched=was_fetched)
                    await jobs.finish(tx, [job])
                return None
            except Stale as stale:
                outcome = await refresh(site, stale, budget, activity_uri=uri if is_forwarded else None)
                break
            except Unknown as missing:
                document = await bring_in(site, missing.uri, budget, via=missing.via)
                was_fetched = True
                if document is not None:
                    found[missing.uri] = document
        outcome = outcome or "needs-too-much"
    except (PolicyRefused, Refused) as refusal:
        outcome = refusal.reason
    except Gone:
        outcome = "reference-gone"
    except BudgetSpent:
        outcome = "budget-spent"
    except (Unreachable, IntegrityError, OperationalError) as error:
        if job.attempts < min(ATTEMPTS_MAX, len(site.settings.retry_seconds)):
            return jobs.Failed(job, str(error)[:300])
        outcome = "unreachable"
    except Exception as error:
        log.exception("activity %s", uri)
        if job.attempts < min(ATTEMPTS_MAX, len(site.settings.retry_seconds)):
            return jobs.Failed(job, f"{type(error).__name__}: {error}"[:300])
        outcome = "error"
    async with site.database.write() as tx:
        ended = update(Activity).where(Activity.uri == uri)
        if is_forwarded or outcome == "signature-wrong":
            # Unless its actor has sent it meanwhile: then there is another job for it.
            ended = ended.where(Activity.envelope.is_not(None))
        await tx.execute(ended.values(outcome=outcome))
        await jobs.finish(tx, [job])
    return None


async def _verify_kept(site: Site, uri: str) -> bool:
    """Prove the signer of a request that was kept because the signer's server did not answer at the time. True for an
    activity that another server forwarded."""
    async with site.database.read() as tx:
        row = await tx.by_uri(Activity, uri)
    if row is None or row.envelope is None:
        return False
    if "forwarded_by" in row.envelope:
        return True
    kept = row.envelope
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict([(name, value) for name, value in kept["headers"]]))
    try:
        claim = signatures.read(
            kept["method"],
            kept["path"],
            headers,
            row.document.encode(),
            authority=site.settings.host,
            scheme_of_origin="https" if site.settings.is_secure else "http",
            now=row.at,
        )
        seen = await fetch_key_owner(site, claim.key_id, Budget(fetches=3, seconds=15))
        is_proven = seen.uri == row.actor_uri and signatures.verify(claim, signatures.load_public_key(seen.public_key))
    except (BadSignature, BadKey):
        is_proven = False
    if not is_proven:
        raise PolicyRefused("signature-wrong")
    async with site.database.write() as tx:
        await store_actor(tx, seen)
        await tx.execute(update(Activity).where(Activity.uri == uri).values(envelope=None))
    return False
