"""Binary data written out as letters in the middle of a text: base64 and the like, in one line or in many."""

from __future__ import annotations

import re

from services.rules.page import Page

_LONGEST_WORD = 40  # characters; base64 has a longer run of letters and digits in every kilobyte
_LEAST = 120  # characters of a blob: two lines
_LEAST_OF_TWO = 512  # of one that has letters of one case only: no hash, no key of a product

# Lines that are quoted or indented, or were joined by a space, belong together; the last may be shorter,
# where it is no word. With - and _ in the place of + and / it comes in one line, longer than any name.
_SIGN, _BREAK = "[A-Za-z0-9+/]", r"[\n ][> \t]{0,8}"
_BLOB = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:data:[\w./+-]{3,60};base64,)?(?:"
    r"[A-Za-z0-9_-]{200,}+={0,2}"
    rf"|{_SIGN}{{40,}}+(?:{_BREAK}{_SIGN}{{40,}}+)*+"
    rf"(?:(?:{_BREAK})?{_SIGN}{{0,75}}={{1,2}}"
    rf"|{_BREAK}(?=[A-Za-z]{{0,75}}[0-9+/]|[A-Za-z]{{20}}){_SIGN}{{2,75}}(?![^\n]))?"
    ")"
)
_KINDS = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))


def without_blobs(page: Page) -> str:
    """The text without them; a page that has none gives its own text.

    The gate is the longest token, which the measures need anyway. Linear in the length of the text.
    """
    if page.longest_token < _LONGEST_WORD:
        return page.text
    text = _BLOB.sub(lambda found: "" if _is_blob(found[0]) else found[0], page.text)
    return text if len(text) == len(page.text) else text.strip("\n")


def _is_blob(run: str) -> bool:
    """Small and capital letters and digits, each a twentieth at least: no path and no word. Or, in one long
    run, letters of one case and digits.
    """
    if len(run) < _LEAST:
        return False
    small, capital, digits = (len(kind.findall(run)) * 20 for kind in _KINDS)
    if min(small, capital, digits) >= len(run):
        return True
    return len(run) >= _LEAST_OF_TWO and run.isalnum() and min(max(small, capital), digits) >= 2 * len(run)
