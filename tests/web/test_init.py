"""`folkmoot init` sets up a city's own instance; running it again breaks nothing."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from community import groups, house, settings, topics
from community.settings import Settings
from federation import site as sites
from web import running
from web.cli import main

Run = Callable[..., Result]
FLAGS = ["--name", "Port City", "--about", "By the sea", "--colour", "#A8325A", "--language", "fr",
         "--languages", "fr,en", "--origin", "http://127.0.0.1:4998", "--theme", "harbour:Le port",
         "--theme", "mobility", "--yes"]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in ("FOLKMOOT_ORIGIN", "FOLKMOOT_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def command(*arguments: str, input: str = "") -> Result:
        return CliRunner().invoke(main, ["init", *arguments], input=input)

    return command


def _held(folder: str | Path = ".") -> tuple[Settings, list[tuple[str, str]], list[str], house.House]:
    """Settings, themes (slug, name), titles of topics and the house, after a start that would write what is missing."""

    async def read() -> tuple[Settings, list[tuple[str, str]], list[str], house.House]:
        site = sites.make(settings.load(folder, {}))
        try:
            await running.prepare(site)
            async with site.database.read() as tx:
                themes = [(theme.slug, theme.actor.name) for theme in await groups.themes(tx)]
                titles = [row.topic.title for row in await topics.listed(tx)]
                return site.settings, themes, titles, await house.load(tx)
        finally:
            await site.close()

    return asyncio.run(read())


def test_all_by_flags_and_again(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (500, 100)).save(tmp_path / "logo.jpg")
    admin = ["--admin-name", "mayor", "--admin-email", "mayor@city.example", "--password-stdin"]
    first = run(*FLAGS, "--logo", "logo.jpg", *admin, input="a long password\n")
    assert first.exit_code == 0, first.output
    for words in ("Port City is set up", "@harbour@127.0.0.1:4998", "Admin: mayor", "folkmoot run", "Linked cities"):
        assert words in first.output
    kept, themes, titles, now = _held()
    assert (kept.name, kept.about, kept.colour, kept.languages) == ("Port City", "By the sea", "#a8325a", ("fr", "en"))
    assert themes == [("harbour", "Le port"), ("mobility", "Mobility")]
    assert titles == ["Bienvenue à Port City"]
    assert now.logo
    before = (tmp_path / "folkmoot.toml").read_text()
    again = run("--name", "Another", "--yes", "--theme", "mobility", "--theme", "water:Eau")
    assert again.exit_code == 0, again.output
    assert "It stays as it is." in again.output
    assert (tmp_path / "folkmoot.toml").read_text() == before
    _, themes, titles, now = _held()
    assert [slug for slug, _ in themes] == ["harbour", "mobility", "water"]
    assert titles == ["Bienvenue à Port City"]
    assert now.name == "Port City"


def test_what_is_not_given_is_asked_until_it_fits(run: Run, tmp_path: Path) -> None:
    typed = [
        "moot.city.example",
        "Port “City” \\ 1",
        "By the sea",
        "red",
        "#112233",
        "es",
        "es",
        "x y:Bad",
        "water:Agua",
        "n",
    ]
    result = run("--folder", "place", input="\n".join(typed) + "\n")
    assert result.exit_code == 0, result.output
    assert "six hexadecimal digits" in result.output
    assert "2 to 20" in result.output
    assert "https://moot.city.example/welcome/" in result.output
    assert "caddy reverse-proxy --from moot.city.example" in result.output
    written = tomllib.loads((tmp_path / "place" / "folkmoot.toml").read_text())
    assert written["origin"] == "https://moot.city.example"
    assert (written["name"], written["about"]) == ("Port “City” \\ 1", "By the sea")
    assert written["languages"] == ["es"]
    assert (tmp_path / "place" / "data" / "folkmoot.db").exists()
    # Asked whether to write it anew: no.
    again = run("--folder", "place", input="n\n")
    assert again.exit_code == 0, again.output
    assert tomllib.loads((tmp_path / "place" / "folkmoot.toml").read_text()) == written


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--origin", "http://moot.example"], "must be https"),
        (["--colour", "blue"], "--colour"),
        (["--languages", "en,xx"], "--languages"),
        (["--theme", "clerk:The clerk"], "kept for the house"),
        (["--theme", "a:A"], "2 to 20"),
        (["--name", " "], "1 to 60"),
        (["--admin-name", "mayor"], "--admin-email"),
        (["--admin-name", "mayor", "--admin-email", "m@c.example"], "--password-stdin"),
        (["--admin-name", "mayor", "--admin-email", "m@c.example", "--password-stdin"], "at least 10"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    run: Run, tmp_path: Path, wrong: list[str], words: str
) -> None:
    result = run("--yes", *wrong, input="short\n")
    assert result.exit_code != 0
    assert words in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_logo_that_is_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text("<svg/>")
    result = run("--yes", "--logo", "logo.svg", "--theme", "water")
    assert result.exit_code != 0
    assert "PNG, JPEG or WebP" in result.output
