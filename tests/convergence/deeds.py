"""What people do on an instance, by name, and the picture of a thread that instances are compared by.

Things are named by their uris and people by their handles, so that the same command means the same on every instance.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from community import following, groups, links, members, moderation, posts, reactions, topics
from community.db import Tx
from community.models import Actor, Link, Post, Topic
from community.policy import Refused
from federation import webfinger
from federation.client import Budget
from federation.dereference import fetch_actor, store_actor
from federation.site import Site
from tests.conftest import pair

Deed = dict[str, Any]


async def _post(tx: Tx, uri: str) -> Post:
    found = await posts.find_by_uri(tx, uri)
    assert found is not None, f"{uri} is not held"
    return found


async def _do(tx: Tx, deed: Deed) -> str:
    name = deed["do"]
    actor = await members.find(tx, deed["as"])
    assert actor is not None
    if name == "open":
        group = await tx.by_uri(Actor, deed["group"])
        assert group is not None
        return (await topics.open(tx, actor, group, await posts.compose(tx, deed["text"], title=deed["title"]))).uri
    post = await _post(tx, deed["post"])
    topic = await tx.get_one(Topic, post.topic_id)
    if name == "reply":
        return (await posts.reply(tx, actor, topic, await posts.compose(tx, deed["text"]), reply_to=post)).uri
    if name == "edit":
        await posts.edit(tx, actor, post, await posts.compose(tx, deed["text"]))
    elif name == "delete":
        await posts.erase(tx, actor, post, reason=deed.get("reason", ""))
    elif name == "like":
        await reactions.like(tx, actor, post)
    elif name == "unlike":
        await reactions.unlike(tx, actor, post)
    elif name == "close":
        await topics.close(tx, actor, topic, is_on=deed["on"])
    elif name == "ban":
        group = await tx.get_one(Actor, topic.group_id)
        await moderation.ban(tx, actor, group, await tx.get_one(Actor, post.author_id), reason="told so")
    else:
        raise AssertionError(f"nobody does {name}")
    return post.uri


async def do(site: Site, deed: Deed) -> str:
    """Do one thing; answers the uri of what was written, or refused: and the reason."""
    try:
        async with site.database.write() as tx:
            return await _do(tx, deed)
    except Refused as refused:
        return f"refused:{refused.reason}"


async def add_member(site: Site, name: str, number: int, site_role: str = "member") -> None:
    async with site.database.write() as tx:
        await members.add_member(tx, name, f"{name}@example.org", "-", await pair(number), site_role=site_role)


async def add_theme(site: Site, slug: str, number: int) -> str:
    async with site.database.write() as tx:
        return (await groups.add_theme(tx, None, slug, await pair(number), name=slug.title())).actor.uri


async def find_abroad(site: Site, handle: str) -> int:
    """Get to know an actor by its handle, as a page does; answers the row's key."""
    name, _, host = handle.partition("@")
    budget = Budget(fetches=10, seconds=10)
    seen = await fetch_actor(site, await webfinger.find(site.client, name, host, budget), budget)
    async with site.database.write() as tx:
        return (await store_actor(tx, seen)).id


async def follow(site: Site, name: str, handle: str) -> None:
    """A member follows somebody elsewhere."""
    key = await find_abroad(site, handle)
    async with site.database.write() as tx:
        actor = await members.find(tx, name)
        assert actor is not None
        await following.follow(tx, actor, await tx.get_one(Actor, key))


async def propose(site: Site, staff: str, slug: str, handle: str) -> None:
    """Staff proposes a link of a theme with a group elsewhere."""
    key = await find_abroad(site, handle)
    async with site.database.write() as tx:
        by, group = await members.find(tx, staff), await groups.group_by_handle(tx, slug)
        assert by is not None
        assert group is not None
        await links.propose(tx, by, group, await tx.get_one(Actor, key), "neighbours")


async def thread(site: Site, group_uri: str) -> dict[str, Any]:
    """Everything that a reader sees of a group, by uri: whoever shows the same answers the same."""
    async with site.database.read() as tx:
        group = await tx.by_uri(Actor, group_uri)
        if group is None:
            return {}
        rows = await tx.execute(
            select(Post, Topic, Actor)
            .join(Topic, Topic.id == Post.topic_id)
            .join(Actor, Actor.id == Post.author_id)
            .where(Topic.group_id == group.id)
        )
        found = rows.all()
        uris = {post.id: post.uri for post, _, _ in found}
        return {
            post.uri: {
                "author": author.uri,
                "in": topic.title,
                "closed": topic.closed_at is not None,
                "answers": uris.get(post.reply_to_id),
                "html": post.html,
                "gone": post.deleted_at is not None,
                "likes": post.like_count_here + post.like_count_elsewhere,
            }
            for post, topic, author in found
            # A topic without any text left is as good as none: whoever never had it holds nothing of it.
            if post.deleted_at is None or topic.reply_count
        }


async def is_asked(site: Site, handle: str) -> bool:
    return await _link_state(site, handle) == "asked"


async def is_linked(site: Site, handle: str) -> bool:
    return await _link_state(site, handle) == "linked"


async def _link_state(site: Site, handle: str) -> str | None:
    name, _, host = handle.partition("@")
    async with site.database.read() as tx:
        query = select(Link.state).join(Actor, Actor.id == Link.other_id)
        return await tx.scalar(query.where(Actor.handle == name, Actor.host == host))


async def welcome(site: Site, staff: str, slug: str, handle: str) -> None:
    """Staff accepts a link that somebody elsewhere proposed."""
    name, _, host = handle.partition("@")
    async with site.database.write() as tx:
        by, group, other = (
            await members.find(tx, staff),
            await groups.group_by_handle(tx, slug),
            await members.find(tx, name, host),
        )
        assert by is not None
        assert group is not None
        assert other is not None
        await links.answer(tx, by, await tx.get_one(Link, (group.id, other.id)), is_welcome=True)
