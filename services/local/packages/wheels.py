"""Triton's wheels: which (triton.lock.txt: versions and SHA-256), where (a virtual environment in the cache
folder), and whether they run here.

The environment is Triton's own because its python backend needs numpy 1. `install` alone downloads; a start
of the server looks at what is there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from services.local.packages.jars import INSTALL, cache
from services.runtime import ConfigurationError

LOCK = Path(__file__).with_name("triton.lock.txt")
WHEELS = "nvidia-pytriton"
PYTHONS = ((3, 11), (3, 12))  # with wheels of numpy 1 and of onnxruntime, and a stub of the backend
PLATFORM = (sys.platform, platform.machine())
PYTHON = sys.version_info[:2]
TIMEOUT_S = 900
ELSEWHERE = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}  # what is installed there is not installed here
TRIED = "tried"  # a file in the environment: empty when Triton has run there, else why it does not


@dataclass(frozen=True)
class Tritonserver:
    """An installed server. environment: what its process needs on top of its parent's."""

    binary: Path
    backends: Path
    environment: Mapping[str, str]


def folder() -> Path:
    """Where the environment lives: one for each lock and each version of Python."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:8]
    return cache() / f"triton-{digest}-py{_version()}"


def unsupported() -> str | None:
    """Why no wheel of Triton can run on this machine, or None."""
    if PLATFORM != ("linux", "x86_64"):
        return f"there is no wheel of Triton for {' '.join(PLATFORM)}, only for linux x86_64"
    if PYTHON not in PYTHONS:
        known = " and ".join(".".join(map(str, version)) for version in PYTHONS)
        return f"Triton's python backend runs with Python {known}, and this is {_version()}"
    return None


def found() -> Tritonserver:
    """The installed server. Raises ConfigurationError: none for this machine, not set up, does not run."""
    reason = unsupported()
    if reason is None and not folder().is_dir():
        reason = f"Triton is not set up in {folder()}: run `{INSTALL}`"
    reason = reason or _trial()
    if reason:
        raise ConfigurationError(reason)
    return at(folder())


def at(environment: Path) -> Tritonserver:
    """The server inside a virtual environment."""
    packages = environment / "lib" / f"python{_version()}" / "site-packages"
    server = packages / "pytriton" / "tritonserver"
    # The stub is linked with libpython, which lies beside a Python that was not installed by the system.
    libraries = [str(packages / "nvidia_pytriton.libs"), os.environ.get("LD_LIBRARY_PATH", "")]
    own, name = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    if own and name and Path(own, name).exists():
        libraries.insert(0, own)
    return Tritonserver(
        server / "bin" / "tritonserver",
        server / "backends",
        {
            "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
            # The stub's Python takes its packages from the environment whose `python3` is first here,
            # and from nowhere else.
            "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": "",
            "PYTHONHOME": "",
            "PYTHONNOUSERSITE": "1",
            "CUDA_VISIBLE_DEVICES": "",  # the same numbers on every machine
        },
    )


def fetch() -> bool:
    """Make the environment if it is not there; True if it was made. Raises ConfigurationError."""
    target = folder()
    if target.exists():
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(
            dir=target.parent, prefix=f"{target.name}.", ignore_cleanup_errors=True
        ) as scratch:
            made = Path(scratch) / "environment"
            _install(made)
            _tidy(made)
            if not target.exists():
                made.rename(target)
    except OSError as error:
        raise ConfigurationError(
            f"Triton cannot be stored in {target}: {error.strerror or error}. "
            "Set CORPUSWORKS_CACHE to a folder with 500 MB of room."
        ) from error
    return True


def record(reason: str) -> None:
    """Write down whether Triton runs here, once it was tried. reason: empty, or what is in the way."""
    (folder() / TRIED).write_text(reason)


def runs() -> bool:
    """It was tried, and ran."""
    return _trial() == ""


def lock() -> None:
    """Resolve the versions anew and write the lock (a maintainer's step, `make lock`)."""
    options = ("--upgrade", "--no-deps", "--universal", "--generate-hashes", "--no-emit-index-url")
    quiet = ("--no-annotate", "--no-header", "--quiet", "--python-version", ".".join(map(str, PYTHONS[0])))
    uv = _uv()
    if uv is None:
        raise ConfigurationError("uv resolves the versions: pip install uv")
    _run([uv, "pip", "compile", *options, *quiet, "--output-file", LOCK, LOCK.with_name("triton.in")])


def _install(made: Path) -> None:
    """A virtual environment with the locked wheels; by uv where there is one, in seconds, else by pip."""
    wanted = ("--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", LOCK)
    if (uv := _uv()) is not None:
        _run([uv, "venv", "--quiet", "--python", sys.executable, made])
        _run([uv, "pip", "install", "--quiet", "--python", made / "bin" / "python", *wanted])
    elif importlib.util.find_spec("pip") is None:
        raise ConfigurationError("installing Triton needs pip or uv: put one of them on this machine's PATH")
    else:
        _run([sys.executable, "-m", "venv", "--without-pip", made])
        pip = (sys.executable, "-m", "pip", "--python", made / "bin" / "python")
        _run([*pip, "install", "--quiet", "--no-compile", "--disable-pip-version-check", *wanted])


def _tidy(made: Path) -> None:
    """Put the stub of this Python beside the backend, as the backend wants it; remove what is never used."""
    packages = made / "lib" / f"python{_version()}" / "site-packages"
    stubs = packages / "pytriton" / "tritonserver" / "python_backend_stubs"
    stub = stubs / _version() / "triton_python_backend_stub"
    if not stub.exists():
        raise ConfigurationError(
            f"the wheel of Triton has no stub of its python backend for Python {_version()}"
        )
    stub.rename(at(made).backends / "python" / stub.name)
    shutil.rmtree(stubs)
    for unused in packages.glob("nvidia_pytriton.libs/libpython3*"):  # 32 MB, for the stub of Python 3.13
        unused.unlink()


def _trial() -> str | None:
    try:
        return (folder() / TRIED).read_text().strip()
    except OSError:
        return None


def _uv() -> str | None:
    return os.environ.get("UV") or shutil.which("uv")


def _run(command: list[str | Path]) -> None:
    """Raises ConfigurationError with what the program said."""
    try:
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            env={name: value for name, value in os.environ.items() if name not in ELSEWHERE},
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"{command[0]} did not finish in {TIMEOUT_S} s") from error
    if done.returncode:
        raise ConfigurationError(
            f"{WHEELS} cannot be installed: {(done.stderr or done.stdout).strip()[-1000:]}\n"
            "Check the network and the package index."
        )


def _version() -> str:
    return ".".join(map(str, PYTHON))
