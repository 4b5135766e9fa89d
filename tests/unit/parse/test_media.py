import io
import zipfile

import pytest

from contracts.media_types import COMPOUND, DOCX, EPUB, HTML, NOTEBOOK, PDF, PPTX, RTF, TEXT, XLSX
from services.parse.media import sniff
from tests.unit.parse.pdf_maker import make_pdf
from tests.unit.parse.zip_maker import make_docx, make_epub, make_pptx, make_xlsx, make_zip


@pytest.mark.parametrize(
    ("body", "declared", "expected"),
    [
        (make_pdf([[(72, 700, "x")]]), "text/html", PDF),
        (make_pdf([[(72, 700, "x")]]), "", PDF),
        (b"junk before\n" + make_pdf([[(72, 700, "x")]]), "application/pdf", PDF),
        (b"This text explains the mark %PDF-1.4 of a file.", "text/plain", TEXT),
        (b"<!DOCTYPE html><title>x</title>", "application/pdf", HTML),
        (b"<!-- saved --> <html lang=zh>", "", HTML),
        (b"\xef\xbb\xbf<html>", "text/plain", HTML),
        ("<html><p>雨".encode("utf-16"), "", HTML),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x">', "text/xml", HTML),
        (b"<html>{% block x %}", "text/x-python", TEXT),
        (b"# A title\n<div align=center>", "text/markdown", TEXT),
        (b"no tags at all", "text/html; charset=utf-8", TEXT),
        (b"<p>x</p>", "TEXT/HTML", HTML),
        (b"OTTO was here, a note in plain words", "", TEXT),
        (b"%PDF-1.7 is how a file of this format begins.", "text/plain", TEXT),
        (b"%!PS is the first line of a PostScript program.", "", TEXT),
        (b"{\\rtf1 opens a document in that format; the braces nest.", "", TEXT),
        (make_docx(""), "", DOCX),
        (make_pptx([""], ""), "text/plain", PPTX),
        (make_xlsx({"a": ""}), "application/octet-stream", XLSX),
        (make_epub({}, []), "text/html", EPUB),
        (make_docx("")[:-9], DOCX, DOCX),
        (make_docx(""), EPUB, DOCX),
        (b"{\\rtf1\\ansi x}", "application/msword", RTF),
        (b"\xef\xbb\xbf\r\n{\\rtf1\\ansi x}", RTF, RTF),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword", COMPOUND),
        (b'{"cells": [], "nbformat": 4}', "", NOTEBOOK),
        (b'{"cells": []}', "application/json", TEXT),
        (b"<html>an error page", DOCX, HTML),
    ],
)
def test_the_backend_follows_the_bytes(body, declared, expected):
    """Prevents wrong suffixes (a PDF named .html, an error page named .pdf) from becoming garbage text."""
    assert sniff(body, declared) == (expected, "")


def test_binary_formats_are_named():
    """Prevents an archive from being decoded as text, and a person from guessing what it was."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "x")
    assert sniff(buffer.getvalue(), "text/plain") == ("", "zip archive")
    assert sniff(make_zip({"META-INF/MANIFEST.MF": "", "a.class": ""}), "") == ("", "Java archive")
    assert sniff(b"GIF89a\x00", "") == ("", "GIF image")
    assert sniff(b"\x89PNG\r\n\x1a\n...", "application/pdf") == ("image/png", "PNG image")
    assert sniff(b"%!PS-Adobe-3.0\n%%Pages: 1", "") == ("", "PostScript")
