"""Compaction: the same rows before, during and after, in few files whose ranges of uids do not meet."""

from __future__ import annotations

import io
import itertools
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from contracts import Flush
from services.archive import compact
from services.archive.compact import Compaction, merge, settle
from services.archive.files import counting, days, file_key, is_merge_mark, mark_key, uid_range
from services.archive.lookup import find
from services.archive.query import Asked, Damaged, listed, rows
from services.archive.tables import DOCUMENTS, TABLES, USES
from services.runtime import ConfigurationError, CorpusworksError, ObjectStore
from services.sink.parts import list_parts
from tests.unit.archive.rows import document, lane
from tests.unit.mixer.lane import Lane
from tests.unit.sink.packed import pack

HOW = Compaction(grace_s=0)
NUMBER, FEW = 200, 60


class Killed(BaseException):
    """As SIGKILL: no handler of ours sees it."""


class MortalStore(ObjectStore):
    """Dies before its n-th change. look: called before each."""

    left = 1 << 30
    changes = 0
    look: Callable[[], object] = staticmethod(lambda: None)

    def _change(self) -> None:
        self.look()
        self.changes += 1
        if self.changes > self.left:
            raise Killed

    def put(self, key: str, value: bytes) -> None:
        self._change()
        super().put(key, value)

    def create(self, key: str, value: bytes) -> bool:
        self._change()
        return super().create(key, value)

    def move(self, key: str, to: str) -> None:
        self._change()
        super().move(key, to)

    def delete(self, keys: Any) -> None:
        for key in list(keys):
            self._change()
            super().delete([key])


def fill(store: ObjectStore, numbers: range, **config: Any) -> Lane:
    """Small files of documents with uids in no order of the log."""
    river = lane(store, seal_rows=9, **config)
    for number in random.Random(7).sample(numbers, len(numbers)):
        drawn = random.Random(number)
        text = drawn.randbytes(600).hex()
        river.put(drawn.choice(["pool.zh", "pool.en"]), document(number, text=text))
    river.put("archive.flush", Flush())
    river.run()
    return river


def content(store: ObjectStore) -> list[dict[str, Any]]:
    found = rows(store, DOCUMENTS, Asked(), list(DOCUMENTS.columns))
    return sorted(found, key=lambda row: row["uid"])


def globbed(store: ObjectStore) -> list[str]:
    """As DuckDB reads: by the names alone."""
    keys = [key for key in store.list("archive/documents") if key.endswith(".parquet")]
    return sorted(u for key in keys for u in pq.read_table(io.BytesIO(store.get(key)))["uid"].to_pylist())


def uids(store: ObjectStore) -> list[str]:
    return sorted(row["uid"] for row in rows(store, DOCUMENTS, Asked(), ["uid"]))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some small files; to be copied."""
    folder = tmp_path_factory.mktemp("filled")
    fill(ObjectStore(folder.as_uri()), range(1, FEW + 1))
    return folder


@pytest.fixture
def few(filled: Path, tmp_path: Path) -> MortalStore:
    return copy_of(filled, tmp_path / "few")


def copy_of(filled: Path, folder: Path) -> MortalStore:
    shutil.copytree(filled, folder)
    return MortalStore(folder.as_uri())


@pytest.fixture
def store(tmp_path: Path) -> MortalStore:
    made = MortalStore((tmp_path / "store").as_uri())
    fill(made, range(1, NUMBER + 1))
    made.changes = 0
    return made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pieces, and several files, of a few rows."""
    monkeypatch.setattr(compact, "PIECE_BYTES", 10_000)


def the_day(store: ObjectStore) -> str:
    (day,) = days(store, "documents")
    return day


def compacted(store: ObjectStore, how: Compaction = HOW) -> None:
    merge(store, DOCUMENTS, the_day(store), how)
    settle(store, DOCUMENTS, the_day(store), how)


