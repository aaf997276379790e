"""What the demo is filled with: three cities, their sample people, and what these say."""

from __future__ import annotations

from dataclasses import dataclass

THEMES = (("mobility", "Mobility"), ("energy", "Energy"), ("water", "Water"))


@dataclass(frozen=True)
class City:
    key: str
    name: str
    about: str
    colour: str
    language: str
    people: tuple[tuple[str, str, str], ...]  # name, shown name, profession


CITIES = (
    City(
        "hub",
        "World Smart City (demo)",
        "A demo of the hub: cities from everywhere meet here, and what is written in one is read in all.",
        "#0b5a52",
        "en",
        (("sample_host", "Sample Host", "consultant"), ("sample_researcher", "Sample Researcher", "researcher")),
    ),
    City(
        "barcelona",
        "Barcelona (demo)",
        "A demo of a city’s own instance. Nothing here comes from the city of Barcelona.",
        "#a8325a",
        "es",
        (("sample_planner", "Sample Planner", "urban planner"), ("sample_neighbour", "Sample Neighbour", "citizen")),
    ),
    City(
        "lyon",
        "Lyon (demo)",
        "A demo of a city’s own instance. Nothing here comes from the city of Lyon.",
        "#1f5fa8",
        "fr",
        (("sample_engineer", "Sample Engineer", "utility"), ("sample_driver", "Sample Driver", "transport planner")),
    ),
)
# Which themes are linked: (asks, is asked, theme).
LINKS = tuple(
    (asks, is_asked, slug)
    for asks, is_asked in (("barcelona", "hub"), ("lyon", "hub"), ("barcelona", "lyon"))
    for slug, _ in THEMES
)


@dataclass(frozen=True)
class Sample:
    """A topic, who opens it where, and who answers from which city; ``likes`` like the topic."""

    city: str
    by: str
    theme: str
    title: str
    text: str
    replies: tuple[tuple[str, str, str], ...] = ()
    likes: tuple[tuple[str, str], ...] = ()


SAMPLES = (
    Sample(
        "barcelona",
        "sample_planner",
        "mobility",
        "What happened to the corner when the cars left it",
        "A sample topic, opened in Barcelona. One crossing, four benches, twelve trees, and a delivery bay that is "
        "open before nine.\n\nWhat did you do about deliveries after nine?",
        (
            (
                "lyon",
                "sample_driver",
                "In Lyon the sample answer is a parcel room in the old kiosk.",
            ),
            ("hub", "sample_host", "Could both of you say what it cost? The hub would put the two side by side."),
            (
                "barcelona",
                "sample_neighbour",
                "A sample neighbour says: the benches were the cheap part.",
            ),
        ),
        (("lyon", "sample_engineer"), ("hub", "sample_researcher")),
    ),
    Sample(
        "lyon",
        "sample_driver",
        "mobility",
        "A tram every four minutes, or a bus every two?",
        "A sample topic, opened in Lyon. The same money, the same street, two timetables. Which would you wait for?",
        (
            ("barcelona", "sample_neighbour", "The tram: I can read in it. This is a sample opinion."),
            ("hub", "sample_researcher", "It depends on the transfers; a sample of one street decides nothing."),
        ),
        (("barcelona", "sample_planner"),),
    ),
    Sample(
        "lyon",
        "sample_engineer",
        "water",
        "Opening a square for the rain",
        "A sample topic, opened in Lyon. The square floods on purpose, ankle-deep, and drains within an hour.",
        (("barcelona", "sample_planner", "Ours would need steps. How do wheelchairs cross while it is wet?"),),
        (("hub", "sample_host"),),
    ),
    Sample(
        "barcelona",
        "sample_neighbour",
        "energy",
        "Who pays for the shade?",
        "A sample topic, opened in Barcelona. Awnings cool the street and the flat behind it; only one of them pays.",
        (("hub", "sample_host", "A question for every city on this list. The sample host pins nothing, yet."),),
    ),
    Sample(
        "hub",
        "sample_host",
        "mobility",
        "Which street should every city know?",
        "A sample topic, opened on the hub and readable in both cities. One street, one sentence, one number.",
        (
            ("barcelona", "sample_planner", "The one with the school: cars at ten, children at nine."),
            ("lyon", "sample_driver", "The quay, on the one Sunday without cars."),
        ),
    ),
    Sample(
        "hub",
        "sample_researcher",
        "energy",
        "Heat that nobody uses, within 500 metres of your door",
        "A sample topic, opened on the hub. A bakery, a metro shaft, a server room: what is it near you?",
        (("lyon", "sample_engineer", "The laundry behind the station. It warms the pavement, and that is all."),),
    ),
)
