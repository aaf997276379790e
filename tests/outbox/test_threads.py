"""Servers that read replies only inside an Update of the opener get one, a while after replies came."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from community import groups, jobs, posts, topics
from community.models import Activity, Actor, Host, Job
from federation.site import Site
from outbox import threads
from tests.conftest import MakeMember, MakeTheme


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("software", "is_told"), [("gotosocial", True), ("mastodon", False)])
async def test_openers_are_told_again_to_those_who_need_it(
    site: Site, member: MakeMember, theme: MakeTheme, software: str, is_told: bool
) -> None:
    anna, ben, mobility = await member("anna"), await member("ben"), await theme("mobility")
    async with site.database.write() as tx:
        gwen = Actor(
            uri="https://gts.example/users/gwen", kind="person", handle="gwen", host="gts.example",
            inbox="https://gts.example/users/gwen/inbox", created_at=tx.now,
        )  # fmt: skip
        tx.add_all([gwen, Host(name="gts.example", software=software)])
        await tx.flush()
        await groups.follow(tx, gwen, mobility.actor, follow={"id": "https://gts.example/1"})
        opener = await topics.open(tx, anna.actor, mobility.actor, await posts.compose(tx, "Text.", title="A title"))
        reply = await posts.reply(tx, ben.actor, opener.topic, await posts.compose(tx, "So?"))
        again = await posts.reply(tx, ben.actor, opener.topic, await posts.compose(tx, "And?"))
    site.database.clock = lambda: opener.created_at + timedelta(hours=1)
    async with site.database.write() as tx:
        due = [job for job in await jobs.claim(tx, 100) if job.kind == "tell-opener"]
    assert len(due) == is_told
    await threads.tell_opener(site, due)
    async with site.database.read() as tx:
        updates = (await tx.execute(select(Activity.uri, Activity.document).where(Activity.type == "Update"))).all()
        told = [json.loads(document) for _, document in updates]
        sent: list[Any] = [
            job.argument for job in (await tx.execute(select(Job).where(Job.kind == "deliver"))).scalars()
        ]
    assert [update["object"]["replies"]["first"]["items"] for update in told] == [[reply.uri, again.uri]] * is_told
    assert [each["inbox"] for each in sent if each["activity"] in {uri for uri, _ in updates}] == [gwen.inbox] * is_told
