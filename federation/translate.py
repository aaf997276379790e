"""Both directions of the language, in pairs: what a document means to us, and how we say the same thing.

Pure functions over dictionaries and values; what another server demands is named where it shapes a field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from community import text
from community.debates import POSITIONS
from community.media import Shown
from community.models import Actor, Poll, PollOption, Post, Theme, Topic
from community.polls import Paper
from community.posts import NO_POSITION
from community.settings import Settings
from federation import proofs, shapes
from federation.shapes import words as _words
from federation.vocabulary import (
    AS2,
    PUBLIC,
    Document,
    first,
    format_time,
    host_of,
    id_of,
    is_public,
    is_quiet,
    origin_of,
    parse_time,
    recipients,
    same_origin,
    type_of,
)

ACTOR_CONTEXT: list[Any] = [
    AS2,
    "https://w3id.org/security/v1",
    proofs.MULTIKEY_CONTEXT,
    {
        "toot": "http://joinmastodon.org/ns#",
        "discoverable": "toot:discoverable",
        "indexable": "toot:indexable",
        "featured": {"@id": "toot:featured", "@type": "@id"},
        "manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
        "alsoKnownAs": {"@id": "as:alsoKnownAs", "@type": "@id"},
        "movedTo": {"@id": "as:movedTo", "@type": "@id"},
        "lemmy": "https://join-lemmy.org/ns#",
        "postingRestrictedToMods": "lemmy:postingRestrictedToMods",
        "assertionMethod": {"@id": "https://w3id.org/security#assertionMethod", "@type": "@id", "@container": "@set"},
        "webfinger": "https://purl.archive.org/socialweb/webfinger#webfinger",
        "schema": "http://schema.org#",
        "PropertyValue": "schema:PropertyValue",
        "value": "schema:value",
        "debate": {"@id": "urn:folkmoot:debate", "@type": "@json"},
        "agenda": {"@id": "urn:folkmoot:agenda", "@type": "@id"},
        "event": {"@id": "urn:folkmoot:event", "@type": "@json"},
        "upcomingEvents": {"@id": "https://w3id.org/fep/8a8e#upcomingEvents", "@type": "@id"},
    },
]
OBJECT_CONTEXT: list[Any] = [
    AS2,
    {
        "sensitive": "as:sensitive",
        "language": "urn:folkmoot:language",
        "identifier": "urn:folkmoot:identifier",
        "title": "urn:folkmoot:title",
        "position": "urn:folkmoot:position",
        "part": "urn:folkmoot:part",
        "gts": "https://gotosocial.org/ns#",
        "interactionPolicy": {"@id": "gts:interactionPolicy", "@type": "@id"},
        "canQuote": {"@id": "gts:canQuote", "@type": "@id"},
        "automaticApproval": {"@id": "gts:automaticApproval", "@type": "@id"},
        "votersCount": "http://joinmastodon.org/ns#votersCount",
        "blurhash": "http://joinmastodon.org/ns#blurhash",
    },
]

ACTOR_KINDS = {
    "Person": "person",
    "Organization": "person",
    "Group": "group",
    "Service": "service",
    "Application": "application",
}
OBJECT_TYPES = frozenset({"Note", "Article", "Page", "Question", "Event", "Video", "Audio"})
PRIVATE_TYPES = frozenset({"ChatMessage"})  # what Lemmy 0.19, PieFed and Pleroma write to one person
_KIND_TYPES = {"person": "Person", "group": "Group", "service": "Service", "application": "Application"}

LANGUAGES = {
    "ar": "العربية", "ca": "Català", "cs": "Čeština", "da": "Dansk", "de": "Deutsch", "el": "Ελληνικά",
    "en": "English", "es": "Español", "et": "Eesti", "eu": "Euskara", "fi": "Suomi", "fr": "Français",
    "gl": "Galego", "he": "עברית", "hi": "हिन्दी", "hr": "Hrvatski", "hu": "Magyar", "id": "Bahasa Indonesia",
    "it": "Italiano", "ja": "日本語", "ko": "한국어", "lt": "Lietuvių", "lv": "Latviešu", "ms": "Bahasa Melayu",
    "nb": "Norsk", "nl": "Nederlands", "pl": "Polski", "pt": "Português", "ro": "Română", "sk": "Slovenčina",
    "sl": "Slovenščina", "sv": "Svenska", "ta": "தமிழ்", "th": "ไทย", "tr": "Türkçe", "uk": "Українська",
    "vi": "Tiếng Việt", "zh": "中文",
}  # fmt: skip


class NotUnderstood(Exception):
    """A document that is no such thing as it should be; ``reason`` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# --- Actors ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SeenActor:
    """An actor of another server, as its own document describes it."""

    uri: str
    url: str
    kind: str
    handle: str
    host: str
    name: str
    summary_html: str
    avatar_url: str
    inbox: str
    shared_inbox: str
    outbox: str
    followers_uri: str
    key_id: str
    public_key: str
    moved_to: str
    also_known_as: list[str]
    created_at: datetime | None
    # Of a group: the collections that its moderators and its pinned topics are added to and removed from.
    moderators_uri: str = ""
    featured_uri: str = ""
    proof_key_id: str = ""
    proof_key: str = ""
    debate: Mapping[str, Any] | None = None  # what a debate's group says of the debate, see ``federation.debates``


