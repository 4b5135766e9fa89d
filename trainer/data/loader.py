"""The loader: global batches one after another, this rank's share of each, made ahead in a thread."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

from trainer.config import DataConfig
from trainer.data.batch import Batch
from trainer.data.order import Sample
from trainer.data.samples import Samples
from trainer.data.state import DataState
from trainer.data.store import Store
from trainer.errors import ConfigError, StoreDown

T = TypeVar("T")

_LONGEST_S = 1.0  # between two looks at the catalog
_log = logging.getLogger(__name__)


class Step(NamedTuple):
    """A global batch.

    number: from 1. batches: this rank's micro-batches. indices, places (part and sequence), phases: of the
    whole global batch, in order. phase, recipe: of its first sample. digest: of its places in order, the same
    for any world size. state: after this step.
    """

    number: int
    batches: list[Batch]
    indices: list[int]
    places: list[tuple[str, int]]
    phases: tuple[str, ...]
    phase: str
    recipe: str
    digest: str
    state: DataState


class Loader:
    """Iterates over steps, the same ones whatever the world size, the speed of arrival and restarts.

    It waits for parts that are not there yet, and ends when none came for `wait_s`. A global batch that is
    not full, and a shuffle block that is not, are not given; a later run goes on with them. Every rank sees
    the store by itself, so at the end one may have a step that another has not: ranks agree on each step
    before they take it. The thread begins with the first step asked for, in the process that asks.

    Raises ConfigError where the batch cannot be shared out; DataError and StoreDown from the step on that
    cannot be made.
    """

    def __init__(
        self,
        store: Store,
        config: DataConfig,
        state: DataState | None = None,
        *,
        rank: int = 0,
        world_size: int = 1,
        pin: bool = False,
    ) -> None:
        """pin: tensors in pinned memory, for a GPU."""
        if config.batch_size % (world_size * config.micro_batch_size):
            raise ConfigError(
                f"data.batch_size {config.batch_size} is no multiple of {world_size} ranks times "
                f"data.micro_batch_size {config.micro_batch_size}"
            )
        self._config, self._pin = config, pin
        self._share = config.batch_size // world_size
        self._rank = rank
        self.state = state or DataState()
        vocabulary = config.vocabulary or self.state.vocabulary
        self._samples = Samples(store, config, self.state.block, vocabulary)
        self._ahead: _Ahead | None = None
        self.waited_s = 0.0

    @property
    def buckets(self) -> list[str]:
        """Names of buckets by their numbers in this rank's batches; other ranks may number otherwise."""
        return self._samples.buckets

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        if self._ahead is None:
            self._ahead = _Ahead(self._steps, self.state, self._config.prefetch)
        begun = time.monotonic()
        step = self._ahead.next()
        self.waited_s += time.monotonic() - begun
        if step is None:
            raise StopIteration
        self.state = step.state
        return step

    def skip(self, ranges: Iterable[Sequence[int]]) -> None:
        """Never give the samples of these half-open ranges again. Every rank must say the same."""
        self.close()
        self.state = self.state.skipping(ranges)

    def rewind(self, state: DataState) -> None:
        """Go on from an earlier state; what has been skipped since stays skipped."""
        self.close()
        self.state = state.skipping(self.state.skipped)

    def batches_of(self, indices: Sequence[int]) -> list[Batch]:
        """Any samples that have been there, by index, in micro-batches. Raises IndexError, DataError."""
        size = self._config.micro_batch_size
        return [self._batch(indices[at : at + size]) for at in range(0, len(indices), size)]

    def close(self) -> None:
        """End the thread; the next step asked for begins another."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _batch(self, indices: Sequence[int], places: Sequence[Sample] | None = None) -> Batch:
        made = self._samples.batch(indices, places or self._samples.places(indices))
        return made.pinned() if self._pin else made

    def _steps(self, state: DataState, stopped: threading.Event) -> Iterator[Step]:
        """From a state on, until no parts come or it is stopped; runs in the thread."""
        while True:
            indices = state.take(self._config.batch_size)
            step = self._patiently(partial(self._step, state, indices), stopped)
            if step is None:
                return
            state = step.state
            yield step

    def _step(self, state: DataState, indices: list[int]) -> Step | None:
        """The step of these samples; None while the catalog does not have them all."""
        if not self._samples.reach(indices[-1] + 1):
            return None
        self._samples.settle_vocabulary(indices[0])
        samples = self._samples.places(indices)
        size = self._config.micro_batch_size
        begin = self._rank * self._share
        batches = [
            self._batch(indices[at : at + size], samples[at : at + size])
            for at in range(begin, begin + self._share, size)
        ]
        places = [(sample.part.name, sample.sequence) for sample in samples]
        after = replace(
            state,
            index=indices[-1] + 1,
            block=self._samples.block(indices[-1]),
            step=state.step + 1,
            vocabulary=self._samples.vocabulary,
        )
        return Step(
            number=after.step,
            batches=batches,
            indices=indices,
            places=places,
            phases=tuple(sample.part.phase for sample in samples),
            phase=samples[0].part.phase,
            recipe=samples[0].part.recipe,
            digest=digest(places),
            state=after,
        )

    def _patiently(self, make: Callable[[], T | None], stopped: threading.Event) -> T | None:
        """Try until it can be made; None when `wait_s` have passed or the thread is to end.

        Raises StoreDown when the store was away all that time.
        """
        begun, pause = time.monotonic(), 0.05
        said = False
        while not stopped.is_set():
            try:
                if (made := make()) is not None:
                    return made
                why, away = self._why(), None
            except StoreDown as error:
                why, away = str(error), error
            left = begun + self._config.wait_s - time.monotonic()
            if left <= 0:
                if away:
                    raise away
                return None
            if not said:
                _log.info("waiting for parts: %s", why)
                said = True
            stopped.wait(min(pause, left))
            pause = min(2 * pause, _LONGEST_S)
        return None

    def _why(self) -> str:
        if not self._samples.begun:
            return "there is no catalog yet"
        if self._samples.waiting:
            return f"{self._samples.waiting} of data.shuffle_parts {self._config.shuffle_parts} are there"
        return "all that are in the catalog have been read"


def digest(places: Sequence[tuple[str, int]]) -> str:
    """Of samples in order, as hexadecimal."""
    text = "\n".join(f"{name}:{sequence}" for name, sequence in places)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class _Ahead:
    """A thread that makes steps ahead, `depth` at the most; what it raises is raised where it is read."""

    def __init__(
        self,
        steps: Callable[[DataState, threading.Event], Iterator[Step]],
        state: DataState,
        depth: int,
    ) -> None:
        self._steps, self._state = steps, state
        self._stopped = threading.Event()
        self._queue: queue.Queue[Step | BaseException | None] = queue.Queue(max(depth, 1))
        self._last: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self._thread.start()

    def next(self) -> Step | None:
        """The next step; None at the end, and from then on."""
        if not self._ended:
            item = self._queue.get()
            if isinstance(item, Step):
                return item
            self._ended, self._last = True, item
        if self._last is not None:
            raise self._last
        return None

    def close(self) -> None:
        """End the thread: after the file that it is reading at the latest."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        last: BaseException | None = None
        try:
            for step in self._steps(self._state, self._stopped):
                if not self._put(step):
                    return
        except BaseException as error:  # noqa: BLE001 - it belongs to who reads
            last = error
        self._put(last)

    def _put(self, item: Step | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
