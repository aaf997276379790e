"""Three linked instances on one machine, a hub and two cities, filled with samples: to see what linking is.

Each is a process of its own with its own database. They are linked and filled through the doors that everybody uses:
the forms of their pages. Everybody in it is a sample and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
from html import unescape
from pathlib import Path

import aiohttp
import click

from community import keys, members, settings
from federation import site as sites
from web import init, running
from web.demo import debate, forum
from web.demo.samples import CITIES, LINKS, SAMPLES, THEMES, Sample
from web.demo.visitors import PASSWORD, Failed, Instance, Visitor, person, until
from web.init import Admin, Plan

ADMIN = "warden"
DONE = "filled"


# --- the three places


def _places(base: Path, port: int) -> list[Instance]:
    """The instances; in a folder that was used before, at the addresses that they had."""
    places = []
    for number, city in enumerate(CITIES):
        folder = base / city.key
        origin = f"http://127.0.0.1:{port + number}"
        if (folder / "folkmoot.toml").exists():
            origin = settings.load(folder, {}).origin
        places.append(Instance(city, folder, origin))
    return places


async def _found(place: Instance, places: list[Instance]) -> None:
    """Settings, tables, themes and sample members, as `folkmoot init` and `folkmoot member add` make them."""
    city = place.city
    values: dict[str, object] = {
        "origin": place.origin,
        "bind": place.host,
        "name": city.name,
        "about": city.about,
        "colour": city.colour,
        "language": "en",
        "registration": "open",
        "insecure_peers": [each.host for each in places],
        "retry_seconds": [1, 2, 5, 15, 60, 300, 3600],
    }
    plan = Plan(place.folder, values, THEMES, "en", None, Admin(ADMIN, f"{ADMIN}@{city.key}.example", PASSWORD))
    init.write_settings(plan)
    site = sites.make(settings.load(place.folder, {}))
    try:
        await running.prepare_empty(site)
        await init.carry_out(site, plan)
        hashed = await members.hash_password(PASSWORD)
        for name, shown, profession in city.people:
            pair = await keys.make(site.settings.secret())
            async with site.database.write() as tx:
                account = await members.add_member(tx, name, f"{name}@{city.key}.example", hashed, pair, name=shown)
                await members.edit_profile(
                    tx,
                    account,
                    name=shown,
                    biography="A sample member of this demo. Nobody real writes here.",
                    profession=profession,
                    organisation="",
                    city=city.name,
                )
    finally:
        await site.close()
    (place.folder / "founded").touch()


async def _start(place: Instance) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FOLKMOOT_")}
    environment["PYTHONUNBUFFERED"] = "1"
    with (place.folder / "run.log").open("ab") as output:
        # A session of its own, so that Ctrl-C in the terminal reaches this process only, which ends the others.
        place.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "web.cli",
            "run",
            "--empty",
            cwd=place.folder,
            env=environment | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    visitor = Visitor(place.origin)
    place.people[""] = visitor

    async def answers() -> str:
        assert place.process is not None
        if place.process.returncode is not None:
            raise Failed(f"{place.city.name} ended at once:\n{place.log()}")
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            return await visitor.read("/about")
        return ""

    await until(f"{place.city.name} at {place.origin}", answers)


async def _end(place: Instance) -> None:
    """End the process politely, after twelve seconds by force."""
    for visitor in place.people.values():
        await visitor.close()
    process = place.process
    if process is None or process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 12)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# --- linking and filling


# What waits for an answer on the page of links: our group, theirs, and their handle.
_FORM = re.compile(
    r'name="group" value="(\d+)"><input type="hidden" name="other" value="(\d+)">(?:(?!</form>).)*?'
    r'name="action" value="accept">(?:(?!</button>).)*– ([^<\s]+)</span>',
    re.S,
)


async def _link(places: dict[str, Instance]) -> None:
    """Propose every link and have the other side accept it. What is linked already says so and stays."""
    for asks, is_asked, slug in LINKS:
        admin = await person(places[asks], ADMIN)
        their = f"@{slug}@{places[is_asked].host}"
        await admin.send("/staff/links", "/staff/links", action="propose", theme=slug, address=their)
    for key in dict.fromkeys(is_asked for _, is_asked, _ in LINKS):
        admin = await person(places[key], ADMIN)
        expected = {f"{slug}@{places[asks].host}" for asks, is_asked, slug in LINKS if is_asked == key}

        async def answered(admin: Visitor = admin, expected: set[str] = expected) -> str:
            page = await admin.read("/staff/links")
            for group, other, handle in _FORM.findall(page):
                if handle in expected:
                    await admin.send("/staff/links", "/staff/links", action="accept", group=group, other=other)
            return "yes" if page.count("Linked.") >= len(expected) else ""

        await until(f"the links of {places[key].city.name}", answered)


async def _fill(places: dict[str, Instance]) -> None:
    """Topics first, then answers from city to city, each once the topic has arrived there."""
    await asyncio.gather(*(person(place, name) for place in places.values() for name, _, _ in place.city.people))
    for sample in SAMPLES:
        visitor = await person(places[sample.city], sample.by)
        if not await visitor.topic(sample.theme, sample.title):
            path = f"/g/{sample.theme}/new"
            await visitor.send(path, path, title=sample.title, text=sample.text, language="en")
    await asyncio.gather(*(_talk(places, sample) for sample in SAMPLES))


async def _talk(places: dict[str, Instance], sample: Sample) -> None:
    """The answers to one topic, in their order, then the likes; done when every city shows all of it."""
    for city, by, words in sample.replies:
        visitor = await person(places[city], by)
        path = await _arrived(sample, places[city])
        if words[:30] not in unescape(await visitor.read(path)):
            number = path.split("/")[2]
            await visitor.send(f"/t/{number}/reply", path, text=words, reply_to="", language="en")
    for city, by in sample.likes:
        visitor = await person(places[city], by)
        path = await _arrived(sample, places[city])
        post = re.search(r"/p/(\d+)/like", await visitor.read(path))
        if post is not None:
            await visitor.send(f"/p/{post[1]}/like", path, liked="1")
    for place in places.values():
        await _converged(place, sample)


async def _arrived(sample: Sample, place: Instance) -> str:
    """The path of a topic in one city, as soon as it is there. A stranger looks: those pages cost least."""

    async def look() -> str:
        return await place.people[""].topic(sample.theme, sample.title)

    return await until(f"“{sample.title}” in {place.city.name}", look)


async def _converged(place: Instance, sample: Sample) -> None:
    """Wait until a city shows every answer."""
    path = await _arrived(sample, place)

    async def look() -> str:
        page = unescape(await place.people[""].read(path))
        return "yes" if all(words[:30] in page for _, _, words in sample.replies) else ""

    await until(f"the answers to “{sample.title}” in {place.city.name}", look)


# --- from the beginning to Ctrl-C


async def _prepare(base: Path, places: list[Instance]) -> None:
    by_key = {place.city.key: place for place in places}
    new = [place for place in places if not (place.folder / "founded").exists()]
    for place in new:
        click.echo(f"Founding {place.city.name} …")
        if (place.folder / "data").exists():  # broken off while it was founded
            shutil.rmtree(place.folder / "data")
    await asyncio.gather(*(_found(place, places) for place in new))
    click.echo("Starting three processes …")
    await asyncio.gather(*(_start(place) for place in places))
    if not (base / DONE).exists():
        click.echo("Linking their themes …")
        await _link(by_key)
        click.echo("Writing topics, answers and likes …")
        await _fill(by_key)
        click.echo("Calling for questions to a debate, and making an agenda …")
        await asyncio.gather(debate.prepare(by_key, ADMIN), forum.prepare(by_key, ADMIN))
        (base / DONE).touch()


def _say(places: list[Instance], folder: Path, is_kept: bool) -> None:
    lines = ["", "Ready. Three instances, linked:", ""]
    for place in places:
        names = ", ".join([ADMIN, *(name for name, _, _ in place.city.people)])
        lines += [
            f"  {place.city.name}",
            f"      {place.origin}   themes {place.origin}/g/mobility   cities {place.origin}/cities",
            f"      sign in as {names}",
            f"      log and database in {place.folder}",
        ]
    lines += ["", f"The password of everybody is {PASSWORD}. Open a topic in one city and look at the others.",
              f"A debate of all three goes live in a minute or two: {places[0].origin}/debates",
              f"What the three put on the agenda of the Forum: {places[0].origin}/agenda",
              f"An article of the blog that is on it too: {places[0].origin}/blog",
              f"{'Kept in' if is_kept else 'Thrown away at the end:'} {folder}", "Ctrl-C ends all three."]  # fmt: skip
    click.echo("\n".join(lines))
    sys.stdout.flush()


async def _watch(places: list[Instance]) -> None:
    """Ends when any of the processes ends."""
    waiting = [asyncio.ensure_future(place.process.wait()) for place in places if place.process is not None]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()


async def run(port: int, folder: str | None) -> int:
    """Until SIGINT, SIGTERM or SIGHUP; answers the exit status. No process of it outlives this call."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    base = Path(folder).resolve() if folder else Path(tempfile.mkdtemp(prefix="folkmoot-demo-"))
    base.mkdir(parents=True, exist_ok=True)
    places = _places(base, port)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        preparing = asyncio.ensure_future(_prepare(base, places))
        await asyncio.wait([preparing, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            preparing.result()
            _say(places, base, folder is not None)
            watching = asyncio.ensure_future(_watch(places))
            await asyncio.wait([watching, stopping], return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            if not stop.is_set():
                ended = [place for place in places if place.process is None or place.process.returncode is not None]
                raise Failed("\n".join(f"{place.city.name} ended by itself:\n{place.log()}" for place in ended))
        else:
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)
    except (Failed, aiohttp.ClientError, OSError, settings.BadSettings) as error:
        click.echo(f"The demo cannot go on: {error}", err=True)
        return 1
    finally:
        stopping.cancel()
        await asyncio.gather(*(_end(place) for place in places))
        if folder is None:
            shutil.rmtree(base, ignore_errors=True)
    click.echo("All three have ended.")
    return 0
