"""HTTP signatures in both forms in use, draft-cavage and RFC 9421, made and checked. Pure functions.

Outgoing: `sign` returns the headers to add. Incoming: `read` parses a request once and checks everything
that needs no key, and returns a Claim; `verify` checks the claim against a key. A verified claim says who
sent the request and nothing more: whoever uses it compares the owner of `claim.key_id` with the `actor`.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from yarl import URL

from federation.vocabulary import origin_of

PrivateKey = RSAPrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | Ed25519PublicKey
Scheme = Literal["cavage", "rfc9421"]

# Lemmy refuses a Date older than an hour, Mastodon one of 65 minutes; clocks may be five minutes fast.
AGE_MAX = timedelta(hours=1)
SKEW_MAX = timedelta(minutes=5)

RSA_BITS = 2048
RSA_BITS_MAX = 8192
RSA_EXPONENT_BITS_MAX = 33
PEM_MAX = 16 * 1024
HEADER_MAX = 8 * 1024

_PKCS1 = PKCS1v15()
_SHA256 = SHA256()


class BadSignature(Exception):
    """A request whose signature cannot be right; `reason` is a stable word such as "digest-mismatch"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadKey(ValueError):
    """A public key we do not work with; `reason` is a stable word such as "key-too-short"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Headers(Protocol):
    """What `read` asks of the headers of a request; aiohttp's CIMultiDictProxy has it."""

    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]:
        """Every value of a header, whatever the case of its name."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A signature that is sound in form and still has to be verified.

    `bases` are the texts it may have been made over: with and without the query string. `signed_at` is the
    time the signer gave, which is covered by the signature.
    """

    key_id: str
    scheme: Scheme
    algorithm: str | None
    bases: tuple[bytes, ...]
    signature: bytes
    signed_at: datetime


# --- Keys -----------------------------------------------------------------------------------------


def new_private_key() -> RSAPrivateKey:
    """A new RSA key of 2048 bits. Takes about 100 ms: call it in a thread."""
    return generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def load_private_key(pem: bytes) -> PrivateKey:
    """One of our own private keys, as `private_pem` wrote it.

    Its consistency is not checked again, which would take 30 to 40 ms; never call this with a foreign key.
    """
    key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, PrivateKey):
        raise BadKey("key-type-refused")
    return key


def load_public_key(pem: str) -> PublicKey:
    """The RSA key (2048 to 8192 bits) or Ed25519 key in a `publicKeyPem`; BadKey for anything else."""
    if len(pem) > PEM_MAX:
        raise BadKey("key-unreadable")
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("key-unreadable") from None
    if isinstance(key, Ed25519PublicKey):
        return key
    if not isinstance(key, RSAPublicKey):
        raise BadKey("key-type-refused")
    if key.key_size < RSA_BITS:
        raise BadKey("key-too-short")
    # Long moduli and exponents make one verification cost as much as thousands.
    if key.key_size > RSA_BITS_MAX or key.public_numbers().e.bit_length() > RSA_EXPONENT_BITS_MAX:
        raise BadKey("key-too-long")
    return key


def private_pem(key: PrivateKey) -> bytes:
    """The key as unencrypted PKCS #8 PEM; whoever stores it encrypts it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: PrivateKey | PublicKey) -> str:
    """The public half as SPKI PEM, the form of `publicKeyPem` that every peer reads."""
    public = key.public_key() if isinstance(key, PrivateKey) else key
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def other_scheme(scheme: Scheme) -> Scheme:
    """The form to try when this one was refused."""
    return "rfc9421" if scheme == "cavage" else "cavage"


# --- Signing --------------------------------------------------------------------------------------


def digest_of(body: bytes) -> str:
    """The base64 SHA-256 of a body: compute it once, pass it to `sign` for every receiver."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def sign(
    method: str,
    url: str | URL,
    body: bytes | None,
    private_key: PrivateKey,
    key_id: str,
    *,
    scheme: Scheme = "cavage",
    now: datetime,
    digest: str | None = None,
    content_type: str | None = None,
) -> dict[str, str]:
    """The headers that sign this request: Host, Date, the digest where there is a body, and the signature.

    `now` becomes the Date; sign afresh for every attempt. `digest` is `digest_of(body)` where it is known
    already. `content_type` is passed through as a header, not signed. The cavage form is the one that every
    server takes: `(request-target) host date digest`, without `digest` where there is no body.
    """
    if isinstance(url, str):
        url = URL(url)
    now = now.astimezone(UTC)
    headers = {"Host": _host_header(url), "Date": format_datetime(now, usegmt=True)}
    if content_type is not None:
        headers["Content-Type"] = content_type
    if body is not None and digest is None:
        digest = digest_of(body)
    if scheme == "cavage":
        return headers | _sign_cavage(method, url, headers, digest, private_key, key_id)
    return headers | _sign_rfc9421(method, url, digest, private_key, key_id, now)


