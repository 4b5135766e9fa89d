"""Publishing what is pushed at a service, on a broker in memory: in one transaction, or an error."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kafka.errors import KafkaTimeoutError

from contracts import Agreement, Document, Tally
from services.runtime import ConfigurationError, DependencyDown, Publisher, Settings, Unreadable
from services.runtime.loops import publisher
from services.runtime.loops.transaction import Produce, Transactions
from tests.memory_broker import MemoryBroker

TABLE = {
    "services": {"lines": {"run": "tests.unit.runtime.loops.test_source_loop:LINES", "output": "docs.raw"}},
    "topics": {"docs.raw": {"holds": "Document", "by": "partitions"}},
}
DOCUMENTS = [Document(uid=number, id=str(number), body=b"x" * number) for number in (1, 2, 3)]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(publisher, "_PAUSE_S", 0.0)
    table = tmp_path / "topology.yaml"
    table.write_text(yaml.safe_dump(TABLE))
    return settings.model_copy(update={"topology": table, "store_url": (tmp_path / "store").as_uri()})


@pytest.fixture
def broker(broker: MemoryBroker) -> MemoryBroker:
    broker.create_topic("docs.raw", 2)
    broker.create_topic("docs.raw.dlq", 2)
    return broker


def raw(broker: MemoryBroker) -> list[Document]:
    with broker.log() as log:
        found = [Document.FromString(record.value) for record in log.read_all("docs.raw")]
    return sorted(found, key=lambda document: document.uid)


def test_documents_and_what_is_unreadable_come_in_one_transaction(
    settings: Settings, broker: MemoryBroker
) -> None:
    """Prevents a document that no tally tells of, or a broken piece that leaves no letter."""
    it = Publisher(settings, "lines", "0", broker)
    it.publish(DOCUMENTS, [Unreadable("upload://b/broken.pdf", b"%PDF", "cut off")])
    it.publish([])
    assert raw(broker) == DOCUMENTS
    with broker.log() as log:
        (letter,) = log.read_all("docs.raw.dlq")
        (told,) = [Tally.FromString(r.value) for r in log.read_all("river.tally")]
    assert (letter.value, letter.key) == (b"%PDF", b"upload://b/broken.pdf")
    assert ("__connect.errors.exception.message", b"cut off") in letter.headers
    came = {entry.outcome: (list(entry.uids), entry.number) for entry in told.entries}
    assert came == {Tally.CAME: ([1, 2, 3], 0), Tally.UNREADABLE: ([], 1)}


def test_a_commit_that_fails_is_done_again(settings: Settings, broker: MemoryBroker) -> None:
    """Prevents a request that is refused because a broker was started again, and one that counts twice."""
    it = Publisher(settings, "lines", "0", broker)
    broker.fail_next_commit = KafkaTimeoutError("slow")
    it.publish(DOCUMENTS)
    assert raw(broker) == DOCUMENTS


def test_a_broker_that_stays_away_is_an_error_and_publishes_nothing(
    settings: Settings, broker: MemoryBroker
) -> None:
    """Prevents an answer that says accepted while Kafka is away, and a caller that waits for ever."""
    it = Publisher(settings, "lines", "0", broker, patience_s=-1)
    broker.fail_next_commit = KafkaTimeoutError("away")
    with pytest.raises(DependencyDown, match="away"):
        it.publish(DOCUMENTS)
    it.publish([Document(uid=9)])  # and is well again afterwards; its producer aborts what was begun
    assert [document.uid for document in raw(broker)] == [9]


def test_a_large_body_goes_to_the_store(settings: Settings, broker: MemoryBroker) -> None:
    """Prevents a document above the broker's limit from being refused."""
    large = Document(uid=7, body=b"y" * (settings.max_message_bytes + 1))
    Publisher(settings, "lines", "0", broker).publish([large])
    (found,) = raw(broker)
    assert not found.body
    assert [(r.field, r.size) for r in found.references] == [("body", settings.max_message_bytes + 1)]


def test_a_river_that_was_agreed_on_otherwise_is_refused(settings: Settings, broker: MemoryBroker) -> None:
    """Prevents documents in partitions that nobody reads."""
    said = Agreement(name="partitions", value="64").SerializeToString()
    transactions = Transactions(settings, "agree", "agree", broker)
    transactions.commit([Produce("river.agreed", said, b"partitions")], {}, None)
    with pytest.raises(ConfigurationError, match="partitions is 2 here and 64"):
        Publisher(settings, "lines", "0", broker).publish(DOCUMENTS)
    assert raw(broker) == []


def test_a_service_that_is_not_there_is_said_at_once(settings: Settings, broker: MemoryBroker) -> None:
    """Prevents a misspelt name from waiting for a broker."""
    with pytest.raises(ConfigurationError, match="no service 'crawler'"):
        Publisher(settings, "crawler", "0", broker)
