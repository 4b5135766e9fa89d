"""A rule: text that is mostly capital letters."""

from __future__ import annotations

from services.runtime import TextRule


def upper_case_share(text: str) -> float:
    """0..1, of the letters that have a case."""
    cased = [char for char in text if char.lower() != char.upper()]
    return sum(char.isupper() for char in cased) / len(cased) if cased else 0.0


SHOUTING = TextRule(reason="shouting", measure=upper_case_share, most=0.6)
