"""How each document was used, told by the records of the parts and by the archive; no server is needed.

The archive knows most parts, and what it says is found at once; the records of the others are read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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


def archived_use(row: Mapping[str, Any]) -> Use:
    """A row of the archive's uses."""
    spans = tuple((int(span["start"]), int(span["end"])) for span in row["spans"])
    return Use(
        id=row["id"],
        uid=row["uid"],
        part=row["part"],
        sequence=row["sequences"][0] if row["sequences"] else 0,
        phase=row["phase"],
        number=row["use"],
        recipe=row["recipe"] or "",
        spans=spans,
    )


USE_COLUMNS = ("id", "uid", "part", "sequences", "phase", "use", "recipe", "spans")  # of archived_use


def in_order(uses: Iterable[Use], parts: Iterable[PartSealed]) -> list[Use]:
    """Each use once, in the order of the parts."""
    places = {part.name: number for number, part in enumerate(parts)}
    once = {(use.part, use.uid, use.number): use for use in uses}
    return sorted(once.values(), key=lambda use: (places.get(use.part, len(places)), use.spans))


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


class Uses(NamedTuple):
    """Some uses as columns of one length. uids: 16 hex digits."""

    uids: Sequence[str]
    phases: Sequence[str]
    buckets: Sequence[str]
    tokens: Sequence[int]


def recorded(store: ObjectStore, parts: Iterable[PartSealed]) -> Iterator[Uses]:
    """Those of each part, by its records. Raises BrokenRecords, DependencyDown."""
    for part in parts:
        rows = list(_rows(store, part))
        yield Uses(*([row[name] for row in rows] for name in ("uid", "phase", "bucket", "num_tokens")))


def summarise(found: Iterable[Uses]) -> Summary:
    """Over all uses, some at a time; 16 bytes of memory a use."""
    taken: defaultdict[tuple[str, str], Taken] = defaultdict(Taken)
    columns: list[npt.NDArray[np.uint64]] = []
    for some in found:
        for phase, bucket, tokens in zip(some.phases, some.buckets, some.tokens, strict=True):
            each = taken[phase, bucket]
            each.uses += 1
            each.tokens += tokens
        uids = np.frombuffer(bytes.fromhex("".join(some.uids)), ">u8")
        columns.append(np.stack([uids.astype(np.uint64), np.array(some.tokens, np.uint64)], axis=1))
    known = np.concatenate(columns) if columns else np.empty((0, 2), np.uint64)
    _, first, counts = np.unique(known[:, 0], return_index=True, return_counts=True)
    return Summary(
        taken=dict(sorted(taken.items())),
        unique=len(first),
        unique_tokens=int(known[first, 1].sum()),
        repeated=int((counts > 1).sum()),
        most=int(counts.max(initial=0)),
    )
