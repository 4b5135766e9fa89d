"""Jupyter notebooks: their Markdown as it is, code in fences, and what it printed, within bounds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from services.parse import markdown
from services.parse.charset import decode, strip_controls
from services.parse.config import ParseConfig, Parsed, Unparseable

_TYPES = ("text/markdown", "text/latex", "text/plain")  # of one result the first that it has
_FENCED = "text/plain"
_OBJECT = re.compile(r"\s*<[^\n]*>\s*")  # what stands for a picture or an object without a text
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # a terminal's colours
_PICTURE = re.compile(r"!\[[^\]\n]*\]\((?:data:|attachment:)[^)\s]*\)")


def parse_notebook(body: bytes, config: ParseConfig) -> Parsed:
    """All cells; versions 3 and 4 (nbformat.readthedocs.io). Raises Unparseable(broken, no_text)."""
    decoded = decode(body)
    try:
        notebook = json.loads(decoded.text)
    except (ValueError, RecursionError) as error:
        raise Unparseable("broken", f"a notebook that is no JSON: {error}"[:300]) from error
    cells = list(_cells(notebook))
    if not cells:
        raise Unparseable("no_text" if isinstance(notebook, dict) else "broken", "a notebook without cells")
    blocks = [block for cell in cells for block in _blocks(cell, _language(notebook), config)]
    text, _ = strip_controls("\n\n".join(filter(None, blocks)))
    if not text.strip():
        raise Unparseable("no_text", "all cells of the notebook are empty")
    return Parsed(text, confidence=1.0 - decoded.bad_share, bad_share=decoded.bad_share)


def _cells(notebook: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(notebook, dict):
        return
    sheets = [notebook, *(notebook.get("worksheets") or ())]  # where version 3 has them
    for sheet in sheets:
        cells = sheet.get("cells") if isinstance(sheet, dict) else None
        yield from (cell for cell in cells or () if isinstance(cell, dict))


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for name, key in (("language_info", "name"), ("kernelspec", "language")):
        said = metadata.get(name) if isinstance(metadata, dict) else None
        if language := _named(said.get(key) if isinstance(said, dict) else None):
            return language
    return ""


def _named(value: Any) -> str:
    return value.lower() if isinstance(value, str) and re.fullmatch(r"[\w+#-]{1,20}", value) else ""


def _blocks(cell: dict[str, Any], language: str, config: ParseConfig) -> Iterator[str]:
    source = _text(cell.get("source", cell.get("input"))).strip("\n")
    kind = cell.get("cell_type")
    if kind == "code":
        if source.strip():
            yield markdown.fence(source, _named(cell.get("language")) or language)
        yield from _outputs(cell.get("outputs"), config.max_output_characters)
    elif kind == "heading":  # of version 3
        yield "#" * max(1, min(6, cell["level"] if isinstance(cell.get("level"), int) else 1)) + " " + source
    else:
        yield _PICTURE.sub("", source).strip()


def _outputs(outputs: Any, most: int) -> Iterator[str]:
    """What a cell printed and returned, up to `most` characters; errors and pictures are left out."""
    for output in outputs if isinstance(outputs, list) else ():
        if not isinstance(output, dict):
            continue
        kind, text = _shown(output)
        text = _ESCAPES.sub("", text).strip("\n")
        if not text.strip() or _OBJECT.fullmatch(text):
            continue
        if len(text) > most:
            text = text[:most].rpartition("\n")[0] or text[:most]
            kind = _FENCED  # what is cut need not be Markdown any more
        most -= len(text)
        yield markdown.fence(text) if kind == _FENCED else text
        if most <= 0:
            return


def _shown(output: dict[str, Any]) -> tuple[str, str]:
    """(media type, text) of an output; version 3 has the text of a result beside it."""
    kind = output.get("output_type")
    if kind == "stream":
        said = output.get("name", output.get("stream"))
        return _FENCED, "" if said == "stderr" else _text(output.get("text"))
    if kind in ("execute_result", "display_data", "pyout"):
        data = output.get("data")
        data = data if isinstance(data, dict) else {_FENCED: output.get("text")}
        for name in _TYPES:
            if text := _text(data.get(name)):
                return name, text
    return _FENCED, ""


def _text(value: Any) -> str:
    """Text that may be a list of lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""
