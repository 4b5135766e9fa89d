"""The way into the river for what is pushed at a service, or found by it: at its word, without a reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from kafka.errors import KafkaError

from contracts import Document
from services.runtime import agreement
from services.runtime.clients.broker import Broker, KafkaBroker
from services.runtime.contracts.source import Unreadable
from services.runtime.errors import DependencyDown
from services.runtime.logs import log
from services.runtime.loops.inflow import Inflow
from services.runtime.loops.transaction import Aborted, Transactions
from services.runtime.resources import Resources
from services.runtime.settings import Settings
from services.runtime.topology import Topology

PATIENCE_S = 20.0  # longer than a broker takes that is killed and started again
_PAUSE_S = 0.3


class Publisher:
    """Publishes what it is given when it is given it: once `publish` returns, Kafka has it for good.

    Where it raises, the documents may be in Kafka all the same (a commit whose answer was lost): who gives
    them again gives them the same uids, and dedup drops what came twice as `already_seen`.

    One caller at a time, from any thread. instance: names this copy; two publishers of one service that live
    at once need different ones, else the older is fenced. patience_s: how long a broker is waited for.
    """

    def __init__(
        self,
        settings: Settings,
        service_name: str,
        instance: str,
        broker: Broker | None = None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """No I/O yet. Raises ConfigurationError: the topology has no such service."""
        self._settings = settings
        self._topology = Topology.load(settings.topology, ())
        self._service = self._topology.service(service_name)
        self._broker = broker or KafkaBroker(settings)
        self._resources = Resources(settings)
        self._transactions = Transactions(settings, service_name, f"{service_name}-{instance}", self._broker)
        self._patience_s = patience_s
        self._opened = False

    def open(self) -> None:
        """Compare the settings that all processes must have alike, and connect; `publish` does it else.

        Raises ConfigurationError: they differ; DependencyDown, Fenced.
        """
        self._patiently(self._open)

    def publish(self, documents: Sequence[Document], unreadable: Sequence[Unreadable] = ()) -> None:
        """One transaction with the documents, their tallies, and a dead letter for each unreadable piece.

        Fields that are too large for a message go to the store first. Raises DependencyDown: Kafka is away
        for longer than the patience, or the store; ConfigurationError, Fenced as `open`.
        """
        if documents or unreadable:
            serialised = [(d.uid, d.SerializeToString()) for d in documents]
            pieces = [(p.source, p.head, p.error) for p in unreadable]
            settings, service = self._settings, self._service
            inflow = Inflow(service.name, service.output, self._resources.store, settings.max_message_bytes)
            outputs = inflow.messages(serialised, pieces)

            def commit() -> None:
                self._open()
                self._transactions.commit(outputs, {}, None)

            self._patiently(commit)
            inflow.published(len(serialised), len(pieces), outputs)

    def close(self) -> None:
        """Let go of the connections; what was published stays."""
        self._transactions.reset()
        self._resources.close()

    def _open(self) -> None:
        if not self._opened:
            with self._broker.log() as said:
                stands = agreement.read(said)
            agreement.refuse_unfinished(stands)
            agreement.compare(stands, agreement.values([self._service], self._settings, self._topology))
            self._opened = True
        self._transactions.open()

    def _patiently(self, act: Callable[[], None]) -> None:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return act()
            except (Aborted, DependencyDown, KafkaError) as error:
                self._transactions.reset()
                if time.monotonic() > deadline:
                    raise (
                        error if isinstance(error, DependencyDown) else DependencyDown("Kafka", error)
                    ) from error
                log.warning("publishing again", error=str(error))
                time.sleep(_PAUSE_S)