def _host_header(url: URL) -> str:
    host = url.host_subcomponent or ""
    return host if url.is_default_port() else f"{host}:{url.port}"


def _sign_cavage(
    method: str, url: URL, headers: Mapping[str, str], digest: str | None, key: PrivateKey, key_id: str
) -> dict[str, str]:
    listed = "(request-target) host date"
    base = f"(request-target): {method.lower()} {url.raw_path_qs}\nhost: {headers['Host']}\ndate: {headers['Date']}"
    added = {}
    if digest is not None:
        listed += " digest"
        base += f"\ndigest: SHA-256={digest}"
        # NodeBB and PieFed compare the whole string, so this spelling is the only one.
        added["Digest"] = f"SHA-256={digest}"
    # PieFed raises when `algorithm` is missing.
    algorithm = "rsa-sha256" if isinstance(key, RSAPrivateKey) else "hs2019"
    added["Signature"] = (
        f'keyId="{key_id}",algorithm="{algorithm}",headers="{listed}",signature="{_signature(key, base)}"'
    )
    return added


def _sign_rfc9421(
    method: str, url: URL, digest: str | None, key: PrivateKey, key_id: str, now: datetime
) -> dict[str, str]:
    components = {"@method": method.upper(), "@target-uri": str(url.with_fragment(None))}
    added = {}
    if digest is not None:
        added["Content-Digest"] = components["content-digest"] = f"sha-256=:{digest}:"
    algorithm = "rsa-v1_5-sha256" if isinstance(key, RSAPrivateKey) else "ed25519"
    listed = " ".join(f'"{name}"' for name in components)
    parameters = f'({listed});created={int(now.timestamp())};keyid="{key_id}";alg="{algorithm}"'
    lines = [f'"{name}": {value}' for name, value in components.items()]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    return added | {"Signature-Input": f"sig1={parameters}", "Signature": f"sig1=:{_signature(key, base)}:"}


def _signature(key: PrivateKey, base: str) -> str:
    text = base.encode()
    made = key.sign(text, _PKCS1, _SHA256) if isinstance(key, RSAPrivateKey) else key.sign(text)
    return base64.b64encode(made).decode()


# --- Verifying ------------------------------------------------------------------------------------

_RSA_ALGORITHMS = frozenset({None, "hs2019", "rsa-sha256", "rsa-v1_5-sha256"})
_ED25519_ALGORITHMS = frozenset({None, "hs2019", "ed25519"})


def verify(claim: Claim, public_key: PublicKey) -> bool:
    """Whether the holder of this key made the claim.

    The key decides how the signature is checked; the algorithm that the request names may only agree with it.
    """
    rsa = isinstance(public_key, RSAPublicKey)
    if claim.algorithm not in (_RSA_ALGORITHMS if rsa else _ED25519_ALGORITHMS):
        return False
    for base in claim.bases:
        try:
            if isinstance(public_key, RSAPublicKey):
                public_key.verify(claim.signature, base, _PKCS1, _SHA256)
            else:
                public_key.verify(claim.signature, base)
        except InvalidSignature:
            continue
        return True
    return False


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path_qs: str
    headers: Headers
    body: bytes
    authority: str
    scheme_of_origin: str
    now: datetime

    @property
    def has_body(self) -> bool:
        return bool(self.body) or self.method not in ("GET", "HEAD")

    def only(self, name: str, reason: str) -> str:
        """The value of a header that must be there exactly once."""
        values = self.headers.getall(name, ())
        if not values:
            raise BadSignature(f"{reason}-missing")
        if len(values) > 1:
            raise BadSignature(f"{reason}-repeated")
        return values[0].strip(" \t")


