"""The strict validator itself: our shapes pass, each minimal spoiling gives exactly the expected complaint."""

# ruff: noqa: E501  A table of cases reads best with one case a line.

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.strict import (
    FORUMS,
    MICROBLOGS,
    RULES,
    check,
    complaints,
    forum_titles,
    shown_by_microblog,
    title_in_forum,
)
from tests.strict.examples import ANNA, BEN, GROUP, GWEN, MOOT, NAMES, good
from tests.strict.rules import View, kind_of
from tests.strict.values import AS2, PUBLIC

REMOVED = object()
SHARED = Path(__file__).resolve().parents[3] / "shared"
ELSEWHERE = "https://other.example/x"


def spoiled(name: str, path: str, value: object) -> dict[str, Any]:
    """A good document with the value at a dotted path replaced, added or removed."""
    document = good(name)
    *way, last = path.split("/")
    place: Any = document
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    key: Any = int(last) if isinstance(place, list) else last
    if value is REMOVED:
        del place[key]
    else:
        place[key] = value
    return document


@pytest.mark.parametrize("name", NAMES)
def test_our_documents_pass(name: str) -> None:
    assert complaints(good(name)) == []
    assert complaints(good(name), origin=MOOT) == []
    check(good(name))


# fmt: off
EVERY = [
    ("note", "@context", REMOVED, f"Mastodon: @context must contain the literal {AS2}, else the document is dropped"),
    ("like", "@context", [{"as": AS2}], f"Mastodon: @context must contain the literal {AS2}, else the document is dropped"),
    ("reply", "content", "x" * 66000, "Misskey: the body must be under 65536 bytes"),
    ("note", "id", "http://moot.example/p/42", "NodeBB: id must be an https address"),
    ("follow", "id", REMOVED, "NodeBB: id must be an https address"),
    ("like", "id", f"{MOOT}/A/7", "PieFed: id must be lower case, ids are looked up so"),
    ("like", "id", f"{MOOT}/a/{'7' * 77}", "PieFed: activity id must be under 100 characters, it is cut there"),
    ("note", "type", ["Note"], "Lemmy: type must be one string"),
    ("note", "published", "2026-11-20T08:00:00+00:00", "Lemmy: published must be RFC 3339 with Z"),
    ("announce", "published", "2026-13-20T08:00:00Z", "Lemmy: published must be RFC 3339 with Z"),
    ("question", "closed", True, "Lemmy: closed must be RFC 3339 with Z"),
    ("event", "startTime", "2026-12-18T17:00:00+08:00", "Lemmy: startTime must be RFC 3339 with Z"),
    ("ban", "endTime", "2026-12-01", "Lemmy: endTime must be RFC 3339 with Z"),
    ("like", "audience", [GROUP], "Lemmy: audience must be one address, as a string"),
    ("note", "context", [f"{MOOT}/p/42/context"], "Lemmy: context must be one address, as a string"),
    ("vote", "inReplyTo", {"id": ELSEWHERE}, "Lemmy: inReplyTo must be one address, as a string"),
    ("pin", "target", [f"{GROUP}/featured"], "Lemmy: target must be one address, as a string"),
    ("note", "attributedTo", [ANNA], "NodeBB: attributedTo must be one address, as a string"),
    ("group", "attributedTo", [BEN], "NodeBB: attributedTo must be one address, as a string"),
    ("person", "inbox", "/u/anna/inbox", "Lemmy: inbox must be one address, as a string"),
    ("lock", "summary", {"en": "Settled"}, "Lemmy: summary must be one string"),
    ("note", "sensitive", "false", "Lemmy: sensitive must be true or false"),
    ("delete account", "removeData", 1, "Lemmy: removeData must be true or false"),
    ("note", "to", PUBLIC, "Lemmy: to must be an array"),
    ("delete", "cc", f"{ANNA}/followers", "Lemmy: cc must be an array"),
    ("note", "attachment", {"type": "Link", "href": ELSEWHERE}, "Lemmy: attachment must be an array"),
    ("lock", "to/0", "as:Public", f"Lemmy: to must spell Public in full, {PUBLIC}"),
    ("note", "cc", ["Public"], f"Lemmy: cc must spell Public in full, {PUBLIC}"),
    ("note", "cc", [{"id": ANNA}], "Lemmy: cc must hold addresses only"),
    ("create", "bto", [BEN], "ActivityPub: bto and bcc must be removed before delivery"),
    ("note", "tag/0/@id", GROUP, "Mastodon: @id must not occur, only compact names"),
    ("person", "icon", f"{MOOT}/icon.png", 'Lemmy: icon must be {"type": "Image", "url": address}'),
    ("article", "image/url", [f"{MOOT}/3.png"], 'Lemmy: image must be {"type": "Image", "url": address}'),
]
ADDRESSING = [
    ("note", "to", REMOVED, "Lemmy: to is missing, it has no default"),
    ("note", "cc", REMOVED, "Lemmy: cc is missing, it has no default"),
    ("create", "object/cc", REMOVED, "Lemmy: in object, cc is missing, it has no default"),
    ("lock", "cc", REMOVED, "Lemmy: cc is missing, it has no default"),
    ("wrapped lock", "object/cc", REMOVED, "Lemmy: in object, cc is missing, it has no default"),
    ("undo announce", "cc", REMOVED, "Lemmy: cc is missing, it has no default"),
    ("delete", "to", [GROUP], "Lemmy: Public must be in to or cc"),
    ("create", "object/to", [GROUP], "Lemmy: in object, Public must be in to or cc"),
    ("update group", "to", [ELSEWHERE], "Lemmy: Public must be in to or cc"),
    ("announce", "to", [ELSEWHERE], "Lemmy: Public must be in to or cc"),
    ("note", "to", [PUBLIC], "NodeBB: the audience group must be in to or cc"),
]
OBJECTS = [
    ("note", "attributedTo", REMOVED, "Lemmy: attributedTo is missing"),
    ("note", "attributedTo", "https://other.example/u/anna", "Mastodon: attributedTo must be on the host of id"),
    ("note", "attributedTo", GROUP, "PieFed: attributedTo must be a person or service, never a group or the instance"),
    ("note", "attributedTo", f"{MOOT}/", "PieFed: attributedTo must be a person or service, never a group or the instance"),
    ("reply", "content", REMOVED, "Lemmy: content is missing"),
    ("article", "content", "", "Lemmy: content is missing"),
    ("note", "mediaType", "text/plain", "Lemmy: mediaType must be text/html"),
    ("reply", "source", "text", 'PieFed: source must be {"content": text, "mediaType": "text/markdown"}'),
    ("reply", "source/mediaType", REMOVED, 'PieFed: source must be {"content": text, "mediaType": "text/markdown"}'),
    ("note", "published", REMOVED, "Mbin: published is missing, it is read unguarded"),
    ("vote", "published", "2026-11-20T08:00:00Z", "PieFed: a vote must not have published, or it is filed as a reply"),
    ("vote", "cc", [PUBLIC], "Mastodon: a vote must go to the author of the poll only"),
    ("note", "name", "A bus line for the harbour", "snac: a Note must not have name, it is taken for a vote and hidden"),
    ("reply", "name", "Re: A bus line", "snac: a Note must not have name, it is taken for a vote and hidden"),
    ("question", "name", "Bus", "GoToSocial: a Question must not have name, it folds the text"),
    ("note", "summary", "About buses", "Mastodon: a Note must not have summary, it folds the text"),
    ("question", "summary", "About buses", "Mastodon: a Question must not have summary, it folds the text"),
    ("note", "title", ["A bus line"], "Folkmoot: title must be plain text"),
    ("note", "title", "Another title", "GoToSocial: an opener must begin with <p><strong>title</strong></p>, or no title is seen"),
    ("note", "content", "<h2>A bus line for the harbour</h2><p>The ferry.</p>", "GoToSocial: an opener must begin with <p><strong>title</strong></p>, or no title is seen"),
    ("note", "source", {"content": "A bus line for the harbour\n\nThe ferry.", "mediaType": "text/markdown"}, "Lemmy: source must not repeat the title line, it is shown as the text below the title"),
    ("note", "content", "<p><strong>A bus line for the harbour</strong></p><h1>The ferry stops at nine</h1>", "PieFed: the topic would be called 'The ferry stops at nine'"),
    ("note", "audience", REMOVED, "Lemmy: audience must name the group"),
    ("note", "tag", [], "Mastodon: the group must be mentioned in tag, or replies do not reach it"),
    ("reply", "tag/0/href", BEN, "Mastodon: the group must be mentioned in tag, or replies do not reach it"),
    ("reply", "context", REMOVED, "NodeBB: context is missing, it is how topics are read"),
    ("reply", "context", f"{MOOT}/p/43/context", "NodeBB: a reply must carry the context of its topic, or it becomes a topic of its own"),
    ("reply", "replies", f"{MOOT}/p/43/replies", "GoToSocial: replies must be embedded, an address alone is not read"),
    ("note", "replies", REMOVED, "GoToSocial: replies must be embedded, an address alone is not read"),
    ("note", "replies/first", f"{MOOT}/p/42/replies?page=1", "GoToSocial: replies must have first, a CollectionPage inline"),
    ("note", "replies/first/items", REMOVED, "GoToSocial: the first page of replies must have items, addresses of replies"),
    ("note", "replies/first/items/0", {"id": ELSEWHERE}, "GoToSocial: the first page of replies must have items, addresses of replies"),
    ("note", "replies/first/partOf", REMOVED, "Mastodon: the first page of replies must have partOf"),
    ("note", "replies/first/next", ELSEWHERE, "Mastodon: next of replies must be on the same host"),
    ("note", "replies/type", "OrderedCollection", "GoToSocial: replies must be of type Collection"),
    ("note", "replies/id", REMOVED, "Mastodon: replies must have id"),
    ("reply", "tag/1/href", REMOVED, "Mastodon: a Mention without href is ignored"),
    ("reply", "tag/1/name", REMOVED, "NodeBB: a Mention without name cannot be read"),
    ("reply", "tag/2/name", "#night ferry", "Mastodon: a Hashtag's name must be # and one word"),
    ("reply", "tag/2/name", "ferry", "Mastodon: a Hashtag's name must be # and one word"),
    ("reply", "tag/2/href", REMOVED, "Lemmy: a Hashtag must have href"),
    ("note", "attachment/0/type", "Video", "Lemmy: an attachment must be Link, Image or Document"),
    ("note", "attachment/0", {"type": "PropertyValue", "name": "a"}, "Lemmy: an attachment must be Link, Image or Document"),
    ("note", "attachment/0/url", {"type": "Link", "href": ELSEWHERE}, "Lemmy: a Image must have url, one address"),
    ("note", "attachment/1/mediaType", REMOVED, "Lemmy: a Document must have mediaType"),
    ("note", "attachment/2/href", REMOVED, "Lemmy: a Link must have href, one address"),
    ("note", "language", "en", "Mbin: language must be one {identifier, name}"),
    ("note", "language", [{"identifier": "en", "name": "English"}], "Mbin: language must be one {identifier, name}"),
    ("article", "contentMap", {"en": ["<p>a</p>"]}, "Mastodon: contentMap must map languages to texts"),
    ("article", "likes/totalItems", "3", "Mastodon: likes must be a Collection with totalItems"),
    ("article", "name", REMOVED, "Mbin: Article must have name"),
    ("article", "name", "<b>Night</b> buses", "Lemmy: name must be plain text"),
    ("article", "summary", REMOVED, "Mastodon: Article must have a summary, it is all of the text that is shown"),
    ("article", "summary", "<p>Abstract</p>", "GoToSocial: summary must be plain text, it is shown as written"),
    ("article", "summary", "a &amp; b", "GoToSocial: summary must be plain text, it is shown as written"),
    ("article", "summary", "x" * 501, "Mastodon: summary must be at most 500 characters, this has 501"),
    ("question", "oneOf", REMOVED, "Mastodon: a Question must have two or more options in either oneOf or anyOf"),
    ("question", "anyOf", [], "Mastodon: a Question must have two or more options in either oneOf or anyOf"),
    ("question", "oneOf/0/type", "Article", "Mastodon: an option must be a Note with name"),
    ("question", "oneOf/0/replies/totalItems", REMOVED, "PieFed: an option must have replies, a Collection with totalItems"),
    ("question", "oneOf/0/replies", 4, "PieFed: an option must have replies, a Collection with totalItems"),
    ("question", "oneOf/1/name", "Every ten minutes", "Mastodon: options must have different names, votes are counted by name"),
    ("question", "oneOf", [{"type": "Note", "name": f"{n}", "replies": {"type": "Collection", "totalItems": 0}} for n in range(11)], "Mastodon: more than 10 options cannot be shown well"),
    ("question", "endTime", REMOVED, "PieFed: a Question must have endTime, it is read unguarded"),
    ("question", "votersCount", REMOVED, "Mastodon: votersCount must be a number"),
    ("poll with title", "content", "<p>How often?</p>", "GoToSocial: an opener must begin with <p><strong>title</strong></p>, or no title is seen"),
    ("permission", "interactionTarget", REMOVED, "Mastodon: a QuoteAuthorization must have interactionTarget, one address"),
    ("permission", "interactingObject", ["https://micro.example/1"], "Mastodon: a QuoteAuthorization must have interactingObject, one address"),
    ("permission", "attributedTo", GWEN, "Mastodon: attributedTo of a QuoteAuthorization must be on the host of id"),
    ("event", "startTime", REMOVED, "Mobilizon: an Event must have startTime"),
    ("event", "endTime", "2026-12-18T09:00:00Z", "Mobilizon: an Event must end after it starts"),
    ("event", "timezone", REMOVED, "PieFed: an Event must have timezone, it is read unguarded"),
    ("event", "maximumAttendeeCapacity", REMOVED, "PieFed: an Event must have maximumAttendeeCapacity, it is read unguarded"),
    ("event", "feeAmount", REMOVED, "PieFed: an Event must have feeAmount, it is read unguarded"),
    ("event", "location/url", REMOVED, "Mobilizon: a VirtualLocation must have url"),
    ("event", "eventStatus", "CONFIRMED", "Mobilizon: eventStatus must be one of schema.org's, with status beside it"),
    ("event", "status", "CANCELLED", "Mobilizon: eventStatus and status must say the same"),
    ("event", "organizers", GROUP, "Mobilizon: organizers must be addresses"),
    ("event", "location", "Town hall", "Mobilizon: location must be a Place or VirtualLocation"),
    ("event", "joinMode", "open", "Mobilizon: joinMode must be free, restricted, external or none"),
    ("event", "externalParticipationUrl", None, "Mobilizon: joinMode external needs externalParticipationUrl"),
    ("event", "summary", REMOVED, "Mastodon: Event must have a summary, it is all of the text that is shown"),
    ("tombstone", "content", "<p>It was me</p>", "NodeBB: a Tombstone must not keep content"),
    ("delete", "object/title", "A bus line", "NodeBB: in object, a Tombstone must not keep title"),
]
ACTIVITIES = [
    ("follow", "actor", {"id": ANNA}, "PieFed: actor must be one address, as a string"),
    ("like", "actor", "https://other.example/u/anna", "Misskey: id must be on the host of actor"),
    ("announce", "object", REMOVED, "NodeBB: object is missing"),
    ("accept", "object", REMOVED, "NodeBB: object is missing"),
    ("follow", "object", {"id": GWEN}, "Lemmy: object of a Follow must be one address"),
    ("follow", "to", [BEN], "Lemmy: to of a Follow must be [object]"),
    ("accept", "object", "https://micro.example/follow/1", "Mastodon: Accept must embed the original Follow with id, type, actor and object"),
    ("accept", "object/id", REMOVED, "Mastodon: Accept must embed the original Follow with id, type, actor and object"),
    ("accept", "object/actor", REMOVED, "Mastodon: Accept must embed the original Follow with id, type, actor and object"),
    ("accept", "object/type", "Like", "Mastodon: Accept must embed the original Follow with id, type, actor and object"),
    ("reject", "object/object", REMOVED, "Mastodon: Reject must embed the original Follow with id, type, actor and object"),
    ("accept", "object/object", ANNA, "Mastodon: Accept must come from the followed actor"),
    ("accept", "object/type", "QuoteRequest", "Mastodon: Accept of a QuoteRequest must have result"),
    ("accept", "to", REMOVED, "Lemmy: to of Accept must be [follower]"),
    ("reject", "to", [PUBLIC], "Lemmy: to of Reject must be [follower]"),
    ("undo announce", "object", f"{MOOT}/a/91", "GoToSocial: Undo must embed the complete activity"),
    ("undo follow", "object/object", REMOVED, "GoToSocial: Undo must embed the complete activity"),
    ("restore", "object/actor", "https://other.example/u/ben", "Lemmy: Undo must come from the host of the undone actor"),
    ("undo like", "object/actor", BEN, "Mastodon: only its own actor can undo Like"),
    ("create", "object", f"{MOOT}/p/42", "Lemmy: Create must embed a Note, Article, Page, Question or Event"),
    ("create", "object/type", "Video", "Lemmy: Create must embed a Note, Article, Page, Question or Event"),
    ("create", "object/attributedTo", BEN, "Mastodon: actor of Create must be the object's attributedTo"),
    ("create", "audience", REMOVED, "Lemmy: audience of activity and object must be the same"),
    ("create reply", "object/inReplyTo", [f"{MOOT}/p/42"], "Lemmy: in object, inReplyTo must be one address, as a string"),
    ("create", "object/id", "https://other.example/p/42", "Mastodon: in object, attributedTo must be on the host of id"),
    ("update", "object", f"{MOOT}/p/42", "Mastodon: Update must embed the complete object"),
    ("update", "object/updated", REMOVED, "Mastodon: object of Update must have updated, later than published"),
    ("update", "object/updated", "2026-11-20T08:00:00Z", "Mastodon: object of Update must have updated, later than published"),
    ("update", "actor", BEN, "Mastodon: actor of Update must be the object's attributedTo"),
    ("update group", "actor", BEN, "Mastodon: an actor must be updated by itself"),
    ("update group", "object/featured", REMOVED, "Lemmy: in object, featured is missing"),
    ("delete", "object/type", "Note", "Mastodon: object of Delete must be an address or a Tombstone with id"),
    ("delete", "object", [f"{MOOT}/p/42"], "Lemmy: object of Delete must be one thing"),
    ("delete", "summary", "Mine", "Lemmy: Delete by the author must have no summary"),
    ("delete account", "summary", "Bye", "Lemmy: Delete by the author must have no summary"),
    ("remove", "summary", "", "Lemmy: an empty summary makes a deletion a removal by a moderator"),
    ("like", "object", {"id": ELSEWHERE}, "Lemmy: object of Like must be one address"),
    ("undo like", "object/object", [ELSEWHERE], "Lemmy: in object, object of Like must be one address"),
    ("announce", "to", [PUBLIC, GROUP], "Mastodon: to of Announce must be [Public], else the boost is quiet"),
    ("announce", "cc/0", ELSEWHERE, "Lemmy: cc of Announce must begin with the announcer's followers"),
    ("announce", "cc", [f"{GROUP}/followers"], "NodeBB: cc of Announce must name the author"),
    ("wrapped", "cc/1", BEN, "NodeBB: cc of Announce must name the author"),
    ("announce", "object", [f"{MOOT}/p/42"], "Mastodon: object of Announce must be one address or one activity"),
    ("wrapped", "object/type", "Note", "PieFed: Announce of an embedded object is dropped, send its address or the activity"),
    ("wrapped", "object/type", "Follow", "Lemmy: this activity cannot be announced"),
    ("wrapped", "object/id", REMOVED, "Lemmy: an announced activity must be complete, with id, type, actor and object"),
    ("wrapped", "object/object", REMOVED, "Lemmy: an announced activity must be complete, with id, type, actor and object"),
    ("wrapped", "object/id", f"{MOOT}/a/91", "Lemmy: an Announce needs an id of its own"),
    ("wrapped", "object/object/tag", [], "Mastodon: in object, in object, the group must be mentioned in tag, or replies do not reach it"),
    ("wrapped foreign", "object/actor", REMOVED, "Lemmy: an announced activity must be complete, with id, type, actor and object"),
    ("wrapped foreign", "object/object", ELSEWHERE, "Lemmy: an announced Create must carry its object"),
    ("lock", "object", {"id": f"{MOOT}/p/42"}, "Lemmy: object of Lock must be one address"),
    ("lock", "audience", REMOVED, "Lemmy: Lock must have audience, the group"),
    ("demote", "audience", REMOVED, "Lemmy: Remove must have audience, the group"),
    ("pin", "target", REMOVED, "Lemmy: Add must have target"),
    ("ban", "target", REMOVED, "Lemmy: Block must have target"),
    ("pin", "target", f"{GROUP}/followers", "Lemmy: target of Add must be the group's featured or moderators collection"),
    ("ban", "target", f"{MOOT}/g/water", "Lemmy: target of Block must be the group in audience"),
    ("invite", "to", [GWEN, BEN], "Folkmoot: an Invite must go to its target alone"),
    ("invite", "url", ELSEWHERE, "Folkmoot: url of an Invite must be on the host of actor"),
    ("debate", "debate", "yes", "Folkmoot: debate must be one object"),
    ("debate", "debate/motion", "", "Folkmoot: debate must have motion"),
    ("debate", "debate/endTime", "tomorrow", "Folkmoot: endTime of debate must be RFC 3339 with Z"),
    ("debate", "debate/callTime", None, "Folkmoot: callTime of debate must be RFC 3339 with Z"),
    ("debate", "debate/theme", ELSEWHERE, "Folkmoot: theme of debate must be an address on the host of id"),
    ("debate", "debate/panel", GWEN, "Folkmoot: panel of debate must be addresses"),
    ("debate", "debate/sequence", True, "Folkmoot: sequence of debate must be a number"),
    ("flag", "to", [GWEN, BEN], "Lemmy: Flag must go to exactly one group or instance"),
    ("flag", "to", [PUBLIC], "Lemmy: Flag must go to exactly one group or instance"),
    ("flag", "summary", REMOVED, "Lemmy: Flag must have summary, the reason"),
    ("flag", "object", {"id": ELSEWHERE}, "Mastodon: object of Flag must be addresses"),
    ("move", "object", BEN, "Mastodon: object of Move must be its actor"),
    ("move", "target", REMOVED, "Mastodon: Move must have target"),
]
ACTORS = [
    ("person", "preferredUsername", REMOVED, "Mastodon: preferredUsername is missing"),
    ("group", "preferredUsername", "Mobilität", "Mastodon: preferredUsername must be lower case letters, digits and _"),
    ("application", "preferredUsername", "moot", "Mastodon: the instance's preferredUsername must be its domain"),
    ("application", "name", REMOVED, "Lemmy: the instance must have name"),
    ("application", "outbox", REMOVED, "Lemmy: outbox is missing"),
    ("group", "outbox", REMOVED, "Lemmy: outbox is missing"),
    ("person", "inbox", ELSEWHERE, "Lemmy: inbox must be on the host of id"),
    ("person", "url", ELSEWHERE, "Mastodon: url must be one address on the host of id"),
    ("person", "webfinger", "anna@other.example", "Mastodon: webfinger must be preferredUsername@host"),
    ("group", "publicKey", REMOVED, "Lemmy: publicKey must be one object"),
    ("group", "publicKey/owner", BEN, "Mastodon: publicKey.owner must be the actor's id"),
    ("group", "publicKey/id", "#main-key", "Mastodon: publicKey.id must be an address on the host of id"),
    ("service", "publicKey/publicKeyPem", "-----BEGIN RSA PUBLIC KEY-----", "Lemmy: publicKey.publicKeyPem must begin with BEGIN PUBLIC KEY"),
    ("group", "endpoints", REMOVED, "Lemmy: endpoints.sharedInbox must be one address"),
    ("person", "endpoints/sharedInbox", [f"{MOOT}/inbox"], "Lemmy: endpoints.sharedInbox must be one address"),
    ("person", "followers", REMOVED, "Mastodon: followers is missing, it decides who may see"),
    ("person", "published", REMOVED, "PieFed: published is missing, the age of an account decides what it may post"),
    ("group", "attributedTo", REMOVED, "Lemmy: attributedTo must be the address of the moderators collection"),
    ("group", "attributedTo", ELSEWHERE, "Lemmy: attributedTo must be the address of the moderators collection"),
    ("group", "featured", REMOVED, "Lemmy: featured is missing"),
    ("group", "manuallyApprovesFollowers", REMOVED, "Lemmy: manuallyApprovesFollowers must be false, else the group counts as private"),
    ("group", "manuallyApprovesFollowers", True, "Lemmy: manuallyApprovesFollowers must be false, else the group counts as private"),
    ("group", "discoverable", REMOVED, "Lemmy: discoverable must be said, true or false"),
    ("group", "postingRestrictedToMods", "no", "Lemmy: postingRestrictedToMods must be true or false"),
    ("group", "name", "", "NodeBB: a Group must have name"),
    ("group", "language", {"identifier": "en", "name": "English"}, "Lemmy: language of a Group must be an array of {identifier, name}"),
]
COLLECTIONS = [
    ("outbox", "type", "Collection", "Lemmy: outbox must be of type OrderedCollection"),
    ("moderators", "type", "Collection", "Lemmy: moderators must be of type OrderedCollection"),
    ("replies", "type", "OrderedCollection", "GoToSocial: replies must be of type Collection"),
    ("outbox", "totalItems", REMOVED, "Lemmy: totalItems must be a number"),
    ("followers", "totalItems", "12", "Lemmy: totalItems must be a number"),
    ("context", "totalItems", True, "Lemmy: totalItems must be a number"),
    ("outbox", "orderedItems", REMOVED, "Lemmy: an outbox must have orderedItems inline in its root"),
    ("outbox", "orderedItems", {}, "Lemmy: orderedItems must be an array"),
    ("outbox", "orderedItems/0", f"{MOOT}/a/97", "Lemmy: a group's outbox must hold Announce of Create of complete objects"),
    ("outbox", "orderedItems/0/object/type", "Update", "Lemmy: a group's outbox must hold Announce of Create of complete objects"),
    ("outbox", "orderedItems/0/object/object", f"{MOOT}/p/50", "Lemmy: a group's outbox must hold Announce of Create of complete objects"),
    ("outbox", "orderedItems/0/object/object/inReplyTo", ELSEWHERE, "PieFed: a group's outbox must hold no replies, each would become a topic"),
    ("outbox", "orderedItems/0/published", "2026-11-01T00:00:00Z", "Lemmy: a group's outbox must begin with the newest"),
    ("outbox", "orderedItems/1/object/object/mediaType", REMOVED, "Lemmy: in orderedItems[1], in object, in object, mediaType must be text/html"),
    ("followers", "items", REMOVED, "Lemmy: followers must have items, an empty array"),
    ("followers", "items", [ANNA], "Lemmy: followers must have items, an empty array"),
    ("followers", "type", "OrderedCollection", "Lemmy: followers must be of type Collection"),
    ("moderators", "orderedItems", REMOVED, "Lemmy: moderators must have orderedItems, addresses of people inline"),
    ("moderators", "orderedItems/0", {"id": BEN}, "Lemmy: moderators must have orderedItems, addresses of people inline"),
    ("featured", "orderedItems/0", f"{MOOT}/p/42", "Lemmy: featured must have orderedItems, complete objects inline"),
    ("featured", "orderedItems/1/name", REMOVED, "Mbin: in orderedItems[1], Article must have name"),
    ("replies", "first", f"{MOOT}/p/42/replies?page=1", "GoToSocial: replies must have first, a CollectionPage inline"),
    ("replies page", "partOf", REMOVED, "Mastodon: a page must have partOf"),
    ("replies page", "items", REMOVED, "Mastodon: a page must have its members inline"),
    ("replies page", "next", ELSEWHERE, "Mastodon: next must be on the host of the page"),
    ("replies page", "type", "OrderedCollectionPage", "NodeBB: OrderedCollectionPage keeps its members in orderedItems"),
    ("context", "attributedTo", REMOVED, "Discourse: context must have attributedTo, the group"),
    ("context", "name", REMOVED, "Discourse: context must have name, the title"),
    ("context", "orderedItems", REMOVED, "NodeBB: context must have orderedItems or a first page"),
    ("context", "orderedItems/0", {"id": ELSEWHERE}, "Mastodon: context must hold addresses of posts"),
    ("context", "first", ELSEWHERE, "Mastodon: first must be on the host of the context"),
    ("context", "type", "Collection", "NodeBB: context must be of type OrderedCollection"),
]
AGENDAS = [
    ("agenda", "agenda", f"{ELSEWHERE}/agenda", "Folkmoot: agenda must be an address on the host of id"),
    ("agenda", "event", "a forum", "Folkmoot: event of an agenda must be one object"),
    ("agenda", "event/name", "", "Folkmoot: event must have name"),
    ("agenda", "event/endTime", "2027-07-14T00:00:00Z", "Folkmoot: endTime of event must be a day"),
    ("agenda", "event/location/type", "VirtualLocation", "Folkmoot: location of event must be a Place with name"),
    ("merged item", "agendaItem", 4, "Folkmoot: agendaItem must be an object with number and agenda"),
    ("declined item", "agendaItem/agenda", REMOVED, "Folkmoot: agendaItem must be an object with number and agenda"),
    ("declined item", "agendaItem/reason", REMOVED, "Folkmoot: an item has reason when it is declined, and only then"),
    ("declined item", "derivedFrom", [ANNA, None], "Folkmoot: derivedFrom must be addresses"),
    ("merged item", "mergedInto", [f"{MOOT}/p/80"], "Folkmoot: an item has mergedInto, one address, when it is merged, and only then"),
    ("merged item", "agendaItem/startTime", "2027-07-13T01:00:00Z", "Folkmoot: an item has startTime when it is scheduled, and only then"),
    ("agenda list", "name", REMOVED, "Folkmoot: an agenda must have name and attributedTo, the group"),
    ("agenda list", "first", f"{GROUP}/agenda?page=1", "GoToSocial: first of an agenda must be a page inline"),
    ("agenda list", "first/orderedItems/0", f"{MOOT}/p/80", "Folkmoot: in first, in orderedItems[0], an agenda must hold items of its own server"),
    ("agenda list", "first/orderedItems/1/agendaItem/state", "noted", "Folkmoot: in first, in orderedItems[1], agendaItem must have a state that is known"),
    ("agenda list", "first/orderedItems/1/title", REMOVED, "Folkmoot: in first, in orderedItems[1], an item must have title"),
    ("agenda list", "first/orderedItems/1/splitFrom", 4, "Folkmoot: in first, in orderedItems[1], splitFrom must be one address"),
]
DISCOVERY = [
    ("webfinger", "links/1/rel", "self", "NodeBB: there must be exactly one self link, the last one is taken"),
    ("webfinger", "links", [], "NodeBB: there must be exactly one self link, the last one is taken"),
    ("webfinger", "links/0/type", "application/json", "Mastodon: the self link must be of type application/activity+json"),
    ("webfinger", "links/0/href", "/g/mobility", "Mastodon: href of the self link must be the actor's id"),
    ("webfinger", "links/0/href", f"{MOOT}/g/Mobility", "PieFed: href of the self link must be lower case"),
    ("webfinger", "links/0/href", ELSEWHERE, "NodeBB: subject must be on the domain that was asked"),
    ("webfinger", "subject", "acct:Mobility@moot.example", "PieFed: subject must be lower case"),
    ("webfinger", "subject", "mobility@moot.example", "Mastodon: subject must be acct:name@domain"),
    ("webfinger", "aliases", GROUP, "Lemmy: aliases must be an array of strings"),
    ("nodeinfo links", "links/0/rel", "2.1", "Lemmy: there must be a link to schema 2.1"),
    ("nodeinfo links", "links/1/rel", "x", "Lemmy: there must be a link to schema 2.0"),
    ("nodeinfo links", "links/2", {"rel": "x", "href": MOOT}, "Mitra: there must be a link to the instance actor (FEP-2677)"),
    ("nodeinfo links", "links/0/href", "/nodeinfo/2.1", "Lemmy: every href must be an https address"),
    ("nodeinfo 2.1", "version", "1.0", "Lemmy: version must be 2.0 or 2.1"),
    ("nodeinfo 2.1", "software/name", "Folkmoot", "PieFed: software.name must be lower case letters, digits and -"),
    ("nodeinfo 2.0", "software/name", "mastodon", "PieFed: software.name must be our own, it chooses how we are spoken to"),
    ("nodeinfo 2.1", "software/version", REMOVED, "Lemmy: software.version is missing"),
    ("nodeinfo 2.0", "software/repository", MOOT, "NodeInfo: schema 2.0 knows only name and version of software"),
    ("nodeinfo 2.1", "protocols", [], "Lemmy: protocols must contain activitypub"),
    ("nodeinfo 2.1", "services", {}, "NodeInfo: services must have inbound and outbound arrays"),
    ("nodeinfo 2.1", "openRegistrations", "yes", "NodeInfo: openRegistrations must be true or false"),
    ("nodeinfo 2.1", "usage/users/total", "3", "Lemmy: usage.users must hold numbers"),
    ("nodeinfo 2.1", "metadata", [], "NodeInfo: metadata must be an object"),
]
# fmt: on
SPOILINGS = EVERY + ADDRESSING + OBJECTS + ACTIVITIES + ACTORS + COLLECTIONS + AGENDAS + DISCOVERY


