"""Input that cannot be read: one message for each, and nothing else is lost."""

from __future__ import annotations

import errno
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.ingest import SERVICE, FileReader, IngestConfig
from services.runtime import ConfigurationError, Recorded, Resources, Settings, configure
from tests.unit.ingest.reading import (
    documents,
    jsonl,
    only_error,
    reached,
    reads,
    texts,
    unreadable,
)


@pytest.mark.parametrize("name", ["a.jsonl", "a.pdf", "a.html", "a.parquet", "a.txt", "a.jsonl.gz"])
def test_an_empty_file_is_reported(tmp_path: Path, name: str) -> None:
    """Prevents a failed download from passing for a document."""
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    steps = reads(tmp_path)
    assert f"{name}: empty file" in only_error(steps)
    assert steps[-1].progress.complete
    assert steps[-1].progress.num_records == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"text": "a"', "line 3: not JSON: Expecting ',' delimiter at column 13"),
        (b"plain words", "line 3: not JSON: Expecting value at column 1"),
        (b'{"text": "\xff\xfe"}', "line 3: not UTF-8 at byte 11"),
        (b"\0" * 100, "line 3: not JSON"),
        (b'{"text": "a\0b"}', "line 3: not JSON: Invalid control character"),
        (b"[" * 100_000, "line 3: not JSON that can be read"),
        (b'{"n": ' + b"1" * 5000 + b"}", "line 3: not JSON that can be read"),
        (b"[1, 2]", "line 3: a record must be an object with a text, this is a list"),
        (b'{"txt": "a", "n": 1}', "line 3: no text: it has 'txt' (str), 'n' (int), none of text, content"),
        (b'{"text": ["a"]}', "line 3: no text: it has 'text' (list)"),
        (b"{}", "line 3: no text: it has no fields"),
    ],
)
def test_a_bad_line_costs_itself_alone(tmp_path: Path, line: bytes, said: str) -> None:
    """Prevents one bad line from hiding the rest of its file; the message says where and what."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "first"}\n \n' + line + b'\n{"text": "last"}')
    (step,) = reads(path)
    assert [d.body for d in step.documents] == [b"first", b"last"]
    assert [d.source[-2:] for d in step.documents] == ["#1", "#3"]
    (piece,) = step.unreadable
    assert said in piece.error
    assert str(path) in piece.error
    assert piece.source == path.as_uri() + "#2"
    assert piece.head == (line + b"\n")[: 64 << 10]
    assert step.progress.num_records == 3


def test_the_message_names_the_setting_that_maps_fields(tmp_path: Path) -> None:
    """Prevents a message whose advice does not work: the setting it names reads the very same file."""
    path = jsonl(tmp_path / "a.jsonl", [{"answer": "yes", "key": "k"}])
    steps = reads(path)
    setting = "CORPUSWORKS_UNITS__INGEST__TEXT_FIELDS"
    assert setting in only_error(steps)
    config = configure("ingest", IngestConfig, {"paths": str(path), "text_fields": "text, answer"})
    (_, step) = FileReader(config)(Recorded(reached(steps).values()))
    assert [d.body for d in step.documents] == [b"yes"]


@pytest.mark.parametrize("denied", ["a.txt", "folder"])
def test_what_may_not_be_read_is_reported_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, denied: str
) -> None:
    """Prevents a file or folder without permission from being lost, or from being taken for read later."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "folder" / "b.txt").write_text("b")
    real_open, real_scandir = open, os.scandir

    def refuse(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **more: Any) -> Any:
            if str(path).endswith(denied):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, *rest, **more)

        return call

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", refuse(real_open))
        patch.setattr("os.scandir", refuse(real_scandir))
        steps = reads(tmp_path)
    assert f"{denied}: " in only_error(steps)
    assert "Permission denied; grant access" in only_error(steps)
    assert len(documents(steps)) == 1
    later = reads(tmp_path, progress=reached(steps))
    assert len(documents(later)) == 1
    assert not unreadable(later)


