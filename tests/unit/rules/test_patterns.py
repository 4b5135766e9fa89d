"""Patterns that stand on end, against a plain count; and what looks like one and is good text."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from services.rules.page import Page
from services.rules.patterns import LEAST, LONGEST, pattern_repeats
from services.rules.repetition import ngram_shares
from services.rules.unit import measure
from services.runtime import Drop, Emit, Judge
from tests.unit.rules.test_unit import _one, judge

__all__ = ["judge"]  # a fixture


def plainly(tokens: list[str]) -> int:
    """Of any pattern of at most 13 tokens at any place."""
    most = 0
    for period in range(1, LONGEST + 1):
        for start in range(len(tokens)):
            end = start + period
            while end < len(tokens) and tokens[end] == tokens[end - period]:
                end += 1
            most = max(most, (end - start) // period)
    return most


@pytest.mark.parametrize("seed", range(40))
def test_patterns_are_counted_wherever_they_stand(seed: int) -> None:
    """Prevents a pattern from being missed between the places that are looked at first."""
    rng = random.Random(seed)
    noise = [f"w{rng.randrange(200)}" for _ in range(rng.randrange(300))]
    pattern = [f"p{rng.randrange(30)}" for _ in range(rng.randrange(1, LONGEST + 1))]
    times = rng.choice([LEAST - 1, LEAST, LEAST + 1, 3 * LEAST])
    at = rng.randrange(len(noise) + 1)
    tokens = [*noise[:at], *pattern * times, *pattern[: rng.randrange(len(pattern))], *noise[at:]]
    expected = plainly(tokens)
    assert expected >= times
    found = pattern_repeats(Page(" ".join(tokens)))
    assert found == (expected if expected >= LEAST else 0)
    if found:
        page = Page(" ".join(tokens))
        assert measure(page, *ngram_shares([page]))["pattern_repeats"] == found


@pytest.mark.parametrize(
    "text",
    [
        "=" * 400,
        "-" * 80 + "\n" + "+---" * 40 + "+\n" + "|   " * 40 + "|",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "a b " * 31,
        "",
        "一句话，" * 31,
    ],
)
def test_rulers_and_short_repeats_are_no_pattern(text: str) -> None:
    """Prevents drawings, borders and the zeros of base64 from being taken for one."""
    assert pattern_repeats(Page(text)) == 0


def test_a_table_of_zeros_in_code_stays_and_a_heap_of_them_goes(judge: Judge) -> None:
    """Prevents a decoder's tables from being dropped from its source."""
    code = "static const uint8_t sizes[] = {{\n" + "{}" + "}};\nint main(void) {{\n    return sizes[1];\n}}\n"
    few = code.format("    0, 0, 0, 0, 0, 0, 0, 0,\n" * 12)
    many = code.format("    0, 0, 0, 0, 0, 0, 0, 0,\n" * 60)
    assert isinstance(_one(judge, few, media_type="text/x-c")[1], Emit)
    verdict = _one(judge, many, media_type="text/x-c")[1]
    assert isinstance(verdict, Drop)
    assert (verdict.reason, verdict.measured, verdict.threshold) == ("repeated_pattern", 480.0, 255.0)


def test_the_projects_own_documents_have_none() -> None:
    for path in Path(__file__).parents[3].glob("*.md"):
        assert pattern_repeats(Page(path.read_text(encoding="utf-8"))) == 0
