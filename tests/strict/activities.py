"""Rules for what happens: Follow, Create, Announce and the rest."""

from collections.abc import Iterator
from datetime import datetime

from .rules import View, inside, rule
from .values import (
    ACTIVITIES,
    ACTORS,
    OBJECTS,
    PUBLIC,
    WRAPPED,
    Document,
    addressed,
    host_of,
    id_of,
    is_text,
    is_time,
    is_url,
    strings,
    type_of,
)

MODERATION = ("Lock", "Add", "Remove", "Block")


def is_complete(value: object) -> bool:
    """An embedded activity with all that a receiver needs to match it."""
    return isinstance(value, dict) and all(value.get(key) for key in ("id", "type", "actor", "object"))


@rule(*ACTIVITIES)
def actor_is_one_address_here(document: Document, view: View) -> Iterator[str]:
    actor = document.get("actor")
    if not is_url(actor):
        yield "PieFed: actor must be one address, as a string"
    elif is_url(document.get("id")) and host_of(actor) != host_of(document):
        yield "Misskey: id must be on the host of actor"
    if not document.get("object"):
        yield "NodeBB: object is missing"


@rule("Follow")
def follow_names_whom(document: Document, view: View) -> Iterator[str]:
    followed = document.get("object")
    if followed and not is_url(followed):
        yield "Lemmy: object of a Follow must be one address"
    elif "to" in document and document["to"] != [followed]:
        yield "Lemmy: to of a Follow must be [object]"


@rule("Accept", "Reject")
def answer_carries_the_question(document: Document, view: View) -> Iterator[str]:
    asked, kind = document.get("object"), document["type"]
    if not asked:
        return
    kinds = ("Follow", "QuoteRequest", "Join") if kind == "Accept" else ACTIVITIES
    if not isinstance(asked, dict) or not is_complete(asked) or type_of(asked) not in kinds:
        yield f"Mastodon: {kind} must embed the original Follow with id, type, actor and object"
        return
    if type_of(asked) == "Follow" and id_of(asked["object"]) != document.get("actor"):
        yield f"Mastodon: {kind} must come from the followed actor"
    if type_of(asked) == "QuoteRequest" and kind == "Accept" and not is_url(document.get("result")):
        yield "Mastodon: Accept of a QuoteRequest must have result"
    if document.get("to") != [id_of(asked["actor"])]:
        yield f"Lemmy: to of {kind} must be [follower]"


@rule("Undo")
def undo_carries_what_it_undoes(document: Document, view: View) -> Iterator[str]:
    """With the Announce's id alone the boost stayed on all three microblogs tried."""
    undone = document.get("object")
    if not undone:
        return
    if not isinstance(undone, dict) or not is_complete(undone):
        yield "GoToSocial: Undo must embed the complete activity"
    elif host_of(undone.get("actor")) != host_of(document.get("actor")):
        yield "Lemmy: Undo must come from the host of the undone actor"
    elif undone["type"] in ("Follow", "Like", "Dislike", "Announce") and undone["actor"] != document.get("actor"):
        yield f"Mastodon: only its own actor can undo {undone['type']}"
    else:
        yield from inside("object", undone, view)


@rule("Create")
def create_carries_an_object(document: Document, view: View) -> Iterator[str]:
    made = document.get("object")
    if not made:
        return
    if not isinstance(made, dict) or type_of(made) not in OBJECTS:
        yield "Lemmy: Create must embed a Note, Article, Page, Question or Event"
        return
    yield from _speaks_for(document, made)
    yield from inside("object", made, view)


@rule("Update")
def update_is_newer(document: Document, view: View) -> Iterator[str]:
    """Mastodon keeps the old text, and answers 202, unless updated is there and later."""
    made = document.get("object")
    if not made:
        return
    if not isinstance(made, dict) or type_of(made) not in OBJECTS | ACTORS:
        yield "Mastodon: Update must embed the complete object"
        return
    if type_of(made) in ACTORS:
        if made.get("id") != document.get("actor"):
            yield "Mastodon: an actor must be updated by itself"
    else:
        yield from _speaks_for(document, made)
        updated, published = made.get("updated"), made.get("published")
        is_dated = is_time(updated) and is_time(published)
        if updated is None or (
            is_dated and datetime.fromisoformat(str(updated)) <= datetime.fromisoformat(str(published))
        ):
            yield "Mastodon: object of Update must have updated, later than published"
    yield from inside("object", made, view)


def _speaks_for(document: Document, made: Document) -> Iterator[str]:
    author = made.get("attributedTo")
    if isinstance(author, str) and author != document.get("actor"):
        yield f"Mastodon: actor of {document['type']} must be the object's attributedTo"
    if document.get("audience") != made.get("audience"):
        yield "Lemmy: audience of activity and object must be the same"


