"""Bring a text into one form, without changing what it says.

NFC and not NFKC: NFKC would turn full-width Chinese punctuation into ASCII and superscripts into digits.
Traditional and simplified characters stay as found; indentation and tabs stay, since they are code's syntax.
"""

from __future__ import annotations

import re
import unicodedata

from contracts.terminal import COMMAND

# \r\n, \r, vertical tab, form feed, NEL and the Unicode line and paragraph separators.
_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# No-break, en, em, thin... spaces. Not U+3000: it indents Chinese paragraphs.
_SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f]")
# Controls, soft hyphen, zero-width space, bidi marks, fillers, word joiner, BOM, replacement character: what
# Unicode calls default ignorable, but for what means something beside some characters (_HIDDEN, joiners).
_INVISIBLE = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffd\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
)
_REMOVED = re.compile(f"[{_INVISIBLE}]")
_COMMANDS = re.compile(COMMAND + "|\x9b[0-?]{0,40}[@-~]")
# Letters that no screen shows: tags but in a flag, selectors but where they choose between two shapes.
_HIDDEN = "\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\ufe00-\ufe0f\U000e0000-\U000e01ef"
_TAGS = re.compile(
    "(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,7}\U000e007f)|[\U000e0000-\U000e007f]+"
)
_STRAY_SELECTORS = re.compile(
    "(?<![#*0-9\xa9\xae\u2000-\u2bff\u3000-\u9fff\uf900-\ufaff\U0001d000-\U0001faff\u1000-\u109f\ua840-\ua87f])"
    "[\ufe00-\ufe0f]+|[\ufe03-\ufe0d]+|(?<![\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]+"
    "|(?<![\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff])[\u115f\u1160]+(?![\u1100-\u11ff])"  # fillers of Hangul
    "|(?<![\u1780-\u17ff])[\u17b4\u17b5]+|(?<![\u1800-\u18af])[\u180b-\u180d\u180f]+"  # of Khmer, Mongolian
)
_STRAY_BLANKS = re.compile("(?<![\u2800-\u28ff])\u2800+(?![\u2801-\u28ff])")  # of braille, outside of it
# Zero-width (non-)joiners mean something in emoji and in scripts from Hebrew to Khmer, nowhere else.
_STRAY_JOINERS = re.compile(
    "(?<![\u0590-\u1cff\u2600-\u27bf\u2b00-\u2bff\ua800-\uabff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]+"
)
# Most texts hold none of all these (signs.py).
ODD = re.compile(
    f"[{_INVISIBLE}{_HIDDEN}\r\x0b\x0c\x85\u2028\u2029\xa0\u1680\u2000-\u200a\u202f\u205f\u200c\u200d]"
)
BLANK, BREAK = re.compile("[ \t\u3000]"), re.compile("\n")  # of what holds nothing odd
_ANY_STRAY = re.compile(f"[\u200c\u200d{_HIDDEN}]")
_DAMAGED = re.compile("[\ue000-\uf8ff\ufffd]|锟斤拷|烫烫|ï»¿")
DAMAGED = re.compile("[\ue000-\uf8ff\ufffd锟烫ï]")
_BLANK_RUN = re.compile("\n{4,}")  # more than two blank lines; PEP 8 uses two

# A URL ends before white space, brackets, quotes and anything Chinese; its last character is no punctuation.
_URL = re.compile(
    r"(?:https?://|ftp://|(?<![\w@./])www\.)"
    r"[^\s<>\"'`()\[\]{}|\\^\u2018-\u201d\u3000-\u9fff\uff00-\uffef]*[\w/#=&%~$+*-]",
    re.IGNORECASE | re.ASCII,
)
# Inside brackets or quotes a URL stays: what is around it would be left empty. With the space before it.
_BARE_URL = re.compile(rf"(?<![(\[<{{\"'`=（【《「“‘]) ?{_URL.pattern}", re.IGNORECASE | re.ASCII)


def normalise(text: str, *, is_odd: bool = True, is_trailed: bool = True) -> str:
    r"""NFC; `\n` ends lines; no trailing blanks, control or zero-width characters; ≤ 2 blank lines in a row.

    is_odd: whether a character of ODD may be there. is_trailed: whether a BLANK may end a line of a text
    without such. Linear in the length of the text; normalise(normalise(t)) == normalise(t).
    """
    if is_odd:
        text = _REMOVED.sub("", _NEWLINES.sub("\n", _COMMANDS.sub("", text)))
        text = _without_strays(_SPACES.sub(" ", text))
    text = unicodedata.normalize("NFC", text)
    if "&nbsp;" in text and "<" not in text:  # left by a bad extraction, not HTML shown as text (ftfy's test)
        text, is_trailed = text.replace("&nbsp;", " "), True
    if is_odd or is_trailed:
        # Not a regular expression: `[ \t]+\n` takes quadratic time in a long run of spaces.
        text = "\n".join([line.rstrip() for line in text.split("\n")])
    return _without_blank_runs(text)


def normalise_code(text: str) -> str:
    r"""Code as it is: `\n` ends lines, no byte order mark, no NUL, no blank lines around it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    return text.replace("\x00", "").lstrip("\ufeff").strip("\n")


def _without_blank_runs(text: str) -> str:
    return (_BLANK_RUN.sub("\n\n\n", text) if "\n\n\n\n" in text else text).strip("\n")


def _without_strays(text: str) -> str:
    """In NFC, without what means something beside certain characters only.

    Taking one away, or composing marks, can bring another behind other characters: hence the loop.
    """
    if text.isascii():
        return text
    for _ in range(4):
        again = _STRAY_JOINERS.sub("", _TAGS.sub(r"\1", text))
        again = unicodedata.normalize("NFC", _STRAY_BLANKS.sub(" ", _STRAY_SELECTORS.sub("", again)))
        if again == text:
            return text
        text = again
    return _ANY_STRAY.sub("", text)  # nobody writes like this


def damaged_characters(text: str) -> int:
    """Characters that a wrong decoding left behind: replacement, private use, the classic mojibake.

    Of the text as received; normalise removes what cannot be read.
    """
    return sum(map(len, _DAMAGED.findall(text)))


def url_characters(text: str) -> int:
    """Number of characters that belong to URLs."""
    if "://" not in text and "www." not in text:
        return 0
    lines = [line for line in text.split("\n") if "://" in line or "www." in line.lower()]
    return sum(len(url) for url in _URL.findall("\n".join(lines)))


def strip_urls(text: str) -> str:
    """The text without its bare URLs; a line that held nothing else goes with it."""
    if "://" not in text and "www." not in text:
        return text
    lines = []
    for line in text.split("\n"):
        stripped = _BARE_URL.sub("", line).strip(" ") if "://" in line or "www." in line else line
        if stripped or not line:
            lines.append(stripped if stripped != line.strip(" ") else line)
    return _without_blank_runs("\n".join(lines))
