"""A server of the stack: a supervised child that listens on a loopback port."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from services.local.child import Child, Program
from services.local.folder import prepare
from services.local.private import make_private
from services.local.process import Supervisor
from services.local.servers.ports import kept_port, require_free
from services.runtime import ConfigurationError, CorpusworksError

START_TIMEOUT_S = 60.0  # a broker that recovers a long log on a busy laptop needs most of it
POLL_S = 0.05
_PORT = "port"  # a file in the folder


class Server(ABC):
    """One server on one folder. It keeps its port while this object lives, through every restart.

    port: listen there; None takes the folder's last one, or a free one where that is taken. supervisor: the
    stack's; None makes an own one.
    """

    name: str

    def __init__(self, folder: Path, port: int | None = None, supervisor: Supervisor | None = None) -> None:
        self.folder = folder.absolute()
        self.port = port or kept_port(self.folder / _PORT)
        self._fixed = port is not None
        self._supervisor = supervisor or Supervisor()
        self._owns_supervisor = supervisor is None
        self._child: Child | None = None

    @abstractmethod
    def prepare(self) -> Program:
        """Write the configuration and say what to run. Raises ConfigurationError."""

    @abstractmethod
    def ready(self) -> bool:
        """It answers a request as a working server does."""

    @property
    @abstractmethod
    def access(self) -> dict[str, str | Path]:
        """The settings with which its clients reach it, by their names in the settings."""

    @property
    def pid(self) -> int | None:
        """Of the running process, which changes when it is restarted."""
        return self._child.pid if self._child else None

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start and wait until it serves. Raises ConfigurationError, ProcessFailed."""
        self.launch()
        self.wait(timeout_s)

    def launch(self) -> None:
        """Start, and do not wait; nothing to do if it runs."""
        if self._child is not None and not self._child.over:
            return
        prepare(self.folder)
        make_private(self.folder)
        if self._fixed:
            require_free(self.port, self.name)
        try:
            (self.folder / _PORT).write_text(f"{self.port}\n")
            program = self.prepare()
        except OSError as error:
            raise ConfigurationError(f"{self.name} cannot be set up in {self.folder}: {error}") from error
        self._child = self._supervisor.start(program)

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until it serves, restarts included. Raises ProcessFailed, ConfigurationError."""
        child = self._child
        if child is None:
            raise ValueError(f"{self.name} was not started")
        deadline = time.monotonic() + timeout_s
        while not (child.pid is not None and self.ready()):
            self._supervisor.check()
            if time.monotonic() > deadline:
                raise CorpusworksError(
                    f"{self.name} does not serve {timeout_s:.0f} s after its start; see {child.program.log}"
                )
            time.sleep(POLL_S)

    def kill(self) -> None:
        """SIGKILL, as a crash would end it: the supervisor starts it again on the same port and folder."""
        if self._child is not None:
            self._child.kill()

    def stop(self) -> None:
        """Stop it in an orderly way."""
        if self._child is not None:
            self._supervisor.stop(self._child)
            self._child = None
        if self._owns_supervisor:
            self._supervisor.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
