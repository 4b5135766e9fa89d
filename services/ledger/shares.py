"""Whether the scorer keeps of each group what it should. Pure.

A share is met by quantiles that were measured before, so it is missed where documents of another kind come
in, or another model judges, or nobody has measured the group: then the calibration is to be made anew.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.ledger.account import Account

LOW_RANK = ("scorer", "low_rank")
REMEDY = (
    "corpusworks judge calibrate --out {out} --to calibration.json, then "
    "CORPUSWORKS_UNITS__SCORER__CALIBRATION=calibration.json"
)
# Language, format and category of a document -> the share of its like that is to be kept.
Expected = Callable[[str, str, str], float]

_LEAST = 200  # documents; below, chance alone moves a share of 95 % by 4 points
_CHANCE = 3.0  # standard deviations
# Points that are no matter to anybody, and a table's own error: it is made of a sample, too. Of a share near
# 0 or 1 half of what is left.
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Share:
    """Of the documents of a group that were ranked: how many were kept, and what share should have been."""

    language: str
    format: str
    category: str
    documents: int
    kept: int
    target: float

    @property
    def actual(self) -> float:
        """0..1."""
        return self.kept / self.documents

    @property
    def off(self) -> bool:
        """Whether it is missed by more than chance explains."""
        return is_off(self.documents, self.actual, self.target)

    @property
    def row(self) -> dict[str, Any]:
        """For the report."""
        return {
            "language": self.language,
            "format": self.format,
            "category": self.category,
            "documents": self.documents,
            "target": round(self.target, 4),
            "kept": round(self.actual, 4),
            "off": self.off,
        }


def is_off(documents: int, actual: float, target: float) -> bool:
    """Whether a share is missed by more than chance explains, and by enough to matter."""
    if documents < _LEAST:
        return False
    matters = min(_TOLERANCE, target / 2, (1 - target) / 2)
    by_chance = _CHANCE * math.sqrt(target * (1 - target) / documents)
    return abs(actual - target) > max(matters, by_chance)


def shares(account: Account, expected: Expected) -> list[Share]:
    """By group, those with most documents first."""
    seen: Counter[tuple[str, str, str]] = Counter(account.ranked.values())
    lost: Counter[tuple[str, str, str]] = Counter(
        group for uid, group in account.ranked.items() if LOW_RANK in account.rejected.get(uid, ())
    )
    return [
        Share(*group, documents, documents - lost[group], expected(*group))
        for group, documents in sorted(seen.items(), key=lambda each: (-each[1], each[0]))
    ]
