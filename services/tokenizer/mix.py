"""Choose texts so that languages stand to each other, in bytes, as weights say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Mix:
    """texts: what was chosen. chosen, found: bytes by language."""

    texts: list[str]
    chosen: dict[str, int]
    found: dict[str, int]


def mix(texts: Iterable[tuple[str, str]], weights: Mapping[str, float]) -> Mix:
    """The most of the texts that has the weights; nothing twice, since a text twice is no second witness.

    texts: (language, text). Languages without a weight are left out. Of a language that has too much, texts
    are chosen by their hash: the same ones whatever the order. Raises ValueError for a weight that is not
    above 0, and for a language without texts.
    """
    import xxhash

    groups: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for language, text in texts:
        groups[language].append((xxhash.xxh3_64_intdigest(text.encode(errors="replace")), text))
    found = {name: sum(len(text.encode(errors="replace")) for _, text in groups[name]) for name in groups}
    for name, weight in weights.items():
        if not 0 < weight < float("inf"):
            raise ValueError(f"the weight of {name} is {weight}; it must be above 0")
        if not found.get(name):
            raise ValueError(f"no document is {name}; there are {', '.join(sorted(found)) or 'none'}")
    unit = min((found[name] / weight for name, weight in weights.items()), default=0.0)
    texts_chosen, chosen = list[str](), dict.fromkeys(weights, 0)
    for name, weight in weights.items():
        for _, text in sorted(groups[name]):
            size = len(text.encode(errors="replace"))
            if chosen[name] + size <= weight * unit + 0.5:  # half a byte: the division is not exact
                chosen[name] += size
                texts_chosen.append(text)
    return Mix(texts_chosen, chosen, found)
