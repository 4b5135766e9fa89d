"""What a body is, by its first bytes; what was declared decides only between kinds of text."""

from __future__ import annotations

import codecs
import re

PDF = "application/pdf"
HTML = "text/html"
TEXT = "text/plain"

_BINARY = (
    (b"PK\x03\x04", "zip archive or office file"),
    (b"PK\x05\x06", "empty zip archive"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7-zip"),
    (b"Rar!\x1a\x07", "RAR archive"),
    (b"\x89PNG\r\n\x1a\n", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF87a", "GIF image"),
    (b"GIF89a", "GIF image"),
    (b"II*\x00", "TIFF image"),
    (b"MM\x00*", "TIFF image"),
    (b"RIFF", "RIFF media"),
    (b"OggS", "Ogg media"),
    (b"ID3", "MP3 audio"),
    (b"\x7fELF", "ELF program"),
    (b"MZ\x90\x00", "Windows program"),
    (b"\xca\xfe\xba\xbe", "Java class"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "legacy office file"),
    (b"{\\rtf", "RTF"),
    (b"%!PS", "PostScript"),
    (b"SQLite format 3\x00", "SQLite database"),
    (b"PAR1", "Parquet"),
    (b"\x93NUMPY", "NumPy array"),
    (b"wOFF", "font"),
    (b"wOF2", "font"),
    (b"\x00\x01\x00\x00\x00", "font"),
    (b"OTTO", "font"),
)
# Elements that only a whole page starts with (WHATWG MIME sniffing has a longer list, for fragments).
_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(rb"<[a-zA-Z/!]")
# What begins a program for printers or a letter, and not a sentence about such files.
_PROOF = {
    b"%!PS": re.compile(rb"%!PS(?:-Adobe\b|\s*[\r\n]+\s*[%/<\[\d])"),
    b"{\\rtf": re.compile(rb"\{\\rtf\d?\s*[\\{]"),
}
_PDF_PARTS = re.compile(rb"\d\s+\d+\s+obj\b|endobj|%%EOF|startxref")
_OPEN_TO_CORRECTION = frozenset({"", TEXT, PDF, "application/octet-stream", "text/xml", "application/xml"})
_HTML_TYPES = frozenset({HTML, "application/xhtml+xml"})


def sniff(body: bytes, declared: str) -> tuple[str, str]:
    """(media type that chooses the backend, what the bytes are if that is empty: not readable here).

    PDF readers accept the mark anywhere in the first 1024 bytes, and so does this where the bytes before
    it are not text of another kind.
    """
    declared = declared.partition(";")[0].strip().lower()
    marked = b"%PDF-" in body[:1024] if declared == PDF else body.startswith(b"%PDF-")
    if marked and (declared == PDF or _PDF_PARTS.search(body)):
        return PDF, ""
    for magic, name in _BINARY:
        if body.startswith(magic) and not _is_talk(magic, body):
            return "", name
    head = body[:8192]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.replace(b"\x00", b"")[2:]
    head = head.removeprefix(codecs.BOM_UTF8)
    if declared in _HTML_TYPES:
        return (HTML if _TAG.search(body.replace(b"\x00", b"")) else TEXT), ""
    if declared in _OPEN_TO_CORRECTION and _PAGE.match(head):
        return HTML, ""
    if declared == PDF:
        return PDF, ""  # no mark at all: let the PDF reader say what is wrong
    return TEXT, ""


def _is_talk(magic: bytes, body: bytes) -> bool:
    """A text that begins as such a file does: a mark of letters alone ("OTTO") has NULs soon after it."""
    if magic in _PROOF:
        return _PROOF[magic].match(body[:512]) is None
    return magic.isalnum() and b"\x00" not in body[:512]
