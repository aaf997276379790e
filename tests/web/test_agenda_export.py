"""The agenda as JSON, checked against its own schema by somebody else's validator."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from community import items, posts, sources
from community.models import Post
from tests.community.outcomes import stranger
from tests.web.test_agenda import PATH, Forum, forum

__all__ = ["forum"]

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_the_export_is_what_its_schema_says_and_names_nobody_who_does_not_want_it(
    forum: Forum, client: Any
) -> None:
    lena = await stranger(forum.site, "lena", "ruhr.social", name="Lena Vogt")
    omar = await stranger(forum.site, "omar", "cairo.social", name="Omar Hassan")
    bad = await stranger(forum.site, "bad", "spam.example", name="Bad Bob")
    kept, shy, gone, hidden = [
        await forum.reply(author, text)
        for author, text in ((lena, "Kept."), (omar, "Shy."), (omar, "Gone."), (bad, "Hidden."))
    ]
    rain = await forum.item("Rain", forum.opener, kept, shy, gone, hidden)
    other, out = await forum.item("Roofs", kept), await forum.item("Sponsors")
    async with forum.site.database.write() as tx:
        await posts.edit(tx, lena, await tx.get_one(Post, kept.id), await posts.compose(tx, "Kept, and changed."))
        await sources.forget(tx, omar.id)
        await posts.erase(tx, omar, await tx.get_one(Post, gone.id))
        (await tx.get_one(Post, hidden.id)).hidden_reason = "an advertisement"
    await forum.decide(items.schedule, rain, await forum.session())
    await forum.decide(items.decline, out, "No matter of ours.")
    await forum.decide(items.merge, other, rain)

    told = await client.get("/agenda/schema.json")
    assert told.content_type == "application/json"
    schema = json.loads(await told.read())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    answer = await client.get(f"{PATH}/agenda.json")
    assert (answer.content_type, answer.headers["Access-Control-Allow-Origin"]) == ("application/json", "*")
    body = await answer.text()
    made = json.loads(body)
    assert [error.message for error in validator.iter_errors(made)] == []
    assert made["$schema"] == schema["$id"]

    first, second, third = made["items"]
    assert (first["state"], first["session"], first["starts_at"]) == ("scheduled", 1, "2027-07-13T02:15:00Z")
    assert (first["merged_from"], third["merged_into"], second["reason"]) == ([2], 1, "No matter of ours.")
    by_name = first["sources"][1]
    assert by_name["author"] == {"name": "Lena Vogt", "handle": "lena@ruhr.social", "host": "ruhr.social"}
    assert (by_name["uri"], by_name["kind"], by_name["excerpt"]) == (kept.uri, "post", "Kept.")
    assert by_name["edited_at"] is not None
    anonymous, redacted, unseen = first["sources"][2:]
    assert set(anonymous) == {"state", "kind", "said_at", "cited_at", "excerpt", "via"}
    assert len(anonymous["said_at"]) == len("2027-07-13")
    for each, state in ((redacted, "redacted"), (unseen, "hidden")):
        assert each["state"] == state
        assert set(each) == {"state", "kind", "cited_at", "via"}
    for trace in ("omar", "Omar", "cairo", "Gone.", "Hidden.", "spam.example", shy.uri, hidden.uri):
        assert trace not in body

    def forged(change: Any) -> bool:
        wrong = copy.deepcopy(made)
        change(wrong)
        return not validator.is_valid(wrong)

    assert forged(lambda each: each.update(extra=1))
    assert forged(lambda each: each["items"][0].update(votes=1))
    assert forged(lambda each: each["items"][0]["sources"][2].update(uri=shy.uri))
    assert forged(lambda each: each["items"][0]["sources"][3].update(said_at="2027-01-01"))
    assert forged(lambda each: each["items"][0]["sources"][1].pop("sha256"))
    assert forged(lambda each: each["items"][0].update(state="agreed"))
    again = await client.get(f"{PATH}/agenda.json?again=1", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304
