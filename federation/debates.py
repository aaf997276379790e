"""Debates in the language of other servers: the term ``debate`` of a debate's group, its Event, invitations; and what
the home of a debate says of it, kept here where a theme of ours is linked with the debate's theme.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import select

from community import clerk, debates, following, groups, jobs, links, posts, text
from community.db import Tx
from community.debate_models import Debate, Seat
from community.events import LinkChanged, PostCreated, on
from community.models import Actor, Link, Membership, Post, Theme, Topic
from community.policy import Refused
from community.settings import Settings
from federation import translate
from federation.shapes import words
from federation.translate import NotUnderstood, SeenActor
from federation.vocabulary import PUBLIC, Document, format_time, id_of, ids_of, parse_time, same_origin

EVENT_CONTEXT: list[Any] = [
    *translate.OBJECT_CONTEXT,
    {
        "schema": "http://schema.org#",
        "mz": "https://joinmobilizon.org/ns#",
        "ical": "http://www.w3.org/2002/12/cal/ical#",
        "VirtualLocation": "schema:VirtualLocation",
        "eventStatus": {"@id": "schema:eventStatus", "@type": "@id"},
        "organizers": {"@id": "https://w3id.org/fep/8a8e#organizers", "@type": "@id"},
        "displayEndTime": "https://w3id.org/fep/8a8e#displayEndTime",
        "status": "ical:status",
        "timezone": "mz:timezone",
        "joinMode": "mz:joinMode",
        "externalParticipationUrl": "mz:externalParticipationUrl",
        "maximumAttendeeCapacity": "schema:maximumAttendeeCapacity",
        "participantCount": "mz:participantCount",
        "isOnline": "mz:isOnline",
        "commentsEnabled": "https://joinpeertube.org/ns#commentsEnabled",
    },
]
_SUMMARY_MAX = 500
_SEATS_MAX = 40
_HTML_MAX = 20_000
_ALWAYS = datetime.max.replace(tzinfo=UTC)


# --- The group of a debate -------------------------------------------------------------------------------------------


def to_debate(debate: Debate, *, theme: Actor | None, seats: Iterable[Seat], floor: str, digest: str = "") -> Document:
    """What the actor document of a debate's group says in ``debate``: all that a linked instance shows of it, apart
    from what is said on the floor."""
    taken = list(seats)
    times = {"startTime": debate.opens_at, "endTime": debate.closes_at, "callTime": debate.call_at}
    return {
        "motion": debate.motion,
        "state": debate.state,
        **{term: format_time(at) for term, at in times.items() if at is not None},
        "timezone": debate.zone,
        "languages": list(debate.languages),
        "theme": theme.uri if theme is not None else None,
        "hosts": [seat.actor.uri for seat in taken if seat.role == "host"],
        "panel": [seat.actor.uri for seat in taken if seat.role == "panel"],
        "floor": floor,
        **({"reason": debate.reason} if debate.reason else {}),
        **({"conclusion": debate.conclusion_html} if debate.conclusion_html else {}),
        **({"digest": digest} if digest else {}),
        "sequence": debate.sequence,
        "updated": format_time(debate.changed_at, "milliseconds"),
    }


@dataclass(frozen=True)
class SeenDebate:
    """A debate elsewhere, as its group's own document describes it. ``seats`` maps ids of people to their roles."""

    motion: str
    state: str
    opens_at: datetime
    closes_at: datetime
    call_at: datetime | None
    zone: str
    languages: list[str]
    theme_uri: str
    seats: dict[str, str]
    floor_uri: str
    reason: str
    conclusion_html: str
    digest_uri: str
    sequence: int
    changed_at: datetime


