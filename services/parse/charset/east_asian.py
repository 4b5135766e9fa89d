"""Which East Asian charset bytes are in: the one in which their characters are common ones.

Two shares tell. The first level of a charset's ideographs, or its syllables, makes up nearly all of a text;
but what is a common character of Korean is one of Chinese in another charset, so the hundred or so that every
text is full of (particles, kana; by their frequency in running text) decide between two that do.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise

CHARSETS = ("cp949", "gb18030", "big5hkscs", "cp932", "euc_jp")
_MOST_SIGNS = 3000
_TWO_HIGH = ("cp949", "gb18030", "euc_jp")  # in which both bytes of a common character are beyond ASCII
_RUN = re.compile(rb"[\x80-\xff]{7,}")
_SIGNS = (0xA1, 0xA3, 0xA4, 0xA5)  # rows of punctuation, of letters and of kana
_OUT_OF_STEP = 3  # characters more that are common ones without the byte
# Rows of the first level: 2,350 syllables, and 3,755, 5,401 and 2,965 (twice) ideographs.
_ROWS = {
    "cp949": (0xB0, 0xC8),
    "gb18030": (0xB0, 0xD7),
    "big5hkscs": (0xA4, 0xC6),
    "cp932": (0x88, 0x97),
    "euc_jp": (0xB0, 0xCF),
}
_MARKS = "、。，．；：？！“”‘’《》〈〉「」『』【】（）〔〕・…—–～·　％０１２３４５６７８９"
_KANA = "".join(map(chr, range(0x3041, 0x30FF)))
_SIMPLIFIED = (
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学之"
    "都好看起发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给"
    "名法间斯知世什两次使身者被高已亲其进此话常与活正感"
)
_TRADITIONAL = (
    "的一是了我不人在他有這個上們來到時大地為子中你說生國年著就那和要她出也得里後自以會家可下而過天去能對小多然於心學之"
    "都好看起發當沒成只如事把還用第樣道想作種開美總從無情己面最女但現前些所同日手又行意動方期它頭經長兒回位分愛老因很給"
    "名法間斯知世什兩次使身者被高已親其進此話常與活正感"
)
_SYLLABLES = (
    "이다는을의에가고하지한은로를기도사시리어자그나아서인들있정대일으해라과수보전주부제것게스장상면여러만적원안없였었했습니까요데"
    "동구오트소마와연조모성생우세경무내신국유공음방치"
)
_EVERYDAY = {
    "cp949": frozenset(_SYLLABLES),
    "gb18030": frozenset(_SIMPLIFIED),
    "big5hkscs": frozenset(_TRADITIONAL),
    "cp932": frozenset(_KANA),
    "euc_jp": frozenset(_KANA),
}
# Where half-width katakana and private characters come up, the bytes were of another charset.
_RARE = frozenset(map(chr, (*range(0x80), *range(0xFF61, 0xFFA0), *range(0xE000, 0xF900))))


@dataclass(frozen=True, slots=True)
class Fit:
    """likeness, everyday: as likeness_of has them."""

    charset: str
    likeness: float
    everyday: float

    @property
    def score(self) -> float:
        """At most 2."""
        return self.likeness + self.everyday


def likeliest(sample: bytes) -> Fit:
    """The charset that fits best."""
    return max((Fit(each, *likeness_of(sample, each)) for each in CHARSETS), key=lambda fit: fit.score)


def is_everyday(sign: str) -> bool:
    """Whether texts of some language here are full of it."""
    return any(sign in signs for signs in _EVERYDAY.values())


def likeness_of(sample: bytes, charset: str) -> tuple[float, float]:
    """Of the characters beyond ASCII, the share of common ones in a charset, less what does not decode, and
    of those that every text is full of; (0, 0) where there are none to judge by.
    """
    decoder = codecs.getincrementaldecoder(charset)("replace")  # a character may be cut at the end
    wide = [sign for sign in decoder.decode(mended(sample, charset)) if sign > "\x7f"][:_MOST_SIGNS]
    if len(wide) < 2:
        return 0.0, 0.0
    common, everyday = _common(charset), _EVERYDAY[charset]
    likeness = sum(sign in common for sign in wide) - wide.count("\ufffd")
    return likeness / len(wide), sum(sign in everyday for sign in wide) / len(wide)


def mended(body: bytes, charset: str) -> bytes:
    """Without the bytes that put all that follows them out of step, up to the next one of ASCII."""
    return _RUN.sub(lambda run: _in_step(run[0], charset), body) if charset in _TWO_HIGH else body


def _in_step(run: bytes, charset: str) -> bytes:
    if len(run) % 2 == 0:
        return run
    first, last = _ROWS[charset]
    common = [(first <= row <= last or row in _SIGNS) and cell > 0xA0 for row, cell in pairwise(run)]
    before = list(accumulate(common[::2], initial=0))
    after = list(accumulate(common[1::2], initial=0))
    read = [left + after[-1] - right for left, right in zip(before, after, strict=False)]
    best = max(read)
    at = 2 * read.index(best)
    return run[:at] + run[at + 1 :] if best >= before[-1] + _OUT_OF_STEP else run


@cache
def _common(charset: str) -> frozenset[str]:
    first, last = _ROWS[charset]
    pairs = (bytes([row, cell]) for row in range(first, last + 1) for cell in range(0x40, 0xFF))
    kana = _KANA if charset in ("cp932", "euc_jp") else ""
    return frozenset(_MARKS + kana).union(*(pair.decode(charset, "ignore") for pair in pairs)) - _RARE
