"""Locked sets of jars: which (a lock: coordinates and SHA-256), where (a cache folder), and whether whole.

A lock has the format of jgo.lock.toml and names no host. Jars are fetched by set-up alone; the start of a
server reads what is there and checks it (Kafka: 45 MB, 50 ms).
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

INSTALL = "python -m services.local.packages.install"
REPOSITORY = "CORPUSWORKS_MAVEN_REPOSITORY"  # a mirror, where Maven's central repository cannot be reached
TIMEOUT_S = 60
ATTEMPTS = 3


@dataclass(frozen=True)
class Jar:
    """One line of a lock."""

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


@dataclass(frozen=True)
class Jars:
    """The jars of one server.

    coordinates: what is asked for, the server first; the lock has all that it needs. without: group:artifact
    of what is left out although a jar asks for it. install: the command that fetches them. instead: what
    else a user can do.
    """

    name: str
    coordinates: tuple[str, ...]
    lock: Path
    without: tuple[str, ...] = ()
    install: str = INSTALL
    instead: str = ""

    def folder(self) -> Path:
        """Where they live."""
        return cache() / f"{self.name}-{self.coordinates[0].rpartition(':')[2]}"

    def locked(self) -> list[Jar]:
        """The jars of the lock, in class path order."""
        entries = tomllib.loads(self.lock.read_text())["dependencies"]
        return [Jar(e["groupId"], e["artifactId"], e["version"], e["sha256"]) for e in entries]

    def checked(self) -> list[Path]:
        """Paths in class path order. Raises ConfigurationError if one is missing or altered."""
        found, jars = self.folder(), self.locked()
        bad = [f"{jar.name} is {state}" for jar in jars if (state := _state(found / jar.name, jar))]
        if bad:
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            instead = f", or {self.instead}" if self.instead else ""
            raise ConfigurationError(
                f"{self.name}'s jars in {found}: {bad[0]}{more}. Run `{self.install}`{instead}."
            )
        return [found / jar.name for jar in jars]

    def fetch(self, progress: Callable[[str], None]) -> None:
        """Bring missing and altered jars into the cache folder. Raises ConfigurationError."""
        target = self.folder()
        wanted = [jar for jar in self.locked() if _state(target / jar.name, jar)]
        if not wanted:
            return
        try:
            target.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=target) as scratch, ThreadPoolExecutor(8) as pool:
                context = _maven(Path(scratch))
                paths = pool.map(lambda jar: self._download(context, jar), wanted)
                for jar, path in zip(wanted, paths, strict=True):
                    path.replace(target / jar.name)
                    progress(jar.name)
            for stale in target.glob("*.aot"):  # made from the jars that were there before
                stale.unlink()
        except OSError as error:
            raise ConfigurationError(
                f"{self.name}'s jars cannot be stored in {target}: {error.strerror or error}. "
                "Set CORPUSWORKS_CACHE to a folder with 150 MB of room."
            ) from error

    def resolve(self) -> None:
        """Resolve the coordinates anew and write the lock (a maintainer's step, `make lock`)."""
        from jgo.env import LockFile

        with TemporaryDirectory() as scratch:
            context = _maven(Path(scratch))
            without = [context.project(*name.split(":")) for name in self.without]
            wanted = [context.create_dependency(coordinate, without) for coordinate in self.coordinates]
            direct, transitive = context.resolver.resolve(wanted)
            LockFile.from_resolved_dependencies(
                [*direct, *transitive], environment_name=self.name, min_java_version=17
            ).save(self.lock)

    def _download(self, context: Any, jar: Jar) -> Path:
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
        instead = f", or {self.instead}" if self.instead else ""
        raise ConfigurationError(
            f"{jar.name} could not be fetched: {problem}. Check the network and its proxy settings, or set "
            f"{REPOSITORY} to a Maven mirror{instead}."
        )


KAFKA = Jars(
    name="kafka",
    coordinates=(
        # Not 4.3 or 4.4: a broker that comes back takes a partition without a leader for a deleted one and
        # ends a transaction that was about to commit without its markers, so offsets stay pending for ever
        # (KAFKA-20734).
        "org.apache.kafka:kafka_2.13:4.2.2",
        # The logging back end of its own distribution. `!`: its versions of other jars are not imposed.
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!",
    ),
    lock=Path(__file__).with_name("kafka.lock.toml"),
    instead="set KAFKA_HOME to an unpacked Kafka 4 distribution",
)


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
