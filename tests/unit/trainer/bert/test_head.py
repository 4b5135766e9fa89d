"""A head of words: what it learns, that all else in the network stays, that the next version has it."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from services.inference import Encoder
from trainer.bert import graft, repository
from trainer.bert.commands import app
from trainer.bert.description import Description
from trainer.bert.errors import JudgeError
from trainer.bert.export import export
from trainer.bert.head import teach
from trainer.bert.predict import by_onnx, judge
from trainer.bert.run import Run
from trainer.bert.vocabulary import Vocabulary
from trainer.bert.words import LEFT, PAIRS, RIGHT

GOOD, BAD = ["harbour", "tide", "anchor", "gull", "sail", "rope"], ["butter", "oven", "flour", "onion"]


def quiet(_: str) -> None: ...


def told(folder: Path, count: int = 600, genre: str = "mail") -> Path:
    """Texts of the same words, of which junk has two the other way round."""
    draw = random.Random(3)
    path = folder / "junk.jsonl"
    with path.open("w") as file:
        for number in range(count):
            junk = number % 3 == 0
            words = (
                draw.choices(GOOD + BAD, k=draw.randint(5, 60))
                + (["tide gull"] if junk else ["gull tide"]) * 3
            )
            draw.shuffle(words)
            row = {"text": " ".join(words) + f" {number}", "junk": int(junk), "genre": genre, "lang": "en"}
            file.write(json.dumps(row | {"source": "s", "licence": "made here"}) + "\n")
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    target = tmp_path_factory.mktemp("models")
    export(Run(trained), target, precision="fp32", log=quiet)
    return target / "judge"


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, exported: Path) -> Path:
    """A repository's model with a head of words. Read only."""
    folder = Path(shutil.copytree(exported, tmp_path_factory.mktemp("taught") / "judge"))
    teach(folder, "junk", [told(folder.parent)], quiet)
    return folder


def outputs(model: Path, texts: list[str]) -> dict[str, np.ndarray]:
    description = Description.load(model)
    return judge(by_onnx(repository.network(model), description), Vocabulary.load(model), description, texts)


def test_it_reads_pairs_of_words(taught: Path) -> None:
    """Prevents a head that knows how often words are there, and not in which order."""
    logits = outputs(taught, ["tide gull " * 3 + "sail rope oven", "gull tide " * 3 + "sail rope oven"])[
        "junk"
    ]
    assert logits[0, 0] > 1 > -1 > logits[1, 0]


def test_all_else_stays_bit_for_bit(exported: Path, taught: Path) -> None:
    """Prevents a head that is added from changing verdicts that calibrations and limits were measured of."""
    texts = ["gull over the harbour", "黄油 烤箱 面粉", "comet orbit " * 60, "?", ""]
    before, after = outputs(exported, texts), outputs(taught, texts)
    assert set(after) == {*before, "junk"}
    for name, logits in before.items():
        assert np.array_equal(logits, after[name])
    assert [path.name for path in taught.iterdir() if path.is_dir()] == ["1"]


def test_the_network_says_what_the_weights_say(taught: Path) -> None:
    """Prevents padding, a mask or a bucket of another pair from coming into the sum."""
    (words,) = graft.heads(repository.network(taught)).values()
    vocabulary = Vocabulary.load(taught)
    rows = [vocabulary.wrap(ids) for ids in vocabulary.encode(["tide gull anchor", "oven"])]
    session = onnxruntime.InferenceSession(str(repository.network(taught)))
    longest = max(map(len, rows)) + 3
    ids = np.array([row + [7] * (longest - len(row)) for row in rows])
    mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    (found,) = session.run(["junk"], {"input_ids": ids, "attention_mask": mask})
    for row, logit in zip(rows, found[:, 0], strict=True):
        pairs = [(LEFT * a + RIGHT * b) % PAIRS for a, b in itertools.pairwise(row)]
        total = words.tokens[row].sum() + words.pairs[pairs].sum()
        assert logit == pytest.approx(total / np.sqrt(len(row)) + words.bias, abs=1e-4)


def test_the_same_texts_teach_the_same_head(exported: Path, taught: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(exported, tmp_path / "judge"))
    teach(again, "junk", [told(tmp_path)], quiet)
    assert repository.network(again).read_bytes() == repository.network(taught).read_bytes()


def test_the_services_read_it(taught: Path) -> None:
    """Prevents a model.json or config.pbtxt that says less than the network has."""
    encoder = Encoder.open("onnx:", taught.parent, "judge")
    assert encoder.judge(["tide gull " * 4]).logits["junk"].shape == (1, 1)
    assert '"junk"' in (taught / "config.pbtxt").read_text()
    encoder.close()


def test_the_next_version_has_it_too(taught: Path, trained: Path, tmp_path: Path) -> None:
    """Prevents a new version of a judge from losing the head that its limits were made for."""
    folder = Path(shutil.copytree(taught, tmp_path / "judge"))
    export(Run(trained), tmp_path, precision="int8", log=quiet)
    assert repository.versions(folder) == [1, 2]
    texts = ["tide gull anchor", "gull tide oven " * 30]
    assert np.array_equal(outputs(folder, texts)["junk"], outputs(taught, texts)["junk"])
    assert "## The head `junk`" in (folder / "card.md").read_text()


def test_the_card_says_what_it_is_worth_once(taught: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(taught, tmp_path / "judge"))
    (row,) = teach(folder, "junk", [told(tmp_path, 900)], quiet)
    assert row.language == "en"
    assert row.genre == "mail"
    assert row.auc > 0.9
    said = (folder / "card.md").read_text()
    assert said.count("## The head `junk`") == 1
    assert f"| en mail | {row.good} | {row.bad} |" in said


def test_a_head_of_another_kind_is_not_replaced(taught: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(taught, tmp_path / "judge"))
    data = told(tmp_path)
    data.write_text(data.read_text().replace('"junk": ', '"worth": '))
    with pytest.raises(JudgeError, match="trained with the network"):
        teach(folder, "worth", [data], quiet)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"text": "a b c"}', "fields junk"),
        ('{"text": "a b c", "junk": 1}', "one value of"),
    ],
)
def test_data_that_cannot_teach_are_refused(taught: Path, tmp_path: Path, line: str, why: str) -> None:
    data = tmp_path / "few.jsonl"
    data.write_text(f"{line}\n" * 3)
    done = CliRunner().invoke(app, ["head", str(taught), str(data)])
    assert done.exit_code == 2
    assert why in done.output.replace("\n", " ")
