"""Which files are read, and what they are taken for."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from contracts import media_types
from services.ingest import kinds
from tests.documents import pdf
from tests.unit.ingest.reading import (
    documents,
    only_error,
    reached,
    reads,
    skipped,
    unreadable,
)
from tests.unit.parse.zip_maker import make_docx, make_epub, make_pptx

SAMPLES = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.html", b"<p>fragment", "text/html"),
        ("a.pdf", pdf("hello"), "application/pdf"),
        ("a.txt", b"plain", "text/plain"),
        ("a.tex", b"\\section{x}", "text/x-tex"),
        ("A.PY", b"x = 1", "text/x-python"),
        ("Makefile", b"all:", "text/x-makefile"),
        ("README", b"read me", "text/plain"),
        ("a.docx", make_docx(""), media_types.DOCX),
        ("a.pptx", make_pptx([""], ""), media_types.PPTX),
        ("a.ipynb", b'{"cells": []}', media_types.NOTEBOOK),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", media_types.COMPOUND),
        ("a.odt", b"PK\x03\x04", kinds.OPEN_DOCUMENT),
        # wrong names
        ("table.xls", b"<html><table><tr><td>1", "text/html"),
        ("thesis", make_docx(""), media_types.DOCX),
        ("book", make_epub({}, []), media_types.EPUB),
        ("letter.txt", b"{\\rtf1\\ansi x}", media_types.RTF),
        ("moved.docx", b"<html>moved", "text/html"),
        ("page.html", pdf("hello"), "application/pdf"),
        ("paper.pdf", b"\xef\xbb\xbf <!DOCTYPE HTML><html>moved", "text/html"),
        ("page.txt", b"<!-- saved -->\n<html lang='en'>", "text/html"),
        ("page.jsonl", b"<html><body>404", "text/html"),
        ("scan", pdf("hello"), "application/pdf"),
        ("page.asp", b"<?xml version='1.0'?>\n<!doctype html>", "text/html"),
        ("template.php", b"<!doctype html><?php echo 1 ?>", "text/x-php"),
        ("note.txt", b"a <html> tag in text, and %PDF-1.4", "text/plain"),
    ],
)
def test_media_types(tmp_path: Path, name: str, content: bytes, media_type: str) -> None:
    """Prevents a wrong suffix from sending a document to the wrong parser."""
    (tmp_path / name).write_bytes(content)
    (document,) = documents(reads(tmp_path))
    assert (document.media_type, document.body) == (media_type, content)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_compression_is_told_by_the_bytes(
    tmp_path: Path, pack: Callable[[bytes], bytes], suffix: str
) -> None:
    """Prevents a .jsonl that is a gzip, or a .gz that was unpacked on the way, from being lost."""
    data = b'{"text": "one"}\n{"text": "two"}\n'
    (tmp_path / f"packed.jsonl{suffix}").write_bytes(pack(data[:16]) + pack(data[16:]) + b"\0" * 5000)
    (tmp_path / f"plain.jsonl{suffix}").write_bytes(data)
    (tmp_path / f"text.md{suffix}").write_bytes(pack(b"# md"))
    if pack is zstandard.compress:  # padding is a custom of gzip (tapes) alone
        (tmp_path / f"packed.jsonl{suffix}").write_bytes(pack(data[:16]) + pack(data[16:]))
    steps = reads(tmp_path)
    found = documents(steps)
    assert not unreadable(steps)
    assert [d.body for d in found] == [b"one", b"two", b"one", b"two", b"# md"]
    assert found[-1].media_type == "text/markdown"


@pytest.mark.parametrize(
    ("content", "bodies"),
    [
        ('[{"text": "a"}, {"text": "b"}]', [b"a", b"b"]),
        ('[\n  {"text": "a"},\n  {"text": "b"}\n]\n', [b"a", b"b"]),
        ('{"text": "a"}\n{"text": "b"}\n', [b"a", b"b"]),
        ('{"text": "a"}', [b"a"]),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "records.dump"])
def test_json_layouts(tmp_path: Path, name: str, content: str, bodies: list[bytes]) -> None:
    """Prevents an array of records, or records under another name, from becoming one document."""
    (tmp_path / name).write_text(content)
    assert [d.body for d in documents(reads(tmp_path / name))] == bodies


def test_one_record_over_several_lines(tmp_path: Path) -> None:
    """Prevents a single pretty-printed record from being read as broken lines."""
    (tmp_path / "a.json").write_text('{\n  "text": "a"\n}\n')
    assert [d.body for d in documents(reads(tmp_path))] == [b"a"]


def test_what_is_no_document_is_recorded_with_its_reason(tmp_path: Path) -> None:
    """Prevents images and settings in a folder from flooding the dead letters, or from vanishing silently."""
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "__init__.py").write_bytes(b"")
    (tmp_path / "nested.json").write_text('{"part": {\n"text": "deep inside"}}\n')
    (tmp_path / "table.csv").write_text("a,b")
    (tmp_path / "data").write_bytes(b"\0\1")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.txt")
    steps = reads(tmp_path)
    assert skipped(steps) == {
        "photo.png": "unknown kind .png",
        "package.json": "JSON without a text field",
        "nested.json": "JSON without a text field",
        "__init__.py": "empty source file",
        "table.csv": "unknown kind .csv",
        "data": "unknown kind, no usual suffix",
        "gone.txt": "a link to nothing, or gone since the folder was listed",
        "pipe.txt": "not a regular file",
    }
    assert all(step.progress.complete and step.progress.num_records == 0 for step in steps)
    assert not documents(steps)
    assert not unreadable(steps)
    assert reads(tmp_path, progress=reached(steps)) == []


def test_a_named_file_of_unknown_kind_is_sniffed(tmp_path: Path) -> None:
    """Prevents what the user names from being passed over without a word."""
    text, binary = tmp_path / "notes.unknown", tmp_path / "photo.png"
    page = tmp_path / "page"
    page.write_bytes(b"\x89PNG\r\n\x1a\n...")
    text.write_text("some 文字" * 20_000)  # the head ends within a character
    binary.write_bytes(b"\x7fELF\2\1\0\0")  # valid UTF-8, and no text
    steps = reads(text, binary, page)
    assert [d.media_type for d in documents(steps)] == ["text/plain", "image/png"]
    assert "photo.png: neither its name nor its first bytes" in only_error(steps)


def test_folders_are_walked_in_order_without_hidden_files(tmp_path: Path) -> None:
    """Prevents another order on the next run, and the inside of .git from being trained on."""
    for name in ["b.txt", "a.txt", "c/a.txt", "a/z.txt", ".git/x.txt", ".hidden.txt", "node_modules/m.js"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert [d.body.decode() for d in documents(reads(tmp_path))] == ["a.txt", "b.txt", "a/z.txt", "c/a.txt"]
    assert [d.body.decode() for d in documents(reads(tmp_path / ".git"))] == [".git/x.txt"]
    assert [d.body.decode() for d in documents(reads(tmp_path / ".hidden.txt"))] == [".hidden.txt"]


def test_links_and_paths_named_twice_are_read_once(tmp_path: Path) -> None:
    """Prevents an endless walk round a loop of links, and double documents of overlapping paths."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("a")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    steps = reads(tmp_path / "sub" / "a.txt", tmp_path, tmp_path / "sub", f"{tmp_path}/sub/../sub")
    assert [d.body for d in documents(steps)] == [b"a"]
    assert "self: cannot be read" in only_error(steps)


def test_file_names_that_are_not_utf8(tmp_path: Path) -> None:
    """Prevents an old file name from stopping the whole folder."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xce\xc4.txt")).write_text("text")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xce\xc5.pdf")).write_text("")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/x.\xce\xc5")).write_text("")
    steps = reads(tmp_path)
    assert documents(steps)[0].source.endswith("/%CE%C4.txt")
    assert "empty file" in only_error(steps).encode().decode()
    assert len(reached(steps)) == 3


def test_the_samples_are_all_read() -> None:
    """Prevents a sample that no stage ever sees."""
    steps = reads(SAMPLES / "documents", SAMPLES / "records.jsonl")
    found = documents(steps)
    assert not unreadable(steps)
    assert not skipped(steps)
    assert len(found) == 44
    assert len({d.uid for d in found}) == 44
    assert sum(d.media_type == "text/html" for d in found) == 7
    assert sum(d.media_type.startswith("text/x-") or d.media_type == "text/javascript" for d in found) == 9
