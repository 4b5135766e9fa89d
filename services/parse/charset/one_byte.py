"""Which charset of one byte a character a text is in: the one in which it reads as words of a language.

Each charset is tried with the letters of the languages that are written in it. What speaks against it:
letters that the language has not or seldom has, signs between letters, capitals after small letters, letters
of another script beside those of ASCII. Where several do equally well, the more common one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

_WESTERN = ("cp1252", "iso8859-15", "mac_roman")
_CENTRAL = ("cp1250", "iso8859-2")
_BALTIC = ("cp1257", "iso8859-13", "iso8859-4")
_CYRILLIC = ("cp1251", "koi8-u", "iso8859-5", "cp866", "mac-cyrillic")
_RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"
# Letters beyond ASCII, as in the exemplar characters of Unicode's CLDR, by the charsets of a language. Where
# a script is not Latin the first ten are those that come most often in running text.
_LANGUAGES = (
    (_WESTERN, "äöüß"),  # German
    (_WESTERN, "éèêëàâçîïôöùûüœæÿ"),  # French
    (_WESTERN, "áéíñóúü"),  # Spanish
    (_WESTERN, "àéèìòóùí"),  # Italian
    (_WESTERN, "áâãàçéêíóôú"),  # Portuguese; that õ is rare in it tells Hungarian
    (_WESTERN, "åäöéæøü"),  # of the North
    (_WESTERN, "éëïóöüèáê"),  # Dutch
    (_WESTERN, "àéèíïóòúüç"),  # Catalan
    (_CENTRAL, "ąćęłńóśźż"),  # Polish
    (_CENTRAL, "áčďéěíňóřšťúůýž"),  # Czech
    (_CENTRAL, "áäčďéíĺľňóôŕšťúýž"),  # Slovak
    (_CENTRAL, "áéíóöőúüű"),  # Hungarian
    (_CENTRAL, "ăâîşţ"),  # Romanian
    (_CENTRAL, "čćđšž"),  # Croatian, Slovene
    (_CENTRAL, "äöüß"),
    (("cp1254",), "çğıöşüİâîû"),  # Turkish
    (_BALTIC, "ąčęėįšųūž"),  # Lithuanian
    (_BALTIC, "āčēģīķļņšūž"),  # Latvian
    (_BALTIC, "õäöüšž"),  # Estonian
    (("cp1258",), "ăâđêôơưàáãèéìíòóùú\u0300\u0301\u0303\u0309\u0323"),  # Vietnamese
    (_CYRILLIC, _RUSSIAN),
    (_CYRILLIC, _RUSSIAN + "іїєґ"),  # Ukrainian
    (_CYRILLIC, "аиоенрстујвклдпмбгзчшцжхћђљњџф"),  # Serbian
    (("cp1253", "iso8859-7"), "αοιετσνηυρςπκλμγδθωχφβξζψόάέίήύώϊϋΐΰ"),
    (("cp1255", "iso8859-8"), "יוהלאברתמש" + "".join(map(chr, range(0x5D0, 0x5EB)))),
    (
        ("cp1256", "iso8859-6"),
        "اليمنوترهبدةفعسى" + "".join(map(chr, range(0x621, 0x653))) + "پچژگکی،؛؟\u200c",
    ),
    (("cp874",), "านรอกเงม่ย้ลวดี" + "".join(map(chr, range(0xE01, 0xE5C)))),
)
CHARSETS = tuple(dict.fromkeys(charset for charsets, _ in _LANGUAGES for charset in charsets))
_OPENING, _CLOSING = frozenset("“‘„‚«‹¿¡("), frozenset("”’“»›…®™°ºª²³")
_ELSEWHERE = frozenset("–—…•·§€£¥©®™№\xa0«»°\xad")
_APART = frozenset("±×´½¼¶")  # from letters
_INSIDE_WORDS = frozenset("’·\xad‘")
_ASCII_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LATIN = "\u0250"  # its letters are below, and stand beside those of ASCII
_CAPITAL, _MISFIT, _FOREIGN, _SELDOM, _MARK = -0.1, -1.5, -0.5, 0.6, 0.85
_MOST_OFTEN = 10
_RARER = {"mac_roman": 0.08, "mac-cyrillic": 0.02, "cp866": 0.02, "cp1258": 0.05}
_MOST_SIGNS = 1500


@dataclass(frozen=True, slots=True)
class Fit:
    """score: at most 1; under .5 it reads as no language. num: of the characters that were judged."""

    charset: str
    score: float
    num: int


def likeliest(sample: bytes) -> Fit:
    """The charset that fits best."""
    found = _contexts(sample)
    return max((_fit(found, charset) for charset in CHARSETS), key=lambda fit: fit.score)


def fit_of(sample: bytes, charset: str) -> Fit:
    """How well one of CHARSETS fits."""
    return _fit(_contexts(sample), charset)


def _contexts(sample: bytes) -> Counter[bytes]:
    """Bytes beyond ASCII, each between its neighbours."""
    padded = b" " + sample + b" "
    places = [i for i, byte in enumerate(padded) if byte > 0x7F][:_MOST_SIGNS]
    return Counter(padded[i - 1 : i + 2] for i in places)


def _fit(contexts: Counter[bytes], charset: str) -> Fit:
    num = contexts.total()
    if not num:
        return Fit(charset, 0.0, 0)
    whole = -_RARER.get(charset, 0.01 * (charset != "cp1252")) * num
    signs = _signs_of(charset)
    letters: Counter[str] = Counter()
    for context, count in contexts.items():
        before, sign, after = map(signs.__getitem__, context)
        if _is_letter(sign):
            letters[sign] += count
            whole += count * _misplaced(before, sign, after)
        else:
            whole += count * (_MARK if _is_mark(before, sign, after) else _MISFIT)
    best = max(
        sum(weights.get(sign, _FOREIGN) * count for sign, count in letters.items())
        for weights in _languages_of(charset)
    )
    return Fit(charset, (whole + best) / num, num)


def _misplaced(before: str, sign: str, after: str) -> float:
    """What a letter costs by its neighbours: 0 for one that is small and among its like."""
    cost = 0.0
    if sign.isupper():
        cost = _MISFIT if before.islower() else _CAPITAL
    if sign > _LATIN and not _ASCII_LETTERS.isdisjoint((before, after)):
        cost += _MISFIT
    return cost


def _is_mark(before: str, sign: str, after: str) -> bool:
    """Whether a sign that is no letter stands where such a one does."""
    left, right = _is_letter(before), _is_letter(after)
    if left and right:
        return sign in _INSIDE_WORDS
    if sign in _ELSEWHERE or (sign in _APART and not (left or right)):
        return True
    return (sign in _OPENING and not left) or (sign in _CLOSING and not right)


def _is_letter(sign: str) -> bool:
    return sign.isalpha() or sign in _COMBINING


@cache
def _signs_of(charset: str) -> str:
    """What each byte is in it."""
    return bytes(range(256)).decode(charset, "replace")


@cache
def _languages_of(charset: str) -> list[dict[str, float]]:
    """Of each language, what a letter is worth."""
    found = []
    for charsets, letters in _LANGUAGES:
        if charset in charsets:
            often = letters if letters[0] < _LATIN else letters[:_MOST_OFTEN]
            weights = dict.fromkeys(letters + letters.upper(), _SELDOM)
            found.append(weights | dict.fromkeys(often + often.upper(), 1.0))
    return found


_COMBINING = frozenset(sign for _, letters in _LANGUAGES for sign in letters if not sign.isalpha())
