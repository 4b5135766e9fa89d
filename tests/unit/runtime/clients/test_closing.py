"""What a Kafka client leaves behind when it is closed while something is under way."""

from __future__ import annotations

import logging
import socket
import threading

import pytest
from kafka.errors import KafkaConnectionError
from kafka.future import Future
from kafka.net.transport import KafkaTCPTransport

from services.runtime.clients.kafka import OrderlyClient


class Reader:
    """A connection that is just reading when its client is closed; somebody waits for its answer."""

    connected = False
    _sensors = None

    def __init__(self, client: OrderlyClient, mine: socket.socket) -> None:
        self.reading, self.read, self.open_then = threading.Event(), threading.Event(), False
        self.answer = Future()
        self._socket = mine
        self._transport = KafkaTCPTransport(client._net, mine)
        self._transport.set_protocol(self)
        client._net.call_soon_threadsafe(self._begin)
        client._net.call_soon_threadsafe(self._wait(client))

    def _begin(self) -> None:
        self._transport.resume_reading()

    async def _wait(self, client: OrderlyClient) -> None:
        try:
            await self.answer
        except KafkaConnectionError:
            await client._net.sleep(60)  # and would ask again

    def data_received(self, _: bytes) -> None:
        self.reading.set()
        self.read.wait(0.2)
        self.open_then = self._socket.fileno() != -1

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, _: object) -> None:
        self.answer.failure(KafkaConnectionError("closed"))


def test_who_reads_and_who_waits_are_done_first(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: tracebacks in a service's log, each time a signal or an error closes a client."""
    client = OrderlyClient(bootstrap_servers="127.0.0.1:1")
    client._net.start()
    mine, broker = socket.socketpair()
    mine.setblocking(False)
    connection = Reader(client, mine)
    client._manager._conns["broker"] = connection
    broker.send(b"an answer")
    assert connection.reading.wait(10)
    with caplog.at_level(logging.WARNING, "kafka.net"):
        client.close()
    connection.read.set()
    assert connection.open_then
    assert mine.fileno() == -1
    assert not [record for record in caplog.records if record.exc_info]
    broker.close()
