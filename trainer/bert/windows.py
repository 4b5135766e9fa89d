"""Which parts of a long text are judged, as services/inference cuts them (a test holds the two together).

What is trained and measured here is then what is served: windows spread evenly from head to tail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from trainer.bert.vocabulary import Vocabulary

MOST = 2  # head and tail
BYTES_PER_TOKEN = 6  # of UTF-8: where a text is far longer than its windows, bytes are cut before tokens

_Whole = TypeVar("_Whole", bound=Sequence[Any])


def text_windows(vocabulary: Vocabulary, texts: Sequence[str], size: int) -> list[list[list[int]]]:
    """At most MOST windows of each text, of at most `size` ids, without special tokens."""
    cut = [pieces(text, size * BYTES_PER_TOKEN) for text in texts]
    ids = iter(vocabulary.encode([piece for text in cut for piece in text]))
    found = []
    for text in cut:
        parts = [next(ids) for _ in text]
        if len(parts) == 1:
            found.append(spread(parts[0], size, min(MOST, max(1, -(-len(parts[0]) // size)))))
        else:
            found.append([slice_of(part, size, place, MOST) for place, part in enumerate(parts)])
    return found


def pieces(text: str, length: int) -> list[str]:
    """The text whole, or a piece of `length` bytes for each window; a character that is torn is left out."""
    data = text.encode()
    if len(data) <= length * MOST:
        return [text]
    return [part.decode(errors="ignore") for part in spread(data, length, MOST)]


def spread(whole: _Whole, size: int, count: int) -> list[_Whole]:
    """`count` slices of `size`: the first at the head, the last at the tail, the others evenly between."""
    return [slice_of(whole, size, place, count) for place in range(count)]


def slice_of(whole: _Whole, size: int, place: int, count: int) -> _Whole:
    """The place-th of `count` slices spread evenly; a lone one is the head."""
    start = max(0, len(whole) - size) * place // max(1, count - 1)
    part: _Whole = whole[start : start + size]  # type: ignore[assignment]
    return part
