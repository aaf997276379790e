"""The only sender: activities are written down, fanned out to inboxes, signed and posted.

A subscriber calls ``send``; that writes the activity and one ``fan-out`` job. The job works out the distinct inboxes
and writes one ``deliver`` job for each. A delivery is signed afresh at every attempt: Mastodon refuses signatures that
are older than about an hour.
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import or_, select, update

from community import jobs
from community.db import Tx
from community.models import Activity, Actor, Host, Membership, Post
from community.policy import names_of_host
from federation import signatures
from federation.client import Forbidden, Signer, Unreachable
from federation.site import Site
from federation.vocabulary import ACTIVITY_JSON, Document, id_of, type_of, without_private_recipients

# By NodeInfo name: what shows a plain Announce as a boost and ignores activities inside one …
MICROBLOGS = frozenset(
    "mastodon gotosocial pleroma akkoma misskey sharkey firefish iceshrimp iceshrimp.net foundkey calckey snac snac2 "
    "takahe fedibird pixelfed hometown glitchcafe mitra honk wafrn threads bonfire".split()
)
# … and what reads the activities inside and treats a plain Announce as a boost at best.
FORUMS = frozenset("lemmy piefed mbin kbin nodebb discourse folkmoot lotide smithereen".split())

_FINAL = frozenset({400, 404, 405, 406, 410, 413, 414, 415, 422, 501})
_BODIES_MAX = 500


@dataclass(frozen=True)
class To:
    """Who gets an activity: followers of groups (and of people), single actors, whoever wrote in a topic.

    ``form`` restricts followers by their server's software: plain (microblogs and unknown), wrapped (forums and
    unknown), lemmy, or '' for all. ``has_left`` adds those who followed once, since they hold copies. ``own_inbox``
    leaves the shared inbox aside, for what concerns one actor alone.
    """

    followers_of: Sequence[int] = ()
    actors: Sequence[int] = ()
    topic: int | None = None
    form: str = ""
    has_left: bool = False
    own_inbox: bool = False


def new_uri(tx: Tx) -> str:
    """An id for a new activity: short (PieFed keeps a hundred characters), lower case, never used again."""
    return f"{tx.settings.origin}/a/{secrets.token_hex(9)}"


async def send(tx: Tx, document: Document, signer: Actor, *to: To) -> None:
    """Write an activity of ours down and have it delivered, once for each distinct inbox of everyone in ``to``."""
    raw = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if '"bto"' in raw or '"bcc"' in raw:
        raw = json.dumps(without_private_recipients(document), ensure_ascii=False, separators=(",", ":"))
    tx.add(
        Activity(
            uri=document["id"],
            direction="out",
            type=str(type_of(document)),
            actor_uri=signer.uri,
            object_uri=_about(document),
            document=raw,
            at=tx.now,
            outcome="sent",
        )
    )
    await jobs.add(
        tx,
        "fan-out",
        {
            "uri": document["id"],
            "signer": signer.id,
            "to": [asdict(each) for each in to],
        },
    )


def _about(document: Document) -> str:
    """The object that an activity is about in the end: that of the inner one for an Announce or Undo of another."""
    about = document.get("object")
    while isinstance(about, dict) and type_of(about) in ("Create", "Update", "Delete", "Announce", "Like", "Follow"):
        about = about.get("object")
    return (id_of(about) or "")[:2000]


async def inboxes(tx: Tx, to: Iterable[To]) -> dict[str, str]:
    """Distinct inboxes with the host each is on."""
    found: dict[str, str] = {}
    columns = (Actor.inbox, Actor.shared_inbox, Actor.host)
    for each in to:
        queries = []
        if each.followers_of:
            query = (
                select(*columns)
                .join(Membership, Membership.actor_id == Actor.id)
                .where(Membership.group_id.in_(each.followers_of))
            )
            if not each.has_left:
                query = query.where(Membership.state == "accepted")
            if each.form:
                query = query.outerjoin(Host, Host.name == Actor.host).where(_runs(each.form))
            queries.append(query)
        if each.actors:
            queries.append(select(*columns).where(Actor.id.in_(each.actors)))
        if each.topic is not None:
            queries.append(
                select(*columns).where(Actor.id.in_(select(Post.author_id).where(Post.topic_id == each.topic)))
            )
        for query in queries:
            rows = await tx.execute(
                query.where(Actor.host != "", Actor.state == "active", Actor.inbox != "").distinct()
            )
            for inbox, shared_inbox, host in rows:
                found[inbox if each.own_inbox or not shared_inbox else shared_inbox] = host
    blocked = set((await tx.execute(select(Host.name).where(Host.state == "blocked"))).scalars())
    return {inbox: host for inbox, host in found.items() if blocked.isdisjoint(names_of_host(host))}


def _runs(form: str) -> Any:
    if form == "lemmy":
        return Host.software == "lemmy"
    others = FORUMS if form == "plain" else MICROBLOGS
    return or_(Host.software.is_(None), Host.software.not_in(others))


@jobs.works("fan-out", batch=True)
async def fan_out(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Turn activities into deliveries, in the same transaction that ends the jobs."""
    async with site.database.write() as tx:
        uris = [job.argument["uri"] for job in claimed]
        ids = dict((await tx.execute(select(Activity.uri, Activity.id).where(Activity.uri.in_(uris)))).all())
        cache: dict[str, dict[str, str]] = {}
        rows: list[dict[str, Any]] = []
        for job in claimed:
            targets = json.dumps(job.argument["to"], sort_keys=True)
            if targets not in cache:
                cache[targets] = await inboxes(tx, [To(**each) for each in job.argument["to"]])
            activity_id = ids.get(job.argument["uri"])
            if activity_id is None:
                continue
            rows += [
                {
                    "kind": "deliver",
                    "argument": {"activity": activity_id, "inbox": inbox, "signer": job.argument["signer"]},
                    "key": None,
                    "lane": host,
                    "line": inbox,
                    "run_at": tx.now,
                }
                for inbox, host in cache[targets].items()
            ]
        for start in range(0, len(rows), 1000):
            await jobs.add_many(tx, rows[start : start + 1000])
        await jobs.finish(tx, claimed)
    return []


