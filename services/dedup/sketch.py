"""From text to signature: fast similarity sketching, bands, and the fine sketch beside them.

The texts are those that normal.py makes of documents, hashed by shingles.py. The sketch has BINS minima, each
of which agrees between two texts with probability equal to the Jaccard similarity of their shingle sets, as
in MinHash, but costs one pass over a long text and not one for each minimum: Dahlgaard, Knudsen and Thorup,
"Fast similarity sketching" (FOCS 2017). Of each minimum one bit is stored: Li and König, "b-bit minwise
hashing" (WWW 2010), who show that at J >= 0.5 one bit of many minima says more than many bits of few.

Everything is a fixed function of the text: same numbers in each process, on each machine.
About 0.15 ms of CPU for 5 kB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.dedup import fine_sketch
from services.dedup.shingles import SHINGLE, Words, constants, grams, mix, shingles

BINS = 512
BITS = 384  # of them stored: 48 bytes, so that a stored entry stays under 64
KEY_BITS = 48  # of 32 bits, a document among 10^9 would meet 46 strangers in its bands; so, .001
_GROUP = 1 << 15  # characters worked on at a time: the arrays stay in the processor's cache
_ROUNDS = 10  # of throwing all shingles into the bins, before what is still empty is filled one by one
_ONCE = 0.9  # of the shingles of such a longer text at least are distinct
_LONG = 1 << 14  # characters; a text of more that leaves bins empty repeats itself, so make it distinct
# Characters, as they are compared: two texts of no more are compared, and found, by their grams. Those that
# may be near a longer one, see shortest(), have keys of both kinds.
SHORT = 160
_EMPTY = np.uint64(2**64 - 1)


def shortest(threshold: float) -> int:
    """No near copy of a text of no more characters is longer than SHORT: it would have too many shingles."""
    return int(SHORT * threshold * _ONCE)


_ROUND = constants(2, _ROUNDS)
_FILL = constants(3, BINS)
_BAND = constants(4, BINS)
_GRAM = np.uint64(0xBEA225F9EB34556D)
_FINISH = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Sketches:
    """Signatures of n texts.

    bits: one bit of each of BITS minima, packed, (n, BITS / 8) bytes.
    fine: see fine_sketch.py, (n, fine_sketch.SIZE) bytes.
    bands: 48-bit keys, (n, 2 * bands), of which 0 is none; keys of different bands never mean the same. The
        first `bands` are of shingles, the others of grams: short texts have both, the shortest these alone.
    minima: a hash of each minimum, (n, BINS); their highest bits are `bits`.
    """

    bits: npt.NDArray[np.uint8]
    fine: npt.NDArray[np.uint8]
    bands: Words
    minima: Words


def sketch(texts: Sequence[str], bands: int, rows: int, threshold: float = 0.7) -> Sketches:
    """Signatures of texts. bands x rows must be at most BINS. threshold: the least of any two of them."""
    minima = np.empty((len(texts), BINS), np.uint64)
    fine = np.empty((len(texts), fine_sketch.SIZE), np.uint8)
    grams_of: dict[int, Words] = {}
    for start, stop in _groups(texts):
        hashes, owner = shingles(texts[start:stop])
        minima[start:stop] = _minima(hashes, owner, stop - start)
        first = 0
        for number in range(start, stop):
            last = first + max(len(texts[number]), SHINGLE)
            own = hashes[first : last - SHINGLE + 1]
            if len(texts[number]) > SHORT:
                fine[number] = fine_sketch.fine_sketch(own)
            else:
                grams_of[number] = grams(texts[number])
                fine[number] = fine_sketch.short_sketch(own, grams_of[number])
            first = last
    mixed = mix(minima, _FINISH)
    bits = np.packbits((mixed[:, :BITS] >> np.uint64(63)).astype(bool), axis=1)
    keys = np.zeros((len(texts), 2 * bands), np.uint64)
    lengths = np.array([len(text) for text in texts])
    keys[:, :bands] = np.where(lengths[:, None] > shortest(threshold), band_keys(mixed, bands, rows), 0)
    if grams_of:
        owner = np.repeat(np.arange(len(grams_of)), [len(each) for each in grams_of.values()])
        least = _minima(np.concatenate(list(grams_of.values())), owner, len(grams_of))
        keys[list(grams_of), bands:] = band_keys(mix(least, _GRAM), bands, rows)
    return Sketches(bits, fine, keys, mixed)


def band_keys(mixed: Words, bands: int, rows: int) -> Words:
    """One for each band, (n, bands). mixed: minima, of which bands x rows at least."""
    rows_of_bands = (mixed[:, : bands * rows] * _BAND[: bands * rows]).reshape(-1, bands, rows)
    keys: Words = mix(rows_of_bands.sum(axis=2, dtype=np.uint64) + _BAND[:bands], _FINISH)
    return keys >> np.uint64(64 - KEY_BITS)


def similarity(one: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Estimated Jaccard of rows of bits, (n, BITS / 8) or one for all; see standard_errors()."""
    differing = fine_sketch.counted(one ^ others)
    estimate: npt.NDArray[np.float64] = np.maximum(1.0 - 2.0 * differing / BITS, 0.0)
    return estimate


def standard_errors(jaccard: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of similarity(): 0.031 at J = 0.8; never less than that of one bit."""
    agree = (1 + jaccard) / 2
    errors: npt.NDArray[np.float64] = 2 * np.sqrt(np.maximum(agree * (1 - agree), 1 / BITS) / BITS)
    return errors


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


def _minima(hashes: Words, owner: npt.NDArray[np.int64], num_texts: int) -> Words:
    """Of shingles and the texts that they are of: in each round every shingle falls into one bin; the first
    round to reach a bin fills it, with the least of its hashes. Bins that no round reaches take the least of
    a hash of their own.
    """
    minima = np.full((num_texts + 1, BINS), _EMPTY)
    open_texts = np.ones(num_texts + 1, bool)
    for turn in range(_ROUNDS):
        if turn:
            keep = open_texts[owner]
            hashes, owner = hashes[keep], owner[keep]
            if turn == 1 and len(hashes) > _LONG and num_texts == 1:
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
