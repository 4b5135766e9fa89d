"""`up --train`: a model is trained on parts while the river seals more, and stopped with it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.corpus import write_jsonl
from tests.e2e.commands import left_running, start

pytest.importorskip("torch")
pytestmark = pytest.mark.stack

SETTINGS = {
    "CORPUSWORKS_UNITS__SINK__SEQUENCE_LENGTH": "128",
    "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "4000",
    "CORPUSWORKS_UNITS__SINK__SEAL_AGE_S": "2",
    "CORPUSWORKS_LANES": "1",
}
RECIPE = {"buckets": {"all": "true"}, "phases": [{"name": "stable", "weights": {"all": 1}}]}
TRAIN = {
    "run": "tiny",
    "steps": 100_000,
    "model": {"dim": 16, "num_layers": 1, "num_heads": 2},
    "data": {"store": "replaced", "batch_size": 2, "micro_batch_size": 2},
    "optimizer": {"learning_rate": 0.003},
    "schedule": {"warmup_steps": 3, "decay_steps": 5},
    "checkpoint": {"every": 1000},
    "log_every": 1,
    "device": "cpu",
    "threads": 1,
}


def events(out: Path) -> list[dict[str, Any]]:
    paths = sorted((out / "train/tiny/events").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_a_trainer_runs_beside_the_river_and_ends_before_it(tmp_path: Path) -> None:
    """Prevents: a trainer that outlives `up`, or leaves no checkpoint; events that Kafka never hears."""
    out, source = tmp_path / "out", write_jsonl(tmp_path / "made.jsonl", 200, seed=3)
    for name, tree in (("recipe.yaml", RECIPE), ("train.yaml", TRAIN)):
        (tmp_path / name).write_text(yaml.safe_dump(tree))
    arguments: list[str | Path] = [
        "--recipe",
        tmp_path / "recipe.yaml",
        "--train",
        tmp_path / "train.yaml",
        "--set",
        "data.seed=5",
    ]
    process = start("up", "--out", out, source, *arguments, settings=SETTINGS)

    def until(what: str, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 150
        while not holds():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, what
            time.sleep(0.1)

    try:
        until("it trains", lambda: any(event["kind"] == "step" for event in events(out)))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 130, told
    said = events(out)
    assert (said[0]["kind"], said[-1]["kind"], said[-1]["detail"]) == ("start", "end", "stopped")
    assert (out / f"train/tiny/checkpoints/step-{said[-1]['step']:09d}/complete.json").exists()
    followed = json.loads((out / "train/tiny/followed.json").read_text())
    assert followed["next"] == len(said), "the last words too were forwarded, before Kafka was stopped"
    assert followed["parts"], "it knows how far the trainer is"
    assert yaml.safe_load((out / "train/tiny/config.yaml").read_text())["data"]["seed"] == 5
    assert left_running(out) == []
