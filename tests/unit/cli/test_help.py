"""`--help` has examples that each command takes, and the shell completes commands and options."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from services.cli.app import command
from services.cli.examples import EXAMPLES
from services.cli.named import FILES, command_for
from tests.e2e.commands import ROOT, ask, environment


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, found in group.commands.items():
        if hasattr(found, "commands"):
            yield from _commands(found, f"{before}{name} ")
        else:
            yield before + name, found


COMMANDS = dict(_commands(command))


def test_every_command_has_examples_and_every_example_a_command() -> None:
    """Prevents: a new command that nobody can see at work."""
    assert EXAMPLES.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_its_examples_are_what_it_takes(name: str) -> None:
    """Prevents: an example with an option that was renamed."""
    for example in EXAMPLES[name]:
        words = shlex.split(example.partition(" <")[0])
        assert words[: 1 + len(name.split())] == ["corpusworks", *name.split()]
        COMMANDS[name].make_context(name, words[1 + len(name.split()) :])


@pytest.mark.parametrize("name", FILES)
def test_alone_it_is_what_it_is_among_all(name: str) -> None:
    """Prevents: a command that takes other options where its file alone is imported."""
    alone = command_for([name, "--help"])
    assert alone is not command
    assert command_for([]) is command_for([f"no-{name}"]) is command_for(["--help"]) is command
    one, other = alone.commands[name], command.commands[name]
    told, wanted = (
        [(each.name, each.opts, each.default, each.required) for each in found.params]
        for found in (one, other)
    )
    assert (told, one.help, one.epilog) == (wanted, other.help, other.epilog)


def test_help_shows_them() -> None:
    done = ask("rejudge", "--help")
    assert done.code == 0
    for example in EXAMPLES["rejudge"]:
        assert example in " ".join(done.out.split())


def test_the_shell_completes_commands() -> None:
    variables = environment(
        {"_CORPUSWORKS_COMPLETE": "complete_bash", "COMP_WORDS": "corpusworks re", "COMP_CWORD": "1"}
    )
    program = "import sys; sys.argv = ['corpusworks']; from services.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=variables, cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {"rejudge", "report", "recipe", "reconcile", "retention"} <= set(done.stdout.split())


@pytest.mark.skipif(os.name != "posix", reason="shells")
def test_the_shells_script_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "bash"))  # no shell may have started us
    done = ask("--show-completion", "bash")
    assert (done.code, "_CORPUSWORKS_COMPLETE" in done.out or "COMPLETE=complete_bash" in done.out) == (
        0,
        True,
    )
