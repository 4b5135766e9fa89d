"""Lists of URLs that hosts publish: sitemaps and their indexes, plain or gzip, RSS and Atom.

Read as a stream with the elements thrown away behind it; entities are not expanded, nothing is loaded.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

MAX_ENTRIES: Final = 50_000  # sitemaps.org
MAX_BYTES: Final = 50 << 20  # likewise, unpacked


@dataclass(frozen=True, slots=True)
class Listed:
    """listing: it is a sitemap itself. modified_ms: 0 where nothing is said."""

    url: str
    listing: bool = False
    modified_ms: int = 0


def is_listing(body: bytes) -> bool:
    """Whether it begins as a sitemap or feed does."""
    if body[:2] == b"\x1f\x8b":
        body = unpacked(body, 2048)
    head = body[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    marks = (b"<urlset", b"<sitemapindex", b"<rss", b"<feed", b"<rdf:rdf")
    return head.startswith((b"<?xml", b"<!--", *marks)) and any(mark in head for mark in marks)


def read(body: bytes) -> Iterator[Listed]:
    """Up to MAX_ENTRIES; up to where it stops being XML. A text file with a URL a line is a sitemap too."""
    if body[:2] == b"\x1f\x8b":
        body = unpacked(body, MAX_BYTES)
    body = body[:MAX_BYTES]
    if not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        lines = (line.strip() for line in io.StringIO(body.decode("utf-8", "replace")))
        yield from (Listed(line) for _, line in zip(range(MAX_ENTRIES), lines, strict=False)
                    if line.startswith(("http://", "https://")))  # fmt: skip
        return
    yield from (entry for _, entry in zip(range(MAX_ENTRIES), _entries(body), strict=False))


def unpacked(body: bytes, most: int) -> bytes:
    """Undo gzip up to so many bytes; what is damaged ends it."""
    try:
        return zlib.decompressobj(31).decompress(body, most)
    except zlib.error:
        return b""


def _entries(body: bytes) -> Iterator[Listed]:
    from lxml import etree

    events = etree.iterparse(
        io.BytesIO(body), events=("end",), resolve_entities=False, no_network=True, recover=True,
        load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        for _, element in events:
            name = _name(element)
            if name in ("url", "sitemap", "item", "entry"):
                if found := _entry(name, element):
                    yield found
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
    except etree.XMLSyntaxError:
        return


def _entry(name: str, element: Any) -> Listed | None:
    url, date = "", ""
    for child in element:
        tag, text = _name(child), (child.text or "").strip()
        if tag in ("loc", "link"):
            if tag == "link" and (child.get("rel") or "alternate") != "alternate":
                continue
            url = url or text or (child.get("href") or "").strip()
        elif tag in ("lastmod", "updated", "pubdate", "published", "date"):
            date = date or text
    return Listed(url, name == "sitemap", _milliseconds(date)) if url else None


def _name(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _milliseconds(text: str) -> int:
    """A W3C date and time, or one of RFC 822; 0 where it is none."""
    if not text:
        return 0
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            when = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return 0
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0, int(when.timestamp() * 1000))
