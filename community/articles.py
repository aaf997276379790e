"""The blog: what editors write, from the first draft to the article that is out and its corrections.

A second editor looks at everything before it goes out, unless there is none. Once it is published an article is the
opener of a topic like any other, written by its author; this row follows what becomes of that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select

from community import groups, jobs, media, notifications, posts, text, topics
from community.article_lists import PAGE as PAGE
from community.article_lists import Listed as Listed
from community.article_lists import covers as covers
from community.article_lists import desk as desk
from community.article_lists import family_of as family_of
from community.article_lists import find as find
from community.article_lists import of_topic as of_topic
from community.article_lists import published as published
from community.article_lists import reach as reach
from community.article_lists import themes_of as themes_of
from community.article_lists import themes_of_one as themes_of_one
from community.article_lists import translations as translations
from community.article_models import Article, ArticleTheme
from community.db import Tx
from community.events import ArticleChanged, PostCreated, PostDeleted, PostEdited, TopicChanged, emit, on
from community.media_models import Media
from community.members import Invalid
from community.models import Account, Actor, Job, LogEntry, Post, Topic
from community.policy import Refused, refusal, require, standing

ABSTRACT_MAX = 500
THEMES_MAX = 5
AHEAD_MAX = timedelta(days=366)
# Who passes the rule write-article, as accounts are asked for.
EDITORS = ("editor", "moderator", "admin")
_CHECKED = ("approved", "scheduled")  # a second editor said yes


@dataclass(frozen=True)
class Draft:
    """An article as it was typed. The first of ``theme_ids`` holds its topic; ``picture_key`` '' is no picture."""

    title: str
    abstract: str
    source: str
    language: str
    theme_ids: tuple[int, ...] = ()
    picture_key: str = ""
    picture_alt: str = ""


# --- Writing ---------------------------------------------------------------------------------------------------------


def path_of(article: Article) -> str:
    """Where editors work on it."""
    return f"/staff/articles/{article.id}"


def holder_of(article: Article) -> str:
    """What holds its pictures, see ``media.hold``."""
    return f"article:{article.id}"


async def begin(
    tx: Tx, by: Actor, *, language: str, translation_of: Article | None = None, theme_ids: Iterable[int] = ()
) -> Article:
    """A draft. A translation begins with the themes and the picture of what it translates. Raises Invalid, Refused."""
    by = await tx.own(by)
    require("write-article", await standing(tx, by))
    original = await tx.lock(Article, translation_of.id) if translation_of is not None else None
    article = Article(
        author_id=by.id, editor_id=by.id, state="draft", title="", abstract="", source="", language=language,
        picture_alt="", note="", created_at=tx.now, changed_at=tx.now,
    )  # fmt: skip
    article.author = by
    article.picture = None
    if original is not None:
        await _require_language(tx, original.family, 0, language)
        article.picture, article.picture_id = original.picture, original.picture_id
        theme_ids = [theme.actor_id for theme in await themes_of_one(tx, original.id)]
    tx.add(article)
    await tx.flush()
    article.family = original.family if original is not None else article.id
    await _put_themes(tx, article, tuple(theme_ids))
    await _hold(tx, article, ())
    return article


async def _require_language(tx: Tx, family: int, article_id: int, language: str) -> None:
    """One article for each language of a family."""
    query = select(Article.id).where(Article.family == family, Article.language == language, Article.id != article_id)
    if (await tx.execute(query.limit(1))).first() is not None:
        raise Invalid(language="article-language-taken")


async def _put_themes(tx: Tx, article: Article, theme_ids: tuple[int, ...]) -> None:
    await tx.execute(delete(ArticleTheme).where(ArticleTheme.article_id == article.id))
    for place, theme_id in enumerate(theme_ids):
        tx.add(ArticleTheme(article_id=article.id, theme_id=theme_id, place=place))
    await tx.flush()


def mark(article: Article) -> str:
    """Changes with what was written: who sends a form that was opened before that is told so."""
    said = (article.title, article.abstract, article.source, article.language, article.picture_alt)
    rest = (article.picture_id, article.changed_at.isoformat(), article.state == "published")
    return hashlib.sha256("\0".join((*said, *map(str, rest))).encode()).hexdigest()[:16]


def _as_kept(draft: Draft) -> Draft:
    return replace(
        draft,
        title=" ".join(draft.title.split()),
        abstract=" ".join(draft.abstract.split()),
        source=draft.source.replace("\r\n", "\n").strip(),
        theme_ids=tuple(dict.fromkeys(draft.theme_ids)),
        picture_alt=" ".join(draft.picture_alt.split()) if draft.picture_key else "",
    )


def _complaints(draft: Draft, *, is_complete: bool) -> dict[str, str]:
    """What cannot be kept; ``is_complete`` also wants everything that an article has to have before others see it."""
    wrong = {}
    if len(draft.title) > topics.MAX_TITLE:
        wrong["title"] = "title-too-long"
    if len(draft.abstract) > ABSTRACT_MAX:
        wrong["abstract"] = "article-abstract-length"
    if len(draft.source) > text.MAX_SOURCE:
        wrong["text"] = "text-too-long"
    if len(draft.theme_ids) > THEMES_MAX:
        wrong["themes"] = "article-themes-many"
    if not draft.language:
        wrong["language"] = "article-language-missing"
    if draft.picture_key and not draft.picture_alt:
        wrong["picture_alt"] = "article-alt-missing"
    if len(draft.picture_alt) > media.ALT_MAX:
        wrong["picture_alt"] = "alt-too-long"
    if is_complete:
        if len(draft.title) < 3:
            wrong["title"] = "title-missing"
        if not draft.abstract:
            wrong["abstract"] = "article-abstract-length"
        if not draft.source:
            wrong["text"] = "text-missing"
        if not draft.theme_ids:
            wrong["themes"] = "article-theme-missing"
    return wrong


async def kept(tx: Tx, article: Article) -> Draft:
    """What is kept of an article, as a draft."""
    return Draft(
        article.title, article.abstract, article.source, article.language,
        tuple(theme.actor_id for theme in await themes_of_one(tx, article.id)),
        article.picture.key if article.picture is not None else "", article.picture_alt,
    )  # fmt: skip


async def _find_picture(tx: Tx, by: Actor, article: Article, key: str) -> Media | None:
    """The picture with this key: of whoever sends the form, of the author, or the one that is there."""
    if not key:
        return None
    if article.picture is not None and article.picture.key == key:
        return article.picture
    is_key = re.fullmatch("[0-9a-f]{32}", key) is not None
    found = await media.find(tx, by, key) or await media.find(tx, article.author, key) if is_key else None
    if found is None:
        raise Invalid(picture="article-picture-unknown")
    return found


async def _hold(tx: Tx, article: Article, editors: Sequence[Actor]) -> None:
    """Hold the cover and what the text shows: pictures of the author, of these editors, and those that an article of
    the family showed already."""
    family = await _holders(tx, article.family)
    ids = [] if article.picture_id is None else [article.picture_id]
    for owner in (article.author, *editors):
        ids += [found.id for found in (await media.named_in(tx, owner, article.source, family)).values()]
    await media.release(tx, holder_of(article))
    await media.hold(tx, holder_of(article), list(dict.fromkeys(ids)))


async def _holders(tx: Tx, family: int) -> list[str]:
    """What holds the pictures of each article of a family."""
    return [holder_of(each) for each in (await tx.execute(select(Article).where(Article.family == family))).scalars()]


async def preview(tx: Tx, by: Actor, article: Article, source: str) -> str:
    """The text as readers will see it, once it is saved. Raises Invalid."""
    shown = await posts.compose(tx, source, pictures_of=by, shown_by=await _holders(tx, article.family))
    return shown.html


async def _written(tx: Tx, article: Article) -> posts.Written:
    """What goes out. Its pictures are those that the row holds. Raises Invalid."""
    written = await posts.compose(
        tx, article.source, title=article.title, language=article.language, pictures_of=article.author,
        shown_by=[holder_of(article)],
    )  # fmt: skip
    return replace(written, abstract=article.abstract)


async def _open(tx: Tx, by: Actor, article: Article) -> tuple[Actor, Article]:
    by, article = await tx.own(by), await tx.lock(Article, article.id)
    require("write-article", await standing(tx, by), article)
    return by, article


async def save(tx: Tx, by: Actor, article: Article, draft: Draft, *, seen: str = "") -> None:
    """Keep what was typed; of a published article this is a correction, which goes wherever it went. ``seen`` is the
    mark of what the form began with. Raises Invalid, Refused."""
    by, article = await _open(tx, by, article)
    draft, held = _as_kept(draft), await kept(tx, article)
    is_out = article.state == "published"
    if is_out:
        if draft.theme_ids and draft.theme_ids != held.theme_ids:
            raise Invalid(themes="article-themes-stay")
        draft = replace(draft, theme_ids=held.theme_ids)
    wrong = _complaints(draft, is_complete=article.state != "draft")
    if wrong:
        raise Invalid(**wrong)
    if seen and seen != mark(article):
        raise Invalid(text="article-changed-meanwhile")
    if draft == held:
        return
    picture = await _find_picture(tx, by, article, draft.picture_key)
    if draft.language != held.language:
        await _require_language(tx, article.family, article.id, draft.language)
    if draft.theme_ids != held.theme_ids:
        await _check_themes(tx, draft.theme_ids, held.theme_ids)
        await _put_themes(tx, article, draft.theme_ids)
    article.title, article.abstract, article.source = draft.title, draft.abstract, draft.source
    article.language, article.picture_alt = draft.language, draft.picture_alt
    article.picture, article.picture_id = picture, picture.id if picture is not None else None
    article.editor_id, article.changed_at = by.id, tx.now
    await tx.flush()
    await _hold(tx, article, [by])
    if is_out:
        await _note_correction(tx, by, article)
        await _correct(tx, article, is_beside_text=(held.picture_key, held.picture_alt, held.language)
                       != (draft.picture_key, draft.picture_alt, draft.language))  # fmt: skip
    elif article.state in _CHECKED and replace(held, theme_ids=()) != replace(draft, theme_ids=()):
        await _unschedule(tx, article)
        article.reviewer_id = None
        await _wait_for_review(tx, by, article)


async def _check_themes(tx: Tx, theme_ids: Sequence[int], known: Sequence[int]) -> None:
    """New ones have to be open themes of this instance."""
    new = [id_ for id_ in theme_ids if id_ not in known]
    query = select(func.count()).select_from(Actor).where(
        Actor.id.in_(new), Actor.id.in_(groups.ours()), Actor.state == "active"
    )  # fmt: skip
    if (await tx.execute(query)).scalar_one() != len(new):
        raise Invalid(themes="theme-unknown")


async def discard(tx: Tx, by: Actor, article: Article) -> None:
    """Throw a draft away, for good: its author, or staff. Raises Refused."""
    by, article = await _open(tx, by, article)
    if article.state != "draft":
        raise Refused("article-is-no-draft")
    if by.id != article.author_id and not (await standing(tx, by)).is_staff:
        raise Refused("only-the-author")
    await media.release(tx, holder_of(article))
    await tx.execute(delete(ArticleTheme).where(ArticleTheme.article_id == article.id))
    await tx.delete(article)
    await tx.flush()


# --- A second pair of eyes -------------------------------------------------------------------------------------------


async def _require_complete(tx: Tx, article: Article) -> None:
    wrong = _complaints(await kept(tx, article), is_complete=True)
    if not wrong:
        try:
            await _written(tx, article)
        except Invalid as error:
            wrong = error.fields
    if wrong:
        raise Invalid(**wrong)


async def _wait_for_review(tx: Tx, by: Actor, article: Article) -> None:
    """Tell the other editors that something waits; where there is none, it is the author's own again."""
    article.state = "review" if await has_reviewer(tx, article) else "draft"
    await tx.flush()
    if article.state == "review":
        await notifications.tell_staff(tx, "article-review", by, path=path_of(article), with_editors=True)
        await emit(tx, ArticleChanged(article, by, "review"))


