"""The step log: what every micro-batch was made of, as Parquet files beside the checkpoints.

    train/RUN/steps/000000000001-000000000100.000000.parquet       first and last step, attempt

A row is a micro-batch of one rank, with everything that a replay needs: the samples in their order, the
learning rate, the state of the generators, the code (after arXiv 2508.12220). The footer names the parts of
a file with their first and last step, so that a question after a part opens few files; it has COLUMNS' names,
which services/ledger/steps.py reads as well (tests/contract/test_step_log.py holds the two together).

**A later attempt stands.** A run that was resumed or rewound writes steps again, under the next attempt's
number. What an earlier attempt wrote from there on is undone: no weights have it any more, but its documents
were seen. Flush before a checkpoint is complete, then no step that a checkpoint has is missing here.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from trainer.outbox import Outbox, logger

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUT = 1
PARTS = b"parts"  # in the footer: {part: [first step, last step]} as JSON

_NAME = re.compile(r"(\d{12})-(\d{12})\.(\d{6})\.parquet")
_KINDS = {
    "step": "int64",
    "micro_step": "int32",
    "rank": "int32",
    "boundary": "bool",
    "indices": "ints",
    "parts": "strings",
    "sequences": "ints",
    "digest": "string",
    "recipe": "string",
    "phase": "string",
    "learning_rate": "double",
    "seed": "int64",
    "rng": "string",
    "world_size": "int32",
    "code": "string",
    "deterministic": "bool",
    "losses": "floats",
    "tokens": "int64",
    "loss": "double",
    "gradient_norm": "double",
    "skipped": "bool",
    "attempt": "int32",
}
COLUMNS = tuple(_KINDS)


class Objects(Protocol):
    """What is asked of a store (trainer/data/store.py)."""

    def get(self, key: str) -> bytes:
        """Read an object. Raises FileNotFoundError."""

    def put(self, key: str, value: bytes) -> None:
        """Write an object whole."""

    def create(self, key: str, value: bytes) -> bool:
        """Write an object if there is none of that name; whether it did."""

    def list(self, prefix: str) -> Iterator[str]:
        """Keys under a prefix."""


@dataclass(frozen=True)
class Row:
    """A micro-batch of one rank.

    boundary: the last micro-batch of its step. indices, parts, sequences, losses: of each sample, in order;
    losses are means over the sequence's targets. digest: of the ordered samples. rng: a hash of the
    generators' states. code: see code_digest. tokens: targets that count. loss, gradient_norm: of the whole
    step, over all ranks. skipped: the step changed no weights. attempt: filled in when it is written.
    """

    step: int
    micro_step: int
    indices: Sequence[int]
    parts: Sequence[str]
    sequences: Sequence[int]
    losses: Sequence[float]
    learning_rate: float
    rank: int = 0
    boundary: bool = True
    digest: str = ""
    recipe: str = ""
    phase: str = ""
    seed: int = 0
    rng: str = ""
    world_size: int = 1
    code: str = ""
    deterministic: bool = False
    tokens: int = 0
    loss: float = float("nan")
    gradient_norm: float = float("nan")
    skipped: bool = False
    attempt: int = 0


class File(NamedTuple):
    """A file of the log, by its name."""

    key: str
    first: int
    last: int
    attempt: int


class StepLog:
    """The writing side; no method raises. One writer a run (rank 0)."""

    def __init__(
        self, store: Objects, run: str, *, every: int = 4096, every_s: float = 60.0, retry_s: float = 5.0
    ) -> None:
        """every: rows in a file; every_s: written after this time at the latest."""
        self._store = store
        self._run = run
        self._before: int | None = None  # attempts of earlier processes, once the store has said how many
        self._attempt = 0  # of this process
        self._outbox = Outbox[Row](
            f"the step log of {run}", self._write, every=every, every_s=every_s, retry_s=retry_s
        )

    @property
    def failures(self) -> int:
        """Attempts to write that failed."""
        return self._outbox.failures

    @property
    def lost(self) -> int:
        """Rows that are not written, since too many waited for a store that was away."""
        return self._outbox.lost

    def add(self, rows: Iterable[Row]) -> None:
        """Take the rows of a step."""
        self._outbox.add(replace(row, attempt=self._attempt) for row in rows)

    def rewound(self) -> None:
        """From now on steps come again: what is added after this stands before what is there."""
        self._attempt += 1

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Write what waits; whether all of it is in the store."""
        return self._outbox.flush(timeout_s)

    def close(self, timeout_s: float = 30.0) -> bool:
        """Write what waits and end; whether all of it is in the store."""
        return self._outbox.close(timeout_s)

    def _write(self, rows: list[Row]) -> None:
        if self._before is None:
            self._before = max((file.attempt for file in files(self._store, self._run)), default=-1) + 1
        for attempt in sorted({row.attempt for row in rows}):
            some = [replace(row, attempt=self._before + attempt) for row in rows if row.attempt == attempt]
            self._store.put(key_of(self._run, some), encode(some))


