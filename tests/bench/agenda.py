"""A full agenda beside a topic's page: 500 items, behind them 5,000 contributions of 500 people from 100 servers."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from community import agendas, items, keys, posts, topics
from community.agenda_models import Agenda, Item, Source
from community.agendas import Plan
from community.models import Actor, Job, Post, Reaction, Topic
from federation.vocabulary import ACTIVITY_JSON
from tests.bench import load
from tests.bench.world import World

if TYPE_CHECKING:
    from tests.bench.__main__ import Bench

ITEMS, SOURCES_EACH, AT_ONCE = 500, 10, 50
_STATES = ("proposed", "proposed", "proposed", "shortlisted", "declined")


async def agenda(bench: Bench) -> None:
    """The pages and documents of the agenda, read without the cache; the reference is a topic's page of 50 posts."""
    count = 10 if bench.is_quick else 40
    here = bench.world
    handle = await fill(here)
    html = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "en", "Cookie": "x=1"}
    topic = f"/t/{here.read.topic_id}"
    _, headers, _ = await load.fetch("127.0.0.1", bench.server.port, load.request("GET", _host(bench), topic, html))
    topic = headers.get("Location", topic).removeprefix(here.site.settings.origin)
    reference, _, _ = await _took(bench, topic, html, count)
    document = {"Accept": ACTIVITY_JSON, "Cookie": "x=1"}
    things = [
        ("agenda", f"/agenda/{handle}", html, "HTML, all items with the first of their sources", 700),
        ("agenda, an item", f"/agenda/{handle}/1", html, f"HTML, {SOURCES_EACH} sources", 200),
        ("agenda, print", f"/agenda/{handle}/whole", html, "HTML, all items with all sources", None),
        ("agenda, JSON", f"/agenda/{handle}/agenda.json", html, "all items with all sources", None),
        ("agenda, collection", f"/g/{handle}/agenda", document, "ActivityPub, the first page", None),
    ]
    for name, path, asked, what, at_most in things:
        took, size, cpu = await _took(bench, path, asked, count)
        bench.add(
            name, took, "ms",
            f"{ITEMS} items, {ITEMS * SOURCES_EACH} sources: {what}, {size} bytes, p50 not from the cache, one "
            "connection; a topic's page of 50 posts",
            reference=reference, at_most=at_most, cpu_ms=cpu,
        )  # fmt: skip


def _host(bench: Bench) -> str:
    return bench.server.authority


async def _took(bench: Bench, path: str, asked: dict[str, str], count: int) -> tuple[float, int, float]:
    """Milliseconds (p50), bytes, and CPU milliseconds each."""
    plain = load.request("GET", _host(bench), path, asked)
    status, _, body = await load.fetch("127.0.0.1", bench.server.port, plain)
    if status != 200:
        raise RuntimeError(f"{path} answers {status}")
    spent = bench.server.cpu_seconds()
    got = (await load.run("127.0.0.1", bench.server.port, [plain] * count, 1)).demand(200)
    return got.percentile(0.5), len(body), (bench.server.cpu_seconds() - spent) / count * 1000


async def fill(here: World) -> str:
    """Write the agenda; answers its handle. Contributions and support are written as rows."""
    site = here.site
    pair = await keys.make(site.settings.secret())
    async with site.database.write() as tx:
        admin = (await tx.execute(select(Actor).where(Actor.handle == "warden", Actor.host == ""))).scalar_one()
        day = (tx.now + timedelta(days=200)).date()
        made = await agendas.make(
            tx, admin, pair, Plan("World Smart Cities Forum", day, day, "Asia/Singapore", place="Singapore")
        )
        people = list((await tx.execute(select(Actor.id).where(Actor.host != "", Actor.kind == "person"))).scalars())
        opener = await topics.open(
            tx, admin, here.mobility, await posts.compose(tx, "Say it here.", title="The source")
        )
    for first in range(0, ITEMS, AT_ONCE):
        async with site.database.write() as tx:
            for number in range(first, first + AT_ONCE):
                held = await tx.get_one(Agenda, made.actor_id)
                item = await items.propose(
                    tx, admin, held, f"Item {number}: what the street is for", "Who may use it, and at which hours."
                )
                item.state = _STATES[number % len(_STATES)]
                item.reason = "Belongs to the cities themselves." if item.state == "declined" else ""
            await tx.execute(delete(Job))
    await _cite(here, made.actor_id, opener.topic_id, admin.id, people)
    return made.actor.handle


async def _cite(here: World, agenda_id: int, topic_id: int, by_id: int, people: list[int]) -> None:
    site = here.site
    total = ITEMS * SOURCES_EACH
    async with site.database.write() as tx:
        found = await tx.execute(select(Item.id, Item.post_id).where(Item.agenda_id == agenda_id).order_by(Item.number))
        held = [(item_id, post_id) for item_id, post_id in found]
        hosts = dict((await tx.execute(select(Actor.id, Actor.host).where(Actor.id.in_(people)))).tuples().all())
        said: list[dict[str, Any]] = [
            {
                "topic_id": topic_id, "number": number + 2, "uri": f"https://far.example/p/{number}", "kind": "Note",
                "author_id": people[number % len(people)], "html": f"<p>Point {number}: count those on foot first.</p>",
                "created_at": tx.now,
            }
            for number in range(total)
        ]  # fmt: skip
        await tx.execute(insert(Post), said)
        (await tx.get_one(Topic, topic_id)).last_number = total + 1
        ids = list(
            (
                await tx.execute(
                    select(Post.id).where(Post.topic_id == topic_id, Post.number > 1).order_by(Post.number)
                )
            ).scalars()
        )
        rows = [
            {
                "item_id": held[number // SOURCES_EACH][0], "post_id": post_id, "kind": "post",
                "author_id": said[number]["author_id"], "host": hosts[said[number]["author_id"]], "said_at": tx.now,
                "hash": hashlib.sha256(str(number).encode()).hexdigest(), "excerpt": f"Point {number}: count them",
                "state": "cited", "by_id": by_id, "cited_at": tx.now,
            }
            for number, post_id in enumerate(ids)
        ]  # fmt: skip
        await tx.execute(insert(Source), rows)
        likes = [
            {"post_id": post_id, "actor_id": people[(place * 7 + each) % len(people)], "value": 1, "created_at": tx.now}
            for place, (_, post_id) in enumerate(held)
            for each in range(place % 9)
        ]
        await tx.execute(insert(Reaction), likes)
