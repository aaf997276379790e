"""What is there when the stories begin: two themes, a few members, one long topic."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from community import groups, keys, members, posts, tables, topics
from community.settings import Settings
from federation import site as sites
from tests.interop.server import Folkmoot

from .debates import COURSE, Cast, settle_debates

PASSWORD = "a long walk by the river"
MEMBERS = ("planner", "neighbour", "resident", "visitor")
DEBATERS = ("chair", "panellist", "debater")
LONG_TOPIC = 60


@dataclass
class Place:
    """The paths of what was there from the start."""

    long_topic: str = ""
    debates: dict[str, str] = field(default_factory=dict)


async def settle(server: Folkmoot, folder: Path) -> Place:
    """Write the beginning into the database of a server that has not been started yet."""
    site = sites.make(
        Settings(
            origin=server.origin,
            data=str(folder / "data"),
            database_url=os.environ.get("FOLKMOOT_DATABASE_URL", ""),
        )
    )
    place = Place()
    secret = site.settings.secret()
    pairs = [await keys.make(secret) for _ in range(4 + len(MEMBERS + DEBATERS) + len(COURSE))]
    hashed = await members.hash_password(PASSWORD)
    await tables.migrate(site.database)
    async with site.database.write() as tx:
        await groups.found(tx, pairs.pop(), pairs.pop())
        about = "How people and goods move: on foot, by bicycle, bus, tram, ship and car."
        mobility = await groups.add_theme(
            tx, None, "mobility", pairs.pop(), name="Mobility", about=about, rules="Say which street you mean."
        )
        water = await groups.add_theme(tx, None, "water", pairs.pop(), name="Water", about="Rivers, pipes and rain.")
        accounts = {
            name: await members.add_member(tx, name, f"{name}@example.org", hashed, pairs.pop(), name=name.capitalize())
            for name in MEMBERS + DEBATERS
        }
        await members.edit_profile(
            tx,
            accounts["planner"],
            name="Planner",
            biography="I draw lines, and *listen* before.",
            profession="urban planner",
            organisation="City Works",
            city="Harbour City",
        )
        planner, neighbour = accounts["planner"].actor, accounts["neighbour"].actor
        written = await posts.compose(tx, "Sixty posts, so that it has pages.", title="A long talk about benches")
        opener = await topics.open(tx, planner, mobility.actor, written)
        for number in range(2, LONG_TOPIC + 1):
            written = await posts.compose(tx, f"Bench number {number}.")
            await posts.reply(tx, neighbour, opener.topic, written, reply_to=None)
        place.long_topic = f"/t/{opener.topic_id}"
    cast = Cast(*(accounts[name].actor for name in DEBATERS))
    place.debates = await settle_debates(site, water.actor, cast, pairs)
    await site.close()
    return place