# Bodies with their digests, shared by the many deliveries of one activity.
_bodies: OrderedDict[tuple[int, int], tuple[bytes, str]] = OrderedDict()


async def _body(site: Site, activity_id: int, signer_id: int) -> tuple[bytes, str, Signer]:
    key = id(site), activity_id
    held = _bodies.get(key)
    signer = site.held_signer(signer_id)
    if held is None or signer is None:
        async with site.database.read() as tx:
            if held is None:
                row = await tx.get_one(Activity, activity_id)
                body = row.document.encode()
                held = _bodies[key] = body, signatures.digest_of(body)
                if len(_bodies) > _BODIES_MAX:
                    _bodies.popitem(last=False)
            signer = await site.signer(tx, signer_id)
    return *held, signer


async def _count(tx: Tx, results: Sequence[jobs.Result]) -> None:
    """Keep on each activity how many inboxes have it and how many were given up, for ``folkmoot explain``; look again
    at actors whose inbox says that it is gone."""
    sent: dict[int, int] = defaultdict(int)
    failed: dict[int, int] = defaultdict(int)
    for result in results:
        if isinstance(result, jobs.Done):
            sent[result.job.argument["activity"]] += 1
        elif isinstance(result, jobs.Failed) and jobs.is_over(tx, result):
            failed[result.job.argument["activity"]] += 1
            if result.error.startswith(("404", "410")):
                await _doubt(tx, result.job.argument["inbox"])
    for activity_id in {*sent, *failed}:
        await tx.execute(
            update(Activity)
            .where(Activity.id == activity_id)
            .values(
                sent_count=Activity.sent_count + sent[activity_id],
                failed_count=Activity.failed_count + failed[activity_id],
            )
            .execution_options(synchronize_session=False)
        )


async def _doubt(tx: Tx, inbox: str) -> None:
    """Have the owner of an inbox that is gone fetched again: if the account is closed, it follows nothing any more."""
    for uri in (await tx.execute(select(Actor.uri).where(Actor.inbox == inbox, Actor.state == "active"))).scalars():
        await jobs.add(tx, "fetch-actor", {"uri": uri}, key=f"fetch-actor:{uri}")


@jobs.works("deliver", settled=_count)
async def deliver(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Post to one inbox, in order; after a failure the rest of the line waits with it."""
    results: list[jobs.Result] = []
    is_waiting = False
    for job in claimed:
        result = jobs.Postponed(job) if is_waiting else await _deliver(site, job)
        is_waiting = is_waiting or (isinstance(result, jobs.Failed) and not result.is_final)
        results.append(result)
    return results


async def _deliver(site: Site, job: jobs.Claimed) -> jobs.Result:
    inbox = job.argument["inbox"]
    if await site.blocks(job.lane):
        return jobs.Failed(job, "the host is blocked", is_final=True)
    body, digest, signer = await _body(site, job.argument["activity"], job.argument["signer"])
    headers = signatures.sign(
        "POST",
        inbox,
        body,
        signer.private_key,
        signer.key_id,
        now=site.database.clock(),
        digest=digest,
    )
    headers["Content-Type"] = ACTIVITY_JSON
    try:
        answer = await site.client.post(inbox, body, headers)
    except Forbidden as error:
        return jobs.Failed(job, str(error), is_final=True)
    except Unreachable as error:
        return jobs.Failed(job, str(error), lane_is_down=True)
    if 200 <= answer.status < 300:
        return jobs.Done(job)
    said = f"{answer.status} {answer.body[:200].decode(errors='replace')}"
    if answer.status in _FINAL or (answer.status in (401, 403) and job.attempts > 1):
        return jobs.Failed(job, said, is_final=True)
    after = int(answer.retry_after) if answer.retry_after is not None else None
    is_down = answer.status in (408, 425, 429) or answer.status >= 500
    return jobs.Failed(job, said, lane_is_down=is_down, after=after)
