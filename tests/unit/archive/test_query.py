"""Questions to the archive, by the functions and by the commands."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from contracts import Flush
from services.archive.file import write
from services.archive.files import counting, file_key
from services.archive.query import Asked, Damaged, count, rows
from services.archive.tables import DOCUMENTS, DROPS
from services.cli.audit import app
from services.runtime import ConfigurationError, ObjectStore
from tests.unit.archive.rows import DAY_S, archived, document, lane, rejection


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Six drops of two days, and 30 documents of two buckets in several files."""
    store = ObjectStore(tmp_path.as_uri())
    store.put("parts/river.json", b"{}")
    drops = lane(store, "drops")
    drops.put(
        "docs.rejected",
        rejection(1, language="zh"),
        rejection(2, language="en", source="s3://pile/a_b/2.txt"),
        rejection(3, language="", source="s3://pile/aXb/3.txt"),
        rejection(4, "rules", "repetition", language="zh"),
    )
    drops.put("archive.flush", Flush())
    drops.run()
    drops.now += DAY_S
    drops.put("docs.rejected", rejection(5, "dedup", "near_duplicate"), rejection(6, "dedup", "exact"))
    drops.put("archive.flush", Flush())
    drops.run()
    documents = lane(store, seal_rows=4)
    for number in range(1, 31):
        bucket = "zh" if number % 3 else "en"
        documents.put(f"pool.{bucket}", document(number, bucket=bucket, language=bucket))
    documents.put("archive.flush", Flush())
    documents.run()
    return tmp_path


@pytest.fixture
def store(out: Path) -> ObjectStore:
    return ObjectStore(out.as_uri())


def ask(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def numbers(store: ObjectStore, **asked: object) -> list[int]:
    found = rows(store, DROPS, Asked(**asked), ["uid"])  # type: ignore[arg-type]
    return sorted(int(row["uid"], 16) >> 40 for row in found)


def test_counts_by_columns_of_the_file_and_by_the_day(store: ObjectStore) -> None:
    """Prevents a group that is missing, above all that of what is not known."""
    assert count(store, DROPS, Asked()) == [{"rows": 6}]
    assert count(store, DROPS, Asked(), ["unit", "reason"]) == [
        {"unit": "rules", "reason": "too_short", "rows": 3},
        {"unit": "dedup", "reason": "exact", "rows": 1},
        {"unit": "dedup", "reason": "near_duplicate", "rows": 1},
        {"unit": "rules", "reason": "repetition", "rows": 1},
    ]
    assert {row["language"]: row["rows"] for row in count(store, DROPS, Asked(), ["language"])} == {
        "zh": 4,
        "en": 1,
        None: 1,
    }
    assert [(row["unit"], row["rows"]) for row in count(store, DROPS, Asked(), ["unit", "day"])] == [
        ("rules", 4),
        ("dedup", 2),
    ]
    assert count(store, DOCUMENTS, Asked({"bucket": "en"})) == [{"rows": 10}]
    assert count(ObjectStore("memory:///"), DROPS, Asked(), ["unit"]) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"equal": {"unit": "rules", "language": "zh"}}, [1, 4]),
        ({"equal": {"reason": "nothing"}}, []),
        ({"source": "pile"}, [2, 3]),
        ({"source": "a_b"}, [2]),
        ({"source": "s3://*"}, [2, 3]),
        ({"source": "*/a_b/*"}, [2]),
        ({"source": "*/?.txt"}, [1, 2, 3, 4, 5, 6]),
        ({"source": "pile*"}, []),
        ({"source": "*%*"}, []),
        ({"source": "s3://pile/a?b/*", "equal": {"language": "en"}}, [2]),
    ],
)
def test_which_rows_are_asked_for(store: ObjectStore, asked: dict[str, object], found: list[int]) -> None:
    """Prevents a sign of SQL's in a path from being taken for a pattern, and a part from being the whole."""
    assert numbers(store, **asked) == found


def test_a_text_is_found_by_its_uid(store: ObjectStore) -> None:
    """Prevents a text of another document, and a look that reads every text."""
    wanted = document(17)
    (row,) = rows(store, DOCUMENTS, Asked({"uid": f"{wanted.uid:016x}"}), ["id", "text"])
    assert row == {"id": wanted.id, "text": wanted.text}


