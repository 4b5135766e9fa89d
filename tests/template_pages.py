"""Pages of one template, of a likeness that is chosen; some of them copies of another in all but a part."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts import Document
from services.dedup import Deduplicator
from services.dedup.shingles import SHINGLE
from services.runtime import Drop, Emit
from tests.near_duplicates import document, retractions

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Crowd:
    """twins: uids of pairs that are near-duplicates; all others are not."""

    pages: Sequence[Document]
    twins: Sequence[tuple[int, int]]


def words(rng: random.Random, characters: int) -> list[str]:
    """Words of letters at random, about so many characters with the spaces between them."""
    made: list[str] = []
    while characters > 0:
        word = "".join(rng.choices(LETTERS, k=rng.randint(3, 9)))
        made.append(word)
        characters -= len(word) + 1
    return made


def jaccard(a: str, b: str) -> float:
    """Of the shingles of two texts, by counting them."""
    one, other = ({text[i : i + SHINGLE] for i in range(len(text) - SHINGLE + 1)} for text in (a, b))
    return len(one & other) / len(one | other)


def texts(rng: random.Random, count: int, alike: float, size: int = 3000) -> Iterator[list[str]]:
    """Pages as words: two paragraphs of the template around each paragraph that is the page's own.

    Of two pages with a share o of their own, J = (1 - o) / (1 + o).
    """
    own = (1 - alike) / (1 + alike)
    template = [words(rng, int(size * (1 - own) / 6)) for _ in range(6)]
    for _ in range(count):
        yield [part for each in template for part in (*each, *words(rng, int(size * own / 6)))]


def crowd(seed: int, count: int, alike: float, pairs: int = 0, twin: float = 0.87, size: int = 3000) -> Crowd:
    """count pages with J of about `alike`, in any order, among them `pairs` with a J of about `twin`."""
    rng = random.Random(seed)
    made = [" ".join(page) for page in texts(rng, count - pairs, alike, size)]
    own = (1 - alike) / (1 + alike)
    twins = []
    for number in rng.sample(range(len(made)), pairs):
        twins.append((number, len(made)))
        made.append(_twin(rng, made[number], (1 - twin) / (1 + twin), own))
    uids = [rng.getrandbits(64) | 1 for _ in made]
    order = rng.sample(range(len(made)), len(made))
    pages = [document(uids[i], made[i], rng.random(), offset) for offset, i in enumerate(order)]
    return Crowd(pages, [(uids[a], uids[b]) for a, b in twins])


def _twin(rng: random.Random, text: str, changed: float, own: float) -> str:
    """The same page with this share of its text written anew, in the parts that are its own."""
    parts = text.split(" ")
    for sixth in range(6):
        end = (sixth + 1) * len(parts) // 6
        fresh = words(rng, int(len(text) * changed / 6))
        parts[end - len(fresh) : end] = fresh
    return " ".join(parts)


@dataclass
class Judged:
    """dead: uids that dropped or were retracted. missed, spared: as the metrics of crowds say, summed."""

    dead: set[int]
    missed: float
    spared: float

    def add(self, later: Judged) -> None:
        """What became of further pages."""
        self.dead |= later.dead
        self.missed += later.missed
        self.spared += later.spared


def judged(judge: Deduplicator, pages: Sequence[Document], batch: int = 500) -> Judged:
    """What became of pages, in batches."""
    dead: set[int] = set()
    missed = spared = 0.0
    for start in range(0, len(pages), batch):
        part = pages[start : start + batch]
        for page, verdict in zip(part, judge(part), strict=True):
            assert isinstance(verdict, Emit | Drop)
            if isinstance(verdict, Drop):
                dead.add(page.uid)
            dead |= {each.uid for each in retractions(verdict)}
            missed += sum(verdict.observed.get("dedup_crowd_missed", ()))
            spared += sum(verdict.observed.get("dedup_crowd_spared", ()))
    return Judged(dead, missed, spared)
