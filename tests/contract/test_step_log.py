"""The step log: what the trainer writes is what the ledger reads, though neither knows the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ledger import steps
from services.ledger.steps import StepLogs, Taken
from services.runtime import ObjectStore
from trainer import steplog
from trainer.data.store import Store
from trainer.steplog import Row, StepLog


def row(step: int, part: str, *sequences: int, **more: bool) -> Row:
    losses = [step + sequence / 8 for sequence in sequences]
    parts = [part] * len(sequences)
    return Row(step, 0, list(sequences), parts, list(sequences), losses, learning_rate=0.1, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs. The first goes back from step 3 to step 1, and is killed and resumed after step 3."""
    store = Store(str(tmp_path))
    log = StepLog(store, "first")
    log.add([row(1, "a", 0, 1), row(2, "a", 2, 3), row(3, "b", 0, 1, skipped=True)])
    assert log.flush()
    log.rewound()
    log.add([row(2, "a", 2, 3), row(3, "c", 0, 1), row(4, "c", 2, 3)])
    assert log.close()
    log = StepLog(store, "first")
    log.add([row(4, "c", 2, 3)])
    assert log.close()
    other = StepLog(store, "other")
    other.add([row(7, "a", 1)])
    assert other.close()
    return tmp_path


def logs(folder: Path, warned: list[str] | None = None) -> StepLogs:
    return StepLogs(ObjectStore(folder.as_uri()), (warned if warned is not None else []).append)


def test_the_columns_have_the_trainers_names() -> None:
    assert set(steps.COLUMNS) <= set(steplog.COLUMNS)
    assert steps.PARTS == steplog.PARTS


def test_a_step_is_found_as_it_stands(folder: Path) -> None:
    found = logs(folder)
    assert found.runs == ["first", "other"]
    assert found.range("first") == (1, 4)
    assert found.of_step("first", 2) == [
        Taken(2, "a", 2, 2.25, False, False),
        Taken(2, "a", 3, 2.375, False, False),
    ]
    assert {each.part for each in found.of_step("first", 3)} == {"c"}, "b's was gone back over"
    assert len(found.of_step("first", 4)) == 2, "it was done twice, and once is told"
    assert found.of_step("first", 9) == []


def test_sequences_have_the_steps_that_took_them(folder: Path) -> None:
    found = logs(folder).of_sequences({("a", 1), ("a", 2), ("b", 0), ("c", 3), ("d", 0)})
    assert found == {
        ("a", 1): {"first": ([1], []), "other": ([7], [])},
        ("a", 2): {"first": ([2], [2])},
        ("b", 0): {"first": ([], [3])},
        ("c", 3): {"first": ([4], [4])},
    }
    assert logs(folder).of_sequences({("a", 1)}, "other") == {("a", 1): {"other": ([7], [])}}


def test_only_files_that_name_a_part_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents the steps of one document from costing the reading of a whole run."""
    import pyarrow.parquet as pq

    read: list[object] = []
    whole = pq.ParquetFile.read
    monkeypatch.setattr(
        pq.ParquetFile, "read", lambda self, *a, **k: read.append(self) or whole(self, *a, **k)
    )
    assert logs(folder).of_sequences({("b", 0)}) == {("b", 0): {"first": ([], [3])}}
    assert len(read) == 1


def test_a_torn_or_foreign_file_costs_one_line(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = folder / "train" / "first" / "steps"
    whole = next(where.iterdir()).read_bytes()
    (where / "000000000005-000000000005.000002.parquet").write_bytes(whole[: len(whole) // 2])
    (where / "000000000006-000000000006.000002.parquet").write_bytes(b"")
    pq.write_table(pa.table({"step": [7]}), where / "000000000007-000000000007.000002.parquet")
    (where / "notes.txt").write_bytes(b"mine")
    warned: list[str] = []
    found = logs(folder, warned)
    assert found.range("first") == (1, 7)
    for step in (5, 6, 7):
        assert found.of_step("first", step) == []
    assert len(warned) == 3
    assert all("is passed over: it is torn, or no file of a step log" in line for line in warned)
    assert len(found.of_step("first", 1)) == 2
