"""The index beside a file of the archive: in which of its row groups the documents of an id or a uid lie.

A file is sorted by uid, of which an id says nothing; and every small file may hold any uid. So for the id and
for the uid of each row there are 12 bytes, a hash of it and the number of its row group, sorted: hashes are
uniform, so the place of one among n is known to within a few times the square root of n, and one read of some
kilobytes finds it, however large the file is. (Bloom filters are in the file too, for DuckDB, Spark and
Trino; pyarrow writes those and does not ask them.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import IO, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

_ENTRY = np.dtype([("hash", "<u8"), ("group", "<u4")])
# In standard deviations of a uniform hash's place, at most sqrt(n) / 2: missed once in 10^15 looks, and then
# the whole index is read.
_MARGIN = 4


def index(groups: Sequence[Sequence[str]]) -> bytes:
    """groups: the ids and uids of each row group, in the order of the file."""
    counts = [len(names) for names in groups]
    entries = np.empty(sum(counts), _ENTRY)
    hashes = (xxhash.xxh3_64_intdigest(name.encode()) for names in groups for name in names)
    entries["hash"] = np.fromiter(hashes, np.uint64, len(entries))
    entries["group"] = np.repeat(np.arange(len(counts)), counts)
    return np.sort(entries, order=("hash", "group")).tobytes()


def groups_of(file: IO[bytes], name: str) -> list[int]:
    """The row groups of an id or uid, or of one of the same hash; ascending. Raises ValueError: no index."""
    size = file.seek(0, 2)
    if size % _ENTRY.itemsize:
        raise ValueError(f"{size} bytes are no index of ids")
    number, wanted = size // _ENTRY.itemsize, xxhash.xxh3_64_intdigest(name.encode())
    place, margin = wanted * number >> 64, _MARGIN * isqrt(number) + 16
    low, high = max(0, place - margin), min(number, place + margin)
    entries = _read(file, low, high)
    covered = (low == 0 or entries["hash"][0] < wanted) and (high == number or entries["hash"][-1] > wanted)
    if not covered:
        entries = _read(file, 0, number)
    found = entries["group"][entries["hash"] == wanted]
    return sorted(set(found.tolist()))


def _read(file: IO[bytes], low: int, high: int) -> NDArray[Any]:
    file.seek(low * _ENTRY.itemsize)
    return np.frombuffer(file.read((high - low) * _ENTRY.itemsize), _ENTRY)
