"""Links between a theme of ours and groups elsewhere, which show each other's topics.

Underneath are two Follows, from group to group. A topic stays at its home: it is filed there, moderated there, and has
one id; a link only says whose topics are shown together.
"""

from __future__ import annotations

from sqlalchemy import select, union

from community.db import Tx
from community.models import Actor, Link, Theme


async def shown_in(tx: Tx, group_id: int | None) -> list[int]:
    """The places whose topics are shown together: a theme and the groups that it is linked with, or, for None, every
    theme here with all that are linked with any."""
    linked = select(Link.other_id).where(Link.state == "linked")
    if group_id is not None:
        return [group_id, *(await tx.execute(linked.where(Link.group_id == group_id))).scalars()]
    ours = select(Theme.actor_id).join(Actor, Actor.id == Theme.actor_id).where(Actor.host == "", Actor.kind == "group")
    return list((await tx.execute(union(ours, linked))).scalars())


async def themes_linked_with(tx: Tx, other_id: int) -> list[Actor]:
    """The themes of ours that show the topics of a group elsewhere."""
    query = select(Actor).join(Link, Link.group_id == Actor.id).where(Link.other_id == other_id, Link.state == "linked")
    return list((await tx.execute(query)).scalars())