def _url_of(value: Any, uri: str) -> str:
    """The address of the page: only on the thing's own server (a page elsewhere would lend it a false face)."""
    for each in shapes.page_among(value):
        address = each.get("href") if isinstance(each, dict) else each
        if isinstance(address, str) and text.safe_url(address) and same_origin(address, uri):
            return address
    return uri


def _same_origin_or_empty(value: Any, uri: str) -> str:
    address = id_of(value)
    return address if address is not None and same_origin(address, uri) else ""


def _aliases(value: Any) -> list[str]:
    """The ids that an actor calls its own: one of them may move here or there."""
    found = [id_of(each) for each in (value if isinstance(value, list) else [value])[:20]]
    return [uri for uri in found if uri is not None and len(uri) <= 2000]


def from_actor(document: Document, now: datetime) -> SeenActor:
    """Read an actor that was fetched from its own id. Raises NotUnderstood.

    The key must name the actor as its owner and live on the same server: otherwise one server could speak with
    another's voice (CVE-2024-23832 and its kin). The host of the handle is that of the id, whatever is claimed.
    """
    uri, kind = id_of(document), ACTOR_KINDS.get(type_of(document) or "")
    if uri is None or kind is None:
        raise NotUnderstood("not-an-actor")
    host = host_of(uri)
    handle = document.get("preferredUsername")
    if host is None or (not isinstance(handle, str) and kind != "application"):
        raise NotUnderstood("actor-incomplete")
    handle = _words(handle, 100).lower() or host
    inbox = _same_origin_or_empty(document.get("inbox"), uri)
    if not inbox:
        raise NotUnderstood("actor-without-inbox")
    key = first(document.get("publicKey"))
    key_id = public_key = ""
    if isinstance(key, dict) and id_of(key) and isinstance(key.get("publicKeyPem"), str):
        key_id, public_key = str(key["id"]), key["publicKeyPem"]
        if id_of(key.get("owner")) != uri or not same_origin(key_id, uri):
            raise NotUnderstood("key-of-another")
    proof_key_id, proof_key = proofs.key_listed(document)
    endpoints = document.get("endpoints")
    shared = endpoints.get("sharedInbox") if isinstance(endpoints, dict) else None
    icon = first(document.get("icon"))
    avatar = icon.get("url") if isinstance(icon, dict) else icon
    summary, debate = document.get("summary"), document.get("debate")
    return SeenActor(
        uri=uri,
        url=_url_of(document.get("url"), uri),
        kind=kind,
        handle=handle,
        host=host,
        name=_words(document.get("name"), 100),
        summary_html=text.clean(summary[:20_000]) if isinstance(summary, str) else "",
        avatar_url=text.safe_url(avatar) if isinstance(avatar, str) and len(avatar) < 2000 else "",
        inbox=inbox,
        shared_inbox=_same_origin_or_empty(shared, uri),
        outbox=_same_origin_or_empty(document.get("outbox"), uri),
        followers_uri=_same_origin_or_empty(document.get("followers"), uri),
        key_id=key_id,
        public_key=public_key,
        moved_to=id_of(document.get("movedTo")) or "",
        also_known_as=_aliases(document.get("alsoKnownAs")),
        created_at=parse_time(document.get("published"), now),
        moderators_uri=_same_origin_or_empty(document.get("attributedTo"), uri) if kind == "group" else "",
        featured_uri=_same_origin_or_empty(document.get("featured"), uri) if kind == "group" else "",
        proof_key_id=proof_key_id,
        proof_key=proof_key,
        debate=debate if kind == "group" and isinstance(debate, dict) else None,
    )


