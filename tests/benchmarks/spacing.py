"""How far apart documents of a cluster lie in a lane, with `spacing` and without.

`python -m tests.benchmarks.spacing FILE.svg` draws both distributions.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from contracts import Document
from services.mixer.picture import Line, Picture, Shape, Text
from services.mixer.recipe import Recipe
from services.runtime import Message
from tests.benchmarks.figures import Figure
from tests.benchmarks.sink import BUCKETS, mix

SPACING = 1 << 16  # tokens
DOCUMENTS = {"zh": 10_000, "en": 10_000, "code": 5_000}
TAIL = 0.2  # of the lane, at its end: there is less and less left to put between
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 60, 690, 50, 350
COLOURS = {"as they come": "#D55E00", "spaced": "#0072B2"}


def crawled(bucket: str, count: int, seed: int) -> list[Message]:
    """A pool as a crawl fills it: 3 documents of 10 are of clusters of 2 to 20, which come close together."""
    rng = random.Random(seed)
    coming: list[tuple[float, int, int]] = []  # when, uid, cluster
    uid = seed << 40
    while len(coming) < count:
        at, uid = float(len(coming)), uid + 1
        coming.append((at, uid, 0))
        if rng.random() < 0.04:
            founder = uid
            for _ in range(rng.randint(1, 19)):
                at, uid = at + rng.expovariate(1 / 3), uid + 1
                coming.append((at, uid, founder))
    made = []
    for offset, (_, number, cluster) in enumerate(sorted(coming)[:count]):
        size = max(1, int(rng.lognormvariate(6, 1)))
        one = Document(uid=number, cluster=cluster, num_tokens=size, language=bucket, bucket=bucket)
        made.append(Message(f"pool.{bucket}", 0, offset, None, one, 0))
    return made


def distances(lane: Sequence[Document]) -> npt.NDArray[np.int64]:
    """Tokens between the end of a document and the beginning of the next one of its cluster, ascending."""
    ended: dict[int, int] = {}
    at, found = 0, []
    whole = sum(one.num_tokens for one in lane)
    for one in lane:
        if at > (1 - TAIL) * whole:
            break
        key = one.cluster or one.uid
        if key in ended:
            found.append(at - ended[key])
        at += one.num_tokens
        ended[key] = at
    return np.sort(np.array(found, np.int64))


@cache
def measured() -> dict[str, npt.NDArray[np.int64]]:
    """The distances in the lane that the mixer makes of the same pools, by recipe."""
    found = {}
    for name, spacing in {"as they come": 0, "spaced": SPACING}.items():
        pools = {
            f"pool.{bucket}": crawled(bucket, DOCUMENTS[bucket], seed)
            for seed, bucket in enumerate(BUCKETS, start=1)
        }
        found[name] = distances(mix(pools, Recipe.load().model_copy(update={"spacing": spacing})))
    return found


def run() -> Iterator[Figure]:
    """Quantiles in tokens; the smallest is to be `spacing` or more."""
    for name, found in measured().items():
        for share in (0.01, 0.1, 0.5, 0.9):
            told = float(np.quantile(found, share))
            yield Figure(f"distance in a cluster, {name}, quantile {share}", told, "tokens")
        least = float(found[0])
        passed = least >= SPACING if name == "spaced" else None
        target = f">= {SPACING:,}" if name == "spaced" else ""
        yield Figure(f"distance in a cluster, {name}, smallest", least, "tokens", target, passed)


def picture() -> Picture:
    """Which share of the distances is at most so long, over the logarithm of the length."""
    drawn: list[Shape] = [
        Text((LEFT, 24), "Tokens from a document to the next of its cluster", size=15),
        Line((LEFT, BOTTOM), (RIGHT, BOTTOM)),
        Line((LEFT, BOTTOM), (LEFT, TOP)),
        *_grid(),
        Line((_x(SPACING), BOTTOM), (_x(SPACING), TOP), dash=5),
        Text((_x(SPACING) + 4, TOP + 10), f"spacing {SPACING:,}"),
    ]
    for row, (name, found) in enumerate(measured().items()):
        points = [(_x(float(np.quantile(found, q))), _y(q)) for q in np.linspace(0, 1, 200)]
        drawn += [Line(a, b, COLOURS[name], 2.0) for a, b in pairwise(points) if a != b]
        place = LEFT + 14, TOP + 16 + 20 * row
        drawn += [
            Line((place[0], place[1] - 4), (place[0] + 22, place[1] - 4), COLOURS[name], 2.0),
            Text((place[0] + 28, place[1]), name),
        ]
    return Picture("Distances within a cluster", WIDTH, HEIGHT, drawn)


def _grid() -> Iterator[Shape]:
    for power in range(8):
        yield Line((_x(10**power), BOTTOM), (_x(10**power), BOTTOM + 4))
        yield Text((_x(10**power), BOTTOM + 18), f"{10**power:,}", "middle", 11)
    for tenths in (0, 5, 10):
        yield Line((LEFT, _y(tenths / 10)), (RIGHT, _y(tenths / 10)), "faint")
        yield Text((LEFT - 6, _y(tenths / 10) + 4), f"{10 * tenths} %", "end", 11)


def _x(tokens: float) -> float:
    return LEFT + (RIGHT - LEFT) * float(np.log10(max(tokens, 1))) / 7


def _y(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * float(share)


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.name:55} {figure.value:12,.0f} {figure.unit} {figure.target}")
    for path in sys.argv[1:]:
        picture().write(Path(path))
