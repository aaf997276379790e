"""What another server says of itself (NodeInfo): its software, and in ``metadata`` whatever it likes."""

from __future__ import annotations

from typing import Any

from federation.client import Budget, Client
from federation.vocabulary import host_of

SCHEMA = "http://nodeinfo.diaspora.software/ns/schema"


async def read(client: Client, host: str, budget: Budget) -> dict[str, Any]:
    """A server's NodeInfo document of any version 2; empty where it names none on itself.

    Raises what Client.get_json raises.
    """
    found = await client.get_json(f"{client.root_of(host)}/.well-known/nodeinfo", budget=budget)
    listed = found.get("links")
    for each in listed if isinstance(listed, list) else []:
        address = str(each.get("href", "")) if isinstance(each, dict) else ""
        if host_of(address) == host and str(each.get("rel", "")).startswith(f"{SCHEMA}/2."):
            return await client.get_json(address, budget=budget)
    return {}


def software_of(info: dict[str, Any]) -> str:
    """The name of the software, lower case; '' when nothing usable is said."""
    software = info.get("software")
    name = software.get("name") if isinstance(software, dict) else None
    return name.lower()[:50] if isinstance(name, str) else ""
