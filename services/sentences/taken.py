"""Which sentences of a text are repeated, and the text without them. Every cut is recorded whole, so that the
text can be put together again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts import Document, Removed
from services.sentences.config import SentencesConfig
from services.sentences.keys import SPAN, Keys, Sentence

_BLANK_LINES = re.compile(r"(?:[ \t\u3000]*\n)+")


@dataclass(frozen=True, slots=True)
class Mark:
    """Why a sentence is repeated. host: whose documents were counted, empty for all."""

    host: str
    documents: int
    needed: int


def repeated(
    keys: Keys, counts: Mapping[int, int], host: str, of_host: int, config: SentencesConfig
) -> list[Mark | None]:
    """For each sentence, why it is repeated. of_host: documents of the host so far.

    A light one goes also where both its neighbours go.
    """
    needed = max(config.host_documents, math.ceil(config.host_share * of_host))
    marks: list[Mark | None] = [
        Mark(host, most, needed)
        if (most := max(map(counts.__getitem__, each.own), default=0)) >= needed
        else None
        for each in keys.sentences
    ]
    for number, span in enumerate(keys.spans):
        if span and counts[span] >= config.span_documents:
            for at in range(number, number + SPAN):
                marks[at] = marks[at] or Mark("", counts[span], config.span_documents)
    for at in range(1, len(marks) - 1):
        if marks[at] is None and not keys.sentences[at].heavy and marks[at + 1] is not None:
            marks[at] = marks[at - 1]
    return marks


def share(keys: Keys, marks: Sequence[Mark | None]) -> float:
    """What part of the letters the repeated sentences are."""
    whole = sum(sentence.weight for sentence in keys.sentences)
    taken = sum(s.weight for s, mark in zip(keys.sentences, marks, strict=True) if mark is not None)
    return taken / whole if whole else 0.0


def take_out(
    document: Document, sentences: Sequence[Sentence], marks: Sequence[Mark | None], most_bytes: int
) -> None:
    """Cut what is marked out of the text, into `removed`: at most so many bytes, the first ones."""
    text, kept, at, recorded = document.text, list[str](), 0, 0
    for start, end, mark in _cuts(text, sentences, marks):
        cut = text[start:end]
        recorded += len(cut.encode("utf-8", "surrogatepass"))
        if recorded > most_bytes:
            break
        kept.append(text[at:start])
        at = end
        document.removed.append(
            Removed(text=cut, at=start, host=mark.host, documents=mark.documents, needed=mark.needed)
        )
    document.text = "".join(kept) + text[at:]


def whole_text(document: Document) -> str:
    """The text as it was before anything was taken out of it."""
    parts, read, length = [], 0, 0
    for cut in document.removed:
        gap = cut.at - length
        parts += [document.text[read : read + gap], cut.text]
        read += gap
        length = cut.at + len(cut.text)
    return "".join(parts) + document.text[read:]


def _cuts(
    text: str, sentences: Sequence[Sentence], marks: Sequence[Mark | None]
) -> Iterator[tuple[int, int, Mark]]:
    """Where to cut, in order; what stands together and is repeated for the same host is one cut."""
    last = 0
    for start, end, mark in _runs(sentences, marks):
        begin, stop = _fitted(text, start, end)
        if max(begin, last) < stop:
            yield max(begin, last), stop, mark
            last = stop


def _runs(sentences: Sequence[Sentence], marks: Sequence[Mark | None]) -> Iterator[tuple[int, int, Mark]]:
    """Marked sentences that touch; of their marks that of the fewest documents."""
    start, end = 0, -1
    mark: Mark | None = None
    for sentence, found in zip(sentences, marks, strict=True):
        if found is None:
            continue
        piece = sentence.piece
        if mark is not None and piece.start == end and found.host == mark.host:
            end = piece.end
            mark = min(mark, found, key=lambda each: each.documents)
            continue
        if mark is not None:
            yield start, end, mark
        start, end, mark = piece.start, piece.end, found
    if mark is not None:
        yield start, end, mark


def _fitted(text: str, start: int, end: int) -> tuple[int, int]:
    """The same cut so that lines stay lines: a paragraph goes with the blank lines behind it, and a sentence
    at the end of a line with the space before it and without the line's end.
    """
    begins_line = start == 0 or text[start - 1] == "\n"
    if text[end - 1] != "\n" and end < len(text):
        return start, end
    if begins_line:
        blanks = _BLANK_LINES.match(text, end) if start == 0 or text[:start].endswith("\n\n") else None
        return start, blanks.end() if blanks else end
    while text[end - 1].isspace():
        end -= 1
    while text[start - 1] in " \t\u3000":
        start -= 1
    return start, end
