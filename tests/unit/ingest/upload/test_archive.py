"""Archives: every member once, nothing outside of them, and an end to what they unpack to."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from services.ingest.config import IngestConfig
from services.ingest.upload.config import UploadConfig
from services.ingest.upload.reader import ReaderConfig, SentFile, UploadReader
from services.runtime import Read, Recorded
from tests.unit.ingest.upload.packed import tarred, zipped

TEXTS = {f"folder/{name}.txt": f"a text of {name}".encode() for name in ("one", "two", "three")}


def read(
    folder: Path, body: bytes, name: str = "a.zip", skip: int = 0, limits: UploadConfig | None = None
) -> list[Read]:
    """What a file becomes, as the reader says it."""
    path = folder / name
    path.write_bytes(body)
    os.utime(path, ns=(0, 0))
    file = SentFile(str(path), name, "upload://batch/file", 1, skip)
    config = ReaderConfig((file,), limits or UploadConfig(), IngestConfig(paths=("-",)))
    found = [step for step in UploadReader(config)(Recorded()) if isinstance(step, Read)]
    assert sorted(folder.iterdir()) == [path], "nothing stays in the scratch folder"
    return found


def sources(reads: list[Read]) -> list[str]:
    return [document.source for each in reads for document in each.documents]


def errors(reads: list[Read]) -> str:
    return "\n".join(piece.error for each in reads for piece in each.unreadable)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.zip", zipped(TEXTS)),
        ("a.tar.gz", tarred(TEXTS)),
        ("a.tar", tarred(TEXTS, mode="w")),
        ("no-suffix", zipped(TEXTS)),
    ],
)
def test_each_member_is_a_document_once(tmp_path: Path, name: str, body: bytes) -> None:
    """Prevents a format that is taken and read as one document, or as none."""
    found = read(tmp_path, body, name)
    assert sources(found) == [f"upload://batch/file/{member}" for member in TEXTS]
    assert [bytes(d.body) for each in found for d in each.documents] == list(TEXTS.values())
    assert all(each.progress.complete for each in found)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_it_goes_on_behind_what_is_done(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    """Prevents members that are read twice, or never, by the replica that takes over."""
    hostile = {"../out.txt": b"no", **TEXTS, "image.png": b"\x89PNG\r\n\x1a\n\0\0", "last.txt": b"the last"}
    whole = read(tmp_path, pack(hostile))
    members = len(whole)
    assert members == 6
    for skip in range(members + 1):
        (tmp_path / "a.zip").unlink()
        rest = read(tmp_path, pack(hostile), skip=skip)
        assert [each.progress for each in rest] == [each.progress for each in whole[skip:]]


def test_what_was_refused_is_not_refused_again(tmp_path: Path) -> None:
    """Prevents a second dead letter, and a count that runs ahead, where the reading process died."""
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"../out.txt": b"no", "in.txt": b"yes"}))
    file = SentFile(str(path), "a.zip", "upload://batch/file", 1)
    reader = UploadReader(ReaderConfig((file,), UploadConfig(), IngestConfig(paths=("-",))))
    first = next(step for step in reader(Recorded()) if isinstance(step, Read))
    again = [s for s in reader(Recorded([first.progress])) if isinstance(s, Read)]
    assert [sources([each]) for each in again] == [["upload://batch/file/in.txt"]]


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b", "C:\\boot.ini", "..\\b"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, pack, name: str) -> None:  # type: ignore[no-untyped-def]
    """Prevents a file that is written anywhere but into the scratch folder."""
    found = read(tmp_path, pack({name: b"root", "in.txt": b"a text"}))
    assert "leads out of the archive" in errors(found)
    assert sources(found) == ["upload://batch/file/in.txt"]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_link_is_never_followed(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    """Prevents a document that is a file of this machine."""
    found = read(tmp_path, pack({"in.txt": b"a text"}, links={"link.txt": "/etc/passwd"}))
    assert "link.txt: a link or a device" in errors(found)
    assert sources(found) == ["upload://batch/file/in.txt"]


def test_a_device_is_refused(tmp_path: Path) -> None:
    """Prevents a reader that waits for a device."""
    assert "a link or a device" in errors(read(tmp_path, tarred({"tty!": b"", "in.txt": b"a text"})))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.zip", zipped({"in.txt": b"a text", "zeros.txt": bytes(64 << 20)})),
        ("a.tar.gz", tarred({"in.txt": b"a text", "zeros.txt": bytes(64 << 20)})),
    ],
)
def test_a_bomb_ends_where_it_is_too_much(tmp_path: Path, name: str, body: bytes) -> None:
    """Prevents an archive of some kilobytes from filling the disk; what came before it stands."""
    found = read(tmp_path, body, name)
    assert "bytes unpacked; what came before was read" in errors(found)
    assert sources(found) == ["upload://batch/file/in.txt"]


def test_many_small_bombs_are_one(tmp_path: Path) -> None:
    """Prevents a limit that holds for each member and for no archive."""
    limits = replace(UploadConfig(), max_unpacked_bytes=10_000)
    found = read(
        tmp_path, zipped({f"{n}.txt": os.urandom(2000).hex().encode() for n in range(9)}), limits=limits
    )
    assert len(sources(found)) == 2
    assert "more than 10,000 bytes unpacked" in errors(found)


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    """Prevents a million empty files."""
    found = read(tmp_path, zipped(TEXTS), limits=replace(UploadConfig(), max_members=2))
    assert len(sources(found)) == 2
    assert "more than 2 members" in errors(found)


def test_a_packed_file_may_be_a_bomb_too(tmp_path: Path) -> None:
    """Prevents gigabytes of line ends in a kilobyte of gzip."""
    import gzip

    assert "unpacks to more than" in errors(read(tmp_path, gzip.compress(b"\n" * (32 << 20)), "a.jsonl.gz"))


@pytest.mark.parametrize("cut", [100, 300])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_damaged_archive_says_so(tmp_path: Path, pack, cut: int) -> None:  # type: ignore[no-untyped-def]
    """Prevents a cut archive from being taken for a whole one, or from ending the reader."""
    body = pack({f"{n}.txt": os.urandom(400) for n in range(5)})
    found = errors(read(tmp_path, body[: len(body) - cut]))
    assert "damaged, encrypted or cut off" in found or "damaged or cut off" in found


def test_hidden_members_are_passed_over_and_names_may_repeat(tmp_path: Path) -> None:
    """Prevents what a desktop packs along from becoming documents; and two members from being one."""
    import io
    import warnings
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (".DS_Store", "__MACOSX/._a.txt", "a.txt", "a.txt"):
            archive.writestr(name, os.urandom(8).hex())
    found = read(tmp_path, out.getvalue())
    assert sources(found) == ["upload://batch/file/a.txt", "upload://batch/file/a.txt;2"]


def test_a_document_of_an_office_program_is_no_archive(tmp_path: Path) -> None:
    """Prevents the XML inside a .docx from becoming documents."""
    found = read(tmp_path, zipped({"word/document.xml": b"<xml/>"}), "paper.docx")
    assert sources(found) == ["upload://batch/file"]


def test_records_of_a_stream_are_read_on_in_the_middle(tmp_path: Path) -> None:
    """Prevents a large JSONL from beginning anew after each kill."""
    lines = b"".join(b'{"id": "%d", "text": "text %d"}\n' % (n, n) for n in range(10))
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines)
    os.utime(path, ns=(0, 0))
    file = SentFile(str(path), "a.jsonl", "upload://batch/file", 1)
    config = ReaderConfig((file,), UploadConfig(), IngestConfig(paths=("-",), chunk_documents=4))
    steps = [step for step in UploadReader(config)(Recorded()) if isinstance(step, Read)]
    assert [len(step.documents) for step in steps] == [4, 4, 2]
    known = Recorded([steps[0].progress])
    rest = [step for step in UploadReader(config)(known) if isinstance(step, Read)]
    assert [d.id for step in rest for d in step.documents] == [str(n) for n in range(4, 10)]