def read(
    method: str,
    path_qs: str,
    headers: Headers,
    body: bytes,
    *,
    authority: str,
    scheme_of_origin: str,
    now: datetime,
) -> Claim:
    """The signature of a request, checked in all that needs no key; BadSignature if it cannot be right.

    `path_qs` is the target exactly as it came over the wire, `body` the bytes as they came. `authority` is
    our own name (`moot.example`, with `:port` where it is not the default) and `scheme_of_origin` "https"
    or "http": a request that was signed for another host is not for us, whatever its Host header says.
    """
    request = _Request(method.upper(), path_qs, headers, body, authority, scheme_of_origin, now)
    signature = request.only("Signature", "signature")
    inputs = headers.getall("Signature-Input", ())
    if len(signature) > HEADER_MAX or any(len(each) > HEADER_MAX for each in inputs):
        raise BadSignature("signature-too-long")
    host = request.only("Host", "host")
    if not authority or not _is_authority(host, authority, scheme_of_origin):
        raise BadSignature("host-other")
    return _read_rfc9421(request, signature) if inputs else _read_cavage(request, signature)


def _is_authority(host: str, authority: str, scheme: str) -> bool:
    if host == authority:
        return True
    origin = origin_of(f"{scheme}://{host}/")
    return origin is not None and origin == origin_of(f"{scheme}://{authority}/")


def _bytes(encoded: str) -> bytes:
    try:
        decoded = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError):
        raise BadSignature("signature-garbled") from None
    if not decoded:
        raise BadSignature("signature-garbled")
    return decoded


def _check_key_id(key_id: str | None) -> str:
    if not key_id:
        raise BadSignature("key-id-missing")
    if origin_of(key_id) is None:
        raise BadSignature("key-id-refused")
    return key_id


def _check_age(signed_at: datetime, now: datetime, name: str) -> None:
    if signed_at < now - AGE_MAX:
        raise BadSignature(f"{name}-too-old")
    if signed_at > now + SKEW_MAX:
        raise BadSignature(f"{name}-in-future")


def _moment(value: str) -> datetime:
    """The time in a `created` or `expires`: seconds since 1970."""
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadSignature("time-garbled") from None


def _check_times(created: str | None, expires: str | None, now: datetime) -> datetime | None:
    if expires is not None and _moment(expires) <= now:
        raise BadSignature("expired")
    if created is None:
        return None
    created_at = _moment(created)
    _check_age(created_at, now, "created")
    return created_at


_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{1,2}) ([A-Z][a-z]{2}) ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) (?:GMT|UTC|\+0000)"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _read_date(value: str) -> datetime:
    match = _DATE.fullmatch(value)
    if match is None:
        raise BadSignature("date-garbled")
    day, month, year, hour, minute, second = match.groups()
    try:
        return datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        raise BadSignature("date-garbled") from None


# --- draft-cavage ---------------------------------------------------------------------------------

_CAVAGE_PARAMETER = re.compile(
    r'[ \t]*([A-Za-z][A-Za-z0-9_-]*)[ \t]*=[ \t]*(?:"([^"\\]*)"|([0-9]+(?:\.[0-9]+)?))[ \t]*(,|\Z)'
)
_CAVAGE_ALGORITHMS = frozenset({None, "hs2019", "rsa-sha256", "ed25519"})


