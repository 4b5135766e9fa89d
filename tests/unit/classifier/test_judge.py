"""The classifier: what it sets, whom it asks, and when it says `other`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from contracts import Document
from services.classifier import SERVICE, Classifier, ClassifierConfig
from services.inference import Encoder, Head, Judged
from services.runtime import ConfigurationError, Emit, Resources, Settings, configure
from services.runtime.contracts.unit import verdicts_of
from services.runtime.topology import Topology
from services.scorer import SERVICE as SCORER
from services.scorer import ScorerConfig
from tests import tiny_model

LABELS = ("book", "math", "news")


class FakeEncoder:
    """Answers with the logits it was given, a row for each text in turn; counts what it is asked."""

    def __init__(self, *rows: tuple[float, ...], temperature: float = 1.0) -> None:
        heads = {
            "category": Head("classes", LABELS, temperature),
            "quality": Head("score"),
            "difficulty": Head("score"),
        }
        self.description = SimpleNamespace(heads=heads)
        self.asked: list[list[str]] = []
        self._rows = rows

    def judge(self, texts: list[str]) -> Judged:
        self.asked.append(list(texts))
        rows = np.array([self._rows[i % len(self._rows)] for i in range(len(texts))], np.float32)
        scores = np.arange(len(texts), dtype=np.float32)[:, None]
        return Judged({"category": rows, "quality": scores - 1, "difficulty": scores * 10}, version=3)


def classifier(encoder: FakeEncoder, **settings: Any) -> Classifier:
    return Classifier(encoder, ClassifierConfig(**settings))  # type: ignore[arg-type]


def prose(*texts: str) -> list[Document]:
    return [Document(uid=n + 1, text=text, format="prose") for n, text in enumerate(texts)]


class TestCategory:
    def test_the_most_likely_label_is_the_category(self) -> None:
        """And every label that is not unlikely stays with its probability, for the recipe."""
        (document,) = prose("a tide")
        assert classifier(FakeEncoder((0.0, np.log(3), np.log(0.1))))([document]) == [Emit(document)]
        assert document.category == "math"
        features = dict(document.features)
        assert features["category_probability"] == features["category.math"] == pytest.approx(3 / 4.1)
        assert features["category.book"] == pytest.approx(1 / 4.1)
        assert "category.news" not in features  # 0.024: below 0.05
        assert features["judge_version"] == 3

    def test_the_temperature_calibrates(self) -> None:
        """Prevents the confidence of an uncalibrated model from deciding what is `other`."""
        cold, warm = prose("a tide", "a tide")
        classifier(FakeEncoder((0, 4, 0), temperature=1))([cold])
        classifier(FakeEncoder((0, 4, 0), temperature=4))([warm])
        assert cold.features["category_probability"] == pytest.approx(0.965, abs=1e-3)
        assert warm.features["category_probability"] == pytest.approx(0.576, abs=1e-3)

    def test_a_label_that_is_not_believed_is_other(self) -> None:
        """Prevents a guess from being kept, dropped and mixed as if it were known."""
        sure, unsure = prose("sure", "unsure")
        classifier(FakeEncoder((3, 0, 0), (0.1, 0, 0)), min_probability=0.4)([sure, unsure])
        assert (sure.category, unsure.category) == ("book", "other")
        assert unsure.features["category_probability"] == pytest.approx(0.356, abs=1e-3)
        classifier(FakeEncoder((0.1, 0, 0)), min_probability=0)([unsure])
        assert unsure.category == "book"

    def test_code_goes_without_the_model(self) -> None:
        """Prevents a model of prose from being asked, and paid, for what the format says already."""
        encoder = FakeEncoder((0, 0, 5))
        documents = prose("one", "x = 1", "two")
        documents[1].format = "code"
        classifier(encoder)(documents)
        assert encoder.asked == [["one", "two"]]
        assert [each.category for each in documents] == ["news", "code", "news"]
        assert documents[1].features["category_probability"] == 1
        assert "judge.quality" not in documents[1].features
        classifier(encoder)([documents[1]])
        assert len(encoder.asked) == 1

    def test_formats_are_configurable(self) -> None:
        """Prevents a log from being a book where somebody knows better."""
        (document,) = prose("12:00 started")
        document.format = "log"
        classifier(FakeEncoder((9, 0, 0)), formats={"log": "log"})([document])
        assert document.category == "log"

    def test_a_document_that_comes_again_has_no_labels_of_before(self) -> None:
        """Prevents the probabilities of two model versions from standing side by side."""
        (document,) = prose("a tide")
        classifier(FakeEncoder((9, 0, 0)))([document])
        classifier(FakeEncoder((0, 0, 9)))([document])
        assert [name for name in document.features if name.startswith("category.")] == ["category.news"]


class TestScores:
    def test_every_score_of_the_same_look_stays(self) -> None:
        """Prevents the scorer, and a recipe by difficulty, from needing a second pass."""
        documents = prose("one", "two", "three")
        encoder = FakeEncoder((0, 0, 1))
        classifier(encoder)(documents)
        assert [each.features["judge.quality"] for each in documents] == [-1, 0, 1]
        assert [each.features["judge.difficulty"] for each in documents] == [0, 10, 20]
        assert len(encoder.asked) == 1
        assert not any(each.HasField("score") for each in documents)


class TestSettings:
    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ({"min_probability": 1.5}, "0..1"),
            ({"min_probability": "nan"}, "0..1"),
            ({"formats": {"code": ""}}, "maps a format to a category"),
            ({"model": ""}, "model and head"),
            ({"inference": {"windows": 0}}, "windows"),
            ({"labels": 3}, "has no setting labels"),
        ],
    )
    def test_a_wrong_setting_says_what_is_wrong(self, values: dict[str, Any], says: str) -> None:
        """Prevents a service from starting with settings that cannot be meant."""
        with pytest.raises(ConfigurationError, match=says):
            configure("classifier", ClassifierConfig, values)

    def test_a_model_without_the_head_says_what_it_has(self) -> None:
        """Prevents a KeyError at the first batch."""
        with pytest.raises(ConfigurationError, match=r"no head 'topic'.*: category \(classes\), quality"):
            classifier(FakeEncoder((0,)), head="topic")
        with pytest.raises(ConfigurationError, match="no head 'quality' of kind classes"):
            classifier(FakeEncoder((0,)), head="quality")


class Counting:
    """An encoder of the stand-in that counts what it is asked."""

    def __init__(self, encoder: Encoder) -> None:
        self.description = encoder.description
        self.asked = 0
        self._encoder = encoder

    def judge(self, texts: list[str]) -> Judged:
        self.asked += len(texts)
        return self._encoder.judge(texts)


class TestRealModel:
    """The stand-in of services.inference on a tiny model."""

    @pytest.fixture
    def models(self, tmp_path: Path) -> Path:
        tiny_model.make(tmp_path, versions=[1, 5])
        return tmp_path

    def build(self, models: Path, **inference: int) -> Classifier:
        values = {"models": str(models), "inference": inference} | SERVICE.offline
        config = configure("classifier", ClassifierConfig, values)
        return SERVICE.build(config, Resources(Settings()))  # type: ignore[return-value]

    def test_over_the_stand_in(self, models: Path) -> None:
        """Prevents the seam from being right with the fake only; any text, the empty one too."""
        documents = prose("潮水一天涨落两次。", "The tide comes in.", "", "\n \t", "x" * 10_000, "𝛼\u202e\0")
        verdicts = verdicts_of(SERVICE, self.build(models), documents)
        assert all(isinstance(verdict, Emit) for verdict in verdicts)
        assert {each.category for each in documents} <= {*tiny_model.LABELS, "other"}
        assert all(np.isfinite(each.features["judge.quality"]) for each in documents)
        assert {each.features["judge_version"] for each in documents} == {5}

    def test_the_batch_does_not_change_a_verdict(self, models: Path) -> None:
        """Prevents padding, or a neighbour's row, from deciding; a redelivered batch is cut otherwise."""
        texts = [("tide " * n + "潮水") for n in range(1, 60, 7)]
        judge = self.build(models)
        together, alone = prose(*texts), prose(*texts)
        judge(together)
        for each in reversed(alone):
            judge([each])
        for one, other in zip(together, alone, strict=True):
            assert one.category == other.category
            assert one.features["judge.quality"] == pytest.approx(other.features["judge.quality"], abs=1e-4)

    def test_head_and_tail_of_a_long_document_count(self, models: Path) -> None:
        """Prevents the menu at its head from deciding about a book; its middle is looked at if wanted."""
        filler = "tide " * 3000
        head, tail = "alpha beta gamma " * 30, "omega psi chi " * 30
        texts = [head + filler + tail, filler * 2, head + filler + filler, filler + filler + tail]
        middle = filler + "delta kappa " * 40 + filler
        odd = "tide " * 1000 + "delta kappa " * 10 + "tide " * 5000
        plain = "tide " * 6024
        found = prose(*texts, middle, odd, plain)
        self.build(models)(found)
        scores = [round(each.features["judge.quality"], 4) for each in found]
        assert len(set(scores[:4])) == 4
        assert len(set(scores[4:])) == 1
        more = prose(*texts, middle, odd, plain)
        self.build(models, windows=3)(more)
        scores = [round(each.features["judge.quality"], 4) for each in more]
        assert len(set(scores[:5])) == 5
        assert scores[5] == scores[6]
        few = prose(*texts)
        self.build(models, windows=1)(few)
        ones = [round(each.features["judge.quality"], 4) for each in few]
        assert ones[0] == ones[2]
        assert ones[1] == ones[3]
        assert ones[0] != ones[1]

    def test_classifier_then_scorer_is_one_pass_and_one_score(self, models: Path) -> None:
        """Prevents the two units from disagreeing, and from costing two inferences."""
        encoder = Counting(Encoder.open("onnx:", models, "judge"))
        documents = prose(*(f"the tide {n}" for n in range(30)))
        Classifier(encoder, ClassifierConfig())(documents)  # type: ignore[arg-type]
        config = ScorerConfig(models=models, triton_url="onnx:")
        alone = prose(*(each.text for each in documents))
        SCORER.build(config, Resources(Settings()))(alone)
        missing = ScorerConfig(models=models / "none", triton_url="onnx:")
        SCORER.build(missing, Resources(Settings()))(documents)  # would raise if it opened the model
        assert encoder.asked == 30
        assert [each.score for each in documents] == pytest.approx([each.score for each in alone], abs=1e-5)

    def test_a_model_that_is_not_there_says_so_at_once(self, tmp_path: Path) -> None:
        """Prevents a service from starting, taking partitions, and failing at the first batch."""
        with pytest.raises(ConfigurationError, match="no model judge"):
            self.build(tmp_path)


def test_it_stands_between_rules_and_scorer() -> None:
    """Prevents the judges from being left out of the river, or torn apart: they share one process."""
    river = Topology.load(None, ["zh", "en"])
    assert ["classifier", "scorer"] in river.processes
    assert river.chain(["rules", "sentences", "classifier", "scorer", "tokenizer"]).name == "rules"
    assert river.service("tokenizer").inputs == ("docs.scored",)
