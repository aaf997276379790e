"""FEDERATION.md says what is accepted; the registry decides it: the two agree."""

from __future__ import annotations

import re
from pathlib import Path

import inbox  # noqa: F401
from inbox import registry


def test_federation_md_names_exactly_the_handled_activities() -> None:
    page = Path(__file__).parents[2].joinpath("FEDERATION.md").read_text()
    table = page.partition("<!-- accepted: begin -->")[2].partition("<!-- accepted: end -->")[0]
    said: set[tuple[str, str | None]] = set()
    for line in table.strip().splitlines()[2:]:
        kind, objects, _ = [cell.strip() for cell in line.strip("|").split("|", 2)]
        names = re.findall(r"`(\w+)`", objects)
        said |= {(kind.strip("`"), name) for name in names} or {(kind.strip("`"), None)}
    assert said == set(registry.handled())
