"""What is wrong with a recipe, and where: a line each, all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from services.runtime import ConfigurationError

# The way to a value: keys of mappings and indices of lists.
Place = tuple[int | str, ...]
_LONGEST = 600  # letters of what is said of one fault


@dataclass(frozen=True, order=True)
class Fault:
    """line: from 1; key: dotted, empty for the file as a whole."""

    line: int
    key: str
    said: str

    def __str__(self) -> str:
        said = " ".join(self.said.split())  # an expression may go over several lines
        said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
        return f"{self.line}: {self.key}: {said}" if self.key else f"{self.line}: {said}"


def refusal(source: object, faults: Iterable[Fault]) -> ConfigurationError:
    """All faults of a file in the order of its lines, as `recipe FILE:LINE: KEY: what is wrong`."""
    return ConfigurationError("\n".join(f"recipe {source}:{fault}" for fault in sorted(set(faults))))


def meant(name: object, known: Iterable[object]) -> str:
    """`; did you mean …?` with the nearest of the known names, or nothing where none is near."""
    by_letters, given = {str(one).lower(): str(one) for one in known}, str(name).lower()
    near = difflib.get_close_matches(given, by_letters, n=1)
    near = near or [one for one in by_letters if len(given) > 1 and one.startswith(given)]
    return f"; did you mean {by_letters[near[0]]}?" if near else ""


def dotted(place: Place) -> str:
    """`phases.0.weights.zh`."""
    return ".".join(map(str, place))
