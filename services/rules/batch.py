"""The arrays of several pages in one go: on a few kB numpy's calls cost more than what they do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.rules.characters import TERMINAL
from services.rules.page import SHORT_LINE, Page


def prepare(pages: Sequence[Page]) -> None:
    """Make the arrays of several pages together.

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
    firsts, with_repeats = whole.line_firsts, _with_repeats(whole.line_hashes, lines)
    totals = {
        "longest_token": _longest_of_each(whole.token_lengths, tokens),
        "token_characters": _sum_of_each(whole.token_lengths, tokens),
        "num_letter_words": _number_in_each(whole.are_letter_words, tokens),
        "longest_line": _longest_of_each(whole.line_lengths, lines),
        "num_closed_lines": _number_in_each(whole.line_end_classes == TERMINAL, lines),
        "num_short_lines": _number_in_each(whole.line_widths <= SHORT_LINE, lines),
    }
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
            line_firsts=firsts[its_lines],
            line_names=whole.line_names[its_lines],
            may_repeat_lines=number in with_repeats,
            **{name: of_each[number] for name, of_each in totals.items()},
        )


def _with_repeats(hashes: NDArray[np.uint64], bounds: list[int]) -> set[int]:
    """Numbers of the pages among whose hashes one comes twice. bounds: as below."""
    page_of = np.arange(len(bounds) - 1, dtype=np.uint64).repeat(np.diff(bounds))
    bits = np.uint64(len(bounds).bit_length())
    keys = (hashes << bits) | page_of
    keys.sort()
    again = keys[1:][keys[1:] == keys[:-1]]
    return set((again & ((np.uint64(1) << bits) - np.uint64(1))).tolist())


def _longest_of_each(lengths: NDArray[np.int64], bounds: list[int]) -> list[int]:
    """Of the lengths of each page the largest, or 0. bounds: where each page's begin, the end included."""
    if not len(lengths):
        return [0] * (len(bounds) - 1)
    found = np.maximum.reduceat(lengths, np.minimum(bounds[:-1], len(lengths) - 1)).tolist()
    return [one if first < end else 0 for one, first, end in zip(found, bounds, bounds[1:], strict=False)]


def _sum_of_each(lengths: NDArray[np.int64], bounds: list[int]) -> list[int]:
    """Of the lengths of each page the sum."""
    found: list[int] = np.diff(np.append(0, np.cumsum(lengths))[bounds]).tolist()
    return found


def _number_in_each(are: NDArray[np.bool_], bounds: list[int]) -> list[int]:
    """How many there are in each page."""
    found: list[int] = np.diff(np.flatnonzero(are).searchsorted(bounds)).tolist()
    return found
