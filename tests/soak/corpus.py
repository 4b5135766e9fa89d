"""Documents that a river finds hard: chains of near-duplicates, exact copies, large ones and poison."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from tests import corpus

POISONS = ("raise", "die", "reject", "exit", "short", "drop")  # what tests.units.POISONED does with them
_LARGE_CHARS = 1_500_000  # of text: more than a message may hold
_LINK = 6  # documents in a chain
_CHANGED = 0.06  # words made new from one link to the next: neighbours are near-duplicates, ends are not


def rows(number: int, seed: int) -> Iterator[dict[str, str]]:
    """{"id", "text"}: a fifth in chains, 1 % exact copies, 1 in 400 poison, 1 in 1000 large."""
    random_ = random.Random(seed)
    made = [row["text"] for row in corpus.documents(number, seed=seed, duplicates=0.0)]
    spare = " ".join(made[1::3][:200]).split()
    texts: list[str] = []
    for text in made:
        if len(texts) >= number:
            break
        draw = random_.random()
        if draw < 1 / 30:
            texts += _chain(text, spare, random_)
        elif draw < 1 / 30 + 0.01 and texts:
            texts.append(random_.choice(texts))
        elif draw < 1 / 30 + 0.0125:
            texts.append(f"{random_.choice(POISONS)} {random_.getrandbits(60)}")
        elif draw < 1 / 30 + 0.0135:
            texts.append("\n\n".join(random_.sample(made, min(len(made), _LARGE_CHARS // 900))))
        else:
            texts.append(text)
    texts = texts[:number]
    random_.shuffle(texts)
    for index, text in enumerate(texts):
        yield {"id": f"soak-{seed}-{index:06d}", "text": text}


def write(path: Path, number: int, seed: int) -> Path:
    """As a file, a line each."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows(number, seed):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def _chain(text: str, spare: list[str], random_: random.Random) -> list[str]:
    links = [text]
    for _ in range(_LINK - 1):
        words = links[-1].split(" ")
        for at in random_.sample(range(len(words)), max(1, round(len(words) * _CHANGED))):
            words[at] = random_.choice(spare)
        links.append(" ".join(words))
    return links
