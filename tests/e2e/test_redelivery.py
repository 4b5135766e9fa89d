"""What was done stays done: messages may come again; a part that was not announced is none."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from contracts import Control, Document, PartSealed
from services.ledger import reconcile, take_account
from services.ledger.proof import prove
from services.runtime import Resources
from services.runtime.clients.kafka import GROUP_PREFIX, connection
from services.runtime.clients.log import Log
from services.runtime.loops.transaction import Produce, Transactions
from services.sink.part import stream_of
from services.sink.parts import list_parts, verify
from tests.corpus import write_jsonl
from tests.e2e.crashing import crash
from tests.e2e.home import Home, home, topology

pytestmark = [pytest.mark.soak, pytest.mark.stack]

SESSION_S = 3.0
SETTINGS = {
    "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "20000",
    "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": str(SESSION_S),
}
POOLS = ("pool.zh", "pool.en", "pool.code")


@pytest.fixture(scope="module")
def river(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A river that has settled; its services run."""
    folder = tmp_path_factory.mktemp("redelivery")
    source = write_jsonl(folder / "made.jsonl", 400, seed=21, duplicates=0.2)
    with home(folder / "out", SETTINGS) as made:
        made.river.start()
        made.settle([made.river.ingest([str(source)])])
        yield made


def _announced(river: Home) -> list[PartSealed]:
    with Log(river.settings) as log:
        return [PartSealed.FromString(record.value) for record in log.read_all("shards.sealed")]


def _documents(river: Home, *topics: str) -> list[Document]:
    with Log(river.settings) as log:
        values = [record.value for record in log.read_all(*topics)]
    return [
        Document.FromString(value) for value in values if value is not None
    ]  # what a pool gave up is none


def _retractions(river: Home) -> int:
    """How many were told to the lanes; there are flushes among them."""
    with Log(river.settings) as log:
        told = [Control.FromString(record.value) for record in log.read_all("pool.control")]
    return sum(control.HasField("retraction") for control in told)


def _rewind(river: Home, service: str, topic: str) -> None:
    """Set the group's offsets to 0, as a person does with kafka-consumer-groups. Its members must be gone."""
    consumer = KafkaConsumer(
        **connection(river.settings.kafka),
        group_id=GROUP_PREFIX + service,
        enable_auto_commit=False,
    )
    partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    consumer.commit({partition: OffsetAndMetadata(0, "", -1) for partition in partitions})
    consumer.close()


def _files(river: Home) -> dict[str, bytes]:
    store = Resources(river.settings).store
    return {key: store.get(key) for key in store.list("parts")}


def test_replaying_the_topics_changes_nothing(river: Home) -> None:
    """Prevents: a document that becomes a duplicate of itself, is retracted, or is packed again."""
    account = take_account(river.settings, topology())
    assert not reconcile(account)
    assert prove(river.settings, topology())
    assert account.drops["dedup", "exact_duplicate"] + account.drops["dedup", "near_duplicate"] > 20
    parts, files = _announced(river), _files(river)
    pooled = sorted(document.uid for document in _documents(river, *POOLS))
    superseded = _retractions(river)
    assert len(parts) > 2

    river.river.stop()
    time.sleep(SESSION_S + 1)  # static members stay in their group for so long
    for service, topic in (
        ("parse", "docs.raw"),
        ("rules", "docs.parsed"),
        ("classifier", "docs.clean"),
        ("tokenizer", "docs.scored"),
    ):
        _rewind(river, service, topic)
    _publish_with_another_rank(river, account)
    river.river.start()
    river.settle([])

    again = take_account(river.settings, topology())
    found = reconcile(again)
    assert not found.missing
    # What rules and the scorer drop they drop again, which is told; nothing else has happened twice.
    droppers = {"rules", "scorer"}
    assert set(found.twice) <= {uid for uid, drops in account.rejected.items() if drops[0][0] in droppers}
    proof = prove(river.settings, topology())
    assert (proof.found, proof.undecided, proof.unread_ranges) == (found, 0, 0)
    assert verify(Resources(river.settings).store) == []
    assert _announced(river) == parts
    assert _files(river) == files
    assert sorted(document.uid for document in _documents(river, *POOLS)) == pooled
    assert _retractions(river) == superseded
    # It was replayed indeed: each document that reached dedup at all came there again.
    assert again.drops["dedup", "already_seen"] > len(pooled)
    for uid in account.raw:
        former = {drop for drop in account.rejected.get(uid, []) if drop[1] != "already_seen"}
        latter = {drop for drop in again.rejected.get(uid, []) if drop[1] != "already_seen"}
        assert former == latter


def _publish_with_another_rank(river: Home, account) -> None:
    """Copies of documents that dedup has judged, now the best and now the worst of all."""
    known = _documents(river, "docs.scored")
    kept = [d for d in known if d.uid not in account.rejected][:20]
    dropped = [d for d in known if ("dedup", "near_duplicate") in account.rejected.get(d.uid, [])][:20]
    assert len(kept) == 20
    assert dropped
    for index, document in enumerate([*kept, *dropped]):
        document.rank = index % 2
        document.score = index
    transactions = Transactions(river.settings, "test", "test")
    copies = [Produce("docs.scored", d.SerializeToString(), spread=d.uid + 1) for d in [*kept, *dropped]]
    transactions.commit(copies, {}, None)
    transactions.reset()


def test_a_part_that_was_not_announced_is_none(river: Home) -> None:
    """Prevents: a reader that takes an orphan, an orphan that stays, a manifest that differs from the log."""
    store = Resources(river.settings).store
    before = {part.name for part in list_parts(store)}
    supervisor = river.stack.supervisor
    sink = supervisor.children["sink"]
    supervisor.stop(sink)
    folder = river.out.parent
    reading = river.river.ingest([str(write_jsonl(folder / "more.jsonl", 200, seed=22))])
    while not reading.over or not river.river.upstream_is_dry():
        time.sleep(0.1)
    river.river.flush("crash")
    crash(sink.program)
    written = {key.removeprefix("parts/").rpartition(".")[0] for key in store.list("parts")}
    orphans = {name for name in written if "/part-" in name} - before
    assert orphans
    assert {part.name for part in list_parts(store)} == before
    assert verify(store) == []

    # And what else may have happened to the folder meanwhile.
    stream = stream_of(min(before))
    store.put(f"parts/lane-000/part-000-{stream}-000000900000-000000900001.bin", b"of another try")
    manifest = store.get("parts/lane-000/manifest.jsonl")
    store.put("parts/lane-000/manifest.jsonl", manifest[: len(manifest) // 2])
    store.delete(["parts/lane-001/manifest.jsonl"])
    supervisor.start(sink.program)
    river.settle([])

    announced = _announced(river)
    assert [part.SerializeToString(deterministic=True) for part in list_parts(store)] == [
        part.SerializeToString(deterministic=True) for part in sorted(announced, key=lambda p: p.lane)
    ]
    assert before < {part.name for part in announced}
    assert verify(store) == []
    assert not any("900000" in key for key in store.list("parts"))
    kept = {f"parts/{part.name}" for part in announced}
    assert {key.rpartition(".")[0] for key in store.list("parts") if "/part-" in key} == kept
    assert not reconcile(take_account(river.settings, topology())).missing
