"""A debate between the three cities that goes live while somebody looks at the demo.

It is set up, staffed and asked about through the forms that everybody uses.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlsplit

from web.demo.visitors import Instance, Visitor, person, until

MOTION = "Every new roof should collect its own rain"
TEXT = "A sample debate: nobody real argues here, and you are welcome to."
MINUTES = 30
# Time enough for the cities to hear of it, and short enough to wait for.
STARTS_IN = timedelta(minutes=2)
HOST, PANELLIST = ("hub", "sample_host"), ("barcelona", "sample_planner")
QUESTIONS = (
    ("lyon", "sample_engineer", "Who looks after the tank in the tenth year? A sample question."),
    ("hub", "sample_researcher", "Does it still pay where it rains four months a year? A sample question."),
)
ARGUMENTS = (
    ("barcelona", "sample_neighbour", "for", "A tank costs less than the car space beside it, says a sample."),
    ("lyon", "sample_driver", "against", "One basin for each block does the same for a third, says a sample."),
)


async def prepare(places: dict[str, Instance], admin: str) -> None:
    """Announce the debate, seat its host and panel, and have the first questions and arguments come in."""
    hub = places["hub"]
    warden = await person(hub, admin)
    opens_at = datetime.now(UTC) + STARTS_IN
    new = "/g/water/debates/new"
    await warden.send(
        new, new, motion=MOTION, text=TEXT, date=f"{opens_at:%Y-%m-%d}", time=f"{opens_at:%H:%M}", zone="UTC",
        minutes=str(MINUTES), call_days="14", digest_days="2", language="en", hosts=f"@{HOST[1]}",
    )  # fmt: skip
    path = await until("the debate", lambda: find(hub.people[""], ""))
    seats = f"{path}/seats"
    their = f"@{PANELLIST[1]}@{places[PANELLIST[0]].host}"
    await warden.send(seats, seats, action="invite", handle=their, role="panel")
    for city, name in (HOST, PANELLIST):
        await _say_yes(await person(places[city], name), hub)
    for city, name, words in QUESTIONS:
        visitor, page = await _debate_in(places, city, name, "/questions", "<textarea")
        await visitor.send(page, page, text=words, language="en")
    for city, name, side, words in ARGUMENTS:
        visitor, page = await _debate_in(places, city, name, "", f'value="{side}"')
        floor = re.search(r'action="(/t/\d+/reply)"', await visitor.read(page))
        if floor is not None:
            await visitor.send(floor[1], page, text=words, position=side, language="en")


async def find(visitor: Visitor, host: str) -> str:
    """The path of the debate on an instance; ``host`` is its home, '' on that itself. '' while it is not there."""
    home = re.escape(f"@{host}") if host else ""
    found = re.search(rf'href="(/g/debate_\w+{home})"', await visitor.read("/debates"))
    return found[1] if found else ""


async def _say_yes(visitor: Visitor, hub: Instance) -> None:
    """Follow the link in the notification, and accept: here, or on the server that asks."""

    async def look() -> str:
        page = await visitor.read("/notifications")
        found = re.search(r'href="(/notifications/\d+)">\s*Read the invitation', page)
        return await visitor.leads_to(found[1]) if found else ""

    seat = urlsplit(await until("the invitation", look)).path
    there = visitor if visitor.origin == hub.origin else hub.people[""]
    await there.send(seat, seat, answer="yes")


async def _debate_in(places: dict[str, Instance], city: str, name: str, part: str, sign: str) -> tuple[Visitor, str]:
    """Somebody before a page of the debate in their own city, once it says what they wait for."""
    place, hub = places[city], places["hub"]
    visitor = await person(place, name)

    async def look() -> str:
        path = await find(place.people[""], "" if place is hub else hub.host)
        return path + part if path and sign in unescape(await visitor.read(path + part)) else ""

    return visitor, await until(f"the debate in {place.city.name}", look)
