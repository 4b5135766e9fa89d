"""The settings of parse, what a backend returns, and why a document cannot be parsed."""

from __future__ import annotations

from dataclasses import dataclass

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
    max_html_bytes: trafilatura's own MAX_FILE_SIZE; larger pages are data dumps.
    max_html_tags: beyond this trafilatura (50 us a tag) is left out and resiliparse (2 us) used alone.
    max_html_depth: nesting up to which resiliparse runs (its time grows with the square of the depth);
        Blink's kMaximumHTMLParserDOMTreeDepth.
    min_main_share: when trafilatura finds less than this share of resiliparse's words, the latter is taken.
        Best mean token F1 over 500 pages with gold text was between 0.4 and 0.6.
    max_bad_share: of characters that did not decode or are control characters. One in 20 is the point
        where a line of prose holds several on average.
    min_characters_per_page: of a PDF; under it the pages are taken for pictures. Of 238 PDFs all scans
        had 0, and none with a text layer less than 4.
    min_confidence: share of characters that are readable; a font without a Unicode map falls below.
    """

    max_bytes: int = 64 << 20
    max_pages: int = 3000
    max_html_bytes: int = 20_000_000
    max_html_tags: int = 100_000
    max_html_depth: int = 512
    min_main_share: float = 0.4
    max_bad_share: float = 0.05
    min_characters_per_page: float = 4.0
    min_confidence: float = 0.7

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pages", "max_html_bytes", "max_html_tags", "max_html_depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("min_main_share", "max_bad_share", "min_confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share, so between 0 and 1, not {getattr(self, name)}")
        if self.min_characters_per_page < 0:
            raise ValueError("min_characters_per_page must not be negative")


@dataclass(frozen=True, slots=True)
class Parsed:
    """Text of one document.

    confidence: 0..1, share of characters that are readable. bad_share: share of characters that did not
    decode. pages: 1 for everything without pages. recognised: of the pages, those read from their picture.
    """

    text: str
    confidence: float = 1.0
    bad_share: float = 0.0
    pages: int = 1
    recognised: int = 0


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