async def has_reviewer(tx: Tx, article: Article) -> bool:
    """Whether anybody but the author could look at it."""
    query = (
        select(Account.actor_id)
        .join(Actor, Actor.id == Account.actor_id)
        .where(
            Account.state == "active", Account.site_role.in_(EDITORS), Account.actor_id != article.author_id,
            Actor.state == "active", Actor.moved_to == "",
        )
        .limit(1)
    )  # fmt: skip
    return (await tx.execute(query)).first() is not None


async def is_alone(tx: Tx, by: Actor, article: Article) -> bool:
    """Whether the author may publish without a second editor, since there is none."""
    return by.id == article.author_id and not await has_reviewer(tx, article)


async def ask_for_review(tx: Tx, by: Actor, article: Article) -> None:
    """Have another editor look at a draft. Raises Invalid where something is missing in it, Refused."""
    by, article = await _open(tx, by, article)
    if article.state != "draft":
        raise Refused("article-is-no-draft")
    if not await has_reviewer(tx, article):
        raise Refused("article-nobody-reviews")
    await _require_complete(tx, article)
    article.note = ""
    await _wait_for_review(tx, by, article)


async def approve(tx: Tx, by: Actor, article: Article) -> None:
    """Say yes to an article that waits for review. Raises Invalid, Refused."""
    by, article = await _open(tx, by, article)
    require("approve-article", await standing(tx, by), article)
    if article.state != "review":
        raise Refused("article-not-in-review")
    await _require_complete(tx, article)
    article.state, article.reviewer_id, article.note = "approved", by.id, ""
    tx.add(LogEntry(at=tx.now, actor_id=by.id, action="approve-article", about_id=article.author_id))
    await _tell_author(tx, by, article, "article-approved")
    await tx.flush()
    await emit(tx, ArticleChanged(article, by, "approved"))


