"""Which function handles which activity: one decorator is the whole registration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from community import text
from community.db import Tx
from community.models import Activity, Actor
from community.policy import Refused
from federation.vocabulary import Document, type_of


@dataclass(frozen=True)
class Received:
    """A verified activity: its row, its document, and the actor who did it.

    ``via`` is the group elsewhere that announced it, where the actor did not send it to us: handlers then act with that
    group's authority (``by``) and only within its own topics, and take nothing but ids from embedded objects that
    carry no proof of their author's (``is_proven``). ``found`` are activities that were fetched because this one only
    names them.
    """

    activity: Activity
    document: Document
    actor: Actor
    via: Actor | None = None
    is_proven: bool = True
    found: Mapping[str, Document] = field(default_factory=dict)

    @property
    def by(self) -> Actor:
        """Whose authority this is: the group's for what a group announces, else the actor's own."""
        return self.via or self.actor

    @property
    def original(self) -> Activity | None:
        """The row to be passed on as it came; none for what a group elsewhere announced: that is not ours to do."""
        return self.activity if self.via is None else None

    @property
    def object(self) -> Any:
        return self.document.get("object")

    def reason(self, length: int) -> str:
        """Why, as plain words: Lemmy says it in ``summary``, Mastodon and NodeBB in ``content``."""
        for name in ("summary", "content"):
            value = self.document.get(name)
            if isinstance(value, str) and value.strip():
                return text.cut(text.plain(value[: length * 4]).strip(), length)
        return ""

    def require_place(self, group_id: int) -> None:
        """Refused for what a group announces of another than itself."""
        if self.via is not None and self.via.id != group_id:
            raise Refused("not-of-that-group")


# A handler answers with the outcome to be kept, None for the usual "done".
Handler = Callable[[Tx, Received], Awaitable[str | None]]
_handlers: dict[tuple[str, str | None], Handler] = {}


def handles(kind: str, *object_types: str) -> Callable[[Handler], Handler]:
    """Register a handler for activities of a type, for some types of their embedded object or for any."""

    def register(handler: Handler) -> Handler:
        keys: list[tuple[str, str | None]] = [(kind, each) for each in object_types]
        for key in keys or [(kind, None)]:
            assert key not in _handlers, f"{key} is handled twice"
            _handlers[key] = handler
        return handler

    return register


def find(document: Document) -> Handler | None:
    kind = type_of(document) or ""
    return _handlers.get((kind, type_of(document.get("object")))) or _handlers.get((kind, None))


def handled() -> list[tuple[str, str | None]]:
    """Everything that is understood, for FEDERATION.md and its test."""
    return sorted(_handlers, key=lambda key: (key[0], key[1] or ""))
