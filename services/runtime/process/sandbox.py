"""Runs units in a process that may be killed: for time, for memory, by a crash of its own.

A slice that fails is run again one document at a time; a document that fails alone becomes a dead
letter. So a poisoned document costs one dead letter and at most `time_limit_s`: half of it for its
slice, half for itself alone. A worker that somebody else killed says nothing of the document: it is tried
again. A server that is down is not a bad document either: DependencyDown goes up.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection

from google.protobuf.message import DecodeError

from contracts import Document
from services.runtime import metrics
from services.runtime.errors import ConfigurationError, CorpusworksError, DependencyDown
from services.runtime.logs import log
from services.runtime.process.child import START_LIMIT_S, Child, Died, death, fork, start
from services.runtime.process.frames import Batch, Failed, Item, Outcome, Place, sliced

_TICK_S = 0.2
SLOW = "slow"  # the event logged while the worker is at something for long, and every so often again
SLOW_S = 5.0
_WORKER = "services.runtime.process.worker"
_MOST_TRIES = 5  # of a document alone whose worker somebody kills: five times is no accident


class Stopped(CorpusworksError):
    """The batch was given up because the service stops."""


class Sandbox:
    """The parent's side. on_tick is called several times a second while a batch runs; may raise Stopped.

    slice_size, slice_bytes: most documents, and bytes of several, that the units are given at once.
    standing: where the group stands, for units that keep state outside Kafka; asked for each new worker,
    and after `assigned`. topic_ids: Kafka's ids of topics by name, to be set before `start`.
    """

    def __init__(
        self,
        names: Sequence[str],
        buckets: Sequence[str],
        *,
        slice_size: int,
        slice_bytes: int,
        time_limit_s: float,
        on_tick: Callable[[], None] = lambda: None,
        standing: Callable[[], Mapping[Place, int]] | None = None,
    ) -> None:
        self.topic_ids: Mapping[str, str] = {}
        self._standing = standing
        self._to_begin = False
        self._names = list(names)
        self._buckets = list(buckets)
        self._cut = partial(sliced, max_documents=slice_size, max_bytes=slice_bytes)
        self._patience_s = time_limit_s / 2
        self._tick = on_tick
        self._child: Child | None = None
        self._spare: tuple[Child, Connection] | None = None  # forked, and not told anything yet
        self._pipe: Connection | None = None
        self._items: Sequence[Item] = ()
        self._committed: Mapping[Place, int] = {}
        self._sent = False

    def prefork(self) -> None:
        """Fork the first worker, if this process may; it waits for `start`. Call before there are threads."""
        self._spare = fork(_WORKER, self._arguments)

    @property
    def _arguments(self) -> list[str]:
        return [",".join(self._names), ",".join(self._buckets)]

    def start(self) -> None:
        """Start the worker unless it runs.

        Raises ConfigurationError when its units cannot be built, DependencyDown when a server is away
        that they need, or when somebody killed it meanwhile: try again.
        """
        if self._child is not None and self._child.poll() is None:
            return
        spare, self._spare = self._spare, None
        self.stop()
        self._child, self._pipe = spare or start(_WORKER, self._arguments)
        try:
            self._pipe.send(self.topic_ids)
            answer = self._receive(START_LIMIT_S)
        except OSError as error:
            raise self._not_started(self._death()) from error
        except Died as died:
            raise self._not_started(died) from died
        if isinstance(answer, CorpusworksError):
            self.stop()
            raise answer
        self._to_begin = self._standing is not None
        self._begin()

    def assigned(self) -> None:
        """Partitions came: the units are shown anew where the group stands, before the next batch."""
        self._to_begin = self._standing is not None

    def _begin(self) -> None:
        """Raises ConfigurationError when a unit refuses, DependencyDown."""
        if not self._to_begin:
            return
        assert self._standing is not None
        assert self._pipe is not None
        try:
            self._pipe.send(Batch((), begin=self._standing()))
            self._answer()
        except _Raised as error:
            self.stop()
            raise ConfigurationError(f"the units {self._names} do not begin: {error}") from error
        except Died as died:
            raise self._not_started(died) from died
        except OSError as error:
            raise self._not_started(self._death()) from error
        self._to_begin = False

    def _not_started(self, died: Died) -> CorpusworksError:
        if died.killed:
            return DependencyDown("worker process", died)
        return ConfigurationError(f"the units {self._names} do not start: {died}")

    def stop(self) -> None:
        """End the worker at once; it holds nothing that would be lost."""
        if self._spare is not None:
            (self._child, self._pipe), self._spare = self._spare, None
        if self._child is not None:
            if self._child.poll() is None:
                self._child.kill()
            self._child.wait()
            self._child = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def submit(self, items: Sequence[Item], committed: Mapping[Place, int]) -> None:
        """Give the worker a batch; collect() takes its outcomes before the next is submitted.

        Raises ConfigurationError, DependencyDown: the units do not start.
        """
        self._items, self._committed = items, committed
        self._sent = False
        with contextlib.suppress(Died):  # collect() will find out, and try again
            self._send(Batch(self._cut(items), committed))
            self._sent = True

    def answered(self) -> bool:
        """The worker has said something about the batch in hand, so collect() is worth a call."""
        return self._pipe is None or self._pipe.poll(0)

    def collect(self) -> list[Outcome]:
        """One outcome per item of the batch, in order. Raises DependencyDown, Stopped."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(self._items):
            rest = self._items[len(outcomes) :]
            try:
                outcomes += self._run_slices(rest)
            except _SliceFailed as failure:
                outcomes += failure.done
                suspects = self._cut(rest[len(failure.done) :])[0]
                log.warning("slice failed", error=str(failure), documents=len(suspects))
                outcomes += [self._run_alone(item) for item in suspects]
            self._sent = False
        return outcomes

    def tell(self, committed: Mapping[Place, int]) -> None:
        """Committed offsets alone, when no batch follows that would carry them. Raises as collect()."""
        self.submit([], committed)
        try:
            self._run_slices([])
        except _SliceFailed as failure:
            log.warning("committed offsets were not taken", error=str(failure))
        self._sent = False

    def reach(self, offsets: Mapping[Place, int]) -> None:
        """Have the units write down that they judged everything below these offsets; then commit them.

        Raises ConfigurationError when a unit refuses; DependencyDown also when the worker is gone, since what
        it had not written to the end must be judged again.
        """
        try:
            self._send(Batch((), reached=offsets))
            self._answer()
        except (Died, _Raised) as error:
            raise DependencyDown("worker process", error) from error

    def _run_slices(self, items: Sequence[Item]) -> list[Outcome]:
        done: list[Outcome] = []
        slices = self._cut(items)
        try:
            if not self._sent:
                self._send(Batch(slices, self._committed))
            if self._committed:
                self._answer()
                self._committed = {}
            for each in slices:
                done += self._answer(each)
        except (Died, _Raised) as error:
            raise _SliceFailed(str(error), done) from error
        return done

    def _run_alone(self, item: Item) -> Outcome:
        why = ""
        for _ in range(_MOST_TRIES):
            try:
                self._send(Batch([[item]]))
                return self._answer([item])[0]
            except _Raised as error:
                failed = error.failed
                return Outcome("dead", failed.unit, error=failed.error, stack=failed.stack)
            except Died as died:
                why = str(died)
                if not died.killed:
                    break
                log.warning("worker killed", error=why)
        else:
            why += f", {_MOST_TRIES} times while it ran this document alone; perhaps for want of memory"
        return Outcome("dead", self._names[0], error=why)

    def _send(self, batch: Batch) -> None:
        self.start()
        self._begin()
        assert self._pipe is not None
        try:
            self._pipe.send(batch)
        except OSError as error:
            raise self._death() from error

    def _answer(self, about: Sequence[Item] = ()) -> list[Outcome]:
        answer = self._receive(self._patience_s, about)
        if isinstance(answer, Failed):
            if answer.dependency:
                metrics.DEPENDENCY_FAILURES.labels(self._names[0], answer.dependency.split(" ")[0]).inc()
                raise DependencyDown(answer.dependency, answer.error)
            raise _Raised(answer)
        if isinstance(answer, CorpusworksError):
            raise answer
        assert isinstance(answer, list)
        return answer

    def _receive(self, patience_s: float, about: Sequence[Item] = ()) -> object:
        """The next frame; about: whose it is. Raises Died when the worker ends or takes too long."""
        assert self._pipe is not None
        begun = said = time.monotonic()
        try:
            self._tick()  # also when every answer is there before a tick has passed
            while not self._pipe.poll(_TICK_S):
                self._tick()
                now = time.monotonic()
                if about and now - said >= SLOW_S:
                    said = now
                    log.info(SLOW, at=_id_of(about[0]), documents=len(about), seconds=round(now - begun))
                if now > begun + patience_s:
                    self.stop()
                    metrics.WORKER_DEATHS.labels(self._names[0]).inc()
                    raise Died(f"took longer than {patience_s:g} s (setting time_limit_s); killed")
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error

    def _death(self) -> Died:
        died = death(self._child, "the worker process ")
        self.stop()
        metrics.WORKER_DEATHS.labels(self._names[0]).inc()
        return died


def _id_of(item: Item) -> str:
    """Of the document in it, else where it was read."""
    try:
        found = Document.FromString(item.value).id
    except DecodeError:
        found = ""
    return found or f"{item.topic}/{item.partition}/{item.offset}"


class _Raised(Exception):
    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.error)
        self.failed = failed


class _SliceFailed(Exception):
    def __init__(self, why: str, done: list[Outcome]) -> None:
        super().__init__(why)
        self.done = done
