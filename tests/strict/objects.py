"""Rules for what people write: Note, Article, Page, Question, Event, and the Tombstone that remains."""

from collections.abc import Iterator

from .collections import replies_shape
from .rendering import forum_titles
from .rules import View, rule
from .values import (
    OBJECTS,
    PUBLIC,
    Document,
    addressed,
    dicts,
    has_markup,
    host_of,
    is_count,
    is_direct,
    is_group,
    is_language,
    is_text,
    is_time,
    is_url,
    is_vote,
    plain,
)

FOLDED = ("Note", "Question")
TITLED = ("Article", "Page", "Event")
# PieFed reads each of these unguarded: one missing and the Event arrives as a bare post (seen).
PIEFED_EVENT = (
    "endTime", "timezone", "maximumAttendeeCapacity", "participantCount", "onlineLink", "joinMode",
    "externalParticipationUrl", "anonymousParticipation", "isOnline", "buyTicketsLink", "feeCurrency",
    "feeAmount",
)  # fmt: skip


@rule(*OBJECTS)
def author_is_a_person_here(document: Document, view: View) -> Iterator[str]:
    author = document.get("attributedTo")
    if author is None:
        yield "Lemmy: attributedTo is missing"
    elif isinstance(author, str) and is_url(author):
        if host_of(author) != host_of(document):
            yield "Mastodon: attributedTo must be on the host of id"
        elif author == document.get("audience") or is_group(author):
            yield "PieFed: attributedTo must be a person or service, never a group or the instance"


@rule(*OBJECTS)
def text_says_what_it_is(document: Document, view: View) -> Iterator[str]:
    if is_vote(document):
        return
    content = document.get("content")
    if content is None or content == "":
        yield "Lemmy: content is missing"
    if document.get("mediaType") != "text/html":
        yield "Lemmy: mediaType must be text/html"
    source = document.get("source")
    if source is not None and not (
        isinstance(source, dict)
        and isinstance(source.get("content"), str)
        and source.get("mediaType") == "text/markdown"
    ):
        yield 'PieFed: source must be {"content": text, "mediaType": "text/markdown"}'
    if "published" not in document:
        yield "Mbin: published is missing, it is read unguarded"


@rule("Note")
def vote_says_nothing_more(document: Document, view: View) -> Iterator[str]:
    if not is_vote(document):
        return
    if "published" in document:
        yield "PieFed: a vote must not have published, or it is filed as a reply"
    if PUBLIC in addressed(document):
        yield "Mastodon: a vote must go to the author of the poll only"


@rule(*FOLDED)
def nothing_folds_the_text(document: Document, view: View) -> Iterator[str]:
    if "name" in document and not is_vote(document):
        if document["type"] == "Note":
            yield "snac: a Note must not have name, it is taken for a vote and hidden"
        else:
            yield "GoToSocial: a Question must not have name, it folds the text"
    if "summary" in document:
        yield f"Mastodon: a {document['type']} must not have summary, it folds the text"


@rule("Note", "Question")
def opener_shows_its_title(document: Document, view: View) -> Iterator[str]:
    """The exact title travels in our own term; microblogs read it in the first paragraph."""
    title, content = document.get("title"), document.get("content")
    if title is None or document.get("inReplyTo") is not None or not isinstance(content, str):
        return
    if not isinstance(title, str) or not title.strip():
        yield "Folkmoot: title must be plain text"
        return
    start, end = "<p><strong>", "</strong></p>"
    first = content[len(start) : content.find(end)] if content.startswith(start) and end in content else ""
    if plain(first) != " ".join(title.split()):
        yield "GoToSocial: an opener must begin with <p><strong>title</strong></p>, or no title is seen"
        return
    source = document.get("source")
    markdown = source.get("content") if isinstance(source, dict) else ""
    lines = [line.strip(" #*_") for line in markdown.splitlines()] if isinstance(markdown, str) else []
    if title.strip() in lines:
        yield "Lemmy: source must not repeat the title line, it is shown as the text below the title"
    for forum, derived in forum_titles(document).items():
        bare = derived.removeprefix("[Microblog] ").rstrip(". ")
        if bare not in ("", "(content in post body)") and not title.strip().startswith(bare):
            because = ", source is read before content" if markdown and forum != "Lemmy" else ""
            yield f"{forum}: the topic would be called {bare!r}{because}"


