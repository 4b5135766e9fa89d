"""A document under the rules' hands: its text made clean, step by step, and the page that is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts import Document
from services.rules.blobs import without_blobs
from services.rules.config import RulesConfig
from services.rules.formats import decide_format
from services.rules.mojibake import mend, mend_rare, unmended, unmended_rare
from services.rules.normalise import (
    damaged_characters,
    normalise,
    normalise_code,
    strip_urls,
    url_characters,
)
from services.rules.page import Page
from services.rules.pii import Masker
from services.rules.scaffolding import without_scaffolding
from services.rules.signs import IS_DAMAGED, IS_MOJIBAKE, IS_ODD, IS_RARE, IS_TRAILED, signs_of
from services.rules.table import TEXT

# Measures are taken on this much of a text; a book's first million characters say enough, and the time
# and memory of one document stay bounded (1 s, 250 MB).
_MAX_MEASURED = 1_000_000

# A short text is held to be as long as this: an emoji that was lost does not spoil it.
_LEAST_DAMAGED = 40  # characters

_TOGETHER = 80_000  # characters of several texts; with half of it all takes 4 to 9 % longer


@dataclass(slots=True)
class Work:
    """text: the document's, so far; empty where nothing is visible. page: of its first million characters."""

    document: Document
    received: str
    text: str
    page: Page
    measures: dict[str, float]

    def becomes(self, text: str) -> None:
        """Another text, where it is another."""
        if text != self.text:
            self.text, self.page = text, Page(text[:_MAX_MEASURED])

    def keeps(self, rest: str, measure: str) -> None:
        """The rest of what is measured, and what is not; the share that went is a measure."""
        if rest != self.page.text:
            self.measures[measure] = 1 - len(rest) / self.page.size
            self.becomes(rest + self.text[_MAX_MEASURED:])

    def whole_page(self) -> Page:
        """Of all the text."""
        return self.page if len(self.text) <= _MAX_MEASURED else Page(self.text)


def by_size(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """The documents in order, so many together as are well worked on at once."""
    some: list[Document] = []
    size = 0
    for document in documents:
        some.append(document)
        size += len(document.text)
        if size >= _TOGETHER:
            yield some
            some, size = [], 0
    if some:
        yield some


def begin(documents: Sequence[Document]) -> list[Work]:
    """With their texts mended and normalised."""
    received = [document.text for document in documents]
    return list(map(_begun, documents, received, signs_of(received)))


def _begun(document: Document, received: str, signs: int) -> Work:
    mended = mend(received) if signs & IS_MOJIBAKE else received
    if signs & IS_RARE:
        mended = mend_rare(mended)
    if mended != received:
        (signs,) = signs_of([mended])
    text = normalise(mended, is_odd=bool(signs & IS_ODD), is_trailed=bool(signs & IS_TRAILED))
    if text.isspace():
        text = ""
    damaged = damaged_characters(mended) if signs & IS_DAMAGED else 0
    if signs & IS_MOJIBAKE:
        damaged += unmended(text)
    if signs & IS_RARE:
        damaged += unmended_rare(text)
    share = damaged / max(len(received), _LEAST_DAMAGED)
    return Work(document, received, text, Page(text[:_MAX_MEASURED]), {"damaged_share": share})


def clean(work: Work, config: RulesConfig) -> None:
    """Tell the format; take out URLs, blobs, scaffolding; how much goes into the measures."""
    document, measures = work.document, work.measures
    document.format = format_ = decide_format(work.page, document.media_type, document.source)
    measures["url_share"] = url_characters(work.page.text) / work.page.size
    if format_ == "code":
        work.becomes(normalise_code(work.received))
    if config.strip_urls and format_ == "prose" and measures["url_share"]:
        work.becomes(strip_urls(work.text))
    if format_ in TEXT:
        work.keeps(without_blobs(work.page), "blob_share")
        if config.strip_scaffolding:
            work.keeps(without_scaffolding(work.page), "scaffolding_share")


def mask(works: Sequence[Work], masker: Masker) -> None:
    """Take personal data out of cleaned texts; how many of each kind goes into the measures."""
    found = masker.mask([work.whole_page() for work in works], [work.document.format for work in works])
    for work, masked in zip(works, found, strict=True):
        work.measures |= {f"pii_{kind}": float(number) for kind, number in masked.counts.items()}
        work.becomes(masked.text)