def to_actor(actor: Actor, settings: Settings, theme: Theme | None = None) -> Document:
    """One of our actors as a document.

    ``published`` is the true registration date: PieFed holds back the posts of accounts that look a day old.
    ``attributedTo`` of a Group is its moderators' collection, as Lemmy and NodeBB read it.
    """
    base = actor.uri.rstrip("/")
    handle_host = settings.host
    document: Document = {
        "@context": ACTOR_CONTEXT,
        "id": actor.uri,
        "type": _KIND_TYPES[actor.kind],
        "preferredUsername": actor.handle,
        "webfinger": f"{actor.handle}@{handle_host}",
        "name": actor.name or actor.handle,
        "summary": actor.summary_html,
        "url": actor.url,
        "inbox": actor.inbox,
        "outbox": actor.outbox,
        "followers": actor.followers_uri,
        "endpoints": {"sharedInbox": actor.shared_inbox},
        "manuallyApprovesFollowers": False,
        "discoverable": True,
        "published": format_time(actor.created_at),
        "publicKey": {"id": actor.key_id, "owner": actor.uri, "publicKeyPem": actor.public_key},
    }
    if actor.proof_key:
        document["assertionMethod"] = [proofs.multikey(actor.uri, actor.proof_key_id, actor.proof_key)]
    if actor.avatar_url:
        document["icon"] = {"type": "Image", "mediaType": "image/png", "url": actor.avatar_url}
    if actor.kind == "group":
        document |= {
            "featured": f"{base}/featured",
            "attributedTo": f"{base}/moderators",
            "postingRestrictedToMods": False,
        }
        if theme is not None and theme.rules_source:
            document["source"] = {"content": actor.summary_source, "mediaType": "text/markdown"}
    elif actor.kind == "person":
        document["indexable"] = True
        if actor.also_known_as:
            document["alsoKnownAs"] = list(actor.also_known_as)
        if actor.moved_to:
            document["movedTo"] = actor.moved_to
        fields = [("Profession", actor.profession), ("Organisation", actor.organisation), ("City", actor.city)]
        document["attachment"] = [
            {"type": "PropertyValue", "name": name, "value": text.clean(value)} for name, value in fields if value
        ]
    return document


# --- Objects ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SeenNote:
    """A contribution from elsewhere, as its own document describes it. ``groups`` are the addressed ids in the order
    in which a group is looked for: audience, to, cc."""

    uri: str
    url: str
    kind: str
    author_uri: str
    in_reply_to: str | None
    title: str
    html: str
    warning: str
    language: str
    created_at: datetime | None
    edited_at: datetime | None
    mentions: tuple[str, ...]
    groups: tuple[str, ...]
    is_public: bool
    is_quiet: bool
    context_uri: str = ""  # the thread's own address, where it is on the author's server
    quote_uri: str = ""
    poll: Paper | None = None
    position: str = ""  # in a debate: for, against, question, none
    part: str = ""  # what the clerk of a debate's home wrote it for
    vote_for: str = ""  # the option that this chooses in the poll that it answers: then it is no contribution


