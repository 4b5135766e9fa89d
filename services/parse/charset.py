"""Bytes to text in whatever charset they came.

Order of belief: byte order mark; UTF-16 by its NULs; 7-bit charsets by their shifts; UTF-8, which other
charsets hardly ever are, also where a few bytes of it are stray; the charset that the page declares; the East
Asian charset in which the characters are common ones; uchardet. A declaration gives way where it makes rare
characters of common ones. Of 120 Chinese texts in GB18030 93 % are right at 8 characters, 99 % at 15 and all
from 30 on; in Big5 97 % and all from 15 on.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cache

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 1 << 16
_MOST_SIGNS = 4000
_HEAD = 1 << 14  # bytes in which a declaration is looked for
_NOT_DECLARING = re.compile(rb"<!--.*?-->|<(script|style|noscript|title)\b.*?</\1", re.IGNORECASE | re.DOTALL)
_DECLARED = re.compile(
    rb"""<meta\s[^>]{0,300}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,30})"""
    rb"""|<\?xml\s[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9_:.-]{2,30})""",
    re.IGNORECASE,
)
_WIDER = {  # labels that pages use for a superset, as the WHATWG encoding standard maps them
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "hz": "gb18030",
    "big5": "big5hkscs",
    "cp950": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
}
_OTHER_NAMES = {
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc_jp",
    "x-x-big5": "big5hkscs",
    "windows-31j": "cp932",
}
# In this order where two do equally well: all syllables of Korean are common characters of Chinese too.
_EAST_ASIAN = ("cp949", "gb18030", "big5hkscs", "cp932", "euc_jp")
_LATIN = frozenset(
    {
        "utf-8",
        "cp1252",
        "cp1250",
        "cp1254",
        "cp1257",
        "cp1258",
        "iso8859-2",
        "iso8859-3",
        "iso8859-15",
        "mac_roman",
    }
)
_SURE, _LIKELY = 0.95, 0.8
_SHIFTED = re.compile(rb"\x1b\$(?:[@AB]|\([@-D]|\)C)")
_HZ = re.compile(rb"~\{((?:[\x21-\x77][\x21-\x7e])+)~\}")
# What terminals take for commands: colours and titles, other charsets, single letters (ECMA-48). Behind a
# stray escape stands a text, whose letters stay: a command of one letter is told from a word by what follows.
_ESCAPE = re.compile(
    "\x1b(?:\\[[0-?]{0,40}[ -/]{0,4}[@-~]|[\\]PX^_][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\\\)|[()*+][0-2ABIJ]"
    "|\\$[()*+]?[@-D]|#[3-8]|%[@G]|[78=>\\\\]|[DEHMNOZcno|}~](?![A-Za-z]))?"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_CONTROL_BYTES = bytes([*range(9), 0x0B, *range(0x0E, 0x20), 0x7F])
_EXPECTED = re.compile(
    "[\t\n\r -~\u00a0-\u024f\u0370-\u04ff\u2010-\u203b\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]"
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text of a body, without marks and control characters, its lines ended by a newline alone.

    bad_share: of its characters, those that did not decode or were control characters.
    """

    text: str
    charset: str
    bad_share: float


def decode(body: bytes, declared: bool = False) -> Decoded:
    """Text of a body. declared: look for a charset in its first 16 KiB (HTML and XML name theirs)."""
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return _decode(body[len(mark) :], charset)
    if b"\x00" in body and (wide := _utf16(body)):
        return _decode(body, wide)
    if body.isascii():
        return _seven_bit(body) or _clean(body.decode("ascii"), "utf-8")
    if (nearly := _nearly_utf8(body)) is not None:
        return nearly
    named = _declared(body) if declared else None
    if named and (decoded := _decode(body, named)).bad_share < 0.01:
        likely, likeness = _likeliest(body)
        return _decode(body, likely) if _is_contradicted(named, body, likeness) else decoded
    return _decode(body, _utf16(body) or _detect(body))


