"""What is measured of a page: one function each, named in one table.

Every measure goes into the document's features, whether or not a rule drops by it. Shares lie in 0..1.
Sources: Gopher = Rae et al. 2021 (arXiv 2112.11446, appendix A1); C4 = Raffel et al. 2020; FineWeb = Penedo
et al. 2024 (arXiv 2406.17557); The Stack = Kocetkov et al. 2022; StarCoder2 = Lozhkov et al. 2024;
ChineseWebText = Chen et al. 2023 (arXiv 2311.01149).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import SupportsFloat

import numpy as np

from services.rules.characters import (
    COMMA,
    DIGIT,
    HAN,
    HANGUL,
    KANA,
    LETTER,
    LOWER,
    NEWLINE,
    PUNCTUATION,
    SYMBOL,
    TERMINAL,
    UPPER,
)
from services.rules.menu import menu_line_share
from services.rules.page import Page
from services.rules.pieces import LABEL, said_often
from services.rules.verse import is_verse
from services.rules.words import (
    COOKIE,
    FILLER,
    GENERATED,
    JAVASCRIPT,
    POLICY,
    STOP_WORDS,
    is_stop_character,
)

# Columns, of ten characters of Han, which say what thirty letters do. What is shorter is a label: with ten
# letters as the least, two words under each of some headings were repeated lines in English alone.
MIN_REPEATED = 20
# Own: a song is more than its refrain; what is less is no matter, of verse or not.
_TOO_FEW, _MOST_OF_VERSE = 0.1, 0.5

_BULLETS = "•-*·●▪◦‣○◆■►–"
_POLICY = ("terms of use", "privacy policy")  # C4, and those with cookies
_COOKIE_POLICY = ("cookie policy", "uses cookies", "use of cookies", "use cookies")
_GENERATED = re.compile(
    r"@generated\b|\bauto-?generated\b|automatically generated"
    r"|generated (?:by|from)\b.*\bdo not (?:edit|modify)\b",
    re.IGNORECASE,
)


def _per(part: SupportsFloat, whole: float) -> float:
    return float(part) / whole if whole else 0.0


def characters(page: Page) -> float:
    """Characters that are not white space."""
    return page.num_visible


def words(page: Page) -> float:
    """Spaced words plus single Han and kana characters."""
    return page.num_tokens


def own_words(page: Page) -> float:
    """The same, outside listings, addresses of links and what is quoted again."""
    return page.own_words.num_tokens


def lines(page: Page) -> float:
    """Lines that are not empty."""
    return len(page.lines)


def mean_word_length(page: Page) -> float:
    """Characters in a spaced word (Gopher); 0 where there is none."""
    if not page.num_words:
        return 0.0
    return _per(page.token_characters - page.counts[HAN] - page.counts[KANA], page.num_words)


def mean_line_length(page: Page) -> float:
    """Characters in a line (The Stack, ChineseWebText)."""
    return _per(page.size - page.counts[NEWLINE], len(page.lines))


def max_line_length(page: Page) -> float:
    """Characters in the longest line (The Stack)."""
    return float(page.longest_line)


def max_run_length(page: Page) -> float:
    """Characters in the longest run of letters and digits (C4: no word over 1000)."""
    return float(page.longest_token)


def han_share(page: Page) -> float:
    """Han characters, of the visible ones (ChineseWebText)."""
    return _per(page.counts[HAN], page.num_visible)


def latin_share(page: Page) -> float:
    """Latin letters, of the visible characters."""
    return _per(page.counts[LOWER] + page.counts[UPPER], page.num_visible)


def upper_share(page: Page) -> float:
    """Capitals, of the Latin letters."""
    return _per(page.counts[UPPER], page.counts[UPPER] + page.counts[LOWER])


def digit_share(page: Page) -> float:
    """Digits, of the visible characters."""
    return _per(page.counts[DIGIT], page.num_visible)


def alpha_share(page: Page) -> float:
    """Letters of any script, of the visible characters."""
    counts = page.counts
    return _per(sum(counts[kind] for kind in (LOWER, UPPER, HAN, KANA, HANGUL, LETTER)), page.num_visible)


def alnum_share(page: Page) -> float:
    """Letters and digits, of all characters (The Stack)."""
    return _per(alpha_share(page) * page.num_visible + page.counts[DIGIT], page.size)


def punctuation_share(page: Page) -> float:
    """Punctuation, of the visible characters."""
    return _per(sum(page.counts[kind] for kind in (PUNCTUATION, TERMINAL, COMMA)), page.num_visible)


def symbol_share(page: Page) -> float:
    """Symbols (arrows, box drawing, currency; no emoji, nothing in ASCII), of the visible characters."""
    return _per(page.counts[SYMBOL], page.num_visible)


def hash_per_word(page: Page) -> float:
    """Hash signs for each word (Gopher)."""
    return _per(page.text.count("#"), page.num_tokens)


def ellipsis_per_word(page: Page) -> float:
    """Ellipses for each word (Gopher)."""
    return _per(page.num_ellipses, page.num_tokens)


def alpha_word_share(page: Page) -> float:
    """Words that hold a letter (Gopher)."""
    return 1 - len(page.numbers) / page.num_tokens if page.num_tokens else 0.0


def stop_words(page: Page) -> float:
    """Different words of Gopher's eight that occur."""
    words = [f" {word} " for bit, word in enumerate(STOP_WORDS) if page.bits >> bit & 1]
    seldom = [word for word in words if word not in page.text]
    if not seldom:
        return len(words)
    spaced = f" {page.lower} ".replace("\n", " ").replace("\t", " ").replace("\u3000", " ")
    return len(words) - len(seldom) + sum(word in spaced for word in seldom)


