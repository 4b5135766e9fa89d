"""What reads the pages that have no text layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.parse.pdf.line import Line
from services.parse.pdf.tables import Table


@dataclass(frozen=True, slots=True)
class Recognised:
    """Lines of a page, in any order, and how sure their characters are on average (0..1).

    tables: those that were seen to be such, by the lines that stand for them in the order of the page and
    have their text.
    """

    lines: Sequence[Line]
    confidence: float
    tables: Mapping[Line, Table] = field(default_factory=dict)


class Recogniser(Protocol):
    """Optical character recognition of one page.

    It is called once for each page whose text layer is empty or mostly unreadable, in page order, while
    the page (a pypdfium2.PdfPage, to be rendered as it is displayed) is open. It bounds itself in pixels,
    time and number of pages, and answers None for a page that it does not read: then what the text layer
    holds counts. Places of lines are points of the displayed page from its lower left corner.
    """

    def __call__(self, page: Any) -> Recognised | None:
        """Lines of the page; None where it does not read it."""
