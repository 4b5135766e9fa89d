"""Reads a source in a process that may be killed: for time, for memory, by a crash of its own.

What ends the process is read again from where it stood, one record at a time, so that it shows which
source (file) it was. Where that ends the process too, it becomes one dead letter that names the record, and
is recorded as complete, so that the next run does not fall into it again while it is unchanged. What was
read before that record stands. A process killed from outside is only started again, a few times.
"""

from __future__ import annotations

import pickle
import select
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from contracts import IngestProgress
from services.runtime import metrics
from services.runtime.contracts.source import Source, Taken
from services.runtime.errors import CorpusworksError, DeadLetterFlood
from services.runtime.logs import log
from services.runtime.process.child import START_LIMIT_S, Child, Died, death, fork, start
from services.runtime.process.reader_frames import MAX_UNTOLD, Asked, Began, Finished, Raised, Step, Task
from services.runtime.process.recorded import Recorded
from services.runtime.settings import Settings
from services.runtime.topology import Service

_TICK_S = 0.1
_WORKER = "services.runtime.process.reader_worker"
# Kills from outside, and deaths with no source at hand, until something is read. The kernel's killer for
# want of memory looks like somebody outside, so there is an end to it.
_TRIES = 3


Take = Callable[[Sequence[IngestProgress]], Taken]


class ReadingFailed(CorpusworksError):
    """The process that reads dies again and again, and no source is to blame."""


class SourceReader:
    """The parent's side. config: of the source."""

    def __init__(self, service: Service, config: Any, settings: Settings) -> None:
        assert isinstance(service.definition, Source)
        self._service = service
        self._source = service.definition
        self._config = config
        self._patience_s = settings.time_limit_s
        self._memory = settings.memory_limit_bytes
        self._limit = settings.dead_letter_limit
        self._child: Child | None = None
        self._spare: tuple[Child, Connection] | None = None  # forked, and not told anything yet
        self._pipe: Connection | None = None

    def prefork(self) -> None:
        """Fork the first process, if this one may; it waits for `read`. Call before there are threads."""
        self._spare = fork(_WORKER, self._arguments)

    @property
    def _arguments(self) -> list[str]:
        return [self._service.name, self._service.run]

    def read(self, recorded: Recorded, take: Take | None = None) -> Generator[Step | None, None, None]:
        """The steps of the reader in order; None now and then while there is no next one yet.

        recorded: what was read before; the steps are noted there. take: answers in its place, see Known.
        Raises ConfigurationError, ReadingFailed, DeadLetterFlood, DependencyDown.
        """
        way = _Way(recorded, take or recorded.take, self._limit)
        try:
            while not way.finished:
                lost = None
                try:
                    yield from self._attempt(way)
                except Died as died:
                    metrics.WORKER_DEATHS.labels(self._service.name).inc()
                    log.warning("reader died", error=str(died), source=way.at.source, careful=way.careful)
                    lost = way.died(died)
                self.stop()
                if lost is not None:
                    yield lost
        finally:
            self.stop()

    def stop(self) -> None:
        """End the process at once; it holds nothing that would be lost."""
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

    def _attempt(self, way: _Way) -> Iterator[Step | None]:
        """Run one process until the end, its death, or the end of the source that is read with care."""
        self._start(way)
        for frame in self._frames():
            for said in frame or ():
                if isinstance(said, Finished):
                    way.finished = True
                    return
                if isinstance(said, Asked):
                    self._answer(way, said)
                    continue
                if isinstance(said, Raised):
                    setting = " (setting memory_limit_bytes)" if "MemoryError" in said.error else ""
                    raise Died(f"raised {said.error[:2000]}{setting}")
                if way.moved_on(said):
                    return
                if isinstance(said, Step):
                    yield said
            if frame is None:
                yield None

    def _start(self, way: _Way) -> None:
        way.began()
        spare, self._spare = self._spare, None
        self._child, self._pipe = spare or start(_WORKER, self._arguments)
        config = self._source.careful(self._config) if way.careful else self._config
        task = Task(config, way.recorded.began_ms, way.careful > 0, self._memory)
        try:
            self._pipe.send_bytes(pickle.dumps(tuple(task), protocol=5))
        except OSError as error:
            raise death(self._child, "") from error

    def _answer(self, way: _Way, asked: Asked) -> None:
        assert self._pipe is not None
        way.ended()
        taken = way.take([IngestProgress.FromString(source) for source in asked.sources])
        answer = [each.SerializeToString() for each in taken.mine], list(taken.others)
        try:
            self._pipe.send_bytes(pickle.dumps(answer, protocol=5))
        except OSError as error:
            raise death(self._child, "") from error

    def _frames(self) -> Iterator[list[Any] | None]:
        """What the process says; None after each tick without a word. The first frame says that it runs.

        Raises Died, ConfigurationError.
        """
        assert self._pipe is not None
        poller = select.poll()
        poller.register(self._pipe, select.POLLIN)
        patience_s = START_LIMIT_S
        while True:
            deadline = time.monotonic() + patience_s
            while not poller.poll(_TICK_S * 1000):
                yield None
                # The loop may have been away for long meanwhile.
                if time.monotonic() > deadline and not poller.poll(0):
                    raise Died(f"did not get on for {patience_s:g} s (setting time_limit_s) and was killed")
            try:
                frame = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 - our child
            except (EOFError, OSError) as error:
                raise death(self._child, "") from error
            if isinstance(frame, CorpusworksError):
                raise frame
            patience_s = self._patience_s
            yield frame