@pytest.mark.parametrize(("name", "path", "value", "complaint"), SPOILINGS)
def test_each_spoiling_is_named(name: str, path: str, value: object, complaint: str) -> None:
    assert complaints(spoiled(name, path, value)) == [complaint]


def test_every_rule_has_a_case() -> None:
    """A rule that no case can break might as well not be there."""
    fired = set()
    for name, path, value, _ in SPOILINGS:
        document = spoiled(name, path, value)
        for kinds, function in RULES:
            if kind_of(document) in kinds and any(function(document, View("moot.example"))):
                fired.add(function.__name__)
    assert {function.__name__ for _, function in RULES} - fired == set()


def test_check_lists_every_complaint() -> None:
    document = spoiled("note", "mediaType", REMOVED) | {"name": "A bus line"}
    with pytest.raises(AssertionError, match=r"(?s)Note https://moot\.example/p/42.*Lemmy: mediaType.*snac: a Note"):
        check(document)


def test_documents_must_live_at_the_origin() -> None:
    assert complaints(good("note"), origin="https://other.example") == ["Mastodon: id is not on https://other.example"]


def test_plain_http_is_for_this_machine_only() -> None:
    def moved(origin: str) -> dict[str, Any]:
        text = json.dumps(good("wrapped")).replace(MOOT, origin)
        return dict(json.loads(text))

    assert complaints(moved("http://127.0.0.1:8080"), origin="http://127.0.0.1:8080") == []
    assert complaints(moved("http://localhost:8080")) == []
    assert "NodeBB: id must be an https address" in complaints(moved("http://10.0.0.1:8080"))


