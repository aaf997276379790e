"""Settings: the file, the environment, and clear words for what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from community import settings
from community.settings import BadSettings


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "folkmoot.toml").write_text(
        'origin = "https://moot.example"\nname = "Harbour"\nretry_seconds = [1, 2]\n'
    )
    loaded = settings.load(
        tmp_path, {"FOLKMOOT_NAME": "River", "FOLKMOOT_INSECURE_PEERS": "127.0.0.1:4101, 127.0.0.1:2"}
    )
    assert (loaded.origin, loaded.name, loaded.retry_seconds) == ("https://moot.example", "River", (1, 2))
    assert loaded.insecure_peers == ("127.0.0.1:4101", "127.0.0.1:2")
    assert loaded.registration_mode == "approval"


def test_defaults_are_a_server_on_this_machine(tmp_path: Path) -> None:
    loaded = settings.load(tmp_path, {})
    assert (loaded.origin, loaded.listen, loaded.host) == (
        "http://localhost:8000",
        ("127.0.0.1", 8000),
        "localhost:8000",
    )
    assert loaded.registration_mode == "open"


@pytest.mark.parametrize(
    ("variable", "value", "word"),
    [
        ("FOLKMOOT_ORIGIN", "moot.example", "origin"),
        ("FOLKMOOT_ORIGIN", "http://moot.example", "https"),
        ("FOLKMOOT_BIND", "here", "bind"),
        ("FOLKMOOT_REGISTRATION", "sometimes", "registration"),
        ("FOLKMOOT_RETRY_SECONDS", "soon", "whole numbers"),
        ("FOLKMOOT_WORKER_TASKS", "many", "whole number"),
        ("FOLKMOOT_DATABASE_URL", "mysql://x", "postgresql://"),
        ("FOLKMOOT_TRUSTED_PROXIES", "the-proxy", "trusted_proxies"),
    ],
)
def test_a_bad_value_is_named(tmp_path: Path, variable: str, value: str, word: str) -> None:
    with pytest.raises(BadSettings, match=word):
        settings.load(tmp_path, {variable: value})


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "folkmoot.toml").write_text("colou = 1\n")
    with pytest.raises(BadSettings, match="colou"):
        settings.load(tmp_path, {})


def test_the_secret_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    loaded = settings.load(tmp_path, {})
    assert loaded.secret() == loaded.secret()
    assert (loaded.data_path / "secret").stat().st_mode & 0o077 == 0


def test_every_setting_is_described_and_passwords_are_not(tmp_path: Path) -> None:
    loaded = settings.load(tmp_path, {"FOLKMOOT_DATABASE_URL": "postgresql://u:hidden@h/d"})
    text = settings.describe(loaded)
    assert "FOLKMOOT_INSECURE_PEERS" in text
    assert "hidden" not in text
