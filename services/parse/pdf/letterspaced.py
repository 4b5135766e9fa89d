"""Words whose letters are set apart, as headings are: "C H A P T E R" is one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.parse.pdf.line import Line

_APART = re.compile(r"[^\W\d_](?: [^\W\d_])+")
_SHORTEST = 4  # letters, of a word that tells
_STEP = 0.8  # of the font's height, from one letter to the next; with a space between them it is less
_VOWEL = re.compile("[aeiouyäöüéè]|[^a-z]", re.IGNORECASE)  # a word of Latin letters has one
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def closed_up(runs: Sequence[Line]) -> Sequence[Line]:
    """Runs of a page with such words written as others are. What stands between two of them is wider, and so
    makes two runs; a short word goes with a long one on its line.
    """
    apart = [run for run in runs if run.text[1:2] == " " and _APART.fullmatch(run.text) and _is_wide(run)]
    lines = {run.base for run in apart if _is_word(run.text[::2])}
    if not lines:
        return runs
    gone = {id(run) for run in apart if run.base in lines}
    return [run._replace(text=run.text[::2]) if id(run) in gone else run for run in runs]


def _is_wide(run: Line) -> bool:
    return run.right - run.left > _STEP * run.height * (len(run.text) // 2)


def _is_word(letters: str) -> bool:
    return (
        len(letters) >= _SHORTEST and _VOWEL.search(letters) is not None and letters.lower() not in _ALPHABET
    )
