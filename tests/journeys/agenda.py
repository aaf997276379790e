"""An agenda with an item in every state, as it is there when the stories begin."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from community import agendas, items, posts, sources
from community.agenda_models import Agenda, Item
from community.agendas import Plan, Slot
from community.items import Hour
from community.keys import KeyPair
from community.models import Actor, Topic
from community.recurrence import moment
from federation.site import Site

TITLES = (
    "Rain is a utility",
    "Benches where people wait",
    "Heat without oil",
    "Free fares",
    "Seats at stops",
    "Drones",
)


async def settle_agenda(site: Site, editor: Actor, members: list[Actor], pair: KeyPair, topic: Topic) -> str:
    """Scheduled, shortlisted, proposed, declined and merged, with what was said behind them; answers the path."""
    async with site.database.write() as tx:
        day = (tx.now + timedelta(days=200)).date()
        plan = Plan(
            "World Smart Cities Forum", day, day, "Asia/Singapore", place="Singapore", link="https://forum.example/",
            map_link="https://map.example/", text="Once a year the cities *meet*.",
        )  # fmt: skip
        agenda = await agendas.make(tx, editor, pair, plan)
        said = await posts.page_of(tx, topic.id, 1, 12)
        made: list[Item] = []
        for number, title in enumerate(TITLES):
            by = members[number % len(members)]
            item = await items.propose(tx, by, agenda, title, "What it is, in a sentence.", about=said[number])
            await sources.cite(tx, by, item, said[number + 6])
            made.append(item)
        sources.make_anonymous((await sources.behind(tx, [made[0].id]))[made[0].id][1].source)
        nine = moment(datetime.combine(day, time(9)), plan.zone)
        slot = Slot("Water in the street", nine, nine + timedelta(hours=2), "Hall A")
        morning = await agendas.add_session(tx, editor, agenda, slot)
        later = Hour(morning, nine + timedelta(minutes=75))
        await items.schedule(tx, editor, made[0], later, reason="Asked for by many.")
        await items.shortlist(tx, editor, made[1])
        await items.merge(tx, editor, made[4], made[1], reason="The same.")
        await items.decline(tx, editor, made[5], "Cities do not decide on it.")
        return items.path_of(await tx.get_one(Agenda, agenda.actor_id))
