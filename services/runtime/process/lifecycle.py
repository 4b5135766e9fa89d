"""What every service process has: signals, health, a stop that is clean."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from services.runtime.clients.kafka import refuse
from services.runtime.errors import ConfigurationError, DependencyDown
from services.runtime.logs import log
from services.runtime.process.collector import settle_collector
from services.runtime.process.health import Health, serve_health
from services.runtime.settings import Settings

_BACKOFF_S = (0.2, 10.0)  # first and longest pause after a failure
WAITING = "waiting"  # the event logged while a server does not answer
_GIVE_UP_MARGIN_S = 3.0  # left of the grace period for closing connections


class Process:
    """One per service process. stopping: SIGTERM or SIGINT came; finish or abort, then leave."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        # A loop that waits on a document may stand still for the time limit; on a commit a little longer.
        self.health = Health(limit_s=settings.time_limit_s + 2 * settings.kafka.transaction_timeout_s)
        self.stopping = False
        self.wake: Callable[[], object] = lambda: None  # ends what it waits for; by the signal's handler
        self._stop_deadline = float("inf")
        self._failures = 0

    def start(self) -> None:
        """Take signals and answer probes. Raises ConfigurationError when the port is taken."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        host, port = self.settings.http_host, self.settings.http_port
        try:
            server = serve_health(self.health, host, port)
        except OSError as error:
            raise ConfigurationError(
                f"{host}:{port} cannot be listened on: {error}; set CORPUSWORKS_HTTP_PORT to a free one, or 0"
            ) from error
        settle_collector()
        log.info("started", port=server.server_port)

    def must_give_up(self) -> bool:
        """The grace period is nearly over: abort what runs."""
        return time.monotonic() > self._stop_deadline

    def failed(self, error: Exception) -> None:
        """Wait before the next try: exponential with full jitter; unready meanwhile.

        Raises ConfigurationError where no try can go better.
        """
        refuse(error)
        what = error.dependency if isinstance(error, DependencyDown) else "kafka"
        self.health.unready(what, str(error))
        self._failures += 1
        pause = random.uniform(0, min(_BACKOFF_S[1], _BACKOFF_S[0] * 2 ** min(self._failures, 10)))
        log.warning(WAITING, seconds=round(pause, 2), error=str(error))
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline and not self.stopping:
            self.health.moved()
            time.sleep(0.05)

    def worked(self) -> None:
        """A batch went through, or there was nothing to do: everything answers."""
        if self._failures:
            self._failures = 0
            for what in self.health.unready_reasons() - {"partitions"}:
                self.health.ready(what)
        self.health.moved()

    def _on_signal(self, number: int, _frame: object) -> None:
        if not self.stopping:
            log.info("stopping", signal=signal.Signals(number).name)
            self.stopping = True
            self.wake()
            self._stop_deadline = time.monotonic() + self.settings.stop_grace_s - _GIVE_UP_MARGIN_S
