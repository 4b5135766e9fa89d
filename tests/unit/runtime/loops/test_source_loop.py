"""The loop of a source on a broker in memory: what it read and how far it came stand in one transaction."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka.errors import KafkaTimeoutError

from contracts import Document, IngestProgress
from services.runtime import Settings, Source
from services.runtime.contracts.source import IMPORT
from services.runtime.loops.source import SourceLoop
from services.runtime.loops.transaction import Aborted
from services.runtime.process.reader_frames import Step
from services.runtime.topics import PROGRESS
from services.runtime.topology import Topology
from tests.memory_broker import MemoryBroker
from tests.units import NoConfig

TABLE = {
    "services": {"lines": {"run": "tests.unit.runtime.loops.test_source_loop:LINES", "output": "docs.raw"}},
    "topics": {"docs.raw": {"holds": "Document", "by": "partitions"}},
}
LINES = Source("lines", NoConfig, lambda config, resources: lambda known: iter(()))


def steps(known: dict[str, bytes]) -> Iterator[Step]:
    """As the reader's process says them: five records of one file, the fourth unreadable."""
    done = IngestProgress.FromString(known["file"]).num_records if "file" in known else 0
    for number in range(done, 5):
        said = IngestProgress(source="file", num_records=number + 1).SerializeToString()
        document = Document(uid=number + 1, text=str(number)).SerializeToString()
        if number == 3:
            yield Step([], said, [("file#3", b"?", "no text")])
        else:
            yield Step([(number + 1, document)], said, [])


def progress(broker: MemoryBroker) -> dict[str, bytes]:
    with broker.log() as log:
        records = log.read_all(PROGRESS)
        return {IngestProgress.FromString(r.value).source: r.value for r in records}


def known_to(loop: SourceLoop, broker: MemoryBroker) -> dict[str, bytes]:
    """As the reader's process is told it."""
    with broker.log() as said:
        loop._know(said)
    began = IngestProgress(began_ms=loop._sharing.recorded.began_ms or 0)
    asked = loop._sharing.take([IngestProgress(source="file")]).mine
    return {each.source: each.SerializeToString() for each in asked} | {IMPORT: began.SerializeToString()}


def test_a_source_goes_on_where_its_last_transaction_ended(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a record that is published twice, or never, when a commit fails in between."""
    broker.create_topic("docs.raw", 2)
    broker.create_topic("docs.raw.dlq", 2)
    settings = settings.model_copy(update={"batch": settings.batch.model_copy(update={"max_documents": 2})})
    it = SourceLoop(settings, Topology(TABLE, ()).service("lines"), "0", broker=broker)
    broker.fail_next_commit = KafkaTimeoutError("slow")
    with pytest.raises(Aborted):
        it._publish_all(steps({}))
    it._transactions.open()  # which aborts what was begun
    assert progress(broker) == {}
    it._publish_all(steps(known_to(it, broker)))
    assert it.finished
    with broker.log() as log:
        texts = sorted(Document.FromString(r.value).text for r in log.read_all("docs.raw"))
        assert texts == ["0", "1", "2", "4"]
        assert [r.value for r in log.read_all("docs.raw.dlq")] == [b"?"]
    assert IngestProgress.FromString(progress(broker)["file"]).num_records == 5


def test_an_import_that_was_interrupted_is_no_later_one(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents copies from being judged by which part of the same import they came in."""
    broker.create_topic("docs.raw", 2)
    broker.create_topic("docs.raw.dlq", 2)

    def loop(began_ms: int) -> SourceLoop:
        made = SourceLoop(settings, Topology(TABLE, ()).service("lines"), "0", broker=broker)
        made._import.began_ms = began_ms
        return made

    def began(known: dict[str, bytes]) -> int:
        return IngestProgress.FromString(known[IMPORT]).began_ms

    first = loop(1000)
    assert began(known_to(first, broker)) == 1000
    first._publish(list(steps({}))[:3])  # and no more, since it is killed
    second = loop(2000)
    known = known_to(second, broker)
    assert began(known) == 1000
    second._publish_all(steps(known))
    third = loop(3000)
    assert began(known_to(third, broker)) == 3000, "what comes after an import that has ended is a later one"
    third._publish_all(iter(()))
    assert IngestProgress.FromString(progress(broker)[IMPORT]).complete, "it brought nothing"
    assert began(progress(broker)) == 1000
