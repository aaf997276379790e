"""The key pairs of our own actors; private keys are stored encrypted with the instance's secret."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@dataclass(frozen=True)
class KeyPair:
    public_pem: str
    sealed_private: str


def _box(secret: bytes) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"folkmoot private keys").derive(secret)
    return Fernet(urlsafe_b64encode(derived))


def _make(secret: bytes) -> KeyPair:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(public.decode(), _box(secret).encrypt(pem).decode())


async def make(secret: bytes) -> KeyPair:
    """A new RSA key pair, made in a thread since it takes some 50 ms. Call it before the transaction."""
    return await asyncio.to_thread(_make, secret)


def unseal(secret: bytes, sealed: str) -> bytes:
    """The private key as PEM."""
    return _box(secret).decrypt(sealed.encode())
