"""The life of topics and posts: numbers, counts, history, tombstones, likes, moderation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from community import groups, notifications, posts, reactions, topics
from community.members import Invalid
from community.models import Account, LogEntry, Post, Theme, Topic
from community.policy import Refused
from community.posts import Written
from federation.site import Site
from tests.conftest import MakeMember, MakeTheme


async def opened(site: Site, author: Account, theme: Theme, title: str = "A title", text: str = "Some text.") -> Post:
    async with site.database.write() as tx:
        return await topics.open(tx, author.actor, theme.actor, await posts.compose(tx, text, title=title))


async def replied(site: Site, author: Account, post: Post, text: str = "A reply.") -> Post:
    async with site.database.write() as tx:
        topic = await tx.get_one(Topic, post.topic_id)
        return await posts.reply(tx, author.actor, topic, await posts.compose(tx, text), reply_to=post)


async def test_numbers_and_counts(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, mobility = await member("anna"), await theme()
    opener = await opened(site, anna, mobility)
    second = await replied(site, anna, opener)
    await replied(site, anna, second)
    async with site.database.read() as tx:
        topic = await tx.get_one(Topic, opener.topic_id)
        here = await tx.get_one(Theme, mobility.actor_id)
        assert [p.number for p in await posts.page_of(tx, topic.id, 1)] == [1, 2, 3]
        assert (topic.reply_count, topic.last_number) == (2, 3)
        assert (here.topic_count, here.post_count) == (1, 3)
        assert await posts.reply_uris(tx, opener.id) == [second.uri]


async def test_replies_written_at_once_get_different_numbers(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, mobility = await member("anna"), await theme()
    opener = await opened(site, anna, mobility)
    await asyncio.gather(*(replied(site, anna, opener, f"Reply {n}") for n in range(12)))
    async with site.database.read() as tx:
        assert [p.number for p in await posts.page_of(tx, opener.topic_id, 1)] == list(range(1, 14))
        assert (await tx.get_one(Topic, opener.topic_id)).reply_count == 12
        assert (await tx.get_one(Theme, mobility.actor_id)).post_count == 13


async def test_the_same_uri_twice_is_one_post(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, mobility = await member("anna"), await theme()
    opener = await opened(site, anna, mobility)
    written = Written(html="<p>x</p>", uri="https://other.example/1")
    seen = set()
    for _ in range(2):
        async with site.database.write() as tx:
            topic = await tx.get_one(Topic, opener.topic_id)
            seen.add((await posts.reply(tx, anna.actor, topic, written)).id)
    assert len(seen) == 1


async def test_an_edit_keeps_what_was_there(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, mobility = await member("anna"), await theme()
    opener = await opened(site, anna, mobility, "Before", "First text.")
    async with site.database.write() as tx:
        changed = await posts.edit(tx, anna.actor, opener, await posts.compose(tx, "Second text.", title="After"))
    assert changed
    async with site.database.read() as tx:
        old = await posts.history(tx, opener)
        now = await posts.one(tx, opener.id)
        assert [(r.title, r.source) for r in old] == [("Before", "First text.")]
        assert now is not None
        assert (now.topic.title, now.source, now.edited_at is not None) == ("After", "Second text.", True)
    async with site.database.write() as tx:
        assert not await posts.edit(tx, anna.actor, opener, await posts.compose(tx, "Second text.", title="After"))


async def test_a_title_made_of_the_text_follows_it_until_staff_sets_one(
    site: Site, member: MakeMember, theme: MakeTheme
) -> None:
    anna, staff, mobility = await member("anna"), await member("moira", site_role="admin"), await theme()
    async with site.database.write() as tx:
        opener = await topics.open(tx, anna.actor, mobility.actor, await posts.compose(tx, "First words. More."))
        topic = opener.topic
        assert topic.title == "First words."
        await posts.edit(tx, anna.actor, opener, await posts.compose(tx, "Other words. More."))
        assert topic.title == "Other words."
        await topics.retitle(tx, staff.actor, topic, "A proper title")
        await posts.edit(tx, anna.actor, opener, await posts.compose(tx, "Third words. More."))
        assert topic.title == "A proper title"


async def test_a_stale_edit_from_elsewhere_loses(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, mobility = await member("anna"), await theme()
    opener = await opened(site, anna, mobility)
    now = site.database.clock()
    written = Written(html="<p>one</p>", uri="https://other.example/2", edited_at=now - timedelta(minutes=5))
    async with site.database.write() as tx:
        reply = await posts.reply(tx, anna.actor, await tx.get_one(Topic, opener.topic_id), written)
    older = replace(written, html="<p>older</p>", edited_at=now - timedelta(minutes=9))
    newer = replace(written, html="<p>newer</p>", edited_at=now - timedelta(minutes=1))
    async with site.database.write() as tx:
        assert not await posts.edit(tx, anna.actor, reply, older)
    async with site.database.write() as tx:
        assert await posts.edit(tx, anna.actor, reply, newer)


async def test_deleting_leaves_an_empty_place(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, mobility = await member("anna"), await theme()
    opener = await opened(site, anna, mobility)
    reply = await replied(site, anna, opener)
    async with site.database.write() as tx:
        await posts.erase(tx, anna.actor, reply)
    async with site.database.read() as tx:
        held = await tx.get_one(Post, reply.id)
        assert (held.html, held.source, held.deleted_reason) == ("", "", "")
        assert held.deleted_at is not None
        assert (await tx.get_one(Topic, opener.topic_id)).reply_count == 0
        assert await topics.context_uris(tx, opener.topic_id) == [opener.uri]
    again = await replied(site, anna, opener)
    assert again.number == 3
    assert again.id > reply.id


async def test_only_the_author_and_moderators_delete(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, bruno, mobility = await member("anna"), await member("bruno"), await theme()
    staff = await member("moira", site_role="moderator")
    opener = await opened(site, anna, mobility)
    with pytest.raises(Refused, match="only-the-author"):
        async with site.database.write() as tx:
            await posts.erase(tx, bruno.actor, opener)
    async with site.database.write() as tx:
        await posts.erase(tx, staff.actor, opener, reason="advertising")
    async with site.database.read() as tx:
        held = await tx.get_one(Post, opener.id)
        assert held.deleted_reason == "advertising"
        entry = await tx.get_one(LogEntry, 1)
        assert (entry.action, entry.reason, entry.about_id) == ("remove-post", "advertising", anna.actor_id)


async def test_a_closed_topic_takes_no_replies_but_moderators(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, mobility = await member("anna"), await theme()
    staff = await member("moira", site_role="moderator")
    opener = await opened(site, anna, mobility)
    async with site.database.write() as tx:
        await topics.close(tx, staff.actor, await tx.get_one(Topic, opener.topic_id), is_on=True, reason="settled")
    with pytest.raises(Refused, match="topic-is-closed"):
        await replied(site, anna, opener)
    await replied(site, staff, opener)


async def test_moving_takes_the_counts_along(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    staff, mobility, water = await member("moira", site_role="moderator"), await theme("mobility"), await theme("water")
    opener = await opened(site, staff, mobility)
    await replied(site, staff, opener)
    async with site.database.write() as tx:
        await topics.move(tx, staff.actor, await tx.get_one(Topic, opener.topic_id), water)
    async with site.database.read() as tx:
        old, new = await tx.get_one(Theme, mobility.actor_id), await tx.get_one(Theme, water.actor_id)
        assert (old.topic_count, old.post_count, new.topic_count, new.post_count) == (0, 0, 1, 2)
        assert [row.topic.id for row in await topics.listed(tx, group_id=water.actor_id)] == [opener.topic_id]


async def test_a_like_counts_once(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, bruno, mobility = await member("anna"), await member("bruno"), await theme()
    opener = await opened(site, anna, mobility)
    for expected in (True, False):
        async with site.database.write() as tx:
            assert await reactions.like(tx, bruno.actor, opener) is expected
    async with site.database.read() as tx:
        assert (await tx.get_one(Post, opener.id)).like_count_here == 1
    with pytest.raises(Refused, match="own-post"):
        async with site.database.write() as tx:
            await reactions.like(tx, anna.actor, opener)
    for expected in (True, False):
        async with site.database.write() as tx:
            assert await reactions.unlike(tx, bruno.actor, opener) is expected
    async with site.database.read() as tx:
        assert (await tx.get_one(Post, opener.id)).like_count_here == 0


async def test_who_is_answered_or_mentioned_is_told_once(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, bruno, clara, mobility = await member("anna"), await member("bruno"), await member("clara"), await theme()
    opener = await opened(site, anna, mobility)
    await replied(site, bruno, opener, "Hello @anna and @clara and @nobody.")
    async with site.database.read() as tx:
        assert [n.kind for n in await notifications.latest(tx, anna.actor_id)] == ["reply"]
        assert [n.kind for n in await notifications.latest(tx, clara.actor_id)] == ["mention"]
        assert await notifications.unread_count(tx, bruno.actor_id) == 0


async def test_text_is_asked_for(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    async with site.database.write() as tx:
        for source in ("", "  \n ", "<!-- -->" * 0):
            with pytest.raises(Invalid):
                await posts.compose(tx, source)


async def test_people_and_themes_share_one_space_of_names(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    await theme("mobility")
    with pytest.raises(Invalid, match="name-taken"):
        await member("mobility")
    await member("anna")
    with pytest.raises(Invalid, match="name-taken"):
        await theme("anna")
    with pytest.raises(Invalid, match="name-form"):
        await theme("Über")


async def test_leaving_keeps_the_row(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    anna, mobility = await member("anna"), await theme()
    async with site.database.write() as tx:
        await groups.follow(tx, anna.actor, mobility.actor)
    async with site.database.write() as tx:
        assert await groups.count_followers(tx, mobility.actor_id) == (1, 0)
        assert await groups.leave(tx, anna.actor, mobility.actor)
        assert not await groups.leave(tx, anna.actor, mobility.actor)
        assert await groups.count_followers(tx, mobility.actor_id) == (0, 0)
