"""The message by which somebody elsewhere hears that they are cited on an agenda, and what another Folkmoot reads in
it: everywhere else it is a private Note like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from community.models import Actor, Post
from community.settings import Settings
from federation import translate
from federation.vocabulary import Document, format_time, id_of, ids_of, is_public

CONTEXT: list[Any] = [*translate.OBJECT_CONTEXT, {"cites": {"@id": "urn:folkmoot:cites", "@type": "@id"}}]
# Lemmy takes a private Note only since 1.0, and these take a ChatMessage in all their releases.
_CHATS = frozenset({"lemmy", "piefed"})


def to_message(
    uri: str,
    speaker: Actor,
    person: Actor,
    html: str,
    link: str,
    posts: Iterable[Post],
    settings: Settings,
    *,
    language: str,
    software: str,
    now: datetime,
) -> Document:
    """``software`` is that of the person's server, '' where it is not known. ``posts`` are those that are cited."""
    document: Document = {
        "@context": CONTEXT,
        "id": uri,
        "type": "ChatMessage" if software in _CHATS else "Note",
        "attributedTo": speaker.uri,
        "to": [person.uri],
        "cc": [],
        "url": link,
        "content": html,
        "mediaType": "text/html",
        "tag": [translate.mention(person, settings)],
        "attachment": [],
        "sensitive": False,
        "published": format_time(now),
        "cites": [post.uri for post in posts],
    }
    if language in translate.LANGUAGES:
        document["contentMap"] = {language: html}
    return document


def cited_in(document: Mapping[str, Any]) -> list[str]:
    """The ids that such a message is about; none where it is no such message."""
    return [] if is_public(document) else ids_of(document.get("cites"))


def link_of(document: Mapping[str, Any]) -> str:
    return id_of(document.get("url")) or ""
