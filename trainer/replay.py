"""Training once more: from a checkpoint over the same samples, bit for bit where the arithmetic is.

    python -m trainer.replay --store demo --run 5m --from 500 --to 700

takes the checkpoint of step 500, does the steps that the log tells of and prints the digest of the weights;
where there is a checkpoint of step 700, it has to be the same, else it exits with 1. The same step is what
proves which samples explain a spike (suspects.py): there it runs in the memory of the training itself.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Container, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from trainer import checkpoint
from trainer.agreement import Agreement
from trainer.checkpoint import Checkpoint, Checkpoints, Learned
from trainer.config import TrainConfig, load
from trainer.data.batch import IGNORED, Batch
from trainer.data.loader import Loader
from trainer.data.store import Store
from trainer.errors import CheckpointError, DataError, errors
from trainer.model import Decoder
from trainer.optimizer import Optimizer
from trainer.parallel import Place, prepare, process_group
from trainer.spikes import Detector
from trainer.steplog import Row, code_digest, read
from trainer.update import Update


class Taken(NamedTuple):
    """A step that was done: the indices of its whole global batch, in order."""

    number: int
    indices: Sequence[int]
    learning_rate: float


class Replayed(NamedTuple):
    """What a step measured. losses: (B, L) of each of this rank's micro-batches, in the order of batches."""

    number: int
    loss: float
    gradient_norm: float
    skipped: bool
    batches: list[Batch]
    losses: list[Tensor]


@dataclass(frozen=True)
class Replayer:
    """Does steps of a run again in the memory of the training; collective.

    It leaves the model where the last step has put it: load a checkpoint before training goes on.
    """

    checkpoints: Checkpoints
    found: Checkpoint
    learned: Learned
    update: Update
    loader: Loader
    place: Place

    def __call__(
        self,
        steps: Iterable[Taken],
        exclude: Container[int] = (),
        documents: Container[tuple[int, int]] = (),
    ) -> list[Replayed]:
        """From the checkpoint over `steps`, whose numbers follow it.

        exclude: indices of samples whose targets do not count; documents: (index, number in its sequence) of
        single documents likewise. Batches keep their shape, so that all else is computed as it was.
        """
        self.checkpoints.load(self.found, self.learned)
        done = []
        for step in steps:
            batches = [without(batch, exclude, documents) for batch in self.batches(step)]
            outcome = self.update(batches, step.learning_rate, self.learned.detector)
            done.append(
                Replayed(
                    step.number,
                    float(outcome.loss),
                    float(outcome.gradient_norm),
                    bool(outcome.skip),
                    batches,
                    [losses.cpu() for losses in outcome.losses],
                )
            )
        return done

    def batches(self, step: Taken) -> list[Batch]:
        """This rank's micro-batches of a step."""
        share = len(step.indices) // self.place.world_size
        begin = self.place.rank * share
        return self.loader.batches_of(list(step.indices[begin : begin + share]))


def without(batch: Batch, exclude: Container[int], documents: Container[tuple[int, int]]) -> Batch:
    """The same with targets that count for nothing where samples or single documents are excluded."""
    targets = batch.targets.clone()
    for row, index in enumerate(batch.indices):
        if index in exclude:
            targets[row] = IGNORED
        for number in range(len(batch.uids[row][0])):
            if (index, number) in documents:
                targets[row][batch.documents[row] == number] = IGNORED
    return batch._replace(targets=targets)


class Again(NamedTuple):
    """What a replay from the log came to. same: None where there is no checkpoint to compare with."""

    step: int
    digest: str
    same: bool | None


def replay(store_url: str, run: str, first: int, last: int) -> Again:
    """From the checkpoint of step `first` to after step `last`, with what the log says of the steps between.

    Raises CheckpointError, DataError where it cannot come out the same, saying why.
    """
    store = Store(store_url)
    config = _config_of(store, run, store_url)
    with ExitStack() as stack:
        place = stack.enter_context(process_group(config))
        found = checkpoint.find(store, run, first)
        rows = list(read(store, run, first + 1, last))
        _check(rows, found, first, last, place)
        model = prepare(Decoder(checkpoint.model_config(found)), config, place)
        learned = Learned(model, Optimizer(model, config.optimizer), _Decided())
        Checkpoints(store, run, config.checkpoint, place=place).load(found, learned)
        learned.optimizer.apply(config.optimizer)
        update = Update(
            model,
            learned.optimizer,
            config.optimizer.clip,
            place.device,
            Agreement(place),
            by_document=config.data.mask == "document",
            world_size=place.world_size,
        )
        loader = Loader(store, config.data, rank=place.rank, world_size=place.world_size)
        stack.callback(loader.close)
        for number, of_step in groupby(rows, key=lambda row: row.step):
            _step(number, [row for row in of_step if row.rank == place.rank], update, loader)
        mine = digest(model.state_dict())
    if last not in checkpoint.complete(store, run):
        return Again(last, mine, None)
    return Again(last, mine, mine == digest(checkpoint.load_model(store, run, last)[0]))


