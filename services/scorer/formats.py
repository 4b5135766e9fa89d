"""Raw scores of what is no prose, from what rules measured: a model of prose would punish it for its form.

A score is the mean of its terms, each in 0..1 and monotone in one measure x with a bound b:
    little   b / (b + x)    the less the better: 1 at 0
    much     x / (x + b)    the more the better: 0 at 0
Each is 1/2 at the bound at which the cited filter would drop, so a file that is just good enough everywhere
scores 1/2 and nothing saturates: two different files seldom tie. Only the order within a group has a
meaning, since the scorer ranks within (language, format, category).

Sources: The Stack = Kocetkov et al. 2022 (arXiv 2211.15533); StarCoder = Li et al. 2023 (arXiv 2305.06161);
StarCoder2 = Lozhkov et al. 2024 (arXiv 2402.19173); Gopher = Rae et al. 2021 (arXiv 2112.11446);
FineWeb = Penedo et al. 2024 (arXiv 2406.17557); C4 = Raffel et al. 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# Raised whenever a term changes: scores of two versions are not compared (group.py).
NAME, VERSION = "formats", 1


@dataclass(frozen=True, slots=True)
class Term:
    """One measure of rules, what is good of it, and the bound at which it is worth 1/2."""

    measure: str
    good: Literal["little", "much"]
    bound: float

    def value(self, measured: float) -> float:
        """0..1."""
        over = measured if self.good == "much" else self.bound
        return over / (self.bound + measured)


TERMS: Mapping[str, tuple[Term, ...]] = {
    "code": (
        Term("mean_line_length", "little", 100),  # The Stack
        Term("max_line_length", "little", 1000),  # The Stack
        Term("alnum_share", "much", 0.25),  # The Stack
        Term("alpha_share", "much", 0.25),  # StarCoder
        Term("generated", "little", 1),  # StarCoder2
        Term("dup_line_char_share", "little", 0.2),  # Gopher: boilerplate written out
        Term("digit_share", "little", 0.25),  # own: data in the form of a program
        Term("lines", "much", 10),  # own: a fragment teaches little
    ),
    "latex": (
        Term("alpha_share", "much", 0.4),  # own: formulas have letters; columns of numbers have none
        Term("symbol_share", "little", 0.3),  # own: the bound of rules for prose
        Term("dup_line_char_share", "little", 0.2),  # Gopher
        Term("max_run_length", "little", 1000),  # C4: no word of more characters, such as an embedded picture
        Term("words", "much", 50),  # Gopher
    ),
    "table": (
        Term("alpha_share", "much", 0.25),  # StarCoder, of any file: words beside the numbers
        Term("dup_line_share", "little", 0.3),  # Gopher: rows that say the same
        Term("max_line_length", "little", 1000),  # The Stack
        Term("lines", "much", 10),  # own: a few rows are a fragment
    ),
    "log": (
        Term("alpha_share", "much", 0.25),  # StarCoder: words beside the times and numbers
        Term("dup_line_char_share", "little", 0.2),  # Gopher
        Term("dup_5_gram", "little", 0.15),  # Gopher: the same event over and over
        Term("max_line_length", "little", 1000),  # The Stack
    ),
}


def score(format_: str, features: Mapping[str, float]) -> float:
    """The raw score of a document of one of TERMS, 0..1. Raises KeyError naming a measure that is missing."""
    terms = TERMS[format_]
    for term in terms:
        if term.measure not in features:  # reading it from a protobuf map would give 0
            raise KeyError(term.measure)
    return sum(term.value(features[term.measure]) for term in terms) / len(terms)
