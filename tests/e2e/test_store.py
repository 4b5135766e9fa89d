"""Parts outlive what is lost around them: the state folder, a kill in `--fresh`, another river beside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from services.local.forget import MARK
from services.local.stack import Stack
from tests.corpus import write_jsonl
from tests.e2e.commands import Done, corpusworks, run
from tests.s3_server import S3Server

FOLDERS = ("parts", "bodies", "vocabularies")


def parts_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in (folder / "parts").rglob("*") if p.is_file()}


def assert_whole(place: str | Path, documents: int, settings: Mapping[str, str] | None = None) -> None:
    """Every part is as it was sealed, and every document is there once."""
    verified = corpusworks("parts", "verify", place, settings=settings)
    assert verified.code == 0, verified.out + verified.err
    rows = corpusworks("parts", "decode", place, settings=settings).rows
    assert len(rows) == len({row["id"] for row in rows}) == documents


def assert_refused(done: Done, *told: str) -> None:
    assert done.code == 2, done.out + done.err
    assert "Traceback" not in done.err
    for part in told:
        assert part in done.err.replace("\n", " "), done.err


def test_a_state_folder_that_was_removed(tmp_path: Path) -> None:
    """The log, the index and all offsets are gone, the parts are not: refused, adopted, and gone on with."""
    out = tmp_path / "out"
    source = write_jsonl(tmp_path / "a.jsonl", 60, seed=3, duplicates=0)
    run(out, source)
    kept = len(corpusworks("parts", "decode", out).rows)
    shutil.rmtree(out / "state")
    before = parts_in(out)
    done = corpusworks("run", source, "--out", out)
    assert_refused(done, "another river", "--fresh", "corpusworks parts adopt")
    assert parts_in(out) == before
    adopted = corpusworks("parts", "adopt", "--out", out)
    assert adopted.code == 0, adopted.err
    assert {f"parts/{row['part']}.bin" for row in adopted.rows} == {k for k in before if k.endswith(".bin")}
    assert corpusworks("parts", "adopt", "--out", out).rows == []
    more = write_jsonl(tmp_path / "b.jsonl", 30, seed=4, duplicates=0)
    run(out, source, more)
    assert before.keys() <= parts_in(out).keys()
    assert all(parts_in(out)[key] == data for key, data in before.items() if key.endswith((".bin", ".idx")))
    rows = corpusworks("parts", "decode", out).rows
    assert len(rows) == len({row["id"] for row in rows}) > kept
    assert corpusworks("parts", "verify", out).code == 0
    reconciled = corpusworks("reconcile", "--out", out)
    assert reconciled.code == 0, reconciled.out + reconciled.err


def test_fresh_forgets_all_although_the_state_is_gone(tmp_path: Path) -> None:
    """Prevents the old parts of other lanes from staying beside the new ones."""
    out = tmp_path / "out"
    source = write_jsonl(tmp_path / "a.jsonl", 40, seed=5, duplicates=0)
    run(out, source)
    (out / "parts" / "notes.txt").write_text("not ours")
    documents = len(corpusworks("parts", "decode", out).rows)
    shutil.rmtree(out / "state")
    run(out, source, "--fresh")
    assert_whole(out, documents)
    assert (out / "parts" / "notes.txt").exists()
    # A kill in the middle: the mark is there, the lane that was removed first is not.
    (out / MARK).write_text(json.dumps({"store": out.absolute().as_uri()}))
    shutil.rmtree(out / "parts" / "lane-000")
    assert_refused(corpusworks("status", "--out", out), "is being forgotten")
    run(out, source)
    assert not (out / MARK).exists()
    assert_whole(out, documents)


def test_a_run_on_s3(tmp_path: Path, s3: S3Server) -> None:
    """Parts in the bucket, the state in the folder; another river there; --fresh; wrong settings."""
    out, other = tmp_path / "out", tmp_path / "other"
    url = f"{s3.bucket('run')}/corpus"
    bucket = s3.folder / "buckets" / "run" / "corpus"
    on_s3 = {**s3.environment, "CORPUSWORKS_STORE_URL": url}
    source = write_jsonl(tmp_path / "a.jsonl", 40, seed=6, duplicates=0)
    run(out, source, settings=on_s3)
    assert not any((out / name).exists() for name in FOLDERS)
    before = parts_in(bucket)
    documents = len(corpusworks("parts", "decode", url, settings=on_s3).rows)
    assert_whole(out, documents, s3.environment)  # the folder remembers where its parts are
    for command in (["status"], ["reconcile"], ["trace", "made-000001"]):
        assert corpusworks(*command, "--out", out, settings=s3.environment).code in {0, 1}
    assert corpusworks("reconcile", "--out", out, settings=s3.environment).code == 0

    done = corpusworks("run", source, "--out", other, settings=on_s3)
    assert_refused(done, url, "another river")
    assert parts_in(bucket) == before
    moved = {**s3.environment, "CORPUSWORKS_STORE_URL": f"{url}-elsewhere"}
    assert_refused(corpusworks("run", source, "--out", out, settings=moved), "has its parts in", url)
    for wrong, told in (
        ({"CORPUSWORKS_STORE_URL": "s3://no-such-bucket/x"}, "NoSuchBucket"),
        ({"AWS_SECRET_ACCESS_KEY": "guessed"}, "AWS_SECRET_ACCESS_KEY"),
        ({"CORPUSWORKS_STORE_URL": "s3//bucket"}, "object store"),
    ):
        done = corpusworks("run", source, "--out", tmp_path / "wrong", settings=on_s3 | wrong)
        assert_refused(done, told)
    away = corpusworks(
        "run", source, "--out", out, settings=on_s3 | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    )
    assert away.code == 3
    assert "does not answer" in away.err
    assert parts_in(bucket) == before

    (bucket / "parts" / "notes.txt").write_bytes(b"not ours")
    run(out, source, "--fresh", settings=on_s3)
    assert_whole(out, documents, s3.environment)
    assert not before.keys() & {key for key in parts_in(bucket) if key.endswith(".bin")}
    assert (bucket / "parts" / "notes.txt").exists()


def test_fresh_on_a_kafka_of_the_users_own_changes_nothing(tmp_path: Path) -> None:
    """Its topics are the user's to delete; what is in the folder stays until then."""
    out = tmp_path / "out"
    (out / "parts" / "lane-000").mkdir(parents=True)
    (out / "parts" / "lane-000" / "manifest.jsonl").write_bytes(b"")
    source = write_jsonl(tmp_path / "a.jsonl", 3, seed=7, duplicates=0)
    with Stack(tmp_path / "theirs") as theirs:
        settings = theirs.environment
        assert corpusworks("topics", settings=settings).code == 0
        done = corpusworks("run", source, "--out", out, "--fresh", settings=settings)
        assert_refused(done, "your own Kafka", "delete them")
    assert (out / "parts" / "lane-000" / "manifest.jsonl").exists()
