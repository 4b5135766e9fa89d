"""A document's uid as people write it."""

from __future__ import annotations

import re


def meant_uid(text: str) -> str:
    """`; did you mean the uid …?` for one in upper case, with 0x or blanks, or as a number; or nothing."""
    plain = text.strip().lower()
    if found := re.fullmatch(r"(?:0x)?([0-9a-f]{16})", plain):
        uid = found[1]
    elif re.fullmatch(r"-?\d{17,20}", plain) and -(2**63) <= int(plain) < 2**64:
        uid = f"{int(plain) % 2**64:016x}"
    else:
        return ""
    return "" if uid == text else f"; did you mean the uid {uid}?"
