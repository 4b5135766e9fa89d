"""kafka-python's event loop, and who drives it.

A consumer and an admin client have a thread for it, a producer its sender; kafka-python 3.0.12 makes two
exceptions, and neither is harmless.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

from kafka.errors import KafkaTimeoutError
from kafka.future import Future
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector


class Connections(KafkaConnectionManager):
    """Connections whose loop never runs in the thread of who makes a client, whose waits can be ended.

    A producer is made by driving it there until the broker has answered. What a signal's handler raises comes
    up in the middle of a task then, the loop takes it for that task's failure, and waits on for ever.

    The connection by which a client learns of the brokers would be closed, and another to the same address
    made, which costs a broker with passwords some 5 ms of CPU.
    """

    def __init__(self, *args: Any, **configs: Any) -> None:
        super().__init__(*args, **configs)
        self._bounded: set[Future] = set()  # what is waited for, and not for ever

    async def wait_for(self, future: Future, timeout_ms: float | None) -> Any:
        """See KafkaConnectionManager."""
        if timeout_ms is None:
            return await super().wait_for(future, None)
        first = Future()
        future.add_callback(lambda value: first.is_done or first.success(value))
        future.add_errback(lambda error: first.is_done or first.failure(error))
        self._bounded.add(first)
        try:
            return await super().wait_for(first, timeout_ms)
        finally:
            self._bounded.discard(first)

    def expire(self) -> None:
        """Let every wait that has a limit come to it now. In the loop's thread."""
        for first in list(self._bounded):
            if not first.is_done:
                first.failure(KafkaTimeoutError("the wait was ended"))

    def bootstrap(self, timeout_ms: float | None = None, refresh: bool = True) -> None:
        """See KafkaConnectionManager."""
        driven = self._net._io_thread is not None
        self._net.start()
        try:
            super().bootstrap(timeout_ms, refresh)
        finally:
            if not driven:
                self._net.stop()

    def get_connection(self, node_id: Any, *args: Any, **options: Any) -> KafkaConnection:
        """See KafkaConnectionManager."""
        found = super().get_connection(node_id, *args, **options)
        if self.cluster.is_bootstrap(node_id):
            found.close = partial(self._keep, found, self.cluster.broker_metadata(node_id))
        return found

    def _keep(self, first: KafkaConnection, of: Any, error: Exception | None = None) -> None:
        """In place of closing the first connection, of an address: keep it for the broker that has that."""
        del first.close
        same = (
            broker for broker in self.cluster.brokers() if (broker.host, broker.port) == (of.host, of.port)
        )
        broker = next(same, None)
        if error or self.closed or not first.connected or broker is None or broker.node_id in self._conns:
            first.close(error)
            return
        node = first.node_id = broker.node_id
        self._conns[node] = first
        first.close_future.add_both(lambda _: self._conns.pop(node, None))
        first.close_future.add_errback(lambda _: self.cluster.request_update())


class OrderlyClient(KafkaNetClient):
    """The connections of one consumer, producer or admin client, closed in an order that harms nobody.

    kafka-python closes the sockets in the caller's thread while the loop's still reads them, and ends the
    loop before those that wait for an answer have heard that none comes: each falls over what is gone, and
    its traceback is in the log.
    """

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net, Connections(net, **configs), **configs)

    def close(self, node_id: Any = None) -> None:
        """See KafkaNetClient."""
        if node_id is None:
            with contextlib.suppress(Exception):  # of a loop that has fallen: then nobody reads
                self._net.run(self._manager.close)
            self._net.stop()
            self._net.drain()
        super().close(node_id)
