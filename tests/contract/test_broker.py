"""One contract for Kafka, for the journal, and for the broker in memory that the loops' unit tests run on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import ConsumerRebalanceListener, KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError, ProducerFencedError
from kafka.structs import OffsetAndMetadata

from services.local.stack import Stack
from services.runtime import load_settings
from services.runtime.clients.broker import Broker, Consumer, KafkaBroker, Producer
from services.runtime.clients.kafka import admin, connection, patiently
from services.runtime.journal import closed, journal_url
from tests.memory_broker import MemoryBroker

pytestmark = pytest.mark.stack


class Kafka(KafkaBroker):
    """The real one, with what a test does to it from outside."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.settings)
        self._admin = KafkaAdminClient(**connection(stack.settings.kafka))

    def create_topic(self, name: str, partitions: int = 1) -> None:
        self._admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}})
        _soon(lambda: name in self.topic_ids())  # the controller answers before the broker has heard of it

    def delete_topic(self, name: str) -> None:
        self._admin.delete_topics([name])
        _soon(lambda: name not in self._admin.list_topics())

    def delete_records(self, place: TopicPartition, before: int) -> None:
        self._admin.delete_records({place: before})


class InAFile(KafkaBroker):
    """The journal, likewise."""

    def __init__(self, file: Path) -> None:
        settings = load_settings()
        access = {"bootstrap_servers": journal_url(file)}
        self.settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update=access)})
        super().__init__(self.settings)
        self._admin = admin(self.settings, bootstrap_ms=0)

    def create_topic(self, name: str, partitions: int = 1) -> None:
        self._admin.create_topics({name: {"num_partitions": partitions}})

    def delete_topic(self, name: str) -> None:
        pytest.skip("nothing deletes topics of a journal")

    def delete_records(self, place: TopicPartition, before: int) -> None:
        self._admin.delete_records({place: before})


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Stack(tmp_path_factory.mktemp("contract")) as stack:
        yield Kafka(stack)


