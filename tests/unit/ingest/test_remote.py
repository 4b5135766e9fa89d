"""Files of a hub and of the web, from a server on loopback."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts import IngestProgress
from services.ingest import FileReader, IngestConfig
from services.ingest.remote import Unreachable, place_of
from services.runtime import ConfigurationError, Read, Recorded
from tests.hub_server import HubServer
from tests.unit.ingest.reading import documents, reached, reads, texts, unreadable

REPO = "owner/corpus"


def lines(count: int, first: int = 1) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in texts(first + count - 1)[first - 1 :]).encode()


def parquet(count: int) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(texts(count)), file, row_group_size=50)
    return file.getvalue()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    files = {
        ".gitattributes": b"*.parquet filter=lfs",
        "README.md": b"# A card, and no document",
        "data/a.jsonl.gz": gzip.compress(lines(300)),
        "data/b.parquet": parquet(200),
        "data/deep/c.jsonl": lines(5),
        "data/d e.jsonl": lines(7),
    }
    with HubServer({REPO: files}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url + "/")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield server


def names(url: str) -> list[str]:
    config = IngestConfig(paths=(url,))
    return [file.path for file in place_of(url, config).files()]


def test_a_dataset_is_read_as_a_folder_is(hub: HubServer, tmp_path: Path) -> None:
    """Prevents a record that is lost at the end of a page, a block or a redirect; the card is no document."""
    steps = reads(f"hf://datasets/{REPO}")
    assert not unreadable(steps)
    for name, data in hub.datasets[REPO].items():
        if name.startswith("data"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
    here = documents(reads(tmp_path))
    assert sorted(d.body for d in documents(steps)) == sorted(d.body for d in here)
    assert len(here) == 512
    assert {d.source.partition("#")[0] for d in documents(steps)} == {
        f"hf://datasets/{REPO}/data/{name}"
        for name in ("a.jsonl.gz", "b.parquet", "deep/c.jsonl", "d%20e.jsonl")
    }


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/data/deep", ["data/deep/c.jsonl"]),
        ("/data/d e.jsonl", ["data/d e.jsonl"]),
        ("/data/*.jsonl*", ["data/a.jsonl.gz", "data/d e.jsonl"]),
        ("/**/*.jsonl", ["data/d e.jsonl", "data/deep/c.jsonl"]),
        ("@main/data/b.parquet", ["data/b.parquet"]),
        ("/README.md", ["README.md"]),
    ],
)
def test_a_path_chooses_files(hub: HubServer, path: str, found: list[str]) -> None:
    assert names(f"hf://datasets/{REPO}{path}") == found


def test_what_was_read_is_not_read_again(hub: HubServer) -> None:
    """Prevents a new commit elsewhere in the dataset from making all its files new."""
    url = f"hf://datasets/{REPO}"
    before = reached(reads(url))
    assert reads(url, progress=before) == []
    hub.datasets[REPO]["data/deep/c.jsonl"] = lines(6)
    again = reads(url, progress=before)
    assert {step.progress.source for step in again} == {f"{url}/data/deep/c.jsonl"}


def test_reading_goes_on_at_the_record(hub: HubServer) -> None:
    url = f"hf://datasets/{REPO}/data/a.jsonl.gz"
    (fingerprint,) = {step.progress.fingerprint for step in reads(url)}
    before = IngestProgress(source=url, fingerprint=fingerprint, num_records=250)
    assert [d.id for d in documents(reads(url, progress={url: before}))] == [f"r{n}" for n in range(251, 301)]


def test_a_cut_download_goes_on_where_it_was(hub: HubServer) -> None:
    """Prevents bytes that are lost, or all of them being fetched again, when a connection ends early."""
    data = gzip.compress(random.Random(3).randbytes(200_000).hex().encode(), 1)
    hub.datasets[REPO] = {"long.txt.gz": data}
    hub.cut_bytes = 30_000
    (document,) = documents(reads(f"hf://datasets/{REPO}"))
    assert document.body == gzip.decompress(data)
    assert hub.sent["long.txt.gz"] <= len(data) + 2 * 30_000


def test_a_busy_server_is_asked_again(hub: HubServer) -> None:
    hub.busy = 1
    assert len(documents(reads(f"hf://datasets/{REPO}/data/deep"))) == 5


def test_a_parquet_file_is_read_by_its_columns(hub: HubServer) -> None:
    """Prevents a column that no document needs, or the whole file, from being fetched for a footer."""
    file = io.BytesIO()
    rows = [{"text": f"text {n}", "vector": random.Random(n).randbytes(20_000)} for n in range(150)]
    schema = pa.schema([("text", pa.string()), ("vector", pa.list_(pa.uint8()))])
    pq.write_table(pa.Table.from_pylist(rows, schema), file, compression="none", use_dictionary=False)
    hub.datasets[REPO] = {"a.parquet": file.getvalue()}
    assert len(documents(reads(f"hf://datasets/{REPO}"))) == 150
    assert hub.sent["a.parquet"] < len(file.getvalue()) / 2


def test_one_file_of_the_web(hub: HubServer) -> None:
    """Prevents what is secret in an address from getting into documents."""
    url = f"{hub.url}/file/{REPO}/data/a.jsonl.gz"
    found = documents(reads(url + "?key=secret"))
    assert len(found) == 300
    assert found[0].source == f"{url}#1"
    hub.datasets[REPO]["empty.txt"] = b""
    assert "empty file" in unreadable(reads(f"{hub.url}/file/{REPO}/empty.txt"))[0].error


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("hf://datasets/owner/missing", "has no dataset owner/missing at revision main"),
        (f"hf://datasets/{REPO}@v9", f"has no dataset {REPO} at revision v9"),
        (f"hf://datasets/{REPO}/nothing/here", "no files under 'nothing/here'"),
        (f"hf://datasets/{REPO}/data/*.csv", "no files under 'data/*.csv'"),
        ("hf://models/owner/name", "write hf://datasets/owner/name"),
        ("hf://datasets/owner", "write hf://datasets/owner/name"),
        ("ftp://host/file", "write s3://bucket/prefix"),
    ],
)
def test_what_is_not_there_is_one_clear_line(hub: HubServer, url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)) as raised:
        reads(url)
    assert "\n" not in str(raised.value)


def test_a_gated_dataset_says_what_to_set(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "hf_secret"
    url = f"hf://datasets/{REPO}/data/deep"
    with pytest.raises(ConfigurationError, match=r"HTTP 401.*set HF_TOKEN"):
        reads(url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert len(documents(reads(url))) == 5


@pytest.mark.parametrize("path", ["missing.jsonl", "data/a.jsonl.gz"])
def test_an_address_that_gives_nothing(hub: HubServer, path: str) -> None:
    hub.ranges = False
    said = "HTTP 404" if path == "missing.jsonl" else "does not answer byte ranges"
    with pytest.raises(ConfigurationError, match=said):
        reads(f"{hub.url}/file/{REPO}/{path}")


def test_no_network_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents an import that hangs, or one that takes a server that is away for an empty dataset."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for url in (f"hf://datasets/{REPO}", "http://127.0.0.1:9/a.jsonl"):
        with pytest.raises(Unreachable, match=r"127.0.0.1:9.* cannot be read: .*refused.*goes on from there"):
            reads(url, patience_s=0.3)


def test_a_server_that_goes_away_loses_nothing(hub: HubServer) -> None:
    """Prevents the file at hand from being blamed, or taken for read."""
    hub.datasets[REPO] = {"a.jsonl": lines(20_000), "b.jsonl": lines(3)}
    url = f"hf://datasets/{REPO}"
    config = IngestConfig(paths=(url,), chunk_documents=50, patience_s=0.3)
    steps: list[Read] = []

    def read() -> None:
        for step in FileReader(config)(Recorded()):
            if isinstance(step, Read):
                steps.append(step)
                hub.busy = 1_000_000

    with pytest.raises(Unreachable):
        read()
    assert 0 < len(documents(steps)) < 20_000
    assert not unreadable(steps)
    hub.busy = 0
    rest = reads(url, progress=reached(steps))
    found = documents(steps) + documents(rest)
    assert [d.id for d in found] == [f"r{n}" for n in [*range(1, 20_001), 1, 2, 3]]


def test_a_file_that_goes_while_it_is_read_costs_itself_alone(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.datasets[REPO] = {"a.jsonl": lines(20_000), "b.jsonl": lines(3)}
    url = f"hf://datasets/{REPO}"
    steps: list[Read] = []
    commit = hub.commit(REPO)
    for step in FileReader(IngestConfig(paths=(url,), chunk_documents=50))(Recorded()):
        if isinstance(step, Read):
            steps.append(step)
            if "a.jsonl" in hub.datasets[REPO]:
                monkeypatch.setattr(hub, "commit", lambda repo: commit)
                del hub.datasets[REPO]["a.jsonl"]
    (piece,) = unreadable(steps)
    assert "a.jsonl: cannot be read" in piece.error
    assert not reached(steps)[f"{url}/a.jsonl"].complete
    assert documents(steps)[-1].id == "r3"