def given(body: bytes) -> Decoded | None:
    """Text that came as Unicode, in a record: nothing to guess, whatever it holds; None if it did not."""
    if b"\x00" in body and _utf16(body):
        return None
    try:
        return _clean(body.decode(), "utf-8")
    except UnicodeDecodeError:
        return None


def strip_controls(text: str) -> tuple[str, int]:
    """Text without control characters, NUL and lone surrogates, and how many there were."""
    return (text, 0) if _is_plain(text) else _CONTROL.subn("", text)


def _is_plain(text: str) -> bool:
    """Whether there is none of those, which nearly all texts are, and bytes tell in a third of the time."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return False
    without = encoded.translate(None, _CONTROL_BYTES)
    return len(without) == len(encoded) and "\ufffe" not in text and "\uffff" not in text


def _decode(body: bytes, charset: str) -> Decoded:
    if charset == "utf-8":
        return _utf8(body)
    text = body.decode(charset, "replace")
    lost = text.count("\ufffd")
    return _clean(text.replace("\ufffd", ""), charset, lost)


def _utf8(body: bytes) -> Decoded:
    """Stray bytes are left out; a U+FFFD that was written stays, as damage that came with the text."""
    text = body.decode("utf-8", "ignore")
    return _clean(text, "utf-8", len(body) - len(text.encode()))


def _clean(text: str, charset: str, lost: int = 0) -> Decoded:
    length = len(text) + lost
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    text, controls = strip_controls(text)
    return Decoded(_lines_ended(text), charset, min(1.0, (controls + lost) / length) if length else 0.0)


def _lines_ended(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\f", "\n") if "\f" in text else text


def _nearly_utf8(body: bytes) -> Decoded | None:
    """UTF-8 that lost no more bytes than its characters have beyond the first; other charsets lose most."""
    try:
        return _clean(body.decode(), "utf-8")
    except UnicodeDecodeError:
        text = body.decode("utf-8", "ignore")
    kept = len(text.encode())
    lost = len(body) - kept
    return _clean(text, "utf-8", lost) if lost <= kept - len(text) else None


def _seven_bit(body: bytes) -> Decoded | None:
    """ISO 2022 of Japan and Korea by their shifts, and HZ, whose pairs are common Chinese characters."""
    if b"\x1b$" in body and _SHIFTED.search(body):
        for charset in ("iso2022_kr",) if b"\x1b$)C" in body else ("iso2022_jp_2", "iso2022_jp_ext"):
            try:
                return _clean(body.decode(charset), charset)
            except UnicodeDecodeError:
                continue
    pairs = b"".join(_HZ.findall(body)) if b"~{" in body else b""
    if len(pairs) >= 8 and _likeness(_high(pairs), "gb18030") >= _LIKELY:
        text = _HZ.sub(lambda found: _high(found[1]).decode("gb18030", "ignore").encode(), body).decode()
        return _clean(text.replace("~~", "~").replace("~\n", ""), "hz")
    return None


def _high(pairs: bytes) -> bytes:
    return bytes(byte | 0x80 for byte in pairs)


def _declared(body: bytes) -> str | None:
    """The charset that a page's own `meta` or an XML declaration names, and no script or comment in it."""
    for found in _DECLARED.finditer(_NOT_DECLARING.sub(b"", body[:_HEAD])):
        if (charset := _codec((found[1] or found[2]).decode())) is not None:
            return None if charset.startswith("utf-16") else charset  # as it was read, it cannot be
    return None


def _is_contradicted(named: str, body: bytes, likeness: float) -> bool:
    """Whether an East Asian charset makes so much more common characters of the bytes than the declared
    one.
    """
    if named in _EAST_ASIAN:
        return _likeness(body[:_SAMPLE], named) < min(_LIKELY, likeness - 0.1)
    return likeness >= _SURE


def _codec(label: str) -> str | None:
    """Python's name of a text codec, widened; None for one that is not known or not for text."""
    if label.lower() in _OTHER_NAMES:
        return _OTHER_NAMES[label.lower()]
    try:
        codec = codecs.lookup(label)
    except LookupError:
        return None
    if not codec._is_text_encoding or codec.name in {"utf-7", "idna", "punycode", "undefined"}:
        return None
    return _WIDER.get(codec.name, codec.name)


