"""`archive compact` and what is asked afterwards, as a person does it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts import Flush
from services.archive.files import counting, days, file_key
from services.cli import archive, ask, audit
from services.runtime import ConfigurationError, ObjectStore
from services.sink.parts import list_parts
from tests.unit.archive.made import made_documents, name_of, uid_of
from tests.unit.archive.rows import lane
from tests.unit.sink.packed import pack

OVER, TODAY = "2026-01-02", datetime.now(UTC).strftime("%Y-%m-%d")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """Documents of a day that is over and of this one, and uses of a day long ago; no server, no state."""
    made = ObjectStore(tmp_path.as_uri())
    pack(made, [[5, 40], [16]])
    uses = lane(made, "uses", seal_rows=1)
    uses.put("shards.sealed", *list_parts(made))
    uses.put("archive.uses.flush", Flush())
    uses.run()
    made_documents(made, range(300), 100, OVER)
    made_documents(made, range(300, 400), 50, TODAY)
    return made


def compact(place: object, *arguments: object) -> Result:
    return CliRunner().invoke(archive.app, ["compact", str(place), *map(str, arguments)])


def test_days_that_are_over_are_compacted(store: ObjectStore, tmp_path: Path) -> None:
    """Prevents a command that does another table's, or all, or nothing, and says something else."""
    done = compact(tmp_path, "--grace-s", 0)
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told == [
        {"table": "documents", "day": OVER, "files": 3, "into": 1, "rows": 300},
        {"table": "uses", "day": days(store, "uses")[0], "files": 2, "into": 1, "rows": 3},
    ]
    assert len(counting(store, "documents")) == 3
    assert compact(tmp_path, "--grace-s", 0).stdout == ""
    (line,) = compact(tmp_path, "--grace-s", 0, "--today").stdout.splitlines()
    assert json.loads(line)["day"] == TODAY
    counted = CliRunner().invoke(audit.app, ["count", str(tmp_path), "--table", "documents", "--json"])
    assert json.loads(counted.stdout) == {"rows": 400}
    listed = CliRunner().invoke(audit.app, ["list", str(tmp_path), "--table", "uses", "--json"])
    assert [row["id"] for row in map(json.loads, listed.stdout.splitlines())] == ["d1", "d2", "d3"]
    keys = {key for table in ("documents", "uses") for key in store.list(f"archive/{table}")}
    held = {file_key(name) for table in ("documents", "uses") for name in counting(store, table)}
    assert {key for key in keys if key.endswith(".parquet")} == held


def test_a_document_is_traced_without_a_server(store: ObjectStore, tmp_path: Path) -> None:
    """Prevents servers that are started for what the archive knows."""
    compact(tmp_path, "--grace-s", 0)
    for wanted in (name_of(7), uid_of(7), name_of(350)):
        done = CliRunner().invoke(ask.app, ["trace", wanted, "--out", str(tmp_path)])
        assert done.exit_code == 0, done.output
        (line,) = done.stdout.splitlines()
        row = json.loads(line)
        assert (row["topic"], row["bucket"], row["num_tokens"]) == ("pool.zh", "zh", 5)
    done = CliRunner().invoke(ask.app, ["trace", "d2", "--out", str(tmp_path)])
    row = json.loads(done.stdout)
    assert (row["topic"], row["part"], row["use"]) == ("shards.sealed", list_parts(store)[0].name, 1)
    assert "nothing runs here" in done.stderr


def test_what_cannot_be_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    """Prevents a traceback, and a folder that is made by looking for it."""
    assert isinstance(compact(tmp_path / "nowhere").exception, ConfigurationError)
    assert not (tmp_path / "nowhere").exists()
    assert compact(tmp_path, "--file-mb", 0).exit_code == 2
    assert compact(tmp_path, "--grace-s", -1).exit_code == 2
    key = file_key(counting(store, "documents", OVER)[1])
    store.put(key, b"no parquet")
    broken = compact(tmp_path, "--grace-s", 0)
    assert broken.exit_code == 1
    assert key in broken.stderr
    assert len(counting(store, "documents", OVER)) == 3
    unknown = CliRunner().invoke(ask.app, ["trace", name_of(7), "--out", str(tmp_path / "nowhere")])
    assert isinstance(unknown.exception, ConfigurationError)
