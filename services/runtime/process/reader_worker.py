"""The process that runs a reader, and nothing else: a file may end it at any moment.

It speaks with its parent (reader.py) over one pipe: a Task in, then frames out until the source is read.
The pipe holds less than one large step, so reading waits for the parent, one frame ahead of it.
"""

from __future__ import annotations

import contextlib
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection

from contracts import IngestProgress
from services.runtime.contracts.source import Read, Reading, Source, Taken
from services.runtime.errors import CorpusworksError
from services.runtime.logs import configure_logs, log
from services.runtime.process.collector import settle_collector
from services.runtime.process.reader_frames import (
    MAX_UNTOLD,
    Asked,
    Began,
    Finished,
    Frame,
    Raised,
    Step,
    Task,
)
from services.runtime.process.worker import die_with_parent, limit_memory
from services.runtime.resources import Resources
from services.runtime.settings import load_settings
from services.runtime.topology import Service


class _Asking:
    """See Known: the parent is who knows."""

    def __init__(self, pipe: Connection, told: _Told, began_ms: int | None) -> None:
        self.began_ms = began_ms
        self._pipe = pipe
        self._told = told

    def take(self, sources: Sequence[IngestProgress]) -> Taken:
        """See Known."""
        self._told.flush()
        _send(self._pipe, [Asked([source.SerializeToString() for source in sources])])
        mine, others = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 - our parent
        return Taken([IngestProgress.FromString(each) for each in mine], others)


def run(pipe: Connection, service: Service) -> None:
    """Read what the parent asks for. Raises ConfigurationError."""
    settings = load_settings()
    configure_logs(service.name)
    source = service.definition
    assert isinstance(source, Source)
    task = Task(*pickle.loads(pipe.recv_bytes()))  # noqa: S301 - our parent
    resources = Resources(settings)
    read = source.build(task.config, resources)
    limit_memory(task.memory_limit_bytes)
    settle_collector()
    _send(pipe, [])
    told = _Told(pipe, task.careful)
    try:
        for step in read(_Asking(pipe, told, task.began_ms)):
            told.add(step)
        end: Finished | Raised = Finished()
    except CorpusworksError:
        raise
    except Exception as error:  # noqa: BLE001 - the source at hand is to blame until shown otherwise
        log.warning("reader raised", stack=traceback.format_exc())
        end = Raised(f"{type(error).__name__}: {error}")
    _send(pipe, [*told.frame, end])
    resources.close()


class _Told:
    """Collects small steps into frames: a folder of small files would else cost a frame or two a file."""

    _MAX_BYTES = 256 << 10
    _MAX_S = 0.02

    def __init__(self, pipe: Connection, careful: bool) -> None:
        self._pipe = pipe
        self._max_steps = 1 if careful else MAX_UNTOLD
        self._bytes = 0
        self._since = time.monotonic()
        self.frame: Frame = []

    def add(self, step: Read | Reading) -> None:
        if isinstance(step, Read):
            made = _step(step)
            self._bytes += sum(len(value) for _, value in made.documents)
            self._bytes += sum(len(head) for _, head, _ in made.unreadable)
            self.frame.append(made)
        elif step.progress is not None:
            self.frame.append(Began(step.progress.SerializeToString()))
        now = time.monotonic()
        if (
            len(self.frame) >= self._max_steps
            or self._bytes > self._MAX_BYTES
            or now - self._since > self._MAX_S
        ):
            self.flush()

    def flush(self) -> None:
        """Tell what there is; nothing is a sign of life."""
        _send(self._pipe, self.frame)
        self.frame, self._bytes, self._since = [], 0, time.monotonic()


def _step(read: Read) -> Step:
    return Step(
        [(document.uid, document.SerializeToString()) for document in read.documents],
        read.progress.SerializeToString(),
        [(piece.source, piece.head, piece.error) for piece in read.unreadable],
    )


def _send(pipe: Connection, frame: Frame | CorpusworksError) -> None:
    pipe.send_bytes(pickle.dumps(frame, protocol=5))


def main() -> None:
    """Entry of the child: argv = pipe's file descriptor, name of the service, its module:attribute."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    descriptor, name, definition = sys.argv[1:4]
    pipe = Connection(int(descriptor))
    try:
        run(pipe, Service(name, definition, (), ""))
    except (BrokenPipeError, ConnectionResetError, EOFError):
        return  # the parent is gone
    except CorpusworksError as error:
        with contextlib.suppress(OSError):
            _send(pipe, error)
        sys.exit(2)


if __name__ == "__main__":
    main()
