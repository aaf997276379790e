"""Rules for agendas: the group and its event, items as posts, the list of them. All of them are our own kind's."""

import re
from collections.abc import Iterator

from .collections import PAGES, list_name
from .rules import View, inside, rule
from .values import Document, host_of, is_count, is_text, is_time, is_url

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
STATES = ("proposed", "shortlisted", "scheduled", "declined", "merged")


@rule("Group")
def agenda_says_of_which_event(document: Document, view: View) -> Iterator[str]:
    agenda, event = document.get("agenda"), document.get("event")
    if agenda is None and event is None:
        return
    if not is_url(agenda) or host_of(agenda) != host_of(document):
        yield "Folkmoot: agenda must be an address on the host of id"
    if not isinstance(event, dict):
        yield "Folkmoot: event of an agenda must be one object"
        return
    for key in ("name", "timezone", "state"):
        if not is_text(event.get(key)):
            yield f"Folkmoot: event must have {key}"
    for key in ("startTime", "endTime"):
        if not isinstance(event.get(key), str) or not _DAY.fullmatch(event[key]):
            yield f"Folkmoot: {key} of event must be a day"
    yield from _place(event, "event")


@rule("Note")
def item_says_where_it_comes_from(document: Document, view: View) -> Iterator[str]:
    if "agendaItem" in document:
        yield from (f"Folkmoot: {said}" for said in _item(document))


def _item(document: Document) -> Iterator[str]:
    item, behind = document.get("agendaItem"), document.get("derivedFrom")
    if not isinstance(item, dict) or not is_count(item.get("number")) or not is_url(item.get("agenda")):
        yield "agendaItem must be an object with number and agenda"
        return
    state = item.get("state")
    if state not in STATES:
        yield "agendaItem must have a state that is known"
    if not is_text(document.get("title")):
        yield "an item must have title"
    if not isinstance(behind, list) or not all(is_url(uri) for uri in behind):
        yield "derivedFrom must be addresses"
    if (state == "scheduled") is not is_time(item.get("startTime")):
        yield "an item has startTime when it is scheduled, and only then"
    if (state == "declined") is not is_text(item.get("reason")):
        yield "an item has reason when it is declined, and only then"
    if (state == "merged") is not is_url(document.get("mergedInto")):
        yield "an item has mergedInto, one address, when it is merged, and only then"
    if "splitFrom" in document and not is_url(document["splitFrom"]):
        yield "splitFrom must be one address"
    yield from (said.removeprefix("Folkmoot: ") for said in _place(item, "agendaItem"))


def _place(document: Document, name: str) -> Iterator[str]:
    location = document.get("location")
    if location is not None and not (
        isinstance(location, dict) and location.get("type") == "Place" and is_text(location.get("name"))
    ):
        yield f"Folkmoot: location of {name} must be a Place with name"


@rule("OrderedCollection", *PAGES)
def agenda_lists_items(document: Document, view: View) -> Iterator[str]:
    """The first page is inside. Members are shortened posts with the terms that the whole post has."""
    if list_name(document) != "agenda":
        return
    if document["type"] not in PAGES:
        if not is_text(document.get("name")) or not is_url(document.get("attributedTo")):
            yield "Folkmoot: an agenda must have name and attributedTo, the group"
        if isinstance(document.get("first"), dict):
            yield from inside("first", document["first"], view)
        else:
            yield "GoToSocial: first of an agenda must be a page inline"
        return
    items = document.get("orderedItems")
    for number, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict) and view.owns(item) and "agendaItem" in item:
            yield from (f"Folkmoot: in orderedItems[{number}], {said}" for said in _item(item))
        else:
            yield f"Folkmoot: in orderedItems[{number}], an agenda must hold items of its own server"
