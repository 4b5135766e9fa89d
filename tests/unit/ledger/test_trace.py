"""`trace`: the archive tells what the topics would, and of these only what it does not have is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from contracts import Control, Document, Flush, Retraction
from services.archive.lookup import find
from services.archive.tables import TABLES
from services.ledger.trace import (
    ARCHIVED,
    PLACE,
    Sighting,
    archived,
    merged,
    places_not_archived,
    sightings,
)
from services.runtime import ObjectStore, Settings
from services.runtime.clients.log import Log
from services.runtime.journal.reader import Reader
from services.runtime.loops.lane import LaneLoop
from services.runtime.topology import DEFAULT, Topology
from services.sink.parts import list_parts
from tests.memory_broker import MemoryBroker
from tests.unit.archive.rows import document, rejection
from tests.unit.sink.packed import pack

ARCHIVES = ("archive_documents", "archive_uses")


class CountingLog(Log):
    """Counts what is read."""

    num_read = 0

    def read(self, ranges: Any) -> Iterator[Any]:
        for record in super().read(ranges):
            self.num_read += 1
            yield record


class River:
    """Every topic with one partition, and the archive's loops over them."""

    def __init__(self, folder: Path) -> None:
        units = {name: {"seal_rows": 1} for name in ARCHIVES}
        self.settings = Settings(store_url=folder.as_uri(), lanes=1, partitions=1, units=units)
        self.store = ObjectStore(folder.as_uri())
        self.topology = Topology.load(DEFAULT, ("zh", "en"))
        self.broker = MemoryBroker(self.settings)
        for name in self.topology.topics():
            self.broker.create_topic(name)

    def put(self, topic: str, *values: Message) -> None:
        producer = self.broker.producer("test")
        producer.init_transactions()
        producer.begin_transaction()
        for value in values:
            self.broker.now_ms += 1
            producer.send(topic, value.SerializeToString())
        producer.commit_transaction()

    def archive(self) -> None:
        for name in ARCHIVES:
            loop = LaneLoop(
                self.settings, self.topology, self.topology.service(name), "0", broker=self.broker
            )
            for _ in range(8):
                loop._once()
            loop._start_over()

    def commit(self, service: str, topic: str, offset: int) -> None:
        self.broker.group(service).committed[topic, 0] = offset  # type: ignore[index]

    def log(self) -> CountingLog:
        return CountingLog(self.settings, make=lambda *_, **__: Reader(self.broker, None))

    def archived(self, wanted: str) -> list[Sighting]:
        found = []
        for table, columns in ARCHIVED.items():
            rows = find(self.store, TABLES[table], wanted, (*columns, *PLACE))
            found += [archived(table, row) for row in rows]
        return found

    def trace(self, wanted: str) -> tuple[list[Sighting], int]:
        """As the command does it; and how many messages were read."""
        with self.log() as log:
            since = places_not_archived(lambda name: self.broker.group(name).committed, log, self.topology)  # type: ignore[arg-type,return-value]
            log.num_read = 0
            logged = sightings(log, self.store, self.topology, wanted, since=since)
            return merged(self.archived(wanted), logged), log.num_read

    def whole(self, wanted: str) -> list[Sighting]:
        with self.log() as log:
            return sightings(log, self.store, self.topology, wanted)


@pytest.fixture
def river(tmp_path: Path) -> River:
    """200 documents in a pool, of which some were dropped later; and two parts of others."""
    made = River(tmp_path)
    pack(made.store, [[5, 40], [16, 16]])
    judged = {"format": "prose", "calibration": "6a", "media_type": "text/plain"}
    made.put("docs.unique", *[document(number, **judged) for number in range(1, 201)])
    made.put("docs.rejected", *[rejection(number, "mixer", "superseded") for number in range(1, 100)])
    made.put("pool.control", Control(flush=Flush()), Control(retraction=Retraction(uid=document(1).uid)))
    made.put("shards.sealed", *list_parts(made.store))
    return made


def test_the_archive_tells_what_the_topics_would(river: River) -> None:
    """Prevents a script that reads `trace` from finding other fields once a document is archived."""
    for wanted, number in (("文/7", 2), (f"{document(150).uid:016x}", 1), ("d2", 1)):
        whole = river.whole(wanted)
        assert len(whole) == number
        assert river.archived(wanted) == []
        assert river.trace(wanted)[0] == whole, "nothing is archived yet"
    river.archive()
    for wanted in ("文/7", f"{document(150).uid:016x}", "d2", "d4"):
        assert river.archived(wanted) == river.whole(wanted) != []


def test_what_is_read_follows_what_is_not_archived(river: River) -> None:
    """Prevents a look at one document from reading the river's whole past."""
    river.archive()
    river.commit("mixer", "pool.control", 3)
    found, num_read = river.trace("文/7")
    assert found == river.whole("文/7")
    assert num_read == 0
    river.put("docs.unique", document(201), document(7, language="en"))
    river.put("docs.raw", document(202))
    found, num_read = river.trace("文/7")
    assert num_read == 3
    assert [sighting.topic for sighting in found] == ["docs.unique", "docs.rejected", "docs.unique"]
    assert found == river.whole("文/7")
    assert [sighting.topic for sighting in river.trace("文/202")[0]] == ["docs.raw"]
    river.archive()
    assert river.trace("文/7")[0] == found


def test_a_dead_letter_is_always_found(river: River) -> None:
    """It is in no table of the archive, and it is the end of its document."""
    river.put("docs.clean.dlq", document(300))
    river.archive()
    (letter,) = river.trace("文/300")[0]
    assert letter.topic == "docs.clean.dlq"


def test_nobody_is_nowhere(river: River) -> None:
    river.archive()
    river.commit("mixer", "pool.control", 3)
    assert river.trace("nobody") == ([], 0)
    assert river.trace("0" * 16) == ([], 0)


def test_without_an_archive_the_parts_are_read(river: River) -> None:
    """Prevents a document in a part from being nowhere where the archive is left out of the table."""
    for name in ARCHIVES:
        del river.topology.services[name]
    river.commit("catalog", "shards.sealed", 3)
    assert [sighting.topic for sighting in river.trace("d2")[0]] == ["shards.sealed"]
    assert Document.DESCRIPTOR.name == "Document"
