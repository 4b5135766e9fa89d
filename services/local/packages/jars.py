"""Kafka's jars: which (kafka.lock.toml: coordinates and SHA-256), where (a cache folder), and whether whole.

The lock has the format of jgo.lock.toml and names no host. Jars are fetched by `install` alone;
a start of the broker reads what is there and checks it (45 MB, 50 ms).
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from services.runtime import ConfigurationError

LOCK = Path(__file__).with_name("kafka.lock.toml")
INSTALL = "python -m services.local.packages.install"
# Not 4.3 or 4.4: a broker that comes back takes a partition without a leader for a deleted one and ends a
# transaction that was about to commit without its markers, so offsets stay pending for ever (KAFKA-20734).
KAFKA = "org.apache.kafka:kafka_2.13:4.2.2"
# The logging back end of Kafka's own distribution. `!`: its versions of other jars are not imposed.
COORDINATES = (KAFKA, "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!")
REPOSITORY = "CORPUSWORKS_MAVEN_REPOSITORY"  # a mirror, where Maven's central repository cannot be reached
TIMEOUT_S = 60
ATTEMPTS = 3


@dataclass(frozen=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        """Its file name."""
        return f"{self.artifact}-{self.version}.jar"


def cache() -> Path:
    """What set-up has fetched: CORPUSWORKS_CACHE, else in the user's cache folder."""
    root = os.environ.get("CORPUSWORKS_CACHE")
    if not root:
        root = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "corpusworks")
    return Path(root).absolute()


def folder() -> Path:
    """Where the jars live."""
    return cache() / f"kafka-{KAFKA.rpartition(':')[2]}"


def locked(lock: Path = LOCK) -> list[Jar]:
    """The jars of the lock, in class path order."""
    entries = tomllib.loads(lock.read_text())["dependencies"]
    return [
        Jar(entry["groupId"], entry["artifactId"], entry["version"], entry["sha256"]) for entry in entries
    ]


def checked() -> list[Path]:
    """Paths of the jars in class path order. Raises ConfigurationError if one is missing or altered."""
    found = folder()
    bad = [f"{jar.name} is {state}" for jar in locked() if (state := _state(found / jar.name, jar))]
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise ConfigurationError(
            f"Kafka's jars in {found}: {bad[0]}{more}. Run `{INSTALL}`, or set KAFKA_HOME."
        )
    return [found / jar.name for jar in locked()]


def fetch(progress: Callable[[str], None]) -> None:
    """Bring missing and altered jars into the cache folder. Raises ConfigurationError."""
    target = folder()
    wanted = [jar for jar in locked() if _state(target / jar.name, jar)]
    if not wanted:
        return
    try:
        target.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target) as scratch, ThreadPoolExecutor(8) as pool:
            context = _maven(Path(scratch))
            for jar, path in zip(wanted, pool.map(lambda jar: _download(context, jar), wanted), strict=True):
                path.replace(target / jar.name)
                progress(jar.name)
        for stale in target.glob("*.aot"):  # made from the jars that were there before
            stale.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"Kafka's jars cannot be stored in {target}: {error.strerror or error}. "
            "Set CORPUSWORKS_CACHE to a folder with 150 MB of room."
        ) from error


def lock(path: Path = LOCK) -> None:
    """Resolve the coordinates anew and write the lock (a maintainer's step, `make lock`)."""
    from jgo.env import LockFile

    with TemporaryDirectory() as scratch:
        context = _maven(Path(scratch))
        wanted = [context.create_dependency(coordinate) for coordinate in COORDINATES]
        direct, transitive = context.resolver.resolve(wanted)
        LockFile.from_resolved_dependencies(
            [*direct, *transitive], environment_name="kafka", min_java_version=17
        ).save(path)


def _state(path: Path, jar: Jar) -> str:
    """What is wrong with a jar, or nothing."""
    try:
        return (
            "" if hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256 else "not as locked (SHA-256)"
        )
    except OSError:
        return "missing"


def _maven(scratch: Path) -> Any:
    try:
        from jgo.maven import MavenContext
    except ImportError as error:
        raise ConfigurationError(f"{error.name} is missing: pip install 'corpusworks[local]'") from error
    mirror = os.environ.get(REPOSITORY)
    return MavenContext(
        repo_cache=scratch, timeout=TIMEOUT_S, remote_repos={"mirror": mirror.rstrip("/")} if mirror else None
    )


def _download(context: Any, jar: Jar) -> Path:
    """One jar, verified. The registry may be busy: three attempts."""
    import requests

    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    problem: object = None
    for _ in range(ATTEMPTS):
        try:
            path = Path(artifact.resolve())
        except (requests.RequestException, RuntimeError) as error:
            problem = error
        else:
            problem = _state(path, jar)
            if not problem:
                return path
        if (partial := artifact.cached_path) is not None:
            partial.unlink(missing_ok=True)
    raise ConfigurationError(
        f"{jar.name} could not be fetched: {problem}. Check the network and its proxy settings, set "
        f"{REPOSITORY} to a Maven mirror, or set KAFKA_HOME to an unpacked Kafka 4 distribution."
    )
