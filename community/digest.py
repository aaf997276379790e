"""What comes out of a debate in one text: a draft that the house makes when it ends, which staff look over before it
goes out as an article in the debate's theme.

Draft and article are never the same row: until it is sent nothing of it has an address.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt

from sqlalchemy import func, select

from community import (
    cards,
    clerk,
    debates,
    groups,
    notifications,
    polls,
    posts,
    questions,
    record,
    swing,
    text,
    topics,
)
from community.db import Tx
from community.debate_models import Debate, Question
from community.events import DebateChanged, PostDeleted, emit, on
from community.members import Invalid
from community.models import Actor, Ballot, PollOption, Post, Reaction
from community.policy import Refused, require

SUMMARY_MAX = 500
ARGUMENTS = 3
QUESTIONS = 10
EXCERPT = 400
SIDES = {"for": "against", "against": "for"}
# A like of somebody whose side nobody knows says little about approval across camps.
UNKNOWN_WEIGHT = 0.25


# --- The strongest arguments -----------------------------------------------------------------------------------------


def strength(side: str, likes: Mapping[str, int]) -> float:
    """How strong an argument for ``side`` is, by the camps of those who like it: for, undecided, against, '' unknown.

    The geometric mean of (likes of one's own camp + 1) and (likes of the other camp and of the undecided + 1). Applause
    from one side alone grows with its root only: nine likes from one's own camp weigh as much as two of its and two of
    the others'. A like from an unknown camp is a quarter of one from the own.
    """
    own = likes.get(side, 0) + UNKNOWN_WEIGHT * likes.get("", 0)
    others = likes.get(SIDES[side], 0) + likes.get("undecided", 0)
    return sqrt((own + 1) * (others + 1))


async def camps(tx: Tx, debate: Debate) -> dict[int, str]:
    """Where everybody stands, by the actor's id: their ballot in the closing poll, else in the opening poll, else the
    side for which they wrote most. Who is not in it did neither, or wrote as much for both."""
    written: defaultdict[int, dict[str, int]] = defaultdict(dict)
    rows = await tx.execute(
        select(Post.author_id, Post.position, func.count())
        .where(Post.topic_id == debate.topic_id, Post.position.in_(SIDES), Post.part == "", Post.deleted_at.is_(None))
        .group_by(Post.author_id, Post.position)
    )
    for author_id, position, count in rows:
        written[author_id][position] = count
    found = {}
    for author_id, counts in written.items():
        pro, contra = counts.get("for", 0), counts.get("against", 0)
        if pro != contra:
            found[author_id] = "for" if pro > contra else "against"
    for part in (swing.OPENING, swing.CLOSING):
        post = await debates.part_of(tx, debate, part)
        if post is not None and await polls.find(tx, post.id) is not None:
            ballots = await tx.execute(
                select(Ballot.actor_id, PollOption.position)
                .join(PollOption, PollOption.id == Ballot.option_id)
                .where(Ballot.post_id == post.id)
            )
            found |= {actor_id: clerk.SIDES[position] for actor_id, position in ballots}
    return found


@dataclass(frozen=True)
class Argument:
    """A post among the strongest of its side; its author is loaded."""

    post: Post
    strength: float


async def strongest(tx: Tx, debate: Debate, *, limit: int = ARGUMENTS) -> dict[str, list[Argument]]:
    """The strongest arguments of each side. Equal ones by all their likes, then the older first."""
    said = (Post.topic_id == debate.topic_id) & Post.position.in_(SIDES) & (Post.part == "") & record.is_public()
    rows = await tx.execute(
        select(Post.id, Post.position, Post.like_count_here + Post.like_count_elsewhere)
        .join(Actor, Actor.id == Post.author_id)
        .where(said)
        .order_by(Post.number)
    )
    candidates = [(id_, position, likes) for id_, position, likes in rows]
    camp_of = await camps(tx, debate)
    liked: defaultdict[int, Counter[str]] = defaultdict(Counter)
    reactions = await tx.execute(
        select(Reaction.post_id, Reaction.actor_id)
        .join(Post, Post.id == Reaction.post_id)
        .where(Post.topic_id == debate.topic_id, Post.position.in_(SIDES), Reaction.value == 1)
    )
    for post_id, actor_id in reactions:
        liked[post_id][camp_of.get(actor_id, "")] += 1
    best: dict[str, list[Argument]] = {}
    for side in SIDES:
        rated = [(-strength(side, liked[id_]), -likes, id_) for id_, position, likes in candidates if position == side]
        chosen = sorted(rated)[:limit]
        shown = await record.load(tx, [id_ for *_, id_ in chosen])
        rates = {id_: -rate for rate, _, id_ in chosen}
        best[side] = [Argument(post, rates[post.id]) for post in shown]
    return best


# --- The draft -------------------------------------------------------------------------------------------------------


def _address(tx: Tx, post: Post) -> str:
    return f"{tx.settings.origin}/p/{post.id}"


def _host(tx: Tx, actor: Actor) -> str:
    """Where somebody is at home, in words: no link is made of it."""
    return (actor.host or tx.settings.host).replace(".", "\\.")


def _quoted(tx: Tx, post: Post) -> str:
    """An argument with its author, their server and the way to it; by the handle its author is told."""
    author = post.author
    where = "" if author.host else f", {_host(tx, author)}"
    return (
        f"> {text.literal(text.excerpt(post.html, EXCERPT))}\n\n"
        f"— **{cards.name_of(author)}** ({cards.handle_of(author)}){where} · [#{post.number}]({_address(tx, post)})"
    )


def _asked(tx: Tx, debate: Debate, question: Question) -> str:
    answer = question.answer if record.may_be_told(question.answer) else None
    number = f"**Q{question.number}** " if question.number else ""
    words = {
        "question": number + text.literal(text.excerpt(cards.html_of(question.post, question.card), 250)),
        "asker": f"{cards.name_of(question.post.author)}, {_host(tx, question.post.author)}",
        "link": _address(tx, answer or question.card or question.post),
    }
    if answer is None:
        return "- " + clerk.says(debate.language, "digest-question-open", **words)
    return "- " + clerk.says(debate.language, "digest-question-answered", **words, by=cards.name_of(answer.author))


async def _questions(tx: Tx, debate: Debate) -> dict[str, str]:
    """The questions with and without an answer, those with the most votes first."""
    found = [each for each in await record.questions(tx, debate) if each.state in ("asked", "accepted", "answered")]
    votes = await questions.votes(tx, debate.actor_id)
    lists = {}
    for key in ("digest-answered", "digest-open"):
        is_answered = key == "digest-answered"
        some = [each for each in found if record.may_be_told(each.answer) == is_answered]
        some = sorted(some, key=lambda each: -sum(votes.get(each.id, ())))[:QUESTIONS]
        lists[key] = "\n".join(_asked(tx, debate, each) for each in some)
    return lists


async def _result(tx: Tx, debate: Debate, taken: swing.Swing) -> str:
    lines = [swing.in_words(taken, debate.language)]
    if taken.both is not None:
        changed = taken.both.voters - taken.both.stayed
        lines.append(clerk.says(debate.language, "result-both", voters=taken.both.voters, changed=changed))
    said = await record.voices(tx, debate)
    counted = {"posts": said.posts, "people": said.people, "servers": said.servers}
    lines.append(clerk.says(debate.language, "digest-voices", **counted))
    return "\n\n".join(lines)


async def write(tx: Tx, debate: Debate) -> None:
    """Make the draft, or make it anew from how things are now. What staff had changed in it goes."""
    language, taken = debate.language, await swing.measure(tx, debate)
    words = debates.words_of(tx, debate)
    best, asked = await strongest(tx, debate), await _questions(tx, debate)
    nothing = clerk.says(language, "digest-none")
    sections = [("digest-result", await _result(tx, debate, taken))]
    for side in SIDES:
        quoted = "\n\n".join(_quoted(tx, argument.post) for argument in best[side])
        sections.append((f"digest-{side}", quoted or nothing))
    sections += [(key, asked[key]) for key in ("digest-answered", "digest-open") if asked[key]]
    if debate.conclusion_source:
        sections.append(("digest-conclusion", debate.conclusion_source))
    sections.append(("digest-next", clerk.says(language, "digest-next-text", link=debate.actor.uri)))
    source = "\n\n".join(f"{clerk.says(language, key)}\n\n{body}" for key, body in sections)
    debate.digest_title = text.cut(clerk.says(language, "digest-title", **words), topics.MAX_TITLE)
    result = " ".join(swing.in_words(taken, language).split())
    debate.digest_summary = text.cut(clerk.says(language, "digest-summary", **words, result=result), SUMMARY_MAX)
    debate.digest_source = source[: text.MAX_SOURCE]
    debate.digest_state, debate.digest_editor_id = debate.digest_state or "draft", None
    await tx.flush()


def _cited_in(tx: Tx, source: str) -> set[int]:
    """The ids of posts of this instance that a text links to."""
    origin = re.escape(tx.settings.origin)
    return {int(found) for found in re.findall(rf"{origin}/p/(\d{{1,15}})\b", source)}


async def withdrawn(tx: Tx, debate: Debate) -> list[Post]:
    """The posts that the draft cites and that may not be told any more: deleted, hidden, or of somebody suspended."""
    cited = _cited_in(tx, debate.digest_source)
    there = {post.id for post in await record.load(tx, sorted(cited))}
    query = select(Post).where(Post.id.in_(cited - there), Post.topic_id == debate.topic_id).order_by(Post.number)
    return list((await tx.execute(query)).scalars())


# --- What staff do with it -------------------------------------------------------------------------------------------


def mark(debate: Debate) -> str:
    """Changes with the draft: who sends a form that was opened before that is told so."""
    held = "\0".join((debate.digest_title, debate.digest_summary, debate.digest_source))
    return hashlib.sha256(held.encode()).hexdigest()[:16]


async def _open(tx: Tx, by: Actor, debate: Debate) -> tuple[Actor, Debate]:
    by, debate = await tx.own(by), await tx.lock(Debate, debate.actor_id)
    require("arrange", await debates.in_theme(tx, by, debate), debate)
    reason = debates.refusal_to_conclude(debate)
    if reason is not None:
        raise Refused(reason)
    return by, debate


def _check(title: str, summary: str, source: str) -> tuple[str, str, str]:
    title, summary = " ".join(title.split()), " ".join(summary.split())
    source = source.replace("\r\n", "\n").strip()
    wrong = {}
    if not 3 <= len(title) <= topics.MAX_TITLE:
        wrong["title"] = "title-missing" if len(title) < 3 else "title-too-long"
    if not 1 <= len(summary) <= SUMMARY_MAX:
        wrong["summary"] = "summary-length"
    if not text.plain(text.render(source)):
        wrong["text"] = "text-missing"
    if len(source) > text.MAX_SOURCE:
        wrong["text"] = "text-too-long"
    if wrong:
        raise Invalid(**wrong)
    return title, summary, source


async def save(
    tx: Tx, by: Actor, debate: Debate, *, title: str, summary: str, source: str, seen: str = "", is_ready: bool = False
) -> None:
    """Keep what staff made of the draft; ``is_ready`` has it go by itself at its time. Once it is sent this corrects
    the article. ``seen`` is the mark of the draft that the form began with. Raises Invalid, Refused."""
    by, debate = await _open(tx, by, debate)
    title, summary, source = _check(title, summary, source)
    if seen and seen != mark(debate):
        raise Invalid(text="digest-changed-meanwhile")
    if is_ready and debate.digest_state != "sent" and (debate.digest_at is None or debate.digest_at <= tx.now):
        raise Refused("digest-time-is-past")
    if is_ready or (title, summary, source) != (debate.digest_title, debate.digest_summary, debate.digest_source):
        debate.digest_title, debate.digest_summary, debate.digest_source = title, summary, source
        debate.digest_editor_id = by.id  # who calls it ready has read it: from now on it is theirs
    if debate.digest_state == "sent":
        await _correct(tx, debate)
    else:
        debate.digest_state = "ready" if is_ready else "draft"
    await tx.flush()


async def rewrite(tx: Tx, by: Actor, debate: Debate) -> None:
    """Make the draft anew, from how things are now. Raises Refused."""
    _, debate = await _open(tx, by, debate)
    if debate.digest_state == "sent":
        raise Refused("digest-is-sent")
    await write(tx, debate)


async def publish_now(tx: Tx, by: Actor, debate: Debate) -> Post:
    """Send the digest as it stands, whatever its time. Raises Invalid, Refused."""
    _, debate = await _open(tx, by, debate)
    if debate.digest_state == "sent":
        raise Refused("digest-is-sent")
    _check(debate.digest_title, debate.digest_summary, debate.digest_source)
    return await _publish(tx, debate)


async def _written(tx: Tx, debate: Debate) -> posts.Written:
    written = await posts.compose(tx, debate.digest_source, title=debate.digest_title, language=debate.language)
    return replace(written, abstract=debate.digest_summary)


async def _publish(tx: Tx, debate: Debate) -> Post:
    """The clerk opens it as a topic of the theme; whoever listens has the debate's group pass it on."""
    theme = await tx.get_one(Actor, debate.theme_id)
    house = await groups.clerk(tx)
    post = await topics.open(tx, house, theme, await _written(tx, debate))
    debate.digest_post_id, debate.digest_state, debate.changed_at = post.id, "sent", tx.now
    await tx.flush()
    debates.signal(tx, debate)
    tx.signal("anything")
    await emit(tx, DebateChanged(debate, "digest-sent"))
    return post


async def _correct(tx: Tx, debate: Debate) -> None:
    """An edit of the article: its readers everywhere get it, and the earlier text stays in its history."""
    post = await tx.get(Post, debate.digest_post_id)
    if post is not None and post.deleted_at is None:
        await posts.edit(tx, await groups.clerk(tx), post, await _written(tx, debate))


# --- Its time --------------------------------------------------------------------------------------------------------


@on(DebateChanged)
async def follow(tx: Tx, event: DebateChanged) -> None:
    debate = event.debate
    if not debate.actor.is_local:
        return
    is_untouched = debate.digest_state in ("", "draft", "ready") and debate.digest_editor_id is None
    if event.what in ("closed", "concluded") and is_untouched:
        await write(tx, debate)
    elif event.what == "concluded" and debate.digest_state == "ready":
        debate.digest_state = "draft"  # the conclusion is not in what they called ready
        await _tell(tx, debate)
    elif event.what == "digest" and debate.digest_state != "sent":
        await _come_due(tx, debate, is_untouched)


async def _come_due(tx: Tx, debate: Debate, is_untouched: bool) -> None:
    """What was called ready goes; anything else waits for staff, who are told so: what nobody called ready since the
    conclusion, what cannot be sent, and what was edited and cites what has been withdrawn since."""
    if debate.digest_state == "ready":
        if is_untouched:
            await write(tx, debate)
        try:
            if not await withdrawn(tx, debate):
                await _publish(tx, debate)
                return
        except (Invalid, Refused):
            pass
        debate.digest_state = "draft"
    await _tell(tx, debate)


async def _tell(tx: Tx, debate: Debate) -> None:
    """Tell staff that the digest waits for them."""
    house = await groups.clerk(tx)
    await notifications.tell_staff(
        tx, "digest", house, group=debate.theme, path=f"/g/{debate.actor.handle}/digest", with_editors=True
    )


@on(PostDeleted)
async def take_back(tx: Tx, event: PostDeleted) -> None:
    """A digest that is removed is a draft again."""
    if event.post.kind == "Article" and event.post.number == 1:
        query = select(Debate).where(Debate.digest_post_id == event.post.id)
        debate = (await tx.execute(query)).scalar_one_or_none()
        if debate is not None:
            debate.digest_post_id, debate.digest_state = None, "draft"
            await tx.flush()
