"""A PDF opened with PDFium and read page by page; a page without a text layer is for the recogniser."""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Sequence
from typing import Any

from services.parse.charset import strip_controls
from services.parse.config import ParseConfig, Parsed, Unparseable
from services.parse.pdf.line import HYPHEN, Line
from services.parse.pdf.paragraphs import assemble
from services.parse.pdf.recognise import Recognised, Recogniser

_HYPHEN_CODE = 2  # PDFium's mark for a hyphen that ends a line; no line end follows it
_LINE_ENDS = frozenset({_HYPHEN_CODE, 10, 13})
_ERROR_PASSWORD = 4  # FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY
_ERROR_SECURITY = 5


def prepare() -> None:
    """Load PDFium."""
    import pypdfium2  # noqa: F401


def parse_pdf(body: bytes, config: ParseConfig, recognise: Recogniser | None = None) -> Parsed:
    """Paragraphs of all pages in reading order.

    recognise: reads the pages whose text layer is empty or unreadable; without it they have no text.
    A page that PDFium cannot load is left out and counts against the confidence.
    Raises Unparseable(encrypted, broken, too_many_pages, no_text, low_confidence).
    """
    import pypdfium2 as pdfium

    document = _open(body)
    try:
        num_pages = len(document)
        if num_pages > config.max_pages:
            raise Unparseable("too_many_pages", "pages in the PDF", num_pages, config.max_pages)
        pages: list[Sequence[Line]] = []
        readable: float = 0.0
        total = recognised = 0
        for index in range(num_pages):
            try:
                lines, good, characters, by_recogniser = _read(document, index, config, recognise)
            except pdfium.PdfiumError:
                continue
            pages.append(lines)
            recognised += by_recogniser
            readable += good
            total += characters
    finally:
        document.close()
    if not pages:
        raise Unparseable("broken", f"none of its {num_pages} pages can be read", 0, 1)
    if total / len(pages) < config.min_characters_per_page:
        raise Unparseable(
            "no_text",
            "characters a page: pages without a text layer, or empty ones",
            total / len(pages),
            config.min_characters_per_page,
        )
    confidence = readable / total * len(pages) / num_pages
    text, controls = strip_controls(assemble(pages))
    if not text.strip():
        raise Unparseable("no_text", "nothing but white space and page numbers")
    return Parsed(text, confidence, bad_share=controls / total, pages=num_pages, recognised=recognised)


def _open(body: bytes) -> Any:
    """The document; an empty user password, which many files have, is tried by PDFium itself.

    PDFium keeps the last error of the process and does not clear it: it is asked only where this very file
    could not be loaded, and a file without pages, which loads, is told from that. `body` must outlive it.
    """
    import pypdfium2 as pdfium
    import pypdfium2.raw as api

    raw = api.FPDF_LoadMemDocument64(body, len(body), None)
    if not raw:
        code = api.FPDF_GetLastError()
        if code in (_ERROR_PASSWORD, _ERROR_SECURITY):
            raise Unparseable("encrypted", "needs a password, or a way of encryption not known")
        raise Unparseable("broken", f"PDFium cannot load it (error {code})")
    document = pdfium.PdfDocument(raw)
    if len(document) < 1:
        document.close()
        raise Unparseable("broken", "it has no pages")
    return document


def _read(
    document: Any, index: int, config: ParseConfig, recognise: Recogniser | None
) -> tuple[Sequence[Line], float, int, bool]:
    """(lines, readable characters, characters, whether they were recognised) of one page."""
    page = document[index]
    try:
        textpage = page.get_textpage()
        try:
            lines, readable, total = _lines(textpage.raw)
        finally:
            textpage.close()
        found = _recognised(page, recognise) if _has_no_text(readable, total, config) else None
    finally:
        page.close()
    if found is None:
        return lines, readable, total, False
    total = sum(len(line.text) for line in found.lines)
    return found.lines, found.confidence * total, total, True


def _has_no_text(readable: int, total: int, config: ParseConfig) -> bool:
    return total < config.min_characters_per_page or readable < config.min_confidence * total


def _recognised(page: Any, recognise: Recogniser | None) -> Recognised | None:
    return recognise(page) if recognise else None


def _lines(raw: Any) -> tuple[list[Line], int, int]:
    import pypdfium2.raw as api

    codes = [api.FPDFText_GetUnicode(raw, i) for i in range(api.FPDFText_CountChars(raw))]
    lines = []
    readable = total = 0
    start = 0
    for end in [i + 1 for i, code in enumerate(codes) if code in _LINE_ENDS] + [len(codes)]:
        characters = "".join(map(_character, codes[start:end]))
        stripped = characters.strip()
        if stripped:
            first = start + len(characters) - len(characters.lstrip())
            last = first + len(stripped) - 1
            lines.append(Line(stripped, *_extent(api, raw, first, last)))
            total += len(stripped)
            readable += sum(map(_is_readable, stripped))
        start = end
    return lines, readable, total


def _character(code: int) -> str:
    """One character for one code, so that positions stay those of PDFium."""
    if code == _HYPHEN_CODE:
        return HYPHEN
    return chr(code) if 0 < code < 0x110000 else "\ufffd"


def _extent(api: Any, raw: Any, first: int, last: int) -> tuple[float, float, float, float]:
    """Left, right, baseline and height of the font of a line, in points.

    The height is that of the loose box, since a font size does not tell how the page scales it.
    """
    box = api.FS_RECTF()
    api.FPDFText_GetLooseCharBox(raw, first, box)
    left, height = box.left, box.top - box.bottom
    x, y = ctypes.c_double(), ctypes.c_double()
    api.FPDFText_GetCharOrigin(raw, first, x, y)
    api.FPDFText_GetLooseCharBox(raw, last, box)
    return left, box.right, y.value, height


def _is_readable(character: str) -> bool:
    """Not a private, unassigned, surrogate, control or replacement character."""
    if character.isascii() or character.isalnum():
        return character.isprintable()
    return character != "\ufffd" and unicodedata.category(character) not in {"Co", "Cn", "Cs", "Cc"}
