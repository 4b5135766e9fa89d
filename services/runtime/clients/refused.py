"""What becomes of a transaction of which a partition has refused a batch."""

from __future__ import annotations

from typing import Any

from kafka.errors import InvalidProducerEpochError, ProducerFencedError
from kafka.producer.transaction_manager import TransactionManager


class StrictTransactions(TransactionManager):
    """One that fails: kafka-python 3.0.12 goes on with the producer's next epoch, and tells of a commit."""

    def classify_batch_error(self, error: Any, batch: Any, log_start_offset: int = -1) -> Any:
        """See TransactionManager."""
        found = super().classify_batch_error(error, batch, log_start_offset)
        if found != self.ERROR_CLASS_NEEDS_EPOCH_BUMP:
            return found
        fenced = isinstance(error, InvalidProducerEpochError) or error is InvalidProducerEpochError
        return self.ERROR_CLASS_FATAL if fenced else self.ERROR_CLASS_ABORTABLE

    def transition_to_fatal_error(self, exc: Any) -> None:
        """See TransactionManager. Partitions know an epoch that is over, and not that it has an heir."""
        super().transition_to_fatal_error(
            ProducerFencedError() if isinstance(exc, InvalidProducerEpochError) else exc
        )


def be_strict(producer: Any) -> None:
    """Of a KafkaProducer, which makes the manager itself and hands it to others, before it has begun."""
    producer._transaction_manager.__class__ = StrictTransactions
