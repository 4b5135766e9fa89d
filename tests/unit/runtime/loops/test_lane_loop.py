"""The loop of a lane service on a broker in memory: one transaction a step, lanes taken up whole."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError
from prometheus_client import REGISTRY

from contracts import Document
from services.runtime import ConfigurationError, LaneService, Message, Output, Resources, Settings, Step
from services.runtime.journal.reader import Reader
from services.runtime.loops.lane import LaneLoop
from services.runtime.topology import Topology
from tests.memory_broker import MemoryBroker
from tests.units import NoConfig

TABLE = {
    "services": {
        "pairs": {
            "run": "tests.unit.runtime.loops.test_lane_loop:PAIRS",
            "input": ["pool.{bucket}"],
            "output": "docs.mixed",
        }
    },
    "topics": {
        "pool.{bucket}": {"holds": "Document", "by": "lanes"},
        "docs.mixed": {"holds": "Document", "by": "lanes"},
    },
}
IDS: list[dict[str, str]] = []


class Pairs:
    """Hands on two documents of a lane at a time."""

    def __init__(self) -> None:
        self._waiting: list[Message] = []

    def restore(self, log: Sequence[Message]) -> None:
        """It has no log."""

    def wants(self) -> Collection[str]:
        return ("pool.zh", "pool.en", "pool.code")

    def feed(self, messages: Sequence[Message]) -> None:
        self._waiting += messages

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        if len(self._waiting) < 2:
            return None
        pair, self._waiting = self._waiting[:2], self._waiting[2:]
        return Step(
            [Output("docs.mixed", m.value) for m in pair if m.value is not None],
            {m.topic: m.offset + 1 for m in pair},
        )


def _build(config: Any, resources: Resources, lane: int) -> Pairs:
    IDS.append(dict(resources.topic_ids))
    return Pairs()


PAIRS = LaneService("pairs", NoConfig, _build)


@pytest.fixture(autouse=True)
def _topics(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.runtime.loops.lane._LOOK_S", 0)
    for name in ("pool.zh", "pool.en", "docs.mixed", "pool.zh.dlq"):
        broker.create_topic(name, 2)


def loop(broker: MemoryBroker, settings: Settings, buckets: Sequence[str] = ("zh", "en")) -> LaneLoop:
    topology = Topology(TABLE, buckets)
    return LaneLoop(settings, topology, topology.service("pairs"), "0", broker=broker)


def publish(broker: MemoryBroker, topic: str, *texts: str | None, lane: int = 0) -> None:
    producer = broker.producer("test")
    producer.init_transactions()
    producer.begin_transaction()
    for text in texts:
        value = b"\xff\xff" if text is None else Document(uid=1, text=text).SerializeToString()
        producer.send(topic, value, partition=lane)
    producer.commit_transaction()


def out(broker: MemoryBroker, topic: str = "docs.mixed") -> list[str]:
    with broker.log() as log:
        return [Document.FromString(r.value).text for r in log.read_all(topic)]


def rounds(loop: LaneLoop, number: int = 4) -> None:
    for _ in range(number):
        loop._once()


def committed(broker: MemoryBroker) -> dict[tuple[str, int], int]:
    return {tuple(tp): offset for tp, offset in broker.group("pairs").committed.items()}


def test_what_the_task_holds_is_not_committed_and_what_it_does_not_is(
    broker: MemoryBroker, settings: Settings
) -> None:
    """Prevents a document in a task's hands from being lost, and markers from showing as a lag for ever."""
    it = loop(broker, settings)
    publish(broker, "pool.zh", "a", "b", "c")
    rounds(it)
    assert out(broker) == ["a", "b"]
    assert committed(broker)["pool.zh", 0] == 2
    publish(broker, "pool.zh", "d")
    rounds(it)
    assert out(broker) == ["a", "b", "c", "d"]
    assert committed(broker) == {("pool.zh", 0): 6, ("pool.zh", 1): 0, ("pool.en", 0): 0, ("pool.en", 1): 0}
    assert IDS[-1]["pool.zh"] == broker.topics["pool.zh"].id


