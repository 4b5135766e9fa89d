"""A text as arrays: code points, character classes, lines and tokens, each computed once and on demand.

Every measure of the rules reads from here, so that a text is walked by numpy a few times and by Python
only line by line: all measures of a 5 kB text take about half a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from services.rules.characters import (
    CLASS,
    DIGIT,
    HAN,
    HANGUL,
    KANA,
    LETTER,
    LOWER,
    NEWLINE,
    NUM_CLASSES,
    SPACE,
    UPPER,
    ascii_characters,
    characters,
)
from services.rules.quoted import without_fences, without_quotes
from services.rules.words import QUOTING, WORDS

# Tokens: a run of letters and digits, or a single Han or kana character. By class, for bytes.translate.
_NOTHING, _IN_WORD, _ALONE = range(3)
_TOKEN_KINDS = bytes(
    _IN_WORD if kind in (DIGIT, LOWER, UPPER, HANGUL, LETTER) else _ALONE if kind in (HAN, KANA) else _NOTHING
    for kind in range(256)
)

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing
_SHIFT = np.uint64(29)
_NUM_HASHES = 1 << 17  # that known words are told by
_BASE = 0xD1342543DE82EF95  # odd, so that it has an inverse


def powers(size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Powers of a base and of its inverse modulo 2^64, at least `size` of each.

    With p the powers, i the inverses, s the sums of x * p before each place: (s[b] - s[a]) * i[a] is a
    hash of x[a:b] that does not depend on where it stands, so all pieces are hashed without a loop.
    """
    return _powers_of_length(1 << max(12, size.bit_length()))


