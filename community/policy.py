"""Who may do what: one pure rule for each action, and the one way to ask.

A rule answers None (allowed) or the key of a reason: the page shows it beside the greyed button, the API returns it,
the inbox stores it as the outcome. The fediverse itself is a standing: it decides what is served as ActivityPub.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from community.agenda_models import Agenda
from community.article_models import Article
from community.db import Tx
from community.models import Account, Actor, Host, Membership, Poll, Post, Topic

Rule = Callable[["Standing", Any], str | None]
_rules: dict[str, Rule] = {}


class Refused(Exception):
    """The policy said no; ``reason`` is the key of a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotThere(Exception):
    """A thing does not exist or may not be seen: both look the same."""


@dataclass(frozen=True)
class Standing:
    """Who asks, and what they are here: in the group at hand (``role``) and in the house (``site_role``)."""

    actor: Actor | None = None
    role: str = ""  # member, panel, host, moderator, owner, banned; fediverse for other servers as readers
    site_role: str = ""  # member, editor, moderator, admin
    account_state: str = ""
    host_state: str = "open"
    group_host: str = ""  # where the group at hand is at home, '' for here
    at: datetime | None = None  # when they ask: what ends by the clock has ended, also when no job said so yet

    @property
    def is_staff(self) -> bool:
        return self.site_role in ("moderator", "admin")

    @property
    def is_moderator(self) -> bool:
        """Whether they keep order in the group at hand: staff here does in ours, and in no group elsewhere."""
        return (self.is_staff and not self.group_host) or self.role in KEEPERS

    @property
    def is_guest_of_guests(self) -> bool:
        """Somebody elsewhere in a group elsewhere: what is allowed there is decided there, and not here."""
        return self.actor is not None and not self.actor.is_local and self.group_host != ""

    def is_author(self, thing: Post | Topic) -> bool:
        return self.actor is not None and thing.author_id == self.actor.id


# The roles that keep order in a group; a host does in their debate.
KEEPERS = ("host", "moderator", "owner")

ANYONE = Standing()
FEDIVERSE = Standing(role="fediverse")


async def standing(tx: Tx, actor: Actor | None, group_id: int | None = None) -> Standing:
    """What an actor is here, and in one group where one is named. None is a reader who is not signed in."""
    if actor is None:
        return ANYONE
    role = site_role = account_state = group_host = ""
    host_state = "open"
    if group_id is not None:
        group = await tx.find(Actor, group_id)
        group_host = group.host if group is not None else ""
        # A group keeps order in itself: so the word of a group elsewhere counts, for its own topics.
        is_itself = actor.id == group_id
        role = "owner" if is_itself else _role(await tx.find(Membership, (actor.id, group_id)), tx.now)
    if actor.is_local:
        account = (
            await tx.execute(select(Account.site_role, Account.state).where(Account.actor_id == actor.id))
        ).first()
        if account is not None:
            site_role, account_state = account
        elif actor.kind == "service":  # the clerk speaks for the house
            site_role, account_state = "moderator", "active"
    else:
        host_state = await state_of_host(tx, actor.host)
    return Standing(actor, role, site_role, account_state, host_state, group_host, tx.now)


def _role(membership: Membership | None, now: datetime) -> str:
    if membership is None:
        return ""
    if membership.role == "banned":
        return "banned" if membership.banned_until is None or membership.banned_until > now else ""
    # Who keeps order in a group or is on its panel need not follow it.
    return membership.role if membership.state != "left" or membership.role in ("panel", *KEEPERS) else ""


def names_of_host(host: str) -> list[str]:
    """The names under which a server may be blocked: with its port, without, and every domain above it."""
    labels = host.partition(":")[0].split(".")
    return list(dict.fromkeys([host, *(".".join(labels[start:]) for start in range(len(labels)))]))


async def state_of_host(tx: Tx, host: str) -> str:
    """What we think of a server: open, limited or blocked."""
    for name in names_of_host(host):
        above = await tx.find(Host, name)
        if above is not None and above.state == "blocked":
            return "blocked"
    own = await tx.find(Host, host)
    return own.state if own is not None else "open"