def test_what_others_wrote_is_passed_on_as_it_is() -> None:
    """A group must not improve the activity of a member of another server, nor answer for it."""
    document = spoiled("wrapped foreign", "object/object/name", "a name on a Note")
    assert complaints(document, origin=MOOT) == []


def test_a_long_outbox_is_refused() -> None:
    document = good("outbox")
    document["orderedItems"] = [document["orderedItems"][0]] * 51
    assert complaints(document) == ["Lemmy: a group's outbox must hold at most 50 members"]


# Models of readers.


def unfolded(document: dict[str, Any], microblog: str | None = None) -> bool:
    seen = shown_by_microblog(document, microblog)
    return seen == {"title_visible": True, "body_visible": True, "folded": False, "hidden": False}


@pytest.mark.parametrize("microblog", MICROBLOGS)
def test_a_topic_is_read_in_full_on_every_microblog(microblog: str) -> None:
    assert unfolded(good("note"), microblog)


# What was seen on the running servers, and Mastodon's source: t title, b body, f folded, h hidden.
SEEN = [
    ("article with summary", {"type": "Article", "name": "T", "summary": "S", "content": "B"}, "bf h h t"),
    ("article without summary", {"type": "Article", "name": "T", "content": "B"}, "tbf h h t"),
    ("page", {"type": "Page", "name": "T", "content": "B"}, "tbf tb tbf t"),
    ("page with summary", {"type": "Page", "name": "T", "summary": "S", "content": "B"}, "bf bf bf t"),
    ("note with name", {"type": "Note", "name": "T", "content": "<p><strong>T</strong></p><p>B</p>"}, "tbf h tbf tb"),
    ("note with summary", {"type": "Note", "title": "T", "summary": "S", "content": "<p>T</p>"}, "bf bf bf bf"),
    ("note", {"type": "Note", "content": "B"}, "b b b b"),
    ("vote", {"type": "Note", "name": "T", "inReplyTo": "https://a.example/1"}, "h h h h"),
    ("event", {"type": "Event", "name": "T", "summary": "S", "content": "B"}, "bf bf bf t"),
]


