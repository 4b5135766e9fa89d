"""What reads the pages that have no text layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.parse.pdf.line import Line
from services.parse.pdf.tables import Table

_MOST_OBJECTS = 2000


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


def is_in_borrowed_letters(page: Any) -> bool:
    """Whether a page without pictures is written in fonts that the file does not hold.

    Where its text layer is unreadable, what it shows is so too: another font's letters in their place.
    Raises nothing; looks at the first _MOST_OBJECTS objects, and not into forms.
    """
    import pypdfium2.raw as api

    is_written = False
    for at in range(min(_MOST_OBJECTS, api.FPDFPage_CountObjects(page.raw))):
        found = api.FPDFPage_GetObject(page.raw, at)
        kind = api.FPDFPageObj_GetType(found)
        if kind in (api.FPDF_PAGEOBJ_IMAGE, api.FPDF_PAGEOBJ_FORM):
            return False
        if kind == api.FPDF_PAGEOBJ_TEXT:
            if api.FPDFFont_GetIsEmbedded(api.FPDFTextObj_GetFont(found)) != 0:
                return False
            is_written = True
    return is_written
