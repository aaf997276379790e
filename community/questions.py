"""Questions to the panel of a debate: asked from anywhere, picked by the host, ranked by votes, answered.

Whoever answers the clerk's stub asks. A question that the host accepts is posted once more by the clerk, as a card:
the favourite of a post goes to the server of its author and nowhere else, so only votes for a post of ours all reach
us. Only debates of ours have rows of questions; those of a debate elsewhere are read off its posts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import case, delete, func, select, union_all
from sqlalchemy.orm import joinedload

from community import cards, debates, groups, moderation, posts, reactions, record, text
from community.db import Tx
from community.debate_models import Debate, Question
from community.events import PostCreated, PostDeleted, on
from community.models import Actor, Notification, Post, Reaction, Revision, Topic
from community.policy import Refused, refusal, require, standing

WAITING_MAX = 5  # of one asker in one debate; what comes on top stays an ordinary post
WAITING_OF_HOST, QUESTIONS_MAX = 200, 2000  # every page of a debate reads its whole queue

# --- Coming in -------------------------------------------------------------------------------------------------------


@on(PostCreated)
async def take_in(tx: Tx, event: PostCreated) -> None:
    """A post on the floor of a debate of ours may ask something, or answer it."""
    post, topic = event.post, event.topic
    if topic.closes_at is None or post.part or post.reply_to_id is None:
        return
    debate = await debates.of_group(tx, topic.group_id)
    if debate is None or not debate.actor.is_local:
        return
    parent = await tx.get_one(Post, post.reply_to_id)
    if _asks(post, parent):
        await _open(tx, debate, post)
    else:
        await _take_as_answer(tx, debate, post, parent)


def _asks(post: Post, parent: Post | None) -> bool:
    """Whether a post is a question, and not talk below one."""
    return post.position == "question" and (parent is None or parent.position != "question" or parent.part == "stub")


async def _open(tx: Tx, debate: Debate, post: Post) -> None:
    asker = await tx.get_one(Actor, post.author_id)
    if debates.refusal_when_over(debate, tx.now) is not None or not text.plain(cards.html_of(post)):
        return
    if await _refusal_when_full(tx, debate.actor_id, asker) is not None:
        return
    question = Question(
        debate_id=debate.actor_id, post_id=post.id, asker_id=post.author_id, state="asked", created_at=tx.now
    )
    tx.add(question)
    await _changed(tx, debate)


async def waiting_of(tx: Tx, debate_id: int, actor_id: int) -> int:
    """How many questions of one asker wait for the host."""
    query = select(func.count()).select_from(Question)
    return (
        await tx.scalar(
            query.where(Question.debate_id == debate_id, Question.asker_id == actor_id, Question.state == "asked")
        )
    ) or 0


async def _refusal_when_full(tx: Tx, debate_id: int, asker: Actor) -> str | None:
    """Why a debate takes no more questions of the asker, or none of anybody on their server or at all."""
    if await waiting_of(tx, debate_id, asker.id) >= WAITING_MAX:
        return "questions-enough"
    query = select(func.count()).select_from(Question).where(Question.debate_id == debate_id)
    is_full = (await tx.scalar(query) or 0) >= QUESTIONS_MAX
    if not is_full and asker.host:
        of_host = query.join(Actor, Actor.id == Question.asker_id).where(Actor.host == asker.host)
        is_full = (await tx.scalar(of_host.where(Question.state == "asked")) or 0) >= WAITING_OF_HOST
    return "questions-are-full" if is_full else None


async def refusal_to_ask(tx: Tx, debate: Debate, actor: Actor | None, topic: Topic) -> str | None:
    """Why somebody may not ask, as the key of a sentence."""
    reason = debates.refusal_when_over(debate, tx.now)
    if reason is not None:
        return reason
    reason = refusal("reply", await standing(tx, actor, debate.actor_id), topic)
    if reason is not None or actor is None:
        return reason
    return await _refusal_when_full(tx, debate.actor_id, actor)


async def of_post(tx: Tx, post_id: int) -> Question | None:
    """The question that was asked with a post, or whose card it is."""
    query = select(Question).where((Question.post_id == post_id) | (Question.card_id == post_id))
    return (await tx.execute(query)).scalar_one_or_none()


async def _take_as_answer(tx: Tx, debate: Debate, post: Post, parent: Post) -> None:
    """The first word of host or panel on a question, from the hour on, is taken as its answer."""
    if parent.position != "question" or debate.opens_at > tx.now or debate.state == "cancelled":
        return
    question = await of_post(tx, parent.id)
    if question is None or post.author_id not in await debates.roles(tx, debate.actor_id):
        return
    if question.merged_into_id is not None:
        question = await tx.get_one(Question, question.merged_into_id)
    if question.state in ("asked", "accepted") and post.author_id != question.asker_id:
        await _put_answer(tx, debate, question, post)


async def position_changed(tx: Tx, post: Post, old: str) -> None:
    """A post has become a question, or is none any more. What the host has dealt with stays as it is."""
    topic = await tx.get_one(Topic, post.topic_id)
    debate = await debates.of_group(tx, topic.group_id)
    if debate is None or not debate.actor.is_local or post.part or (post.position == "question") == (old == "question"):
        return
    held = await of_post(tx, post.id)
    parent = await tx.get(Post, post.reply_to_id) if post.reply_to_id is not None else None
    if held is None and _asks(post, parent):
        await _open(tx, debate, post)
    elif post.position != "question" and held is not None and held.state == "asked":
        await _withdraw(tx, debate, held)


async def _withdraw(tx: Tx, debate: Debate, question: Question) -> None:
    """A question leaves the queue; those that were joined to it stand for themselves again."""
    for other in await _joined_to(tx, question):
        _split(other)
    await _changed(tx, debate)
    await tx.execute(delete(Question).where(Question.id == question.id))
    tx.expunge(question)


async def _joined_to(tx: Tx, question: Question) -> list[Question]:
    return list((await tx.execute(select(Question).where(Question.merged_into_id == question.id))).scalars())


def _split(question: Question) -> None:
    question.merged_into_id = None
    question.state = "accepted" if question.card_id is not None else "asked"


@on(PostDeleted)
async def clear_away(tx: Tx, event: PostDeleted) -> None:
    """What a deletion does to the queue. A question goes with its post, and so does its card; but one that was answered
    is kept without the asker's name, since the answer would hang in the air. What a moderator removes goes in any case.
    """
    post = event.post
    if event.topic.closes_at is None:
        return
    debate = await debates.of_group(tx, event.topic.group_id)
    if debate is None or not debate.actor.is_local:
        return
    for answered in (await tx.execute(select(Question).where(Question.answer_id == post.id))).scalars().all():
        _unlink(answered)
        await _changed(tx, debate)
    question = await of_post(tx, post.id)
    if question is None:
        return
    if question.card_id == post.id:  # somebody removed the card: the question waits again
        question.card_id = None
        if question.state == "accepted":
            question.state, question.place = "asked", 0
        await _changed(tx, debate)
        return
    card = await tx.get(Post, question.card_id) if question.card_id is not None else None
    if card is not None and question.state == "answered" and event.by.id == event.author.id:
        await _forget_name(tx, debate, question, card)
        return
    question.card_id = None
    await _withdraw(tx, debate, question)
    if card is not None and card.deleted_at is None:
        await posts.erase(tx, await groups.clerk(tx), card)


async def _forget_name(tx: Tx, debate: Debate, question: Question, card: Post) -> None:
    words = cards.card(debate, question.number, None, cards.html_of(card, card), card.warning)
    await posts.edit(tx, await groups.clerk(tx), card, words)
    # The name stands in the history of the card as well.
    await tx.execute(delete(Revision).where(Revision.post_id == card.id))
    await _changed(tx, debate)


# --- The host's desk -------------------------------------------------------------------------------------------------


async def find(tx: Tx, debate: Debate, question_id: int) -> Question | None:
    """A question of this debate by its id."""
    question = await tx.get(Question, question_id)
    return question if question is not None and question.debate_id == debate.actor_id else None


async def _at_desk(tx: Tx, by: Actor, question: Question, *states: str) -> tuple[Debate, Question]:
    """The debate and the question of this transaction, if ``by`` keeps its desk and it is in one of ``states``."""
    by = await tx.own(by)
    debate = await tx.get_one(Debate, question.debate_id)
    require("host", await standing(tx, by, debate.actor_id), debate)
    # Answers come in under the lock of the floor: so nobody deals with a question at the same moment.
    await tx.lock(Topic, debate.topic_id)
    held = await tx.get(Question, question.id, populate_existing=True)
    if held is None:
        raise Refused("question-is-gone")
    if debate.state in ("concluded", "cancelled"):
        raise Refused("debate-is-cancelled" if debate.state == "cancelled" else "debate-is-concluded")
    if held.state not in states:
        raise Refused("question-is-dealt-with")
    return debate, held


async def accept(tx: Tx, by: Actor, question: Question) -> Post:
    """Take a question to the panel: the clerk posts it as a card. Raises Refused."""
    debate, question = await _at_desk(tx, by, question, "asked")
    post, asker = await tx.get_one(Post, question.post_id), await tx.get_one(Actor, question.asker_id)
    if post.deleted_at is not None or post.hidden_reason:
        raise Refused("question-is-hidden")
    if refusal("follow", await standing(tx, asker, debate.actor_id), debate.actor) is not None:
        raise Refused("asker-is-excluded")
    made = select(func.count()).select_from(Post).where(Post.topic_id == debate.topic_id, Post.part == "card")
    question.number = (await tx.scalar(made) or 0) + 1
    question.state, question.decided_at = "accepted", tx.now
    words = cards.card(debate, question.number, asker, cards.html_of(post), post.warning)
    topic = await tx.get_one(Topic, debate.topic_id)
    card = await posts.reply(tx, await groups.clerk(tx), topic, words, reply_to=post)
    question.card_id = card.id
    await tx.flush()
    if asker.is_local:
        # They are told what happened to their question, and not that the clerk answered them.
        await tx.execute(
            delete(Notification).where(Notification.post_id == card.id, Notification.account_id == asker.id)
        )
        cards.note(tx, debate, question, asker, "accepted", by, card)
    await _changed(tx, debate)
    return card


async def merge(tx: Tx, by: Actor, question: Question, into: Question) -> None:
    """Join a question to another that asks the same: its votes count for that one. Raises Refused."""
    debate, question = await _at_desk(tx, by, question, "asked", "accepted")
    into = await tx.get_one(Question, into.id)
    if into.id == question.id or into.debate_id != question.debate_id or into.merged_into_id is not None:
        raise Refused("merge-with-what")
    if into.state not in ("asked", "accepted", "answered"):
        raise Refused("merge-with-what")
    for other in await _joined_to(tx, question):
        other.merged_into_id = into.id
    question.state, question.merged_into_id, question.place, question.decided_at = "merged", into.id, 0, tx.now
    await tx.flush()
    await cards.tell(tx, debate, question, "merged" if into.number else "merged-plain", by, into)
    await _changed(tx, debate)


async def decline(tx: Tx, by: Actor, question: Question, reason: str) -> None:
    """Leave a question out, for a reason that everybody can read; a card goes. Raises Refused, Invalid."""
    debate, question = await _at_desk(tx, by, question, "asked", "accepted")
    reason = moderation.check_reason(reason)
    card_id, question.card_id = question.card_id, None
    question.state, question.reason, question.place, question.number = "declined", reason, 0, 0
    question.decided_at = tx.now
    for other in await _joined_to(tx, question):
        _split(other)
    await tx.flush()
    if card_id is not None:
        await posts.erase(tx, await groups.clerk(tx), await tx.get_one(Post, card_id))
    await cards.tell(tx, debate, question, "declined", by)
    await _changed(tx, debate)


async def reopen(tx: Tx, by: Actor, question: Question) -> None:
    """Take back that a question was declined or merged. Raises Refused."""
    debate, question = await _at_desk(tx, by, question, "declined", "merged")
    question.reason, question.decided_at = "", None
    _split(question)
    await _changed(tx, debate)


async def put(tx: Tx, by: Actor, question: Question, place: int) -> None:
    """Give an accepted question its place in the order, from 1; 0 leaves it to the votes again. Those above it then
    stand where they are, those below it stay ordered by votes. Raises Refused."""
    debate, question = await _at_desk(tx, by, question, "accepted")
    query = select(Question).where(Question.debate_id == debate.actor_id, Question.state == "accepted")
    held = {each.id: each for each in (await tx.execute(query)).scalars()}
    others = [each for each in in_order(held.values(), await votes(tx, debate.actor_id)) if each.id != question.id]
    fixed = sum(each.place > 0 for each in others)
    if place > 0:
        others.insert(place - 1, question)
        fixed = max(min(place, len(others)), fixed + 1)
    else:
        question.place = 0
    for number, each in enumerate(others, 1):
        each.place = number if number <= fixed else 0
    await _changed(tx, debate)


async def link_answer(tx: Tx, by: Actor, question: Question, post: Post | None) -> None:
    """Choose the post of host or panel that answers a question; None takes the link away. Raises Refused."""
    debate, question = await _at_desk(tx, by, question, "asked", "accepted", "answered")
    if post is None:
        _unlink(question)
        await _changed(tx, debate)
        return
    if post.topic_id != debate.topic_id or post.deleted_at is not None or post.part:
        raise Refused("answer-is-elsewhere")
    if post.author_id not in await debates.roles(tx, debate.actor_id):
        raise Refused("answer-by-whom")
    await _put_answer(tx, debate, question, post)


def _unlink(question: Question) -> None:
    question.answer_id = None
    question.state = "accepted" if question.card_id is not None else "asked"


async def _put_answer(tx: Tx, debate: Debate, question: Question, post: Post) -> None:
    is_first = question.state != "answered"
    question.state, question.answer_id, question.place = "answered", post.id, 0
    question.decided_at = tx.now
    await tx.flush()
    if is_first:
        author = await tx.get_one(Actor, post.author_id)
        for each in (question, *await _joined_to(tx, question)):
            key = "answered" if question.number else "answered-plain"
            await cards.tell(tx, debate, each, key, author, question, answer=post)
    await _changed(tx, debate)


async def _changed(tx: Tx, debate: Debate) -> None:
    """Tell the open pages of the debate."""
    await tx.flush()
    debates.signal(tx, debate)


# --- The order -------------------------------------------------------------------------------------------------------


async def votes(tx: Tx, debate_id: int) -> dict[int, tuple[int, int]]:
    """The votes (here, elsewhere) of all questions of a debate, by the question's id: everybody who likes the question,
    its card, or one that was joined to it, once."""
    root = func.coalesce(Question.merged_into_id, Question.id).label("root")
    places = union_all(
        select(root, Question.post_id.label("post_id")).where(Question.debate_id == debate_id),
        select(root, Question.card_id).where(Question.debate_id == debate_id, Question.card_id.is_not(None)),
    ).subquery()
    here, elsewhere = (
        func.count(func.distinct(case((camp, Actor.id)))) for camp in (Actor.host == "", Actor.host != "")
    )
    query = (
        select(places.c.root, here, elsewhere)
        .join(Reaction, Reaction.post_id == places.c.post_id)
        .join(Actor, Actor.id == Reaction.actor_id)
        .where(Reaction.value == 1)
        .group_by(places.c.root)
    )
    return {row[0]: (row[1], row[2]) for row in await tx.execute(query)}


def in_order(questions: Iterable[Question], counts: dict[int, tuple[int, int]]) -> list[Question]:
    """As they are asked: where the host put them, then by votes, then by age."""
    return sorted(questions, key=lambda each: (each.place or 10**6, -sum(counts.get(each.id, (0, 0))), each.id))


@dataclass(frozen=True)
class Asked:
    """A question as one reader sees it. ``question`` is None in a debate elsewhere, ``asker`` None once they have taken
    their words back. ``vote_refusal`` is why the reader may not vote (a key of a sentence), None where they may."""

    question: Question | None
    post: Post  # what was asked; of a card from elsewhere whose question is not here, the card
    card: Post | None
    asker: Actor | None
    answer: Post | None
    here: int
    elsewhere: int
    is_voted: bool = False
    vote_refusal: str | None = None
    number: int = 0
    is_next: bool = False
    into: Question | None = None  # the one that it was merged into

    @property
    def id(self) -> int:
        return self.question.id if self.question is not None else self.post.id

    @property
    def state(self) -> str:
        """asked, accepted, answered, declined or merged."""
        if self.question is not None:
            return self.question.state
        return "answered" if self.answer is not None else "accepted" if self.card is not None else "asked"

    @property
    def votes(self) -> int:
        return self.here + self.elsewhere

    @property
    def target(self) -> Post:
        """The post that a like of counts as a vote, wherever it comes from: the card as soon as there is one."""
        return self.card or self.post

    @property
    def html(self) -> str:
        return cards.html_of(self.post, self.card)

    @property
    def is_open(self) -> bool:
        return self.state in ("asked", "accepted")


_ORDER = ("accepted", "asked", "answered", "merged", "declined")


async def queue(tx: Tx, debate: Debate, viewer: Actor | None) -> list[Asked]:
    """All questions of a debate that ``viewer`` may read: those accepted as they will be asked, those that wait by
    votes, those answered (the latest first), merged and declined. A handful of queries, however many there are."""
    if not debate.actor.is_local:
        return await _queue_elsewhere(tx, debate, viewer)
    query = (
        select(Question)
        .options(
            joinedload(Question.post).joinedload(Post.author),
            joinedload(Question.asker),
            joinedload(Question.card),
            joinedload(Question.answer).joinedload(Post.author),
        )
        .where(Question.debate_id == debate.actor_id)
    )
    held = {each.id: each for each in (await tx.execute(query)).scalars()}
    counts = await votes(tx, debate.actor_id)
    liked = await _voted_for(tx, held.values(), viewer)
    who = await standing(tx, viewer, debate.actor_id)
    rows = []
    ordered = in_order(held.values(), counts)
    is_over = debates.refusal_when_over(debate, tx.now) is not None
    next_id = next((each.id for each in ordered if each.state == "accepted" and not is_over), 0)
    for each in ordered:
        if each.card is None and not record.may_be_told(each.post):
            continue
        here, elsewhere = counts.get(each.id, (0, 0))
        rows.append(
            Asked(
                question=each,
                post=each.post,
                card=each.card,
                asker=each.asker if each.post.deleted_at is None else None,
                answer=each.answer,
                here=here,
                elsewhere=elsewhere,
                is_voted=each.id in liked,
                vote_refusal="debate-is-over" if is_over else refusal("like", who, each.card or each.post),
                number=each.number,
                is_next=each.id == next_id,
                into=held.get(each.merged_into_id or 0),
            )
        )
    answered = [row for row in rows if row.state == "answered"]
    answered.sort(key=lambda row: ((row.question and row.question.decided_at) or tx.now, row.id), reverse=True)
    return [row for state in _ORDER for row in (answered if state == "answered" else rows) if row.state == state]


async def _voted_for(tx: Tx, questions: Iterable[Question], viewer: Actor | None) -> set[int]:
    """The ids of the questions that somebody votes for, by whichever of their posts."""
    if viewer is None:
        return set()
    roots = {}
    for each in questions:
        for post_id in (each.post_id, each.card_id):
            if post_id is not None:
                roots[post_id] = each.merged_into_id or each.id
    query = select(Reaction.post_id).where(
        Reaction.actor_id == viewer.id, Reaction.value == 1, Reaction.post_id.in_(roots)
    )
    return {roots[post_id] for post_id in (await tx.execute(query)).scalars()}


async def vote(tx: Tx, actor: Actor, asked: Asked, is_on: bool) -> None:
    """Vote for a question, or take the vote back from all of its posts. Raises Refused."""
    if is_on:
        if asked.vote_refusal is not None:
            raise Refused(asked.vote_refusal)
        await reactions.like(tx, actor, asked.target)
        return
    post_ids = [asked.post.id, *([asked.card.id] if asked.card is not None else [])]
    if asked.question is not None:
        for joined in await _joined_to(tx, asked.question):
            post_ids += [joined.post_id, *([joined.card_id] if joined.card_id is not None else [])]
    for post_id in post_ids:
        await reactions.unlike(tx, actor, await tx.get_one(Post, post_id))


async def _queue_elsewhere(tx: Tx, debate: Debate, viewer: Actor | None) -> list[Asked]:
    """The questions of a debate elsewhere as its posts tell of them: cards, what they answer, and what waits."""
    query = (
        select(Post)
        .options(joinedload(Post.author), joinedload(Post.reply_to).joinedload(Post.author))
        .where(Post.topic_id == debate.topic_id, Post.position == "question", Post.deleted_at.is_(None))
        .order_by(Post.number)
    )
    found = [post for post in (await tx.execute(query)).scalars() if record.may_be_told(post)]
    who = await standing(tx, viewer, debate.actor_id)
    on_panel = await debates.roles(tx, debate.actor_id)
    liked = await reactions.liked_by(tx, viewer.id, [post.id for post in found]) if viewer is not None else set()
    is_over = debates.refusal_when_over(debate, tx.now) is not None
    with_card = {post.reply_to_id for post in found if post.part == "card"}
    answers: dict[int, Post] = {}
    for post in found:
        if not post.part and post.author_id in on_panel and post.reply_to_id is not None:
            answers.setdefault(post.reply_to_id, post)
    rows = []
    for post in found:
        parent = post.reply_to
        is_talk = parent is not None and parent.position == "question" and parent.part != "stub"
        if post.part not in ("", "card") or (not post.part and (post.id in with_card or is_talk)):
            continue
        asked = parent if post.part and parent is not None and parent.part != "stub" else post
        card = post if post.part else None
        both = {post.id, asked.id}
        rows.append(
            Asked(
                question=None,
                post=asked,
                card=card,
                asker=asked.author if not asked.part else None,
                answer=next((answers[each] for each in sorted(both) if each in answers), None),
                here=sum(each.like_count_here for each in {post.id: post, asked.id: asked}.values()),
                elsewhere=sum(each.like_count_elsewhere for each in {post.id: post, asked.id: asked}.values()),
                is_voted=bool(both & liked),
                vote_refusal="debate-is-over" if is_over else refusal("like", who, card or asked),
                number=cards.number_of(card) if card is not None else 0,
            )
        )
    rows.sort(key=lambda row: (_ORDER.index(row.state), -row.votes, row.id))
    is_first_accepted = bool(rows) and rows[0].state == "accepted"
    return [replace(rows[0], is_next=True), *rows[1:]] if is_first_accepted else rows
