"""What other servers hear of agendas, beside the posts of their items: the Article that tells how one stands, boosted
once by the themes, and what became of the event.

Importing this also registers what makes those posts: what debates propose, and the Article itself.
"""

from __future__ import annotations

from sqlalchemy import select

from community import agenda_article, groups, proposals
from community.agenda_article import PART
from community.db import Tx
from community.events import ActorChanged, AgendaChanged, PostCreated, PostDeleted, emit, on
from community.models import Actor, Post, Topic
from federation import translate
from outbox.delivery import To, new_uri, send
from outbox.posts import withdraw_boost

_ = (agenda_article, proposals)  # whose subscribers are to be known in every process


async def _passers_on(tx: Tx, post: Post, topic: Topic) -> list[Actor]:
    """The themes that pass on what the clerk says of one of our agendas; none for any other post."""
    if post.part != PART or not (await tx.get_one(Actor, topic.group_id)).is_local:
        return []
    return [theme.actor for theme in await groups.themes(tx)]


@on(PostCreated)
async def boost_article(tx: Tx, event: PostCreated) -> None:
    """The plain id, as of the milestones of debates; one that is made again after it was removed is no news."""
    post, topic = event.post, event.topic
    themes = await _passers_on(tx, post, topic)
    if not themes:
        return
    earlier = select(Post.id).join(Topic, Topic.id == Post.topic_id).where(Post.part == PART, Post.id < post.id)
    if await tx.scalar(earlier.where(Topic.group_id == topic.group_id).limit(1)) is not None:
        return
    for theme in themes:
        boost = translate.announce(new_uri(tx), theme, post.uri, event.author.uri, tx.now)
        await send(tx, boost, theme, To(followers_of=(theme.id,), form="boosts"))


@on(PostDeleted)
async def withdraw_article(tx: Tx, event: PostDeleted) -> None:
    for theme in await _passers_on(tx, event.post, event.topic):
        await withdraw_boost(tx, theme, event.post, form="boosts")


@on(AgendaChanged)
async def tell_document(tx: Tx, event: AgendaChanged) -> None:
    """Followers hear that members may propose, or no more. ``edited`` tells of itself."""
    if event.what in ("opened", "closed", "over"):
        await emit(tx, ActorChanged(event.agenda.actor))