@rule("Delete")
def delete_says_who(document: Document, view: View) -> Iterator[str]:
    """Lemmy tells removal by a moderator from deletion by the author by the mere presence of summary."""
    gone, summary = document.get("object"), document.get("summary")
    author = gone.get("attributedTo") if isinstance(gone, dict) else None
    if isinstance(gone, dict) and (gone.get("type") != "Tombstone" or not gone.get("id")):
        yield "Mastodon: object of Delete must be an address or a Tombstone with id"
    elif isinstance(gone, list):
        yield "Lemmy: object of Delete must be one thing"
    elif isinstance(gone, dict):
        yield from inside("object", gone, view)
    if "summary" in document:
        if not is_text(summary):
            yield "Lemmy: an empty summary makes a deletion a removal by a moderator"
        elif document.get("actor") in (author, gone if isinstance(gone, str) else None):
            yield "Lemmy: Delete by the author must have no summary"


@rule("Like", "Dislike")
def vote_names_a_post(document: Document, view: View) -> Iterator[str]:
    if document.get("object") and not is_url(document["object"]):
        yield f"Lemmy: object of {document['type']} must be one address"


@rule("Announce")
def announce_reaches_followers(document: Document, view: View) -> Iterator[str]:
    actor, wrapped = document.get("actor"), document.get("object")
    to, cc = document.get("to"), document.get("cc")
    if isinstance(to, list) and to != [PUBLIC] and PUBLIC in addressed(document):
        yield "Mastodon: to of Announce must be [Public], else the boost is quiet"
    if isinstance(cc, list) and (not cc or cc[0] != f"{actor}/followers"):
        yield "Lemmy: cc of Announce must begin with the announcer's followers"
    author = wrapped.get("actor") if isinstance(wrapped, dict) else None
    if isinstance(cc, list) and (len(cc) < 2 if author is None else author not in cc):
        yield "NodeBB: cc of Announce must name the author"
    if not wrapped:
        return
    if isinstance(wrapped, dict):
        yield from _wrapped(document, wrapped, view)
    elif not is_url(wrapped):
        yield "Mastodon: object of Announce must be one address or one activity"


def _wrapped(document: Document, wrapped: Document, view: View) -> Iterator[str]:
    kind = type_of(wrapped)
    if kind in OBJECTS | ACTORS | {"Tombstone"}:
        yield "PieFed: Announce of an embedded object is dropped, send its address or the activity"
    elif kind not in WRAPPED:
        yield "Lemmy: this activity cannot be announced"
    elif not is_complete(wrapped):
        yield "Lemmy: an announced activity must be complete, with id, type, actor and object"
    elif wrapped["id"] == document.get("id"):
        yield "Lemmy: an Announce needs an id of its own"
    elif view.owns(wrapped):
        yield from inside("object", wrapped, view)
    elif kind == "Create" and not isinstance(wrapped["object"], dict):
        yield "Lemmy: an announced Create must carry its object"


@rule(*MODERATION)
def moderation_says_where(document: Document, view: View) -> Iterator[str]:
    kind, group, target = document["type"], document.get("audience"), document.get("target")
    if document.get("object") and not is_url(document["object"]):
        yield f"Lemmy: object of {kind} must be one address"
    if group is None and kind != "Block":
        yield f"Lemmy: {kind} must have audience, the group"
    if kind == "Lock":
        return
    if target is None:
        yield f"Lemmy: {kind} must have target"
    elif kind in ("Add", "Remove") and isinstance(target, str) and isinstance(group, str):
        if host_of(target) != host_of(group) or list_of(target) not in ("featured", "moderators"):
            yield f"Lemmy: target of {kind} must be the group's featured or moderators collection"
    elif kind == "Block" and group is not None and isinstance(target, str) and target != group:
        yield "Lemmy: target of Block must be the group in audience"


def list_of(address: str) -> str:
    """Last part of an address."""
    return address.rstrip("/").rpartition("/")[2]


@rule("Flag")
def report_goes_to_one(document: Document, view: View) -> Iterator[str]:
    to = document.get("to")
    if not isinstance(to, list) or len(to) != 1 or PUBLIC in addressed(document):
        yield "Lemmy: Flag must go to exactly one group or instance"
    if not is_text(document.get("summary")):
        yield "Lemmy: Flag must have summary, the reason"
    accused = document.get("object")
    if accused and (not strings(accused) or isinstance(accused, dict)):
        yield "Mastodon: object of Flag must be addresses"


@rule("Move")
def move_is_by_oneself(document: Document, view: View) -> Iterator[str]:
    if document.get("object") and document["object"] != document.get("actor"):
        yield "Mastodon: object of Move must be its actor"
    if document.get("target") is None:
        yield "Mastodon: Move must have target"


@rule("Invite")
def invitation_leads_to_a_page(document: Document, view: View) -> Iterator[str]:
    """To one person, who answers on the page of whoever asks."""
    if not is_url(document.get("target")) or document.get("to") != [document.get("target")]:
        yield "Folkmoot: an Invite must go to its target alone"
    if not is_url(document.get("url")) or host_of(document["url"]) != host_of(document.get("actor")):
        yield "Folkmoot: url of an Invite must be on the host of actor"
