"""What other servers hear of moderation: what is done in a group of ours, announced by that group; and reports.

The activity is the moderator's own, addressed as Lemmy's types demand (``to`` the group and Public, ``cc`` the group,
``audience`` the group), and wrapped for forums alone: microblogs know none of it. Where a moderator from elsewhere did
it, what they sent is announced as it came.
"""

from __future__ import annotations

import json
from typing import Any

from community import groups, posts
from community.db import Tx
from community.events import Banned, ModeratorChanged, Reported, TopicChanged, on
from community.models import Activity, Actor, Post, Topic
from federation import translate
from federation.vocabulary import PUBLIC, Document, format_time, id_of
from outbox.delivery import To, is_on_forum, new_uri, send


async def _tell(
    tx: Tx,
    group: Actor,
    by: Actor,
    kind: str,
    about: str,
    *,
    is_undone: bool = False,
    activity: Activity | None = None,
    besides: Actor | None = None,
    **fields: Any,
) -> None:
    """Say that ``by`` did this in a group: of ours to its followers on forums and to the server of ``besides``, if
    that is a forum; a group elsewhere hears it from our member who moderates it, and announces it."""
    if activity is not None:
        inner: Document = json.loads(activity.document)
    elif not by.is_local or by.kind == "group":
        return
    else:
        addressed = {"to": [group.uri, PUBLIC], "cc": [group.uri], "audience": group.uri}
        inner = translate.activity(kind, new_uri(tx), by, about, tx.now, **addressed, **fields)
        if is_undone:
            inner.pop("@context")
            why = {"summary": fields["summary"]} if fields.get("summary") else {}
            inner = translate.activity("Undo", new_uri(tx), by, inner, tx.now, **addressed, **why)
    if not group.is_local:
        if by.is_local and activity is None:
            await send(tx, inner, by, To(actors=(group.id,)))
        return
    wrapped = translate.announce(new_uri(tx), group, inner, id_of(inner["actor"]) or "", tx.now)
    to = [To(followers_of=(group.id,), form="wrapped")]
    # Mastodon takes a Block for one between two people, whatever its target.
    if besides is not None and await is_on_forum(tx, besides):
        to.append(To(actors=(besides.id,)))
    await send(tx, wrapped, group, *to)


def _why(reason: str) -> dict[str, Any]:
    """Lemmy reads the reason in ``summary``, and takes an empty one for a reason."""
    return {"summary": reason} if reason else {}


@on(TopicChanged)
async def tell_pins_and_locks(tx: Tx, event: TopicChanged) -> None:
    if event.what not in ("pin", "unpin", "close", "open"):
        return
    post = await posts.opener(tx, event.topic)
    if post is None:
        return
    group = await tx.get_one(Actor, event.topic.group_id)
    if event.what in ("close", "open"):
        await _tell(
            tx, group, event.by, "Lock", post.uri, is_undone=event.what == "open", activity=event.activity,
            **_why(event.reason),
        )  # fmt: skip
        return
    kind = "Add" if event.what == "pin" else "Remove"
    target = f"{group.uri}/featured" if group.is_local else group.featured_uri
    if target:
        await _tell(tx, group, event.by, kind, post.uri, activity=event.activity, target=target, **_why(event.reason))


@on(Banned)
async def tell_bans(tx: Tx, event: Banned) -> None:
    fields: dict[str, Any] = {"target": event.group.uri, "removeData": event.removes_posts} | _why(event.reason)
    if event.until is not None:
        fields["endTime"] = format_time(event.until)
    await _tell(
        tx, event.group, event.by, "Block", event.actor.uri, is_undone=not event.is_on, activity=event.activity,
        besides=event.actor, **fields,
    )  # fmt: skip


@on(ModeratorChanged)
async def tell_moderators(tx: Tx, event: ModeratorChanged) -> None:
    kind = "Add" if event.is_on else "Remove"
    group = event.group
    target = f"{group.uri}/moderators" if group.is_local else group.moderators_uri
    if target:
        await _tell(
            tx, group, event.by, kind, event.actor.uri, activity=event.activity, besides=event.actor, target=target
        )


@on(Reported)
async def send_on(tx: Tx, event: Reported) -> None:
    """A Flag by the instance actor, which hides who reported, to each home of what it is about: the group elsewhere and
    the author's server. Exactly one ``to`` and the reason in ``summary`` for Lemmy; the person first and the reason in
    ``content`` for Mastodon."""
    report = event.report
    if not event.is_sent_on or report.about_id is None:
        return
    person = await tx.get_one(Actor, report.about_id)
    post = await tx.get(Post, report.post_id) if report.post_id is not None else None
    homes: dict[str, Actor] = {}
    if post is not None:
        group = await tx.get_one(Actor, (await tx.get_one(Topic, post.topic_id)).group_id)
        if group.host and group.kind == "group":
            homes[group.host] = group
    if person.host:
        homes.setdefault(person.host, person)
    instance = await groups.institution(tx, "application")
    accused = [person.uri, *([post.uri] if post is not None else [])]
    for home in homes.values():
        uri = new_uri(tx)
        fields = {"object": accused, "to": [home.uri], "summary": report.reason, "content": report.reason}
        await send(tx, translate.activity("Flag", uri, instance, person.uri, tx.now, **fields), instance,
                   To(actors=(home.id,)))  # fmt: skip
        report.uri = report.uri or uri
