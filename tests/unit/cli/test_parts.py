"""`parts decode`: each part by the vocabulary that made it, and a line where that is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from contracts import Document
from services.catalog.entry import entry_of, to_line
from services.catalog.segments import Segments, segment_key
from services.cli.parts import app
from services.runtime import Message, ObjectStore, Vocabularies
from services.sink import SinkConfig
from services.sink.manifest import Manifest, part_key
from services.sink.parts import list_parts, repack
from services.tokenizer import Vocabulary
from services.tokenizer.ranks import format_ranks

END = "<end>"
BYTES = Vocabulary(format_ranks({bytes([byte]): byte for byte in range(256)}), END)
BACKWARDS = Vocabulary(format_ranks({bytes([byte]): 255 - byte for byte in range(256)}), END)


def write_part(store: ObjectStore, vocabulary: Vocabulary, lane: int, text: str) -> None:
    """One document, packed and announced."""
    ids = [*vocabulary.encode_batch([text])[0], vocabulary.end_of_document]
    document = Document(
        uid=lane + 1, id=text, num_tokens=len(ids), tokenizer=vocabulary.digest, phase="stable"
    )
    document.token_ids = np.array(ids, "<u4").tobytes()
    config = SinkConfig(sequence_length=32)
    part = repack([Message("docs.mixed", lane, 0, None, document, 0)], lane, config, Vocabularies(store))
    assert part is not None
    for suffix, data in part.files.items():
        store.put(part_key(part.announcement.name, suffix), data)
    Manifest(store, lane).add(part.announcement)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Two parts whose ids mean other bytes."""
    store = ObjectStore(tmp_path.as_uri())
    for lane, vocabulary in enumerate([BYTES, BACKWARDS]):
        vocabulary.card.keep(store, vocabulary.content)
        write_part(store, vocabulary, lane, f"text {lane}")
    return tmp_path


def decode(out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["decode", str(out), *more])


def texts(result: Result) -> list[str]:
    return [json.loads(line)["text"] for line in result.stdout.splitlines()]


def test_each_part_is_read_by_its_own_vocabulary(out: Path) -> None:
    """Prevents a corpus whose second vocabulary comes out as noise."""
    result = decode(out)
    assert (result.exit_code, texts(result)) == (0, ["text 0", "text 1"])


@pytest.mark.parametrize("suffix", ["json", "file"])
def test_a_part_without_its_vocabulary_is_left_out_and_named(out: Path, suffix: str) -> None:
    """Prevents garbage, and a stack trace that ends the decoding of the other parts."""
    (out / "vocabularies" / f"{BACKWARDS.digest}.{suffix}").unlink()
    result = decode(out)
    assert (result.exit_code, texts(result)) == (1, ["text 0"])
    assert f"their vocabulary {BACKWARDS.digest} is not in {out.as_uri()}" in result.stderr
    assert "--vocabulary" in result.stderr


def test_a_vocabulary_can_be_given(out: Path, tmp_path: Path) -> None:
    """Prevents parts without their store from being read never more; and by a vocabulary that is another."""
    (out / "vocabularies" / f"{BACKWARDS.digest}.json").unlink()
    BACKWARDS.save(tmp_path / "backwards.tiktoken")
    BYTES.save(tmp_path / "bytes.tiktoken")
    right = decode(out, "--vocabulary", str(tmp_path / "backwards.tiktoken"), "--end-of-document", END)
    assert (right.exit_code, texts(right)) == (0, ["text 0", "text 1"])
    wrong = decode(out, "--vocabulary", str(tmp_path / "bytes.tiktoken"), "--end-of-document", END)
    assert (wrong.exit_code, texts(wrong)) == (1, ["text 0"])
    assert f"(given: {BYTES.digest})" in wrong.stderr


def test_parts_are_listed_with_their_numbers_and_verified_against_them(out: Path) -> None:
    """Prevents a catalog that says otherwise than the parts, and nobody who hears of it."""

    def call(command: str) -> Result:
        return CliRunner().invoke(app, [command, str(out)])

    def listed() -> list[int | None]:
        return [json.loads(line)["sequence"] for line in call("list").stdout.splitlines()]

    store = ObjectStore(out.as_uri())
    first, second = list_parts(store)
    assert listed() == [None, None]
    Segments(store).create([entry_of(0, second)])
    assert listed() == [None, 0]
    assert call("verify").exit_code == 0, "the other one waits for its number"
    store.put(segment_key(0), to_line(entry_of(0, second)).replace(second.sha256["bin"].encode(), b"00"))
    wrong = call("verify")
    assert wrong.exit_code == 1
    assert "the catalog describes another part" in wrong.stdout
    store.put(segment_key(0), to_line(entry_of(0, first)) + to_line(entry_of(1, first)))
    assert "it has the numbers 0 and 1" in call("verify").stdout


def test_a_vocabulary_that_was_changed_in_the_store_is_not_used(out: Path) -> None:
    """Prevents a file that somebody put there under another's name from being believed."""
    (out / "vocabularies" / f"{BACKWARDS.digest}.file").write_bytes(BYTES.content)
    result = decode(out)
    assert (result.exit_code, texts(result)) == (1, ["text 0"])
