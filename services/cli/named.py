"""The command that is asked for.

Of those that start processes, or are processes, its own file alone is imported: to import and build the other
ninety commands takes a sixth of a second of CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import typer
from typer.core import TyperGroup

from services.cli import examples, given

FILES = {"run": "run", "up": "run", "mix": "mix", "import": "serve", "serve": "serve"}


def command_for(words: Sequence[str]) -> TyperGroup:
    """What takes this command line: the commands of one file, or all where its first word is none above."""
    file = FILES.get(words[0]) if words else None
    if file is None:
        from services.cli.app import command

        return command
    app = typer.Typer(pretty_exceptions_enable=False)
    app.add_typer(import_module(f"services.cli.{file}").app)
    return complete(app)


def complete(app: typer.Typer) -> TyperGroup:
    """With what every command has: its examples, `--set` and `--settings`."""
    given.take(app)
    examples.show(app)
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    return command
