"""Binary data written out as letters in the middle of a text: base64, in one line or in many."""

from __future__ import annotations

import re

from services.rules.page import Page

_LONGEST_WORD = 40  # characters; base64 has a longer run of letters and digits in every kilobyte
_LEFT = 4  # parts of a text, of which one at least must be left
_LEAST = 120  # characters of a blob: two lines

_BLOB = re.compile(
    r"(?:data:[\w./+-]{3,60};base64,)?[A-Za-z0-9+/]{64,}+"
    r"(?:\n[A-Za-z0-9+/]{60,}+)*+(?:\n?[A-Za-z0-9+/]{0,75}={1,2})?"
)
_KINDS = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))


def without_blobs(page: Page) -> str:
    """The text without base64; a page without it gives its own text.

    The gate is the longest token, which the measures need anyway. Linear in the length of the text.
    """
    if page.longest_token < _LONGEST_WORD:
        return page.text
    text = _BLOB.sub(lambda found: "" if _is_blob(found[0]) else found[0], page.text)
    if len(text) * _LEFT < page.size:
        return page.text  # a blob with a heading: max_run_length drops it
    return text if len(text) == len(page.text) else text.strip("\n")


def _is_blob(run: str) -> bool:
    """Small and capital letters and digits, each a twentieth at least: no path, no word, no hexadecimal."""
    return len(run) >= _LEAST and all(len(kind.findall(run)) * 20 >= len(run) for kind in _KINDS)
