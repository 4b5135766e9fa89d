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
from services.archive.query import fragment_of, reading
from services.archive.tables import DOCUMENTS
from services.runtime import ObjectStore

if TYPE_CHECKING:
    from pyarrow.dataset import ParquetFileFragment


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
    with reading(store, name):
        fragment = fragment_of(store, name)
        groups = [group.id for group in fragment.row_groups]
    for group in groups:
        with reading(store, name):
            found = _of_group(fragment.subset(row_group_ids=[group]), wanted)
        yield from found


def _of_group(part: ParquetFileFragment, wanted: npt.NDArray[np.uint64]) -> list[tuple[int, str]]:
    uids = np.array([int(uid, 16) for uid in part.to_table(columns=["uid"])["uid"].to_pylist()], np.uint64)
    rows = np.flatnonzero(np.isin(uids, wanted))
    if not len(rows):
        return []
    chosen = part.to_table(columns=["text"])["text"].take(rows).to_pylist()
    return [(int(uids[row]), text or "") for row, text in zip(rows, chosen, strict=True)]


def _any_within(wanted: npt.NDArray[np.uint64], low: int, high: int) -> bool:
    at = int(wanted.searchsorted(np.uint64(low)))
    return at < len(wanted) and int(wanted[at]) <= high
