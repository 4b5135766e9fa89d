"""What a file holds: by its name, corrected by its first bytes."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterable, Sequence
from functools import cache

from contracts.media_types import (
    COMPOUND,
    DOCX,
    EPUB,
    HTML,
    NOTEBOOK,
    PDF,
    PICTURES,
    PPTX,
    RTF,
    TEXT,
    XLSX,
)
from services.ingest import conversation
from services.runtime import Extractor, Format, extension

JSON_LINES = "application/x-ndjson"
JSON = "application/json"  # one array of records, or one record
PARQUET = "application/vnd.apache.parquet"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
WARC = "application/warc"
ARC = "application/x-internet-archive"
NO_TEXT_FIELD = "JSON without a text field"  # a reason to skip
COMPRESSED = (".gz", ".zst", ".zstd")

# By media type: suffixes, and whole names where there is no dot. Data (.csv, .xml), settings (.ini) and
# anything binary are left out on purpose: they are not text that a model should learn to write.
_NAMES = {
    JSON_LINES: ".jsonl .ndjson .jsonlines",
    JSON: ".json",
    PARQUET: ".parquet .pq",
    HTML: ".html .htm .xhtml .shtml",
    PDF: ".pdf",
    DOCX: ".docx .docm .dotx",
    PPTX: ".pptx .pptm .ppsx .potx",
    XLSX: ".xlsx .xlsm .xltx",
    EPUB: ".epub",
    NOTEBOOK: ".ipynb",
    RTF: ".rtf",
    # Parse says of these why it cannot read them, and reads what is only called so.
    COMPOUND: ".doc .dot .xls .xlt .ppt .pps",
    OPEN_DOCUMENT: ".odt .ods .odp",
    TEXT: ".txt .text readme license copying authors changelog",
    "text/markdown": ".md .markdown .mdown .mkd .mdx",
    "text/x-rst": ".rst",
    "text/x-org": ".org",
    "text/x-asciidoc": ".adoc .asciidoc",
    "text/x-tex": ".tex .latex .ltx .sty .cls .dtx",
    "text/x-ada": ".adb .ads",
    "text/x-asm": ".asm .s",
    "text/x-c": ".c .h",
    "text/x-c++": ".cc .cpp .cxx .hh .hpp .hxx",
    "text/x-clojure": ".clj .cljs .cljc",
    "text/x-cmake": ".cmake",
    "text/x-csharp": ".cs",
    "text/x-cuda": ".cu .cuh",
    "text/x-dart": ".dart",
    "text/x-dockerfile": ".dockerfile dockerfile containerfile",
    "text/x-elixir": ".ex .exs",
    "text/x-elm": ".elm",
    "text/x-erlang": ".erl .hrl",
    "text/x-fortran": ".f .f77 .f90 .f95 .f03",
    "text/x-fsharp": ".fs .fsx",
    "text/x-go": ".go",
    "text/x-graphql": ".graphql .gql",
    "text/x-groovy": ".groovy .gradle",
    "text/x-haskell": ".hs .lhs",
    "text/x-java": ".java",
    "text/x-julia": ".jl",
    "text/x-kotlin": ".kt .kts",
    "text/x-lisp": ".lisp .lsp .el .scm .rkt",
    "text/x-lua": ".lua",
    "text/x-makefile": ".mk .mak makefile gnumakefile",
    "text/x-matlab": ".m",
    "text/x-nim": ".nim",
    "text/x-nix": ".nix",
    "text/x-objective-c++": ".mm",
    "text/x-ocaml": ".ml .mli",
    "text/x-pascal": ".pas .pp",
    "text/x-perl": ".pl .pm",
    "text/x-php": ".php",
    "text/x-powershell": ".ps1 .psm1",
    "text/x-prolog": ".pro",
    "text/x-protobuf": ".proto",
    "text/x-python": ".py .pyi .pyx .pxd",
    "text/x-r": ".r",
    "text/x-ruby": ".rb .rake rakefile gemfile",
    "text/x-rust": ".rs",
    "text/x-scala": ".scala .sc",
    "text/x-scss": ".scss .sass .less",
    "text/css": ".css",
    "text/x-shader": ".glsl .vert .frag .hlsl .wgsl",
    "text/x-sh": ".sh .bash .zsh .fish",
    "text/x-solidity": ".sol",
    "text/x-sql": ".sql",
    "text/x-swift": ".swift",
    "text/x-systemverilog": ".sv .svh",
    "text/x-tcl": ".tcl",
    "text/x-terraform": ".tf",
    "text/x-thrift": ".thrift",
    "text/x-toml": ".toml",
    "text/x-vb": ".vb .bas",
    "text/x-verilog": ".v .vh",
    "text/x-vhdl": ".vhd .vhdl",
    "text/x-vue": ".vue .svelte",
    "text/x-yaml": ".yaml .yml",
    "text/x-zig": ".zig",
    "text/javascript": ".js .mjs .cjs .jsx",
    "text/x-typescript": ".ts .tsx .mts .cts",
}
MEDIA_TYPES = {name: media_type for media_type, names in _NAMES.items() for name in names.split()}

# What the river takes over HTTP, by Content-Type; what a body begins with comes first (page_type).
PAGES = {
    "application/xhtml+xml": HTML,
    "text/markdown": "text/markdown",
    "text/rtf": RTF,
} | {kind: kind for kind in (HTML, TEXT, PDF, DOCX, PPTX, XLSX, EPUB, NOTEBOOK, RTF)}
# An HTML file begins with its doctype or its root, after a byte order mark, an XML head or comments.
_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*){0,5}<(?:!doctype\s+html|html[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_RTF_START = re.compile(rb"\{\\rtf\d?\s*[\\{]")
_PDF_START = re.compile(rb"[\xef\xbb\xbf \t\r\n]*%PDF-")
# The first member of an office file, and by the folder of a further one which kind it is.
_OFFICE_START = re.compile(rb"PK\x03\x04.{26}(?:\[Content_Types\]\.xml|_rels/\.rels)", re.DOTALL)
_OFFICE_FOLDERS = ((b"word/", DOCX), (b"ppt/", PPTX), (b"xl/", XLSX))
_EPUB_START = re.compile(rb"PK\x03\x04.{26}mimetypeapplication/epub\+zip", re.DOTALL)
# A WARC file begins with a version and a named field; prose about the format does not.
_WARC_START = re.compile(rb"WARC/[01]\.\d+\r?\n[\w-]+:")
_ARC_START = re.compile(rb"filedesc://[^\n ]* \S+ \d{14} \S+ \d+\r?\n")
# Kinds that a page saved under a wrong name may carry; a template in a source file is none.
_NOT_SOURCE = {
    None, TEXT, PDF, DOCX, PPTX, XLSX, EPUB, RTF, COMPOUND, OPEN_DOCUMENT, JSON, JSON_LINES, PARQUET,
}  # fmt: skip


def formats() -> dict[str, Format]:
    """Formats that installed packages add, by the kind that `recognise` gives. Raises ConfigurationError."""
    found = extension.added(extension.FORMATS, Format)
    return {f"{extension.FORMATS}/{name}": form for name, form in found.items()}


@cache
def _added_kinds() -> dict[str, str]:
    """By suffix, of the formats and extractors that packages add: what they say goes before our table."""
    kinds = {
        suffix: each.media_type
        for each in extension.added(extension.EXTRACTORS, Extractor).values()
        for suffix in each.suffixes
    }
    return kinds | {suffix: kind for kind, form in formats().items() for suffix in form.suffixes}


def is_source(media_type: str) -> bool:
    """Whether it is the source code of a program (and no document about one)."""
    return media_type.startswith("text/x-") or media_type in ("text/css", "text/javascript")


def suffix_of(name: str) -> str:
    """The suffix in lower case with its dot, without that of the compression; "" if there is none."""
    base = _uncompressed(name)
    return os.path.splitext(base)[1]


def is_told(name: str) -> bool:
    """Whether the name says what a file holds, so that it is read alike in a folder and where it is named."""
    return bool(_added_kinds().get(suffix_of(name))) or _declared(name) not in (None, JSON)


def recognise(name: str, head: bytes, text_fields: Sequence[str], *, named: bool) -> str | None:
    """The media type of a file, or None when it is not known.

    head: its first bytes, uncompressed, up to 64 KiB. named: the user named this very file, so that
    text under an unknown name is taken to be text.
    """
    if kind := _added_kinds().get(suffix_of(name)):
        return kind
    declared = _declared(name)
    if head.startswith(b"PAR1"):
        return PARQUET
    if _WARC_START.match(head):
        return WARC
    if _ARC_START.match(head):
        return ARC
    if _PDF_START.match(head):
        return PDF
    if _RTF_START.match(head):
        return RTF
    if declared in _NOT_SOURCE and _HTML_START.match(head):
        return HTML
    if declared == JSON_LINES:
        return JSON if _start(head).startswith(b"[") else JSON_LINES
    if declared == JSON:
        # In a folder of source code most .json are settings: not a record, so not a document.
        return _records(head, text_fields) or (JSON if named else None)
    if declared is None and named and _is_text(head):
        return _records(head, text_fields) or TEXT
    if declared is None and named and (picture := _picture(head)):
        return picture
    return declared or _zipped(head)


def _declared(name: str) -> str | None:
    return MEDIA_TYPES.get(suffix_of(name)) or MEDIA_TYPES.get(_uncompressed(name))


def _picture(head: bytes) -> str | None:
    """Of a page, which is a document where a person names it; in a folder it is an illustration."""
    return next((kind for mark, kind in PICTURES if head.startswith(mark)), None)


def _zipped(head: bytes) -> str | None:
    """Which kind of document a zip is that is not called an archive."""
    if _EPUB_START.match(head):
        return EPUB
    if not _OFFICE_START.match(head):
        return None
    return next((kind for folder, kind in _OFFICE_FOLDERS if folder in head), None)


def page_type(head: bytes) -> str | None:
    """PDF, RTF or HTML when the first bytes of what came over HTTP say so."""
    if _PDF_START.match(head):
        return PDF
    if _RTF_START.match(head):
        return RTF
    return HTML if _HTML_START.match(head) else None


def _uncompressed(name: str) -> str:
    base, suffix = os.path.splitext(os.path.basename(name).lower())
    return base if suffix in COMPRESSED else base + suffix


def _start(head: bytes) -> bytes:
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


def _records(head: bytes, text_fields: Sequence[str]) -> str | None:
    """JSON_LINES or JSON when it begins with a record that has a text field or may be a conversation."""
    start = _start(head)
    if not start.startswith((b"{", b"[")) or not _names(start, (*text_fields, "html", *conversation.FIELDS)):
        return None
    if start.startswith(b"["):
        return JSON
    line, newline, _ = start.partition(b"\n")
    first = _json(line)
    if first is not None and not _names(start, (*text_fields, "html")) and not conversation.is_in(first):
        return None  # settings and translations have such names, too
    return JSON_LINES if not newline or first is not None else JSON


def _names(start: bytes, fields: Iterable[str]) -> bool:
    return re.search(rb'"(?:%s)"\s*:' % "|".join(map(re.escape, sorted(fields))).encode(), start) is not None


def _json(line: bytes) -> object:
    """What a line holds, or None."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_text(head: bytes) -> bool:
    """Whether it is UTF-8 without NUL; a character cut off at the end does not count."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head
