"""What the step log holds after rewinds, resumes, failures of the store, and damage."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.unit.trainer.objects import MemoryObjects
from trainer import steplog
from trainer.outbox import Outbox
from trainer.steplog import Row, StepLog


def row(step: int, micro_step: int = 0, parts: Sequence[str] = ("a", "a"), **more: Any) -> Row:
    return Row(
        step=step,
        micro_step=micro_step,
        indices=[2 * step, 2 * step + 1],
        parts=list(parts),
        sequences=[step, step + 1],
        losses=[2.5, 3.5],
        learning_rate=1 / 3,
        **more,
    )


def logged(store: MemoryObjects, steps: Sequence[int], **more: Any) -> None:
    log = StepLog(store, "first", retry_s=0.01)
    log.add(row(step, **more) for step in steps)
    assert log.close()


def test_a_row_comes_back_as_it_was_written() -> None:
    """Prevents a column that loses what a replay needs: the learning rate to its last bit, say."""
    store = MemoryObjects()
    log = StepLog(store, "first")
    said = row(7, phase="anneal", recipe="9f", rng="ab", code="cd", loss=3.0, gradient_norm=0.1, skipped=True)
    log.add([said])
    assert log.flush()
    assert list(steplog.read(store, "first")) == [said]


def test_files_are_named_by_their_steps_and_name_their_parts() -> None:
    """Prevents a question after a part from opening every file."""
    store = MemoryObjects()
    log = StepLog(store, "first", every=10_000)
    log.add([row(1, parts=["a", "b"]), row(2, parts=["a", "a"])])
    assert log.close()
    (key,) = store.objects
    assert key == "train/first/steps/000000000001-000000000002.000000.parquet"
    said = pq.read_metadata(io.BytesIO(store.objects[key])).metadata
    assert json.loads(said[steplog.PARTS]) == {"a": [1, 2], "b": [1, 1]}


def test_a_file_is_written_when_it_is_full() -> None:
    """Prevents a log that grows in memory until the run ends."""
    store = MemoryObjects()
    log = StepLog(store, "first", every=4, every_s=3600)
    for step in range(1, 5):
        log.add([row(step)])
    assert log.flush()
    log.add([row(5)])
    assert [r.step for r in steplog.read(store, "first")] == [1, 2, 3, 4]
    assert log.close()
    assert [r.step for r in steplog.read(store, "first")] == [1, 2, 3, 4, 5]


def test_what_a_rewind_undid_is_told_apart() -> None:
    """Prevents a step that was gone back over from counting twice, and its documents from being forgotten."""
    store = MemoryObjects()
    log = StepLog(store, "first")
    log.add([row(1), row(2), row(3, digest="spoilt")])
    log.rewound()
    log.add([row(2, digest="again")])
    assert log.close()
    assert [(r.step, r.digest) for r in steplog.read(store, "first")] == [(1, ""), (2, "again")]
    undone = list(steplog.read(store, "first", undone=True))
    assert [(r.step, r.digest) for r in undone] == [(2, ""), (3, "spoilt")]


def test_a_resumed_run_stands_before_the_one_that_was_killed() -> None:
    """Prevents rows of a killed process, written after its last checkpoint, from standing."""
    store = MemoryObjects()
    logged(store, range(1, 8), digest="killed")
    logged(store, range(5, 7), digest="resumed")
    logged(store, [6], digest="third")
    found = [(r.step, r.digest) for r in steplog.read(store, "first", 4)]
    assert found == [(4, "killed"), (5, "resumed"), (6, "third")]
    assert len(list(steplog.read(store, "first", undone=True))) == 4


def test_a_store_that_is_away_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents a log that raises into training, loses rows, or says the same thing every second."""
    store = MemoryObjects()
    store.away = OSError(28, "No space left on device")
    log = StepLog(store, "first", every=1, retry_s=0.0)
    with caplog.at_level(logging.WARNING):
        for step in range(1, 6):
            log.add([row(step)])
            assert not log.flush()
        assert log.failures >= 5
        store.away = None
        assert log.close()
    assert [r.step for r in steplog.read(store, "first")] == [1, 2, 3, 4, 5]
    assert [record.message.partition(" (")[0] for record in caplog.records] == [
        "the step log of first cannot be written",
        "the step log of first is written again",
    ]
    assert "No space left" in caplog.records[0].message


def test_a_flush_is_not_answered_by_what_was_under_way() -> None:
    """Prevents rows that a close gives up because an attempt from before it failed."""
    begun, fail, written = threading.Event(), threading.Event(), list[int]()

    def send(items: list[int]) -> None:
        if not begun.is_set():
            begun.set()
            assert fail.wait(60)
            raise OSError("away until just now")
        written.extend(items)

    box = Outbox("it", send, every=1, every_s=3600, retry_s=3600)
    box.add([1])
    assert begun.wait(60)
    with ThreadPoolExecutor(1) as pool:
        flushed = pool.submit(box.flush)
        deadline = time.monotonic() + 60
        while not box._at_once and time.monotonic() < deadline:
            time.sleep(0.001)
        fail.set()
        assert flushed.result(60)
    assert written == [1]
    assert box.failures == 1
    assert box.close()


def test_no_more_is_kept_than_has_room(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents a store that stays away from filling the machine's memory."""
    store = MemoryObjects()
    store.away = OSError("away")
    log = StepLog(store, "first", retry_s=3600)
    log._outbox._bound = 3
    log.add(row(step) for step in range(1, 6))
    assert not log.flush()
    assert log.lost == 2
    store.away = None
    assert log.close()
    assert [r.step for r in steplog.read(store, "first")] == [1, 2, 3], "the first of an attempt stay"


def test_a_lost_answer_leaves_no_row_twice() -> None:
    """Prevents a put that was done and seemed to fail from doubling rows."""
    store = MemoryObjects()
    store.unheard = 1
    log = StepLog(store, "first", retry_s=0.0)
    log.add([row(1)])
    log.flush()
    log.add([row(2)])
    assert log.close()
    assert [r.step for r in steplog.read(store, "first")] == [1, 2]


def test_a_torn_or_foreign_file_costs_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents one bad file from hiding all others."""
    store = MemoryObjects()
    logged(store, [1])
    logged(store, [2])
    whole = store.objects["train/first/steps/000000000001-000000000001.000000.parquet"]
    store.objects["train/first/steps/000000000003-000000000003.000001.parquet"] = whole[: len(whole) // 2]
    store.objects["train/first/steps/000000000004-000000000004.000001.parquet"] = b"PAR1 something else"
    store.objects["train/first/steps/notes.txt"] = b"mine"
    with caplog.at_level(logging.WARNING):
        assert [r.step for r in steplog.read(store, "first")] == [1, 2]
    assert [record.message.partition(" is")[0] for record in caplog.records] == [
        "train/first/steps/000000000003-000000000003.000001.parquet",
        "train/first/steps/000000000004-000000000004.000001.parquet",
    ]


def test_few_files_are_read_for_few_steps() -> None:
    """Prevents `read` of one step from reading a month."""
    store = MemoryObjects()
    log = StepLog(store, "first")
    for step in range(1, 21):
        log.add([row(step)])
        assert log.flush()
    store.gets.clear()
    assert [r.step for r in steplog.read(store, "first", 7, 8)] == [7, 8]
    assert len(store.gets) == 2


def test_the_code_has_a_digest() -> None:
    """Prevents a digest that changes from call to call, or says nothing."""
    assert len(bytes.fromhex(steplog.code_digest())) == 8
