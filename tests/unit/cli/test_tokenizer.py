"""`tokenizer train`, `extend`, `convert` and `report` as they are typed, on the project's own documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts import Document
from services.cli.tokenizer import app
from services.runtime import ConfigurationError, Message, ObjectStore, Resources, Vocabularies, load_settings
from services.sink import SinkConfig
from services.sink.manifest import Manifest, part_key
from services.sink.parts import repack
from services.tokenizer import SERVICE, TokenizerConfig, Vocabulary
from services.tokenizer.train import train
from tests.corpus import write_jsonl

DOCUMENTS = Path(__file__).parents[2] / "data" / "documents"


def run(*arguments: str | Path, code: int = 0) -> Result:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    if isinstance(done.exception, ConfigurationError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of records of three languages."""
    folder = tmp_path_factory.mktemp("corpus")
    write_jsonl(folder / "made.jsonl", 60, seed=5)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A vocabulary of little text."""
    path = tmp_path / "small.tiktoken"
    train([path.read_text() for path in sorted(DOCUMENTS.glob("en/*.txt"))], 500).save(path)
    return path


def test_train_from_a_folder(tmp_path: Path, corpus: Path) -> None:
    """Prevents a vocabulary that the river does not take, and one that is another each time."""
    made = []
    for name in ("one.tiktoken", "other.tiktoken"):
        done = run("train", corpus, "--size", "600", "--out", tmp_path / name)
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    vocabulary = Vocabulary(made[0])
    assert vocabulary.size == 600
    assert vocabulary.digest in done.stdout
    assert f"CORPUSWORKS_UNITS__TOKENIZER__VOCABULARY={tmp_path / 'other.tiktoken'}" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.tiktoken", "other.tiktoken"]


def test_train_with_special_tokens_and_weights(tmp_path: Path, corpus: Path) -> None:
    out = tmp_path / "tokenizer.json"
    done = run(
        *("train", corpus, "--size", "600", "--out", out, "--weights", "zh=1,code=1"),
        *("--special", "<|im_start|>", "--special", "<|im_end|>", "--end-of-document", "<end>"),
    )
    vocabulary = Vocabulary.load(out, "<end>")
    assert vocabulary.size == 600
    assert vocabulary.tokens()["<|im_end|>"] == 599
    assert "CORPUSWORKS_UNITS__TOKENIZER__END_OF_DOCUMENT='<end>'" in done.stdout
    assert "en: 0.00 of" in done.stderr


def test_train_from_parts(tmp_path: Path, corpus: Path) -> None:
    """Prevents a river's own text from being out of reach once its sources are gone."""
    store = ObjectStore((tmp_path / "river").as_uri())
    tokens = SERVICE.build(
        TokenizerConfig(), Resources(load_settings().model_copy(update={"store_url": store.url}))
    )
    texts = [json.loads(line)["text"] for line in (corpus / "made.jsonl").read_text().splitlines()]
    documents = [
        Document(uid=number + 1, id=str(number), text=text, phase="stable", language="zh", bucket="pool")
        for number, text in enumerate(texts)
    ]
    tokens(documents)
    messages = [Message("docs.mixed", 0, n, None, document, 0) for n, document in enumerate(documents)]
    part = repack(messages, 0, SinkConfig(sequence_length=4096), Vocabularies(store))
    assert part is not None
    for suffix, data in part.files.items():
        store.put(part_key(part.announcement.name, suffix), data)
    Manifest(store, 0).add(part.announcement)
    run("train", "--parts", tmp_path / "river", "--size", "600", "--out", tmp_path / "parts.tiktoken")
    assert (tmp_path / "parts.tiktoken").read_bytes() == train(texts, 600).content
    row = json.loads(run("report", "default", "--parts", tmp_path / "river", "--json").stdout)["rows"][0]
    assert (row["name"], row["documents"]) == ("zh", len(texts))


