"""Thousands of damaged office files, books, notebooks and RTF: a text or a reason, soon.

SOAK_SCALE=0.05 makes it smaller.
"""

from __future__ import annotations

import io
import json
import os
import random
import time
import zipfile

import pytest

from contracts import Document, media_types
from services.parse import SERVICE
from services.parse.config import DROP_REASONS, ParseConfig
from services.runtime import Drop, Emit, Resources, Settings
from tests.unit.parse.test_epub import CHAPTERS
from tests.unit.parse.test_office import NUMBERING, STYLES, paragraph, run
from tests.unit.parse.zip_maker import make_docx, make_epub, make_pptx, make_zip, shape

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

FILES = round(20_000 * float(os.environ.get("SOAK_SCALE") or 1))
LONGEST = 2.0  # CPU seconds for one file; most take a thousandth
TOKENS = (
    b"<w:tbl><w:tr><w:tc>", b"</w:p>", b"<m:f>", b"<mc:AlternateContent>", b"<p:grpSp>", b"&#x10FFFF;",
    b"&#0;",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<![CDATA[", b"]]>", b"../../", b"%00", b"\xff", b'"', b"{", b"}",
    b"[", b"null", b"NaN", b"1e999", b'"\\ud800"', b'"cells":5', b'"source":{}', b'"outputs":[7]', b"\\u-1 ?",
    b"\\uc99999 ", b"\\bin99999999 ", b"\\bin-5 ", b"\\'zz", b"\\*", b"\\ansicpg65001 ", b"\\cell\\row",
    b"\\footnote", b"\\outlinelevel8 ", b"PK\x01\x02", b"PK\x05\x06", b"\x0e\x00",
)  # fmt: skip


def test_damaged_files_end_in_a_text_or_a_reason(seed: int) -> None:
    """Prevents dead letters, and files that hold a process for long."""
    rng = random.Random(seed)
    parse = SERVICE.build(ParseConfig(ocr="off"), Resources(Settings()))
    found: set[str] = set()
    for _ in range(FILES):
        body, media_type = damaged_file(rng)
        begun = time.process_time()
        (verdict,) = parse([Document(id="a", body=body, media_type=media_type)])
        assert time.process_time() - begun < LONGEST, body
        assert isinstance(verdict, Emit | Drop)
        found.add(verdict.reason if isinstance(verdict, Drop) else "text")
    assert {"text", "broken"} <= found <= {"text"} | DROP_REASONS


def damaged_file(rng: random.Random) -> tuple[bytes, str]:
    """A file by chance and what it is said to be; of a zip mostly its members are damaged, not itself."""
    kind, whole = rng.choice(list(SAMPLES.items()))
    if not whole.startswith(b"PK") or rng.random() < 0.3:
        return damaged(rng, whole), kind
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice([name for name in members if members[name]])
    return make_zip(members | {name: damaged(rng, members[name])}), kind


def damaged(rng: random.Random, body: bytes) -> bytes:
    """With bytes changed, tokens put in, pieces doubled or lost."""
    data = bytearray(body)
    for _ in range(rng.choice((1, 1, 2, 5, 12))):
        if not data:
            break
        at = rng.randrange(len(data))
        end = min(len(data), at + rng.randint(1, 30))
        match rng.randrange(5):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at:at] = rng.choice(TOKENS) * rng.choice((1, 1, 3, 200))
            case 2:
                data[at:at] = data[at:end] * rng.choice((1, 5, 100, 2000))
            case 3:
                del data[at : max(at, end - len(data) // 9)]
            case _:
                data[at:end] = str(rng.choice((-1, 0, 10**9, 10**20, 2**63, 1.5))).encode()
    return bytes(data)


SAMPLES = {
    media_types.DOCX: make_docx(
        paragraph(run("one"), item=0) + paragraph(run("x")), styles=STYLES, numbering=NUMBERING
    ),
    media_types.PPTX: make_pptx([shape("title", "t") + shape("", "b")], shape("body", "n")),
    media_types.EPUB: make_epub(CHAPTERS, list(CHAPTERS)),
    media_types.NOTEBOOK: json.dumps(
        {
            "nbformat": 4,
            "cells": [
                {"cell_type": "markdown", "source": ["# A\n", "text"]},
                {"cell_type": "code", "source": "x", "outputs": [{"output_type": "stream", "text": ["1"]}]},
            ],
        }
    ).encode(),
    media_types.RTF: (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f1\fcharset134 B;}}\pard\outlinelevel0 Head\par \f1 "
        rb"\'c4\'e3\u20320?\par {\footnote note}\trowd\intbl a\cell b\cell\row\pard"
        rb"{\listtext 1.\tab}item\par{\super 2}}"
    ),
}
