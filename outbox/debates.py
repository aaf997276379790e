"""What other servers hear of debates, beside what is said on the floor: boosts of the milestones by the theme, the
Event for calendars, the debate's own document, and invitations to its panel."""

from __future__ import annotations

from community import clerk, debates, groups, posts
from community.db import Tx
from community.events import (
    ActorChanged,
    DebateChanged,
    JoinAsked,
    PostCreated,
    PostDeleted,
    SeatChanged,
    emit,
    on,
)
from community.models import Actor, Host, Post
from federation import debates as documents_of
from federation import translate
from federation.vocabulary import Document
from outbox import documents
from outbox.delivery import To, new_uri, send, signed
from outbox.posts import withdraw_boost

# What followers of the theme see of a debate; who wants more follows the debate itself.
MILESTONES = frozenset({"motion", "live", "closed", "conclusion", "cancelled", "moved"})
# Steps after which the debate's own document says something else. ``edited`` tells of itself.
_TOLD = frozenset({"call", "live", "closed", "concluded", "cancelled", "moved", "panel", "digest-sent"})
_EVENT_TOLD = frozenset({"edited", "moved", "cancelled", "panel"})


def is_milestone(post: Post) -> bool:
    return post.part in MILESTONES or (post.part == "stub" and post.position == "question")


async def _theme_of(tx: Tx, group_id: int) -> Actor | None:
    """The theme that passes on what the clerk says in this group; None for what is no debate of ours."""
    debate = await debates.of_group(tx, group_id)
    return debate.theme if debate is not None and debate.actor.is_local else None


# --- Milestones ------------------------------------------------------------------------------------------------------


@on(PostCreated)
async def boost_milestone(tx: Tx, event: PostCreated) -> None:
    """The plain id, to all followers of the theme but those on Lemmy and Mbin: these file what they get under the
    theme, where nobody would see an answer in the debate. Linked instances hear of a debate by this."""
    theme = await _theme_of(tx, event.topic.group_id) if is_milestone(event.post) else None
    if theme is not None:
        boost = translate.announce(new_uri(tx), theme, event.post.uri, event.author.uri, tx.now)
        await send(tx, boost, theme, To(followers_of=(theme.id,), form="boosts"))


@on(PostDeleted)
async def withdraw_milestone(tx: Tx, event: PostDeleted) -> None:
    theme = await _theme_of(tx, event.topic.group_id) if is_milestone(event.post) else None
    if theme is not None:
        await withdraw_boost(tx, theme, event.post, form="boosts")


# --- The debate's document -------------------------------------------------------------------------------------------


@on(DebateChanged)
async def tell_document(tx: Tx, event: DebateChanged) -> None:
    """Followers of the debate hear what its document says now: that is what linked instances show."""
    if event.what in _TOLD and event.debate.actor.is_local:
        await emit(tx, ActorChanged(event.debate.actor))


# --- The Event -------------------------------------------------------------------------------------------------------


@on(DebateChanged)
async def tell_event(tx: Tx, event: DebateChanged) -> None:
    """The Event, announced by the theme to followers on servers that keep calendars: its plain id, and to PieFed the
    whole Create. Changes are signed by the clerk, who wrote it."""
    debate, theme = event.debate, event.debate.theme
    is_new = event.what == "announced"
    if theme is None or not debate.actor.is_local or not (is_new or event.what in _EVENT_TOLD):
        return
    speaker = await groups.clerk(tx)
    document = await documents.event(tx, debate)
    if document is None:
        return
    kind = "Create" if is_new else "Update"
    activity = translate.about_object(kind, new_uri(tx), speaker, document, tx.now)
    aware = To(followers_of=(theme.id,), form="events", has_left=not is_new)
    if is_new:
        await send(tx, activity, speaker)  # to nobody: it can be read at its address
        boost = translate.announce(new_uri(tx), theme, document["id"], speaker.uri, tx.now)
        await send(tx, boost, theme, aware)
    else:
        await send(tx, activity, speaker, aware)
    wrapped = translate.announce(new_uri(tx), theme, await signed(tx, activity, speaker), speaker.uri, tx.now)
    await send(tx, wrapped, theme, To(followers_of=(theme.id,), form="piefed", has_left=not is_new))


@on(JoinAsked)
async def refuse_to_join(tx: Tx, event: JoinAsked) -> None:
    """Nobody has to say that they come. Mobilizon and FEP-8a8e wait for an answer."""
    speaker = await groups.clerk(tx)
    answer = translate.activity("Reject", new_uri(tx), speaker, event.request, tx.now, to=[event.by.uri])
    await send(tx, answer, speaker, To(actors=(event.by.id,), own_inbox=True))


# --- Invitations -----------------------------------------------------------------------------------------------------


@on(SeatChanged)
async def ask(tx: Tx, event: SeatChanged) -> None:
    """A private Note by the clerk to the one who is asked, wherever they are: a favourite of it is a yes. Folkmoot
    refuses private Notes, and gets an Invite; so does a server of which we do not know yet what it is."""
    seat, person = event.seat, event.actor
    if person.is_local or not seat.uri:
        return
    speaker, alone = await groups.clerk(tx), To(actors=(person.id,), own_inbox=True)
    if event.what == "withdrawn":
        stone = translate.tombstone(seat.uri, tx.now)
        del stone["@context"]
        about = stone | {"attributedTo": speaker.uri}
        await send(
            tx, translate.activity("Delete", new_uri(tx), speaker, about, tx.now, to=[person.uri]), speaker, alone
        )
    elif event.what == "invited":
        link = f"{tx.settings.origin}/seats/{seat.token}"
        note = await _invitation(tx, event, speaker, link)
        await send(tx, translate.about_object("Create", new_uri(tx), speaker, note, tx.now), speaker, alone)
        host = await tx.find(Host, person.host)
        if host is None or host.software in (None, "", "folkmoot"):
            fields = {"target": person.uri, "url": link, "to": [person.uri]}
            about_uri = documents_of.event_uri(event.debate)
            invite = translate.activity("Invite", new_uri(tx), speaker, about_uri, tx.now, **fields)
            await send(tx, invite, speaker, alone)


async def _invitation(tx: Tx, event: SeatChanged, speaker: Actor, link: str) -> Document:
    debate, person = event.debate, event.actor
    said = debates.words_of(tx, debate) | {"link": link}
    sentences = [clerk.says(debate.language, key, **said) for key in (f"seat-{event.seat.role}", "seat-how")]
    source = f"@{person.handle}@{person.host} " + "\n\n".join(sentences)
    written = await posts.compose(tx, source)
    return documents_of.to_invitation(event.seat, speaker, written.html, link, tx.settings, debate.language)
