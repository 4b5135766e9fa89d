"""What a lane reads beside its inputs: its logs from where it needs them, and stretches again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
from kafka import TopicPartition

from contracts import Document
from services.runtime import LaneService, Message, Output, Settings, Step
from services.runtime.errors import Outdated
from services.runtime.loops.lane import LaneLoop
from services.runtime.loops.watch import Watch
from services.runtime.topology import Topology
from tests.memory_broker import MemoryBroker
from tests.units import NoConfig

TABLE = {
    "services": {
        "twice": {
            "run": "tests.unit.runtime.loops.test_history:TWICE",
            "input": ["pool.zh"],
            "output": "docs.mixed",
        }
    },
    "topics": {
        "pool.zh": {"holds": "Document", "by": "lanes"},
        "docs.mixed": {"holds": "Document", "by": "lanes"},
        "told": {"holds": "Document", "by": "lanes"},
        "state": {"holds": "Document", "by": "lanes", "compact": True},
    },
}
RESTORED: list[list[str]] = []


class Twice:
    """Hands on what comes; once there are three, the first two of them again."""

    def __init__(self) -> None:
        self._waiting: list[Message] = []
        self._end = 0
        self._again: tuple[int, int] | None = None

    def restore(self, log: Sequence[Message]) -> None:
        RESTORED.append([m.document.text for m in log if m.document is not None])

    def wants(self) -> Collection[str]:
        return ("pool.zh",)

    def feed(self, messages: Sequence[Message]) -> None:
        self._waiting += messages
        for message in messages:
            if message.offset == 2:
                self._again = (0, 2)

    def wanted_again(self) -> Mapping[str, tuple[int, int]]:
        return {"pool.zh": self._again} if self._again else {}

    def feed_again(self, topic: str, messages: Sequence[Message], reached: int) -> None:
        assert (topic, reached) == ("pool.zh", 2)
        self._waiting += messages
        self._again = None

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        if not self._waiting:
            return None
        done, self._waiting = self._waiting, []
        self._end = max(self._end, *(m.offset + 1 for m in done))
        return Step([Output("docs.mixed", m.value) for m in done], {"pool.zh": self._end})


TWICE = LaneService(
    "twice",
    NoConfig,
    lambda *_: Twice(),
    logs=("told",),
    tails=("state",),
    since=lambda tails: {"told": len(tails[-1].document.text)} if tails and tails[-1].document else {},
)


def publish(broker: MemoryBroker, topic: str, *texts: str) -> None:
    producer: Any = broker.producer("test")
    producer.init_transactions()
    producer.begin_transaction()
    for text in texts:
        producer.send(topic, Document(uid=1, text=text).SerializeToString(), partition=0)
    producer.commit_transaction()


@pytest.fixture
def loop(broker: MemoryBroker, settings: Settings) -> LaneLoop:
    for name in ("pool.zh", "docs.mixed", "told", "state"):
        broker.create_topic(name, 1)
    topology = Topology(TABLE, ("zh",))
    RESTORED.clear()
    return LaneLoop(settings, topology, topology.service("twice"), "0", broker=broker)


def out(broker: MemoryBroker) -> list[str]:
    with broker.log() as log:
        return [Document.FromString(r.value).text for r in log.read_all("docs.mixed")]


def test_a_stretch_is_read_again_beside_what_comes(broker: MemoryBroker, loop: LaneLoop) -> None:
    """Prevents a second use that needs a second group, or that moves the offsets of the first."""
    publish(broker, "pool.zh", "a", "b", "c")
    for _ in range(4):
        loop._once()
    assert out(broker) == ["a", "b", "c", "a", "b"]
    publish(broker, "pool.zh", "d")
    for _ in range(4):
        loop._once()
    assert out(broker) == ["a", "b", "c", "a", "b", "d"]
    assert broker.group("twice").committed[TopicPartition("pool.zh", 0)] > 3


def test_of_a_tail_the_last_is_read_first_and_says_where_a_log_begins(
    broker: MemoryBroker, loop: LaneLoop
) -> None:
    """Prevents a start that reads all that a lane was ever told."""
    publish(broker, "told", "1", "2", "3", "4", "5")
    publish(broker, "state", "x", "xx", "xxx")
    loop._once()
    loop._once()
    assert RESTORED == [["xxx", "4", "5"]]


def test_who_works_by_what_holds_no_more_ends(broker: MemoryBroker, loop: LaneLoop) -> None:
    """Prevents a router that goes on by a recipe that was changed. Asked only when something was agreed."""
    asked = []

    def check() -> None:
        asked.append(1)
        raise Outdated("another recipe")

    loop._watch = Watch(check, every_s=0)
    for _ in range(3):
        loop._once()
    assert asked == [], "what stood before it was checked at the start is no news"
    publish(broker, "river.agreed", "another")
    with pytest.raises(Outdated, match="another recipe"):
        loop._once()
