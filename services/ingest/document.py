"""How a file or a record becomes a Document."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import xxhash

from contracts import Document
from contracts.media_types import HTML, TEXT
from services.ingest import conversation, presets
from services.ingest.config import IngestConfig
from services.ingest.presets import Preset

# Bounds of what travels beside the text; a longer id or value is cut, further fields are left out.
MAX_ID_CHARS = 512
MAX_METADATA_FIELDS = 32
MAX_METADATA_CHARS = 2000
# A signature of datasketch that a record brings, which dedup can take: see services/dedup/foreign.py.
SIGNATURE, MAX_SIGNATURE_CHARS = "minhash", 12_000

_MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}(?:\s*;[\x20-\x7e]{0,200})?", re.ASCII)

SET_TEXT_FIELD = "name its field with CORPUSWORKS_UNITS__INGEST__TEXT_FIELDS"


class NotADocument(Exception):
    """The text says what is wrong and what to do."""


@dataclass(slots=True)
class Maker:
    """Makes documents. ingested_ms: Unix milliseconds; one for all, since dedup lets the earlier import win
    between equals, and within an import the order of its files must not matter.

    num_bytes: of the bodies of all that it made; to ask a document for its body costs a copy.
    """

    config: IngestConfig
    ingested_ms: int
    num_bytes: int = 0

    def has_text(self, record: object) -> bool:
        """Whether a field that may hold the text is there at all, or a conversation that has one."""
        fields = (*self.config.text_fields, "html")
        named = isinstance(record, dict) and any(name in record for name in fields)
        return named or conversation.is_in(record)

    def of_file(self, uri: str, body: bytes, media_type: str) -> Document:
        """One document of a whole file. Raises NotADocument when it is too large."""
        return self._make("", uri, body, source=uri, media_type=media_type, metadata={})

    def of_record(self, uri: str, number: int, record: object) -> Document:
        """One document of a record (an object of JSON, a row of Parquet), the number-th of its file.

        The text goes to `body`, since parse is who decodes; scalar fields beside it, those of nested
        objects one level down included, go to `metadata`. A record without a text that is a conversation
        (see conversation.py) becomes a plain one, and `metadata` says by which `template`, and the `thread`
        that it belongs to if it names one. Raises NotADocument.
        """
        if not isinstance(record, dict):
            raise NotADocument(f"a record must be an object with a text, this is a {type(record).__name__}")
        known = self.preset_of(presets.columns_of(record), uri)
        if known is not None and isinstance(text := record.get(known[0].text), str):
            return self._of_preset(uri, number, record, text, known)
        if (written := self._conversation(record)) is not None:
            return self._of_conversation(uri, number, record, written)
        field, body = self._text(record)
        media_type = record.get("media_type")
        if field == "html":
            media_type = HTML
        elif not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
            media_type = TEXT
        id_field, identifier = self._id(record)
        said = _metadata(record, leave_out={field, id_field, "html", "media_type"})
        source = f"{uri}#{number}"
        return self._make(identifier, uri, body, source=source, media_type=media_type, metadata=said)

    def preset_of(self, columns: Collection[str], uri: str) -> tuple[Preset, bool] | None:
        """The layout of a public dataset that records with these columns have, and whether they are of it."""
        if self.config.preset in presets.PRESETS:
            return presets.PRESETS[self.config.preset], True
        return None if self.config.preset else presets.recognise(columns, uri)

    def _of_preset(
        self, uri: str, number: int, record: dict[str, Any], text: str, known: tuple[Preset, bool]
    ) -> Document:
        preset, certain = known
        identifier = record.get(preset.id)
        said = preset.said(record, certain=certain)
        more = _metadata(record, leave_out={preset.text, preset.id, *said})
        metadata = {name: _short(value) for name, value in said.items()} | more
        return self._make(
            _valid(str(identifier)[:MAX_ID_CHARS]) if _is_id(identifier) else "",
            uri,
            _utf8(text),
            source=f"{uri}#{number}",
            media_type=TEXT,
            metadata=dict(islice(metadata.items(), MAX_METADATA_FIELDS)),
        )

    def _of_conversation(
        self, uri: str, number: int, record: dict[str, Any], written: conversation.Written
    ) -> Document:
        id_field, identifier = self._id(record)
        said = _metadata(
            record, leave_out={*written.fields, id_field, "media_type"}, most=MAX_METADATA_FIELDS - 2
        )
        if thread := conversation.thread_of(said):
            said["thread"] = thread
        said["template"] = written.template
        source = f"{uri}#{number}"
        return self._make(identifier, uri, _utf8(written.text), source=source, media_type=TEXT, metadata=said)

    def of_page(
        self, source: tuple[str, int], body: bytes, media_type: str, identifier: str, said: dict[str, str]
    ) -> Document:
        """One document of a page in an archive. source: URI and number of its record. Raises NotADocument."""
        uri, number = source
        return self._make(
            _valid(identifier[:MAX_ID_CHARS]),
            uri,
            body,
            source=f"{uri}#{number}",
            media_type=media_type,
            metadata=_bounded(said),
        )

    def _id(self, record: dict[str, Any]) -> tuple[str, str]:
        """The field that names it, and its name; both may be ""."""
        field = next((name for name in self.config.id_fields if _is_id(record.get(name))), "")
        return field, _valid(str(record[field])[:MAX_ID_CHARS]) if field else ""

    def _conversation(self, record: dict[str, Any]) -> conversation.Written | None:
        """None where the record has a text of its own, or is no conversation."""
        if any(record.get(name) for name in (*self.config.text_fields, "html")):
            return None
        try:
            return conversation.write(record)
        except conversation.NoConversation as error:
            raise NotADocument(str(error)) from error

    def _text(self, record: dict[str, Any]) -> tuple[str, bytes]:
        empty = ""
        for name in (*self.config.text_fields, "html"):
            if name not in record:
                continue
            value = record[name]
            if value and isinstance(value, str | bytes):
                return name, _utf8(value) if isinstance(value, str) else value
            if value is None or isinstance(value, str | bytes):
                empty = empty or name
        if empty:  # a text that is there and empty is for the rules to judge
            return empty, b""
        raise NotADocument(
            f"no text: it has {_shown(record)}, none of {', '.join(self.config.text_fields)} as a string; "
            + SET_TEXT_FIELD
        )

    def _make(
        self,
        identifier: str,
        uri: str,
        body: bytes,
        *,
        source: str,
        media_type: str,
        metadata: dict[str, str],
    ) -> Document:
        limit = self.config.max_document_bytes
        if len(body) > limit:
            raise NotADocument(too_large(len(body), limit))
        # Of the file and not of the record's number: a record put in above must not rename those below.
        identifier = identifier or xxhash.xxh3_128_hexdigest(uri.encode() + b"\0" + body)
        digest = xxhash.xxh3_64(identifier.encode() + b"\0")
        digest.update(body)
        made = Document()  # set one by one: as arguments they cost as much again
        made.id = identifier
        made.uid = digest.intdigest() or 1
        made.source = source
        made.media_type = media_type
        made.body = body
        made.ingested_ms = self.ingested_ms
        self.num_bytes += len(body)
        fields = made.metadata
        for name, value in metadata.items():  # half the time of handing the map over whole
            fields[name] = value
        return made


def too_large(size: int, limit: int) -> str:
    """What to say of a piece above the limit."""
    return (
        f"{size:,} bytes are more than the limit of {limit:,}; split it, or raise the limit with "
        "CORPUSWORKS_UNITS__INGEST__MAX_DOCUMENT_BYTES"
    )


def _bounded(said: dict[str, str]) -> dict[str, str]:
    """What a page says of itself, within bounds; nearly always it is, which one look at all of it tells."""
    joined = "".join((*said, *said.values()))
    if len(joined) <= MAX_METADATA_CHARS and len(said) <= MAX_METADATA_FIELDS and joined.isascii():
        return said
    return {_short(name): _short(text) for name, text in islice(said.items(), MAX_METADATA_FIELDS)}


def _metadata(record: dict[str, Any], leave_out: set[str], most: int = MAX_METADATA_FIELDS) -> dict[str, str]:
    signature = _signature(record.get(SIGNATURE))
    said = {SIGNATURE: signature} if signature else {}
    for name, value in _fields(record, leave_out | {SIGNATURE}):
        text = _scalar(value)
        if text is not None:
            said[_valid(name[:MAX_METADATA_CHARS])] = _valid(text[:MAX_METADATA_CHARS])
            if len(said) == most:
                break
    return said


def _signature(value: object) -> str:
    """As base64, of bytes or of numbers, 4 bytes each where they fit; "" of what is none of these."""
    if isinstance(value, list):
        if not value or not all(type(each) is int and 0 <= each < 1 << 64 for each in value):
            return ""
        width = "I" if max(value) < 1 << 32 else "Q"
        value = struct.pack(f"<{len(value)}{width}", *value)
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return text if isinstance(text, str) and text.isascii() and len(text) <= MAX_SIGNATURE_CHARS else ""


def _fields(record: dict[str, Any], leave_out: set[str]) -> Iterator[tuple[str, object]]:
    """Fields by name; those of an object inside as object.name."""
    for name, value in record.items():
        if name in leave_out:
            continue
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", deeper) for inner, deeper in value.items())
        else:
            yield name, value


def _scalar(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, dict | list | tuple | bytes):
        return None
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a date before the year 1 in its time zone, say
        return None


def _is_id(value: object) -> bool:
    return (isinstance(value, str) and value != "") or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def _shown(record: dict[str, Any]) -> str:
    names = [f"{str(name)[:40]!r} ({type(value).__name__})" for name, value in record.items()]
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "") or "no fields"


def _utf8(text: str) -> bytes:
    """JSON may escape half a surrogate pair, which has no UTF-8: pairs are joined, halves replaced."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _short(text: str) -> str:
    return _valid(text[:MAX_METADATA_CHARS])


def _valid(text: str) -> str:
    return text if text.isascii() else _utf8(text).decode()
