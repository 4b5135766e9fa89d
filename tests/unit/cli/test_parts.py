"""`parts`: each part by the vocabulary that made it, and a line where something is missing or damaged."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from contracts import Document
from services.catalog.entry import entry_of, to_line
from services.catalog.segments import Segments, segment_key
from services.cli.app import app as cli
from services.cli.parts import app
from services.runtime import ConfigurationError, Message, ObjectStore, Vocabularies
from services.sink import SinkConfig
from services.sink.manifest import Manifest, part_key
from services.sink.parts import list_parts, repack
from services.tokenizer import Vocabulary
from services.tokenizer.ranks import format_ranks
from tests.unit.sink.packed import pack_texts

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


class TestShow:
    """`parts show`: one part, for a person and for a program."""

    @pytest.fixture
    def corpus(self, tmp_path: Path) -> tuple[Path, dict[str, str]]:
        store = ObjectStore(tmp_path.as_uri())
        return tmp_path, pack_texts(store, Vocabulary.load(), sequence_length=256)

    @staticmethod
    def name(out: Path) -> str:
        [row] = [json.loads(line) for line in run("list", out).stdout.splitlines()]
        return str(row["part"])

    def test_as_json(self, corpus: tuple[Path, dict[str, str]]) -> None:
        """Its counts are those of the documents that went in."""
        out, texts = corpus
        result = run("show", out, self.name(out).rpartition("/")[2], "--json", "--first", "2")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        told = found["announcement"]
        assert told["name"] == self.name(out)
        assert told["num_documents"] == len(texts)
        assert set(told["sha256"]) == {"bin", "idx", "jsonl"}
        languages = Counter(name.partition("/")[0] for name in texts)
        assert {name: share["documents"] for name, share in found["languages"].items()} == languages
        assert sum(share["tokens"] for share in found["buckets"].values()) == told["num_tokens"]
        ranked = [share["tokens"] for share in found["buckets"].values()]
        assert ranked == sorted(ranked, reverse=True)
        assert next(iter(found["sources"].values()))["documents"] == 1
        assert all(source.startswith("file:///") and "#" not in source for source in found["sources"])
        assert found["padding"] == 1 - told["num_tokens"] / (told["num_sequences"] * 256)
        longer = sum(row["num_tokens"] > 256 for row in records(out, told["name"]))
        assert found["num_cut"] == longer > 0
        assert [row["id"] for row in found["first"]] == list(texts)[:2]
        for row, text in zip(found["first"], texts.values(), strict=False):
            assert row["title"] == row["id"]
            assert len(row["text"]) > 20
            assert text.startswith(row["text"])

    def test_for_a_person(self, corpus: tuple[Path, dict[str, str]]) -> None:
        """The same, to be read; what looks like markup in a name is no markup."""
        out, texts = corpus
        result = run("show", out, self.name(out))
        assert result.exit_code == 0, result.output
        for told in (
            self.name(out),
            "phase stable, sealed by flush",
            "padding ",
            "cut over sequences",
            "zh",
            *list(texts)[:5],
        ):
            assert told in result.stdout
        assert "others" in result.stdout, "no more than ten sources are shown"
        (out / "vocabularies").rename(out / "gone")
        assert "its vocabulary is not in the store" in run("show", out, self.name(out)).stdout

    def test_a_part_that_is_not_there(self, corpus: tuple[Path, dict[str, str]]) -> None:
        out, _ = corpus
        result = run("show", out, "part-9")
        assert (result.exit_code, result.stdout) == (1, "")
        assert (
            result.stderr == "corpusworks: there is no part 'part-9'; `corpusworks parts list` names them\n"
        )

    @pytest.mark.parametrize(
        "command", [["show"], ["decode"], ["export", "--format", "ds", "--out", "exported"]]
    )
    def test_a_damaged_part_is_one_line(
        self, corpus: tuple[Path, dict[str, str]], command: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Prevents a traceback, and exit 3, which is for processes."""
        out, _ = corpus
        monkeypatch.chdir(out)
        name = self.name(out)
        path = out / "parts" / f"{name}.bin"
        path.write_bytes(path.read_bytes()[:-2])
        result = run(command[0], out, *([name] if command[0] == "show" else command[1:]))
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith(f"corpusworks: {name}: ")
        assert "corpusworks parts verify" in result.stderr
        assert not (out / "exported").exists()


def test_an_export_by_command(out: Path, tmp_path: Path) -> None:
    """Two vocabularies are told apart, what is there is not overwritten, every format has its name."""
    target = tmp_path / "exported"
    both = run("export", out, "--format", "mds", "--out", target)
    assert isinstance(both.exception, ConfigurationError)
    assert "choose one with --vocabulary" in str(both.exception)
    done = run("export", out, "--format", "mds", "--out", target, "--vocabulary", BYTES.digest)
    assert done.exit_code == 0, done.output
    assert done.stderr == f"1 parts, 1 documents, 7 tokens in {target}\n"
    assert sorted(path.name for path in target.iterdir()) == ["index.json", "shard.00000.mds"]
    again = run("export", out, "--format", "ds", "--out", target, "--vocabulary", BYTES.digest)
    assert isinstance(again.exception, ConfigurationError)
    assert "is there and not an empty folder" in str(again.exception)
    unknown = run("export", out, "--format", "webdataset", "--out", target)
    assert isinstance(unknown.exception, ConfigurationError)
    assert "there are: ds, mds" in str(unknown.exception)


def test_list_is_a_table_on_a_terminal_alone(out: Path) -> None:
    """Prevents JSON that nobody reads on a screen, and a table in a pipe."""
    rows = [json.loads(line) for line in run("list", out).stdout.splitlines()]
    assert [row["documents"] for row in rows] == [1, 1]
    command = [sys.executable, "-m", "services.cli", "parts", "list", str(out)]
    shown = on_a_terminal(command)
    assert "2 parts, 2 documents, 14 tokens" in shown
    assert "tokens by bucket" in shown
    assert [json.loads(line)["part"] for line in on_a_terminal([*command, "--json"]).splitlines()] == [
        row["part"] for row in rows
    ]


def on_a_terminal(command: list[str]) -> str:
    """What a command writes to a terminal of 200 columns."""
    ours, its = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=its, env=environment) as process:
        os.close(its)
        written = b""
        with contextlib.suppress(OSError):  # Linux's way to say that the other side is closed
            while data := os.read(ours, 1 << 16):
                written += data
        assert process.wait(timeout=60) == 0
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def run(command: str, out: Path, *more: object) -> Result:
    return CliRunner().invoke(cli, ["parts", command, str(out), *map(str, more)])


def records(out: Path, name: str) -> list[dict[str, int]]:
    return [json.loads(line) for line in (out / "parts" / f"{name}.jsonl").read_text().splitlines()]
