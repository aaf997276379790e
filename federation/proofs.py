"""Proofs inside documents (FEP-8b32): Ed25519 signatures by the cryptosuite eddsa-jcs-2022. Pure functions.

A proof says that the holder of a key made this very document, whoever handed it on. It says nothing about when it was
sent, nor whether the key belongs to the document's actor: whoever uses it compares ``Claim.key_id`` with the key that
the actor's own document lists (FEP-521a).

What is signed is two hashes, one after the other: of the proof's own members without its value, and of the document
without its proof, each in the one spelling that RFC 8785 gives to a JSON document.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import base58
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from federation.vocabulary import AS2, Document, format_time, id_of, origin_of, parse_time, same_origin

CONTEXT = "https://w3id.org/security/data-integrity/v2"
MULTIKEY_CONTEXT = "https://w3id.org/security/multikey/v1"

_ED25519 = b"\xed\x01"
_MULTIBASE_MAX = 100  # 64 bytes are 88 characters; decoding takes the square of the length
_FUTURE = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Claim:
    """A proof that is sound in form and still has to be verified. ``bases`` are the texts it may have been made over;
    ``created_at`` is when it was made, ``expires_at`` the end that its maker gave it, if they are named."""

    key_id: str
    bases: tuple[bytes, ...]
    signature: bytes
    created_at: datetime | None
    expires_at: datetime | None


def sign(document: Document, private_key: Ed25519PrivateKey, key_id: str, now: datetime) -> Document:
    """The document with a proof, and with the context that explains it.

    The proof repeats the document's context, as the specification has it: verifiers of both schools, those who read
    it there and those who take the document's, arrive at the same bytes.
    """
    context = _context(document.get("@context", AS2))
    unsecured = {**document, "@context": context}
    unsecured.pop("proof", None)
    proof = {
        "@context": context,
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": key_id,
        "proofPurpose": "assertionMethod",
        "created": format_time(now),
    }
    made = private_key.sign(_base(proof, unsecured))
    return {**unsecured, "proof": {**proof, "proofValue": "z" + base58.b58encode(made).decode()}}


def _context(given: Any) -> list[Any]:
    """The context with that of proofs in it, before any terms of our own."""
    context = list(given) if isinstance(given, list) else [given]
    if CONTEXT not in context:
        place = next((at for at, each in enumerate(context) if not isinstance(each, str)), len(context))
        context.insert(place, CONTEXT)
    return context


def _base(proof: Document, unsecured: Document) -> bytes:
    return b"".join(hashlib.sha256(rfc8785.dumps(each)).digest() for each in (proof, unsecured))


def read(document: Document) -> Claim | None:
    """The proof of a document, if there is exactly one of the kind that we know; None otherwise, never an error.

    Only the document's own proof counts, never one of something inside it.
    """
    proof = document.get("proof")
    if isinstance(proof, list):
        proof = proof[0] if len(proof) == 1 else None
    if not isinstance(proof, dict):
        return None
    key_id, value = proof.get("verificationMethod"), proof.get("proofValue")
    expires = proof.get("expires")
    expires_at, created_at = parse_time(expires, _FUTURE), parse_time(proof.get("created"), _FUTURE)
    if (
        proof.get("type") != "DataIntegrityProof"
        or proof.get("cryptosuite") != "eddsa-jcs-2022"
        or proof.get("proofPurpose") != "assertionMethod"
        or not isinstance(key_id, str)
        or origin_of(key_id) is None
        or (expires is not None and expires_at is None)
        or (proof.get("created") is not None and created_at is None)
    ):
        return None
    signature = _bytes(value)
    if signature is None or len(signature) != 64:
        return None
    bases = _bases(document, proof)
    return Claim(key_id, bases, signature, created_at, expires_at) if bases else None


def _bases(document: Document, proof: Document) -> tuple[bytes, ...]:
    # A linked-data signature is made after the proof and covers it, so it was not there yet.
    unsecured = {name: value for name, value in document.items() if name not in ("proof", "signature")}
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    try:
        if "@context" not in options:
            # By the letter the proof is hashed as it stands; Fedify always puts the document's context into it first.
            with_context = {**options, "@context": document.get("@context")}
            return _base(with_context, unsecured), _base(options, unsecured)
        ours, theirs = _listed(document.get("@context")), _listed(options["@context"])
        if ours[: len(theirs)] != theirs:
            return ()
        return (_base(options, {**unsecured, "@context": options["@context"]}),)
    except (rfc8785.CanonicalizationError, RecursionError):  # numbers that JavaScript cannot hold
        return ()


def _listed(context: Any) -> list[Any]:
    return context if isinstance(context, list) else [context]


def _bytes(multibase: Any) -> bytes | None:
    if not isinstance(multibase, str) or len(multibase) > _MULTIBASE_MAX or not multibase.startswith("z"):
        return None
    try:
        return base58.b58decode(multibase[1:])
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def load_multikey(multikey: str) -> Ed25519PublicKey | None:
    """The Ed25519 key in a Multikey (``z6Mk…``), None for anything else."""
    raw = _bytes(multikey)
    if raw is None or len(raw) != 34 or not raw.startswith(_ED25519):
        return None
    return Ed25519PublicKey.from_public_bytes(raw[2:])


def verify(document: Document, multikey: str) -> bool:
    """Whether the holder of this key made this document. Says nothing about whose key it is."""
    claim = read(document)
    return claim is not None and is_made_by(claim, multikey)


def is_made_by(claim: Claim, multikey: str) -> bool:
    """Whether the holder of this key made the claim."""
    key = load_multikey(multikey)
    if key is None:
        return False
    for base in claim.bases:
        try:
            key.verify(claim.signature, base)
        except InvalidSignature:
            continue
        return True
    return False


# --- The keys of actors ---------------------------------------------------------------------------


def key_listed(actor: Document) -> tuple[str, str]:
    """Id and Multikey of the first Ed25519 key under an actor's ``assertionMethod`` that is its own; empty strings
    where there is none. A key of another controller, or with an id on another server, is passed over."""
    uri, listed = id_of(actor), actor.get("assertionMethod")
    for each in (listed if isinstance(listed, list) else [listed])[:20]:
        if not isinstance(each, dict) or uri is None or "Multikey" not in _listed(each.get("type")):
            continue
        key_id, multikey = id_of(each), each.get("publicKeyMultibase")
        if (
            key_id is not None
            and id_of(each.get("controller")) == uri
            and same_origin(key_id, uri)
            and isinstance(multikey, str)
            and load_multikey(multikey) is not None
        ):
            return key_id, multikey
    return "", ""


def multikey(actor_uri: str, key_id: str, key: str) -> Document:
    """The same as an actor of ours lists it."""
    return {"id": key_id, "type": "Multikey", "controller": actor_uri, "publicKeyMultibase": key}
