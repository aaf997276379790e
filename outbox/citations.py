"""Somebody elsewhere hears from the clerk that what they said is cited on an agenda."""

from __future__ import annotations

import secrets

from community import contributors, groups, posts
from community.db import Tx
from community.events import ContributorTold, on
from community.models import Host
from federation import translate
from federation.citations import to_message
from outbox.delivery import To, new_uri, send

_ = contributors  # whose subscriber and job are to be known in every process


@on(ContributorTold)
async def tell(tx: Tx, event: ContributorTold) -> None:
    """A private message to them alone. Nothing is at its id: the link in it is nobody else's to know."""
    speaker, person = await groups.clerk(tx), event.actor
    host = await tx.find(Host, person.host)
    written = await posts.compose(tx, f"@{person.handle}@{person.host} {event.text}")
    message = to_message(
        f"{speaker.uri}/messages/{secrets.token_hex(9)}", speaker, person, written.html, event.link, event.posts,
        tx.settings, language=event.language, software=(host.software or "") if host is not None else "", now=tx.now,
    )  # fmt: skip
    create = translate.about_object("Create", new_uri(tx), speaker, message, tx.now)
    await send(tx, create, speaker, To(actors=(person.id,), own_inbox=True))
