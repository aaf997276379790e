"""Documents of every kind as we mean to send them, written by hand: each passes ``complaints`` without a word.

``good(name)`` gives a fresh copy to alter. The members ``anna`` and ``ben`` and the Service ``clerk`` live on
https://moot.example, ``gwen`` on https://micro.example.
"""

from collections.abc import Callable
from copy import deepcopy

from .values import AS2, PUBLIC, Document

MOOT = "https://moot.example"
GROUP = f"{MOOT}/g/mobility"
ANNA, BEN, CLERK = f"{MOOT}/u/anna", f"{MOOT}/u/ben", f"{MOOT}/u/clerk"
GWEN = "https://micro.example/users/gwen"
CONTEXT = f"{MOOT}/p/42/context"
OUR_CONTEXT = [AS2, "https://w3id.org/security/v1", {"moot": f"{MOOT}/ns#", "title": "moot:title"}]
PEM = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIB\n-----END PUBLIC KEY-----\n"
GROUP_MENTION = {"type": "Mention", "href": GROUP, "name": "@mobility@moot.example"}


def _served(document: Document) -> Document:
    return {"@context": OUR_CONTEXT, **document}


def _replies(address: str, *items: str) -> Document:
    of = f"{address}/replies"
    page = {"type": "CollectionPage", "partOf": of, "items": list(items)}
    return {"id": of, "type": "Collection", "totalItems": len(items), "first": page}


def _written(kind: str, number: int, author: str, content: str, **more: object) -> Document:
    address = f"{MOOT}/p/{number}"
    return {
        "id": address,
        "type": kind,
        "attributedTo": author,
        "to": [PUBLIC, GROUP],
        "cc": [f"{author}/followers"],
        "audience": GROUP,
        "context": CONTEXT if number in (42, 43) else f"{address}/context",
        "content": content,
        "mediaType": "text/html",
        "url": f"{MOOT}/t/{number}/harbour",
        "published": "2026-11-20T08:00:00Z",
        "tag": [GROUP_MENTION],
        "replies": _replies(address),
        **more,
    }


def _note() -> Document:
    return _written(
        "Note",
        42,
        ANNA,
        "<p><strong>A bus line for the harbour</strong></p><p>The ferry stops at nine. Then people walk.</p>",
        title="A bus line for the harbour",
        language={"identifier": "en", "name": "English"},
        attachment=[
            {"type": "Image", "url": f"{MOOT}/media/1.png", "name": "The pier"},
            {"type": "Document", "url": f"{MOOT}/media/2.pdf", "mediaType": "application/pdf"},
            {"type": "Link", "href": "https://ferry.example/times"},
        ],
        replies=_replies(f"{MOOT}/p/42", f"{MOOT}/p/43", "https://micro.example/users/gwen/statuses/7"),
        sensitive=False,
    )


def _reply() -> Document:
    return _written(
        "Note",
        43,
        BEN,
        "<p>Every twenty minutes would do.</p>",
        inReplyTo=f"{MOOT}/p/42",
        source={"content": "Every twenty minutes would do.", "mediaType": "text/markdown"},
        cc=[f"{BEN}/followers", ANNA],
        tag=[
            GROUP_MENTION,
            {"type": "Mention", "href": ANNA, "name": "@anna@moot.example"},
            {"type": "Hashtag", "href": f"{MOOT}/tags/ferry", "name": "#ferry"},
        ],
    )


def _article() -> Document:
    return _written(
        "Article",
        50,
        CLERK,
        "<p>Three cities tried it.</p>",
        name="Night buses in three cities",
        summary="What three cities learned from running buses all night.",
        source={"content": "Three cities tried it.", "mediaType": "text/markdown"},
        image={"type": "Image", "url": f"{MOOT}/media/3.png"},
        contentMap={"en": "<p>Three cities tried it.</p>"},
        likes={"id": f"{MOOT}/p/50/likes", "type": "Collection", "totalItems": 3},
    )


def _question() -> Document:
    def option(name: str, votes: int) -> Document:
        return {"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": votes}}

    return _written(
        "Question",
        60,
        CLERK,
        "<p>How often should the bus run?</p>",
        oneOf=[option("Every ten minutes", 4), option("Every hour", 1)],
        endTime="2026-11-27T08:00:00Z",
        votersCount=5,
    )


