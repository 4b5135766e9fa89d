"""The private stack of one state folder: Kafka, Redis and Triton, but for those that the user has already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from services.local import interrupt
from services.local.child import Child, Program
from services.local.folder import FolderLock
from services.local.packages import wheels
from services.local.process import Supervisor
from services.local.servers.kafka import KafkaServer
from services.local.servers.redis import RedisServer
from services.local.servers.server import START_TIMEOUT_S, Server
from services.local.servers.triton import Triton
from services.local.store import KAFKA
from services.local.zygote import Zygote
from services.runtime import ConfigurationError, Settings, load_settings
from services.runtime.settings import PREFIX

KAFKA_SETTING = PREFIX + "KAFKA__BOOTSTRAP_SERVERS"
REDIS_SETTING = PREFIX + "REDIS__URL"
TRITON_SETTING = PREFIX + "TRITON_URL"
TRITON = "triton"  # its folder
STAND_IN = "onnx:"  # for a server: the judges run inside the services


class Stack:
    """Owns the folder's lock, the supervisor and the servers.

        with Stack(folder) as stack:
            stack.wait_for_judges()
            stack.run(Program("rules", [...], log=folder / "log" / "rules.log"))
            ...
            stack.supervisor.check()

    Services started by `run` get `environment`, and are stopped before the servers that they use.

    models: the model repositories that Triton serves; without any it is not started. stand_in: why the
    judges run inside the services instead, or nothing. zygote: forks the services; while the servers start,
    it imports what they need. meanwhile: called while they start, too.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings | None = None,
        *,
        kafka_port: int | None = None,
        redis_port: int | None = None,
        models: Sequence[Path] = (),
        zygote: Zygote | None = None,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        """Takes the folder. Raises ConfigurationError: in use, unwritable, disk full, wrong settings."""
        self.folder = folder.absolute()
        self._given = settings or load_settings()
        self._meanwhile = meanwhile
        self._lock = FolderLock(self.folder)
        self.supervisor = Supervisor([self._lock.fd], zygote, remains=self.folder / "running.json")
        self.kafka: KafkaServer | None = None
        self.redis: RedisServer | None = None
        if "bootstrap_servers" not in self._given.kafka.model_fields_set:
            self.kafka = KafkaServer(self.folder / KAFKA, kafka_port, self.supervisor)
        if "url" not in self._given.redis.model_fields_set:
            self.redis = RedisServer(self.folder / "redis", redis_port, self.supervisor)
        self.triton: Triton | None = None
        self.stand_in = ""
        if models and "triton_url" not in self._given.model_fields_set:
            try:
                wheels.found()
                self.triton = Triton(self.folder / TRITON, models, self.supervisor)
            except ConfigurationError as error:
                self.stand_in = str(error)

    @property
    def servers(self) -> list[Server]:
        """Those that run here; Kafka first, which starts longest."""
        return [server for server in (self.kafka, self.triton, self.redis) if server is not None]

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs on top of its own environment to use this stack; files name the passwords."""
        environment: dict[str, str] = {}
        for group, server in (("KAFKA__", self.kafka), ("REDIS__", self.redis), ("", self.triton)):
            for name, value in (server.access if server else {}).items():
                environment[f"{PREFIX}{group}{name.upper()}"] = str(value)
        if self.stand_in:
            environment[TRITON_SETTING] = STAND_IN
        return environment

    @property
    def settings(self) -> Settings:
        """The settings given, with the servers of this stack filled in."""
        kafka, redis = self._given.kafka, self._given.redis
        if self.kafka:
            kafka = kafka.model_copy(update=self.kafka.access)
        if self.redis:
            redis = redis.model_copy(update=self.redis.access)
        triton = self.environment.get(TRITON_SETTING, self._given.triton_url)
        return self._given.model_copy(update={"kafka": kafka, "redis": redis, "triton_url": triton})

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the servers side by side and wait for all but Triton.

        Raises ConfigurationError, ProcessFailed.
        """
        for server in self.servers:
            server.launch()
        if self.triton is not None:
            with interrupt.later():
                import tritonclient.grpc  # noqa: F401 - long, and no signal should meet it below
        if self._meanwhile is not None:
            self._meanwhile()
        for server in self.servers:
            if server is not self.triton:
                server.wait(timeout_s)
        self._lock.publish(self.environment)

    def wait_for_judges(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Triton loads its models while topics are made. Raises ProcessFailed, which names a bad model."""
        if self.triton is not None:
            self.triton.wait(timeout_s)

    def run(self, program: Program) -> Child:
        """Start a service and keep it running."""
        environment = {**self.environment, **program.environment}
        return self.supervisor.start(replace(program, environment=environment))

    def stop(self) -> None:
        """Stop the services, then the servers; gives the folder free."""
        servers = [server.name for server in self.servers]
        services = [child for name, child in self.supervisor.children.items() if name not in servers]
        self.supervisor.stop(*services)
        self.supervisor.close()
        for server in self.servers:
            server.stop()  # it has ended; what it has beside its folder goes
        self._lock.release()

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
