"""Of a million documents that have nothing to do with each other, how many drop.

Simulated, without their texts: each is a set of shingles, of which some are its own, some are of those that
all use, and some are of a theme, so that pairs are as alike as real ones are, of one language, one subject
or one library. Their signatures are those of dedup, and whoever shares a band is compared as there, but
without the margin that a crowd asks for. How alike pairs of real texts are is told beside it, where these
are beside the checkout: made ones have to be the liker of the two.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.dedup import entry, fine_sketch
from services.dedup.entry import Entry, compare_each
from services.dedup.shingles import Words, mix, shingles
from services.dedup.sketch import _FINISH, BITS, _minima, band_keys
from tests.benchmarks.figures import Figure
from tests.benchmarks.likeness import CONFIG, LONGEST, SHORTEST, TEXTS, what_is_compared

NUM, SIZE, CHUNK = 1_000_000, 400, 5_000  # documents, shingles of each, documents at a time
COMMON, THEMES, THEME = 440, 200, 200  # shingles that all use; themes; shingles of each
COMMON_SHARE, THEMES_SHARE = (2, 3), (1, 2)  # how much of a document they are, as beta distributions
SAMPLE, PAIRS = 500, 20_000  # texts a language; pairs of which the likeness is taken
KEPT = 16  # under one key: so many others does a band keep
QUANTILES = (0.5, 0.99, 0.999, 0.9999)
UNLIKE = 0.4  # real pairs that are liker are copies or versions


def real() -> dict[str, list[Words]]:
    """The shingles of real texts, distinct, by language."""
    with gzip.open(TEXTS, "rt", encoding="utf-8") as lines:
        items = [json.loads(line) for line in lines]
    found, rng = {}, random.Random(0)
    for language in ("zh", "en", "code"):
        texts = [i["text"][:LONGEST] for i in items if i["lang"] == language and len(i["text"]) >= SHORTEST]
        sample = what_is_compared(rng.sample(texts, min(SAMPLE, len(texts))), language)
        found[language] = [np.unique(shingles([each.text])[0]) for each in sample]
    return found


def likeness(sets: Sequence[Words]) -> npt.NDArray[np.float64]:
    """Exactly, of pairs at random."""
    rng, found = random.Random(1), []
    for _ in range(PAIRS):
        one, other = (sets[at] for at in rng.sample(range(len(sets)), 2))
        both = len(np.intersect1d(one, other, assume_unique=True))
        found.append(both / (len(one) + len(other) - both))
    return np.array(found)


class Made:
    """Documents in which shingles come again that all of them use, and those of a theme."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self._common = self._rng.integers(0, 1 << 63, COMMON, dtype=np.uint64)
        self._themes = self._rng.integers(0, 1 << 63, (THEMES, THEME), dtype=np.uint64)

    def shingles(self, number: int) -> Words:
        """(number, SIZE), of which the same may come again."""
        rng, shape = self._rng, (number, SIZE)
        own = rng.integers(0, 1 << 63, shape, dtype=np.uint64)
        common = self._common[rng.integers(0, COMMON, shape)]
        theme = self._themes[rng.integers(0, THEMES, (number, 1)), rng.integers(0, THEME, shape)]
        chance, themes = rng.random(shape), rng.beta(*THEMES_SHARE, (number, 1))
        rest = themes + (1 - themes) * rng.beta(*COMMON_SHARE, (number, 1))
        return np.where(chance < themes, theme, np.where(chance < rest, common, own))


@dataclass
class Signed:
    """Of NUM documents: packed entries without a uid (NUM, entries.SIZE), and band keys (NUM, bands)."""

    entries: npt.NDArray[np.uint8]
    keys: Words

    def entry(self, number: int) -> Entry:
        """By the number of a document."""
        return Entry.unpack(number, self.entries[number].tobytes())


def signed(made: Made) -> Signed:
    """As dedup signs them."""
    head = Entry(0, 0.5, 0, round(CONFIG.threshold * 200), bytes(6), bytes(BITS // 8)).pack()[: entry.HEAD]
    found = Signed(np.empty((NUM, entry.SIZE), np.uint8), np.empty((NUM, CONFIG.bands), np.uint64))
    found.entries[:, : entry.HEAD] = np.frombuffer(head, np.uint8)
    for start in range(0, NUM, CHUNK):
        sets = made.shingles(CHUNK)
        least = _minima(sets.reshape(-1), np.repeat(np.arange(CHUNK), SIZE), CHUNK)
        mixed = mix(least, _FINISH)
        own = found.entries[start : start + CHUNK]
        own[:, entry.HEAD :][:, : BITS // 8] = np.packbits(mixed[:, :BITS] >> np.uint64(63) > 0, axis=1)
        own[:, entry.HEAD + BITS // 8 :] = [fine_sketch.fine_sketch(each) for each in sets]
        found.keys[start : start + CHUNK] = band_keys(mixed, CONFIG.bands, CONFIG.rows)
    return found


def met(keys: Words) -> dict[int, set[int]]:
    """By document, those before it that share a key; of each key no more than KEPT."""
    found: dict[int, set[int]] = defaultdict(set)
    for band in keys.T:
        order = np.argsort(band, kind="stable")
        same = band[order]
        starts = np.flatnonzero(np.concatenate([[True], same[1:] != same[:-1]]))
        lengths = np.diff([*starts, len(same)])
        for start, length in zip(starts[lengths > 1].tolist(), lengths[lengths > 1].tolist(), strict=True):
            members = order[start : start + length].tolist()
            for at in range(1, length):
                found[members[at]].update(members[max(0, at - KEPT) : at])
    return found


def run() -> Iterator[Figure]:
    """All figures."""
    made = Made()
    ours = likeness([np.unique(each) for each in made.shingles(2_000)])
    theirs = {language: likeness(sets) for language, sets in real().items()} if TEXTS.exists() else {}
    for share in QUANTILES:
        here = np.quantile(ours, share)
        yield Figure(f"strangers: likeness that {1 - share:.2%} of pairs have, made", here, "")
        for language, pairs in theirs.items():
            there = np.quantile(pairs[pairs < UNLIKE], share)
            name = f"strangers: likeness that {1 - share:.2%} of pairs have, {language}"
            yield Figure(name, there, "", f"<= {here:.3f}", bool(there <= here))
    documents = signed(made)
    found = met(documents.keys)
    yield Figure(f"strangers: met at {NUM:,}", sum(map(len, found.values())) / NUM, "a document")
    cases = (
        (documents.entry(uid), {other: documents.entries[other].tobytes() for other in others})
        for uid, others in found.items()
    )
    likest = np.array([0.0, *(each.similarity.max() for each in compare_each(cases))])
    yield Figure("strangers: the likest that any is taken for", likest.max(), "")
    drops = int((likest >= CONFIG.threshold).sum())
    yield Figure(
        f"strangers: falsely dropped of {NUM:,}", drops / NUM, "of all", "< 1e-4", drops < NUM / 10_000
    )
