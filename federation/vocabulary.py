"""Reading and writing of ActivityStreams documents: pure functions, no network, no database.

JSON is read as JSON: compact names only, no context is ever loaded. Every value that comes from outside
passes through the functions below, so that one document has one reading everywhere in the house.
"""

import ipaddress
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import idna

COLLECTION_TYPES = frozenset({"Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage"})
AS2 = "https://www.w3.org/ns/activitystreams"

# The same constant as little_boxes.activitypub.AS_PUBLIC, which a test compares with ours: importing that
# module at start would cost every process 19 MB and 200 ms.
PUBLIC = f"{AS2}#Public"
PUBLIC_SPELLINGS = frozenset({PUBLIC, "as:Public", "Public"})

ACTIVITY_JSON = "application/activity+json"
LD_JSON = "application/ld+json"
AP_MEDIA_TYPES = (ACTIVITY_JSON, f'{LD_JSON}; profile="{AS2}"')

DEPTH_MAX = 32
ARRAY_MAX = 1000
STRING_MAX = 256 * 1024
INTEGER_MAX = 2**63 - 1
URI_MAX = 2048

Document = dict[str, Any]


class Malformed(Exception):
    """A body that is no acceptable JSON document; `reason` is a stable word such as "duplicate-member"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# --- Reading JSON ---------------------------------------------------------------------------------

# With these a JSON-LD processor sees another document than a JSON reader does; Mastodon refuses the same.
_RESTRUCTURING = frozenset({"@graph", "@included", "@reverse"})
_SUSPICIOUS_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _object(pairs: list[tuple[str, Any]]) -> Document:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("duplicate-member")
    if not _RESTRUCTURING.isdisjoint(members):
        raise Malformed("restructuring-member")
    return members


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) > INTEGER_MAX:
        raise Malformed("number-too-large")
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Malformed("number-too-large")
    return number


def _constant(_: str) -> NoReturn:
    raise Malformed("not-a-number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant)


def read_json(raw: bytes) -> Document:
    """The JSON object in `raw`, or Malformed.

    Refused: anything but UTF-8, a top level that is no object, duplicate members, NaN and Infinity,
    integers beyond 64 bits, NUL and lone surrogates in strings, nesting over 32, arrays over 1000 and
    strings over 256 Ki characters, and the JSON-LD members that restructure a document.
    """
    try:
        text = raw.decode()
        document = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise Malformed("not-utf-8") from None
    except RecursionError:
        raise Malformed("nested-too-deep") from None
    except ValueError:
        raise Malformed("not-json") from None
    if type(document) is not dict:
        raise Malformed("not-an-object")
    # Most documents are too small to break a limit, as the bytes show; the others are walked through once.
    escaped = "\\u" in text and _SUSPICIOUS_ESCAPE.search(text) is not None
    if (
        escaped
        or len(raw) > STRING_MAX
        or raw.count(b",") >= ARRAY_MAX
        or raw.count(b"{") + raw.count(b"[") > DEPTH_MAX
    ):
        _check_limits(document, escaped)
    return document


def _check_limits(document: Document, check_text: bool) -> None:
    pending: list[tuple[Any, int]] = [(document, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > DEPTH_MAX:
            raise Malformed("nested-too-deep")
        members: Iterator[Any] | list[Any]
        if type(value) is dict:
            for name in value:
                _check_string(name, check_text)
            members = iter(value.values())
        else:
            if len(value) > ARRAY_MAX:
                raise Malformed("array-too-long")
            members = value
        for member in members:
            kind = type(member)
            if kind is str:
                _check_string(member, check_text)
            elif kind is dict or kind is list:
                pending.append((member, depth + 1))


def _check_string(value: str, check_text: bool) -> None:
    if len(value) > STRING_MAX:
        raise Malformed("string-too-long")
    if check_text and _UNSTORABLE.search(value):
        raise Malformed("unstorable-character")


# --- Reading documents ----------------------------------------------------------------------------


def first(value: Any) -> Any:
    """The value itself, or the first element of an array; None for an empty array."""
    if isinstance(value, list):
        return value[0] if value else None
    return value


def id_of(value: Any) -> str | None:
    """The id of a reference: the string itself or the `id` of an object. An array is no reference (rule
    20)."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def ids_of(value: Any) -> list[str]:
    """The ids of one reference or of an array of them, in order, without those that have none."""
    if isinstance(value, list):
        return [found for each in value if (found := id_of(each))]
    found = id_of(value)
    return [found] if found else []


def type_of(value: Any) -> str | None:
    """The `type` of an object; the first one where a server sends an array of types."""
    kind = first(value.get("type")) if isinstance(value, dict) else None
    return kind if isinstance(kind, str) and kind else None


class Recipients(NamedTuple):
    """Whom a document is addressed to: ids in order, every spelling of Public written out."""

    to: list[str]
    cc: list[str]
    audience: list[str]


def recipients(document: Mapping[str, Any]) -> Recipients:
    """The addressing of a document; a bare string counts as an array of one."""
    to, cc, audience = (
        [PUBLIC if uri in PUBLIC_SPELLINGS else uri for uri in ids_of(document.get(field))]
        for field in ("to", "cc", "audience")
    )
    return Recipients(to, cc, audience)


def is_public(document: Mapping[str, Any]) -> bool:
    """Whether the document is addressed to Public in `to` or `cc`, in any of the three spellings."""
    return any(not PUBLIC_SPELLINGS.isdisjoint(ids_of(document.get(field))) for field in ("to", "cc"))


def is_quiet(document: Mapping[str, Any]) -> bool:
    """Whether the document is public but not to be advertised: Public stands only in `cc` ("unlisted")."""
    return is_public(document) and PUBLIC_SPELLINGS.isdisjoint(ids_of(document.get("to")))


