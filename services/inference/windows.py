"""Which parts of a long text are judged: windows evenly spaced from its head to its tail.

A judge reads some hundred tokens. The head of a page may be its menu and the tail its comments, so a
long text is judged by both; a window from its middle, too, costs half as much again and mends little. All
functions are pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

# A longer text is cut before it is tokenised, since tokens that no window shows cost time too. In bytes of
# UTF-8 both languages are alike: a token has 4 to 5 in English and in Chinese, up to 8 in indented code;
# where a piece has more, its window is shorter.
BYTES_PER_TOKEN = 6

_Sliced = TypeVar("_Sliced", bound=Sequence[Any])


def windows(ids: Sequence[int], size: int, most: int = 2) -> list[list[int]]:
    """As many windows of `size` ids as cover all ids, `most` of them where that is not enough.

    The first starts at the head, the last ends at the tail; the others lie evenly between, and overlap
    where there is more room than ids. One window, perhaps empty, where the ids fit in.
    """
    count = min(most, max(1, -(-len(ids) // size)))
    return [list(_part(ids, size, place, count)) for place in range(count)]


def pieces(text: str, size: int, most: int = 2) -> list[str]:
    """The text whole, or where it is far longer than `most` windows of `size` tokens, a piece for each.

    Raises UnicodeEncodeError for a text with surrogates.
    """
    length = size * BYTES_PER_TOKEN
    data = text.encode()
    if len(data) <= length * most:
        return [text]
    # A character that a cut tears is left out.
    return [_part(data, length, place, most).decode(errors="ignore") for place in range(most)]


def piece_windows(parts: Sequence[Sequence[int]], size: int, most: int = 2) -> list[list[int]]:
    """The windows of a text out of the ids of its pieces: the whole text's, or one of each piece."""
    if len(parts) == 1:
        return windows(parts[0], size, most)
    return [list(_part(ids, size, place, len(parts))) for place, ids in enumerate(parts)]


def _part(whole: _Sliced, size: int, place: int, count: int) -> _Sliced:
    """The place-th of `count` evenly spaced slices of `size`; a lone one is the head."""
    start = max(0, len(whole) - size) * place // max(1, count - 1)
    part: Any = whole[start : start + size]
    return part  # type: ignore[no-any-return]
