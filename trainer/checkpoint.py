"""Checkpoints: written while training goes on, whole or not at all, read by any number of ranks.

    train/RUN/checkpoints/step-000000500/.metadata, __0_0.distcp, …    torch.distributed.checkpoint's files
    train/RUN/checkpoints/step-000000500/complete.json                 written last

A checkpoint without its `complete.json` is none: it is never taken, and the next one removes it. In it is all
that is not a tensor: the model's shape, the vocabulary, the schedule, the data's state. So what to do with a
checkpoint is known before a tensor is read, and a rewind can add skips to one by a single atomic write.

To write one costs the loop a copy into host memory; the rest happens on a thread, with a process group of its
own (shards.py).
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

from trainer import shards
from trainer.agreement import Agreement
from trainer.errors import CheckpointError

if TYPE_CHECKING:
    from trainer.config import CheckpointConfig, ModelConfig, TrainConfig
    from trainer.data.store import Store
    from trainer.parallel import Place

LAYOUT = 1
MOST_FAILURES = 3  # in a row: a disk that was full for so long will not empty itself
_COMPLETE = "complete.json"
_OPTIONS = StateDictOptions(flatten_optimizer_state_dict=True)  # named by parameter, so that it can be resharded


class Checkpoint(NamedTuple):
    """One that is complete. about: the contents of its complete.json."""

    step: int
    about: dict[str, Any]


class Learned(NamedTuple):
    """What the tensors of a checkpoint belong to. The detector has state_dict and load_state_dict."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    detector: Any


def folder_of(run: str) -> str:
    """Prefix of a run's checkpoints in the store."""
    return f"train/{run}/checkpoints"


def key_of(run: str, step: int) -> str:
    """Prefix of one checkpoint's files."""
    return f"{folder_of(run)}/step-{step:09d}"


def complete(store: Store, run: str) -> list[int]:
    """Steps of the complete checkpoints of a run, in order."""
    return sorted(step for step, names in _found(store, run).items() if _COMPLETE in names)


def find(store: Store, run: str, step: int) -> Checkpoint:
    """The complete checkpoint of a step. Raises CheckpointError."""
    key = f"{key_of(run, step)}/{_COMPLETE}"
    try:
        about = json.loads(store.get(key))
    except FileNotFoundError:
        known = ", ".join(map(str, complete(store, run))) or "none"
        raise CheckpointError(
            f"run {run} has no checkpoint of step {step} in {store.url} (it has: {known})"
        ) from None
    except ValueError as error:
        raise CheckpointError(f"{key} is damaged ({error}): remove the checkpoint's folder") from None
    if about.get("layout") != LAYOUT:
        raise CheckpointError(f"{key} has layout {about.get('layout')}, and this version reads {LAYOUT}")
    return Checkpoint(step, about)


def identity(config: TrainConfig) -> dict[str, Any]:
    """What a run cannot change: its model, its vocabulary, the order of its samples; sizes are resolved."""
    model = {f"model.{name}": value for name, value in asdict(config.model).items()}
    data = {f"data.{name}": getattr(config.data, name) for name in ("seed", "shuffle_parts", "vocabulary")}
    return model | data


def check(found: Checkpoint, config: TrainConfig) -> None:
    """Raises CheckpointError where a checkpoint is of another shape, vocabulary or order than the config."""
    has, wants = found.about["identity"], identity(config)
    other = [
        f"{name} {has.get(name)} (the config says {value})"
        for name, value in wants.items()
        if has.get(name) != value
    ]
    if other:
        raise CheckpointError(
            f"the checkpoint of step {found.step} of run {config.run} has {', '.join(other)}: set it back, or "
            "give this training another run name"
        )


def model_config(found: Checkpoint) -> ModelConfig:
    """Of the model that a checkpoint is of."""
    from trainer.config import ModelConfig

    values = {name: value for name, value in found.about["identity"].items() if name.startswith("model.")}
    return ModelConfig(**{name.removeprefix("model."): value for name, value in values.items()})