def stop_character_share(page: Page) -> float:
    """Chinese function characters, of the Han characters."""
    if not page.counts[HAN]:
        return 0.0
    return _per(np.count_nonzero(is_stop_character()[page.points]), page.counts[HAN])


def bullet_line_share(page: Page) -> float:
    """Lines that begin with a bullet (Gopher)."""
    return _per(sum(map(page.line_firsts.count, _BULLETS)), len(page.lines))


def ellipsis_line_share(page: Page) -> float:
    """Lines that end with an ellipsis (Gopher)."""
    if not page.num_ellipses:
        return 0.0
    text = page.text
    within = text.count("...\n") + text.count("…\n")
    return _per(within + text.endswith(("...", "…")), len(page.lines))


def closed_line_share(page: Page) -> float:
    """Lines that end with terminal punctuation (C4, FineWeb)."""
    return _per(page.num_closed_lines, len(page.lines))


def short_line_share(page: Page) -> float:
    """Lines of at most 30 columns (FineWeb)."""
    return _per(page.num_short_lines, len(page.lines))


def newline_per_word(page: Page) -> float:
    """Line breaks for each word (FineWeb's list ratio)."""
    return _per(page.counts[NEWLINE], page.num_tokens)


def dup_line_share(page: Page) -> float:
    """Lines that occurred before (Gopher), of those of some length: no brackets, rulers, labels.

    This and the three below leave out fenced blocks and what is quoted again, as n-grams do, what is said
    just once more, and refrains.
    """
    own = page.own_words
    if not own.repeated_lines[0] or _is_refrain(own):
        return 0.0
    return said_often([line for line in own.lines if _says_something(line)])[0]


def _says_something(piece: str) -> bool:
    """Whether a line or paragraph is more than a label: has MIN_REPEATED columns."""
    if len(piece) >= MIN_REPEATED:
        return True
    return (
        2 * len(piece) >= MIN_REPEATED
        and len(piece) + sum(sign >= "\u2e80" for sign in piece) >= MIN_REPEATED
    )


def _is_refrain(own: Page) -> bool:
    """Whether what returns are lines of verse, and the smaller part of them."""
    return _TOO_FEW < own.repeated_lines[1] < _MOST_OF_VERSE and is_verse(own)


def dup_line_char_share(page: Page) -> float:
    """Characters of lines that occurred before (Gopher, FineWeb)."""
    own = page.own_words
    return 0.0 if not own.repeated_lines[0] or _is_refrain(own) else said_often(own.lines)[1]


def dup_paragraph_share(page: Page) -> float:
    """Paragraphs that occurred before (Gopher), of those of some length."""
    own = page.own_words
    if not own.repeated_paragraphs[0] or _is_refrain(own):
        return 0.0
    return said_often([part for part in own.paragraphs if _says_something(part)], LABEL)[0]


def dup_paragraph_char_share(page: Page) -> float:
    """Characters of paragraphs that occurred before (Gopher)."""
    own = page.own_words
    share = own.repeated_paragraphs[1]
    return 0.0 if not share or _is_refrain(own) else share


def lorem_ipsum(page: Page) -> float:
    """Characters of lines in which the filler text occurs (C4 drops any), of those of all lines."""
    if not (page.bits & FILLER and "lorem ipsum" in page.lower):
        return 0.0
    filler = [line for line in page.lines if "lorem ipsum" in line.lower()]
    return _per(sum(map(len, filler)), int(page.line_lengths.sum()))


def curly_brackets(page: Page) -> float:
    """Curly brackets for each 1000 characters (C4 drops any)."""
    return 1000 * _per(page.text.count("{") + page.text.count("}"), page.size)


def javascript_line_share(page: Page) -> float:
    """Lines that name JavaScript (C4)."""
    if not page.bits & JAVASCRIPT:
        return 0.0
    return _per(sum("javascript" in line.lower() for line in page.lines), len(page.lines))


def policy_phrases(page: Page) -> float:
    """Different phrases of cookie and privacy notices (C4)."""
    phrases = (_POLICY if page.bits & POLICY else ()) + (_COOKIE_POLICY if page.bits & COOKIE else ())
    return sum(phrase in page.lower for phrase in phrases)


def generated(page: Page) -> float:
    """Whether the first lines say that a program wrote this (StarCoder2)."""
    if not page.bits & GENERATED:
        return 0.0
    head = "\n".join(page.lines[:5])[:2000]
    return float("generated" in head.lower() and _GENERATED.search(head) is not None)


MEASURES: dict[str, Callable[[Page], float]] = {
    measure.__name__: measure
    for measure in (
        characters, words, own_words, lines, mean_word_length, mean_line_length, max_line_length,
        max_run_length, han_share, latin_share, upper_share, digit_share, alpha_share, alnum_share,
        punctuation_share, symbol_share, hash_per_word, ellipsis_per_word, alpha_word_share, stop_words,
        stop_character_share, bullet_line_share, ellipsis_line_share, closed_line_share, short_line_share,
        menu_line_share, newline_per_word, dup_line_share, dup_line_char_share, dup_paragraph_share,
        dup_paragraph_char_share, lorem_ipsum, curly_brackets, javascript_line_share, policy_phrases,
        generated,
    )
}  # fmt: skip
