"""Repeated n-grams of tokens, after Gopher (Rae et al. 2021, table A1), without building a single n-gram.

An n-gram is a 64-bit hash out of prefix sums. Only a repeated n-gram can begin a longer one that repeats:
counting the shortest in buckets leaves few places, which go through numpy together, a row for each n.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.rules.page import HAN, Page, powers, prefix_sums

TOP_NGRAMS = (2, 3, 4)
DUPLICATE_NGRAMS = (5, 6, 7, 8, 9, 10)

# The thresholds are for words. Chinese has none without a segmenter (1.2 ms a kB); its words hold about this
# many characters (jieba over news, books and manuals), so n words are round(1.8 n) characters.
HAN_PER_WORD = 1.8

_NAMES = (*(f"top_{n}_gram" for n in TOP_NGRAMS), *(f"dup_{n}_gram" for n in DUPLICATE_NGRAMS))

_SHIFT = np.uint64(32)
_LONGEST = round(HAN_PER_WORD * max(DUPLICATE_NGRAMS))
_BEYOND = np.arange(1, _LONGEST + 1, dtype=np.uint64)  # what follows the text: all different
_HALF = 32  # bits
_TOGETHER = 4096  # n-grams, of several n, in one table


def ngram_lengths(page: Page, sizes: Sequence[int]) -> list[int]:
    """How many tokens n words are, for each n: n, or more where most tokens are Han characters."""
    if 2 * page.counts[HAN] > page.num_tokens:
        return [round(HAN_PER_WORD * n) for n in sizes]
    return list(sizes)


def ngram_shares(page: Page) -> dict[str, float]:
    """Shares (0..1) of the text's characters.

    top_N_gram: in the most frequent n-gram, first of those equally frequent; 0 where none occurs twice.
    dup_N_gram: in tokens of n-grams that occurred before, each token counted once.
    """
    lengths = ngram_lengths(page, (*TOP_NGRAMS, *DUPLICATE_NGRAMS))
    shares: list[float] = []
    sums, inverses = _prefix_hashes(page.token_hashes)
    # Position in the low bits of a key, hash in the rest: one plain sort brings equal n-grams together, in
    # order of occurrence. A thousand tokens leave 54 bits of hash, a million 44.
    low = np.uint64((1 << page.num_tokens.bit_length()) - 1)
    positions = _candidates(sums, inverses, page.num_tokens, lengths[0])
    while len(shares) < len(lengths) and len(positions):
        num_rows = max(1, _TOGETHER // len(positions))
        n = np.array(lengths[len(shares) :][:num_rows])
        keys = (sums[positions + n[:, None]] - sums[positions]) * inverses[positions]
        keys = (keys & ~low) | positions.view(np.uint64)
        keys.sort()
        places = (keys & low).view(np.int64)
        equal = (keys[:, 1:] ^ keys[:, :-1]) <= low
        num_top = min(len(n), max(0, len(TOP_NGRAMS) - len(shares)))
        if num_top:
            shares += _top_shares(page, places[:num_top], equal[:num_top], n[:num_top])
        shares += _covered_shares(page, places[num_top:], equal[num_top:], n[num_top:])
        repeated = np.zeros(len(positions), bool)
        repeated[1:] = equal[-1]
        repeated[:-1] |= equal[-1]
        positions = places[-1][repeated]
    shares += [0.0] * (len(lengths) - len(shares))
    return dict(zip(_NAMES, shares, strict=True))


def _prefix_hashes(tokens: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """(s[b] - s[a]) * i[a] is a hash of tokens a to b; tokens past the end count as different ones."""
    tokens = np.concatenate((tokens ^ (tokens >> _SHIFT), _BEYOND))
    powers_, inverses = powers(len(tokens))
    return prefix_sums(tokens * powers_[: len(tokens)]), inverses


def _candidates(
    sums: NDArray[np.uint64], inverses: NDArray[np.uint64], num_tokens: int, n: int
) -> NDArray[np.int64]:
    """Where an n-gram begins that repeats, and a few where none does: those that share a bucket."""
    hashes = (sums[n : n + num_tokens] - sums[:num_tokens]) * inverses[:num_tokens]
    buckets = (hashes >> np.uint64(62 - num_tokens.bit_length())).view(np.int64)
    return np.flatnonzero((np.bincount(buckets) > 1)[buckets])


def _top_shares(
    page: Page, places: NDArray[np.int64], equal: NDArray[np.bool_], n: NDArray[np.int64]
) -> list[float]:
    """Share of the characters in the most frequent n-gram, for each row of n.

    places: of all n-grams, equal ones together; equal[row, i]: whether i and i + 1 are the same.
    """
    width = places.shape[1] + 1
    bounds = np.ones((len(n), width), bool)
    np.logical_not(equal, out=bounds[:, 1:-1])
    firsts = np.flatnonzero(bounds)
    begins = firsts[:-1]
    # The longest run, of those the one that begins first in the text: both in one number.
    runs = ((firsts[1:] - begins) << _HALF) - places.ravel()[begins - begins // width]
    rows = begins.searchsorted(np.arange(len(n)) * width)
    starts, ends = page.tokens
    shares = []
    for longest, size in zip(np.maximum.reduceat(runs, rows).tolist(), n.tolist(), strict=True):
        count, first = -(-longest >> _HALF), -longest % (1 << _HALF)
        num_characters = count * int(ends[first + size - 1] - starts[first]) if count > 1 else 0
        shares.append(min(1.0, num_characters / page.size))
    return shares


def _covered_shares(
    page: Page, places: NDArray[np.int64], equal: NDArray[np.bool_], n: NDArray[np.int64]
) -> list[float]:
    """Share of the characters in n-grams that occurred before, for each row of n."""
    width = page.num_tokens + 1
    repeats = np.zeros(len(n) * width, bool)
    found = np.flatnonzero(equal)
    row = found // equal.shape[1]
    repeats[row * width + places.ravel()[found + row + 1]] = True
    begins = np.flatnonzero(repeats)  # in order, row after row
    row = begins // width
    ends = np.minimum(begins + n[row], np.append(begins[1:], len(repeats)))
    covered = page.token_ends[ends - row * width] - page.token_ends[begins - row * width]
    shares: list[float] = (np.bincount(row, covered, len(n)) / page.size).tolist()
    return shares
