"""Real zh, en and code documents of about 5 kB for the benchmarks of the whole river.

Chinese and English from the shared data beside the checkout, code from Python's own standard library;
long texts are cut between lines. Without the shared data the documents are made on the spot, which
is good for speed and says nothing of what is dropped.
"""

from __future__ import annotations

import gzip
import json
import random
import sysconfig
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from tests import corpus as made
from tests.benchmarks.figures import SHARED

LANGUAGES = ("zh", "en", "code")
AIM_BYTES = 6_000  # of a piece: the mean is about 5 kB; none is shorter than a quarter of it
_FILES = {"zh": "throughput/zh_extra.jsonl.gz", "en": "text/categories.jsonl.gz"}

Row = dict[str, str]  # id, text, language


def documents(number: int, seed: int = 0, aim_bytes: int = AIM_BYTES) -> list[Row]:
    """The languages in equal numbers while they last, shuffled; the same for the same arguments."""
    found = {language: _pieces(language, seed, aim_bytes) for language in LANGUAGES}
    rows: list[Row] = []
    while len(rows) < number:
        before = len(rows)
        for language, pieces in found.items():
            for text in islice(pieces, 1):
                rows.append({"id": f"{language}-{len(rows)}", "text": text, "language": language})
        if len(rows) == before:
            raise ValueError(f"there are {len(rows)} documents, not {number}")
    random.Random(seed).shuffle(rows)
    return rows[:number]


def write(path: Path, rows: Iterable[Row]) -> Path:
    """As JSONL."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def num_bytes(rows: Iterable[Row]) -> int:
    """Of their texts in UTF-8."""
    return sum(len(row["text"].encode()) for row in rows)


def _pieces(language: str, seed: int, aim_bytes: int) -> Iterator[str]:
    texts = list(_texts(language))
    random.Random(seed).shuffle(texts)
    for text in texts:
        yield from cut(text, aim_bytes)


def _texts(language: str) -> Iterator[str]:
    if language == "code":
        for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
            if not {"site-packages", "test", "tests", "lib2to3"} & set(path.parts):
                yield path.read_text(encoding="utf-8", errors="replace")
    elif (file := SHARED / "data" / _FILES[language]).exists():
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if row["lang"] == language:
                    yield row["text"]
    else:
        yield from _made(language)


def _made(language: str) -> Iterator[str]:
    """Some 5 kB each, out of generated documents of one language."""
    kind = LANGUAGES.index(language)
    parts = [row["text"] for row in islice(made.documents(72_000, seed=9, duplicates=0), kind, None, 3)]
    for start in range(0, len(parts), 5):
        yield "\n\n".join(parts[start : start + 5])


def cut(text: str, aim_bytes: int = AIM_BYTES) -> Iterator[str]:
    """Whole lines up to aim_bytes together; what is much shorter or longer is left out."""
    piece, size = "", 0
    for line in [*text.splitlines(keepends=True), ""]:
        length = len(line.encode(errors="replace"))
        if size + length > aim_bytes or not line:
            if aim_bytes / 4 <= size <= 3 * aim_bytes:
                yield piece
            piece, size = "", 0
        piece, size = piece + line, size + length
