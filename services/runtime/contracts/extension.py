"""What a package that is installed beside this one may add, by entry points (docs/extending.md).

corpusworks.formats       a Format: records out of files with other suffixes
corpusworks.extractors    an Extractor: text out of bodies of another media type
corpusworks.rules         a TextRule: a measure with its bound
corpusworks.units         a Unit, LaneService, Source or Door, which a topology names by its entry point
corpusworks.exporters     what makes a Writer for a folder, as services.sink.export has them
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, BinaryIO, TypeVar

from services.runtime.errors import ConfigurationError

FORMATS, EXTRACTORS, RULES = "corpusworks.formats", "corpusworks.extractors", "corpusworks.rules"
UNITS, EXPORTERS = "corpusworks.units", "corpusworks.exporters"


@dataclass(frozen=True)
class Format:
    """A kind of file that holds records. suffixes: in lower case, with their dots.

    read: of a file, uncompressed and open at its start, each record as JSON lines would have it: text or
    html, and whatever belongs to it (id, url, title, licence). What it raises costs the rest of the file.
    It must give the same records each time: reading goes on after so many of them.
    """

    suffixes: tuple[str, ...]
    read: Callable[[BinaryIO], Iterator[Mapping[str, Any]]]


@dataclass(frozen=True)
class Extractor:
    """Text out of what is one document: whole files with these suffixes, and bodies of this media type.

    extract: of the bytes, the text. What it raises makes the document a dead letter.
    """

    media_type: str
    suffixes: tuple[str, ...]
    extract: Callable[[bytes], str]


@dataclass(frozen=True)
class TextRule:
    """Drops with `reason` where `measure` of a text, as the rules leave it, is above `most` or below `least`.

    measure: of a text; its number stands in the document's features under the entry point's name.
    formats: of those alone.
    """

    reason: str
    measure: Callable[[str], float]
    most: float = float("inf")
    least: float = float("-inf")
    formats: frozenset[str] = frozenset({"prose", "markdown"})


_Kind = TypeVar("_Kind")


def added(group: str, kind: type[_Kind]) -> dict[str, _Kind]:
    """What installed packages add to a group, by name, in the order of names.

    Raises ConfigurationError: one cannot be imported, is no such thing, or has another's name.
    """
    found: dict[str, _Kind] = {}
    for name, value in _loaded(group):
        if not isinstance(value, kind):
            raise ConfigurationError(f"{group}: {name} is a {type(value).__name__} and no {kind.__name__}")
        found[name] = value
    return found


def find(group: str, name: str) -> Any:
    """One of them. Raises ConfigurationError with what there is."""
    known = dict(_loaded(group))
    if name not in known:
        raise ConfigurationError(
            f"no package adds {name!r} to {group}; there are: {', '.join(known) or 'none'}"
        )
    return known[name]


@cache
def _loaded(group: str) -> tuple[tuple[str, Any], ...]:
    """Looked up once in a process: a search of all installed packages takes some 10 ms."""
    found: dict[str, Any] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        package = point.dist.name if point.dist else "a package"
        if point.name in found:
            raise ConfigurationError(f"{group}: {point.name} of {package} is there twice: remove one of them")
        try:
            found[point.name] = point.load()
        except Exception as error:
            raise ConfigurationError(
                f"{group}: {point.name} of {package} cannot be imported: {error!r}; mend it or remove it"
            ) from error
    return tuple(found.items())
