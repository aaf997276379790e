"""The only sender: activities are written down, fanned out to inboxes, signed and posted.

A subscriber calls ``send``; that writes the activity and one ``deliver`` job for each distinct inbox, or, where they
are many, one ``fan-out`` job that does so in its own time. A delivery is signed afresh at every attempt: Mastodon
refuses signatures that are older than about an hour.
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import or_, select, update

from community import hosts, jobs, keys
from community.db import Tx
from community.models import Activity, Actor, Host, Job, Keypair, Membership, Post
from community.policy import names_of_host
from federation import proofs, signatures
from federation.client import Forbidden, Sent, Signer, Unreachable
from federation.site import Site
from federation.vocabulary import (
    ACTIVITY_JSON,
    Document,
    id_of,
    is_public,
    type_of,
    without_private_recipients,
)

# By NodeInfo name: what shows a plain Announce as a boost and ignores activities inside one …
MICROBLOGS = frozenset(
    "mastodon gotosocial pleroma akkoma misskey sharkey firefish iceshrimp iceshrimp.net foundkey calckey snac snac2 "
    "takahe fedibird pixelfed hometown glitchcafe mitra honk wafrn threads bonfire".split()
)
# … and what reads the activities inside and treats a plain Announce as a boost at best.
FORUMS = frozenset("lemmy piefed mbin kbin nodebb discourse folkmoot lotide smithereen".split())

# What shows an Event with its date and place. PieFed does too, and reads the whole activity.
CALENDARS = frozenset("mobilizon gancio friendica hubzilla wordpress gathio bonfire".split())
# What files a plain Announce as a topic of its own, away from its thread.
_FILES_BOOSTS = frozenset("lemmy mbin kbin".split())

_FINAL = frozenset({400, 404, 405, 406, 410, 413, 414, 415, 422, 501})
_BODIES_MAX = 500
AT_ONCE_MAX = 200


@dataclass(frozen=True)
class To:
    """Who gets an activity: followers of groups (and of people), single actors, whoever wrote in a topic.

    ``form`` restricts followers by their server's software: plain (microblogs and unknown), wrapped (forums and
    unknown), microblog (these only), boosts (all that do not file a boost as a topic), events (those that keep
    calendars), lemmy, gotosocial, piefed, or '' for all. ``has_left`` adds those who followed once, since they hold
    copies. ``own_inbox`` leaves the shared inbox aside, for what concerns one alone.
    """

    followers_of: tuple[int, ...] = ()
    actors: tuple[int, ...] = ()
    topic: int | None = None
    form: str = ""
    has_left: bool = False
    own_inbox: bool = False


async def is_on_forum(tx: Tx, actor: Actor) -> bool:
    """Whether somebody is at home on a server that reads the activities inside announcements."""
    host = await tx.find(Host, actor.host) if actor.host else None
    return host is not None and host.software in FORUMS


def new_uri(tx: Tx) -> str:
    """An id for a new activity: short (PieFed keeps a hundred characters), lower case, never used again."""
    return f"{tx.settings.origin}/a/{secrets.token_hex(9)}"


_SIGNED = frozenset({"Create", "Update", "Delete"})
_PROOF_KEYS_MAX = 2000
_proof_keys: OrderedDict[str, Ed25519PrivateKey] = OrderedDict()


async def signed(tx: Tx, document: Document, signer: Actor) -> Document:
    """What one of ours says in public, with a proof that it did (FEP-8b32): whoever hands it on, it can be believed.

    The same however often it is asked for in one transaction; documents of other kinds come back as they are.
    """
    if (
        type_of(document) not in _SIGNED
        or not signer.is_local
        or not signer.proof_key
        or "proof" in document
        or not is_public(document)
    ):
        return document
    noted = ("signed", document["id"])
    if noted not in tx.noted:
        tx.noted[noted] = proofs.sign(document, await _proof_key(tx, signer), signer.proof_key_id, tx.now)
    found: Document = tx.noted[noted]
    return found


async def _proof_key(tx: Tx, signer: Actor) -> Ed25519PrivateKey:
    """Kept in memory by the public key that belongs to it, so that a new one is never mistaken for the old."""
    held = _proof_keys.get(signer.proof_key)
    if held is None:
        sealed = (await tx.execute(select(Keypair.proof_private_key).where(Keypair.actor_id == signer.id))).scalar_one()
        loaded = signatures.load_private_key(keys.unseal(tx.settings.secret(), sealed))
        assert isinstance(loaded, Ed25519PrivateKey)
        held = loaded
        _proof_keys[signer.proof_key] = held
        if len(_proof_keys) > _PROOF_KEYS_MAX:
            _proof_keys.popitem(last=False)
    return held


async def send(tx: Tx, document: Document, signer: Actor, *to: To) -> None:
    """Write an activity of ours down and have it delivered, once for each distinct inbox of everyone in ``to``."""
    raw = _written(document)
    if '"bto"' in raw or '"bcc"' in raw:
        document = without_private_recipients(document)
    raw = _written(await signed(tx, document, signer))
    tx.insert(
        Activity,
        uri=document["id"],
        direction="out",
        type=str(type_of(document)),
        actor_uri=signer.uri,
        object_uri=_about(document),
        document=raw,
        at=tx.now,
        outcome="sent",
    )
    await _spread(tx, document["id"], _about(document), signer, to)


async def forward(tx: Tx, activity: Activity, signer: Actor, *to: To) -> None:
    """Have what somebody elsewhere sent delivered in the very bytes that came, signed over HTTP by one of ours.

    Who gets it believes the author's own signature inside (Mastodon's LD signature, FEP-8b32): where there is none, or
    where somebody is named who was not to be seen, nothing is sent.
    """
    document = json.loads(activity.document)
    is_signed = bool(document.get("signature") or document.get("proof"))
    if is_signed and '"bto"' not in activity.document and '"bcc"' not in activity.document:
        await _spread(tx, activity.uri, _about(document), signer, to)


async def _spread(tx: Tx, uri: str, about: str, signer: Actor, to: tuple[To, ...]) -> None:
    found = await _noted_inboxes(tx, to)
    if len(found) <= AT_ONCE_MAX:
        await _deliver_to(tx, uri, signer.id, found)
    else:
        argument = {"uri": uri, "signer": signer.id, "to": [asdict(each) for each in to]}
        # What is about one object is fanned out in order, also where several workers are at it.
        await jobs.add(tx, "fan-out", argument, line=f"out {about}")


def _written(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


async def _noted_inboxes(tx: Tx, to: tuple[To, ...]) -> dict[str, str]:
    """The inboxes of followers are looked up once in a transaction, which may handle many activities."""
    if any(each.topic is not None or each.actors for each in to):
        return await inboxes(tx, to)
    if to not in tx.noted:
        tx.noted[to] = await inboxes(tx, to)
    found: dict[str, str] = tx.noted[to]
    return found


async def _deliver_to(tx: Tx, uri: str, signer_id: int, found: dict[str, str]) -> None:
    """What is for a server that does not answer waits with the rest that is for it."""
    resting = await hosts.not_now(tx)
    for inbox, host in found.items():
        tx.insert(
            Job,
            kind="deliver",
            argument={"activity": uri, "inbox": inbox, "signer": signer_id},
            key=None,
            lane=host,
            line=inbox,
            run_at=resting.get(host) or tx.now,
            attempts=0,
            error="",
        )
    tx.has_jobs = tx.has_jobs or bool(found)


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
    blocked = set(await hosts.blocked(tx))
    lost = {name for name, until in (await hosts.not_now(tx)).items() if until is None}
    return {
        inbox: host for inbox, host in found.items() if host not in lost and blocked.isdisjoint(names_of_host(host))
    }


def _runs(form: str) -> Any:
    if form in ("lemmy", "gotosocial", "piefed"):
        return Host.software == form
    if form == "events":
        return Host.software.in_(CALENDARS)
    if form == "boosts":
        return or_(Host.software.is_(None), Host.software.not_in(_FILES_BOOSTS))
    if form == "microblog":
        return Host.software.in_(MICROBLOGS)
    others = FORUMS if form == "plain" else MICROBLOGS
    return or_(Host.software.is_(None), Host.software.not_in(others))


@jobs.works("fan-out", batch=True)
async def fan_out(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Turn activities into deliveries, in the same transaction that ends the jobs."""
    async with site.database.write() as tx:
        for job in claimed:
            to = tuple(To(**each) for each in job.argument["to"])
            await _deliver_to(tx, job.argument["uri"], job.argument["signer"], await inboxes(tx, to))
        await jobs.finish(tx, claimed)
    return []


