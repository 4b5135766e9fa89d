"""The fold of the archive: every row once whatever is killed, where files end, what is left and removed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from contracts import ArchiveFile, Document, Flush
from services.archive import ArchiveConfig
from services.archive.files import counting, file_key, mark_key
from services.archive.tables import document_of
from services.archive.task import DOCUMENTS
from services.runtime import ConfigurationError, DependencyDown, Message, ObjectStore, configure
from tests.unit.archive.rows import DAY_S, POOLS, archived, document, lane, rejection, uids


class FragileStore(ObjectStore):
    """A store that is full after some puts, until it is given room."""

    room = 1 << 30

    def put_all(self, objects: Mapping[str, bytes]) -> None:
        for key, value in objects.items():
            if not self.room:
                raise DependencyDown(self.url, "no space left on device")
            self.room -= 1
            super().put_all({key: value})


@pytest.fixture
def store(tmp_path: Path) -> FragileStore:
    return FragileStore((tmp_path / "store").as_uri())


def announced(river, table: str = "documents") -> list[ArchiveFile]:
    return river.values(f"archive.{table}")


def bytes_of(store: ObjectStore) -> dict[str, bytes]:
    return {key: store.get(key) for key in store.list("archive")}


def orphans(store: ObjectStore, table: str = "documents") -> list[str]:
    files = [key for key in store.list(f"archive/{table}") if key.endswith(".parquet")]
    return sorted(set(files) - {file_key(name) for name in counting(store, table)})


def fill(river, numbers: range, seed: int = 1) -> None:
    rng = random.Random(seed)
    for number in numbers:
        river.put(rng.choice(POOLS), document(number), hole=rng.random() < 0.2)


def test_every_field_of_a_document_comes_back(store: FragileStore) -> None:
    """Prevents a column under the name of another, and nought where nothing was known."""
    river = lane(store)
    judged = document(1, score=-1.5, rank=0.5, cluster=17, format="prose", calibration="6a", tokenizer="a3")
    judged.removed.add(text="All rights reserved.\n", at=7, host="example.org", documents=9, needed=4)
    river.put("pool.zh", judged, Document(uid=2, id="bare"))
    river.put("archive.flush", Flush())
    river.run()
    names = ["id", "source", "language", "category", "bucket", "score", "rank", "cluster", "format"]
    names += [
        "removed",
        "num_tokens",
        "features",
        "metadata",
        "tokenizer",
        "calibration",
        "ingested",
        "partition",
    ]
    bare, full = sorted(archived(store, "documents", *names), key=lambda row: row["id"] != "bare")
    assert full["uid"] == f"{judged.uid:016x}"
    for name in ("id", "source", "language", "category", "bucket", "score", "rank", "num_tokens", "text"):
        assert full[name] == getattr(judged, name), name
    assert (full["cluster"], full["format"], full["tokenizer"]) == (f"{17:016x}", "prose", "a3")
    assert dict(full["features"]) == dict(judged.features)
    assert dict(full["metadata"]) == dict(judged.metadata)
    assert list(document_of(full).removed) == list(judged.removed)
    assert bare["removed"] is None
    assert full["ingested"].timestamp() == 1_764_000_000.123
    assert [bare[name] for name in ("score", "rank", "cluster", "language", "text", "ingested")] == [None] * 6
    assert bare["uid"] == f"{2:016x}"


def test_every_field_of_a_drop_comes_back(store: FragileStore) -> None:
    """Prevents a drop whose reason cannot be told from the archive alone."""
    river = lane(store, "drops")
    drop = rejection(1)
    drop.detail = "3 characters"
    unread = rejection(2, "parse", "no_text", text="", body=b"%PDF-1.4\xff")
    unread.ClearField("measured")
    river.put("docs.rejected", drop, unread)
    river.put("archive.flush", Flush())
    river.run()
    names = ["unit", "reason", "measured", "threshold", "detail", "rejected", "body"]
    first, second = archived(store, "drops", *names)
    assert [first[name] for name in names[:5]] == ["rules", "too_short", 3, 50, "3 characters"]
    assert first["rejected"].timestamp() == 0.001
    assert first["text"] == drop.document.text
    assert [second[name] for name in ("unit", "measured", "text", "body")] == [
        "parse",
        None,
        None,
        b"%PDF-1.4\xff",
    ]


@pytest.mark.parametrize("seed", range(6))
def test_every_document_is_archived_once_whatever_is_killed(tmp_path: Path, seed: int) -> None:
    """Prevents a row that is lost or doubled, and a replay that writes other bytes under the same name."""
    rivers, stores = [], []
    for number in range(2):
        store = ObjectStore((tmp_path / str(number)).as_uri())
        river = lane(store, seed=seed, max_chunk=10_000 if number == 0 else 9, seal_rows=13)
        fill(river, range(1, 200), seed)
        river.put("archive.flush", Flush())
        river.now += 2 * DAY_S
        river.run(kill_share=0.0 if number == 0 else 0.4)
        fill(river, range(200, 260), seed)
        river.put("archive.flush", Flush())
        river.run(kill_share=0.0 if number == 0 else 0.4)
        rivers.append(river)
        stores.append(store)
    assert rivers[1].num_kills > 10
    rivers[1].start()  # a last kill may have left a mark to be written
    for store in stores:
        assert uids(store) == list(range(1, 260))
        assert orphans(store) == []
    calm, wild = map(bytes_of, stores)
    assert [file.name for file in announced(rivers[0])] != []
    same = calm.keys() & wild.keys()
    assert len(same) > 10
    assert {key: calm[key] for key in same} == {key: wild[key] for key in same}
    assert {file.name for file in announced(rivers[1])} == set(counting(stores[1], "documents"))


@pytest.mark.parametrize("seed", range(6))
def test_files_cut_by_age_hold_every_row_once_though_a_replay_cuts_elsewhere(
    store: FragileStore, seed: int
) -> None:
    """Prevents an orphan of another length than the next try's from being counted, or staying."""
    river = lane(store, seed=seed, max_chunk=5, seal_age_s=10, seal_rows=1000)
    rng = random.Random(seed)
    for begin in range(1, 200, 10):
        fill(river, range(begin, begin + 10), begin)
        for _ in range(6):
            river.feed()
            river.step(kill=rng.random() < 0.4)
            river.now += rng.uniform(0, 8)
    river.put("archive.flush", Flush())
    river.run()
    river.start()
    assert river.num_kills > 10
    assert len(announced(river)) > 5
    assert uids(store) == list(range(1, 201))
    assert orphans(store) == []


