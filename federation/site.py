"""What a running instance consists of: settings, database, the one outgoing client, and the keys in use."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy import select

from community import hosts, keys
from community.db import Database, Tx, transaction_is_open
from community.models import Actor, Keypair
from community.policy import names_of_host
from community.settings import Settings
from federation.client import UNREACHABLE_SECONDS, Client, Signer
from federation.signatures import Scheme, load_private_key

USER_AGENT = "Folkmoot/0.1"


@dataclass
class Site:
    settings: Settings
    database: Database
    client: Client
    _signers: OrderedDict[int, Signer] = field(default_factory=OrderedDict)
    _instance_signer: Signer | None = None
    _blocked: frozenset[str] = frozenset()
    _hosts_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.database.hub.on_signal("keys", self._forget_key)

    def _forget_key(self, actor_id: int) -> None:
        """An actor of ours has new keys: every process hears of it, and loads them when it next signs."""
        self._signers.pop(actor_id, None)
        self._instance_signer = None

    async def blocks(self, host: str) -> bool:
        """Whether we have nothing to do with a server. A new block is known everywhere within ten seconds."""
        await self._look_at_hosts()
        return not self._blocked.isdisjoint(names_of_host(host))

    async def scheme_for(self, host: str) -> Scheme:
        """The form of signatures that a server takes, as far as we learned it."""
        await self._look_at_hosts()
        return self.client.schemes.get(host, "cavage")

    async def learn_scheme(self, host: str, scheme: Scheme) -> None:
        """Remember which form of signatures a server took when it had refused the other."""
        self.client.schemes[host] = scheme
        async with self.database.write() as tx:
            await hosts.remember_style(tx, host, scheme)

    async def _look_at_hosts(self) -> None:
        if time.monotonic() - self._hosts_at > 10:
            self._hosts_at = time.monotonic()
            async with self.database.read() as tx:
                self._blocked = frozenset(await hosts.blocked(tx))
                self.client.schemes |= dict.fromkeys(await hosts.with_style(tx, "rfc9421"), "rfc9421")

    async def signer(self, tx: Tx, actor_id: int) -> Signer:
        """The key of one of our actors. Kept in memory: unsealing and loading cost a hundred signatures' worth."""
        held = self._signers.get(actor_id)
        if held is not None:
            self._signers.move_to_end(actor_id)
            return held
        row = (
            await tx.execute(
                select(Actor.key_id, Keypair.private_key)
                .join(Keypair, Keypair.actor_id == Actor.id)
                .where(Actor.id == actor_id)
            )
        ).one()
        key = load_private_key(keys.unseal(self.settings.secret(), row.private_key))
        assert isinstance(key, RSAPrivateKey)
        signer = self._signers[actor_id] = Signer(row.key_id, key)
        if len(self._signers) > 2000:
            self._signers.popitem(last=False)
        return signer

    def held_signer(self, actor_id: int) -> Signer | None:
        return self._signers.get(actor_id)

    async def instance_signer(self) -> Signer:
        """The key that signs our fetches: the instance's own."""
        if self._instance_signer is None:
            async with self.database.read() as tx:
                actor_id = (
                    await tx.execute(select(Actor.id).where(Actor.uri == self.settings.origin + "/"))
                ).scalar_one()
                self._instance_signer = await self.signer(tx, actor_id)
        return self._instance_signer

    async def close(self) -> None:
        await self.client.close()
        await self.database.close()


def make(settings: Settings) -> Site:
    """Put an instance together; nothing is opened before it is used."""
    client = Client(
        user_agent=f"{USER_AGENT} (+{settings.origin})",
        insecure_peers=frozenset(settings.insecure_peers),
        forbidden=transaction_is_open,
        gets_per_host=settings.fetches_per_host,
        # A job that tries again is to ask again.
        unreachable_seconds=min(UNREACHABLE_SECONDS, settings.retry_seconds[0] / 2),
    )
    return Site(settings, Database(settings), client)
