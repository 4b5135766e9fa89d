from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainer.bert.errors import JudgeError
from trainer.bert.recipe import FitConfig, HeadConfig, Recipe


def test_a_recipe_is_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "heads:\n"
        "  topic: {kind: classes, labels: [sea, star]}\n"
        "  worth: {kind: score, values: {good: 1, bad: 0}}\n"
        "pretrain: {fit: {epochs: 2}}\n"
        "fit: {learning_rate: 3.0e-4, max_seconds: 60}\n"
    )
    recipe = Recipe.load(path)
    assert recipe.heads["topic"] == HeadConfig("classes", labels=("sea", "star"))
    assert recipe.fit == FitConfig(learning_rate=3e-4, max_seconds=60)
    assert recipe.pretrain is not None
    assert recipe.pretrain.fit.epochs == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"heads": {}}, "name at least one head"),
        ({"heads": {"a b": {"kind": "classes"}}}, "a head's name is a word"),
        ({"heads": {"input_ids": {"kind": "score"}}}, "cannot be named input_ids"),
        ({"heads": {"a": {"kind": "class"}}}, "heads.a.kind"),
        ({"heads": {"a": {"kind": "classes", "feild": "b"}}}, "no such setting: heads.a.feild"),
        ({"heads": {"a": {"kind": "score", "low": 1, "high": 1}}}, "must be less than high"),
        ({"heads": {"a": {"kind": "score", "values": {"good": 2}}}}, "values of good lie outside"),
        ({"heads": {"a": {"kind": "score", "labels": ["x"]}}}, "labels is for heads of kind classes"),
        ({"heads": {"a": {"kind": "classes", "values": {"x": 1}}}}, "values is for heads of kind score"),
        ({"heads": {"a": {"kind": "classes", "labels": ["x", "x"]}}}, "holds a label twice"),
        ({"epochs": 3}, "no such setting: epochs"),
        ({"fit": {"lr": 3}}, "no such setting: fit.lr"),
        ({"fit": {"epochs": 0}}, "epochs must be more than 0"),
        ({"pretrain": {"fit": {"lr": 1}}}, "no such setting: pretrain.fit.lr"),
        ({"pretrain": {"masked": 0}}, "needs masked above 0, or a teacher"),
        ({"encoder": {"width": 30, "heads": 4}}, "width must be a multiple of heads"),
        ({"encoder": {"every": 0}}, "every must be more than 0"),
        ({"split": {"validation": 0.6, "test": 0.5}}, "leave something to train on"),
        ({"max_length": 4}, "max_length must lie in"),
        ({"fit": 3}, "fit"),
    ],
)
def test_a_wrong_recipe_is_refused_by_the_name_of_what_is_wrong(change: dict[str, Any], says: str) -> None:
    """Prevents a misspelt setting from being passed over, and hours of training by a default."""
    with pytest.raises(JudgeError) as caught:
        Recipe.of({"heads": {"topic": {"kind": "classes"}}} | change, "r.yaml")
    assert says in str(caught.value)
    assert "r.yaml" in str(caught.value)


@pytest.mark.parametrize("content", ["", "- 1", "fit: {}", "heads: [", "\x00"])
def test_what_is_no_recipe_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(content)
    with pytest.raises(JudgeError, match=r"r\.yaml"):
        Recipe.load(path)
    with pytest.raises(JudgeError, match="cannot be read"):
        Recipe.load(tmp_path / "none.yaml")


def test_the_digest_changes_with_the_recipe() -> None:
    """Prevents a checkpoint from being gone on with under another recipe."""
    heads = {"topic": {"kind": "classes"}}
    one, same, other = (Recipe.of({"heads": heads, "fit": {"seed": seed}}) for seed in (1, 1, 2))
    assert one.digest == same.digest != other.digest
