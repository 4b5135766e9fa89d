"""Pairs of texts that are alike by a wanted Jaccard similarity, and whether the index would find them."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt

from services.dedup.entry import Entry, compare
from services.dedup.shingles import SHINGLE
from services.dedup.sketch import Sketches


def shingles_of(text: str) -> set[str]:
    """Of a text as it is compared."""
    return {text[i : i + SHINGLE] for i in range(max(1, len(text) - SHINGLE + 1))}


def jaccard(a: str, b: str) -> float:
    """Exactly, of the shingles of two texts as they are compared."""
    one, other = shingles_of(a), shingles_of(b)
    return len(one & other) / len(one | other)


def altered(rng: random.Random, text: str, likeness: float) -> str:
    """The text with pieces of 3 to 12 characters written over, the least that makes it no liker than wanted.

    The pieces are of letters that no text has. Where it is short, one piece may take it well below.
    """
    order = list(range(0, max(len(text) - 12, 1), 12))
    rng.shuffle(order)
    low, high = 0, len(order)
    pieces = ["".join(chr(0xA000 + rng.randrange(1000)) for _ in range(rng.randint(3, 12))) for _ in order]

    def written(number: int) -> str:
        made = list(text)
        for at, piece in zip(order[:number], pieces, strict=False):
            made[at : at + len(piece)] = piece
        return "".join(made)[: len(text)]

    while low < high:
        middle = (low + high) // 2
        if jaccard(text, written(middle)) <= likeness:
            high = middle
        else:
            low = middle + 1
    return written(low)


def entries(made: Sketches) -> list[Entry]:
    """Of signed texts, by uids from 1."""
    return [
        Entry(uid, 0.5, 0, 160, bytes(6), bits.tobytes(), fine.tobytes())
        for uid, (bits, fine) in enumerate(zip(made.bits, made.fine, strict=True), 1)
    ]


def alike(one: Entry, other: Entry) -> float:
    """As dedup estimates it."""
    return float(compare(one, {other.uid: other.pack()}).similarity[0])


def found(one: Sketches, other: Sketches, threshold: float) -> npt.NDArray[np.bool_]:
    """Of each pair, whether it meets in a band and passes the threshold."""
    meets = ((one.bands == other.bands) & (one.bands > 0)).any(axis=1)
    pairs = zip(entries(one), entries(other), strict=True)
    made = [compare(a, {b.uid: b.pack()}) for a, b in pairs]
    return meets & np.array([each.similarity[0] >= max(each.threshold[0], threshold) for each in made])