def test_extend_and_report(tmp_path: Path, small: Path) -> None:
    """The way of a user: more tokens, what they bring, and the setting for the river."""
    out = tmp_path / "more"
    done = run("extend", small, DOCUMENTS / "zh", "--tokens", "200", "--out", out)
    assert sorted(path.name for path in out.iterdir()) == ["pieces.json", "vocabulary.tiktoken"]
    new = Vocabulary.load(out / "vocabulary.tiktoken")
    assert new.size == 700
    assert new.digest in done.stdout
    pieces = json.loads((out / "pieces.json").read_text())
    assert list(pieces["pieces"]) == [str(index) for index in range(500, 700)]
    assert (pieces["of_size"], pieces["size"]) == (500, 700)
    found = json.loads(run("report", small, out, DOCUMENTS, "--json").stdout)
    changes = {(row["by"], row["name"]): row["change"] for row in found["rows"]}
    assert changes["language", "zh"] < -0.3
    assert abs(changes["language", "en"]) < 0.01
    assert abs(changes["language", "code"]) < 0.02
    assert {name for by, name in changes if by == "domain"} >= {"zh", "en", "code"}
    assert found["new_tokens"]["of"] == 200
    assert found["new_tokens"]["unused_share"] < 0.2
    assert [each["broken"] for each in found["vocabularies"]] == [0, 0]
    shown = run("report", small, out, DOCUMENTS).stdout
    assert "new tokens: 200, " in shown
    assert "before" in shown


def test_extended_tokenizer_json_is_one(tmp_path: Path, corpus: Path) -> None:
    run("train", corpus, "--size", "400", "--out", tmp_path / "a.json", "--special", "<|x|>")
    run("extend", tmp_path / "a.json", DOCUMENTS / "zh", "--tokens", "50", "--out", tmp_path / "b")
    assert Vocabulary.load(tmp_path / "b" / "tokenizer.json").tokens()["<|x|>"] == 399
    rows = json.loads(
        run("report", tmp_path / "a.json", tmp_path / "b" / "tokenizer.json", corpus, "--json").stdout
    )
    assert rows["new_tokens"]["of"] == 50


