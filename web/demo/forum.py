"""The blog and the agenda on the hub: an article, and what the cities said as items of the next Forum.

Written, proposed, supported and decided on through the forms that everybody uses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import unescape
from io import BytesIO

from PIL import Image, ImageDraw, ImageOps

from web.demo import debate
from web.demo.visitors import Failed, Instance, Visitor, person, until

# --- the article

ARTICLE = "Where the first ten minutes of rain can wait"
ABSTRACT = (
    "A sample article. The sewer has no room yet and the street has no time: a roof, a square and a tank in the cellar "
    "can each lend the rain some minutes."
)
TEXT = "\n\n".join(
    (
        "Nobody real wrote this, and every number in it is a sample.",
        "## On the roof",
        "Four centimetres of soil keep the first ten minutes of a shower. They also keep the flat below a little "
        "cooler, which is why this article stands in two themes.",
        "## In the square",
        "A square that may flood ankle-deep needs two steps, one ramp and a sign. The sign is what the neighbours ask "
        "about.",
        "## In the cellar",
        "A tank waters the courtyard in August, if it is empty in July. Somebody has to look, and in this sample "
        "nobody does.",
        "**What does the rain do in your street?** Answer below, or from your own server.",
    )
)
THEMES = ("Water", "Energy")  # the first is where the comments are
ALT = "A drawn sample: slanting rain above a green roof."


def _picture() -> BytesIO:
    """Rain above a roof, drawn."""
    drawn = ImageOps.colorize(Image.linear_gradient("L").resize((1200, 630)), "#24506e", "#cfe3e6")
    pen = ImageDraw.Draw(drawn)
    for n in range(90):
        x, y = n * 389 % 1260, n * n * 37 % 470
        pen.line((x, y, x - 18, y + 54), fill="#eef6f7", width=3)
    pen.rectangle((0, 520, 1200, 545), fill="#4d8a4a")
    pen.rectangle((0, 545, 1200, 630), fill="#5b4a3f")
    file = BytesIO()
    drawn.save(file, "PNG")
    return BytesIO(file.getvalue())


async def _publish(editor: Visitor) -> None:
    """The article, by somebody who is alone as an editor and so needs no second one."""
    if ARTICLE in unescape(await editor.read("/blog")):
        return
    picture = await editor.send("/media", "/media/new", picture=_picture(), alt=ALT)
    path = await editor.send("/staff/articles/new", "/staff/articles/new", language="en")
    themes = re.findall(r'name="themes" value="(\d+)".*?<span class="theme">([^<]*)<', await editor.read(path))
    numbers = {name: number for number, name in themes}
    main, other = (numbers[name] for name in THEMES)
    is_out = await editor.send(
        path, path, do="publish", title=ARTICLE, abstract=ABSTRACT, text=TEXT, language="en", main=main, themes=other,
        picture=picture.rpartition("/")[2], picture_alt=ALT,
    )  # fmt: skip
    if not is_out:
        raise Failed("the article cannot be published")


# --- the agenda

EVENT = "World Smart Cities Forum"
PLACE, ZONE = "Singapore", "Asia/Singapore"
ABOUT = "A sample agenda: nothing on it is planned anywhere, and you are welcome to propose more."
SESSION = {"name": "Morning: water", "from": "10:00", "until": "11:30", "room": "Sample hall"}


@dataclass(frozen=True)
class Proposal:
    """An item, the member of the hub who proposes it, and what was said before: where, and how it begins."""

    by: str
    title: str
    summary: str
    place: str  # a theme, or '' for the debate
    topic: str
    words: str = ""  # of the reply that is meant; the topic itself where it is ''


FROM_TOPIC = Proposal(
    "sample_researcher",
    "What streets cost once the cars have left",
    "A sample item: three cities put their bills side by side, benches and deliveries included.",
    "mobility",
    "What happened to the corner when the cars left it",
)
ALSO = "In Lyon the sample answer"  # a reply to the same topic, put behind the same item
FROM_REPLY = Proposal(
    "sample_researcher",
    "A tour of warm pavements",
    "A sample item: the laundry behind the station, and what else heats nothing but the street.",
    "energy",
    "Heat that nobody uses, within 500 metres of your door",
    "The laundry behind the station",
)
FROM_ARTICLE = Proposal(
    "sample_host",
    "The first ten minutes of rain",
    "A sample item: roofs, squares and tanks compared, by the minutes that they lend.",
    "water",
    ARTICLE,
)
FROM_DEBATE = Proposal(
    "sample_host",
    "Should every new roof collect its own rain?",
    "A sample item: what the debate of the three cities came to.",
    "",
    debate.MOTION,
)
SUPPORTER = ("barcelona", "sample_neighbour")


async def prepare(places: dict[str, Instance], admin: str) -> None:
    """Publish the article, open the agenda, have members and another city fill it, and decide on what is on it."""
    hub = places["hub"]
    warden, supporter = await person(hub, admin), await person(places[SUPPORTER[0]], SUPPORTER[1])
    await _publish(warden)
    opens_on = _next_day(datetime.now(UTC).date())
    handle = f"wscf_{opens_on.year}"
    path = f"/agenda/{handle}"
    if not await warden.read(path):
        await warden.send(
            "/staff/agendas/new", "/staff/agendas/new", name=EVENT, handle=handle, opens_on=opens_on.isoformat(),
            zone=ZONE, place=PLACE, text=ABOUT, language="en",
        )  # fmt: skip
        await warden.send(f"{path}/sessions", f"{path}/sessions", **SESSION)
    elsewhere = f"{handle}@{hub.host}"
    await _follow(supporter, elsewhere)
    numbers = [await _propose(hub, path, each) for each in (FROM_TOPIC, FROM_REPLY, FROM_ARTICLE, FROM_DEBATE)]
    street, tour, _, roof = numbers
    await _cite(hub, path, FROM_TOPIC, ALSO, street)
    session = re.search(r'id="session-(\d+)"', await warden.read(f"{path}/sessions"))
    await _decide(warden, path, street, "shortlist", reason="A sample decision: three cities have something to show.")
    await _decide(warden, path, roof, "schedule", session=session[1] if session else "")
    reason = "A sample decision: one laundry is no tour yet. Propose it again with a second city."
    await _decide(warden, path, tour, "decline", reason=reason)
    await _support(supporter, elsewhere, FROM_TOPIC.title)

    async def supported() -> str:
        return "yes" if "from other servers" in await hub.people[""].read(path) else ""

    await until("the support from elsewhere", supported)


def _next_day(today: date) -> date:
    """The next 13 July."""
    this_year = date(today.year, 7, 13)
    return this_year if today < this_year else date(today.year + 1, 7, 13)


async def _follow(visitor: Visitor, handle: str) -> None:
    """Follow an agenda on another server, and wait until that has answered: what comes later comes by itself."""
    await until(f"@{handle}", lambda: visitor.leads_to(f"/find?q=@{handle}"))
    page = f"/g/{handle}"
    group = re.search(r'action="/follow">.*?name="actor" value="(\d+)"', await visitor.read(page), re.S)
    if group is None:
        raise Failed(f"@{handle} cannot be followed")
    await visitor.send("/follow", page, actor=group[1], action="follow")

    async def answered() -> str:
        return "yes" if "You follow" in await visitor.read(page) else ""

    await until(f"the answer of @{handle}", answered)


async def _propose(hub: Instance, path: str, proposal: Proposal) -> str:
    """Propose an item by what is said on a page; answers its number."""
    if number := await _number(hub, path, proposal.title):
        return number
    visitor = await person(hub, proposal.by)
    put = await until(f"“{proposal.topic}”", lambda: _put(visitor, proposal, proposal.words or proposal.topic))
    await visitor.send(put, put, agenda=path.split("/")[2], title=proposal.title, summary=proposal.summary)
    return await until(f"item “{proposal.title}”", lambda: _number(hub, path, proposal.title))


async def _cite(hub: Instance, path: str, proposal: Proposal, words: str, number: str) -> None:
    """Put one more thing that was said there behind an item."""
    visitor = await person(hub, proposal.by)
    put = await _put(visitor, proposal, words)
    await visitor.send(put, put, agenda=path.split("/")[2], item=number)


async def _put(visitor: Visitor, proposal: Proposal, words: str) -> str:
    """Where “Put on the agenda” leads to at the post with these words; '' while it is not there."""
    if proposal.place:
        page = await visitor.topic(proposal.place, proposal.topic)
    else:
        page = await debate.find(visitor, "")
    text = unescape(await visitor.read(page)) if page else ""
    found = re.search(re.escape(words) + r'.*?href="(/p/\d+/agenda)"', text, re.S)
    return found[1] if found else ""


async def _number(hub: Instance, path: str, title: str) -> str:
    """The number of an item on an agenda; '' while it is not there."""
    for page in (path, f"{path}/declined"):
        found = re.search(rf'href="{path}/(\d+)">{re.escape(title)}<', unescape(await hub.people[""].read(page)))
        if found is not None:
            return found[1]
    return ""


async def _decide(editor: Visitor, path: str, number: str, what: str, *, reason: str = "", session: str = "") -> None:
    """Make a decision, unless it is not to be made any more."""
    page = f"{path}/{number}/curate"
    if f'name="do" value="{what}"' not in await editor.read(page):
        return
    if not await editor.send(page, page, do=what, session=session, **{f"{what}_reason": reason}):
        raise Failed(f"{what} is refused for {path}/{number}")


async def _support(visitor: Visitor, place: str, title: str) -> None:
    """Like the post of an item, once it has arrived from elsewhere."""
    page = await until(f"item “{title}” elsewhere", lambda: visitor.topic(place, title))
    post = re.search(r"/p/(\d+)/like", await visitor.read(page))
    if post is not None:
        await visitor.send(f"/p/{post[1]}/like", page, liked="1")
