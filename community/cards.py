"""What the clerk writes about questions: a card for each that is accepted, and word to whoever asked it."""

from __future__ import annotations

import re
from dataclasses import replace

from community import clerk, groups, notifications, posts, text
from community.db import Tx
from community.debate_models import Debate, Question
from community.models import Actor, Post, Topic

WORDS_MAX = 1000  # of a card

# Most servers begin a reply with the handles of those whom it answers.
_CALLS = re.compile(r"^((?:<p>)?)\s*(?:(?:<a [^>]*>@[^<]*</a>|@[\w.-]+@[\w.:-]+)[\s,:]*)+", re.IGNORECASE)
_QUOTED = re.compile(r"<blockquote>(.*)</blockquote>", re.DOTALL)
_NUMBER = re.compile(r"Q(\d{1,6})\b")
_ODD = re.compile(r"[^\w.-]+")
_HOLE = "\ue000"
_JOINTS = re.compile(r"(?<!\\)[.:]")


def html_of(post: Post, card: Post | None = None) -> str:
    """What is asked, without the handles at its beginning. Once there is a card, it is what stands there: the asker's
    own post may have been changed since, or be gone."""
    quoted = _QUOTED.search(card.html) if card is not None else None
    return quoted[1].strip() if quoted is not None else _CALLS.sub(r"\1", post.html)


def handle_of(actor: Actor) -> str:
    """A handle as the clerk writes it: other servers may have any characters in theirs, a link among them."""
    handle = _ODD.sub("", actor.handle)
    return f"@{handle}@{actor.host}" if actor.host else f"@{handle}"


def name_of(actor: Actor) -> str:
    """A name as Markdown that says just this: nothing is marked in it, and no link is made where it is an address."""
    return _JOINTS.sub(r"\\\g<0>", text.literal(actor.name.strip() or actor.handle))


def written(debate: Debate, part: str, source: str, asker: Actor | None = None) -> posts.Written:
    """A text of the clerk that mentions the asker and nobody else, whatever the words in it look like."""
    links = {}
    if asker is not None:
        links[handle_of(asker)[1:].lower()] = (handle_of(asker)[1:], asker.url or asker.uri)
    mentioned = (asker,) if asker is not None else ()
    return posts.Written(text.render(source, links), source, language=debate.language, mentioned=mentioned, part=part)


def card(debate: Debate, number: int, asker: Actor | None, html: str, warning: str) -> posts.Written:
    """The clerk's post for a question; without the asker's name when they have taken theirs back."""
    words = text.plain(html)
    if len(words) > WORDS_MAX:
        html = f"<p>{text.escape(text.cut(words, WORDS_MAX))}</p>"
    key = "card" if asker is not None else "card-plain"
    blanks = {"number": number, "asker": handle_of(asker) if asker is not None else ""}
    framed = written(debate, "card", clerk.says(debate.language, key, text=_HOLE, **blanks), asker)
    html = html if html.startswith("<") else f"<p>{html}</p>"
    return replace(
        framed,
        html=text.clean(framed.html.replace(f"<p>{_HOLE}</p>", f"<blockquote>{html}</blockquote>")),
        source=framed.source.replace(_HOLE, "\n".join(f"> {line}" for line in words.splitlines())),
        position="question",
        warning=warning,
    )


def number_of(card: Post) -> int:
    """The number that a card tells, for those that come from elsewhere; 0 where it tells none."""
    found = _NUMBER.match(text.plain(card.html))
    return int(found[1]) if found is not None else 0


# --- Word to whoever asked -------------------------------------------------------------------------------------------


async def tell(
    tx: Tx,
    debate: Debate,
    question: Question,
    key: str,
    by: Actor,
    about: Question | None = None,
    *,
    answer: Post | None = None,
) -> None:
    """Tell the asker what became of their question: here among their notifications, elsewhere by a post of the clerk
    that mentions them. ``about`` is the question that stands now, where that is another."""
    asker, post = await tx.get_one(Actor, question.asker_id), await tx.get_one(Post, question.post_id)
    about = about or question
    if post.deleted_at is not None or asker.id == (answer.author_id if answer is not None else 0):
        return
    shown = answer or (await tx.get(Post, about.card_id) if about.card_id is not None else None) or post
    if asker.is_local:
        note(tx, debate, question, asker, key.partition("-")[0], by, shown)
        return
    author = await tx.get_one(Actor, shown.author_id)
    blanks = {
        "asker": handle_of(asker),
        "number": about.number,
        "by": name_of(author),
        "reason": question.reason,
        "link": shown.url or shown.uri,
    }
    told = written(debate, "notice", clerk.says(debate.language, key, **blanks), asker)
    topic = await tx.get_one(Topic, debate.topic_id)
    await posts.reply(tx, await groups.clerk(tx), topic, told, reply_to=post)


def note(tx: Tx, debate: Debate, question: Question, asker: Actor, what: str, by: Actor, post: Post) -> None:
    """Tell a member what became of their question; ``post`` is the card or the answer."""
    if asker.id != by.id:
        path = f"/g/{debate.actor.handle}/questions#q-{question.merged_into_id or question.id}"
        notifications.tell(tx, asker.id, f"question-{what}", by.id, post_id=post.id, path=path)
