"""Results, conclusion and digest on pages, and a whole debate on paper and as files."""

from __future__ import annotations

import csv
import json
import re
from html import unescape
from io import StringIO
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import insert, select, update

from community import digest, media, posts, questions
from community.debate_models import Debate, Question
from community.models import Actor, Notification, Post, Topic
from federation.site import Site
from outbox import documents
from tests import images
from tests.community.outcomes import begin, stranger
from tests.community.test_media import keep
from tests.conftest import MakeMember, MakeTheme, SignIn
from tests.strict import check
from tests.web.forms import send
from web.record import COLUMNS, cell

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


async def _words(answer: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await answer.text())))


async def test_results_from_before_the_first_poll_to_after_the_last(
    site: Site, client: TestClient, member: MakeMember, theme: MakeTheme, sign_in: SignIn
) -> None:
    play = await begin(site, member, theme)
    page = f"{play.path}/results"
    async with site.database.write() as tx:
        held = (await tx.execute(select(Post).where(Post.part == "opening-poll"))).scalar_one()
        held.part = ""
    assert "What changed in between is shown here." in await _words(await client.get(page))
    async with site.database.write() as tx:
        await tx.execute(update(Post).where(Post.id == held.id).values(part="opening-poll"))

    anna = await member("anna")
    await sign_in(client, anna)
    shown = await (await client.get(page)).text()
    assert "Nobody has voted yet." in shown
    options = re.findall(r'name="choice" value="(\d+)"', shown)
    assert len(options) == 3
    voted = await send(client, f"/p/{held.id}/vote", page=page, choice=options[0], next=page)
    assert (voted.status, voted.headers["Location"]) == (303, page)
    elsewhere = await send(client, f"/p/{held.id}/vote", page=page, choice=options[1], next="https://evil.example/")
    assert elsewhere.status == 422
    assert "You have voted already." in await _words(elsewhere)
    await play.vote("opening-poll", await stranger(site, "sam"), "against")
    await play.after(45)
    await play.vote("closing-poll", anna.actor, "undecided")
    await play.after(60)
    answer = await client.get(page)
    shown = await answer.text()
    assert re.search(
        r'role="img" aria-label="Members here, Before: in favour 100 per cent, undecided 0, against 0"', shown
    )
    assert re.search(r'role="img" aria-label="Other servers, After: nobody voted"', shown)
    words = await _words(answer)
    assert "Members here In favour 100 % (1) 0 % (0) −100 Undecided 0 % (0) 100 % (1) +100 Against" in words
    assert "when at least ten people have voted both times" in words
    assert 'name="choice"' not in shown
    assert not re.search(r"\bstyle=", shown)
    for address in ("/g/mobility/results", "/g/debate_1999_01_01/whole", "/g/mobility/export.json"):
        assert (await client.get(address)).status == 404


async def test_the_host_concludes_and_nothing_typed_is_lost(
    site: Site, client: TestClient, member: MakeMember, theme: MakeTheme, sign_in: SignIn
) -> None:
    play = await begin(site, member, theme)
    page = f"{play.path}/conclusion"
    assert (await client.get(page, allow_redirects=False)).status == 303
    await sign_in(client, play.floor.host)
    early = await client.get(page)
    assert (early.status, "This debate is not over yet." in await _words(early)) == (403, True)
    await play.after(60)
    seen = await send(client, page, text="Both, **on one** street.", do="preview")
    shown = await seen.text()
    assert seen.status == 200
    assert "<strong>on one</strong>" in shown
    assert "Both, **on one** street.</textarea>" in shown
    assert (await play.debate()).state == "closed", "a preview sends nothing"
    for empty in ("send", "preview"):
        assert (await send(client, page, text="  ", do=empty)).status == 422
    too_long = await send(client, page, text="x" * 60_001, do="send")
    assert (too_long.status, "x" * 60_001 in await too_long.text()) == (422, True)
    made = await send(client, page, text="Both, **on one** street.", do="send")
    assert (made.status, made.headers["Location"]) == (303, play.path)
    assert (await play.debate()).state == "concluded"
    assert "Edit the conclusion" in await _words(await client.get(page))
    await sign_in(client, await member("anna"))
    assert (await client.get(page)).status == 403
    assert (await send(client, page, page="/settings", text="Mine", do="send")).status == 403