def test_many_small_files_become_few_with_ranges_of_their_own(store: MortalStore, small: None) -> None:
    """Prevents a row, or a field of one, that is lost on the way; and files that all may hold a uid."""
    before, num_before = content(store), len(counting(store, "documents"))
    compacted(store, Compaction(grace_s=0, file_bytes=13_000))
    names = counting(store, "documents")
    assert content(store) == before
    assert len(before) == NUMBER
    assert 3 <= len(names) < num_before / 2
    ranges = [found for name in names if (found := uid_range(name))]
    assert len(ranges) == len(names)
    assert all(high < low for (_, high), (low, _) in itertools.pairwise(sorted(ranges)))
    for name, (low, high) in zip(names, ranges, strict=True):
        held = pq.read_table(io.BytesIO(store.get(file_key(name))))["uid"].to_pylist()
        assert held == sorted(held)
        assert (held[0], held[-1]) == (low, high)
    assert globbed(store) == uids(store)


def test_once_more_changes_nothing(store: MortalStore) -> None:
    """Prevents a nightly job that writes the whole archive anew each night."""
    compacted(store)
    compacted(store)
    assert len(counting(store, "documents")) == 1
    before = {key: store.get(key) for key in store.list("archive")}
    assert not any(map(is_merge_mark, before)), "its mark goes with the next call"
    store.changes = 0
    compacted(store)
    assert {key: store.get(key) for key in store.list("archive")} == before
    assert not [key for key in before if key.endswith(".new")]
    assert len(before) == 3, "a file, its mark and its index"


def test_a_kill_at_any_change_loses_and_doubles_nothing(filled: Path, tmp_path: Path, small: None) -> None:
    """Before each change of a compaction, one after another: who reads by the marks sees each row once."""
    expected: list[str] = []
    num_kills = 0
    for at in itertools.count():
        store = copy_of(filled, tmp_path / str(at))
        expected = uids(store)
        assert len(expected) == FEW
        store.left = at
        how = Compaction(grace_s=0, file_bytes=13_000)
        try:
            compacted(store, how)
        except Killed:
            num_kills += 1
        else:
            break
        finally:
            store.left = 1 << 30
        assert uids(store) == expected, at
        compacted(store, how)
        assert uids(store) == globbed(store) == expected, at
        compacted(store, how)
        left = {key.rpartition(".")[0].replace("/_", "/") for key in store.list("archive")}
        assert left == {file_key(name).removesuffix(".parquet") for name in counting(store, "documents")}, at
    assert num_kills > 20


def test_who_reads_meanwhile_sees_each_row_once(few: MortalStore, small: None) -> None:
    """Before every single change; and a glob sees no row too few, and twice until the old files are gone."""
    expected = uids(few)
    seen = []

    def look() -> None:
        seen.append((uids(few), globbed(few)))

    few.look = look
    compacted(few, Compaction(grace_s=0, file_bytes=13_000))
    few.look = lambda: None
    assert len(seen) > 20
    assert all(marked == expected for marked, _ in seen)
    assert all(set(names) == set(expected) for _, names in seen)
    assert seen[0][1] == globbed(few) == expected


def test_old_files_stay_for_the_grace(store: MortalStore) -> None:
    """Prevents a query that is under way from losing its files; and waiting once for each day."""
    slept: list[float] = []
    clock = [1000.0]
    how = Compaction(grace_s=60, now=lambda: clock[0], sleep=slept.append)
    before = counting(store, "documents")
    merge(store, DOCUMENTS, the_day(store), how)
    assert set(map(file_key, before)) < set(store.list("archive"))
    assert not set(before) & set(counting(store, "documents"))
    clock[0] += 20
    settle(store, DOCUMENTS, the_day(store), how)
    assert slept == [40]
    assert not set(map(file_key, before)) & set(store.list("archive"))


def test_what_comes_later_is_merged_with_what_was(store: MortalStore) -> None:
    """A lane that was down for days writes into days that were compacted; and its restart removes nothing."""
    compacted(store)
    river = fill(store, range(NUMBER + 1, NUMBER + 21), topic_id="another")
    everything = uids(store)
    assert len(everything) == NUMBER + 20
    compacted(store)
    assert len(counting(store, "documents")) == 1
    river.start()  # its last announcement is marked again, and what it names is gone
    assert uids(store) == globbed(store) == everything
    river.put("pool.zh", document(NUMBER + 21))
    river.put("archive.flush", Flush())
    river.run()
    assert len(uids(store)) == NUMBER + 21
    compacted(store)
    assert len(uids(store)) == len(globbed(store)) == NUMBER + 21


