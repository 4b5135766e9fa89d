"""Checkpoints: whole or not at all, of this run or refused."""

from __future__ import annotations

import errno
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tests.training import VOCABULARY, VOCABULARY_SIZE  # noqa: E402
from trainer import checkpoint  # noqa: E402
from trainer.checkpoint import Checkpoints, Learned  # noqa: E402
from trainer.config import (  # noqa: E402
    CheckpointConfig,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainConfig,
)
from trainer.data.store import Store  # noqa: E402
from trainer.errors import CheckpointError  # noqa: E402
from trainer.model import Decoder  # noqa: E402
from trainer.optimizer import Optimizer  # noqa: E402
from trainer.parallel import Place  # noqa: E402
from trainer.shards import reason  # noqa: E402
from trainer.spikes import Detector  # noqa: E402

HERE = Place(torch.device("cpu"))
CONFIG = TrainConfig(
    run="tiny",
    model=ModelConfig(dim=16, num_layers=1, num_heads=2, vocab_size=VOCABULARY_SIZE),
    data=DataConfig(store="somewhere", batch_size=2, micro_batch_size=1, vocabulary=VOCABULARY),
    optimizer=OptimizerConfig(learning_rate=0.01),
    schedule=ScheduleConfig(warmup_steps=0, decay_steps=1),
    checkpoint=CheckpointConfig(every=1, keep_last=2, keep_every=10),
    steps=10,
)


class Network(Store):
    """A store whose objects are no files, as S3's: they are sent whole and read by ranges."""

    folder = None  # type: ignore[assignment]


@pytest.fixture(params=[Store, Network])
def store(request: Any, tmp_path: Path) -> Store:
    """In a folder, and as if on the network."""
    found: Store = request.param(str(tmp_path / "store"))
    return found


def _learned(seed: int, window: int = 8) -> Learned:
    torch.manual_seed(seed)
    model = Decoder(CONFIG.model)
    learned = Learned(model, Optimizer(model, CONFIG.optimizer), Detector(window=window, least=4))
    _train(learned)
    return learned


def _train(learned: Learned) -> None:
    tokens = torch.randint(VOCABULARY_SIZE, (1, 8))
    positions = torch.arange(8)[None]
    loss, _ = learned.model(tokens, positions, None, tokens.roll(-1), 1.0)
    loss.backward()
    learned.detector.observe(loss.detach(), torch.ones(()))
    learned.optimizer.update(0.01, torch.zeros(()))
    learned.optimizer.zero_grad()


def _tensors(learned: Learned) -> dict[str, torch.Tensor]:
    found = dict(learned.model.state_dict()) | learned.detector.state_dict()
    for index, state in learned.optimizer.state_dict()["state"].items():
        found |= {f"{index}.{name}": value for name, value in state.items()}
    return {name: value.clone() for name, value in found.items()}


def _same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _checkpoints(store: Store, said: list[str] | None = None, **over: Any) -> Checkpoints:
    config = replace(CONFIG.checkpoint, **over)
    say = (said if said is not None else []).append
    return Checkpoints(store, "tiny", config, place=HERE, say=say)


def _about(**more: Any) -> dict[str, Any]:
    return {"identity": checkpoint.identity(CONFIG)} | more


def test_what_was_saved_comes_back_bit_for_bit_although_training_went_on(store: Store) -> None:
    learned, checkpoints = _learned(1), _checkpoints(store)
    before = _tensors(learned)
    checkpoints.save(7, learned, _about(data={"index": 3}))
    _train(learned)  # while it is being written
    checkpoints.close()
    assert not _same(before, _tensors(learned))
    found = _checkpoints(store).newest()
    assert found is not None
    assert (found.step, found.about["data"]) == (7, {"index": 3})
    other = _learned(2)
    _checkpoints(store).load(found, other)
    assert _same(before, _tensors(other))


def test_both_go_on_alike_from_it(store: Store) -> None:
    learned, other = _learned(1), _learned(2)
    checkpoints = _checkpoints(store)
    checkpoints.save(1, learned, _about())
    _train(learned)
    found = checkpoints.newest()
    assert found is not None
    checkpoints.load(found, other)  # with the generators' state
    _train(other)
    assert _same(_tensors(learned), _tensors(other))


def test_the_weights_alone_are_read_without_a_run(store: Store) -> None:
    learned, checkpoints = _learned(1), _checkpoints(store)
    older = {name: value.clone() for name, value in learned.model.state_dict().items()}
    checkpoints.save(1, learned, _about())
    _train(learned)
    checkpoints.save(2, learned, _about())
    checkpoints.close()
    assert checkpoint.load_model(store, "tiny")[1].step == 2
    assert _same(checkpoint.load_model(store, "tiny", 1)[0], older)
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 9 .*it has: 1, 2"):
        checkpoint.load_model(store, "tiny", 9)
    with pytest.raises(CheckpointError, match="run other has no complete checkpoint"):
        checkpoint.load_model(store, "other")


def test_the_last_ones_and_every_tenth_stay(store: Store) -> None:
    learned, checkpoints = _learned(1), _checkpoints(store)
    for step in (9, 10, 11, 12, 13):
        checkpoints.save(step, learned, _about())
    checkpoints.close()
    assert checkpoint.complete(store, "tiny") == [10, 12, 13]
    assert not [key for key in store.list("train/tiny") if "000011" in key]


def test_one_that_a_kill_left_half_written_is_never_taken_and_goes_away(store: Store) -> None:
    learned, checkpoints = _learned(1), _checkpoints(store)
    for step in (1, 2):
        checkpoints.save(step, learned, _about())
    checkpoints.close()
    torn = checkpoint.key_of("tiny", 2)
    store.delete([f"{torn}/complete.json"])
    found = _checkpoints(store).newest()
    assert found is not None
    assert found.step == 1
    checkpoints.save(3, learned, _about())
    checkpoints.close()
    assert not list(store.list(torn))


