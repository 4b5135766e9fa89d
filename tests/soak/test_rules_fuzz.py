"""A hundred thousand texts of odds and ends through rules and masking: no crash, no time that runs away.

SOAK_SCALE=0.05 makes it smaller.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable

import pytest

from contracts import Document
from services.rules import SERVICE, RulesConfig
from services.rules.page import Page
from services.rules.pii import KINDS, Masker
from services.runtime import Drop, Emit, Judge, Resources, load_settings

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

TEXTS = round(100_000 * float(os.environ.get("SOAK_SCALE") or 1))
MIXED = round(300 * float(os.environ.get("SOAK_SCALE") or 1))
BATCH = 64
LONGEST = 2.0  # CPU seconds for a batch, on a busy machine; most take a fiftieth

WORDS = (
    "the", "of", "and", "is", "lamp", "river", "call", "tel", "name:", "at", "one", "two", "passport",
    "said:", "水泵", "的", "是", "电话", "微信", "身份证", "姓名：", "护照", "京A", "回复", "登录",
    "发表于", "一二三", "我叫", "王小明", "Reply", "Like (3)", "Jan 3, 2024", "2 weeks ago", "3楼",
    "Quote from", "原帖由", "lorem ipsum", "javascript",
)  # fmt: skip
SIGNS = (
    " ", " ", "\n", "\n", "\n\n", "\t", "。", "，", ".", ",", ":", "：", "-", "–", "(", ")", "[", "]", "@",
    "＠", "+", "/", "|", "#", "*", "```\n", "~~~\n", "> ", "$", "{", "}", ";", "…", "\u3000", "\u200b",
    "\u200d", "\ufe0f", "\x00", "\x1b[1m", "\ufffd", "\ue000", "&nbsp;", "â€™", "锟斤拷", "\u0301",
    "\U0001f600", "\U000e0041", "\u202e", "\r\n", "\u2028", "https://a.example/b?c=d", "::", "0x",
)  # fmt: skip
DIGITS = "0123456789０１２３零一二三"

# One piece of each, many times on end: what a pattern goes over again and again takes quadratic time.
HOSTILE = (
    "1", "1-", "1 ", "1.", "13812345678", "一", "零一", "(", "+", "+86 ", "a@", "@", "＠", "a.", "a@b.",
    "1.1.", "::", ":a:", "a [at] ", "one ", "one two ", "name: A ", "Name: Aa ", "姓名：", "人：王",
    "我叫王", "微信", "加v", "护照", "京A", "工号", "Reply\n", "2024-01-03\n", "Jan 3, 2024\n", "said:\n",
    "```\n", "~~~\n```\n", "引用\n", "A\n2 days ago\n", "|", "| |\n", "A1b2", "=", "+/", "\u200d", "\u0301",
    "\ufe0f", "\x1b[", "â€", "ï»¿", "www.", "http://", "<", "&", " \n", "\n", " ", "\u3000", "的", "a'",
    "的 a ", "#", "- a\n", "...", "$x$ ", "\\a{", "/* */", "{", "generated ",
    "](", "](a(", "[a](b) ", "a:\n", "1. a\n", "a · ", "1 赞 · ",
)  # fmt: skip
SMALL, TIMES = 15_000, 4  # characters, and the factor to the large one
MOST = 3.0 * TIMES  # linear time is 4 times as much; quadratic time 16
FIXED = 0.05  # CPU seconds beside which a ratio says something


def text_of(rng: random.Random) -> str:
    """Pieces by chance; some of them many times."""
    pieces: list[str] = []
    for _ in range(rng.randrange(1, 60)):
        kind = rng.random()
        if kind < 0.4:
            pieces.append(rng.choice(WORDS))
        elif kind < 0.75:
            pieces.append(rng.choice(SIGNS))
        elif kind < 0.9:
            pieces.append("".join(rng.choices(DIGITS, k=rng.randrange(1, 20))))
        elif kind < 0.97:
            pieces.append(chr(rng.choice((rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)))))
        else:
            pieces.append(rng.choice(HOSTILE) * rng.randrange(1, 200))
    return "".join(pieces)


def test_no_text_breaks_the_rules(seed: int) -> None:
    rng = random.Random(seed)
    judge = SERVICE.build(RulesConfig(), Resources(load_settings()))
    judge([Document(text="The lamp is warm.")])
    slowest, kept, masked = 0.0, 0, 0
    for _ in range(0, TEXTS, BATCH):
        documents = [Document(text=text_of(rng)) for _ in range(BATCH)]
        begun = time.process_time()
        verdicts = judge(documents)
        slowest = max(slowest, time.process_time() - begun)
        for document, verdict in zip(documents, verdicts, strict=True):
            assert isinstance(verdict, Emit | Drop)
            assert all(math.isfinite(value) for value in document.features.values()), document.features
            assert "\x00" not in document.text
            kept += isinstance(verdict, Emit)
            masked += any(name.startswith("pii_") for name in document.features)
    print(f"{TEXTS} texts: {kept} kept, {masked} masked, the slowest {BATCH} in {slowest:.3f} s CPU")
    assert slowest < LONGEST
    assert kept > TEXTS / 100
    assert masked > TEXTS / 100


def test_what_was_masked_is_masked(seed: int) -> None:
    """Nothing is found in a masked text that was found in the text itself, and spans lie within it.

    A page whose words nobody has looked up yet is masked as one whose words are known.
    """
    rng = random.Random(seed + 1)
    masker = Masker(KINDS, KINDS)
    for _ in range(TEXTS // 10):
        text = text_of(rng)
        masked = masker.mask([Page(text)], ["prose"])[0]
        assert masker.mask([measured(text)], ["prose"])[0] == masked
        assert sum(masked.counts.values()) <= masked.text.count("<")
        assert (masked.text != text) == bool(masked.counts)


def measured(text: str) -> Page:
    """A page whose words are known already, as the rules' are."""
    page = Page(text)
    assert page.bits >= 0
    return page


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear(piece: str) -> None:
    """A text four times as long takes about four times as long, rules and masking alike."""
    _takes_linear_time(SERVICE.build(RulesConfig(), Resources(load_settings())), piece)


def test_time_is_linear_in_what_is_mixed(seed: int) -> None:
    """The same of pieces that are harmless each by itself."""
    rng = random.Random(seed + 2)
    judge = SERVICE.build(RulesConfig(), Resources(load_settings()))
    for _ in range(MIXED):
        pieces = [rng.choice(rng.choice((HOSTILE, HOSTILE, WORDS, SIGNS))) for _ in range(rng.randint(2, 4))]
        _takes_linear_time(judge, "".join(pieces))


def _takes_linear_time(judge: Judge, piece: str) -> None:
    def judged(size: int) -> None:
        judge([Document(text=piece * (size // len(piece)))])

    judged(SMALL)
    small, large = _least(judged, SMALL), _least(judged, SMALL * TIMES)
    assert large < MOST * small + FIXED, f"{piece!r}: {small:.3f} s, {large:.3f} s for {TIMES} x as much"


def _least(run: Callable[[int], None], size: int) -> float:
    """CPU seconds, the least of three."""
    found = []
    for _ in range(3):
        begun = time.process_time()
        run(size)
        found.append(time.process_time() - begun)
    return min(found)