def test_the_row_groups_of_a_file_part_the_uids_among_them(store: ObjectStore) -> None:
    """Prevents a look-up by uid from having to read a whole file."""
    some = archived(store, "documents", *DOCUMENTS.columns)
    many = [dict(row, text="x" * 1_000_000) for row in some]
    file = pq.ParquetFile(io.BytesIO(write(many, DOCUMENTS, {}).data))
    assert file.num_row_groups >= 3
    place = file.schema_arrow.names.index("uid")
    ranges = [file.metadata.row_group(n).column(place).statistics for n in range(file.num_row_groups)]
    assert all(one.max < next_.min for one, next_ in pairwise(ranges))
    assert write(many[::-1], DOCUMENTS, {}) == write(many, DOCUMENTS, {})


def test_what_is_not_there_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    """Prevents a typing error from reading as `0 rows`."""
    with pytest.raises(ConfigurationError, match="documents have no reason"):
        count(store, DOCUMENTS, Asked({"reason": "too_short"}))
    for wrong in ("text", "raeson", "score"):
        with pytest.raises(ConfigurationError, match=f"no groups by {wrong}; there are: day, uid"):
            count(store, DROPS, Asked(), [wrong])
    assert isinstance(ask("count", tmp_path, "--table", "usage").exception, ConfigurationError)
    for wrong in (["--source", "x"], ["--with-text"]):
        refused = ask("list", tmp_path, "--table", "uses", *wrong)
        assert isinstance(refused.exception, ConfigurationError)
        assert "uses have no" in str(refused.exception)
    assert isinstance(ask("count", tmp_path / "nowhere").exception, ConfigurationError)
    assert ask("list", tmp_path, "--limit", "-1").exit_code == 2


@pytest.mark.parametrize("damage", ["cut", "emptied", "overwritten"])
def test_a_damaged_file_is_named(store: ObjectStore, out: Path, damage: str) -> None:
    """Prevents a stack trace, and rows that are passed over in silence."""
    key = file_key(counting(store, "drops")[0])
    data = store.get(key)
    store.put(key, {"cut": data[: len(data) // 2], "emptied": b"", "overwritten": b"no parquet" * 99}[damage])
    with pytest.raises(Damaged, match=key):
        count(store, DROPS, Asked(), ["unit"])
    found = ask("count", out)
    assert found.exit_code == 1
    assert key in found.stderr


def test_the_commands_print_for_people_and_for_programs(store: ObjectStore, out: Path) -> None:
    """Prevents output that no script can read."""
    counted = ask("count", out, "--by", "reason, language", "--unit", "rules", "--json")
    assert json.loads(counted.stdout.splitlines()[0]) == {
        "reason": "repetition",
        "language": "zh",
        "rows": 1,
    }
    assert len(counted.stdout.splitlines()) == 4
    assert len(ask("count", out, "--by", "reason", "--limit", 2, "--json").stdout.splitlines()) == 2
    listed = ask("list", out, "--reason", "near_duplicate", "--with-text", "--csv")
    (row,) = csv.DictReader(io.StringIO(listed.stdout))
    assert row["text"] == rejection(5).document.text
    assert row["unit"] == "dedup"
    assert "near_duplicate" in ask("count", out, "--by", "reason").stdout
    assert f"{document(5).uid:016x}" in ask("list", out, "--unit", "dedup").stdout
    assert len(ask("list", out, "--table", "documents", "--json", "--limit", 0).stdout.splitlines()) == 30
    assert len(ask("list", out, "--table", "documents", "--json").stdout.splitlines()) == 20
    found = ask("list", out, "--table", "documents", "--json", "--uid", f"{document(9).uid:016X}").stdout
    assert json.loads(found)["id"] == "文/9"
    paths = [Path(line) for line in ask("files", out, "--table", "documents").stdout.splitlines()]
    assert sum(pq.read_metadata(path).num_rows for path in paths) == 30
    # As Spark reads a folder: the day is a column, and what begins with an underscore is passed over.
    whole = pq.read_table(out / "archive" / "drops")
    assert whole.num_rows == 6
    assert len(set(whole["day"].to_pylist())) == 2
