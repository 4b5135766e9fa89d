"""What the archive holds of one document, by its id or its uid; no server, and no scan.

Of the files of merged days the name says which uids they hold, of the others the statistics in their footers;
of an id the index beside each file says in which row groups it lies. So what is read is a row group of the
few files that have it, and of each other file a footer (by uid, where it is not merged) or some kilobytes of
its index (by id).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.archive.files import counting, ids_key, uid_range
from services.archive.ids import groups_of
from services.archive.query import Damaged, fragment_of, reading
from services.archive.tables import Row, Table
from services.runtime import ObjectStore


@dataclass(frozen=True)
class Place:
    """A file that may hold rows of a document. groups: in these of its row groups."""

    name: str
    groups: tuple[int, ...]


def find(store: ObjectStore, table: Table, wanted: str, columns: Sequence[str]) -> list[Row]:
    """The rows of the documents of an id, or of a uid (16 hex digits), with some of their columns.

    Raises DependencyDown, Damaged.
    """
    import pyarrow.compute as pc

    found = []
    needed = list(dict.fromkeys([*columns, "uid", "id"]))
    for place in places(store, table, wanted):
        with reading(store, place.name):
            part = fragment_of(store, place.name).subset(row_group_ids=list(place.groups))
            rows = part.to_table(
                columns=needed, filter=(pc.field("uid") == wanted) | (pc.field("id") == wanted)
            )
            found += [{name: row[name] for name in columns} for row in rows.to_pylist()]
    return found


def places(store: ObjectStore, table: Table, wanted: str) -> Iterator[Place]:
    """Where rows of a document can be. Raises DependencyDown, Damaged."""
    for name in counting(store, table.name):
        groups = set(_by_id(store, name, wanted))
        if is_uid(wanted):
            groups |= set(_by_uid(store, name, wanted))
        if groups:
            yield Place(name, tuple(sorted(groups)))


def is_uid(text: str) -> bool:
    """Whether it can be a uid; it may be an id all the same."""
    return re.fullmatch(r"[0-9a-f]{16}", text) is not None


def _by_id(store: ObjectStore, name: str, wanted: str) -> list[int]:
    try:
        with store.open(ids_key(name)) as file:
            return groups_of(file, wanted)
    except FileNotFoundError:  # of before there were indexes: whatever row group
        with reading(store, name):
            return [group.id for group in fragment_of(store, name).row_groups]
    except ValueError as error:
        raise Damaged(f"{ids_key(name)} in {store.url} cannot be read: {error}") from error


def _by_uid(store: ObjectStore, name: str, wanted: str) -> list[int]:
    import pyarrow.compute as pc

    known = uid_range(name)
    if known is not None and not known[0] <= wanted <= known[1]:
        return []
    with reading(store, name):
        found = fragment_of(store, name).subset(pc.field("uid") == wanted)
        return [group.id for group in found.row_groups]
