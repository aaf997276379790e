"""Signatures: what we send is what others can verify, and what cannot be right is refused by name."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from federation import signatures
from federation.signatures import BadKey, BadSignature, Claim

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
BODY = b'{"type":"Follow"}'
KEY = signatures.new_private_key()
OTHER_KEY = signatures.new_private_key()
ED_KEY = Ed25519PrivateKey.generate()
KEY_ID = "https://peer.example/u/anna#main-key"
CREATED = int(NOW.timestamp())


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sha256(data: bytes) -> str:
    return b64(hashlib.sha256(data).digest())


def rsa_sign(base: str) -> bytes:
    return KEY.sign(base.encode(), PKCS1v15(), SHA256())


def read(
    headers: Any,
    *,
    method: str = "POST",
    path_qs: str = "/inbox",
    body: bytes = BODY,
    authority: str = "moot.example",
    now: datetime = NOW,
) -> Claim:
    proxied = CIMultiDictProxy(CIMultiDict(headers))
    return signatures.read(method, path_qs, proxied, body, authority=authority, scheme_of_origin="https", now=now)


def refused(headers: Any, **options: Any) -> str:
    with pytest.raises(BadSignature) as caught:
        read(headers, **options)
    return caught.value.reason


def cavage(
    covered: str = "(request-target) host date digest",
    *,
    target: str = "post /inbox",
    parameters: str = 'algorithm="rsa-sha256",',
    host: str = "moot.example",
    date: datetime = NOW,
    digest: str | None = None,
    values: dict[str, str] | None = None,
    key_id: str = KEY_ID,
    sign: Callable[[str], bytes] = rsa_sign,
) -> CIMultiDict[str]:
    """A request signed by hand, line by line, as the draft says: independent of our own `sign`."""
    headers = CIMultiDict(
        {
            "Host": host,
            "Date": format_datetime(date, usegmt=True),
            "Digest": digest or f"SHA-256={sha256(BODY)}",
            "Content-Type": "application/activity+json",
        }
    )
    lines = {"(request-target)": target, **{name.lower(): value for name, value in headers.items()}}
    lines |= values or {}
    base = "\n".join(f"{name}: {lines[name]}" for name in covered.split())
    headers["Signature"] = f'keyId="{key_id}",{parameters}headers="{covered}",signature="{b64(sign(base))}"'
    return headers


def rfc9421(
    covered: str = '"@method" "@target-uri" "content-digest"',
    *,
    parameters: str = f';created={CREATED};keyid="{KEY_ID}"',
    label: str = "sig1",
    signature_label: str | None = None,
    digest: str | None = None,
    path_qs: str = "/inbox",
    sign: Callable[[str], bytes] = rsa_sign,
) -> CIMultiDict[str]:
    """The same for RFC 9421."""
    digest = digest or f"sha-256=:{sha256(BODY)}:"
    values = {
        "@method": "POST",
        "@target-uri": f"https://moot.example{path_qs}",
        "@authority": "moot.example",
        "@scheme": "https",
        "@path": path_qs.partition("?")[0],
        "@query": "?" + path_qs.partition("?")[2],
        "@request-target": path_qs,
        "content-digest": digest,
    }
    lines = [f"{name}: {values.get(name.strip(chr(34)), '')}" for name in covered.split()]
    base = "\n".join([*lines, f'"@signature-params": ({covered}){parameters}'])
    return CIMultiDict(
        {
            "Host": "moot.example",
            "Content-Digest": digest,
            "Signature-Input": f"{label}=({covered}){parameters}",
            "Signature": f"{signature_label or label}=:{b64(sign(base))}:",
        }
    )


def verified(headers: Any, **options: Any) -> bool:
    return signatures.verify(read(headers, **options), KEY.public_key())


# --- What we send -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["cavage", "rfc9421"])
@pytest.mark.parametrize("key", [KEY, ED_KEY], ids=["rsa", "ed25519"])
@pytest.mark.parametrize(("method", "body"), [("POST", BODY), ("GET", None)])
def test_what_we_sign_we_verify(scheme: Any, key: Any, method: str, body: bytes | None) -> None:
    url = "https://moot.example/inbox?page=1"
    headers = signatures.sign(method, url, body, key, KEY_ID, scheme=scheme, now=NOW)
    claim = read(headers, method=method, path_qs="/inbox?page=1", body=body or b"")
    assert claim.key_id == KEY_ID
    assert claim.scheme == scheme
    assert claim.signed_at == NOW
    assert signatures.verify(claim, key.public_key())
    assert not signatures.verify(claim, OTHER_KEY.public_key())


def test_cavage_headers_are_spelled_as_peers_want_them() -> None:
    headers = signatures.sign("POST", "https://moot.example/inbox", BODY, KEY, KEY_ID, now=NOW)
    assert headers["Host"] == "moot.example"
    assert headers["Date"] == "Sun, 22 Nov 2026 10:00:00 GMT"
    assert headers["Digest"] == f"SHA-256={sha256(BODY)}"
    signature = headers["Signature"]
    assert signature.startswith(f'keyId="{KEY_ID}",algorithm="rsa-sha256",')
    assert 'headers="(request-target) host date digest"' in signature
    base = (
        "(request-target): post /inbox\nhost: moot.example\n"
        f"date: Sun, 22 Nov 2026 10:00:00 GMT\ndigest: SHA-256={sha256(BODY)}"
    )
    KEY.public_key().verify(
        base64.b64decode(signature.split('signature="')[1].rstrip('"')), base.encode(), PKCS1v15(), SHA256()
    )


def test_get_is_signed_without_digest() -> None:
    headers = signatures.sign("GET", "https://moot.example/u/anna", None, KEY, KEY_ID, now=NOW)
    assert 'headers="(request-target) host date"' in headers["Signature"]
    assert "Digest" not in headers


def test_known_digest_is_used_and_content_type_passed_on() -> None:
    headers = signatures.sign(
        "POST",
        URL("https://moot.example:8443/inbox"),
        BODY,
        KEY,
        KEY_ID,
        now=NOW,
        digest=signatures.digest_of(BODY),
        content_type="application/activity+json",
    )
    assert headers["Host"] == "moot.example:8443"
    assert headers["Digest"] == f"SHA-256={sha256(BODY)}"
    assert headers["Content-Type"] == "application/activity+json"
    assert verified(headers, authority="moot.example:8443")


def test_every_attempt_has_a_fresh_date() -> None:
    later = NOW + timedelta(hours=2)
    url = "https://moot.example/inbox"
    first = signatures.sign("POST", url, BODY, KEY, KEY_ID, now=NOW)
    second = signatures.sign("POST", url, BODY, KEY, KEY_ID, now=later)
    assert refused(first, now=later) == "date-too-old"
    assert verified(second, now=later)


def test_apsig_reads_what_we_sign_and_we_read_what_it_signs() -> None:
    draft = pytest.importorskip("apsig.draft")
    now = datetime.now(UTC)
    url = "https://moot.example/inbox"
    headers = signatures.sign("POST", url, BODY, KEY, KEY_ID, now=now)
    verifier = draft.Verifier(signatures.public_pem(KEY), "POST", url, headers, BODY)
    assert verifier.verify(raise_on_fail=True) == KEY_ID

    signed = draft.Signer({}, KEY, "POST", url, KEY_ID, BODY).sign()
    assert verified(signed, now=now)


def test_an_rfc9421_library_reads_what_we_sign_and_we_read_what_it_signs() -> None:
    library = pytest.importorskip("http_message_signatures")
    algorithm = library.algorithms.RSA_V1_5_SHA256

    class Keys(library.HTTPSignatureKeyResolver):  # type: ignore[name-defined, misc]
        def resolve_public_key(self, key_id: str) -> Any:
            return KEY.public_key()

        def resolve_private_key(self, key_id: str) -> Any:
            return KEY

    now = datetime.now(UTC)
    url = "https://moot.example/inbox?a=b"
    headers = signatures.sign("POST", url, BODY, KEY, KEY_ID, scheme="rfc9421", now=now)
    message = SimpleNamespace(method="POST", url=url, headers=CIMultiDict(headers), body=BODY)
    verifier = library.HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=Keys())
    [result] = verifier.verify(message)
    assert set(result.covered_components) == {
        '"@method"', '"@target-uri"', '"content-digest"', '"@signature-params"'
    }  # fmt: skip

    foreign = CIMultiDict({"Host": "moot.example", "Content-Digest": f"sha-256=:{sha256(BODY)}:"})
    message = SimpleNamespace(method="POST", url=url, headers=foreign, body=BODY)
    library.HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=Keys()).sign(
        message,
        key_id=KEY_ID,
        created=now,
        use_existing_digest=True,
        label="sig1",
        covered_component_ids=("@method", "@authority", "@path", "@query", "content-digest"),
    )
    assert verified(foreign, path_qs="/inbox?a=b", now=now)


# --- draft-cavage, as peers send it -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("covered", "parameters", "values"),
    [
        pytest.param("(request-target) host date digest content-type", 'algorithm="rsa-sha256",', {}, id="piefed"),
        pytest.param("(request-target) host date digest", 'algorithm="hs2019",', {}, id="nodebb"),
        pytest.param("(request-target) host date digest", "", {}, id="no-algorithm"),
        pytest.param("(request-target) host date digest", 'algorithm="RSA-SHA256",', {}, id="upper-case"),
        pytest.param(
            "(request-target) (created) (expires) host digest",
            f'algorithm="hs2019",created="{CREATED}",expires="{CREATED + 300}",',
            {"(created)": str(CREATED), "(expires)": str(CREATED + 300)},
            id="discourse-quoted",
        ),
        pytest.param(
            "(request-target) (created) host digest",
            f'algorithm="hs2019",created={CREATED},',
            {"(created)": str(CREATED)},
            id="bare-created",
        ),
        pytest.param("host date digest (request-target)", 'algorithm="rsa-sha256",', {}, id="other-order"),
    ],
)
def test_peers_forms_verify(covered: str, parameters: str, values: dict[str, str]) -> None:
    headers = cavage(covered, parameters=parameters, values=values)
    assert verified(headers)


def test_gotosocial_key_id_without_fragment() -> None:
    claim = read(cavage(key_id="https://peer.example/users/anna/main-key"))
    assert claim.key_id == "https://peer.example/users/anna/main-key"


def test_takahe_signs_accept_on_get() -> None:
    headers = cavage("(request-target) host date accept", target="get /u/a", values={"accept": "x/y"})
    headers["Accept"] = "x/y"
    assert verified(headers, method="GET", path_qs="/u/a", body=b"")


def test_blanks_between_parameters() -> None:
    headers = cavage()
    headers["Signature"] = headers["Signature"].replace('",', '" , ').replace("=", " = ", 1)
    assert verified(headers)


@pytest.mark.parametrize("target", ["post /inbox?a=b", "post /inbox"], ids=["with-query", "without-query"])
def test_query_string_may_be_signed_or_not(target: str) -> None:
    assert verified(cavage(target=target), path_qs="/inbox?a=b")
    assert not verified(cavage(target="post /inbox?a=c"), path_qs="/inbox?a=b")


@pytest.mark.parametrize("host", ["MOOT.example", "moot.example:443", "moot.example."])
def test_our_own_name_in_other_spellings(host: str) -> None:
    assert verified(cavage(host=host))


def captured() -> list[Any]:
    captures = Path(__file__).parents[2].parent / "shared" / "captures"
    return sorted(captures.glob("*-*/*.json")) if captures.is_dir() else []


def test_real_requests_verify() -> None:
    """Requests recorded between real servers, checked against the keys in the actors recorded beside them."""
    exchanges = [json.loads(path.read_text()) for path in captured()]
    if not exchanges:
        pytest.skip("no recorded requests beside this checkout")
    keys: dict[str, str] = {}

    def collect(value: Any) -> None:
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                value = json.loads(value)
            except ValueError:
                return
        if isinstance(value, dict):
            key = value.get("publicKey")
            if isinstance(key, dict):
                keys[key["id"]] = key["publicKeyPem"]
            value = list(value.values())
        if isinstance(value, list):
            for each in value:
                collect(each)

    collect(exchanges)
    checked = 0
    for exchange in exchanges:
        request = exchange["request"]
        headers = CIMultiDict(request["headers"])
        if request["method"] != "POST" or "signature" not in headers:
            continue
        url = URL(request["url"])
        assert url.host
        claim = read(
            headers,
            path_qs=url.raw_path_qs,
            body=request["body_text"].encode(),
            authority=url.host,
            now=parsedate_to_datetime(headers["date"]),
        )
        assert signatures.verify(claim, signatures.load_public_key(keys[claim.key_id]))
        checked += 1
    assert checked


# --- Refused: form ------------------------------------------------------------------------------------


def without(headers: CIMultiDict[str], name: str) -> CIMultiDict[str]:
    del headers[name]
    return headers


def replaced(headers: CIMultiDict[str], name: str, old: str, new: str) -> CIMultiDict[str]:
    assert old in headers[name]
    headers[name] = headers[name].replace(old, new)
    return headers


def added(headers: CIMultiDict[str], name: str, value: str) -> CIMultiDict[str]:
    headers.add(name, value)
    return headers


MINUTE = timedelta(minutes=1)

REFUSED_CAVAGE: dict[str, tuple[Callable[[], CIMultiDict[str]], str]] = {
    "sig.none": (lambda: without(cavage(), "Signature"), "signature-missing"),
    "sig.empty": (lambda: CIMultiDict({**cavage(), "Signature": ""}), "signature-garbled"),
    "sig.garbage": (lambda: CIMultiDict({**cavage(), "Signature": "garbage"}), "signature-garbled"),
    "sig.garbage-base64": (
        lambda: CIMultiDict(
            {**cavage(), "Signature": f'keyId="{KEY_ID}",headers="(request-target) host date digest",signature="%%"'}
        ),
        "signature-garbled",
    ),
    "sig.no-signature-value": (
        lambda: CIMultiDict({**cavage(), "Signature": f'keyId="{KEY_ID}",headers="date"'}),
        "signature-garbled",
    ),
    "sig.trailing-comma": (
        lambda: CIMultiDict({**cavage(), "Signature": cavage()["Signature"] + ","}),
        "signature-garbled",
    ),
    "sig.backslash": (lambda: cavage(key_id='https://peer.example/\\"'), "signature-garbled"),
    "sig.too-long": (lambda: cavage(parameters=f'x="{"a" * 9000}",'), "signature-too-long"),
    "sig.two-signatures": (lambda: added(cavage(), "Signature", cavage()["Signature"]), "signature-repeated"),
    "sig.dup-keyid-first": (
        lambda: cavage(parameters='keyId="https://evil.example/u/x",'),
        "parameter-repeated",
    ),
    "sig.dup-keyid-other-case": (
        lambda: cavage(parameters='KEYID="https://evil.example/u/x",'),
        "parameter-repeated",
    ),
    "sig.dup-headers": (lambda: cavage(parameters='headers="date",'), "parameter-repeated"),
    "sig.keyid-missing": (lambda: replaced(cavage(), "Signature", "keyId", "keyName"), "key-id-missing"),
    "sig.keyid-userinfo": (lambda: cavage(key_id="https://peer.example@evil.example/u"), "key-id-refused"),
    "sig.keyid-file": (lambda: cavage(key_id="file:///etc/passwd"), "key-id-refused"),
    "sig.keyid-acct": (lambda: cavage(key_id="acct:anna@peer.example"), "key-id-refused"),
    "sig.keyid-relative": (lambda: cavage(key_id="/u/anna"), "key-id-refused"),
    "sig.nothing-signed": (lambda: cavage(""), "request-target-unsigned"),
    "sig.headers-default": (
        lambda: replaced(cavage("date"), "Signature", 'headers="date",', ""),
        "request-target-unsigned",
    ),
    "sig.date-only": (lambda: cavage("date"), "request-target-unsigned"),
    "sig.target-unsigned": (lambda: cavage("host date digest"), "request-target-unsigned"),
    "sig.host-unsigned": (lambda: cavage("(request-target) date digest"), "host-unsigned"),
    "sig.digest-unsigned": (lambda: cavage("(request-target) host date"), "digest-unsigned"),
    "sig.date-unsigned": (lambda: cavage("(request-target) host digest"), "date-unsigned"),
    "sig.covered-twice": (lambda: cavage("(request-target) host host date digest"), "covered-twice"),
    "sig.missing-covered": (
        lambda: cavage("(request-target) host date digest x-thing", values={"x-thing": ""}),
        "covered-header-missing",
    ),
    "sig.covered-pseudo": (
        lambda: cavage("(request-target) host date digest (other)", values={"(other)": ""}),
        "covered-unknown",
    ),
    "sig.covered-repeated": (
        lambda: added(cavage("(request-target) host date digest content-type"), "Content-Type", "text/html"),
        "covered-header-repeated",
    ),
    "sig.host-other": (lambda: cavage(host="other.example"), "host-other"),
    "sig.host-other-port": (lambda: cavage(host="moot.example:8443"), "host-other"),
    "sig.host-other-suffix": (lambda: cavage(host="moot.example.evil.example"), "host-other"),
    "sig.host-other-userinfo": (lambda: cavage(host="x@moot.example"), "host-other"),
    "sig.host-missing": (lambda: without(cavage(), "Host"), "host-missing"),
    "sig.host-two": (lambda: added(cavage(), "Host", "moot.example"), "host-repeated"),
    "sig.digest-missing": (lambda: without(cavage(), "Digest"), "digest-missing"),
    "sig.digest-wrong": (lambda: cavage(digest=f"SHA-256={sha256(b'other')}"), "digest-mismatch"),
    "sig.digest-two": (
        lambda: added(cavage(), "Digest", f"SHA-256={sha256(b'other')}"),
        "digest-repeated",
    ),
    "sig.digest-md5": (
        lambda: cavage(digest="MD5=" + b64(hashlib.md5(BODY).digest())),
        "digest-algorithm-refused",
    ),
    "sig.digest-sha512": (
        lambda: cavage(digest="SHA-512=" + b64(hashlib.sha512(BODY).digest())),
        "digest-algorithm-refused",
    ),
    "sig.digest-list": (
        lambda: cavage(digest=f"SHA-256={sha256(BODY)},MD5={b64(hashlib.md5(BODY).digest())}"),
        "digest-algorithm-refused",
    ),
    "sig.digest-empty": (lambda: cavage(digest="SHA-256="), "digest-mismatch"),
    "sig.date-missing": (lambda: without(cavage(), "Date"), "date-missing"),
    "sig.date-old": (lambda: cavage(date=NOW - 61 * MINUTE), "date-too-old"),
    "sig.date-future": (lambda: cavage(date=NOW + 6 * MINUTE), "date-in-future"),
    "sig.date-garbled": (
        lambda: CIMultiDict({**cavage(), "Date": "yesterday"}),
        "date-garbled",
    ),
    "sig.date-impossible": (
        lambda: CIMultiDict({**cavage(), "Date": "Sun, 31 Feb 2026 10:00:00 GMT"}),
        "date-garbled",
    ),
    "sig.date-two": (lambda: added(cavage(), "Date", cavage()["Date"]), "date-repeated"),
    "sig.expired": (lambda: cavage(parameters=f"expires={CREATED - 1},"), "expired"),
    "sig.expires-garbled": (lambda: cavage(parameters='expires="nan",'), "time-garbled"),
    "sig.expires-infinite": (lambda: cavage(parameters='expires="inf",'), "time-garbled"),
    "sig.created-future": (
        lambda: cavage(parameters=f"created={CREATED + 360},"),
        "created-in-future",
    ),
    "sig.created-old": (
        lambda: cavage(parameters=f"created={CREATED - 3660},"),
        "created-too-old",
    ),
    "sig.created-missing": (
        lambda: cavage("(request-target) (created) host digest", values={"(created)": str(CREATED)}),
        "created-missing",
    ),
    "sig.hmac-confusion": (lambda: cavage(parameters='algorithm="hmac-sha256",'), "algorithm-refused"),
    "sig.alg-none": (lambda: cavage(parameters='algorithm="none",'), "algorithm-refused"),
    "sig.rsa-sha1": (lambda: cavage(parameters='algorithm="rsa-sha1",'), "algorithm-refused"),
}


@pytest.mark.parametrize("case", REFUSED_CAVAGE)
def test_refused_cavage(case: str) -> None:
    make, reason = REFUSED_CAVAGE[case]
    assert refused(make()) == reason


def test_body_swap() -> None:
    assert refused(cavage(), body=b'{"type":"Delete"}') == "digest-mismatch"


def test_digest_is_over_raw_bytes_not_over_the_same_json() -> None:
    assert refused(cavage(), body=b'{"type": "Follow"}') == "digest-mismatch"


def test_get_with_a_body_needs_a_digest() -> None:
    headers = cavage("(request-target) host date", target="get /inbox")
    assert refused(headers, method="GET") == "digest-unsigned"
    assert verified(headers, method="GET", body=b"")


def test_post_with_an_empty_body_needs_a_digest() -> None:
    assert refused(cavage("(request-target) host date"), body=b"") == "digest-unsigned"


def test_without_a_name_of_our_own_nothing_is_for_us() -> None:
    assert refused(cavage(host=""), authority="") == "host-other"


# --- Refused: key and signature -----------------------------------------------------------------------


def test_wrong_key() -> None:
    assert not signatures.verify(read(cavage()), OTHER_KEY.public_key())


@pytest.mark.parametrize(
    "change",
    [
        {"path_qs": "/u/anna/inbox"},
        {"method": "PUT"},
    ],
    ids=["other-path", "other-method"],
)
def test_captured_request_is_of_no_use_elsewhere(change: dict[str, Any]) -> None:
    assert not verified(cavage(), **change)


def test_other_signed_header_changed() -> None:
    headers = cavage("(request-target) host date digest content-type")
    headers["Content-Type"] = "text/html"
    assert not verified(headers)


def test_hmac_with_the_public_key_as_secret() -> None:
    """An hs2019 signature made as an HMAC keyed with the public key is checked as what the key is: RSA."""
    secret = signatures.public_pem(KEY).encode()
    headers = cavage(
        parameters='algorithm="hs2019",',
        sign=lambda base: hmac.new(secret, base.encode(), hashlib.sha256).digest(),
    )
    assert not verified(headers)


def test_sha512_signature_is_refused_whatever_hs2019_may_mean() -> None:
    headers = cavage(parameters='algorithm="hs2019",', sign=lambda base: KEY.sign(base.encode(), PKCS1v15(), SHA512()))
    assert not verified(headers)


def test_named_algorithm_must_agree_with_the_key() -> None:
    def ed_sign(base: str) -> bytes:
        return ED_KEY.sign(base.encode())

    right = read(cavage(parameters='algorithm="ed25519",', sign=ed_sign))
    wrong = read(cavage(parameters='algorithm="rsa-sha256",', sign=ed_sign))
    assert signatures.verify(right, ED_KEY.public_key())
    assert not signatures.verify(wrong, ED_KEY.public_key())
    assert not signatures.verify(read(cavage(parameters='algorithm="ed25519",')), KEY.public_key())


# --- RFC 9421 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("covered", "path_qs"),
    [
        ('"@method" "@target-uri" "content-digest"', "/inbox?a=b"),
        ('"@method" "@authority" "@path" "content-digest"', "/inbox"),
        ('"@method" "@authority" "@path" "@query" "content-digest"', "/inbox?a=b"),
        ('"@method" "@authority" "@request-target" "content-digest"', "/inbox?a=b"),
        ('"content-digest" "@scheme" "@target-uri" "@method"', "/inbox"),
    ],
)
def test_rfc9421_forms_verify(covered: str, path_qs: str) -> None:
    assert verified(rfc9421(covered, path_qs=path_qs), path_qs=path_qs)


@pytest.mark.parametrize(
    "parameters",
    [
        f';keyid="{KEY_ID}";created={CREATED};alg="rsa-v1_5-sha256"',
        f';created={CREATED};expires={CREATED + 60};keyid="{KEY_ID}";nonce="abc";tag="x y"',
    ],
)
def test_rfc9421_parameters_verify_in_their_order(parameters: str) -> None:
    assert verified(rfc9421(parameters=parameters))


def test_rfc9421_input_is_serialised_anew() -> None:
    headers = replaced(rfc9421(), "Signature-Input", '" "', '"  "')
    assert verified(headers)


REFUSED_RFC9421: dict[str, tuple[Callable[[], CIMultiDict[str]], str]] = {
    "sig.rfc9421-no-method": (lambda: rfc9421('"@target-uri" "content-digest"'), "method-unsigned"),
    "sig.rfc9421-nothing": (lambda: rfc9421(""), "method-unsigned"),
    "sig.rfc9421-no-target": (lambda: rfc9421('"@method" "content-digest"'), "host-unsigned"),
    "sig.rfc9421-path-only": (lambda: rfc9421('"@method" "@path" "content-digest"'), "host-unsigned"),
    "sig.rfc9421-authority-only": (
        lambda: rfc9421('"@method" "@authority" "content-digest"'),
        "request-target-unsigned",
    ),
    "sig.rfc9421-no-digest": (lambda: rfc9421('"@method" "@target-uri"'), "digest-unsigned"),
    "sig.rfc9421-digest-missing": (lambda: without(rfc9421(), "Content-Digest"), "digest-missing"),
    "sig.rfc9421-digest-two": (
        lambda: added(rfc9421(), "Content-Digest", f"sha-256=:{sha256(BODY)}:"),
        "digest-repeated",
    ),
    "sig.rfc9421-digest-wrong": (
        lambda: rfc9421(digest=f"sha-256=:{sha256(b'other')}:"),
        "digest-mismatch",
    ),
    "sig.rfc9421-digest-sha512": (
        lambda: rfc9421(digest=f"sha-512=:{b64(hashlib.sha512(BODY).digest())}:"),
        "digest-algorithm-refused",
    ),
    "sig.rfc9421-no-created": (lambda: rfc9421(parameters=f';keyid="{KEY_ID}"'), "created-missing"),
    "sig.rfc9421-created-text": (
        lambda: rfc9421(parameters=f';created="{CREATED}";keyid="{KEY_ID}"'),
        "created-missing",
    ),
    "sig.rfc9421-created-old": (
        lambda: rfc9421(parameters=f';created={CREATED - 3660};keyid="{KEY_ID}"'),
        "created-too-old",
    ),
    "sig.rfc9421-created-future": (
        lambda: rfc9421(parameters=f';created={CREATED + 360};keyid="{KEY_ID}"'),
        "created-in-future",
    ),
    "sig.rfc9421-expired": (
        lambda: rfc9421(parameters=f';created={CREATED};expires={CREATED};keyid="{KEY_ID}"'),
        "expired",
    ),
    "sig.rfc9421-no-keyid": (lambda: rfc9421(parameters=f";created={CREATED}"), "key-id-missing"),
    "sig.rfc9421-dup-keyid": (
        lambda: rfc9421(parameters=f';created={CREATED};keyid="{KEY_ID}";keyid="https://evil.example/u"'),
        "parameter-repeated",
    ),
    "sig.rfc9421-label": (lambda: rfc9421(signature_label="sig2"), "label-mismatch"),
    "sig.rfc9421-two-labels": (
        lambda: replaced(rfc9421(), "Signature-Input", "sig1=", 'sig0=("@method"), sig1='),
        "signature-input-garbled",
    ),
    "sig.rfc9421-two-inputs": (
        lambda: added(rfc9421(), "Signature-Input", rfc9421()["Signature-Input"]),
        "signature-input-repeated",
    ),
    "sig.rfc9421-two-signatures": (
        lambda: added(rfc9421(), "Signature", rfc9421()["Signature"]),
        "signature-repeated",
    ),
    "sig.rfc9421-component-twice": (
        lambda: rfc9421('"@method" "@method" "@target-uri" "content-digest"'),
        "covered-twice",
    ),
    "sig.rfc9421-component-parameter": (
        lambda: rfc9421('"@method";req "@target-uri" "content-digest"'),
        "signature-input-garbled",
    ),
    "sig.rfc9421-component-unknown": (
        lambda: rfc9421('"@method" "@target-uri" "content-digest" "@status"'),
        "covered-unknown",
    ),
    "sig.rfc9421-hmac": (
        lambda: rfc9421(parameters=f';created={CREATED};keyid="{KEY_ID}";alg="hmac-sha256"'),
        "algorithm-refused",
    ),
    "sig.rfc9421-mixed": (
        lambda: CIMultiDict({**cavage(), "Signature-Input": rfc9421()["Signature-Input"]}),
        "schemes-mixed",
    ),
    "sig.rfc9421-no-input": (lambda: without(rfc9421(), "Signature-Input"), "signature-garbled"),
    "sig.rfc9421-host-other": (
        lambda: CIMultiDict({**rfc9421(), "Host": "other.example"}),
        "host-other",
    ),
}


@pytest.mark.parametrize("case", REFUSED_RFC9421)
def test_refused_rfc9421(case: str) -> None:
    make, reason = REFUSED_RFC9421[case]
    assert refused(make()) == reason


def test_rfc9421_path_without_its_query() -> None:
    headers = rfc9421('"@method" "@authority" "@path" "content-digest"')
    assert refused(headers, path_qs="/inbox?a=b") == "request-target-unsigned"


def test_rfc9421_of_another_request() -> None:
    assert not verified(rfc9421(), path_qs="/other")
    assert not verified(replaced(rfc9421(), "Signature-Input", f"={CREATED};", f"={CREATED + 1};"))


SIGNED = cavage()


@given(st.text(max_size=200), st.none() | st.text(max_size=200))
def test_any_header_is_refused_by_name(signature: str, signature_input: str | None) -> None:
    headers = CIMultiDict(SIGNED)
    headers["Signature"] = signature
    if signature_input is not None:
        headers["Signature-Input"] = signature_input
    assert refused(headers)


# --- Keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, ED_KEY], ids=["rsa", "ed25519"])
def test_keys_come_back_from_pem(key: Any) -> None:
    again = signatures.load_private_key(signatures.private_pem(key))
    public = signatures.load_public_key(signatures.public_pem(again))
    assert public == key.public_key()
    assert signatures.public_pem(key).startswith("-----BEGIN PUBLIC KEY-----\n")


def spki(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def huge_exponent() -> str:
    numbers = rsa.RSAPublicNumbers(e=2**64 + 13, n=KEY.public_key().public_numbers().n)
    return numbers.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda: "", "key-unreadable", id="empty"),
        pytest.param(lambda: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "key-unreadable", id="junk"),
        pytest.param(lambda: "\ud800", "key-unreadable", id="surrogate"),
        pytest.param(lambda: "x" * 20_000, "key-unreadable", id="long"),
        pytest.param(lambda: signatures.private_pem(KEY).decode(), "key-unreadable", id="private"),
        pytest.param(lambda: spki(ec.generate_private_key(ec.SECP256R1())), "key-type-refused", id="ec"),
        pytest.param(lambda: spki(dsa.generate_private_key(1024)), "key-type-refused", id="dsa"),
        pytest.param(lambda: spki(rsa.generate_private_key(65537, 1024)), "key-too-short", id="rsa-1024"),
        pytest.param(huge_exponent, "key-too-long", id="exponent"),
    ],
)
def test_other_keys_are_refused(make: Callable[[], str], reason: str) -> None:
    with pytest.raises(BadKey) as caught:
        signatures.load_public_key(make())
    assert caught.value.reason == reason


def test_pkcs1_public_key_of_old_servers_is_read() -> None:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
    assert signatures.load_public_key(pem) == KEY.public_key()
