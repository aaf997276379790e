"""What the clerk writes about questions: a card for each that is accepted, and word to whoever asked it."""

from __future__ import annotations

import re
from dataclasses import replace

from community import clerk, posts, text
from community.debate_models import Debate
from community.models import Actor, Post

WORDS_MAX = 1000  # of a card

# Most servers begin a reply with the handles of those whom it answers.
_CALLS = re.compile(r"^((?:<p>)?)\s*(?:(?:<a [^>]*>@[^<]*</a>|@[\w.-]+@[\w.:-]+)[\s,:]*)+", re.IGNORECASE)
_QUOTED = re.compile(r"<blockquote>(.*)</blockquote>", re.DOTALL)
_NUMBER = re.compile(r"Q(\d{1,6})\b")
_HOLE = "\ue000"
_MARKS = re.compile(r"([\\`*_{}\[\]()#<>!|~&])")


def html_of(post: Post, card: Post | None = None) -> str:
    """What is asked, without the handles at its beginning. Once there is a card, it is what stands there: the asker's
    own post may have been changed since, or be gone."""
    quoted = _QUOTED.search(card.html) if card is not None else None
    return quoted[1].strip() if quoted is not None else _CALLS.sub(r"\1", post.html)


def handle_of(actor: Actor) -> str:
    return f"@{actor.handle}@{actor.host}" if actor.host else f"@{actor.handle}"


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


def as_words(name: str) -> str:
    """A name as Markdown that shows it as it is."""
    return _MARKS.sub(r"\\\1", name)