def test_what_is_not_announced_is_left_alone(store: MortalStore) -> None:
    """A file between its write and its announcement: the next try writes it again, or removes it."""
    names = counting(store, "documents")
    mark, data = store.get(mark_key(names[0])), store.get(file_key(names[0]))
    store.delete([mark_key(names[0])])
    compacted(store)
    assert store.get(file_key(names[0])) == data
    ours = len(uids(store))
    store.put(mark_key(names[0]), mark)
    assert len(uids(store)) == NUMBER > ours


def test_two_at_once_lose_nothing(filled: Path, tmp_path: Path, small: None) -> None:
    """The second does all of its own between any two changes of the first."""
    expected = uids(ObjectStore(filled.as_uri()))
    how = Compaction(grace_s=0, file_bytes=13_000)
    num_changes = 0
    for at in range(0, 30, 3):
        fresh = copy_of(filled, tmp_path / str(at))
        other = ObjectStore(fresh.url)

        def look(fresh: MortalStore = fresh, other: ObjectStore = other, at: int = at) -> None:
            if fresh.changes == at:
                compacted(other, how)

        fresh.look = look
        compacted(fresh, how)
        num_changes = max(num_changes, fresh.changes)
        compacted(other, how)
        compacted(other, how)
        assert uids(other) == globbed(other) == expected, at
    assert num_changes > 20


def test_uses_get_their_numbers_and_stay_listed(tmp_path: Path) -> None:
    """Prevents `ledger` from reading parts again that are archived."""
    store = ObjectStore(tmp_path.as_uri())
    pack(store, [[5, 40], [16], [7]])
    river = lane(store, "uses", seal_rows=1)
    parts = list_parts(store)
    river.put("shards.sealed", *parts)
    river.put("archive.uses.flush", Flush())
    river.run()
    assert len(counting(store, "uses")) == 3
    numbers = {part.name: number for number, part in enumerate(parts)}
    (day,) = days(store, "uses")
    how = Compaction(grace_s=0, numbers={parts[1].name: 1, **dict(list(numbers.items())[:1])})
    merge(store, USES, day, how)
    settle(store, USES, day, how)
    assert listed(store, USES) == set(numbers)
    found = {(row["part"], row["number"]) for row in rows(store, USES, Asked(), ["part", "number"])}
    assert found == {(parts[0].name, 0), (parts[1].name, 1), (parts[2].name, None)}
    (use,) = find(store, USES, "d3", ["part", "sequences"])
    assert use == {"part": parts[1].name, "sequences": [0]}


def test_a_damaged_file_is_named_and_nothing_is_changed(store: MortalStore) -> None:
    """Prevents the one copy of other rows from being removed for a merge that lacks some."""
    name = counting(store, "documents")[3]
    store.put(file_key(name), b"no parquet")
    before = set(store.list("archive"))
    with pytest.raises(Damaged, match=file_key(name)):
        merge(store, DOCUMENTS, the_day(store), HOW)
    assert before <= set(store.list("archive"))
    assert len(counting(store, "documents")) > 10


def test_a_damaged_mark_of_a_merge_is_named(store: MortalStore) -> None:
    """Prevents rows that are passed over, or doubled, in silence."""
    merge(store, DOCUMENTS, the_day(store), HOW)
    (key,) = filter(is_merge_mark, store.list("archive"))
    store.put(key, b"{}")
    with pytest.raises(CorpusworksError, match=key):
        counting(store, "documents")
    assert TABLES["documents"] is DOCUMENTS
    assert not isinstance(CorpusworksError("x"), ConfigurationError)


def test_files_of_before_a_column_are_read_and_compacted(few: MortalStore) -> None:
    """Prevents: an archive that cannot be compacted, or asked, since the release that added a column."""
    name = counting(few, "documents")[0]
    with few.open(file_key(name)) as file:
        old = pq.read_table(file).drop_columns(["removed"])
    written = io.BytesIO()
    pq.write_table(old, written)
    few.put(file_key(name), written.getvalue())
    before = content(few)
    uid = old["uid"][0].as_py()
    assert [row["removed"] for row in find(few, DOCUMENTS, uid, ["removed"])] == [None]
    compacted(few)
    assert content(few) == before
    assert {row["removed"] for row in rows(few, DOCUMENTS, Asked(), ["removed"])} == {None}