def test_report_names_domains_by_record_file_and_folder(tmp_path: Path, small: Path) -> None:
    """Prevents one line for everything, or a line for each record."""
    (tmp_path / "docs" / "law").mkdir(parents=True)
    (tmp_path / "docs" / "law" / "a.txt").write_text("The court heard the case and the parties agreed.")
    (tmp_path / "docs" / "law" / "b.txt").write_text("The court closed the case on the same day.")
    rows = [{"text": "The river rose.", "domain": "water"}, {"text": "The ship went down."}]
    (tmp_path / "docs" / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = json.loads(run("report", small, tmp_path / "docs", "--json").stdout)
    domains = {row["name"]: row["documents"] for row in found["rows"] if row["by"] == "domain"}
    assert domains == {"law": 2, "water": 1, "c.jsonl": 1}


def test_report_of_a_vocabulary_that_loses_text(tmp_path: Path) -> None:
    """Prevents fine figures for a vocabulary that the corpus does not come back from: exit 1, and said so."""
    definition = {
        "version": "1.0",
        "added_tokens": [],
        "model": {"type": "WordLevel", "vocab": {"?": 0, "<|endoftext|>": 1}, "unk_token": "?"},
    }
    path = tmp_path / "lossy.json"
    path.write_text(json.dumps(definition))
    done = run("report", path, DOCUMENTS / "zh", code=1)
    assert "do not come back byte for byte" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (lambda here, small: ["extend", small, here / "empty", "--tokens", "5"], "no document with a text"),
        (lambda here, small: ["extend", small, here / "absent", "--tokens", "5"], "does not exist"),
        (lambda here, small: ["extend", small, "--tokens", "5"], "no documents: name files"),
        (lambda here, small: ["extend", here / "junk", DOCUMENTS, "--tokens", "5"], "cannot be used"),
        (lambda here, small: ["extend", here / "empty", DOCUMENTS, "--tokens", "5"], "cannot be used"),
        (
            lambda here, small: ["extend", here / "words.json", DOCUMENTS, "--tokens", "5"],
            "its model is WordLevel",
        ),
        (
            lambda here, small: ["extend", small, DOCUMENTS / "zh", "--tokens", "999999"],
            "ask for fewer or give more",
        ),
        (lambda here, small: ["train", here / "empty"], "no document with a text"),
        (lambda here, small: ["train", DOCUMENTS / "zh"], "not for --size 49,152"),
        (lambda here, small: ["train", DOCUMENTS, "--size", "100"], "at least 257"),
        (lambda here, small: ["train", DOCUMENTS, "--weights", "zh:4"], "is not LANGUAGE=WEIGHT"),
        (lambda here, small: ["train", DOCUMENTS, "--weights", "ja=4"], "no document is ja"),
        (lambda here, small: ["train", DOCUMENTS, "--special", "<x>"], "in .json"),
        (lambda here, small: ["train", "--parts", here / "empty"], "holds no parts"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, small: Path, arguments: Callable[[Path, Path], list[str | Path]], says: str
) -> None:
    """Prevents stack traces, and half a vocabulary that a river is started with."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk").write_bytes(b"\x00\xff no vocabulary\n")
    model = {"type": "WordLevel", "vocab": {"?": 0, "<|endoftext|>": 1}, "unk_token": "?"}
    (tmp_path / "words.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": model}))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigurationError, match=says) as caught:
        run(*arguments(tmp_path, small), "--out", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_there_is_not_written_over(tmp_path: Path, small: Path) -> None:
    before = small.read_bytes()
    with pytest.raises(ConfigurationError, match="exists; name another"):
        run("train", DOCUMENTS, "--out", small)
    with pytest.raises(ConfigurationError, match="exists; name another"):
        run("extend", small, DOCUMENTS, "--tokens", "5", "--out", tmp_path)
    with pytest.raises(ConfigurationError, match="its folder does not exist"):
        run("extend", small, DOCUMENTS, "--tokens", "5", "--out", tmp_path / "no" / "more")
    assert small.read_bytes() == before


def test_a_broken_second_vocabulary_is_not_taken_for_a_document(tmp_path: Path, small: Path) -> None:
    (tmp_path / "new.tiktoken").write_text("nonsense\n")
    with pytest.raises(ConfigurationError, match=r"new\.tiktoken cannot be used"):
        run("report", small, tmp_path / "new.tiktoken", DOCUMENTS)


def test_a_record_that_cannot_be_read_is_told(tmp_path: Path, small: Path) -> None:
    """Prevents a vocabulary of half of the documents, and nobody who knows."""
    (tmp_path / "a.jsonl").write_text('{"text": "The river rose."}\n{"txt": "lost"}\n')
    done = run("report", small, tmp_path / "a.jsonl", "--json")
    assert "left out" in done.stderr
    assert json.loads(done.stdout)["rows"][-1]["documents"] == 1


def test_convert_gives_the_same_ids_as_a_tokenizer_json(tmp_path: Path, small: Path) -> None:
    text = "".join(path.read_text() for path in sorted(DOCUMENTS.glob("*/*.txt"))[:4])
    run("convert", small, "--out", tmp_path / "tokenizer.json")
    old, new = Vocabulary.load(small), Vocabulary.load(tmp_path / "tokenizer.json")
    assert json.loads(new.content)["model"]["type"] == "BPE"
    assert [*map(list, new.encode_batch([text]))] == [*map(list, old.encode_batch([text]))]
    assert (new.size, new.end_of_document) == (old.size, old.end_of_document)
    run("convert", tmp_path / "tokenizer.json", "--out", tmp_path / "again.json")  # is one already
    assert (tmp_path / "again.json").read_bytes() == new.content
    with pytest.raises(ConfigurationError, match="exists"):
        run("convert", small, "--out", tmp_path / "tokenizer.json")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        run("convert", tmp_path / "absent", "--out", tmp_path / "other.json")