def _event() -> Document:
    return _written(
        "Event",
        70,
        CLERK,
        "<p>On 18 December 2026 at 17:00 (Singapore) in the town hall.</p>",
        name="Debate: should the harbour be car-free?",
        summary="18 December 2026, 17:00 Singapore time, town hall.",
        startTime="2026-12-18T09:00:00Z",
        endTime="2026-12-18T10:00:00Z",
        timezone="Asia/Singapore",
        location={"type": "VirtualLocation", "name": "Moot", "url": f"{MOOT}/g/car-free"},
        organizers=[GROUP, BEN],
        eventStatus="https://schema.org/EventScheduled",
        status="CONFIRMED",
        maximumAttendeeCapacity=None,
        participantCount=0,
        onlineLink=f"{MOOT}/g/car-free",
        joinMode="external",
        externalParticipationUrl=f"{MOOT}/g/car-free",
        anonymousParticipation=True,
        isOnline=True,
        buyTicketsLink=None,
        feeCurrency=None,
        feeAmount=0,
    )


def _vote() -> Document:
    return {
        "id": f"{MOOT}/p/80",
        "type": "Note",
        "attributedTo": ANNA,
        "to": [GWEN],
        "inReplyTo": "https://micro.example/users/gwen/statuses/9",
        "name": "Every hour",
    }


def _did(kind: str, number: int, actor: str, object_: object, **more: object) -> Document:
    return {"id": f"{MOOT}/a/{number}", "type": kind, "actor": actor, "object": object_, **more}


def _create(written: Document, number: int = 90) -> Document:
    keys = {key: written[key] for key in ("to", "cc", "audience") if key in written}
    return _did("Create", number, written["attributedTo"], written, **keys)


def _announce(object_: object, author: str, number: int = 91) -> Document:
    cc = [f"{GROUP}/followers", author]
    return _did("Announce", number, GROUP, object_, to=[PUBLIC], cc=cc, published="2026-11-20T08:00:01Z")


def _moderated(kind: str, object_: object, **more: object) -> Document:
    return _did(kind, 95, BEN, object_, to=[PUBLIC, GROUP], cc=[GROUP], audience=GROUP, **more)


def _edited() -> Document:
    edited = {**_note(), "updated": "2026-11-20T09:00:00Z"}
    return {**_create(edited, 92), "type": "Update"}


def _deleted() -> Document:
    gone = {"id": f"{MOOT}/p/42", "type": "Tombstone", "attributedTo": ANNA, "formerType": "Note"}
    to, cc = [PUBLIC, GROUP], [f"{ANNA}/followers"]
    return _did("Delete", 93, ANNA, gone, to=to, cc=cc, audience=GROUP)


def _follow_from_elsewhere() -> Document:
    return {"id": "https://Micro.example/Follow/1", "type": "Follow", "actor": GWEN, "object": GROUP}


def _create_from_elsewhere() -> Document:
    note = {
        "id": "https://micro.example/users/gwen/statuses/7",
        "type": "Note",
        "attributedTo": GWEN,
        "to": "as:Public",
        "inReplyTo": f"{MOOT}/p/42",
        "content": "Yes!",
    }
    return {
        "id": "https://micro.example/users/gwen/statuses/7/activity",
        "type": "Create",
        "actor": GWEN,
        "to": [PUBLIC],
        "object": note,
    }


def _actor(kind: str, address: str, handle: str, **more: object) -> Document:
    base = address.rstrip("/")
    return {
        "id": address,
        "type": kind,
        "preferredUsername": handle,
        "name": handle.capitalize(),
        "summary": "<p>Of the harbour.</p>",
        "url": address,
        "inbox": f"{base}/inbox",
        "outbox": f"{base}/outbox",
        "publicKey": {"id": f"{address}#main-key", "owner": address, "publicKeyPem": PEM},
        "published": "2026-01-01T00:00:00Z",
        **more,
    }


def _member(kind: str, address: str, handle: str, **more: object) -> Document:
    return _actor(
        kind,
        address,
        handle,
        followers=f"{address}/followers",
        endpoints={"sharedInbox": f"{MOOT}/inbox"},
        webfinger=f"{handle}@moot.example",
        icon={"type": "Image", "mediaType": "image/png", "url": f"{MOOT}/media/icon.png"},
        discoverable=True,
        manuallyApprovesFollowers=False,
        **more,
    )


def _group() -> Document:
    return _member(
        "Group",
        GROUP,
        "mobility",
        attributedTo=f"{GROUP}/moderators",
        featured=f"{GROUP}/featured",
        postingRestrictedToMods=False,
        language=[{"identifier": "en", "name": "English"}],
    )


def _debate() -> Document:
    said = {
        "motion": "The harbour should be car-free",
        "state": "live",
        "startTime": "2026-12-18T09:00:00Z",
        "endTime": "2026-12-18T10:00:00Z",
        "timezone": "Asia/Singapore",
        "languages": ["en"],
        "theme": GROUP,
        "hosts": [BEN],
        "panel": [GWEN],
        "floor": f"{MOOT}/p/70",
        "sequence": 0,
        "updated": "2026-12-18T09:00:00.120Z",
    }
    return {**_group(), "debate": said}


