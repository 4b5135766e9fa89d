"""Three brokers that are controllers too, as a small cluster has them, on this machine."""

from __future__ import annotations

import time
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from services.local.private import password, write_private
from services.local.servers.kafka import KafkaServer, cluster_id
from services.local.servers.ports import HOST
from services.runtime.clients.kafka import connection
from services.runtime.settings import KafkaSettings

NODES = 3
# Everything is there three times, and done when two have it.
_OPTIONS: dict[str, object] = {
    "offsets.topic.replication.factor": NODES,
    "transaction.state.log.replication.factor": NODES,
    "transaction.state.log.min.isr": NODES - 1,
    "share.coordinator.state.topic.replication.factor": NODES,
    "share.coordinator.state.topic.min.isr": NODES - 1,
}


class Cluster:
    """A context manager. Each node may be killed, and its supervisor starts it again."""

    def __init__(self, folder: Path) -> None:
        identity = cluster_id()
        self.nodes: list[KafkaServer] = []
        for number in range(1, NODES + 1):
            here = folder / f"kafka{number}"
            here.mkdir(parents=True)
            options = _OPTIONS | {"node.id": number}
            self.nodes.append(KafkaServer(here, options=options, cluster=identity))
        secret = password(self.nodes[0].password_file)
        voters = ",".join(f"{i}@{HOST}:{node.controller_port}" for i, node in enumerate(self.nodes, 1))
        for node in self.nodes:
            write_private(node.password_file, secret)
            node.options["controller.quorum.voters"] = voters

    @property
    def access(self) -> dict[str, str | Path]:
        """As KafkaServer.access, of all nodes."""
        servers = ",".join(node.bootstrap for node in self.nodes)
        return {**self.nodes[0].access, "bootstrap_servers": servers}

    def __enter__(self) -> Cluster:
        try:
            for node in self.nodes:
                node.launch()
            for node in self.nodes:
                node.wait(120)
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.stop()

    def wait(self, timeout_s: float = 120) -> None:
        """Until all nodes are in the cluster. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        settings = KafkaSettings().model_copy(update=self.access)
        while time.monotonic() < deadline:
            try:
                admin = KafkaAdminClient(**connection(settings), bootstrap_timeout_ms=5000)
                try:
                    if len(admin.describe_cluster()["brokers"]) == NODES:
                        return
                finally:
                    admin.close()
            except KafkaError:
                pass
            time.sleep(0.2)
        raise TimeoutError(f"fewer than {NODES} brokers after {timeout_s:.0f} s")
