"""Bytes to text in whatever charset they came.

Order of belief: byte order mark; UTF-16 by its NULs; UTF-8, which other charsets hardly ever are, also where
a few bytes of it are stray; 7-bit charsets by their shifts; the charset that the page declares; the one in
which the characters are those of a language (east_asian.py, one_byte.py); uchardet. A declaration gives way
where another charset makes common characters of its rare ones.

What is judged are the words that have bytes beyond ASCII, wherever they stand, so that a page's scripts and
its English don't hide them.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections import Counter
from dataclasses import dataclass

from contracts.terminal import COMMAND
from services.parse.charset import east_asian, one_byte

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 1 << 16
_JUDGED = 1 << 14
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
    "koi8-r": "koi8-u",
    "tis-620": "cp874",
}
_OTHER_NAMES = {
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc_jp",
    "x-x-big5": "big5hkscs",
    "windows-31j": "cp932",
}
_LIKELY = 0.7  # of a text's characters are common ones in its East Asian charset
# Of 1,163 East Asian texts of 8 to 150 characters 1,154 fit theirs by more than this better than any charset
# of one byte; of 1,403 others 14 fit one of theirs so, none of them of 40 characters.
_WIDE = 0.2
_CLEARLY = 0.15  # so much better than the declared charset must another fit to be believed instead, and
_ENOUGH = 8  # characters must there be; of fewer, four times as much
_FITS = 0.5
_FEW = 4  # characters do not tell the charsets of one byte apart
_BETWEEN_WORDS = bytes.maketrans(b"<>\x00", b"   ")
_CHUNK = 1 << 20
_MOST_RUNS = 1000
_SHIFTED = re.compile(rb"\x1b\$(?:[@AB]|\([@-D]|\)C)")
_SEVEN = re.compile(rb"\+[A-Za-z0-9/+]{3,}-?")
_HZ = re.compile(rb"~\{((?:[\x21-\x77][\x21-\x7e])+)(?:~\}|[\x21-\x7e]?\Z)")
_COMMAND = re.compile(COMMAND)
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_CONTROL_BYTES = bytes([*range(9), 0x0B, *range(0x0E, 0x20), 0x7F])
_EXPECTED = re.compile(
    "[\t\n\r -~\u00a0-\u024f\u0370-\u04ff\u2010-\u203b\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef]"
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
        return _seven_bit(body) or _valid_utf8(body)
    if (nearly := _nearly_utf8(body)) is not None:
        return nearly
    if (shifted := _shifted(body)) is not None:
        return shifted
    sample = _sample(body)
    named = _declared(body) if declared else None
    if named and (decoded := _decode(body, named)).bad_share < 0.01 and not _is_contradicted(named, sample):
        return decoded
    return _decode(body, _utf16(body) or _detect(body, sample))


def given(body: bytes) -> Decoded | None:
    """Text that came as Unicode, in a record: nothing to guess, whatever it holds; None if it did not."""
    if b"\x00" in body and _utf16(body):
        return None
    try:
        return _valid_utf8(body)
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
    return _has_none(text, encoded)


def _has_none(text: str, encoded: bytes) -> bool:
    """The same of a text that is known in UTF-8."""
    without = encoded.translate(None, _CONTROL_BYTES)
    return len(without) == len(encoded) and "\ufffe" not in text and "\uffff" not in text


def _decode(body: bytes, charset: str) -> Decoded:
    if charset == "utf-8":
        return _utf8(body)
    mended = east_asian.mended(body, charset)
    text = mended.decode(charset, "replace")
    lost = text.count("\ufffd") + len(body) - len(mended)
    return _clean(text.replace("\ufffd", ""), charset, lost)


def _utf8(body: bytes) -> Decoded:
    """Stray bytes are left out; a U+FFFD that was written stays, as damage that came with the text."""
    text = body.decode("utf-8", "ignore")
    return _clean(text, "utf-8", len(body) - len(text.encode()))


def _clean(text: str, charset: str, lost: int = 0) -> Decoded:
    length = len(text) + lost
    if "\x1b" in text:
        text = _COMMAND.sub("", text)
    text, controls = strip_controls(text)
    return Decoded(_lines_ended(text), charset, min(1.0, (controls + lost) / length) if length else 0.0)


def _lines_ended(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\f", "\n") if "\f" in text else text


def _valid_utf8(body: bytes) -> Decoded:
    """Most have nothing to clean, which their bytes tell: a text need not be encoded for that.

    Raises UnicodeDecodeError.
    """
    text = body.decode()
    return Decoded(_lines_ended(text), "utf-8", 0.0) if _has_none(text, body) else _clean(text, "utf-8")


def _nearly_utf8(body: bytes) -> Decoded | None:
    """UTF-8 that lost no more bytes than its characters have beyond the first; other charsets lose most."""
    try:
        return _valid_utf8(body)
    except UnicodeDecodeError:
        text = body.decode("utf-8", "ignore")
    kept = len(text.encode())
    lost = len(body) - kept
    return _clean(text, "utf-8", lost) if lost <= kept - len(text) else None


def _seven_bit(body: bytes) -> Decoded | None:
    """ISO 2022 by its shifts; HZ and UTF-7, whose shifts are ASCII, where common characters come out."""
    if (shifted := _shifted(body)) is not None:
        return shifted
    pairs = b"".join(_HZ.findall(body)) if b"~{" in body else b""
    if len(pairs) >= 8 and east_asian.likeness_of(_high(pairs), "gb18030")[0] >= 0.8:
        text = _HZ.sub(lambda found: _high(found[1]).decode("gb18030", "ignore").encode(), body).decode()
        return _clean(text.replace("~~", "~").replace("~\n", ""), "hz")
    return _utf7(body)


def _shifted(body: bytes) -> Decoded | None:
    """ISO 2022 of Japan and Korea; as in UTF-8, a few bytes may be stray."""
    if b"\x1b$" not in body or not _SHIFTED.search(body):
        return None
    charsets = ("iso2022_kr",) if b"\x1b$)C" in body else ("iso2022_jp_2", "iso2022_jp_ext")
    found = min((_decode(body, charset) for charset in charsets), key=lambda each: each.bad_share)
    return found if found.bad_share < 0.05 else None


def _utf7(body: bytes) -> Decoded | None:
    """Mail of old; Base64 and sums with a plus in them make no text of it."""
    if b"+" not in body:
        return None
    runs = (run[0].decode("utf-7", "ignore") for run in itertools.islice(_SEVEN.finditer(body), _MOST_RUNS))
    wide = Counter(sign for sign in "".join(runs) if sign > "\x7f")
    everyday = sum(num for sign, num in wide.items() if east_asian.is_everyday(sign))
    if wide.total() < 4 or everyday * 10 < wide.total():
        return None
    text = _SEVEN.sub(lambda run: run[0].decode("utf-7", "ignore").encode("utf-8", "ignore"), body)
    return _clean(text.replace(b"+-", b"+").decode(), "utf-7")


def _high(pairs: bytes) -> bytes:
    return bytes(byte | 0x80 for byte in pairs)


def _declared(body: bytes) -> str | None:
    """The charset that a page's own `meta` or an XML declaration names, and no script or comment in it."""
    for found in _DECLARED.finditer(_NOT_DECLARING.sub(b"", body[:_HEAD])):
        if (charset := _codec((found[1] or found[2]).decode())) is not None:
            # As it was read it cannot be UTF-16, nor UTF-8 that nothing but stray bytes are left of.
            return None if charset.startswith("utf-16") or charset == "utf-8" else charset
    return None


