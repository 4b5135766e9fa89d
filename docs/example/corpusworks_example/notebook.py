"""An extractor: notebooks become Markdown, their code in fences and without what it printed."""

from __future__ import annotations

import json

from services.runtime import Extractor


def extract(body: bytes) -> str:
    """All cells on end. Raises ValueError, KeyError: it is no notebook."""
    return "\n\n".join(
        _cell(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(body)["cells"]
    )


def _cell(kind: str, source: str) -> str:
    return f"```\n{source}\n```" if kind == "code" else source


NOTEBOOK = Extractor(media_type="application/x-ipynb+json", suffixes=(".ipynb",), extract=extract)
