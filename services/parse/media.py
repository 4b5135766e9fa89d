"""What a body is, by its first bytes; what was declared decides only between kinds of text."""

from __future__ import annotations

import codecs
import io
import re
import zipfile

from contracts.media_types import (
    COMPOUND,
    DOCX,
    EPUB,
    HTML,
    JPEG,
    NOTEBOOK,
    PDF,
    PICTURES,
    PNG,
    PPTX,
    RTF,
    TEXT,
    TIFF,
    XLSX,
)

_ZIP = b"PK\x03\x04"
_ZIPPED = frozenset({DOCX, PPTX, XLSX, EPUB})
# By the beginning of a member's name; those that are not read have a name for a person.
_MEMBERS = (
    ("word/document", DOCX, ""),
    ("ppt/presentation", PPTX, ""),
    ("xl/workbook.xml", XLSX, ""),
    ("META-INF/container.xml", EPUB, ""),
    ("xl/workbook.bin", "", "binary Excel file (save it as .xlsx)"),
    ("META-INF/MANIFEST.MF", "", "Java archive"),
    ("META-INF/manifest.xml", "", "OpenDocument file"),
)
IMAGES = {  # what may be a page: the media type, and its name for a person
    PNG: "PNG image",
    JPEG: "JPEG image",
    TIFF: "TIFF image",
}
_DIRECTORY = b"PK\x01\x02"
_MOST_LISTED = 20_000  # members of a zip that are looked at
_BINARY = (
    (b"PK\x05\x06", "empty zip archive"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7-zip"),
    (b"Rar!\x1a\x07", "RAR archive"),
    (b"GIF87a", "GIF image"),
    (b"GIF89a", "GIF image"),
    (b"RIFF", "RIFF media"),
    (b"OggS", "Ogg media"),
    (b"ID3", "MP3 audio"),
    (b"\x7fELF", "ELF program"),
    (b"MZ\x90\x00", "Windows program"),
    (b"\xca\xfe\xba\xbe", "Java class"),
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
# What begins a program for printers, and not a sentence about such files.
_PROOF = {b"%!PS": re.compile(rb"%!PS(?:-Adobe\b|\s*[\r\n]+\s*[%/<\[\d])")}
_PDF_PARTS = re.compile(rb"\d\s+\d+\s+obj\b|endobj|%%EOF|startxref")
_OPEN_TO_CORRECTION = frozenset(
    {
        "",
        TEXT,
        PDF,
        RTF,
        *_ZIPPED,
        "application/octet-stream",
        "application/json",
        "text/xml",
        "application/xml",
    }
)
_RTF_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\\rtf\d?\s*[\\{]")  # and not a sentence about such files
_COMPOUND_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# A notebook has both, at any depth of it; a package of JavaScript may have the former.
_NOTEBOOK = (re.compile(rb'"cells"\s*:'), re.compile(rb'"nbformat"\s*:'))
_HTML_TYPES = frozenset({HTML, "application/xhtml+xml"})


def sniff(body: bytes, declared: str) -> tuple[str, str]:
    """(media type that chooses the backend, what the bytes are where a person may not take it for a text).

    The media type is "" for what nothing here reads.

    PDF readers accept the mark anywhere in the first 1024 bytes, and so does this where the bytes before
    it are not text of another kind.
    """
    declared = declared.partition(";")[0].strip().lower()
    marked = b"%PDF-" in body[:1024] if declared == PDF else body.startswith(b"%PDF-")
    if marked and (declared == PDF or _PDF_PARTS.search(body)):
        return PDF, ""
    if body.startswith(_ZIP):
        return _zipped(body, declared)
    if body.startswith(_COMPOUND_MARK):
        return COMPOUND, ""
    if _RTF_START.match(body):
        return RTF, ""
    for magic, media_type in PICTURES:
        if body.startswith(magic):
            return media_type, IMAGES[media_type]
    for magic, name in _BINARY:
        if body.startswith(magic) and not _is_talk(magic, body):
            return "", name
    head = body[:8192]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.replace(b"\x00", b"")[2:]
    head = head.removeprefix(codecs.BOM_UTF8)
    if declared == NOTEBOOK or (declared in _OPEN_TO_CORRECTION and _is_notebook(body)):
        return NOTEBOOK, ""
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


def _zipped(body: bytes, declared: str) -> tuple[str, str]:
    """As sniff, by the members of a zip; one that is damaged is what it was said to be."""
    unknown = (declared, "") if declared in _ZIPPED else ("", "zip archive")
    if body.count(_DIRECTORY) > _MOST_LISTED:
        return unknown
    try:
        names = zipfile.ZipFile(io.BytesIO(body)).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return unknown
    for start, media_type, binary in _MEMBERS:
        if any(name.startswith(start) for name in names):
            return media_type, binary
    return unknown


def _is_notebook(body: bytes) -> bool:
    return body[:64].lstrip().startswith(b"{") and all(mark.search(body) for mark in _NOTEBOOK)
