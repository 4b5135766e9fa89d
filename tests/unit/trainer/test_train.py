"""The loop: it learns, resumes, ends and says why; what is wrong is one line and loses nothing."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

torch = pytest.importorskip("torch")

from tests.training import VOCABULARY_SIZE, make_part, name_of, tree  # noqa: E402
from trainer import checkpoint, metrics, report, train  # noqa: E402
from trainer.config import TrainConfig, load  # noqa: E402
from trainer.data.store import Store  # noqa: E402
from trainer.errors import CheckpointError, ConfigError, DataError  # noqa: E402
from trainer.events import read as events_of  # noqa: E402
from trainer.replay import digest  # noqa: E402
from trainer.steplog import read  # noqa: E402


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Eight parts of sixteen sequences: sixteen global batches."""
    for number in range(8):
        make_part(tmp_path / "store", number)
    return tmp_path / "store"


def _config(store: Path, **over: Any) -> TrainConfig:
    path = store.parent / "train.yaml"
    path.write_text(yaml.safe_dump(tree(store, **over)))
    return load(path)


def _weights(store: Path, step: int | None = None) -> str:
    return digest(checkpoint.load_model(Store(str(store)), "tiny", step)[0])


def _rows(store: Path) -> list[Any]:
    return list(read(Store(str(store)), "tiny"))


def test_it_learns_and_says_so(store: Path) -> None:
    said: list[str] = []
    ended = train.train(_config(store, optimizer__learning_rate=0.02), said.append)
    assert (ended.why, ended.step) == ("done", 16)
    assert ended.loss < math.log(VOCABULARY_SIZE) - 0.5
    assert sum("loss" in line and "tokens/s" in line for line in said) == 16
    assert set(ended.unigrams) == {"all", "en", "zh"}
    curve = report.curve(Store(str(store)), "tiny")
    for bucket, points in curve.by_bucket.items():
        assert points[-1][1] < ended.unigrams[bucket] - 0.3, "more is learned than how often tokens come"
    assert sum(ended.tokens.values()) == sum(row.tokens for row in _rows(store))
    kinds = [event.kind for event in events_of(Store(str(store)), "tiny")]
    assert kinds[0] == "start"
    assert kinds[-1] == "end"
    assert kinds.count("step") == 16
    assert {"phase", "checkpoint"} <= set(kinds)


def test_the_loss_is_the_mean_over_the_targets_of_the_whole_global_batch(store: Path) -> None:
    train.train(_config(store), lambda line: None)
    rows = [row for row in _rows(store) if row.step == 1]
    assert [row.boundary for row in rows] == [False, False, False, True]
    model = torch.manual_seed(0) and train.Decoder(_config(store).model)
    loader = train.Loader(Store(str(store)), _config(store).data)
    batches = next(loader).batches
    loader.close()
    total, targets = 0.0, 0
    for batch in batches:
        _, losses = model(batch.tokens, batch.positions, batch.documents, batch.targets)
        total, targets = total + float(losses.sum()), targets + int((batch.targets >= 0).sum())
    assert rows[0].loss == pytest.approx(total / targets, rel=1e-5)


def test_how_a_global_batch_is_cut_into_micro_batches_changes_rounding_alone(store: Path) -> None:
    found = []
    for size in (1, 8):
        config = _config(store, steps=1, run=f"by-{size}", data__micro_batch_size=size)
        train.train(config, lambda line: None)
        rows = list(read(Store(str(store)), config.run))
        assert len(rows) == 8 // size
        found.append((rows[0].loss, rows[0].gradient_norm))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_it_goes_on_where_it_ended_and_a_run_that_is_done_says_so(store: Path, tmp_path: Path) -> None:
    whole = tmp_path / "other" / "store"
    for number in range(8):
        make_part(whole, number)
    train.train(_config(whole), lambda line: None)
    said: list[str] = []
    train.train(_config(store, steps=7), said.append)
    ended = train.train(_config(store), said.append)
    assert (ended.why, ended.step) == ("done", 16)
    assert "run tiny goes on from the checkpoint of step 7" in said
    assert _weights(store) == _weights(whole)
    rows = len(_rows(store))
    said.clear()
    ended = train.train(_config(store), said.append)
    assert (ended.why, ended.step) == ("done", 16)
    assert any("run tiny is done: 16 steps" in line for line in said)
    assert len(_rows(store)) == rows


def test_the_decay_begins_with_the_first_sample_of_its_phase_and_goes_on_after_a_resume(
    tmp_path: Path,
) -> None:
    store = tmp_path / "store"
    for number in range(4):
        make_part(
            store, number, sequences=13 if number == 1 else 16, phase="stable" if number < 2 else "anneal"
        )
    # 29 sequences of the stable phase: the fourth global batch of eight has five of them and three others.
    over = {"schedule__decay_at": 0, "schedule__decay_steps": 4, "checkpoint__every": 1}
    train.train(_config(store, steps=5, **over), lambda line: None)
    ended = train.train(_config(store, steps=30, **over), lambda line: None)
    assert ended.step == 7
    rates = {row.step: row.learning_rate / 0.003 for row in _rows(store)}
    assert rates == pytest.approx({1: 1 / 3, 2: 2 / 3, 3: 1, 4: 0.75, 5: 0.5, 6: 0.25, 7: 0})


