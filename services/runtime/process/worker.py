"""The process that runs the units, and nothing else: it may be killed at any moment.

It speaks with its parent (sandbox.py) over one pipe: a Batch in, one Outcomes frame per slice out.
It has no Kafka connection, so its death costs no rebalance; its memory is bounded by the kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection

from google.protobuf.message import DecodeError

from contracts import Document, Position, Rejection
from services.runtime.contracts.unit import Judge, Unit, configure, verdicts_of
from services.runtime.contracts.verdict import Also, Count, Drop, Emit, Reject, Verdict
from services.runtime.errors import CorpusworksError, DependencyDown
from services.runtime.logs import configure_logs, log
from services.runtime.process.collector import settle_collector, tidy
from services.runtime.process.frames import Batch, Beside, Failed, Item, Outcome, Place, first_place, kin_of
from services.runtime.resources import Resources
from services.runtime.settings import load_settings
from services.runtime.topics import REJECTED
from services.runtime.topology import BUCKET, Chain, Topology
from services.runtime.wire import decode, encode, least

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ADDED_BYTES = 4096  # a judge that is last adds no more to a document: a feature or two


class Units:
    """The chain's judges, built here, and the path of a slice through them."""

    def __init__(self, chain: Chain, buckets: Sequence[str], resources: Resources) -> None:
        self._buckets = frozenset(buckets)
        self._settings = resources.settings
        self._resources = resources
        self._output = chain.output
        self.running = ""  # the unit at work, for errors
        self._judges: list[tuple[Unit, Judge]] = []
        for service in chain.services:
            unit = service.definition
            assert isinstance(unit, Unit)
            config = configure(unit.name, unit.config, self._settings.units.get(unit.name, {}))
            self._judges.append((unit, unit.build(config, resources)))
        self._positioned = any(unit.positioned for unit, _ in self._judges)

    def begin(self, offsets: Mapping[Place, int]) -> list[Outcome]:
        """Show the judges that keep state outside Kafka where the group stands; one may refuse."""
        return self._tell("begin", offsets)

    def committed(self, offsets: Mapping[Place, int]) -> list[Outcome]:
        """Tell the judges that keep state outside Kafka; there is no outcome."""
        return self._tell("committed", offsets)

    def reached(self, offsets: Mapping[Place, int]) -> list[Outcome]:
        """Let them write down that all below these offsets is judged: they will be committed."""
        return self._tell("reached", offsets)

    def _tell(self, what: str, offsets: Mapping[Place, int]) -> list[Outcome]:
        for unit, judge in self._judges:
            if unit.positioned and hasattr(judge, what):
                self.running = unit.name
                getattr(judge, what)(offsets)
        return []

    def judge(self, items: Sequence[Item]) -> list[Outcome]:
        """One outcome per item, in order. Raises what a unit raises."""
        outcomes: list[Outcome | None] = [None] * len(items)
        alive: list[tuple[int, Document]] = []
        self.running = self._judges[0][0].name
        for index, item in enumerate(items):
            try:
                document = decode(item.value, self._resources.store)
            except (DecodeError, FileNotFoundError, UnicodeDecodeError) as error:
                outcomes[index] = Outcome("dead", self.running, error=f"not a readable Document: {error!r}")
                continue
            if self._positioned:
                self._place(document.position, item)
            alive.append((index, document))
        also: dict[int, list[Beside]] = {}
        observed: dict[int, list[tuple[str, float]]] = {}
        counted: dict[int, list[Count]] = {}
        for unit, judge in self._judges:
            if unit is self._judges[-1][0] and unit.positioned:
                alive = self._sendable(alive, outcomes)
            if not alive:
                break
            self.running = unit.name
            verdicts = verdicts_of(unit, judge, [document for _, document in alive])
            going_on = []
            for (index, document), verdict in zip(alive, verdicts, strict=True):
                if not isinstance(verdict, Reject) and verdict.also:
                    also.setdefault(index, []).extend(map(self._beside, verdict.also))
                if not isinstance(verdict, Reject) and verdict.observed:
                    observed.setdefault(index, []).extend(
                        (name, value) for name, values in verdict.observed.items() for value in values
                    )
                if not isinstance(verdict, Reject) and verdict.counted:
                    counted.setdefault(index, []).extend(verdict.counted)
                if isinstance(verdict, Emit):
                    going_on.append((index, verdict.document))
                else:
                    outcomes[index] = self._left(unit, document, verdict)
            alive = going_on
        for index, document in alive:
            outcomes[index] = self._emitted(document)
        done = [outcome for outcome in outcomes if outcome is not None]
        assert len(done) == len(items)
        for index, found in also.items():
            done[index] = done[index]._replace(also=found)
        for index, values in observed.items():
            done[index] = done[index]._replace(observed=values)
        for index, counts in counted.items():
            done[index] = done[index]._replace(counted=counts)
        return done

    def _place(self, position: Position, item: Item) -> None:
        position.topic = item.topic
        first = first_place(item.redriven)
        here = (self._resources.topic_ids.get(item.topic, ""), item.partition, item.offset)
        position.topic_id, position.partition, position.offset = first or here
        position.redriven = first is not None

    def _left(self, unit: Unit, document: Document, verdict: Verdict) -> Outcome:
        if isinstance(verdict, Reject):
            return Outcome("dead", unit.name, uid=document.uid, error=verdict.error)
        assert isinstance(verdict, Drop)
        value = rejection(document, unit.name, verdict, self._resources)
        kin = kin_of(document)
        return Outcome("drop", unit.name, verdict.reason, document.uid, REJECTED, value, kin=kin)

    def _sendable(
        self, alive: list[tuple[int, Document]], outcomes: list[Outcome | None]
    ) -> list[tuple[int, Document]]:
        """Without those that could not be sent on, before a judge that keeps what it has seen.

        Behind dedup it is too late: others have been buried for a document that nobody would get.
        """
        sendable = []
        for index, document in alive:
            fault = self._bucket_fault(document) or self._size_fault(self._to_send(document) + _ADDED_BYTES)
            if fault:
                outcomes[index] = Outcome("dead", self._judges[-1][0].name, uid=document.uid, error=fault)
            else:
                sendable.append((index, document))
        return sendable

    def _to_send(self, document: Document) -> int:
        """Bytes of its message; of one that is too long as it is, when the store has what can be there."""
        whole = document.ByteSize()
        return whole if whole + _ADDED_BYTES <= self._settings.max_message_bytes else least(document)

    def _emitted(self, document: Document) -> Outcome:
        if fault := self._bucket_fault(document):
            raise ValueError(fault)
        topic = self._output.replace(BUCKET, document.bucket)
        value = encode(document, self._resources.store, self._settings.max_message_bytes, topic)
        if fault := self._size_fault(len(value)):
            raise ValueError(fault)
        return Outcome("emit", self._judges[-1][0].name, "", document.uid, topic, value)

    def _beside(self, also: Also) -> Beside:
        """What goes with a document, as it goes over the pipe."""
        if isinstance(also.value, Document):
            limit = self._settings.max_message_bytes
            value: bytes | None = encode(also.value, self._resources.store, limit, also.topic)
        else:
            value = None if also.value is None else also.value.SerializeToString()
        return Beside(also.topic, value, also.key, also.spread)

    def _bucket_fault(self, document: Document) -> str:
        if BUCKET not in self._output or document.bucket in self._buckets:
            return ""
        # No such topic: the transaction would fail for ever.
        return f"bucket {document.bucket!r} is not one of {', '.join(sorted(self._buckets))}"

    def _size_fault(self, size: int) -> str:
        limit = self._settings.max_message_bytes
        if size <= limit:
            return ""
        # The broker would refuse it, for ever.
        return f"{size:,} bytes beside body, text and tokens; a message may have {limit:,}"