async def send_back(tx: Tx, by: Actor, article: Article, note: str = "") -> None:
    """Make it a draft again: a second editor says why in ``note``, the author takes it back. Raises Invalid and
    Refused."""
    by, article = await _open(tx, by, article)
    if article.state not in ("review", *_CHECKED):
        raise Refused("article-not-in-review")
    note = note.replace("\r\n", "\n").strip()
    if by.id != article.author_id and not note:
        raise Invalid(note="article-note-missing")
    if len(note) > 2000:
        raise Invalid(note="text-too-long")
    await _unschedule(tx, article)
    article.state, article.note = "draft", note
    article.reviewer_id = None if by.id == article.author_id else by.id
    await _tell_author(tx, by, article, "article-returned")
    await tx.flush()
    await emit(tx, ArticleChanged(article, by, "returned"))


async def _tell_author(tx: Tx, by: Actor, article: Article, kind: str, post_id: int | None = None) -> None:
    if by.id != article.author_id and article.author.is_local:
        path = path_of(article) if post_id is None else ""
        notifications.tell(tx, article.author_id, kind, by.id, post_id=post_id, path=path)


# --- Its time --------------------------------------------------------------------------------------------------------


async def obstacle(tx: Tx, article: Article) -> str | None:
    """Why it could not go out now, whoever publishes it: the key of a sentence."""
    themes = await themes_of_one(tx, article.id)
    if not themes:
        return "article-theme-missing"
    reason = refusal("open-topic", await standing(tx, article.author, themes[0].actor_id), themes[0].actor)
    if reason is None:
        return None
    return "article-theme-closed" if reason == "theme-is-closed" else "article-author-stopped"


