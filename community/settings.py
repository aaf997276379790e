"""What can be configured: one structure, read from ``folkmoot.toml`` and the environment.

Every field is documented where it stands; ``folkmoot doctor --settings`` prints this page from the same source.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COLOUR = re.compile(r"#[0-9a-f]{6}")
LANGUAGES = ("en", "fr", "es")  # what the pages are translated into


class BadSettings(ValueError):
    """A setting that cannot be used; the message says which one and what to write instead."""


def _setting(default: Any, says: str) -> Any:
    if isinstance(default, tuple | list):
        return field(default_factory=lambda: tuple(default), metadata={"says": says})
    return field(default=default, metadata={"says": says})


@dataclass(frozen=True)
class Settings:
    origin: str = _setting(
        "http://localhost:8000",
        "Public origin of this instance, as in https://moot.example. Ids of everything begin with it: never change it.",
    )
    bind: str = _setting("", "host:port to listen on. Default: the loopback address and the port of the origin.")
    data: str = _setting("data", "Directory of the SQLite database and of the instance's secret.")
    database_url: str = _setting(
        "", "postgresql://user:password@host/name for PostgreSQL. Default: SQLite in the data directory."
    )
    insecure_peers: tuple[str, ...] = _setting(
        (),
        "Development and tests only: host:port pairs, separated by commas, that may be reached by plain http and on "
        "loopback addresses. Everything else is https and public addresses only.",
    )
    name: str = _setting("World Smart City", "What this community calls itself, in the page head and as an actor.")
    about: str = _setting(
        "Urban planners, utilities, researchers and citizens discuss what makes a city work, together set the "
        "agenda, and you can take part from the server you already use.",
        "What this place is, in one sentence: on the home page and in NodeInfo.",
    )
    colour: str = _setting("#0b5a52", "The instance's own colour, six hexadecimal digits.")
    language: str = _setting("en", "Language of the pages when a reader's own is not offered (en, fr, es).")
    languages: tuple[str, ...] = _setting(LANGUAGES, "Languages of the pages that are offered, separated by commas.")
    registration: str = _setting(
        "",
        "open, approval or closed. Default: open where the origin is on loopback, approval everywhere else, since "
        "unattended open sign-ups are what spam waves live on.",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), "Addresses of reverse proxies whose X-Forwarded-For is believed, separated by commas."
    )
    retry_seconds: tuple[int, ...] = _setting(
        (60, 300, 900, 3600, 10800, 21600, 43200, 86400, 172800, 345600),
        "Waiting time before each further attempt of a delivery, in seconds; after the last one it is given up.",
    )
    inbox_per_minute: int = _setting(6000, "Activities that one other server may send in a minute; more is told 429.")
    fetches_per_host: int = _setting(4, "Documents that are fetched from one other server at the same time.")
    worker_tasks: int = _setting(64, "Jobs that one process works on at the same time.")
    upload_max_mb: int = _setting(10, "Size of the largest picture that a member may upload, in MB.")
    upload_quota_mb: int = _setting(
        200, "How much all pictures of one member may take, in MB, as they are kept: about 1,000 photographs."
    )
    s3_endpoint: str = _setting(
        "",
        "Where pictures are kept instead of in the data directory: the address of an S3-compatible storage, such as "
        "https://s3.eu-west-3.amazonaws.com. It needs s3_bucket, s3_key_id and s3_secret.",
    )
    s3_bucket: str = _setting("", "Name of the bucket for pictures. It is there already; nobody else writes into it.")
    s3_region: str = _setting("us-east-1", "Region of the bucket, as the storage calls it.")
    s3_key_id: str = _setting("", "Key id that may write into the bucket.")
    s3_secret: str = _setting("", "Secret that belongs to s3_key_id.")
    s3_public_url: str = _setting(
        "",
        "https address under which everybody can read the bucket, without its name where that is part of the host: "
        "browsers get pictures from there. Default: they get them from here, read from the bucket.",
    )
    folder: str = _setting(".", "Where folkmoot.toml was found; paths in it are relative to this.")

    @property
    def host(self) -> str:
        """The part after the @ of every handle here: the origin's host, with its port if it names one."""
        return urlsplit(self.origin).netloc

    @property
    def is_secure(self) -> bool:
        return self.origin.startswith("https:")

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.origin).hostname in ("localhost", "127.0.0.1", "::1")

    @property
    def listen(self) -> tuple[str, int]:
        """Address and port to listen on."""
        if self.bind:
            host, _, port = self.bind.rpartition(":")
            return host.strip("[]") or "127.0.0.1", int(port)
        return "127.0.0.1", urlsplit(self.origin).port or 8000

    @property
    def data_path(self) -> Path:
        return Path(self.folder, self.data)

    @property
    def sqlite_path(self) -> Path:
        return self.data_path / "folkmoot.db"

    @property
    def postgresql_url(self) -> str:
        """The SQLAlchemy URL with the asynchronous driver named."""
        return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+asyncpg://", self.database_url)

    @property
    def registration_mode(self) -> str:
        return self.registration or ("open" if self.is_loopback else "approval")

    def secret(self) -> bytes:
        """The 32 bytes that encrypt private keys and sign forms; made at first use, readable by the owner only."""
        path = self.data_path / "secret"
        try:
            return bytes.fromhex(path.read_text().strip())
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
            return bytes.fromhex(path.read_text().strip())


