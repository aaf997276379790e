"""Rules for those who act: Person, Service, Group and the instance's Application."""

import re
from collections.abc import Iterator

from .rules import View, rule
from .values import ACTORS, Document, host_of, is_count, is_language, is_loopback, is_text, is_time, is_url, path_of

PEOPLE = ("Person", "Service", "Organization")
_HANDLE = re.compile(r"[a-z0-9_]+([.-]+[a-z0-9_]+)*")


@rule(*ACTORS)
def actor_can_be_reached(document: Document, view: View) -> Iterator[str]:
    handle = document.get("preferredUsername")
    if not is_text(handle):
        yield "Mastodon: preferredUsername is missing"
    elif isinstance(handle, str) and not _HANDLE.fullmatch(handle) and not is_loopback(handle):
        yield "Mastodon: preferredUsername must be lower case letters, digits and _"
    for key in ("inbox", "outbox"):
        if document.get(key) is None:
            yield f"Lemmy: {key} is missing"
        elif is_url(document[key]) and host_of(document[key]) != host_of(document):
            yield f"Lemmy: {key} must be on the host of id"
    if document.get("url") is not None and host_of(document["url"]) != host_of(document):
        yield "Mastodon: url must be one address on the host of id"
    webfinger = document.get("webfinger")
    named = isinstance(handle, str) and bool(_HANDLE.fullmatch(handle))
    if webfinger is not None and named and webfinger != f"{handle}@{host_of(document)}":
        yield "Mastodon: webfinger must be preferredUsername@host"


@rule(*ACTORS)
def key_belongs_to_actor(document: Document, view: View) -> Iterator[str]:
    key, owner = document.get("publicKey"), document.get("id")
    if not isinstance(key, dict):
        yield "Lemmy: publicKey must be one object"
        return
    if key.get("owner") != owner:
        yield "Mastodon: publicKey.owner must be the actor's id"
    if not is_url(key.get("id")) or host_of(key["id"]) != host_of(owner):
        yield "Mastodon: publicKey.id must be an address on the host of id"
    pem = key.get("publicKeyPem")
    if not isinstance(pem, str) or not pem.startswith("-----BEGIN PUBLIC KEY-----"):
        yield "Lemmy: publicKey.publicKeyPem must begin with BEGIN PUBLIC KEY"


@rule(*PEOPLE, "Group")
def deliveries_can_be_shared(document: Document, view: View) -> Iterator[str]:
    endpoints = document.get("endpoints")
    if not isinstance(endpoints, dict) or not is_url(endpoints.get("sharedInbox")):
        yield "Lemmy: endpoints.sharedInbox must be one address"
    if document.get("followers") is None:
        yield "Mastodon: followers is missing, it decides who may see"
    if document.get("published") is None:
        yield "PieFed: published is missing, the age of an account decides what it may post"


@rule("Group")
def group_is_an_open_community(document: Document, view: View) -> Iterator[str]:
    moderators = document.get("attributedTo")
    if moderators is None or (is_url(moderators) and host_of(moderators) != host_of(document)):
        yield "Lemmy: attributedTo must be the address of the moderators collection"
    if document.get("featured") is None:
        yield "Lemmy: featured is missing"
    if document.get("manuallyApprovesFollowers") is not False:
        yield "Lemmy: manuallyApprovesFollowers must be false, else the group counts as private"
    if document.get("discoverable") is None:
        yield "Lemmy: discoverable must be said, true or false"
    if not is_text(document.get("name")):
        yield "NodeBB: a Group must have name"
    languages = document.get("language")
    if languages is not None and not (isinstance(languages, list) and all(is_language(one) for one in languages)):
        yield "Lemmy: language of a Group must be an array of {identifier, name}"


@rule("Application")
def instance_has_a_name(document: Document, view: View) -> Iterator[str]:
    if not is_text(document.get("name")):
        yield "Lemmy: the instance must have name"
    handle = document.get("preferredUsername")
    if path_of(document.get("id")) in ("", "/") and is_text(handle) and handle != host_of(document):
        yield "Mastodon: the instance's preferredUsername must be its domain"


@rule("Group")
def debate_says_what_linked_cities_show(document: Document, view: View) -> Iterator[str]:
    debate = document.get("debate")
    if debate is None:
        return
    if not isinstance(debate, dict):
        yield "Folkmoot: debate must be one object"
        return
    for key in ("motion", "state", "timezone"):
        if not is_text(debate.get(key)):
            yield f"Folkmoot: debate must have {key}"
    for key in ("startTime", "endTime", "callTime", "updated"):
        if not (is_time(debate.get(key)) or (key == "callTime" and key not in debate)):
            yield f"Folkmoot: {key} of debate must be RFC 3339 with Z"
    for key in ("theme", "floor"):
        if not is_url(debate.get(key)) or host_of(debate[key]) != host_of(document):
            yield f"Folkmoot: {key} of debate must be an address on the host of id"
    for key in ("hosts", "panel"):
        people = debate.get(key)
        if not isinstance(people, list) or not all(is_url(person) for person in people):
            yield f"Folkmoot: {key} of debate must be addresses"
    if not is_count(debate.get("sequence")):
        yield "Folkmoot: sequence of debate must be a number"