async def _require_ready(tx: Tx, by: Actor, article: Article) -> None:
    if article.state == "published":
        raise Refused("article-is-out")
    if article.state not in _CHECKED and not await is_alone(tx, by, article):
        raise Refused("article-not-approved")
    await _require_complete(tx, article)
    reason = await obstacle(tx, article)
    if reason is not None:
        raise Refused(reason)


async def schedule(tx: Tx, by: Actor, article: Article, at: datetime) -> None:
    """Have it go out by itself. Raises Invalid, Refused."""
    by, article = await _open(tx, by, article)
    if not tx.now < at <= tx.now + AHEAD_MAX:
        raise Invalid(publish_at="article-time-is-past" if at <= tx.now else "article-time-too-far")
    await _require_ready(tx, by, article)
    await _unschedule(tx, article)
    article.state, article.publish_at = "scheduled", at
    await jobs.add(tx, "publish-article", {"article": article.id}, key=holder_of(article), run_at=at)
    await tx.flush()
    await emit(tx, ArticleChanged(article, by, "scheduled"))


async def unschedule(tx: Tx, by: Actor, article: Article) -> None:
    """Hold it back: approved, it waits for somebody to publish it. Raises Refused."""
    by, article = await _open(tx, by, article)
    if article.state != "scheduled":
        raise Refused("article-not-scheduled")
    await _unschedule(tx, article)
    await tx.flush()
    await emit(tx, ArticleChanged(article, by, "approved"))


