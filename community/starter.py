"""The first content of a new instance, written by the clerk: five themes, what a newcomer wants to know, and the agenda
that all of it leads to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from community import agendas, groups, posts, topics
from community.db import Tx
from community.keys import KeyPair
from community.models import Topic


@dataclass(frozen=True)
class StarterTheme:
    slug: str
    name: str
    colour: str
    about: str


@dataclass(frozen=True)
class StarterTopic:
    theme: str
    title: str
    text: str
    is_pinned: bool = False


RULES = """\
1. **Say who you are and where you speak from.** A planner, a utility and a resident see different things; we need all.
2. **Argue with the point, not the person.** Disagreement is the reason we meet.
3. **Bring what you know:** a figure with its source, a street you walked, a project that failed. Say which it is.
4. **No selling.** Name your own product once, as yours, when it answers the question.
5. **Nobody else's private life.** No names, pictures or addresses of people who did not choose to be here.

Moderators may close, move or remove what breaks these rules. They say why, in the public log.
"""

THEMES = (
    StarterTheme(
        "mobility",
        "Mobility",
        "#1f5fa8",
        "Moving people and goods, not only cars: streets, buses and trains, walking and cycling, deliveries, fares, "
        "and who is left waiting at the stop.",
    ),
    StarterTheme(
        "water",
        "Water",
        "#0e6b80",
        "From rain to tap and back: supply, leaks, sewers, floods, drought, heat, and what a city can learn from the "
        "river that it stands on.",
    ),
    StarterTheme(
        "energy",
        "Energy",
        "#a85708",
        "Heat, light and who pays for them: buildings, grids, storage, district heating, and the tenants in between.",
    ),
    StarterTheme(
        "cybersecurity",
        "Cybersecurity",
        "#6a3fa0",
        "Keeping a connected city working when somebody tries to stop it: controllers, clouds, suppliers, standards, "
        "and the day after an attack.",
    ),
    StarterTheme(
        "privacy",
        "Privacy",
        "#a8325a",
        "Useful data without watching people: cameras, sensors, tickets, consent, and how to tell residents the truth "
        "about what is recorded.",
    ),
)


def _topics(name: str, host: str) -> tuple[StarterTopic, ...]:
    return (
        StarterTopic(
            "mobility",
            f"Welcome to {name}",
            """\
This is a place where people who make cities work talk with people who live in them: urban planners, architects,
utilities, researchers, start-ups, officials, and anyone else who wants to join.

There are five themes to begin with: **Mobility, Water, Energy, Cybersecurity** and **Privacy**. Each has its own page,
its own rules and its own followers. Everything here is public; you need no account to read.

Three ways to take part:

- **From the server you already use.** If you have an account on Mastodon or anything that speaks with it, follow a
  theme from there and answer from there. See *How to follow a theme from another server*.
- **With an account here.** It takes a name, an address and a password.
- **With your own city's server.** A city can run its own instance and stay in touch with this one.

Say hello below: who are you, which city do you think of first, and what would you change in it tomorrow?
""",
            is_pinned=True,
        ),
        StarterTopic(
            "mobility",
            "How to follow a theme from another server",
            f"""\
Every theme here can be followed from Mastodon and from other servers that speak ActivityPub. No account is needed here.

1. Open the search field of your own server and enter the theme's handle: `@mobility@{host}` (or `water`, `energy`,
   `cybersecurity`, `privacy` in front of the same address).
2. Choose **Follow**. New topics appear in your home feed with their title and full text. Replies do not, so your feed
   stays calm; open a topic to read them.
3. **Answer** a topic as you would answer anybody. Your reply stands on the topic's page here within seconds, under
   your own name and server.
4. **Open a topic** by mentioning the theme in a new public post. The first sentence becomes the title, so make it a
   good one.

Favourites are counted, not listed. Edits and deletions on your server are followed here.

If a thread looks incomplete on your server, open it here: this page has all of it.
""",
            is_pinned=True,
        ),
        StarterTopic(
            "privacy",
            "What the debate of the 18th is",
            """\
On the 18th of every month there is one debate, with a motion that can be argued both ways.

A few invited panellists answer, but the floor belongs to everybody: members ask and argue here, followers from the
server they use. Before the debate there is a call for questions; afterwards a short digest says what the result was,
which arguments were strongest on either side, and what stays open.

All themes, topics and debates together define the agenda of the World Smart Cities Forum on 13 July in Singapore.

Which motion would you like to hear argued? Write it as one sentence that somebody could say no to.
""",
            is_pinned=True,
        ),
        StarterTopic(
            "mobility",
            "Which street in your city works for everybody, and why?",
            """\
Not the prettiest one: the one where a child, a wheelchair, a bus and a delivery van all get where they are going.

Tell us which street it is, what is different about it (a kerb, a crossing, a rule, a budget), and how it came about.
If you know what it cost, say so; if it took three attempts, say that too.
""",
        ),
        StarterTopic(
            "water",
            "Where does the rain go when it falls on your street?",
            """\
Into a drain, a cellar, a tree pit, a river? Most of us do not know, and most drains were sized for another climate.

If your city has changed something (open gutters, green roofs, a square that may flood) tell us how it did in the last
heavy rain. If it has not, tell us who would have to decide.
""",
        ),
        StarterTopic(
            "energy",
            "Heating an old building: what has actually worked where you are?",
            """\
