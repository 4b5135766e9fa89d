"""The settings of parse, what a backend returns, and why a document cannot be parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from contracts.media_types import JPEG, PDF, PNG, TIFF

OCR = ("auto", "on", "off")
_CONVERTER = re.compile(r"(?:(?:docling|mineru)\+https?://[^\s/]+.*)?")
DROP_REASONS = frozenset(
    {
        "empty",  # nothing came in, or nothing but white space
        "too_large",  # more bytes than max_bytes
        "unsupported",  # a binary format that no backend reads
        "broken",  # the file cannot be opened, or too much of it cannot be decoded
        "encrypted",  # needs a password
        "too_many_pages",
        "too_deep",  # HTML nested too deep for any text to be found
        "no_text",  # well formed, but holds no text: a scan, a page of scripts
        "low_confidence",  # there is text, but too little of it is readable
    }
)


@dataclass(frozen=True)
class ParseConfig:
    """Limits of one document.

    max_bytes: size of a body. 64 MiB holds any book with its pictures; PDFium keeps the file in memory.
    max_pages: of a PDF. At the measured 7 ms a page this is about 20 s.
    max_html_bytes: larger pages are data dumps.
    max_html_tags: beyond this resiliparse (2 us a tag) is used alone; ours takes ten times as long.
    max_html_depth: nesting up to which resiliparse runs (its time grows with the square of the depth), and
        deeper elements are flattened; Blink's kMaximumHTMLParserDOMTreeDepth.
    max_bad_share: of characters that did not decode or are control characters. One in 20 is the point
        where a line of prose holds several on average.
    min_characters_per_page: of a PDF; under it the pages are taken for pictures. Of 238 PDFs all scans
        had 0, and none with a text layer less than 4.
    max_unpacked_bytes: of the members of a zip (an office file, a book) that hold text; a tree of XML takes
        ten times as much memory.
    max_members: of such a zip. Books with a file a page have some thousands.
    max_cells: of a workbook; what follows is left out and said. More is a database, no text.
    max_output_characters: of what a notebook's cell printed; half a page.
    ocr: whether pages without a text layer are read from their picture: "auto" where the extra `ocr` is
        installed, "on", which stops where it is not, or "off".
    max_ocr_pages, max_ocr_seconds: read so of one document; what is left has no text. A page takes some 2 to
        8 s of CPU, and a document half of `time_limit_s`, which longer scans want raised with these.
    max_ocr_pixels: of a page; larger ones are made smaller. A4 at 170 dots an inch has 2.8 million.
    max_image_pixels: of a picture that is a document of its own, or a JPEG 2000 on a page that is read so,
        which takes 4 bytes for each. A3 at 300 dots an inch has 17 million.
    converter: "docling+http://host:port" (docling-serve) or "mineru+http://host:port" (mineru-api) to have
        documents of `converter_types` (media types) read there; "" to read all here. converter_key: of
        docling-serve.
    converter_timeout_s: for one document. It is a dead letter after half of `time_limit_s` in any case.
    min_confidence: share of characters that are readable; a font without a Unicode map falls below.
    """

    max_bytes: int = 64 << 20
    max_pages: int = 3000
    max_html_bytes: int = 20_000_000
    max_html_tags: int = 100_000
    max_html_depth: int = 512
    max_bad_share: float = 0.05
    min_characters_per_page: float = 4.0
    min_confidence: float = 0.7
    ocr: str = "auto"
    max_ocr_pages: int = 200
    max_ocr_seconds: float = 20.0
    max_ocr_pixels: int = 3_000_000
    max_image_pixels: int = 40_000_000
    converter: str = ""
    converter_key: str = field(default="", repr=False)
    converter_types: tuple[str, ...] = (PDF, PNG, JPEG, TIFF)
    converter_timeout_s: float = 25.0
    max_unpacked_bytes: int = 64 << 20
    max_members: int = 20_000
    max_cells: int = 50_000
    max_output_characters: int = 2000

    def __post_init__(self) -> None:
        for name in (
            "max_bytes",
            "max_pages",
            "max_html_bytes",
            "max_html_tags",
            "max_html_depth",
            "max_unpacked_bytes",
            "max_members",
            "max_cells",
            "max_output_characters",
            "max_ocr_pages",
            "max_ocr_pixels",
            "max_image_pixels",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.ocr not in OCR:
            raise ValueError(f"ocr is one of {', '.join(OCR)}, not {self.ocr!r}")
        if not _CONVERTER.fullmatch(self.converter):
            raise ValueError(f"converter is docling+http://… or mineru+http://…, not {self.converter!r}")
        for name in ("max_ocr_seconds", "converter_timeout_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("max_bad_share", "min_confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share, so between 0 and 1, not {getattr(self, name)}")
        if not self.min_characters_per_page >= 0:
            raise ValueError(f"min_characters_per_page: 0 or more, not {self.min_characters_per_page}")


@dataclass(frozen=True, slots=True)
class Parsed:
    """Text of one document.

    confidence: 0..1, share of characters that are readable. bad_share: share of characters that did not
    decode. pages: 1 for everything without pages. partial: a limit left out some of it, or the file had not
    all of it. recognised: of the pages, those read from their picture. kind: what an HTML page says that it
    is; witnesses: by which words.
    """

    text: str
    confidence: float = 1.0
    bad_share: float = 0.0
    pages: int = 1
    partial: bool = False
    recognised: int = 0
    kind: str = ""
    witnesses: tuple[str, ...] = ()


class Unparseable(Exception):
    """The document has no text that can be had; reason is one of DROP_REASONS."""

    def __init__(
        self, reason: str, detail: str, measured: float | None = None, threshold: float | None = None
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.measured = measured
        self.threshold = threshold