@cache
def _powers_of_length(length: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    def powers_of(base: int) -> NDArray[np.uint64]:
        return np.cumprod(np.full(length, base, np.uint64), dtype=np.uint64)

    return powers_of(_BASE), powers_of(pow(_BASE, -1, 1 << 64))


def prepare(pages: Sequence[Page]) -> None:
    """Make the arrays of several pages in one go: on a few kB numpy's calls cost more than what they do.

    Those that every page needs anyway; they are the same as each page makes of its own. A page that has them
    keeps them.
    """
    pages = [page for page in pages if "tokens" not in vars(page)]
    if len(pages) < 2:
        return
    whole = Page("\n".join([page.text for page in pages]))
    token_starts, token_ends = whole.tokens
    line_starts, line_ends = whole.line_spans
    numbers, (known, bits) = whole.numbers, whole.known
    starts = np.cumsum([0, *[page.size + 1 for page in pages]])
    starts_and_ends = starts.tolist()
    tokens, lines = token_starts.searchsorted(starts).tolist(), line_starts.searchsorted(starts).tolist()
    digits, words = numbers.searchsorted(tokens).tolist(), known.searchsorted(tokens).tolist()
    for number, page in enumerate(pages):
        start, end = starts_and_ends[number], starts_and_ends[number + 1] - 1
        its_tokens = slice(tokens[number], tokens[number + 1])
        its_lines = slice(lines[number], lines[number + 1])
        its_words = slice(words[number], words[number + 1])
        vars(page).update(
            points=whole.points[start:end],
            characters=whole.characters[start:end],
            classes=whole.classes[start:end],
            tokens=(token_starts[its_tokens] - start, token_ends[its_tokens] - start),
            token_hashes=whole.token_hashes[its_tokens],
            token_lengths=whole.token_lengths[its_tokens],
            numbers=numbers[digits[number] : digits[number + 1]] - tokens[number],
            known=(known[its_words] - tokens[number], bits[its_words]),
            line_spans=(line_starts[its_lines] - start, line_ends[its_lines] - start),
            line_lengths=whole.line_lengths[its_lines],
            line_widths=whole.line_widths[its_lines],
            line_end_classes=whole.line_end_classes[its_lines],
        )


def prefix_sums(terms: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sum of the terms before each place, the end included, modulo 2^64: uint64 [len(terms) + 1]."""
    sums = np.zeros(len(terms) + 1, np.uint64)
    np.cumsum(terms, out=sums[1:])
    return sums


def repeated(pieces: list[str]) -> tuple[float, float]:
    """Shares (0..1) of the pieces, and of their characters, that occurred before."""
    different = set(pieces)
    if len(different) == len(pieces):
        return 0.0, 0.0
    num_characters = sum(map(len, pieces))
    return 1 - len(different) / len(pieces), 1 - sum(map(len, different)) / num_characters


class Page:
    """A normalised text and its arrays. Offsets count characters (code points)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.size = len(text)

    @cached_property
    def points(self) -> NDArray[np.uint8 | np.uint32]:
        """Code points [size], uint8 where all are ASCII. Lone surrogates are kept as they are."""
        if self.text.isascii():
            return np.frombuffer(self.text.encode(), np.uint8)
        return np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), np.uint32)

    @cached_property
    def characters(self) -> NDArray[np.uint8]:
        """Class and mark of each character (characters.py), uint8 [size]."""
        if self.text.isascii():
            return np.frombuffer(self.text.encode().translate(ascii_characters()), np.uint8)
        return characters()[self.points]

    @cached_property
    def classes(self) -> NDArray[np.uint8]:
        """Character class of each character, uint8 [size]."""
        return self.characters & np.uint8(CLASS)

    @cached_property
    def counts(self) -> list[int]:
        """Number of characters of each class."""
        counts: list[int] = np.bincount(self.classes, minlength=NUM_CLASSES).tolist()
        return counts

    @cached_property
    def num_visible(self) -> int:
        """Characters that are not white space."""
        return self.size - self.counts[SPACE] - self.counts[NEWLINE]

    @cached_property
    def lines(self) -> list[str]:
        """Lines that are not empty."""
        return [line for line in self.text.split("\n") if line]

    @cached_property
    def paragraphs(self) -> list[str]:
        """What blank lines separate."""
        return [stripped for part in self.text.split("\n\n") if (stripped := part.strip("\n"))]

    @property
    def own_words(self) -> Page:
        """The page without fenced blocks and lines that are quoted again: both repeat by nature."""
        # Not kept where it is this page: one that holds itself, and its arrays, waits for the collector.
        return self if self._own_words is None else self._own_words

    @cached_property
    def _own_words(self) -> Page | None:
        """None where nothing is taken out."""
        rest = without_fences(self.text)
        if self.repeated_lines[0] or self.repeated_paragraphs[0]:
            may_be_marked = bool(self.bits & QUOTING) or not self.text.isascii()
            rest = without_quotes(rest, may_be_marked=may_be_marked)
        return None if rest == self.text else Page(rest)

    @cached_property
    def repeated_lines(self) -> tuple[float, float]:
        """Shares of the lines that are not empty, and of their characters, that occurred before."""
        return repeated(self.lines)

    @cached_property
    def repeated_paragraphs(self) -> tuple[float, float]:
        """Shares of the paragraphs, and of their characters, that occurred before."""
        return repeated(self.paragraphs)

    @cached_property
    def line_firsts(self) -> str:
        """The first visible character of each line that is not empty; a space where there is none."""
        return "".join([line.lstrip()[:1] or " " for line in self.lines])

    @cached_property
    def lower(self) -> str:
        """The text in lower case; offsets may differ."""
        return self.text.lower()

    @cached_property
    def line_spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Start and end of each line that is not empty, int64 [len(lines)] each."""
        breaks = np.concatenate(([-1], np.flatnonzero(self.classes == NEWLINE), [self.size]))
        starts, ends = breaks[:-1] + 1, breaks[1:]
        filled = ends > starts
        return starts[filled], ends[filled]

    @cached_property
    def line_lengths(self) -> NDArray[np.int64]:
        """Characters in each line that is not empty."""
        starts, ends = self.line_spans
        return ends - starts

    @cached_property
    def line_widths(self) -> NDArray[np.int64]:
        """Columns of each line that is not empty: a Han or kana character, or full-width mark, takes two."""
        if self.text.isascii():
            return self.line_lengths
        starts, _ = self.line_spans
        return self.line_lengths + np.add.reduceat(self.points >= 0x2E80, starts, dtype=np.int64)

    @cached_property
    def line_end_classes(self) -> NDArray[np.uint8]:
        """Class of the last character of each line that is not empty."""
        return self.classes[self.line_spans[1] - 1]

    @cached_property
    def tokens(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Start and end of each token, int64 [num_tokens] each. An apostrophe between letters joins them."""
        # Of each character, between two that are none; a boundary is where the kind changes.
        kinds = np.zeros(self.size + 2, np.uint8)
        inner = kinds[1:-1]
        inner[:] = np.frombuffer(self.classes.tobytes().translate(_TOKEN_KINDS), np.uint8)
        if "'" in self.text or "’" in self.text:
            joins = np.flatnonzero((self.points == ord("'")) | (self.points == ord("’")))
            inner[joins[(kinds[joins] == _IN_WORD) & (kinds[joins + 2] == _IN_WORD)]] = _IN_WORD
        bounds = np.flatnonzero((kinds[1:] != kinds[:-1]) | (kinds[1:] == _ALONE))
        tokens = np.flatnonzero(inner[bounds[:-1]] != _NOTHING)
        return bounds[tokens], bounds[tokens + 1]

    @cached_property
    def num_tokens(self) -> int:
        """Number of tokens: words where words are spaced, characters of Han and kana."""
        return len(self.tokens[0])

    @cached_property
    def token_lengths(self) -> NDArray[np.int64]:
        """Characters in each token."""
        return self.tokens[1] - self.tokens[0]

    @cached_property
    def num_words(self) -> int:
        """Tokens that are not single Han or kana characters."""
        return self.num_tokens - self.counts[HAN] - self.counts[KANA]

    @cached_property
    def num_letter_words(self) -> int:
        """Words that say something of the language: two letters and more; no Han, numbers or variables."""
        firsts = self.classes[self.tokens[0]]
        return int(np.count_nonzero((self.token_lengths > 1) & (firsts != DIGIT)))

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Which tokens are of digits alone: int64 [number of them]."""
        starts, ends = self.tokens
        numbers = np.flatnonzero(self.classes[starts] == DIGIT)
        digits = np.flatnonzero(self.classes == DIGIT)
        starts, ends = starts[numbers], ends[numbers]
        num_digits = digits.searchsorted(ends) - digits.searchsorted(starts)
        found: NDArray[np.int64] = numbers[num_digits == ends - starts]
        return found

    @cached_property
    def token_hashes(self) -> NDArray[np.uint64]:
        """A 64-bit polynomial hash of each token, case kept, uint64 [num_tokens]."""
        starts, ends = self.tokens
        powers_, inverses = powers(self.size)
        terms = self.points * _ODD
        terms ^= terms >> _SHIFT
        terms *= powers_[: self.size]
        sums = prefix_sums(terms)
        hashes: NDArray[np.uint64] = (sums[ends] - sums[starts]) * inverses[starts]
        return hashes

    @cached_property
    def known(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Which tokens are words that a page is known by (words.py), and the bits of each: [number] each."""
        bits = _bits_of_hash().take((self.token_hashes & np.uint64(_NUM_HASHES - 1)).view(np.int64))
        known = bits.nonzero()[0]
        return known, bits[known]

    @cached_property
    def bits(self) -> int:
        """Of all known words together."""
        return int(np.bitwise_or.reduce(self.known[1]))

    def number_of(self, bit: int) -> int:
        """How many words of a bit there are."""
        return int(np.count_nonzero(self.known[1] & bit))

    def starts_of(self, bit: int) -> NDArray[np.int64]:
        """Where the words of a bit begin."""
        known, bits = self.known
        return self.tokens[0][known[(bits & bit).nonzero()[0]]]


@cache
def _bits_of_hash() -> NDArray[np.uint32]:
    table = np.zeros(_NUM_HASHES, np.uint32)
    for bit, words in WORDS.items():
        shapes = {shape for word in words for shape in (word, word.capitalize(), word.upper())}
        hashes = Page(" ".join(shapes)).token_hashes
        table[(hashes & np.uint64(_NUM_HASHES - 1)).view(np.int64)] |= np.uint32(bit)
    return table
