"""How each document was used, told by the records of the parts; no server is needed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from contracts import PartSealed
from services.runtime import CorpusworksError, ObjectStore


class BrokenRecords(CorpusworksError):
    """The records of a part cannot be read."""


@dataclass(frozen=True)
class Use:
    """One document in one part. sequence: the first that has tokens of it. number: the n-th use of it (pass).

    spans: half-open, in tokens of the part, each within one sequence.
    """

    id: str
    uid: str
    part: str
    sequence: int
    phase: str
    number: int
    recipe: str
    spans: tuple[tuple[int, int], ...]


def uses_of(
    store: ObjectStore, parts: Iterable[PartSealed], *, ids: Collection[str] = (), uids: Collection[str] = ()
) -> Iterator[Use]:
    """Of the documents with one of these ids or uids (16 hex digits), in the order of the parts.

    Each part's records are read; a part in whose bytes none is named costs no more than that.
    Raises BrokenRecords, DependencyDown.
    """
    needles = [f'"uid":"{uid}"'.encode() for uid in uids]
    needles += [f'"id":{json.dumps(name, ensure_ascii=False)}'.encode() for name in ids]
    for part in parts if needles else ():
        for row in _rows(store, part, needles):
            if row["uid"] in uids or row["id"] in ids:
                yield _use(row, part)


def _rows(
    store: ObjectStore, part: PartSealed, needles: Collection[bytes] = (b"",)
) -> Iterator[dict[str, Any]]:
    """The records of a part in whose line one of the needles stands."""
    try:
        data = store.get(f"parts/{part.name}.jsonl")
        if any(needle in data for needle in needles):
            for line in data.splitlines():
                if any(needle in line for needle in needles):
                    yield json.loads(line)
    except FileNotFoundError as error:
        raise BrokenRecords(f"{part.name}: it was announced, but its .jsonl is not there") from error
    except ValueError as error:
        raise BrokenRecords(f"{part.name}: a line of its .jsonl is no record: {error}") from error


def _use(row: dict[str, Any], part: PartSealed) -> Use:
    spans = tuple((int(start), int(end)) for start, end in row["spans"])
    return Use(
        id=row["id"],
        uid=row["uid"],
        part=part.name,
        sequence=spans[0][0] // part.sequence_length if spans else 0,
        phase=row["phase"],
        number=row["use"],
        recipe=row.get("recipe", ""),
        spans=spans,
    )


@dataclass
class Taken:
    """Of one bucket in one phase: how many uses, and their tokens."""

    uses: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Summary:
    """All uses. taken: by (phase, bucket). unique, unique_tokens: documents, each counted once.

    most: the most uses of one document; repeated: documents that have more than one.
    """

    taken: dict[tuple[str, str], Taken] = field(default_factory=dict)
    unique: int = 0
    unique_tokens: int = 0
    repeated: int = 0
    most: int = 0

    @property
    def uses(self) -> int:
        """Of all documents."""
        return sum(each.uses for each in self.taken.values())

    @property
    def tokens(self) -> int:
        """Of all uses, without padding."""
        return sum(each.tokens for each in self.taken.values())


def summarise(store: ObjectStore, parts: Iterable[PartSealed]) -> Summary:
    """Over all parts, one at a time; 16 bytes of memory a use. Raises BrokenRecords, DependencyDown."""
    taken: defaultdict[tuple[str, str], Taken] = defaultdict(Taken)
    found: list[npt.NDArray[np.uint64]] = []
    for part in parts:
        rows = list(_rows(store, part))
        for row in rows:
            each = taken[row["phase"], row["bucket"]]
            each.uses += 1
            each.tokens += row["num_tokens"]
        found.append(np.array([(int(row["uid"], 16), row["num_tokens"]) for row in rows], np.uint64))
    known = np.concatenate(found) if found else np.empty((0, 2), np.uint64)
    _, first, counts = np.unique(known[:, 0], return_index=True, return_counts=True)
    return Summary(
        taken=dict(sorted(taken.items())),
        unique=len(first),
        unique_tokens=int(known[first, 1].sum()),
        repeated=int((counts > 1).sum()),
        most=int(counts.max(initial=0)),
    )
