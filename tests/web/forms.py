"""Filling in a form as a browser does: open its page, carry its token, send it from our origin."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from federation.site import Site

PASSWORD = "correct horse battery"
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')


async def token_on(client: TestClient, page: str) -> str:
    """The token of the first form on a page."""
    answer = await client.get(page)
    found = _TOKEN.search(await answer.text())
    assert found is not None, f"no form on {page}: {answer.status}"
    return found[1]


async def send(
    client: TestClient, path: str, *, page: str = "", headers: dict[str, str] | None = None, **fields: str
) -> ClientResponse:
    """Send the form on ``page`` (default: ``path`` itself) and stay at its answer."""
    token = await token_on(client, page or path)
    return await client.post(
        path,
        data={"csrf": token, **fields},
        headers={"Origin": origin_of(client), **(headers or {})},
        allow_redirects=False,
    )


def origin_of(client: TestClient) -> str:
    return str(client.make_url("/")).rstrip("/")


def setting(monkeypatch: pytest.MonkeyPatch, site: Site, **changed: object) -> None:
    """Run the rest of a test under other settings."""
    settings = replace(site.settings, **changed)
    monkeypatch.setattr(site, "settings", settings)
    monkeypatch.setattr(site.database, "settings", settings)


def session_of(answer: ClientResponse) -> str:
    """The session that an answer gives; '' when it takes it away."""
    return answer.cookies["session"].value
