"""Which rows a command is about: options that several commands take, handed to them as one `asked`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from services.archive.asked import Asked, moment

_PANEL = "Which"


def _option(help_: str, *names: str) -> Any:
    return Annotated[str, typer.Option(*names, help=help_, rich_help_panel=_PANEL)]


FILTERS: Mapping[str, Any] = {
    "unit": _option("Who dropped it."),
    "reason": _option("Why it was dropped."),
    "language": _option("zh, en, …"),
    "format": _option("prose, markdown, code, …", "--format"),
    "category": _option("The classifier's."),
    "bucket": _option("Of the recipe."),
    "source": _option("A part of the source; with * or ? a pattern of the whole."),
    "host": _option("Of its URL, or of its source; subdomains too."),
    "title": _option("A part of its title."),
    "error": _option("A part of what was said of it (detail)."),
    "since": _option("Logged from this time on: 2026-11-27, or 2026-11-27T04:30; UTC."),
    "until": _option("Logged before this time."),
    "id": _option("The name its owner gave it.", "--id"),
    "uid": _option("16 hex digits."),
}
_PARTS = ("source", "host", "title", "error")


def filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command whose parameter `asked` is an Asked: these options take its place."""
    signature = inspect.signature(command, eval_str=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(name, kind, default="", annotation=said) for name, said in FILTERS.items()]
    kept = [each for each in signature.parameters.values() if each.name != "asked"]

    @functools.wraps(command)
    def asking(*arguments: Any, **options: Any) -> Any:
        given = {name: options.pop(name, "") for name in FILTERS}
        return command(*arguments, asked=asked_of(given), **options)

    vars(asking).pop("__wrapped__")
    asking.__signature__ = signature.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    asking.__annotations__ = {each.name: each.annotation for each in (*kept, *added)}
    return asking


def asked_of(given: Mapping[str, str]) -> Asked:
    """Of what the options say; "" says nothing. Raises ConfigurationError."""
    times = {name: moment(given[name]) if given[name] else None for name in ("since", "until")}
    equal = {
        name: value for name, value in given.items() if value and name not in _PARTS and name not in times
    }
    if "uid" in equal:
        equal["uid"] = equal["uid"].lower()
    return Asked(equal, **{name: given[name] for name in _PARTS}, **times)  # type: ignore[arg-type]