def rejection(document: Document, unit: str, drop: Drop, resources: Resources) -> bytes:
    """The Rejection of a dropped document, with its text, or with a reference to it when it is large."""
    limit = resources.settings.max_message_bytes
    document.ClearField("token_ids")
    kept = Document.FromString(encode(document, resources.store, limit, REJECTED))
    found = Rejection(
        document=kept, unit=unit, reason=drop.reason, detail=drop.detail, rejected_ms=int(time.time() * 1000)
    )
    if drop.measured is not None:
        found.measured = drop.measured
    if drop.threshold is not None:
        found.threshold = drop.threshold
    return found.SerializeToString()


def limit_memory(num_bytes: int) -> None:
    """Private memory of this process from now on; past it an allocation raises MemoryError.

    RLIMIT_DATA and not RLIMIT_AS: runtimes reserve address space that they never touch.
    """
    with contextlib.suppress(ValueError, OSError):  # not on every Unix; the container's limit remains
        resource.setrlimit(resource.RLIMIT_DATA, (num_bytes, resource.RLIM_INFINITY))


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent is killed.

    At a document that hangs nobody reads the pipe. Linux only; elsewhere the batch is run to its end first.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(pipe: Connection, names: Sequence[str], buckets: Sequence[str]) -> None:
    """Serve the parent until it closes the pipe."""
    settings = load_settings()
    configure_logs(names[0])
    resources = Resources(settings)
    resources.topic_ids = pipe.recv()
    units = Units(Topology.load(settings.topology, buckets).chain(names), buckets, resources)
    limit_memory(settings.memory_limit_bytes)
    settle_collector()
    pipe.send("ready")
    while True:
        try:
            batch: Batch = pipe.recv()
        except EOFError:
            break
        if batch.begin is not None:
            pipe.send(_attempt(units, partial(units.begin, batch.begin)))
        if batch.committed:
            answer = _attempt(units, partial(units.committed, batch.committed))
            pipe.send(answer)
            if isinstance(answer, Failed):
                continue  # the parent takes no more answers of this batch
        for items in batch.slices:
            answer = _attempt(units, partial(units.judge, items))
            pipe.send(answer)
            if isinstance(answer, Failed):
                break
        tidy()
        if batch.reached:
            pipe.send(_attempt(units, partial(units.reached, batch.reached)))
    resources.close()


def _attempt(units: Units, work: Callable[[], list[Outcome]]) -> list[Outcome] | Failed | CorpusworksError:
    try:
        return work()
    except DependencyDown as error:
        return Failed(units.running, str(error), "", error.dependency)
    except CorpusworksError as error:
        return error  # a setting, not the document
    except Exception as error:  # noqa: BLE001 - whatever a unit raises is the document's fault until shown otherwise
        return Failed(units.running, f"{type(error).__name__}: {error}", traceback.format_exc())


def main() -> None:
    """Entry of the child: argv = pipe's file descriptor, comma-separated units, comma-separated buckets."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    descriptor, names, buckets = sys.argv[1:4]
    pipe = Connection(int(descriptor))
    try:
        run(pipe, names.split(","), buckets.split(",") if buckets else [])
    except (BrokenPipeError, ConnectionResetError, EOFError):
        return  # the parent is gone
    except CorpusworksError as error:
        log.error("cannot start", error=str(error))
        with contextlib.suppress(OSError):
            pipe.send(error)
        sys.exit(2)


if __name__ == "__main__":
    main()
