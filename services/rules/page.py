"""A text as arrays: code points, character classes, lines and tokens, each computed once and on demand.

Every measure of the rules reads from here, so that a text is walked by numpy a few times and by Python
only line by line: all measures of a 5 kB text take about half a millisecond.
"""

from __future__ import annotations

from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from services.rules.characters import (
    CLASS,
    COLON,
    DIGIT,
    HAN,
    HANGUL,
    KANA,
    LETTER,
    LOWER,
    MARK,
    NAMING,
    NEWLINE,
    NUM_CLASSES,
    SPACE,
    TERMINAL,
    UPPER,
    ascii_characters,
    characters,
)
from services.rules.pieces import LABEL, repeated, said_often
from services.rules.quoted import (
    with_addresses_as_words,
    without_fences,
    without_markup,
    without_quotes,
    without_targets,
)
from services.rules.words import QUOTING, WORDS

# Tokens: a run of letters and digits, or a single Han or kana character. By class, for bytes.translate.
_NOTHING, _IN_WORD, _ALONE = range(3)
_TOKEN_KINDS = bytes(
    _IN_WORD if kind in (DIGIT, LOWER, UPPER, HANGUL, LETTER) else _ALONE if kind in (HAN, KANA) else _NOTHING
    for kind in range(256)
)

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing
_SHIFT = np.uint64(29)
SHORT_LINE = 30  # characters (FineWeb); a Han character counts twice, as wide as two Latin letters
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


def prefix_sums(terms: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sum of the terms before each place, the end included, modulo 2^64: uint64 [len(terms) + 1]."""
    sums = np.zeros(len(terms) + 1, np.uint64)
    np.cumsum(terms, out=sums[1:])
    return sums


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
        return characters().take(self.points)

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
        """The page without fenced blocks, markup, addresses of links, quoted lines: all repeat by nature."""
        # Not kept where it is this page: one that holds itself, and its arrays, waits for the collector.
        return self if self._own_words is None else self._own_words

    @cached_property
    def _own_words(self) -> Page | None:
        """None where nothing is taken out."""
        rest = without_targets(without_fences(self.text))
        if self.repeated_lines[0]:
            may_be_marked = bool(self.bits & QUOTING) or not self.text.isascii()
            rest = without_quotes(without_markup(rest), may_be_marked=may_be_marked)
        rest = with_addresses_as_words(rest)
        return None if rest == self.text else Page(rest)

    @cached_property
    def repeated_lines(self) -> tuple[float, float]:
        """Shares of the lines that are not empty, and of their characters, that occurred before."""
        return repeated(self.lines) if self.may_repeat_lines else (0.0, 0.0)

    @cached_property
    def may_repeat_lines(self) -> bool:
        """False where no line occurs twice."""
        return True

    @cached_property
    def repeated_paragraphs(self) -> tuple[float, float]:
        """Shares of the paragraphs, and of their characters, that occurred before."""
        # A paragraph that comes again brings its lines again.
        return said_often(self.paragraphs, LABEL) if self.repeated_lines[0] else (0.0, 0.0)

    @cached_property
    def line_firsts(self) -> str:
        """The first visible character of each line that is not empty; a space where there is none."""
        starts, ends = self.line_spans
        indented = np.flatnonzero(self.classes[starts] == SPACE)
        if len(indented):
            is_space = np.append(self.classes == SPACE, False)
            lasts = np.flatnonzero(is_space[:-1] & ~is_space[1:])
            starts = starts.copy()
            starts[indented] = lasts[lasts.searchsorted(starts[indented])] + 1
        firsts = np.where(starts < ends, self.points.take(starts, mode="clip"), ord(" "))
        return firsts.astype(np.uint32).tobytes().decode("utf-32-le", "surrogatepass")

    @cached_property
    def num_ellipses(self) -> int:
        """Three full stops, or the sign for them."""
        return self.text.count("...") + self.text.count("…")

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
    def longest_line(self) -> int:
        """Characters in the longest line."""
        return int(self.line_lengths.max(initial=0))

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
    def line_names(self) -> NDArray[np.bool_]:
        """Which lines name something or are code: hold a colon, "=", "`", ";" or a bracket, but as last."""
        starts, ends = self.line_spans
        marks = self.characters & np.uint8(MARK)
        signs = np.flatnonzero((marks == NAMING) | (marks == COLON))
        found: NDArray[np.bool_] = signs.searchsorted(ends - 1) > signs.searchsorted(starts)
        return found

    @cached_property
    def line_colons(self) -> NDArray[np.bool_]:
        """Which lines end with a colon."""
        lasts: NDArray[np.bool_] = self.characters[self.line_spans[1] - 1] & np.uint8(MARK) == COLON
        return lasts

    @cached_property
    def line_hashes(self) -> NDArray[np.uint64]:
        """A hash of each line that is not empty."""
        return self._hashes(*self.line_spans)

    @cached_property
    def num_closed_lines(self) -> int:
        """Lines that end with terminal punctuation."""
        return int(np.count_nonzero(self.line_end_classes == TERMINAL))

    @cached_property
    def num_short_lines(self) -> int:
        """Lines of at most SHORT_LINE columns."""
        return int(np.count_nonzero(self.line_widths <= SHORT_LINE))

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
    def longest_token(self) -> int:
        """Characters in the longest token."""
        return int(self.token_lengths.max(initial=0))

    @cached_property
    def token_characters(self) -> int:
        """Characters in all tokens."""
        return int(self.token_lengths.sum())

    @cached_property
    def are_letter_words(self) -> NDArray[np.bool_]:
        """Which tokens say something of the language: two letters and more; no Han, numbers or variables."""
        are: NDArray[np.bool_] = self.classes[self.tokens[0]] != DIGIT
        return are & (self.token_lengths > 1)

    @cached_property
    def num_letter_words(self) -> int:
        """How many they are."""
        return int(np.count_nonzero(self.are_letter_words))

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
        return self._hashes(*self.tokens)

    def _hashes(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
        _, inverses = powers(self.size)
        sums = self._sums
        hashes: NDArray[np.uint64] = (sums[ends] - sums[starts]) * inverses[starts]
        return hashes

    @cached_property
    def _sums(self) -> NDArray[np.uint64]:
        powers_, _ = powers(self.size)
        terms = self.points * _ODD
        terms ^= terms >> _SHIFT
        terms *= powers_[: self.size]
        return prefix_sums(terms)

    @cached_property
    def known(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Which tokens are words that a page is known by (words.py), and the bits of each: [number] each."""
        sets, bits = _known_hashes()
        which = sets.take((self.token_hashes & np.uint64(_NUM_HASHES - 1)).view(np.int64))
        known = which.nonzero()[0]
        return known, bits[which[known]]

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
def _known_hashes() -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Of each hash the number of a set of bits, and these: one table of both would not fit into a cache."""
    table = np.zeros(_NUM_HASHES, np.uint32)
    for bit, words in WORDS.items():
        shapes = {shape for word in words for shape in (word, word.capitalize(), word.upper())}
        hashes = Page(" ".join(shapes)).token_hashes
        table[(hashes & np.uint64(_NUM_HASHES - 1)).view(np.int64)] |= np.uint32(bit)
    bits, sets = np.unique(table, return_inverse=True)
    return sets.astype(np.uint8), bits
