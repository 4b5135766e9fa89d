"""`.ds`: what datatrove's DocumentTokenizer writes, and DatatroveFolderDataset and nanotron read.

For each part, all in one folder, whose order by name is the order of each lane:

    PART.ds            the documents' tokens on end, little-endian uint16, or uint32 where a part has 4 bytes
    PART.ds.index      uint64 each: where a document ends, in tokens
    PART.ds.metadata   vocabulary|bytes a token, number of tokens, and that for people: a line each

A reader cuts a file into sequences of a length of its own plus one, and drops the end that fills none. The
format is described by datatrove/pipeline/tokens/tokenizer.py (TokenizedFile) and read by
datatrove/utils/dataset.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from contracts import PartSealed
from services.sink.parts import PartDocument


class DsWriter:
    """Memory: a document, and 8 bytes for each of the part."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, part: PartSealed, documents: Iterable[PartDocument]) -> None:
        """Write the files of one part. Raises OSError, and what the documents raise."""
        path = self._folder / f"{part.name.rpartition('/')[2]}.ds"
        ends = []
        end, width = 0, 2
        with path.open("wb") as out:
            for document in documents:
                width = document.tokens.itemsize
                out.write(document.tokens.astype(f"<u{width}").tobytes())
                end += len(document.tokens)
                ends.append(end)
        path.with_name(f"{path.name}.index").write_bytes(np.array(ends, "<u8").tobytes())
        told = f"{part.tokenizer}|{width}\n{end}\n{_shown(end)}"
        path.with_name(f"{path.name}.metadata").write_text(told)

    def finish(self) -> None:
        """Each part's files are whole already."""


def _shown(number: float) -> str:
    """With an SI prefix and T for tokens, as datatrove has it: 8.39 MT."""
    prefixes = ["", "k", "M", "G", "T", "P"]
    while number >= 999.5 and len(prefixes) > 1:
        number /= 1000
        del prefixes[0]
    return f"{number:.3g} {prefixes[0]}T"
