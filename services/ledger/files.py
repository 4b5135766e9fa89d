"""What became of the files that a run was given, and which of them gave nothing but dead letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote


@dataclass
class Files:
    """Files by URI, of what came in since the moment of an account.

    came: documents; died: of these, the dead letters; unread: pieces that never became a document. letters:
    files with dead letters; records: of these, those that hold records; resumed: those of which an earlier
    run has read a part as it is now.
    """

    came: Counter[str] = field(default_factory=Counter)
    died: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    letters: set[str] = field(default_factory=set)
    records: set[str] = field(default_factory=set)
    resumed: set[str] = field(default_factory=set)

    def letter(self, source: str, *, document: bool) -> None:
        """Note a dead letter: of a document, or of a piece that never was one."""
        file, record, _ = source.partition("#")
        self.letters.add(file)
        self.died[file] += document
        self.unread[file] += not document
        if record:
            self.records.add(file)

    def lives(self, file: str) -> bool:
        """Something of it became more than a dead letter, now or in an earlier run."""
        return self.came[file] > self.died[file] or file in self.resumed


def file_of(source: str) -> str:
    """The file of a source, which may be a record in it."""
    return source.partition("#")[0]


def lost_sources(files: Files, paths: Sequence[str]) -> list[str]:
    """Paths that the user named, and files of records in them, that gave nothing but dead letters.

    A file that is one document counts as a record of the folder that it lies in, unless it was named.
    """
    named = {path: Path(path).absolute().as_uri() for path in paths}
    lost = {path: uri for path, uri in named.items() if _is_lost(files, uri)}
    rest = sorted(file for file in files.records if not files.lives(file))
    rest = [file for file in rest if not any(_holds(uri, file) for uri in lost.values())]
    return [*lost, *map(_path_of, rest)]


def mostly_dead(files: Files, bound: float, lost: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Files of records of which a larger share than `bound` died: dead letters and records, by path.

    Those that gave nothing else are `lost` and not among them.
    """
    known = {Path(path).absolute().as_uri() for path in lost}
    found = {}
    for file in sorted(files.records):
        dead, records = files.died[file] + files.unread[file], files.came[file] + files.unread[file]
        if records and dead / records > bound and not any(_holds(uri, file) for uri in known):
            found[_path_of(file)] = (dead, records)
    return found


def _path_of(file: str) -> str:
    return unquote(file.removeprefix("file://"), errors="replace")


def _is_lost(files: Files, uri: str) -> bool:
    touched = [file for file in files.letters | files.came.keys() if _holds(uri, file)]
    return any(file in files.letters for file in touched) and not any(map(files.lives, touched))


def _holds(uri: str, file: str) -> bool:
    return file == uri or file.startswith(uri.rstrip("/") + "/")
