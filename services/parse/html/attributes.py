"""What an element's attributes say of it: what its class may mean, whether it is shown, or a dialog."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from services.parse.html.formulas import is_holder
from services.parse.html.hints import hints_of
from services.parse.html.lines import speaks_of_numbers

SHOWING = frozenset({"hidden", "style", "aria-hidden", "role", "aria-modal"})  # that tell either
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Class:
    """first: of its names. may_hold, numbers: whether what has it may hold a formula, or numbers of lines;
    asks: either. hints: as of hints_of.
    """

    first: str
    asks: bool
    may_hold: bool
    numbers: bool
    hints: int


NO_CLASS = Class("", asks=False, may_hold=False, numbers=False, hints=0)


@lru_cache(8192)
def class_says(named: str) -> Class:
    """Of a class attribute; pages say the same ones again and again."""
    may_hold, numbers = is_holder(named), speaks_of_numbers(named)
    first = (named.split(None, 1) or [""])[0]
    return Class(first, may_hold or numbers, may_hold, numbers, hints_of({"class": named}))


def is_hidden(attributes: Mapping[str, str]) -> bool:
    """Whether it is not shown, as far as the element itself says so."""
    style = attributes.get("style")
    return "hidden" in attributes or bool(style and _HIDDEN.search(style))


def is_dialog(attributes: Mapping[str, str]) -> bool:
    """Whether it lies over the page."""
    return attributes.get("role") in ("dialog", "alertdialog") or attributes.get("aria-modal") == "true"
