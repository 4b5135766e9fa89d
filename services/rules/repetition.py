"""Repeated n-grams of tokens, after Gopher (Rae et al. 2021, table A1), without building a single n-gram.

An n-gram is a 64-bit hash out of prefix sums. Only a repeated n-gram can begin a longer one that repeats:
counting the shortest in buckets leaves few places, which go through numpy together, a row for each n. So do
the pages: on a few kB numpy's calls cost more than what they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.rules.characters import HAN
from services.rules.page import Page, powers, prefix_sums

TOP_NGRAMS = (2, 3, 4)
DUPLICATE_NGRAMS = (5, 6, 7, 8, 9, 10)

# The thresholds are for words. Chinese has none without a segmenter (1.2 ms a kB); its words hold about this
# many characters (jieba over news, books and manuals), so n words are round(1.8 n) characters.
HAN_PER_WORD = 1.8

_NAMES = (*(f"top_{n}_gram" for n in TOP_NGRAMS), *(f"dup_{n}_gram" for n in DUPLICATE_NGRAMS))
_WORDS = (*TOP_NGRAMS, *DUPLICATE_NGRAMS)
_CHARACTERS = tuple(round(HAN_PER_WORD * n) for n in _WORDS)

_SHIFT = np.uint64(32)
_SALT = np.uint64(0x9E3779B97F4A7C15)  # tells the n-grams of one page from those of another
_BEYOND = np.arange(1, max(_CHARACTERS) + 1, dtype=np.uint64)  # what follows a page's tokens: all different
_NOWHERE = np.zeros(len(_BEYOND), np.int64)
_HALF = 32  # bits
_TOGETHER = 4096  # n-grams, of several n, in one table

_Ints = NDArray[np.int64]
_Hashes = NDArray[np.uint64]


class _Tokens(NamedTuple):
    """The tokens of some pages, one page behind the other, each with _BEYOND behind it: [size] of all.

    (sums[b] - sums[a]) * inverses[a] is a hash of tokens a to b. starts, ends: in the page's text. reached:
    characters of the tokens before each, [size + 1]. lengths: tokens of an n-gram, [pages, n].
    """

    sums: _Hashes
    inverses: _Hashes
    page_of: _Ints
    starts: _Ints
    ends: _Ints
    reached: _Ints
    lengths: _Ints


def ngram_lengths(page: Page) -> tuple[int, ...]:
    """How many tokens n words are, for each n: n, or more where most tokens are Han characters."""
    return _CHARACTERS if 2 * page.counts[HAN] > page.num_tokens else _WORDS


def ngram_shares(pages: Sequence[Page]) -> list[dict[str, float]]:
    """For each page shares (0..1) of its characters.

    top_N_gram: in the most frequent n-gram, first of those equally frequent; 0 where none occurs twice.
    dup_N_gram: in tokens of n-grams that occurred before, each token counted once.
    """
    if not pages:
        return []
    tokens = _joined(pages)
    num_characters = np.zeros((len(pages), len(_NAMES)))
    # A key: page in the high bits, position in the low ones, hash between: one plain sort brings equal
    # n-grams together, in order of occurrence. 100,000 tokens of 40 pages leave 41 bits of hash.
    low = np.uint64((1 << len(tokens.page_of).bit_length()) - 1)
    high = np.uint64(64 - len(pages).bit_length())
    positions = _candidates(tokens)
    done = 0
    while done < len(_NAMES) and len(positions):
        is_top = done < len(TOP_NGRAMS)  # apart: in most pages next to nothing is left behind them
        behind = min(done + max(1, _TOGETHER // len(positions)), len(TOP_NGRAMS) if is_top else len(_NAMES))
        page = tokens.page_of[positions]
        n = tokens.lengths[page, done:behind].T
        keys = (tokens.sums[positions + n] - tokens.sums[positions]) * tokens.inverses[positions]
        keys >>= np.uint64(64) - high
        keys |= page.view(np.uint64) << high
        keys &= ~low
        keys |= positions.view(np.uint64)
        keys.sort()
        places = (keys & low).view(np.int64)
        equal = (keys[:, 1:] ^ keys[:, :-1]) <= low
        found = (_in_top if is_top else _in_repeated)(tokens, places, equal, slice(done, behind))
        num_characters[:, done:behind] = found
        repeated = np.zeros(len(positions), bool)
        repeated[1:] = equal[-1]
        repeated[:-1] |= equal[-1]
        positions = places[-1][repeated]
        done = behind
    num_characters /= np.array([[max(1, page.size)] for page in pages])
    return [dict(zip(_NAMES, row, strict=True)) for row in np.minimum(num_characters, 1).tolist()]


def _joined(pages: Sequence[Page]) -> _Tokens:
    hashes = np.concatenate([part for page in pages for part in (page.token_hashes, _BEYOND)])
    starts = np.concatenate([part for page in pages for part in (page.tokens[0], _NOWHERE)])
    ends = np.concatenate([part for page in pages for part in (page.tokens[1], _NOWHERE)])
    page_of = np.arange(len(pages)).repeat([page.num_tokens + len(_BEYOND) for page in pages])
    hashes ^= hashes >> _SHIFT
    hashes += page_of.view(np.uint64) * _SALT
    powers_, inverses = powers(len(hashes))
    reached = np.zeros(len(hashes) + 1, np.int64)
    np.cumsum(ends - starts, out=reached[1:])
    lengths = np.array([ngram_lengths(page) for page in pages])
    sums = prefix_sums(hashes * powers_[: len(hashes)])
    return _Tokens(sums, inverses, page_of, starts, ends, reached, lengths)


def _candidates(tokens: _Tokens) -> _Ints:
    """Where an n-gram begins that repeats, and a few where none does: those that share a bucket."""
    positions = tokens.ends.nonzero()[0]  # what is beyond a page ends at 0
    n = tokens.lengths[:, 0][tokens.page_of[positions]]
    hashes = (tokens.sums[positions + n] - tokens.sums[positions]) * tokens.inverses[positions]
    buckets = (hashes >> np.uint64(62 - len(positions).bit_length())).view(np.int64)
    found: _Ints = positions[(np.bincount(buckets) > 1)[buckets]]
    return found


def _in_top(tokens: _Tokens, places: _Ints, equal: NDArray[np.bool_], sizes: slice) -> NDArray[np.float64]:
    """Characters in the most frequent n-gram, [pages, n].

    places: of all n-grams, by page, equal ones together, a row for each n; equal[row, i]: whether i and i + 1
    are the same.
    """
    num_rows, size = places.shape
    width = size + 1
    bounds = np.ones((num_rows, width), bool)
    np.logical_not(equal, out=bounds[:, 1:-1])
    firsts = np.flatnonzero(bounds)
    begins = firsts[:-1]
    # The longest run, of those the one that begins first in the text: both in one number.
    runs = ((firsts[1:] - begins) << _HALF) - places.ravel()[begins - begins // width]
    # Each page has the same columns in each row; its runs begin where they do.
    page = tokens.page_of[places[0]]
    columns = np.append(0, np.flatnonzero(page[1:] != page[:-1]) + 1)
    present = page[columns]
    groups = begins.searchsorted((np.arange(num_rows)[:, None] * width + columns).ravel())
    longest = np.maximum.reduceat(runs, groups).reshape(num_rows, len(present))
    first = -longest % (1 << _HALF)
    count = (longest + first) >> _HALF
    n = tokens.lengths[present, sizes].T
    found = np.zeros((len(tokens.lengths), num_rows))
    found[present] = (count * (count > 1) * (tokens.ends[first + n - 1] - tokens.starts[first])).T
    return found


def _in_repeated(
    tokens: _Tokens, places: _Ints, equal: NDArray[np.bool_], sizes: slice
) -> NDArray[np.float64]:
    """Characters in n-grams that occurred before, [pages, n]."""
    row, column = equal.nonzero()
    width = len(tokens.reached)
    begins = np.sort(row * width + places[row, column + 1])  # in order, row after row
    row, place = np.divmod(begins, width)
    page = tokens.page_of[place]
    ends = np.minimum(begins + tokens.lengths[page, sizes.start + row], np.append(begins[1:], 1 << 62))
    covered = tokens.reached[ends - row * width] - tokens.reached[place]
    shape = len(tokens.lengths), len(places)
    return np.bincount(page * shape[1] + row, covered, shape[0] * shape[1]).reshape(shape).astype(np.float64)