def load_model(store: Store, run: str, step: int | None = None) -> tuple[dict[str, torch.Tensor], Checkpoint]:
    """Weights of a run (the newest, or those of a step) as whole tensors in memory, and what is known of them.

    In one process, whatever wrote it. Raises CheckpointError.
    """
    from trainer.model import Decoder

    steps = complete(store, run)
    if step is None and not steps:
        raise CheckpointError(f"run {run} has no complete checkpoint in {store.url}")
    found = find(store, run, steps[-1] if step is None else step)
    with torch.device("meta"):
        shapes = Decoder(model_config(found)).state_dict()
    state = {"model": {name: torch.empty(each.shape, dtype=each.dtype) for name, each in shapes.items()}}
    shards.read(state, store, key_of(run, found.step), found.about["files"], None)
    return state["model"], found


class Checkpoints:
    """Those of one run, to write and to read; on every rank alike.

    place: this process. say: where one line goes when a checkpoint could not be written, or is passed over.
    written: told the step of each that is complete, on the writing thread. Both on rank 0 only.
    """

    def __init__(
        self,
        store: Store,
        run: str,
        config: CheckpointConfig,
        *,
        place: Place,
        say: Callable[[str], None] = print,
        written: Callable[[int], None] = lambda step: None,
    ) -> None:
        self._store = store
        self._run = run
        self._config = config
        self._agreement = Agreement(place)  # used on the thread, so nobody else may
        self._group = self._agreement.group
        self._rank, self._world_size = place.rank, place.world_size
        self._say, self._written = say, written
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._why = ""

    def newest(self, before: int | None = None) -> Checkpoint | None:
        """The newest that is complete and whole, of a step < `before` if given; the same on every rank."""
        self.wait()
        found: Checkpoint | None = self._agreement.first(self._newest(before) if self._rank == 0 else None)
        return found

    def load(self, found: Checkpoint, learned: Learned) -> None:
        """Into what there is, on any number of ranks. Raises CheckpointError."""
        self.wait()
        model, optimizer = get_state_dict(learned.model, learned.optimizer, options=_OPTIONS)
        state: dict[str, Any] = {"model": model, "optimizer": optimizer}
        if same_window := found.about["detector"] == _shapes(learned.detector):
            state["detector"] = learned.detector.state_dict()
        if same_ranks := found.about["world_size"] == self._world_size:
            state["rng"] = {str(self._rank): _random_state()}
        shards.read(state, self._store, key_of(self._run, found.step), found.about["files"], self._group)
        set_state_dict(
            learned.model,
            learned.optimizer,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizer"],
            options=_OPTIONS,
        )
        if same_window:
            learned.detector.load_state_dict(state["detector"])
        if same_ranks:
            _set_random_state(state["rng"][str(self._rank)])

    def save(self, step: int, learned: Learned, about: Mapping[str, Any]) -> None:
        """Begin to write one; returns when its tensors are copied. about: as JSON, for complete.json.

        What goes wrong is said in one line, and training goes on. Raises CheckpointError once it went wrong
        MOST_FAILURES times in a row.
        """
        self.wait()
        if self._failures >= MOST_FAILURES:
            raise CheckpointError(
                f"{self._failures} checkpoints in a row could not be written ({self._why}): make room, then "
                "start again; it goes on from the newest that is complete"
            )
        model, optimizer = get_state_dict(learned.model, learned.optimizer, options=_OPTIONS)
        state = {
            "model": model,
            "optimizer": optimizer,
            "detector": learned.detector.state_dict(),
            "rng": {str(self._rank): _random_state()},
        }
        own = {"layout": LAYOUT, "step": step, "world_size": self._world_size}
        full = own | {"detector": _shapes(learned.detector), **about}
        writing = shards.write(state, self._store, key_of(self._run, step), self._group, self._config.folder)
        self._thread = threading.Thread(target=self._finish, args=(writing, step, full), name="checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Until the one that is being written is complete, or has failed and said so."""
        if self._thread:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Wait. Raises CheckpointError when the last one, with which the run was to end, was not written."""
        self.wait()
        if self._failures:
            raise CheckpointError(f"the last checkpoint could not be written: {self._why}")

    def amend(self, found: Checkpoint, after: Mapping[str, Any]) -> Checkpoint:
        """Change what a checkpoint says beside its tensors, and undo those of later steps: a rewind.

        In this order, so that a kill between the two repeats the rewind and loses nothing.
        """
        self.wait()
        about = found.about | dict(after)
        if self._rank == 0:
            for step in complete(self._store, self._run):
                if step > found.step:
                    self._remove(step)
            self._store.put(f"{key_of(self._run, found.step)}/{_COMPLETE}", _json(about))
        self._agreement.everywhere(True)
        return Checkpoint(found.step, about)

    def _newest(self, before: int | None) -> Checkpoint | None:
        for step in reversed(complete(self._store, self._run)):
            if before is not None and step >= before:
                continue
            found = find(self._store, self._run, step)
            if not (fault := self._fault(found)):
                return found
            self._say(f"the checkpoint of step {step} is passed over: {fault}")
        return None

    def _fault(self, found: Checkpoint) -> str:
        """Why its files cannot be all that was written; empty where nothing is wrong."""
        key = key_of(self._run, found.step)
        there = _found(self._store, self._run)[found.step]
        for name, size in found.about["files"].items():
            if name not in there:
                return f"{key}/{name} is missing"
            if self._store.folder and (has := (self._store.folder / key / name).stat().st_size) != size:
                return f"{key}/{name} has {has} bytes of {size}"
        return ""

    def _finish(self, writing: shards.Writing, step: int, about: dict[str, Any]) -> None:
        """On the thread. Every rank comes to the same end."""
        why, files = "", {}
        try:
            files = writing.send(self._store, key_of(self._run, step), self._rank)
        except BaseException as error:  # noqa: BLE001 - whatever it was, training goes on
            why = shards.reason(error)
        ends = self._agreement.gather((why, files))
        whys = [each for each, _ in ends if each]
        if self._rank == 0 and not whys:
            try:
                about["files"] = {name: size for _, sent in ends for name, size in sent.items()}
                self._store.put(f"{key_of(self._run, step)}/{_COMPLETE}", _json(about))
            except Exception as error:  # noqa: BLE001
                whys = [shards.reason(error)]
        whys = self._agreement.first(whys)
        self._failures = self._failures + 1 if whys else 0
        self._why = whys[0] if whys else ""
        if self._rank > 0:
            return
        if whys:
            self._say(f"no checkpoint of step {step}: {self._why}; training goes on, the next one is tried")
        else:
            self._written(step)
        with suppress(Exception):  # what stays is tried again by the next one
            self._remove(step) if whys else self._tidy()

    def _tidy(self) -> None:
        """Remove what is too old, and what a kill left behind."""
        found = _found(self._store, self._run)
        whole = sorted(step for step, names in found.items() if _COMPLETE in names)
        kept = {step for step in whole if self._config.keep_every and step % self._config.keep_every == 0}
        for step in found.keys() - kept - set(whole[-self._config.keep_last :]):
            self._remove(step)

    def _remove(self, step: int) -> None:
        """complete.json first, so that what is left after a kill is none."""
        key = key_of(self._run, step)
        self._store.delete([f"{key}/{_COMPLETE}"])
        self._store.delete(list(self._store.list(key)))
        if self._store.folder:
            shutil.rmtree(self._store.folder / key, ignore_errors=True)


def _found(store: Store, run: str) -> dict[int, set[str]]:
    """Names of the files of each step's folder."""
    found: dict[int, set[str]] = {}
    prefix = f"{folder_of(run)}/step-"
    for key in store.list(folder_of(run)):
        step, _, name = key.removeprefix(prefix).partition("/")
        if key.startswith(prefix) and step.isdigit():
            found.setdefault(int(step), set()).add(name)
    return found


def _shapes(detector: Any) -> dict[str, list[int]]:
    """A detector with another window begins anew."""
    return {name: list(each.shape) for name, each in detector.state_dict().items()}


def _random_state() -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _set_random_state(state: Mapping[str, torch.Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


def _json(about: Mapping[str, Any]) -> bytes:
    return json.dumps(about, indent=1).encode() + b"\n"
