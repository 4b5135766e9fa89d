"""Services of a test's own on a shared broker: their topology, their processes, what goes in and out."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from contracts import Document
from services.local.run import applied
from services.local.stack import Stack
from services.mixer.recipe import bucket_names
from services.runtime import ObjectStore, Settings, VocabularyCard
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.loops.transaction import Produce, Transactions
from services.runtime.topology import Topology
from tests.integration.served import ROOT, Process, serve

# The vocabulary of tokens that a test makes up; it is in the store of every rig.
CARD = VocabularyCard("made-up", 1000, 0, "<end>")


@dataclass
class Rig:
    """name: begins the names of services and topics, so that tests do not meet on the broker."""

    name: str
    folder: Path
    settings: Settings
    topology: Topology
    environment: Mapping[str, str]
    processes: list[Process] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The topic that `publish` writes and the rig's unit reads."""
        return f"{self.name}.in"

    @property
    def output(self) -> str:
        """The topic that the rig's unit writes."""
        return f"{self.name}.out"

    def serve(self, *services: str, instance: str = "0", **more: str) -> Process:
        """Start a process of these services; its log is <service>-<instance>.log."""
        names = services or (self.name,)
        environment = {**os.environ, **self.environment, "CORPUSWORKS_INSTANCE": instance, **more}
        process = serve(["serve", *names], environment, self.folder / f"{names[0]}-{instance}.log")
        self.processes.append(process)
        return process

    def log(self, service: str = "", instance: str = "0") -> str:
        """What a process has said."""
        return (self.folder / f"{service or self.name}-{instance}.log").read_text(errors="replace")

    def kill(self, process: Process) -> None:
        """SIGKILL to a process and its worker."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def publish(self, documents: Sequence[Document], topic: str = "", partition: int | None = None) -> None:
        """Put documents into a topic, in one transaction."""
        topic = topic or self.source
        self.produce(
            [Produce(topic, d.SerializeToString(), spread=d.uid, partition=partition) for d in documents]
        )

    def produce(self, messages: Sequence[Produce]) -> None:
        """Put messages into their topics, in one transaction."""
        transactions = Transactions(self.settings, "test", f"test-{self.name}")
        transactions.commit(messages, {}, None)
        transactions.reset()

    def records(self, *topics: str) -> list[Any]:
        """All committed records."""
        with Log(self.settings) as log:
            return list(log.read_all(*topics))

    def documents(self, topic: str = "") -> list[Document]:
        """All committed documents of a topic; the output if none is named."""
        return [Document.FromString(record.value) for record in self.records(topic or self.output)]

    def committed(self, service: str = "") -> dict[tuple[str, int], int]:
        """Offsets of the service's group."""
        with Admin(self.settings) as admin:
            return admin.committed(service or self.name)

    def wait_for(self, number: int, *topics: str, timeout_s: float = 60) -> list[Any]:
        """The records of topics as soon as there are so many. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        with Log(self.settings) as log:
            while time.monotonic() < deadline:
                found = list(log.read_all(*topics))
                if len(found) >= number:
                    return found
                time.sleep(0.1)
        raise TimeoutError(f"{len(found)} of {number} records in {', '.join(topics)}")

    def wait_until(self, holds: Callable[[], bool], timeout_s: float = 60) -> None:
        """Until something is so. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout_s:.0f} s")
            time.sleep(0.1)

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes:
            self.kill(process)


@contextlib.contextmanager
def rig(
    stack: Stack,
    folder: Path,
    name: str,
    services: Mapping[str, Any],
    topics: Mapping[str, Any] | None = None,
    /,
    **settings: str,
) -> Iterator[Rig]:
    """Settings of this process, topics on the broker; processes are started by the test."""
    (folder / "store").mkdir(parents=True, exist_ok=True)
    CARD.keep(ObjectStore((folder / "store").as_uri()), b"")
    documents = {"holds": "Document", "by": "partitions"}
    table = {
        "services": services,
        "topics": {
            f"{name}.in": documents,
            f"{name}.out": documents,
            "docs.rejected": {"holds": "Rejection", "by": "partitions"},
            **(topics or {}),
        },
    }
    (folder / "topology.yaml").write_text(yaml.safe_dump(table))
    environment = {
        "CORPUSWORKS_TOPOLOGY": str(folder / "topology.yaml"),
        "CORPUSWORKS_STORE_URL": (folder / "store").as_uri(),
        "PYTHONPATH": os.pathsep.join(
            [str(ROOT), str(ROOT / "proto"), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
        **stack.environment,
        **settings,
    }
    with applied(environment) as found:
        topology = Topology.load(found.topology, bucket_names(found.recipe))
        with Admin(found) as admin:
            admin.create_topics(topology.topics().values())
        made = Rig(name, folder, found, topology, environment)
        try:
            yield made
        finally:
            made.close()


def unit(name: str, run: str) -> dict[str, Any]:
    """A table with one unit between `<name>.in` and `<name>.out`."""
    return {name: {"run": run, "input": f"{name}.in", "output": f"{name}.out"}}


def said(headers: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    """The error headers of a dead letter, without their prefix."""
    prefix = "__connect.errors."
    return {key.removeprefix(prefix): value.decode() for key, value in headers if key.startswith(prefix)}
