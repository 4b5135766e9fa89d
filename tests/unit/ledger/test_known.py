"""Which documents a river has: in its archive, on their way, in a pool; and which never came."""

from __future__ import annotations

from pathlib import Path

from services.archive.files import counting
from services.archive.lookup import find
from services.archive.tables import TABLES
from services.ledger.known import unknown_to
from tests.unit.archive.rows import document, rejection
from tests.unit.ledger.test_trace import River


def test_a_document_is_known_wherever_it_is_and_a_mistyped_uid_is_not(tmp_path: Path) -> None:
    """Prevents: `pool forget` of a mistyped uid that says done, and the document that is mixed after all."""
    river = River(tmp_path)
    river.put("docs.unique", document(1), document(2))
    river.put("docs.rejected", rejection(3, "rules", "short"))
    river.archive()
    assert counting(river.store, "documents")
    assert counting(river.store, "drops")
    producer = river.broker.producer("test")
    producer.init_transactions()
    producer.begin_transaction()
    for topic, number in (("docs.clean", 4), ("docs.clean.dlq", 5), ("pool.zh", 6)):
        producer.send(
            topic, document(number).SerializeToString(), key=document(number).uid.to_bytes(8, "big")
        )
    producer.commit_transaction()
    wanted = [document(number).uid for number in range(1, 9)]
    with river.log() as log:
        found = unknown_to(
            lambda name: river.broker.group(name).committed,  # type: ignore[arg-type,return-value]
            log,
            river.topology,
            wanted,
            lambda uid: any(find(river.store, table, f"{uid:016x}", ("uid",)) for table in TABLES.values()),
        )
    assert found == wanted[6:]
