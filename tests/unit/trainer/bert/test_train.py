from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, DistilBertConfig, RobertaConfig

from trainer.bert import train as training
from trainer.bert.data import Example
from trainer.bert.description import Head
from trainer.bert.errors import JudgeError
from trainer.bert.evaluate import evaluate, opened
from trainer.bert.model import load, open_encoder
from trainer.bert.predict import judge
from trainer.bert.recipe import Recipe
from trainer.bert.run import Run
from trainer.bert.train import targets, train
from trainer.bert.vocabulary import Vocabulary

Write = Callable[..., Path]
Records = Callable[..., list[dict[str, Any]]]


def quiet(_: str) -> None: ...


def test_a_model_learns_both_heads_from_partial_labels(trained: Path) -> None:
    """Prevents a head from being trained by records that lack its label, or a report on the training part."""
    report = json.loads((trained / "report.json").read_text())
    topic, worth = report["heads"]["topic"], report["heads"]["worth"]
    assert report["part"] == "test"
    assert report["examples"]["test"] == len((trained / "held-out.jsonl").read_text().splitlines())
    assert topic["labels"] == ["kitchen", "sea", "star"]
    assert topic["macro_f1"] > 0.9
    assert {language for language, of in topic["by_language"].items() if of["macro_f1"] > 0.9} == {"en", "zh"}
    assert worth["auc"] > 0.9
    assert topic["texts"] < report["examples"]["test"]
    assert topic["ece"] <= topic["ece_uncalibrated"] + 0.02
    assert topic["temperature"] != 1.0
    assert {row["licence"] for row in report["data"]} == {"made here"}
    assert sum(row["examples"] for row in report["data"]) == 480


