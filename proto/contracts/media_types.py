"""Media types that a Document's `media_type` says of its body, where ingest and parse mean the same."""

from __future__ import annotations

TEXT = "text/plain"
HTML = "text/html"
PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EPUB = "application/epub+zip"
NOTEBOOK = "application/x-ipynb+json"
RTF = "application/rtf"
COMPOUND = "application/x-ole-storage"
PNG = "image/png"
JPEG = "image/jpeg"
TIFF = "image/tiff"

# What may be a page: the first bytes, and which kind that is.
PICTURES = ((b"\x89PNG\r\n\x1a\n", PNG), (b"\xff\xd8\xff", JPEG), (b"II*\x00", TIFF), (b"MM\x00*", TIFF))
