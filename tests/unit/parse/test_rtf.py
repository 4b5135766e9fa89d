import contextlib
import random
import time

import pytest

from services.parse.config import ParseConfig, Unparseable
from services.parse.rtf import parse_rtf

START = rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Times;}{\f1\fnil\fcharset134 SimSun;}}"
WHOLE = START + (
    rb"{\colortbl;\red0;}{\*\generator Some;}{\header a head}\pard\outlinelevel0 Title\par\pard "
    rb"Na\'efve {\f1\'d6\'d0\'ce\'c4} \u20013?\u25991\'3f \ldblquote x\rdblquote{\footnote\pard A note.}\par"
    b"{\\listtext\\f2 \\'b7\\tab}item\\par\r\n"
    rb"{\listtext 2.\tab}second\par\trowd\intbl a\cell b\cell\row\intbl c\cell\cell\row\pard after\par"
    rb"{\pict 00ff}{\v hidden}{\deleted gone}{\*\unknown text}{\pict\bin6 }}}}}}} end}"
)


def test_text_is_read_in_the_code_page_of_its_font():
    """Prevents Chinese as accented letters, and pictures, heads and what was deleted as text."""
    assert parse_rtf(WHOLE, ParseConfig()).text == (
        "# Title\n\nNaïve 中文 中文 “x”[^1]\n\n- item\n\n2. second\n\n"
        "| a | b |\n| --- | --- |\n| c |  |\n\nafter\n\nend\n\n[^1]: A note."
    )


def test_pairs_of_code_points_are_one_character():
    """Prevents lone surrogates, which no message can carry."""
    body = START + rb"\uc0\u-10179 \u-8704 and \u-10179 alone}"
    assert parse_rtf(body, ParseConfig(max_bad_share=1)).text == "\U0001f600and \ufffdalone"


def test_what_a_western_font_has_is_of_the_files_code_page_or_its_own():
    """Prevents a damaged é in a file of Chinese, whose fonts for Western letters hold Chinese as well."""
    body = START.replace(b"1252", b"936") + rb"\f0 \'d6\'d0{\f0 caf\'e9 }x}"
    assert parse_rtf(body, ParseConfig()).text == "中café x"


def test_raised_figures_are_marked_and_cells_in_cells_are_apart():
    """Prevents x2 for a square, and words of two cells as one."""
    body = (
        START
        + rb"x{\super 2} H\sub 2\nosupersub O\par\intbl{\itap2 a\nestcell b\nestcell\nestrow}c\cell\row}"
    )
    assert parse_rtf(body, ParseConfig()).text == "x<sup>2</sup> H<sub>2</sub>O\n\na b c"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (START + b"}", "no_text"),
        (b"{\\rtf1 " + b"{" * 5000, "too_deep"),
        (START + rb"\f1 \'ff\'ff\'ff\'ff}", "broken"),
    ],
)
def test_what_cannot_be_read_says_why(body, reason):
    """Prevents dead letters."""
    with pytest.raises(Unparseable) as caught:
        parse_rtf(body, ParseConfig())
    assert caught.value.reason == reason


def test_damaged_files_take_linear_time():
    """Prevents a file of a megabyte from taking minutes, and any exception but the one that has a reason."""
    draw = random.Random(3)
    pieces = [
        b"{",
        b"}",
        b"\\par ",
        b"\\intbl ",
        b"\\cell ",
        b"\\row ",
        b"\\'ff",
        b"\\u-1 ",
        b"\\bin-3 ",
        b"\\*",
    ]
    pieces += [b"{\\footnote ", b"{\\listtext ", b"\\f1", b"\\ansicpg0 ", b"\\uc9 ", b"x", b"\\", b"\xff"]
    for _ in range(100):
        body = START + b"".join(draw.choices(pieces, k=draw.randint(1, 300)))
        with contextlib.suppress(Unparseable):
            parse_rtf(body, ParseConfig(max_bad_share=1))
    began = time.process_time()
    parse_rtf(START + b"\\intbl a\\cell " * 60_000 + b"x", ParseConfig())
    assert time.process_time() - began < 5