def test_the_report_has_tables_and_a_picture(trained: Path) -> None:
    text = (trained / "report.md").read_text()
    assert "| zh |" in text
    assert "## worth" in text
    picture = (trained / "confusion-topic.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5000
    assert not (trained / "confusion-worth.png").exists()


def test_the_saved_model_is_the_one_that_was_measured(
    trained: Path, data: Path, tiny: dict[str, Any]
) -> None:
    """Prevents a model folder that loads as another model than the report speaks of."""
    recipe = Recipe.of(tiny)
    measured = evaluate(trained, [data], heads=recipe.heads, split=recipe.split, part="test", device="cpu")
    report = json.loads((trained / "report.json").read_text())
    for head, key in (("topic", "macro_f1"), ("topic", "ece"), ("worth", "auc")):
        assert measured["heads"][head][key] == pytest.approx(report["heads"][head][key], abs=1e-6)
    kept = evaluate(trained, [trained / "held-out.jsonl"], device="cpu")
    assert kept["heads"]["topic"]["confusion"] == report["heads"]["topic"]["confusion"]
    assert kept["heads"]["worth"]["auc"] == pytest.approx(report["heads"]["worth"]["auc"])


def test_padding_and_company_do_not_change_a_judgement(trained: Path) -> None:
    """Prevents a document's score from depending on what else is in its batch."""
    infer, vocabulary, description = opened(trained, device="cpu")
    texts = ["gull over the harbour", "comet " * 90, "黄油 烤箱", "x"]
    together = judge(infer, vocabulary, description, texts)
    for row, text in enumerate(texts):
        alone = judge(infer, vocabulary, description, [text])
        for head, logits in alone.items():
            np.testing.assert_allclose(logits[0], together[head][row], atol=1e-5)


def test_an_interrupted_run_goes_on_to_the_same_model(
    tmp_path: Path, data: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a kill in pre-training or in training from costing what was done, or changing the outcome."""
    course = {"epochs": 1, "checkpoint_s": 0, "learning_rate": 3e-3}
    recipe = Recipe.of(tiny | {"fit": course, "pretrain": {"fit": course | {"batch_size": 32}}})
    train(recipe, [data], tmp_path / "whole", device="cpu", log=quiet)

    steps = 0

    class Killed(training.Judging):
        def loss(self, rows: Any, random: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == 4:
                raise KeyboardInterrupt
            return super().loss(rows, random)

    with monkeypatch.context() as patch:
        patch.setattr(training, "Judging", Killed)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, [data], tmp_path / "part", device="cpu", log=quiet)
    assert not (tmp_path / "part" / "model").exists()
    torch.manual_seed(5)
    said: list[str] = []
    train(recipe, [data], tmp_path / "part", device="cpu", log=said.append)
    whole, part = (load(tmp_path / name / "model")[0].state_dict() for name in ("whole", "part"))
    assert whole.keys() == part.keys()
    assert all(torch.equal(whole[name], part[name]) for name in whole)
    assert not any("masked" in line for line in said)


def test_a_run_of_another_recipe_is_not_gone_on_with(
    tmp_path: Path, write: Write, records: Records, tiny: dict[str, Any]
) -> None:
    """Prevents checkpoints of other data or another recipe from being mixed into a run."""
    out, small = tmp_path / "out", write(tmp_path / "a.jsonl", records(120))
    recipe = Recipe.of(tiny | {"fit": {"epochs": 0.1}})
    train(recipe, [small], out, device="cpu", log=quiet)
    with pytest.raises(JudgeError, match="another recipe or other data"):
        train(Recipe.of(tiny | {"fit": {"epochs": 0.2}}), [small], out, device="cpu", log=quiet)
    other = write(tmp_path / "b.jsonl", records(121))
    with pytest.raises(JudgeError, match="another recipe or other data"):
        train(recipe, [other], out, device="cpu", log=quiet)
    (out / "mine.txt").write_text("kept")
    train(recipe, [other], out, device="cpu", fresh=True, log=quiet)
    assert (out / "mine.txt").exists()


def test_data_that_cannot_teach_is_refused(
    tmp_path: Path, write: Write, records: Records, tiny: dict[str, Any]
) -> None:
    """Prevents an hour of training for a head that has nothing to learn from."""

    def refused(rows: list[dict[str, Any]]) -> str:
        with pytest.raises(JudgeError) as caught:
            train(Recipe.of(tiny), [write(tmp_path / "in.jsonl", rows)], tmp_path / "out", log=quiet)
        return str(caught.value)

    rows = records(120)
    assert "no record has the field 'topic'" in refused([row | {"topic": None, "worth": 1} for row in rows])
    assert "only the value 1.0" in refused([row | {"worth": "good"} for row in rows])
    assert "no field 'worth'" in refused(
        [row | {"worth": None, "topic": t} for row, t in zip(rows, "ab" * 60, strict=True)]
    )
    assert "the validation part is empty" in refused([row | {"split": "train"} for row in rows])
    assert "the train part is empty" in refused([row | {"split": "dev"} for row in rows])
    held = [row | {"split": "test", "topic": "moon"} for row in rows[:3]]
    assert "no record to train on shows moon" in refused(rows[3:] + held)
    with pytest.raises(JudgeError, match="device 'cuda:99' cannot be used"):
        train(Recipe.of(tiny), [write(tmp_path / "in.jsonl", rows)], tmp_path / "out", device="cuda:99")


def test_targets_and_weights() -> None:
    """Prevents a rare class from weighing nothing, or a missing label from weighing something."""
    head = Head("classes", ("a", "b"))
    labels: list[dict[str, Any]] = [{"t": {"a": 1.0}}] * 4 + [{"t": {"b": 0.75, "a": 0.25}}, {}]
    examples = [Example("x", label, "train", "en") for label in labels]
    target, weight = targets("t", head, 0.5, examples)
    assert target.tolist() == [[1, 0]] * 4 + [[0.25, 0.75], [0, 0]]
    assert weight[4] == pytest.approx(2 * weight[0])
    assert weight[5] == 0
    assert weight[:5].mean() == pytest.approx(1)
    _, equal = targets("t", head, 0.0, examples)
    assert equal.tolist() == [1, 1, 1, 1, 1, 0]


SHAPE = {"vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
FAMILIES = {
    "bert": BertConfig(**SHAPE, intermediate_size=64, max_position_embeddings=64),
    "roberta": RobertaConfig(**SHAPE, intermediate_size=64, max_position_embeddings=66),
    "distilbert": DistilBertConfig(
        vocab_size=400, dim=32, n_layers=1, n_heads=2, hidden_dim=64, max_position_embeddings=64
    ),
}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_an_encoder_of_the_family_is_taken_from_a_folder(
    tmp_path: Path, family: str, write: Write, records: Records, tiny: dict[str, Any]
) -> None:
    """Prevents a recipe with another encoder than BERT from failing at the end of the training."""
    from trainer.bert.export import export

    rows = records(90)
    vocabulary = Vocabulary.train([row["text"] for row in rows], 400)
    folder = tmp_path / "encoder"
    AutoModel.from_config(FAMILIES[family]).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(vocabulary.to_json())
    recipe = Recipe.of(tiny | {"encoder": {"path": str(folder)}, "fit": {"epochs": 0.3}})
    out = tmp_path / "out"
    train(recipe, [write(tmp_path / "in.jsonl", rows)], out, device="cpu", log=quiet)
    # Which checks onnxruntime against torch.
    assert export(Run(out), tmp_path / "repository", precision="fp32", log=quiet).name == "1"
    with pytest.raises(JudgeError, match="sees at most 64 tokens"):
        open_encoder(str(folder), 65)


def test_an_encoder_that_is_not_there(tmp_path: Path) -> None:
    """Prevents a name from being looked up on the network."""
    with pytest.raises(JudgeError, match="nothing is downloaded"):
        open_encoder("bert-base-chinese", 64)
    with pytest.raises(JudgeError, match="cannot be opened"):
        open_encoder(str(tmp_path), 64)


def test_a_report_without_a_language_or_class_is_still_json(
    trained: Path, write: Write, tmp_path: Path
) -> None:
    """Prevents NaN, which no JSON reader takes."""
    from trainer.bert.report import markdown
    from trainer.bert.report import write as write_report

    path = write(tmp_path / "one.jsonl", [{"text": "gull", "topic": "sea"}, {"text": "oven", "worth": 1}])
    report = evaluate(trained, [path], device="cpu")
    assert math.isnan(report["heads"]["worth"]["auc"])
    write_report(report, tmp_path / "out")
    again = json.loads((tmp_path / "out" / "report.json").read_text(), parse_constant=pytest.fail)
    assert again["heads"]["worth"]["auc"] is None
    assert "nan" not in markdown(report)


def test_labels_that_the_model_does_not_know(trained: Path, write: Write, tmp_path: Path) -> None:
    path = write(tmp_path / "one.jsonl", [{"text": "gull", "topic": "moon"}])
    with pytest.raises(JudgeError, match="moon"):
        evaluate(trained, [path], device="cpu")
    good = write(tmp_path / "two.jsonl", [{"text": "gull", "topic": "sea", "split": "train"}])
    with pytest.raises(JudgeError, match="falls into the test part"):
        evaluate(trained, [good], part="test", device="cpu")
    with pytest.raises(JudgeError, match="neither the --out"):
        evaluate(tmp_path, [good])