_POSITIONS = frozenset({*POSITIONS, NO_POSITION})
PARTS = frozenset(
    "motion stub reminder live opening-poll closing-poll card notice closed conclusion cancelled moved".split()
)


def _one_of(value: object, known: frozenset[str]) -> str:
    return value if isinstance(value, str) and value in known else ""


def author_of(document: Document) -> str:
    """The one author of an object. An array is refused, since two readers could pick different members of it, unless
    it says which of them is the only person: PeerTube names the account and its channel, a Group. Mobilizon names the
    organising group and says who wrote it in ``actor``.
    """
    author = document.get("attributedTo")
    if isinstance(author, list):
        people = [each for each in author if type_of(each) == "Person"]
        others = [each for each in author if type_of(each) not in ("Person", "Group")]
        author = people[0] if len(people) == 1 and not others else None
    uri, writer = id_of(author), id_of(document.get("actor"))
    if type_of(document) == "Event" and uri and writer and same_origin(uri, writer):
        return writer
    if uri is None:
        raise NotUnderstood("author-unclear")
    return uri


def _groups_among_authors(document: Document) -> list[str]:
    """The channel of a film, the organiser of an event: where it is at home."""
    author = document.get("attributedTo")
    if type_of(document) == "Event":
        return [uri] if (uri := id_of(author)) else []
    return (
        [str(each["id"]) for each in author if type_of(each) == "Group" and id_of(each)]
        if isinstance(author, list)
        else []
    )


def _language(document: Document) -> str:
    content_map = document.get("contentMap")
    found = next(iter(content_map), "") if isinstance(content_map, dict) else ""
    language = document.get("language")
    if not found and isinstance(language, dict):
        found = language.get("identifier") or ""
    found = str(found).lower().split("-")[0]
    return found if found.isalpha() and len(found) <= 3 and found != "und" else ""


def _attached(document: Document) -> str:
    """Pictures and links that came along, as links under the text: nothing is loaded from a stranger's server."""
    attachments = document.get("attachment")
    shown = []
    for each in (attachments if isinstance(attachments, list) else [attachments])[:8]:
        if not isinstance(each, dict):
            continue
        address = each.get("href") or each.get("url")
        if isinstance(address, str) and text.safe_url(address):
            label = _words(each.get("name") or each.get("summary"), 200) or address
            shown.append(f'<p><a href="{text.escape(address)}">{text.escape(label)}</a></p>')
    return "".join(shown)


def from_note(document: Document, now: datetime) -> SeenNote:
    """Read a contribution of one of OBJECT_TYPES whose origin is proven. Raises NotUnderstood.

    A Note's ``summary`` folds the text; an Article's or Page's is an abstract, which stands in for a missing text. An
    Event begins with when and where it is, a Video or Audio ends with a link to it.
    """
    uri, kind = id_of(document), type_of(document) or ""
    if kind in PRIVATE_TYPES:
        raise NotUnderstood("not-public")
    if kind not in OBJECT_TYPES:
        raise NotUnderstood("object-type-unsupported")
    if uri is None or origin_of(uri) is None:
        raise NotUnderstood("object-without-id")
    author = author_of(document)
    if not same_origin(uri, author):
        raise NotUnderstood("author-on-another-server")
    reply_to = document.get("inReplyTo")
    in_reply_to = id_of(first(reply_to))
    quote_uri = shapes.quoted(document)
    content = shapes.content_html(document)
    html = text.clean(shapes.without_quote_fallback(content) if quote_uri else content)
    vote_for = shapes.vote_in(document, html)
    summary = document.get("summary")
    summary = summary if isinstance(summary, str) else ""
    warning = ""
    if kind in ("Note", "Question"):
        warning = _words(summary, 200)
    elif not text.plain(html):
        html = text.clean(summary)
    title = _words(document.get("title") or document.get("name"), 200)
    if isinstance(document.get("title"), str):
        # The title in bold is written into the text of our kind for microblogs; here it stands above it.
        html = html.removeprefix(text.clean(f"<p><strong>{text.escape(title)}</strong></p>"))
    url = _url_of(document.get("url"), uri)
    if kind == "Event":
        html = text.clean(shapes.event_html(document)) + html
    elif kind in ("Video", "Audio"):
        html += text.clean(shapes.film_html(title, url))
    html += text.clean(_attached(document))
    if not text.plain(html) and not title and not quote_uri:
        raise NotUnderstood("no-text")
    to, cc, audience = recipients(document)
    tags = document.get("tag")
    mentions = [
        str(tag["href"])
        for tag in (tags if isinstance(tags, list) else [tags])[:100]
        if isinstance(tag, dict) and type_of(tag) == "Mention" and isinstance(tag.get("href"), str)
    ]
    return SeenNote(
        uri=uri,
        url=url,
        kind=kind,
        author_uri=author,
        in_reply_to=in_reply_to,
        title=title,
        html=html,
        warning=warning,
        language=_language(document),
        created_at=parse_time(document.get("published"), now),
        edited_at=parse_time(document.get("updated"), now),
        mentions=tuple(dict.fromkeys(mentions)),
        groups=tuple(dict.fromkeys([*audience, *to, *cc, *mentions, *_groups_among_authors(document)])),
        is_public=is_public(document),
        is_quiet=is_quiet(document),
        context_uri=_same_origin_or_empty(document.get("context"), uri),
        quote_uri=quote_uri,
        poll=shapes.poll_of(document, now) if kind == "Question" else None,
        position=_one_of(document.get("position"), _POSITIONS),
        part=_one_of(document.get("part"), PARTS),
        vote_for=vote_for,
    )


