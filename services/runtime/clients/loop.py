"""kafka-python's event loop, and who drives it.

A consumer and an admin client have a thread for it, a producer its sender; kafka-python 3.0.12 makes two
exceptions, and neither is harmless.
"""

from __future__ import annotations

import contextlib
from typing import Any

from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector


class Connections(KafkaConnectionManager):
    """Connections whose loop never runs in the thread of whoever makes a client.

    A producer is made by driving it there until the broker has answered. What a signal's handler raises comes
    up in the middle of a task then, the loop takes it for that task's failure, and waits on for ever.
    """

    def bootstrap(self, timeout_ms: float | None = None, refresh: bool = True) -> None:
        """See KafkaConnectionManager."""
        driven = self._net._io_thread is not None
        self._net.start()
        try:
            super().bootstrap(timeout_ms, refresh)
        finally:
            if not driven:
                self._net.stop()


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
