"""What others' documented examples find of the same pairs, side by side with dedup.

Each as its documentation calls it, with the classes of datasketch: datasketch's own (the set of words, 128
permutations, an index for a likeness of 0.5), text-dedup's settings (five words in a row, 250 permutations,
0.7), and datatrove's (five words in a row, 14 bands of 8, and whoever meets is a copy). A method is asked
whether it would drop the second text of a pair. Pairs are of real texts, changed in the ways that such
examples show; the last row of each language is two texts that have nothing to do with each other, and what is
found there is lost. No target is set: their thresholds are others, and the table says what follows from that.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.dedup.sketch import sketch
from tests.benchmarks.figures import Figure
from tests.benchmarks.likeness import CONFIG, TEXTS, in_html, on_a_page, texts, what_is_compared, wrapped
from tests.planted import found

NUM, CHARACTERS = 60, 1_500
_NO_WORD = re.compile(r"\W+")
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Rival:
    """words: in a row. threshold: of its index, or bands and rows."""

    name: str
    words: int
    permutations: int
    threshold: float = 0.0
    params: tuple[int, int] | None = None

    def finds(self, pairs: Pairs) -> float:
        """Share of the pairs."""
        from datasketch import MinHashLSH

        hits = 0
        for one, other in pairs:
            index = MinHashLSH(
                threshold=self.threshold or 0.9, num_perm=self.permutations, params=self.params
            )
            index.insert("one", self._signature(one))
            hits += bool(index.query(self._signature(other)))
        return hits / len(pairs)

    def _signature(self, text: str) -> object:
        from datasketch import MinHash

        words = [word for word in _NO_WORD.split(text.lower()) if word]
        made = MinHash(num_perm=self.permutations)
        made.update_batch(
            {
                " ".join(words[at : at + self.words]).encode()
                for at in range(max(1, len(words) - self.words + 1))
            }
        )
        return made


RIVALS = (
    Rival("datasketch", 1, 128, 0.5),
    Rival("text-dedup", 5, 250, 0.7),
    Rival("datatrove", 5, 112, params=(14, 8)),
)


def ours(language: str, pairs: Pairs) -> float:
    """Share of the pairs."""
    one, other = (what_is_compared([pair[at] for pair in pairs], language) for at in (0, 1))
    same = np.array([a.exact == b.exact for a, b in zip(one, other, strict=True)])
    signed = [sketch([each.text for each in side], CONFIG.bands, CONFIG.rows) for side in (one, other)]
    return float((same | found(signed[0], signed[1], CONFIG.threshold)).mean())


def reworded(share: float) -> Callable[[str], str]:
    """With such a share of its words, or of single Chinese characters, written otherwise."""

    def change(text: str) -> str:
        rng = random.Random(len(text))
        pieces = re.findall(r"[一-鿿]|\w+|\W", text)
        words = [at for at, piece in enumerate(pieces) if re.match(r"\w", piece)]
        for at in rng.sample(words, max(1, round(len(words) * share))):
            pieces[at] = "".join(rng.choice("qxzvk") for _ in pieces[at])
        return "".join(pieces)

    return change


CHANGES: dict[str, Callable[[str], str]] = {
    "two words of twelve changed": reworded(1 / 6),
    "a word in fifty changed": reworded(1 / 50),
    "another line at the end": lambda text: f"{text}\nTo be continued.",
    "in HTML": in_html,
    "on a page": on_a_page,
    "wrapped": wrapped,
}


def run() -> Iterator[Figure]:
    """By language and change, the share that each finds."""
    if not TEXTS.exists():
        return
    given = texts()
    for language in ("en", "zh"):
        few = [text[:CHARACTERS] for text in given[language][:NUM]]
        kinds = {name: [(text, change(text)) for text in few] for name, change in CHANGES.items()}
        kinds["two texts"] = list(zip(few, few[1:] + few[:1], strict=True))
        for kind, pairs in kinds.items():
            yield Figure(f"examples: {language}, {kind}, dedup", ours(language, pairs) * 100, "% found")
            for rival in RIVALS:
                name = f"examples: {language}, {kind}, {rival.name}"
                yield Figure(name, rival.finds(pairs) * 100, "% found")