def key_of(run: str, rows: Sequence[Row]) -> str:
    """The name of a file of these rows, of one attempt."""
    steps = [row.step for row in rows]
    return f"{folder(run)}/{min(steps):012d}-{max(steps):012d}.{rows[0].attempt:06d}.parquet"


def folder(run: str) -> str:
    """Where a run's files lie."""
    return f"train/{run}/steps"


def encode(rows: Sequence[Row]) -> bytes:
    """A file of these rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    footer = {PARTS: json.dumps(_parts(rows)).encode(), b"layout": str(LAYOUT).encode()}
    table = pa.table(
        [pa.array(columns[field.name], field.type) for field in schema()],
        schema=schema().with_metadata(footer),
    )
    data = io.BytesIO()
    pq.write_table(table, data, compression="zstd")
    return data.getvalue()


def _parts(rows: Sequence[Row]) -> Mapping[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        for part in set(row.parts):
            first, last = found.get(part, (row.step, row.step))
            found[part] = (min(first, row.step), max(last, row.step))
    return dict(sorted(found.items()))


@cache
def schema() -> pa.Schema:
    """The columns as Arrow has them."""
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "bool": pa.bool_(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "double": pa.float64(),
        "strings": pa.list_(pa.string()),
        "ints": pa.list_(pa.int64()),
        "floats": pa.list_(pa.float32()),
    }
    assert {field.name for field in fields(Row)} == set(COLUMNS)
    return pa.schema([(name, kinds[kind]) for name, kind in _KINDS.items()])


def files(store: Objects, run: str) -> list[File]:
    """The files of a run by attempt and step; what has another name is none of them."""
    found = []
    for key in store.list(folder(run)):
        if match := _NAME.fullmatch(key.rpartition("/")[2]):
            first, last, attempt = map(int, match.groups())
            found.append(File(key, first, last, attempt))
    return sorted(found, key=lambda file: (file.attempt, file.first))


def read(
    store: Objects, run: str, first: int = 0, last: int | None = None, *, undone: bool = False
) -> Iterator[Row]:
    """The rows of these steps (both included) that stand, by step, micro-step and rank.

    undone: instead those that a later attempt has undone. A file that is torn or no step log is passed over,
    with one line of warning. Raises what the store raises when it is away.
    """
    there = files(store, run)
    begins = {file.attempt: file.first for file in reversed(there)}  # of an attempt: its first step
    wanted = [file for file in there if file.last >= first and (last is None or file.first <= last)]
    rows: dict[tuple[int, int, int, int], Row] = {}  # a put that seemed to fail may have left some twice
    for file in wanted:
        end = min((at for attempt, at in begins.items() if attempt > file.attempt), default=None)
        for row in _rows(store, file):
            is_undone = end is not None and row.step >= end
            if row.step >= first and (last is None or row.step <= last) and is_undone == undone:
                rows[row.step, row.attempt, row.micro_step, row.rank] = row
    yield from (rows[key] for key in sorted(rows))


def _rows(store: Objects, file: File) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = store.get(file.key)
    try:
        table = pq.read_table(io.BytesIO(data), use_threads=False)
        return [Row(**row) for row in table.select(list(COLUMNS)).to_pylist()]
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        said = str(error).partition("\n")[0]
        logger.warning(f"{file.key} is passed over: it is torn, or no file of the step log ({said})")
        return []


@cache
def code_digest() -> str:
    """Of what computes: the trainer's sources (without bert/) and torch's version; 16 hex digits."""
    import torch

    digest = hashlib.sha256(torch.__version__.encode())
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        if "bert" not in path.relative_to(root).parts:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
