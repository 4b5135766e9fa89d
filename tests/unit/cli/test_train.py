"""`corpusworks train`: on the parts of a folder, and what it says at its end or instead."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli.train import app
from services.runtime import ConfigurationError

pytest.importorskip("torch")

from tests.training import VOCABULARY_SIZE, make_part

SMALL = ["device=cpu", "threads=1", "model.dim=16", "model.num_layers=1", "model.num_heads=2"]
SMALL += ["model.hidden_dim=32", f"data.vocabulary_size={VOCABULARY_SIZE}", "steps=4", "log_every=2"]


def _train(out: Path, *more: str) -> Any:
    settings = [word for each in SMALL for word in ("--set", each)]
    arguments = ["--out", str(out), "--wait", "0", *settings, *more]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.fixture
def river(tmp_path: Path) -> Path:
    """What `run` leaves, as far as a trainer reads it."""
    for number in range(2):
        make_part(tmp_path, number)
    return tmp_path


def test_it_trains_tells_losses_by_bucket_and_where_the_rest_is(river: Path) -> None:
    done = _train(river, "--run", "first")
    assert done.exit_code == 0, done.output
    assert "step      2" in done.stderr
    table = done.stdout.splitlines()
    heads = ["bucket", "tokens", "first", "loss", "last", "loss", "unigrams", "learned", "bits/byte"]
    assert table[0].split() == heads
    assert {line.split()[0] for line in table[1:]} == {"all", "en", "zh"}
    place = river / "train" / "first"
    assert f"checkpoint: {place}/checkpoints/step-000000004" in done.stderr
    assert (place / "checkpoints" / "step-000000004" / "complete.json").is_file()
    assert (place / "loss.png").read_bytes().startswith(b"\x89PNG")
    again = _train(river, "--run", "first", "--set", "steps=6")
    assert "goes on from the checkpoint of step 4" in again.stderr


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--set", "data.batch_sise=8"], 2, "did you mean batch_size"),
        (["--config", "2m"], 2, "no preset has this name"),
        (
            ["--set", "data.batch_size=64", "--set", "data.micro_batch_size=4"],
            1,
            "no parts for one global batch",
        ),
        (["--set", "data.vocabulary=another"], 1, "vocabulary made"),
    ],
)
def test_what_is_wrong_is_told_in_the_last_line(river: Path, more: list[str], code: int, told: str) -> None:
    done = _train(river, *more)
    assert done.exit_code == code, done.output
    line = done.stderr.splitlines()[-1]
    assert line.startswith("corpusworks: ")
    assert told in line


def test_a_folder_without_parts_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no parts"):
        _train(tmp_path)


def test_without_pytorch_it_says_what_to_install(river: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "trainer.train":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ConfigurationError, match=r"torch is not installed: pip install 'corpusworks\[trainer\]'"
    ):
        _train(river)
