"""A topic with one reader, on a broker and a store in memory, through as many days as a test wants."""

from __future__ import annotations

from collections.abc import Mapping

from kafka import TopicPartition

from contracts import Document
from services.ledger.retention import limits, sweep_bodies
from services.runtime import ObjectStore, Settings
from services.runtime.keep import kept
from services.runtime.topology import Topology
from services.runtime.wire import encode
from tests.memory_broker import MemoryBroker, MemoryProducer

DAY_S = 86_400
RAW, LETTERS = "docs.raw", "docs.raw.dlq"
TABLE = {
    "services": {"parse": {"run": "tests.units:ECHO", "input": RAW, "output": "docs.parsed"}},
    "topics": {
        RAW: {"holds": "Document", "by": "partitions", "keep": "7d"},
        "docs.parsed": {"holds": "Document", "by": "partitions"},
    },
}
PARTITIONS = 2


class River:
    """now: Unix seconds; it is the Admin too."""

    def __init__(self, settings: Settings, table: Mapping[str, object] | None = None) -> None:
        self.broker = MemoryBroker(settings)
        self.store = ObjectStore("memory://")
        self.topology = Topology(dict(table or TABLE), ["zh"])
        self.keep = kept(self.topology.topics(), {})
        self.now = 1_764_000_000.0
        for name in self.topology.topics():
            self.broker.create_topic(name, PARTITIONS)

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        return {tuple(tp): offset for tp, offset in self.broker.group(group).committed.items()}

    def topic_ids(self) -> dict[str, str]:
        return self.broker.topic_ids()

    def send(self, topic: str, partition: int, *values: bytes) -> None:
        """In one transaction, with its marker."""
        self.broker.now_ms = int(self.now * 1000)
        producer = MemoryProducer(self.broker, "test")
        producer.init_transactions()
        producer.begin_transaction()
        for value in values:
            producer.send(topic, value, partition=partition, key=b"key")
        producer.commit_transaction()

    def large(self, uid: int) -> bytes:
        """A message whose text lies in the store."""
        return encode(Document(uid=uid, text="x" * 1000 + str(uid)), self.store, 500, RAW)

    def waiting(self, partition: int) -> list[bytes]:
        """What the reader has not done yet."""
        log = self.broker.log_of(TopicPartition(RAW, partition))
        done = self.committed("parse").get((RAW, partition), 0)
        return [r.value for r, _ in log.entries[done:] if r is not None and r.value is not None]

    def read_on(self, partition: int, letters: int = 0) -> None:
        """The reader comes to the end; the first of what it reads become dead letters."""
        died = self.waiting(partition)[:letters]
        end = self.broker.log_of(TopicPartition(RAW, partition)).end
        if died:
            self.send(LETTERS, partition, *died)
        self.broker.group("parse").committed[TopicPartition(RAW, partition)] = end

    def retain(self) -> None:
        """As the command does."""
        with self.broker.log() as log:
            for limit in list(limits(self, log, self.topology, self.keep, self.now)):
                self.broker.delete_records(TopicPartition(limit.topic, limit.partition), limit.until)
            sweep_bodies(self.store, log, self.keep, self.now)

    def kept(self, topic: str) -> list[Document]:
        """What is left on a topic."""
        with self.broker.log() as log:
            return [Document.FromString(r.value) for r in log.read_all(topic)]

    def objects(self) -> set[str]:
        return set(self.store.list("bodies"))
