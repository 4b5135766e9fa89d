"""An older copy of Redis is put back under a river: noticed, refused, rebuilt; nothing twice."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from services.runtime import Resources, Settings
from services.sink.parts import list_parts, read_records
from tests.corpus import write_jsonl
from tests.e2e.commands import ask, corpusworks, run

pytestmark = [pytest.mark.stack, pytest.mark.soak, pytest.mark.timeout(900)]

# Where a batch ends and a session too, quickly.
SETTINGS = {"CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "6"}


def packed(out: Path) -> Counter[int]:
    """How often each document is in the parts."""
    store = Resources(Settings(store_url=out.absolute().as_uri())).store
    return Counter(r.uid for part in list_parts(store) for r in read_records(store, part))


def test_a_file_read_again_over_an_older_redis(tmp_path: Path) -> None:
    """Prevents: 391 documents in parts twice, exit 0."""
    out, redis, older = tmp_path / "out", tmp_path / "out" / "state" / "redis", tmp_path / "older"
    first = write_jsonl(tmp_path / "first.jsonl", 200, seed=31, duplicates=0.1)
    second = write_jsonl(tmp_path / "second.jsonl", 300, seed=32, duplicates=0.1)
    run(out, first, settings=SETTINGS)
    shutil.copytree(redis, older)
    run(out, second, settings=SETTINGS)
    before = packed(out)
    assert set(before.values()) == {1}
    shutil.rmtree(redis)
    shutil.copytree(older, redis)
    again = shutil.copy(second, tmp_path / "again.jsonl")
    refused = corpusworks("run", again, "--out", out, settings=SETTINGS)
    assert refused.code != 0
    assert "has forgotten something" in refused.err
    assert "corpusworks dedup rebuild" in refused.err
    assert packed(out) == before
    rebuilt = corpusworks("dedup", "rebuild", "--yes", "--out", out, settings=SETTINGS)
    assert rebuilt.code == 0, rebuilt.err
    run(out, again, settings=SETTINGS)
    assert packed(out) == before
    assert ask("reconcile", "--out", out, settings=SETTINGS).code == 0
