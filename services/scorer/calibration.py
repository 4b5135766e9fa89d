"""The table by which a raw score becomes a rank: quantiles by group, in a file that a person can read.

A rank follows from the document and the table alone, so a corpus gets the same verdicts twice, in any order,
on any number of replicas, and the scorer keeps no state. What the table does not know:

    a group with too few documents   ranks by all documents of its format and language
    a language nobody measured       ranks by all documents of its format
    a source nobody measured         rank 1/2

Of these nothing is dropped, since a judge that likes a language or a category less would silently kill it: of
414 Chinese app descriptions, the shipped judge puts 59 % below the lowest twentieth of all Chinese prose.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

from services.inference import MODELS, Table
from services.scorer import formats
from services.scorer.config import ScorerConfig
from services.scorer.group import Group

_LOTS = float(1 << 64)  # a uid is a hash: over this a lot in 0..1, the same at every redelivery


def comparable(score: float) -> float:
    """To six digits: what a model says of one text in two batches differs in the seventh."""
    return float(f"{score:.6g}")


class Standing(NamedTuple):
    """Where a score stands. below, upto: shares of the scores that are lower, and that are not higher."""

    below: float
    upto: float

    @property
    def rank(self) -> float:
        """Mid-rank: documents with the same score have the same rank, 1/2 if all are equal."""
        return (self.below + self.upto) / 2

    def place(self, lot: float) -> float:
        """One place among equals, by a lot in 0..1.

        Places are evenly spread over 0..1 also where many scores are equal: a threshold keeps its share.
        """
        return self.below + lot * (self.upto - self.below)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of a group: some of its scores, ascending, where each stands, and of how many documents they are."""

    documents: int
    scores: tuple[float, ...]
    standings: tuple[Standing, ...]

    def __post_init__(self) -> None:
        if not self.scores or len(self.scores) != len(self.standings):
            raise ValueError(f"{len(self.scores)} scores have {len(self.standings)} standings")
        if not all(map(math.isfinite, self.scores)) or any(a >= b for a, b in pairwise(self.scores)):
            raise ValueError("scores are no ascending numbers")
        levels = [level for standing in self.standings for level in standing]
        if not 0 <= levels[0] <= levels[-1] <= 1 or any(a > b for a, b in pairwise(levels)):
            raise ValueError("levels do not rise from 0 to 1")

    def standing(self, score: float) -> Standing:
        """Of any score; between two that are known by a straight line."""
        score = comparable(score)
        at = bisect_left(self.scores, score)
        if at == len(self.scores):
            return Standing(1.0, 1.0)
        if self.scores[at] == score:
            return self.standings[at]
        if at == 0:
            return Standing(0.0, 0.0)
        part = (score - self.scores[at - 1]) / (self.scores[at] - self.scores[at - 1])
        lower, higher = self.standings[at - 1].upto, self.standings[at].below
        level = lower + part * (higher - lower)
        return Standing(level, level)


class Ranked(NamedTuple):
    """A document among its like. by: the group whose quantiles ranked it, or None where there are none.

    place: what is compared with the threshold; the rank, but among equal scores by lot.
    """

    standing: Standing
    place: float
    threshold: float
    by: Group | None

    @property
    def rank(self) -> float:
        """0..1, the same for equal scores."""
        return self.standing.rank

    @property
    def by_lot(self) -> bool:
        """Whether others with this score have another fate."""
        return self.standing.below < self.threshold < self.standing.upto

    @property
    def kept(self) -> bool:
        """Whether it goes on."""
        return self.place >= self.threshold


@dataclass(frozen=True)
class Calibration(Table):
    """groups: in any order."""

    FILE: ClassVar[str] = "calibration.json"
    CALLED: ClassVar[str] = "calibration"
    MADE_BY: ClassVar[str] = "corpusworks judge calibrate"

    groups: Mapping[Group, Quantiles]

    @property
    def content(self) -> Mapping[str, Any]:
        """See Table."""
        return {"groups": [_row(group, self.groups[group]) for group in sorted(self.groups, key=_order)]}

    @classmethod
    def made_of(cls, content: Mapping[str, Any]) -> Calibration:
        """See Table."""
        return cls(dict(map(_read, content["groups"])))

    def rank(self, group: Group, score: float, uid: int, share: float) -> Ranked:
        """Among the documents of its group. share: of them, to be kept."""
        for wider in group.wider():
            if (quantiles := self.groups.get(wider)) is not None:
                standing = quantiles.standing(score)
                place = standing.place(uid / _LOTS)
                return Ranked(standing, place, _threshold(share, wider == group), wider)
        return Ranked(Standing(0.5, 0.5), 0.5, _threshold(share, False), None)

    def knows(self, source: str) -> bool:
        """Whether any group of this source is in it."""
        return any(group.source == source for group in self.groups)

    def without(self, categories: Collection[str]) -> Calibration:
        """Leaving out the groups of these categories: their documents are ranked more widely, and kept."""
        return Calibration({g: q for g, q in self.groups.items() if g.category not in categories})

    def only(self, name: str) -> Calibration:
        """What it says of the sources of this name."""
        kept = {g: q for g, q in self.groups.items() if g.source.partition("@")[0] == name}
        return Calibration(kept)


def chosen(config: ScorerConfig) -> Calibration:
    """The table by which these settings rank. Raises ConfigurationError.

    A model of the user's own is not ranked by what was measured of the shipped one, though both may be
    version 1 of a `judge`.
    """
    if config.calibration is not None:
        return Calibration.load(config.calibration)
    own = Calibration.beside(config.models, config.model)
    return own or Calibration.load(MODELS / "judge" / Calibration.FILE).only(formats.NAME)


def _threshold(share: float, measured: bool) -> float:
    """Of which a place must not fall short. A share of nothing asks for no rank."""
    if share == 0:
        return math.inf
    return 1 - share if measured else 0.0


def _order(group: Group) -> tuple[str, ...]:
    return (group.source, group.format, *(f"={part}" if part is not None else "" for part in group[2:]))


def _row(group: Group, quantiles: Quantiles) -> dict[str, Any]:
    """A point is [score, level], or [score, below, upto] where many scores are equal."""
    said = {name: value for name, value in group._asdict().items() if value is not None}
    points = [
        (score, *dict.fromkeys(standing))
        for score, standing in zip(quantiles.scores, quantiles.standings, strict=True)
    ]
    return said | {"documents": quantiles.documents, "points": points}


def _read(row: Mapping[str, Any]) -> tuple[Group, Quantiles]:
    group = Group(row["source"], row["format"], row.get("language"), row.get("category"))
    scores = tuple(float(point[0]) for point in row["points"])
    standings = tuple(Standing(float(point[1]), float(point[-1])) for point in row["points"])
    return group, Quantiles(int(row["documents"]), scores, standings)