def _converted(name: str, kind: str, value: Any) -> Any:
    if "tuple" in kind:
        parts = value if isinstance(value, list) else str(value).split(",")
        cleaned = [str(part).strip() for part in parts if str(part).strip()]
        if "int" not in kind:
            return tuple(cleaned)
        try:
            return tuple(int(part) for part in cleaned)
        except ValueError:
            raise BadSettings(f"{name} must be whole numbers separated by commas, not {value!r}") from None
    if kind == "int":
        try:
            return int(value)
        except ValueError:
            raise BadSettings(f"{name} must be a whole number, not {value!r}") from None
    return str(value)


def check(settings: Settings) -> Settings:
    """The settings themselves, or BadSettings with a sentence about the first that cannot be used."""
    parts = urlsplit(settings.origin)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise BadSettings(f"origin must look like https://moot.example, not {settings.origin!r}")
    if parts.scheme == "http" and not settings.is_loopback:
        raise BadSettings(f"origin {settings.origin!r} must be https: other servers refuse plain http")
    try:
        _ = settings.listen
    except ValueError:
        raise BadSettings(f"bind must look like 127.0.0.1:8000, not {settings.bind!r}") from None
    if settings.database_url and not settings.database_url.startswith(("postgresql", "postgres://")):
        raise BadSettings("database_url must begin with postgresql://; leave it empty for SQLite")
    if not COLOUR.fullmatch(settings.colour.lower()):
        raise BadSettings(f"colour is # and six hexadecimal digits, not {settings.colour!r}")
    unknown = [code for code in (*settings.languages, settings.language) if code not in LANGUAGES]
    if unknown or not settings.languages:
        raise BadSettings(f"languages and language are of {', '.join(LANGUAGES)}, not {', '.join(unknown) or 'none'}")
    for proxy in settings.trusted_proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            raise BadSettings(f"trusted_proxies must be addresses or networks, not {proxy!r}") from None
    if settings.upload_max_mb < 1 or settings.upload_quota_mb < 1:
        raise BadSettings("upload_max_mb and upload_quota_mb must be at least 1")
    for name in ("s3_endpoint", "s3_public_url"):
        address = urlsplit(getattr(settings, name))
        if getattr(settings, name) and (address.scheme not in ("http", "https") or not address.hostname):
            raise BadSettings(f"{name} must begin with https://, not {getattr(settings, name)!r}")
    if settings.s3_endpoint and not (settings.s3_bucket and settings.s3_key_id and settings.s3_secret):
        raise BadSettings("s3_endpoint needs s3_bucket, s3_key_id and s3_secret as well")
    if settings.registration not in ("", "open", "approval", "closed"):
        raise BadSettings(f"registration is open, approval or closed, not {settings.registration!r}")
    return settings


def load(folder: str | Path = ".", environment: dict[str, str] | None = None) -> Settings:
    """Read ``folkmoot.toml`` in ``folder``, then the environment (``FOLKMOOT_ORIGIN`` …), which wins.

    Raises BadSettings with a sentence that names the setting.
    """
    environment = dict(os.environ) if environment is None else environment
    known = {f.name: str(f.type) for f in fields(Settings) if f.name != "folder"}
    values: dict[str, Any] = {}
    path = Path(folder, "folkmoot.toml")
    if path.exists():
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise BadSettings(f"folkmoot.toml: {error}") from None
        for key, value in content.items():
            if key not in known:
                raise BadSettings(f"folkmoot.toml: there is no setting {key!r}; see folkmoot doctor --settings")
            values[key] = _converted(key, known[key], value)
    for key, kind in known.items():
        variable = f"FOLKMOOT_{key.upper()}"
        if environment.get(variable):
            values[key] = _converted(variable, kind, environment[variable])
    if "origin" in values:
        values["origin"] = values["origin"].rstrip("/").lower()
    if "colour" in values:
        values["colour"] = values["colour"].lower()
    return check(Settings(**values, folder=str(folder)))


def describe(settings: Settings) -> str:
    """Every setting with its variable, its present value and what it means, as text for a terminal."""
    lines = []
    for f in fields(Settings):
        if f.name == "folder":
            continue
        value = getattr(settings, f.name)
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        if f.name == "database_url" and "@" in shown:
            shown = shown.split("://")[0] + "://…@" + shown.rpartition("@")[2]
        if f.name == "s3_secret" and shown:
            shown = "(set)"
        lines += [
            f"{f.name}  (FOLKMOOT_{f.name.upper()})",
            f"    now: {shown or '(default)'}",
            f"    {f.metadata['says']}",
            "",
        ]
    return "\n".join(lines)