# Bodies with their digests, shared by the many deliveries of one activity.
_bodies: OrderedDict[str, tuple[bytes, str]] = OrderedDict()


async def _body(site: Site, uri: str, signer_id: int) -> tuple[bytes, str, Signer]:
    held = _bodies.get(uri)
    signer = site.held_signer(signer_id)
    if held is None or signer is None:
        async with site.database.read() as tx:
            if held is None:
                sent = select(Activity.document).where(Activity.uri == uri)
                body = (await tx.execute(sent)).scalar_one().encode()
                held = _bodies[uri] = body, signatures.digest_of(body)
                if len(_bodies) > _BODIES_MAX:
                    _bodies.popitem(last=False)
            signer = await site.signer(tx, signer_id)
    return *held, signer


async def _count(tx: Tx, results: Sequence[jobs.Result]) -> None:
    """Keep on each activity how many inboxes have it and how many were given up, for ``folkmoot explain``; look again
    at actors whose inbox says that it is gone."""
    sent: dict[str, int] = defaultdict(int)
    failed: dict[str, int] = defaultdict(int)
    for result in results:
        if isinstance(result, jobs.Done):
            sent[result.job.argument["activity"]] += 1
        elif isinstance(result, jobs.Failed) and jobs.is_over(tx, result):
            failed[result.job.argument["activity"]] += 1
            if result.error.startswith(("404", "410")):
                await _doubt(tx, result.job.argument["inbox"])
    for uri in {*sent, *failed}:
        await tx.execute(
            update(Activity)
            .where(Activity.uri == uri)
            .values(
                sent_count=Activity.sent_count + sent[uri],
                failed_count=Activity.failed_count + failed[uri],
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


# What is said to a signature that is not understood.
_NOT_BELIEVED = (400, 401)


async def _knock(site: Site, host: str, inbox: str, body: bytes, digest: str, signer: Signer) -> Sent:
    """Post, and where the signature is not believed, at once a second time with the other form of signatures.

    draft-cavage goes first, since some servers answer 202 to RFC 9421 and drop what they got. The second answer
    counts, unless it is a refusal too: then the first does.
    """

    async def post(scheme: signatures.Scheme) -> Sent:
        headers = signatures.sign(
            "POST",
            inbox,
            body,
            signer.private_key,
            signer.key_id,
            scheme=scheme,
            now=site.database.clock(),
            digest=digest,
        )
        headers["Content-Type"] = ACTIVITY_JSON
        return await site.client.post(inbox, body, headers)

    scheme = await site.scheme_for(host)
    answer = await post(scheme)
    if answer.status not in _NOT_BELIEVED:
        return answer
    other = signatures.other_scheme(scheme)
    second = await post(other)
    if 200 <= second.status < 300:
        await site.learn_scheme(host, other)
    return answer if second.status in _NOT_BELIEVED else second


async def _deliver(site: Site, job: jobs.Claimed) -> jobs.Result:
    inbox = job.argument["inbox"]
    if await site.blocks(job.lane):
        return jobs.Failed(job, "the host is blocked", is_final=True)
    body, digest, signer = await _body(site, job.argument["activity"], job.argument["signer"])
    try:
        answer = await _knock(site, job.lane, inbox, body, digest, signer)
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
