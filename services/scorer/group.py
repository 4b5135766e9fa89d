"""What is known of a group of documents, and how a batch of it is ranked. Pure.

A group is (source, language, format, category). The source names what made the scores, with its version:
"judge@3", "formats@1". Raw scores of two models are not comparable, so a new version begins with sketches
of its own and meets none of the old. The kept share does not jump: among documents that come in by chance,
ranks are evenly spread however few came before, so no threshold waits for a history. Replicas that still
run the old version go on with its sketches, which serve a roll-back too, until they expire.

A sketch covers all documents of its group that ever came in; it does not forget. Where a source drifts,
ranks drift with it: what is kept is the best of everything so far.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.scorer.sketch import Scores, Sketch, Standing

# How far a threshold may be from its percentile to make the count of what is kept come out right. A document
# comes above a percentile by chance, so of 5000 a share of 30 % would be missed by 0.65 points (one standard
# deviation, binomial); with this it is missed by a few documents, and no document's fate moves by 2 points.
SLACK = 0.02
_HEAD = struct.Struct("<dQQ")


class Group(NamedTuple):
    """Documents that are ranked among each other."""

    source: str
    language: str
    format: str
    category: str


@dataclass(frozen=True, slots=True)
class Account:
    """Of the documents that came in since the group's share is what it is, how many were kept."""

    share: float
    seen: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """What is stored of a group. Treat both as values: a sketch that is in a State is not written to."""

    sketch: Sketch
    account: Account

    @property
    def data(self) -> bytes:
        """For a store."""
        return _HEAD.pack(self.account.share, self.account.seen, self.account.kept) + self.sketch.data

    @classmethod
    def load(cls, data: bytes) -> State:
        """What `data` gave. Raises ValueError for anything else."""
        if len(data) < _HEAD.size:
            raise ValueError(f"{len(data)} bytes are too few")
        return cls(Sketch.load(data[_HEAD.size :]), Account(*_HEAD.unpack_from(data)))


@dataclass(frozen=True, slots=True)
class Ranked:
    """A batch of one group. A document whose place is below the threshold is not kept, unless it was before.

    count: documents ever seen in the group, this batch included.
    """

    standings: Sequence[Standing]
    places: Scores
    kept: npt.NDArray[np.bool_]
    threshold: float
    count: int


def rank(
    scores: Scores,
    lots: Scores,
    fates: Sequence[bool | None],
    old: State | None,
    *,
    share: float,
    k: int,
    min_below: float,
) -> tuple[State, Ranked]:
    """Put a batch in, then rank it: the first documents of a group are ranked among each other.

    lots: 0..1 for each, which decides among equal scores. fates: whether it was kept when it came before,
    None at first sight; the first judgement stands, and what came before goes into no sketch again. share: to
    be kept. min_below: see ScorerConfig.
    """
    fresh = np.array([fate is None for fate in fates])
    if old is None:
        sketch = Sketch.of(scores, k)  # of documents that came before too, when the sketch is lost
    elif fresh.any():
        sketch = Sketch.of(scores[fresh], k)  # a fresh one, so that a changed k takes hold
        sketch.merge(old.sketch)
    else:
        sketch = old.sketch
    standings = [sketch.standing(score) for score in scores.tolist()]
    places = np.array([each.place(lot) for each, lot in zip(standings, lots.tolist(), strict=True)])
    account = old.account if old is not None and old.account.share == share else Account(share)
    threshold = 0.0
    if share < 1 and sketch.count * (1 - share) >= min_below:
        threshold = choose_threshold(places[fresh], account)
    kept = np.where(fresh, places >= threshold, [fate is True for fate in fates])
    seen, stay = int(fresh.sum()), int(kept[fresh].sum())
    account = Account(share, account.seen + seen, account.kept + stay)
    return State(sketch, account), Ranked(standings, places, kept, threshold, sketch.count)


def choose_threshold(places: Scores, account: Account) -> float:
    """Within SLACK of the percentile, that which brings the count of what is kept nearest to the share."""
    percentile = 1 - account.share
    due = account.share * (account.seen + len(places)) - account.kept
    number = min(max(round(due), 0), len(places))
    wanted = np.sort(places)[len(places) - number] if number else np.inf
    return float(min(max(wanted, percentile - SLACK, 0.0), percentile + SLACK))
