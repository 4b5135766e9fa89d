"""Text that came in a wrong decoding, once or twice, undone where that leaves no doubt.

Only a whole sequence that is valid in the right encoding, and could hardly be so by chance, is put back:
"donâ€™t", "cafÃ©", "don‚Äôt"; quotes of Windows as controls; Chinese read as Latin or Japanese. What has lost
bytes on the way stays, and counts as damage.
After the idea of ftfy (Speer 2019, doi 10.5281/zenodo.2591652).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, partial

_LEADS = "\xc2-\xf4"  # the first byte of a character in UTF-8, read as Latin-1 or Windows-1252
_1252 = {
    bytes([byte]).decode("cp1252"): byte
    for byte in range(0x80, 0xA0)
    if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_NEXT = "\x80-\xbf" + "".join(map(re.escape, _1252))
_SEQUENCE = re.compile(f"(?:[\xc2-\xdf][{_NEXT}]|[\xe0-\xef][{_NEXT}]{{2}}|[\xf0-\xf4][{_NEXT}]{{3}})+")
_UTF8_SIGNS = "âÃÂãäåæçèéïð"  # one of them begins whatever is common
_LOST_QUOTE = re.compile(
    f"â€(?:[\ufffd\x9d]|(?![{_NEXT}]))"
)  # Windows-1252 has no character for its last byte
# A no-break space behind a word, and a sign that no word in capitals ends before: of Latin-1, read once more.
_LONE = re.compile("(?<=[a-z0-9.,;:!?)’”])Â(?=[ \xa0\n]|$)|(?<![^\\W\\d_])Â(?=[£©®°§±·¢¥¼½¾])")
# "’", "“", "—" in other one-byte charsets begin like this, and no text does.
_OTHERS = {"‚Ä": "mac_roman", "ΓÇ": "cp437", "вЂ": "cp1251"}
_MOST_TIMES = 3  # that a text was read wrongly

# Windows-1252 read as Latin-1: its quotes and dashes are controls then.
_C1 = re.compile("[\x80-\x9f]")
_NO_1252 = re.compile("[\x81\x8d\x8f\x90\x9d]|\x9b[0-?]{0,40}[@-~]")  # the last: a terminal's command
_QUOTES = re.compile("[\x91-\x97]")

# GB 2312 and Big5 read as Latin-1: pairs of bytes, with the comma or the full stop among them. Then the first
# bytes of their common characters, 3,755 and 5,401; A1 and A3 are marks.
_PAIRED = {
    ("£¬", "¡£"): ("[\xa1-\xf7][\xa1-\xfe]", "gb2312", range(0xB0, 0xD8)),
    ("¡A", "¡C"): ("[\xa1-\xf9][\x40-\x7e\xa1-\xfe]", "big5", range(0xA4, 0xC7)),
}
_PAIRS = {
    charset: re.compile(f"{pair}(?:[\x20-\x7e\n]{{0,12}}?{pair}){{7,}}")
    for pair, charset, _ in _PAIRED.values()
}
# UTF-8 read as GBK: what "，", "。", "、" and "的" become, and next to no text holds otherwise.
_GBK_SIGNS = "锛銆紝鐨"
_HALF = "\uff66-\uff9f"  # katakana of half width: where UTF-8 is read as Japanese, each third character
# What is without these is as it was meant.
SIGNS = re.compile(f"[{_UTF8_SIGNS}£¡{_GBK_SIGNS}‚ΓЂ]")
RARE = re.compile(f"[\x80-\x9f{_HALF}]")
_HALVES = re.compile(f"[{_HALF}]")
_KANA = re.compile("[\u3041-\u30ff]")
_HAN = re.compile("[\u4e00-\u9fff]")
# Among Chinese: where UTF-8 was read as Windows-1252 and a byte was lost.
_INNER = "\x80-\xb6\xb8-\xba\xbc-\xbf€‚ƒ„†‡ˆ‰Š‹ŒŽ˜™š›œžŸ"  # which stand not behind a letter of French
_LEFT = re.compile(f"[\xe2-\xe9][{_INNER}]{{1,2}}")
_HAN_RUN = re.compile(
    "[\u2e80-\u9fff\ue000-\uf8ff\uff00-\uffef\u20ac\xb7-\xf7\u2000-\u2bff\u0391-\u0451]{8,}"
)


def mend(text: str) -> str:
    """The text as it was meant, as far as that is certain. Linear; most texts hold no sign (SIGNS)."""
    for _ in range(_MOST_TIMES):
        if not any(sign in text for sign in _UTF8_SIGNS) or (mended := _from_utf8(text)) == text:
            break
        text = mended
    for begin, charset in _OTHERS.items():
        if begin in text:
            text = _each(_sequences(charset), partial(_again, charset=charset), text)
    for marks, (_, charset, common) in _PAIRED.items():
        if any(mark in text for mark in marks):
            text = _each(_PAIRS[charset], partial(_from_pairs, charset=charset, common=common), text)
    if any(sign in text for sign in _GBK_SIGNS[:3]):
        text = _each(_HAN_RUN, partial(_again, charset="gb18030"), text)
    return text


def mend_rare(text: str) -> str:
    """The same of what holds half-width katakana, or quotes of Windows as controls (RARE)."""
    if _HALVES.search(text):
        text = _each(_HAN_RUN, partial(_again, charset="cp932"), text)
    return _with_quotes(text) if _QUOTES.search(text) else text


def unmended(text: str) -> int:
    """Characters of a text that is UTF-8 in a wrong decoding and cannot be undone; 0 for any other."""
    signs = sum(map(text.count, _GBK_SIGNS))
    if signs >= 3 and signs * 100 >= len(text):
        return len(_HAN.findall(text))
    if sum(map(text.count, _UTF8_SIGNS)) < 3:
        return 0
    left = sum(map(len, _LEFT.findall(text)))
    return left if left >= 6 and len(_HAN.findall(text)) * 4 > len(text) else 0


def unmended_rare(text: str) -> int:
    """The same of UTF-8 that was read as Japanese: half-width katakana among Han, and hardly any other."""
    halves = len(_HALVES.findall(text))
    if halves < 10 or halves * 20 < len(text):
        return 0
    han = len(_HAN.findall(text))
    return han + halves if len(_KANA.findall(text)) < halves < han else 0


def _each(pattern: re.Pattern[str], mended: Callable[[str], str], text: str) -> str:
    return pattern.sub(lambda found: mended(found[0]), text)


def _from_utf8(text: str) -> str:
    found = [match[0] for match in _SEQUENCE.finditer(text)]
    if "Â" in text:
        text = _LONE.sub("", text)
    # A lone pair can be meant: the last letter of a word in capitals, and a closing quote.
    if not found or (len(found) == 1 and len(found[0]) < 3) or not _is_certain(found):
        return text
    mended = _SEQUENCE.sub(lambda match: _decoded(match[0]), text)
    return _LOST_QUOTE.sub("”", mended)


def _with_quotes(text: str) -> str:
    """Of a text that is ASCII for three quarters, and holds no control that Windows-1252 lacks."""
    if _NO_1252.search(text) or len(text.encode("ascii", "ignore")) * 4 < len(text) * 3:
        return text
    return _C1.sub(lambda found: found[0].encode("latin-1").decode("cp1252"), text)


@cache
def _sequences(charset: str) -> re.Pattern[str]:
    """What U+2000-203F and the letters of Latin-1 become, whose UTF-8 is read in a one-byte charset."""
    first, second, *latin = (bytes([byte]).decode(charset) for byte in (0xE2, 0x80, 0xC2, 0xC3))
    rest = "".join(re.escape(bytes([byte]).decode(charset, "ignore")) for byte in range(0x80, 0xC0))
    return re.compile(f"{first}{second}[{rest}]|[{''.join(latin)}][{rest}]")


def _is_certain(found: Iterable[str]) -> bool:
    """Most sequences decode, and into what people write: no pair but of Â and Ã."""
    good = [_decoded(run) != run and (len(run) > 2 or run[0] in "ÂÃ") for run in found]
    return sum(good) * 10 >= len(good) * 9


def _decoded(run: str) -> str:
    try:
        return bytes(_1252.get(sign, ord(sign)) for sign in run).decode()
    except (UnicodeDecodeError, ValueError):
        return run


def _from_pairs(run: str, charset: str, common: range) -> str:
    try:
        decoded = run.encode("latin-1").decode(charset)
    except UnicodeError:
        return run
    pairs = [sign for sign in decoded if not sign.isascii()]
    usual = sum(sign.encode(charset)[0] in common or sign in "，。、；：！？“”《》（）「」" for sign in pairs)
    return decoded if usual * 10 >= len(pairs) * 9 else run


def _again(run: str, charset: str) -> str:
    """UTF-8 that was read in a charset."""
    try:
        return run.encode(charset).decode()
    except UnicodeError:
        return run
