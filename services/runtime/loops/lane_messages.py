"""What a lane's task is given and what it gives, as Kafka has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
from services.runtime.wire import decode, encode

TYPE_HEADER = "type"  # set when a message is not what its topic holds


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

    def read(self, record: Any) -> Message:
        """Raises DecodeError, UnicodeDecodeError; FileNotFoundError, where a field in the store is gone."""
        kind = dict(record.headers or ()).get(TYPE_HEADER)
        holds = message_class(kind.decode()) if kind else self._topology.holds(record.topic)
        value = None
        if record.value is not None:
            value = (
                decode(record.value, self._resources.store)
                if holds is Document
                else holds.FromString(record.value)
            )
        return Message(record.topic, record.partition, record.offset, record.key, value, record.timestamp)

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
