"""Writing and deciding, as a browser without script does it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import select

from community import drafts, groups, notifications, posts, topics
from community.models import Actor, LogEntry, Membership, Post, Reading, Theme, Topic
from tests.web.forms import origin_of, send, token_on
from web import render


@pytest.fixture
def opened(site, member, theme):
    """Open a topic by somebody: ``await opened("anna")`` answers (account, opener)."""

    async def make(name="anna", **options):
        account = await member(name, **options)
        place = await theme("mobility")
        async with site.database.write() as tx:
            author = await tx.get_one(Actor, account.actor_id)
            written = await posts.compose(tx, "What if?", title="Free buses?")
            return account, await topics.open(tx, author, place.actor, written)

    return make


async def _post(site, post_id):
    async with site.database.read() as tx:
        return await posts.one(tx, post_id)


async def _newest(site):
    async with site.database.read() as tx:
        return await posts.one(tx, await tx.scalar(select(Post.id).order_by(Post.id.desc()).limit(1)))


def _path(opener):
    return render.topic_path(opener.topic)


async def _words(answer):
    return unescape(await answer.text())


# --- new topics


async def test_a_topic_is_opened_and_shown(site, client, member, theme, sign_in):
    anna = await member("anna")
    await theme("mobility")
    await sign_in(client, anna)
    answer = await send(client, "/g/mobility/new", title=" Free  buses? ", text="What *if*?", language="fr")
    assert answer.status == 303
    page = await _words(await client.get(answer.headers["Location"]))
    assert "<h1>Free buses?</h1>" in page
    assert "What <em>if</em>?" in page
    assert '<div class="text" lang="fr"' in page
    async with site.database.read() as tx:
        assert await tx.scalar(select(Reading.last_number)) == 1, "one's own topic is not unread"


@pytest.mark.parametrize(
    ("title", "text", "field"),
    [
        ("", "Some text", "title"),
        ("x" * 201, "Some text", "title"),
        ("A title", "  ", "text"),
        ("A title", "x" * 60001, "text"),
    ],
)
async def test_what_cannot_be_a_topic_comes_back_as_typed(client, member, theme, sign_in, title, text, field):
    await theme("mobility")
    await sign_in(client, await member("anna"))
    answer = await send(client, "/g/mobility/new", title=title, text=text)
    page = await _words(answer)
    assert answer.status == 422
    assert f'href="#{field}"' in page
    assert f'value="{title}"' in page
    assert text.strip() in page


async def test_who_may_not_open_topics_is_told_why(site, client, member, theme, sign_in):
    anna = await member("anna", state="pending")
    await theme("mobility")
    await sign_in(client, anna)
    page = await _words(await client.get("/g/mobility"))
    assert re.search(r"<button[^>]* disabled[^>]*>New topic", page)
    assert "waits for approval" in page
    answer = await send(client, "/g/mobility/new", title="A title", text="My words")
    assert (answer.status, "My words" in await answer.text()) == (422, True)


async def test_drafts_are_kept_given_back_and_dropped_when_sent(site, client, opened, sign_in):
    anna, opener = await opened()
    await sign_in(client, anna)
    for place, path in (("theme:mobility", "/g/mobility/new"), (f"topic:{opener.topic_id}", _path(opener))):
        saved = await send(client, "/drafts", page=path, place=place, title="Half a", text="Half a thought")
        assert saved.status == 204
        page = await _words(await client.get(path))
        assert "Half a thought" in page
        assert "your draft is back" in page
    await send(client, f"/t/{opener.topic_id}/reply", page=_path(opener), text="Whole")
    await send(client, "/g/mobility/new", title="Whole", text="Whole")
    async with site.database.read() as tx:
        assert await drafts.find(tx, anna.actor_id, "theme:mobility") is None
        assert await drafts.find(tx, anna.actor_id, f"topic:{opener.topic_id}") is None
    assert (await send(client, "/drafts", page="/", place="elsewhere", text="x")).status == 400


# --- replies


async def test_a_reply_is_shown_at_its_place(site, client, opened, member, sign_in):
    _, opener = await opened()
    await sign_in(client, await member("bert"))
    path = f"/t/{opener.topic_id}/reply"
    answer = await send(client, path, page=_path(opener), text="I **would**.", reply_to=str(opener.id))
    assert (answer.status, answer.headers["Location"]) == (303, f"{_path(opener)}/2#post-2")
    assert "I <strong>would</strong>." in await (await client.get(answer.headers["Location"])).text()
    made = await _newest(site)
    assert (made.number, made.reply_to_id) == (2, opener.id)


@pytest.mark.parametrize("reply_to", ["", "x", "-1", "999999", "99999999999999999999", "²"])
async def test_a_reply_to_nothing_answers_the_opener(site, client, opened, sign_in, reply_to):
    anna, opener = await opened()
    await sign_in(client, anna)
    answer = await send(client, f"/t/{opener.topic_id}/reply", page=_path(opener), text="Yes.", reply_to=reply_to)
    assert answer.status == 303
    assert (await _newest(site)).reply_to_id == opener.id


async def test_a_reply_stays_in_its_topic(site, client, opened, sign_in):
    anna, opener = await opened()
    async with site.database.write() as tx:
        author, group = await tx.get_one(Actor, anna.actor_id), await tx.get_one(Actor, opener.topic.group_id)
        other = await topics.open(tx, author, group, await posts.compose(tx, "Other", title="Other topic"))
    await sign_in(client, anna)
    await send(client, f"/t/{opener.topic_id}/reply", page=_path(opener), text="Yes.", reply_to=str(other.id))
    made = await _newest(site)
    assert (made.topic_id, made.reply_to_id) == (opener.topic_id, opener.id)


async def test_reply_without_script_opens_the_composer_on_the_post(client, opened, sign_in):
    anna, opener = await opened()
    await sign_in(client, anna)
    page = await _words(await client.get(f"{_path(opener)}/1?reply_to={opener.id}"))
    assert f'name="reply_to" value="{opener.id}"' in page
    assert "data-answering>" in page


async def test_a_topic_closed_while_somebody_wrote_gives_the_words_back(site, client, opened, member, sign_in):
    anna, opener = await opened(site_role="moderator")
    await sign_in(client, await member("bert"))
    token = await token_on(client, _path(opener))
    async with site.database.write() as tx:
        await topics.close(
            tx, await tx.get_one(Actor, anna.actor_id), await tx.get_one(Topic, opener.topic_id), is_on=True
        )
    answer = await client.post(
        f"/t/{opener.topic_id}/reply",
        data={"csrf": token, "text": "An hour of <work>"},
        headers={"Origin": origin_of(client)},
    )
    page = await _words(answer)
    assert answer.status == 422
    assert "An hour of <work>" in page
    assert "closed" in page
    assert f'action="/t/{opener.topic_id}/reply"' not in page


async def test_an_empty_reply_is_asked_for_again(site, client, opened, sign_in):
    anna, opener = await opened()
    await sign_in(client, anna)
    answer = await send(client, f"/t/{opener.topic_id}/reply", page=_path(opener), text=" ")
    assert (answer.status, 'aria-invalid="true"' in await answer.text()) == (422, True)
    assert (await _newest(site)).id == opener.id


async def test_the_composer_says_where_a_post_goes(site, client, opened, sign_in):
    anna, opener = await opened()
    await sign_in(client, anna)
    assert "no other server follows yet" in await _words(await client.get(_path(opener)))
    async with site.database.write() as tx:
        for name, host in (("a", "one.example"), ("b", "one.example"), ("c", "two.example")):
            uri = f"https://{host}/{name}"
            actor = Actor(uri=uri, kind="person", handle=name, host=host, inbox=uri + "/in", created_at=tx.now)
            tx.add(actor)
            await tx.flush()
            await groups.follow(tx, actor, await tx.get_one(Actor, opener.topic.group_id), follow={"id": uri + "#f"})
    assert "goes to 2 servers" in await _words(await client.get(_path(opener)))


async def test_nobody_writes_without_signing_in(client, opened):
    _, opener = await opened()
    for path in (
        "/g/mobility/new",
        "/g/mobility/membership",
        f"/t/{opener.topic_id}/reply",
        f"/t/{opener.topic_id}/pin",
        f"/t/{opener.topic_id}/seen",
        f"/p/{opener.id}/edit",
        f"/p/{opener.id}/delete",
        f"/p/{opener.id}/like",
        "/preview",
        "/drafts",
        "/notifications",
    ):
        answer = await client.post(path, data={}, headers={"Origin": origin_of(client)}, allow_redirects=False)
        assert (answer.status, answer.headers.get("Location", "")[:8]) == (303, "/sign-in"), path
        answer = await client.post(path, data={}, headers={"Origin": "https://evil.example"}, allow_redirects=False)
        assert answer.status == 403, path


# --- one post


async def test_an_author_edits_and_others_do_not(site, client, opened, member, sign_in):
    anna, opener = await opened()
    await sign_in(client, anna)
    path = f"/p/{opener.id}/edit"
    form = await _words(await client.get(path))
    assert "What if?</textarea>" in form
    assert 'value="Free buses?"' in form
    bad = await send(client, path, title="x", text="New words")
    assert (bad.status, "New words" in await bad.text()) == (422, True)
    answer = await send(client, path, title="Free trams?", text="What *now*?")
    assert (answer.status, answer.headers["Location"]) == (303, f"/t/{opener.topic_id}/free-trams/1#post-1")
    post = await _post(site, opener.id)
    assert (post.topic.title, post.source) == ("Free trams?", "What *now*?")
    assert "/history" in await (await client.get(answer.headers["Location"])).text()
    await sign_in(client, await member("bert"))
    assert (await client.get(path)).status == 403
    assert (await send(client, path, page="/", text="Mine now", title="Mine")).status == 403
    assert (await _post(site, opener.id)).source == "What *now*?"


async def test_an_edit_keeps_warning_and_language(site, client, opened, sign_in):
    anna, opener = await opened()
    async with site.database.write() as tx:
        post = await tx.get_one(Post, opener.id)
        post.warning, post.language = "Careful", "de"
    await sign_in(client, anna)
    await send(client, f"/p/{opener.id}/edit", title="Free buses?", text="Other words")
    post = await _post(site, opener.id)
    assert (post.warning, post.language, post.source) == ("Careful", "de", "Other words")


async def test_deleting_asks_first_and_needs_no_reason_of_the_author(site, client, opened, sign_in):
    anna, opener = await opened()
    await sign_in(client, anna)
    path = f"/p/{opener.id}/delete"
    assert "cannot be undone" in await _words(await client.get(path))
    assert (await _post(site, opener.id)).deleted_at is None
    answer = await send(client, path)
    assert (answer.status, answer.headers["Location"]) == (303, "/g/mobility")
    assert (await client.get(f"/p/{opener.id}")).status == 410


async def test_a_moderator_removes_with_a_reason(site, client, opened, member, sign_in):
    _, opener = await opened()
    await sign_in(client, await member("mod", site_role="moderator"))
    path = f"/p/{opener.id}/delete"
    answer = await send(client, path)
    assert (answer.status, 'id="reason-wrong"' in await answer.text()) == (422, True)
    assert (await _post(site, opener.id)).deleted_at is None
    assert (await send(client, path, reason="advertising")).status == 303
    assert (await _post(site, opener.id)).deleted_reason == "advertising"
    async with site.database.read() as tx:
        assert await tx.scalar(select(LogEntry.reason)) == "advertising"


async def test_nobody_else_deletes(site, client, opened, member, sign_in):
    _, opener = await opened()
    await sign_in(client, await member("bert"))
    assert (await client.get(f"/p/{opener.id}/delete")).status == 403
    assert (await send(client, f"/p/{opener.id}/delete", page="/", reason="x")).status == 403
    assert (await _post(site, opener.id)).deleted_at is None


async def test_likes_come_and_go(site, client, opened, member, sign_in):
    anna, opener = await opened()
    await sign_in(client, await member("bert"))
    path = f"/p/{opener.id}/like"
    assert 'aria-pressed="false"' in await (await client.get(_path(opener))).text()
    for liked, count in (("1", 1), ("1", 1), ("0", 0), ("0", 0), ("1", 1)):
        answer = await send(client, path, page=_path(opener), liked=liked)
        assert (answer.status, answer.headers["Location"]) == (303, f"{_path(opener)}/1#post-1")
        assert (await _post(site, opener.id)).like_count_here == count
    token = await token_on(client, _path(opener))
    headers = {"Origin": origin_of(client), "X-Csrf-Token": token, "X-Requested-With": "fetch"}
    piece = await (await client.post(path, data={"liked": "0"}, headers=headers)).text()
    assert piece.count("<article") == 1
    assert 'aria-pressed="false"' in piece
    await sign_in(client, anna)
    assert f'action="{path}"' not in await (await client.get(_path(opener))).text(), "nobody likes their own post"
    assert (await send(client, path, page="/", liked="1")).status == 403


async def test_a_preview_is_what_will_be_stored(site, client, opened, sign_in):
    anna, opener = await opened()
    await sign_in(client, anna)
    text = "Hello @anna, *look*:\n\n```\n<b>\n```\n<script>alert(1)</script>"
    shown = await (await send(client, "/preview", page=_path(opener), text=text)).text()
    await send(client, f"/t/{opener.topic_id}/reply", page=_path(opener), text=text)
    assert shown.strip() == render.as_text((await _newest(site)).html).strip()
    assert "<script" not in shown
    assert "something" in await (await send(client, "/preview", page=_path(opener), text=" ")).text()


async def test_a_script_says_how_far_was_read(site, client, opened, member, sign_in):
    anna, opener = await opened()
    bert = await member("bert")
    async with site.database.write() as tx:
        place, author = await tx.get_one(Topic, opener.topic_id), await tx.get_one(Actor, bert.actor_id)
        await posts.reply(tx, author, place, await posts.compose(tx, "Yes."))
    await sign_in(client, anna)
    path = f"/t/{opener.topic_id}/seen"
    for number, expected in (("1", 1), ("999999999", 2), ("x", 2)):
        assert (await send(client, path, page="/", number=number)).status == 204
        async with site.database.read() as tx:
            assert await notifications.last_read(tx, anna.actor_id, opener.topic_id) == expected
            assert await notifications.unread_count(tx, anna.actor_id) == 0


# --- places


async def test_themes_are_joined_and_left(site, client, member, theme, sign_in):
    anna, place = await member("anna"), await theme("mobility")
    await sign_in(client, anna)
    for action, state, words in (("join", "accepted", "Leave"), ("leave", "left", "Join this theme")):
        answer = await send(client, "/g/mobility/membership", page="/g/mobility", action=action)
        assert (answer.status, answer.headers["Location"]) == (303, "/g/mobility")
        async with site.database.read() as tx:
            assert (await tx.get_one(Membership, (anna.actor_id, place.actor_id))).state == state
        assert words in await _words(await client.get("/g/mobility"))


async def test_moderators_pin_close_retitle_and_move(site, client, opened, member, theme, sign_in):
    _, opener = await opened()
    water = await theme("water")
    await sign_in(client, await member("mod", site_role="moderator"))
    base, topic_id = f"/t/{opener.topic_id}", opener.topic_id

    async def topic():
        async with site.database.read() as tx:
            return await tx.get_one(Topic, topic_id)

    assert (await send(client, f"{base}/pin", page=base)).status == 303
    assert (await topic()).pinned_at is not None
    assert (await send(client, f"{base}/unpin", page=base)).status == 303
    assert (await topic()).pinned_at is None
    await send(client, f"{base}/close", page=base, reason="done")
    assert (await topic()).closed_at is not None
    assert "Closed" in await _words(await client.get(base))
    await send(client, f"{base}/open", page=base)
    assert (await topic()).closed_at is None
    answer = await send(client, f"{base}/title", page=base, title="Free trams?")
    assert answer.headers["Location"] == f"{base}/free-trams"
    await send(client, f"{base}/move", page=base, theme="water")
    async with site.database.read() as tx:
        assert (await tx.get_one(Topic, topic_id)).group_id == water.actor_id
        assert (await tx.get_one(Theme, water.actor_id)).topic_count == 1
    for path, fields in ((f"{base}/title", {"title": "x"}), (f"{base}/move", {"theme": "nowhere"})):
        bad = await send(client, path, page=base, **fields)
        assert (bad.status, 'role="alert"' in await bad.text()) == (422, True), path


async def test_members_do_not_moderate(site, client, opened, member, sign_in):
    _, opener = await opened()
    await sign_in(client, await member("bert"))
    base = f"/t/{opener.topic_id}"
    assert "Moderate" not in await _words(await client.get(base))
    for action in ("pin", "close", "title", "move"):
        answer = await send(client, f"{base}/{action}", page=base, title="Mine now", theme="mobility")
        assert answer.status == 403, action
    assert (await _post(site, opener.id)).topic.title == "Free buses?"
