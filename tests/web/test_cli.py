"""The command line: it does what it says, prints what scripts need, and says what to do when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from web.cli import main

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command on an instance of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLKMOOT_ORIGIN", "http://127.0.0.1:4999")

    def command(*arguments: str, input: str = "") -> Result:
        return CliRunner().invoke(main, list(arguments), input=input)

    return command


def test_first_steps(run: Run) -> None:
    added = run("member", "add", "anna", "--email", "a@example.org", "--password-stdin", input="a long password\n")
    assert (added.exit_code, added.stdout) == (0, "http://127.0.0.1:4999/u/anna\n")
    assert run("member", "role", "anna", "editor").stdout == "anna is editor.\n"
    theme = run("theme", "add", "harbour", "--name", "The harbour")
    assert theme.stdout == "http://127.0.0.1:4999/g/harbour\n"
    topic = run("post", "--as", "anna", "--theme", "harbour", "--title", "A ferry at night", input="Who would use it?")
    reply = run("post", "--as", "anna", "--reply-to", topic.stdout.strip(), input="I would.")
    assert reply.exit_code == 0
    explained = run("explain", reply.stdout.strip())
    assert "sent Create" in explained.stdout
    assert "number 2 of" in explained.stdout
    assert run("migrate").stdout == "The tables are at version 0005.\n"
    assert run("doctor").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["post", "--as", "nobody", "--theme", "mobility", "--title", "A title"], "There is no member 'nobody'"),
        (["post", "--as", "clerk", "--theme", "nowhere", "--title", "A title"], "There is no theme 'nowhere'"),
        (["post", "--as", "clerk", "--reply-to", "https://a.example/1"], "No post with the URI"),
        (["post", "--as", "clerk"], "Say either --theme"),
        (["post", "--as", "clerk", "--theme", "mobility"], "A topic needs a --title"),
        (["member", "add", "A B", "--email", "x", "--password-stdin"], "2 to 20"),
        (["member", "role", "nobody", "editor"], "There is no member 'nobody'"),
        (["member", "role", "clerk", "editor"], "There is no member 'clerk'"),
        (["member", "role", "anna", "king"], "is not one of"),
        (["theme", "add", "mobility", "--name", "x"], "This name is taken"),
        (["explain", "https://a.example/1"], "Nothing is held"),
        (["web"], "use `folkmoot run`"),
        (["worker"], "use `folkmoot run`"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: list[str], words: str) -> None:
    result = run(*arguments, input="a long password and text\n")
    assert result.exit_code != 0
    assert words in result.output
    assert "Traceback" not in result.output


def test_the_admin_link_is_there_until_there_is_an_admin(run: Run) -> None:
    first, second = run("admin-link"), run("admin-link")
    assert first.stdout.startswith("http://127.0.0.1:4999/welcome/")
    assert first.stdout != second.stdout
    run("member", "add", "anna", "--email", "a@b.example", "--password-stdin", "--admin", input="a long password\n")
    assert run("admin-link").exit_code != 0


def test_doctor_says_what_is_wrong(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = run("doctor")
    assert fresh.exit_code == 1
    assert "folkmoot migrate" in fresh.output
    assert "FOLKMOOT_INSECURE_PEERS" in run("doctor", "--settings").output
    monkeypatch.setenv("FOLKMOOT_ORIGIN", "moot.example")
    assert "origin must look like" in run("doctor").output