def test_a_file_that_was_not_announced_is_none_and_goes(store: FragileStore) -> None:
    """The window between write and commit, with another cut the next time."""
    river = lane(store, seal_rows=20)
    river.put("pool.zh", *map(document, range(1, 21)))
    river.feed()
    while river.feed():
        pass
    assert river.task.step(river.now, river.drained()) is not None  # written, and then the process dies
    assert len(orphans(store)) == 1
    assert uids(store) == []
    other = lane(store, seal_rows=7)
    other.put("pool.zh", *map(document, range(1, 21)))
    other.put("archive.flush", Flush())
    other.run()
    assert orphans(store) == []
    assert uids(store) == list(range(1, 21))


def test_a_mark_that_a_kill_has_skipped_is_written_at_the_next_start(store: FragileStore) -> None:
    """The window between commit and mark."""
    river = lane(store)
    river.put("pool.zh", *map(document, range(1, 6)))
    river.put("archive.flush", Flush())
    river.run()
    (file,) = announced(river)
    mark = store.get(mark_key(file.name))
    store.delete([mark_key(file.name)])
    assert uids(store) == []
    river.start()
    assert store.get(mark_key(file.name)) == mark
    assert uids(store) == list(range(1, 6))


def test_nothing_that_counts_is_removed_or_repeated_when_the_offset_goes_back(store: FragileStore) -> None:
    """Prevents rows that are double after `offsets mend`, or a start that deletes what it reads again."""
    river = lane(store, seal_rows=10)
    river.put("pool.zh", *map(document, range(1, 31)))
    river.put("archive.flush", Flush())
    river.run()
    before = bytes_of(store)
    assert len(announced(river)) == 3
    river.committed["pool.zh"] = 4
    river.start()
    river.put("pool.zh", *map(document, range(31, 36)))
    river.put("archive.flush", Flush())
    river.run()
    assert before.items() <= bytes_of(store).items()
    assert uids(store) == list(range(1, 36))


