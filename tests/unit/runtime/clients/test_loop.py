"""Who drives the loop of a Kafka client, and what is left when it is closed while something is under way."""

from __future__ import annotations

import logging
import socket
import threading
import time

import pytest
from kafka.errors import KafkaConnectionError
from kafka.future import Future
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport

from services.runtime.clients.loop import Connections, OrderlyClient


class Reader:
    """A connection that is just reading when its client is closed; somebody waits for its answer."""

    connected = False
    _sensors = None

    def __init__(self, client: OrderlyClient, mine: socket.socket) -> None:
        self.reading, self.open_then = threading.Event(), False
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
        deadline = time.monotonic() + 0.2
        while self._socket.fileno() != -1 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.open_then = self._socket.fileno() != -1

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, _: object) -> None:
        self.answer.failure(KafkaConnectionError("closed"))


@pytest.mark.parametrize("driven", [False, True], ids=["producer", "consumer"])
def test_who_reads_and_who_waits_are_done_first(driven: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: tracebacks in a service's log, each time a signal or an error closes a client."""
    client = OrderlyClient(bootstrap_servers="127.0.0.1:1")
    mine, broker = socket.socketpair()
    mine.setblocking(False)
    connection = Reader(client, mine)
    client._manager._conns["broker"] = connection
    if driven:
        client._net.start()
        broker.send(b"an answer")
        assert connection.reading.wait(10)
    else:
        client._net.poll(0)  # to where they wait
    with caplog.at_level(logging.WARNING, "kafka.net"):
        client.close()
    assert connection.open_then == driven
    assert mine.fileno() == -1
    assert not [record for record in caplog.records if record.exc_info]
    broker.close()


@pytest.mark.parametrize("driven", [False, True], ids=["producer", "consumer"])
def test_a_client_is_made_in_the_thread_of_its_loop(driven: bool) -> None:
    """Prevents: Ctrl-C that is taken for the failure of a task, and a command that then waits for ever and
    can only be killed; and a consumer whose loop ends with its first answer.
    """
    threads = []

    class Noting(Connections):
        async def _do_bootstrap(self, deadline: float | None) -> None:
            threads.append(threading.current_thread())

    net = NetworkSelector()
    if driven:
        net.start()
    Noting(net, bootstrap_servers="127.0.0.1:1").bootstrap(1000)
    assert threads != [threading.current_thread()]
    assert (net._io_thread is not None) == driven
    net.close()