async def _unschedule(tx: Tx, article: Article) -> None:
    query = delete(Job).where(Job.key == holder_of(article)).execution_options(synchronize_session=False)
    await tx.execute(query)
    article.publish_at = None
    if article.state == "scheduled":
        article.state = "approved"


async def publish(tx: Tx, by: Actor, article: Article) -> Post:
    """Send it out now, whatever its time; answers its opener. Raises Invalid, Refused."""
    by, article = await _open(tx, by, article)
    await _require_ready(tx, by, article)
    return await _publish(tx, by, article)


_GOING_OUT = "article that is going out"


async def _publish(tx: Tx, by: Actor, article: Article) -> Post:
    await _unschedule(tx, article)
    theme = (await themes_of_one(tx, article.id))[0]
    written = await _written(tx, article)
    tx.noted[_GOING_OUT] = article
    try:
        post = await topics.open(tx, article.author, theme.actor, written)
    finally:
        tx.noted.pop(_GOING_OUT, None)
    article.state, article.published_at, article.note = "published", tx.now, ""
    tx.add(
        LogEntry(
            at=tx.now, actor_id=by.id, action="publish-article", group_id=theme.actor_id, topic_id=post.topic_id,
            post_id=post.id, about_id=article.author_id,
        )
    )  # fmt: skip
    await _tell_author(tx, by, article, "article-published", post.id)
    await tx.flush()
    tx.signal("anything")
    await emit(tx, ArticleChanged(article, by, "published"))
    return post


@on(PostCreated)
async def take_its_post(tx: Tx, event: PostCreated) -> None:
    """The row knows its post before anybody makes a document of it, which names the picture."""
    article = tx.noted.get(_GOING_OUT)
    if isinstance(article, Article) and event.post.number == 1 and event.author.id == article.author_id:
        article.post_id = event.post.id
        await tx.flush()


@jobs.works("publish-article")
async def publish_scheduled(site: Any, claimed: list[jobs.Claimed]) -> list[jobs.Result]:
    """Articles whose time has come. The end of the job commits with what it did."""
    for job in claimed:
        async with site.database.write() as tx:
            await jobs.finish(tx, [job])
            article = await tx.get(Article, job.argument["article"])
            if article is not None:
                await come_due(tx, await tx.lock(Article, article.id))
    return []


