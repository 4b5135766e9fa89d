"""Texts put together at random from phrases of our own, for what no permissive source gives enough of:
Chinese headlines, posts, short reviews and questions; advertisements and blurbs in both languages.
And texts that we wrote whole (own.yaml, articles.yaml).

Made texts teach a form (a headline leaves out its verb's particles, a blurb says "one tap"), not the world:
they are a small part of their classes, and none of them is ever measured on.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

REPEATS = 5  # few articles stand against many examinations


@cache
def phrases() -> dict[str, Any]:
    """phrases.yaml: patterns with {blanks}, the words that fill them, and the phrases of rubbish."""
    found: dict[str, Any] = yaml.safe_load(
        Path(__file__).with_name("phrases.yaml").read_text(encoding="utf-8")
    )
    return found


def own() -> Iterator[dict[str, Any]]:
    """Records of own.yaml, to be taught once, and of articles.yaml, REPEATS times: `times` says so."""
    for file, times in (("own.yaml", 1), ("articles.yaml", REPEATS)):
        texts = yaml.safe_load(Path(__file__).with_name(file).read_text(encoding="utf-8"))
        for lang, categories in texts.items():
            for category, written in categories.items():
                about = {"lang": lang, "category": category, "source": "own texts", "licence": "made here"}
                yield from ({"text": text, "times": times} | about for text in written)


def compose(seed: int = 1) -> Iterator[dict[str, Any]]:
    """Records of all kinds; the same seed gives the same texts."""
    for kind in phrases()["patterns"]:
        lang, lines, body = kind["lang"], kind["lines"], kind["body"]
        long = body or kind["category"] == "product"
        glue = " " if lang == "en" else ""
        about = {"lang": lang, "category": kind["category"], "source": "composed", "licence": "made here"}
        for number in range(kind["count"]):
            draw = random.Random(f"{seed}{lang}{kind['seed']}{number}")
            size = draw.choice((2, 3, 4, 6) if body else (1, 1, 2, 3, 5)) if long else 1
            if body:
                chosen = draw.sample(lines, size)
            else:
                chosen = [lines[number % len(lines)], *draw.sample(lines, size - 1)]
            yield {"text": glue.join(fill(line, draw) for line in chosen)} | about


def fill(pattern: str, draw: random.Random) -> str:
    """Every {blank} filled; in English a hyphen in a filler stands for a space."""
    words = phrases()["words"]

    def word(match: re.Match[str]) -> str:
        name = match[1] if match[1] in words else match[1].removesuffix("二").removesuffix("2")
        chosen = str(draw.choice(words[name]))
        return chosen.replace("-", " ") if name.isascii() else fill(chosen, draw)

    return re.sub(r"\{([^}]+)\}", word, pattern)
