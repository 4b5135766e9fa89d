"""What each character is: a class for the measures, and a mark for what stands in names or personal data.

One look-up of a character gives both, the class in the low four bits and the mark above.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

OTHER, SPACE, NEWLINE, DIGIT, LOWER, UPPER, HAN, KANA, HANGUL, LETTER = range(10)
TERMINAL, COMMA, PUNCTUATION, SYMBOL, EMOJI = range(10, 15)
NUM_CLASSES = 15
CLASS, MARK = 15, 240  # bits

# Marks. One comparison tells what may begin personal data (from CUE up) from the rest.
NAMING, SECOND, CUE, PLATE, COLON, SIGN_AT, DIGITS = (number << 4 for number in range(1, 8))

# What ends a sentence. Closing quotes count as in C4 (Raffel et al. 2020, section 2.2).
_TERMINALS = '.!?;:。！？；：…‥｡⁇⁈⁉"”’」』'
_COMMAS = ",，、"

HAN_DIGITS = "〇零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖"
PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
# Words before an account, a number of an employee, a passport, that Chinese text runs into.
ACCOUNT_WORDS = (
    "微信", "薇信", "威信", "加v", "加V", "加w", "加W", "加q", "加Q", "扣扣", "企鹅", "工号", "员工", "职工",
    "工牌", "护照", "護照", "QQ", "qq", "V信", "v信",
    "通行证", "车牌", "号牌", "牌照", "车号",
)  # fmt: skip
_FIRSTS = "".join(word[0] for word in ACCOUNT_WORDS)
_SECONDS = "".join(word[1] for word in ACCOUNT_WORDS)

NUM_POINTS = sys.maxunicode + 1


@cache
def characters() -> NDArray[np.uint8]:
    """Class and mark of each code point; planes 2 and 3 are Han, what lies above is private or formatting."""
    by_category = {
        "Lu": UPPER, "Lt": UPPER, "Ll": LOWER, "Lo": LETTER, "Lm": LETTER, "Mn": LETTER, "Mc": LETTER,
        "Nd": DIGIT, "Nl": LETTER, "Zs": SPACE,
    }  # fmt: skip
    by_initial = {"P": PUNCTUATION, "S": SYMBOL, "N": SYMBOL}
    table = np.zeros(NUM_POINTS, np.uint8)
    for point in range(0x20000):
        category = unicodedata.category(chr(point))
        table[point] = by_category.get(category, by_initial.get(category[0], OTHER))
    latin = np.zeros(NUM_POINTS, bool)
    for first, last in ((0, 0x24F), (0x1E00, 0x1EFF)):
        latin[first : last + 1] = True
    table[((table == UPPER) | (table == LOWER)) & ~latin] = LETTER
    for first, last, kind in (
        (0x2E80, 0x2FDF, HAN), (0x3005, 0x3007, HAN), (0x3400, 0x4DBF, HAN), (0x4E00, 0x9FFF, HAN),
        (0xF900, 0xFAFF, HAN), (0x3041, 0x30FA, KANA), (0x30FC, 0x30FF, KANA), (0x31F0, 0x31FF, KANA),
        (0xFF66, 0xFF9F, KANA), (0x1100, 0x11FF, HANGUL), (0x3130, 0x318F, HANGUL), (0xAC00, 0xD7AF, HANGUL),
        (0x20000, 0x3FFFF, HAN),
    ):  # fmt: skip
        table[first : last + 1] = kind
    for first, last in ((0x2763, 0x2767), (0x1F000, 0x1FAFF)):  # hearts, faces, things
        pictures = table[first : last + 1]
        pictures[pictures == SYMBOL] = EMOJI
    table[[ord(mark) for mark in _TERMINALS]] = TERMINAL
    table[[ord(mark) for mark in _COMMAS]] = COMMA
    table[[point for point in range(128) if table[point] == SYMBOL]] = PUNCTUATION  # formulas, markup, prices
    table[ord("\n")], table[ord("\t")] = NEWLINE, SPACE
    for mark, signs in (
        (NAMING, "={}`;"),  # as the colon: a name's and its value's, or code's
        (SECOND, set(_SECONDS) - set(_FIRSTS)),
        (CUE, set(_FIRSTS)),
        (PLATE, PROVINCES),
        (COLON, ":："),
        (SIGN_AT, "@＠"),
        (DIGITS, HAN_DIGITS + "0123456789０１２３４５６７８９"),
    ):
        table[[ord(sign) for sign in signs]] |= mark
    return table


@cache
def ascii_characters() -> bytes:
    """The same of ASCII, as bytes.translate takes it."""
    return characters()[:256].tobytes()
