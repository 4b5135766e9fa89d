"""Twenty thousand pages and bodies of odds and ends through parse: a text or a reason, and no time that
runs away.

SOAK_SCALE=0.05 makes it smaller.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from contracts import Document
from services.parse import SERVICE
from services.parse.config import DROP_REASONS, ParseConfig
from services.runtime import Drop, Emit, Resources, Settings
from tests.unit.parse.odd_pages import ATTRIBUTES, TAGS, WORDS, odd_page

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

PAGES = round(20_000 * float(os.environ.get("SOAK_SCALE") or 1))
MIXED = round(1_000 * float(os.environ.get("SOAK_SCALE") or 1))
LONGEST = 2.0  # CPU seconds for a page, on a busy machine; most take a thousandth
SMALL, TIMES = 20_000, 4  # characters, and the factor to the large one
MOST = 3.0 * TIMES  # linear time is 4 times as much; quadratic time 16
FIXED = 0.1  # CPU seconds beside which a ratio says something


@pytest.fixture(scope="module")
def parse():
    return SERVICE.build(ParseConfig(), Resources(Settings()))


def seconds_of(parse, body: bytes, media_type: str = "text/html") -> float:
    begun = time.process_time()
    [found] = parse([Document(id="a", body=body, media_type=media_type)])
    took = time.process_time() - begun
    assert isinstance(found, Emit) or (isinstance(found, Drop) and found.reason in DROP_REASONS)
    if isinstance(found, Emit):
        assert found.document.text.strip()
        assert "\x00" not in found.document.text
    return took


def test_odd_pages_end_in_a_text_or_a_reason(parse):
    """Prevents dead letters from pages that no one thought of."""
    rng = random.Random(14)
    for number in range(PAGES):
        body = odd_page(rng)
        assert seconds_of(parse, body, rng.choice(("text/html", "text/html", ""))) < LONGEST, (number, body)


@pytest.mark.parametrize(
    "piece", [*(f"<{tag}{a}>x" for tag in TAGS for a in ("", ATTRIBUTES[4])), *WORDS, *ATTRIBUTES[3:]]
)
def test_one_thing_many_times_takes_linear_time(parse, piece):
    """Prevents a page of one thing on end from taking quadratic time."""
    _takes_linear_time(parse, "<p>Words to keep. ", piece)


def test_a_few_things_many_times_take_linear_time(parse, seed):
    """Prevents the same of things that are harmless each by itself: listings in each other in a cell."""
    rng = random.Random(seed)
    tags = [f"<{tag}{attribute}>" for tag in TAGS for attribute in ATTRIBUTES]
    for _ in range(MIXED):
        pieces = [rng.choice(rng.choice((tags, tags, WORDS))) for _ in range(rng.randint(2, 4))]
        before = rng.choice(
            ("<p>Words to keep. ", "<div class=post>", "<pre>", "<table><tr><td>a<td>b<tr><td>")
        )
        _takes_linear_time(parse, before, "".join(pieces))


def _takes_linear_time(parse, before: str, piece: str) -> None:
    small, large = (
        f"<html><body>{before}{piece * (size // len(piece))}".encode() for size in (SMALL, SMALL * TIMES)
    )
    first = min(seconds_of(parse, small) for _ in range(2))
    if (longer := seconds_of(parse, large)) >= MOST * first + FIXED:
        longer = min(longer, seconds_of(parse, large))
    assert longer < MOST * first + FIXED, (before, piece)
    assert longer < LONGEST, (before, piece)