def without_private_recipients(activity: Document) -> Document:
    """A copy of an activity ready to leave the house: without `bto` and `bcc`, in embedded objects too."""
    # Imported here since it brings requests and lxml along: 19 MB that not every process needs to carry.
    from little_boxes.activitypub import clean_activity

    # By itself clean_activity looks into the object of a Create only, and takes a bare URI there for a
    # dictionary. Without a type it keeps to the top level, and embedded objects are given to it one by one.
    untyped = {field: _clean(value) if field == "object" else value for field, value in activity.items()}
    untyped["type"] = None
    cleaned: Document = clean_activity(untyped)
    cleaned |= {"type": activity.get("type")}
    return {field: cleaned[field] for field in activity if field in cleaned}


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return without_private_recipients(value) if isinstance(value, dict) else value


# --- URIs -----------------------------------------------------------------------------------------

Origin = tuple[str, str, int]

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Excluding "@", "\\" and "%" from the authority leaves no room for user names, for the browsers' reading of a
# backslash as a slash, and for escaped hosts.
_AUTHORITY = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^/?#@\\%:\[\]]+)(?::(?P<port>[0-9]{0,5}))?(?=[/?#]|\Z)",
    re.IGNORECASE,
)
_ASCII_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


def origin_of(uri: str) -> Origin | None:
    """(scheme, host, port) of an http(s) URI, normalised, or None if it has none that could be trusted.

    The host is lower case and IDNA encoded, without a trailing dot; the port is the default one if none is
    written. None for other schemes, user names, spaces, control characters, backslashes and unreadable
    hosts or ports.
    """
    if not isinstance(uri, str) or len(uri) > URI_MAX:
        return None
    # Counted in bytes as well: PostgreSQL cannot index longer ones.
    if not uri.isascii() and len(uri.encode(errors="replace")) > URI_MAX:
        return None
    return _origin_of(uri)


@lru_cache(maxsize=4096)
def _origin_of(uri: str) -> Origin | None:
    match = _AUTHORITY.match(uri)
    if match is None or " " in uri or not uri.isprintable():
        return None
    scheme = match["scheme"].lower()
    host = _normalise_host(match["host"])
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    if host is None or not 0 < port < 65536:
        return None
    return scheme, host, port


def _normalise_host(host: str) -> str | None:
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            return None
    if host.isascii():
        host = host.lower()
    else:
        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    host = host.removesuffix(".")
    return host if len(host) <= 253 and _ASCII_HOST.fullmatch(host) else None


def same_origin(uri: str, *others: str) -> bool:
    """Whether all these URIs have an origin and share it."""
    origin = origin_of(uri)
    return origin is not None and all(origin_of(other) == origin for other in others)


def host_of(uri: str) -> str | None:
    """The host of an http(s) URI in lower case, with `:port` where it is not the default; None as
    origin_of."""
    origin = origin_of(uri)
    if origin is None:
        return None
    scheme, host, port = origin
    return host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"


# --- Times ----------------------------------------------------------------------------------------

_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:)([0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_time(value: Any, now: datetime) -> datetime | None:
    """The RFC 3339 time in `value` as an aware UTC datetime, at the latest `now`; None if it is no such time.

    Times in the future are clamped, so that nobody pins a post to the top of a list (Mastodon does the same).
    """
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    day, minutes, seconds, fraction, zone = match.groups()
    # A leap second exists in RFC 3339 but not in datetime.
    seconds = "59" if seconds == "60" else seconds
    try:
        parsed = datetime.fromisoformat(
            f"{day}T{minutes}{seconds}.{(fraction or '')[:6]:0<6}{'+00:00' if zone in 'Zz' else zone}"
        )
        return min(parsed.astimezone(UTC), now)
    except (ValueError, OverflowError):
        return None


def format_time(at: datetime, precision: str = "seconds") -> str:
    """An aware datetime as RFC 3339 in UTC with `Z`, in whole seconds or milliseconds; ValueError for a naive one."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone cannot be written")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"


# --- Media types ----------------------------------------------------------------------------------

_PROFILE = re.compile(r';\s*profile\s*=\s*"?([^";]*)', re.IGNORECASE)
_ACCEPT_MAX = 2048


def is_activitystreams(media_type: str) -> bool:
    """Whether a Content-Type names ActivityPub: activity+json, or ld+json with no profile or that of
    ActivityStreams."""
    essence = media_type.partition(";")[0].strip().lower()
    if essence == ACTIVITY_JSON:
        return True
    profile = _PROFILE.search(media_type)
    return essence == LD_JSON and (profile is None or AS2 in profile[1].split())


def wants_activitystreams(accept_header: str) -> bool:
    """Whether an Accept header asks for ActivityPub rather than for a page.

    activity+json or ld+json must be named, with or without profile (Mastodon and PieFed leave it out).
    Where a page is named too, the higher quality wins, and of equals the one named first.
    """
    wanted, page = -1.0, -1.0
    for position, part in enumerate(accept_header[:_ACCEPT_MAX].split(",")):
        essence, _, parameters = part.partition(";")
        # Position decides between equals and never outweighs a difference in quality.
        weight = _quality(parameters) - position / 1e6
        match essence.strip().lower():
            case "application/activity+json" | "application/ld+json":
                wanted = max(wanted, weight)
            case "text/html" | "application/xhtml+xml":
                page = max(page, weight)
    return wanted > 0 and wanted > page


_QUALITY = re.compile(r"(?:^|;)\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)


def _quality(parameters: str) -> float:
    match = _QUALITY.search(parameters)
    return float(match[1]) if match else 1.0
