"""What this machine has for the local stack, what is missing, and what to install."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from services.local.folder import MIN_FREE_BYTES, prepare
from services.local.packages import jars, programs, wheels
from services.local.servers.ports import HOST, free_port
from services.runtime import CorpusworksError, Settings, load_settings

DISTRIBUTION = "corpusworks"
EXTRAS = ("", "parse", "local")  # "": what every installation has
MIN_PYTHON = (3, 11)
WANTED_MEMORY_BYTES = 2 << 30  # the broker takes 200 MB, each of the service processes 100 to 250
WANTED_FREE_BYTES = 2 << 30
PLATFORMS = {("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"), ("darwin", "arm64")}


@dataclass(frozen=True)
class Finding:
    """One line of the report. found: what is there. advice: what to do where it is not well.

    required: nothing runs without it; otherwise something is slower or a kind of input is not read.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""
    required: bool = True


def check(folder: Path) -> list[Finding]:
    """Look at everything and change nothing. folder: where the output would go."""
    findings = [_python(), _platform(), *(_packages(extra) for extra in EXTRAS)]
    try:
        settings = load_settings()
        findings += [Finding("settings", True, "read"), *_servers(settings)]
    except CorpusworksError as error:
        findings.append(Finding("settings", False, "not usable", str(error)))
    return [
        *findings,
        _memory(),
        *_folder("output", folder),
        *_folder("cache", jars.KAFKA.folder()),
        _ports(),
    ]


def _try(name: str, look: Callable[[], str]) -> Finding:
    """What `look` finds; the text of its error says what is wrong and what to do."""
    try:
        return Finding(name, True, look())
    except CorpusworksError as error:
        return Finding(name, False, "not usable", str(error))


def _python() -> Finding:
    wanted = ".".join(map(str, MIN_PYTHON))
    return Finding(
        "Python",
        sys.version_info >= MIN_PYTHON,
        platform.python_version(),
        f"install Python {wanted} or newer",
    )


def _platform() -> Finding:
    return Finding(
        "platform",
        (sys.platform, platform.machine()) in PLATFORMS,
        f"{platform.system()} {platform.machine()}",
        "the packaged Java and Valkey are made for Linux and macOS; elsewhere set "
        "CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS and CORPUSWORKS_REDIS__URL to servers of your own",
        required=False,
    )


def _packages(extra: str) -> Finding:
    """Whether what the distribution asks for is installed; versions are the installer's business."""
    wanted = f"{DISTRIBUTION}[{extra}]" if extra else DISTRIBUTION
    advice = f"pip install '{wanted}'"
    try:
        names = list(_requirements(extra))
    except metadata.PackageNotFoundError:
        return Finding(f"packages of {wanted}", False, f"{DISTRIBUTION} is not installed", advice)
    missing = [name for name in names if not _installed(name)]
    found = f"{', '.join(missing)} missing" if missing else f"all {len(names)}"
    return Finding(f"packages of {wanted}", not missing, found, advice, required=extra != "parse")


def _requirements(extra: str) -> Iterator[str]:
    """Names of the distributions that one extra asks for."""
    for line in metadata.requires(DISTRIBUTION) or []:
        of = re.search(r"extra == ['\"]([^'\"]+)", line)
        name = re.match(r"[A-Za-z0-9._-]+", line)
        if name and name[0] != DISTRIBUTION and (of[1] if of else "") == extra:
            yield name[0]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _servers(settings: Settings) -> Iterator[Finding]:
    """A server of the user's own makes the programs unnecessary."""
    if "bootstrap_servers" in settings.kafka.model_fields_set:
        yield Finding("Kafka", True, f"your own at {settings.kafka.bootstrap_servers}")
    else:
        yield _try("Java", _java)
        yield _try("Kafka jars", lambda: f"{len(jars_ := programs.kafka_jars())} in {jars_[0].parent}")
    if "url" in settings.redis.model_fields_set:
        yield Finding("Redis", True, "your own")  # its address may carry a password
    else:
        yield _try("Redis", _redis)
    if "triton_url" in settings.model_fields_set:
        yield Finding("Triton", True, f"your own at {settings.triton_url}")
    else:
        yield _triton()


def _java() -> str:
    binary = programs.java()
    return f"version {programs.java_version(binary) or 'unknown'} at {binary}"


def _redis() -> str:
    binary = programs.redis_server()
    return f"version {'.'.join(map(str, programs.redis_version(binary) or ()))} at {binary}"


def _triton() -> Finding:
    """Without one the judges work too, once in each process."""
    try:
        return Finding("Triton", True, str(wheels.found().binary))
    except CorpusworksError as error:
        own = "or set CORPUSWORKS_TRITON_URL to a server of your own"
        found = "none, the judges run inside the services"
        return Finding("Triton", False, found, f"{error}; {own}", required=False)


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    advice = f"close other programs: {WANTED_MEMORY_BYTES >> 20} MB are wanted"
    return Finding(
        "memory", free >= WANTED_MEMORY_BYTES, f"{free >> 20} MB available", advice, required=False
    )


def _folder(name: str, folder: Path) -> Iterator[Finding]:
    """Looks at the nearest folder that exists: nothing is made just to look."""
    there = folder.absolute()
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent

    def look() -> str:
        prepare(there)
        return str(there)

    writable = _try(f"{name} folder", look)
    yield writable
    if writable.ok:
        free = shutil.disk_usage(there).free
        advice = f"free some space: {WANTED_FREE_BYTES >> 20} MB are wanted, {MIN_FREE_BYTES >> 20} MB needed"
        enough = free >= WANTED_FREE_BYTES
        yield Finding(f"disk of the {name} folder", enough, f"{free >> 20} MB free", advice, required=False)


def _ports() -> Finding:
    return _try("ports", lambda: f"{HOST}:{free_port()} and more are free")
