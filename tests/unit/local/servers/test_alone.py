"""One server by itself: what it listens on, who may log in, and what is wrong before it starts."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from services.local.packages import programs, wheels
from services.local.servers import alone, kafka, s3
from services.runtime import ConfigurationError
from tests.e2e.commands import ask

PASSWORD = "a-password-of-the-cluster"


class Became(Exception):
    """Instead of the process that this one would have become."""


@pytest.fixture
def become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """What was executed: command and environment."""
    executed: list[tuple[list[str], dict[str, str]]] = []

    def execve(path: str, command: list[str], environment: dict[str, str]) -> None:
        assert path == command[0]
        executed.append((command, environment))
        raise Became

    monkeypatch.setattr(alone.os, "execve", execve)
    monkeypatch.setattr(kafka, "_format", lambda *_: None)
    return executed


def run(name: str, folder: Path) -> None:
    with pytest.raises(Became):
        alone.become(name, folder, "kafka.corpus.svc", PASSWORD)


def test_kafka_is_reached_by_its_name_and_password(tmp_path: Path, become: list[object]) -> None:
    """Prevents a broker that tells its clients 127.0.0.1, or takes them without a password."""
    try:
        programs.kafka_jars()
    except ConfigurationError as error:
        pytest.skip(str(error))
    run("kafka", tmp_path / "kafka")
    properties = dict(
        line.split("=", 1) for line in (tmp_path / "kafka/server.properties").read_text().splitlines()
    )
    assert properties["listeners"].endswith(",PODS://0.0.0.0:9092")
    assert properties["advertised.listeners"].endswith(",PODS://kafka.corpus.svc:9092")
    assert properties["listener.security.protocol.map"].endswith(",PODS:SASL_PLAINTEXT")
    assert f'password="{PASSWORD}"' in properties["listener.name.pods.plain.sasl.jaas.config"]
    assert properties["inter.broker.listener.name"] == "CLIENTS"  # on loopback


def test_redis_listens_everywhere_and_wants_the_password(
    tmp_path: Path, become: list[tuple[list[str], dict[str, str]]]
) -> None:
    """Prevents a Valkey that only its own pod reaches; another password in the Secret is the new one."""
    folder = tmp_path / "redis"
    folder.mkdir(mode=0o777)
    (folder / "password").write_text("a former one\n")
    run("redis", folder)
    configuration = (folder / "redis.conf").read_text().splitlines()
    assert {"bind 0.0.0.0", "port 6379", f"requirepass {PASSWORD}"} <= set(configuration)
    assert PASSWORD not in " ".join(become[0][0])
    assert stat.S_IMODE((folder / "redis.conf").stat().st_mode) == 0o600


def test_the_store_has_its_bucket(tmp_path: Path, become: list[object]) -> None:
    """Prevents a store that refuses the first part: nothing else makes the bucket."""
    try:
        s3.JARS.checked()
    except ConfigurationError as error:
        pytest.skip(str(error))
    run("s3proxy", tmp_path / "s3")
    assert (tmp_path / "s3/buckets" / alone.BUCKET).is_dir()
    properties = (tmp_path / "s3/s3proxy.properties").read_text()
    assert "s3proxy.endpoint=http://0.0.0.0:9000" in properties
    assert f"s3proxy.credential={PASSWORD}" in properties


def test_triton_is_asked_over_the_network(
    tmp_path: Path, become: list[tuple[list[str], dict[str, str]]]
) -> None:
    """Prevents a Triton on a socket in its own pod, without probes and without metrics."""
    try:
        wheels.found()
    except ConfigurationError as error:
        pytest.skip(str(error))
    with pytest.raises(Became):
        alone.become("triton", tmp_path / "triton", "", "")
    command = become[0][0]
    assert {"--grpc-address=0.0.0.0", "--grpc-port=8001", "--http-port=8000", "--metrics-port=8002"} <= set(
        command
    )
    assert "--allow-http=true" in command
    assert (tmp_path / "triton/repository/judge/config.pbtxt").exists()


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    """Prevents a pod that starts again and again and does not say why."""
    with pytest.raises(
        ConfigurationError, match="no server 'postgres'; there are: kafka, redis, s3proxy, triton"
    ):
        alone.become("postgres", tmp_path, "", PASSWORD)
    with pytest.raises(ConfigurationError, match="--password-file"):
        alone.become("redis", tmp_path, "", "")
    missing = ask(
        "server", "redis", "--folder", str(tmp_path / "r"), "--password-file", str(tmp_path / "none")
    )
    assert missing.code == 2
    assert "cannot be read" in missing.err
