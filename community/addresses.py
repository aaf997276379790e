"""Who connects: the address that tries are counted against."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

UNKNOWN = "unknown"
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=16)
def _networks(proxies: tuple[str, ...]) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(each, strict=False) for each in proxies)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def address_of(remote: str | None, forwarded_for: Iterable[str], trusted_proxies: tuple[str, ...]) -> str:
    """The peer, or what the nearest trusted proxies say about it; ``forwarded_for`` are the X-Forwarded-For headers.

    They are read from the end and only as far as trusted proxies wrote them: everybody can send the rest. A network of
    IPv6 counts as one address, since one household has 2^64 of them.
    """
    trusted = _networks(trusted_proxies)
    hops = [part for line in forwarded_for for part in line.split(",")]
    address = _parse(remote or "")
    while hops and address is not None and any(address in network for network in trusted):
        address = _parse(hops.pop())
    if address is None:
        return UNKNOWN
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
