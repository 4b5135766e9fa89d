"""A PDF opened with PDFium and read page by page; a page without a text layer is for the recogniser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from services.parse.charset import strip_controls
from services.parse.config import ParseConfig, Parsed, Unparseable
from services.parse.pdf.columns import in_order
from services.parse.pdf.furniture import without_furniture
from services.parse.pdf.initials import with_initials
from services.parse.pdf.letterspaced import closed_up
from services.parse.pdf.line import Line, reads_right_to_left
from services.parse.pdf.paragraphs import assemble
from services.parse.pdf.pictures import Found, formulas, is_a_stamped_scan, marked, without_icons
from services.parse.pdf.recognise import Recogniser
from services.parse.pdf.rows import mirrored, rows
from services.parse.pdf.shown import shown
from services.parse.pdf.tables import Table, with_tables
from services.parse.pdf.text_layer import TextLayer, text_layers, text_of
from services.parse.pdf.vertical import turned_upright

_ERROR_FORMAT = 3  # FPDF_ERR_FORMAT, FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY
_ERROR_PASSWORD = 4
_ERROR_SECURITY = 5
_PICTURE = b"/Image"  # of each picture's dictionary, which nothing compresses; those within a page's content
# alone have none, and a file that has no other is not searched for pictures.
_ROOT = re.compile(rb"\b(\d{1,7})\s+(\d{1,5})\s+obj\b[^>]{0,200}?/Type\s*/Catalog\b")
_TOGETHER = 16  # pages that are loaded before they are read,
_MOST_OBJECTS = 20_000  # and what they draw until no more are


class _Opened(NamedTuple):
    """A pypdfium2.PdfDocument, the bytes that must outlive it, and whether their end is missing."""

    document: Any
    body: bytes
    cut: bool


class _Page(NamedTuple):
    """What is written on a page, its formulas that are pictures, and whether it was recognised."""

    layer: TextLayer
    formulas: Sequence[Found] = ()
    recognised: bool = False


def prepare() -> None:
    """Load PDFium."""
    import pypdfium2  # noqa: F401


def parse_pdf(body: bytes, config: ParseConfig, recognise: Recogniser | None = None) -> Parsed:
    """Paragraphs of all pages in reading order.

    recognise: reads the pages whose text layer is empty or unreadable; without it they have no text.
    A page that PDFium cannot load is left out and counts against the confidence, but not where the file is
    cut: then what there is of it is a part.
    Raises Unparseable(encrypted, broken, too_many_pages, no_text, low_confidence).
    """
    opened = _open(body)
    document = opened.document
    try:
        num_pages = len(document)
        if num_pages > config.max_pages:
            raise Unparseable("too_many_pages", "pages in the PDF", num_pages, config.max_pages)
        pages = list(_pages(document, config, recognise, _PICTURE in body))
    finally:
        document.close()
    layers = [page.layer for page in pages]
    if not layers:
        raise Unparseable("broken", f"none of its {num_pages} pages can be read", 0, 1)
    total = sum(layer.total for layer in layers)
    if opened.cut and total / len(layers) < config.min_characters_per_page:
        raise Unparseable(
            "broken", "its end is missing, and there is no text in what is left; fetch it again"
        )
    if total / len(layers) < config.min_characters_per_page:
        raise Unparseable(
            "no_text",
            "characters a page: pages without a text layer, or empty ones",
            total / len(layers),
            config.min_characters_per_page,
        )
    confidence = sum(layer.readable for layer in layers) / total
    if not opened.cut:
        confidence *= len(layers) / num_pages
    if confidence < config.min_confidence:
        raise Unparseable(
            "low_confidence", "share of characters that are readable", confidence, config.min_confidence
        )
    text, controls = strip_controls(
        assemble(list(_arranged(layers, without_icons([page.formulas for page in pages]))))
    )
    if not text.strip():
        raise Unparseable("no_text", "nothing but white space and page numbers")
    recognised = sum(page.recognised for page in pages)
    return Parsed(text, confidence, controls / total, num_pages, opened.cut, recognised)


def _open(body: bytes) -> _Opened:
    """The document; an empty user password, which many files have, is tried by PDFium itself.

    PDFium keeps the last error of the process and does not clear it: it is asked only where this very file
    could not be loaded, and a file without pages, which loads, is told from that.
    """
    import pypdfium2 as pdfium
    import pypdfium2.raw as api

    raw = api.FPDF_LoadMemDocument64(body, len(body), None)
    code = 0 if raw else api.FPDF_GetLastError()
    cut = code == _ERROR_FORMAT and bool(mended := _with_trailer(body))
    if cut:
        body = mended
        raw = api.FPDF_LoadMemDocument64(body, len(body), None)
    if not raw:
        if code in (_ERROR_PASSWORD, _ERROR_SECURITY):
            raise Unparseable("encrypted", "needs a password, or a way of encryption not known")
        raise Unparseable("broken", f"PDFium cannot load it (error {code})")
    document = pdfium.PdfDocument(raw)
    if len(document) < 1:
        document.close()
        raise Unparseable("broken", "it has no pages")
    return _Opened(document, body, cut)


def _with_trailer(body: bytes) -> bytes:
    """A file whose end is missing, as downloads and crawls cut them, with an end that names its root; PDFium
    finds the other objects by itself. Empty where no root is found: it may lie compressed.
    """
    roots = _ROOT.findall(body)
    if not roots:
        return b""
    number, generation = roots[-1]
    return b"%s\nendobj\ntrailer\n<</Root %s %s R>>\nstartxref\n0\n%%%%EOF\n" % (body, number, generation)


def _pages(
    document: Any, config: ParseConfig, recognise: Recogniser | None, may_show: bool
) -> Iterator[_Page]:
    """Its pages but for those that PDFium cannot load. may_show: there may be pictures on them.

    Some are loaded, then read: with the one after the other for each page, PDFium and Python drive what they
    work with out of the processor's caches by turns, and take a sixth more time.
    """
    import pypdfium2 as pdfium

    index = 0
    while index < len(document):
        opened: list[tuple[Any, Any]] = []
        try:
            index = _load(document, index, opened)
            layers = text_layers([text for _, text in opened])
            for (page, _), layer in zip(opened, layers, strict=True):
                with suppress(pdfium.PdfiumError):
                    yield _read(page, layer, config, recognise, may_show)
        finally:
            for page, text in opened:
                text.close()
                page.close()


def _load(document: Any, index: int, opened: list[tuple[Any, Any]]) -> int:
    """Load pages from an index on, each with its text; the index after the last of them."""
    import pypdfium2 as pdfium
    import pypdfium2.raw as api

    objects = 0
    while index < len(document) and len(opened) < _TOGETHER and objects < _MOST_OBJECTS:
        with suppress(pdfium.PdfiumError):
            page = document[index]
            opened.append((page, text_of(page)))
            objects += api.FPDFPage_CountObjects(page.raw)
        index += 1
    return index


def _read(
    page: Any, layer: TextLayer, config: ParseConfig, recognise: Recogniser | None, may_show: bool
) -> _Page:
    layer = turned_upright(shown(page, layer))
    scanned = recognise is not None and (
        _has_no_text(layer, config) or (may_show and is_a_stamped_scan(page, layer.runs))
    )
    found = recognise(page) if recognise and scanned else None
    total = sum(len(line.text) for line in found.lines) if found else 0
    if found is not None and (total >= layer.total or _has_no_text(layer, config)):
        layer = TextLayer(list(found.lines), [], found.confidence * total, total, tables=found.tables)
        return _Page(layer, recognised=True)
    return _Page(layer, formulas(page, layer.runs) if may_show and layer.upright else ())


def _has_no_text(layer: TextLayer, config: ParseConfig) -> bool:
    if layer.total < config.min_characters_per_page:
        return True
    return layer.readable < config.min_confidence * layer.total


def _arranged(
    layers: Sequence[TextLayer], pictures: Sequence[Sequence[Found]]
) -> Iterator[list[Line | Table]]:
    """Lines and tables of each page in reading order; what is turned follows the rest of its page."""
    pages = [marked(closed_up(layer.runs), found) for layer, found in zip(layers, pictures, strict=True)]
    for runs, layer in zip(map(with_initials, without_furniture(pages)), layers, strict=True):
        regions = [region for group in (runs, *layer.turned) for region in in_order(group)]
        backwards = reads_right_to_left(runs)
        items: list[Line | Table] = []
        for region in regions:
            for part in _between(region, layer.tables) if layer.tables else [region]:
                if isinstance(part, Table):
                    items.append(part)
                else:
                    items += with_tables(list(map(mirrored, rows(part))) if backwards else rows(part))
        yield items


def _between(region: Sequence[Line], tables: Mapping[Line, Table]) -> Iterator[list[Line] | Table]:
    """A region's tables and the lines above and below them; what stands beside one is read after it."""
    left = [line for line in region if line not in tables]
    for stands in sorted((line for line in region if line in tables), key=lambda line: -line.base):
        if above := [line for line in left if line.base > stands.base]:
            yield above
        yield tables[stands]
        left = [line for line in left if line.base <= stands.base]
    if left:
        yield left