class _Way:
    """How far reading has come, over all its processes.

    recorded: what has been handed on, and the sources that are done with for this time although they are not
    complete. take: see Known. at: the source at hand, as far as was told. careful: so many
    sources are still to be read with care, since one of them may have ended the process. limit: sources that
    may end it before that is taken for a bug and not for bad files.
    """

    def __init__(self, recorded: Recorded, take: Take, limit: int) -> None:
        self.recorded = recorded
        self.take = take
        self.at = IngestProgress(complete=True)
        self.careful = 0
        self.finished = False
        self._limit = limit
        self._num_lost = 0
        self._told = False
        self._tries = 0

    def moved_on(self, said: Began | Step) -> bool:
        """Take note. True when all has been read that is to be read with care: go on as usual, from here."""
        reached = IngestProgress.FromString(said.progress)
        self._told = True
        if reached.source != self.at.source:
            self._tries = 0
            if not self.at.complete:
                self.recorded.passed.add(self.at.source)  # one that may not be read: once is enough
            if self.careful:
                self.careful -= 1
                if not self.careful:
                    self.at = IngestProgress(complete=True)
                    return True
        self.at = reached
        if isinstance(said, Step):
            self._tries = 0
            self.recorded.note(reached)
        return False

    def began(self) -> None:
        """A process was started, and has told nothing yet."""
        self._told = False

    def ended(self) -> None:
        """All that was told is over: who asks for the next has read what it was given."""
        if self._told and not self.at.complete:
            self.recorded.passed.add(self.at.source)

    def died(self, died: Died) -> Step | None:
        """What is to be told of it; None: try again. Raises ReadingFailed, DeadLetterFlood."""
        nobody = self.careful > 0 and self.at.complete
        if died.killed or nobody:
            self._tries += 1
            if self._tries <= _TRIES:
                return None
        if nobody:
            last = self.at.source or "none"
            raise ReadingFailed(
                f"the process that reads {died}, again and again; the last source read: {last}"
            )
        if not self.careful:
            self.careful, self._tries = MAX_UNTOLD + 1, 0
            return None
        self.careful, self._tries = 0, 0
        self.at.complete = True
        self.recorded.passed.add(self.at.source)
        self.recorded.note(self.at)
        reached = self.at.SerializeToString()
        place = f"{self.at.source}#{self.at.num_records + 1}"
        error = (
            f"{self.at.source}: the process that reads it {died}, at record {self.at.num_records + 1:,}; the "
            "records before it were read. Mend the file, or raise the setting if it is the limit; it is read "
            "again once it has changed"
        )
        self._num_lost += 1
        if self._num_lost > self._limit:
            raise DeadLetterFlood(
                f"{self._num_lost} sources ended the process that reads them; the limit is {self._limit} "
                f"(setting dead_letter_limit). This is a bug and not data; the last: {error}"
            )
        return Step([], reached, [(place, b"", error)])
