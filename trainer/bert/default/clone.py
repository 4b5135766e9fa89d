"""One git clone, read at its newest commit without a work tree; the cuts that make texts of its files."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

Texts = Iterator[str]


class Clone:
    """One repository at its newest commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ".git" if (folder / ".git").exists() else folder

    def paths(self, under: str = "", ends: str = "") -> list[str]:
        """Of all files in a folder whose names end so."""
        found = self._git("ls-tree", "-r", "-z", "--name-only", "HEAD", *([under] if under else []))
        return [path for path in found.decode().split("\0") if path.endswith(ends) and path]

    def read(self, path: str) -> bytes:
        """One file. Raises ValueError with what git says."""
        return self._git("show", f"HEAD:{path}")

    def text(self, path: str) -> str:
        """One file as UTF-8; what is not, left out."""
        return self.read(path).decode("utf-8-sig", errors="ignore")

    def member(self, path: str) -> Iterator[tuple[str, str]]:
        """(name, text) of each file of a zip."""
        with zipfile.ZipFile(io.BytesIO(self.read(path))) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, archive.read(info).decode("utf-8", errors="ignore")

    def history(self, path: str) -> Iterator[str]:
        """Each text that a file ever was, on any branch, oldest first: a feed is written over daily."""
        lines = self._git("log", "--all", "--reverse", "--raw", "--no-abbrev", "--format=", "--", path)
        blobs = dict.fromkeys(line.split()[3] for line in lines.decode().splitlines() if line)
        for blob in blobs:
            if set(blob) != {"0"}:  # the file went away
                yield self._git("cat-file", "blob", blob).decode("utf-8-sig", errors="ignore")

    @property
    def commit(self) -> str:
        """Short; of a plain folder (Debian's component files) nothing."""
        plain = not (self.folder / "HEAD").exists()
        return "" if plain else "@" + self._git("rev-parse", "HEAD").decode().strip()[:12]

    def _git(self, *arguments: str) -> bytes:
        run = subprocess.run(
            ["git", "--git-dir", str(self.folder), *arguments], capture_output=True, check=False
        )
        if run.returncode:
            raise ValueError(f"{self.folder}: git {arguments[0]}: {run.stderr.decode().strip()}")
        return run.stdout


def pieces(text: str, size: int = 1800) -> Texts:
    """Whole paragraphs, together about `size` characters; the last ones join the piece before when short."""
    piece: list[str] = []
    for paragraph in re.split(r"\n\s*\n|(?<=[.!?。！？])\n", text):
        piece.append(paragraph.strip())
        if sum(map(len, piece)) >= size:
            yield "\n".join(piece)
            piece = []
    if sum(map(len, piece)) >= size // 6:
        yield "\n".join(piece)


def runs(lines: list[str], sizes: tuple[int, ...], glue: str = " ") -> Texts:
    """Consecutive lines joined, as many at a time as `sizes` says in turn."""
    at = turn = 0
    while at < len(lines):
        size = sizes[turn % len(sizes)]
        yield glue.join(lines[at : at + size])
        at, turn = at + size, turn + 1