@pytest.mark.parametrize(("document", "expected"), [case[1:] for case in SEEN], ids=[case[0] for case in SEEN])
def test_microblogs_show_what_was_seen(document: dict[str, Any], expected: str) -> None:
    letters = [
        "".join(key[0] for key, holds in shown_by_microblog(document, microblog).items() if holds)
        for microblog in MICROBLOGS
    ]
    assert " ".join(letters) == expected


def test_the_worst_microblog_decides() -> None:
    assert shown_by_microblog(good("article")) == {
        "title_visible": False,
        "body_visible": False,
        "folded": True,
        "hidden": True,
    }


@pytest.mark.parametrize(
    ("name", "title"),
    [("note", "A bus line for the harbour"), ("article", "Night buses in three cities")],
)
def test_forums_agree_on_the_right_title(name: str, title: str) -> None:
    assert title_in_forum(good(name)) == title
    assert [title_in_forum(good(name), forum) for forum in FORUMS] == [title] * 3


def test_source_without_the_title_loses_it_in_two_forums() -> None:
    """NodeBB and PieFed name a nameless topic after its Markdown source, Lemmy after its content."""
    document = good("note") | {"source": {"content": "The ferry stops at nine. Then?", "mediaType": "text/markdown"}}
    assert forum_titles(document) == {
        "NodeBB": "The ferry stops at nine.",
        "PieFed": "The ferry stops at nine",
        "Lemmy": "A bus line for the harbour",
    }
    assert title_in_forum(document).startswith("NodeBB: The ferry stops at nine. | PieFed:")
    because = "the topic would be called 'The ferry stops at nine', source is read before content"
    assert complaints(document) == [f"NodeBB: {because}", f"PieFed: {because}"]