def mention(actor: Actor, settings: Settings) -> Document:
    return {"type": "Mention", "href": actor.uri, "name": f"@{actor.handle}@{actor.host or settings.host}"}


def to_note(
    post: Post,
    topic: Topic,
    group: Actor,
    author: Actor,
    settings: Settings,
    *,
    parent: Post | None = None,
    mentioned: Iterable[Actor] = (),
    replies: list[str] | None = None,
    poll: tuple[Poll, list[PollOption]] | None = None,
    pictures: Sequence[Shown] = (),
    cover: Shown | None = None,
) -> Document:
    """A post of ours as a document; with a poll it is a Question.

    An opener is a Note without ``name`` and ``summary`` whose text begins with the title in bold: the one form that
    showed title and full text unfolded on GoToSocial, snac and Takahē and gave NodeBB and PieFed the right title. It
    has no Markdown ``source``: NodeBB and PieFed prefer the source to the content and would make their title of the
    first sentence in it. The group is always mentioned in ``tag``: that is what makes replies from microblogs reach us.

    The first pictures travel as attachments, which microblogs show (Mastodon four) where they drop them from a text;
    a Note does not have them in its text as well, since NodeBB would show them twice. An Article is read as it is; its
    ``cover`` is its ``image``, which Lemmy makes the thumbnail, and no attachment.
    """
    is_opener = post.number == 1
    replies = replies or []
    is_in_group = group.kind == "group"  # else the place of a followed person, who is only mentioned
    to = [PUBLIC, group.uri]
    people = [actor for actor in mentioned if actor.id != group.id]
    attached = [shown for shown in pictures if cover is None or shown.media.id != cover.media.id][: shapes.PICTURES_MAX]
    inside = text.without_pictures(post.html, {shown.media.key for shown in attached}, settings.origin)
    content = text.with_origin(post.html, settings.origin) if post.kind == "Article" else inside
    document: Document = {
        "@context": OBJECT_CONTEXT,
        "id": post.uri,
        "type": post.kind,
        "attributedTo": author.uri,
        "to": to,
        "cc": [author.followers_uri, *(actor.uri for actor in people)],
        **({"audience": group.uri} if is_in_group else {}),
        "context": topic.context_uri,
        "url": page_of(post, topic, settings),
        "published": format_time(post.created_at),
        "mediaType": "text/html",
        "source": {
            "content": post.source.replace(f"]({text.PICTURES}", f"]({settings.origin}{text.PICTURES}"),
            "mediaType": "text/markdown",
        },
        "tag": [mention(group, settings), *(mention(actor, settings) for actor in people)],
        "attachment": [shapes.to_picture(shown, settings) for shown in attached],
        "sensitive": False,
        "interactionPolicy": {"canQuote": {"automaticApproval": [PUBLIC]}},
        "likes": {
            "id": f"{post.uri}/likes",
            "type": "Collection",
            "totalItems": post.like_count_here + post.like_count_elsewhere,
        },
        "replies": replies_collection(post.uri, replies),
    }
    if post.edited_at is not None:
        # Two edits within a second are told apart by this alone.
        document["updated"] = format_time(post.edited_at, "milliseconds")
    if is_opener:
        document["title"] = topic.title
        if post.kind == "Article":
            document["name"] = topic.title
            document["summary"] = post.abstract or text.excerpt(content, 400)
        else:
            content = f"<p><strong>{text.escape(topic.title)}</strong></p>{content}"
            del document["source"]
    else:
        document["inReplyTo"] = parent.uri if parent is not None else None
    document["content"] = content
    # Without the term it would have the position of what it answers.
    position = post.position or (NO_POSITION if parent is not None and parent.position else "")
    for term, value in (("position", position), ("part", post.part)):
        if value:
            document[term] = value
    if post.language in LANGUAGES:
        document["language"] = {"identifier": post.language, "name": LANGUAGES[post.language]}
        document["contentMap"] = {post.language: content}
    if cover is not None:
        document["image"] = shapes.to_picture(cover, settings) | {"type": "Image"}
    if poll is not None:
        document |= shapes.question_fields(*poll)
    return document