def _utf16(body: bytes) -> str | None:
    """UTF-16 without a mark: ASCII in it has a NUL in every other byte; Chinese has bytes below 9 here and
    there (in its punctuation), is no valid UTF-8, and decodes to common characters.
    """
    sample = body[:_SAMPLE]
    if len(sample) < 4:
        return None
    half = len(sample) // 2
    first, second = sample[::2].count(0), sample[1::2].count(0)
    if max(first, second) > 0.4 * half and min(first, second) < 0.05 * half:
        return "utf-16-be" if first > second else "utf-16-le"
    low = sum(map(sample.count, range(9)))
    if low < len(sample) / 100 or _is_utf8(sample):
        return None
    for charset in ("utf-16-le", "utf-16-be"):
        text = sample[: 2 * half].decode(charset, "replace")
        if len(_EXPECTED.findall(text)) > 0.9 * len(text):
            return charset
    return None


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # a character may be cut at the end
    except UnicodeDecodeError:
        return False
    return True


def _detect(body: bytes) -> str:
    from resiliparse.parse.encoding import detect_encoding

    sample = body[:_SAMPLE]
    guess = _codec(str(detect_encoding(body, max_len=_SAMPLE))) or "utf-8"
    likely, likeness = _likeliest(body)
    needed = _LIKELY if guess in _LATIN or guess in _EAST_ASIAN else _SURE
    if likeness >= needed:
        return likely
    if guess == "utf-8":  # also the answer when uchardet does not know
        return "gb18030" if _decode(body, "gb18030").bad_share < 0.001 else "cp1252"
    high = sum(byte > 127 for byte in sample) / len(sample)
    # A few accents are not enough to tell the one-byte charsets apart; Windows Latin is the common one.
    return "cp1252" if high < 0.05 and guess not in _EAST_ASIAN else guess


def _likeliest(body: bytes) -> tuple[str, float]:
    """The East Asian charset in which most characters are common ones, and how many of them are."""
    scored = [(_likeness(body[:_SAMPLE], charset), -i) for i, charset in enumerate(_EAST_ASIAN)]
    best, i = max(scored)
    return _EAST_ASIAN[-i], best


def _likeness(sample: bytes, charset: str) -> float:
    """Share of the characters beyond ASCII that are common in a charset, less what does not decode."""
    text = codecs.getincrementaldecoder(charset)("replace").decode(
        sample
    )  # a character may be cut at the end
    wide = [sign for sign in text if sign > "\x7f"][:_MOST_SIGNS]
    if len(wide) < 2:
        return 0.0
    common = _common(charset)
    return (sum(sign in common for sign in wide) - wide.count("\ufffd")) / len(wide)


@cache
def _common(charset: str) -> frozenset[str]:
    """What makes up most texts: the first level of the charset's ideographs, or its syllables; its marks."""
    first, last = {  # rows of the first level: 3,755, 5,401, 2,965 (twice) and 2,350 characters
        "gb18030": (0xB0, 0xD7), "big5hkscs": (0xA4, 0xC6), "cp932": (0x88, 0x97), "euc_jp": (0xB0, 0xCF),
        "cp949": (0xB0, 0xC8),
    }[charset]  # fmt: skip
    pairs = (bytes([row, cell]) for row in range(first, last + 1) for cell in range(0x40, 0xFF))
    marks = "、。，．；：？！“”‘’《》〈〉「」『』【】（）〔〕・…—–～·　％０１２３４５６７８９"
    kana = "".join(map(chr, range(0x3041, 0x30FF))) if charset in ("cp932", "euc_jp") else ""
    return frozenset(marks + kana).union(*(pair.decode(charset, "ignore") for pair in pairs)) - _RARE


# Where half-width katakana and private characters come up, the bytes were of another charset.
_RARE = frozenset(map(chr, (*range(0x80), *range(0xFF61, 0xFFA0), *range(0xE000, 0xF900))))