def from_debate(said: Mapping[str, Any], uri: str, now: datetime) -> SeenDebate:
    """Read the term ``debate`` of the group ``uri``. Raises NotUnderstood.

    Theme and floor have to be on the group's own server: nobody announces a debate in the name of another city.
    """
    motion, state = words(said.get("motion"), debates.MOTION_MAX), said.get("state")
    opens_at, closes_at = (parse_time(said.get(term), _ALWAYS) for term in ("startTime", "endTime"))
    theme_uri, floor_uri = id_of(said.get("theme")) or "", id_of(said.get("floor")) or ""
    if not motion or state not in debates.STATES or opens_at is None or closes_at is None or closes_at <= opens_at:
        raise NotUnderstood("debate-incomplete")
    if not same_origin(uri, theme_uri):
        raise NotUnderstood("debate-theme-elsewhere")
    if floor_uri and not same_origin(uri, floor_uri):
        raise NotUnderstood("debate-floor-elsewhere")
    zone, languages = said.get("timezone"), said.get("languages")
    seats = dict.fromkeys(ids_of(said.get("panel"))[:_SEATS_MAX], "panel")
    seats |= dict.fromkeys(ids_of(said.get("hosts"))[:_SEATS_MAX], "host")
    conclusion, sequence = said.get("conclusion"), said.get("sequence")
    return SeenDebate(
        motion=motion,
        state=state,
        opens_at=opens_at,
        closes_at=closes_at,
        call_at=parse_time(said.get("callTime"), _ALWAYS),
        zone=zone if isinstance(zone, str) and zone in available_timezones() else "UTC",
        languages=[
            each for each in (languages if isinstance(languages, list) else [])[:10] if each in translate.LANGUAGES
        ],
        theme_uri=theme_uri,
        seats=seats,
        floor_uri=floor_uri,
        reason=words(said.get("reason"), 500),
        conclusion_html=text.clean(conclusion[:_HTML_MAX]) if isinstance(conclusion, str) else "",
        digest_uri=id_of(said.get("digest")) or "",
        sequence=min(max(sequence, 0), 10**6) if isinstance(sequence, int) else 0,
        # Of what is dated in the future nothing later would count.
        changed_at=parse_time(said.get("updated"), now) or now,
    )


# --- The Event -------------------------------------------------------------------------------------------------------


def event_uri(debate: Debate) -> str:
    return debate.actor.uri + posts.EVENT


def to_event(
    debate: Debate,
    speaker: Actor,
    theme: Actor,
    settings: Settings,
    said: Mapping[str, str],
    *,
    hosts: Iterable[Actor] = (),
    context: str,
    floor: str,
    replies: list[str],
    is_over: bool,
) -> Document:
    """A debate for those who keep calendars (FEP-8a8e; Mobilizon, Gancio, PieFed). ``said`` is ``debates.words_of``.

    Date, time and place stand in ``summary`` and ``content`` as words too: microblogs show no field of an Event, and
    GoToSocial not even its name. PieFed reads ten fields unguarded: without one of them it shows a bare post.
    """
    group, language = debate.actor, debate.language
    keys = (["cancelled"] if debate.state == "cancelled" else []) + ["event", "place"]
    sentences = [clerk.says(language, key, **said) for key in keys]
    content = text.render("\n\n".join([*sentences, debate.text_source]).strip())
    summary = " ".join(text.plain(text.render(sentence)).strip() for sentence in sentences)
    is_cancelled = debate.state == "cancelled"
    status = "EventCancelled" if is_cancelled else "EventRescheduled" if debate.sequence else "EventScheduled"
    document: Document = {
        "@context": EVENT_CONTEXT,
        "id": event_uri(debate),
        "type": "Event",
        "attributedTo": speaker.uri,
        "to": [PUBLIC, theme.uri, group.uri],
        "cc": [speaker.followers_uri],
        "audience": theme.uri,
        "context": context,
        "url": group.url,
        "name": debate.motion,
        "summary": text.cut(" ".join(summary.split()), _SUMMARY_MAX),
        "content": content,
        "mediaType": "text/html",
        "tag": [translate.mention(actor, settings) for actor in (theme, group)],
        "attachment": [],
        "sensitive": False,
        "published": format_time(group.created_at),
        "startTime": format_time(debate.opens_at),
        "endTime": format_time(debate.closes_at),
        "displayEndTime": True,
        "timezone": debate.zone,
        "location": {"type": "VirtualLocation", "name": settings.name, "url": group.url},
        "organizers": [theme.uri, *(actor.uri for actor in hosts)],
        "eventStatus": f"https://schema.org/{status}",
        "status": "CANCELLED" if is_cancelled else "CONFIRMED",
        "joinMode": "none" if is_over else "external",
        "externalParticipationUrl": group.url,
        "maximumAttendeeCapacity": None,
        "participantCount": 0,
        "anonymousParticipation": True,
        "isOnline": True,
        "onlineLink": group.url,
        "buyTicketsLink": None,
        "feeCurrency": None,
        "feeAmount": 0,
        "commentsEnabled": True,
        "replies": translate.replies_collection(floor, replies),
    }
    if debate.changed_at > group.created_at:
        document["updated"] = format_time(debate.changed_at, "milliseconds")
    if language in translate.LANGUAGES:
        document["language"] = {"identifier": language, "name": translate.LANGUAGES[language]}
        document["contentMap"] = {language: content}
    return document