def test_a_topic_that_was_made_anew_is_told_from_the_former(store: FragileStore) -> None:
    """Prevents the offsets of a lost Kafka from standing for those of the next one."""
    former: list[ArchiveFile] = []
    for number, topic_id in ((1, "of the first"), (2, "of the second")):
        river = lane(store, topic_id=topic_id)
        river.put("pool.zh", document(number))
        river.put("archive.flush", Flush())
        if number == 2:
            river.put("archive.documents", *former)
            river.start()
        river.run()
        former = announced(river)
    assert uids(store) == [1, 2]


def test_a_file_ends_with_its_day_which_never_goes_back(store: FragileStore) -> None:
    """Prevents a file a message about midnight, where the clocks of two producers differ."""
    river = lane(store, seal_rows=1000)
    midnight = 1_764_115_200  # 2025-11-26T00:00Z
    for number, second in enumerate([-50, -1, 1, -1, 2, -1, 3], 1):
        river.now = midnight + second
        river.put("pool.zh", document(number))
    river.put("archive.flush", Flush())
    river.run()
    assert [(file.day, file.rows) for file in announced(river)] == [("2025-11-25", 2), ("2025-11-26", 5)]
    assert [row["day"] for row in archived(store)] == ["2025-11-25"] * 2 + ["2025-11-26"] * 5
    river.now = midnight - 1
    river.put("pool.zh", document(8))
    river.put("archive.flush", Flush())
    river.start()  # the day is known from the log
    river.run()
    assert announced(river)[-1].day == "2025-11-26"


def test_a_file_ends_by_rows_by_bytes_and_by_age(store: FragileStore) -> None:
    """Prevents a file without bound, and a row that waits for others that never come."""
    river = lane(store, seal_rows=3)
    river.put("pool.zh", *map(document, range(1, 5)))
    river.run()
    assert [file.rows for file in announced(river)] == [3]
    assert river.committed["pool.zh"] == 3
    river.now += ArchiveConfig().seal_age_s - 1
    river.run()
    assert [file.rows for file in announced(river)] == [3]
    river.now += 2
    river.run()
    assert [file.rows for file in announced(river)] == [3, 1]
    large = lane(store, seal_bytes=20_000, seal_rows=1000)
    large.put("pool.en", *[document(n, text="x" * 6000) for n in range(10, 17)])
    large.run()
    assert [file.rows for file in announced(large)] == [4]


def test_of_all_open_files_the_largest_is_written_when_they_are_too_much(store: FragileStore) -> None:
    """Prevents memory that grows with the number of buckets."""
    river = lane(store, seal_bytes=30_000, hold_bytes=40_000, seal_rows=1000)
    river.put("pool.zh", *[document(n, text="x" * 9000) for n in range(1, 4)])
    river.put("pool.en", *[document(n, text="x" * 9000) for n in range(4, 6)])
    river.run()
    (file,) = announced(river)
    assert (file.topic, file.rows) == ("pool.zh", 3)


def test_a_flush_waits_for_what_was_there_before_it(store: FragileStore) -> None:
    """Prevents a run from ending while a document of it is not archived."""
    river = lane(store, seal_rows=1000, max_chunk=2)
    river.put("archive.flush", Flush(run="a"))
    fill(river, range(1, 30))
    river.run()
    assert uids(store) == list(range(1, 30))
    assert river.committed["archive.flush"] == 1
    river.put("archive.flush", Flush(run="b"))  # with nothing to write
    river.run()
    assert river.committed["archive.flush"] == 2
    assert len(announced(river)) == 2


