"""What the clerk of another Folkmoot tells members here: that what they said is cited on an agenda there."""

from __future__ import annotations

from community import hosts, notifications, throttles
from community.db import Tx
from community.models import Account, Actor, Post
from community.policy import Refused
from federation.citations import cited_in, link_of
from federation.vocabulary import id_of, ids_of, same_origin
from inbox.registry import Received

TOLD_PER_DAY = 200  # by one server
WINDOW_MINUTES = 20 * 60  # messages a day apart may be on their way for longer or shorter
LINK_MAX = 500
POSTS_MAX = 50


async def take_message(tx: Tx, received: Received) -> str | None:
    """Kept of it is that somebody is cited, and the link to the page where they can object, on the server that cites;
    None for what is no such message. Nobody is told more than once a day by one server."""
    message, clerk = received.object, received.actor
    uris = cited_in(message)[:POSTS_MAX] if isinstance(message, dict) else []
    if not uris:
        return None
    assert isinstance(message, dict)
    if received.via is not None:
        raise Refused("told-by-another")
    if clerk.kind != "service" or id_of(message.get("attributedTo")) != clerk.uri:
        raise Refused("not-a-clerk")
    link, wanted = link_of(message), ids_of(message.get("to"))
    if len(link) > LINK_MAX or not same_origin(link, clerk.uri):
        raise Refused("link-elsewhere")
    person = await tx.by_uri(Actor, wanted[0]) if len(wanted) == 1 else None
    account = await tx.get(Account, person.id) if person is not None and person.is_local else None
    if person is None or account is None or account.state != "active":
        raise Refused("not-found-here")
    await tx.preload(Post, uris)
    cited = [post for uri in uris if (post := await tx.by_uri(Post, uri)) is not None and post.author_id == person.id]
    if not cited or cited[0].deleted_at is not None:
        raise Refused("only-the-author")
    if not await hosts.may_notify(tx, clerk):
        raise Refused("host-is-limited")
    limits = {f"cited:{clerk.host}": TOLD_PER_DAY, f"cited:{clerk.host}:{person.id}": 1}
    if any([await throttles.is_over(tx, key, limit) for key, limit in limits.items()]):
        raise Refused("too-many-tries")
    for key in limits:
        await throttles.count(tx, key, WINDOW_MINUTES)
    notifications.tell(tx, person.id, "cited", clerk.id, post_id=cited[0].id, path=link)
    return "told"
