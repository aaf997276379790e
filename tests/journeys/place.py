"""What is there when the stories begin: two themes, a few members, one long topic."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryFile
from typing import cast

from community import articles, groups, keys, media, members, posts, tables, topics
from community.models import Actor
from community.settings import Settings
from federation import site as sites
from federation.site import Site
from tests import images
from tests.interop.server import Folkmoot
from web import storage

from .agenda import settle_agenda
from .debates import COURSE, Cast, settle_debates

PASSWORD = "a long walk by the river"
MEMBERS = ("planner", "neighbour", "resident", "visitor")
EDITOR = "gazette"
DEBATERS = ("chair", "panellist", "debater")
LONG_TOPIC = 60


@dataclass
class Place:
    """The paths of what was there from the start."""

    long_topic: str = ""
    article: str = ""
    agenda: str = ""
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
    pairs = [await keys.make(secret) for _ in range(6 + len(MEMBERS + DEBATERS) + len(COURSE))]
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
        editor = await members.add_member(
            tx, EDITOR, f"{EDITOR}@example.org", hashed, pairs.pop(), name="Gazette", site_role="editor"
        )
        planner, neighbour = accounts["planner"].actor, accounts["neighbour"].actor
        written = await posts.compose(tx, "Sixty posts, so that it has pages.", title="A long talk about benches")
        opener = await topics.open(tx, planner, mobility.actor, written)
        for number in range(2, LONG_TOPIC + 1):
            written = await posts.compose(tx, f"Bench number {number}.")
            await posts.reply(tx, neighbour, opener.topic, written, reply_to=None)
        place.long_topic = f"/t/{opener.topic_id}"
    speakers = [planner, neighbour]
    place.agenda = await settle_agenda(site, editor.actor, speakers, pairs.pop(), opener.topic)
    place.article = await _publish(site, editor.actor, (mobility.actor_id, water.actor_id))
    cast = Cast(*(accounts[name].actor for name in DEBATERS))
    place.debates = await settle_debates(site, water.actor, cast, pairs)
    await site.close()
    return place


async def _publish(site: Site, author: Actor, theme_ids: tuple[int, ...]) -> str:
    """Two articles, the newer one with a picture and a translation; answers the path of that one."""
    with TemporaryFile() as file:
        file.write(images.picture(size=(1800, 1200)))
        picture = await media.keep(
            site.database, storage.of(site), author, cast(BufferedReader, file), alt="Red and blue"
        )
    original = None
    async with site.database.write() as tx:
        for title, language, key in (
            ("Benches of last year", "en", ""),
            ("The ferry and the night bus", "en", picture.key),
            ("Le bac et le bus de nuit", "fr", picture.key),
        ):
            made = await articles.begin(
                tx, author, language=language, translation_of=original if language == "fr" else None
            )
            alt = "Red and blue" if key else ""
            text = "They *meet* now.\n\n## How\n\n> By waiting.\n\nA [plan](https://city.example/plan) says so."
            draft = articles.Draft(title, "What it takes to wait for each other.", text, language, theme_ids, key, alt)
            await articles.save(tx, author, made, draft)
            made.state = "approved"
            await tx.flush()
            opener = await articles.publish(tx, author, made)
            if language == "en":
                original, path = made, f"/t/{opener.topic_id}"
    return path