def test_the_broker_is_asked_for_ends_only_by_a_task_that_asks(
    broker: MemoryBroker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a question by each service whenever nothing came, for an answer that nobody reads."""
    asked: list[object] = []
    ends = Reader.end_offsets
    it = loop(broker, settings)
    publish(broker, "pool.zh", "a", "b")
    rounds(it, 1)  # taken up, for which ends are asked
    monkeypatch.setattr(Reader, "end_offsets", lambda self, of: asked.append(of) or ends(self, of))
    rounds(it)
    assert not asked
    assert out(broker) == ["a", "b"]
    asked.clear()
    told: list[set[str]] = []
    monkeypatch.setattr(Pairs, "step", lambda self, now, drained: told.append(set(drained)))
    rounds(it)
    assert told[-1] == {"pool.zh", "pool.en"}
    assert asked


def test_what_is_read_behind_a_step_is_committed_with_it(
    broker: MemoryBroker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a commit of its own for each marker, behind each few documents, in every process."""
    monkeypatch.setattr(Reader, "commit_offsets", lambda *_: pytest.fail("a commit of its own"))
    it = loop(broker, settings)
    publish(broker, "pool.zh", "a", "b")
    publish(broker, "pool.en", "c", lane=1)
    publish(broker, "pool.en", "d", "e", lane=1)
    rounds(it)
    assert sorted(out(broker)) == ["a", "b", "c", "d"]
    assert committed(broker) == {("pool.zh", 0): 3, ("pool.zh", 1): 0, ("pool.en", 0): 0, ("pool.en", 1): 3}


def test_what_is_no_message_becomes_a_dead_letter_though_nothing_follows(
    broker: MemoryBroker, settings: Settings
) -> None:
    """Prevents a lag that stays until the next document comes, perhaps never."""
    it = loop(broker, settings)
    publish(broker, "pool.zh", None)
    rounds(it)
    with broker.log() as log:
        (letter,) = log.read_all("pool.zh.dlq")
    assert dict(letter.headers)["__connect.errors.topic.id"] == broker.topics["pool.zh"].id.encode()
    assert committed(broker)["pool.zh", 0] == 2


def test_what_is_no_message_takes_none_of_those_with_it_that_are_read_at_once(
    broker: MemoryBroker, settings: Settings
) -> None:
    """Prevents: neighbours of a poisoned document that die with it, are doubled, or come in another order."""
    texts = [
        None if number in (0, 70, 149) else f"{number} " + "x" * 50 * (number % 90) for number in range(150)
    ]
    texts[100] = "y" * 200_000  # more than is read at once
    publish(broker, "pool.zh", *texts, None)
    rounds(loop(broker, settings), 12)
    good = [text for text in texts if text is not None]
    assert out(broker) == good[: len(good) // 2 * 2]
    with broker.log() as log:
        offsets = [dict(letter.headers)["__connect.errors.offset"] for letter in log.read_all("pool.zh.dlq")]
    assert offsets[:2] == [b"0", b"70"]


class Returns(Pairs):
    """Puts what says "back" into its own pool, and tells once that the pool has been read out."""

    _told = False

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        if self._waiting:
            message = self._waiting.pop(0)
            output = Output("docs.mixed", message.value)
            if message.value.text == "back":
                output = Output("pool.zh", Document(text="once more"))
            return Step([output], {"pool.zh": message.offset + 1})
        if "pool.zh" not in drained or self._told:
            return None
        self._told = True
        return Step([Output("docs.mixed", Document(text="that was all"))], {})


def test_what_a_lane_puts_into_its_own_input_is_read_before_that_is_read_out(
    broker: MemoryBroker, settings: Settings
) -> None:
    """Prevents: documents sorted into another bucket that a flush behind them passes over."""
    service = LaneService("pairs", NoConfig, lambda _config, _resources, lane: Pairs() if lane else Returns())
    topology = Topology(TABLE, ("zh", "en"))
    it = LaneLoop(settings, topology, topology.service("pairs"), "0", broker=broker, definition=service)
    publish(broker, "pool.zh", "back")
    rounds(it)
    assert out(broker) == ["once more", "that was all"]


def test_an_aborted_step_is_done_again(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents half of a step, or none of it, from standing."""
    it = loop(broker, settings)
    it._once()
    publish(broker, "pool.en", "a", "b", lane=1)
    broker.fail_next_commit = KafkaTimeoutError("slow")
    with pytest.raises(Exception, match="slow"):
        rounds(it)
    it._start_over()
    rounds(it)
    assert out(broker) == ["a", "b"]


def test_a_lane_is_taken_up_when_all_its_inputs_are_here(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a mixer that ends over a partition it does not have, while topics are made or grow."""
    broker.delete_topic("pool.en")
    broker.create_topic("pool.en", 1)
    publish(broker, "pool.zh", "a", "b")
    publish(broker, "pool.zh", "c", "d", lane=1)
    it = loop(broker, settings)
    rounds(it)
    assert out(broker) == ["a", "b"]
    assert set(it._lanes) == {0}
    broker.topics["pool.en"].partitions.append(type(broker.topics["pool.en"].partitions[0])())
    assert it._consumer is not None
    broker.group("pairs").change()  # its leader has seen that the topic grew
    rounds(it)
    assert set(it._lanes) == {0, 1}
    assert sorted(out(broker)) == ["a", "b", "c", "d"]


def test_a_new_bucket_of_an_existing_river(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a new bucket from being taken for one that lost its offsets."""
    first = loop(broker, settings)
    publish(broker, "pool.zh", "a", "b")
    rounds(first)
    first._start_over()
    broker.create_topic("pool.code", 2)
    publish(broker, "pool.code", "c", "d")
    second = loop(broker, settings, ("zh", "en", "code"))
    rounds(second)
    assert out(broker) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("loss", ["expired", "cut"])
def test_each_loss_is_refused(broker: MemoryBroker, settings: Settings, loss: str) -> None:
    """Prevents a lane that is mixed twice, or not, because its offset was guessed."""
    publish(broker, "pool.zh", "a", "b", "c", "d")
    it = loop(broker, settings)
    rounds(it)
    it._start_over()
    if loss == "expired":
        broker.group("pairs").committed.pop(TopicPartition("pool.zh", 0))
    else:
        publish(broker, "pool.zh", "e", "f")
        broker.delete_records(TopicPartition("pool.zh", 0), 6)
    with pytest.raises(ConfigurationError, match=r"pool.zh partition 0: .*offsets mend pairs"):
        rounds(loop(broker, settings))
    assert out(broker) == ["a", "b", "c", "d"]


def test_who_only_watches_writes_no_dead_letter(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a letter of the one that carries documents on from coming twice."""
    watching = {"pairs": {**TABLE["services"]["pairs"], "watches": True}}
    topology = Topology({**TABLE, "services": watching}, ("zh", "en"))
    it = LaneLoop(settings, topology, topology.service("pairs"), "0", broker=broker)
    publish(broker, "pool.zh", None, "a", "b")
    rounds(it)
    with broker.log() as log:
        assert list(log.read_all("pool.zh.dlq")) == []
    assert out(broker) == ["a", "b"]
    assert committed(broker)["pool.zh", 0] == 4
    assert it._resources.inputs == ("pool.zh", "pool.en")


def test_what_a_lane_does_shows(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents dead letters and what waits from showing in units alone, and messages that are no documents
    from being counted as such."""

    def shown(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"corpusworks_{name}", {"service": "pairs", **labels})

    def documents(outcome: str) -> float:
        return shown("documents_total", unit="pairs", outcome=outcome, reason="") or 0

    before = documents("emit"), documents("dead")
    it = loop(broker, settings)
    publish(broker, "pool.zh", "a", "b", None, "c", "d")
    rounds(it, 6)
    assert (documents("emit") - before[0], documents("dead") - before[1]) == (len(out(broker)), 1)
    assert shown("lag_messages") == 0
    assert shown("open_seconds") == 0  # these tasks have no such thing
    it._lanes[0].task.since = time.time() - 50  # type: ignore[attr-defined]
    it._once()
    assert 50 <= (shown("open_seconds") or 0) < 80


def test_a_signal_wakes_its_consumer(
    broker: MemoryBroker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a stop that waits for the end of a poll in which nothing comes."""
    woken = []

    def wake(self: Reader) -> None:
        woken.append(self)

    monkeypatch.setattr(Reader, "wake", wake)
    it = loop(broker, settings)
    rounds(it, 1)
    it._process.wake()
    assert len(woken) == 1
