"""The archive of a whole run, on S3: all that went to a pool and all that was dropped, with its text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from services.archive.asked import Asked
from services.archive.files import counting, file_key
from services.archive.query import count, rows
from services.archive.tables import DOCUMENTS, DROPS, USES
from services.ledger import take_account
from services.runtime import ObjectStore, Resources
from services.sink.parts import list_parts, read_records
from tests.corpus import write_jsonl
from tests.e2e.commands import SAMPLES, ask, corpusworks, run
from tests.e2e.crashing import crash
from tests.e2e.home import Home, home, topology
from tests.e2e.stored import assert_refused, assert_whole
from tests.s3_server import S3Server

pytestmark = pytest.mark.timeout(400)

FOLDERS = ("catalog", "parts", "bodies", "vocabularies", "archive")


def test_a_run_on_s3_leaves_all_of_it_in_the_archive(tmp_path: Path, s3: S3Server) -> None:
    """Prevents a run that ends before its last drop is archived, a text that is not the document's, and a
    folder that has forgotten which bucket holds what it made.
    """
    out, url = tmp_path / "out", f"{s3.bucket('run')}/corpus"
    report = run(out, SAMPLES, settings={**s3.environment, "CORPUSWORKS_STORE_URL": url})
    assert not any((out / name).exists() for name in FOLDERS), "the state alone is in the folder"
    assert_whole(url, report["kept"], s3.environment)
    assert_whole(out, report["kept"], s3.environment)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        _assert_archived(out, ObjectStore(url), report)
    elsewhere = {**s3.environment, "CORPUSWORKS_STORE_URL": f"{url}-elsewhere"}
    assert_refused(corpusworks("run", SAMPLES, "--out", out, settings=elsewhere), "has its parts in", url)


def _assert_archived(out: Path, store: ObjectStore, report: Mapping[str, Any]) -> None:
    """What the archive holds is what the report counts and the parts hold."""
    dropped = sum(number for reasons in report["dropped"].values() for number in reasons.values())
    assert count(store, DROPS, Asked()) == [{"rows": dropped + report["duplicates"]}]
    by_reason = ask("audit", "count", out, "--by", "unit,reason", "--json").rows
    for row in by_reason:
        if row["unit"] in report["dropped"]:
            assert row["rows"] == report["dropped"][row["unit"]][row["reason"]]
    (behind,) = count(store, DROPS, Asked({"unit": "mixer"}))
    assert count(store, DOCUMENTS, Asked()) == [{"rows": report["kept"] + behind["rows"]}]
    texts = {row["source"]: row["text"] for row in rows(store, DOCUMENTS, Asked(), ["source", "text"])}
    decoded = ask("parts", "decode", out).rows
    assert len(decoded) == report["kept"] > 30
    assert all(texts[row["source"]] == row["text"] for row in decoded)
    used = [(row["uid"], row["num_tokens"]) for row in rows(store, USES, Asked(), ["uid", "num_tokens"])]
    records = [record for part in list_parts(store) for record in read_records(store, part)]
    assert sorted(used) == sorted((f"{record.uid:016x}", record.num_tokens) for record in records)
    assert ask("reconcile", "--out", out).code == 0


@pytest.fixture
def river(tmp_path: Path) -> Iterator[Home]:
    with home(tmp_path / "out", {"CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "6"}) as made:
        made.river.start()
        yield made


def files(river: Home, table: str) -> set[str]:
    """Keys of all Parquet files, whether they count or not."""
    store = Resources(river.settings).store
    return {key for key in store.list(f"archive/{table}") if key.endswith(".parquet")}


@pytest.mark.soak
def test_a_file_that_was_not_announced_does_not_count(river: Home, tmp_path: Path) -> None:
    """Kill -9 between write and commit: the file lies there, and is none; the next try announces its own."""
    store = Resources(river.settings).store
    supervisor = river.stack.supervisor
    service = supervisor.children["archive_documents"]
    supervisor.stop(service)
    reading = river.river.ingest([str(write_jsonl(tmp_path / "made.jsonl", 200, seed=5, duplicates=0.2))])
    while not reading.over or not river.river.upstream_is_dry():
        time.sleep(0.1)
    river.river.flush("crash")
    river.river.flush_archive("crash")
    crash(service.program)
    for table in ("documents", "drops"):
        assert files(river, table)
        assert counting(store, table) == []
    more = write_jsonl(tmp_path / "more.jsonl", 60, seed=6, duplicates=0.2)
    for paths in ([], [str(more)]):  # and then from where the announcements say
        running = supervisor.start(service.program)
        river.settle([river.river.ingest(paths)] if paths else [])
        supervisor.stop(running)
    for table in ("documents", "drops"):
        assert files(river, table) == {file_key(name) for name in counting(store, table)}
    account = take_account(river.settings, topology())
    dropped = [int(row["uid"], 16) for row in rows(store, DROPS, Asked(), ["uid"])]
    assert sorted(dropped) == sorted(uid for uid, drops in account.rejected.items() for _ in drops)
    pooled = [int(row["uid"], 16) for row in rows(store, DOCUMENTS, Asked(), ["uid"])]
    assert len(pooled) == len(set(pooled))
    behind = {uid for uid, drops in account.rejected.items() if ("mixer", "superseded") in drops}
    assert set(pooled) == {uid for uid, _, _ in account.parts} | behind
    assert min(len(dropped), len(pooled)) > 20
    assert len(pooled) > 200