async def test_staff_edit_the_digest_and_publish_it(
    site: Site, client: TestClient, member: MakeMember, theme: MakeTheme, sign_in: SignIn
) -> None:
    play = await begin(site, member, theme)
    editor, anna = await member("eva", site_role="editor"), await member("anna")
    argument = await play.argue(anna.actor, "for", "They are quiet.")
    await play.after(60)
    page = f"{play.path}/digest"
    await sign_in(client, anna)
    assert (await client.get(page)).status == 403
    async with site.database.write() as tx:
        tx.add(Notification(account_id=editor.actor_id, kind="digest", path=page, created_at=tx.now))
    await sign_in(client, editor)
    shown = await (await client.get(page)).text()
    assert "They are quiet" in shown
    async with site.database.read() as tx:
        assert (await tx.execute(select(Notification.read_at).where(Notification.kind == "digest"))).scalar_one()
    seen = re.search(r'name="seen" value="(\w+)"', shown)
    assert seen is not None
    typed = {"title": "Quiet trams", "summary": "They won.", "text": "They **won**.", "seen": seen[1]}
    looked_at = await (await send(client, page, **typed, do="preview")).text()
    assert "<strong>won</strong>" in looked_at
    assert (await play.debate()).digest_title.startswith("Digest")
    wrong = await send(client, page, **{**typed, "summary": "x" * 501}, do="draft")
    assert (wrong.status, "x" * 501 in await wrong.text()) == (422, True)
    # The host concludes while the form is open: whoever sends it is told, and may send it once more.
    async with site.database.write() as tx:
        await digest.write(tx, await tx.get_one(Debate, play.floor.debate.actor_id))
        (await tx.get_one(Debate, play.floor.debate.actor_id)).digest_source += "\n\nMore."
    late = await send(client, page, **typed, do="ready")
    shown = await late.text()
    assert (late.status, "has changed in the meantime" in shown, "They **won**." in shown) == (422, True, True)
    seen = re.search(r'name="seen" value="(\w+)"', shown)
    assert seen is not None
    assert (await send(client, page, **{**typed, "seen": seen[1]}, do="ready")).status == 303
    assert (await play.debate()).digest_state == "ready"
    assert "Ready: it goes by itself on" in await _words(await client.get(page))
    assert (await send(client, page, do="rewrite")).status == 303
    async with site.database.write() as tx:
        await posts.erase(tx, anna.actor, argument)
    words = await _words(await client.get(page))
    assert f"cites posts that have been deleted or hidden since: #{argument.number}." in words
    assert (await send(client, page, **{**typed, "seen": ""}, do="publish")).status == 303
    debate = await play.debate()
    assert debate.digest_state == "sent"
    assert "The digest is out." in await _words(await client.get(page))
    assert (await send(client, page, **{**typed, "summary": "They won twice.", "seen": ""}, do="correct")).status == 303
    again = await send(client, page, do="rewrite")
    assert (again.status, "The digest is out already." in await _words(again)) == (422, True)
    await sign_in(client, anna)
    article = await client.get(page)
    assert article.url.path.endswith("/quiet-trams"), "everybody else is led to the article"
    assert "They won twice." in await _words(article)


def test_no_cell_is_a_formula(database_kind: str) -> None:
    assert [cell(value) for value in ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "a=1", "", 7)] == [
        "'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx", "a=1", "", 7,
    ]  # fmt: skip


