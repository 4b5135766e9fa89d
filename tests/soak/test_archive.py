"""An archive of five million documents: compacted, and one of them found in the time that a person waits."""

from __future__ import annotations

import random
import resource
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from services.archive.files import counting
from services.runtime import ObjectStore
from tests.e2e.commands import ask, corpusworks
from tests.unit.archive.made import made_documents, name_of, uid_of

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

NUMBER, DAYS, FILE_ROWS = 5_000_000, 10, 25_000
LIMIT_S = 0.5  # of CPU, for `trace`: with the start of Python, a second or more, less than two


def test_one_of_five_million_is_found_at_once(tmp_path: Path, seed: int) -> None:
    """By id and by uid; on small files as the service writes them, and after compaction."""
    store = ObjectStore(tmp_path.as_uri())
    store.put("parts/river.json", b"{}")
    per_day = NUMBER // DAYS
    for number in range(DAYS):
        day = (date(2026, 1, 1) + timedelta(days=number)).isoformat()
        made_documents(store, range(number * per_day, (number + 1) * per_day), FILE_ROWS, day)
    wanted = random.Random(seed).sample(range(NUMBER), 4)
    before = _slowest(tmp_path, wanted)
    num_before, begun = len(counting(store, "documents")), time.monotonic()
    done = corpusworks("archive", "compact", tmp_path, "--grace-s", "0", timeout_s=3000)
    assert done.code == 0, done.err
    took = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    after = _slowest(tmp_path, wanted)
    num_after = len(counting(store, "documents"))
    print(
        f"\n{num_before} files: {before:.2f} s; compacted in {took:.0f} s, at most {peak} MB, "
        f"{num_after} files: {after:.2f} s"
    )
    assert num_after == DAYS
    assert ask("audit", "count", tmp_path, "--table", "documents", "--json").rows == [{"rows": NUMBER}]
    assert max(before, after) < LIMIT_S
    assert peak < 1500


def _slowest(out: Path, wanted: list[int]) -> float:
    """CPU seconds of the command in this process: those on the clock are also other programs'."""
    slowest = 0.0
    for number in wanted:
        for name in (name_of(number), uid_of(number)):
            begun = time.process_time()
            found = ask("trace", name, "--out", out)
            slowest = max(slowest, time.process_time() - begun)
            assert found.code == 0, found.err
            assert [row["uid"] for row in found.rows] == [uid_of(number)]
    return slowest
