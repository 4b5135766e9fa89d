"""The images' content without a container engine: `python -m charts.images FOLDER TARGET…`.

What the Dockerfile's stages hold, as a root folder: this machine's Python in /usr/local, the packages of the
target's extras at the versions of constraints.txt, the system's libraries that these are linked with, and
nothing else. Several targets make one folder that holds what each holds. Linux with glibc; neither root nor
the network is needed where the packages lie in the installer's cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
USER = 10001  # numeric, so that a cluster sees that it is not root
CACHE = "opt/corpusworks"  # CORPUSWORKS_CACHE in the images
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
# Of the standard library: what no service uses, half of its size.
UNUSED = ("test", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo", "site-packages", "config-*")
LINKED = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")
ELF = b"\x7fELF"
BATCH = 200  # files a call of ldd


@dataclass(frozen=True)
class Target:
    """A stage of the Dockerfile. extras: of pyproject.toml; servers: of services.local.packages.install."""

    extras: tuple[str, ...]
    servers: tuple[str, ...] = ()


TARGETS = {
    "core": Target(("parse", "launcher", "upload", "crawl")),
    "ocr": Target(("parse", "launcher", "upload", "crawl", "ocr")),
    "ml": Target(("onnx",), ("--triton",)),
    "servers": Target(("servers",), ("--kafka", "--s3")),
    "trainer": Target(("judge",)),
}


def build(folder: Path, targets: Sequence[str]) -> None:
    """Make the root folder, which must not be there yet. Raises OSError, CalledProcessError."""
    folder.mkdir(parents=True)
    _python(folder)
    extras = [extra for target in targets for extra in TARGETS[target].extras]
    _packages(folder, extras)
    servers = [server for target in targets for server in TARGETS[target].servers]
    if servers:
        _servers(folder, servers)
    _system(folder)
    _libraries(folder)


def _python(folder: Path) -> None:
    """The interpreter and its standard library, where a Python that was built from source lies."""
    local, standard = folder / "usr/local", Path(sysconfig.get_path("stdlib"))
    (local / "bin").mkdir(parents=True)
    shutil.copytree(standard, local / "lib" / VERSION, ignore=shutil.ignore_patterns(*UNUSED), symlinks=True)
    shutil.copy2(os.path.realpath(sys.executable), local / "bin" / VERSION)
    for name in ("python3", "python"):
        (local / "bin" / name).symlink_to(VERSION)
    library = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
    if library.suffix != ".a" and library.exists():
        shutil.copy2(library, local / "lib")


def _packages(folder: Path, extras: Sequence[str]) -> None:
    """The project and what it needs; compiled, since the root is read-only where it runs.

    On one disk files are links to the installer's cache: what is changed in place is changed there too.
    """
    packages = folder / "usr/local/lib" / VERSION / "site-packages"
    wanted = f"{ROOT}[{','.join(extras)}]"
    options = ("--quiet", "--target", packages, "--constraint", ROOT / "constraints.txt", wanted)
    uv = os.environ.get("UV") or shutil.which("uv") or ROOT / "build/uv/bin/uv"
    run: tuple[str | Path, ...]
    if Path(uv).exists():
        run = (uv, "pip", "install", "--python", sys.executable, "--compile-bytecode")
    else:
        run = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check")
    subprocess.run([*map(str, (*run, *options))], check=True)
    shutil.rmtree(packages / "bin", ignore_errors=True)  # their first lines name this machine's Python
    command = folder / "usr/local/bin/corpusworks"
    command.write_text(
        f"#!/usr/local/bin/{VERSION}\nimport sys\n\nfrom services.cli import main\n\nsys.exit(main())\n"
    )
    command.chmod(0o755)


def _servers(folder: Path, servers: Sequence[str]) -> None:
    """What `install` fetches; virtual environments are given the image's Python."""
    cache = folder / CACHE
    from services.local.packages import wheels
    from services.local.packages.jars import KAFKA, Jars
    from services.local.servers.s3 import JARS

    install = [sys.executable, "-m", "services.local.packages.install", *servers]
    subprocess.run(install, check=True, cwd=ROOT)
    jars: dict[str, Jars] = {"--kafka": KAFKA, "--s3": JARS}
    for server in servers:
        source = jars[server].folder() if server in jars else wheels.folder()
        # Java's cache of classes is of files at their paths on this machine.
        shutil.copytree(source, cache / source.name, symlinks=True, ignore=shutil.ignore_patterns("*.aot"))
    for configuration in cache.glob("*/pyvenv.cfg"):
        configuration.write_text("home = /usr/local/bin\ninclude-system-site-packages = false\n")
        python = configuration.parent / "bin/python"
        python.unlink()
        python.symlink_to(f"/usr/local/bin/{VERSION}")


def _system(folder: Path) -> None:
    """Shells, certificates, names."""
    for name in (
        "bin",
        "tmp",
        "etc/ssl/certs",
        "etc/corpusworks",
        "var/lib/corpusworks",
        "proc",
        "sys",
        "dev",
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    for shell in ("sh", "bash"):  # Triton starts its python backend's stub by bash
        shutil.copy2(os.path.realpath(f"/bin/{shell}"), folder / "bin" / shell)
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        shutil.copy(certificates, folder / "etc/ssl/certs")
    users = f"root:x:0:0:root:/:/sbin/nologin\ncorpusworks:x:{USER}:{USER}::/tmp:/sbin/nologin\n"
    (folder / "etc/passwd").write_text(users)
    (folder / "etc/group").write_text(f"root:x:0:\ncorpusworks:x:{USER}:\n")
    (folder / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    (folder / "etc/ld.so.conf").write_text("/usr/local/lib\n")


def _libraries(folder: Path) -> None:
    """The system's shared libraries that the programs and modules of the folder are linked with."""
    linked: set[str] = set()
    files = [str(path) for path in _linked_files(folder)]
    for begin in range(0, len(files), BATCH):
        told = subprocess.run(
            ["ldd", *files[begin : begin + BATCH]], capture_output=True, text=True, check=False
        )
        words = (word for line in told.stdout.splitlines() if not line.endswith(":") for word in line.split())
        linked.update(word for word in words if word.startswith(LINKED))
    for library in linked:
        target = folder / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.realpath(library), target)
    subprocess.run([shutil.which("ldconfig") or "/sbin/ldconfig", "-r", folder], check=True)


def _linked_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if (
            path.is_file()
            and not path.is_symlink()
            and (path.suffix == ".so" or os.access(path, os.X_OK) or ".so." in path.name)
        ):
            with path.open("rb") as file:
                if file.read(len(ELF)) == ELF:
                    yield path


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m charts.images", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="made here; must not be there yet")
    parser.add_argument("targets", nargs="+", choices=TARGETS)
    given = parser.parse_args()
    build(given.folder, given.targets)


if __name__ == "__main__":
    main()