@rule(*OBJECTS)
def topic_holds_together(document: Document, view: View) -> Iterator[str]:
    """Replies come home only from objects that say their group, their topic and their other replies."""
    if is_direct(document) or is_vote(document):
        return
    audience, address = document.get("audience"), document.get("id")
    # An answer to a person who is followed elsewhere is in no group.
    is_to_people = document.get("inReplyTo") is not None and not any(map(is_group, addressed(document)))
    if audience is None and not is_to_people:
        yield "Lemmy: audience must name the group"
    elif isinstance(audience, str) and audience not in [tag.get("href") for tag in _tags(document, "Mention")]:
        yield "Mastodon: the group must be mentioned in tag, or replies do not reach it"
    if document.get("context") is None:
        yield "NodeBB: context is missing, it is how topics are read"
    elif document.get("inReplyTo") is not None and document["context"] in (address, f"{address}/context"):
        yield "NodeBB: a reply must carry the context of its topic, or it becomes a topic of its own"
    if not isinstance(document.get("replies"), dict):
        yield "GoToSocial: replies must be embedded, an address alone is not read"
    elif document["replies"].get("type") != "Collection":
        yield "GoToSocial: replies must be of type Collection"
    else:
        yield from replies_shape(document["replies"], "replies")


@rule(*OBJECTS)
def tags_are_complete(document: Document, view: View) -> Iterator[str]:
    for tag in _tags(document, "Mention"):
        if not is_url(tag.get("href")):
            yield "Mastodon: a Mention without href is ignored"
        if not is_text(tag.get("name")):
            yield "NodeBB: a Mention without name cannot be read"
    for tag in _tags(document, "Hashtag"):
        name = tag.get("name")
        if not isinstance(name, str) or not name.startswith("#") or len(name.split()) != 1:
            yield "Mastodon: a Hashtag's name must be # and one word"
        if not is_url(tag.get("href")):
            yield "Lemmy: a Hashtag must have href"


@rule(*OBJECTS)
def attachments_are_of_three_kinds(document: Document, view: View) -> Iterator[str]:
    """Lemmy has no fourth case and gives up the whole post."""
    members = document.get("attachment")
    for member in members if isinstance(members, list) else []:
        kind = member.get("type") if isinstance(member, dict) else None
        if kind not in ("Link", "Image", "Document"):
            yield "Lemmy: an attachment must be Link, Image or Document"
        elif not is_url(member.get("href" if kind == "Link" else "url")):
            yield f"Lemmy: a {kind} must have {'href' if kind == 'Link' else 'url'}, one address"
        elif kind == "Document" and not is_text(member.get("mediaType")):
            yield "Lemmy: a Document must have mediaType"


@rule(*OBJECTS)
def language_is_one_object(document: Document, view: View) -> Iterator[str]:
    if document.get("language") is not None and not is_language(document["language"]):
        yield "Mbin: language must be one {identifier, name}"
    by_language = document.get("contentMap")
    if by_language is not None and not (
        isinstance(by_language, dict) and by_language and all(isinstance(text, str) for text in by_language.values())
    ):
        yield "Mastodon: contentMap must map languages to texts"


@rule(*OBJECTS)
def tallies_are_collections(document: Document, view: View) -> Iterator[str]:
    for key in ("likes", "shares"):
        tally = document.get(key)
        if isinstance(tally, dict) and not (tally.get("type") == "Collection" and is_count(tally.get("totalItems"))):
            yield f"Mastodon: {key} must be a Collection with totalItems"


@rule(*TITLED)
def title_and_abstract_are_plain(document: Document, view: View) -> Iterator[str]:
    """Mastodon shows name, summary and a link of these; GoToSocial has the summary as the line over the fold."""
    kind, name, summary = document["type"], document.get("name"), document.get("summary")
    if not is_text(name):
        yield f"Mbin: {kind} must have name"
    elif isinstance(name, str) and has_markup(name):
        yield "Lemmy: name must be plain text"
    if not is_text(summary):
        yield f"Mastodon: {kind} must have a summary, it is all of the text that is shown"
    elif isinstance(summary, str) and has_markup(summary):
        yield "GoToSocial: summary must be plain text, it is shown as written"
    elif isinstance(summary, str) and len(summary) > 500:
        yield f"Mastodon: summary must be at most 500 characters, this has {len(summary)}"


