"""Fetching and checking Kafka's jars, against a Maven repository of the test's own."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.local.packages import install, jars
from services.local.servers import s3
from services.runtime import ConfigurationError

NAMES = ("one", "two", "three")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The folder of a Maven repository with three jars that the lock names; served on loopback."""
    root = tmp_path / "repository"
    entries = []
    for name in NAMES:
        content = name.encode() * 1000
        place = root / "org" / "example" / name / "1.0"
        place.mkdir(parents=True)
        (place / f"{name}-1.0.jar").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        entries.append(
            f'[[dependencies]]\ngroupId = "org.example"\nartifactId = "{name}"\nversion = "1.0"\n'
            f'packaging = "jar"\nsha256 = "{digest}"\n'
        )
    lock = tmp_path / "lock.toml"
    lock.write_text("\n".join(entries))
    monkeypatch.setattr(jars, "KAFKA", replace(jars.KAFKA, lock=lock))
    monkeypatch.setenv("CORPUSWORKS_CACHE", str(tmp_path / "cache"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(jars.REPOSITORY, f"http://127.0.0.1:{server.server_port}/")
    yield root
    server.shutdown()
    server.server_close()


def fetched() -> list[str]:
    names: list[str] = []
    jars.KAFKA.fetch(names.append)
    return names


def test_jars_are_fetched_once_in_class_path_order(repository):
    """Prevents a set-up that downloads everything each time."""
    assert sorted(fetched()) == sorted(f"{name}-1.0.jar" for name in NAMES)
    assert [path.name for path in jars.KAFKA.checked()] == [f"{name}-1.0.jar" for name in NAMES]
    assert fetched() == []


def test_an_altered_jar_is_refused_and_fetched_again(repository):
    """Prevents a damaged or exchanged jar from being run."""
    fetched()
    broken = jars.KAFKA.folder() / "two-1.0.jar"
    broken.write_bytes(broken.read_bytes()[:-1] + b"!")
    (jars.KAFKA.folder() / "java-25.0.2-0.aot").write_bytes(b"made from the jars before")
    with pytest.raises(ConfigurationError, match=rf"two-1.0.jar is not as locked.*Run `{jars.INSTALL}`"):
        jars.KAFKA.checked()
    assert fetched() == ["two-1.0.jar"]
    jars.KAFKA.checked()
    assert not list(jars.KAFKA.folder().glob("*.aot"))


def test_a_registry_that_serves_something_else_is_refused(repository, capsys):
    """Prevents a poisoned mirror from being trusted, or a half-filled cache from passing for whole."""
    (repository / "org/example/three/1.0/three-1.0.jar").write_bytes(b"not what was locked")
    assert install.main([]) == 1
    assert "three-1.0.jar could not be fetched: not as locked" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match=r"three-1.0.jar is missing"):
        jars.KAFKA.checked()


def test_a_jar_that_the_registry_does_not_have(repository, capsys):
    """Prevents a traceback out of the Maven client."""
    (repository / "org/example/one/1.0/one-1.0.jar").unlink()
    assert install.main([]) == 1
    assert "one-1.0.jar could not be fetched" in capsys.readouterr().err


def test_a_registry_that_cannot_be_reached(repository, monkeypatch, capsys):
    """Prevents a set-up that ends in a stack trace without network."""
    monkeypatch.setenv(jars.REPOSITORY, "http://127.0.0.1:9")
    assert install.main([]) == 1
    told = capsys.readouterr().err
    assert "could not be fetched" in told
    assert "Check the network" in told
    assert "KAFKA_HOME" in told


def test_a_cache_folder_that_cannot_be_written(repository, monkeypatch, tmp_path, capsys):
    """Prevents a traceback for a home folder without room or rights."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CORPUSWORKS_CACHE", str(tmp_path / "file"))
    assert install.main([]) == 1
    assert "Set CORPUSWORKS_CACHE" in capsys.readouterr().err


def test_the_lock_pins_every_jar_and_names_no_host():
    """Prevents an unpinned jar, and a registry from getting into the repository."""
    locked = jars.KAFKA.locked()
    version = jars.KAFKA.coordinates[0].split(":")[2]
    assert {f"kafka_2.13-{version}.jar", f"kafka-clients-{version}.jar"} <= {jar.name for jar in locked}
    assert all(len(jar.sha256) == 64 for jar in locked)
    assert len({jar.name for jar in locked}) == len(locked)
    for lock in (jars.KAFKA.lock, s3.JARS.lock):
        assert "://" not in lock.read_text()
