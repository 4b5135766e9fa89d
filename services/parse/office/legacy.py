"""Compound files: what Office wrote before 2007, and the shell around what it encrypts since."""

from __future__ import annotations

from typing import NoReturn

from services.parse.config import ParseConfig, Unparseable

# Names of streams by which a compound file is told (MS-OFFCRYPTO 1.3.3, MS-DOC, MS-XLS, MS-PPT 2.1).
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_STREAMS = {"WordDocument": "docx", "Workbook": "xlsx", "Book": "xlsx", "PowerPoint Document": "pptx"}


def parse_compound(body: bytes, config: ParseConfig) -> NoReturn:
    """Raises Unparseable(encrypted, unsupported) that says what to do about it."""
    if _ENCRYPTED in body:
        raise Unparseable("encrypted", "an office file that needs a password")
    for stream, newer in _STREAMS.items():
        if (stream + "\0").encode("utf-16-le") in body:
            raise Unparseable("unsupported", f"an office file of before 2007; save it as .{newer}")
    raise Unparseable("unsupported", "a compound file, as old office programs, mail and installers write")
