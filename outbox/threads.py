"""Openers told again, for servers that learn of replies in no other way.

GoToSocial drops the replies of people that nobody there follows, and opens no thread by itself; but it reads the
``replies`` inside an Update of the opener, and fetches what is new in it.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from community import jobs, posts
from community.db import Tx
from community.events import PostCreated, on
from community.models import Actor, Host, Membership, Topic
from federation import translate
from federation.site import Site
from federation.vocabulary import format_time
from outbox import documents
from outbox.delivery import To, new_uri, send

# Replies come in bursts: one Update tells of all within this time.
WAIT = timedelta(minutes=20)
SOFTWARE = "gotosocial"


@on(PostCreated)
async def tell_later(tx: Tx, event: PostCreated) -> None:
    topic = event.topic
    if event.post.number == 1:
        return
    key = ("reads embedded replies", topic.group_id)
    if key not in tx.noted:
        query = (
            select(Membership.actor_id)
            .join(Actor, Actor.id == Membership.actor_id)
            .join(Host, Host.name == Actor.host)
            .where(Membership.group_id == topic.group_id, Membership.state == "accepted", Host.software == SOFTWARE)
            .limit(1)
        )
        tx.noted[key] = (await tx.execute(query)).first() is not None
    if tx.noted[key]:
        job = f"tell-opener:{topic.id}"
        await jobs.add(tx, "tell-opener", {"topic": topic.id}, key=job, run_at=tx.now + WAIT)


@jobs.works("tell-opener")
async def tell_opener(site: Site, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    for job in claimed:
        async with site.database.write() as tx:
            topic = await tx.get_one(Topic, job.argument["topic"])
            opener = await posts.opener(tx, topic)
            group = await tx.get_one(Actor, topic.group_id)
            if opener is None or opener.deleted_at is not None or not group.is_local:
                continue
            author = await tx.get_one(Actor, opener.author_id)
            if not author.is_local:
                continue
            note = await documents.note(tx, opener) | {"updated": format_time(tx.now, "milliseconds")}
            update = translate.about_object("Update", new_uri(tx), author, note, tx.now)
            await send(tx, update, author, To(followers_of=(group.id,), form=SOFTWARE))
    return [jobs.Done(job) for job in claimed]