async def come_due(tx: Tx, article: Article) -> None:
    """Publish what is scheduled for now or before. What cannot go out waits for its editors, who are told."""
    if article.state != "scheduled" or article.publish_at is None or article.publish_at > tx.now:
        return
    if await obstacle(tx, article) is None:
        try:
            await _require_complete(tx, article)
        except Invalid:
            pass
        else:
            await _publish(tx, await groups.clerk(tx), article)
            return
    await _unschedule(tx, article)
    house = await groups.clerk(tx)
    await notifications.tell_staff(tx, "article-held", house, path=path_of(article), with_editors=True)


# --- Once it is out --------------------------------------------------------------------------------------------------


async def _correct(tx: Tx, article: Article, *, is_beside_text: bool) -> None:
    """Edit the opener in the author's name; what stands beside the text is told as well. Raises Invalid, Refused."""
    post = await tx.get_one(Post, article.post_id)
    topic = await tx.get_one(Topic, post.topic_id)
    if refusal("edit", await standing(tx, article.author, topic.group_id), post) is not None:
        raise Refused("article-author-stopped")
    written = await _written(tx, article)
    if await posts.edit(tx, article.author, post, written):
        return
    if is_beside_text:
        post.language = article.language
        posts.mark_edited(tx, post)
        post.topic, post.author = topic, article.author
        await tx.flush()
        tx.signal(f"topic:{topic.id}", post)
        await emit(tx, PostEdited(post, topic, article.author, written.mentioned))


async def _note_correction(tx: Tx, by: Actor, article: Article) -> None:
    """What goes out in somebody's name and is another's stands in the log."""
    if by.id != article.author_id:
        post = await tx.get_one(Post, article.post_id)
        topic = await tx.get_one(Topic, post.topic_id)
        entry = LogEntry(at=tx.now, actor_id=by.id, action="correct-article", group_id=topic.group_id)
        entry.topic_id, entry.post_id, entry.about_id = topic.id, post.id, article.author_id
        tx.add(entry)


async def _of_post(tx: Tx, post: Post) -> Article | None:
    if post.kind != "Article" or post.number != 1:
        return None
    return (await tx.execute(select(Article).where(Article.post_id == post.id))).scalar_one_or_none()


@on(PostEdited)
async def follow_edit(tx: Tx, event: PostEdited) -> None:
    """Its author may also have edited it where every post is edited."""
    article = await _of_post(tx, event.post)
    if article is None:
        return
    said = (event.topic.title, event.post.abstract, event.post.source)
    if said != (article.title, article.abstract, article.source):
        article.title, article.abstract, article.source = said
        article.editor_id, article.changed_at = event.author.id, tx.now
        await tx.flush()
        await _hold(tx, article, ())
    await emit(tx, ArticleChanged(article, await tx.get_one(Actor, article.editor_id), "edited"))


@on(PostDeleted)
async def take_back(tx: Tx, event: PostDeleted) -> None:
    """An article that is deleted is a draft again. Who hears of it still finds its post in the row."""
    article = await _of_post(tx, event.post)
    if article is None:
        return
    await emit(tx, ArticleChanged(article, event.by, "withdrawn"))
    article.state, article.post_id, article.published_at = "draft", None, None
    article.reviewer_id = None
    await tx.flush()


@on(TopicChanged)
async def follow_topic(tx: Tx, event: TopicChanged) -> None:
    """Moderators give topics other titles and move them."""
    if event.what not in ("title", "move"):
        return
    article = await of_topic(tx, event.topic.id)
    if article is None:
        return
    if event.what == "title":
        article.title = event.topic.title
    else:
        others = [theme.actor_id for theme in await themes_of_one(tx, article.id)]
        new = (event.topic.group_id, *(id_ for id_ in others[1:] if id_ != event.topic.group_id))
        await _put_themes(tx, article, new)
    article.changed_at = tx.now
    await tx.flush()
