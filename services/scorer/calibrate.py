"""A calibration from documents that were scored: how it is made, and what the present one does with them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from contracts import Document
from services.scorer.calibration import Calibration, Quantiles, Standing, comparable
from services.scorer.config import ScorerConfig
from services.scorer.group import Group, scored
from services.scorer.keep import share_of
from services.scorer.sample import Sample

# Of fewer no group gets quantiles of its own: of 200, a share of 95 % is met within 4 points (99 %).
MIN_DOCUMENTS = 200
# Where the points lie: each percent of the lowest tenth, where thresholds are, and 2.5 points apart above.
LEVELS = (*(n / 100 for n in range(10)), *(n / 40 for n in range(4, 40)), 0.985, 0.995, 1.0)
_HEAP = 0.002  # equal scores of a smaller share are no matter


@dataclass(frozen=True, slots=True)
class Row:
    """Of a group: how many documents, the share to be kept, and what the present table keeps.

    own: whether the new table has quantiles of its own for the group.
    """

    group: Group
    documents: int
    target: float
    kept: float
    own: bool


class Census:
    """The scores of any number of documents by group, in bounded memory; the same in any order."""

    def __init__(self, config: ScorerConfig) -> None:
        self._config = config
        self._samples: defaultdict[Group, Sample] = defaultdict(Sample)
        self.passed_over = 0  # documents without a score

    def add(self, document: Document) -> None:
        """A document behind the scorer, kept or dropped by it."""
        try:
            score, group = scored(document, self._config.model, self._config.head)
        except ValueError:
            self.passed_over += 1
        else:
            self._samples[group].add(document.uid, score)

    @property
    def documents(self) -> int:
        """That have a score."""
        return sum(sample.seen for sample in self._samples.values())

    def calibration(self, former: Calibration | None = None, least: int = MIN_DOCUMENTS) -> Calibration:
        """The table. Where there are fewer than `least` documents, what the former said stays."""
        by_group: defaultdict[Group, list[Sample]] = defaultdict(list)
        for group, sample in self._samples.items():
            for wider in group.wider():
                by_group[wider].append(sample)
        merged = {group: first.merged(rest) for group, (first, *rest) in by_group.items()}
        found = {group: _quantiles(each) for group, each in merged.items() if len(each.uids) >= least}
        kept = dict(former.groups) if former is not None else {}
        return Calibration(kept | found)

    def rows(self, present: Calibration, made: Calibration) -> list[Row]:
        """What the present table does with these documents, by group."""
        found = []
        for group in sorted(self._samples):
            sample = self._samples[group]
            share = share_of(self._config.keep, group.language or "", group.format, group.category or "")
            pairs = zip(sample.scores.tolist(), sample.uids.tolist(), strict=True)
            kept = [present.rank(group, score, uid, share).kept for score, uid in pairs]
            found.append(Row(group, sample.seen, share, sum(kept) / len(kept), group in made.groups))
        return found


def _quantiles(sample: Sample) -> Quantiles:
    """The scores at LEVELS and where they stand. What ties has a heap, of which the whole width is known."""
    ascending = np.sort([comparable(score) for score in sample.scores.tolist()])
    scores = np.unique(np.quantile(ascending, LEVELS, method="inverted_cdf"))
    first, after = (np.searchsorted(ascending, scores, side) for side in ("left", "right"))
    below, upto = first / len(ascending), after / len(ascending)
    alone = (after - first == 1) | (upto - below < _HEAP)
    below, upto = np.where(alone, (below + upto) / 2, below), np.where(alone, (below + upto) / 2, upto)
    pairs = zip(below.round(5).tolist(), upto.round(5).tolist(), strict=True)
    return Quantiles(sample.seen, tuple(scores.tolist()), tuple(Standing(*pair) for pair in pairs))
