"""Layouts of public datasets, from records made like theirs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.ingest import IngestConfig
from services.ingest.presets import PRESETS
from tests.unit.ingest.reading import documents, jsonl, reads, unreadable

URL, TEXT, ZH = "https://made.example/page", "A text about tides.", "关于潮汐的文字。"
# preset, file name, record as the dataset has it, and what is kept of it.
LAYOUTS: list[tuple[str, str, dict[str, Any], dict[str, str]]] = [
    (
        "fineweb",
        "000_00000.parquet",
        {"text": TEXT, "id": "<urn:uuid:1>", "dump": "CC-MAIN-2026-01", "url": URL,
         "date": "2026-01-02T03:04:05Z", "file_path": "s3://commoncrawl/x.warc.gz", "language": "en",
         "language_score": 0.97, "token_count": 5},
        {"url": URL, "date": "2026-01-02T03:04:05Z", "language": "en", "licence": "ODC-By-1.0"},
    ),
    (
        "skypile",
        "SkyPile-150B-2020-40_zh_head_0000.jsonl",
        {"text": ZH},
        {"language": "zh", "licence": "Skywork Community License"},
    ),
    (
        "c4",
        "c4-train.00000-of-01024.json.gz",
        {"text": TEXT, "timestamp": "2019-04-25T12:57:54Z", "url": URL},
        {"url": URL, "date": "2019-04-25T12:57:54Z", "licence": "ODC-By-1.0"},
    ),
    (
        "pile",
        "00.jsonl.zst",
        {"text": TEXT, "meta": {"pile_set_name": "Wikipedia (en)"}},
        {"meta.pile_set_name": "Wikipedia (en)", "licence": "of its component"},
    ),
    (
        "redpajama",
        "arxiv_0.jsonl",
        {"text": TEXT, "meta": {"timestamp": "2023-02-28T00:00:00", "yymm": "2302", "url": URL,
                                "language": "en", "source": "arxiv"}},
        {"url": URL, "date": "2023-02-28T00:00:00", "language": "en", "licence": "of its subset"},
    ),
    (
        "redpajama",
        "part.parquet",
        {"text": TEXT, "meta": json.dumps({"url": URL, "timestamp": "2023"}), "red_pajama_subset": "c4"},
        {"url": URL, "date": "2023", "licence": "of its subset"},
    ),
    (
        "redpajama2",
        "en_head.json.gz",
        {"url": URL, "date_download": "2023-01-31T20:02:05Z", "digest": "sha1:X", "length": 19, "nlines": 1,
         "source_domain": "made.example", "title": "Tides", "raw_content": TEXT, "cc_segment": "crawl-data/x",
         "language": "en", "language_score": 0.96, "perplexity": 214.9, "bucket": "head"},
        {"url": URL, "title": "Tides", "date": "2023-01-31T20:02:05Z", "language": "en",
         "licence": "Common Crawl Terms of Use"},
    ),
    (
        "wudao",
        "part-202101281a.json",
        {"id": 1, "uniqueKey": "8f6", "titleUkey": "8f6", "dataType": "科技", "title": "潮汐", "content": ZH},
        {"title": "潮汐", "language": "zh", "licence": "unknown", "dataType": "科技"},
    ),
    (
        "wukong",
        "wukong_100m_0.csv",
        {"url": URL, "caption": ZH},
        {"url": URL, "language": "zh", "licence": "CC-BY-NC-SA-4.0"},
    ),
]  # fmt: skip


def written(path: Path, records: list[dict[str, Any]]) -> Path:
    import gzip

    import zstandard

    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(records[0]))
            table.writeheader()
            table.writerows(records)
    elif path.name.startswith("part-2021"):
        path.write_text(json.dumps(records, ensure_ascii=False))
    else:
        plain = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
        pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
        path.write_bytes(pack(plain))
    return path


@pytest.mark.parametrize(
    ("name", "file", "record", "kept"), LAYOUTS, ids=[f"{n}-{f}" for n, f, _, _ in LAYOUTS]
)
def test_a_layout_is_recognised(
    tmp_path: Path, name: str, file: str, record: dict[str, Any], kept: dict[str, str]
) -> None:
    """Prevents a public dataset whose licence, address or date is lost on the way in."""
    steps = reads(written(tmp_path / file, [record, record]).parent)
    assert not unreadable(steps)
    one, two = documents(steps)
    assert one.body.decode() in (TEXT, ZH)
    assert kept.items() <= dict(one.metadata).items()
    assert one.metadata["dataset"] == name
    assert one.uid == two.uid
    (forced, _) = documents(reads(tmp_path, preset=name))
    assert forced == one


def test_every_preset_was_tried() -> None:
    assert {name for name, *_ in LAYOUTS} == set(PRESETS)
    for preset in PRESETS.values():
        assert preset.source.startswith("https://")
        assert preset.licence


def test_the_record_s_own_licence_counts(tmp_path: Path) -> None:
    record = {"text": TEXT, "meta": {"pile_set_name": "PubMed Central", "license": "CC-BY"}}
    (document,) = documents(reads(jsonl(tmp_path / "a.jsonl", [record])))
    assert document.metadata["meta.license"] == "CC-BY"
    assert "licence" not in document.metadata


@pytest.mark.parametrize(
    "record", [{"text": TEXT}, {"text": TEXT, "timestamp": "2026", "url": URL}, {"text": TEXT, "url": URL}]
)
def test_nobody_s_text_gets_a_licence(tmp_path: Path, record: dict[str, str]) -> None:
    """Prevents a licence that nobody gave, where the columns are such as anybody has."""
    (document,) = documents(reads(jsonl(tmp_path / "mine.jsonl", [record])))
    assert not {"licence", "dataset"} & set(document.metadata)


def test_a_table_is_no_text(tmp_path: Path) -> None:
    """Prevents other CSV files from being read, and one damaged row from costing the rest."""
    (tmp_path / "prices.csv").write_text("name,price\ntea,3\n")
    assert documents(reads(tmp_path)) == []
    path = tmp_path / "wukong.csv"
    path.write_text(f'url,caption\n{URL},"two\nlines"\n{URL}\n{URL},last\n')
    steps = reads(path)
    assert [d.body for d in documents(steps)] == [b"two\nlines", b"last"]
    assert "row 2: 1 fields, not 2" in unreadable(steps)[0].error


def test_a_preset_that_is_none_of_ours() -> None:
    with pytest.raises(ValueError, match="preset must be one of c4, fineweb, pile"):
        IngestConfig(paths=("a",), preset="commoncrawl")
