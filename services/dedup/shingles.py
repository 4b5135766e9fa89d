"""A text as hashes of its shingles: 5 characters in a row, of which a shorter text is one.

A short text also as those of its grams: 2 and 3 characters in a row, of which the k-th that are the same are
told from the others, so that what two texts share counts each as often as both have it.

Everything is a fixed function of the text: same numbers in each process, on each machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

SHINGLE = 5  # characters; the labels against which the thresholds were set are measured on the same
_FINISH = np.uint64(0xD6E8FEB86659FD93)


def constants(seed: int, count: int) -> Words:
    """Odd 64-bit numbers, by splitmix64 (Steele et al. 2014)."""
    x = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) | np.uint64(1)


_CHARACTER = constants(1, SHINGLE)
_GRAM = constants(6, 6)


def mix(x: Words, factor: np.uint64 | Words) -> Words:
    """A new array, each word scrambled so that its high bits depend on all of it."""
    y = x * factor
    y ^= y >> np.uint64(32)
    y *= _FINISH
    return y


def shingles(texts: Sequence[str]) -> tuple[Words, npt.NDArray[np.int64]]:
    """Hashes of the shingles of all texts in a row, and the text of each; len(texts) for "of none"."""
    padded = [text if len(text) >= SHINGLE else text.ljust(SHINGLE, "\0") for text in texts]
    points = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    count = len(points) - SHINGLE + 1
    hashes = points[:count] * _CHARACTER[0]
    for i in range(1, SHINGLE):
        hashes += points[i : i + count] * _CHARACTER[i]
    hashes ^= hashes >> np.uint64(29)
    lengths = np.array([len(text) for text in padded])
    owner = np.repeat(np.arange(len(padded)), lengths)
    ends = np.cumsum(lengths)
    for back in range(1, SHINGLE):  # windows that reach into the next text
        owner[ends - back] = len(padded)
    return hashes, owner[:count]


def grams(text: str) -> Words:
    """Hashes of the grams of one text, distinct."""
    padded = text if len(text) >= 3 else text.ljust(3, "\0")
    points = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    pairs = points[:-1] * _GRAM[0] + points[1:] * _GRAM[1]
    triples = points[:-2] * _GRAM[2] + points[1:-1] * _GRAM[3] + points[2:] * _GRAM[4]
    hashes = np.sort(np.concatenate([pairs, triples]))
    first = np.ones(len(hashes), bool)
    np.not_equal(hashes[1:], hashes[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    earlier = np.arange(len(hashes)) - starts[np.cumsum(first) - 1]
    return mix(hashes + earlier.astype(np.uint64) * _GRAM[5], _GRAM[0])
