"""Which of many texts are part of a long one; to look for each costs their number times its length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_MUCH = 1 << 20  # characters times texts; where there are less, hashing costs more than it saves
_BYTES = 4  # that are hashed together
_BITS = 18  # of a hash: twenty times as many as a page's text has bytes
_FACTOR = np.uint32(2654435761)  # Knuth's, of the golden ratio: The Art of Computer Programming 3, 6.4


def parts_of(whole: str, texts: Sequence[str]) -> list[bool]:
    """Of each text whether it is in the whole and not empty.

    Most texts that are not hold four bytes that the whole has nowhere, and are not looked for; those that are
    mostly follow one another.
    """
    if len(whole) * len(texts) < _MUCH:
        return [text != "" and text in whole for text in texts]
    known: dict[str, bool] = {}
    at = 0
    for text, may_be in zip(texts, _may_be_in(whole, texts), strict=True):
        if text in known:
            continue
        if text and whole.startswith(text, at):
            known[text] = True
            at += len(text)
        elif text and may_be:
            found = whole.find(text)
            known[text] = found >= 0
            at = found + len(text) if found >= 0 else at
        else:
            known[text] = False
    return list(map(known.__getitem__, texts))


def _may_be_in(whole: str, texts: Sequence[str]) -> list[bool]:
    """False of texts with four bytes that the whole has nowhere."""
    there = np.zeros(1 << _BITS, bool)
    there[_hashes(whole.encode())] = True
    encoded = [text.encode() for text in texts]
    ends = np.cumsum(list(map(len, encoded)))
    begins = np.append(0, ends[:-1])
    misses = np.zeros(int(ends[-1]) + 1, np.int64)
    hashes = _hashes(b"".join(encoded))
    np.cumsum(~there[hashes], out=misses[1 : len(hashes) + 1])
    last = np.maximum(ends - (_BYTES - 1), begins)
    may_be: list[bool] = (misses[last] == misses[begins]).tolist()
    return may_be


def _hashes(text: bytes) -> npt.NDArray[np.uint32]:
    """Of each four bytes in a row."""
    if len(text) < _BYTES:
        return np.zeros(0, np.uint32)
    signs = np.frombuffer(text, np.uint8).astype(np.uint32)
    num = len(text) - _BYTES + 1
    four = signs[:num] | signs[1 : num + 1] << 8 | signs[2 : num + 2] << 16 | signs[3 : num + 3] << 24
    return np.asarray((four * _FACTOR) >> np.uint32(32 - _BITS), np.uint32)