def test_a_failing_disk_is_tried_again_from_the_same_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a read error from being taken for the end of the file."""
    path = jsonl(tmp_path / "a.jsonl", texts(5))
    real = json.loads

    def loads(text: str) -> Any:
        if "r4" in text:
            raise OSError(errno.EIO, "Input/output error")
        return real(text)

    with monkeypatch.context() as patch:
        patch.setattr("services.ingest.records.json.loads", loads)
        steps = reads(path)
    assert [d.id for d in documents(steps)] == ["r1", "r2", "r3"]
    assert "Input/output error" in only_error(steps)
    assert not steps[-1].progress.complete
    assert [d.id for d in documents(reads(path, progress=reached(steps)))] == ["r4", "r5"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "missing", "does not exist"),
        (lambda folder: "ftp://host/folder", "write s3://bucket/prefix"),
        (lambda folder: os.mkfifo(folder / "pipe") or folder / "pipe", "neither a file nor a folder"),
    ],
)
def test_a_path_that_is_not_there_stops_before_anything_starts(
    tmp_path: Path, make: Callable[[Path], Path | str], said: str
) -> None:
    """Prevents a typing error from passing for an empty folder."""
    config = IngestConfig(paths=(str(tmp_path), str(make(tmp_path))))
    with pytest.raises(ConfigurationError, match=said):
        SERVICE.build(config, Resources(Settings()))


@pytest.mark.parametrize(
    "values",
    [{}, {"paths": ()}, {"paths": ("",)}, {"paths": "x", "text_fields": ""}]
    + [{"paths": "x", name: 0} for name in ("max_document_bytes", "chunk_documents", "chunk_bytes")],
)
def test_wrong_settings_are_refused(values: dict[str, Any]) -> None:
    """Prevents a run that reads nothing, or never ends a chunk."""
    with pytest.raises(ConfigurationError, match="ingest"):
        configure("ingest", IngestConfig, values)


@pytest.mark.parametrize(
    "line",
    [
        r'{"text": "a", "id": "\ud800x"}',
        r'{"text": "a", "id": "a\u0000b", "url": "c\u0000d"}',
        r'{"text": "a", "media_type": "text/\udfff"}',
        r'{"text": "a", "media_type": "text/' + "x" * 10_000 + '"}',
        r'{"text": "a", "\ud800": "\udc00", "url": {"\udc00": "\ud800"}}',
        r'{"text": "\ud83d\ude00 \ud83d"}',
        '{"text": "a", "score": NaN, "n": -Infinity, "id": 1e999}',
        '{"text": "a", "score": 1e999999, "n": ' + "9" * 4000 + "}",
        '{"text": "a", "deep": ' + "[" * 900 + "]" * 900 + "}",
        '{"text": "a", "text": "b"}',
        '{"text": "a", "": ""}',
    ],
)
def test_odd_records_become_documents(tmp_path: Path, line: str) -> None:
    """Prevents what JSON allows, and Unicode, a double or a message does not, from ending the import."""
    (tmp_path / "a.jsonl").write_text(line + '\n{"text": "last"}\n')
    steps = reads(tmp_path)
    found = documents(steps)
    assert len(found) == 2
    for document in found:
        assert type(document).FromString(document.SerializeToString()) == document


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """Prevents a file or folder named in another charset from ending the import, or from being read twice."""
    folder = os.fsencode(tmp_path) + b"/\xb2\xe2\xca\xd4"
    os.mkdir(folder)
    for name, content in ((b"\xff.txt", b"text"), (b"\xfe.jsonl", b'{"a": 1}\n'), (b"\xfd.parquet", b"")):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(content)
    steps = reads(tmp_path)
    assert [d.body for d in documents(steps)] == [b"text"]
    assert len(unreadable(steps)) == 2
    for piece in unreadable(steps):
        piece.error.encode()
        piece.source.encode()
    assert reads(tmp_path, progress=reached(steps)) == []


def test_whatever_a_library_raises_costs_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents an exception that nobody foresaw from ending the import; what was read before it stands."""
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        jsonl(tmp_path / name, texts(5))
    real = FileReader._pieces

    def pieces(self: FileReader, found: Any, skip: int) -> Any:
        for number, piece in real(self, found, skip):
            if found.path.endswith("b.jsonl") and number == 4:
                raise KeyError("what is this")
            yield number, piece

    monkeypatch.setattr(FileReader, "_pieces", pieces)
    steps = reads(tmp_path)
    assert [d.id for d in documents(steps)] == [f"r{n}" for n in (1, 2, 3, 4, 5, 1, 2, 3, 1, 2, 3, 4, 5)]
    assert "b.jsonl: reading it fails at record 4: KeyError: 'what is this'" in only_error(steps)
    assert unreadable(steps)[0].source.endswith("b.jsonl#4")
    assert reads(tmp_path, progress=reached(steps)) == []


def test_want_of_memory_goes_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a file from being blamed for memory that others took: the runtime reads it afresh."""
    jsonl(tmp_path / "a.jsonl", texts(3))
    monkeypatch.setattr("services.ingest.records._decode", lambda _: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryError):
        reads(tmp_path)