@pytest.fixture(params=["memory", "journal", "kafka"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "kafka":
        yield request.getfixturevalue("kafka")
    elif request.param == "memory":
        yield MemoryBroker(load_settings())
    else:
        with closed(journal_url(tmp_path / "journal")):
            yield InAFile(tmp_path / "journal")


@pytest.fixture
def topic(broker: Any, request: pytest.FixtureRequest) -> str:
    name: str = request.node.originalname
    broker.create_topic(name)
    return name


class Heard(ConsumerRebalanceListener):
    """Notes what a member is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def on_partitions_assigned(self, assigned: Any) -> None:
        self.said.append("assigned")

    def on_partitions_revoked(self, revoked: Any) -> None:
        self.said.append("revoked")

    def on_partitions_lost(self, lost: Any) -> None:
        self.said.append("lost")


def _soon(true: Callable[[], Any], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited in vain"


def _committed(consumer: Consumer, place: TopicPartition) -> dict[TopicPartition, int]:
    """Asked again, as services ask: what no transaction has decided is waited for ten seconds at a time."""
    return patiently(lambda: consumer.committed_offsets([place]))


def _member(broker: Broker, topic: str, group: str = "") -> Consumer:
    """It has partitions, and begins at 0 where it has no offset."""
    member = broker.consumer(group or topic)
    member.subscribe([topic], listener=Heard())
    _soon(lambda: _placed(member))
    return member


def _placed(member: Consumer) -> bool:
    try:
        member.poll(100)
    except NoOffsetForPartitionError:
        for tp in member.assignment():
            member.seek(tp, 0)
    return bool(member.assignment())


def _producer(broker: Broker, name: str) -> Producer:
    made = broker.producer(name)
    made.init_transactions()
    return made


def _put(producer: Producer, topic: str, *values: bytes, partition: int = 0) -> None:
    producer.begin_transaction()
    for value in values:
        producer.send(topic, value, partition=partition)
    producer.commit_transaction()


def _read(member: Consumer, number: int) -> list[bytes]:
    found: list[bytes] = []

    def more() -> bool:
        for records in member.poll(100).values():
            found.extend(r.value for r in records)
        return len(found) >= number

    _soon(more)
    return found


def test_markers_take_offsets_and_positions_pass_them(broker: Any, topic: str) -> None:
    """Prevents an idle lag of one message a partition for ever, and tests that know no holes."""
    place = TopicPartition(topic, 0)
    producer = _producer(broker, topic)
    _put(producer, topic, b"a", b"b")
    producer.begin_transaction()
    producer.send(topic, b"aborted", partition=0)
    _put(_producer(broker, topic), topic, b"c")  # which aborts what its predecessor left open
    member = broker.consumer(topic)
    member.subscribe([topic], listener=Heard())
    _soon(lambda: _placed(member))
    member.seek(place, 0)
    assert _read(member, 3) == [b"a", b"b", b"c"]
    assert _committed(member, place) == {}
    (end,) = member.end_offsets([place]).values()
    assert end > 4
    _soon(lambda: member.poll(50) == {} and member.position(place) == end)
    member.commit_offsets({place: end})
    assert _committed(member, place) == {place: end}
    with broker.log() as log:
        assert [(r.offset, r.value) for r in log.read_all(topic)][:2] == [(0, b"a"), (1, b"b")]
        assert log.settled_ends([topic]) == {(topic, 0): end}


def test_what_is_not_decided_is_not_read(broker: Any, topic: str) -> None:
    """Prevents outputs of a transaction that may yet be aborted from being built on."""
    member, producer = _member(broker, topic), _producer(broker, topic)
    producer.begin_transaction()
    producer.send(topic, b"a", partition=0)
    assert member.poll(300) == {}
    producer.commit_transaction()
    assert _read(member, 1) == [b"a"]


def test_a_group_without_an_offset_is_told_so(broker: Any, topic: str) -> None:
    """Prevents a beginning that is guessed."""
    member = broker.consumer(topic)
    member.subscribe([topic], listener=Heard())
    with pytest.raises(NoOffsetForPartitionError):
        _soon(lambda: member.poll(100))


def test_offsets_stand_and_fall_with_their_transaction(broker: Any, topic: str) -> None:
    """Prevents output without its offsets, or offsets without their output."""
    place = TopicPartition(topic, 0)
    member, producer = _member(broker, topic), _producer(broker, topic)
    producer.begin_transaction()
    producer.send(topic, b"x", partition=0)
    producer.send_offsets_to_transaction({place: OffsetAndMetadata(7, "", -1)}, member.group_metadata())
    heir = _producer(broker, topic)
    assert _committed(member, place) == {}
    heir.begin_transaction()
    heir.send(topic, b"y", partition=0)
    heir.send_offsets_to_transaction({place: OffsetAndMetadata(1, "", -1)}, member.group_metadata())
    heir.commit_transaction()
    assert _committed(member, place) == {place: 1}
    assert _read(member, 1) == [b"y"]


def test_two_producers_of_one_name_do_not_both_commit(broker: Any, topic: str) -> None:
    """Prevents a process that was thought dead from writing on."""
    first = _producer(broker, topic)
    first.begin_transaction()
    first.send(topic, b"x", partition=0)
    assert not first.fenced()
    _producer(broker, topic)
    with pytest.raises(ProducerFencedError):
        first.commit_transaction()
    assert first.fenced()
    with pytest.raises(KafkaError):  # of any kind: what comes after the call in which it came to light
        first.begin_transaction()
    assert first.fenced()


def test_who_lost_its_partitions_cannot_commit_them(broker: Any, topic: str) -> None:
    """Prevents two owners of a partition from both committing it."""
    place = TopicPartition(topic, 0)
    member, producer = _member(broker, topic), _producer(broker, topic)
    former = member.group_metadata()
    other = broker.consumer(topic)
    other.subscribe([topic], listener=Heard())

    def both() -> bool:
        for consumer in (other, member):
            try:
                consumer.poll(50)
            except NoOffsetForPartitionError:
                consumer.seek(place, 0)
        return bool(member.group_metadata().generation_id > former.generation_id)

    _soon(both)
    producer.begin_transaction()
    producer.send(topic, b"x", partition=0)

    def commit() -> None:
        producer.send_offsets_to_transaction({place: OffsetAndMetadata(1, "", -1)}, former)
        producer.commit_transaction()

    with pytest.raises(KafkaError):
        commit()
    _producer(broker, topic)  # aborts what was begun: an offset that is not decided is waited for
    assert _committed(member, place) == {}
    other.close(autocommit=False)


def test_a_topic_made_anew_has_another_id_and_no_offsets(broker: Any, topic: str) -> None:
    """Prevents offsets of one log from being taken for those of another."""
    place = TopicPartition(topic, 0)
    before = broker.topic_ids()[topic]
    member = _member(broker, topic)
    assert member.topic_id(topic) == before
    member.commit_offsets({place: 0})
    member.close(autocommit=False)
    broker.delete_topic(topic)
    broker.create_topic(topic)
    assert broker.topic_ids()[topic] not in ("", before)
    _soon(lambda: _committed(broker.consumer(topic), place) == {})


def test_an_offset_outside_the_log_is_an_error_of_a_group(broker: Any, topic: str) -> None:
    """Prevents a service from jumping over what it never read."""
    place = TopicPartition(topic, 0)
    _put(_producer(broker, topic), topic, b"a", b"b", b"c")
    broker.delete_records(place, 2)
    member = _member(broker, topic)
    assert member.beginning_offsets([place]) == {place: 2}
    member.seek(place, 0)
    with pytest.raises(OffsetOutOfRangeError):
        _soon(lambda: member.poll(100))
    with broker.log() as log:
        assert [r.value for r in log.read({(topic, 0): (0, 3)})] == [b"c"]


def test_members_are_told_of_what_comes_and_goes(broker: Any, topic: str) -> None:
    """Prevents a batch in hand that nobody finishes before its partitions go."""
    member = broker.consumer(topic)
    heard = Heard()
    member.subscribe([topic], listener=heard)
    _soon(lambda: _placed(member))
    assert heard.said[-1] == "assigned"
    member.pause(*member.assignment())
    assert member.paused() == member.assignment()
    member.resume(*member.assignment())
    member.close(autocommit=False)


def test_who_gathers_has_all_and_others_wait(broker: Any) -> None:
    """Prevents two that each hold a half, of which neither can begin."""
    broker.create_topic("gathered", 3)
    first, second = (broker.consumer("gathered", lanes=True, gathers=True) for _ in range(2))

    def shares() -> list[int]:
        for member in (first, second):
            with contextlib.suppress(NoOffsetForPartitionError):
                member.poll(100)
        return sorted(len(member.assignment()) for member in (first, second))

    for member in (first, second):
        member.subscribe(["gathered"], listener=Heard())
    _soon(lambda: shares() == [0, 3])
    owner, other = (first, second) if first.assignment() else (second, first)
    owner.close(autocommit=False)

    def taken_over() -> bool:
        with contextlib.suppress(NoOffsetForPartitionError):
            other.poll(100)
        return len(other.assignment()) == 3

    _soon(taken_over)
    other.close(autocommit=False)


def test_the_last_message_is_found_behind_what_was_aborted(broker: Any, topic: str) -> None:
    """Prevents a state that is taken for none, where many transactions were aborted after it."""
    with broker.log() as log:
        assert log.last(topic, 0) is None
    _put(_producer(broker, topic), topic, b"a", b"b")
    for _ in range(12):
        aborted = _producer(broker, f"{topic}-aborted")
        aborted.begin_transaction()
        aborted.send(topic, b"no", partition=0)
        _producer(broker, f"{topic}-aborted")
    with broker.log() as log:
        found = log.last(topic, 0)
    assert found is not None
    assert found.value == b"b"


def test_what_a_partition_refuses_is_not_committed(kafka: Kafka) -> None:
    """Prevents a batch that is lost from being told as done: the client went on with its next epoch."""
    topic = "refused"
    kafka.create_topic(topic)
    producer: Any = _producer(kafka, topic)
    _put(producer, topic, b"a")
    producer.begin_transaction()
    producer._transaction_manager.set_sequence_number(TopicPartition(topic, 0), 50)
    producer.send(topic, b"x", partition=0)
    with pytest.raises(KafkaError):
        producer.commit_transaction()
    assert not producer.fenced()
