"""The texts of many documents by their uids: one pass over the files that can have some of them.

Of a file no more is read than the uids of its row groups, and the texts of those that have one of these.
So it costs one reading of the table at most, however many are asked for; a few are found faster by the index
(services/archive/lookup.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from services.archive.files import counting, days, uid_range
from services.archive.query import opened, reading
from services.archive.tables import DOCUMENTS
from services.runtime import ObjectStore

if TYPE_CHECKING:
    import pyarrow.parquet as pq


def texts(store: ObjectStore, wanted: npt.NDArray[np.uint64]) -> Iterator[tuple[int, str]]:
    """Uid and text of each row of the documents that has one of these uids; as often as there are rows.

    wanted: ascending, each once. Holds the texts of a row group at a time. Raises DependencyDown, Damaged.
    """
    for day in days(store, DOCUMENTS.name):
        for name in counting(store, DOCUMENTS.name, day):
            known = uid_range(name)
            if known is None or _any_within(wanted, int(known[0], 16), int(known[1], 16)):
                yield from _of_file(store, name, wanted)


def _of_file(store: ObjectStore, name: str, wanted: npt.NDArray[np.uint64]) -> Iterator[tuple[int, str]]:
    with reading(store, name), opened(store, name) as file:
        for group in range(file.num_row_groups):
            yield from _of_group(file, group, wanted)


def _of_group(file: pq.ParquetFile, group: int, wanted: npt.NDArray[np.uint64]) -> list[tuple[int, str]]:
    told = file.read_row_group(group, columns=["uid"], use_threads=False)["uid"].to_pylist()
    uids = np.array([int(uid, 16) for uid in told], np.uint64)
    rows = np.flatnonzero(np.isin(uids, wanted))
    if not len(rows):
        return []
    held = file.read_row_group(group, columns=["text"], use_threads=False)["text"]
    chosen = held.take(rows).to_pylist()
    return [(int(uids[row]), text or "") for row, text in zip(rows, chosen, strict=True)]


def _any_within(wanted: npt.NDArray[np.uint64], low: int, high: int) -> bool:
    at = int(wanted.searchsorted(np.uint64(low)))
    return at < len(wanted) and int(wanted[at]) <= high