def replies_collection(uri: str, items: list[str]) -> Document:
    """Direct replies with the first page inside: GoToSocial follows nothing that is only a URL."""
    return {
        "id": f"{uri}/replies",
        "type": "Collection",
        "totalItems": len(items),
        "first": {
            "id": f"{uri}/replies?page=1",
            "type": "CollectionPage",
            "partOf": f"{uri}/replies",
            "items": items,
        },
    }


def page_of(post: Post, topic: Topic, settings: Settings) -> str:
    """Where people read a post."""
    address = f"{settings.origin}/t/{topic.id}/{text.slug_of(topic.title)}"
    return address if post.number == 1 else f"{address}/{post.number}"


def tombstone(uri: str, deleted_at: datetime) -> Document:
    return {"@context": AS2, "id": uri, "type": "Tombstone", "deleted": format_time(deleted_at)}


# --- Activities ------------------------------------------------------------------------------------------------------


def activity(
    kind: str, uri: str, actor: Actor, about: str | Mapping[str, Any], now: datetime, **fields: Any
) -> Document:
    """An activity of ours. ``to`` and ``cc`` are always there and always arrays: Lemmy's types have no default."""
    return {
        "@context": AS2,
        "id": uri,
        "type": kind,
        "actor": actor.uri,
        "published": format_time(now),
        "to": [],
        "cc": [],
        "object": about,
        **fields,
    }


def about_object(kind: str, uri: str, actor: Actor, about: Document, now: datetime, **fields: Any) -> Document:
    """Create or Update: addressed as the object is, and in its context.

    An Update of a Question is of now even where nobody edited it: votes came in (FEP-9967).
    """
    if kind == "Update" and about["type"] == "Question":
        about = about | {"updated": format_time(now, "milliseconds")}
    return activity(
        kind,
        uri,
        actor,
        {key: value for key, value in about.items() if key != "@context"},
        now,
        **{key: about[key] for key in ("@context", "to", "cc", "audience") if key in about},
        **fields,
    )


def announce(uri: str, group: Actor, about: str | Document, author_uri: str, now: datetime) -> Document:
    """A group passes something on: the id of an object (microblogs show a boost) or a whole activity (forums read it).

    Never an embedded object: nobody needs it, and PieFed drops it.
    """
    return activity("Announce", uri, group, about, now, to=[PUBLIC], cc=[group.followers_uri, author_uri])