def digest(weights: dict[str, Tensor]) -> str:
    """Of all weights by their names, 32 hex digits; collective where they are sharded."""
    found = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name]
        whole = value.full_tensor() if isinstance(value, DTensor) else value
        found.update(name.removeprefix("module.").encode())
        found.update(whole.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:32]


class _Decided:
    """Stands for the detector: whether a step was skipped is in the log."""

    skip = 0.0

    def observe(self, loss: Tensor, _norm: Tensor) -> Tensor:
        return torch.full_like(loss, self.skip)

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, _state: object) -> None:
        return


def _step(number: int, rows: Sequence[Row], update: Update, loader: Loader) -> None:
    batches = [batch for row in rows for batch in loader.batches_of(list(row.indices))]
    for row, batch in zip(rows, batches, strict=True):
        if batch.places != list(zip(row.parts, row.sequences, strict=True)):
            raise DataError(f"step {number}: the catalog has other sequences under its samples than the log")
    decided = _Decided()
    decided.skip = float(rows[0].skipped)
    outcome = update(batches, rows[0].learning_rate, decided)
    if float(outcome.loss) != rows[0].loss:
        raise DataError(f"step {number}: the loss is {float(outcome.loss)!r} and was {rows[0].loss!r}")


def _config_of(store: Store, run: str, store_url: str) -> TrainConfig:
    import tempfile
    from pathlib import Path

    try:
        text = store.get(f"train/{run}/config.yaml")
    except FileNotFoundError:
        raise DataError(f"{store.url} has no run {run} (train/{run}/config.yaml)") from None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_bytes(text)
        config = load(path)
    return replace(config, data=replace(config.data, store=store_url))


def _check(rows: Sequence[Row], found: Checkpoint, first: int, last: int, place: Place) -> None:
    """What would make other weights of the same samples. Raises DataError."""
    there = {row.step for row in rows}
    if missing := [step for step in range(first + 1, last + 1) if step not in there]:
        raise DataError(f"the log has no step {missing[0]} of those from {first + 1} to {last}")
    if codes := {row.code for row in rows} - {code_digest()}:
        raise DataError(
            f"the run was trained by code {', '.join(sorted(codes))}, this is {code_digest()}: replay with the "
            "version of the trainer and of torch that trained it"
        )
    if sizes := {row.world_size for row in rows} - {place.world_size}:
        raise DataError(
            f"the steps were done by {', '.join(map(str, sorted(sizes)))} ranks, these are {place.world_size}: "
            f"sums come out otherwise; start it with torchrun --nproc-per-node {max(sizes)}"
        )
    if not all(row.deterministic for row in rows):
        raise DataError("the steps were done on a GPU, whose sums are not the same each time: nothing to compare")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser("trainer.replay", description="Train once more, from a checkpoint and the log.")
    parser.add_argument("--store", required=True, help="folder or URL that the run is in")
    parser.add_argument("--run", required=True)
    parser.add_argument("--from", dest="first", type=int, required=True, help="step of the checkpoint to begin at")
    parser.add_argument("--to", dest="last", type=int, required=True, help="the last step to do")
    given = parser.parse_args(arguments)
    with errors("trainer.replay"):
        if given.last <= given.first:
            raise CheckpointError(f"--to {given.last}: there is no step after --from {given.first}")
        again = replay(given.store, given.run, given.first, given.last)
    told = {None: "no checkpoint of it to compare with", True: "the same", False: "NOT what the checkpoint has"}
    print(f"step {again.step}: weights {again.digest}, {told[again.same]}")
    sys.exit(1 if again.same is False else 0)


if __name__ == "__main__":
    main()
