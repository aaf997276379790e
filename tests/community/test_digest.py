"""The digest: what it is made of, who may change it, when it goes, and what becomes of it afterwards."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from community import cards, clerk, debates, digest, posts, questions, text
from community.debate_models import Debate, Question
from community.digest import strength
from community.members import Invalid
from community.models import Activity, Actor, Membership, Mention, Notification, Post, Revision, Theme
from community.policy import Refused
from federation.site import Site
from outbox import documents
from tests.community.outcomes import Play, begin, stranger
from tests.conftest import MakeMember, MakeTheme
from tests.strict import check

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


def test_approval_across_camps_is_stronger_than_applause_from_one(database_kind: str) -> None:
    assert strength("for", {"for": 2, "against": 2}) == strength("for", {"for": 8}) == 3
    assert strength("against", {"for": 3}) > strength("against", {"against": 2})
    assert strength("for", {"undecided": 3}) == strength("for", {"against": 3}) == 2
    assert strength("for", {"": 4}) == strength("for", {"for": 1}), "an unknown camp is a quarter of one's own"
    assert strength("for", {}) == 1


async def _saved(play: Play, by: Actor, **changed: Any) -> None:
    async with play.site.database.write() as tx:
        debate = await tx.get_one(Debate, play.floor.debate.actor_id)
        given = {"title": debate.digest_title, "summary": debate.digest_summary, "source": debate.digest_source}
        await digest.save(tx, by, debate, **{**given, **changed})


async def _told(site: Site) -> list[tuple[int, str]]:
    async with site.database.read() as tx:
        query = select(Notification.account_id, Notification.path).where(Notification.kind == "digest")
        return [(row[0], row[1]) for row in await tx.execute(query)]


async def test_the_draft_says_what_the_debate_came_to(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    play = await begin(site, member, theme)
    here = [(await member(f"m{n}")).actor for n in range(6)]
    there = [await stranger(site, f"s{n}", name=f"S *{n}*") for n in range(4)]
    for actor, side in zip(
        [*here[:4], *there[:2]], ["for", "for", "for", "against", "against", "against"], strict=True
    ):
        await play.vote("opening-poll", actor, side)
    await play.vote("opening-poll", there[2], "undecided")
    applauded = await play.argue(here[0], "for", "Everybody on our side likes this.")
    bridging = await play.argue(there[3], "for", r"Ask @m0 \[or\](https://evil.example) \*me\*: both win.")
    deleted = await play.argue(here[1], "for", "Never mind.")
    hidden = await play.argue(there[1], "against", "Spam.")
    plain = await play.argue(there[0], "against", "It costs too much.")
    second = await play.argue(here[3], "against", "It is too late.")
    await play.like(applauded, here[1], here[2])
    await play.like(bridging, here[0], here[3], there[2])
    await play.like(deleted, *here[2:5], *there[:3])
    await play.like(hidden, here[3], *there[2:4])
    await play.like(second, here[5])
    await play.floor.ask(here[4], "Who pays?")
    answered = await play.floor.ask(here[5], "When?")
    async with site.database.write() as tx:
        card = await questions.accept(tx, play.floor.host.actor, await tx.get_one(Question, answered.id))
        await posts.erase(tx, here[1], deleted)
        await tx.execute(update(Post).where(Post.id == hidden.id).values(hidden_reason="spam"))
    await play.floor.say(play.floor.panel.actor, "Next spring.", to=card)
    await play.after(45)
    for actor in here[:4]:
        await play.vote("closing-poll", actor, "for")
    assert (await play.debate()).digest_state == ""
    await play.after(60)

    debate = await play.debate()
    async with site.database.read() as tx:
        camps = await digest.camps(tx, debate)
        best = await digest.strongest(tx, debate)
    # The closing poll is asked first, then the opening poll, then what they wrote.
    assert [camps[actor.id] for actor in (here[3], there[0], there[2], there[3])] == [
        "for",
        "against",
        "undecided",
        "for",
    ]
    assert here[5].id not in camps
    assert [argument.post.id for argument in best["for"]] == [bridging.id, applauded.id]
    assert [argument.post.id for argument in best["against"]] == [second.id, plain.id]
    draft = debate.digest_source
    assert (debate.digest_state, debate.digest_title) == ("draft", "Digest: Trams before *cars*")
    assert "Never mind" not in draft
    assert "Spam" not in draft
    assert "Members here: In favour 75 → 100 %" in draft
    assert draft.index("both win") < draft.index("Everybody on our side") < draft.index("It is too late")
    assert f"(@s3@elsewhere.example) · [#{bridging.number}]({site.settings.origin}/p/{bridging.id})" in draft
    html = text.render(draft)
    assert "<h2>Strongest in favour</h2>" in html
    assert "Ask @m0 [or](https://evil.example) *me*: both win." in text.plain(html), "words of others are no Markdown"
    assert "— S *3* (@s3@elsewhere.example)" in text.plain(html)
    assert text.mentions_in(draft) == [
        ("s3", "elsewhere.example"), ("m0", ""), ("m3", ""),
        ("s0", "elsewhere.example"),
    ]  # fmt: skip
    assert text.plain(html).index("Q1 When?") < text.plain(html).index("Who pays?")
    assert "answered by Pia" in text.plain(html) or "answered by pia" in text.plain(html)
    assert len(debate.digest_summary) <= 500
    assert "Members here: In favour 75 → 100 %" in debate.digest_summary

    # The host's last word comes in as long as nobody has changed the draft, and not afterwards.
    async with site.database.write() as tx:
        await debates.conclude(tx, play.floor.host.actor, debate, "Both in **one** street.")
    assert "## Conclusion\n\nBoth in **one** street." in (await play.debate()).digest_source
    await _saved(play, play.floor.admin.actor, title="Trams, then")
    async with site.database.write() as tx:
        await debates.conclude(tx, play.floor.host.actor, debate, "Corrected.")
    debate = await play.debate()
    assert (debate.digest_title, "Corrected." in debate.digest_source) == ("Trams, then", False)
    async with site.database.write() as tx:
        await digest.rewrite(tx, play.floor.admin.actor, debate)
    assert "Corrected." in (await play.debate()).digest_source


async def test_what_is_ready_goes_by_itself_as_an_article_and_is_corrected_there(
    site: Site, member: MakeMember, theme: MakeTheme
) -> None:
    play = await begin(site, member, theme)
    editor, anna, fan = await member("eva", site_role="editor"), await member("anna"), await stranger(site, "fan")
    await play.argue(fan, "for", "They are quiet.")
    debate = await play.debate()
    async with site.database.write() as tx:
        for group_id in (debate.actor_id, debate.theme_id):
            tx.add(
                Membership(
                    actor_id=fan.id,
                    group_id=group_id,
                    role="member",
                    state="accepted",
                    follow_uri="",
                    created_at=tx.now,
                )
            )
        (await tx.get_one(Theme, debate.theme_id)).object_type = "Note"
    with pytest.raises(Refused, match="debate-is-not-over"):
        await _saved(play, editor.actor, title="Too early")
    await play.after(60)
    with pytest.raises(Refused, match="editors-only"):
        await _saved(play, anna.actor)
    for wrong, field in (
        ({"title": "x"}, "title"), ({"title": "x" * 201}, "title"), ({"summary": " "}, "summary"),
        ({"summary": "x" * 501}, "summary"), ({"source": " \n"}, "text"), ({"seen": "other"}, "text"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as caught:
            await _saved(play, editor.actor, **wrong)
        assert list(caught.value.fields) == [field]
    abstract = "Quiet   trams won.\nWhat they cost stays open."
    await _saved(play, editor.actor, summary=abstract, is_ready=True, seen=digest.mark(await play.debate()))
    assert (await play.debate()).digest_state == "ready"
    await play.after(47 * 60)
    assert (await play.debate()).digest_state == "ready"
    await play.after(49 * 60)

    debate = await play.debate()
    assert debate.digest_state == "sent"
    async with site.database.read() as tx:
        post = await posts.one(tx, debate.digest_post_id)
        assert post is not None
        article = await documents.note(tx, post)
        out = (
            await tx.execute(select(Activity).where(Activity.direction == "out", Activity.object_uri == post.uri))
        ).scalars()
        boosts = {
            row.actor_uri for row in out if row.type == "Announce" and json.loads(row.document)["object"] == post.uri
        }
        mentioned = (await tx.execute(select(Mention.actor_id).where(Mention.post_id == post.id))).scalars().all()
    check(article)
    assert (article["type"], article["name"]) == ("Article", "Digest: Trams before *cars*")
    assert article["summary"] == "Quiet trams won. What they cost stays open."
    assert article["audience"] == debate.theme.uri  # type: ignore[union-attr]
    assert "<strong>Digest" not in article["content"]
    assert "They are quiet" in article["content"]
    assert boosts == {debate.theme.uri, debate.actor.uri}  # type: ignore[union-attr]
    assert mentioned == [fan.id], "who is cited is told"
    assert await _told(site) == []

    # Corrections are an edit of the article, and keep its abstract.
    for refused in (digest.publish_now, digest.rewrite):
        with pytest.raises(Refused, match="digest-is-sent"):
            async with site.database.write() as tx:
                await refused(tx, editor.actor, debate)
    site.database.clock = lambda: play.floor.began + timedelta(days=3)
    await _saved(play, editor.actor, source=debate.digest_source.replace("quiet", "very quiet"))
    await _saved(play, editor.actor, summary="Very quiet.")
    async with site.database.write() as tx:
        post = await posts.one(tx, debate.digest_post_id)
        assert post is not None
        article = await documents.note(tx, post)
        assert ("very quiet" in article["content"], article["summary"]) == (True, "Very quiet.")
        assert len((await tx.execute(select(Revision).where(Revision.post_id == post.id))).scalars().all()) == 2
        updates = await tx.execute(select(Activity).where(Activity.type == "Update", Activity.object_uri == post.uri))
        assert len(updates.scalars().all()) == 2
        await posts.erase(tx, play.floor.admin.actor, post, reason="not agreed")
    debate = await play.debate()
    assert (debate.digest_state, debate.digest_post_id) == ("draft", None)
    async with site.database.write() as tx:
        again = await digest.publish_now(tx, editor.actor, debate)
    assert (await play.debate()).digest_post_id == again.id != post.id


async def test_a_draft_waits_for_staff_who_are_told_once(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    play = await begin(site, member, theme)
    editor = await member("eva", site_role="editor")
    await play.argue(play.floor.panel.actor, "against", "They are slow.")
    await play.after(60)
    await play.after(49 * 60)
    await play.after(50 * 60)
    debate = await play.debate()
    assert debate.digest_state == "draft"
    assert sorted(await _told(site)) == sorted(
        (account.actor_id, f"{play.path}/digest") for account in (play.floor.admin, editor)
    )
    with pytest.raises(Refused, match="digest-time-is-past"):
        await _saved(play, editor.actor, is_ready=True)


async def test_a_conclusion_makes_what_was_called_ready_a_draft_again(
    site: Site, member: MakeMember, theme: MakeTheme
) -> None:
    play = await begin(site, member, theme)
    await play.after(60)
    seen = (await play.debate()).digest_source
    await _saved(play, play.floor.admin.actor, is_ready=True)
    debate = await play.debate()
    assert (debate.digest_state, debate.digest_editor_id) == ("ready", play.floor.admin.actor_id)
    async with site.database.write() as tx:
        await debates.conclude(tx, play.floor.host.actor, debate, "Both in one street.")
    debate = await play.debate()
    assert (debate.digest_state, debate.digest_source) == ("draft", seen), "who read it is asked, and nothing rewritten"
    assert await _told(site) == [(play.floor.admin.actor_id, f"{play.path}/digest")]
    # Called ready once more it goes.
    await _saved(play, play.floor.admin.actor, is_ready=True)
    await play.after(49 * 60)
    assert (await play.debate()).digest_state == "sent"


async def test_what_was_withdrawn_since_holds_an_edited_digest_back(
    site: Site, member: MakeMember, theme: MakeTheme
) -> None:
    play = await begin(site, member, theme)
    anna = await member("anna")
    argument = await play.argue(anna.actor, "for", "They are quiet.")
    await play.after(60)
    await _saved(play, play.floor.admin.actor, title="Edited", is_ready=True)
    async with site.database.write() as tx:
        await posts.erase(tx, anna.actor, argument)
    async with site.database.read() as tx:
        assert [post.id for post in await digest.withdrawn(tx, await play.debate())] == [argument.id]
    await play.after(49 * 60)
    debate = await play.debate()
    assert (debate.digest_state, debate.digest_post_id) == ("draft", None)
    assert [account_id for account_id, _ in await _told(site)] == [play.floor.admin.actor_id]
    # Made anew it is without, and can go.
    async with site.database.write() as tx:
        await digest.rewrite(tx, play.floor.admin.actor, debate)
        assert not await digest.withdrawn(tx, await tx.get_one(Debate, debate.actor_id))
        await digest.publish_now(tx, play.floor.admin.actor, debate)


def test_a_name_is_said_as_it_is_whatever_it_looks_like(database_kind: str) -> None:
    for name in (
        "*Ann* @bob", "https://x.example", "www.x.example", "1. Ann", "a\\.b", "ann@x.example", "# [x](y:z)", " ",
    ):  # fmt: skip
        html = text.render(f"By {cards.name_of(Actor(name=name, handle='ann'))}", {"bob": ("bob", "https://x.example")})
        assert text.plain(html) == f"By {name.strip() or 'ann'}"
        assert "<a " not in html
        assert "<em>" not in html


def test_plain_words_stay_plain_as_markdown(database_kind: str) -> None:
    for words in (
        "# no heading", "- no list", "1. no list", "12) no list", "=== no line", "> no quote", "**no** _mark_ ~~here~~",
        "`no` [link](https://x.example)", "no &amp; entity, &#64;", "<b>no</b> | table", "no \\* way",
        "@nobody", "+ no",
    ):  # fmt: skip
        html = text.render(
            f"> {text.literal(words)}\n\n- {text.literal(words)}", {"nobody": ("nobody", "https://x.example")}
        )
        assert text.plain(html) == f"{words}\n{words}"
        assert set(re.findall(r"<(\w+)", html)) <= {"blockquote", "p", "ul", "li", "a"}
        assert "nobody</a>" not in html
        assert not text.mentions_in(text.literal(words))
    address = "https://x.example/a_b/~c?d=1&e=2"
    assert f">{address.replace('&', '&amp;')}</a>" in text.render(text.literal(f"See {address}"))


@pytest.mark.parametrize(("language", "title", "head"), [
    ("fr", "Synthèse", "## Les arguments les plus forts pour"), ("es", "Resumen", "## Lo más fuerte a favor"),
])  # fmt: skip
async def test_the_house_writes_it_in_the_language_of_the_debate(
    site: Site, member: MakeMember, theme: MakeTheme, language: str, title: str, head: str
) -> None:
    play = await begin(site, member, theme)
    async with site.database.write() as tx:
        (await tx.get_one(Debate, play.floor.debate.actor_id)).languages = [language]
    await play.after(60)
    debate = await play.debate()
    assert debate.digest_title.startswith(title)
    assert head in debate.digest_source
    assert clerk.says(language, "digest-none") in debate.digest_source
    async with site.database.write() as tx:
        post = await digest.publish_now(tx, play.floor.admin.actor, debate)
        assert (post.language, post.kind) == (language, "Article")
