"""The rival of the runtime: consume, hand on, produce, commit in transactions, with kafka-python alone.

python -m tests.benchmarks.bare_loop GROUP INPUT OUTPUT, until SIGTERM. The clients are those of the
runtime, with the same settings, and the batches have the same bounds. The bytes go on as they came:
no Document is parsed, nothing is isolated, counted or retried.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from services.runtime import Settings, load_settings
from services.runtime.clients.kafka import consumer, producer


class _FromTheStart(ConsumerRebalanceListener):
    """Its group is new."""

    def __init__(self, reader: KafkaConsumer) -> None:
        self._reader = reader

    def on_partitions_assigned(self, assigned: Any) -> None:
        for tp in assigned:
            self._reader.seek(tp, 0)

    def on_partitions_revoked(self, revoked: Any) -> None:
        """It runs alone."""


def main() -> None:
    """See the module."""
    group, source, target = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = load_settings()
    reader = consumer(settings, group, instance="0", max_records=settings.batch.max_documents)
    writer = producer(settings, group)
    writer.init_transactions()
    reader.subscribe([source], listener=_FromTheStart(reader))
    while True:
        if not (batch := _gather(reader, settings)):
            continue
        writer.begin_transaction()
        offsets = {}
        for record in batch:
            writer.send(target, record.value, partition=record.partition)
            offsets[TopicPartition(record.topic, record.partition)] = record.offset + 1
        marks = {tp: OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()}
        writer.send_offsets_to_transaction(marks, reader.group_metadata())
        writer.commit_transaction()


def _gather(reader: Any, settings: Settings) -> list[Any]:
    batch: list[Any] = []
    bounds, num_bytes = settings.batch, 0
    deadline = time.monotonic() + 0.5
    while len(batch) < bounds.max_documents and num_bytes < bounds.max_bytes:
        wait_s = deadline - time.monotonic()
        if wait_s <= 0:
            break
        found = reader.poll(int(wait_s * 1000) + 1, max_records=bounds.max_documents - len(batch))
        if found and not batch:
            deadline = time.monotonic() + bounds.max_wait_s
        for records in found.values():
            batch += records
            num_bytes += sum(len(record.value) for record in records)
    return batch


if __name__ == "__main__":
    main()