TITLES = [
    ("<p><strong>Harbour bus</strong></p><p>Text.</p>", "Harbour bus", "[Microblog] Harbour bus", "Harbour bus"),
    ("<p><strong>Bus</strong></p><p>A longer text stands here</p>", "Bus", "A longer text stands here", "Bus"),
    ("<p>Harbour</p>", "Harbour", "(content in post body)", "Harbour"),
    (
        "<h2>A bus line for us</h2><p>The ferry stops at nine</p>",
        "A bus line for us",
        "The ferry stops at nine",
        "A bus line for us",
    ),
    ("<p>Is it late? Yes</p>", "Is it late?", "[Microblog] Is it late?", "Is it late? Yes"),
    ('<p class="quote-inline">RE: x</p><p>So be it then.</p>', "So be it then.", "(content in post body)", "RE: x"),
    (
        "<p>@mobility Night buses for all of us</p>",
        "@mobility Night buses for all of us",
        "@mobility Night buses for all of us",
        "Night buses for all of us",
    ),
    (
        "<p>One line here and there.<br>Another</p>",
        "One line here and there.",
        "One line here and there",
        "One line here and there.",
    ),
]


@pytest.mark.parametrize(("content", "nodebb", "piefed", "lemmy"), TITLES)
def test_forums_derive_titles_from_text(content: str, nodebb: str, piefed: str, lemmy: str) -> None:
    note = {"type": "Note", "audience": GROUP, "content": content}
    assert forum_titles(note) == {"NodeBB": nodebb, "PieFed": piefed, "Lemmy": lemmy}


