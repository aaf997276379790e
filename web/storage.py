"""Where this instance keeps pictures: its data directory, or an S3-compatible bucket where the settings name one."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from urllib.parse import quote

import aiohttp
from yarl import URL

from community.db import transaction_is_open, utcnow
from community.settings import Settings
from community.storage import Disk, Storage, StorageFailed
from federation.site import USER_AGENT, Site

_SECONDS = 30.0
_FOR_A_YEAR = "public, max-age=31536000, immutable"


def of(site: Site) -> Storage:
    """The storage that the settings name."""
    return Bucket(site.settings) if site.settings.s3_endpoint else Disk(site.settings.data_path / "media")


def signed_headers(
    settings: Settings, method: str, url: URL, content: bytes, now: datetime, headers: dict[str, str]
) -> dict[str, str]:
    """The headers of a request to S3 with its signature, AWS Signature Version 4: https://docs.aws.amazon.com/AmazonS3/
    latest/API/sig-v4-header-based-auth.html. The path has been quoted; there is no query."""
    at, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(content).hexdigest()
    host = url.raw_host or ""
    given = {
        **{name.lower(): value for name, value in headers.items()},
        "host": host if url.is_default_port() else f"{host}:{url.port}",
        "x-amz-content-sha256": digest,
        "x-amz-date": at,
    }
    names = ";".join(sorted(given))
    lines = "".join(f"{name}:{given[name]}\n" for name in sorted(given))
    request = "\n".join([method, url.raw_path, "", lines, names, digest])
    scope = f"{day}/{settings.s3_region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{settings.s3_secret}".encode()
    for part in (day, settings.s3_region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    credential = f"{settings.s3_key_id}/{scope}"
    given["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return given


class Bucket:
    """A bucket of an S3-compatible storage, addressed by path. The libraries for it bring a whole cloud along; what is
    needed are three requests and their signature.

    This is the one request that does not go through ``federation.client``: the address is the operator's own, who may
    well keep the storage on the same machine or in a private network. Redirects are not followed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def put(self, name: str, content: bytes) -> None:
        headers = {"Content-Type": "image/webp", "Cache-Control": _FOR_A_YEAR}
        status, _ = await self._ask("PUT", name, content, headers)
        if status != 200:
            raise StorageFailed(f"PUT {name}: {status}")

    async def get(self, name: str) -> bytes | None:
        status, content = await self._ask("GET", name)
        if status == 404:
            return None
        if status != 200:
            raise StorageFailed(f"GET {name}: {status}")
        return content

    async def remove(self, name: str) -> None:
        status, _ = await self._ask("DELETE", name)
        if status not in (200, 204, 404):
            raise StorageFailed(f"DELETE {name}: {status}")

    def address(self, name: str) -> str:
        public = self._settings.s3_public_url.rstrip("/")
        return f"{public}/media/{name}" if public else ""

    async def _ask(
        self, method: str, name: str, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        assert not transaction_is_open(), "a transaction waits for the storage"
        base = self._settings.s3_endpoint.rstrip("/")
        url = URL(f"{base}/{quote(self._settings.s3_bucket, safe='')}/media/{name}", encoded=True)
        signed = signed_headers(self._settings, method, url, content, utcnow(), headers or {})
        del signed["host"]  # aiohttp says the same
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=_SECONDS), headers={"User-Agent": USER_AGENT}
                ) as session,
                session.request(
                    method, url, data=content if method == "PUT" else None, headers=signed, allow_redirects=False
                ) as answer,
            ):
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StorageFailed(f"{method} {name}: {error}") from error
