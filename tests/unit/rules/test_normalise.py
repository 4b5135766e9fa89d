"""Normalisation: one form for the same text, nothing said is changed, and no hostile text takes long."""

import random
import time

import pytest

from services.rules.normalise import damaged_characters, normalise, strip_urls, url_characters


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ("a\r\nb\rc\u2028d\x85e", "a\nb\nc\nd\ne"),
        ("end  \t\nnext\u3000\n", "end\nnext"),
        ("a\n\n\n\n\n\nb", "a\n\n\nb"),
        ("a\n\n\nb", "a\n\n\nb"),
        ("\ufeffzero\u200bwidth\u00adhyphen\x00nul", "zerowidthhyphennul"),
        ("10\xa0km\u2009h", "10 km h"),
        ("cafe\u0301", "caf\xe9"),
        ("中\u200c文\u200d字", "中文字"),
        ("价格&nbsp;百元", "价格 百元"),
        ("a \x1b[1;31mred\x1b[0m\x1b]0;title\x07 word\x1b", "a red word"),
        ("a \x1bword, went\x1b home \x1bPq#0\x1b\\ \x1b(B\x1bM.", "a word, went home  ."),
        ("keeper\u115f\u1160 wrote\u180b down\u17b4 it", "keeper wrote down it"),
        ("a\U000e0fffb\ufff0c\U0001bca0d\U000e0080", "abcd"),
        ("\U0001f600\ufe09\U0001f600\ufe03", "\U0001f600\U0001f600"),
        ("hills" + "".join(chr(0xE0000 + ord(sign)) for sign in "obey") + " are", "hills are"),
        ("a\ufe0fb \U0001f600\U000e0158\U000e0159", "ab \U0001f600"),
        ("mark\u061c of\u034f a\u3164", "mark of a"),
        ("room\u2800\u2800made", "room made"),
    ],
)
def test_brings_one_text_into_one_form(found: str, wanted: str) -> None:
    """Two spellings of one text would pass dedup as two."""
    assert normalise(found) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "，。！？：；（）“”《》０１２ＡＢＣ",  # NFKC would make these ASCII
        "x² + y₂ = ½",
        "\u3000\u3000段首空两格。",
        "\tif x:\n\t    return y",  # indentation is syntax
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family, joined by zero-width joiners
        "می\u200cخواهم",  # Persian spelling needs the non-joiner
        "漢字與汉字",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f \u2764\ufe0f 1\ufe0f\u20e3",
        "葛\U000e0100城",  # one of two shapes of a character
        "⠓⠑⠇⠇⠕\u2800⠺",  # braille
        "\u115f\u1161 \u1100\u1160",  # syllables of Hangul that lack a letter
        "\u182d\u180b \u1780\u17b4",  # Mongolian, Khmer
        "<p>a&nbsp;b</p>",  # HTML shown as text
    ],
)
def test_leaves_what_means_something(text: str) -> None:
    """A normaliser that is too eager destroys code, formulas, scripts and Chinese punctuation."""
    assert normalise(text) == text


@pytest.mark.parametrize("seed", range(20))
def test_is_idempotent(seed: int) -> None:
    """A replayed document must not change a second time: its hash is its identity in dedup."""
    alphabet = "ab 中文\u0301\u200b\u200c\u200d\ufeff\n\n\n\r\t\xa0\u3000\ufffd\ue000\U0001f600"
    alphabet += "\x1b[m\ufe0f\u2800\u2801\U000e0100\U000e0067\U000e007f\U0001f3f4\u061c"
    alphabet += "\u115f\u1160\u1161\u180b\u182d\x92\x85\x93\uf900&nbsp;\u212b\x85\u0915\u093c"
    text = "".join(random.Random(seed).choices(alphabet, k=400))
    once = normalise(text)
    assert normalise(once) == once


def test_takes_linear_time_on_white_space() -> None:
    """A megabyte of blanks must not hang the unit (a regular expression takes quadratic time here)."""
    start = time.process_time()
    assert normalise("x" + " " * 1_000_000 + "y" + "\n" * 1_000_000 + "z").endswith("\n\n\nz")
    assert time.process_time() - start < 2


def test_strips_the_url_and_keeps_the_document() -> None:
    """A URL rule that drops documents turns a bilingual corpus Chinese."""
    text = "See https://example.org/a?b=c#d, then go on.\n详见https://example.org/页面。\nwww.example.org\n完"
    assert strip_urls(text) == "See, then go on.\n详见页面。\n完"


@pytest.mark.parametrize(
    "text",
    [
        "[manual](https://example.org/m)",
        "<https://example.org>",
        '"http://a.org/x"',
        "me@www.example.org",
        "no link",
    ],
)
def test_keeps_urls_that_something_encloses(text: str) -> None:
    """Stripping inside brackets leaves broken links and empty quotes."""
    assert strip_urls(text) == text


def test_counts_the_characters_of_urls() -> None:
    assert url_characters("a http://b.org/c d") == len("http://b.org/c")
    assert url_characters("http and www alone") == 0


def test_counts_damage() -> None:
    """A wrong charset must be visible before normalisation removes its traces."""
    assert damaged_characters("plain 文字") == 0
    assert damaged_characters("\ufffd\ufffd锟斤拷\ue123") == 6
