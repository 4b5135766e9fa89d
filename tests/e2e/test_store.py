"""Parts outlive what is lost around them: a kill in `--fresh`, another river beside; a store that is none.

What outlives the state folder is in test_run.py, beside the run that it takes; S3 is in test_archive.py.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from services.local.forget import MARK
from services.local.stack import Stack
from tests.corpus import write_jsonl
from tests.e2e.commands import ask, corpusworks, run
from tests.e2e.stored import assert_refused, assert_whole, parts_in
from tests.s3_server import S3Server

pytestmark = pytest.mark.timeout(600)


@pytest.mark.soak
def test_fresh_forgets_all_although_the_state_is_gone(tmp_path: Path) -> None:
    """Prevents the old parts of other lanes from staying beside the new ones."""
    out = tmp_path / "out"
    source = write_jsonl(tmp_path / "a.jsonl", 40, seed=5, duplicates=0)
    run(out, source)
    (out / "parts" / "notes.txt").write_text("not ours")
    whole = len(ask("parts", "decode", out).rows)
    shutil.rmtree(out / "state")
    run(out, source, "--fresh")
    assert_whole(out, whole)
    assert (out / "parts" / "notes.txt").exists()
    # A kill in the middle: the mark is there, the lane that was removed first is not.
    (out / MARK).write_text(json.dumps({"store": out.absolute().as_uri()}))
    shutil.rmtree(out / "parts" / "lane-000")
    assert_refused(ask("status", "--out", out), "is being forgotten")
    run(out, source)
    assert not (out / MARK).exists()
    assert_whole(out, whole)


@pytest.mark.soak
def test_fresh_on_s3(tmp_path: Path, s3: S3Server) -> None:
    """It finds the bucket by what the folder remembers, and removes what is the river's alone."""
    out, url = tmp_path / "out", f"{s3.bucket('fresh')}/corpus"
    bucket = s3.folder / "buckets" / "fresh" / "corpus"
    source = write_jsonl(tmp_path / "a.jsonl", 40, seed=6, duplicates=0)
    run(out, source, settings={**s3.environment, "CORPUSWORKS_STORE_URL": url})
    before = parts_in(bucket)
    whole = len(ask("parts", "decode", url, settings=s3.environment).rows)
    assert ask("reconcile", "--out", out, settings=s3.environment).code == 0
    s3.put("fresh", "corpus/parts/notes.txt", b"not ours")
    run(out, source, "--fresh", settings=s3.environment)
    assert_whole(out, whole, s3.environment)
    assert not before.keys() & {key for key in parts_in(bucket) if key.endswith(".bin")}
    assert (bucket / "parts" / "notes.txt").exists()


def test_a_store_that_cannot_be_used(tmp_path: Path, s3: S3Server) -> None:
    """Before anything is started: a wrong setting with 2, a server that is away with 3."""
    source = write_jsonl(tmp_path / "a.jsonl", 3, seed=8, duplicates=0)
    on_s3 = {**s3.environment, "CORPUSWORKS_STORE_URL": s3.bucket("unused"), "CORPUSWORKS_STORE_RETRY_S": "1"}
    for wrong, told in (
        ({"CORPUSWORKS_STORE_URL": "s3://no-such-bucket/x"}, "NoSuchBucket"),
        ({"AWS_SECRET_ACCESS_KEY": "guessed"}, "AWS_SECRET_ACCESS_KEY"),
        ({"CORPUSWORKS_STORE_URL": "s3//bucket"}, "object store"),
    ):
        done = ask("run", source, "--out", tmp_path / "out", settings=on_s3 | wrong)
        assert_refused(done, told)
    away = on_s3 | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    done = ask("run", source, "--out", tmp_path / "out", settings=away)
    assert done.code == 3
    assert "does not answer" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.soak
def test_two_rivers_in_one_bucket(tmp_path: Path, s3: S3Server) -> None:
    """The second touches nothing, though the first has not sealed anything yet."""
    url = s3.bucket("two")
    claimed = b'{"shards.sealed": "of-another-kafka"}\n'
    s3.put("two", "parts/river.json", claimed)
    source = write_jsonl(tmp_path / "a.jsonl", 20, seed=9, duplicates=0)
    settings = {**s3.environment, "CORPUSWORKS_STORE_URL": url}
    done = corpusworks("run", source, "--out", tmp_path / "out", settings=settings)
    assert_refused(done, url, "another river", "of-another-kafka", "Nothing was changed")
    assert parts_in(s3.folder / "buckets" / "two") == {"parts/river.json": claimed}


@pytest.mark.soak
def test_fresh_on_a_kafka_of_the_users_own_changes_nothing(tmp_path: Path) -> None:
    """Its topics are the user's to delete; what is in the folder stays until then."""
    out = tmp_path / "out"
    (out / "parts" / "lane-000").mkdir(parents=True)
    (out / "parts" / "lane-000" / "manifest.jsonl").write_bytes(b"")
    source = write_jsonl(tmp_path / "a.jsonl", 3, seed=7, duplicates=0)
    with Stack(tmp_path / "theirs") as theirs:
        settings = theirs.environment
        assert ask("topics", settings=settings).code == 0
        done = corpusworks("run", source, "--out", out, "--fresh", settings=settings)
        assert_refused(done, "your own Kafka", "delete them")
    assert (out / "parts" / "lane-000" / "manifest.jsonl").exists()