def test_one_whose_file_was_cut_is_passed_over_with_a_line(tmp_path: Path) -> None:
    store, said = Store(str(tmp_path)), list[str]()
    learned, checkpoints = _learned(1), _checkpoints(store, said)
    for step in (1, 2):
        checkpoints.save(step, learned, _about())
    checkpoints.close()
    with (tmp_path / checkpoint.key_of("tiny", 2) / "__0_0.distcp").open("r+b") as file:
        file.truncate(100)
    found = checkpoints.newest()
    assert found is not None
    assert found.step == 1
    assert len(said) == 1
    assert "step 2 is passed over" in said[0]


def test_one_of_another_shape_vocabulary_or_order_is_refused_in_one_line(tmp_path: Path) -> None:
    checkpoints = _checkpoints(Store(str(tmp_path)))
    checkpoints.save(1, _learned(1), _about())
    found = checkpoints.newest()
    assert found is not None
    checkpoint.check(found, CONFIG)
    other = replace(
        CONFIG,
        model=replace(CONFIG.model, dim=32),
        data=replace(CONFIG.data, vocabulary="another", seed=3),
    )
    with pytest.raises(CheckpointError) as caught:
        checkpoint.check(found, other)
    (line,) = str(caught.value).splitlines()
    for told in ("model.dim 16 (the config says 32)", "data.seed 0 (", "data.vocabulary made (", "run tiny"):
        assert told in line


def test_a_detector_of_another_window_begins_anew(tmp_path: Path) -> None:
    checkpoints = _checkpoints(Store(str(tmp_path)))
    checkpoints.save(1, _learned(1), _about())
    found = checkpoints.newest()
    assert found is not None
    other = _learned(2, window=16)
    before = other.detector.state_dict()
    checkpoints.load(found, other)
    assert _same(before, other.detector.state_dict())


def test_a_full_disk_is_one_line_and_the_next_is_tried(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    learned, checkpoints = _learned(1), _checkpoints(store, said)
    put = store.put

    def full(key: str, value: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", key)

    monkeypatch.setattr(store, "put", full)
    checkpoints.save(1, learned, _about())
    checkpoints.wait()
    assert len(said) == 1
    assert "no checkpoint of step 1: No space left on device" in said[0]
    assert not list(store.list("train")), "what was half written is removed"
    monkeypatch.setattr(store, "put", put)
    checkpoints.save(2, learned, _about())
    checkpoints.close()
    assert checkpoint.complete(store, "tiny") == [2]


class _Full(io.RawIOBase):
    """A file on a disk that has so many bytes left."""

    def __init__(self, room: int) -> None:
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)


@pytest.mark.parametrize("room", [0, 50, 1500])
def test_a_disk_that_fills_within_a_file_is_told_as_the_system_tells_it(room: int) -> None:
    """Prevents "unexpected pos 704 vs 598", which is what PyTorch's writer says of it."""
    with pytest.raises((OSError, RuntimeError)) as caught:
        torch.save({"weights": torch.zeros(300)}, _Full(room))
    assert reason(caught.value) == "No space left on device"


def test_a_folder_that_cannot_be_written_several_times_in_a_row_ends_the_run(tmp_path: Path) -> None:
    store, said = Store(str(tmp_path)), list[str]()
    learned, checkpoints = _learned(1), _checkpoints(store, said)
    (tmp_path / "train" / "tiny").mkdir(parents=True)
    (tmp_path / "train" / "tiny" / "checkpoints").write_text("in the way")
    for step in (1, 2, 3):
        checkpoints.save(step, learned, _about())
    with pytest.raises(CheckpointError, match="3 checkpoints in a row could not be written"):
        checkpoints.save(4, learned, _about())
    assert len(said) == 3
    with pytest.raises(CheckpointError, match="the last checkpoint could not be written"):
        checkpoints.close()


def test_a_rewind_undoes_later_ones_and_keeps_what_is_skipped(store: Store) -> None:
    learned, checkpoints = _learned(1), _checkpoints(store, keep_last=9)
    for step in (1, 2, 3, 4):
        checkpoints.save(step, learned, _about(data={"skipped": []}))
    found = checkpoints.newest(before=3)
    assert found is not None
    assert found.step == 2
    checkpoints.amend(found, {"data": {"skipped": [[8, 12]]}})
    assert checkpoint.complete(store, "tiny") == [1, 2]
    again = _checkpoints(store).newest()
    assert again is not None
    assert again.about["data"] == {"skipped": [[8, 12]]}
    assert again.about["files"] == found.about["files"]


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    store = Network(str(tmp_path / "store"))
    checkpoints = _checkpoints(store, folder=str(tmp_path / "temporary"))
    checkpoints.save(1, _learned(1), _about())
    checkpoints.close()
    assert not list((tmp_path / "temporary").iterdir())
    assert json.loads(store.get(f"{checkpoint.key_of('tiny', 1)}/complete.json"))["step"] == 1


def test_a_temporary_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("")
    checkpoints = _checkpoints(
        Network(str(tmp_path / "store")), said, folder=str(tmp_path / "file" / "below")
    )
    checkpoints.save(1, _learned(1), _about())
    checkpoints.wait()
    assert len(said) == 1
    assert "no checkpoint of step 1" in said[0]


def test_without_any_there_is_none(tmp_path: Path) -> None:
    assert _checkpoints(Store(str(tmp_path))).newest() is None
    shutil.rmtree(tmp_path / "train", ignore_errors=True)
