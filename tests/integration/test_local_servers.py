"""Kafka and Redis as the local stack runs them: the real servers, started, killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from pydantic import SecretStr

from services.local.child import Program
from services.local.folder import running
from services.local.packages.rehearsal import rehearse
from services.local.process import ProcessFailed
from services.local.run import applied
from services.local.servers import kafka
from services.local.servers.kafka import KafkaServer
from services.local.servers.redis import RedisServer
from services.local.stack import KAFKA_SETTING, REDIS_SETTING, Stack
from services.runtime import ConfigurationError, DependencyDown, Resources, load_settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.kafka import connection
from services.runtime.clients.log import Log
from services.runtime.clients.reach import check_kafka
from services.runtime.journal import stopped_url
from services.runtime.loops.transaction import Aborted, Announcer, Produce, Transactions

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def _no_servers_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KAFKA_SETTING, REDIS_SETTING):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("state")) as made:
        yield made


def write(stack: Stack, messages: list[bytes], *, create: bool = False) -> None:
    if create:
        admin = KafkaAdminClient(**connection(stack.settings.kafka))
        admin.create_topics({"t": {"num_partitions": 1, "replication_factor": 1}})
        admin.close()
    producer = KafkaProducer(**connection(stack.settings.kafka), transactional_id="test")
    producer.init_transactions()
    producer.begin_transaction()
    for message in messages:
        producer.send("t", message)
    producer.commit_transaction()
    producer.close()


def read(stack: Stack, group: str | None = None) -> list[bytes]:
    consumer = KafkaConsumer(
        **connection(stack.settings.kafka),
        group_id=group,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    partition = TopicPartition("t", 0)
    consumer.assign([partition])
    deadline, found = time.monotonic() + 60, []
    while consumer.position(partition) < written_end(stack, partition):  # what is committed is marked later
        assert time.monotonic() < deadline
        found += [record.value for records in consumer.poll(500).values() for record in records]
    if group:
        consumer.commit()
    consumer.close()
    return found


def written_end(stack: Stack, partition: TopicPartition) -> int:
    """With what no transaction has decided yet."""
    consumer = KafkaConsumer(**connection(stack.settings.kafka))
    try:
        return consumer.end_offsets([partition])[partition]
    finally:
        consumer.close()


def test_both_survive_a_kill_on_the_same_port_with_their_data(stack: Stack):
    """Prevents losing what was acknowledged, and clients that look for the broker at its old port."""
    assert stack.kafka is not None
    assert stack.redis is not None
    client = Resources(stack.settings).redis
    write(stack, [b"before"], create=True)
    assert read(stack, group="g") == [b"before"]
    client.set("key", "before")
    announcer = Announcer(stack.settings)
    announcer.say([Produce("t", b"said", partition=0)])
    former = stack.kafka.pid, stack.redis.pid
    stack.kafka.kill()
    stack.redis.kill()
    while stack.kafka.pid in (None, former[0]) or stack.redis.pid in (None, former[1]):
        time.sleep(0.02)
    stack.redis.wait()
    stack.kafka.wait()
    assert client.get("key") == b"before"
    assert read(stack, group="g") == [b"said"]  # the group's offset was kept
    write(stack, [b"after"])
    announcer.say([Produce("t", b"said again", partition=0)])
    announcer.reset()
    assert read(stack) == [b"before", b"said", b"after", b"said again"]
    assert [child.restarts for child in stack.supervisor.children.values()] == [1, 1]
    stack.supervisor.check()


def test_a_transaction_does_not_wait_for_a_coordinator_that_is_gone(stack: Stack):
    """Prevents a service that holds its partitions for minutes while the group believes it alive."""
    kafka = stack.settings.kafka.model_copy(update={"transaction_timeout_s": 2.0})
    transactions = Transactions(stack.settings.model_copy(update={"kafka": kafka}), "test", "bounded")
    transactions.commit([Produce("t", b"first", partition=0)], {}, None)
    assert stack.kafka is not None
    assert stack.kafka.pid is not None
    os.kill(stack.kafka.pid, signal.SIGSTOP)
    try:
        with pytest.raises(Aborted, match="does not answer"):
            transactions.commit([Produce("t", b"never", partition=0)], {}, None)
    finally:
        os.kill(stack.kafka.pid, signal.SIGCONT)
    transactions.commit([Produce("t", b"then", partition=0)], {}, None)
    transactions.reset()
    assert read(stack)[-1] == b"then"
    assert b"never" not in read(stack)


def test_a_broker_can_be_asked_what_is_rehearsed(stack: Stack):
    """Prevents a set-up that ends in an error, or a cache without the classes that answer a river."""
    rehearse(stack.settings)
    rehearse(stack.settings)  # nothing of it is in the way of a second one


def test_only_loopback_is_listened_on(stack: Stack):
    """Prevents a laptop's corpus from being served to its network."""
    for server in stack.servers:
        listening = [
            connection.laddr.ip.removeprefix("::ffff:")
            for connection in psutil.Process(server.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert set(listening) == {"127.0.0.1"}


def test_other_commands_find_the_servers_and_another_run_is_refused(stack: Stack):
    """Prevents `status` from starting a second broker, and two runs from sharing a folder."""
    assert running(stack.folder) == stack.environment
    assert stack.settings.kafka.bootstrap_servers == stack.environment[KAFKA_SETTING]
    assert stack.settings.redis.url == stack.environment[REDIS_SETTING]
    with applied(stack.environment) as read:
        assert (read.kafka, read.redis) == (stack.settings.kafka, stack.settings.redis)
    with pytest.raises(ConfigurationError, match=f"in use by process {os.getpid()}"):
        Stack(stack.folder)


def test_without_the_password_nobody_is_let_in(stack: Stack):
    """Prevents everybody on a shared machine from reading, or emptying, somebody's corpus."""
    assert stack.kafka is not None
    assert stack.redis is not None
    known = stack.settings.kafka
    for wrong in (
        {"sasl_password_file": None, "sasl_password": SecretStr("guessed")},
        {"security_protocol": "PLAINTEXT", "sasl_mechanism": None},
        {
            "bootstrap_servers": f"127.0.0.1:{stack.kafka.controller_port}",
            "sasl_password_file": stack.redis.password_file,
        },
    ):
        with pytest.raises((ConfigurationError, DependencyDown), match=r"refuses us|asks for SASL"):
            check_kafka(known.model_copy(update=wrong))
    check_kafka(known)
    with redis.Redis(port=stack.redis.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.flushall()
    guesser = redis.Redis(port=stack.redis.port, password="guessed")
    with guesser, pytest.raises(redis.AuthenticationError):
        guesser.flushall()


def test_what_is_secret_only_its_user_can_read(stack: Stack):
    """Prevents a password in a file, a command line or an environment that others can look at."""
    assert mode(stack.folder) == 0o700
    secret = {}
    for server in (stack.kafka, stack.redis):
        assert server is not None
        secret[server.name] = server.password_file.read_text().strip()
        assert mode(server.password_file) == 0o600
        holding = [
            path for path in server.folder.rglob("*") if path.is_file() and told(path, secret[server.name])
        ]
        assert len(holding) == 2  # and in the server's configuration
        assert all(mode(path) == 0o600 for path in holding)
        process = psutil.Process(server.pid)
        assert not any(
            secret[server.name] in part for part in (*process.cmdline(), *process.environ().values())
        )
    assert len(set(secret.values())) == 2
    assert not any(value in part for value in secret.values() for part in stack.environment.values())
    lock = stack.folder / "stack.lock"
    assert not any(told(lock, value) for value in secret.values())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def told(path: Path, secret: str) -> bool:
    return secret.encode() in path.read_bytes()


def test_a_folder_without_passwords_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Prevents an upgrade that leaves a river open, or that cannot read what it has."""
    with monkeypatch.context() as before:  # as it was: nothing asked for
        open_to_all = {
            **kafka.PROPERTIES,
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }
        before.setattr(kafka, "PROPERTIES", open_to_all)
        before.setattr(KafkaServer, "ready", answers)
        with KafkaServer(tmp_path / "kafka") as server:
            admin = KafkaAdminClient(bootstrap_servers=server.bootstrap)
            admin.create_topics({"t": {"num_partitions": 1, "replication_factor": 1}})
            admin.close()
    (tmp_path / "kafka" / "password").unlink()
    tmp_path.chmod(0o755)
    with Stack(tmp_path) as stack:
        admin = KafkaAdminClient(**connection(stack.settings.kafka))
        assert "t" in admin.list_topics()
        admin.close()
        assert mode(tmp_path) == 0o700


def answers(server: KafkaServer) -> bool:
    try:
        KafkaAdminClient(bootstrap_servers=server.bootstrap, bootstrap_timeout_ms=500).close()
    except KafkaError:
        return False
    return True


def test_a_new_folder_gets_what_formatting_writes_and_ids_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Prevents two clusters of one id, and a copy that Kafka's own tool would have made otherwise."""
    if not kafka.first_records().exists():
        pytest.skip("the install kept no records to copy: this Java or Kafka is not the packaged one")

    def made(name: str) -> tuple[dict[str, str], dict[str, int]]:
        server = KafkaServer(tmp_path / name)
        server.folder.mkdir()
        server.prepare()
        data = server.folder / "data"
        lines = (data / "meta.properties").read_text().splitlines()
        told = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
        return told, {
            path.name: path.stat().st_size for path in data.iterdir() if path.suffix == ".checkpoint"
        }

    (one, kept), (other, again) = made("one"), made("other")
    monkeypatch.setattr(kafka, "first_records", lambda: tmp_path / "nowhere" / "bootstrap.checkpoint")
    formatted, written = made("formatted")
    assert kept == again == written != {}
    assert one.keys() == other.keys() == formatted.keys()
    for key in ("cluster.id", "directory.id"):
        assert len({one[key], other[key], formatted[key]}) == 3
    assert (one["version"], one["node.id"]) == (formatted["version"], formatted["node.id"])


def test_an_empty_stack_takes_little_room(stack: Stack):
    """Prevents preallocated indexes from making an empty state folder hundreds of megabytes."""
    blocks = sum(path.stat().st_blocks for path in stack.folder.rglob("*") if path.is_file())
    assert 0 < blocks * 512 < 4 << 20


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may still wait to be asked how."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_state_is_there_after_an_orderly_stop_on_the_same_ports(tmp_path: Path):
    """Prevents a second run from starting with nothing, and a line that `up` printed from leading nowhere."""
    ports = set()
    for start in range(2):
        with Stack(tmp_path) as stack:
            assert stack.kafka is not None
            assert stack.redis is not None
            ports.add(stack.kafka.port)
            client = Resources(stack.settings).redis
            if start == 0:
                write(stack, [b"kept"], create=True)
                client.set("key", "kept")
            else:
                assert read(stack) == [b"kept"]
                assert client.get("key") == b"kept"
            with Log(stack.settings) as log, Admin(stack.settings) as admin:
                ends = log.settled_ends(["t"])
                assert admin.set_offsets("reader", {("t", 0): start + 1})
                ids = admin.topic_ids()
            pids = [server.pid for server in stack.servers]
        assert not any(alive(pid) for pid in pids if pid)
        assert running(tmp_path) is None
        settings = stack.settings.kafka.model_copy(
            update={"bootstrap_servers": stopped_url(tmp_path / "kafka" / "data")}
        )
        left = stack.settings.model_copy(update={"kafka": settings})
        with Admin(left) as admin:
            assert admin.committed("reader") == {("t", 0): start + 1}
            assert admin.committed("nobody") == {}
            assert admin.topic_ids()["t"] == ids["t"]
            assert admin.sizes()["t", 0] > 0
        with Log(left) as log:
            assert [record.value for record in log.read_all("t")] == [b"kept"]
            assert log.settled_ends(["t"]) == ends
            assert ends["t", 0] >= 2, "the message and its marker, which a busy broker may write twice"
    assert len(ports) == 1


PARENT = """
import sys, time
from pathlib import Path
from services.local.run import applied
from services.local.stack import Stack
stack = Stack(Path(sys.argv[1]))
stack.start()
print(*[server.pid for server in stack.servers], flush=True)
time.sleep(120)
"""


def test_a_killed_parent_leaves_no_server_and_the_next_run_goes_on(tmp_path: Path):
    """Prevents an orphaned broker that holds the folder's log for ever."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    lock_is_free = Stack(tmp_path)  # waits for the guard
    assert not any(map(alive, pids))
    lock_is_free.start()
    lock_is_free.stop()


@pytest.mark.parametrize("setting", [KAFKA_SETTING, REDIS_SETTING])
def test_a_server_of_the_users_own_is_not_started(tmp_path: Path, monkeypatch, setting: str):
    """Prevents a private broker beside the one that the user named."""
    own = {KAFKA_SETTING: "kafka.example:9092", REDIS_SETTING: "redis://redis.example:6379/0"}[setting]
    monkeypatch.setenv(setting, own)
    stack = Stack(tmp_path, load_settings())
    try:
        assert len(stack.servers) == 1
        assert setting not in stack.environment
        assert own in (stack.settings.kafka.bootstrap_servers, stack.settings.redis.url)
    finally:
        stack.stop()


@pytest.mark.parametrize("server", [KafkaServer, RedisServer])
def test_a_taken_port_is_named(tmp_path: Path, server: type[KafkaServer] | type[RedisServer]):
    """Prevents a bind error that only the log knows."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}: the port is taken"):
            server(tmp_path, port).start()


def test_without_java_nothing_is_begun(tmp_path: Path, monkeypatch):
    """Prevents a Redis that stays behind when Kafka cannot start."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    stack = Stack(tmp_path / "state")
    with pytest.raises(ConfigurationError, match="JAVA_HOME"), stack:
        pass
    assert all(child.over for child in stack.supervisor.children.values())
    assert running(tmp_path / "state") is None


def test_without_redis_nothing_is_left_running(tmp_path: Path, monkeypatch):
    """Prevents a Kafka that stays behind when Redis cannot start."""

    def missing(_: RedisServer) -> None:
        raise ConfigurationError("no Redis here")

    monkeypatch.setattr(RedisServer, "launch", missing)
    stack = Stack(tmp_path / "state")
    with pytest.raises(ConfigurationError, match="no Redis here"), stack:
        pass
    assert stack.supervisor.children["kafka"].over
    assert running(tmp_path / "state") is None


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path):
    """Prevents waiting for a timeout, and a message without the cause."""
    with pytest.raises(ProcessFailed, match=r"redis .*exited with 1(.|\n)*Bad directive"):
        RedisServer(tmp_path, options={"no-such-directive": "1"}).start()


def test_a_broker_on_foreign_data_shows_the_end_of_its_log(tmp_path: Path):
    """Prevents a silent crash loop on a damaged state folder."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")
    with pytest.raises(ProcessFailed, match=r"kafka .*exited with 1(.|\n)*doesn.t match previous node id"):
        KafkaServer(tmp_path).start()


def test_a_folder_of_a_newer_kafka_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Prevents a stack trace of Java's as the answer to going back to an older release."""
    said = "UnsupportedVersionException: Can't read version 4 of BrokerEndpoint"  # as Kafka 4.2 says of 4.3's
    ends = Program("kafka", ["sh", "-c", f'echo "{said}"; exit 1'], tmp_path / "kafka.out")
    monkeypatch.setattr(KafkaServer, "prepare", lambda _: ends)
    server = KafkaServer(tmp_path)
    try:
        with pytest.raises(ConfigurationError, match=r"newer Kafka.*--fresh.*KAFKA_HOME"):
            server.start()
    finally:
        server.stop()