def _agenda() -> Document:
    event = {
        "name": "World Smart Cities Forum",
        "startTime": "2027-07-13",
        "endTime": "2027-07-14",
        "timezone": "Asia/Singapore",
        "location": {"type": "Place", "name": "Singapore"},
        "state": "open",
        "sequence": 0,
    }
    return {**_group(), "agenda": f"{GROUP}/agenda", "event": event}


def _item(state: str, **more: object) -> Document:
    """The terms of an item of an agenda."""
    return {
        "agendaItem": {"agenda": f"{GROUP}/agenda", "number": 4, "state": state, **more},
        "derivedFrom": [f"{MOOT}/p/43", "https://micro.example/users/gwen/statuses/7"],
    }


def _agenda_list() -> Document:
    hour = {"startTime": "2027-07-13T01:00:00Z", "location": {"type": "Place", "name": "Hall 2"}}
    entries = [
        {"id": f"{MOOT}/p/80", "type": "Note", "title": "Trams", **hour, **_item("scheduled", **hour)},
        {"id": f"{MOOT}/p/81", "type": "Note", "title": "Fares", "splitFrom": f"{MOOT}/p/80", **_item("proposed")},
    ]
    uri = f"{GROUP}/agenda"
    first = {"id": f"{uri}?page=1", "type": "OrderedCollectionPage", "partOf": uri, "orderedItems": entries}
    head = {"id": uri, "type": "OrderedCollection", "totalItems": 2, "first": first}
    return {**head, "attributedTo": GROUP, "name": "World Smart Cities Forum"}


def _ordered(name: str, items: list[object], of: str = GROUP, **more: object) -> Document:
    totals = {"totalItems": len(items)}
    return {"id": f"{of}/{name}", "type": "OrderedCollection", **totals, "orderedItems": items, **more}


def _outbox() -> Document:
    newer = {**_announce(_create(_article(), 96), CLERK, 97), "published": "2026-11-21T08:00:00Z"}
    return _ordered("outbox", [newer, _announce(_create(_note()), ANNA)])


def _nodeinfo(version: str, **software: str) -> Document:
    return {
        "version": version,
        "software": {"name": "folkmoot", "version": "0.1.0", **software},
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": ["atom1.0"]},
        "openRegistrations": True,
        "usage": {"users": {"total": 3, "activeMonth": 2, "activeHalfyear": 3}, "localPosts": 4},
        "metadata": {},
    }


