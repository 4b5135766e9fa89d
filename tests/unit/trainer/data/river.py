"""Parts and a catalog as the sink and the catalog's service write them, of the project's own documents.

Tokens are the bytes of the texts, and a document ends with the token 256.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np

from contracts import Document, PartSealed
from services.catalog.entry import Entry, entry_of
from services.catalog.segments import BLOCK, Segments
from services.runtime import Message, ObjectStore, VocabularyCard
from services.sink import SinkConfig
from services.sink.part import Packable, Part, build, packable, stream_name

DOCUMENTS = Path(__file__).parents[3] / "data" / "documents"
VOCABULARY = VocabularyCard("ab12", 257, 256, "<end>")
STREAM = stream_name("trainer")


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """The folder, which is the bucket here, and the text of each."""
    paths = sorted(path for path in DOCUMENTS.rglob("*") if path.is_file() and path.suffix != ".html")
    return tuple((path.parent.name, path.read_text("utf-8")) for path in paths)


def documents(
    first: int, number: int, *, phase: str = "stable", limit: int = 0, tokenizer: str = VOCABULARY.digest
) -> Iterator[Packable]:
    """Documents by their offsets; the uid is the offset plus 1. limit: bytes of each; 0: all."""
    for offset in range(first, first + number):
        bucket, text = texts()[offset % len(texts())]
        data = text.encode()[: limit or None]
        tokens = np.append(np.frombuffer(data, "u1").astype("<u4"), np.uint32(256))
        one = Document(
            id=f"{bucket}/{offset}", uid=offset + 1, bucket=bucket, phase=phase, recipe=f"r-{phase}"
        )
        one.num_tokens, one.token_ids, one.tokenizer = len(tokens), tokens.tobytes(), tokenizer
        yield packable(Message("docs.mixed", 0, offset, None, one, 0), one)


def made(
    first: int,
    number: int = 6,
    *,
    length: int = 64,
    packing: str = "best_fit",
    phase: str = "stable",
    limit: int = 0,
    vocabulary: VocabularyCard = VOCABULARY,
) -> Part:
    """A part of these documents."""
    rows = [*documents(first, number, phase=phase, limit=limit, tokenizer=vocabulary.digest)]
    config = SinkConfig(sequence_length=length, seal_tokens=1 << 22, packing=packing)
    return build(rows, 0, config, vocabulary, STREAM)


class River:
    """Writes parts into a store and gives them their numbers."""

    def __init__(self, url: str) -> None:
        self.store = ObjectStore(url)
        self.parts: list[Part] = []

    def add(self, *parts: Part, announce: bool = True) -> None:
        """One segment of the catalog, cut at the edge of a block."""
        for part in parts:
            for suffix, data in part.files.items():
                self.store.put(f"parts/{part.announcement.name}.{suffix}", data)
        begin = len(self.parts)
        self.parts += parts
        if announce:
            self.number(begin)

    def copy(self, part: Part, times: int) -> None:
        """The same part under so many names, in a folder."""
        folder = Path(unquote(urlsplit(self.store.url).path)) / "parts"
        for number in range(times):
            announced = PartSealed.FromString(part.announcement.SerializeToString())
            announced.name = f"lane-000/part-000-0a1b2c3d-{number:012d}-{number:012d}"
            self.parts.append(Part(announced, part.files))
            for suffix, data in part.files.items():
                first = folder / f"{self.parts[0].announcement.name}.{suffix}"
                if number:
                    (folder / f"{announced.name}.{suffix}").hardlink_to(first)
                else:
                    first.parent.mkdir(parents=True, exist_ok=True)
                    first.write_bytes(data)
        self.number(0)

    def number(self, begin: int) -> None:
        """Announce the parts from this number on."""
        segments, entries = Segments(self.store), self.entries()
        while begin < len(entries):
            end = min(len(entries), begin - begin % BLOCK + BLOCK)
            assert segments.create(entries[begin:end]) == entries[begin:end]
            if end % BLOCK == 0:
                segments.roll(end)
            begin = end

    def entries(self) -> list[Entry]:
        return [entry_of(number, part.announcement) for number, part in enumerate(self.parts)]

    def fill(self, phases: Sequence[str], number: int = 4, *, length: int = 64, limit: int = 100) -> River:
        """A part for each phase, in order."""
        for phase in phases:
            first = number * len(self.parts)
            self.add(made(first, number, length=length, phase=phase, limit=limit))
        return self