def test_without_more_parts_it_ends_with_a_checkpoint_and_goes_on_when_they_come(store: Path) -> None:
    ended = train.train(_config(store, steps=100, schedule__decay_at=90), lambda line: None)
    assert (ended.why, ended.step) == ("starved", 16)
    assert checkpoint.complete(Store(str(store)), "tiny")[-1] == 16
    make_part(store, 8)
    ended = train.train(_config(store, steps=100, schedule__decay_at=90), lambda line: None)
    assert ended.step == 18


def test_a_signal_ends_it_after_the_step_with_a_checkpoint(store: Path) -> None:
    def say(line: str) -> None:
        if line.startswith("step      4"):
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    ended = train.train(_config(store), say)
    assert (ended.why, ended.step) == ("stopped", 4)
    assert checkpoint.complete(Store(str(store)), "tiny")[-1] == 4
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_ends_the_wait_for_parts(store: Path) -> None:
    def say(line: str) -> None:
        if line.startswith("step     16"):
            signal.setitimer(signal.ITIMER_REAL, 0.3)

    def alarm(_number: int, _frame: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGALRM, alarm)
    try:
        config = _config(store, steps=100, schedule__decay_at=90)
        ended = train.train(replace(config, data=replace(config.data, wait_s=60.0)), say)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert (ended.why, ended.step) == ("stopped", 16)


def test_a_part_that_is_cut_ends_the_run_in_one_line_and_what_was_done_is_kept(store: Path) -> None:
    with (store / "parts" / f"{name_of(5)}.bin").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(DataError, match=rf"{name_of(5)}.*\.bin") as caught:
        train.train(_config(store), lambda line: None)
    assert len(str(caught.value).splitlines()) == 1
    assert checkpoint.complete(Store(str(store)), "tiny")[-1] == 10
    make_part(store, 5)
    assert train.train(_config(store), lambda line: None).step == 16


def test_a_checkpoint_of_another_shape_is_refused_in_one_line(store: Path) -> None:
    train.train(_config(store, steps=1), lambda line: None)
    with pytest.raises(CheckpointError, match=r"model.num_layers 2 \(the config says 3\)") as caught:
        train.train(_config(store, model__num_layers=3), lambda line: None)
    assert len(str(caught.value).splitlines()) == 1


def test_no_catalog_yet_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no parts for one global batch of 8 sequences yet"):
        train.train(_config(tmp_path / "store"), lambda line: None)


def test_a_vocabulary_whose_size_nobody_says_is_told(store: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not say how many ids .* set data.vocabulary_size"):
        train.train(_config(store, model__vocab_size=0), lambda line: None)


def test_a_wrong_vocabulary_makes_no_run_and_may_be_corrected(store: Path) -> None:
    """Prevents a checkpoint of step 0 that refuses the corrected config."""
    with pytest.raises(DataError):
        train.train(_config(store, data__vocabulary="another"), lambda line: None)
    assert train.train(_config(store, steps=2), lambda line: None).step == 2


def test_a_step_that_the_detector_refuses_changes_nothing_and_is_logged(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(train.Detector):
        def observe(self, loss: Any, norm: Any) -> Any:
            return torch.ones(()) if self.calls() == 3 else torch.zeros(())

        def calls(self) -> int:
            self._calls = getattr(self, "_calls", 0) + 1
            return self._calls

    monkeypatch.setattr(train, "Detector", Refusing)
    said: list[str] = []
    train.train(_config(store, steps=4, checkpoint__every=1, checkpoint__keep_last=9), said.append)
    assert _weights(store, 2) == _weights(store, 3)
    assert _weights(store, 3) != _weights(store, 4)
    assert {row.step for row in _rows(store) if row.skipped} == {3}
    assert any(line.startswith("step 3 is skipped") for line in said)
    assert "skip" in {event.kind for event in events_of(Store(str(store)), "tiny")}


def test_metrics_are_there(store: Path) -> None:
    from prometheus_client import generate_latest

    before = metrics.TOKENS._value.get()
    train.train(_config(store, steps=3), lambda line: None)
    text = generate_latest().decode()
    assert "corpusworks_train_step 3.0" in text
    assert 'corpusworks_train_bucket_loss{bucket="en"}' in text
    assert metrics.TOKENS._value.get() - before == 3 * 8 * 64


def test_the_command_says_what_is_wrong_and_ends_with_its_code(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _config(store)
    path = str(store.parent / "train.yaml")
    with pytest.raises(SystemExit) as ended:
        train.main(["--config", path, "--set", "data.batch_sise=8"])
    assert ended.value.code == 2
    assert "did you mean batch_size" in capsys.readouterr().err
    train.main(["--config", path, "--set", "steps=2"])
    assert "run tiny ends at step 2" in capsys.readouterr().out
