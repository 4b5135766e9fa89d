"""The unit: a body in, text out, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from contracts import Document, media_types
from contracts.features import PAGE_KIND
from services.parse import epub, html, image, media, notebook, ocr, office, pdf, plain, rtf
from services.parse.config import DROP_REASONS, ParseConfig, Parsed, Unparseable
from services.parse.convert import Converter
from services.runtime import (
    ConfigurationError,
    Drop,
    Emit,
    Extractor,
    Judge,
    Resources,
    Unit,
    Verdict,
    extension,
)

BACKENDS: dict[str, Callable[[bytes, ParseConfig], Parsed]] = {
    media_types.PDF: pdf.parse_pdf,
    media_types.DOCX: office.parse_docx,
    media_types.PPTX: office.parse_pptx,
    media_types.XLSX: office.parse_xlsx,
    media_types.COMPOUND: office.parse_compound,
    media_types.EPUB: epub.parse_epub,
    media_types.NOTEBOOK: notebook.parse_notebook,
    media_types.RTF: rtf.parse_rtf,
    media_types.TEXT: plain.parse_plain,
}


_READ = "parse reads HTML, PDF, .docx, .pptx, .xlsx, .epub, .ipynb, .rtf and text"


@dataclass(frozen=True)
class Readers:
    """What reads documents beside the backends.

    extractors: by media type, those that installed packages add; they go before all else. convert: reads the
    media types that it names, before ours. look: reads pictures; without it such pages have no text.
    """

    extractors: Mapping[str, Extractor] = field(default_factory=dict)
    convert: Converter | None = None
    look: ocr.Look | None = None


_OURS = Readers()


def build(config: ParseConfig, resources: Resources) -> Judge:
    """The judge, with the parsers loaded. Raises ConfigurationError where OCR is wanted and not installed."""
    html.prepare()
    pdf.prepare()
    found = extension.added(extension.EXTRACTORS, Extractor).values()
    extractors = {each.media_type: each for each in found}
    look = None if config.ocr == "off" or not ocr.installed() else ocr.look
    if config.ocr == "on" and look is None:
        raise ConfigurationError("parse.ocr is on: install corpusworks[ocr], or set it to auto or off")
    convert = Converter(config) if config.converter else None
    return partial(judge, config=config, readers=Readers(extractors, convert, look))


def judge(documents: Sequence[Document], *, config: ParseConfig, readers: Readers = _OURS) -> list[Verdict]:
    """Fill `text` from `body` and empty the body; one verdict for each document.

    A document that has no body keeps the text it came with. Features: parse_confidence (0..1, share of
    readable characters), parse_bad_share (0..1, of characters that did not decode), parse_pages; where
    there are any, parse_ocr_pages (those read from their picture); parse_partial (1) where a limit left out
    some of its text, or the file had not all of it; page_kind.<kind> (forum, documentation, product, news,
    article) where an HTML page says what it is: how many of its types, head, software and address say so (or
    its posts, where none does), by the words in metadata `page_kind`. Where the bytes are not what was
    declared, metadata `parsed_as` names the media type they were read as. Raises DependencyDown,
    ConfigurationError: the converter's server.
    """
    return [_parse(document, config, readers) for document in documents]


def _parse(document: Document, config: ParseConfig, readers: Readers) -> Verdict:
    if not document.body and document.text.strip():
        return Emit(document)
    try:
        parsed, media_type = _text(document, config, readers)
    except Unparseable as error:
        return Drop(error.reason, error.measured, error.threshold, error.detail)
    document.text = parsed.text
    document.ClearField("body")
    document.features["parse_confidence"] = parsed.confidence
    document.features["parse_bad_share"] = parsed.bad_share
    document.features["parse_pages"] = parsed.pages
    if parsed.recognised:
        document.features["parse_ocr_pages"] = parsed.recognised
    if parsed.partial:
        document.features["parse_partial"] = 1
    if parsed.kind:
        document.features[PAGE_KIND + parsed.kind] = len(parsed.witnesses)
        document.metadata["page_kind"] = ", ".join(parsed.witnesses)
    if media_type != media_types.TEXT and not document.media_type.startswith(media_type):
        document.metadata["parsed_as"] = media_type
    return Emit(document)


def _text(document: Document, config: ParseConfig, readers: Readers) -> tuple[Parsed, str]:
    body = document.body
    if not body.strip():
        raise Unparseable("empty", "neither body nor text", 0, 1)
    if len(body) > config.max_bytes:
        raise Unparseable("too_large", "bytes of the body", len(body), config.max_bytes)
    if (extractor := readers.extractors.get(document.media_type)) is not None:
        parsed, media_type = Parsed(extractor.extract(body)), document.media_type
    elif _is_record(document) and (record := plain.parse_record(body, config)) is not None:
        parsed, media_type = record, media_types.TEXT
    else:
        media_type, binary = media.sniff(body, document.media_type)
        parsed = _read(document, media_type, binary, config, readers)
    if not parsed.text.strip():
        raise Unparseable("empty", "nothing but white space", 0, 1)
    if parsed.confidence < config.min_confidence:
        raise Unparseable(
            "low_confidence",
            "share of characters that are readable",
            parsed.confidence,
            config.min_confidence,
        )
    return parsed, media_type


def _is_record(document: Document) -> bool:
    """Whether it is a text out of a file of records, whose source ends in its number there."""
    path, mark, number = document.source.rpartition("#")
    return bool(path and mark) and number.isdigit() and document.media_type == media_types.TEXT


def _read(document: Document, media_type: str, binary: str, config: ParseConfig, readers: Readers) -> Parsed:
    """By a server, from pictures, or by a backend; as media.sniff says what it is."""
    body = document.body
    if readers.convert is not None and media_type in readers.convert.media_types:
        return readers.convert(body, media_type)
    if readers.look is not None and (media_type == media_types.PDF or media_type in media.IMAGES):
        recognise = ocr.Reader(config, readers.look)
        parse = pdf.parse_pdf if media_type == media_types.PDF else image.parse_image
        parsed = parse(body, config, recognise)
        return replace(parsed, partial=parsed.partial or recognise.left_out > 0)
    if binary:
        raise Unparseable("unsupported", f"{binary}; {_READ}")
    if media_type == media_types.HTML:
        return html.parse_html(body, config, document.metadata.get("url", document.source))
    return BACKENDS[media_type](body, config)


SERVICE = Unit(
    name="parse",
    config=ParseConfig,
    build=build,
    drop_reasons=DROP_REASONS,
    slice_size=1,  # one page may take a thousand times as long as another
)
