"""The inbox endpoint.

It proves who sent a request, writes the activity down and answers 202; the job in ``work`` does what the activity says.
Every answer is one of: 202 accepted (also for duplicates and for what we do not understand), 400 malformed, 401 not
proven, 403 blocked, 404 no such inbox, 408 too slow, 413 too large, 415 wrong kind, 429 too many. Never 410, which
PieFed takes for "gone for ever", and never 5xx for one bad payload, after which Lemmy would send nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiohttp import web
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.exc import IntegrityError

from community import hosts, jobs
from community.addresses import address_of
from community.db import Tx
from community.models import Activity, Actor
from community.policy import Refused as PolicyRefused
from federation import signatures
from federation.client import Budget, BudgetSpent, FetchError, Unreachable, is_public_address
from federation.dereference import fetch_key_owner, store_actor
from federation.signatures import BadKey, BadSignature, Claim
from federation.site import Site
from federation.vocabulary import Malformed, host_of, id_of, read_json, same_origin, type_of
from inbox.groups import about_of, line_of

log = logging.getLogger("folkmoot.inbox")

BODY_MAX = 1024 * 1024
KEY_FETCH_SECONDS = 3.0
KEY_REFETCH_SECONDS = 300.0
KEY_REST_SECONDS = 20.0
KEY_FAILURES_MAX = 30
ADDRESS_FAILURES_MAX = 100
KEPT_MAX = 1000
HEARD_SECONDS = 60.0
FORWARDED_PER_MINUTE = 60
TYPE_MAX = 100
_CONTENT_TYPES = frozenset({"application/activity+json", "application/ld+json", "application/json"})


@dataclass(frozen=True)
class KnownKey:
    owner_uri: str
    key: signatures.PublicKey


class Refusal(Exception):
    """A request that is not taken in: status and a stable word."""

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Inbox:
    """Takes requests in for one instance: proves the signer, then stores many activities in one commit."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._keys: OrderedDict[str, KnownKey] = OrderedDict()
        self._asked_at: OrderedDict[str, float] = OrderedDict()
        self._resting: dict[str, float] = {}
        self._failures: dict[str, int] = defaultdict(int)
        self._failures_from: dict[str, int] = defaultdict(int)
        self._heard_at: dict[str, float] = {}
        self._fetching: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._counts: dict[str, int] = defaultdict(int)
        self._forwarded: dict[str, int] = defaultdict(int)
        self._counting_since = 0.0
        self._waiting: list[tuple[dict[str, Any], str | None, asyncio.Future[None]]] = []
        self._storing: asyncio.Task[None] | None = None

    async def post(self, request: web.Request) -> web.Response:
        """The aiohttp handler of every inbox."""
        try:
            if "name" in request.match_info and not await self._is_known(
                self.site.settings.origin + request.path.removesuffix("/inbox")
            ):
                raise Refusal(404, "no-such-inbox")
            word = await self._take(request)
        except Refusal as refusal:
            headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else None
            return web.json_response({"error": refusal.reason}, status=refusal.status, headers=headers)
        return web.json_response({"status": word}, status=202)

    async def _take(self, request: web.Request) -> str:
        if request.content_type not in _CONTENT_TYPES:
            raise Refusal(415, "content-type-unsupported")
        if "Content-Encoding" in request.headers:
            raise Refusal(415, "content-encoding-unsupported")
        if (request.content_length or 0) > BODY_MAX:
            raise Refusal(413, "body-too-large")
        try:
            body = await asyncio.wait_for(request.read(), 30)
        except TimeoutError:
            raise Refusal(408, "body-too-slow") from None
        except web.HTTPRequestEntityTooLarge:
            raise Refusal(413, "body-too-large") from None
        settings = self.site.settings
        try:
            claim = signatures.read(
                request.method,
                request.raw_path,
                request.headers,
                body,
                authority=settings.host,
                scheme_of_origin="https" if settings.is_secure else "http",
                now=self.site.database.clock(),
            )
        except BadSignature as error:
            raise Refusal(401, error.reason) from None
        try:
            document = read_json(body)
        except Malformed as error:
            raise Refusal(400, error.reason) from None
        uri, kind, actor_uri = id_of(document), type_of(document), id_of(document.get("actor"))
        if uri is None or kind is None or actor_uri is None or document.get("object") is None:
            raise Refusal(400, "activity-incomplete")
        if len(kind) > TYPE_MAX:
            raise Refusal(400, "type-too-long")
        if not same_origin(uri, actor_uri):
            raise Refusal(400, "id-on-another-server")
        if same_origin(actor_uri, settings.origin):
            raise Refusal(401, "actor-is-ours")
        host = host_of(actor_uri) or ""
        await self._check_host(host)
        if uri in self._seen:
            return "known"
        if kind == "Delete" and id_of(document.get("object")) == actor_uri and not await self._is_known(actor_uri):
            # Its key is gone with it: asking for it would be one fruitless request for every closed account there is.
            return "nothing-to-do"
        envelope = await self._prove(claim, actor_uri, host, request)
        if envelope is None:  # what others forge in its name is not held against a server
            self._counts[host] += 1
        row = {
            "uri": uri,
            "direction": "in",
            "type": kind,
            "actor_uri": actor_uri,
            "object_uri": about_of(document),
            "document": body.decode(),
            "envelope": envelope,
            "at": self.site.database.clock(),
        }
        await self._store(row, line_of(document))
        if envelope is None:
            self._seen[uri] = None
            if len(self._seen) > 50_000:
                self._seen.popitem(last=False)
        return "accepted"

    async def _check_host(self, host: str) -> None:
        if await self.site.blocks(host):
            raise Refusal(403, "host-is-blocked")
        now = time.monotonic()
        if now - self._counting_since > 60:
            self._counting_since = now
            self._counts.clear()
            self._failures.clear()
            self._failures_from.clear()
            self._heard_at = {host: at for host, at in self._heard_at.items() if now - at < HEARD_SECONDS}
            self._forwarded.clear()
            self._resting = {key: until for key, until in self._resting.items() if until > now}
        if self._counts[host] >= self.site.settings.inbox_per_minute:
            raise Refusal(429, "too-many", retry_after=60)

    async def _is_known(self, actor_uri: str) -> bool:
        async with self.site.database.read() as tx:
            return await tx.by_uri(Actor, actor_uri) is not None

    # --- Who signed ---------------------------------------------------------------------------------------------------

    async def _prove(self, claim: Claim, actor_uri: str, host: str, request: web.Request) -> dict[str, Any] | None:
        """None when the signature is that of ``actor_uri``; who forwarded it when it is another's; what a job needs to
        verify it later when the signer's server does not answer just now. Refusal otherwise."""
        signer_host = host_of(claim.key_id)
        if signer_host is None:
            raise Refusal(401, "key-not-found")
        is_from_home = same_origin(claim.key_id, actor_uri)
        if not is_from_home:
            await self._check_forwarder(signer_host)
        host = signer_host
        known = await self.key_of(claim.key_id)
        was_held = known is not None
        address = self._address_of(request)
        if known is None:
            if self._failures[host] >= KEY_FAILURES_MAX or self._failures_from[address] >= ADDRESS_FAILURES_MAX:
                # Otherwise forged requests, each with another key, would make us ask their victim without end.
                raise Refusal(429, "too-many", retry_after=60)
            try:
                known = await self.fetch_key(claim.key_id)
            except Unreachable:
                self._count_failure(host, address)
                if not is_from_home:
                    raise Refusal(401, "key-not-found") from None
                await self._check_kept()
                return {
                    "method": request.method,
                    "path": request.raw_path,
                    "headers": [list(pair) for pair in request.headers.items()],
                    "at": self.site.database.clock().isoformat(),
                }
            except (FetchError, BadKey, PolicyRefused):
                self._count_failure(host, address)
                known = None
            if known is None:
                raise Refusal(401, "key-not-found")
        if not signatures.verify(claim, known.key):
            # The key may have been changed: asked for anew, but not more often than every few minutes.
            renewed = None
            if was_held:
                try:
                    renewed = await self.fetch_key(claim.key_id)
                except (FetchError, BadKey, PolicyRefused):
                    renewed = None
            if renewed is None or not signatures.verify(claim, renewed.key):
                self._count_failure(host if not was_held else "", address)
                raise Refusal(401, "signature-wrong")
            known = renewed
        if known.owner_uri == actor_uri:
            return None
        self._count_forwarded(signer_host)
        return {"forwarded_by": known.owner_uri}

    def _address_of(self, request: web.Request) -> str:
        """The address that failures are counted against; '' for a proxy that the settings do not name."""
        forwarded = request.headers.getall("X-Forwarded-For", [])
        address = address_of(request.remote, forwarded, self.site.settings.trusted_proxies)
        return address if is_public_address(address.partition("/")[0]) else ""

    def _count_failure(self, host: str, address: str) -> None:
        for counts, key in ((self._failures, host), (self._failures_from, address)):
            if key:
                counts[key] += 1

    async def _check_kept(self) -> None:
        """Anybody can send what is not proven yet: few of it are kept."""
        async with self.site.database.read() as tx:
            kept = select(func.count()).select_from(Activity).where(text("envelope IS NOT NULL AND outcome = ''"))
            if ((await tx.scalar(kept)) or 0) >= KEPT_MAX:
                raise Refusal(429, "too-many", retry_after=300)

    async def _check_forwarder(self, host: str) -> None:
        """A server that brings what others did is held to the same rules as they are."""
        await self._check_host(host)
        if self._forwarded[host] >= FORWARDED_PER_MINUTE:
            raise Refusal(429, "too-many", retry_after=60)

    def _count_forwarded(self, host: str) -> None:
        """Each may cost us fetches from a third server: so nobody can make us ask without end."""
        self._forwarded[host] += 1
        if self._forwarded[host] > FORWARDED_PER_MINUTE:
            raise Refusal(429, "too-many", retry_after=60)

    async def key_of(self, key_id: str) -> KnownKey | None:
        known = self._keys.get(key_id)
        if known is not None:
            self._keys.move_to_end(key_id)
            return known
        async with self.site.database.read() as tx:
            row = (
                await tx.execute(select(Actor.uri, Actor.public_key).where(Actor.key_id == key_id, Actor.host != ""))
            ).first()
        if row is None:
            return None
        try:
            return self._keep(key_id, KnownKey(row.uri, signatures.load_public_key(row.public_key)))
        except BadKey:
            return None

    async def fetch_key(self, key_id: str) -> KnownKey | None:
        """Read the key from its owner's own document; what is held by now when that was tried a moment ago.

        Unreachable also for a while after the owner's server did not answer, or not quickly enough.
        """
        async with self._fetching[key_id]:
            now = time.monotonic()
            if now - self._asked_at.get(key_id, -KEY_REFETCH_SECONDS) < KEY_REFETCH_SECONDS:
                self._keys.pop(key_id, None)
                return await self.key_of(key_id)
            if self._resting.get(key_id, 0.0) > now:
                raise Unreachable(key_id, "no-answer-a-moment-ago")
            self._asked_at[key_id] = now
            self._asked_at.move_to_end(key_id)
            if len(self._asked_at) > 20_000:
                self._fetching.pop(self._asked_at.popitem(last=False)[0], None)
            try:
                seen = await fetch_key_owner(self.site, key_id, Budget(fetches=3, seconds=KEY_FETCH_SECONDS))
            except (Unreachable, BudgetSpent):
                self._asked_at.pop(key_id, None)
                self._fetching.pop(key_id, None)
                self._resting[key_id] = time.monotonic() + KEY_REST_SECONDS
                raise Unreachable(key_id, "no-answer") from None
            key = signatures.load_public_key(seen.public_key)
            try:
                async with self.site.database.write() as tx:
                    await store_actor(tx, seen)
            except IntegrityError:  # a job met the same actor at this moment: its row is there now
                async with self.site.database.write() as tx:
                    await store_actor(tx, seen)
            return self._keep(key_id, KnownKey(seen.uri, key))

    def _keep(self, key_id: str, known: KnownKey) -> KnownKey:
        self._keys[key_id] = known
        if len(self._keys) > 10_000:
            self._keys.popitem(last=False)
        return known

    # --- Storing ------------------------------------------------------------------------------------------------------

    async def _store(self, row: dict[str, Any], line: str | None) -> None:
        """Return once the activity is safe on disk. What arrives while one commit is written shares the next."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, line, future))
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store_waiting())
        await future

    async def _store_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:500], self._waiting[500:]
            try:
                async with self.site.database.write() as tx:
                    await _insert(tx, batch)
                    await hosts.heard(tx, self._heard_of(batch))
            except Exception as error:
                if len(batch) > 1:  # one that cannot be stored is not to cost the others their answer
                    for each in batch:
                        await self._store_alone(each)
                    continue
                for _, _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            self.site.database.taken_in_at = time.monotonic()
            for _, _, future in batch:
                if not future.done():
                    future.set_result(None)

    def _heard_of(self, batch: list[tuple[dict[str, Any], str | None, Any]]) -> set[str]:
        """The servers that proved themselves in this batch, each once a minute."""
        now = time.monotonic()
        proven = {host_of(row["actor_uri"]) or "" for row, _, _ in batch if row["envelope"] is None}
        found = {host for host in proven if now - self._heard_at.get(host, float("-inf")) > HEARD_SECONDS}
        self._heard_at.update(dict.fromkeys(found, now))
        return found

    async def _store_alone(self, each: tuple[dict[str, Any], str | None, asyncio.Future[None]]) -> None:
        try:
            async with self.site.database.write() as tx:
                await _insert(tx, [each])
        except Exception as error:
            each[2].set_exception(error)
        else:
            each[2].set_result(None)


_ACTIVITIES: Any = Activity.__table__
_STORED = ("direction", "type", "actor_uri", "object_uri", "document", "envelope", "at")


@lru_cache(maxsize=4)
def _insertion(is_sqlite: bool, is_signed: bool) -> Any:
    """What we hold already stays as it is, except that an activity whose signer was not proven, or was another, gives
    way to one that its actor signed, whatever became of it: otherwise a forger could use up the ids of others."""
    statement: Any = (insert_sqlite if is_sqlite else insert_postgresql)(_ACTIVITIES)
    if not is_signed:
        return statement.on_conflict_do_nothing(index_elements=["uri"])
    new: dict[str, Any] = {name: statement.excluded[name] for name in _STORED} | {"outcome": ""}
    return statement.on_conflict_do_update(index_elements=["uri"], set_=new, where=_ACTIVITIES.c.envelope.is_not(None))


async def _insert(tx: Tx, batch: list[tuple[dict[str, Any], str | None, Any]]) -> None:
    """Write a batch down with a job for each; of several with one id the first counts."""
    for is_signed in (True, False):
        rows = {row["uri"]: row for row, _, _ in reversed(batch) if (row["envelope"] is None) is is_signed}
        if rows:
            values = [{"outcome": "", "sent_count": 0, "failed_count": 0, **row} for row in reversed(rows.values())]
            await tx.execute(_insertion(tx.is_sqlite, is_signed), values)
    lines = {row["uri"]: line for row, line, _ in batch}
    await jobs.add_many(
        tx,
        [
            {"kind": "receive", "argument": {"uri": uri}, "key": None, "lane": "", "line": line, "run_at": tx.now}
            for uri, line in lines.items()
        ],
    )
