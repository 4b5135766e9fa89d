"""What the archive holds of one document, by its id or its uid; no server, and no scan.

The index beside each file says in which of its row groups a uid or an id lies, and the name of a merged file
which uids it can hold at all. So what is read is a row group of the few files that have it, and of the others
some kilobytes of the index: of all by id, by uid of those alone that are not merged yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.archive.file import read
from services.archive.files import counting, ids_key, uid_range
from services.archive.ids import groups_of
from services.archive.query import Damaged, opened, reading
from services.archive.tables import Row, Table
from services.runtime import ObjectStore


@dataclass(frozen=True)
class Place:
    """A file that may hold rows of a document. groups: in these of its row groups."""

    name: str
    groups: tuple[int, ...]


def find(store: ObjectStore, table: Table, wanted: str, columns: Sequence[str]) -> list[Row]:
    """The rows of a uid (16 hex digits), or else of the documents of an id, with some of their columns.

    Raises DependencyDown, Damaged.
    """
    import pyarrow.compute as pc

    found: list[Row] = []
    for column in ("uid", "id") if is_uid(wanted) else ("id",):
        for place in places(store, table, wanted, column):
            with reading(store, place.name):
                needed = list(dict.fromkeys([*columns, column]))
                held = read(opened(store, place.name), table, place.groups, needed)
                rows = held.filter(pc.field(column) == wanted).to_pylist()
            found += [{name: row[name] for name in columns} for row in rows]
        if found:
            break
    return found


def places(store: ObjectStore, table: Table, wanted: str, column: str) -> Iterator[Place]:
    """Where rows can be that have this uid, or id, as the column says. Raises DependencyDown, Damaged."""
    for name in counting(store, table.name):
        known = uid_range(name) if column == "uid" else None
        if known is None or known[0] <= wanted <= known[1]:
            groups = _groups(store, name, wanted)
            if groups:
                yield Place(name, tuple(groups))


def is_uid(text: str) -> bool:
    """Whether it can be a uid; it may be an id all the same."""
    return re.fullmatch(r"[0-9a-f]{16}", text) is not None


def _groups(store: ObjectStore, name: str, wanted: str) -> list[int]:
    try:
        with store.open(ids_key(name)) as file:
            return groups_of(file, wanted)
    except FileNotFoundError:  # of before there were indexes: whatever row group
        with reading(store, name):
            return list(range(opened(store, name).num_row_groups))
    except ValueError as error:
        raise Damaged(f"{ids_key(name)} in {store.url} cannot be read: {error}") from error
