"""Members of a service come and go while messages flow: each message is processed exactly once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml

from contracts import Control, Document, Flush
from services.local.stack import Stack
from services.runtime import Resources
from services.runtime.loops.transaction import Produce
from services.runtime.topology import DEFAULT
from services.sink.parts import list_parts, read_records, verify
from tests.integration.rig import CARD, Rig, rig, unit

pytestmark = pytest.mark.stack

SESSION_S = 3.0
LANES = 4


@contextmanager
def _flow(publish: Callable[[int], int]) -> Iterator[list[int]]:
    """Publish from a thread until the block ends; the list holds how many documents went in."""
    over = threading.Event()
    published: list[int] = []

    def run() -> None:
        while not over.wait(0.3):
            published.append(publish(sum(published)))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield published
    finally:
        over.set()
        thread.join()


def _wait_until(true: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def _moves(river: Rig, service: str) -> None:
    """Wait until the service has committed more than now."""
    before = sum(river.committed(service).values())
    _wait_until(lambda: sum(river.committed(service).values()) > before)


def test_units_come_and_go(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: a batch in hand that is committed by a former owner, or dropped, when partitions move."""
    settings = {
        "CORPUSWORKS_PARTITIONS": "6",
        "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "20",
        "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": str(SESSION_S),
    }
    with rig(shared_stack, tmp_path, "moving", unit("moving", "tests.units:POISONED"), **settings) as river:

        def publish(start: int) -> int:
            river.publish([Document(uid=uid, text="sound") for uid in range(start + 1, start + 201)])
            return 200

        with _flow(publish) as published:
            first, second = river.serve(instance="1"), river.serve(instance="2")
            _moves(river, "moving")
            _wait_until(lambda: all('"batch"' in river.log(instance=name) for name in "12"))
            river.serve(instance="3")
            _wait_until(lambda: '"batch"' in river.log(instance="3"))
            river.kill(first)
            time.sleep(SESSION_S)
            second.terminate()
            assert second.wait(60) == 0
            river.serve(instance="4")
            _wait_until(lambda: '"batch"' in river.log(instance="4"))
        number = sum(published)
        river.wait_for(number, river.output)
        counted = Counter(document.uid for document in river.documents())
        again = {uid: times for uid, times in counted.items() if times > 1}
        assert not again
        assert set(counted) == set(range(1, number + 1))
        assert all('"batch"' in river.log(instance=name) for name in "1234")  # each has worked
        for name in "234":
            assert "Traceback" not in river.log(instance=name)


def test_lanes_move_between_mixers_and_sinks(tmp_path: Path) -> None:
    """Prevents: a lane that is taken up with an older state than its offsets, and parts that overlap."""
    settings = {
        "CORPUSWORKS_LANES": str(LANES),
        "CORPUSWORKS_PARTITIONS": "1",  # of what is not read here
        "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": str(SESSION_S),
        "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "3000",
    }
    table = yaml.safe_load(DEFAULT.read_text())
    services = {name: table["services"][name] for name in ("mixer", "sink")}
    with (  # a broker of its own: its topics have the names of the real ones, and more lanes
        Stack(tmp_path / "state") as stack,
        rig(stack, tmp_path, "lanes", services, table["topics"], **settings) as river,
    ):

        def publish(start: int) -> int:
            river.produce([_pooled(uid) for uid in range(start + 1, start + 101)])
            return 100

        with _flow(publish) as published:
            first = [river.serve(name, instance="1") for name in services]
            _moves(river, "sink")
            second = [river.serve(name, instance="2") for name in services]
            _wait_until(lambda: all("lane taken up" in river.log(name, "2") for name in services))
            _moves(river, "sink")
            for process in first:
                river.kill(process)
            time.sleep(SESSION_S + 1)
            third = [river.serve(name, instance="3") for name in services]
            _wait_until(lambda: all("lane taken up" in river.log(name, "3") for name in services))
            _moves(river, "sink")
            for process in second:
                process.terminate()
            assert [process.wait(20) for process in second] == [0, 0]
        flush = Control(flush=Flush(run="the end")).SerializeToString()
        river.produce([Produce("pool.control", flush, partition=lane) for lane in range(LANES)])
        store = Resources(river.settings).store
        number = sum(published)
        _wait_until(lambda: sum(part.num_documents for part in list_parts(store)) >= number)
        assert verify(store) == []
        counted = Counter(r.uid for part in list_parts(store) for r in read_records(store, part))
        assert {uid: times for uid, times in counted.items() if times > 1} == {}
        assert set(counted) == set(range(1, number + 1))
        assert all(process.poll() is None for process in third)


def _pooled(uid: int) -> Produce:
    """A tokenised document in the pool of its bucket."""
    bucket = ("zh", "en", "code")[uid % 3]
    tokens = np.arange(1, 20 + uid % 50, dtype="<u4")
    document = Document(id=f"document {uid}", uid=uid, bucket=bucket, language="en", num_tokens=len(tokens))
    document.token_ids, document.tokenizer = tokens.tobytes(), CARD.digest
    return Produce(f"pool.{bucket}", document.SerializeToString(), uid.to_bytes(8, "big"), uid % LANES)
