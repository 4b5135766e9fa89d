"""The loop of a unit service on a broker in memory: what is committed when, and what is done again."""

from __future__ import annotations

from typing import NoReturn

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError
from prometheus_client import REGISTRY

from contracts import Document, FirstStart, Reference
from services.runtime import ConfigurationError, DependencyDown, Settings
from services.runtime.journal.reader import Reader
from services.runtime.loops.unit import UnitLoop
from services.runtime.process.sandbox import Stopped
from services.runtime.topology import Topology
from tests.memory_broker import MemoryBroker
from tests.unit.runtime.loops.conftest import Worker

ZERO, ONE = TopicPartition("docs.raw", 0), TopicPartition("docs.raw", 1)
TABLE = {
    "services": {"placed": {"run": "tests.units:PLACED", "input": "docs.raw", "output": "docs.parsed"}},
    "topics": {"docs.raw": {"holds": "Document", "by": "partitions"}},
}


@pytest.fixture(autouse=True)
def _topics(broker: MemoryBroker) -> None:
    for name in ("docs.raw", "docs.parsed", "docs.raw.dlq"):
        broker.create_topic(name, 2)


def loop(broker: MemoryBroker, settings: Settings, instance: str = "0") -> UnitLoop:
    topology = Topology(TABLE, ())
    return UnitLoop(
        settings,
        topology,
        topology.chain(["placed"]),
        instance,
        broker=broker,
        sandbox=Worker,  # type: ignore[arg-type]
    )


def publish(broker: MemoryBroker, *texts: str, partition: int = 0) -> None:
    producer = broker.producer("test")
    producer.init_transactions()
    producer.begin_transaction()
    for number, text in enumerate(texts):
        value = Document(uid=number + 1, text=text).SerializeToString()
        producer.send("docs.raw", value, partition=partition)
    producer.commit_transaction()


def out(broker: MemoryBroker, topic: str = "docs.parsed") -> list[str]:
    with broker.log() as log:
        return [Document.FromString(r.value).text for r in log.read_all(topic)]


def rounds(loop: UnitLoop, number: int = 6) -> None:
    for _ in range(number):
        loop.round()


def committed(broker: MemoryBroker) -> dict[TopicPartition, int]:
    return broker.group("placed").committed


