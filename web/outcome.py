"""What comes out of a debate: its polls and how opinion moved, the host's conclusion, the digest that staff edit."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aiohttp import web

from community import agendas, debates, digest, groups, notifications, polls, posts, proposals, swing, text
from community.db import Tx
from community.debate_models import Debate
from community.members import Invalid
from community.models import Actor, Post, Theme, Topic
from community.policy import Refused, Standing, refusal, require
from federation.lookup import look_up_mentions
from web import debate_view
from web.auth import complaints, field, read_form, require_viewer, viewer
from web.render import page, topic_path
from web.site_key import SITE

routes = web.RouteTableDef()


# --- Results


@dataclass(frozen=True)
class OpenPoll:
    """One of the two polls as the viewer sees it: a form while they may vote."""

    name: str  # opening, closing
    post: Post
    tally: polls.Tally


async def open_polls(tx: Tx, debate: Debate, taken: swing.Swing, actor: Actor | None) -> list[OpenPoll]:
    """The polls of a debate that are open now."""
    if debate.topic_id is None:
        return []
    measured = [("opening", taken.opening), ("closing", taken.closing)]
    found = [(name, each.post) for name, each in measured if each is not None and not each.is_over]
    topic = await tx.get_one(Topic, debate.topic_id)
    tallies = await polls.tally(tx, topic, [post for _, post in found], actor)
    return [OpenPoll(name, post, tallies[post.id]) for name, post in found if post.id in tallies]


@routes.get("/g/{slug}/results")
async def results(request: web.Request) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    async with site.database.read() as tx:
        debate, theme, place = await debate_view.find(tx, request.match_info["slug"], who)
        taken = await swing.measure(tx, debate)
        head = await debate_view.head(tx, site, debate, theme, place, "results")
        ballots = await open_polls(tx, debate, taken, who.actor)
    return await page(
        request, "debates/results.html", head=head, swing=taken, ballots=ballots, theme=theme, here="debates",
        canonical=site.settings.origin + head.path + "/results",
    )  # fmt: skip


# --- The conclusion


async def _find_ours(tx: Tx, request: web.Request) -> tuple[Debate, Theme, Standing]:
    return await debate_view.find_ours(tx, request.match_info["slug"], viewer(request))


def _require_over(debate: Debate) -> None:
    reason = debates.refusal_to_conclude(debate)
    if reason is not None:
        raise Refused(reason)


async def _conclusion_page(
    request: web.Request,
    source: str | None,
    lines: str | None = None,
    *,
    wrong: dict[str, str] | None = None,
    is_preview: bool = False,
) -> web.Response:
    """``lines`` are what it proposes for the agenda, where there is one to propose for."""
    site = request.app[SITE]
    async with site.database.read() as tx:
        debate, theme, place = await _find_ours(tx, request)
        require("host", place, debate)
        _require_over(debate)
        head = await debate_view.head(tx, site, debate, theme, place, "")
        taken = await swing.measure(tx, debate)
        reached = await groups.count_follower_hosts(tx, debate.actor_id)
        agenda = await agendas.current(tx) if debate.state == "closed" else None
    if lines is None:
        lines = "\n".join(debate.proposals) or text.cut(debate.motion, proposals.LINE_MAX)
    source = debate.conclusion_source if source is None else source
    return await page(
        request,
        "debates/conclusion.html",
        status=422 if wrong else 200,
        head=head,
        swing=taken,
        theme=theme,
        source=source,
        agenda=agenda,
        lines=lines,
        previewed=text.render(source) if is_preview else "",
        wrong=wrong or {},
        hosts_reached=reached,
        here="debates",
    )


@routes.get("/g/{slug}/conclusion")
async def conclusion_form(request: web.Request) -> web.Response:
    require_viewer(request)
    return await _conclusion_page(request, None)


@routes.post("/g/{slug}/conclusion")
async def conclude(request: web.Request) -> web.Response:
    site, (_, actor), form = request.app[SITE], require_viewer(request), await read_form(request)
    source, lines = field(form, "text"), field(form, "proposals") if "proposals" in form else None
    if field(form, "do") == "preview":
        wrong = {} if source.strip() else {"text": "text-missing"}
        return await _conclusion_page(request, source, lines, wrong=wrong, is_preview=not wrong)
    try:
        await look_up_mentions(site, source)
        async with site.database.write() as tx:
            debate, theme, _ = await _find_ours(tx, request)
            by = await tx.get_one(Actor, actor.id)
            if lines is not None:
                await proposals.name(tx, by, debate, lines)
            await debates.conclude(tx, by, debate, source)
    except Invalid as error:
        return await _conclusion_page(request, source, lines, wrong=complaints(error, "text"))
    raise web.HTTPSeeOther(f"/g/{theme.slug}")


# --- The digest


@dataclass(frozen=True)
class Typed:
    """The form of the digest as it was filled in. ``seen`` marks the draft that it began with."""

    title: str
    summary: str
    source: str
    seen: str


def _typed(debate: Debate) -> Typed:
    return Typed(debate.digest_title, debate.digest_summary, debate.digest_source, digest.mark(debate))


async def _digest_page(
    request: web.Request, typed: Typed | None, *, wrong: dict[str, str] | None = None, is_preview: bool = False
) -> web.Response:
    site, who = request.app[SITE], viewer(request)
    previewed = ""
    async with site.database.read() as tx:
        debate, theme, place = await _find_ours(tx, request)
        require("arrange", await debates.in_theme(tx, who.actor, debate), debate)
        _require_over(debate)
        head = await debate_view.head(tx, site, debate, theme, place, "")
        article = await posts.one(tx, debate.digest_post_id) if debate.digest_post_id is not None else None
        withdrawn = await digest.withdrawn(tx, debate)
        editor = await tx.get(Actor, debate.digest_editor_id) if debate.digest_editor_id is not None else None
        reached = await groups.count_follower_hosts(tx, debate.theme_id) if debate.theme_id is not None else 0
        can_wait = debate.digest_at is not None and debate.digest_at > tx.now
        if is_preview and typed is not None:
            previewed = (await posts.compose(tx, typed.source)).html
    if who.account is not None:
        async with site.database.write() as tx:
            await notifications.mark_read(tx, who.account.actor_id, path=request.path)
    # Who is told that the draft has changed meanwhile sends the next time over what it has become.
    if typed is not None and wrong and wrong.get("text") == "digest-changed-meanwhile":
        typed = replace(typed, seen=digest.mark(debate))
    return await page(
        request,
        "debates/digest.html",
        status=422 if wrong else 200,
        head=head,
        theme=theme,
        debate=debate,
        typed=typed or _typed(debate),
        previewed=previewed,
        wrong=wrong or {},
        article=article,
        withdrawn=withdrawn,
        editor=editor,
        hosts_reached=reached,
        can_wait=can_wait,
        summary_max=digest.SUMMARY_MAX,
        here="debates",
    )


@routes.get("/g/{slug}/digest")
async def digest_form(request: web.Request) -> web.Response:
    """The desk of those who arrange debates; the article to everybody else, once it is out."""
    who = viewer(request)
    async with request.app[SITE].database.read() as tx:
        debate, _, _ = await debate_view.find(tx, request.match_info["slug"], who)
        place = await debates.in_theme(tx, who.actor, debate)
        article = await posts.one(tx, debate.digest_post_id) if debate.digest_post_id is not None else None
    if article is not None and (not debate.actor.is_local or refusal("arrange", place, debate) is not None):
        raise web.HTTPFound(topic_path(article.topic))
    require_viewer(request)
    return await _digest_page(request, None)


@routes.post("/g/{slug}/digest")
async def edit_digest(request: web.Request) -> web.Response:
    site, (_, actor), form = request.app[SITE], require_viewer(request), await read_form(request)
    typed = Typed(field(form, "title"), field(form, "summary"), field(form, "text"), field(form, "seen"))
    do = field(form, "do")
    try:
        if do == "preview":
            return await _digest_page(request, typed, is_preview=True)
        await look_up_mentions(site, typed.source)
        async with site.database.write() as tx:
            debate, _, _ = await _find_ours(tx, request)
            await _do(tx, await tx.get_one(Actor, actor.id), debate, typed, do)
    except Invalid as error:
        return await _digest_page(request, typed, wrong=complaints(error, "text"))
    except Refused as refused:
        if refused.reason not in ("digest-time-is-past", "digest-is-sent"):
            raise
        return await _digest_page(request, typed, wrong={"text": refused.reason})
    raise web.HTTPSeeOther(f"/g/{debate.actor.handle}/digest")


async def _do(tx: Tx, by: Actor, debate: Debate, typed: Typed, do: str) -> None:
    if do == "rewrite":
        await digest.rewrite(tx, by, debate)
        return
    await digest.save(
        tx, by, debate, title=typed.title, summary=typed.summary, source=typed.source, seen=typed.seen,
        is_ready=do == "ready",
    )  # fmt: skip
    if do == "publish":
        await digest.publish_now(tx, by, debate)
