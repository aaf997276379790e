"""What every page of a debate needs: the debate as this viewer may see it, and the head with its tabs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from community import debates, groups
from community.db import Tx
from community.debate_models import Debate, Question, Seat
from community.models import Post, Theme
from community.policy import NotThere, Standing, refusal, standing
from federation.site import Site
from web.auth import Viewer


@dataclass(frozen=True)
class Head:
    """The head of a debate's pages. ``counts`` is the number of arguments on each side, without the clerk's own posts;
    ``questions`` how many are in the queue; ``tab`` which page it is: sides, questions, everything, results, live."""

    debate: Debate
    theme: Theme
    seats: list[Seat]
    counts: dict[str, int]
    questions: int
    tab: str
    watching: int
    now: datetime
    is_host: bool
    can_arrange: bool

    @property
    def path(self) -> str:
        return f"/g/{self.theme.slug}"

    @property
    def is_elsewhere(self) -> bool:
        return bool(self.debate.actor.host)


async def find(tx: Tx, slug: str, viewer: Viewer) -> tuple[Debate, Theme, Standing]:
    """The debate at /g/SLUG, here or elsewhere (handle@host), with what the viewer is in it; NotThere."""
    theme = await groups.find_theme(tx, slug)
    debate = await debates.of_group(tx, theme.actor_id) if theme is not None else None
    if theme is None or debate is None:
        raise NotThere
    return debate, theme, await standing(tx, viewer.actor, debate.actor_id)


async def head(tx: Tx, site: Site, debate: Debate, theme: Theme, who: Standing, tab: str) -> Head:
    rows = await tx.execute(
        select(Post.position, func.count())
        .where(Post.topic_id == debate.topic_id, Post.position != "", Post.part == "", Post.deleted_at.is_(None))
        .group_by(Post.position)
    )
    waiting = (
        select(func.count())
        .select_from(Question)
        .where(Question.debate_id == debate.actor_id, Question.state.in_(("asked", "accepted", "answered")))
    )
    in_theme = await standing(tx, who.actor, debate.theme_id) if debate.theme_id is not None else who
    is_ours = debate.actor.is_local
    return Head(
        debate=debate,
        theme=theme,
        seats=await debates.seats(tx, debate.actor_id),
        counts={row[0]: row[1] for row in rows},
        questions=await tx.scalar(waiting) or 0,
        tab=tab,
        watching=site.database.hub.listeners(f"topic:{debate.topic_id}"),
        now=tx.now,
        is_host=is_ours and refusal("host", who, debate) is None,
        can_arrange=is_ours and refusal("arrange", in_theme, debate) is None,
    )
