"""The loop of a lane service: one task a lane, all steps of a round in one transaction.

A lane is taken up by reading its committed offsets first and its logs after, so that the state can
only be as new as the offsets; when a transaction aborts every task is thrown away and taken up again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from contracts import Document
from services.runtime import metrics
from services.runtime.clients.kafka import consumer
from services.runtime.clients.log import Log
from services.runtime.contracts.lane import LaneService, LaneTask, Message, Output, Step
from services.runtime.contracts.unit import configure
from services.runtime.contracts.verdict import Drop
from services.runtime.errors import DependencyDown
from services.runtime.logs import log
from services.runtime.loops.deadletter import dead_letter
from services.runtime.loops.transaction import Aborted, Produce, Transactions
from services.runtime.process.frames import Item, Outcome
from services.runtime.process.lifecycle import Process
from services.runtime.process.worker import rejection
from services.runtime.resources import Resources
from services.runtime.settings import Settings
from services.runtime.topics import REJECTED
from services.runtime.topology import Service, Topology
from services.runtime.topology import message as message_class
from services.runtime.wire import decode, encode

_LOOK_S = 0.25  # between two looks for inputs that have run dry while others flow
_IDLE_MS = 250  # longest wait for messages; a step that depends on time may be late by it
TYPE_HEADER = "type"  # set when a message is not what its topic holds


class LaneLoop(ConsumerRebalanceListener):
    """One consumer over the lanes this process holds, one producer."""

    def __init__(self, settings: Settings, topology: Topology, service: Service, instance: str) -> None:
        assert isinstance(service.definition, LaneService)
        self._settings = settings
        self._topology = topology
        self._service = service.definition
        self._inputs = [name for topic in service.inputs for name in topology.expand(topic)]
        self._config = configure(
            self._service.name, self._service.config, settings.units.get(self._service.name, {})
        )
        self._resources = Resources(settings)
        self._process = Process(settings, self._service.name)
        self._transactions = Transactions(settings, self._service.name, f"{self._service.name}-{instance}")
        self._instance = instance
        self._consumer: KafkaConsumer = None
        self._tasks: dict[int, LaneTask] = {}
        self._drained: dict[int, set[str]] = {}
        self._looked = 0.0  # when the inputs' ends were last asked for
        self._unreadable: dict[int, list[tuple[Item, str]]] = {}

    def run(self) -> None:
        """Until SIGTERM. Raises ConfigurationError, Fenced."""
        self._process.start()
        try:
            while not self._process.stopping:
                try:
                    self._once()
                    self._process.worked()
                except (Aborted, DependencyDown, KafkaError) as error:
                    self._process.failed(error)
                    self._start_over()
        finally:
            self._transactions.reset()
            if self._consumer is not None:
                self._consumer.close(autocommit=False, timeout_ms=3000)
            self._resources.close()

    def _once(self) -> None:
        if self._consumer is None:
            self._transactions.open()
            self._consumer = consumer(self._settings, self._service.name, instance=self._instance, lanes=True)
            self._consumer.subscribe(self._inputs, listener=self)
        found = self._consumer.poll(_IDLE_MS)
        taken_up = self._take_up()
        for tp, records in found.items():
            if tp.partition not in taken_up:  # else they are read again, from the committed offset
                self._feed(tp, records)
        if found:
            self._drained = {}
        # Where documents come all the time no poll is empty, and yet an input may have run dry.
        due = not found or time.monotonic() - self._looked > _LOOK_S
        drained = self._read_out() if due else {}
        while self._step(drained) and not self._process.stopping:
            self._process.health.moved()
        starved = sum(getattr(task, "starved", False) for task in self._tasks.values())
        metrics.STARVED.labels(self._service.name).set(starved)
        self._pause()

    def _feed(self, tp: TopicPartition, records: Sequence[Any]) -> None:
        messages = []
        for record in records:
            try:
                messages.append(self._message(record))
            except (DecodeError, FileNotFoundError, UnicodeDecodeError) as error:
                item = Item(record.value or b"", tp.topic, tp.partition, record.offset)
                self._unreadable.setdefault(tp.partition, []).append((item, repr(error)))
        self._tasks[tp.partition].feed(messages)

    def _message(self, record: Any) -> Message:
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

    def _step(self, drained: Mapping[int, set[str]]) -> bool:
        start = time.monotonic()
        steps: dict[int, Step] = {}
        for lane, task in self._tasks.items():
            step = task.step(time.time(), drained.get(lane, set()))
            if step is not None:
                steps[lane] = step
        if not steps:
            return False
        outputs = [o for lane, step in steps.items() for o in self._outputs(lane, step)]
        offsets = {
            TopicPartition(topic, lane): offset
            for lane, step in steps.items()
            for topic, offset in step.consumed.items()
        }
        self._transactions.commit(outputs, offsets, self._consumer.group_metadata())
        for step in steps.values():
            if step.committed is not None:
                step.committed()
        self._account(outputs, time.monotonic() - start)
        return True

    def _outputs(self, lane: int, step: Step) -> list[Produce]:
        outputs = [self._produce(lane, output) for output in step.outputs]
        for document, reason, detail in step.dropped:
            if reason not in self._service.drop_reasons:
                raise ValueError(f"{self._service.name} dropped for {reason!r}, not in its drop_reasons")
            value = rejection(document, self._service.name, Drop(reason, detail=detail), self._resources)
            outputs.append(Produce(REJECTED, value, spread=document.uid))
            metrics.DOCUMENTS.labels(self._service.name, self._service.name, "drop", reason).inc()
        waiting = self._unreadable.get(lane, [])
        passed = [w for w in waiting if w[0].offset < step.consumed.get(w[0].topic, 0)]
        for item, error in passed:
            outputs.append(dead_letter(item, Outcome("dead", self._service.name, error=error)))
            waiting.remove((item, error))
        return outputs

    def _produce(self, lane: int, output: Output) -> Produce:
        message = output.value
        if isinstance(message, Document):
            value = encode(message, self._resources.store, self._settings.max_message_bytes)
        else:
            value = message.SerializeToString()
        headers = []
        if type(message) is not self._topology.holds(output.topic):
            headers = [(TYPE_HEADER, type(message).__name__.encode())]
        return Produce(output.topic, value, output.key, partition=lane, headers=headers)

    def _take_up(self) -> set[int]:
        """Build the tasks of lanes that are assigned and have none; which lanes these were.

        A lane that stays here through a rebalance keeps the consumer's position, which is past what its
        former task held and had not committed: so the position is set, for every lane.
        """
        lanes = {tp.partition for tp in self._consumer.assignment()} - set(self._tasks)
        for lane in sorted(lanes):
            committed = {
                topic: self._consumer.committed(TopicPartition(topic, lane)) or 0 for topic in self._inputs
            }
            task = self._service.build(self._config, self._resources, lane)
            with Log(self._settings) as history:
                ends = {
                    tp: end for tp, end in history.settled_ends(self._service.logs).items() if tp[1] == lane
                }
                ranges = {(topic, p): (0, committed.get(topic, end)) for (topic, p), end in ends.items()}
                task.restore([self._message(record) for record in history.read(ranges)])
            for topic, offset in committed.items():
                self._consumer.seek(TopicPartition(topic, lane), offset)
            self._tasks[lane] = task
            log.info("lane taken up", lane=lane, offsets=committed)
        return lanes

    def _read_out(self) -> dict[int, set[str]]:
        """By lane: inputs of which all that is committed has been read; asked until that is so of all."""
        assigned = self._consumer.assignment()
        self._looked = time.monotonic()
        if sum(map(len, self._drained.values())) < len(assigned):
            self._drained = {}
            for tp, end in self._consumer.end_offsets(list(assigned)).items():
                if self._consumer.position(tp) >= end:
                    self._drained.setdefault(tp.partition, set()).add(tp.topic)
        return self._drained

    def _pause(self) -> None:
        for tp in self._consumer.assignment():
            if tp.partition not in self._tasks:
                continue
            wanted = tp.topic in self._tasks[tp.partition].wants()
            paused = tp in self._consumer.paused()
            if wanted and paused:
                self._consumer.resume(tp)
            elif not wanted and not paused:
                self._consumer.pause(tp)

    def _start_over(self) -> None:
        self._transactions.reset()
        self._tasks.clear()
        self._drained = {}
        self._unreadable.clear()
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=1000)
            self._consumer = None

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Tasks are built after the poll that brought the assignment."""
        self._process.health.ready("partitions")

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Everything a lane's task knows is in Kafka; its new owner takes it up there."""
        self._drained = {}
        for tp in revoked:
            self._tasks.pop(tp.partition, None)
            self._unreadable.pop(tp.partition, None)

    def _account(self, outputs: Sequence[Produce], seconds: float) -> None:
        name = self._service.name
        metrics.BATCH_SECONDS.labels(name).observe(seconds)
        metrics.BYTES.labels(name, "out").inc(sum(len(o.value or b"") for o in outputs))
        emitted = sum(o.topic != REJECTED for o in outputs)
        metrics.DOCUMENTS.labels(name, name, "emit", "").inc(emitted)
        log.info("step", messages=len(outputs), seconds=round(seconds, 3))
