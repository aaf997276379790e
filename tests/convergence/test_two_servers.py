"""Two servers, and a network that loses, doubles and reorders: once it is quiet, both show the same thread."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.convergence import deeds
from tests.convergence.town import Town, settle
from tests.ports import free_port

PEOPLE = {"home": ["hanna", "hugo"], "away": ["ada", "abel"]}
WORDS = st.text(alphabet="abcdefgh ", min_size=3, max_size=20).map(lambda text: f"It is {text.strip() or 'so'}.")
pick = st.integers(min_value=0, max_value=10**6)


class TwoServers(RuleBasedStateMachine):
    """``home`` has the theme; ``away`` follows it. Everybody writes from where they live."""

    template: Path
    posts = Bundle("posts")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="folkmoot-two-"))
        ports = {"home": free_port(), "away": free_port()}
        self.towns: dict[str, Town] = {}
        self.written: dict[str, str] = {}  # who wrote what: uri to place:handle
        for place, port in ports.items():
            self.towns[place] = self.run(Town.found(self.folder / place, self.template, port, [*ports.values()]))

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def do(self, place: str, who: str, name: str, **deed: Any) -> str:
        return str(self.run(deeds.do(self.towns[place].site, {"do": name, "as": who, **deed})))

    @initialize()
    def settle_in(self) -> None:
        home, away = self.towns["home"], self.towns["away"]
        for number, (place, people) in enumerate(PEOPLE.items()):
            for count, name in enumerate(people):
                role = "moderator" if name == "hugo" else "member"
                self.run(deeds.add_member(self.towns[place].site, name, 2 + number + count, site_role=role))
        self.group = self.run(deeds.add_theme(home.site, "mobility", 6))
        self.run(deeds.follow(away.site, "ada", f"mobility@{home.site.settings.host}"))
        self.run(settle(home, away))

    # --- What people do -----------------------------------------------------------------------------------------------

    @rule(target=posts, place=st.sampled_from(["home", "away"]), number=pick, text=WORDS)
    def open(self, place: str, number: int, text: str) -> str:
        who = PEOPLE[place][number % 2]
        return self.wrote(place, who, self.do(place, who, "open", group=self.group, title="A question", text=text))

    def wrote(self, place: str, who: str, uri: str) -> str:
        assert not uri.startswith("refused:"), uri
        self.written[uri] = f"{place}:{who}"
        return uri

    def holds(self, place: str, uri: str) -> bool:
        held = self.run(deeds.thread(self.towns[place].site, self.group)).get(uri)
        return held is not None and not held["gone"]

    @rule(target=posts, uri=posts, place=st.sampled_from(["home", "away"]), number=pick, text=WORDS)
    def reply(self, uri: str, place: str, number: int, text: str) -> str:
        if not self.holds(place, uri):
            return uri
        who = PEOPLE[place][number % 2]
        return self.wrote(place, who, self.do(place, who, "reply", post=uri, text=text))

    @rule(uri=posts, text=WORDS)
    def edit(self, uri: str, text: str) -> None:
        place, _, who = self.written[uri].partition(":")
        if self.holds(place, uri):
            self.do(place, who, "edit", post=uri, text=text)

    @rule(uri=posts)
    def delete(self, uri: str) -> None:
        place, _, who = self.written[uri].partition(":")
        if self.holds(place, uri):
            self.do(place, who, "delete", post=uri)

    @rule(uri=posts)
    def remove(self, uri: str) -> None:
        if self.holds("home", uri):
            self.do("home", "hugo", "delete", post=uri, reason="off topic")

    @rule(uri=posts, place=st.sampled_from(["home", "away"]), number=pick, is_on=st.booleans())
    def like(self, uri: str, place: str, number: int, is_on: bool) -> None:
        who = PEOPLE[place][number % 2]
        if self.holds(place, uri) and self.written[uri] != f"{place}:{who}":
            self.do(place, who, "like" if is_on else "unlike", post=uri)

    # --- What the network does ----------------------------------------------------------------------------------------

    @rule(place=st.sampled_from(["home", "away"]))
    def work(self, place: str) -> None:
        self.run(self.towns[place].work())

    @rule(place=st.sampled_from(["home", "away"]), number=pick, again=st.booleans())
    def arrive(self, place: str, number: int, again: bool) -> None:
        """Any of the messages under way arrives, not only the oldest; perhaps it arrives again later."""
        town = self.towns[place]
        if town.under_way:
            self.run(town.pass_on(number % len(town.under_way), again=again))

    def teardown(self) -> None:
        try:
            if hasattr(self, "group"):
                self.run(settle(*self.towns.values()))
                home, away = (self.run(deeds.thread(town.site, self.group)) for town in self.towns.values())
                assert home == away
        finally:
            for town in self.towns.values():
                self.run(town.close())
            self.loop.close()
            shutil.rmtree(self.folder)


@pytest.mark.timeout(900)
def test_after_all_is_quiet_both_show_the_same(sqlite_template: Path) -> None:
    """A few histories, the same at every run; with FOLKMOOT_EXAMPLES=200 as many others."""
    TwoServers.template = sqlite_template
    run_state_machine_as_test(
        TwoServers,
        settings=settings(
            max_examples=int(os.environ.get("FOLKMOOT_EXAMPLES", "4")),
            stateful_step_count=25,
            deadline=None,
            derandomize="FOLKMOOT_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