def test_a_first_start_is_recorded_with_its_first_offsets(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a group that loses its offsets later from being taken for a new one."""
    broker.delete_records(ONE, 0)
    it = loop(broker, settings)
    it.round()
    assert committed(broker) == {ZERO: 0, ONE: 0}
    with broker.log() as log:
        said = [FirstStart.FromString(r.value) for r in log.read_all("river.starts")]
    assert {(s.group, s.topic, s.topic_id, *s.partitions) for s in said} == {
        ("placed", "docs.raw", broker.topics["docs.raw"].id, p) for p in (0, 1)
    }
    it.close()


def test_a_batch_is_closed_by_the_bytes_of_its_documents(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents hundreds of books in one batch, since the messages that stand for them are small."""
    bounds = settings.batch.model_copy(update={"max_bytes": 100_000})
    producer = broker.producer("test")
    producer.init_transactions()
    producer.begin_transaction()
    for uid in range(1, 31):
        stored = [Reference(field="text", key=f"bodies/{uid}", size=20_000)]
        producer.send("docs.raw", Document(uid=uid, references=stored).SerializeToString(), partition=0)
    producer.commit_transaction()
    it = loop(broker, settings.model_copy(update={"batch": bounds}))
    rounds(it, 14)
    batches = it._sandbox.batches  # type: ignore[attr-defined]
    assert [offset for batch in batches for offset in batch] == list(range(30))
    assert {len(batch) for batch in batches} == {5}
    it.close()


def test_the_position_is_committed_when_nothing_is_in_hand(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a lag of one a partition for ever; and a unit hears of it before Kafka does."""
    publish(broker, "a", "b")
    publish(broker, "c")
    it = loop(broker, settings)
    rounds(it)
    assert committed(broker) == {ZERO: 5, ONE: 0}  # three messages and two markers
    assert it._sandbox.told[-1] == {(broker.topics["docs.raw"].id, 0): 5}  # type: ignore[attr-defined]
    assert sorted(out(broker)) == ["a", "b", "c"]
    it.close()


def test_what_is_read_behind_a_batch_is_committed_with_it(
    broker: MemoryBroker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a commit of its own for each marker, behind each few documents, in every process."""
    monkeypatch.setattr(Reader, "commit_offsets", lambda *_: pytest.fail("a commit of its own"))
    publish(broker, "a", "b")
    it = loop(broker, settings)
    rounds(it)
    assert committed(broker) == {ZERO: 3, ONE: 0}
    publish(broker, "c")
    rounds(it)
    assert committed(broker) == {ZERO: 5, ONE: 0}
    assert it._sandbox.reached[broker.topics["docs.raw"].id, 0] == 5  # type: ignore[attr-defined]
    it.close()


def test_nothing_is_committed_before_the_units_have_written_it_down(
    broker: MemoryBroker, settings: Settings
) -> None:
    """Prevents a store outside Kafka that knows less than Kafka, whatever the last document became."""
    it = loop(broker, settings)
    it.round()
    worker: Worker = it._sandbox  # type: ignore[assignment]
    worker.out_of_reach = 1
    publish(broker, "a", "raise")
    rounds(it, 2)
    assert worker.batches == [[0, 1]]
    assert (committed(broker)[ZERO], worker.reached, out(broker)) == (0, {}, [])
    rounds(it)
    assert worker.batches == [[0, 1], [0, 1]]
    assert committed(broker)[ZERO] == 3  # the marker as well
    assert worker.reached[broker.topics["docs.raw"].id, 0] == 3
    assert (out(broker), out(broker, "docs.raw.dlq")) == (["a"], ["raise"])
    it.close()


def test_an_aborted_batch_is_done_again_and_once(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a batch that is lost, or half of one that shows, when a commit fails."""
    it = loop(broker, settings)
    it.round()
    publish(broker, "a", "raise", "b")
    broker.fail_next_commit = KafkaTimeoutError("the broker is slow")
    rounds(it)
    assert out(broker) == ["a", "b"]
    assert out(broker, "docs.raw.dlq") == ["raise"]
    assert it._sandbox.batches == [[0, 1, 2], [0, 1, 2]]  # type: ignore[attr-defined]
    assert committed(broker)[ZERO] == 4
    it.close()


def test_a_batch_that_is_given_up_at_a_stop_is_done_again(
    broker: MemoryBroker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents documents that outlast the grace period from being lost: the position is behind them."""

    def collect() -> NoReturn:
        publish(broker, "c")  # and what came meanwhile
        raise Stopped("no time left")

    it = loop(broker, settings)
    it.round()
    publish(broker, "a", "b")
    monkeypatch.setattr(it._sandbox, "collect", collect)
    with pytest.raises(Stopped):
        rounds(it)
    it.close()
    assert (committed(broker)[ZERO], out(broker)) == (0, [])
    it = loop(broker, settings)
    rounds(it)
    assert sorted(out(broker)) == ["a", "b", "c"]
    assert committed(broker)[ZERO] == 5
    it.close()


def test_partitions_that_go_are_finished_first(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a batch in hand from being done by two members."""
    first, second = loop(broker, settings, "1"), loop(broker, settings, "2")
    first.round()
    publish(broker, "a")
    publish(broker, "b", partition=1)
    first.round()  # both are in hand now
    second.round()
    rounds(first, 3)
    for _ in range(4):
        second.round()
        first.round()
    publish(broker, "c", partition=1)
    rounds(second, 3)
    rounds(first, 3)
    assert sorted(out(broker)) == ["a", "b", "c"]
    assert len(first._sandbox.batches) == len(second._sandbox.batches) == 1  # type: ignore[attr-defined]
    first.close()
    second.close()


def test_a_member_that_was_evicted_commits_nothing(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a process that slept too long from doubling what its heir has done."""
    it = loop(broker, settings)
    it.round()
    publish(broker, "a")
    it.round()
    assert not it.idle
    assert it._intake is not None
    broker.evict(it._intake.consumer)  # type: ignore[arg-type]
    rounds(it, 6)
    assert out(broker) == ["a"]
    assert it._sandbox.batches == [[0], [0]]  # type: ignore[attr-defined]
    it.close()


@pytest.mark.parametrize("loss", ["remade", "expired", "cut", "shrunk"])
def test_each_loss_is_refused(broker: MemoryBroker, settings: Settings, loss: str) -> None:
    """Prevents a beginning that is guessed, and messages jumped over, without a word."""
    publish(broker, "a", "b", "c")
    it = loop(broker, settings)
    rounds(it)
    it.close()
    if loss == "remade":
        broker.delete_topic("docs.raw")
        broker.create_topic("docs.raw", 2)
    elif loss == "expired":
        broker.group("placed").committed.clear()
    elif loss == "cut":
        publish(broker, "d", "e")
        broker.delete_records(ZERO, 6)
    else:
        del broker.topics["docs.raw"].partitions[0].entries[2:]
    says = {
        "remade": "docs.raw partition 0: the topic was made anew",
        "expired": "docs.raw partition 0: the group has begun here and its offset is gone",
        "cut": "the offset 4 is outside the log, which goes from 6 to 7: the log lost its beginning",
        "shrunk": "the offset 4 is outside the log, which goes from 0 to 2: the log lost its end",
    }[loss]
    again = loop(broker, settings)
    with pytest.raises(ConfigurationError, match=says) as refused:
        rounds(again)
    assert "corpusworks offsets mend placed" in str(refused.value)
    assert sorted(out(broker)) == ["a", "b", "c"]
    again.close()


def test_a_log_that_is_cut_under_a_running_service(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents retention that overtakes a slow service from passing for progress."""
    it = loop(broker, settings)
    rounds(it, 2)
    publish(broker, "a", "b", "c", "d")
    broker.delete_records(ZERO, 2)
    with pytest.raises(ConfigurationError, match="the offset 0 is outside the log, which goes from 2 to 5"):
        rounds(it)
    it.close()


def test_partitions_that_are_added_are_first_starts_of_their_own(
    broker: MemoryBroker, settings: Settings
) -> None:
    """Prevents a grown topic from being taken for one that lost its offsets."""
    it = loop(broker, settings)
    rounds(it, 2)
    it.close()
    broker.topics["docs.raw"].partitions.append(type(broker.topics["docs.raw"].partitions[0])())
    publish(broker, "late", partition=2)
    again = loop(broker, settings)
    rounds(again)
    assert out(broker) == ["late"]
    again.close()


def test_units_see_where_the_whole_group_stands(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents an index that has forgotten from being compared with a part of the offsets alone."""
    publish(broker, "a")
    it = loop(broker, settings)
    rounds(it)
    worker = it._sandbox
    assert worker.standing is not None  # type: ignore[attr-defined]
    id_ = broker.topics["docs.raw"].id
    assert worker.standing() == {(id_, 0): 2, (id_, 1): 0}  # type: ignore[attr-defined]
    assert worker.num_assigned >= 1  # type: ignore[attr-defined]
    assert worker.topic_ids["docs.raw"] == id_
    it.close()


def test_what_fails_again_and_again_is_a_lag(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a service that is stuck at its last documents from looking idle: all of them are read."""
    it = loop(broker, settings)
    rounds(it)
    publish(broker, "a", "b")

    def fail() -> NoReturn:
        raise DependencyDown("triton", "away")

    worker = it._sandbox
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "collect", fail)
        rounds(it, 3)
    lag = {"service": "placed"}
    assert REGISTRY.get_sample_value("corpusworks_lag_messages", lag) == 3  # and a marker
    rounds(it)
    assert REGISTRY.get_sample_value("corpusworks_lag_messages", lag) == 0
    it.close()


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
