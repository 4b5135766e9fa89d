"""The loop of a lane service: one task a lane, all steps of a round in one transaction.

A lane is taken up by reading its committed offsets first and its logs after, so that the state can
only be as new as the offsets; when a transaction aborts every task is thrown away and taken up again.
A service that gathers has one lane, 0, whose inputs are all partitions of its topics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from services.runtime import metrics
from services.runtime.clients.broker import Broker, Consumer, KafkaBroker, static_member
from services.runtime.clients.kafka import PATIENCE_S
from services.runtime.clients.log import Log
from services.runtime.contracts.lane import LaneService, LaneTask, Message, Step
from services.runtime.contracts.unit import configure
from services.runtime.errors import ConfigurationError, DependencyDown
from services.runtime.logs import log
from services.runtime.loops.counts import count_steps
from services.runtime.loops.history import History
from services.runtime.loops.lane_inputs import LaneInputs
from services.runtime.loops.lane_messages import LaneMessages
from services.runtime.loops.offsets import Offsets
from services.runtime.loops.read_out import Drained, ReadOut
from services.runtime.loops.tally import Told, tally
from services.runtime.loops.transaction import Aborted, Produce, Transactions
from services.runtime.loops.watch import Watch
from services.runtime.process.frames import Item, item_of
from services.runtime.process.gate import pass_gate
from services.runtime.process.lifecycle import Process
from services.runtime.resources import Resources
from services.runtime.settings import Settings
from services.runtime.topology import Service, Topology

_LOOK_S = 0.25  # between two looks for inputs that have run dry while others flow
# Longest wait for messages, after some came and when none did: a step that depends on time may be late by it.
# What is told all lanes comes to one after the other: each would wait behind the former for the next look.
_BUSY_MS, _IDLE_MS = 20, 500


@dataclass
class _Lane:
    """A lane that this process holds.

    inputs: by the name that the task knows them by. committed: by input, where the group stands.
    fed: offset after the last message the task was given.
    unreadable: what was read and is no message; becomes a dead letter when the task has passed it.
    """

    task: LaneTask
    inputs: Mapping[str, TopicPartition]
    committed: dict[str, int]
    fed: dict[str, int] = field(default_factory=dict)
    unreadable: list[tuple[Item, str]] = field(default_factory=list)

    def is_done(self, name: str) -> bool:
        """The task holds nothing of this input that is not committed."""
        return self.fed.get(name, 0) <= self.committed[name]


class LaneLoop(ConsumerRebalanceListener):
    """One consumer over the lanes this process holds, one producer."""

    def __init__(
        self,
        settings: Settings,
        topology: Topology,
        service: Service,
        instance: str,
        *,
        agreed: Callable[[Log], object] = lambda _: (),
        watch: Watch | None = None,
        broker: Broker | None = None,
        definition: LaneService | None = None,
    ) -> None:
        """definition: of who does the work of the service for once, in its group and in its stead."""
        found = definition or service.definition
        assert isinstance(found, LaneService)
        self._settings = settings
        self._service = found
        self._outputs = {service.output, *found.logs}  # those that it announces are its logs
        topics = [name for topic in service.inputs for name in topology.expand(topic)]
        self._inputs = LaneInputs(topics, gathers=found.gathers)
        self._config = configure(
            self._service.name, self._service.config, settings.units.get(self._service.name, {})
        )
        self._resources = Resources(settings)
        self._resources.inputs = tuple(topics)
        self._messages = LaneMessages(
            settings, topology, self._service, self._resources, watches=service.watches
        )
        self._process = Process(settings, self._service.name)
        name = self._service.name
        self._agreed = agreed
        self._watch = watch
        self._broker = broker or KafkaBroker(settings)
        self._transactions = Transactions(settings, name, f"{name}-{instance}", self._broker)
        self._offsets = Offsets(name)
        self._member = static_member(instance, [*topics, f"{settings.lanes} lanes"])
        self._history = History(self._service, self._broker, self._messages.read, self._process.health.moved)
        self._consumer: Consumer | None = None
        self._log: Log | None = None  # from the start on, until the first lanes are taken up
        self._lanes: dict[int, _Lane] = {}
        self._read_out = ReadOut(self._inputs)
        self._rereads = False  # a task has just read again, and will have more to do
        self._idle = False  # nothing came the last time
        self._looked = 0.0  # when it was last looked whether inputs have run dry

    def run(self) -> None:
        """Until SIGTERM. Raises ConfigurationError, Fenced, Outdated."""
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
            self._end()

    def run_until(self, done: Callable[[], bool]) -> None:
        """Until `done` says so, in a command: signals are the caller's, and nothing is listened on.

        Raises DependencyDown after PATIENCE_S without a round that went through; else as `run`.
        """
        worked = time.monotonic()
        try:
            while not done():
                try:
                    self._once()
                    self._process.worked()
                    worked = time.monotonic()
                except (Aborted, DependencyDown, KafkaError) as error:
                    if time.monotonic() - worked > PATIENCE_S:
                        raise DependencyDown("Kafka", error) from error
                    self._process.failed(error)
                    self._start_over()
        finally:
            self._end()

    def _end(self) -> None:
        self._transactions.reset()
        self._history.close()
        self._forget_log()
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=3000)
        self._resources.close()

    def _once(self) -> None:
        consumer = self._consumer or self._open()
        try:
            found = consumer.poll(0 if self._rereads else _IDLE_MS if self._idle else _BUSY_MS)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError):
            if not self._untaken(consumer):
                raise
            found = {}  # what came has no offset, or a wrong one: taking it up will tell
        self._check_topics(consumer, found)
        taken_up = self._take_up(consumer)
        for tp, records in found.items():
            if self._inputs.lane(tp) not in taken_up:  # else they are read again, from the committed offset
                self._feed(tp, records)
        self._idle = not found
        if found:
            self._read_out.came()
        # Where documents come all the time no poll is empty, and yet an input may have run dry.
        due = not found or time.monotonic() - self._looked > _LOOK_S
        if due:
            self._looked = time.monotonic()
        while self._step(consumer, due) and not self._process.stopping:
            self._process.health.moved()
        read = [self._history.again(number, lane.task) for number, lane in self._lanes.items()]
        self._rereads = any(read)
        if due:
            self._pass(consumer)
        self._show(consumer)
        self._pause(consumer)
        if self._watch is not None:
            self._watch.look(consumer)

    def _open(self) -> Consumer:
        consumer = self._consumer = self._broker.consumer(
            self._service.name, instance=self._member, lanes=True, gathers=self._service.gathers
        )
        self._process.wake = consumer.wake
        self._log = self._log or self._broker.log()
        pass_gate()
        self._resources.topic_ids = consumer.topic_ids()  # first: it hears of topics made since
        if self._watch is not None:
            self._watch.begin(consumer)
        self._agreed(self._log)
        self._transactions.open()
        consumer.subscribe(self._inputs.topics, listener=self)
        return consumer

    def _check_topics(self, consumer: Consumer, found: Collection[TopicPartition]) -> None:
        for tp in found:
            if (known := self._resources.topic_ids.get(tp.topic, "")) != consumer.topic_id(tp.topic):
                raise ConfigurationError(
                    f"{tp.topic} was made anew: its id was {known or 'unknown'} and is now "
                    f"{consumer.topic_id(tp.topic)}. Start again to hear what was lost and the way out"
                )

    def _feed(self, tp: TopicPartition, records: Sequence[Any]) -> None:
        lane = self._lanes.get(self._inputs.lane(tp))
        if lane is None:
            return  # it waits for its other inputs, and is read again then
        messages, unreadable = self._messages.read_all(records)
        lane.unreadable += [(item_of(record), error) for record, error in unreadable]
        if messages:
            lane.fed[self._inputs.name(tp)] = messages[-1].offset + 1
        lane.task.feed(messages)

    def _step(self, consumer: Consumer, due: bool) -> bool:
        """due: inputs may have run dry, and a task that asks is told which."""
        start, held = time.monotonic(), self._held()
        steps: dict[int, Step] = {}
        for number, lane in self._lanes.items():
            drained = Drained(partial(self._read_out.of, consumer, held, number)) if due else ()
            step = lane.task.step(time.time(), drained)
            if step is not None:
                steps[number] = step
        if not steps:
            return False
        outputs: list[Produce] = []
        told: list[Told] = []
        for number, step in steps.items():
            gone = self._passed(self._lanes[number], step.consumed)
            for sent, of in (self._messages.of_step(number, step), self._messages.of_unreadable(gone)):
                outputs += sent
                told += of
        parts = [step.part for step in steps.values() if step.part]
        consumed = {number: self._consumed(consumer, number, step) for number, step in steps.items()}
        offsets = {
            self._lanes[number].inputs[name]: offset
            for number, of in consumed.items()
            for name, offset in of.items()
        }
        self._transactions.commit(outputs + tally(told, parts), offsets, consumer.group_metadata())
        for number, step in steps.items():
            self._lanes[number].committed |= consumed[number]
            if step.committed is not None:
                step.committed()
        self._read_out.returned(consumer, outputs)
        seconds = time.monotonic() - start
        count_steps(self._service.name, steps.values(), outputs, self._outputs, seconds)
        log.info("step", messages=len(outputs), seconds=round(seconds, 3))
        return True

    def _consumed(self, consumer: Consumer, number: int, step: Step) -> dict[str, int]:
        """Where the group stands after a step.

        Behind the markers that have been read, where the lane holds no more of an input: else they would be
        committed by themselves later.
        """
        lane, consumed = self._lanes[number], dict(step.consumed)
        for name, offset in step.consumed.items():
            if offset == lane.fed.get(name):
                consumed[name] = max(offset, consumer.position(lane.inputs[name]) or 0)
        return consumed

    def _passed(self, lane: _Lane, consumed: Mapping[str, int]) -> list[tuple[Item, str]]:
        """What was unreadable before these offsets, which the lane then holds no more."""
        gone = [
            (item, error)
            for item, error in lane.unreadable
            if item.offset < consumed.get(self._inputs.name(TopicPartition(item.topic, item.partition)), 0)
        ]
        lane.unreadable = [each for each in lane.unreadable if each not in gone]
        return gone

    def _pass(self, consumer: Consumer) -> None:
        """Commit the position of inputs of which the tasks hold nothing: markers take offsets, too."""
        passed: dict[TopicPartition, int] = {}
        gone: list[tuple[Item, str]] = []
        for lane in self._lanes.values():
            for name in filter(lane.is_done, lane.inputs):
                tp = lane.inputs[name]
                if (position := consumer.position(tp)) is not None and position > lane.committed[name]:
                    passed[tp] = position
                    gone += self._passed(lane, {name: position})
        letters, told = self._messages.of_unreadable(gone)
        if letters:
            self._transactions.commit(letters + tally(told), passed, consumer.group_metadata())
            metrics.DOCUMENTS.labels(self._service.name, self._service.name, "dead", "").inc(len(letters))
        elif passed:
            try:
                consumer.commit_offsets(passed)
            except KafkaError as error:  # in a rebalance, say: the next owner will
                log.info("position not committed", error=repr(error))
                return
        for tp, position in passed.items():
            self._lanes[self._inputs.lane(tp)].committed[self._inputs.name(tp)] = position

    def _take_up(self, consumer: Consumer) -> set[int]:
        """Build the tasks of lanes of which every input is here; which lanes these were.

        A lane that stays here through a rebalance keeps the consumer's position, which is past what its
        former task held and had not committed: so the position is set, for every lane.
        """
        assigned, lanes = consumer.assignment(), self._untaken(consumer)
        inputs = {number: self._inputs.of(consumer, number) for number in lanes}
        mine = {number: {tp for tp in assigned if self._inputs.lane(tp) == number} for number in lanes}
        whole = {number: of for number, of in inputs.items() if of and mine[number] == set(of.values())}
        for tp in assigned:
            number = self._inputs.lane(tp)
            # Topics are made, and get more partitions, one after another: the others come with a rebalance.
            if number in lanes and number not in whole and tp not in consumer.paused():
                log.info("lane waits for all of its inputs", lane=number, has=tp.topic)
                consumer.seek(tp, 0)
                consumer.pause(tp)
        if not whole:
            return set()
        wanted = [tp for of in whole.values() for tp in of.values()]
        logs, self._log = self._log or self._broker.log(), None
        with logs:
            placed = self._offsets.take_up(consumer, wanted, self._transactions, logs)
            for lane, of in whole.items():
                committed = {name: placed[tp] for name, tp in of.items()}
                self._build(consumer, lane, of, committed, self._history.of(lane, committed, logs))
        return set(whole)

    def _build(
        self,
        consumer: Consumer,
        lane: int,
        inputs: Mapping[str, TopicPartition],
        committed: dict[str, int],
        history: Sequence[Message],
    ) -> None:
        """The task of a lane, from where the group stands."""
        task = self._service.build(self._config, self._resources, lane)
        if self._service.gathers and not history:  # nothing was done, or all that was is lost
            starts = consumer.beginning_offsets(list(inputs.values()))
            committed = {name: starts[tp] for name, tp in inputs.items()}
        task.restore(history)
        for name, offset in committed.items():
            consumer.seek(inputs[name], offset)
        self._lanes[lane] = _Lane(task, inputs, committed)
        log.info("lane taken up", lane=lane, offsets=committed)

    def _untaken(self, consumer: Consumer) -> list[int]:
        return sorted({self._inputs.lane(tp) for tp in consumer.assignment()} - set(self._lanes))

    def _held(self) -> list[TopicPartition]:
        return [tp for lane in self._lanes.values() for tp in lane.inputs.values()]

    def _pause(self, consumer: Consumer) -> None:
        paused = consumer.paused()
        for lane in self._lanes.values():
            wants = lane.task.wants()
            for tp in lane.inputs.values():
                if tp.topic in wants and tp in paused:
                    consumer.resume(tp)
                elif tp.topic not in wants and tp not in paused:
                    consumer.pause(tp)

    def _forget_log(self) -> None:
        if self._log is not None:
            self._log.__exit__()
            self._log = None

    def _start_over(self) -> None:
        self._forget_log()
        self._transactions.reset()
        self._history.close()
        self._lanes.clear()
        self._read_out = ReadOut(self._inputs)
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=1000)
            self._consumer = None

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Tasks are built after the poll that brought the assignment."""
        self._process.health.ready("partitions")

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Everything a lane's task knows is in Kafka; its new owner takes it up there."""
        self._read_out.revoked(revoked)
        for tp in revoked:
            self._lanes.pop(self._inputs.lane(tp), None)

    def _show(self, consumer: Consumer) -> None:
        """How the lanes stand."""
        name, tasks, now = self._service.name, [lane.task for lane in self._lanes.values()], time.time()
        metrics.STARVED.labels(name).set(sum(getattr(task, "starved", False) for task in tasks))
        since = [at for task in tasks if (at := getattr(task, "since", None)) is not None]
        metrics.OPEN_SECONDS.labels(name).set(max(0.0, now - min(since)) if since else 0)
        # Where nothing was fetched yet, the client would ask the broker for its position.
        ends = [(tp, end) for tp in self._held() if (end := consumer.highwater(tp)) is not None]
        metrics.LAG.labels(name).set(sum(max(0, end - (consumer.position(tp) or 0)) for tp, end in ends))
