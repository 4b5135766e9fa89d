"""From text to signature: 5-character shingles, fast similarity sketching, bands.

The texts are those that normal.py makes of documents; a shingle is 5 characters in a row, and a text
shorter than that is one shingle. The sketch has BINS minima, each of which agrees between two texts
with probability equal to the Jaccard similarity of their shingle sets, as in MinHash, but costs one
pass over a long text and not one for each minimum: Dahlgaard, Knudsen and Thorup, "Fast similarity
sketching" (FOCS 2017). Of each minimum one bit is stored: Li and König, "b-bit minwise hashing" (WWW
2010), who show that at J >= 0.5 one bit of many minima says more than many bits of few.

Everything is a fixed function of the text: same numbers in each process, on each machine.
About 0.1 ms of CPU for 5 kB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

SHINGLE = 5  # characters; the labels against which the thresholds were set are measured on the same
BINS = 512
BITS = 384  # of them stored: 48 bytes, so that a stored entry stays under 64
KEY_BITS = 48  # of 32 bits, a document among 10^9 would meet 46 strangers in its bands; so, .001
_GROUP = 1 << 15  # characters worked on at a time: the arrays stay in the processor's cache
_ROUNDS = 10  # of throwing all shingles into the bins, before what is still empty is filled one by one
_LONG = 1 << 14  # characters; a text of more that leaves bins empty repeats itself, so make it distinct
_EMPTY = np.uint64(2**64 - 1)


def constants(seed: int, count: int) -> Words:
    """Odd 64-bit numbers, by splitmix64 (Steele et al. 2014)."""
    x = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) | np.uint64(1)


_CHARACTER = constants(1, SHINGLE)
_ROUND = constants(2, _ROUNDS)
_FILL = constants(3, BINS)
_BAND = constants(4, BINS)
_FINISH = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Sketches:
    """Signatures of n texts.

    bits: one bit of each of BITS minima, packed, (n, BITS / 8) bytes.
    bands: one 48-bit key for each band, (n, bands); keys of different bands never mean the same.
    minima: a hash of each minimum, (n, BINS); their highest bits are `bits`.
    """

    bits: npt.NDArray[np.uint8]
    bands: Words
    minima: Words


def sketch(texts: Sequence[str], bands: int, rows: int) -> Sketches:
    """Signatures of texts. bands x rows must be at most BINS."""
    minima = np.empty((len(texts), BINS), np.uint64)
    for start, stop in _groups(texts):
        minima[start:stop] = _minima(texts[start:stop])
    mixed = mix(minima, _FINISH)
    bits = np.packbits((mixed[:, :BITS] >> np.uint64(63)).astype(bool), axis=1)
    rows_of_bands = (mixed[:, : bands * rows] * _BAND[: bands * rows]).reshape(-1, bands, rows)
    keys = mix(rows_of_bands.sum(axis=2, dtype=np.uint64) + _BAND[:bands], _FINISH)
    return Sketches(bits, keys >> np.uint64(64 - KEY_BITS), mixed)


def similarity(one: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Estimated Jaccard of one row of bits and others (n, BITS / 8); see standard_error()."""
    differing = np.bitwise_count(one ^ others).sum(axis=-1, dtype=np.int64)
    estimate: npt.NDArray[np.float64] = np.maximum(1.0 - 2.0 * differing / BITS, 0.0)
    return estimate


def standard_error(jaccard: float) -> float:
    """Of similarity(): 0.031 at J = 0.8."""
    agree = (1 + jaccard) / 2
    return float(2 * np.sqrt(agree * (1 - agree) / BITS))


def _groups(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Half-open ranges of texts of about _GROUP characters; a long text is alone."""
    start = size = 0
    for i, text in enumerate(texts):
        if size and size + len(text) > _GROUP:
            yield start, i
            start, size = i, 0
        size += max(len(text), SHINGLE)
    if size:
        yield start, len(texts)


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


def _minima(texts: Sequence[str]) -> Words:
    """The sketch: in each round every shingle falls into one bin; the first round to reach a bin fills it,
    with the least of its hashes. Bins that no round reaches take the least of a hash of their own.
    """
    hashes, owner = shingles(texts)
    minima = np.full((len(texts) + 1, BINS), _EMPTY)
    open_texts = np.ones(len(texts) + 1, bool)
    for turn in range(_ROUNDS):
        if turn:
            keep = open_texts[owner]
            hashes, owner = hashes[keep], owner[keep]
            if turn == 1 and len(hashes) > _LONG and len(texts) == 1:
                hashes = np.unique(hashes)
                owner = np.zeros(len(hashes), np.int64)
        thrown = mix(hashes, _ROUND[turn])
        bins = (thrown >> np.uint64(64 - BINS.bit_length() + 1)).view(np.int64)
        bins += owner * BINS
        least = np.full(minima.size, _EMPTY)
        np.minimum.at(least, bins, thrown)
        np.copyto(minima, least.reshape(minima.shape), where=minima == _EMPTY)
        open_texts = (minima == _EMPTY).any(axis=1)
        open_texts[-1] = False
        if not open_texts.any():
            break
    for text in np.flatnonzero(open_texts):
        own = np.unique(hashes[owner == text])
        empty = np.flatnonzero(minima[text] == _EMPTY)
        minima[text, empty] = mix(own[:, None], _FILL[empty]).min(axis=0)
    return minima[:-1]