async def test_a_whole_debate_on_paper_and_as_files(
    site: Site, client: TestClient, member: MakeMember, theme: MakeTheme
) -> None:
    play = await begin(site, member, theme)
    anna, bert = await member("anna"), await member("bert")
    sam = await stranger(site, "sam", name="=cmd()")
    voters = [(await member(f"v{number}")).actor for number in range(10)]
    for actor in voters:
        await play.vote("opening-poll", actor, "for")
    pro = await play.argue(sam, "for", "=SUM(A1) <b>&</b> more\n\nand more")
    contra = await play.argue(anna.actor, "against", "They cost.")
    drawn = await keep(site, bert.actor, images.picture(), alt="A bill")
    async with site.database.write() as tx:
        written = await posts.compose(tx, f"Do they?\n\n{media.markdown_of(drawn)}", pictures_of=bert.actor)
        floor = await tx.get_one(Topic, play.floor.debate.topic_id)
        bill = await posts.reply(tx, bert.actor, floor, written, reply_to=contra)
    gone = await play.argue(anna.actor, "for", "Gone words.")
    hidden = await play.argue(sam, "against", "Hidden words.")
    mallory = await stranger(site, "mallory")
    await play.argue(mallory, "against", "Suspended words.")
    asked = await play.floor.ask(sam, "@hugo@elsewhere.example Who pays?")
    async with site.database.write() as tx:
        await posts.erase(tx, anna.actor, gone)
        await tx.execute(update(Post).where(Post.id == hidden.id).values(hidden_reason="spam"))
        await tx.execute(update(Actor).where(Actor.id == mallory.id).values(state="suspended"))
        card = await questions.accept(tx, play.floor.host.actor, await tx.get_one(Question, asked.id))
    answer = await play.floor.say(play.floor.panel.actor, "The city.", to=card)
    # Many more, as a busy hour brings them: more than are read at once.
    async with site.database.write() as tx:
        topic = await tx.get_one(Topic, play.floor.debate.topic_id)
        first = topic.last_number + 1
        many = [
            {"topic_id": topic.id, "number": n, "uri": f"https://elsewhere.example/n/{n}", "url": "", "kind": "Note",
             "author_id": sam.id, "reply_to_id": pro.id, "html": f"<p>Again {n}.</p>", "position": "for",
             "created_at": tx.now, "language": "en", "deleted_reason": ""}
            for n in range(first, first + 450)
        ]  # fmt: skip
        await tx.execute(insert(Post), many)
        topic.last_number += 450
    await play.after(45)
    for actor in voters:
        await play.vote("closing-poll", actor, "against")
    await play.after(60)

    page = await client.get(f"{play.path}/whole")
    assert page.headers["Transfer-Encoding"] == "chunked"
    assert "default-src" in page.headers["Content-Security-Policy"]
    shown = await page.text()
    assert shown.count('<article class="said"') == 453
    assert "<!--posts" not in shown
    assert shown.rstrip().endswith("</html>")
    words = unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown)))
    assert "10 people voted both times; 10 of them changed sides." in words
    assert "Host hugo @hugo@" in words
    assert words.index("They cost.") > words.index(f"Again {first + 449}.")
    assert re.search(r"Q1 =cmd\(\) @sam@elsewhere\.example .{5,60} Who pays\? Answer: pia", words)
    exports = [await client.get(f"{play.path}/export.{ending}") for ending in ("json", "csv", "as.json")]
    texts = [shown, *[await each.text() for each in exports]]
    for said in texts:
        assert "They cost." in said
        assert not re.search("Gone words|Hidden words|Suspended words|mallory", said)
        assert not re.search(r"\bv[0-9]\b|/votes/", said), "no ballot by name"

    exported = json.loads(texts[1])
    assert exported["format"] == "folkmoot-debate-1"
    assert list(exported) == [
        "format", "exported_at", "debate", "seats", "polls", "moves", "questions", "posts",
    ]  # fmt: skip
    assert (exported["debate"]["state"], exported["debate"]["theme"]["name"]) == ("closed", "Mobility")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", exported["debate"]["opens_at"])
    assert [(seat["handle"].partition("@")[0], seat["role"]) for seat in exported["seats"]] == [
        ("hugo", "host"), ("pia", "panel"),
    ]  # fmt: skip
    assert [[option["here"] for option in poll["options"]] for poll in exported["polls"]] == [[10, 0, 0], [0, 0, 10]]
    assert {"from": "for", "to": "against", "voters": 10} in exported["moves"]["from_to"]
    (question,) = exported["questions"]
    assert (question["number"], question["state"], question["answer"]) == (1, "answered", answer.number)
    by_number = {post["number"]: post for post in exported["posts"]}
    assert by_number[question["post"]]["author"]["server"] == "elsewhere.example"
    assert by_number[contra.number + 1]["reply_to"] == contra.number
    assert by_number[answer.number]["author"]["role"] == "panel"
    assert [post["number"] for post in exported["posts"]] == sorted(by_number)
    assert {post["part"] for post in exported["posts"]} >= {"motion", "stub", "opening-poll", "card", "closed", ""}

    rows = list(csv.DictReader(StringIO(texts[2])))
    assert exports[1].headers["Content-Disposition"].endswith('.csv"')
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(exported["posts"])
    row = next(row for row in rows if row["id"] == pro.uri)
    assert (row["name"], row["author"], row["position"]) == ("'=cmd()", "sam@elsewhere.example", "for")
    assert row["text"].startswith("'=SUM(A1)")

    collection = json.loads(texts[3])
    assert exports[2].content_type == "application/activity+json"
    assert (collection["type"], collection["totalItems"]) == ("OrderedCollection", len(rows))
    items = {item["id"]: item for item in collection["orderedItems"]}
    assert len(items) == len(rows)
    assert items[many[0]["uri"]] == {"id": many[0]["uri"], "type": "Note", "attributedTo": sam.uri}
    assert items[contra.uri]["content"] == "<p>They cost.</p>\n"
    assert items[contra.uri]["inReplyTo"] == (await play.part("stub", "against")).uri
    assert [each["name"] for each in items[bill.uri]["attachment"]] == ["A bill"]
    async with site.database.read() as tx:
        for post in (await play.part("closing-poll"), bill):
            single = await documents.note(tx, await tx.get_one(Post, post.id))
            assert items[post.uri] == {key: value for key, value in single.items() if key != "@context"}
    check({"@context": collection["@context"], **items[contra.uri]})