def _cavage_parameters(header: str) -> dict[str, str]:
    """The parameters with lower-case names. Times come quoted from Discourse and bare from others."""
    parameters: dict[str, str] = {}
    position, more = 0, True
    while more:
        match = _CAVAGE_PARAMETER.match(header, position)
        if match is None:
            raise BadSignature("signature-garbled")
        name, quoted, bare, separator = match.groups()
        name = name.lower()
        if name in parameters:
            raise BadSignature("parameter-repeated")
        parameters[name] = bare if quoted is None else quoted
        position, more = match.end(), separator == ","
    return parameters


def _read_cavage(request: _Request, header: str) -> Claim:
    parameters = _cavage_parameters(header)
    key_id = _check_key_id(parameters.get("keyid"))
    algorithm = parameters.get("algorithm")
    algorithm = algorithm and algorithm.lower()
    if algorithm not in _CAVAGE_ALGORITHMS:
        raise BadSignature("algorithm-refused")
    if "signature" not in parameters:
        raise BadSignature("signature-garbled")

    listed = parameters.get("headers", "").lower().split()
    covered = frozenset(listed)
    if len(covered) != len(listed):
        raise BadSignature("covered-twice")
    if "(request-target)" not in covered:
        raise BadSignature("request-target-unsigned")
    if "host" not in covered:
        raise BadSignature("host-unsigned")
    if request.has_body and "digest" not in covered:
        raise BadSignature("digest-unsigned")
    if covered.isdisjoint(("date", "(created)")):
        raise BadSignature("date-unsigned")

    created_at = _check_times(parameters.get("created"), parameters.get("expires"), request.now)
    values = {name: _cavage_value(request, name, parameters) for name in listed if name != "(request-target)"}
    signed_at = created_at
    if "date" in covered:
        signed_at = _read_date(values["date"])
        _check_age(signed_at, request.now, "date")
    if "digest" in covered:
        _check_digest(values["digest"], request.body)
    if signed_at is None:
        raise BadSignature("created-missing")
    return Claim(
        key_id=key_id,
        scheme="cavage",
        algorithm=algorithm,
        bases=tuple(
            "\n".join(f"{name}: {target if name == '(request-target)' else values[name]}" for name in listed).encode(
                "utf-8", "surrogateescape"
            )
            for target in _request_targets(request)
        ),
        signature=_bytes(parameters["signature"]),
        signed_at=signed_at,
    )


def _request_targets(request: _Request) -> list[str]:
    """The target with its query and, where it has one, without: Discourse signs the path only."""
    method, path_qs = request.method.lower(), request.path_qs
    targets = [f"{method} {path_qs}"]
    if "?" in path_qs:
        targets.append(f"{method} {path_qs.partition('?')[0]}")
    return targets


def _cavage_value(request: _Request, name: str, parameters: Mapping[str, str]) -> str:
    if name in ("(created)", "(expires)"):
        value = parameters.get(name[1:-1])
        if value is None:
            raise BadSignature(f"{name[1:-1]}-missing")
        return value
    if name.startswith("("):
        raise BadSignature("covered-unknown")
    return request.only(name, name if name in ("host", "date", "digest") else "covered-header")


def _check_digest(value: str, body: bytes) -> None:
    algorithm, _, encoded = value.partition("=")
    if algorithm.lower() != "sha-256" or "," in encoded:
        raise BadSignature("digest-algorithm-refused")
    if encoded != digest_of(body):
        raise BadSignature("digest-mismatch")


# --- RFC 9421 -------------------------------------------------------------------------------------

# Component parameters (`;sf`, `;req` …) and several signatures in one request are not among what peers send.
_INPUT = re.compile(
    r'[ \t]*([a-z*][a-z0-9_.*-]*)=\( *((?:"[a-z0-9@-]+"(?: +"[a-z0-9@-]+")*)?) *\)((?:;.*)?)', re.DOTALL
)
_INPUT_PARAMETER = re.compile(r';[ ]*([a-z*][a-z0-9_.*-]*)=(?:"([ !#-\[\]-~]*)"|(-?[0-9]{1,15}))')
_LABELLED = re.compile(r"[ \t]*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):[ \t]*")
_CONTENT_DIGEST = re.compile(r"([a-z0-9*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):")
_RFC9421_ALGORITHMS = frozenset({None, "rsa-v1_5-sha256", "ed25519"})


