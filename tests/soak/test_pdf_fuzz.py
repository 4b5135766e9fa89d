"""Thousands of damaged PDFs: none crashes the parser, and none takes long.

SOAK_SCALE=0.05 makes it smaller.
"""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from services.parse.config import DROP_REASONS, ParseConfig, Unparseable
from services.parse.pdf import parse_pdf
from tests.unit.parse.pdf_maker import (
    Placed,
    encrypted_pdf,
    make_pdf,
    paragraph,
    pictures_pdf,
    unmapped_pdf,
    unreadable_pdf,
)

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

FILES = round(10_000 * float(os.environ.get("SOAK_SCALE") or 1))
BATCH = 100
LONGEST = 2.0  # CPU seconds for one file; most take a thousandth
STORY = "The ferry leaves at seven and comes back at nine with the post and the papers for the island. "
TOKENS = (
    b"<<",
    b">>",
    b"endobj",
    b"stream",
    b"0 R",
    b"99999999999",
    b"-1",
    b"/Kids",
    b"Tm",
    b"1e38",
    b"\x00",
)


def samples() -> list[bytes]:
    """Whole files of every kind that the unit tests make."""
    columns = paragraph(STORY * 4, width=36) + paragraph(STORY * 4, x=320, width=36)
    table = [(x, 700 - 14 * row, f"{row} {x}") for row in range(9) for x in (72, 200, 330)]
    raised: list[Placed] = [(72, 650, "10"), (84, 654, "6", 6)]
    around = [(72, 700, "the range is"), (189, 700, "as the keeper reckons it")]
    return [
        make_pdf([columns, [*table, *raised]]),
        make_pdf([paragraph(STORY * 3)] * 3, rotate=90, turn="0 1 -1 0"),
        pictures_pdf([around], [(147, 697, 39, 11)]),
        encrypted_pdf(),
        unmapped_pdf(),
        unreadable_pdf(),
    ]


def outcomes(seed: int) -> tuple[float, set[str]]:
    """(CPU seconds of the slowest, what became of them) of a batch of damaged files."""
    chance, whole = random.Random(seed), samples()
    slowest, found = 0.0, set()
    for _ in range(BATCH):
        body = damaged(chance, chance.choice(whole))
        start = time.process_time()
        try:
            parse_pdf(body, ParseConfig())
            found.add("text")
        except Unparseable as error:
            found.add(error.reason)
        slowest = max(slowest, time.process_time() - start)
    return slowest, found


def damaged(chance: random.Random, body: bytes) -> bytes:
    """A file with bytes changed, tokens written over others, and pieces doubled or lost."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(data))
        end = min(len(data), at + chance.randint(1, 40))
        match chance.randrange(5):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                token = chance.choice(TOKENS)
                data[at : at + len(token)] = token
            case 2:
                data[at:at] = data[at:end] * chance.randint(1, 50)
            case 3:
                del data[at : max(at, end - len(data) // 9)]
            case _:
                data[at:end] = str(chance.randrange(-10, 10**9)).encode()
    return bytes(data)


def test_damaged_files_end_in_text_or_a_reason() -> None:
    """Prevents a crash of PDFium from ending the service, and a layout of a million words from holding it."""
    found: set[str] = set()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:  # it breaks where a file crashes it
        for slowest, reasons in pool.map(outcomes, range(max(1, FILES // BATCH))):
            assert slowest < LONGEST
            found |= reasons
    assert {"text", "broken", "low_confidence", "encrypted"} <= found <= {"text"} | DROP_REASONS