def test_markdown_titles_keep_their_marks_in_nodebb() -> None:
    note = {
        "type": "Note",
        "content": "x",
        "source": {"content": "**A bus line for us**\n\nText.", "mediaType": "text/markdown"},
    }
    assert forum_titles(note) == {
        "NodeBB": "**A bus line for us**",
        "PieFed": "[Microblog] A bus line for us",
        "Lemmy": "x",
    }


# Nothing may raise, whatever comes.


ODD: list[Any] = [None, 7, "", [], {}, [[]], {"type": []}, {"type": {}}, "https://[", "http://a:b/\n"]


def corrupted(value: Any) -> Iterator[Any]:
    """Copies of a document, each with one value at any depth replaced by something odd."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for odd in ODD:
                copy = value.copy()
                copy[key] = odd
                yield copy
            for inner in corrupted(value[key]):
                copy = value.copy()
                copy[key] = inner
                yield copy


@pytest.mark.parametrize("name", NAMES)
def test_odd_values_never_raise(name: str) -> None:
    before = good(name)
    for document in corrupted(before):
        assert all(": " in said for said in complaints(document))
        shown_by_microblog(document)
        title_in_forum(document)
    assert before == good(name)


@pytest.mark.skipif(not (SHARED / "fixtures").is_dir(), reason="documents of other servers are not at hand")
def test_documents_of_other_servers_never_raise() -> None:
    paths = sorted((SHARED / "fixtures").glob("*/*.json"))
    assert paths
    for path in paths:
        document = json.loads(path.read_text())
        assert all(": " in said for said in complaints(document))
        shown_by_microblog(document)
        title_in_forum(document)