def rule(name: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        _rules[name] = function
        return function

    return register


def refusal(name: str, who: Standing, thing: Any = None) -> str | None:
    """Why ``who`` may not do this to ``thing``, as the key of a sentence; None when they may."""
    return _rules[name](who, thing)


def require(name: str, who: Standing, thing: Any = None) -> None:
    reason = refusal(name, who, thing)
    if reason is not None:
        raise Refused(reason)


def rules() -> list[str]:
    return sorted(_rules)


def _is_stopped(who: Standing) -> str | None:
    """What stops anybody from writing anything, whatever it is."""
    if who.actor is None:
        return "sign-in-first"
    if who.account_state == "pending":
        return "wait-for-approval"
    if who.actor.state != "active" or who.account_state == "suspended":
        return "you-are-suspended"
    if who.host_state == "blocked":
        return "host-is-blocked"
    if who.role == "banned":
        return "you-are-banned-here"
    if who.actor.is_local and who.actor.moved_to:
        return "you-have-moved"
    return None


@rule("read")
def _read(who: Standing, thing: Post | Topic) -> str | None:
    if isinstance(thing, Post):
        return None
    if thing.deleted_at is not None:
        return None if who.is_moderator else "not-there"
    if thing.hidden_reason:
        return None if who.is_staff else "not-there"
    return None


@rule("open-topic")
def _open_topic(who: Standing, group: Actor) -> str | None:
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    if group.state != "active":
        return "theme-is-closed"
    # The place of a followed person holds what that person writes.
    if group.kind != "group" and who.actor is not None and who.actor.id != group.id:
        return "place-of-a-person"
    return None


@rule("reply")
def _reply(who: Standing, topic: Topic) -> str | None:
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    if topic.deleted_at is not None:
        return "topic-is-deleted"
    if who.is_moderator or who.is_guest_of_guests:
        return None
    if topic.closed_at is not None:
        return "topic-is-closed"
    return "debate-is-over" if _is_over(who, topic) and who.role != "panel" else None


def _is_over(who: Standing, topic: Topic) -> bool:
    return topic.closes_at is not None and who.at is not None and topic.closes_at <= who.at


@rule("like")
def _like(who: Standing, post: Post) -> str | None:
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    if post.deleted_at is not None:
        return "post-is-deleted"
    if who.is_author(post):
        return "own-post"
    return None


@rule("edit")
def _edit(who: Standing, post: Post) -> str | None:
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    if post.deleted_at is not None:
        return "post-is-deleted"
    if not who.is_author(post):
        return "only-the-author"
    return None


@rule("delete")
def _delete(who: Standing, post: Post) -> str | None:
    if who.actor is None:
        return "sign-in-first"
    if post.deleted_at is not None:
        return "post-is-deleted"
    # A suspended author may still take back what they said; that only makes less of it.
    if who.is_author(post):
        return None
    if post.part and who.role == "host" and not who.is_staff:
        return "moderators-only"  # the clerk's own posts are no host's to take away
    return None if who.is_moderator else "only-the-author"


@rule("vote")
def _vote(who: Standing, poll: Poll) -> str | None:
    """Closed polls are closed by the clock or by whoever asked; the clock itself is asked by ``polls``."""
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    return "poll-is-closed" if poll.closed_at is not None else None


@rule("quote")
def _quote(who: Standing, post: Post) -> str | None:
    """Have a post stand in one's own, on another server."""
    return _is_stopped(who) or ("post-is-deleted" if post.deleted_at is not None else None)


@rule("upload")
def _upload(who: Standing, _thing: Any) -> str | None:
    """Keep a picture here: for those who have an account."""
    return _is_stopped(who) or (None if who.account_state else "sign-in-first")


@rule("report")
def _report(who: Standing, _thing: Any) -> str | None:
    """Whoever may not write here may not report either; being banned from a group is no reason not to be heard."""
    stopped = _is_stopped(who)
    return None if stopped == "you-are-banned-here" else stopped


@rule("review")
def _review(who: Standing, _thing: Any) -> str | None:
    """Read and answer reports: moderators those of their theme, staff all, also those about groups elsewhere."""
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    # Who keeps order in a group elsewhere was chosen there: they read nothing that was confided to us.
    is_ours = who.is_moderator and not who.group_host
    return None if who.is_staff or is_ours else "moderators-only"


@rule("hide")
def _hide(who: Standing, thing: Post | Topic) -> str | None:
    """Take something from elsewhere out of this instance's own view. What is at home here is removed instead."""
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    if not who.is_staff:
        return "moderators-only"
    return None if who.group_host else "remove-it-instead"


@rule("link")
def _link(who: Standing, _group: Actor) -> str | None:
    """Propose, answer, pause and end links of a theme of ours with groups elsewhere."""
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    return None if who.is_moderator and not who.group_host else "moderators-only"


@rule("moderate")
def _moderate(who: Standing, topic: Topic | None) -> str | None:
    """Pin, close, move, retitle a topic; remove what others wrote."""
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    return None if who.is_moderator else "moderators-only"


@rule("arrange")
def _arrange(who: Standing, _theme: Any) -> str | None:
    """Set up debates and series of a theme of ours; move, cancel and staff them, write their digests."""
    return _edits(who)


def _edits(who: Standing) -> str | None:
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    # A host is one in a debate, which is no theme to set up more of them in.
    is_allowed = who.is_staff or who.role in ("moderator", "owner") or who.site_role == "editor"
    return None if is_allowed and not who.group_host else "editors-only"


@rule("host")
def _host(who: Standing, _debate: Any) -> str | None:
    """Keep a debate's desk: its questions, its positions, its conclusion."""
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    return None if who.is_moderator and not who.group_host else "hosts-only"


@rule("position")
def _position(who: Standing, post: Post) -> str | None:
    """Say which side a post of a debate is on: its author while the debate goes on, the host always. The post's topic
    has to be loaded."""
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    if post.deleted_at is not None:
        return "post-is-deleted"
    if post.topic.closes_at is None or post.part:
        return "not-in-a-debate"
    if who.is_moderator and not who.group_host:
        return None
    if not who.is_author(post):
        return "only-the-author"
    return "debate-is-over" if _is_over(who, post.topic) else None


@rule("seal")
def _seal(who: Standing, _actor: Any) -> str | None:
    """Give and take the seal of a VIP."""
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    return None if who.is_staff else "moderators-only"


@rule("write-article")
def _write_article(who: Standing, _article: Any) -> str | None:
    """Write for the blog, see and correct what other editors write."""
    return _is_stopped(who) or (None if who.is_staff or who.site_role == "editor" else "editors-only")


@rule("approve-article")
def _approve_article(who: Standing, article: Article) -> str | None:
    """Be the second pair of eyes: not on what one changed last."""
    refused = _write_article(who, article)
    is_own = who.actor is not None and article.editor_id == who.actor.id
    return refused or ("own-article" if is_own else None)


@rule("propose")
def _propose(who: Standing, agenda: Agenda) -> str | None:
    """Put something on an agenda, or more behind an item: for members here; for staff also once it is closed."""
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    if not who.account_state and not who.site_role:
        return "sign-in-first"
    if agenda.state == "over" or (who.at is not None and agenda.is_over(who.at)):
        return "agenda-is-over"
    return None if agenda.state == "open" else "agenda-is-closed" if _curate(who, agenda) else None


@rule("curate")
def _curate(who: Standing, _agenda: Any) -> str | None:
    """Decide what is on an agenda: shortlist, schedule, decline, merge and split its items."""
    return _edits(who)


@rule("follow")
def _follow(who: Standing, group: Actor) -> str | None:
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    return None if group.state == "active" else "theme-is-closed"


@rule("administer")
def _administer(who: Standing, _thing: Any) -> str | None:
    stopped = _is_stopped(who)
    if stopped:
        return stopped
    return None if who.site_role == "admin" else "admins-only"


async def see(tx: Tx, who: Standing, model: type[Any], id_: int, *options: Any) -> Any:
    """Load a thing that ``who`` may read; NotThere whether it is missing or hidden from them."""
    thing = await tx.get(model, id_, options=options)
    if thing is None or refusal("read", who, thing) is not None:
        raise NotThere
    return thing
