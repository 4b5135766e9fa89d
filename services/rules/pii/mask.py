"""Personal data replaced by typed placeholders: <PHONE_1>, and the same again for the same value."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from services.rules.page import Page
from services.rules.pii.find import apart, find
from services.rules.pii.ner import FindNames
from services.rules.pii.places import Marked, marked
from services.rules.pii.span import Span

CODE = frozenset({"code", "latex"})  # where a placeholder breaks what the text does, or how it is set


class Masked(NamedTuple):
    """The text without personal data, and how many of each kind were replaced."""

    text: str
    counts: Mapping[str, int]


class Masker:
    """Masks texts of a format. kinds: of KINDS; kinds_of_code: of code and LaTeX."""

    def __init__(
        self, kinds: Collection[str], kinds_of_code: Collection[str], find_names: FindNames | None = None
    ) -> None:
        self._kinds, self._kinds_of_code = frozenset(kinds), frozenset(kinds_of_code)
        self._find_names = find_names

    def mask(self, pages: Sequence[Page], formats: Sequence[str]) -> list[Masked]:
        """Each page's text, of the format at its place, without personal data; as it is where there is none.

        Linear in the length of the texts.
        """
        return list(map(self._masked, pages, formats, marked(pages)))

    def _masked(self, page: Page, format_: str, marks: Marked) -> Masked:
        is_code = format_ in CODE
        found = find(page, marks, self._kinds_of_code if is_code else self._kinds, is_code=is_code)
        if found and self._find_names is not None and not is_code:
            found = apart([*found, *self._find_names(page.text, found)])
        return _replaced(page.text, found) if found else Masked(page.text, {})


def _replaced(text: str, found: list[Span]) -> Masked:
    names: dict[tuple[str, str], str] = {}
    numbers: dict[str, int] = {}
    counts: dict[str, int] = {}
    pieces: list[str] = []
    reached = 0
    for start, end, kind, value in found:
        name = names.get((kind, value))
        if name is None:
            numbers[kind] = numbers.get(kind, 0) + 1
            name = names[kind, value] = f"<{kind.upper()}_{numbers[kind]}>"
        counts[kind] = counts.get(kind, 0) + 1
        pieces += (text[reached:start], name)
        reached = end
    return Masked("".join([*pieces, text[reached:]]), counts)
