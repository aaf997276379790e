"""Articles: two pairs of eyes, their time, what becomes of them once they are out, and the lists of the blog."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from community import articles, jobs, media, posts, topics
from community.article_models import Article
from community.articles import Draft
from community.db import Tx
from community.media_models import Media, MediaUse
from community.members import Invalid
from community.models import (
    Account,
    Activity,
    Actor,
    Job,
    LogEntry,
    Notification,
    Post,
    Revision,
    Theme,
    Topic,
)
from community.policy import Refused
from federation.site import Site
from outbox import documents
from tests import images
from tests.community.test_media import keep
from tests.conftest import MakeMember, MakeTheme
from tests.strict import check

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

DRAFT = Draft("A bus for the harbour", "Why it takes so long.", "The **text** of it.", "en")


class Desk:
    """Two editors, an admin, two themes, and what they do, each in a transaction of its own."""

    def __init__(self, site: Site, ada: Account, ed: Account, boss: Account, themes: list[Theme]) -> None:
        self.site, self.ada, self.ed, self.boss = site, ada.actor, ed.actor, boss.actor
        self.themes = themes
        self.draft = replace(DRAFT, theme_ids=tuple(theme.actor_id for theme in themes))

    async def do(self, what: Any, by: Actor, article: Article, *given: Any, **named: Any) -> Any:
        async with self.site.database.write() as tx:
            return await what(tx, by, await tx.get_one(Article, article.id), *given, **named)

    async def written(self, by: Actor | None = None, draft: Draft | None = None, **begun: Any) -> Article:
        draft = draft or self.draft
        async with self.site.database.write() as tx:
            article = await articles.begin(tx, by or self.ada, language=draft.language, **begun)
            await articles.save(tx, by or self.ada, article, draft)
            return article

    async def approved(self, draft: Draft | None = None, **begun: Any) -> Article:
        article = await self.written(draft=draft, **begun)
        await self.do(articles.ask_for_review, self.ada, article)
        await self.do(articles.approve, self.ed, article)
        return article

    async def now(self, article: Article) -> Article:
        async with self.site.database.read() as tx:
            return await tx.get_one(Article, article.id)

    async def refused(self, what: Any, by: Actor, article: Article, *given: Any, **named: Any) -> Any:
        """What it is refused with: the reason, or what is wrong by field."""
        with pytest.raises((Refused, Invalid)) as caught:
            await self.do(what, by, article, *given, **named)
        error = caught.value
        return error.reason if isinstance(error, Refused) else error.fields

    async def told(self, kind: str) -> set[int]:
        async with self.site.database.read() as tx:
            return set((await tx.execute(select(Notification.account_id).where(Notification.kind == kind))).scalars())

    async def later(self, **ahead: float) -> None:
        at = self.site.database.clock() + timedelta(**ahead)
        self.site.database.clock = lambda: at

    async def come_due(self) -> None:
        """Do what the queue holds for articles, if its time has come."""
        async with self.site.database.write() as tx:
            query = select(Job).where(Job.kind == "publish-article", Job.run_at <= tx.now)
            due = list((await tx.execute(query)).scalars())
        claimed = [jobs.Claimed(job.id, job.kind, "", None, job.argument, 1) for job in due]
        await articles.publish_scheduled(self.site, claimed)

    async def sent(self, *types: str) -> list[dict[str, Any]]:
        async with self.site.database.read() as tx:
            query = select(Activity.document).where(Activity.direction == "out", Activity.type.in_(types))
            return [json.loads(row) for row in (await tx.execute(query.order_by(Activity.id))).scalars()]


@pytest.fixture
async def desk(site: Site, member: MakeMember, theme: MakeTheme) -> Desk:
    ada, ed = await member("ada", site_role="editor"), await member("ed", site_role="editor")
    boss = await member("boss", site_role="admin")
    return Desk(site, ada, ed, boss, [await theme("mobility"), await theme("water")])


async def test_an_article_from_the_draft_to_the_topic(desk: Desk, member: MakeMember) -> None:
    reader = (await member("reader")).actor
    async with desk.site.database.write() as tx:
        with pytest.raises(Refused, match="editors-only"):
            await articles.begin(tx, reader, language="en")
        article = await articles.begin(tx, desk.ada, language="en")
    assert await desk.refused(articles.ask_for_review, desk.ada, article) == {
        "title": "title-missing",
        "abstract": "article-abstract-length",
        "text": "text-missing",
        "themes": "article-theme-missing",
    }
    long = Draft("t" * 201, "a" * 501, "s" * 60_001, "en", tuple(range(1, 7)), "k", "")
    assert set(await desk.refused(articles.save, desk.ada, article, long)) == {
        "title", "abstract", "text", "themes", "picture_alt",
    }  # fmt: skip
    for wrong, field in (
        (replace(desk.draft, theme_ids=(desk.ada.id,)), "themes"),
        (replace(desk.draft, theme_ids=(10**17,)), "themes"),
        (replace(desk.draft, picture_key="f" * 32, picture_alt="x"), "picture"),
        (replace(desk.draft, picture_key="\0", picture_alt="x"), "picture"),
    ):
        assert list(await desk.refused(articles.save, desk.ada, article, wrong)) == [field]
    await desk.do(articles.save, desk.ada, article, desk.draft)
    assert await desk.refused(articles.approve, desk.ed, article) == "article-not-in-review"
    assert await desk.refused(articles.publish, desk.ada, article) == "article-not-approved"

    await desk.do(articles.ask_for_review, desk.ada, article)
    assert await desk.told("article-review") == {desk.ed.id, desk.boss.id}
    assert await desk.refused(articles.approve, desk.ada, article) == "own-article"
    assert await desk.refused(articles.approve, reader, article) == "editors-only"
    assert await desk.refused(articles.send_back, desk.ed, article, " ") == {"note": "article-note-missing"}
    await desk.do(articles.send_back, desk.ed, article, "Where is the map?")
    assert ((await desk.now(article)).state, (await desk.now(article)).note) == ("draft", "Where is the map?")
    assert await desk.told("article-returned") == {desk.ada.id}

    await desk.do(articles.ask_for_review, desk.ada, article)
    await desk.do(articles.approve, desk.ed, article)
    assert await desk.told("article-approved") == {desk.ada.id}
    await desk.do(articles.save, desk.ada, article, replace(desk.draft, theme_ids=desk.draft.theme_ids[:1]))
    assert (await desk.now(article)).state == "approved", "other themes are nothing to look at again"
    await desk.do(articles.save, desk.ada, article, replace(desk.draft, abstract="Another."))
    assert (await desk.now(article)).state == "review"
    assert await desk.refused(articles.publish, desk.ada, article) == "article-not-approved"
    await desk.do(articles.approve, desk.ed, article)

    post = await desk.do(articles.publish, desk.boss, article)
    assert (post.kind, post.part, post.abstract, post.author_id) == ("Article", "", "Another.", desk.ada.id)
    assert post.topic.group_id == desk.themes[0].actor_id
    assert post.topic.title == DRAFT.title
    assert await desk.told("article-published") == {desk.ada.id}
    assert await desk.refused(articles.publish, desk.boss, article) == "article-is-out"
    async with desk.site.database.read() as tx:
        found = await articles.of_topic(tx, post.topic_id)
        assert found is not None
        assert found.id == article.id
        entries = (await tx.execute(select(LogEntry).order_by(LogEntry.id))).scalars().all()
        said = [(entry.action, entry.actor_id, entry.about_id) for entry in entries if "article" in entry.action]
    yes = ("approve-article", desk.ed.id, desk.ada.id)
    assert said == [yes, yes, ("publish-article", desk.boss.id, desk.ada.id)]
    unknown = Article(id=10**15)
    async with desk.site.database.read() as tx:
        assert await articles.find(tx, unknown.id) is None


async def test_who_is_alone_needs_no_second_editor(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    ada, ed = await member("ada", site_role="editor"), await member("ed", site_role="editor")
    alone = Desk(site, ada, ed, ada, [await theme("mobility")])
    article = await alone.written()
    assert await alone.refused(articles.publish, ada.actor, article) == "article-not-approved"
    async with site.database.write() as tx:
        await tx.execute(update(Account).where(Account.actor_id == ed.actor_id).values(state="suspended"))
    assert await alone.refused(articles.ask_for_review, ada.actor, article) == "article-nobody-reviews"
    at = site.database.clock() + timedelta(hours=1)
    await alone.do(articles.schedule, ada.actor, article, at)
    await alone.do(articles.save, ada.actor, article, replace(alone.draft, title="Another title"))
    assert ((await alone.now(article)).state, (await alone.now(article)).publish_at) == ("draft", None)
    await alone.do(articles.publish, ada.actor, article)
    assert (await alone.now(article)).state == "published"


async def test_it_goes_out_at_its_time_once_or_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    article = await desk.approved()
    now = desk.site.database.clock()
    desk.site.database.clock = lambda: now
    for ahead, reason in ((-1, "article-time-is-past"), (0, "article-time-is-past"), (9000, "article-time-too-far")):
        at = now + timedelta(hours=ahead)
        assert await desk.refused(articles.schedule, desk.ada, article, at) == {"publish_at": reason}
    await desk.do(articles.schedule, desk.ada, article, now + timedelta(hours=1))
    await desk.do(articles.schedule, desk.ed, article, now + timedelta(hours=3))
    await desk.later(hours=2)
    await desk.come_due()
    assert (await desk.now(article)).state == "scheduled", "the first time was given up"
    await desk.do(articles.unschedule, desk.ada, article)
    await desk.later(hours=2)
    await desk.come_due()
    assert (await desk.now(article)).state == "approved"
    assert await desk.refused(articles.unschedule, desk.ada, article) == "article-not-scheduled"

    async def at_once() -> None:
        await desk.do(articles.schedule, desk.ada, article, desk.site.database.clock() + timedelta(hours=1))
        await desk.later(hours=1)
        await desk.come_due()

    for model, column, wrong, right in ((Actor, desk.ada.id, "suspended", "active"),
                                        (Actor, desk.themes[0].actor_id, "closed", "active")):  # fmt: skip
        await desk.do(articles.schedule, desk.ed, article, desk.site.database.clock() + timedelta(hours=1))
        async with desk.site.database.write() as tx:
            await tx.execute(update(model).where(model.id == column).values(state=wrong))
        await desk.later(hours=1)
        await desk.come_due()
        held = await desk.now(article)
        assert (held.state, held.publish_at, held.post_id) == ("approved", None, None)
        reason = "article-author-stopped" if column == desk.ada.id else "article-theme-closed"
        assert await desk.refused(articles.publish, desk.ed, article) == reason
        async with desk.site.database.write() as tx:
            await tx.execute(update(model).where(model.id == column).values(state=right))
    assert await desk.told("article-held") == {desk.ada.id, desk.ed.id, desk.boss.id}
    await at_once()
    out = await desk.now(article)
    assert out.state == "published"
    assert out.published_at == desk.site.database.clock()
    assert await desk.told("article-published") == {desk.ada.id}
    await desk.come_due()
    async with desk.site.database.read() as tx:
        assert len((await tx.execute(select(Topic))).scalars().all()) == 1


async def test_pictures_are_held_and_travel_as_image(desk: Desk) -> None:
    cover = await keep(desk.site, desk.ada, images.picture(), alt="On upload")
    inside = await keep(desk.site, desk.ed, images.picture("JPEG"), alt="Inside")
    foreign = await keep(desk.site, desk.boss, images.picture("GIF"))
    source = f"Look:\n\n{media.markdown_of(cover)}\n\n{media.markdown_of(inside)}\n\n{media.markdown_of(foreign)}"
    draft = replace(desk.draft, source=source, picture_key=cover.key, picture_alt="The harbour")
    article = await desk.written()
    assert await desk.refused(articles.save, desk.ada, article, replace(draft, picture_key=foreign.key)) == {
        "picture": "article-picture-unknown"
    }
    await desk.do(articles.save, desk.ada, article, replace(draft, source="Not yet."))
    await desk.do(articles.save, desk.ed, article, draft)
    await desk.do(articles.ask_for_review, desk.ada, article)
    await desk.do(articles.approve, desk.ada, article)
    await desk.later(hours=30)
    async with desk.site.database.write() as tx:
        await media.tidy(tx)
        assert set((await tx.execute(select(Media.id))).scalars()) == {cover.id, inside.id}, "held as long as it waits"
    post = await desk.do(articles.publish, desk.ed, article)
    assert post.html.count("<img") == 2

    [created] = await desk.sent("Create")
    note = created["object"]
    check(created)
    image = {"type": "Image", "mediaType": "image/webp", "name": "The harbour", "blurhash": cover.blurhash,
             "url": desk.site.settings.origin + media.address_of(cover),
             "width": cover.width, "height": cover.height}  # fmt: skip
    assert note["image"] == image
    assert [each["name"] for each in note["attachment"]] == ["Inside"], "the cover is no attachment as well"
    assert (note["type"], note["name"], note["summary"]) == ("Article", DRAFT.title, DRAFT.abstract)
    boosts = [each for each in await desk.sent("Announce") if each["object"] == note["id"]]
    assert [each["actor"] for each in boosts] == [theme.actor.uri for theme in desk.themes]

    # Its author edits it where every post is edited: what it shows stays, whoever uploaded it.
    async with desk.site.database.write() as tx:
        held = await tx.get_one(Post, post.id)
        written = await posts.compose(
            tx, source + "\n\nMore.", title="Retitled", pictures_of=desk.ada, shown_by=[f"post:{post.id}"]
        )
        await posts.edit(tx, desk.ada, held, written)
    kept = await desk.now(article)
    assert (kept.title, kept.source.endswith("More."), kept.abstract) == ("Retitled", True, DRAFT.abstract)
    await desk.do(articles.save, desk.boss, article, replace(
        draft, title="Retitled", source=kept.source, picture_alt="The old harbour", theme_ids=()))  # fmt: skip
    *_, edited, update_ = await desk.sent("Update")
    assert update_["object"]["image"]["name"] == "The old harbour"
    assert update_["object"]["updated"] > edited["object"]["updated"]
    await desk.do(articles.save, desk.boss, article, replace(draft, title="Retitled", source=kept.source,
                                                             picture_key=""))  # fmt: skip
    assert "image" not in (await desk.sent("Update"))[-1]["object"]
    async with desk.site.database.read() as tx:
        batch = await documents.notes(tx, await topics.openers(tx, desk.themes[0].actor_id))
        holders = set((await tx.execute(select(MediaUse.holder))).scalars())
    assert "image" not in batch[0]
    assert holders == {f"post:{post.id}", f"article:{article.id}"}


async def test_once_it_is_out_the_row_follows(desk: Desk, theme: MakeTheme) -> None:
    article = await desk.approved()
    early = articles.mark(await desk.now(article))
    post = await desk.do(articles.publish, desk.ada, article)
    assert await desk.refused(articles.save, desk.ed, article, desk.draft, seen=early) == {
        "text": "article-changed-meanwhile"
    }
    seen = articles.mark(await desk.now(article))
    corrected = replace(desk.draft, theme_ids=(), title="Corrected", abstract="Better.", source="The text.")
    await desk.do(articles.save, desk.ed, article, corrected, seen=seen)
    assert await desk.refused(articles.save, desk.ada, article, corrected, seen=seen) == {
        "text": "article-changed-meanwhile"
    }
    moved = replace(corrected, theme_ids=(desk.themes[1].actor_id,))
    assert await desk.refused(articles.save, desk.ed, article, moved) == {"themes": "article-themes-stay"}
    async with desk.site.database.read() as tx:
        held = await posts.one(tx, post.id)
        assert held is not None
        assert (held.topic.title, held.abstract, held.source) == ("Corrected", "Better.", "The text.")
        assert held.author_id == desk.ada.id
        assert (await tx.get_one(Article, article.id)).editor_id == desk.ed.id
        earlier = (await tx.execute(select(Revision))).scalars().one()
        assert (earlier.title, earlier.source) == (DRAFT.title, DRAFT.source)
    [update_] = await desk.sent("Update")
    assert (update_["actor"], update_["object"]["summary"]) == (desk.ada.uri, "Better.")
    await desk.do(articles.save, desk.ed, article, corrected)
    assert len(await desk.sent("Update")) == 1, "nothing was changed"

    energy = await theme("energy")
    async with desk.site.database.write() as tx:
        topic = await tx.get_one(Topic, post.topic_id)
        await topics.retitle(tx, desk.boss, topic, "As a moderator has it")
        await topics.move(tx, desk.boss, topic, energy)
    async with desk.site.database.read() as tx:
        assert (await tx.get_one(Article, article.id)).title == "As a moderator has it"
        themes = (await articles.themes_of(tx, [article.id]))[article.id]
        assert [each.slug for each in themes] == ["energy", "water"]

    async with desk.site.database.write() as tx:
        await tx.execute(update(Actor).where(Actor.id == desk.ada.id).values(state="suspended"))
    again = replace(corrected, title="Not in their name")
    assert await desk.refused(articles.save, desk.ed, article, again) == "article-author-stopped"
    async with desk.site.database.write() as tx:
        await tx.execute(update(Actor).where(Actor.id == desk.ada.id).values(state="active"))

    async with desk.site.database.write() as tx:
        await posts.erase(tx, desk.boss, await tx.get_one(Post, post.id), reason="It is not true.")
        assert await articles.published(tx) == []
    back = await desk.now(article)
    assert (back.state, back.post_id, back.published_at, back.reviewer_id) == ("draft", None, None, None)
    assert back.source == "The text."
    undone = [each["object"] for each in await desk.sent("Undo")]
    assert {(each["actor"], each["object"]) for each in undone} >= {(desk.themes[1].actor.uri, post.uri)}
    await desk.do(articles.ask_for_review, desk.ada, article)
    await desk.do(articles.approve, desk.boss, article)
    second = await desk.do(articles.publish, desk.ed, article)
    assert second.topic_id != post.topic_id


async def test_lists_show_one_of_each_family(desk: Desk) -> None:
    first = await desk.approved(replace(desk.draft, title="First"))
    french = await desk.approved(
        replace(desk.draft, title="Premier", language="fr", theme_ids=desk.draft.theme_ids[:1]), translation_of=first
    )
    async with desk.site.database.write() as tx:
        with pytest.raises(Invalid) as wrong:
            await articles.begin(tx, desk.ed, language="fr", translation_of=first)
        copied = await articles.begin(tx, desk.ed, language="es", translation_of=french)
        assert [each.slug for each in (await articles.themes_of(tx, [copied.id]))[copied.id]] == ["mobility"]
        assert copied.family == first.id
    assert wrong.value.fields == {"language": "article-language-taken"}
    assert await desk.refused(articles.save, desk.ed, copied, replace(DRAFT, language="fr")) == {
        "language": "article-language-taken"
    }
    assert await desk.refused(articles.discard, desk.ada, copied) == "only-the-author"
    await desk.do(articles.discard, desk.ed, copied)
    other = await desk.approved(replace(desk.draft, title="Other", theme_ids=desk.draft.theme_ids[1:]))
    for article in (first, french, other):
        await desk.later(minutes=1)
        await desk.do(articles.publish, desk.ada, article)
    assert await desk.refused(articles.discard, desk.ada, first) == "article-is-no-draft"

    async def titles(tx: Tx, **given: Any) -> list[tuple[str, list[str]]]:
        return [(row.article.title, row.languages) for row in await articles.published(tx, **given)]

    mobility, water = (theme.actor_id for theme in desk.themes)
    async with desk.site.database.read() as tx:
        assert await titles(tx) == [("Other", []), ("First", ["fr"])]
        assert await titles(tx, language="fr") == [("Other", []), ("Premier", ["en"])]
        assert await titles(tx, theme_id=water, language="fr") == [("Other", []), ("First", ["fr"])]
        assert await titles(tx, theme_id=mobility, language="de") == [("First", ["fr"])]
        assert await titles(tx, page=2, limit=1) == [("First", ["fr"])]
        [found] = await articles.translations(tx, await tx.get_one(Article, first.id))
        assert found.title == "Premier"
        assert found.post is not None
        assert found.post.topic.title == "Premier"
    async with desk.site.database.write() as tx:
        held = await tx.get_one(Article, first.id)
        await posts.erase(tx, desk.ada, await tx.get_one(Post, held.post_id))
    async with desk.site.database.read() as tx:
        assert await titles(tx) == [("Other", []), ("Premier", [])], "without the original, what there is"
