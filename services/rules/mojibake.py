"""Text that came in a wrong decoding, undone where that leaves no doubt.

Only a whole sequence that is valid in the right encoding, and could hardly be so by chance, is put back:
"donâ€™t", "cafÃ©"; Chinese read as Latin. What has lost bytes on the way stays, and counts as damage.
After the idea of ftfy (Speer 2019, doi 10.5281/zenodo.2591652).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LEADS = "\xc2-\xf4"  # the first byte of a character in UTF-8, read as Latin-1 or Windows-1252
_1252 = {
    bytes([byte]).decode("cp1252"): byte
    for byte in range(0x80, 0xA0)
    if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_NEXT = "\x80-\xbf" + "".join(map(re.escape, _1252))
_SEQUENCE = re.compile(f"(?:[\xc2-\xdf][{_NEXT}]|[\xe0-\xef][{_NEXT}]{{2}}|[\xf0-\xf4][{_NEXT}]{{3}})+")
_UTF8_SIGNS = "âÃÂãäåæçèéïð"  # one of them begins whatever is common
_LOST_QUOTE = "â€\ufffd"  # Windows-1252 has no character for the last byte of a closing quote

# GB 2312 read as Latin-1: pairs of bytes from A1 to FE, with the comma or the full stop among them.
_PAIRS = re.compile("[\xa1-\xf7][\xa1-\xfe](?:[\x20-\x7e\n]{0,12}[\xa1-\xf7][\xa1-\xfe]){7,}")
_COMMON = range(0xB0, 0xD8)  # first bytes of GB 2312's 3,755 common characters; A1 and A3 are marks
# UTF-8 read as GBK: what "，", "。", "、" and "的" become, and next to no text holds otherwise.
_GBK_SIGNS = "锛銆紝鐨"
SIGNS = re.compile(f"[{_UTF8_SIGNS}£{_GBK_SIGNS}]")  # what is without them is as it was meant
_HAN_RUN = re.compile(
    "[\u2e80-\u9fff\ue000-\uf8ff\uff00-\uffef\u20ac\xb7-\xf7\u2000-\u2bff\u0391-\u0451]{8,}"
)


def mend(text: str) -> str:
    """The text as it was meant, as far as that is certain. Linear; most texts hold no sign (SIGNS)."""
    if any(sign in text for sign in _UTF8_SIGNS):
        text = _from_utf8(text)
    if "£" in text and ("£¬" in text or "¡£" in text):
        text = _PAIRS.sub(lambda found: _from_gbk(found[0]), text)
    if any(sign in text for sign in _GBK_SIGNS[:3]):
        text = _HAN_RUN.sub(lambda found: _from_utf8_in_gbk(found[0]), text)
    return text


def unmended(text: str) -> int:
    """Characters of a text that is UTF-8 read as GBK and cannot be undone; 0 for any other."""
    signs = sum(map(text.count, _GBK_SIGNS))
    if signs < 3 or signs * 100 < len(text):
        return 0
    return sum("\u4e00" <= sign <= "\u9fff" for sign in text)


def _from_utf8(text: str) -> str:
    found = [match[0] for match in _SEQUENCE.finditer(text)]
    # A lone pair can be meant: the last letter of a word in capitals, and a closing quote.
    if not found or (len(found) == 1 and len(found[0]) < 3) or not _is_certain(found):
        return text
    mended = _SEQUENCE.sub(lambda match: _decoded(match[0]), text)
    return mended.replace(_LOST_QUOTE, "”")


def _is_certain(found: Iterable[str]) -> bool:
    """Most sequences decode, and into what people write: no pair but of Â and Ã."""
    good = [_decoded(run) != run and (len(run) > 2 or run[0] in "ÂÃ") for run in found]
    return sum(good) * 10 >= len(good) * 9


def _decoded(run: str) -> str:
    try:
        return bytes(_1252.get(sign, ord(sign)) for sign in run).decode()
    except (UnicodeDecodeError, ValueError):
        return run


def _from_gbk(run: str) -> str:
    try:
        data = run.encode("latin-1")
        decoded = data.decode("gb2312")
    except UnicodeError:
        return run
    pairs = [sign for sign in decoded if not sign.isascii()]
    common = sum(sign.encode("gb2312")[0] in _COMMON or sign in "，。、；：！？“”《》（）" for sign in pairs)
    return decoded if common * 10 >= len(pairs) * 9 else run


def _from_utf8_in_gbk(run: str) -> str:
    try:
        return run.encode("gb18030").decode()
    except UnicodeError:
        return run
