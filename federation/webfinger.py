"""From a handle to an actor and back (RFC 7033), on both sides of the question."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from federation.client import Budget, Client, Forbidden, Refused
from federation.vocabulary import (
    ACTIVITY_JSON,
    AS2,
    Document,
    host_of,
    is_activitystreams,
    origin_of,
    same_origin,
)

JRD_MEDIA_TYPE = "application/jrd+json"
PROFILE_PAGE = "http://webfinger.net/rel/profile-page"
SERVICE = f"{AS2}#Service"
SUBSCRIBE = "http://ostatus.org/schema/1.0/subscribe"
INTENTS = "https://w3id.org/fep/3b86/"  # what a server lets its members do about things elsewhere (FEP-3b86)

_HANDLE_MAX = 512
_NAME = re.compile(r"[A-Za-z0-9_.~-]{1,255}")
_PLACE = re.compile(r"\{([A-Za-z-]{1,30})\}")


def parse_handle(handle: str) -> tuple[str, str] | None:
    """(name, host) of `@name@host`, `name@host`, `acct:name@host` or Lemmy's `!name@host`, else None.

    The host is normalised and may carry a port; the name is left as it is written.
    """
    handle = handle.strip()
    if len(handle) > _HANDLE_MAX:
        return None
    if handle[:5].lower() == "acct:":
        handle = handle[5:]
    elif handle[:1] in ("@", "!"):
        handle = handle[1:]
    name, at, authority = handle.partition("@")
    if not at or not _NAME.fullmatch(name) or any(mark in authority for mark in "/?#@"):
        return None
    host = host_of(f"https://{authority}")
    return None if host is None else (name, host)


async def find(client: Client, name: str, host: str, budget: Budget | None = None, *, kind: str = "") -> str:
    """The URI of the actor whose handle is name@host, as its host says. Where the host says what its actors are, one
    of type ``kind`` is preferred: on Lemmy a person and a community may share a handle.

    An answer about another handle (a host that moved its accounts to another domain) is followed once and
    must then be stable, as Mastodon does it. Raises what Client.get_document raises; Refused where the
    answer names no actor.
    """
    answer = await _ask(client, name, host, budget)
    subject = _subject(answer)
    if subject is None or _is_same_handle(subject, (name, host)):
        return _self_link(answer, name, host, kind)
    renamed = await _ask(client, *subject, budget)
    stable = _subject(renamed)
    if stable is None or not _is_same_handle(stable, subject):
        raise Refused(f"acct:{name}@{host}", "handle-unstable")
    actor_uri = _self_link(renamed, *subject, kind)
    if actor_uri != _self_link(answer, name, host, kind):
        raise Refused(f"acct:{name}@{host}", "handle-unstable")
    return actor_uri


async def templates(client: Client, name: str, host: str, budget: Budget | None = None) -> dict[str, str]:
    """The addresses at which this account's host lets it follow, answer or open things, by their relation: the
    OStatus one with `{uri}`, those of FEP-3b86 with its own places.

    Only addresses that we would ask ourselves are given back: a browser is going to be sent there.
    """
    found: dict[str, str] = {}
    for link in _links(await _ask(client, name, host, budget)):
        rel, template = link.get("rel"), link.get("template")
        if not isinstance(rel, str) or not isinstance(template, str) or rel in found or len(template) > 2000:
            continue
        if (rel == SUBSCRIBE and "{uri}" in template) or rel.startswith(INTENTS):
            # The places to be filled must not be part of the host.
            if not same_origin(fill(template, {}), _PLACE.sub("x", template)):
                continue
            try:
                client.check_url(fill(template, {}))
            except Forbidden:
                continue
            found[rel] = template
    return found


def fill(template: str, values: Mapping[str, str]) -> str:
    """A template with its `{places}` filled; those that are not known stay empty."""
    return _PLACE.sub(lambda place: quote(values.get(place[1], ""), safe=""), template)


def to_jrd(
    subject: str,
    actor_uri: str,
    profile_url: str | None,
    aliases: Sequence[str] = (),
    template: str | None = None,
    properties: Mapping[str, str] | None = None,
    intents: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Our answer about one of our own actors, with one `self` link of the type that Mastodon wants.

    `subject` is `acct:name@host`, or the address of the house itself, whose answer then names the instance actor
    as FEP-d556 has it. `template` is the address at which a member of ours follows somebody, with `{uri}`;
    `properties` describe the self link, as Lemmy tells the type of an actor; `intents` are the addresses of what
    else a member can do about things elsewhere, by the names of FEP-3b86.
    """
    own: dict[str, Any] = {"rel": "self", "type": ACTIVITY_JSON, "href": actor_uri}
    if properties:
        own["properties"] = dict(properties)
    links = [own]
    if not subject.startswith("acct:"):
        links.append({"rel": SERVICE, "type": ACTIVITY_JSON, "href": actor_uri})
    if profile_url is not None:
        links.append({"rel": PROFILE_PAGE, "type": "text/html", "href": profile_url})
    if template is not None:
        links.append({"rel": SUBSCRIBE, "template": template})
    links += [{"rel": INTENTS + name, "template": address} for name, address in (intents or {}).items()]
    return {"subject": subject, "aliases": list(aliases), "links": links}


async def _ask(client: Client, name: str, host: str, budget: Budget | None) -> Document:
    resource = quote(f"acct:{name}@{host}", safe="")
    return await client.get_json(f"{client.root_of(host)}/.well-known/webfinger?resource={resource}", budget=budget)


def _subject(answer: Document) -> tuple[str, str] | None:
    subject = answer.get("subject")
    return parse_handle(subject) if isinstance(subject, str) and subject[:5].lower() == "acct:" else None


def _is_same_handle(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one[0].lower() == other[0].lower() and one[1] == other[1]


def _links(answer: Document) -> list[Document]:
    links = answer.get("links")
    return [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []


def _self_link(answer: Document, name: str, host: str, kind: str = "") -> str:
    found = []
    for link in _links(answer):
        media_type, href = link.get("type"), link.get("href")
        if link.get("rel") != "self" or not isinstance(media_type, str) or not isinstance(href, str):
            continue
        if is_activitystreams(media_type) and origin_of(href) is not None:
            found.append((link, href))
    if not found:
        raise Refused(f"acct:{name}@{host}", "no-actor")
    for link, href in found:
        properties = link.get("properties")
        if kind and isinstance(properties, dict) and properties.get(f"{AS2}#type") == kind:
            return href
    return found[0][1]
