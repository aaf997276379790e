"""The keys of our own actors; private keys are stored encrypted with the instance's secret.

Every actor has two: an RSA key that signs its requests, and an Ed25519 key that signs what it says inside the
documents themselves (FEP-8b32), so that others can believe a copy that reached them by a third server.
"""

from __future__ import annotations

import asyncio
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache

import base58
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import select

from community.db import Tx
from community.models import Actor, Keypair

PROOF_KEY = "#ed25519-key"
_ED25519 = b"\xed\x01"  # what a Multikey of this kind begins with
_NUMBERED = re.compile(r"-(\d+)$")


@dataclass(frozen=True)
class KeyPair:
    """The two key pairs of one actor. ``proof_key`` is the public Ed25519 key as a Multikey (``z6Mk…``)."""

    public_pem: str
    sealed_private: str
    proof_key: str
    sealed_proof_private: str


@lru_cache(maxsize=4)
def _box(secret: bytes) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"folkmoot private keys").derive(secret)
    return Fernet(urlsafe_b64encode(derived))


def _sealed(secret: bytes, private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _box(secret).encrypt(pem).decode()


def _make(secret: bytes) -> KeyPair:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(public.decode(), _sealed(secret, private), *_make_proof_key(secret))


def _make_proof_key(secret: bytes) -> tuple[str, str]:
    private = ed25519.Ed25519PrivateKey.generate()
    multikey = "z" + base58.b58encode(_ED25519 + private.public_key().public_bytes_raw()).decode()
    return multikey, _sealed(secret, private)


async def make(secret: bytes) -> KeyPair:
    """New keys for one actor, made in a thread since RSA takes some 50 ms. Call it before the transaction."""
    return await asyncio.to_thread(_make, secret)


def unseal(secret: bytes, sealed: str) -> bytes:
    """The private key as PEM."""
    return _box(secret).decrypt(sealed.encode())


async def complete(tx: Tx) -> None:
    """Give a proof key to those of ours who were here before there were any."""
    rows = await tx.execute(
        select(Actor, Keypair).join(Keypair, Keypair.actor_id == Actor.id).where(Keypair.proof_private_key == "")
    )
    secret = tx.settings.secret()
    for actor, pair in rows.all():
        actor.proof_key, pair.proof_private_key = _make_proof_key(secret)
        actor.proof_key_id = actor.uri + PROOF_KEY
    await tx.flush()


async def lack_proof_keys(tx: Tx) -> bool:
    """Whether ``complete`` has anything to do."""
    return await tx.scalar(select(Keypair.actor_id).where(Keypair.proof_private_key == "").limit(1)) is not None


async def rotate(tx: Tx, actor: Actor, made: KeyPair) -> None:
    """Put new keys in the place of an actor's old ones, under new ids (``#main-key-2`` …): a server that holds the old
    key under the old id then knows at once that it has to ask. Every process lets go of the old keys."""
    pair = await tx.get_one(Keypair, actor.id)
    pair.private_key, pair.proof_private_key = made.sealed_private, made.sealed_proof_private
    actor.public_key, actor.proof_key = made.public_pem, made.proof_key
    found = _NUMBERED.search(actor.key_id)
    number = int(found[1]) + 1 if found else 2
    actor.key_id, actor.proof_key_id = f"{actor.uri}#main-key-{number}", f"{actor.uri}{PROOF_KEY}-{number}"
    await tx.flush()
    tx.signal("keys", actor.id)
