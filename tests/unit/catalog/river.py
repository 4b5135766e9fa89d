"""Lanes of sealed parts on a broker in memory, and the catalog's loop over them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from contracts import PartCatalogued, PartSealed
from services.catalog.entry import Entry, entry_in
from services.runtime import Message, ObjectStore, Settings
from services.runtime.loops.lane import LaneLoop
from services.runtime.topology import DEFAULT, Topology
from tests.memory_broker import MemoryBroker

LANES = 3
SEALED, CATALOG = "shards.sealed", "shards.catalog"


def part(lane: int, number: int, stream: str = "0a1b2c3d", **fields: object) -> PartSealed:
    """The part of a lane with the offsets from 10 · number on."""
    name = f"lane-{lane:03d}/part-{lane:03d}-{stream}-{10 * number:012d}-{10 * number + 9:012d}"
    made = PartSealed(
        name=name,
        lane=lane,
        first_offset=10 * number,
        last_offset=10 * number + 9,
        phase="stable",
        recipe="9f86d081884c7d65",
        num_tokens=1000 + number,
        sha256={suffix: hashlib.sha256(f"{name}{suffix}".encode()).hexdigest() for suffix in ("bin", "idx")},
    )
    made.MergeFrom(PartSealed(**fields))  # type: ignore[arg-type]
    return made


def message(one: PartSealed, offset: int) -> Message:
    """As the runtime hands it to the task."""
    return Message(SEALED, one.lane, offset, None, one, 0)


class CountingStore(ObjectStore):
    """Notes each request."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.requests: list[str] = []

    def get(self, key: str) -> bytes:
        """See ObjectStore."""
        self.requests.append(f"get {key}")
        return super().get(key)

    def put(self, key: str, value: bytes) -> None:
        """See ObjectStore."""
        self.requests.append(f"put {key}")
        super().put(key, value)

    def create(self, key: str, value: bytes) -> bool:
        """See ObjectStore."""
        self.requests.append(f"create {key}")
        return super().create(key, value)

    def list(self, prefix):  # type: ignore[no-untyped-def]
        """See ObjectStore."""
        self.requests.append(f"list {prefix}")
        return super().list(prefix)


class River:
    """shards.sealed of three lanes, and what the catalog makes of it in a store."""

    def __init__(self, settings: Settings, store: ObjectStore, broker: MemoryBroker | None = None) -> None:
        self.settings = settings
        self.store = store
        self.broker = broker or MemoryBroker(settings)
        self.topology = Topology.load(DEFAULT, ("zh", "en"))
        for name in ("river.starts", "docs.rejected", CATALOG):
            self.broker.create_topic(name)
        for name in (SEALED, f"{SEALED}.dlq"):
            self.broker.create_topic(name, LANES)

    def seal(self, *parts: PartSealed) -> None:
        """Announce them, in one transaction, each in its lane."""
        self.send(SEALED, [(one.SerializeToString(), one.lane) for one in parts])

    def announce(self, numbers: Sequence[PartCatalogued]) -> None:
        """What an adoption writes."""
        self.send(CATALOG, [(one.SerializeToString(), 0) for one in numbers])

    def send(self, topic: str, values: Sequence[tuple[bytes, int]]) -> None:
        producer = self.broker.producer("test")
        producer.init_transactions()
        producer.begin_transaction()
        for value, partition in values:
            producer.send(topic, value, partition=partition)
        producer.commit_transaction()

    def loop(self, instance: str = "0") -> LaneLoop:
        """A process of the catalog."""
        service = self.topology.service("catalog")
        made = LaneLoop(self.settings, self.topology, service, instance, broker=self.broker)
        made._resources.__dict__["store"] = self.store
        return made

    def run(self, loop: LaneLoop | None = None, rounds: int = 6) -> LaneLoop:
        """Some rounds; what is left when it returns is at rest."""
        loop = loop or self.loop()
        for _ in range(rounds):
            loop._once()
        return loop

    def stop(self, loop: LaneLoop) -> None:
        """As when it is killed, and its session and the time of its transaction are over."""
        if loop._consumer is not None:
            self.broker.evict(loop._consumer)  # type: ignore[arg-type]
        self.broker.producer(loop._transactions._id).init_transactions()

    def catalogued(self) -> list[PartCatalogued]:
        """What shards.catalog holds."""
        with self.broker.log() as log:
            return [PartCatalogued.FromString(r.value) for r in log.read_all(CATALOG)]

    def entries(self) -> list[Entry]:
        """The same, as lines."""
        return [entry_in(said) for said in self.catalogued()]