def test_what_is_no_row_is_passed(store: FragileStore) -> None:
    """Prevents a tombstone, or a message of another kind, from stopping a lane or being read for ever."""
    river = lane(store)
    river.put("pool.zh", document(1))
    river.topics["pool.zh"].append(Message("pool.zh", 0, 1, b"key", None, 0))
    river._ends["pool.zh"] += 1
    river.task.feed(river.topics["pool.zh"])
    assert river.task.step(river.now, set()) is None
    river.task.feed([])
    step = river.task.step(river.now + 1e6, set())
    assert step is not None
    assert step.consumed == {"pool.zh": 2}
    empty = lane(store)
    empty.task.feed([Message("pool.en", 0, 0, b"key", None, 0)])
    step = empty.task.step(river.now, set())
    assert step is not None
    assert (step.consumed, list(step.outputs)) == ({"pool.en": 1}, [])
    assert empty.task.step(river.now, set()) is None


def test_a_dropped_text_in_the_store_is_archived_whole(store: FragileStore) -> None:
    """Prevents a reference that leads nowhere once the store has been tidied."""
    text = "很长的文章。" * 1000
    large = rejection(1, text="")
    large.document.references.add(field="text", key="bodies/ab/there", size=len(text.encode()))
    gone = rejection(2, text="")
    gone.document.references.add(field="text", key="bodies/ab/gone", size=5)
    store.put("bodies/ab/there", text.encode())
    river = lane(store, "drops")
    river.put("docs.rejected", large, gone)
    river.put("archive.flush", Flush())
    river.run()
    assert [row["text"] for row in archived(store, "drops")] == [text, None]


def test_a_store_that_is_full_loses_nothing(store: FragileStore) -> None:
    """Prevents rows that are forgotten with the write that failed."""
    river = lane(store, seal_rows=5)
    river.put("pool.zh", *map(document, range(1, 6)))
    while river.feed():
        pass
    store.room = 0
    for _ in range(2):
        with pytest.raises(DependencyDown):
            river.step()
    store.room = 1 << 30
    river.run()
    assert uids(store) == [1, 2, 3, 4, 5]


def test_what_is_flushed_together_is_announced_together(store: FragileStore) -> None:
    """Prevents: a transaction for each table; a file that is lost where the disk is full for the next."""
    river = lane(store, "ended")
    river.put("pool.zh", document(1))
    river.put("docs.rejected", rejection(2))
    river.put("archive.flush", Flush())
    river.feed()
    store.room = 2  # the first file with its index
    with pytest.raises(DependencyDown):
        river.step()
    assert river.committed["pool.zh"] == 0
    store.room = 1 << 30
    river.step()
    assert [len(announced(river, table)) for table in ("documents", "drops")] == [1, 1]
    assert [uids(store), uids(store, "drops")] == [[1], [2]]
    assert river.committed["archive.flush"] == 1


def test_where_it_goes_on_when_its_offset_is_lost() -> None:
    """`offsets mend` asks this."""
    said = [
        ArchiveFile(topic="pool.zh", topic_id="a", last_offset=9),
        ArchiveFile(topic="pool.en", topic_id="b", last_offset=3),
        ArchiveFile(topic="pool.zh", topic_id="a", last_offset=19),
    ]
    log = [Message("archive.documents", 0, n, None, value, 0) for n, value in enumerate(said)]
    assert DOCUMENTS.reached(log, {"pool.zh": "a", "pool.en": "another"}) == {"pool.zh": 20}


@pytest.mark.parametrize(
    "wrong", [{"seal_rows": 0}, {"seal_bytes": 0}, {"seal_age_s": 0}, {"hold_bytes": 5}, {"seal": 1}]
)
def test_a_wrong_setting_is_refused(wrong: dict[str, int]) -> None:
    """Prevents a service that never writes, or writes a file a row."""
    with pytest.raises(ConfigurationError, match="archive_documents"):
        configure(DOCUMENTS.name, DOCUMENTS.config, wrong)
