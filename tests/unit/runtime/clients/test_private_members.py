"""The private members of kafka-python that the river leans on, pinned by name."""

from __future__ import annotations

import inspect

import kafka
import pytest
from kafka.cluster import ClusterMetadata
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.base import BaseCoordinator
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.producer.sender import Sender
from kafka.producer.transaction_manager import TransactionalRequestResult, TransactionManager


@pytest.mark.parametrize(
    ("owner", "member"),
    [
        (kafka.KafkaConsumer.__init__, "self._coordinator"),
        (kafka.KafkaConsumer.__init__, "self._fetcher"),
        (kafka.KafkaConsumer.__init__, "self._cluster"),
        (kafka.KafkaProducer.__init__, "self._sender"),
        (
            kafka.KafkaProducer.send_offsets_to_transaction,
            "self._transaction_manager.send_offsets_to_transaction(",
        ),
        (kafka.KafkaProducer.commit_transaction, "self._transaction_manager.begin_commit()"),
        (kafka.KafkaProducer.close, "self._closed = True"),
        (Sender.run_once, "while self._topics_to_add:"),
        (TransactionManager.last_error.fget, "return self._last_error"),
        (TransactionalRequestResult.wait, "timeout_ms"),
        (Fetcher.__init__, "self._next_partition_records"),
        (Fetcher.__init__, "self._completed_fetches"),
        (Fetcher, "self.config['max_poll_records']"),
        (ConsumerCoordinator.__init__, "self._offset_fetch_futures"),
        (KafkaNetClient.close, "self._manager.close("),
        (KafkaNetClient.close, "self._net.close()"),
        (KafkaNetClient.__init__, "net is None"),
        (KafkaNetClient.__init__, "manager is None"),
        (KafkaConnectionManager.bootstrap, "self._net.run("),
        (KafkaConnectionManager._do_bootstrap, "self._conns.pop(bootstrap_broker.node_id, conn).close()"),
        (KafkaConnectionManager._do_bootstrap, "self.get_connection(bootstrap_broker.node_id,"),
        (kafka.KafkaProducer._wait_on_metadata, "self._sender.add_topic(topic)"),
        (NetworkSelector.stop, "self._io_thread.join("),
    ],
)
def test_it_is_there(owner: object, member: str) -> None:
    """Prevents a release that renames one from turning a work-around into nothing."""
    assert member in inspect.getsource(owner)  # type: ignore[arg-type]


def test_they_can_be_called_as_we_call_them() -> None:
    """As above."""
    assert "partitions" in inspect.signature(ConsumerCoordinator.fetch_committed_offsets).parameters
    assert "timeout_ms" in inspect.signature(ConsumerCoordinator.fetch_committed_offsets).parameters
    assert callable(ConsumerCoordinator.request_rejoin)
    assert hasattr(BaseCoordinator, "rejoining") or "self.rejoining" in inspect.getsource(BaseCoordinator)
    assert "topic_name" in inspect.signature(ClusterMetadata.topic_id).parameters
    assert callable(Sender.wakeup)
    assert callable(Sender.force_close)
    assert "fetch_max_wait_ms" in Fetcher.DEFAULT_CONFIG
    assert callable(NetworkSelector.drain)
    for client in (kafka.KafkaConsumer, kafka.KafkaProducer, kafka.KafkaAdminClient):
        assert client.DEFAULT_CONFIG["kafka_client"] is KafkaNetClient


def test_the_version_is_the_one_that_was_tried() -> None:
    """Prevents an upgrade that nobody looked at: raise both when the integration tests have passed."""
    assert kafka.__version__.startswith("3.0.")