def _is_contradicted(named: str, sample: bytes) -> bool:
    """Whether another charset makes so much more of the bytes than the declared one."""
    is_wide = named in east_asian.CHARSETS
    own = sum(east_asian.likeness_of(sample, named)) if is_wide else 0.0
    if own > 1 + _WIDE - _CLEARLY:  # none of one byte can do better
        return False
    wide, narrow = east_asian.likeliest(sample), one_byte.likeliest(sample)
    clearly = _CLEARLY if narrow.num >= _ENOUGH else 4 * _CLEARLY
    if is_wide:
        return own < max(wide.score, narrow.score + _WIDE) - clearly
    if named not in one_byte.CHARSETS:
        return wide.likeness >= 0.95 and wide.score >= 1.2
    own = one_byte.fit_of(sample, named).score
    if wide.likeness >= _LIKELY and wide.score > own + _WIDE + clearly:
        return True
    return narrow.score > own + clearly


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
    """UTF-16 without a mark: in that of an alphabet every other byte is its row, and a small one; Chinese and
    Korean have bytes below 9 here and there (in spaces and marks), are no valid UTF-8, and decode to common
    characters.
    """
    sample = body[:_SAMPLE]
    if len(sample) < 4:
        return None
    half = len(sample) // 2
    for charset, rows, cells in (
        ("utf-16-le", sample[1::2], sample[::2]),
        ("utf-16-be", sample[::2], sample[1::2]),
    ):
        if (rows.count(0) > 0.4 * half and cells.count(0) < 0.05 * half) or (
            _num_small(rows) > 0.9 * half and _num_small(cells) < 0.3 * half
        ):
            return charset
    low = sum(map(sample.count, range(9)))
    if low < len(sample) / 100 or _is_utf8(sample):
        return None
    for charset in ("utf-16-le", "utf-16-be"):
        text = sample[: 2 * half].decode(charset, "replace")
        if len(_EXPECTED.findall(text)) > 0.9 * len(text):
            return charset
    return None


def _num_small(half: bytes) -> int:
    return sum(map(half.count, range(16)))


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # a character may be cut at the end
    except UnicodeDecodeError:
        return False
    return True


def _sample(body: bytes) -> bytes:
    """Words with bytes beyond ASCII, from the beginning, up to _JUDGED bytes of them."""
    found: list[bytes] = []
    size = 0
    for at in range(0, len(body), _CHUNK):
        chunk = body[at : at + _CHUNK]
        if chunk.isascii():
            continue
        found += [word for word in chunk.translate(_BETWEEN_WORDS).split() if not word.isascii()]
        size = sum(map(len, found))
        if size >= _JUDGED:
            break
    return b" ".join(found)[:_JUDGED]


def _detect(body: bytes, sample: bytes) -> str:
    wide = east_asian.likeliest(sample)
    if wide.score > 1 + _WIDE:  # none of one byte can do better
        return wide.charset
    narrow = one_byte.likeliest(sample)
    if wide.likeness >= _LIKELY and wide.score > narrow.score + _WIDE:
        return wide.charset
    if narrow.score >= _FITS:
        few = narrow.num < _FEW and one_byte.fit_of(sample, "cp1252").score >= _FITS
        return "cp1252" if few else narrow.charset
    from resiliparse.parse.encoding import detect_encoding

    guess = _codec(str(detect_encoding(body, max_len=_SAMPLE))) or "utf-8"
    if guess == "utf-8":  # also the answer when uchardet does not know
        return "gb18030" if _decode(body, "gb18030").bad_share < 0.001 else "cp1252"
    return guess