@rule("Question")
def poll_can_be_answered(document: Document, view: View) -> Iterator[str]:
    lists = [document[key] for key in ("oneOf", "anyOf") if key in document]
    if len(lists) != 1 or not isinstance(lists[0], list) or len(lists[0]) < 2:
        yield "Mastodon: a Question must have two or more options in either oneOf or anyOf"
        return
    options = lists[0]
    for option in options:
        replies = option.get("replies") if isinstance(option, dict) else None
        if not (isinstance(option, dict) and option.get("type") == "Note" and is_text(option.get("name"))):
            yield "Mastodon: an option must be a Note with name"
        elif not (
            isinstance(replies, dict) and replies.get("type") == "Collection" and is_count(replies.get("totalItems"))
        ):
            yield "PieFed: an option must have replies, a Collection with totalItems"
    names = [option.get("name") for option in dicts(options)]
    if len({str(name) for name in names}) < len(names):
        yield "Mastodon: options must have different names, votes are counted by name"
    if len(options) > 10:
        yield "Mastodon: more than 10 options cannot be shown well"
    if "endTime" not in document:
        yield "PieFed: a Question must have endTime, it is read unguarded"
    if not is_count(document.get("votersCount")):
        yield "Mastodon: votersCount must be a number"


@rule("Event")
def event_can_be_held(document: Document, view: View) -> Iterator[str]:
    start, end = document.get("startTime"), document.get("endTime")
    if start is None:
        yield "Mobilizon: an Event must have startTime"
    elif is_time(start) and is_time(end) and str(end) <= str(start):
        yield "Mobilizon: an Event must end after it starts"
    for key in PIEFED_EVENT:
        if key not in document:
            yield f"PieFed: an Event must have {key}, it is read unguarded"
    location = document.get("location")
    if location is not None and not (
        isinstance(location, dict) and location.get("type") in ("Place", "VirtualLocation")
    ):
        yield "Mobilizon: location must be a Place or VirtualLocation"
    if isinstance(location, dict) and location.get("type") == "VirtualLocation" and not is_url(location.get("url")):
        yield "Mobilizon: a VirtualLocation must have url"
    status, legacy = document.get("eventStatus"), document.get("status")
    if status is not None and not (
        is_url(status) and str(status).startswith("https://schema.org/Event") and isinstance(legacy, str)
    ):
        yield "Mobilizon: eventStatus must be one of schema.org's, with status beside it"
    elif ("Cancelled" in str(status)) is not (legacy == "CANCELLED"):
        yield "Mobilizon: eventStatus and status must say the same"
    organizers = document.get("organizers", [])
    if not isinstance(organizers, list) or not all(is_url(organizer) for organizer in organizers):
        yield "Mobilizon: organizers must be addresses"
    mode = document.get("joinMode", "free")
    if mode not in ("free", "restricted", "external", "none", None):
        yield "Mobilizon: joinMode must be free, restricted, external or none"
    elif mode == "external" and not is_url(document.get("externalParticipationUrl")):
        yield "Mobilizon: joinMode external needs externalParticipationUrl"


@rule("Tombstone")
def tombstone_is_bare(document: Document, view: View) -> Iterator[str]:
    for key in ("content", "contentMap", "source", "name", "summary", "title", "attachment"):
        if key in document:
            yield f"NodeBB: a Tombstone must not keep {key}"


@rule("QuoteAuthorization")
def permission_says_who_may_quote_what(document: Document, view: View) -> Iterator[str]:
    """FEP-044f: on the server of the author who is quoted, else anybody could give it."""
    for key in ("attributedTo", "interactingObject", "interactionTarget"):
        if not is_url(document.get(key)):
            yield f"Mastodon: a QuoteAuthorization must have {key}, one address"
    for key in ("attributedTo", "interactionTarget"):
        if is_url(document.get(key)) and host_of(document[key]) != host_of(document):
            yield f"Mastodon: {key} of a QuoteAuthorization must be on the host of id"


def _tags(document: Document, kind: str) -> list[Document]:
    return [tag for tag in dicts(document.get("tag")) if tag.get("type") == kind]