_SCHEMA = "http://nodeinfo.diaspora.software/ns/schema/"
_EXAMPLES: dict[str, Callable[[], Document]] = {
    "note": lambda: _served(_note()),
    "reply": lambda: _served(_reply()),
    "article": lambda: _served(_article()),
    "question": lambda: _served(_question()),
    "event": lambda: _served(_event()),
    "vote": lambda: _served(_vote()),
    "poll with title": lambda: _served(
        _question() | {"title": "The bus", "content": "<p><strong>The bus</strong></p><p>How often?</p>"}
    ),
    "permission": lambda: _served(
        {
            "id": f"{MOOT}/q/7",
            "type": "QuoteAuthorization",
            "attributedTo": ANNA,
            "interactingObject": "https://micro.example/users/gwen/statuses/12",
            "interactionTarget": f"{MOOT}/p/42",
        }
    ),
    "tombstone": lambda: _served(_deleted()["object"]),
    "follow": lambda: _served(_did("Follow", 1, ANNA, GWEN, to=[GWEN])),
    "accept": lambda: _served(_did("Accept", 2, GROUP, _follow_from_elsewhere(), to=[GWEN])),
    "reject": lambda: _served(_did("Reject", 3, GROUP, _follow_from_elsewhere(), to=[GWEN])),
    "undo follow": lambda: _served(_did("Undo", 4, ANNA, _did("Follow", 1, ANNA, GWEN, to=[GWEN]), to=[GWEN])),
    "create": lambda: _served(_create(_note())),
    "create reply": lambda: _served(_create(_reply())),
    "create vote": lambda: _served(_create(_vote())),
    "update": lambda: _served(_edited()),
    "update group": lambda: _served(_did("Update", 5, GROUP, _group(), to=[PUBLIC], cc=[f"{GROUP}/followers"])),
    "delete": lambda: _served(_deleted()),
    "delete account": lambda: _served(_did("Delete", 6, ANNA, ANNA, to=[PUBLIC], cc=[], removeData=True)),
    "remove": lambda: _served(_moderated("Delete", f"{MOOT}/p/43", summary="Advertising")),
    "restore": lambda: _served(
        {**_moderated("Undo", _moderated("Delete", f"{MOOT}/p/43", summary="Spam")), "id": f"{MOOT}/a/98"}
    ),
    "like": lambda: _served(_did("Like", 7, ANNA, "https://micro.example/users/gwen/statuses/7", audience=GROUP)),
    "undo like": lambda: _served(_did("Undo", 8, ANNA, _did("Like", 7, ANNA, f"{MOOT}/p/43", audience=GROUP))),
    "announce": lambda: _served(_announce(f"{MOOT}/p/42", ANNA)),
    "undo announce": lambda: _served(
        _did("Undo", 9, GROUP, _announce(f"{MOOT}/p/42", ANNA), to=[PUBLIC], cc=[f"{GROUP}/followers"])
    ),
    "wrapped": lambda: _served(_announce(_create(_note()), ANNA)),
    "wrapped reply": lambda: _served(_announce(_create(_reply()), BEN)),
    "wrapped foreign": lambda: _served(_announce(_create_from_elsewhere(), GWEN)),
    "wrapped lock": lambda: _served(_announce(_moderated("Lock", f"{MOOT}/p/42", summary="Settled"), BEN)),
    "lock": lambda: _served(_moderated("Lock", f"{MOOT}/p/42")),
    "pin": lambda: _served(_moderated("Add", f"{MOOT}/p/42", target=f"{GROUP}/featured")),
    "demote": lambda: _served(_moderated("Remove", ANNA, target=f"{GROUP}/moderators")),
    "ban": lambda: _served(
        _moderated("Block", GWEN, target=GROUP, removeData=False, endTime="2026-12-01T00:00:00Z", summary="Spam")
    ),
    "ban from site": lambda: _served(_did("Block", 12, BEN, GWEN, target=f"{MOOT}/", to=[PUBLIC], cc=[])),
    "debate": lambda: _served(_debate()),
    "agenda": lambda: _served(_agenda()),
    "agenda list": lambda: _served(_agenda_list()),
    "declined item": lambda: _served({**_note(), **_item("declined", reason="No hall is large enough.")}),
    "merged item": lambda: _served({**_note(), **_item("merged"), "mergedInto": f"{MOOT}/p/80"}),
    "invite": lambda: _served(
        _did("Invite", 12, CLERK, f"{MOOT}/g/car-free/event", to=[GWEN], target=GWEN, url=f"{MOOT}/seats/7f")
    ),
    "flag": lambda: _served(
        _did("Flag", 10, f"{MOOT}/", [GWEN, "https://micro.example/p/1"], to=["https://micro.example/actor"])
        | {"summary": "Spam", "content": "Spam"}
    ),
    "move": lambda: _served(_did("Move", 11, ANNA, ANNA, target=GWEN, to=[f"{ANNA}/followers"], cc=[])),
    "person": lambda: _served(_member("Person", ANNA, "anna")),
    "service": lambda: _served(_member("Service", CLERK, "clerk")),
    "group": lambda: _served(_group()),
    "application": lambda: _served(_actor("Application", f"{MOOT}/", "moot.example")),
    "outbox": lambda: _served(_outbox()),
    "person outbox": lambda: _served(_ordered("outbox", [], of=ANNA)),
    "followers": lambda: _served({"id": f"{GROUP}/followers", "type": "Collection", "totalItems": 12, "items": []}),
    "moderators": lambda: _served(_ordered("moderators", [BEN])),
    "featured": lambda: _served(_ordered("featured", [_note(), _article()])),
    "replies": lambda: _served(_note()["replies"]),
    "replies page": lambda: _served(
        {
            "id": f"{MOOT}/p/42/replies?page=2",
            "type": "CollectionPage",
            "partOf": f"{MOOT}/p/42/replies",
            "items": [f"{MOOT}/p/43"],
        }
    ),
    "context": lambda: _served(
        _ordered("context", [f"{MOOT}/p/42", f"{MOOT}/p/43"], of=f"{MOOT}/p/42")
        | {"attributedTo": GROUP, "name": "A bus line for the harbour"}
    ),
    "webfinger": lambda: {
        "subject": "acct:mobility@moot.example",
        "aliases": [GROUP],
        "links": [
            {"rel": "self", "type": "application/activity+json", "href": GROUP},
            {"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": GROUP},
        ],
    },
    "nodeinfo links": lambda: {
        "links": [
            {"rel": f"{_SCHEMA}2.1", "href": f"{MOOT}/nodeinfo/2.1"},
            {"rel": f"{_SCHEMA}2.0", "href": f"{MOOT}/nodeinfo/2.0"},
            {"rel": "https://www.w3.org/ns/activitystreams#Application", "href": f"{MOOT}/"},
        ]
    },
    "nodeinfo 2.0": lambda: _nodeinfo("2.0"),
    "nodeinfo 2.1": lambda: _nodeinfo("2.1", repository="https://code.example/folkmoot"),
}
NAMES = tuple(_EXAMPLES)


def good(name: str) -> Document:
    """A fresh copy of one good document."""
    return deepcopy(_EXAMPLES[name]())