def _read_rfc9421(request: _Request, header: str) -> Claim:
    labelled = _LABELLED.fullmatch(header)
    if labelled is None:
        raise BadSignature("schemes-mixed" if "keyid=" in header.lower() else "signature-garbled")
    match = _INPUT.fullmatch(request.only("Signature-Input", "signature-input"))
    if match is None:
        raise BadSignature("signature-input-garbled")
    label, listed, rest = match.groups()
    if label != labelled[1]:
        raise BadSignature("label-mismatch")

    parameters, numbers = _input_parameters(rest)
    key_id = _check_key_id(parameters.get("keyid"))
    algorithm = parameters.get("alg")
    if algorithm not in _RFC9421_ALGORITHMS:
        raise BadSignature("algorithm-refused")
    if "created" not in numbers:
        raise BadSignature("created-missing")
    if "expires" in parameters and "expires" not in numbers:
        raise BadSignature("time-garbled")
    signed_at = _check_times(parameters["created"], parameters.get("expires"), request.now)
    assert signed_at is not None

    components = listed.replace('"', "").split()
    covered = frozenset(components)
    if len(covered) != len(components):
        raise BadSignature("covered-twice")
    _check_components(request, covered)
    lines = [f'"{name}": {_component(request, name)}' for name in components]
    if "content-digest" in covered:
        _check_content_digest(request)
    serialised = "".join(
        f";{name}={value}" if name in numbers else f';{name}="{value}"' for name, value in parameters.items()
    )
    quoted = " ".join(f'"{name}"' for name in components)
    lines.append(f'"@signature-params": ({quoted}){serialised}')
    return Claim(
        key_id=key_id,
        scheme="rfc9421",
        algorithm=algorithm,
        bases=("\n".join(lines).encode("utf-8", "surrogateescape"),),
        signature=_bytes(labelled[2]),
        signed_at=signed_at,
    )


def _input_parameters(text: str) -> tuple[dict[str, str], frozenset[str]]:
    """The parameters of a signature input in their order, and the names of those that are numbers."""
    parameters: dict[str, str] = {}
    numbers = set()
    position = 0
    while position < len(text):
        match = _INPUT_PARAMETER.match(text, position)
        if match is None:
            raise BadSignature("signature-input-garbled")
        name, string, number = match.groups()
        if name in parameters:
            raise BadSignature("parameter-repeated")
        if number is not None:
            numbers.add(name)
        parameters[name] = number if string is None else string
        position = match.end()
    return parameters, frozenset(numbers)


def _check_components(request: _Request, covered: frozenset[str]) -> None:
    if "@method" not in covered:
        raise BadSignature("method-unsigned")
    if "@target-uri" not in covered:
        if "@authority" not in covered:
            raise BadSignature("host-unsigned")
        has_path = "@path" in covered and ("@query" in covered or "?" not in request.path_qs)
        if not has_path and "@request-target" not in covered:
            raise BadSignature("request-target-unsigned")
    if request.has_body and "content-digest" not in covered:
        raise BadSignature("digest-unsigned")


def _component(request: _Request, name: str) -> str:
    path, _, query = request.path_qs.partition("?")
    match name:
        case "@method":
            return request.method
        case "@target-uri":
            return f"{request.scheme_of_origin}://{request.authority}{request.path_qs}"
        case "@authority":
            return request.authority
        case "@scheme":
            return request.scheme_of_origin
        case "@request-target":
            return request.path_qs
        case "@path":
            return path
        case "@query":
            return f"?{query}"
        case _ if name.startswith("@"):
            raise BadSignature("covered-unknown")
        case _:
            return request.only(name, "digest" if name == "content-digest" else "covered-header")


def _check_content_digest(request: _Request) -> None:
    match = _CONTENT_DIGEST.fullmatch(request.only("Content-Digest", "digest"))
    if match is None or match[1] != "sha-256":
        raise BadSignature("digest-algorithm-refused")
    if match[2] != digest_of(request.body):
        raise BadSignature("digest-mismatch")
