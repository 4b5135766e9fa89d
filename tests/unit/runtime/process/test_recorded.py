"""What was read before, in little memory: against a plain dictionary."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from contracts import IngestProgress
from services.runtime.process import recorded
from services.runtime.process.recorded import Recorded


def test_it_knows_what_a_dictionary_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a file that is left out, or read again, because its entry was lost where they are settled."""
    monkeypatch.setattr(recorded, "_RECENT", 7)
    chance, plain, ours = random.Random(5), dict[str, IngestProgress](), Recorded()
    for _ in range(3000):
        name, fingerprint = f"file {chance.randrange(200)}", f"f{chance.randrange(3)}"
        said = IngestProgress(source=name, fingerprint=fingerprint, num_records=chance.randrange(9))
        said.complete = chance.random() < 0.6
        plain[name] = said
        ours.note(said)
        asked = [IngestProgress(source=f"file {chance.randrange(220)}", fingerprint="f1") for _ in range(5)]
        wanted = []
        for each in asked:
            before = plain.get(each.source)
            same = before is not None and before.fingerprint == "f1"
            if not (same and before is not None and before.complete):
                wanted.append(before if same and before is not None else each)
        assert list(ours.take(asked).mine) == wanted


def test_a_file_costs_some_bytes() -> None:
    """Prevents an import of a million files from needing a gigabyte."""
    tracemalloc.start()
    ours = Recorded()
    for number in range(120_000):
        ours.note(IngestProgress(source=f"file:///a/folder/{number}", fingerprint="1-2-3", complete=True))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 16 * 120_000 + 100 * 50_000 + (4 << 20)
    assert ours.is_complete(IngestProgress(source="file:///a/folder/77", fingerprint="1-2-3"))
    assert not ours.is_complete(IngestProgress(source="file:///a/folder/77", fingerprint="1-2-4"))


def test_what_is_passed_is_left_alone() -> None:
    ours = Recorded()
    ours.passed.add("a")
    assert list(ours.take([IngestProgress(source="a"), IngestProgress(source="b")]).mine) == [
        IngestProgress(source="b")
    ]
