"""A lane service that gathers: one task for all partitions, in one process; the others wait."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest
from kafka import TopicPartition

from contracts import Document
from services.runtime import LaneService, Message, Output, Resources, Settings, Step, place
from services.runtime.loops.lane import LaneLoop
from services.runtime.loops.transaction import Aborted
from services.runtime.topology import Topology
from tests.memory_broker import MemoryBroker
from tests.units import NoConfig

TABLE = {
    "services": {
        "counting": {
            "run": "tests.unit.runtime.loops.test_gathering:COUNTING",
            "input": ["lanes.in"],
            "output": "one.out",
        }
    },
    "topics": {
        "lanes.in": {"holds": "Document", "by": "lanes"},
        "one.out": {"holds": "Document", "by": "one"},
    },
}


class Counting:
    """Numbers what comes from any lane; its state is the last number."""

    def __init__(self) -> None:
        self.next = 0
        self.waiting: list[Message] = []
        self.drained: set[str] = set()

    def restore(self, log: Sequence[Message]) -> None:
        assert len(log) <= 1
        self.next = max((m.value.uid for m in log), default=0)  # type: ignore[union-attr]

    def wants(self) -> Collection[str]:
        return ("lanes.in",)

    def feed(self, messages: Sequence[Message]) -> None:
        self.waiting += messages

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        self.drained = set(drained)
        if not self.waiting:
            return None
        outputs = []
        for m in self.waiting:
            self.next += 1
            outputs.append(Output("one.out", Document(uid=self.next, id=m.document.id)))  # type: ignore[union-attr]
        consumed = {place(m.topic, m.partition): m.offset + 1 for m in self.waiting}
        self.waiting = []
        return Step(outputs, consumed)


def _build(config: Any, resources: Resources, lane: int) -> Counting:
    assert lane == 0
    return Counting()


COUNTING = LaneService("counting", NoConfig, _build, tails=("one.out",), gathers=True)


@pytest.fixture(autouse=True)
def _topics(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.runtime.loops.lane._LOOK_S", 0)
    broker.create_topic("lanes.in", 3)
    broker.create_topic("lanes.in.dlq", 3)
    broker.create_topic("one.out")


def loop(broker: MemoryBroker, settings: Settings, instance: str = "0") -> LaneLoop:
    topology = Topology(TABLE, ())
    return LaneLoop(settings, topology, topology.service("counting"), instance, broker=broker)


def publish(broker: MemoryBroker, lane: int, *names: str) -> None:
    producer = broker.producer("test")
    producer.init_transactions()
    producer.begin_transaction()
    for name in names:
        producer.send("lanes.in", Document(id=name).SerializeToString(), partition=lane)
    producer.commit_transaction()


def out(broker: MemoryBroker) -> dict[int, str]:
    with broker.log() as log:
        found = [Document.FromString(r.value) for r in log.read_all("one.out")]
    assert [d.uid for d in found] == list(range(1, len(found) + 1))
    return {d.uid: d.id for d in found}


def rounds(*loops: LaneLoop, number: int = 5) -> None:
    for _ in range(number):
        for it in loops:
            it._once()


def test_one_task_has_all_partitions(broker: MemoryBroker, settings: Settings) -> None:
    for lane in range(3):
        publish(broker, lane, f"{lane}a", f"{lane}b")
    it = loop(broker, settings)
    rounds(it)
    assert sorted(out(broker).values()) == ["0a", "0b", "1a", "1b", "2a", "2b"]
    assert set(it._lanes) == {0}
    assert it._lanes[0].task.drained == {f"lanes.in/{lane}" for lane in range(3)}  # type: ignore[attr-defined]
    committed = {tuple(tp): offset for tp, offset in broker.group("counting").committed.items()}
    assert committed == {("lanes.in", lane): 3 for lane in range(3)}, "markers included"


def test_a_second_process_waits_and_takes_over(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents two that count, and none when each holds a half."""
    first, second = loop(broker, settings, "0"), loop(broker, settings, "1")
    publish(broker, 0, "a")
    rounds(first)
    rounds(first, second)
    publish(broker, 1, "b")
    rounds(first, second)
    assert (set(first._lanes), set(second._lanes)) == ({0}, set())
    assert first._consumer is not None
    broker.evict(first._consumer)  # type: ignore[arg-type]
    publish(broker, 2, "c")
    rounds(second)
    assert out(broker) == {1: "a", 2: "b", 3: "c"}


def test_a_zombie_is_refused_by_the_transaction(broker: MemoryBroker, settings: Settings) -> None:
    first, second = loop(broker, settings, "0"), loop(broker, settings, "1")
    rounds(first)
    publish(broker, 0, "a")
    assert first._consumer is not None
    for tp, records in first._consumer.poll().items():
        first._feed(tp, records)
    broker.evict(first._consumer)  # type: ignore[arg-type]
    rounds(second)
    with pytest.raises(Aborted):
        first._step(first._consumer, {})
    broker.producer(first._transactions._id).init_transactions()  # its time is over
    assert out(broker) == {1: "a"}


def test_partitions_that_are_added_are_taken_up(broker: MemoryBroker, settings: Settings) -> None:
    it = loop(broker, settings)
    publish(broker, 0, "a")
    rounds(it)
    broker.topics["lanes.in"].partitions.append(type(broker.topics["lanes.in"].partitions[0])())
    publish(broker, 3, "b")
    broker.group("counting").change()  # its leader has seen that the topic grew
    rounds(it)
    assert out(broker) == {1: "a", 2: "b"}


def test_the_last_message_is_found_behind_markers_and_what_was_aborted(
    broker: MemoryBroker, settings: Settings
) -> None:
    """Prevents numbers from beginning at 1 again after a night of aborted transactions."""
    with broker.log() as log:
        assert log.last("one.out", 0) is None
    publish(broker, 0, "a")
    it = loop(broker, settings)
    rounds(it)
    for _ in range(40):
        producer = broker.producer("aborting")
        producer.init_transactions()
        producer.begin_transaction()
        producer.send("one.out", Document(uid=99).SerializeToString(), partition=0)
        broker.producer("aborting").init_transactions()
    with broker.log() as log:
        assert Document.FromString(log.last("one.out", 0).value).uid == 1  # type: ignore[union-attr]
    assert it._consumer is not None
    broker.evict(it._consumer)  # type: ignore[arg-type]
    publish(broker, 1, "b")
    rounds(loop(broker, settings))
    assert out(broker) == {1: "a", 2: "b"}
    assert broker.log_of(TopicPartition("one.out", 0)).end > 80
