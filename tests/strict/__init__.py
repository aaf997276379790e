"""What other servers demand of every document that we emit, stated apart from the code that emits them.

``complaints(document)`` holds one JSON document against the table of rules and returns every breach as a
sentence "peer: what"; the peer is the software that would drop, fold or misread the document.
``check(document)`` raises an AssertionError that lists them. ``shown_by_microblog`` and ``title_in_forum`` are
models of what readers there see.

The rules know Folkmoot's addresses (``/g/`` is a group) but none of its code. One file per kind of document:
``objects``, ``activities``, ``actors``, ``collections``, ``agendas``, ``discovery``; ``rules`` holds the table and what
every document shares, ``values`` the shapes, ``rendering`` the models of readers.
"""

from typing import Any

from . import activities, actors, agendas, collections, discovery, objects
from .rendering import FORUMS, MICROBLOGS, forum_titles, shown_by_microblog, title_in_forum
from .rules import RULES, View, examine
from .values import host_of, id_of

__all__ = [
    "FORUMS",
    "MICROBLOGS",
    "RULES",
    "check",
    "complaints",
    "forum_titles",
    "shown_by_microblog",
    "title_in_forum",
]

# Importing a room of rules is what puts its rules on the table.
_ROOMS = (objects, activities, actors, collections, agendas, discovery)


def complaints(document: dict[str, Any], *, origin: str | None = None) -> list[str]:
    """Every breach in a delivered or served document, as "peer: what" sentences; an empty list means none.

    ``origin`` (``https://moot.example``) is where the document must live; without it the host of the document's
    own id counts as ours. Embedded documents of other hosts (a member of another server, announced by our group)
    are only asked to be complete, since we must pass them on unchanged. Never raises.
    """
    ours = host_of(origin) if origin else host_of(id_of(document)) or host_of(document.get("actor"))
    found = examine(document, View(host=ours))
    if origin and isinstance(document.get("id"), str) and host_of(document["id"]) != ours:
        found.append(f"Mastodon: id is not on {origin}")
    return found


def check(document: dict[str, Any], *, origin: str | None = None) -> None:
    """Raise AssertionError listing every complaint; return quietly when there is none."""
    found = complaints(document, origin=origin)
    if found:
        kind, where = document.get("type", "document"), document.get("id", "")
        raise AssertionError(f"{kind} {where} would be refused or misread:\n  " + "\n  ".join(found))
