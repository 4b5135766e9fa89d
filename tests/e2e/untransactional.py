"""`corpusworks` without the guarantee: outputs first, offsets after, each on its own.

Run in place of the real command by the test that proves that the exactly-once test can fail.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from services import cli
from services.runtime import load_settings
from services.runtime.clients.kafka import producer
from services.runtime.loops import transaction
from services.runtime.loops.transaction import Aborted, Produce, Transactions

_GAP_S = 1.0  # between the messages and the offsets; a kill in it repeats the batch


def _open(self: Transactions) -> None:
    if self._producer is None:
        self._producer = producer(load_settings(), None)


def _commit(
    self: Transactions,
    outputs: Sequence[Produce],
    offsets: Mapping[TopicPartition, int],
    member: ConsumerGroupMetadata | None,
) -> None:
    self.open()
    for output in outputs:
        self._send(output)
    assert isinstance(self._producer, KafkaProducer)
    self._producer.flush()
    time.sleep(_GAP_S)
    if member is not None and offsets:
        marks = {tp: OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()}
        late = producer(load_settings(), self._id)  # the only client that may commit for a member from afar
        try:
            late.init_transactions()
            late.begin_transaction()
            late.send_offsets_to_transaction(marks, member)
            late.commit_transaction()
        except KafkaError as error:
            raise Aborted(repr(error)) from error
        finally:
            late.close(timeout=0)


if __name__ == "__main__":
    transaction.Transactions.open = _open  # type: ignore[method-assign]
    transaction.Transactions.commit = _commit  # type: ignore[method-assign]
    cli.main()
