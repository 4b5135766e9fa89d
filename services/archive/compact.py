"""Compaction: the small files of a day become few large ones, each with a range of uids of its own.

    1. The new files are written under names that no reader's pattern has (….new), each with its index.
    2. A mark is put, if there is none by its name: which files hold the rows of which.
    3. The new files are moved in place. With the last of them they count, and the old ones no longer do.
    4. After a grace, in which who has begun to read the old files ends, these are removed, and each new file
       gets its own mark. The mark of the merge goes with a later compaction.

A kill at any moment leaves either the old files counting or the new ones, and the next call goes on from
there. Nothing is removed while the new files are not all in place. Two calls at once cost work and no rows.
Who reads by a pattern of names, and not by the marks, sees rows twice from step 3 to step 4.

Files that are announced are never written again, so that a service's replay and a merge have nothing in
common; what is not announced is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from services.archive.file import LAYOUT, Encoder, read, schema
from services.archive.files import (
    ARCHIVE,
    Merge,
    counting,
    file_key,
    folder_of,
    ids_key,
    is_merge_mark,
    mark_key,
    merge_key,
    put_mark,
    read_merge,
    staged_key,
)
from services.archive.query import opened, reading
from services.archive.tables import Table
from services.runtime import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_BYTES = 64 << 20  # of rows in memory, which are sorted at a time
_SAMPLE = 16  # one uid of so many tells where the pieces part


@dataclass(frozen=True)
class Compaction:
    """How a day is compacted.

    file_bytes: a new file ends with the piece that reaches it; where two files are smaller, they are merged.
    grace_s: how long a file stays that is replaced. numbers: of parts in the catalog, for the uses.
    now, sleep: the clock.
    """

    file_bytes: int = 128 << 20
    grace_s: float = 60.0
    numbers: Mapping[str, int] | None = None
    now: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep


def merge(store: ObjectStore, table: Table, day: str, how: Compaction) -> Merge | None:
    """Steps 1 to 3; None where there is nothing to be merged. Raises DependencyDown, Damaged.

    Memory: a new file and two to three times PIECE_BYTES. The day's rows lie in a temporary folder meanwhile.
    """
    settle(store, table, day, how)
    names = [name for name in counting(store, table.name, day) if _size(store, name) < how.file_bytes]
    if len(names) < 2:
        return None
    digest = blake2b("\n".join(names).encode(), digest_size=8).hexdigest()
    made: dict[str, dict[str, Any]] = {}
    with _pieces(store, table, names) as pieces:
        for encoder, low, high, rows in _files(table, pieces, how):
            name = f"{folder_of(table.name, day)}/merged-{digest}-{low}-{high}"
            encoded = encoder.finish()
            store.put(ids_key(name), encoded.ids)
            store.put(staged_key(name), encoded.data)
            made[name] = {
                "table": table.name,
                "day": day,
                "name": name,
                "rows": rows,
                "bytes": len(encoded.data),
                "min_uid": low,
                "max_uid": high,
                "layout": LAYOUT,
            }
    found = Merge(merge_key(table.name, day, digest), made, tuple(names), how.now())
    if not found.mark(store):
        found = read_merge(store, found.key)  # somebody else was faster: theirs stands
    _install(store, found, set(store.list(f"{ARCHIVE}/{folder_of(table.name, day)}")))
    return found


def settle(store: ObjectStore, table: Table, day: str, how: Compaction) -> None:
    """Step 4, and what an interrupted call has left of the others. Waits for what is left of the grace."""
    folder = f"{ARCHIVE}/{folder_of(table.name, day)}"
    keys = set(store.list(folder))
    kept: set[str] = set()
    for key in sorted(key for key in keys if is_merge_mark(key)):
        try:
            found = read_merge(store, key)
        except FileNotFoundError:
            continue
        if _install(store, found, keys):
            kept |= found.made.keys()
            _replace(store, found, keys, how)
        elif not found.is_in_place(set(store.list(folder))):
            store.delete([key])  # another merge has replaced its files, or a sweep has taken them
    _sweep(store, keys, kept)


def _install(store: ObjectStore, found: Merge, keys: set[str]) -> bool:
    """Move the new files in place; whether all are. keys: of the day, changed with it."""
    for name in found.made:
        if file_key(name) not in keys and staged_key(name) in keys:
            try:
                store.move(staged_key(name), file_key(name))
            except FileNotFoundError:  # another call has done so, or swept it away
                if file_key(name) not in set(store.list(file_key(name).rpartition("/")[0])):
                    return False
            keys.discard(staged_key(name))
            keys.add(file_key(name))
    return found.is_in_place(keys)


def _replace(store: ObjectStore, found: Merge, keys: set[str], how: Compaction) -> None:
    old = [file_key(name) for name in found.replaced if file_key(name) in keys]
    age = how.now() - found.begun
    if old:
        how.sleep(max(0.0, how.grace_s - age))
        folder = found.key.rpartition("/")[0]
        if not found.is_in_place(set(store.list(folder))):
            return
        store.delete(old)
        keys.difference_update(old)
    beside = [key(name) for name in found.replaced for key in (mark_key, ids_key)]
    store.delete(key for key in beside if key in keys)
    for plain in found.made.values():
        put_mark(store, plain)
    if not old and age >= how.grace_s:  # whoever has listed old files and not this mark is long done
        store.delete([found.key])


def _sweep(store: ObjectStore, keys: set[str], kept: set[str]) -> None:
    """What a merge has written that was never begun, or was given up."""
    known = {key(name) for name in kept for key in (file_key, staged_key, ids_key, mark_key)}
    stems = ((key, *key.rpartition("/")[2].removeprefix("_").rpartition(".")) for key in keys - known)
    left = [(key, suffix) for key, stem, _, suffix in stems if stem.startswith("merged-")]
    marked = {key.removesuffix(".json") for key, suffix in left if suffix == "json"}
    store.delete(
        key for key, suffix in left if suffix in {"new", "ids", "parquet"} and _mark_of(key) not in marked
    )


def _mark_of(key: str) -> str:
    folder, _, name = key.rpartition("/")
    return f"{folder}/_{name.removeprefix('_').rpartition('.')[0]}"


def _size(store: ObjectStore, name: str) -> int:
    with store.open(file_key(name)) as file:
        return file.seek(0, 2)


def _files(
    table: Table, pieces: Iterator[pa.Table], how: Compaction
) -> Iterator[tuple[Encoder, str, str, int]]:
    """Each new file with its first and last uid and its number of rows."""
    encoder, low, rows = None, "", 0
    high = ""
    for piece in pieces:
        if encoder is None:
            encoder, low, rows = Encoder(table, {}), piece["uid"][0].as_py(), 0
        encoder.add(_numbered(piece, how.numbers), piece.nbytes)
        high, rows = piece["uid"][-1].as_py(), rows + piece.num_rows
        if encoder.size >= how.file_bytes:
            yield encoder, low, high, rows
            encoder = None
    if encoder is not None:
        yield encoder, low, high, rows


def _numbered(piece: pa.Table, numbers: Mapping[str, int] | None) -> pa.Table:
    """With the numbers of the parts, where they have one by now."""
    import pyarrow as pa

    if numbers is None or "number" not in piece.column_names:
        return piece
    known = zip(piece["part"].to_pylist(), piece["number"].to_pylist(), strict=True)
    column = pa.array([numbers.get(part, number) for part, number in known], pa.int64())
    return piece.set_column(piece.column_names.index("number"), "number", column)


@contextmanager
def _pieces(store: ObjectStore, table: Table, names: Sequence[str]) -> Iterator[Iterator[pa.Table]]:
    """All rows of these files, sorted, some tens of megabytes at a time; a uid is in one piece only.

    Each file is read once, cut where the pieces part (it is sorted) and written to a temporary folder as so
    many batches; then a piece is put together from all of them.
    """
    bounds = _bounds(store, names)
    with TemporaryDirectory(prefix="corpusworks-") as folder:
        spilled = [Path(folder, f"{number:06d}.arrow") for number in range(len(names))]
        for name, path in zip(names, spilled, strict=True):
            with reading(store, name):
                _spill(store, table, name, bounds, path)
        yield _sorted(table, spilled, len(bounds) + 1)


def _bounds(store: ObjectStore, names: Sequence[str]) -> list[str]:
    """The uids with which the second and each further piece begins."""
    sample: list[str] = []
    size = 0
    for name in names:
        with reading(store, name), opened(store, name) as file:
            groups = (file.metadata.row_group(n) for n in range(file.num_row_groups))
            size += sum(group.total_byte_size for group in groups)
            sample += file.read(columns=["uid"], use_threads=False)["uid"].to_pylist()[::_SAMPLE]
    sample.sort()
    number = -(-size // PIECE_BYTES)
    return sorted({sample[len(sample) * at // number] for at in range(1, number)} - {sample[0]})


def _spill(store: ObjectStore, table: Table, name: str, bounds: Sequence[str], path: Path) -> None:
    import numpy as np
    import pyarrow as pa

    with opened(store, name) as file:
        rows = read(file, table, range(file.num_row_groups), list(table.columns)).select(list(table.columns))
    cuts = [0, *np.searchsorted(np.array(rows["uid"].to_pylist()), np.array(bounds, str)), rows.num_rows]
    (whole,) = rows.cast(schema(table)).combine_chunks().to_batches()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(str(path), schema(table), options=options) as out:
        for start, end in pairwise(cuts):
            out.write_batch(whole.slice(start, end - start))


def _sorted(table: Table, spilled: Sequence[Path], number: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    order = [name for name in ("uid", "topic", "partition", "offset", "use") if name in table.columns]
    for at in range(number):
        batches = []
        for path in spilled:
            with pa.ipc.open_file(str(path)) as file:
                batches.append(file.get_batch(at))
        piece = pa.Table.from_batches(batches, schema(table))
        if piece.num_rows:
            yield piece.sort_by([(name, "ascending") for name in order])
