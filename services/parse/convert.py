"""Documents read by another converter's server: docling-serve and MinerU, over HTTP, one request each.

A server that is not there, or says that it is busy, is waited for as for any other; what it does not manage
while it is well is the document's fault, and a dead letter that can be put back.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from contracts import media_types
from services.parse.config import ParseConfig, Parsed, Unparseable
from services.runtime import ConfigurationError, DependencyDown

SUFFIXES = {
    media_types.PDF: ".pdf",
    media_types.DOCX: ".docx",
    media_types.PPTX: ".pptx",
    media_types.XLSX: ".xlsx",
    media_types.HTML: ".html",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/tiff": ".tiff",
}
_BUSY = frozenset({429, 502, 503})
_FORBIDDEN = frozenset({401, 403, 404})
_PICTURE = re.compile(r"^(?:<!-- image -->|!\[[^\]\n]*\]\([^)\n]*\))[ \t]*\n*", re.MULTILINE)


@dataclass(frozen=True)
class _Dialect:
    """How a server is asked. text: of what it answers, the Markdown and whether some of it is missing."""

    path: str
    fields: Mapping[str, str]
    text: Callable[[Any], tuple[str, bool]]


def _docling(answer: Any) -> tuple[str, bool]:
    """ConvertDocumentResponse (github.com/docling-project/docling-serve, docs/usage.md, v1)."""
    status = answer["status"]
    if status not in ("success", "partial_success"):
        raise Unparseable("broken", f"docling: {status}: {json.dumps(answer.get('errors'))}"[:500])
    return answer["document"]["md_content"] or "", status != "success"


def _mineru(answer: Any) -> tuple[str, bool]:
    """Of `mineru-api` (github.com/opendatalab/MinerU, mineru/cli/fast_api.py): results by the file's name."""
    (result,) = answer["results"].values()
    return result["md_content"] or "", False


_DIALECTS = {
    "docling": _Dialect(
        "/v1/convert/file", {"to_formats": "md", "image_export_mode": "placeholder"}, _docling
    ),
    "mineru": _Dialect("/file_parse", {"return_md": "true", "lang_list": "ch"}, _mineru),
}
_HEALTH = "/health"  # both have it


class Converter:
    """One server. media_types: what it is asked for. now: a clock, in seconds."""

    def __init__(self, config: ParseConfig, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._timeout = config.converter_timeout_s
        self._name, _, address = config.converter.partition("+")
        self._dialect = _DIALECTS[self._name]
        self._most = config.max_bytes
        self.media_types = frozenset(config.converter_types)
        keys = {"X-Api-Key": config.converter_key} if config.converter_key else {}
        timeout = httpx.Timeout(config.converter_timeout_s, connect=min(5.0, config.converter_timeout_s))
        self._client = httpx.Client(base_url=address, timeout=timeout, headers=keys)

    def __call__(self, body: bytes, media_type: str) -> Parsed:
        """Its Markdown, without pictures.

        Raises Unparseable(broken, no_text, too_large), DependencyDown, ConfigurationError: it is no such
        server, or takes no such key; RuntimeError: it is well and does not manage this document.
        """
        until = self._now() + self._timeout
        files = {"files": (f"document{SUFFIXES[media_type]}", body, media_type)}
        try:
            with self._client.stream(
                "POST", self._dialect.path, files=files, data=dict(self._dialect.fields)
            ) as response:
                answer = self._read(response, until)
        except httpx.TransportError as error:
            self._look_after(error)
            raise RuntimeError(f"{self._name} does not answer for this document: {error!r}") from error
        self._check(response.status_code, answer)
        try:
            text, partial = self._dialect.text(json.loads(answer))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RuntimeError(f"{self._name} answers otherwise than it should: {error!r}") from error
        text = _PICTURE.sub("", text).strip()
        if not text:
            raise Unparseable("no_text", f"{self._name} found no text")
        return Parsed(text, partial=partial)

    def _read(self, response: httpx.Response, until: float) -> bytes:
        """Its bytes; httpx bounds the time of each read, and a server may give a byte at each."""
        answer = bytearray()
        for chunk in response.iter_bytes():
            if self._now() > until:
                raise httpx.ReadTimeout("its answer goes on and on")
            answer += chunk
            if len(answer) > self._most:
                raise Unparseable("too_large", f"{self._name} answers more bytes", len(answer), self._most)
        return bytes(answer)

    def _check(self, status: int, answer: bytes) -> None:
        said = f"{self._name} answers {status}: {answer[:300].decode(errors='replace')}"
        if status in _BUSY:
            raise DependencyDown(self._name, said)
        if status in _FORBIDDEN:
            raise ConfigurationError(f"{said}; see parse.converter and parse.converter_key")
        if 400 <= status < 500:
            raise Unparseable("broken", said)
        if status != 200:
            self._look_after(said)
            raise RuntimeError(said)

    def _look_after(self, cause: object) -> None:
        """Tell a server that is down from one that a document is too much for. Raises DependencyDown."""
        try:
            well = self._client.get(_HEALTH).is_success
        except httpx.TransportError:
            well = False
        if not well:
            raise DependencyDown(self._name, cause)