# --- Invitations -----------------------------------------------------------------------------------------------------


def to_invitation(seat: Seat, speaker: Actor, html: str, link: str, settings: Settings, language: str) -> Document:
    """The private Note that asks somebody elsewhere to host a debate or to its panel."""
    document: Document = {
        "@context": translate.OBJECT_CONTEXT,
        "id": seat.uri,
        "type": "Note",
        "attributedTo": speaker.uri,
        "to": [seat.actor.uri],
        "cc": [],
        "url": link,
        "content": html,
        "mediaType": "text/html",
        "tag": [translate.mention(seat.actor, settings)],
        "attachment": [],
        "sensitive": False,
        "published": format_time(seat.invited_at),
    }
    if language in translate.LANGUAGES:
        document["contentMap"] = {language: html}
    return document


# --- Debates of linked cities ----------------------------------------------------------------------------------------


async def keep(tx: Tx, actor: Actor, seen: SeenActor) -> bool:
    """Keep what a group elsewhere, read from its own document, says of the debate that it is: of one whose theme is
    linked with a theme of ours, which then follows it. False where there is nothing to keep. Raises Refused."""
    if seen.debate is None:
        return False
    try:
        said = from_debate(seen.debate, seen.uri, tx.now)
    except NotUnderstood as error:
        raise Refused(error.reason) from None
    theme = await tx.by_uri(Actor, said.theme_uri)
    ours = await links.themes_linked_with(tx, theme.id) if theme is not None else []
    debate = await tx.find(Debate, actor.id)
    if debate is None and not ours:
        return False
    if debate is not None and debate.changed_at > said.changed_at:
        return False
    is_new = debate is None
    if debate is None:
        place = await groups.ensure_place(tx, actor)
        debate = Debate(actor_id=actor.id, steps=[], text_source="")
        debate.actor = actor
        if theme is not None and (shown := await tx.find(Theme, theme.id)) is not None:
            place.colour = shown.colour  # one subject, one colour
    _write(debate, actor, theme, said)
    tx.add(debate)
    await tx.flush()
    tx.remember(debate)
    await _keep_floor(tx, debate, said.floor_uri)
    await _keep_digest(tx, debate, said.digest_uri)
    await keep_seats(tx, debate, said.seats)
    debates.signal(tx, debate)
    tx.signal("anything")
    if is_new:
        for group in ours:
            await following.follow(tx, group, actor)
    return True


def _write(debate: Debate, actor: Actor, theme: Actor | None, said: SeenDebate) -> None:
    debate.theme_id = theme.id if theme is not None else None
    debate.theme = theme
    for field in (
        "motion", "state", "opens_at", "closes_at", "call_at", "zone", "languages", "reason", "conclusion_html",
        "sequence", "changed_at",
    ):  # fmt: skip
        setattr(debate, field, getattr(said, field))
    debate.text_html = actor.summary_html


