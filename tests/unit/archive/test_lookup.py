"""One document among many: found by id and by uid, and how little is opened for it."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import pytest

from services.archive import compact
from services.archive.compact import Compaction, merge, settle
from services.archive.files import counting, days, file_key, ids_key
from services.archive.ids import groups_of, index
from services.archive.lookup import find, is_uid, places
from services.archive.query import Damaged
from services.archive.tables import DOCUMENTS
from services.runtime import ObjectStore
from tests.unit.archive.made import COLUMNS, made_documents, name_of, uid_of
from tests.unit.archive.test_compact import fill

NUMBER = 50_000


class WatchedStore(ObjectStore):
    """Notes what is opened."""

    opened: list[str]

    def open(self, key: str) -> io.BufferedReader:
        self.opened.append(key)
        return super().open(key)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> WatchedStore:
    """50,000 documents in 25 files of one day, and those merged into some; and two files of the next day."""
    store = WatchedStore((tmp_path_factory.mktemp("many") / "store").as_uri())
    store.opened = []
    made_documents(store, range(NUMBER), 2000, "2026-11-25")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "PIECE_BYTES", 500_000)
        how = Compaction(grace_s=0, file_bytes=300_000)
        merge(store, DOCUMENTS, "2026-11-25", how)
        settle(store, DOCUMENTS, "2026-11-25", how)
    made_documents(store, range(NUMBER, NUMBER + 4000), 2000, "2026-11-26")
    return store


def looked(store: WatchedStore, wanted: str) -> tuple[list[dict[str, Any]], set[str], int]:
    """Rows, the Parquet files that were opened, and the row groups that were read."""
    store.opened = []
    column = "uid" if is_uid(wanted) else "id"
    groups = sum(len(place.groups) for place in places(store, DOCUMENTS, wanted, column))
    indexed = [key for key in store.opened if key.endswith(".ids")]
    assert len(indexed) <= (3 if column == "uid" else len(counting(store, "documents")))
    found = find(store, DOCUMENTS, wanted, COLUMNS)
    return found, {key for key in store.opened if key.endswith(".parquet")}, groups


def test_a_document_is_found_and_hardly_anything_is_opened(many: WatchedStore) -> None:
    """Prevents a look-up that grows with what the archive holds."""
    merged = len(counting(many, "documents", "2026-11-25"))
    assert merged >= 3
    for number in random.Random(5).sample(range(NUMBER), 40):
        found, opened, groups = looked(many, name_of(number))
        assert [row["text"] for row in found] == [f"text of {number}"]
        assert (len(opened), groups) == (1, 1), "by id: its file alone"
        found, opened, groups = looked(many, uid_of(number))
        assert [row["id"] for row in found] == [name_of(number)]
        assert (len(opened), groups) == (1, 1), "by uid: the same"


def test_what_is_not_merged_yet_is_found_too(many: WatchedStore) -> None:
    for number in (NUMBER, NUMBER + 3999):
        assert [row["uid"] for row in find(many, DOCUMENTS, name_of(number), COLUMNS)] == [uid_of(number)]
        assert [row["id"] for row in find(many, DOCUMENTS, uid_of(number), COLUMNS)] == [name_of(number)]


def test_what_is_not_there_opens_no_file(many: WatchedStore) -> None:
    found, opened, groups = looked(many, "nobody")
    assert (found, opened, groups) == ([], set(), 0)
    found, opened, groups = looked(many, "0" * 16)
    assert (found, opened, groups) == ([], set(), 0)


def test_an_id_that_looks_like_a_uid_is_found(tmp_path: Path) -> None:
    """Names are often the digits of a hash."""
    store = ObjectStore(tmp_path.as_uri())
    made_documents(store, range(100), 50, "2026-11-26", name=lambda number: f"{number:016x}")
    found = find(store, DOCUMENTS, f"{7:016x}", COLUMNS)
    assert [row["uid"] for row in found] == [uid_of(7)]


def test_a_name_of_several_documents_finds_all(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path.as_uri())
    made_documents(store, range(100), 30, "2026-11-26", name=lambda number: f"page {number % 10}")
    found = find(store, DOCUMENTS, "page 3", ["uid"])
    assert sorted(row["uid"] for row in found) == sorted(uid_of(number) for number in range(3, 100, 10))


def test_files_without_an_index_are_searched(tmp_path: Path) -> None:
    """An archive that was begun before there were indexes; compaction gives them one."""
    store = ObjectStore(tmp_path.as_uri())
    fill(store, range(1, 30))
    wanted = "文/17"
    store.delete([ids_key(name) for name in counting(store, "documents")])
    assert [row["id"] for row in find(store, DOCUMENTS, wanted, ["id"])] == [wanted]
    (day,) = days(store, "documents")
    merge(store, DOCUMENTS, day, Compaction(grace_s=0))
    (name,) = counting(store, "documents")
    assert store.get(ids_key(name))
    assert [row["id"] for row in find(store, DOCUMENTS, wanted, ["id"])] == [wanted]


@pytest.mark.parametrize("what", ["file", "index"])
def test_damage_is_named(tmp_path: Path, what: str) -> None:
    store = ObjectStore(tmp_path.as_uri())
    made_documents(store, range(10), 10, "2026-11-26")
    (name,) = counting(store, "documents")
    key = file_key(name) if what == "file" else ids_key(name)
    store.put(key, store.get(key)[:-5])
    with pytest.raises(Damaged, match=key):
        find(store, DOCUMENTS, name_of(3), COLUMNS)


@pytest.mark.parametrize("number", [0, 1, 2, 1000, 30_000])
def test_the_index_knows_every_id_and_reads_little(number: int) -> None:
    """Whole for a few, a window of it for many."""
    names = [f"{n}/文" for n in range(number)]
    data = index([names[: number // 3], names[number // 3 :]])
    for n in random.Random(1).sample(range(number), min(number, 300)):
        assert groups_of(io.BytesIO(data), names[n]) == [int(n >= number // 3)]
    assert groups_of(io.BytesIO(data), "nobody") == []
    if number == 30_000:
        file = Counted(data)
        groups_of(file, names[77])
        assert file.num_read < len(data) / 10


class Counted(io.BytesIO):
    """How much was read."""

    num_read = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.num_read += len(data)
        return data
