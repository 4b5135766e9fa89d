"""The lines of part-….jsonl."""

from __future__ import annotations

import json

import pytest

from contracts import PartRecord, Span
from services.sink import records

RECORD = PartRecord(
    id="笔记/七.md",
    uid=2**64 - 1,
    source="file:///a\n\u2028b",
    bucket="zh",
    category="books",
    language="zh",
    format="prose",
    rank=0.9,
    phase="stable",
    use=1,
    cluster=5,
    spans=[Span(start=0, end=2048), Span(start=4096, end=4100)],
    num_tokens=2052,
    position=PartRecord.Position(lane=3, offset=17),
    recipe="9f86d081884c7d65",
    tokenizer="6a6aed53fd4a",
)


def test_a_line_is_plain_json_with_the_promised_keys():
    """Readers in other languages take these names; 64-bit numbers would lose digits there."""
    assert json.loads(records.to_line(RECORD)) == {
        "id": "笔记/七.md",
        "uid": "ffffffffffffffff",
        "source": "file:///a\n\u2028b",
        "bucket": "zh",
        "category": "books",
        "language": "zh",
        "format": "prose",
        "rank": 0.9,
        "phase": "stable",
        "use": 1,
        "cluster": "0000000000000005",
        "spans": [[0, 2048], [4096, 4100]],
        "num_tokens": 2052,
        "lane": 3,
        "offset": 17,
        "recipe": "9f86d081884c7d65",
        "tokenizer": "6a6aed53fd4a",
    }


def test_what_the_input_said_of_the_origin_is_there_where_it_said_it():
    """Prevents a corpus whose licences nobody can tell any more."""
    told = PartRecord(url="https://example.org/潮", licence="CC0", title='"Tides"\n')
    told.MergeFrom(RECORD)
    plain = json.loads(records.to_line(told))
    assert plain == json.loads(records.to_line(RECORD)) | {
        "url": "https://example.org/潮",
        "licence": "CC0",
        "title": '"Tides"\n',
    }
    assert records.from_line(records.to_line(told)) == told


def test_a_line_of_an_older_part_is_read_for_ever():
    """As layout 2 wrote it, before recipe, url, licence, title and the vocabulary."""
    line = (
        '{"id":"笔记/七.md","uid":"ffffffffffffffff","source":"file:///a\\n\u2028b","bucket":"zh","category":"books",'
        '"language":"zh","format":"prose","rank":0.9,"phase":"stable","use":1,"cluster":"0000000000000005",'
        '"spans":[[0,2048],[4096,4100]],"num_tokens":2052,"lane":3,"offset":17}\n'
    ).encode()
    bare = PartRecord()
    bare.CopyFrom(RECORD)
    bare.ClearField("recipe")
    bare.ClearField("tokenizer")
    assert records.from_line(line) == bare


@pytest.mark.parametrize("record", [RECORD, PartRecord(), PartRecord(rank=0.0), PartRecord(rank=0.1)])
def test_a_line_is_one_line_and_reads_back(record):
    line = records.to_line(record)
    assert line.splitlines() == [line[:-1]]
    found = records.from_line(line)
    if not record.HasField("position"):
        found.ClearField("position")
    assert found == record


def test_a_line_from_before_recipes_were_named_reads_back():
    old = records.to_line(RECORD).replace(b',"recipe":"9f86d081884c7d65"', b"")
    assert records.from_line(old).recipe == ""


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"{}", b'"text"', b"\xff", b'{"lane": "x", "offset": 1}'])
def test_a_damaged_line_is_refused(line):
    with pytest.raises(ValueError, match="not a record of a part"):
        records.from_line(line)


def test_a_line_with_an_unknown_key_is_refused():
    with pytest.raises(ValueError, match="not a record of a part"):
        records.from_line(records.to_line(RECORD).replace(b'"use"', b'"uses"'))
