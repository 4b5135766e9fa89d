"""Who is dropped more than others: each rule's share of drops in a group against its share in the whole.

The whole of a rule are the groups that it applies to: one that Chinese pages alone can break is no bias for
being broken by Chinese pages alone. A unit judged what it dropped and what went further.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any

from services.archive.asked import Asked
from services.archive.query import count
from services.archive.tables import TABLES
from services.runtime import ObjectStore

BOUND = 1.5  # a ratio above is a bias; as the alert's
LEAST_JUDGED, LEAST_DROPS = 200, 20  # documents of a group, and drops: fewer are chance; as the alert's
# Standard errors by which the drops are more than the group's part of the documents makes likely; as the
# alert's. A fair rule of nine groups and 500 drops is called biased once in 85 times; without, in 15.
ERRORS = 3.0

# Drops that are meant to hit one group: what is not to be kept, and what holds nothing; as the alert's.
MEANT = {("rules", "language"), ("rules", "empty")}

GROUPS = ("language", "format", "category")

# Whether a rule (unit, reason) can be broken at all by a group (language, zh).
Applies = Callable[[str, str, str, str], bool]


@dataclass(frozen=True)
class Share:
    """How many of a group's documents a rule drops. share and whole: 0..1; ratio: share by whole.

    part: of the documents that the rule applies to, the group's (0..1).
    """

    unit: str
    reason: str
    by: str
    group: str
    drops: int
    judged: int
    share: float
    whole: float
    part: float

    @property
    def ratio(self) -> float:
        """1 where the group is dropped as much as all are."""
        return self.share / self.whole if self.whole else 0.0

    @property
    def between(self) -> tuple[float, float]:
        """Where the ratio lies, by ERRORS standard errors (Wilson 1927: the score test's interval)."""
        if not self.whole or not self.part:
            return 0.0, inf
        number = self.whole * self.judged / self.part
        found, doubt = self.drops / number, ERRORS**2 / number
        middle, width = found + doubt / 2, sqrt(doubt * found * (1 - found) + (doubt / 2) ** 2)
        low, high = ((middle + side) / (1 + doubt) / self.part for side in (-width, width))
        return max(0.0, low), high

    @property
    def is_biased(self) -> bool:
        """Above the bound, and no chance."""
        is_enough = self.judged >= LEAST_JUDGED and self.drops >= LEAST_DROPS
        return self.ratio > BOUND and is_enough and self.between[0] > 1


def bias(store: ObjectStore, units: Sequence[str], by: str, applies: Applies) -> list[Share]:
    """Shares of every rule in every group, the largest ratio first. units: in the order of the river.

    by: one of GROUPS. Of what is dropped before it has a language or a category nothing is known: such drops
    are in no group. Raises DependencyDown, Damaged.
    """
    judged: dict[str, Counter[str]] = {unit: Counter() for unit in units}
    drops: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in _known(count(store, TABLES["documents"], Asked(), [by]), by):
        for unit in units:
            judged[unit][row[by]] += row["rows"]
    for row in _known(count(store, TABLES["drops"], Asked(), ["unit", "reason", by]), by):
        unit = row["unit"]
        if unit in judged:
            drops[unit, row["reason"]][row[by]] += row["rows"]
            for before in units[: units.index(unit) + 1]:
                judged[before][row[by]] += row["rows"]
    found = [
        share
        for rule, dropped in drops.items()
        if rule not in MEANT
        for share in shares(rule, by, dropped, judged[rule[0]], applies)
    ]
    return sorted(found, key=lambda share: (-share.is_biased, -share.ratio, share.reason, share.group))


def shares(
    rule: tuple[str, str], by: str, drops: Mapping[str, int], judged: Mapping[str, int], applies: Applies
) -> Iterator[Share]:
    """A rule's shares. drops, judged: documents by group."""
    unit, reason = rule
    groups = [group for group in judged if drops.get(group) or applies(unit, reason, by, group)]
    total = sum(judged[group] for group in groups)
    whole = sum(drops.get(group, 0) for group in groups) / total if total else 0.0
    for group in groups:
        dropped = drops.get(group, 0)
        yield Share(
            unit, reason, by, group, dropped, judged[group], dropped / judged[group], whole,
            part=judged[group] / total,
        )  # fmt: skip


def _known(rows: Sequence[dict[str, Any]], by: str) -> Iterator[dict[str, Any]]:
    return (row for row in rows if row[by])
