"""A configuration: what it may say, and that every fault in it is told at once, with its place."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from trainer.config import ModelConfig, TrainConfig, load, presets
from trainer.errors import ConfigError
from trainer.model import Decoder
from trainer.schema import Disagreement

MINIMAL = """\
run: first
model: 1m
steps: 10
data:
  store: demo
  batch_size: 8
  micro_batch_size: 2
optimizer: {learning_rate: 3e-4}
schedule: {warmup_steps: 2, decay_steps: 3}
checkpoint: {every: 5}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(MINIMAL)
    return path


def faults(path: Path | str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    return str(caught.value).splitlines()


def written(file: Path, old: str, new: str) -> Path:
    assert old in MINIMAL
    file.write_text(MINIMAL.replace(old, new))
    return file


def test_a_short_file_is_enough_and_the_rest_has_defaults(file: Path) -> None:
    config = load(file)
    assert config.model == load("1m").model
    assert config.optimizer.learning_rate == 3e-4  # which YAML reads as a word
    assert (config.data.wait_s, config.data.mask, config.schedule.decay_phases) == (
        math.inf,
        "document",
        ("anneal",),
    )


@pytest.mark.parametrize("name", presets())
def test_a_preset_is_whole_and_as_large_as_its_name_says(name: str) -> None:
    config = load(name)
    with torch.device("meta"):
        made = Decoder(load(name, ["model.vocab_size=256"]).model)
    wanted = float(name[:-1]) * {"m": 1e6, "b": 1e9}[name[-1]]
    assert made.num_parameters(embedding=False) == pytest.approx(wanted, rel=0.2)
    assert config.run == f"decoder-{name}"
    assert config.schedule.decay_at + config.schedule.decay_steps == config.steps


def test_the_presets_are_those_that_were_promised() -> None:
    assert presets() == ["1m", "5m", "30m", "125m", "350m", "1b", "3b", "7b"]


def test_overrides_win_over_the_file_and_later_ones_over_earlier_ones(file: Path) -> None:
    config = load(
        file, ["data.batch_size=4", "model=5m", "model.dim=512", "data.batch_size=6", "data.wait_s=inf"]
    )
    assert (config.data.batch_size, config.model.dim, config.model.num_layers) == (6, 512, 6)
    assert load(file, ["schedule.decay_phases=[anneal, last]"]).schedule.decay_phases == ("anneal", "last")


def test_all_faults_are_told_at_once_each_with_line_key_and_nearest_name(file: Path) -> None:
    written(file, "  batch_size: 8\n", "  batch_sise: 8\n  seed: -1\n  mask: documents\n")
    file.write_text(file.read_text().replace("run: first", "run: First Run").replace("every", "evry"))
    told = faults(file, "precision=fp16", "model.num_heads=3")
    assert len(told) == 9
    for expected in (
        f"{file}:1: run: ",
        f"{file}:6: data.batch_sise: no such key; did you mean batch_size?",
        f"{file}:7: data.seed: should be greater than or equal to 0 (-1 was given)",
        f"{file}:8: data.mask: no mask is called documents; did you mean document?",
        f"{file}:4: data.batch_size: is missing",
        f"{file}:12: checkpoint.evry: no such key; did you mean every?",
        f"{file}:12: checkpoint.every: is missing",
        "--set precision=fp16: precision: no precision is called fp16; did you mean bfloat16?",
        "--set model.num_heads=3: model.num_heads: 3 heads do not divide dim 128",
    ):
        assert any(line.startswith(expected) for line in told), expected


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("model.num_kv_heads=3", "model.num_kv_heads: 3 do not divide the 4 heads"),
        ("model.num_heads=128", "model.num_heads: a head is 1 wide"),
        ("model.dim=0", "model.dim: should be greater than or equal to 1"),
        ("model.dim=true", "model.dim: should be a valid integer"),
        ("model.dim=1e3", "model.dim: should be a valid integer"),
        ("model=6m", "model: no model is called 6m; did you mean"),
        ("model=7", "model: should be keys and values"),
        ("data.micro_batch_size=3", "data.micro_batch_size: 3 does not divide batch_size 8"),
        ("data.store=''", "data.store: "),
        ("data.wait_s=.nan", "data.wait_s: "),
        ("optimizer.learning_rate=0", "optimizer.learning_rate: should be greater than 0"),
        ("optimizer.learning_rate=.inf", "optimizer.learning_rate: should be a finite number"),
        ("optimizer.betas=[0.9]", "optimizer.betas"),
        ("optimizer.betas=[0.9, 1]", "optimizer.betas.1: should be less than 1"),
        ("optimizer=3", "optimizer: should be keys and values, indented below it"),
        ("schedule.decay_at=1", "schedule.decay_at: the warm-up lasts to step 2"),
        ("schedule.final=2", "schedule.final: should be less than or equal to 1"),
        ("stability.least=200", "stability.least: 200 steps never fit into a window of 128"),
        ("stability.rewind_after=9", "stability.rewind_after: 9 skips never fit into 8 steps"),
        ("mixing.bound=1", "mixing.bound: should be less than 1"),
        ("precision=float16", "precision: no precision is called float16"),
        ("compile=1", "compile: should be a valid boolean"),
        ("metrics_port=70000", "metrics_port: "),
        ("start.pieces=p.json", "start.pieces: needs start.folder"),
        ("data", "should be KEY=VALUE"),
        ("data.seed=[", ""),
        ("nothing.here=1", "nothing: no such key"),
    ],
)
def test_what_cannot_be_is_refused_and_names_the_option(file: Path, override: str, told: str) -> None:
    (line,) = faults(file, override)
    assert line.startswith(f"--set {override}: {told}")


def test_rows_fewer_than_the_vocabulary_are_refused(file: Path) -> None:
    assert "too few" in faults(file, "model.vocab_size=100", "data.vocabulary_size=101")[0]
    assert load(file, ["model.vocab_size=128", "data.vocabulary_size=101"]).model.vocab_size == 128


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "train.yaml: run: is missing"),
        ("run: [", "train.yaml:1: this is no YAML"),
        ("- run", "train.yaml: should be a mapping"),
        (MINIMAL + "steps: 11\n", "train.yaml:3: steps: stands in line 11 once more"),
        (MINIMAL + "day: 2026-99-99\n", "train.yaml: this is no YAML"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_line(file: Path, content: str, told: str) -> None:
    file.write_text(content)
    assert told in faults(file)[0]


def test_files_that_are_not_there_or_no_text(file: Path, tmp_path: Path) -> None:
    assert "no preset has this name; did you mean 125m?" in faults("126m")[0]
    file.write_bytes(b"run: \xff")
    assert "no UTF-8" in faults(file)[0]
    assert "cannot be read" in faults(tmp_path)[0]


def test_a_configuration_made_in_code_is_checked_between_its_values() -> None:
    with pytest.raises(Disagreement, match="3 heads do not divide dim 32"):
        ModelConfig(dim=32, num_layers=1, num_heads=3)
    assert ModelConfig(dim=512, num_layers=1, num_heads=8).mlp_dim == 1408
    assert TrainConfig.__dataclass_params__.frozen  # type: ignore[attr-defined]
