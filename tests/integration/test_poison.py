"""A poisoned document costs one dead letter, and the others no more than its time limit."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from contracts import Document, Rejection
from services.local.stack import Stack
from services.runtime.loops.transaction import Produce
from tests.integration.rig import Rig, rig, said, unit

pytestmark = pytest.mark.stack

TIME_LIMIT_S = 6.0
RESTART_S = 10.0  # a worker's imports, on a machine that does other things too

# What the document does to the process that handles it, and what its dead letter says of that.
POISONS = {
    "raise": "this document cannot be handled",
    "exit": "exit code 3",
    "die": "exit code 17",
    "memory": "MemoryError",
    "hang": "time_limit_s",
    "short": "verdicts for 1 documents",
    "undeclared": "not in its drop_reasons",
    "odd": "a lone surrogate",
    "reject": "not for me",
}


def _good(first: int, number: int) -> list[Document]:
    return [Document(id=f"good-{i}", uid=i, text=f"sound {i}") for i in range(first, first + number)]


@pytest.mark.soak
def test_each_poison_costs_one_dead_letter(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: a crash loop, a lost or repeated neighbour, a queue that stands still behind one."""
    settings = {
        "CORPUSWORKS_TIME_LIMIT_S": str(TIME_LIMIT_S),
        "CORPUSWORKS_MEMORY_LIMIT_BYTES": str(512 << 20),
    }
    with rig(shared_stack, tmp_path, "poison", unit("poison", "tests.units:POISONED"), **settings) as river:
        process = river.serve()
        number_good, delays = 0, {}
        for index, command in enumerate(POISONS):
            good = _good(1 + 1000 * index, 60)
            bad = Document(id=command, uid=900_000 + index, text=command, body=b"\x00\xff" + command.encode())
            begun = time.monotonic()
            river.publish([*good[:30], bad, *good[30:]])
            number_good += len(good)
            river.wait_for(number_good, river.output)
            delays[command] = time.monotonic() - begun
            letters = river.wait_for(index + 1, f"{river.source}.dlq")
        assert process.poll() is None, river.log()
        _assert_letters_tell(letters, river)
        seen = [document.uid for document in river.documents()]
        assert len(seen) == len(set(seen)) == number_good
        late = {command: d for command, d in delays.items() if d > TIME_LIMIT_S + RESTART_S}
        assert not late, late


def _assert_letters_tell(letters: list[Any], river: Rig) -> None:
    """One letter each, the value as it was, and where, what and in which unit it went wrong."""
    sources = {(r.partition, r.offset): r.value for r in river.records(river.source)}
    told = {}
    for letter in letters:
        headers = said(letter.headers)
        place = int(headers["partition"]), int(headers["offset"])
        assert letter.value == sources[place]
        assert headers["topic"] == river.source
        assert headers["stage"] in {"poison", "poisoned"}
        told[Document.FromString(letter.value).id] = headers["exception.message"]
    assert len(letters) == len(told)
    assert set(told) == set(POISONS)
    for command, expected in POISONS.items():
        assert expected in told[command], (command, told[command])
    raised = next(said(r.headers) for r in letters if Document.FromString(r.value).id == "raise")
    assert "_obey" in raised["exception.stacktrace"]


def test_all_poisons_in_one_batch(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: one poison hiding another, or taking the sound and the dropped ones of its batch along."""
    settings = {
        "CORPUSWORKS_TIME_LIMIT_S": str(TIME_LIMIT_S),
        "CORPUSWORKS_MEMORY_LIMIT_BYTES": str(512 << 20),
        "CORPUSWORKS_PARTITIONS": "1",
    }
    with rig(shared_stack, tmp_path, "mixed", unit("mixed", "tests.units:POISONED"), **settings) as river:
        documents = _good(1, 500)
        for index, command in enumerate([*POISONS, "drop"]):
            documents.insert(40 * index, Document(id=command, uid=900_000 + index, text=command))
        documents.insert(333, Document(id="no uid", text="what has no identity goes on all the same"))
        river.publish(documents)
        river.produce([Produce(river.source, b"\xff\xff not a document")])
        river.serve()
        river.wait_for(501, river.output, timeout_s=150)
        letters = river.wait_for(len(POISONS) + 1, f"{river.source}.dlq")
        assert len(river.documents()) == 501
        assert len(letters) == len(POISONS) + 1
        assert any(letter.value == b"\xff\xff not a document" for letter in letters)
        dropped = [Rejection.FromString(r.value) for r in river.records("docs.rejected")]
        mine = [r for r in dropped if r.document.id == "drop" and r.unit == "poisoned"]
        assert [(r.reason, r.measured, r.threshold, r.document.text) for r in mine] == [
            ("unwanted", 3, 5, "drop")
        ]
        # the unreadable one and two markers
        river.wait_until(lambda: sum(river.committed().values()) == len(documents) + 3)
