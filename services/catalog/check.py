"""Whether the catalog and the parts agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts import PartSealed
from services.catalog.announce import Announcements
from services.catalog.entry import Entry, entry_of
from services.catalog.reader import Reader
from services.catalog.segments import FOLDER, MENDED_BY
from services.runtime import CorpusworksError, ObjectStore


def problems_of(store: ObjectStore, parts: Sequence[PartSealed]) -> list[str]:
    """What is wrong with the catalog, a line each; empty when all is well.

    Checked: numbers without gap, each part once and as it was sealed, and no part passed over. A part may
    still wait for its number, if none behind it in its lane has one.
    """
    try:
        entries = list(Reader(store).read())
    except CorpusworksError as error:
        return [str(error)]
    return [*_gaps(store, len(entries)), *_differences(entries, parts)]


def without_number(store: ObjectStore, parts: Sequence[PartSealed]) -> int:
    """How many of them the catalog has not numbered. Raises CorpusworksError for a damaged segment."""
    return len({part.name for part in parts} - {entry.name for entry in Reader(store).read()})


def _gaps(store: ObjectStore, end: int) -> Iterator[str]:
    for key in sorted(store.list(FOLDER)):
        first = key.removeprefix(f"{FOLDER}/").removesuffix(".jsonl").partition("-")[0]
        if first.isdecimal() and int(first) >= end:
            yield f"{key}: the numbers before it end at {end}; of the segment that is lost, {MENDED_BY}"


def _differences(entries: Sequence[Entry], parts: Sequence[PartSealed]) -> Iterator[str]:
    by_name = {part.name: part for part in parts}
    numbers: dict[str, int] = {}
    for entry in entries:
        part = by_name.get(entry.name)
        if entry.name in numbers:
            yield f"{entry.name}: it has the numbers {numbers[entry.name]} and {entry.sequence}"
        elif part is None:
            yield f"{entry.name}: it has the number {entry.sequence}, and no manifest names it"
        elif entry_of(entry.sequence, part) != entry:
            yield f"{entry.name}: under the number {entry.sequence} the catalog describes another part"
        numbers.setdefault(entry.name, entry.sequence)
    announced = Announcements()
    announced.of(entries)
    for part in parts:
        if part.name not in numbers and announced.has(part.name):
            yield f"{part.name}: it has no number, and parts behind it have"
