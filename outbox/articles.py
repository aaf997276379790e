"""What other servers hear of articles, beside the topic that they open: the other themes pass them on."""

from __future__ import annotations

from community import articles
from community.db import Tx
from community.events import ArticleChanged, on
from community.models import Actor, Post
from federation import translate
from outbox.delivery import To, new_uri, send
from outbox.posts import withdraw_boost


async def _passing_on(tx: Tx, event: ArticleChanged) -> list[Actor]:
    """The groups of its themes but the one that holds its topic."""
    themes = await articles.themes_of_one(tx, event.article.id)
    return [theme.actor for theme in themes[1:]]


@on(ArticleChanged)
async def boost(tx: Tx, event: ArticleChanged) -> None:
    """The plain id, as the milestones of debates: Lemmy and Mbin would file it under the theme that boosts it, where
    nobody would see an answer."""
    if event.what != "published":
        return
    post = await tx.get_one(Post, event.article.post_id)
    for group in await _passing_on(tx, event):
        document = translate.announce(new_uri(tx), group, post.uri, event.article.author.uri, tx.now)
        await send(tx, document, group, To(followers_of=(group.id,), form="boosts"))


@on(ArticleChanged)
async def withdraw(tx: Tx, event: ArticleChanged) -> None:
    if event.what != "withdrawn":
        return
    post = await tx.get_one(Post, event.article.post_id)
    for group in await _passing_on(tx, event):
        await withdraw_boost(tx, group, post, form="boosts")
