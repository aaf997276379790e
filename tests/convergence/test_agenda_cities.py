"""The agenda of a hub, followed from another city: both show the same items, and favourites there are support."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from community import agendas, board, items, members
from community.agendas import Plan
from community.board import Support
from community.items import Hour
from community.models import Post
from tests.conftest import pair
from tests.convergence import deeds
from tests.convergence.town import Town, settle
from tests.ports import free_port


@pytest.mark.timeout(120)
async def test_a_city_follows_the_agenda_of_a_hub(tmp_path: Path, sqlite_template: Path) -> None:
    ports, now = [free_port(), free_port()], datetime.now(UTC).replace(microsecond=0)
    hub = await Town.found(tmp_path / "hub", sqlite_template, ports[0], ports)
    city = await Town.found(tmp_path / "city", sqlite_template, ports[1], ports)
    for town in (hub, city):
        town.site.database.clock = lambda: now
    try:
        await deeds.add_member(hub.site, "clara", 2, site_role="admin")
        await deeds.add_member(city.site, "ben", 3)
        theme = await deeds.add_theme(hub.site, "mobility", 4)
        async with hub.site.database.write() as tx:
            clara: Any = await members.find(tx, "clara")
            plan = Plan("The Forum", date(2027, 7, 13), date(2027, 7, 13), "Asia/Singapore", place="Singapore")
            agenda = await agendas.make(tx, clara, await pair(5), plan)
        for slug in ("mobility", agenda.actor.handle):
            await deeds.follow(city.site, "ben", f"{slug}@{hub.site.settings.host}")
        await settle(hub, city)
        opener = await deeds.do(
            hub.site, {"do": "open", "as": "clara", "group": theme, "title": "Trams", "text": "At night?"}
        )
        await settle(hub, city)
        reply = await deeds.do(city.site, {"do": "reply", "as": "ben", "post": opener, "text": "Until one."})
        await settle(hub, city)
        async with hub.site.database.write() as tx:
            said = await tx.by_uri(Post, reply)
            assert said is not None
            item = await items.propose(tx, clara, agenda, "Trams at night", "Until one.", about=said)
            uri = (await tx.get_one(Post, item.post_id)).uri
        await settle(hub, city)
        await deeds.do(city.site, {"do": "like", "as": "ben", "post": uri})
        await deeds.do(city.site, {"do": "reply", "as": "ben", "post": uri, "text": "At last."})
        # Nobody but the clerk opens anything there, wherever they are.
        stray = {"do": "open", "as": "ben", "group": agenda.actor.uri, "title": "Mine", "text": "My own item."}
        await deeds.do(city.site, stray)
        await settle(hub, city)
        async with hub.site.database.write() as tx:
            assert await board.support(tx, agenda) == {item.id: Support(elsewhere=1)}
            await items.schedule(tx, clara, item, Hour(starts_at=datetime(2027, 7, 13, 1, tzinfo=UTC), room="Hall 2"))
        now += timedelta(minutes=10)
        await settle(hub, city)
        at_hub, at_city = [await deeds.thread(town.site, agenda.actor.uri) for town in (hub, city)]
        assert {post["in"] for post in at_hub.values()} == {"Trams at night", "The agenda of The Forum"}
        assert len(at_hub) == 3
        assert {key: post for key, post in at_city.items() if post["in"] != "Mine"} == at_hub
        assert "Hall 2" in at_city[uri]["html"]
    finally:
        await hub.close()
        await city.close()