async def _keep_floor(tx: Tx, debate: Debate, uri: str) -> None:
    opener = await tx.by_uri(Post, uri) if uri else None
    if opener is not None and debate.topic_id is None:
        await _take_floor(tx, debate, opener)
    if debate.topic_id is not None:
        topic = await tx.get_one(Topic, debate.topic_id)
        topic.closes_at = debate.closes_at
        if debate.state == "cancelled" and topic.closed_at is None:
            topic.closed_at = tx.now


async def _take_floor(tx: Tx, debate: Debate, opener: Post) -> None:
    topic = await tx.get_one(Topic, opener.topic_id)
    if opener.number == 1 and topic.group_id == debate.actor_id:
        debate.topic_id, topic.closes_at = topic.id, debate.closes_at


async def _keep_digest(tx: Tx, debate: Debate, uri: str) -> None:
    post = await tx.by_uri(Post, uri) if uri else None
    if post is not None and same_origin(uri, debate.actor.uri):
        debate.digest_post_id, debate.digest_state = post.id, "sent"


@on(PostCreated)
async def find_floor(tx: Tx, event: PostCreated) -> None:
    """The clerk's announcement of a debate elsewhere has come: its topic is the floor."""
    if event.post.number == 1 and event.post.part == "motion" and not event.author.is_local:
        debate = await tx.find(Debate, event.topic.group_id)
        if debate is not None and debate.topic_id is None:
            await _take_floor(tx, debate, event.post)


async def keep_seats(tx: Tx, debate: Debate, wanted: Mapping[str, str], *, is_last: bool = False) -> None:
    """Who hosts a debate elsewhere and sits on its panel, as its home says; ``wanted`` maps ids to roles. People whom
    nobody here met yet are fetched by a job, unless this ``is_last``."""
    await tx.preload(Actor, wanted)
    found: dict[int, str] = {}
    missing = []
    for uri, role in wanted.items():
        actor = await tx.by_uri(Actor, uri)
        if actor is not None and actor.kind == "person":
            found[actor.id] = role
        elif actor is None and not same_origin(uri, tx.settings.origin):
            missing.append(uri)
    held = {seat.actor_id: seat for seat in await debates.seats(tx, debate.actor_id, only_taken=False)}
    for actor_id, role in found.items():
        seat = held.pop(actor_id, None)
        if seat is None:
            seat = Seat(debate_id=debate.actor_id, actor_id=actor_id, invited_at=tx.now)
            tx.add(seat)
        seat.role, seat.state = role, "accepted"
        await _give_role(tx, debate, actor_id, role)
    for seat in held.values():
        if seat.state == "accepted":
            seat.state = "withdrawn"
            await _give_role(tx, debate, seat.actor_id, "member")
    await tx.flush()
    if missing and not is_last:
        argument = {"debate": debate.actor_id, "seats": dict(wanted)}
        await jobs.add(tx, "fetch-seats", argument, key=f"fetch-seats:{debate.actor_id}")


async def _give_role(tx: Tx, debate: Debate, actor_id: int, role: str) -> None:
    """What a seat means for a member of ours: they may write after the hour. Others are judged at the debate's home."""
    if not (await tx.get_one(Actor, actor_id)).is_local:
        return
    held = await tx.get(Membership, (actor_id, debate.actor_id))
    if held is None:
        held = Membership(actor_id=actor_id, group_id=debate.actor_id, state="left", role=role, created_at=tx.now)
        tx.add(held)
        await tx.flush()
        tx.remember(held)
    elif held.role in ("member", "panel", "host"):
        held.role = role


@on(LinkChanged)
async def go_along(tx: Tx, event: LinkChanged) -> None:
    """Our theme follows the debates of a city as long as both are linked."""
    link = await tx.get(Link, (event.group.id, event.other.id))
    query = select(Debate).where(Debate.theme_id == event.other.id)
    for debate in (await tx.execute(query)).scalars().all():
        if debate.actor.is_local:
            continue
        if link is not None and link.state == "linked":
            if debate.state in debates.OPEN:
                await following.follow(tx, event.group, debate.actor)
        else:
            await following.withdraw(tx, event.group, debate.actor)
