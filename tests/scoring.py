"""Documents with a raw score, tables for them, and what became of them; for tests of the scorer."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from contracts import Document
from services.runtime import Drop, Emit, Verdict
from services.scorer import Calibration, Census, KeepRule, Scorer, ScorerConfig

# The domains of a stream and what is to be kept of each: by share, by demand, by default.
KEEP = (
    KeepRule(category="math", share=0.8),
    KeepRule(category="news", share=0.3),
    KeepRule(category="book", need=1e9, supply=5e8, max_epochs=4),
    KeepRule(format="prose", share=0.95),
)
TARGETS = {"math": 0.8, "news": 0.3, "book": 0.5, "web": 0.95}


def document(
    rng: random.Random, category: str, score: float, *, version: int = 1, language: str = "en"
) -> Document:
    """As the classifier leaves it; its uid is drawn."""
    made = Document(uid=rng.getrandbits(64) | 1, category=category, language=language, format="prose")
    made.features["judge.quality"] = score
    made.features["judge_version"] = version
    return made


def stream(count: int, seed: int = 0, *, version: int = 1, shift: float = 0.0) -> list[Document]:
    """Domains mixed, each with a distribution of scores of its own; some scores are many times the same."""
    rng = random.Random(seed)
    draw = {
        "math": lambda: rng.gauss(3, 1),
        "news": lambda: rng.expovariate(1) - 8,
        "book": lambda: round(rng.gauss(0, 1), 1),  # a hundred different scores: ties
        "web": lambda: rng.choice((rng.gauss(-2, 0.3), rng.gauss(2, 0.3))),
    }
    names = list(draw)
    return [
        document(rng, name, draw[name]() + shift, version=version)
        for name in rng.choices(names, weights=(1, 2, 1, 1), k=count)
    ]


def no_encoder() -> None:
    """For a scorer after a classifier: whoever opens a model has made a second pass."""
    raise AssertionError("the scorer asked a model, though the classifier had left the score")


def calibration(documents: Iterable[Document], least: int = 200) -> Calibration:
    """A table of these documents alone."""
    census = Census(ScorerConfig())
    for each in documents:
        census.add(each)
    return census.calibration(least=least)


def scorer(table: Calibration, **settings: object) -> Scorer:
    """One replica, which must not ask a model."""
    return Scorer(table, no_encoder, ScorerConfig(**settings))  # type: ignore[arg-type]


def batches(
    documents: Sequence[Document], seed: int = 0, sizes: tuple[int, int] = (1, 900)
) -> Iterator[list[Document]]:
    """The stream cut into batches of any size."""
    rng = random.Random(seed)
    at = 0
    while at < len(documents):
        size = rng.randint(*sizes)
        yield list(documents[at : at + size])
        at += size


def kept_shares(documents: Sequence[Document], verdicts: Sequence[Verdict]) -> Mapping[str, float]:
    """By category."""
    seen: Counter[str] = Counter()
    kept: defaultdict[str, int] = defaultdict(int)
    for each, verdict in zip(documents, verdicts, strict=True):
        assert isinstance(verdict, Emit | Drop)
        seen[each.category] += 1
        kept[each.category] += isinstance(verdict, Emit)
    return {name: kept[name] / seen[name] for name in seen}


def true_ranks(scores: Sequence[float]) -> dict[float, float]:
    """The exact mid-rank of each score among all."""
    counts = Counter(scores)
    below, found = 0, {}
    for score in sorted(counts):
        found[score] = (below + counts[score] / 2) / len(scores)
        below += counts[score]
    return found
