"""Rules for how others find us: WebFinger and NodeInfo."""

import re
from collections.abc import Iterator

from .rules import View, rule
from .values import Document, dicts, host_of, is_count, is_text, is_url, strings

ACTIVITY_JSON = (
    "application/activity+json",
    'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
)
SCHEMA = "http://nodeinfo.diaspora.software/ns/schema/"
APPLICATION = "https://www.w3.org/ns/activitystreams#Application"
# Names by which peers choose a dialect (PieFed for microblogs, Lemmy for kbin and mbin), or which are not ours.
TAKEN = frozenset({
    "akkoma", "discourse", "fedibird", "friendica", "gotosocial", "hubzilla", "iceshrimp", "kbin", "lemmy",
    "mastodon", "mbin", "misskey", "mobilizon", "nodebb", "peertube", "piefed", "pixelfed", "pleroma", "sharkey",
    "snac", "takahe",
})  # fmt: skip


@rule("webfinger")
def handle_leads_to_one_actor(document: Document, view: View) -> Iterator[str]:
    subject = document.get("subject")
    account = re.fullmatch(r"acct:([^@\s]+)@([^@/\s]+)", subject) if isinstance(subject, str) else None
    selves = [link for link in dicts(document.get("links")) if link.get("rel") == "self"]
    if len(selves) != 1:
        yield "NodeBB: there must be exactly one self link, the last one is taken"
        return
    if selves[0].get("type") not in ACTIVITY_JSON:
        yield "Mastodon: the self link must be of type application/activity+json"
    href = selves[0].get("href")
    if not is_url(href):
        yield "Mastodon: href of the self link must be the actor's id"
    elif href != str(href).lower():
        yield "PieFed: href of the self link must be lower case"
    elif account and account[2].lower() != host_of(href):
        yield "NodeBB: subject must be on the domain that was asked"
    if account and account[0] != account[0].lower():
        yield "PieFed: subject must be lower case"
    if account is None and not (is_url(subject) and host_of(subject) == host_of(href)):
        yield "Mastodon: subject must be acct:name@domain"
    aliases = document.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        yield "Lemmy: aliases must be an array of strings"


@rule("nodeinfo links")
def nodeinfo_is_linked(document: Document, view: View) -> Iterator[str]:
    links = {str(link.get("rel")): link.get("href") for link in dicts(document.get("links"))}
    for version in ("2.0", "2.1"):
        if SCHEMA + version not in links:
            yield f"Lemmy: there must be a link to schema {version}"
    if APPLICATION not in links:
        yield "Mitra: there must be a link to the instance actor (FEP-2677)"
    if not all(is_url(href) for href in links.values()):
        yield "Lemmy: every href must be an https address"


@rule("nodeinfo")
def nodeinfo_follows_its_schema(document: Document, view: View) -> Iterator[str]:
    version, software = document.get("version"), document.get("software")
    if version not in ("2.0", "2.1"):
        yield "Lemmy: version must be 2.0 or 2.1"
    name = software.get("name") if isinstance(software, dict) else None
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9-]+", name):
        yield "PieFed: software.name must be lower case letters, digits and -"
    elif name in TAKEN:
        yield "PieFed: software.name must be our own, it chooses how we are spoken to"
    if not isinstance(software, dict) or not is_text(software.get("version")):
        yield "Lemmy: software.version is missing"
    elif version == "2.0" and set(software) - {"name", "version"}:
        yield "NodeInfo: schema 2.0 knows only name and version of software"
    if "activitypub" not in strings(document.get("protocols")):
        yield "Lemmy: protocols must contain activitypub"
    services = document.get("services")
    if not isinstance(services, dict) or not all(isinstance(services.get(k), list) for k in ("inbound", "outbound")):
        yield "NodeInfo: services must have inbound and outbound arrays"
    if not isinstance(document.get("openRegistrations"), bool):
        yield "NodeInfo: openRegistrations must be true or false"
    usage = document.get("usage")
    users = usage.get("users") if isinstance(usage, dict) else None
    if not isinstance(users, dict) or not all(is_count(number) for number in users.values()):
        yield "Lemmy: usage.users must hold numbers"
    if not isinstance(document.get("metadata"), dict):
        yield "NodeInfo: metadata must be an object"
