from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from services.cli.app import app
from trainer.bert.commands import EXIT_USAGE


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["judge", *map(str, arguments)])


def test_train_evaluate_and_export(tmp_path: Path, data: Path, tiny: dict[str, Any]) -> None:
    """Prevents an option from reaching another parameter than its own."""
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "out"
    recipe.write_text(yaml.safe_dump(tiny | {"fit": {"epochs": 1}}))
    texts = tmp_path / "more.jsonl"
    texts.write_text('{"text": "lighthouse keeper"}\n')
    trained = call(
        "train", data, "--recipe", recipe, "--out", out, "--texts", texts, "--device", "cpu", "--name", "n"
    )
    assert trained.exit_code == 0, trained.output
    assert "## topic" in trained.output
    measured = call("evaluate", out, data, "--recipe", recipe, "--part", "test", "--out", tmp_path / "report")
    assert measured.exit_code == 0, measured.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["heads"]["topic"] == json.loads((out / "report.json").read_text())["heads"]["topic"]
    notes, models = tmp_path / "notes.md", tmp_path / "models"
    notes.write_text("Weak on lighthouses.")
    exported = call("export", out, "--repository", models, "--notes", notes, "--max-batch-size", 8)
    assert exported.exit_code == 0, exported.output
    assert "int8 against fp32" in exported.output
    assert str(models / "n" / "1") in exported.output
    assert json.loads((models / "n" / "model.json").read_text())["max_batch_size"] == 8
    assert "Weak on lighthouses." in (models / "n" / "card.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "none.jsonl", "--recipe", "none.yaml", "--out", "o"), "recipe none.yaml cannot be read"),
        (("evaluate", "none", "none.jsonl"), "none is neither the --out"),
        (("export", "none", "--repository", "r"), "none/model holds no trained model"),
        (("export", "none", "--repository", "r", "--notes", "n.md"), "n.md cannot be read"),
        (("label", "a", "--out", "o", "--url", "x", "--model", "m"), "http:// or https://"),
        (("label", "none", "--out", "o", "--url", "http://x/v1", "--model", "m"), "none: cannot be read"),
    ],
)
def test_mistakes_end_in_one_line(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a stack trace where a line says what to do."""
    monkeypatch.chdir(tmp_path)
    found = call(*arguments)
    assert found.exit_code == EXIT_USAGE
    assert says in found.output
    assert "Traceback" not in found.output


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path, tiny: dict[str, Any]
) -> None:
    """Prevents ModuleNotFoundError from being the answer on a machine without torch."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(tiny))
    for name in list(sys.modules):
        if name.startswith("trainer.bert.") and name != "trainer.bert.commands":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    found = call("train", data, "--recipe", recipe, "--out", tmp_path / "out")
    assert found.exit_code == EXIT_USAGE
    assert "pip install 'corpusworks[judge]'" in found.output
    label = call(
        "label",
        data,
        "--out",
        tmp_path / "l.jsonl",
        "--url",
        "http://127.0.0.1:1/v1",
        "--model",
        "m",
        "--retries",
        0,
    )
    assert "does not answer" in label.output


def test_the_key_comes_from_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a secret from standing in the list of processes."""
    assert "--key" not in call("label", "--help").output