Much of what will stand in our cities in 2050 stands there now, and much of it is old, shared and occupied.

We are looking for experience rather than plans: which building, which measure, what it cost, what it saved, and what
the people inside said about it afterwards.
""",
        ),
        StarterTopic(
            "cybersecurity",
            "Which system would your city miss first if it stopped on a Monday morning?",
            """\
Traffic lights, ticket machines, the water works' telemetry, the registry office, the phones?

Name the system, not its weaknesses. What we would like to compare is how each of us would notice, who would be called,
and whether anybody has ever practised it without a computer.
""",
        ),
    )


def _unwrapped(words: str) -> str:
    """Each paragraph in one line: in posts a line break is meant as one."""
    return re.sub(r"(?<!\n)\n(?!\n|- |\d+\. )\s*", " ", words)


WELCOMES = {
    "en": (
        "Welcome to {name}",
        """\
This is {name}'s own place for talking about what makes a city work. Everything here is public; you need no account to
read.

- **From the server you already use:** search there for a theme's handle, such as `@{slug}@{host}`, follow it, and
  answer from there.
- **With an account here:** it takes a name, an address and a password.

Say hello below: who are you, and what would you change in this city tomorrow?
""",
    ),
    "fr": (
        "Bienvenue à {name}",
        """\
Voici le lieu de {name} pour parler de ce qui fait fonctionner une ville. Tout y est public ; aucun compte n'est
nécessaire pour lire.

- **Depuis le serveur que vous utilisez déjà :** cherchez-y l'adresse d'un thème, par exemple `@{slug}@{host}`,
  suivez-le et répondez de là-bas.
- **Avec un compte ici :** il suffit d'un nom, d'une adresse et d'un mot de passe.

Présentez-vous ci-dessous : qui êtes-vous, et que changeriez-vous demain dans cette ville ?
""",
    ),
    "es": (
        "Le damos la bienvenida a {name}",
        """\
Este es el lugar de {name} para hablar de lo que hace funcionar una ciudad. Todo es público; para leer no hace falta
ninguna cuenta.

- **Desde el servidor que ya usa:** busque allí la dirección de un tema, por ejemplo `@{slug}@{host}`, sígalo y
  responda desde allí.
- **Con una cuenta aquí:** basta un nombre, una dirección y una contraseña.

Preséntese aquí abajo: ¿quién es y qué cambiaría mañana en esta ciudad?
""",
    ),
}


async def write_own(tx: Tx, wanted: Sequence[tuple[str, str]], pairs: Sequence[KeyPair], language: str) -> list[str]:
    """The themes that a city chose, as (slug, name), and the clerk's welcome in its language. What is there already
    stays as it is; answers the slugs of the new ones."""
    known = {starter.slug: starter for starter in THEMES}
    added = []
    for (slug, name), pair in zip(wanted, pairs, strict=True):
        if await groups.group_by_handle(tx, slug) is not None:
            continue
        # What the starter themes are about is written in English only.
        starter = known.get(slug) if language == "en" else None
        await groups.add_theme(
            tx,
            None,
            slug,
            pair,
            name=name,
            about=starter.about if starter else "",
            colour=known[slug].colour if slug in known else "",
            rules=_unwrapped(RULES) if language == "en" else "",
        )
        added.append(slug)
    first = next(iter(await groups.themes(tx)), None)
    if first is not None and (await tx.execute(select(Topic.id).limit(1))).first() is None:
        title, body = WELCOMES[language]
        words = {"name": tx.settings.name, "slug": first.slug, "host": tx.settings.host}
        clerk = await groups.clerk(tx)
        written = await posts.compose(
            tx, _unwrapped(body.format(**words)), title=title.format(**words), language=language
        )
        opener = await topics.open(tx, clerk, first.actor, written)
        await topics.pin(tx, clerk, opener.topic, is_on=True)
    return added


EVENT = "World Smart Cities Forum"
EVENT_TEXT = """\
Once a year the cities meet. What they speak of is decided here, by everybody who takes part: put on this agenda what
was said in a theme or a debate, support what others put on it, and read why something did not make it.
"""


def next_event(today: date) -> date:
    """The next 13 July, the day of the event."""
    day = date(today.year, 7, 13)
    return day if day >= today else day.replace(year=today.year + 1)


async def write(tx: Tx, pairs: list[KeyPair]) -> None:
    """Make the themes, write the first topics, set up the agenda; ``pairs`` is one key pair for each theme and one for
    the agenda."""
    clerk = await groups.clerk(tx)
    made = {}
    for starter, pair in zip(THEMES, pairs[:-1], strict=True):
        made[starter.slug] = await groups.add_theme(
            tx,
            None,
            starter.slug,
            pair,
            name=starter.name,
            about=starter.about,
            colour=starter.colour,
            rules=_unwrapped(RULES),
        )
    for topic in reversed(_topics(tx.settings.name, tx.settings.host)):
        written = await posts.compose(tx, _unwrapped(topic.text), title=topic.title, language="en")
        opener = await topics.open(tx, clerk, made[topic.theme].actor, written)
        if topic.is_pinned:
            await topics.pin(tx, clerk, opener.topic, is_on=True, reason="For newcomers")
    day = next_event(tx.now.date())
    plan = agendas.Plan(EVENT, day, day, "Asia/Singapore", place="Singapore", text=_unwrapped(EVENT_TEXT))
    await agendas.make(tx, clerk, pairs[-1], plan)
