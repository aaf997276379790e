"""Rules for lists: outbox, followers, moderators, featured, replies, context, and pages of them."""

from collections.abc import Iterator

from .rules import View, inside, rule
from .values import Document, dicts, host_of, is_count, is_text, is_url, path_of

ROOTS = ("Collection", "OrderedCollection")
PAGES = ("CollectionPage", "OrderedCollectionPage")
# The last part of the address tells which list it is.
NAMED = {
    "outbox": ("Lemmy", "OrderedCollection"),
    "followers": ("Lemmy", "Collection"),
    "moderators": ("Lemmy", "OrderedCollection"),
    "featured": ("Lemmy", "OrderedCollection"),
    "replies": ("GoToSocial", "Collection"),
    "context": ("NodeBB", "OrderedCollection"),
}


def list_name(document: Document) -> str:
    """'outbox', 'followers'…: the last part of the list's address."""
    return path_of(document.get("id")).rstrip("/").rpartition("/")[2]


@rule(*ROOTS)
def list_has_its_type(document: Document, view: View) -> Iterator[str]:
    name = list_name(document)
    peer, kind = NAMED.get(name, ("", document["type"]))
    if document["type"] != kind:
        yield f"{peer}: {name} must be of type {kind}"
    if name != "moderators" and not is_count(document.get("totalItems")):
        yield "Lemmy: totalItems must be a number"


@rule(*ROOTS, *PAGES)
def order_decides_the_key(document: Document, view: View) -> Iterator[str]:
    """Ordered lists keep their members in orderedItems, the others in items, both as arrays."""
    right, wrong = ("orderedItems", "items") if document["type"].startswith("Ordered") else ("items", "orderedItems")
    mistyped = document["type"] in ROOTS and list_name(document) in NAMED
    if wrong in document and not (mistyped and NAMED[list_name(document)][1] != document["type"]):
        yield f"NodeBB: {document['type']} keeps its members in {right}"
    if right in document and not isinstance(document[right], list):
        yield f"Lemmy: {right} must be an array"


@rule(*PAGES)
def page_belongs_to_a_list(document: Document, view: View) -> Iterator[str]:
    if not is_url(document.get("partOf")):
        yield "Mastodon: a page must have partOf"
    if "items" not in document and "orderedItems" not in document:
        yield "Mastodon: a page must have its members inline"
    for key in ("next", "prev", "partOf"):
        if isinstance(document.get(key), str) and host_of(document[key]) != host_of(document):
            yield f"Mastodon: {key} must be on the host of the page"


@rule("OrderedCollection")
def outbox_is_inline(document: Document, view: View) -> Iterator[str]:
    """Lemmy reads the root only; PieFed takes every member for a topic."""
    if list_name(document) != "outbox":
        return
    items = document.get("orderedItems")
    if not isinstance(items, list):
        if items is None:
            yield "Lemmy: an outbox must have orderedItems inline in its root"
        return
    if not path_of(document.get("id")).startswith("/g/"):
        return
    if len(items) > 50:
        yield "Lemmy: a group's outbox must hold at most 50 members"
    times = [str(item.get("published")) for item in dicts(items) if "published" in item]
    if times != sorted(times, reverse=True):
        yield "Lemmy: a group's outbox must begin with the newest"
    for number, item in enumerate(items):
        created = item.get("object") if isinstance(item, dict) else None
        opener = created.get("object") if isinstance(created, dict) else None
        if not (
            isinstance(item, dict)
            and item.get("type") == "Announce"
            and isinstance(created, dict)
            and created.get("type") == "Create"
            and isinstance(opener, dict)
        ):
            yield "Lemmy: a group's outbox must hold Announce of Create of complete objects"
        elif opener.get("inReplyTo") is not None:
            yield "PieFed: a group's outbox must hold no replies, each would become a topic"
        else:
            yield from inside(f"orderedItems[{number}]", item, view)


@rule("Collection")
def followers_are_not_listed(document: Document, view: View) -> Iterator[str]:
    if list_name(document) == "followers" and document.get("items") != []:
        yield "Lemmy: followers must have items, an empty array"


@rule("OrderedCollection")
def moderators_are_addresses(document: Document, view: View) -> Iterator[str]:
    if list_name(document) == "moderators":
        items = document.get("orderedItems")
        if not isinstance(items, list) or not all(is_url(item) for item in items):
            yield "Lemmy: moderators must have orderedItems, addresses of people inline"


@rule("OrderedCollection")
def featured_is_complete(document: Document, view: View) -> Iterator[str]:
    if list_name(document) != "featured":
        return
    items = document.get("orderedItems")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        yield "Lemmy: featured must have orderedItems, complete objects inline"
        return
    for number, item in enumerate(items):
        if view.owns(item):
            yield from inside(f"orderedItems[{number}]", item, view)


@rule("Collection")
def replies_begin_inline(document: Document, view: View) -> Iterator[str]:
    if list_name(document) == "replies":
        yield from replies_shape(document, "replies")


def replies_shape(replies: Document, name: str) -> Iterator[str]:
    """Served or embedded: a Collection whose first page, with the ids of all direct replies, is inline."""
    page = replies.get("first")
    if not is_url(replies.get("id")):
        yield f"Mastodon: {name} must have id"
    elif not isinstance(page, dict) or page.get("type") != "CollectionPage":
        yield f"GoToSocial: {name} must have first, a CollectionPage inline"
    elif not isinstance(page.get("items"), list) or not all(is_url(item) for item in page["items"]):
        yield f"GoToSocial: the first page of {name} must have items, addresses of replies"
    elif page.get("partOf") != replies.get("id"):
        yield f"Mastodon: the first page of {name} must have partOf"
    elif page.get("next") is not None and host_of(page["next"]) != host_of(replies):
        yield f"Mastodon: next of {name} must be on the same host"


@rule("OrderedCollection")
def context_says_whose_topic(document: Document, view: View) -> Iterator[str]:
    """FEP-7888 as NodeBB, PieFed, Lemmy and Discourse read it: addresses, the opener first."""
    if list_name(document) != "context":
        return
    if document.get("attributedTo") is None:
        yield "Discourse: context must have attributedTo, the group"
    if not is_text(document.get("name")):
        yield "Discourse: context must have name, the title"
    items, first = document.get("orderedItems"), document.get("first")
    if items is None and first is None:
        yield "NodeBB: context must have orderedItems or a first page"
    elif isinstance(items, list) and not all(is_url(item) for item in items):
        yield "Mastodon: context must hold addresses of posts"
    if first is not None and host_of(first) != host_of(document):
        yield "Mastodon: first must be on the host of the context"
