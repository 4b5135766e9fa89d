"""Documents out of a bucket of S3, from a real server."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from contracts import IngestProgress
from services.ingest.remote import Unreachable
from services.runtime import ConfigurationError
from tests.s3_server import KEY, SECRET, S3Server
from tests.unit.ingest.reading import documents, jsonl, reached, reads, texts

FILES = ("a.jsonl", "deep/b c.jsonl", "deep/d.jsonl.gz", "deeper/e.jsonl")


@pytest.fixture
def bucket(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of 4 files with 3 records each; the URL of their prefix."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    records = jsonl(tmp_path / "records.jsonl", texts(3)).read_bytes()
    url = f"{s3.bucket('documents')}/{tmp_path.name}"
    for name in FILES:
        s3.put("documents", f"{tmp_path.name}/{name}", gzip.compress(records) if "gz" in name else records)
    s3.put("documents", f"{tmp_path.name}2/f.jsonl", records)
    return url


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("", FILES),
        ("/deep", FILES[1:3]),
        ("/deep/", FILES[1:3]),
        ("/a.jsonl", FILES[:1]),
        ("/deep/b%20c.jsonl", FILES[1:2]),
        ("/*.jsonl", FILES[:1]),
        ("/**/*.jsonl", (FILES[0], FILES[1], FILES[3])),
        ("/d*/[de].*", FILES[2:]),
    ],
)
def test_a_url_chooses_objects(bucket: str, path: str, files: tuple[str, ...]) -> None:
    """Prevents an object of a neighbour whose name begins alike, or none at all."""
    found = documents(reads(bucket + path))
    names = {d.source.partition("#")[0].removeprefix(bucket + "/").replace("%20", " ") for d in found}
    assert names == set(files)
    assert len(found) == 3 * len(files)


def test_reading_goes_on_and_does_not_start_again(bucket: str, s3: S3Server) -> None:
    steps = reads(bucket)
    before = reached(steps)
    assert reads(bucket, progress=before) == []
    source = f"{bucket}/a.jsonl"
    stopped = IngestProgress(source=source, fingerprint=before[source].fingerprint, num_records=1)
    assert [d.id for d in documents(reads(bucket, progress=before | {source: stopped}))] == ["r2", "r3"]
    name, _, key = source.removeprefix("s3://").partition("/")
    s3.put(name, key, b'{"id": "new", "text": "another"}\n')
    assert [d.id for d in documents(reads(bucket, progress=before))] == ["new"]


@pytest.mark.parametrize(
    ("url", "environment", "said"),
    [
        ("s3://no-such-bucket/x", {}, "NoSuchBucket.*; look at the bucket's name in the URL"),
        ("{}/no-such-key", {}, "no objects under '.*no-such-key'; look at the key's prefix"),
        ("{}/*.csv", {}, "no objects under"),
        ("{}", {"AWS_ACCESS_KEY_ID": "nobody"}, "look at AWS_ACCESS_KEY_ID"),
        ("{}", {"AWS_SECRET_ACCESS_KEY": "guessed"}, "look at AWS_ACCESS_KEY_ID"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    bucket: str, monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], said: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=said) as raised:
        reads(url.format(bucket))
    assert "\n" not in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_server_that_is_away_is_one_clear_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match="the same command goes on from there"):
        reads(bucket, patience_s=1.0)


def test_documents_may_lie_with_somebody_else(
    bucket: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents the keys of the river's store from being the only ones."""
    for name in s3.environment:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-store")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-store")
    keys = {"s3_access_key_id": KEY, "s3_secret_access_key": SECRET, "s3_endpoint": s3.endpoint}
    assert len(documents(reads(bucket, s3_region="us-east-1", **keys))) == 12
