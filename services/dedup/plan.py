"""What thresholds and bands find, and what an index of so many documents takes; before anything is run.

The S-curve is 1 - (1 - J^rows)^bands, blurred at the threshold by the error of the estimate (fine_sketch.py).
Strangers are pairs that share a key and nothing else. What another threshold would leave of a corpus that is
there is read off its archive: each document that dropped for a near-duplicate says how alike they were, each
that stayed how near the nearest was. It is nearly right: who would stay at a higher threshold would drop
others in its turn, and who would drop at a lower one would not; and of pairs far apart the bands meet few.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from services.dedup import cold, foreign
from services.dedup.config import DedupConfig
from services.dedup.fine_sketch import foreign_error
from services.dedup.sketch import KEY_BITS

# Of Redis, signatures included: `python -m tests.benchmarks dedup`. A text of 101 to 160 characters has keys
# of both kinds, 150 bytes more: where half the texts are short it is 420.
BYTES_A_DOCUMENT = 390
BYTES_A_BAND = 12.5  # of these
_BANDS = 12  # with which these bytes were measured
CPU_MS = 0.4  # for query and insert, client and server together
_ERROR = 0.065  # of the estimate, by the part that differs: 0.013 at J = 0.8, of a long text
_UID = re.compile(r"\buid ([0-9a-f]{16})")
_STEPS = 200  # of likeness, over which the recall is averaged


def s_curve(likeness: float, config: DedupConfig) -> float:
    """Chance that two such documents meet in a band."""
    return float(1 - (1 - likeness**config.rows) ** config.bands)


def standard_error(likeness: float, config: DedupConfig) -> float:
    """Of the estimate of a pair that is so alike."""
    if config.foreign:
        return foreign_error(likeness, config.foreign.num_perm, foreign.BITS)
    return _ERROR * (1 - likeness)


def found(likeness: float, threshold: float, config: DedupConfig) -> float:
    """Chance that two such documents are taken for near-duplicates."""
    passes = 1 - NormalDist(likeness, max(standard_error(likeness, config), 0.001)).cdf(threshold)
    return s_curve(likeness, config) * passes


@dataclass(frozen=True)
class Cold:
    """bytes: of Redis, where one filter holds them all. finds: chance to drop, by likeness to one there.

    false: chance that a document drops that is like nothing there.
    """

    documents: float
    bytes: float
    finds: Mapping[str, float]
    false: float


def cold_of(documents: float, config: DedupConfig) -> Cold | None:
    """Of so many; None where there are none."""
    if documents < 1:
        return None
    keys = documents * config.bands
    full = cold.Filter(0, cold.pages_for(keys), round(keys))
    enough = cold.needed(config.threshold, config)
    finds = {
        f"{alike:g}": cold.at_least(enough, config.bands, min(alike**config.rows + full.seems, 1.0))
        for alike in (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
    }
    return Cold(documents, full.pages * cold.PAGE, finds, cold.false_drop([full], enough, 1, config))


@dataclass(frozen=True)
class Threshold:
    """recall: of pairs at or above it, spread evenly. false: taken for copies of pairs 0.02 to 0.1 below.

    tokens: that would be left, None where no corpus was looked at.
    """

    threshold: float
    recall: float
    false: float
    tokens: int | None = None


@dataclass(frozen=True)
class Index:
    """strangers: met under a key by chance, a document. bytes: of Redis; core_hours: of client and server."""

    documents: float
    strangers: float
    bytes: float
    core_hours: float


def index_of(documents: float, config: DedupConfig) -> Index:
    """Of so many documents."""
    each = BYTES_A_DOCUMENT + (config.bands - _BANDS) * BYTES_A_BAND
    strangers = config.bands * documents / 2**KEY_BITS
    return Index(documents, strangers, documents * each, documents * CPU_MS / 3.6e6)


def threshold_of(threshold: float, config: DedupConfig, tokens: int | None = None) -> Threshold:
    """What is to be expected of it."""
    above = [threshold + (1 - threshold) * (step + 0.5) / _STEPS for step in range(_STEPS)]
    below = [threshold - 0.1 + 0.08 * (step + 0.5) / _STEPS for step in range(_STEPS)]
    recall = sum(found(each, threshold, config) for each in above) / _STEPS
    false = sum(found(each, threshold, config) for each in below) / _STEPS
    return Threshold(threshold, recall, false, tokens)


def tokens_by_likeness(
    drops: Iterable[Mapping[str, Any]], documents: Iterable[Mapping[str, Any]]
) -> dict[float, int]:
    """Of a corpus, by the likeness from which upwards a threshold keeps them; to three places.

    drops: those for a near-duplicate: num_tokens, measured, threshold, detail. documents: all that passed:
    uid, num_tokens, features. One that passed and was near another has taken that one back, which is among
    those that passed as well, unless a drop names it: so of the two one counts.
    """
    found: Counter[float] = Counter()
    named: set[str] = set()
    for row in drops:
        likeness = max(row["measured"] or 0.0, row["threshold"] or 0.0)
        found[round(likeness, 3)] += row["num_tokens"] or 0
        named.update(_UID.findall(row["detail"] or ""))
    for row in documents:
        likeness = 0.0 if row["uid"] in named else dict(row["features"] or {}).get("dedup_similarity", 0.0)
        found[round(likeness, 3)] += row["num_tokens"] or 0
    return dict(found)


def tokens_left(seen: Mapping[float, int], thresholds: Sequence[float]) -> list[int]:
    """Of a corpus, at each of these thresholds."""
    return [sum(n for likeness, n in seen.items() if likeness < threshold) for threshold in thresholds]


def least_for(seen: Mapping[float, int], needed: float) -> float | None:
    """The least threshold that leaves so many tokens, in hundredths; None where none does."""
    steps = [step / 100 for step in range(50, 101)]
    left = tokens_left(seen, steps)
    return next((step for step, tokens in zip(steps, left, strict=True) if tokens >= needed), None)
