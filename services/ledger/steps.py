"""Which steps of training took a sequence, and which sequences a step took: the trainer's step log.

    train/RUN/steps/000000000001-000000000100.000000.parquet       first and last step, attempt

The trainer writes it (trainer/steplog.py, which says what its columns mean); the names here are a contract
that tests/contract/test_step_log.py holds. A run that was resumed or rewound writes steps again, with the
next attempt's number: from its first step on, what earlier attempts did is undone. The model has nothing of
it, though its documents were seen. A footer names its file's parts, so few files are read for a sequence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from services.runtime import ObjectStore

if TYPE_CHECKING:
    import pyarrow.parquet as pq

FOLDER = "train"
PARTS = b"parts"  # in the footer: {part: [first step, last step]} as JSON
COLUMNS = ("step", "rank", "micro_step", "parts", "sequences", "losses", "skipped")  # those asked for

_KEY = re.compile(rf"{FOLDER}/([^/]+)/steps/(\d{{12}})-(\d{{12}})\.(\d{{6}})\.parquet")

Warn = Callable[[str], None]


@dataclass(frozen=True)
class _File:
    key: str
    first: int
    last: int
    attempt: int


class Taken(NamedTuple):
    """A sequence in a step. loss: its mean, in nats a token. skipped: the step changed no weights."""

    step: int
    part: str
    sequence: int
    loss: float
    skipped: bool
    undone: bool


class Steps(NamedTuple):
    """Steps of a run that took a sequence. undone: those that the run went back over."""

    steps: list[int]
    undone: list[int]


class StepLogs:
    """The logs of all runs in a store. Each method may raise DependencyDown."""

    def __init__(self, store: ObjectStore, warn: Warn) -> None:
        """warn: takes a line for each file that is torn or none of a log, which is passed over."""
        self._store = store
        self._warn = warn
        self._files: dict[str, list[_File]] = {}
        for key in store.list(FOLDER):
            if match := _KEY.fullmatch(key):
                run, *numbers = match.groups()
                self._files.setdefault(run, []).append(_File(key, *map(int, numbers)))

    @property
    def runs(self) -> list[str]:
        """The runs that have a log."""
        return sorted(self._files)

    def range(self, run: str) -> tuple[int, int]:
        """The first and the last step of a run that has a log."""
        files = self._files[run]
        return min(file.first for file in files), max(file.last for file in files)

    def of_step(self, run: str, step: int) -> list[Taken]:
        """The sequences that a step took, in no order; where it was done again, of the last time."""
        found = [each for each in self._taken(run, [step]) if each.step == step]
        return [each for each in found if not each.undone] or found

    def of_sequences(
        self, places: Collection[tuple[str, int]], run: str | None = None
    ) -> dict[tuple[str, int], dict[str, Steps]]:
        """By (part, sequence) and run, the steps that took it; of one run, or of all."""
        found: dict[tuple[str, int], dict[str, Steps]] = {}
        for name in self.runs if run is None else [run]:
            seen = {
                (each.part, each.sequence, each.step, each.undone)
                for each in self._taken(name, parts={part for part, _ in places})
                if (each.part, each.sequence) in places
            }
            for part, sequence, step, undone in sorted(seen):
                steps = found.setdefault((part, sequence), {}).setdefault(name, Steps([], []))
                (steps.undone if undone else steps.steps).append(step)
        return found

    def _taken(
        self, run: str, steps: Sequence[int] = (), parts: Collection[str] | None = None
    ) -> Iterator[Taken]:
        """Of these steps, or of files that name one of these parts."""
        seen: set[tuple[int, int, int, int]] = set()  # a write that seemed to fail may have left some twice
        for file in self._files.get(run, []):
            if steps and not any(file.first <= step <= file.last for step in steps):
                continue
            end = self._undone_from(run, file.attempt)
            for row in self._rows(file, parts):
                place = (file.attempt, row["step"], row["rank"], row["micro_step"])
                if place not in seen:
                    seen.add(place)
                    undone = end is not None and row["step"] >= end
                    yield from _sequences(row, undone)

    def _undone_from(self, run: str, attempt: int) -> int | None:
        """The first step that a later attempt has done again."""
        return min((file.first for file in self._files[run] if file.attempt > attempt), default=None)

    def _rows(self, file: _File, parts: Collection[str] | None) -> list[dict[str, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            opened = pq.ParquetFile(self._store.open(file.key), pre_buffer=False)
            if parts is not None and not _parts(opened) & set(parts):
                return []
            rows: list[dict[str, Any]] = opened.read(list(COLUMNS), use_threads=False).to_pylist()
            if rows and rows[0].keys() != set(COLUMNS):
                raise ValueError("it lacks columns")
        except FileNotFoundError:
            return []
        except (pa.ArrowException, OSError, ValueError, TypeError, AttributeError) as error:
            said = str(error).partition("\n")[0]
            self._warn(f"{file.key} is passed over: it is torn, or no file of a step log ({said})")
            return []
        return rows


def _parts(file: pq.ParquetFile) -> set[str]:
    said: Mapping[bytes, bytes] = file.metadata.metadata or {}
    return set(json.loads(said[PARTS])) if PARTS in said else set()


def _sequences(row: Mapping[str, Any], undone: bool) -> Iterator[Taken]:
    for part, sequence, loss in zip(row["parts"], row["sequences"], row["losses"], strict=True):
        yield Taken(row["step"], part, sequence, loss, bool(row["skipped"]), undone)


def sequences_of(spans: Sequence[tuple[int, int]], sequence_length: int) -> list[int]:
    """The sequences in which a document's spans lie, in order; spans in tokens of the part."""
    return sorted({start // sequence_length for start, _ in spans})
