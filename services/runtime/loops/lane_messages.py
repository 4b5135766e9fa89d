"""What a lane's task is given and what it gives, as Kafka has it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtoMessage

from contracts import Document, Tally
from services.runtime.contracts.lane import LaneService, Message, Output, Step
from services.runtime.contracts.verdict import Drop
from services.runtime.logs import log
from services.runtime.loops.deadletter import dead_letter
from services.runtime.loops.tally import Told, dead, dropped, put
from services.runtime.loops.transaction import Produce
from services.runtime.process.frames import Item, Outcome
from services.runtime.process.worker import rejection
from services.runtime.resources import Resources
from services.runtime.settings import Settings
from services.runtime.topics import REJECTED
from services.runtime.topology import Topology
from services.runtime.topology import message as message_class
from services.runtime.wire import encode, fetch, parsed

TYPE_HEADER = "type"  # set when a message is not what its topic holds
# Parsed at once, and freed at once: one that a task keeps back for long keeps the others, too.
_TOGETHER, _TOGETHER_BYTES = 64, 128 << 10


class LaneMessages:
    """Of one service. watches: it only looks on, and leaves what is unreadable to others."""

    def __init__(
        self,
        settings: Settings,
        topology: Topology,
        service: LaneService,
        resources: Resources,
        *,
        watches: bool,
    ) -> None:
        self._settings = settings
        self._topology = topology
        self._service = service
        self._resources = resources
        self._watches = watches

    def read_all(self, records: Sequence[Any]) -> tuple[list[Message], list[tuple[Any, str]]]:
        """Of one partition; and records that cannot be read, with what is wrong. Raises DependencyDown."""
        messages: list[Message] = []
        unreadable: list[tuple[Any, str]] = []
        for some in _sliced(records):
            for record, document in zip(some, self._parsed(some), strict=True):
                try:
                    messages.append(self.read(record) if document is None else self._read(record, document))
                except (DecodeError, FileNotFoundError, UnicodeDecodeError) as error:
                    unreadable.append((record, repr(error)))
        return messages, unreadable

    def read(self, record: Any) -> Message:
        """Raises DecodeError, UnicodeDecodeError; FileNotFoundError, where a field in the store is gone."""
        kind = dict(record.headers or ()).get(TYPE_HEADER)
        holds = message_class(kind.decode()) if kind else self._topology.holds(record.topic)
        return self._read(record, None if record.value is None else holds.FromString(record.value))

    def _read(self, record: Any, value: ProtoMessage | None) -> Message:
        if isinstance(value, Document):
            fetch(value, self._resources.store)
        return Message(record.topic, record.partition, record.offset, record.key, value, record.timestamp)

    def _parsed(self, records: Sequence[Any]) -> Sequence[Document | None]:
        """At once where each is a document; else none of them is parsed yet."""
        values = [record.value for record in records if record.value is not None and not record.headers]
        if len(values) == len(records) and self._topology.holds(records[0].topic) is Document:
            with contextlib.suppress(DecodeError):  # of one of them, which is found below
                return parsed(values)
        return [None] * len(records)

    def of_step(self, lane: int, step: Step) -> tuple[list[Produce], list[Told]]:
        """What a step sends, and what it is tallied as. Raises ValueError for a reason not declared."""
        told = [put(record) for record in step.records]
        told += [Told(Tally.ASIDE, uid) for uid in step.aside]
        told += [Told(Tally.RESUMED, uid) for uid in step.resumed]
        outputs = [self._produce(lane, output) for output in step.outputs]
        for document, reason, detail in step.dropped:
            if reason not in self._service.drop_reasons:
                raise ValueError(f"{self._service.name} dropped for {reason!r}, not in its drop_reasons")
            told.append(dropped(document, self._service.name, reason))
            value = rejection(document, self._service.name, Drop(reason, detail=detail), self._resources)
            outputs.append(Produce(REJECTED, value, spread=document.uid))
        return outputs, told

    def of_unreadable(self, gone: Sequence[tuple[Item, str]]) -> tuple[list[Produce], list[Told]]:
        """Dead letters, and what they are tallied as; none of who only watches. gone: with what is wrong."""
        name, ids = self._service.name, self._resources.topic_ids
        if self._watches:
            for item, error in gone:
                log.warning("unreadable, passed over", topic=item.topic, offset=item.offset, error=error)
            return [], []
        told = [dead(item.value, name) for item, _ in gone if self._topology.holds(item.topic) is Document]
        letters = [
            dead_letter(item, Outcome("dead", name, error=error), ids.get(item.topic, ""))
            for item, error in gone
        ]
        return letters, told

    def _produce(self, lane: int, output: Output) -> Produce:
        message, value = output.value, None
        if isinstance(message, Document):
            value = encode(message, self._resources.store, self._settings.max_message_bytes, output.topic)
        elif message is not None:
            value = message.SerializeToString()
        headers = []
        if message is not None and type(message) is not self._topology.holds(output.topic):
            headers = [(TYPE_HEADER, type(message).__name__.encode())]
        return Produce(output.topic, value, output.key, partition=lane, headers=headers)


def _sliced(records: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """What is parsed together; one that is larger than all may be, alone."""
    start = size = 0
    for at, record in enumerate(records):
        more = len(record.value or b"")
        if at > start and (at - start == _TOGETHER or size + more > _TOGETHER_BYTES):
            yield records[start:at]
            start, size = at, 0
        size += more
    if start < len(records):
        yield records[start:]
